"""Colours of the cells of a maze: one for each cell, or for each block of cells. With NumPy alone."""

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD
from clew.rendering.colours import COLOURS, NUM_SHADES, ramp, rgb
from clew.rendering.picture import Picture
from clew.rendering.rewards import loss_mask


def block_sums(array: npt.NDArray[np.generic], height: int, width: int) -> npt.NDArray[np.float64]:
    """Return the sums over blocks of an array; blocks at the bottom and right edges may be smaller.

    Args:
        array: (rows, columns), numbers or bool.
        height: rows of a block.
        width: columns of a block.

    Returns:
        (ceil(rows / height), ceil(columns / width)) float64.
    """
    tops, lefts = np.arange(0, array.shape[0], height), np.arange(0, array.shape[1], width)
    return np.add.reduceat(np.add.reduceat(array, tops, axis=0, dtype=np.float64), lefts, axis=1)


def shade_cells(picture: Picture, block: int = 1) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the shade of each block of cells, chosen by the mean of their values.

    Cells without a value (NaN), blocked cells, hazards and goals are left out of the mean.

    Args:
        picture: has the values and their scale.
        block: side of a block, in cells.

    Returns:
        (block rows, block columns) int64, index of the colour in `ramp()`, -1 where no cell has a value; and float64 of
        that shape, the number of cells with a value.
    """
    cells = picture.maze.cells
    if picture.values is None or picture.value_scale is None:
        shape = tuple(-(-side // block) for side in cells.shape)
        return np.full(shape, -1), np.zeros(shape)
    values = picture.values.reshape(cells.shape)
    has_value = ~np.isnan(values) & ((cells & (BLOCKED | HAZARD | GOAL)) == 0)
    counts = block_sums(has_value, block, block)
    means = block_sums(np.where(has_value, values, 0.0), block, block) / np.maximum(counts, 1.0)
    shades = np.full(means.shape, -1)
    some = counts > 0
    shades[some] = np.rint(picture.value_scale.normalise(means[some]) * (NUM_SHADES - 1))
    return shades, counts


def colour_cells(picture: Picture, block: int = 1) -> npt.NDArray[np.uint8]:
    """Return the colour of each block of cells: the mean of the colours of its cells.

    Blocked cells, hazards and goals have colours of their own; cells with a value have the shade of the mean of these
    values, and all others the colour of paper.

    Args:
        picture: what to colour.
        block: side of a block, in cells.

    Returns:
        (block rows, block columns, 3) uint8, red, green and blue.
    """
    cells = picture.maze.cells
    shades, counts = shade_cells(picture, block)
    num_cells = block_sums(np.ones(cells.shape, np.uint8), block, block)
    mixed = ramp()[shades] * counts[..., None]
    rest = num_cells - counts
    losses = loss_mask(picture.maze)
    kinds = [((cells & bit) > 0, name) for bit, name in ((BLOCKED, "ink"), (HAZARD, "hazard"))]
    for mask, name in (*kinds, (((cells & GOAL) > 0) & ~losses, "goal"), (losses, "loss")):
        number = block_sums(mask, block, block)
        mixed += number[..., None] * rgb(COLOURS[name])
        rest -= number
    mixed += rest[..., None] * rgb(COLOURS["paper"])
    colours: npt.NDArray[np.uint8] = np.rint(mixed / num_cells[..., None]).astype(np.uint8)
    return colours
