"""Asynchronous training: each result is merged when it arrives, without waiting for slower simulations.

This keeps machines of different speeds busy, and gives up reproducibility: results are merged in the order of their
arrival, so two runs differ. Staleness stays bounded, because a simulation may be at most `rounds_ahead` rounds ahead of
the slowest one.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from clew.distributed.rounds import InFlightRound, Rounds
from clew.distributed.tasks import Pool
from clew.learning.checkpoints import SavedState, TrainingState
from clew.learning.saved_arrays import load_arrays
from clew.learning.training import RoundMetrics


class AsynchronousRounds:
    """Rounds that each simulation runs at its own pace.

    It can be saved and restored, see `checkpoints.Training`; tasks in flight are not saved, and run again.

    Args:
        rounds: rounds that have not begun. Their aggregator, plan, metrics, trace and checkpoints are used.
    """

    def __init__(self, rounds: Rounds) -> None:
        self.rounds, self.plan = rounds, rounds.plan
        self._merged = np.zeros(self.plan.num_simulations, np.int64)  # number of merged rounds of each simulation
        self._totals = np.zeros((self.plan.num_rounds, 3))  # steps, terminated episodes and rewards of each round
        self._staleness = np.zeros(self.plan.num_rounds, np.int64)  # the largest of the tasks of each round
        self._in_flight: list[InFlightRound] = []  # with one task each

    def play(self, pool: Pool) -> Iterator[RoundMetrics]:
        """Run all rounds in a pool.

        Yields:
            Metrics of each round once the results of all its simulations have been merged; first those of the rounds
            of a checkpoint.
        """
        rounds = self.rounds
        yield from rounds.metrics
        with rounds.checkpoints.saved_on_stop(self):
            rounds.start_clock()
            while (number := len(rounds.metrics)) < self.plan.num_rounds:
                if self._merged.min() > number:
                    yield rounds.finish(number, self._totals[number], int(self._staleness[number]))
                    rounds.started_at = time.perf_counter()  # a round doesn't include the time of the callbacks
                    continue
                self._submit_tasks(pool)
                if self._in_flight:
                    ready = pool.first_ready([each.results for each in self._in_flight])
                    self._merge(self._in_flight.pop(ready))

    def _submit_tasks(self, pool: Pool) -> None:
        """Submit the next task of every simulation that is idle and not too far ahead of the slowest one."""
        busy = {each.tasks[0].simulation for each in self._in_flight}
        for i in range(self.plan.num_simulations):
            number = int(self._merged[i])
            num_ahead = number - len(self.rounds.metrics)
            if i in busy or number >= self.plan.num_rounds or num_ahead > self.rounds.rounds_ahead:
                continue
            if tasks := self.rounds.tasks(number)[i : i + 1]:
                self._in_flight.append(self.rounds.begin(number, num_ahead, tasks, i))
                self.rounds.submit(self._in_flight[-1], pool)
            else:  # the last round may have fewer episodes than there are simulations
                self._merged[i] += 1

    def _merge(self, done: InFlightRound) -> None:
        """Merge the result of a task, and add it to the totals of its round."""
        (task,), number = done.tasks, done.number
        for result in done.results:
            self.rounds.apply_result(result, done, task)
            self._totals[number] += result.totals
        self._merged[task.simulation] += 1
        self._staleness[number] = max(self._staleness[number], done.staleness)
        self.rounds.save_if_due(number, task.num_episodes, self)

    def _counts(self) -> dict[str, Any]:
        """Return the arrays, by the names that checkpoints give them, that count what has been merged."""
        return {"merged": self._merged, "totals": self._totals, "staleness": self._staleness}

    def state(self) -> TrainingState:
        """Return the learned values, the metrics and what has been merged, see `checkpoints.Training`."""
        content, progress = self.rounds.state()
        return TrainingState({**content, **self._counts()}, progress)

    def restore(self, saved: SavedState) -> None:
        """Continue from a saved state, see `checkpoints.Training`; tasks that were not merged run again."""
        self.rounds.restore(saved)
        load_arrays(self._counts(), saved.arrays, "")
