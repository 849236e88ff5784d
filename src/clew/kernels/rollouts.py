"""Episodes: loops made of `sampling` and `updates`, and nothing of their own."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import Model
from clew.kernels.sampling import Stream, draw_start, epsilon_greedy, sample
from clew.kernels.updates import q_learning_update


class Columns(NamedTuple):
    """Transitions of one or more episodes, in order, a column each.

    An episode ends with the row that is terminated (the world ended it) or truncated (the step limit did).
    """

    state: npt.NDArray[np.int32]
    action: npt.NDArray[np.int32]
    reward: npt.NDArray[np.float32]
    next_state: npt.NDArray[np.int32]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]


class Totals(NamedTuple):
    """What became of each episode: (num_episodes,) arrays, filled in place."""

    steps: npt.NDArray[np.int64]
    episode_return: npt.NDArray[np.float64]  # undiscounted sum of rewards
    terminated: npt.NDArray[np.bool_]


@kernel
def q_learning_episodes(
    model: Model,
    q: npt.NDArray[np.float32],
    starts: npt.NDArray[np.int32],
    max_steps: int,
    alpha: np.float32,
    gamma: np.float32,
    epsilon: float,
    stream: Stream,
    totals: Totals,
) -> None:
    """Play episodes by the epsilon-greedy policy of q, learning after every step.

    Args:
        model: world, see `dynamics`.
        q: (num_states, num_actions) float32, action values; changed in place.
        starts: (num_starts,) int32, the start states, each as likely as the others.
        max_steps: step limit of an episode.
        alpha: step size, in (0, 1].
        gamma: discount a step, in [0, 1].
        epsilon: probability of exploring, in [0, 1].
        stream: (2,) uint64, changed in place.
        totals: one entry an episode, filled in place; its length is the number of episodes.

    Source:
        Sutton & Barto (2018), section 6.5.
    """
    for episode in range(totals.steps.size):
        s = draw_start(starts, stream)
        steps = 0
        episode_return = 0.0
        terminated = False
        while not terminated and steps < max_steps:
            a = epsilon_greedy(q, s, epsilon, stream)
            s_next, reward, terminated = sample(model, s, a, stream)
            q_learning_update(q, s, a, reward, s_next, terminated, alpha, gamma)
            s = s_next
            steps += 1
            episode_return += np.float64(reward)
        totals.steps[episode] = steps
        totals.episode_return[episode] = episode_return
        totals.terminated[episode] = terminated


@kernel
def play_episodes(
    model: Model,
    q: npt.NDArray[np.float32],
    starts: npt.NDArray[np.int32],
    max_steps: int,
    gamma: float,
    epsilon: float,
    stream: Stream,
    totals: Totals,
    discounted_returns: npt.NDArray[np.float64],
) -> None:
    """Play an episode from each of the starts in turn by the epsilon-greedy policy of q; nothing is learned.

    Args:
        model: world, see `dynamics`.
        q: (num_states, num_actions) float32, action values.
        starts: (num_episodes,) int32, where each episode begins.
        max_steps: step limit of an episode.
        gamma: discount a step, in [0, 1].
        epsilon: probability of exploring, in [0, 1]; 0 plays the greedy policy.
        stream: (2,) uint64, changed in place.
        totals: one entry an episode, filled in place.
        discounted_returns: (num_episodes,) sums of gamma**t * reward, filled in place.
    """
    for episode in range(starts.size):
        s = np.int64(starts[episode])
        steps = 0
        episode_return, discounted_return, weight = 0.0, 0.0, 1.0
        terminated = False
        while not terminated and steps < max_steps:
            s, reward, terminated = sample(model, s, epsilon_greedy(q, s, epsilon, stream), stream)
            steps += 1
            episode_return += np.float64(reward)
            discounted_return += weight * np.float64(reward)
            weight *= gamma
        totals.steps[episode] = steps
        totals.episode_return[episode] = episode_return
        discounted_returns[episode] = discounted_return
        totals.terminated[episode] = terminated


@kernel
def record_episodes(
    model: Model,
    q: npt.NDArray[np.float32],
    starts: npt.NDArray[np.int32],
    num_episodes: int,
    max_steps: int,
    epsilon: float,
    stream: Stream,
    place: npt.NDArray[np.int64],
    columns: Columns,
) -> int:
    """Play episodes by the epsilon-greedy policy of q and write every transition down, as far as there is room.

    Args:
        model: world, see `dynamics`.
        q: (num_states, num_actions) float32, action values.
        starts: (num_starts,) int32, the start states, each as likely as the others.
        num_episodes: how many episodes to play.
        max_steps: step limit of an episode.
        epsilon: probability of exploring, in [0, 1].
        stream: (2,) uint64, changed in place.
        place: (3,) int64, episode, state and steps to go on from, zeros at first; changed in place. The first is
            num_episodes when all is done.
        columns: filled in place.

    Returns:
        How many rows were filled.
    """
    n = 0
    while place[0] < num_episodes and n < columns.state.size:
        s, steps = place[1], place[2]
        if steps == 0:
            s = draw_start(starts, stream)
        terminated = False
        while not terminated and steps < max_steps and n < columns.state.size:
            a = epsilon_greedy(q, s, epsilon, stream)
            s_next, reward, terminated = sample(model, s, a, stream)
            steps += 1
            columns.state[n] = s
            columns.action[n] = a
            columns.reward[n] = reward
            columns.next_state[n] = s_next
            columns.terminated[n] = terminated
            columns.truncated[n] = steps == max_steps and not terminated
            n += 1
            s = s_next
        if terminated or steps == max_steps:
            place[0] += 1
            steps = 0
        place[1], place[2] = s, steps
    return n


@kernel
def q_learning_replay(q: npt.NDArray[np.float32], columns: Columns, alpha: np.float32, gamma: np.float32) -> None:
    """Learn from recorded transitions, in their order.

    Args:
        q: (num_states, num_actions) float32, action values; changed in place.
        columns: transitions; every row is used.
        alpha: step size, in (0, 1].
        gamma: discount a step, in [0, 1].
    """
    for i in range(columns.state.size):
        q_learning_update(
            q,
            np.int64(columns.state[i]),
            np.int64(columns.action[i]),
            columns.reward[i],
            np.int64(columns.next_state[i]),
            columns.terminated[i],
            alpha,
            gamma,
        )
