"""Grids of one character a cell: what our own format, MovingAI's, Pac-Man's and lists have in common."""

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD
from clew.mazes.formats.cells import BAND, Layout, check_size, enclose
from clew.mazes.formats.lines import NEWLINE, complain, cut, find_start, place_at

__all__ = ["UNKNOWN", "check_letters", "meanings", "parse_plain"]

UNKNOWN = 255  # no cell has all bits


def meanings(alphabet: bytes, *, free: bytes = b"", blocked: bytes = b"") -> npt.NDArray[np.uint8]:
    """(256,) uint8: the cell that each letter stands for, or UNKNOWN.

    Args:
        alphabet: letters of a free cell, a blocked one, a hazard, a goal, the start; `?` where the format has none.
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


def check_letters(text: bytearray, begin: int, table: npt.NDArray[np.uint8], legend: str) -> None:
    """Check that each character from an offset on, but for the ends of lines, stands for a cell.

    Raises:
        MazeError: names line and column of the first that doesn't.
    """
    is_unknown = table == UNKNOWN
    is_unknown[NEWLINE] = False
    letters = np.frombuffer(text, np.uint8)
    for first in range(begin, len(text), BAND):
        found = is_unknown[letters[first : first + BAND]]
        if found.any():
            offset = first + int(found.argmax())
            raise complain(f"unknown character {chr(text[offset])!r}; {legend}", text, offset)


def parse_plain(text: bytearray, table: npt.NDArray[np.uint8], start: bytes, legend: str) -> Layout:
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
    check_letters(text, 0, table, legend)
    first = find_start(text, start)
    return Layout(enclose(table[grid]), None if first is None else place_at(first, 0, width))
