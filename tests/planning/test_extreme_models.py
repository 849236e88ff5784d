"""Models that are hard to solve exactly: seldom events, sums of probabilities that are off, rewards at the limits.

Each is compared with rational arithmetic or with values derived by hand.
"""

from fractions import Fraction

import numpy as np
import pytest

import clew
import oracles_rational
from clew import FiniteMDP, PrecisionError, PrecisionWarning, SettingError

METHODS = (None, "policy-iteration", "sparse-policy-iteration", "modified-policy-iteration", "gauss-seidel")


def model_rows(mdp):
    """Return the outcomes of a model as `oracles_rational` takes them."""
    model = mdp.model
    columns = model.probabilities, model.next_states, model.rewards, model.terminated
    outcomes = list(zip(*(column.tolist() for column in columns), strict=True))
    pairs = [outcomes[i:j] for i, j in zip(model.offsets[:-1], model.offsets[1:], strict=True)]
    return [pairs[i : i + mdp.num_actions] for i in range(0, len(pairs), mdp.num_actions)]


@pytest.mark.parametrize("gamma", [0.9, 0.9999])
@pytest.mark.parametrize("ends", [False, True])
def test_all_planners_mean_the_same_by_probabilities_that_do_not_sum_to_1(gamma, ends):
    mdp = FiniteMDP.from_function(
        3, 1, lambda s, a: [(0.5, 0, 1.0, False), (0.5 - 9e-10, 1, 0.5, False)] if s < 2 else [(1.0, 0, 0.0, ends)]
    )
    v = oracles_rational.optimum(model_rows(mdp), [0, 0, 0], gamma)
    results = [clew.solve(mdp, gamma=gamma, method=method) for method in METHODS]
    results.append(clew.policy_values(mdp, [0, 0, 0], gamma=gamma))
    for result in results:
        assert max(abs(Fraction(x) - y) for x, y in zip(result.v.tolist(), v, strict=True)) <= result.bound <= 1e-6


def test_probabilities_are_divided_by_their_sum_only_if_it_is_off_by_more_than_rounding():
    p = [0.1] * 10  # their sum is 1 - 1.1e-16
    mdp = FiniteMDP.from_function(10, 2, lambda s, a: [(x * (1.0 - 1e-10 * a), t, 0.0, False) for t, x in enumerate(p)])
    first, second = mdp.model.probabilities.reshape(10, 2, 10).transpose(1, 0, 2)
    assert (first == 0.1).all()
    assert (np.abs(second - 0.1) < 1e-16).all()
    again = FiniteMDP.sparse(*mdp.model[:-1], num_actions=2, starts=mdp.starts)
    assert np.array_equal(again.model.probabilities, mdp.model.probabilities)


@pytest.mark.parametrize("gamma", [0.999999, 1 - 1e-9])
def test_small_worlds_that_end_are_solved_near_gamma_1(gamma):
    """One state stays forever with reward 1 - gamma, from another an episode ends soon."""
    mdp = FiniteMDP.from_function(
        3, 2, lambda s, a: [[(1.0, 0, 1.0 - gamma, False)], [(0.9, 1, 0.1, False), (0.1, 2, 0.0, True)], []][s]
    )
    solution, values = clew.solve(mdp, gamma=gamma), clew.policy_values(mdp, [0, 0, 0], gamma=gamma)
    exact = oracles_rational.optimum(model_rows(mdp)[:2], [0, 0], gamma)
    for result in (solution, values):
        assert max(abs(Fraction(x) - y) for x, y in zip(result.v[:2].tolist(), exact, strict=True)) <= result.bound
        assert result.bound <= 1e-6


@pytest.mark.parametrize("num_states", [30, 1200])
def test_many_seldom_steps_without_a_discount(num_states):
    """A row of states, each left with probability 1e-5 per step, at a cost of 1 per step: 1e5 steps in each."""
    mdp = FiniteMDP.from_function(
        num_states,
        1,
        lambda s, a: [(1 - 1e-5, s, -1.0, False), (1e-5, s + 1, 0.0, False)] if s < num_states - 1 else [],
    )
    with pytest.warns(PrecisionWarning):
        solution = clew.solve(mdp, gamma=1.0)
    error = np.abs(solution.v + (1e5 - 1.0) * np.arange(num_states)[::-1]).max()
    assert error <= solution.bound + 1e-4 <= 1e-3 * (-solution.v[0])


@pytest.mark.parametrize("seldom", [1e-16, 1e-300])
def test_too_many_steps_are_refused(seldom):
    def wait(state, action):
        return [(1.0 - seldom, 0, 0.0, False), (seldom, 1, 1.0, False)] if state == 0 else [(1.0, 1, 1.0, action == 0)]

    mdp = FiniteMDP.from_function(2, 2, wait)
    with pytest.raises(PrecisionError, match="too many steps for double precision"):
        clew.solve(FiniteMDP.from_function(2, 1, wait), gamma=1.0)
    with pytest.raises(PrecisionError, match="too many steps for double precision"):
        clew.solve_average(mdp)


def test_steps_are_infinite_only_where_the_episode_may_never_end():
    mdp = FiniteMDP.from_function(1, 1, lambda s, a: [(1.0, 0, 0.0, False), (1e-300, 0, 0.0, True)])
    assert clew.policy_steps(mdp, [0]).tolist() == [pytest.approx(1e300)]
    values = clew.policy_values(
        FiniteMDP.from_function(1, 1, lambda s, a: [(1.0, 0, 1e-9, False), (1e-300, 0, 0.0, True)]),
        [0],
        gamma=1.0,
        tolerance=1e290,
    )
    assert abs(values.v[0] - 1e291) <= values.bound


def test_gains_of_a_policy_that_may_enter_a_terminal_state():
    """From 0 to a state with a gain of 4 or, no less likely, to a terminal state; from 3 only to the latter."""
    mdp = FiniteMDP.from_function(
        4,
        1,
        lambda s, a: [
            [(0.5, 1, 0.0, False), (0.5, 2, 0.0, False)],
            [(1.0, 1, 4.0, False)],
            [],
            [(1.0, 2, 1.0, False)],
        ][s],
    )
    assert clew.policy_gain(mdp, [0] * 4).gains == pytest.approx([2.0, 4.0, 0.0, 0.0], abs=1e-8)
    ends = FiniteMDP.from_function(2, 1, lambda s, a: [(1.0, 1, 1.0, False)] if s == 0 else [])
    assert clew.policy_gain(ends, [0, 0]).gains.tolist() == [0.0, 0.0]


def test_values_without_a_mean_are_no_warning():
    mdp = FiniteMDP.from_function(2, 1, lambda s, a: [(1.0, s, 1.0 - 2.0 * s, False)])
    values = clew.policy_values(mdp, [0, 0], gamma=1.0)
    assert values.v.tolist() == [np.inf, -np.inf]
    assert np.isnan(values.value)


@pytest.mark.parametrize("gamma", [0.0, 0.99])
@pytest.mark.parametrize("method", METHODS)
def test_bounds_of_numbers_that_are_almost_0(gamma, method):
    rewards = (5e-324, 3e-323, -1e-310)
    mdp = FiniteMDP.from_function(
        3, 2, lambda s, a: [(0.7, (s + a) % 3, rewards[s], False), (0.3, 1, rewards[a], False)]
    )
    solution = clew.solve(mdp, gamma=gamma, method=method)
    v = oracles_rational.optimum(model_rows(mdp), [0, 0, 0], gamma)
    assert max(abs(Fraction(x) - y) for x, y in zip(solution.v.tolist(), v, strict=True)) <= Fraction(solution.bound)


@pytest.mark.parametrize("method", METHODS)
def test_rewards_whose_difference_overflows_are_refused(method):
    mdp = FiniteMDP.from_function(2, 1, lambda s, a: [(1.0, 1 - s, (1e308, -1e308)[s], False)])
    with pytest.raises(SettingError, match="scale the rewards down"):
        clew.solve(mdp, gamma=0.9, method=method)
