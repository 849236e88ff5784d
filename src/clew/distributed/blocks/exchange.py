"""What neighbours must tell each other, and how many bytes that was."""

from collections.abc import Mapping

import numpy as np

from clew.distributed.blocks.cuts import Halo, Row

__all__ = ["Borders", "Exchange"]

Borders = tuple[Row, Row]  # of a block: what its first and its last row are worth
FIRST, LAST = 0, 1


class Exchange:
    """Passes borders on to neighbours, if they have changed by more than is worth a message.

    Attributes:
        num_bytes: how many bytes were passed on so far.
        borders: of all blocks, as they are now.
    """

    def __init__(self, borders: Mapping[int, Borders], assumed: float) -> None:
        """Begin with what blocks are worth, while they assume of each other a number, whatever the state."""
        self.num_bytes = 0
        self.borders = dict(borders)
        self._told = {(i, side): np.full_like(rows[side], assumed) for i, rows in borders.items() for side in (0, 1)}

    def news(self, least: float = 0.0) -> dict[int, Halo]:
        """What blocks are to be told: rows that changed by more than `least`. Blocks without news aren't in it."""
        halos = {i: (self._row(i - 1, LAST, least), self._row(i + 1, FIRST, least)) for i in self.borders}
        return {i: halo for i, halo in halos.items() if halo[0] is not None or halo[1] is not None}

    def _row(self, neighbour: int, side: int, least: float) -> Row | None:
        if neighbour not in self.borders:
            return None
        row = self.borders[neighbour][side]
        if np.abs(row - self._told[neighbour, side]).max() <= least:
            return None
        self._told[neighbour, side] = row
        self.num_bytes += row.nbytes
        return row
