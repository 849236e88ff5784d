"""Training in rounds: several simulations work with the same values, then what they learned is put together in order.

A round begins with a copy of the values. Each simulation (a stream of episodes with draws of its own) works with that
copy; then what came of it is taken in, simulation by simulation, whoever did it and whenever it came in. The draws of a
simulation in a round are keyed by (seed, round, simulation). So the streams decide the result, and the processes that
work only the speed.

There are two ways to share the work: `central`, in which simulations play and one learner learns, and `local`, in which
each simulation learns by itself and tables are merged.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Unpack

import numpy as np
import numpy.typing as npt

from clew.distributed.asynchronous import AsynchronousRounds
from clew.distributed.central import CentralLearner, Player
from clew.distributed.local import LocalLearner, Merger
from clew.distributed.tasks import InProcessPool, Job, Pool, PoolRequest, Result, Task, Worker
from clew.environments import as_compiled
from clew.errors import SettingError
from clew.kernels.sampling import Stream, new_stream
from clew.learning.algorithms import ALGORITHMS
from clew.learning.checkpoints import (
    Checkpoints,
    Saved,
    State,
    Training,
    as_columns,
    as_rows,
    identity,
    rebuilt,
    restored,
)
from clew.learning.checks import NEVER, check_run, check_sharing, check_streams
from clew.learning.settings import Learning, LearningSettings, as_learning
from clew.learning.training import NUM_ROUNDS, Callback, RoundMetrics, Watch, check_values, report_rounds, train_policy
from clew.policies.policy import Policy
from clew.tracing.trace import DRIVER, Trace

__all__ = ["train_policy_parallel"]

logger = logging.getLogger(__name__)

WORKERS: dict[str, tuple[Any, Any]] = {"central": (Player, CentralLearner), "local": (LocalLearner, Merger)}
WORTH_ACTORS = 0.5  # seconds of work; below, starting actors and talking to them takes longer


def train_policy_parallel(
    env: Any,
    num_episodes: int = 4_000,
    num_simulations: int = 4,
    *,
    num_actors: int | None = None,
    sharing: str = "central",
    sync_every: int | str | None = None,
    rounds_ahead: int = 0,
    partition_starts: bool = False,
    asynchronous: bool = False,
    chaos: float = 0.0,
    seed: int = 0,
    callback: Callback | None = None,
    watch: Watch | None = None,
    trace: Trace | None = None,
    checkpoints: Checkpoints | None = None,
    **settings: Unpack[LearningSettings],
) -> Policy:
    """Learn from several streams of episodes, on Ray actors or in this process; by Q-learning, if not told else.

    A Ray that runs already is used (one that was started in this process, or that RAY_ADDRESS names); otherwise a local
    one is started, and stopped at the end. An actor that dies, or no longer answers, changes no bit of the result: what
    it had to do is given to another.

    Args:
        env: environment with Discrete spaces; actors get a copy of it.
        num_episodes: how many episodes to learn from, in all.
        num_simulations: number of streams; part of what decides the result. One stream has nothing to share: it is
            learned as `train_policy` does, in this process.
        num_actors: number of processes that work; decides only the speed. 0 works in this process, without Ray.
            None takes one for each stream, as far as the cluster has processors and they may gain; it works here until
            they have started, in rounds that are too short to be sent, and where the learner learns while it plays.
        sharing: "central", in which simulations play and one learner learns from all they saw, or "local", in which
            each simulation learns by itself, and the tables are merged after each round; not for algorithms that
            learn a model of the world. Part of what decides the result. Local is what actors gain most by.
        sync_every: episodes that each simulation plays before the values are put together; part of what decides the
            result. None makes a hundred rounds; "never" makes one, which is the chapter's mistake.
        rounds_ahead: rounds that simulations may work ahead of what is put together; part of what decides the
            result. With 1 nobody waits for the learner, and values are one round older.
        partition_starts: each simulation begins its episodes in a part of the start states of its own; part of what
            decides the result.
        asynchronous: take in what a simulation did as soon as it comes, at most `rounds_ahead` rounds before the
            slowest. Not reproducible: two runs differ.
        chaos: probability with which an actor is killed when it's given work, on purpose.
        seed: decides every draw, and so every bit of the result.
        callback: is called after each round, with what its episodes came to; first for those that a checkpoint has.
        watch: is called before it with the table of action values as it is then; only to look at, and to copy.
        trace: notes what was done by whom; `clew.tracing.timeline` draws it.
        checkpoints: where to keep what was learned so far; training goes on from the newest that is there.
        settings: any of `clew.Learning`, such as `algorithm`, `behaviour`, `alpha`, `gamma`, `epsilon`;
            `help(clew.Learning)` describes all of them. What a schedule says is fixed for a round.

    Returns:
        Policy with what was learned.

    Raises:
        SettingError: if a setting is out of range, or a space is not Discrete.
        ClusterError: if the cluster can't place the actors, or its store can't hold the values.
        RunError: if checkpoints can't be written, or are damaged, or of another training.
        StoppedError: if `checkpoints` was asked to stop.
    """
    check_run(num_episodes, seed)
    check_streams(num_simulations, num_actors, sync_every, rounds_ahead)
    learning = as_learning(settings)
    trace = Trace() if trace is None else trace
    say_idle(num_actors or 0, num_simulations)
    if num_simulations == 1:
        kept: dict[str, Any] = {"callback": callback, "watch": watch, "trace": trace, "checkpoints": checkpoints}
        return train_policy(env, num_episodes, seed=seed, **kept, **settings)
    check_sharing(sharing, learning)
    job = Job(env, learning, num_simulations if partition_starts else 1)
    check_parts(job)
    plan = Plan.of(num_episodes, num_simulations, sync_every, seed)
    make_worker, make_learner = WORKERS[sharing]
    checkpoints = Checkpoints(None) if checkpoints is None else checkpoints
    rounds = Rounds(make_learner(job, seed), plan, rounds_ahead, trace, checkpoints)
    policy: Policy = rounds.learner.policy
    training = AsynchronousRounds(rounds) if asynchronous else rounds
    shared = {"sharing": sharing, "rounds_ahead": rounds_ahead, "partition_starts": partition_starts}
    checkpoints.resume(identity(env, learning, **plan._asdict(), **shared, asynchronous=asynchronous), training)
    worker: Worker = make_worker(job)
    if num_actors is None and rounds.learner.learns_at_once and not chaos:
        num_actors = 0  # sending steps to a learner takes longer than playing them beside it
    rounds.compile(worker, num_actors != 0)
    here = InProcessPool(worker, trace, checkpoints.check)
    num_values = num_simulations if asynchronous else 1 + rounds_ahead
    demand = PoolRequest(num_actors, num_simulations, num_values, chaos)
    with _pool(job, make_worker, here, demand) as pool:
        report_rounds(training.play(pool), policy, watch, callback)
    check_values(policy)
    if num_actors and rounds.work < WORTH_ACTORS:
        logger.info("this run needs %.2g s of computing; actors help only runs of several seconds", rounds.work)
    elif num_actors and rounds.learner.learns_at_once:
        hint = hint_at_local(learning)
        logger.info("one process would do as well: a central learner takes in every step itself%s", hint)
    return policy


class Plan(NamedTuple):
    """How many episodes are played when, and by which simulation."""

    num_episodes: int
    num_simulations: int
    sync_every: int
    seed: int

    @classmethod
    def of(cls, num_episodes: int, num_simulations: int, sync_every: int | str | None, seed: int) -> "Plan":
        """A plan, with what isn't said filled in."""
        num_rounds = 1 if sync_every == NEVER else NUM_ROUNDS
        if not isinstance(sync_every, int):
            sync_every = math.ceil(num_episodes / (num_rounds * num_simulations))
        return cls(num_episodes, num_simulations, int(sync_every), seed)

    @property
    def num_rounds(self) -> int:
        """How many rounds there will be."""
        return math.ceil(self.num_episodes / (self.sync_every * self.num_simulations))

    def size(self, number: int) -> int:
        """Episodes of a round: all that fit, or what is left."""
        full = self.sync_every * self.num_simulations
        return min(full, self.num_episodes - number * full)

    def tasks(self, number: int, alpha: float, exploration: float) -> list[Task]:
        """The tasks of a round; the first simulations take what can't be shared evenly."""
        each, left = divmod(self.size(number), self.num_simulations)
        sizes = [each + (i < left) for i in range(self.num_simulations)]
        return [Task(n, alpha, exploration, (self.seed, number, i)) for i, n in enumerate(sizes) if n]


@dataclass(eq=False)
class InFlightRound:
    """A round that is under way."""

    number: int
    values: Any  # that it began with
    tasks: list[Task]
    stream: Stream  # what the learner draws
    stats: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))  # of the tasks that were merged
    num_merged: int = 0  # tasks
    results: Iterator[Result] = field(default_factory=lambda: iter(()))  # of the others


class Rounds:
    """The rounds of a training, see `checkpoints.Training`.

    Attributes:
        learner: `CentralLearner` or `Merger`; has what was learned so far.
        rows: the metrics of the rounds that have ended.
        work: seconds that were worked for it, by all together.
    """

    def __init__(self, learner: Any, plan: Plan, rounds_ahead: int, trace: Trace, checkpoints: Checkpoints) -> None:
        self.learner, self.plan, self.rounds_ahead, self.trace = learner, plan, rounds_ahead, trace
        self.checkpoints = checkpoints
        self.rows: list[RoundMetrics] = []
        self.work = 0.0
        self._under_way: deque[InFlightRound] = deque()
        self._begun = 0.0
        self._seconds = 0.0  # since the last round ended, before a checkpoint

    def compile(self, worker: Worker, elsewhere: bool) -> None:
        """Play nothing: this compiles, if it is the first time, so that rounds are timed without it.

        `elsewhere` tells if others may work too: they find the machine code of what they do on the disk.
        """
        alpha, exploration = self.learner.learner.rates_at(0, self.plan.num_episodes)
        nothing = Task(0, alpha, exploration, (self.plan.seed, 0, 0))
        values, stream = self.learner.values(), new_stream(*nothing.key)
        at_once = self.learner.at_once(values, stream)
        if at_once is not None:
            at_once(nothing)
        if at_once is None or elsewhere:
            self.learner.merge(worker.perform(values, nothing).learned, values, nothing, stream)

    def tasks(self, number: int) -> list[Task]:
        """The tasks of a round; what a schedule says is fixed for it."""
        first = number * self.plan.sync_every * self.plan.num_simulations
        return self.plan.tasks(number, *self.learner.learner.rates_at(first, self.plan.num_episodes))

    def play(self, pool: Pool) -> Iterator[RoundMetrics]:
        """Play all rounds; says of each what it came to when it has been taken in; first of those of a checkpoint."""
        yield from self.rows
        with self.checkpoints.kept(self):
            self._begun = time.perf_counter() - self._seconds
            for this in self._under_way:
                self._hand_out(this, pool)
            while len(self.rows) < self.plan.num_rounds:
                while len(self._under_way) <= self.rounds_ahead and self._next < self.plan.num_rounds:
                    this = self._begin(self._next)
                    self._hand_out(this, pool)
                    self._under_way.append(this)
                self._finish(self._under_way[0])
                yield self.rows[-1]
                self._begun = time.perf_counter()  # what the caller does with it is not the round's

    @property
    def _next(self) -> int:
        """The number of the round that begins next."""
        return len(self.rows) + len(self._under_way)

    def _begin(self, number: int) -> InFlightRound:
        """A round, with the values as they are now."""
        at, clock = time.time(), time.perf_counter()
        values, stream = self.learner.values(), new_stream(self.plan.seed, number, self.plan.num_simulations)
        version = number - self._staleness(number)
        self.trace.add("publish", DRIVER, at, time.perf_counter() - clock, number, version=version)
        return InFlightRound(number, values, self.tasks(number), stream)

    def _staleness(self, number: int) -> int:
        """How many rounds are under way when this one begins."""
        return min(number, self.rounds_ahead)

    def _hand_out(self, this: InFlightRound, pool: Pool) -> None:
        """Have the tasks of a round performed, as far as they were not merged."""
        if tasks := this.tasks[this.num_merged :]:
            at_once = self.learner.at_once(this.values, this.stream)
            this.results = pool.submit(this.number, this.values, tasks, at_once)

    def _finish(self, this: InFlightRound) -> None:
        """Take in what came of the oldest round, simulation by simulation."""
        for task, result in zip(this.tasks[this.num_merged :], this.results, strict=True):
            self.take_in(result, this.values, task, this.stream)
            this.stats += result.sums
            this.num_merged += 1
            self.note(this.number, task.num_episodes, self)
        row = RoundMetrics.from_totals(
            this.number,
            self.plan.num_rounds,
            self.plan.size(this.number),
            this.stats,
            self._begun,
            staleness=self._staleness(this.number),
            num_bytes=self.trace.finish(this.number),
        )
        self.rows.append(row)
        self._under_way.popleft()

    def take_in(self, result: Result, values: Any, task: Task, stream: Stream) -> None:
        """Merge what came of a task, unless it was learned at once."""
        if result.learned is not None:
            at, clock = time.time(), time.perf_counter()
            self.learner.merge(result.learned, values, task, stream)
            seconds = time.perf_counter() - clock
            self.trace.add("merge", DRIVER, at, seconds, task.key[1], simulation=task.key[2])
        self.work += result.seconds

    def note(self, number: int, num_episodes: int, training: Training) -> None:
        """All is whole now: a moment to keep it."""
        at, clock = time.time(), time.perf_counter()
        if size := self.checkpoints.note(num_episodes, training):
            self.trace.add("checkpoint", DRIVER, at, time.perf_counter() - clock, number, num_bytes=size)

    def state(self) -> State:
        """See `checkpoints.Training`."""
        content = {
            "learner": self.learner.learner,
            "under_way": [[this.values, this.stream, this.stats] for this in self._under_way],
            "metrics": as_columns(self.rows),
        }
        num_merged = [this.num_merged for this in self._under_way]
        seconds = time.perf_counter() - self._begun
        return State(content, {"num_merged": num_merged, "seconds": seconds, "work": self.work})

    def restore(self, saved: Saved) -> None:
        """See `checkpoints.Training`."""
        self.learner.learner = restored(self.learner.learner, saved.arrays, "learner")
        self.rows = as_rows(RoundMetrics, saved.arrays, "metrics")
        for i, num_merged in enumerate(saved.progress["num_merged"]):
            this = self._begin(self._next)
            values, stream, stats = rebuilt([this.values, this.stream, this.stats], saved.arrays, f"under_way.{i}")
            this.values, this.stream, this.stats, this.num_merged = values, stream.copy(), stats.copy(), num_merged
            self._under_way.append(this)
        self._seconds, self.work = saved.progress["seconds"], saved.progress["work"]


def say_idle(num_actors: int, num_simulations: int) -> None:
    """Say so if more actors are asked for than there will be."""
    if num_actors and num_simulations == 1:
        logger.info("one simulation is learned in this process, without actors; several can be shared")
    elif num_actors > num_simulations:
        logger.info(
            "%d actors, not %d: there are %d simulations, and each is played by one at a time",
            num_simulations,
            num_actors,
            num_simulations,
        )


def hint_at_local(learning: Learning) -> str:
    """What actors would be good for, if it is to be had."""
    return "" if ALGORITHMS[learning.algorithm].learns_model else "; with sharing local actors learn too"


def check_parts(job: Job) -> None:
    """Check that the start states can be parted.

    Raises:
        SettingError: says why not.
    """
    world = as_compiled(job.env)
    if job.num_parts > 1 and (world is None or world.mdp.starts.size < job.num_parts):
        known = "unknown" if world is None else f"{world.mdp.starts.size}"
        raise SettingError(
            f"must be False: the start states can't be parted among {job.num_parts} simulations: their number is "
            f"{known}",
            setting="partition_starts",
        )


def _pool(
    job: Job, make_worker: Callable[[Job], Worker], here: InProcessPool, demand: PoolRequest
) -> AbstractContextManager[Pool]:
    if demand.num_actors == 0:
        return nullcontext(here)
    from clew.distributed.actors import actor_pool

    return actor_pool(job, make_worker, here, demand)
