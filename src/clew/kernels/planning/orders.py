"""Orders of states for planning: breadth-first from the ends of episodes, so that one sweep carries values far.

The kernels also write what planners need of a world: a model with renumbered states, lists of predecessors, and the
linear equations of a policy.
"""

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
    position: npt.NDArray[np.int32],
) -> int:
    """Order the cells of a grid by their distance from the goal; then unreachable cells; last, goals and blocked cells.

    Args:
        grid: world.
        goal: the goal's cell; -1 for the cells with the GOAL bit.
        distances: (num_cells,) int32, from `breadth_first_search`.
        queue: int32, the cells that can reach the goal, by increasing distance.
        num_reached: number of cells in the queue.
        order: (num_cells,) int32, filled with cells in place.
        position: (num_cells,) int32, index of each cell in `order`, filled in place.

    Returns:
        Number of live cells, which come first: those that are neither a goal nor blocked.
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
        position[order[i]] = i
    return num_live


@kernel
def write_lattice(
    grid: Grid,
    goal: int,
    order: npt.NDArray[np.int32],
    position: npt.NDArray[np.int32],
    first: int,
    lattice: RenumberedGrid,
) -> None:
    """Write the four moves of cells into a lattice, with cells renumbered by their position in an order.

    Args:
        grid: world.
        goal: the goal's cell; -1 for the cells with the GOAL bit.
        order: (num_live,) int32, the live cells in order.
        position: (num_cells,) int32, index of each cell in the order.
        first: number of the first of these states in the lattice; the states of several goals follow each other.
        lattice: its `next_states` and `kinds` are filled in place; a move that ends the episode leads back to the state
            in which it was made.
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
            next_position = np.int64(position[next_cell])
            lattice.next_states[4 * (first + i) + a] = first + (i if is_goal else next_position)
            lattice.kinds[4 * (first + i) + a] = kind


@kernel
def count_predecessors(
    model: Model, num_actions: int, last_seen: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64]
) -> None:
    """Count the distinct predecessors of each state, and fill in where its list of them begins.

    A predecessor of s has a transition to s that has positive probability and doesn't terminate.

    Args:
        model: world, see `clew.kernels.dynamics`.
        num_actions: number of actions.
        last_seen: (num_states,) int32, workspace.
        offsets: (num_states + 1,) int64, filled in place with the start of each list and the end of the last one.
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
    """Fill in the distinct predecessors of each state, after `count_predecessors`.

    Args:
        model: world, see `clew.kernels.dynamics`.
        num_actions: number of actions.
        last_seen: (num_states,) int32, workspace.
        offsets: (num_states + 1,) int64, where each list begins; changed while the lists are written, and restored.
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
    position: npt.NDArray[np.int32],
) -> int:
    """Order the states of a sparse model breadth-first, backwards from the ends of episodes.

    States with an outcome that terminates come first, then the predecessors of states without outcomes, then the
    predecessors of these, and so on; then states that can't reach an end; last, states without outcomes.

    Args:
        model: world.
        offsets: (num_states + 1,) int64; the predecessors of s are predecessors[offsets[s]:offsets[s + 1]].
        predecessors: int32, from `write_predecessors`.
        order: (num_states,) int32, filled with states in place.
        position: (num_states,) int32, index of each state in `order`, filled in place.

    Returns:
        Number of live states, which come first: those with outcomes.
    """
    num_states, num_live = position.size, 0
    position[:] = -1
    for s in range(num_states):
        first_row, end = model.offsets[s * model.num_actions], model.offsets[(s + 1) * model.num_actions]
        num_live += np.int64(end > first_row)
        for i in range(first_row, end):
            if model.terminated[i] and model.probabilities[i] > 0.0:
                position[s] = 0
    head, tail, last = 0, 0, num_live
    for s in range(num_states):
        if model.offsets[s * model.num_actions] == model.offsets[(s + 1) * model.num_actions]:
            order[last] = s
            last += 1
        elif position[s] == 0:
            order[tail] = s
            tail += 1
    next_terminal = num_live  # the search begins at states without outcomes
    unvisited = 0
    while tail < num_live or next_terminal < num_states or head < tail:
        if next_terminal < num_states:
            s = np.int64(order[next_terminal])
            position[s] = next_terminal
            next_terminal += 1
        elif head < tail:
            s = np.int64(order[head])
            position[s] = head
            head += 1
        else:  # the remaining states can't reach an end
            while position[unvisited] >= 0:
                unvisited += 1
            order[tail] = unvisited
            position[unvisited] = 0
            tail += 1
            continue
        for i in range(offsets[s], offsets[s + 1]):
            predecessor = predecessors[i]
            if position[predecessor] < 0:
                position[predecessor] = 0
                order[tail] = predecessor
                tail += 1
    return num_live


@kernel
def permute_model(
    model: Sparse, order: npt.NDArray[np.int32], position: npt.NDArray[np.int32], ordered: Sparse
) -> None:
    """Copy a sparse model into arrays of the same size, with its states renumbered.

    Args:
        model: world.
        order: (num_states,) int32, the old number of each new state.
        position: (num_states,) int32, the new number of each old state.
        ordered: its arrays are filled in place; the outcomes of an action keep their order.
    """
    n = 0
    ordered.offsets[0] = 0
    for new in range(order.size):
        for a in range(model.num_actions):
            pair = np.int64(order[new]) * model.num_actions + a
            for i in range(model.offsets[pair], model.offsets[pair + 1]):
                ordered.probabilities[n] = model.probabilities[i]
                ordered.next_states[n] = position[model.next_states[i]]
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
    position: npt.NDArray[np.int64],
    matrix: npt.NDArray[np.float64],
    rewards: npt.NDArray[np.float64],
) -> None:
    """Fill in the linear equations of a policy's state values, (I - gamma P) v = r.

    Args:
        model: world, see `clew.kernels.dynamics`.
        policy: (num_states,) int32, the action taken in each state.
        gamma: discount per step.
        states: (n,) int64, the states whose values are unknown; all others have value 0.
        position: (num_states,) int64, index of each state in `states`; -1 if it isn't among them.
        matrix: (n, n) float64, I - gamma P, filled in place.
        rewards: (n,) float64, r, the expected reward of a step, filled in place.
    """
    matrix[:, :] = 0.0
    for i in range(states.size):
        s = states[i]
        matrix[i, i] = 1.0
        rewards[i] = 0.0
        for k in range(num_outcomes(model, s, policy[s])):
            p, s_next, reward, terminated = outcome(model, s, policy[s], k)
            rewards[i] += p * reward
            if not terminated and position[s_next] >= 0:
                matrix[i, position[s_next]] -= gamma * p
