"""Actors that are killed, hang, or find no room, on a real Ray: the result is the same, or the reason is said."""

import os
import re
import signal
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import ray
from ray.exceptions import RayActorError

from clew.distributed import actors, train_policy_parallel
from clew.distributed.store import StoreUsage, as_clew_error
from clew.environments import Environment
from clew.errors import ClusterError
from clew.mazes import Maze
from clew.tracing.trace import Trace

pytestmark = pytest.mark.ray

SETTINGS = [
    {"sharing": "local"},
    pytest.param({"sharing": "central"}, marks=pytest.mark.nightly),
    pytest.param({"sharing": "local", "algorithm": "sarsa-lambda", "rounds_ahead": 1}, marks=pytest.mark.nightly),
    {"sharing": "central", "algorithm": "propagation", "num_episodes": 3_000, "sync_every": 25},
]


def status_of(pid):
    """Name and parent of a process, if it is there."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text()
        return Path(f"/proc/{pid}/cmdline").read_text(), int(fields.rpartition(")")[2].split()[1])
    except OSError:
        return "", 0


def processes():
    """Name and parent of every process, by its number."""
    return {pid: status_of(pid) for pid in [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]}


def actor_processes(name="_SimulationActor"):
    """The processes of actors of the Ray that this process started: children of its raylet."""
    return [
        pid
        for pid, (called, parent) in processes().items()
        if called.startswith(f"ray::{name}") and status_of(parent)[1] == os.getpid()
    ]


def hang(pid, seconds=20.0):
    """Stop a process for some seconds: no longer, so that a test ends, and fails, if the process is never replaced."""

    def resume():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    os.kill(pid, signal.SIGSTOP)
    timer = threading.Timer(seconds, resume)
    timer.daemon = True
    timer.start()


class Striker(threading.Thread):
    """Kills actors, any of them, up to three, at moments that nobody knows before."""

    def __init__(self, seed):
        super().__init__(daemon=True)
        self.rng, self.over, self.struck = np.random.default_rng(seed), threading.Event(), 0

    def run(self):
        while self.struck < 3 and not self.over.wait(self.rng.uniform(0.0, 0.4)):
            victims = actor_processes()
            if victims:
                os.kill(self.rng.choice(victims), signal.SIGKILL)
                self.struck += 1


@pytest.fixture(scope="module")
def env():
    return Environment(Maze.open(60, 60), random_start=True)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(map(str, settings.values())))
def test_actors_killed_at_any_moment_change_no_bit(ray_up, env, settings, request):
    """`pytest --moments 50` strikes as often; until then the same run begins again."""
    moments = request.config.getoption("--moments", default=3)
    run = {"num_episodes": 12_000, "sync_every": 100, "seed": 3, **settings}
    here = train_policy_parallel(env, num_actors=0, **run)
    struck = lost = 0
    for seed in range(moments):
        striker, trace = Striker(seed), Trace()
        striker.start()
        try:
            there = train_policy_parallel(env, num_actors=2, trace=trace, **run)
        finally:
            striker.over.set()
            striker.join()
        assert there.q.tobytes() == here.q.tobytes()
        struck, lost = struck + striker.struck, lost + sum(event.what == "lost" for event in trace.events)
        if struck >= moments:
            break
    assert struck >= moments
    assert lost > 0


def test_an_actor_that_hangs_is_replaced(ray_up, env, monkeypatch):
    """A stopped process doesn't answer a health check."""
    monkeypatch.setattr(actors, "SECONDS_BEFORE_HEALTH_CHECK", 0.3)
    monkeypatch.setattr(actors, "HEALTH_CHECK_TIMEOUT", 1.0)
    here = train_policy_parallel(env, 12_000, num_actors=0, sync_every=30)
    trace, stopped = Trace(), []

    def stop_all(row):
        if row.round >= 3 and not stopped:
            stopped.extend(actor_processes())
            for pid in stopped:
                hang(pid)

    try:
        there = train_policy_parallel(env, 12_000, num_actors=2, sync_every=30, trace=trace, callback=stop_all)
    finally:
        for pid in set(stopped) & set(actor_processes()):
            os.kill(pid, signal.SIGKILL)
    assert there.q.tobytes() == here.q.tobytes()
    assert len(stopped) == 2
    assert 1 <= [event.what for event in trace.events].count("lost") <= 2


@pytest.mark.parametrize("sharing", [pytest.param("central", marks=pytest.mark.nightly), "local"])
def test_chaos_changes_no_bit(ray_up, env, sharing):
    here = train_policy_parallel(env, 4000, num_actors=0, sharing=sharing)
    trace = Trace()
    there = train_policy_parallel(env, 4000, num_actors=2, sharing=sharing, chaos=0.05, trace=trace)
    assert there.q.tobytes() == here.q.tobytes()
    assert any(event.what == "lost" for event in trace.events)
    assert any(event.attempt > 0 for event in trace.events)


def test_actors_that_cannot_start_are_an_error(ray_up):
    class Fragile(Environment):
        def __reduce__(self):
            return os.kill, (0, 99)

    with pytest.raises(ClusterError, match="the environment can't be loaded there: OSError"):
        train_policy_parallel(Fragile(), 4000, num_actors=1)


def test_a_host_on_which_no_actor_can_be_made_is_named_with_the_reason(ray_up):
    """As where there is no Clew."""

    class Broken:
        def __init__(self):
            import clew_of_another_host  # noqa: F401

    with pytest.raises(RayActorError) as died:
        ray_up.get(ray_up.remote(Broken).remote().__ray_ready__.remote())
    assert re.fullmatch(
        r"host [\d.]+ can't be used: ModuleNotFoundError: No module named 'clew_of_another_host'; install the same "
        "Clew on every node, and restart Ray there",
        str(as_clew_error(died.value)),
    )


def test_values_that_the_store_cannot_hold_are_refused(ray_up):
    capacity = StoreUsage(1).capacity
    assert capacity > 10e6
    StoreUsage(1).check(capacity)
    with pytest.raises(ClusterError, match=r"Ray's object store has room for .* and 3 times the values are"):
        StoreUsage(3).check(capacity // 2)


def test_results_that_do_not_fit_are_said_once(ray_up, caplog):
    store = StoreUsage(1)
    store.check(store.capacity // 2)
    for _ in range(2):
        store.add_results(store.capacity // 3)
        store.add_results(store.capacity // 3)
        store.clear_results()
    assert [record.message.count("don't fit into Ray's object store") for record in caplog.records] == [1]


def test_a_hundred_rounds_leave_the_store_as_it_was(ray_up):
    env = Environment(Maze.open(100, 100), random_start=True)
    free = []

    def note(row):
        free.append(ray.available_resources().get("object_store_memory", 0.0))

    train_policy_parallel(env, 4000, num_actors=2, sharing="local", sync_every=10, callback=note)
    assert len(free) == 100
    assert min(free[50:]) >= min(free[:50]) - 1e6
