"""Ours beside other libraries, which `benchmarks.peers` measures: exact solving, and Q-learning on the 5x5 maze."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import clew
from benchmarks import loops
from benchmarks.peers import LEARNERS, SOLVERS, TOLERANCE
from benchmarks.rows import OURS, Row
from clew.kernels.dynamics import Sparse

SCRIPT = Path(__file__).parent / "peers.py"
GAMMA = 0.999
MAP = Path("maps/maze512-8-0.map")
MAP_GOAL = (402, 56)  # of the longest problem in its .scen file: 2,823 steps
LONGEST = 1800  # seconds that a peer may take, for all of its settings


def random_maze(size: int = 100, share: float = 0.2, seed: int = 0) -> clew.Maze:
    """A square with obstacles strewn over it, from corner to corner."""
    blocked = np.random.default_rng(seed).random((size, size)) < share
    blocked[0, 0] = blocked[-1, -1] = False
    rows = [["#" if cell else "." for cell in row] for row in blocked]
    rows[0][0], rows[-1][-1] = "S", "G"
    return clew.Maze.from_text("\n".join("".join(row) for row in rows))


def ask(python: str, *arguments: str) -> dict[str, Any]:
    """What the script says in that interpreter."""
    command = [python, str(SCRIPT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        return {"missing": f"not done after {LONGEST} s"}
    if done.returncode != 0:
        return {"missing": f"failed: {done.stderr.strip().splitlines()[-1]}"}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # a library may print as well
    return answer


def write_problem(path: Path, env: clew.Environment, repetitions: int) -> None:
    """The world as arrays that any library can read."""
    model = env.mdp.to_sparse().model
    assert isinstance(model, Sparse)
    arrays = {name: array for name, array in model._asdict().items() if name != "num_actions"}
    np.savez(path, gamma=GAMMA, repetitions=repetitions, **arrays)


def solve_beside(task: str, env: clew.Environment, python: str, repetitions: int) -> list[Row]:
    """Seconds of ours and of every peer to solve a world exactly, and how far the values are from ours."""
    seconds = []
    clew.solve(env, gamma=GAMMA, tolerance=TOLERANCE)  # compiles
    for _ in range(max(repetitions, 3)):
        begun = time.perf_counter()
        solution = clew.solve(env, gamma=GAMMA, tolerance=TOLERANCE)
        seconds.append(time.perf_counter() - begun)
    rows = [Row(task, OURS, "s", seconds, f"{solution.method}, proved within {solution.bound:.0e}")]
    with tempfile.TemporaryDirectory() as folder:
        problem, values = Path(folder) / "problem.npz", Path(folder) / "values.npy"
        write_problem(problem, env, repetitions)
        for peer in SOLVERS:
            answer = ask(python, "solve", str(problem), peer, str(values))
            rows += _peer_rows(task, peer, answer, solution.v, values)
    return rows


def _peer_rows(task: str, peer: str, answer: dict[str, Any], v: npt.NDArray[np.float64], path: Path) -> list[Row]:
    if "missing" in answer:
        return [Row(task, peer, "s", note=answer["missing"])]
    rows = []
    for (setting, seconds), values in zip(answer["settings"].items(), np.load(path), strict=True):
        error = float(np.abs(values[:-1] - v).max())
        note = f"version {answer['version']}, off by {error:.0e}, {answer['peak_memory']:.0f} MB"
        # A setting that misses the tolerance by far has not solved it: its time is no answer.
        figures = seconds if error <= 100 * TOLERANCE else []
        rows.append(Row(task, f"{peer}, {setting}", "s", figures, note if figures else f"{note}: wrong"))
    return rows


def measure_solvers(python: str = sys.executable, data: Path | None = None) -> list[Row]:
    """Exact solving; with a folder of maps also of a large one, which takes the others minutes."""
    maze = random_maze()
    rows = []
    for name, slip in (("deterministic", 0.0), ("slip 0.1", 0.1)):
        rows += solve_beside(f"100x100, {name}", clew.Environment(maze, slip=slip), python, 3)
    if data is not None:
        large = clew.Maze.load(data / MAP, start=None, goal=MAP_GOAL)
        for name, slip in (("deterministic", 0.0), ("slip 0.1", 0.1)):
            env = clew.Environment(large, random_start=True, slip=slip)
            rows += solve_beside(f"{MAP.stem}, {name}", env, python, 1)
    return rows


def measure_learners(python: str = sys.executable) -> list[Row]:
    """Q-learning on 5x5, steps a second of processor time."""
    task = "5x5"
    ours = [run.steps / run.seconds for run in (loops.run_serial(5, 1, 200_000) for _ in range(4))][1:]
    rows = [Row(task, OURS, "steps/s", ours)]
    for peer in LEARNERS:
        answer = ask(python, "learn", peer)
        missing = answer.get("missing", "")
        note = missing or f"version {answer['version']}, on its own open grid"
        rows.append(Row(task, peer, "steps/s", answer.get("figures", []), note))
    return rows
