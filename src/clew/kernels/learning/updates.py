"""One-step update rules: Q-learning, Sarsa, Expected Sarsa and double Q-learning.

Each rule computes a target from one transition, and `td_update` moves q[s, a] a fraction alpha towards it:

    Q-learning            reward + gamma * max_b q[s_next, b]                                S&B eq. (6.8)
    Sarsa                 reward + gamma * q[s_next, a_next]                                 S&B eq. (6.7)
    Expected Sarsa        reward + gamma * sum_b pi(b | s_next) q[s_next, b]                 S&B eq. (6.9)
    double Q-learning     reward + gamma * q2[s_next, argmax_b q1[s_next, b]]                S&B eq. (6.10)

If the transition is terminated the target is the reward alone. A step limit isn't termination: the next state then
counts as in any other step. S&B is Sutton & Barto (2018), Reinforcement learning: an introduction, second edition.

Every rule is written once; the episode loops, the replay of recorded transitions and the loop over environments that
only step all call it, by `learners.learn`.
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
    """Move q[s, a] towards a target, in place. Every rule that has one target per update calls this kernel.

        q[s, a] += alpha * (target - q[s, a])

    Args:
        q: (num_states, num_actions) float32, action values; changed in place.
        s: state whose value changes.
        a: action whose value changes.
        target: estimate of the return from taking a in s.
        alpha: step size, in (0, 1].

    Returns:
        TD error before the update, target - q[s, a].

    Source:
        Sutton & Barto (2018), eq. (2.4).

    >>> import numpy as np
    >>> from clew.extending import td_update
    >>> q = np.array([[1.0, 0.0]], np.float32)
    >>> print(td_update(q, 0, 0, np.float32(3.0), np.float32(0.5)))
    2.0
    >>> q.tolist()
    [[2.0, 0.0]]
    """
    old = value(q, s, a)
    td_error = target - old
    assign(q, s, a, old + alpha * td_error)
    return td_error


# Q-learning -----------------------------------------------------------------------------------------------------------


class QLearning(NamedTuple):
    """Learner of Q-learning: off-policy, learns the values of the greedy policy. See `q_learning_update`."""

    q: Values
    gamma: np.float32


@next_action_order.register(QLearning)
def order_of_q_learning(learner: QLearning) -> int:
    """Return EITHER_ORDER: the update changes one value, in the row of the current state."""
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
        a: action that was taken.
        reward: reward of the transition.
        s_next: state after the transition.
        terminated: True if s_next ends the episode; its value is then 0. A time limit is not termination.
        alpha: step size, in (0, 1].
        gamma: discount per step, in [0, 1].

    Returns:
        TD error before the update, in reward units.

    Source:
        Sutton & Barto (2018), eq. (6.8).
    """
    target = reward
    if not terminated:
        target += gamma * max_value(q, s_next)
    return td_update(q, s, a, target, alpha)


@learn.register(QLearning)
def learn_q(learner: QLearning, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Apply `q_learning_update` to one transition."""
    s, a = step.state, step.action
    alpha_sa = step_size(alpha, s, a)
    q_learning_update(learner.q, s, a, step.reward, step.next_state, step.terminated, alpha_sa, learner.gamma)


# Sarsa ----------------------------------------------------------------------------------------------------------------


class Sarsa(NamedTuple):
    """Learner of Sarsa: on-policy, learns the values of the behaviour policy, exploration included."""

    q: Values
    gamma: np.float32


@next_action_order.register(Sarsa)
def order_of_sarsa(learner: Sarsa) -> int:
    """Return BEFORE_UPDATE: the target contains the value of the next action."""
    return BEFORE_UPDATE


@learn.register(Sarsa)
def learn_sarsa(learner: Sarsa, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Move q[s, a] one step towards the Sarsa target, in place.

        q[s, a] += alpha * (reward + gamma * q[s_next, a_next] - q[s, a])

    The value of s_next is 0 if the transition is terminated.

    Source:
        Sutton & Barto (2018), eq. (6.7).
    """
    target = step.reward
    if not step.terminated:
        target += learner.gamma * value(learner.q, step.next_state, step.next_action)
    td_update(learner.q, step.state, step.action, target, step_size(alpha, step.state, step.action))


# Expected Sarsa -------------------------------------------------------------------------------------------------------


class ExpectedSarsa(NamedTuple):
    """Learner of Expected Sarsa: on-policy; Sarsa with the expectation over the next action instead of a sample.

    `behaviour` and `visits` are those that the episodes are played with; they determine the expectation.
    """

    q: Values
    gamma: np.float32
    behaviour: Any
    visits: Visits


@next_action_order.register(ExpectedSarsa)
def order_of_expected_sarsa(learner: ExpectedSarsa) -> int:
    """Return EITHER_ORDER: the update changes one value, in the row of the current state."""
    return EITHER_ORDER


@learn.register(ExpectedSarsa)
def learn_expected_sarsa(learner: ExpectedSarsa, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Move q[s, a] one step towards the Expected Sarsa target, in place.

        q[s, a] += alpha * (reward + gamma * sum_b pi(b | s_next) q[s_next, b] - q[s, a])

    pi is the behaviour policy with the given exploration. The value of s_next is 0 if the transition is terminated.

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
    """Learner of double Q-learning: off-policy, with two tables, which removes the maximization bias of Q-learning.

    One table selects the best next action, the other evaluates it, so that a value that is too high by noise isn't used
    for both.
    """

    q: Values  # mean of q1 and q2, which the behaviour policy reads
    q1: Table
    q2: Table
    q1_counts: npt.NDArray[np.int32]  # number of updates of each value of q1; empty if they aren't counted
    q2_counts: npt.NDArray[np.int32]
    gamma: np.float32


@kernel
def double_q_update(q1: Table, q2: Table, step: Step, alpha: np.float32, gamma: np.float32, bits: np.uint64) -> None:
    """Move q1[s, a] one step towards the double Q-learning target, in place.

        q1[s, a] += alpha * (reward + gamma * q2[s_next, argmax_b q1[s_next, b]] - q1[s, a])

    Args:
        q1: (num_states, num_actions) float32, the table that is updated, and selects the next action.
        q2: (num_states, num_actions) float32, the table that evaluates it; only read.
        step: transition; the value of its next state is 0 if it is terminated.
        alpha: step size, in (0, 1].
        gamma: discount per step, in [0, 1].
        bits: 64 random bits; the high 32 break ties of the argmax.

    Source:
        Sutton & Barto (2018), eq. (6.10).
    """
    target = step.reward
    if not step.terminated:
        best = best_action(q1, step.next_state, bits >> np.uint64(32))
        target += gamma * q2[step.next_state, best]
    td_update(q1, step.state, step.action, target, alpha)


@learn.register(DoubleQLearning)
def learn_double_q(learner: DoubleQLearning, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Update one of the two tables, chosen with probability 1/2, by `double_q_update`; then set q[s, a] to their mean.

    Takes one draw from the stream.

    Source:
        Sutton & Barto (2018), section 6.7.
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
