"""Tasks performed on Ray actors: a thin shell round what `tasks` performs in one process.

Actors keep nothing that could change a result, so a task can be given to any of them, and to another if the first one
dies. An actor counts as dead when Ray says so, or when it hasn't answered for some time; then a new one is started,
which joins when the cluster has a processor for it. Where there is no actor left, this process does the work itself.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import ray
from ray.exceptions import ObjectStoreFullError, OutOfDiskError, RayError, RayTaskError

from clew.distributed.cluster import connected, count_cpus
from clew.distributed.store import Store, explain, num_bytes
from clew.distributed.tasks import AtOnce, InProcessPool, Job, PoolRequest, Result, Task, Worker
from clew.errors import ClusterError
from clew.tracing.trace import DRIVER, STORE

__all__ = ["ActorPool", "SimulationActor", "actor_pool", "as_actor"]

logger = logging.getLogger(__name__)

SECONDS_TO_START = 60  # for all actors; a busy or far cluster takes several
SECONDS_BEFORE_ACTORS = 0.3  # of work here, if nobody says how many actors; starting them takes as long
SECONDS_A_CALL = 0.02  # of work at least: a call there and back takes a millisecond or two
SECONDS_TO_ASK = 5.0  # a call that takes longer may take as long as it needs, if its actor answers meanwhile
SECONDS_TO_ANSWER = 30.0
MAX_FAILED_STARTS = 20  # in a row, with none that worked


def as_actor(simulation_class: Any) -> Any:
    """Make a Ray actor of a class, on a processor of its own."""
    return ray.remote(num_cpus=1)(simulation_class)


class _SimulationActor:
    """Performs tasks of the job that it was made for."""

    def __init__(self, job: Job, make_worker: Callable[[Job], Worker]) -> None:
        self.worker = make_worker(job)

    @ray.method(concurrency_group="health")  # type: ignore[untyped-decorator]  # Ray has no types
    def ready(self) -> bool:
        """Answer, once the actor runs; also while it works, for kernels let other threads go on."""
        return True

    def perform(self, values: Any, tasks: list[Task]) -> list[Result]:
        """Perform tasks with values from the object store, which are read where they lie."""
        return [self.worker.perform(values, task) for task in tasks]


SimulationActor = ray.remote(num_cpus=1, concurrency_groups={"health": 1})(_SimulationActor)


@dataclass(eq=False)
class Call:
    """Some tasks of a round, sent together."""

    number: int  # of the round
    values: Any
    stored: Any  # the values in the object store
    tasks: list[Task]
    attempt: int = 0
    issued: float = 0.0
    results: list[Result] | None = None


@dataclass(eq=False)
class Calls(Iterator[Result]):
    """The results of some calls, as they come."""

    calls: list[Call]
    results: Iterator[Result]

    def __next__(self) -> Result:
        return next(self.results)


@dataclass(eq=False)
class ActorHandle:
    """An actor, and what it has to do."""

    name: str
    actor: Any
    starting: Any  # a reference that is there once the actor runs
    hired: float = field(default_factory=time.time)
    started: bool = False
    free: float = 0.0  # since when, as far as is known
    calls: dict[Any, Call] = field(default_factory=dict)  # by the reference of their results
    question: Any = None  # a reference that is there if the actor still answers
    asked: float = 0.0


@contextmanager
def actor_pool(
    job: Job, make_worker: Callable[[Job], Worker], here: InProcessPool, demand: PoolRequest
) -> Iterator["ActorPool"]:
    """Start actors, and stop them at the end, whatever happens.

    Args:
        job: what the tasks are about; every actor gets a copy.
        make_worker: makes what performs them.
        here: performs them where there is no actor.
        demand: how many actors, and for what. A number of them is waited for; None waits for none.

    Raises:
        ClusterError: if the cluster can't place the actors.
    """
    wanted = min(demand.num_simulations, demand.num_actors or 0)
    with connected(wanted):
        pool = ActorPool(job, make_worker, here, demand)
        try:
            if demand.num_actors is None:
                pool.hire_later(min(demand.num_simulations, count_cpus()))
            else:
                pool.hire(wanted)
                pool.wait_for_all()
            yield pool
        finally:
            pool.close()


class ActorPool:
    """Performs tasks on actors, see `tasks.Pool`."""

    def __init__(
        self, job: Job, make_worker: Callable[[Job], Worker], here: InProcessPool, demand: PoolRequest
    ) -> None:
        self.here, self.chaos, self.trace = here, demand.chaos, here.trace
        self._start: Callable[[], Any] = lambda: SimulationActor.remote(job, make_worker)
        self._num_started = self._num_failed = 0
        self._waits = False  # for actors, rather than work here
        self._seconds_a_task: float | None = None  # as the last round had it
        self._rng = np.random.default_rng(0)  # whom chaos strikes
        self._store = Store(demand.num_values)
        self.members: list[ActorHandle] = []
        self._to_hire, self._since = 0, 0.0

    def hire_later(self, num_actors: int) -> None:
        """Start so many actors when the work has taken some time here: a small task is done by then."""
        self._to_hire, self._since = num_actors, time.monotonic()

    def hire(self, num_actors: int) -> None:
        """Start so many actors more."""
        for _ in range(num_actors):
            self._hire()

    def wait_for_all(self) -> None:
        """Wait until all actors run.

        Raises:
            ClusterError: if they don't start.
        """
        self._waits = True
        deadline = time.monotonic() + SECONDS_TO_START
        while starting := [member.starting for member in self.members if not member.started]:
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"{len(self.members)} actors of one processor each did not all start within {SECONDS_TO_START} s: "
                    f"the cluster has {count_cpus()} processors, {ray.available_resources().get('CPU', 0):g} of them "
                    f"free; ask for fewer actors"
                )
            self.here.check()
            ray.wait(starting, num_returns=1, timeout=1.0)
            self._welcome()

    def close(self) -> None:
        """Stop all actors."""
        for member in self.members:
            ray.kill(member.actor)

    def submit(self, number: int, values: Any, tasks: list[Task], at_once: AtOnce | None = None) -> Iterator[Result]:
        """See `tasks.Pool`."""
        if self._to_hire and time.monotonic() - self._since > SECONDS_BEFORE_ACTORS:
            self.hire(self._to_hire)
            self._to_hire = 0
        self._welcome()
        members = self._ready()
        seconds = None if self._seconds_a_task is None else self._seconds_a_task * len(tasks)
        is_short = seconds is not None and seconds < SECONDS_A_CALL
        if not members or (is_short and not self._waits):
            return self._here(number, values, tasks, at_once)
        num_calls = len(members) if seconds is None else int(seconds / SECONDS_A_CALL)
        num_calls = max(1, min(num_calls, len(members), len(tasks)))
        size = num_bytes(values)
        self._store.check(size)
        begun, clock = time.time(), time.perf_counter()
        try:
            stored = ray.put(values)  # once a round; the actors of a node read one copy
        except RayError as error:
            raise explain(error) from error
        self.trace.add("put", STORE, begun, time.perf_counter() - clock, number, num_bytes=size)
        shares = np.array_split(np.arange(len(tasks)), num_calls)
        calls = [Call(number, values, stored, [tasks[i] for i in share]) for share in shares]
        for call in calls:
            self._issue(call)
        return Calls(calls, self._collect(calls))

    def first(self, waiting: list[Iterator[Result]]) -> int:
        """See `tasks.Pool`."""
        while True:
            for number, results in enumerate(waiting):
                if not isinstance(results, Calls) or all(call.results is not None for call in results.calls):
                    return number
            self._wait()

    def _here(
        self, number: int, values: Any, tasks: list[Task], at_once: AtOnce | None = None, attempt: int = 0
    ) -> Iterator[Result]:
        for result in self.here.submit(number, values, tasks, at_once, attempt):
            self._seconds_a_task = result.seconds
            yield result

    def _collect(self, calls: list[Call]) -> Iterator[Result]:
        """The results of calls, in their order, each as soon as it is there."""
        for call in calls:
            while call.results is None:
                self._wait()
            self._seconds_a_task = float(np.mean([result.seconds for result in call.results]))
            yield from call.results
            call.results = []  # frees what they have in the store
        self._store.forget()

    def _ready(self) -> list[ActorHandle]:
        """Who can be given work, the least busy first."""
        return sorted((member for member in self.members if member.started), key=lambda member: len(member.calls))

    def _hire(self) -> None:
        actor = self._start()
        self.members.append(ActorHandle(f"actor {self._num_started}", actor, actor.ready.remote()))
        self._num_started += 1

    def _welcome(self) -> None:
        """Look who has started."""
        starting = {member.starting: member for member in self.members if not member.started}
        for reference in ray.wait(list(starting), num_returns=len(starting), timeout=0)[0] if starting else []:
            member = starting[reference]
            try:
                ray.get(reference)
            except RayError as error:
                self._lose(member, error)
            else:
                member.started, self._num_failed = True, 0
                self.trace.add("start", member.name, member.hired, time.time() - member.hired, -1)

    def _issue(self, call: Call) -> None:
        """Give a call to whoever has least to do; to this process, if there is no actor."""
        members = self._ready()
        if not members:
            call.results = list(self._here(call.number, call.values, call.tasks, attempt=call.attempt))
            return
        member = members[0]
        call.issued = time.time()
        member.calls[member.actor.perform.remote(call.stored, call.tasks)] = call
        member.question, member.asked = None, time.monotonic()
        if self._rng.random() < self.chaos:
            self.trace.add("kill", member.name, time.time(), 0.0, call.number)
            ray.kill(member.actor)

    def _wait(self) -> None:
        """Wait for a result, or for whatever else happens, not too long."""
        self.here.check()
        working = {reference: member for member in self.members for reference in member.calls}
        for reference in ray.wait(list(working), num_returns=1, timeout=1.0)[0]:
            member = working[reference]
            if reference not in member.calls:  # was taken from it meanwhile
                continue
            try:
                self._take(member, member.calls[reference], ray.get(reference))
            except (RayTaskError, ObjectStoreFullError, OutOfDiskError) as error:
                raise explain(error) from error
            except RayError as error:
                self._lose(member, error)
            else:
                del member.calls[reference]
        self._ask()
        self._welcome()

    def _take(self, member: ActorHandle, call: Call, results: list[Result]) -> None:
        call.results = results
        self._store.note(num_bytes([result.learned for result in results]))
        # Clocks of machines differ: work neither begins before it was given out, nor ends after its results are here.
        late = max(0.0, results[-1].begun + results[-1].seconds - time.time())
        shift = max(-late, call.issued - results[0].begun)
        for task, result in zip(call.tasks, results, strict=True):
            member.free = result.begun + shift + result.seconds
            self.trace.add(
                "work",
                member.name,
                result.begun + shift,
                result.seconds,
                call.number,
                simulation=task.key[2],
                num_bytes=num_bytes(result.learned),
                attempt=call.attempt,
            )

    def _ask(self) -> None:
        """Ask those who have worked for long if they are still there; who doesn't answer is lost."""
        now = time.monotonic()
        for member in [each for each in self.members if each.calls and now - each.asked > SECONDS_TO_ASK]:
            if member.question is None:
                member.question, member.asked = member.actor.ready.remote(), now
            elif ray.wait([member.question], timeout=0)[0]:
                try:
                    ray.get(member.question)
                except RayError as error:
                    self._lose(member, error)
                member.question, member.asked = None, now
            elif now - member.asked > SECONDS_TO_ANSWER:
                self._lose(member, f"it hasn't answered for {SECONDS_TO_ANSWER:g} s")

    def _lose(self, member: ActorHandle, why: Any) -> None:
        """Go on without an actor: start another, and give its work to those who are there."""
        if member not in self.members:
            return
        reason = str(why).strip().splitlines()[0]
        logger.warning("%s is lost, and its work is given to another: %s", member.name, reason)
        now, calls = time.time(), list(member.calls.values())
        self.trace.add("lost", member.name, now, 0.0, max((call.number for call in calls), default=-1))
        for call in calls:
            self._note("abandoned", member.name, max(call.issued, member.free), call)
            member.free = now  # the calls after the first had not begun
        self.members.remove(member)
        member.calls.clear()
        ray.kill(member.actor)
        if not member.started:
            self._num_failed += 1
            if self._num_failed >= MAX_FAILED_STARTS or "creation task" in str(why):
                raise ClusterError(f"an actor can't be started: {str(why).strip().splitlines()[-1]}")
        self._hire()
        for call in calls:
            call.attempt += 1
            self._note("reissue", DRIVER, time.time(), call)
            self._issue(call)

    def _note(self, what: str, who: str, begun: float, call: Call) -> None:
        """Note what has become of a call, from then to now."""
        self.trace.add(
            what,
            who,
            begun,
            max(0.0, time.time() - begun),
            call.number,
            simulation=call.tasks[0].key[2],
            num_simulations=len(call.tasks),
            attempt=call.attempt,
        )
