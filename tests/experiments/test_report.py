"""The comparison of an experiment's learners, also against the exact optimum."""

import json
from inspect import signature
from math import inf, isnan

import numpy as np
import pytest

import clew
from clew import Experiment, SettingError
from clew.experiments.comparisons import compare, holm
from clew.experiments.report import compare_learners
from clew.experiments.samples import optimum_of
from clew.experiments.statistics import summarise
from clew.reference import QLearning

CLIFF = {"alpha": 0.5, "gamma": 1.0}
LEARNERS = {"Q": CLIFF, "Sarsa": {**CLIFF, "algorithm": "sarsa"}}


@pytest.fixture(scope="module")
def results():
    return Experiment({"cliff": "cliff", "open": "5x5"}, LEARNERS, range(30), num_episodes=500).run()


def test_example_6_6_of_the_book(results):
    """Sarsa's return while it learns is better, and the path that Q-learning has learned is shorter."""
    online = results.compare(last=100).comparisons["Q", "Sarsa", "cliff"]
    assert online.is_different
    assert not online.is_greater
    learned = results.compare("suboptimality")
    assert learned.summaries["Q", "cliff"].tolerance_interval == (0.0, 0.0)  # 13 steps in each run
    assert learned.comparisons["Q", "Sarsa", "cliff"].is_different
    assert learned.summaries["Sarsa", "cliff"].median > 0.0


def test_all_pairs_in_all_worlds_are_corrected_together(results):
    found = results.compare(last=100)
    samples = {world: results.samples(world, "episode_return", last=100) for world in ("cliff", "open")}
    alone = [compare(each["Q"], each["Sarsa"]).p_value for each in samples.values()]
    assert [each.p_value for each in found.comparisons.values()] == alone
    assert [each.corrected_p_value for each in found.comparisons.values()] == holm(alone).tolist()
    assert found.summaries["Q", "open"] == summarise(samples["open"]["Q"])
    assert results.compare(last=100) == found


def test_figures_against_the_optimum(results):
    returns = results.episode_return[0, 0]  # of Q in cliff, whose optimal return is -13
    assert results.sample("Q", "cliff", "regret") == pytest.approx((-13.0 - returns).sum(axis=1))
    rounds = results.steps[0, 1].reshape(30, 100, 5).mean(axis=2)  # in the open maze, of 8 steps
    near = rounds <= 1.25 * 8
    episodes = [inf if not each[-1] else 5 * (100 - np.cumprod(each[::-1]).sum() + 1) for each in near]
    assert results.sample("Q", "open", "episodes_to_optimal").tolist() == episodes
    assert 0 < np.isinf(episodes).sum() < 30
    steps = results.sample("Q", "open", "steps_to_optimal")
    ends = [0 if n == inf else results.steps[0, 1, k, : int(n)].sum() for k, n in enumerate(episodes)]
    assert np.where(np.isinf(steps), 0, steps).tolist() == ends


def test_short_episodes_that_fail_are_not_optimal():
    """A random walk on the frozen lake drowns after few steps; a limit of five steps keeps everybody from the goal."""
    lake = Experiment({"lake": "gym:FrozenLake-v1"}, {"random": {"epsilon": 1.0}}, range(2), num_episodes=500).run()
    assert lake.sample("random", "lake", "steps").max() < 10.0
    assert lake.sample("random", "lake", "steps_to_optimal").tolist() == [inf, inf]
    assert lake.sample("random", "lake", "regret") == pytest.approx(
        [0.74419 * 500 - gained for gained in lake.episode_return[0, 0].sum(axis=1)], abs=0.01
    )  # of an optimal policy, the limit of 100 steps lets 74.4% of episodes succeed
    short = clew.Environment(clew.Maze.open(6, 6), max_episode_steps=5)
    results = Experiment({"short": short}, {"Q": {}}, range(2), num_episodes=20).run()
    assert results.sample("Q", "short", "episodes_to_optimal").tolist() == [inf, inf]
    assert results.sample("Q", "short", "regret").tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("goal_reward", "near"),
    [(0.0, -1.25 * 8.0), (9.0, 1.0 - 0.25 * 8.0)],  # the last of eight steps earns -1 and this
)
def test_costs_may_cancel_the_reward_of_the_goal(goal_reward, near):
    env = clew.Environment(clew.Maze.open(5, 5), step_reward=-1.0, goal_reward=goal_reward)
    assert optimum_of(clew.Learning(gamma=1.0), lambda: env).least_return(0.25) == near


def test_suboptimality_is_that_of_the_greedy_policy(results):
    env = clew.gallery.make_world("cliff")
    values = [clew.policy_values(env, results.policy("Sarsa", "cliff", seed=k), gamma=1.0).value for k in range(30)]
    assert results.sample("Sarsa", "cliff", "suboptimality").tolist() == [-13.0 - value for value in values]


def test_less_is_better_for_steps_and_losses(results):
    for figure in ("steps", "regret", "suboptimality"):
        assert results.compare(figure).comparisons["Q", "Sarsa", "cliff"].lower_is_better
    assert not results.compare("terminated").comparisons["Q", "Sarsa", "cliff"].lower_is_better


def test_the_table_has_a_row_for_each_learner_and_a_verdict_for_each_pair(results):
    found = results.compare(last=100)
    lines = str(found).splitlines()
    assert lines[0] == "return: mean of the last 100 episodes, 30 seeds"
    assert [line.split()[:2] for line in lines[2:6]] == [[w, a] for w in ("cliff", "open") for a in ("Q", "Sarsa")]
    assert float(lines[2].split()[2]) == pytest.approx(results.sample("Q", "cliff", last=100).mean(), rel=1e-3)
    few = "90% of all runs lie in the last interval with confidence 0.82 only; 46 seeds give 0.95"
    assert lines[6:] == [few, "", *found.verdicts]
    assert found.verdicts[0].startswith("cliff: Q's return is smaller than Sarsa's by ")
    assert found._repr_html_().count("<tr>") == 5


def test_the_table_in_a_notebook_has_the_spread_that_summaries_have(results):
    found = results.compare().summaries["Q", "cliff"]
    assert f"{found.mean:.4g} &plusmn; {found.standard_deviation:.2g}</td>" in results._repr_html_()
    one = Experiment({"open": "5x5"}, {"Q": {}}, [3], num_episodes=5).run()
    assert "<th>Q</th><td>1</td>" in one._repr_html_()  # a single run has no spread


def test_a_narrow_terminal_has_a_block_for_each_learner(results):
    found = results.compare(last=100)
    table = str(found).splitlines()
    assert found.to_text(max(map(len, table[:7]))) == str(found)
    lines = found.to_text(40).splitlines()
    assert lines[1:4] == ["cliff: Q", f"  mean                {table[2].split()[2]}", lines[3]]
    assert lines[3].startswith("  95% interval        ")
    assert max(map(len, lines[1:33])) <= 40
    assert lines[33:] == table[6:]


def test_runs_of_the_same_seed_may_be_paired(results):
    found = results.compare(last=100, paired=True).comparisons["Q", "Sarsa", "cliff"]
    a, b = results.samples("cliff", last=100).values()
    assert found.p_value == compare(a, b, paired=True).p_value
    assert found.difference_interval == compare(a, b, paired=True).difference_interval


def test_json_has_neither_infinity_nor_nan(results):
    found = results.compare("steps_to_optimal")
    assert isnan(found.summaries["Sarsa", "cliff"].mean)
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["summaries"][1]["mean"] is None
    assert content["comparisons"][0]["verdict"] in content["verdicts"][0]


def test_a_single_learner_is_summarised_and_a_single_seed_refused():
    one = Experiment({"open": "5x5"}, {"Q": {}}, range(2), num_episodes=5).run().compare()
    assert list(one.summaries) == [("Q", "open")]
    assert one.verdicts == []
    with pytest.raises(SettingError, match="seeds must be at least two"):
        Experiment({"open": "5x5"}, {"Q": {}}, [0], num_episodes=5).run().compare()
    assert compare_learners({"w": {"a": np.ones(2)}}, "title", what="return").summaries["a", "w"].mean == 1.0


def test_figures_that_can_not_be_computed_are_refused(results):
    with pytest.raises(SettingError, match="last has no effect on regret"):
        results.sample("Q", "cliff", "regret", last=10)
    with pytest.raises(SettingError, match="figure must be"):
        results.compare("regre")
    other = clew.Maze.open(5, 5)
    changing = Experiment({"w": {0: "5x5", 3: other}}, {"Q": {}}, range(2), num_episodes=5).run()
    with pytest.raises(SettingError, match="figure has no single optimum for Q in w: the world changes"):
        changing.sample("Q", "w", "regret")
    table = Experiment(
        {"open": "5x5"},
        {"mine": lambda env, seed: QLearning(np.zeros((25, 4)), np.random.default_rng(seed))},
        range(2),
        num_episodes=5,
    ).run()
    assert table.sample("mine", "open", "regret").shape == (2,)  # an agent in plain Python has no discount


def test_worlds_without_an_optimum_are_left_out():
    worlds = {"open": "5x5", "changing": {0: "5x5", 3: "5x5"}, "blackjack": "gym:Blackjack-v1"}
    mixed = Experiment(worlds, {"Q": {}, "slow": {"alpha": 0.01}}, range(3), num_episodes=5).run()
    with pytest.raises(SettingError, match="has no single optimum for Q in changing"):
        mixed.compare("suboptimality")
    found = mixed.compare("suboptimality", worlds=["open"])
    assert list(found.comparisons) == [("Q", "slow", "open")]
    assert len(mixed.compare(worlds=("open", "blackjack")).summaries) == 4
    for given, message in ((["opn"], "'opn' is not in the experiment"), ([], "worlds must not be empty")):
        with pytest.raises(SettingError, match=message):
            mixed.compare(worlds=given)


def test_returns_that_can_not_differ_lead_to_the_numbers_of_steps():
    maze = clew.Environment(clew.Maze.open(4, 4))  # whose only reward is 1, at the goal
    equal = Experiment({"w": maze}, {"Q": {}, "slow": {"epsilon": 0.9}}, range(10), num_episodes=200).run()
    hint = "in all of these runs; compare their numbers of steps"
    assert equal.compare().verdicts == [f"no difference was found: Q's return and slow's are 1 {hint}"]
    assert equal.compare("regret").verdicts == [f"no difference was found: Q's regret and slow's are 0 {hint}"]
    assert equal.compare("steps").comparisons["Q", "slow", "w"].is_different


def test_plots(results):
    plot = results.plot("cliff")
    assert plot.axes[0].get_ylabel().startswith("mean return per episode")
    assert len(plot.axes[0].get_lines()) >= 2
    with pytest.raises(SettingError, match="world must be given, as there are 2: world= one of 'cliff', 'open'"):
        results.plot()
    assert results.plot("cliff", figure="mean_steps", optimum=13, title="A cliff").get_suptitle() == "A cliff"
    with pytest.raises(SettingError, match="optimum must be a finite number"):
        results.plot("cliff", optimum="much")
    assert list(signature(results.plot).parameters) == ["world", "figure", "optimum", "title", "num_rounds"]
    few = results.plot("cliff", num_rounds=5).axes[0].get_lines()
    assert max(len(line.get_xdata()) for line in few) <= 5
