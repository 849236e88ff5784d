"""Mazes and models as Gymnasium environments, and Gymnasium environments as models.

Only this package and `clew.registration` import Gymnasium.
"""

from clew.environments.checks import STEPS_PER_STATE, WorldSettings, as_integer, check_world, parts_of
from clew.environments.compiled import World, as_compiled, model_of
from clew.environments.gymnasium_make import make_gymnasium
from clew.environments.indexing import Indexed, SpaceIndex, as_discrete
from clew.environments.making import make_environment, make_vector_environment
from clew.environments.maze import ACTION_ERROR, Action, Environment
from clew.environments.model import ModelEnvironment
from clew.environments.observations import OBSERVATIONS, PLANES, MazeObservation
from clew.environments.vector import MazeVectorEnv

__all__ = [
    "ACTION_ERROR",
    "OBSERVATIONS",
    "PLANES",
    "STEPS_PER_STATE",
    "Action",
    "Environment",
    "Indexed",
    "MazeObservation",
    "MazeVectorEnv",
    "ModelEnvironment",
    "SpaceIndex",
    "World",
    "WorldSettings",
    "as_compiled",
    "as_discrete",
    "as_integer",
    "check_world",
    "make_environment",
    "make_gymnasium",
    "make_vector_environment",
    "model_of",
    "parts_of",
]
