"""Merging: combine the tables that several learners made from one table.

Each learner began with the same values q_0, and updated some of them n times with step size alpha, to q_i. Whatever its
targets were, an update retains (1 - alpha) of the value before, so from another value q the same targets would have
given

    q_i + (1 - alpha)^n (q - q_0)

Merging computes this, learner after learner. The result is that of one learner that makes all the updates in this
order, except that later targets don't use the values that earlier learners found. No update is lost, as it is if the
last learner wins, or counts less, as in a mean; and noise isn't preferred, as by a maximum.

With alpha = 1 nothing of the value before is retained, and q_i replaces it. If moreover targets are deterministic (a
deterministic world and an off-policy rule), updates don't have to be counted: a value that equals q_0 brings no news,
and the changes of other learners stay. (In a stochastic world such a value is a new sample that happened to be equal,
and has to replace the others too; else noise would be preferred.)

With sample-average step sizes values are averages, and are merged as averages:

    (N q + (N_0 + n) q_i - N_0 q_0) / (N + n)

where N is the number of updates of q, and N_0 of q_0.

An action that a learner found unavailable, by the action mask of an environment, has the value -inf, and no updates.
"""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.values import MAX_COUNT, Table

Counts = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int32]


@kernel
def power(x: float, n: int) -> float:
    """Return x^n for n >= 0, by multiplications only, which round in the same way on every machine."""
    result = 1.0
    while n > 0:
        if n & 1:
            result *= x
        x *= x
        n >>= 1
    return result


@kernel
def mark_counted(counts: Counts, before: Counts, marks: npt.NDArray[np.bool_]) -> None:
    """Mark the rows whose counts have changed.

    Args:
        counts: (num_states, num_actions) int32.
        before: (num_states, num_actions) int32, earlier counts; empty for zeros.
        marks: (num_states,) bool, set to True in place for rows that differ.
    """
    for s in range(counts.shape[0]):
        differs = False
        for a in range(counts.shape[1]):
            differs |= counts[s, a] != (before[s, a] if before.size else 0)
        marks[s] |= differs


@kernel
def mark_changed(table: Table, base: Table, marks: npt.NDArray[np.bool_]) -> None:
    """Mark the rows whose values have changed.

    Args:
        table: (num_states, num_actions) float32.
        base: (num_states, num_actions) float32, earlier values.
        marks: (num_states,) bool, set to True in place for rows that differ.
    """
    for s in range(table.shape[0]):
        differs = False
        for a in range(table.shape[1]):
            differs |= table[s, a] != base[s, a]
        marks[s] |= differs


@kernel
def merge_changes(table: Table, base: Table, rows: Rows, values: Table) -> None:
    """Merge the rows that a learner changed with step size 1: values that differ from the base replace the table's.

    Args:
        table: (num_states, num_actions) float32, changed in place.
        base: (num_states, num_actions) float32, values that the learner began with; only read.
        rows: (num_rows,) int32, states whose values the learner changed.
        values: (num_rows, num_actions) float32, values of these states after learning.
    """
    for i in range(rows.size):
        s = rows[i]
        for a in range(table.shape[1]):
            if values[i, a] != base[s, a]:
                table[s, a] = values[i, a]


@kernel
def merge_updates(table: Table, base: Table, rows: Rows, values: Table, num_updates: Counts, alpha: float) -> None:
    """Merge the values that a learner updated with a constant step size; values without updates stay as they are.

        table[s, a] = values + (1 - alpha)^num_updates * (table[s, a] - base[s, a])

    Args:
        table: (num_states, num_actions) float32, changed in place.
        base: (num_states, num_actions) float32, values that the learner began with; only read.
        rows: (num_rows,) int32, states whose values the learner updated.
        values: (num_rows, num_actions) float32, values of these states after learning.
        num_updates: (num_rows, num_actions) int32, number of updates of each value.
        alpha: step size, in (0, 1].
    """
    retention = 1.0 - np.float64(alpha)
    for i in range(rows.size):
        s = rows[i]
        for a in range(table.shape[1]):
            n = num_updates[i, a]
            if n > 0:
                others = np.float64(table[s, a]) - np.float64(base[s, a])
                retained = power(retention, n) * others if others != 0.0 else 0.0
                table[s, a] = np.float32(np.float64(values[i, a]) + retained)
            elif values[i, a] == -np.inf:  # not available
                table[s, a] = -np.inf


@kernel
def merge_averages(
    table: Table, counts: Counts, base: Table, base_counts: Counts, rows: Rows, values: Table, num_updates: Counts
) -> None:
    """Merge the rows that a learner updated with sample-average step sizes, weighted by the numbers of updates.

    Args:
        table: (num_states, num_actions) float32, changed in place.
        counts: (num_states, num_actions) int32, number of updates of each value of the table; raised in place.
        base: (num_states, num_actions) float32, values that the learner began with; only read.
        base_counts: (num_states, num_actions) int32, number of updates of each value of the base.
        rows: (num_rows,) int32, states whose values the learner updated.
        values: (num_rows, num_actions) float32, values of these states after learning.
        num_updates: (num_rows, num_actions) int32, number of updates of each value since the base.
    """
    for i in range(rows.size):
        s = rows[i]
        for a in range(table.shape[1]):
            n, base_count, count = np.int64(num_updates[i, a]), np.int64(base_counts[s, a]), np.int64(counts[s, a])
            if n > 0:
                if count == base_count:
                    table[s, a] = values[i, a]
                else:
                    total = count * np.float64(table[s, a]) - base_count * np.float64(base[s, a])
                    table[s, a] = np.float32((total + (base_count + n) * np.float64(values[i, a])) / (count + n))
                counts[s, a] = np.int32(min(count + n, MAX_COUNT))
            elif values[i, a] == -np.inf:  # not available
                table[s, a] = -np.inf
