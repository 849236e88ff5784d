"""A rule and an exploration strategy of one's own, compiled like those of Clew.

    clew train 10x12 --plugin examples/my_rules.py --algorithm my_rules:counted --set bonus=0.5 --episodes 2000
    clew train 10x12 --plugin examples/my_rules.py --behaviour my_rules:momentum --episodes 2000

docs/extending.md goes through it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import clew
from clew.extending import (
    EITHER_ORDER,
    Algorithm,
    Behaviour,
    Bounds,
    LearnerSpec,
    Parameter,
    Values,
    behaviour_after,
    below,
    best_action,
    choose,
    expected_value,
    explores,
    increment,
    is_available,
    kernel,
    learn,
    max_value,
    next_action_order,
    next_bits,
    num_available,
    random_action,
    row_length,
    step_size,
    td_update,
    value,
)

LOW_HALF = np.uint64(0xFFFFFFFF)


# A rule: Q-learning with an exploration bonus for what was seldom tried -----------------------------------------------


class Counted(NamedTuple):
    """Learner of Q-learning with an exploration bonus: the n-th try of an action earns bonus / sqrt(n) more.

    Source:
        Strehl & Littman (2008), MBIE-EB.
    """

    q: Values
    gamma: np.float32
    counts: npt.NDArray[np.int32]  # (num_states, num_actions), over the whole run
    bonus: np.float32


def make_counted(spec: LearnerSpec) -> Counted:
    """Allocate all memory: kernels fill arrays, and make none."""
    bonus = np.float32(spec.settings.algorithm_settings["bonus"])
    return Counted(spec.q, spec.gamma, np.zeros(spec.table.shape, np.int32), bonus)


@kernel
def bonus_of(bonus, n):
    """Return what the n-th try of an action pays more."""
    return bonus / np.sqrt(np.float32(n))


@learn.register(Counted)
def learn_counted(learner, step, alpha, exploration, stream):
    """Move q[s, a] towards reward + bonus / sqrt(n) + gamma * max_b q[s_next, b]; the last term is 0 at the end."""
    s, a = step.state, step.action
    increment(learner.counts, s, a)
    target = step.reward + bonus_of(learner.bonus, value(learner.counts, s, a))
    if not step.terminated:
        target += learner.gamma * max_value(learner.q, step.next_state)
    td_update(learner.q, s, a, target, step_size(alpha, s, a))


@next_action_order.register(Counted)
def order_of_counted(learner):
    """Return EITHER_ORDER: an update changes one value, in the row of the current state. It is faster."""
    return EITHER_ORDER


clew.register_algorithm(
    Algorithm(
        name="my_rules:counted",
        update="Q-learning target plus bonus / sqrt(tries of the action)",
        source="Strehl & Littman (2008)",
        settings=("alpha",),
        make=make_counted,
        num_bytes=lambda spec: 4 * spec.table.size,
        memory="run",  # the counts live as long as the run
        parameters=(Parameter("bonus", float, 0.1, Bounds(0.0, 100.0), "reward of the first try of an action"),),
    )
)


# A strategy: epsilon-greedy that rather goes on -----------------------------------------------------------------------


class Momentum(NamedTuple):
    """Take a random action with probability epsilon, the last one twice as often as another; else a best one."""

    last: int  # last action; -1 at the beginning of an episode


@choose.register(Momentum)
def choose_with_momentum(behaviour, q, visits, s, exploration, stream):
    """Choose an action: the high half of a draw decides whether to explore, low halves among the available actions."""
    bits = next_bits(stream)
    if not explores(bits, exploration):
        return best_action(q, s, bits & LOW_HALF)
    if counts_twice(behaviour, q, s) and below(bits & LOW_HALF, num_available(q, s) + 1) == 0:
        return behaviour.last
    return random_action(q, s, next_bits(stream) & LOW_HALF)


@kernel
def counts_twice(behaviour, q, s):
    """Return whether there is a last action, and it is available here too."""
    return behaviour.last >= 0 and is_available(q, s, behaviour.last)


@behaviour_after.register(Momentum)
def momentum_after(behaviour, a):
    """Return the strategy for the next step of the episode."""
    return Momentum(a)


@expected_value.register(Momentum)
def expected_value_with_momentum(behaviour, q, visits, s, exploration):
    """Return the expected value of a state, which expected-sarsa learns."""
    epsilon, total, n = np.float32(exploration), np.float32(0.0), num_available(q, s)
    for a in range(row_length(q)):
        if is_available(q, s, a):
            total += value(q, s, a)
    if counts_twice(behaviour, q, s):
        total += value(q, s, behaviour.last)
        n += 1
    return (np.float32(1.0) - epsilon) * max_value(q, s) + epsilon * total / np.float32(n)


clew.register_behaviour(
    "my_rules:momentum",
    Behaviour(Momentum(-1), "epsilon-greedy, with the last action twice as likely", "epsilon", Bounds(0.0, 1.0)),
)
