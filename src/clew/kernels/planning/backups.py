"""Bellman backups: what a state is worth, one step ahead, if other states are worth v."""

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch, kernel
from clew.kernels.dynamics import Grid, Model, RenumberedGrid, move_without_slip, num_outcomes, outcome


@kernel
def backup(model: Model, v: npt.NDArray[np.float64], s: int, a: int, gamma: float) -> float:
    """Expected value of taking action a in state s, then being worth v.

        sum over outcomes of p * (reward + gamma * v[s_next]), where v of a terminated outcome is 0

    What never happens doesn't count, even where v is infinite.

    Source:
        Sutton & Barto (2018), eq. (4.6), inside the bracket.
    """
    value = 0.0
    for k in range(num_outcomes(model, s, a)):
        p, s_next, reward, terminated = outcome(model, s, a, k)
        value += p * reward if terminated or p == 0.0 else p * (reward + gamma * v[np.uint64(s_next)])
    return value


@kernel
def rowwise_greedy(
    model: Model, v: npt.NDArray[np.float64], s: int, num_actions: int, gamma: float
) -> tuple[float, int]:
    """The greatest backup of state s and the first action that has it, for any world."""
    best, best_action = backup(model, v, s, 0, gamma), 0
    for a in range(1, num_actions):
        value = backup(model, v, s, a, gamma)
        if value > best:
            best, best_action = value, a
    return best, best_action


@kernel
def reach(model: Grid | RenumberedGrid, v: npt.NDArray[np.float64], s: int, a: int, gamma: float) -> float:
    """What a move on a grid is worth that isn't led astray."""
    s_next, reward, terminated = move_without_slip(model, s, a)
    return reward if terminated else reward + gamma * v[np.uint64(s_next)]


@kernel
def grid_greedy(
    model: Grid | RenumberedGrid, v: npt.NDArray[np.float64], s: int, num_actions: int, gamma: float
) -> tuple[float, int]:
    """The same on a grid, to the last bit: four moves are worked out once, where three outcomes of each are twelve."""
    if num_outcomes(model, s, 0) == 0:
        return 0.0, 0
    down, left = reach(model, v, s, 0, gamma), reach(model, v, s, 1, gamma)
    up, right = reach(model, v, s, 2, gamma), reach(model, v, s, 3, gamma)
    if model.slip > 0.0:
        ahead, aside = 1.0 - model.slip, 0.5 * model.slip
        sideways_1, sideways_2 = aside * left, aside * right
        upright_1, upright_2 = aside * up, aside * down
        down, up = ahead * down + sideways_1 + sideways_2, ahead * up + sideways_2 + sideways_1
        left, right = ahead * left + upright_1 + upright_2, ahead * right + upright_2 + upright_1
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
    """The greatest backup of state s and the first action that has it: (value, action); (0, 0) where nothing happens.

    Source:
        Sutton & Barto (2018), eq. (4.10).
    """
    return rowwise_greedy(model, v, s, num_actions, gamma)


greedy_backup.register(Grid)(grid_greedy)
greedy_backup.register(RenumberedGrid)(grid_greedy)


@kernel
def backup_all(model: Model, v: npt.NDArray[np.float64], gamma: float, q: npt.NDArray[np.float64]) -> None:
    """Fill q, (num_states, num_actions), with the backup of every state and action."""
    for s in range(q.shape[0]):
        for a in range(q.shape[1]):
            q[s, a] = backup(model, v, s, a, gamma)


@kernel
def bellman_residual(model: Model, v: npt.NDArray[np.float64], num_actions: int, gamma: float) -> float:
    """max_s |(T v)(s) - v(s)|, with v left as it is: the certificate, since |v - v*| <= residual / (1 - gamma)."""
    return residual_between(model, v, 0, v.size, num_actions, gamma)


@kernel
def residual_between(
    model: Model, v: npt.NDArray[np.float64], first: int, last: int, num_actions: int, gamma: float
) -> float:
    """The same of the states from `first` up to `last`: those of a section, where others answer for the rest."""
    residual = 0.0
    for s in range(first, last):
        value, _ = greedy_backup(model, v, s, num_actions, gamma)
        residual = max(residual, abs(value - v[s]))
    return residual
