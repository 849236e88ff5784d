"""Rules that learn when an episode has ended: Monte Carlo control, and replay from its last step to its first."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.learning.learners import Step, begin_episode, end_episode, learn, step_size
from clew.kernels.learning.updates import q_learning_update, td_update
from clew.kernels.sampling import Stream
from clew.kernels.values import Values, max_value, row_length


class Episode(NamedTuple):
    """The steps of the episode that goes on: (max_steps,) arrays, of which the first `count[0]` entries are used."""

    states: npt.NDArray[np.int32]
    actions: npt.NDArray[np.int32]
    rewards: npt.NDArray[np.float32]
    next_states: npt.NDArray[np.int32]  # -1 for the end of the episode
    count: npt.NDArray[np.int64]  # (1,)


@kernel
def append_step(episode: Episode, step: Step) -> None:
    """Write a step down."""
    n = episode.count[0]
    episode.states[n] = step.state
    episode.actions[n] = step.action
    episode.rewards[n] = step.reward
    episode.next_states[n] = -1 if step.terminated else step.next_state
    episode.count[0] = n + 1


# Monte Carlo control --------------------------------------------------------------------------------------------------


class MonteCarlo(NamedTuple):
    """Learn from what episodes came to; only where a step limit cut one off does the table stand for the rest."""

    q: Values
    gamma: np.float32
    episode: Episode
    # (num_states * num_actions,) int32: when the episode first took the action in the state. Empty for every visit.
    first_times: npt.NDArray[np.int32]


@end_episode.register(MonteCarlo)
def learn_monte_carlo(learner: MonteCarlo, alpha: Any, exploration: float, stream: Stream) -> None:
    """q[s, a] += alpha * (G - q[s, a]), where G is the discounted sum of rewards from that step on.

    Where the step limit cut the episode off, the best value of the state it had reached stands for the rest.

    Source:
        Sutton & Barto (2018), section 5.4; a step size of one over the number of updates makes it their average.
    """
    episode, num_actions = learner.episode, row_length(learner.q)
    n = episode.count[0]
    if learner.first_times.size > 0:
        for t in range(n - 1, -1, -1):
            learner.first_times[episode.states[t] * num_actions + episode.actions[t]] = t
    episode_return = np.float32(0.0)
    if n > 0 and episode.next_states[n - 1] >= 0:
        episode_return = max_value(learner.q, episode.next_states[n - 1])
    for t in range(n - 1, -1, -1):
        s, a = np.int64(episode.states[t]), np.int64(episode.actions[t])
        episode_return = episode.rewards[t] + learner.gamma * episode_return
        if learner.first_times.size == 0 or learner.first_times[s * num_actions + a] == t:
            td_update(learner.q, s, a, episode_return, step_size(alpha, s, a))


# Backward replay ------------------------------------------------------------------------------------------------------


class BackwardReplay(NamedTuple):
    """Q-learning over the episode from its last step to its first: what the end paid reaches the start at once."""

    q: Values
    gamma: np.float32
    episode: Episode


@end_episode.register(BackwardReplay)
def learn_backward_replay(learner: BackwardReplay, alpha: Any, exploration: float, stream: Stream) -> None:
    """`q_learning_update` for every step of the episode, the last one first.

    Source:
        Lin (1992), Self-improving reactive agents based on reinforcement learning, planning and teaching.
    """
    episode = learner.episode
    for t in range(episode.count[0] - 1, -1, -1):
        s, a, s_next = np.int64(episode.states[t]), np.int64(episode.actions[t]), np.int64(episode.next_states[t])
        alpha_sa = step_size(alpha, s, a)
        q_learning_update(learner.q, s, a, episode.rewards[t], s_next, s_next < 0, alpha_sa, learner.gamma)


# Both -----------------------------------------------------------------------------------------------------------------


@begin_episode.register(MonteCarlo, BackwardReplay)
def clear_episode(learner: Any) -> None:
    """Forget the last one."""
    learner.episode.count[0] = 0


@learn.register(MonteCarlo, BackwardReplay)
def record_step(learner: Any, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Nothing is learned before the end."""
    append_step(learner.episode, step)
