"""Sweeps: the best settings are those of the experiment, reported on seeds that didn't choose them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import clew
from clew import Experiment, Learning, Range, SettingError, Sweep, TrainingConfig
from clew.experiments import collecting, experiment
from clew.experiments.grids import edges_of, grid_of, random_points, warnings_of
from clew.policies.plugins import load_plugin
from worlds import only_steps

CHOICES = {"alpha": [0.1, 0.5, 0.9], "algorithm": ["sarsa", "q-learning", "expected-sarsa"]}
BASE = {"gamma": 1.0}


@pytest.fixture(scope="module")
def found():
    return Sweep("cliff", CHOICES, base=BASE, num_episodes=100, seeds=range(20)).run()


def test_every_combination_has_the_runs_of_an_experiment_with_the_same_seeds(found):
    assert found.points == [{"alpha": a, "algorithm": b} for a in CHOICES["alpha"] for b in CHOICES["algorithm"]]
    learners = {str(i): {**BASE, **point} for i, point in enumerate(found.points)}
    results = Experiment({"cliff": "cliff"}, learners, range(20), num_episodes=100).run()
    assert np.array_equal(found.sample, results.episode_return[:, 0].mean(axis=-1))
    assert found.best_index == found.sample.mean(axis=1).argmax()
    assert found.best == {"gamma": 1.0, **found.points[found.best_index]}


def test_the_report_is_on_fresh_seeds(found):
    learners = {"best": found.best, "base": BASE}
    results = Experiment({"cliff": "cliff"}, learners, range(20, 50), num_episodes=100).run()
    assert found.report == results.compare()
    assert found.fresh.seeds == tuple(range(20, 50))
    assert found.report.comparisons["best", "base", "cliff"].is_different


def test_settings_that_are_equally_good_are_said():
    found = Sweep("5x5", {"alpha": [0.1, 0.5], "epsilon": [0.1, 0.2]}, num_episodes=50, seeds=range(3)).run()
    assert (found.sample == 1.0).all()  # every episode ends at the goal, and returns are not discounted
    (warning,) = found.warnings
    assert warning.startswith("3 other settings are as good in all runs")


def test_settings_that_are_as_good_as_the_best_hide_no_edge():
    found = warnings_of(np.array([[3.0, 2.0], [2.0, 3.0], [1.0, 1.0], [0.0, 1.0]]), 0, ["the best alpha"], "steps")
    assert found == ["1 other setting is as good in all runs: the first of them was taken", "the best alpha"]
    same = "2 other settings are as good in all runs: they made no difference, so nothing was chosen; take "
    for figure, remedy in (("terminated", "another figure, such as 'steps'"), ("steps", "more episodes")):
        assert warnings_of(np.ones((3, 2)), 0, ["the best alpha"], figure) == [same + remedy]


def test_a_best_that_is_the_base_is_said(found):
    arguments = {"num_episodes": 5, "seeds": range(2), "fresh_seeds": [2, 3]}
    same = Sweep("5x5", {"alpha": [0.1]}, **arguments).run()
    assert "\nOn fresh seeds; best has the settings of base\n" in str(same)
    traces = Sweep("5x5", {"algorithm": ["sarsa-lambda"]}, base={"lambda_": 0.5}, **arguments).run()
    assert "\nOn fresh seeds; base alone is not a learner\n" in str(traces)
    assert "\nOn fresh seeds\n" in str(found)


def test_integer_ends_of_a_real_setting_are_a_continuous_range():
    sweep = Sweep("5x5", {"epsilon": Range(0, 1), "initial_value": Range(0, 2)}, num_episodes=5, num_random=20)
    assert len({point["epsilon"] for point in sweep.points}) == 20
    assert all(0.0 < value < 1.0 for value in (point["epsilon"] for point in sweep.points))
    whole = Sweep("5x5", {"n": Range(1, 4)}, base="n-step-sarsa", num_episodes=5, num_random=4)
    assert sorted(point["n"] for point in whole.points) == [1, 2, 3, 4]


def test_the_table_says_how_many_runs_are_censored():
    choices, seeds = {"epsilon": [0.1, 0.2, 0.9]}, range(20)
    found = Sweep("5x5", choices, num_episodes=300, seeds=seeds, figure="episodes_to_optimal").run()
    counts = np.isinf(found.sample).sum(axis=1)
    assert 0 < counts[found.best_index] < counts[2] == 20
    assert [row["num_censored"] for row in found.to_dict()["settings"]] == counts.tolist()
    best = found.sample[found.best_index]
    rows = str(found).splitlines()[1:4]
    words = f"{counts[found.best_index]} of 20 runs censored; mean of the others {best[np.isfinite(best)].mean():.4g}"
    assert rows[0].endswith(words)
    assert rows[2] == "epsilon=0.9  20 of 20 runs censored"


def test_a_figure_that_can_not_be_computed_is_refused_before_the_runs(monkeypatch):
    arguments = {"num_episodes": 10**9, "figure": "suboptimality"}
    with pytest.raises(SettingError, match=r"needs the optimum, which is unknown for alpha=0\.1 in world"):
        Sweep(only_steps(clew.Environment(clew.Maze.open(3, 3))), {"alpha": [0.1, 0.5]}, **arguments)
    monkeypatch.setattr(collecting, "MEMORY_LIMIT", 2 * 10 * 4 * 100 - 1)
    with pytest.raises(SettingError, match="suboptimality is unknown: the action values of all runs would take more"):
        Sweep("5x5", {"alpha": [0.1, 0.5]}, **arguments)


def test_less_is_better_for_steps():
    found = Sweep("5x5", {"epsilon": [1.0, 0.1]}, num_episodes=200, seeds=range(3), figure="steps", last=50).run()
    assert found.best == {"epsilon": 0.1}
    assert found.sample[1].mean() < found.sample[0].mean()


def test_curves_have_the_means_by_setting(found):
    curves = found.curve("alpha")
    assert list(curves) == [f"algorithm={name}" for name in CHOICES["algorithm"]]
    means = found.sample.mean(axis=1).reshape(3, 3)
    for i, curve in enumerate(curves.values()):
        assert curve.values.tolist() == [0.1, 0.5, 0.9]
        assert curve.means.tolist() == means[:, i].tolist()
        assert ((curve.low < curve.means) & (curve.means < curve.high)).all()
    with pytest.raises(SettingError, match="epsilon"):
        found.curve("epsilon")


def test_curves_of_random_points_are_in_order():
    choices = {"alpha": Range(0.1, 1.0)}
    found = Sweep("5x5", choices, num_episodes=10, seeds=range(2), fresh_seeds=[2, 3], num_random=5).run()
    (curve,) = found.curve("alpha").values()
    assert curve.values.tolist() == sorted(point["alpha"] for point in found.points)


def test_curves_are_plotted(found):
    plot = found.plot("alpha")
    lines = plot.axes[0].get_lines()
    assert [line.get_label() for line in lines] == [f"algorithm={name}" for name in CHOICES["algorithm"]]
    assert lines[0].get_ydata().tolist() == found.curve("alpha")["algorithm=sarsa"].means.tolist()
    assert (plot.axes[0].get_xlabel(), plot.axes[0].get_ylabel()) == ("alpha", "return")
    assert any(0.0 < tick < 1.0 for tick in plot.axes[0].get_xticks())
    negative = Sweep("5x5", {"initial_value": [-1.0, 0.5]}, num_episodes=5, seeds=[0, 1]).run().plot("initial_value")
    assert negative.axes[0].get_xlim() == (-1.0, 0.5)
    censored = Sweep("5x5", {"alpha": [0.1, 0.2]}, num_episodes=5, seeds=[0, 1], figure="steps_to_optimal").run()
    with pytest.raises(SettingError, match="runs are censored"):
        censored.plot("alpha")
    with pytest.raises(SettingError, match="aren't numbers"):
        found.plot("algorithm")


EDGES = [
    ({"alpha": [0.1, 0.5, 0.9]}, 0.9, "the best alpha, 0.9, is the greatest of the grid"),
    ({"alpha": [0.1, 0.5, 0.9]}, 0.1, "the best alpha, 0.1, is the least of the grid"),
    ({"alpha": [0.1, 0.5, 0.9]}, 0.5, None),
    ({"alpha": [0.1, 0.5, 1.0]}, 1.0, None),  # no step size is greater
    ({"epsilon": [0.0, 0.1]}, 0.0, None),
    ({"n": [1, 2, 4]}, 1, None),
    ({"n": [1, 2, 4]}, 4, "the best n, 4, is the greatest"),
    ({"initial_value": [0.0, 1.0]}, 0.0, "the best initial_value, 0, is the least"),
    ({"algorithm": ["sarsa", "q-learning"]}, "sarsa", None),
    ({"optimistic": [False, True]}, True, None),
]


@pytest.mark.parametrize(("choices", "best", "warning"), EDGES)
def test_a_best_value_on_the_edge_of_the_grid_is_reported(choices, best, warning):
    name = next(iter(choices))
    settings = {"algorithm": "n-step-sarsa"} if name == "n" else {}
    found = edges_of(choices, {name: best}, {**settings, name: best})
    assert [each.startswith(warning or "") for each in found] == [True] * (warning is not None)


def test_random_points_are_in_range_different_and_repeatable():
    choices = {"alpha": Range(0.01, 1.0, log=True), "n": Range(1, 8, log=True), "epsilon": Range(0.0, 0.2)}
    points = random_points(choices, 500, 7)
    assert points == random_points(choices, 500, 7) != random_points(choices, 500, 8)
    alphas = np.array([each["alpha"] for each in points])
    assert (alphas >= 0.01).all()
    assert (alphas <= 1.0).all()
    assert 0.4 < (alphas < 0.1).mean() < 0.6  # half of a logarithmic scale
    assert {each["n"] for each in points} == set(range(1, 9))
    assert all(isinstance(each["n"], int) for each in points)
    assert len(random_points({"n": [1, 2]}, 10, 0)) == 2
    assert len(grid_of({"n": [1, 2], "alpha": [0.1, 0.2, 0.3]})) == 6


def test_the_best_settings_are_a_configuration(found, tmp_path):
    found.save(tmp_path / "best.json")
    config = TrainingConfig.from_dict(json.loads((tmp_path / "best.json").read_text()))
    assert (config.maze, config.num_episodes, config.gamma) == ("cliff", 100, 1.0)
    assert config.learning == Learning(**found.best)
    json.dumps(found.to_dict(), allow_nan=False)
    assert str(found).count("\n") > 12
    with pytest.raises(clew.RunError, match="can't be written"):
        found.save(tmp_path / "none" / "best.json")


def test_a_world_may_have_settings():
    config = TrainingConfig(maze="5x5", slip=0.2)
    choices = {"alpha": [0.3, 0.5]}
    found, other = (
        Sweep(world, choices, num_episodes=5, seeds=range(2), fresh_seeds=[2, 3]).run()
        for world in (config, clew.Environment(clew.Maze.open(5, 5), slip=0.2))
    )
    assert np.array_equal(found.sample, other.sample)
    assert found.config().items() >= {"maze": "5x5", "slip": 0.2, "num_episodes": 5}.items()
    assert "maze" not in other.config()
    with pytest.raises(SettingError, match="the world '5x5': has settings of a learner or a run, alpha"):
        Sweep(TrainingConfig(maze="5x5", alpha=0.3), choices, num_episodes=5)


def test_a_folder_keeps_the_runs(tmp_path):
    sweep = Sweep("5x5", {"alpha": [0.3, 0.5]}, num_episodes=10, seeds=range(4), fresh_seeds=range(4, 7))
    first, second = sweep.run(folder=tmp_path), sweep.run(folder=tmp_path)
    assert (first.selection.num_computed, first.fresh.num_computed) == (8, 6)
    assert (second.selection.num_computed, second.fresh.num_computed) == (0, 0)
    assert np.array_equal(first.sample, second.sample)
    more = Sweep("5x5", {"alpha": [0.3, 0.5, 0.7]}, num_episodes=10, seeds=range(4), fresh_seeds=range(4, 7))
    assert more.run(folder=tmp_path).selection.num_computed == 4


def test_parameters_of_a_plug_in_are_chosen_like_settings(tables):
    load_plugin(Path(__file__).parents[2] / "examples" / "my_rules.py")
    base = {"algorithm": "my_rules:counted", "gamma": 0.95}
    choices = {"bonus": [0.1, 1.0, 8.0], "alpha": [0.2, 0.4]}
    arguments = {"num_episodes": 60, "seeds": range(3), "fresh_seeds": [5, 6], "figure": "steps"}
    found = Sweep("5x5", choices, base=base, **arguments).run()
    learners = {str(i): {**base, "alpha": 0.2, "algorithm_settings": {"bonus": b}} for i, b in enumerate((0.1, 1, 8))}
    results = Experiment({"w": "5x5"}, learners, range(3), num_episodes=60).run()
    expected = [results.sample(name, "w", "steps").mean() for name in learners]
    assert found.curve("bonus")["alpha=0.2"].means.tolist() == expected
    assert len(set(expected)) == 3
    assert found.best["algorithm_settings"] == {"bonus": found.points[found.best_index]["bonus"]}
    edges = {"bonus": [0.0, 50.0, 100.0]}  # no bonus is below 0 or above 100
    assert [edges_of(edges, {"bonus": each}, base) for each in (0.0, 50.0, 100.0)] == [[], [], []]
    assert edges_of(choices, {"bonus": 8.0, "alpha": 0.2}, base)[0].startswith("the best bonus, 8, is the greatest")
    with pytest.raises(SettingError, match="bonis is not a setting; did you mean 'bonus'"):
        Sweep("5x5", {"bonis": [1.0, 2.0]}, base=base, num_episodes=5)
    with pytest.raises(SettingError, match="bonus is not a setting"):
        Sweep("5x5", {"bonus": [1.0, 2.0]}, num_episodes=5)
    with pytest.raises(SettingError, match="parameters of sarsa, and 'bonus' is none"):
        Sweep("5x5", {"bonus": [1.0, 2.0], "algorithm": ["my_rules:counted", "sarsa"]}, num_episodes=5)


def test_a_sweep_beyond_the_limit_says_that_not_all_episodes_are_recorded(monkeypatch):
    monkeypatch.setattr(experiment, "MEMORY_LIMIT", 17 * 2 * 3 * 25)
    arguments = {"num_episodes": 100, "seeds": range(3), "fresh_seeds": [5, 6], "figure": "steps", "last": 40}
    found = Sweep("5x5", {"alpha": [0.3, 0.5]}, **arguments).run()
    assert found.selection.episodes.tolist() == list(range(3, 100, 4))
    assert np.array_equal(found.sample, found.selection.steps[:, 0, :, -10:].mean(axis=-1))
    assert found.title.startswith(
        "number of steps: mean of the recorded ones of the last 40 episodes; 2 settings in 5x5"
    )


def test_the_title_of_a_figure_of_whole_runs():
    found = Sweep("cliff", {"alpha": [0.3, 0.5]}, num_episodes=20, seeds=[0, 1], figure="regret").run()
    assert found.title == "regret: 2 settings in cliff, 2 seeds each"
    assert found.plot("alpha").axes[0].get_ylabel() == "regret"


PEAK = """
import re, pathlib, numpy, clew
# Of this program alone: ru_maxrss begins with that of the process that started it.
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) * 1024
clew.Sweep("3x3", {"alpha": [0.1, 0.5]}, num_episodes=5, figure="steps").run()
before = peak()
choices = {"alpha": numpy.linspace(0.04, 1, 25).tolist(), "epsilon": numpy.linspace(0.01, 0.2, 20).tolist()}
found = clew.Sweep("3x3", choices, num_episodes=5000, seeds=range(30), figure="steps").run()
print(peak() - before, found.selection.steps.size, found.sample.shape)
"""


@pytest.mark.nightly
def test_a_sweep_of_75_million_episodes_stays_below_the_limit():
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, timeout=280, check=True)
    peak, size, shape = done.stdout.split(maxsplit=2)
    assert (int(size), shape.strip()) == (500 * 30 * 5000 // 4, "(500, 30)")
    assert 17 * int(size) < int(peak) < collecting.MEMORY_LIMIT


def test_random_points_have_different_names():
    sweep = clew.Sweep("3x3", {"alpha": clew.Range(0.5, 0.50001)}, num_episodes=5, num_random=50)
    assert len({f"{point['alpha']:.6g}" for point in sweep.points}) == len(sweep.points) <= 11


def test_numbers_of_numpy_are_saved_and_their_edges_are_seen(tmp_path):
    choices = {"num_planning": np.array([1, 5]), "alpha": np.array([0.25, 0.5], np.float32)}
    found = clew.Sweep("3x3", choices, base="dyna-q", num_episodes=5, seeds=range(3)).run()
    found.save(tmp_path / "best.json")
    assert json.loads((tmp_path / "best.json").read_text())["num_planning"] in (1, 5)
    assert json.dumps(found.to_dict())


WRONG = [
    ({"choices": {}}, "choices must not be empty"),
    ({"choices": [1]}, "choices must be a dictionary"),
    ({"choices": {"alpa": [0.1]}}, "alpa is not a setting; did you mean 'alpha'"),
    ({"choices": {"alpha": []}}, "alpha must have at least one value"),
    ({"choices": {"alpha": [0.1, 0.1]}}, "alpha must have different values"),
    (
        {"choices": {"alpha": [0.01000001, 0.01000002]}},
        "alpha must have different values, also in their first six digits",
    ),
    ({"choices": {"alpha": [0.1, 2.0]}}, "the learner 'alpha=2': alpha must be"),
    ({"choices": {"alpha": Range(0.1, 1.0)}}, "alpha is a range, which has no grid"),
    ({"fresh_seeds": range(5, 40)}, "fresh_seeds must be others than seeds, and 5 is in both"),
    ({"fresh_seeds": [77]}, "fresh_seeds must be at least two"),
    ({"base": 3}, "base must be settings"),
    ({"figure": "length"}, "figure"),
    ({"figure": "regret", "last": 5}, "last has no effect on regret"),
    ({"num_random": 0}, "num_random must be"),
    ({"world": "clif"}, "the world 'clif'"),
    ({"choices": {"alpha": [i / 400 for i in range(1, 401)], "n": list(range(1, 401))}}, "at most 100,000"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_mistakes_are_named(wrong, message):
    arguments = {"world": "5x5", "choices": {"alpha": [0.1, 0.5]}, "num_episodes": 5, **wrong}
    with pytest.raises(SettingError, match=message):
        Sweep(**arguments)


@pytest.mark.parametrize(
    ("ends", "message"),
    [((1.0, 0.1), "low must be below high"), ((0.0, 1.0, True), "low must be above 0"), (("a", 1.0), "low must be")],
)
def test_ranges_that_are_none_are_refused(ends, message):
    with pytest.raises(SettingError, match=message):
        Range(*ends)


@pytest.mark.nightly
def test_figure_6_3_of_the_book():
    """Interim performance rises with alpha for Expected Sarsa; Sarsa diverges late, Q-learning and it don't."""
    alphas = [round(0.1 + 0.05 * i, 2) for i in range(19)]
    choices = {"alpha": alphas, "algorithm": ["sarsa", "q-learning", "expected-sarsa"]}
    interim = Sweep("cliff", choices, base=BASE, num_episodes=100, seeds=range(500)).run()
    assert interim.best == {"gamma": 1.0, "alpha": 1.0, "algorithm": "expected-sarsa"}
    sarsa, q_learning, expected = (each.means for each in interim.curve("alpha").values())
    assert (expected > sarsa).all()
    assert (sarsa > q_learning).all()
    late = Sweep("cliff", choices, base=BASE, num_episodes=10_000, seeds=range(3), last=5_000).run()
    sarsa, q_learning, expected = (each.means for each in late.curve("alpha").values())
    assert sarsa[-1] < q_learning[-1] < expected[-1]
    assert np.ptp(expected) < 3.0
