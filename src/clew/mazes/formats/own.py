"""Clew's own text format, `.txt`, in two forms; it can represent every maze.

With one character per cell:

    S..#        S  start, at most one        #  blocked cell
    .#..        G  goal, any number          !  hazard
    ...G        .  free cell

and with walls between cells, if the first character is a `+`; see `clew.mazes.formats.walled`. A cell is then one of
the letters above between two blanks (a blank is a free cell), or `###` if it is blocked.

Below a blank line there may be exits and rewards of cells; see `clew.mazes.formats.rewards`.
"""

from clew.errors import MazeError
from clew.mazes.formats.cells import MAX_CELLS, Layout, cell_letters, has_thin_walls
from clew.mazes.formats.lines import read_text
from clew.mazes.formats.plain import letter_table, parse_plain
from clew.mazes.formats.rewards import name_rewards, place_rewards, split_rewards
from clew.mazes.formats.walled import WalledSyntax, parse_walled, text_canvas

MAX_BYTES = 9 * MAX_CELLS  # with walls between cells, 8 a cell and line ends
ALPHABET = b".#!GS"
LEGEND = "a cell is one of . # S G !"
WALLED = WalledSyntax(
    posts=b"+",
    cells=letter_table(ALPHABET, free=b" "),
    legend="a cell is one of . S G ! or a blank between two blanks, or ###",
    has_unknown=False,
)


def parse_text(data: str | bytes | bytearray) -> Layout:
    """Read a maze in Clew's own text format.

    Raises:
        MazeError: names line and column (from 1) of what is invalid, and draws the place.
    """
    if len(data) > MAX_BYTES:  # before it is copied
        raise MazeError(f"a text of {len(data):,} characters is too long: the limit is {MAX_BYTES:,}")
    text = read_text(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data, LEGEND)
    drawing, rewards = split_rewards(text)
    letters = bytes(each.letter for each in rewards if each.letter is not None)
    if text.startswith(b"+"):
        table = letter_table(ALPHABET, free=b" " + letters)
        layout = parse_walled(drawing, WALLED._replace(cells=table))
    else:
        layout = parse_plain(drawing, letter_table(ALPHABET, free=letters), b"S", LEGEND)
    return place_rewards(layout, rewards, drawing, text) if rewards else layout


def write_text(layout: Layout) -> bytes:
    """Write a maze in Clew's own text format; walls are drawn between cells if the maze has thin walls."""
    letters = cell_letters(layout.cells, layout.start)
    lines = name_rewards(layout, letters)
    drawing = text_canvas(layout.cells, letters, walled=has_thin_walls(layout.cells)).tobytes()
    return drawing + "".join(f"{line}\n" for line in ["", *lines] if lines).encode()
