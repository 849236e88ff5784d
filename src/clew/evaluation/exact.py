"""Policy evaluation: what a policy is worth, exactly, by the equations of the chain that it walks.

    v(s) = sum over a of pi(a | s) * sum over outcomes of p * (reward + gamma * v(s_next))

A policy is a table of action values: it takes one of the greatest of a row, each as likely as the others, or explores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clew.environments import World, model_of
from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.dynamics import Grid
from clew.kernels.planning.chain_values import chain_residual, solve_chain
from clew.kernels.planning.chains import Chain, Components, find_components, write_chain
from clew.models.mdp import FiniteMDP
from clew.policies.policy import Policy
from clew.settings import POSITIVE, SHARE, check_memory, check_number

__all__ = ["PolicyValues", "Walk", "greedy_actions", "model_of", "policy_steps", "policy_values", "walk_through"]

# Components of up to this many states are solved by elimination, larger ones by sweeps: about as fast at gamma 0.9.
SMALL_COMPONENT = 64
# Rows of the chain that sweeps may look at: a second or two. Only aimless walks in large worlds take more.
MAX_ROWS = 200_000_000


@dataclass(frozen=True, eq=False)
class PolicyValues:
    """What a policy is worth.

    Attributes:
        value: expected discounted return from the start, mean over the starts.
        v: (num_states,) float64, values of the states. With gamma 1, -inf or inf where the policy may go on for ever
            and pay or earn, NaN where it may do both, or where the value was not found in reasonable time.
        bound: the finite values of v are within this of the truth; proved, see `policy_values`. Rounding counts.
        gamma: discount that all this is for.
    """

    value: float
    v: npt.NDArray[np.float64]
    bound: float
    gamma: float


@dataclass(frozen=True, eq=False)
class Walk:
    """The chain of states that a policy walks, in the order in which it is solved.

    Attributes:
        chain: where a step may lead.
        components: states that can come to each other, and the order of these.
        num_components: how many there are.
        reward: (num_states,) float64, expected reward of a step.
        goes_on: (num_states,) float64, probability that a step is taken at all; 0 where all is over.
        slack: greatest relative error of a backup by rounding.
        max_reward: no reward is greater, or less than its negative.
    """

    chain: Chain
    components: Components
    num_components: int
    reward: npt.NDArray[np.float64]
    goes_on: npt.NDArray[np.float64]
    slack: float
    max_reward: float

    def values(self, gamma: float, tolerance: float) -> tuple[npt.NDArray[np.float64], float]:
        """State values, and the greatest error that they can have."""
        v = self._solve(self.reward, gamma, 0.5 * tolerance * (1.0 - gamma))
        residual, max_value = chain_residual(self.chain, self.reward, v, gamma)
        residual += self.slack * (self.max_reward + max_value)
        if gamma < 1.0:
            return v, residual / (1.0 - gamma)
        # An error of a step is carried on for as many steps as the walk takes, n. What is found for n, w, errs by at
        # most n times the residual of its own equations, so n is at most w / (1 - that residual).
        steps = np.where(self.components.recurrent, 0.0, np.sign(self.goes_on))
        w = self._solve(steps, 1.0, 0.0)
        doubt, longest = chain_residual(self.chain, steps, w, 1.0)
        doubt += self.slack * (1.0 + longest)
        return v, residual * longest / (1.0 - doubt) if doubt < 1.0 and not np.isnan(w).any() else np.inf

    def steps(self) -> npt.NDArray[np.float64]:
        """(num_states,) float64, expected steps to the end; infinite where it may never come, NaN where not known."""
        return self._solve(self.goes_on, 1.0, 0.0)

    def _solve(self, pay: npt.NDArray[np.float64], gamma: float, target: float) -> npt.NDArray[np.float64]:
        v, matrix = np.empty(pay.size), np.empty((SMALL_COMPONENT, SMALL_COMPONENT + 1))
        solve_chain(self.chain, pay, gamma, self.components, self.num_components, v, matrix, target, MAX_ROWS)
        return v


def policy_values(
    world: World,
    policy: Policy | npt.ArrayLike,
    *,
    gamma: float = 0.9,
    epsilon: float = 0.0,
    tolerance: float = 1e-6,
) -> PolicyValues:
    """Compute what a policy is worth in every state of a world whose model is known.

    States that can come to each other are solved together, and after those that they lead to. A separate pass over all
    states then proves, with T the backup of this policy, that

        |v - v of the policy| <= max_s |(T v)(s) - v(s)| * min(1 / (1 - gamma), most expected steps to the end)

    where the number of steps is used if gamma is 1. The step limit of an environment is not part of its model.

    Args:
        world: environment, model or maze.
        policy: a policy, or its table of action values, (num_states, num_actions); ties are broken uniformly at random.
        gamma: discount per step, in [0, 1].
        epsilon: probability of any action in place of a greedy one.
        tolerance: greatest error of a value, where sweeps are needed and end in reasonable time; `bound` tells.

    Raises:
        SettingError: if a setting is out of range, or the policy doesn't fit the world.

    Source:
        Sutton & Barto (2018), section 4.1; Puterman (1994), theorem 6.1.1, for the bound.
    """
    check_number("gamma", gamma, SHARE)
    check_number("tolerance", tolerance, POSITIVE)
    mdp = model_of(world)
    v, bound = walk_through(mdp, greedy_actions(mdp, policy), epsilon).values(gamma, tolerance)
    return PolicyValues(float(v[mdp.starts].mean()), v, bound, gamma)


def policy_steps(world: World, policy: Policy | npt.ArrayLike, *, epsilon: float = 0.0) -> npt.NDArray[np.float64]:
    """Compute the expected number of steps of a policy to the end, from every state.

    Args:
        world: environment, model or maze.
        policy: a policy, or its table of action values, (num_states, num_actions); ties are broken uniformly at random.
        epsilon: probability of any action in place of a greedy one.

    Returns:
        (num_states,) float64; infinite where the policy may never end, 0 where nothing can happen any more, NaN where
        the number was not found in reasonable time.

    Raises:
        SettingError: if epsilon is out of range, or the policy doesn't fit the world.
    """
    mdp = model_of(world)
    return walk_through(mdp, greedy_actions(mdp, policy), epsilon).steps()


def greedy_actions(mdp: FiniteMDP, policy: Policy | npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """(num_states, num_actions) bool: the actions that the greedy policy may take.

    Raises:
        SettingError: if the table doesn't fit the model, or holds NaN.
    """
    q = np.asarray(policy.q if isinstance(policy, Policy) else policy)
    shape = mdp.num_states, mdp.num_actions
    if q.shape != shape:
        raise SettingError(f"a policy of {q.shape} values doesn't fit a world of {shape} (num_states, num_actions)")
    best = q[:, 0].copy()
    for a in range(1, q.shape[1]):
        np.maximum(best, q[:, a], out=best)  # column by column: far faster than a maximum of each short row
    if np.isnan(best).any():
        raise SettingError("the policy holds values that are not numbers (NaN)")
    greedy: npt.NDArray[np.bool_] = q == best[:, None]
    return greedy


def walk_through(mdp: FiniteMDP, greedy: npt.NDArray[np.bool_], epsilon: float = 0.0) -> Walk:
    """The chain of a policy: a greedy action, each as likely as the others, or any action with probability epsilon.

    Raises:
        SettingError: if epsilon is out of range, or the chain doesn't fit the machine.
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
