"""Ray actors that run tasks, and the pool that distributes tasks among them.

Actors keep no state that could change a result, so any actor can run any task, and another can run it again if the
first one dies. An actor is lost when Ray reports its death, or when it doesn't answer a health check in time. Then
another is started, which joins the pool when the cluster has a processor for it. While no actor runs, tasks run in this
process.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import ray
from ray.exceptions import ObjectStoreFullError, OutOfDiskError, RayError, RayTaskError

from clew.distributed.cluster import check_alive, connected, count_cpus
from clew.distributed.handshake import Handshakes, describe_process
from clew.distributed.store import StoreUsage, as_clew_error, num_bytes
from clew.distributed.tasks import InProcessPool, Job, Task, TaskResult, TaskRunner, Worker
from clew.errors import ClusterError
from clew.tracing.trace import DRIVER, STORE

logger = logging.getLogger(__name__)

START_TIMEOUT = 60  # seconds until all actors run; a busy or distant cluster takes several
SECONDS_BEFORE_ACTORS = 0.3  # of training in this process before actors are started; starting them takes as long
SECONDS_PER_CALL = 0.02  # least work that is worth a remote call, which takes a millisecond or two
SECONDS_BEFORE_HEALTH_CHECK = 5.0  # of a call; it may take any time as long as its actor answers health checks
HEALTH_CHECK_TIMEOUT = 30.0  # seconds
MAX_FAILED_STARTS = 20  # in succession


def as_actor(simulation_class: Any) -> Any:
    """Return a class as a Ray actor class; each of its actors occupies one processor."""
    return ray.remote(num_cpus=1)(simulation_class)


class _SimulationActor:
    """Actor that runs tasks of one job.

    It is made without arguments, so that it answers the handshake before it reads a job, which another version of Clew
    might not be able to read.
    """

    worker: Worker

    @ray.method(concurrency_group="health")  # type: ignore[untyped-decorator]  # Ray has no types
    def ready(self) -> dict[str, str]:
        """Return the description of this process: the actor runs.

        It answers during a task too, because kernels release the interpreter lock.
        """
        return describe_process()

    def begin(self, job: Job, make_worker: Callable[[Job], Worker]) -> None:
        """Begin a job, whose tasks are run by the worker that `make_worker` makes from it."""
        self.worker = make_worker(job)

    def perform(self, snapshot: Any, tasks: list[Task]) -> list[TaskResult]:
        """Run tasks one after the other; Ray passes the snapshot as read-only arrays in its object store."""
        return [self.worker.perform(snapshot, task) for task in tasks]


SimulationActor = ray.remote(num_cpus=1, concurrency_groups={"health": 1})(_SimulationActor)


@dataclass(eq=False)
class TaskBatch:
    """Tasks of one round that are sent to an actor in one call.

    Attributes:
        round: number of the round.
        snapshot: values with which the tasks begin.
        snapshot_ref: reference to the snapshot in Ray's object store.
        tasks: in the order of the simulations.
        attempt: number of actors that were lost with these tasks.
        sent_at: when it was sent, in seconds since 1970.
        results: of the tasks; None until they have arrived.
    """

    round: int
    snapshot: Any
    snapshot_ref: Any
    tasks: list[Task]
    attempt: int = 0
    sent_at: float = 0.0
    results: list[TaskResult] | None = None


@dataclass(eq=False)
class BatchResults(Iterator[TaskResult]):
    """Iterator over the results of some batches, in their order; it waits for each batch to arrive."""

    batches: list[TaskBatch]
    results: Iterator[TaskResult]

    def __next__(self) -> TaskResult:
        return next(self.results)


@dataclass(eq=False)
class ActorHandle:
    """An actor, as the driver knows it.

    Attributes:
        name: "actor" and its number, as the trace has it.
        actor: Ray's handle.
        hello_ref: reference to its description, see `handshake`.
        start_ref: reference that is ready once the actor has begun the job.
        is_replacement: whether it was started in the place of a lost one.
        requested_at: when it was requested, in seconds since 1970.
        is_running: whether the actor has been seen to run.
        idle_since: when its last task ended, in seconds since 1970, as far as is known.
        batches: what it has to run, by the references of the results.
        health_check: reference that is ready if the actor answers; None if no answer is due.
        checked_at: when it was last sent a batch or a health check, or was seen to have answered; by time.monotonic.
    """

    name: str
    actor: Any
    hello_ref: Any
    start_ref: Any
    is_replacement: bool = False
    requested_at: float = field(default_factory=time.time)
    is_running: bool = False
    idle_since: float = 0.0
    batches: dict[Any, TaskBatch] = field(default_factory=dict)
    health_check: Any = None
    checked_at: float = 0.0


@contextmanager
def actor_pool(
    job: Job, make_worker: Callable[[Job], Worker], in_process: InProcessPool, chaos: float = 0.0
) -> Iterator["ActorPool"]:
    """Provide a pool of actors, and stop the actors at the end, also after an error.

    With `num_actors` of None, actors are started when training has taken 0.3 s; otherwise all run before the pool is
    provided.

    Args:
        job: what the tasks have in common; every actor gets a copy.
        make_worker: makes the worker of an actor from the job.
        in_process: runs tasks while no actor runs.
        chaos: probability that an actor is killed when tasks are sent to it.

    Raises:
        ClusterError: if the cluster can't place the actors.
    """
    sharing = job.sharing
    num_needed = min(sharing.num_simulations, sharing.num_actors or 0)
    with connected(num_needed), closing(ActorPool(job, make_worker, in_process, chaos)) as pool:
        if sharing.num_actors is not None:
            pool.start(num_needed)
            pool.wait_until_running()
        yield pool


class ActorPool:
    """Runs tasks on actors, see `tasks.Pool`; arguments as for `actor_pool`."""

    def __init__(
        self, job: Job, make_worker: Callable[[Job], Worker], in_process: InProcessPool, chaos: float = 0.0
    ) -> None:
        self.in_process, self.chaos, self.trace = in_process, chaos, in_process.trace
        self._job, self._make_worker = job, make_worker
        self._handshakes = Handshakes()
        self._num_started = self._num_failed = 0
        self._always_uses_actors = False  # also for rounds that are too short to be sent
        self._seconds_per_task = math.inf  # mean of the last tasks that were run
        self._rng = np.random.default_rng(0)  # of chaos
        sharing = job.sharing
        self._store = StoreUsage(sharing.num_simulations if sharing.asynchronous else 1 + sharing.rounds_ahead)
        self.handles: list[ActorHandle] = []
        # Actors to start once training has taken 0.3 s in this process; a shorter training ends without them.
        self._num_deferred = min(sharing.num_simulations, count_cpus()) if sharing.num_actors is None else 0
        self._deferred_at = time.monotonic()

    def start(self, num_actors: int, is_replacement: bool = False) -> None:
        """Start some actors, without waiting until they run; `is_replacement` for those in the place of lost ones."""
        for _ in range(num_actors):
            actor = SimulationActor.remote()
            hello, start = actor.ready.remote(), actor.begin.remote(self._job, self._make_worker)
            self.handles.append(ActorHandle(f"actor {self._num_started}", actor, hello, start, is_replacement))
            self._num_started += 1

    def wait_until_running(self) -> None:
        """Wait until all actors run, and send all tasks to actors from now on.

        Raises:
            ClusterError: if they don't all run within a minute, or if one can't be used, see `handshake`.
        """
        self._always_uses_actors = True
        deadline = time.monotonic() + START_TIMEOUT
        while starting := [handle.start_ref for handle in self.handles if not handle.is_running]:
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"{len(self.handles)} actors of one processor each did not all start within {START_TIMEOUT} s: the "
                    f"cluster has {count_cpus()} processors, {ray.available_resources().get('CPU', 0):g} of them free; "
                    f"ask for fewer actors, or free some processors"
                )
            self.in_process.check_stopped()
            check_alive()
            ray.wait(starting, num_returns=1, timeout=1.0)
            self._update_running()

    def close(self) -> None:
        """Stop all actors."""
        for handle in self.handles:
            ray.kill(handle.actor)

    def submit(
        self, round: int, snapshot: Any, tasks: list[Task], fused_runner: TaskRunner | None = None
    ) -> Iterator[TaskResult]:
        """Send tasks to the actors, in as many batches as are worth a call, or run them here; see `tasks.Pool`."""
        if self._num_deferred and time.monotonic() - self._deferred_at > SECONDS_BEFORE_ACTORS:
            self.start(self._num_deferred)
            self._num_deferred = 0
        self._update_running()
        num_running = len(self._running())
        num_worth = self._seconds_per_task * len(tasks) / SECONDS_PER_CALL  # calls
        if not num_running or (num_worth < 1 and not self._always_uses_actors):
            return self._run_here(round, snapshot, tasks, fused_runner)
        num_batches = max(1, int(min(num_worth, num_running, len(tasks))))
        snapshot_ref = self._store_snapshot(round, snapshot)
        shares = np.array_split(np.arange(len(tasks)), num_batches)
        batches = [TaskBatch(round, snapshot, snapshot_ref, [tasks[i] for i in share]) for share in shares]
        for batch in batches:
            self._send(batch)
        return BatchResults(batches, self._collect(batches))

    def first_ready(self, submitted: list[Iterator[TaskResult]]) -> int:
        """Return the index of an iterator of `submit` whose results have all arrived, or run here; see `tasks.Pool`."""
        while True:
            for i, results in enumerate(submitted):
                if not isinstance(results, BatchResults) or all(each.results is not None for each in results.batches):
                    return i
            self._wait()

    def _run_here(
        self, round: int, snapshot: Any, tasks: list[Task], fused_runner: TaskRunner | None = None, attempt: int = 0
    ) -> Iterator[TaskResult]:
        """Run tasks in this process, and note how long they take."""
        for result in self.in_process.submit(round, snapshot, tasks, fused_runner, attempt):
            self._seconds_per_task = result.seconds
            yield result

    def _store_snapshot(self, round: int, snapshot: Any) -> Any:
        """Put a snapshot into Ray's object store, where the actors of a node share one copy; return its reference."""
        size = num_bytes(snapshot)
        self._store.check(size)
        wall, clock = time.time(), time.perf_counter()
        try:
            reference = ray.put(snapshot)
        except RayError as error:
            raise as_clew_error(error) from error
        self.trace.add("put", STORE, wall, time.perf_counter() - clock, round, num_bytes=size)
        return reference

    def _collect(self, batches: list[TaskBatch]) -> Iterator[TaskResult]:
        """Yield the results of batches, in their order, each as soon as its batch has arrived."""
        for batch in batches:
            while batch.results is None:
                self._wait()
            self._seconds_per_task = float(np.mean([result.seconds for result in batch.results]))
            yield from batch.results
            batch.results = []  # releases them in the object store
        self._store.clear_results()

    def _running(self) -> list[ActorHandle]:
        """Return the actors that run, those with the fewest batches first."""
        return sorted((handle for handle in self.handles if handle.is_running), key=lambda each: len(each.batches))

    def _update_running(self) -> None:
        """Mark the actors that have started since the last call; replace those that failed to."""
        starting = {handle.start_ref: handle for handle in self.handles if not handle.is_running}
        for reference in ray.wait(list(starting), num_returns=len(starting), timeout=0)[0] if starting else []:
            handle = starting[reference]
            try:
                host = self._handshakes.accept(ray.get(handle.hello_ref), has_joined=handle.is_replacement)
                ray.get(reference)
            except ClusterError as error:
                self._refuse(handle, error)
            except RayTaskError as error:
                raise ClusterError(f"an actor can't be started: {error.cause!r}") from error
            except RayError as error:
                self._replace(handle, error)
            else:
                handle.is_running, self._num_failed = True, 0
                seconds = time.time() - handle.requested_at
                self.trace.add("start", handle.name, handle.requested_at, seconds, -1, host=host)

    def _refuse(self, handle: ActorHandle, error: ClusterError) -> None:
        """Raise the error of an actor that can't be used; go on without it if it was to take the place of a lost one.

        A node that joins a cluster in the middle of a run doesn't end that run.
        """
        if not handle.is_replacement:
            raise error
        logger.warning("%s; training continues without %s", error, handle.name)
        self.handles.remove(handle)
        ray.kill(handle.actor)

    def _send(self, batch: TaskBatch) -> None:
        """Send a batch to the actor with the fewest batches; run it in this process if no actor runs."""
        running = self._running()
        if not running:
            batch.results = list(self._run_here(batch.round, batch.snapshot, batch.tasks, attempt=batch.attempt))
            return
        handle = running[0]
        batch.sent_at = time.time()
        handle.batches[handle.actor.perform.remote(batch.snapshot_ref, batch.tasks)] = batch
        handle.health_check, handle.checked_at = None, time.monotonic()
        if self._rng.random() < self.chaos:
            self.trace.add("kill", handle.name, time.time(), 0.0, batch.round)
            ray.kill(handle.actor)

    def _wait(self) -> None:
        """Wait up to a second for a batch to arrive; then check the health of busy actors, and who has started."""
        self.in_process.check_stopped()
        pending = {reference: handle for handle in self.handles for reference in handle.batches}
        for reference in ray.wait(list(pending), num_returns=1, timeout=1.0)[0]:
            handle = pending[reference]
            if reference not in handle.batches:  # the actor was replaced in this loop
                continue
            try:
                self._receive(handle, handle.batches[reference], ray.get(reference))
            except (RayTaskError, ObjectStoreFullError, OutOfDiskError) as error:
                raise as_clew_error(error) from error
            except RayError as error:
                self._replace(handle, error)
            else:
                del handle.batches[reference]
        self._check_health()
        self._update_running()

    def _receive(self, handle: ActorHandle, batch: TaskBatch, results: list[TaskResult]) -> None:
        """Store the results of a batch, and record in the trace when its tasks ran, by the clock of the driver."""
        batch.results = results
        self._store.add_results(num_bytes([result.update for result in results]))
        # Clocks of machines differ: tasks can't have begun before they were sent, nor have ended after now.
        late = max(0.0, results[-1].started_at + results[-1].seconds - time.time())
        shift = max(-late, batch.sent_at - results[0].started_at)
        for task, result in zip(batch.tasks, results, strict=True):
            handle.idle_since = result.started_at + shift + result.seconds
            self.trace.add(
                "work",
                handle.name,
                result.started_at + shift,
                result.seconds,
                batch.round,
                simulation=task.simulation,
                num_bytes=num_bytes(result.update),
                attempt=batch.attempt,
            )

    def _check_health(self) -> None:
        """Send a health check to actors that have been busy for some seconds; replace those that don't answer it."""
        now = time.monotonic()
        due = [each for each in self.handles if each.batches and now - each.checked_at > SECONDS_BEFORE_HEALTH_CHECK]
        for handle in due:
            if handle.health_check is None:
                handle.health_check, handle.checked_at = handle.actor.ready.remote(), now
            elif ray.wait([handle.health_check], timeout=0)[0]:
                try:
                    ray.get(handle.health_check)
                except RayError as error:
                    self._replace(handle, error)
                handle.health_check, handle.checked_at = None, now
            elif now - handle.checked_at > HEALTH_CHECK_TIMEOUT:
                self._replace(handle, f"it hasn't answered for {HEALTH_CHECK_TIMEOUT:g} s")

    def _replace(self, handle: ActorHandle, reason: Any) -> None:
        """Remove a lost actor, start a new one, and send its batches to the others.

        Args:
            handle: of the lost actor; nothing happens if it has been replaced already.
            reason: error, or text, for the log.

        Raises:
            ClusterError: if actors fail to start: the constructor raises, or 20 of them in succession have died.
        """
        if handle not in self.handles:
            return
        lines = str(reason).strip().splitlines()
        logger.warning("%s is lost, and its tasks are run again by another: %s", handle.name, lines[0])
        now, batches = time.time(), list(handle.batches.values())
        self.trace.add("lost", handle.name, now, 0.0, max((batch.round for batch in batches), default=-1))
        for batch in batches:
            self._trace_batch("abandoned", handle.name, max(batch.sent_at, handle.idle_since), batch)
            handle.idle_since = now  # the batches after the first had not begun
        self.handles.remove(handle)
        handle.batches.clear()
        ray.kill(handle.actor)
        if not handle.is_running:
            self._num_failed += 1
            if self._num_failed >= MAX_FAILED_STARTS or "creation task" in str(reason):
                raise ClusterError(f"an actor can't be started: {lines[-1]}")
        self.start(1, is_replacement=True)
        for batch in batches:
            batch.attempt += 1
            self._trace_batch("reissue", DRIVER, time.time(), batch)
            self._send(batch)

    def _trace_batch(self, what: str, who: str, begun: float, batch: TaskBatch) -> None:
        """Record an event about all tasks of a batch, from `begun` (in seconds since 1970) to now."""
        self.trace.add(
            what,
            who,
            begun,
            max(0.0, time.time() - begun),
            batch.round,
            simulation=batch.tasks[0].simulation,
            num_simulations=len(batch.tasks),
            attempt=batch.attempt,
        )
