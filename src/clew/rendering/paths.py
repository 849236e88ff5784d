"""Ways through a maze: where a policy leads, step by step, and where a walk has been."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import GOAL
from clew.mazes import Maze, Moves
from clew.mazes.formats import Place
from clew.mazes.moves import FOUR, Move, find_unblocked

__all__ = ["corners", "follow", "leaps", "places_of", "without_stops"]

STRAIGHT = {move[:2]: 1 << action for action, move in enumerate(FOUR.moves[0])} | {(0, 0): 0}  # the wall that stops it


def follow(maze: Maze, moves: Moves, choose: Callable[[int], int | None]) -> tuple[Place, ...]:
    """Follow a policy from the start, as if moves were certain.

    Args:
        maze: maze with a start.
        moves: how one moves; who has a heading looks down at first.
        choose: the action for a state, or None where nothing was learned.

    Returns:
        The place after each step, from the start to a goal; or up to where nothing was learned, a wall stops the move,
        or the way comes back to itself. A robot that turns on the spot is at the same place again.
    """
    assert maze.start is not None
    num_cells, columns = maze.cells.size, maze.columns
    cells = maze.cells.tobytes()  # numbers of Python's, at once: a way may have a million steps
    walls = [[STRAIGHT.get(move[:2]) for move in row] for row in moves.moves]
    heading, cell = 0, maze.start[0] * columns + maze.start[1]
    path, seen = [cell], {cell}
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
        if state in seen:
            break
        seen.add(state)
        path.append(cell)
    return places_of(path, columns)


def places_of(cells: Iterable[int], columns: int) -> tuple[Place, ...]:
    """The places of cells, in order."""
    rows, places = np.divmod(np.fromiter(cells, np.int64), columns)
    return tuple(zip(rows.tolist(), places.tolist(), strict=True))


def without_stops(path: Sequence[Place]) -> list[Place]:
    """A way without the steps that led nowhere, such as turns and walks into walls: what there is to draw of it."""
    return [place for place, before in zip(path, [None, *path], strict=False) if place != before]


def leaps(path: Sequence[Place]) -> bool:
    """Tell if a way goes by more than a cell at once; its corners aren't rounded, so that it's seen where it lands."""
    return bool((np.abs(np.diff(np.asarray(path), axis=0)) > 1).any())


def corners(points: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """A line without the points that it goes straight through; (n, 2) each."""
    steps = np.diff(points, axis=0)
    steps, points = steps[keep := steps.any(axis=1)], points[np.append(True, keep)]
    if len(points) < 3:
        return points
    return points[np.concatenate(([True], (np.sign(steps[1:]) != np.sign(steps[:-1])).any(axis=1), [True]))]


def _is_free(maze: Maze, cell: int, move: Move) -> bool:
    """Tell if a move from a cell is not stopped, without asking for all cells."""
    row, column = divmod(cell, maze.columns)
    reach = max(abs(move.rows), abs(move.columns))
    top, left = max(0, row - reach), max(0, column - reach)
    free, _ = find_unblocked(maze.cells[top : row + reach + 1, left : column + reach + 1], move)
    return bool(free[row - top, column - left])
