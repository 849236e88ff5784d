"""How large a picture is drawn, and the words below it: its scale of numbers, its ways, and what it leaves out."""

from typing import NamedTuple

import numpy as np

from clew.kernels.dynamics import BLOCKED, WALL_DOWN, WALL_RIGHT
from clew.mazes import Maze
from clew.rendering.colours import ValueScale
from clew.rendering.picture import Picture

__all__ = [
    "LARGEST_CELL",
    "LEAST_WITH_ARROWS",
    "LEAST_WITH_WALLS",
    "Fit",
    "name_ways",
    "notes",
    "say_scale",
    "thin_walls",
]

LARGEST_CELL = 40  # pixels
LEAST_WITH_WALLS = 4  # pixels of a cell; with fewer, walls between cells would hide what is between them
LEAST_WITH_ARROWS = 20


class Fit(NamedTuple):
    """How a maze fits a picture: one of the two is 1."""

    pixels: int  # to each side of a cell
    cells: int  # to each side of a pixel

    @classmethod
    def of(cls, maze: Maze, most: int) -> "Fit":
        """The largest that takes so many pixels a side, in whole pixels per cell or whole cells per pixel."""
        side = max(maze.rows, maze.columns)
        return cls(max(1, min(LARGEST_CELL, most // side)), max(1, -(-side // most)))


def say_number(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.2g}"


def say_scale(scale: ValueScale, label: str) -> tuple[str, str]:
    """What stands before the bar of shades and what after it."""
    lowest, kind = ("≤ ", ", log scale") if scale.is_log else ("", "")
    if scale.low == scale.high:
        return label, say_number(scale.high)
    return f"{label} {lowest}{say_number(scale.low)}", say_number(scale.high) + kind


def name_ways(picture: Picture) -> list[tuple[str, str]]:
    """The ways that are drawn, "path" or "optimal", and what they are."""
    goals = picture.maze.goals if picture.seeker is None else ()  # who stands somewhere is still on the way
    ways = (("path", picture.path_name, picture.path), ("optimal", "an optimal path", picture.optimal))
    return [
        (kind, f"{name}, {count(len(way) - 1, 'step')}" + (" and no goal" if goals and way[-1] not in goals else ""))
        for kind, name, way in ways
        if len(way) > 1
    ]


def count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def notes(picture: Picture, fit: Fit, *, has_walls: bool) -> list[str]:
    """What one can't see in the picture itself: what a pixel stands for, and what isn't drawn at this size."""
    words = [f"no {picture.path_name} leads on from the start"] if len(picture.path) == 1 else []
    if fit.cells > 1:
        shown = "" if picture.value_scale is None else ", by their mean"
        words.append(f"1 pixel is {fit.cells} x {fit.cells} cells{shown}")
    if not has_walls and any(mask.any() for mask in thin_walls(picture.maze)):
        words.append("walls between cells are too fine to be drawn")
    return words


def thin_walls(maze: Maze) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.bool_]], ...]:
    """Walls between two free cells: (rows - 1, columns) below a cell, and (rows, columns - 1) to the right of one."""
    cells = maze.cells
    free = (cells & BLOCKED) == 0
    below = (cells[:-1] & WALL_DOWN > 0) & free[:-1] & free[1:]
    beside = (cells[:, :-1] & WALL_RIGHT > 0) & free[:, :-1] & free[:, 1:]
    return below, beside
