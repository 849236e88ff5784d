"""Construction of Gymnasium's environments by their IDs."""

from typing import Any

import gymnasium

from clew.environments.compiled import as_compiled
from clew.environments.indexing import as_discrete
from clew.errors import SettingError
from clew.settings import nearest, shown


def make_gymnasium(env_id: str, **settings: Any) -> Any:
    """Make a Gymnasium environment with integer states and actions, for tabular learning.

    If Gymnasium's environment has a transition table (FrozenLake, Taxi, CliffWalking), it can also be solved, and it is
    simulated by compiled kernels. Actions that Taxi's `action_mask` excludes aren't available.

    Args:
        env_id: ID of the environment, such as "FrozenLake-v1"; "module:ID" imports the module first.
        settings: settings of the environment and of `gymnasium.make`, such as `is_slippery=False`.

    Returns:
        The environment; if its spaces aren't `Discrete` from 0, wrapped by `as_discrete`.

    Raises:
        SettingError: if there is no such environment (lists similar IDs), it can't be made (says why), or its spaces
            are infinite or too large.

    >>> import clew
    >>> env = clew.make_gymnasium("FrozenLake-v1", is_slippery=False)
    >>> env.observation_space, env.action_space
    (Discrete(16), Discrete(4))
    >>> clew.solve(env, gamma=1.0).value
    1.0
    """
    if not isinstance(env_id, str):
        raise SettingError(f"expected the ID of an environment, such as 'FrozenLake-v1', got {shown(env_id)}")
    name = env_id.rpartition(":")[2]
    if ":" not in env_id and name not in gymnasium.registry:
        similar = ", ".join(nearest(name, gymnasium.registry, most=5))
        suggestion = f"similar IDs are {similar}" if similar else "gymnasium.pprint_registry() lists all"
        raise SettingError(f"Gymnasium has no environment {env_id!r}; {suggestion}")
    try:
        env = gymnasium.make(env_id, **settings)
    except Exception as error:  # a constructor may raise anything
        said = str(error).strip() or "no reason given"
        raise SettingError(f"{env_id} can't be made: {type(error).__name__}: {said}") from error
    if as_compiled(env) is not None:
        return env
    try:
        return as_discrete(env)
    except SettingError:
        env.close()
        raise
