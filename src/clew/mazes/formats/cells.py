"""The layout that every format is read into, cells with their walls and a start, and operations on cells.

A cell is one byte, whose bits are those of `clew.kernels.dynamics`: WALL_DOWN, WALL_LEFT, WALL_UP, WALL_RIGHT, GOAL,
HAZARD, BLOCKED. A wall between two cells is marked in both of them. A wall between two free cells is a thin wall.
"""

import re
from collections.abc import Mapping
from numbers import Integral
from operator import index
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import MazeError, MazeSizeError
from clew.kernels.dynamics import (
    BLOCKED,
    GOAL,
    HAZARD,
    WALL_DOWN,
    WALL_LEFT,
    WALL_RIGHT,
    WALL_UP,
)
from clew.settings import shown

MAX_CELLS = 2**26  # 8192 x 8192; a table of four float32 values per cell then takes 1 GiB
MAX_SIZE_LENGTH = 50  # characters of a size
BAND_SIZE = 2**22  # bytes of a text that are processed at once: temporary arrays stay small beside a large maze

Place = tuple[int, int]  # (row, column), from the top left, from 0


NO_REWARDS: Mapping[Place, float] = MappingProxyType({})


class Layout(NamedTuple):
    """The contents of a maze file: cells, start, and what single cells pay."""

    cells: npt.NDArray[np.uint8]  # (rows, columns), bits of clew.kernels.dynamics
    start: Place | None
    exits: Mapping[Place, float] = NO_REWARDS  # see `Maze`
    cell_rewards: Mapping[Place, float] = NO_REWARDS


def parse_size(text: str) -> tuple[int, int] | None:
    """Return (rows, columns) of a text such as "10x12"; None if it is not of that form.

    Raises:
        MazeError: if it is longer than that of any maze.
    """
    match = re.fullmatch(r"([0-9]+)x([0-9]+)", text)
    if match is None:
        return None
    if len(text) > MAX_SIZE_LENGTH:  # Python converts no number of thousands of digits
        raise MazeSizeError(
            f"a maze of a size of {len(text):,} characters is too large: the limit is {MAX_CELLS:,} cells"
        )
    return int(match[1]), int(match[2])


def check_size(rows: int, columns: int) -> None:
    """Check the size of a maze, before memory is allocated for it.

    Raises:
        MazeError: if a number is not an integer or below 1, or there are more than MAX_CELLS cells.
    """
    for name, number in (("rows", rows), ("columns", columns)):
        if not isinstance(number, Integral):
            raise MazeError(f"{name} must be a whole number, not {shown(number)}")
    if rows < 1 or columns < 1:
        size = f"{shown(rows)} rows and {shown(columns)} columns"
        raise MazeError(f"a maze of {size} has no cells; both must be at least 1")
    if int(rows) * int(columns) > MAX_CELLS:  # as Python integers: NumPy's would overflow
        size = f"{shown(rows)} x {shown(columns)} cells"
        raise MazeSizeError(f"a maze of {size} is too large: the limit is {MAX_CELLS:,} cells")


def check_place(name: str, place: Place, rows: int, columns: int) -> Place:
    """Check that a place is (row, column) inside a grid, and return it as Python integers.

    Args:
        name: name of the place in the error, such as "goal".
        place: the place.
        rows: number of rows of the grid.
        columns: number of columns.

    Raises:
        MazeError: if it isn't two integers, or outside.
    """
    try:
        row, column = map(index, place)
    except (TypeError, ValueError):
        raise MazeError(f"the {name} must be (row, column), not {shown(place)}") from None
    if not (0 <= row < rows and 0 <= column < columns):
        raise MazeError(
            f"the {name} ({row}, {column}) is outside the maze, whose rows are 0..{rows - 1} and columns "
            f"0..{columns - 1}"
        )
    return row, column


def add_implied_walls(cells: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Add walls along the edge of the grid and on all sides of blocked cells, in place, and return the cells."""
    cells[-1] |= WALL_DOWN
    cells[:, 0] |= WALL_LEFT
    cells[0] |= WALL_UP
    cells[:, -1] |= WALL_RIGHT
    # Products instead of boolean masks: a tenth of the time for millions of cells.
    blocked = ((cells & BLOCKED) > 0).view(np.uint8)
    cells |= blocked * np.uint8(WALL_DOWN | WALL_LEFT | WALL_UP | WALL_RIGHT)
    cells[:-1] |= blocked[1:] * np.uint8(WALL_DOWN)
    cells[1:] |= blocked[:-1] * np.uint8(WALL_UP)
    cells[:, :-1] |= blocked[:, 1:] * np.uint8(WALL_RIGHT)
    cells[:, 1:] |= blocked[:, :-1] * np.uint8(WALL_LEFT)
    return cells


def remove_walls_around(cells: npt.NDArray[np.uint8], row: int, column: int) -> None:
    """Remove the four walls of a cell, from the cell and from its neighbours, in place.

    Walls of the edge and of blocked neighbours are removed too; `add_implied_walls` restores them.
    """
    cells[row, column] &= ~np.uint8(WALL_DOWN | WALL_LEFT | WALL_UP | WALL_RIGHT)
    # Slices of the four neighbours, which are empty beyond the edge.
    cells[row + 1 : row + 2, column] &= ~np.uint8(WALL_UP)
    cells[row, max(column - 1, 0) : column] &= ~np.uint8(WALL_RIGHT)
    cells[max(row - 1, 0) : row, column] &= ~np.uint8(WALL_DOWN)
    cells[row, column + 1 : column + 2] &= ~np.uint8(WALL_LEFT)


def has_thin_walls(cells: npt.NDArray[np.uint8]) -> bool:
    """Return whether a wall stands between two free cells."""
    return not np.array_equal(add_implied_walls(cells & ~np.uint8(15)), cells)


def check_supported(
    cells: npt.NDArray[np.uint8],
    format_name: str,
    *,
    thin_walls: bool = False,
    blocked: bool = True,
    hazards: bool = False,
) -> None:
    """Check that a format can represent everything in a maze.

    Args:
        cells: (rows, columns) uint8, the maze.
        format_name: name of the format in the error, such as "a .map file".
        thin_walls: True if the format can represent walls between free cells.
        blocked: True if it can represent blocked cells.
        hazards: True if it can represent hazards.

    Raises:
        MazeError: if the maze has something that the format can't represent; lists all that it can't.
    """
    features = [("thin walls", thin_walls), ("blocked cells", blocked), ("hazards", hazards)]
    missing = [name for name, is_supported in features if not is_supported]
    if (
        (not thin_walls and has_thin_walls(cells))
        or (not blocked and bool((cells & BLOCKED).any()))
        or (not hazards and bool((cells & HAZARD).any()))
    ):
        raise MazeError(f"{format_name} can't represent {' or '.join(missing)}; save this maze as .txt")


def check_no_rewards(layout: Layout, format_name: str) -> None:
    """Check that a maze has neither exits nor rewards of cells, which only Clew's own text can represent.

    Raises:
        MazeError: if it has; names the format.
    """
    if layout.exits or layout.cell_rewards:
        raise MazeError(f"{format_name} can't represent exits or rewards of cells; save this maze as .txt")


def cell_letters(
    cells: npt.NDArray[np.uint8], start: Place | None, alphabet: bytes = b".#!GS"
) -> npt.NDArray[np.uint8]:
    """Return the letter of each cell, as (rows, columns) uint8.

    Args:
        cells: (rows, columns) uint8, the maze.
        start: (row, column) of the start, or None.
        alphabet: five letters, for a free cell, a blocked cell, a hazard, a goal and the start; by default those of
            Clew's own `.txt` format.
    """
    free, blocked, hazard, goal, start_letter = alphabet
    by_bits = np.full(8, free, np.uint8)
    by_bits[BLOCKED >> 4] = blocked
    by_bits[[HAZARD >> 4, (HAZARD | BLOCKED) >> 4]] = hazard
    by_bits[[bits for bits in range(8) if bits & GOAL >> 4]] = goal
    drawn: npt.NDArray[np.uint8] = by_bits[cells >> 4 & 7]
    if start is not None:
        drawn[start] = start_letter
    return drawn
