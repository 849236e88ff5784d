"""Environments whose dynamics are known as arrays, so that compiled kernels can simulate them."""

from typing import Any, TypeGuard
from weakref import WeakKeyDictionary

import gymnasium
import numpy as np

from clew.environments.maze import Environment
from clew.environments.model import ModelEnvironment
from clew.environments.observations import MazeObservation
from clew.errors import ModelError, SettingError
from clew.mazes import Maze
from clew.models.mdp import FiniteMDP
from clew.models.rows import class_path, has_replaced_methods, unwrap_transparent

World = gymnasium.Env[Any, Any] | FiniteMDP | Maze  # types for which `model_of` may find a model

# Gymnasium's environments whose step draws an outcome of their table P and does nothing else. For other classes with a
# table P, subclasses included, that is not known.
TABLE_ENVIRONMENTS = {
    "gymnasium.envs.toy_text.cliffwalking:CliffWalkingEnv",
    "gymnasium.envs.toy_text.frozen_lake:FrozenLakeEnv",
    "gymnasium.envs.toy_text.taxi:TaxiEnv",
}


def as_compiled(env: Any) -> ModelEnvironment | None:
    """Return an environment whose `mdp` describes all that `env` does, or None if there is no such model.

    A model exists for a `FiniteMDP`, an `Environment`, a `ModelEnvironment`, and for the environments of Gymnasium in
    `TABLE_ENVIRONMENTS`, also inside wrappers that don't change steps. Other wrappers and subclasses may change what a
    step does, so they have none.

    The step limit is the smallest of those of the `TimeLimit` wrappers and of the environment itself; without any, it
    is the default of `ModelEnvironment`.

    Args:
        env: any object.
    """
    if isinstance(env, FiniteMDP):
        return ModelEnvironment(env)
    inner, limit = unwrap_transparent(env)
    if _follows_model(inner):
        if limit is None or limit >= inner.max_episode_steps:
            return inner
        return ModelEnvironment(inner.mdp, max_episode_steps=limit, actions=inner.actions, has_goal=inner.has_goal)
    mdp = _model_of_table(inner) if _follows_table(inner) else None
    return None if mdp is None else ModelEnvironment(mdp, max_episode_steps=limit)


def model_of(world: World) -> FiniteMDP:
    """Return the model of a world; step limits are not part of it.

    Args:
        world: a `FiniteMDP`, a `Maze` (with the default settings of `Environment`), or an environment for which
            `as_compiled` finds a model, also as a `MazeObservation`.

    Raises:
        SettingError: if `world` is not a model, a maze or a Gymnasium environment.
        ModelError: if an environment has no model, or may not follow it; says why.
    """
    if isinstance(world, FiniteMDP):
        return world
    if isinstance(world, Maze):
        return Environment(world).mdp
    inner, _ = unwrap_transparent(world)
    if isinstance(inner, MazeObservation):  # changes observations only
        inner, _ = unwrap_transparent(inner.env)
    if _follows_model(inner):
        return inner.mdp
    if not isinstance(inner, gymnasium.Env):
        raise SettingError(
            "expected a clew.Environment, a Maze, a FiniteMDP or a Gymnasium environment with a transition table P, "
            f"got a {type(world).__name__}"
        )
    if _follows_table(inner):
        return _model_of_table(inner) or FiniteMDP.from_gymnasium(inner)  # raises the error
    for model, asked in (("mdp", "env.unwrapped.mdp"), ("P", "clew.FiniteMDP.from_gymnasium(env.unwrapped)")):
        if hasattr(inner.unwrapped, model):
            raise ModelError(
                f"{type(inner).__name__} may not follow its model {model}: it is a wrapper, a subclass or another "
                f"class, which may change steps, or its step was replaced; to use {model} anyway, pass {asked}"
            )
    return FiniteMDP.from_gymnasium(inner)  # raises an error: there is no table


def _follows_model(env: Any) -> TypeGuard[ModelEnvironment]:
    """Return whether an object is an `Environment` or `ModelEnvironment`, no subclass, with its own step and reset."""
    return type(env) in (Environment, ModelEnvironment) and not has_replaced_methods(env)


def _follows_table(env: Any) -> bool:
    """Return whether the class of an object is in `TABLE_ENVIRONMENTS`, no subclass, with its own step and reset."""
    return class_path(env) in TABLE_ENVIRONMENTS and not has_replaced_methods(env)


# Cache of models of tables --------------------------------------------------------------------------------------------


# Models of environments with a table, after copies of what they were made from, which detect changes.
_CACHE: "WeakKeyDictionary[gymnasium.Env[Any, Any], tuple[tuple[Any, ...], FiniteMDP]]" = WeakKeyDictionary()


def _model_of_table(env: Any) -> FiniteMDP | None:
    """Return the model of an environment that follows its table `P`; None if the table is incomplete or invalid.

    Actions that its method `action_mask` masks in a state, as Taxi's does, aren't available there.
    The model is cached as long as the environment lives. Since users may change the table, it is compared each time
    with the one that the model was made from; where rows are the same objects, that takes less than a millisecond.
    """
    try:
        other_inputs = (
            np.asarray(env.initial_state_distrib).tobytes(),
            env.observation_space.n,
            env.action_space.n,
            getattr(env, "fickle_passenger", False),
        )
        inputs, mdp = _CACHE.get(env, (None, None))
        if inputs != (env.P, *other_inputs):
            mdp = FiniteMDP.from_gymnasium(env)
            _CACHE[env] = (_copy_table(env.P), *other_inputs), mdp
    except (ModelError, AttributeError, TypeError, ValueError):
        return None  # hidden state or an invalid table: the environment can still be stepped
    return mdp


def _copy_table(table: Any) -> dict[Any, Any]:
    """Return a copy of a table in which each row is a tuple.

    Rows that are tuples can't change and are shared, so that comparing them is fast. Rows of other types never compare
    equal to their copy, so that their model is made again each time.
    """
    return {s: {a: [tuple(row) for row in rows] for a, rows in actions.items()} for s, actions in table.items()}
