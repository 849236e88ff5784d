"""Grids of one character a cell: what our own format, MovingAI's, Pac-Man's and lists have in common."""

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD
from clew.mazes.formats.cells import Place, check_size, enclose, find_first
from clew.mazes.formats.lines import complain, cut, find_start, place_at

__all__ = ["UNKNOWN", "cells_of", "meanings", "parse_plain"]

UNKNOWN = 255  # no cell has all bits


def meanings(alphabet: bytes, *, free: bytes = b"", blocked: bytes = b"") -> npt.NDArray[np.uint8]:
    """(256,) uint8: the cell that each letter stands for, or UNKNOWN.

    Args:
        alphabet: letters of a free cell, a blocked one, a hazard, a goal, the start; a blank is none but as the first.
        free: other letters of free cells.
        blocked: other letters of blocked cells.
    """
    table = np.full(256, UNKNOWN, np.uint8)
    for letter, bits in zip(alphabet, (0, BLOCKED, HAZARD, GOAL, 0), strict=True):
        if letter != ord("?"):
            table[letter] = bits
    table[list(free)] = 0
    table[list(blocked)] = BLOCKED
    return table


def cells_of(grid: npt.NDArray[np.uint8], table: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | Place:
    """The cells of a grid of letters, with their walls; or the place of the first letter that stands for none."""
    unknown = find_first(grid, table == UNKNOWN)
    return enclose(table[grid]) if unknown is None else unknown


def parse_plain(
    text: bytearray, table: npt.NDArray[np.uint8], start: bytes, legend: str
) -> tuple[npt.NDArray[np.uint8], Place | None]:
    """Read lines of one character a cell, all as long as the first.

    Args:
        text: tidied text, not empty.
        table: (256,) what the letters mean.
        start: the letter of the start.
        legend: the letters, as the error names them.

    Raises:
        MazeError: names line and column.
    """
    width = text.find(b"\n")
    check_size(1, max(1, width))
    grid = cut(text, 0, width, f"the first one {width}; all must be equally long")
    check_size(*grid.shape)
    cells = cells_of(grid, table)
    if isinstance(cells, tuple):
        offset = cells[0] * (width + 1) + cells[1]
        raise complain(f"unknown character {chr(text[offset])!r}; {legend}", text, offset)
    first = find_start(text, start)
    return cells, None if first is None else place_at(first, 0, width)
