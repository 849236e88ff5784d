"""Planning with a known model: the exact optimum that everything learned is graded against.

A planner is a function of a world, a discount and a tolerance, and a row in the table `PLANNERS`. Whichever it is, its
values are followed by a certificate, a bound on their error that is proved by a pass of its own: see `certificate`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, overload

from clew.environments import World, model_of
from clew.errors import SettingError
from clew.models.mdp import FiniteMDP
from clew.planning.best_first import best_first, every_move_costs
from clew.planning.finite_horizon import HorizonSolution, induce_backwards
from clew.planning.policy_iteration import modified_policy_iteration, policy_iteration
from clew.planning.prioritized import prioritized_sweeping
from clew.planning.search import breadth_first, shortest_is_best
from clew.planning.solution import Solution
from clew.planning.undiscounted import total_reward
from clew.planning.value_iteration import directional_sweeps, gauss_seidel, value_iteration
from clew.settings import POSITIVE, SHARE, check_choice, check_count, check_number

__all__ = ["PLANNERS", "HorizonSolution", "Planner", "Solution", "solve"]

SMALL = 100  # states; linear equations of so many take about a millisecond, however near 1 gamma is


class Planner(NamedTuple):
    """A row of the table of planners."""

    plan: Callable[[FiniteMDP, float, float], Solution]  # of a world, gamma and the tolerance
    purpose: str
    source: str


PLANNERS = {
    "breadth-first": Planner(
        breadth_first, "grids with certain moves where a shortest way is a best one; exact", "Moore (1959)"
    ),
    "value-iteration": Planner(
        value_iteration, "any world; all states at once, the textbook's first", "Sutton & Barto (2018), section 4.4"
    ),
    "gauss-seidel": Planner(
        gauss_seidel, "any world; in place, states nearest to an end first", "Puterman (1994), section 6.3.3"
    ),
    "directional-sweeps": Planner(
        directional_sweeps, "grids; in place, from the four corners in turn; the least memory", "Zhao (2005)"
    ),
    "policy-iteration": Planner(
        policy_iteration, "small worlds, and gamma near 1; linear equations", "Sutton & Barto (2018), section 4.3"
    ),
    "modified-policy-iteration": Planner(
        modified_policy_iteration, "any world; the fastest in most", "Puterman & Shin (1978)"
    ),
    "prioritized-sweeping": Planner(
        prioritized_sweeping, "worlds where little is left to change", "Moore & Atkeson (1993)"
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
    """Compute the optimal values and an optimal policy of a world whose model is known.

    Whatever the method, `bound` is a proved bound on |v - v*|. It is at most the tolerance, unless rounding in double
    precision hides what is asked for; then it says what was reached.

    The step limit of an environment is not part of its model: `horizon=env.max_episode_steps` plans for it, by backward
    induction, which is exact but for rounding. What is best then depends on the time.

    Args:
        world: environment, model or maze; one of Gymnasium's environments, if it keeps a table of transitions.
        gamma: discount per step, in [0, 1]; at 1 the values are total rewards, see `undiscounted`.
        tolerance: greatest error of a value.
        method: a name in `PLANNERS`; None takes breadth-first search where a shortest way is a best one, policy
            iteration in other small worlds, and modified policy iteration in all else; and where gamma is 1, what that
            needs: best-first search where moves are certain and cost something, or else `undiscounted`.
        horizon: number of steps after which an episode is cut off; None if it never is.

    Raises:
        SettingError: if gamma, the tolerance or the horizon is out of range, or the method can't solve this world; if
            gamma is 1 and one can go on for ever for a gain, it names a state.
        ModelError: if an environment has no model; it says why.

    Source:
        Sutton & Barto (2018), chapter 4; Puterman (1994), chapters 4 (horizon), 6 and 7 (no discount).
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
        return induce_backwards(mdp, int(horizon), gamma)
    if gamma == 1.0 and method is None and not shortest_is_best(mdp, gamma):
        return best_first(mdp) if every_move_costs(mdp) else total_reward(mdp, tolerance)
    if method is None:
        method = _fastest(mdp, gamma)
    if gamma == 1.0 and method != "breadth-first":
        raise SettingError(
            f"must be below 1 here: {method} needs a discount; without one, name no method", setting="gamma"
        )
    return PLANNERS[method].plan(mdp, gamma, tolerance)


def _fastest(mdp: FiniteMDP, gamma: float) -> str:
    """The planner that was the fastest when measured, see docs/decisions/0006-planning.md."""
    if shortest_is_best(mdp, gamma):
        return "breadth-first"
    return "policy-iteration" if mdp.num_states <= SMALL else "modified-policy-iteration"
