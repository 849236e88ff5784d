"""Bounds that include rounding, on ill-conditioned models, against exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

import clew
import oracles_rational as exact
from clew.kernels.planning.relative_values import advantage
from clew.planning.equations import as_rows

pytestmark = pytest.mark.filterwarnings("ignore::clew.PrecisionWarning")  # where no double is within the tolerance
GAMMA = 1.0 - 1e-9


def ordinary(rng, s, n):
    """Rewards of very different sizes."""
    to = np.append(rng.integers(n, size=2), (s + 1) % n)
    return rng.dirichlet(np.ones(3)), to, rng.standard_normal(3) * 10.0 ** rng.integers(-3, 5, 3)


def tiny_probabilities(rng, s, n):
    """A state is left with a probability of 1e-12 or more."""
    p = 10.0 ** -rng.uniform(0.0, 12.0, 3)
    p[0] = 1.0
    return p / p.sum(), np.array([s, rng.integers(n), (s + 1) % n]), rng.standard_normal(3)


def cancelling_rewards(rng, s, n):
    """Rewards of up to about 1e9, whose mean is about 1."""
    p = rng.dirichlet(np.ones(3)) + 1e-3
    p /= p.sum()
    rewards = rng.standard_normal(3) * 10.0 ** rng.integers(3, 10)
    rewards[2] = (rng.standard_normal() - p[:2] @ rewards[:2]) / p[2]
    return p, np.append(rng.integers(n, size=2), (s + 1) % n), rewards


def nearly_decomposable(rng, s, n):
    """Two halves, between which a step goes with a probability of 1e-12 to 1e-8."""
    crosses, half = 10.0 ** -rng.uniform(8.0, 12.0), n // 2
    low, high, other = (0, half, half) if s < half else (half, n, 0)
    p = np.append(rng.dirichlet(np.ones(2)) * (1.0 - crosses), crosses)
    return p, np.append(rng.integers(low, high, size=2), other), rng.standard_normal(3)


KINDS = [ordinary, tiny_probabilities, cancelling_rewards, nearly_decomposable]
FEW_OR_MANY = [25, pytest.param(1_000, marks=[pytest.mark.nightly, pytest.mark.timeout(900)])]


def random_models(kind, num_models, ends=0.0):
    """Outcomes of small models, and the models; every policy has one recurrent class, if no outcome ends an episode."""
    rng = np.random.default_rng(KINDS.index(kind))
    for _ in range(num_models):
        n = int(rng.integers(2, 5))
        columns = [[(*kind(rng, s, n), rng.random(3) < ends) for _ in range(2)] for s in range(n)]
        rows = [[list(zip(*(c.tolist() for c in pair), strict=True)) for pair in pairs] for pairs in columns]
        yield rng, rows, clew.FiniteMDP.from_function(n, 2, lambda s, a, rows=rows: rows[s][a])


def errors(found, right):
    return max(abs(Fraction(x) - y) for x, y in zip(found.tolist(), right, strict=True))


@pytest.mark.parametrize("num_models", FEW_OR_MANY)
@pytest.mark.parametrize("kind", KINDS)
def test_advantages(kind, num_models):
    """Of all actions, for random relative values."""
    ratios = []
    for rng, rows, mdp in random_models(kind, num_models, 0.1):
        model, gamma = as_rows(mdp), float(rng.choice([0.5, 0.999999, GAMMA, 1.0]))
        num_states = len(rows) + mdp.sparse_rows.terminated.any()
        high = rng.standard_normal(num_states) * 10.0 ** rng.integers(-2, 9)
        low = high * rng.uniform(-1.0, 1.0, num_states) * 2.0**-53
        h = [Fraction(x) + Fraction(y) for x, y in zip(high.tolist(), low.tolist(), strict=True)]
        right = exact.advantages(rows, h, gamma)
        for s in range(len(rows)):
            for a in range(2):
                value, bound = advantage(model, high, low, s, 2 * s + a, gamma)
                ratios.append(float(abs(Fraction(value) - right[s][a]) / Fraction(bound)))
    assert 0.05 < max(ratios) <= 1.0  # bounds hold, and are close


@pytest.mark.parametrize("num_models", FEW_OR_MANY)
@pytest.mark.parametrize("ends", [0.0, 0.2])
@pytest.mark.parametrize("kind", KINDS)
def test_values(kind, ends, num_models):
    """Optimal values, and those of the policy."""
    ratios = []
    for _, rows, mdp in random_models(kind, num_models, ends):
        solution = clew.solve(mdp, gamma=GAMMA)
        policy = solution.actions.tolist()
        ratios.append(errors(solution.v, exact.optimum(rows, policy, GAMMA)) / Fraction(solution.bound))
        of_policy = clew.policy_values(mdp, solution.actions, gamma=GAMMA, tolerance=1e3)
        ratios.append(errors(of_policy.v, exact.values(rows, policy, GAMMA)) / Fraction(of_policy.bound))
    assert 0 < max(ratios) <= 1


@pytest.mark.parametrize("num_models", FEW_OR_MANY)
@pytest.mark.parametrize("kind", KINDS)
def test_gains(kind, num_models):
    """The optimal gain, and that of the policy."""
    ratios = []
    for _, rows, mdp in random_models(kind, num_models):
        solution = clew.solve_average(mdp)
        ratios.append(errors(solution.gains, [exact.best_gain(rows)] * len(rows)) / Fraction(solution.bound))
        of_policy = clew.policy_gain(mdp, solution.actions)
        ratios.append(abs(Fraction(of_policy.gain) - exact.gain(rows, solution.actions)) / Fraction(of_policy.bound))
    assert 0 < max(ratios) <= 1
