import pickle
from dataclasses import asdict, fields

import gymnasium
import numpy as np
import pytest
from benchmarks.continuing import MODELS
from gymnasium.wrappers import TimeLimit
from scipy import stats
from scipy.sparse import csr_matrix, identity, kron
from scipy.sparse.linalg import spsolve

import oracles
from clew import (
    Environment,
    FiniteMDP,
    Grade,
    Maze,
    ModelEnvironment,
    Policy,
    PrecisionError,
    PrecisionWarning,
    SettingError,
    Simulation,
    book,
    evaluate_policy,
    evaluate_values,
    policy_steps,
    policy_values,
    solve,
    train_policy,
)
from clew.evaluation.intervals import mean_interval, rate_interval, student
from clew.kernels.sampling import new_stream
from clew.rendering.grades import drop_rounding
from oracles import grid_world, random_layout, random_sparse_world, sparse_world
from worlds import only_steps

DOWN, LEFT, UP, RIGHT = range(4)


def going(env, *actions):
    """A policy that takes one action everywhere, or the given ones state by state."""
    policy = Policy(env)
    policy.q[range(policy.q.shape[0]), actions if len(actions) > 1 else actions * policy.q.shape[0]] = 1.0
    return policy


def corridor(**settings):
    return Environment(Maze.open(1, 5), **settings)


def test_what_is_no_policy_is_refused_with_the_way_to_make_one():
    for given, kind in (
        ({"q": 1}, "dict"),
        (book.Policy(book.Environment()), "clew.book.policy.Policy"),
    ):
        with pytest.raises(
            SettingError, match=rf"expected a clew\.Policy, .* got a {kind}; clew\.Policy\(env, q=table\) makes"
        ):
            evaluate_policy(corridor(), given)


def test_episodes_that_never_end_have_as_many_steps_as_the_limit():
    mdp = FiniteMDP.from_arrays([[[0.0, 1.0]], [[0.0, 1.0]]], [[0.0], [1.0]])
    grade = evaluate_policy(mdp, Policy(mdp))
    assert (grade.mean_steps, grade.optimal_steps, grade.excess_steps) == (200.0, 200.0, None)
    assert (grade.optimal_return, grade.terminated_rate, grade.suboptimality) == (199.5, 0.0, 0.0)
    assert (grade.success_rate, grade.success_rate_interval) == (None, None)  # no goal is declared


# Graded exactly -------------------------------------------------------------------------------------------------------


def test_the_best_way_has_no_gap():
    env = corridor(step_reward=-1.0)
    grade = evaluate_policy(env, going(env, RIGHT), num_episodes=3)
    assert (grade.num_episodes, grade.mean_steps, grade.success_rate) == (3, 4.0, 1.0)
    assert (grade.mean_return, grade.optimal_steps, grade.excess_steps) == (-3.0, 4.0, 0.0)
    assert grade.optimal_return == -3.0
    assert grade.suboptimality == pytest.approx(0.0, abs=1e-12)


def test_a_policy_that_never_arrives_is_played_to_the_step_limit():
    env = corridor(step_reward=-1.0, max_episode_steps=30)
    grade = evaluate_policy(env, going(env, LEFT), gamma=1.0)
    assert (grade.mean_steps, grade.success_rate, grade.mean_return) == (30.0, 0.0, -30.0)
    assert (grade.excess_steps, grade.suboptimality) == (
        26.0,
        np.inf,
    )  # without a limit and a discount it costs without an end
    assert (grade.optimal_states, grade.optimal_starts, grade.max_suboptimality) == (0.0, 0.0, np.inf)


def test_a_way_round_is_longer_by_its_gap():
    """Down, right, right, up, in place of right, right."""
    env = Environment(Maze.from_text("S.G\n...\n"))
    grade = evaluate_policy(env, going(env, DOWN, RIGHT, UP, RIGHT, RIGHT, UP))
    assert (grade.mean_steps, grade.excess_steps) == (4.0, 2.0)
    assert grade.suboptimality == pytest.approx(0.9 - 0.9**3)


def test_a_limit_shorter_than_the_way_counts_with_its_steps():
    env = corridor(max_episode_steps=3)
    grade = evaluate_policy(env, going(env, RIGHT))
    assert (grade.mean_steps, grade.success_rate, grade.excess_steps) == (3.0, 0.0, 0.0)
    assert (grade.suboptimality, grade.optimal_starts) == (
        0.0,
        1.0,
    )  # the policy is right, and the limit isn't part of the model


def test_the_limit_may_be_just_long_enough():
    env = corridor(max_episode_steps=4)
    grade = evaluate_policy(env, going(env, RIGHT))
    assert (grade.mean_steps, grade.success_rate) == (4.0, 1.0)


def test_the_value_gap_sees_a_shortcut_that_costs():
    """Through the hazard are fewer steps, and less value: -5 + 0.9 against 0.729."""
    env = Environment(Maze.from_text("S!G\n...\n"), hazard_reward=-5.0)
    grade = evaluate_policy(env, going(env, RIGHT))
    assert (grade.excess_steps, grade.mean_return) == (-2.0, -4.0)
    assert grade.suboptimality == pytest.approx(0.729 + 4.1, abs=1e-6)


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
    assert grade.excess_steps > 10.0


def test_a_policy_that_runs_into_the_wall_ends_at_the_default_limit():
    env = Environment()
    grade = evaluate_policy(env, going(env, UP))
    assert (grade.mean_steps, grade.success_rate) == (2500.0, 0.0)


# Strictly -------------------------------------------------------------------------------------------------------------


def winding_maze(size=81):
    """Corridors that wind to the goal in the corner; 4,900 places or so."""
    walls = [
        (row, column) for row in range(1, size, 2) for column in range(size) if column != (row // 2 % 2) * (size - 1)
    ]
    return Maze.open(size, size, obstacles=walls)


@pytest.mark.parametrize(("size", "gamma"), [(60, 0.9), (60, 0.999), (25, 1.0)])
def test_an_unlearned_table_has_the_luck_of_the_first_action_and_gets_nothing_for_it(size, gamma):
    env = Environment(Maze.open(size, size), random_start=True, step_reward=-1.0)
    optimum = solve(env, gamma=gamma)
    optimal = optimum.optimal_actions[env.mdp.starts]
    assert optimal[:, 0].mean() > 0.9  # down is right nearly everywhere, and by the first of the ties it would be taken
    grade = evaluate_values(env, np.zeros((size**2, 4)), gamma=gamma, optimum=optimum)
    assert (grade.optimal_states, grade.optimal_starts) == (0.0, 0.0)
    down_alone = evaluate_values(env, np.eye(4)[[0] * size**2], gamma=gamma, optimum=optimum)
    assert down_alone.optimal_states == optimal[:, 0].mean()


def test_where_the_values_take_too_long_there_is_no_grade():
    """Against a drift of 9 to 1, the 40 steps to the end take 9**40 on average; there is also an exit."""

    def outcomes(s, a):
        if a:
            return [(1.0, s, -5.0, True)]
        return [(0.9, min(s + 1, 39), -1.0, False), (0.1, max(s - 1, 0), -1.0, s == 0)]

    mdp = FiniteMDP.from_function(40, 2, outcomes)
    drifts, env = np.zeros(40, int), ModelEnvironment(mdp, max_episode_steps=100)
    with pytest.raises(PrecisionError, match=r"can't be graded exactly: with gamma 1\.0 its values in 40 states"):
        evaluate_values(mdp, drifts, gamma=1.0)
    with pytest.warns(PrecisionWarning, match=r"can't be graded exactly: with gamma 1\.0 its values in 40 states"):
        evaluation = evaluate_policy(env, drifts, 3, gamma=1.0, starts=[30, 30, 39])
    assert [getattr(evaluation, each.name) for each in fields(Grade)] == [None] * 5
    assert (evaluation.mean_steps, evaluation.optimal_steps) == (100.0, 1.0)


def test_a_walk_at_random_is_graded_without_a_discount():
    """60 x 60 places, where sweeps would take thousands of passes."""
    env = Environment(Maze.open(60, 60), step_reward=-1.0, goal_reward=0.0)
    grade = evaluate_values(env, np.zeros((3600, 4)), gamma=1.0)
    assert grade.suboptimality == pytest.approx(policy_steps(env, np.zeros((3600, 4)))[0] - 1.0 - 117.0, rel=1e-9)
    assert grade.suboptimality_bound < 1e-6


@pytest.mark.long
@pytest.mark.parametrize("name", ["inventory 1,001 x 21", "queues 50x50", "river swim 1,000"])
def test_worlds_that_never_end_are_graded_near_gamma_1(name):
    """Policies that are optimal, and random; the latter beside SciPy's solver, which is less exact."""
    mdp = MODELS[name]()
    rows, n, shape = mdp.model, mdp.num_states, (mdp.num_states, mdp.num_actions)
    moves = csr_matrix((rows.probabilities, rows.next_states, rows.offsets), shape=(n * mdp.num_actions, n))
    mean = kron(identity(n), np.full((1, mdp.num_actions), 1.0 / mdp.num_actions)).tocsr()
    reward = mean @ np.add.reduceat(rows.probabilities * rows.rewards, rows.offsets[:-1])
    for gamma in (0.99, 0.9999, 0.999999):
        optimum = solve(mdp, gamma=gamma)
        best = evaluate_values(mdp, optimum, gamma=gamma, optimum=optimum)
        assert (best.optimal_states, best.optimal_starts) == (1.0, 1.0)
        assert max(abs(best.suboptimality), abs(best.max_suboptimality)) <= best.suboptimality_bound < 1e-6
        random = evaluate_values(mdp, np.zeros(shape), gamma=gamma, optimum=optimum)
        v = spsolve((identity(n) - gamma * mean @ moves).tocsc(), reward)
        assert random.max_suboptimality == pytest.approx((optimum.v - v).max(), rel=1e-9)
        assert random.suboptimality_bound < 2e-12 * abs(v).max() + 1e-6


def test_one_of_two_ties_that_is_wrong_makes_a_state_wrong():
    """On 2 x 2 the goal is down right. At the start both right and down are right, beside it only one."""
    env = Environment(Maze.open(2, 2), random_start=True)
    q = np.array([[1, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    assert evaluate_values(env, q) == Grade(1.0, 1.0, 0.0, 0.0, pytest.approx(0.0, abs=1e-13))
    q[1, 2] = 1  # up into the wall: v = (1 + 0.9 v) / 2 = 1 / 1.1
    grade = evaluate_values(env, q)
    assert (grade.optimal_states, grade.optimal_starts) == pytest.approx((2 / 3, 1 / 3))
    assert grade.max_suboptimality == pytest.approx(1 - 1 / 1.1)
    assert grade.suboptimality == pytest.approx((1 + 0.45) * (1 - 1 / 1.1) / 3)
    assert evaluate_values(env, q, starts=[2]).optimal_starts == 1.0
    assert evaluate_values(env, q, starts=[0, 1]).optimal_starts == 0.0


def test_states_of_distant_goals_count_though_their_values_are_rounded_away():
    """0.3**1680 is 0 as a float: all values tie, and yet there is a shortest way."""
    env = Environment(winding_maze(), random_start=True)
    optimum = solve(env, gamma=0.3)
    assert np.count_nonzero(optimum.v[env.mdp.starts] == 0.0) > 1000
    right = np.eye(4)[optimum.actions]
    assert evaluate_values(env, right, gamma=0.3, optimum=optimum).optimal_states == 1.0
    by_values = evaluate_values(env, optimum.q, gamma=0.3, optimum=optimum)
    assert by_values.optimal_states == pytest.approx(
        np.count_nonzero(optimum.v[env.mdp.starts]) / env.mdp.starts.size, abs=0.01
    )


def test_values_that_tie_because_steps_cost_the_same_for_ever_are_told_apart_by_distance():
    """With -1 a step and gamma 0.5 a value far from the goal is -2, and so is its neighbour's."""
    env = Environment(Maze.open(1, 200), step_reward=-1.0, random_start=True)
    optimum = solve(env, gamma=0.5)
    assert optimum.v[0] == optimum.v[1] == -2.0
    assert optimum.optimal_actions[:-1].tolist() == [[False, False, False, True]] * 199


def test_states_without_a_way_to_an_end_do_not_count():
    """Behind the wall there is a room without a goal, whose table stays as it was."""
    env = Environment(Maze.from_text("..#.\n.G#.\n"), random_start=True, outer_wall_reward=-1.0)
    q = solve(env).q.copy()
    q[[3, 7]] = 0.0
    assert evaluate_values(env, q).optimal_states == 1.0
    assert evaluate_values(env, q).max_suboptimality == 0.0


def test_a_world_that_never_ends_counts_by_values():
    """Stay for 1, or go for 0 to where staying pays 3. At gamma 0.9 it's best to go, and the wrong one loses 17."""
    stay, go = [(1.0, 0, 1.0, False)], [(1.0, 1, 0.0, False)]
    world = sparse_world([[stay, go], [[(1.0, 1, 3.0, False)], [(1.0, 0, 0.0, False)]]])
    assert evaluate_values(world.mdp, [[0, 1], [1, 0]]).optimal_states == 1.0
    grade = evaluate_values(world.mdp, [[1, 0], [1, 0]])
    assert (grade.optimal_states, grade.optimal_starts) == (0.5, 0.5)
    assert (grade.max_suboptimality, grade.suboptimality) == pytest.approx((17.0, 8.5))
    assert grade.suboptimality_bound < 2e-6


def test_where_no_choice_matters_there_is_no_share():
    """One action, and no other to take."""
    world = sparse_world([[[(1.0, 1, 1.0, True)]], [[]]], starts=[0])
    assert evaluate_values(world.mdp, np.zeros((2, 1))) == Grade(None, 1.0, 0.0, None, pytest.approx(0.0, abs=1e-5))


def test_going_round_among_ties_of_value_is_not_arriving():
    """Without costs and discount each way is worth 1; a walk up and down that never arrives is not right."""
    env = Environment(Maze.open(2, 2))
    assert evaluate_values(env, np.eye(4)[[0, 0, 2, 0]], gamma=1.0).optimal_starts == 0.0
    assert evaluate_values(env, np.eye(4)[[0, 0, 3, 0]], gamma=1.0).optimal_starts == 1.0


def test_a_moving_goal_counts_every_place_and_goal():
    """On 1 x 3 six states matter. A table that goes left is right where the goal is on the left: three of them."""
    env = Environment(Maze.open(1, 3), random_start=True, random_goal=True)
    grade = evaluate_values(env, np.eye(4)[[LEFT] * 9])
    assert (grade.optimal_states, grade.optimal_starts) == (0.5, 0.5)
    assert grade.max_suboptimality == 1.0
    assert grade.suboptimality == pytest.approx((1 + 1 + 0.9) / 6)


@pytest.mark.parametrize("seed", range(12))
def test_strict_figures_equal_those_of_policy_iteration_and_linear_equations(seed):
    """Random worlds, noisy; tables that are optimal here and there, with ties."""
    world = (
        random_sparse_world(seed, 10, 3) if seed % 2 else grid_world(random_layout(seed, slip=0.2, step_reward=-0.25))
    )
    v = oracles.policy_iteration(world.rows, 0.9)
    q_star = np.array(oracles.backup_all(world.rows, v.tolist(), 0.9))
    optimal = q_star >= v[:, None] - 1e-5
    optimum = solve(world.mdp, gamma=0.9)
    rng = np.random.default_rng(seed)
    q = np.where(rng.random((len(v), 1)) < 0.7, optimal, rng.integers(0, 2, optimal.shape))
    greedy = q == q.max(axis=1, keepdims=True)
    worth = oracles.policy_values(world.rows, greedy.tolist(), 0.0, 0.9)
    moves, _, _, ends = oracles.policy_chain(world.rows, greedy.tolist(), 0.0)
    due = np.isfinite(optimum.steps_from)
    matters = ~optimal.all(axis=1) & (due | ~(due & (optimum.steps_from > 0)).any())
    wrong = (greedy & ~optimal).any(axis=1)
    grade = evaluate_values(world.mdp, q, optimum=optimum)
    assert grade.optimal_states == pytest.approx(1 - wrong[matters].mean())
    spread = oracles.spread_wrong(moves, ends, due, wrong)
    assert grade.optimal_starts == pytest.approx(1 - spread[world.mdp.starts].mean())
    assert abs(grade.suboptimality - (v - worth)[world.mdp.starts].mean()) <= grade.suboptimality_bound
    assert abs(grade.max_suboptimality - (v - worth)[matters].max()) <= grade.suboptimality_bound


def test_evaluating_a_policy_and_its_values_gives_one_grade():
    env = Environment(Maze.open(5, 5), random_start=True, slip=0.1)
    policy = train_policy(env, 200, seed=1)
    played, exact = evaluate_policy(env, policy), evaluate_values(env, policy.q)
    assert {**asdict(played), **asdict(exact)} == asdict(played)
    assert 0.0 < exact.optimal_states < 1.0


# Intervals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 30, 999])
def test_students_quantile_is_that_of_the_tables(freedom):
    assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-3)


def test_the_interval_of_a_mean_by_hand():
    """Of 1, 2, 3: mean 2, deviation 1, so 2 +- 4.30265 / sqrt(3)."""
    assert mean_interval(np.array([1, 2, 3])) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-6)
    assert mean_interval(np.array([5.0])) is None


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (3, 10), (1, 1), (999, 1000)])
def test_the_interval_of_a_rate_is_wilsons(successes, n):
    expected = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert rate_interval(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0.0 <= rate_interval(successes, n)[0] <= successes / n <= rate_interval(successes, n)[1] <= 1.0


def test_intervals_hold_the_truth_as_often_as_they_say():
    """An untrained walk on slippery 3 x 3: 95% of 400 evaluations, give or take three deviations of chance."""
    env = Environment(Maze.open(3, 3), slip=0.2, step_reward=-1.0, max_episode_steps=10**6)
    policy = Policy(env)
    steps = float(policy_steps(env, policy)[0])
    optimum = solve(env)
    grades = [evaluate_policy(env, policy, 200, seed=seed, optimum=optimum) for seed in range(400)]
    held = np.mean([low <= steps <= high for low, high in (grade.mean_steps_interval for grade in grades)])
    assert held == pytest.approx(0.95, abs=0.033)
    assert [grade.mean_return_interval for grade in grades] == [
        pytest.approx((1 - high, 1 - low)) for low, high in (grade.mean_steps_interval for grade in grades)
    ]


# Starts and seeds -----------------------------------------------------------------------------------------------------


def test_starts_are_played_an_episode_each():
    env = corridor(random_start=True)
    grade = evaluate_policy(env, going(env, RIGHT), starts=[3, 0, 3])
    assert (grade.num_episodes, grade.mean_steps, grade.optimal_steps, grade.excess_steps) == (3, 2.0, 2.0, 0.0)
    assert (grade.mean_return, grade.optimal_return) == (1.0, 1.0)


def test_without_a_future_there_are_no_optimal_steps_to_compare_with():
    env = Environment(Maze.open(5, 5))
    grade = evaluate_policy(env, Policy(env), gamma=0.0)
    assert (grade.optimal_steps, grade.excess_steps) == (None, None)
    assert grade.optimal_return == 0.0
    assert "optimal steps" not in grade._repr_html_()


def test_one_bad_start_among_all_is_seen():
    env = corridor(random_start=True, max_episode_steps=50)
    policy = going(env, LEFT, RIGHT, RIGHT, RIGHT, RIGHT)
    grade = evaluate_policy(env, policy, starts=env.mdp.starts)
    assert (grade.num_episodes, grade.success_rate, grade.excess_steps) == (4, 0.75, (50 - 4) / 4)


def test_the_optimum_is_taken_from_the_starts_that_were_drawn():
    env = Environment(Maze.open(4, 4), random_start=True)
    policy = Policy(env, q=solve(env).q)
    grades = [evaluate_policy(env, policy, num_episodes=5, seed=seed) for seed in range(6)]
    assert [grade.excess_steps for grade in grades] == [0.0] * 6
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
    assert grade.excess_steps == pytest.approx(0.0, abs=0.1)
    assert grade.suboptimality == pytest.approx(0.0, abs=0.01)


# Any Gymnasium environment --------------------------------------------------------------------------------------------


def test_without_a_model_there_is_no_optimum():
    env = only_steps(gymnasium.make("FrozenLake-v1", is_slippery=False))
    grade = evaluate_policy(env, going(env, RIGHT), num_episodes=4)
    assert (grade.num_episodes, grade.mean_steps, grade.terminated_rate, grade.mean_return) == (4, 100.0, 0.0, 0.0)
    assert (grade.mean_steps_interval, grade.mean_return_interval) == ((100.0, 100.0), (0.0, 0.0))
    assert grade.terminated_rate_interval == pytest.approx((0.0, 0.489891), abs=1e-6)
    assert list(asdict(grade).values())[7:] == [None] * 10  # of a wrapper that may change rewards no goal is known


def test_episodes_of_any_environment_are_told_apart_for_the_intervals():
    """Of the chance to slip, episodes differ; the figures are those of the same episodes counted by hand."""
    env = only_steps(gymnasium.make("FrozenLake-v1"))
    grade = evaluate_policy(env, going(env, RIGHT), num_episodes=50, seed=2)
    episodes = Simulation(env).rollouts(going(env, RIGHT).q, 50, exploration=0.0, stream=new_stream(2, 1))
    steps, paid = [0], [0.0]
    for transition in episodes:
        steps[-1] += 1
        paid[-1] += transition.reward
        if transition.terminated or transition.truncated:
            steps, paid = [*steps, 0], [*paid, 0.0]
    assert (grade.mean_steps, grade.mean_return) == pytest.approx((np.mean(steps[:-1]), np.mean(paid[:-1])))
    assert grade.mean_steps_interval == mean_interval(np.array(steps[:-1]))
    assert grade.mean_return_interval == pytest.approx(mean_interval(np.array(paid[:-1])))


def test_a_wrapped_environment_is_played_in_itself():
    """The wrapper's limit of 3 holds; the model's optimum doesn't."""
    env = only_steps(TimeLimit(corridor(step_reward=-1.0), 3))
    grade = evaluate_policy(env, going(env, RIGHT), num_episodes=2)
    assert (grade.mean_steps, grade.terminated_rate, grade.mean_return, grade.excess_steps) == (3.0, 0.0, -3.0, None)


def test_made_by_gymnasium_it_has_its_optimum():
    env = gymnasium.make("clew/Maze-v0", maze=Maze.open(1, 5))
    assert evaluate_policy(env, going(env, RIGHT)).excess_steps == 0.0


# Success --------------------------------------------------------------------------------------------------------------


def stepped(env):
    """An environment without a model, but with all else that another one has."""
    outside = only_steps(env)
    outside.has_goal = True
    return outside


@pytest.mark.parametrize(
    ("wrap", "success_rate"),
    [
        (lambda env: env, 0.5),
        (lambda env: TimeLimit(env, 50), 0.5),
        (stepped, 0.5),
        (lambda env: TimeLimit(stepped(env), 50), 0.5),
        (only_steps, None),  # it may end an episode elsewhere
        (lambda env: ModelEnvironment(env.mdp, max_episode_steps=50, has_goal=True), 0.5),
        (lambda env: ModelEnvironment(env.mdp, max_episode_steps=50), None),
    ],
    ids=["maze", "limited", "declared", "declared, limited", "wrapped", "model with a goal", "model"],
)
def test_an_episode_succeeds_where_a_goal_is_declared(wrap, success_rate):
    """On 1 x 3 a start on the left never arrives, and one beside the goal does."""
    env = wrap(Environment(Maze.open(1, 3), random_start=True, max_episode_steps=100))
    grade = evaluate_policy(env, going(env, LEFT, RIGHT, UP), num_episodes=400)
    assert grade.terminated_rate == pytest.approx(0.5, abs=0.1)
    assert grade.terminated_rate_interval == rate_interval(round(400 * grade.terminated_rate), 400)
    if success_rate is None:
        assert (grade.success_rate, grade.success_rate_interval) == (None, None)
    else:
        assert (grade.success_rate, grade.success_rate_interval) == (
            grade.terminated_rate,
            grade.terminated_rate_interval,
        )


def test_an_end_below_the_reward_threshold_is_no_success():
    """Right, then down into a hole: every episode ends there with 0, below the threshold of 0.7."""
    env = gymnasium.make("FrozenLake-v1", is_slippery=False)
    assert env.spec.reward_threshold == 0.7
    holes = evaluate_policy(env, going(env, *[1 if s == 1 else 2 for s in range(16)]), num_episodes=5)
    assert (holes.mean_return, holes.terminated_rate, holes.success_rate) == (0.0, 1.0, 0.0)
    goal = evaluate_policy(env, Policy(env, q=solve(gymnasium.make("FrozenLake-v1", is_slippery=False)).q))
    assert (goal.mean_return, goal.terminated_rate, goal.success_rate) == (1.0, 1.0, 1.0)


def test_where_all_ends_pay_the_same_reaching_one_is_success():
    """Taxi's threshold of 8 is meant for the mean return: an optimal policy has 7.9, and delivers every passenger."""
    env = gymnasium.make("Taxi-v4")
    grade = evaluate_policy(env, Policy(env, q=solve(env, gamma=0.99).q), 200, gamma=0.99)
    assert grade.success_rate == grade.terminated_rate == 1.0
    behind = evaluate_policy(gymnasium.wrappers.TransformReward(env, lambda reward: reward - 1.0), Policy(env), 2)
    assert behind.success_rate is None


def test_who_survives_up_to_the_limit_may_have_reached_the_threshold():
    class Survive(gymnasium.Env):
        observation_space, action_space = gymnasium.spaces.Discrete(1), gymnasium.spaces.Discrete(2)
        spec = gymnasium.envs.registration.EnvSpec("Survive-v0", reward_threshold=45.0)

        def reset(self, *, seed=None, options=None):
            self.num_steps = 0
            return 0, {}

        def step(self, action):
            self.num_steps += 1
            return 0, 1.0, action == 1, self.num_steps == 50, {}

    env = Survive()
    assert evaluate_policy(env, Policy(env, q=[[1, 0]]), 3).success_rate == 1.0
    assert evaluate_policy(env, Policy(env, q=[[0, 1]]), 3).success_rate == 0.0


# Settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_episodes": 0}, "num_episodes must be a whole number from 1 to 1,000,000,000,000, not 0"),
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
    with pytest.raises(SettingError, match=r"a policy of \(25, 4\) doesn't fit an environment of \(5, 4\)"):
        evaluate_policy(corridor(), Policy(Environment()))


def test_starts_cannot_be_chosen_in_an_environment_that_draws_its_own():
    env = only_steps(gymnasium.make("FrozenLake-v1"))
    with pytest.raises(SettingError, match="starts can be given only if the model is known; this"):
        evaluate_policy(env, Policy(env), starts=[0])


def test_an_optimum_for_another_discount_is_refused():
    env = corridor()
    with pytest.raises(SettingError, match=r"the optimum is for gamma 0.5, not 0.9"):
        evaluate_policy(env, Policy(env), optimum=solve(env, gamma=0.5))


def test_the_optimum_of_another_world_is_refused():
    here, there = Environment(Maze.open(3, 3)), Environment(Maze.open(3, 3), step_reward=-1.0)
    q = np.zeros((9, 4), np.float32)
    with pytest.raises(SettingError, match="the optimum belongs to another world"):
        evaluate_values(here, q, gamma=0.9, optimum=solve(there, gamma=0.9))
    copy = pickle.loads(pickle.dumps(here.mdp))
    assert evaluate_values(here, q, gamma=0.9, optimum=solve(copy, gamma=0.9)).optimal_states == 0.0


@pytest.mark.parametrize(
    ("difference", "bound", "shown"),
    [(-6.7e-16, 1e-15, 0.0), (2e-15, 1e-15, 2e-15), (np.inf, 1e-15, np.inf), (0.5, None, 0.5), (None, None, None)],
)
def test_a_difference_that_may_be_rounding_is_shown_as_zero(difference, bound, shown):
    assert drop_rounding(difference, bound) == shown


def test_a_policy_that_chooses_its_own_actions_is_not_graded_by_its_table():
    class Down(Policy):
        def get_action(self, state, explore=True, epsilon=0.1):
            return 0

    env = Environment(Maze.open(3, 3))
    for grade in (evaluate_policy, policy_values, policy_steps):
        with pytest.raises(SettingError, match="overrides get_action, which isn't called here"):
            grade(env, Down(env))
    assert Simulation(env).rollout(Down(env)).action[0] == 0
