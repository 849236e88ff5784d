"""Measure speed in one run: ours, the chapter's, and C's, in turn, so that a noisy machine is noisy for all of them.

    python -m benchmarks        from the root of the repository; under a minute

Every speed is the median of five repetitions, in steps a second of processor time: all of these loops run on one
processor, and what else the machine does must not decide a ratio. Ends with exit code 1 if clew and C don't learn the
same bits, or if clew misses its target on the chapter's maze.
"""

import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numba
import numpy as np
from rich.console import Console
from rich.table import Table

import clew
from benchmarks import chapter
from clew.kernels.sampling import new_stream

HERE = Path(__file__).parent
REPETITIONS = 5
TARGET = 300  # times the chapter's loop, on its own maze
SIZES = (5, 50)
SEED = 0

OURS, PARALLEL = "train_policy", "train_policy_parallel, no actors"
CHAPTER, C = "the chapter's loop", "C, gcc -O3"
EPISODES = {  # about a fifth of a second of ours and of C, a second of the chapter's
    OURS: {5: 1_000_000, 50: 40_000},
    CHAPTER: {5: 10_000, 50: 2},
    PARALLEL: {5: 400_000, 50: 200},
    C: {5: 1_000_000, 50: 40_000},
}
# Few episodes, since values end up at the same fixed point whatever was drawn.
EPISODES_TO_COMPARE = {5: 100, 50: 1_000}


class Run(NamedTuple):
    """What one call came to."""

    steps: int
    seconds: float  # of processor time
    checksum: int = 0  # CRC-32 of the table


def run_ours(train: Callable[..., clew.Policy], size: int, episodes: int, **settings: Any) -> Run:
    """Train as a user would, and count the steps."""
    env = clew.Environment(clew.Maze.open(size, size))
    steps: list[int] = []
    begun = time.process_time()
    policy = train(env, episodes, seed=SEED, callback=lambda metrics: steps.append(metrics.num_steps), **settings)
    return Run(sum(steps), time.process_time() - begun, zlib.crc32(policy.q.tobytes()))


def run_chapter(size: int, episodes: int) -> Run:
    """Train as the chapter does."""
    random.seed(SEED)
    env = chapter.Environment(size, size)
    begun = time.process_time()
    _, steps = chapter.train_policy(env, episodes)
    return Run(steps, time.process_time() - begun)


def compile_c(folder: str) -> Path:
    """Compile loop.c."""
    program = Path(folder) / "loop"
    flags = ["-O3", "-march=native", "-ffp-contract=off"]
    subprocess.run(["gcc", *flags, "-o", str(program), str(HERE / "loop.c")], check=True)
    return program


def run_c(program: Path, size: int, episodes: int) -> Run:
    """Train in C, with the stream that `clew.train_policy` draws from."""
    numbers = [size, size, episodes, *new_stream(SEED, 0, 0)]
    command = [str(program), *(str(number) for number in numbers)]
    steps, seconds, checksum = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return Run(int(steps), float(seconds), int(checksum))


def measure(runners: dict[str, Callable[[int, int], Run]]) -> tuple[dict[str, dict[int, list[float]]], list[float]]:
    """Steps/s by name and size, and seconds, on the clock, of the chapter's 10,000 episodes by ours; a list of each."""
    speeds: dict[str, dict[int, list[float]]] = {name: {size: [] for size in SIZES} for name in runners}
    calls = []
    for _ in range(REPETITIONS):
        for size in SIZES:
            for name, runner in runners.items():
                run = runner(size, EPISODES[name][size])
                speeds[name][size].append(run.steps / run.seconds)
        begun = time.perf_counter()
        clew.train_policy(clew.Environment(), 10_000, seed=SEED)
        calls.append(time.perf_counter() - begun)
    return speeds, calls


def learn_the_same(program: Path) -> bool:
    """Tell if clew and C take the same steps and learn the same table."""
    for size, episodes in EPISODES_TO_COMPARE.items():
        ours, c = run_ours(clew.train_policy, size, episodes), run_c(program, size, episodes)
        if (ours.steps, ours.checksum) != (c.steps, c.checksum):
            return False
    return True


def describe_machine() -> dict[str, str]:
    """The machine and the versions that the figures are for."""
    info = Path("/proc/cpuinfo")
    models = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    gcc = subprocess.run(["gcc", "--version"], capture_output=True, text=True).stdout if shutil.which("gcc") else ""
    return {
        "machine": f"{models[0] if models else platform.machine()}, {os.cpu_count()} processors",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "gcc": gcc.splitlines()[0].split()[-1] if gcc else "none",
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def make_table(figures: dict[str, dict[int, float]]) -> Table:
    """Million steps/s, and how many times the chapter's that is."""
    table = Table(title=f"million steps/s, median of {REPETITIONS}", title_justify="left")
    table.add_column("loop")
    for size in SIZES:
        table.add_column(f"{size}x{size}", justify="right")
        table.add_column("x chapter", justify="right")
    for name, speeds in sorted(figures.items(), key=lambda item: -item[1][5]):
        cells = [(f"{speeds[n] / 1e6:.3g}", f"{speeds[n] / figures[CHAPTER][n]:,.0f}") for n in SIZES]
        table.add_row(name, *(cell for pair in cells for cell in pair))
    return table


def main() -> int:
    """Measure, print, write results/latest.json; returns the exit code."""
    console = Console()
    machine = describe_machine()
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()), soft_wrap=True, highlight=False)
    runners = {
        OURS: lambda size, episodes: run_ours(clew.train_policy, size, episodes),
        CHAPTER: run_chapter,
        PARALLEL: lambda size, episodes: run_ours(clew.train_policy_parallel, size, episodes, num_actors=0),
    }
    for name in (OURS, PARALLEL):
        runners[name](5, 10)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        same: bool | None = None
        if machine["gcc"] != "none":
            program = compile_c(folder)
            runners[C] = lambda size, episodes: run_c(program, size, episodes)
            same = learn_the_same(program)
        speeds, calls = measure(runners)

    figures = {name: {size: median(speeds[name][size]) for size in SIZES} for name in speeds}
    console.print(make_table(figures))
    console.print(f"10,000 episodes of the chapter's maze, the whole warm call: {1e3 * median(calls):.1f} ms")
    if same is None:
        console.print("C: skipped, for there is no gcc")
    else:
        ratios = ", ".join(f"{figures[OURS][n] / figures[C][n]:.2f} on {n}x{n}" for n in SIZES)
        console.print(f"clew / C: {ratios}; they learn {'the same bits' if same else 'DIFFERENT bits'}")
    ratio = figures[OURS][5] / figures[CHAPTER][5]
    met = ratio >= TARGET
    console.print(
        f"target: at least {TARGET} times the chapter's loop on 5x5: {ratio:,.0f}, {'met' if met else 'MISSED'}"
    )

    results = HERE / "results"
    results.mkdir(exist_ok=True)
    report = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **machine,
        "steps_per_second": speeds,
        "seconds_of_10000_episodes": calls,
        "ratio_to_chapter_5x5": ratio,
        "target": TARGET,
        "target_met": met,
        "same_bits_as_c": same,
    }
    (results / "latest.json").write_text(json.dumps(report, indent=2) + "\n")
    return 0 if met and same is not False else 1


if __name__ == "__main__":
    sys.exit(main())
