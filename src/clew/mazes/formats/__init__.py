"""Readers and writers of maze files: bytes to arrays and back, independent of `Maze`.

A format is a module with a function that parses bytes to a `Layout` and one that writes a `Layout` to bytes; the table
in `extensions` finds it by the extension of a file:

    own         .txt    Clew's own text, which can represent every maze
    detection   .txt    any other text, whose form is recognised by its content
    movingai    .map    maps of MovingAI's benchmark, and its problems, .scen
    micromouse  .maze   walls between cells, some of which may be unknown
    pacman      .lay    layouts of the Pac-Man projects
    pictures    .png    one colour per cell
                .pgm    shades of grey, as map servers of robots write them
    lists               FrozenLake's lists of strings, and NumPy arrays of blocked cells

Shared by the formats: `cells` (layouts, sizes, walls), `lines` (lines of text), `plain` (one character per cell) and
`walled` (walls between cells), `rewards` (exits and rewards of cells, in Clew's own text).

Text may end its lines in LF or CRLF, with or without a last newline. Every error about a text names line and column,
counted from 1 as editors do; errors about pictures and arrays name row and column, counted from 0.
"""

from clew.mazes.formats.cells import (
    NO_REWARDS,
    Layout,
    Place,
    add_implied_walls,
    cell_letters,
    check_place,
    check_size,
    has_thin_walls,
    parse_size,
    remove_walls_around,
)
from clew.mazes.formats.extensions import (
    FileOptions,
    check_extension,
    check_file_options,
    check_is_maze,
    check_options_apply,
    list_extensions,
    read_layout,
    write_layout,
)
from clew.mazes.formats.lines import draw_excerpt
from clew.mazes.formats.lists import parse_array, parse_lists, write_lists
from clew.mazes.formats.movingai import Scenario, read_scenario, read_scenarios, scenario_places
from clew.mazes.formats.own import parse_text, write_text
from clew.mazes.formats.rewards import name_rewards
from clew.mazes.formats.walled import draw_text, error_in_cells

__all__ = [
    "NO_REWARDS",
    "FileOptions",
    "Layout",
    "Place",
    "Scenario",
    "add_implied_walls",
    "cell_letters",
    "check_extension",
    "check_file_options",
    "check_is_maze",
    "check_options_apply",
    "check_place",
    "check_size",
    "draw_excerpt",
    "draw_text",
    "error_in_cells",
    "has_thin_walls",
    "list_extensions",
    "name_rewards",
    "parse_array",
    "parse_lists",
    "parse_size",
    "parse_text",
    "read_layout",
    "read_scenario",
    "read_scenarios",
    "remove_walls_around",
    "scenario_places",
    "write_layout",
    "write_lists",
    "write_text",
]
