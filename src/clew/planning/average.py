"""Average reward: the gain, the reward per step in the long run, of worlds that never end.

The relative values h of `relative` at gamma 1 are a bias, and the bounds of T h - h those of the gain: for any h, the
optimal gain of every state is between their least and their greatest. In most worlds (unichain and communicating ones)
all states have the same gain, and these bounds are enough. In multichain worlds states may have different gains. Then
the world is split: in an end component, a set of states in which a policy may stay forever and reach every state from
every other, all states have one gain. The component to stay in is chosen by a total reward without a discount: staying
ends the episode and pays the gain of the component, once.

Source:
    Puterman (1994), chapters 8 and 9, theorem 8.5.6 for the bounds; de Alfaro (1997) for end components.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.environments import World, model_of
from clew.kernels.dynamics import Sparse
from clew.kernels.planning.relative_values import UNIT, Rows
from clew.models.arrays import pick_rows
from clew.models.availability import as_available
from clew.models.mdp import FiniteMDP
from clew.planning.certificate import warn_if_inexact
from clew.planning.end_components import collapse_end_components
from clew.planning.equations import as_rows
from clew.planning.relative import RelativeValues, plan
from clew.planning.undiscounted import total_reward
from clew.policies.policy import Policy
from clew.settings import POSITIVE, check_number

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AverageSolution:
    """Optimal average reward of a world, from `solve_average`.

    Attributes:
        mdp: the world's model.
        gains: (num_states,) float64, greatest reward per step in the long run, from each state.
        bias: (num_states,) float64, relative values: how much more reward a start in this state brings than a start in
            another. None if end components were solved one by one, as where states have different gains.
        actions: (num_states,) int32, an action for each state, of a policy with these gains.
        bound: proved bound of the error of the gains, rounding included.

    >>> import clew
    >>> mdp = clew.FiniteMDP.from_function(2, 2, lambda s, a: [(1.0, 1 - s if a else s, float(s), False)])
    >>> solution = clew.solve_average(mdp)
    >>> solution.gains.round(6).tolist(), solution.policy.action(0)
    ([1.0, 1.0], 1)
    """

    mdp: FiniteMDP = field(repr=False)
    gains: Floats = field(repr=False)
    bias: Floats | None = field(repr=False)
    actions: npt.NDArray[np.int32] = field(repr=False)
    bound: float

    @cached_property
    def gain(self) -> float:
        """Reward per step in the long run, mean over the start states."""
        return float(self.gains[self.mdp.starts].mean())

    @cached_property
    def policy(self) -> Policy:
        """A policy with these gains."""
        return Policy.from_actions(self.mdp, self.actions)


def solve_average(world: World, *, tolerance: float = 1e-8) -> AverageSolution:
    """Compute the greatest average reward per step of a world, with a proved error bound.

    The end of an episode is a state in which nothing happens any more, so that a policy that ends has a gain of 0.

    Args:
        world: environment, model or maze.
        tolerance: largest error of a gain, in reward units per step.

    Returns:
        Gains of all states, an action for each state, and a bound of the error.

    Raises:
        SettingError: if the tolerance is out of range.
        ModelError: if an environment has no model.
        PrecisionError: if states have different gains, and it takes too many steps to reach those of the best.

    Warns:
        PrecisionWarning: if the bound of the solution is larger than the tolerance.

    Source:
        Puterman (1994), chapters 8 and 9.

    >>> import clew
    >>> def machine(state, action):  # 0 works, 1 is broken; action 1 repairs it
    ...     if state == 0:
    ...         return [(0.9, 0, 1.0, False), (0.1, 1, 1.0, False)]
    ...     return [(1.0, 0, -2.0, False)] if action == 1 else [(1.0, 1, 0.0, False)]
    >>> solution = clew.solve_average(clew.FiniteMDP.from_function(2, 2, machine))
    >>> round(solution.gain, 6), solution.actions.tolist()
    (0.727273, [0, 1])
    """
    check_number("tolerance", tolerance, POSITIVE)
    mdp = model_of(world)
    filled, n = mdp.filled, mdp.num_states
    relative = RelativeValues(as_rows(filled), 1.0)
    plan(relative, float(tolerance))
    if relative.bound <= tolerance:
        gains = np.full(n, 0.5 * (relative.lo + relative.hi))
        solution = AverageSolution(mdp, gains, relative.high[:n], relative.policy[:n], relative.bound)
    else:
        solution = solve_components(filled, float(tolerance))
    warn_if_inexact(solution.bound, tolerance)
    return replace(solution, mdp=mdp, actions=as_available(mdp, solution.actions))


def solve_components(mdp: FiniteMDP, tolerance: float) -> AverageSolution:
    """Solve the end components of a world one by one, and then choose in which of them to stay."""
    model = mdp.sparse_rows
    moves = model._replace(rewards=np.zeros_like(model.rewards))
    quotient = collapse_end_components(FiniteMDP(moves, mdp.num_states, mdp.num_actions, mdp.starts))
    component_of = np.empty(mdp.num_states, np.int64)
    component_of[quotient.states] = quotient.component_of
    internal = np.empty((mdp.num_states, mdp.num_actions), bool)
    internal[quotient.states] = quotient.internal.reshape(internal.shape)
    gains, bound = np.zeros(mdp.num_states), 0.0
    actions = np.zeros(mdp.num_states, np.int32)
    rows = as_rows(mdp)
    for component in np.unique(component_of[internal.any(axis=1)]):
        states = np.flatnonzero(component_of == component)
        relative = RelativeValues(restrict_rows(rows, states, internal[states]), 1.0)
        plan(relative, tolerance)
        gains[states] = 0.5 * (relative.lo + relative.hi)
        actions[states] = relative.policy
        bound = max(bound, relative.bound)
    stays = internal.any(axis=1) | mdp.is_terminal
    least = float(gains[stays].min(initial=0.0)) - 1.0  # subtracted, so that every end has a positive reward
    ends = moves._replace(rewards=np.where(moves.terminated, -least, 0.0))
    solution = total_reward(with_stops(mdp, ends, gains - least, stays), tolerance)
    stops = solution.actions == mdp.num_actions
    stopping = np.zeros(component_of.max() + 1, bool)
    stopping[component_of[stops]] = True
    leaves = ~stopping[component_of] & ~mdp.is_terminal
    actions[leaves] = solution.actions[leaves]
    return AverageSolution(mdp, solution.v + least, None, actions, bound + solution.bound + 4.0 * UNIT * abs(least))


def restrict_rows(rows: Rows, states: npt.NDArray[np.integer], allowed: npt.NDArray[np.bool_]) -> Rows:
    """Return the rows of some states, with the actions that are allowed, which never leave them."""
    pairs = (states[:, None] * rows.num_actions + np.arange(rows.num_actions)).reshape(-1)
    lengths = np.where(allowed.reshape(-1), np.diff(rows.offsets)[pairs], 0)
    offsets, chosen = pick_rows(rows.offsets, pairs, lengths)
    number = np.full(rows.offsets.size // rows.num_actions + 1, -1, np.int32)
    number[states] = np.arange(states.size)
    return Rows(
        offsets,
        rows.probabilities[chosen],
        number[rows.next_states[chosen]],
        np.where(allowed.reshape(-1), rows.rewards[pairs], -np.inf),
        rows.reward_errors[pairs],
        rows.num_actions,
    )


def with_stops(mdp: FiniteMDP, moves: Sparse, gains: Floats, stays: npt.NDArray[np.bool_]) -> FiniteMDP:
    """Return moves with one more action where `stays` is true: it ends the episode, and pays the gain."""
    num_actions = mdp.num_actions
    lengths = np.zeros((mdp.num_states, num_actions + 1), np.int64)
    lengths[:, :-1] = np.diff(moves.offsets).reshape(-1, num_actions)
    lengths[:, -1] = stays
    offsets = np.concatenate([[0], np.cumsum(lengths.reshape(-1))])
    stops = offsets[1:][num_actions :: num_actions + 1][stays] - 1

    def joined(values: npt.NDArray[Any], added: npt.NDArray[Any]) -> npt.NDArray[Any]:
        whole = np.empty(offsets[-1], values.dtype)
        is_stop = np.zeros(offsets[-1], bool)
        is_stop[stops] = True
        whole[~is_stop], whole[is_stop] = values, added
        return whole

    states = np.flatnonzero(stays)
    model = Sparse(
        offsets,
        joined(moves.probabilities, np.ones(states.size)),
        joined(moves.next_states, states),
        joined(moves.rewards, gains[states]),
        joined(moves.terminated, np.ones(states.size, bool)),
        num_actions + 1,
    )
    return FiniteMDP(model, mdp.num_states, num_actions + 1, mdp.starts)
