"""The worlds that the page opens: their names, limits, settings and optimum. Independent of the browser."""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.environments import Environment
from clew.environments.gallery import GALLERY, make_world
from clew.errors import MazeError, SettingError
from clew.evaluation.exact import policy_values
from clew.learning.explanations import Explanation
from clew.learning.trainer import Trainer
from clew.mazes import Maze
from clew.mazes.catalogue import size_of
from clew.mazes.generators import GENERATORS
from clew.planning import Solution, solve
from clew.policies.stepwise import Choice
from clew.reference import Transition
from clew.rendering.paths import follow_policy
from clew.runs.configuration import MAZE_SETTINGS, TrainingConfig
from clew.settings import did_you_mean

MAZE_HELP = "a size (10x12), a recipe (wilson:20x30:seed=3), or book"
MAX_NAME = 200  # characters of the name of a world
MAX_EVALUATED_CELLS = 20_000  # in larger mazes it takes too long to compute the optimal return
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


class PlaygroundWorld(NamedTuple):
    """A maze, its learner and its optimum. Replaced as a whole, so that other threads see parts that fit together."""

    number: int  # differs for every version of the maze
    env: Environment
    trainer: Trainer
    optimum: Solution
    optimal_path: list[int]  # cells of an optimal path from the start, as if no move slipped
    optimal_return: float  # expected undiscounted return of the optimal policy; infinite if it wasn't computed

    @classmethod
    def create(cls, number: int, env: Environment, trainer: Trainer, gamma: float) -> "PlaygroundWorld":
        """Return the world with its optimum; the optimal return is computed up to `MAX_EVALUATED_CELLS` cells."""
        optimum = solve(env, gamma=gamma)
        num_cells = env.maze.cells.size
        path = greedy_path(env, optimum.q, np.ones(num_cells, np.bool_))
        optimal_return = (
            policy_values(env, optimum.q, gamma=1.0).value if num_cells <= MAX_EVALUATED_CELLS else math.inf
        )
        return cls(number, env, trainer, optimum, path, optimal_return)


class LastStep(NamedTuple):
    """A step and its update, with the world and the settings. Set as a whole, so that all parts are of one step."""

    world: PlaygroundWorld
    config: TrainingConfig
    transition: Transition
    choice: Choice
    explanation: Explanation | None  # None if there is no equation


def greedy_path(env: Environment, q: npt.NDArray[np.floating], known: npt.NDArray[np.bool_]) -> list[int]:
    """Return the cells of the greedy path from the start, as if no move slipped.

    Args:
        env: maze with one state per cell.
        q: (num_states, num_actions), action values; of equal ones the first is followed.
        known: (num_states,), states in which something was learned; the path ends at the first other one.

    Returns:
        Cells, numbered from 0 row by row, from the start to a goal, or until nothing was learned, a wall stops the
        move, or the path returns to itself; empty if the start is random.
    """
    if env.maze.start is None:
        return []
    places = follow_policy(env.maze, env.moves, lambda s: int(q[s].argmax()) if known[s] else None)
    return [row * env.maze.columns + column for row, column in places]
