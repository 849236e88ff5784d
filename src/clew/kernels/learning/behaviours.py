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
from clew.kernels.sampling import Stream, next_bits, uniform
from clew.kernels.values import (
    Values,
    best_action,
    best_or_random_action,
    is_available,
    max_value,
    num_available,
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

    >>> import clew
    >>> import numpy as np
    >>> from clew.extending import choose
    >>> q, visits = np.array([[0.0, 0.5, 0.25]], np.float32), np.zeros((1, 3), np.int32)
    >>> print(choose(clew.BEHAVIOURS["greedy"].strategy, q, visits, 0, 0.0, np.array([1, 3], np.uint64)))
    1
    """
    return random_action(q, s, next_bits(stream) & _LOW_HALF)


@dispatch
def expected_value(behaviour: Any, q: Values, visits: Visits, s: int, exploration: float) -> np.float32:
    """Return the expected value of state s under the behaviour policy, sum over b of pi(b | s) * q[s, b].

    The default is the mean of q[s] over the available actions, for a uniformly random one. Arguments as for `choose`.

    >>> import clew
    >>> import numpy as np
    >>> from clew.extending import expected_value
    >>> q, visits = np.array([[0.0, 1.0]], np.float32), np.zeros((1, 2), np.int32)
    >>> print(expected_value(clew.BEHAVIOURS["epsilon-greedy"].strategy, q, visits, 0, 0.5))
    0.75
    """
    total = np.float32(0.0)
    for a in range(row_length(q)):
        if is_available(q, s, a):
            total += value(q, s, a)
    return total / np.float32(num_available(q, s))


@dispatch
def count_visit(behaviour: Any, visits: Visits, s: int, a: int) -> None:
    """Add 1 to visits[s, a], in place, after action a in state s; by default nothing is counted.

    >>> import clew
    >>> import numpy as np
    >>> from clew.extending import count_visit
    >>> visits = np.zeros((1, 3), np.int32)
    >>> count_visit(clew.BEHAVIOURS["ucb"].strategy, visits, 0, 2)
    >>> visits.tolist()
    [[0, 0, 1]]
    """


@dispatch
def behaviour_after(behaviour: Any, a: int) -> Any:
    """Return the behaviour for the step after action a, of the same type; by default the behaviour itself.

    >>> import clew
    >>> from clew.extending import behaviour_after
    >>> behaviour_after(clew.BEHAVIOURS["persistent"].strategy, 2)
    Persistent(last=2)
    """
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

    >>> import numpy as np
    >>> from clew.extending import explores
    >>> print(explores(np.uint64(2**62), 0.3), explores(np.uint64(2**63), 0.3))
    True False
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

    >>> import numpy as np
    >>> from clew.extending import epsilon_greedy
    >>> q, stream = np.array([[0.0, 0.5, 0.25]], np.float32), np.array([2, 3], np.uint64)
    >>> print(*(epsilon_greedy(q, 0, 0.5, stream) for _ in range(8)))
    1 1 2 2 1 0 2 1
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
