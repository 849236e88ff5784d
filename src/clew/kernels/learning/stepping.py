"""Many copies of a world, stepped together with actions that the caller chooses; nothing is learned.

    find_invalid_action     first copy whose action is out of range
    reset_copies            begin an episode in some copies
    step_copies             take a step in every copy
    find_places             rows and columns of states

The transitions are those of `sampling`. `clew.environments.vector` builds a vector environment on these kernels.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.sampling import draw_start, sample


class CopyStates(NamedTuple):
    """State of each copy: arrays of num_copies rows, changed in place."""

    state: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]  # number of steps of the current episode
    is_over: npt.NDArray[np.bool_]  # True if the last step ended the episode, and no other has begun
    streams: npt.NDArray[np.uint64]  # (num_copies, 2), random stream of each copy


def new_copy_states(n: int) -> CopyStates:
    """Allocate the states of n copies; no stream has a seed yet, and no episode has begun."""
    state, steps = np.zeros((2, n), np.int64)
    return CopyStates(state, steps, np.zeros(n, np.bool_), np.zeros((n, 2), np.uint64))


class StepResults(NamedTuple):
    """Results of one step of each copy: (num_copies,) arrays, filled in place."""

    reward: npt.NDArray[np.float64]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    final_state: npt.NDArray[np.int64]  # last state of an episode, if the step also began the next one; else unchanged


@kernel
def find_invalid_action(actions: npt.NDArray[np.int64], is_over: npt.NDArray[np.bool_], num_actions: int) -> int:
    """Return the first copy whose action isn't in [0, num_actions), or -1 if there is none.

    Copies whose episode is over are skipped: they begin a new episode, and their action isn't used.

    Args:
        actions: (num_copies,) int64.
        is_over: (num_copies,) bool, True if the episode of a copy is over.
        num_actions: number of actions.
    """
    for i in range(actions.size):
        if (actions[i] < 0 or actions[i] >= num_actions) and not is_over[i]:
            return i
    return -1


@kernel
def reset_copies(starts: npt.NDArray[np.int32], chosen: npt.NDArray[np.bool_], copies: CopyStates) -> None:
    """Begin an episode in the chosen copies.

    Args:
        starts: (num_starts,) int32, start states, drawn uniformly.
        chosen: (num_copies,) bool, True for copies that begin an episode; the others stay as they are.
        copies: changed in place.
    """
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
    """Take a step in every copy. A copy whose episode is over begins the next one instead, with reward 0.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is fastest to step.
        starts: (num_starts,) int32, start states, drawn uniformly.
        max_steps: step limit of an episode.
        same_step: True if the step that ends an episode also begins the next one, so that no copy is ever over.
        actions: (num_copies,) int64, in range for every copy whose episode isn't over.
        copies: changed in place.
        results: filled in place.

    Returns:
        Number of episodes that ended.
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
        truncated = steps >= max_steps
        ended = terminated or truncated
        results.reward[i] = np.float64(reward)
        results.terminated[i] = terminated
        results.truncated[i] = truncated  # also if terminated: Gymnasium's `TimeLimit` reports both
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
    """Fill in the places of the agent and of the goal in each state.

    Args:
        states: (n,) int64.
        num_cells: number of cells of the grid.
        columns: number of columns of the grid.
        goal_cell: goal of all states; -1 if a state is `goal cell * num_cells + cell`, and names its own goal.
        places: (n, 4) int64, filled in place: row and column of the agent, row and column of the goal.
    """
    # All of these fit 32 bits, whose division takes half the time.
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
