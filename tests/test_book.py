"""The chapter's calls, and its eleven faults by number (docs/book.md says what each was)."""

import random
from itertools import pairwise

import numpy as np
import pytest

import clew
from clew import RoundMetrics, book, distributed
from clew.mazes import Maze


@pytest.fixture
def env():
    return book.Environment()


def test_discrete_samples_its_numbers_evenly():
    space = book.Discrete(4)
    counts = np.bincount([space.sample() for _ in range(4000)], minlength=4)
    assert space.n == 4
    assert counts.sum() == 4000
    assert ((counts - 1000) ** 2 / 1000).sum() < 16.3  # chi-square, 3 degrees of freedom, p = 0.001


def test_the_environment_is_the_chapters(env):
    assert (env.seeker, env.goal) == ((0, 0), (4, 4))
    assert env.info == {"seeker": (0, 0), "goal": (4, 4)}
    assert (env.action_space.n, env.observation_space.n) == (4, 25)
    assert (env.reset(), env.get_observation(), env.get_reward(), env.is_done()) == (0, 0, 0, False)


@pytest.mark.parametrize(
    ("action", "seeker", "observation"), [(0, (3, 2), 17), (1, (2, 1), 11), (2, (1, 2), 7), (3, (2, 3), 13)]
)
def test_a_step_goes_down_left_up_right(env, action, seeker, observation):
    env.seeker = (2, 2)
    assert env.step(action) == (observation, 0, False, {"seeker": seeker, "goal": (4, 4)})


def test_the_border_stops_a_step_and_the_goal_ends(env):
    assert env.step(2)[0] == env.step(1)[0] == 0
    env.seeker = (4, 3)
    assert env.step(3) == (24, 1, True, {"seeker": (4, 4), "goal": (4, 4)})
    assert (env.is_done(), env.get_reward()) == (True, 1)


@pytest.mark.parametrize("action", [4, -1, None, "down"])
def test_another_action_raises_value_error(env, action):
    with pytest.raises(ValueError, match="action must be 0"):
        env.step(action)


def test_world_and_table_lead_to_the_rest_of_clew(env):
    policy = book.train_policy(env)
    values = clew.Policy(env.world, q=policy.state_action_table)
    assert clew.evaluate_policy(env.world, values).excess_steps == 0.0


def test_the_same_call_gives_the_same_table():
    tables = [book.train_policy(book.Environment(), 50).state_action_table for _ in range(2)]
    assert (tables[0] == tables[1]).all()
    assert tables[0].any()


def test_render_draws_cells_with_s_over_g(env, capsys):
    env.render()
    assert capsys.readouterr().out == "|S| | | | |\n" + "| | | | | |\n" * 3 + "| | | | |G|\n"
    env.seeker = (4, 4)
    env.render()
    assert capsys.readouterr().out.endswith("| | | | |S|\n")


def test_a_policy_begins_with_zeros(env):
    policy = book.Policy(env)
    assert len(policy.state_action_table) == 25
    assert [list(row) for row in policy.state_action_table] == [[0, 0, 0, 0]] * 25
    assert policy.action_space.n == 4


def test_a_policy_exploits_and_explores(env):
    policy = book.Policy(env)
    policy.state_action_table[7][2] = 1
    assert {policy.get_action(7, explore=False) for _ in range(50)} == {2}
    assert {policy.get_action(7, explore=True, epsilon=1.0) for _ in range(100)} == {0, 1, 2, 3}


def test_a_rollout_is_a_list_of_four_columns(env):
    experiences = book.Simulation(env).rollout(book.Policy(env))
    assert experiences[0][0] == 0
    assert experiences[-1][2:] == [1, 24]
    assert all(before[3] == after[0] for before, after in pairwise(experiences))


def test_update_policy_follows_the_rule(env):
    policy = book.Policy(env)
    policy.state_action_table[1] = [0.25, 0.5, 0.0, 0.0]
    policy.state_action_table[0][3] = 0.2
    book.update_policy(policy, [[0, 3, 0, 1]], weight=0.1, discount_factor=0.9)
    assert policy.state_action_table[0][3] == pytest.approx(0.9 * 0.2 + 0.1 * 0.9 * 0.5)


def test_the_chapter_in_sequence(env, capsys):
    policy = book.train_policy(env)
    assert book.evaluate_policy(env, policy) == 8.0
    assert capsys.readouterr().out == "8.0 steps on average for a total of 10 episodes.\n"


# The faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.ray
def test_fault_1_actors_play_with_fresh_values(env, ray_up):
    rows: list[RoundMetrics] = []
    policy = distributed.train_policy_parallel(env.world, 4000, 4, num_actors=2, callback=rows.append)
    assert sum(row.num_steps for row in rows) / 4000 < 20  # the chapter: 397, in every round
    table = book.train_policy_parallel(env).state_action_table
    assert table.tobytes() == policy.q.tobytes()


@pytest.mark.parametrize("goal", [(0, 4), (4, 0), (2, 2)])
def test_fault_2_ties_are_broken_at_random_so_any_goal_is_found(goal):
    env = book.Environment(Maze.open(5, 5, goal=goal))
    assert book.evaluate_policy(env, book.train_policy(env)) == sum(goal)


def test_fault_3_a_rollout_ends_even_if_the_policy_never_does(env):
    policy = book.Policy(env)
    policy.state_action_table[:, 2] = 1  # up, for ever
    simulation = book.Simulation(env)
    assert len(simulation.rollout(policy, explore=False)) == 2500
    assert simulation.truncated
    simulation.rollout(book.Policy(env))
    assert not simulation.truncated


def test_fault_4_what_follows_the_goal_counts_nothing(env):
    policy = book.Policy(env)
    policy.state_action_table[24] = 5.0  # whatever stands in the goal's row
    book.update_policy(policy, [[23, 3, 1, 24]])
    assert policy.state_action_table[23][3] == pytest.approx(0.1)


@pytest.mark.ray
def test_fault_5_actors_get_the_environment_that_was_passed_in(ray_up):
    env = book.Environment(Maze.open(10, 10))
    policy = book.train_policy_parallel(env)
    assert policy.state_action_table.shape == (100, 4)
    assert book.evaluate_policy(env, policy) == 18.0
    actor = book.SimulationActor.remote(env)
    assert ray_up.get(actor.rollout.remote(policy, explore=False))[-1][3] == 99


def test_fault_6_num_episodes_is_the_total_but_for_the_chapters_own_function(env):
    seen: list[RoundMetrics] = []
    distributed.train_policy_parallel(env.world, 50, 4, num_actors=0, callback=seen.append)
    assert sum(row.num_episodes for row in seen) == 50


@pytest.mark.ray
def test_fault_7_settings_reach_the_parallel_update(env, ray_up):
    tables = [
        book.train_policy_parallel(env, 20, 2, weight, discount_factor).state_action_table.tobytes()
        for weight, discount_factor in [(0.1, 0.9), (0.5, 0.9), (0.1, 0.5), (0.1, 0.9)]
    ]
    assert tables[0] == tables[3]
    assert len(set(tables)) == 3


@pytest.mark.ray
def test_fault_8_two_parallel_runs_agree_whatever_the_global_seed(env, ray_up):
    def table(seed):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  # as the chapter's readers do
        return book.train_policy_parallel(env).state_action_table.tobytes()

    assert table(1) == table(2)


def test_fault_9_the_table_is_one_array_that_is_not_copied(env):
    table = book.Policy(env).state_action_table
    assert isinstance(table, np.ndarray)
    assert (table.dtype, table.flags.c_contiguous, table.nbytes) == (np.float32, True, 400)


def test_fault_10_evaluation_returns_a_figure_and_draws_nothing(env, capsys):
    assert book.evaluate_policy(env, book.train_policy(env), num_episodes=3) == 8.0
    assert capsys.readouterr().out.count("\n") == 1


def test_fault_11_a_random_start_is_never_the_goal():
    env = book.Environment(Maze.open(2, 2), random_start=True)
    seen = {(env.reset(), env.seeker)[1] for _ in range(200)}
    assert seen == {(0, 0), (0, 1), (1, 0)}


# The exercises --------------------------------------------------------------------------------------------------------


def test_a_readers_own_environment_is_played_as_it_stands():
    class Backwards(book.Environment):
        def step(self, action):
            return super().step([2, 3, 0, 1][action])

    env = Backwards()
    policy = book.train_policy(env, 2000)
    assert book.evaluate_policy(env, policy) == 8.0
    assert policy.get_action(0, explore=False) in (2, 1)  # up is down, left is right


def test_random_goals_are_part_of_the_observation():
    env = book.Environment(Maze.open(3, 3), random_goal=True)
    goals = set()
    for _ in range(100):
        observation = env.reset()
        goals.add(env.goal)
        assert observation == 9 * (3 * env.goal[0] + env.goal[1]) + 0
    assert len(goals) == 8
