"""Shortest ways: breadth-first search, where moves are certain and a shortest way is a best one."""

import math

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels.dynamics import HAZARD, Grid
from clew.kernels.planning.search import measure_distances
from clew.models.mdp import FiniteMDP
from clew.planning.solution import ShortestPaths, Solution

__all__ = ["breadth_first", "shortest_is_best", "worth_by_distance"]


def shortest_is_best(mdp: FiniteMDP, gamma: float) -> bool:
    """Tell if this is a grid, moves are certain, and a way that is shorter is always worth more, or no less.

    In d steps to the goal a way is worth step / (1 - gamma) + gamma**(d - 1) * (goal - gamma * step / (1 - gamma)),
    counting only the moves; never to arrive is worth step / (1 - gamma). So shorter is better if the last bracket is
    positive; without a discount, if a step costs, or if it is free and the goal doesn't cost.
    """
    grid = mdp.model
    if not isinstance(grid, Grid):
        return False
    if grid.slip > 0.0 or grid.outer_wall_reward > 0.0 or np.bitwise_or.reduce(grid.cells) & HAZARD:
        return False
    if gamma == 1.0:
        return grid.step_reward < 0.0 or (grid.step_reward == 0.0 and grid.goal_reward >= 0.0)
    if gamma == 0.0:
        return False  # nothing but the next reward counts, so most ways tie
    return grid.goal_reward - gamma * grid.step_reward / (1.0 - gamma) > 0.0


def breadth_first(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Solve a grid by the distance of each state from its goal, which is exact.

    The certificate: a pass over all cells checks that each distance is one more than the least of the neighbours, which
    only the right ones are. What a distance is worth is off by rounding alone.

    Args:
        mdp: a grid where a shortest way is a best one, see `shortest_is_best`.
        gamma: discount per step, in (0, 1].
        tolerance: not needed.

    Raises:
        SettingError: if a shortest way need not be a best one.

    Source:
        Moore (1959), The shortest path through a maze.
    """
    grid = mdp.model
    if not isinstance(grid, Grid) or not shortest_is_best(mdp, gamma):
        raise SettingError(
            "breadth-first is for grids where a shortest way is a best one, without slip, hazards, or rewards that "
            "make it worth while to linger; take modified-policy-iteration"
        )
    distances = np.empty(mdp.num_states, np.int32)
    for layer, cells in enumerate(distances.reshape(-1, grid.num_cells)):
        goal = layer if grid.moving_goal else -1
        num_wrong = measure_distances(grid, goal, cells)
        assert num_wrong == 0, f"{num_wrong} distances are wrong"
    worth, bound = worth_by_distance(grid, gamma, int(distances.max(initial=0)))
    return Solution(mdp, gamma, "breadth-first", bound, shortest_paths=ShortestPaths(distances, worth))


def worth_by_distance(grid: Grid, gamma: float, longest: int) -> tuple[npt.NDArray[np.float64], float]:
    """The value of a state by its distance, and how far rounding may have it off.

    worth[d] = step + gamma * worth[d - 1], one more goal at d = 1. The last entry, which the distance -1 finds, is for
    walking for ever. Each product and each sum is off by half of eps at most, relatively, and what was off before is
    discounted.
    """
    unit = float(np.finfo(float).eps)  # twice what is needed, for the rounding of this figure itself
    worth = [0.0, grid.step_reward + grid.goal_reward][: longest + 1]
    error = unit * abs(worth[-1])
    bound = error
    for _ in range(2, longest + 1):
        discounted = gamma * worth[-1]
        worth.append(grid.step_reward + discounted)
        error = gamma * error + unit * (abs(discounted) + abs(worth[-1]))
        bound = max(bound, error)
    if grid.step_reward == 0.0:
        worth.append(0.0)
    elif gamma < 1.0:
        worth.append(grid.step_reward / (1.0 - gamma))
        bound = max(bound, 2.0 * unit * abs(worth[-1]))
    else:
        worth.append(math.copysign(math.inf, grid.step_reward))
    return np.array(worth), bound
