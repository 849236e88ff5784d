"""Rounds of parallel training: tasks are run from the same values, and their results are merged in order.

A round begins with a snapshot of the learned values. Each simulation (a stream of episodes with random draws of its
own) runs one task with that snapshot. Then the results are merged into the learned values, in the order of the
simulations, not in that of their arrival. The draws of a simulation in a round are keyed by (seed, round, simulation).
So the simulations decide the result, and the processes that run them decide only the speed.

By default a round has a number of steps, the same for each simulation. First episodes are often a hundred times longer
than later ones, so rounds of whole episodes would begin with many steps by values that know nothing. The first rounds
are short, and their steps are doubled after every 250 rounds, so that a later round adds less than one percent to the
steps before. An episode may go on in the next round.

With `rounds_ahead` = k, a round begins before the k rounds before it have been merged: its values are k rounds old,
which is its *staleness*. No process then waits for the merge. Where a round has ended is then known k + 1 rounds later,
and its last episode goes on there: every simulation has k + 1 interleaved *lanes* of episodes.

Settings of a schedule (step size, exploration) are the same in all episodes of a round.
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
from clew.distributed.tasks import Aggregator, Pool, Position, Task, TaskResult, Worker
from clew.kernels.sampling import Stream, new_stream
from clew.learning.checkpoints import Checkpoints, SavedState, Training, TrainingState
from clew.learning.metrics import RoundMetrics
from clew.learning.precision import RewardRange
from clew.learning.saved_arrays import (
    load_arrays,
    load_learner,
    load_read_only,
    metrics_from_arrays,
    metrics_to_arrays,
)
from clew.learning.training import NUM_ROUNDS
from clew.policies.episodes import NO_LIMIT
from clew.tracing.trace import DRIVER, Trace

ROUNDS_PER_SIZE = 250  # rounds until the number of their steps is doubled
PAIRS_PER_STEP = 64  # pairs of state and action for each step of a first round
MIN_STEPS_PER_ROUND = 16
MAX_BYTES = 64 * 2**20  # of all transitions of a round that ends by steps, which central learning sends
BYTES_PER_TRANSITION = 18


class Plan(NamedTuple):
    """Division of the episodes of a training into rounds and tasks."""

    num_episodes: int  # of all simulations together
    num_simulations: int
    num_lanes: int  # of episodes of each simulation
    sync_every: int  # episodes of each simulation in a round; 0 for rounds that end by steps
    first_steps: int  # steps of each simulation in a first round that ends by steps
    max_steps: int  # of each simulation in such a round
    seed: int

    @classmethod
    def of(cls, num_episodes: int, sharing: Sharing, seed: int, *, num_pairs: int, by_steps: bool) -> "Plan":
        """Return the plan for the settings of a training.

        Args:
            num_episodes: of all simulations together.
            sharing: settings of parallel training.
            seed: of the training.
            num_pairs: number of pairs of state and action.
            by_steps: whether rounds end by steps, see `Job.ends_by_steps`; else `sync_every` of None divides the
                training into 100 rounds of episodes.
        """
        n, sync_every = sharing.num_simulations, sharing.sync_every
        if sync_every == NEVER:
            sync_every = math.ceil(num_episodes / n)
        elif by_steps:
            sync_every = 0
        elif sync_every is None:
            sync_every = math.ceil(num_episodes / (NUM_ROUNDS * n))
        num_lanes = 1 if sharing.asynchronous else 1 + sharing.rounds_ahead
        max_steps = NO_LIMIT
        if sharing.sharing == "central":
            max_steps = max(1, MAX_BYTES // (BYTES_PER_TRANSITION * n * num_lanes))
        first_steps = min(max(MIN_STEPS_PER_ROUND, num_pairs // PAIRS_PER_STEP), max_steps)
        return cls(num_episodes, n, num_lanes, int(sync_every), first_steps, max_steps, seed)

    @property
    def episodes_per_report(self) -> int:
        """Least number of episodes of which metrics are reported."""
        return 1 if self.sync_every else math.ceil(self.num_episodes / NUM_ROUNDS)

    def has_round(self, number: int) -> bool:
        """Return whether there is a round of this number; always True of rounds that end by steps."""
        return not self.sync_every or number * self.sync_every * self.num_simulations < self.num_episodes

    def num_steps(self, number: int) -> int:
        """Return the number of steps of each simulation in a round that ends by steps."""
        return min(self.first_steps << min(number // ROUNDS_PER_SIZE, 62), self.max_steps)

    def task(self, number: int, simulation: int, progress: "Progress", rates: tuple[float, float]) -> Task | None:
        """Return the task of a simulation in a round; None if it has nothing to do.

        Args:
            number: of the round, from 0.
            simulation: its number, from 0.
            progress: of the simulations, up to the last round of the same lane.
            rates: (step size, exploration), where exploration is epsilon, temperature or confidence.
        """
        key = self.seed, number, simulation
        if self.sync_every:
            full = self.sync_every * self.num_simulations
            size = min(full, max(0, self.num_episodes - number * full))
            num_episodes = _share(size, self.num_simulations, simulation)
            return Task(num_episodes, *rates, key) if num_episodes else None
        lane = number % self.num_lanes
        ended, *position = progress.cursors[lane, simulation].tolist()
        share = _share(self.num_episodes, self.num_lanes * self.num_simulations, simulation * self.num_lanes + lane)
        if ended >= share:
            return None
        return Task(share - ended, *rates, key, self.num_steps(number), Position(*position))

    def episodes_before(self, number: int, progress: "Progress") -> int:
        """Return the number of episodes before a round, by which a schedule sets its step size and exploration."""
        return number * self.sync_every * self.num_simulations if self.sync_every else progress.num_ended


def _share(total: int, number: int, index: int) -> int:
    """Return one of `number` integers that are equal, or differ by one, and have a sum."""
    return total // number + (index < total % number)


class Progress(NamedTuple):
    """Progress of the simulations in the merged rounds; its arrays change in place."""

    cursors: npt.NDArray[np.int64]  # (num_lanes, num_simulations, 4), see `clew.kernels.learning.rollouts.Cursor`
    unreported: npt.NDArray[
        np.float64
    ]  # (6,), episodes, steps, terminated, rewards, bytes, staleness of no metrics yet

    @classmethod
    def of(cls, plan: Plan) -> "Progress":
        """Return the progress before the first round."""
        return cls(np.zeros((plan.num_lanes, plan.num_simulations, 4), np.int64), np.zeros(6))

    @property
    def num_ended(self) -> int:
        """Number of episodes that have ended."""
        return int(self.cursors[..., 0].sum())

    def copy(self) -> "Progress":
        """Return a copy, which doesn't change."""
        return Progress(self.cursors.copy(), self.unreported.copy())

    def add(self, task: Task, result: TaskResult, staleness: int) -> None:
        """Add the result of a task."""
        cursor = self.cursors[task.key[1] % len(self.cursors), task.simulation]
        cursor[0] += result.num_ended
        cursor[1:] = result.position
        self.unreported[:4] += (result.num_ended, *result.totals)
        self.unreported[5] = max(self.unreported[5], staleness)


@dataclass(eq=False)
class InFlightRound:
    """Tasks of a round that begin with the same snapshot, and have not all been merged.

    Attributes:
        number: of the round, from 0.
        staleness: number of earlier rounds that are not in the snapshot.
        snapshot: values with which the tasks begin.
        before: progress when it began.
        tasks: in the order of the simulations.
        stream: random draws of the learner while it merges.
        num_merged: number of tasks that have been merged.
        results: results of the other tasks.
    """

    number: int
    staleness: int
    snapshot: Any
    before: Progress
    tasks: list[Task]
    stream: Stream
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
        progress: of the simulations.
        metrics: metrics that have been reported.
        started_at: when metrics were reported last, by time.perf_counter.
        episodes_per_report: least number of episodes of which metrics are reported.
        paid: rewards of an environment without a model; since the checkpoint that training continues from.
    """

    def __init__(
        self, aggregator: Aggregator, plan: Plan, rounds_ahead: int, trace: Trace, checkpoints: Checkpoints
    ) -> None:
        self.aggregator, self.plan, self.rounds_ahead = aggregator, plan, rounds_ahead
        self.trace, self.checkpoints = trace, checkpoints
        self.progress = Progress.of(plan)
        self.metrics: list[RoundMetrics] = []
        self.started_at = 0.0
        self.episodes_per_report = plan.episodes_per_report
        self.paid = RewardRange()
        self._in_flight: deque[InFlightRound] = deque()
        self._num_merged = 0  # rounds
        self._seconds_before = 0.0  # since metrics were reported, up to the checkpoint that training continues from

    @property
    def is_done(self) -> bool:
        """True if all episodes have ended."""
        return self.progress.num_ended == self.plan.num_episodes

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

    def rates(self, number: int, progress: Progress) -> tuple[float, float]:
        """Return the step size and the exploration of a round that begins after some progress."""
        first = self.plan.episodes_before(number, progress)
        return self.aggregator.learner.rates_at(first, self.plan.num_episodes)

    def play(self, pool: Pool) -> Iterator[RoundMetrics]:
        """Run all rounds in a pool.

        Yields:
            Metrics of each round once it has been merged, or of several if few episodes have ended in them; first those
            of a checkpoint.
        """
        yield from self.metrics
        self.start_clock()
        for in_flight in self._in_flight:
            self.submit(in_flight, pool)
        while not self.is_done:
            while len(self._in_flight) <= self.rounds_ahead and self.plan.has_round(self._next_number):
                self.submit(self._begin_next(self.progress.copy()), pool)
            self._merge_oldest()
            if self.is_report_due:
                yield self.report(self._num_merged - 1)
                self.started_at = time.perf_counter()  # the next report doesn't include the time of the callbacks

    def start_clock(self) -> None:
        """Set when metrics were reported; time before the checkpoint that training continues from is part of it."""
        self.started_at = time.perf_counter() - self._seconds_before

    @property
    def _next_number(self) -> int:
        return self._num_merged + len(self._in_flight)

    def _begin_next(self, before: Progress) -> InFlightRound:
        number = self._next_number
        rates = self.rates(number, before)
        found = [self.plan.task(number, i, before, rates) for i in range(self.plan.num_simulations)]
        tasks = [task for task in found if task is not None]
        in_flight = self.begin(number, min(number, self.rounds_ahead), before, tasks)
        self._in_flight.append(in_flight)
        return in_flight

    def begin(self, number: int, staleness: int, before: Progress, tasks: list[Task], *key: int) -> InFlightRound:
        """Return a round with a snapshot of the values as they are now.

        Args:
            number: of the round, from 0.
            staleness: number of earlier rounds that have not been merged.
            before: progress as it is now.
            tasks: to run.
            key: numbers that distinguish the random draws of the learner, where a round is begun more than once.
        """
        wall, clock = time.time(), time.perf_counter()
        snapshot = self.aggregator.snapshot()
        self.trace.add("publish", DRIVER, wall, time.perf_counter() - clock, number, version=number - staleness)
        stream = new_stream(self.plan.seed, number, self.plan.num_simulations, *key)
        return InFlightRound(number, staleness, snapshot, before, tasks, stream)

    def submit(self, in_flight: InFlightRound, pool: Pool) -> None:
        """Submit the tasks of a round that have not been merged."""
        if tasks := in_flight.tasks[in_flight.num_merged :]:
            fused_runner = self.aggregator.fused_runner(in_flight.snapshot, in_flight.stream)
            in_flight.results = pool.submit(in_flight.number, in_flight.snapshot, tasks, fused_runner)

    def _merge_oldest(self) -> None:
        """Merge the results of the oldest round, simulation by simulation."""
        in_flight = self._in_flight[0]
        for task, result in zip(in_flight.tasks[in_flight.num_merged :], in_flight.results, strict=True):
            self.apply_result(result, in_flight, task)
            in_flight.num_merged += 1
            self.save_if_due(in_flight.number, result.num_ended, self)
        self._in_flight.popleft()
        self._num_merged += 1
        self.progress.unreported[4] += self.trace.finish(in_flight.number)

    @property
    def is_report_due(self) -> bool:
        """True if enough episodes have ended since metrics were reported, or all."""
        return self.is_done or bool(self.progress.unreported[0] >= self.episodes_per_report)

    def report(self, number: int) -> RoundMetrics:
        """Append and return the metrics of all that has been merged since the last ones; `number` is the last round."""
        num_episodes, *totals, num_bytes, staleness = self.progress.unreported.tolist()
        metrics = RoundMetrics.from_totals(
            number,
            int(num_episodes),
            totals,
            self.started_at,
            num_ended=self.progress.num_ended,
            total_episodes=self.plan.num_episodes,
            staleness=int(staleness),
            num_bytes=int(num_bytes),
        )
        self.progress.unreported[:] = 0
        self.started_at = time.perf_counter()
        self.metrics.append(metrics)
        return metrics

    def apply_result(self, result: TaskResult, in_flight: InFlightRound, task: Task) -> None:
        """Merge the update of a task of a round into the learned values, unless a fused runner has applied it."""
        if result.update is not None:
            wall, clock = time.time(), time.perf_counter()
            self.aggregator.merge(result.update, in_flight.snapshot, task, in_flight.stream)
            seconds = time.perf_counter() - clock
            self.trace.add("merge", DRIVER, wall, seconds, in_flight.number, simulation=task.simulation)
        self.progress.add(task, result, in_flight.staleness)
        self.paid = self.paid.union(result.paid)

    def save_if_due(self, number: int, num_episodes: int, training: Training) -> None:
        """Save a checkpoint of the training if it is time for one; called after each merge.

        Args:
            number: of the round, for the trace.
            num_episodes: number of episodes that have ended since the last call.
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
                "progress": self.progress,
                "under_way": [[each.snapshot, each.stream, each.before] for each in self._in_flight],
                "metrics": metrics_to_arrays(self.metrics),
            },
            progress={
                "round": self._num_merged,
                "num_merged": [each.num_merged for each in self._in_flight],
                "seconds": time.perf_counter() - self.started_at,
            },
        )

    def restore(self, saved: SavedState) -> None:
        """Continue from a saved state, see `checkpoints.Training`; tasks that were not merged run again."""
        self.aggregator.learner = load_learner(self.aggregator.learner, saved.arrays, "learner")
        self.metrics = metrics_from_arrays(RoundMetrics, saved.arrays, "metrics")
        load_arrays(self.progress, saved.arrays, "progress")
        self._num_merged = saved.progress["round"]
        for i, num_merged in enumerate(saved.progress["num_merged"]):
            before = load_read_only(self.progress, saved.arrays, f"under_way.{i}.2")
            in_flight = self._begin_next(before)
            snapshot, stream = load_read_only([in_flight.snapshot, in_flight.stream], saved.arrays, f"under_way.{i}")
            in_flight.snapshot, in_flight.stream, in_flight.num_merged = snapshot, stream.copy(), num_merged
        self._seconds_before = saved.progress["seconds"]
        self.start_clock()
