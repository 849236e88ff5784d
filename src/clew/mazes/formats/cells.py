"""What every format is read into: cells with their walls, and a start. Sizes are checked before memory is taken."""

from numbers import Integral
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import MazeError
from clew.kernels.dynamics import (
    BLOCKED,
    GOAL,
    HAZARD,
    WALL_DOWN,
    WALL_LEFT,
    WALL_RIGHT,
    WALL_UP,
)

__all__ = [
    "MAX_CELLS",
    "Layout",
    "Place",
    "check_sayable",
    "check_size",
    "enclose",
    "has_thin_walls",
    "letters",
    "open_up",
]

MAX_CELLS = 2**26  # 8192 x 8192; a table of four float32 values a cell is then 1 GiB
BAND = 2**22  # cells that are looked at in one go: what that takes beside a large maze is little

Place = tuple[int, int]  # (row, column), from the top left


class Layout(NamedTuple):
    """What a file says of a maze."""

    cells: npt.NDArray[np.uint8]  # (rows, columns), bits of clew.kernels.dynamics
    start: Place | None


def check_size(rows: int, columns: int) -> None:
    """Refuse a size before memory is taken for it.

    Raises:
        MazeError: if the numbers aren't whole, there is no cell, or there are more than MAX_CELLS.
    """
    for name, number in (("rows", rows), ("columns", columns)):
        if not isinstance(number, Integral):
            raise MazeError(f"{name} must be a whole number, not {number!r}")
    if rows < 1 or columns < 1:
        raise MazeError(f"a maze of {rows} rows and {columns} columns has no cell; both must be at least 1")
    if int(rows) * int(columns) > MAX_CELLS:  # NumPy's own numbers would count on in their few bits
        raise MazeError(f"a maze of {rows} x {columns} cells is too large: the limit is {MAX_CELLS:,} cells")


def enclose(cells: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Set the walls that follow from the rest, in place: the edge, and all round blocked cells."""
    cells[-1] |= WALL_DOWN
    cells[:, 0] |= WALL_LEFT
    cells[0] |= WALL_UP
    cells[:, -1] |= WALL_RIGHT
    # Products, not masks: for millions of cells they take a tenth of the time.
    blocked = ((cells & BLOCKED) > 0).view(np.uint8)
    cells |= blocked * np.uint8(WALL_DOWN | WALL_LEFT | WALL_UP | WALL_RIGHT)
    cells[:-1] |= blocked[1:] * np.uint8(WALL_DOWN)
    cells[1:] |= blocked[:-1] * np.uint8(WALL_UP)
    cells[:, :-1] |= blocked[:, 1:] * np.uint8(WALL_RIGHT)
    cells[:, 1:] |= blocked[:, :-1] * np.uint8(WALL_LEFT)
    return cells


def open_up(cells: npt.NDArray[np.uint8], row: int, column: int) -> None:
    """Take away the walls round a cell, in place, from both sides; `enclose` puts back what follows from the rest."""
    rows, columns = cells.shape
    cells[row, column] &= ~np.uint8(WALL_DOWN | WALL_LEFT | WALL_UP | WALL_RIGHT)
    if row + 1 < rows:
        cells[row + 1, column] &= ~np.uint8(WALL_UP)
    if column > 0:
        cells[row, column - 1] &= ~np.uint8(WALL_RIGHT)
    if row > 0:
        cells[row - 1, column] &= ~np.uint8(WALL_DOWN)
    if column + 1 < columns:
        cells[row, column + 1] &= ~np.uint8(WALL_LEFT)


def has_thin_walls(cells: npt.NDArray[np.uint8]) -> bool:
    """Tell if a wall stands between two free cells."""
    return not np.array_equal(enclose(cells & ~np.uint8(15)), cells)


def check_sayable(
    cells: npt.NDArray[np.uint8], form: str, *, thin_walls: bool = False, blocked: bool = True, hazards: bool = False
) -> None:
    """Check that a maze holds nothing that a format has no sign for.

    Args:
        cells: (rows, columns) the maze.
        form: what the format is called in the error, such as "a .map file".
        thin_walls: whether it can say walls between free cells.
        blocked: whether it can say blocked cells.
        hazards: whether it can say hazards.

    Raises:
        MazeError: names all that the format can't say.
    """
    unsayable = [("thin walls", thin_walls), ("blocked cells", blocked), ("hazards", hazards)]
    missing = [name for name, can_be_said in unsayable if not can_be_said]
    if (
        (not thin_walls and has_thin_walls(cells))
        or (not blocked and bool((cells & BLOCKED).any()))
        or (not hazards and bool((cells & HAZARD).any()))
    ):
        raise MazeError(f"{form} can't say {' or '.join(missing)}; save this maze as .txt")


def letters(cells: npt.NDArray[np.uint8], start: Place | None, alphabet: bytes = b".#!GS") -> npt.NDArray[np.uint8]:
    """(rows, columns) uint8: the letters that stand for the cells.

    Args:
        cells: (rows, columns) the maze.
        start: where the start is drawn, if anywhere.
        alphabet: letters of a free cell, a blocked one, a hazard, a goal, the start; by default our own.
    """
    free, blocked, hazard, goal, first = alphabet
    by_bits = np.full(8, free, np.uint8)
    by_bits[BLOCKED >> 4] = blocked
    by_bits[[HAZARD >> 4, (HAZARD | BLOCKED) >> 4]] = hazard
    by_bits[[bits for bits in range(8) if bits & GOAL >> 4]] = goal
    drawn: npt.NDArray[np.uint8] = by_bits[cells >> 4 & 7]
    if start is not None:
        drawn[start] = first
    return drawn
