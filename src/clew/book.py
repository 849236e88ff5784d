"""The classes and functions of "Learning Ray", chapter 3, with the chapter's names and signatures, run by Clew.

Every call that the chapter makes works here. The chapter's mistakes are corrected; `tests/test_book.py` tests them by
number, and docs/book.md lists them. New code should use the names of `clew` itself.

The functions also accept subclasses, the chapter's own classes as they are typed from the book, and environments of
Gymnasium. Methods that a reader overrides are called at each step; an `Environment` that overrides none runs compiled.

>>> from clew import book
>>> env = book.Environment()
>>> policy = book.train_policy(env)
>>> mean_steps = book.evaluate_policy(env, policy)
8.0 steps on average for a total of 10 episodes.
>>> experiences = book.Simulation(env).rollout(policy, explore=False)
>>> experiences[-1]  # state, action, reward, next state
[19, 0, 1.0, 24]
"""

import inspect
import secrets
import sys
from numbers import Real
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt

from clew import distributed, environments
from clew.errors import MazeError, SettingError
from clew.evaluation import grades
from clew.kernels.dynamics import GOAL, Grid
from clew.kernels.sampling import new_stream, sample
from clew.learning import training
from clew.mazes.formats import Place, check_place
from clew.policies import episodes, trajectory
from clew.policies import policy as policies
from clew.rendering.text import show
from clew.settings import MAX_EPISODES, SHARE, Bounds, as_list, check_count, check_number, shown

__all__ = [
    "Discrete",
    "Environment",
    "Policy",
    "Simulation",
    "SimulationActor",  # noqa: F822  # defined by __getattr__
    "evaluate_policy",
    "train_policy",
    "train_policy_parallel",
    "update_policy",
]

STEP_SIZES = Bounds(above=0.0, most=1.0)
OVERRIDABLE = ("reset", "step", "get_observation", "get_reward", "is_done", "goal")  # of `Environment`, by a subclass


class Discrete:
    """The integers 0 .. num_actions - 1, as a space of actions or observations.

    Attributes:
        n: number of integers.
    """

    def __init__(self, num_actions: int) -> None:
        self.n = num_actions
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
        return _missing(self, name, "world", "action_space", "observation_space", "seeker", "_settings", "_moves")

    def _make_world(self, world: environments.Environment) -> None:
        model = world.mdp.model
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
        if _overrides(self, "is_done") or not self.is_done():
            columns = self.world.maze.columns
            row, column = self._place("seeker")  # compiled code reads its cell without a check
            cell = row * columns + column
            cell, paid, _ = sample(self._moves, cell, int(action), self.world.stream)
            reward = float(paid)
            self.seeker = divmod(int(cell), columns)
        reward = self.get_reward() if _overrides(self, "get_reward") else reward + self.get_reward()
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


def _missing(thing: Any, name: str, *made: str) -> Any:
    """Raise the error of an attribute that an object lacks.

    Args:
        thing: object of a class of this module, or of a subclass.
        name: name of the attribute.
        made: names of the attributes that the `__init__` of this module sets.

    Raises:
        SettingError: if it is one of these, since the `__init__` of a subclass hasn't called that of this module.
        AttributeError: otherwise.
    """
    if name not in made:
        return object.__getattribute__(thing, name)  # raises Python's error, which names what a property lacks
    raise SettingError(
        f"the __init__ of {type(thing).__name__} must call super().__init__(), with its arguments, first"
    )


def _check_has(policy: Any, name: str) -> None:
    """Raise SettingError if an object isn't a policy: if it lacks an attribute of the chapter's `Policy`."""
    if not hasattr(policy, name):
        raise SettingError(f"must be a Policy, with {name}, not {shown(policy)}", setting="policy")


def _check_chooses(policy: Any) -> None:
    """Raise SettingError if an object has no `get_action`, or one that can't be called as the chapter calls it."""
    _check_has(policy, "get_action")
    try:
        inspect.signature(policy.get_action).bind(0, True, 0.1)
    except TypeError:
        given = f"{type(policy).__name__}.get_action"
        raise SettingError(f"{given} must take (self, state, explore=True, epsilon=0.1), as in the chapter") from None


def _as_action(action: Any, num_actions: int) -> int:
    """Return what a policy's `get_action` returned as an action.

    Raises:
        SettingError: if it isn't one.
    """
    if not _is_index(action, num_actions):
        raise SettingError(f"the policy's get_action gave {shown(action)}, expected an action in 0..{num_actions - 1}")
    return index(action)


def _is_index(number: Any, size: int) -> bool:
    """Return whether a number is an integer from 0 to size - 1."""
    try:
        return 0 <= index(number) < size
    except TypeError:
        return False


def _check_rates(weight: Any, discount_factor: Any) -> None:
    """Raise SettingError if the step size or the discount is out of range; names them as the chapter does."""
    check_number("weight", weight, STEP_SIZES)
    check_number("discount_factor", discount_factor, SHARE)


def _overrides(thing: Any, *names: str) -> bool:
    """Return whether a subclass, or the object itself, has methods of its own instead of this module's."""
    base: Any = Environment if isinstance(thing, Environment) else Policy
    return any(name in vars(thing) or getattr(type(thing), name) is not getattr(base, name) for name in names)


def _stepwise_world(env: Any) -> Any:
    """Return a Gymnasium environment that calls the methods of a given one at each step."""
    return env if hasattr(env, "unwrapped") else _GymnasiumAdapter(env)


def _fast_world(env: Any) -> Any:
    """Return the compiled world of an `Environment` that overrides nothing, else one that calls its methods."""
    if not isinstance(env, Environment) or _overrides(env, *OVERRIDABLE):
        return _stepwise_world(env)
    has_own_spaces = policies.table_shape(env) != policies.table_shape(env.world)
    return _stepwise_world(env) if has_own_spaces else env.world


class Policy:
    """A table of action values, all 0 at first, and the choice of actions from it.

    Args:
        env: environment, which gives the number of states and actions.

    Attributes:
        action_space: space of the actions.
    """

    def __init__(self, env: Any) -> None:
        self._policy, self._env = policies.Policy(env), env
        self.action_space = env.action_space

    def __getattr__(self, name: str) -> Any:
        return _missing(self, name, "action_space", "_policy", "_env")

    @property
    def _is_terminal(self) -> npt.NDArray[np.bool_]:
        """Terminal states, (num_states,), which the chapter's experiences don't mark.

        They are unknown where a reader's own methods decide; their values are 0 as long as nothing is learned in them.
        """
        world, states = _fast_world(self._env), np.arange(self._env.observation_space.n)
        if isinstance(world, environments.Environment):
            return world.is_terminal(states)
        return np.zeros(states.size, np.bool_)

    @property
    def state_action_table(self) -> npt.NDArray[np.float32]:
        """Action values, (num_states, num_actions) float32; (25, 4) in the chapter's maze. Can be changed in place.

        Raises:
            SettingError: if it is set to something else than a table of numbers of this shape.
        """
        return self._policy.q

    @state_action_table.setter
    def state_action_table(self, table: npt.ArrayLike) -> None:
        self._policy.q[:] = policies.as_table("state_action_table", table, self._policy.q.shape)

    def get_action(self, state: int, explore: bool = True, epsilon: float = 0.1) -> int:
        """Return a greedy action, ties broken at random; if exploring, a random action with probability epsilon."""
        return _with_table(self).get_action(state, explore, epsilon)


def _with_table(policy: Policy) -> policies.Policy:
    """Return the policy of Clew in a policy of the chapter; with the table of a subclass, if that has its own."""
    if _overrides(policy, "state_action_table"):
        q = policy._policy.q
        q[:] = policies.as_table("state_action_table", policy.state_action_table, q.shape)
    return policy._policy


class Simulation:
    """Plays episodes in one environment.

    Args:
        env: the environment.

    Attributes:
        env: the environment.
        truncated: True if the step limit, and not a goal, ended the last rollout.
    """

    def __init__(self, env: Environment) -> None:
        policies.table_shape(env)  # raises SettingError if it isn't an environment
        self.env = env
        self.truncated = False

    def __getattr__(self, name: str) -> Any:
        return _missing(self, name, "env", "truncated")

    def rollout(
        self, policy: Policy, render: bool = False, explore: bool = True, epsilon: float = 0.1
    ) -> list[list[Any]]:
        """Play one episode.

        Args:
            policy: chooses the actions.
            render: True draws every step.
            explore: False plays the greedy policy.
            epsilon: probability of a random action, if exploring.

        Returns:
            A list of [state, action, reward, next_state], one for each step.
        """
        _check_chooses(policy)
        shape, table = policies.table_shape(self.env), getattr(policy, "__dict__", {}).get("_policy")
        if isinstance(table, policies.Policy):
            policies.check_policy(table, shape)
        world, choose = _stepwise_world(self.env), policy.get_action
        steps = list(
            episodes.episode_steps(
                world, lambda state: _as_action(choose(state, explore, epsilon), shape[1]), render=render
            )
        )
        self.truncated = steps[-1].truncated
        return [list(step[:4]) for step in steps]


def update_policy(
    policy: Policy, experiences: list[list[Any]], weight: float = 0.1, discount_factor: float = 0.9
) -> None:
    """Apply the Q-learning update to the policy's table for each experience, in order.

    Args:
        policy: its table is changed in place.
        experiences: [state, action, reward, next_state] lists; the value of a terminal next_state is 0.
        weight: step size, in (0, 1].
        discount_factor: discount per step, in [0, 1].
    """
    _check_has(policy, "state_action_table")
    _check_rates(weight, discount_factor)
    table = policy.state_action_table
    experiences = _checked_experiences(experiences, _shape_of(table))
    if not isinstance(policy, Policy):  # the chapter's own class, whose table is a list of lists
        for s, a, reward, s_next in experiences:
            table[s][a] += weight * (reward + discount_factor * max(table[s_next]) - table[s][a])
        return
    is_terminal, values = policy._is_terminal, _with_table(policy)
    steps = [
        trajectory.Transition(s, a, reward, s_next, bool(is_terminal[s_next]), False)
        for s, a, reward, s_next in experiences
    ]
    training.update_policy(values, trajectory.Trajectory.from_transitions(steps), alpha=weight, gamma=discount_factor)
    if _overrides(policy, "state_action_table"):
        _write_back(policy, table, {step.state for step in steps})


def _shape_of(table: Any) -> tuple[int, int]:
    """Return (num_states, num_actions) of a policy's table: an array, or a list of lists.

    Raises:
        SettingError: if it is something else, or its first row holds something else than numbers.
    """
    try:
        shape = len(table), len(table[0])
        if all(isinstance(value, Real) for value in table[0]):
            return shape
    except (TypeError, LookupError):
        pass
    raise SettingError(f"must be a list of numbers for each state, not {shown(table)}", setting="state_action_table")


def _checked_experiences(experiences: Any, shape: tuple[int, int]) -> list[Any]:
    """Return experiences as a list, after checking that they fit a table of (num_states, num_actions).

    Raises:
        SettingError: if they don't, or a reward isn't a finite number in float32.
    """
    checked = as_list("experiences", experiences, "[state, action, reward, next_state]")
    for each in checked:
        if not isinstance(each, list | tuple) or len(each) != 4:
            raise SettingError(
                f"must be a list of [state, action, reward, next_state], not of {shown(each)}", setting="experiences"
            )
        s, a, reward, s_next = each
        fits = _is_index(s, shape[0]) and _is_index(a, shape[1]) and _is_index(s_next, shape[0])
        if not fits or not isinstance(reward, Real) or not episodes.REWARDS.hold(reward):
            raise SettingError(
                f"must have states in 0..{shape[0] - 1}, actions in 0..{shape[1] - 1} and finite rewards, as "
                f"[state, action, reward, next_state], not {shown(each)}",
                setting="experiences",
            )
    return checked


def _write_back(policy: Policy, table: Any, states: set[int]) -> None:
    """Write learned values into the table of a subclass.

    Args:
        policy: policy of the subclass.
        table: its table, changed in place.
        states: states whose values were learned.

    Raises:
        SettingError: if the table doesn't keep them, such as one that is computed whenever it is read.
    """
    learned = policy._policy.q
    try:
        for s in states:
            table[s][:] = learned[s].tolist()
        is_kept = np.array_equal(np.asarray(policy.state_action_table, np.float32), learned)
    except (TypeError, ValueError):  # such as tuples, or a read-only array
        is_kept = False
    if not is_kept:
        raise SettingError(
            f"{type(policy).__name__} overrides state_action_table by a table that doesn't keep what is learned; "
            "return one that can be changed in place, such as an array that __init__ makes"
        )


def train_policy(
    env: Environment, num_episodes: int = 10000, weight: float = 0.1, discount_factor: float = 0.9
) -> Policy:
    """Train a policy by Q-learning in one process, with seed 0.

    Args:
        env: environment to learn.
        num_episodes: total number of episodes.
        weight: step size, in (0, 1].
        discount_factor: discount per step, in [0, 1].
    """
    _check_rates(weight, discount_factor)
    policy = Policy(env)
    policy._policy = training.train_policy(_fast_world(env), num_episodes, alpha=weight, gamma=discount_factor)
    return policy


def evaluate_policy(env: Environment, policy: Policy, num_episodes: int = 10) -> float:
    """Play greedy episodes; print the mean number of steps per episode, and return it.

    A policy that overrides `get_action` is asked for each action.
    """
    _check_chooses(policy)
    policies.table_shape(env)  # raises SettingError if it isn't an environment
    if isinstance(policy, Policy) and not _overrides(policy, "get_action"):
        mean_steps = grades.evaluate_policy(_fast_world(env), _with_table(policy), num_episodes).mean_steps
    else:
        check_count("num_episodes", num_episodes, 1)
        simulation = Simulation(env)
        mean_steps = float(np.mean([len(simulation.rollout(policy, explore=False)) for _ in range(num_episodes)]))
    sys.stdout.write(f"{mean_steps} steps on average for a total of {num_episodes} episodes.\n")
    return mean_steps


def train_policy_parallel(
    env: Environment,
    num_episodes: int = 1000,
    num_simulations: int = 4,
    weight: float = 0.1,
    discount_factor: float = 0.9,
) -> Policy:
    """Train a policy by Q-learning over Ray, with seed 0.

    Args:
        env: environment to learn.
        num_episodes: episodes of each simulation, as the chapter counts them.
        num_simulations: number of simulations that play in parallel.
        weight: step size, in (0, 1].
        discount_factor: discount per step, in [0, 1].
    """
    _check_rates(weight, discount_factor)
    check_count("num_episodes", num_episodes, 1, MAX_EPISODES)
    check_count("num_simulations", num_simulations, 1)
    policy = Policy(env)
    policy._policy = distributed.train_policy_parallel(
        _fast_world(env), num_episodes * num_simulations, num_simulations, alpha=weight, gamma=discount_factor
    )
    return policy


class _ActorSimulation:
    """The class of the Ray actor `SimulationActor`: plays episodes in its own copy of an environment.

    A policy that comes through the object store has the same random stream in every actor, so each actor replaces it
    by a stream of its own.

    Args:
        env: the environment; None makes the chapter's.
        seed: seed of the actor's stream; None draws one.
    """

    def __init__(self, env: Environment | None = None, seed: int | None = None) -> None:
        self.simulation = Simulation(Environment() if env is None else env)
        self._stream = new_stream(secrets.randbits(64) if seed is None else seed, 0)

    def rollout(self, policy: Policy, render: bool = False, explore: bool = True, epsilon: float = 0.1) -> Any:
        """Play one episode; see `Simulation.rollout`."""
        if isinstance(policy, Policy):
            policy._policy.stream = self._stream
        return self.simulation.rollout(policy, render, explore, epsilon)


def __getattr__(name: str) -> Any:
    """Return `SimulationActor` when it is first used, so that importing this module doesn't import Ray."""
    if name == "SimulationActor":
        return distributed.as_actor(_ActorSimulation)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
