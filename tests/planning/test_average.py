"""Average reward, against linear programs, known answers and closed forms."""

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_array

import clew
from clew.environments.gallery import make_world
from worlds import access_control


def random_rows(rng, ends):
    """Outcomes of a small model; some states are left seldom or never, so that gains may differ.

    An outcome ends the episode with probability `ends`.
    """
    num_states, num_actions = int(rng.integers(2, 9)), int(rng.integers(1, 4))

    def outcomes(s):
        n = int(rng.integers(1, 3))
        to = rng.integers(num_states, size=n) if rng.random() < 0.7 else np.full(n, s)
        return list(
            zip(rng.dirichlet(np.ones(n)), to.tolist(), rng.standard_normal(n), rng.random(n) < ends, strict=True)
        )

    return [[outcomes(s) for _ in range(num_actions)] for s in range(num_states)]


def gains_by_linear_program(rows):
    """Return the optimal gains: the least g with g >= P g and g + h >= r + P h for some h; Puterman, section 9.3."""
    n = len(rows) + 1  # the last one is the end
    matrix, bounds = [], []
    for s, actions in enumerate([*rows, [[(1.0, n - 1, 0.0, True)]]]):
        for outcomes in actions:
            p, here = np.zeros(n), np.eye(n)[s]
            for probability, s_next, _, terminated in outcomes:
                p[n - 1 if terminated else s_next] += probability
            matrix += [np.append(p - here, np.zeros(n)), np.append(-here, p - here)]
            bounds += [0.0, -sum(probability * reward for probability, _, reward, _ in outcomes)]
    return linprog(np.repeat([1.0, 0.0], n), A_ub=matrix, b_ub=bounds, bounds=(None, None)).x[: n - 1]


@pytest.mark.parametrize("ends", [0.0, 0.2])
def test_gains_are_those_of_the_linear_program(ends):
    """Of models until 100 of them have states of different gains."""
    rng = np.random.default_rng(0)
    num_multichain = 0
    while num_multichain < 100:
        rows = random_rows(rng, ends)
        mdp = clew.FiniteMDP.from_function(len(rows), len(rows[0]), lambda s, a: rows[s][a])  # noqa: B023
        solution = clew.solve_average(mdp)
        assert solution.gains == pytest.approx(gains_by_linear_program(rows), abs=1e-7)
        assert solution.bound <= 1e-8
        num_multichain += np.ptp(solution.gains) > 1e-6
        chosen = [[rows[s][a]] for s, a in enumerate(solution.actions.tolist())]
        fixed = clew.FiniteMDP.from_function(len(rows), 1, lambda s, a: chosen[s][a])  # noqa: B023
        assert clew.solve_average(fixed).gains == pytest.approx(solution.gains, abs=2e-8)  # the policy has them


def test_access_control():
    """Sutton & Barto (2018), example 10.2: ten servers and customers of four priorities; 2.747642 by their own code."""
    solution = clew.solve_average(clew.FiniteMDP.from_function(44, 2, access_control))
    assert solution.gain == pytest.approx(2.747642, abs=5e-7)
    accepts = solution.actions.reshape(11, 4).astype(bool)
    assert not accepts[0].any()  # not available
    assert accepts[:, 3][1:].all()  # the highest priority always
    assert solution.bias is not None


def small():
    """Two states, each of which prefers the move to the other one."""
    return np.array([[[0.5, 0.5], [0.8, 0.2]], [[0.0, 1.0], [0.1, 0.9]]]), np.array([[5.0, 10.0], [-1.0, 2.0]])


def forest(num_ages):
    """Wait, and an old wood is worth 4, or cut it; a fire burns it down with probability 0.1."""
    ages = np.arange(num_ages)
    moves, rewards = np.zeros((2, num_ages, num_ages)), np.zeros((num_ages, 2))
    moves[0, ages, np.minimum(ages + 1, num_ages - 1)] = 0.9
    moves[0, :, 0], moves[1, :, 0] = 0.1, 1.0
    rewards[1:, 1], rewards[-1] = 1.0, (4.0, 2.0)
    return moves, rewards


def transient():
    """Nine states, of which three pay and are left, so that all gains are 0."""
    moves, rewards = np.stack([np.eye(9), np.eye(9)]), np.zeros((9, 2))
    given = {
        (0, 0): {3: 0.64, 6: 0.36},
        (0, 1): {4: 0.93, 7: 0.07},
        (0, 2): {5: 0.2, 8: 0.8},
        (1, 0): {2: 0.4, 4: 0.6},
        (1, 1): {4: 1.0},
        (1, 3): {4: 0.87, 5: 0.13},
        (1, 6): {7: 0.11, 8: 0.89},
    }
    for (a, s), row in given.items():
        moves[a, s] = 0.0
        moves[a, s, list(row)] = list(row.values())
    rewards[:2, 1] = 0.6, 1.0
    return moves, rewards


# Model, gain, optimal actions, and differences of the bias from that of the first state where they are known.
PYMDPTOOLBOX = {
    "small": (small(), 35.0 / 9.0, [1, 0], [0.0, -55.0 / 9.0]),
    "forest": (forest(3), 3.24, [0, 0, 0], [0.0, 3.6, 7.6]),
    "forest of ten ages": (forest(10), 1.549681956, [0] * 10, None),
    "transient": (transient(), 0.0, [1, 1] + [0] * 7, None),
}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", PYMDPTOOLBOX)
def test_known_answers_of_pymdptoolbox(name, sparse):
    """Of relative value iteration there: eight tests and two documented examples, of these four models.

    Their gain of `small`, 3.885235, is approximate, since they stop at a span of 0.01; the exact one is 35/9.
    """
    (moves, rewards), gain, actions, bias = PYMDPTOOLBOX[name]
    shaped = [csr_array(each) for each in moves] if sparse else moves.transpose(1, 0, 2)
    mdp = clew.FiniteMDP.from_arrays(shaped, rewards)
    solution = clew.solve_average(mdp)
    assert solution.gains == pytest.approx(np.full(mdp.num_states, gain), abs=1e-10)
    assert solution.actions.tolist() == actions
    assert clew.policy_gain(mdp, actions).gains == pytest.approx(solution.gains, abs=1e-10)
    if name == "small":
        assert solution.gain == pytest.approx(3.88523524641183, abs=0.005)
    if bias is not None:
        assert solution.bias - solution.bias[0] == pytest.approx(np.array(bias), abs=1e-8)


@pytest.mark.parametrize("period", [2, 7])
def test_a_periodic_chain(period):
    mdp = clew.FiniteMDP.from_function(period, 1, lambda s, a: [(1.0, (s + 1) % period, float(s == 0), False)])
    solution = clew.solve_average(mdp)
    assert solution.gain == pytest.approx(1.0 / period, abs=1e-8)
    assert solution.bias == pytest.approx(solution.bias[0] - (np.arange(period) > 0) * (1 - np.arange(period) / period))


def test_what_ends_has_a_gain_of_zero():
    assert clew.solve_average(clew.Maze.open(4, 4)).gain == 0.0
    mdp = clew.FiniteMDP.from_function(2, 2, lambda s, a: [(1.0, 1, 5.0, True)] if a else [(1.0, s, 0.25, False)])
    assert clew.solve_average(mdp).gains == pytest.approx([0.25, 0.25])  # to go on pays
    mdp = clew.FiniteMDP.from_function(2, 2, lambda s, a: [(1.0, 1, 5.0, True)] if a else [(1.0, s, -0.25, False)])
    assert clew.solve_average(mdp).gains == pytest.approx([0.0, 0.0])  # it doesn't


def test_an_exit_is_better_than_to_pay_forever():
    """In Russell & Norvig's world a step costs 0.04, and one can avoid the exits."""
    solution = clew.solve_average(make_world("russell"), tolerance=1e-6)
    assert solution.gains == pytest.approx(np.zeros(12), abs=1e-8)
    assert np.isfinite(clew.policy_steps(make_world("russell"), solution.policy)).all()


def test_a_gain_that_rounding_hides_is_warned_of():
    mdp = clew.FiniteMDP.from_function(2, 1, lambda s, a: [(1.0, 1 - s, 1e9 if s else -1e9, False)])
    with pytest.warns(clew.PrecisionWarning, match="not to within the tolerance of 1e-12"):
        clew.solve_average(mdp, tolerance=1e-12)
