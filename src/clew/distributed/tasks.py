"""Jobs, tasks and their results, and a pool that runs tasks in this process.

A training is one `Job`: the environment, the settings of the learner and the settings of sharing. Every process that
works on it gets the job once. In each round, each simulation (one stream of episodes) has one `Task`. A task, together
with the snapshot of the values with which its round begins, determines its `TaskResult` to the last bit, in any
process: a worker keeps no state between tasks that could change a result. So the task of an actor that died can be run
again by another.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from clew.distributed.placement import Placement
from clew.distributed.settings import Sharing
from clew.environments import ModelEnvironment, as_compiled
from clew.kernels.sampling import Stream
from clew.learning.algorithms import ALGORITHMS
from clew.learning.learner import Learner
from clew.learning.precision import RewardRange
from clew.learning.settings import Learning
from clew.policies.episodes import NO_LIMIT
from clew.policies.plugins import Plugin, plugins_of
from clew.policies.policy import Policy
from clew.tracing.trace import DRIVER, Trace


@dataclass(frozen=True)
class Job:
    """Everything that the tasks of one training have in common.

    Attributes:
        env: environment with Discrete spaces, or a model.
        learning: settings of the learner.
        sharing: settings of parallel training.
        plugins: the modules of users that its algorithm and its exploration strategy come from.
    """

    env: Any
    learning: Learning
    sharing: Sharing
    plugins: tuple[Plugin, ...] = field(init=False)

    def __post_init__(self) -> None:
        plugins = plugins_of(self.learning.algorithm, self.learning.behaviour_name)
        object.__setattr__(self, "plugins", plugins)  # as they are in the process of the driver

    @cached_property
    def world(self) -> ModelEnvironment | None:
        """The environment in the form that kernels simulate; None if it can only be stepped in Python."""
        return as_compiled(self.env)

    @property
    def ends_by_steps(self) -> bool:
        """True if rounds end by steps, and so in the midst of episodes.

        Episodes from which an algorithm learns at their end are played as a whole, and so are those that are
        interleaved.
        """
        is_cut = self.learning.num_interleaved == 1 and not ALGORITHMS[self.learning.algorithm].learns_at_end
        return self.sharing.sync_every is None and is_cut

    def starts(self, simulation: int) -> npt.NDArray[np.int32] | None:
        """Return the start states that are reserved for a simulation.

        Args:
            simulation: its number, from 0.

        Returns:
            (n,) int32, its part of the start states; None if they are not partitioned, or the environment can only be
            stepped in Python.
        """
        if not self.sharing.partition_starts or self.world is None:
            return None
        return np.array_split(self.world.mdp.starts, self.sharing.num_simulations)[simulation]


class Position(NamedTuple):
    """Place of a simulation in an episode that goes on in its next task; zeros if its next episode has not begun."""

    state: int = 0
    steps: int = 0  # of the episode so far
    action: int = 0  # the last one


class Task(NamedTuple):
    """The work of one simulation in one round: everything that decides its episodes, except the values.

    It ends after `num_episodes` episodes or `num_steps` steps, whichever is first. Episodes of an environment that can
    only be stepped in Python can't go on in another process, so there the task ends with the episode of the last step.
    """

    num_episodes: int
    alpha: float  # step size
    exploration: float  # epsilon, temperature or confidence, depending on the exploration strategy
    key: tuple[int, int, int]  # (seed, round, simulation), of all random draws
    num_steps: int = NO_LIMIT
    position: Position = Position()

    @property
    def simulation(self) -> int:
        """Number of the simulation, from 0."""
        return self.key[2]

    def new_cursor(self) -> npt.NDArray[np.int64]:
        """Return the place to begin from in the form of kernels, see `clew.kernels.learning.rollouts.Cursor`."""
        return np.array([0, *self.position], np.int64)


EMPTY_TASK = Task(0, 0.0, 0.0, (0, 0, 0))  # without episodes, for `Worker.compile`


class TaskTotals(NamedTuple):
    """Sums over the steps of a task."""

    num_steps: int
    num_terminated: int  # episodes
    rewards: float


class TaskResult(NamedTuple):
    """The result of a task."""

    totals: TaskTotals
    num_ended: int  # episodes, terminated or truncated
    position: Position
    update: Any  # what the aggregator merges: a Trajectory or TableChanges; None if it has been applied already
    started_at: float  # seconds since 1970, by the clock of the process that ran it
    seconds: float  # duration
    waited: float = 0.0  # seconds of it in which an actor waited for a processor
    paid: RewardRange = RewardRange()  # rewards of an environment without a model


TaskRunner = Callable[[Task], TaskResult]


class Worker(Protocol):
    """Runs the tasks of a job: a `central.RolloutWorker` or a `local.LocalLearner`."""

    def perform(self, snapshot: Any, task: Task) -> TaskResult:
        """Run a task, starting from a snapshot of the values, which is read-only."""

    def compile(self) -> None:
        """Compile what tasks need, by one without episodes; of one step where the environment is stepped in Python."""


class Aggregator(Protocol):
    """Has the learned values, and applies the results of tasks: a `central.CentralLearner` or `local.TableMerger`."""

    policy: Policy
    learner: Learner

    def snapshot(self) -> Any:
        """Return a read-only copy of what workers need to start a round."""

    def fused_runner(self, snapshot: Any, stream: Stream) -> TaskRunner | None:
        """Return a function that plays a task and learns from each step at once; None if there is none."""

    def merge(self, update: Any, snapshot: Any, task: Task, stream: Stream) -> None:
        """Apply the update of one task, which began with `snapshot`; `stream` is for update rules that draw."""


class Pool(Protocol):
    """Runs tasks: an `InProcessPool`, or an `actors.ActorPool`."""

    def submit(
        self, round: int, snapshot: Any, tasks: list[Task], fused_runner: TaskRunner | None = None
    ) -> Iterator[TaskResult]:
        """Run tasks of one round.

        Args:
            round: number of the round, for the trace.
            snapshot: values with which the tasks begin.
            tasks: in the order of the simulations.
            fused_runner: runs a task in this process and applies its result at once, see `Aggregator`. It is used only
                for tasks that run in this process, each after the result of the one before has been merged.

        Returns:
            Iterator over the results in the order of the tasks; it waits until the next result is there.
        """

    def first_ready(self, submitted: list[Iterator[TaskResult]]) -> int:
        """Return the index of an iterator of `submit` whose results are complete; wait until there is one."""


class InProcessPool:
    """Runs tasks in this process, each when its result is asked for.

    Args:
        worker: runs the tasks.
        trace: records each task.
        check_stopped: is called before each task, and while actors are waited for; raises an error to end training.

    Attributes:
        placement: measures the rounds of an `actors.ActorPool`, which runs some of them here.
    """

    def __init__(self, worker: Worker, trace: Trace, check_stopped: Callable[[], None] = lambda: None) -> None:
        self.worker, self.trace, self.check_stopped = worker, trace, check_stopped
        self.placement = Placement()

    def submit(
        self,
        round: int,
        snapshot: Any,
        tasks: list[Task],
        fused_runner: TaskRunner | None = None,
        attempt: int = 0,
    ) -> Iterator[TaskResult]:
        """Run tasks one after the other, see `Pool`; `attempt` counts how often actors have lost these tasks."""
        for task in tasks:
            self.check_stopped()
            result = self.worker.perform(snapshot, task) if fused_runner is None else fused_runner(task)
            self.trace.add(
                "work", DRIVER, result.started_at, result.seconds, round, simulation=task.simulation, attempt=attempt
            )
            yield result

    def first_ready(self, submitted: list[Iterator[TaskResult]]) -> int:
        """Return 0, the iterator that was submitted first: tasks run when their results are asked for."""
        return 0
