"""Every row of every `.scen` file of a folder: the length that its author printed, beside ours, to the digits printed.

python -m benchmarks.scenarios DATA [NAME]    DATA holds maps/; half an hour, for each row is searched best first

The author's lengths seem to be printed in single precision. So a row agrees, too, if our length, rounded to a float32,
has the digits printed; rows that need that rounding are counted apart.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clew.dynamic_programming.orders import predecessors
from clew.kernels.best_first import settle_best_first
from clew.kernels.priorities import Heap, sift
from clew.mazes import MOVES, Maze
from clew.mazes.moves import Rewards, model_of_moves


def map_of(scenarios: Path) -> Path:
    """The map that a file of scenarios is about: those of one map are named after it, in two ways."""
    return scenarios.with_name(
        scenarios.name.removesuffix(".scen").removesuffix(".map").removesuffix("-random-1") + ".map"
    )


def lengths(maze: Maze, scenarios: Path) -> Iterator[tuple[str, float]]:
    """The length printed, and ours, of each row."""
    free = np.flatnonzero(~maze.blocked.reshape(-1))[:1].astype(np.int32)
    mdp = model_of_moves(maze.cells, MOVES["movingai"], free, rewards=Rewards(0.0, -1.0))
    n, before = mdp.num_states, predecessors(mdp.model, mdp.num_states, 8)
    for line in scenarios.read_text(errors="replace").splitlines()[1:]:
        if line.strip():
            *_, column, row, goal_column, goal_row, printed = line.split()
            v = np.full(n, -np.inf)
            heap = Heap(np.arange(n, dtype=np.int32), np.arange(n, dtype=np.int32), np.full(n, -np.inf))
            goal = int(goal_row) * maze.columns + int(goal_column)
            heap.errors[goal] = 0.0
            sift(heap, goal)
            settle_best_first(mdp.model, v, 8, *before, heap)
            yield printed, -float(v[int(row) * maze.columns + int(column)])


def compare(scenarios: Path) -> tuple[int, int, int]:
    """Rows of a file: all, those that agree only in single precision, and those that don't agree."""
    rows = single = wrong = 0
    for printed, ours in lengths(Maze.load(map_of(scenarios)), scenarios):
        digits, rows = len(printed.partition(".")[2]), rows + 1
        if abs(ours - float(printed)) > 0.5 * 10.0**-digits + 1e-9:
            agrees = f"{float(np.float32(ours)):.{digits}f}" == printed
            single, wrong = single + agrees, wrong + (not agrees)
            print(f"  row {rows - 1}: printed {printed}, ours {ours:.12g}{'' if agrees else ' WRONG'}", flush=True)
    return rows, single, wrong


def main(data: Path, name: str = "") -> None:
    """Compare all files, or those whose name holds a word."""
    totals = np.zeros(3, np.int64)
    for scenarios in sorted(data.glob("maps/*.scen"), key=lambda path: path.stat().st_size):
        if name in scenarios.name:
            begun, found = time.perf_counter(), compare(scenarios)
            totals += found
            seconds = time.perf_counter() - begun
            print(
                f"{scenarios.name}: {found[0]} rows, {found[1]} in single precision, {found[2]} wrong; {seconds:.0f} s"
            )
    print(f"all: {totals[0]} rows, {totals[1]} in single precision, {totals[2]} wrong")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
