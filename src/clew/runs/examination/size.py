"""Check of the memory that a table takes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clew.errors import SettingError
from clew.learning.findings import Finding
from clew.learning.learner import count_bytes, new_spec
from clew.learning.settings import Learning
from clew.settings import machine_memory

MEMORY_INFO = Path("/proc/meminfo")  # Linux
SHARE = 0.8  # of the machine's memory that Clew takes at most


def check_size(
    learning: Learning, shape: tuple[int, int], max_steps: int, num_outcomes: int | None, is_counted: bool = False
) -> Iterator[Finding]:
    """Find a table, with the memory of its algorithm, that doesn't fit into the memory of this machine.

    Args:
        learning: settings of the learner.
        shape: (num_states, num_actions).
        max_steps: step limit of an episode.
        num_outcomes: outcomes of all pairs of a state and an action; None if unknown.
        is_counted: True if updates of each value are counted.
    """
    table = np.broadcast_to(np.float32(0.0), shape)  # takes no memory
    spec = new_spec(table, learning, max_steps=max_steps, num_outcomes=num_outcomes, counted=is_counted)
    try:
        size = count_bytes(spec)
    except SettingError as error:
        yield Finding("memory", float(shape[0] * shape[1]), str(error), "take a smaller world", "error")
        return
    total, free = machine_memory(), available_memory()
    if total is None or size <= min(SHARE * total, free):
        return
    yield Finding(
        "memory",
        float(size),
        f"{learning.algorithm} with {shape[0]:,} states and {shape[1]:,} actions takes {size / 1e9:,.1f} GB, and this "
        f"machine has {total / 1e9:.1f} GB of memory, of which {free / 1e9:.1f} GB are free",
        "take an algorithm that keeps no more than its values, such as q-learning, or a smaller world or step limit"
        if 4 * shape[0] * shape[1] <= min(SHARE * total, free)
        else "take a smaller or coarser world",
        "error" if size > SHARE * total else "warning",
    )


def available_memory() -> float:
    """Return the bytes of memory that can be used without swapping; infinite if the system doesn't tell."""
    try:
        lines = dict(line.split(":") for line in MEMORY_INFO.read_text().splitlines())
        return 1024.0 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return float("inf")
