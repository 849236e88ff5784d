"""What stale values and tie-breaking by the first action cost, measured by runs."""

from itertools import pairwise

import numpy as np
import pytest

from clew import Environment, Maze, SettingError, train_policy
from clew.environments import as_compiled
from clew.environments.gallery import make_world
from clew.kernels.sampling import new_stream
from clew.policies.episodes import Simulation
from clew.web import staleness
from clew.web.staleness import (
    CHAPTER,
    NUM_EPISODES,
    RECOMMENDED,
    SETTINGS,
    SYNC_EVERY,
    TIES,
    RoundSteps,
    Setting,
    StepsSummary,
)

SEEDS = range(3)


@pytest.fixture(scope="module")
def costs():
    return {
        setting: staleness.summarise([staleness.measure_run(setting, seed) for seed in SEEDS]) for setting in SETTINGS
    }


def test_the_dial_and_the_toggle_go_through_all_settings():
    assert len(SETTINGS) == len(set(SETTINGS)) == len(SYNC_EVERY) * len(TIES)
    assert {CHAPTER, RECOMMENDED} <= set(SETTINGS)
    assert staleness.optimal_steps() == 8.0


def test_the_chapter_takes_about_four_hundred_steps_and_clew_nine(costs):
    assert costs[CHAPTER].mean == pytest.approx(397, rel=0.04)
    assert costs[RECOMMENDED].mean == pytest.approx(9.04, rel=0.03)


@pytest.mark.parametrize("ties", TIES)
def test_it_costs_the_more_the_staler_the_values_are(costs, ties):
    steps = [costs[Setting(every, ties)].mean for every in SYNC_EVERY]
    assert steps[0] > staleness.optimal_steps()
    assert all(after > before for before, after in pairwise(steps))
    assert steps[-1] > 10 * steps[0]


def test_the_first_action_costs_more_wherever_little_is_known(costs):
    ratios = [costs[Setting(every, "first action")].mean / costs[Setting(every, "random")].mean for every in SYNC_EVERY]
    assert ratios[0] == pytest.approx(1.0, abs=0.1)
    assert all(ratio > 1.3 for ratio in ratios[2:])
    assert ratios[-1] > 3


def test_a_random_walk_is_what_stale_values_come_to_with_ties_at_random(costs):
    """The walk's exact length, by linear equations: 1 + the mean over four moves, 0 at the goal."""
    mdp = staleness.chapter_environment().mdp
    equations, wanted = np.eye(25), np.ones(25)
    for s in range(24):
        row, column = divmod(s, 5)
        for down, right in ((1, 0), (0, -1), (-1, 0), (0, 1)):
            equations[s, 5 * min(max(row + down, 0), 4) + min(max(column + right, 0), 4)] -= 0.25
    wanted[24] = 0.0
    assert mdp.num_states == 25
    assert costs[Setting("never", "random")].mean == pytest.approx(np.linalg.solve(equations, wanted)[0], rel=0.03)


@pytest.mark.parametrize(("behaviour", "reached"), [("first-action", 0), ("greedy", 20)])
def test_without_exploration_the_first_action_never_gets_anywhere_in_the_trap(behaviour, reached):
    """It goes down, and pushes against the wall; who breaks ties at random gets there, knowing as little."""
    env = make_world("trap")
    q = np.zeros((env.mdp.num_states, 4), np.float32)
    seen = Simulation(env).rollouts(q, 20, behaviour=behaviour, exploration=0.0, stream=new_stream(1))
    limit = as_compiled(env).max_episode_steps
    assert seen.num_terminated == reached
    assert (len(seen) == 20 * limit) == (behaviour == "first-action")
    if behaviour == "first-action":
        assert set(seen.action.tolist()) == {0}


def test_with_the_goal_in_the_top_row_the_first_action_hardly_ends_an_episode():
    rows = []
    env = Environment(Maze.open(5, 5, goal=(0, 4)))
    train_policy(env, 10, behaviour="first-action", seed=1, callback=rows.append)
    assert sum(row.num_steps for row in rows) == 10 * 2500  # each is cut off
    rows.clear()
    train_policy(env, 10, seed=1, callback=rows.append)
    assert sum(row.num_steps for row in rows) < 5000


def test_runs_are_remembered_and_their_seed_decides_them():
    run = staleness.measure_run(CHAPTER, 0)
    assert staleness.measure_run(CHAPTER, 0) is run
    staleness.measure_run.cache_clear()
    again, other = staleness.measure_run(CHAPTER, 0), staleness.measure_run(CHAPTER, 1)
    assert again is not run
    assert np.array_equal(again.num_steps, run.num_steps)
    assert not np.array_equal(again.num_steps, other.num_steps)
    assert run.episodes_done.tolist() == [NUM_EPISODES]
    assert staleness.measure_run(Setting(400, "random"), 0).episodes_done.tolist() == [1600, 3200, 4000]


def run_of(*rounds):
    episodes, steps = np.array(rounds, np.int64).T
    return RoundSteps(np.cumsum(episodes), steps)


def test_the_mean_and_its_interval_by_hand():
    """Means 9 and 11: their standard error is 1, and Student's t of one degree of freedom 12.706."""
    cost = staleness.summarise([run_of((4000, 36_000)), run_of((4000, 44_000))])
    assert cost.mean == 10.0
    assert cost.interval == pytest.approx((10 - 12.706, 10 + 12.706), abs=1e-3)
    assert cost.total == 40_000


def test_the_interval_of_skewed_runs_reaches_farther_than_students():
    means = np.array([10.0, 11.0, 12.0, 14.0, 17.0, 21.0, 27.0, 36.0, 50.0, 75.0])
    low, high = staleness.summarise([run_of((4000, round(4000 * mean))) for mean in means]).interval
    margin = 2.26216 * means.std(ddof=1) / 10**0.5  # 97.5% quantile of Student's t, 9 degrees of freedom
    assert low == pytest.approx(means.mean() - margin, abs=1e-3)
    assert high > means.mean() + 1.5 * margin


def test_a_curve_is_flat_within_a_round_and_means_over_runs():
    runs = [run_of((4, 400), (4, 40)), run_of((4, 200), (4, 80))]
    assert staleness.learning_curve(runs) == [(1, 75.0), (4, 75.0), (5, 15.0), (8, 15.0)]


def test_a_long_curve_puts_rounds_together_and_loses_no_step():
    points = staleness.learning_curve([staleness.measure_run(RECOMMENDED, 0)])
    firsts, lasts = points[::2], points[1::2]
    assert [first for first, _ in firsts] == [1, *(last + 1 for last, _ in lasts[:-1])]
    assert lasts[-1][0] == NUM_EPISODES
    total = sum(steps * (last - first + 1) for (first, steps), (last, _) in zip(firsts, lasts, strict=True))
    assert total == pytest.approx(staleness.measure_run(RECOMMENDED, 0).num_steps.sum())
    assert 30 < len(points) / 2 < 100


@pytest.mark.parametrize(
    ("setting", "mean", "values", "ties", "steps", "times"),
    [
        (CHAPTER, 397.2, "never synchronised", "going to the first action", "397", "50"),
        (RECOMMENDED, 9.0, "synchronised after every episode", "broken at random", "9.00", "1.1"),
        (
            Setting(25, "random"),
            96.4,
            "synchronised every 25 episodes of a simulation",
            "broken at random",
            "96.4",
            "12",
        ),
    ],
)
def test_a_setting_in_a_sentence(setting, mean, values, ties, steps, times):
    assert staleness.format_result(setting, StepsSummary(mean, (mean, mean))) == (
        f"With values {values} and ties {ties}, an episode takes {steps} steps on average, {times} times the optimum "
        "of 8."
    )


def test_the_advice_has_its_own_figures(costs):
    said = staleness.format_advice(costs)
    for setting in (RECOMMENDED, CHAPTER, Setting(1, "first action"), Setting("never", "random")):
        assert f" {staleness.format_steps(costs[setting].mean)}" in said


@pytest.mark.parametrize(("first", "runs"), [(-1, 5), (0.5, 5), (None, 5), ("x", 5), (2**31, 5), (float("nan"), 5)])
def test_a_seed_that_cannot_be_is_refused(first, runs):
    with pytest.raises(SettingError, match="first seed must be"):
        staleness.seed_range(first, runs)


@pytest.mark.parametrize("runs", [1, 21, 2.5, None, float("inf")])
def test_a_number_of_runs_that_cannot_be_is_refused(runs):
    with pytest.raises(SettingError, match="number of runs must be a whole number from 2 to 20"):
        staleness.seed_range(0, runs)


def test_the_seeds_of_the_runs_follow_each_other():
    assert staleness.seed_range(7.0, 3) == range(7, 10)


def test_the_command_makes_the_same_run(capsys):
    import json

    from clew.cli.main import app

    line = staleness.format_command(Setting(400, "first action"), 3).replace("\\\n", " ").split()
    assert line[:2] == ["clew", "train"]
    app([*line[1:], "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["num_steps"] == staleness.measure_run(Setting(400, "first action"), 3).num_steps.sum()
