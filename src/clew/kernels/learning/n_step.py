"""Rules that look n steps ahead: n-step Sarsa, and n-step tree backup."""

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
    """The last n steps, in a circle: (n,) arrays, and where it stands."""

    states: npt.NDArray[np.int32]
    actions: npt.NDArray[np.int32]
    rewards: npt.NDArray[np.float32]
    cursor: npt.NDArray[np.int64]  # (4,): oldest entry, number of entries, last next state, last next action


@kernel
def append_step(window: Window, step: Step) -> None:
    """Add a step behind the others; there must be room."""
    i = (window.cursor[0] + window.cursor[1]) % window.states.size
    window.states[i] = step.state
    window.actions[i] = step.action
    window.rewards[i] = step.reward
    window.cursor[1] += 1
    window.cursor[2], window.cursor[3] = step.next_state, step.next_action


@kernel
def drop_oldest(window: Window) -> None:
    """Forget the oldest step."""
    window.cursor[0] = (window.cursor[0] + 1) % window.states.size
    window.cursor[1] -= 1


@kernel
def clear_window(window: Window) -> None:
    """Forget all steps."""
    window.cursor[0], window.cursor[1] = 0, 0


@dispatch
def update_oldest(learner: Any, terminated: bool, alpha: Any) -> None:
    """Move the value of the oldest step towards what has been seen since, in place, then forget it."""


# n-step Sarsa ---------------------------------------------------------------------------------------------------------


class NStepSarsa(NamedTuple):
    """Sarsa whose target counts n rewards before it asks the table."""

    q: Values
    gamma: np.float32
    window: Window


@next_action_order.register(NStepSarsa)
def order_of_n_step_sarsa(learner: NStepSarsa) -> int:
    """The target asks for the next action."""
    return BEFORE_UPDATE


@update_oldest.register(NStepSarsa)
def n_step_sarsa_update(learner: NStepSarsa, terminated: bool, alpha: Any) -> None:
    """Move the value of the oldest step towards what has been seen since, then forget it.

        q[s, a] += alpha * (r_1 + gamma r_2 + ... + gamma**(n-1) r_n + gamma**n q[s_n, a_n] - q[s, a])

    Source:
        Sutton & Barto (2018), eq. (7.5).
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
    """n steps of experience for the greedy policy, whatever the behaviour, without importance sampling."""

    q: Values
    gamma: np.float32
    window: Window


@update_oldest.register(TreeBackup)
def tree_backup_update(learner: TreeBackup, terminated: bool, alpha: Any) -> None:
    """Move the value of the oldest step towards the tree that hangs from it, then forget it.

    From the newest step back, where pi is the greedy policy (ties evenly shared):

        G = r + gamma * (sum over b other than a of pi(b | s) q[s, b]  +  pi(a | s) * G of the step after)

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
        if k > 0:  # what the step before looks at: the tree of this state, in which a is one branch
            best = max_value(q, s)
            if value(q, s, a) < best:
                target = best
            else:
                share = np.float32(1.0) / np.float32(num_best_actions(q, s))
                target = (np.float32(1.0) - share) * best + share * target
    td_update(q, s, a, target, step_size(alpha, s, a))
    drop_oldest(window)


# Both -----------------------------------------------------------------------------------------------------------------


@begin_episode.register(NStepSarsa, TreeBackup)
def begin_window(learner: Any) -> None:
    """Forget the last episode."""
    clear_window(learner.window)


@learn.register(NStepSarsa, TreeBackup)
def learn_window(learner: Any, step: Step, alpha: Any, exploration: float, stream: Stream) -> None:
    """Learn the step that is n steps back; at the end of the episode all that are left."""
    append_step(learner.window, step)
    if learner.window.cursor[1] == learner.window.states.size:
        update_oldest(learner, step.terminated, alpha)
    while step.terminated and learner.window.cursor[1] > 0:
        update_oldest(learner, True, alpha)


@end_episode.register(NStepSarsa, TreeBackup)
def end_window(learner: Any, alpha: Any, exploration: float, stream: Stream) -> None:
    """Where the step limit cut the episode off: what is left bootstraps from where it stood."""
    while learner.window.cursor[1] > 0:
        update_oldest(learner, False, alpha)
