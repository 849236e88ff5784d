"""Mazes by name: what a user may write where a maze is asked for."""

import re
from collections.abc import Iterable
from pathlib import Path

from clew.errors import MazeError
from clew.mazes.formats import Place, Reading, check_effect, list_endings
from clew.mazes.generators import GENERATORS, is_recipe, make_maze
from clew.mazes.maze import Maze
from clew.settings import did_you_mean

__all__ = ["find_maze", "parse_scenario"]

SIZE = re.compile(r"([0-9]{1,9})x([0-9]{1,9})")


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
    """Find the maze that a name stands for.

    Args:
        name: `book` (the chapter's 5x5), `RxC` such as `10x12` (open, from corner to corner), a recipe such as
            `wilson:10x12:seed=3` (see `clew.mazes.generators`), or a file.
        start: start, in place of the maze's own.
        goal: goal, in place of the maze's own.
        scenario: `FILE.scen:ROW`, start and goal from MovingAI's problems; only with a file.
        unknown_walls: `wall` or `open`: what stands where a `.maze` file doesn't know.
        cell_size: pixels to each side of a cell, of a `.png` file.
        worlds: names of worlds that may stand in its place where it's asked for; said if there is no such maze.

    Raises:
        MazeError: if there is no such maze, or it can't be right.
        SettingError: if `unknown_walls` or `cell_size` is out of range, or has no effect on this maze.
    """
    size = SIZE.fullmatch("5x5" if name == "book" else name)
    if size or is_recipe(name):
        if scenario is not None:
            raise MazeError(f"a scenario needs the map file that it was made for, not {name!r}")
        check_effect(name, "", Reading(unknown_walls, cell_size))
        if size is None:
            return make_maze(name, start=start, goal=goal)
        return Maze.open(int(size[1]), int(size[2]), start=(0, 0) if start is None else start, goal=goal)
    if not Path(name).suffix and not Path(name).exists():
        question = did_you_mean(name, ["book", *GENERATORS, *worlds])
        others = ", a world that `clew worlds` lists, or gym:ID" if worlds else ""
        raise MazeError(
            f"no maze is called {name!r}: {question}{'Give' if question else 'give'} 'book', a size such as '10x12', "
            f"a recipe such as 'wilson:10x12', {'' if others else 'or '}a {list_endings()} file{others}"
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
    """Split `FILE.scen:ROW`.

    Raises:
        MazeError: if it is not of that form.
    """
    path, colon, row = text.rpartition(":")
    if not colon or not path or not (row.isascii() and row.isdigit() and len(row) <= 9):
        raise MazeError(f"a scenario is FILE.scen:ROW, with rows counted from 0, not {text!r}")
    return path, int(row)
