"""Mazes by name: the book's maze, sizes, recipes and files."""

from collections.abc import Iterable
from pathlib import Path

from clew.errors import MazeError
from clew.mazes.formats import FileOptions, Place, check_options_apply, list_extensions, parse_size
from clew.mazes.generators import GENERATORS, is_recipe, make_maze, parse_recipe
from clew.mazes.maze import Maze
from clew.settings import check_type, did_you_mean

BOOK = "5x5"  # size of the book's maze


def size_of(name: str) -> tuple[int, int] | None:
    """Return (rows, columns) of `book`, a size or a recipe, without making the maze; None for any other name.

    Raises:
        MazeError: if a recipe is not of the right form, or a size is far too large.
    """
    size = parse_size(BOOK if name == "book" else name)
    if size is not None:
        return size
    return parse_recipe(name)[1:3] if is_recipe(name) else None


def find_maze(
    name: str,
    *,
    start: Place | None = None,
    goal: Place | None = None,
    scenario: str | None = None,
    unknown_walls: str = "wall",
    cell_size: int = 1,
    worlds: Iterable[str] = (),
) -> Maze:
    """Return the maze of a name: the book's maze, a size, a recipe or a file.

    Args:
        name: `book` (the open 5x5 grid of the book's chapter), `ROWSxCOLUMNS` such as `10x12` (an open grid, from
            corner to corner), a recipe such as `wilson:10x12:seed=3` (see `clew.mazes.generators`), or a file.
        start: (row, column) of the start, instead of the maze's own.
        goal: (row, column) of the goal, instead of the maze's own.
        scenario: `FILE.scen:ROW`, start and goal of a problem of MovingAI's benchmark; only with a file.
        unknown_walls: `wall` or `open`: how unknown walls of a micromouse file, or unexplored cells of a picture of an
            occupancy map, are read.
        cell_size: pixels per side of a cell, of a `.png` or `.pgm` file.
        worlds: names of worlds that the caller accepts besides mazes; used in the error if there is no such maze.

    Raises:
        MazeError: if there is no such maze, or it is invalid.
        SettingError: if `unknown_walls` or `cell_size` is out of range, or has no effect on this maze.

    >>> from clew.mazes import find_maze
    >>> find_maze("wilson:10x12:seed=3"), find_maze("6x6")
    (Maze(10x12, start=(0, 0), goals=((9, 11),)), Maze(6x6, start=(0, 0), goals=((5, 5),)))
    """
    check_type("name", name, str, "a name or a path as text")
    size = parse_size(BOOK if name == "book" else name)
    if size or is_recipe(name):
        if scenario is not None:
            raise MazeError(f"a scenario must be given with the map file that it is for, not with {name!r}")
        check_options_apply(name, (), FileOptions(unknown_walls, cell_size))
        if size is None:
            return make_maze(name, start=start, goal=goal)
        return Maze.open(*size, start=(0, 0) if start is None else start, goal=goal)
    if not Path(name).suffix and not Path(name).exists():
        question = did_you_mean(name, ["book", *GENERATORS, *worlds])
        others = ", a world that `clew worlds` lists, or gym:ID" if worlds else ""
        raise MazeError(
            f"no maze is called {name!r}: {question}{'Give' if question else 'give'} 'book', a size such as '10x12', "
            f"a recipe such as 'wilson:10x12', {'' if others else 'or '}a {list_extensions()} file{others}"
        )
    return Maze.load(
        name,
        start=start,
        goal=goal,
        scenario=None if scenario is None else parse_scenario(scenario),
        unknown_walls=unknown_walls,
        cell_size=cell_size,
    )


def parse_scenario(text: str) -> tuple[str, int]:
    """Split `FILE.scen:ROW` into path and row.

    Raises:
        MazeError: if it is not of that form.
    """
    path, colon, row = text.rpartition(":")
    if not colon or not path or not (row.isascii() and row.isdigit() and len(row) <= 9):
        raise MazeError(f"a scenario must be FILE.scen:ROW, with rows counted from 0, not {text!r}")
    return path, int(row)
