"""A world with its states in a good order for sweeps: nearest to an end first."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from clew.kernels import read_only
from clew.kernels.dynamics import Grid, Model, RenumberedGrid, Sparse
from clew.kernels.planning.orders import (
    count_predecessors,
    order_cells,
    order_states,
    write_equations,
    write_in_order,
    write_lattice,
    write_predecessors,
)
from clew.kernels.planning.search import breadth_first, queue_size
from clew.models.mdp import FiniteMDP

Scalar = TypeVar("Scalar", bound=np.generic)

__all__ = ["OrderedModel", "as_it_stands", "by_distance", "equations", "nearest_first", "predecessors"]


@dataclass(frozen=True, eq=False)
class OrderedModel:
    """The model of a world with its states renumbered.

    Attributes:
        model: the model, in the new numbers.
        order: (num_states,) int32, the state that has each number; None if the numbers are those of the world.
        num_live: states from this number on have nothing happening in them.
        num_states: number of states.
        num_actions: number of actions.
    """

    model: Model
    order: npt.NDArray[np.int32] | None
    num_live: int
    num_states: int
    num_actions: int

    def numbered(self, column: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """A column of the world's states in the order of the numbers."""
        return column if self.order is None else column[self.order]

    def restored(self, column: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """A column in the order of the numbers as one of the world's states."""
        if self.order is None:
            return column
        restored = np.empty_like(column)
        restored[self.order] = column
        return restored


def as_it_stands(mdp: FiniteMDP) -> OrderedModel:
    """The model of a world with the numbers that its states have."""
    return OrderedModel(mdp.model, None, mdp.num_states, mdp.num_states, mdp.num_actions)


def nearest_first(mdp: FiniteMDP) -> OrderedModel:
    """The model of a world with its states in the order of their distance from an end, in steps that may be taken.

    A grid becomes a `RenumberedGrid`, of 20 bytes per state; any other world is copied.
    """
    if isinstance(mdp.model, Grid):
        return _order_grid(mdp, mdp.model)
    assert isinstance(mdp.model, Sparse)
    return _order_sparse(mdp, mdp.model)


def by_distance(mdp: FiniteMDP, distances: npt.NDArray[np.int32], live: npt.NDArray[np.bool_]) -> OrderedModel:
    """The model of a grid whose goals stay, its states in the order of distances that are known already.

    Args:
        mdp: a section of a grid.
        distances: (num_states,) int32, in the whole grid; -1 where there is no way.
        live: (num_states,) bool, False where nothing happens any more, or where values are given and not planned.
    """
    grid, n = mdp.model, mdp.num_states
    assert isinstance(grid, Grid)
    num_live, no_way = int(live.sum()), np.int32(2**31 - 2)
    far = np.where(live, np.where(distances < 0, no_way, distances), no_way + 1)
    order = np.argsort(far, kind="stable").astype(np.int32)
    place = np.empty(n, np.int32)
    place[order] = np.arange(n, dtype=np.int32)
    lattice = RenumberedGrid(
        np.empty(4 * num_live, np.int32), np.empty(4 * num_live, np.uint8), grid.rewards, 0, grid.slip
    )
    write_lattice(grid, -1, order[:num_live], place, 0, lattice)
    next_states, kinds = read_only(lattice.next_states), read_only(lattice.kinds)
    lattice = lattice._replace(next_states=next_states, kinds=kinds, num_live=num_live)
    return OrderedModel(lattice, order, num_live, n, mdp.num_actions)


def predecessors(
    model: Model, num_states: int, num_actions: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """The states from which each state can be come to: those of s begin at offsets[s] in the second array."""
    offsets, last_seen = np.empty(num_states + 1, np.int64), np.empty(num_states, np.int32)
    count_predecessors(model, num_actions, last_seen, offsets)
    listed = np.empty(int(offsets[-1]), np.int32)
    write_predecessors(model, num_actions, last_seen, offsets, listed)
    return offsets, listed


def equations(
    model: Model, policy: npt.NDArray[np.int32], gamma: float, states: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The linear equations of a policy's values in some states, the others being worth 0: (matrix, right-hand side)."""
    place = np.full(policy.size, -1)
    place[states] = np.arange(states.size)
    matrix, pay = np.empty((states.size, states.size)), np.empty(states.size)
    write_equations(model, policy, gamma, states, place, matrix, pay)
    return matrix, pay


def _order_grid(mdp: FiniteMDP, grid: Grid) -> OrderedModel:
    n = grid.num_cells
    goals = range(n) if grid.moving_goal else [-1]
    orders = np.empty((len(goals), n), np.int32)
    distances, place, queue = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(queue_size(n), np.int32)
    lattice = RenumberedGrid(
        np.empty(4 * mdp.num_states, np.int32), np.empty(4 * mdp.num_states, np.uint8), grid.rewards, 0, grid.slip
    )
    live, dead = [], []
    first = 0
    for layer, goal in enumerate(goals):
        num_reached = breadth_first(grid, goal, distances, queue)
        num_live = order_cells(grid, goal, distances, queue, num_reached, orders[layer], place)
        write_lattice(grid, goal, orders[layer, :num_live], place, first, lattice)
        orders[layer] += layer * n
        live.append(orders[layer, :num_live])
        dead.append(orders[layer, num_live:])
        first += num_live
    next_states, kinds = read_only(lattice.next_states[: 4 * first]), read_only(lattice.kinds[: 4 * first])
    lattice = lattice._replace(next_states=next_states, kinds=kinds, num_live=first)
    order = orders[0] if len(goals) == 1 else np.concatenate(live + dead)
    return OrderedModel(lattice, order, first, mdp.num_states, mdp.num_actions)


def _order_sparse(mdp: FiniteMDP, sparse: Sparse) -> OrderedModel:
    order, place = np.empty((2, mdp.num_states), np.int32)
    num_live = order_states(sparse, *predecessors(sparse, mdp.num_states, mdp.num_actions), order, place)
    ordered = Sparse(
        np.empty_like(sparse.offsets),
        np.empty_like(sparse.probabilities),
        np.empty_like(sparse.next_states),
        np.empty_like(sparse.rewards),
        np.empty_like(sparse.terminated),
        sparse.num_actions,
    )
    write_in_order(sparse, order, place, ordered)
    for column in ordered[:5]:
        column.setflags(write=False)  # as those of the model: one compilation
    return OrderedModel(ordered, order, num_live, mdp.num_states, mdp.num_actions)
