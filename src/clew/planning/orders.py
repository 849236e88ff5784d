"""Models with their states in a good order for sweeps: breadth-first from the ends of episodes."""

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
    permute_model,
    write_equations,
    write_lattice,
    write_predecessors,
)
from clew.kernels.planning.search import breadth_first_search, queue_size
from clew.models.mdp import FiniteMDP

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, eq=False)
class OrderedModel:
    """Model of a world whose states are renumbered in the order of sweeps.

    Attributes:
        model: the model, in the new numbers.
        order: (num_states,) int32, the state of the world that has each number; None if the numbers are the same.
        num_live: number of live states, which have outcomes; they have the numbers 0 to num_live - 1.
        num_states: number of states.
        num_actions: number of actions.
    """

    model: Model
    order: npt.NDArray[np.int32] | None
    num_live: int
    num_states: int
    num_actions: int

    def to_ordered(self, array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Reorder an array with one entry per state from the world's numbers to the new ones."""
        return array if self.order is None else array[self.order]

    def to_original(self, array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Reorder an array with one entry per state from the new numbers back to the world's."""
        if self.order is None:
            return array
        original = np.empty_like(array)
        original[self.order] = array
        return original


def original_order(mdp: FiniteMDP) -> OrderedModel:
    """Return the model of a world with its states numbered as they are."""
    return OrderedModel(mdp.model, None, mdp.num_states, mdp.num_states, mdp.num_actions)


def breadth_first_order(mdp: FiniteMDP) -> OrderedModel:
    """Return the model of a world with its states renumbered by their distance from an end, in steps.

    A grid becomes a `RenumberedGrid` with 20 bytes per state; a sparse model is copied.
    """
    return _order_grid(mdp, mdp.model) if isinstance(mdp.model, Grid) else _order_sparse(mdp, mdp.model)


def order_by_distance(mdp: FiniteMDP, distances: npt.NDArray[np.int32], live: npt.NDArray[np.bool_]) -> OrderedModel:
    """Return the model of a section of a grid with its states renumbered by distances that are already known.

    Args:
        mdp: section of a grid whose goals don't move.
        distances: (num_states,) int32, steps to a goal in the whole grid; -1 where no path leads to one.
        live: (num_states,) bool, the states to plan; False where nothing happens or the value is given.
            These come last.
    """
    grid, n = mdp.model, mdp.num_states
    assert isinstance(grid, Grid)
    num_live, unreachable = int(live.sum()), np.int32(2**31 - 2)
    key = np.where(live, np.where(distances < 0, unreachable, distances), unreachable + 1)
    order = np.argsort(key, kind="stable").astype(np.int32)
    position = np.empty(n, np.int32)
    position[order] = np.arange(n, dtype=np.int32)
    lattice = RenumberedGrid(
        np.empty(4 * num_live, np.int32), np.empty(4 * num_live, np.uint8), grid.rewards, 0, grid.slip
    )
    write_lattice(grid, -1, order[:num_live], position, 0, lattice)
    lattice = lattice._replace(
        next_states=read_only(lattice.next_states), kinds=read_only(lattice.kinds), num_live=num_live
    )
    return OrderedModel(lattice, order, num_live, n, mdp.num_actions)


def predecessors(
    model: Model, num_states: int, num_actions: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return the distinct predecessors of each state, as (offsets, states).

    The predecessors of s are states[offsets[s]:offsets[s + 1]]: those with a transition to s that has positive
    probability and doesn't terminate.
    """
    offsets, last_seen = np.empty(num_states + 1, np.int64), np.empty(num_states, np.int32)
    count_predecessors(model, num_actions, last_seen, offsets)
    states = np.empty(int(offsets[-1]), np.int32)
    write_predecessors(model, num_actions, last_seen, offsets, states)
    return offsets, states


def policy_equations(
    model: Model, policy: npt.NDArray[np.int32], gamma: float, states: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the linear equations (I - gamma P) v = r of a policy's values in some states, the others having value 0.

    Args:
        model: world.
        policy: (num_states,) int32, actions.
        gamma: discount per step.
        states: (n,) int64, the states whose values are unknown.

    Returns:
        ((n, n) float64, I - gamma P; (n,) float64, r).
    """
    position = np.full(policy.size, -1)
    position[states] = np.arange(states.size)
    matrix, rewards = np.empty((states.size, states.size)), np.empty(states.size)
    write_equations(model, policy, gamma, states, position, matrix, rewards)
    return matrix, rewards


def _order_grid(mdp: FiniteMDP, grid: Grid) -> OrderedModel:
    """Return a grid as a lattice, its live cells ordered by distance from the goal, for one goal after the other."""
    n = grid.num_cells
    goals = range(n) if grid.moving_goal else [-1]
    orders = np.empty((len(goals), n), np.int32)
    distances, position, queue = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(queue_size(n), np.int32)
    lattice = RenumberedGrid(
        np.empty(4 * mdp.num_states, np.int32), np.empty(4 * mdp.num_states, np.uint8), grid.rewards, 0, grid.slip
    )
    live, not_live = [], []
    first = 0
    for layer, goal in enumerate(goals):
        num_reached = breadth_first_search(grid, goal, distances, queue)
        num_live = order_cells(grid, goal, distances, queue, num_reached, orders[layer], position)
        write_lattice(grid, goal, orders[layer, :num_live], position, first, lattice)
        orders[layer] += layer * n
        live.append(orders[layer, :num_live])
        not_live.append(orders[layer, num_live:])
        first += num_live
    lattice = lattice._replace(
        next_states=read_only(lattice.next_states[: 4 * first]),
        kinds=read_only(lattice.kinds[: 4 * first]),
        num_live=first,
    )
    order = orders[0] if len(goals) == 1 else np.concatenate(live + not_live)
    return OrderedModel(lattice, order, first, mdp.num_states, mdp.num_actions)


def _order_sparse(mdp: FiniteMDP, sparse: Sparse) -> OrderedModel:
    """Return a sparse model with its states renumbered breadth-first from the ends of episodes."""
    order, position = np.empty((2, mdp.num_states), np.int32)
    num_live = order_states(sparse, *predecessors(sparse, mdp.num_states, mdp.num_actions), order, position)
    ordered = Sparse(
        np.empty_like(sparse.offsets),
        np.empty_like(sparse.probabilities),
        np.empty_like(sparse.next_states),
        np.empty_like(sparse.rewards),
        np.empty_like(sparse.terminated),
        sparse.num_actions,
    )
    permute_model(sparse, order, position, ordered)
    for array in ordered[:5]:
        array.setflags(write=False)  # read-only like the arrays of a world, so kernels are compiled once
    return OrderedModel(ordered, order, num_live, mdp.num_states, mdp.num_actions)
