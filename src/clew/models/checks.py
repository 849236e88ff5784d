"""Validation of the arrays of models."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import ModelError, SettingError
from clew.kernels.dynamics import ALL_WALLS, BLOCKED, GOAL, HAZARD, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP, Sparse
from clew.models.labels import UNLABELLED, Labels
from clew.settings import as_numbers, shown

MAX_STATES = 2**31 - 1  # states are stored as int32
MAX_START_PARTS = 10_000  # how often a start state may be listed, to be more likely than others

Starts = npt.ArrayLike | Mapping[Any, float]  # start states; or the probability of each


def real_array(values: Any) -> npt.NDArray[Any]:
    """Return values as an array that holds no text, dates or complex numbers, which NumPy would convert to numbers.

    Raises:
        TypeError: if it holds some; says what.
        ValueError: if rows have different lengths.
    """
    array = np.asarray(values)
    kind = array.dtype.kind
    if kind in "US" or (kind == "O" and any(isinstance(each, str | bytes) for each in array.flat)):
        raise TypeError("it holds text")
    if kind not in "biufO":
        raise TypeError(f"it is of type {array.dtype}")
    return array


def read_only_copy(array: npt.ArrayLike, dtype: Any, name: str) -> npt.NDArray[Any]:
    """Return a contiguous read-only copy of an array, with a given dtype.

    Read-only, a model can't change while it is learned from, and has the same type for Numba as arrays that come
    through Ray.

    Args:
        array: the array.
        dtype: dtype of the copy.
        name: name of the array in errors.

    Raises:
        ModelError: if the entries are not real numbers, or an integer dtype can't hold them exactly.
    """
    try:
        with np.errstate(invalid="ignore"):  # NaN in an integer array is refused below
            source = real_array(array)
            copy = source.astype(dtype, order="C")
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{name} must be an array of numbers: {error}") from None
    if np.issubdtype(dtype, np.integer) and not np.array_equal(copy, source):
        raise ModelError(f"{name} must be whole numbers that fit into {np.dtype(dtype).name}")
    copy.setflags(write=False)
    return copy


def without_rounding(probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return probabilities with 0 for those just below it, such as -2e-16 from `1 - row.sum()`; others stay."""
    below = (probabilities < 0.0) & (probabilities > -1e-12)
    return np.where(below, 0.0, probabilities) if below.any() else probabilities


def sums_of_rows(probabilities: npt.NDArray[np.float64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the sum of the probabilities of each pair of a state and an action, in the order of its outcomes."""
    sums = np.zeros(lengths.size)
    with np.errstate(over="ignore"):  # an infinite sum is refused afterwards
        np.add.at(sums, np.repeat(np.arange(lengths.size), lengths), probabilities)
    return sums


def normalise(model: Sparse) -> Sparse:
    """Return a checked model in which probabilities whose sum differs from 1 by more than rounding are divided by it.

    Near gamma 1 such a difference would change values, and planners would have to agree on what it means.
    """
    lengths = np.diff(model.offsets)
    sums = sums_of_rows(model.probabilities, lengths)
    off = np.abs(sums - 1.0) > np.maximum(lengths, 1) * np.finfo(float).eps
    off &= lengths > 0
    if not off.any():
        return model
    return model._replace(probabilities=model.probabilities / np.repeat(np.where(off, sums, 1.0), lengths))


def require(holds: bool, message: str) -> None:
    """Raise a ModelError with a message if a condition doesn't hold."""
    if not holds:
        raise ModelError(message)


def check_starts(starts: Starts, num_states: int) -> npt.NDArray[np.int32]:
    """Check start states and return them as read-only int32, (num_starts,).

    Those that are given with their probabilities are repeated in proportion, because draws are uniform.

    Raises:
        ModelError: if there are none, one is not an integer from 0 to num_states - 1, or probabilities are negative,
            not finite, or not in the ratio of integers up to `MAX_START_PARTS`.
    """
    probabilities = None
    try:
        if isinstance(starts, Mapping):
            probabilities = as_numbers("probabilities of starts", list(starts.values())).astype(np.float64)
            starts = list(starts)
        states = np.atleast_1d(as_numbers("starts", starts))
    except SettingError as error:
        raise ModelError(str(error)) from None
    require(states.size > 0 and states.ndim == 1, "starts must name at least one state")
    require(bool(np.issubdtype(states.dtype, np.integer)), f"starts must be integers, not {states.dtype}")
    wrong = states[(states < 0) | (states >= num_states)]
    if wrong.size:
        raise ModelError(f"start state {wrong[0]} is outside 0..{num_states - 1}")
    if probabilities is not None:
        are_valid = bool(np.isfinite(probabilities).all() and (probabilities >= 0.0).all() and probabilities.any())
        require(are_valid, "probabilities of starts must be finite numbers, not negative, and not all 0")
        repeats = whole_ratio(probabilities, MAX_START_PARTS)
        if repeats is None:
            raise ModelError(
                f"probabilities of starts must be in the ratio of whole numbers up to {MAX_START_PARTS:,}; round them "
                "to four decimals"
            )
        states = np.repeat(states, repeats)
    return read_only_copy(states, np.int32, "starts")


def whole_ratio(weights: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.int64] | None:
    """Return the smallest whole numbers in the ratio of some weights; None if there are none up to `most`.

    Args:
        weights: not negative, and not all 0.
        most: limit of these numbers.
    """
    ratios = weights / weights[weights > 0.0].min()
    for times in range(1, most + 1):
        counts = np.round(times * ratios)
        if counts.max() > most:
            break
        if np.abs(counts - times * ratios).max() < 1e-7:
            whole: npt.NDArray[np.int64] = counts.astype(np.int64)
            return whole
    return None


def check_walls(grid: npt.NDArray[np.uint8]) -> None:
    """Check the walls of a grid.

    The edge must be wall, a wall must be marked on both of its sides, blocked cells must have walls on all sides, and
    must be neither goals nor hazards.

    Args:
        grid: (rows, columns) uint8, bits of `clew.kernels.dynamics`.

    Raises:
        ModelError: names the first rule that is broken.
    """
    for cells, wall, name in (
        (grid[-1], WALL_DOWN, "bottom"),
        (grid[:, 0], WALL_LEFT, "left"),
        (grid[0], WALL_UP, "top"),
        (grid[:, -1], WALL_RIGHT, "right"),
    ):
        require(bool((cells & wall).all()), f"the {name} edge of the grid must be wall")
    vertical = ((grid[:-1] & WALL_DOWN) > 0) == ((grid[1:] & WALL_UP) > 0)
    horizontal = ((grid[:, :-1] & WALL_RIGHT) > 0) == ((grid[:, 1:] & WALL_LEFT) > 0)
    require(bool(vertical.all() and horizontal.all()), "a wall between two cells must be marked in both of them")
    blocked = (grid & BLOCKED) > 0
    require(bool(((grid[blocked] & ALL_WALLS) == ALL_WALLS).all()), "a blocked cell must have a wall on every side")
    for kind, name in ((GOAL, "goal"), (HAZARD, "hazard")):
        require(not bool((blocked & ((grid & kind) > 0)).any()), f"a {name} can't be in a blocked cell")


def sparse_model(
    offsets: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    next_states: npt.ArrayLike,
    rewards: npt.ArrayLike,
    terminated: npt.ArrayLike,
    num_actions: Any,
) -> Sparse:
    """Return a sparse model of read-only copies of arrays; of their content only the types are checked.

    Raises:
        ModelError: names the array that has entries of another type.
    """
    if not isinstance(num_actions, Integral) or isinstance(num_actions, bool):
        raise ModelError(f"num_actions must be a whole number, not {shown(num_actions)}")
    return Sparse(
        read_only_copy(offsets, np.int64, "offsets"),
        read_only_copy(probabilities, np.float64, "probabilities"),
        read_only_copy(next_states, np.int64, "next_states"),
        read_only_copy(rewards, np.float64, "rewards"),
        read_only_copy(terminated, np.bool_, "terminated"),
        int(num_actions),
    )


def read_only_model(model: Sparse) -> Sparse:
    """Make the arrays of a sparse model read-only, and return it."""
    for column in model[:-1]:
        column.setflags(write=False)
    return model


def check_sparse(model: Sparse, labels: Labels = UNLABELLED) -> int:
    """Check the rows of a sparse model and return its number of states.

    Args:
        model: the model.
        labels: by which errors name states and actions.

    Raises:
        ModelError: names the array, or the state and action, that is invalid.
    """
    require(model.num_actions >= 1, f"num_actions must be at least 1, not {shown(model.num_actions)}")
    rows = model.probabilities.size
    require(
        all(column.shape == (rows,) for column in model[1:5]),
        "probabilities, next_states, rewards and terminated must be one-dimensional and of equal length",
    )
    pairs = model.offsets.size - 1
    require(
        model.offsets.ndim == 1 and pairs >= 1 and pairs % model.num_actions == 0,
        f"offsets must have num_states * num_actions + 1 entries; {pairs + 1} don't fit {shown(model.num_actions)} "
        "actions",
    )
    lengths = np.diff(model.offsets)
    # Differences of int64 overflow, so bounds are checked as well as order.
    in_order = ((model.offsets >= 0) & (model.offsets <= rows)).all() and (lengths >= 0).all()
    require(
        bool(in_order and model.offsets[0] == 0 and model.offsets[-1] == rows),
        f"offsets must rise from 0 to the number of rows, {rows}",
    )
    num_states = pairs // model.num_actions
    require(num_states <= MAX_STATES, f"{num_states:,} states are more than {MAX_STATES:,}")
    _check_rows(model, num_states, labels)
    return num_states


def _check_rows(model: Sparse, num_states: int, labels: Labels) -> None:
    """Check next states, rewards and probabilities of a sparse model whose offsets are valid.

    Raises:
        ModelError: names the first state and action with an invalid row.
    """

    def first_pair(wrong: npt.NDArray[np.bool_]) -> str:  # names the first row of a mask
        pair = int(np.searchsorted(model.offsets, np.flatnonzero(wrong)[0], side="right")) - 1
        return labels.pair(*divmod(pair, model.num_actions))

    outside = (model.next_states < 0) | (model.next_states >= num_states)
    if outside.any():
        raise ModelError(f"{first_pair(outside)}: next state is outside 0..{num_states - 1}")
    if not np.isfinite(model.rewards).all():
        raise ModelError(f"{first_pair(~np.isfinite(model.rewards))}: reward must be finite")
    sound = model.probabilities >= 0.0  # False for NaN
    if not sound.all():
        raise ModelError(f"{first_pair(~sound)}: probability must not be negative")
    lengths = np.diff(model.offsets)
    sums = sums_of_rows(model.probabilities, lengths)
    uneven = np.flatnonzero((lengths > 0) & (np.abs(sums - 1.0) > 1e-9))
    if uneven.size:
        raise ModelError(
            f"{labels.pair(*divmod(int(uneven[0]), model.num_actions))}: probabilities sum to "
            f"{sums[uneven[0]]:.12g}, not 1; divide them by their sum, in float64"
        )
