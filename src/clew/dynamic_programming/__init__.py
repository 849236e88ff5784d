"""Planning with a known model: the exact optimum that everything learned is graded against."""

from numbers import Integral
from typing import overload

from clew.dynamic_programming.finite_horizon import HorizonSolution, induce_backwards
from clew.dynamic_programming.search import search, shortest_is_best
from clew.dynamic_programming.solution import Solution
from clew.dynamic_programming.sweeps import iterate_values
from clew.environments import Environment
from clew.errors import SettingError
from clew.kernels.dynamics import Grid
from clew.mazes import Maze
from clew.mdp import FiniteMDP

__all__ = ["HorizonSolution", "Solution", "solve"]


@overload
def solve(
    world: Environment | FiniteMDP | Maze, *, gamma: float = 0.9, tolerance: float = 1e-6, horizon: None = None
) -> Solution: ...
@overload
def solve(
    world: Environment | FiniteMDP | Maze, *, gamma: float = 0.9, tolerance: float = 1e-6, horizon: int
) -> HorizonSolution: ...
def solve(
    world: Environment | FiniteMDP | Maze, *, gamma: float = 0.9, tolerance: float = 1e-6, horizon: int | None = None
) -> Solution | HorizonSolution:
    """Compute the optimal values and an optimal policy of a world whose model is known.

    Where moves are certain and a shortest way is a best one, breadth-first search, which is exact. Otherwise value
    iteration, in place, until a separate pass over all states proves that

        |v - v*| <= max_s |(T v)(s) - v(s)| / (1 - gamma) <= tolerance

    The step limit of an environment is not part of its model: `horizon=env.max_episode_steps` plans for it, by backward
    induction, which is exact but for rounding. What is best then depends on the time.

    Args:
        world: environment, model or maze.
        gamma: discount a step, in [0, 1]; below 1 if moves are uncertain or hazards cost.
        tolerance: greatest error of a value, for value iteration.
        horizon: number of steps after which an episode is cut off; None if it never is.

    Raises:
        SettingError: if gamma, the tolerance or the horizon is out of range.

    Source:
        Sutton & Barto (2018), section 4.4; Puterman (1994), theorem 6.3.1 (the bound) and section 4.5 (horizon).
    """
    if not 0.0 <= gamma <= 1.0:
        raise SettingError(f"gamma must be in [0, 1], not {gamma}")
    if not tolerance > 0.0:
        raise SettingError(f"tolerance must be positive, not {tolerance}")
    if isinstance(world, Maze):
        world = Environment(world)
    mdp = world.mdp if isinstance(world, Environment) else world
    if horizon is not None:
        if not isinstance(horizon, Integral) or horizon < 1:
            raise SettingError(f"horizon must be a number of steps, at least 1, not {horizon}")
        return induce_backwards(mdp, int(horizon), gamma)
    if isinstance(mdp.model, Grid) and shortest_is_best(mdp.model, gamma):
        return search(mdp, mdp.model, gamma)
    if gamma == 1.0:
        raise SettingError(
            "gamma must be below 1 here: with slip, hazards or these rewards, values need a discount to stay finite"
        )
    return iterate_values(mdp, gamma, tolerance)
