"""Update rules with eligibility traces: Sarsa(lambda), Watkins's Q(lambda) and true online Sarsa(lambda).

The eligibility of a pair (s, a) says how much of the current TD error its value receives. Pairs whose eligibility is at
least NEGLIGIBLE are listed, so that a step takes time in proportion to the list, not to the table.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.learning.learners import (
    BEFORE_UPDATE,
    Step,
    begin_episode,
    learn,
    next_action_order,
    step_size,
    without_counting,
)
from clew.kernels.sampling import Stream
from clew.kernels.values import Values, assign, max_value, row_length, value

NEGLIGIBLE = np.float32(1e-4)  # smaller eligibilities become 0


class Traces(NamedTuple):
    """Eligibility traces: the eligibility of each pair `s * num_actions + a`, and the list of pairs that have one."""

    eligibility: npt.NDArray[np.float32]  # (num_states * num_actions,), e
    pairs: npt.NDArray[np.int64]  # (num_states * num_actions,), the list: its first `count[0]` entries
    count: npt.NDArray[np.int64]  # (1,), number of pairs with an eligibility above 0
    decay: np.float32  # gamma * lambda
    retained: np.float32  # share of e that is kept when its pair is taken again: 0 replacing traces, 1 accumulating


@kernel
def clear_traces(traces: Traces) -> None:
    """Set all eligibilities to 0."""
    for i in range(traces.count[0]):
        traces.eligibility[traces.pairs[i]] = 0.0
    traces.count[0] = 0


@kernel
def strengthen(traces: Traces, pair: int, retained: np.float32) -> None:
    """Increase the eligibility e of a pair, in place: e = retained * e + 1.

    Args:
        traces: changed in place.
        pair: s * num_actions + a.
        retained: 1 for an accumulating trace, 0 for a replacing one, 1 - alpha for a dutch one.
    """
    if traces.eligibility[pair] == 0.0:
        traces.pairs[traces.count[0]] = pair
        traces.count[0] += 1
    traces.eligibility[pair] = retained * traces.eligibility[pair] + np.float32(1.0)


@kernel
def update_all(q: Values, traces: Traces, td_error: np.float32, alpha: Any) -> None:
    """Update the values of all pairs by their eligibility, in place; then let the eligibilities decay.

        q[s, a] += alpha * td_error * e[s, a]
        e[s, a] *= gamma * lambda

    An eligibility below NEGLIGIBLE becomes 0. These updates aren't counted: a sample-average step size is 1 over how
    often the pair itself was taken.
    """
    i = 0
    while i < traces.count[0]:
        pair = traces.pairs[i]
        s, a = pair // row_length(q), pair % row_length(q)
        change = step_size(without_counting(alpha), s, a) * td_error
        assign(q, s, a, value(q, s, a) + change * traces.eligibility[pair])
        traces.eligibility[pair] *= traces.decay
        if traces.eligibility[pair] >= NEGLIGIBLE:
            i += 1
        else:
            traces.eligibility[pair] = 0.0
            traces.count[0] -= 1
            traces.pairs[i] = traces.pairs[traces.count[0]]


# Sarsa(lambda) --------------------------------------------------------------------------------------------------------


class SarsaLambda(NamedTuple):
    """Learner of Sarsa(lambda): on-policy, with accumulating or replacing traces."""

    q: Values
    gamma: np.float32
    traces: Traces


@learn.register(SarsaLambda)
def learn_sarsa_lambda(learner: SarsaLambda, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Update the values of all pairs by the TD error of Sarsa and their eligibility, in place.

        q += alpha * (reward + gamma * q[s_next, a_next] - q[s, a]) * e

    The value of s_next is 0 if the transition is terminated.

    Source:
        Sutton & Barto (2018), section 12.7, for a table; Singh & Sutton (1996) for replacing traces.
    """
    q, s, a = learner.q, step.state, step.action
    td_error = step.reward - value(q, s, a)
    if not step.terminated:
        td_error += learner.gamma * value(q, step.next_state, step.next_action)
    strengthen(learner.traces, s * row_length(q) + a, learner.traces.retained)
    step_size(alpha, s, a)  # counts the update
    update_all(q, learner.traces, td_error, alpha)


# Watkins's Q(lambda) --------------------------------------------------------------------------------------------------


class WatkinsQ(NamedTuple):
    """Learner of Watkins's Q(lambda): off-policy, with traces that are cut when the next action isn't greedy.

    Rewards after an exploring action are not those of the greedy policy.
    """

    q: Values
    gamma: np.float32
    traces: Traces


@learn.register(WatkinsQ)
def learn_watkins_q(learner: WatkinsQ, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Update the values of all pairs by the TD error of Q-learning and their eligibility, in place.

        q += alpha * (reward + gamma * max_b q[s_next, b] - q[s, a]) * e

    The value of s_next is 0 if the transition is terminated. If the next action isn't a best one, all traces are
    cleared.

    Source:
        Watkins (1989), Learning from delayed rewards; Sutton & Barto (2018), section 12.10.
    """
    q, s, a = learner.q, step.state, step.action
    td_error = step.reward - value(q, s, a)
    explores = False
    if not step.terminated:
        best = max_value(q, step.next_state)
        explores = value(q, step.next_state, step.next_action) < best
        td_error += learner.gamma * best
    strengthen(learner.traces, s * row_length(q) + a, learner.traces.retained)
    step_size(alpha, s, a)  # counts the update
    update_all(q, learner.traces, td_error, alpha)
    if explores:
        clear_traces(learner.traces)


# True online Sarsa(lambda) --------------------------------------------------------------------------------------------


class TrueOnlineSarsaLambda(NamedTuple):
    """Learner of true online Sarsa(lambda): on-policy, with dutch traces.

    After every step its values are those of the online lambda-return algorithm on the steps so far.
    """

    q: Values
    gamma: np.float32
    traces: Traces
    q_old: npt.NDArray[np.float32]  # (1,), value of the current pair in the target of the step before


@learn.register(TrueOnlineSarsaLambda)
def learn_true_online_sarsa_lambda(
    learner: TrueOnlineSarsaLambda, step: Step, alpha: Any, exploration: float, stream: Stream
) -> None:
    """Update the values of all pairs by the TD error of Sarsa and their dutch traces, in place.

        e[s, a] = (1 - alpha) * e[s, a] + 1
        q += alpha * (td_error + drift) * e
        q[s, a] -= alpha * drift

    td_error is that of Sarsa. drift = q[s, a] - q_old, how much the value of (s, a) has changed since it was part of
    the target of the step before; it is 0 if no pair has an eligibility.

    Source:
        van Seijen et al. (2016), True online temporal-difference learning; Sutton & Barto (2018), section 12.7.
    """
    q, traces, s, a = learner.q, learner.traces, step.state, step.action
    q_sa, q_old = value(q, s, a), learner.q_old[0]
    drift = q_sa - q_old if traces.count[0] > 0 else np.float32(0.0)
    td_error = step.reward - q_sa
    if not step.terminated:
        learner.q_old[0] = value(q, step.next_state, step.next_action)
        td_error += learner.gamma * learner.q_old[0]
    alpha_sa = step_size(alpha, s, a)
    strengthen(traces, s * row_length(q) + a, np.float32(1.0) - alpha_sa)
    update_all(q, traces, td_error + drift, alpha)
    assign(q, s, a, value(q, s, a) - alpha_sa * drift)


# Common to all rules with traces --------------------------------------------------------------------------------------


@next_action_order.register(SarsaLambda, WatkinsQ, TrueOnlineSarsaLambda)
def order_with_traces(learner: Any) -> int:
    """Return BEFORE_UPDATE: the update needs the next action, for its value or to see whether it is greedy."""
    return BEFORE_UPDATE


@begin_episode.register(SarsaLambda, WatkinsQ, TrueOnlineSarsaLambda)
def begin_with_traces(learner: Any) -> None:
    """Set all eligibilities to 0 before an episode."""
    clear_traces(learner.traces)
