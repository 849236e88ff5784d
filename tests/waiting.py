"""Waiting for other processes: each wait has a deadline, and pauses that leave the processor to them."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

DEADLINE = 200  # seconds
PAUSE = 0.05  # seconds between two looks

T = TypeVar("T")


def wait_until(condition: Callable[[], T], process: subprocess.Popen | None = None, *, seconds: float = DEADLINE) -> T:
    """Return what a condition gives as soon as that is true.

    Args:
        condition: function without arguments, called every `PAUSE` seconds.
        process: process that makes it true; None if any may.
        seconds: how long to wait at most.

    Raises:
        AssertionError: if it took longer, or if the process has ended before.
    """
    deadline = time.monotonic() + seconds
    while True:
        has_ended = process is not None and process.poll() is not None  # before the look, which is then the last one
        if found := condition():
            return found
        assert not has_ended, f"the process has ended: {process.communicate()}"
        assert time.monotonic() < deadline, f"still waiting after {seconds:g} seconds"
        time.sleep(PAUSE)


def wait_for_checkpoint(run: Path, process: subprocess.Popen | None = None) -> None:
    """Wait until a run that isn't finished has a checkpoint; see `wait_until`."""
    wait_until(lambda: list(run.parent.glob(f"{run.name}.partial/checkpoint-*")), process)
