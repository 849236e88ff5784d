"""What planning comes to: optimal values, an optimal policy, and how far off they may be."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, Grid
from clew.kernels.planning.backups import backup_all
from clew.kernels.planning.search import mark_nearer
from clew.models.mdp import FiniteMDP
from clew.planning.duration import expected_steps

__all__ = ["ShortestPaths", "Solution"]

CHUNK = 1 << 20  # a mean over starts is taken in pieces of so many: they may be all states of a large world


@dataclass(frozen=True, eq=False)
class ShortestPaths:
    """Distances, where they decide all values: four bytes per state.

    Attributes:
        distances: (num_states,) int32, steps to the goal; 0 on it, -1 without a way and in blocked cells.
        worth: (longest distance + 2,) float64, the value of a state by its distance; the last entry is for -1.
    """

    distances: npt.NDArray[np.int32]
    worth: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Solution:
    """The optimum of a finite world.

    What takes memory for every state is computed when it is first asked for.

    Attributes:
        mdp: the world.
        gamma: discount that all this is for.
        method: the planner, a name in `PLANNERS`; or total-reward.
        bound: v is within this of the optimum, everywhere; proved, see `prove_bound`. Rounding counts.
    """

    mdp: FiniteMDP = field(repr=False)
    gamma: float
    method: str
    bound: float
    values: npt.NDArray[np.float64] | None = field(default=None, repr=False)  # what the planner found: these,
    shortest_paths: ShortestPaths | None = field(default=None, repr=False)  # or these;
    actions: npt.NDArray[np.int32] | None = field(default=None, repr=False)  # and a policy, unless the greedy one

    @cached_property
    def steps(self) -> float:
        """Expected number of steps of the policy, mean over the starts; infinite if it need not end."""
        if self.shortest_paths is None:
            return float(self.steps_from[self.mdp.starts].mean())
        return self._mean_by_distance(np.append(np.arange(self.shortest_paths.worth.size - 1.0), np.inf))

    @cached_property
    def value(self) -> float:
        """Expected discounted return from the start, mean over the starts."""
        if self.shortest_paths is None:
            return float(self.v[self.mdp.starts].mean())
        return self._mean_by_distance(self.shortest_paths.worth)

    @cached_property
    def v(self) -> npt.NDArray[np.float64]:
        """(num_states,) float64, optimal state values; 0 where nothing can happen any more."""
        if self.shortest_paths is None:
            assert self.values is not None
            return self.values
        v = self.shortest_paths.worth[self.shortest_paths.distances]
        v[self._blocked()] = 0.0
        return v

    @cached_property
    def q(self) -> npt.NDArray[np.float64]:
        """(num_states, num_actions) float64, optimal action values."""
        q = np.empty((self.mdp.num_states, self.mdp.num_actions))
        backup_all(self.mdp.model, self.v, self.gamma, q)
        return q

    @cached_property
    def policy(self) -> npt.NDArray[np.int32]:
        """(num_states,) int32, an optimal action; 0 where it doesn't matter."""
        if self.actions is not None:
            return self.actions
        table = self.optimal_actions if self.shortest_paths is not None else self.q
        policy: npt.NDArray[np.int32] = table.argmax(axis=1).astype(np.int32)
        return policy

    @cached_property
    def steps_from(self) -> npt.NDArray[np.float64]:
        """(num_states,) float64, expected steps of the policy to the end from each state.

        Infinite where it may fail to end, 0 where nothing can happen any more.
        """
        if self.shortest_paths is None:
            return expected_steps(self.mdp, self.policy)
        steps = np.where(self.shortest_paths.distances < 0, np.inf, self.shortest_paths.distances)
        steps[self._blocked()] = 0.0
        return steps

    @cached_property
    def optimal_actions(self) -> npt.NDArray[np.bool_]:
        """(num_states, num_actions) bool: every action that may be optimal; all where nothing can happen any more.

        Exact for shortest ways: those that lead a step nearer. Otherwise the actions that are worth the best of their
        state, less twice the bound: action values are within the bound as well, so no optimal action is missing, and
        none is in that is worth less than the best by more than four times the bound.
        """
        if self.shortest_paths is None:
            near: npt.NDArray[np.bool_] = self.q >= self.q.max(axis=1, keepdims=True) - 2.0 * self.bound
            return near
        optimal = np.empty((self.mdp.num_states, self.mdp.num_actions), np.bool_)
        grid = self.mdp.model
        assert isinstance(grid, Grid)
        for layer, distances in enumerate(self.shortest_paths.distances.reshape(-1, grid.num_cells)):
            mark_nearer(grid, distances, optimal[layer * grid.num_cells : (layer + 1) * grid.num_cells])
        # Without a way, what counts is what a step pays; nothing does on a goal and in a blocked cell.
        nowhere = ~optimal.any(axis=1)
        if grid.outer_wall_reward == 0.0:
            optimal[nowhere] = True
        else:
            q = self.q[nowhere]
            optimal[nowhere] = q >= q.max(axis=1, keepdims=True)
        return optimal

    def _blocked(self) -> npt.NDArray[np.bool_]:
        grid = self.mdp.model
        assert isinstance(grid, Grid)
        return np.tile((grid.cells & BLOCKED) > 0, self.mdp.num_states // grid.num_cells)

    def _mean_by_distance(self, table: npt.NDArray[np.float64]) -> float:
        """Mean over the starts of what a table has for their distances; its last entry is for those without a way."""
        assert self.shortest_paths is not None
        starts, grid = self.mdp.starts, self.mdp.model
        assert isinstance(grid, Grid)
        total = 0.0
        for i in range(0, starts.size, CHUNK):
            piece = starts[i : i + CHUNK]
            blocked = (grid.cells[piece % grid.num_cells] & BLOCKED) > 0
            total += float(np.where(blocked, 0.0, table[self.shortest_paths.distances[piece]]).sum())
        return total / starts.size
