"""States in a good order for planning: nearest to an end first, so that one sweep carries values a long way."""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import (
    BLOCKED,
    ENTERS_HAZARD,
    GOAL,
    HAZARD,
    HITS_OUTER_WALL,
    REACHES_GOAL,
    Grid,
    Model,
    RenumberedGrid,
    Sparse,
    neighbour,
    num_outcomes,
    outcome,
    touches_outer_wall,
)


@kernel
def order_cells(
    grid: Grid,
    goal: int,
    distances: npt.NDArray[np.int32],
    queue: npt.NDArray[np.int32],
    num_reached: int,
    order: npt.NDArray[np.int32],
    place: npt.NDArray[np.int32],
) -> int:
    """Put the cells of a grid, with one goal or its own, in order: reached ones, others, those where nothing happens.

    Args:
        grid: world.
        goal: the goal's cell; -1 takes the cells with the GOAL bit.
        distances: (num_cells,) int32, see `breadth_first`.
        queue: the cells that were reached, in the order of their distances.
        num_reached: how many those are.
        order: (num_cells,) int32, filled in place with cells.
        place: (num_cells,) int32, filled in place: where each cell stands in the order.

    Returns:
        Number of cells in which something can happen.
    """
    n = 0
    for i in range(num_reached):
        if distances[queue[i]] > 0:
            order[n] = queue[i]
            n += 1
    for cell in range(grid.num_cells):
        if distances[cell] < 0 and (grid.cells[cell] & BLOCKED) == 0:
            order[n] = cell
            n += 1
    num_live = n
    for cell in range(grid.num_cells):
        if distances[cell] == 0 or (grid.cells[cell] & BLOCKED) != 0:
            order[n] = cell
            n += 1
    for i in range(grid.num_cells):
        place[order[i]] = i
    return num_live


@kernel
def write_lattice(
    grid: Grid,
    goal: int,
    order: npt.NDArray[np.int32],
    place: npt.NDArray[np.int32],
    first: int,
    lattice: RenumberedGrid,
) -> None:
    """Write the moves of cells down, by where they stand in the order.

    Args:
        grid: world.
        goal: the goal's cell; -1 takes the cells with the GOAL bit.
        order: (num_live,) int32, cells; those in which something can happen.
        place: (num_cells,) int32, where each cell stands in the order.
        first: number of the first of them; those of several goals follow each other.
        lattice: its moves are filled in place; one that ends the episode leads to where it began.
    """
    for i in range(order.size):
        cell = np.int64(order[i])
        for a in range(4):
            is_stopped = (grid.cells[cell] >> a) & 1 == 1
            next_cell = cell if is_stopped else neighbour(grid, cell, a)
            is_goal = next_cell == goal or (goal < 0 and (grid.cells[next_cell] & GOAL) != 0)
            kind = REACHES_GOAL if is_goal else 0
            if (grid.cells[next_cell] & HAZARD) != 0 and next_cell != cell:
                kind += ENTERS_HAZARD
            if is_stopped and touches_outer_wall(grid, cell, a):
                kind += HITS_OUTER_WALL
            there = np.int64(place[next_cell])
            lattice.next_states[4 * (first + i) + a] = first + (i if is_goal else there)
            lattice.kinds[4 * (first + i) + a] = kind


@kernel
def count_predecessors(
    model: Model, num_actions: int, last_seen: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64]
) -> None:
    """Fill in where the predecessors of each state begin in a list of all.

    Args:
        model: world, see `dynamics`.
        num_actions: number of actions.
        last_seen: (num_states,) int32, room to work in.
        offsets: (num_states + 1,) int64, filled in place.
    """
    num_states = offsets.size - 1
    offsets[:] = 0
    last_seen[:] = -1
    for s in range(num_states):
        for a in range(num_actions):
            for k in range(num_outcomes(model, s, a)):
                p, s_next, _, terminated = outcome(model, s, a, k)
                if p > 0.0 and not terminated and last_seen[s_next] != s:
                    last_seen[s_next] = s
                    offsets[s_next + 1] += 1
    for s in range(num_states):
        offsets[s + 1] += offsets[s]


@kernel
def write_predecessors(
    model: Model,
    num_actions: int,
    last_seen: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int64],
    predecessors: npt.NDArray[np.int32],
) -> None:
    """Fill in the states from which each state can be come to, every one once; see `count_predecessors`.

    Args:
        model: world, see `dynamics`.
        num_actions: number of actions.
        last_seen: (num_states,) int32, room to work in.
        offsets: (num_states + 1,) int64; moved while this works, and put back.
        predecessors: (offsets[-1],) int32, filled in place.
    """
    num_states = offsets.size - 1
    last_seen[:] = -1
    for s in range(num_states):
        for a in range(num_actions):
            for k in range(num_outcomes(model, s, a)):
                p, s_next, _, terminated = outcome(model, s, a, k)
                if p > 0.0 and not terminated and last_seen[s_next] != s:
                    last_seen[s_next] = s
                    predecessors[offsets[s_next]] = s
                    offsets[s_next] += 1
    for s in range(num_states, 0, -1):
        offsets[s] = offsets[s - 1]
    offsets[0] = 0


@kernel
def order_states(
    model: Sparse,
    offsets: npt.NDArray[np.int64],
    predecessors: npt.NDArray[np.int32],
    order: npt.NDArray[np.int32],
    place: npt.NDArray[np.int32],
) -> int:
    """Put the states of any world in order: those where an episode may end, then those that may come there, and so on.

    Args:
        model: world.
        offsets: (num_states + 1,) int64, see `count_predecessors`.
        predecessors: the states from which each state can be come to.
        order: (num_states,) int32, filled in place; states in which nothing can happen come last.
        place: (num_states,) int32, filled in place: where each state stands in the order.

    Returns:
        Number of states in which something can happen.
    """
    num_states, num_live = place.size, 0
    place[:] = -1
    for s in range(num_states):
        first_row, end = model.offsets[s * model.num_actions], model.offsets[(s + 1) * model.num_actions]
        num_live += np.int64(end > first_row)
        for i in range(first_row, end):
            if model.terminated[i] and model.probabilities[i] > 0.0:
                place[s] = 0
    head, tail, last = 0, 0, num_live
    for s in range(num_states):
        if model.offsets[s * model.num_actions] == model.offsets[(s + 1) * model.num_actions]:
            order[last] = s
            last += 1
        elif place[s] == 0:
            order[tail] = s
            tail += 1
    dead = num_live  # the search begins at dead states and goes on with those that were found
    unvisited = 0
    while tail < num_live or dead < num_states or head < tail:
        if dead < num_states:
            s = np.int64(order[dead])
            place[s] = dead
            dead += 1
        elif head < tail:
            s = np.int64(order[head])
            place[s] = head
            head += 1
        else:  # from here there is no end to come to; the rest as they stand
            while place[unvisited] >= 0:
                unvisited += 1
            order[tail] = unvisited
            place[unvisited] = 0
            tail += 1
            continue
        for i in range(offsets[s], offsets[s + 1]):
            found = predecessors[i]
            if place[found] < 0:
                place[found] = 0
                order[tail] = found
                tail += 1
    return num_live


@kernel
def write_in_order(model: Sparse, order: npt.NDArray[np.int32], place: npt.NDArray[np.int32], ordered: Sparse) -> None:
    """Fill the rows of a sparse model with those of another, state by state in another order.

    Args:
        model: world.
        order: (num_states,) int32, its states in their new order.
        place: (num_states,) int32, the new number of each state.
        ordered: its arrays are filled in place; the outcomes of an action keep their order.
    """
    n = 0
    ordered.offsets[0] = 0
    for new in range(order.size):
        for a in range(model.num_actions):
            row = np.int64(order[new]) * model.num_actions + a
            for i in range(model.offsets[row], model.offsets[row + 1]):
                ordered.probabilities[n] = model.probabilities[i]
                ordered.next_states[n] = place[model.next_states[i]]
                ordered.rewards[n] = model.rewards[i]
                ordered.terminated[n] = model.terminated[i]
                n += 1
            ordered.offsets[new * model.num_actions + a + 1] = n


@kernel
def write_equations(
    model: Model,
    policy: npt.NDArray[np.int32],
    gamma: float,
    states: npt.NDArray[np.int64],
    place: npt.NDArray[np.int64],
    matrix: npt.NDArray[np.float64],
    pay: npt.NDArray[np.float64],
) -> None:
    """Fill in the linear equations of a policy's values, (1 - gamma P) v = r.

    Args:
        model: world, see `dynamics`.
        policy: (num_states,) int32, the action taken in each state.
        gamma: discount per step.
        states: (n,) int64, the states whose values are asked for; all others are worth 0.
        place: (num_states,) int64, where each state stands among those; -1 if it doesn't.
        matrix: (n, n) float64, 1 - gamma P, filled in place.
        pay: (n,) float64, r, filled in place.
    """
    matrix[:, :] = 0.0
    for i in range(states.size):
        s = states[i]
        matrix[i, i] = 1.0
        pay[i] = 0.0
        for k in range(num_outcomes(model, s, policy[s])):
            p, s_next, reward, terminated = outcome(model, s, policy[s], k)
            pay[i] += p * reward
            if not terminated and place[s_next] >= 0:
                matrix[i, place[s_next]] -= gamma * p
