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
from clew.learning.checkpoints import SavedState, TrainingState
from clew.learning.saved_arrays import load_arrays, load_learner, metrics_from_arrays, metrics_to_arrays
from clew.learning.training import RoundMetrics
from clew.tracing.trace import DRIVER

__all__ = ["AsynchronousRounds"]


@dataclass(eq=False)
class Started:
    """A task that somebody works on."""

    task: Task
    values: Any  # with which it began
    staleness: int  # how many rounds the slowest was behind
    stream: Stream  # what the learner draws
    results: Iterator[Result]


class AsynchronousRounds:
    """The rounds of a plan, played by each simulation at its own pace; see `checkpoints.Training`.

    What simulations were at when it stopped is done anew when it goes on.

    Args:
        rounds: `rounds.Rounds`, with the learner and the plan.
    """

    def __init__(self, rounds: Any) -> None:
        self.rounds, self.plan, self.learner = rounds, rounds.plan, rounds.learner
        self.rows: list[RoundMetrics] = []
        self._merged = np.zeros(self.plan.num_simulations, np.int64)  # rounds of each simulation that were taken in
        self._totals = np.zeros((self.plan.num_rounds, 3))
        self._staleness = np.zeros(self.plan.num_rounds, np.int64)  # of the simulation that was farthest ahead
        self._started: list[Started] = []
        self._begun = 0.0
        self._seconds = 0.0  # since the last round ended, before a checkpoint

    def play(self, pool: Pool) -> Iterator[RoundMetrics]:
        """Play all rounds; says of each what it came to when the last of its simulations has been taken in."""
        yield from self.rows
        with self.rounds.checkpoints.saved_on_stop(self):
            self._begun = time.perf_counter() - self._seconds
            while len(self.rows) < self.plan.num_rounds:
                if self._merged.min() > len(self.rows):
                    self.rows.append(self._row(len(self.rows)))
                    yield self.rows[-1]
                    self._begun = time.perf_counter()  # what the caller does with it is not the round's
                    continue
                self._start(pool)
                if self._started:
                    self._take_in(self._started.pop(pool.first([each.results for each in self._started])))

    def _start(self, pool: Pool) -> None:
        """Give work to every simulation that has none, and isn't too far ahead."""
        busy = {each.task.key[2] for each in self._started}
        for i in range(self.plan.num_simulations):
            number, reported = int(self._merged[i]), len(self.rows)
            if i in busy or number >= self.plan.num_rounds or number - reported > self.rounds.rounds_ahead:
                continue
            tasks = self.rounds.tasks(number)[i : i + 1]
            if not tasks:  # the last round may have fewer episodes than there are simulations
                self._merged[i] += 1
                continue
            at, clock = time.time(), time.perf_counter()
            values = self.learner.values()
            seconds = time.perf_counter() - clock
            self.rounds.trace.add("publish", DRIVER, at, seconds, number, version=reported)
            stream = new_stream(self.plan.seed, number, self.plan.num_simulations, i)
            results = pool.submit(number, values, tasks, self.learner.at_once(values, stream))
            self._started.append(Started(tasks[0], values, number - reported, stream, results))

    def _take_in(self, done: Started) -> None:
        number, i = done.task.key[1:]
        for result in done.results:
            self.rounds.take_in(result, done.values, done.task, done.stream)
            self._totals[number] += result.sums
        self._merged[i] += 1
        self._staleness[number] = max(self._staleness[number], done.staleness)
        self.rounds.note(number, done.task.num_episodes, self)

    def _row(self, number: int) -> RoundMetrics:
        return RoundMetrics.from_totals(
            number,
            self.plan.num_rounds,
            self.plan.size(number),
            self._totals[number],
            self._begun,
            staleness=int(self._staleness[number]),
            num_bytes=self.rounds.trace.finish(number),
        )

    def _counts(self) -> dict[str, Any]:
        return {"merged": self._merged, "totals": self._totals, "staleness": self._staleness}

    def state(self) -> TrainingState:
        """See `checkpoints.Training`."""
        content = {"learner": self.learner.learner, "metrics": metrics_to_arrays(self.rows), **self._counts()}
        return TrainingState(content, {"seconds": time.perf_counter() - self._begun, "work": self.rounds.work})

    def restore(self, saved: SavedState) -> None:
        """See `checkpoints.Training`."""
        self.learner.learner = load_learner(self.learner.learner, saved.arrays, "learner")
        self.rows = metrics_from_arrays(RoundMetrics, saved.arrays, "metrics")
        load_arrays(self._counts(), saved.arrays, "")
        self._seconds, self.rounds.work = saved.progress["seconds"], saved.progress["work"]
