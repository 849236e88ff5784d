"""The bar of tqdm, on a terminal; what a notebook shows is in test_notebooks.py."""

import sys

import pytest

import clew
from clew.errors import ExtraError
from clew.learning.metrics import RoundMetrics


def row(number, of, steps):
    return RoundMetrics(number, 10, 100, steps, 1.0, 0.0, 0.5, num_ended=10 * number + 10, total_episodes=10 * of)


def test_a_bar_counts_episodes_and_ends_with_the_last(capsys):
    show = clew.show_progress("walking")
    assert capsys.readouterr() == ("", "")  # nothing before the first round
    for number, steps in enumerate((1234.5, 20.0, 8.25)):
        show(row(number, 3, steps))
    out, err = capsys.readouterr()
    assert out == ""
    last = err.split("\r")[-1]
    assert last.startswith("walking: 100%")
    assert "30/30" in last
    assert "8.2 steps per episode" in last
    assert err.endswith("\n")  # closed: what follows stands on a line of its own


def test_another_training_has_another_bar_also_if_the_first_was_stopped(capsys):
    show = clew.show_progress()
    show(row(0, 7, 9.0))
    show(row(0, 2, 5.0))
    show(row(1, 2, 4.0))
    lines = capsys.readouterr().err.splitlines()
    assert any("0/70" in line for line in lines[:-1])
    assert "20/20" in lines[-1]
    assert "4.0 steps per episode" in lines[-1]


def test_the_bar_is_fed_by_training(capsys):
    env = clew.Environment(clew.Maze.open(3, 3))
    clew.train_policy(env, 5, callback=clew.show_progress())
    assert "5/5" in capsys.readouterr().err


def test_an_experiment_has_a_bar_that_counts_runs(capsys, tmp_path):
    show = clew.show_progress("running")
    for seeds in (range(20), range(30)):  # of which twenty are found
        clew.Experiment({"open": "3x3"}, {"Q": {}}, seeds, num_episodes=5).run(progress=show, folder=tmp_path)
        last = capsys.readouterr().err.split("\r")[-1]
        assert last.startswith("running: 100%")
        assert f"{len(seeds)}/{len(seeds)}" in last
        assert last.endswith("\n")


def test_without_tqdm_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.delitem(sys.modules, "tqdm.auto", raising=False)
    with pytest.raises(ExtraError, match=r'pip install "clew\[notebook\]"'):
        clew.show_progress()
