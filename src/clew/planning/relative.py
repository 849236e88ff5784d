"""Planning by relative values: worlds that never end, and discounts near 1.

Two planners share the relative values h and the bounds of `clew.kernels.planning.relative_values`:

    relative-value-iteration   sweeps; few are needed where the chain of the policy mixes fast
    sparse-policy-iteration    a sparse factorisation for each policy, by SciPy's SuperLU; the fastest where sweeps are
                               slow, and near gamma 1

`plan` begins with sweeps, and changes to factorisations if their cost, predicted from the graph of the policy, is less
than that of the sweeps that are still needed. Only operations are counted, never seconds, so that the
result doesn't depend on the machine.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from clew.kernels import read_only
from clew.kernels.dynamics import Sparse
from clew.kernels.planning import relative_values as kernels
from clew.kernels.planning.relative_values import UNIT, Rows
from clew.models.mdp import FiniteMDP
from clew.planning.equations import MAX_DENSE, as_rows, factorisation_cost, factorise
from clew.planning.iterations import Iteration
from clew.planning.orders import breadth_first_order
from clew.planning.policy_iteration import improve_and_evaluate, policy_iteration
from clew.planning.solution import Solution

Floats = npt.NDArray[np.float64]
DAMPING = 0.95  # see `relative_values.sweep`
EVALUATION_SWEEPS = 20  # of each round: one improves the policy, and these evaluate it
SPAN_LEFT = 0.03  # share of the span at which these sweeps end, as long as the policy changes in each round
MAX_ROUNDS = 100_000  # a limit on time only: a planner that reaches it returns the bound that it has
MAX_POLICIES = 200  # the same, of factorisations
MAX_REFINEMENTS = 20  # of the values of a policy; fewer if one doesn't halve the span of the residual
MAX_GAMMA = 1.0 - 1e-9  # gamma of a factorisation, since I - P has no inverse; at gamma 1, refinements do the rest
TINY = 1e-300  # span that is never reached, so that its logarithm is finite
MIN_SWEEPS, MAX_SWEEPS = 4, 30  # in place, between evaluations
MAX_SHARE = 16.0  # factorisations that these sweeps may cost, beyond the fewest
SWEEP_COST = 2.0  # operations for each outcome, relative to one of a factorisation
PREDICTION_COST = 2000.0  # operations for each outcome of a policy, up to which sweeps go on without a prediction
EXPECTED_POLICIES = 4.0  # number of factorisations that are expected
TRIAL_ROUNDS = 16  # of modified policy iteration, after which the number of further rounds is predicted
MAX_LEFT = 1e7  # rounds times outcomes, some hundredths of a second: up to which nothing else is tried


def never_ends(mdp: FiniteMDP) -> bool:
    """Return whether no action ends an episode, from any state."""
    model = mdp.model
    return isinstance(model, Sparse) and not model.terminated.any() and not mdp.is_terminal.any()


class RelativeValues:
    """Relative values of a world, which planners improve, and bounds of the advantages of an optimal policy.

    Attributes:
        rows: the model.
        gamma: discount per step, in [0, 1].
        high: (num_states,) float64, relative values, rounded.
        low: (num_states,) float64, their rounding errors: the values are high + low.
        policy: (num_states,) int32, an action for each state.
        lo: lower bound of T h - h.
        hi: upper bound of T h - h.
        residual: (num_states,) float64, the advantages of the policy.
        scale: 1 / (1 - gamma), by which an error of a reward per step is multiplied; 1 for average rewards, gamma 1.
    """

    def __init__(self, rows: Rows, gamma: float) -> None:
        self.rows, self.gamma = rows, gamma
        self.scale = 1.0 / (1.0 - gamma) if gamma < 1.0 else 1.0
        num_states = (rows.offsets.size - 1) // rows.num_actions
        self.high, self.low, self.residual = np.zeros((3, num_states))
        self.policy = rows.rewards.reshape(num_states, -1).argmax(axis=1).astype(np.int32)
        self.lo, self.hi = -math.inf, math.inf
        self._cost: tuple[npt.NDArray[np.int32], float] | None = None  # of the policy for which it was predicted

    def improve(self) -> int:
        """Improve the policy, and compute the bounds; return the number of actions that changed."""
        self.lo, self.hi, num_changed = kernels.improve(
            self.rows, self.high, self.low, self.gamma, self.policy, self.residual
        )
        return num_changed

    def add(self, change: Floats) -> None:
        """Add a change to the relative values, less its value in state 0, which keeps them small."""
        kernels.add_to(self.high, self.low, change, 1.0, float(change[0]))

    def factorisation_cost(self) -> float:
        """Predict the number of operations of a factorisation, see `equations`; once for the same policy."""
        if self._cost is None or not np.array_equal(self._cost[0], self.policy):
            self._cost = self.policy.copy(), factorisation_cost(self.rows, self.policy)
        return self._cost[1]

    def values(self, num_states: int) -> tuple[Floats, float]:
        """Return state values, (num_states,) float64, and a proved bound of their error, rounding included."""
        constant = 0.5 * (self.lo + self.hi) * self.scale
        v = constant + (self.high + self.low)
        rounding = 6.0 * UNIT * (abs(constant) + float(np.abs(self.high).max()))  # of five operations
        return v[:num_states], self.bound + rounding

    @property
    def bound(self) -> float:
        """Bound of the error of h + scale * (lo + hi) / 2, before it is rounded; of the gain if gamma is 1."""
        return (1.0 + 8.0 * UNIT) * 0.5 * (self.hi - self.lo) * self.scale


def plan(relative: RelativeValues, tolerance: float) -> str:
    """Iterate by sweeps, or by sparse factorisations where they are predicted to take less time; return the method."""
    if iterate_values(relative, tolerance, may_switch=True):
        return "relative-value-iteration"
    iterate_policies(relative, tolerance)
    return "sparse-policy-iteration"


def plan_relative(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Solve a world in rows by relative values, by the method that `plan` chooses."""
    relative = RelativeValues(as_rows(mdp), gamma)
    method = plan(relative, tolerance)
    return as_solution(mdp, relative, method)


def plan_small(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Solve a small world: by policy iteration, and where rounding counts by relative values.

    Near gamma 1, values may be so large that their rounding alone exceeds the tolerance.
    """
    solution = policy_iteration(mdp, gamma, tolerance)
    if solution.bound <= tolerance:
        return solution
    return min(solution, plan_relative(mdp, gamma, tolerance), key=lambda each: each.bound)


def plan_ending(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Solve a world in rows some of whose episodes end: by modified policy iteration, or by relative values.

    Sweeps are slow where most states end seldom or never. So every `TRIAL_ROUNDS` rounds predict how many are left; if
    they are many, or if values are so large that rounding counts, the world is solved by relative values.
    """
    iteration, change = Iteration(mdp, breadth_first_order(mdp), gamma, tolerance), math.inf
    for i in range(1, iteration.max_sweeps(iteration.target)):
        before, change = change, improve_and_evaluate(iteration)
        if iteration.is_converged(change):
            solution = iteration.solve("modified-policy-iteration", lambda _: improve_and_evaluate(iteration))
            if solution.bound <= tolerance:
                return solution
            break  # values are so large that rounding counts
        if i % TRIAL_ROUNDS == 0:
            rounds = min(rounds_left(before, change, iteration.target), iteration.max_sweeps(iteration.target))
            if rounds * mdp.sparse_rows.rewards.size > MAX_LEFT:
                break
    return plan_relative(mdp, gamma, tolerance)


def rounds_left(before: float, now: float, target: float) -> float:
    """Predict the number of rounds until a change falls to the target, if each reduces it as the last one did."""
    return math.log(target / now) / math.log(min(now / before, 1.0 - 1e-9))


def relative_value_iteration(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Solve a world by modified policy iteration on relative values; sweeps stop on the span of the Bellman residual.

    Source:
        Puterman (1994), sections 6.6 and 8.5.
    """
    relative = RelativeValues(as_rows(mdp), gamma)
    iterate_values(relative, tolerance, may_switch=False)
    return as_solution(mdp, relative, "relative-value-iteration")


def sparse_policy_iteration(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Solve a world by policy iteration; each policy is evaluated by a sparse LU factorisation.

    Source:
        Howard (1960); Puterman (1994), section 6.4.
    """
    relative = RelativeValues(as_rows(mdp), gamma)
    iterate_policies(relative, tolerance)
    return as_solution(mdp, relative, "sparse-policy-iteration")


def as_solution(mdp: FiniteMDP, relative: RelativeValues, method: str) -> Solution:
    """Return the solution of a world, from relative values."""
    v, bound = relative.values(mdp.num_states)
    v[mdp.is_terminal] = 0.0
    return Solution(mdp, relative.gamma, method, bound, values=v, planned_actions=relative.policy[: mdp.num_states])


def iterate_values(relative: RelativeValues, tolerance: float, *, may_switch: bool) -> bool:
    """Sweep until the bound meets the tolerance; return False if factorisations are predicted to take less time.

    Sweeps are in double precision. When their span is that of rounding, `refine` continues in twice the precision.
    """
    rows, gamma, policy = relative.rows, relative.gamma, relative.policy
    # Half of the span of T h - h is to be less; a half is left to rounding.
    target = max(tolerance / relative.scale, TINY)
    h, out = relative.high.copy(), np.empty_like(relative.high)
    max_reward = float(np.abs(rows.rewards[np.isfinite(rows.rewards)]).max())
    span, shift, cost = math.inf, 0.0, None
    for i in range(MAX_ROUNDS):
        last_policy = policy.copy()
        lo, hi = kernels.sweep(rows, h, gamma, DAMPING, shift, policy, True, out)
        h, out, before, span = out, h, span, hi - lo
        floor = 16.0 * UNIT * (float(np.abs(h).max()) + max_reward)
        if span <= max(target, floor):
            break
        if may_switch and i >= 2:
            left = rounds_left(before, span, target) * round_cost(rows)
            if policy.size <= MAX_DENSE or left > PREDICTION_COST * rows.probabilities.size / rows.num_actions:
                cost = relative.factorisation_cost() if cost is None or i % 16 == 0 else cost  # policies change little
                if left > EXPECTED_POLICIES * cost:
                    relative.high[:] = h
                    return False
        may_change_again = policy.size > MAX_DENSE and not np.array_equal(policy, last_policy)
        enough = SPAN_LEFT * span if may_change_again else 0.0
        for _ in range(EVALUATION_SWEEPS):
            shift = 0.5 * (lo + hi)
            lo, hi = kernels.sweep(rows, h, gamma, DAMPING, shift, policy, False, out)
            h, out = out, h
            if hi - lo < enough:
                break
    relative.high[:] = h
    refine(relative, tolerance)
    return True


def refine(relative: RelativeValues, tolerance: float) -> None:
    """Sweep in twice the precision, until the bound meets the tolerance or doesn't fall any more."""
    best = math.inf
    while True:
        relative.improve()
        if relative.bound <= tolerance or not relative.hi - relative.lo < 0.99 * best:
            return
        best = relative.hi - relative.lo
        kernels.add_to(relative.high, relative.low, relative.residual, DAMPING, 0.5 * (relative.lo + relative.hi))


def iterate_policies(relative: RelativeValues, tolerance: float) -> None:
    """Improve policies that are evaluated by sparse factorisations, until the bound meets the tolerance."""
    sweep_cost = SWEEP_COST * relative.rows.probabilities.size
    sweeps_per_policy = relative.factorisation_cost() / sweep_cost  # that take as long as one factorisation
    max_sweeps = round(max(MIN_SWEEPS, min(MAX_SHARE * sweeps_per_policy, MAX_SWEEPS), 0.5 * sweeps_per_policy))
    before = relative.improve()
    for _ in range(MAX_POLICIES):
        evaluate_by_factors(relative, tolerance)
        num_changed = relative.improve()
        if num_changed == 0 or relative.bound <= tolerance:
            return
        if sweeps_per_policy > MAX_SWEEPS or 2 * num_changed > before:
            improve_by_sweeps(relative, max_sweeps)
        before = num_changed


def improve_by_sweeps(relative: RelativeValues, max_sweeps: int) -> None:
    """Improve the policy by sweeps in place, back and forth; each takes an improvement through many states."""
    h, unchanged = relative.high.copy(), 0
    for i in range(max_sweeps):
        num_changed = kernels.improve_in_place(
            relative.rows, h, relative.gamma, relative.lo, relative.policy, i % 2 == 0
        )
        unchanged = 0 if num_changed else unchanged + 1
        if unchanged == 2:
            return


def evaluate_by_factors(relative: RelativeValues, tolerance: float) -> None:
    """Compute the relative values of the policy, by a factorisation and refinements while they reduce the residual."""
    rows, gamma = relative.rows, relative.gamma
    solve, span = factorise(rows, relative.policy, min(gamma, MAX_GAMMA)), math.inf
    policy = read_only(relative.policy)
    for _ in range(MAX_REFINEMENTS):
        lo, hi = kernels.evaluate(rows, relative.high, relative.low, gamma, policy, relative.residual)
        if not hi - lo < 0.5 * span:
            break
        span = hi - lo
        if 0.5 * span <= 0.1 * tolerance / relative.scale:
            break
        relative.add(solve(relative.residual - 0.5 * (lo + hi)))


def round_cost(rows: Rows) -> float:
    """Return the number of operations of one round of sweeps."""
    per_action = rows.probabilities.size / rows.num_actions
    return SWEEP_COST * (rows.probabilities.size + EVALUATION_SWEEPS * per_action)
