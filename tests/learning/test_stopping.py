"""`StopTraining`: a callback ends a training, which returns the table so far and can be continued."""

import random

import numpy as np
import pytest

import clew
from clew import runs
from clew.distributed.blocks import BlockWorld
from clew.errors import RunError, StoppedError, StopTraining
from clew.figures.films import render_run
from clew.learning.checkpoints import Checkpoints
from clew.reference import QLearning
from clew.runs.storage import load_run
from clew.web.listing import list_runs, run_figures
from worlds import only_steps

ENV = clew.Environment(clew.Maze.open(5, 6, obstacles=[(2, c) for c in range(5)]), random_start=True, slip=0.2)
NEVER = 10**12  # episodes


def train_agent(env, num_episodes, *, seed, **reports):
    return clew.run_agent(QLearning(np.zeros((30, 4)), random.Random(seed)), env, num_episodes, seed=seed, **reports)


def in_parallel(**settings):
    def train(env, num_episodes, **more):
        return clew.train_policy_parallel(env, num_episodes, 3, num_actors=0, **settings, **more)

    return train


WAYS = {
    "train_policy": clew.train_policy,
    "interleaved": lambda *world, **more: clew.train_policy(*world, num_interleaved=4, **more),
    "central": in_parallel(),
    "central, ahead": in_parallel(rounds_ahead=2),
    "local": in_parallel(sharing="local"),
    "local, by episodes": in_parallel(sharing="local", sync_every=5, rounds_ahead=1),
    "double": in_parallel(sharing="local", algorithm="double-q-learning"),
    "asynchronous": in_parallel(asynchronous=True, rounds_ahead=1),
}


class Stop:
    """A callback, with a watch, that ends the training after the round of a number."""

    def __init__(self, number, error=StopTraining):
        self.number, self.error, self.rows, self.tables = number, error, [], []

    def watch(self, q):
        self.tables.append(q.tobytes())

    def __call__(self, row):
        self.rows.append(row)
        if len(self.rows) == self.number:
            raise self.error


def train(way, number, num_episodes=600, checkpoints=None, **more):
    stop = Stop(number, **more)
    saved = {} if checkpoints is None else {"checkpoints": checkpoints}
    policy = WAYS[way](ENV, num_episodes, seed=3, callback=stop, watch=stop.watch, **saved)
    return policy, stop


@pytest.mark.parametrize("way", WAYS)
def test_the_table_of_the_last_reported_round_is_returned(way):
    policy, stop = train(way, 7)
    assert len(stop.rows) == 7
    assert policy.q.tobytes() == stop.tables[-1] != stop.tables[-2]
    assert stop.rows[-1].num_ended < stop.rows[-1].total_episodes == 600
    whole, other = train(way, None)
    assert len(other.rows) > 20
    assert whole.q.tobytes() == other.tables[-1]
    if way != "asynchronous":
        assert other.tables[6] == policy.q.tobytes()


def test_an_agent_is_stopped_too():
    stop = Stop(7)
    policy = train_agent(ENV, 600, seed=3, callback=stop, watch=stop.watch)
    assert (len(stop.rows), stop.rows[-1].num_ended) == (7, 42)
    assert policy.q.tobytes() == stop.tables[-1]


def test_an_environment_without_a_model_is_left_too():
    stop = Stop(2)
    clew.train_policy(only_steps(ENV), 300, callback=stop)
    clew.train_policy_parallel(only_steps(ENV), 300, 2, num_actors=0, callback=stop)
    assert stop.rows[1].num_ended == 6


@pytest.mark.parametrize("train", [clew.train_policy, train_agent])
def test_a_watch_ends_it_after_the_callback_of_the_round(train):
    rows = []

    def watch(q):
        raise StopTraining

    train(ENV, 600, seed=3, watch=watch, callback=rows.append)
    assert len(rows) == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_checkpoint_is_kept_from_which_training_goes_on(way, tmp_path):
    for number in (3, 9):  # the rounds of the checkpoint are reported again
        policy, stop = train(way, number, checkpoints=Checkpoints(tmp_path, NEVER))
        assert len(stop.rows) == number
        assert policy.q.tobytes() == stop.tables[-1]
        assert not (tmp_path / "lock").exists()
        assert (stop.tables[0] == stop.tables[2]) == (number == 9)  # the table of the checkpoint
    again, stop = train(way, 9, checkpoints=Checkpoints(tmp_path, NEVER))
    assert (again.q.tobytes(), len(stop.rows)) == (policy.q.tobytes(), 9)  # what stops it stops it again
    resumed, stop = train(way, None, checkpoints=Checkpoints(tmp_path, NEVER))
    whole, other = train(way, None)
    assert stop.rows[-1].num_ended == 600
    assert max(row.seconds for row in stop.rows) < 60.0
    if way != "asynchronous":
        assert resumed.q.tobytes() == whole.q.tobytes()
        assert [row.num_steps for row in stop.rows] == [row.num_steps for row in other.rows]


@pytest.mark.parametrize("way", ["train_policy", "central"])
def test_another_error_of_a_callback_comes_through(way, tmp_path):
    for number in (5, 2):  # in a new round, and in one of the checkpoint
        with pytest.raises(ZeroDivisionError):
            train(way, number, checkpoints=Checkpoints(tmp_path, 10), error=ZeroDivisionError)
        assert not (tmp_path / "lock").exists()
    with pytest.raises(StoppedError):
        train(way, 12, checkpoints=Checkpoints(tmp_path, 10), error=StoppedError)


# Runs -----------------------------------------------------------------------------------------------------------------

CONFIG = clew.TrainingConfig(maze="5x6", num_episodes=400, num_simulations=1, seed=4)


def test_a_stopped_run_is_saved_with_the_episodes_that_it_has(tmp_path):
    folder = tmp_path / "run"
    with runs.save_checkpoints(folder, CONFIG, CONFIG.make_maze(), NEVER) as checkpoints:
        run = runs.train_run(CONFIG, Stop(25), checkpoints=checkpoints)
        run.save(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert (len(run.metrics), run.summary["stopped_after"]) == (25, 100)
    saved = load_run(folder)
    assert saved.summary["stopped_after"] == 100
    assert [row["total_episodes"] for row in saved.metrics][-1] == "400"
    assert run_figures(list_runs(tmp_path)[0][0])["episodes"] == "100"
    assert "stopped_after" not in runs.train_run(CONFIG).summary
    assert clew.plot_learning(folder).axes[0].get_lines()[0].get_xdata()[-1] == 100
    render_run(folder, tmp_path / "learning.gif")  # repeats it, to the same table
    render_run(folder, tmp_path / "learned.svg")
    assert "100 episodes" in (tmp_path / "learned.svg").read_text()


def test_a_stopped_run_that_is_not_saved_can_be_resumed(tmp_path, clew):
    folder = tmp_path / "run"
    with runs.save_checkpoints(folder, CONFIG, CONFIG.make_maze(), NEVER) as checkpoints:
        runs.train_run(CONFIG, Stop(25), checkpoints=checkpoints)
    assert [path.name for path in tmp_path.iterdir()] == ["run.partial"]
    code, out, _ = clew("train", "--resume", folder)
    assert (code, [path.name for path in tmp_path.iterdir()]) == (0, ["run"])
    assert runs.train_run(CONFIG).summary["table_sha256"] in out
    with pytest.raises(RunError, match="already exists"):
        runs.train_run(CONFIG).save(folder)


def test_blocks_are_left_after_the_round():
    with BlockWorld(clew.Environment(clew.Maze.open(6, 6)), 2) as world:
        stop = Stop(3)
        assert world.train(300, num_rounds=10, callback=stop).num_rounds == 3
        assert len(stop.rows) == 3


# Actors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.ray
@pytest.mark.parametrize("settings", [{}, {"sharing": "local"}], ids=["central", "local"])
def test_actors_stop_with_the_bits_of_this_process(ray_up, settings, tmp_path):
    def train(num_actors, number, **more):
        stop = Stop(number)
        policy = clew.train_policy_parallel(
            ENV, 600, 3, num_actors=num_actors, sync_every=5, seed=3, callback=stop, **settings, **more
        )
        return policy.q.tobytes(), len(stop.rows)

    here = train(0, 7)
    assert train(2, 7, checkpoints=Checkpoints(tmp_path, NEVER)) == here
    assert here[1] == 7
    assert train(2, None, checkpoints=Checkpoints(tmp_path, NEVER)) == train(0, None)


@pytest.mark.ray
def test_asynchronous_actors_stop(ray_up):
    stop = Stop(7)
    policy = clew.train_policy_parallel(
        ENV, 600, 3, num_actors=2, asynchronous=True, rounds_ahead=1, callback=stop, watch=stop.watch
    )
    assert len(stop.rows) == 7
    assert policy.q.tobytes() == stop.tables[-1]
    assert clew.train_policy_parallel(ENV, 60, 3, num_actors=2, sync_every=5).q.any()  # the actors have gone
