"""Rows of sparse models: from arrays of probabilities and rewards, as other libraries store them, or picked by pair."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import ModelError
from clew.kernels.dynamics import Sparse
from clew.models.checks import real_array, without_rounding


class SparseRows(NamedTuple):
    """The arguments of `FiniteMDP.sparse` except `starts`, in its order."""

    offsets: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    next_states: npt.NDArray[np.int64]
    rewards: npt.NDArray[np.float64]
    terminated: npt.NDArray[np.bool_]
    num_actions: int


def pick_rows(
    offsets: npt.NDArray[np.int64], pairs: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return (new offsets, rows to pick), for a model with the rows of some pairs of another one.

    Args:
        offsets: (num_pairs + 1,), of the other model; see `FiniteMDP.sparse`.
        pairs: (num_picked,), pair of the other model for each pair of the new one.
        lengths: (num_picked,), number of rows of each; 0 for none, else all that the pair has.
    """
    picked = np.concatenate([[0], np.cumsum(lengths)])
    return picked, np.repeat(offsets[pairs] - picked[:-1], lengths) + np.arange(picked[-1])


def select_rows(model: Sparse, offsets: npt.NDArray[np.int64], rows: npt.NDArray[Any]) -> Sparse:
    """Return a model with given offsets and some rows of another one: numbers of rows, or a mask."""
    columns: Any = (column[rows] for column in model[1:-1])
    return Sparse._make([offsets, *columns, model.num_actions])


class _Entries(NamedTuple):
    """The nonzero transition probabilities, sorted by state, then action."""

    states: npt.NDArray[np.int64]
    actions: npt.NDArray[np.int64]
    next_states: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    num_states: int
    num_actions: int


def rows_of_arrays(P: Any, R: npt.ArrayLike, terminal: npt.ArrayLike | None) -> SparseRows:  # noqa: N803
    """Convert transition probabilities and rewards to rows of a sparse model.

    Args:
        P: transition probabilities, see `FiniteMDP.from_arrays`.
        R: rewards, see there.
        terminal: (num_states,) bool, or None for no terminal states.

    Raises:
        ModelError: names the argument, or the state and action, that is invalid.
    """
    is_sparse = isinstance(P, Sequence) and len(P) > 0 and all(map(_is_sparse, P))
    entries = _entries_of_matrices(P) if is_sparse else _entries_of_dense(P)
    num_states, num_actions = entries.num_states, entries.num_actions
    is_terminal = np.zeros(num_states, np.bool_) if terminal is None else _check_terminal(terminal, num_states)
    rewards, available = _rewards_of_entries(R, entries)

    kept = ~is_terminal[entries.states] & available  # the rows of terminal states are ignored
    pairs = entries.states[kept] * num_actions + entries.actions[kept]
    next_states = entries.next_states[kept]
    counts = np.bincount(pairs, minlength=num_states * num_actions)
    empty = np.flatnonzero(~is_terminal & (counts.reshape(num_states, num_actions) == 0).all(axis=1))
    if empty.size:
        raise ModelError(
            f"state {empty[0]}: no action is available, as probabilities sum to 0, not 1, or rewards are -inf; "
            "if the state is terminal, set terminal[state] to True"
        )
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return SparseRows(
        offsets, entries.probabilities[kept], next_states, rewards[kept], is_terminal[next_states], num_actions
    )


def _is_sparse(matrix: Any) -> bool:
    """Return whether an object is a sparse matrix: SciPy's, or with the attributes of compressed sparse rows."""
    return hasattr(matrix, "tocsr") or all(hasattr(matrix, name) for name in ("indptr", "indices", "data"))


def _entries_of_dense(P: npt.ArrayLike) -> _Entries:  # noqa: N803
    """Return the nonzero entries of an array (num_states, num_actions, num_states)."""
    try:
        table = real_array(P).astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"P must be an array, or a list of sparse matrices, one for each action: {error}") from None
    if table.ndim != 3 or table.size == 0 or table.shape[0] != table.shape[2]:
        raise ModelError(
            f"P must have shape (num_states, num_actions, num_states), not {table.shape}; "
            "for shape (num_actions, num_states, num_states) use P.transpose(1, 0, 2)"
        )
    table = without_rounding(table)
    states, actions, next_states = np.nonzero(table)
    return _Entries(states, actions, next_states, table[states, actions, next_states], *table.shape[:2])


def _entries_of_matrices(matrices: Sequence[Any]) -> _Entries:
    """Return the nonzero entries of sparse matrices, (num_states, num_states), one per action."""
    rows = [matrix.tocsr() if hasattr(matrix, "tocsr") else matrix for matrix in matrices]
    num_states = len(rows[0].indptr) - 1
    columns = []
    for action, matrix in enumerate(rows):
        indptr, indices, data = (np.asarray(column) for column in (matrix.indptr, matrix.indices, matrix.data))
        shape = getattr(matrix, "shape", (num_states, num_states))
        lengths = np.diff(indptr)
        rises = indptr.ndim == 1 and indptr.size > 1 and indptr[0] == 0 and bool((lengths >= 0).all())
        if not rises or not indptr[-1] == indices.size == data.size:
            raise ModelError(f"action {action}: indptr must rise from 0 to the number of entries of indices and data")
        if tuple(shape) != (num_states, num_states) or lengths.size != num_states:
            raise ModelError(
                f"action {action}: its matrix must have shape {(num_states, num_states)}, like that of action 0, "
                f"not {tuple(shape)}"
            )
        states = np.repeat(np.arange(num_states), lengths)
        try:
            data = without_rounding(real_array(data))
        except TypeError as error:
            raise ModelError(f"action {action}: the probabilities must be numbers: {error}") from None
        kept = data != 0.0
        columns.append((states[kept], np.full(int(kept.sum()), action), indices[kept], data[kept]))
    states, actions, next_states, probabilities = (np.concatenate(column) for column in zip(*columns, strict=True))
    order = np.argsort(states * len(rows) + actions, kind="stable")
    outside = np.flatnonzero((next_states < 0) | (next_states >= num_states))
    if outside.size:
        first = outside[0]
        raise ModelError(f"state {states[first]}, action {actions[first]}: next state is outside 0..{num_states - 1}")
    return _Entries(
        states[order],
        actions[order],
        next_states[order].astype(np.int64),
        probabilities[order].astype(np.float64),
        num_states,
        len(rows),
    )


def _check_terminal(terminal: npt.ArrayLike, num_states: int) -> npt.NDArray[np.bool_]:
    try:
        flags = np.asarray(terminal)
    except ValueError as error:
        raise ModelError(f"terminal must be {num_states} bools, one for each state: {error}") from None
    if flags.shape != (num_states,) or flags.dtype != np.bool_:
        raise ModelError(
            f"terminal must be {num_states} bools, one for each state, not {flags.dtype} of shape {flags.shape}"
        )
    return flags


def _rewards_of_entries(R: npt.ArrayLike, entries: _Entries) -> tuple[npt.NDArray[np.float64], Any]:  # noqa: N803
    """Return the reward of each entry, and whether its action is available: by -inf in a table of pairs it isn't."""
    try:
        table = real_array(R).astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"R must be an array of numbers: {error}") from None
    num_states, num_actions = entries.num_states, entries.num_actions
    shapes = [(num_states,), (num_states, num_actions), (num_states, num_actions, num_states)]
    if table.shape not in shapes:
        raise ModelError(f"R must have one of the shapes {', '.join(map(str, shapes))}, not {table.shape}")
    rewards: npt.NDArray[np.float64] = table[(entries.states, entries.actions, entries.next_states)[: table.ndim]]
    return rewards, ~np.isneginf(rewards) if table.ndim == 2 else True
