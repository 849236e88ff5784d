"""Measure planning: the exact optimum of a real maze, and of mazes of 16.8 million cells.

    python -m benchmarks.planning [MAZE.map]        from the root of the repository; under a minute

The maze is MovingAI's maze512-8-0 if its file is given; else one of the same size is made. Times are of the whole call
of `solve`, the best of five, kernels compiled; every contender is a function, and what it came to a plain dictionary.
Peak memory is that of a process of its own, with Python, NumPy, Numba and the maze in it. Ends with exit code 1 if a
target is missed.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import clew
from benchmarks.rows import OURS, Row
from clew.kernels.dynamics import BLOCKED
from clew.mazes.formats import add_implied_walls
from clew.planning import PLANNERS

REPETITIONS = 5
GAMMA, TOLERANCE = 0.999, 1e-6
LARGE = 4096
TARGETS = {  # seconds, megabytes
    "maze512 deterministic": (0.020, None),
    "maze512 slip 0.1": (0.8, None),
    "4096x4096 walls": (5.0, 400),
    "4096x4096 open": (0.3, 400),
}
# Minutes, each: value iteration goes through every state for every step of the way, and errors that are all alike are
# what a queue sorts in vain.
TOO_SLOW = {
    "maze512 deterministic": {"value-iteration"},
    "maze512 slip 0.1": {"breadth-first", "value-iteration", "policy-iteration", "prioritized-sweeping"},
}


def make_maze(size: int, share: float, seed: int = 0) -> clew.Maze:
    """A square of random obstacles, with the goal next to the middle."""
    rng = np.random.default_rng(seed)
    cells = np.empty((size, size), np.uint8)
    for row in cells:
        row[:] = np.where(rng.random(size) < share, BLOCKED, 0)
    middle = size // 2
    cells[middle, middle : middle + 2] = 0
    return clew.Maze(add_implied_walls(cells)).with_ends((middle, middle), (middle, middle + 1))


def real_maze(path: Path | None) -> clew.Maze:
    """The maze of the command line, from its first free cell to its last; else one that is made."""
    if path is None:
        return make_maze(512, 0.3)
    maze = clew.Maze.load(path)
    free = np.argwhere(maze.regions() == np.bincount(maze.regions()[~maze.blocked]).argmax()).tolist()
    return maze.with_ends(tuple(free[0]), tuple(free[-1]))


def run_planner(env: clew.Environment, method: str | None) -> dict[str, Any]:
    """One call of `solve`, as a contender: seconds, method, bound, and the value of the start."""
    begun = time.perf_counter()
    solution = clew.solve(env, gamma=GAMMA, tolerance=TOLERANCE, method=method)
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "method": solution.method, "bound": solution.bound, "value": solution.value}


def best_of(contender: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the fastest of several calls came to; one that takes more than two seconds is called once."""
    runs = [contender()]
    while len(runs) < REPETITIONS and runs[0]["seconds"] < 2.0:
        runs.append(contender())
    return min(runs, key=lambda run: run["seconds"])


def measure_planners(path: Path | None) -> dict[str, dict[str, dict[str, Any]]]:
    """What planners come to on the real maze, by task and name; "solve" is the one that it takes by itself."""
    maze = real_maze(path)
    figures: dict[str, dict[str, dict[str, Any]]] = {}
    for task, slip in (("maze512 deterministic", 0.0), ("maze512 slip 0.1", 0.1)):
        env = clew.Environment(maze, slip=slip)
        names = [name for name in PLANNERS if name not in TOO_SLOW[task]]
        for name in names:
            run_planner(clew.Environment(clew.Maze.open(3, 3), slip=slip), name)  # compiles
        figures[task] = {name: best_of(lambda env=env, name=name: run_planner(env, name)) for name in names}
        figures[task]["solve"] = best_of(lambda env=env: run_planner(env, None))
    return figures


def measure_large(task: str) -> dict[str, Any]:
    """A maze of 16.8 million cells, solved in this process, and the memory that the process came to."""
    clew.solve(clew.Maze.open(3, 3))  # compiles
    maze = clew.Maze.open(LARGE, LARGE) if task.endswith("open") else make_maze(LARGE, 0.22)
    env = clew.Environment(maze)
    figures = best_of(lambda: run_planner(env, None))
    return figures | {"megabytes": peak_memory()}


def peak_memory() -> float:
    """Megabytes that this process took at most; where Linux says so, without what it was before its program began."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return (peaks[0] if peaks else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def measure(maze: Path | None) -> dict[str, dict[str, dict[str, Any]]]:
    """What planners come to, by task and name."""
    figures = measure_planners(maze)
    for task in ("4096x4096 walls", "4096x4096 open"):
        code = f"import json; from benchmarks.planning import measure_large; print(json.dumps(measure_large({task!r})))"
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        figures[task] = {"solve": json.loads(answer.stdout)}
    return figures


def measure_rows(data: Path | None) -> list[Row]:
    """The same as rows of the report, the planner that `solve` takes by itself as ours."""
    rows = []
    for task, contenders in measure(data / "maps" / "maze512-8-0.map" if data else None).items():
        for name, figure in contenders.items():
            note = f"{figure['method']}, bound {figure['bound']:.1e}"
            if "megabytes" in figure:
                note += f", peak memory of the process {figure['megabytes']:,.0f} MB"
            rows.append(Row(task, OURS if name == "solve" else name, "s", [figure["seconds"]], note))
    return rows


def main() -> int:
    """Measure, print a table and a JSON object; returns the exit code."""
    figures = measure(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    table = Table("task", "planner", "ms", "bound", "peak MB", "target")
    met = True
    for task, contenders in figures.items():
        for name, figure in contenders.items():
            seconds, megabytes = TARGETS[task]
            holds = figure["seconds"] <= seconds and figure["bound"] <= TOLERANCE
            holds = holds and (megabytes is None or figure["megabytes"] <= megabytes)
            met = met and (holds or name != "solve")
            verdict = f"{1e3 * seconds:,.0f} ms: {'met' if holds else 'MISSED'}" if name == "solve" else ""
            peak = f"{figure['megabytes']:,.0f}" if "megabytes" in figure else ""
            label = f"solve ({figure['method']})" if name == "solve" else name
            table.add_row(task, label, f"{1e3 * figure['seconds']:,.1f}", f"{figure['bound']:.1e}", peak, verdict)
    Console().print(table)
    print(json.dumps(figures))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
