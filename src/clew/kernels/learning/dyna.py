"""Dyna-Q and Dyna-Q+: learn from what happens, and again from what is remembered of it."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.learning.learners import Step, learn, step_size, without_counting
from clew.kernels.learning.updates import q_learning_update
from clew.kernels.sampling import Stream, below, next_bits
from clew.kernels.values import Values, row_length


class Memory(NamedTuple):
    """What each pair `s * num_actions + a` led to when it was last taken."""

    next_states: npt.NDArray[np.int32]  # (num_pairs,); -1 for the end of an episode
    rewards: npt.NDArray[np.float32]  # (num_pairs,)
    times: npt.NDArray[np.int64]  # (num_pairs,), the step at which it was last taken; -1 for a pair not listed
    pairs: npt.NDArray[np.int64]  # (num_pairs,), of which the first `counters[0]` are listed
    counters: npt.NDArray[np.int64]  # (2,): how many are listed, how many steps were taken


class DynaQ(NamedTuple):
    """Q-learning, and after each step `num_planning` updates of remembered pairs drawn at random."""

    q: Values
    gamma: np.float32
    memory: Memory
    num_planning: int
    kappa: np.float32  # Dyna-Q+: a pair not taken for tau steps pays kappa * sqrt(tau) more. 0 is Dyna-Q


@kernel
def add_pair(memory: Memory, pair: int) -> None:
    """List a pair, if it isn't yet."""
    if memory.times[pair] < 0:
        memory.pairs[memory.counters[0]] = pair
        memory.counters[0] += 1
        memory.times[pair] = 0


@kernel
def remember_step(learner: DynaQ, step: Step) -> None:
    """Note what a step led to. Dyna-Q+ lists the other actions too, as if they led back and paid nothing."""
    memory, num_actions = learner.memory, row_length(learner.q)
    pair = step.state * num_actions + step.action
    memory.counters[1] += 1
    if learner.kappa > 0.0 and memory.times[pair] < 0:
        for other in range(step.state * num_actions, (step.state + 1) * num_actions):
            add_pair(memory, other)
            memory.next_states[other], memory.rewards[other] = step.state, 0.0
    add_pair(memory, pair)
    memory.times[pair] = memory.counters[1]
    memory.next_states[pair] = -1 if step.terminated else step.next_state
    memory.rewards[pair] = step.reward


@learn.register(DynaQ)
def learn_dyna_q(learner: DynaQ, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Update the pair that was taken, then some that are remembered; a draw each.

    Source:
        Sutton & Barto (2018), sections 8.2 and 8.3.
    """
    q, gamma, memory = learner.q, learner.gamma, learner.memory
    s, a = step.state, step.action
    q_learning_update(q, s, a, step.reward, step.next_state, step.terminated, step_size(alpha, s, a), gamma)
    remember_step(learner, step)
    for _ in range(learner.num_planning):
        pair = memory.pairs[below(next_bits(stream) >> np.uint64(32), memory.counters[0])]
        s, a, s_next = pair // row_length(q), pair % row_length(q), np.int64(memory.next_states[pair])
        reward = memory.rewards[pair]
        if learner.kappa > 0.0:
            reward += learner.kappa * np.float32(np.sqrt(np.float64(memory.counters[1] - memory.times[pair])))
        q_learning_update(q, s, a, reward, s_next, s_next < 0, step_size(without_counting(alpha), s, a), gamma)
