"""Ours beside other libraries, which `benchmarks.peers` measures: exact solving, and Q-learning on the 5x5 maze."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import clew
from benchmarks import continuing, loops
from benchmarks.peers import LEARNERS, SOLVERS, TOLERANCE
from benchmarks.rows import OURS, Row
from clew.kernels.dynamics import Sparse

SCRIPT = Path(__file__).parent / "peers.py"
GAMMA = 0.999
MAP = Path("maps/maze512-8-0.map")
MAP_GOAL = (402, 56)  # of the longest problem in its .scen file: 2,823 steps
LONGEST = 900  # seconds that a setting of a peer may take
FOR_MAZES = tuple(each for each in SOLVERS if each[1] != "policy iteration")  # which takes minutes there
FOR_CONTINUING = (
    ("scipy", "policy iteration"),
    ("quantecon", "policy iteration"),
    ("quantecon", "modified policy iteration"),
    ("mdpsolver", "mpi, standard"),
)
LONGEST_CONTINUING = 40


def random_maze(size: int = 100, share: float = 0.2, seed: int = 0) -> clew.Maze:
    """A square with obstacles strewn over it, from corner to corner."""
    blocked = np.random.default_rng(seed).random((size, size)) < share
    blocked[0, 0] = blocked[-1, -1] = False
    rows = [["#" if cell else "." for cell in row] for row in blocked]
    rows[0][0], rows[-1][-1] = "S", "G"
    return clew.Maze.from_text("\n".join("".join(row) for row in rows))


def ask(python: str, *arguments: str, longest: float = LONGEST, script: Path = SCRIPT) -> dict[str, Any]:
    """What the script says in that interpreter."""
    command = [python, str(script), *arguments]
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=longest, check=False, env={**os.environ, **one_thread}
        )
    except subprocess.TimeoutExpired:
        return {"missing": f"not done after {longest} s"}
    if done.returncode != 0:
        return {"missing": f"failed: {done.stderr.strip().splitlines()[-1]}"}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # a library may print as well
    return answer


def write_problem(path: Path, mdp: clew.FiniteMDP, gamma: float, repetitions: int) -> None:
    """The world as arrays that any library can read."""
    model = mdp.to_sparse().model
    assert isinstance(model, Sparse)
    np.savez(path, gamma=gamma, repetitions=repetitions, **model._asdict())


def solve_beside(task: str, env: clew.Environment, python: str, repetitions: int) -> list[Row]:
    """Seconds of ours and of every peer to solve a maze exactly, and how far the values are from ours."""
    seconds, solution = seconds_of_ours(env.mdp, GAMMA, max(repetitions, 3))
    rows = [Row(task, OURS, "s", seconds, f"{solution.method}, proved within {solution.bound:.0e}")]
    with tempfile.TemporaryDirectory() as folder:
        problem, values = Path(folder) / "problem.npz", Path(folder) / "values.npy"
        write_problem(problem, env.mdp, GAMMA, repetitions)
        for peer, setting in FOR_MAZES:
            answer = ask(python, "solve", str(problem), peer, setting, str(values))
            if "missing" in answer:
                rows.append(Row(task, f"{peer}, {setting}", "s", note=answer["missing"]))
                continue
            error = float(np.abs(np.load(values)[: solution.v.size] - solution.v).max())
            note = f"version {answer['version']}, off by {error:.0e}, {answer['peak_memory']:.0f} MB"
            # A setting that misses the tolerance by far has not solved it: its time is no answer.
            figures = answer["seconds"] if error <= 100 * TOLERANCE else []
            rows.append(Row(task, f"{peer}, {setting}", "s", figures, note if figures else f"{note}: wrong"))
    return rows


def seconds_of_ours(mdp: clew.FiniteMDP, gamma: float, repetitions: int) -> tuple[list[float], clew.Solution]:
    """Seconds of each of some calls of `solve`, after one that compiles, and the last solution."""
    solution = clew.solve(mdp, gamma=gamma, tolerance=TOLERANCE)
    seconds = []
    for _ in range(repetitions):
        begun = time.perf_counter()
        solution = clew.solve(mdp, gamma=gamma, tolerance=TOLERANCE)
        seconds.append(time.perf_counter() - begun)
    return seconds, solution


def measure_continuing(gamma: float, python: str = sys.executable) -> list[Row]:
    """Worlds that never end: seconds of ours and of the peers, and how far their relative values are from ours."""
    rows = []
    for name, make_model in continuing.MODELS.items():
        mdp = make_model()
        seconds, solution = seconds_of_ours(mdp, gamma, continuing.REPETITIONS)
        rows.append(Row(name, OURS, "s", seconds, f"{solution.method}, proved within {solution.bound:.0e}"))
        with tempfile.TemporaryDirectory() as folder:
            problem, values = Path(folder) / "problem.npz", Path(folder) / "values.npy"
            write_problem(problem, mdp, gamma, continuing.REPETITIONS)
            for peer, setting in FOR_CONTINUING:
                answer = ask(python, "solve", str(problem), peer, setting, str(values), longest=LONGEST_CONTINUING)
                note = answer.get("missing", "")
                if not note:
                    difference = np.load(values) - solution.v
                    note = f"off by {float(np.ptp(difference)) / 2.0:.0e}"
                rows.append(Row(name, f"{peer}, {setting}", "s", answer.get("seconds", []), note))
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
