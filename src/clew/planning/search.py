"""Breadth-first search for deterministic grids in which a shortest path is optimal."""

import math

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels.dynamics import HAZARD, Grid
from clew.kernels.planning.search import measure_distances
from clew.models.mdp import FiniteMDP
from clew.planning.solution import ShortestPaths, Solution


def shortest_path_is_optimal(mdp: FiniteMDP, gamma: float) -> bool:
    """Return whether a world is a deterministic grid in which a shorter path never has a smaller return.

    With the rewards step and goal, a path of d steps to the goal has the return

        step / (1 - gamma) + gamma**(d - 1) * (goal - gamma * step / (1 - gamma))

    and never reaching the goal has the return step / (1 - gamma). So shorter is better if the last bracket is positive;
    without a discount, if a step costs, or is free and the goal doesn't cost. Slip, hazards, and a reward for touching
    the outer wall are excluded.
    """
    grid = mdp.model
    if not isinstance(grid, Grid) or grid.slip > 0.0 or grid.outer_wall_reward > 0.0:
        return False
    if np.bitwise_or.reduce(grid.cells) & HAZARD or gamma == 0.0:  # with gamma 0 only the next reward counts: paths tie
        return False
    if gamma == 1.0:
        return grid.step_reward < 0.0 or (grid.step_reward == 0.0 and grid.goal_reward >= 0.0)
    return grid.goal_reward - gamma * grid.step_reward / (1.0 - gamma) > 0.0


def breadth_first(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Solve a grid exactly by breadth-first search: the distance of each state from the goal determines its value.

    A pass over all cells proves the distances: each must be one more than the smallest of its neighbours. The values
    are then exact but for rounding.

    Args:
        mdp: grid that passes `shortest_path_is_optimal`.
        gamma: discount per step, in (0, 1].
        tolerance: ignored.

    Raises:
        SettingError: if a shortest path isn't always optimal.

    Source:
        Moore (1959), The shortest path through a maze.
    """
    grid = mdp.model
    if not isinstance(grid, Grid) or not shortest_path_is_optimal(mdp, gamma):
        raise SettingError(
            "breadth-first needs a grid in which a shortest path is optimal: no slip, no hazards, and no rewards that "
            "make a longer path better; take modified-policy-iteration"
        )
    distances = np.empty(mdp.num_states, np.int32)
    for layer, cells in enumerate(distances.reshape(-1, grid.num_cells)):
        num_wrong = measure_distances(grid, layer if grid.moving_goal else -1, cells)
        assert num_wrong == 0, f"{num_wrong} distances are wrong"
    values, bound = values_by_distance(grid, gamma, int(distances.max(initial=0)))
    return Solution(mdp, gamma, "breadth-first", bound, shortest_paths=ShortestPaths(grid, distances, values))


def values_by_distance(grid: Grid, gamma: float, max_distance: int) -> tuple[npt.NDArray[np.float64], float]:
    """Return the value of a state by its distance from the goal, and a bound on the rounding error.

        values[d] = step + gamma * values[d - 1], plus the goal's reward at d = 1

    The last entry, which the distance -1 selects, is the value of a state from which the goal can't be reached. Each
    product and each sum has a relative error of at most half of eps, and earlier errors are discounted.

    Args:
        grid: world.
        gamma: discount per step, in (0, 1].
        max_distance: largest distance.

    Returns:
        ((max_distance + 2,) float64, bound).
    """
    unit = float(np.finfo(float).eps)  # twice the need, for the rounding of the bound itself
    values = [0.0, grid.step_reward + grid.goal_reward][: max_distance + 1]
    bound = error = unit * abs(values[-1])
    for _ in range(2, max_distance + 1):
        discounted = gamma * values[-1]
        values.append(grid.step_reward + discounted)
        error = gamma * error + unit * (abs(discounted) + abs(values[-1]))
        bound = max(bound, error)
    if grid.step_reward == 0.0:
        values.append(0.0)
    elif gamma < 1.0:
        values.append(grid.step_reward / (1.0 - gamma))
        bound = max(bound, 2.0 * unit * abs(values[-1]))
    else:
        values.append(math.copysign(math.inf, grid.step_reward))
    return np.array(values), bound
