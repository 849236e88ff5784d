"""Mazes whose parts are joined in random order: Kruskal's, and rooms with doors. Arguments are as in `carving`.

An edge is the wall between two cells, `2 * cell` below the cell, `2 * cell + 1` to the right of it.
"""

import numpy as np

from clew.kernels import kernel
from clew.kernels.dynamics import ALL_WALLS, WALL_DOWN, WALL_RIGHT
from clew.kernels.mazes.carving import Cells, Numbers, carve_backtracker, draw_below, is_inside, open_wall, root_of
from clew.kernels.sampling import Stream

ROOM = 128


@kernel
def list_edges(cells: Cells, columns: int, between: int, edges: Numbers) -> int:
    """List the edges inside the grid; returns how many there are.

    Args:
        cells: as in `carving`.
        columns: number of columns.
        between: bits in which the two cells must differ; 0 lists all edges.
        edges: int32, filled from the front; room for all inside the grid will do.
    """
    n = 0
    for cell in range(cells.size):
        for right in range(2):
            if is_inside(cells, columns, cell, 3 * right):
                there = cells[cell + (1 if right else columns)]
                if between == 0 or (cells[cell] ^ there) & between:
                    edges[n] = 2 * cell + right
                    n += 1
    return n


@kernel
def find_sets(cells: Cells, columns: int, parents: Numbers) -> int:
    """Put cells with an open wall between them into one set; returns the number of sets.

    Args:
        cells: as in `carving`.
        columns: number of columns.
        parents: (num_cells,) int32, filled in place: a forest whose roots stand for sets.
    """
    num_sets = cells.size
    for cell in range(cells.size):
        parents[cell] = cell
    for cell in range(cells.size):
        for right in range(2):
            if cells[cell] & (WALL_RIGHT if right else WALL_DOWN) == 0:
                root, other = root_of(parents, cell), root_of(parents, cell + (1 if right else columns))
                if root != other:
                    parents[other] = root
                    num_sets -= 1
    return num_sets


@kernel
def join_sets(cells: Cells, columns: int, edges: Numbers, parents: Numbers, num_sets: int, stream: Stream) -> None:
    """Go through edges in random order, and open those between two sets, until there is one.

    Args:
        cells: as in `carving`.
        columns: number of columns.
        edges: int32, shuffled in place as far as is needed.
        parents: (num_cells,) int32, from `find_sets`; changed in place.
        num_sets: how many sets there are.
        stream: draws.

    Source:
        Kruskal (1956), On the shortest spanning subtree of a graph, with weights that are all random.
    """
    for i in range(edges.size):
        if num_sets == 1:
            return
        j = i + draw_below(edges.size - i, stream)
        edge = np.int64(edges[j])
        edges[j] = edges[i]
        cell, right = edge >> 1, edge & 1
        root, other = root_of(parents, cell), root_of(parents, cell + (1 if right else columns))
        if root != other:
            parents[other] = root
            num_sets -= 1
            open_wall(cells, columns, cell, 3 * right)


@kernel
def place_rooms(cells: Cells, columns: int, longest: int, num_tries: int, stream: Stream) -> int:
    """Try to put rooms where no other is, nor touches; then fill the rest with corridors. Nothing is joined yet.

    Args:
        cells: as in `carving`; those of rooms get the bit ROOM.
        columns: number of columns.
        longest: longest side of a room; the shortest is 2, or 1 in a grid that is no wider.
        num_tries: how often to try.
        stream: draws.

    Returns:
        The number of rooms.
    """
    rows = cells.size // columns
    num_rooms = 0
    for _ in range(num_tries):
        height, width = draw_side(rows, longest, stream), draw_side(columns, longest, stream)
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
def draw_side(most: int, longest: int, stream: Stream) -> int:
    """Draw the side of a room: from 2 to the longest, as far as the grid goes."""
    least, most = min(2, most), min(longest, most)
    return least + draw_below(most - least + 1, stream)
