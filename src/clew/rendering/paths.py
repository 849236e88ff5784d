"""Paths through a maze: the places that a policy visits, and lines drawn through them."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import GOAL
from clew.mazes import Maze, Moves
from clew.mazes.formats import Place
from clew.mazes.moves import FOUR, Move, find_unblocked

# From (rows, columns) of a move to the bit of the wall that stops it.
WALL_BITS = {move[:2]: 1 << action for action, move in enumerate(FOUR.moves[0])} | {(0, 0): 0}


def follow_policy(maze: Maze, moves: Moves, choose: Callable[[int], int | None]) -> tuple[Place, ...]:
    """Return the path of a policy from the start of a maze, as if moves were deterministic.

    Args:
        maze: maze with a start.
        moves: the moves of the environment; if these have headings, the first one faces down.
        choose: returns the action in a state, or None where nothing was learned.

    Returns:
        (row, column) of the start, and after each step. The path ends at a goal; or where nothing was learned, a wall
        stops the move, or a state comes up again. A move that only turns repeats the place.
    """
    assert maze.start is not None
    num_cells, columns = maze.cells.size, maze.columns
    cells = maze.cells.tobytes()  # indexing bytes gives Python integers, which is fast: a path may have a million steps
    walls = [[WALL_BITS.get(move[:2]) for move in row] for row in moves.moves]
    heading, cell = 0, maze.start[0] * columns + maze.start[1]
    path, visited = [cell], {cell}
    while not cells[cell] & GOAL:
        action = choose(heading * num_cells + cell)
        if action is None:
            break
        move, wall = moves.moves[heading][action], walls[heading][action]
        if cells[cell] & wall if wall is not None else not _is_free(maze, cell, move):
            break
        cell += move.rows * columns + move.columns
        heading = (heading + move.turn) % moves.num_headings
        state = heading * num_cells + cell
        if state in visited:
            break
        visited.add(state)
        path.append(cell)
    return places_of(path, columns)


def places_of(cells: Iterable[int], columns: int) -> tuple[Place, ...]:
    """Return the (row, column) of each cell number, in a maze with a given number of columns."""
    rows, places = np.divmod(np.fromiter(cells, np.int64), columns)
    return tuple(zip(rows.tolist(), places.tolist(), strict=True))


def without_repeats(path: Sequence[Place]) -> list[Place]:
    """Return a path without places equal to the one before, such as those of turns and of moves into walls."""
    return [place for place, before in zip(path, [None, *path], strict=False) if place != before]


def has_jumps(path: Sequence[Place]) -> bool:
    """Return whether any step of a path moves by more than one row or column, as a knight's do."""
    return bool((np.abs(np.diff(np.asarray(path), axis=0)) > 1).any())


def corners(points: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the ends of a line, and the points between at which its direction changes.

    Args:
        points: (n, 2) int64.

    Returns:
        (m, 2) int64.
    """
    steps = np.diff(points, axis=0)
    steps, points = steps[keep := steps.any(axis=1)], points[np.append(True, keep)]
    if len(points) < 3:
        return points
    return points[np.concatenate(([True], (np.sign(steps[1:]) != np.sign(steps[:-1])).any(axis=1), [True]))]


def _is_free(maze: Maze, cell: int, move: Move) -> bool:
    """Return whether nothing stops a move from a cell, by looking at the cells within its reach only."""
    row, column = divmod(cell, maze.columns)
    reach = max(abs(move.rows), abs(move.columns))
    top, left = max(0, row - reach), max(0, column - reach)
    free, _ = find_unblocked(maze.cells[top : row + reach + 1, left : column + reach + 1], move)
    return bool(free[row - top, column - left])
