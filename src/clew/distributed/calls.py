"""Batches of tasks, the calls that send them to actors, and which of them are late."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from clew.distributed.speeds import Speeds
from clew.distributed.tasks import Task, TaskResult

LATE = 2.0  # times the usual duration of a batch; then an idle actor runs it too
SECONDS_LATE = 0.05  # more than the usual duration, at least: messages take a few milliseconds
MAX_WAIT = 1.0  # seconds


@dataclass(eq=False)
class TaskBatch:
    """Tasks of one round that are sent to an actor in one call.

    Attributes:
        round: number of the round.
        snapshot: values with which the tasks begin; None once there are results.
        snapshot_ref: reference to the snapshot in Ray's object store; None once there are results.
        tasks: in the order of the simulations.
        num_begun: number of times that it was sent to an actor.
        results: of the tasks; None until they have arrived.
    """

    round: int
    snapshot: Any
    snapshot_ref: Any
    tasks: list[Task]
    num_begun: int = 0
    results: list[TaskResult] | None = None

    @property
    def place(self) -> tuple[int, int]:
        """Place in the order in which results are merged: round and first simulation."""
        return self.round, self.tasks[0].simulation


@dataclass(eq=False)
class BatchResults(Iterator[TaskResult]):
    """Iterator over the results of some batches, in their order; it waits for each batch to arrive."""

    batches: list[TaskBatch]
    results: Iterator[TaskResult]

    def __next__(self) -> TaskResult:
        return next(self.results)


@dataclass(eq=False)
class Call:
    """A batch that was sent to an actor.

    Attributes:
        batch: the tasks.
        number: of all calls of the pool.
        attempt: number of times that the batch had been sent before.
        reference: to the results; when they are unneeded, to the end of the call.
        sent_at: when it was sent, in seconds since 1970.
        begun: when it was sent, or when the call before it ended if that was later, by time.monotonic.
        is_needed: False once another actor has answered.
    """

    batch: TaskBatch
    number: int
    attempt: int
    reference: Any
    sent_at: float = field(default_factory=time.time)
    begun: float = field(default_factory=time.monotonic)
    is_needed: bool = True


@dataclass(eq=False)
class ActorHandle:
    """An actor, as the driver knows it.

    Attributes:
        name: "actor" and its number, as the trace has it.
        actor: Ray's handle.
        hello_ref: reference to its description, see `handshake`.
        start_ref: reference that is ready once the actor has begun the job.
        compile_ref: reference to the seconds that it then spent on compiling; None until it has begun the job.
        is_replacement: whether it was started in the place of a lost one.
        requested_at: when it was requested, in seconds since 1970.
        is_running: whether the actor has been seen to run, with compiled kernels: it can be sent work.
        host: name of its host; "" until it has begun the job.
        idle_since: when its last task ended, in seconds since 1970, as far as is known.
        calls: what it has to run, in this order.
        health_check: reference that is ready if the actor answers; None if no answer is due.
        checked_at: when it was last sent a batch or a health check, or was seen to have answered; by time.monotonic.
    """

    name: str
    actor: Any
    hello_ref: Any
    start_ref: Any
    compile_ref: Any = None
    is_replacement: bool = False
    requested_at: float = field(default_factory=time.time)
    is_running: bool = False
    host: str = ""
    idle_since: float = 0.0
    calls: list[Call] = field(default_factory=list)
    health_check: Any = None
    checked_at: float = 0.0

    @property
    def is_late(self) -> bool:
        """True while it runs a call that another actor has answered."""
        return not all(call.is_needed for call in self.calls)

    def end(self, call: Call) -> None:
        """Remove a call that has ended, and the calls before it that aren't needed: an actor runs them in their order.

        A needed one stays, because answers may arrive in another order.
        """
        index = self.calls.index(call)
        self.calls[: index + 1] = [each for each in self.calls[:index] if each.is_needed]
        if self.calls:
            self.calls[0].begun = time.monotonic()


def needed_calls(handles: list[ActorHandle]) -> dict[TaskBatch, list[tuple[ActorHandle, Call]]]:
    """Return the calls that are needed, with their actors, by batch; in the order in which results are merged."""
    found: dict[TaskBatch, list[tuple[ActorHandle, Call]]] = {}
    for handle in handles:
        for call in handle.calls:
            if call.is_needed:
                found.setdefault(call.batch, []).append((handle, call))
    return dict(sorted(found.items(), key=lambda item: item[0].place))


def find_late(handles: list[ActorHandle], speeds: Speeds) -> tuple[TaskBatch | None, float]:
    """Find the first batch that an idle actor should run too, because all its calls are late or have not begun.

    A call has not begun while its actor runs another one.

    Returns:
        The batch, None if there is none; and the seconds, at most one, until a call that is on time will be late.
    """
    now, seconds = time.monotonic(), MAX_WAIT
    for batch, calls in needed_calls(handles).items():
        usual = speeds.usual(batch.round) * len(batch.tasks)
        limit = max(LATE * usual, usual + SECONDS_LATE)
        waits = [call.begun + limit - now for handle, call in calls if handle.calls[0] is call]
        if max(waits, default=0.0) <= 0.0:
            return batch, 0.0
        seconds = min(seconds, max(waits))
    return None, seconds
