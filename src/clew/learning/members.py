"""Many trainings of one learner in one world, which differ by their seeds only.

    train_members       one after the other in compiled code, without Python between them
    play_episodes       one training in any loop: a number of episodes
    play_steps          one training in any loop: as many episodes as begin within a number of steps

Each training has the bits of `train_policy` with its seed: the same initial values and the same stream of random
numbers. How episodes are divided among calls of a loop changes no bit, so a long training is learned in stretches of
about 0.1 s, between which it can be stopped.
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.environments import ModelEnvironment
from clew.kernels import read_only
from clew.kernels.learning.members import LearnerMemory, learn_members
from clew.kernels.learning.rollouts import EpisodeStats
from clew.kernels.sampling import Stream, new_stream
from clew.learning.learner import Learner
from clew.learning.loops import Loop
from clew.learning.saved_arrays import arrays_of
from clew.learning.settings import Learning
from clew.learning.training import SECONDS_PER_CHUNK, check_values, joined, new_policy
from clew.policies.episodes import episode_spec

MAX_EPISODES_AT_ONCE = 2**20  # that a kernel learns in one call; their statistics take 17 bytes each

Check = Callable[[], None]
"""Function that is called now and then, and raises an error to stop."""


class Members(NamedTuple):
    """Results of several trainings."""

    stats: EpisodeStats  # (num_members, num_episodes) arrays
    tables: npt.NDArray[np.float32]  # (num_members, num_states, num_actions), learned action values


def train_members(
    world: ModelEnvironment, learning: Learning, seeds: Sequence[int], num_episodes: int
) -> Members | None:
    """Train a learner once with each of several seeds, in one call of a kernel.

    Args:
        world: compiled world.
        learning: settings of the learner.
        seeds: a seed for each training; at least one.
        num_episodes: number of episodes of each training.

    Returns:
        Results of the trainings, in the order of the seeds; None if they can't be learned in one call: if episodes are
        interleaved or too many, or a rule of a plug-in has arrays that don't lie in one piece.

    Raises:
        SettingError: if the memory of the machine doesn't suffice, or the values of a training grew too large.
    """
    if learning.num_interleaved > 1 or num_episodes > MAX_EPISODES_AT_ONCE:
        return None
    _, learner = new_policy(world, world, learning, 0)
    memory = _memory_of(learner)
    if memory is None:
        return None
    n = len(seeds)
    shape = n, num_episodes
    stats = EpisodeStats(np.empty(shape, np.int64), np.empty(shape), np.empty(shape, np.bool_))
    tables = np.empty((n, *learner.q.shape), np.float32)
    learn_members(
        world.mdp.fast_model,
        episode_spec(world, None, learning.exploring_starts),
        learner.rule,
        learner.behaviour,
        learner.visits,
        learner.rates(0, num_episodes, num_episodes),
        memory,
        np.array([_stream_of(seed) for seed in seeds]),
        stats,
        tables.reshape(n, -1).view(np.uint8),
    )
    check_tables(tables, world)
    return Members(stats, tables)


@lru_cache(maxsize=2**16)
def _stream_of(seed: int) -> Stream:
    """Return the stream of a training; cached, as every learner of an experiment has the same seeds. Copy it."""
    return read_only(new_stream(seed, 0, 0))


def _memory_of(learner: Learner) -> LearnerMemory | None:
    """Return all arrays of a learner as bytes, the action values first; None if one doesn't lie in one piece."""
    arrays = list(arrays_of(learner).values())
    if arrays[0] is not learner.q or not all(each.flags.c_contiguous and each.flags.writeable for each in arrays):
        return None
    views = tuple(each.reshape(-1).view(np.uint8) for each in arrays)
    return LearnerMemory(views, tuple(each.copy() for each in views))


def check_tables(tables: npt.NDArray[np.float32], world: ModelEnvironment | None) -> None:
    """Check the action values that were learned, (num_members, num_states, num_actions), as `train_policy` does.

    Raises:
        SettingError: if those of a training grew too large.
    """
    if not np.isfinite(tables).all():  # or some actions aren't available
        for q in tables:
            check_values(q, world)


# One training in stretches --------------------------------------------------------------------------------------------


def play_episodes(loop: Loop, num_episodes: int, every: int, check: Check, first: int = 0) -> EpisodeStats:
    """Learn from a number of episodes, and return the statistics of the last one of every `every` episodes.

    Args:
        loop: loop in which a learner learns.
        num_episodes: number of episodes.
        every: 1 to return the statistics of all episodes.
        check: called between stretches of about 0.1 s.
        first: number of episodes that the loop has played before, which `every` counts too.
    """
    rows, done, size = [], 0, 1
    while done < num_episodes:
        check()
        n, begun = min(size, num_episodes - done), time.perf_counter()
        stats = loop.learn(n)
        size = _next_size(n, time.perf_counter() - begun)
        rows.append(_last_of_every(stats, -(first + done + 1) % every, every))
        done += n
    return joined(rows)


def play_steps(loop: Loop, learner: Learner | None, num_steps: int, check: Check) -> EpisodeStats:
    """Learn from as many episodes as begin before a number of steps has been taken; the last one is completed.

    A stretch that turns out to be too long is taken back, and learned again up to the last episode that belongs.

    Args:
        loop: loop in which a learner learns.
        learner: the learner; None if its state can't be set back, so that episodes are learned one by one.
        num_steps: number of steps.
        check: called between stretches of about 0.1 s.
    """
    arrays = [] if learner is None else list(arrays_of({"learner": learner, "loop": loop.state}).values())
    rows, taken, size = [], 0, 1
    while taken < num_steps:
        check()
        before, begun = [each.copy() for each in arrays], time.perf_counter()
        stats = loop.learn(size)
        num_begun = 1 + int(np.searchsorted(taken + np.cumsum(stats.steps), num_steps))
        if num_begun < size:
            for array, content in zip(arrays, before, strict=True):
                array[...] = content
            stats = loop.learn(num_begun)
        rows.append(stats)
        taken += int(stats.steps.sum())
        size = 1 if learner is None else _next_size(size, time.perf_counter() - begun)
    return joined(rows)


def _last_of_every(stats: EpisodeStats, first: int, every: int) -> EpisodeStats:
    """Return copies of the statistics of episodes first, first + every, first + 2 * every, ..."""
    return EpisodeStats._make(column[first::every].copy() for column in stats)


def _next_size(n: int, seconds: float) -> int:
    """Return how many episodes take about 0.1 s, if n of them have taken some seconds; at most eight times as many."""
    return min(MAX_EPISODES_AT_ONCE, max(1, int(n * min(8.0, SECONDS_PER_CHUNK / max(seconds, 1e-9)))))
