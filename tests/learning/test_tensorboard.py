"""`log_to_tensorboard`: TensorBoard's own reader finds the metrics of every round."""

import sys
from dataclasses import asdict

import numpy as np
import pytest

import clew
from clew.errors import ExtraError, RunError, SettingError

ENV = clew.Environment(clew.Maze.open(4, 4), slip=0.1)


def scalars_in(folder):
    """Return the scalars of a run, by their names: a list of (step, value)."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def expected(rows):
    names = ("mean_steps", "mean_return", "terminated_rate", "seconds")
    return {name: [(row.num_ended, float(np.float32(asdict(row)[name]))) for row in rows] for name in names}


def test_tensorboard_reads_the_metrics_of_every_round(tmp_path):
    rows, log = [], clew.log_to_tensorboard(tmp_path / "new" / "run")

    def callback(row):
        rows.append(row)
        log(row)

    clew.train_policy(ENV, 730, seed=1, callback=callback)
    assert len(rows) == 92  # of 8 episodes each
    assert scalars_in(tmp_path / "new" / "run") == expected(rows)


def test_a_training_that_was_stopped_is_written_when_the_callback_is_given_up(tmp_path):
    rows, logs = [], [clew.log_to_tensorboard(tmp_path)]

    def callback(row):
        rows.append(row)
        logs[0](row)
        if len(rows) == 3:
            raise clew.StopTraining

    clew.train_policy(ENV, 1000, seed=1, callback=callback)
    logs.clear()
    assert scalars_in(tmp_path) == expected(rows)
    assert rows[-1].num_ended == 30


def test_the_progress_of_an_experiment_is_refused(tmp_path):
    experiment = clew.Experiment({"w": ENV}, {"q": {}}, range(2), num_episodes=5)
    with pytest.raises(SettingError, match="logs the rounds of a single training; of an experiment, log"):
        experiment.run(progress=clew.log_to_tensorboard(tmp_path))


def test_trainings_that_begin_within_a_second_have_files_of_their_own(tmp_path):
    logs = [clew.log_to_tensorboard(tmp_path) for _ in range(5)]
    for log in logs:
        clew.train_policy(ENV, 10, callback=log)
    assert len(list(tmp_path.iterdir())) == 5


def test_a_run_of_an_experiment_is_written_afterwards(tmp_path):
    results = clew.Experiment({"w": ENV}, {"q": {}}, range(2), num_episodes=50).run()
    rows = results.metrics("w")["q"][1]
    log = clew.log_to_tensorboard(tmp_path)
    for row in rows:
        log(row)
    assert scalars_in(tmp_path) == expected(rows)


def test_without_tensorboardx_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ExtraError, match=r'pip install "clew\[tensorboard\]"'):
        clew.log_to_tensorboard(tmp_path)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file: can't be written: Not a directory"):
        clew.log_to_tensorboard(tmp_path / "file")
    with pytest.raises(clew.SettingError, match="folder must be a path"):
        clew.log_to_tensorboard(5)
