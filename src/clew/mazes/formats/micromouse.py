"""Micromouse mazes, `.maze`, as that hobby keeps them: walls between cells, as in `clew.mazes.formats.walled`.

Posts are `+` or `o`, `S` is the start and `G` the goals, often four or nine cells; either may be missing. A dot in
place of a wall (` . ` or `.`) says that the robot hasn't seen whether one is there.
"""

from clew.mazes.formats.cells import Layout, check_sayable, letters
from clew.mazes.formats.lines import read_text
from clew.mazes.formats.plain import meanings
from clew.mazes.formats.walled import Signs, paint, parse_walled

__all__ = ["UNKNOWN_WALLS", "parse_maze", "write_maze"]

UNKNOWN_WALLS = ("wall", "open")
LEGEND = "a cell is S, G or a blank, between two blanks"
SIGNS = Signs(posts=b"+o", cells=meanings(b" ??GS"), legend=LEGEND, has_unknown=True)


def parse_maze(data: bytes | bytearray, unknown_walls: str = "wall") -> Layout:
    """Read a micromouse maze.

    Args:
        data: the file.
        unknown_walls: what stands where a wall is unknown, `wall` or `open`.

    Raises:
        MazeError: names line and column (from 1, as editors count), and draws the place.
    """
    text = read_text(data, LEGEND)
    return parse_walled(text, SIGNS._replace(unknown_is_wall=unknown_walls == "wall"))


def write_maze(layout: Layout) -> bytes:
    """Write a micromouse maze.

    Raises:
        MazeError: if the maze has blocked cells or hazards, which the format can't say.
    """
    cells, start = layout
    check_sayable(cells, "a .maze file", thin_walls=True, blocked=False)
    return paint(cells, letters(cells, start), walled=True).tobytes()
