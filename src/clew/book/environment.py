"""The chapter's maze, `Environment`, and the Gymnasium environment that calls the methods of a reader's own class."""

from typing import Any

import numpy as np

from clew import environments
from clew.errors import MazeError, SettingError
from clew.kernels.dynamics import GOAL, Grid
from clew.kernels.sampling import sample
from clew.mazes.formats import Place, check_place
from clew.models.checks import MAX_STATES
from clew.policies import policy as policies
from clew.rendering.text import show
from clew.settings import check_count, shown

OVERRIDABLE = ("reset", "step", "get_observation", "get_reward", "is_done", "goal")  # of `Environment`, by a subclass
_METHODS: dict[type, dict[str, Any]] = {}  # attributes of the chapter's classes, as they were defined


def record_methods(base: type) -> None:
    """Record the methods of a class as defined, for `overrides`: a reader may replace them in the class itself."""
    _METHODS[base] = dict(vars(base))


class Discrete:
    """The integers 0 .. num_actions - 1, as a space of actions or observations.

    Args:
        num_actions: number of integers, at least 1.

    Attributes:
        n: number of integers.

    Raises:
        SettingError: if the number is out of range.

    >>> from clew.book import Discrete
    >>> space = Discrete(4)
    >>> space.n, space.sample() < 4
    (4, True)
    """

    def __init__(self, num_actions: int) -> None:
        check_count("num_actions", num_actions, 1, MAX_STATES)
        self.n = int(num_actions)
        self._rng = np.random.default_rng(0)

    def sample(self) -> int:
        """Return a random integer of the space, drawn uniformly."""
        return int(self._rng.integers(self.n))


class Environment:
    """The chapter's 5 x 5 maze, or another world for the exercises.

    A subclass may override `reset`, `step`, `get_observation`, `get_reward`, `is_done` and `goal`; `step` calls the
    other methods, as the chapter's does. If a subclass overrides `is_done` alone, the goal's reward is paid wherever an
    episode ends.

    Args:
        args: positional arguments of `clew.Environment`, such as a maze; none makes the chapter's maze.
        kwargs: keyword arguments of `clew.Environment`.

    Attributes:
        world: the same world as a `clew.Environment`.
        action_space: space of the actions: 0 down, 1 left, 2 up, 3 right.
        observation_space: space of the states.
        seeker: position of the agent, (row, column).

    Raises:
        SettingError: if the moves aren't "four", or `clew.Environment` refuses an argument.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._make_world(environments.Environment(*args, **kwargs))
        self.action_space = Discrete(self.world.mdp.num_actions)
        self.observation_space = Discrete(self.world.mdp.num_states)
        self.world.reset(seed=0)
        self.seeker = self.world.reset()[1]["position"]

    def __getattr__(self, name: str) -> Any:
        return missing(self, name, "world", "action_space", "observation_space", "seeker", "_settings", "_moves")

    def _make_world(self, world: environments.Environment) -> None:
        model = world.mdp.model
        if world.maze.exits or world.maze.cell_rewards:
            raise SettingError("can't have exits or rewards of cells; clew.Environment takes them", setting="maze")
        if not isinstance(model, Grid):
            raise SettingError("must be 'four' in clew.book; clew.Environment has the others", setting="moves")
        self.world = world
        assert world.spec is not None  # every environment of Clew has one
        self._settings = world.spec.kwargs
        # Without goals: `is_done` decides where an episode ends.
        self._moves = model._replace(cells=model.cells & ~np.uint8(GOAL), moving_goal=False)

    @property
    def goal(self) -> Place:
        """Position of the goal, (row, column). It can be set, unless it is random.

        Raises:
            SettingError: if it is set although it is random.
            MazeError: if it is set to a place outside the maze, in a blocked cell, or without a path from the start.
        """
        return self.world.goal

    @goal.setter
    def goal(self, place: Place) -> None:
        if self.world.random_goal:
            raise SettingError("must be False for a goal that is set", setting="random_goal")
        maze, stream = self.world.maze, self.world.stream
        place = check_place("goal", place, maze.rows, maze.columns)
        if place != self.world.goal:
            maze = maze.with_ends(maze.start, place)
            self._make_world(environments.Environment(**{**self._settings, "maze": maze}))
            self.world.stream = stream

    @property
    def info(self) -> dict[str, Place]:
        """Positions of "seeker" and "goal", (row, column) each."""
        return {"seeker": self.seeker, "goal": self.goal}

    def reset(self) -> int:
        """Move the seeker to a start state, and return the observation."""
        self.seeker = self.world.reset()[1]["position"]
        return self.get_observation()

    def get_observation(self) -> int:
        """Return the current state: 5 * row + column in the chapter's maze."""
        return self.world.encode(self._place("seeker"), self._place("goal"))

    def _place(self, name: str) -> Place:
        """Return the position "seeker" or "goal", which a reader may have set, as Python integers.

        Raises:
            SettingError: if it isn't (row, column) inside the maze.
        """
        place, maze = getattr(self, name), self.world.maze
        try:
            return check_place(name, place, maze.rows, maze.columns)
        except MazeError:
            raise SettingError(
                f"must be (row, column) inside the maze of {maze.rows}x{maze.columns} cells, not {shown(place)}",
                setting=name,
            ) from None

    def get_reward(self) -> float:
        """Return the reward of the goal, 1 in the chapter's maze, if the episode is over, else 0."""
        return self._settings["goal_reward"] if self.is_done() else 0

    def is_done(self) -> bool:
        """Return whether the seeker is on a goal."""
        goals, seeker = self.world.maze.goals, self._place("seeker")
        has_one = len(goals) == 1 or self.world.random_goal
        return seeker == self._place("goal") if has_one else seeker in goals

    def step(self, action: int) -> tuple[int, float, bool, dict[str, Place]]:
        """Take one action.

        Returns:
            The observation, the reward, whether the episode is over, and `info`. On a goal the seeker stays.

        Raises:
            SettingError: if the action is not 0 down, 1 left, 2 up or 3 right, which is a ValueError, or if the seeker
                was set to a place outside the maze.
        """
        if not 0 <= environments.as_integer(action) <= 3:
            raise SettingError(f"{environments.ACTION_ERROR}, not {shown(action)}")
        reward = 0.0  # of the move itself: of each step, of a hazard, of the outer wall
        if overrides(self, Environment, "is_done") or not self.is_done():
            columns = self.world.maze.columns
            row, column = self._place("seeker")  # compiled code reads its cell without a check
            cell = row * columns + column
            cell, paid, _ = sample(self._moves, cell, int(action), self.world.stream)
            reward = float(paid)
            self.seeker = divmod(int(cell), columns)
        reward = self.get_reward() if overrides(self, Environment, "get_reward") else reward + self.get_reward()
        return self.get_observation(), reward, self.is_done(), self.info

    def render(self, *args: Any, **kwargs: Any) -> None:
        """Clear the terminal or the notebook's output, and draw the maze with S for the seeker and G for the goal.

        Arguments are accepted, as the chapter passes some, and ignored.
        """
        rows = [[" "] * self.world.maze.columns for _ in range(self.world.maze.rows)]
        for name, letter in (("goal", "G"), ("seeker", "S")):
            row, column = self._place(name)
            rows[row][column] = letter
        for row, column in np.argwhere(self.world.maze.blocked):
            rows[row][column] = "#"
        show("".join("|" + "|".join(row) + "|\n" for row in rows))


record_methods(Environment)


class _GymnasiumAdapter:
    """The interface of `gymnasium.Env` for an environment of the chapter, whose own methods it calls step by step."""

    def __init__(self, env: Any) -> None:
        self.env = env
        self.action_space, self.observation_space = env.action_space, env.observation_space
        world = vars(env).get("world") if isinstance(env, Environment) else None
        self._max_steps = None if world is None else world.max_episode_steps
        self._num_steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        self._num_steps = 0
        return self.env.reset(), {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        returned = self.env.step(action)
        if not isinstance(returned, tuple | list) or len(returned) != 4:
            given = f"{len(returned)} values" if isinstance(returned, tuple | list) else shown(returned)
            raise SettingError(
                f"the environment's step returned {given}; it must return (observation, reward, done, info), as in the "
                "chapter"
            )
        observation, reward, done, info = returned
        if not isinstance(done, bool | np.bool_):
            raise SettingError(f"the environment's step gave done {shown(done)}, expected True or False")
        self._num_steps += 1
        return observation, reward, bool(done), self._num_steps == self._max_steps, info

    def render(self) -> None:
        self.env.render()


def stepwise_world(env: Any) -> Any:
    """Return a Gymnasium environment that calls the methods of a given one at each step."""
    return env if hasattr(env, "unwrapped") else _GymnasiumAdapter(env)


def fast_world(env: Any) -> Any:
    """Return the compiled world of an `Environment` that overrides nothing, else one that calls its methods."""
    if not isinstance(env, Environment) or overrides(env, Environment, *OVERRIDABLE):
        return stepwise_world(env)
    has_own_spaces = policies.table_shape(env) != policies.table_shape(env.world)
    return stepwise_world(env) if has_own_spaces else env.world


# Classes of readers ---------------------------------------------------------------------------------------------------


def overrides(thing: Any, base: type, *names: str) -> bool:
    """Return whether an object has other methods than its base class had when that was defined.

    They may be of a subclass, of the object itself, or set in the base class.

    Args:
        thing: object of the base class, or of a subclass.
        base: class that was given to `record_methods`.
        names: names of the methods.
    """
    methods = _METHODS[base]
    return any(name in vars(thing) or getattr(type(thing), name) is not methods[name] for name in names)


def check_sendable(env: Any) -> None:
    """Raise SettingError if methods were replaced in `Environment` itself, which other processes wouldn't know."""
    methods, kind = _METHODS[Environment], type(env)
    for name in OVERRIDABLE:
        if isinstance(env, Environment) and getattr(kind, name) is getattr(Environment, name) is not methods[name]:
            raise SettingError(
                f"{name} was replaced in the class Environment itself, which isn't sent to other processes; override "
                "it in a subclass, or call train_policy"
            )


def missing(thing: Any, name: str, *made: str) -> Any:
    """Raise the error of an attribute that an object lacks.

    Args:
        thing: object of a class of `clew.book`, or of a subclass.
        name: name of the attribute.
        made: names of the attributes that the `__init__` of that class sets.

    Raises:
        SettingError: if it is one of these, since the `__init__` of a subclass hasn't called it.
        AttributeError: otherwise.
    """
    if name not in made:
        return object.__getattribute__(thing, name)  # raises Python's error, which names what a property lacks
    raise SettingError(
        f"the __init__ of {type(thing).__name__} must call super().__init__(), with its arguments, first"
    )
