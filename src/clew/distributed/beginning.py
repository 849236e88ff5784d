"""Beginning of a training, measured to know how long the whole of it will take."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from clew.distributed.rounds import Rounds
from clew.distributed.tasks import InProcessPool, Job
from clew.errors import PrecisionError, StopTraining
from clew.evaluation.exact import policy_steps
from clew.kernels import clock
from clew.learning.learner import Learner
from clew.learning.loops import Key, compiled_loop, env_seed, learn_stepwise, new_loop_state, sequential_loop
from clew.planning import find_optimum
from clew.policies.behaviours import BEHAVIOURS
from clew.policies.episodes import episode_spec

SHARE = 0.05  # of the expected steps of the training, which are done before it is stopped, if time allows
MAX_SOLVED = 100_000  # states of a model that is solved to know how long episodes are in the end
SECONDS_PER_CALL = 0.1  # of a kernel, which can't be stopped
FIRST_STEPS = 10_000  # at which an episode is cut off at first, so that no call of a kernel takes much longer
MAX_INTERLEAVED_STEPS = 1_000_000  # at which interleaved episodes are cut off, in all calls


class Beginning(NamedTuple):
    """Measured beginning of a training, and the expected steps of the whole."""

    num_ended: int  # episodes that ended while it was measured
    num_measured: int  # steps
    seconds: float  # that they took
    num_steps: float  # expected, of the whole training
    fewest_steps: float  # the same if later episodes are as long as when all is learned, or 0 if that is unknown
    most_steps: float  # the same if later episodes don't become shorter; infinite if no episode has ended
    steps_per_second: float  # in the second half of the time


def measure(
    rows: Iterable[tuple[int, int]], num_episodes: int, steps_at_end: float, seconds: float, max_seconds: float
) -> Beginning:
    """Begin a training; return its speed, and the expected number of steps of the whole.

    Args:
        rows: (number of ended episodes, number of steps) so far, of a training that goes on when the next is taken. The
            time of those without steps doesn't count.
        num_episodes: number of episodes of the training.
        steps_at_end: expected steps of an episode when all is learned; 0 if unknown.
        seconds: after which the training is stopped, once episodes have ended in three rows, and a twentieth of the
            expected steps is done.
        max_seconds: after which it is stopped in any case.
    """
    begun, ends, steps, times = clock(), [0], [0], [0.0]
    for num_ended, num_steps in rows:
        if num_steps == 0:  # machine code was loaded
            begun = clock()
            continue
        elapsed = clock() - begun
        ends.append(num_ended)
        steps.append(num_steps)
        times.append(elapsed)
        if elapsed > max_seconds:
            break
        if len(ends) > 3 and elapsed > seconds:
            expected = extrapolate(ends, steps, num_episodes, steps_at_end)
            if steps[-1] > SHARE * expected:
                break
    expected = fewest = steps[-1] + (num_episodes - ends[-1]) * steps_at_end
    most = math.inf
    half = min(int(np.searchsorted(times, 0.5 * times[-1])), len(times) - 2)
    speed = max(1, steps[-1] - steps[half]) / max(times[-1] - times[half], 1e-9)
    if ends[-1]:
        expected = extrapolate(ends, steps, num_episodes, steps_at_end)
        length = 2.0 * (steps[-1] - float(np.interp(0.5 * ends[-1], ends, steps))) / ends[-1]  # of their second half
        most = max(expected, steps[-1] + (num_episodes - ends[-1]) * length)
    return Beginning(ends[-1], steps[-1], times[-1], expected, min(expected, fewest), most, speed)


def begin_rounds(rounds: Rounds, pool: InProcessPool, seconds: float) -> Iterator[tuple[int, int]]:
    """Train in rounds; yield (number of ended episodes, number of steps) whenever an episode has ended.

    Args:
        rounds: of the training, before the first.
        pool: runs them.
        seconds: after which no further task is begun, whether or not an episode has ended.
    """
    until, num_steps = clock() + seconds, 0

    def stop_in_time() -> None:
        if clock() > until:
            raise StopTraining

    pool.check_stopped, rounds.episodes_per_report = stop_in_time, 1
    try:
        for row in rounds.play(pool):
            num_steps += row.num_steps
            yield row.num_ended, num_steps
    except StopTraining:
        yield rounds.progress.num_ended, num_steps + int(rounds.progress.unreported[1])


def begin_serial(job: Job, learner: Learner, num_episodes: int, seed: int) -> Iterator[tuple[int, int]]:
    """Train by a single simulation; yield (number of ended episodes, number of steps) after every few steps.

    Args:
        job: the world, and the settings of the learner.
        learner: changed in place.
        num_episodes: number of episodes of the training.
        seed: of the training.
    """
    key = seed, 0, 0
    if job.world is None:
        state = new_loop_state(key)
        for num_steps, step in enumerate(learn_stepwise(job.env, learner, num_episodes, state, seed=env_seed(key)), 1):
            is_over = step.terminated or step.truncated
            yield int(state.num_ended[0]), num_steps
            if is_over and state.num_ended[0] == num_episodes:
                return
        return
    yield from _learn_in_calls(job, learner, num_episodes, key)


def _learn_in_calls(job: Job, learner: Learner, num_episodes: int, key: Key) -> Iterator[tuple[int, int]]:
    """Train in a compiled world by calls of a kernel, each of about 0.1 s; see `begin_serial`.

    An episode that takes longer is cut off, and not counted as ended; the next may take more steps.
    """
    world, is_interleaved = job.world, job.learning.num_interleaved > 1
    assert world is not None  # which the caller has checked
    own, state = episode_spec(world, None, job.learning.exploring_starts), new_loop_state(key)
    max_steps, size = min(own.max_steps, MAX_INTERLEAVED_STEPS if is_interleaved else FIRST_STEPS), 1
    loop = compiled_loop(world.mdp.fast_model, own._replace(max_steps=max_steps), learner, num_episodes, key)
    loop.learn(0)  # compiles
    num_ended, num_steps = 0, 0
    yield num_ended, num_steps
    while num_ended < num_episodes:
        if not is_interleaved:
            spec = own._replace(max_steps=max_steps)
            loop = sequential_loop(world.mdp.fast_model, spec, learner, num_episodes, state)
        begun = clock()
        stats = loop.learn(min(size, num_episodes - num_ended))
        growth = min(8.0, SECONDS_PER_CALL / max(clock() - begun, 1e-9))
        num_steps += int(stats.steps.sum())
        num_cut = 0
        if max_steps < own.max_steps and not is_interleaved:
            num_cut = int((~stats.terminated & (stats.steps == max_steps)).sum())
        num_ended += stats.steps.size - num_cut
        yield num_ended, num_steps
        if num_cut:
            max_steps = min(own.max_steps, max(FIRST_STEPS, int(max_steps * growth)))
        else:
            size = max(1, int(size * growth))


def extrapolate(ends: list[int], steps: list[int], num_episodes: int, steps_at_end: float) -> float:
    """Return the expected number of steps of a training from those of its beginning.

    Episodes become shorter. Their length beyond `steps_at_end` is continued as a power of their number, from the last
    half of the episodes that have ended and the quarter before it.

    Args:
        ends: numbers of episodes that had ended, from 0, increasing.
        steps: number of steps until then.
        num_episodes: number of episodes of the training.
        steps_at_end: expected steps of an episode when all is learned; 0 if unknown.
    """
    ended = ends[-1]
    # Steps beyond those at the end, up to a quarter and a half of the episodes that have ended, and up to all of them.
    numbers = np.array([0.25 * ended, 0.5 * ended, ended])
    quarter, half, whole = np.interp(numbers, ends, steps) - steps_at_end * numbers
    if whole <= half:  # the episodes are as short as they will be
        return float(steps[-1] + steps_at_end * (num_episodes - ended))
    slope = math.log2((whole - half) / max(1.0, 2.0 * (half - quarter)))  # of the logarithm of their length
    power = min(1.0, max(slope, -4.0 if steps_at_end else -0.9) + 1.0)
    power = math.copysign(max(abs(power), 0.01), power)
    further = (whole - half) / (1.0 - 0.5**power) * ((num_episodes / ended) ** power - 1.0)
    return float(whole + further + steps_at_end * num_episodes)


def expect_last_steps(job: Job) -> float:
    """Return the expected steps of an episode when all is learned; 0 if unknown, as of a world that is large."""
    world, learning = job.world, job.learning
    if world is None or world.mdp.num_states > MAX_SOLVED:
        return 0.0
    epsilon = learning.exploration if BEHAVIOURS[learning.behaviour_name].setting == "epsilon" else 0.0
    try:
        steps = policy_steps(world.mdp, find_optimum(world.mdp, learning.gamma).q, epsilon=epsilon)[world.mdp.starts]
    except PrecisionError:
        return 0.0
    return float(np.mean(np.minimum(steps, world.max_episode_steps)))
