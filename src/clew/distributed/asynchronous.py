"""Asynchronous training: each result is merged when it arrives, without waiting for slower simulations.

This keeps machines of different speeds busy, and gives up reproducibility: results are merged in the order of their
arrival, so two runs differ. Staleness stays bounded, because a simulation may be at most `rounds_ahead` rounds ahead of
the slowest one.
"""

import time
from collections.abc import Iterator

import numpy as np

from clew.distributed.rounds import InFlightRound, Rounds
from clew.distributed.tasks import Pool
from clew.learning.checkpoints import SavedState, TrainingState
from clew.learning.metrics import RoundMetrics
from clew.learning.saved_arrays import load_arrays

DONE = 2**31 - 1  # round of a simulation that has nothing left to do


class AsynchronousRounds:
    """Rounds that each simulation runs at its own pace.

    It can be saved and restored, see `checkpoints.Training`; tasks in flight are not saved, and run again.

    Args:
        rounds: rounds that have not begun. Their aggregator, plan, progress, metrics, trace and checkpoints are used.
    """

    def __init__(self, rounds: Rounds) -> None:
        self.rounds = rounds
        self._merged = np.zeros(rounds.plan.num_simulations, np.int64)  # number of merged rounds of each simulation
        self._in_flight: list[InFlightRound] = []  # with one task each

    def play(self, pool: Pool) -> Iterator[RoundMetrics]:
        """Run all rounds in a pool.

        Yields:
            Metrics, whenever as many episodes have ended as a round has, or a hundredth of all.
        """
        rounds = self.rounds
        yield from rounds.metrics
        rounds.start_clock()
        while not rounds.is_done:
            self._submit_tasks(pool)
            ready = pool.first_ready([each.results for each in self._in_flight])
            done = self._in_flight.pop(ready)
            self._merge(done)
            if rounds.is_report_due:
                yield rounds.report(done.number)
                rounds.started_at = time.perf_counter()  # a report doesn't include the time of the callbacks

    def _submit_tasks(self, pool: Pool) -> None:
        """Submit the next task of every simulation that is idle and not too far ahead of the slowest one."""
        rounds, progress = self.rounds, self.rounds.progress
        busy = {each.tasks[0].simulation for each in self._in_flight}
        tasks = {}
        for i in {*range(rounds.plan.num_simulations)} - busy:
            number = int(self._merged[i])
            if task := rounds.plan.task(number, i, progress, rounds.rates(number, progress)):
                tasks[i] = task
            else:
                self._merged[i] = DONE
        for i, task in tasks.items():
            number, num_ahead = task.key[1], task.key[1] - int(self._merged.min())
            if num_ahead <= rounds.rounds_ahead:
                self._in_flight.append(rounds.begin(number, num_ahead, progress, [task], i))
                rounds.submit(self._in_flight[-1], pool)

    def _merge(self, done: InFlightRound) -> None:
        """Merge the result of a task."""
        ((task, result),) = zip(done.tasks, done.results, strict=True)
        self.rounds.apply_result(result, done, task)
        self._merged[task.simulation] += 1
        if (self._merged > done.number).all():
            self.rounds.progress.unreported[4] += self.rounds.trace.finish(done.number)
        self.rounds.save_if_due(done.number, result.num_ended, self)

    def state(self) -> TrainingState:
        """Return the learned values, the metrics and what has been merged, see `checkpoints.Training`."""
        content, progress = self.rounds.state()
        return TrainingState({**content, "merged": self._merged}, progress)

    def restore(self, saved: SavedState) -> None:
        """Continue from a saved state, see `checkpoints.Training`; tasks that were not merged run again."""
        self.rounds.restore(saved)
        load_arrays({"merged": self._merged}, saved.arrays, "")
