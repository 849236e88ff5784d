"""Maze generators and recipes.

A recipe is `KIND:ROWSxCOLUMNS`, followed by any number of `:key=value`, such as `wilson:64x64:seed=3:braid=0.5`. The
same recipe makes the same maze on every machine. `GENERATORS` is the table of generators, `KEYS` that of their keys.
"""

import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import MazeError, SettingError
from clew.kernels.dynamics import ALL_WALLS, GOAL
from clew.kernels.mazes import carving, joining, scattering
from clew.kernels.sampling import Stream, new_stream
from clew.mazes.formats import Place, add_implied_walls, check_place, check_size, parse_size
from clew.mazes.maze import Maze
from clew.settings import SHARE, check_count, check_number, choose_from, shown

MAX_WILSON_STEPS = 2**31  # estimated steps of its random walks: about ten seconds, which can't be interrupted


class Key(NamedTuple):
    """A key of recipes: a setting of generators."""

    default: float
    check: Callable[[str, Any], None]  # check(key, value) raises a SettingError
    help: str


class MazeDraft(NamedTuple):
    """A maze that is being generated: its cells, which a generator changes in place, and the settings."""

    cells: carving.Cells  # (rows * columns,) uint8, at first with all walls
    rows: int
    columns: int
    start: int  # row * columns + column
    goal: int  # row * columns + column
    options: dict[str, float]  # value of each key of the generator
    stream: Stream  # random draws


class Generator(NamedTuple):
    """A kind of maze: a description, the keys besides `seed`, and the function that carves it."""

    help: str
    keys: tuple[str, ...]
    carve: Callable[[MazeDraft], None]


_check_share = partial(check_number, bounds=SHARE)
KEYS = {
    "seed": Key(0, partial(check_count, least=0), "seed of all random draws"),
    "braid": Key(0.0, _check_share, "share of the dead ends in which a wall is opened, which makes loops"),
    "room": Key(7, partial(check_count, least=1, most=1000), "longest side of a room, in cells"),
    "density": Key(0.3, _check_share, "share of the cells that are blocked"),
}

# Generators ---------------------------------------------------------------------------------------------------------


def _backtracker(maze: MazeDraft) -> None:
    carving.carve_backtracker(maze.cells, maze.columns, carving.draw_below(maze.cells.size, maze.stream), maze.stream)


def _wilson(maze: MazeDraft) -> None:
    shorter, longer = sorted((maze.rows, maze.columns))
    if shorter > 1 and maze.cells.size * longer > MAX_WILSON_STEPS * shorter:
        raise MazeError(
            f"a wilson maze of {maze.rows} x {maze.columns} cells would take too long, since its random walks must "
            f"meet along the longer side; choose another kind"
        )
    if shorter == 1:  # only one maze is possible
        _open(maze)
    else:
        carving.carve_wilson(maze.cells, maze.columns, maze.stream)


def _prim(maze: MazeDraft) -> None:
    carving.carve_prim(maze.cells, maze.columns, np.empty(maze.cells.size, np.int32), maze.stream)


def _eller(maze: MazeDraft) -> None:
    carving.carve_eller(maze.cells, maze.columns, np.empty((3, maze.columns), np.int32), maze.stream)


def _division(maze: MazeDraft) -> None:
    _open(maze)
    carving.carve_division(maze.cells, maze.columns, np.empty((32, 4), np.int64), maze.stream)


def _rooms(maze: MazeDraft) -> None:
    longest = int(maze.options["room"])
    mean = 0.5 * (min(2, longest) + longest) + 1  # mean side of a room, with the gap to the next
    num_tries = math.ceil(2 * maze.cells.size / mean**2)
    joining.place_rooms(maze.cells, maze.columns, longest, num_tries, maze.stream)
    _join(maze, between=joining.ROOM)
    carving.keep_walls(maze.cells)


def _random(maze: MazeDraft) -> None:
    scattering.scatter(maze.cells, maze.options["density"], maze.start, maze.goal, maze.stream)
    scattering.clear_path(maze.cells, maze.columns, maze.start, maze.goal, np.empty(maze.cells.size, np.int32))
    add_implied_walls(maze.cells.reshape(maze.rows, maze.columns))


def _open(maze: MazeDraft) -> None:
    """Remove all walls except those of the edge."""
    maze.cells[:] = 0
    add_implied_walls(maze.cells.reshape(maze.rows, maze.columns))


def _join(maze: MazeDraft, between: int = 0) -> None:
    """Open walls between unconnected regions in random order, until all cells are connected.

    Args:
        maze: the maze.
        between: bits of cells; if not 0, only walls between two cells that differ in one of these bits are opened.
    """
    edges = np.empty(maze.rows * (maze.columns - 1) + maze.columns * (maze.rows - 1), np.int32)
    num_edges = joining.list_edges(maze.cells, maze.columns, between, edges)
    parents = np.empty(maze.cells.size, np.int32)
    num_sets = joining.find_sets(maze.cells, maze.columns, parents)
    joining.carve_kruskal(maze.cells, maze.columns, edges[:num_edges], parents, num_sets, maze.stream)


GENERATORS = {
    "backtracker": Generator("recursive backtracker: long winding corridors, few dead ends", ("braid",), _backtracker),
    "wilson": Generator("loop-erased random walks: every perfect maze is equally likely", ("braid",), _wilson),
    "prim": Generator("Prim's: grows from one cell, with many short dead ends", ("braid",), _prim),
    "kruskal": Generator("Kruskal's: walls opened in random order, with many short dead ends", ("braid",), _join),
    "eller": Generator("Eller's: row by row, for mazes of any height", ("braid",), _eller),
    "division": Generator("recursive division: long straight walls with one gap each", ("braid",), _division),
    "rooms": Generator("rectangular rooms with doors, and corridors between them", ("room", "braid"), _rooms),
    "random": Generator("cells blocked at random, with a path from start to goal", ("density",), _random),
}

# Making -------------------------------------------------------------------------------------------------------------


def generate_maze(
    kind: str,
    rows: int,
    columns: int,
    *,
    seed: int = 0,
    start: Place = (0, 0),
    goal: Place | None = None,
    **options: float,
) -> Maze:
    """Generate a random maze with a given seed; the same arguments make the same maze on every machine.

    Args:
        kind: kind of maze, a name in `clew.mazes.generators.GENERATORS`: "backtracker", "wilson", "prim", "kruskal",
            "eller", "division", "rooms" or "random". Without `braid`, all but "rooms" and "random" are perfect mazes:
            there is exactly one path between any two cells.
        rows: number of rows.
        columns: number of columns.
        seed: seed of all random draws, at least 0.
        start: (row, column) of the start.
        goal: (row, column) of the goal; by default the bottom right corner.
        options: other keys of that kind: `braid` (share of the dead ends that are opened, 0 to 1, default 0; for all
            but "random"), `room` (longest side of a room in cells, 1 to 1000, default 7; for "rooms"), `density`
            (share of blocked cells, 0 to 1, default 0.3; for "random").

    Raises:
        MazeError: names the kind, key, value or place that is invalid, or says that the maze is too large or would take
            too long.

    >>> import clew
    >>> maze = clew.generate_maze("wilson", 3, 4, seed=1)
    >>> print(maze.to_text().rstrip())
    +---+---+---+---+
    | S             |
    +   +---+   +   +
    |   |   |   |   |
    +   +   +   +   +
    |   |       | G |
    +---+---+---+---+
    """
    generator = _find_generator(kind)
    _check_settings(kind, rows, columns, {"seed": seed, **options})
    rows, columns = int(rows), int(columns)  # as Python integers: NumPy's would overflow
    check_size(rows, columns)
    start = check_place("start", start, rows, columns)
    goal = check_place("goal", (rows - 1, columns - 1) if goal is None else goal, rows, columns)
    options = {key: options.get(key, KEYS[key].default) for key in generator.keys}
    first, last = (row * columns + column for row, column in (start, goal))
    cells = np.full(rows * columns, ALL_WALLS, np.uint8)
    maze = MazeDraft(cells, rows, columns, first, last, options, new_stream(seed))
    generator.carve(maze)
    if options.get("braid"):
        scattering.braid(cells, columns, float(options["braid"]), maze.stream)
    cells[last] |= GOAL
    return Maze(cells.reshape(rows, columns), start)


def eller_rows(columns: int, *, seed: int = 0, rows: int | None = None) -> Iterator[npt.NDArray[np.uint8]]:
    """Generate a maze with Eller's algorithm row by row, with two rows in memory.

    The rows are those of `generate_maze("eller", rows, columns, seed=seed)`, without the goal. The last row is closed
    below, and the regions that are still unconnected are joined in it. Without `rows` there is no last row.

    Args:
        columns: number of columns.
        seed: seed of all random draws, at least 0.
        rows: number of rows; None yields rows without end.

    Yields:
        (columns,) uint8, a row of cells with their walls, bits of `clew.kernels.dynamics`.

    Raises:
        MazeError: if rows, columns or the seed is not an integer in its range, or there are too many columns.
    """
    _check_settings("eller", 1 if rows is None else rows, columns, {"seed": seed})
    check_size(1, int(columns))
    return _carve_rows(int(columns), new_stream(seed), rows)


def _carve_rows(columns: int, stream: Stream, rows: int | None) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the rows of `eller_rows`; a generator function of its own, so that arguments are checked at the call."""
    cells = np.full(2 * columns, ALL_WALLS, np.uint8)
    room = np.empty((3, columns), np.int32)
    room[0] = np.arange(columns)
    row = 0
    while row != rows:
        row += 1
        carving.carve_row(cells, columns, 0, room, row == rows, stream)
        yield cells[:columns].copy()
        cells[:columns] = cells[columns:]
        cells[columns:] = ALL_WALLS


def _find_generator(kind: str) -> Generator:
    if not isinstance(kind, str) or kind not in GENERATORS:
        raise MazeError(f"unknown kind of maze {shown(kind)}; {choose_from(kind, GENERATORS)}")
    return GENERATORS[kind]


def _check_settings(kind: str, rows: int, columns: int, options: dict[str, float]) -> None:
    """Check size and keys of a maze to generate; raises a MazeError, as for all invalid recipes."""
    keys = ("seed", *_find_generator(kind).keys)
    for key in options:
        if key not in keys:
            raise MazeError(f"mazes of kind {kind!r} have no key {key!r}; their keys are {', '.join(keys)}")
    try:
        check_count("rows", rows, 1)
        check_count("columns", columns, 1)
        for key, value in options.items():
            KEYS[key].check(key, value)
    except SettingError as error:
        raise MazeError(str(error)) from None


# Recipes ------------------------------------------------------------------------------------------------------------


def is_recipe(text: str) -> bool:
    """Return whether a text has the form of a recipe, even an invalid one, and not that of a file name."""
    kind, colon, rest = text.partition(":")
    return kind in GENERATORS or (colon == ":" and re.match(r"[0-9]+x[0-9]+(?:$|:)", rest) is not None)


def parse_recipe(text: str) -> tuple[str, int, int, dict[str, float]]:
    """Parse a recipe, `KIND:ROWSxCOLUMNS[:key=value]...`.

    Returns:
        (kind, rows, columns, values by key, `seed` included).

    Raises:
        MazeError: if the kind is unknown or the recipe is not of that form. Keys and values are not checked here, but
            when the maze is made.
    """
    kind, _, rest = text.partition(":")
    if re.fullmatch(r"[0-9]+x[0-9]+", kind):
        raise MazeError(f"a recipe must begin with a kind of maze, such as wilson:{kind}")
    if kind == "open":
        size = rest.partition(":")[0] or "6x6"
        raise MazeError(f"an open grid isn't generated: give its size alone, {size}, as the name of the maze")
    _find_generator(kind)
    size, *settings = rest.split(":")
    rows_and_columns = parse_size(size)
    if rows_and_columns is None:
        raise MazeError(f"{kind} must be followed by a size, as in {kind}:20x30, not {size!r}")
    options: dict[str, float] = {}
    for each in settings:
        key, equals, value = each.partition("=")
        if not equals:
            raise MazeError(f"expected key=value after the size, as in {kind}:20x30:seed=3, got {each!r}")
        if key in options:
            raise MazeError(f"{key} is given twice")
        options[key] = _read_number(key, value)
    return kind, *rows_and_columns, options


def _read_number(key: str, text: str) -> float:
    """Return the value of a key as an int if it is written as one, else as a float."""
    if re.fullmatch(r"-?[0-9]{1,100}", text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        raise MazeError(f"{key} must be a number, not {text!r}") from None


def make_maze(recipe: str, *, start: Place | None = None, goal: Place | None = None) -> Maze:
    """Generate the maze of a recipe.

    Args:
        recipe: the recipe, such as `wilson:20x30:seed=3`.
        start: (row, column) of the start; by default the top left corner.
        goal: (row, column) of the goal; by default the bottom right corner.

    Raises:
        MazeError: if the recipe or a place is invalid.
    """
    kind, rows, columns, options = parse_recipe(recipe)
    _check_settings(kind, rows, columns, options)
    seed = options.pop("seed", 0)
    return generate_maze(
        kind, rows, columns, seed=int(seed), start=(0, 0) if start is None else start, goal=goal, **options
    )
