"""Residuals of values and of visits, and bounds of their rounding, against rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from clew.kernels.planning.absorbing import flow_residual, value_residual
from clew.kernels.planning.relative_values import Rows

pytestmark = pytest.mark.kernels


def random_chain(rng):
    """A chain of up to 6 states, the last of which ends it; probabilities may be of very different sizes."""
    n = int(rng.integers(2, 7))
    sizes = np.append(rng.integers(1, 5, n - 1), 0)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    p = np.concatenate([rng.dirichlet(np.full(size, rng.choice([0.05, 1.0]))) for size in sizes[:-1]])
    rewards = rng.standard_normal(n) * 10.0 ** rng.integers(-6, 7)
    return Rows(offsets, p, rng.integers(n, size=p.size).astype(np.int32), rewards, np.zeros(n), 1)


def outcomes(rows, s):
    for k in range(rows.offsets[s], rows.offsets[s + 1]):
        yield Fraction(rows.probabilities[k]), int(rows.next_states[k])


@pytest.mark.parametrize("gamma", [0.5, 0.999999, 1.0])
def test_residuals_are_within_their_bounds(gamma):
    rng = np.random.default_rng(5)
    g, widths = Fraction(gamma), []
    for _ in range(150):
        rows = random_chain(rng)
        n = rows.rewards.size
        high = rng.standard_normal(n) * 10.0 ** rng.integers(-3, 9, n)
        low = high * rng.uniform(-1.0, 1.0, n) * 2.0**-53
        start, visits = rng.dirichlet(np.ones(n)), np.append(np.abs(high[:-1]), 0.0)
        residual, lost, error = np.empty((3, n))
        value_residual(rows, high, low, gamma, 0.0, residual, error)
        h = [Fraction(x) + Fraction(y) for x, y in zip(high.tolist(), low.tolist(), strict=True)]
        for s in range(n):
            exact = (
                Fraction(rows.rewards[s]) - (1 - g) * h[s] + sum(g * p * (h[t] - h[s]) for p, t in outcomes(rows, s))
            )
            assert abs(exact - Fraction(residual[s])) <= Fraction(error[s])
        flow_residual(rows, visits, start, gamma, 0.0, residual, lost, error)
        flows = [Fraction(start[s]) - (1 - g) * Fraction(visits[s]) for s in range(n)]
        for s in range(n):
            for p, t in outcomes(rows, s):
                flows[t] += g * Fraction(visits[s]) * p
                flows[s] -= g * Fraction(visits[s]) * p
        for s in range(n):
            assert abs(flows[s] - Fraction(residual[s])) <= Fraction(error[s])
        widths.append((error / (np.abs(residual) + visits + 1.0)).max())
    assert np.max(widths) < 1e-6  # and they are close


def test_an_error_of_the_probabilities_widens_the_bounds():
    """By hand: from state 0, a half each to 1, worth 3, and to the end."""
    rows = Rows(np.array([0, 2, 2, 2]), np.array([0.5, 0.5]), np.array([1, 2], np.int32), np.zeros(3), np.zeros(3), 1)
    residual, lost, error = np.empty((3, 3))
    value_residual(rows, np.array([1.0, 3.0, 0.0]), np.zeros(3), 1.0, 1e-3, residual, error)
    assert residual.tolist() == [0.5, 3.0 * 0.0, 0.0]
    assert error[0] == pytest.approx(1.01e-3 * 1.5)
    flow_residual(rows, np.array([1.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0]), 1.0, 1e-3, residual, lost, error)
    assert residual.tolist() == [0.0, 0.5, 0.5]
    assert error == pytest.approx(1.01 * 1.01e-3 * np.array([1.0, 0.5, 0.5]))
