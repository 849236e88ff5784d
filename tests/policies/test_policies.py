import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Tuple

from clew import Environment, Maze, Policy, SettingError, Simulation, as_discrete, train_policy
from clew.kernels import read_only
from clew.policies.policy import table_shape


def env_with(observation_space, action_space):
    env = gymnasium.Env()
    env.observation_space, env.action_space = observation_space, action_space
    return env


PAIR = env_with(Discrete(2), Discrete(3))


# Tables ---------------------------------------------------------------------------------------------------------------


def test_a_new_policy_is_a_table_of_zeros():
    policy = Policy(Environment(Maze.open(3, 5)))
    assert (policy.q.shape, policy.q.dtype, policy.q.any()) == ((15, 4), np.float32, False)
    assert repr(policy) == "Policy(15 states x 4 actions)"


def test_a_table_has_a_row_a_state_and_a_column_an_action():
    assert table_shape(PAIR) == (2, 3)
    assert Policy(PAIR).q.shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "env"),
    [
        ("observation_space", env_with(Box(0, 1), Discrete(2))),
        ("action_space", env_with(Discrete(2), Box(0, 1))),
        ("observation_space", env_with(MultiDiscrete([2, 3]), Discrete(2))),
        ("action_space", env_with(Discrete(2), MultiDiscrete([2, 3]))),
        ("observation_space", env_with(Discrete(2, start=1), Discrete(2))),
        ("action_space", env_with(Discrete(2), Discrete(2, start=-1))),
        ("observation_space", env_with(MultiBinary(3), Discrete(2))),
    ],
)
def test_a_space_without_a_table_is_refused_by_name(name, env):
    with pytest.raises(SettingError, match=name):
        Policy(env)


@pytest.mark.parametrize(
    ("space", "num_states"),
    [
        (Discrete(2, start=1), 2),
        (MultiDiscrete([2, 3]), 6),
        (MultiBinary(3), 8),
        (Tuple([Discrete(2), Discrete(2)]), 4),
    ],
)
def test_a_finite_space_is_refused_with_the_way_to_number_it(space, num_states):
    env = env_with(space, Discrete(2))
    with pytest.raises(SettingError, match=r"use clew\.as_discrete\(env\)"):
        Policy(env)
    assert table_shape(as_discrete(env)) == (num_states, 2)


def test_an_infinite_space_is_refused_without_that_advice():
    with pytest.raises(SettingError) as refused:
        Policy(env_with(Box(0, 1), Discrete(2)))
    assert "as_discrete" not in str(refused.value)


@pytest.mark.parametrize(("given", "said"), [(Maze.open(2, 2), "a Maze"), (None, "None"), (7.0, "a float")])
def test_what_is_no_environment_is_refused_with_what_to_give(given, said):
    for use in (Policy, Simulation, lambda world: train_policy(world, 1)):
        with pytest.raises(SettingError, match=rf"^expected an environment, got {said}; use clew\.Environment\(maze\)"):
            use(given)


def test_given_values_are_copied():
    values = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    policy = Policy(PAIR, q=values)
    values[:] = 0.0
    assert policy.q.tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert policy.q.dtype == np.float32


@pytest.mark.parametrize("q", [[1.0, 2.0, 3.0], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], 0.0])
def test_values_of_another_shape_are_refused(q):
    with pytest.raises(SettingError, match=r"q must have the shape \(2, 3\)"):
        Policy(PAIR, q=q)


def test_values_that_are_not_numbers_are_refused():
    with pytest.raises(SettingError, match="NaN"):
        Policy(PAIR, q=[[0.0, 0.0, 0.0], [0.0, np.nan, 0.0]])


def test_infinite_values_are_numbers():
    policy = Policy(PAIR, q=[[0.0, np.inf, 0.0], [-np.inf, -np.inf, 0.0]])
    assert [policy.get_action(s, explore=False) for s in (0, 1)] == [1, 2]


def test_a_table_that_memory_cannot_hold_is_refused_before_it_is_taken():
    """2**48 states of 4 actions are 4.5 million GB."""
    with pytest.raises(SettingError, match=r"the table would take 4503599\.6 GB, and this machine has"):
        Policy(env_with(Discrete(2**48), Discrete(4)))


# Actions --------------------------------------------------------------------------------------------------------------


def test_without_exploring_the_best_action_is_taken():
    policy = Policy(PAIR, q=[[0.0, 0.0, 1.0], [5.0, -1.0, 4.0]])
    assert {policy.get_action(0, explore=False) for _ in range(50)} == {2}
    assert {policy.get_action(1, epsilon=0.0) for _ in range(50)} == {0}


def test_exploring_takes_other_actions_with_probability_epsilon():
    policy = Policy(PAIR, q=[[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    others = sum(policy.get_action(0, epsilon=0.3) != 2 for _ in range(3000))
    assert others / 3000 == pytest.approx(0.2, abs=0.03)
    assert {policy.get_action(0, epsilon=1.0) for _ in range(100)} == {0, 1, 2}


def test_ties_are_broken_at_random():
    policy = Policy(PAIR, q=[[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    assert {policy.get_action(0, explore=False) for _ in range(50)} == {0, 2}
    assert {policy.get_action(1, explore=False) for _ in range(50)} == {0, 1, 2}


def test_an_action_is_a_plain_integer():
    assert type(Policy(PAIR).get_action(np.int64(1))) is int


def test_the_seed_decides_the_actions():
    def actions(seed):
        policy = Policy(PAIR, seed=seed)
        return [policy.get_action(0) for _ in range(50)]

    assert actions(1) == actions(1)
    assert actions(1) != actions(2)


@pytest.mark.parametrize("state", [-1, 2, 10**12, float("nan")])
def test_a_state_outside_the_table_is_refused(state):
    with pytest.raises(SettingError, match=r"state must be in 0\.\.1"):
        Policy(PAIR).get_action(state)


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, float("nan")])
def test_epsilon_must_be_a_probability(epsilon):
    with pytest.raises(SettingError, match=r"epsilon must be a finite number in \[0, 1\]"):
        Policy(PAIR).get_action(0, epsilon=epsilon)


def test_a_negative_seed_is_refused():
    with pytest.raises(SettingError, match="seed"):
        Policy(PAIR, seed=-1)


def test_greedy_actions_are_all_that_tie():
    policy = Policy(PAIR, q=[[1.0, 0.0, 1.0], [-3.0, -2.0, -3.0]])
    assert policy.greedy_actions().tolist() == [[True, False, True], [False, True, False]]


# Pickling -------------------------------------------------------------------------------------------------------------


def test_a_pickled_policy_goes_on_with_the_same_draws():
    policy = train_policy(Environment(Maze.open(2, 2)), 5)
    policy.get_action(0)
    copy = pickle.loads(pickle.dumps(policy))
    assert np.array_equal(copy.q, policy.q)
    assert [copy.get_action(0, epsilon=1.0) for _ in range(30)] == [
        policy.get_action(0, epsilon=1.0) for _ in range(30)
    ]


def test_a_policy_that_comes_with_read_only_arrays_can_be_written():
    policy = Policy(PAIR)
    policy.q, policy.stream = read_only(policy.q), read_only(policy.stream)
    # Out of band, as Ray does it: the arrays of the copy are views of buffers that can't be written.
    buffers = []
    data = pickle.dumps(policy, protocol=5, buffer_callback=buffers.append)
    copy = pickle.loads(data, buffers=[bytes(buffer.raw()) for buffer in buffers])
    copy.q[0, 2] = 1.0
    assert copy.get_action(0, explore=False) == 2
    assert not policy.q.any()


def test_values_too_large_for_float32_are_refused():
    with pytest.raises(SettingError, match="too large for float32"):
        Policy(PAIR, q=[[1e300, 0.0, 0.0], [0.0, 0.0, 0.0]])
