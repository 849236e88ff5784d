"""Policies without action values, in forms from which kernels choose actions as from a table of values.

    ActionTable         one action for each state
    ProbabilityTable    a probability for each action of each state

Only what choosing an action needs is implemented: `row_length`, `best_action` and `random_action`. So `epsilon_greedy`
takes the action of the policy, or with probability epsilon any action; strategies that compare values can't be used.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel, read_only
from clew.kernels.sampling import below
from clew.kernels.values import (
    best_action,
    count_available,
    is_available,
    num_available,
    pick_available,
    random_action,
    row_length,
)


class ActionTable(NamedTuple):
    """A policy that takes one action in each state, or any action where it is -1."""

    actions: npt.NDArray[np.int32]  # (num_states,)
    num_actions: int


class ProbabilityTable(NamedTuple):
    """A policy that takes each action with its probability."""

    probabilities: npt.NDArray[np.float64]  # (num_states, num_actions), each row sums to 1
    available: npt.NDArray[np.bool_]  # (num_states, num_actions), actions among which `random_action` draws


def as_choices(kind: str, table: npt.NDArray[Any], num_actions: int) -> Any:
    """Return a policy in the form from which kernels choose actions; the array is shared, read-only.

    Args:
        kind: what the table holds: "values", "actions" or "probabilities".
        table: as the named tuples of this module have it, or (num_states, num_actions) float32 action values.
        num_actions: number of actions.
    """
    if kind == "values":
        return read_only(table)
    if kind == "actions":
        return ActionTable(read_only(table), num_actions)
    return ProbabilityTable(read_only(table), read_only(np.ones(table.shape, np.bool_)))


@row_length.register(ActionTable)
def row_length_of_actions(policy: ActionTable) -> int:
    """Return the number of actions."""
    return policy.num_actions


@row_length.register(ProbabilityTable)
def row_length_of_probabilities(policy: ProbabilityTable) -> int:
    """Return the number of actions."""
    return policy.probabilities.shape[1]


@best_action.register(ActionTable)
def best_action_of_actions(policy: ActionTable, s: int, bits32: np.uint64) -> int:
    """Return the action of state s, or any action if it is -1."""
    a = np.int64(policy.actions[np.uint64(s)])
    return below(bits32, policy.num_actions) if a < 0 else a


@best_action.register(ProbabilityTable)
def best_action_of_probabilities(policy: ProbabilityTable, s: int, bits32: np.uint64) -> int:
    """Return an action drawn with the probabilities of state s, to within 2**-32; never one of probability 0."""
    return draw_action(policy.probabilities, s, bits32)


@is_available.register(ProbabilityTable)
def is_available_to_probabilities(policy: ProbabilityTable, s: int, a: int) -> bool:
    """Return whether action a is available in state s."""
    return policy.available[s, a]


num_available.register(ProbabilityTable)(count_available)
random_action.register(ProbabilityTable)(pick_available)


@kernel
def draw_action(probabilities: npt.NDArray[np.float64], s: int, bits32: np.uint64) -> int:
    """Return an action drawn with probabilities[s], by 32 random bits."""
    left, chosen = np.float64(bits32) * (1.0 / 4294967296.0), 0
    for a in range(probabilities.shape[1]):
        if probabilities[s, a] > 0.0 and left >= 0.0:
            chosen = a
            left -= probabilities[s, a]
    return chosen
