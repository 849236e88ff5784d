"""Models of grids: a byte per cell instead of a table of transitions."""

import numpy as np
import numpy.typing as npt

from clew.errors import ModelError, SettingError
from clew.kernels import dynamics
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, Grid
from clew.models.checks import MAX_STATES, Starts, check_starts, check_walls, read_only_copy, require
from clew.settings import SHARE, check_flag, check_number

# Names of the settings of `FiniteMDP.grid`; they are fields of `Grid` too.
GRID_SETTINGS = ("moving_goal", "slip", "goal_reward", "step_reward", "outer_wall_reward", "hazard_reward")


def grid_model(
    cells: npt.ArrayLike,
    *,
    moving_goal: bool = False,
    slip: float = 0.0,
    goal_reward: float = 1.0,
    step_reward: float = 0.0,
    outer_wall_reward: float = 0.0,
    hazard_reward: float = 0.0,
) -> Grid:
    """Check the arguments of `FiniteMDP.grid`, except the start states, and return the model's arrays.

    Args:
        cells: (rows, columns) uint8; see `FiniteMDP.grid` for it and the others.
        moving_goal: True if a state includes the place of the goal.
        slip: probability, in [0, 1].
        goal_reward: added when a move reaches a goal.
        step_reward: reward of each move.
        outer_wall_reward: added when a move runs into the edge of the grid.
        hazard_reward: added when a move enters a hazard.

    Raises:
        ModelError: if the cells or a number is invalid.
    """
    grid = read_only_copy(cells, np.uint8, "cells")
    require(
        grid.ndim == 2 and grid.size > 0, f"cells must be a non-empty array of shape (rows, columns), not {grid.shape}"
    )
    check_walls(grid)
    rewards = {
        "goal_reward": goal_reward,
        "step_reward": step_reward,
        "outer_wall_reward": outer_wall_reward,
        "hazard_reward": hazard_reward,
    }
    try:
        check_flag("moving_goal", moving_goal)
        check_number("slip", slip, SHARE)
        for name, reward in rewards.items():
            check_number(name, reward)
    except SettingError as error:
        raise ModelError(str(error)) from None
    table = _reward_table(*map(float, rewards.values()))
    require(bool(np.isfinite(table).all()), f"the sums of rewards must be finite, not {table}")
    num_states = grid.size**2 if moving_goal else grid.size
    require(num_states <= MAX_STATES, f"{num_states:,} states are more than {MAX_STATES:,}")
    return Grid(
        cells=grid.reshape(-1),
        columns=grid.shape[1],
        num_cells=grid.size,
        moving_goal=bool(moving_goal),
        slip=float(slip),
        goal_reward=float(goal_reward),
        step_reward=float(step_reward),
        outer_wall_reward=float(outer_wall_reward),
        hazard_reward=float(hazard_reward),
        moves=read_only_copy([grid.shape[1], -1, -grid.shape[1], 1], np.int64, "moves"),
        rewards=read_only_copy(table, np.float64, "rewards"),
    )


def check_grid_starts(model: Grid, starts: Starts) -> tuple[int, npt.NDArray[np.int32]]:
    """Return the number of states of a grid, and its start states as read-only int32, (num_starts,).

    Raises:
        ModelError: if a start state is outside, on a goal or in a blocked cell.
    """
    num_states = model.num_cells**2 if model.moving_goal else model.num_cells
    states = check_starts(starts, num_states)
    cell, goal = states % model.num_cells, states // model.num_cells
    is_terminal = ((model.cells[cell] & BLOCKED) > 0) | (
        cell == goal if model.moving_goal else ((model.cells[cell] & GOAL) > 0)
    )
    if is_terminal.any():
        raise ModelError(
            f"start state {states[is_terminal][0]} is on a goal or in a blocked cell, where nothing happens"
        )
    return num_states, states


def grid_rewards(model: Grid) -> tuple[npt.NDArray[np.float64], tuple[float, float]]:
    """Return the rewards of each kind of move, and bounds (lowest, highest) of the reward of a step, 0 included."""
    has_hazards = bool(np.bitwise_or.reduce(model.cells) & HAZARD)
    hazards = [dynamics.ENTERS_HAZARD] if has_hazards else []
    extras = model.goal_reward, model.outer_wall_reward, model.hazard_reward if has_hazards else 0.0
    return model.rewards[[0, dynamics.REACHES_GOAL, dynamics.HITS_OUTER_WALL, *hazards]], (
        min(0.0, model.step_reward + sum(min(0.0, extra) for extra in extras)),
        max(0.0, model.step_reward + sum(max(0.0, extra) for extra in extras)),
    )


def _reward_table(goal: float, step: float, outer_wall: float, hazard: float) -> list[float]:
    """Return the reward of a move for each of the eight combinations of goal, hazard and outer wall that it meets.

    The index is a sum of the bits of `clew.kernels.dynamics` for what is met.
    """
    extras = [(dynamics.HITS_OUTER_WALL, outer_wall), (dynamics.REACHES_GOAL, goal), (dynamics.ENTERS_HAZARD, hazard)]
    return [sum((extra for bit, extra in extras if kind & bit), float(step)) for kind in range(8)]
