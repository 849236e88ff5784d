"""Kinds of observations of a maze: the state, places, or planes for neural networks.

    index     the state, an integer
    position  (row, column) of the seeker; with a random goal (row, column, goal row, goal column), and for a robot
              (row, column, heading)
    planes    (num_planes, rows, columns) float32, one plane of 0 and 1 for each of `PLANES`; a robot has a plane of
              the seeker for each heading

A kind of observation is a class with the space of one observation and a method that encodes many states at once.
`MazeObservation` (one environment) and `MazeVectorEnv` (many) both use it.
"""

from typing import Any, NamedTuple

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.utils import RecordConstructorArgs

from clew.environments.maze import Environment
from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.dynamics import GOAL, HAZARD, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.kernels.learning.stepping import find_places
from clew.settings import check_choice

# Walls are between cells, so there is a plane for each side of a cell; a blocked cell has walls on all four.
PLANES = ("wall_down", "wall_left", "wall_up", "wall_right", "hazard", "goal", "seeker")
_BITS = (WALL_DOWN, WALL_LEFT, WALL_UP, WALL_RIGHT, HAZARD, GOAL)
_GOAL, _SEEKER = PLANES.index("goal"), PLANES.index("seeker")

States = npt.NDArray[np.int64]


class PlaceDecoder(NamedTuple):
    """Decoder of states to places, for one environment."""

    num_cells: int
    columns: int
    goal_cell: int  # the first goal; -1 if the state includes a random goal
    num_headings: int

    @classmethod
    def of_environment(cls, env: Environment) -> "PlaceDecoder":
        """Return the decoder for the states of an environment."""
        goal_cell = -1 if env.random_goal else env.encode(env.goal, env.goal)
        return cls(env.maze.cells.size, env.maze.columns, goal_cell, env.moves.num_headings)

    def places(self, states: States) -> npt.NDArray[np.int64]:
        """Return row, column, goal row and goal column in (n,) states, as (n, 4) int64."""
        places = np.empty((states.size, 4), np.int64)
        if self.num_headings > 1:
            states = states % self.num_cells
        find_places(read_only(states), *self[:3], places)
        return places

    def headings(self, states: States) -> npt.NDArray[np.int64]:
        """Return the heading of the seeker in (n,) states, as (n,) int64; 0 for moves without headings."""
        return states // self.num_cells if self.num_headings > 1 else np.zeros_like(states)


class IndexEncoder:
    """Observations that are the state itself, `Discrete(num_states)`."""

    def __init__(self, env: Environment) -> None:
        self.space = Discrete(env.mdp.num_states)

    def encode(self, states: States, observations: npt.NDArray[Any]) -> None:
        """Copy the states, (n,), into the observations, (n,)."""
        observations[:] = states


class PositionEncoder:
    """Observations of rows and columns, and headings if there are any.

    The space is MultiDiscrete, not Box: a row is a category, and learners can encode it as one-hot.
    """

    def __init__(self, env: Environment) -> None:
        self.decoder = PlaceDecoder.of_environment(env)
        sizes = env.maze.cells.shape * (2 if env.random_goal else 1)
        self.num_places = len(sizes)
        if self.decoder.num_headings > 1:
            sizes += (self.decoder.num_headings,)
        self.space = MultiDiscrete(np.array(sizes))

    def encode(self, states: States, observations: npt.NDArray[Any]) -> None:
        """Fill observations, (n, 2 to 4), with the places, and headings if there are any, of the states, (n,)."""
        n = self.num_places
        observations[:, :n] = self.decoder.places(states)[:, :n]
        if self.decoder.num_headings > 1:
            observations[:, n] = self.decoder.headings(states)


class PlanesEncoder:
    """Observations of one plane of 0 and 1, (rows, columns) float32, for each of `PLANES`; for neural networks."""

    def __init__(self, env: Environment) -> None:
        cells = env.maze.cells
        self.decoder = PlaceDecoder.of_environment(env)
        num_planes = _SEEKER + self.decoder.num_headings
        self.space = Box(0.0, 1.0, (num_planes, *cells.shape), np.float32)
        self.random_goal = env.random_goal
        self.static = np.zeros(self.space.shape, np.float32)
        for plane, bit in zip(self.static, _BITS, strict=False):
            plane[:] = (cells & bit) > 0
        if env.random_goal:
            self.static[_GOAL] = 0.0

    def encode(self, states: States, observations: npt.NDArray[Any]) -> None:
        """Fill observations, (n, num_planes, rows, columns), with the planes of the states, (n,)."""
        observations[:] = self.static
        copies = np.arange(states.size)
        row, column, goal_row, goal_column = self.decoder.places(states).T
        observations[copies, _SEEKER + self.decoder.headings(states), row, column] = 1.0
        if self.random_goal:
            observations[copies, _GOAL, goal_row, goal_column] = 1.0


StateEncoder = IndexEncoder | PositionEncoder | PlanesEncoder
OBSERVATIONS: dict[str, type[StateEncoder]] = {
    "index": IndexEncoder,
    "position": PositionEncoder,
    "planes": PlanesEncoder,
}


def make_encoder(env: Environment, observation: str) -> StateEncoder:
    """Return the encoder of a kind of observation, by its name in `OBSERVATIONS`.

    Raises:
        SettingError: if there is no kind of that name.
    """
    check_choice("observation", observation, OBSERVATIONS)
    return OBSERVATIONS[observation](env)


class MazeObservation(gymnasium.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """A Gymnasium wrapper that gives an `Environment` another kind of observation.

    Args:
        env: an `Environment`, or wrappers around one.
        observation: "index", "position" or "planes", see `clew.environments.observations`.

    Raises:
        SettingError: if there is no such kind, or `env` is not an `Environment`.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], observation: str) -> None:
        RecordConstructorArgs.__init__(self, observation=observation)
        gymnasium.ObservationWrapper.__init__(self, env)
        world = env.unwrapped
        if not isinstance(world, Environment):
            raise SettingError(f"only clew.Environment has places to observe, not {type(world).__name__}")
        self.encoder = make_encoder(world, observation)
        self.observation_space = self.encoder.space

    def observation(self, observation: Any) -> Any:
        """Return the observation of a state, which is the observation of the environment inside."""
        space: Any = self.encoder.space  # its shape is fixed, which Gymnasium's types don't say
        encoded = np.empty((1, *space.shape), space.dtype)
        self.encoder.encode(np.array([observation]), encoded)
        return encoded[0]
