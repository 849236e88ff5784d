"""FiniteMDP.from_arrays: tables of probabilities and rewards, dense or sparse."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from clew import FiniteMDP, ModelError, solve
from loops import settled_values

# Two states, and a terminal one whose rows are empty. Action 0 stays or ends the episode, action 1 moves.
P = np.array([[[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]], [[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]], [[0.0] * 3, [0.0] * 3]])
R = np.array([[1.0, -1.0], [2.0, 0.0], [9.0, 9.0]])
TERMINAL = [False, False, True]


def random_arrays(seed, num_states=9, num_actions=3, reward_shape="sas"):
    """Make a dense model in which about 30% of the probabilities are 0, and the last two states are terminal."""
    rng = np.random.default_rng(seed)
    table = rng.random((num_states, num_actions, num_states)) * (
        rng.random((num_states, num_actions, num_states)) > 0.3
    )
    table[..., 0] += 0.1
    table /= table.sum(axis=2, keepdims=True)
    shape = {"s": (num_states,), "sa": (num_states, num_actions), "sas": table.shape}[reward_shape]
    return table, rng.normal(size=shape), np.arange(num_states) >= num_states - 2


def optimal_values(table, rewards, terminal, gamma):
    """Policy iteration on the dense arrays, with a linear solve for each policy."""
    num_states, num_actions, _ = table.shape
    if rewards.ndim == 1:
        rewards = np.repeat(rewards[:, None], num_actions, axis=1)
    pay = (table * rewards).sum(axis=2) if rewards.ndim == 3 else rewards.copy()
    pay[terminal] = 0.0
    moves = table * ~terminal
    moves[terminal] = 0.0
    policy, states = np.zeros(num_states, int), np.arange(num_states)
    while True:
        v = np.linalg.solve(np.eye(num_states) - gamma * moves[states, policy], pay[states, policy])
        q = pay + gamma * moves @ v
        if (q.max(axis=1) <= v + 1e-12).all():
            return v
        policy = q.argmax(axis=1)


def rows_of(mdp, s, a):
    model = mdp.model
    first, last = model.offsets[s * mdp.num_actions + a :][:2]
    columns = (model.probabilities, model.next_states, model.rewards, model.terminated)
    return list(zip(*(column[first:last].tolist() for column in columns), strict=True))


def test_rows_by_hand():
    mdp = FiniteMDP.from_arrays(P, R, terminal=TERMINAL)
    assert (mdp.num_states, mdp.num_actions, mdp.starts.tolist()) == (3, 2, [0, 1])
    assert rows_of(mdp, 0, 0) == [(0.5, 0, 1.0, False), (0.5, 2, 1.0, True)]
    assert rows_of(mdp, 0, 1) == [(1.0, 1, -1.0, False)]
    assert rows_of(mdp, 1, 0) == [(0.25, 1, 2.0, False), (0.75, 2, 2.0, True)]
    assert rows_of(mdp, 1, 1) == [(1.0, 0, 0.0, False)]
    assert rows_of(mdp, 2, 0) == rows_of(mdp, 2, 1) == []


def test_a_reward_may_belong_to_the_state_the_action_or_the_way():
    ways = np.zeros((3, 2, 3))
    ways[0, 0, 2] = 7.0
    assert rows_of(FiniteMDP.from_arrays(P, [5.0, 6.0, 9.0], terminal=TERMINAL), 1, 1) == [(1.0, 0, 6.0, False)]
    assert rows_of(FiniteMDP.from_arrays(P, ways, terminal=TERMINAL), 0, 0) == [
        (0.5, 0, 0.0, False),
        (0.5, 2, 7.0, True),
    ]


def test_starts_can_be_named():
    assert FiniteMDP.from_arrays(P, R, terminal=TERMINAL, starts=[1]).starts.tolist() == [1]


@pytest.mark.parametrize("reward_shape", ["s", "sa", "sas"])
@pytest.mark.parametrize("seed", range(10))
def test_its_solution_is_that_of_linear_algebra(seed, reward_shape):
    table, rewards, terminal = random_arrays(seed, reward_shape=reward_shape)
    solution = solve(FiniteMDP.from_arrays(table, rewards, terminal=terminal), gamma=0.95, tolerance=1e-9)
    assert solution.v == pytest.approx(optimal_values(table, rewards, terminal, 0.95), abs=1e-9)


def test_a_world_without_an_end_is_solved_too():
    table, rewards, _ = random_arrays(3)
    mdp = FiniteMDP.from_arrays(table, rewards)
    assert not mdp.model.terminated.any()
    assert mdp.starts.size == mdp.num_states
    v = optimal_values(table, rewards, np.zeros(9, bool), 0.9)
    assert solve(mdp, gamma=0.9, tolerance=1e-9).v == pytest.approx(v, abs=1e-9)


def test_it_can_be_learned():
    table, rewards, terminal = random_arrays(4, num_states=5)
    mdp = FiniteMDP.from_arrays(table, rewards, terminal=terminal)
    q = settled_values(mdp)
    solution = solve(mdp, gamma=0.8)
    assert np.abs(q - solution.q).max() < 0.03 * np.abs(solution.q).max()


# Sparse matrices ------------------------------------------------------------------------------------------------------


def plain_rows(matrix):
    """The three arrays of a matrix in compressed sparse rows, without SciPy."""
    made = sparse.csr_array(matrix)
    return SimpleNamespace(indptr=made.indptr, indices=made.indices, data=made.data)


@pytest.mark.parametrize(
    "form", [sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.coo_array, sparse.lil_matrix, plain_rows]
)
@pytest.mark.parametrize("reward_shape", ["s", "sa", "sas"])
def test_a_list_of_sparse_matrices_gives_the_same_model(form, reward_shape):
    table, rewards, terminal = random_arrays(5, reward_shape=reward_shape)
    dense = FiniteMDP.from_arrays(table, rewards, terminal=terminal)
    model = FiniteMDP.from_arrays([form(table[:, a]) for a in range(3)], rewards, terminal=terminal)
    for column, expected in zip((*model.model, model.starts), (*dense.model, dense.starts), strict=True):
        assert np.array_equal(column, expected)


def test_zeros_that_are_stored_are_no_outcomes():
    matrix = plain_rows(np.eye(2))
    matrix.data = np.array([1.0, 0.0, 1.0])
    matrix.indices, matrix.indptr = np.array([0, 1, 1]), np.array([0, 2, 3])
    assert rows_of(FiniteMDP.from_arrays([matrix], [0.0, 0.0]), 0, 0) == [(1.0, 0, 0.0, False)]


# A matrix for each action ---------------------------------------------------------------------------------------------


def objects(matrices):
    """A 1-D array of objects, as pymdptoolbox has them."""
    array = np.empty(len(matrices), object)
    array[:] = matrices
    return array


def numbered_backwards(matrices):
    return {action: matrices[action] for action in reversed(range(len(matrices)))}


def labelled(matrices):
    return dict(zip("cab", matrices, strict=True))


@pytest.mark.parametrize("each", [objects, numbered_backwards, labelled])
@pytest.mark.parametrize("form", [np.array, sparse.csr_matrix, sparse.coo_array])
@pytest.mark.parametrize("reward_shape", ["s", "sa", "sas"])
def test_a_matrix_for_each_action_gives_the_same_model(each, form, reward_shape):
    table, rewards, terminal = random_arrays(6, reward_shape=reward_shape)
    dense = FiniteMDP.from_arrays(table, rewards, terminal=terminal)
    if rewards.ndim > 1:
        rewards = each([rewards[:, a] if rewards.ndim == 2 else form(rewards[:, a]) for a in range(3)])
    model = FiniteMDP.from_arrays(each([form(table[:, a]) for a in range(3)]), rewards, terminal=terminal)
    assert model.action_labels == (("c", "a", "b") if each is labelled else None)
    for column, expected in zip((*model.model, model.starts), (*dense.model, dense.starts), strict=True):
        assert np.array_equal(column, expected)


def test_rewards_by_label_are_those_of_the_action_with_this_label():
    table, rewards, terminal = random_arrays(7)
    P_by_name = {name: table[:, a] for a, name in enumerate("abc")}
    R_by_name = {name: sparse.csr_array(rewards[:, "abc".index(name)]) for name in "cab"}
    model = FiniteMDP.from_arrays(P_by_name, R_by_name, terminal=terminal)
    assert np.array_equal(model.model.rewards, FiniteMDP.from_arrays(table, rewards, terminal=terminal).model.rewards)


def test_rewards_of_pairs_may_be_sparse():
    mdp = FiniteMDP.from_arrays(P, sparse.csr_matrix(R), terminal=TERMINAL)
    assert mdp.model.rewards.tolist() == [1.0, 1.0, -1.0, 2.0, 2.0, 0.0]


# Invalid arguments ----------------------------------------------------------------------------------------------------


def changed(table, *places, value):
    copy = np.array(table)
    for place in places:
        copy[place] = value
    return copy


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"P": changed(P, (1, 0, 2), value=0.5)}, r"state 1, action 0: probabilities sum to 0\.75, not 1"),
        ({"P": changed(P, (1, 0, 2), value=np.nan)}, "state 1, action 0: probability"),
        ({"P": changed(P, (0, 1, 0), (0, 1, 2), value=-0.5)}, "state 0, action 1: probability must not be negative"),
        ({"terminal": None}, "state 2: no action is available, as probabilities sum to 0, not 1, .* terminal"),
        ({"R": changed(R, (0, 1), value=np.inf)}, "state 0, action 1: reward must be finite"),
        ({"R": [0.0, -np.inf, 0.0]}, "state 1, action 0: reward must be finite"),
        ({"R": R.T}, r"R must have one of the shapes \(3,\), \(3, 2\), \(3, 2, 3\), not \(2, 3\)"),
        ({"R": [["much"]]}, "R must be an array of numbers"),
        ({"R": R.astype(str)}, "R must be an array of numbers: it holds text"),
        ({"R": np.array(R.astype(str), object)}, "R must be an array of numbers: it holds text"),
        ({"R": R.astype(complex)}, "R must be an array of numbers: it is of type complex128"),
        ({"P": P.astype(str)}, "P must be an array, .*: it holds text"),
        (
            {"P": [SimpleNamespace(indptr=[0, 1], indices=[0], data=["1"])]},
            "action 0: the probabilities must be numbers: it holds text",
        ),
        ({"P": P.transpose(1, 0, 2)}, r"not \(2, 3, 3\); .* use P\.transpose\(1, 0, 2\)"),
        ({"P": P[0]}, r"not \(2, 3\)"),
        ({"P": []}, r"not \(0,\)"),
        ({"P": [sparse.csr_array(P[:, 0]), P[:, 1]]}, "P must be an array, or a list of sparse matrices"),
        (
            {"P": [sparse.csr_array(P[:, 0]), sparse.eye_array(2)]},
            r"action 1: its matrix must have shape \(3, 3\)",
        ),
        ({"P": [sparse.csr_array(P[:, 0, :2])] * 2}, r"action 0: its matrix must have shape \(3, 3\)"),
        ({"P": [SimpleNamespace(indptr=[0, 2, 1], indices=[0], data=[1.0])]}, "action 0: indptr must rise"),
        ({"P": [SimpleNamespace(indptr=[0, 1], indices=[3], data=[1.0])]}, r"state 0, action 0: next state is outside"),
        ({"P": {0: P[:, 0], 2: P[:, 1]}}, r"the actions of P must be texts, or numbers from 0 to 1, not \[0, 2\]"),
        ({"P": {}}, r"P must have an array or a sparse matrix for each action, not \{\}"),
        ({"R": {0: R[:, 0], 1: {}}}, r"R must have an array or a sparse matrix for each action, not \{\}"),
        ({"P": {0: P[:, 0], 1: P[:2, 1]}}, "P must have an array or a sparse matrix for each action: all input arrays"),
        ({"P": {0: {0: [(1.0, 0, 0.0, True)]}}}, "of Gymnasium's .* FiniteMDP.from_function"),
        (
            {"P": {"a": P[:, 0], "b": P[:, 1]}, "R": {"a": R[:, 0]}},
            r"R must have an entry for each action, \('a', 'b'\), not",
        ),
        ({"R": {0: R[:, 0], 1: SimpleNamespace(columns=[])}}, "R: the labels of a data frame aren't read here"),
        ({"P": SimpleNamespace(columns=[])}, "P: the labels of a data frame aren't read here"),
        ({"R": [sparse.csr_array(P[:, 0])]}, "R must have a matrix for each of the 2 actions, not 1"),
        ({"R": sparse.csr_array(R.T)}, r"R must be .* a sparse matrix must have shape \(3, 2\) here, not \(2, 3\)"),
        ({"R": sparse.csr_array(R * 1j)}, "R must be .* it is of type complex128"),
        ({"R": SimpleNamespace(indptr=[0], indices=[], data=[])}, "R must be an array of numbers, or sparse matrices"),
        ({"terminal": [False, True]}, r"3 bools, one for each state, not bool of shape \(2,\)"),
        ({"terminal": [2, 0, 1]}, "3 bools, one for each state, not int64"),
        ({"starts": [3]}, "start state 3 is outside"),
        ({"terminal": [True, True, True]}, "starts must name at least one"),
    ],
)
def test_arrays_that_cannot_be_right_are_refused(arguments, message):
    with pytest.raises(ModelError, match=message):
        FiniteMDP.from_arrays(**({"P": P, "R": R, "terminal": TERMINAL} | arguments))
