"""Bellman backups: values of actions and states, one step ahead of given state values."""

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch, kernel
from clew.kernels.dynamics import Grid, Model, RenumberedGrid, move_without_slip, num_outcomes, outcome


@kernel
def backup(model: Model, v: npt.NDArray[np.float64], s: int, a: int, gamma: float) -> float:
    """Return the expected value of action a in state s, one step ahead (a Bellman backup).

        sum over outcomes of p * (reward + gamma * v[s_next]), where v[s_next] is 0 if the outcome terminates

    Outcomes of probability 0 are ignored, even if their next state has an infinite value.

    Args:
        model: world, see `clew.kernels.dynamics`.
        v: (num_states,) float64, state values.
        s: state.
        a: action.
        gamma: discount per step, in [0, 1].

    Source:
        Sutton & Barto (2018), eq. (4.6), inside the bracket.
    """
    value = 0.0
    for k in range(num_outcomes(model, s, a)):
        p, s_next, reward, terminated = outcome(model, s, a, k)
        value += p * reward if terminated or p == 0.0 else p * (reward + gamma * v[np.uint64(s_next)])
    return value


@kernel
def generic_greedy_backup(
    model: Model, v: npt.NDArray[np.float64], s: int, num_actions: int, gamma: float
) -> tuple[float, int]:
    """Return the largest backup of state s and the first action that attains it, by one `backup` per action.

    The implementation of `greedy_backup` for any model. In a state without outcomes the result is (0, 0).
    """
    best, best_action = backup(model, v, s, 0, gamma), 0
    for a in range(1, num_actions):
        value = backup(model, v, s, a, gamma)
        if value > best:
            best, best_action = value, a
    return best, best_action


@kernel
def backup_without_slip(
    model: Grid | RenumberedGrid, v: npt.NDArray[np.float64], s: int, a: int, gamma: float
) -> float:
    """Return the value of a move on a grid that doesn't slip, one step ahead.

    That is reward + gamma * v[s_next], or the reward alone if the move terminates.
    """
    s_next, reward, terminated = move_without_slip(model, s, a)
    return reward if terminated else reward + gamma * v[np.uint64(s_next)]


@kernel
def grid_greedy_backup(
    model: Grid | RenumberedGrid, v: npt.NDArray[np.float64], s: int, num_actions: int, gamma: float
) -> tuple[float, int]:
    """Return the largest backup of state s and the first action that attains it, on a grid.

    The implementation of `greedy_backup` for grids, equal to the generic one bit for bit. The four moves are evaluated
    once and weighted by the slip probabilities; the generic one evaluates three outcomes of each of four actions.
    In a state without outcomes the result is (0, 0).
    """
    if num_outcomes(model, s, 0) == 0:
        return 0.0, 0
    down, left = backup_without_slip(model, v, s, 0, gamma), backup_without_slip(model, v, s, 1, gamma)
    up, right = backup_without_slip(model, v, s, 2, gamma), backup_without_slip(model, v, s, 3, gamma)
    if model.slip > 0.0:
        p_ahead, p_side = 1.0 - model.slip, 0.5 * model.slip
        slip_left, slip_right = p_side * left, p_side * right
        slip_up, slip_down = p_side * up, p_side * down
        down, up = p_ahead * down + slip_left + slip_right, p_ahead * up + slip_right + slip_left
        left, right = p_ahead * left + slip_up + slip_down, p_ahead * right + slip_down + slip_up
    best, best_action = down, 0
    if left > best:
        best, best_action = left, 1
    if up > best:
        best, best_action = up, 2
    if right > best:
        best, best_action = right, 3
    return best, best_action


@dispatch
def greedy_backup(
    model: Model, v: npt.NDArray[np.float64], s: int, num_actions: int, gamma: float
) -> tuple[float, int]:
    """Return the largest backup of state s over all actions, and the first action that attains it.

        max over a of the sum over outcomes of p * (reward + gamma * v[s_next])

    Args:
        model: world, see `clew.kernels.dynamics`.
        v: (num_states,) float64, state values.
        s: state.
        num_actions: number of actions.
        gamma: discount per step, in [0, 1].

    Returns:
        (value, action); (0, 0) in a state without outcomes, such as a goal.

    Source:
        Sutton & Barto (2018), eq. (4.10).
    """
    return generic_greedy_backup(model, v, s, num_actions, gamma)


greedy_backup.register(Grid)(grid_greedy_backup)
greedy_backup.register(RenumberedGrid)(grid_greedy_backup)


@kernel
def backup_all(model: Model, v: npt.NDArray[np.float64], gamma: float, q: npt.NDArray[np.float64]) -> None:
    """Fill the action values q with the backup of every state and action.

    Args:
        model: world, see `clew.kernels.dynamics`.
        v: (num_states,) float64, state values.
        gamma: discount per step, in [0, 1].
        q: (num_states, num_actions) float64, filled in place.
    """
    for s in range(q.shape[0]):
        for a in range(q.shape[1]):
            q[s, a] = backup(model, v, s, a, gamma)


@kernel
def bellman_residual(model: Model, v: npt.NDArray[np.float64], num_actions: int, gamma: float) -> float:
    """Return the Bellman residual of v, max_s |(T v)(s) - v(s)|, without changing v.

    T is the Bellman optimality operator: (T v)(s) is the `greedy_backup` of s. The residual bounds the error of v:
    |v - v*| <= residual / (1 - gamma).
    """
    return residual_between(model, v, 0, v.size, num_actions, gamma)


@kernel
def residual_between(
    model: Model, v: npt.NDArray[np.float64], first: int, last: int, num_actions: int, gamma: float
) -> float:
    """Return the Bellman residual max_s |(T v)(s) - v(s)| over the states from `first` up to `last`, exclusive.

    (T v)(s) is the `greedy_backup` of s. The residual of a whole world is the maximum over its sections.
    """
    residual = 0.0
    for s in range(first, last):
        value, _ = greedy_backup(model, v, s, num_actions, gamma)
        residual = max(residual, abs(value - v[s]))
    return residual
