"""Signals that end a command: what is learned is kept, the exit code says which signal it was, nothing is left."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import wait_for_checkpoint, wait_until

pytestmark = pytest.mark.usefixtures("signals_heard", "nothing_left")
DEADLINE = 120
EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
RUN = ("20x20", "--slip", "0.2", "--random-start", "--simulations", "4", "--sync-every", "100", "--seed", "5")


started: list[subprocess.Popen] = []


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """End what a test has started, also if it fails."""
    yield
    while started:
        process = started.pop()
        process.kill()
        process.communicate()


def start(folder: Path, *words: str, ignored: int | None = None, **environment: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-m", "clew", "train", *words, "--checkpoint-every", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
        env={**os.environ, **environment},
        preexec_fn=None if ignored is None else lambda: signal.signal(ignored, signal.SIG_IGN),
    )
    started.append(process)
    return process


def hash_of(folder: Path) -> str:
    return json.loads((folder / "run" / "summary.json").read_text())["table_sha256"]


def start_long_run(folder: Path, ignored: int | None = None) -> subprocess.Popen:
    process = start(folder, *RUN, "--episodes", "100000000", "--out", "run", ignored=ignored)
    wait_for_checkpoint(folder / "run", process)
    return process


@pytest.mark.parametrize("name", EXIT_CODES)
def test_c2_a_signal_saves_a_checkpoint_and_gives_its_exit_code(name, tmp_path):
    process = start_long_run(tmp_path)
    process.send_signal(getattr(signal, name))
    printed, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == EXIT_CODES[name]
    assert printed == ""
    assert said.endswith("clew: stopped; go on with `clew train --resume run`\n")


def test_c2_a_signal_that_is_ignored_stays_ignored(tmp_path):
    process = start_long_run(tmp_path, ignored=signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    before = max(tmp_path.glob("run.partial/checkpoint-*"), key=lambda path: path.stat().st_mtime)
    wait_until(lambda: not before.exists(), process)  # it goes on, and replaces the checkpoint
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 143


def test_c2_a_terminal_that_is_closed_stops_the_run(tmp_path):
    master, slave = pty.openpty()

    def begin() -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    words = [sys.executable, "-m", "clew", "train", *RUN, "--episodes", "100000000", "--out", "run"]
    process = subprocess.Popen(
        [*words, "--checkpoint-every", "1"], stdin=slave, stdout=slave, stderr=slave, cwd=tmp_path, preexec_fn=begin
    )
    started.append(process)
    os.close(slave)
    wait_for_checkpoint(tmp_path / "run", process)
    os.close(master)
    assert process.wait(DEADLINE) == 129
    assert list(tmp_path.glob("run.partial/checkpoint-*"))


def test_c2_a_second_ctrl_c_ends_at_once(tmp_path):
    process = start_long_run(tmp_path)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)  # the same signal twice is one, if the first is not yet handled
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 130


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.2])
def test_c2_a_signal_that_a_scheduler_sends_to_every_process_counts_once(tmp_path, seconds):
    """The parent, see `clew.cli.supervision`, passes it on to a child that has got it already."""
    process = start_long_run(tmp_path)
    process.send_signal(signal.SIGTERM)
    time.sleep(seconds)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 143
    assert "stopped; go on with `clew train --resume run`" in said


MANY_SIGNALS = """
import os, signal, time
from clew.cli.interruption import stopped_by_signals
from clew.learning.checkpoints import Checkpoints

checkpoints = Checkpoints("run")
checkpoints.is_training = True
with stopped_by_signals(checkpoints):
    parent = os.getpid()
    sender = os.fork()
    if sender == 0:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            os.kill(parent, signal.SIGTERM)
        os._exit(0)
    while not os.waitpid(sender, os.WNOHANG)[0]:
        pass
print("done")
"""


def test_c2_a_signal_may_interrupt_the_handler_of_another(tmp_path):
    words = [sys.executable, "-c", MANY_SIGNALS]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_a_run_that_is_being_trained_is_not_resumed_by_another_process(tmp_path):
    first = start_long_run(tmp_path)
    others = [start(tmp_path, "--resume", "run") for _ in range(2)]
    for other in others:
        printed, said = other.communicate(timeout=DEADLINE)
        assert other.returncode == 2
        assert printed == ""
        refusal = f"is being trained by process {first.pid}; wait until it ends, or stop it"
        assert said == f"clew: {tmp_path}/run.partial: {refusal}\n"
    assert first.poll() is None
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=DEADLINE)
    second = start(tmp_path, "--resume", "run")
    lock = tmp_path / "run.partial" / "lock"
    wait_until(lambda: lock.read_text() == str(second.pid), second)  # the kernel has unlocked it
    second.kill()
    second.communicate(timeout=DEADLINE)


@pytest.mark.nightly
@pytest.mark.timeout(0)  # each wait has its deadline
@pytest.mark.parametrize("name", EXIT_CODES)
def test_c2_a_run_that_a_signal_stopped_is_resumed_to_the_same_bits(name, tmp_path, delays):
    words = *RUN, "--episodes", "20000"
    whole = start(tmp_path, *words, "--out", "run")
    whole.communicate(timeout=DEADLINE)
    assert whole.returncode == 0
    wanted = hash_of(tmp_path)
    for moment, delay in enumerate(delays(2.0)):
        folder = tmp_path / str(moment)
        folder.mkdir()
        process = start(folder, *words, "--out", "run")
        wait_for_checkpoint(folder / "run", process)
        time.sleep(delay)
        process.send_signal(getattr(signal, name))
        process.communicate(timeout=DEADLINE)
        code = process.returncode
        code = 128 - code if code < 0 else code  # of a signal after the work, as a shell has it
        assert code in (EXIT_CODES[name], 0)
        if process.returncode:
            resumed = start(folder, "--resume", "run")
            resumed.communicate(timeout=DEADLINE)
            assert resumed.returncode == 0
        assert hash_of(folder) == wanted
