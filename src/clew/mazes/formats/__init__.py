"""Reading and writing mazes. Plain arrays in, plain arrays out; every complaint of a text names line and column.

A format is a module with a function that makes a layout of bytes and one that makes bytes of a layout, and a row in the
table of `endings`:

    own         .txt    our own, which says all of a maze
    movingai    .map    MovingAI's maps; and its problems, .scen
    micromouse  .maze   walls between cells; some may be unknown
    pacman      .lay    layouts of the Pac-Man projects
    pictures    .png    a colour a cell
    lists               FrozenLake's lists of strings, and arrays

What they share is in `cells` (sizes and walls), `lines` (text), `plain` (a character a cell) and `walled` (walls
between cells).
"""

from clew.mazes.formats.cells import Layout, Place, check_size, enclose, has_thin_walls, letters, open_up
from clew.mazes.formats.endings import (
    Reading,
    check_effect,
    check_ending,
    check_reading,
    list_endings,
    read_layout,
    write_layout,
)
from clew.mazes.formats.lines import draw_place
from clew.mazes.formats.lists import parse_array, parse_lists, write_lists
from clew.mazes.formats.micromouse import parse_maze, write_maze
from clew.mazes.formats.movingai import Scenario, ends_of, parse_map, read_scenario, read_scenarios, write_map
from clew.mazes.formats.own import parse_text, write_text
from clew.mazes.formats.pacman import parse_lay, write_lay
from clew.mazes.formats.pictures import draw_png, parse_png
from clew.mazes.formats.walled import draw

__all__ = [
    "Layout",
    "Place",
    "Reading",
    "Scenario",
    "check_effect",
    "check_ending",
    "check_reading",
    "check_size",
    "draw",
    "draw_place",
    "draw_png",
    "enclose",
    "ends_of",
    "has_thin_walls",
    "letters",
    "list_endings",
    "open_up",
    "parse_array",
    "parse_lay",
    "parse_lists",
    "parse_map",
    "parse_maze",
    "parse_png",
    "parse_text",
    "read_layout",
    "read_scenario",
    "read_scenarios",
    "write_lay",
    "write_layout",
    "write_lists",
    "write_map",
    "write_maze",
    "write_text",
]
