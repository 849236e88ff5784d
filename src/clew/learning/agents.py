"""Agents in plain Python: `run_agent` lets one act in an environment and learn, at Python's speed."""

from collections.abc import Iterator
from inspect import signature
from typing import Any

from clew.environments import ModelEnvironment, as_compiled
from clew.environments.checks import as_integer
from clew.errors import SettingError
from clew.learning.checkpoints import Checkpoints
from clew.learning.loops import env_seed, loop_over
from clew.learning.metrics import Callback, Watch
from clew.learning.reporting import check_reporting
from clew.learning.settings import check_run
from clew.learning.training import SerialRounds, check_values, report
from clew.models.mdp import FiniteMDP
from clew.policies.policy import Policy, table_shape
from clew.policies.stepwise import episode_steps
from clew.reference import Agent, Transition
from clew.settings import shown

METHODS = {"act": "state", "update": "transition"}  # of an agent: name and argument


def run_agent(
    agent: Agent,
    env: Any,
    num_episodes: int,
    *,
    seed: int = 0,
    callback: Callback | None = None,
    watch: Watch | None = None,
) -> Policy | None:
    """Let an agent that is written in plain Python act in an environment and learn, step by step.

    An agent is any object with the methods of `clew.Agent`. In each state `act(state)` is called, and after the step
    `update(transition)` with a `clew.Transition`. At the end of an episode, `terminated` says that the world has ended
    it, and `truncated` that a step limit has; one of them is True.

    An agent isn't told which actions are available in a state. `FiniteMDP.available` says it, and docs/agents.md shows
    an agent that uses it.

    The agent draws its own random numbers, so seed it too. One that draws as a compiled algorithm does learns the same
    bits as `train_policy` in an environment without a model.

        >>> import clew
        >>> import numpy as np
        >>> class QLearning:
        ...     def __init__(self, num_states, num_actions, seed):
        ...         self.q, self.rng = np.zeros((num_states, num_actions)), np.random.default_rng(seed)
        ...
        ...     def act(self, s):
        ...         if self.rng.random() < 0.1:
        ...             return self.rng.integers(4)
        ...         return self.rng.choice(np.flatnonzero(self.q[s] == self.q[s].max()))
        ...
        ...     def update(self, t):
        ...         value = 0.0 if t.terminated else self.q[t.next_state].max()
        ...         self.q[t.state, t.action] += 0.1 * (t.reward + 0.9 * value - self.q[t.state, t.action])
        >>> env = clew.Environment(clew.Maze.open(5, 5))
        >>> policy = clew.run_agent(QLearning(25, 4, seed=1), env, 500, seed=1)
        >>> clew.evaluate_policy(env, policy).mean_steps
        8.0

    Args:
        agent: agent; learns in place.
        env: environment with Discrete spaces, or a model.
        num_episodes: number of episodes.
        seed: seed of the environment; a non-negative integer.
        callback: function that is called with the `RoundMetrics` of each round, as in `train_policy`. There are at most
            a hundred rounds. If it raises `clew.StopTraining`, the run ends.
        watch: function that is called before `callback` with the agent's action values, (num_states, num_actions)
            float32, read-only; only for an agent with a table `q`.

    Returns:
        Policy with the action values of the agent's attribute `q`, (num_states, num_actions), which are copied: what
        the agent has learned, without its exploration. None if it has no `q`; its returns are in the `RoundMetrics`.

    Raises:
        SettingError: if the agent lacks a method, `act` gives something else than an action or, in a model, one that
            isn't available, `q` is not a table of the environment's size, or the environment doesn't follow Gymnasium's
            interface.
    """
    check_run(num_episodes, seed)
    check_reporting(callback, watch, None, None)
    world = ModelEnvironment(env) if isinstance(env, FiniteMDP) else env
    table_shape(world)  # raises an error if it isn't an environment
    check_agent(agent)
    if policy_of(agent, world, seed) is None and watch is not None:
        raise SettingError("needs an agent with a table q of action values; leave it out", setting="watch")
    loop, is_reported = loop_over(agent_transitions(agent, world, seed)), callback is not None or watch is not None
    rounds = SerialRounds(None, loop, num_episodes, None, Checkpoints(None), is_reported=is_reported)
    with rounds.checkpoints.saved_on_stop(rounds):
        for metrics in rounds.play():
            current = None if watch is None else policy_of(agent, world, seed)
            report(metrics, current, watch, callback)
    return policy_of(agent, world, seed)


def agent_transitions(agent: Agent, env: Any, seed: int, place: int = 0) -> Iterator[Transition]:
    """Play episode after episode, let the agent learn from every step, and yield its transition; without end.

    Args:
        agent: agent; learns in place.
        env: environment.
        seed: seed of the run.
        place: number of worlds in which the agent has learned before, in the same run.
    """
    num_actions, world = table_shape(env)[1], as_compiled(env)
    max_steps = None if world is None else world.max_episode_steps

    def act(state: int) -> int:
        chosen = agent.act(state)
        action = as_integer(chosen)
        if not 0 <= action < num_actions:
            raise SettingError(f"the agent's act gave action {shown(chosen)}, expected one in 0..{num_actions - 1}")
        return action

    first: int | None = env_seed((seed, 0, place))
    while True:
        for transition in episode_steps(env, act, seed=first, max_steps=max_steps):
            agent.update(transition)
            yield transition
        first = None


def policy_of(agent: Agent, env: Any, seed: int = 0) -> Policy | None:
    """Return the policy that is greedy in the table `q` of an agent; None if it has none.

    Args:
        agent: agent.
        env: environment.
        seed: seed of the policy's own random numbers.

    Raises:
        SettingError: if `q` is not a table of (num_states, num_actions) finite numbers.
    """
    q = getattr(agent, "q", None)
    if q is None:
        return None
    try:
        policy = Policy(env, seed=seed, q=q)
    except SettingError as error:
        raise SettingError(
            f"the agent's {error}; give it another name than q if it isn't a table of action values"
        ) from None
    check_values(policy.q, as_compiled(env))
    return policy


def check_agent(agent: Any) -> None:
    """Check that an object has the methods of an agent.

    Raises:
        SettingError: if a method is missing, or takes other arguments; or if it is a class.
    """
    if isinstance(agent, type):
        raise SettingError(f"must be an agent, not the class {agent.__name__}; pass an instance", setting="agent")
    for name, argument in METHODS.items():
        method = getattr(agent, name, None)
        if not callable(method):
            raise SettingError(
                f"must have the methods act(state) and update(transition); {shown(agent)} has no {name}",
                setting="agent",
            )
        try:
            signature(method).bind(None)
        except TypeError:
            raise SettingError(
                f"must have a method {name}({argument}) of one argument, not {name}{signature(method)}", setting="agent"
            ) from None
        except ValueError:  # a function in C, whose arguments Python doesn't know
            continue
