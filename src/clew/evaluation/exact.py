"""Exact policy evaluation: values and expected steps of a policy, from the linear equations of its Markov chain.

    v(s) = sum over a of pi(a | s) * sum over outcomes of p * (reward + gamma * v(s_next))

A policy is a table of action values. It takes a greedy action, each of those that tie with equal probability, or with
probability epsilon any action.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.environments import World, model_of
from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.dynamics import Grid
from clew.kernels.planning.chain_values import chain_residual, solve_chain
from clew.kernels.planning.chains import Chain, Components, find_components, write_chain
from clew.models.mdp import FiniteMDP
from clew.planning.certificate import warn_if_inexact
from clew.policies.policy import Policy, check_acts_by_table
from clew.settings import POSITIVE, SHARE, as_numbers, check_memory, check_number

# Strongly connected components of up to this many states are solved by elimination, larger ones by sweeps: at gamma 0.9
# both take about the same time.
SMALL_COMPONENT = 64
MAX_ROWS = 200_000_000  # rows of the chain that sweeps may read: a second or two


@dataclass(frozen=True, eq=False)
class PolicyValues:
    """Values of a policy in every state, with a proved error bound.

    Attributes:
        value: expected discounted return, mean over the starts.
        v: (num_states,) float64, state values. With gamma 1, -inf or inf where the policy may never end and collects
            negative or positive rewards without bound, NaN where it may do both, or where the value was not found
            within `MAX_ROWS`.
        bound: proved bound on the error of the finite values of v, rounding included; see `policy_values`.
        gamma: discount of these values.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(3, 3))
    >>> round(clew.policy_values(env, clew.solve(env).q).value, 6)
    0.729
    """

    value: float
    v: npt.NDArray[np.float64]
    bound: float
    gamma: float


@dataclass(frozen=True, eq=False)
class Walk:
    """Markov chain of a policy, with its strongly connected components in the order in which they are solved.

    Attributes:
        chain: transition probabilities between states.
        components: strongly connected components; each comes after those that it leads to.
        num_components: number of components.
        reward: (num_states,) float64, expected reward of a step.
        goes_on: (num_states,) float64, probability that a step is taken; 0 in terminal states.
        slack: maximum relative rounding error of a backup.
        max_reward: maximum absolute reward.
    """

    chain: Chain
    components: Components
    num_components: int
    reward: npt.NDArray[np.float64]
    goes_on: npt.NDArray[np.float64]
    slack: float
    max_reward: float

    def values(self, gamma: float, tolerance: float) -> tuple[npt.NDArray[np.float64], float]:
        """Return (v, bound): state values, (num_states,) float64, and a proved bound on their error.

        Args:
            gamma: discount per step, in [0, 1].
            tolerance: error at which sweeps stop.
        """
        v = self._solve(self.reward, gamma, 0.5 * tolerance * (1.0 - gamma))
        residual, max_value = chain_residual(self.chain, self.reward, v, gamma)
        residual += self.slack * (self.max_reward + max_value)
        if gamma < 1.0:
            return v, residual / (1.0 - gamma)
        # Without a discount, the residual of a step adds up over the n steps of the episode. The computed n, w, is off
        # by at most n times the residual of its own equations, so n is at most w / (1 - that residual).
        steps = np.where(self.components.recurrent, 0.0, np.sign(self.goes_on))
        w = self._solve(steps, 1.0, 0.0)
        doubt, longest = chain_residual(self.chain, steps, w, 1.0)
        doubt += self.slack * (1.0 + longest)
        return v, residual * longest / (1.0 - doubt) if doubt < 1.0 and not np.isnan(w).any() else np.inf

    def steps(self) -> npt.NDArray[np.float64]:
        """Return the expected steps to the end, (num_states,) float64; infinite if it may never end, NaN if unknown."""
        return self._solve(self.goes_on, 1.0, 0.0)

    def _solve(self, reward: npt.NDArray[np.float64], gamma: float, target: float) -> npt.NDArray[np.float64]:
        v, matrix = np.empty(reward.size), np.empty((SMALL_COMPONENT, SMALL_COMPONENT + 1))
        solve_chain(self.chain, reward, gamma, self.components, self.num_components, v, matrix, target, MAX_ROWS)
        return v


def policy_values(
    world: World,
    policy: Policy | npt.ArrayLike,
    *,
    gamma: float = 0.9,
    epsilon: float = 0.0,
    tolerance: float = 1e-6,
) -> PolicyValues:
    """Compute the values of a policy in every state of a world whose model is known.

    Strongly connected components of the policy's Markov chain are solved one by one, each after those that it leads to.
    A separate pass over all states then proves, with T the Bellman operator of the policy, that

        |v - v_pi| <= max_s |(T v)(s) - v(s)| / (1 - gamma)

    With gamma 1 the maximum expected number of steps takes the place of 1 / (1 - gamma). The step limit of an
    environment is not part of its model.

    Args:
        world: environment, model or maze.
        policy: a policy, or its table of action values, (num_states, num_actions); ties are broken uniformly at random.
        gamma: discount per step, in [0, 1].
        epsilon: probability of a random action instead of a greedy one.
        tolerance: maximum error of a value, where sweeps are needed and end within `MAX_ROWS`; `bound` is what was
            reached.

    Raises:
        SettingError: if a setting is out of range, the policy doesn't fit the world, or a table looks like
            probabilities of actions.

    Warns:
        PrecisionWarning: if `bound` is larger than the tolerance.

    Source:
        Sutton & Barto (2018), section 4.1; Puterman (1994), theorem 6.1.1, for the bound.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(3, 3))
    >>> q = clew.solve(env).q
    >>> [round(clew.policy_values(env, q, epsilon=epsilon).value, 4) for epsilon in (0.0, 0.1, 1.0)]
    [0.729, 0.7027, 0.2039]
    """
    check_number("gamma", gamma, SHARE)
    check_number("tolerance", tolerance, POSITIVE)
    mdp = model_of(world)
    v, bound = walk_through(mdp, _actions_of(mdp, policy), epsilon).values(gamma, tolerance)
    warn_if_inexact(bound, tolerance)
    return PolicyValues(float(v[mdp.starts].mean()), v, bound, gamma)


def policy_steps(world: World, policy: Policy | npt.ArrayLike, *, epsilon: float = 0.0) -> npt.NDArray[np.float64]:
    """Compute the expected number of steps of a policy to the end, from every state.

    Args:
        world: environment, model or maze.
        policy: a policy, or its table of action values, (num_states, num_actions); ties are broken uniformly at random.
        epsilon: probability of a random action instead of a greedy one.

    Returns:
        (num_states,) float64; infinite where the policy may never end, 0 in terminal states, NaN where the number was
        not found within `MAX_ROWS`.

    Raises:
        SettingError: if epsilon is out of range, or the policy doesn't fit the world.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(3, 3))
    >>> clew.policy_steps(env, clew.solve(env).q).reshape(3, 3).tolist()
    [[4.0, 3.0, 2.0], [3.0, 2.0, 1.0], [2.0, 1.0, 0.0]]
    """
    mdp = model_of(world)
    return walk_through(mdp, _actions_of(mdp, policy), epsilon).steps()


def _actions_of(mdp: FiniteMDP, policy: Policy | npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return the greedy actions of a policy or of a table, which mustn't be one of probabilities."""
    if isinstance(policy, Policy):
        check_acts_by_table(policy)
    else:
        check_not_probabilities("policy", as_numbers("policy", policy))
    return greedy_actions(mdp, policy)


def check_not_probabilities(name: str, table: npt.NDArray[Any]) -> None:
    """Check that a table given as action values doesn't look like one of probabilities of actions.

    It does if each row is a distribution. States in which nothing happens may have rows of zeros; a table with such
    rows looks like one of probabilities only if another row has several positive entries, since a learned table often
    has a 1 here and there.

    Args:
        name: of the setting.
        table: array of real numbers, of any shape.

    Raises:
        SettingError: if the table looks like probabilities of actions.
    """
    if table.ndim != 2 or table.shape[1] < 2 or not (table >= 0.0).all():
        return
    with np.errstate(over="ignore"):  # sums of very large values are infinite
        sums = table.sum(axis=1, dtype=np.float64)
    if np.allclose(sums, 1.0):
        rows = "each row of this table"
    elif ((sums == 0.0) | (np.abs(sums - 1.0) <= 1e-6)).all() and (np.count_nonzero(table, axis=1) > 1).any():
        rows = "each row of this table that isn't all 0"
    else:
        return
    raise SettingError(
        f"must be action values, and {rows} sums to 1, like probabilities of actions; if they are action values, give "
        "clew.Policy(world, q=table)",
        setting=name,
    )


def greedy_actions(mdp: FiniteMDP, policy: Policy | npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return the greedy actions of a policy, (num_states, num_actions) bool, all of those that tie.

    Values of actions that aren't available are ignored.

    Raises:
        SettingError: if the table doesn't fit the model, or holds NaN.
    """
    q = policy.q if isinstance(policy, Policy) else as_numbers("q", policy)
    shape = mdp.num_states, mdp.num_actions
    if q.shape != shape:
        one_each = q.shape == shape[:1] and q.dtype.kind in "iu"
        advice = "; these look like actions, one for each state: of a solution, give solution.q" if one_each else ""
        raise SettingError(f"expected action values of shape {shape}, (num_states, num_actions), got {q.shape}{advice}")
    if not mdp.all_available:
        q = q.astype(np.result_type(q, np.float32))
        mdp.mark_unavailable(q)
    best = q[:, 0].copy()
    for a in range(1, q.shape[1]):
        np.maximum(best, q[:, a], out=best)  # column by column: far faster than a maximum of each short row
    if np.isnan(best).any():
        raise SettingError("expected action values that are numbers, got NaN")
    greedy: npt.NDArray[np.bool_] = q == best[:, None]
    return greedy


def walk_through(mdp: FiniteMDP, greedy: npt.NDArray[np.bool_], epsilon: float = 0.0) -> Walk:
    """Build the Markov chain of a policy: a random greedy action, or with probability epsilon any action.

    Raises:
        SettingError: if epsilon is out of range, or the chain doesn't fit into memory.
    """
    check_number("epsilon", epsilon, SHARE)
    n = mdp.num_states
    taken = greedy if epsilon == 0.0 else np.ones_like(greedy)
    if isinstance(mdp.model, Grid):
        num_rows = mdp.max_outcomes * int(np.count_nonzero(taken))
    else:
        num_rows = int(np.diff(mdp.model.offsets)[taken.reshape(-1)].sum())
    check_memory(12 * num_rows + 80 * n, "the chain of the policy")
    chain = Chain(np.empty(n + 1, np.int64), np.empty(num_rows, np.int32), np.empty(num_rows), np.empty(n, np.bool_))
    reward, goes_on = np.empty((2, n))
    _, max_reward = write_chain(mdp.model, read_only(greedy), epsilon, chain, reward, goes_on)
    components = Components(
        np.empty(n, np.int32), np.empty(n + 1, np.int32), np.empty(n, np.int32), np.empty(n, np.bool_)
    )
    num_components = find_components(chain, components, np.empty((6, n), np.int32), np.empty(n, np.int64))
    slack = (4 + 2 * mdp.num_actions * mdp.max_outcomes) * float(np.finfo(float).eps)
    return Walk(chain, components, num_components, reward, goes_on, slack, max_reward)
