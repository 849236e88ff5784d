"""Worlds that kernels can play, for they are given as arrays too."""

from typing import Any, NamedTuple, TypeGuard
from weakref import WeakKeyDictionary

import gymnasium
import numpy as np

from clew.environments.maze import Environment
from clew.environments.model import ModelEnvironment
from clew.environments.observations import MazeObservation
from clew.errors import ModelError, SettingError
from clew.mazes import Maze
from clew.models.mdp import FiniteMDP
from clew.models.rows import full_name, is_replaced, look_through

__all__ = ["World", "as_compiled", "model_of"]

World = gymnasium.Env[Any, Any] | FiniteMDP | Maze  # what may have a model

# Gymnasium's environments whose step is a draw from their table P, and nothing else. What others do with a table of
# that name isn't known: a subclass may change a step.
STEP_BY_TABLE = {
    "gymnasium.envs.toy_text.cliffwalking:CliffWalkingEnv",
    "gymnasium.envs.toy_text.frozen_lake:FrozenLakeEnv",
    "gymnasium.envs.toy_text.taxi:TaxiEnv",
}


def as_compiled(env: Any) -> ModelEnvironment | None:
    """A world whose `mdp` says all that `env` does, so that kernels can play it; None if there is none.

    A wrapper or a subclass may change what a step does, so only those known not to are looked through. Of Gymnasium's
    environments that step by a table the table is taken. Of several step limits the least holds: those of `TimeLimit`s
    round it, and its own. A model without one gets that of an environment that has none.
    """
    if isinstance(env, FiniteMDP):
        return ModelEnvironment(env)
    inner, limit = look_through(env)
    if _steps_by_model(inner):
        if limit is None or limit >= inner.max_episode_steps:
            return inner
        return ModelEnvironment(inner.mdp, max_episode_steps=limit, actions=inner.actions)
    mdp = _model_of_table(inner) if _steps_by_table(inner) else None
    return None if mdp is None else ModelEnvironment(mdp, max_episode_steps=limit)


def model_of(world: World) -> FiniteMDP:
    """The model of a world, without a step limit.

    Raises:
        SettingError: if it is no world.
        ModelError: if an environment has no model, or may do something else than its model says; it says why.
    """
    if isinstance(world, FiniteMDP):
        return world
    if isinstance(world, Maze):
        return Environment(world).mdp
    inner, _ = look_through(world)
    if isinstance(inner, MazeObservation):  # which shows something else, and changes no step
        inner, _ = look_through(inner.env)
    if _steps_by_model(inner):
        return inner.mdp
    if not isinstance(inner, gymnasium.Env):
        raise SettingError(
            f"the model of a {type(world).__name__} is not known; give a clew.Environment, a FiniteMDP, or an "
            "environment of Gymnasium's that has a table P"
        )
    if _steps_by_table(inner):
        return _model_of_table(inner) or FiniteMDP.from_gymnasium(inner)  # which says why there is none
    for model, asked in (("mdp", "env.unwrapped.mdp"), ("P", "clew.FiniteMDP.from_gymnasium(env.unwrapped)")):
        if hasattr(inner.unwrapped, model):
            raise ModelError(
                f"{type(inner).__name__} may do something else than {model} says: its class is not one that is known "
                f"to step by it, or its step was replaced; to take {model} for its model all the same, give {asked}"
            )
    return FiniteMDP.from_gymnasium(inner)  # which says that there is no table


def _steps_by_model(env: Any) -> TypeGuard[ModelEnvironment]:
    """Tell if a step is what the model says, and nothing else."""
    return type(env) in (Environment, ModelEnvironment) and not is_replaced(env)


def _steps_by_table(env: Any) -> bool:
    """Tell if a step is a draw from the table P, and nothing else."""
    return full_name(env) in STEP_BY_TABLE and not is_replaced(env)


# Tables that have been read -------------------------------------------------------------------------------------------


class _Read(NamedTuple):
    """A model, and what it was made of, by which a change is noticed."""

    table: dict[Any, Any]
    rest: tuple[Any, ...]
    mdp: FiniteMDP


_READ: "WeakKeyDictionary[gymnasium.Env[Any, Any], _Read]" = WeakKeyDictionary()


def _model_of_table(env: Any) -> FiniteMDP | None:
    """The model of an environment of Gymnasium's that steps by its table; None if the table doesn't tell all.

    It is kept for as long as the environment is. Users may change a table, so it is compared each time with what the
    model was made of; where rows are the same objects that takes a fraction of a millisecond.
    """
    try:
        read, rest = _READ.get(env), _rest(env)
        if read is None or read.table != env.P or read.rest != rest:
            _READ[env] = read = _Read(_copied(env.P), rest, FiniteMDP.from_gymnasium(env))
    except (ModelError, AttributeError, TypeError, ValueError):
        return None  # hidden state, or a table that isn't as it was; the environment itself may know what to do
    return read.mdp


def _copied(table: Any) -> dict[Any, Any]:
    """A copy that notices changes: rows that are tuples are kept, for they can't change; others never compare equal."""
    return {s: {a: [tuple(row) for row in rows] for a, rows in actions.items()} for s, actions in table.items()}


def _rest(env: Any) -> tuple[Any, ...]:
    """What else a model is made of."""
    sizes = env.observation_space.n, env.action_space.n
    return np.asarray(env.initial_state_distrib).tobytes(), sizes, getattr(env, "fickle_passenger", False)
