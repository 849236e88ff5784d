"""Breadth-first search on grids: distances from the goal, a check that proves them, and connected regions."""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import ALL_WALLS, BLOCKED, GOAL, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP, Grid, neighbour


def measure_distances(grid: Grid, goal: int, distances: npt.NDArray[np.int32]) -> int:
    """Compute the number of steps from every cell to the nearest goal, with little memory, and verify them.

    Args:
        grid: world; slip and rewards are ignored.
        goal: the goal's cell; -1 for the cells with the GOAL bit.
        distances: (num_cells,) int32, filled in place; -1 where no path leads to a goal.

    Returns:
        Number of wrong distances by `count_wrong_distances`; 0 proves that all are right.
    """
    # With few walls, two sweeps in the order of memory mostly suffice, and are faster; the check finds out.
    num_walled = count_walled_cells(grid)
    if num_walled <= 2 * (grid.columns + grid.num_cells // grid.columns) + grid.num_cells // 256:
        sweep_distances(grid, goal, distances)
        if count_wrong_distances(grid, goal, distances) == 0:
            return 0
    # The front of the search is short: a queue of a quarter megabyte mostly suffices, and stays in the cache.
    size = 1 << 16
    while breadth_first_search(grid, goal, distances, np.empty(min(size, queue_size(grid.num_cells)), np.int32)) < 0:
        size *= 4
    return count_wrong_distances(grid, goal, distances)


@kernel
def count_walled_cells(grid: Grid) -> int:
    """Count the cells that have at least one wall."""
    num_walled = 0
    for cell in range(grid.num_cells):
        num_walled += np.int64((grid.cells[np.uint64(cell)] & ALL_WALLS) != 0)
    return num_walled


@kernel
def sweep_distances(grid: Grid, goal: int, distances: npt.NDArray[np.int32]) -> None:
    """Compute the distance of every cell from the nearest goal by two sweeps: down and right, then up and left.

    Right on an open grid; behind walls, distances may be too large, or -1. `count_wrong_distances` checks them.

    Args:
        grid: world.
        goal: the goal's cell; -1 for the cells with the GOAL bit.
        distances: (num_cells,) int32, filled in place; -1 where the sweeps found no path.
    """
    unreached = np.int32(2**30)
    for cell in range(grid.num_cells):
        walls = grid.cells[np.uint64(cell)]
        nearest = unreached
        if walls & WALL_UP == 0:
            nearest = min(nearest, np.int32(distances[np.uint64(cell - grid.columns)] + 1))
        if walls & WALL_LEFT == 0:
            nearest = min(nearest, np.int32(distances[np.uint64(cell - 1)] + 1))
        is_goal = cell == goal or (goal < 0 and (walls & GOAL) != 0)
        distances[np.uint64(cell)] = np.int32(0) if is_goal else nearest
    for i in range(grid.num_cells):
        cell = grid.num_cells - 1 - i
        walls = grid.cells[np.uint64(cell)]
        nearest = distances[np.uint64(cell)]
        if walls & WALL_DOWN == 0 and distances[np.uint64(cell + grid.columns)] >= 0:
            nearest = min(nearest, np.int32(distances[np.uint64(cell + grid.columns)] + 1))
        if walls & WALL_RIGHT == 0 and distances[np.uint64(cell + 1)] >= 0:
            nearest = min(nearest, np.int32(distances[np.uint64(cell + 1)] + 1))
        distances[np.uint64(cell)] = nearest if nearest < unreached else -1


def queue_size(num_cells: int) -> int:
    """Return a queue length that always suffices for `breadth_first_search`: a power of two of at least num_cells + 4.

    The search stops with -1 unless the four neighbours of a cell fit as well.
    """
    return 1 << (num_cells + 3).bit_length()


@kernel
def breadth_first_search(grid: Grid, goal: int, distances: npt.NDArray[np.int32], queue: npt.NDArray[np.int32]) -> int:
    """Compute the number of steps from every cell to the nearest goal, by breadth-first search from the goals.

    Walls stop moves in both directions (checked when the model is made), so the search can run backwards.

    Args:
        grid: world; slip and rewards are ignored.
        goal: the goal's cell; -1 for the cells with the GOAL bit.
        distances: (num_cells,) int32, filled in place; -1 where no path leads to a goal.
        queue: int32, used as a ring buffer; its length must be a power of two. With `queue_size(num_cells)` entries it
            never wraps around, and afterwards holds the reached cells by increasing distance.

    Returns:
        Number of cells that can reach a goal, goals included; -1 if the queue was too short.
    """
    mask, capacity = np.uint64(queue.size - 1), np.int64(queue.size)
    head, tail = 0, 0
    for cell in range(grid.num_cells):
        is_goal = cell == goal or (goal < 0 and (grid.cells[cell] & GOAL) != 0)
        distances[cell] = 0 if is_goal else -1
        if is_goal:
            if tail == capacity:
                return -1
            queue[np.uint64(tail) & mask] = cell
            tail += 1
    while head < tail:
        if tail - head + 4 > capacity:
            return -1
        cell = np.int64(queue[np.uint64(head) & mask])
        head += 1
        walls, distance = grid.cells[np.uint64(cell)], distances[np.uint64(cell)] + 1
        for a in range(4):
            if (walls >> a) & 1 == 0:
                next_cell = np.uint64(neighbour(grid, cell, a))
                if distances[next_cell] < 0:
                    distances[next_cell] = distance
                    queue[np.uint64(tail) & mask] = next_cell
                    tail += 1
    return tail


@kernel
def count_wrong_distances(grid: Grid, goal: int, distances: npt.NDArray[np.int32]) -> int:
    """Count the cells whose distance from the goal is wrong, judged by their neighbours.

    The distance must be 0 on a goal, and elsewhere one more than the smallest distance of the neighbours that can be
    entered, or -1 if none of these has one. A count of 0 proves that all distances are right: from a cell with a
    distance, steps to nearer neighbours lead to a goal; no neighbour is nearer by more than one; and from a cell with
    -1 no cell with a distance can be entered.

    Args:
        grid: world.
        goal: the goal's cell; -1 for the cells with the GOAL bit.
        distances: (num_cells,) int32.
    """
    return count_wrong_between(grid, goal, distances, 0, grid.num_cells)


@kernel
def count_wrong_between(grid: Grid, goal: int, distances: npt.NDArray[np.int32], first: int, last: int) -> int:
    """Count the wrong distances among the cells from `first` up to `last`, exclusive.

    A distance is wrong if it isn't 0 on a goal and elsewhere one more than the smallest distance of the neighbours that
    can be entered (-1 if none has one). The count of a whole grid is the sum over its sections.
    """
    unreached = 2**31 - 1
    num_wrong = 0
    for cell in range(first, last):
        walls = np.int64(grid.cells[np.uint64(cell)])
        nearest = np.int64(unreached)
        for a in range(4):
            # Without a branch, which would be mispredicted: walls follow no pattern.
            next_cell = cell if (walls >> a) & 1 else neighbour(grid, cell, a)
            next_distance = np.int64(distances[np.uint64(next_cell)])
            next_distance = next_distance if next_distance >= 0 else unreached
            nearest = next_distance if next_distance < nearest else nearest
        is_goal = cell == goal or (goal < 0 and (walls & GOAL) != 0)
        expected = 0 if is_goal else (nearest + 1 if nearest < unreached else -1)
        num_wrong += np.int64(distances[np.uint64(cell)] != expected)
    return num_wrong


@kernel
def lower_distances(
    grid: Grid,
    first: int,
    last: int,
    distances: npt.NDArray[np.int32],
    seeds: npt.NDArray[np.int32],
    queue: npt.NDArray[np.int32],
) -> int:
    """Propagate shorter distances from some cells to the others of a section of a grid.

    The next cell is the nearer of the next seed and the next cell in the queue, so cells are visited by increasing
    distance, and none is lowered twice.

    Args:
        grid: world; slip and rewards are ignored.
        first: first cell of the section. Only cells of the section change.
        last: end of the section, exclusive.
        distances: (num_cells,) int32, steps to a goal, -1 where no path is known; changed in place.
        seeds: int32, cells whose distances have become shorter, by increasing distance.
        queue: (last - first,) int32, workspace.

    Returns:
        Number of cells whose distance became shorter.

    Source:
        Dijkstra (1959), A note on two problems in connexion with graphs; as all steps have length 1, two queues replace
        the heap.
    """
    head, tail, i = 0, 0, 0
    while head < tail or i < seeds.size:
        if head == tail or (i < seeds.size and distances[seeds[i]] <= distances[queue[head]]):
            cell = np.int64(seeds[i])
            i += 1
        else:
            cell = np.int64(queue[head])
            head += 1
        walls, distance = grid.cells[np.uint64(cell)], distances[np.uint64(cell)] + 1
        for a in range(4):
            if (walls >> a) & 1 == 0:
                next_cell = neighbour(grid, cell, a)
                if first <= next_cell < last:
                    next_distance = distances[np.uint64(next_cell)]
                    if next_distance < 0 or next_distance > distance:
                        distances[np.uint64(next_cell)] = distance
                        queue[np.uint64(tail)] = next_cell
                        tail += 1
    return tail


@kernel
def mark_nearer(grid: Grid, distances: npt.NDArray[np.int32], nearer: npt.NDArray[np.bool_]) -> None:
    """Mark the moves that lead one step nearer to a goal.

    Args:
        grid: world.
        distances: (num_cells,) int32, steps to a goal; -1 where no path leads to one.
        nearer: (num_cells, 4) bool, filled in place.
    """
    for cell in range(grid.num_cells):
        for a in range(4):
            is_open = (grid.cells[cell] >> a) & 1 == 0
            nearer[cell, a] = (
                is_open and distances[cell] > 0 and distances[neighbour(grid, cell, a)] == distances[cell] - 1
            )


@kernel
def label_regions(grid: Grid, labels: npt.NDArray[np.int32], queue: npt.NDArray[np.int32]) -> None:
    """Number the connected regions of a grid, from 0: cells with a path between them get the same number.

    Args:
        grid: world; slip and rewards are ignored.
        labels: (num_cells,) int32, filled in place; -1 in blocked cells.
        queue: (num_cells,) int32, workspace.
    """
    labels[:] = -1
    num_regions = 0
    for first in range(grid.num_cells):
        if labels[first] >= 0 or (grid.cells[first] & BLOCKED) != 0:
            continue
        labels[first] = num_regions
        queue[0] = first
        head, tail = 0, 1
        while head < tail:
            cell = np.int64(queue[head])
            head += 1
            for a in range(4):
                if (grid.cells[cell] >> a) & 1 == 0:
                    next_cell = neighbour(grid, cell, a)
                    if labels[next_cell] < 0:
                        labels[next_cell] = num_regions
                        queue[tail] = next_cell
                        tail += 1
        num_regions += 1
