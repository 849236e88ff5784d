"""Breadth-first search: distances, regions, and the order in which planners go through states."""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import ALL_WALLS, BLOCKED, GOAL, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP, Grid, neighbour


def measure_distances(grid: Grid, goal: int, distances: npt.NDArray[np.int32]) -> int:
    """Fill in the steps from every cell to the nearest goal, with as little room to work in as will do.

    Args:
        grid: world; slip and rewards don't matter here.
        goal: the goal's cell; -1 takes the cells with the GOAL bit.
        distances: (num_cells,) int32, filled in place; -1 where there is no way.

    Returns:
        How many are wrong, by `count_wrong_distances`: 0, which is the proof that all are right.
    """
    # Where there are hardly any walls, two sweeps of the cells as they lie in memory mostly will do; if not, it shows.
    num_walled = count_walled(grid)
    if num_walled <= 2 * (grid.columns + grid.num_cells // grid.columns) + grid.num_cells // 256:
        sweep_distances(grid, goal, distances)
        if count_wrong_distances(grid, goal, distances) == 0:
            return 0
    # A front is short: a queue of a quarter megabyte stays in the processor's cache.
    size = 1 << 16
    while breadth_first(grid, goal, distances, np.empty(min(size, queue_size(grid.num_cells)), np.int32)) < 0:
        size *= 4
    return count_wrong_distances(grid, goal, distances)


@kernel
def count_walled(grid: Grid) -> int:
    """Count the cells in which a wall stops some move."""
    num_walled = 0
    for cell in range(grid.num_cells):
        num_walled += np.int64((grid.cells[np.uint64(cell)] & ALL_WALLS) != 0)
    return num_walled


@kernel
def sweep_distances(grid: Grid, goal: int, distances: npt.NDArray[np.int32]) -> None:
    """Carry distances down and to the right, then up and to the left: right in the open, too great behind walls.

    Args:
        grid: world.
        goal: the goal's cell; -1 takes the cells with the GOAL bit.
        distances: (num_cells,) int32, filled in place; -1 where no distance was carried.
    """
    none = np.int32(2**30)
    for cell in range(grid.num_cells):
        walls = grid.cells[np.uint64(cell)]
        nearest = none
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
        distances[np.uint64(cell)] = nearest if nearest < none else -1


def queue_size(num_cells: int) -> int:
    """A power of two that takes all cells, and the four that may be pushed before one is known to be too many."""
    return 1 << (num_cells + 3).bit_length()


@kernel
def breadth_first(grid: Grid, goal: int, distances: npt.NDArray[np.int32], queue: npt.NDArray[np.int32]) -> int:
    """Find the number of steps from every cell to the nearest goal.

    Walls stop both directions (checked when the model is made), so the search runs outward from the goals.

    Args:
        grid: world; slip and rewards don't matter here.
        goal: the goal's cell; -1 takes the cells with the GOAL bit.
        distances: (num_cells,) int32, filled in place; -1 where there is no way.
        queue: int32, a power of two of them, used as a ring. One of `queue_size(num_cells)` is never used twice, and
            ends up with the cells in the order of their distances.

    Returns:
        How many cells can reach a goal; -1 if the queue was too short.
    """
    mask, room = np.uint64(queue.size - 1), np.int64(queue.size)
    head, tail = 0, 0
    for cell in range(grid.num_cells):
        is_goal = cell == goal or (goal < 0 and (grid.cells[cell] & GOAL) != 0)
        distances[cell] = 0 if is_goal else -1
        if is_goal:
            if tail == room:
                return -1
            queue[np.uint64(tail) & mask] = cell
            tail += 1
    while head < tail:
        if tail - head + 4 > room:
            return -1
        cell = np.int64(queue[np.uint64(head) & mask])
        head += 1
        walls, distance = grid.cells[np.uint64(cell)], distances[np.uint64(cell)] + 1
        for a in range(4):
            if (walls >> a) & 1 == 0:
                found = np.uint64(neighbour(grid, cell, a))
                if distances[found] < 0:
                    distances[found] = distance
                    queue[np.uint64(tail) & mask] = found
                    tail += 1
    return tail


@kernel
def count_wrong_distances(grid: Grid, goal: int, distances: npt.NDArray[np.int32]) -> int:
    """Count the cells whose distance isn't 0 on a goal, and elsewhere one more than the least of the neighbours.

    None is wrong exactly if all are right: from a cell with a distance one can walk down to a goal, no neighbour is
    nearer than that by more than one, and from a cell with none (-1) no cell with one can be entered.

    Args:
        grid: world.
        goal: the goal's cell; -1 takes the cells with the GOAL bit.
        distances: (num_cells,) int32.
    """
    return count_wrong_between(grid, goal, distances, 0, grid.num_cells)


@kernel
def count_wrong_between(grid: Grid, goal: int, distances: npt.NDArray[np.int32], first: int, last: int) -> int:
    """The same of the cells from `first` up to `last`: those of a section, where others answer for the rest."""
    none = 2**31 - 1
    num_wrong = 0
    for cell in range(first, last):
        walls = np.int64(grid.cells[np.uint64(cell)])
        nearest = np.int64(none)
        for a in range(4):
            # Chosen without a branch: walls can't be predicted.
            next_cell = cell if (walls >> a) & 1 else neighbour(grid, cell, a)
            there = np.int64(distances[np.uint64(next_cell)])
            there = there if there >= 0 else none
            nearest = there if there < nearest else nearest
        is_goal = cell == goal or (goal < 0 and (walls & GOAL) != 0)
        right = 0 if is_goal else (nearest + 1 if nearest < none else -1)
        num_wrong += np.int64(distances[np.uint64(cell)] != right)
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
    """Carry distances on from some cells, wherever that makes them shorter, within a section of a grid.

    The seeds may be at different distances. Whichever is nearer has its turn, the next seed or the next cell that was
    found, so turns come in the order of distances, and no cell is found twice.

    Args:
        grid: world; slip and rewards don't matter here.
        first: cells from this one
        last: up to this one, exclusive, may change.
        distances: (num_cells,) int32, steps to a goal, -1 where no way is known; changed in place.
        seeds: cells whose distances have become shorter, in the order of these.
        queue: (last - first,) int32, room to work in.

    Returns:
        How many cells have become nearer.

    Source:
        Dijkstra (1959), A note on two problems in connexion with graphs; with steps of one length a queue will do.
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
                found = neighbour(grid, cell, a)
                if first <= found < last:
                    known = distances[np.uint64(found)]
                    if known < 0 or known > distance:
                        distances[np.uint64(found)] = distance
                        queue[np.uint64(tail)] = found
                        tail += 1
    return tail


@kernel
def mark_nearer(grid: Grid, distances: npt.NDArray[np.int32], nearer: npt.NDArray[np.bool_]) -> None:
    """Mark, in place, the moves that lead one step nearer to a goal; nearer is (num_cells, 4)."""
    for cell in range(grid.num_cells):
        for a in range(4):
            is_open = (grid.cells[cell] >> a) & 1 == 0
            nearer[cell, a] = (
                is_open and distances[cell] > 0 and distances[neighbour(grid, cell, a)] == distances[cell] - 1
            )


@kernel
def label_regions(grid: Grid, labels: npt.NDArray[np.int32], queue: npt.NDArray[np.int32]) -> None:
    """Give cells with a way between them one number, from 0; blocked cells get -1.

    Args:
        grid: world; slip and rewards don't matter here.
        labels: (num_cells,) int32, filled in place.
        queue: (num_cells,) int32, room to work in.
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
                    found = neighbour(grid, cell, a)
                    if labels[found] < 0:
                        labels[found] = num_regions
                        queue[tail] = found
                        tail += 1
        num_regions += 1
