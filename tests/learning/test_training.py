import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from gymnasium.wrappers import TimeLimit

from clew import (
    Environment,
    FiniteMDP,
    Learning,
    Maze,
    Policy,
    SettingError,
    TrainingConfig,
    Trajectory,
    Transition,
    evaluate_policy,
    train_policy,
    update_policy,
)
from clew.environments import as_compiled
from clew.kernels.learning.rollouts import EpisodeStats
from clew.learning import settings, trainer, training
from clew.learning.checkpoints import Checkpoints
from clew.learning.loops import Loop
from clew.policies import episodes
from worlds import only_steps

WALL_WITH_A_GAP = [(row, 5) for row in range(10) if row != 7]


class Counted(gymnasium.Wrapper):
    """Counts what is played; a wrapper that Clew doesn't know, so it is played step by step."""

    steps = episodes = ends = 0

    def reset(self, **settings):
        self.episodes += 1
        return super().reset(**settings)

    def step(self, action):
        self.steps += 1
        result = super().step(action)
        self.ends += result[2]
        return result


# What is learned ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("maze", "world", "learning"),
    [
        pytest.param(Maze.open(5, 5), {}, {}, id="the chapter's 5x5"),
        pytest.param(Maze.open(5, 5, goal=(0, 4)), {}, {}, id="goal top right"),
        pytest.param(Maze.open(10, 10, obstacles=WALL_WITH_A_GAP), {}, {"alpha": 0.5}, id="wall with a gap"),
        pytest.param(Maze.open(7, 12), {"outer_wall_reward": -100.0}, {"alpha": 0.5}, id="hazardous outer walls"),
        pytest.param(Maze.open(5, 5), {"random_start": True}, {"alpha": 0.5}, id="random start"),
        pytest.param(
            Maze.open(5, 5),
            {"random_start": True, "random_goal": True},
            {"alpha": 0.5, "epsilon": 0.3, "num_episodes": 100_000},
            id="random start and goal",
        ),
    ],
)
def test_every_start_is_within_its_optimum(maze, world, learning, seed):
    env = Environment(maze, **world)
    policy = train_policy(env, **learning, seed=seed)
    grade = evaluate_policy(env, policy, starts=env.mdp.starts, seed=seed)
    assert (grade.excess_steps, grade.success_rate) == (0.0, 1.0)
    assert grade.suboptimality == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cliff_walking_which_has_no_step_limit_is_learned(seed):
    env = gymnasium.make("CliffWalking-v1")
    grade = evaluate_policy(env, train_policy(env, 500, alpha=0.5, seed=seed))
    assert (grade.mean_steps, grade.mean_return, grade.terminated_rate) == (13.0, -13.0, 1.0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_frozen_lake_without_slip_is_learned_through_its_steps(seed):
    env = only_steps(gymnasium.make("FrozenLake-v1", is_slippery=False))
    grade = evaluate_policy(env, train_policy(env, 2000, alpha=0.5, seed=seed))
    assert (grade.mean_steps, grade.mean_return, grade.terminated_rate) == (6.0, 1.0, 1.0)


def test_a_world_in_which_nothing_happens_is_learned_in_a_step_an_episode():
    rows = []
    world = FiniteMDP.sparse([0, 0, 0], [], [], [], [], num_actions=1, starts=[0])
    policy = train_policy(world, 100, callback=rows.append)
    assert policy.q.tolist() == [[0.0], [0.0]]
    assert {(row.num_steps, row.terminated_rate, row.mean_return) for row in rows} == {(1, 1.0, 0.0)}


def test_spaces_that_are_not_discrete_are_refused():
    env = gymnasium.Env()
    env.observation_space, env.action_space = Box(0, 1), Discrete(2)
    with pytest.raises(SettingError, match="observation_space"):
        train_policy(env, 1)


# The same seed, the same bits -----------------------------------------------------------------------------------------

WORLDS = {
    "fixed start": {},
    "random start and goal": {"random_start": True, "random_goal": True},
    "slip": {"slip": 0.3},
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_seed_decides_every_bit(world):
    tables = [train_policy(Environment(Maze.open(3, 4), **world), 200, seed=seed).q for seed in (7, 7, 8)]
    assert np.array_equal(tables[0], tables[1])
    assert not np.array_equal(tables[0], tables[2])


def test_a_stepwise_world_repeats_as_well():
    """Slip and starts are drawn by the environment, whose seed comes from the trainer's."""

    def learn(seed, seed_before):
        env = TimeLimit(Environment(Maze.open(3, 4), random_start=True, slip=0.3), 1000)
        env.reset(seed=seed_before)
        return train_policy(env, 100, seed=seed).q

    assert np.array_equal(learn(7, 1), learn(7, 2))
    assert not np.array_equal(learn(7, 1), learn(8, 1))


@pytest.mark.parametrize("max_episode_steps", [None, 5])
def test_stepwise_and_compiled_learn_the_same_bits(max_episode_steps):
    """A wrapper may change what a step does, so a wrapped environment is played step by step; 5 steps truncate."""
    env = Environment(Maze.open(3, 4), outer_wall_reward=-0.3, max_episode_steps=max_episode_steps)
    compiled = train_policy(env, 300, alpha=0.3, seed=5)
    stepwise = train_policy(only_steps(env), 300, alpha=0.3, seed=5)
    assert np.array_equal(compiled.q, stepwise.q)
    assert compiled.q.any()


def test_episodes_of_one_step_teach_the_value_of_the_whole_way():
    """Each is cut off, and bootstraps: the last step pays -1 + 1, the one before -1 + 0.9 * 0, the first -1 - 0.9."""
    env = Environment(Maze.open(1, 4), step_reward=-1.0, random_start=True, max_episode_steps=1)
    for world in (env, TimeLimit(env, 10)):
        q = train_policy(world, 2000, alpha=0.5, epsilon=1.0).q
        assert q.max(axis=1) == pytest.approx([-1.9, -1.0, 0.0, 0.0], abs=1e-3)


@pytest.mark.parametrize("wrap", [lambda env: env, lambda env: env.mdp, only_steps], ids=["maze", "model", "steps"])
def test_a_training_asks_once_for_the_compiled_world(wrap, monkeypatch):
    env, calls = wrap(Environment(Maze.open(3, 4))), []
    for module in (training, trainer, episodes):
        monkeypatch.setattr(module, "as_compiled", lambda env: calls.append(env) or as_compiled(env))
    train_policy(env, 200)
    assert calls == [env]


def test_settings_are_checked_once(monkeypatch):
    calls = []
    monkeypatch.setattr(settings, "check_learning", calls.append)
    train_policy(Environment(Maze.open(3, 4)), 20)
    assert len(calls) == 1
    learning = Learning()
    training.train(Environment(Maze.open(3, 4)), 20, learning)
    assert calls[1:] == [learning]


# The callback ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("num_episodes", "num_rounds"), [(1, 1), (99, 99), (100, 100), (250, 84), (1000, 100)])
def test_the_callbacks_rows_sum_to_the_totals(num_episodes, num_rounds):
    env = Environment(Maze.open(3, 4), max_episode_steps=9)
    rows, counted, counted_rows = [], Counted(env), []
    train_policy(env, num_episodes, seed=3, callback=rows.append)
    train_policy(counted, num_episodes, seed=3, callback=counted_rows.append)
    assert [row.round for row in rows] == list(range(num_rounds))
    assert {row.total_episodes for row in rows} == {num_episodes}
    assert [row.num_ended for row in rows] == np.cumsum([row.num_episodes for row in rows]).tolist()
    assert sum(row.num_episodes for row in rows) == num_episodes == counted.episodes
    assert sum(row.num_steps for row in rows) == counted.steps
    for row, other in zip(rows, counted_rows, strict=True):
        assert row.num_steps == pytest.approx(row.mean_steps * row.num_episodes)
        assert row.mean_return == row.terminated_rate  # the goal pays 1, and nothing else pays
        assert row.seconds > 0.0
        names = [name for name in vars(row) if name != "seconds"]
        assert [getattr(row, name) for name in names] == [getattr(other, name) for name in names]
    assert sum(row.terminated_rate * row.num_episodes for row in rows) == pytest.approx(counted.ends)


def test_the_callback_never_changes_the_result():
    env, rows = Environment(Maze.open(3, 4)), []
    with_it, without = train_policy(env, 250, callback=rows.append), train_policy(env, 250)
    assert np.array_equal(with_it.q, without.q)


# update_policy --------------------------------------------------------------------------------------------------------


def pair_policy():
    """Two states: q[0] = [0, 0.5], q[1] = [2, -7]; the step that is learned is 0 -> 1 by action 1, which pays 1."""
    env = gymnasium.Env()
    env.observation_space, env.action_space = Discrete(2), Discrete(2)
    return Policy(env, q=[[0.0, 0.5], [2.0, -7.0]])


@pytest.mark.parametrize(("terminated", "value"), [(False, 0.875), (True, 0.625)])
def test_update_policy_by_hand_masks_only_where_terminated(terminated, value):
    policy = pair_policy()
    step = Transition(0, 1, 1.0, 1, terminated, not terminated)
    update_policy(policy, Trajectory.from_transitions([step]), alpha=0.25, gamma=0.5)
    assert policy.q.tolist() == [[0.0, value], [2.0, -7.0]]


def test_update_policy_goes_through_the_rows_in_order():
    """The second row sees what the first one learned: 0.5 * (0 + 1 * 0.5) = 0.25."""
    policy = pair_policy()
    policy.q[:] = 0.0
    rows = [Transition(1, 0, 1.0, 1, True, False), Transition(0, 0, 0.0, 1, False, True)]
    update_policy(policy, Trajectory.from_transitions(rows), alpha=0.5, gamma=1.0)
    assert policy.q.tolist() == [[0.25, 0.0], [0.5, 0.0]]


def test_an_empty_trajectory_teaches_nothing():
    policy = pair_policy()
    update_policy(policy, Trajectory.from_transitions([]))
    assert policy.q.tolist() == [[0.0, 0.5], [2.0, -7.0]]


@pytest.mark.parametrize(
    ("column", "step"),
    [
        ("state", Transition(2, 0, 0.0, 0, False, False)),
        ("state", Transition(-1, 0, 0.0, 0, False, False)),
        ("action", Transition(0, 2, 0.0, 0, False, False)),
        ("action", Transition(0, -1, 0.0, 0, False, False)),
        ("next_state", Transition(0, 0, 0.0, 2, False, False)),
        ("next_state", Transition(0, 0, 0.0, -1, False, False)),
    ],
)
def test_a_trajectory_that_does_not_fit_the_policy_is_refused(column, step):
    policy = pair_policy()
    good = Transition(0, 0, 9.0, 0, False, False)
    with pytest.raises(SettingError, match=rf"{column} column must be in 0\.\.1"):
        update_policy(policy, Trajectory.from_transitions([good, step]))
    assert policy.q.tolist() == [[0.0, 0.5], [2.0, -7.0]]


@pytest.mark.parametrize("reward", [np.nan, np.inf, 1e39])
def test_update_policy_refuses_rewards_that_are_not_finite(reward):
    policy = pair_policy()
    with pytest.raises(SettingError, match="finite"), np.errstate(over="ignore"):
        update_policy(policy, Trajectory.from_transitions([Transition(0, 0, reward, 1, False, False)]))
    assert policy.q.tolist() == [[0.0, 0.5], [2.0, -7.0]]


@pytest.mark.parametrize(
    "values",
    [np.zeros((2, 2)), np.zeros((2, 2), np.float32, order="F"), np.zeros((2, 4), np.float32)[:, ::2], np.float32([1])],
    ids=["float64", "columns first", "every other", "one dimension"],
)
def test_update_policy_refuses_values_that_cannot_be_learned_in_place(values):
    policy = pair_policy()
    policy.q = values
    with pytest.raises(SettingError, match="C-contiguous float32"):
        update_policy(policy, Trajectory.from_transitions([Transition(0, 0, 1.0, 1, False, False)]))


# Settings -------------------------------------------------------------------------------------------------------------

OUT_OF_RANGE = [
    ("num_episodes", 0),
    ("num_episodes", -1),
    ("alpha", 0.0),
    ("alpha", 1.1),
    ("alpha", float("nan")),
    ("gamma", -0.1),
    ("gamma", 1.1),
    ("epsilon", -0.1),
    ("epsilon", 1.1),
    ("seed", -1),
]


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE)
def test_train_policy_names_the_setting_that_is_out_of_range(name, value):
    with pytest.raises(SettingError, match=name):
        train_policy(Environment(), **{name: value})


@pytest.mark.parametrize(("name", "value"), [case for case in OUT_OF_RANGE if case[0] in ("alpha", "gamma")])
def test_update_policy_names_the_setting_that_is_out_of_range(name, value):
    with pytest.raises(SettingError, match=name):
        update_policy(pair_policy(), Trajectory.from_transitions([]), **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *OUT_OF_RANGE,
        ("num_simulations", 0),
        ("num_actors", -1),
        ("sync_every", 0),
        ("slip", 1.5),
        ("slip", -0.1),
        ("max_episode_steps", 0),
        ("goal_reward", float("inf")),
        ("step_reward", float("nan")),
    ],
)
def test_a_config_names_the_setting_that_is_out_of_range(name, value):
    with pytest.raises(SettingError, match=name):
        TrainingConfig(**{name: value})


# Rounds ---------------------------------------------------------------------------------------------------------------


def played_rounds(num_episodes, *, is_reported):
    """Return (number of rounds, numbers of episodes of all calls) of a training whose loop only counts."""
    calls = []

    def learn(n):
        calls.append(n)
        return EpisodeStats(np.ones(n, np.int64), np.zeros(n), np.ones(n, np.bool_))

    rounds = training.SerialRounds(
        None, Loop(learn, None), num_episodes, None, Checkpoints(None), is_reported=is_reported
    )
    return len(list(rounds.play())), calls


def test_a_training_has_a_hundred_rounds_for_those_who_look_and_one_for_nobody():
    assert played_rounds(500, is_reported=True) == (100, [5] * 100)
    num_rounds, calls = played_rounds(500, is_reported=False)
    assert num_rounds == 1
    assert calls[0] == 1  # of a kernel that may take long, and can't be interrupted
    assert sum(calls) == 500
    assert len(calls) < 10
    assert played_rounds(2**20 + 1, is_reported=False)[0] == 2


@pytest.mark.parametrize("learning", [{"exploration_schedule": "linear"}, {"num_interleaved": 3}])
def test_those_who_look_change_no_bit(learning):
    env = Environment(Maze.open(5, 5), slip=0.1)
    table = train_policy(env, 321, seed=5, **learning).q
    assert np.array_equal(table, train_policy(env, 321, seed=5, callback=lambda _: None, **learning).q)
