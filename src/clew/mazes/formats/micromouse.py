"""Micromouse mazes, `.maze`: walls between cells, drawn as in `clew.mazes.formats.walled`.

Posts are `+` or `o`, `S` is the start and each `G` a goal, often four or nine cells; both may be missing. Where the
robot hasn't seen whether there is a wall, a dot is drawn instead (` . ` or `.`).
"""

from clew.mazes.formats.cells import Layout, cell_letters, check_supported
from clew.mazes.formats.lines import read_text
from clew.mazes.formats.plain import letter_table
from clew.mazes.formats.walled import WalledSyntax, parse_walled, text_canvas

UNKNOWN_WALLS = ("wall", "open")
LEGEND = "a cell is S, G or a blank, between two blanks"
SYNTAX = WalledSyntax(posts=b"+o", cells=letter_table(b" ??GS"), legend=LEGEND, has_unknown=True)


def parse_maze(data: bytes | bytearray, unknown_walls: str = "wall") -> Layout:
    """Read a micromouse `.maze` file.

    Args:
        data: contents of the file.
        unknown_walls: `wall` or `open`: how unknown walls are read.

    Raises:
        MazeError: names line and column (from 1) of what is invalid, and draws the place.
    """
    return parse_walled(read_text(data, LEGEND), SYNTAX._replace(unknown_is_wall=unknown_walls == "wall"))


def write_maze(layout: Layout) -> bytes:
    """Write a micromouse `.maze` file.

    Raises:
        MazeError: if the maze has blocked cells or hazards, which the format can't represent.
    """
    cells, start = layout[:2]
    check_supported(cells, "a .maze file", thin_walls=True, blocked=False)
    return text_canvas(cells, cell_letters(cells, start), walled=True).tobytes()
