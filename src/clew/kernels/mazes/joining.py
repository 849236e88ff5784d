"""Mazes whose parts are joined in random order, by union-find: Kruskal's algorithm, and rooms with doors.

Arguments are as in `carving`. An edge is the wall between two cells, as one number: `2 * cell` is below the cell,
`2 * cell + 1` to the right of it.
"""

import numpy as np

from clew.kernels import kernel
from clew.kernels.dynamics import ALL_WALLS, WALL_DOWN, WALL_RIGHT
from clew.kernels.mazes.carving import (
    Cells,
    Numbers,
    carve_backtracker,
    draw_below,
    find_root,
    has_neighbour,
    open_wall,
)
from clew.kernels.sampling import Stream

ROOM = 128  # mark of a cell in a room


@kernel
def list_edges(cells: Cells, columns: int, mask: int, edges: Numbers) -> int:
    """List the edges inside the grid and return how many there are.

    Args:
        cells: (num_cells,) uint8.
        columns: number of columns.
        mask: bits of which the two cells of an edge must differ in at least one; 0 lists all edges.
        edges: int32, filled from the front; must have room for all edges that are listed.
    """
    n = 0
    for cell in range(cells.size):
        for is_right in range(2):
            if has_neighbour(cells, columns, cell, 3 * is_right):
                neighbour_bits = cells[cell + (1 if is_right else columns)]
                if mask == 0 or (cells[cell] ^ neighbour_bits) & mask:
                    edges[n] = 2 * cell + is_right
                    n += 1
    return n


@kernel
def find_sets(cells: Cells, columns: int, parents: Numbers) -> int:
    """Group the cells that are connected by openings into sets (union-find), and return the number of sets.

    Args:
        cells: (num_cells,) uint8.
        columns: number of columns.
        parents: (num_cells,) int32, filled in place: the union-find forest, with one root for each set.
    """
    num_sets = cells.size
    for cell in range(cells.size):
        parents[cell] = cell
    for cell in range(cells.size):
        for is_right in range(2):
            if cells[cell] & (WALL_RIGHT if is_right else WALL_DOWN) == 0:
                root, other = find_root(parents, cell), find_root(parents, cell + (1 if is_right else columns))
                if root != other:
                    parents[other] = root
                    num_sets -= 1
    return num_sets


@kernel
def carve_kruskal(cells: Cells, columns: int, edges: Numbers, parents: Numbers, num_sets: int, stream: Stream) -> None:
    """Open walls between different sets, in random order, until all cells are connected: Kruskal's algorithm.

    Args:
        cells: (num_cells,) uint8, changed in place.
        columns: number of columns.
        edges: int32, the walls that may be opened; shuffled in place as far as needed.
        parents: (num_cells,) int32, the sets from `find_sets`; changed in place.
        num_sets: number of sets.
        stream: random numbers.

    Source:
        Kruskal (1956), On the shortest spanning subtree of a graph, with random weights.
    """
    for i in range(edges.size):
        if num_sets == 1:
            return
        j = i + draw_below(edges.size - i, stream)
        edge = np.int64(edges[j])
        edges[j] = edges[i]
        cell, is_right = edge >> 1, edge & 1
        root, other = find_root(parents, cell), find_root(parents, cell + (1 if is_right else columns))
        if root != other:
            parents[other] = root
            num_sets -= 1
            open_wall(cells, columns, cell, 3 * is_right)


@kernel
def place_rooms(cells: Cells, columns: int, max_side: int, num_tries: int, stream: Stream) -> int:
    """Place random rooms that neither overlap nor touch, then fill the rest with corridors; nothing is connected yet.

    The corridors are carved by `carve_backtracker`.

    Args:
        cells: (num_cells,) uint8, all walls standing; changed in place. Cells of rooms get the bit ROOM.
        columns: number of columns.
        max_side: longest side of a room. The shortest is 2, or 1 in a grid of one row or column.
        num_tries: number of attempts to place a room.
        stream: random numbers.

    Returns:
        Number of rooms.
    """
    rows = cells.size // columns
    num_rooms = 0
    for _ in range(num_tries):
        height, width = draw_side(rows, max_side, stream), draw_side(columns, max_side, stream)
        top, left = draw_below(rows - height + 1, stream), draw_below(columns - width + 1, stream)
        is_free = True
        for row in range(max(0, top - 1), min(rows, top + height + 1)):
            for column in range(max(0, left - 1), min(columns, left + width + 1)):
                is_free = is_free and cells[row * columns + column] & ROOM == 0
        if is_free:
            num_rooms += 1
            for row in range(top, top + height):
                for column in range(left, left + width):
                    cell = row * columns + column
                    cells[cell] |= ROOM
                    if column > left:
                        open_wall(cells, columns, cell, 1)
                    if row > top:
                        open_wall(cells, columns, cell, 2)
    for cell in range(cells.size):
        if cells[cell] == ALL_WALLS:
            carve_backtracker(cells, columns, cell, stream)
    return num_rooms


@kernel
def draw_side(limit: int, max_side: int, stream: Stream) -> int:
    """Draw the height or width of a room, from 2 to max_side.

    Both bounds are lowered to `limit`, the number of rows or columns of the grid, if they exceed it.
    """
    least, limit = min(2, limit), min(max_side, limit)
    return least + draw_below(limit - least + 1, stream)
