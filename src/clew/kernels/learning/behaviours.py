"""Exploration strategies: the behaviour policies by which actions are chosen while learning.

    choose(behaviour, q, visits, s, exploration, stream)    choose an action in state s
    expected_value(behaviour, q, visits, s, exploration)    sum over b of pi(b | s) * q[s, b]
    count_visit(behaviour, visits, s, a)                    count one more visit of (s, a)
    behaviour_after(behaviour, a)                           the behaviour for the next step of the episode

`exploration` is the number that a schedule may lower from episode to episode: epsilon for epsilon-greedy, the
temperature for softmax, the width of the confidence interval for UCB. `visits`, (num_states, num_actions) int32, is how
often each action was taken; it may be empty for behaviours that don't use it.

Actions that aren't available in a state (`values.is_available`) are never chosen, and are no part of an expectation.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch, kernel
from clew.kernels.sampling import Stream, below, next_bits, uniform
from clew.kernels.values import (
    MAX_COUNT,
    Values,
    best_action,
    best_or_random_action,
    increment,
    is_available,
    max_value,
    num_available,
    pick_from_mask,
    random_action,
    row_length,
    value,
)

Visits = npt.NDArray[np.int32]

_32 = np.uint64(32)
_LOW_HALF = np.uint64(0xFFFFFFFF)


class EpsilonGreedy(NamedTuple):
    """Take any action with probability epsilon, else a best one; ties are broken uniformly at random."""


class EpsilonGreedyArgmax(NamedTuple):
    """Take any action with probability epsilon, else the first of the best ones, as `np.argmax` breaks ties.

    Not for learning: while all values are equal the agent runs into the same wall again and again. It is here to
    measure the cost of that common mistake.
    """


class BranchlessEpsilonGreedy(NamedTuple):
    """Epsilon-greedy, by the same draws, without a branch: faster for interleaved episodes."""


class Persistent(NamedTuple):
    """Take a best action: the last one again if it is among them, else any of them. Never explores."""

    last: int  # last action; -1 at the beginning of an episode


class Softmax(NamedTuple):
    """Take action a with probability proportional to exp(q[s, a] / temperature)."""


class UpperConfidence(NamedTuple):
    """Take the action with the maximum of q[s, a] + c * sqrt(ln N(s) / N(s, a)); untried actions first."""


class LeastTried(NamedTuple):
    """Take the action that was taken least often in this state, whatever its value."""


class UniformRandom(NamedTuple):
    """Take any action, each with the same probability."""


@dispatch
def choose(behaviour: Any, q: Values, visits: Visits, s: int, exploration: float, stream: Stream) -> int:
    """Choose an action in state s by the behaviour policy.

    Ties are broken uniformly at random by all behaviours but `EpsilonGreedyArgmax`. The default is a uniformly random
    action among those that are available.

    Args:
        behaviour: one of the named tuples of this module.
        q: (num_states, num_actions), action values; only read.
        visits: (num_states, num_actions) int32, how often each action was taken, or empty; only read.
        s: state.
        exploration: epsilon, temperature or confidence, depending on the behaviour.
        stream: (2,) uint64, changed in place.

    Returns:
        Action, in [0, num_actions).
    """
    return random_action(q, s, next_bits(stream) & _LOW_HALF)


@dispatch
def expected_value(behaviour: Any, q: Values, visits: Visits, s: int, exploration: float) -> np.float32:
    """Return the expected value of state s under the behaviour policy, sum over b of pi(b | s) * q[s, b].

    The default is the mean of q[s] over the available actions, for a uniformly random one. Arguments as for `choose`.
    """
    total = np.float32(0.0)
    for a in range(row_length(q)):
        if is_available(q, s, a):
            total += value(q, s, a)
    return total / np.float32(num_available(q, s))


@dispatch
def count_visit(behaviour: Any, visits: Visits, s: int, a: int) -> None:
    """Add 1 to visits[s, a], in place, after action a in state s; by default nothing is counted."""


@dispatch
def behaviour_after(behaviour: Any, a: int) -> Any:
    """Return the behaviour for the step after action a, of the same type; by default the behaviour itself."""
    return behaviour


@dispatch
def branchless(behaviour: Any) -> Any:
    """Return the form of a behaviour that is fastest for interleaved episodes; by default the behaviour itself."""
    return behaviour


@branchless.register(EpsilonGreedy)
def branchless_epsilon_greedy(behaviour: EpsilonGreedy) -> BranchlessEpsilonGreedy:
    """Return the branchless form of epsilon-greedy.

    A single episode waits for its own values, so predicting the branch saves time. Interleaved episodes don't wait, and
    a misprediction would stop all of them.
    """
    return BranchlessEpsilonGreedy()


@kernel
def explores(bits: np.uint64, epsilon: float) -> bool:
    """Return whether 64 random bits mean to explore, which has probability epsilon.

    Compares the high 32 bits as integers, which takes less time than floats.
    """
    return np.int64(bits >> _32) < np.int64(np.ceil(epsilon * 4294967296.0))


@kernel
def epsilon_greedy(q: Values, s: int, epsilon: float, stream: Stream) -> int:
    """Choose any action with probability epsilon, else a best one; ties are broken uniformly at random.

    Takes one draw: the high 32 bits decide whether to explore, the low 32 bits which action to take.

    Args:
        q: (num_states, num_actions), action values, none of them NaN; only read.
        s: state.
        epsilon: probability of exploring, in [0, 1]; 0 is the greedy policy.
        stream: (2,) uint64, changed in place.

    Returns:
        Action, in [0, num_actions).

    Source:
        Sutton & Barto (2018), section 2.2.
    """
    bits = next_bits(stream)
    if explores(bits, epsilon):  # a branch, so that exploring doesn't wait for the values
        return random_action(q, s, bits & _LOW_HALF)
    return best_action(q, s, bits & _LOW_HALF)


@choose.register(EpsilonGreedy)
def choose_epsilon_greedy(
    behaviour: EpsilonGreedy, q: Values, visits: Visits, s: int, exploration: float, stream: Stream
) -> int:
    """Choose any action with probability epsilon, else a best one; see `epsilon_greedy`."""
    return epsilon_greedy(q, s, exploration, stream)


@choose.register(BranchlessEpsilonGreedy)
def choose_branchless_epsilon_greedy(
    behaviour: BranchlessEpsilonGreedy, q: Values, visits: Visits, s: int, exploration: float, stream: Stream
) -> int:
    """Choose the action that `epsilon_greedy` chooses; if there are four, without a branch."""
    bits = next_bits(stream)
    return best_or_random_action(q, s, explores(bits, exploration), bits & _LOW_HALF)


@choose.register(EpsilonGreedyArgmax)
def choose_epsilon_greedy_argmax(
    behaviour: EpsilonGreedyArgmax, q: Values, visits: Visits, s: int, exploration: float, stream: Stream
) -> int:
    """Choose any action with probability epsilon, else the best one with the lowest number."""
    bits = next_bits(stream)
    if explores(bits, exploration):
        return random_action(q, s, bits & _LOW_HALF)
    best = max_value(q, s)
    a = 0
    while value(q, s, a) < best:
        a += 1
    return a


@expected_value.register(EpsilonGreedy, BranchlessEpsilonGreedy, EpsilonGreedyArgmax)
def expected_value_epsilon_greedy(
    behaviour: EpsilonGreedy, q: Values, visits: Visits, s: int, exploration: float
) -> np.float32:
    """Return (1 - epsilon) * max_a q[s, a] + epsilon * the mean of q[s]."""
    epsilon = np.float32(exploration)
    return (np.float32(1.0) - epsilon) * max_value(q, s) + epsilon * expected_value(UniformRandom(), q, visits, s, 0.0)


@behaviour_after.register(Persistent)
def persistent_behaviour_after(behaviour: Persistent, a: int) -> Persistent:
    """Return the behaviour with action a as the last one."""
    return Persistent(a)


@choose.register(Persistent)
def choose_persistent(
    behaviour: Persistent, q: Values, visits: Visits, s: int, exploration: float, stream: Stream
) -> int:
    """Choose the last action if it is among the best ones, else one of these, uniformly at random."""
    last = behaviour.last
    if last >= 0 and value(q, s, last) == max_value(q, s):
        return last
    return epsilon_greedy(q, s, 0.0, stream)


@expected_value.register(Persistent)
def expected_value_persistent(
    behaviour: Persistent, q: Values, visits: Visits, s: int, exploration: float
) -> np.float32:
    """Return max_a q[s, a], as every choice is a best action."""
    return max_value(q, s)


@choose.register(Softmax)
def choose_softmax(behaviour: Softmax, q: Values, visits: Visits, s: int, exploration: float, stream: Stream) -> int:
    """Choose action a with probability proportional to exp(q[s, a] / exploration).

    The maximum is subtracted from all values first, so that no exponential overflows.

    Source:
        Sutton & Barto (2018), eq. (2.11), with action values instead of preferences.
    """
    best = np.float64(max_value(q, s))
    total = 0.0
    for a in range(row_length(q)):
        if is_available(q, s, a):
            total += np.exp((value(q, s, a) - best) / exploration)
    left = uniform(next_bits(stream)) * total
    last = 0
    for a in range(row_length(q)):
        if is_available(q, s, a):
            last = a
            left -= np.exp((value(q, s, a) - best) / exploration)
            if left < 0.0:
                return a
    return last  # only reached by rounding


@expected_value.register(Softmax)
def expected_value_softmax(behaviour: Softmax, q: Values, visits: Visits, s: int, exploration: float) -> np.float32:
    """Return the mean of q[s], weighted by exp(q[s, a] / exploration)."""
    best = np.float64(max_value(q, s))
    total, weighted = 0.0, 0.0
    for a in range(row_length(q)):
        if is_available(q, s, a):
            weight = np.exp((value(q, s, a) - best) / exploration)
            total += weight
            weighted += weight * value(q, s, a)
    return np.float32(weighted / total)


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
