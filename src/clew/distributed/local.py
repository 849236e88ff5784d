"""Local learners: each simulation learns on its own copy of the table, and sends back what it changed.

A simulation learns after every step, as the serial trainer does, so it sees what it has just learned itself, and what
the others learned when the round began. What travels back are the rows that it moved, with the number of moves of each
value, if that is asked for; `clew.kernels.learning.merging` says how they are put together, and why so.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed.central import starts_of
from clew.distributed.tasks import Job, Result, Task
from clew.environments import as_compiled
from clew.kernels import read_only
from clew.kernels.learning.merging import mark_changed, mark_counted, merge_averages, merge_changes, merge_moves
from clew.kernels.sampling import Stream
from clew.kernels.values import MOST
from clew.kernels.wide import refresh
from clew.learning.algorithms import ALGORITHMS
from clew.learning.learner import Learner
from clew.learning.loops import new_loop
from clew.learning.training import new_policy
from clew.policies.policy import Policy

__all__ = ["Changes", "LocalLearner", "Merger", "Tables"]

Table = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int32]


class Tables(NamedTuple):
    """What the learners of a round begin with; only read."""

    tables: Sequence[tuple[Table, Counts]]  # of the rule, with the moves behind each value, or empty if nobody asks
    visits: Counts  # how often each action was tried; empty if the behaviour doesn't ask


class Changes(NamedTuple):
    """What a learner changed."""

    rows: npt.NDArray[np.int32]  # (num_rows,), ascending: the states whose values it moved; changed, if uncounted
    tables: Sequence[tuple[Table, Counts]]  # (num_rows, num_actions) each: values, and moves since; (0, 0) if uncounted
    visits: Counts  # (num_rows, num_actions), tries since the beginning; empty likewise


def refresh_derived(learner: Learner, rows: Any) -> None:
    """Make q what it follows from: in some rows the mean of the rule's tables, and the maxima of wide rows."""
    if len(learner.tables) > 1:
        tables = [table[rows] for table, _ in learner.tables]
        learner.q[rows] = np.sum(tables, axis=0, dtype=np.float32) / np.float32(len(tables))
    refresh(learner.rule.q)


def since_then(counts: Counts, before: Counts, rows: npt.NDArray[np.int32]) -> Counts:
    """What was counted in some rows since."""
    return counts[rows] - before[rows] if before.size else counts[rows]


def asks_for_moves(job: Job) -> bool:
    """Tell if merging asks how often values were moved: not with alpha 1 where targets are certain, see `merging`."""
    world, learning = as_compiled(job.env), job.learning
    if ALGORITHMS[learning.algorithm].on_policy:  # its targets depend on what was tried
        return True
    is_deterministic = world is not None and world.mdp.is_deterministic
    return not (is_deterministic and learning.alpha_schedule == "constant" and learning.alpha == 1.0)


class LocalLearner:
    """Learns on its own copy of the values that it is given."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.learner: Learner
        _, self.learner = new_policy(job.env, as_compiled(job.env), job.learning, 0, counted=asks_for_moves(job))

    def perform(self, values: Tables, task: Task) -> Result:
        """See `tasks.Worker`; what is merged are `Changes`."""
        begun, clock = time.time(), time.perf_counter()
        learner = self.learner.with_fixed_rates(task.alpha, task.exploration)
        for (table, counts), (given, given_counts) in zip(learner.tables, values.tables, strict=True):
            table[:] = given
            counts[:] = given_counts if given_counts.size else 0
        learner.visits[:] = values.visits
        refresh_derived(learner, slice(None))
        loop = new_loop(
            self.job.env, as_compiled(self.job.env), learner, task.num_episodes, task.key, starts_of(self.job, task)
        )
        stats = loop.learn(task.num_episodes)
        sums = stats.steps.sum(), stats.terminated.sum(), stats.episode_return.sum()
        return Result(sums, self._changes(learner, values), begun, time.perf_counter() - clock)

    def _changes(self, learner: Learner, values: Tables) -> Changes:
        marks = np.zeros(learner.q.shape[0], np.bool_)
        for (table, counts), (base, before) in zip(learner.tables, values.tables, strict=True):
            if counts.size:
                mark_counted(read_only(counts), read_only(before), marks)
            else:
                mark_changed(read_only(table), read_only(base), marks)
        if learner.visits.size:
            mark_counted(read_only(learner.visits), read_only(values.visits), marks)
        rows = np.flatnonzero(marks).astype(np.int32)
        tables = [
            (table[rows], since_then(counts, before, rows) if counts.size else counts)
            for (table, counts), (_, before) in zip(learner.tables, values.tables, strict=True)
        ]
        tried = since_then(learner.visits, values.visits, rows) if learner.visits.size else learner.visits
        return Changes(rows, tables, tried)


class Merger:
    """Merges what local learners changed, in the order of the simulations."""

    learns_at_once = False  # see `CentralLearner`: who learns on a copy has to merge it

    def __init__(self, job: Job, seed: int) -> None:
        self.policy: Policy
        self.learner: Learner
        self.policy, self.learner = new_policy(job.env, as_compiled(job.env), job.learning, seed)

    def values(self) -> Tables:
        """What the learners of the next round begin with: a copy, for merging goes on meanwhile."""
        tables = [(read_only(table.copy()), read_only(counts.copy())) for table, counts in self.learner.tables]
        return Tables(tables, read_only(self.learner.visits.copy()))

    def at_once(self, values: Tables, stream: Stream) -> None:
        """Nothing that could."""

    def merge(self, changes: Changes, began_with: Tables, task: Task, stream: Stream) -> None:
        """Take in what one simulation changed."""
        learner, rows = self.learner, read_only(changes.rows)
        for (table, counts), (base, base_counts), (values, moves) in zip(
            learner.tables, began_with.tables, changes.tables, strict=True
        ):
            given = rows, read_only(values), read_only(moves)
            if counts.size:
                merge_averages(table, counts, read_only(base), read_only(base_counts), *given)
            elif moves.shape[1]:
                merge_moves(table, read_only(base), *given, task.alpha)
            else:
                merge_changes(table, read_only(base), *given[:2])
        if learner.visits.size:
            tried = learner.visits[rows].astype(np.int64) + changes.visits
            learner.visits[rows] = np.minimum(tried, MOST)
        refresh_derived(learner, rows)
