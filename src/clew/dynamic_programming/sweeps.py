"""Value iteration: sweeps of Bellman backups until a bound on the error is proved."""

import math

import numpy as np
import numpy.typing as npt

from clew.dynamic_programming.duration import expected_steps
from clew.dynamic_programming.solution import Solution, make_solution
from clew.kernels.backups import backup_all, bellman_residual, sweep
from clew.kernels.dynamics import HAZARD, Grid
from clew.mdp import FiniteMDP

__all__ = ["iterate_values"]


def iterate_values(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Value iteration, in place."""
    # From below: the worst that can be paid a step, for ever. A sweep can then only raise a value.
    lowest, highest = _reward_range(mdp)
    v = np.full(mdp.num_states, lowest / (1.0 - gamma))
    q = np.empty((mdp.num_states, mdp.num_actions))
    while True:
        change = _sweep(mdp, v, gamma, tolerance, highest - lowest)
        backup_all(mdp.model, v, gamma, q)
        policy = q.argmax(axis=1).astype(np.int32)
        steps_from = expected_steps(mdp, policy)
        # A goal so far that its value is below the tolerance still shows the way, if the sweeps go on.
        if change == 0.0 or tolerance < 1e-200 or np.isfinite(steps_from[mdp.starts]).all():
            break
        tolerance *= 1e-9
    # What rounding can add to the residual: a relative error for every outcome, reward and product.
    roundings = 4 + (3 if isinstance(mdp.model, Grid) else int(np.diff(mdp.model.offsets).max()))
    slack = roundings * np.finfo(float).eps * (max(-lowest, highest) + float(np.abs(v).max()))
    bound = (bellman_residual(mdp.model, v, mdp.num_actions, gamma) + slack) / (1.0 - gamma)
    return make_solution(mdp, v, q, policy, steps_from, "value iteration", bound, gamma)


def _sweep(mdp: FiniteMDP, v: npt.NDArray[np.float64], gamma: float, tolerance: float, span: float) -> float:
    """Sweep until v is within the tolerance of the optimum, in place; returns the greatest change of the last sweep.

    A sweep shrinks the error, span / (1 - gamma) at most at first, by gamma at least, so the number of sweeps is known.
    """
    # Half of the tolerance is left to rounding.
    target = 0.5 * tolerance * (1.0 - gamma)
    change = math.inf
    enough = 2.0
    if gamma > 0.0 and span > 0.0:
        enough += max(0.0, math.log(span) - math.log(1.0 - gamma) - math.log(target)) / -math.log(gamma)
    for i in range(math.ceil(enough)):
        change = sweep(mdp.model, v, mdp.num_actions, gamma, i % 2 == 1)
        if change <= target and bellman_residual(mdp.model, v, mdp.num_actions, gamma) <= target:
            break
    return change


def _reward_range(mdp: FiniteMDP) -> tuple[float, float]:
    """Numbers that no reward of the model is below or above; 0, for a state without a future, is between them."""
    if isinstance(mdp.model, Grid):
        grid = mdp.model
        extras = (grid.goal_reward, grid.outer_wall_reward, grid.hazard_reward if (grid.cells & HAZARD).any() else 0.0)
        lowest = grid.step_reward + sum(min(0.0, extra) for extra in extras)
        return min(0.0, lowest), max(0.0, grid.step_reward + sum(max(0.0, extra) for extra in extras))
    return float(mdp.model.rewards.min(initial=0.0)), float(mdp.model.rewards.max(initial=0.0))
