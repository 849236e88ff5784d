"""Layouts of the Pac-Man projects, `.lay`: `%` wall, `P` start, `.` food, a blank is free.

Every food is a goal: the first that is reached ends the episode. Capsules (`o`) and ghosts (`G`, `1` to `4`) are read
as free cells, for a maze has neither. Blanks at the end of a line may be missing.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.mazes.formats.cells import Layout, check_sayable, check_size, enclose, letters
from clew.mazes.formats.lines import NEWLINE, find_start, read_text
from clew.mazes.formats.plain import check_letters, meanings
from clew.mazes.formats.walled import paint

__all__ = ["parse_lay", "write_lay"]

PIECE = 2**20  # bytes that are placed in one go
ALPHABET = b" %?.P"
MEANINGS = meanings(ALPHABET, free=b"oG1234")
LEGEND = "a cell is one of % P . o G 1 2 3 4 or a blank"


def parse_lay(data: bytes | bytearray) -> Layout:
    """Read a Pac-Man layout.

    Raises:
        MazeError: names line and column (from 1, as editors count), and draws the place.
    """
    text = read_text(data, LEGEND, blanks=b"\n")  # a line of blanks is a row of free cells
    check_letters(text, 0, MEANINGS, LEGEND)
    num_rows = text.count(b"\n")
    check_size(num_rows, 1)
    width = max(int(piece.columns.max()) for piece in _pieces(text))  # the end of a line is its last column
    check_size(num_rows, width)
    padded = np.full((num_rows, width + 1), ord(" "), np.uint8)
    for piece in _pieces(text):
        padded[piece.rows, piece.columns] = piece.letters
    padded[padded == NEWLINE] = ord(" ")
    grid = padded[:, :-1]
    cells = enclose(MEANINGS[grid])
    first = find_start(text, b"P")
    if first is None:
        return Layout(cells, None)
    return Layout(cells, (text.count(b"\n", 0, first), first - text.rfind(b"\n", 0, first) - 1))


class Piece(NamedTuple):
    """Some bytes of a text, and where they stand in it."""

    letters: npt.NDArray[np.uint8]  # (n,) ends of lines too
    rows: npt.NDArray[np.int64]  # (n,)
    columns: npt.NDArray[np.int64]  # (n,)


def _pieces(text: bytearray) -> Iterator[Piece]:
    """A text piece by piece: the places of all its bytes at once would take more memory than there is."""
    row = begin = 0  # of the line that the piece begins in
    for offset in range(0, len(text), PIECE):
        letters = np.frombuffer(text, np.uint8, min(PIECE, len(text) - offset), offset)
        is_end = letters == NEWLINE
        line = np.cumsum(is_end) - is_end  # the end of a line belongs to it
        begins = np.concatenate([[begin], offset + np.flatnonzero(is_end) + 1])
        yield Piece(letters, row + line, offset + np.arange(len(letters)) - begins[line])
        row, begin = row + len(begins) - 1, int(begins[-1])


def write_lay(layout: Layout) -> bytes:
    """Write a Pac-Man layout.

    Raises:
        MazeError: if the maze has thin walls or hazards, which the format can't say.
    """
    cells, start = layout
    check_sayable(cells, "a .lay file")
    return paint(cells, letters(cells, start, ALPHABET), walled=False).tobytes()
