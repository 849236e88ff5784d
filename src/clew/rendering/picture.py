"""Contents of a picture of a maze; `svg`, `pixels` and `text` draw it, and `output` writes it to a file."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.mazes import Maze
from clew.mazes.formats import Place
from clew.rendering.colours import ValueScale


@dataclass(frozen=True, eq=False)
class Picture:
    """A maze with values, arrows and paths to be drawn in it.

    Attributes:
        maze: the maze.
        values: (num_cells,) float64, number of each cell, NaN for none; None for no numbers at all.
        label: name of these numbers in the legend, such as "value" or "visits".
        greedy: (num_cells, num_actions) bool, actions to draw as arrows, for four moves or eight; None for no arrows.
        path: (row, column) of the places of a path, drawn as a red line.
        path_name: name of that path in the legend.
        optimal: (row, column) of the places of an optimal path, drawn as a dashed line.
        seeker: (row, column) of the seeker (the agent), drawn instead of the start; None for none.
        title: text above the maze.
        scale: scale from numbers to colours; None chooses one for these values. Frames of one film share a scale.

    Raises:
        SettingError: if an array doesn't fit the maze, values are infinite, or a place is outside the maze.
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
                raise SettingError(
                    f"expected values of shape {(num_cells,)}, one number per cell, got {self.values.shape}"
                )
            if np.isinf(self.values).any():
                raise SettingError("expected finite values, got infinite ones; use NaN for cells without a number")
        if self.greedy is not None and self.greedy.shape not in ((num_cells, 4), (num_cells, 8)):
            raise SettingError(
                f"expected greedy of shape {(num_cells, 4)} or {(num_cells, 8)}, (num_cells, num_actions), got "
                f"{self.greedy.shape}"
            )
        for name in ("path", "optimal"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            if not _are_inside(getattr(self, name), self.maze):
                raise SettingError(
                    f"{name} has a place outside the maze of {self.maze.rows} x {self.maze.columns} cells"
                )
        if self.seeker is not None and not _are_inside((self.seeker,), self.maze):
            raise SettingError(
                f"seeker {self.seeker} is outside the maze of {self.maze.rows} x {self.maze.columns} cells"
            )

    @cached_property
    def value_scale(self) -> ValueScale | None:
        """Scale from numbers to colours; None if no cell has a number and no scale was given."""
        if self.values is None or self.scale is not None:
            return self.scale
        shown = self.values[~np.isnan(self.values)]
        return ValueScale.of(shown) if shown.size else None

    @cached_property
    def has_numbers(self) -> bool:
        """True if at least one cell has a number."""
        return self.values is not None and not bool(np.isnan(self.values).all())


def _are_inside(places: tuple[Place, ...], maze: Maze) -> bool:
    """Return whether all places, (row, column) each, are inside the maze."""
    return all(0 <= row < maze.rows and 0 <= column < maze.columns for row, column in places)
