"""Cost of a slow host: two hosts, one of which runs a tenth of the time, beside the fast one alone.

python -m benchmarks.slow_host          seconds of both, their ratio, and whether the tables have the same bits

The hosts are network namespaces, see `benchmarks.hosts`. The actor on the slow one is stopped for 90 ms of each 100 ms.
Needs two processors that nothing else uses.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.hosts import Hosts, joined_hosts, train, why_not

MAZE, MAX_STEPS = (200, 200), 4_000
SETTINGS = {"num_simulations": 8, "sharing": "local", "behaviour": "random", "seed": 7}
PERIOD, SHARE = 0.1, 0.1  # seconds, and the part of them in which the slow actor runs
TARGET = 1.3  # times the seconds of the fast host alone


def actors_on(hosts: Hosts, host: int) -> list[int]:
    """Return the processes of actors on a host."""
    listed = subprocess.run(["ip", "netns", "pids", hosts.names[host]], capture_output=True, text=True, check=True)
    found = []
    for pid in map(int, listed.stdout.split()):
        with suppress(OSError):  # it has ended
            if "SimulationActor" in Path(f"/proc/{pid}/cmdline").read_text():
                found.append(pid)
    return found


@contextmanager
def slowed_down(hosts: Hosts, host: int) -> Iterator[None]:
    """Let the first actor that appears on a host run only a part of the time."""
    ended = threading.Event()

    def toggle() -> None:
        actors: list[int] = []
        while not actors and not ended.wait(0.05):
            actors = actors_on(hosts, host)
        with suppress(ProcessLookupError):  # the training has ended
            while not ended.wait(PERIOD * SHARE):
                os.kill(actors[0], signal.SIGSTOP)
                ended.wait(PERIOD * (1 - SHARE))
                os.kill(actors[0], signal.SIGCONT)

    thread = threading.Thread(target=toggle)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def measure(num_episodes: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train on one actor, and on two of which one is slow; the results of both, see `hosts.train`."""
    request = {"maze": MAZE, "max_steps": MAX_STEPS, "settings": {**SETTINGS, "num_episodes": num_episodes}}
    with joined_hosts() as hosts:
        alone = train(hosts, {**request, "num_actors": 1})
        with slowed_down(hosts, 1):
            return alone, train(hosts, {**request, "num_actors": 2})


def main() -> int:
    """Measure some times; exit code 1 if a bit differs, or if the slow host costs more than it should."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow_host", description="What a slow host costs.")
    parser.add_argument("--episodes", type=int, default=40_000)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    if reason := why_not():
        print(f"skipped: {reason}")
        return 0
    ratios = []
    for _ in range(options.repetitions):
        alone, both = measure(options.episodes)
        seconds = [sum(each for _, each in result["rounds"]) for result in (alone, both)]
        ratios.append(seconds[1] / seconds[0])
        print(f"fast host {seconds[0]:.2f} s, with the slow one {seconds[1]:.2f} s: {ratios[-1]:.2f} times as long")
        print(f"    tasks {both['tasks']}, {both['copies']} copies, actors {both['hosts']}")
        print("".join(f"    {line}\n" for line in both["messages"].splitlines()), end="", flush=True)
        if alone["sha256"] != both["sha256"]:
            print("DIFFERENT tables")
            return 1
    print(f"median {median(ratios):.2f} times, at most {TARGET} wanted")
    return int(median(ratios) > TARGET)


if __name__ == "__main__":
    sys.exit(main())
