"""Exploration strategies: draws equal the oracle's, and frequencies and expected values follow the definition."""

import numpy as np
import pytest

import oracles_episodes
from clew.kernels import read_only
from clew.kernels.learning.behaviours import behaviour_after, choose, expected_value
from clew.kernels.sampling import new_stream
from clew.policies.behaviours import BEHAVIOURS
from loops import NONE, random_table, rows_of

pytestmark = pytest.mark.kernels

EXPLORATION = {name: 0.7 if row.setting else 0.0 for name, row in BEHAVIOURS.items()}
SIZES = [1, 3, 4, 7]


@pytest.fixture(params=EXPLORATION)
def behaviour(request):
    return request.param


def random_visits(shape, seed=0):
    """Visit counts with many ties and some zeros."""
    return np.random.default_rng(seed).integers(0, 3, shape).astype(np.int32)


def pick(behaviour, q, visits, s, exploration, stream):
    return int(choose(BEHAVIOURS[behaviour].strategy, read_only(q), visits, s, exploration, stream))


def worth(behaviour, q, visits, s, exploration):
    return expected_value(BEHAVIOURS[behaviour].strategy, read_only(q), visits, s, exploration)


def test_every_behaviour_is_tested():
    assert oracles_episodes.ACTING.keys() == BEHAVIOURS.keys()


@pytest.mark.parametrize("num_actions", SIZES)
def test_draws_equal_those_of_the_oracle(behaviour, num_actions):
    q, visits = random_table((30, num_actions)), random_visits((30, num_actions))
    stream, plain, exploration = new_stream(5), new_stream(5).tolist(), EXPLORATION[behaviour]
    for s in [*range(30)] * 3:
        expected = oracles_episodes.choose(behaviour, rows_of(q), visits.tolist(), s, exploration, plain)
        assert pick(behaviour, q, visits, s, exploration, stream) == expected
    assert stream.tolist() == plain


@pytest.mark.parametrize("num_actions", [3, 4, 7])
@pytest.mark.parametrize("seed", range(3))
def test_actions_are_drawn_as_often_as_they_are_likely(behaviour, num_actions, seed):
    """Within four standard deviations; actions of probability 0 never."""
    q, visits = random_table((1, num_actions), seed), random_visits((1, num_actions), seed)
    stream, exploration = new_stream(6, seed), EXPLORATION[behaviour]
    counts = np.bincount(
        [pick(behaviour, q, visits, 0, exploration, stream) for _ in range(2000)], minlength=num_actions
    )
    p = np.array(oracles_episodes.probabilities(behaviour, rows_of(q), visits.tolist(), 0, exploration))
    assert (np.abs(counts - 2000 * p) <= 4 * np.sqrt(2000 * p * (1 - p)) + 1e-6).all()


@pytest.mark.parametrize("num_actions", SIZES)
def test_expected_value_is_the_sum_over_the_probabilities(behaviour, num_actions):
    q = np.random.default_rng(0).normal(size=(40, num_actions)).astype(np.float32)
    q[20:] = random_table((20, num_actions))
    visits, exploration = random_visits((40, num_actions)), EXPLORATION[behaviour]
    for s in range(40):
        p = oracles_episodes.probabilities(behaviour, rows_of(q), visits.tolist(), s, exploration)
        expected = sum(chance * float(x) for chance, x in zip(p, q[s], strict=True))
        assert worth(behaviour, q, visits, s, exploration) == pytest.approx(expected, rel=1e-5, abs=1e-6)


# By hand --------------------------------------------------------------------------------------------------------------


def test_first_action_by_hand():
    """For [1, 2, 2, 0] and epsilon 0.2: 0.05 each, 0.8 more for the second; expected value 0.8 * 2 + 0.2 * 5 / 4."""
    q, stream = np.array([[1.0, 2.0, 2.0, 0.0]], np.float32), new_stream(4)
    counts = np.bincount([pick("first-action", q, NONE, 0, 0.2, stream) for _ in range(4000)], minlength=4)
    assert counts / 4000 == pytest.approx([0.05, 0.85, 0.05, 0.05], abs=4 * (0.05 * 0.95 / 4000) ** 0.5 + 0.01)
    assert worth("first-action", q, NONE, 0, 0.2) == pytest.approx(1.85)


@pytest.mark.parametrize(("row", "first"), [([0, 0, 0, 0], 0), ([-1, 0, 0], 1), ([-2, -1, -3, -1, -1], 1), ([5], 0)])
def test_first_action_takes_the_first_of_those_that_tie(row, first):
    q, stream = np.array([row], np.float32), new_stream(4)
    assert {pick("first-action", q, NONE, 0, 0.0, stream) for _ in range(40)} == {first}


@pytest.mark.parametrize("num_actions", [3, 4])
def test_softmax_by_hand(num_actions):
    """Values 0 and ln 2 at temperature 1 have weights 1 and 2, all others 0. The mean is 2/3 ln 2."""
    q = np.full((1, num_actions), -np.inf, np.float32)
    q[0, :2] = 0.0, np.log(2.0)
    stream = new_stream(1)
    drawn = [pick("softmax", q, NONE, 0, 1.0, stream) for _ in range(3000)]
    assert set(drawn) == {0, 1}
    assert drawn.count(1) / 3000 == pytest.approx(2 / 3, abs=4 * (2 / 9 / 3000) ** 0.5)
    q[0, 2:] = -1e6
    assert worth("softmax", q, NONE, 0, 1.0) == pytest.approx(2 / 3 * np.log(2.0), rel=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_softmax_neither_overflows_nor_divides_by_zero(scale):
    q = np.array([[3e38, -3e38, 3e38], [0.0, 0.0, 0.0]], np.float32)
    stream = new_stream(1)
    assert {pick("softmax", q, NONE, 0, scale, stream) for _ in range(60)} == {0, 2}
    assert {pick("softmax", q, NONE, 1, scale, stream) for _ in range(60)} == {0, 1, 2}
    assert worth("softmax", q, NONE, 0, scale) == np.float32(3e38)


def test_ucb_by_hand():
    """sqrt(ln 4) = 1.177: the bound of an action tried once is 0.5 + 1.177 c, of one tried three times 1 + 0.680 c."""
    q, visits = np.array([[0.5, 1.0]], np.float32), np.array([[1, 3]], np.int32)
    assert {pick("ucb", q, visits, 0, 1.00, new_stream(seed)) for seed in range(9)} == {1}
    assert {pick("ucb", q, visits, 0, 1.01, new_stream(seed)) for seed in range(9)} == {0}
    assert (worth("ucb", q, visits, 0, 1.00), worth("ucb", q, visits, 0, 1.01)) == (1.0, 0.5)


def test_ucb_tries_first_what_was_never_tried():
    q, visits = np.array([[9.0, -5.0, 9.0, -7.0]], np.float32), np.array([[5, 0, 5, 0]], np.int32)
    stream = new_stream(0)
    drawn = [pick("ucb", q, visits, 0, 1.0, stream) for _ in range(400)]
    assert drawn.count(1) + drawn.count(3) == 400
    assert 150 < drawn.count(1) < 250
    assert worth("ucb", q, visits, 0, 1.0) == -6.0


def test_ucb_without_confidence_is_greedy():
    q, visits = np.array([[1.0, 2.0, 2.0]], np.float32), np.array([[1, 50, 3]], np.int32)
    assert {pick("ucb", q, visits, 0, 0.0, new_stream(seed)) for seed in range(20)} == {1, 2}


@pytest.mark.parametrize("counts", [[3, 1, 1, 2], [0, 0, 0, 0], [2, 1, 4, 1, 1]], ids=str)
def test_least_tried_takes_each_of_the_least_as_often(counts):
    q, visits, stream = np.zeros((1, len(counts)), np.float32), np.array([counts], np.int32), new_stream(3)
    drawn = [pick("least-tried", q, visits, 0, 0.0, stream) for _ in range(1200)]
    least = [a for a, count in enumerate(counts) if count == min(counts)]
    assert set(drawn) == set(least)
    assert all(drawn.count(a) == pytest.approx(1200 / len(least), abs=100) for a in least)


def test_least_tried_comes_round_to_every_action():
    q, visits, stream = np.zeros((1, 4), np.float32), np.zeros((1, 4), np.int32), new_stream(3)
    for n in range(40):
        a = pick("least-tried", q, visits, 0, 0.0, stream)
        visits[0, a] += 1
        assert visits.max() == n // 4 + 1


def test_persistent_keeps_on_while_nothing_is_better():
    q = np.array([[2.0, 2.0, 1.0, 2.0]], np.float32)
    for last, allowed in ((1, {1}), (3, {3}), (2, {0, 1, 3})):
        acting = behaviour_after(BEHAVIOURS["persistent"].strategy, last)
        assert {int(choose(acting, read_only(q), NONE, 0, 0.0, new_stream(seed))) for seed in range(30)} == allowed
    assert {pick("persistent", q, NONE, 0, 0.0, new_stream(seed)) for seed in range(30)} == {0, 1, 3}


def test_other_behaviours_do_not_ask_for_the_last_action():
    assert behaviour_after(BEHAVIOURS["least-tried"].strategy, 2) == BEHAVIOURS["least-tried"].strategy
