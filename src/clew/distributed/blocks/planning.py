"""A block planned, with the values of its halo given.

Two planners with the same functions: distances, which are all that matters where moves are certain and a shortest way
is a best one, and which give the order of states to modified policy iteration, in all other worlds with a discount.
Both begin with the worst that can be, and each time that the halo is worth more they go on from what they have. Once no
border changes any more, every block looks if each of its states agrees with those that it leads to; that is the
certificate of the whole, cut into pieces.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed.blocks.cuts import NOTHING, Halo, Place
from clew.distributed.blocks.exchange import Borders
from clew.kernels import read_only
from clew.kernels.dynamics import BLOCKED, GOAL
from clew.kernels.planning.backups import backup_all, residual_between
from clew.kernels.planning.search import count_wrong_between, lower_distances, mark_nearer
from clew.planning.certificate import rounding_bound
from clew.planning.iterations import Iteration
from clew.planning.orders import order_by_distance
from clew.planning.policy_iteration import improve_and_evaluate
from clew.planning.search import values_by_distance

__all__ = ["Discounted", "Distances", "Optimum", "Problem", "bound_of"]


class Problem(NamedTuple):
    """What is asked of all blocks."""

    gamma: float
    tolerance: float
    by_distance: bool
    assumed: float  # the worst value that can be: that of the halo, before anything was told


class Optimum(NamedTuple):
    """What is known of the block's own states once all is planned."""

    v: npt.NDArray[np.float64]  # (num_own,), values
    optimal: npt.NDArray[np.bool_]  # (num_own, 4), actions that may be optimal
    matters: npt.NDArray[np.bool_]  # (num_own,), some action isn't


class Distances:
    """Steps to the nearest goal, exactly: each state is one step from the nearest of its neighbours."""

    def __init__(self, place: Place, problem: Problem) -> None:
        self.place, self.problem = place, problem
        self.distances = np.full(place.grid.num_cells, -1, np.int32)
        self.queue = np.empty(place.last - place.first, np.int32)
        self.is_done = True  # each time
        goals = np.flatnonzero(place.grid.cells[place.own] & GOAL) + place.first
        self.distances[goals] = 0
        self._carry_on(goals)

    def borders(self) -> Borders:
        """Distances of the first and the last row."""
        first, last = self.place.borders
        return self.distances[first].copy(), self.distances[last].copy()

    def go_on(self, halo: Halo) -> None:
        """Carry on what has become shorter outside."""
        cells = self._take_in(halo)
        self._carry_on(cells[np.argsort(self.distances[cells], kind="stable")])

    def certify(self, halo: Halo) -> float:
        """How far values may be off: by rounding alone, for every distance is found to be right."""
        self._take_in(halo)
        place = self.place
        num_wrong = count_wrong_between(place.grid, -1, self.distances, place.first, place.last)
        assert num_wrong == 0, f"{num_wrong} distances are wrong"
        return self._worth()[1]

    def values(self) -> npt.NDArray[np.float64]:
        """(num_own,) float64."""
        own = self.place.own
        v = self._worth()[0][self.distances[own]]
        v[(self.place.grid.cells[own] & BLOCKED) > 0] = 0.0
        return v

    def optimum(self, bound: float) -> Optimum:
        """Optimal are the actions that lead a step nearer; where there is no way it doesn't matter."""
        own = self.place.own
        nearer = np.empty((self.distances.size, 4), np.bool_)
        mark_nearer(self.place.grid, self.distances, nearer)
        matters = (self.distances[own] > 0) & ~nearer[own].all(axis=1)
        return Optimum(self.values(), nearer[own], matters)

    def _take_in(self, halo: Halo) -> npt.NDArray[np.int64]:
        """Note how far the halo is; returns the cells that are nearer than they were."""
        nearer = [np.empty(0, np.int64)]
        for first, row in self.place.told(halo):
            known = self.distances[first : first + row.size]
            nearer.append(first + np.flatnonzero((row >= 0) & ((known < 0) | (row < known))))
            known[:] = row
        return np.concatenate(nearer)

    def _carry_on(self, seeds: npt.NDArray[np.int64]) -> None:
        place = self.place
        cells = read_only(seeds.astype(np.int32))
        lower_distances(place.grid, place.first, place.last, self.distances, cells, self.queue)

    def _worth(self) -> tuple[npt.NDArray[np.float64], float]:
        longest = int(self.distances[self.place.own].max(initial=0))
        return values_by_distance(self.place.grid, self.problem.gamma, longest)


class Discounted:
    """Values with a discount, by modified policy iteration from below."""

    def __init__(self, place: Place, problem: Problem, distances: npt.NDArray[np.int32]) -> None:
        self.place, self.problem = place, problem
        live = (place.grid.cells & (BLOCKED | GOAL)) == 0
        live[place.halo] = False
        ordered = order_by_distance(place.mdp, distances, live)
        assert ordered.order is not None
        # Half of the tolerance is left to what neighbours didn't think worth a message.
        self.iteration = Iteration(place.mdp, ordered, problem.gamma, 0.5 * problem.tolerance)
        self.number = np.empty(place.grid.num_cells, np.int32)  # of each cell, in the order
        self.number[ordered.order] = np.arange(place.grid.num_cells, dtype=np.int32)
        self.left = self.iteration.max_sweeps(self.iteration.target)  # policies, at most, before there is news
        self.is_done = False
        self.iteration.v[: ordered.num_live] = problem.assumed
        self.iteration.v[self.number[place.halo]] = problem.assumed
        self.go_on(NOTHING)

    def borders(self) -> Borders:
        """Values of the first and the last row."""
        first, last = self.place.borders
        return self.iteration.v[self.number[first]], self.iteration.v[self.number[last]]

    def go_on(self, halo: Halo) -> None:
        """One policy more: to settle a block to the last digit would be in vain while its neighbours change."""
        if self.place.told(halo):
            self._take_in(halo)
            self.left = self.iteration.max_sweeps(self.iteration.target)
        self.left -= 1
        self.is_done = self.iteration.is_converged(improve_and_evaluate(self.iteration)) or self.left <= 0

    def certify(self, halo: Halo) -> float:
        """How far the backup of a state may be from its value, rounding included."""
        self._take_in(halo)
        place, v = self.place, self.iteration.ordered.to_original(self.iteration.v)
        residual = residual_between(place.grid, v, place.first, place.last, 4, self.problem.gamma)
        return float(residual + rounding_bound(place.mdp, float(np.abs(v).max())))

    def values(self) -> npt.NDArray[np.float64]:
        """(num_own,) float64."""
        return self.iteration.v[self.number[self.place.own]]

    def optimum(self, bound: float) -> Optimum:
        """Optimal may be what is worth the best of its state, less twice the bound; see `Solution`."""
        own = self.place.own
        q = np.empty((self.number.size, 4))
        backup_all(self.place.grid, self.iteration.ordered.to_original(self.iteration.v), self.problem.gamma, q)
        q = q[own]
        optimal = q >= q.max(axis=1, keepdims=True) - 2.0 * bound
        return Optimum(self.values(), optimal, ~optimal.all(axis=1))

    def _take_in(self, halo: Halo) -> None:
        for first, row in self.place.told(halo):
            self.iteration.v[self.number[first : first + row.size]] = row


def bound_of(problem: Problem, errors: list[float]) -> float:
    """The bound on the error of all values, from what the blocks certified; see `certificate.error_bound`."""
    if problem.by_distance:
        return float(max(errors))
    contraction = problem.gamma * (1.0 + 4.0 * np.finfo(float).eps)
    return float(max(errors) / (1.0 - contraction)) if contraction < 1.0 else np.inf
