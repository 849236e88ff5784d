"""What the arrays of a model must be like."""

from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import ModelError
from clew.kernels.dynamics import ALL_WALLS, BLOCKED, GOAL, HAZARD, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP, Sparse

__all__ = ["MAX_STATES", "check", "check_sparse", "check_walls", "checked_starts", "frozen"]

MAX_STATES = 2**31 - 1  # states are stored as int32


def frozen(array: npt.ArrayLike, dtype: Any, name: str) -> npt.NDArray[Any]:
    """Contiguous read-only copy: a model can't change under a learner, and looks to Numba as Ray's arrays do.

    Raises:
        ModelError: if the entries are no numbers, or lose something as that type.
    """
    try:
        with np.errstate(invalid="ignore"):  # NaN as a whole number is refused below
            source = np.asarray(array)
            if source.dtype.kind == "c":
                raise TypeError("they are complex")
            copy = np.array(source.astype(dtype), order="C")
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{name} must be an array of numbers: {error}") from None
    if np.issubdtype(dtype, np.integer) and not np.array_equal(copy, source):
        raise ModelError(f"{name} must be whole numbers that fit {np.dtype(dtype).name}")
    copy.setflags(write=False)
    return copy


def check(holds: bool, message: str) -> None:
    """Refuse with a ModelError what doesn't hold."""
    if not holds:
        raise ModelError(message)


def checked_starts(starts: npt.ArrayLike, num_states: int) -> npt.NDArray[np.int32]:
    """Start states as a model keeps them, each in its range."""
    states = np.atleast_1d(np.asarray(starts))
    check(states.size > 0 and states.ndim == 1, "starts must name at least one state")
    check(bool(np.issubdtype(states.dtype, np.integer)), f"starts must be integers, not {states.dtype}")
    wrong = states[(states < 0) | (states >= num_states)]
    if wrong.size:
        raise ModelError(f"start state {wrong[0]} is outside 0..{num_states - 1}")
    return frozen(states, np.int32, "starts")


def check_walls(grid: npt.NDArray[np.uint8]) -> None:
    """The edge is closed, walls stop both directions, blocked cells are closed and no goal is blocked."""
    edges = (
        (grid[-1], WALL_DOWN, "bottom"),
        (grid[:, 0], WALL_LEFT, "left"),
        (grid[0], WALL_UP, "top"),
        (grid[:, -1], WALL_RIGHT, "right"),
    )
    for cells, wall, name in edges:
        check(bool((cells & wall).all()), f"the {name} edge of the grid must be wall")
    vertical = ((grid[:-1] & WALL_DOWN) > 0) == ((grid[1:] & WALL_UP) > 0)
    horizontal = ((grid[:, :-1] & WALL_RIGHT) > 0) == ((grid[:, 1:] & WALL_LEFT) > 0)
    check(bool(vertical.all() and horizontal.all()), "a wall between two cells must stand in both of them")
    blocked = (grid & BLOCKED) > 0
    check(bool(((grid[blocked] & ALL_WALLS) == ALL_WALLS).all()), "a blocked cell must have a wall on every side")
    for kind, name in ((GOAL, "goal"), (HAZARD, "hazard")):
        check(not bool((blocked & ((grid & kind) > 0)).any()), f"a {name} can't be in a blocked cell")


def check_sparse(model: Sparse) -> int:
    """Check the rows of a sparse model and return its number of states."""
    check(model.num_actions >= 1, f"num_actions must be at least 1, not {model.num_actions}")
    rows = model.probabilities.size
    same = all(column.shape == (rows,) for column in model[1:5])
    check(same, "probabilities, next_states, rewards and terminated must be one-dimensional and of one length")
    pairs = model.offsets.size - 1
    check(
        model.offsets.ndim == 1 and pairs >= 1 and pairs % model.num_actions == 0,
        f"offsets must have num_states * num_actions + 1 entries; {pairs + 1} doesn't fit {model.num_actions} actions",
    )
    lengths = np.diff(model.offsets)
    # Differences of int64 wrap, so it takes both tests to see that the offsets rise.
    inside = bool(((model.offsets >= 0) & (model.offsets <= rows)).all())
    in_order = inside and model.offsets[0] == 0 and model.offsets[-1] == rows and bool((lengths >= 0).all())
    check(in_order, f"offsets must rise from 0 to the number of rows, {rows}")
    num_states = pairs // model.num_actions
    check(num_states <= MAX_STATES, f"{num_states:,} states are more than {MAX_STATES:,}")

    def first_pair(wrong: npt.NDArray[np.bool_]) -> str:
        pair = int(np.searchsorted(model.offsets, np.flatnonzero(wrong)[0], side="right")) - 1
        return f"state {pair // model.num_actions}, action {pair % model.num_actions}"

    outside = (model.next_states < 0) | (model.next_states >= num_states)
    if outside.any():
        raise ModelError(f"{first_pair(outside)}: next state is outside 0..{num_states - 1}")
    if not np.isfinite(model.rewards).all():
        raise ModelError(f"{first_pair(~np.isfinite(model.rewards))}: reward must be finite")
    sound = model.probabilities >= 0.0  # false for NaN as well
    if not sound.all():
        raise ModelError(f"{first_pair(~sound)}: probability must not be negative")
    sums = np.zeros(pairs)
    with np.errstate(over="ignore"):  # an infinite sum is not 1 either
        np.add.at(sums, np.repeat(np.arange(pairs), lengths), model.probabilities)
    uneven = np.flatnonzero((lengths > 0) & (np.abs(sums - 1.0) > 1e-9))
    if uneven.size:
        state, action = divmod(int(uneven[0]), model.num_actions)
        raise ModelError(
            f"state {state}, action {action}: probabilities sum to {sums[uneven[0]]:.12g}, not 1; divide them by their "
            "sum, in float64"
        )
    return num_states
