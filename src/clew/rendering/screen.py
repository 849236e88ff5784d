"""Data of drawings for a terminal: `clew.rendering.scenes` turns a `Scene` and a `Screen` into a `StyledText`."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.mazes import Maze
from clew.mazes.formats import Place

Colours = npt.NDArray[np.int32]  # 0xRRGGBB, or DEFAULT
DEFAULT = -1  # the terminal's own colour


class Screen(NamedTuple):
    """Size and abilities of a terminal.

    Attributes:
        columns: characters per line.
        rows: lines.
        num_colours: 0, 16, 256, or 2**24 for all.
        unicode: True if it shows characters beyond ASCII.
    """

    columns: int
    rows: int
    num_colours: int
    unicode: bool


class Scene(NamedTuple):
    """A maze, what was learned in it, and where the seeker (the agent) is.

    Attributes:
        maze: the maze.
        values: (num_cells,) float, NaN where nothing was learned; None for no values.
        greedy: (num_cells, num_actions) bool, the greedy actions of each cell, of four moves or of eight; None for no
            arrows.
        seeker: (row, column); None draws the start of the maze instead.
        heading: direction of the seeker, as an index of the four moves; None for none.
    """

    maze: Maze
    values: npt.NDArray[np.floating] | None = None
    greedy: npt.NDArray[np.bool_] | None = None
    seeker: Place | None = None
    heading: int | None = None


class StyledSpan(NamedTuple):
    """Characters of a line with the same colours.

    Attributes:
        text: the characters.
        foreground: 0xRRGGBB, or -1 for the default of the terminal.
        background: 0xRRGGBB, or -1 for the default of the terminal.
    """

    text: str
    foreground: int
    background: int


class StyledText(NamedTuple):
    """A drawing for a terminal.

    Attributes:
        lines: spans of each line.
        notes: sentences about the drawing: its scale of values, cells per character, the part that is shown, and what
            was left out.
    """

    lines: list[list[StyledSpan]]
    notes: list[str]


class Canvas(NamedTuple):
    """Characters and their colours, arrays of shape (rows, columns).

    Attributes:
        glyphs: str, one character each.
        foregrounds: int32, 0xRRGGBB or -1.
        backgrounds: int32, 0xRRGGBB or -1.
    """

    glyphs: npt.NDArray[Any]
    foregrounds: Colours
    backgrounds: Colours
