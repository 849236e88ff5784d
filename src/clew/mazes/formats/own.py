"""Our own text, `.txt`, in two layouts.

With one character a cell:

    S..#        S  start, at most one        #  blocked cell
    .#..        G  goal, any number          !  hazard
    ...G        .  free

and with walls between cells, where the first character is a `+`; see `clew.mazes.formats.walled`. Each cell is then one
of the letters above between two blanks (a blank is free), and `###` is blocked.
"""

from clew.mazes.formats.cells import Layout, has_thin_walls, letters
from clew.mazes.formats.lines import read_text
from clew.mazes.formats.plain import meanings, parse_plain
from clew.mazes.formats.walled import Signs, paint, parse_walled

__all__ = ["parse_text", "write_text"]

ALPHABET = b".#!GS"
LEGEND = "a cell is one of . # S G !"
WALLED = Signs(
    posts=b"+",
    cells=meanings(ALPHABET, free=b" "),
    legend="a cell is one of . S G ! or a blank between two blanks, or ###",
    has_unknown=False,
)


def parse_text(data: str | bytes | bytearray) -> Layout:
    """Read a maze in our own format.

    Raises:
        MazeError: names line and column (from 1, as editors count), and draws the place.
    """
    text = read_text(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data, LEGEND)
    if text.startswith(b"+"):
        return parse_walled(text, WALLED)
    return parse_plain(text, meanings(ALPHABET), b"S", LEGEND)


def write_text(layout: Layout) -> bytes:
    """Write our own format, which says all of a maze."""
    cells, start = layout
    return paint(cells, letters(cells, start), walled=has_thin_walls(cells)).tobytes()
