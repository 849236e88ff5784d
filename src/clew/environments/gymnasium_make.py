"""Gymnasium's environments by their IDs."""

from typing import Any

import gymnasium

from clew.environments.compiled import as_compiled
from clew.environments.indexing import as_discrete
from clew.errors import SettingError
from clew.settings import nearest

__all__ = ["make_gymnasium"]


def make_gymnasium(env_id: str, **settings: Any) -> Any:
    """Make an environment of Gymnasium's, ready to train in; where it has a table of transitions, ready to solve.

    Args:
        env_id: name with version, such as "FrozenLake-v1"; "module:name" imports the module first.
        settings: those of the environment and of `gymnasium.make`, such as `is_slippery=False`.

    Returns:
        The environment, with integers for observations and actions, see `as_discrete`.

    Raises:
        SettingError: if there is no such environment (it lists names that are near), it can't be made (it says why),
            or has spaces that tables can't number.
    """
    if not isinstance(env_id, str):
        raise SettingError(f"the ID of an environment is text, such as 'FrozenLake-v1', not {env_id!r}")
    name = env_id.rpartition(":")[2]
    if ":" not in env_id and name not in gymnasium.registry:
        raise SettingError(f"Gymnasium knows no environment {env_id!r}{_near(name)}")
    try:
        env = gymnasium.make(env_id, **settings)
    except Exception as error:  # whatever a constructor of somebody else's raises
        said = str(error).strip() or "no reason given"
        raise SettingError(f"{env_id} can't be made: {type(error).__name__}: {said}") from error
    if as_compiled(env) is not None:
        return env
    try:
        return as_discrete(env)
    except SettingError:
        env.close()
        raise


def _near(name: str) -> str:
    """Names like this one, for the end of an error."""
    near = nearest(name, gymnasium.registry, most=5)
    return f"; near names are {', '.join(near)}" if near else "; gymnasium.pprint_registry() lists those there are"
