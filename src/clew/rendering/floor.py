"""The floor of a maze as colours: one for each cell, or the mean of a block of them. With NumPy alone."""

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD
from clew.rendering.colours import COLOURS, NUM_SHADES, ramp, rgb
from clew.rendering.picture import Picture

__all__ = ["block_sums", "colour_floor", "shade_cells"]

RAMP = ramp()


def block_sums(array: npt.NDArray[np.generic], size: int) -> npt.NDArray[np.float64]:
    """Sums over blocks of (size, size); those at the far edges are as large as there is left."""
    starts = [np.arange(0, side, size) for side in array.shape]
    sums: npt.NDArray[np.float64] = np.add.reduceat(
        np.add.reduceat(array, starts[0], axis=0, dtype=np.float64), starts[1], axis=1
    )
    return sums


def shade_cells(picture: Picture, block: int = 1) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The shade of each block of cells, by the mean of its numbers.

    Returns:
        (block rows, block columns) int64, an index of the ramp, -1 where no cell has a number; and how many have one.
    """
    cells = picture.maze.cells
    if picture.values is None or picture.value_scale is None:
        shape = tuple(-(-side // block) for side in cells.shape)
        return np.full(shape, -1), np.zeros(shape)
    values = picture.values.reshape(cells.shape)
    has_number = ~np.isnan(values) & ((cells & (BLOCKED | HAZARD | GOAL)) == 0)
    counts = block_sums(has_number, block)
    means = block_sums(np.where(has_number, values, 0.0), block) / np.maximum(counts, 1.0)
    shades = np.full(means.shape, -1)
    some = counts > 0
    shades[some] = np.rint(picture.value_scale.shares(means[some]) * (NUM_SHADES - 1))
    return shades, counts


def colour_floor(picture: Picture, block: int = 1) -> npt.NDArray[np.uint8]:
    """The colour of each block of cells: what is in it, each kind by its share; what has a number by their mean.

    Returns:
        (block rows, block columns, 3) uint8.
    """
    cells = picture.maze.cells
    shades, counts = shade_cells(picture, block)
    num_cells = block_sums(np.ones(cells.shape, np.uint8), block)
    mixed = RAMP[shades] * counts[..., None]
    rest = num_cells - counts
    for bit, name in ((BLOCKED, "ink"), (HAZARD, "hazard"), (GOAL, "goal")):
        number = block_sums((cells & bit) > 0, block)
        mixed += number[..., None] * rgb(COLOURS[name])
        rest -= number
    mixed += rest[..., None] * rgb(COLOURS["paper"])
    floor: npt.NDArray[np.uint8] = np.rint(mixed / num_cells[..., None]).astype(np.uint8)
    return floor
