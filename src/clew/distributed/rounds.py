"""Rounds of parallel training: tasks are run from the same values, and their results are merged in order.

A round begins with a snapshot of the learned values. Each simulation (a stream of episodes with random draws of its
own) runs one task with that snapshot. Then the results are merged into the learned values, in the order of the
simulations, not in that of their arrival. The draws of a simulation in a round are keyed by (seed, round, simulation).
So the simulations decide the result, and the processes that run them decide only the speed.

With `rounds_ahead` = k, a round begins before the k rounds before it have been merged: its values are k rounds old,
which is its *staleness*. No process then waits for the merge.

Settings of a schedule (step size, exploration) are those of the first episode of a round, for all its episodes.
"""

import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed.settings import NEVER, Sharing
from clew.distributed.tasks import Aggregator, Pool, Task, TaskResult, Worker
from clew.kernels.sampling import Stream, new_stream
from clew.learning.checkpoints import Checkpoints, SavedState, Training, TrainingState
from clew.learning.saved_arrays import load_learner, load_read_only, metrics_from_arrays, metrics_to_arrays
from clew.learning.training import NUM_ROUNDS, RoundMetrics
from clew.tracing.trace import DRIVER, Trace


class Plan(NamedTuple):
    """Division of the episodes of a training into rounds and tasks."""

    num_episodes: int  # of all simulations together
    num_simulations: int
    sync_every: int  # episodes of each simulation in a round
    seed: int

    @classmethod
    def of(cls, num_episodes: int, sharing: Sharing, seed: int) -> "Plan":
        """Return the plan for the settings of a training; `sync_every` of None and "never" become numbers."""
        sync_every = sharing.sync_every
        if not isinstance(sync_every, int):
            num_rounds = 1 if sync_every == NEVER else NUM_ROUNDS
            sync_every = math.ceil(num_episodes / (num_rounds * sharing.num_simulations))
        return cls(num_episodes, sharing.num_simulations, sync_every, seed)

    @property
    def num_rounds(self) -> int:
        """Number of rounds; the last one may be shorter."""
        return math.ceil(self.num_episodes / (self.sync_every * self.num_simulations))

    def size(self, number: int) -> int:
        """Return the number of episodes of a round, all simulations together."""
        full = self.sync_every * self.num_simulations
        return min(full, self.num_episodes - number * full)

    def tasks(self, number: int, alpha: float, exploration: float) -> list[Task]:
        """Return the tasks of a round, one for each simulation that has an episode in it.

        Args:
            number: of the round, from 0.
            alpha: step size.
            exploration: epsilon, temperature or confidence, depending on the exploration strategy.
        """
        each, remainder = divmod(self.size(number), self.num_simulations)
        sizes = [each + (i < remainder) for i in range(self.num_simulations)]
        return [Task(n, alpha, exploration, (self.seed, number, i)) for i, n in enumerate(sizes) if n]


@dataclass(eq=False)
class InFlightRound:
    """Tasks of a round that begin with the same snapshot, and have not all been merged.

    Attributes:
        number: of the round, from 0.
        staleness: number of earlier rounds that are not in the snapshot.
        snapshot: values with which the tasks begin.
        tasks: in the order of the simulations.
        stream: random draws of the learner while it merges.
        totals: (3,) steps, terminated episodes and rewards of the tasks that have been merged.
        num_merged: number of tasks that have been merged.
        results: results of the other tasks.
    """

    number: int
    staleness: int
    snapshot: Any
    tasks: list[Task]
    stream: Stream
    totals: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    num_merged: int = 0
    results: Iterator[TaskResult] = field(default_factory=lambda: iter(()))


class Rounds:
    """Synchronous rounds of a training: results are merged in the order of rounds and simulations.

    It can be saved and restored, see `checkpoints.Training`.

    Args:
        aggregator: has the learned values and merges results.
        plan: division of the episodes into rounds and tasks.
        rounds_ahead: number of rounds that may begin before the oldest round has been merged.
        trace: records each step of a round.
        checkpoints: decides when the training is saved.

    Attributes:
        metrics: metrics of the rounds that have ended.
        seconds_worked: sum of the durations of all tasks, in seconds.
        started_at: when the last round ended, by time.perf_counter.
    """

    def __init__(
        self, aggregator: Aggregator, plan: Plan, rounds_ahead: int, trace: Trace, checkpoints: Checkpoints
    ) -> None:
        self.aggregator, self.plan, self.rounds_ahead = aggregator, plan, rounds_ahead
        self.trace, self.checkpoints = trace, checkpoints
        self.metrics: list[RoundMetrics] = []
        self.seconds_worked = self.started_at = 0.0
        self._in_flight: deque[InFlightRound] = deque()
        self._seconds_before = 0.0  # since the last round ended, up to the checkpoint that training continues from

    def compile(self, worker: Worker, has_actors: bool) -> None:
        """Run a task without episodes, so that the first round is timed without compilation.

        Args:
            worker: runs tasks in this process.
            has_actors: whether actors will run tasks too; they then load the machine code of `worker` from the disk.
        """
        alpha, exploration = self.aggregator.learner.rates_at(0, self.plan.num_episodes)
        empty = Task(0, alpha, exploration, (self.plan.seed, 0, 0))
        snapshot, stream = self.aggregator.snapshot(), new_stream(*empty.key)
        fused_runner = self.aggregator.fused_runner(snapshot, stream)
        if fused_runner is not None:
            fused_runner(empty)
        if fused_runner is None or has_actors:
            self.aggregator.merge(worker.perform(snapshot, empty).update, snapshot, empty, stream)

    def tasks(self, number: int) -> list[Task]:
        """Return the tasks of a round, with the step size and exploration of its first episode."""
        first = number * self.plan.sync_every * self.plan.num_simulations
        return self.plan.tasks(number, *self.aggregator.learner.rates_at(first, self.plan.num_episodes))

    def play(self, pool: Pool) -> Iterator[RoundMetrics]:
        """Run all rounds in a pool.

        Yields:
            Metrics of each round once it has been merged; first those of the rounds of a checkpoint.
        """
        yield from self.metrics
        with self.checkpoints.saved_on_stop(self):
            self.start_clock()
            for in_flight in self._in_flight:
                self.submit(in_flight, pool)
            while len(self.metrics) < self.plan.num_rounds:
                while len(self._in_flight) <= self.rounds_ahead and self._next_number < self.plan.num_rounds:
                    self.submit(self._begin_next(), pool)
                yield self._merge_oldest()
                self.started_at = time.perf_counter()  # a round doesn't include the time of the callbacks

    def start_clock(self) -> None:
        """Set when the round began; time before the checkpoint that training continues from is part of it."""
        self.started_at = time.perf_counter() - self._seconds_before

    @property
    def _next_number(self) -> int:
        return len(self.metrics) + len(self._in_flight)

    def _begin_next(self) -> InFlightRound:
        number = self._next_number
        in_flight = self.begin(number, min(number, self.rounds_ahead), self.tasks(number))
        self._in_flight.append(in_flight)
        return in_flight

    def begin(self, number: int, staleness: int, tasks: list[Task], *key: int) -> InFlightRound:
        """Return a round with a snapshot of the values as they are now.

        Args:
            number: of the round, from 0.
            staleness: number of earlier rounds that have not been merged.
            tasks: to run.
            key: numbers that distinguish the random draws of the learner, where a round is begun more than once.
        """
        wall, clock = time.time(), time.perf_counter()
        snapshot = self.aggregator.snapshot()
        self.trace.add("publish", DRIVER, wall, time.perf_counter() - clock, number, version=number - staleness)
        stream = new_stream(self.plan.seed, number, self.plan.num_simulations, *key)
        return InFlightRound(number, staleness, snapshot, tasks, stream)

    def submit(self, in_flight: InFlightRound, pool: Pool) -> None:
        """Submit the tasks of a round that have not been merged."""
        if tasks := in_flight.tasks[in_flight.num_merged :]:
            fused_runner = self.aggregator.fused_runner(in_flight.snapshot, in_flight.stream)
            in_flight.results = pool.submit(in_flight.number, in_flight.snapshot, tasks, fused_runner)

    def _merge_oldest(self) -> RoundMetrics:
        """Merge the results of the oldest round, simulation by simulation; return its metrics."""
        in_flight = self._in_flight[0]
        for task, result in zip(in_flight.tasks[in_flight.num_merged :], in_flight.results, strict=True):
            self.apply_result(result, in_flight, task)
            in_flight.totals += result.totals
            in_flight.num_merged += 1
            self.save_if_due(in_flight.number, task.num_episodes, self)
        self._in_flight.popleft()
        return self.finish(in_flight.number, in_flight.totals, in_flight.staleness)

    def finish(self, number: int, totals: npt.NDArray[np.float64], staleness: int) -> RoundMetrics:
        """Append and return the metrics of a round that has been merged.

        Args:
            number: of the round.
            totals: (3,) its steps, terminated episodes and rewards.
            staleness: number of earlier rounds that were not in its snapshot.
        """
        metrics = RoundMetrics.from_totals(
            number,
            self.plan.num_rounds,
            self.plan.size(number),
            totals,
            self.started_at,
            staleness=staleness,
            num_bytes=self.trace.finish(number),
        )
        self.metrics.append(metrics)
        return metrics

    def apply_result(self, result: TaskResult, in_flight: InFlightRound, task: Task) -> None:
        """Merge the update of a task of a round into the learned values, unless a fused runner has applied it."""
        if result.update is not None:
            wall, clock = time.time(), time.perf_counter()
            self.aggregator.merge(result.update, in_flight.snapshot, task, in_flight.stream)
            seconds = time.perf_counter() - clock
            self.trace.add("merge", DRIVER, wall, seconds, in_flight.number, simulation=task.simulation)
        self.seconds_worked += result.seconds

    def save_if_due(self, number: int, num_episodes: int, training: Training) -> None:
        """Save a checkpoint of the training if it is time for one; called after each merge.

        Args:
            number: of the round, for the trace.
            num_episodes: number of episodes that have been merged since the last call.
            training: is saved.
        """
        wall, clock = time.time(), time.perf_counter()
        if size := self.checkpoints.save_if_due(num_episodes, training):
            self.trace.add("checkpoint", DRIVER, wall, time.perf_counter() - clock, number, num_bytes=size)

    def state(self) -> TrainingState:
        """Return the learned values, the rounds in flight and the metrics, see `checkpoints.Training`."""
        return TrainingState(
            content={
                "learner": self.aggregator.learner,
                "under_way": [[each.snapshot, each.stream, each.totals] for each in self._in_flight],
                "metrics": metrics_to_arrays(self.metrics),
            },
            progress={
                "num_merged": [each.num_merged for each in self._in_flight],
                "seconds": time.perf_counter() - self.started_at,
                "work": self.seconds_worked,
            },
        )

    def restore(self, saved: SavedState) -> None:
        """Continue from a saved state, see `checkpoints.Training`; tasks that were not merged run again."""
        self.aggregator.learner = load_learner(self.aggregator.learner, saved.arrays, "learner")
        self.metrics = metrics_from_arrays(RoundMetrics, saved.arrays, "metrics")
        for i, num_merged in enumerate(saved.progress["num_merged"]):
            in_flight = self._begin_next()
            parts = [in_flight.snapshot, in_flight.stream, in_flight.totals]
            snapshot, stream, totals = load_read_only(parts, saved.arrays, f"under_way.{i}")
            in_flight.snapshot, in_flight.stream, in_flight.totals = snapshot, stream.copy(), totals.copy()
            in_flight.num_merged = num_merged
        self._seconds_before, self.seconds_worked = saved.progress["seconds"], saved.progress["work"]
