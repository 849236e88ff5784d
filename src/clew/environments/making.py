"""Entry points of `gymnasium.make` and `gymnasium.make_vec` for `clew/Maze-v0`."""

from pathlib import Path
from typing import Any, Unpack

import gymnasium
from gymnasium.vector import AutoresetMode

from clew.environments.checks import WorldSettings
from clew.environments.maze import Environment
from clew.environments.observations import OBSERVATIONS, MazeObservation
from clew.environments.vector import MazeVectorEnv
from clew.mazes import Maze, find_maze
from clew.settings import check_choice


def make_environment(
    maze: Maze | str | Path | None = None, *, observation: str = "index", **settings: Unpack[WorldSettings]
) -> gymnasium.Env[Any, Any]:
    """Make an `Environment`, in a `MazeObservation` unless its observations are states.

    Args:
        maze: a maze, a file, or a name for `clew.mazes.find_maze`; by default the open 5x5 grid of the book's chapter.
        observation: "index", "position" or "planes", see `clew.environments.observations`.
        settings: settings of `Environment`.

    Raises:
        MazeError: if there is no maze of that name.
        SettingError: if a setting is out of range.

    >>> from clew.environments import make_environment
    >>> env = make_environment("4x6", observation="position")
    >>> env.reset(seed=1)[0].tolist()
    [0, 0]
    """
    check_choice("observation", observation, OBSERVATIONS)
    env = Environment(_resolve_maze(maze), **settings)
    return env if observation == "index" else MazeObservation(env, observation)


# Gymnasium reads here which render modes are supported without a wrapper.
make_environment.metadata = Environment.metadata  # type: ignore[attr-defined]  # functions have attributes too


def make_vector_environment(
    num_envs: int = 1,
    maze: Maze | str | Path | None = None,
    *,
    observation: str = "index",
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    copy: bool = True,
    **settings: Unpack[WorldSettings],
) -> MazeVectorEnv:
    """Make a `MazeVectorEnv`.

    Args:
        num_envs: number of environments.
        maze: a maze, a file, or a name for `clew.mazes.find_maze`; by default the open 5x5 grid of the book's chapter.
        observation: see `MazeVectorEnv`.
        autoreset_mode: see `MazeVectorEnv`.
        copy: see `MazeVectorEnv`.
        settings: settings of `Environment`.

    Raises:
        MazeError: if there is no maze of that name.
        SettingError: if a setting is out of range.

    >>> from clew.environments import make_vector_environment
    >>> envs = make_vector_environment(3, "4x6")
    >>> envs.reset(seed=1)[0].tolist()
    [0, 0, 0]
    """
    return MazeVectorEnv(
        num_envs, _resolve_maze(maze), observation=observation, autoreset_mode=autoreset_mode, copy=copy, **settings
    )


def _resolve_maze(maze: Maze | str | Path | None) -> Maze | None:
    return find_maze(str(maze)) if isinstance(maze, str | Path) else maze
