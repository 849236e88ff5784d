"""What the simulations have to do, and doing it in this process.

A `Job` is what all tasks of a training are about; whoever performs them gets it once. A `Task` is what one simulation
does in one round. With the values that the round begins with, it decides its `Result` to the last bit, in any process:
whoever performs tasks keeps nothing between them that could change one, so that a task whose actor died can be given
to another.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from clew.learning.settings import Learning
from clew.tracing.trace import DRIVER, Trace

__all__ = ["AtOnce", "InProcessPool", "Job", "Pool", "PoolRequest", "Result", "Task", "Worker"]


class Job(NamedTuple):
    """What all tasks of a training are about."""

    env: Any
    learning: Learning
    num_parts: int  # the states that episodes may begin in are parted among so many simulations; 1 leaves them to all


class PoolRequest(NamedTuple):
    """What is asked of actors; it decides nothing of the result."""

    num_actors: int | None  # at most one for each simulation; None takes what there is, if the work takes long
    num_simulations: int  # tasks in a round
    num_values: int  # copies of the values that may be worked with at a time
    chaos: float  # probability with which an actor is killed when it's given work


class Task(NamedTuple):
    """What one simulation does in one round: everything that decides its episodes, but for the values."""

    num_episodes: int
    alpha: float
    exploration: float
    key: tuple[int, int, int]  # (seed, round, simulation)


class Result(NamedTuple):
    """What came of a task."""

    sums: tuple[float, float, float]  # steps, episodes that the world ended, rewards
    learned: Any  # what the learner takes in; None if it has, for it learned while it was done
    begun: float  # seconds since 1970, by the clock of whoever did it
    seconds: float  # of work


class Worker(Protocol):
    """Performs tasks of a job: `central.Player`, or `local.LocalLearner`."""

    def perform(self, values: Any, task: Task) -> Result:
        """Do what a task says, beginning with values that are only read."""


AtOnce = Callable[[Task], Result]


class Pool(Protocol):
    """Where tasks are performed: `InProcessPool`, or on `actors.ActorPool`."""

    def submit(self, number: int, values: Any, tasks: list[Task], at_once: AtOnce | None = None) -> Iterator[Result]:
        """Have the tasks of a round performed; the results come in the order of the tasks, each as soon as it can.

        `at_once` has the learner of this process learn from a task while it is done, if the learner can: for who works
        here, and does each task only when the one before has been taken in.
        """

    def first(self, waiting: list[Iterator[Result]]) -> int:
        """Of several that were submitted, the number of one whose results are there, or will be first."""


class InProcessPool:
    """Performs tasks in this process, one after the other, each when its result is asked for.

    Before each, and while actors are waited for, `check` is called, which raises an error if nobody wants to wait.
    """

    def __init__(self, worker: Worker, trace: Trace, check: Callable[[], None] = lambda: None) -> None:
        self.worker, self.trace, self.check = worker, trace, check

    def submit(
        self, number: int, values: Any, tasks: list[Task], at_once: AtOnce | None = None, attempt: int = 0
    ) -> Iterator[Result]:
        """See `Pool`; `attempt` is how often this work has been lost by others."""
        for task in tasks:
            self.check()
            result = self.worker.perform(values, task) if at_once is None else at_once(task)
            self.trace.add(
                "work", DRIVER, result.begun, result.seconds, number, simulation=task.key[2], attempt=attempt
            )
            yield result

    def first(self, waiting: list[Iterator[Result]]) -> int:
        """See `Pool`: who was submitted first."""
        return 0
