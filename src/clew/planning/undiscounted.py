"""Planning without a discount: the largest expected total reward, with a proof.

The value of a state is the largest total reward that a policy can expect. For it to be finite, continuing forever must
cost: except for staying in a zero-reward end component (see `end_components`), every way to continue forever has to
lose on average. This isn't assumed but proved, state by state, by a number m > 0, the *margin*, and values u that are
*strictly superharmonic*:

    u(s) >= m + backup of (s, a) with u, for every pair that isn't excluded, and u(s) >= 0 where one may stay     (1)

Upper bound. Let any policy start in a proper state and use pairs that aren't excluded, for N steps or until it ends or
stays. Adding (1) up along the way, its expected reward is at most u(s) - m E[steps] - E[u of the state reached, if it
continues]. If it ends with probability 1, the last term goes to 0 as N grows, because u is bounded, so its value is at
most u(s). Otherwise E[steps] grows without limit, and its value is minus infinity. So v* <= u, and a gain by continuing
would contradict (1). From an improper state every policy may continue forever. There (1) is proved with an artificial
option to stay, so that each set of states in which it can remain forever loses at least m per step: v* is minus
infinity there, and no proper state may risk reaching one.

Lower bound. Take a policy that ends or stays with probability 1 (found by a search backwards, not by its values), and
l <= backup of its pairs with l. Added up as above, l is at most the value of that policy. So l <= v* <= u, and the
error bound is the largest u - l. All of this is checked in a separate pass, with room for rounding.

Algorithm. The values u are those of a world with m added to every reward, up to a small residual; l are those of one
with m subtracted. Each differs from v* by m E[steps], so a bound that is too wide gets a smaller m. Modified policy
iteration starts from a policy that ends with probability 1, and from values l' <= T l'. From then on values only rise,
so if the chosen policy would continue forever in some set of states, it gains there, or loses nothing; if this happens
however small m is, the world is refused, unless its rewards only have to be freed of a potential: see `potentials`. The
final policy is that of the world with m subtracted: of several equally
good policies it prefers the shorter ones, and it ends or stays with probability 1. A policy that is greedy with respect
to v* isn't sufficient: staying in place may look as good as reaching the end.

Source:
    Bertsekas & Tsitsiklis (1991), An analysis of stochastic shortest path problems; Haddad & Monmege (2018), Interval
    iteration algorithm for MDPs and IMDPs; Puterman (1994), sections 7.2 and 7.3.
"""

from itertools import count

import numpy as np
import numpy.typing as npt

from clew.errors import PrecisionError, SettingError
from clew.kernels.planning.undiscounted import STAY, evaluation_sweep, improvement_sweep, margins
from clew.models.mdp import FiniteMDP
from clew.planning.absorbing import new_solver
from clew.planning.certificate import AVERAGE_INSTEAD
from clew.planning.end_components import Pairs, Quotient, collapse_end_components
from clew.planning.potentials import solve_without_potential
from clew.planning.rounding import Rounding
from clew.planning.solution import Solution

Values = npt.NDArray[np.float64]
MAX_EQUATIONS = 1000  # components whose linear equations are solved if sweeps take long, whatever it costs
SWEEP_COST = 2.0  # operations for each outcome, relative to one of a factorisation
MIN_COST = 1e8  # operations of sweeps, some tenths of a second, before equations of more components are thought of


def total_reward(mdp: FiniteMDP, tolerance: float) -> Solution:
    """Solve a world with gamma 1: the largest expected total reward, with a bound proved as the module explains.

    Args:
        mdp: world.
        tolerance: largest error of a value, in reward units.

    Raises:
        SettingError: if continuing forever from some state, which is named, gains reward, or loses too little to be
            distinguished from rounding.
        PrecisionError: if episodes take too many steps for double precision.
    """
    quotient = collapse_end_components(mdp)
    try:
        return _solve_quotient(mdp, quotient, tolerance)
    except SettingError:
        solution = solve_without_potential(mdp, quotient, tolerance, _solve_quotient)
        if solution is None:
            raise
        return solution


def _solve_quotient(mdp: FiniteMDP, quotient: Quotient, tolerance: float) -> Solution:
    """Solve a world whose end components are collapsed; see `total_reward`."""
    rounding = Rounding(mdp)
    min_margin = 8.0 * rounding.of_backup(0.0)
    margin = max(1e-4 * tolerance, min_margin)
    v, choice = _initial_values(quotient, rounding, margin)
    while True:
        upper = v.copy()
        requested = margin
        margin, nonterminating = _improve(quotient, rounding, upper, choice, requested, 1.0)
        if nonterminating.size:
            if requested <= min_margin:
                raise SettingError(
                    f"must be below 1 here: from state {quotient.states[nonterminating[0]]} an episode can go on "
                    "forever and gain, or lose too little to distinguish from rounding, so the value is not finite; "
                    f"{AVERAGE_INSTEAD}",
                    setting="gamma",
                )
            margin = max(1e-4 * requested, min_margin)
            v, choice = _initial_values(quotient, rounding, margin)
            continue
        lower = _lower_bound(quotient, rounding, upper, choice, margin)
        width = float(np.nextafter((upper - lower)[quotient.proper].max(initial=0.0), np.inf))
        if width <= tolerance or margin > requested or requested == min_margin:
            break  # precise enough, or rounding allows no smaller margin
        margin = max(margin * 0.4 * tolerance / width, min_margin)
        v = lower
    v = np.clip((upper + lower) / 2.0, lower, upper)
    _evaluate(quotient, rounding, v, choice, 0.0, margin / 4.0)
    v = np.clip(v, lower, upper)
    v[~quotient.proper] = -np.inf
    position = np.argsort(quotient.states)
    return Solution(
        mdp, 1.0, "total-reward", width, values=v[position], planned_actions=quotient.expand_policy(choice)[position]
    )


def _too_many_steps() -> PrecisionError:
    return PrecisionError(
        "total rewards are not proved: from some states it takes too many steps for double precision until the episode "
        "ends or nothing is gained any more; clew.solve with a gamma below 1 takes fewer"
    )


def _max_abs(v: Values) -> float:
    return float(np.abs(v).max())


def _initial_values(quotient: Quotient, rounding: Rounding, margin: float) -> tuple[Values, Pairs]:
    """Return values that no backup lowers, and their policy, which ends or stays with probability 1."""
    v, choice = np.zeros(quotient.proper.size), quotient.choice.copy()
    coarse_margin = max(margin, 1e-3 * rounding.max_reward)
    _evaluate(quotient, rounding, v, choice, -coarse_margin, coarse_margin / 2.0)
    return v, choice


def _improve(
    quotient: Quotient, rounding: Rounding, v: Values, choice: Pairs, margin: float, sign: float
) -> tuple[float, npt.NDArray[np.int64]]:
    """Run modified policy iteration in place, in the world with sign * margin added to every reward.

    It stops when a sweep changes little compared with the margin; with sign 1, inequality (1) is then proved.

    Returns:
        The margin, raised if rounding requires it; and the states from which the choice continues forever, if it does.

    Raises:
        PrecisionError: if equations are so close to singular that nothing is proved.
    """
    model, components, requested = quotient.model, quotient.components, margin
    for i in count(1):
        rounding_error = rounding.of_backup(_max_abs(v))
        margin = max(margin, 8.0 * rounding_error)
        if margin > max(requested, rounding.max_reward):
            raise _too_many_steps()
        change = improvement_sweep(model, components, v, choice, sign * margin, rounding_error)
        if change <= margin / 4.0 or i % 8 == 0:
            nonterminating = quotient.nonterminating_states(choice)
            if nonterminating.size:
                return margin, nonterminating
        if change <= margin / 4.0 and (sign < 0.0 or margins(model, components, v, choice)[0] > rounding_error):
            break
        if i % 8 != 0 or not _solve_equations(quotient, v, choice, sign * margin, 11 * i):
            for j in range(10):
                if evaluation_sweep(model, components, v, choice, sign * margin, j % 2 == 0) <= change / 10.0:
                    break
    return margin, np.empty(0, np.int64)


def _lower_bound(quotient: Quotient, rounding: Rounding, upper: Values, choice: Pairs, margin: float) -> Values:
    """Return values that are proved not to exceed those of the choice, which is improved in place; -inf if unproved."""
    lower = upper.copy()
    _evaluate(quotient, rounding, lower, choice, -margin, margin / 4.0)
    _improve(quotient, rounding, lower, choice, margin, -1.0)
    _evaluate(quotient, rounding, lower, choice, -margin, margin / 4.0)
    proved = (
        margins(quotient.model, quotient.components, lower, choice)[1] > rounding.of_backup(_max_abs(lower))
        and not quotient.nonterminating_states(choice).size
    )
    return lower if proved else np.full_like(lower, -np.inf)


def _evaluate(
    quotient: Quotient, rounding: Rounding, v: Values, choice: Pairs, extra_reward: float, target: float
) -> None:
    """Evaluate the choice in place, with extra_reward added to every reward, until a sweep changes little."""
    for i in count():
        if i % 20 == 0:
            target = max(target, 2.0 * rounding.of_backup(_max_abs(v)))
        if evaluation_sweep(quotient.model, quotient.components, v, choice, extra_reward, i % 2 == 1) <= target:
            break
        if i % 200 == 199:
            _solve_equations(quotient, v, choice, extra_reward, i)


def _solve_equations(quotient: Quotient, v: Values, choice: Pairs, extra_reward: float, num_sweeps: int) -> bool:
    """Evaluate the choice in place, with extra_reward added to every reward, by one linear equation per component.

    Nothing is done, and False returned, if sweeps haven't taken long yet, or that is predicted to take longer than they
    have taken.

    Raises:
        PrecisionError: if values overflow, or rounding makes the equations singular.
    """
    if choice.size > MAX_EQUATIONS:
        cost_of_sweeps = num_sweeps * SWEEP_COST * quotient.model.probabilities.size
        if cost_of_sweeps < MIN_COST or quotient.factorisation_cost > cost_of_sweeps:
            return False
    rows = quotient.chain_of(choice, extra_reward)
    inside = np.append(choice != STAY, False)
    values = np.zeros(choice.size + 1)
    values[inside] = new_solver(rows, inside, 1.0)(rows.rewards[inside])
    if not np.isfinite(values).all():
        raise _too_many_steps()
    v[:] = values[quotient.component_of]
    return True
