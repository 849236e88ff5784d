"""Measurement of the parameters of a round, for the model in `clew.distributed.scaling`.

Each stage of a round is timed by itself, with the code that training runs. The minimum of several repetitions counts,
because other load on a machine only adds time.
"""

import math
import os
import time
from collections.abc import Callable
from timeit import repeat
from typing import Any, NamedTuple

import numpy as np
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clew.distributed.actors import SECONDS_PER_CALL
from clew.distributed.cluster import connected
from clew.distributed.local import LocalLearner, TableChanges, TableMerger, TableSnapshot
from clew.distributed.scaling import Parameters
from clew.distributed.sending import pickle_job
from clew.distributed.settings import Sharing
from clew.distributed.simulation_actor import SimulationActor
from clew.distributed.tasks import Job, Task, TaskResult
from clew.environments import Environment
from clew.kernels.sampling import new_stream
from clew.learning.settings import as_learning
from clew.mazes import Maze

SIDES = (50, 200, 1000)  # of the mazes that are measured, in cells
EPISODE = 10_000  # step limit of an episode
WANDERING = {"epsilon": 1.0}  # random walks: rounds are alike, whatever has been learned before
REPETITIONS = 15
LINK_BYTES = (1_000, 20_000_000)  # sizes of messages to another host; they separate latency from bandwidth
# Seconds of a message and of a byte that are assumed if there is one host: 0.1 ms and 10 Gbit/s.
LINK_CALL, LINK_BYTE = 1e-4, 8e-10


def make_world(side: int) -> Environment:
    """Return an open maze of side x side cells and random starts; nearly all episodes reach the step limit."""
    return Environment(Maze.open(side, side), random_start=True, max_episode_steps=EPISODE)


def calibrate(sides: tuple[int, ...] = SIDES, num_steps: int = 2_000_000, repetitions: int = REPETITIONS) -> Parameters:
    """Measure the parameters of a round on this machine, and of the network if the running Ray has another host.

    Args:
        sides: sides of the mazes, ascending; a table has side * side rows of four values.
        num_steps: steps of learning in a task.
        repetitions: of each measurement; the minimum counts.

    Returns:
        The parameters, for `clew.distributed.scaling.seconds_of_round`.

    Raises:
        ClusterError: if Ray can't be started or reached.
    """
    with connected(1):
        sizes = [_measure_size(side, math.ceil(num_steps / EPISODE), repetitions) for side in sides]
        largest = sizes[-1]
        actor = SimulationActor.remote()
        ray.get(actor.begin.remote(pickle_job(largest.job), LocalLearner))
        snapshot = ray.put(largest.snapshot)
        ray.get(actor.perform.remote(snapshot, []))
        call = min_seconds(lambda: ray.get(actor.perform.remote(snapshot, [])), repetitions)
        calls = min_seconds(lambda: ray.get([actor.perform.remote(snapshot, []) for _ in range(50)]), repetitions)
        ray.kill(actor)
        link_call, link_byte = measure_link(repetitions)
    return Parameters(
        cores=os.cpu_count() or 1,
        call=call,
        issue=calls / 50,
        seconds_a_call=SECONDS_PER_CALL,
        step=tuple((size.num_states, size.step) for size in sizes),
        rows_a_step=largest.rows_a_step,
        prepare=tuple((size.num_values, size.prepare) for size in sizes),
        publish=tuple((size.num_values, size.publish) for size in sizes),
        answer=tuple(sorted((size.num_sent, size.answer) for size in sizes)),
        merge=tuple(sorted((size.num_sent, size.merge) for size in sizes)),
        link_call=link_call,
        link_byte=link_byte,
    )


class _Size(NamedTuple):
    """Measurements with a table of one size; the last six fields are as in `Parameters`."""

    num_states: int
    num_values: int  # of the table
    num_sent: int  # values that a task sends back
    job: Job
    snapshot: TableSnapshot
    step: float
    rows_a_step: float
    prepare: float
    publish: float
    answer: float
    merge: float


def min_seconds(work: Callable[[], Any], repetitions: int) -> float:
    """Return the shortest duration of some work, in seconds."""
    return min(repeat(work, number=1, repeat=repetitions))


def _measure_size(side: int, num_episodes: int, repetitions: int) -> _Size:
    """Measure the stages of a round with local learners in a maze of side x side cells."""
    job = Job(make_world(side), as_learning(WANDERING), Sharing(sharing="local"))
    worker, merger = LocalLearner(job), TableMerger(job, 0)
    empty, task = Task(0, 0.1, 1.0, (0, 0, 0)), Task(num_episodes, 0.1, 1.0, (0, 0, 0))
    snapshot = merger.snapshot()
    result: TaskResult = worker.perform(snapshot, task)  # compiles
    changes: TableChanges = result.update
    prepare = min_seconds(lambda: worker.perform(snapshot, empty), repetitions)
    working = min_seconds(lambda: worker.perform(snapshot, task), repetitions)
    num_values, num_steps = merger.learner.q.size, result.totals[0]
    num_sent = changes.rows.size * job.env.mdp.num_actions
    publish = min_seconds(lambda: ray.put(merger.snapshot()), repetitions)

    def merge() -> float:
        """Return the seconds of a merge of changes that lie in the object store, as in the driver."""
        sent = ray.get(ray.put(changes))
        begun = time.perf_counter()
        merger.merge(sent, snapshot, task, new_stream(0, 0, 1))
        return time.perf_counter() - begun

    merge()  # compiles
    return _Size(
        job.env.mdp.num_states,
        num_values,
        num_sent,
        job,
        snapshot,
        step=max(working - prepare, 1e-9) / num_steps,
        rows_a_step=changes.rows.size / num_steps,
        prepare=prepare / num_values,
        publish=publish / num_values,
        answer=min_seconds(lambda: ray.put(changes), repetitions) / num_sent,
        merge=min(merge() for _ in range(repetitions)) / num_sent,
    )


class _Receiver:
    def take(self, content: Any) -> None:
        """Do nothing; Ray has transferred the content before this is called."""


def measure_link(repetitions: int = REPETITIONS) -> tuple[float, float]:
    """Measure the network to another host of the running Ray.

    Args:
        repetitions: of each measurement; the minimum counts.

    Returns:
        (seconds of a message, seconds of a byte); those of a network of 10 Gbit/s with a latency of 0.1 ms if there is
        no other host.
    """
    here = ray.get_runtime_context().get_node_id()
    others = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    if not others:
        return LINK_CALL, LINK_BYTE
    there = NodeAffinitySchedulingStrategy(others[0], soft=False)
    receiver = ray.remote(num_cpus=0)(_Receiver).options(scheduling_strategy=there).remote()

    def send(num_bytes: int) -> float:
        content = ray.put(np.random.default_rng(0).bytes(num_bytes))  # a new object: the other host caches the old one
        return min_seconds(lambda: ray.get(receiver.take.remote(content)), 1)

    send(1)
    short, long = (min(send(n) for _ in range(repetitions)) for n in LINK_BYTES)
    ray.kill(receiver)
    return short, max(long - short, 1e-9) / (LINK_BYTES[1] - LINK_BYTES[0])
