"""Wide rows: action values with maintained maxima; a thousand actions don't cost a thousand comparisons per step.

A row is cut into blocks of BLOCK actions. Each block keeps its greatest value and how many of its actions have it, and
so does the row. An assignment changes one block; only where it lowers the last one that had the maximum is the block,
or the row of blocks, searched again. Ties are as exact as a full scan has them, and drawn the same.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.sampling import below
from clew.kernels.values import (
    FourActionTable,
    Table,
    assign,
    best_action,
    max_value,
    num_best_actions,
    row_length,
    value,
)
from clew.kernels.vectors import BLOCK, count_bits, lowest_bit, max_of_block

MIN_WIDE_ACTIONS = 2 * BLOCK  # rows of fewer actions are searched sooner than they are kept


class WideTable(NamedTuple):
    """A table with the maxima of its rows and blocks."""

    q: Table  # (num_states, num_actions)
    block_best: npt.NDArray[np.float32]  # (num_states, num_blocks)
    block_ties: npt.NDArray[np.int32]  # (num_states, num_blocks), actions of the block that have it
    row_best: npt.NDArray[np.float32]  # (num_states,)
    row_ties: npt.NDArray[np.int32]  # (num_states,), actions of the row that have it


def as_values(q: Table) -> Any:
    """A table in the form in which kernels work on it fastest; the values are not copied."""
    if q.shape[1] == 4:
        return FourActionTable(q.reshape(-1))
    return q if q.shape[1] < MIN_WIDE_ACTIONS else make_wide(q)


def make_wide(q: Table) -> WideTable:
    """A table with its maxima, which are computed here, and kept by `assign` from then on."""
    num_actions = q.shape[1]
    firsts = np.arange(0, num_actions, BLOCK)
    block_best, row_best = np.maximum.reduceat(q, firsts, axis=1), q.max(axis=1)
    is_best = q == block_best.repeat(BLOCK, axis=1)[:, :num_actions]
    block_ties = np.add.reduceat(is_best, firsts, axis=1, dtype=np.int32)
    row_ties = (q == row_best[:, None]).sum(axis=1, dtype=np.int32)
    return WideTable(q, block_best, block_ties, row_best, row_ties)


def recompute_maxima(values: Any) -> None:
    """Compute the maxima anew, where there are any: for who wrote to the table itself."""
    if isinstance(values, WideTable):
        for old, new in zip(values[1:], make_wide(values.q)[1:], strict=True):
            old[:] = new


@kernel
def max_in_block(numbers: Table, s: int, first: int) -> tuple[np.float32, int]:
    """The greatest of up to BLOCK numbers of row s, from `first` on, and the bit mask of those that equal it."""
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
    """Find the maximum of a block anew."""
    best, mask = max_in_block(wide.q, s, block * BLOCK)
    wide.block_best[s, block] = best
    wide.block_ties[s, block] = count_bits(mask)


@kernel
def recompute_row(wide: WideTable, s: int) -> None:
    """Find the maximum of a row anew, among its blocks."""
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
    """Number of actions."""
    return wide.q.shape[1]


@value.register(WideTable)
def value_of_wide(wide: WideTable, s: int, a: int) -> np.float32:
    """q[s, a]."""
    return wide.q[np.uint64(s), np.uint64(a)]


@max_value.register(WideTable)
def max_value_of_wide(wide: WideTable, s: int) -> np.float32:
    """Read, not searched."""
    return wide.row_best[np.uint64(s)]


@num_best_actions.register(WideTable)
def num_best_actions_of_wide(wide: WideTable, s: int) -> int:
    """Read, not searched."""
    return np.int64(wide.row_ties[np.uint64(s)])


@assign.register(WideTable)
def assign_to_wide(wide: WideTable, s: int, a: int, new: np.float32) -> None:
    """Write, and keep the maxima."""
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
    """Draw one of the best by its number, and find it: block by block, then action by action."""
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
    return 0  # not reached while the row holds numbers
