"""Pictures, mazes and policies as text, and the screen that frames of it are shown on."""

import os
import sys

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, GOAL
from clew.mazes import Maze
from clew.mazes.formats import Place, cell_letters, draw_text, has_thin_walls
from clew.rendering.colours import NUM_SHADES
from clew.rendering.floor import block_sums, shade_cells
from clew.rendering.legend import Fit, name_ways, notes, say_scale
from clew.rendering.picture import Picture

__all__ = ["ARROWS", "draw_policy", "draw_scene", "picture_text", "show"]

ARROWS = "↓←↑→↙↖↗↘"  # in the order of the actions, of four moves and of eight


def picture_text(picture: Picture, width: int = 160) -> str:
    """Draw a picture as text.

    What fits has an arrow for each cell, or the seeker. Otherwise a character is a cell, or a block of them: a digit
    for its number (0 is the least, 9 the most), `#` where most of it is blocked, S, G, and `*` on the path.

    Args:
        picture: the picture.
        width: the most characters of a line.
    """
    maze = picture.maze
    parts = [picture.title] if picture.title else []
    if maze.columns * (4 if has_thin_walls(maze.cells) else 2) < width and (
        picture.values is None or picture.greedy is not None
    ):
        if picture.greedy is None:
            drawing = draw_text(maze.cells, cell_letters(maze.cells, picture.seeker or maze.start))
        else:  # no arrow is drawn as if all were
            greedy = picture.greedy | ~picture.greedy.any(axis=1, keepdims=True)
            drawing = draw_policy(maze, greedy)
        return "\n".join([*parts, drawing])
    fit = Fit(1, -(-maze.columns // width))
    parts.append("\n".join("".join(row).rstrip() for row in _characters(picture, fit.cells).tolist()))
    if picture.value_scale is not None:
        low, high = say_scale(picture.value_scale, picture.label)
        parts.append(f"0 to 9: {low} to {high}")
    parts += [words for _, words in name_ways(picture)]
    parts += [words.replace("pixel", "character") for words in notes(picture, fit, has_walls=False)]
    return "\n".join(parts) + "\n"


def _characters(picture: Picture, block: int) -> npt.NDArray[np.str_]:
    """(block rows, block columns) characters."""
    maze = picture.maze
    shades, _ = shade_cells(picture, block)
    drawn = np.array([".", *"0123456789"])[np.where(shades < 0, 0, 1 + shades * 10 // NUM_SHADES)]
    blocked = block_sums(maze.blocked, block) * 2 > block_sums(np.ones(maze.cells.shape, np.uint8), block)
    drawn[blocked] = "#"
    hazards = block_sums(maze.hazards, block) > 0
    drawn[hazards] = "!"
    if picture.path:
        rows, columns = np.asarray(picture.path).T // block
        drawn[rows, columns] = "*"
    for row, column in maze.goals:
        drawn[row // block, column // block] = "G"
    place = picture.seeker or maze.start
    if place is not None:
        drawn[place[0] // block, place[1] // block] = "S"
    return drawn


def draw_scene(maze: Maze, seeker: Place | None, goal: Place | None = None, heading: int | None = None) -> str:
    """Draw a maze with the seeker in it: S, or an arrow.

    Args:
        maze: the maze; its own start is not drawn.
        seeker: where the seeker stands.
        goal: where the goal is, if that is not for the maze to say.
        heading: which way the seeker looks, in the order of the four moves; None if it has no heading.
    """
    if goal is not None:
        maze = maze.with_ends(None, goal)
    drawing = draw_text(maze.cells, cell_letters(maze.cells, seeker))
    return drawing if heading is None else drawing.replace("S", ARROWS[heading])


def draw_policy(maze: Maze, greedy: npt.NDArray[np.bool_]) -> str:
    """Draw an arrow for the action of the greedy policy in every cell, two characters per cell.

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
    drawing = draw_text(maze.cells, arrows.reshape(maze.cells.shape))
    if drawing.startswith("+"):
        return drawing
    rows = ("".join("██" if letter == "#" else letter + " " for letter in row) for row in drawing.splitlines())
    return "".join(row.rstrip() + "\n" for row in rows)


def show(frame: str) -> None:
    """Show a frame in place of the last one: in the output cell of a notebook, or on the terminal."""
    ipython = sys.modules.get("IPython")
    if ipython is not None and hasattr(ipython.get_ipython(), "kernel"):  # a kernel in which nothing runs may be loaded
        ipython.display.clear_output(wait=True)
    elif sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        frame = "\x1b[H\x1b[2J" + frame
    sys.stdout.write(frame)
    sys.stdout.flush()
