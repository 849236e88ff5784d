"""Mazes and policies as text, and the screen that frames of it are shown on."""

import sys

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, GOAL
from clew.mazes import Maze
from clew.mazes.formats import Place, draw, letters

__all__ = ["ARROWS", "draw_policy", "draw_scene", "show"]

ARROWS = "↓←↑→↙↖↗↘"  # in the order of the actions, of four moves and of eight


def draw_scene(maze: Maze, seeker: Place | None, goal: Place | None = None) -> str:
    """Draw a maze with the seeker, S, in it.

    Args:
        maze: the maze; its own start is not drawn.
        seeker: where the seeker stands.
        goal: where the goal is, if that is not for the maze to say.
    """
    if goal is not None:
        maze = maze.with_ends(None, goal)
    return draw(maze.cells, letters(maze.cells, seeker))


def draw_policy(maze: Maze, greedy: npt.NDArray[np.bool_]) -> str:
    """Draw an arrow for the action of the greedy policy in every cell, two characters a cell.

    Args:
        maze: the maze.
        greedy: (num_cells, num_actions) bool, the actions that the policy may take, of four moves or of eight; the
            first of several is drawn, and a dot where all are as good (nothing was learned there).
    """
    cells = maze.cells.reshape(-1)
    arrows = np.array(list(ARROWS))[greedy.argmax(axis=1)]
    arrows[greedy.all(axis=1)] = "·"
    arrows[(cells & BLOCKED) > 0] = "#"
    arrows[(cells & GOAL) > 0] = "G"
    drawing = draw(maze.cells, arrows.reshape(maze.cells.shape))
    if drawing.startswith("+"):
        return drawing
    rows = ("".join("██" if letter == "#" else letter + " " for letter in row) for row in drawing.splitlines())
    return "".join(row.rstrip() + "\n" for row in rows)


def show(frame: str) -> None:
    """Show a frame in place of the last one: in the output cell of a notebook, or on the terminal."""
    if "ipykernel" in sys.modules:
        from IPython.display import clear_output

        clear_output(wait=True)
    elif sys.stdout.isatty():
        frame = "\x1b[H\x1b[2J" + frame
    sys.stdout.write(frame)
    sys.stdout.flush()
