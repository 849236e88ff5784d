"""Planning by relative values, against exact rational arithmetic and closed forms."""

from fractions import Fraction

import numpy as np
import pytest

import clew
import oracles_rational
from clew.planning.equations import as_rows, factorisation_cost, factorise
from clew.planning.relative import RelativeValues

METHODS = ["sparse-policy-iteration", None]
GAMMAS = [0.5, 0.99, 0.999999, 1.0 - 1e-9]


def random_rows(rng, num_states, num_actions, can_end):
    """Outcomes of each pair, with probabilities and rewards of very different sizes."""

    def outcomes():
        n = int(rng.integers(1, 4))
        p = rng.dirichlet(np.ones(n)) if rng.random() < 0.7 else np.append(np.full(n - 1, 1e-7), 1 - 1e-7 * (n - 1))
        scale = 10.0 ** rng.integers(-3, 5)
        rewards = (rng.standard_normal(n) * scale).tolist()
        ends = (can_end & (rng.random(n) < 0.2)).tolist()
        return list(zip(p.tolist(), rng.integers(num_states, size=n).tolist(), rewards, ends, strict=True))

    return [[outcomes() for _ in range(num_actions)] for _ in range(num_states)]


@pytest.mark.parametrize("can_end", [False, True])
def test_bounds_hold_in_exact_arithmetic(can_end):
    """Of 500 models, many of them badly scaled, for random relative values and for those of a planner."""
    rng = np.random.default_rng(7)
    widths = []
    for i in range(500):
        num_states, gamma = int(rng.integers(1, 6)), GAMMAS[i % 4]
        rows = random_rows(rng, num_states, 2, can_end)
        mdp = clew.FiniteMDP.from_function(num_states, 2, lambda s, a: rows[s][a])  # noqa: B023
        relative = RelativeValues(as_rows(mdp), gamma)
        relative.high[:] = rng.standard_normal(relative.high.size) * 10.0 ** rng.integers(-2, 9)
        relative.low[:] = relative.high * rng.uniform(-1.0, 1.0, relative.high.size) * 2.0**-53
        relative.improve()
        h = [Fraction(x) + Fraction(y) for x, y in zip(relative.high.tolist(), relative.low.tolist(), strict=True)]
        if len(h) == num_states:
            exact = [max(row) for row in oracles_rational.advantages(rows, [*h, Fraction(0)], gamma)[:-1]]
        else:
            exact = [max(row) for row in oracles_rational.advantages(rows, h, gamma)]
        assert Fraction(relative.lo) <= min(exact) <= max(exact) <= Fraction(relative.hi)
        widths.append(float((min(exact) - Fraction(relative.lo)) / max(map(abs, exact))))
    assert 0.0 < np.median(widths) < 1e-14  # and they are close


@pytest.mark.filterwarnings("ignore::clew.PrecisionWarning")  # where values of 1e10 and of 1 are side by side
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("gamma", GAMMAS[:3])
@pytest.mark.parametrize("can_end", [False, True])
def test_values_are_within_their_bound_of_the_exact_ones(method, gamma, can_end):
    rng = np.random.default_rng(11)
    for _ in range(40):
        num_states = int(rng.integers(2, 6))
        rows = random_rows(rng, num_states, 2, can_end)
        mdp = clew.FiniteMDP.from_function(num_states, 2, lambda s, a: rows[s][a])  # noqa: B023
        found = clew.solve(mdp, gamma=gamma, method=method, tolerance=1e-3)
        v = oracles_rational.optimum(rows, found.actions, gamma)
        assert max(abs(Fraction(x) - y) for x, y in zip(found.v.tolist(), v, strict=True)) <= Fraction(found.bound)
        assert found.bound <= 1e-3 or can_end


def cycle(num_states, num_outcomes=4):
    """A cycle in which both actions do the same, by outcomes in another order; all are optimal."""
    weights = np.arange(1.0, num_outcomes + 1)
    p = (weights / weights.sum()).tolist()

    def outcomes(s, a):
        found = [(p[k], (s + k) % num_states, 1.1 + (k + s) % 7, False) for k in range(num_outcomes)]
        return found[::-1] if a else found

    return clew.FiniteMDP.from_function(num_states, 2, outcomes)


@pytest.mark.parametrize("gamma", [0.9, 0.9999, 1.0 - 1e-7])
@pytest.mark.filterwarnings("ignore::clew.PrecisionWarning")
def test_no_optimal_action_is_missing_where_values_are_large(gamma):
    """The bound of relative values may be less than the rounding of a backup, here of 20,000 outcomes."""
    solution = clew.solve(cycle(3, 20_000), gamma=gamma)
    assert solution.optimal_actions.all()


@pytest.mark.parametrize("tolerance", [5e-324, 1e-300, 1e300])
@pytest.mark.parametrize("num_states", [3, 150])
@pytest.mark.filterwarnings("ignore::clew.PrecisionWarning")
def test_any_tolerance_is_taken(tolerance, num_states):
    for method in (None, "modified-policy-iteration"):
        ending = warehouse(num_states, 0.01)
        best = clew.solve(ending, gamma=0.99, tolerance=tolerance, method=method)
        worst = clew.solve(ending, gamma=0.99, tolerance=1e-9)
        assert np.abs(best.v - worst.v).max() <= best.bound + worst.bound
    mdp = cycle(num_states)
    best, worst = clew.solve(mdp, gamma=0.99, tolerance=tolerance), clew.solve(mdp, gamma=0.99, tolerance=1e-9)
    assert np.abs(best.v - worst.v).max() <= best.bound + worst.bound
    values = clew.policy_values(mdp, worst, gamma=0.99, tolerance=tolerance)
    assert np.abs(values.v - worst.v).max() <= values.bound + worst.bound
    assert abs(clew.solve_average(mdp, tolerance=tolerance).gain - clew.solve_average(mdp).gain) <= max(1e-6, tolerance)


def warehouse(num_states, burning):
    """A stock that is ordered for, with a demand of 0 to 5; it burns down, which ends the episode, in some states."""

    def outcomes(s, a):
        stock = min(s + 2 * a, num_states - 1)
        p_end = burning if s < num_states // 2 else 0.0
        rows = [
            ((1.0 - p_end) / 6.0, max(stock - d, 0), 3.0 * min(stock, d) - 0.01 * stock - 2.0 * a, False)
            for d in range(6)
        ]
        return [*rows, (p_end, s, -50.0, True)] if p_end else rows

    return clew.FiniteMDP.from_function(num_states, 3, outcomes)


@pytest.mark.parametrize("burning", [1e-6, 1e-2])
@pytest.mark.parametrize("gamma", [0.99, 0.9999, 0.999999])
@pytest.mark.filterwarnings("ignore::clew.PrecisionWarning")
def test_worlds_that_seldom_end_are_solved_by_relative_values(burning, gamma):
    mdp = warehouse(300, burning)
    found = clew.solve(mdp, gamma=gamma)
    assert found.bound <= max(1e-6, 1e-11 * np.abs(found.v).max())
    if gamma > 0.99:
        assert found.method in ("relative-value-iteration", "sparse-policy-iteration")
    other = clew.solve(mdp, gamma=gamma, method="sparse-policy-iteration", tolerance=1e-9)
    np.testing.assert_allclose(found.v, other.v, rtol=0, atol=found.bound + other.bound)
    rows = mdp.sparse_rows
    pairs = np.repeat(np.arange(rows.offsets.size - 1), np.diff(rows.offsets))
    chosen = pairs == (pairs // 3) * 3 + found.actions[pairs // 3]
    moves, rewards = np.zeros((300, 300)), np.zeros(300)
    goes_on = chosen & ~rows.terminated
    np.add.at(moves, (pairs[goes_on] // 3, rows.next_states[goes_on]), rows.probabilities[goes_on])
    np.add.at(rewards, pairs[chosen] // 3, (rows.probabilities * rows.rewards)[chosen])
    v = np.linalg.solve(np.eye(300) - gamma * moves, rewards)
    np.testing.assert_allclose(found.v, v, rtol=0, atol=1e-6 + 1e-10 * np.abs(v).max())


def queues(size):
    """Two queues and one server, which serves one of them."""

    def outcomes(s, a):
        x, y = divmod(s, size)
        moves = ((0.25, 1, 0), (0.2, 0, 1), (0.55, -(a == 0), -(a == 1)))
        after = [(p, min(max(x + dx, 0), size - 1) * size + min(max(y + dy, 0), size - 1)) for p, dx, dy in moves]
        return [(p, s_next, -float(x + 2 * y), False) for p, s_next in after]

    return clew.FiniteMDP.from_function(size * size, 2, outcomes)


def expander(num_states):
    rng = np.random.default_rng(4)
    return clew.FiniteMDP.from_function(
        num_states, 1, lambda s, a: [(0.25, s_next, 0.0, False) for s_next in rng.integers(num_states, size=4).tolist()]
    )


@pytest.mark.parametrize("mdp", [queues(60), warehouse(1_000, 0.0), expander(1_000)], ids=["map", "line", "expander"])
def test_the_cost_of_a_factorisation_is_predicted_within_a_factor_of_six(mdp):
    """The cost is that of the products of each column of the factors, the squares of its entries."""
    rows = as_rows(mdp)
    policy = np.zeros(mdp.num_states, np.int32)
    lower = factorise(rows, policy, 0.99).__self__.L
    cost = float((np.diff(lower.indptr).astype(np.float64) ** 2).sum())
    assert cost / 6.0 < factorisation_cost(rows, policy) < cost * 6.0
