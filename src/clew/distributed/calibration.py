"""Measuring what a round is made of, for the model in `scaling`.

Each stage is timed by itself, with the code that a training runs: the least of several repetitions, since whatever else
a machine does only adds to it.
"""

import math
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clew.distributed.actors import SECONDS_A_CALL, SimulationActor
from clew.distributed.cluster import connected
from clew.distributed.local import Changes, LocalLearner, Merger, Tables
from clew.distributed.scaling import Curve, Parameters
from clew.distributed.tasks import Job, Result, Task
from clew.environments import Environment
from clew.kernels.sampling import new_stream
from clew.learning.settings import as_learning
from clew.mazes import Maze

__all__ = ["EPISODE", "SIDES", "WANDERING", "calibrate", "make_world", "measure_link"]

SIDES = (50, 200, 1000)  # of the mazes that are measured, in cells
EPISODE = 10_000  # steps of an episode at most
WANDERING = {"epsilon": 1.0}  # so that rounds are alike, whatever was learned in those before
REPETITIONS = 15
LINK_BYTES = (1_000, 20_000_000)  # sent to another host, to tell latency from bandwidth
# What is assumed of a network where there is one host only: 10 Gbit/s, and a tenth of a millisecond.
LINK_CALL, LINK_BYTE = 1e-4, 8e-10


def make_world(side: int) -> Environment:
    """An open maze in which episodes begin anywhere, and nearly all last as long as they may."""
    return Environment(Maze.open(side, side), random_start=True, max_episode_steps=EPISODE)


def calibrate(sides: tuple[int, ...] = SIDES, num_steps: int = 2_000_000, repetitions: int = REPETITIONS) -> Parameters:
    """Measure a round's parameters on this machine, and its network if the running Ray has another host.

    Args:
        sides: of the mazes, ascending; a table has side * side rows of four values.
        num_steps: of learning in a task.
        repetitions: of each measurement, of which the least counts.

    Raises:
        ClusterError: if Ray can't be started or reached.
    """
    with connected(1):
        sizes = [_measure_size(side, math.ceil(num_steps / EPISODE), repetitions) for side in sides]
        largest = sizes[-1]
        actor = SimulationActor.remote(largest.job, LocalLearner)
        empty = ray.put(largest.values)
        ray.get(actor.perform.remote(empty, []))
        call = least(lambda: ray.get(actor.perform.remote(empty, [])), repetitions)
        many = least(lambda: ray.get([actor.perform.remote(empty, []) for _ in range(50)]), repetitions)
        ray.kill(actor)
        link_call, link_byte = measure_link(repetitions)
    return Parameters(
        cores=os.cpu_count() or 1,
        call=call,
        issue=many / 50,
        seconds_a_call=SECONDS_A_CALL,
        step=tuple((size.num_states, size.step) for size in sizes),
        rows_a_step=largest.rows_a_step,
        prepare=_curve(sizes, "prepare"),
        publish=_curve(sizes, "publish"),
        answer=tuple(sorted((size.num_sent, size.answer) for size in sizes)),
        merge=tuple(sorted((size.num_sent, size.merge) for size in sizes)),
        link_call=link_call,
        link_byte=link_byte,
    )


class _Size(NamedTuple):
    """What was measured with a table of one size: seconds for each step, value or value sent."""

    num_states: int
    num_values: int
    num_sent: int
    job: Job
    values: Tables
    step: float
    rows_a_step: float
    prepare: float
    publish: float
    answer: float
    merge: float


def _curve(sizes: list[_Size], name: str) -> Curve:
    return tuple((size.num_values, getattr(size, name)) for size in sizes)


def least(work: Callable[[], Any], repetitions: int) -> float:
    """Seconds that some work takes, at least."""
    seconds = []
    for _ in range(repetitions):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def _measure_size(side: int, num_episodes: int, repetitions: int) -> _Size:
    job = Job(make_world(side), as_learning(WANDERING), 1)
    worker, merger = LocalLearner(job), Merger(job, 0)
    nothing, task = Task(0, 0.1, 1.0, (0, 0, 0)), Task(num_episodes, 0.1, 1.0, (0, 0, 0))
    values = merger.values()
    result: Result = worker.perform(values, task)  # compiles
    changes: Changes = result.learned
    prepare = least(lambda: worker.perform(values, nothing), repetitions)
    working = least(lambda: worker.perform(values, task), repetitions)
    num_values, num_steps = merger.learner.q.size, result.sums[0]
    num_sent = changes.rows.size * job.env.mdp.num_actions
    publish = least(lambda: ray.put(merger.values()), repetitions)

    def merge() -> float:
        """As the driver does, on what lies in the object store."""
        sent = ray.get(ray.put(changes))
        begun = time.perf_counter()
        merger.merge(sent, values, task, new_stream(0, 0, 1))
        return time.perf_counter() - begun

    merge()  # compiles
    return _Size(
        job.env.mdp.num_states,
        num_values,
        num_sent,
        job,
        values,
        step=max(working - prepare, 1e-9) / num_steps,
        rows_a_step=changes.rows.size / num_steps,
        prepare=prepare / num_values,
        publish=publish / num_values,
        answer=least(lambda: ray.put(changes), repetitions) / num_sent,
        merge=min(merge() for _ in range(repetitions)) / num_sent,
    )


class _Receiver:
    """Takes in whatever it is sent."""

    def take(self, content: Any) -> None:
        """Nothing more: the content has come."""


def measure_link(repetitions: int = REPETITIONS) -> tuple[float, float]:
    """Seconds of a message to another host of the running Ray, and of a byte; what is assumed if there is none."""
    here = ray.get_runtime_context().get_node_id()
    others = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    if not others:
        return LINK_CALL, LINK_BYTE
    there = NodeAffinitySchedulingStrategy(others[0], soft=False)
    receiver = ray.remote(num_cpus=0)(_Receiver).options(scheduling_strategy=there).remote()

    def send(num_bytes: int) -> float:
        content = ray.put(np.random.default_rng(0).bytes(num_bytes))  # anew each time, for it is kept over there
        return least(lambda: ray.get(receiver.take.remote(content)), 1)

    send(1)
    short, long = (min(send(n) for _ in range(repetitions)) for n in LINK_BYTES)
    ray.kill(receiver)
    return short, max(long - short, 1e-9) / (LINK_BYTES[1] - LINK_BYTES[0])
