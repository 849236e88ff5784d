"""Value iteration: replace the value of each state by its largest backup until nothing changes, in three orders."""

import numpy as np

from clew.errors import SettingError
from clew.kernels.dynamics import Grid
from clew.kernels.planning.sweeps import directional_sweep, synchronous_sweep
from clew.models.mdp import FiniteMDP
from clew.planning.iterations import Iteration
from clew.planning.orders import breadth_first_order, original_order
from clew.planning.solution import Solution


def value_iteration(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Solve a world by value iteration with synchronous sweeps: all states at once, from one array into another.

    Source:
        Sutton & Barto (2018), section 4.4; Puterman (1994), section 6.3.
    """
    iteration = Iteration(mdp, breadth_first_order(mdp), gamma, tolerance)
    model, num_actions = iteration.ordered.model, iteration.ordered.num_actions
    out = np.empty_like(iteration.v)

    def sweep(_: int) -> float:
        """Replace all values by their largest backups at once; return the Bellman residual of the values before."""
        residual = synchronous_sweep(model, iteration.v, num_actions, gamma, out)
        iteration.v[:] = out
        return residual

    return iteration.solve("value-iteration", sweep)


def gauss_seidel(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Solve a world by Gauss-Seidel value iteration: state by state, in place, those nearest to an end first.

    Source:
        Sutton & Barto (2018), section 4.4; Puterman (1994), section 6.3.3.
    """
    iteration = Iteration(mdp, breadth_first_order(mdp), gamma, tolerance)
    return iteration.solve("gauss-seidel", lambda _: iteration.gauss_seidel_sweep())


def directional_sweeps(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Solve a grid by value iteration in place, from each of its four corners in turn; it takes eight bytes per state.

    Raises:
        SettingError: if the world isn't a grid.

    Source:
        Zhao (2005), A fast sweeping method for Eikonal equations: the same order, for another equation.
    """
    grid = mdp.model
    if not isinstance(grid, Grid):
        raise SettingError("directional-sweeps goes through a grid row by row; take gauss-seidel for other worlds")
    iteration = Iteration(mdp, original_order(mdp), gamma, tolerance)
    return iteration.solve(
        "directional-sweeps", lambda i: directional_sweep(grid, iteration.v, gamma, i % 2 == 1, i // 2 % 2 == 1)
    )
