"""Worlds as Gymnasium environments. Only this package, and `clew.registration`, know Gymnasium."""

from clew.environments.checks import STEPS_PER_STATE, check_world, whole
from clew.environments.compiled import CompiledWorld, World, as_compiled, model_of
from clew.environments.foreign import make_gymnasium
from clew.environments.indexing import Indexed, SpaceIndex, as_discrete
from clew.environments.maze import BAD_ACTION, Action, Environment

__all__ = [
    "BAD_ACTION",
    "STEPS_PER_STATE",
    "Action",
    "CompiledWorld",
    "Environment",
    "Indexed",
    "SpaceIndex",
    "World",
    "as_compiled",
    "as_discrete",
    "check_world",
    "make_gymnasium",
    "model_of",
    "whole",
]
