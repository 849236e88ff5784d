"""Central learning: simulations play episodes, and one learner learns from all their transitions.

Workers play with a snapshot of the values and send back every transition. The learner applies the update rule to each
transition, simulation by simulation, so central learning serves every algorithm; algorithms that learn a model of the
world need it. Where tasks run in this process and kernels can simulate the world, nothing is recorded or sent: the
learner learns from each step while the simulation plays.
"""

import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed.tasks import EMPTY_TASK, Job, Position, Task, TaskResult, TaskRunner, TaskTotals
from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.learning.learn_while_acting import Actor, learn_while_acting
from clew.kernels.learning.learners import ConstantStepSize
from clew.kernels.learning.rollouts import FixedValues
from clew.kernels.learning.updates import QLearning
from clew.kernels.sampling import Stream, new_stream
from clew.kernels.values import num_available, row_length
from clew.kernels.wide import as_values
from clew.learning.precision import RewardRange
from clew.learning.training import learn_from, new_policy
from clew.policies.behaviours import BEHAVIOURS
from clew.policies.episodes import episode_spec, record, record_stepwise
from clew.policies.policy import table_shape
from clew.policies.trajectory import Trajectory


class BehaviourSnapshot(NamedTuple):
    """Values that simulations choose their actions by during a round; read-only."""

    q: npt.NDArray[np.float32]  # (num_states, num_actions), action values
    visits: npt.NDArray[np.int32]  # (num_states, num_actions), tries of each action; empty if the strategy ignores them


def new_actor(job: Job, snapshot: BehaviourSnapshot, task: Task) -> Actor:
    """Return an actor that plays a task.

    In rounds of a number of episodes it plays by the values of the snapshot. In rounds that end by steps it also
    learns, by Q-learning on its own copy of the values, so that it doesn't repeat what has just proved useless. The
    copy is dropped at the end of the task; the learner learns from the transitions.
    """
    q, visits, stream = snapshot.q, snapshot.visits.copy(), new_stream(*task.key)
    alpha = ConstantStepSize(np.float32(task.alpha or job.learning.alpha))  # the schedule "visits" has none
    masked = job.world is None or not job.world.mdp.all_available
    if job.ends_by_steps:
        rule = QLearning(as_values(q.copy(), masked=masked), np.float32(job.learning.gamma))
        return Actor(rule, alpha, visits, stream)
    values = q.copy() if job.world is None else q  # in which the masks of an environment are marked
    return Actor(FixedValues(as_values(values, masked=masked)), alpha, visits, stream)


class RolloutWorker:
    """Plays the episodes of tasks, and records every transition."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.behaviour = BEHAVIOURS[job.learning.behaviour_name].strategy

    def perform(self, snapshot: BehaviourSnapshot, task: Task, max_steps: int | None = None) -> TaskResult:
        """Play the episodes of a task; the update of the result is their `Trajectory`.

        Args:
            snapshot: values to play by.
            task: to run.
            max_steps: step limit of an episode that is stepped in Python; None for its own.
        """
        started_at, clock = time.time(), time.perf_counter()
        job, world, explores = self.job, self.job.world, self.job.learning.exploring_starts
        actor, cursor, paid = new_actor(job, snapshot, task), task.new_cursor(), RewardRange()
        acting = actor.rule, self.behaviour, actor.visits, (actor.alpha, task.exploration)
        how = acting, task.num_episodes, task.num_steps, actor.stream, cursor
        if world is None:
            trajectory = record_stepwise(job.env, explores, *how, max_steps)
            _refuse_masks(actor.rule.q, trajectory)
            paid = RewardRange.of(trajectory.reward)
        else:
            trajectory = record(world.mdp, episode_spec(world, job.starts(task.simulation), explores), *how)
        # Summed in the order of the steps, as `learn_while_acting` does, so that metrics too have the same bits.
        rewards = float(np.cumsum(trajectory.reward, dtype=np.float64)[-1]) if len(trajectory) else 0.0
        totals = TaskTotals(len(trajectory), trajectory.num_terminated, rewards)
        seconds = time.perf_counter() - clock
        position = Position(*cursor[1:].tolist())
        return TaskResult(totals, int(cursor[0]), position, trajectory, started_at, seconds, paid=paid)

    def compile(self) -> None:
        """Run a task without episodes, or of one step, see `tasks.Worker`."""
        q, learning, task = np.zeros(table_shape(self.job.env), np.float32), self.job.learning, EMPTY_TASK
        if self.job.world is None:
            task = Task(1, learning.alpha, learning.exploration, task.key)
        snapshot = BehaviourSnapshot(read_only(q), read_only(np.zeros(q.shape, np.int32)))
        self.perform(snapshot, task, max_steps=1)


def _refuse_masks(q: Any, trajectory: Trajectory) -> None:
    """Refuse action masks, which an environment without a model gives while it is played: the learner has none of them.

    Args:
        q: values that the trajectory was played by, in the form of kernels; masked actions are marked.
        trajectory: of a task.

    Raises:
        SettingError: if an action was masked.
    """
    if any(num_available(q, s) < row_length(q) for s in set(trajectory.state.tolist())):
        raise SettingError(
            "must be 'local' with an environment without a model whose infos have an action_mask; or take one "
            "simulation",
            setting="sharing",
        )


class CentralLearner:
    """Learns from the transitions of all simulations, in the order of the simulations; see `tasks.Aggregator`.

    Attributes:
        policy: has the learned action values.
        learner: the algorithm at work; replaced when its model needs more memory.
    """

    def __init__(self, job: Job, seed: int, initial: npt.ArrayLike | None = None) -> None:
        self.policy, self.learner = new_policy(job.env, job.world, job.learning, seed, initial=initial)
        self.job = job

    def snapshot(self) -> BehaviourSnapshot:
        """Return a copy of the action values and of the visit counts; learning goes on while workers read it."""
        return BehaviourSnapshot(read_only(self.policy.q.copy()), read_only(self.learner.visits.copy()))

    def fused_runner(self, snapshot: BehaviourSnapshot, stream: Stream) -> TaskRunner | None:
        """Return a function that plays a task with the snapshot and learns from each step in the same compiled loop.

        The learned values have the same bits as those of `RolloutWorker.perform` followed by `merge`.

        Args:
            snapshot: values that actions are chosen by.
            stream: random draws of the learner; changed in place.

        Returns:
            The function; None if kernels can't simulate the world.
        """
        world = self.job.world
        if world is None:
            return None

        def run_fused(task: Task) -> TaskResult:
            started_at, clock = time.time(), time.perf_counter()
            spec = episode_spec(world, self.job.starts(task.simulation), self.job.learning.exploring_starts)
            actor = new_actor(self.job, snapshot, task)
            learner, rates = self.learner, (self.learner.step_size(task.alpha), task.exploration)
            parts = learner.rule, learner.behaviour, learner.visits, rates, stream
            cursor, limits = task.new_cursor(), (task.num_episodes, task.num_steps)
            totals = TaskTotals(*learn_while_acting(world.mdp.fast_model, spec, actor, *parts, *limits, cursor))
            seconds = time.perf_counter() - clock
            return TaskResult(totals, int(cursor[0]), Position(*cursor[1:].tolist()), None, started_at, seconds)

        return run_fused

    def merge(self, trajectory: Trajectory, snapshot: Any, task: Task, stream: Stream) -> None:
        """Learn from the transitions of one task, in order; `snapshot` is not used."""
        self.learner = learn_from(self.learner, trajectory, task.alpha, task.exploration, stream)
