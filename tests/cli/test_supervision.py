"""The parent of a command that uses Ray: it ends as its child does, and touches no other process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from waiting import wait_until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="only there a command has a child"),
    pytest.mark.usefixtures("signals_heard"),
]
CHILD = """
import os, signal, subprocess, sys, time
from clew.cli import interruption, main, supervision
other = subprocess.Popen(["sleep", "60"])
def run():
    supervision.continue_in_child("start it again")
    {work}
main.app = lambda **_: run()
try:
    main.program()
finally:
    if interruption.parent_pipe is None:
        print("other", other.poll(), flush=True)
        other.kill()
"""


# The child has another handler then, as while Ray starts; at last the signal comes.
SIGNALLED = "signal.signal(15, signal.SIG_IGN); os.kill(os.getppid(), 15); time.sleep(0.5)"


def run(work: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", CHILD.format(work=work)], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("work", "code", "said"),
    [
        ("sys.exit(0)", 0, ""),
        ("sys.exit(7)", 7, ""),
        ("raise ValueError('a bug')", 1, "ValueError: a bug"),
        ("os.kill(os.getppid(), signal.SIGTERM); time.sleep(30)", 143, "clew: stopped; start it again\n"),
        ("os.kill(os.getppid(), signal.SIGHUP); time.sleep(30)", 129, "clew: stopped; start it again\n"),
        (f"{SIGNALLED}; os.abort()", 143, "clew: stopped; start it again\n"),
        (f"{SIGNALLED}; os._exit(1)", 143, "clew: stopped; start it again\n"),
        (f"{SIGNALLED}; sys.exit(7)", 7, ""),
    ],
)
def test_the_parent_ends_as_its_child_does(work, code, said):
    done = run(work)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Ray has died" not in done.stderr
    assert done.stdout.endswith("other None\n")  # a child from before is left alone


def test_a_child_that_is_ended_from_outside_is_said():
    for work, reason in (("os._exit(1)", "Ray has died"), ("os.kill(os.getpid(), 9)", "ended by signal 9")):
        assert f"{reason} in the middle of the work; start it again" in run(work).stderr


def test_c1_a_connection_to_ray_that_breaks_is_said_as_its_death():
    """Ray's C++ code ends the process if it loses one of its own, or raises an OSError of one line."""
    lost = CHILD.format(
        work="""
    from clew.distributed.cluster import connected
    with connected(0):
        raise OSError("Broken pipe")
"""
    )
    done = subprocess.run([sys.executable, "-c", lost], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "clew: Ray has died in the middle of the work; start it again"
    assert "Traceback" not in done.stderr


def test_what_a_child_leaves_behind_is_ended():
    done = run("print(subprocess.Popen(['sleep', '61']).pid, flush=True); os._exit(1)")
    pid = int(done.stdout.split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_child_ends_with_its_parent():
    words = [sys.executable, "-c", CHILD.format(work="print(os.getpid(), flush=True); time.sleep(60)")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        status = Path(f"/proc/{pid}/stat")
        wait_until(lambda: not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] == "Z", seconds=20)
