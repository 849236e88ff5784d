"""Learning rules, each once: the serial trainer, the replay of what actors saw and the stepwise loop all call these."""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel


@kernel
def greatest(q: npt.NDArray[np.float32], s: int) -> np.float32:
    """max_a q[s, a]."""
    s = np.uint64(s)  # unsigned: no test for an index that counts from the end
    if q.shape[1] == 4:  # unrolled: the usual case, and half the time of the loop
        first = q[s, 0] if q[s, 0] > q[s, 1] else q[s, 1]
        second = q[s, 2] if q[s, 2] > q[s, 3] else q[s, 3]
        return first if first > second else second
    best = q[s, 0]
    for a in range(1, q.shape[1]):
        best = q[s, a] if q[s, a] > best else best
    return best


@kernel
def q_learning_update(
    q: npt.NDArray[np.float32],
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
        a: action.
        reward: what the transition paid.
        s_next: state that followed.
        terminated: True if s_next ends the episode; it then counts as value 0. A time limit is not termination.
        alpha: step size, in (0, 1].
        gamma: discount a step, in [0, 1].

    Returns:
        TD error before the update, in units of reward.

    Source:
        Sutton & Barto (2018), eq. (6.8).
    """
    target = reward
    if not terminated:
        target += gamma * greatest(q, s_next)
    s, a = np.uint64(s), np.uint64(a)
    td_error = target - q[s, a]
    q[s, a] += alpha * td_error
    return td_error
