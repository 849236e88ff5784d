"""Layouts of the Pac-Man projects, `.lay`: `%` blocked, `P` start, `.` food, blank free.

Each food is a goal: the first that is reached ends the episode. Capsules (`o`) and ghosts (`G`, `1` to `4`) are read as
free cells, since a maze has neither. Blanks at the end of a line may be missing.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from clew.mazes.formats.cells import Layout, add_implied_walls, cell_letters, check_size, check_supported
from clew.mazes.formats.lines import NEWLINE, find_start_offset, read_text
from clew.mazes.formats.plain import check_letters, letter_table
from clew.mazes.formats.walled import text_canvas

CHUNK_SIZE = 2**20  # bytes of a text that are placed at once
ALPHABET = b" %?.P"
CELL_TABLE = letter_table(ALPHABET, free=b"oG1234")
LEGEND = "a cell is one of % P . o G 1 2 3 4 or a blank"


def parse_lay(data: bytes | bytearray) -> Layout:
    """Read a Pac-Man `.lay` file.

    Raises:
        MazeError: names line and column (from 1) of what is invalid, and draws the place.
    """
    text = read_text(data, LEGEND, blanks=b"\n")  # a line of blanks is a row of free cells
    check_letters(text, 0, CELL_TABLE, LEGEND)
    num_rows = text.count(b"\n")
    check_size(num_rows, 1)
    width = max(int(columns.max()) for _, _, columns in _chunks(text))  # the LF stands in the column after the last
    check_size(num_rows, width)
    padded = np.full((num_rows, width + 1), ord(" "), np.uint8)
    for letters, rows, columns in _chunks(text):
        padded[rows, columns] = letters
    padded[padded == NEWLINE] = ord(" ")
    cells = add_implied_walls(CELL_TABLE[padded[:, :-1]])
    first = find_start_offset(text, b"P")
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


def write_lay(layout: Layout) -> bytes:
    """Write a Pac-Man `.lay` file.

    Raises:
        MazeError: if the maze has thin walls or hazards, which the format can't represent.
    """
    cells, start = layout
    check_supported(cells, "a .lay file")
    return text_canvas(cells, cell_letters(cells, start, ALPHABET), walled=False).tobytes()
