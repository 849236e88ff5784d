"""Update rules that look n steps ahead: n-step Sarsa and n-step tree backup."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch, kernel
from clew.kernels.learning.learners import (
    BEFORE_UPDATE,
    Step,
    begin_episode,
    end_episode,
    learn,
    next_action_order,
    step_size,
)
from clew.kernels.learning.updates import td_update
from clew.kernels.sampling import Stream
from clew.kernels.values import Values, max_value, num_best_actions, value


class Window(NamedTuple):
    """The last n steps of the current episode, in a circular buffer: (n,) arrays and a cursor."""

    states: npt.NDArray[np.int32]
    actions: npt.NDArray[np.int32]
    rewards: npt.NDArray[np.float32]
    cursor: npt.NDArray[np.int64]  # (4,): index of the oldest step, number of steps; next state, next action


@kernel
def append_step(window: Window, step: Step) -> None:
    """Append a step to the window, which must have room for it."""
    i = (window.cursor[0] + window.cursor[1]) % window.states.size
    window.states[i] = step.state
    window.actions[i] = step.action
    window.rewards[i] = step.reward
    window.cursor[1] += 1
    window.cursor[2], window.cursor[3] = step.next_state, step.next_action


@kernel
def drop_oldest(window: Window) -> None:
    """Remove the oldest step of the window."""
    window.cursor[0] = (window.cursor[0] + 1) % window.states.size
    window.cursor[1] -= 1


@kernel
def clear_window(window: Window) -> None:
    """Remove all steps of the window."""
    window.cursor[0], window.cursor[1] = 0, 0


@dispatch
def update_oldest(learner: Any, terminated: bool, alpha: Any) -> None:
    """Update the value of the oldest step in the window, in place, and remove the step.

    Args:
        learner: `NStepSarsa` or `TreeBackup`.
        terminated: True if the newest step is terminated: the value of its next state is then 0.
        alpha: step size, one of the named tuples of `learners`.
    """


# n-step Sarsa ---------------------------------------------------------------------------------------------------------


class NStepSarsa(NamedTuple):
    """Learner of n-step Sarsa: on-policy, with a target of n rewards and the value of the action after them."""

    q: Values
    gamma: np.float32
    window: Window


@next_action_order.register(NStepSarsa)
def order_of_n_step_sarsa(learner: NStepSarsa) -> int:
    """Return BEFORE_UPDATE: the target contains the value of the next action."""
    return BEFORE_UPDATE


@update_oldest.register(NStepSarsa)
def n_step_sarsa_update(learner: NStepSarsa, terminated: bool, alpha: Any) -> None:
    """Move the value of the oldest step in the window towards its n-step return, in place, and remove the step.

        q[s, a] += alpha * (r_1 + gamma r_2 + ... + gamma**(n-1) r_n + gamma**n q[s_n, a_n] - q[s, a])

    The last term of the return is 0 if the newest step is terminated. At the end of an episode n is the number of
    remaining steps.

    Source:
        Sutton & Barto (2018), eq. (7.4) and (7.5).
    """
    window = learner.window
    oldest, count = window.cursor[0], window.cursor[1]
    target = np.float32(0.0)
    if not terminated:
        target = value(learner.q, window.cursor[2], window.cursor[3])
    for k in range(count - 1, -1, -1):
        target = window.rewards[(oldest + k) % window.states.size] + learner.gamma * target
    s, a = np.int64(window.states[oldest]), np.int64(window.actions[oldest])
    td_update(learner.q, s, a, target, step_size(alpha, s, a))
    drop_oldest(window)


# n-step tree backup ---------------------------------------------------------------------------------------------------


class TreeBackup(NamedTuple):
    """Learner of n-step tree backup for the greedy policy: off-policy without importance sampling."""

    q: Values
    gamma: np.float32
    window: Window


@update_oldest.register(TreeBackup)
def tree_backup_update(learner: TreeBackup, terminated: bool, alpha: Any) -> None:
    """Move the value of the oldest step in the window towards its tree-backup return, in place, and remove the step.

    The return G is computed from the newest step back. pi is the greedy policy, which shares its probability equally
    among the best actions:

        G = r + gamma * (sum over b other than a of pi(b | s) q[s, b]  +  pi(a | s) * G of the next step)

    where s and a are the state and the action of the next step. After the newest step the bracket is the maximum of
    q[s_next], or 0 if that step is terminated.

    Source:
        Sutton & Barto (2018), eq. (7.16).
    """
    q, window = learner.q, learner.window
    oldest, count = window.cursor[0], window.cursor[1]
    target = np.float32(0.0)
    if not terminated:
        target = max_value(q, window.cursor[2])
    for k in range(count - 1, -1, -1):
        i = (oldest + k) % window.states.size
        target = window.rewards[i] + learner.gamma * target
        s, a = np.int64(window.states[i]), np.int64(window.actions[i])
        if k > 0:  # the bracket: what the step before sees of state s
            best = max_value(q, s)
            if value(q, s, a) < best:
                target = best
            else:
                share = np.float32(1.0) / np.float32(num_best_actions(q, s))
                target = (np.float32(1.0) - share) * best + share * target
    td_update(q, s, a, target, step_size(alpha, s, a))
    drop_oldest(window)


# Common to both rules -------------------------------------------------------------------------------------------------


@begin_episode.register(NStepSarsa, TreeBackup)
def begin_window(learner: Any) -> None:
    """Clear the steps of the episode before."""
    clear_window(learner.window)


@learn.register(NStepSarsa, TreeBackup)
def learn_window(learner: Any, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Append the step to the window; update the value of the step that is then n steps back.

    If the step is terminated, update the values of all remaining steps.
    """
    append_step(learner.window, step)
    if learner.window.cursor[1] == learner.window.states.size:
        update_oldest(learner, step.terminated, alpha)
    while step.terminated and learner.window.cursor[1] > 0:
        update_oldest(learner, True, alpha)


@end_episode.register(NStepSarsa, TreeBackup)
def end_window(learner: Any, alpha: Any, exploration: float, stream: Stream) -> None:
    """Update the values of all steps in the window, when the step limit has truncated the episode.

    Their returns contain the value of the last state, as that state isn't terminal.
    """
    while learner.window.cursor[1] > 0:
        update_oldest(learner, False, alpha)
