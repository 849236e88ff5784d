"""What a learner is told by others: values of states that it doesn't learn itself.

    tell(learner, states, values)   these states are worth so much
    propagate_boundary_values(learner)                let what follows from that reach all states that it concerns

Sections of a world are learned apart from each other so, and yet as one.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch, kernel
from clew.kernels.learning.queues import num_waiting, peek, push
from clew.kernels.learning.sweeping import Sweeping, back_up_predecessors
from clew.kernels.values import assign, max_value, row_length


@kernel
def fill_row(learner: Any, s: int, value: np.float32) -> None:
    """Every action of a state is worth the same."""
    for a in range(row_length(learner.q)):
        assign(learner.q, s, a, value)


@dispatch
def set_boundary_values(learner: Any, states: npt.NDArray[np.int32], values: npt.NDArray[np.float32]) -> None:
    """Set what some states are worth, in place; steps that lead there will see it.

    Args:
        learner: see `learners`; changed in place.
        states: the best first.
        values: of each.
    """
    for i in range(states.size):
        fill_row(learner, np.int64(states[i]), values[i])


@set_boundary_values.register(Sweeping)
def set_boundary_values_sweeping(
    learner: Sweeping, states: npt.NDArray[np.int32], values: npt.NDArray[np.float32]
) -> None:
    """What is known to lead there waits to be backed up.

    States that wait and are better have their turn before a state is told of. So values spread from the best to the
    worst, as in a search from several ends, and hardly any is found that a better one replaces: a tenth of the time.
    """
    for i in range(states.size):
        while num_waiting(learner.queue) > 0 and max_value(learner.q, peek(learner.queue)) > values[i]:
            back_up_predecessors(learner, 1)
        s = np.int64(states[i])
        change = abs(values[i] - max_value(learner.q, s))
        fill_row(learner, s, values[i])
        if change > learner.threshold:
            push(learner.queue, s, change)


@dispatch
def propagate_boundary_values(learner: Any) -> None:
    """Back up all that waits. Who keeps no model has nothing to back up before the next step."""


@propagate_boundary_values.register(Sweeping)
def propagate_boundary_values_sweeping(learner: Sweeping) -> None:
    """Until nothing waits."""
    while num_waiting(learner.queue) > 0:
        back_up_predecessors(learner, num_waiting(learner.queue))
