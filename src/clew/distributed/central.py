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

from clew.distributed.tasks import Job, Task, TaskResult, TaskRunner
from clew.kernels import read_only
from clew.kernels.learning.learn_while_acting import Actor, learn_while_acting
from clew.kernels.sampling import Stream, new_stream
from clew.kernels.wide import as_values
from clew.learning.training import learn_from, new_policy
from clew.policies.episodes import Simulation, episode_spec
from clew.policies.trajectory import Trajectory


class BehaviourSnapshot(NamedTuple):
    """Values that simulations choose their actions by during a round; read-only."""

    q: npt.NDArray[np.float32]  # (num_states, num_actions), action values
    visits: npt.NDArray[np.int32]  # (num_states, num_actions), tries of each action; empty if the strategy ignores them


class RolloutWorker:
    """Plays the episodes of tasks with fixed values, and records every transition."""

    def __init__(self, job: Job) -> None:
        self.job, self.simulation = job, Simulation(job.world or job.env)

    def perform(self, snapshot: BehaviourSnapshot, task: Task) -> TaskResult:
        """Play the episodes of a task; the update of the result is their `Trajectory`."""
        started_at, clock = time.time(), time.perf_counter()
        trajectory = self.simulation.rollouts(
            snapshot.q,
            task.num_episodes,
            behaviour=self.job.learning.behaviour_name,
            exploration=task.exploration,
            visits=snapshot.visits,
            exploring_starts=self.job.learning.exploring_starts,
            starts=self.job.starts(task.simulation),
            stream=new_stream(*task.key),
        )
        # Summed in the order of the steps, as `learn_while_acting` does, so that metrics too have the same bits.
        rewards = np.cumsum(trajectory.reward, dtype=np.float64)[-1] if len(trajectory) else 0.0
        totals = len(trajectory), trajectory.num_terminated, rewards
        return TaskResult(totals, trajectory, started_at, time.perf_counter() - clock)


class CentralLearner:
    """Learns from the transitions of all simulations, in the order of the simulations; see `tasks.Aggregator`.

    Attributes:
        policy: has the learned action values.
        learner: the algorithm at work; replaced when its model needs more memory.
    """

    def __init__(self, job: Job, seed: int) -> None:
        self.policy, self.learner = new_policy(job.env, job.world, job.learning, seed)
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
        q = as_values(snapshot.q)

        def run_fused(task: Task) -> TaskResult:
            started_at, clock = time.time(), time.perf_counter()
            spec = episode_spec(world, self.job.starts(task.simulation), self.job.learning.exploring_starts)
            actor = Actor(q, snapshot.visits.copy(), new_stream(*task.key))
            learner, rates = self.learner, (self.learner.step_size(task.alpha), task.exploration)
            parts = learner.rule, learner.behaviour, learner.visits, rates, stream
            totals = learn_while_acting(world.mdp.fast_model, spec, actor, *parts, task.num_episodes)
            return TaskResult(totals, None, started_at, time.perf_counter() - clock)

        return run_fused

    def merge(self, trajectory: Trajectory, snapshot: Any, task: Task, stream: Stream) -> None:
        """Learn from the transitions of one task, in order; `snapshot` is not used."""
        self.learner = learn_from(self.learner, trajectory, task.alpha, task.exploration, stream)
