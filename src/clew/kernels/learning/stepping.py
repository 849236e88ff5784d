"""Many copies of one world, which others steer: a step of all of them, and where they stand.

    first_refused   the first copy that is given an action which isn't one
    begin_copies    begin an episode in some of them
    step_copies     one step of each
    find_places     rows and columns of states

What a step does is said by `sampling`; nothing is learned here.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.sampling import draw_start, sample


class CopyStates(NamedTuple):
    """Where the copies stand: (num_copies,) arrays, changed in place."""

    state: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]  # of the episode
    is_over: npt.NDArray[np.bool_]  # the last step ended the episode, and none has begun since
    streams: npt.NDArray[np.uint64]  # (num_copies, 2) draws of each


def new_copy_states(n: int) -> CopyStates:
    """Room for n copies; their streams have no keys yet, and no episode has begun."""
    state, steps = np.zeros((2, n), np.int64)
    return CopyStates(state, steps, np.zeros(n, np.bool_), np.zeros((n, 2), np.uint64))


class StepResults(NamedTuple):
    """What a step came to: (num_copies,) arrays, filled in place."""

    reward: npt.NDArray[np.float64]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    final_state: npt.NDArray[np.int64]  # where an episode ended, if the step began the next one too; else unchanged


@kernel
def find_invalid_action(actions: npt.NDArray[np.int64], is_over: npt.NDArray[np.bool_], num_actions: int) -> int:
    """The first copy whose action isn't in [0, num_actions); -1 if there is none.

    A copy whose episode is over takes no action: it begins anew, and whatever it was given is not looked at.
    """
    for i in range(actions.size):
        if (actions[i] < 0 or actions[i] >= num_actions) and not is_over[i]:
            return i
    return -1


@kernel
def reset_copies(starts: npt.NDArray[np.int32], chosen: npt.NDArray[np.bool_], copies: CopyStates) -> None:
    """Begin an episode in the copies that are chosen, (num_copies,) bool; the others stay as they are."""
    for i in range(chosen.size):
        if chosen[i]:
            copies.state[i] = draw_start(starts, copies.streams[i])
            copies.steps[i] = 0
            copies.is_over[i] = False


@kernel
def step_copies(
    model: Any,
    starts: npt.NDArray[np.int32],
    max_steps: int,
    same_step: bool,
    actions: npt.NDArray[np.int64],
    copies: CopyStates,
    results: StepResults,
) -> int:
    """Take a step in every copy; one whose episode is over begins the next instead, for no reward.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is played fastest.
        starts: (num_starts,) states, each as likely as the others.
        max_steps: step limit of an episode.
        same_step: an episode that ends is followed by the next within the step, so that none is ever over.
        actions: (num_copies,) int64, one that the world has for every copy whose episode isn't over.
        copies: changed in place.
        results: filled in place.

    Returns:
        How many episodes ended.
    """
    num_ended = 0
    for i in range(actions.size):
        stream = copies.streams[i]
        if copies.is_over[i]:
            copies.state[i], copies.steps[i], copies.is_over[i] = draw_start(starts, stream), 0, False
            results.reward[i], results.terminated[i], results.truncated[i] = 0.0, False, False
            continue
        s_next, reward, terminated = sample(model, copies.state[i], actions[i], stream)
        steps = copies.steps[i] + 1
        ended = terminated or steps >= max_steps
        results.reward[i] = np.float64(reward)
        results.terminated[i] = terminated
        results.truncated[i] = ended and not terminated
        if ended:
            num_ended += 1
            if same_step:
                results.final_state[i] = s_next
                s_next, steps = draw_start(starts, stream), 0
        copies.state[i] = s_next
        copies.steps[i] = steps
        copies.is_over[i] = ended and not same_step
    return num_ended


@kernel
def find_places(
    states: npt.NDArray[np.int64], num_cells: int, columns: int, goal_cell: int, places: npt.NDArray[np.int64]
) -> None:
    """Fill in where the seeker stands in each state, and where its goal is.

    Args:
        states: (n,) int64.
        num_cells: number of cells of the grid.
        columns: number of columns of the grid.
        goal_cell: the goal of all states; -1 if a state is `goal cell * num_cells + cell`, and names its own.
        places: (n, 4) int64, filled in place: row, column, row of the goal, column of the goal.
    """
    # All of these fit 32 bits, and those are divided in half the time.
    width, size = np.uint32(columns), np.uint32(num_cells)
    for i in range(states.size):
        cell = np.uint32(states[i])
        if goal_cell < 0:
            goal = cell // size
            cell = cell - goal * size
        else:
            goal = np.uint32(goal_cell)
        row, goal_row = cell // width, goal // width
        places[i, 0] = np.int64(row)
        places[i, 1] = np.int64(cell - row * width)
        places[i, 2] = np.int64(goal_row)
        places[i, 3] = np.int64(goal - goal_row * width)
