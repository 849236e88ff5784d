"""Processes of Ray that die under a command: standard output stays pure, and nothing that was learned is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("signals_heard")
DEADLINE = 200
RUN = ("wilson:60x60:seed=1", "--sharing", "local", "--actors", "2", "--json", "--checkpoint-every", "1s")
PATTERNS = {"actor": "SimulationActor", "raylet": "raylet/raylet", "gcs": "gcs_server"}


def descendants(pid: int) -> dict[int, str]:
    """The processes that descend from one, with their command lines."""
    parents, words = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            words[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            parents[int(folder.name)] = int(status[1])
        except OSError:
            pass  # it has ended
    found, waiting = {}, [pid]
    while waiting:
        parent = waiting.pop()
        children = [child for child, above in parents.items() if above == parent and child not in found]
        found |= {child: words[child] for child in children}
        waiting += children
    return found


def start(folder: Path, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "clew", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
    )


def kill_one(process: subprocess.Popen, kind: str, folder: Path | None) -> set[int]:
    """Kill a process of its Ray once both actors work, and a checkpoint is saved; give all processes that it had."""
    deadline = time.monotonic() + DEADLINE
    while True:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        found = descendants(process.pid)
        actors = [pid for pid, words in found.items() if words.startswith("ray::") and PATTERNS["actor"] in words]
        if len(actors) == 2 and (folder is None or list(folder.glob("run.partial/checkpoint-*"))):
            os.kill(next(pid for pid, words in found.items() if PATTERNS[kind] in words), signal.SIGKILL)
            return set(found)


def assert_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + 30
    while alive := [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()]:  # a zombie has none
        assert time.monotonic() < deadline, alive
        time.sleep(0.1)


@pytest.fixture(scope="module")
def wanted(tmp_path_factory) -> str:
    """The hash of the table that nothing disturbed."""
    whole = start(tmp_path_factory.mktemp("whole"), "train", *RUN[:3], "--json", "--episodes", "20000")
    return json.loads(whole.communicate(timeout=DEADLINE)[0])["table_sha256"]


@pytest.mark.ray
@pytest.mark.nightly
@pytest.mark.parametrize("kind", PATTERNS)
def test_c1_a_process_of_ray_that_dies_loses_nothing(kind, tmp_path, moments, wanted):
    for moment in range(moments):
        folder = tmp_path / str(moment)
        folder.mkdir()
        process = start(folder, "train", *RUN, "--episodes", "20000", "--out", "run")
        pids = kill_one(process, kind, folder)
        printed, said = process.communicate(timeout=DEADLINE)
        assert_gone(pids)
        assert "Traceback" not in said
        if process.returncode == 0:
            assert json.loads(printed)["table_sha256"] == wanted
            continue
        assert kind != "actor"
        assert (process.returncode, printed) == (1, "")
        assert said.endswith("Ray has died in the middle of the work; go on with `clew train --resume run`\n")
        resumed = start(folder, "train", "--resume", "run", "--json")
        assert json.loads(resumed.communicate(timeout=DEADLINE)[0])["table_sha256"] == wanted


@pytest.mark.ray
@pytest.mark.nightly
@pytest.mark.parametrize(
    "words",
    [
        ("solve", "3000x3000", "--blocks", "4", "--slip", "0.1", "--actors", "2"),
        ("train", "wilson:60x60:seed=1", "--sharing", "local", "--episodes", "20000", "--watch", "--actors", "2"),
        ("bench", "--calibrate"),
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("kind", ["actor", "raylet"])
def test_b_standard_output_is_pure_whatever_dies(kind, words, tmp_path):
    process = start(tmp_path, *words, "--json")
    deadline, pids = time.monotonic() + DEADLINE, set()
    while process.poll() is None and not pids:
        assert time.monotonic() < deadline
        found = descendants(process.pid)
        if any(each.startswith("ray::") and "Actor" in each for each in found.values()):
            name = "Actor" if kind == "actor" else PATTERNS[kind]
            os.kill(next(pid for pid, each in found.items() if name in each), signal.SIGKILL)
            pids = set(found)
    printed, said = process.communicate(timeout=DEADLINE)
    assert_gone(pids)
    assert "Traceback" not in said
    assert process.returncode in (0, 1, 2)
    if process.returncode == 0:
        assert isinstance(json.loads(printed), dict)
    else:
        assert printed == ""
        assert said.splitlines()[-1].startswith("clew: ")


@pytest.mark.ray
@pytest.mark.nightly
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_c2_a_signal_keeps_what_two_actors_have_learned(name, tmp_path, moments, wanted):
    number = getattr(signal, name)
    for moment in range(moments):
        folder = tmp_path / str(moment)
        folder.mkdir()
        process = start(folder, "train", *RUN, "--episodes", "20000", "--out", "run")
        deadline = time.monotonic() + DEADLINE
        while not list(folder.glob(f"run.partial/checkpoint-{min(moment, 2)}")):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
        pids = set(descendants(process.pid))
        process.send_signal(number)
        printed, said = process.communicate(timeout=DEADLINE)
        assert_gone(pids)
        assert "Traceback" not in said
        if process.returncode == 0:  # it had just ended
            assert json.loads(printed)["table_sha256"] == wanted
            continue
        assert (process.returncode, printed) == (128 + number, "")
        assert said.endswith("clew: stopped; go on with `clew train --resume run`\n")
        resumed = start(folder, "train", "--resume", "run", "--json")
        assert json.loads(resumed.communicate(timeout=DEADLINE)[0])["table_sha256"] == wanted


@pytest.mark.ray
@pytest.mark.nightly
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_c2_a_signal_while_ray_starts_leaves_nothing(name, tmp_path):
    number = getattr(signal, name)
    for delay in (0.0, 0.5, 1.0, 2.0):
        process = start(tmp_path, "train", *RUN, "--episodes", "20000", "--out", "run")
        deadline = time.monotonic() + DEADLINE
        while not any("gcs_server" in words for words in descendants(process.pid).values()):
            assert time.monotonic() < deadline
        time.sleep(delay)  # different moments of the start
        pids = set(descendants(process.pid))
        process.send_signal(number)
        printed, said = process.communicate(timeout=DEADLINE)
        assert_gone(pids)
        assert (process.returncode, printed) == (128 + number, ""), said
        assert "Traceback" not in said
        subprocess.run(["rm", "-rf", tmp_path / "run.partial"], check=True)


STARTED = """
import os, signal, time, ray
from clew.distributed import cluster
start = cluster._start
def start_and_lose(num_actors):
    start(num_actors)
    (raylet,) = [int(pid) for pid in os.popen(f"pgrep -P {os.getpid()} raylet").read().split()]
    os.kill(raylet, signal.SIGKILL)
    while any(node["Alive"] for node in ray.nodes()):
        time.sleep(0.05)
cluster._start = start_and_lose
try:
    with cluster.connected(2):
        pass
except cluster.ClusterError as error:
    print(error)
"""


@pytest.mark.ray
@pytest.mark.nightly
def test_c1_a_ray_that_dies_while_it_starts_is_not_a_ray_with_too_few_processors():
    result = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, timeout=DEADLINE)
    assert result.stdout == "no node of Ray is alive: it has died while it started; try again\n"
