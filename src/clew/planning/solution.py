"""Solution of a world: optimal values, an optimal policy, and a bound on their error."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, Grid, Sparse
from clew.kernels.planning.backups import backup_all
from clew.kernels.planning.search import mark_nearer
from clew.models.availability import as_available
from clew.models.mdp import FiniteMDP
from clew.planning.certificate import rounding_bound
from clew.planning.duration import expected_steps
from clew.planning.intervals import value_intervals
from clew.policies.policy import Policy
from clew.policies.tables import ANY_ACTION

CHUNK = 1 << 20  # starts per piece of a mean: they may be all states of a large world


def policy_of(mdp: FiniteMDP, actions: npt.NDArray[np.integer]) -> Policy:
    """Return the policy that takes an action in each state, and any action in states without outcomes."""
    taken = actions.astype(np.int32)
    taken[mdp.is_terminal] = ANY_ACTION
    return Policy.from_actions(mdp, taken)


@dataclass(frozen=True, eq=False)
class ShortestPaths:
    """Distances that determine all values of a grid, in four bytes per state.

    Attributes:
        grid: the grid.
        distances: (num_states,) int32, steps to the goal; 0 on it, -1 where no path leads to it and in blocked cells.
        value_by_distance: (max_distance + 2,) float64, the value of a state by its distance; the last entry is for -1.
    """

    grid: Grid
    distances: npt.NDArray[np.int32]
    value_by_distance: npt.NDArray[np.float64]

    @property
    def steps_by_distance(self) -> npt.NDArray[np.float64]:
        """Number of steps to the goal by distance, (max_distance + 2,) float64; the last entry is infinite, for -1."""
        return np.append(np.arange(self.value_by_distance.size - 1.0), np.inf)

    def by_state(self, table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the entry of a table, (max_distance + 2,), for the distance of each state; 0 in blocked cells."""
        entries = table[self.distances]
        entries[np.tile((self.grid.cells & BLOCKED) > 0, self.distances.size // self.grid.num_cells)] = 0.0
        return entries

    def mean(self, table: npt.NDArray[np.float64], states: npt.NDArray[np.int32]) -> float:
        """Return the mean of `by_state` over some states, with little memory however many they are."""
        total = 0.0
        for i in range(0, states.size, CHUNK):
            piece = states[i : i + CHUNK]
            blocked = (self.grid.cells[piece % self.grid.num_cells] & BLOCKED) > 0
            total += float(np.where(blocked, 0.0, table[self.distances[piece]]).sum())
        return total / states.size


@dataclass(frozen=True, eq=False)
class Solution:
    """Optimal values and an optimal policy of a world, from `solve`.

    Arrays of one entry per state are computed when they are first used. Without outcomes, as on a goal and in a blocked
    cell, the value of a state is 0, and all actions are optimal. An action that isn't available in a state has the
    value -inf there, is never optimal, and not the policy's.

    Attributes:
        mdp: the world.
        gamma: discount per step.
        method: the planner: a name in `PLANNERS`, or "best-first" or "total-reward", which need gamma 1.
        bound: largest possible error of `v`, in reward units; proved, and rounding is included.
        values: (num_states,) float64, the state values, unless the planner found shortest paths.
        shortest_paths: distances from the goal, if the planner found these.
        planned_actions: (num_states,) int32, the actions, if the planner found some that aren't greedy with respect to
            the values.

    Examples:
        >>> import clew
        >>> solution = clew.solve(clew.Maze.open(3, 3))
        >>> solution.v.reshape(3, 3).round(3).tolist()
        [[0.729, 0.81, 0.9], [0.81, 0.9, 1.0], [0.9, 1.0, 0.0]]
        >>> solution.actions.tolist()  # 0 down, 1 left, 2 up, 3 right
        [0, 0, 0, 0, 0, 0, 3, 3, 0]
        >>> solution.policy.action(6)
        3
        >>> solution.optimal_actions[0].tolist()
        [True, False, False, True]
    """

    mdp: FiniteMDP = field(repr=False)
    gamma: float
    method: str
    bound: float
    values: npt.NDArray[np.float64] | None = field(default=None, repr=False)
    shortest_paths: ShortestPaths | None = field(default=None, repr=False)
    planned_actions: npt.NDArray[np.int32] | None = field(default=None, repr=False)

    @cached_property
    def steps(self) -> float:
        """Expected number of steps of the policy, mean over the start states; infinite if it may never end."""
        if self.shortest_paths is None:
            return float(self.steps_from[self.mdp.starts].mean())
        return self.shortest_paths.mean(self.shortest_paths.steps_by_distance, self.mdp.starts)

    @cached_property
    def value(self) -> float:
        """Expected discounted return of the policy, mean over the start states."""
        if self.shortest_paths is None:
            return float(self.v[self.mdp.starts].mean())
        return self.shortest_paths.mean(self.shortest_paths.value_by_distance, self.mdp.starts)

    @cached_property
    def value_interval(self) -> tuple[float, float]:
        """Interval (low, high) of the optimum of the real world, mean over the start states; see `v_interval`."""
        low, high = self.v_interval
        return float(low[self.mdp.starts].mean()), float(high[self.mdp.starts].mean())

    @cached_property
    def v_interval(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Intervals (low, high) of the optimal values of the real world, (num_states,) float64 each.

        If the model was estimated by `FiniteMDP.from_transitions`, the world from which the steps were logged has
        optimal values between them, all at once with the confidence of the estimate; what the policy of this solution
        would earn there may be less. Otherwise they are `v` plus and minus `bound`.

        Raises:
            SettingError: if the model was estimated and gamma is 1.
        """
        estimate = self.mdp.estimate
        if estimate is None or not isinstance(self.mdp.model, Sparse):
            return self.v - self.bound, self.v + self.bound
        return value_intervals(self.mdp.model, estimate, self.gamma)

    @cached_property
    def v(self) -> npt.NDArray[np.float64]:
        """Optimal state values, (num_states,) float64; 0 in states without outcomes."""
        if self.shortest_paths is not None:
            return self.shortest_paths.by_state(self.shortest_paths.value_by_distance)
        assert self.values is not None
        return self.values

    @cached_property
    def q(self) -> npt.NDArray[np.float64]:
        """Optimal action values, (num_states, num_actions) float64: the backups of `v`; -inf if not available."""
        q = np.empty((self.mdp.num_states, self.mdp.num_actions))
        backup_all(self.mdp.model, self.v, self.gamma, q)
        if not self.mdp.all_available:
            q[~self.mdp.available] = -np.inf
        return q

    @cached_property
    def actions(self) -> npt.NDArray[np.int32]:
        """An optimal action for each state, (num_states,) int32; any action in states without outcomes."""
        if self.planned_actions is not None:
            return self.planned_actions
        table = self.optimal_actions if self.shortest_paths is not None else self.q
        actions: npt.NDArray[np.int32] = as_available(self.mdp, table.argmax(axis=1).astype(np.int32))
        return actions

    @cached_property
    def policy(self) -> Policy:
        """Optimal policy: takes `actions`, and any action in states without outcomes."""
        return policy_of(self.mdp, self.actions)

    @cached_property
    def steps_from(self) -> npt.NDArray[np.float64]:
        """Expected number of steps of the policy to the end, from each state, (num_states,) float64.

        Infinite where the policy may never end, 0 in states without outcomes.
        """
        if self.shortest_paths is None:
            return expected_steps(self.mdp, self.actions)
        return self.shortest_paths.by_state(self.shortest_paths.steps_by_distance)

    @cached_property
    def optimal_actions(self) -> npt.NDArray[np.bool_]:
        """Every action that may be optimal, (num_states, num_actions) bool; all of them in states without outcomes.

        After breadth-first search these are exactly the actions that lead a step nearer to the goal. Otherwise they are
        the actions whose value is at most twice e below the best of their state. Here e is the largest error of an
        action value: `bound`, and with a discount the rounding of a backup. So no optimal action is missing, and none
        is included that is worse than the best by over 4 e.
        """
        if self.shortest_paths is None:
            error = self.bound
            if self.gamma < 1.0:  # `bound` may be less: it may come from sums that are more precise
                error += rounding_bound(self.mdp, float(np.abs(self.v).max()))
            near: npt.NDArray[np.bool_] = self.q >= self.q.max(axis=1, keepdims=True) - 2.0 * error
            return near if self.mdp.all_available else near & self.mdp.available
        optimal = np.empty((self.mdp.num_states, self.mdp.num_actions), np.bool_)
        grid = self.shortest_paths.grid
        for layer, distances in enumerate(self.shortest_paths.distances.reshape(-1, grid.num_cells)):
            mark_nearer(grid, distances, optimal[layer * grid.num_cells : (layer + 1) * grid.num_cells])
        # If the goal can't be reached, the rewards of steps decide; on goals and in blocked cells all actions tie.
        unreachable = ~optimal.any(axis=1)
        if grid.outer_wall_reward == 0.0:
            optimal[unreachable] = True
        else:
            q = self.q[unreachable]
            optimal[unreachable] = q >= q.max(axis=1, keepdims=True)
        return optimal
