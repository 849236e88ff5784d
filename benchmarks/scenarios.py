"""Every row of every `.scen` file of a folder: the length that its author printed, beside ours, to the digits printed.

python -m benchmarks.scenarios DATA [NAME]    DATA holds maps/; half an hour, for each row is searched best first

A length is straight moves and diagonal ones, and the cost of a diagonal one was rounded when files were made. Each row
is searched with the moves `movingai`, and compared with both of the costs that `clew.mazes.MOVES` has: a file agrees if
one of them meets all of its rows.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clew.kernels.planning.best_first import best_first_search
from clew.kernels.planning.priorities import Heap, sift
from clew.mazes import MOVES, Maze
from clew.mazes.moves import Rewards, model_of_moves
from clew.planning.orders import predecessors

COSTS = {name: MOVES[name].moves[0][-1].cost for name in ("movingai", "movingai-float32")}  # of a diagonal move


def map_of(scenarios: Path) -> Path:
    """The map that a file of scenarios is about: those of one map are named after it, in two ways."""
    return scenarios.with_name(
        scenarios.name.removesuffix(".scen").removesuffix(".map").removesuffix("-random-1") + ".map"
    )


def ways(maze: Maze, scenarios: Path) -> Iterator[tuple[str, int, int]]:
    """Of each row the length printed, and of a shortest way its straight moves and its diagonal ones."""
    free = np.flatnonzero(~maze.blocked.reshape(-1))[:1].astype(np.int32)
    mdp = model_of_moves(maze.cells, MOVES["movingai"], free, rewards=Rewards(0.0, -1.0))
    n, before = mdp.num_states, predecessors(mdp.model, mdp.num_states, 8)
    for line in scenarios.read_text(errors="replace").splitlines()[1:]:
        if line.strip():
            *_, column, row, goal_column, goal_row, printed = line.split()
            v = np.full(n, -np.inf)
            heap = Heap(np.arange(n, dtype=np.int32), np.arange(n, dtype=np.int32), np.full(n, -np.inf))
            goal = int(goal_row) * maze.columns + int(goal_column)
            heap.priorities[goal] = 0.0
            sift(heap, goal)
            best_first_search(mdp.model, v, 8, *before, heap)
            yield printed, *split(-float(v[int(row) * maze.columns + int(column)]))


def split(length: float) -> tuple[int, int]:
    """How many straight and diagonal moves a length is made of: of all that fit, those that leave no rest.

    No way has neither, as these files have 0 for its length.
    """
    if not np.isfinite(length):
        return 0, 0
    straights = length - COSTS["movingai"] * np.arange(1 + round(length / COSTS["movingai"]))
    diagonals = int(np.abs(straights - straights.round()).argmin())
    return round(straights[diagonals]), diagonals


def misses(found: list[tuple[str, int, int]], cost: float) -> list[int]:
    """The rows whose printed length isn't met, to its digits, if a diagonal costs so much."""
    return [
        row
        for row, (printed, straights, diagonals) in enumerate(found)
        if abs(straights + diagonals * cost - float(printed)) > 0.5 * 10.0 ** -len(printed.partition(".")[2]) + 1e-9
    ]


def main(data: Path, name: str = "") -> None:
    """Compare all files, or those whose name holds a word."""
    rows = wrong = 0
    for scenarios in sorted(data.glob("maps/*.scen"), key=lambda path: path.stat().st_size):
        if name not in scenarios.name:
            continue
        begun, found = time.perf_counter(), list(ways(Maze.load(map_of(scenarios)), scenarios))
        missed = {moves: misses(found, cost) for moves, cost in COSTS.items()}
        said = ", ".join(f"{moves} misses {len(those)} {those[:9] or ''}".rstrip() for moves, those in missed.items())
        print(f"{scenarios.name}: {len(found)} rows; {said}; {time.perf_counter() - begun:.0f} s", flush=True)
        rows, wrong = rows + len(found), wrong + min(len(those) for those in missed.values())
    print(f"all: {rows} rows, of which {wrong} are met by no cost that meets their file best")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
