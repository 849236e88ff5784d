"""clew compare, clew sweep and clew runs."""

import json
import re

import pytest

import clew as package
from clew import Experiment, TrainingConfig
from clew.cli.experiment_commands import FIGURE_NAMES, read_learner
from clew.experiments.optimum import OUTCOMES
from clew.experiments.results import EPISODE_FIGURES

CLIFF = ("--world", "cliff", "--episodes", 100, "--seeds", 5)


def test_compare_prints_the_table_and_the_verdict(clew):
    code, out, _ = clew("compare", "sarsa:alpha=0.3", "q-learning", *CLIFF, "--alpha", 0.5, "--last", 50)
    learners = {"sarsa:alpha=0.3": {"algorithm": "sarsa", "alpha": 0.3, "gamma": 1.0}}
    learners["q-learning"] = {"alpha": 0.5, "gamma": 1.0}  # the discount is that of the world's card
    results = Experiment({"cliff": "cliff"}, learners, range(5), num_episodes=100).run()
    assert (code, out) == (0, f"{results.compare(last=50)}\n")


def test_compare_prints_json_and_keeps_its_runs(clew, tmp_path):
    words = ("compare", "sarsa", "q-learning", *CLIFF, "--figure", "steps", "--out", tmp_path / "kept", "--json")
    first, second = (json.loads(clew(*words)[1]) for _ in range(2))
    assert (first["num_computed"], second["num_computed"]) == (10, 0)
    assert first["verdicts"] == second["verdicts"]
    assert first["comparisons"][0]["lower_is_better"]
    rows = json.loads(clew("runs", tmp_path, "--json")[1])
    assert [(row["folder"], row["kind"], row["state"]) for row in rows] == [("kept", "experiment", "finished")]


def test_too_many_seeds_and_repeated_worlds_are_refused(clew):
    code, _, error = clew("compare", "sarsa", "--world", "5x5", "--seeds", 300_000_000)
    assert (code, error) == (2, "clew: --seeds must be at most 10,000,000\n")
    code, _, error = clew("compare", "sarsa", "--world", "5x5", "--world", "5x5")
    assert (code, error) == (2, "clew: --world must be different, and one is there twice\n")


def test_a_file_for_the_best_is_checked_before_learning(clew, tmp_path):
    (tmp_path / "best.json").write_text("a letter")
    for place in (tmp_path / "none" / "best.json", tmp_path, tmp_path / "best.json"):
        code, out, error = clew("sweep", "5x5", "--alpha", "0.1,0.5", "--episodes", 2_000_000_000, "--best", place)
        assert (code, out) == (2, "")
        assert "can't be written" in error
    assert [each.name for each in tmp_path.iterdir()] == ["best.json"]


def test_compare_stops_after_max_seconds(clew):
    words = ("compare", "sarsa", "--world", "5x5", "--seeds", 10**6, "--max-seconds", 3, "--json")
    assert 2 <= len(json.loads(clew(*words)[1])["seeds"]) < 10**6


def test_compare_and_sweep_warn_in_the_words_of_doctor(clew):
    [finding] = package.examine(package.Maze.open(5, 5), num_episodes=20, gamma=1.0)
    options = "--episodes", 20, "--seeds", 2
    code, out, error = clew("compare", "sarsa", "q-learning:gamma=1", "--world", "5x5", "--gamma", 0.9, *options)
    assert code == 0
    warnings = [line for line in error.splitlines() if "compiling" not in line]
    assert warnings == [f"warning: q-learning:gamma=1 in 5x5: {finding}"]
    assert "warning" not in out
    assert "warning" not in clew("compare", "sarsa", "q-learning", "--world", "5x5", *options)[2]
    code, _, error = clew("sweep", "5x5", "--alpha", "0.1,0.2,0.3,0.4,0.5", "--gamma", "0.9,1", *options)
    assert code == 0
    assert f"warning: alpha=0.1, gamma=1 in 5x5; alpha=0.2, gamma=1 in 5x5; and 3 others: {finding}\n" in error
    assert error.count("gamma below 1") == 1


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("sarsa", {"algorithm": "sarsa", "alpha": 0.2}),
        ("sarsa-lambda:lambda=0.5,alpha=1", {"algorithm": "sarsa-lambda", "alpha": 1, "lambda_": 0.5}),
        ("q-learning:behaviour=ucb,optimistic=true", {"behaviour": "ucb", "optimistic": True}),
        ("mine:rule:alpha=0.3,bonus=2", {"algorithm": "mine:rule", "alpha": 0.3, "algorithm_settings": {"bonus": 2}}),
        ("mine:rule", {"algorithm": "mine:rule"}),
    ],
)
def test_learners_have_settings_of_their_own(text, settings):
    assert read_learner(text, {"alpha": 0.2}).items() >= settings.items()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("compare sarsa sarsa --world cliff", "learners must be different"),
        ("compare sarsa --world cliff --world 5x5", "--gamma must be given, as worlds have different usual ones"),
        ("compare sarsa:alpa=1 --world cliff", "the learner 'sarsa:alpa=1': alpa is not a setting"),
        ("compare sarsa:alpha=1, --world cliff", "a setting must be NAME=VALUE"),
        ("compare sarsa --world clif", "the world 'clif': no maze is called 'clif'"),
        ("compare sarsa --world cliff --seeds 1", "--seeds must be"),
        ("compare sarsa --world cliff --figure length", "--figure must be"),
        ("compare sarsa --world cliff --max-seconds 0", "--max-seconds must be"),
        (
            "compare sarsa --world cliff --exploring-starts --figure regret",
            "needs the optimum of mean_return.* unknown for sarsa in cliff",
        ),
        ("compare sarsa", "--world"),
        ("compare sarsa --world cliff --slip 0.1", "the world 'cliff': slip has no effect on 'cliff'"),
        ("sweep cliff --alpha 0.1", "there is nothing to choose from"),
        ("sweep cliff --alpha 0.1..1", "--alpha is a range, which has no grid.*take --random 20"),
        ("sweep cliff --alpha 1..0.1 --random 3", "--alpha must be LOW..HIGH with LOW below HIGH"),
        ("sweep cliff --alpha 0.1,x", "--alpha must be a number, not 'x'"),
        ("sweep cliff --optimistic yes,no", "--optimistic must be true, false"),
        ("runs none-such", "none-such: there is no such folder"),
    ],
)
def test_mistakes_are_one_line(clew, words, message):
    code, out, err = clew(*words.split())
    assert (code, out) == (2, "")
    assert err.startswith("clew: ")
    assert err.count("\n") == 1
    assert re.search(message, err)


def test_sweep_writes_a_configuration_that_train_takes(clew, tmp_path):
    words = ("--alpha", "0.1,0.5,0.9", "--algorithm", "sarsa,q-learning", "--epsilon", 0.1, "--episodes", 100)
    best = tmp_path / "best.json"
    code, out, _ = clew("sweep", "cliff", *words, "--seeds", 4, "--fresh-seeds", 5, "--best", best)
    assert code == 0
    config = TrainingConfig.from_dict(json.loads(best.read_text()))
    assert out.splitlines()[0] == "return: mean of all episodes; 6 settings in cliff, 4 seeds each"
    assert out.splitlines()[1].split()[0] == f"algorithm={config.algorithm},"
    assert (config.maze, config.gamma, config.num_episodes) == ("cliff", 1.0, 100)
    by_file = json.loads(clew("train", "--config", best, "--json")[1])
    by_line = json.loads(clew(*out.splitlines()[-1].split()[1:], "--json")[1])
    assert by_file["table_sha256"] == by_line["table_sha256"]
    for option in ("--seed", 1), ("--alpha", 0.3):  # replaces the setting of the file
        other = json.loads(clew("train", "--config", best, *option, "--json")[1])
        assert other["table_sha256"] != by_file["table_sha256"]


def test_options_of_worlds_hold_for_compare_and_sweep(clew, tmp_path):
    words = ("--slip", 0.2, "--max-steps", 50, "--episodes", 20, "--seeds", 2, "--json")
    found = json.loads(clew("compare", "sarsa", "--world", "5x5", *words)[1])
    env = package.Environment(package.Maze.open(5, 5), slip=0.2, max_episode_steps=50)
    results = Experiment({"5x5": env}, {"sarsa": "sarsa"}, range(2), num_episodes=20).run()
    assert found["summaries"][0]["mean"] == results.sample("sarsa", "5x5").mean()
    best = tmp_path / "best.json"
    clew("sweep", "5x5", "--alpha", "0.1,0.5", "--start", "1,0", *words, "--fresh-seeds", 2, "--best", best)
    config = TrainingConfig.from_dict(json.loads(best.read_text()))
    assert (config.maze, config.start, config.slip, config.max_episode_steps) == ("5x5", (1, 0), 0.2, 50)


def test_sweep_draws_from_ranges(clew):
    words = ("--alpha", "0.01..1:log", "--random", 3, "--episodes", 20, "--seeds", 2, "--fresh-seeds", 2, "--json")
    found = json.loads(clew("sweep", "5x5", *words)[1])
    assert len({each["settings"]["alpha"] for each in found["settings"]}) == 3


def test_a_file_of_settings_may_be_wrong(clew, tmp_path):
    path = tmp_path / "settings.json"
    for text, message in (
        ("[1]", "expected an object, found list"),
        ('{"alpa": 1}', "'alpa' is not a setting; did you mean 'alpha'"),
        ('{"alpha": "x"}', "--alpha must be a number"),
        ('{"maze": [1]}', "maze must be text"),
        ('{"algorithm_settings": 1}', "--set must be a dictionary"),
        ("{", "it is not JSON"),
    ):
        path.write_text(text)
        code, out, err = clew("train", "--config", path)
        assert (code, out) == (2, "")
        assert message in err
    path.write_text("{}")
    assert "leave out --config" in clew("train", "--config", path, "--resume", tmp_path / "run")[2]


def test_runs_lists_run_folders(clew, tmp_path):
    assert "there are no runs" in clew("runs", tmp_path)[1]
    clew("train", "5x5", "--episodes", 500, "--alpha", 0.5, "--out", tmp_path / "first")
    (tmp_path / "second.partial").mkdir()
    (tmp_path / "third").mkdir()
    (tmp_path / "third" / "summary.json").write_text("{")
    rows = {row["folder"]: row for row in json.loads(clew("runs", tmp_path, "--json")[1])}
    assert rows["first"]["settings"] == "5x5: q-learning, alpha=0.5"
    assert (rows["first"]["episodes"], rows["first"]["state"]) == ("500", "finished")
    assert rows["first"]["grade"].startswith("mean steps 8, optimal steps 8")
    assert rows["second.partial"]["state"] == "partial"
    assert "damaged" in rows["third"]["state"]
    out = clew("runs", tmp_path)[1].splitlines()
    assert len(out) == 4
    assert out[0].split() == ["folder", "kind", "settings", "episodes", "state", "grade"]


def test_the_list_of_runs_fits_a_terminal(tmp_path, clew):
    learners = {f"q-learning (alpha={alpha}, epsilon=0.25, gamma=0.999)": {"alpha": alpha} for alpha in (0.1, 0.2)}
    worlds = {f"maze-{n}": "3x3" for n in range(9)}
    Experiment(worlds, learners, range(2), num_episodes=5).run(folder=tmp_path / "first")
    Experiment({"cliff": "cliff"}, {"Q": {}, "Sarsa": "sarsa"}, range(2), num_episodes=5).run(folder=tmp_path / "two")
    out = clew("runs", tmp_path)[1]
    assert "9 worlds: 2 learners; 2 seeds" in out
    assert "cliff: Q, Sarsa; 2 seeds" in out
    assert max(map(len, out.splitlines())) <= 100


def test_names_in_the_help_are_those_of_the_tables():
    assert ", ".join((*EPISODE_FIGURES, *OUTCOMES)) == FIGURE_NAMES
