"""Names that update rules and exploration strategies of users need; docs/extending.md shows how both are written.

    name                                    what it is
    --------------------------------------  ----------------------------------------------------------------------------
    Algorithm, Parameter, LearnerSpec       what an algorithm declares, and what its `make` is told
    Behaviour, Bounds                       what an exploration strategy declares, and the range of a number
    kernel                                  decorator of a function that is compiled

    learn, end_episode                      update rules; `@learn.register(CLASS)` registers one for a learner
    begin_episode                           clears what is remembered of the episode before
    next_action_order                       BEFORE_UPDATE, AFTER_UPDATE or EITHER_ORDER: when the next action is chosen
    Step                                    what a rule learns from: a transition
    step_size, without_counting             the step size of an update
    with_counts                             the same with the counts of another table
    td_update                               move a value towards a target

    value, assign, max_value, best_action   read and write action values, `Values`, whatever their form
    num_best_actions, row_length, increment
    is_available, num_available             actions that are available in a state; others have the value -inf
    random_action                           one of them, drawn uniformly

    choose                                  exploration strategies; `@choose.register(CLASS)` registers one
    expected_value                          their expectation, which expected-sarsa needs
    count_visit, behaviour_after            what they remember: tries of actions, the action before
    epsilon_greedy, explores                parts of strategies
    Visits                                  (num_states, num_actions) int32, tries of each action

    Stream, next_bits, below, uniform       random numbers

>>> import clew
>>> from clew.extending import learn
>>> from clew.kernels.learning.updates import QLearning
>>> learn.implements(QLearning), learn.implements(tuple)
(True, False)
"""

from clew.kernels import kernel
from clew.kernels.learning.behaviours import (
    Visits,
    behaviour_after,
    choose,
    count_visit,
    epsilon_greedy,
    expected_value,
    explores,
)
from clew.kernels.learning.learners import (
    AFTER_UPDATE,
    BEFORE_UPDATE,
    EITHER_ORDER,
    Step,
    begin_episode,
    end_episode,
    learn,
    next_action_order,
    step_size,
    with_counts,
    without_counting,
)
from clew.kernels.learning.updates import td_update
from clew.kernels.sampling import Stream, below, next_bits, uniform
from clew.kernels.values import (
    Values,
    assign,
    best_action,
    increment,
    is_available,
    max_value,
    num_available,
    num_best_actions,
    random_action,
    row_length,
    value,
)
from clew.learning.declarations import Algorithm, LearnerSpec, Parameter
from clew.policies.behaviours import Behaviour
from clew.settings import Bounds

__all__ = [
    "AFTER_UPDATE",
    "BEFORE_UPDATE",
    "EITHER_ORDER",
    "Algorithm",
    "Behaviour",
    "Bounds",
    "LearnerSpec",
    "Parameter",
    "Step",
    "Stream",
    "Values",
    "Visits",
    "assign",
    "begin_episode",
    "behaviour_after",
    "below",
    "best_action",
    "choose",
    "count_visit",
    "end_episode",
    "epsilon_greedy",
    "expected_value",
    "explores",
    "increment",
    "is_available",
    "kernel",
    "learn",
    "max_value",
    "next_action_order",
    "next_bits",
    "num_available",
    "num_best_actions",
    "random_action",
    "row_length",
    "step_size",
    "td_update",
    "uniform",
    "value",
    "with_counts",
    "without_counting",
]
