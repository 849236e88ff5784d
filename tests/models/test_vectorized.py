"""Models made from functions of arrays."""

import subprocess
import sys

import numpy as np
import pytest

from clew import FiniteMDP, ModelError, SettingError, solve
from clew.models import vectorized
from oracles import random_sparse_world


def lottery(states, actions):
    """Go to the next of five states, or to the one after next with a reward; the last one is terminal."""
    ends = states == 4
    next_states = np.stack([np.minimum(states + 1, 4), np.minimum(states + 2, 4)], axis=1)
    risk = np.where(actions == 1, 0.5, 0.0)
    probabilities = np.stack([1.0 - risk, risk], axis=1)
    probabilities[ends] = 0.0
    return next_states, probabilities, np.stack([0.0 * states, 1.0 + states], axis=1), next_states == 4


def row_by_row(s, a):
    rows = [(0.5 if a else 1.0, min(s + 1, 4), 0.0, s >= 3), (0.5 * a, min(s + 2, 4), 1.0 + s, s >= 2)]
    return [] if s == 4 else [row for row in rows if row[0] > 0.0]


def same(one, other):
    columns = zip((*one.model, one.starts), (*other.model, other.starts), strict=True)
    return all(np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype for a, b in columns)


@pytest.mark.parametrize("chunk", [1, 3, 10, 1 << 17])
def test_arrays_make_the_model_of_single_rows(chunk, monkeypatch):
    monkeypatch.setattr(vectorized, "CHUNK", chunk)
    asked = []

    def function(states, actions):
        asked.extend(zip(states.tolist(), actions.tolist(), strict=True))
        return lottery(states, actions)

    assert same(FiniteMDP.from_vectorized(5, 2, function), FiniteMDP.from_function(5, 2, row_by_row))
    assert asked == [(s, a) for s in range(5) for a in range(2)]


@pytest.mark.parametrize("seed", range(5))
def test_a_random_model_comes_back(seed, monkeypatch):
    """Rows are padded with outcomes of probability 0, whose other entries make no sense."""
    monkeypatch.setattr(vectorized, "CHUNK", 4)
    world = random_sparse_world(seed)
    k = world.mdp.max_outcomes + 1

    def function(states, actions):
        padding = (0.0, -1, np.nan, True)
        rows = [world.rows[s][a] for s, a in zip(states.tolist(), actions.tolist(), strict=True)]
        padded = [[row for row in r if row[0] != 0.0] for r in rows]
        table = [list(zip(*(r + [padding] * (k - len(r))), strict=True)) for r in padded]
        p, s_next, reward, ends = (np.array(column) for column in zip(*table, strict=True))
        return s_next, p, reward, ends

    mdp = FiniteMDP.from_vectorized(*world.shape, function, starts=world.mdp.starts)
    assert np.allclose(solve(mdp, gamma=0.9).v, solve(world.mdp, gamma=0.9).v, atol=1e-5)


def test_rewards_of_pairs_and_single_outcomes_are_broadcast():
    """Without flags, entering a state without outcomes ends the episode."""
    mdp = FiniteMDP.from_vectorized(3, 2, lambda s, a: (np.minimum(s + 1, 2), 1.0 * (s < 2), 1.0 * a), starts=[0])
    assert mdp.model.terminated.tolist() == [False, False, True, True]
    assert mdp.model.rewards.tolist() == [0.0, 1.0, 0.0, 1.0]
    wide = FiniteMDP.from_vectorized(
        2, 1, lambda s, a: (np.arange(2 * s.size).reshape(-1, 2) % 2, np.full((s.size, 2), 0.5), s)
    )
    assert wide.model.rewards.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert wide.starts.tolist() == [0, 1]


def ones(states, **changes):
    n = states.size
    columns = {"s": np.zeros((n, 1), int), "p": np.ones((n, 1)), "r": np.zeros((n, 1)), "t": np.zeros((n, 1), bool)}
    return tuple((columns | changes).values())


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda s, a: None, r"the function returned None; it must return \(next_states, probabilities, rewards\)"),
        (lambda s, a: (s, s), "the function returned 2 values"),
        (lambda s, a: ones(s, s=np.zeros((s.size, 2), int)), r"returned probabilities of shape \(6, 1\) for 6 pairs"),
        (lambda s, a: ones(s, s=np.zeros((2, 1), int)), r"returned next_states of shape \(2, 1\) for 6 pairs"),
        (lambda s, a: ones(s, s=0), r"returned next_states of shape \(\) for 6 pairs"),
        (lambda s, a: ones(s, s=np.zeros((6, 1))), "whole numbers as next_states, not float64"),
        (lambda s, a: ones(s, r=np.array([["x"]] * 6)), "an array of numbers as rewards: it holds text"),
        (lambda s, a: ones(s, t=np.zeros((6, 1))), "bools as terminated, not float64"),
        (lambda s, a: ones(s, s=np.where(s == 1, 3, 0)[:, None]), r"state 1, action 0: next state 3 is outside 0\.\.2"),
        (lambda s, a: ones(s, p=np.where(s + a == 3, 0.5, 1)[:, None]), "state 2, action 1: probabilities sum to 0.5"),
        (lambda s, a: ones(s, p=np.where(s + a == 3, np.nan, 1)[:, None]), "state 2, action 1: probability"),
        (lambda s, a: ones(s, r=np.where(s == 2, np.inf, 1)[:, None]), "state 2, action 0: reward must be finite"),
    ],
)
def test_what_a_function_returns_is_checked_by_name(function, message):
    with pytest.raises(ModelError, match=message):
        FiniteMDP.from_vectorized(3, 2, function)


def test_flags_for_a_part_of_the_pairs_are_refused(monkeypatch):
    monkeypatch.setattr(vectorized, "CHUNK", 2)
    with pytest.raises(ModelError, match="terminated for all pairs or for none"):
        FiniteMDP.from_vectorized(3, 2, lambda s, a: ones(s)[: 3 + int(s[0] == 0)])


def test_an_error_of_the_function_is_its_own():
    with pytest.raises(ZeroDivisionError) as error:
        FiniteMDP.from_vectorized(3, 2, lambda s, a: 1 // 0)
    assert error.value.__notes__ == ["raised by the function that FiniteMDP.from_vectorized calls"]


def test_more_pairs_than_memory_are_refused_before_the_work():
    with pytest.raises(SettingError, match=r"a model of num_states .* would take"):
        FiniteMDP.from_vectorized(2**31 - 1, 1000, lottery)


MILLION = """
import numpy as np
from clew import FiniteMDP
from clew.settings import peak_memory

def function(states, actions):
    next_states = np.stack([states + 1, states + actions, states * 7 + 3], 1) % 10**6
    return next_states, np.broadcast_to([0.5, 0.25, 0.25], next_states.shape), next_states * 1e-6, next_states == 0

before = peak_memory()
print(FiniteMDP.from_vectorized(10**6, 3, function).num_outcomes, peak_memory(), before)
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is measured in KiB")
def test_a_million_states_take_little_memory():
    """Their rows alone are 0.2 GB."""
    done = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True, check=True)
    num_outcomes, peak, before = map(int, done.stdout.split())
    assert num_outcomes == 9_000_000
    assert before < 0.3e9  # Python, and the kernels
    assert peak < 0.6e9
