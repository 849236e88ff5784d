"""The chapter's names and signatures, as thin as possible over the rest of Clew.

Every call that a reader of "Learning Ray", chapter 3, finds there runs here, on the real engine. What the chapter gets
wrong is right here; `tests/test_book.py` has its faults by number. New code does better with the names of `clew`
itself.
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
    "SimulationActor",  # noqa: F822  # made when it is asked for
    "evaluate_policy",
    "train_policy",
    "train_policy_parallel",
    "update_policy",
]


class Discrete:
    """The numbers 0 .. num_actions - 1."""

    def __init__(self, num_actions: int) -> None:
        self.n = num_actions
        self._rng = np.random.default_rng(0)

    def sample(self) -> int:
        """Draw one of them, each as likely as the others."""
        return int(self._rng.integers(self.n))


class Environment:
    """The chapter's maze; arguments, if any, are those of `clew.Environment`: the exercises.

    Attributes:
        world: the same maze as a `clew.Environment`.
        seeker: where the seeker is, (row, column).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.world = environments.Environment(*args, **kwargs)
        self.action_space = Discrete(self.world.mdp.num_actions)
        self.observation_space = Discrete(self.world.mdp.num_states)
        self.world.reset(seed=0)
        self.reset()

    @property
    def goal(self) -> Place:
        """Where the goal is, (row, column)."""
        return self.world.goal

    @property
    def info(self) -> dict[str, Place]:
        """Where the seeker and the goal are."""
        return {"seeker": self.seeker, "goal": self.goal}

    def reset(self) -> int:
        """Put the seeker back to a start; returns the observation."""
        observation, info = self.world.reset()
        self.seeker = info["position"]
        return observation

    def get_observation(self) -> int:
        """The state: 5 * row + column in the chapter's maze."""
        return self.world.encode(tuple(self.seeker), self.goal)

    def get_reward(self) -> float:
        """1 on the goal, else 0."""
        return 1 if self.is_done() else 0

    def is_done(self) -> bool:
        """Tell if the seeker is on a goal."""
        return bool(self.world.is_terminal(np.array([self.get_observation()]))[0])

    def step(self, action: int) -> tuple[int, float, bool, dict[str, Place]]:
        """Move; returns (observation, reward, done, info).

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
        """Clear the terminal, or the output cell of a notebook, and draw the maze with S and G."""
        rows = [[" "] * self.world.maze.columns for _ in range(self.world.maze.rows)]
        for place, letter in ((self.goal, "G"), (self.seeker, "S")):
            rows[place[0]][place[1]] = letter
        for row, column in np.argwhere(self.world.maze.blocked):
            rows[row][column] = "#"
        show("".join("|" + "|".join(row) + "|\n" for row in rows))


class _Stepwise:
    """A reader's own version of the environment, as the rest of Clew expects one: played step by step."""

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


def _world_of(env: Environment) -> Any:
    """The compiled world of the chapter's environment; one that a reader has changed is played step by step."""
    return env.world if type(env) is Environment else _Stepwise(env)


class Policy:
    """The chapter's policy."""

    def __init__(self, env: Environment) -> None:
        self.action_space = env.action_space
        self._policy = policies.Policy(env)
        # Where an episode ends, which the chapter's experiences don't say; a reader's own states aren't known.
        states = np.arange(env.observation_space.n)
        known = states.size == env.world.mdp.num_states
        self._is_over = env.world.is_terminal(states) if known else np.zeros(states.size, np.bool_)

    @property
    def state_action_table(self) -> npt.NDArray[np.float32]:
        """(25, 4) action values in the chapter's maze, zeros at first; may be written to."""
        return self._policy.q

    @state_action_table.setter
    def state_action_table(self, table: npt.ArrayLike) -> None:
        self._policy.q[:] = table

    def get_action(self, state: int, explore: bool = True, epsilon: float = 0.1) -> int:
        """A random action with probability epsilon when exploring, else a best one; ties at random."""
        return self._policy.get_action(state, explore, epsilon)


class Simulation:
    """The chapter's simulation.

    Attributes:
        env: the environment.
        truncated: True if the step limit, and not the goal, ended the last rollout.
    """

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.truncated = False

    def rollout(
        self, policy: Policy, render: bool = False, explore: bool = True, epsilon: float = 0.1
    ) -> list[list[Any]]:
        """Play one episode; returns a list of [state, action, reward, next_state]."""
        world = _Stepwise(self.env)
        steps = list(
            episodes.episode_steps(world, lambda state: policy.get_action(state, explore, epsilon), render=render)
        )
        self.truncated = steps[-1].truncated
        return [[step.state, step.action, step.reward, step.next_state] for step in steps]


def update_policy(
    policy: Policy, experiences: list[list[Any]], weight: float = 0.1, discount_factor: float = 0.9
) -> None:
    """Learn from [state, action, reward, next_state] rows, in order; what follows a goal counts 0."""
    steps = [
        episodes.Transition(s, a, reward, s_next, bool(policy._is_over[s_next]), False)
        for s, a, reward, s_next in experiences
    ]
    trajectory = episodes.Trajectory.from_transitions(steps)
    training.update_policy(policy._policy, trajectory, alpha=weight, gamma=discount_factor)


def train_policy(
    env: Environment, num_episodes: int = 10000, weight: float = 0.1, discount_factor: float = 0.9
) -> Policy:
    """Learn from episodes played one after the other."""
    policy = Policy(env)
    policy._policy = training.train_policy(_world_of(env), num_episodes, alpha=weight, gamma=discount_factor)
    return policy


def evaluate_policy(env: Environment, policy: Policy, num_episodes: int = 10) -> float:
    """Play greedy episodes; prints and returns the mean number of steps."""
    mean_steps = grades.evaluate_policy(_world_of(env), policy._policy, num_episodes).mean_steps
    sys.stdout.write(f"{mean_steps} steps on average for a total of {num_episodes} episodes.\n")
    return mean_steps


def train_policy_parallel(
    env: Environment,
    num_episodes: int = 1000,
    num_simulations: int = 4,
    weight: float = 0.1,
    discount_factor: float = 0.9,
) -> Policy:
    """Learn from episodes played over Ray: num_episodes for each of num_simulations, as the chapter counts them."""
    policy = Policy(env)
    policy._policy = distributed.train_policy_parallel(
        _world_of(env), num_episodes * num_simulations, num_simulations, alpha=weight, gamma=discount_factor
    )
    return policy


class _ActorSimulation:
    """What `SimulationActor` runs: a simulation of the environment that was passed in, or of the chapter's.

    A policy that comes through the object store is the same in every actor, its draws too; so each actor has draws of
    its own. A seed repeats them.
    """

    def __init__(self, env: Environment | None = None, seed: int | None = None) -> None:
        self.simulation = Simulation(Environment() if env is None else env)
        self._stream = new_stream(secrets.randbits(64) if seed is None else seed, 0)

    def rollout(self, policy: Policy, render: bool = False, explore: bool = True, epsilon: float = 0.1) -> Any:
        """Play one episode; returns a list of [state, action, reward, next_state]."""
        policy._policy.stream = self._stream
        return self.simulation.rollout(policy, render, explore, epsilon)


def __getattr__(name: str) -> Any:
    if name == "SimulationActor":  # Ray is loaded by the first who asks for it
        return distributed.as_actor(_ActorSimulation)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
