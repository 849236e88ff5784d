import math

import gymnasium
import numpy as np
import pytest

from clew.distributed import train_policy_parallel
from clew.distributed.rounds import Plan, Progress
from clew.distributed.settings import Sharing
from clew.distributed.tasks import Job, Position, Task, TaskResult, TaskTotals
from clew.distributed.training import WORKERS, log_unused_actors
from clew.environments import Environment
from clew.errors import SettingError
from clew.evaluation.grades import evaluate_policy
from clew.kernels.sampling import new_stream
from clew.learning.algorithms import ALGORITHMS
from clew.learning.settings import Learning
from clew.learning.training import train_policy
from clew.mazes import Maze
from clew.models.mdp import FiniteMDP
from clew.policies.trajectory import DTYPES, Trajectory
from worlds import only_steps

BOTH = pytest.mark.parametrize("sharing", ["central", "local"])


def table(env, **settings):
    return train_policy_parallel(env, 400, **{"num_actors": 0, **settings}).q.tobytes()


def content(learned):
    """All bytes of what a task came to."""
    arrays = learned.columns if isinstance(learned, Trajectory) else [learned.rows, *learned.tables[0]]
    return [array.tobytes() for array in arrays]


@BOTH
def test_a_task_comes_to_the_same_wherever_it_is_performed(sharing):
    make_worker, make_aggregator = WORKERS[sharing]
    jobs = [Job(Environment(Maze.open(4, 6), slip=0.1), Learning(), Sharing()) for _ in range(2)]
    snapshot = make_aggregator(jobs[0], 0).snapshot()
    worker, other = map(make_worker, jobs)
    tasks = [Task(3, 0.1, 0.1, (5, 2, i)) for i in range(3)]
    first = [content(worker.perform(snapshot, task).update) for task in tasks]
    again = [content(other.perform(snapshot, task).update) for task in reversed(tasks)][::-1]
    assert first == again
    assert first[0] != first[1] != first[2]


@BOTH
def test_the_streams_decide_the_result(sharing):
    env = Environment(random_start=True)
    settings = {"sharing": sharing}
    assert table(env, **settings) == table(env, **settings)
    others = [{"seed": 1}, {"num_simulations": 3}, {"sync_every": 50}, {"rounds_ahead": 1}, {"partition_starts": True}]
    assert len({table(env, **settings, **other) for other in [{}, *others]}) == 6


@BOTH
def test_every_setting_reaches_the_update(sharing):
    env = Environment()
    others = [{}, {"alpha": 0.3}, {"gamma": 0.5}, {"epsilon": 0.5}, {"behaviour": "ucb"}, {"exploring_starts": True}]
    assert len({table(env, sharing=sharing, **other) for other in others}) == 6


def test_the_default_is_central_and_models_cannot_be_merged():
    env = Environment()
    assert table(env) == table(env, sharing="central") != table(env, sharing="local")
    with pytest.raises(SettingError, match="sharing must be 'central' with dyna-q, which learns a model of the world"):
        table(env, sharing="local", algorithm="dyna-q")


@pytest.mark.parametrize(
    ("num_episodes", "num_simulations", "sync_every"), [(10, 4, 1), (7, 4, None), (103, 5, 3), (2, 4, 9)]
)
def test_every_episode_is_learned_once(num_episodes, num_simulations, sync_every):
    rows = []
    train_policy_parallel(
        Environment(), num_episodes, num_simulations, num_actors=0, sync_every=sync_every, callback=rows.append
    )
    assert sum(row.num_episodes for row in rows) == num_episodes
    assert rows[-1].num_ended == rows[0].total_episodes == num_episodes
    assert sync_every is None or [row.round for row in rows] == list(range(len(rows)))
    assert sum(row.mean_steps * row.num_episodes for row in rows) == pytest.approx(sum(row.num_steps for row in rows))


def new_plan(num_episodes=1000, num_pairs=100, sync_every=None, num_simulations=4, rounds_ahead=0):
    sharing = Sharing(num_simulations=num_simulations, sync_every=sync_every, rounds_ahead=rounds_ahead)
    return Plan.of(num_episodes, sharing, 0, num_pairs=num_pairs, by_steps=sync_every is None)


def test_the_steps_of_a_round_are_few_at_first_and_doubled():
    plan = new_plan(num_pairs=64_000)
    assert [plan.num_steps(number) for number in (0, 249, 250, 499, 500, 1000)] == [
        1000,
        1000,
        2000,
        2000,
        4000,
        16_000,
    ]
    assert new_plan(num_pairs=100).num_steps(0) == 16


@pytest.mark.parametrize("rounds_ahead", [0, 3])
@pytest.mark.parametrize("num_simulations", [2, 7, 100_000])
@pytest.mark.parametrize("num_pairs", [4, 10**9])
def test_what_a_round_sends_is_bounded(num_simulations, rounds_ahead, num_pairs):
    plan = new_plan(num_pairs=num_pairs, num_simulations=num_simulations, rounds_ahead=rounds_ahead)
    row = sum(np.dtype(dtype).itemsize for dtype in DTYPES)
    for number in (0, 250, 10**4, 10**9):
        assert 1 <= plan.num_steps(number) * num_simulations * row <= 64 * 2**20 / (1 + rounds_ahead)


@pytest.mark.parametrize("rounds_ahead", [0, 2])
def test_each_simulation_has_its_share_of_the_episodes_in_lanes(rounds_ahead):
    plan, num_lanes = new_plan(1003, num_simulations=3, rounds_ahead=rounds_ahead), 1 + rounds_ahead
    tasks = [plan.task(number, i, Progress.of(plan), (0.1, 0.1)) for number in range(num_lanes) for i in range(3)]
    assert sum(task.num_episodes for task in tasks) == 1003
    assert max(task.num_episodes for task in tasks) - min(task.num_episodes for task in tasks) <= 1
    progress = Progress.of(plan)
    result = TaskResult(TaskTotals(16, 1, 0.5), 2, Position(7, 3, 1), None, 0.0, 0.0)
    progress.add(plan.task(0, 1, progress, (0.1, 0.1)), result, 0)
    later = plan.task(num_lanes, 1, progress, (0.1, 0.1))
    assert (later.num_episodes, later.position) == (tasks[1].num_episodes - 2, Position(7, 3, 1))
    if rounds_ahead:
        assert plan.task(1, 1, progress, (0.1, 0.1)) == tasks[4]


@pytest.mark.parametrize(
    ("sharing", "name", "num_episodes", "before"),
    [("central", "CliffWalking-v1", 500, 7.1), ("central", "Taxi-v4", 1000, 2.5), ("local", "open", 2000, 1.8)],
)
def test_several_simulations_take_about_as_many_steps_as_one(sharing, name, num_episodes, before):
    """In a hundred rounds of whole episodes they took several times as many."""
    env = Environment(Maze.open(30, 30), random_start=True) if name == "open" else gymnasium.make(name)

    def count(train, **settings):
        rows = []
        train(env, num_episodes, gamma=0.99, seed=3, callback=rows.append, **settings)
        return sum(row.num_steps for row in rows)

    alone, shared = count(train_policy), {"num_actors": 0, "sharing": sharing}
    assert count(train_policy_parallel, **shared) < 1.1 * alone
    whole_episodes = count(train_policy_parallel, sync_every=math.ceil(num_episodes / 400), **shared)
    assert whole_episodes / alone == pytest.approx(before, abs=0.1)


@pytest.mark.parametrize("sharing", ["central", "local"])
def test_an_episode_goes_on_in_the_next_round_unless_it_is_stepped_in_python(sharing):
    env = Environment(Maze.open(9, 9))
    make_worker, make_aggregator = WORKERS[sharing]
    for world, is_cut in ((env, True), (only_steps(env), False)):
        job = Job(world, Learning(epsilon=1.0), Sharing(sharing=sharing))
        task = Task(5, 0.1, 1.0, (3, 0, 0), 40)
        result = make_worker(job).perform(make_aggregator(job, 0).snapshot(), task)
        assert (result.totals.num_steps == 40) == is_cut
        assert (result.num_ended == 0) == is_cut
        assert (result.position.steps == 40) == is_cut
        if not is_cut:
            assert result.num_ended == 1
            assert result.position == Position()


def test_one_simulation_is_the_serial_trainer():
    env = Environment(random_start=True)
    assert train_policy_parallel(env, 300, 1, seed=4).q.tobytes() == train_policy(env, 300, seed=4).q.tobytes()


def test_a_central_round_learns_from_all_its_simulations_in_their_order():
    """One round, restated: each stream played with zeros, then learned from, one after the other."""
    job = Job(Environment(), Learning(), Sharing(sync_every=2))
    make_worker, make_aggregator = WORKERS["central"]
    snapshot, worker = make_aggregator(job, 0).snapshot(), make_worker(job)
    expected = np.zeros_like(snapshot.q)
    for i in range(3):
        for t in worker.perform(snapshot, Task(2, 0.1, 0.1, (8, 0, i))).update:
            best = 0.0 if t.terminated else expected[t.next_state].max()
            expected[t.state, t.action] += np.float32(0.1) * (
                np.float32(t.reward) + np.float32(0.9) * best - expected[t.state, t.action]
            )
    learned = train_policy_parallel(job.env, 6, 3, num_actors=0, sync_every=2, seed=8, sharing="central").q
    np.testing.assert_allclose(learned, expected, rtol=1e-6)
    assert learned.max() > 0


def test_a_local_learner_learns_what_the_serial_trainer_would():
    """Its episodes are those of a stream, learned after every step: those of a run of one round with the same key."""
    env = Environment(Maze.open(4, 6), slip=0.1)
    job = Job(env, Learning(), Sharing())
    make_worker, make_aggregator = WORKERS["local"]
    learned = make_worker(job).perform(make_aggregator(job, 0).snapshot(), Task(50, 0.1, 0.1, (3, 0, 0))).update
    serial = train_policy(env, 50, seed=3).q
    (values, moves) = learned.tables[0]
    assert values.tobytes() == serial[learned.rows].tobytes()
    assert not np.delete(serial, learned.rows, axis=0).any()
    assert ((moves > 0) >= (values != 0)).all()


@pytest.mark.parametrize("schedule", ["constant", "visits"])
@pytest.mark.parametrize("algorithm", [row.name for row in ALGORITHMS.values() if not row.learns_model])
def test_merged_tables_are_as_good_as_one_on_a_noisy_world(algorithm, schedule):
    """The values at the start, from 6,000 episodes in four streams, beside those of the serial trainer."""
    env = Environment(Maze.open(4, 4), slip=0.2)
    settings = {"algorithm": algorithm, "alpha_schedule": schedule, "epsilon": 0.3}
    shared = {"sharing": "local", "num_actors": 0}
    if schedule == "constant":
        settings["alpha"] = 0.05
    merged = [train_policy_parallel(env, 6000, seed=i, **shared, **settings).q[0].max() for i in range(6)]
    serial = [train_policy(env, 6000, seed=i, **settings).q[0].max() for i in range(6)]
    spread = np.hypot(np.std(merged), np.std(serial)) / np.sqrt(5)
    assert abs(np.mean(merged) - np.mean(serial)) < 5 * spread + 0.01


@pytest.mark.parametrize(
    ("settings", "slip", "counted"),
    [
        ({"alpha": 1.0}, 0.0, False),
        ({"alpha": 1.0, "algorithm": "double-q-learning"}, 0.0, False),
        ({"alpha": 1.0}, 0.1, True),
        ({"alpha": 1.0, "algorithm": "sarsa"}, 0.0, True),
        ({"alpha": 0.5}, 0.0, True),
        ({"alpha": 1.0, "alpha_schedule": "linear", "alpha_last": 0.5}, 0.0, True),
    ],
)
def test_moves_are_counted_unless_only_what_changed_can_matter(settings, slip, counted):
    job = Job(Environment(Maze.open(4, 5), random_start=True, slip=slip), Learning(**settings), Sharing())
    make_worker, make_aggregator = WORKERS["local"]
    merger, task = make_aggregator(job, 0), Task(20, 1.0, 0.1, (0, 0, 0))
    snapshot = merger.snapshot()
    changes = make_worker(job).perform(snapshot, task).update
    assert {moves.shape[1] > 0 for _, moves in changes.tables} == {counted}
    assert changes.rows.size > 0
    merger.merge(changes, snapshot, task, new_stream(0))
    for (table, _), (learned, _) in zip(merger.learner.tables, changes.tables, strict=True):
        assert np.array_equal(table[changes.rows], learned)


def test_wide_rows_are_merged_with_their_maxima():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(6), size=(6, 80))
    mdp = FiniteMDP.from_arrays(p, rng.normal(size=(6, 80)))
    settings = {"alpha_schedule": "visits", "epsilon": 1.0, "num_actors": 0}
    q = train_policy_parallel(mdp, 400, sharing="local", **settings).q
    other = train_policy_parallel(mdp, 400, **settings).q
    assert np.abs(q - other).max() < 0.2 * np.abs(other).max()


@pytest.mark.parametrize("rounds_ahead", [0, 1, 3])
def test_values_are_as_stale_as_asked_for(rounds_ahead):
    """Nothing is learned before a round is put together, so that the first rounds walk at random."""
    rows = []
    train_policy_parallel(
        Environment(), 4000, 4, num_actors=0, sync_every=10, rounds_ahead=rounds_ahead, callback=rows.append
    )
    assert [row.round for row in rows] == list(range(100))
    assert all(row.mean_steps > 50 for row in rows[: 1 + rounds_ahead])
    assert max(row.mean_steps for row in rows[8 + 2 * rounds_ahead :]) < 15


def test_the_chapters_mistake_is_a_setting():
    """It put the policy into the store once: every episode walks at random, whatever is learned."""
    rows = []
    train_policy_parallel(
        Environment(), 400, 4, num_actors=0, sync_every="never", sharing="central", callback=rows.append
    )
    assert len(rows) == 1
    assert rows[0].mean_steps > 80  # a random walk; 9 at the end of a hundred rounds


def test_parted_starts_are_those_of_their_simulation():
    env = Environment(Maze.open(8, 8), random_start=True)
    job = Job(env, Learning(), Sharing(partition_starts=True))
    make_worker, make_aggregator = WORKERS["central"]
    worker, snapshot = make_worker(job), make_aggregator(job, 0).snapshot()
    for i in range(4):
        seen = worker.perform(snapshot, Task(40, 0.1, 1.0, (0, 0, i))).update
        begins = seen.state[np.r_[True, (seen.terminated | seen.truncated)[:-1]]]
        assert set(begins) <= set(range(16 * i, 16 * i + 16))
        assert len(set(begins)) > 8


def test_starts_that_cannot_be_parted_are_refused():
    with pytest.raises(SettingError, match="a start state for each of 4 simulations, and their number is 1"):
        train_policy_parallel(Environment(), 100, num_actors=0, partition_starts=True)


def test_it_reaches_the_optimum():
    env = Environment(Maze.open(6, 9, obstacles=[(r, 4) for r in range(6) if r != 3]))
    policy = train_policy_parallel(env, 8000, 4, num_actors=0)
    assert evaluate_policy(env, policy).excess_steps == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rounds_ahead": -1}, "rounds_ahead must be a whole number from 0 to 1,000, not -1"),
        ({"sharing": "fair"}, "sharing must be one of central, local, not 'fair'"),
        ({"num_interleaved": 2}, "take sharing='local', or num_simulations=1"),
        ({"num_simulations": 0}, "num_simulations must be a whole number from 1 to 100,000, not 0"),
        ({"num_actors": -1}, "num_actors must be a whole number of at least 0, not -1"),
        ({"sync_every": "daily"}, "sync_every must be a number of episodes, or 'never', not 'daily'"),
        ({"sync_every": 0}, "sync_every must be a whole number of at least 1, not 0"),
        ({"num_episodes": 0}, "num_episodes must be a whole number from 1 to .*, not 0"),
    ],
)
def test_settings_out_of_range_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        train_policy_parallel(Environment(), **settings)


@BOTH
@pytest.mark.parametrize("rounds_ahead", [0, 3])
def test_without_rounds_every_episode_is_learned_once_too(sharing, rounds_ahead):
    rows, env = [], Environment(random_start=True)
    settings = {"asynchronous": True, "sharing": sharing, "rounds_ahead": rounds_ahead, "callback": rows.append}
    policy = train_policy_parallel(env, 4002, 4, num_actors=0, **settings)
    assert sum(row.num_episodes for row in rows) == 4002
    assert rows[-1].num_ended == rows[0].total_episodes == 4002
    assert sum(row.num_steps for row in rows) > 4002
    assert evaluate_policy(env, policy, starts=env.mdp.starts).excess_steps < 1  # 0.1 to 0.4 of the serial trainer


@pytest.mark.parametrize(
    ("num_actors", "num_simulations", "said"),
    [
        (9, 4, ["starting 4 actors, not 9: each simulation runs on one actor, and there are 4 simulations"]),
        (4, 4, []),
        (0, 1, []),
    ],
)
def test_actors_that_are_not_used_are_logged(caplog, num_actors, num_simulations, said):
    caplog.set_level("INFO", "clew")
    log_unused_actors(Sharing(num_actors=num_actors, num_simulations=num_simulations))
    assert caplog.messages == said
