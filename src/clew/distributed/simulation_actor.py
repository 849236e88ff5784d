"""Ray actor that runs tasks, in a process of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray

from clew.distributed.handshake import check_plugins, describe_process
from clew.distributed.sending import PickledJob, unpickle_job
from clew.distributed.tasks import Job, Task, TaskResult, Worker
from clew.kernels import seconds_compiled

WAITED = Path("/proc/thread-self/schedstat")  # Linux: nanoseconds on a processor, and those of waiting for one


def as_actor(simulation_class: Any) -> Any:
    """Return a class as a Ray actor class; each of its actors occupies one processor.

    >>> from clew.distributed import as_actor
    >>> class Counter:
    ...     pass
    >>> hasattr(as_actor(Counter), "remote")  # which starts an actor
    True
    """
    return ray.remote(num_cpus=1)(simulation_class)


def seconds_waited() -> float:
    """Return the seconds in which this thread was ready to run but had no processor; 0 if the system doesn't say."""
    try:
        return int(WAITED.read_text().split()[1]) * 1e-9
    except (OSError, IndexError, ValueError):
        return 0.0


class _SimulationActor:
    """Actor that runs tasks of one job.

    It is made without arguments, so that it answers the handshake before it reads a job, which another version of Clew
    might not be able to read. Methods of the group "health" answer during a task too, because kernels release the
    interpreter lock.
    """

    worker: Worker

    def __init__(self) -> None:
        self._unneeded: set[int] = set()  # numbers of calls that another actor has answered
        self._last = (-1, 0, 0.0)  # number of the last call, and of its tasks, and their seconds

    @ray.method(concurrency_group="health")  # type: ignore[untyped-decorator]  # Ray has no types
    def ready(self) -> dict[str, str]:
        """Return the description of this process, see `handshake`: the actor runs."""
        return describe_process()

    def begin(self, pickled: PickledJob, make_worker: Callable[[Job], Worker]) -> None:
        """Begin a job, whose tasks are run by the worker that `make_worker` makes from it.

        Raises:
            ClusterError: if its environment can't be loaded here, or a plug-in of it can't be imported here, or is
                another than the driver's.
        """
        job = unpickle_job(pickled)
        check_plugins(job.plugins)
        self.worker = make_worker(job)

    def compile(self) -> float:
        """Compile what tasks need, or load it from the cache of this host; return the seconds spent on compiling."""
        before = seconds_compiled()
        self.worker.compile()
        return seconds_compiled() - before

    def perform(self, snapshot: Any, tasks: list[Task], number: int = -1) -> list[TaskResult]:
        """Run tasks one after the other.

        Args:
            snapshot: values with which the tasks begin; Ray passes it as read-only arrays in its object store.
            tasks: to run.
            number: of the call, for `skip`.

        Returns:
            Results of the tasks; of the first ones if the call was skipped meanwhile.
        """
        results: list[TaskResult] = []
        for task in tasks:
            if number in self._unneeded:
                break
            waited = seconds_waited()
            result: TaskResult = self.worker.perform(snapshot, task)
            results.append(result._replace(waited=seconds_waited() - waited))
        self._last = (number, len(results), sum(result.seconds for result in results))
        return results

    @ray.method(concurrency_group="health")  # type: ignore[untyped-decorator]
    def skip(self, number: int) -> None:
        """Begin no further task of a call: another actor has answered it."""
        self._unneeded.add(number)

    def finish(self, number: int) -> tuple[int, float]:
        """Return what was done of a call that was skipped; it is called after that call, and so answered after it.

        Returns:
            (number of tasks that were run, their duration in seconds).
        """
        self._unneeded.discard(number)
        last, num_tasks, seconds = self._last
        return (num_tasks, seconds) if last == number else (0, 0.0)


SimulationActor = ray.remote(num_cpus=1, concurrency_groups={"health": 1})(_SimulationActor)
