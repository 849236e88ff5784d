"""Local learning: each simulation learns on its own copy of the table, and the copies are merged after each round.

A simulation learns after every step, as the serial trainer does. It uses what it has learned itself during the round,
and what all simulations had learned when the round began. A worker sends back only the rows of the table that it
updated, with the number of updates of each value if the merge needs them; `clew.kernels.learning.merging` gives the
formula of the merge and its reason.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed.tasks import EMPTY_TASK, Job, Position, Task, TaskResult, TaskTotals
from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.learning.merging import mark_changed, mark_counted, merge_averages, merge_changes, merge_updates
from clew.kernels.learning.rollouts import learn_steps
from clew.kernels.sampling import Stream, new_stream
from clew.kernels.values import MAX_COUNT
from clew.kernels.wide import recompute_maxima
from clew.learning.algorithms import ALGORITHMS
from clew.learning.learner import Learner
from clew.learning.loops import learn_stepwise, new_loop, new_loop_state, stepwise_loop
from clew.learning.precision import RewardRange
from clew.learning.saved_arrays import arrays_of
from clew.learning.training import new_policy
from clew.policies.episodes import episode_spec

Table = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int32]


class TableSnapshot(NamedTuple):
    """Tables and counts with which the local learners of a round begin; read-only."""

    tables: Sequence[tuple[Table, Counts]]  # each table of the algorithm, and the updates of its values (may be empty)
    visits: Counts  # (num_states, num_actions), tries of each action; empty if the strategy ignores them
    memory: Sequence[npt.NDArray[Any]] = ()  # that the algorithm merges, see `memory_of`


class TableChanges(NamedTuple):
    """Rows of the tables that a local learner updated in one task.

    Where updates are not counted (see `needs_update_counts`), `rows` has the states whose values differ from those of
    the snapshot, and the counts are (0, 0).
    """

    rows: npt.NDArray[np.int32]  # (num_rows,), ascending, states
    tables: Sequence[tuple[Table, Counts]]  # (num_rows, num_actions) each: values, and their updates in this task
    visits: Counts  # (num_rows, num_actions), tries of each action in this task; empty if the strategy ignores them
    memory: Sequence[npt.NDArray[Any]] = ()  # at the end of the task, see `memory_of`


def memory_of(learner: Learner) -> dict[str, npt.NDArray[Any]]:
    """Return what an algorithm remembers for the whole run and merges itself: its arrays by field, without tables.

    Returns:
        Arrays, not copied; empty if the algorithm has no function that merges them.
    """
    if ALGORITHMS[learner.settings.algorithm].merge is None:
        return {}
    tables = [learner.q, learner.counts, learner.visits, *(array for pair in learner.tables for array in pair)]
    return {
        name: array
        for name, array in arrays_of(learner.rule).items()
        if not name.startswith("q.") and not any(np.may_share_memory(array, table) for table in tables)
    }


def snapshot_of(learner: Learner) -> TableSnapshot:
    """Return a copy of the tables of a learner and of their counts."""
    tables = [(read_only(table.copy()), read_only(counts.copy())) for table, counts in learner.tables]
    memory = [read_only(array.copy()) for array in memory_of(learner).values()]
    return TableSnapshot(tables, read_only(learner.visits.copy()), memory)


def refresh_derived(learner: Learner, rows: Any) -> None:
    """Recompute in place what follows from the tables: q as the mean of several tables, and maxima of wide rows.

    Args:
        learner: its tables have been written to.
        rows: the states whose values were written, as an index of NumPy.
    """
    if len(learner.tables) > 1:
        tables = [table[rows] for table, _ in learner.tables]
        learner.q[rows] = np.sum(tables, axis=0, dtype=np.float32) / np.float32(len(tables))
    recompute_maxima(learner.rule.q)


def count_since(counts: Counts, before: Counts, rows: npt.NDArray[np.int32]) -> Counts:
    """Return by how much counts grew in some rows: (num_rows, num_actions); an empty `before` stands for zeros."""
    changed = counts.take(rows, axis=0)  # faster than an index
    return changed - before.take(rows, axis=0) if before.size else changed


def needs_update_counts(job: Job) -> bool:
    """Return whether the merge needs the number of updates of each value.

    It doesn't if every update replaces the value by its target (alpha is 1) and targets don't depend on chance or on
    the behaviour policy, see `clew.kernels.learning.merging`.
    """
    replaces = job.learning.alpha_schedule == "constant" and job.learning.alpha == 1.0
    is_deterministic = job.world is not None and job.world.mdp.is_deterministic
    return ALGORITHMS[job.learning.algorithm].on_policy or not (replaces and is_deterministic)


def check_counted(learner: Learner, snapshot: TableSnapshot) -> None:
    """Check that a rule has counted its updates, for merging takes values without updates from other simulations.

    Raises:
        SettingError: if a value has changed and its count hasn't; the message says what to do.
    """
    for (table, counts), (base, base_counts) in zip(learner.tables, snapshot.tables, strict=True):
        before = base_counts if base_counts.size else 0
        lost = (table != base) & (counts == before) & (table != -np.inf) if counts.size else np.zeros(0, np.bool_)
        if lost.any():  # an action that a simulation found unavailable has -inf, without an update
            s, a = np.argwhere(lost)[0]
            raise SettingError(
                f"{learner.settings.algorithm} wrote the value of action {a} in state {s} without counting the update, "
                "and tables are merged by these counts; take its step size from step_size(alpha, s, a), once for each "
                "update, or sharing='central'"
            )


class LocalLearner:
    """Runs tasks by learning on its own copy of the table; see `tasks.Worker`."""

    def __init__(self, job: Job) -> None:
        self.job = job
        _, self.learner = new_policy(job.env, job.world, job.learning, 0, counted=needs_update_counts(job))

    def perform(self, snapshot: TableSnapshot, task: Task) -> TaskResult:
        """Learn from the episodes of a task, starting from the snapshot; the update of the result is `TableChanges`."""
        started_at, clock = time.time(), time.perf_counter()
        learner = self.learner.with_fixed_rates(task.alpha, task.exploration)
        for (table, counts), (base, base_counts) in zip(learner.tables, snapshot.tables, strict=True):
            table[:] = base
            counts[:] = base_counts if base_counts.size else 0
        learner.visits[:] = snapshot.visits
        for array, known in zip(memory_of(learner).values(), snapshot.memory, strict=True):
            array[...] = known
        refresh_derived(learner, slice(None))
        totals, num_ended, position, paid = self._learn(learner, task)
        update = self._changes(learner, snapshot)
        return TaskResult(totals, num_ended, position, update, started_at, time.perf_counter() - clock, paid=paid)

    def compile(self) -> None:
        """Run a task without episodes, or of one step, see `tasks.Worker`."""
        job, state = self.job, new_loop_state(EMPTY_TASK.key)
        if job.world is None:
            next(learn_stepwise(job.env, self.learner, 1, state, max_steps=1))
        self.perform(snapshot_of(self.learner), EMPTY_TASK)

    def _learn(self, learner: Learner, task: Task) -> tuple[TaskTotals, int, Position, RewardRange]:
        """Learn from the episodes of a task.

        Returns:
            Totals, number of ended episodes, last position, and the rewards of an environment without a model.
        """
        job, world, n = self.job, self.job.world, task.num_episodes
        starts = job.starts(task.simulation)
        if world is None:
            loop = stepwise_loop(job.env, learner, n, task.key, task.num_steps)
        elif learner.settings.num_interleaved > 1:  # these rounds have whole episodes
            loop = new_loop(job.env, world, learner, n, task.key, starts)
        else:
            spec, cursor = episode_spec(world, starts, job.learning.exploring_starts), task.new_cursor()
            rates = learner.step_size(task.alpha), task.exploration
            parts = learner.rule, learner.behaviour, learner.visits, rates, new_stream(*task.key)
            totals = TaskTotals(*learn_steps(world.mdp.fast_model, spec, *parts, n, task.num_steps, cursor))
            return totals, int(cursor[0]), Position(*cursor[1:].tolist()), RewardRange()
        stats = loop.learn(n)
        totals = TaskTotals(int(stats.steps.sum()), int(stats.terminated.sum()), float(stats.episode_return.sum()))
        return totals, stats.steps.size, Position(), loop.paid()

    def _changes(self, learner: Learner, snapshot: TableSnapshot) -> TableChanges:
        """Return the rows that differ from those of the snapshot in a count, or in a value if it isn't counted."""
        marks = np.zeros(learner.q.shape[0], np.bool_)
        for (table, counts), (base, base_counts) in zip(learner.tables, snapshot.tables, strict=True):
            if counts.size:
                mark_counted(read_only(counts), read_only(base_counts), marks)
            else:
                mark_changed(read_only(table), read_only(base), marks)
        if learner.visits.size:
            mark_counted(read_only(learner.visits), read_only(snapshot.visits), marks)
        if ":" in learner.settings.algorithm:
            check_counted(learner, snapshot)
        rows = np.flatnonzero(marks).astype(np.int32)
        tables = [
            (table.take(rows, axis=0), count_since(counts, base_counts, rows) if counts.size else counts)
            for (table, counts), (_, base_counts) in zip(learner.tables, snapshot.tables, strict=True)
        ]
        visits = count_since(learner.visits, snapshot.visits, rows) if learner.visits.size else learner.visits
        return TableChanges(rows, tables, visits, [array.copy() for array in memory_of(learner).values()])


class TableMerger:
    """Merges the changes of local learners into one table, in the order of the simulations; see `tasks.Aggregator`.

    Attributes:
        policy: has the merged action values.
        learner: has the tables that are merged into; it doesn't learn itself.
    """

    def __init__(self, job: Job, seed: int, initial: npt.ArrayLike | None = None) -> None:
        self.policy, self.learner = new_policy(job.env, job.world, job.learning, seed, initial=initial)

    def snapshot(self) -> TableSnapshot:
        """Return a copy of the tables and of their counts; merging goes on while workers read it."""
        return snapshot_of(self.learner)

    def fused_runner(self, snapshot: TableSnapshot, stream: Stream) -> None:
        """Return None: a local learner works on a copy, which has to be merged."""

    def merge(self, changes: TableChanges, snapshot: TableSnapshot, task: Task, stream: Stream) -> None:
        """Merge the changes of one task, which began with `snapshot`, into the tables; `stream` is not used."""
        learner, rows = self.learner, read_only(changes.rows)
        for (table, counts), (base, base_counts), (values, num_updates) in zip(
            learner.tables, snapshot.tables, changes.tables, strict=True
        ):
            changed = rows, read_only(values), read_only(num_updates)
            if counts.size:
                merge_averages(table, counts, read_only(base), read_only(base_counts), *changed)
            elif num_updates.shape[1]:
                merge_updates(table, read_only(base), *changed, task.alpha)
            else:
                merge_changes(table, read_only(base), *changed[:2])
        if learner.visits.size:
            visits = learner.visits[rows].astype(np.int64) + changes.visits
            learner.visits[rows] = np.minimum(visits, MAX_COUNT)
        if (merge_memory := ALGORITHMS[learner.settings.algorithm].merge) is not None:
            memory = memory_of(learner)
            before, after = (
                {name: read_only(array) for name, array in zip(memory, arrays, strict=True)}
                for arrays in (snapshot.memory, changes.memory)
            )
            merge_memory(memory, before, after)
        refresh_derived(learner, rows)
