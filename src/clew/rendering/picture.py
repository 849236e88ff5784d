"""The contents of a picture of a maze. `svg`, `pixels` and `text` draw it; `output` writes it to a file."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.mazes import Maze
from clew.mazes.formats import Place
from clew.rendering.colours import ValueScale

__all__ = ["Picture"]


@dataclass(frozen=True, eq=False)
class Picture:
    """A maze, and what was learned or done in it.

    Attributes:
        maze: the maze.
        values: (num_cells,) float64, a number for each cell; NaN where there is nothing to show. None shows none.
        label: what these numbers are, such as "value" or "visits".
        greedy: (num_cells, num_actions) bool, the actions that an arrow is drawn for, of four moves or of eight: all
            that tie, and none where nothing was learned. None draws no arrows.
        path: places to lay a red thread through.
        path_name: what that way is, for the legend.
        optimal: places that an optimal policy comes through; its way is dashed, and of another colour.
        seeker: where the seeker stands; None draws none.
        title: is written above the maze.
        scale: the scale from numbers to colours; None takes the one that shows these values best. Frames of one film
            share it.

    Raises:
        SettingError: if an array doesn't fit the maze, or a place is outside.
    """

    maze: Maze
    values: npt.NDArray[np.float64] | None = None
    label: str = "value"
    greedy: npt.NDArray[np.bool_] | None = None
    path: tuple[Place, ...] = ()
    path_name: str = "greedy path"
    optimal: tuple[Place, ...] = ()
    seeker: Place | None = None
    title: str | None = None
    scale: ValueScale | None = None

    def __post_init__(self) -> None:
        num_cells = self.maze.cells.size
        if self.values is not None:
            if self.values.shape != (num_cells,):
                raise SettingError(f"values must have the shape {(num_cells,)}, one a cell, not {self.values.shape}")
            if np.isinf(self.values).any():
                raise SettingError("values hold numbers that are not finite; NaN stands for nothing to show")
        if self.greedy is not None and self.greedy.shape not in ((num_cells, 4), (num_cells, 8)):
            raise SettingError(
                f"greedy must have the shape {(num_cells, 4)} of (num_cells, num_actions), or with 8 actions, not "
                f"{self.greedy.shape}"
            )
        for name in ("path", "optimal"):
            places = tuple(getattr(self, name))
            object.__setattr__(self, name, places)
            if places and not _are_inside(places, self.maze):
                raise SettingError(f"{name} leads out of the maze of {self.maze.rows} x {self.maze.columns} cells")
        if self.seeker is not None and not _are_inside((self.seeker,), self.maze):
            raise SettingError(f"seeker stands outside the maze of {self.maze.rows} x {self.maze.columns} cells")

    @cached_property
    def value_scale(self) -> ValueScale | None:
        """The scale from numbers to colours; None where no cell has a number."""
        if self.values is None or self.scale is not None:
            return self.scale
        shown = self.values[~np.isnan(self.values)]
        return ValueScale.of(shown) if shown.size else None

    @cached_property
    def has_numbers(self) -> bool:
        """True if any cell has a number."""
        return self.values is not None and not bool(np.isnan(self.values).all())


def _are_inside(places: tuple[Place, ...], maze: Maze) -> bool:
    rows_columns = np.asarray(places)
    inside = (rows_columns >= 0) & (rows_columns < maze.cells.shape)
    return bool(inside.all())
