"""Exact policy evaluation: values and expected steps of a policy, from the linear equations of its Markov chain.

    v(s) = sum over a of pi(a | s) * sum over outcomes of p * (reward + gamma * v(s_next))

A policy of action values takes a greedy action, each of those that tie with equal probability. Every policy takes any
action with probability epsilon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.environments import World, model_of
from clew.errors import PrecisionError, SettingError
from clew.evaluation.relative import chain_rows, extend, policy_chain, policy_shares, relative_policy_values
from clew.kernels import read_only
from clew.kernels.dynamics import Grid, Sparse
from clew.kernels.planning.chain_values import backup_chain, chain_residual, solve_chain
from clew.kernels.planning.chains import Chain, Components, find_components, write_chain
from clew.kernels.planning.grading import propagate_suboptimal
from clew.kernels.planning.relative_values import UNDERFLOW
from clew.models.mdp import FiniteMDP
from clew.planning import HorizonSolution
from clew.planning.absorbing import AbsorbingChain
from clew.planning.certificate import warn_if_inexact
from clew.planning.equations import rewards_fit
from clew.planning.relative import never_ends
from clew.policies.given import HasPolicy, Weights, weights_of
from clew.policies.policy import Policy
from clew.settings import POSITIVE, SHARE, check_count, check_memory, check_number

# Strongly connected components of up to this many states are solved by elimination, larger ones by sweeps: at gamma 0.9
# both take about the same time.
SMALL_COMPONENT = 64
MAX_RELATIVE = 200_000  # states of a world that ends, above which a bound that is too large is only warned of
MAX_HORIZON = 1_000_000  # steps
MAX_ROWS = 200_000_000  # rows of the chain that sweeps may read: a second or two
MAX_SWEEPS = 1000  # after which equations are factorised
STEPS_PRECISION = 1e-9  # largest relative error of a number of steps


@dataclass(frozen=True, eq=False)
class PolicyValues:
    """Values of a policy in every state, with a proved error bound.

    Attributes:
        value: expected discounted return, mean over the starts.
        v: (num_states,) float64, state values. With gamma 1, -inf or inf where the policy may never end and collects
            negative or positive rewards without bound, NaN where it may do both, or where the value was not found,
            and `bound` is infinite.
        bound: proved bound on the error of the finite values of v, rounding included; see `policy_values`.
        gamma: discount of these values.
        horizon: number of steps after which episodes are cut off; None if they aren't.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(3, 3))
    >>> round(clew.policy_values(env, clew.solve(env)).value, 6)
    0.729
    """

    value: float
    v: npt.NDArray[np.float64]
    bound: float
    gamma: float
    horizon: int | None = None


@dataclass(frozen=True, eq=False)
class Walk:
    """Markov chain of a policy, with its strongly connected components in the order in which they are solved.

    Attributes:
        mdp: the world.
        weights: (num_states, num_actions), weights of the actions, see `clew.policies.given.weights_of`.
        epsilon: probability of a random action instead.
        chain: transition probabilities between states.
        components: strongly connected components; each comes after those that it leads to.
        num_components: number of components.
        reward: (num_states,) float64, expected reward of a step.
        goes_on: (num_states,) float64, probability that a step is taken; 0 in terminal states.
        slack: maximum relative rounding error of a backup.
        max_reward: maximum absolute reward.
    """

    mdp: FiniteMDP
    weights: Weights
    epsilon: float
    chain: Chain
    components: Components
    num_components: int
    reward: npt.NDArray[np.float64]
    goes_on: npt.NDArray[np.float64]
    slack: float
    max_reward: float

    def values(self, gamma: float, tolerance: float) -> tuple[npt.NDArray[np.float64], float]:
        """Return (v, bound): state values, (num_states,) float64, and a proved bound on their error.

        They are computed by components or by relative values, whichever is more precise.

        Args:
            gamma: discount per step, in [0, 1].
            tolerance: error at which sweeps stop.
        """
        mdp = self.mdp
        is_relative = gamma < 1.0 and rewards_fit(mdp)
        if is_relative and mdp.num_states > SMALL_COMPONENT and never_ends(mdp):
            return relative_policy_values(mdp, self.weights, self.epsilon, gamma, tolerance)
        found = self._values_by_components(gamma, tolerance)
        if found[1] <= tolerance or (gamma < 1.0 and (not is_relative or mdp.num_states > MAX_RELATIVE)):
            return found
        better = self._values_by_factors(gamma, found[0])
        if gamma < 1.0 and not better[1] <= tolerance:
            relative = relative_policy_values(mdp, self.weights, self.epsilon, gamma, tolerance)
            better = min(better, relative, key=lambda each: each[1])
        return min(found, better, key=lambda each: each[1])

    def _values_by_components(self, gamma: float, tolerance: float) -> tuple[npt.NDArray[np.float64], float]:
        """Return (v, bound), see `values`; the bound is by the largest residual."""
        v = self._solve(self.reward, gamma, 0.5 * tolerance * (1.0 - gamma))
        residual, max_value = chain_residual(self.chain, self.reward, v, gamma)
        residual += self.slack * (self.max_reward + max_value) + UNDERFLOW
        if gamma < 1.0:
            return v, residual / (1.0 - gamma)
        # Without a discount, the residual of a step adds up over the n steps of the episode. The computed n, w, is off
        # by at most n times the residual of its own equations, so n is at most w / (1 - that residual).
        steps = np.where(self.components.recurrent, 0.0, np.sign(self.goes_on))
        w = self._solve(steps, 1.0, 0.0)
        step_residual, longest = chain_residual(self.chain, steps, w, 1.0)
        step_residual += self.slack * (1.0 + longest)
        is_bounded = step_residual < 1.0 and np.isfinite(w).all()
        return v, residual * longest / (1.0 - step_residual) if is_bounded else np.inf

    def steps(self) -> npt.NDArray[np.float64]:
        """Return the expected steps to the end, (num_states,) float64; infinite where the policy may never end.

        Raises:
            PrecisionError: if they aren't proved to within a relative error of `STEPS_PRECISION`.
        """
        steps = self._solve(self.goes_on, 1.0, 0.0)
        residual, longest = chain_residual(self.chain, self.goes_on, steps, 1.0)
        endless = self.leads_to(self.components.recurrent)
        is_finite = bool(np.isfinite(steps[~endless]).all())
        if is_finite and residual + self.slack * (1.0 + longest) <= 0.5 * STEPS_PRECISION:
            return steps
        chain, rounding = self.policy_chain()
        rows = chain_rows(chain._replace(rewards=np.zeros_like(chain.rewards)), rounding)
        absorbing = AbsorbingChain(rows, extend(~endless & (self.goes_on > 0.0), rows), rounding=rounding)
        check_steps(absorbing.steps_error, "; clew.policy_values(..., horizon=n) takes a given number of steps")
        steps = absorbing.steps[: steps.size]
        steps[endless] = np.inf
        return steps

    def leads_to(self, states: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Return the states from which some whole components may be reached, (num_states,) bool, these included."""
        none, found = np.zeros((2, states.size), np.bool_)
        components = self.components._replace(recurrent=states)
        propagate_suboptimal(self.chain, components, self.num_components, none, found, none.copy())
        return found

    def policy_chain(self) -> tuple[Sparse, float]:
        """Return the chain as a model with one action, and the relative rounding error of its probabilities."""
        return policy_chain(self.mdp, policy_shares(self.mdp, self.weights, self.epsilon))

    def _values_by_factors(self, gamma: float, v: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], float]:
        """Return (v, bound), see `values`, by a factorisation; with gamma 1, v must be right in recurrent states."""
        chain, rounding = self.policy_chain()
        rows = chain_rows(chain, rounding)
        recurrent = self.components.recurrent & (gamma == 1.0)
        infinite = self.leads_to(recurrent & (v != 0.0))
        inside = extend(~infinite & ~recurrent & (self.goes_on > 0.0), rows)
        absorbing = AbsorbingChain(rows, inside, rounding=rounding, gamma=gamma)
        rewards, errors = np.where(inside, rows.rewards, 0.0), np.where(inside, rows.reward_errors, 0.0)
        finite, bound = absorbing.values(rewards, errors, np.zeros(inside.size))
        v = self._solve(np.where(infinite & recurrent, self.reward, 0.0), 1.0, 0.0) if infinite.any() else v
        return np.where(infinite, v, finite[: v.size]), bound

    def _solve(self, reward: npt.NDArray[np.float64], gamma: float, target: float) -> npt.NDArray[np.float64]:
        v, matrix = np.empty(reward.size), np.empty((SMALL_COMPONENT, SMALL_COMPONENT + 1))
        max_rows = min(MAX_ROWS, MAX_SWEEPS * int(self.chain.offsets[-1]))
        solve_chain(self.chain, reward, gamma, self.components, self.num_components, v, matrix, target, max_rows)
        return v


def check_steps(error: float, remedy: str) -> None:
    """Check the relative error of expected steps.

    Args:
        error: bound of the relative error.
        remedy: end of the message.

    Raises:
        PrecisionError: if it isn't proved to be at most `STEPS_PRECISION`.
    """
    if not error <= STEPS_PRECISION:
        raise PrecisionError(
            f"expected steps are not proved to within a relative error of {STEPS_PRECISION:g}: they are too many for "
            f"double precision, or their equations are too large{remedy}"
        )


def policy_values(
    world: World,
    policy: Policy | HasPolicy | HorizonSolution | npt.ArrayLike,
    *,
    gamma: float = 0.9,
    epsilon: float = 0.0,
    tolerance: float = 1e-6,
    horizon: int | None = None,
) -> PolicyValues:
    """Compute the values of a policy in every state of a world whose model is known.

    Strongly connected components of the policy's Markov chain are solved one by one, each after those that it leads to.
    A separate pass over all states then proves, with T the Bellman operator of the policy, that

        |v - v_pi| <= max_s |(T v)(s) - v(s)| / (1 - gamma)

    With gamma 1 the maximum expected number of steps takes the place of 1 / (1 - gamma). In worlds that never end, and
    where this bound is above the tolerance, the span of (T v)(s) - v(s) bounds the error, see `clew.planning.relative`,
    or equations are factorised, see `clew.planning.absorbing`; with gamma 1 only the latter. Where a policy may never
    end and values are not finite, `policy_gain` has its reward per step.
    The step limit of an environment is not part of its model.

    Args:
        world: environment, model or maze.
        policy: a policy or a solution; action values, (num_states, num_actions), of which ties are broken uniformly at
            random; or an action for each state, (num_states,) integers. The solution for a horizon is evaluated with
            its own action at each step.
        gamma: discount per step, in [0, 1].
        epsilon: probability of a random action instead of one of the policy.
        tolerance: requested error of a value; `bound` is what was reached.
        horizon: number of steps after which episodes are cut off, up to a million; the values are then those at the
            first step, exact but for rounding. None is no such number, or that of the solution.

    Raises:
        SettingError: if a setting is out of range, the policy doesn't fit the world, or an array can be read in two
            ways.

    Warns:
        PrecisionWarning: if `bound` is larger than the tolerance.

    Source:
        Sutton & Barto (2018), section 4.1; Puterman (1994), theorem 6.1.1, for the bound.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(3, 3))
    >>> solution = clew.solve(env)
    >>> [round(clew.policy_values(env, solution, epsilon=epsilon).value, 4) for epsilon in (0.0, 0.1, 1.0)]
    [0.729, 0.7026, 0.2039]
    >>> [round(clew.policy_values(env, solution, gamma=1.0, epsilon=0.1, horizon=n).value, 4) for n in (3, 4, 99)]
    [0.0, 0.7733, 1.0]
    """
    check_number("gamma", gamma, SHARE)
    check_number("epsilon", epsilon, SHARE)
    check_number("tolerance", tolerance, POSITIVE)
    mdp = model_of(world)
    if isinstance(policy, HorizonSolution) and horizon is None:
        horizon = policy.horizon
    if horizon is not None:
        check_count("horizon", horizon, 1, MAX_HORIZON)
        v, bound = _values_of_horizon(mdp, policy, gamma, epsilon, int(horizon))
    else:
        v, bound = walk_through(mdp, weights_of(policy, mdp), epsilon).values(gamma, tolerance)
    warn_if_inexact(bound, tolerance)
    with np.errstate(invalid="ignore", over="ignore"):  # the mean of inf and -inf is NaN
        return PolicyValues(float(v[mdp.starts].mean()), v, bound, gamma, horizon)


def policy_steps(
    world: World, policy: Policy | HasPolicy | npt.ArrayLike, *, epsilon: float = 0.0
) -> npt.NDArray[np.float64]:
    """Compute the expected number of steps of a policy to the end, from every state.

    Args:
        world: environment, model or maze.
        policy: a policy or a solution; action values, (num_states, num_actions), of which ties are broken uniformly at
            random; or an action for each state, (num_states,) integers.
        epsilon: probability of a random action instead of one of the policy.

    Returns:
        (num_states,) float64, proved to within a relative error of 1e-9; infinite where the policy may never end, 0 in
        terminal states.

    Raises:
        SettingError: if epsilon is out of range, the policy doesn't fit the world, or an array can be read in two ways.
        PrecisionError: if the numbers aren't proved, as where they are larger than about 1e15.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(3, 3))
    >>> clew.policy_steps(env, clew.solve(env)).reshape(3, 3).tolist()
    [[4.0, 3.0, 2.0], [3.0, 2.0, 1.0], [2.0, 1.0, 0.0]]
    """
    mdp = model_of(world)
    return walk_through(mdp, weights_of(policy, mdp), epsilon).steps()


def _values_of_horizon(
    mdp: FiniteMDP, policy: Any, gamma: float, epsilon: float, horizon: int
) -> tuple[npt.NDArray[np.float64], float]:
    """Return (v, bound) at the first step: values of a policy up to a horizon, by backward induction, and their error.

    Args:
        mdp: model.
        policy: see `policy_values`.
        gamma: discount per step.
        epsilon: probability of a random action.
        horizon: number of steps.
    """
    depends_on_step = isinstance(policy, HorizonSolution)
    if depends_on_step and policy.horizon != horizon:
        raise SettingError(
            f"must be that of the solution, {policy.horizon}, or left out, not {horizon}", setting="horizon"
        )
    v, v_after = np.zeros((2, mdp.num_states))
    slack, bound, max_value = _slack(mdp), 0.0, 0.0
    for t in reversed(range(horizon)):
        if depends_on_step or t == horizon - 1:
            weights = weights_of(policy.policy_at(t) if depends_on_step else policy, mdp)
            chain, reward, _, max_reward = _new_chain(mdp, weights, epsilon)
        v, v_after = v_after, v
        bound = gamma * bound + slack * (max_reward + max_value)
        max_value = backup_chain(chain, reward, v_after, gamma, v)
    return v, bound


def walk_through(mdp: FiniteMDP, weights: Weights, epsilon: float = 0.0) -> Walk:
    """Build the Markov chain of a policy: actions by their weights, or with probability epsilon any action.

    Raises:
        SettingError: if epsilon is out of range, or the chain doesn't fit into memory.
    """
    check_number("epsilon", epsilon, SHARE)
    chain, reward, goes_on, max_reward = _new_chain(mdp, weights, epsilon)
    n = mdp.num_states
    components = Components(
        np.empty(n, np.int32), np.empty(n + 1, np.int32), np.empty(n, np.int32), np.empty(n, np.bool_)
    )
    num_components = find_components(chain, components, np.empty((6, n), np.int32), np.empty(n, np.int64))
    return Walk(mdp, weights, epsilon, chain, components, num_components, reward, goes_on, _slack(mdp), max_reward)


def _slack(mdp: FiniteMDP) -> float:
    """Return the maximum relative rounding error of a backup."""
    return (4 + 2 * mdp.num_actions * mdp.max_outcomes) * float(np.finfo(float).eps)


def _new_chain(
    mdp: FiniteMDP, weights: Weights, epsilon: float
) -> tuple[Chain, npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Return the Markov chain of a policy, the reward of a step, the probability that it is taken, the largest reward.

    Raises:
        SettingError: if the chain doesn't fit into memory.
    """
    n = mdp.num_states
    taken = weights > 0.0 if epsilon == 0.0 else np.ones(weights.shape, np.bool_)
    if isinstance(mdp.model, Grid):
        num_rows = mdp.max_outcomes * int(np.count_nonzero(taken))
    else:
        num_rows = int(np.diff(mdp.model.offsets)[taken.reshape(-1)].sum())
    check_memory(12 * num_rows + 80 * n, "the chain of the policy")
    chain = Chain(np.empty(n + 1, np.int64), np.empty(num_rows, np.int32), np.empty(num_rows), np.empty(n, np.bool_))
    reward, goes_on = np.empty((2, n))
    _, max_reward = write_chain(mdp.model, read_only(weights), epsilon, chain, reward, goes_on)
    return chain, reward, goes_on, max_reward
