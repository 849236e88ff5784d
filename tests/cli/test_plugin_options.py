"""Plug-ins on the command line: loading, parameters, run folders, and a package from its install to its end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clew.cli.options import name_and_value
from clew.policies.plugins import hash_module
from clew.runs.flags import as_flags

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_rules.py"
RULE = ("--plugin", EXAMPLE, "--algorithm", "my_rules:counted")
pytestmark = pytest.mark.usefixtures("tables")


@pytest.fixture
def run(clew, tmp_path):
    """A saved run of the rule of the example, which is registered in this process now."""
    code, _, said = clew("train", "4x4", *RULE, "--set", "bonus=0.5", "--episodes", 50, "--out", tmp_path / "run")
    assert code == 0, said
    return tmp_path / "run"


def test_a_run_folder_has_the_parameters_and_the_hash_of_the_source(run):
    config, summary = (json.loads((run / name).read_text()) for name in ("config.json", "summary.json"))
    assert config["algorithm_settings"] == {"bonus": 0.5}
    assert summary["versions"]["plug-in my_rules"] == hash_module("my_rules")


def test_a_run_without_a_plug_in_names_none(clew, tmp_path):
    assert clew("train", "3x3", "--episodes", 20, "--out", tmp_path / "run")[0] == 0
    assert "plug-in" not in (tmp_path / "run" / "summary.json").read_text()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["algorithm_settings"] == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--set", "bonus"), "--set must be NAME=VALUE, such as bonus=0.1, not 'bonus'"),
        (("--set", "bonus="), "--set must be NAME=VALUE, such as bonus=0.1, not 'bonus='"),
        (("--set", "bonus=x"), "bonus must be a finite number in [0, 100] for my_rules:counted, not 'x'"),
        (("--set", "bonus=-1"), "bonus must be a finite number in [0, 100] for my_rules:counted, not -1"),
        (("--set", "bonis=1"), "--set must have parameters of my_rules:counted, and 'bonis' is none; did you mean"),
        (("--set", "bonus=1", "--set", "bonus=2"), "--set must have each name once, and bonus is there twice"),
        (("--algorithm", "sarsa", "--set", "bonus=1"), "--set must have parameters of sarsa, and 'bonus' is none; it"),
        (("--algorithm", "my_rules:none"), "--algorithm must be registered, and 'my_rules:none' is not: import the"),
        (("--plugin", "my_none"), "the plug-in my_none can't be imported: ModuleNotFoundError: No module named"),
        (
            ("--simulations", 2, "--sharing", "local"),
            "--sharing must be 'central' with my_rules:counted, which remembers for a whole run: memories can't be",
        ),
    ],
)
def test_a_mistake_is_one_line(clew, given, said):
    code, out, error = clew("train", "3x3", *RULE, *given)
    assert (code, out) == (2, "")
    assert error.startswith(f"clew: {said}")
    assert error.count("\n") == 1


def test_text_of_the_option_becomes_a_value():
    assert [name_and_value(f"x={text}")[1] for text in ("1", "-2", "0.5", "1e3", "true", "False", "a=b")] == [
        *(1, -2, 0.5, 1000.0, True, False, "a=b")
    ]
    assert as_flags({"algorithm_settings": {"a": 0.5, "b": True}, "n": 3}) == "--set a=0.5 --set b=True --n 3"
    assert as_flags({"algorithm_settings": {}}) == ""


def test_the_list_shows_a_rule_with_its_parameters_and_memory(clew):
    code, out, _ = clew("algorithms", "my_rules:counted", "--plugin", EXAMPLE)
    assert code == 0
    assert "--set bonus=0.1: reward of the first try of an action" in out
    assert "run" in out
    code, out, _ = clew("algorithms", "--plugin", EXAMPLE, "--json")
    parameters = json.loads(out)["algorithms"]["my_rules:counted"]["parameters"]
    bounds = {"bounds": "in [0, 100]", "help": "reward of the first try of an action"}
    assert parameters == [{"name": "bonus", "type": "float", "default": 0.1, **bounds}]
    assert "my_rules:momentum" in json.loads(out)["behaviours"]


def test_a_run_of_a_plug_in_that_lacks_its_parameters_is_damaged(clew, run, seal):
    config = json.loads((run / "config.json").read_text())
    del config["algorithm_settings"]
    (run / "config.json").write_text(json.dumps(config))
    seal(run)
    code, _, said = clew("evaluate", run)
    assert code == 2
    assert said.endswith("config.json: damaged: the setting algorithm_settings is missing\n")


def test_compare_and_sweep_take_parameters_of_a_rule(clew, tmp_path):
    short = ("--plugin", EXAMPLE, "--episodes", 30, "--fresh-seeds", 2, "--seeds", 2)
    rules = [f"my_rules:counted:{each}" for each in ("bonus=0.5", "bonus=2,alpha=0.3")]
    code, out, said = clew("compare", *rules, "--world", "5x5", *short[:4], "--seeds", 2, "--figure", "steps", "--json")
    assert code == 0, said
    found = json.loads(out)
    assert found["learners"][rules[1]] == {
        "algorithm": "my_rules:counted",
        "alpha": 0.3,
        "gamma": 0.9,
        "algorithm_settings": {"bonus": 2},
    }
    means = [each["mean"] for each in found["summaries"]]
    best = tmp_path / "best.json"
    words = (*RULE[2:], *short, "--set", "bonus=0.5,2", "--figure", "steps")
    code, out, said = clew("sweep", "5x5", *words, "--best", best)
    assert code == 0, said
    assert json.loads(best.read_text())["algorithm_settings"]["bonus"] in (0.5, 2)
    assert f"{means[0]:.4g}" in out.partition("On fresh seeds")[0]  # of the same seeds, with the same bonus
    by_file = json.loads(clew("train", "--plugin", EXAMPLE, "--config", best, "--json")[1])
    by_line = json.loads(clew(*out.splitlines()[-1].split()[1:], "--json")[1])
    assert by_file["table_sha256"] == by_line["table_sha256"]
    ranges = ("--set", "bonus=0.1..10:log", "--random", 3, "--json")
    tried = json.loads(clew("sweep", "5x5", *RULE[2:], *short, *ranges)[1])["settings"]
    assert len({each["settings"]["bonus"] for each in tried}) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--set", "bonis=1,2"), "--set must have parameters of my_rules:counted, and 'bonis' is none; did you mean"),
        (("--set", "alpha=0.1,0.2"), "--set must have parameters of my_rules:counted, and 'alpha' is none; choose"),
        (("--set", "bonus=1,x"), "the learner 'bonus=x': bonus must be a finite number in [0, 100]"),
        (("--set", "bonus=1,-1"), "the learner 'bonus=-1': bonus must be a finite number in [0, 100]"),
        (("--set", "bonus=1", "--set", "bonus=2"), "--set must have each name once, and bonus is there twice"),
        (("--set", "bonus=2..1", "--random", 2), "--set must be LOW..HIGH with LOW below HIGH"),
        (("--set", "bonus=1..2"), "bonus is a range, which has no grid"),
        (("--set", "bonus=1"), "there is nothing to choose from"),
        (("--algorithm", "sarsa", "--set", "bonus=1,2"), "--set must have parameters of sarsa, and 'bonus' is none"),
        (("--algorithm", "my_rules:none", "--set", "bonus=1,2"), "--algorithm must be registered"),
    ],
)
def test_a_mistake_in_a_sweep_is_one_line(clew, given, said):
    code, out, error = clew("sweep", "3x3", *RULE, "--episodes", 5, *given)
    assert (code, out) == (2, "")
    assert error.startswith(f"clew: {said}")
    assert error.count("\n") == 1


# In processes of their own --------------------------------------------------------------------------------------------


def run_clew(*words, cwd, path=""):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (path, os.environ.get("PYTHONPATH"))))}
    command = [sys.executable, "-m", "clew", *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd, env=environment)
    return result.returncode, result.stdout, result.stderr


def test_loading_a_run_imports_no_plug_in_unless_asked(run, tmp_path):
    """Not even one that is installed, or in the folder of the program."""
    evil = tmp_path / "elsewhere"
    evil.mkdir()
    (evil / "my_rules.py").write_text("raise SystemExit('imported')\n")
    for command, *words in (["evaluate"], ["plot", "-o", "x.svg"], ["graph"]):
        code, out, said = run_clew(command, run, *words, cwd=evil, path=str(evil))
        assert (code, out) == (2, "")
        assert said == (
            f"clew: {run}: its algorithm 'my_rules:counted' is of a plug-in, and loading a run doesn't import modules "
            "by itself; if you trust it, give --plugin my_rules (or its file), or in Python import my_rules first\n"
        )
    code, out, said = run_clew("evaluate", run, "--plugin", EXAMPLE, "--json", cwd=tmp_path)
    assert code == 0, said
    assert json.loads(out)["table_sha256"] == json.loads((run / "summary.json").read_text())["table_sha256"]


ENTRY_POINT = "[clew.plugins]\nmy_package = my_package\n"


@pytest.mark.long
def test_a_package_from_its_install_to_its_end(tmp_path):
    """Used by its name alone; edited, a constant too, it runs as edited; removed, all else works."""
    place = tmp_path / "site"
    (place / "my_package").mkdir(parents=True)
    (place / "my_package-1.dist-info").mkdir()
    (place / "my_package-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1\n")
    (place / "my_package-1.dist-info" / "entry_points.txt").write_text(ENTRY_POINT)
    text = EXAMPLE.read_text().replace("my_rules:", "my_package:").replace("LOW_HALF =", "FACTOR = 1.0\nLOW_HALF =")
    text = text.replace("return bonus / np.sqrt", "return np.float32(FACTOR) * bonus / np.sqrt")
    module = place / "my_package" / "__init__.py"

    def table(*words):
        learning = ("--algorithm", "my_package:counted", "--behaviour", "my_package:momentum", "--episodes", 30)
        code, out, said = run_clew("train", "5x5", *learning, "--json", *words, cwd=tmp_path, path=str(place))
        assert code == 0, said
        assert "compiling my_package:counted for this kind of world, as every time: code from outside isn't" in said
        return json.loads(out)["table_sha256"]

    module.write_text(text)
    first, doubled = table(), table("--set", "bonus=0.2")
    assert first != doubled
    module.write_text(text.replace("FACTOR = 1.0", "FACTOR = 2.0"))
    assert table() == doubled
    module.write_text(text.replace("/ np.sqrt(np.float32(n))", "/ np.float32(n)"))
    assert table() not in (first, doubled)
    for path in place.rglob("*"):
        if path.is_file():
            path.unlink()
    code, _, said = run_clew("train", "5x5", "--algorithm", "my_package:counted", cwd=tmp_path, path=str(place))
    assert code == 2
    assert "'my_package:counted' is not" in said
    assert run_clew("train", "5x5", "--episodes", 30, cwd=tmp_path, path=str(place))[0] == 0
