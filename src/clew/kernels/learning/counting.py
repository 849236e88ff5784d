"""Exploration strategies that count how often each action was tried in each state: UCB and least-tried."""

from typing import NamedTuple

import numpy as np

from clew.kernels import kernel
from clew.kernels.learning.behaviours import Visits, choose, count_visit, expected_value
from clew.kernels.sampling import Stream, below, next_bits
from clew.kernels.values import (
    MAX_COUNT,
    Values,
    increment,
    is_available,
    num_available,
    pick_from_mask,
    row_length,
    value,
)

_LOW_HALF = np.uint64(0xFFFFFFFF)


class UpperConfidence(NamedTuple):
    """Take the action with the maximum of q[s, a] + c * sqrt(ln N(s) / N(s, a)); untried actions first."""


class LeastTried(NamedTuple):
    """Take the action that was taken least often in this state, whatever its value."""


@kernel
def log_total_visits(visits: Visits, s: int) -> float:
    """Return ln N(s), where N(s) is the number of visits of state s; 0 if N(s) is 0."""
    total = 0
    for a in range(visits.shape[1]):
        total += visits[s, a]
    return np.log(max(total, 1))


@kernel
def upper_confidence_bound(q: Values, visits: Visits, s: int, a: int, exploration: float, log_total: float) -> float:
    """Return the upper confidence bound of the value of action a in state s.

        q[s, a] + exploration * sqrt(log_total / visits[s, a])

    It is infinite if the action was never taken, and -inf if it isn't available.
    """
    if not is_available(q, s, a):
        return -np.inf
    if visits[s, a] == 0:
        return np.inf
    return value(q, s, a) + exploration * np.sqrt(log_total / visits[s, a])


@count_visit.register(UpperConfidence)
def count_visit_upper_confidence(behaviour: UpperConfidence, visits: Visits, s: int, a: int) -> None:
    """Add 1 to visits[s, a], in place, which narrows the confidence interval of the action."""
    increment(visits, s, a)


@choose.register(UpperConfidence)
def choose_upper_confidence(
    behaviour: UpperConfidence, q: Values, visits: Visits, s: int, exploration: float, stream: Stream
) -> int:
    """Choose the action with the maximum upper confidence bound; ties are broken uniformly at random.

    In one pass: the k-th of the actions that tie replaces those before it with probability 1 / k, which takes a draw.

    Source:
        Sutton & Barto (2018), eq. (2.10), in each state separately.
    """
    log_total = log_total_visits(visits, s)
    best, ties, chosen = -np.inf, 0, 0
    for a in range(row_length(q)):
        bound = upper_confidence_bound(q, visits, s, a, exploration, log_total)
        if bound > best:
            best, ties, chosen = bound, 1, a
        elif bound == best and is_available(q, s, a):
            ties += 1
            if below(next_bits(stream) & _LOW_HALF, ties) == 0:
                chosen = a
    return chosen


@expected_value.register(UpperConfidence)
def expected_value_upper_confidence(
    behaviour: UpperConfidence, q: Values, visits: Visits, s: int, exploration: float
) -> np.float32:
    """Return the value of the action with the maximum upper confidence bound, or the mean value of those that tie."""
    log_total = log_total_visits(visits, s)
    best, ties, values = -np.inf, 0, 0.0
    for a in range(row_length(q)):
        bound = upper_confidence_bound(q, visits, s, a, exploration, log_total)
        if bound > best:
            best, ties, values = bound, 0, 0.0
        if bound == best:
            ties += 1
            values += value(q, s, a)
    return np.float32(values / ties)


@count_visit.register(LeastTried)
def count_visit_least_tried(behaviour: LeastTried, visits: Visits, s: int, a: int) -> None:
    """Add 1 to visits[s, a], in place."""
    increment(visits, s, a)


@kernel
def fewest_visits(q: Values, visits: Visits, s: int) -> int:
    """Return the smallest visit count of the available actions in state s."""
    fewest = np.int32(MAX_COUNT)
    for a in range(visits.shape[1]):
        if is_available(q, s, a):
            fewest = min(fewest, visits[s, a])
    return fewest


@choose.register(LeastTried)
def choose_least_tried(
    behaviour: LeastTried, q: Values, visits: Visits, s: int, exploration: float, stream: Stream
) -> int:
    """Choose the action with the smallest visit count in state s; ties are broken uniformly at random.

    It covers the states and actions of a world in fewer steps than random actions do.
    """
    bits = next_bits(stream) & _LOW_HALF
    if visits.shape[1] == 4 and num_available(q, s) == 4:
        s = np.uint64(s)
        down, left, up, right = visits[s, 0], visits[s, 1], visits[s, 2], visits[s, 3]
        fewest = min(min(down, up), min(left, right))
        mask = (np.int64(down == fewest) | np.int64(left == fewest) << 1) | (
            np.int64(up == fewest) << 2 | np.int64(right == fewest) << 3
        )
        return pick_from_mask(mask, bits)
    fewest, ties = fewest_visits(q, visits, s), 0
    for a in range(visits.shape[1]):
        ties += np.int64(visits[s, a] == fewest and is_available(q, s, a))
    left_to_skip = below(bits, ties)
    for a in range(visits.shape[1]):
        if visits[s, a] == fewest and is_available(q, s, a):
            if left_to_skip == 0:
                return a
            left_to_skip -= 1
    return 0  # not reached


@expected_value.register(LeastTried)
def expected_value_least_tried(
    behaviour: LeastTried, q: Values, visits: Visits, s: int, exploration: float
) -> np.float32:
    """Return the mean value of the actions with the smallest visit count in state s."""
    fewest, ties, values = fewest_visits(q, visits, s), 0, 0.0
    for a in range(visits.shape[1]):
        if visits[s, a] == fewest and is_available(q, s, a):
            ties += 1
            values += value(q, s, a)
    return np.float32(values / ties)
