"""On a real Ray, already running; `test_cluster.py` has those that start one."""

import importlib
import platform
import re
import threading
from collections import Counter

import gymnasium
import numpy as np
import pytest

from clew.distributed import SimulationActor, actors, train_policy_parallel
from clew.distributed.placement import Placement
from clew.distributed.sending import pickle_job
from clew.distributed.settings import Sharing
from clew.distributed.tasks import Job, Task
from clew.distributed.training import WORKERS
from clew.environments import Environment
from clew.errors import ClusterError
from clew.evaluation.grades import evaluate_policy
from clew.learning.settings import Learning
from clew.mazes import Maze
from clew.policies.trajectory import Trajectory
from clew.tracing.trace import Trace
from worlds import only_steps

pytestmark = pytest.mark.ray
BOTH = pytest.mark.parametrize("sharing", ["central", "local"])


def content(learned):
    """All bytes of what a task came to."""
    arrays = learned.columns if isinstance(learned, Trajectory) else [learned.rows, *learned.tables[0]]
    return [array.tobytes() for array in arrays]


@pytest.fixture(scope="module")
def env():
    return Environment(Maze.open(6, 7, obstacles=[(2, c) for c in range(6)]), random_start=True, slip=0.1)


@BOTH
@pytest.mark.parametrize("num_actors", [2, None, *(pytest.param(n, marks=pytest.mark.nightly) for n in (1, 4))])
def test_the_same_bits_on_any_number_of_actors(ray_up, env, num_actors, sharing):
    settings = {"sync_every": 7, "seed": 2, "sharing": sharing, "rounds_ahead": int(num_actors == 2)}
    here = train_policy_parallel(env, 600, 5, num_actors=0, **settings)
    there = train_policy_parallel(env, 600, 5, num_actors=num_actors, **settings)
    assert there.q.tobytes() == here.q.tobytes()
    assert there.q.any()


@pytest.mark.parametrize(
    "algorithm",
    ["q-learning", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("double-q-learning", "sarsa"))],
)
def test_tables_without_counts_give_the_same_bits_too(ray_up, algorithm):
    env = Environment(Maze.open(6, 7), random_start=True)
    settings = {"algorithm": algorithm, "alpha": 1.0, "sharing": "local", "sync_every": 7, "behaviour": "ucb"}
    here = train_policy_parallel(env, 300, num_actors=0, **settings)
    there = train_policy_parallel(env, 300, num_actors=2, **settings)
    assert there.q.tobytes() == here.q.tobytes()
    assert len(np.unique(there.q)) > 5


def test_actors_that_nobody_asked_for_are_not_started_where_they_cannot_help(ray_up, env, caplog, monkeypatch):
    """A central learner learns from every step in this process; a message says so if actors are asked for."""
    caplog.set_level("INFO", "clew")
    monkeypatch.setattr(actors, "SECONDS_BEFORE_ACTORS", 0.0)
    trace = Trace()
    here = train_policy_parallel(env, 600, num_actors=None, trace=trace)
    assert {event.who for event in trace.events} == {"driver"}
    assert "learning took" not in caplog.text
    there = train_policy_parallel(env, 600, num_actors=1)
    assert there.q.tobytes() == here.q.tobytes()
    number = r"[\d.,e-]+"
    assert re.search(
        f"learning took {number} s; in this process alone it would have taken about {number} s; the actors took "
        f"{number} s to start; {number} of {number} rounds ran here, because they are too short for actors; with "
        "sharing local actors learn too",
        caplog.text,
    )


def test_no_ray_is_started_for_a_short_training_that_asks_for_no_number_of_actors(env, caplog, monkeypatch):
    def refuse(num_actors):
        raise ClusterError("no room for a Ray")

    monkeypatch.setattr(actors, "is_running", lambda: False)
    monkeypatch.setattr(actors, "connected", refuse)
    settings = {"num_episodes": 1200, "sharing": "local", "sync_every": 10}
    here = train_policy_parallel(env, num_actors=0, **settings)
    for seconds, said in ((60.0, []), (0.0, ["no room for a Ray; training continues in this process"])):
        monkeypatch.setattr(actors, "SECONDS_BEFORE_RAY", seconds)
        there = train_policy_parallel(env, num_actors=None, **settings)
        assert there.q.tobytes() == here.q.tobytes()
        assert caplog.messages == said


def test_a_ray_is_started_for_a_long_training_that_asks_for_no_number_of_actors(ray_up, env, monkeypatch):
    start = actors.ActorPool.start

    def start_and_wait(pool, num_actors):
        start(pool, num_actors)
        pool.wait_until_running()

    monkeypatch.setattr(actors, "is_running", lambda: False)
    monkeypatch.setattr(actors, "SECONDS_BEFORE_RAY", 0.0)
    monkeypatch.setattr(actors, "SECONDS_PER_CALL", 1e-9)
    monkeypatch.setattr(actors.ActorPool, "start", start_and_wait)
    trace, settings = Trace(), {"num_episodes": 400, "sharing": "local", "sync_every": 10}
    there = train_policy_parallel(env, num_actors=None, trace=trace, **settings)
    assert there.q.tobytes() == train_policy_parallel(env, num_actors=0, **settings).q.tobytes()
    assert trace.count("start") == 4
    assert {event.who for event in trace.events if event.what == "work"} > {"actor 0"}


@pytest.mark.parametrize(
    ("sharing", "rounds_ahead"),
    [
        ("local", 0),
        ("central", 2),
        *(pytest.param(*each, marks=pytest.mark.nightly) for each in (("central", 0), ("local", 2))),
    ],
)
def test_rounds_that_end_by_steps_give_the_same_bits_wherever_they_run(ray_up, env, sharing, rounds_ahead, monkeypatch):
    """Episodes go on in other rounds, on other actors, and in this process."""
    settings = {"sharing": sharing, "rounds_ahead": rounds_ahead, "seed": 2}
    here = train_policy_parallel(env, 600, 3, num_actors=0, **settings)
    coins, trace = np.random.default_rng(0), Trace()
    monkeypatch.setattr(Placement, "is_there", lambda *_: coins.random() < 0.5)
    there = train_policy_parallel(env, 600, 3, num_actors=2, trace=trace, **settings)
    assert there.q.tobytes() == here.q.tobytes()
    who = Counter(event.who for event in trace.events if event.what == "work")
    assert min(who[name] for name in ("driver", "actor 0", "actor 1")) > 5, who


def test_a_run_that_actors_make_slower_says_so_in_its_first_seconds(ray_up, env, caplog, monkeypatch):
    caplog.set_level("INFO", "clew")
    monkeypatch.setattr(actors, "SECONDS_BEFORE_ADVICE", 0.1)
    train_policy_parallel(env, 1200, 4, num_actors=2, sharing="local", sync_every=1)
    wanted = (
        r"so far this run takes [\d.]+ times as long as it would in this process",
        r"learning took [\d.]+ s; in this process alone it would have taken about 0\.\d+ s; .* took [\d.]+ s to start",
    )
    assert all(any(re.fullmatch(pattern, said) for said in caplog.messages) for pattern in wanted), caplog.messages


@pytest.mark.parametrize(
    "settings",
    [
        {"algorithm": "sarsa-lambda", "behaviour": "softmax", "exploration_schedule": "linear"},
        {"algorithm": "double-q-learning", "behaviour": "ucb", "alpha_schedule": "visits"},
        pytest.param({"algorithm": "sarsa", "behaviour": "ucb", "sharing": "central"}, marks=pytest.mark.nightly),
        pytest.param({"algorithm": "propagation", "exploring_starts": True}, marks=pytest.mark.nightly),
        {"algorithm": "q-learning", "num_interleaved": 3, "partition_starts": True, "sharing": "local"},
    ],
    ids=lambda settings: settings["algorithm"],
)
def test_every_algorithm_and_behaviour_gives_the_same_bits_on_actors(ray_up, env, settings):
    """UCB and the least tried need the counts of all rounds, which travel with the values."""
    here = train_policy_parallel(env, 120, 3, num_actors=0, sync_every=8, seed=2, **settings)
    there = train_policy_parallel(env, 120, 3, num_actors=2, sync_every=8, seed=2, **settings)
    assert there.q.tobytes() == here.q.tobytes()
    assert len(np.unique(there.q)) > 2


@BOTH
def test_an_actor_does_what_this_process_would(ray_up, env, sharing):
    make_worker, make_aggregator = WORKERS[sharing]
    job = Job(env, Learning(), Sharing())
    snapshot, tasks = make_aggregator(job, 0).snapshot(), [Task(n, 0.1, 0.2, (1, 2, i)) for n, i in ((3, 3), (2, 4))]
    actor = SimulationActor.remote()
    actor.begin.remote(pickle_job(job), make_worker)
    there = ray_up.get(actor.perform.remote(ray_up.put(snapshot), tasks))
    worker = make_worker(job)
    here = [worker.perform(snapshot, task) for task in tasks]
    assert [content(result.update) for result in there] == [content(result.update) for result in here]
    assert [result.totals for result in there] == [result.totals for result in here]


def test_values_are_at_most_a_round_old(ray_up):
    """The chapter put its policy once: 397 steps per episode for ever. The first round is as bad, and no other."""
    rows = []
    env = Environment()
    policy = train_policy_parallel(env, 4000, 4, num_actors=2, sync_every=10, callback=rows.append)
    assert rows[0].mean_steps > 50
    assert max(row.mean_steps for row in rows[5:]) < 15
    assert evaluate_policy(env, policy).excess_steps == 0


def test_any_gymnasium_environment_is_played_by_actors(ray_up):
    env = only_steps(gymnasium.make("FrozenLake-v1", is_slippery=False))
    settings = {"num_simulations": 2, "sync_every": 20, "epsilon": 0.3}
    here = train_policy_parallel(env, 1200, num_actors=0, **settings)
    there = train_policy_parallel(env, 1200, num_actors=2, **settings)
    assert there.q.tobytes() == here.q.tobytes()
    assert evaluate_policy(env, here).mean_steps == 6


def test_more_actors_than_processors_is_an_error_that_counts_them(ray_up, env):
    n = int(ray_up.cluster_resources()["CPU"])
    message = f"{n + 5} actors of one processor each can't be placed: the running Ray has {n} processors"
    with pytest.raises(ClusterError, match=message):
        train_policy_parallel(env, 100, n + 5, num_actors=n + 5)


def test_more_actors_than_simulations_are_not_started(ray_up, env):
    train_policy_parallel(env, 40, 2, num_actors=64)


def test_training_begins_with_some_of_its_actors_if_the_others_find_no_processor(ray_up, env, caplog, monkeypatch):
    """Two trainings at a time would otherwise wait for each other's processors, and fail."""
    monkeypatch.setattr(actors, "START_TIMEOUT", 5)
    holder = ray_up.remote(num_cpus=int(ray_up.cluster_resources()["CPU"]) - 1)(Counter).remote()
    ray_up.get(holder.total.remote())
    settings = {"num_simulations": 2, "sync_every": 10, "sharing": "local"}
    try:
        there = train_policy_parallel(env, 40, num_actors=2, **settings)
    finally:
        ray_up.kill(holder)
    here = train_policy_parallel(env, 40, num_actors=0, **settings)
    assert there.q.tobytes() == here.q.tobytes()
    assert "only 1 of 2 actors run; the others join later" in caplog.text


@pytest.mark.nightly
def test_processors_are_free_again_afterwards(ray_up, env):
    for _ in range(3):
        train_policy_parallel(env, 40, 4, num_actors=4)


def test_an_error_on_an_actor_comes_back_in_words(ray_up):
    class Breaks(gymnasium.Env):
        observation_space = gymnasium.spaces.Discrete(3)
        action_space = gymnasium.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            return 0, {}

        def step(self, action):
            raise RuntimeError("the floor gave way")

    with pytest.raises(ClusterError, match="the floor gave way"):
        train_policy_parallel(Breaks(), 10, 2, num_actors=1, sync_every=1)


@pytest.mark.parametrize("num_actors", [2, None])
def test_an_environment_that_cannot_be_pickled_is_refused_before_ray_is_started(num_actors):
    env = only_steps(gymnasium.make("FrozenLake-v1"))
    env.unwrapped.lock = threading.Lock()
    settings = {"num_simulations": 2, "sharing": "local", "num_actors": num_actors}
    if num_actors is None:  # no number was asked for, so there are none
        there = train_policy_parallel(env, 200, **settings)
        here = train_policy_parallel(env, 200, **{**settings, "num_actors": 0})
        assert there.q.tobytes() == here.q.tobytes()
        return
    with pytest.raises(ClusterError) as refused:
        train_policy_parallel(env, 200, **settings)
    assert str(refused.value) == (
        "the environment can't be sent to actors: TypeError: cannot pickle '_thread.lock' object; leave what can't be "
        "pickled out of its __getstate__, or take num_actors 0"
    )


def test_an_environment_whose_module_actors_do_not_have_is_refused_by_name(ray_up, tmp_path, monkeypatch):
    (tmp_path / "my_hidden_world.py").write_text("import clew\n\nclass World(clew.Environment): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ClusterError) as refused:
        train_policy_parallel(importlib.import_module("my_hidden_world").World(), 200, num_actors=2, sync_every=10)
    assert str(refused.value) == (
        f"host {platform.node()} can't be used: the environment can't be loaded there: ModuleNotFoundError: No module "
        "named 'my_hidden_world'; install it on every node, or put its folder on PYTHONPATH before Ray is started"
    )


@BOTH
def test_asynchronous_actors_learn(ray_up, sharing):
    env = Environment(random_start=True)
    policy = train_policy_parallel(env, 20_000, 4, num_actors=2, asynchronous=True, rounds_ahead=2, sharing=sharing)
    assert evaluate_policy(env, policy, starts=env.mdp.starts).excess_steps < 1  # no two runs are the same
