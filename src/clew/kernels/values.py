"""Action values: functions that read and write a table, whatever its form.

    row_length(q)                                       number of actions
    value(q, s, a)                                      q[s, a]
    assign(q, s, a, new)                                q[s, a] = new
    max_value(q, s)                                     max_a q[s, a]
    num_best_actions(q, s)                              number of actions with that value
    best_action(q, s, bits32)                           one of them, drawn uniformly
    is_available(q, s, a)                               whether action a is available in state s
    num_available(q, s)                                 number of available actions
    random_action(q, s, bits32)                         one of them, drawn uniformly
    best_or_random_action(q, s, explores, bits32)       random_action if explores is True, else best_action

Update rules use a table only through these functions. The forms are an array (num_states, num_actions) of float32,
`FourActionTable`, and `wide.WideTable`, which caches the maxima of long rows; `wide.as_values` picks the fastest. In
these all actions are available. A `MaskedTable` has one of these forms inside, and the value -inf where an action isn't
available, so that no maximum contains it. `bits32` are 32 random bits, as a uint64.
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
    """Return the (12, 16) table that breaks ties between four actions: column m lists the actions in bit mask m.

    Each action of the mask fills an equal share of the 12 rows, as 12 is divisible by 1, 2, 3 and 4. So a row can be
    drawn before the mask is known, and the lookup is a single load.
    """
    table = np.zeros((12, 16), np.uint8)
    for mask in range(1, 16):
        actions = [a for a in range(4) if mask >> a & 1]
        table[:, mask] = np.repeat(actions, 12 // len(actions))
    return table


TIE_BREAKS = _tie_break_table()
MAX_COUNT = 2**31 - 1  # of int32 counts, which stop there


@kernel
def pick_from_mask(mask: int, bits32: np.uint64) -> int:
    """Return one of the actions (0 to 3) whose bits are set in the mask, drawn uniformly, without a branch."""
    return np.int64(TIE_BREAKS[np.uint64(below(bits32, 12)), np.uint64(mask)])


@kernel
def best_action_by_scan(q: Table, s: int, bits32: np.uint64) -> int:
    """Return an action with the maximum of q[s]; two scans of the row, ties broken uniformly at random."""
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
    return 0  # only reached if the row holds NaN


@kernel
def increment(counts: npt.NDArray[np.int32], s: int, a: int) -> None:
    """Add 1 to counts[s, a], in place, up to MAX_COUNT.

    >>> import numpy as np
    >>> from clew.extending import increment
    >>> counts = np.zeros((1, 3), np.int32)
    >>> increment(counts, 0, 2)
    >>> counts.tolist()
    [[0, 0, 1]]
    """
    counts[np.uint64(s), np.uint64(a)] += counts[np.uint64(s), np.uint64(a)] < MAX_COUNT


@dispatch
def row_length(q: Values) -> int:
    """Return the number of actions.

    >>> import numpy as np
    >>> from clew.extending import row_length
    >>> print(row_length(np.zeros((10, 3), np.float32)))
    3
    """
    return q.shape[1]


@dispatch
def value(q: Values, s: int, a: int) -> np.float32:
    """Return q[s, a].

    >>> import numpy as np
    >>> from clew.extending import value
    >>> print(value(np.array([[0.0, 0.5, 0.25]], np.float32), 0, 1))
    0.5
    """
    return q[np.uint64(s), np.uint64(a)]  # unsigned: Numba then omits the check for negative indices


@dispatch
def assign(q: Values, s: int, a: int, new: np.float32) -> None:
    """Set q[s, a] = new.

    >>> import numpy as np
    >>> from clew.extending import assign
    >>> q = np.zeros((1, 3), np.float32)
    >>> assign(q, 0, 1, np.float32(0.5))
    >>> q.tolist()
    [[0.0, 0.5, 0.0]]
    """
    q[np.uint64(s), np.uint64(a)] = new


@dispatch
def max_value(q: Values, s: int) -> np.float32:
    """Return max_a q[s, a].

    >>> import numpy as np
    >>> from clew.extending import max_value
    >>> print(max_value(np.array([[0.0, 0.5, 0.25]], np.float32), 0))
    0.5
    """
    best = q[s, 0]
    for a in range(1, q.shape[1]):
        best = q[s, a] if q[s, a] > best else best
    return best


@dispatch
def num_best_actions(q: Values, s: int) -> int:
    """Return the number of actions whose value equals max_a q[s, a].

    >>> import numpy as np
    >>> from clew.extending import num_best_actions
    >>> print(num_best_actions(np.array([[0.0, 0.5, 0.5]], np.float32), 0))
    2
    """
    best = max_value(q, s)
    count = 0
    for a in range(row_length(q)):
        count += np.int64(value(q, s, a) == best)
    return count


@dispatch
def best_action(q: Values, s: int, bits32: np.uint64) -> int:
    """Return an action with the maximum of q[s]; ties are broken uniformly at random by 32 random bits.

    >>> import numpy as np
    >>> from clew.extending import best_action
    >>> q = np.array([[0.0, 0.5, 0.5]], np.float32)
    >>> print(best_action(q, 0, np.uint64(0)), best_action(q, 0, np.uint64(2**32 - 1)))
    1 2
    """
    return best_action_by_scan(q, s, bits32)


@dispatch
def is_available(q: Values, s: int, a: int) -> bool:
    """Return whether action a is available in state s; by default all are, a compile-time constant.

    >>> import numpy as np
    >>> from clew.extending import is_available
    >>> from clew.kernels.wide import as_values
    >>> q = as_values(np.array([[0.5, -np.inf, 0.0]], np.float32), masked=True)
    >>> [bool(is_available(q, 0, a)) for a in range(3)]
    [True, False, True]
    """
    return True


@dispatch
def num_available(q: Values, s: int) -> int:
    """Return the number of actions that are available in state s; by default all of them.

    >>> import numpy as np
    >>> from clew.extending import num_available
    >>> from clew.kernels.wide import as_values
    >>> q = as_values(np.array([[0.5, -np.inf, 0.0]], np.float32), masked=True)
    >>> print(num_available(q, 0))
    2
    """
    return row_length(q)


@dispatch
def random_action(q: Values, s: int, bits32: np.uint64) -> int:
    """Return one of the actions that are available in state s, drawn uniformly by 32 random bits.

    >>> import numpy as np
    >>> from clew.extending import random_action
    >>> q = np.array([[0.0, 0.5, 0.5]], np.float32)
    >>> print(random_action(q, 0, np.uint64(0)), random_action(q, 0, np.uint64(2**31)))
    0 1
    """
    return below(bits32, row_length(q))


@kernel
def count_available(q: Values, s: int) -> int:
    """Return the number of actions that are available in state s, for forms in which some aren't."""
    count = 0
    for a in range(row_length(q)):
        count += np.int64(is_available(q, s, a))
    return count


@kernel
def pick_available(q: Values, s: int, bits32: np.uint64) -> int:
    """Return the k-th of the n available actions of state s, for k drawn from 0 to n - 1."""
    left_to_skip = below(bits32, count_available(q, s))
    for a in range(row_length(q)):
        if is_available(q, s, a):
            if left_to_skip == 0:
                return a
            left_to_skip -= 1
    return 0  # only reached if no action is available


@dispatch
def best_or_random_action(q: Values, s: int, explores: bool, bits32: np.uint64) -> int:
    """Return any available action, drawn uniformly, if `explores`; else an action with the maximum of q[s]."""
    return random_action(q, s, bits32) if explores else best_action(q, s, bits32)


# Four actions ---------------------------------------------------------------------------------------------------------


class FourActionTable(NamedTuple):
    """Table with four actions per state, flattened row by row: the moves on a grid, with unrolled loops."""

    flat: npt.NDArray[np.float32]  # (4 * num_states,)


@row_length.register(FourActionTable)
def row_length_of_four(q: FourActionTable) -> int:
    """Return 4, the number of actions, as a compile-time constant."""
    return 4


@value.register(FourActionTable)
def value_of_four(q: FourActionTable, s: int, a: int) -> np.float32:
    """Return q[s, a]."""
    return q.flat[np.uint64(4 * s + a)]


@assign.register(FourActionTable)
def assign_to_four(q: FourActionTable, s: int, a: int, new: np.float32) -> None:
    """Set q[s, a] = new."""
    q.flat[np.uint64(4 * s + a)] = new


@max_value.register(FourActionTable)
def max_value_of_four(q: FourActionTable, s: int) -> np.float32:
    """Return the maximum of the four values of state s, by vector instructions."""
    return max_of_four(q.flat, 4 * s)[0]


@best_action.register(FourActionTable)
def best_action_of_four(q: FourActionTable, s: int, bits32: np.uint64) -> int:
    """Return a best action of state s, ties broken by `bits32`, with the lowest latency, for a loop that waits."""
    return pick_from_mask(argmax_mask_of_four(q.flat, 4 * s), bits32)


@best_or_random_action.register(FourActionTable)
def best_or_random_action_of_four(q: FourActionTable, s: int, explores: bool, bits32: np.uint64) -> int:
    """Return a random action if `explores`, else a best one, without a branch and with the fewest instructions.

    For interleaved episodes, where other episodes use the time that the result takes.
    """
    mask = max_of_four(q.flat, 4 * s)[1]
    return pick_from_mask(15 if explores else mask, bits32)


# Unavailable actions --------------------------------------------------------------------------------------------------


class MaskedTable(NamedTuple):
    """Table in which the actions that aren't available in a state have the value -inf there."""

    table: Values  # in one of the other forms


@row_length.register(MaskedTable)
def row_length_of_masked(q: MaskedTable) -> int:
    """Return the number of actions, available or not."""
    return row_length(q.table)


@value.register(MaskedTable)
def value_of_masked(q: MaskedTable, s: int, a: int) -> np.float32:
    """Return q[s, a]; -inf if the action isn't available."""
    return value(q.table, s, a)


@assign.register(MaskedTable)
def assign_to_masked(q: MaskedTable, s: int, a: int, new: np.float32) -> None:
    """Set q[s, a] = new; -inf makes the action unavailable."""
    assign(q.table, s, a, new)


@max_value.register(MaskedTable)
def max_value_of_masked(q: MaskedTable, s: int) -> np.float32:
    """Return max_a q[s, a], to which unavailable actions add nothing."""
    return max_value(q.table, s)


@num_best_actions.register(MaskedTable)
def num_best_actions_of_masked(q: MaskedTable, s: int) -> int:
    """Return the number of actions whose value equals max_a q[s, a]."""
    return num_best_actions(q.table, s)


@best_action.register(MaskedTable)
def best_action_of_masked(q: MaskedTable, s: int, bits32: np.uint64) -> int:
    """Return an action with the maximum of q[s]; ties are broken uniformly at random by 32 random bits."""
    return best_action(q.table, s, bits32)


@is_available.register(MaskedTable)
def is_available_in_masked(q: MaskedTable, s: int, a: int) -> bool:
    """Return whether q[s, a] isn't -inf."""
    return value(q.table, s, a) != -np.inf


num_available.register(MaskedTable)(count_available)
random_action.register(MaskedTable)(pick_available)
