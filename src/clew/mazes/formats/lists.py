"""Mazes as values: FrozenLake's lists of strings, a letter a cell, and NumPy arrays of what is blocked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import MazeError
from clew.kernels.dynamics import BLOCKED
from clew.mazes.formats.cells import Layout, check_sayable, check_size, enclose, letters
from clew.mazes.formats.lines import check_ascii
from clew.mazes.formats.plain import meanings, parse_plain

__all__ = ["parse_array", "parse_lists", "write_lists"]

ALPHABET = b"F?HGS"
LEGEND = "a cell is one of S F H G"


def parse_lists(rows: Sequence[str] | npt.NDArray[Any]) -> Layout:
    """Read a list of strings, or an array of letters; a hole becomes a hazard.

    Raises:
        MazeError: names line and column (from 1).
    """
    if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype.kind in "SU":  # FrozenLake's own `desc`
        rows = ["".join(row) for row in rows.astype(str).tolist()]
    if isinstance(rows, str) or not isinstance(rows, list | tuple) or not all(isinstance(row, str) for row in rows):
        raise MazeError(f'a maze in lists is a list of strings, such as ["SF", "HG"], not {str(rows)[:60]}')
    if any("\n" in row for row in rows):
        raise MazeError("a string holds a new line; give each row a string of its own")
    if not rows:
        raise MazeError("the maze is empty: it has no line of cells")
    text = bytearray("".join(row + "\n" for row in rows).encode("utf-8", "surrogatepass"))
    check_ascii(text, LEGEND)
    return parse_plain(text, meanings(ALPHABET), b"S", LEGEND)


def write_lists(layout: Layout) -> list[str]:
    """Write a list of strings.

    Raises:
        MazeError: if the maze has thin walls or blocked cells, which the format can't say.
    """
    cells, start = layout
    check_sayable(cells, "a FrozenLake list", blocked=False, hazards=True)
    drawn = letters(cells, start, ALPHABET)
    return [row.tobytes().decode("ascii") for row in drawn]


def parse_array(blocked: Any) -> npt.NDArray[np.uint8]:
    """Cells of an array that says which are blocked.

    Args:
        blocked: (rows, columns) bool, or whole numbers 0 and 1.

    Raises:
        MazeError: if it is of another shape or type, or holds another number; names row and column (from 0).
    """
    try:
        array = np.asarray(blocked)
    except (ValueError, TypeError, OverflowError) as error:
        raise MazeError(f"blocked can't be an array: {error}") from None
    if array.ndim != 2:
        raise MazeError(f"blocked must be an array of rows and columns, not of shape {array.shape}")
    check_size(*array.shape)
    if array.dtype.kind not in "biu":
        raise MazeError(f"blocked must be True and False, or 0 and 1, not numbers of type {array.dtype}")
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        row, column = np.unravel_index(wrong.argmax(), wrong.shape)
        raise MazeError(f"row {row}, column {column}: blocked must be 0 or 1, not {array[row, column]}")
    return enclose(array.astype(np.uint8) * np.uint8(BLOCKED))
