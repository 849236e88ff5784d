"""Cutting a grid into blocks of rows, and the grid of one block.

A block is a number of rows of the grid. It also has a copy of the row above and of the row below, where there is one:
its *halo*, the only states outside the block that a step can lead to. Halo states belong to the neighbours, which send
their values. Within a block, a state is `row * columns + column`, counted from the first row that the block has, halo
included.
"""

from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP, Grid
from clew.models.grids import GRID_SETTINGS, grid_model
from clew.models.mdp import FiniteMDP
from clew.settings import shown

RowValues = npt.NDArray[Any]  # (columns,), a value, or a distance, for each state of a row
# Of the row above and of the row below; None for a row whose values are unchanged, or that doesn't exist.
HaloValues = tuple[RowValues | None, RowValues | None]
UNCHANGED: HaloValues = (None, None)


class BlockSpec(NamedTuple):
    """Everything that a block is made from; sent to its actor once."""

    cells: npt.NDArray[np.uint8]  # (rows, columns), halo included, as in the whole grid
    has_row_above: bool  # the first row is halo
    has_row_below: bool  # the last row is halo
    settings: dict[str, Any]  # keyword arguments of `FiniteMDP.grid`


class LocalGrid:
    """The grid of one block, halo included.

    Attributes:
        grid: model of the rows; no move leads out of them.
        columns: number of columns.
        first: first state of the block itself, after the halo row above.
        last: end of the states of the block itself (exclusive), before the halo row below.
        own_states: states of the block itself.
        halo_states: states that belong to the neighbours.
        border_rows: states of the first and of the last row of the block itself, which are halo rows of the neighbours.
    """

    def __init__(self, spec: BlockSpec) -> None:
        cells = spec.cells.copy()
        # Rows beyond the halo are not here. (At the edge of the whole grid these walls exist already.)
        cells[0] |= WALL_UP
        cells[-1] |= WALL_DOWN
        self.grid: Grid = grid_model(cells, **spec.settings)
        self.columns: int = self.grid.columns
        self.first = self.columns if spec.has_row_above else 0
        self.last = self.grid.num_cells - (self.columns if spec.has_row_below else 0)
        self.own_states = slice(self.first, self.last)
        self.halo_states = np.concatenate([np.arange(self.first), np.arange(self.last, self.grid.num_cells)])
        self.border_rows = (
            slice(self.first, self.first + self.columns),
            slice(self.last - self.columns, self.last),
        )

    @cached_property
    def mdp(self) -> FiniteMDP:
        """The grid as a model. Its start states are all free states of the block itself; there may be none."""
        is_excluded = (self.grid.cells & (BLOCKED | GOAL | HAZARD)) > 0
        is_excluded[: self.first] = is_excluded[self.last :] = True
        starts = np.flatnonzero(~is_excluded).astype(np.int32)
        starts.setflags(write=False)
        return FiniteMDP(self.grid, self.grid.num_cells, 4, starts)

    def changed_rows(self, halo: HaloValues) -> list[tuple[int, RowValues]]:
        """Return (first state, values) of each halo row that has new values."""
        return [(first, row) for first, row in zip((0, self.last), halo, strict=True) if row is not None]


def split_rows(num_rows: int, num_blocks: int) -> npt.NDArray[np.int64]:
    """Divide rows evenly among blocks; their numbers differ by one at most.

    Returns:
        (num_blocks + 1,) int64, the first row of each block, and the number of rows.

    Raises:
        SettingError: if there are more blocks than rows.
    """
    if not 1 <= num_blocks <= num_rows:
        raise SettingError(
            f"must be from 1 to {num_rows}, the number of rows, not {shown(num_blocks)}", setting="num_blocks"
        )
    return np.cumsum([0, *map(len, np.array_split(np.arange(num_rows), num_blocks))])


def cut_grid(mdp: FiniteMDP, num_blocks: int) -> list[BlockSpec]:
    """Cut a grid into blocks of rows, from top to bottom.

    Raises:
        SettingError: if the model is not a grid, its goal is random, or it has fewer rows than blocks.
    """
    grid = mdp.model
    if not isinstance(grid, Grid):
        raise SettingError(
            "only mazes with the moves 'four' can be cut into blocks, and only without exits or rewards of cells; the "
            "model of this world is in the sparse form: use clew.solve and clew.train_policy"
        )
    if grid.moving_goal:
        raise SettingError("a grid with a random goal can't be cut into blocks; use an environment with one goal")
    cells = grid.cells.reshape(-1, grid.columns)
    bounds = split_rows(len(cells), num_blocks).tolist()
    settings = {name: getattr(grid, name) for name in GRID_SETTINGS}
    return [
        BlockSpec(cells[max(begin - 1, 0) : end + 1], begin > 0, end < len(cells), settings)
        for begin, end in pairwise(bounds)
    ]


def smallest_block(spec: BlockSpec) -> BlockSpec:
    """Return a block of 2 x 2 cells and one halo row, with the settings of `spec`; to compile kernels quickly."""
    rows = np.array([[WALL_UP, WALL_UP | GOAL], [0, 0], [WALL_DOWN, WALL_DOWN]], np.uint8)
    return BlockSpec(rows | np.array([WALL_LEFT, WALL_RIGHT], np.uint8), False, True, spec.settings)
