"""Merging what several learners made of one table.

Each began with the same values, q_0, and moved some of them n times by a step size alpha, to q_i. Whatever its targets
were, a move keeps (1 - alpha) of what was there, so a learner that had begun with another q would have come to

    q_i + (1 - alpha)^n (q - q_0)

This is what merging computes, learner after learner: the result is that of one learner who took the steps of all of
them, one learner's after the other's, but for what targets would have gained from the steps before. No step is lost,
as it would be where the last one wins; none counts less, as in a mean; and noise isn't preferred, as by a maximum.

With alpha 1 nothing is left of what was there, and q_i takes its place. Where targets leave nothing to chance (certain
moves, and a rule that doesn't mind what is tried) moves needn't be counted then: a value that came out as it was says
nothing new, and what others made of it stays. (Where chance has a say, such a value says that luck was as before, and
has to take its place too, or luck would be preferred.)

Where the step size is one over the number of moves, values are averages, and are merged as averages are:

    (N q + (N_0 + n) q_i - N_0 q_0) / (N + n)

with N moves behind q, and N_0 behind q_0.
"""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.values import MAX_COUNT, Table

Counts = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int32]


@kernel
def power(x: float, n: int) -> float:
    """x^n by multiplication alone, which rounds the same on every machine."""
    result = 1.0
    while n > 0:
        if n & 1:
            result *= x
        x *= x
        n >>= 1
    return result


@kernel
def mark_counted(counts: Counts, before: Counts, marks: npt.NDArray[np.bool_]) -> None:
    """Mark the rows in which something was counted.

    Args:
        counts: (num_states, num_actions).
        before: what they were before; empty for zeros.
        marks: (num_states,), set to True in place.
    """
    for s in range(counts.shape[0]):
        differs = False
        for a in range(counts.shape[1]):
            differs |= counts[s, a] != (before[s, a] if before.size else 0)
        marks[s] |= differs


@kernel
def mark_changed(table: Table, base: Table, marks: npt.NDArray[np.bool_]) -> None:
    """Mark the rows in which a value isn't what it was.

    Args:
        table: (num_states, num_actions).
        base: likewise, what the values were.
        marks: (num_states,), set to True in place.
    """
    for s in range(table.shape[0]):
        differs = False
        for a in range(table.shape[1]):
            differs |= table[s, a] != base[s, a]
        marks[s] |= differs


@kernel
def merge_changes(table: Table, base: Table, rows: Rows, values: Table) -> None:
    """Take in the rows that a learner changed with step size 1.

    Args:
        table: (num_states, num_actions), changed in place.
        base: likewise, with what the learner began; may be read-only.
        rows: (num_rows,), the states whose values were changed.
        values: (num_rows, num_actions), what they came to.
    """
    for i in range(rows.size):
        s = rows[i]
        for a in range(table.shape[1]):
            if values[i, a] != base[s, a]:
                table[s, a] = values[i, a]


@kernel
def merge_updates(table: Table, base: Table, rows: Rows, values: Table, num_updates: Counts, alpha: float) -> None:
    """Take in the rows that a learner moved with a constant step size.

    Args:
        table: (num_states, num_actions), changed in place.
        base: likewise, with what the learner began; may be read-only.
        rows: (num_rows,), the states whose values were moved.
        values: (num_rows, num_actions), what they came to.
        moves: likewise, how often each was moved.
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


@kernel
def merge_averages(
    table: Table, counts: Counts, base: Table, base_counts: Counts, rows: Rows, values: Table, num_updates: Counts
) -> None:
    """Take in the rows that a learner moved by one over the number of moves.

    Args:
        table: (num_states, num_actions), changed in place.
        counts: likewise, moves behind each value; raised in place.
        base: likewise, with what the learner began; may be read-only.
        base_counts: moves behind those.
        rows: (num_rows,), the states whose values were moved.
        values: (num_rows, num_actions), what they came to.
        moves: likewise, how often each was moved since.
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
