"""Rules with eligibility traces: Sarsa(lambda), Watkins's Q(lambda), and true online Sarsa(lambda).

A trace says how much a state and action have to do with what happens now. Only those that are above NEGLIGIBLE are
kept, in a list, so that a step costs as much as there are live traces, and not as the table is large.
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

NEGLIGIBLE = np.float32(1e-4)


class Traces(NamedTuple):
    """Live traces: how strong each pair `s * num_actions + a` is, and which ones are live."""

    eligibility: npt.NDArray[np.float32]  # (num_states * num_actions,), 0 where there is none
    pairs: npt.NDArray[np.int64]  # (num_states * num_actions,), of which the first `count[0]` are live
    count: npt.NDArray[np.int64]  # (1,)
    decay: np.float32  # gamma * lambda
    retained: (
        np.float32
    )  # share of a trace to which 1 is added when its pair comes again; 0 replaces it, 1 lets it add up


@kernel
def clear_traces(traces: Traces) -> None:
    """Forget all traces."""
    for i in range(traces.count[0]):
        traces.eligibility[traces.pairs[i]] = 0.0
    traces.count[0] = 0


@kernel
def strengthen(traces: Traces, pair: int, retained: np.float32) -> None:
    """Strengthen the trace of a pair: 1 is added to a share of what it was."""
    if traces.eligibility[pair] == 0.0:
        traces.pairs[traces.count[0]] = pair
        traces.count[0] += 1
    traces.eligibility[pair] = retained * traces.eligibility[pair] + np.float32(1.0)


@kernel
def update_all(q: Values, traces: Traces, td_error: np.float32, alpha: Any) -> None:
    """Move every value by alpha * td_error * trace, in place; then the traces decay, and those that fade are forgotten.

    Where the step size follows the number of moves, that is the number of times that the pair itself was taken.
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
    """Sarsa, whose errors reach all that led to them, the less the longer ago."""

    q: Values
    gamma: np.float32
    traces: Traces


@learn.register(SarsaLambda)
def learn_sarsa_lambda(learner: SarsaLambda, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Every value moves by alpha * (reward + gamma * q[s_next, a_next] - q[s, a]) * its trace.

    Source:
        Sutton & Barto (2018), section 12.7, for a table; Singh & Sutton (1996) for replacing traces.
    """
    q, s, a = learner.q, step.state, step.action
    td_error = step.reward - value(q, s, a)
    if not step.terminated:
        td_error += learner.gamma * value(q, step.next_state, step.next_action)
    strengthen(learner.traces, s * row_length(q) + a, learner.traces.retained)
    step_size(alpha, s, a)  # is counted
    update_all(q, learner.traces, td_error, alpha)


# Watkins's Q(lambda) --------------------------------------------------------------------------------------------------


class WatkinsQ(NamedTuple):
    """Q-learning with traces, which are cut when the behaviour explores: what follows says nothing of being greedy."""

    q: Values
    gamma: np.float32
    traces: Traces


@learn.register(WatkinsQ)
def learn_watkins_q(learner: WatkinsQ, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Every value moves by alpha * (reward + gamma * max_b q[s_next, b] - q[s, a]) * its trace.

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
    step_size(alpha, s, a)  # is counted
    update_all(q, learner.traces, td_error, alpha)
    if explores:
        clear_traces(learner.traces)


# True online Sarsa(lambda) --------------------------------------------------------------------------------------------


class TrueOnlineSarsaLambda(NamedTuple):
    """Sarsa(lambda) that is at every step where the lambda-returns of what was seen so far would have brought it."""

    q: Values
    gamma: np.float32
    traces: Traces
    q_old: npt.NDArray[np.float32]  # (1,), what the pair that comes now was worth when it was chosen


@learn.register(TrueOnlineSarsaLambda)
def learn_true_online_sarsa_lambda(
    learner: TrueOnlineSarsaLambda, step: Step, alpha: Any, exploration: float, stream: Stream
) -> None:
    """As `learn_sarsa_lambda`, with dutch traces, and allowing for what the value of the pair became meanwhile.

    That drift goes to all that led here, but not to the pair itself. Without a live trace nothing led here.

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


# All ------------------------------------------------------------------------------------------------------------------


@next_action_order.register(SarsaLambda, WatkinsQ, TrueOnlineSarsaLambda)
def order_with_traces(learner: Any) -> int:
    """The target asks for the next action, or whether it explores."""
    return BEFORE_UPDATE


@begin_episode.register(SarsaLambda, WatkinsQ, TrueOnlineSarsaLambda)
def begin_with_traces(learner: Any) -> None:
    """Forget the last episode."""
    clear_traces(learner.traces)
