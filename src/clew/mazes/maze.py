"""Mazes: cells, walls, start, goals and hazards; rewards and slip are settings of `clew.Environment`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import MazeError, ModelError, NoPathError
from clew.files import kind_of, write_file
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, Grid
from clew.kernels.planning.search import label_regions, measure_distances
from clew.mazes import formats
from clew.mazes.formats import Place
from clew.models.checks import read_only_copy
from clew.models.grids import grid_model
from clew.notebook import svg_of
from clew.settings import as_list, as_path, check_choice

CELL_KINDS = {"free": 0, "wall": BLOCKED, "hazard": HAZARD, "goal": GOAL, "start": 0}  # kind of a cell -> its bit


@dataclass(frozen=True, eq=False)
class Maze:
    """An immutable maze: a rectangular grid of cells with walls, a start, goals and hazards.

    Places are (row, column), counted from 0, from the top left. Start and goals may be missing, for environments that
    draw them at random; a maze that has both has a path from its start to a goal.

    Made by `Maze.open`, `load`, `from_text`, `from_lists` or `from_array`, or by `clew.generate_maze`.

    Args:
        cells: (rows, columns) uint8, one byte per cell, with the bits of `clew.kernels.dynamics`: a wall for each
            direction, GOAL, HAZARD, BLOCKED. A wall is marked on both of its sides; the edge of the grid and all sides
            of blocked cells are walls.
        start: (row, column) of the start, or None.

    Attributes:
        cells, start: as given; `cells` is a read-only copy.

    Raises:
        MazeError: if the cells are invalid, the start is outside, in a blocked cell, on a hazard or on a goal, or no
            goal can be reached from it.

    >>> import clew
    >>> maze = clew.Maze.open(3, 4, obstacles=[(0, 1), (1, 1)], hazards=[(2, 2)])
    >>> print(maze.to_text().rstrip())
    S#..
    .#..
    ..!G
    >>> maze
    Maze(3x4, start=(0, 0), goals=((2, 3),))
    >>> maze.distances()
    array([[ 5, -1,  3,  2],
           [ 4, -1,  2,  1],
           [ 3,  2,  1,  0]], dtype=int32)
    """

    cells: npt.NDArray[np.uint8]
    start: Place | None = None

    def __post_init__(self) -> None:
        try:
            cells = read_only_copy(self.cells, np.uint8, "cells")
            object.__setattr__(self, "cells", cells)
            if cells.ndim != 2:
                raise MazeError(f"cells must have shape (rows, columns), not {cells.shape}")
            formats.check_size(*cells.shape)
            self._grid()
        except ModelError as error:
            raise MazeError(str(error)) from None
        if self.start is not None:
            object.__setattr__(self, "start", self._check_enterable("start", self.start))
            if cells.size == 1 and cells[self.start] & GOAL:
                raise MazeError("a maze of one cell has no room for a start and a goal")
            if cells[self.start] & (GOAL | HAZARD):
                kind = "goal" if cells[self.start] & GOAL else "hazard"
                raise self._error_at(f"the start {self.start} is on a {kind}", self.start)
            if (cells & GOAL).any() and self.distances()[self.start] < 0:
                goals = f"the goal {self.goals[0]}" if len(self.goals) == 1 else f"any of the {len(self.goals)} goals"
                drawn = self._error_at(
                    f"there is no path from the start {self.start} to {goals}", self.start, self.start
                )
                raise NoPathError(str(drawn), cells, self.start)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Maze) and self.start == other.start and np.array_equal(self.cells, other.cells)

    def __hash__(self) -> int:
        return hash((self.start, self.cells.shape, self.cells.tobytes()))

    def __repr__(self) -> str:
        return f"Maze({self.rows}x{self.columns}, start={self.start}, goals={self.goals[:3]})"

    def _repr_svg_(self) -> str | None:
        return svg_of(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Maze, (self.cells, self.start)  # calls the constructor, so that a copy is validated and read-only

    @classmethod
    def open(
        cls,
        rows: int,
        columns: int,
        *,
        start: Place | None = (0, 0),
        goal: Place | None = None,
        obstacles: Iterable[Place] = (),
        hazards: Iterable[Place] = (),
    ) -> "Maze":
        """Return a grid without walls between its cells, with blocked cells and hazards at given places.

        Args:
            rows: number of rows.
            columns: number of columns.
            start: (row, column) of the start; None for none.
            goal: (row, column) of the goal; by default the bottom right corner.
            obstacles: places of blocked cells.
            hazards: places of hazards.

        Raises:
            MazeError: if a size or a place is invalid, or there is no path from the start to the goal.
        """
        formats.check_size(rows, columns)
        rows, columns = int(rows), int(columns)
        cells = np.zeros((rows, columns), np.uint8)
        for place in as_list("obstacles", obstacles, "(row, column)"):
            cells[formats.check_place("obstacle", place, rows, columns)] = BLOCKED
        maze = cls(formats.add_implied_walls(cells))
        for place in as_list("hazards", hazards, "(row, column)"):
            cells[maze._check_enterable("hazard", place)] |= HAZARD
        return cls(cells).with_ends(start, (rows - 1, columns - 1) if goal is None else goal)

    @classmethod
    def from_text(cls, text: str) -> "Maze":
        """Read a maze in Clew's own text format, see `clew.mazes.formats.own`.

        Raises:
            MazeError: names line and column (from 1) of what is invalid, and draws the place.
        """
        if not isinstance(text, str | bytes):
            raise MazeError(f"a maze must be given as text, not as {type(text).__name__}")
        return cls(*formats.parse_text(text))

    @classmethod
    def from_lists(cls, rows: Sequence[str] | npt.NDArray[Any]) -> "Maze":
        """Read a map of Gymnasium's FrozenLake: S start, F free, H hole, G goal.

        A hole becomes a hazard, which differs: in FrozenLake a hole ends the episode; here entering a hazard adds
        `hazard_reward`, and the episode continues. For FrozenLake's own dynamics use
        `clew.make_gymnasium("FrozenLake-v1")`.

        Args:
            rows: one string per row, or the (rows, columns) array of letters `env.unwrapped.desc`.

        Raises:
            MazeError: names line and column (from 1) of what is invalid, and draws the place.
        """
        return cls(*formats.parse_lists(rows))

    @classmethod
    def from_array(cls, blocked: npt.ArrayLike, start: Place | None = None, goal: Place | None = None) -> "Maze":
        """Return a maze with given blocked cells; `maze.blocked` is the inverse.

        Args:
            blocked: (rows, columns) bool, or integers 0 and 1; True or 1 is a blocked cell.
            start: (row, column) of the start; None for none.
            goal: (row, column) of the goal; None for none.

        Raises:
            MazeError: if the array or a place is invalid, or there is no path from the start to the goal.
        """
        return cls(formats.parse_array(blocked)).with_ends(start, goal)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        start: Place | None = None,
        goal: Place | None = None,
        scenario: tuple[str | Path, int] | None = None,
        unknown_walls: str = "wall",
        cell_size: int = 1,
    ) -> "Maze":
        """Read a maze from a file, in the format of its extension: `.txt`, `.map`, `.maze`, `.lay`, `.png` or `.pgm`.

        Args:
            path: the file; see `clew.mazes.formats` for the formats.
            start: (row, column) of the start, instead of the file's own.
            goal: (row, column) of the goal, instead of the file's own.
            scenario: (path of a `.scen` file, row from 0), which gives start and goal.
            unknown_walls: `wall` or `open`: how unknown walls of a micromouse file, or unexplored cells of a picture of
                an occupancy map, are read.
            cell_size: pixels per side of a cell, of a `.png` or `.pgm` file.

        Raises:
            MazeError: if the file can't be read or is invalid, or the maze is; names the file and draws the place.
            SettingError: if `unknown_walls` or `cell_size` is out of range, or has no effect on this file.
        """
        path = as_path("path", path)
        try:
            layout = formats.read_layout(path, formats.FileOptions(unknown_walls, cell_size))
            if scenario is not None:
                if start is not None or goal is not None:
                    raise MazeError("give a scenario, or a start and a goal, not both")
                start, goal = formats.scenario_places(*scenario, layout.cells.shape)
            return cls(layout.cells).with_ends(layout.start if start is None else start, goal)
        except OSError as error:
            raise MazeError(f"{error.filename or path}: can't be read: {error.strerror}") from None
        except NoPathError as error:
            raise NoPathError(f"{path}: {error}", error.cells, error.start) from None
        except MazeError as error:
            raise MazeError(f"{path}: {error}") from None

    def save(self, path: str | Path, *, cell_size: int = 1) -> None:
        """Write the maze to a file, in the format of its extension; only `.txt` can represent every maze.

        The file is written whole or not at all.

        Args:
            path: the file.
            cell_size: pixels per side of a cell, of a `.png` or `.pgm` file.

        Raises:
            MazeError: if the format can't represent this maze, or the file can't be written.
            SettingError: if `cell_size` is out of range, or has no effect on this file.
        """
        path = as_path("path", path)
        try:
            data = formats.write_layout(path, formats.Layout(self.cells, self.start), cell_size)
            if path.is_file() and kind_of(data) == "a text":
                _check_is_maze(path)
            write_file(path, data)
        except OSError as error:
            raise MazeError(f"{path}: can't be written: {error.strerror}") from None
        except MazeError as error:
            raise MazeError(f"{path}: {error}") from None

    def to_lists(self) -> list[str]:
        """Return the maze as a map of FrozenLake, one string per row; the inverse of `Maze.from_lists`.

        Raises:
            MazeError: if it has blocked cells or walls between free cells, which the format can't represent.
        """
        return formats.write_lists(formats.Layout(self.cells, self.start))

    def to_text(self) -> str:
        """Return the maze in Clew's own text format: `Maze.from_text(maze.to_text()) == maze`."""
        return formats.draw_text(self.cells, formats.cell_letters(self.cells, self.start))

    def with_ends(self, start: Place | None, goal: Place | None) -> "Maze":
        """Return a copy of the maze with another start and, if given, another goal.

        Args:
            start: (row, column) of the start; None for none.
            goal: (row, column) of the goal, which replaces all goals; None keeps them.

        Raises:
            MazeError: if a place is outside, in a blocked cell or on a hazard, or there is no path from the start to a
                goal.
        """
        cells = self.cells.copy()
        if goal is not None:
            goal = self._check_enterable("goal", goal)
            if cells[goal] & HAZARD:
                raise self._error_at(f"the goal {goal} is on a hazard", goal)
            cells &= ~np.uint8(GOAL)
            cells[goal] |= GOAL
        return Maze(cells, start)

    def painted(self, places: Iterable[Place], kind: str) -> "Maze":
        """Return a copy of the maze with cells of another kind at given places.

        A blocked cell that becomes another kind loses its walls, except those of the edge and of blocked neighbours.
        Other walls stay.

        Args:
            places: (row, column) of the cells; for a start, the last of them.
            kind: `free`, `wall` (a blocked cell), `hazard`, `goal` (added to the others) or `start` (moves the start).

        Raises:
            MazeError: if a place is outside, something else than `free` is put on the start, or there is no path from
                the start to a goal.
            SettingError: if the kind is unknown.
        """
        check_choice("kind", kind, CELL_KINDS)
        cells, start = self.cells.copy(), self.start
        places = as_list("places", places, "(row, column)")
        for place in places[-1:] if kind == "start" else places:
            row, column = formats.check_place("place", place, self.rows, self.columns)
            was_blocked = bool(cells[row, column] & BLOCKED)
            cells[row, column] &= ~np.uint8(BLOCKED | HAZARD | GOAL)
            cells[row, column] |= CELL_KINDS[kind]
            if was_blocked and kind != "wall":
                formats.remove_walls_around(cells, row, column)
            if kind == "start":
                start = row, column
            elif start == (row, column) and kind != "free":
                raise self._error_at(f"the start {start} can't become a {kind}; move the start first", start)
        return Maze(formats.add_implied_walls(cells), start)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.cells.shape[0])

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.cells.shape[1])

    @cached_property  # read at every step of an environment
    def goals(self) -> tuple[Place, ...]:
        """Places (row, column) of the goals, row by row."""
        return tuple((int(row), int(column)) for row, column in np.argwhere(self.cells & GOAL))

    @property
    def blocked(self) -> npt.NDArray[np.bool_]:
        """Mask of the blocked cells, (rows, columns) bool."""
        return (self.cells & BLOCKED) > 0

    @property
    def hazards(self) -> npt.NDArray[np.bool_]:
        """Mask of the hazards, (rows, columns) bool."""
        return (self.cells & HAZARD) > 0

    def distances(self, goal: Place | None = None) -> npt.NDArray[np.int32]:
        """Return the number of steps (down, left, up, right) from each cell to the nearest goal.

        Args:
            goal: (row, column) of the target, instead of the maze's goals.

        Returns:
            (rows, columns) int32; -1 in blocked cells and where there is no path.

        Raises:
            MazeError: if `goal` is outside or in a blocked cell.
        """
        if goal is not None:
            goal = self._check_enterable("goal", goal)
        target = -1 if goal is None else goal[0] * self.columns + goal[1]
        distances = np.empty(self.cells.size, np.int32)
        measure_distances(self._grid(), target, distances)
        return distances.reshape(self.cells.shape)

    def regions(self) -> npt.NDArray[np.int32]:
        """Return the connected regions, (rows, columns) int32, numbered from 0; -1 in blocked cells."""
        labels = np.empty(self.cells.size, np.int32)
        label_regions(self._grid(), labels, np.empty_like(labels))
        return labels.reshape(self.cells.shape)

    def _grid(self) -> Grid:
        return grid_model(self.cells)

    def _check_enterable(self, name: str, place: Place) -> Place:
        """Return a place; raise MazeError, which calls it `name`, if it is outside the grid or blocked."""
        row, column = formats.check_place(name, place, self.rows, self.columns)
        if self.cells[row, column] & BLOCKED:
            raise self._error_at(f"the {name} ({row}, {column}) is in a blocked cell", (row, column))
        return row, column

    def _error_at(self, message: str, place: Place, start: Place | None = None) -> MazeError:
        """Return an error with a drawing of the cells around a place, and of the start if given."""
        walled = formats.has_thin_walls(self.cells)
        row, column = place
        top, left = max(0, row - 4), max(0, column - 32)
        cells = self.cells[top : row + 5, left : column + 33]  # larger than the excerpt, which then has no false edge
        drawn = formats.cell_letters(cells, None if start is None else (start[0] - top, start[1] - left))
        row, column = row - top, column - left
        if walled:
            row, column = 2 * row + 1, 4 * column + 2
        lines = formats.draw_text(cells, drawn, walled=walled).splitlines()
        return MazeError(f"{message}\n{formats.draw_excerpt(lines, row, column)}")


def _check_is_maze(path: Path) -> None:
    """Check that a text that would be replaced is empty or a maze; raise MazeError if it isn't."""
    try:
        if path.stat().st_size:
            formats.read_layout(path, formats.FileOptions())
    except MazeError:
        raise MazeError("can't be written: there is a text of that name that isn't a maze; give another name") from None
