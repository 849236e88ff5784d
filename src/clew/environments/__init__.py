"""Worlds as Gymnasium environments. Only this package, and `clew.registration`, know Gymnasium."""

from clew.environments.checks import STEPS_PER_STATE, check_world, whole
from clew.environments.compiled import CompiledWorld, as_compiled
from clew.environments.maze import BAD_ACTION, Action, Environment

__all__ = [
    "BAD_ACTION",
    "STEPS_PER_STATE",
    "Action",
    "CompiledWorld",
    "Environment",
    "as_compiled",
    "check_world",
    "whole",
]
