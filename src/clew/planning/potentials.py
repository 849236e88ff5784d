"""Rewards without their potential, for planning without a discount where steps back and forth add up to 0.

Let phi be a *potential*: a number for each state, 0 at an end. In the world with rewards

    r'(s, a, s_next) = r(s, a, s_next) + phi(s) - phi(s_next)

each episode from s that ends earns phi(s) more, whatever it does, so v*(s) = v'*(s) - phi(s), and the same policies are
optimal. Let phi be so large that no r' of a step that goes on is above 0. Where a cycle adds up to 0, as it does if
rewards were shaped to lead to a goal, all of its r' are 0 then: its states are in a zero-reward end component of the
new world, which `undiscounted` collapses.

To go round such a cycle forever has no total reward, for the sum goes up and down without end. So that isn't allowed;
but to stay where that pays 0 in the world itself is, by an action more, which ends with reward 0. In the new world
staying in any of these components has value 0. So phi is made larger by the same number in all of their states, until
every v' there is proved to be above 0: then no optimal policy stays.

Rewards are counted in a unit of which all are whole multiples, so that the sum of a cycle is exact.

Source:
    Ng, Harada & Russell (1999), Policy invariance under reward transformations; Baier et al. (2018), Stochastic
    shortest paths and weight-bounded properties in Markov decision processes.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from clew.models.availability import as_available
from clew.models.checks import read_only_model
from clew.models.mdp import FiniteMDP
from clew.planning.end_components import Quotient, collapse_end_components
from clew.planning.rounding import EPSILON
from clew.planning.solution import Solution

Ints = npt.NDArray[np.int64]
MAX_RELAXED = 1e8  # outcomes, some seconds, before no potential is found
MAX_INTEGER = 2.0**31
STAY_COSTS = (2.0, 2000.0)  # times the largest reward and the number of states: how much phi is made larger


def solve_without_potential(
    mdp: FiniteMDP, quotient: Quotient, tolerance: float, plan: Callable[[FiniteMDP, Quotient, float], Solution]
) -> Solution | None:
    """Solve a world without the potential of its rewards; return None if a cycle gains, or nothing is proved.

    Args:
        mdp: the world, in which every action is available.
        quotient: its end components, in which to stay pays 0.
        tolerance: largest error of a value, in reward units.
        plan: planner of a world, its quotient and a tolerance.
    """
    model, num_states, num_actions = mdp.sparse_rows, mdp.num_states, mdp.num_actions
    unit = _common_unit(model.rewards)
    if unit is None:
        return None
    is_terminal = np.asarray(mdp.is_terminal)
    states = np.repeat(np.arange(num_states), np.diff(model.offsets[::num_actions]))
    goes_on = ~(model.terminated | is_terminal[model.next_states])
    steps = np.rint(model.rewards / unit).astype(np.int64)
    possible = goes_on & (model.probabilities > 0.0)
    phi = _potential(states[possible], model.next_states[possible], steps[possible], num_states)
    if phi is None:
        return None
    stay_actions = np.full(num_states, -1)
    stay_actions[quotient.states] = np.where(quotient.stay_pairs >= 0, quotient.stay_pairs % num_actions, -1)
    staying = np.flatnonzero((stay_actions >= 0) & ~is_terminal)

    def unshaped(phi: Ints) -> FiniteMDP:
        rewards = steps + phi[states] - np.where(goes_on, phi[model.next_states], 0)
        return _with_ends(mdp, rewards, staying, phi[staying])

    circle = _in_components(unshaped(phi))
    largest = float(max(1, np.abs(steps).max(initial=0), np.abs(phi).max(initial=0)))
    for cost in STAY_COSTS:
        larger = phi + circle * int(min(cost * largest * num_states, 2.0**50))
        world = unshaped(larger)
        solution = plan(world.filled, collapse_end_components(world.filled), tolerance / unit)
        if (solution.v[circle] > solution.bound).all():
            return _with_potential(mdp, world, solution, larger, unit, stay_actions)
    return None


def _with_potential(
    mdp: FiniteMDP, world: FiniteMDP, solution: Solution, phi: Ints, unit: float, stay_actions: Ints
) -> Solution:
    """Return the solution of a world from that of the one without the potential phi, whose rewards are in units."""
    assert solution.planned_actions is not None
    actions = as_available(world, solution.planned_actions)
    actions = np.where(actions == mdp.num_actions, stay_actions, actions).astype(np.int32)
    values = solution.v - phi
    size = float(np.abs(phi).max(initial=0) + np.abs(values[np.isfinite(values)]).max(initial=0.0))
    bound = float(np.nextafter((solution.bound + 4.0 * EPSILON * size) * unit, np.inf))
    return Solution(mdp, 1.0, solution.method, bound, values=values * unit, planned_actions=actions)


def _with_ends(mdp: FiniteMDP, rewards: Ints, staying: Ints, end_rewards: Ints) -> FiniteMDP:
    """Return a world with other rewards, and one action more, which ends with a reward in some states."""
    model, n = mdp.sparse_rows, mdp.num_actions
    lengths = np.column_stack([np.diff(model.offsets).reshape(-1, n), np.isin(np.arange(mdp.num_states), staying)])
    after = model.offsets[(staying + 1) * n]
    changed = model._replace(
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        probabilities=np.insert(model.probabilities, after, 1.0),
        next_states=np.insert(model.next_states, after, staying),
        rewards=np.insert(rewards, after, end_rewards).astype(np.float64),
        terminated=np.insert(model.terminated, after, True),
        num_actions=n + 1,
    )
    return FiniteMDP(read_only_model(changed), mdp.num_states, n + 1, mdp.starts)


def _in_components(mdp: FiniteMDP) -> npt.NDArray[np.bool_]:
    """Return which states are in zero-reward end components of a world, (num_states,) bool."""
    quotient = collapse_end_components(mdp.filled)
    found = np.zeros(mdp.num_states, np.bool_)
    found[quotient.states[np.flatnonzero(quotient.internal) // mdp.num_actions]] = True
    return found


def _common_unit(rewards: npt.NDArray[np.float64]) -> float | None:
    """Return a number of which all rewards are multiples, exactly and not too large ones; None if none is found."""
    sizes = np.abs(rewards[rewards != 0.0])
    for unit in (float(sizes.min(initial=1.0)), 2.0**-20):
        if not np.fmod(sizes, unit).any() and float(sizes.max(initial=0.0)) / unit < MAX_INTEGER:
            return unit
    return None


def _potential(states: Ints, next_states: npt.NDArray[np.int32], rewards: Ints, num_states: int) -> Ints | None:
    """Return the largest reward of a path to each state, (num_states,); None if a cycle gains, or it takes too long.

    Source:
        Bellman (1958), On a routing problem.
    """
    phi: Ints = np.zeros(num_states, np.int64)
    for _ in range(1 + min(num_states, int(MAX_RELAXED / max(1, states.size)))):
        before = phi.copy()
        np.maximum.at(phi, next_states, phi[states] + rewards)
        if np.array_equal(phi, before):
            return phi
    return None
