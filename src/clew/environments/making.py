"""What `gymnasium.make` and `gymnasium.make_vec` call: mazes by name, and observations of a kind."""

from pathlib import Path
from typing import Any, Unpack

import gymnasium
from gymnasium.vector import AutoresetMode

from clew.environments.checks import WorldSettings
from clew.environments.maze import Environment
from clew.environments.observations import MazeObservation
from clew.environments.vector import MazeVectorEnv
from clew.mazes import Maze, find_maze

__all__ = ["make_environment", "make_vector_environment"]


def make_environment(
    maze: Maze | str | Path | None = None, *, observation: str = "index", **settings: Unpack[WorldSettings]
) -> gymnasium.Env[Any, Any]:
    """Make an `Environment`, wrapped if it is to show something else than the state.

    Args:
        maze: a maze, or its name, as `clew.mazes.find_maze` takes it, or a file.
        observation: "index", "position" or "planes", see `clew.environments.observations`.
        settings: those of `Environment`.

    Raises:
        MazeError: if there is no maze of that name.
        SettingError: if a setting is out of range.
    """
    env = Environment(_found(maze), **settings)
    return env if observation == "index" else MazeObservation(env, observation)


# Gymnasium looks here for the render modes that it needn't add by a wrapper.
make_environment.metadata = Environment.metadata  # type: ignore[attr-defined]  # of a function, too


def make_vector_environment(
    num_envs: int = 1,
    maze: Maze | str | Path | None = None,
    *,
    observation: str = "index",
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    copy: bool = True,
    **settings: Unpack[WorldSettings],
) -> MazeVectorEnv:
    """Make a `MazeVectorEnv`, whose arguments these are; the maze may be a name.

    Raises:
        MazeError: if there is no maze of that name.
        SettingError: if a setting is out of range.
    """
    return MazeVectorEnv(
        num_envs, _found(maze), observation=observation, autoreset_mode=autoreset_mode, copy=copy, **settings
    )


def _found(maze: Maze | str | Path | None) -> Maze | None:
    return find_maze(str(maze)) if isinstance(maze, str | Path) else maze
