"""Text of one character per cell: shared by Clew's own format, MovingAI's, Pac-Man's and FrozenLake's."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD
from clew.mazes.formats.cells import BAND_SIZE, Layout, add_implied_walls, check_size
from clew.mazes.formats.lines import NEWLINE, error_at, find_start_offset, offset_to_place, view_as_grid

UNKNOWN = 255  # no cell has all bits
CHUNK_SIZE = 2**20  # bytes of a text that are placed at once


def letter_table(alphabet: bytes, *, free: bytes = b"", blocked: bytes = b"") -> npt.NDArray[np.uint8]:
    """Return a (256,) uint8 table from a letter to the bits of its cell, or UNKNOWN.

    Args:
        alphabet: five letters, for a free cell, a blocked cell, a hazard, a goal and the start; `?` for what the
            format doesn't have.
        free: more letters of free cells.
        blocked: more letters of blocked cells.
    """
    table = np.full(256, UNKNOWN, np.uint8)
    for letter, bits in zip(alphabet, (0, BLOCKED, HAZARD, GOAL, 0), strict=True):
        if letter != ord("?"):
            table[letter] = bits
    table[list(free)] = 0
    table[list(blocked)] = BLOCKED
    return table


def check_letters(text: bytearray, begin: int, table: npt.NDArray[np.uint8], legend: str) -> None:
    """Check that all characters from an offset on, except LF, are letters of cells.

    Args:
        text: normalised text.
        begin: offset of the first character that is checked.
        table: (256,) uint8, see `letter_table`.
        legend: the allowed letters, for the error message.

    Raises:
        MazeError: names line and column of the first unknown character.
    """
    is_unknown = table == UNKNOWN
    is_unknown[NEWLINE] = False
    letters = np.frombuffer(text, np.uint8)
    for first in range(begin, len(text), BAND_SIZE):
        found = is_unknown[letters[first : first + BAND_SIZE]]
        if found.any():
            offset = first + int(found.argmax())
            raise error_at(f"unknown character {chr(text[offset])!r}; {legend}", text, offset)


def parse_plain(text: bytearray, table: npt.NDArray[np.uint8], start: bytes, legend: str) -> Layout:
    """Parse lines of one character per cell; all lines must be as long as the first.

    Args:
        text: normalised text, not empty.
        table: (256,) uint8, see `letter_table`.
        start: letter of the start.
        legend: the allowed letters, for the error message.

    Raises:
        MazeError: names line and column of what is invalid.
    """
    width = text.find(b"\n")
    check_size(1, max(1, width))
    grid = view_as_grid(text, 0, width, f"the first one {width}; all must be equally long")
    check_size(*grid.shape)
    check_letters(text, 0, table, legend)
    first = find_start_offset(text, start)
    return Layout(add_implied_walls(table[grid]), None if first is None else offset_to_place(first, width))


def parse_ragged(text: bytearray, table: npt.NDArray[np.uint8], start: bytes) -> Layout:
    """Parse lines of one character per cell, in which blanks at the end of a line may be missing.

    Args:
        text: normalised text, not empty, whose characters have been checked.
        table: (256,) uint8, see `letter_table`.
        start: letter of the start.

    Raises:
        MazeError: if the maze is too large, or has a second start.
    """
    num_rows = text.count(b"\n")
    check_size(num_rows, 1)
    width = max(int(columns.max()) for _, _, columns in _chunks(text))  # the LF stands in the column after the last
    check_size(num_rows, width)
    padded = np.full((num_rows, width + 1), ord(" "), np.uint8)
    for letters, rows, columns in _chunks(text):
        padded[rows, columns] = letters
    padded[padded == NEWLINE] = ord(" ")
    cells = add_implied_walls(table[padded[:, :-1]])
    first = find_start_offset(text, start)
    if first is None:
        return Layout(cells, None)
    return Layout(cells, (text.count(b"\n", 0, first), first - text.rfind(b"\n", 0, first) - 1))


def _chunks(text: bytearray) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield a text in chunks: rows and columns of all its bytes at once would take too much memory.

    Yields:
        (bytes, LFs included; the row of each; the column of each), all of one length.
    """
    row = begin = 0  # number and offset of the line in which the chunk begins
    for offset in range(0, len(text), CHUNK_SIZE):
        letters = np.frombuffer(text, np.uint8, min(CHUNK_SIZE, len(text) - offset), offset)
        is_end = letters == NEWLINE
        line = np.cumsum(is_end) - is_end  # the LF belongs to the line that it ends
        begins = np.concatenate([[begin], offset + np.flatnonzero(is_end) + 1])
        yield letters, row + line, offset + np.arange(len(letters)) - begins[line]
        row, begin = row + len(begins) - 1, int(begins[-1])
