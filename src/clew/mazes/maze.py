"""The layout of a maze: walls, start, goals and hazards. It knows nothing of rewards or learning."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import MazeError, ModelError
from clew.files import write_file
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, Grid
from clew.kernels.planning.search import label_regions, measure_distances
from clew.mazes import formats
from clew.mazes.formats import Place
from clew.models.checks import frozen
from clew.models.mdp import grid_model
from clew.notebook import svg_of
from clew.settings import check_choice

__all__ = ["Maze", "check_place"]

PAINTS = {"free": 0, "wall": BLOCKED, "hazard": HAZARD, "goal": GOAL, "start": 0}  # what a cell becomes


@dataclass(frozen=True, eq=False)
class Maze:
    """An immutable maze. Places are (row, column), counted from 0, from the top left.

    A maze with a start and goals has a way from the one to the others. Either may be missing, for environments that
    draw them at random.

    Attributes:
        cells: (rows, columns) uint8, read-only; bits of `clew.kernels.dynamics`: walls, GOAL, HAZARD, BLOCKED.
        start: where an episode begins, or None.

    Raises:
        MazeError: if the start is in a wall, on a hazard or on a goal, or no goal can be reached.
    """

    cells: npt.NDArray[np.uint8]
    start: Place | None = None

    def __post_init__(self) -> None:
        try:
            cells = frozen(self.cells, np.uint8, "cells")
            object.__setattr__(self, "cells", cells)
            if cells.ndim != 2:
                raise MazeError(f"cells must be an array of rows and columns, not of shape {cells.shape}")
            formats.check_size(*cells.shape)
            self._grid()
        except ModelError as error:
            raise MazeError(str(error)) from None
        if self.start is not None:
            object.__setattr__(self, "start", self._checked("start", self.start))
            if cells.size == 1 and cells[self.start] & GOAL:
                raise MazeError("a maze of one cell has no room for a start and a goal")
            if cells[self.start] & (GOAL | HAZARD):
                thing = "a goal" if cells[self.start] & GOAL else "a hazard"
                raise self._error(f"the start {self.start} is on {thing}", self.start)
            if (cells & GOAL).any() and self.distances()[self.start] < 0:
                raise self._error(
                    f"there is no way from the start {self.start} to {self._name_goals()}", self.start, self.start
                )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Maze) and self.start == other.start and np.array_equal(self.cells, other.cells)

    def __hash__(self) -> int:
        return hash((self.start, self.cells.shape, self.cells.tobytes()))

    def __repr__(self) -> str:
        return f"Maze({self.rows}x{self.columns}, start={self.start}, goals={self.goals[:3]})"

    def _repr_svg_(self) -> str | None:
        return svg_of(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Maze, (self.cells, self.start)  # through the constructor: read-only again

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
        """An open grid, with obstacles and hazards where they are put.

        Args:
            rows: number of rows.
            columns: number of columns.
            start: where an episode begins; None for nowhere yet.
            goal: the goal; by default the bottom right corner.
            obstacles: places that can't be entered.
            hazards: places that cost to enter.

        Raises:
            MazeError: if the maze can't be right.
        """
        formats.check_size(rows, columns)
        rows, columns = int(rows), int(columns)
        cells = np.zeros((rows, columns), np.uint8)
        for place in obstacles:
            cells[check_place("obstacle", place, rows, columns)] = BLOCKED
        maze = cls(formats.enclose(cells))
        for place in hazards:
            cells[maze._checked("hazard", place)] |= HAZARD
        return cls(cells).with_ends(start, (rows - 1, columns - 1) if goal is None else goal)

    @classmethod
    def from_text(cls, text: str) -> "Maze":
        """Read a maze in our own format, see `clew.mazes.formats`.

        Raises:
            MazeError: names the place and draws it.
        """
        return cls(*formats.parse_text(text))

    @classmethod
    def from_lists(cls, rows: Sequence[str] | npt.NDArray[Any]) -> "Maze":
        """Read strings as Gymnasium's FrozenLake has them, or its `desc`: S start, F free, H hole, G goal.

        A hole becomes a hazard, which is not quite the same: in FrozenLake it ends the episode; here entering it costs
        `hazard_reward`, and the episode goes on. To keep FrozenLake's own dynamics, read its environment instead.

        Raises:
            MazeError: names line and column (from 1), and draws the place.
        """
        return cls(*formats.parse_lists(rows))

    @classmethod
    def from_array(cls, blocked: npt.ArrayLike, start: Place | None = None, goal: Place | None = None) -> "Maze":
        """A maze of an array; `maze.blocked` is the way back.

        Args:
            blocked: (rows, columns) bool, or whole numbers 0 and 1: cells that can't be entered.
            start: where an episode begins.
            goal: the goal.

        Raises:
            MazeError: if the array or the maze can't be right.
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
        """Read a maze from a file, in the format of its ending: `.txt`, `.map`, `.maze`, `.lay` or `.png`.

        Args:
            path: the file; see `clew.mazes.formats` for the formats.
            start: start to put in place of the file's own.
            goal: goal to put in place of the file's own.
            scenario: `.scen` file and row (from 0) that give both.
            unknown_walls: `wall` or `open`: what stands where a `.maze` file doesn't know.
            cell_size: pixels to each side of a cell, of a `.png` file.

        Raises:
            MazeError: names the file and the place, and draws it.
            SettingError: if `unknown_walls` or `cell_size` is out of range, or has no effect on this file.
        """
        path = Path(path)
        try:
            layout = formats.read_layout(path, formats.Reading(unknown_walls, cell_size))
            if scenario is not None:
                if start is not None or goal is not None:
                    raise MazeError("give a scenario, or a start and a goal, not both")
                start, goal = formats.ends_of(scenario, layout)
            return cls(layout.cells).with_ends(layout.start if start is None else start, goal)
        except OSError as error:
            raise MazeError(f"{error.filename or path}: can't be read: {error.strerror}") from None
        except MazeError as error:
            raise MazeError(f"{path}: {error}") from None

    def save(self, path: str | Path, *, cell_size: int = 1) -> None:
        """Write the maze to a file, in the format of its ending; `.txt` says all of a maze, others less.

        Args:
            path: the file.
            cell_size: pixels to each side of a cell, of a `.png` file.

        Raises:
            MazeError: if the format can't say this maze, or the file can't be written; nothing is half-written.
            SettingError: if `cell_size` is out of range, or has no effect on this file.
        """
        path = Path(path)
        try:
            write_file(path, formats.write_layout(path, formats.Layout(self.cells, self.start), cell_size))
        except OSError as error:
            raise MazeError(f"{path}: can't be written: {error.strerror}") from None
        except MazeError as error:
            raise MazeError(f"{path}: {error}") from None

    def to_lists(self) -> list[str]:
        """The maze as `Maze.from_lists` reads it.

        Raises:
            MazeError: if it has blocked cells or thin walls, which lists can't say.
        """
        return formats.write_lists(formats.Layout(self.cells, self.start))

    def to_text(self) -> str:
        """The maze in our own format: `Maze.from_text(maze.to_text()) == maze`."""
        return formats.draw(self.cells, formats.letters(self.cells, self.start))

    def with_ends(self, start: Place | None, goal: Place | None) -> "Maze":
        """The same maze with another start, and perhaps another goal.

        Args:
            start: where an episode begins; None for nowhere yet.
            goal: the only goal from now on; None leaves the goals as they are.

        Raises:
            MazeError: if a place is outside, in a wall or on a hazard, or no way leads from the start to a goal.
        """
        cells = self.cells.copy()
        if goal is not None:
            goal = self._checked("goal", goal)
            if cells[goal] & HAZARD:
                raise self._error(f"the goal {goal} is on a hazard", goal)
            cells &= ~np.uint8(GOAL)
            cells[goal] |= GOAL
        return Maze(cells, start)

    def painted(self, places: Iterable[Place], kind: str) -> "Maze":
        """The same maze with something else in some places; walls between other cells stay.

        Args:
            places: where; of several for a start the last.
            kind: `free`, `wall` (a blocked cell), `hazard`, `goal` (one more), or `start` (in place of the old one).

        Raises:
            MazeError: if a place is outside, or the maze can't be right then: no way leads from the start to a goal.
            SettingError: if the kind is none of these.
        """
        check_choice("kind", kind, PAINTS)
        cells, start = self.cells.copy(), self.start
        for place in list(places)[-1:] if kind == "start" else places:
            row, column = check_place("place", place, self.rows, self.columns)
            was_blocked = bool(cells[row, column] & BLOCKED)
            cells[row, column] &= ~np.uint8(BLOCKED | HAZARD | GOAL)
            cells[row, column] |= PAINTS[kind]
            if was_blocked and kind != "wall":
                formats.open_up(cells, row, column)
            if kind == "start":
                start = row, column
            elif start == (row, column) and kind != "free":
                raise self._error(f"the start {start} is there; move it first", start)
        return Maze(formats.enclose(cells), start)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.cells.shape[0])

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.cells.shape[1])

    @cached_property  # asked for at every step of an environment
    def goals(self) -> tuple[Place, ...]:
        """Places of the goals, row by row."""
        return tuple((int(row), int(column)) for row, column in np.argwhere(self.cells & GOAL))

    @property
    def blocked(self) -> npt.NDArray[np.bool_]:
        """(rows, columns) bool: cells that can't be entered."""
        return (self.cells & BLOCKED) > 0

    @property
    def hazards(self) -> npt.NDArray[np.bool_]:
        """(rows, columns) bool: cells that cost to enter."""
        return (self.cells & HAZARD) > 0

    def distances(self, goal: Place | None = None) -> npt.NDArray[np.int32]:
        """Steps from every cell to the nearest goal.

        Args:
            goal: measure the way to this place, in place of the maze's goals.

        Returns:
            (rows, columns) int32; -1 where there is no way, and in blocked cells.
        """
        if goal is not None:
            goal = self._checked("goal", goal)
        target = -1 if goal is None else goal[0] * self.columns + goal[1]
        distances = np.empty(self.cells.size, np.int32)
        measure_distances(self._grid(), target, distances)
        return distances.reshape(self.cells.shape)

    def regions(self) -> npt.NDArray[np.int32]:
        """(rows, columns) int32: cells with a way between them have one number, from 0; blocked cells have -1."""
        labels = np.empty(self.cells.size, np.int32)
        label_regions(self._grid(), labels, np.empty_like(labels))
        return labels.reshape(self.cells.shape)

    def _grid(self) -> Grid:
        return grid_model(self.cells)

    def _checked(self, name: str, place: Place) -> Place:
        """Check that a place lies in the grid and can be entered."""
        row, column = check_place(name, place, self.rows, self.columns)
        if self.cells[row, column] & BLOCKED:
            raise self._error(f"the {name} ({row}, {column}) is in a wall", (row, column))
        return row, column

    def _name_goals(self) -> str:
        goals = self.goals
        return f"the goal {goals[0]}" if len(goals) == 1 else f"any of the {len(goals)} goals"

    def _error(self, message: str, place: Place, start: Place | None = None) -> MazeError:
        """An error that draws the place, and the start if that is not itself in question."""
        walled = formats.has_thin_walls(self.cells)
        row, column = place
        top, left = max(0, row - 4), max(0, column - 32)  # so far that the drawing shows no edge but the maze's
        cells = self.cells[top : row + 5, left : column + 33]
        drawn = formats.letters(cells, None if start is None else (start[0] - top, start[1] - left))
        row, column = row - top, column - left
        if walled:
            row, column = 2 * row + 1, 4 * column + 2
        lines = formats.draw(cells, drawn, walled=walled).splitlines()
        return MazeError(f"{message}\n{formats.draw_place(lines, row, column)}")


def check_place(name: str, place: Place, rows: int, columns: int) -> Place:
    """Check that a place lies in a grid; the name says in the error what was to be there.

    Raises:
        MazeError: if it is not (row, column), or outside.
    """
    try:
        row, column = map(index, place)
    except (TypeError, ValueError):
        raise MazeError(f"the {name} must be (row, column), not {place!r}") from None
    if not (0 <= row < rows and 0 <= column < columns):
        raise MazeError(
            f"the {name} ({row}, {column}) is outside the maze, whose rows are 0..{rows - 1} and columns "
            f"0..{columns - 1}"
        )
    return row, column
