"""Planning one block, given the values of its halo.

There are two planners, with the same methods. `DistancePlanner` computes distances to the nearest goal; they give the
values where moves are deterministic and a shortest path is optimal. `DiscountedPlanner` computes values by modified
policy iteration in all other worlds with a discount, and sweeps the states in the order of their distances.

Both begin with a lower bound on all values, and continue from their current values when the values of the halo have
grown. Once no border changes any more, every block checks that each of its states agrees with its successors. These
checks together are the certificate of the whole world.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed.blocks.exchange import BorderValues
from clew.distributed.blocks.partition import UNCHANGED, HaloValues, LocalGrid
from clew.kernels import read_only
from clew.kernels.dynamics import BLOCKED, GOAL
from clew.kernels.planning.backups import backup_all, residual_between
from clew.kernels.planning.search import count_wrong_between, lower_distances, mark_nearer
from clew.planning.certificate import rounding_bound
from clew.planning.iterations import Iteration
from clew.planning.orders import order_by_distance
from clew.planning.policy_iteration import improve_and_evaluate
from clew.planning.search import values_by_distance


class PlanningSpec(NamedTuple):
    """Planning problem of all blocks."""

    gamma: float  # discount per step
    tolerance: float  # largest error of a value
    by_distance: bool  # values follow from distances
    initial_value: float  # of every state, a lower bound; with `by_distance` the distance -1, for unknown


class BlockOptimum(NamedTuple):
    """Optimal values and actions of the states of a block itself."""

    v: npt.NDArray[np.float64]  # (num_own,), state values
    optimal_actions: npt.NDArray[np.bool_]  # (num_own, 4), actions that may be optimal
    choice_matters: npt.NDArray[np.bool_]  # (num_own,), some action is not optimal


class DistancePlanner:
    """Computes the exact number of steps from each state to the nearest goal, -1 if none is reachable.

    Args:
        local: grid of the block.
        spec: planning problem.

    Attributes:
        distances: (num_cells,) int32, halo included.
        is_done: True: no work is left until values of the halo change.
    """

    def __init__(self, local: LocalGrid, spec: PlanningSpec) -> None:
        self.local, self.spec = local, spec
        self.distances = np.full(local.grid.num_cells, -1, np.int32)
        self.queue = np.empty(local.last - local.first, np.int32)
        self.is_done = True
        goals = np.flatnonzero(local.grid.cells[local.own_states] & GOAL) + local.first
        self.distances[goals] = 0
        self._propagate(goals)

    def borders(self) -> BorderValues:
        """Return the distances of the first and of the last row of the block, (columns,) int32 each."""
        first, last = self.local.border_rows
        return self.distances[first].copy(), self.distances[last].copy()

    def update(self, halo: HaloValues) -> None:
        """Set the distances of the halo, and shorten those of the block where a path through the halo is shorter."""
        cells = self._set_halo(halo)
        self._propagate(cells[np.argsort(self.distances[cells], kind="stable")])

    def certify(self, halo: HaloValues) -> float:
        """Check all distances of the block, and return a bound on the rounding error of its values.

        Raises:
            AssertionError: if a distance is not one more than the smallest of its neighbours.
        """
        self._set_halo(halo)
        num_wrong = count_wrong_between(self.local.grid, -1, self.distances, self.local.first, self.local.last)
        assert num_wrong == 0, f"{num_wrong} distances are wrong"
        return self._value_by_distance()[1]

    def values(self) -> npt.NDArray[np.float64]:
        """Return the state values of the block, (num_own,) float64; 0 for blocked cells."""
        own = self.local.own_states
        v = self._value_by_distance()[0][self.distances[own]]
        v[(self.local.grid.cells[own] & BLOCKED) > 0] = 0.0
        return v

    def optimum(self, bound: float) -> BlockOptimum:
        """Return values and optimal actions: those that lead one step nearer to a goal.

        Args:
            bound: not used; distances are exact.
        """
        own = self.local.own_states
        nearer = np.empty((self.distances.size, 4), np.bool_)
        mark_nearer(self.local.grid, self.distances, nearer)
        choice_matters = (self.distances[own] > 0) & ~nearer[own].all(axis=1)  # not where no goal is reachable
        return BlockOptimum(self.values(), nearer[own], choice_matters)

    def _set_halo(self, halo: HaloValues) -> npt.NDArray[np.int64]:
        """Set the distances of the halo; return its states whose distance has become shorter."""
        shorter = [np.empty(0, np.int64)]
        for first, row in self.local.changed_rows(halo):
            known = self.distances[first : first + row.size]
            shorter.append(first + np.flatnonzero((row >= 0) & ((known < 0) | (row < known))))
            known[:] = row
        return np.concatenate(shorter)

    def _propagate(self, states: npt.NDArray[np.int64]) -> None:
        """Shorten the distances of the block that follow from some states, which are in the order of distance."""
        seeds = read_only(states.astype(np.int32))
        lower_distances(self.local.grid, self.local.first, self.local.last, self.distances, seeds, self.queue)

    def _value_by_distance(self) -> tuple[npt.NDArray[np.float64], float]:
        """Return (values by distance, bound on their rounding error); the last value is for the distance -1."""
        longest = int(self.distances[self.local.own_states].max(initial=0))
        return values_by_distance(self.local.grid, self.spec.gamma, longest)


class DiscountedPlanner:
    """Computes values with a discount, by modified policy iteration from a lower bound.

    Args:
        local: grid of the block.
        spec: planning problem.
        distances: (num_cells,) int32, steps to the nearest goal in the whole grid; the order of the sweeps.

    Attributes:
        is_done: whether the residual is small enough for the current values of the halo.
    """

    def __init__(self, local: LocalGrid, spec: PlanningSpec, distances: npt.NDArray[np.int32]) -> None:
        self.local, self.spec = local, spec
        is_live = (local.grid.cells & (BLOCKED | GOAL)) == 0
        is_live[local.halo_states] = False
        ordered = order_by_distance(local.mdp, distances, is_live)
        assert ordered.order is not None
        # The other half of the tolerance is for changes of borders that are too small to be sent.
        self.iteration = Iteration(local.mdp, ordered, spec.gamma, 0.5 * spec.tolerance)
        self.position = np.empty(local.grid.num_cells, np.int32)  # of each state in the order of the sweeps
        self.position[ordered.order] = np.arange(local.grid.num_cells, dtype=np.int32)
        # Ends the iteration in any case; as in `Iteration.repeat`, without new values of the halo.
        self.policies_left = self.max_policies = self.iteration.max_sweeps(self.iteration.target)
        self.iteration.v[: ordered.num_live] = spec.initial_value
        self.iteration.v[self.position[local.halo_states]] = spec.initial_value
        self.update(UNCHANGED)

    def borders(self) -> BorderValues:
        """Return the values of the first and of the last row of the block, (columns,) float64 each."""
        first, last = self.local.border_rows
        return self.iteration.v[self.position[first]], self.iteration.v[self.position[last]]

    def update(self, halo: HaloValues) -> None:
        """Set the values of the halo, and improve and evaluate one policy.

        A block is not iterated until it converges: that would be wasted while its neighbours still change.
        """
        if self.local.changed_rows(halo):
            self._set_halo(halo)
            self.policies_left = self.max_policies
        self.policies_left -= 1
        self.is_done = self.iteration.is_converged(improve_and_evaluate(self.iteration)) or self.policies_left <= 0

    def certify(self, halo: HaloValues) -> float:
        """Return the largest Bellman residual of the states of the block, including rounding."""
        self._set_halo(halo)
        local, v = self.local, self.iteration.ordered.to_original(self.iteration.v)
        residual = residual_between(local.grid, v, local.first, local.last, 4, self.spec.gamma)
        return float(residual + rounding_bound(local.mdp, float(np.abs(v).max())))

    def values(self) -> npt.NDArray[np.float64]:
        """Return the state values of the block, (num_own,) float64."""
        return self.iteration.v[self.position[self.local.own_states]]

    def optimum(self, bound: float) -> BlockOptimum:
        """Return values and the actions that may be optimal, see `clew.Solution`.

        Args:
            bound: on the error of the values. Actions within twice the bound of the best may be optimal.
        """
        q = np.empty((self.position.size, 4))
        backup_all(self.local.grid, self.iteration.ordered.to_original(self.iteration.v), self.spec.gamma, q)
        q = q[self.local.own_states]
        optimal_actions = q >= q.max(axis=1, keepdims=True) - 2.0 * bound
        return BlockOptimum(self.values(), optimal_actions, ~optimal_actions.all(axis=1))

    def _set_halo(self, halo: HaloValues) -> None:
        for first, row in self.local.changed_rows(halo):
            self.iteration.v[self.position[first : first + row.size]] = row


def combine_errors(spec: PlanningSpec, errors: list[float]) -> float:
    """Return a bound on the error of all values, from what `certify` returned for each block.

    See `clew.planning.certificate.error_bound` for the proof.
    """
    if spec.by_distance:
        return float(max(errors))
    contraction = spec.gamma * (1.0 + 4.0 * np.finfo(float).eps)
    return float(max(errors) / (1.0 - contraction)) if contraction < 1.0 else np.inf
