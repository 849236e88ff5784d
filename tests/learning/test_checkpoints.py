"""Checkpoints: what is saved, and that training continues from them to the same bits."""

import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import gymnasium
import numpy as np
import pytest

from clew.cli.interruption import stopped_by_signals
from clew.distributed import train_policy_parallel
from clew.environments import Environment
from clew.errors import RunError, SettingError, StoppedError
from clew.kernels.wide import recompute_maxima
from clew.learning.checkpoints import Checkpoints
from clew.learning.learner import make_learner
from clew.learning.lock import FolderLock
from clew.learning.saved_arrays import arrays_of, load_arrays
from clew.learning.settings import Learning
from clew.learning.training import new_policy, train_policy
from clew.mazes import Maze
from clew.runs.configuration import TrainingConfig
from clew.runs.run import open_partial_run, save_checkpoints, train_run
from clew.tracing.trace import Trace
from worlds import only_steps

NEVER = 10**12  # episodes
NOISY = Environment(Maze.open(5, 6, obstacles=[(2, c) for c in range(5)]), random_start=True, slip=0.2)


WORLDS = {
    "noisy": lambda: NOISY,
    "one step": lambda: Environment(NOISY.maze, random_start=True, slip=0.2, max_episode_steps=1, step_reward=-1.0),
    "certain": lambda: Environment(NOISY.maze, random_start=True),
    "smaller": lambda: Environment(Maze.open(4, 4)),
    "foreign": lambda: only_steps(gymnasium.make("FrozenLake-v1", is_slippery=True)),
}


class StopAfter(Checkpoints):
    """Asks to stop when the state has been complete n times; saves nothing before."""

    def __init__(self, folder, num_notes, every=NEVER):
        super().__init__(folder, every)
        self.left = num_notes

    def save_if_due(self, num_episodes, training):
        self.left -= 1
        if self.left == 0:
            self.stop()
        return super().save_if_due(num_episodes, training)


def train(world, checkpoints=None, num_simulations=3, num_episodes=300, **settings):
    """(bytes of the table, what the rounds came to)"""
    rows = []
    policy = train_policy_parallel(
        WORLDS[world](),
        num_episodes,
        num_simulations,
        num_actors=0,
        seed=2,
        callback=rows.append,
        checkpoints=checkpoints,
        **settings,
    )
    return policy.q.tobytes(), [(row.round, row.num_episodes, row.num_steps, row.mean_return) for row in rows]


def train_with_stops(folder, stops, world, **settings):
    for n in stops:
        with pytest.raises(StoppedError, match="stopped; a checkpoint is saved in"):
            train(world, StopAfter(folder, n), **settings)
    return train(world, Checkpoints(folder), **settings)


CASES = {
    "local": {"world": "noisy", "sharing": "local", "sync_every": 7},
    "local, ahead": {"world": "noisy", "sharing": "local", "sync_every": 7, "rounds_ahead": 2},
    "local, double, by visits": {
        "world": "noisy",
        "sharing": "local",
        "algorithm": "double-q-learning",
        "behaviour": "ucb",
        "alpha_schedule": "visits",
    },
    "local, by visits": {"world": "noisy", "sharing": "local", "alpha_schedule": "visits"},
    "local, alpha 1": {"world": "certain", "sharing": "local", "alpha": 1.0, "behaviour": "ucb", "sync_every": 7},
    "local, one round": {"world": "noisy", "sharing": "local", "sync_every": "never"},
    "local, by episodes": {"world": "noisy", "sharing": "local", "algorithm": "monte-carlo"},
    "central": {"world": "noisy", "sharing": "central", "exploration_schedule": "linear"},
    "central, ahead": {"world": "noisy", "rounds_ahead": 2, "alpha_schedule": "linear"},
    "central, double, which draws": {"world": "noisy", "sharing": "central", "algorithm": "double-q-learning"},
    "central, a model, ahead": {"world": "noisy", "algorithm": "propagation", "rounds_ahead": 2, "sync_every": 5},
    "central, a model in a foreign world": {"world": "foreign", "algorithm": "prioritized-sweeping", "sync_every": 9},
    "serial": {"world": "noisy", "num_simulations": 1},
    "serial, a model": {"world": "noisy", "num_simulations": 1, "algorithm": "prioritized-sweeping"},
    "serial, memory": {"world": "noisy", "num_simulations": 1, "algorithm": "dyna-q"},
    "serial, interleaved": {
        "world": "noisy",
        "num_simulations": 1,
        "num_interleaved": 8,
        "alpha_schedule": "exponential",
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_training_goes_on_to_the_same_bits(tmp_path, case):
    """Stopped in the midst of rounds and of what is ahead of them; the metrics go on too."""
    stops = [1, 1] if case.get("sync_every") == "never" else [1, 2, 7, 1, 4]
    assert train_with_stops(tmp_path, stops, **case) == train(**case)


@pytest.mark.parametrize("num_simulations", [1, 2])
def test_training_that_keeps_nothing_can_be_stopped_too(num_simulations):
    checkpoints, rows = Checkpoints(None), []

    def stop(row):
        rows.append(row)
        checkpoints.stop()

    with pytest.raises(StoppedError):
        train_policy_parallel(NOISY, 3000, num_simulations, num_actors=0, checkpoints=checkpoints, callback=stop)
    assert len(rows) == 1


def test_what_is_stopped_early_has_learned_less(tmp_path):
    """Else the test above would hold for a training that begins anew."""
    rows = []
    for _ in range(2):
        with pytest.raises(StoppedError):
            train_policy(NOISY, 300, checkpoints=StopAfter(tmp_path, 40), callback=rows.append)
    assert len({row.round for row in rows}) > 35
    assert len(rows) > len({row.round for row in rows}) + 15  # those of the checkpoint come first
    with np.load(tmp_path / "checkpoint-1" / "arrays.npz") as arrays:
        assert 110 < arrays["loop.num_ended"][0] < 290
        assert arrays["learner.q"].any()


def test_a_model_that_grew_gets_its_room_again(tmp_path):
    """Beyond the outcomes that there was room for at first."""

    class Wanders(gymnasium.Env):
        observation_space = gymnasium.spaces.Discrete(60)
        action_space = gymnasium.spaces.Discrete(4)

        def reset(self, *, seed=None, options=None):
            if seed is not None:
                self.rng, self.steps = np.random.default_rng(seed), 0
            return int(self.rng.integers(60)), {}

        def step(self, action):
            self.steps += 1
            return int(self.rng.integers(60)), 1.0, False, self.steps % 50 == 0, {}

    def go(checkpoints):
        policy = train_policy_parallel(
            Wanders(),
            80,
            2,
            num_actors=0,
            sync_every=2,
            algorithm="propagation",
            initial_value=0.0,
            checkpoints=checkpoints,
        )
        return policy.q.tobytes()

    with pytest.raises(StoppedError):
        go(StopAfter(tmp_path, 33))
    with np.load(tmp_path / "checkpoint-0" / "arrays.npz") as arrays:
        assert arrays["learner.rule.model.pairs"].size > 1024
    assert go(Checkpoints(tmp_path)) == go(None)


def test_one_array_stands_for_all_views_of_it():
    learner = new_policy(NOISY, NOISY, Learning(algorithm="propagation"), 0)[1]
    names = list(arrays_of(learner))
    assert "q" in names
    assert "rule.model.outcomes" in names
    assert "rule.q.q" not in names
    assert "rule.model.rewards" not in names
    learner = new_policy(NOISY, NOISY, Learning(algorithm="expected-sarsa", behaviour="ucb"), 0)[1]
    assert sorted(arrays_of(learner)) == ["rule.visits", "q"][::-1]


def test_the_maxima_of_wide_rows_come_back():
    def make():
        return make_learner(np.zeros((5, 70), np.float32), Learning(), max_steps=9)

    there, here = make(), make()
    there.q[:] = np.random.default_rng(1).integers(0, 9, there.q.shape)
    recompute_maxima(there.rule.q)
    load_arrays(here, arrays_of(there, "learner"), "learner")
    assert (here.q == there.q).all()
    assert (here.rule.q.row_best == there.q.max(axis=1)).all()
    assert (here.rule.q.row_ties == (there.q == 8).sum(axis=1)).all()


@pytest.mark.parametrize(("every", "num_kept"), [("30s", 0), ("0s", 50), (21, 12), (NEVER, 0)])
def test_checkpoints_are_kept_as_often_as_was_asked(tmp_path, every, num_kept):
    """50 times 6 episodes are merged; four times make 21 and more, and two times are left."""
    checkpoints = Checkpoints(tmp_path, every, keep=1000)
    train("noisy", checkpoints, num_simulations=2, sync_every=6)
    assert [folder.name for folder in checkpoints.folders] == [f"checkpoint-{i}" for i in range(num_kept)]


def test_the_last_three_are_left(tmp_path):
    (tmp_path / ".checkpoint-7.99.part").mkdir()
    train("noisy", Checkpoints(tmp_path, "0s"), sync_every=10)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"checkpoint-{i}" for i in (27, 28, 29)]


@pytest.mark.parametrize("every", ["30", "s", "-1s", "soon", 0, -5, "1e3s"])
def test_how_often_must_be_said_clearly(tmp_path, every):
    with pytest.raises(SettingError, match="must be a number of episodes, such as 500, or seconds, such as 30s; not"):
        Checkpoints(tmp_path, every)


# Damage ---------------------------------------------------------------------------------------------------------------


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES = {
    "a bit of the arrays": (lambda f: flip(f / "arrays.npz"), "arrays.npz: damaged: its SHA-256"),
    "arrays cut short": (lambda f: os.truncate(f / "arrays.npz", 700), "arrays.npz: damaged: its SHA-256"),
    "no arrays": (lambda f: (f / "arrays.npz").unlink(), "arrays.npz: can't be read: No such file"),
    "a bit of the figures": (lambda f: flip(f / "checkpoint.json"), "checkpoint.json: damaged: its SHA-256"),
    "no hashes": (lambda f: (f / "SHA256SUMS").unlink(), "SHA256SUMS: can't be read"),
    "a bit of the hashes": (lambda f: flip(f / "SHA256SUMS"), "damaged"),
    "nothing": (lambda f: [path.unlink() for path in f.iterdir()], "can't be read"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_the_one_before_a_damaged_one_serves(tmp_path, caplog, damage, message):
    with pytest.raises(StoppedError):
        train("noisy", StopAfter(tmp_path, 20, every=12), sync_every=7)
    newest = Checkpoints(tmp_path).folders[-1]
    damage(newest)
    assert train("noisy", Checkpoints(tmp_path), sync_every=7) == train("noisy", sync_every=7)
    [record] = caplog.records
    assert str(newest) in record.getMessage()
    assert message in record.getMessage()
    assert record.getMessage().endswith("continuing from the checkpoint before it")


def test_where_none_is_whole_nothing_begins_anew_by_itself(tmp_path):
    with pytest.raises(StoppedError):
        train("noisy", StopAfter(tmp_path, 4))
    flip(tmp_path / "checkpoint-0" / "arrays.npz")
    with pytest.raises(RunError, match="all checkpoints are damaged; remove the folder to start again"):
        train("noisy", Checkpoints(tmp_path))


def rewrite(folder, change=None, **arrays):
    """Forge a checkpoint whose hashes are right."""
    if arrays:
        with np.load(folder / "arrays.npz") as old:
            np.savez(folder / "arrays.npz", **{**old, **arrays})
    if change:
        figures = json.loads((folder / "checkpoint.json").read_text())
        change(figures)
        (folder / "checkpoint.json").write_text(json.dumps(figures))
    names = ("arrays.npz", "checkpoint.json")
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(sums))


class Planted:
    def __reduce__(self):
        return os.mkdir, ("planted",)


FORGED = {
    "a pickle": ({"learner.q": np.array([Planted()], object)}, "Object arrays cannot be loaded"),
    "another shape": (
        {"learner.q": np.zeros((3, 4), np.float32)},
        r"expected learner.q of float32 and \(30, 4\), got float32 and \(3, 4\)",
    ),
    "another type": ({"learner.q": np.zeros((30, 4))}, r"got float64"),
    "another format": (
        {"change": lambda figures: figures.update(format=2)},
        "another version of Clew, in another format than 4",
    ),
    "no progress": ({"change": lambda figures: figures.pop("progress")}, "not written by Clew: 'progress'"),
}


@pytest.mark.parametrize(("changes", "message"), FORGED.values(), ids=FORGED)
def test_what_clew_did_not_write_is_refused_and_never_run(tmp_path, monkeypatch, changes, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoppedError):
        train("noisy", StopAfter(tmp_path / "run", 4))
    rewrite(tmp_path / "run" / "checkpoint-0", **changes)
    with pytest.raises(RunError, match=message):
        train("noisy", Checkpoints(tmp_path / "run"))
    assert not (tmp_path / "planted").exists()


def patched(marker, at, value):
    """Return a function that overwrites bytes of arrays.npz after each marker of the zip format, with right sums."""

    def forge(folder):
        data = bytearray((folder / "arrays.npz").read_bytes())
        for match in re.finditer(re.escape(marker), bytes(data)):
            data[match.start() + at : match.start() + at + len(value)] = value
        (folder / "arrays.npz").write_bytes(data)
        rewrite(folder)

    return forge


def without(name):
    return lambda folder: rewrite(folder, lambda figures: figures.pop(name))


def with_header(header):
    """Return a function that gives each array a header of another content, and rewrites the sums."""

    def forge(folder):
        with zipfile.ZipFile(folder / "arrays.npz") as archive:
            names = archive.namelist()
        with zipfile.ZipFile(folder / "arrays.npz", "w") as archive:
            for name in names:
                archive.writestr(name, b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        rewrite(folder)

    return forge


def replaced_by_a_pipe(name):
    def replace(folder):
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return replace


CENTRAL, END = b"PK\x01\x02", b"PK\x05\x06"  # the central directory of a zip archive, and its end
STRANGE = {
    "a version of zip": (patched(CENTRAL, 6, b"\xff"), "all checkpoints are damaged"),  # NotImplementedError
    "a compression": (patched(CENTRAL, 10, b"\x63"), "not written by Clew: That compression method is not supported"),
    "encrypted": (patched(CENTRAL, 8, b"\x01"), "not written by Clew: .* is encrypted"),  # RuntimeError
    "an offset": (patched(END, 16, b"\xff\xff\xff\x7f"), r"not written by Clew: .*Invalid argument"),  # OSError 22
    "a header that is cut": (with_header(b"{'"), "not written by Clew: "),  # TokenError
    "a header that is too deep": (with_header(b"(" * 90 + b"-" * 8000 + b"1"), "not written by Clew: MemoryError"),
    "a header that is too long": (with_header(b" " * 20_000), "not written by Clew: Header info length"),
    "no settings": (without("settings"), "not written by Clew: 'settings'"),
    "no versions": (without("versions"), "not written by Clew: 'versions'"),
    "versions of another type": (
        lambda folder: rewrite(folder, lambda figures: figures.update(versions=7)),
        "not written",
    ),
    "a pipe for arrays": (replaced_by_a_pipe("arrays.npz"), "all checkpoints are damaged"),
    "a pipe for the header": (replaced_by_a_pipe("checkpoint.json"), "all checkpoints are damaged"),
    "a pipe for the sums": (replaced_by_a_pipe("SHA256SUMS"), "all checkpoints are damaged"),
}


@pytest.mark.timeout(60)  # whoever opens a pipe waits for ever
@pytest.mark.parametrize(("forge", "message"), STRANGE.values(), ids=STRANGE)
def test_f_forged_sums_and_pipes_are_one_clear_line(tmp_path, forge, message):
    with pytest.raises(StoppedError):
        train("noisy", StopAfter(tmp_path, 4))
    forge(tmp_path / "checkpoint-0")
    with pytest.raises(RunError, match=message) as error:
        train("noisy", Checkpoints(tmp_path))
    assert len(str(error.value).splitlines()) == 1


OTHERS = {
    "alpha was 0.1, and is 0.2 now": {"alpha": 0.2},
    "num_episodes was 300, and is 400 now": {"num_episodes": 400},
    "sharing was central, and is local now": {"sharing": "local"},
    "sync_every was 0, and is 9 now": {"sync_every": 9},
    "asynchronous was False, and is True now": {"asynchronous": True},
    "num_simulations was 3, and is 1 now": {"num_simulations": 1},
    "the world is another": {"world": "smaller"},
}


@pytest.mark.parametrize("message", OTHERS)
def test_checkpoints_of_another_training_are_refused(tmp_path, message):
    with pytest.raises(StoppedError):
        train("noisy", StopAfter(tmp_path, 4))
    with pytest.raises(RunError, match=f"checkpoint-0: belongs to another training: .*{message}"):
        train(**{"world": "noisy", "checkpoints": Checkpoints(tmp_path), **OTHERS[message]})


@pytest.mark.parametrize("sharing", ["central", "local"])
def test_asynchronous_training_goes_on_too_and_learns_every_episode_once(tmp_path, sharing):
    """Not to the same bits: what was under way is done anew, with newer values."""
    case = {"world": "one step", "sharing": sharing, "sync_every": 7, "asynchronous": True, "rounds_ahead": 2}
    table, rows = train_with_stops(tmp_path, [1, 2, 7, 1, 4], **case)
    assert sum(row[1] for row in rows) == 300
    assert all(row[2] == row[1] for row in rows)  # as many steps as episodes
    with np.load(max(tmp_path.glob("checkpoint-*"), key=lambda path: path.stat().st_mtime) / "arrays.npz") as arrays:
        assert 0 < arrays["merged"].sum() < 45
        assert arrays["learner.q"].any()
    assert np.frombuffer(table, np.float32).any()


def test_the_trace_of_what_goes_on_has_only_what_was_done_since(tmp_path):
    rows, trace = [], Trace()
    with pytest.raises(StoppedError):
        train_policy(NOISY, 300, checkpoints=StopAfter(tmp_path, 40), callback=rows.append)
    train_policy(NOISY, 300, checkpoints=Checkpoints(tmp_path), trace=trace)
    done = [event.round for event in trace.events if event.what == "work"]
    assert done[-1] == 99
    assert done == list(range(done[0], 100))
    assert done[0] >= len(rows) > 5
    assert all(event.begun >= 0.0 for event in trace.events)


def test_a_world_that_draws_by_itself_is_kept_only_where_it_gets_seeds(tmp_path):
    with pytest.raises(SettingError, match="num_simulations must be 2 or more to save checkpoints"):
        train("foreign", Checkpoints(tmp_path), num_simulations=1)
    case = {"world": "foreign", "num_episodes": 60}
    assert train_with_stops(tmp_path, [4], **case) == train(**case)


# Disks ----------------------------------------------------------------------------------------------------------------


class SmallDisk(Checkpoints):
    """After some checkpoints no file may be larger than a few bytes."""

    def save_if_due(self, num_episodes, training):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        if len(self.folders) == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (700, before[1]))
        try:
            return super().save_if_due(num_episodes, training)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_training_in_words_and_leaves_the_last_checkpoint_whole(tmp_path):
    with pytest.raises(RunError, match=r"checkpoint-2: can't be written: File too large; .* checkpoint-1, is complete"):
        train("noisy", SmallDisk(tmp_path, "0s"), sync_every=10)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-0", "checkpoint-1"]
    assert train("noisy", Checkpoints(tmp_path), sync_every=10) == train("noisy", sync_every=10)


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    rows = []
    (tmp_path / "file").write_text("")
    for folder in ("/proc/run", tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match="can't be written"):
            train_policy(NOISY, 300, checkpoints=Checkpoints(folder), callback=rows.append)
    assert not rows


# Several processes ----------------------------------------------------------------------------------------------------

TRAINS = """
import sys, time
import clew
from clew.learning.checkpoints import Checkpoints

def wait(row):
    print("training", flush=True)
    time.sleep(600)

env = clew.Environment(clew.Maze.open(5, 6), random_start=True)
clew.train_policy(env, 300, checkpoints=Checkpoints(sys.argv[1], 1), callback=wait)
"""


def test_one_process_at_a_time_trains_in_a_folder(tmp_path):
    env = Environment(Maze.open(5, 6), random_start=True)
    with subprocess.Popen([sys.executable, "-c", TRAINS, tmp_path], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout.readline() == b"training\n"
            before = sorted(tmp_path.iterdir())
            for _ in range(2):  # a refusal leaves the lock as it is
                with pytest.raises(RunError, match=f"is being trained by process {other.pid}; wait until it ends"):
                    train_policy(env, 300, checkpoints=Checkpoints(tmp_path))
            assert sorted(tmp_path.iterdir()) == before
        finally:
            other.kill()
    assert (tmp_path / "lock").read_text() == str(other.pid)  # it can't remove the file, but holds it no more
    policy = train_policy(env, 300, checkpoints=Checkpoints(tmp_path, 1))
    assert policy.q.tobytes() == train_policy(env, 300).q.tobytes()
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {"checkpoint"}


def test_a_run_is_locked_until_it_is_saved(tmp_path):
    with save_checkpoints(tmp_path / "run", CONFIG, CONFIG.make_maze(), "30s") as checkpoints:
        run = train_run(CONFIG, checkpoints=checkpoints)
        with ThreadPoolExecutor(1) as another:
            refused = another.submit(keep, tmp_path / "run", CONFIG, CONFIG.make_maze()).exception()
        assert f"run.partial: is being trained by process {os.getpid()};" in str(refused)
        run.save(tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_training_that_an_error_ended_before_it_began_locks_nothing(tmp_path):
    left = Checkpoints(tmp_path)
    left.lock.acquire()  # as `resume` does; then Ray can't be started
    assert train("noisy", Checkpoints(tmp_path, 100)) == train("noisy")
    with pytest.raises(RunError, match="belongs to another training"):
        train("smaller", Checkpoints(tmp_path))
    assert not (tmp_path / "lock").exists()


def test_a_lock_that_its_holder_removes_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    """Else two processes could hold a lock each: one of a file that is gone, one of the next."""
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    lock = FolderLock._lock

    def lock_late(self, file):
        if self is second:
            first._file.close()  # as unlocked and removed between opening and locking
            (tmp_path / "lock").unlink(missing_ok=True)
            monkeypatch.setattr(FolderLock, "_lock", lock)
        lock(self, file)

    first.acquire()
    monkeypatch.setattr(FolderLock, "_lock", lock_late)
    monkeypatch.setattr("threading.get_ident", lambda: 0)  # not the thread of the first
    second.acquire()
    assert (tmp_path / "lock").read_text() == str(os.getpid())
    monkeypatch.undo()
    with pytest.raises(RunError, match="is being trained"):
        FolderLock(tmp_path).acquire()
    second.release()


# Runs and Ctrl-C ------------------------------------------------------------------------------------------------------

CONFIG = TrainingConfig(maze="5x6", random_start=True, num_episodes=400, num_simulations=4, sync_every=10, seed=4)


def press_ctrl_c_at(round):
    def callback(row):
        if row.round == round:
            os.kill(os.getpid(), signal.SIGINT)

    return callback


def keep(folder, config, maze=None, callback=None):
    resume, maze = maze is not None, maze or config.make_maze()
    with save_checkpoints(folder, config, maze, "30s", resume) as checkpoints, stopped_by_signals(checkpoints):
        run = train_run(config, callback, checkpoints=checkpoints, maze=maze)
        run.save(folder)
    return run


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(ctrl_c, tmp_path):
    with pytest.raises(StoppedError, match=r"stopped; go on with `clew train --resume .*run`"):
        keep(tmp_path / "run", CONFIG, callback=press_ctrl_c_at(3))
    assert [path.name for path in tmp_path.iterdir()] == ["run.partial"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    begun = tmp_path / "run.partial"
    assert sorted(path.name for path in begun.iterdir()) == ["checkpoint-0", "config.json", "maze.txt"]
    kept = json.loads((begun / "checkpoint-0" / "checkpoint.json").read_text())
    with pytest.raises(RunError, match=r"a run was begun there; go on with `clew train --resume .*run`, or remove it"):
        keep(tmp_path / "run", CONFIG)

    config, maze = open_partial_run(tmp_path / "run")
    run, whole = keep(tmp_path / "run", config, maze), train_run(CONFIG)
    assert config == CONFIG
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert run.summary["table_sha256"] == whole.summary["table_sha256"]
    assert [row.num_steps for row in run.metrics] == [row.num_steps for row in whole.metrics]
    assert [row.round for row in run.metrics] == list(range(10))
    assert run.startup_seconds > 0
    assert run.seconds + run.startup_seconds > kept["seconds"]


def test_what_is_stopped_before_it_learned_leaves_nothing(ctrl_c, tmp_path):
    def press():
        with save_checkpoints(tmp_path / "run", CONFIG, None, "30s") as checkpoints, stopped_by_signals(checkpoints):
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()

    with pytest.raises(StoppedError, match="nothing was saved"):
        press()
    assert not list(tmp_path.iterdir())


def test_a_job_in_the_background_hears_no_ctrl_c(ctrl_c, tmp_path):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run = keep(tmp_path / "run", CONFIG, callback=press_ctrl_c_at(3))
    assert len(run.metrics) == 10


def test_a_run_that_has_ended_is_not_begun_again(tmp_path):
    keep(tmp_path / "run", CONFIG)
    with pytest.raises(RunError, match=r"this run has ended$"):
        open_partial_run(tmp_path / "run")
    (tmp_path / "run.partial").mkdir()
    with pytest.raises(RunError, match=r"has ended; .*run.partial can be removed"):
        open_partial_run(tmp_path / "run")
    with pytest.raises(RunError, match=r"no run was begun there; `clew train --out .*none` begins one"):
        open_partial_run(tmp_path / "none")


TWICE = """
import os, signal, sys
from clew.learning.checkpoints import Checkpoints
from clew.cli.interruption import stopped_by_signals
with stopped_by_signals(checkpoints := Checkpoints(sys.argv[1])):
    checkpoints.is_training = True
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGINT)
    while True:  # as a kernel would: nothing asks
        pass
"""


def test_a_second_ctrl_c_ends_at_once(ctrl_c, tmp_path):
    done = subprocess.run([sys.executable, "-c", TWICE, tmp_path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 130
    assert done.stderr == "clew: ended at once\n"
