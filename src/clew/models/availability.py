"""Actions that aren't available in a state: those without outcomes, where another action of the state has some.

In a table of action values they are marked by -inf, so that no maximum contains them.
"""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels.dynamics import Sparse
from clew.models.arrays import pick_rows, select_rows
from clew.models.checks import read_only_model
from clew.settings import check_memory, shown

Bools = npt.NDArray[np.bool_]
LOWEST = float(np.finfo(np.float32).min)


class HasAvailable(Protocol):
    """A model whose actions may be unavailable, such as a `FiniteMDP`."""

    @property
    def num_states(self) -> int:
        """Number of states."""

    @property
    def available(self) -> Bools:
        """Mask of available actions, (num_states, num_actions)."""

    @property
    def all_available(self) -> bool:
        """True if all are available."""


def available_pairs(model: Sparse) -> Bools:
    """Return whether each action has outcomes in a state, (num_states, num_actions) bool; True in terminal states."""
    has_outcomes = (np.diff(model.offsets) > 0).reshape(-1, model.num_actions)
    return np.asarray(has_outcomes | ~has_outcomes.any(axis=1, keepdims=True))


def fill_unavailable(model: Sparse, available: Bools) -> Sparse:
    """Return a model in which each unavailable action has the outcomes of the first available one of its state.

    Raises:
        SettingError: if the memory of the machine doesn't suffice.
    """
    own = np.arange(available.size).reshape(available.shape)
    first = own[:, :1] + available.argmax(axis=1)[:, None]
    pairs = np.where(available, own, first).reshape(-1)
    lengths = np.diff(model.offsets)[pairs]
    check_memory(29 * int(lengths.sum()), "a model with outcomes for every action")
    offsets, rows = pick_rows(model.offsets, pairs, lengths)
    return read_only_model(select_rows(model, offsets, rows))


def as_available(mdp: HasAvailable, actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an action for each state, (num_states,), with unavailable ones replaced as in `FiniteMDP.filled`."""
    if mdp.all_available:
        return actions
    is_available = mdp.available[np.arange(mdp.num_states), actions]
    return np.where(is_available, actions, mdp.available.argmax(axis=1)).astype(actions.dtype)


def mark_unavailable(mdp: HasAvailable, q: npt.NDArray[Any]) -> None:
    """Set the values of unavailable actions to -inf, in place.

    If there are some, values of -inf of available actions become the lowest float32 number. A solution has them where
    every policy loses without bound.

    Args:
        mdp: model.
        q: (num_states, num_actions), action values.
    """
    if not mdp.all_available:
        q[np.isneginf(q)] = LOWEST
        q[~mdp.available] = -np.inf


def check_mask(mask: Any, num_actions: int, state: int) -> Bools:
    """Return an action mask as (num_actions,) bool: True for available actions.

    Args:
        mask: of an environment: an array of 1 and 0, or of True and False.
        num_actions: number of actions.
        state: for the message.

    Raises:
        SettingError: if it is something else, or no action is available.
    """
    array = np.asarray(mask) if isinstance(mask, np.ndarray | list | tuple) else np.empty(0)
    if array.shape != (num_actions,) or array.dtype.kind not in "biu" or not ((array == 0) | (array == 1)).all():
        raise SettingError(
            f"the environment's action_mask in state {state} must be an array of {num_actions} numbers, 1 for actions "
            f"that are available and 0 for the others, not {shown(mask)}"
        )
    if not array.any():
        raise SettingError(f"the environment's action_mask leaves no action in state {state}, which isn't the end")
    return array.astype(np.bool_)
