"""The classes and functions of "Learning Ray", chapter 3, with the chapter's names and signatures, run by Clew.

Every call that the chapter makes works here. The chapter's mistakes are corrected; `tests/test_book.py` tests them by
number, and docs/book.md lists them. New code should use the names of `clew` itself.

    environment   Environment, and the adapter for classes of readers
    policy        Policy and update_policy, and checks of what readers bring

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

import secrets
import sys
from typing import Any

import numpy as np

from clew import distributed
from clew.book.environment import (
    Discrete,
    Environment,
    check_sendable,
    fast_world,
    missing,
    overrides,
    record_methods,
    stepwise_world,
)
from clew.book.policy import Policy, as_action, check_chooses, check_rates, update_policy, with_table
from clew.evaluation import grades
from clew.kernels.sampling import new_stream
from clew.learning import training
from clew.policies import policy as policies
from clew.policies import stepwise
from clew.policies.given import check_policy
from clew.settings import MAX_EPISODES, check_count

__all__ = [
    "Discrete",
    "Environment",
    "Policy",
    "Simulation",
    "SimulationActor",  # defined by __getattr__
    "evaluate_policy",
    "train_policy",
    "train_policy_parallel",
    "update_policy",
]

record_methods(Policy)


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
        return missing(self, name, "env", "truncated")

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
        check_chooses(policy)
        shape, table = policies.table_shape(self.env), getattr(policy, "__dict__", {}).get("_policy")
        if isinstance(table, policies.Policy):
            check_policy(table, shape)
        world, choose = stepwise_world(self.env), policy.get_action
        steps = list(
            stepwise.episode_steps(
                world, lambda state: as_action(choose(state, explore, epsilon), shape[1]), render=render
            )
        )
        self.truncated = steps[-1].truncated
        return [list(step[:4]) for step in steps]


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
    check_rates(weight, discount_factor)
    policy = Policy(env)
    policy._policy = training.train_policy(fast_world(env), num_episodes, alpha=weight, gamma=discount_factor)
    return policy


def evaluate_policy(env: Environment, policy: Policy, num_episodes: int = 10) -> float:
    """Play greedy episodes; print the mean number of steps per episode, and return it.

    A policy that overrides `get_action` is asked for each action.
    """
    check_chooses(policy)
    policies.table_shape(env)  # raises SettingError if it isn't an environment
    if isinstance(policy, Policy) and not overrides(policy, Policy, "get_action"):
        mean_steps = grades.evaluate_policy(fast_world(env), with_table(policy), num_episodes).mean_steps
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
        num_simulations: number of simulations that play in parallel. On one machine `train_policy` learns as much from
            as many episodes, and sooner, in a maze as small as this.
        weight: step size, in (0, 1].
        discount_factor: discount per step, in [0, 1].

    Raises:
        SettingError: if a setting is out of range, or a method was replaced in the class `Environment` itself.
    """
    check_rates(weight, discount_factor)
    check_count("num_episodes", num_episodes, 1, MAX_EPISODES)
    check_count("num_simulations", num_simulations, 1)
    check_sendable(env)
    policy = Policy(env)
    policy._policy = distributed.train_policy_parallel(
        fast_world(env), num_episodes * num_simulations, num_simulations, alpha=weight, gamma=discount_factor
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
