"""Conversion of a function of arrays of states and actions to rows of a sparse model."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import ModelError
from clew.kernels.dynamics import Sparse
from clew.models.checks import MAX_STATES, real_array, without_rounding
from clew.settings import check_callable, check_count, check_memory, shown

CHUNK = 1 << 17  # pairs of a state and an action in one call: few enough that temporary arrays are small
RETURNS = (
    "it must return (next_states, probabilities, rewards) or (next_states, probabilities, rewards, terminated), the "
    "first two of shape (n, k) for n pairs with up to k outcomes"
)


class _Piece(NamedTuple):
    """The outcomes of consecutive pairs; those of probability 0 are left out."""

    counts: npt.NDArray[np.int64]  # (num_pairs,)
    probabilities: npt.NDArray[np.float64]
    next_states: npt.NDArray[np.int32]
    rewards: npt.NDArray[np.float64]
    terminated: npt.NDArray[np.bool_] | None


def rows_of_vectorized(num_states: Any, num_actions: Any, function: Callable[..., Any]) -> Sparse:
    """Call a function of arrays for all states and actions, and return its outcomes as rows.

    Args:
        num_states: number of states.
        num_actions: number of actions.
        function: see `FiniteMDP.from_vectorized`.

    Raises:
        ModelError: if the function returned arrays of other shapes or types, or a next state that there isn't.
        SettingError: if a number of states or actions is out of range.
    """
    check_count("num_states", num_states, 1, MAX_STATES)
    check_count("num_actions", num_actions, 1, MAX_STATES)
    check_callable("function", function, "an array of states and an array of actions")
    num_states, num_actions = int(num_states), int(num_actions)
    num_pairs = num_states * num_actions
    check_memory(29 * num_pairs, f"a model of num_states {num_states:,} and num_actions {num_actions:,}")
    pieces = []
    for first in range(0, num_pairs, CHUNK):
        pairs = np.arange(first, min(first + CHUNK, num_pairs))
        states, actions = np.divmod(pairs, num_actions)
        try:
            returned = function(states, actions)
        except Exception as error:
            error.add_note("raised by the function that FiniteMDP.from_vectorized calls")
            raise
        pieces.append(_checked_piece(returned, first, pairs.size, num_states, num_actions))
    with_ends = [piece.terminated is not None for piece in pieces]
    if any(with_ends) and not all(with_ends):
        raise ModelError("the function must return terminated for all pairs or for none")
    return _join(pieces, num_states, num_actions)


def _join(pieces: list[_Piece], num_states: int, num_actions: int) -> Sparse:
    """Return the rows of all pieces; each column is freed in the pieces when it has been joined."""
    columns: list[list[Any]] = [list(column) for column in zip(*pieces, strict=True)]
    pieces.clear()
    joined: list[Any] = []
    for column in columns:
        joined.append(None if column[0] is None else np.concatenate(column))
        column.clear()
    counts, probabilities, next_states, rewards, terminated = joined
    offsets = np.zeros(num_states * num_actions + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    if terminated is None:
        terminated = (np.diff(offsets[::num_actions]) == 0)[next_states]  # a state without outcomes is terminal
    return Sparse(offsets, probabilities, next_states, rewards, terminated, num_actions)


def _checked_piece(returned: Any, first: int, size: int, num_states: int, num_actions: int) -> _Piece:
    """Check what the function returned for `size` pairs from pair `first` on, and return its outcomes.

    Sums of probabilities, and whether rewards are finite, are checked later, with the whole model.
    """
    if not isinstance(returned, tuple | list) or len(returned) not in (3, 4):
        what = f"{len(returned)} values" if isinstance(returned, tuple | list) else shown(returned)
        raise ModelError(f"the function returned {what}; {RETURNS}")
    names = ("next_states", "probabilities", "rewards", "terminated")
    arrays = {name: _real(name, array) for name, array in zip(names, returned, strict=False)}
    if arrays["next_states"].shape == (size,):  # one outcome of each pair
        arrays = {name: array[:, None] if array.shape == (size,) else array for name, array in arrays.items()}
    shape = arrays["next_states"].shape
    if arrays["rewards"].shape == (size,):
        arrays["rewards"] = arrays["rewards"][:, None]
    for name, array in arrays.items():
        fits = array.shape == shape or (name == "rewards" and array.shape == (size, 1))
        if len(shape) != 2 or shape[0] != size or not fits:
            raise ModelError(f"the function returned {name} of shape {array.shape} for {size} pairs; {RETURNS}")
    if arrays["next_states"].dtype.kind not in "iu":
        raise ModelError(f"the function must return whole numbers as next_states, not {arrays['next_states'].dtype}")
    if "terminated" in arrays and arrays["terminated"].dtype.kind != "b":
        raise ModelError(f"the function must return bools as terminated, not {arrays['terminated'].dtype}")
    probabilities = without_rounding(arrays["probabilities"].astype(np.float64, copy=False))
    kept = probabilities != 0.0
    next_states = arrays["next_states"][kept]
    if next_states.size and (next_states.min() < 0 or next_states.max() >= num_states):
        outside = kept & ((arrays["next_states"] < 0) | (arrays["next_states"] >= num_states))
        row, k = np.argwhere(outside)[0].tolist()
        state, action = divmod(first + row, num_actions)
        raise ModelError(
            f"state {state}, action {action}: next state {arrays['next_states'][row, k]} is outside 0..{num_states - 1}"
        )
    return _Piece(
        kept.sum(axis=1),
        probabilities[kept],
        next_states.astype(np.int32),
        np.broadcast_to(arrays["rewards"], shape)[kept].astype(np.float64, copy=False),
        arrays["terminated"][kept] if "terminated" in arrays else None,
    )


def _real(name: str, values: Any) -> npt.NDArray[Any]:
    """Return what the function returned as an array of real numbers, or raise ModelError."""
    try:
        array = real_array(values)
        return array if array.dtype.kind != "O" else array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"the function must return an array of numbers as {name}: {error}") from None
