"""Mazes as arrays of pixels, with NumPy alone."""

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.mazes import Maze
from clew.mazes.formats import Place

__all__ = ["COLOURS", "paint_scene"]

COLOURS = {
    "free": (250, 250, 247),
    "grid": (226, 226, 220),
    "wall": (38, 50, 56),
    "hazard": (230, 145, 56),
    "goal": (46, 139, 87),
    "seeker": (31, 105, 194),
}


def paint_scene(maze: Maze, seeker: Place | None, goal: Place | None = None) -> npt.NDArray[np.uint8]:
    """Paint a maze with the seeker in it.

    Args:
        maze: the maze.
        seeker: where the seeker stands.
        goal: where the goal is, if that is not for the maze to say.

    Returns:
        (rows * size, columns * size, 3) uint8, where size is 4 to 32 pixels a cell, about 512 pixels in all.
    """
    if goal is not None:
        maze = maze.with_ends(None, goal)
    size = min(32, max(4, 512 // max(maze.rows, maze.columns)))
    colours = np.full((maze.rows, maze.columns, 3), COLOURS["free"], np.uint8)
    for bit, name in ((HAZARD, "hazard"), (GOAL, "goal"), (BLOCKED, "wall")):
        colours[(maze.cells & bit) > 0] = COLOURS[name]
    image = colours.repeat(size, axis=0).repeat(size, axis=1)

    # Views of the pixels along one side of every cell: a thin line, or a wall.
    thick = max(1, size // 8)
    free = (maze.cells & BLOCKED) == 0
    blocks = image.reshape(maze.rows, size, maze.columns, size, 3).swapaxes(1, 2)
    blocks[free, -1, :] = COLOURS["grid"]
    blocks[free, :, -1] = COLOURS["grid"]
    for bit, side in (
        (WALL_DOWN, np.s_[-thick:, :]),
        (WALL_LEFT, np.s_[:, :thick]),
        (WALL_UP, np.s_[:thick, :]),
        (WALL_RIGHT, np.s_[:, -thick:]),
    ):
        blocks[(maze.cells & bit) > 0, side[0], side[1]] = COLOURS["wall"]
    if seeker is not None:
        margin = size // 4
        blocks[seeker][margin : size - margin, margin : size - margin] = COLOURS["seeker"]
    return image
