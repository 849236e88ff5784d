"""Merging against one learner that makes the updates of all learners."""

import numpy as np
import pytest

from clew.kernels import read_only
from clew.kernels.learning.merging import (
    mark_changed,
    mark_counted,
    merge_averages,
    merge_changes,
    merge_updates,
    power,
)
from loops import NONE

pytestmark = pytest.mark.kernels

ROWS, ACTIONS, LEARNERS = 7, 3, 3


def some_targets(seed):
    """Return the targets of each pair, in order, for each learner: from none to four."""
    rng = np.random.default_rng(seed)
    return [
        {(s, a): rng.normal(size=rng.integers(0, 5)) for s in range(ROWS) for a in range(ACTIONS)}
        for _ in range(LEARNERS)
    ]


def learned(q, targets, alpha=None, counts=None):
    """Return the table after one learner's updates, and the number of updates of each value; plain NumPy in float64."""
    q, num_updates = q.astype(float), np.zeros(q.shape, np.int32)
    for (s, a), values in targets.items():
        for target in values:
            num_updates[s, a] += 1
            step = alpha if counts is None else 1.0 / (counts[s, a] + num_updates[s, a])
            q[s, a] += step * (target - q[s, a])
    return q, num_updates


def changes(q, num_updates):
    """Return what a learner sends: (rows, values, numbers of updates) of the states it updated."""
    rows = np.flatnonzero(num_updates.any(axis=1)).astype(np.int32)
    return read_only(rows), read_only(q[rows].astype(np.float32)), read_only(num_updates[rows])


def one_after_the_other(q, everyone, alpha=None, counts=None):
    """Return the table and the counts after one learner has made the updates of all learners."""
    q = q.astype(float)
    counts = None if counts is None else counts.copy()
    for targets in everyone:
        q, num_updates = learned(q, targets, alpha, counts)
        if counts is not None:
            counts += num_updates
    return q, counts


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
def test_merged_moves_are_those_of_one_learner_who_took_all_steps(alpha):
    base = np.random.default_rng(1).normal(size=(ROWS, ACTIONS)).astype(np.float32)
    everyone, table = some_targets(2), base.copy()
    for targets in everyone:
        merge_updates(table, read_only(base), *changes(*learned(base, targets, alpha)), np.float32(alpha))
    np.testing.assert_allclose(table, one_after_the_other(base, everyone, alpha)[0], rtol=2e-6, atol=2e-6)
    assert not np.array_equal(table, base)


@pytest.mark.parametrize("before", [0, 4])
def test_merged_averages_are_those_of_all_targets(before):
    rng = np.random.default_rng(3)
    base = rng.normal(size=(ROWS, ACTIONS)).astype(np.float32) if before else np.zeros((ROWS, ACTIONS), np.float32)
    base_counts = np.full(base.shape, before, np.int32)
    everyone, table, counts = some_targets(4), base.copy(), base_counts.copy()
    for targets in everyone:
        sent = changes(*learned(base, targets, counts=base_counts))
        merge_averages(table, counts, read_only(base), read_only(base_counts), *sent)
    expected, expected_counts = one_after_the_other(base, everyone, counts=base_counts)
    np.testing.assert_allclose(table, expected, rtol=2e-6, atol=2e-6)
    assert counts.tolist() == expected_counts.tolist()


def test_a_value_that_one_learner_moved_comes_as_it_is():
    base = np.full((2, 2), 0.1, np.float32)
    table, value = base.copy(), np.array([[0.3, 0.7]], np.float32)
    rows, num_updates = np.array([1], np.int32), np.array([[3, 0]], np.int32)
    merge_updates(table, read_only(base), read_only(rows), read_only(value), read_only(num_updates), np.float32(0.1))
    assert table.tolist() == [[np.float32(0.1)] * 2, [np.float32(0.3), np.float32(0.1)]]


def test_with_step_size_1_the_last_news_of_a_value_holds():
    base = np.random.default_rng(1).normal(size=(ROWS, ACTIONS)).astype(np.float32)
    everyone, table = some_targets(2), base.copy()
    everyone.append({(2, 1): [5.0, float(base[2, 1])]})  # updated, and back to the same value: no change
    for targets in everyone:
        q = learned(base, targets, 1.0)[0].astype(np.float32)
        marks = np.zeros(ROWS, np.bool_)
        mark_changed(read_only(q), read_only(base), marks)
        assert marks.tolist() == (q != base).any(axis=1).tolist()
        rows = np.flatnonzero(marks).astype(np.int32)
        merge_changes(table, read_only(base), read_only(rows), read_only(q[rows]))
    expected = one_after_the_other(base, everyone[:-1], 1.0)[0].astype(np.float32)
    assert np.array_equal(table, expected)
    assert table[2, 1] != base[2, 1]


def test_noise_is_not_preferred():
    """Two learners toss the same coin: the maximum of their estimates would be too high."""
    rng = np.random.default_rng(5)
    base, table = np.zeros((4000, 1), np.float32), np.zeros((4000, 1), np.float32)
    halves = []
    for _ in range(2):
        targets = {(s, 0): rng.choice([-1.0, 1.0], 4) for s in range(4000)}
        q, num_updates = learned(base, targets, 0.5)
        halves.append(q)
        merge_updates(table, read_only(base), *changes(q, num_updates), np.float32(0.5))
    error = 1.0 / np.sqrt(4000)
    assert abs(table.mean()) < 4 * error
    assert np.maximum(*halves).mean() > 10 * error


def test_rows_are_marked_where_something_was_counted():
    counts, before = np.zeros((5, 3), np.int32), np.zeros((5, 3), np.int32)
    counts[1, 2], counts[3] = 1, 7
    before[3, :], before[4, 0] = 7, 2
    marks = np.zeros(5, np.bool_)
    mark_counted(read_only(counts), read_only(NONE), marks)
    assert marks.tolist() == [False, True, False, True, False]
    marks = np.array([True, False, False, False, False])
    mark_counted(read_only(counts), read_only(before), marks)
    assert marks.tolist() == [True, True, False, False, True]


@pytest.mark.parametrize(("x", "n"), [(0.9, 0), (0.9, 1), (0.9, 13), (0.0, 0), (0.0, 5), (0.99, 2**31 - 1)])
def test_powers(x, n):
    assert power(x, n) == pytest.approx(x**n, rel=1e-12)
