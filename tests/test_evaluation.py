import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

from clew import Environment, Maze, Policy, SettingError, evaluate_policy, solve

DOWN, LEFT, UP, RIGHT = range(4)


def going(env, *actions):
    """A policy that takes one action everywhere, or the given ones state by state."""
    policy = Policy(env)
    policy.q[range(policy.q.shape[0]), actions if len(actions) > 1 else actions * policy.q.shape[0]] = 1.0
    return policy


def corridor(**settings):
    return Environment(Maze.open(1, 5), **settings)


# Graded exactly -------------------------------------------------------------------------------------------------------


def test_the_best_way_has_no_gap():
    env = corridor(step_reward=-1.0)
    grade = evaluate_policy(env, going(env, RIGHT), num_episodes=3)
    assert (grade.num_episodes, grade.mean_steps, grade.success_rate) == (3, 4.0, 1.0)
    assert (grade.mean_return, grade.optimal_steps, grade.gap) == (-3.0, 4.0, 0.0)
    assert grade.optimal_value == pytest.approx(-1 - 0.9 - 0.81)
    assert grade.value_gap == pytest.approx(0.0, abs=1e-12)


def test_a_policy_that_never_arrives_is_played_to_the_step_limit():
    env = corridor(step_reward=-1.0, max_episode_steps=30)
    grade = evaluate_policy(env, going(env, LEFT), gamma=1.0)
    assert (grade.mean_steps, grade.success_rate, grade.mean_return) == (30.0, 0.0, -30.0)
    assert (grade.gap, grade.value_gap) == (26.0, -3.0 + 30.0)


def test_a_way_round_is_longer_by_its_gap():
    """Down, right, right, up, in place of right, right."""
    env = Environment(Maze.from_text("S.G\n...\n"))
    grade = evaluate_policy(env, going(env, DOWN, RIGHT, UP, RIGHT, RIGHT, UP))
    assert (grade.mean_steps, grade.gap) == (4.0, 2.0)
    assert grade.value_gap == pytest.approx(0.9 - 0.9**3)


def test_a_limit_shorter_than_the_way_counts_with_its_steps():
    env = corridor(max_episode_steps=3)
    grade = evaluate_policy(env, going(env, RIGHT))
    assert (grade.mean_steps, grade.success_rate, grade.gap) == (3.0, 0.0, -1.0)
    assert grade.value_gap == pytest.approx(0.9**3)


def test_the_limit_may_be_just_long_enough():
    env = corridor(max_episode_steps=4)
    grade = evaluate_policy(env, going(env, RIGHT))
    assert (grade.mean_steps, grade.success_rate) == (4.0, 1.0)


def test_the_value_gap_sees_a_shortcut_that_costs():
    """Through the hazard are fewer steps, and less value: -5 + 0.9 against 0.729."""
    env = Environment(Maze.from_text("S!G\n...\n"), hazard_reward=-5.0)
    grade = evaluate_policy(env, going(env, RIGHT))
    assert (grade.gap, grade.mean_return) == (-2.0, -4.0)
    assert grade.value_gap == pytest.approx(0.729 + 4.1, abs=1e-6)


def test_nothing_is_explored_or_learned():
    env = Environment(Maze.open(1, 40))
    policy = going(env, RIGHT)
    before = policy.q.copy()
    assert evaluate_policy(env, policy, num_episodes=100).mean_steps == 39.0
    assert np.array_equal(policy.q, before)


@pytest.mark.parametrize("seed", range(5))
def test_an_untrained_policy_ends_and_is_told_from_a_trained_one(seed):
    env = Environment(Maze.open(6, 6))
    grade = evaluate_policy(env, Policy(env), seed=seed)
    assert grade.mean_steps <= env.max_episode_steps
    assert grade.gap > 10.0


def test_a_policy_that_runs_into_the_wall_ends_at_the_default_limit():
    env = Environment()
    grade = evaluate_policy(env, going(env, UP))
    assert (grade.mean_steps, grade.success_rate) == (2500.0, 0.0)


# Starts and seeds -----------------------------------------------------------------------------------------------------


def test_starts_are_played_an_episode_each():
    env = corridor(random_start=True)
    grade = evaluate_policy(env, going(env, RIGHT), starts=[3, 0, 3])
    assert (grade.num_episodes, grade.mean_steps, grade.optimal_steps, grade.gap) == (3, 2.0, 2.0, 0.0)
    assert grade.optimal_value == pytest.approx((1 + 0.9**3 + 1) / 3)


def test_one_bad_start_among_all_is_seen():
    env = corridor(random_start=True, max_episode_steps=50)
    policy = going(env, LEFT, RIGHT, RIGHT, RIGHT, RIGHT)
    grade = evaluate_policy(env, policy, starts=env.mdp.starts)
    assert (grade.num_episodes, grade.success_rate, grade.gap) == (4, 0.75, (50 - 4) / 4)


def test_the_optimum_is_taken_from_the_starts_that_were_drawn():
    env = Environment(Maze.open(4, 4), random_start=True)
    policy = Policy(env, q=solve(env).q)
    grades = [evaluate_policy(env, policy, num_episodes=5, seed=seed) for seed in range(6)]
    assert [grade.gap for grade in grades] == [0.0] * 6
    assert len({grade.optimal_steps for grade in grades}) > 1


def test_the_seed_decides_the_draws():
    env = Environment(Maze.open(4, 4), random_start=True)
    grades = [evaluate_policy(env, Policy(env), num_episodes=50, seed=seed) for seed in (3, 3, 4)]
    assert grades[0] == grades[1] != grades[2]


def test_an_optimum_computed_before_gives_the_same_grade():
    env = Environment(Maze.open(3, 3), slip=0.2)
    optimum = solve(env, gamma=0.8)
    known, computed = (evaluate_policy(env, Policy(env), gamma=0.8, optimum=given) for given in (optimum, None))
    assert known == computed


def test_the_optimal_policy_of_a_slippery_world_has_a_gap_of_chance_alone():
    env = Environment(Maze.open(4, 4), slip=0.2, step_reward=-0.1)
    solution = solve(env)
    grade = evaluate_policy(env, Policy(env, q=solution.q), num_episodes=20_000)
    assert grade.gap == pytest.approx(0.0, abs=0.1)
    assert grade.value_gap == pytest.approx(0.0, abs=0.01)


# Any Gymnasium environment --------------------------------------------------------------------------------------------


def test_without_a_model_there_is_no_optimum():
    env = gymnasium.make("FrozenLake-v1", is_slippery=False)
    grade = evaluate_policy(env, going(env, RIGHT), num_episodes=4)
    assert (grade.num_episodes, grade.mean_steps, grade.success_rate, grade.mean_return) == (4, 100.0, 0.0, 0.0)
    assert (grade.optimal_steps, grade.optimal_value, grade.gap, grade.value_gap) == (None, None, None, None)


def test_a_wrapped_environment_is_played_in_itself():
    """The wrapper's limit of 3 holds; the model's optimum doesn't."""
    env = TimeLimit(corridor(step_reward=-1.0), 3)
    grade = evaluate_policy(env, going(env, RIGHT), num_episodes=2)
    assert (grade.mean_steps, grade.success_rate, grade.mean_return, grade.gap) == (3.0, 0.0, -3.0, None)


def test_made_by_gymnasium_it_has_its_optimum():
    env = gymnasium.make("clew/Maze-v0", maze=Maze.open(1, 5))
    assert evaluate_policy(env, going(env, RIGHT)).gap == 0.0


# Settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_episodes": 0}, "num_episodes must be at least 1, not 0"),
        ({"gamma": 1.1}, "gamma"),
        ({"gamma": 1.1, "optimum": solve(Maze.open(1, 5))}, "gamma"),
        ({"seed": -1}, "seed"),
        ({"starts": []}, "starts"),
        ({"starts": [5]}, r"starts must be states in 0\.\.4"),
        ({"starts": [-1]}, r"starts must be states in 0\.\.4"),
        ({"starts": [2**32]}, r"starts must be states in 0\.\.4"),
        ({"starts": [0.5]}, "starts"),
        ({"starts": [[0, 1], [1, 2]]}, "starts"),
        ({"starts": [0, 4]}, "starts"),  # on the goal: nothing can happen there
    ],
)
def test_settings_that_cannot_be_right_are_refused(settings, message):
    env = corridor()
    with pytest.raises(SettingError, match=message):
        evaluate_policy(env, Policy(env), **settings)


def test_a_policy_for_another_world_is_refused():
    with pytest.raises(SettingError, match=r"\(25, 4\) values doesn't fit an environment of \(5, 4\)"):
        evaluate_policy(corridor(), Policy(Environment()))


def test_starts_cannot_be_chosen_in_an_environment_that_draws_its_own():
    env = gymnasium.make("FrozenLake-v1")
    with pytest.raises(SettingError, match=r"starts can be chosen in a clew\.Environment only"):
        evaluate_policy(env, Policy(env), starts=[0])


def test_an_optimum_for_another_discount_is_refused():
    env = corridor()
    with pytest.raises(SettingError, match=r"the optimum is for gamma 0.5, not 0.9"):
        evaluate_policy(env, Policy(env), optimum=solve(env, gamma=0.5))
