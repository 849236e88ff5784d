import hashlib
import json
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest

from clew.errors import RunError
from clew.mazes import Maze
from clew.runs.configuration import TrainingConfig
from clew.runs.run import open_run, train_run
from clew.runs.storage import (
    check_new_folder,
    create_partial_folder,
    load_partial_folder,
    load_run,
    save_run,
    table_sha256,
)
from clew.tracing.trace import to_csv


@pytest.fixture(scope="module")
def run():
    return train_run(TrainingConfig(maze="4x5", num_episodes=400, num_simulations=4, sync_every=1, seed=3))


@pytest.fixture
def folder(run, tmp_path):
    run.save(tmp_path / "run")
    return tmp_path / "run"


def test_a_saved_run_comes_back_as_it_was(run, folder):
    config, env, policy = open_run(folder)
    assert config == run.config
    assert env.maze == Maze.open(4, 5)
    assert policy.q.tobytes() == run.policy.q.tobytes()
    saved = load_run(folder)
    assert saved.summary == json.loads(json.dumps(run.summary))
    assert len(saved.metrics) == 100
    assert sum(int(row["num_episodes"]) for row in saved.metrics) == 400
    assert sum(int(row["num_steps"]) for row in saved.metrics) == run.summary["num_steps"]
    assert {(row["staleness"], row["num_bytes"]) for row in saved.metrics} == {("0", "0")}
    assert to_csv(saved.trace) == to_csv(run.trace.events)
    assert sum(event.what == "publish" for event in saved.trace) == 100
    assert sum(event.num_simulations for event in saved.trace if event.what == "work") == 400


def test_a_run_that_was_saved_without_its_trace_loads(run, folder, tmp_path):
    save_run(tmp_path / "other", replace(load_run(folder), trace=None))
    assert not (tmp_path / "other" / "trace.csv").exists()
    assert load_run(tmp_path / "other").trace is None
    open_run(tmp_path / "other")


def test_the_summary_has_the_hash_of_every_other_file(folder):
    hashes = json.loads((folder / "summary.json").read_text())["files"]
    assert hashes == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("config.json", "metrics.csv", "maze.txt", "trace.csv")
    }


def change_gamma(folder):
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"gamma": 0.9', '"gamma": 0.8'))


CHANGES = {
    "an edited setting": (change_gamma, "config.json"),
    "defaults instead of settings": (lambda f: (f / "config.json").write_text("{}"), "config.json"),
    "another maze of the same size": (lambda f: Maze.open(4, 5, obstacles=[(1, 1)]).save(f / "maze.txt"), "maze.txt"),
    "no metrics": (lambda f: (f / "metrics.csv").write_text(""), "metrics.csv"),
    "the first round alone": (
        lambda f: (f / "metrics.csv").write_text("".join((f / "metrics.csv").read_text().splitlines(True)[:2])),
        "metrics.csv",
    ),
    "no events": (
        lambda f: (f / "trace.csv").write_text((f / "trace.csv").read_text().splitlines(True)[0]),
        "trace.csv",
    ),
}


@pytest.mark.parametrize(("change", "name"), CHANGES.values(), ids=CHANGES)
def test_a_file_that_was_changed_after_the_run_was_saved_is_refused(clew, folder, change, name):
    change(folder)
    said = "its SHA-256 is not the one in summary.json, so it was changed after the run was saved; train the run again"
    with pytest.raises(RunError) as refused:
        open_run(folder)
    assert str(refused.value) == f"{folder / name}: damaged: {said}"
    assert clew("evaluate", folder) == (2, "", f"clew: {folder / name}: damaged: {said}\n")


def test_a_file_that_was_removed_or_added_after_the_run_was_saved_is_refused(folder, tmp_path):
    for name in ("config.json", "metrics.csv", "trace.csv", "q.npy", "maze.txt"):
        (folder / name).rename(tmp_path / name)
        with pytest.raises(RunError, match=f"{name}: can't be read: No such file"):
            open_run(folder)
        (tmp_path / name).rename(folder / name)
    (folder / "maze.txt").rename(tmp_path / "maze.txt")
    train_run(TrainingConfig(maze="cliff", num_episodes=20)).save(tmp_path / "cliff")
    (tmp_path / "maze.txt").rename(tmp_path / "cliff" / "maze.txt")
    with pytest.raises(RunError, match=r"maze.txt: was added after the run was saved; remove it"):
        open_run(tmp_path / "cliff")


def test_files_of_other_names_may_be_added(clew, folder):
    assert clew("graph", folder)[0] == 0
    assert clew("render", folder, "-o", folder / "values.svg")[0] == 0
    (folder / "notes.txt").write_text("worth reading")
    open_run(folder)


@pytest.mark.parametrize("hashes", [None, {}, [], {"config.json": "x"}])
def test_a_summary_without_hashes_is_refused(folder, hashes):
    path = folder / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"files": hashes}))
    with pytest.raises(RunError, match=r"summary.json: damaged: it has no SHA-256 of config.json|config.json: damaged"):
        load_run(folder)


@pytest.mark.parametrize("name", [each.name for each in fields(TrainingConfig) if each.name != "algorithm_settings"])
def test_a_setting_that_is_missing_is_refused_by_name(folder, seal, name):
    """A default may not be what the run was trained with."""
    path = folder / "config.json"
    settings = json.loads(path.read_text())
    del settings[name]
    path.write_text(json.dumps(settings))
    seal(folder)
    with pytest.raises(RunError, match=f"config.json: damaged: the setting {name} is missing"):
        load_run(folder)
    partial = folder.with_name("begun.partial")
    shutil.copytree(folder, partial)
    with pytest.raises(RunError, match=f"begun.partial/config.json: damaged: the setting {name} is missing"):
        load_partial_folder(folder.with_name("begun"))


def test_the_hash_is_of_the_bytes_in_c_order():
    q = np.arange(8, dtype=np.float32).reshape(2, 4)
    assert table_sha256(q) == table_sha256(np.asfortranarray(q))
    assert table_sha256(q) == hashlib.sha256(q.tobytes()).hexdigest()
    assert table_sha256(q) != table_sha256(q + 1)


def test_a_run_moves_without_the_file_it_was_made_from(tmp_path):
    path = tmp_path / "maze.txt"
    Maze.open(3, 3).save(path)
    train_run(TrainingConfig(maze=str(path), num_episodes=50)).save(tmp_path / "run")
    path.unlink()
    assert open_run(tmp_path / "run")[1].maze == Maze.open(3, 3)


def test_a_run_never_replaces_what_is_there(run, folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(RunError, match="already exists"):
        run.save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["run"]


def test_nothing_is_left_of_a_run_that_could_not_be_written(run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="can't be written"):
        run.save(tmp_path / "file" / "run")
    with pytest.raises(RunError, match="already exists"):
        check_new_folder(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_run_is_not_saved_where_ray_deletes_it(tmp_path, monkeypatch):
    """Paths and the variable are those of a real `ray job submit --working-dir`."""
    place = (
        tmp_path / "ray/session_2026-11-30_03-46-41_944002_509/runtime_resources/working_dir_files/_ray_pkg_32a8e9a9"
    )
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    create_partial_folder("outside a job", {}, None)
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", '{"runtime_env": {}, "metadata": {}}')
    with pytest.raises(RunError, match=r"runs/first: Ray deletes the working folder .*; give a path outside it"):
        create_partial_folder("runs/first", {}, None)
    create_partial_folder(tmp_path / "run", {}, None)
    assert [path.name for path in place.iterdir()] == ["outside a job.partial"]
    assert (tmp_path / "run.partial").is_dir()


def damage_table(folder):
    data = bytearray((folder / "q.npy").read_bytes())
    data[-3] ^= 1
    (folder / "q.npy").write_bytes(data)


def reshape_table(folder):
    np.save(folder / "q.npy", np.load(folder / "q.npy").reshape(-1, 2))


def plant_pickle(folder):
    np.save(folder / "q.npy", np.array([[{"a": 1}]], dtype=object), allow_pickle=True)


def change_setting(name, value):
    def damage(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, name: value}))

    return damage


DAMAGES = {
    "one bit of the table": (damage_table, "q.npy: damaged: its SHA-256"),
    "another shape of the table": (reshape_table, r"q.npy: damaged: its shape \(\d+, 2\) is not the one in summary"),
    "a pickle for the table": (plant_pickle, "q.npy: not a NumPy array"),
    "a table cut short": (lambda f: (f / "q.npy").write_bytes((f / "q.npy").read_bytes()[:100]), "q.npy: not a NumPy"),
    "no table": (lambda f: (f / "q.npy").unlink(), "q.npy: can't be read: No such file"),
    "no config": (lambda f: (f / "config.json").unlink(), "summary.json: damaged: it has no SHA-256 of config.json"),
    "half a config": (
        lambda f: (f / "config.json").write_text('{"maze": "bo'),
        "config.json: damaged: it is not JSON from line 1, column 10 on$",
    ),
    "no text for a config": (
        lambda f: (f / "config.json").write_bytes(b'{"maze": "\xff"}'),
        r"config.json: damaged: it is not text in UTF-8, from byte 10 on$",
    ),
    "an endless number": (
        lambda f: (f / "config.json").write_text('{"seed": ' + "9" * 5000 + "}"),
        r"config.json: damaged: it has a number of too many digits$",
    ),
    "endless depth": (
        lambda f: (f / "config.json").write_text("[" * 100_000),
        r"config.json: damaged: it is nested too deeply$",
    ),
    "a list for a config": (lambda f: (f / "config.json").write_text("[]"), "expected an object, found list"),
    "an unknown setting": (change_setting("speed", 3), "speed is not a setting; did you mean "),
    "a setting of endless length": (change_setting("x" * 9999, 3), "config.json: damaged: a str is not a setting"),
    "an unprintable setting": (change_setting("\ud800", 3), r"config.json: damaged: \\ud800 is not a setting"),
    "a carriage return in the metrics": (
        lambda f: (f / "metrics.csv").write_bytes(b"round,seconds\n1\r2,3\n"),
        "metrics.csv: damaged: it is not a table of comma-separated values",
    ),
    "an endless field of the metrics": (
        lambda f: (f / "metrics.csv").write_text("x" * 2**18),
        "metrics.csv: damaged: it is not a table of comma-separated values",
    ),
    "a setting out of range": (change_setting("alpha", 7.0), r"alpha must be a finite number in \(0, 1\], not 7.0"),
    "a setting of another type": (
        change_setting("num_episodes", "many"),
        "num_episodes must be a whole number, not",
    ),
    "another world": (change_setting("random_goal", True), "q must have the shape"),
    "a broken maze": (lambda f: (f / "maze.txt").write_text("S?G\n"), "maze.txt: damaged: line 1, column 2"),
    "a trace of another kind": (lambda f: (f / "trace.csv").write_text("a,b\n"), "trace.csv: damaged: the first line"),
    "a trace cut short": (
        lambda f: (f / "trace.csv").write_bytes((f / "trace.csv").read_bytes()[:-12]),
        r"trace.csv: damaged: line \d+ is not an event",
    ),
    "a binary trace": (lambda f: (f / "trace.csv").write_bytes(b"\xff\xfe"), "trace.csv: damaged"),
    "a binary maze": (lambda f: (f / "maze.txt").write_bytes(b"\xff\xfe"), "maze.txt: damaged"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_named(folder, seal, damage, message):
    """The hashes are those of the damaged files, which else would be refused as changed."""
    damage(folder)
    seal(folder)
    with pytest.raises(RunError, match=message):
        open_run(folder)


def test_a_missing_folder_says_how_to_make_one(tmp_path):
    with pytest.raises(RunError, match="clew train --out"):
        open_run(tmp_path / "none")


@pytest.mark.parametrize("name", ["x" * 250, "link", "file/run"])
def test_a_place_that_will_not_do_is_refused_before_the_work(tmp_path, name):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(RunError):
        check_new_folder(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_a_new_run_may_lie_in_new_folders_or_in_an_empty_one(run, tmp_path, monkeypatch):
    run.save(tmp_path / "a" / "b" / "run")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    run.save(".")
    assert open_run(tmp_path / "empty")[0] == open_run(tmp_path / "a" / "b" / "run")[0] == run.config
