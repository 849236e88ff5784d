"""A central learner, as the chapter has it: simulations play, and one learner takes in all that they saw.

What travels back are the steps of whole episodes. The rule sees every one of them, so this serves every algorithm; and
it is the only way for those that learn a model of the world. In one process nothing need travel: there the learner
learns while a simulation plays.
"""

import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed.tasks import AtOnce, Job, Result, Task
from clew.environments import as_compiled
from clew.kernels import read_only
from clew.kernels.learning.learn_while_acting import Actor, learn_while_acting
from clew.kernels.sampling import Stream, new_stream
from clew.kernels.wide import as_values
from clew.learning.learner import Learner
from clew.learning.training import learn_from, new_policy
from clew.policies.episodes import Simulation, episode_spec
from clew.policies.policy import Policy

__all__ = ["CentralLearner", "Player", "Values", "starts_of"]


class Values(NamedTuple):
    """What simulations act by; only read."""

    q: npt.NDArray[np.float32]  # (num_states, num_actions)
    visits: npt.NDArray[np.int32]  # likewise, how often each action was tried; empty if the behaviour doesn't ask


def starts_of(job: Job, task: Task) -> npt.NDArray[np.int32] | None:
    """The states that a simulation's episodes begin in, if they are parted."""
    compiled = as_compiled(job.env)
    if job.num_parts == 1 or compiled is None:
        return None
    starts: npt.NDArray[np.int32] = np.array_split(compiled.mdp.starts, job.num_parts)[task.key[2]]
    return starts


class Player:
    """Plays with the values that it is given, and writes everything down."""

    def __init__(self, job: Job) -> None:
        self.job, self.simulation = job, Simulation(job.env)

    def perform(self, values: Values, task: Task) -> Result:
        """See `tasks.Worker`; what is learned from is a `Trajectory`."""
        begun, clock = time.time(), time.perf_counter()
        seen = self.simulation.rollouts(
            values.q,
            task.num_episodes,
            behaviour=self.job.learning.behaviour_name,
            exploration=task.exploration,
            visits=values.visits,
            exploring_starts=self.job.learning.exploring_starts,
            starts=starts_of(self.job, task),
            stream=new_stream(*task.key),
        )
        # Added up one by one, as `at_once` does, so that metrics too are the same bits.
        rewards = np.cumsum(seen.reward, dtype=np.float64)[-1] if len(seen) else 0.0
        sums = len(seen), seen.num_successes, rewards
        return Result(sums, seen, begun, time.perf_counter() - clock)


class CentralLearner:
    """Learns from what the simulations saw, step by step, in their order."""

    def __init__(self, job: Job, seed: int) -> None:
        self.policy: Policy
        self.learner: Learner
        self.policy, self.learner = new_policy(job.env, as_compiled(job.env), job.learning, seed)
        self.job = job

    def values(self) -> Values:
        """What the simulations of the next round act by: a copy, for learning goes on meanwhile."""
        return Values(read_only(self.policy.q.copy()), read_only(self.learner.visits.copy()))

    @property
    def learns_at_once(self) -> bool:
        """Tell if it can learn while it plays: where kernels can play the world."""
        return as_compiled(self.job.env) is not None

    def at_once(self, values: Values, stream: Stream) -> AtOnce | None:
        """What plays a task and learns from it in one go, if it can: nothing is written down."""
        compiled = as_compiled(self.job.env)
        if compiled is None:
            return None
        q = as_values(values.q)

        def play_and_learn(task: Task) -> Result:
            begun, clock = time.time(), time.perf_counter()
            spec = episode_spec(compiled, starts_of(self.job, task), self.job.learning.exploring_starts)
            actor = Actor(q, values.visits.copy(), new_stream(*task.key))
            learner, rates = self.learner, (self.learner.step_size(task.alpha), task.exploration)
            parts = learner.rule, learner.behaviour, learner.visits, rates, stream
            sums = learn_while_acting(compiled.mdp.fast_model, spec, actor, *parts, task.num_episodes)
            return Result(sums, None, begun, time.perf_counter() - clock)

        return play_and_learn

    def merge(self, seen: Any, began_with: Values, task: Task, stream: Stream) -> None:
        """Learn from what one simulation saw."""
        self.learner = learn_from(self.learner, seen, task.alpha, task.exploration, stream)
