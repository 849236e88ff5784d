"""Late work that a second actor runs too, on a real Ray: the same bits, each task used once, nothing left over."""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import ray

from clew.distributed import actors, calls, train_policy_parallel
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


COMPILE = """
import gc, json, sys
from numba.core.dispatcher import Dispatcher
from clew import Environment, Maze
from clew.distributed.settings import Sharing
from clew.distributed.tasks import Job, Task
from clew.distributed.training import WORKERS
from clew.learning.settings import as_learning
from worlds import only_steps

def num_signatures():
    return sum(len(each.overloads) for each in gc.get_objects() if issubclass(type(each), Dispatcher))

sharing, is_stepped, settings = json.loads(sys.argv[1])
env = Environment(Maze.open(4, 4), max_episode_steps=50)
job = Job(only_steps(env) if is_stepped else env, as_learning(settings), Sharing(sharing=sharing))
make_worker, make_aggregator = WORKERS[sharing]
worker, snapshot = make_worker(job), make_aggregator(job, 0).snapshot()
before = num_signatures()
worker.compile()
compiled = num_signatures()
worker.perform(snapshot, Task(3, 0.1, 0.2, (1, 2, 1)))
print(before, compiled, num_signatures())
"""


@pytest.mark.parametrize("is_stepped", [False, True], ids=["compiled", "stepped"])
@pytest.mark.parametrize(
    ("sharing", "settings"),
    [
        ("central", {}),
        ("local", {}),
        pytest.param("central", {"behaviour": "ucb"}, marks=pytest.mark.nightly),
        pytest.param("local", {"alpha_schedule": "visits", "behaviour": "softmax"}, marks=pytest.mark.nightly),
        pytest.param("local", {"algorithm": "sarsa-lambda"}, marks=pytest.mark.nightly),
    ],
)
def test_no_task_compiles_what_a_worker_has_not_compiled_before(sharing, settings, is_stepped):
    words = [sys.executable, "-c", COMPILE, json.dumps([sharing, is_stepped, settings])]
    path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(Path(__file__).parents[1])])
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=300)
    before, compiled, after = map(int, done.stdout.split())
    assert before < compiled == after


def test_an_actor_compiles_before_it_is_given_work_and_only_once(ray_up, env, tmp_path, caplog, monkeypatch):
    """Its kernels are not saved yet where it runs, as on a host that is new."""
    caplog.set_level("INFO", "clew")
    cold = SimulationActor.options(runtime_env={"env_vars": {"XDG_CACHE_HOME": str(tmp_path)}})
    monkeypatch.setattr(actors, "SimulationActor", cold)
    monkeypatch.setattr(
        actors, "START_TIMEOUT", 240
    )  # the processes that set the variable up are slow on a busy machine
    found = []
    for _ in range(2):
        caplog.clear()
        trace = Trace()
        train_policy_parallel(env, num_actors=1, trace=trace, **RUN | {"num_episodes": 400})
        found.append([float(seconds) for seconds in re.findall(r"actor 0 on .* took (\S+) s to compile", caplog.text)])
        work = [event for event in trace.events if event.what == "work"]
        assert {event.who for event in work} == {"actor 0"}
        if found[0]:
            assert max(event.seconds for event in work) < 0.5 * found[0][0]
    assert [len(each) for each in found] == [1, 0]


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
