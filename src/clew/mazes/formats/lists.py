"""Mazes as Python values: FrozenLake's lists of strings, one letter per cell, and NumPy arrays of blocked cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import MazeError
from clew.kernels.dynamics import BLOCKED
from clew.mazes.formats.cells import (
    Layout,
    add_implied_walls,
    cell_letters,
    check_no_rewards,
    check_size,
    check_supported,
)
from clew.mazes.formats.lines import check_ascii
from clew.mazes.formats.plain import letter_table, parse_plain
from clew.settings import shown

ALPHABET = b"F?HGS"
LEGEND = "a cell is one of S F H G"


def parse_lists(rows: Sequence[str] | npt.NDArray[Any]) -> Layout:
    """Read FrozenLake's list of strings, or its 2-D array of letters `desc`; holes become hazards.

    Raises:
        MazeError: names line and column (from 1) of an invalid letter, or says what is wrong with the list.
    """
    if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype.kind in "SU":  # FrozenLake's own `desc`
        rows = ["".join(row) for row in rows.astype(str).tolist()]
    if isinstance(rows, str) or not isinstance(rows, list | tuple) or not all(isinstance(row, str) for row in rows):
        raise MazeError(f'expected a list of strings, one per row, such as ["SF", "HG"], got {shown(rows)}')
    if any("\n" in row for row in rows):
        raise MazeError("a string contains a newline; give each row as a string of its own")
    if not rows:
        raise MazeError("the maze is empty: it has no line of cells")
    text = bytearray("".join(row + "\n" for row in rows).encode("utf-8", "surrogatepass"))
    check_ascii(text, LEGEND)
    return parse_plain(text, letter_table(ALPHABET), b"S", LEGEND)


def write_lists(layout: Layout) -> list[str]:
    """Write a maze as FrozenLake's list of strings; hazards become holes.

    Raises:
        MazeError: if the maze has thin walls, blocked cells, exits or rewards of cells, which the format can't
            represent.
    """
    check_no_rewards(layout, "a FrozenLake list")
    cells, start = layout[:2]
    check_supported(cells, "a FrozenLake list", blocked=False, hazards=True)
    return [row.tobytes().decode("ascii") for row in cell_letters(cells, start, ALPHABET)]


def parse_array(blocked: Any) -> npt.NDArray[np.uint8]:
    """Convert an array of blocked cells to the cells of a maze, with their walls.

    Args:
        blocked: (rows, columns) bool, or integers 0 and 1; True or 1 is a blocked cell.

    Returns:
        (rows, columns) uint8, bits of `clew.kernels.dynamics`.

    Raises:
        MazeError: if shape or dtype is wrong, or there are other numbers; names row and column (from 0) of the first.
    """
    try:
        array = np.asarray(blocked)
    except (ValueError, TypeError, OverflowError) as error:
        raise MazeError(f"blocked can't be converted to an array: {error}") from None
    if array.ndim != 2:
        raise MazeError(f"blocked must have shape (rows, columns), not {array.shape}")
    check_size(*array.shape)
    if array.dtype.kind not in "biu":
        raise MazeError(f"blocked must be True and False, or 0 and 1, not numbers of type {array.dtype}")
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        row, column = np.unravel_index(wrong.argmax(), wrong.shape)
        raise MazeError(f"row {row}, column {column}: blocked must be 0 or 1, not {array[row, column]}")
    return add_implied_walls(array.astype(np.uint8) * np.uint8(BLOCKED))
