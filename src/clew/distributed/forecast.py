"""Forecast of the time of a training, in this process and on Ray actors.

The training is begun in this process, and stopped after a few seconds. Then rounds of each size that it would have are
timed in both places, with the values learned so far. Their durations, summed over all rounds, are the forecast.
"""

import math
import time
from collections.abc import Iterator
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from clew.distributed.actors import actor_pool
from clew.distributed.placement import Placement
from clew.distributed.rounds import ROUNDS_PER_SIZE, Progress, Rounds
from clew.distributed.settings import Sharing
from clew.distributed.tasks import InProcessPool, Job, Pool
from clew.distributed.training import WORKERS, can_be_sent, new_rounds
from clew.errors import PrecisionError, SettingError
from clew.evaluation.exact import policy_steps
from clew.learning.checkpoints import Checkpoints
from clew.learning.learner import initial_values
from clew.learning.settings import Learning, check_run
from clew.planning import find_optimum
from clew.policies.behaviours import BEHAVIOURS
from clew.tracing.trace import Trace

SECONDS = 3.0  # of training in this process before rounds are timed, at least
SHARE = 0.05  # of the expected steps of the training, which are done before rounds are timed
MAX_TIMES = 10  # that many times the seconds are enough for them
MAX_SOLVED = 100_000  # states of a model that is solved to know how long episodes are in the end
REPETITIONS = 3  # of each timed round; the median counts


class Forecast(NamedTuple):
    """Expected time of a training, in seconds.

    Attributes:
        num_steps: expected number of environment steps.
        num_rounds: expected number of rounds.
        num_actors: number of actors.
        in_process: time in this process.
        on_actors: time with the actors, including that of the start. Rounds that are too short for them run in this
            process.
        start: time of the start of Ray, if none runs yet, and of the actors.
    """

    num_steps: int
    num_rounds: int
    num_actors: int
    in_process: float
    on_actors: float
    start: float

    @property
    def ratio(self) -> float:
        """Time with actors, divided by that in this process; below 1 if actors pay."""
        return self.on_actors / self.in_process


class OnActors(Placement):
    """Runs every round on actors."""

    def is_there(self, num_steps: int, num_workers: int) -> bool:
        """Return True."""
        return True


def forecast(
    env: Any, num_episodes: int, learning: Learning, sharing: Sharing, *, seed: int = 0, seconds: float = SECONDS
) -> Forecast:
    """Forecast the time of a training on actors, and in this process.

    It takes some seconds, and a few percent of the time of a long training. How long the remaining episodes are is
    extrapolated from its beginning, so the times are rougher than their ratio.

    Args:
        env: environment with Discrete spaces, or a model.
        num_episodes: number of episodes of the training.
        learning: settings of the learner.
        sharing: settings of parallel training, with two simulations or more, and a number of actors.
        seed: seed of all random draws.
        seconds: of training in this process before rounds are timed; up to ten times as many where a twentieth of the
            expected steps takes longer.

    Returns:
        Expected seconds in both places.

    Raises:
        SettingError: if a setting is out of range, or the training would not use actors.
        ClusterError: if the cluster can't place the actors.
    """
    check_run(num_episodes, seed)
    sharing.check(learning)
    if sharing.num_simulations == 1:
        raise SettingError(
            "must be at least 2: one is trained without actors", setting="num_simulations", take={"num_simulations": 2}
        )
    if not sharing.num_actors:
        raise SettingError("must be given, for a forecast", setting="num_actors", take={"num_actors": 2})
    if sharing.asynchronous:
        raise SettingError("has no forecast; leave it out", setting="asynchronous")
    job = Job(env, learning, sharing)
    can_be_sent(job)
    worker, rounds = new_rounds(
        job, num_episodes, seed, Trace(), Checkpoints(None), initial_values(env, job.world, job.learning)
    )
    in_process = InProcessPool(worker, rounds.trace)
    in_process.placement = OnActors()
    rounds.compile(worker, has_actors=True)
    num_steps = count_steps(rounds, in_process, seconds, expect_last_steps(job))
    with actor_pool(job, WORKERS[sharing.sharing][0], in_process) as pool:
        time_round(rounds, pool, 0)  # loads the machine code
        sizes = list(time_sizes(rounds, in_process, pool, num_steps))
    start = in_process.placement.seconds_to_start
    return Forecast(
        round(num_steps),
        round(sum(each.num_rounds for each in sizes)),
        sharing.num_actors,
        sum(each.num_rounds * each.in_process for each in sizes),
        start + sum(each.num_rounds * each.on_actors for each in sizes),
        start,
    )


def count_steps(rounds: Rounds, pool: Pool, seconds: float, steps_at_end: float) -> float:
    """Begin a training; return the expected number of steps of the whole.

    Args:
        rounds: of the training, before the first.
        pool: runs them.
        seconds: after which the training is stopped, once episodes have ended in three rounds, and a twentieth of the
            expected steps is done; ten times as many are enough in any case.
        steps_at_end: expected steps of an episode when all is learned; 0 if unknown.
    """
    rounds.episodes_per_report = 1
    begun, ends, steps = time.perf_counter(), [0], [0]
    for row in rounds.play(pool):
        ends.append(row.num_ended)
        steps.append(steps[-1] + row.num_steps)
        elapsed = time.perf_counter() - begun
        if len(ends) > 3 and elapsed > seconds:
            expected = extrapolate(ends, steps, rounds.plan.num_episodes, steps_at_end)
            if steps[-1] > SHARE * expected or elapsed > MAX_TIMES * seconds:
                return expected
    return float(steps[-1])  # it was short, and has ended


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


class RoundTimes(NamedTuple):
    """Duration of rounds of one size, in seconds."""

    num_rounds: float  # of this size, which the training is expected to have
    in_process: float
    on_actors: float


def time_sizes(rounds: Rounds, in_process: Pool, pool: Pool, num_steps: float) -> Iterator[RoundTimes]:
    """Time rounds of each size that a training has, in this process and on actors.

    Args:
        rounds: of the training.
        in_process: runs rounds in this process.
        pool: runs them on actors.
        num_steps: expected number of steps of the training.
    """
    plan, number = rounds.plan, 0
    num_rounds: float
    while num_steps > 0:
        here = [time_round(rounds, in_process, number) for _ in range(REPETITIONS)]
        there = [time_round(rounds, pool, number) for _ in range(REPETITIONS)]
        seconds_here, seconds_there = (median(each for each, _ in place) for place in (here, there))
        steps_per_round = median(each for _, each in here + there)
        if plan.sync_every:
            num_rounds = math.ceil(plan.num_episodes / (plan.sync_every * plan.num_simulations))
            longer = num_steps / (num_rounds * steps_per_round)  # the first rounds were
            yield RoundTimes(num_rounds, longer * seconds_here, longer * seconds_there)
            return
        is_last = plan.num_steps(number) == plan.max_steps
        num_rounds = min(num_steps / steps_per_round, float("inf") if is_last else ROUNDS_PER_SIZE)
        yield RoundTimes(num_rounds, seconds_here, min(seconds_here, seconds_there))
        num_steps -= num_rounds * steps_per_round
        number += ROUNDS_PER_SIZE


def time_round(rounds: Rounds, pool: Pool, number: int) -> tuple[float, int]:
    """Run a round of new episodes, and merge its results.

    Args:
        rounds: of a training.
        pool: runs the tasks.
        number: of the round, which decides its size.

    Returns:
        (seconds, number of steps).
    """
    rounds.progress = Progress.of(rounds.plan)
    rates = rounds.rates(number, rounds.progress)
    found = [rounds.plan.task(number, i, rounds.progress, rates) for i in range(rounds.plan.num_simulations)]
    begun = time.perf_counter()
    in_flight = rounds.begin(number, 0, rounds.progress.copy(), [task for task in found if task is not None])
    rounds.submit(in_flight, pool)
    for task, result in zip(in_flight.tasks, in_flight.results, strict=True):
        rounds.apply_result(result, in_flight, task)
    return time.perf_counter() - begun, int(rounds.progress.unreported[1])
