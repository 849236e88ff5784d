"""Forecast of the time and the memory of a training, in this process and on Ray actors.

The training is begun in this process, and stopped after a second, or with actors after a few; see
`clew.distributed.beginning`. With actors, rounds of each size that it would have are then timed in both places, with
the values learned so far. Their durations, summed over all rounds, are the forecast.
"""

import math
import time
from collections.abc import Iterator
from statistics import median
from typing import Any, NamedTuple

from clew.distributed.beginning import (
    SECONDS_PER_CALL,
    Beginning,
    begin_rounds,
    begin_serial,
    expect_last_steps,
    measure,
)
from clew.distributed.placement import Placement
from clew.distributed.rounds import ROUNDS_PER_SIZE, Progress, Rounds
from clew.distributed.settings import Sharing
from clew.distributed.tasks import InProcessPool, Job, Pool
from clew.distributed.training import WORKERS, can_be_sent, new_rounds
from clew.environments import STEPS_PER_STATE
from clew.errors import SettingError
from clew.learning.checkpoints import Checkpoints
from clew.learning.learner import Learner, initial_values
from clew.learning.saved_arrays import arrays_of
from clew.learning.settings import Learning, check_run
from clew.learning.training import new_policy
from clew.tracing.trace import Trace

SECONDS_HERE = 1.0  # of training that are measured, unless actors are asked for
SECONDS = 3.0  # of training in this process before rounds are timed on actors, at least
MAX_TIMES = 10  # that many times the seconds are enough
REPETITIONS = 3  # of each timed round; the median counts


class Forecast(NamedTuple):
    """Expected time and memory of a training.

    Attributes:
        num_episodes: number of episodes.
        num_measured: number of episodes that ended while the beginning of the training was measured.
        num_steps: expected number of environment steps.
        fewest_steps: the same if all later episodes are as short as when all is learned.
        most_steps: the same if they don't become shorter than those that were measured.
        steps_per_second: speed in this process.
        in_process: seconds in this process.
        num_bytes: memory of the learner: its table, and what the algorithm keeps besides. With actors each has one.
        num_rounds: expected number of rounds; 0 without actors.
        num_actors: number of actors.
        on_actors: seconds with the actors, including those of the start. Rounds that are too short for them run in this
            process. None without actors.
        start: seconds of the start of Ray, if none runs yet, and of the actors; None without actors.
    """

    num_episodes: int
    num_measured: int
    num_steps: int
    fewest_steps: int
    most_steps: int
    steps_per_second: float
    in_process: float
    num_bytes: int
    num_rounds: int = 0
    num_actors: int = 0
    on_actors: float | None = None
    start: float | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """Seconds in this process for the fewest and the most steps."""
        return self.fewest_steps / self.steps_per_second, self.most_steps / self.steps_per_second

    @property
    def ratio(self) -> float | None:
        """Time with actors, divided by that in this process; below 1 if actors pay. None without actors."""
        return None if self.on_actors is None else self.on_actors / self.in_process


class OnActors(Placement):
    """Runs every round on actors."""

    def is_there(self, num_steps: int, num_workers: int) -> bool:
        """Return True."""
        return True


def forecast(
    env: Any, num_episodes: int, learning: Learning, sharing: Sharing, *, seed: int = 0, seconds: float | None = None
) -> Forecast:
    """Forecast the time of a training in this process, and on actors if there are some; and its memory.

    It takes a second, or with actors some seconds, and a few percent of the time of a long training. How long the
    remaining episodes are is extrapolated from its beginning, so the times are rougher than their ratio. Compilation
    isn't part of them.

    Args:
        env: environment with Discrete spaces, or a model.
        num_episodes: number of episodes of the training.
        learning: settings of the learner.
        sharing: settings of parallel training; two simulations or more if there are actors.
        seed: seed of all random draws.
        seconds: of training in this process that are measured: by default 1; with actors at least 3, and up to ten
            times as many where a twentieth of the expected steps takes longer.

    Raises:
        SettingError: if a setting is out of range, or the training would not use its actors.
        ClusterError: if the cluster can't place the actors.
    """
    check_run(num_episodes, seed)
    sharing.check(learning)
    job = Job(env, learning, sharing)
    if sharing.num_actors:
        return _forecast_on_actors(job, num_episodes, seed, SECONDS if seconds is None else seconds)
    seconds = SECONDS_HERE if seconds is None else seconds
    if sharing.num_simulations == 1:
        _, learner = new_policy(env, job.world, learning, seed)
        rows = begin_serial(job, learner, num_episodes, seed)
    else:
        in_process, rounds = _new_rounds(job, num_episodes, seed, has_actors=False)
        learner, rows = rounds.aggregator.learner, begin_rounds(rounds, in_process, seconds)
    begun = measure(rows, num_episodes, expect_last_steps(job), seconds, seconds)
    if sharing.num_simulations > 1 and job.ends_by_steps:  # the first rounds are shorter than the others, and slower
        sizes = time_sizes(rounds, InProcessPool(in_process.worker, rounds.trace), None, begun.num_steps)
        in_all = sum(each.num_rounds * each.in_process for each in sizes)
    else:
        in_all = begun.seconds + (begun.num_steps - begun.num_measured) / begun.steps_per_second
    return _sum_up(job, num_episodes, begun, in_all, learner)


def _forecast_on_actors(job: Job, num_episodes: int, seed: int, seconds: float) -> Forecast:
    """Forecast the time of a training on actors and in this process; see `forecast`."""
    from clew.distributed.actors import actor_pool  # imports Ray

    sharing = job.sharing
    if sharing.num_simulations == 1:
        raise SettingError(
            "must be at least 2: one is trained without actors", setting="num_simulations", take={"num_simulations": 2}
        )
    if sharing.asynchronous:
        raise SettingError("has no forecast; leave it out", setting="asynchronous")
    can_be_sent(job)
    in_process, rounds = _new_rounds(job, num_episodes, seed, has_actors=True)
    in_process.placement = OnActors()
    rows = begin_rounds(rounds, in_process, math.inf)
    begun = measure(rows, num_episodes, expect_last_steps(job), seconds, MAX_TIMES * seconds)
    with actor_pool(job, WORKERS[sharing.sharing][0], in_process) as pool:
        time_round(rounds, pool, 0)  # loads the machine code
        sizes = list(time_sizes(rounds, in_process, pool, begun.num_steps))
    start, in_all = in_process.placement.seconds_to_start, sum(each.num_rounds * each.in_process for each in sizes)
    return _sum_up(job, num_episodes, begun, in_all, rounds.aggregator.learner)._replace(
        num_rounds=round(sum(each.num_rounds for each in sizes)),
        num_actors=sharing.num_actors or 0,
        on_actors=start + sum(each.num_rounds * each.on_actors for each in sizes),
        start=start,
    )


def _sum_up(job: Job, num_episodes: int, begun: Beginning, in_process: float, learner: Learner) -> Forecast:
    """Return the forecast of a training in this process.

    Args:
        job: the world, and the settings of the learner.
        num_episodes: number of episodes of the training.
        begun: what was measured of it.
        in_process: its expected seconds.
        learner: at work in it.
    """
    max_steps = STEPS_PER_STATE * learner.q.shape[0] if job.world is None else job.world.max_episode_steps
    return Forecast(
        num_episodes,
        begun.num_ended,
        round(begun.num_steps),
        round(begun.fewest_steps),
        round(min(begun.most_steps, float(num_episodes * max_steps))),
        begun.num_steps / in_process,
        in_process,
        sum(array.nbytes for array in arrays_of(learner).values()),
    )


def _new_rounds(job: Job, num_episodes: int, seed: int, *, has_actors: bool) -> tuple[InProcessPool, Rounds]:
    """Return the rounds of a training before the first of them, compiled, and a pool that runs them in this process."""
    initial = initial_values(job.env, job.world, job.learning)
    worker, rounds = new_rounds(job, num_episodes, seed, Trace(), Checkpoints(None), initial)
    rounds.compile(worker, has_actors)
    return InProcessPool(worker, rounds.trace), rounds


class RoundTimes(NamedTuple):
    """Duration of rounds of one size, in seconds."""

    num_rounds: float  # of this size, which the training is expected to have
    in_process: float
    on_actors: float


def time_sizes(rounds: Rounds, in_process: Pool, pool: Pool | None, num_steps: float) -> Iterator[RoundTimes]:
    """Time rounds of each size that a training has, in this process and on actors.

    Without actors, rounds larger than those that take 0.1 s are not timed: they are as fast.

    Args:
        rounds: of the training.
        in_process: runs rounds in this process.
        pool: runs them on actors; None if there are none.
        num_steps: expected number of steps of the training.
    """
    plan, number = rounds.plan, 0
    num_rounds: float
    while num_steps > 0:
        here = [time_round(rounds, in_process, number) for _ in range(REPETITIONS)]
        there = here if pool is None else [time_round(rounds, pool, number) for _ in range(REPETITIONS)]
        seconds_here, seconds_there = (median(each for each, _ in place) for place in (here, there))
        steps_per_round = median(each for _, each in here + there)
        if plan.sync_every:
            num_rounds = math.ceil(plan.num_episodes / (plan.sync_every * plan.num_simulations))
            longer = num_steps / (num_rounds * steps_per_round)  # the first rounds were
            yield RoundTimes(num_rounds, longer * seconds_here, longer * seconds_there)
            return
        is_last = plan.num_steps(number) == plan.max_steps or (pool is None and seconds_here > SECONDS_PER_CALL)
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
