import pickle

import numpy as np
import pytest

import clew
from clew import FiniteMDP, Maze, ModelError, solve
from clew.kernels.dynamics import BLOCKED, GOAL, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.kernels.sampling import new_stream
from oracles import grid_world, random_layout, random_sparse_world, sparse_world

TWO_BY_THREE = Maze.open(2, 3).cells

# Three states, two actions; the outcomes of (0, 0) are rows 0 and 1, of (0, 1) row 2, of (2, 0) row 3, of (2, 1) row 4.
# State 1 is terminal: its actions have none.
ROWS = {
    "offsets": [0, 2, 3, 3, 3, 4, 5],
    "probabilities": [0.25, 0.75, 1.0, 1.0, 1.0],
    "next_states": [0, 1, 2, 1, 0],
    "rewards": [0.0, 1.0, -2.0, 0.0, 0.5],
    "terminated": [False, True, False, False, True],
    "num_actions": 2,
    "starts": [0, 2],
}


def sparse(**changes):
    return FiniteMDP.sparse(**(ROWS | changes))


def cells_with(*bits):
    """Return the open 2 x 3 grid with bits set (or cleared, if negative) in some cells: (row, column, bit)."""
    cells = TWO_BY_THREE.copy()
    for row, column, bit in bits:
        cells[row, column] = cells[row, column] | bit if bit > 0 else cells[row, column] & ~np.uint8(-bit)
    return cells


def arrays(mdp):
    return [column for column in (*mdp.model, mdp.starts) if isinstance(column, np.ndarray)]


def test_a_model_is_shown_by_its_sizes():
    grid = FiniteMDP.grid(TWO_BY_THREE, [0])
    assert repr(sparse()) == "FiniteMDP(3 states, 2 actions, 5 outcomes)"
    assert repr(grid) == "FiniteMDP(6 states, 4 actions, a grid of 2 x 3)"
    assert repr(FiniteMDP.grid(Maze.open(20, 30).cells, [1], moving_goal=True)).startswith("FiniteMDP(360,000 states,")


# Sizes ----------------------------------------------------------------------------------------------------------------


def test_a_grid_has_a_state_a_cell_and_four_actions():
    mdp = FiniteMDP.grid(TWO_BY_THREE, [0, 1])
    assert (mdp.num_states, mdp.num_actions, mdp.starts.tolist()) == (6, 4, [0, 1])


def test_a_moving_goal_makes_a_state_of_every_goal_and_cell():
    assert FiniteMDP.grid(TWO_BY_THREE, 34, moving_goal=True).num_states == 36


def test_a_sparse_world_has_as_many_states_as_its_offsets_say():
    mdp = sparse()
    assert (mdp.num_states, mdp.num_actions, mdp.starts.tolist()) == (3, 2, [0, 2])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_actions": 1.9}, "num_actions must be a whole number, not 1.9"),
        ({"probabilities": ["a", "b", "c", "d", "e"]}, "probabilities must be an array of numbers"),
        ({"offsets": [0, 2, 3, np.nan, 3, 4, 5]}, "offsets must be whole numbers that fit into int64"),
        ({"next_states": [[0, 1], [1]]}, "next_states must be an array of numbers"),
    ],
    ids=["half an action", "words", "NaN", "ragged"],
)
def test_what_is_no_number_is_refused_by_its_name(changes, said):
    with pytest.raises(ModelError, match=said):
        sparse(**changes)


@pytest.mark.parametrize("make", [sparse, lambda: FiniteMDP.grid(TWO_BY_THREE, [0], slip=0.1, step_reward=-2.0)])
def test_a_model_says_if_it_leaves_anything_to_chance(make):
    mdp = make()
    assert (mdp.max_outcomes, mdp.is_deterministic) == ((2 if "probabilities" in mdp.model._fields else 3), False)
    assert FiniteMDP.grid(TWO_BY_THREE, [0]).is_deterministic
    assert FiniteMDP.grid(TWO_BY_THREE, [0]).to_sparse().is_deterministic


def test_an_episode_does_not_begin_where_it_is_over():
    goals = Maze.open(2, 3).cells
    with pytest.raises(ModelError, match="start state 5 is on a goal or in a blocked cell"):
        FiniteMDP.grid(goals, [0, 5])
    with pytest.raises(ModelError, match="start state 7 is on a goal or in a blocked cell"):
        FiniteMDP.grid(goals, [1, 7], moving_goal=True)


def test_states_that_int32_cannot_number_are_refused():
    assert FiniteMDP.grid(Maze.open(1, 46_340).cells, 1, moving_goal=True).num_states == 2_147_395_600
    with pytest.raises(ModelError, match="2,147,488,281 states are more than 2,147,483,647"):
        FiniteMDP.grid(Maze.open(1, 46_341).cells, 0, moving_goal=True)


# Invalid arguments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (np.zeros(4, np.uint8), r"of shape \(rows, columns\), not \(4,\)"),
        (np.zeros((0, 3), np.uint8), r"of shape \(rows, columns\), not \(0, 3\)"),
        (cells_with((1, 1, -WALL_DOWN)), "the bottom edge"),
        (cells_with((0, 0, -WALL_LEFT)), "the left edge"),
        (cells_with((0, 2, -WALL_UP)), "the top edge"),
        (cells_with((1, 2, -WALL_RIGHT)), "the right edge"),
        (cells_with((0, 0, WALL_RIGHT)), "must be marked in both"),
        (cells_with((0, 1, WALL_LEFT)), "must be marked in both"),
        (cells_with((0, 0, WALL_DOWN)), "must be marked in both"),
        (cells_with((1, 0, WALL_UP)), "must be marked in both"),
        (cells_with((0, 0, BLOCKED)), "a wall on every side"),
        (np.array([[15, 15 | BLOCKED | GOAL]]), "a goal can't be in a blocked cell"),
        (np.array([[15 + 256]]), "cells"),
        ([[-1]], "cells"),
    ],
)
def test_cells_that_cannot_be_right_are_refused(cells, message):
    with pytest.raises(ModelError, match=message):
        FiniteMDP.grid(cells, 0)


@pytest.mark.parametrize("name", ["goal_reward", "step_reward", "outer_wall_reward", "hazard_reward"])
@pytest.mark.parametrize("reward", [np.inf, -np.inf, np.nan])
def test_rewards_of_a_grid_must_be_finite(name, reward):
    with pytest.raises(ModelError, match=f"{name} must be a finite number"):
        FiniteMDP.grid(TWO_BY_THREE, 0, **{name: reward})


@pytest.mark.parametrize("slip", [-0.1, 1.1, np.nan])
def test_slip_must_be_a_probability(slip):
    with pytest.raises(ModelError, match=r"slip must be a finite number in \[0, 1\]"):
        FiniteMDP.grid(TWO_BY_THREE, 0, slip=slip)


@pytest.mark.parametrize(
    ("starts", "message"),
    [
        ([], "at least one"),
        ([[0, 1]], "at least one"),
        ([0.5], "integers, not float64"),
        ([True], "integers, not bool"),
        ([1, 6, 7], r"start state 6 is outside 0\.\.5"),
        (-1, r"start state -1 is outside 0\.\.5"),
        ([2**32], r"start state 4294967296 is outside 0\.\.5"),
    ],
)
def test_starts_that_cannot_be_right_are_refused(starts, message):
    with pytest.raises(ModelError, match=message):
        FiniteMDP.grid(TWO_BY_THREE, starts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": [0.25, 0.7, 1.0, 1.0, 1.0]}, r"state 0, action 0: probabilities sum to 0\.95, not 1"),
        ({"probabilities": [0.25, 0.75, 1.0, 1.0, 0.0]}, r"state 2, action 1: probabilities sum to 0, not 1"),
        ({"probabilities": [-0.25, 1.25, 1.0, 1.0, 1.0]}, "state 0, action 0: probability must not be negative"),
        ({"probabilities": [0.25, 0.75, np.nan, 1.0, 1.0]}, "state 0, action 1: probability must not be negative"),
        ({"next_states": [0, 1, 3, 0, 0]}, r"state 0, action 1: next state is outside 0\.\.2"),
        ({"next_states": [0, 1, 1, 0, -1]}, r"state 2, action 1: next state is outside 0\.\.2"),
        ({"next_states": np.array([0, 1, 1, 2**32, 0])}, r"state 2, action 0: next state is outside 0\.\.2"),
        ({"rewards": [0.0, np.inf, 0.0, 0.0, 0.0]}, "state 0, action 0: reward must be finite"),
        ({"rewards": [0.0, 0.0, 0.0, 0.0, np.nan]}, "state 2, action 1: reward must be finite"),
        ({"rewards": [0.0, 0.0, 0.0, 0.0]}, "equal length"),
        ({"terminated": [[False, True, False, False, True]]}, "one-dimensional"),
        ({"num_actions": 0}, "num_actions must be at least 1, not 0"),
        ({"num_actions": 4}, "7 don't fit 4 actions"),
        ({"offsets": [0]}, "offsets must have"),
        ({"offsets": [1, 2, 3, 3, 3, 4, 5]}, "rise from 0 to the number of rows, 5"),
        ({"offsets": [0, 2, 3, 3, 3, 4, 6]}, "rise from 0 to the number of rows, 5"),
        ({"offsets": [0, 3, 2, 3, 3, 4, 5]}, "rise from 0 to the number of rows, 5"),
        ({"starts": [3]}, "start state 3 is outside"),
    ],
)
def test_rows_that_cannot_be_right_are_refused(change, message):
    with pytest.raises(ModelError, match=message):
        sparse(**change)


def test_sums_of_probabilities_may_be_off_by_rounding():
    assert sparse(probabilities=[0.25 + 1e-12, 0.75, 1.0, 1.0, 1.0]).num_states == 3


@pytest.mark.parametrize(
    ("lengths", "unavailable"),
    [
        ([2, 1, 1, 1, 1, 0], [5]),
        ([2, 1, 1, 1, 0, 1], [4]),
        ([2, 0, 0, 0, 0, 2], [1, 4]),
        ([1, 1, 1, 0, 0, 0], [3]),
        ([1, 1, 1, 2, 0, 0], []),
    ],
)
def test_an_action_without_outcomes_is_unavailable_where_another_action_has_some(lengths, unavailable):
    """It must not be read as an end with value 0, which may be better than all that the other actions can give."""
    n = sum(lengths)
    change = {"offsets": np.cumsum([0, *lengths]), "probabilities": np.repeat(1.0 / np.array(lengths).clip(1), lengths)}
    change |= {name: np.zeros(n, np.int64) for name in ("next_states", "rewards", "terminated")}
    mdp = sparse(**change)
    assert np.flatnonzero(~mdp.available).tolist() == unavailable
    assert mdp.all_available == (unavailable == [])
    assert mdp.filled.all_available
    assert mdp.filled is mdp or unavailable


@pytest.mark.parametrize("num_actions", [1, 3])
def test_a_state_without_outcomes_is_terminal(num_actions):
    """Its value is 0, whatever the state before it has."""
    rows = [[[(1.0, 1, -2.0, False)]] * num_actions, [[]] * num_actions, [[]] * num_actions]
    solution = solve(sparse_world(rows).mdp)
    assert solution.v.tolist() == [-2.0, 0.0, 0.0]


# Immutability ---------------------------------------------------------------------------------------------------------

WORLDS = {
    "grid": lambda: grid_world(random_layout(1, slip=0.1, step_reward=-1.0, outer_wall_reward=-2.0)).mdp,
    "moving goal": lambda: grid_world(random_layout(2, goal_reward=3.0, hazard_reward=-4.0, moving_goal=True)).mdp,
    "sparse": lambda: random_sparse_world(3).mdp,
}


@pytest.fixture(params=WORLDS)
def mdp(request):
    return WORLDS[request.param]()


def test_arrays_cannot_be_written(mdp):
    for array in arrays(mdp):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_model_has_its_own_arrays():
    cells, starts = TWO_BY_THREE.copy(), np.array([1], np.int32)
    mdp = FiniteMDP.grid(cells, starts)
    cells[:], starts[:] = 0, 5
    assert mdp.model.cells.tolist() == TWO_BY_THREE.reshape(-1).tolist()
    assert mdp.starts.tolist() == [1]


def test_a_pickled_copy_is_the_same_and_cannot_be_written(mdp):
    copy = pickle.loads(pickle.dumps(mdp))
    assert type(copy.model) is type(mdp.model)
    assert (copy.num_states, copy.num_actions) == (mdp.num_states, mdp.num_actions)
    assert not any(array.flags.writeable for array in arrays(copy))
    for column, original in zip((*copy.model, copy.starts), (*mdp.model, mdp.starts), strict=True):
        assert np.array_equal(column, original)
        assert np.asarray(column).dtype == np.asarray(original).dtype


def test_to_sparse_keeps_sizes_and_starts(mdp):
    """Outcomes are compared in tests/kernels."""
    copy = mdp.to_sparse()
    assert (copy.num_states, copy.num_actions) == (mdp.num_states, mdp.num_actions)
    assert copy.starts.tolist() == mdp.starts.tolist()


def test_to_sparse_of_a_corridor_by_hand():
    mdp = FiniteMDP.grid(Maze.open(1, 2).cells, 0, step_reward=-1.0, outer_wall_reward=-10.0, goal_reward=5.0)
    sparse = mdp.to_sparse().model
    assert sparse.offsets.tolist() == [0, 1, 2, 3, 4, 4, 4, 4, 4]
    assert sparse.probabilities.tolist() == [1.0] * 4
    assert sparse.next_states.tolist() == [0, 0, 0, 1]
    assert sparse.rewards.tolist() == [-11.0, -11.0, -11.0, 4.0]
    assert sparse.terminated.tolist() == [False, False, False, True]


def test_room_for_outcomes_counts_the_nothing_that_happens_in_a_terminal_state():
    """A learned model has a row for each pair, and more rows for more outcomes."""
    halves = [(0.25, 0, 0.0, False), (0.25, 1, 0.0, False), (0.5, 2, 1.0, True)]
    mdp = sparse_world([[halves, [(1.0, 1, 0.0, False)]], [[], []], [[], []]]).mdp
    assert mdp.num_outcomes == 3 + 1 + 2 * 1 + 2 * 1


def chain(starts):
    """Three states in a row; each step pays 1, and the last ends."""
    return FiniteMDP.from_function(4, 1, lambda s, a: [(1.0, s + 1, 1.0, s == 2)] if s < 3 else [], starts=starts)


def test_starts_with_probabilities_are_heeded_by_all_that_reads_them(tmp_path):
    mdp = chain({0: 0.25, 2: 0.75})
    assert mdp.starts.tolist() == [0, 2, 2, 2]
    assert clew.solve(mdp, gamma=1.0).value == 0.25 * 3 + 0.75 * 1
    assert clew.policy_values(mdp, np.zeros((4, 1)), gamma=1.0).value == 1.5
    mdp.save(tmp_path / "chain.npz")
    assert FiniteMDP.load(tmp_path / "chain.npz").starts.tolist() == [0, 2, 2, 2]
    env = clew.ModelEnvironment(mdp)
    first = [env.reset(seed=seed)[0] for seed in range(2000)]
    assert abs(first.count(0) / 2000 - 0.25) < 0.04
    played = clew.Simulation(env).rollouts(np.zeros((4, 1)), 4000, exploration=0.0, stream=new_stream(0))
    begins = played.state[np.concatenate(([True], played.terminated[:-1]))]
    assert abs((begins == 0).mean() - 0.25) < 0.03


@pytest.mark.parametrize(
    ("starts", "listed"),
    [
        ({0: 1, 1: 1}, [0, 1]),
        ({0: 0.1, 1: 0.65, 2: 0.25}, [0] * 2 + [1] * 13 + [2] * 5),
        ({1: 1 / 3, 0: 2 / 3}, [1, 0, 0]),
        ({0: 0.0, 1: 5.0}, [1]),
        ({0: 1e-4, 1: 1 - 1e-4}, [0] + [1] * 9999),
    ],
)
def test_probabilities_of_starts_become_repeats(starts, listed):
    assert chain(starts).starts.tolist() == listed


@pytest.mark.parametrize(
    ("starts", "message"),
    [
        ({0: -1.0, 1: 2.0}, "must be finite numbers, not negative, and not all 0"),
        ({0: 0.0}, "must be finite numbers, not negative, and not all 0"),
        ({0: float("nan")}, "must be finite numbers"),
        ({0: "much"}, "probabilities of starts must be an array of real numbers"),
        ({}, "starts must name at least one state"),
        ({9: 1.0}, r"start state 9 is outside 0\.\.3"),
        ({0: 0.1234567, 1: 0.8765433}, "in the ratio of whole numbers up to 10,000; round them to four decimals"),
    ],
)
def test_probabilities_that_make_no_sense_are_refused(starts, message):
    with pytest.raises(ModelError, match=message):
        chain(starts)


def test_labels_have_probabilities_too():
    table = {
        "state": ["new", "old"],
        "action": ["go", "go"],
        "next_state": ["old", "end"],
        "probability": [1, 1],
        "reward": [0, 1],
    }
    mdp = FiniteMDP.from_table(table, starts={"old": 0.2, "new": 0.8})
    assert [mdp.state_labels[s] for s in mdp.starts] == ["old", "new", "new", "new", "new"]
    with pytest.raises(ModelError, match="start state 'odl' is not a state of the table"):
        FiniteMDP.from_table(table, starts={"odl": 1.0})
