"""Layouts of the Pac-Man projects, `.lay`: `%` blocked, `P` start, `.` food, blank free.

Each food is a goal: the first that is reached ends the episode. Capsules (`o`) and ghosts (`G`, `1` to `4`) are read as
free cells, since a maze has neither. Blanks at the end of a line may be missing.
"""

from clew.mazes.formats.cells import Layout, cell_letters, check_supported
from clew.mazes.formats.lines import read_text
from clew.mazes.formats.plain import check_letters, letter_table, parse_ragged
from clew.mazes.formats.walled import text_canvas

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
    return parse_ragged(text, CELL_TABLE, b"P")


def write_lay(layout: Layout) -> bytes:
    """Write a Pac-Man `.lay` file.

    Raises:
        MazeError: if the maze has thin walls or hazards, which the format can't represent.
    """
    cells, start = layout[:2]
    check_supported(cells, "a .lay file")
    return text_canvas(cells, cell_letters(cells, start, ALPHABET), walled=False).tobytes()
