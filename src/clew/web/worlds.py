"""The worlds that the page opens: their names, their limits, and what they set. Independent of the browser."""

from dataclasses import replace
from typing import Any

from clew.environments import Environment
from clew.environments.gallery import GALLERY, make_world
from clew.errors import MazeError, SettingError
from clew.mazes import Maze
from clew.mazes.catalogue import size_of
from clew.mazes.generators import GENERATORS
from clew.runs.configuration import MAZE_SETTINGS, TrainingConfig
from clew.settings import did_you_mean

MAZE_HELP = "a size (10x12), a recipe (wilson:20x30:seed=3), or book"
MAX_NAME = 200  # characters of the name of a world
MAX_SIDE = 512  # rows or columns; the browser can't draw larger mazes smoothly
# The settings that opening another world resets, with their defaults.
WORLD_DEFAULTS: dict[str, Any] = {name: getattr(TrainingConfig, name) for name in (*MAZE_SETTINGS, "gamma")}


def check_name(name: str) -> tuple[int, int] | None:
    """Check the name of a world that a visitor has typed; files of the server are refused.

    Returns:
        (rows, columns) of `book`, a size or a recipe; None for a world of the gallery.

    Raises:
        ClewError: if the name is any other.
    """
    if len(name) > MAX_NAME:
        raise MazeError(f"the name of a maze has up to {MAX_NAME} characters, not {len(name):,}")
    size = size_of(name)
    if size is None and name not in GALLERY:
        question = did_you_mean(name, ["book", *GENERATORS, *GALLERY])
        raise MazeError(
            f"no maze is called {name!r}: {question}{'Give' if question else 'give'} a size such as '10x12', a recipe "
            "such as 'wilson:10x12', or a world of the list; a file of yours can be uploaded"
        )
    return size


def check_drawable(rows: int, columns: int) -> None:
    """Check that the page can draw a maze.

    Raises:
        SettingError: if it is too large.
    """
    if max(rows, columns) > MAX_SIDE:
        raise SettingError(f"the page draws up to {MAX_SIDE} x {MAX_SIDE} cells, not {rows} x {columns}")


def find_world(config: TrainingConfig) -> tuple[TrainingConfig, Maze]:
    """Return the settings and the maze for the name `config.maze`.

    A world of the gallery replaces settings of the world, such as rewards, and the discount, by its own.

    Raises:
        ClewError: if there is no such maze, or the world is not a maze.
    """
    size = check_name(config.maze)
    if size is not None:
        check_drawable(*size)  # before the maze is made
        return config, config.make_maze()
    world = make_world(config.maze)
    if not isinstance(world, Environment):
        raise SettingError(f"{config.maze!r} is not a maze; the playground shows mazes only")
    assert world.spec is not None  # every Environment has one
    own_settings = {name: value for name, value in world.spec.kwargs.items() if name in MAZE_SETTINGS}
    own_settings["gamma"] = GALLERY[config.maze].gamma
    return replace(config, maze=f"{world.maze.rows}x{world.maze.columns}", **own_settings), world.maze
