"""The classes and functions of "Learning Ray", chapter 3, with the chapter's names and signatures, run by Clew.

Every call that the chapter makes works here. The chapter's mistakes are corrected; `tests/test_book.py` tests them by
number, and docs/book.md lists them. New code should use the names of `clew` itself.

>>> from clew import book
>>> env = book.Environment()
>>> policy = book.train_policy(env)
>>> mean_steps = book.evaluate_policy(env, policy)
8.0 steps on average for a total of 10 episodes.
>>> experiences = book.Simulation(env).rollout(policy, explore=False)
>>> experiences[-1]  # state, action, reward, next state
[19, 0, 1.0, 24]
"""

import secrets
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from clew import distributed, environments
from clew.errors import SettingError
from clew.evaluation import grades
from clew.kernels.sampling import new_stream, sample
from clew.learning import training
from clew.mazes.formats import Place
from clew.policies import episodes
from clew.policies import policy as policies
from clew.rendering.text import show

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

    Args:
        args: positional arguments of `clew.Environment`, such as a maze; none makes the chapter's maze.
        kwargs: keyword arguments of `clew.Environment`.

    Attributes:
        world: the same world as a `clew.Environment`.
        action_space: space of the actions: 0 down, 1 left, 2 up, 3 right.
        observation_space: space of the states.
        seeker: position of the agent, (row, column).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.world = environments.Environment(*args, **kwargs)
        self.action_space = Discrete(self.world.mdp.num_actions)
        self.observation_space = Discrete(self.world.mdp.num_states)
        self.world.reset(seed=0)
        self.reset()

    @property
    def goal(self) -> Place:
        """Position of the goal, (row, column)."""
        return self.world.goal

    @property
    def info(self) -> dict[str, Place]:
        """Positions of "seeker" and "goal", (row, column) each."""
        return {"seeker": self.seeker, "goal": self.goal}

    def reset(self) -> int:
        """Move the seeker to a start state, and return that state."""
        observation, info = self.world.reset()
        self.seeker = info["position"]
        return observation

    def get_observation(self) -> int:
        """Return the current state: 5 * row + column in the chapter's maze."""
        return self.world.encode(tuple(self.seeker), self.goal)

    def get_reward(self) -> float:
        """Return 1 if the seeker is on a goal, else 0."""
        return 1 if self.is_done() else 0

    def is_done(self) -> bool:
        """Return whether the seeker is on a goal."""
        return bool(self.world.is_terminal(np.array([self.get_observation()]))[0])

    def step(self, action: int) -> tuple[int, float, bool, dict[str, Place]]:
        """Take one action.

        Returns:
            The next state, the reward, whether the seeker is on a goal, and `info`. On a goal nothing moves.

        Raises:
            ValueError: if the action is not 0 down, 1 left, 2 up or 3 right.
        """
        if not 0 <= environments.as_integer(action) <= 3:
            raise SettingError(f"{environments.ACTION_ERROR}, not {action!r}")
        if self.is_done():
            return self.get_observation(), self.get_reward(), True, self.info
        s_next, reward, done = sample(self.world.mdp.model, self.get_observation(), int(action), self.world.stream)
        self.seeker = divmod(int(s_next) % self.world.maze.cells.size, self.world.maze.columns)
        return int(s_next), float(reward), bool(done), self.info

    def render(self, *args: Any, **kwargs: Any) -> None:
        """Clear the terminal or the notebook's output, and draw the maze with S for the seeker and G for the goal.

        Arguments are accepted, as the chapter passes some, and ignored.
        """
        rows = [[" "] * self.world.maze.columns for _ in range(self.world.maze.rows)]
        for place, letter in ((self.goal, "G"), (self.seeker, "S")):
            rows[place[0]][place[1]] = letter
        for row, column in np.argwhere(self.world.maze.blocked):
            rows[row][column] = "#"
        show("".join("|" + "|".join(row) + "|\n" for row in rows))


class _GymnasiumAdapter:
    """The interface of `gymnasium.Env` for an environment of the chapter, whose own methods it calls step by step."""

    def __init__(self, env: Any) -> None:
        self.env = env
        self.action_space, self.observation_space = env.action_space, env.observation_space

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        return self.env.reset(), {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        observation, reward, done, info = self.env.step(action)
        return observation, reward, done, False, info

    def render(self) -> None:
        self.env.render()


def _playable_world(env: Environment) -> Any:
    """Return the compiled world of an `Environment`, or an adapter that calls the methods of a subclass."""
    return env.world if type(env) is Environment else _GymnasiumAdapter(env)


class Policy:
    """A table of action values, all 0 at first, and the choice of actions from it.

    Args:
        env: environment, which gives the number of states and actions.

    Attributes:
        action_space: space of the actions.
    """

    def __init__(self, env: Environment) -> None:
        self.action_space = env.action_space
        self._policy = policies.Policy(env)
        # Terminal states, which the chapter's experiences don't mark; unknown if a subclass has states of its own.
        states = np.arange(env.observation_space.n)
        is_known = states.size == env.world.mdp.num_states
        self._is_terminal = env.world.is_terminal(states) if is_known else np.zeros(states.size, np.bool_)

    @property
    def state_action_table(self) -> npt.NDArray[np.float32]:
        """Action values, (num_states, num_actions) float32; (25, 4) in the chapter's maze. Can be changed in place."""
        return self._policy.q

    @state_action_table.setter
    def state_action_table(self, table: npt.ArrayLike) -> None:
        self._policy.q[:] = table

    def get_action(self, state: int, explore: bool = True, epsilon: float = 0.1) -> int:
        """Return a greedy action, ties broken at random; if exploring, a random action with probability epsilon."""
        return self._policy.get_action(state, explore, epsilon)


class Simulation:
    """Plays episodes in one environment.

    Args:
        env: the environment.

    Attributes:
        env: the environment.
        truncated: True if the step limit, and not a goal, ended the last rollout.
    """

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.truncated = False

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
        world = _GymnasiumAdapter(self.env)
        steps = list(
            episodes.episode_steps(world, lambda state: policy.get_action(state, explore, epsilon), render=render)
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
    steps = [
        episodes.Transition(s, a, reward, s_next, bool(policy._is_terminal[s_next]), False)
        for s, a, reward, s_next in experiences
    ]
    training.update_policy(
        policy._policy, episodes.Trajectory.from_transitions(steps), alpha=weight, gamma=discount_factor
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
    policy = Policy(env)
    policy._policy = training.train_policy(_playable_world(env), num_episodes, alpha=weight, gamma=discount_factor)
    return policy


def evaluate_policy(env: Environment, policy: Policy, num_episodes: int = 10) -> float:
    """Play greedy episodes; print the mean number of steps per episode, and return it."""
    mean_steps = grades.evaluate_policy(_playable_world(env), policy._policy, num_episodes).mean_steps
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
    policy = Policy(env)
    policy._policy = distributed.train_policy_parallel(
        _playable_world(env), num_episodes * num_simulations, num_simulations, alpha=weight, gamma=discount_factor
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
        policy._policy.stream = self._stream
        return self.simulation.rollout(policy, render, explore, epsilon)


def __getattr__(name: str) -> Any:
    """Return `SimulationActor` when it is first used, so that importing this module doesn't import Ray."""
    if name == "SimulationActor":
        return distributed.as_actor(_ActorSimulation)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
