"""Mazes that aren't perfect: random blocked cells with a free path, and loops made by opening dead ends.

Arguments are as in `carving`.
"""

import numpy as np

from clew.kernels import kernel
from clew.kernels.dynamics import ALL_WALLS, BLOCKED
from clew.kernels.mazes.carving import (
    ACTION_SHIFT,
    Cells,
    Numbers,
    draw_below,
    draw_set_bit,
    has_neighbour,
    neighbour_of,
    open_wall,
)
from clew.kernels.sampling import Stream, next_bits, uniform

VISITED = 128  # mark of a cell that the search has found


@kernel
def scatter(cells: Cells, density: float, start: int, goal: int, stream: Stream) -> None:
    """Block each cell with probability `density`, except the start and the goal; other cells become free.

    A random number is drawn for every cell, so the start and the goal don't affect the others.
    """
    for cell in range(cells.size):
        is_blocked = uniform(next_bits(stream)) < density and cell != start and cell != goal
        cells[cell] = BLOCKED if is_blocked else 0


@kernel
def clear_path(cells: Cells, columns: int, start: int, goal: int, queue: Numbers) -> int:
    """Free the fewest blocked cells that open a path from start to goal; return how many were freed.

    A breadth-first search that visits everything reachable before it enters one more blocked cell (0-1 search).

    Args:
        cells: (num_cells,) uint8, blocked or free, without walls; start and goal are free. Changed in place.
        columns: number of columns.
        start: cell.
        goal: cell.
        queue: (num_cells,) int32, workspace: free cells from the front, blocked ones from the back.

    Returns:
        Number of freed cells; 0 if there was a path.
    """
    head, tail, back = 0, 1, queue.size
    queue[0] = start
    cells[start] |= VISITED
    while cells[goal] & VISITED == 0:
        if head == tail:
            while back < queue.size:
                queue[tail] = queue[back]
                tail += 1
                back += 1
        cell = np.int64(queue[head])
        head += 1
        for a in range(4):
            if has_neighbour(cells, columns, cell, a):
                neighbour = neighbour_of(columns, cell, a)
                if cells[neighbour] & VISITED == 0:
                    cells[neighbour] |= VISITED | (a << ACTION_SHIFT)
                    if cells[neighbour] & BLOCKED:
                        back -= 1
                        queue[back] = neighbour
                    else:
                        queue[tail] = neighbour
                        tail += 1
    num_freed, cell = 0, goal
    while cell != start:
        num_freed += np.int64((cells[cell] & BLOCKED) != 0)
        a = (np.int64(cells[cell]) >> ACTION_SHIFT) & 3
        cells[cell] = 0
        cell = neighbour_of(columns, cell, (a + 2) & 3)
    for each in range(cells.size):
        cells[each] &= BLOCKED
    return num_freed


@kernel
def is_dead_end(walls: int) -> bool:
    """Return whether exactly three of the four walls stand."""
    return (walls & 1) + ((walls >> 1) & 1) + ((walls >> 2) & 1) + ((walls >> 3) & 1) == 3


@kernel
def braid(cells: Cells, columns: int, share: float, stream: Stream) -> None:
    """Open a wall in a random share of the dead ends, which adds loops to the maze.

    A wall between two dead ends opens both of them, so one dead end fewer than requested may be left. A grid of one row
    or one column has no wall to open.

    Args:
        cells: (num_cells,) uint8, none blocked; changed in place.
        columns: number of columns.
        share: share of the dead ends to open, from 0 to 1.
        stream: random numbers.
    """
    if columns == 1 or columns == cells.size:
        return
    num_remaining = 0
    for cell in range(cells.size):
        num_remaining += np.int64(is_dead_end(np.int64(cells[cell])))
    num_wanted = np.int64(share * num_remaining + 0.5)
    for cell in range(cells.size):
        if num_wanted <= 0:
            return
        walls = np.int64(cells[cell]) & ALL_WALLS
        if is_dead_end(walls):
            # Drawing without replacement: each remaining dead end is equally likely.
            is_drawn = draw_below(num_remaining, stream) < num_wanted
            num_remaining -= 1
            if is_drawn:
                for a in range(4):
                    if not has_neighbour(cells, columns, cell, a):
                        walls &= ~(1 << a)
                a = draw_set_bit(walls, stream)
                neighbour = neighbour_of(columns, cell, a)
                ends_both = is_dead_end(np.int64(cells[neighbour]))
                open_wall(cells, columns, cell, a)
                num_wanted -= 2 if ends_both else 1
                num_remaining -= np.int64(ends_both and neighbour > cell)
