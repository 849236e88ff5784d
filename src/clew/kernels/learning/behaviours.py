"""Behaviours: which action to try. Values are one thing, and how much is explored another.

    choose(behaviour, q, visits, s, exploration, stream)    the action
    expected_value(behaviour, q, visits, s, exploration)    what it is worth to go on with that behaviour
    count_visit(behaviour, visits, s, a)                    note that it was taken
    after(behaviour, a)                                     the behaviour after an action, in the same episode

`exploration` is one number, which a schedule may lower from episode to episode: epsilon for epsilon-greedy, the
temperature for softmax, the width of the interval for UCB. `visits`, (num_states, num_actions), counts how often each
action was taken; for behaviours that don't ask, it may be empty.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch, kernel
from clew.kernels.sampling import Stream, below, next_bits, uniform
from clew.kernels.values import (
    Values,
    best_action,
    best_or_random_action,
    increment,
    max_value,
    pick_from_mask,
    row_length,
    value,
)

Visits = npt.NDArray[np.int32]

_32 = np.uint64(32)
_LOW_HALF = np.uint64(0xFFFFFFFF)


class EpsilonGreedy(NamedTuple):
    """Any action with probability epsilon, else a best one. With epsilon 0 it is the greedy policy."""


class EpsilonGreedyArgmax(NamedTuple):
    """Any action with probability epsilon, else the first of the best, as `argmax` has it.

    Nobody should learn by it: where nothing is known, an agent that has no reason to turn walks into a wall for ever.
    It is here to measure what that costs.
    """


class BranchlessEpsilonGreedy(NamedTuple):
    """The same, of the same draws, for episodes that take turns; see `in_turns`."""


class Persistent(NamedTuple):
    """A best action: the last one, if it still is among them. What is as good as new is not turned back for."""

    last: int  # action; -1 at the beginning of an episode


class Softmax(NamedTuple):
    """Action a with a probability proportional to exp(q[s, a] / temperature)."""


class UpperConfidence(NamedTuple):
    """The greatest q[s, a] + c * sqrt(ln N(s) / N(s, a)); actions that were never tried come first."""


class LeastTried(NamedTuple):
    """The action that was tried least often here, whatever it is worth."""


class UniformRandom(NamedTuple):
    """Every action, each as likely as the others."""


@dispatch
def choose(behaviour: Any, q: Values, visits: Visits, s: int, exploration: float, stream: Stream) -> int:
    """Choose an action in state s; all but one break ties uniformly at random. This one: any action."""
    return below(next_bits(stream) & _LOW_HALF, row_length(q))


@dispatch
def expected_value(behaviour: Any, q: Values, visits: Visits, s: int, exploration: float) -> np.float32:
    """Sum over actions of (probability that the behaviour takes it) * q[s, a]. This one: their mean."""
    total = np.float32(0.0)
    for a in range(row_length(q)):
        total += value(q, s, a)
    return total / np.float32(row_length(q))


@dispatch
def count_visit(behaviour: Any, visits: Visits, s: int, a: int) -> None:
    """Count that an action was taken, in place. This one: nobody asks."""


@dispatch
def behaviour_after(behaviour: Any, a: int) -> Any:
    """The behaviour after action a, of the same type. This one: as before."""
    return behaviour


@dispatch
def branchless(behaviour: Any) -> Any:
    """The behaviour in the form for episodes that take turns. This one: as it is."""
    return behaviour


@branchless.register(EpsilonGreedy)
def branchless_epsilon_greedy(behaviour: EpsilonGreedy) -> BranchlessEpsilonGreedy:
    """One episode waits for its own values, and gains by a guess; many don't wait, and a wrong guess stops them all."""
    return BranchlessEpsilonGreedy()


@kernel
def explores(bits: np.uint64, epsilon: float) -> bool:
    """Whether a draw says to take any action: whole numbers are compared, for less work at every step."""
    return np.int64(bits >> _32) < np.int64(np.ceil(epsilon * 4294967296.0))


@kernel
def epsilon_greedy(q: Values, s: int, epsilon: float, stream: Stream) -> int:
    """Choose any action with probability epsilon, else a best one; ties are broken uniformly at random.

    Takes one draw: the high 32 bits decide whether to explore, the low ones which action.

    Args:
        q: action values; none may be NaN.
        s: state.
        epsilon: probability of exploring, in [0, 1]; 0 is the greedy policy.
        stream: (2,) uint64, changed in place.

    Returns:
        Action, in [0, num_actions).

    Source:
        Sutton & Barto (2018), section 2.2.
    """
    bits = next_bits(stream)
    if explores(bits, epsilon):  # a branch: who explores doesn't wait for the values
        return below(bits & _LOW_HALF, row_length(q))
    return best_action(q, s, bits & _LOW_HALF)


@choose.register(EpsilonGreedy)
def choose_epsilon_greedy(
    behaviour: EpsilonGreedy, q: Values, visits: Visits, s: int, exploration: float, stream: Stream
) -> int:
    """See `epsilon_greedy`."""
    return epsilon_greedy(q, s, exploration, stream)


@choose.register(BranchlessEpsilonGreedy)
def choose_branchless_epsilon_greedy(
    behaviour: BranchlessEpsilonGreedy, q: Values, visits: Visits, s: int, exploration: float, stream: Stream
) -> int:
    """The action that `epsilon_greedy` takes, where there are four without a branch."""
    bits = next_bits(stream)
    return best_or_random_action(q, s, explores(bits, exploration), bits & _LOW_HALF)


@choose.register(EpsilonGreedyArgmax)
def choose_epsilon_greedy_argmax(
    behaviour: EpsilonGreedyArgmax, q: Values, visits: Visits, s: int, exploration: float, stream: Stream
) -> int:
    """Explore as `epsilon_greedy` does, by the same draw; but of actions that tie, the lowest number is taken."""
    bits = next_bits(stream)
    if explores(bits, exploration):
        return below(bits & _LOW_HALF, row_length(q))
    best = max_value(q, s)
    a = 0
    while value(q, s, a) < best:
        a += 1
    return a


@expected_value.register(EpsilonGreedy, BranchlessEpsilonGreedy, EpsilonGreedyArgmax)
def expected_value_epsilon_greedy(
    behaviour: EpsilonGreedy, q: Values, visits: Visits, s: int, exploration: float
) -> np.float32:
    """The greatest value with probability 1 - epsilon, else the mean."""
    epsilon = np.float32(exploration)
    return (np.float32(1.0) - epsilon) * max_value(q, s) + epsilon * expected_value(UniformRandom(), q, visits, s, 0.0)


@behaviour_after.register(Persistent)
def persistent_behaviour_after(behaviour: Persistent, a: int) -> Persistent:
    """Keep the action in mind."""
    return Persistent(a)


@choose.register(Persistent)
def choose_persistent(
    behaviour: Persistent, q: Values, visits: Visits, s: int, exploration: float, stream: Stream
) -> int:
    """Keep on while nothing is better; else ties are broken uniformly at random."""
    last = behaviour.last
    if last >= 0 and value(q, s, last) == max_value(q, s):
        return last
    return epsilon_greedy(q, s, 0.0, stream)


@expected_value.register(Persistent)
def expected_value_persistent(
    behaviour: Persistent, q: Values, visits: Visits, s: int, exploration: float
) -> np.float32:
    """Whichever it takes, it is worth the most."""
    return max_value(q, s)


@choose.register(Softmax)
def choose_softmax(behaviour: Softmax, q: Values, visits: Visits, s: int, exploration: float, stream: Stream) -> int:
    """Draw from the distribution; the greatest value is taken off every exponent, so that none overflows.

    Source:
        Sutton & Barto (2018), eq. (2.11), with values in place of preferences.
    """
    best = np.float64(max_value(q, s))
    total = 0.0
    for a in range(row_length(q)):
        total += np.exp((value(q, s, a) - best) / exploration)
    left = uniform(next_bits(stream)) * total
    for a in range(row_length(q)):
        left -= np.exp((value(q, s, a) - best) / exploration)
        if left < 0.0:
            return a
    return row_length(q) - 1  # rounding only


@expected_value.register(Softmax)
def expected_value_softmax(behaviour: Softmax, q: Values, visits: Visits, s: int, exploration: float) -> np.float32:
    """The values, weighted as they are drawn."""
    best = np.float64(max_value(q, s))
    total, weighted = 0.0, 0.0
    for a in range(row_length(q)):
        weight = np.exp((value(q, s, a) - best) / exploration)
        total += weight
        weighted += weight * value(q, s, a)
    return np.float32(weighted / total)


@kernel
def log_total_visits(visits: Visits, s: int) -> float:
    """Logarithm of how often anything was tried in a state."""
    total = 0
    for a in range(visits.shape[1]):
        total += visits[s, a]
    return np.log(max(total, 1))


@kernel
def upper_confidence_bound(q: Values, visits: Visits, s: int, a: int, exploration: float, log_total: float) -> float:
    """What action a may be worth, at best; infinite if it was never tried."""
    if visits[s, a] == 0:
        return np.inf
    return value(q, s, a) + exploration * np.sqrt(log_total / visits[s, a])


@count_visit.register(UpperConfidence)
def count_visit_upper_confidence(behaviour: UpperConfidence, visits: Visits, s: int, a: int) -> None:
    """The interval is the narrower the more often an action was tried."""
    increment(visits, s, a)


@choose.register(UpperConfidence)
def choose_upper_confidence(
    behaviour: UpperConfidence, q: Values, visits: Visits, s: int, exploration: float, stream: Stream
) -> int:
    """Take the action that may be best; one pass, in which the k-th of equals is kept with probability 1/k.

    Source:
        Sutton & Barto (2018), eq. (2.10), in every state by itself.
    """
    log_total = log_total_visits(visits, s)
    best, ties, chosen = -np.inf, 0, 0
    for a in range(row_length(q)):
        bound = upper_confidence_bound(q, visits, s, a, exploration, log_total)
        if bound > best:
            best, ties, chosen = bound, 1, a
        elif bound == best:
            ties += 1
            if below(next_bits(stream) & _LOW_HALF, ties) == 0:
                chosen = a
    return chosen


@expected_value.register(UpperConfidence)
def expected_value_upper_confidence(
    behaviour: UpperConfidence, q: Values, visits: Visits, s: int, exploration: float
) -> np.float32:
    """The value of the action that would be taken; the mean of those that tie."""
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
    """It is all that decides."""
    increment(visits, s, a)


@choose.register(LeastTried)
def choose_least_tried(
    behaviour: LeastTried, q: Values, visits: Visits, s: int, exploration: float, stream: Stream
) -> int:
    """Take an action with the smallest count: it covers a world sooner than chance does."""
    bits = next_bits(stream) & _LOW_HALF
    if visits.shape[1] == 4:
        s = np.uint64(s)
        down, left, up, right = visits[s, 0], visits[s, 1], visits[s, 2], visits[s, 3]
        fewest = min(min(down, up), min(left, right))
        mask = (np.int64(down == fewest) | np.int64(left == fewest) << 1) | (
            np.int64(up == fewest) << 2 | np.int64(right == fewest) << 3
        )
        return pick_from_mask(mask, bits)
    least = visits[s, 0]
    ties = 0
    for a in range(visits.shape[1]):
        least = min(least, visits[s, a])
    for a in range(visits.shape[1]):
        ties += np.int64(visits[s, a] == least)
    left_to_skip = below(bits, ties)
    for a in range(visits.shape[1]):
        if visits[s, a] == least:
            if left_to_skip == 0:
                return a
            left_to_skip -= 1
    return 0  # not reached


@expected_value.register(LeastTried)
def expected_value_least_tried(
    behaviour: LeastTried, q: Values, visits: Visits, s: int, exploration: float
) -> np.float32:
    """The mean value of the actions with the smallest count."""
    least = visits[s, 0]
    for a in range(visits.shape[1]):
        least = min(least, visits[s, a])
    ties, values = 0, 0.0
    for a in range(visits.shape[1]):
        if visits[s, a] == least:
            ties += 1
            values += value(q, s, a)
    return np.float32(values / ties)
