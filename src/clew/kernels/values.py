"""Action values: a table, or one with maintained maxima where a row is wide.

    row_length(q)                   number of actions
    value(q, s, a)                  q[s, a]
    assign(q, s, a, new)            q[s, a] = new
    greatest(q, s)                  max_a q[s, a]
    num_best(q, s)                  how many actions have it
    best_action(q, s, half)         one of them; ties are broken uniformly at random
    best_or_any(q, s, explores, half)   the same, or, when exploring, any action

These are all that a learning rule may ask. For an array they are written here; `wide` has them for rows that are too
long to be searched at every step.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch, kernel
from clew.kernels.sampling import below
from clew.kernels.vectors import argmax_mask_of_four, max_of_four

Values = Any
Table = npt.NDArray[np.float32]


def _tie_break_table() -> npt.NDArray[np.uint8]:
    """Column m lists the actions of the bit mask m, each equally often; 12 rows divide by 1, 2, 3 and 4.

    The row is drawn while the mask still waits for the values, so that it takes but one addition to look an action up.
    """
    table = np.zeros((12, 16), np.uint8)
    for mask in range(1, 16):
        actions = [a for a in range(4) if mask >> a & 1]
        table[:, mask] = np.repeat(actions, 12 // len(actions))
    return table


TIE_BREAKS = _tie_break_table()
MAX_COUNT = 2**31 - 1


@kernel
def pick_from_mask(mask: int, bits32: np.uint64) -> int:
    """One of the actions of a bit mask, without a branch that can be mispredicted."""
    return np.int64(TIE_BREAKS[np.uint64(below(bits32, 12)), np.uint64(mask)])


@kernel
def best_action_by_scan(q: Table, s: int, bits32: np.uint64) -> int:
    """Choose uniformly among the best of any number of actions: count them, draw one, find it."""
    num_actions = q.shape[1]
    best = q[s, 0]
    num_ties = 1
    for a in range(1, num_actions):
        if q[s, a] > best:
            best = q[s, a]
            num_ties = 1
        elif q[s, a] == best:
            num_ties += 1
    left_to_skip = below(bits32, num_ties)
    for a in range(num_actions):
        if q[s, a] == best:
            if left_to_skip == 0:
                return a
            left_to_skip -= 1
    return 0  # not reached while the row holds numbers


@kernel
def increment(counts: npt.NDArray[np.int32], s: int, a: int) -> None:
    """Count one more, as far as 32 bits go."""
    counts[np.uint64(s), np.uint64(a)] += counts[np.uint64(s), np.uint64(a)] < MAX_COUNT


@dispatch
def row_length(q: Values) -> int:
    """Number of actions."""
    return q.shape[1]


@dispatch
def value(q: Values, s: int, a: int) -> np.float32:
    """q[s, a]."""
    return q[np.uint64(s), np.uint64(a)]  # unsigned: no test for an index that counts from the end


@dispatch
def assign(q: Values, s: int, a: int, new: np.float32) -> None:
    """q[s, a] = new."""
    q[np.uint64(s), np.uint64(a)] = new


@dispatch
def max_value(q: Values, s: int) -> np.float32:
    """max_a q[s, a]."""
    best = q[s, 0]
    for a in range(1, q.shape[1]):
        best = q[s, a] if q[s, a] > best else best
    return best


@dispatch
def num_best_actions(q: Values, s: int) -> int:
    """How many actions have the greatest value in state s."""
    best = max_value(q, s)
    count = 0
    for a in range(row_length(q)):
        count += np.int64(value(q, s, a) == best)
    return count


@dispatch
def best_action(q: Values, s: int, bits32: np.uint64) -> int:
    """A best action in state s; ties are broken uniformly at random by 32 random bits."""
    return best_action_by_scan(q, s, bits32)


@dispatch
def best_or_random_action(q: Values, s: int, explores: bool, bits32: np.uint64) -> int:
    """A best action in state s, or, when exploring, any."""
    return below(bits32, row_length(q)) if explores else best_action(q, s, bits32)


# Four actions ---------------------------------------------------------------------------------------------------------


class FourActionTable(NamedTuple):
    """A table of four actions per state, row by row: the moves on a grid, unrolled."""

    flat: npt.NDArray[np.float32]  # (4 * num_states,)


@row_length.register(FourActionTable)
def row_length_of_four(q: FourActionTable) -> int:
    """Known when it is compiled."""
    return 4


@value.register(FourActionTable)
def value_of_four(q: FourActionTable, s: int, a: int) -> np.float32:
    """q[s, a]."""
    return q.flat[np.uint64(4 * s + a)]


@assign.register(FourActionTable)
def assign_to_four(q: FourActionTable, s: int, a: int, new: np.float32) -> None:
    """q[s, a] = new."""
    q.flat[np.uint64(4 * s + a)] = new


@max_value.register(FourActionTable)
def max_value_of_four(q: FourActionTable, s: int) -> np.float32:
    """All four at once."""
    return max_of_four(q.flat, 4 * s)[0]


@best_action.register(FourActionTable)
def best_action_of_four(q: FourActionTable, s: int, bits32: np.uint64) -> int:
    """As soon as can be: who asks waits for it."""
    return pick_from_mask(argmax_mask_of_four(q.flat, 4 * s), bits32)


@best_or_random_action.register(FourActionTable)
def best_or_random_action_of_four(q: FourActionTable, s: int, explores: bool, bits32: np.uint64) -> int:
    """With the fewest instructions, and no branch: of many who ask, others go on meanwhile."""
    mask = max_of_four(q.flat, 4 * s)[1]
    return pick_from_mask(15 if explores else mask, bits32)
