"""What the loop of `rollouts` asks of a learner: four functions, each with an implementation for each kind of learner.

    learn     take in one step: this is the rule
    begin     an episode begins
    finish    an episode has ended
    order     is the next action chosen before the rule is applied, or after?

A learner is a named tuple of what its rule works on: the action values `q` that the behaviour reads, first of all, then
settings and memory. The modules that import this one define them, rule by rule.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch
from clew.kernels.sampling import Stream
from clew.kernels.values import increment

# When the next action is chosen. On-policy rules need to know it; off-policy ones choose with what they have learned.
# Where a rule changes no other row than that of the state, both come to the same unless the state stays as it is. Then
# EITHER lets the loop choose first where it may, so that the processor need not wait for the update to choose.
BEFORE_UPDATE, AFTER_UPDATE, EITHER_ORDER = 0, 1, 2


class Step(NamedTuple):
    """One step of an episode, as a rule sees it."""

    state: int
    action: int
    reward: np.float32
    next_state: int
    next_action: int  # -1 where none was chosen before the rule is applied
    terminated: bool  # next_state ends the episode, and counts 0; a step limit doesn't


class ConstantStepSize(NamedTuple):
    """How far a value moves towards its target."""

    value: np.float32  # alpha, in (0, 1]


class SampleAverageStepSize(NamedTuple):
    """One over the number of times that the value was moved: it is then the average of its targets."""

    value: np.float32  # not asked
    counts: npt.NDArray[np.int32]  # (num_states, num_actions), that number


@dispatch
def step_size(alpha: Any, s: int, a: int) -> np.float32:
    """The step size for a move of the value of (s, a)."""
    return alpha.value


@step_size.register(SampleAverageStepSize)
def average_step_size(alpha: SampleAverageStepSize, s: int, a: int) -> np.float32:
    """Counts the move, in place."""
    increment(alpha.counts, s, a)
    return np.float32(1.0 / alpha.counts[s, a])


@dispatch
def without_counting(alpha: Any) -> Any:
    """The step size for a move that learns nothing new, such as one from memory: it isn't counted."""
    return alpha


class UncountedAverageStepSize(NamedTuple):
    """One over the number of times that the value was moved, without counting."""

    counts: npt.NDArray[np.int32]  # (num_states, num_actions)


@without_counting.register(SampleAverageStepSize)
def average_without_counting(alpha: SampleAverageStepSize) -> UncountedAverageStepSize:
    """Only what happened counts."""
    return UncountedAverageStepSize(alpha.counts)


@step_size.register(UncountedAverageStepSize)
def uncounted_average_step_size(alpha: UncountedAverageStepSize, s: int, a: int) -> np.float32:
    """As it was at the last move that counted."""
    return np.float32(1.0 / max(alpha.counts[s, a], 1))


class CountedStepSize(NamedTuple):
    """A step size, where the moves of each value are counted: `merging` asks how much of what was there is left."""

    value: np.float32  # alpha, in (0, 1]
    counts: npt.NDArray[np.int32]  # (num_states, num_actions)


@step_size.register(CountedStepSize)
def counted_step_size(alpha: CountedStepSize, s: int, a: int) -> np.float32:
    """Counts the move, in place."""
    increment(alpha.counts, s, a)
    return alpha.value


@without_counting.register(CountedStepSize)
def counted_without_counting(alpha: CountedStepSize) -> ConstantStepSize:
    """Only what happened counts."""
    return ConstantStepSize(alpha.value)


@dispatch
def with_counts(alpha: Any, counts: npt.NDArray[np.int32]) -> Any:
    """The step size for a table with moves of its own."""
    return alpha


@with_counts.register(SampleAverageStepSize)
def average_with_counts(alpha: SampleAverageStepSize, counts: npt.NDArray[np.int32]) -> SampleAverageStepSize:
    """With the number of its own moves."""
    return SampleAverageStepSize(alpha.value, counts)


@with_counts.register(CountedStepSize)
def counted_with_counts(alpha: CountedStepSize, counts: npt.NDArray[np.int32]) -> CountedStepSize:
    """With the number of its own moves."""
    return CountedStepSize(alpha.value, counts)


@dispatch
def next_action_order(learner: Any) -> int:
    """BEFORE, AFTER or EITHER."""
    return AFTER_UPDATE


@dispatch
def begin_episode(learner: Any) -> None:
    """Forget what belongs to the last episode."""


@dispatch
def learn(learner: Any, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Learn from one step, in place.

    Args:
        learner: named tuple of arrays and settings; the arrays are changed in place.
        step: what happened.
        alpha: step size; ask `step_size`.
        exploration: how much the behaviour explores now, for rules that ask what it would do.
        stream: (2,) uint64, for rules that draw; changed in place.
    """


@dispatch
def end_episode(learner: Any, alpha: Any, exploration: float, stream: Stream) -> None:
    """Learn what could not be learned before the end of the episode, in place."""
