"""Perfect mazes, carved out of a grid in which all walls stand: exactly one path connects any two cells.

While a kernel runs, the upper bits of a cell's byte are marks: the action by which the cell was entered or left, or
that it belongs to the maze already. So most kernels need no memory but the maze. At the end only walls are left.

Kernels take `cells`, (rows * columns,) uint8 with the bits of `clew.kernels.dynamics`, changed in place, and `columns`,
the number of columns. All random numbers come from `stream`.
"""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import ALL_WALLS, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.kernels.sampling import Stream, below, next_bits

Cells = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int32]

ACTION_SHIFT = 4  # lowest bit of the action by which a cell was left or entered
FRONTIER = 16  # mark of a cell on the frontier
IN_TREE = 64  # mark of a cell that belongs to the maze

_2, _3, _32, _63 = np.uint64(2), np.uint64(3), np.uint64(32), np.uint64(63)

# Walls --------------------------------------------------------------------------------------------------------------


@kernel
def neighbour_of(columns: int, cell: int, a: int) -> int:
    """Return the cell that action a leads to; the grid must have one there."""
    if a == 0:
        return cell + columns
    if a == 1:
        return cell - 1
    return cell - columns if a == 2 else cell + 1


@kernel
def has_neighbour(cells: Cells, columns: int, cell: int, a: int) -> bool:
    """Return whether the grid has a cell where action a leads."""
    if a == 0:
        return cell + columns < cells.size
    if a == 2:
        return cell >= columns
    column = cell % columns
    return column > 0 if a == 1 else column < columns - 1


@kernel
def open_wall(cells: Cells, columns: int, cell: int, a: int) -> int:
    """Remove the wall that blocks action a, on both of its sides, and return the cell behind it."""
    behind = neighbour_of(columns, cell, a)
    cells[cell] &= 255 ^ (1 << a)
    cells[behind] &= 255 ^ (1 << ((a + 2) & 3))
    return behind


@kernel
def draw_below(n: int, stream: Stream) -> int:
    """Draw a random integer in [0, n), for n below 2**32."""
    return below(next_bits(stream) >> _32, n)


@kernel
def draw_set_bit(bits: int, stream: Stream) -> int:
    """Draw one of the set bits among the four lowest and return its index, or -1 if none is set.

    If a single bit is set, no random number is drawn.
    """
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
    """Draw an action that leads to a neighbour with `cells[neighbour] & mask == value`; return -1 if none does."""
    choices = 0
    for a in range(4):
        if has_neighbour(cells, columns, cell, a) and cells[neighbour_of(columns, cell, a)] & mask == value:
            choices |= 1 << a
    return draw_set_bit(choices, stream)


@kernel
def keep_walls(cells: Cells) -> None:
    """Clear all bits of all cells except the walls."""
    for cell in range(cells.size):
        cells[cell] &= ALL_WALLS


# Algorithms ---------------------------------------------------------------------------------------------------------


@kernel
def carve_backtracker(cells: Cells, columns: int, first: int, stream: Stream) -> None:
    """Carve a maze by recursive backtracking (randomised depth-first search), beginning at the cell `first`.

    The walk goes on into random neighbours that haven't been carved, and back where there are none. Each cell stores
    the action by which it was entered, so no stack is needed. A cell with other bits than its four walls is never
    entered.
    """
    cell = first
    while True:
        a = draw_neighbour(cells, columns, cell, 255, ALL_WALLS, stream)
        if a >= 0:
            cell = open_wall(cells, columns, cell, a)
            cells[cell] |= a << ACTION_SHIFT
        elif cell == first:
            return
        else:
            a = np.int64(cells[cell]) >> ACTION_SHIFT
            cells[cell] &= ALL_WALLS
            cell = neighbour_of(columns, cell, (a + 2) & 3)


@kernel
def carve_wilson(cells: Cells, columns: int, stream: Stream) -> None:
    """Carve a maze by Wilson's algorithm, loop-erased random walks: all spanning trees are equally likely.

    From each cell in turn, a random walk goes on until it meets the tree. A cell stores the action by which the walk
    last left it; following these from the start of the walk gives the walk without its loops, which joins the tree. A
    move that would leave the grid is drawn again, so the others stay equally likely.

    Source:
        Wilson (1996), Generating random spanning trees more quickly than the cover time.
    """
    num_rows = cells.size // columns
    cells[num_rows // 2 * columns + columns // 2] |= IN_TREE  # any root is right; from the middle, walks are short
    bits, num_left = np.uint64(0), 0
    for first in range(cells.size):
        cell, column = first, first % columns
        while cells[cell] & IN_TREE == 0:
            if num_left == 0:
                bits, num_left = next_bits(stream), 32
            a = np.int64(bits & _3)
            bits = np.uint64(bits >> _2)
            num_left -= 1
            # Equals `has_neighbour` without its division, as most of the time is spent here.
            if a & 1:
                step = a - 2
                if column + step < 0 or column + step == columns:
                    continue
                column += step
            else:
                step = columns * (1 - a)
                if cell + step < 0 or cell + step >= cells.size:
                    continue
            cells[cell] = ALL_WALLS | (a << ACTION_SHIFT)
            cell += step
        cell = first
        while cells[cell] & IN_TREE == 0:
            a = (np.int64(cells[cell]) >> ACTION_SHIFT) & 3
            cells[cell] |= IN_TREE
            cell = open_wall(cells, columns, cell, a)
    keep_walls(cells)


@kernel
def carve_prim(cells: Cells, columns: int, frontier: Numbers, stream: Stream) -> None:
    """Carve a maze by a randomised Prim's algorithm: join a random frontier cell to a random neighbour in the tree.

    The tree begins with a random cell and grows until it has all cells. The frontier consists of the cells beside it.

    Args:
        cells: (num_cells,) uint8, all walls standing; changed in place.
        columns: number of columns.
        frontier: (num_cells,) int32, workspace.
        stream: random numbers.
    """
    cell = draw_below(cells.size, stream)
    length = 0
    while True:
        cells[cell] = (cells[cell] & ALL_WALLS) | IN_TREE
        for a in range(4):
            if has_neighbour(cells, columns, cell, a):
                neighbour = neighbour_of(columns, cell, a)
                if cells[neighbour] & (IN_TREE | FRONTIER) == 0:
                    cells[neighbour] |= FRONTIER
                    frontier[length] = neighbour
                    length += 1
        if length == 0:
            break
        i = draw_below(length, stream)
        length -= 1
        cell = np.int64(frontier[i])
        frontier[i] = frontier[length]
        open_wall(cells, columns, cell, draw_neighbour(cells, columns, cell, IN_TREE, IN_TREE, stream))
    keep_walls(cells)


@kernel
def carve_division(cells: Cells, columns: int, stack: npt.NDArray[np.int64], stream: Stream) -> None:
    """Build a maze by recursive division: divide the grid by a wall with one gap, then both parts, down to corridors.

    Each wall has a random place across the longer side of its part, and a gap at a random cell.

    Args:
        cells: (num_cells,) uint8, without walls except at the edge; changed in place.
        columns: number of columns.
        stack: (32, 4) int64, workspace: top row, left column, height and width of each part. The larger part waits
            while the smaller one is divided, which has at most half of the cells: for 2**26 cells, 26 entries suffice.
        stream: random numbers.
    """
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, 0, cells.size // columns, columns
    depth = 1
    while depth > 0:
        part, other = stack[depth - 1], stack[depth]
        height, width = part[2], part[3]
        if height == 1 or width == 1:
            depth -= 1
            continue
        is_horizontal = height > width or (height == width and draw_below(2, stream) == 0)
        side = 0 if is_horizontal else 1  # the side divided: height or width
        first = 1 + draw_below(part[2 + side] - 1, stream)
        gap = draw_below(part[3 - side], stream)
        row, column = (part[0] + first - 1, part[1]) if is_horizontal else (part[0], part[1] + first - 1)
        build_wall(cells, columns, row, column, part[3 - side], gap, is_horizontal)
        second = part[2 + side] - first
        for i in range(4):
            other[i] = part[i]
        behind = other if first > second else part  # the larger part stays on the stack; the smaller one is next
        part[2 + side], other[2 + side] = max(first, second), min(first, second)
        behind[side] += first
        depth += 1


@kernel
def build_wall(cells: Cells, columns: int, row: int, column: int, length: int, gap: int, is_horizontal: bool) -> None:
    """Build a wall with one gap: below cells of a row if it is horizontal, otherwise to the right of cells of a column.

    Args:
        cells: (num_cells,) uint8, changed in place.
        columns: number of columns.
        row: row of the first cell.
        column: column of the first cell.
        length: number of cells along the wall.
        gap: index along the wall of the cell that gets no wall.
        is_horizontal: True for a wall below the cells, False for one to their right.
    """
    first, stride = row * columns + column, 1 if is_horizontal else columns
    wall, opposite_wall = (WALL_DOWN, WALL_UP) if is_horizontal else (WALL_RIGHT, WALL_LEFT)
    step = columns if is_horizontal else 1
    for i in range(length):
        if i != gap:
            cells[first + i * stride] |= wall
            cells[first + i * stride + step] |= opposite_wall


# Row by row ---------------------------------------------------------------------------------------------------------


@kernel
def find_root(parents: Numbers, i: int) -> int:
    """Return the root of the set that contains i (union-find), halving the path to it in place."""
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = np.int64(parents[i])
    return i


@kernel
def carve_eller(cells: Cells, columns: int, workspace: Numbers, stream: Stream) -> None:
    """Carve a maze by Eller's algorithm, row by row, by `carve_row`; `workspace` is (3, columns) int32."""
    for column in range(columns):
        workspace[0, column] = column
    for first in range(0, cells.size, columns):
        carve_row(cells, columns, first, workspace, first + columns == cells.size, stream)


@kernel
def carve_row(cells: Cells, columns: int, first: int, workspace: Numbers, is_last: bool, stream: Stream) -> None:
    """Carve one row of Eller's maze and its openings into the next row, from the sets of connected columns.

    Neighbouring cells of different sets are joined with probability 1/2, and each set gets at least one opening into
    the next row. The last row draws the same random numbers, and then joins all sets.

    Args:
        cells: uint8, the cells of this row and, unless it is the last, of the next one; changed in place.
        columns: number of columns.
        first: index of the row's first cell.
        workspace: (3, columns) int32. Row 0 is a union-find forest: the sets of connected columns of this row, replaced
            by those of the next one. Before the first row, each column is its own root. The other rows are scratch.
        is_last: True for the last row of the maze.
        stream: random numbers.
    """
    parents, counts, chosen = workspace[0], workspace[1], workspace[2]
    for pass_index in range(2 if is_last else 1):
        for column in range(columns - 1):
            root, other = find_root(parents, column), find_root(parents, column + 1)
            if root != other and (pass_index == 1 or next_bits(stream) >> _63 == 0):
                open_wall(cells, columns, first + column, 3)
                parents[other] = root
    if is_last:
        return
    for column in range(columns):
        counts[column] = 0
    for column in range(columns):
        root = find_root(parents, column)
        counts[root] += 1
        if draw_below(counts[root], stream) == 0:  # reservoir sampling: each is equally likely
            chosen[root] = column
    for column in range(columns):
        parents[column] = find_root(parents, column)
        counts[column] = -1  # from here on: first column of the set with an opening
    for column in range(columns):
        root = np.int64(parents[column])
        parents[column] = column
        if chosen[root] == column or next_bits(stream) >> _63 == 0:
            open_wall(cells, columns, first + column, 0)
            if counts[root] < 0:
                counts[root] = column
            parents[column] = counts[root]
