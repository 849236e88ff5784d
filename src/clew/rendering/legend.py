"""Resolution of a drawing, and the texts of its legend: the scale of values, the paths, and what is not drawn."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, WALL_DOWN, WALL_RIGHT
from clew.mazes import Maze
from clew.rendering.colours import ValueScale
from clew.rendering.picture import Picture
from clew.tracing.axes import format_count

MAX_PIXELS_PER_CELL = 40
MIN_PIXELS_FOR_WALLS = 4  # per cell; with fewer, walls between cells would hide the cells
MIN_PIXELS_FOR_ARROWS = 20
MIN_PIXELS_FOR_REWARDS = 15  # written into the cell


class Resolution(NamedTuple):
    """Whole pixels per cell, or whole cells per pixel; at least one of the two is 1.

    Attributes:
        pixels: per side of a cell.
        cells: per side of a pixel.
    """

    pixels: int
    cells: int

    @classmethod
    def of(cls, maze: Maze, max_side: int) -> "Resolution":
        """Return the highest resolution at which the longer side of a maze takes at most `max_side` pixels.

        It has at most MAX_PIXELS_PER_CELL.
        """
        side = max(maze.rows, maze.columns)
        return cls(max(1, min(MAX_PIXELS_PER_CELL, max_side // side)), max(1, -(-side // max_side)))

    @property
    def scale(self) -> float:
        """Pixels per side of a cell, below 1 where a pixel has several cells."""
        return self.pixels / self.cells


def format_scale(scale: ValueScale, label: str) -> tuple[str, str]:
    """Return the texts before and after the colour bar of a scale, such as "value ≤ 0.02" and "1, log scale".

    Args:
        scale: of the values.
        label: what the values are.
    """
    lowest, kind = ("≤ ", ", log scale") if scale.is_log else ("", "")
    if scale.low == scale.high:
        return label, _format_number(scale.high)
    return f"{label} {lowest}{_format_number(scale.low)}", _format_number(scale.high) + kind


def _format_number(number: float) -> str:
    """Format a number to two significant digits, or as an integer if it has three digits or more."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.2g}"


def path_labels(picture: Picture) -> list[tuple[str, str]]:
    """Return the paths of a picture that have at least one step, with their legends.

    Returns:
        Pairs of "path" or "optimal", and a text such as "greedy path, 8 steps". It says if the path does not end at a
        goal, except where the picture has a seeker, which is still on its path.
    """
    goals = picture.maze.goals if picture.seeker is None else ()
    paths = (("path", picture.path_name, picture.path), ("optimal", "optimal path", picture.optimal))
    return [
        (
            kind,
            f"{name}, {format_count(len(path) - 1, 'step')}"
            + (", goal not reached" if goals and path[-1] not in goals else ""),
        )
        for kind, name, path in paths
        if len(path) > 1
    ]


def notes(picture: Picture, resolution: Resolution, *, has_walls: bool) -> list[str]:
    """Return sentences about what the picture can't show.

    They say if the path has no step, if a pixel stands for several cells, and if rewards of cells or walls between
    cells are left out.

    Args:
        picture: what is drawn.
        resolution: of the drawing.
        has_walls: True if walls between cells are drawn at this resolution.
    """
    sentences = [f"the {picture.path_name} does not leave the start"] if len(picture.path) == 1 else []
    if resolution.cells > 1:
        shown = "" if picture.value_scale is None else "the mean of "
        sentences.append(f"1 pixel shows {shown}{resolution.cells} x {resolution.cells} cells")
    if picture.maze.cell_rewards and resolution.pixels < MIN_PIXELS_FOR_REWARDS:
        sentences.append("rewards of cells are not drawn at this size")
    if not has_walls and any(mask.any() for mask in thin_walls(picture.maze)):
        sentences.append("walls between cells are not drawn at this size")
    return sentences


def thin_walls(maze: Maze) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return where there are walls between two free cells.

    Returns:
        (rows - 1, columns) bool, walls below a cell; and (rows, columns - 1) bool, walls to the right of a cell.
    """
    cells = maze.cells
    free = (cells & BLOCKED) == 0
    below = (cells[:-1] & WALL_DOWN > 0) & free[:-1] & free[1:]
    beside = (cells[:, :-1] & WALL_RIGHT > 0) & free[:, :-1] & free[:, 1:]
    return below, beside
