"""The protocol between update rules and episode loops, and step sizes.

A learner is a named tuple of what its update rule works on: first `q`, the action values that the behaviour policy
reads, then settings and memory. The episode loops call four functions, which each module of update rules implements for
its learners:

    begin_episode(learner)                                  called before the first step of an episode
    learn(learner, step, alpha, exploration, stream)        called after every step: the update rule
    end_episode(learner, alpha, exploration, stream)        called after the last step of an episode
    next_action_order(learner)                              choose the next action before or after `learn`?

A step size `alpha` is one of the named tuples below. It is read by `step_size(alpha, s, a)`, which also counts the
update if the step size counts updates.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch
from clew.kernels.sampling import Stream
from clew.kernels.values import increment

# When the next action is chosen. An on-policy target contains it: BEFORE_UPDATE. Else it is chosen from the updated
# values: AFTER_UPDATE. If an update changes only the row of the current state, both orders give the same result unless
# the next state is the same state. EITHER_ORDER then lets the loop choose first, without waiting for the update.
BEFORE_UPDATE, AFTER_UPDATE, EITHER_ORDER = 0, 1, 2


class Step(NamedTuple):
    """One step, as an update rule sees it: a transition, and the next action if it was chosen before the update.

    >>> from clew.extending import Step
    >>> Step(state=0, action=3, reward=1.0, next_state=1, next_action=-1, terminated=True).next_state
    1
    """

    state: int
    action: int
    reward: np.float32
    next_state: int
    next_action: int  # -1 if it wasn't chosen before the update
    terminated: bool  # next_state ends the episode, and its value is 0; False if a step limit does


class ConstantStepSize(NamedTuple):
    """Constant step size."""

    value: np.float32  # alpha, in (0, 1]


class SampleAverageStepSize(NamedTuple):
    """Step size of 1 / n for the n-th update of a value, which makes the value the average of its targets.

    Source:
        Sutton & Barto (2018), eq. (2.3).
    """

    value: np.float32  # not used
    counts: npt.NDArray[np.int32]  # (num_states, num_actions), number of updates of each value


@dispatch
def step_size(alpha: Any, s: int, a: int) -> np.float32:
    """Return the step size for an update of q[s, a]; count the update, in place, if the step size counts updates.

    Call it once per update.

    >>> import numpy as np
    >>> from clew.extending import step_size
    >>> from clew.kernels.learning.learners import SampleAverageStepSize
    >>> alpha = SampleAverageStepSize(np.float32(0.0), np.zeros((1, 2), np.int32))
    >>> print(step_size(alpha, 0, 1), step_size(alpha, 0, 1), alpha.counts.tolist())
    1.0 0.5 [[0, 2]]
    """
    return alpha.value


@step_size.register(SampleAverageStepSize)
def average_step_size(alpha: SampleAverageStepSize, s: int, a: int) -> np.float32:
    """Count an update of q[s, a], in place, and return 1 over the number of its updates."""
    increment(alpha.counts, s, a)
    return np.float32(1.0 / alpha.counts[s, a])


@dispatch
def without_counting(alpha: Any) -> Any:
    """Return the step size for updates that aren't counted, such as those from remembered transitions.

    By default the step size itself, which doesn't count.

    >>> import numpy as np
    >>> from clew.extending import kernel, step_size, without_counting
    >>> from clew.kernels.learning.learners import CountedStepSize
    >>> alpha = CountedStepSize(np.float32(0.5), np.zeros((1, 2), np.int32))
    >>> print(step_size(without_counting(alpha), 0, 1), alpha.counts.tolist())
    0.5 [[0, 0]]
    """
    return alpha


class UncountedAverageStepSize(NamedTuple):
    """Step size of 1 / n after n counted updates of a value; it doesn't count."""

    counts: npt.NDArray[np.int32]  # (num_states, num_actions)


@without_counting.register(SampleAverageStepSize)
def average_without_counting(alpha: SampleAverageStepSize) -> UncountedAverageStepSize:
    """Return a step size of 1 over the number of counted updates, which doesn't count."""
    return UncountedAverageStepSize(alpha.counts)


@step_size.register(UncountedAverageStepSize)
def uncounted_average_step_size(alpha: UncountedAverageStepSize, s: int, a: int) -> np.float32:
    """Return 1 over the number of counted updates of q[s, a], or 1 if there are none."""
    return np.float32(1.0 / max(alpha.counts[s, a], 1))


class CountedStepSize(NamedTuple):
    """Constant step size; also counts the updates of each value, which `merging` needs."""

    value: np.float32  # alpha, in (0, 1]
    counts: npt.NDArray[np.int32]  # (num_states, num_actions)


@step_size.register(CountedStepSize)
def counted_step_size(alpha: CountedStepSize, s: int, a: int) -> np.float32:
    """Count an update of q[s, a], in place, and return the constant step size."""
    increment(alpha.counts, s, a)
    return alpha.value


@without_counting.register(CountedStepSize)
def counted_without_counting(alpha: CountedStepSize) -> ConstantStepSize:
    """Return the constant step size, which doesn't count."""
    return ConstantStepSize(alpha.value)


@dispatch
def with_counts(alpha: Any, counts: npt.NDArray[np.int32]) -> Any:
    """Return the step size with other counts, for a learner with more than one table.

    By default the step size itself, which has no counts.

    >>> import numpy as np
    >>> from clew.extending import step_size, with_counts
    >>> from clew.kernels.learning.learners import SampleAverageStepSize
    >>> alpha = SampleAverageStepSize(np.float32(0.0), np.zeros((1, 2), np.int32))
    >>> print(step_size(with_counts(alpha, np.array([[0, 3]], np.int32)), 0, 1), alpha.counts.tolist())
    0.25 [[0, 0]]
    """
    return alpha


@with_counts.register(SampleAverageStepSize)
def average_with_counts(alpha: SampleAverageStepSize, counts: npt.NDArray[np.int32]) -> SampleAverageStepSize:
    """Return a sample-average step size that uses the given counts."""
    return SampleAverageStepSize(alpha.value, counts)


@with_counts.register(CountedStepSize)
def counted_with_counts(alpha: CountedStepSize, counts: npt.NDArray[np.int32]) -> CountedStepSize:
    """Return a counted step size that uses the given counts."""
    return CountedStepSize(alpha.value, counts)


@dispatch
def next_action_order(learner: Any) -> int:
    """Return when the next action is chosen: BEFORE_UPDATE, AFTER_UPDATE (the default) or EITHER_ORDER.

    >>> from typing import NamedTuple
    >>> import numpy as np
    >>> from clew.extending import BEFORE_UPDATE, Values, next_action_order
    >>> class OnPolicy(NamedTuple):
    ...     q: Values
    >>> @next_action_order.register(OnPolicy)
    ... def order(learner):
    ...     return BEFORE_UPDATE
    >>> print(next_action_order(OnPolicy(np.zeros((1, 2), np.float32))))
    0
    """
    return AFTER_UPDATE


@dispatch
def begin_episode(learner: Any) -> None:
    """Clear what the learner remembers of the episode before; by default nothing.

    >>> from typing import NamedTuple
    >>> import numpy as np
    >>> from clew.extending import Values, begin_episode
    >>> class Counter(NamedTuple):
    ...     q: Values
    ...     num_episodes: np.ndarray
    >>> @begin_episode.register(Counter)
    ... def count_episode(learner):
    ...     learner.num_episodes[0] += 1
    >>> learner = Counter(np.zeros((1, 2), np.float32), np.zeros(1, np.int64))
    >>> begin_episode(learner)
    >>> learner.num_episodes.tolist()
    [1]
    """


@dispatch
def learn(learner: Any, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Update the learner from one step, in place: this is the update rule.

    Args:
        learner: named tuple of arrays and settings; the arrays are changed in place.
        step: transition, and the next action if it was chosen before the update.
        alpha: step size, one of the named tuples of this module; read it by `step_size`.
        exploration: how much the behaviour policy explores now, for rules that need its probabilities.
        stream: (2,) uint64, for rules that draw random numbers; changed in place.

    >>> from typing import NamedTuple
    >>> import numpy as np
    >>> from clew.extending import Step, Values, learn, td_update
    >>> class Rewards(NamedTuple):
    ...     q: Values
    >>> @learn.register(Rewards)
    ... def learn_rewards(learner, step, alpha, exploration, stream):
    ...     td_update(learner.q, step.state, step.action, step.reward, np.float32(0.5))
    >>> learner, stream = Rewards(np.zeros((1, 2), np.float32)), np.array([1, 3], np.uint64)
    >>> learn(learner, Step(0, 1, np.float32(1.0), 0, -1, True), 0.5, 0.0, stream)
    >>> learner.q.tolist()
    [[0.0, 0.5]]
    """


@dispatch
def end_episode(learner: Any, alpha: Any, exploration: float, stream: Stream) -> None:
    """Apply, in place, the updates that need the end of the episode; by default none. Arguments as for `learn`.

    >>> from typing import NamedTuple
    >>> import numpy as np
    >>> from clew.extending import Values, assign, end_episode
    >>> class Fresh(NamedTuple):
    ...     q: Values
    >>> @end_episode.register(Fresh)
    ... def forget_start(learner, alpha, exploration, stream):
    ...     assign(learner.q, 0, 0, np.float32(0.0))
    >>> learner = Fresh(np.ones((1, 2), np.float32))
    >>> end_episode(learner, 0.5, 0.0, np.array([1, 3], np.uint64))
    >>> learner.q.tolist()
    [[0.0, 1.0]]
    """
