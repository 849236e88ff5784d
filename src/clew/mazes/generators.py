"""Mazes that are made: a table of generators, and the recipes that name what they make.

A recipe is `KIND:ROWSxCOLUMNS`, followed by any number of `:key=value`, such as `wilson:64x64:seed=3:braid=0.5`. The
same recipe makes the same maze on every machine. A generator is a row of `GENERATORS`: a kernel, and what to say of it.
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
from clew.mazes.formats import Place, check_size, enclose
from clew.mazes.maze import Maze, check_place
from clew.settings import SHARE, check_count, check_number, choose_from

__all__ = ["GENERATORS", "KEYS", "Recipe", "eller_rows", "generate_maze", "is_recipe", "make_maze", "parse_recipe"]

MAX_STEPS = 2**31  # of Wilson's walks, by a rough estimate: some ten seconds, in which nothing can stop them


class Key(NamedTuple):
    """A setting of generators."""

    default: float
    check: Callable[[str, Any], None]  # raises a SettingError
    help: str


class Field(NamedTuple):
    """What a generator is to fill."""

    cells: carving.Cells  # (rows * columns,) all walls standing
    rows: int
    columns: int
    start: int  # a cell
    goal: int
    options: dict[str, float]
    stream: Stream


class Generator(NamedTuple):
    """A row of the table: what the mazes are like, the keys beside `seed`, and what carves them."""

    help: str
    keys: tuple[str, ...]
    carve: Callable[[Field], None]


class Recipe(NamedTuple):
    """What a recipe says."""

    kind: str
    rows: int
    columns: int
    options: dict[str, float]


_check_share = partial(check_number, bounds=SHARE)
KEYS = {
    "seed": Key(0, partial(check_count, least=0), "decides every draw"),
    "braid": Key(0.0, _check_share, "share of the dead ends that a wall is opened in, which makes loops"),
    "room": Key(7, partial(check_count, least=1, most=1000), "longest side of a room"),
    "density": Key(0.3, _check_share, "share of the cells that are blocked"),
}

# Generators ---------------------------------------------------------------------------------------------------------


def _backtracker(field: Field) -> None:
    first = carving.draw_below(field.cells.size, field.stream)
    carving.carve_backtracker(field.cells, field.columns, first, field.stream)


def _wilson(field: Field) -> None:
    shorter, longer = sorted((field.rows, field.columns))
    if shorter > 1 and field.cells.size * longer > MAX_STEPS * shorter:
        raise MazeError(
            f"a wilson maze of {field.rows} x {field.columns} cells would take too long, for its walks are random and "
            f"must find each other along it; choose another kind"
        )
    if shorter == 1:  # there is one tree
        _open(field)
    else:
        carving.carve_wilson(field.cells, field.columns, field.stream)


def _prim(field: Field) -> None:
    carving.carve_prim(field.cells, field.columns, np.empty(field.cells.size, np.int32), field.stream)


def _kruskal(field: Field) -> None:
    _join(field, between=0)


def _eller(field: Field) -> None:
    carving.carve_eller(field.cells, field.columns, np.empty((3, field.columns), np.int32), field.stream)


def _division(field: Field) -> None:
    _open(field)
    carving.carve_division(field.cells, field.columns, np.empty((32, 4), np.int64), field.stream)


def _rooms(field: Field) -> None:
    longest = int(field.options["room"])
    mean = 0.5 * (min(2, longest) + longest) + 1  # of a side, with the gap
    num_tries = math.ceil(2 * field.cells.size / mean**2)
    joining.place_rooms(field.cells, field.columns, longest, num_tries, field.stream)
    _join(field, between=joining.ROOM)
    carving.keep_walls(field.cells)


def _random(field: Field) -> None:
    scattering.scatter(field.cells, field.options["density"], field.start, field.goal, field.stream)
    queue = np.empty(field.cells.size, np.int32)
    scattering.clear_path(field.cells, field.columns, field.start, field.goal, queue)
    enclose(field.cells.reshape(field.rows, field.columns))


def _open(field: Field) -> None:
    """Take all walls away, but the edge."""
    field.cells[:] = 0
    enclose(field.cells.reshape(field.rows, field.columns))


def _join(field: Field, between: int) -> None:
    """Open walls between sets of cells in random order: any walls, or those at which one of these bits changes."""
    edges = np.empty(field.rows * (field.columns - 1) + field.columns * (field.rows - 1), np.int32)
    num_edges = joining.list_edges(field.cells, field.columns, between, edges)
    parents = np.empty(field.cells.size, np.int32)
    num_sets = joining.find_sets(field.cells, field.columns, parents)
    joining.carve_kruskal(field.cells, field.columns, edges[:num_edges], parents, num_sets, field.stream)


GENERATORS = {
    "backtracker": Generator("recursive backtracker: long winding ways, few dead ends", ("braid",), _backtracker),
    "wilson": Generator("loop-erased random walks: every perfect maze is equally likely", ("braid",), _wilson),
    "prim": Generator("Prim's: grows from one cell, with many short dead ends", ("braid",), _prim),
    "kruskal": Generator("Kruskal's: walls opened in random order, with many short dead ends", ("braid",), _kruskal),
    "eller": Generator("Eller's: row by row, for mazes of any height", ("braid",), _eller),
    "division": Generator("recursive division: long straight walls with one gap each", ("braid",), _division),
    "rooms": Generator("rectangular rooms with doors, and corridors between them", ("room", "braid"), _rooms),
    "random": Generator("blocked cells anywhere, with a way from start to goal", ("density",), _random),
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
    """Make a maze.

    Args:
        kind: a name in `GENERATORS`, such as `wilson`. All but `rooms` and `random` are perfect: one way, and no
            other, leads from any cell to any other.
        rows: number of rows.
        columns: number of columns.
        seed: decides every draw.
        start: where an episode begins.
        goal: the goal; by default the bottom right corner.
        options: other keys of that kind, see `KEYS`: `braid` for all but `random`, `room` for `rooms`, `density` for
            `random`.

    Raises:
        MazeError: names the kind, key, value or place that can't be right.
    """
    generator = _generator(kind)
    _check(kind, rows, columns, {"seed": seed, **options})
    rows, columns = int(rows), int(columns)  # NumPy's own numbers would count on in their few bits
    check_size(rows, columns)
    start = check_place("start", start, rows, columns)
    goal = check_place("goal", (rows - 1, columns - 1) if goal is None else goal, rows, columns)
    options = {key: options.get(key, KEYS[key].default) for key in generator.keys}
    first, last = (row * columns + column for row, column in (start, goal))
    cells = np.full(rows * columns, ALL_WALLS, np.uint8)
    field = Field(cells, rows, columns, first, last, options, new_stream(seed))
    generator.carve(field)
    if options.get("braid"):
        scattering.braid(cells, columns, float(options["braid"]), field.stream)
    cells[last] |= GOAL
    return Maze(cells.reshape(rows, columns), start)


def eller_rows(columns: int, *, seed: int = 0, rows: int | None = None) -> Iterator[npt.NDArray[np.uint8]]:
    """Rows of Eller's maze, one after another, in memory for two of them.

    The first rows are those of `generate_maze("eller", ...)` with the same seed. A maze ends with a row that differs:
    it is closed below, and what was still apart is joined in it.

    Args:
        columns: number of columns.
        seed: decides every draw.
        rows: end the maze after so many; None goes on for ever.

    Yields:
        (columns,) uint8, the walls of a row of cells, with bits of `clew.kernels.dynamics`.

    Raises:
        MazeError: if rows, columns or the seed is no whole number in its bounds, or there are too many columns.
    """
    _check("eller", 1 if rows is None else rows, columns, {"seed": seed})
    check_size(1, int(columns))
    return _rows(int(columns), new_stream(seed), rows)


def _rows(columns: int, stream: Stream, rows: int | None) -> Iterator[npt.NDArray[np.uint8]]:
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


def _generator(kind: str) -> Generator:
    if not isinstance(kind, str) or kind not in GENERATORS:
        raise MazeError(f"there is no kind of maze {kind!r}; {choose_from(kind, GENERATORS)}")
    return GENERATORS[kind]


def _check(kind: str, rows: int, columns: int, options: dict[str, float]) -> None:
    """Check what a maze is to be made by: with a wrong setting it is a maze that can't be right."""
    keys = ("seed", *_generator(kind).keys)
    for key in options:
        if key not in keys:
            raise MazeError(f"a maze of kind {kind!r} has no key {key!r}; it has {', '.join(keys)}")
    try:
        check_count("rows", rows, 1)
        check_count("columns", columns, 1)
        for key, value in options.items():
            KEYS[key].check(key, value)
    except SettingError as error:
        raise MazeError(str(error)) from None


# Recipes ------------------------------------------------------------------------------------------------------------


def is_recipe(text: str) -> bool:
    """Tell if a text is meant to be a recipe, be it right or wrong, rather than the name of a file."""
    kind, colon, rest = text.partition(":")
    return kind in GENERATORS or (colon == ":" and re.match(r"[0-9]+x[0-9]+(?:$|:)", rest) is not None)


def parse_recipe(text: str) -> Recipe:
    """Read `KIND:ROWSxCOLUMNS[:key=value]...`.

    Raises:
        MazeError: if it is not of that form. Whether the kind has such keys and such values, `generate_maze` checks.
    """
    kind, _, rest = text.partition(":")
    if re.fullmatch(r"[0-9]+x[0-9]+", kind):
        raise MazeError(f"a recipe begins with the kind of maze, such as wilson:{kind}")
    _generator(kind)
    size, *settings = rest.split(":")
    match = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", size)
    if match is None:
        raise MazeError(f"{kind} needs a size, as in {kind}:20x30, not {size!r}")
    options: dict[str, float] = {}
    for each in settings:
        key, equals, value = each.partition("=")
        if not equals:
            raise MazeError(f"after the size a recipe has key=value, as in {kind}:20x30:seed=3, not {each!r}")
        if key in options:
            raise MazeError(f"{key} is given twice")
        options[key] = _read_number(key, value)
    return Recipe(kind, int(match[1]), int(match[2]), options)


def _read_number(key: str, text: str) -> float:
    if re.fullmatch(r"-?[0-9]{1,100}", text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        raise MazeError(f"{key} must be a number, not {text!r}") from None


def make_maze(recipe: str, *, start: Place | None = None, goal: Place | None = None) -> Maze:
    """Make the maze of a recipe, from corner to corner unless start or goal are given.

    Raises:
        MazeError: if the recipe, or a place, can't be right.
    """
    kind, rows, columns, options = parse_recipe(recipe)
    _check(kind, rows, columns, options)
    seed = options.pop("seed", 0)
    return generate_maze(
        kind, rows, columns, seed=int(seed), start=(0, 0) if start is None else start, goal=goal, **options
    )
