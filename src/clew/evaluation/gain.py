"""Gain of a policy: its reward per step in the long run.

The chain of a policy ends up in one of its recurrent classes, sets of states that it never leaves, or the episode ends.
In a class all states have one gain, whose bounds are those of `clew.planning.relative` at gamma 1. From other states
the gain is the mean of these, by the probabilities with which the classes are reached; the end has a gain of 0.

Source:
    Puterman (1994), section 8.2 and appendix A.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from clew.environments import World, model_of
from clew.evaluation.exact import Walk, walk_through
from clew.evaluation.relative import chain_rows, extend, widen
from clew.kernels.planning.relative_values import UNDERFLOW, Rows
from clew.planning.absorbing import AbsorbingChain
from clew.planning.average import restrict_rows
from clew.planning.certificate import warn_if_inexact
from clew.planning.relative import RelativeValues, plan
from clew.policies.given import HasPolicy, weights_of
from clew.policies.policy import Policy
from clew.settings import POSITIVE, check_number

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PolicyGain:
    """Reward per step of a policy in the long run, with a proved error bound.

    Attributes:
        gain: reward per step in the long run, mean over the starts.
        gains: (num_states,) float64, the same from each state; they differ only if the policy may end up in different
            recurrent classes, or end.
        bound: proved bound on the error of the gains, rounding included.

    >>> import clew
    >>> mdp = clew.FiniteMDP.from_function(2, 1, lambda s, a: [(1.0, 1 - s, float(s), False)])
    >>> clew.policy_gain(mdp, [0, 0]).gains.round(6).tolist()
    [0.5, 0.5]
    """

    gain: float
    gains: Floats = field(repr=False)
    bound: float


def policy_gain(
    world: World,
    policy: Policy | HasPolicy | npt.ArrayLike,
    *,
    epsilon: float = 0.0,
    tolerance: float = 1e-8,
) -> PolicyGain:
    """Compute the average reward per step of a policy, in the long run, from every state.

    The end of an episode is a state in which nothing happens any more, so that a policy that ends has a gain of 0.
    `solve_average` returns the greatest gain, and a policy that has it.

    Args:
        world: environment, model or maze.
        policy: a policy or a solution; action values, (num_states, num_actions), of which ties are broken uniformly at
            random; or an action for each state, (num_states,) integers.
        epsilon: probability of a random action instead of one of the policy.
        tolerance: largest error of a gain, in reward units per step.

    Raises:
        SettingError: if a setting is out of range, the policy doesn't fit the world, or an array can be read in two
            ways.

    Warns:
        PrecisionWarning: if the bound of the gains is larger than the tolerance.

    Source:
        Puterman (1994), section 8.2.

    >>> import clew
    >>> def machine(state, action):  # 0 works, 1 is broken; action 1 repairs it
    ...     if state == 0:
    ...         return [(0.9, 0, 1.0, False), (0.1, 1, 1.0, False)]
    ...     return [(1.0, 0, -2.0, False)] if action == 1 else [(1.0, 1, 0.0, False)]
    >>> mdp = clew.FiniteMDP.from_function(2, 2, machine)
    >>> [round(clew.policy_gain(mdp, actions).gain, 6) for actions in ([0, 1], [0, 0])]
    [0.727273, 0.0]
    >>> round(clew.policy_gain(mdp, [0, 1], epsilon=0.5).gain, 6)
    0.705882
    """
    check_number("tolerance", tolerance, POSITIVE)
    mdp = model_of(world)
    gains, bound = _gains(walk_through(mdp, weights_of(policy, mdp), epsilon), float(tolerance))
    warn_if_inexact(bound, tolerance, what="gains")
    return PolicyGain(float(gains[mdp.starts].mean()), gains, bound)


def recurrent_classes(walk: Walk) -> list[npt.NDArray[np.int64]]:
    """Return the states of each recurrent class of the chain of a policy."""
    order, firsts = walk.components.order, walk.components.firsts[: walk.num_components + 1]
    classes = np.flatnonzero(walk.components.recurrent[order[firsts[:-1]]])
    return [order[firsts[c] : firsts[c + 1]].astype(np.int64) for c in classes]


def rows_of_class(rows: Rows, states: npt.NDArray[np.int64]) -> Rows:
    """Return the chain of a recurrent class, with states numbered in the given order."""
    return restrict_rows(rows, states, np.ones((states.size, 1), np.bool_))


def _gains(walk: Walk, tolerance: float) -> tuple[Floats, float]:
    """Return (gains, bound): the gain from each state, (num_states,) float64, and a proved bound of their error."""
    chain, rounding = walk.policy_chain()
    rows = chain_rows(chain, rounding)
    gains, bound = np.zeros(rows.offsets.size - 1), 0.0
    for states in recurrent_classes(walk):
        if states.size == 1:
            gains[states], error = rows.rewards[states], float(rows.reward_errors[states[0]]) + UNDERFLOW
        else:
            relative = RelativeValues(rows_of_class(rows, states), 1.0)
            plan(relative, 0.5 * tolerance)
            widen(relative, rounding)
            gains[states], error = 0.5 * (relative.lo + relative.hi), relative.bound
        bound = max(bound, error)
    transient = extend(~walk.components.recurrent & (walk.goes_on > 0.0), rows)
    happens = np.repeat(transient, np.diff(rows.offsets)) & (rows.probabilities > 0.0)
    reached = gains[rows.next_states[happens & ~transient[rows.next_states]]]
    if transient.any() and np.ptp(reached) == 0.0:
        gains[transient] = reached[0]
    elif transient.any():
        absorbing, zeros = AbsorbingChain(rows, transient, rounding=rounding), np.zeros(gains.size)
        gains, error = absorbing.values(zeros, zeros, gains)
        bound += error
    return gains[: walk.goes_on.size], bound
