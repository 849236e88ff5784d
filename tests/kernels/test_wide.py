"""Tables with many actions: the cached maxima equal those of a full scan, and the same bits are learned."""

import numpy as np
import pytest

from clew.kernels import read_only
from clew.kernels import wide as wide_rows
from clew.kernels.sampling import new_stream, next_bits
from clew.kernels.values import (
    assign,
    best_action,
    best_action_by_scan,
    best_or_random_action,
    max_value,
    num_best_actions,
    row_length,
    value,
)
from clew.kernels.wide import BLOCK, MIN_WIDE_ACTIONS, make_wide
from loops import new_learner, play, random_table
from oracles import random_sparse_world

pytestmark = pytest.mark.kernels

SIZES = [1, 31, 32, 33, 64, 65, 95, 96, 97, 1000]
SPECIAL = [-np.inf, -1.0, -0.0, 0.0, 1.0, np.inf]


def is_kept(wide):
    """Return True if all maxima and numbers of ties equal those of a full scan."""
    q, num_actions = wide.q, wide.q.shape[1]
    blocks = [q[:, first : first + BLOCK] for first in range(0, num_actions, BLOCK)]
    assert np.array_equal(wide.block_best, np.stack([block.max(axis=1) for block in blocks], axis=1))
    ties = [(block == block.max(axis=1, keepdims=True)).sum(axis=1) for block in blocks]
    assert np.array_equal(wide.block_ties, np.stack(ties, axis=1))
    assert np.array_equal(wide.row_best, q.max(axis=1))
    assert np.array_equal(wide.row_ties, (q == q.max(axis=1, keepdims=True)).sum(axis=1))
    return True


@pytest.mark.parametrize("num_actions", SIZES)
def test_assignments_keep_the_maxima(num_actions):
    rng = np.random.default_rng(num_actions)
    plain = rng.choice(SPECIAL, (3, num_actions)).astype(np.float32)
    wide = make_wide(plain.copy())
    assert is_kept(wide)
    for i in range(600):
        s, a = int(rng.integers(3)), int(rng.integers(num_actions))
        if i % 3 == 0:
            a = int(plain[s].argmax())  # lower a maximum, which is then searched again
        new = np.float32(rng.choice(SPECIAL) if i % 2 else rng.integers(-3, 4) / 2)
        plain[s, a] = new
        assign(wide, s, a, new)
        if i % 20 == 0:
            assert is_kept(wide)
    assert is_kept(wide)
    assert np.array_equal(wide.q, plain)


@pytest.mark.parametrize("num_actions", SIZES)
@pytest.mark.parametrize("values", [SPECIAL, [0.0], [-np.inf], [0.0, -0.0, -1.0]], ids=str)
def test_ties_are_drawn_as_a_full_scan_draws_them(num_actions, values):
    q = np.random.default_rng(1).choice(values, (3, num_actions)).astype(np.float32)
    wide, stream = make_wide(q), new_stream(2)
    halves = [0, 2**32 - 1, *(int(next_bits(stream)) >> 32 for _ in range(60))]
    for s in range(3):
        drawn = [best_action(wide, s, np.uint64(bits32)) for bits32 in halves]
        assert drawn == [best_action_by_scan(read_only(q), s, np.uint64(bits32)) for bits32 in halves]
        any_action = [best_or_random_action(wide, s, True, np.uint64(bits32)) for bits32 in halves]
        assert any_action == [bits32 * num_actions >> 32 for bits32 in halves]


@pytest.mark.parametrize("num_actions", [1, 33, 97])
def test_a_wide_row_reads_as_a_table_does(num_actions):
    q = random_table((4, num_actions))
    wide = make_wide(q)
    assert row_length(wide) == num_actions
    for s in range(4):
        assert (max_value(wide, s), num_best_actions(wide, s)) == (q[s].max(), (q[s] == q[s].max()).sum())
        assert num_best_actions(read_only(q), s) == (q[s] == q[s].max()).sum()
        assert [value(wide, s, a) for a in range(num_actions)] == q[s].tolist()


@pytest.mark.parametrize("num_actions", [2, MIN_WIDE_ACTIONS - 1, MIN_WIDE_ACTIONS, MIN_WIDE_ACTIONS + 33])
def test_the_same_bits_are_learned(num_actions, monkeypatch):
    mdp = random_sparse_world(3, num_states=4, num_actions=num_actions).mdp
    tables = []
    for wide_from in (1, 10_000):
        monkeypatch.setattr(wide_rows, "MIN_WIDE_ACTIONS", wide_from)
        q = random_table((4, num_actions))
        learner = new_learner(mdp, q=q)
        assert hasattr(learner.rule.q, "row_best") == (wide_from == 1)
        stats, stream = play(mdp, learner, 60)
        tables.append((q.tobytes(), stats, stream.tolist()))
    assert tables[0] == tables[1]


def test_rows_are_wide_where_they_are_searched_slower_than_kept():
    for num_actions, is_wide in ((MIN_WIDE_ACTIONS - 1, False), (MIN_WIDE_ACTIONS, True)):
        mdp = random_sparse_world(3, num_states=2, num_actions=num_actions).mdp
        assert hasattr(new_learner(mdp).rule.q, "row_best") == is_wide
