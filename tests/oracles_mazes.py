"""Slow, obvious versions of the distances in a maze, in plain Python."""

from collections import deque
from collections.abc import Collection

import numpy.typing as npt

from clew.kernels.dynamics import WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP

Place = tuple[int, int]

STEPS = ((WALL_DOWN, 1, 0), (WALL_LEFT, 0, -1), (WALL_UP, -1, 0), (WALL_RIGHT, 0, 1))


def steps_between(cells: npt.NDArray, start: Place, goals: Collection[Place]) -> int:
    """Return the steps from one cell to the nearest goal, by breadth-first search; -1 if none is reachable."""
    queue = deque([(start, 0)])
    seen = {start}
    while queue:
        (row, column), steps = queue.popleft()
        if (row, column) in goals:
            return steps
        for wall, down, right in STEPS:
            place = (row + down, column + right)
            if not cells[row, column] & wall and place not in seen:
                seen.add(place)
                queue.append((place, steps + 1))
    return -1


def distances(cells: npt.NDArray, goals: Collection[Place]) -> list[list[int]]:
    """Return the number of steps to the nearest goal from every cell, by a separate search for each."""
    rows, columns = cells.shape
    return [[steps_between(cells, (row, column), goals) for column in range(columns)] for row in range(rows)]
