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
from clew.kernels.values import count_up

# When the next action is chosen. On-policy rules need to know it; off-policy ones choose with what they have learned.
# Where a rule changes no other row than that of the state, both come to the same unless the state stays as it is. Then
# EITHER lets the loop choose first where it may, so that the processor need not wait for the update to choose.
BEFORE, AFTER, EITHER = 0, 1, 2


class Step(NamedTuple):
    """One step of an episode, as a rule sees it."""

    state: int
    action: int
    reward: np.float32
    next_state: int
    next_action: int  # -1 where none was chosen before the rule is applied
    terminated: bool  # next_state ends the episode, and counts 0; a step limit doesn't


class StepSize(NamedTuple):
    """How far a value moves towards its target."""

    rate: np.float32  # alpha, in (0, 1]


class AverageStep(NamedTuple):
    """One over the number of times that the value was moved: it is then the average of its targets."""

    rate: np.float32  # not asked
    counts: npt.NDArray[np.int32]  # (num_states, num_actions), that number


@dispatch
def step_size(alpha: Any, s: int, a: int) -> np.float32:
    """The step size for a move of the value of (s, a)."""
    return alpha.rate


@step_size.register(AverageStep)
def average_step_size(alpha: AverageStep, s: int, a: int) -> np.float32:
    """Counts the move, in place."""
    count_up(alpha.counts, s, a)
    return np.float32(1.0 / alpha.counts[s, a])


@dispatch
def repeated(alpha: Any) -> Any:
    """The step size for a move that learns nothing new, such as one from memory: it isn't counted."""
    return alpha


class RepeatedStep(NamedTuple):
    """One over the number of times that the value was moved, without counting."""

    counts: npt.NDArray[np.int32]  # (num_states, num_actions)


@repeated.register(AverageStep)
def repeated_average(alpha: AverageStep) -> RepeatedStep:
    """Only what happened counts."""
    return RepeatedStep(alpha.counts)


@step_size.register(RepeatedStep)
def repeated_step_size(alpha: RepeatedStep, s: int, a: int) -> np.float32:
    """As it was at the last move that counted."""
    return np.float32(1.0 / max(alpha.counts[s, a], 1))


class CountedStep(NamedTuple):
    """A step size, where the moves of each value are counted: `merging` asks how much of what was there is left."""

    rate: np.float32  # alpha, in (0, 1]
    counts: npt.NDArray[np.int32]  # (num_states, num_actions)


@step_size.register(CountedStep)
def counted_step_size(alpha: CountedStep, s: int, a: int) -> np.float32:
    """Counts the move, in place."""
    count_up(alpha.counts, s, a)
    return alpha.rate


@repeated.register(CountedStep)
def repeated_counted(alpha: CountedStep) -> StepSize:
    """Only what happened counts."""
    return StepSize(alpha.rate)


@dispatch
def counted_in(alpha: Any, counts: npt.NDArray[np.int32]) -> Any:
    """The step size for a table with moves of its own."""
    return alpha


@counted_in.register(AverageStep)
def average_counted_in(alpha: AverageStep, counts: npt.NDArray[np.int32]) -> AverageStep:
    """With the number of its own moves."""
    return AverageStep(alpha.rate, counts)


@counted_in.register(CountedStep)
def counted_step_in(alpha: CountedStep, counts: npt.NDArray[np.int32]) -> CountedStep:
    """With the number of its own moves."""
    return CountedStep(alpha.rate, counts)


@dispatch
def order(learner: Any) -> int:
    """BEFORE, AFTER or EITHER."""
    return AFTER


@dispatch
def begin(learner: Any) -> None:
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
def finish(learner: Any, alpha: Any, exploration: float, stream: Stream) -> None:
    """Learn what could not be learned before the end of the episode, in place."""
