"""Perfect mazes: walls carved out of a grid where all of them stand, until one way leads from any cell to any other.

While a kernel works, the upper bits of a byte hold what it must remember of a cell: how it was entered, or that it is
done. So most need no more memory than the maze itself. Afterwards only walls are left.

Kernels take `cells`, (rows * columns,) uint8 with the bits of `dynamics`, changed in place, and `columns`. Draws come
from `stream`.
"""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import ALL_WALLS, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.kernels.sampling import Stream, below, next_bits

Cells = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int32]

BY = 4  # how a cell was left or entered, an action, stands from this bit on
WAITS = 16  # a cell on the frontier
DONE = 64

_2, _3, _32, _63 = np.uint64(2), np.uint64(3), np.uint64(32), np.uint64(63)

# Walls --------------------------------------------------------------------------------------------------------------


@kernel
def beside(columns: int, cell: int, a: int) -> int:
    """Cell that action a leads to, if the grid has one there."""
    if a == 0:
        return cell + columns
    if a == 1:
        return cell - 1
    return cell - columns if a == 2 else cell + 1


@kernel
def is_inside(cells: Cells, columns: int, cell: int, a: int) -> bool:
    """Tell if the grid goes on where action a leads to."""
    if a == 0:
        return cell + columns < cells.size
    if a == 2:
        return cell >= columns
    column = cell % columns
    return column > 0 if a == 1 else column < columns - 1


@kernel
def open_wall(cells: Cells, columns: int, cell: int, a: int) -> int:
    """Take away the wall that stops action a, on both of its sides; returns the cell behind it."""
    behind = beside(columns, cell, a)
    cells[cell] &= 255 ^ (1 << a)
    cells[behind] &= 255 ^ (1 << ((a + 2) & 3))
    return behind


@kernel
def draw_below(n: int, stream: Stream) -> int:
    """Draw a whole number in [0, n), for n below 2**32."""
    return below(next_bits(stream) >> _32, n)


@kernel
def draw_set_bit(bits: int, stream: Stream) -> int:
    """Draw one of the four lowest bits that are set; gives its number, or -1 if none is. A single one takes no draw."""
    n = (bits & 1) + ((bits >> 1) & 1) + ((bits >> 2) & 1) + ((bits >> 3) & 1)
    if n == 0:
        return -1
    k = draw_below(n, stream) if n > 1 else 0
    for a in range(4):
        if (bits >> a) & 1:
            if k == 0:
                return a
            k -= 1
    return -1


@kernel
def draw_neighbour(cells: Cells, columns: int, cell: int, mask: int, value: int, stream: Stream) -> int:
    """Draw an action that leads to a cell whose bits under the mask have this value; -1 if none does."""
    choices = 0
    for a in range(4):
        if is_inside(cells, columns, cell, a) and cells[beside(columns, cell, a)] & mask == value:
            choices |= 1 << a
    return draw_set_bit(choices, stream)


@kernel
def keep_walls(cells: Cells) -> None:
    """Forget everything but walls."""
    for cell in range(cells.size):
        cells[cell] &= ALL_WALLS


# Kinds --------------------------------------------------------------------------------------------------------------


@kernel
def carve_backtracker(cells: Cells, columns: int, first: int, stream: Stream) -> None:
    """Walk from `first` into cells not yet carved for as long as there are any, then back to where there are some.

    Each cell remembers how it was entered, so the way back takes no stack. A cell with other bits than walls is never
    entered.
    """
    cell = first
    while True:
        a = draw_neighbour(cells, columns, cell, 255, ALL_WALLS, stream)
        if a >= 0:
            cell = open_wall(cells, columns, cell, a)
            cells[cell] |= a << BY
        elif cell == first:
            return
        else:
            a = np.int64(cells[cell]) >> BY
            cells[cell] &= ALL_WALLS
            cell = beside(columns, cell, (a + 2) & 3)


@kernel
def carve_wilson(cells: Cells, columns: int, stream: Stream) -> None:
    """Join every cell to the tree by a random walk whose loops are erased: all spanning trees are equally likely.

    A cell remembers the last way in which it was left; following these from where a walk began gives the walk without
    its loops. A move that would leave the grid is drawn again, so all others stay equally likely.

    Source:
        Wilson (1996), Generating random spanning trees more quickly than the cover time.
    """
    num_rows = cells.size // columns
    cells[num_rows // 2 * columns + columns // 2] |= DONE  # from the middle, walks are short; any root will do
    bits, num_left = np.uint64(0), 0
    for first in range(cells.size):
        cell, column = first, first % columns
        while cells[cell] & DONE == 0:
            if num_left == 0:
                bits, num_left = next_bits(stream), 32
            a = np.int64(bits & _3)
            bits = np.uint64(bits >> _2)
            num_left -= 1
            # As `is_inside`, without its division: these are most of the steps.
            if a & 1:
                step = a - 2
                if column + step < 0 or column + step == columns:
                    continue
                column += step
            else:
                step = columns * (1 - a)
                if cell + step < 0 or cell + step >= cells.size:
                    continue
            cells[cell] = ALL_WALLS | (a << BY)
            cell += step
        cell = first
        while cells[cell] & DONE == 0:
            a = (np.int64(cells[cell]) >> BY) & 3
            cells[cell] |= DONE
            cell = open_wall(cells, columns, cell, a)
    keep_walls(cells)


@kernel
def carve_prim(cells: Cells, columns: int, frontier: Numbers, stream: Stream) -> None:
    """Let the maze grow from one cell: a random cell of the frontier is joined to a random carved one beside it.

    Args:
        cells: as above.
        columns: number of columns.
        frontier: (num_cells,) int32, room to work in.
        stream: draws.
    """
    cell = draw_below(cells.size, stream)
    length = 0
    while True:
        cells[cell] = (cells[cell] & ALL_WALLS) | DONE
        for a in range(4):
            if is_inside(cells, columns, cell, a):
                near = beside(columns, cell, a)
                if cells[near] & (DONE | WAITS) == 0:
                    cells[near] |= WAITS
                    frontier[length] = near
                    length += 1
        if length == 0:
            break
        i = draw_below(length, stream)
        length -= 1
        cell = np.int64(frontier[i])
        frontier[i] = frontier[length]
        open_wall(cells, columns, cell, draw_neighbour(cells, columns, cell, DONE, DONE, stream))
    keep_walls(cells)


@kernel
def carve_division(cells: Cells, columns: int, stack: npt.NDArray[np.int64], stream: Stream) -> None:
    """Divide a field across its longer side by a wall with one gap, and both parts again, down to corridors.

    Args:
        cells: without walls, but for the edge.
        columns: number of columns.
        stack: (32, 4) int64, room to work in: top, left, height and width of each part. The larger part waits while the
            smaller one is divided, which is at most half as large: so of 2**26 cells no more than 26 parts ever wait.
        stream: draws.
    """
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, 0, cells.size // columns, columns
    depth = 1
    while depth > 0:
        part, other = stack[depth - 1], stack[depth]
        height, width = part[2], part[3]
        if height == 1 or width == 1:
            depth -= 1
            continue
        across = height > width or (height == width and draw_below(2, stream) == 0)
        side = 0 if across else 1  # that is divided: rows, or columns
        first = 1 + draw_below(part[2 + side] - 1, stream)
        gap = draw_below(part[3 - side], stream)
        row, column = (part[0] + first - 1, part[1]) if across else (part[0], part[1] + first - 1)
        build_wall(cells, columns, row, column, part[3 - side], gap, across)
        second = part[2 + side] - first
        for i in range(4):
            other[i] = part[i]
        behind = other if first > second else part  # the larger one stays, and waits; the other is next
        part[2 + side], other[2 + side] = max(first, second), min(first, second)
        behind[side] += first
        depth += 1


@kernel
def build_wall(cells: Cells, columns: int, row: int, column: int, length: int, gap: int, across: bool) -> None:
    """Build a wall with one gap: below some cells of a row, if it runs across, or to the right of some of a column."""
    first, stride = row * columns + column, 1 if across else columns
    here, there = (WALL_DOWN, WALL_UP) if across else (WALL_RIGHT, WALL_LEFT)
    to_there = columns if across else 1
    for i in range(length):
        if i != gap:
            cells[first + i * stride] |= here
            cells[first + i * stride + to_there] |= there


# Row by row ---------------------------------------------------------------------------------------------------------


@kernel
def root_of(parents: Numbers, i: int) -> int:
    """The one that stands for the set of i; ways to it become shorter."""
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = np.int64(parents[i])
    return i


@kernel
def carve_eller(cells: Cells, columns: int, room: Numbers, stream: Stream) -> None:
    """Carve all rows, one after another, by `carve_row`; room is (3, columns) int32."""
    for column in range(columns):
        room[0, column] = column
    for first in range(0, cells.size, columns):
        carve_row(cells, columns, first, room, first + columns == cells.size, stream)


@kernel
def carve_row(cells: Cells, columns: int, first: int, room: Numbers, is_last: bool, stream: Stream) -> None:
    """Carve a row of Eller's maze, and ways into the next one, knowing only which cells have a way between them so far.

    Neighbours that have none are joined by the toss of a coin; from each set of joined cells at least one way leads on.
    The last row tosses the same coins, then joins all that are still apart.

    Args:
        cells: those of this row and, unless it is the last, of the next.
        columns: number of columns.
        first: the row's first cell.
        room: (3, columns) int32. Row 0 says of each column which one stands for its set, and then says so of the next
            row; before the first row, each for itself. The rest is to work in.
        is_last: True closes the maze.
        stream: draws.
    """
    parents, counts, chosen = room[0], room[1], room[2]
    for each in range(2 if is_last else 1):
        for column in range(columns - 1):
            root, other = root_of(parents, column), root_of(parents, column + 1)
            if root != other and (each == 1 or next_bits(stream) >> _63 == 0):
                open_wall(cells, columns, first + column, 3)
                parents[other] = root
    if is_last:
        return
    for column in range(columns):
        counts[column] = 0
    for column in range(columns):
        root = root_of(parents, column)
        counts[root] += 1
        if draw_below(counts[root], stream) == 0:  # the k-th replaces the one before with 1 / k: each is as likely
            chosen[root] = column
    for column in range(columns):
        parents[column] = root_of(parents, column)
        counts[column] = -1  # from here on, the first column of the set that leads on
    for column in range(columns):
        root = np.int64(parents[column])
        parents[column] = column
        if chosen[root] == column or next_bits(stream) >> _63 == 0:
            open_wall(cells, columns, first + column, 0)
            if counts[root] < 0:
                counts[root] = column
            parents[column] = counts[root]
