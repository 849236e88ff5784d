"""Planning without a discount where rewards were shaped, so that going back and forth adds up to 0."""

import itertools

import numpy as np
import pytest

import clew


def corridor(n, unit, end, *, bump, slip=0.0):
    """Return n cells and an end, begun in cell 0: a step right pays a unit, one left costs it, and one into the wall.

    The end pays `end` more; with probability `slip` a step goes the other way.
    """

    def step(s, a):
        targets = [(p, max(s + (1 if to else -1), 0)) for p, to in ((1.0 - slip, a), (slip, 1 - a)) if p]
        return [
            (p, t, unit * (t - s) + (bump if t == s else 0.0) + (end if t == n else 0.0), t == n) for p, t in targets
        ]

    return clew.FiniteMDP.from_function(n + 1, 2, lambda s, a: [] if s == n else step(s, a), starts=[0])


@pytest.mark.parametrize(
    ("world", "values"),
    [
        (corridor(2, 1.0, 0.0, bump=0.0), [2, 1, 0]),
        (corridor(4, 0.1, 0.0, bump=-0.05), [0.4, 0.3, 0.2, 0.1, 0]),
        (corridor(3, 1.0, -100.0, bump=-1.0), [-97, -98, -99, 0]),  # nowhere can one stay for 0
        (corridor(3, 1.0, -100.0, bump=0.0), [0, -1, -2, 0]),  # in cell 0 one can
    ],
)
def test_shaped_rewards_have_a_finite_optimum(world, values):
    solution = clew.solve(world, gamma=1.0)
    assert solution.v == pytest.approx(values, abs=1e-6)
    assert np.abs(solution.v - values).max() <= solution.bound <= 1e-6
    assert solution.actions[0] == (0 if values[0] == 0 else 1)
    assert solution.steps == (np.inf if values[0] == 0 else len(values) - 1), "ties lead to the end"


def test_a_cycle_that_gains_is_refused():
    with pytest.raises(clew.SettingError, match="forever and gain"):
        clew.solve(corridor(4, 1.0, 0.0, bump=1e-3), gamma=1.0)


def shaped_world(seed):
    """Return (model, outcomes by state and action) of a random world with costs, shaped by a random potential."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    phi = np.append(rng.integers(-5, 6, n), 0)
    outcomes = {}
    for s, a in itertools.product(range(n), range(2)):
        targets = rng.integers(0, n + 1, rng.integers(1, 3))
        rewards = [rng.choice([0, 0, -1, -2]) if t < n else rng.integers(-6, 7) for t in targets]
        outcomes[s, a] = [
            (1.0 / targets.size, int(t), float(r + phi[t] - phi[s]), bool(t == n))
            for t, r in zip(targets, rewards, strict=True)
        ]
    return clew.FiniteMDP.from_function(n + 1, 2, lambda s, a: outcomes.get((s, a), []), starts=[0]), outcomes


def best_of_all(n, outcomes):
    """Return the best value of each of n states over all policies that end, or stay where that pays 0."""
    free = set(range(n))
    for _ in range(n):
        free = {s for s in free if any(all(t in free and r == 0 for _, t, r, _ in outcomes[s, a]) for a in range(2))}
    best = np.full(n, -np.inf)
    for policy in itertools.product(*((0, 1, None) if s in free else (0, 1) for s in range(n))):
        moves, rewards = np.zeros((n, n)), np.zeros(n)
        for s, a in enumerate(policy):
            for p, t, r, is_end in outcomes[s, a] if a is not None else []:
                rewards[s] += p * r
                moves[s, t if not is_end else 0] += 0.0 if is_end else p
        ends = np.linalg.matrix_power(moves, 2**14).sum(axis=1) < 1e-6
        values = np.linalg.solve(np.eye(n)[np.ix_(ends, ends)] - moves[np.ix_(ends, ends)], rewards[ends])
        best[ends] = np.maximum(best[ends], values)
    return best


def test_random_shaped_worlds_have_the_values_of_the_best_policy():
    num_solved = 0
    for seed in range(60):
        world, outcomes = shaped_world(seed)
        n = world.num_states - 1
        expected = best_of_all(n, outcomes)
        if np.isfinite(expected).all():
            num_solved += 1
            solution = clew.solve(world, gamma=1.0, tolerance=1e-9)
            assert solution.v[:n] == pytest.approx(expected, abs=1e-8), seed
    assert num_solved >= 40
