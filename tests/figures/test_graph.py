"""The execution graph of a run folder, through the command line."""

import json
import shutil
import xml.etree.ElementTree as ElementTree

import pytest

from clew.errors import RunError
from clew.figures.graph import write_graph
from clew.runs.configuration import TrainingConfig
from clew.runs.run import train_run


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    train_run(TrainingConfig(maze="4x5", num_episodes=400, num_simulations=2, sync_every=10, seed=3)).save(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "run")


def test_a_picture_a_page_and_a_trace_are_written_into_the_run(clew, folder):
    code, out, _ = clew("graph", folder)
    assert code == 0
    assert out.split() == [str(folder / name) for name in ("graph.svg", "graph.html", "trace.json")]
    said = [each.text for each in ElementTree.parse(folder / "graph.svg").iter() if each.tag.endswith("text")]
    assert said[0] == "4x5: q-learning, 400 episodes in 2 simulations"
    assert said[1].startswith("20 rounds in ")
    assert (folder / "graph.html").read_text().startswith("<!doctype html>")
    events = [each for each in json.loads((folder / "trace.json").read_text())["traceEvents"] if each["ph"] == "X"]
    assert sum(each["args"]["num_simulations"] for each in events if each["cat"] == "work") == 40


def test_they_can_be_written_elsewhere_and_show_other_rounds(clew, folder, tmp_path):
    before = sorted(folder.iterdir())
    code, out, _ = clew("graph", folder, "--out", tmp_path / "new" / "graphs", "--rounds", "5:7")
    assert code == 0
    assert "Rounds 5 to 6 in detail" in (tmp_path / "new" / "graphs" / "graph.svg").read_text()
    assert sorted(folder.iterdir()) == before
    assert out.count("graphs") == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rounds", "5"), "--rounds must be A:B"),
        (("--rounds", "7:5"), "--rounds must be A:B"),
        (("--rounds", "20:30"), "there are no rounds 20:30 in this run; it has 0:20"),
    ],
)
def test_rounds_that_cannot_be(clew, folder, arguments, message):
    code, _, err = clew("graph", folder, *arguments)
    assert code == 2
    assert message in err
    assert not (folder / "graph.svg").exists()


def test_a_run_without_a_trace_says_how_to_make_one(clew, folder, seal):
    (folder / "trace.csv").unlink()
    seal(folder)
    code, _, err = clew("graph", folder)
    assert code == 2
    assert err.count("\n") == 1
    assert "this run has no trace.csv" in err
    assert "Train it again to get one: `clew train 4x5 ... --out NEW`" in err


def test_a_place_that_cannot_be_written(folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="can't be written"):
        write_graph(folder, tmp_path / "file")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--chaos", "kill=0.1"), "--chaos needs Ray actors"),
        (("--chaos", "kill=1.5", "--actors", "2"), "--chaos must be kill=P with a probability"),
        (("--chaos", "0.1", "--actors", "2"), "--chaos must be kill=P with a probability"),
    ],
)
def test_chaos_needs_a_probability_and_somebody_to_kill(clew, arguments, message):
    code, _, err = clew("train", "3x3", *arguments)
    assert code == 2
    assert message in err


@pytest.mark.ray
def test_chaos_changes_nothing_and_is_said(clew, ray_up, tmp_path):
    settings = "train", "4x5", "--episodes", "400", "--simulations", "4", "--sync-every", "10"
    code, out, _ = clew(*settings, "--actors", "2", "--chaos", "kill=0.5", "--out", tmp_path / "chaos")
    assert code == 0
    assert "Actors killed on purpose: " in out
    assert "the table is the same as without" in out
    assert clew(*settings, "--out", tmp_path / "calm")[0] == 0
    assert (tmp_path / "chaos" / "q.npy").read_bytes() == (tmp_path / "calm" / "q.npy").read_bytes()
    assert clew("graph", tmp_path / "chaos")[0] == 0
    assert "lost" in (tmp_path / "chaos" / "graph.svg").read_text()
