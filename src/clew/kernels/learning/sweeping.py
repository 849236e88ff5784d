"""Learning a model, and planning with it at once: prioritized sweeping, R-max, and propagation from what is new.

The model counts what followed each pair `s * num_actions + a`, so that noisy worlds come out right. Whenever it
changes, the pair is backed up. If that changes what its state is worth, the state waits in a queue until the pairs that
lead to it are backed up as well, and so on. What differs is the queue (`queues`), how many states have their turn after
each step, and how often a pair must have been tried before it is believed.

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

# Columns of `LearnedModel.outcomes`. What is known of an outcome lies side by side, to come from memory at once.
NEXT_STATE, COUNT, NEXT_PREDECESSOR, REWARD = 0, 1, 2, 3


class LearnedModel(NamedTuple):
    """What followed what, and how often.

    Outcome i is the first one of pair i, for i < num_pairs; further outcomes of noisy pairs lie behind. Two lists run
    through them: those of one pair, and those that lead to one state. While a pair had one outcome only it is one row.
    """

    outcomes: npt.NDArray[np.int32]  # (num_outcomes, 4); next state: -1 not seen yet, num_states the end of an episode
    rewards: npt.NDArray[np.float32]  # the same memory as float32, for the column REWARD: the mean
    pairs: npt.NDArray[np.int32]  # (num_outcomes - num_pairs,), the pair of a further outcome
    next_outcome: npt.NDArray[np.int32]  # (num_outcomes,), another outcome of the pair, or -1; empty if none has two
    first_predecessor: npt.NDArray[np.int32]  # (num_states + 1,), an outcome that leads to the state, or -1
    num_further: npt.NDArray[np.int64]  # (1,), how many further outcomes there are


class Sweeping(NamedTuple):
    """Learn a model, and propagate what is new backwards through it."""

    q: Values
    gamma: np.float32
    model: LearnedModel
    queue: Any
    num_planning: int  # states that have their turn after each step
    threshold: np.float32  # a state whose value changed by no more than this isn't worth a turn
    propagated_values: npt.NDArray[
        np.float32
    ]  # (num_states,), values when it last had one; empty if the threshold is 0
    known_after: int  # a pair is believed after so many tries; until then its value stays as it was at first


@kernel
def next_outcome_of_pair(model: LearnedModel, i: int) -> int:
    """Another outcome of the pair of outcome i, or -1."""
    return -1 if model.next_outcome.size == 0 else np.int64(model.next_outcome[i])


@kernel
def add_outcome(model: LearnedModel, i: int, s_next: int, reward: np.float32) -> None:
    """Fill in outcome i, and hang it into the list of those that lead to its next state."""
    model.outcomes[i, NEXT_STATE] = s_next
    model.outcomes[i, COUNT] = 1
    model.outcomes[i, NEXT_PREDECESSOR] = model.first_predecessor[s_next]
    model.first_predecessor[s_next] = i
    model.rewards[i, REWARD] = reward


@kernel
def record_outcome(model: LearnedModel, pair: int, s_next: int, reward: np.float32, known_after: int) -> bool:
    """Count what followed a pair; True if that changes what is to be expected of it."""
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
    # While all went the same way, only the try that makes the pair believable is news.
    is_deterministic = same_reward and i == pair and next_outcome_of_pair(model, i) < 0
    return not is_deterministic or count == known_after


@kernel
def num_tries(model: LearnedModel, pair: int) -> int:
    """How often a pair was tried."""
    total = 0
    i = pair
    while i >= 0 and model.outcomes[i, NEXT_STATE] >= 0:
        total += model.outcomes[i, COUNT]
        i = next_outcome_of_pair(model, i)
    return total


@kernel
def outcome_value(learner: Sweeping, i: int) -> np.float32:
    """What outcome i pays, and what may be had from there."""
    s_next = np.int64(learner.model.outcomes[i, NEXT_STATE])
    if s_next == learner.model.first_predecessor.size - 1:
        return learner.model.rewards[i, REWARD]
    return learner.model.rewards[i, REWARD] + learner.gamma * max_value(learner.q, s_next)


@kernel
def backed_up_value(learner: Sweeping, pair: int, v_next: np.float32) -> np.float32:
    """What a pair is worth by the model; `ahead` is the value of its next state, if it always was the same."""
    outcomes = learner.model.outcomes
    if next_outcome_of_pair(learner.model, pair) < 0:  # all tries went the same way
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
    """Set the value of a pair to what the model says; if its state is worth more or less now, it waits for its turn."""
    if learner.known_after > 1 and num_tries(learner.model, pair) < learner.known_after:
        return
    old, new = value(learner.q, s, a), backed_up_value(learner, pair, v_next)
    if new == old:
        return
    before = max_value(learner.q, s)
    assign(learner.q, s, a, new)
    if new < before and old < before:
        return  # another action is better, and was
    # A row that was just written is slow to read: only where its maximum fell is it searched again.
    now = new if new >= before else max_value(learner.q, s)
    if learner.threshold > 0.0:
        before = learner.propagated_values[s]  # many small changes add up
    change = abs(now - before)
    if change > learner.threshold:
        push(learner.queue, s, change)


@learn.register(Sweeping)
def learn_sweeping(learner: Sweeping, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Count, back up what was tried, and let the states that wait have their turn."""
    model = learner.model
    pair = step.state * row_length(learner.q) + step.action
    s_next = model.first_predecessor.size - 1 if step.terminated else step.next_state
    if record_outcome(model, pair, s_next, step.reward, learner.known_after):
        v_next = np.float32(0.0) if step.terminated else max_value(learner.q, s_next)
        back_up_pair(learner, step.state, step.action, pair, v_next)
    back_up_predecessors(learner, learner.num_planning)


@kernel
def back_up_predecessors(learner: Sweeping, max_states: int) -> None:
    """Let states that wait have their turn, so many at most: what leads to them is backed up."""
    model, num_actions = learner.model, row_length(learner.q)
    num_pairs = model.outcomes.shape[0] - model.pairs.size
    num_popped = 0
    while num_popped < max_states and num_waiting(learner.queue) > 0:
        num_popped += 1
        s = pop(learner.queue)
        v_next = max_value(learner.q, s)  # read once, and passed back to all that lead here
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
