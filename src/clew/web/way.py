"""The way from the start that a policy leads to, where no move goes astray."""

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import GOAL
from clew.mazes.formats import Place

__all__ = ["follow"]

MOVES = ((1, 0), (0, -1), (-1, 0), (0, 1), (1, -1), (-1, -1), (-1, 1), (1, 1))  # (rows, columns) of four, and of eight


def follow(
    cells: npt.NDArray[np.uint8],
    start: Place | None,
    q: npt.NDArray[np.floating],
    known: npt.NDArray[np.bool_],
) -> list[int]:
    """The cells on the way from the start, until it ends, or comes back to itself.

    Args:
        cells: (rows, columns) the maze.
        start: where it begins.
        q: (num_cells, num_actions) action values; the first of the best is done.
        known: (num_cells,) False where nothing is.
    """
    if start is None:
        return []
    columns = cells.shape[1]
    flat = cells.reshape(-1)
    here = start[0] * columns + start[1]
    path, seen = [here], {here}
    while not flat[here] & GOAL and known[here]:
        action = int(q[here].argmax())
        if action < 4 and flat[here] >> action & 1:
            break
        row, column = MOVES[action]
        here += row * columns + column
        if here in seen:
            break
        path.append(here)
        seen.add(here)
    return path
