"""Asynchronous training: what a simulation did is taken in as soon as it comes, and nobody waits for the slowest.

It keeps uneven machines busy, and gives up what rounds are for: results come in the order in which the machines happen
to be done, so two runs differ. Staleness stays bounded: a simulation may be at most so many rounds before the slowest.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from clew.distributed.tasks import Pool, Result, Task
from clew.kernels.sampling import Stream, new_stream
from clew.trace import DRIVER
from clew.training import RoundMetrics

__all__ = ["play_asynchronously"]


@dataclass(eq=False)
class Started:
    """A task that somebody works on."""

    task: Task
    values: Any  # with which it began
    stream: Stream  # what the learner draws
    results: Iterator[Result]


def play_asynchronously(rounds: Any, pool: Pool) -> Iterator[RoundMetrics]:
    """Play all rounds of a plan, each simulation at its own pace.

    Args:
        rounds: `rounds.Rounds`, whose learner takes in what comes.
        pool: performs the tasks.

    Yields:
        What the episodes of a round came to, when the last of its simulations has been taken in.
    """
    plan, learner = rounds.plan, rounds.learner
    totals = np.zeros((plan.num_rounds, 3))
    left = [len(rounds.tasks(number)) for number in range(plan.num_rounds)]  # tasks that a round still waits for
    staleness = [0] * plan.num_rounds  # of the simulation that was farthest ahead
    next_round = [0] * plan.num_simulations
    started: list[Started] = []
    reported, begun = 0, time.perf_counter()
    while reported < plan.num_rounds:
        for i, number in enumerate(next_round):
            is_busy = any(each.task.key[2] == i for each in started)
            if is_busy or number >= plan.num_rounds or number - reported > rounds.rounds_ahead:
                continue
            next_round[i] += 1
            for task in rounds.tasks(number)[i : i + 1]:
                at, clock = time.time(), time.perf_counter()
                values = learner.values()
                seconds = time.perf_counter() - clock
                rounds.trace.add("publish", DRIVER, at, seconds, number, version=reported)
                staleness[number] = max(staleness[number], number - reported)
                stream = new_stream(plan.seed, number, plan.num_simulations, i)
                results = pool.submit(number, values, [task], learner.at_once(values, stream))
                started.append(Started(task, values, stream, results))
        done = started.pop(pool.first([each.results for each in started]))
        number = done.task.key[1]
        for result in done.results:
            rounds.take_in(result, done.values, done.task, done.stream)
            totals[number] += result.sums
        left[number] -= 1
        while reported < plan.num_rounds and left[reported] == 0:
            yield RoundMetrics.of_totals(
                (reported, plan.num_rounds),
                plan.size(reported),
                totals[reported],
                begun,
                staleness=staleness[reported],
                num_bytes=rounds.trace.finish(reported),
            )
            reported, begun = reported + 1, time.perf_counter()
