"""Models made from Python functions."""

import numpy as np
import pytest

from clew import FiniteMDP, Maze, ModelError, SettingError, solve
from oracles import random_sparse_world


def corridor(s, a):
    """Return outcomes in a corridor of four cells: action 1 goes forward, action 0 back; the last cell is terminal."""
    if s == 3:
        return []
    there = s + 1 if a == 1 else max(s - 1, 0)
    return [(1.0, there, -1.0, there == 3)]


def test_a_corridor_by_hand():
    mdp = FiniteMDP.from_function(4, 2, corridor)
    assert mdp.starts.tolist() == [0, 1, 2]
    assert mdp.model.offsets.tolist() == [0, 1, 2, 3, 4, 5, 6, 6, 6]
    assert mdp.model.next_states.tolist() == [0, 1, 0, 2, 1, 3]
    assert mdp.model.terminated.tolist() == [False] * 5 + [True]
    assert solve(mdp, gamma=1.0).v.tolist() == pytest.approx([-3.0, -2.0, -1.0, 0.0])


def test_a_function_is_asked_once_for_every_state_and_action():
    asked = []

    def f(s, a):
        asked.append((s, a))
        return [(1.0, 0, 0.0, False)]

    assert FiniteMDP.from_function(3, 2, f, starts=[2]).starts.tolist() == [2]
    assert asked == [(s, a) for s in range(3) for a in range(2)]


@pytest.mark.parametrize("seed", range(5))
def test_rows_told_one_by_one_are_the_rows(seed):
    world = random_sparse_world(seed)
    mdp = FiniteMDP.from_function(*world.shape, lambda s, a: iter(world.rows[s][a]), starts=world.mdp.starts)
    for column, original in zip((*mdp.model, mdp.starts), (*world.mdp.model, world.mdp.starts), strict=True):
        assert np.array_equal(column, original)
        assert np.asarray(column).dtype == np.asarray(original).dtype


def test_numbers_of_numpy_will_do():
    outcome = (np.float32(1.0), np.int8(1), np.int64(-2), np.True_)
    mdp = FiniteMDP.from_function(np.int64(2), np.int64(1), lambda s, a: [outcome])
    assert [column.tolist() for column in mdp.model[1:5]] == [[1.0, 1.0], [1, 1], [-2.0, -2.0], [True, True]]


GOOD = (1.0, 0, 0.0, False)


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        (None, "expected a list of outcomes, got None"),
        (7, "expected a list of outcomes, got 7"),
        ("", "expected a list of outcomes, got ''"),
        (GOOD, r"an outcome must be \(probability, .*, not 1\.0"),  # an outcome that isn't in a list
        ([GOOD[:3]], r"an outcome must be .*, not \(1\.0, 0, 0\.0\)"),
        ([(*GOOD, 1)], "an outcome must be"),
        ([(1.0, False, 0.0, 0)], "an outcome must be"),  # in the wrong order
        ([(1.0, 0, 0.0, 1)], "an outcome must be"),
        ([(1.0, 0.0, 0.0, False)], "an outcome must be"),
        ([(1.0, True, 0.0, False)], "an outcome must be .* with a whole number for the next state"),
        ([(1.0, np.True_, 0.0, False)], "an outcome must be"),
        ([("1", 0, 0.0, False)], "an outcome must be"),
        ([(1.0, 0, None, False)], "an outcome must be"),
        ([(1.0, 0, 10**400, False)], "an outcome must be"),
        ([(1.0, 2, 0.0, False)], r"next state 2 is outside 0\.\.1"),
        ([(1.0, -1, 0.0, False)], r"next state -1 is outside 0\.\.1"),
        ([(1.0, 10**30, 0.0, False)], r"next state 1000.* is outside 0\.\.1"),
        ([(0.5, 0, 0.0, False)], r"probabilities sum to 0\.5, not 1"),
        ([(1.5, 0, 0.0, False), (-0.5, 0, 0.0, False)], "probability must not be negative"),
        ([(np.nan, 0, 0.0, False)], "probability must not be negative"),
        ([(np.inf, 0, 0.0, False)], "probabilities sum to inf, not 1"),
        ([(1e308, 0, 0.0, False), (1e308, 0, 0.0, False)], "probabilities sum to inf, not 1"),
        ([(1.0, 0, np.inf, False)], "reward must be finite"),
    ],
)
def test_errors_name_the_state_and_the_action(outcomes, message):
    with pytest.raises(ModelError, match=f"state 1, action 2: {message}"):
        FiniteMDP.from_function(2, 3, lambda s, a: outcomes if (s, a) == (1, 2) else [GOOD])


def test_an_error_of_the_function_goes_through_with_a_note():
    with pytest.raises(ZeroDivisionError) as caught:
        FiniteMDP.from_function(3, 2, lambda s, a: [GOOD] if s < 1 else 1 // 0)
    assert caught.value.__notes__ == ["raised by f(1, 0), called by FiniteMDP.from_function"]


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0), (2**31, 1), (2.0, 1), (True, 1), (None, 1)])
def test_sizes_must_be_whole_numbers(sizes):
    with pytest.raises(SettingError, match="must be a whole number from 1 to"):
        FiniteMDP.from_function(*sizes, lambda s, a: [])


def test_a_world_in_which_nothing_happens_has_no_start():
    with pytest.raises(ModelError, match="starts must name at least one state"):
        FiniteMDP.from_function(2, 1, lambda s, a: [])


def test_a_maze_told_by_a_function_has_the_values_of_the_maze():
    maze = FiniteMDP.grid(Maze.open(3, 4).cells, 0, slip=0.2, step_reward=-0.1)
    rows = maze.to_sparse().model

    def f(s, a):
        first, last = rows.offsets[4 * s + a :][:2]
        return list(zip(*(column[first:last].tolist() for column in rows[1:5]), strict=True))

    told = FiniteMDP.from_function(12, 4, f, starts=[0])
    assert solve(told, gamma=0.9).v == pytest.approx(solve(maze, gamma=0.9).v, abs=1e-6)
