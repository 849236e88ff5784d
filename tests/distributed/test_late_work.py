"""Late work that a second actor runs too, on a real Ray: the same bits, each task used once, nothing left over."""

import time
from collections import Counter

import numpy as np
import pytest
import ray

from clew.distributed import calls, train_policy_parallel
from clew.distributed.sending import pickle_job
from clew.distributed.settings import Sharing
from clew.distributed.simulation_actor import SimulationActor
from clew.distributed.tasks import Job, Position, TaskResult, TaskTotals
from clew.environments import Environment
from clew.learning.settings import Learning
from clew.mazes import Maze
from clew.tracing.trace import Trace

pytestmark = pytest.mark.ray

RUN = {
    "num_episodes": 4_000,
    "num_simulations": 8,
    "sync_every": 5,
    "sharing": "local",
    "behaviour": "random",
    "seed": 3,
}


@pytest.fixture(scope="module")
def env():
    return Environment(Maze.open(60, 60), random_start=True)


@pytest.fixture
def all_is_late(monkeypatch):
    """Every call is late as soon as it has begun, so that an idle actor always runs what another one runs."""
    monkeypatch.setattr(calls, "LATE", 1e-9)
    monkeypatch.setattr(calls, "SECONDS_LATE", -np.inf)


@pytest.mark.parametrize(
    ("chaos", "rounds_ahead"),
    [(0.0, 0), (0.02, 1), *(pytest.param(*each, marks=pytest.mark.nightly) for each in ((0.0, 1), (0.02, 0)))],
)
def test_each_task_is_used_once_whoever_is_first(ray_up, env, all_is_late, rounds_ahead, chaos):
    here = train_policy_parallel(env, num_actors=0, rounds_ahead=rounds_ahead, **RUN)
    trace = Trace()
    there = train_policy_parallel(env, num_actors=3, rounds_ahead=rounds_ahead, chaos=chaos, trace=trace, **RUN)
    assert there.q.tobytes() == here.q.tobytes()
    used = Counter()
    for event in trace.events:
        if event.what == "work":
            used.update((event.round, event.simulation + i) for i in range(event.num_simulations))
    assert used == {(number, simulation): 1 for number in range(100) for simulation in range(8)}
    if chaos:
        assert trace.count("lost") > 0
    else:
        assert trace.count("copy") > 20
        assert trace.count("unused") > 10
    assert any(event.what == "work" and event.attempt > 0 for event in trace.events)


def test_what_came_too_late_does_not_stay_in_the_store(ray_up, all_is_late):
    """The tables are large enough to be stored as objects, 160 KB each."""
    env, free, trace = Environment(Maze.open(100, 100), random_start=True), [], Trace()

    def note(row):
        free.append(ray.available_resources().get("object_store_memory", 0.0))

    train_policy_parallel(env, num_actors=2, callback=note, trace=trace, **RUN)
    assert trace.count("unused") > 10
    assert len(free) == 100
    assert min(free[50:]) >= min(free[:50]) - 5e6  # tables of some rounds are in use at any moment


def test_an_actor_stops_a_call_that_is_not_needed_between_two_tasks(ray_up):
    class Slow:
        """A worker that takes 0.2 s for a task; a local class, so that its code is sent to the actor."""

        def __init__(self, job):
            pass

        def perform(self, snapshot, task):
            begun = time.time()
            time.sleep(0.2)
            return TaskResult(TaskTotals(0, 0, 0.0), 0, Position(), None, begun, 0.2)

    actor = SimulationActor.remote()
    actor.begin.remote(pickle_job(Job(Environment(), Learning(), Sharing())), Slow)
    assert len(ray.get(actor.perform.remote(None, [0, 1], 1))) == 2
    assert ray.get(actor.finish.remote(1)) == (2, pytest.approx(0.4))
    begun = time.monotonic()
    results = actor.perform.remote(None, list(range(50)), 2)
    ray.get(actor.skip.remote(2))
    num_tasks, seconds = ray.get(actor.finish.remote(2))
    assert time.monotonic() - begun < 5.0
    assert num_tasks <= 2
    assert seconds == pytest.approx(0.2 * num_tasks)
    assert len(ray.get(results)) == num_tasks
    assert ray.get(actor.finish.remote(1)) == (0, 0.0)  # of an earlier call nothing is known any more
    ray.kill(actor)
