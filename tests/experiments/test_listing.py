"""The list of experiments in a folder."""

import json

import pytest

from clew import Experiment
from clew.experiments.listing import list_experiments

BAD = '{"learners": [{}], "worlds": [[]], "seeds": [{}], "cells": [[]], "num_episodes": 5, "num_steps": null}'
WORLDS, LEARNERS = {"open": "5x5"}, {"Q": {}, "Sarsa": "sarsa"}


def run(folder, num_seeds, learners=LEARNERS, **budget):
    return Experiment(WORLDS, learners, range(num_seeds), **budget or {"num_episodes": 5}).run(folder=folder)


def test_an_experiment_that_is_part_of_another_one_is_not_listed(tmp_path):
    for num_seeds in (3, 6, 4):
        run(tmp_path, num_seeds)
    run(tmp_path, 5, {"Q": {}})
    (listed,) = list_experiments(tmp_path)
    assert (listed.learners, listed.worlds, listed.num_seeds, listed.num_episodes) == (["Q", "Sarsa"], ["open"], 6, 5)
    assert (listed.num_done, listed.num_runs, listed.is_finished) == (12, 12, True)
    run(tmp_path, 4, num_steps=30)
    assert [(each.num_steps, each.num_runs) for each in list_experiments(tmp_path)] == [(None, 12), (30, 8)]


@pytest.mark.parametrize("last", [b"", b"?"], ids=["cut off", "changed"])
def test_damaged_runs_are_not_complete(tmp_path, last):
    run(tmp_path, 6)
    (plan,) = tmp_path.glob("experiment-*.json")
    first = json.loads(plan.read_text())["cells"][0]
    for path in tmp_path.glob(f"cell-{first}.*.runs"):
        path.write_bytes(path.read_bytes()[:-1] + last)  # its last record
    (listed,) = list_experiments(tmp_path)
    assert 6 <= listed.num_done < 12
    assert not listed.is_finished
    run(tmp_path, 6)
    assert list_experiments(tmp_path)[0].is_finished


def test_damaged_files_are_passed_over(tmp_path):
    assert list_experiments(tmp_path) == []
    run(tmp_path, 2)
    for i, text in enumerate(("", "[]", "{}", '{"learners": 1}', "\xff", BAD)):
        (tmp_path / f"experiment-{i}.json").write_text(text)
    for path in tmp_path.glob("*.runs"):
        path.write_bytes(path.read_bytes() + b"CLEWRUN1" + b"\0" * 40 + b"more")
    (listed,) = list_experiments(tmp_path)
    assert listed.num_done == 4


def test_a_damaged_plan_is_written_again(tmp_path):
    run(tmp_path, 2)
    (plan,) = tmp_path.glob("experiment-*.json")
    plan.write_text("{")
    run(tmp_path, 2)
    assert list_experiments(tmp_path)[0].is_finished
