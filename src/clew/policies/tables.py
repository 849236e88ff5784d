"""The arrays of a policy: action values, actions or probabilities of actions, checked and converted."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.settings import as_numbers

TIE = 1e-9  # values that differ by less of their size are taken as equal
ANY_ACTION = -1  # in an array of actions: any may be taken
Names = tuple[str, ...] | None  # of all states, or of all actions; None if they are known by their numbers


class PolicyTable(NamedTuple):
    """Content of a policy; see `clew.Policy`, whose attributes have these names."""

    kind: str  # "values", "actions" or "probabilities"
    table: npt.NDArray[Any]
    shape: tuple[int, int]  # (num_states, num_actions)
    state_labels: Names = None
    action_labels: Names = None
    # (num_states, num_actions); None if all are, or if values mark the others by -inf.
    available: npt.NDArray[np.bool_] | None = None


def as_table(name: str, table: Any, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return action values as a float32 array.

    Args:
        name: of the setting.
        table: an array, or nested lists.
        shape: (num_states, num_actions), which it must have.

    Raises:
        SettingError: if the table has another shape, or a value that is not a number, or too large for float32.
    """
    given = as_numbers(name, table)
    if given.shape != shape:
        raise SettingError(f"{name} must have the shape {shape} of (num_states, num_actions), not {given.shape}")
    with np.errstate(over="ignore"):
        values: npt.NDArray[np.float32] = given.astype(np.float32, order="C")
    if np.isnan(values).any():
        raise SettingError(f"{name} must hold numbers; it has values that are NaN")
    if (np.isinf(values) & np.isfinite(given)).any():
        raise SettingError(f"{name} must fit float32; it has values that are too large for float32")
    if given.dtype == np.float64:
        _keep_greedy(values, given)
    return values


def _keep_greedy(values: npt.NDArray[np.float32], given: npt.NDArray[np.float64]) -> None:
    """Keep an action that isn't greedy from becoming so by rounding to float32: take the next smaller number.

    Differences of less than TIE of a value are those of rounding, and actions that differ by less may tie.

    Args:
        values: (num_states, num_actions), the rounded values; changed in place.
        given: (num_states, num_actions), the values before.
    """
    greatest = given.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        is_less = given < greatest - TIE * np.abs(greatest)
    became_greedy = (values == values.max(axis=1, keepdims=True)) & is_less
    values[became_greedy] = np.nextafter(values[became_greedy], np.float32(-np.inf))


def as_actions(name: str, actions: Any, shape: tuple[int, int]) -> npt.NDArray[np.int32]:
    """Return an action for each state as an int32 array.

    Args:
        name: of the setting.
        actions: (num_states,) whole numbers; -1 where any action may be taken.
        shape: (num_states, num_actions) of the world.

    Raises:
        SettingError: if there are more or fewer, or one is not an action.
    """
    given = as_numbers(name, actions)
    if given.shape != shape[:1]:
        raise SettingError(f"must have the shape {shape[:1]} of (num_states,), not {given.shape}", setting=name)
    if given.dtype.kind not in "iu":
        raise SettingError(f"must be actions, which are whole numbers, not of type {given.dtype}", setting=name)
    wrong = np.flatnonzero((given < ANY_ACTION) | (given >= shape[1]))
    if wrong.size:
        raise SettingError(
            f"must be actions in 0..{shape[1] - 1}, or -1 where any may be taken, not {given[wrong[0]]} as in state "
            f"{wrong[0]}",
            setting=name,
        )
    return np.array(given, np.int32)


def as_probabilities(name: str, probabilities: Any, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return the probabilities of actions as a float64 array whose rows sum to 1, but for rounding.

    Args:
        name: of the setting.
        probabilities: (num_states, num_actions); rows sum to 1 to within 1e-6, or to 0 where any action may be taken.
        shape: (num_states, num_actions) of the world.

    Raises:
        SettingError: if the array has another shape, a probability is negative or not finite, or a sum is another.
    """
    given = as_numbers(name, probabilities)
    if given.shape != shape:
        raise SettingError(f"must have the shape {shape} of (num_states, num_actions), not {given.shape}", setting=name)
    table: npt.NDArray[np.float64] = given.astype(np.float64, order="C")
    if not (table >= 0.0).all() or np.isinf(table).any():
        raise SettingError("must be at least 0 and finite; there are others, or NaN", setting=name)
    table[~table.any(axis=1)] = 1.0 / shape[1]
    with np.errstate(over="ignore"):
        sums = table.sum(axis=1, keepdims=True)
    wrong = np.flatnonzero(np.abs(sums - 1.0) > 1e-6)
    if wrong.size:
        raise SettingError(
            f"must sum to 1 in each state, not to {sums[wrong[0], 0]:g} as in state {wrong[0]}", setting=name
        )
    if (np.abs(sums - 1.0) > 1e-12).any():  # other rounding is left as it is
        table /= sums
    return table


def share_among(table: npt.NDArray[np.float64], available: npt.NDArray[np.bool_]) -> None:
    """Share probabilities that are equal, so that any action may be taken, among the available actions, in place.

    Args:
        table: (num_states, num_actions), probabilities.
        available: (num_states, num_actions), at least one action of each state.
    """
    is_any = (table == table[:, :1]).all(axis=1)
    table[is_any] = available[is_any] / available[is_any].sum(axis=1, keepdims=True)


def greedy_of(table: npt.NDArray[Any], num_actions: int) -> npt.NDArray[np.bool_]:
    """Return the actions that a policy takes without exploring, (num_states, num_actions) bool.

    Args:
        table: (num_states, num_actions) action values, whose greedy actions are taken, all of those that tie; or
            (num_states,) actions.
        num_actions: number of actions.

    Raises:
        SettingError: if a value is NaN.
    """
    if table.ndim == 1:
        column = table[:, None]
        return np.asarray((column == np.arange(num_actions)) | (column == ANY_ACTION))
    best = table[:, 0].copy()
    for a in range(1, num_actions):
        np.maximum(best, table[:, a], out=best)  # column by column: far faster than a maximum of each short row
    if np.isnan(best).any():
        raise SettingError("expected action values that are numbers, got NaN")
    return np.asarray(table == best[:, None])


def labels_of(env: Any, shape: tuple[int, int]) -> tuple[Names, Names]:
    """Return the names of the states and of the actions of an environment or a model; None for those without names."""
    world = getattr(env, "unwrapped", env)
    mdp = getattr(world, "mdp", world)
    states, actions, names = (
        each if isinstance(each, tuple) and len(each) == n and isinstance(each[0], str) else None
        for each, n in (
            (getattr(mdp, "state_labels", None), shape[0]),
            (getattr(mdp, "action_labels", None), shape[1]),
            (getattr(world, "actions", None), shape[1]),
        )
    )
    return states, names or actions
