"""Mazes: cells, walls, start, goals, hazards and exits; other rewards and slip are settings of `clew.Environment`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
from clew.mazes.checks import check_cell_rewards, check_enterable, check_exits
from clew.mazes.formats import Layout, Place, error_in_cells
from clew.mazes.painting import paint_cells
from clew.models.checks import read_only_copy
from clew.models.grids import grid_model
from clew.notebook import svg_of
from clew.settings import as_list, as_path


@dataclass(frozen=True, eq=False)
class Maze:
    """An immutable maze: a rectangular grid of cells with walls, a start, goals, hazards, exits and rewards of cells.

    Places are (row, column), counted from 0, from the top left. Start and goals may be missing, for environments that
    draw them at random; a maze that has both has a path from its start to a goal.

    Made by `Maze.open`, `load`, `from_text`, `from_lists` or `from_array`, or by `clew.generate_maze`.

    Args:
        cells: (rows, columns) uint8, one byte per cell, with the bits of `clew.kernels.dynamics`: a wall for each
            direction, GOAL, HAZARD, BLOCKED. A wall is marked on both of its sides; the edge of the grid and all sides
            of blocked cells are walls.
        start: (row, column) of the start, or None.
        exits: reward of each exit, by its (row, column). An exit is a goal with a reward of its own, which may be
            negative, instead of the environment's `goal_reward`.
        cell_rewards: rewards by (row, column), added whenever a move enters the cell, and not where a wall stops it.

    Attributes:
        cells, start, exits, cell_rewards: as given, and read-only; exits have the GOAL bit.

    Raises:
        MazeError: if the cells are invalid; the start is outside, in a blocked cell, on a hazard or on a goal; no goal
            can be reached from it; an exit is outside, in a blocked cell or on a hazard; a cell that has a reward is
            outside, blocked, a goal or an exit; or a reward is not a finite number.

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
    >>> clew.Maze.open(3, 4, start=(2, 0), obstacles=[(1, 1)], exits={(0, 3): 1.0, (1, 3): -1.0})
    Maze(3x4, start=(2, 0), goals=((0, 3), (1, 3)), exits={(0, 3): 1.0, (1, 3): -1.0})
    """

    cells: npt.NDArray[np.uint8]
    start: Place | None = None
    exits: Mapping[Place, float] = field(default_factory=dict)
    cell_rewards: Mapping[Place, float] = field(default_factory=dict)

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
        object.__setattr__(self, "exits", check_exits(self.exits, cells))
        if self.exits:
            cells = cells.copy()
            cells[tuple(zip(*self.exits, strict=True))] |= GOAL
            cells.setflags(write=False)
            object.__setattr__(self, "cells", cells)
        object.__setattr__(self, "cell_rewards", check_cell_rewards(self.cell_rewards, cells))
        if self.start is not None:
            object.__setattr__(self, "start", check_enterable("start", self.start, cells))
            if cells.size == 1 and cells[self.start] & GOAL:
                raise MazeError("a maze of one cell has no room for a start and a goal")
            if cells[self.start] & (GOAL | HAZARD):
                kind = "goal" if cells[self.start] & GOAL else "hazard"
                raise error_in_cells(f"the start {self.start} is on a {kind}", cells, self.start)
            if (cells & GOAL).any() and self.distances()[self.start] < 0:
                goals = f"the goal {self.goals[0]}" if len(self.goals) == 1 else f"any of the {len(self.goals)} goals"
                message = f"there is no path from the start {self.start} to {goals}"
                drawn = error_in_cells(message, cells, self.start, self.start)
                raise NoPathError(str(drawn), cells, self.start)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Maze) or (self.start, self.exits) != (other.start, other.exits):
            return False
        return self.cell_rewards == other.cell_rewards and np.array_equal(self.cells, other.cells)

    def __hash__(self) -> int:
        rewards = tuple(self.exits.items()), tuple(self.cell_rewards.items())
        return hash((self.start, self.cells.shape, self.cells.tobytes(), rewards))

    def __repr__(self) -> str:
        exits = f", exits={dict(list(self.exits.items())[:3])}" if self.exits else ""
        return f"Maze({self.rows}x{self.columns}, start={self.start}, goals={self.goals[:3]}{exits})"

    def _repr_svg_(self) -> str | None:
        return svg_of(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # Calls the constructor, so that a copy is validated and read-only.
        return Maze, (self.cells, self.start, dict(self.exits), dict(self.cell_rewards))

    def __deepcopy__(self, memo: dict[int, Any]) -> "Maze":
        return self  # read-only

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
        exits: Mapping[Place, float] | None = None,
        cell_rewards: Mapping[Place, float] | None = None,
    ) -> "Maze":
        """Return a grid without walls between its cells, with blocked cells and hazards at given places.

        Args:
            rows: number of rows.
            columns: number of columns.
            start: (row, column) of the start; None for none.
            goal: (row, column) of the goal; by default the bottom right corner, or none if there are exits.
            obstacles: places of blocked cells.
            hazards: places of hazards.
            exits: reward of each exit, by its place; see `Maze`.
            cell_rewards: rewards of cells, by their places.

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
            cells[check_enterable("hazard", place, maze.cells)] |= HAZARD
        if goal is None and not (isinstance(exits, Mapping) and len(exits)):
            goal = rows - 1, columns - 1
        maze = cls(cells)
        if exits is not None or cell_rewards is not None:
            maze = maze.with_ends(None, goal).with_rewards(exits=exits, cell_rewards=cell_rewards)
            goal = None
        return maze.with_ends(start, goal)

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
            maze = cls(layout.cells, None, layout.exits, layout.cell_rewards)
            return maze.with_ends(layout.start if start is None else start, goal)
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
            data = formats.write_layout(path, self._layout(), cell_size)
            if path.is_file() and kind_of(data) == "a text":
                formats.check_is_maze(path)
            write_file(path, data)
        except OSError as error:
            raise MazeError(f"{path}: can't be written: {error.strerror}") from None
        except MazeError as error:
            raise MazeError(f"{path}: {error}") from None

    def to_lists(self) -> list[str]:
        """Return the maze as a map of FrozenLake, one string per row; the inverse of `Maze.from_lists`.

        Raises:
            MazeError: if it has blocked cells, walls between free cells, exits or rewards of cells, which the format
                can't represent.
        """
        return formats.write_lists(self._layout())

    def to_text(self) -> str:
        """Return the maze in Clew's own text format: `Maze.from_text(maze.to_text()) == maze`."""
        return formats.write_text(self._layout()).decode("ascii")

    def with_ends(self, start: Place | None, goal: Place | None) -> "Maze":
        """Return a copy of the maze with another start and, if given, another goal.

        Args:
            start: (row, column) of the start; None for none.
            goal: (row, column) of the goal, which replaces all goals and exits; None keeps them.

        Raises:
            MazeError: if a place is outside, in a blocked cell or on a hazard, or there is no path from the start to a
                goal.
        """
        cells, exits, cell_rewards = self.cells.copy(), self.exits, self.cell_rewards
        if goal is not None:
            goal = check_enterable("goal", goal, self.cells)
            if cells[goal] & HAZARD:
                raise error_in_cells(f"the goal {goal} is on a hazard", cells, goal)
            cells &= ~np.uint8(GOAL)
            cells[goal] |= GOAL
            exits, cell_rewards = {}, {place: each for place, each in cell_rewards.items() if place != goal}
        return Maze(cells, start, exits, cell_rewards)

    def with_rewards(
        self, *, exits: Mapping[Place, float] | None = None, cell_rewards: Mapping[Place, float] | None = None
    ) -> "Maze":
        """Return a copy of the maze with other exits or other rewards of cells.

        Args:
            exits: reward of each exit, by its (row, column); None keeps the exits. Goals stay.
            cell_rewards: rewards of cells, by their (row, column); None keeps them.

        Raises:
            MazeError: if a place or a reward is invalid, or there is no path from the start to a goal.

        >>> import clew
        >>> maze = clew.Maze.open(2, 3).with_rewards(exits={(0, 2): -5.0}, cell_rewards={(1, 1): 0.5})
        >>> print(maze.to_text(), end="")
        S.A
        .aG
        <BLANKLINE>
        A exit -5
        a reward 0.5
        >>> clew.Maze.from_text(maze.to_text()) == maze
        True
        """
        cells = self.cells.copy()
        if exits is not None:
            for place in self.exits:
                cells[place] &= ~np.uint8(GOAL)
        return Maze(
            cells,
            self.start,
            self.exits if exits is None else exits,
            self.cell_rewards if cell_rewards is None else cell_rewards,
        )

    def painted(self, places: Iterable[Place], kind: str, reward: float | None = None) -> "Maze":
        """Return a copy of the maze with cells of another kind at given places.

        A blocked cell that becomes another kind loses its walls, except those of the edge and of blocked neighbours.
        Other walls stay.

        Args:
            places: (row, column) of the cells; for a start, the last of them.
            kind: `free`, `wall` (a blocked cell), `hazard`, `goal` or `exit` (added to the others), `reward` (a free
                cell with a reward), or `start` (moves the start).
            reward: of an `exit` or a `reward`; None for other kinds.

        Raises:
            MazeError: if a place is outside, something else than `free` or `reward` is put on the start, or there is
                no path from the start to a goal.
            SettingError: if the kind is unknown, or a reward is missing or has no effect.
        """
        return Maze(*paint_cells(self._layout(), as_list("places", places, "(row, column)"), kind, reward))

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
        """Places (row, column) of the goals, exits included, row by row."""
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
            goal = check_enterable("goal", goal, self.cells)
        target = -1 if goal is None else goal[0] * self.columns + goal[1]
        distances = np.empty(self.cells.size, np.int32)
        measure_distances(self._grid(), target, distances)
        return distances.reshape(self.cells.shape)

    def regions(self) -> npt.NDArray[np.int32]:
        """Return the connected regions, (rows, columns) int32, numbered from 0; -1 in blocked cells."""
        labels = np.empty(self.cells.size, np.int32)
        label_regions(self._grid(), labels, np.empty_like(labels))
        return labels.reshape(self.cells.shape)

    def _layout(self) -> Layout:
        return Layout(self.cells, self.start, self.exits, self.cell_rewards)

    def _grid(self) -> Grid:
        return grid_model(self.cells)
