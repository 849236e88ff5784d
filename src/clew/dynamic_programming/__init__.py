"""Planning with a known model: the exact optimum that everything learned is graded against.

A planner is a function of a world, a discount and a tolerance, and a row in the table `PLANNERS`. Whichever it is, its
values are followed by a certificate, a bound on their error that is proved by a pass of its own: see `certificate`.
"""

from collections.abc import Callable
from typing import NamedTuple

from clew.dynamic_programming.policy_iteration import modified_policy_iteration, policy_iteration
from clew.dynamic_programming.prioritized import prioritized_sweeping
from clew.dynamic_programming.search import breadth_first, shortest_is_best
from clew.dynamic_programming.solution import Solution
from clew.dynamic_programming.value_iteration import directional_sweeps, gauss_seidel, value_iteration
from clew.environments import Environment
from clew.errors import SettingError
from clew.mazes import Maze
from clew.mdp import FiniteMDP

__all__ = ["PLANNERS", "Planner", "Solution", "solve"]

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


def solve(
    world: Environment | FiniteMDP | Maze, *, gamma: float = 0.9, tolerance: float = 1e-6, method: str | None = None
) -> Solution:
    """Compute the optimal values and an optimal policy of a world whose model is known.

    Whatever the method, `bound` is a proved bound on |v - v*|. It is at most the tolerance, unless rounding in double
    precision hides what is asked for; then it says what was reached.

    The step limit of an environment is not part of its model.

    Args:
        world: environment, model or maze.
        gamma: discount a step, in [0, 1]; below 1 if moves are uncertain or hazards cost.
        tolerance: greatest error of a value.
        method: a name in `PLANNERS`; None takes breadth-first search where a shortest way is a best one, policy
            iteration in other small worlds, and modified policy iteration in all else.

    Raises:
        SettingError: if gamma or the tolerance is out of range, or the method can't solve this world.

    Source:
        Sutton & Barto (2018), chapter 4; Puterman (1994), chapter 6.
    """
    if not 0.0 <= gamma <= 1.0:
        raise SettingError(f"gamma must be in [0, 1], not {gamma}")
    if not tolerance > 0.0:
        raise SettingError(f"tolerance must be positive, not {tolerance}")
    if method is not None and method not in PLANNERS:
        raise SettingError(f"method must be one of {', '.join(PLANNERS)}, not {method!r}")
    if isinstance(world, Maze):
        world = Environment(world)
    mdp = world.mdp if isinstance(world, Environment) else world
    if method is None:
        method = _fastest(mdp, gamma)
    if gamma == 1.0 and method != "breadth-first":
        raise SettingError(
            "gamma must be below 1 here: with slip, hazards or these rewards, values need a discount to stay finite"
        )
    return PLANNERS[method].plan(mdp, gamma, tolerance)


def _fastest(mdp: FiniteMDP, gamma: float) -> str:
    """The planner that was the fastest when measured, see docs/decisions/0006-planning.md."""
    if shortest_is_best(mdp, gamma):
        return "breadth-first"
    return "policy-iteration" if mdp.num_states <= SMALL else "modified-policy-iteration"
