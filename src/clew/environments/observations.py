"""What a client sees of a maze: the state as a number, as places, or as planes for networks.

    index     the state, an integer
    position  (row, column) of the seeker; with a random goal (row, column, goal row, goal column), and for a robot
              (row, column, heading)
    planes    (channels, rows, columns) float32, one plane for each of `PLANES`, 1 where it holds; a robot has a plane
              of the seeker for each way that it may look

A kind of observation is a class with a space and one function of many states at a time, so that a single environment
and a vector of them show the same.
"""

from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box, Discrete, MultiDiscrete, Space
from gymnasium.utils import RecordConstructorArgs

from clew.environments.maze import Environment
from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.dynamics import GOAL, HAZARD, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.kernels.learning.stepping import find_places
from clew.settings import check_choice

__all__ = ["OBSERVATIONS", "PLANES", "MazeObservation", "Observer", "Places", "observer_of"]

# Walls stand between cells, so each side of a cell has a plane; a blocked cell has all four.
PLANES = ("wall_down", "wall_left", "wall_up", "wall_right", "hazard", "goal", "seeker")
_BITS = (WALL_DOWN, WALL_LEFT, WALL_UP, WALL_RIGHT, HAZARD, GOAL)
_GOAL, _SEEKER = PLANES.index("goal"), PLANES.index("seeker")

States = npt.NDArray[np.int64]


class Observer(Protocol):
    """A kind of observation of one maze."""

    @property
    def space(self) -> Space[Any]:
        """Where observations of one state lie."""

    def observe(self, states: States, observations: npt.NDArray[Any]) -> None:
        """Fill (n, *space.shape) observations with those of (n,) states."""


class Places(NamedTuple):
    """How to find places in states; made once, for it is asked at every step."""

    num_cells: int
    columns: int
    goal_cell: int  # the first one if the maze has several; -1 if a state names its own
    num_headings: int

    @classmethod
    def of_world(cls, env: Environment) -> "Places":
        """The places of a maze."""
        goal_cell = -1 if env.random_goal else env.encode(env.goal, env.goal)
        return cls(env.maze.cells.size, env.maze.columns, goal_cell, env.moves.num_headings)

    def find(self, states: States) -> npt.NDArray[np.int64]:
        """(n, 4) int64: row, column, goal row and goal column in (n,) states."""
        places = np.empty((states.size, 4), np.int64)
        if self.num_headings > 1:
            states = states % self.num_cells
        find_places(read_only(states), *self[:3], places)
        return places

    def find_headings(self, states: States) -> npt.NDArray[np.int64]:
        """(n,) int64: which way the seeker looks in (n,) states; 0 for who has no heading."""
        return states // self.num_cells if self.num_headings > 1 else np.zeros_like(states)


class IndexObserver:
    """The state as it is."""

    def __init__(self, env: Environment) -> None:
        self.space = Discrete(env.mdp.num_states)

    def observe(self, states: States, observations: npt.NDArray[Any]) -> None:
        """Fill in the states."""
        observations[:] = states


class PositionObserver:
    """Rows and columns: MultiDiscrete, for what is learned of one row needn't be learned of its number times ten."""

    def __init__(self, env: Environment) -> None:
        self.places = Places.of_world(env)
        sizes = env.maze.cells.shape * (2 if env.random_goal else 1)
        self.num_places = len(sizes)
        if self.places.num_headings > 1:
            sizes += (self.places.num_headings,)
        self.space = MultiDiscrete(np.array(sizes))

    def observe(self, states: States, observations: npt.NDArray[Any]) -> None:
        """Fill in the places, and the heading of who has one."""
        n = self.num_places
        observations[:, :n] = self.places.find(states)[:, :n]
        if self.places.num_headings > 1:
            observations[:, n] = self.places.find_headings(states)


class PlanesObserver:
    """A picture of the maze for each of `PLANES`: float32, which networks take as it is."""

    def __init__(self, env: Environment) -> None:
        cells = env.maze.cells
        self.places = Places.of_world(env)
        num_planes = _SEEKER + self.places.num_headings
        self.space = Box(0.0, 1.0, (num_planes, *cells.shape), np.float32)
        self.random_goal = env.random_goal
        self.still = np.zeros(self.space.shape, np.float32)
        for plane, bit in zip(self.still, _BITS, strict=False):
            plane[:] = (cells & bit) > 0
        if env.random_goal:
            self.still[_GOAL] = 0.0

    def observe(self, states: States, observations: npt.NDArray[Any]) -> None:
        """Fill in what stands still, then the seeker and a random goal."""
        observations[:] = self.still
        copies = np.arange(states.size)
        row, column, goal_row, goal_column = self.places.find(states).T
        observations[copies, _SEEKER + self.places.find_headings(states), row, column] = 1.0
        if self.random_goal:
            observations[copies, _GOAL, goal_row, goal_column] = 1.0


OBSERVATIONS: dict[str, type[IndexObserver] | type[PositionObserver] | type[PlanesObserver]] = {
    "index": IndexObserver,
    "position": PositionObserver,
    "planes": PlanesObserver,
}


def observer_of(env: Environment, observation: str) -> Observer:
    """A kind of observation by its name.

    Raises:
        SettingError: if there is none of that name.
    """
    check_choice("observation", observation, OBSERVATIONS)
    observer: Observer = OBSERVATIONS[observation](env)
    return observer


class MazeObservation(gymnasium.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """A maze seen as another kind of observation.

    Args:
        env: an `Environment`, in wrappers or without.
        observation: "index", "position" or "planes", see this module.

    Raises:
        SettingError: if there is no such kind, or the environment is not a maze.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], observation: str) -> None:
        RecordConstructorArgs.__init__(self, observation=observation)
        gymnasium.ObservationWrapper.__init__(self, env)
        world = env.unwrapped
        if not isinstance(world, Environment):
            raise SettingError(f"only clew.Environment has places to observe, not {type(world).__name__}")
        self.observer = observer_of(world, observation)
        self.observation_space = self.observer.space

    def observation(self, observation: Any) -> Any:
        """The state, as it is shown."""
        space: Any = self.observer.space  # of a fixed shape, which Gymnasium's types don't know
        shown = np.empty((1, *space.shape), space.dtype)
        self.observer.observe(np.array([observation]), shown)
        return shown[0]
