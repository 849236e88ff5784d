"""The loops that a learner goes through: compiled where the world can be, else step by step; with the same rules."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.environments import as_compiled
from clew.errors import SettingError
from clew.kernels.learning.behaviours import AnyAction, after, choose, count_visit
from clew.kernels.learning.interleaving import Lanes, learn_interleaved, new_lanes
from clew.kernels.learning.learners import BEFORE, Step, begin, finish, learn, order
from clew.kernels.learning.rollouts import EpisodeSpec, EpisodeStats, learn_episodes, new_episode_stats
from clew.kernels.sampling import Stream, new_stream, next_bits
from clew.learning.learner import Learner, make_room
from clew.policies.episodes import episode_spec, episode_steps

__all__ = ["Key", "Loop", "LoopState", "compiled_loop", "learning_loop", "new_loop", "new_state", "one_at_a_time"]

Key = tuple[int, int, int]  # seed, round, simulation


class LoopState(NamedTuple):
    """Where a loop stands that plays one episode after the other; changed in place."""

    stream: Stream  # of all draws
    num_ended: npt.NDArray[np.int64]  # (1,), how many episodes


@dataclass(frozen=True)
class Loop:
    """The loop that a learner goes through.

    Attributes:
        learn: learns from so many episodes more, and says what they came to.
        state: where it stands, beside what the learner has learned; `Lanes` if episodes take turns, None if it can't be
            said.
    """

    learn: Callable[[int], EpisodeStats]
    state: LoopState | Lanes | None


def learning_loop(
    env: Any, learner: Learner, num_episodes: int, key: Key, starts: npt.NDArray[np.int32] | None = None
) -> Loop:
    """The loop that a learner goes through.

    However many it is asked for at a time, `num_episodes` together come to the same bits. It's compiled here, if this
    is the first time, so that what follows is timed without it.

    Args:
        env: environment, or model.
        learner: is changed in place.
        num_episodes: how many episodes there will be, for schedules.
        key: (seed, round, simulation), by which all draws are keyed.
        starts: (n,) states in which episodes begin, where it isn't for the world to say; of compiled worlds.
    """
    loop = new_loop(env, learner, num_episodes, key, starts)
    loop.learn(0)
    return loop


def new_loop(
    env: Any, learner: Learner, num_episodes: int, key: Key, starts: npt.NDArray[np.int32] | None = None
) -> Loop:
    """The same, compiled when it is first called."""
    world = as_compiled(env)
    if world is None:
        return _stepwise(env, learner, num_episodes, key)
    spec = episode_spec(world, starts, learner.settings.exploring_starts)
    return compiled_loop(world.mdp.fast_model, spec, learner, num_episodes, key)


def compiled_loop(model: Any, spec: EpisodeSpec, learner: Learner, num_episodes: int, key: Key) -> Loop:
    """The same in a world that kernels can play, or in a section of one."""
    if learner.settings.num_interleaved == 1:
        return one_at_a_time(model, spec, learner, num_episodes, new_state(key))
    return _interleaved(model, spec, learner, num_episodes, key)


def new_state(key: Key) -> LoopState:
    """Where a loop stands before its first episode."""
    return LoopState(new_stream(*key), np.zeros(1, np.int64))


def one_at_a_time(model: Any, spec: EpisodeSpec, learner: Learner, num_episodes: int, state: LoopState) -> Loop:
    """A compiled loop that goes on from where another stood, and plays one episode after the other."""

    def learn_some(n: int) -> EpisodeStats:
        stats = new_episode_stats(n)
        rates = learner.rates(int(state.num_ended[0]), n, num_episodes)
        learn_episodes(model, spec, learner.rule, learner.behaviour, learner.visits, rates, state.stream, stats)
        state.num_ended[0] += n
        return stats

    return Loop(learn_some, state)


def _interleaved(model: Any, spec: EpisodeSpec, learner: Learner, num_episodes: int, key: Key) -> Loop:
    k = min(learner.settings.num_interleaved, num_episodes)
    lanes = new_lanes([new_stream(*key, lane) for lane in range(k)], num_episodes)

    def learn_some(n: int) -> EpisodeStats:
        stats = new_episode_stats(n)
        rates = learner.rates(int(lanes.counters[1]), n + k, num_episodes)
        learn_interleaved(model, spec, learner.rule, learner.behaviour, learner.visits, rates, lanes, stats)
        return stats

    return Loop(learn_some, lanes)


def _stepwise(env: Any, learner: Learner, num_episodes: int, key: Key) -> Loop:
    if learner.settings.num_interleaved > 1:
        raise SettingError(
            "must be 1 with an environment without a model, which plays one episode at a time",
            setting="num_interleaved",
        )
    stream = new_stream(*key)
    env_seed: int | None = int(next_bits(new_stream(*key, 0))) >> 33
    learned = 0

    def learn_some(n: int) -> EpisodeStats:
        nonlocal env_seed, learned, learner
        stats = new_episode_stats(n)
        for i in range(n):
            rate, exploration = learner.rates_at(learned + i, num_episodes)
            alpha = learner.step_size(rate)
            learner, *sums = _play_stepwise(env, learner, alpha, exploration, stream, env_seed)
            stats.steps[i], stats.episode_return[i], stats.terminated[i] = sums
            env_seed = None
        learned += n
        return stats

    return Loop(learn_some, None)


def _play_stepwise(
    env: Any, learner: Learner, alpha: Any, exploration: float, stream: Stream, env_seed: int | None
) -> tuple[Learner, int, float, bool]:
    """Learn from an episode of an environment that only steps: (learner, steps, sum of rewards, terminated)."""
    visits = learner.visits
    steps, episode_return, terminated = 0, 0.0, False
    acting = AnyAction() if learner.settings.exploring_starts else learner.behaviour
    next_action = -1  # chosen already, if the rule asks for it before it learns

    def pick(state: int) -> int:
        return int(choose(acting, learner.rule.q, visits, state, exploration, stream))

    def act(state: int) -> int:
        return pick(state) if next_action < 0 else next_action

    begin(learner.rule)
    for t in episode_steps(env, act, seed=env_seed):
        steps, episode_return, terminated = steps + 1, episode_return + t.reward, t.terminated
        count_visit(learner.behaviour, visits, t.state, t.action)
        acting = after(learner.behaviour, t.action)
        is_asked = order(learner.rule) == BEFORE and not t.terminated
        next_action = pick(t.next_state) if is_asked else -1
        learner = make_room(learner, 1)
        step = Step(t.state, t.action, np.float32(t.reward), t.next_state, next_action, t.terminated)
        learn(learner.rule, step, alpha, exploration, stream)
    finish(learner.rule, alpha, exploration, stream)
    return learner, steps, episode_return, terminated
