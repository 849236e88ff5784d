"""Loops that play episodes and learn from them.

A world with a model is played in a compiled loop, `learn_episodes` or `learn_interleaved` in `clew.kernels.learning`.
Any other environment is played step by step in Python by `learn_stepwise`. Both call the same update rules and
exploration strategies, and learn the same bits.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.environments import ModelEnvironment
from clew.errors import SettingError
from clew.kernels.learning.interleaving import EpisodeSlots, learn_interleaved, new_episode_slots
from clew.kernels.learning.learners import BEFORE_UPDATE, Step, begin_episode, end_episode, learn, next_action_order
from clew.kernels.learning.rollouts import EpisodeSpec, EpisodeStats, learn_episodes, new_episode_stats
from clew.kernels.sampling import Stream, new_stream, next_bits
from clew.kernels.values import MaskedTable
from clew.learning.learner import Learner, reserve_outcomes
from clew.learning.precision import RewardRange
from clew.policies.episodes import episode_spec
from clew.policies.stepwise import NO_ACTION, BehaviourPolicy, Choice
from clew.reference import Transition

Key = tuple[int, int, int]  # (seed, round, simulation)


class LoopState(NamedTuple):
    """Position of a loop that plays one episode after the other; changed in place."""

    stream: Stream  # (2,) uint64, of all random numbers
    num_ended: npt.NDArray[np.int64]  # (1,), number of completed episodes


@dataclass(frozen=True)
class Loop:
    """A loop that plays episodes and learns from them.

    Attributes:
        learn: function of a number of episodes; plays that many more, learns from them and returns their statistics.
            How the episodes are divided among calls changes no bit.
        state: what a checkpoint must save besides the learner; None if the environment has a state that can't be saved.
        paid: function that returns the range of all rewards so far; of environments without a model alone.
    """

    learn: Callable[[int], EpisodeStats]
    state: LoopState | EpisodeSlots | None
    paid: Callable[[], RewardRange] = RewardRange


def new_loop(
    env: Any,
    world: ModelEnvironment | None,
    learner: Learner,
    num_episodes: int,
    key: Key,
    starts: npt.NDArray[np.int32] | None = None,
) -> Loop:
    """Return the loop by which a learner learns an environment: compiled if there is a model, else step by step.

    Args:
        env: environment, or model.
        world: its compiled form, from `as_compiled(env)`; None if it has none.
        learner: changed in place.
        num_episodes: number of episodes of the whole training, for schedules.
        key: (seed, round, simulation), which keys the stream of random numbers.
        starts: (num_starts,) int32, start states of a compiled world, by default its own.
    """
    if world is None:
        return stepwise_loop(env, learner, num_episodes, key)
    spec = episode_spec(world, starts, learner.settings.exploring_starts)
    return compiled_loop(world.mdp.fast_model, spec, learner, num_episodes, key)


def compiled_loop(model: Any, spec: EpisodeSpec, learner: Learner, num_episodes: int, key: Key) -> Loop:
    """Return the compiled loop for a model, or a section of one: sequential, or interleaved if that is set.

    Args:
        model: model in the form of kernels, `FiniteMDP.fast_model`.
        spec: start states and step limit.
        learner: changed in place.
        num_episodes: number of episodes of the whole training, for schedules.
        key: (seed, round, simulation), which keys the stream of random numbers.
    """
    if learner.settings.num_interleaved == 1:
        return sequential_loop(model, spec, learner, num_episodes, new_loop_state(key))
    return _interleaved_loop(model, spec, learner, num_episodes, key)


def new_loop_state(key: Key) -> LoopState:
    """Return the state of a loop before its first episode."""
    return LoopState(new_stream(*key), np.zeros(1, np.int64))


def sequential_loop(model: Any, spec: EpisodeSpec, learner: Learner, num_episodes: int, state: LoopState) -> Loop:
    """Return a compiled loop that plays one episode after the other, from a given state on; see `compiled_loop`."""

    def learn_sequentially(n: int) -> EpisodeStats:
        stats = new_episode_stats(n)
        rates = learner.rates(int(state.num_ended[0]), n, num_episodes)
        learn_episodes(model, spec, learner.rule, learner.behaviour, learner.visits, rates, state.stream, stats)
        state.num_ended[0] += n
        return stats

    return Loop(learn_sequentially, state)


def _interleaved_loop(model: Any, spec: EpisodeSpec, learner: Learner, num_episodes: int, key: Key) -> Loop:
    """Return a compiled loop that interleaves `num_interleaved` episodes on one table; see `compiled_loop`."""
    k = min(learner.settings.num_interleaved, num_episodes)
    slots = new_episode_slots([new_stream(*key, slot) for slot in range(k)], num_episodes)

    def learn_interleaved_episodes(n: int) -> EpisodeStats:
        stats = new_episode_stats(n)
        rates = learner.rates(int(slots.counters[1]), n + k, num_episodes)
        learn_interleaved(model, spec, learner.rule, learner.behaviour, learner.visits, rates, slots, stats)
        return stats

    return Loop(learn_interleaved_episodes, slots)


# Step by step ---------------------------------------------------------------------------------------------------------


def stepwise_loop(env: Any, learner: Learner, num_episodes: int, key: Key, num_steps: float = math.inf) -> Loop:
    """Return the loop for an environment without a model, which is played step by step.

    Args:
        env: environment with Discrete spaces; the key seeds its first reset.
        learner: changed in place.
        num_episodes: number of episodes of the whole training, for schedules.
        key: (seed, round, simulation), which keys the stream of random numbers.
        num_steps: number of steps after which a call begins no more episode.

    Raises:
        SettingError: if episodes are to be interleaved.
    """
    if learner.settings.num_interleaved > 1:
        raise SettingError(
            "must be 1 with an environment without a model, which plays one episode at a time",
            setting="num_interleaved",
        )
    return loop_over(learn_stepwise(env, learner, num_episodes, new_loop_state(key), seed=env_seed(key)), num_steps)


def env_seed(key: Key) -> int:
    """Return the seed of the first reset of an environment without a model."""
    return int(next_bits(new_stream(*key, 0))) >> 33


def loop_over(transitions: Iterator[Transition], num_steps: float = math.inf) -> Loop:
    """Return a loop that only takes the next transitions of an endless iterator, which learns from them.

    Args:
        transitions: plays episode after episode, and learns from every step before it yields the transition.
        num_steps: number of steps after which a call begins no more episode.
    """
    paid = [np.inf, 0.0]

    def learn_some(n: int) -> EpisodeStats:
        stats, episode, num_done = new_episode_stats(n), 0, 0
        while episode < n and num_done < num_steps:
            steps, episode_return, is_over, terminated = 0, 0.0, False, False
            while not is_over:
                step = next(transitions)
                steps, episode_return, terminated = steps + 1, episode_return + step.reward, step.terminated
                is_over = terminated or step.truncated
                size = abs(step.reward)
                paid[0], paid[1] = min(paid[0], size or np.inf), max(paid[1], size)
            stats.steps[episode], stats.episode_return[episode] = steps, episode_return
            stats.terminated[episode] = terminated
            episode, num_done = episode + 1, num_done + steps
        return EpisodeStats(stats.steps[:episode], stats.episode_return[:episode], stats.terminated[:episode])

    return Loop(learn_some, None, lambda: RewardRange(*paid))


def learn_stepwise(
    env: Any,
    learner: Learner,
    num_episodes: int,
    state: LoopState,
    *,
    seed: int | None = None,
    max_steps: int | None = None,
    before_update: Callable[[Any, Step, Any, float, Choice], None] | None = None,
) -> Iterator[Transition]:
    """Play episode after episode of an environment, learn from every step, and yield its transition; without end.

    Args:
        env: environment with Discrete spaces.
        learner: changed in place. If its model grows, only this loop knows the grown one.
        num_episodes: number of episodes of the whole training, for schedules.
        state: stream and number of completed episodes; changed in place.
        seed: seed for the environment's first reset; None continues its stream of random numbers.
        max_steps: step limit of an episode, see `episode_steps`.
        before_update: called with what the update rule is about to be given, rule, step, step size and exploration, and
            with how the action was chosen.

    Yields:
        Each transition, after the learner has learned from it, and at the end of an episode has finished it.
    """
    chooses_before = next_action_order(learner.rule) == BEFORE_UPDATE
    own_tables = [table for table, _ in learner.tables if table is not learner.q]
    tables = [learner.rule.q, *own_tables] if isinstance(learner.rule.q, MaskedTable) else []
    policy = BehaviourPolicy(
        learner.behaviour, learner.rule.q, learner.visits, 0.0, state.stream, tables, before_update is not None
    )
    while True:
        alpha, exploration = learner.rates_at(int(state.num_ended[0]), num_episodes)
        rate, policy.exploration = learner.step_size(alpha), exploration
        begin_episode(learner.rule)
        for t in policy.play(env, exploring_starts=learner.settings.exploring_starts, seed=seed, max_steps=max_steps):
            a_next = policy.choose_next(t.next_state) if chooses_before and not t.terminated else NO_ACTION
            learner = reserve_outcomes(learner, 1)
            step = Step(t.state, t.action, np.float32(t.reward), t.next_state, a_next, t.terminated)
            if before_update is not None:
                before_update(learner.rule, step, rate, exploration, policy.choice)
            learn(learner.rule, step, rate, exploration, state.stream)
            if t.terminated or t.truncated:
                end_episode(learner.rule, rate, exploration, state.stream)
                state.num_ended[0] += 1
            yield t
        seed = None
