"""Passing border values from each block to its neighbours, and counting the bytes."""

from collections.abc import Mapping

import numpy as np

from clew.distributed.blocks.partition import HaloValues, RowValues

BorderValues = tuple[RowValues, RowValues]  # of the first and of the last row of a block
FIRST, LAST = 0, 1


class Exchange:
    """Border values of all blocks, and what the neighbours have received of them.

    Args:
        borders: border values of each block, by its number.
        initial: value that blocks assume for every halo state before they have received any.

    Attributes:
        borders: current border values; the caller updates them.
        num_bytes: number of bytes that have been sent.
    """

    def __init__(self, borders: Mapping[int, BorderValues], initial: float) -> None:
        self.num_bytes = 0
        self.borders = dict(borders)
        self._sent = {(i, side): np.full_like(rows[side], initial) for i, rows in borders.items() for side in (0, 1)}

    def updates(self, min_change: float = 0.0) -> dict[int, HaloValues]:
        """Return the halo values to send now, and count them as sent.

        Args:
            min_change: a row is sent if a value has changed by more than this since it was sent last.

        Returns:
            New halo values of each block that has any, by its number.
        """
        halos = {i: (self._row(i - 1, LAST, min_change), self._row(i + 1, FIRST, min_change)) for i in self.borders}
        return {i: halo for i, halo in halos.items() if halo[0] is not None or halo[1] is not None}

    def _row(self, block: int, side: int, min_change: float) -> RowValues | None:
        """Return the values of a border row if they have to be sent; None if not, or if there is no such block."""
        if block not in self.borders:
            return None
        row = self.borders[block][side]
        if np.abs(row - self._sent[block, side]).max() <= min_change:
            return None
        self._sent[block, side] = row
        self.num_bytes += row.nbytes
        return row
