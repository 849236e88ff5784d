"""Simulations: episodes of a policy, played compiled or step by step, and recorded as trajectories."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.environments import ModelEnvironment, as_compiled
from clew.errors import SettingError
from clew.kernels.choices import ActionTable, ProbabilityTable
from clew.kernels.learning.behaviours import EpsilonGreedy, epsilon_greedy
from clew.kernels.learning.learners import ConstantStepSize, Step, learn
from clew.kernels.learning.rollouts import Cursor, EpisodeSpec, FixedValues, TransitionBatch, record_episodes
from clew.kernels.sampling import Stream, next_bits
from clew.models.mdp import FiniteMDP
from clew.policies.behaviours import BEHAVIOURS
from clew.policies.given import HasPolicy, as_policy, choices_of, choices_to_mark
from clew.policies.plugins import check_known
from clew.policies.policy import Policy, table_shape
from clew.policies.stepwise import NO_ACTION, BehaviourPolicy, episode_steps
from clew.policies.trajectory import DTYPES, Trajectory
from clew.reference import Transition
from clew.settings import (
    MAX_EPISODES,
    SHARE,
    as_numbers,
    as_states,
    check_count,
    check_flag,
    check_number,
    shown,
)

NO_LIMIT = 2**62  # steps


# Simulations ----------------------------------------------------------------------------------------------------------


class Simulation:
    """Plays episodes of one environment, and records them.

    The model of the environment, if it has one, is read when the simulation is made.

        >>> import clew
        >>> env = clew.Environment(clew.Maze.open(5, 5))
        >>> policy = clew.train_policy(env, 1000, seed=1)
        >>> trajectory = clew.Simulation(env).rollout(policy, explore=False)
        >>> len(trajectory), trajectory.num_terminated
        (8, 1)

    Args:
        env: environment with Discrete spaces, or a model.

    Attributes:
        env: the environment; a `ModelEnvironment` if a model was given.

    Raises:
        SettingError: if a space is not Discrete.
    """

    def __init__(self, env: Any) -> None:
        self._shape = table_shape(env)
        self.env = ModelEnvironment(env) if isinstance(env, FiniteMDP) else env
        self._compiled = as_compiled(self.env)

    def rollout(
        self,
        policy: Policy | HasPolicy | npt.ArrayLike,
        *,
        render: bool = False,
        explore: bool = True,
        epsilon: float = 0.1,
    ) -> Trajectory:
        """Play one episode with a policy, step by step in the environment itself.

        Args:
            policy: a policy, which draws from its own stream; or a `Solution`, action values, (num_states,
                num_actions), or an action for each state, (num_states,) integers, which draw from that of seed 0. If
                the infos of the environment have an `action_mask`, no masked action is drawn, and its values of masked
                actions become -inf.
            render: call `env.render()` at the start and after every step.
            explore: False plays the policy itself: a greedy action, that of the state, or one by its probabilities.
            epsilon: probability of a random action when exploring.

        Returns:
            Trajectory of one episode, terminated by the world or truncated by a step limit.

        Raises:
            SettingError: if the policy doesn't fit the environment or can be read in two ways, or epsilon is out of
                range.
        """
        actor = as_policy(policy, self.env)
        choose_action, tables = _chooser(actor, explore, epsilon)
        steps = episode_steps(self.env, choose_action, tables=tables, render=render)
        return self._played(Trajectory.from_transitions(list(steps)))

    def rollouts(
        self,
        policy: Policy | HasPolicy | npt.ArrayLike,
        num_episodes: int,
        *,
        behaviour: str = "epsilon-greedy",
        exploration: float = 0.1,
        visits: npt.NDArray[np.int32] | None = None,
        exploring_starts: bool = False,
        starts: npt.NDArray[np.int32] | None = None,
        stream: Stream,
    ) -> Trajectory:
        """Play many episodes with a policy that doesn't change; compiled if the environment has a model.

        Args:
            policy: a policy or a `Solution`; action values, (num_states, num_actions), read as float32, where those of
                actions that aren't available are ignored; or an action for each state, (num_states,) integers.
            num_episodes: number of episodes.
            behaviour: exploration strategy, a row of `clew.BEHAVIOURS`. A policy without action values takes only
                "epsilon-greedy" and "greedy", which then explore or take the action of the policy.
            exploration: its parameter, such as epsilon; ignored if it has none. Epsilon 0 plays the greedy policy.
            visits: (num_states, num_actions), previous tries of each action, for strategies that count them; copied.
                None is zeros.
            exploring_starts: True makes the first action of every episode random.
            starts: (num_starts,) int32, start states, by default those of the environment. Used only if it has a model.
            stream: (2,) uint64, stream of all random numbers, those of the world included; changed in place.

        Returns:
            Trajectory of all episodes.

        Raises:
            SettingError: if a setting is out of range, an array doesn't fit the environment, or the policy can be read
                in two ways.
        """
        check_count("num_episodes", num_episodes, 0, MAX_EPISODES)
        check_flag("exploring_starts", exploring_starts)
        _check_stream(stream)
        strategy, counts, exploration = _checked_strategy(behaviour, exploration, visits, self._shape)
        mdp = None if self._compiled is None else self._compiled.mdp
        choices = choices_of(policy, self._shape, mdp)
        if isinstance(choices, ActionTable | ProbabilityTable) and not isinstance(strategy, EpsilonGreedy):
            raise SettingError(f"{behaviour!r} needs action values, and this policy has none", setting="behaviour")
        if starts is not None:
            starts = as_states("starts", starts, self._shape[0]).astype(np.int32)
            if starts.ndim != 1 or starts.size == 0:
                raise SettingError("must be a non-empty list of states", setting="starts")
        rates, cursor = (ConstantStepSize(np.float32(0.0)), exploration), np.zeros(4, np.int64)
        if self._compiled is not None:
            spec = episode_spec(self._compiled, starts, exploring_starts)
            acting = FixedValues(choices), strategy, counts, rates
            return self._played(record(self._compiled.mdp, spec, acting, int(num_episodes), NO_LIMIT, stream, cursor))
        acting = FixedValues(choices_to_mark(policy, self._shape)), strategy, counts, rates
        return self._played(record_stepwise(self.env, exploring_starts, acting, num_episodes, NO_LIMIT, stream, cursor))

    def _played(self, trajectory: Trajectory) -> Trajectory:
        """Set the trajectory's world, so that a notebook can draw it; returns the trajectory."""
        object.__setattr__(trajectory, "world", self.env)
        return trajectory


def _chooser(policy: Policy, explore: bool, epsilon: float) -> tuple[Callable[[int], int], list[Any]]:
    """Return a function that draws the action of a policy in a state, and the table in which masked actions are marked.

    A class of policy with a `get_action` of its own and without values has no such table.

    Raises:
        SettingError: if epsilon is out of range.
    """
    check_flag("explore", explore)
    check_number("epsilon", epsilon, SHARE)
    if policy.kind == "values" or type(policy).get_action is not Policy.get_action:
        tables = [policy.q] if policy.kind == "values" else []
        return partial(policy.get_action, explore=explore, epsilon=epsilon), tables
    choices = choices_to_mark(policy, policy.shape)
    return lambda state: int(epsilon_greedy(choices, state, epsilon if explore else 0.0, policy.stream)), [choices]


def episode_spec(world: ModelEnvironment, starts: npt.NDArray[np.int32] | None, exploring_starts: bool) -> EpisodeSpec:
    """Return the start states and the step limit of a compiled world's episodes; starts None are the world's own."""
    start_states = world.mdp.starts if starts is None else starts
    return EpisodeSpec(start_states, world.max_episode_steps, bool(exploring_starts))


def _check_stream(stream: Any) -> None:
    """Check that an object is a stream of random numbers, which kernels change in place.

    Raises:
        SettingError: if it isn't.
    """
    is_array = isinstance(stream, np.ndarray) and stream.dtype == np.uint64 and stream.shape == (2,)
    if not is_array or not stream.flags.writeable or not stream.flags.c_contiguous:
        raise SettingError(
            f"must be a writable array of two uint64, such as policy.stream, not {shown(stream)}", setting="stream"
        )


def _checked_strategy(
    name: str, exploration: float, visits: npt.ArrayLike | None, shape: tuple[int, int]
) -> tuple[Any, npt.NDArray[np.int32], float]:
    """Return (strategy as kernels dispatch on it, copied visits or an empty array, exploration or 0.0).

    Raises:
        SettingError: if there is no such strategy, its exploration is out of range, or the visits don't fit.
    """
    check_known("behaviour", name, BEHAVIOURS)
    row = BEHAVIOURS[name]
    counts = np.zeros(shape if row.uses_visits else (0, 0), np.int32)
    if visits is not None:
        tries = as_numbers("visits", visits)
        shapes = (shape,) if row.uses_visits else (shape, (0, 0))  # arrays of learners that count none are empty
        if tries.shape not in shapes or tries.dtype.kind not in "iu":
            raise SettingError(f"visits must be integers of the shape {shape}, not {tries.dtype} of {tries.shape}")
        if row.uses_visits:
            counts[:] = tries
    if row.setting is None:
        return row.strategy, counts, 0.0
    check_number("exploration", exploration, row.bounds, used_by=name)
    return row.strategy, counts, float(exploration)


# Recording ------------------------------------------------------------------------------------------------------------

Acting = tuple[Any, Any, npt.NDArray[np.int32], tuple[Any, float]]
"""How to act, in the form of kernels: (rule, strategy, visits, rates), see `record_episodes`."""


def record(
    mdp: FiniteMDP,
    spec: EpisodeSpec,
    acting: Acting,
    num_episodes: int,
    num_steps: int,
    stream: Stream,
    cursor: Cursor,
) -> Trajectory:
    """Play episodes of a model in the compiled loop, and return their trajectory.

    The number of steps isn't known before, so transitions are recorded in pieces, each twice as long as the previous.

    Args:
        mdp: model.
        spec: start states and step limit.
        acting: how to act.
        num_episodes: number of episodes after which to stop.
        num_steps: number of steps after which to stop, in the midst of an episode if need be.
        stream: (2,) uint64, changed in place.
        cursor: see `clew.kernels.learning.rollouts.Cursor`; changed in place.
    """
    pieces: list[list[npt.NDArray[Any]]] = []
    size = 1024
    while not pieces or (cursor[0] < num_episodes and num_steps > 0):
        columns = TransitionBatch(*(np.empty(min(size, num_steps), dtype) for dtype in DTYPES))
        n = record_episodes(mdp.fast_model, spec, *acting, num_episodes, stream, cursor, columns)
        pieces.append([column[:n] for column in columns])
        size *= 2
        num_steps -= n
    return Trajectory(*(np.concatenate(column) for column in zip(*pieces, strict=True)))


def record_stepwise(
    env: Any,
    exploring_starts: bool,
    acting: Acting,
    num_episodes: int,
    num_steps: int,
    stream: Stream,
    cursor: Cursor,
    max_steps: int | None = None,
) -> Trajectory:
    """Play episodes of an environment step by step, and return their trajectory.

    Args:
        env: environment with Discrete spaces.
        exploring_starts: whether the first action of every episode is random.
        acting: how to act; the values of its rule are such that masked actions can be marked in them, in place.
        num_episodes: number of episodes after which to stop.
        num_steps: number of steps after which no episode begins.
        stream: (2,) uint64, changed in place; it seeds the environment's first reset too.
        cursor: (4,) int64; its first number counts the episodes, in place.
        max_steps: step limit of an episode, see `episode_steps`.
    """
    rule, strategy, visits, (alpha, exploration) = acting
    policy = BehaviourPolicy(strategy, rule.q, visits, exploration, stream, [rule.q])
    transitions: list[Transition] = []
    seed: int | None = int(next_bits(stream)) >> 33
    while cursor[0] < num_episodes and len(transitions) < num_steps:
        for t in policy.play(env, exploring_starts=exploring_starts, seed=seed, max_steps=max_steps):
            step = Step(t.state, t.action, np.float32(t.reward), t.next_state, NO_ACTION, t.terminated)
            learn(rule, step, alpha, exploration, stream)
            transitions.append(t)
        seed = None
        cursor[0] += 1
    return Trajectory.from_transitions(transitions)
