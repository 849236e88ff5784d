"""Dyna-Q and Dyna-Q+: Q-learning from each step, and planning updates from remembered steps."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.learning.learners import Step, learn, step_size, without_counting
from clew.kernels.learning.updates import q_learning_update
from clew.kernels.sampling import Stream, below, next_bits
from clew.kernels.values import Values, is_available, row_length


class Memory(NamedTuple):
    """The last transition of each pair (s, a), numbered `s * num_actions + a`."""

    next_states: npt.NDArray[np.int32]  # (num_pairs,); -1 if the transition was terminated
    rewards: npt.NDArray[np.float32]  # (num_pairs,)
    times: npt.NDArray[np.int64]  # (num_pairs,), step at which the pair was last taken; 0 never, -1 not listed
    pairs: npt.NDArray[np.int64]  # (num_pairs,), the list: its first `counters[0]` entries
    counters: npt.NDArray[np.int64]  # (2,): number of listed pairs, number of steps taken


class DynaQ(NamedTuple):
    """Learner of Dyna-Q and Dyna-Q+: Q-learning, with `num_planning` updates from remembered pairs after each step.

    Dyna-Q+ adds an exploration bonus to remembered rewards: kappa * sqrt(steps since the pair was last taken).
    """

    q: Values
    gamma: np.float32
    memory: Memory
    num_planning: int
    kappa: np.float32  # factor of the exploration bonus, kappa * sqrt(tau); 0 is Dyna-Q


@kernel
def add_pair(memory: Memory, pair: int) -> None:
    """Add a pair to the list of remembered pairs, unless it is in it."""
    if memory.times[pair] < 0:
        memory.pairs[memory.counters[0]] = pair
        memory.counters[0] += 1
        memory.times[pair] = 0


@kernel
def remember_step(learner: DynaQ, step: Step) -> None:
    """Remember the outcome of a step as the last transition of its pair.

    When Dyna-Q+ takes the first action in a state it remembers the state's other available actions too, as if they led
    back to the state with reward 0.
    """
    memory, num_actions = learner.memory, row_length(learner.q)
    pair = step.state * num_actions + step.action
    memory.counters[1] += 1
    if learner.kappa > 0.0 and memory.times[pair] < 0:
        for a in range(num_actions):
            if is_available(learner.q, step.state, a):
                other = step.state * num_actions + a
                add_pair(memory, other)
                memory.next_states[other], memory.rewards[other] = step.state, 0.0
    add_pair(memory, pair)
    memory.times[pair] = memory.counters[1]
    memory.next_states[pair] = -1 if step.terminated else step.next_state
    memory.rewards[pair] = step.reward


@learn.register(DynaQ)
def learn_dyna_q(learner: DynaQ, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Apply `q_learning_update` to the step, then to `num_planning` remembered pairs drawn uniformly; a draw each.

    Planning updates aren't counted by step sizes that count updates.

    Source:
        Sutton & Barto (2018), section 8.2 for Dyna-Q and section 8.3 for the bonus of Dyna-Q+.
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
