"""What settings and actions of a world must be like."""

from operator import index
from typing import Any, TypedDict

import numpy as np

from clew.mazes import Moves
from clew.settings import SHARE, check_count, check_number

__all__ = ["STEPS_PER_STATE", "WorldSettings", "check_world", "whole"]

STEPS_PER_STATE = 100  # the step limit of an episode where nobody sets one


class WorldSettings(TypedDict, total=False):
    """Settings of an `Environment` beside its maze, for what makes one and passes them on."""

    random_start: bool
    random_goal: bool
    goal_reward: float
    step_reward: float
    outer_wall_reward: float
    hazard_reward: float
    slip: float
    moves: str | Moves
    max_episode_steps: int | None
    render_mode: str | None


def check_world(slip: float, max_episode_steps: int | None, **rewards: float) -> None:
    """Check the settings of a world.

    Raises:
        SettingError: names the one that is out of range.
    """
    check_number("slip", slip, SHARE)
    if max_episode_steps is not None:
        check_count("max_episode_steps", max_episode_steps, 1, 2**63 - 1)
    for name, reward in rewards.items():
        check_number(name, reward, single=True)


def whole(number: Any) -> int:
    """A number as an int, if it is a whole one by its type (NumPy's do, True and 1.0 don't); else -1."""
    try:
        return -1 if isinstance(number, bool | np.bool_) else index(number)
    except TypeError:
        return -1
