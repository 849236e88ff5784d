"""Where a grid is cut, and what it takes to make a block.

A block is some rows of the grid, with one row more above and below, where there is one: its *halo*, the only states
outside that a step can lead to. They belong to the neighbours, who say what they are worth. In the block's own numbers
a state is `row * columns + column`, counted from the first row that it holds, halo included.
"""

from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, WALL_DOWN, WALL_UP, Grid
from clew.models.mdp import GRID_SETTINGS, FiniteMDP, grid_model

__all__ = ["NOTHING", "Halo", "Part", "Place", "Row", "cut", "own_rows", "tiny"]

Scalar = TypeVar("Scalar", bound=np.generic)
Row = npt.NDArray[Any]  # (columns,), what the states of a row are worth, or how far they are
Halo = tuple[Row | None, Row | None]  # what the row above and the row below are worth; None: as before, or no such row
NOTHING: Halo = (None, None)


class Part(NamedTuple):
    """What it takes to make a block; a few arrays and numbers, sent once."""

    cells: npt.NDArray[np.uint8]  # (rows, columns), halo included, cut out of the grid as they are
    has_above: bool  # the first row is halo
    has_below: bool  # the last row is halo
    settings: dict[str, Any]  # as `FiniteMDP.grid` takes them


class Place:
    """The world of a block.

    Attributes:
        grid: the block with its halo; from the halo nobody moves on.
        mdp: the same as a model; `starts` are the block's own states in which an episode may begin, maybe none.
        columns: how many there are.
        first: the block's own states begin here,
        last: and end before this one.
    """

    def __init__(self, part: Part) -> None:
        cells = part.cells.copy()
        # What lies beyond the halo isn't here. (Where there is no halo the edge of the grid is wall already.)
        cells[0] |= WALL_UP
        cells[-1] |= WALL_DOWN
        self.grid: Grid = grid_model(cells, **part.settings)
        self.columns: int = self.grid.columns
        self.first = self.columns if part.has_above else 0
        self.last = self.grid.num_cells - (self.columns if part.has_below else 0)

    @cached_property
    def mdp(self) -> FiniteMDP:
        """Not checked for starts: a block may be all wall."""
        over = (self.grid.cells & (BLOCKED | GOAL | HAZARD)) > 0
        over[: self.first] = over[self.last :] = True
        starts = np.flatnonzero(~over).astype(np.int32)
        starts.setflags(write=False)
        return FiniteMDP(self.grid, self.grid.num_cells, 4, starts)

    @property
    def own(self) -> slice:
        """The block's own states."""
        return slice(self.first, self.last)

    @property
    def halo(self) -> npt.NDArray[np.int64]:
        """The states that belong to the neighbours."""
        return np.concatenate([np.arange(self.first), np.arange(self.last, self.grid.num_cells)])

    @property
    def borders(self) -> tuple[slice, slice]:
        """The first and the last row of its own: the halo of the neighbours."""
        return slice(self.first, self.first + self.columns), slice(self.last - self.columns, self.last)

    def told(self, halo: Halo) -> list[tuple[int, Row]]:
        """Which rows of the halo there is news of: (first state, values)."""
        firsts = (0, self.last)
        return [(first, row) for first, row in zip(firsts, halo, strict=True) if row is not None]


def own_rows(num_rows: int, num_blocks: int) -> npt.NDArray[np.int64]:
    """(num_blocks + 1,) the row that each block begins with, and the end; blocks differ by one row at most.

    Raises:
        SettingError: if there are not that many rows.
    """
    if not 1 <= num_blocks <= num_rows:
        raise SettingError(f"num_blocks must be from 1 to {num_rows}, the number of rows, not {num_blocks}")
    each, left = divmod(num_rows, num_blocks)
    return np.concatenate([[0], np.cumsum([each + (i < left) for i in range(num_blocks)])])


def cut(mdp: FiniteMDP, num_blocks: int) -> list[Part]:
    """Cut a grid into blocks of rows.

    Raises:
        SettingError: if it isn't a grid whose goals stay, or has too few rows.
    """
    grid = mdp.model
    if not isinstance(grid, Grid):
        raise SettingError("only grids are cut into blocks; a model in the sparse form is solved as a whole")
    if grid.moving_goal:
        raise SettingError("a grid with a random goal isn't cut into blocks: a step from one can lead to any other")
    cells = grid.cells.reshape(-1, grid.columns)
    bounds = own_rows(len(cells), num_blocks)
    settings = {name: getattr(grid, name) for name in GRID_SETTINGS}
    parts = []
    for begin, end in pairwise(bounds.tolist()):
        above, below = begin > 0, end < len(cells)
        parts.append(Part(cells[begin - above : end + below], above, below, settings))
    return parts


def tiny(part: Part) -> Part:
    """The smallest block of the same kind: what compiles for it serves for all."""
    cells = np.array([[WALL_UP, WALL_UP | GOAL], [0, 0], [WALL_DOWN, WALL_DOWN]], np.uint8) | np.array([2, 8], np.uint8)
    return Part(cells, False, True, part.settings)
