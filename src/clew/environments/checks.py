"""Validation of the settings and actions of environments."""

from collections.abc import Mapping
from operator import index
from typing import Any, TypedDict

import numpy as np

from clew.errors import SettingError
from clew.mazes import Moves
from clew.mazes.formats import Place
from clew.settings import SHARE, check_count, check_number, shown

STEPS_PER_STATE = 100  # default step limit of an episode, per state
PARTS = {  # of what the methods of a Gymnasium environment return
    "reset": ("observation", "info"),
    "step": ("observation", "reward", "terminated", "truncated", "info"),
}


class WorldSettings(TypedDict, total=False):
    """Settings of `Environment` besides its maze, as keyword arguments that other functions pass to it."""

    random_start: bool
    random_goal: bool
    starts: Mapping[Place, float] | None
    goal_reward: float
    step_reward: float
    outer_wall_reward: float
    hazard_reward: float
    slip: float
    exit_action: bool
    moves: str | Moves
    max_episode_steps: int | None
    render_mode: str | None


def check_world(slip: float, max_episode_steps: int | None, **rewards: float) -> None:
    """Check the numbers among the settings of an environment.

    Args:
        slip: probability in [0, 1].
        max_episode_steps: step limit of at least 1, or None.
        rewards: rewards by name, finite numbers also as float32.

    Raises:
        SettingError: names the setting that is out of range.

    >>> from clew.environments import check_world
    >>> check_world(1.5, None)
    Traceback (most recent call last):
        ...
    clew.errors.SettingError: slip must be a finite number in [0, 1], not 1.5
    """
    check_number("slip", slip, SHARE)
    if max_episode_steps is not None:
        check_count("max_episode_steps", max_episode_steps, 1, 2**63 - 1)
    for name, reward in rewards.items():
        check_number(name, reward, single=True)


def as_integer(number: Any) -> int:
    """Return an integer (of Python or NumPy) as an int, and -1 for anything else, such as True, 1.0 or text."""
    try:
        return -1 if isinstance(number, bool | np.bool_) else index(number)
    except TypeError:
        return -1


def parts_of(returned: Any, source: str) -> tuple[Any, ...]:
    """Return what a method of an environment returned, after checking that it has the parts of Gymnasium's interface.

    Args:
        returned: what it returned.
        source: the method, "reset" or "step".

    Raises:
        SettingError: if it isn't a tuple of as many parts; environments of the older Gym return fewer.
    """
    names = PARTS[source]
    if not isinstance(returned, tuple) or len(returned) != len(names):
        given = f"{len(returned)} values" if isinstance(returned, tuple) else shown(returned)
        raise SettingError(
            f"the environment's {source} returned {given}; it must return ({', '.join(names)}), as in Gymnasium; an "
            "environment of the older Gym needs a wrapper"
        )
    return returned
