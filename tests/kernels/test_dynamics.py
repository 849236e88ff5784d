"""Draws, actions, outcomes and the Q-learning update against their oracles.

The tests of kernels run compiled, uncompiled (NUMBA_DISABLE_JIT=1) and with bounds checks (`make test`).
"""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracles
from clew.kernels import kernel, read_only
from clew.kernels.dynamics import fast_model, num_outcomes, outcome
from clew.kernels.learning import behaviours
from clew.kernels.learning.behaviours import BranchlessEpsilonGreedy, epsilon_greedy
from clew.kernels.learning.updates import q_learning_update
from clew.kernels.sampling import below, draw_start, new_stream, next_bits, sample, uniform
from clew.kernels.values import TIE_BREAKS, max_value
from clew.kernels.vectors import _portable_argmax_mask_of_four, argmax_mask_of_four, max_of_four
from clew.kernels.wide import as_values
from loops import ALPHA, CERTAIN, GAMMA, WORLDS, build, random_table, rows_of, same_bits
from oracles import sparse_world

pytestmark = pytest.mark.kernels


@pytest.fixture(params=WORLDS)
def world(request):
    return build(request.param)


@pytest.fixture(params=CERTAIN)
def deterministic_world(request):
    return build(request.param)


# Draws ----------------------------------------------------------------------------------------------------------------


def test_next_bits_are_those_of_splitmix64():
    stream = np.array([1234567, 0x9E3779B97F4A7C15], np.uint64)  # the published test vector
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [int(next_bits(stream)) for _ in published] == published


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_next_bits_equal_their_oracle(state, increment):
    stream, plain = np.array([state, increment], np.uint64), [state, increment]
    assert [int(next_bits(stream)) for _ in range(3)] == [oracles.next_bits(plain) for _ in range(3)]
    assert stream.tolist() == plain


@given(st.integers(0, 2**32 - 1), st.integers(1, 2**31 - 1))
def test_below_is_in_range_and_equals_its_oracle(half, n):
    drawn = below(np.uint64(half), n)
    assert 0 <= drawn < n
    assert drawn == oracles.below(half, n)


@given(st.integers(0, 2**64 - 1))
def test_uniform_is_in_range_and_equals_its_oracle(bits):
    drawn = uniform(np.uint64(bits))
    assert 0.0 <= drawn < 1.0
    assert drawn == oracles.uniform(bits)


def test_the_greatest_draw_is_below_the_limit():
    assert uniform(np.uint64(2**64 - 1)) == 1.0 - 2.0**-53
    assert below(np.uint64(2**32 - 1), 12) == 11


def test_the_same_key_gives_the_same_stream():
    assert new_stream(7, 1, 2).tolist() == new_stream(7, 1, 2).tolist()


def test_streams_of_different_keys_share_no_draw():
    keys = [(0,), (1,), (0, 0), (0, 1), (1, 0), (0, 0, 0), (0, 256), (2**40,)]
    streams = [new_stream(*key) for key in keys]
    draws = {int(next_bits(stream)) for stream in streams for _ in range(200)}
    assert len(draws) == 200 * len(keys)
    assert len({int(stream[1]) for stream in streams}) == len(keys)
    assert all(stream[1] % 2 == 1 for stream in streams)


@pytest.mark.parametrize("num_starts", [1, 2, 7])
def test_draw_start_equals_its_oracle(num_starts):
    starts = read_only(np.arange(10, 10 + num_starts, dtype=np.int32))
    stream, plain = new_stream(3), new_stream(3).tolist()
    drawn = [draw_start(starts, stream) for _ in range(60)]
    assert drawn == [oracles.draw_start(starts.tolist(), plain) for _ in range(60)]
    assert set(drawn) == set(starts.tolist())
    assert stream.tolist() == plain


def test_a_single_start_takes_no_draw():
    stream = new_stream(3)
    draw_start(read_only(np.array([5], np.int32)), stream)
    assert stream.tolist() == new_stream(3).tolist()


# Actions and ties -----------------------------------------------------------------------------------------------------

# Quantiles of chi-square, by degrees of freedom, that a uniform choice exceeds once in 10,000 times.
CHI_SQUARE = {0: 0.0, 1: 15.14, 2: 18.42, 3: 21.11, 4: 23.51, 6: 27.86}
NUM_DRAWS = 1200


def is_even(chosen, candidates):
    """Return whether only the candidates were chosen, equally often by a chi-square test."""
    counts = np.array([chosen.count(a) for a in candidates])
    expected = len(chosen) / len(candidates)
    statistic = ((counts - expected) ** 2 / expected).sum()
    return counts.sum() == len(chosen) and statistic <= CHI_SQUARE[len(candidates) - 1]


def choose(num_actions, best, epsilon, num_draws=NUM_DRAWS):
    """Draw actions from a row in which the `best` have value 1 and the others smaller, distinct values."""
    q = read_only(np.array([[1.0 if a in best else -float(a) for a in range(num_actions)]], np.float32))
    stream = new_stream(11, num_actions, *best)
    return [int(epsilon_greedy(q, 0, epsilon, stream)) for _ in range(num_draws)]


def subsets_of_four():
    return [[a for a in range(4) if mask >> a & 1] for mask in range(1, 16)]


@pytest.mark.parametrize("best", subsets_of_four(), ids=str)
def test_ties_of_four_actions_are_broken_evenly(best):
    assert is_even(choose(4, best, 0.0), best)


@pytest.mark.parametrize(
    ("num_actions", "best"),
    [(3, [0, 1]), (3, [0, 1, 2]), (5, [0, 1, 4]), (5, [0, 1, 2, 3, 4]), (7, [2, 3, 6]), (7, [0, 1, 2, 3, 4, 5, 6])],
    ids=str,
)
def test_ties_of_any_number_of_actions_are_broken_evenly(num_actions, best):
    assert is_even(choose(num_actions, best, 0.0), best)


@pytest.mark.parametrize("best", [[0, 1], [2, 3], [0, 3], [0, 1, 2]], ids=str)
def test_a_scan_from_a_random_first_action_would_be_noticed(best):
    """A common shortcut prefers the tie after the longest run of others: it splits {0, 1} 3 to 1."""
    firsts = np.random.default_rng(0).integers(0, 4, NUM_DRAWS)
    chosen = [next(a % 4 for a in range(first, first + 4) if a % 4 in best) for first in firsts.tolist()]
    assert not is_even(chosen, best)


@pytest.mark.parametrize("num_actions", [1, 2, 3, 4, 5, 7])
def test_epsilon_0_never_explores_and_epsilon_1_is_uniform(num_actions):
    best = num_actions - 1
    assert set(choose(num_actions, [best], 0.0)) == {best}
    assert is_even(choose(num_actions, [best], 1.0), range(num_actions))


@pytest.mark.parametrize("num_actions", [4, 5])
def test_exploring_takes_any_action_with_probability_epsilon(num_actions):
    chosen = choose(num_actions, [1], 0.3, num_draws=5000)
    others = [a for a in chosen if a != 1]
    share = 0.3 * (num_actions - 1) / num_actions
    assert len(others) / 5000 == pytest.approx(share, abs=4 * (share * (1 - share) / 5000) ** 0.5)
    assert is_even(others, [a for a in range(num_actions) if a != 1])


@pytest.mark.parametrize("num_actions", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_epsilon_greedy_equals_its_oracle(num_actions, epsilon):
    q = random_table((40, num_actions), seed=num_actions)
    stream, plain = new_stream(5), new_stream(5).tolist()
    for s in list(range(40)) * 3:
        assert epsilon_greedy(read_only(q), s, epsilon, stream) == oracles.epsilon_greedy(q, s, epsilon, plain)
    assert stream.tolist() == plain


@pytest.mark.parametrize("num_actions", [3, 4, 70])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_both_forms_of_epsilon_greedy_equal_the_oracle(num_actions, epsilon):
    q = random_table((40, num_actions), seed=num_actions)
    alone, branchless, plain = new_stream(5), new_stream(5), new_stream(5).tolist()
    values, visits = as_values(q), np.zeros((0, 0), np.int32)
    for s in list(range(40)) * 3:
        expected = oracles.epsilon_greedy(q, s, epsilon, plain)
        assert epsilon_greedy(values, s, epsilon, alone) == expected
        assert behaviours.choose(BranchlessEpsilonGreedy(), values, visits, s, epsilon, branchless) == expected
    assert alone.tolist() == branchless.tolist() == plain


# Dynamics -------------------------------------------------------------------------------------------------------------


def test_outcomes_equal_their_oracle(world):
    for s, actions in enumerate(world.rows):
        for a, expected in enumerate(actions):
            found = [outcome(world.mdp.model, s, a, k) for k in range(num_outcomes(world.mdp.model, s, a))]
            assert found == expected


def test_the_sparse_form_has_the_same_outcomes(world):
    sparse = world.mdp.to_sparse().model
    flat = [row for actions in world.rows for outcomes in actions for row in outcomes]
    assert list(zip(*(column.tolist() for column in sparse[1:5]), strict=True)) == flat
    lengths = [len(outcomes) for actions in world.rows for outcomes in actions]
    assert np.diff(sparse.offsets).tolist() == lengths


@pytest.mark.parametrize("form", [lambda mdp: mdp.model, lambda mdp: fast_model(mdp.model)], ids=["", "fast_model"])
def test_sample_equals_its_oracle(world, form):
    """On grids only in states in which the episode isn't over, as `sample` requires."""
    stream, plain = new_stream(1), new_stream(1).tolist()
    for s, actions in enumerate(world.rows):
        for a in range(len(actions) if actions[0] or world.layout is None else 0):
            for _ in range(3):
                drawn = sample(form(world.mdp), s, a, stream)
                assert drawn == oracles.sample(world.rows, s, a, plain)
    assert stream.tolist() == plain


def test_outcomes_are_drawn_as_often_as_they_are_probable():
    outcomes = [(0.5, 0, 0.0, False), (0.0, 1, 0.0, False), (0.125, 2, 0.0, False), (0.375, 3, 1.0, True)]
    model = sparse_world([[outcomes], [[]], [[]], [[]]]).mdp.model
    stream = new_stream(2)
    drawn = [sample(model, 0, 0, stream) for _ in range(4000)]
    shares = [sum(s_next == state for s_next, *_ in drawn) / 4000 for state in range(4)]
    assert shares == pytest.approx([0.5, 0.0, 0.125, 0.375], abs=0.03)
    assert all(
        (reward, terminated) == ((1.0, True) if state == 3 else (0.0, False)) for state, reward, terminated in drawn
    )


def test_a_certain_move_takes_no_draw(deterministic_world):
    stream = new_stream(1)
    for s in range(deterministic_world.mdp.num_states):
        sample(deterministic_world.mdp.model, s, s % 4, stream)
    assert stream.tolist() == new_stream(1).tolist()


# The rule -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("terminated", "td_error", "value"), [(False, 1.5, 0.875), (True, 0.5, 0.625)])
def test_q_learning_update_by_hand(terminated, td_error, value):
    """1 + 0.5 * 2 - 0.5 = 1.5, a quarter of which is added; a terminated next state has value 0."""
    q = np.array([[0.0, 0.5], [2.0, -7.0]], np.float32)
    found = q_learning_update(q, 0, 1, np.float32(1), 1, terminated, np.float32(0.25), np.float32(0.5))
    assert found == td_error
    assert q.tolist() == [[0.0, value], [2.0, -7.0]]


@kernel
def all_forms(numbers, i):
    return max_of_four(numbers, i), argmax_mask_of_four(numbers, i), _portable_argmax_mask_of_four(numbers, i)


def test_four_at_once_are_what_they_are_one_by_one():
    rows = list(product([-np.inf, -1.0, -0.0, 0.0, np.float32(1e-45), 1.0, np.inf], repeat=4))
    flat = np.array(rows, np.float32).reshape(-1)
    for number, row in enumerate(rows):
        mask = sum((value == max(row)) << a for a, value in enumerate(row))
        assert all_forms(flat, 4 * number) == ((max(row), mask), mask, mask)


def test_every_best_action_stands_equally_often_in_the_table_of_ties():
    for mask in range(1, 16):
        actions = [a for a in range(4) if mask >> a & 1]
        assert sorted(TIE_BREAKS[:, mask]) == sorted(actions * (12 // len(actions)))


@pytest.mark.parametrize("num_actions", [1, 2, 3, 4, 5, 7])
def test_greatest_is_the_maximum_of_the_row(num_actions):
    q = np.random.default_rng(0).normal(size=(50, num_actions)).astype(np.float32)
    assert [max_value(read_only(q), s) for s in range(50)] == q.max(axis=1).tolist()


@pytest.mark.parametrize("num_actions", [1, 3, 4, 7])
def test_q_learning_update_equals_its_oracle(num_actions):
    rng = np.random.default_rng(num_actions)
    q = rng.normal(size=(6, num_actions)).astype(np.float32)
    plain = rows_of(q)
    for _ in range(200):
        s, s_next = rng.integers(6, size=2).tolist()
        a, reward, terminated = int(rng.integers(num_actions)), np.float32(rng.normal()), bool(rng.random() < 0.2)
        step = (s, a, reward, s_next, terminated, ALPHA, GAMMA)
        assert q_learning_update(q, *step) == oracles.q_learning_update(plain, *step)
    assert same_bits(q, plain)
