"""Model-based learning: prioritized sweeping, R-max and propagation learn a model and plan with it after every step.

The model counts the outcomes of each pair (s, a), numbered `s * num_actions + a`, so that stochastic worlds are learned
too. When an outcome changes what the model expects of a pair, the pair is backed up. If that changes the value of its
state, max_a q[s, a], the state is pushed to a queue; when it is popped, all pairs that lead to it are backed up, and so
on. The algorithms differ in the queue (`queues`), in how many states are popped after each step, and in how often a
pair must be tried before it is backed up.

Source:
    Sutton & Barto (2018), section 8.4; Moore & Atkeson (1993), Prioritized sweeping; Peng & Williams (1993), Efficient
    learning and planning within the Dyna framework; Brafman & Tennenholtz (2002), R-max.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.learning.learners import Step, learn
from clew.kernels.learning.queues import num_waiting, pop, push
from clew.kernels.sampling import Stream
from clew.kernels.values import Values, assign, increment, max_value, row_length, value

# Columns of `LearnedModel.outcomes`: all numbers of an outcome are adjacent, so one read from memory fetches them.
NEXT_STATE, COUNT, NEXT_PREDECESSOR, REWARD = 0, 1, 2, 3


class LearnedModel(NamedTuple):
    """Learned model: the observed outcomes of each pair (s, a), their counts and mean rewards.

    Outcome i is the first outcome of pair i, for i < num_pairs; the further outcomes of stochastic pairs follow. Each
    outcome is in two linked lists: the outcomes of its pair, and the outcomes that lead to its next state.
    """

    outcomes: npt.NDArray[np.int32]  # (num_outcomes, 4); NEXT_STATE is -1 if not observed, num_states if terminated
    rewards: npt.NDArray[np.float32]  # the same memory as float32; its column REWARD is the mean reward
    pairs: npt.NDArray[np.int32]  # (num_outcomes - num_pairs,), pair of each further outcome
    next_outcome: npt.NDArray[np.int32]  # (num_outcomes,), next of the same pair, or -1; empty if no pair has two
    first_predecessor: npt.NDArray[np.int32]  # (num_states + 1,), first outcome that leads to the state, or -1
    num_further: npt.NDArray[np.int64]  # (1,), number of further outcomes so far


class Sweeping(NamedTuple):
    """Learner of prioritized sweeping, R-max and propagation: a model, and a queue of states whose values changed."""

    q: Values
    gamma: np.float32
    model: LearnedModel
    queue: Any
    num_planning: int  # number of states popped after each step, at most
    threshold: np.float32  # a state is pushed if its value changed by more than this
    propagated_values: npt.NDArray[np.float32]  # (num_states,), values when last popped; empty if the threshold is 0
    known_after: int  # number of tries after which a pair is backed up; before, it keeps its initial value


@kernel
def next_outcome_of_pair(model: LearnedModel, i: int) -> int:
    """Return the next outcome in the list of the pair of outcome i, or -1 at its end."""
    return -1 if model.next_outcome.size == 0 else np.int64(model.next_outcome[i])


@kernel
def add_outcome(model: LearnedModel, i: int, s_next: int, reward: np.float32) -> None:
    """Write outcome i, observed once, and add it to the list of outcomes that lead to its next state."""
    model.outcomes[i, NEXT_STATE] = s_next
    model.outcomes[i, COUNT] = 1
    model.outcomes[i, NEXT_PREDECESSOR] = model.first_predecessor[s_next]
    model.first_predecessor[s_next] = i
    model.rewards[i, REWARD] = reward


@kernel
def record_outcome(model: LearnedModel, pair: int, s_next: int, reward: np.float32, known_after: int) -> bool:
    """Count an outcome of a pair in the model; return whether the pair has to be backed up.

    Args:
        model: changed in place.
        pair: s * num_actions + a.
        s_next: next state; num_states if the step was terminated.
        reward: reward of the step.
        known_after: number of tries after which a pair is backed up.

    Returns:
        True at the first try of the pair, at try number `known_after`, if the pair has more than one outcome, and if
        the reward differs from the mean before; else what the model expects of the pair hasn't changed.
    """
    i = pair
    if model.outcomes[i, NEXT_STATE] < 0:
        add_outcome(model, i, s_next, reward)
        return True
    while model.outcomes[i, NEXT_STATE] != s_next:
        if next_outcome_of_pair(model, i) < 0:
            new = model.outcomes.shape[0] - model.pairs.size + model.num_further[0]
            model.pairs[model.num_further[0]] = pair
            model.num_further[0] += 1
            add_outcome(model, new, s_next, reward)
            model.next_outcome[i] = new
            return True
        i = next_outcome_of_pair(model, i)
    increment(model.outcomes, i, COUNT)
    count = model.outcomes[i, COUNT]
    same_reward = model.rewards[i, REWARD] == reward
    if not same_reward:
        model.rewards[i, REWARD] += (reward - model.rewards[i, REWARD]) / np.float32(count)
    # While all tries had the same outcome and reward, the expectation changes only when the pair becomes known.
    is_deterministic = same_reward and i == pair and next_outcome_of_pair(model, i) < 0
    return not is_deterministic or count == known_after


@kernel
def num_tries(model: LearnedModel, pair: int) -> int:
    """Return how often a pair was tried: the sum of the counts of its outcomes."""
    total = 0
    i = pair
    while i >= 0 and model.outcomes[i, NEXT_STATE] >= 0:
        total += model.outcomes[i, COUNT]
        i = next_outcome_of_pair(model, i)
    return total


@kernel
def outcome_value(learner: Sweeping, i: int) -> np.float32:
    """Return the value of outcome i by the learned model: its mean reward, plus the discounted value of its next state.

        rewards[i] + gamma * max_b q[s_next, b]

    The second term is 0 if the outcome ends the episode.
    """
    s_next = np.int64(learner.model.outcomes[i, NEXT_STATE])
    if s_next == learner.model.first_predecessor.size - 1:
        return learner.model.rewards[i, REWARD]
    return learner.model.rewards[i, REWARD] + learner.gamma * max_value(learner.q, s_next)


@kernel
def backed_up_value(learner: Sweeping, pair: int, v_next: np.float32) -> np.float32:
    """Return the value of a pair by the learned model: the mean value of its outcomes, weighted by their counts.

    Args:
        learner: model and action values; only read.
        pair: s * num_actions + a, tried at least once.
        v_next: value of the next state; used only if the pair has a single outcome.
    """
    outcomes = learner.model.outcomes
    if next_outcome_of_pair(learner.model, pair) < 0:  # a single outcome
        return learner.model.rewards[pair, REWARD] + learner.gamma * v_next
    total, count = 0.0, 0
    i = pair
    while i >= 0:
        total += np.float64(outcomes[i, COUNT]) * outcome_value(learner, i)
        count += outcomes[i, COUNT]
        i = next_outcome_of_pair(learner.model, i)
    return np.float32(total / count)


@kernel
def back_up_pair(learner: Sweeping, s: int, a: int, pair: int, v_next: np.float32) -> None:
    """Set q[s, a] to its value by the learned model; push s if the value of s changed by more than the threshold.

    Does nothing before the pair was tried `known_after` times. With a threshold above 0 the change is measured from the
    value that s had when it was last popped, so that small changes add up.

    Args:
        learner: changed in place.
        s: state.
        a: action.
        pair: s * num_actions + a.
        v_next: value of the next state, for a pair with a single outcome.
    """
    if learner.known_after > 1 and num_tries(learner.model, pair) < learner.known_after:
        return
    old, new = value(learner.q, s, a), backed_up_value(learner, pair, v_next)
    if new == old:
        return
    before = max_value(learner.q, s)
    assign(learner.q, s, a, new)
    if new < before and old < before:
        return  # the value of s is that of another action, and was
    # Reading a row just after writing to it is slow, so it is searched only if its maximum was lowered.
    now = new if new >= before else max_value(learner.q, s)
    if learner.threshold > 0.0:
        before = learner.propagated_values[s]  # so that small changes add up
    change = abs(now - before)
    if change > learner.threshold:
        push(learner.queue, s, change)


@learn.register(Sweeping)
def learn_sweeping(learner: Sweeping, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Count the outcome of the step in the model, back up its pair if needed, then pop up to `num_planning` states."""
    model = learner.model
    pair = step.state * row_length(learner.q) + step.action
    s_next = model.first_predecessor.size - 1 if step.terminated else step.next_state
    if record_outcome(model, pair, s_next, step.reward, learner.known_after):
        v_next = np.float32(0.0) if step.terminated else max_value(learner.q, s_next)
        back_up_pair(learner, step.state, step.action, pair, v_next)
    back_up_predecessors(learner, learner.num_planning)


@kernel
def back_up_predecessors(learner: Sweeping, max_states: int) -> None:
    """Pop up to `max_states` states from the queue, and back up all pairs that lead to them."""
    model, num_actions = learner.model, row_length(learner.q)
    num_pairs = model.outcomes.shape[0] - model.pairs.size
    num_popped = 0
    while num_popped < max_states and num_waiting(learner.queue) > 0:
        num_popped += 1
        s = pop(learner.queue)
        v_next = max_value(learner.q, s)  # read once for all pairs that lead here
        if learner.threshold > 0.0:
            learner.propagated_values[s] = v_next
        i = np.int64(model.first_predecessor[s])
        while i >= 0:
            pair = i if i < num_pairs else np.int64(model.pairs[i - num_pairs])
            s_prev = pair >> 2 if num_actions == 4 else pair // num_actions
            back_up_pair(learner, s_prev, pair - s_prev * num_actions, pair, v_next)
            if s_prev == s:
                v_next = max_value(learner.q, s)
            i = np.int64(model.outcomes[i, NEXT_PREDECESSOR])
