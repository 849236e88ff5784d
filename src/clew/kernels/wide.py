"""Tables of action values with many actions, which cache the maximum of each row.

A row is divided into blocks of BLOCK actions. The maximum, and the number of actions that have it, are cached for each
block and for the row. An assignment updates one block; only when the last action with the maximum is lowered is the
block, or the row of block maxima, scanned again. So a step doesn't compare a thousand values when there are a thousand
actions. Ties are counted as by a full scan, and broken by the same draws.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.sampling import below
from clew.kernels.values import (
    FourActionTable,
    MaskedTable,
    Table,
    assign,
    best_action,
    max_value,
    num_best_actions,
    row_length,
    value,
)
from clew.kernels.vectors import BLOCK, count_bits, lowest_bit, max_of_block

MIN_WIDE_ACTIONS = 2 * BLOCK  # shorter rows are scanned in less time than the cache takes


class WideTable(NamedTuple):
    """Table of action values, with cached maxima of its rows and blocks and the number of ties."""

    q: Table  # (num_states, num_actions)
    block_best: npt.NDArray[np.float32]  # (num_states, num_blocks), maximum of each block
    block_ties: npt.NDArray[np.int32]  # (num_states, num_blocks), number of its actions that have it
    row_best: npt.NDArray[np.float32]  # (num_states,), maximum of each row
    row_ties: npt.NDArray[np.int32]  # (num_states,), number of its actions that have it


def as_values(q: Table, *, masked: bool = False) -> Any:
    """Return a table in the form in which kernels are fastest; the values are shared, not copied.

    Args:
        q: (num_states, num_actions) float32, C-contiguous.
        masked: True if values may be -inf, which marks actions that aren't available.

    Returns:
        `FourActionTable` for four actions, `WideTable` from MIN_WIDE_ACTIONS actions on, else q itself; a `MaskedTable`
        of that if it is masked.
    """
    if masked:
        return MaskedTable(as_values(q))
    if q.shape[1] == 4:
        return FourActionTable(q.reshape(-1))
    return q if q.shape[1] < MIN_WIDE_ACTIONS else make_wide(q)


def make_wide(q: Table) -> WideTable:
    """Return a `WideTable` that shares the values of q; its maxima are computed here and updated by `assign`."""
    num_actions = q.shape[1]
    firsts = np.arange(0, num_actions, BLOCK)
    block_best, row_best = np.maximum.reduceat(q, firsts, axis=1), q.max(axis=1)
    is_best = q == block_best.repeat(BLOCK, axis=1)[:, :num_actions]
    block_ties = np.add.reduceat(is_best, firsts, axis=1, dtype=np.int32)
    row_ties = (q == row_best[:, None]).sum(axis=1, dtype=np.int32)
    return WideTable(q, block_best, block_ties, row_best, row_ties)


def recompute_maxima(values: Any) -> None:
    """Recompute the maxima of a `WideTable` whose array was written directly; other forms have none."""
    values = values.table if isinstance(values, MaskedTable) else values
    if isinstance(values, WideTable):
        for old, new in zip(values[1:], make_wide(values.q)[1:], strict=True):
            old[:] = new


@kernel
def max_in_block(numbers: Table, s: int, first: int) -> tuple[np.float32, int]:
    """Return (maximum, mask) of up to BLOCK numbers of row s, from column `first` on.

    Bit k of the mask is 1 if column first + k equals the maximum. The last block of a row may be shorter.
    """
    length = numbers.shape[1]
    if first + BLOCK <= length:
        return max_of_block(numbers, s * length + first)
    best, mask = numbers[s, first], np.int64(1)
    for i in range(first + 1, length):
        if numbers[s, i] > best:
            best, mask = numbers[s, i], np.int64(0)
        mask |= np.int64(numbers[s, i] == best) << (i - first)
    return best, mask


@kernel
def recompute_block(wide: WideTable, s: int, block: int) -> None:
    """Recompute the cached maximum and number of ties of one block of row s."""
    best, mask = max_in_block(wide.q, s, block * BLOCK)
    wide.block_best[s, block] = best
    wide.block_ties[s, block] = count_bits(mask)


@kernel
def recompute_row(wide: WideTable, s: int) -> None:
    """Recompute the cached maximum and number of ties of row s from those of its blocks."""
    row_best, row_ties = -np.inf, 0
    for first in range(0, wide.block_best.shape[1], BLOCK):
        best, mask = max_in_block(wide.block_best, s, first)
        if best > row_best:
            row_best, row_ties = best, 0
        while best == row_best and mask != 0:
            row_ties += np.int64(wide.block_ties[s, first + lowest_bit(mask)])
            mask &= mask - 1
    wide.row_best[s] = row_best
    wide.row_ties[s] = row_ties


@row_length.register(WideTable)
def row_length_of_wide(wide: WideTable) -> int:
    """Return the number of actions."""
    return wide.q.shape[1]


@value.register(WideTable)
def value_of_wide(wide: WideTable, s: int, a: int) -> np.float32:
    """Return q[s, a]."""
    return wide.q[np.uint64(s), np.uint64(a)]


@max_value.register(WideTable)
def max_value_of_wide(wide: WideTable, s: int) -> np.float32:
    """Return the cached row maximum, max_a q[s, a]."""
    return wide.row_best[np.uint64(s)]


@num_best_actions.register(WideTable)
def num_best_actions_of_wide(wide: WideTable, s: int) -> int:
    """Return the cached number of actions that have the row maximum."""
    return np.int64(wide.row_ties[np.uint64(s)])


@assign.register(WideTable)
def assign_to_wide(wide: WideTable, s: int, a: int, new: np.float32) -> None:
    """Set q[s, a] = new, and update the cached maxima and numbers of ties."""
    old = wide.q[s, a]
    wide.q[s, a] = new
    block = a // BLOCK
    best = wide.block_best[s, block]
    if new > best:
        wide.block_best[s, block], wide.block_ties[s, block] = new, 1
    elif new == best and old != best:
        wide.block_ties[s, block] += 1
    elif old == best and new != best:
        wide.block_ties[s, block] -= 1
        if wide.block_ties[s, block] == 0:
            recompute_block(wide, s, block)
    row_best = wide.row_best[s]
    if new > row_best:
        wide.row_best[s], wide.row_ties[s] = new, 1
    elif new == row_best and old != row_best:
        wide.row_ties[s] += 1
    elif old == row_best and new != row_best:
        wide.row_ties[s] -= 1
        if wide.row_ties[s] == 0:
            recompute_row(wide, s)


@best_action.register(WideTable)
def best_action_of_wide(wide: WideTable, s: int, bits32: np.uint64) -> int:
    """Return an action with the maximum of row s, drawn uniformly from those that tie.

    Draws the index of one of them first, then finds it by the number of ties in each block.
    """
    row_best, left_to_skip = wide.row_best[s], below(bits32, np.int64(wide.row_ties[s]))
    for first in range(0, wide.block_best.shape[1], BLOCK):
        best, blocks = max_in_block(wide.block_best, s, first)
        while best == row_best and blocks != 0:
            block = first + lowest_bit(blocks)
            ties = np.int64(wide.block_ties[s, block])
            if left_to_skip < ties:
                actions = max_in_block(wide.q, s, block * BLOCK)[1]
                for _ in range(left_to_skip):
                    actions &= actions - 1
                return block * BLOCK + lowest_bit(actions)
            left_to_skip -= ties
            blocks &= blocks - 1
    return 0  # only reached if the row holds NaN
