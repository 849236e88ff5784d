"""Absorbing chains against exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from clew.kernels.planning.relative_values import Rows
from clew.planning import absorbing
from clew.planning.absorbing import AbsorbingChain


def random_chain(rng, n):
    """Rows of n states, and one that ends the chain; some exits have small probabilities."""
    sizes = np.append(rng.integers(1, 4, n) + 1, 0)
    p = [rng.dirichlet(np.ones(size)) for size in sizes[:-1]]
    next_states = [np.append(rng.integers(n, size=size - 1), rng.integers(n + 1)) for size in sizes[:-1]]
    exits = 10.0 ** -float(rng.integers(0, 8))
    next_states[0][-1], p[0] = n, np.append(p[0][:-1] / p[0][:-1].sum() * (1.0 - exits), exits)
    for s in range(1, n):
        next_states[s][0] = s - 1  # so that each state can leave
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    zeros = np.zeros(n + 1)
    return Rows(offsets, np.concatenate(p), np.concatenate(next_states).astype(np.int32), zeros, zeros, 1)


def inverse(matrix):
    n = len(matrix)
    whole = [[*row, *(Fraction(i == j) for j in range(n))] for i, row in enumerate(matrix)]
    for j in range(n):
        pivot = whole[j][j]
        whole[j] = [x / pivot for x in whole[j]]
        for i in range(n):
            if i != j:
                factor = whole[i][j]
                whole[i] = [x - factor * y for x, y in zip(whole[i], whole[j], strict=True)]
    return [row[n:] for row in whole]


def exact_visits(rows, n, gamma):
    """Return the visits of each state from each other, and the arrivals at the end, as fractions."""
    matrix = [[Fraction(i == j) * (1 - Fraction(gamma)) for j in range(n)] for i in range(n)]
    ends = [Fraction(0)] * n
    for s in range(n):
        for k in range(rows.offsets[s], rows.offsets[s + 1]):
            p = Fraction(gamma) * Fraction(rows.probabilities[k])
            matrix[s][s] += p  # what is missing stays
            if rows.next_states[k] < n:
                matrix[s][rows.next_states[k]] -= p
            else:
                ends[s] += p
    return inverse(matrix), ends


@pytest.mark.parametrize("gamma", [0.9, 0.999999, 1.0])
def test_values_and_visits_are_within_their_bounds(gamma):
    rng = np.random.default_rng(3)
    for _ in range(40):
        n = int(rng.integers(1, 7))
        rows = random_chain(rng, n)
        exact, ends = exact_visits(rows, n, gamma)
        inside = np.arange(n + 1) < n
        chain = AbsorbingChain(rows, inside, gamma=gamma)
        for s in range(n):
            assert abs(Fraction(chain.steps[s]) - sum(exact[s])) <= Fraction(chain.steps_error) * sum(exact[s])
        rewards = np.append(rng.standard_normal(n) * 10.0 ** rng.integers(-3, 4, n), 0.0)
        outside = np.append(np.zeros(n), 5.0 if gamma == 1.0 else 0.0)
        v, bound = chain.values(rewards, np.zeros(n + 1), outside)
        for s in range(n):
            paid = [Fraction(rewards[t]) + ends[t] * Fraction(outside[n]) for t in range(n)]
            assert abs(Fraction(v[s]) - sum(x * y for x, y in zip(exact[s], paid, strict=True))) <= Fraction(bound)
        start = np.append(rng.dirichlet(np.ones(n)), 0.0)
        visits, error = chain.visits(start)
        true = [sum(Fraction(start[s]) * exact[s][t] for s in range(n)) for t in range(n)]
        arrivals, doubt = chain.arrivals(start)
        assert abs(Fraction(arrivals[n]) - sum(x * y for x, y in zip(true, ends, strict=True))) <= Fraction(doubt)
        assert (arrivals[:n].any(), doubt < 1e-14 * visits.sum(), visits[n]) == (False, True, 0.0)
        assert sum(abs(Fraction(x) - y) for x, y in zip(visits[:n].tolist(), true, strict=True)) <= Fraction(error)
        assert (chain.steps_error < 1e-9, error < 1e-7 * visits.sum()) == (True, True)


@pytest.mark.parametrize("n", [5, 300])
def test_a_set_that_is_never_left_is_not_proved(n):
    rows = Rows(np.arange(n + 1), np.ones(n), ((np.arange(n) + 1) % n).astype(np.int32), np.zeros(n), np.zeros(n), 1)
    chain = AbsorbingChain(rows, np.ones(n, bool))
    zeros = np.zeros(n)
    assert chain.steps_error == np.inf
    assert chain.visits(np.full(n, 1.0 / n))[1] == np.inf
    assert not chain.values(zeros + 1.0, zeros, zeros)[1] < np.inf


def test_factors_and_krylov_methods_agree(monkeypatch):
    rng = np.random.default_rng(0)
    n = 500
    rows = random_chain(rng, n)
    inside = np.arange(n + 1) < n
    start = np.append(np.full(n, 1.0 / n), 0.0)
    by_factors = AbsorbingChain(rows, inside)
    monkeypatch.setattr(absorbing, "MAX_COST", 0.0)
    by_krylov = AbsorbingChain(rows, inside)
    assert by_krylov.steps == pytest.approx(by_factors.steps, rel=1e-9)
    assert max(by_factors.steps_error, by_krylov.steps_error) < 1e-9
    (one, bound), (other, other_bound) = by_factors.visits(start), by_krylov.visits(start)
    assert abs(one - other).sum() <= bound + other_bound < 1e-6 * one.sum()
