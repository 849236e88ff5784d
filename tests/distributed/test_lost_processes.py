"""Processes of Ray that die under a command: standard output stays pure, and nothing that was learned is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from waiting import DEADLINE, wait_for_checkpoint, wait_until

pytestmark = [pytest.mark.usefixtures("signals_heard"), pytest.mark.timeout(0)]  # each wait has its deadline
RUN = ("wilson:60x60:seed=1", "--simulations", "4", "--sharing", "local", "--episodes", "12000", "--json")
WITH_ACTORS = (*RUN, "--actors", "2", "--checkpoint-every", "0.5s", "--out", "run")
RESUME = ("train", "--resume", "run", "--actors", "0", "--json")
SOLVE = ("solve", "3000x3000", "--slip", "0.1", "--gamma", "0.999", "--blocks", "4", "--actors", "2")
PATTERNS = {"actor": "Actor", "raylet": "raylet/raylet", "gcs": "gcs_server"}
FEW = {"actor": None, "raylet": 3, "gcs": 3}  # moments at most


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


def wait_for_actors(process: subprocess.Popen, number: int) -> dict[int, str]:
    """Wait until a process has some actors of Ray; return all processes that it has, none if it has ended."""

    def num_actors() -> int:
        return sum(words.startswith("ray::") and "Actor" in words for words in descendants(process.pid).values())

    wait_until(lambda: process.poll() is not None or num_actors() >= number)
    return descendants(process.pid)


def wait_for_gcs(process: subprocess.Popen) -> None:
    """Wait until a process starts Ray, whose first process is the GCS."""
    wait_until(lambda: any(PATTERNS["gcs"] in words for words in descendants(process.pid).values()), process)


def kill_one(process: subprocess.Popen, kind: str, delay: float) -> set[int]:
    """Kill a process of its Ray, `delay` seconds after its actors were there; return all processes that it had."""
    found = wait_for_actors(process, 2)
    time.sleep(delay)  # the moment is what is tested
    found |= descendants(process.pid)
    for pid, words in found.items():
        if PATTERNS[kind] in words and words.startswith("ray::") == (kind == "actor"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            break
    return set(found)


def assert_gone(pids: set[int]) -> None:
    wait_until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids), seconds=30)  # a zombie has none


@pytest.fixture(scope="module")
def wanted(tmp_path_factory) -> str:
    """The hash of the table that nothing disturbed."""
    whole = start(tmp_path_factory.mktemp("whole"), "train", *RUN)
    return json.loads(whole.communicate(timeout=DEADLINE)[0])["table_sha256"]


@pytest.mark.ray
@pytest.mark.nightly
@pytest.mark.parametrize("kind", PATTERNS)
@pytest.mark.parametrize("watch", [(), ("--watch",)])
def test_c1_a_process_of_ray_that_dies_loses_nothing(watch, kind, tmp_path, delays, wanted):
    for moment, delay in enumerate(delays(4.0, at_most=FEW[kind])):
        folder = tmp_path / str(moment)
        folder.mkdir()
        process = start(folder, "train", *WITH_ACTORS, *watch)
        pids = kill_one(process, kind, delay)
        printed, said = process.communicate(timeout=DEADLINE)
        assert_gone(pids)
        assert "Traceback" not in said
        if process.returncode == 0:
            assert json.loads(printed)["table_sha256"] == wanted
            continue
        assert (kind != "actor", printed) == (True, ""), said
        if process.returncode == 2:  # nothing was learned yet
            assert said.endswith("it has died while it started; try again\n"), said
            resumed = start(folder, "train", *RUN)
        else:
            assert process.returncode == 1, said
            assert said.endswith("Ray has died in the middle of the work; go on with `clew train --resume run`\n")
            resumed = start(folder, *RESUME)
        assert json.loads(resumed.communicate(timeout=DEADLINE)[0])["table_sha256"] == wanted


@pytest.mark.ray
@pytest.mark.nightly
@pytest.mark.parametrize(
    "words",
    [
        ("solve", "3000x3000", "--blocks", "4", "--slip", "0.1", "--gamma", "0.999", "--actors", "2"),
        ("bench", "--calibrate"),
    ],
)
@pytest.mark.parametrize("kind", PATTERNS)
def test_b_standard_output_is_pure_whatever_dies(kind, words, tmp_path, delays):
    undisturbed = json.loads(start(tmp_path, *words, "--json").communicate(timeout=DEADLINE)[0])
    for delay in delays(5.0, at_most=FEW[kind]):
        process = start(tmp_path, *words, "--json")
        pids = kill_one(process, kind, delay)
        printed, said = process.communicate(timeout=DEADLINE)
        assert_gone(pids)
        assert "Traceback" not in said
        assert process.returncode in (0, 1, 2)
        if process.returncode == 0:
            assert json.loads(printed).get("value") == undisturbed.get("value")
        else:
            assert printed == ""
            assert said.splitlines()[-1].startswith("clew: ")


@pytest.mark.ray
@pytest.mark.nightly
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_c2_a_signal_keeps_what_two_actors_have_learned(name, tmp_path, delays, wanted):
    number = getattr(signal, name)
    for moment, delay in enumerate(delays(3.0)):
        folder = tmp_path / str(moment)
        folder.mkdir()
        process = start(folder, "train", *WITH_ACTORS)
        wait_for_checkpoint(folder / "run", process)
        time.sleep(delay)
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
        resumed = start(folder, *RESUME)
        assert json.loads(resumed.communicate(timeout=DEADLINE)[0])["table_sha256"] == wanted


@pytest.mark.ray
@pytest.mark.nightly
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_c2_a_signal_while_ray_starts_leaves_nothing(name, tmp_path):
    number = getattr(signal, name)
    for delay in (0.0, 0.5, 1.0, 2.0):
        process = start(tmp_path, "train", *WITH_ACTORS)
        wait_for_gcs(process)
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
    # Ray may print a message of its own about the raylet first.
    assert result.stdout.endswith("no node of Ray is alive: it has died while it started; try again\n")
