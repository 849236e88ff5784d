"""Gain of a policy: against known answers, powers of matrices, and planning."""

from fractions import Fraction

import numpy as np
import pytest
from benchmarks.continuing import MODELS

import clew
from oracles_rational import solve
from worlds import access_control


def limit_of(moves):
    """Return the limit of the mean of the powers of a stochastic matrix: that of the powers of a lazy chain."""
    power = 0.5 * (np.eye(len(moves)) + moves)
    for _ in range(60):
        power = power @ power
        power /= power.sum(axis=1, keepdims=True)
    return power


def test_access_control():
    """Sutton & Barto (2018), example 10.2: the optimum, and the best policy that explores with epsilon 0.1."""
    mdp = clew.FiniteMDP.from_function(44, 2, access_control)
    optimum = clew.solve_average(mdp)
    best = clew.policy_gain(mdp, optimum)
    assert (best.gain, np.ptp(best.gains)) == (pytest.approx(2.747642, abs=5e-7), 0.0)

    def exploring(state, action):
        outcomes = [access_control(state, a) for a in (0, 1)]
        available = [a for a in (0, 1) if outcomes[a]]
        shares = [(a, 0.9 * (a == action) + 0.1 / len(available)) for a in available if outcomes[action]]
        return [(share * p, s, reward, end) for a, share in shares for p, s, reward, end in outcomes[a]]

    soft = clew.solve_average(clew.FiniteMDP.from_function(44, 2, exploring))
    gain = clew.policy_gain(mdp, soft.actions, epsilon=0.1)
    assert (gain.gain, soft.gain) == (pytest.approx(2.6469, abs=5e-5), pytest.approx(gain.gain, abs=2e-8))
    assert clew.policy_gain(mdp, optimum, epsilon=0.1).gain < gain.gain
    assert max(best.bound, gain.bound) <= 1e-8


@pytest.mark.parametrize("seed", range(20))
def test_gains_are_those_of_the_limit_of_powers(seed):
    """Several recurrent classes, some of which are periodic, and episodes that end; stochastic policies."""
    rng = np.random.default_rng(seed)
    n = 12

    def outcomes(s, a):
        if s in (0, 5):
            return [(1.0, s, float(s), False)]
        if s in (1, 2, 3):
            return [(1.0, s % 3 + 1, float(s), False)]
        ends = (rng.random(3) < 0.2).tolist()
        return list(
            zip(rng.dirichlet(np.ones(3)), rng.integers(n, size=3).tolist(), rng.normal(size=3), ends, strict=True)
        )

    rows = [[outcomes(s, a) for a in range(2)] for s in range(n)]
    mdp = clew.FiniteMDP.from_function(n, 2, lambda s, a: rows[s][a])
    table = rng.dirichlet(np.ones(2), n)
    gain = clew.policy_gain(mdp, clew.Policy.from_probabilities(mdp, table))
    moves, reward = np.zeros((n + 1, n + 1)), np.zeros(n + 1)
    moves[n, n] = 1.0
    for s in range(n):
        for a in range(2):
            for p, s_next, r, end in rows[s][a]:
                moves[s, n if end else s_next] += table[s, a] * p
                reward[s] += table[s, a] * p * r
    assert gain.gains == pytest.approx((limit_of(moves) @ reward)[:n], abs=1e-9)
    assert gain.bound <= 1e-8


@pytest.mark.parametrize("gamma", [0.9999, 1.0 - 1e-9])
def test_bounds_of_stochastic_policies_hold_in_exact_arithmetic(gamma):
    """Three actions, a third each, which no double is: gains, values and long-run fractions of small models."""
    rng = np.random.default_rng(1)
    for _ in range(30):
        n = int(rng.integers(2, 6))
        p = rng.dirichlet(np.full(n, 0.5), (n, 3)) + 1e-3
        p /= p.sum(axis=2, keepdims=True)
        rewards = rng.standard_normal((n, 3)) * 10.0 ** rng.integers(-2, 4)
        mdp = clew.FiniteMDP.from_arrays(p, rewards)
        moves = [[sum(map(Fraction, column)) / 3 for column in p[s].T.tolist()] for s in range(n)]
        for s in range(n):
            moves[s][s] += 1 - sum(moves[s])  # what is missing stays
        paid = [[sum(map(Fraction, p[s, a].tolist())) * Fraction(rewards[s, a]) for a in range(3)] for s in range(n)]
        reward = [sum(each) / 3 for each in paid]
        v = solve([[(s == t) - Fraction(gamma) * moves[s][t] for t in range(n)] for s in range(n)], reward)
        balance = [[(s == t) - moves[s][t] for s in range(n)] for t in range(n - 1)] + [[Fraction(1)] * n]
        fractions = solve(balance, [Fraction(0)] * (n - 1) + [Fraction(1)])
        policy = clew.Policy(mdp)
        values = clew.policy_values(mdp, policy, gamma=gamma, tolerance=1.0)
        assert max(abs(Fraction(x) - y) for x, y in zip(values.v.tolist(), v, strict=True)) <= Fraction(values.bound)
        gain = clew.policy_gain(mdp, policy)
        exact_gain = sum(x * y for x, y in zip(fractions, reward, strict=True))
        assert abs(Fraction(gain.gain) - exact_gain) <= Fraction(gain.bound)
        long_run = clew.policy_statistics(mdp, policy)
        errors = [abs(Fraction(x) - y) for x, y in zip(long_run.occupancy.tolist(), fractions, strict=True)]
        assert sum(errors) <= Fraction(long_run.bound)
        assert max(gain.bound, long_run.bound) < 1e-9


def test_the_gain_of_a_chain_that_ends_is_0():
    env = clew.Environment(clew.Maze.open(4, 4), step_reward=-1.0)
    assert clew.policy_gain(env, np.zeros((16, 4))).gains.tolist() == [0.0] * 16


def test_worlds_that_never_end_have_the_gain_of_planning():
    for name in ("inventory 1,001 x 21", "river swim 1,000", "clusters", "periodic, 50 classes"):
        mdp = MODELS[name]()
        optimum = clew.solve_average(mdp)
        gain = clew.policy_gain(mdp, optimum)
        assert abs(gain.gain - optimum.gain) <= gain.bound + optimum.bound
        assert (gain.bound <= 1e-8, np.ptp(gain.gains)) == (True, 0.0)


def test_a_gain_that_rounding_hides_is_warned_of():
    mdp = clew.FiniteMDP.from_function(2, 1, lambda s, a: [(1.0, 1 - s, 1e9 if s else -1e9, False)])
    with pytest.warns(clew.PrecisionWarning, match="not to within the tolerance of 1e-12"):
        clew.policy_gain(mdp, [0, 0], tolerance=1e-12)
