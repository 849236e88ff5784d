"""Absorbing Markov chains: expected steps, visits and values until a set of states is left, with proved bounds.

Let Q be the transition probabilities of a policy inside of a set of states that the chain leaves, or the discount ends.
A = I - gamma Q is an M-matrix: N, its inverse, has no negative entry, and has the expected number of visits of each
state from each other. From it follow

    N 1                  steps until the chain leaves the set
    N (r + gamma P b)    value of rewards r inside, and of values b that are received once, outside
    mu N                 visits of each state, if the chain starts from mu

The equations are solved by a sparse LU factorisation, or where it would take too much memory by a Krylov method, and
refined until residuals are those of rounding. However they are solved, the residuals r prove the result, rounding
included. Values are off by N r. Any z with A z >= |r| is at least N |r|, since N isn't negative, and so bounds the
error; such a z is found by solving the equations for a little more than |r|. The errors of all visits together are at
most the sum of |r(s)| (N 1)(s).

Source:
    Kemeny & Snell (1960), Finite Markov chains, chapter 3; Berman & Plemmons (1979), Nonnegative matrices, chapter 6.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.kernels.planning.absorbing import flow_residual, value_residual
from clew.kernels.planning.relative_values import UNIT, Rows, add_to
from clew.models.arrays import pick_rows
from clew.planning.equations import MAX_DENSE, dense_equations, factorisation_cost, factorise_sparse, sparse_equations

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
TINY = 1e-300  # added to what may be 0
MAX_COST = 5e12  # predicted number of operations of a factorisation; beyond, GMRES, a Krylov method, is used
SLACK = (1e-9, 1e-6, 1e-3, 1.0)  # added to residuals, relative to the largest, until a bound is proved
RESTART, MAX_RESTARTS = 60, 20  # of the Krylov method, for each refinement


class AbsorbingChain:
    """Chain of a policy until it leaves a set of states.

    Attributes:
        steps: (num_states,) float64, expected steps until the chain leaves the set, discounted; 0 outside.
        steps_error: proved bound of the relative error of `steps`; infinite if it couldn't be computed.
    """

    def __init__(self, rows: Rows, inside: Bools, *, rounding: float = 0.0, gamma: float = 1.0) -> None:
        """Factorise the equations of a set of states.

        Args:
            rows: chain of a policy: a model with one action.
            inside: (num_states,) bool, the set. With gamma 1 the chain must leave it with probability 1.
            rounding: relative error of the probabilities of `rows`.
            gamma: discount per step, in [0, 1].
        """
        zeros = np.zeros(inside.size)
        lengths = np.where(inside, np.diff(rows.offsets), 0)
        offsets, chosen = pick_rows(rows.offsets, np.arange(inside.size), lengths)
        self._rows = Rows(offsets, rows.probabilities[chosen], rows.next_states[chosen], zeros, zeros, 1)
        self._inside, self._rounding, self._gamma = np.flatnonzero(inside), rounding, gamma
        self._solve = new_solver(self._rows, inside, gamma)
        steps, error = self._refined(inside.astype(np.float64), zeros, zeros)
        self.steps, self.steps_error = steps, np.inf
        if bool((error[inside] < 0.5 * steps[inside]).all()):
            relative = error[inside] / (steps[inside] - error[inside])
            self.steps_error = float(relative.max(initial=0.0)) + 4.0 * UNIT

    def values(self, rewards: Floats, errors: Floats, outside: Floats) -> tuple[Floats, float]:
        """Return (v, bound): expected rewards until the chain leaves the set, and of what it then receives.

        Args:
            rewards: (num_states,) float64, expected reward of a step; 0 outside of the set.
            errors: (num_states,) float64, bound of the error of the rewards; 0 outside of the set.
            outside: (num_states,) float64, value of each state outside of the set, 0 inside; 0 unless gamma is 1.
        """
        v, error = self._refined(rewards, errors, outside)
        return v, float(error.max(initial=0.0)) + 2.0 * UNIT * float(np.abs(v).max(initial=0.0))

    def visits(self, start: Floats) -> tuple[Floats, float]:
        """Return (visits, bound): expected visits of each state, discounted, and a bound of the sum of their errors.

        Args:
            start: (num_states,) float64, probability to start in each state.
        """
        flow, error = self._refined_flow(start)
        visits = np.zeros(start.size)
        visits[self._inside] = flow[self._inside]
        if self.steps_error == np.inf:
            return visits, np.inf
        return visits, 1.001 * float((error * self.steps)[self._inside].sum()) * (1.0 + self.steps_error)

    def arrivals(self, start: Floats) -> tuple[Floats, float]:
        """Return (arrivals, bound): probabilities that the chain arrives in each state outside of the set.

        The bound is one of the sum of their errors. A start in a state counts as an arrival.

        Args:
            start: (num_states,) float64, probability to start in each state.
        """
        flow, error = self._refined_flow(start)
        flow[self._inside] = 0.0
        return flow, 1.001 * float(error.sum())

    def _refined(self, rewards: Floats, errors: Floats, outside: Floats) -> tuple[Floats, Floats]:
        """Return values, and bounds of their errors, (num_states,) float64 each; see `values`."""
        rows = self._rows._replace(rewards=rewards, reward_errors=errors)
        high, low, residual, error = outside.copy(), *np.zeros((3, outside.size))
        values, best, largest, ratio = outside, np.full(outside.size, np.inf), np.inf, np.inf
        change = np.zeros(outside.size)
        while True:
            value_residual(rows, high, low, self._gamma, self._rounding, residual, error)
            total = np.abs(residual) + error
            now = float(total.max()), float((np.abs(residual) / (error + TINY)).max())
            if not (now[0] < 0.5 * largest or now[1] < 0.5 * ratio):
                break
            values, best, largest, ratio = high + low, total, *now
            if ratio <= 1.0:  # residuals are those of rounding
                break
            change[self._inside] = self._solve(residual[self._inside])
            add_to(high, low, change, 1.0, 0.0)
        return values, self._majorant(best)

    def _refined_flow(self, start: Floats) -> tuple[Floats, Floats]:
        """Return visits inside and arrivals outside, and residuals with the rounding error, (num_states,) each."""
        inside, largest, ratio = self._inside, np.inf, np.inf
        visits, result = np.zeros((2, start.size))
        best, (residual, lost, error) = np.full(start.size, np.inf), np.empty((3, start.size))
        while True:
            flow_residual(self._rows, visits, start, self._gamma, self._rounding, residual, lost, error)
            rest = np.abs(residual[inside])
            total = error.copy()
            total[inside] += rest
            now = float(total.sum()), float((rest / (error[inside] + TINY)).max(initial=0.0))
            if not (now[0] < 0.5 * largest or now[1] < 0.5 * ratio):
                break
            result, best, largest, ratio = residual.copy(), total, *now
            result[inside] = visits[inside]
            if ratio <= 1.0:  # residuals are those of rounding
                break
            visits[inside] += self._solve(residual[inside], "T")
        return np.maximum(result, 0.0), best

    def _majorant(self, residual: Floats) -> Floats:
        """Return a proved upper bound of N r, for residuals that are not negative; infinite if none is found."""
        z, low, rest, error = np.zeros((4, residual.size))
        if not np.isfinite(residual).all():
            return np.full(residual.size, np.inf)
        for share in SLACK:
            more = residual + share * float(residual.max())
            z[self._inside] = 2.0 * self._solve(more[self._inside])  # twice: the solver may be off by as much
            rows = self._rows._replace(rewards=more, reward_errors=low)
            value_residual(rows, z, low, self._gamma, self._rounding, rest, error)
            if (z >= 0.0).all() and ((rest + error)[self._inside] <= 0.0).all():
                return z
        return np.full(residual.size, np.inf)


def new_solver(rows: Rows, inside: Bools, gamma: float) -> Callable[..., Floats]:
    """Return a function of b, and "T" for the transposed matrix, that solves A x = b of the states inside.

    If rounding makes the matrix singular, it returns NaN.
    """
    policy, states = np.zeros(inside.size, np.int32), np.flatnonzero(inside)
    if states.size == 0:
        return lambda b, transposed="N": b
    try:
        if inside.size <= MAX_DENSE:
            inverse = np.linalg.inv(dense_equations(rows, policy, gamma)[np.ix_(states, states)])
            return np.errstate(over="ignore", invalid="ignore")(
                lambda b, transposed="N": (inverse if transposed == "N" else inverse.T).dot(b)
            )
        matrix = sparse_equations(rows, policy, gamma)[states][:, states]
        if factorisation_cost(rows, policy) > MAX_COST:
            return _krylov_solver(matrix)
        solve: Callable[..., Floats] = factorise_sparse(matrix).solve
        return solve
    except (np.linalg.LinAlgError, RuntimeError):  # the latter is SuperLU's error
        return lambda b, transposed="N": np.full(b.size, np.nan)


def _krylov_solver(matrix: Any) -> Callable[..., Floats]:
    """Return a function that solves equations by GMRES, with the diagonal as preconditioner."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import gmres

    inverse = diags(1.0 / matrix.diagonal())
    matrices = {"N": matrix, "T": matrix.T.tocsr()}

    def solve(b: Floats, transposed: str = "N") -> Floats:
        x, _ = gmres(matrices[transposed], b, M=inverse, rtol=1e-6, restart=RESTART, maxiter=MAX_RESTARTS)
        return np.asarray(x)

    return solve
