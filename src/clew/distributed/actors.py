"""The pool that distributes tasks among Ray actors.

Actors keep no state that could change a result, so any actor can run any task, and another can run it again if the
first one dies. An actor is lost when Ray reports its death, or when it doesn't answer a health check in time. Then
another is started, which joins the pool when the cluster has a processor for it. Tasks run in this process while no
actor runs, and if rounds end by steps also where they end sooner here, see `placement`.

Work is handed out on demand: the tasks of a round are sent in more batches than there are actors, and an actor that has
run one is sent the next. When all are handed out, an idle actor also runs a batch that takes its actor twice as long as
usual. The first answer is used, and the other is dropped, so a slow host costs little more than its absence.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import ray
from ray.exceptions import ObjectStoreFullError, OutOfDiskError, RayError, RayTaskError

from clew.distributed.calls import MAX_WAIT, ActorHandle, BatchResults, Call, TaskBatch, find_late, needed_calls
from clew.distributed.cluster import (
    START_TIMEOUT,
    check_alive,
    connected,
    count_cpus,
    count_nodes,
    is_running,
    not_started,
)
from clew.distributed.handshake import Handshakes
from clew.distributed.sending import pickle_job
from clew.distributed.simulation_actor import SimulationActor
from clew.distributed.speeds import Speeds
from clew.distributed.store import StoreUsage, as_clew_error, num_bytes
from clew.distributed.tasks import InProcessPool, Job, Task, TaskResult, TaskRunner, Worker
from clew.errors import ClewError, ClusterError
from clew.tracing.trace import DRIVER, STORE

logger = logging.getLogger(__name__)

SECONDS_BEFORE_ACTORS = 0.3  # of training in this process before actors are started; starting them takes as long
SECONDS_BEFORE_RAY = 5.0  # the same where a Ray has to be started
SECONDS_PER_CALL = 0.02  # least work that is worth a remote call, which takes a millisecond or two
MAX_BATCHES = 4  # of a round for each actor, if each is worth a call
MAX_CALLS = 2  # of an actor at a time: the second one waits there, so that the actor doesn't wait for a message
SECONDS_BEFORE_ADVICE = 1.0
SLOW = 2.0  # times as long as the others; then a message names the host
SECONDS_BEFORE_HEALTH_CHECK = 5.0  # of a call; it may take any time as long as its actor answers health checks
HEALTH_CHECK_TIMEOUT = 30.0  # seconds
MAX_FAILED_STARTS = 20  # in succession


@contextmanager
def actor_pool(
    job: Job, make_worker: Callable[[Job], Worker], in_process: InProcessPool, chaos: float = 0.0
) -> Iterator["ActorPool"]:
    """Provide a pool of actors, and stop the actors at the end, also after an error.

    With `num_actors` of None, actors are started when training has taken 0.3 s, or 5 s if a Ray has to be started for
    them; otherwise all run before the pool is provided.

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
    begun = time.perf_counter()
    with ExitStack() as stack:

        def connect() -> None:
            stack.enter_context(connected(num_needed))
            stack.enter_context(closing(pool))

        pool = ActorPool(job, make_worker, in_process, chaos)
        if sharing.num_actors is None:
            pool.start_later(connect)
        else:
            connect()
            pool.start(num_needed)
            pool.wait_until_running()
        pool.placement.seconds_to_start = time.perf_counter() - begun
        yield pool


class ActorPool:
    """Runs tasks on actors, see `tasks.Pool`; arguments as for `actor_pool`."""

    def __init__(
        self, job: Job, make_worker: Callable[[Job], Worker], in_process: InProcessPool, chaos: float = 0.0
    ) -> None:
        self.in_process, self.chaos, self.trace = in_process, chaos, in_process.trace
        self._job, self._make_worker, sharing = job, make_worker, job.sharing
        self._pickled_job = pickle_job(job)
        self._handshakes, self._speeds = Handshakes(), Speeds()
        self._slow_hosts: set[str] = set()  # those that a message has named
        self._waiting: deque[TaskBatch] = deque()  # not yet sent, in the order in which results are merged
        self._num_started = self._num_failed = self._num_calls = 0
        self._seconds_per_task = math.inf  # of the last tasks that were run
        self.placement, self._has_advised = in_process.placement, False
        # Otherwise all rounds run on actors, if they are asked for.
        self._chooses_place = job.ends_by_steps and not chaos and not sharing.asynchronous
        self._rng = np.random.default_rng(0)  # of chaos
        self.handles: list[ActorHandle] = []
        self._connect: Callable[[], None] | None = None  # to a Ray, for actors that are started later
        self._start_at = math.inf  # when these are started, by time.monotonic

    @cached_property
    def _store(self) -> StoreUsage:
        """The use of the object store of a Ray that runs."""
        sharing = self._job.sharing
        return StoreUsage(sharing.num_simulations if sharing.asynchronous else 1 + sharing.rounds_ahead)

    def start_later(self, connect: Callable[[], None]) -> None:
        """Start an actor for each simulation when training has taken about as long as their start takes.

        A shorter training ends without them.

        Args:
            connect: connects to a running Ray, at once, or starts one, when it is needed.
        """
        runs = is_running()
        if runs:
            connect()
        self._connect = None if runs else connect
        self._start_at = time.monotonic() + (SECONDS_BEFORE_ACTORS if runs else SECONDS_BEFORE_RAY)

    def _start_if_due(self) -> None:
        """Start the actors of `start_later` if it is time; without them if no Ray can be started."""
        if time.monotonic() < self._start_at:
            return
        self._start_at = math.inf
        try:
            if self._connect is not None:
                self._connect()
        except ClusterError as error:
            logger.warning("%s; training continues in this process", error)
        else:
            self.start(min(self._job.sharing.num_simulations, count_cpus()))

    def start(self, num_actors: int, is_replacement: bool = False) -> None:
        """Start some actors, without waiting until they run; `is_replacement` for those in the place of lost ones."""
        for _ in range(num_actors):
            actor = SimulationActor.remote()
            hello, start = actor.ready.remote(), actor.begin.remote(self._pickled_job, self._make_worker)
            name = f"actor {self._num_started}"
            self.handles.append(ActorHandle(name, actor, hello, start, is_replacement=is_replacement))
            self._num_started += 1

    def wait_until_running(self) -> None:
        """Wait until all actors run; after a minute, or another one if some compile, go on with those that do.

        The others join when there are processors for them. Two trainings at a time may each have started some actors,
        and wait for processors that the other one holds.

        Raises:
            ClusterError: if none starts within a minute, or if one can't be used, see `handshake`.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while starting := [handle.compile_ref or handle.start_ref for handle in self.handles if not handle.is_running]:
            is_compiling = any(handle.compile_ref and not handle.is_running for handle in self.handles)
            if time.monotonic() > deadline + START_TIMEOUT * is_compiling:
                num_running = len(self.handles) - len(starting)
                if not num_running and not is_compiling:
                    raise not_started(len(self.handles))
                logger.warning("only %d of %d actors run; the others join later", num_running, len(self.handles))
                return
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
        """Send tasks to the actors, in as many batches as are worth a call, or run them here; see `tasks.Pool`.

        Rounds that end by steps run where they end sooner, see `placement`; others on actors, if there are any. An
        actor gets about four batches, one after the other, so that a fast one can run more than a slow one.
        """
        self._start_if_due()
        self._update_running()
        num_running = sum(handle.is_running for handle in self.handles)
        num_worth = self._seconds_per_task * len(tasks) / SECONDS_PER_CALL  # calls
        num_workers = min(num_running, len(tasks))
        num_steps = sum(task.num_steps for task in tasks) if self._chooses_place else 0
        if self._chooses_place and num_running:
            is_there = self.placement.is_there(num_steps, num_workers)
        else:
            is_there = num_running > 0 and (self._job.sharing.num_actors is not None or num_worth >= 1)
        if not is_there:
            self.placement.num_without_actors += not num_running
            results = self.in_process.submit(round, snapshot, tasks, fused_runner)
            return self._measured(results, time.perf_counter(), num_steps)
        num_least = num_workers if self._chooses_place else 1
        num_batches = max(num_least, int(min(num_worth, MAX_BATCHES * num_running, len(tasks))))
        snapshot_ref = self._store_snapshot(round, snapshot)
        shares = np.array_split(np.arange(len(tasks)), num_batches)
        batches = [TaskBatch(round, snapshot, snapshot_ref, [tasks[i] for i in share]) for share in shares]
        self._waiting.extend(batches)
        self._hand_out()
        return BatchResults(
            batches, self._measured(self._collect(batches), time.perf_counter(), num_steps, num_workers)
        )

    def first_ready(self, submitted: list[Iterator[TaskResult]]) -> int:
        """Return the index of an iterator of `submit` whose results have all arrived, or run here; see `tasks.Pool`."""
        while True:
            for i, results in enumerate(submitted):
                if not isinstance(results, BatchResults) or all(each.results is not None for each in results.batches):
                    return i
            self._wait()

    def _measured(
        self, results: Iterator[TaskResult], begun: float, num_asked: int, num_workers: int = 0
    ) -> Iterator[TaskResult]:
        """Yield the results of a round, and then add it to the measurements of the placement.

        Args:
            results: of the round.
            begun: when it began, by time.perf_counter.
            num_asked: number of steps that it was asked for; 0 if rounds don't end by steps.
            num_workers: number of actors that share the tasks; 0 for this process.
        """
        work, merging, num_steps = 0.0, 0.0, 0
        for result in results:
            if not num_workers:
                self._seconds_per_task = result.seconds
            work, num_steps = work + result.seconds - result.waited, num_steps + result.totals.num_steps
            clock = time.perf_counter()
            yield result
            merging += time.perf_counter() - clock
        self.placement.add(begun, work, merging, num_steps, num_workers, num_asked)

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
            self._seconds_per_task = self._speeds.usual(batch.round)
            for result in batch.results:
                if self._waiting:
                    self._wait(0.0)  # an actor that has become idle during the merge gets the next batch
                yield result
            batch.results = []  # releases them in the object store
        self._store.clear_results()
        self._advise()

    def _advise(self) -> None:
        """Log a message, once, if actors make the training slower, so that it can be stopped in good time."""
        times = self.placement.seconds / max(self.placement.seconds_here, 1e-9)
        if self._job.sharing.num_actors and not self._has_advised and self.placement.seconds > SECONDS_BEFORE_ADVICE:
            self._has_advised = True
            if times > 1.1:
                logger.info("so far this run takes %.2g times as long as it would in this process", times)

    def _update_running(self) -> None:
        """Let actors that have started compile, and mark those that have compiled; replace those that failed to."""
        starting = {handle.compile_ref or handle.start_ref: handle for handle in self.handles if not handle.is_running}
        for reference in ray.wait(list(starting), num_returns=len(starting), timeout=0)[0] if starting else []:
            handle = starting[reference]
            try:
                if handle.compile_ref is None:
                    handle.host = self._handshakes.accept(ray.get(handle.hello_ref), has_joined=handle.is_replacement)
                    ray.get(reference)
                    handle.compile_ref = handle.actor.compile.remote()
                    continue
                compiled = ray.get(reference)
            except RayError as error:
                if isinstance(error, RayTaskError) or getattr(error, "actor_init_failed", False):
                    self._refuse(handle, as_clew_error(error))
                else:
                    self._replace(handle, error)
            except ClusterError as error:
                self._refuse(handle, error)
            else:
                handle.is_running, self._num_failed = True, 0
                if compiled > SECONDS_BEFORE_ADVICE:
                    logger.info("%s on host %s took %.2g s to compile", handle.name, handle.host, compiled)
                seconds = time.time() - handle.requested_at
                self.trace.add("start", handle.name, handle.requested_at, seconds, -1, host=handle.host)

    def _refuse(self, handle: ActorHandle, error: ClewError) -> None:
        """Raise the error of an actor that can't be used; go on without it if it was to take the place of a lost one.

        A node that joins a cluster in the middle of a run doesn't end that run.
        """
        if not handle.is_replacement:
            raise error
        logger.warning("%s; training continues without %s", error, handle.name)
        self.handles.remove(handle)
        ray.kill(handle.actor)

    def _hand_out(self) -> None:
        """Send waiting batches to actors that have nothing to do, and then also late ones.

        Each actor is sent a second batch in advance while more are waiting than there are actors; the last ones go to
        those that are idle first.
        """
        running = [handle for handle in self.handles if handle.is_running]
        while self._waiting and running:
            handle = min(running, key=lambda each: (len(each.calls), each.is_late))
            in_advance = len(self._waiting) >= len(running) and not handle.is_late
            if len(handle.calls) >= (MAX_CALLS if in_advance else 1):
                return
            self._send(self._waiting.popleft(), handle)
        for handle in running:
            if not handle.calls and not self._waiting:
                batch, _ = find_late(self.handles, self._speeds)
                if batch is None:
                    return
                self._trace_batch("copy", DRIVER, time.time(), batch, batch.num_begun)
                self._send(batch, handle)

    def _send(self, batch: TaskBatch, handle: ActorHandle) -> None:
        """Send a batch to an actor."""
        self._num_calls += 1
        reference = handle.actor.perform.remote(batch.snapshot_ref, batch.tasks, self._num_calls)
        handle.calls.append(Call(batch, self._num_calls, batch.num_begun, reference))
        batch.num_begun += 1
        handle.health_check, handle.checked_at = None, time.monotonic()
        if self._rng.random() < self.chaos:
            self.trace.add("kill", handle.name, time.time(), 0.0, batch.round)
            ray.kill(handle.actor)

    def _wait(self, seconds: float = MAX_WAIT) -> None:
        """Wait at most some seconds for a call to end; then hand out work, and check the health of busy actors."""
        self.in_process.check_stopped()
        calls = {call.reference: (handle, call) for handle in self.handles for call in handle.calls}
        if self._waiting and not any(handle.is_running for handle in self.handles):
            batch = self._waiting.popleft()
            batch.results = list(
                self.in_process.submit(batch.round, batch.snapshot, batch.tasks, attempt=batch.num_begun)
            )
        elif calls:
            if any(handle.is_running and not handle.calls for handle in self.handles):
                seconds = min(seconds, find_late(self.handles, self._speeds)[1])
            ray.wait(list(calls), num_returns=1, timeout=seconds)
            for reference in ray.wait(list(calls), num_returns=len(calls), timeout=0)[0]:
                handle, call = calls[reference]
                if call in handle.calls and call.reference == reference:  # not answered or lost in this loop
                    self._end_call(handle, call)
        self._check_health()
        self._update_running()
        self._hand_out()

    def _end_call(self, handle: ActorHandle, call: Call) -> None:
        """Receive the answer of a call, or replace its actor if that was lost."""
        try:
            answer = ray.get(call.reference)
        except (RayTaskError, ObjectStoreFullError, OutOfDiskError) as error:
            raise as_clew_error(error) from error
        except RayError as error:
            self._replace(handle, error)
            return
        handle.end(call)
        if call.is_needed:
            self._receive(handle, call, answer)
        else:
            self._note_unused(handle, call, *answer)

    def _receive(self, handle: ActorHandle, call: Call, results: list[TaskResult]) -> None:
        """Store the results of a batch, and record in the trace when its tasks ran, by the clock of the driver."""
        batch = call.batch
        batch.results, batch.snapshot, batch.snapshot_ref = results, None, None
        for other_handle, other in needed_calls(self.handles).get(batch, []):
            self._skip(other_handle, other)
        self._store.add_results(num_bytes([result.update for result in results]))
        # Clocks of machines differ: tasks can't have begun before they were sent, nor have ended after now.
        late = max(0.0, results[-1].started_at + results[-1].seconds - time.time())
        shift = max(-late, call.sent_at - results[0].started_at)
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
                attempt=call.attempt,
            )
        self._note_speed(handle, batch.round, sum(result.seconds for result in results) / len(results))

    def _skip(self, handle: ActorHandle, call: Call) -> None:
        """Drop the results of a call, so that the object store releases them; its actor may stop.

        What is waited for from now on is the end of the call, whose answer is small.
        """
        handle.actor.skip.remote(call.number)
        call.reference, call.is_needed = handle.actor.finish.remote(call.number), False

    def _note_unused(self, handle: ActorHandle, call: Call, num_tasks: int, seconds: float) -> None:
        """Record what an actor did of a call whose results were not needed any more, see `SimulationActor.finish`."""
        if num_tasks:
            self._trace_batch("unused", handle.name, max(call.sent_at, handle.idle_since), call.batch, call.attempt)
            self._note_speed(handle, call.batch.round, seconds / num_tasks)
        handle.idle_since = time.time()

    def _note_speed(self, handle: ActorHandle, round: int, seconds: float) -> None:
        """Note the seconds per task of a call, and name the host of an actor that has become slow, once."""
        self._speeds.add(handle.name, round, seconds)
        times = self._speeds.slowness(handle.name)
        if times >= SLOW and handle.host not in self._slow_hosts and count_nodes() > 1:
            self._slow_hosts.add(handle.host)
            logger.info("%s on host %s takes %.2g times as long as the others", handle.name, handle.host, times)

    def _check_health(self) -> None:
        """Send a health check to actors that have been busy for some seconds; replace those that don't answer it."""
        now = time.monotonic()
        due = [each for each in self.handles if each.calls and now - each.checked_at > SECONDS_BEFORE_HEALTH_CHECK]
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
            ClusterError: if 20 actors in succession have died while they started.
        """
        if handle not in self.handles:
            return
        lines = str(reason).strip().splitlines()
        logger.warning("%s is lost, and its tasks are run again by another: %s", handle.name, lines[0])
        now, calls = time.time(), handle.calls[:]
        self.trace.add("lost", handle.name, now, 0.0, max((call.batch.round for call in calls), default=-1))
        for call in calls:
            begun = max(call.sent_at, handle.idle_since)
            self._trace_batch("abandoned", handle.name, begun, call.batch, call.attempt)
            handle.idle_since = now  # the calls after the first had not begun
        self.handles.remove(handle)
        handle.calls.clear()
        ray.kill(handle.actor)
        if not handle.is_running:
            self._num_failed += 1
            if self._num_failed >= MAX_FAILED_STARTS:
                raise ClusterError(f"an actor can't be started: {lines[-1]}")
        self.start(1, is_replacement=True)
        others = needed_calls(self.handles)
        for batch in reversed([call.batch for call in calls if call.is_needed and call.batch not in others]):
            self._trace_batch("reissue", DRIVER, time.time(), batch, batch.num_begun)
            self._waiting.appendleft(batch)
        self._hand_out()

    def _trace_batch(self, what: str, who: str, begun: float, batch: TaskBatch, attempt: int) -> None:
        """Record an event about all tasks of a batch, from `begun` (in seconds since 1970) to now."""
        self.trace.add(
            what,
            who,
            begun,
            max(0.0, time.time() - begun),
            batch.round,
            simulation=batch.tasks[0].simulation,
            num_simulations=len(batch.tasks),
            attempt=attempt,
        )
