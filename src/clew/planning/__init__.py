"""Planning: optimal values and an optimal policy of a world whose model is known.

`solve` computes the optimum with which learned policies are compared. A planner is a function of a model, a discount
and a tolerance, and a row of the table `PLANNERS`. All of them find the same values, each within its error bound:

    breadth-first               deterministic grids in which a shortest path is optimal; exact, and the fastest there
    value-iteration             any world; backs up all states at once, from one array into another
    gauss-seidel                any world; value iteration in place, states nearest to an end first: fewer sweeps
    directional-sweeps          grids; value iteration in place, from each corner in turn: the least memory
    policy-iteration            small worlds, and discounts near 1; evaluates each policy by linear equations
    modified-policy-iteration   any world; evaluates each policy by a few sweeps: the fastest in most worlds
    prioritized-sweeping        worlds in which few values still change; backs up the largest Bellman error first
    relative-value-iteration    worlds that never end; sweeps over differences of values, stopped by their span
    sparse-policy-iteration     worlds that never end; evaluates each policy by a sparse factorisation

Without a discount and with a step limit, other planners are taken, which have no row:

    gamma 1, deterministic, all steps cost    best-first search (Dijkstra), see `best_first`
    gamma 1, any other world                  total reward over collapsed end components, see `undiscounted`
    horizon                                   backward induction, see `finite_horizon`

docs/planning.md says which planner `solve` takes when no method is named, and what its bound proves.

Planners work on `FiniteMDP.filled`, in which actions that aren't available are copies of available ones: a copy changes
no optimum. `find_optimum` then leaves the copies out of the solution.

Every error bound is proved. Planners that sweep get theirs from a separate pass over all states, see `certificate`;
planners of relative values from the span of the Bellman residual, see `clew.kernels.planning.relative_values`.
Breadth-first search, best-first search and backward induction are exact but for rounding, which their bounds cover.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, overload

import numpy as np

from clew.environments import World, model_of
from clew.errors import SettingError
from clew.kernels.dynamics import Sparse
from clew.models.availability import as_available
from clew.models.mdp import FiniteMDP
from clew.planning.average import AverageSolution, solve_average
from clew.planning.best_first import best_first, is_deterministic_with_costs
from clew.planning.certificate import check_finite, check_overflow, warn_if_inexact
from clew.planning.equations import rewards_fit
from clew.planning.finite_horizon import HorizonSolution, backward_induction
from clew.planning.policy_iteration import modified_policy_iteration, policy_iteration
from clew.planning.prioritized import prioritized_sweeping
from clew.planning.relative import (
    never_ends,
    plan_ending,
    plan_relative,
    plan_small,
    relative_value_iteration,
    sparse_policy_iteration,
)
from clew.planning.search import breadth_first, shortest_path_is_optimal
from clew.planning.solution import Solution
from clew.planning.undiscounted import total_reward
from clew.planning.value_iteration import directional_sweeps, gauss_seidel, value_iteration
from clew.settings import POSITIVE, SHARE, check_choice, check_count, check_number

__all__ = ["PLANNERS", "AverageSolution", "HorizonSolution", "Planner", "Solution", "solve", "solve_average"]

MAX_POLICY_ITERATION_STATES = 100  # for which linear equations take about a millisecond, however near 1 gamma is
OTHER_PLANNERS = "; without a method, solve takes another planner where that one may be more precise"


class Planner(NamedTuple):
    """Row of the table of planners.

    Attributes:
        plan: function of a model in which all actions are available, gamma and the tolerance that returns the solution.
        purpose: what the planner is for.
        source: where it was published.
    """

    plan: Callable[[FiniteMDP, float, float], Solution]
    purpose: str
    source: str


PLANNERS = {
    "breadth-first": Planner(
        breadth_first, "deterministic grids in which a shortest path is optimal; exact", "Moore (1959)"
    ),
    "value-iteration": Planner(
        value_iteration, "any world; all states at once, as in the textbook", "Sutton & Barto (2018), section 4.4"
    ),
    "gauss-seidel": Planner(
        gauss_seidel, "any world; in place, states nearest to an end first", "Puterman (1994), section 6.3.3"
    ),
    "directional-sweeps": Planner(
        directional_sweeps, "grids; in place, from each of the four corners in turn; the least memory", "Zhao (2005)"
    ),
    "policy-iteration": Planner(
        policy_iteration, "small worlds, and gamma near 1; linear equations", "Sutton & Barto (2018), section 4.3"
    ),
    "modified-policy-iteration": Planner(
        modified_policy_iteration,
        "any world; policies evaluated by a few sweeps; the fastest in most worlds",
        "Puterman & Shin (1978)",
    ),
    "prioritized-sweeping": Planner(
        prioritized_sweeping,
        "worlds in which few values still change; largest Bellman error first",
        "Moore & Atkeson (1993)",
    ),
    "relative-value-iteration": Planner(
        relative_value_iteration,
        "worlds that never end and whose chains mix fast; gamma near 1",
        "Puterman (1994), section 8.5",
    ),
    "sparse-policy-iteration": Planner(
        sparse_policy_iteration,
        "worlds that never end; sparse linear equations; gamma near 1",
        "Howard (1960)",
    ),
}


@overload
def solve(
    world: World,
    *,
    gamma: float = 0.9,
    tolerance: float = 1e-6,
    method: str | None = None,
    horizon: None = None,
) -> Solution: ...
@overload
def solve(
    world: World,
    *,
    gamma: float = 0.9,
    tolerance: float = 1e-6,
    method: str | None = None,
    horizon: int,
) -> HorizonSolution: ...
def solve(
    world: World,
    *,
    gamma: float = 0.9,
    tolerance: float = 1e-6,
    method: str | None = None,
    horizon: int | None = None,
) -> Solution | HorizonSolution:
    """Compute the optimal values and an optimal policy of a world whose model is known, with a proved error bound.

        v*(s) = max over a of the sum over outcomes of p * (reward + gamma * v*(s_next))

    The step limit of an environment isn't part of its model; `horizon=env.max_episode_steps` plans for it, and the
    optimal action then depends on the time.

    Args:
        world: environment, model or maze; a Gymnasium environment if it has a table of transitions.
        gamma: discount per step, in [0, 1]; with 1, values are expected total rewards.
        tolerance: largest error of a value, in reward units. Where rounding in double precision prevents it, the
            `bound` of the solution is larger.
        method: a name in `PLANNERS`; None chooses breadth-first search where a shortest path is optimal, relative value
            iteration or sparse policy iteration in worlds that seldom or never end, policy iteration in other small
            worlds, and otherwise modified policy iteration; docs/planning.md has the details. With gamma 1, only None
            and breadth-first are possible.
        horizon: number of steps after which an episode is cut off; None if it isn't.

    Returns:
        The solution; with a horizon a `HorizonSolution`, computed by backward induction.

    Raises:
        SettingError: if gamma, the tolerance or the horizon is out of range, or the method can't solve this world, or
            values overflow double precision; with gamma 1 also if continuing forever has no cost, or a start can't end,
            so that there is no finite value.
        ModelError: if an environment has no model; the message says why.
        PrecisionError: if gamma is 1 and episodes take too many steps for double precision.

    Warns:
        PrecisionWarning: if the bound of the solution is larger than the tolerance.

    Examples:
        >>> import clew
        >>> solution = clew.solve(clew.Maze.open(5, 5), gamma=0.9)
        >>> solution.steps, round(solution.value, 6)
        (8.0, 0.478297)
        >>> solution.method, solution.bound < 1e-6
        ('breadth-first', True)

    Source:
        Sutton & Barto (2018), chapter 4; Puterman (1994), chapters 4 (horizon), 6 (discount) and 7 (no discount).
    """
    check_number("gamma", gamma, SHARE)
    check_number("tolerance", tolerance, POSITIVE)
    if method is not None:
        check_choice("method", method, PLANNERS)
    mdp, gamma, tolerance = model_of(world), float(gamma), float(tolerance)
    if horizon is not None:
        check_count("horizon", horizon, 1)
        if method is not None:
            raise SettingError(
                f"can't be {method!r} with a horizon, which takes backward induction; leave out one of them",
                setting="method",
            )
        planned = backward_induction(mdp, int(horizon), gamma)
        warn_if_inexact(planned.bound, tolerance)
        return planned
    solution = find_optimum(mdp, gamma, tolerance, method)
    warn_if_inexact(solution.bound, tolerance, remedy="" if method is None else OTHER_PLANNERS)
    return solution


def find_optimum(mdp: FiniteMDP, gamma: float, tolerance: float = 1e-6, method: str | None = None) -> Solution:
    """Solve a model as `solve` does, without a warning if the tolerance isn't reached.

    Raises:
        SettingError: see `solve`.
    """
    filled = mdp.filled
    if gamma == 1.0 and method is None and not shortest_path_is_optimal(mdp, gamma):
        solution = best_first(filled) if is_deterministic_with_costs(filled) else total_reward(filled, tolerance)
    elif method is None and never_ends(mdp) and rewards_fit(mdp):
        solution = plan_relative(filled, gamma, tolerance)
    elif method is None and is_large_in_rows(mdp) and rewards_fit(mdp):
        solution = plan_ending(filled, gamma, tolerance)
    else:
        planner = method or _default_method(mdp, gamma)
        if gamma == 1.0 and planner != "breadth-first":
            raise SettingError(
                f"must be below 1 here: {planner} needs a discount; without one, name no method", setting="gamma"
            )
        is_small = method is None and planner == "policy-iteration" and rewards_fit(mdp)
        plan = plan_small if is_small else PLANNERS[planner].plan
        solution = plan(filled, gamma, tolerance)
    if filled is not mdp:
        planned = solution.planned_actions
        solution = replace(solution, mdp=mdp, planned_actions=None if planned is None else as_available(mdp, planned))
    with np.errstate(over="ignore", invalid="ignore"):
        value = solution.value
    if gamma < 1.0 and solution.values is not None:
        check_overflow(mdp, value, solution.values)
    if value == -np.inf:  # the values of all states are computed in this case only
        check_finite(mdp.starts, solution.v[mdp.starts])
    return solution


def is_large_in_rows(mdp: FiniteMDP) -> bool:
    """Return whether a model is one of rows of outcomes, and has too many states for exact policy iteration."""
    return isinstance(mdp.model, Sparse) and mdp.num_states > MAX_POLICY_ITERATION_STATES


def _default_method(mdp: FiniteMDP, gamma: float) -> str:
    """Return the name of the planner that is the fastest by measurement, see docs/decisions/0006-planning.md."""
    if shortest_path_is_optimal(mdp, gamma):
        return "breadth-first"
    return "policy-iteration" if mdp.num_states <= MAX_POLICY_ITERATION_STATES else "modified-policy-iteration"
