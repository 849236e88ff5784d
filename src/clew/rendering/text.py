"""Pictures, mazes and policies as text, and a function that shows such text as frames."""

import os
import sys

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, GOAL
from clew.mazes import Maze
from clew.mazes.formats import Layout, Place, cell_letters, draw_text, has_thin_walls, name_rewards
from clew.rendering.cells import block_sums, shade_cells
from clew.rendering.colours import NUM_SHADES
from clew.rendering.legend import Resolution, format_scale, notes, path_labels
from clew.rendering.picture import Picture
from clew.rendering.rewards import goal_letter

ARROWS = "↓←↑→↙↖↗↘"  # by action, of four moves and of eight


def picture_text(picture: Picture, width: int = 160) -> str:
    """Draw a picture as text.

    A maze that fits has an arrow in each cell for its first greedy action; without greedy actions, S for its start or
    seeker. If the maze is too wide, or has numbers without arrows, a character is a cell or a block of cells: a digit
    for the mean of its numbers (0 lowest, 9 highest), `#` if most of it is blocked, `!` for a hazard, `*` for the path,
    S, G and `.`. Lines below have the scale, the paths, and notes on what was left out.

    Args:
        picture: what to draw.
        width: maximum of characters in a line of the maze.
    """
    maze = picture.maze
    parts = [picture.title] if picture.title else []
    if maze.columns * (4 if has_thin_walls(maze.cells) else 2) < width and (
        picture.values is None or picture.greedy is not None
    ):
        if picture.greedy is None:
            drawing = _draw_letters(maze, picture.seeker or maze.start)
        else:  # draw_policy draws a dot where all actions are greedy; here also where none is
            drawing = draw_policy(maze, picture.greedy | ~picture.greedy.any(axis=1, keepdims=True))
        return "\n".join([*parts, drawing])
    resolution = Resolution(1, -(-maze.columns // width))
    parts.append("\n".join("".join(row).rstrip() for row in _characters(picture, resolution.cells).tolist()))
    if picture.value_scale is not None:
        low, high = format_scale(picture.value_scale, picture.label)
        parts.append(f"0 to 9: {low} to {high}")
    parts += [label for _, label in path_labels(picture)]
    parts += [note.replace("pixel", "character") for note in notes(picture, resolution, has_walls=False)]
    return "\n".join(parts) + "\n"


def _characters(picture: Picture, block: int) -> npt.NDArray[np.str_]:
    """Return a character for each block of cells, (block rows, block columns) str.

    Args:
        picture: what to draw.
        block: side of a block, in cells.
    """
    maze = picture.maze
    shades, _ = shade_cells(picture, block)
    drawn = np.array([".", *"0123456789"])[np.where(shades < 0, 0, 1 + shades * 10 // NUM_SHADES)]
    blocked = block_sums(maze.blocked, block, block) * 2 > block_sums(np.ones(maze.cells.shape, np.uint8), block, block)
    drawn[blocked] = "#"
    drawn[block_sums(maze.hazards, block, block) > 0] = "!"
    if picture.path:
        rows, columns = np.asarray(picture.path).T // block
        drawn[rows, columns] = "*"
    for row, column in maze.goals:
        drawn[row // block, column // block] = goal_letter(maze, (row, column))
    place = picture.seeker or maze.start
    if place is not None:
        drawn[place[0] // block, place[1] // block] = "S"
    return drawn


def draw_scene(maze: Maze, seeker: Place | None, goal: Place | None = None, heading: int | None = None) -> str:
    """Draw a maze as text with the seeker (the agent) in it, as S or as an arrow.

    Args:
        maze: the maze; its own start is not drawn.
        seeker: (row, column) of the seeker; None for none.
        goal: (row, column) of the goal; None draws those of the maze.
        heading: direction of the seeker, as an index of the four moves, drawn as an arrow; None draws S.
    """
    if goal is not None:
        maze = maze.with_ends(None, goal)
    drawing = _draw_letters(maze, seeker, hidden=True)
    return drawing if heading is None else drawing.replace("S", ARROWS[heading])


def _draw_letters(maze: Maze, seeker: Place | None, *, hidden: bool = False) -> str:
    """Draw a maze in Clew's own text format, its exits and rewards of cells included, with a seeker as its start.

    Args:
        maze: the maze.
        seeker: (row, column) of the seeker; None for none.
        hidden: draw the seeker over the letter of its cell, so that all letters are the same wherever it stands; else
            such a cell is named by its place.
    """
    letters = cell_letters(maze.cells, None if hidden else seeker)
    lines = name_rewards(Layout(maze.cells, seeker, maze.exits, maze.cell_rewards), letters)
    if seeker is not None:
        letters[seeker] = ord("S")
    return draw_text(maze.cells, letters) + "".join(f"{line}\n" for line in ["", *lines] if lines)


def draw_policy(maze: Maze, greedy: npt.NDArray[np.bool_]) -> str:
    """Draw a maze as text, with an arrow for the greedy action in each cell.

    Blocked cells are `#` or `██`, goals G, exits letters that are explained below; start and hazards are not drawn. A
    cell takes two characters, or four and a line for walls if the maze has walls between cells.

    Args:
        maze: the maze.
        greedy: (num_cells, num_actions) bool, the greedy actions of each cell, of four moves or of eight. The first of
            several is drawn, and a dot where all are greedy (nothing was learned there).
    """
    cells = maze.cells.reshape(-1)
    arrows = np.array(list(ARROWS))[greedy.argmax(axis=1)]
    arrows[greedy.all(axis=1)] = "·"
    arrows[(cells & BLOCKED) > 0] = "#"
    letters = cell_letters(maze.cells, None)
    lines = name_rewards(Layout(maze.cells, None, maze.exits), letters)
    is_goal = (cells & GOAL) > 0
    arrows[is_goal] = letters.reshape(-1)[is_goal].view("S1").astype(str)
    drawing = draw_text(maze.cells, arrows.reshape(maze.cells.shape))
    below = "".join(f"{line}\n" for line in ["", *lines] if lines)
    if drawing.startswith("+"):
        return drawing + below
    rows = ("".join("██" if letter == "#" else letter + " " for letter in row) for row in drawing.splitlines())
    return "".join(row.rstrip() + "\n" for row in rows) + below


def show(frame: str) -> None:
    """Write a frame of text to standard output, instead of the last one in a notebook or on a terminal.

    Elsewhere, as in a file or if TERM is "dumb", frames follow one another.
    """
    ipython = sys.modules.get("IPython")
    if ipython is not None and hasattr(ipython.get_ipython(), "kernel"):  # IPython may be loaded outside a notebook
        ipython.display.clear_output(wait=True)
    elif sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        frame = "\x1b[H\x1b[2J" + frame
    sys.stdout.write(frame)
    sys.stdout.flush()
