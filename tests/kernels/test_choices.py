"""Policies without action values: kernels draw their actions as they are."""

import numpy as np
import pytest

import oracles
from clew.kernels.choices import ActionTable, ProbabilityTable, as_choices
from clew.kernels.learning.behaviours import epsilon_greedy
from clew.kernels.sampling import new_stream
from clew.kernels.values import best_action, row_length

pytestmark = pytest.mark.kernels

HALF = 2**31


def test_the_action_of_a_state_is_taken_whatever_the_bits_and_any_where_there_is_none():
    policy = as_choices("actions", np.array([2, -1, 0], np.int32), 3)
    assert isinstance(policy, ActionTable)
    assert row_length(policy) == 3
    for bits32 in (0, HALF, 2**32 - 1):
        drawn = [best_action(policy, s, np.uint64(bits32)) for s in range(3)]
        assert drawn == [2, bits32 * 3 >> 32, 0]


def test_an_action_is_drawn_by_its_probability():
    """A quarter, none, a half, a quarter, none: the bits are cut at 1/4 and 3/4 of their range."""
    policy = as_choices("probabilities", np.array([[0.25, 0.0, 0.5, 0.25, 0.0]]), 5)
    assert isinstance(policy, ProbabilityTable)
    assert row_length(policy) == 5
    cuts = {0: 0, 2**30 - 1: 0, 2**30: 2, 3 * 2**30 - 1: 2, 3 * 2**30: 3, 2**32 - 1: 3}
    assert {bits32: best_action(policy, 0, np.uint64(bits32)) for bits32 in cuts} == cuts


def test_rounding_takes_no_action_of_probability_0():
    table = np.array([[0.1] * 9 + [0.1 - 1e-9, 0.0], [0.0, 1.0 - 1e-9] + [0.0] * 9])  # nearly 1 in sum
    policy = as_choices("probabilities", table, 11)
    assert [best_action(policy, s, np.uint64(2**32 - 1)) for s in (0, 1)] == [9, 1]
    assert best_action(policy, 1, np.uint64(0)) == 1


@pytest.mark.parametrize("epsilon", [0.0, 0.4, 1.0])
def test_epsilon_greedy_explores_by_the_bits_by_which_it_explores_with_values(epsilon):
    ours, twin = new_stream(3), new_stream(3).tolist()
    actions = as_choices("actions", np.array([1], np.int32), 4)
    values = np.array([[0.0, 1.0, 0.0, 0.0]], np.float32)
    drawn = [epsilon_greedy(actions, 0, epsilon, ours) for _ in range(200)]
    assert drawn == [oracles.epsilon_greedy(values, 0, epsilon, twin) for _ in range(200)]


def test_values_stay_a_table_that_cannot_be_written():
    q = np.zeros((2, 3), np.float32)
    choices = as_choices("values", q, 3)
    assert np.shares_memory(choices, q)
    assert not choices.flags.writeable
