"""Learning rules of one step, each once: the fused loop, the replay of what actors saw and the stepwise loop call them.

A rule is a target, and a move of q[s, a] towards it. A terminated step counts no next state; a step limit is no end,
so the next state counts there.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.learning.behaviours import Visits, expected_value
from clew.kernels.learning.learners import (
    BEFORE_UPDATE,
    EITHER_ORDER,
    Step,
    learn,
    next_action_order,
    step_size,
    with_counts,
)
from clew.kernels.sampling import Stream, next_bits
from clew.kernels.values import Table, Values, assign, best_action, max_value, value


@kernel
def td_update(q: Values, s: int, a: int, target: np.float32, alpha: np.float32) -> np.float32:
    """Move q[s, a] towards a target, in place: q[s, a] += alpha * (target - q[s, a]); returns the bracket."""
    old = value(q, s, a)
    td_error = target - old
    assign(q, s, a, old + alpha * td_error)
    return td_error


# Q-learning -----------------------------------------------------------------------------------------------------------


class QLearning(NamedTuple):
    """Learn the values of the greedy policy, whatever the behaviour."""

    q: Values
    gamma: np.float32


@next_action_order.register(QLearning)
def order_of_q_learning(learner: QLearning) -> int:
    """Changes one value of one row."""
    return EITHER_ORDER


@kernel
def q_learning_update(
    q: Values,
    s: int,
    a: int,
    reward: np.float32,
    s_next: int,
    terminated: bool,
    alpha: np.float32,
    gamma: np.float32,
) -> np.float32:
    """Move q[s, a] one step towards the Q-learning target, in place.

        q[s, a] += alpha * (reward + gamma * max_b q[s_next, b] - q[s, a])

    Args:
        q: (num_states, num_actions) float32, action values; changed in place.
        s: state in which the action was taken.
        a: action.
        reward: what the transition paid.
        s_next: state that followed.
        terminated: True if s_next ends the episode; it then counts as value 0. A time limit is not termination.
        alpha: step size, in (0, 1].
        gamma: discount per step, in [0, 1].

    Returns:
        TD error before the update, in units of reward.

    Source:
        Sutton & Barto (2018), eq. (6.8).
    """
    target = reward
    if not terminated:
        target += gamma * max_value(q, s_next)
    return td_update(q, s, a, target, alpha)


@learn.register(QLearning)
def learn_q(learner: QLearning, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """See `q_learning_update`."""
    s, a = step.state, step.action
    alpha_sa = step_size(alpha, s, a)
    q_learning_update(learner.q, s, a, step.reward, step.next_state, step.terminated, alpha_sa, learner.gamma)


# Sarsa ----------------------------------------------------------------------------------------------------------------


class Sarsa(NamedTuple):
    """Learn the values of the behaviour itself, exploring included."""

    q: Values
    gamma: np.float32


@next_action_order.register(Sarsa)
def order_of_sarsa(learner: Sarsa) -> int:
    """The target asks for the next action."""
    return BEFORE_UPDATE


@learn.register(Sarsa)
def learn_sarsa(learner: Sarsa, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """q[s, a] += alpha * (reward + gamma * q[s_next, a_next] - q[s, a]).

    Source:
        Sutton & Barto (2018), eq. (6.7).
    """
    target = step.reward
    if not step.terminated:
        target += learner.gamma * value(learner.q, step.next_state, step.next_action)
    td_update(learner.q, step.state, step.action, target, step_size(alpha, step.state, step.action))


# Expected Sarsa -------------------------------------------------------------------------------------------------------


class ExpectedSarsa(NamedTuple):
    """Sarsa without the chance in the next action: all that the behaviour might do counts as likely as it is."""

    q: Values
    gamma: np.float32
    behaviour: Any
    visits: Visits


@next_action_order.register(ExpectedSarsa)
def order_of_expected_sarsa(learner: ExpectedSarsa) -> int:
    """Changes one value of one row."""
    return EITHER_ORDER


@learn.register(ExpectedSarsa)
def learn_expected_sarsa(learner: ExpectedSarsa, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """q[s, a] += alpha * (reward + gamma * sum_b pi(b | s_next) q[s_next, b] - q[s, a]).

    Source:
        Sutton & Barto (2018), eq. (6.9).
    """
    target = step.reward
    if not step.terminated:
        expected = expected_value(learner.behaviour, learner.q, learner.visits, step.next_state, exploration)
        target += learner.gamma * expected
    td_update(learner.q, step.state, step.action, target, step_size(alpha, step.state, step.action))


# Double Q-learning ----------------------------------------------------------------------------------------------------


class DoubleQLearning(NamedTuple):
    """Two tables: one says which action is best, the other what it is worth, so that luck is not taken for value."""

    q: Values  # the mean of the two, by which the behaviour acts
    q1: Table
    q2: Table
    q1_counts: npt.NDArray[np.int32]  # moves of each value of a table, as in `AverageStep`; empty if nobody asks
    q2_counts: npt.NDArray[np.int32]
    gamma: np.float32


@kernel
def double_q_update(q1: Table, q2: Table, step: Step, alpha: np.float32, gamma: np.float32, bits: np.uint64) -> None:
    """learned[s, a] += alpha * (reward + gamma * judge[s_next, argmax_b learned[s_next, b]] - learned[s, a])."""
    target = step.reward
    if not step.terminated:
        best = best_action(q1, step.next_state, bits >> np.uint64(32))
        target += gamma * q2[step.next_state, best]
    td_update(q1, step.state, step.action, target, alpha)


@learn.register(DoubleQLearning)
def learn_double_q(learner: DoubleQLearning, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Toss a coin for the table that learns; the other one judges. Takes one draw.

    Source:
        Sutton & Barto (2018), eq. (6.10).
    """
    s, a = step.state, step.action
    bits = next_bits(stream)
    if bits & np.uint64(1):
        alpha_sa = step_size(with_counts(alpha, learner.q1_counts), s, a)
        double_q_update(learner.q1, learner.q2, step, alpha_sa, learner.gamma, bits)
    else:
        alpha_sa = step_size(with_counts(alpha, learner.q2_counts), s, a)
        double_q_update(learner.q2, learner.q1, step, alpha_sa, learner.gamma, bits)
    assign(learner.q, s, a, np.float32(0.5) * (learner.q1[s, a] + learner.q2[s, a]))
