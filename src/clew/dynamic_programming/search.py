"""Shortest ways: breadth-first search, where moves are certain and a shortest way is a best one."""

import math

import numpy as np

from clew.dynamic_programming.solution import Solution, make_solution
from clew.kernels.backups import backup_all, breadth_first
from clew.kernels.dynamics import BLOCKED, HAZARD, Grid
from clew.mdp import FiniteMDP

__all__ = ["search", "shortest_is_best"]


def shortest_is_best(grid: Grid, gamma: float) -> bool:
    """Tell if moves are certain, and a way that is shorter is always worth more, or no less.

    In d steps to the goal a way is worth step / (1 - gamma) + gamma**(d - 1) * (goal - gamma * step / (1 - gamma)),
    counting only the moves; never to arrive is worth step / (1 - gamma). So shorter is better if the last bracket is
    positive; without a discount, if a step costs, or if it is free and the goal doesn't cost.
    """
    if grid.slip > 0.0 or (grid.cells & HAZARD).any() or grid.outer_wall_reward > 0.0:
        return False
    if gamma == 1.0:
        return grid.step_reward < 0.0 or (grid.step_reward == 0.0 and grid.goal_reward >= 0.0)
    if gamma == 0.0:
        return False  # nothing but the next reward counts, so most ways tie
    return grid.goal_reward - gamma * grid.step_reward / (1.0 - gamma) > 0.0


def search(mdp: FiniteMDP, grid: Grid, gamma: float) -> Solution:
    """Solve a grid by the distance of each state from its goal."""
    goals = range(grid.num_cells) if grid.moving_goal else [-1]
    distances, policy = np.empty((2, len(goals), grid.num_cells), np.int32)
    queue = np.empty(grid.num_cells, np.int32)
    for layer, goal in enumerate(goals):
        breadth_first(grid, goal, distances[layer], policy[layer], queue)
    distances = distances.reshape(-1)

    # The value of a state is decided by its distance: worth[d] = step + gamma * worth[d - 1], one more goal at d = 1.
    longest = int(distances.max(initial=0))
    worth = np.zeros(longest + 2)
    if longest > 0:
        worth[1] = grid.step_reward + grid.goal_reward
    for d in range(2, longest + 1):
        worth[d] = grid.step_reward + gamma * worth[d - 1]
    # Where there is no way one walks for ever; the last entry, which the distance -1 finds, is for that.
    for_ever = grid.step_reward / (1.0 - gamma) if gamma < 1.0 else math.copysign(math.inf, grid.step_reward)
    worth[-1] = for_ever if grid.step_reward != 0.0 else 0.0
    v = worth[distances]
    blocked = np.tile((grid.cells & BLOCKED) > 0, len(goals))  # nothing happens there
    v[blocked] = 0.0
    steps_from = np.where(distances < 0, np.inf, distances)
    steps_from[blocked] = 0.0
    q = np.empty((mdp.num_states, mdp.num_actions))
    backup_all(mdp.model, v, gamma, q)
    return make_solution(mdp, v, q, policy.reshape(-1), steps_from, "breadth-first search", 0.0, gamma)
