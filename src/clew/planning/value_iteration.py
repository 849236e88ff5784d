"""Value iteration: every state is given its greatest backup, again and again; three ways to go through the states."""

import numpy as np

from clew.errors import SettingError
from clew.kernels.dynamics import Grid
from clew.kernels.planning.sweeps import directional_sweep, synchronous_sweep
from clew.models.mdp import FiniteMDP
from clew.planning.iterations import Iteration
from clew.planning.orders import as_it_stands, nearest_first
from clew.planning.solution import Solution

__all__ = ["directional_sweeps", "gauss_seidel", "value_iteration"]


def value_iteration(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """All states at once, from one array into another.

    Source:
        Sutton & Barto (2018), section 4.4; Puterman (1994), section 6.3.
    """
    iteration = Iteration(mdp, nearest_first(mdp), gamma, tolerance)
    model, num_actions = iteration.ordered.model, iteration.ordered.num_actions
    out = np.empty_like(iteration.v)

    def sweep(_: int) -> float:
        residual = synchronous_sweep(model, iteration.v, num_actions, gamma, out)
        iteration.v[:] = out
        return residual

    iteration.repeat(sweep)
    return iteration.finish("value-iteration")


def gauss_seidel(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """One state after the other, in place, those nearest to an end first.

    Source:
        Sutton & Barto (2018), section 4.4; Puterman (1994), section 6.3.3.
    """
    iteration = Iteration(mdp, nearest_first(mdp), gamma, tolerance)
    iteration.repeat(lambda _: iteration.improve())
    return iteration.finish("gauss-seidel")


def directional_sweeps(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """A grid in place, from each of its four corners in turn: eight bytes per state, and no table of moves.

    Raises:
        SettingError: if the world is not a grid.

    Source:
        Zhao (2005), A fast sweeping method for Eikonal equations: the same order, for another equation.
    """
    grid = mdp.model
    if not isinstance(grid, Grid):
        raise SettingError("directional-sweeps goes through a grid row by row; take gauss-seidel for other worlds")
    iteration = Iteration(mdp, as_it_stands(mdp), gamma, tolerance)
    iteration.repeat(lambda i: directional_sweep(grid, iteration.v, gamma, i % 2 == 1, i // 2 % 2 == 1))
    return iteration.finish("directional-sweeps")
