"""Experiments that are stopped: the results have the seeds that are complete, and a folder keeps the other runs."""

import threading
import time

import numpy as np
import pytest

import clew
from clew import Experiment
from clew.errors import SettingError, StoppedError
from clew.experiments import running
from clew.experiments.running import Schedule

WORLDS = {"open": "5x5", "cliff": "cliff"}
LEARNERS = {"Q": {"alpha": 0.5}, "Sarsa": {"algorithm": "sarsa", "alpha": 0.5}}


def stop_at(num_done):
    def progress(row):
        if row.num_done >= num_done:
            raise clew.StopTraining

    return progress


def is_part(results, whole):
    """Return whether results have the bits of the same seeds in those of the whole experiment."""
    runs = [whole.seeds.index(seed) for seed in results.seeds]
    tables = [
        np.array_equal(results.policy(learner, world, seed=seed).q, whole.policy(learner, world, seed=seed).q)
        for learner in results.learners
        for world in results.worlds
        for seed in results.seeds
    ]
    names = ("steps", "episode_return", "terminated")
    return all(tables) and all(np.array_equal(getattr(results, n), getattr(whole, n)[:, :, runs]) for n in names)


@pytest.fixture
def single_runs(monkeypatch):
    """Make blocks of one run each, so that experiments can be stopped after any run."""
    monkeypatch.setattr(running, "MAX_BLOCK_BYTES", 1)


@pytest.mark.usefixtures("single_runs")
@pytest.mark.parametrize("num_threads", [1, 3])
def test_results_have_the_seeds_of_which_all_runs_are_complete(num_threads, tmp_path):
    experiment = Experiment(WORLDS, LEARNERS, range(3, 43), num_episodes=30)
    whole = experiment.run()
    results = experiment.run(num_threads=num_threads, folder=tmp_path, progress=stop_at(100))
    num_seeds = len(results.seeds)
    assert 20 <= num_seeds <= 30
    assert results.seeds == tuple(range(3, 3 + num_seeds)) or num_threads > 1
    assert results.steps.shape == (2, 2, num_seeds, 30)
    assert results.num_computed == 4 * num_seeds
    assert is_part(results, whole)
    assert experiment.run(folder=tmp_path, progress=stop_at(1)).num_computed == 0  # what was found is reported first
    rest = experiment.run(folder=tmp_path)
    assert 0 < rest.num_computed <= 60
    assert rest.seeds == whole.seeds
    assert is_part(rest, whole)


@pytest.mark.usefixtures("single_runs")
def test_a_number_of_steps():
    experiment = Experiment({"open": "5x5"}, LEARNERS, range(40), num_steps=500)
    results = experiment.run(num_threads=1, progress=stop_at(30))
    assert results.steps.shape == (2, 1, len(results.seeds))
    assert len(results.seeds) == 15
    assert results.steps[1, 0, -1].sum() >= 500


def test_cells_of_different_speed_are_run_for_the_same_seeds():
    schedule = Schedule([range(100), range(100)], 1, 4, None, backwards=False)
    num_taken = [0, 0]
    for _ in range(40):
        cell, runs = schedule.take(print)
        assert runs[0] == num_taken[cell]
        num_taken[cell] += len(runs)
        assert abs(num_taken[0] - num_taken[1]) <= 4
        schedule.note(cell, len(runs), (0.09, 0.01)[cell] * len(runs))
    assert min(num_taken) > 30


def test_the_first_block_in_a_world_is_a_single_run():
    """It is learned in stretches, so that it can be stopped, and its time says how many runs the next may have."""
    schedule = Schedule([range(100)] * 4, 1, 10**6, None, num_worlds=2, backwards=False)
    sizes = []
    for seconds in (1e-6, 0.5, 1e-6):
        cell, runs = schedule.take(print)
        sizes.append((cell, len(runs)))
        schedule.note(cell, len(runs), seconds * len(runs))
    assert sizes == [(0, 1), (1, 1), (2, 100)]
    assert [(cell, len(runs)) for cell, runs in [schedule.take(print)]] == [(3, 1)]


def test_after_max_seconds_what_is_complete_is_returned():
    Experiment({"open": "5x5"}, LEARNERS, range(4), num_episodes=50).run()  # compiles
    experiment, begun = Experiment({"open": "5x5"}, LEARNERS, range(200_000), num_episodes=50), time.perf_counter()
    results = experiment.run(max_seconds=np.float32(2.0))
    assert time.perf_counter() - begun < 20.0
    num_seeds = len(results.seeds)
    assert 2 <= num_seeds < 200_000
    few = Experiment({"open": "5x5"}, LEARNERS, results.seeds[:: num_seeds - 1], num_episodes=50).run()
    assert np.array_equal(results.steps[:, :, :: num_seeds - 1], few.steps)


def test_a_long_run_is_given_up_after_max_seconds(tmp_path):
    experiment, begun = Experiment({"open": "5x5"}, LEARNERS, [1], num_episodes=10**9), time.perf_counter()
    message = "stopped before any seed was complete .*; 0 of 2 runs are complete, and "
    with pytest.raises(StoppedError, match=f"{message}are lost without a folder"):
        experiment.run(max_seconds=0.3)
    with pytest.raises(StoppedError, match=f"{message}are saved in {tmp_path}: the same call goes on"):
        experiment.run(max_seconds=0.3, folder=tmp_path)
    assert time.perf_counter() - begun < 60.0
    for thread in threading.enumerate():
        if thread.name.startswith("clew-"):
            thread.join(timeout=10.0)
            assert not thread.is_alive()


def test_in_time_nothing_is_missing():
    results = Experiment(WORLDS, LEARNERS, range(5), num_episodes=30).run(max_seconds=1e12)
    assert results.seeds == (0, 1, 2, 3, 4)


def test_an_agent_does_not_choose_the_seeds():
    """Seeds would be left out by what they have learned if an agent could stop the experiment."""

    class Agent:
        def act(self, state):
            raise clew.StopTraining

        def update(self, transition):
            pass

    experiment = Experiment({"open": "5x5"}, {"agent": lambda env, seed: Agent(), "Q": {}}, range(3), num_episodes=2)
    with pytest.raises(SettingError, match=r"agent in open, seed [0-2]: StopTraining was raised in a run"):
        experiment.run()


@pytest.mark.usefixtures("single_runs")
@pytest.mark.parametrize("folder", [None, "kept"])
def test_a_sweep_chooses_nothing_before_its_end(folder, tmp_path):
    sweep = clew.Sweep("5x5", {"alpha": [0.1, 0.5]}, num_episodes=20, seeds=range(50), fresh_seeds=range(50, 60))
    folder = folder and tmp_path / folder
    fate = "the same call goes on from the folder" if folder else "its runs are lost without a folder"
    with pytest.raises(StoppedError, match=f"the sweep was stopped before .*; {fate}"):
        sweep.run(folder=folder, progress=stop_at(40))
    assert len(sweep.run(folder=folder).selection.seeds) == 50
