"""Rows of sparse models: from arrays of probabilities and rewards, as other libraries store them, or picked by pair."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import ModelError
from clew.kernels.dynamics import Sparse
from clew.models.checks import real_array, without_rounding
from clew.models.labels import Labels
from clew.settings import shown


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


def rows_of_arrays(P: Any, R: Any, terminal: npt.ArrayLike | None) -> tuple[SparseRows, Labels]:  # noqa: N803
    """Convert transition probabilities and rewards to rows of a sparse model, with the labels of its actions.

    Args:
        P: transition probabilities, see `FiniteMDP.from_arrays`.
        R: rewards, see there.
        terminal: (num_states,) bool, or None for no terminal states.

    Raises:
        ModelError: names the argument, or the state and action, that is invalid.
    """
    actions = _keys_of(P) if isinstance(P, Mapping) and P else None
    P = _stacked("P", P, actions)  # noqa: N806
    entries = _entries_of_matrices(P) if _are_sparse(P) else _entries_of_dense(P)
    num_states, num_actions = entries.num_states, entries.num_actions
    is_terminal = np.zeros(num_states, np.bool_) if terminal is None else _check_terminal(terminal, num_states)
    rewards, available = _rewards_of_entries(_stacked("R", R, actions or tuple(range(num_actions))), entries)

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
    rows = SparseRows(
        offsets, entries.probabilities[kept], next_states, rewards[kept], is_terminal[next_states], num_actions
    )
    return rows, Labels(actions=actions if actions and isinstance(actions[0], str) else None)


def _keys_of(P: Mapping[Any, Any]) -> tuple[Any, ...]:  # noqa: N803
    """Return the actions of a dict in their order: texts as they stand there, or numbers from 0."""
    if any(isinstance(actions, Mapping) for actions in P.values()):
        raise ModelError(
            "P must have a matrix for each action; of Gymnasium's P[s][a] a model is made by "
            "FiniteMDP.from_function(len(P), len(P[0]), lambda s, a: P[s][a])"
        )
    if all(isinstance(key, str) for key in P):
        return tuple(P)
    if set(P) != set(range(len(P))):
        raise ModelError(f"the actions of P must be texts, or numbers from 0 to {len(P) - 1}, not {shown(list(P))}")
    return tuple(range(len(P)))


def _stacked(name: str, given: Any, actions: Sequence[Any] | None) -> Any:
    """Return what was given for each action as one array, or as a list if it is sparse; anything else as it is.

    Args:
        name: of the argument.
        given: a dict by action, or a 1-D array of objects, one for each action, as pymdptoolbox has them.
        actions: the keys of a dict in their order.

    Raises:
        ModelError: if a dict has other keys, entries have different shapes, or there is a data frame.
    """
    if hasattr(given, "columns"):
        raise ModelError(
            f"{name}: the labels of a data frame aren't read here; give its to_numpy(), or a table of transitions to "
            "FiniteMDP.from_table"
        )
    if isinstance(given, Mapping):
        if actions is None:
            raise ModelError(f"{name} must have an array or a sparse matrix for each action, not {shown(given)}")
        if given.keys() != set(actions):
            raise ModelError(f"{name} must have an entry for each action, {shown(actions)}, not for {shown([*given])}")
        each = [_stacked(name, given[action], None) for action in actions]
    elif isinstance(given, np.ndarray) and given.dtype == object and given.ndim == 1:
        each = [_stacked(name, one, None) for one in given]
    else:
        return given
    if _are_sparse(each):
        return each
    try:
        arrays = [real_array(one) for one in each]
        return np.stack(arrays, axis=min(1, arrays[0].ndim))
    except (IndexError, TypeError, ValueError) as error:
        raise ModelError(f"{name} must have an array or a sparse matrix for each action: {error}") from None


def _are_sparse(matrices: Any) -> bool:
    """Return whether an object is a list of sparse matrices."""
    return isinstance(matrices, Sequence) and len(matrices) > 0 and all(map(_is_sparse, matrices))


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


def _rewards_of_entries(R: Any, entries: _Entries) -> tuple[npt.NDArray[np.float64], Any]:  # noqa: N803
    """Return the reward of each entry, and whether its action is available: by -inf in a table of pairs it isn't."""
    num_states, num_actions = entries.num_states, entries.num_actions
    if _are_sparse(R):
        if len(R) != num_actions:
            raise ModelError(f"R must have a matrix for each of the {num_actions} actions, not {len(R)}")
        rewards = np.empty(entries.states.size)
        for action, matrix in enumerate(R):
            at = entries.actions == action
            rewards[at] = _picked(matrix, (num_states, num_states), entries.states[at], entries.next_states[at])
        return rewards, True
    if _is_sparse(R):
        rewards = _picked(R, (num_states, num_actions), entries.states, entries.actions)
        return rewards, ~np.isneginf(rewards)
    try:
        table = real_array(R).astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"R must be an array of numbers: {error}") from None
    shapes = [(num_states,), (num_states, num_actions), (num_states, num_actions, num_states)]
    if table.shape not in shapes:
        raise ModelError(f"R must have one of the shapes {', '.join(map(str, shapes))}, not {table.shape}")
    rewards = table[(entries.states, entries.actions, entries.next_states)[: table.ndim]]
    return rewards, ~np.isneginf(rewards) if table.ndim == 2 else True


def _picked(matrix: Any, shape: tuple[int, int], rows: Any, columns: Any) -> npt.NDArray[np.float64]:
    """Return entries of a sparse matrix of rewards; check that it is one, and its shape."""
    try:
        if tuple(matrix.shape) != shape:
            raise TypeError(f"a sparse matrix must have shape {shape} here, not {tuple(matrix.shape)}")
        return real_array(matrix.tocsr()[rows, columns]).astype(np.float64).ravel()
    except (AttributeError, TypeError) as error:
        raise ModelError(f"R must be an array of numbers, or sparse matrices of SciPy's: {error}") from None
