"""Mazes that aren't perfect: blocked cells strewn about, and dead ends opened. Arguments are as in `carving`."""

import numpy as np

from clew.kernels import kernel
from clew.kernels.dynamics import ALL_WALLS, BLOCKED
from clew.kernels.mazes.carving import BY, Cells, Numbers, beside, draw_below, draw_set_bit, is_inside, open_wall
from clew.kernels.sampling import Stream, next_bits, uniform

SEEN = 128


@kernel
def scatter(cells: Cells, density: float, start: int, goal: int, stream: Stream) -> None:
    """Block cells, each with the same probability, but neither the start nor the goal.

    Every cell takes a draw, so start and goal decide nothing about the others.
    """
    for cell in range(cells.size):
        is_blocked = uniform(next_bits(stream)) < density and cell != start and cell != goal
        cells[cell] = BLOCKED if is_blocked else 0


@kernel
def clear_way(cells: Cells, columns: int, start: int, goal: int, queue: Numbers) -> int:
    """Free as few blocked cells as will give a way from start to goal; none, if there is one.

    A search that goes through everything that can be reached before it goes through one more blocked cell.

    Args:
        cells: blocked or free, without walls; start and goal are free. Changed in place.
        columns: number of columns.
        start: cell.
        goal: cell.
        queue: (num_cells,) int32, room to work in: from the front what can be reached, from the back what is blocked.

    Returns:
        How many cells were freed.
    """
    head, tail, back = 0, 1, queue.size
    queue[0] = start
    cells[start] |= SEEN
    while cells[goal] & SEEN == 0:
        if head == tail:
            while back < queue.size:
                queue[tail] = queue[back]
                tail += 1
                back += 1
        cell = np.int64(queue[head])
        head += 1
        for a in range(4):
            if is_inside(cells, columns, cell, a):
                near = beside(columns, cell, a)
                if cells[near] & SEEN == 0:
                    cells[near] |= SEEN | (a << BY)
                    if cells[near] & BLOCKED:
                        back -= 1
                        queue[back] = near
                    else:
                        queue[tail] = near
                        tail += 1
    num_freed, cell = 0, goal
    while cell != start:
        num_freed += np.int64((cells[cell] & BLOCKED) != 0)
        a = (np.int64(cells[cell]) >> BY) & 3
        cells[cell] = 0
        cell = beside(columns, cell, (a + 2) & 3)
    for each in range(cells.size):
        cells[each] &= BLOCKED
    return num_freed


@kernel
def is_dead_end(walls: int) -> bool:
    """Tell if three of the four walls stand."""
    return (walls & 1) + ((walls >> 1) & 1) + ((walls >> 2) & 1) + ((walls >> 3) & 1) == 3


@kernel
def braid(cells: Cells, columns: int, share: float, stream: Stream) -> None:
    """Open a wall of some dead ends, drawn at random, until only the rest of them is left.

    Where two dead ends lie side by side one wall may end both, so one fewer than asked for may be left. A grid of one
    row, or one column, has no wall to open.

    Args:
        cells: as in `carving`; none is blocked.
        columns: number of columns.
        share: the share of dead ends that go, from 0 to 1.
        stream: draws.
    """
    if columns == 1 or columns == cells.size:
        return
    num_ahead = 0
    for cell in range(cells.size):
        num_ahead += np.int64(is_dead_end(np.int64(cells[cell])))
    num_wanted = np.int64(share * num_ahead + 0.5)
    for cell in range(cells.size):
        if num_wanted <= 0:
            return
        walls = np.int64(cells[cell]) & ALL_WALLS
        if is_dead_end(walls):
            # Of those ahead, as many as are still wanted, each as likely: drawing without putting back.
            is_drawn = draw_below(num_ahead, stream) < num_wanted
            num_ahead -= 1
            if is_drawn:
                for a in range(4):
                    if not is_inside(cells, columns, cell, a):
                        walls &= ~(1 << a)
                a = draw_set_bit(walls, stream)
                near = beside(columns, cell, a)
                ends_both = is_dead_end(np.int64(cells[near]))
                open_wall(cells, columns, cell, a)
                num_wanted -= 2 if ends_both else 1
                num_ahead -= np.int64(ends_both and near > cell)
