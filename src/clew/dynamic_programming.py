"""Planning with a known model: the exact optimum that everything learned is graded against."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clew.environments import Environment
from clew.errors import SettingError
from clew.kernels.backups import (
    backup_all,
    bellman_residual,
    breadth_first,
    mark_endless,
    steps_sweep,
    sweep,
)
from clew.kernels.dynamics import BLOCKED, HAZARD, Grid, Sparse
from clew.mazes import Maze
from clew.mdp import FiniteMDP

__all__ = ["Solution", "solve"]


@dataclass(frozen=True, eq=False)
class Solution:
    """The optimum of a finite world.

    Attributes:
        steps: expected number of steps of the optimal policy, mean over the starts; infinite if it need not end.
        value: expected discounted return from the start, mean over the starts.
        v: (num_states,) float64, optimal state values; 0 where nothing can happen any more.
        q: (num_states, num_actions) float64, optimal action values.
        policy: (num_states,) int32, an optimal action; 0 where it doesn't matter.
        steps_from: (num_states,) float64, expected steps of that policy from each state; infinite where it may fail
            to end, 0 where nothing can happen any more.
        method: "breadth-first search" or "value iteration".
        bound: v is within this of the optimum, everywhere; proved, see `solve`. Rounding counts.
        gamma: discount that all this is for.
    """

    steps: float
    value: float
    v: npt.NDArray[np.float64]
    q: npt.NDArray[np.float64]
    policy: npt.NDArray[np.int32]
    steps_from: npt.NDArray[np.float64]
    method: str
    bound: float
    gamma: float


def solve(world: Environment | FiniteMDP | Maze, *, gamma: float = 0.9, tolerance: float = 1e-6) -> Solution:
    """Compute the optimal values and an optimal policy of a world whose model is known.

    Where moves are certain and a shortest way is a best one, breadth-first search, which is exact. Otherwise value
    iteration, in place, until a separate pass over all states proves that

        |v - v*| <= max_s |(T v)(s) - v(s)| / (1 - gamma) <= tolerance

    The step limit of an environment is not part of its model.

    Args:
        world: environment, model or maze.
        gamma: discount a step, in [0, 1]; below 1 if moves are uncertain or hazards cost.
        tolerance: greatest error of a value, for value iteration.

    Raises:
        SettingError: if gamma or the tolerance is out of range.

    Source:
        Sutton & Barto (2018), section 4.4; Puterman (1994), theorem 6.3.1, for the bound.
    """
    if not 0.0 <= gamma <= 1.0:
        raise SettingError(f"gamma must be in [0, 1], not {gamma}")
    if not tolerance > 0.0:
        raise SettingError(f"tolerance must be positive, not {tolerance}")
    if isinstance(world, Maze):
        world = Environment(world)
    mdp = world.mdp if isinstance(world, Environment) else world
    if isinstance(mdp.model, Grid) and _shortest_is_best(mdp.model, gamma):
        return _search(mdp, mdp.model, gamma)
    if gamma == 1.0:
        raise SettingError(
            "gamma must be below 1 here: with slip, hazards or these rewards, values need a discount to stay finite"
        )
    return _iterate_values(mdp, gamma, tolerance)


def _shortest_is_best(grid: Grid, gamma: float) -> bool:
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


def _search(mdp: FiniteMDP, grid: Grid, gamma: float) -> Solution:
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
    return _solution(mdp, v, q, policy.reshape(-1), steps_from, "breadth-first search", 0.0, gamma)


def _iterate_values(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    # From below: the worst that can be paid a step, for ever. A sweep can then only raise a value.
    lowest, highest = _reward_range(mdp)
    v = np.full(mdp.num_states, lowest / (1.0 - gamma))
    q = np.empty((mdp.num_states, mdp.num_actions))
    while True:
        change = _sweep(mdp, v, gamma, tolerance, highest - lowest)
        backup_all(mdp.model, v, gamma, q)
        policy = q.argmax(axis=1).astype(np.int32)
        steps_from = _expected_steps(mdp, policy)
        # A goal so far that its value is below the tolerance still shows the way, if the sweeps go on.
        if change == 0.0 or tolerance < 1e-200 or np.isfinite(steps_from[mdp.starts]).all():
            break
        tolerance *= 1e-9
    # What rounding can add to the residual: a relative error for every outcome, reward and product.
    roundings = 4 + (3 if isinstance(mdp.model, Grid) else int(np.diff(mdp.model.offsets).max()))
    slack = roundings * np.finfo(float).eps * (max(-lowest, highest) + float(np.abs(v).max()))
    bound = (bellman_residual(mdp.model, v, mdp.num_actions, gamma) + slack) / (1.0 - gamma)
    return _solution(mdp, v, q, policy, steps_from, "value iteration", bound, gamma)


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


def _expected_steps(mdp: FiniteMDP, policy: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Expected steps of a policy to the end; infinite where it may fail to end.

    Swept until none changes by more than a relative 1e-12. Where that takes too long, because an episode does, the
    linear equations of a small world are solved instead; in a large one the steps are not known, and NaN.
    """
    endless = np.empty(mdp.num_states, np.bool_)
    mark_endless(mdp.model, policy, endless)
    steps = np.where(endless, np.inf, 0.0)
    for i in range(20_000):
        if steps_sweep(mdp.model, policy, steps, i % 2 == 1) < 1e-12:
            return steps
    if np.count_nonzero(~endless) > 2000:
        return np.where(endless, np.inf, np.nan)
    model = mdp.to_sparse().model
    assert isinstance(model, Sparse)
    finite = np.flatnonzero(~endless)
    place = np.zeros(mdp.num_states, np.int64)
    place[finite] = np.arange(finite.size)
    equations, ones = np.eye(finite.size), np.zeros(finite.size)
    for row, s in enumerate(finite):
        first, last = model.offsets[s * mdp.num_actions + policy[s] :][:2]
        goes_on = ~model.terminated[first:last]
        np.subtract.at(
            equations[row], place[model.next_states[first:last][goes_on]], model.probabilities[first:last][goes_on]
        )
        ones[row] = last > first
    steps[finite] = np.linalg.solve(equations, ones)
    return steps


def _solution(
    mdp: FiniteMDP,
    v: npt.NDArray[np.float64],
    q: npt.NDArray[np.float64],
    policy: npt.NDArray[np.int32],
    steps_from: npt.NDArray[np.float64],
    method: str,
    bound: float,
    gamma: float,
) -> Solution:
    return Solution(
        steps=float(steps_from[mdp.starts].mean()),
        value=float(v[mdp.starts].mean()),
        v=v,
        q=q,
        policy=policy,
        steps_from=steps_from,
        method=method,
        bound=bound,
        gamma=gamma,
    )
