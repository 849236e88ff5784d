"""Update rules that learn at the end of an episode: Monte Carlo control, and backward replay."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.learning.learners import Step, begin_episode, end_episode, learn, step_size
from clew.kernels.learning.updates import q_learning_update, td_update
from clew.kernels.sampling import Stream
from clew.kernels.values import Values, max_value, row_length


class Episode(NamedTuple):
    """Steps of the current episode: (max_steps,) arrays, of which the first `count[0]` entries are used."""

    states: npt.NDArray[np.int32]
    actions: npt.NDArray[np.int32]
    rewards: npt.NDArray[np.float32]
    next_states: npt.NDArray[np.int32]  # -1 if the step is terminated
    count: npt.NDArray[np.int64]  # (1,), number of steps so far


@kernel
def append_step(episode: Episode, step: Step) -> None:
    """Append a step to the record of the current episode."""
    n = episode.count[0]
    episode.states[n] = step.state
    episode.actions[n] = step.action
    episode.rewards[n] = step.reward
    episode.next_states[n] = -1 if step.terminated else step.next_state
    episode.count[0] = n + 1


# Monte Carlo control --------------------------------------------------------------------------------------------------


class MonteCarlo(NamedTuple):
    """Learner of Monte Carlo control: on-policy, moves values towards the returns of whole episodes."""

    q: Values
    gamma: np.float32
    episode: Episode
    # (num_states * num_actions,), step of each pair's first visit in the episode; empty for every-visit Monte Carlo
    first_times: npt.NDArray[np.int32]


@end_episode.register(MonteCarlo)
def learn_monte_carlo(learner: MonteCarlo, alpha: Any, exploration: float, stream: Stream) -> None:
    """Move the value of each step of the episode towards its return, in place, from the last step to the first.

        q[s, a] += alpha * (G - q[s, a]), where G = reward + gamma * G of the next step

    First-visit Monte Carlo updates a pair (s, a) once, with the return from its first visit in the episode; every-visit
    Monte Carlo updates it for each visit. If the step limit truncated the episode, the return after the last step is
    estimated by max_b q[s_next, b].

    Source:
        Sutton & Barto (2018), section 5.4. With a sample-average step size the values are averages of returns, as
        there.
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
    """Learner that applies Q-learning to the steps of an episode, from the last step to the first."""

    q: Values
    gamma: np.float32
    episode: Episode


@end_episode.register(BackwardReplay)
def learn_backward_replay(learner: BackwardReplay, alpha: Any, exploration: float, stream: Stream) -> None:
    """Apply `q_learning_update` to every step of the episode, from the last step to the first.

    So a reward at the end changes the values of all states on the way in one episode.

    Source:
        Lin (1992), Self-improving reactive agents based on reinforcement learning, planning and teaching.
    """
    episode = learner.episode
    for t in range(episode.count[0] - 1, -1, -1):
        s, a, s_next = np.int64(episode.states[t]), np.int64(episode.actions[t]), np.int64(episode.next_states[t])
        alpha_sa = step_size(alpha, s, a)
        q_learning_update(learner.q, s, a, episode.rewards[t], s_next, s_next < 0, alpha_sa, learner.gamma)


# Common to both rules -------------------------------------------------------------------------------------------------


@begin_episode.register(MonteCarlo, BackwardReplay)
def clear_episode(learner: Any) -> None:
    """Clear the record of the episode before."""
    learner.episode.count[0] = 0


@learn.register(MonteCarlo, BackwardReplay)
def record_step(learner: Any, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Append the step to the record of the episode; the updates follow at its end."""
    append_step(learner.episode, step)
