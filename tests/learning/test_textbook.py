"""Learners against the figures of Sutton & Barto (2018). Each docstring says which figure, and how close.

Curves are read off the figures by eye, so margins are wide; where a number is exact, so is the test.
"""

import numpy as np
import pytest

import worlds
from clew import ALGORITHMS
from incremental_learner import IncrementalLearner
from loops import used_settings


def rms_errors(mdp, true_values, episodes, num_runs=100, **settings):
    """Root mean squared error of the values after so many episodes, mean over the runs. There is one action."""
    errors = np.zeros(len(episodes))
    for run in range(num_runs):
        pupil = IncrementalLearner(mdp, episodes[-1], key=(run,), gamma=1.0, **settings)
        for i, size in enumerate(np.diff(episodes, prepend=0)):
            pupil.learn(mdp, int(size))
            errors[i] += np.sqrt(np.mean((pupil.q[:, 0] - true_values) ** 2)) / num_runs
    return errors


def greedy_way(mdp, q, limit=1000):
    """States that the greedy policy comes through in a world without chance, from the start to the end."""
    model, way = mdp.model, [int(mdp.starts[0])]
    while len(way) <= limit:
        i = model.offsets[way[-1] * model.num_actions + q[way[-1]].argmax()]
        way.append(int(model.next_states[i]))
        if model.terminated[i]:
            break
    return way


# Example 6.2: random walk, five states --------------------------------------------------------------------------------

WALK_5, TRUE_5 = worlds.chain(5), np.arange(1, 6) / 6


def walk_5(algorithm, alpha):
    return rms_errors(WALK_5, TRUE_5, [1, 25, 100], algorithm=algorithm, alpha=alpha, initial_value=0.5)


def test_example_6_2_the_error_starts_where_the_figure_does():
    """Values of 0.5 are off by sqrt(1/18) = 0.2357; one episode changes one value at most, by alpha / 2."""
    assert np.sqrt(np.mean((0.5 - TRUE_5) ** 2)) == pytest.approx(np.sqrt(1 / 18))
    assert walk_5("sarsa", 0.05)[0] == pytest.approx(0.229, abs=0.003)


def test_example_6_2_td_learns_faster_than_monte_carlo():
    """Figure 6.2, right: at 100 episodes TD with alpha 0.05 is below all curves of Monte Carlo.

    The bands are those of another program, in plain Python, and three standard errors.
    """
    td = {alpha: walk_5("sarsa", alpha) for alpha in (0.05, 0.1, 0.15)}
    monte_carlo = [walk_5("every-visit-monte-carlo", alpha)[-1] for alpha in (0.01, 0.02, 0.03, 0.04)]
    assert td[0.05][1:] == pytest.approx([0.111, 0.038], abs=0.008)
    assert td[0.15][1:] == pytest.approx([0.061, 0.071], abs=0.012)
    assert td[0.05][-1] < td[0.1][-1] < td[0.15][-1] < min(monte_carlo)
    assert max(td[0.15][1], td[0.1][1]) < 0.6 * td[0.05][1]  # larger steps are there sooner, and end further off


# Examples 7.1 and 12.1: random walk, 19 states ------------------------------------------------------------------------

WALK_19, TRUE_19 = worlds.chain(19, -1.0, 1.0), np.arange(-9, 10) / 10


def walk_19(**settings):
    """Mean error of the first ten episodes."""
    return rms_errors(WALK_19, TRUE_19, range(1, 11), **settings).mean()


def test_example_7_1_an_intermediate_n_is_best():
    """Figure 7.2: n = 4 has the least error, about 0.26 at alpha 0.4; the best alpha falls as n grows."""
    best = {
        n: min((walk_19(algorithm="n-step-sarsa", n=n, alpha=alpha), alpha) for alpha in alphas)
        for n, alphas in {1: (0.6, 0.8, 1.0), 2: (0.4, 0.6, 0.8), 4: (0.2, 0.4, 0.6), 16: (0.1, 0.2, 0.4)}.items()
    }
    assert best[4][0] == pytest.approx(0.26, abs=0.02)
    assert best[4][0] < best[2][0] < best[16][0] < best[1][0]
    assert [best[n][1] for n in (1, 2, 4)] == [0.8, 0.6, 0.4]


def test_example_12_1_an_intermediate_lambda_is_best():
    """Figure 12.6: TD(lambda) with accumulating traces is about as good as n steps at best; large steps diverge."""
    td = {
        lambda_: walk_19(algorithm="sarsa-lambda", lambda_=lambda_, alpha=alpha, accumulating=True)
        for lambda_, alpha in ((0.0, 0.8), (0.8, 0.3), (0.95, 0.1))
    }
    assert td[0.8] == pytest.approx(0.26, abs=0.02)
    assert td[0.8] < td[0.95] < td[0.0]
    assert walk_19(algorithm="sarsa-lambda", lambda_=0.95, alpha=0.5, accumulating=True) > 0.55
    assert td[0.0] == walk_19(algorithm="n-step-sarsa", n=1, alpha=0.8)  # TD(0), to the bit


def test_figure_12_8_true_online_learning_stands_large_steps():
    """Its lowest point is near 0.25, at lambda 0.8 and alpha 0.4; lambda 0 is TD(0), to the bit."""
    true_online = {
        (lambda_, alpha): walk_19(algorithm="true-online-sarsa-lambda", lambda_=lambda_, alpha=alpha)
        for lambda_, alpha in ((0.0, 0.8), (0.8, 0.2), (0.8, 0.4), (0.8, 0.7), (0.95, 0.5), (0.95, 0.7))
    }
    assert true_online[0.8, 0.4] == pytest.approx(0.25, abs=0.02)
    assert true_online[0.8, 0.4] == min(true_online.values())
    assert max(true_online[0.95, alpha] for alpha in (0.5, 0.7)) < 0.5  # where accumulating traces diverge
    assert true_online[0.0, 0.8] == walk_19(algorithm="n-step-sarsa", n=1, alpha=0.8)


# Example 6.5: windy gridworld -----------------------------------------------------------------------------------------


def test_example_6_5_sarsa_on_the_windy_gridworld():
    """Its figure: about 170 episodes are through after 8,000 steps, with alpha 0.5 and epsilon 0.1."""
    mdp = worlds.windy_gridworld()
    pupils = [
        IncrementalLearner(mdp, 250, seed=seed, algorithm="sarsa", alpha=0.5, gamma=1.0, epsilon=0.1)
        for seed in range(20)
    ]
    through = [np.count_nonzero(pupil.learn(mdp).steps.cumsum() <= 8000) for pupil in pupils]
    assert 140 <= np.mean(through) <= 180


def test_example_6_5_the_best_way_takes_15_steps():
    """Sarsa's values waver as long as its steps are 0.5; with smaller ones, and less and less exploring, it is sure.

    Every run of 20 ends with the optimum, and so does every run of Q-learning.
    """
    mdp = worlds.windy_gridworld()
    less = {"alpha": 0.2, "epsilon": 0.3, "exploration_schedule": "linear", "exploration_last": 0.0}
    for settings in ({"algorithm": "sarsa"} | less, {"algorithm": "q-learning", "alpha": 0.5, "epsilon": 0.1}):
        for seed in range(20):
            pupil = IncrementalLearner(mdp, 2000, seed=seed, gamma=1.0, **settings)
            pupil.learn(mdp)
            assert len(greedy_way(mdp, pupil.q)) - 1 == 15


# Example 6.6: cliff walking -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cliff():
    """For each algorithm, of 30 runs: the mean return of the last hundred of 500 episodes, and the greedy ways."""
    mdp = worlds.cliff_walking()

    def run(algorithm, seed):
        pupil = IncrementalLearner(mdp, 500, seed=seed, algorithm=algorithm, alpha=0.5, gamma=1.0, epsilon=0.1)
        return pupil.learn(mdp).episode_return[-100:].mean(), greedy_way(mdp, pupil.q)

    names = ("q-learning", "sarsa", "expected-sarsa")
    return {name: list(zip(*(run(name, seed) for seed in range(30)), strict=True)) for name in names}


def test_example_6_6_q_learning_walks_along_the_edge(cliff):
    """The optimum: up, eleven to the right, down; 13 steps of -1."""
    edge = [36, *range(24, 36), 47]
    assert all(way == edge for way in cliff["q-learning"][1])


def test_example_6_6_sarsa_takes_the_safer_way(cliff):
    """Its figure: round by the far side, 17 steps; no run follows the edge. A run that wavers goes nowhere."""
    ways = [way for way in cliff["sarsa"][1] if way[-1] == 47]
    assert len(ways) >= 20
    assert np.median([len(way) - 1 for way in ways]) == 17
    assert max(len(set(range(25, 35)) & set(way)) for way in ways) <= 2  # of ten places above the cliff


def test_example_6_6_sarsa_does_better_while_it_explores(cliff):
    """Its figure: about -50 for Q-learning, about -25 for Sarsa; figure 6.3: Expected Sarsa is better still."""
    returns = {name: np.mean(runs[0]) for name, runs in cliff.items()}
    assert returns["q-learning"] == pytest.approx(-50, abs=5)
    assert returns["sarsa"] == pytest.approx(-26, abs=5)
    assert returns["sarsa"] + 3 < returns["expected-sarsa"] < -18


# Example 6.7: maximization bias ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def left_actions():
    """For each algorithm the share of 1,000 runs that went left, episode by episode."""
    mdp = worlds.maximization_bias()

    def shares(algorithm):
        settings = {"algorithm": algorithm, "alpha": 0.1, "gamma": 1.0, "epsilon": 0.1}
        return np.mean(
            [IncrementalLearner(mdp, 300, key=(run,), **settings).learn(mdp).steps == 2 for run in range(1000)], axis=0
        )

    return {name: shares(name) for name in ("q-learning", "double-q-learning")}


def test_example_6_7_q_learning_goes_left_too_often(left_actions):
    """Figure 6.5: it learns to go left far more often than not, and is still above the 5% of exploring at the end.

    The figure's A has two actions and peaks at about 75%; with five to each side, bias picks from more.
    """
    left = left_actions["q-learning"]
    assert left[0] == pytest.approx(0.5, abs=0.06)
    assert left.max() > 0.75
    assert 0.09 < left[-50:].mean() < 0.18


def test_example_6_7_double_q_learning_is_hardly_misled(left_actions):
    """Figure 6.5: it never goes left much more often than by chance, and under 10% of the time at the end."""
    left = left_actions["double-q-learning"]
    assert left.max() < 0.68
    assert 0.05 <= left[-50:].mean() < 0.10
    assert left[-50:].mean() < 0.7 * left_actions["q-learning"][-50:].mean()


# Example 8.1: Dyna maze -----------------------------------------------------------------------------------------------


def dyna_maze_steps(num_planning, num_runs=30):
    """Steps of each of 40 episodes, mean over the runs."""
    mdp = worlds.dyna_maze()
    settings = {"algorithm": "dyna-q", "num_planning": num_planning, "alpha": 0.1, "gamma": 0.95, "epsilon": 0.1}
    return np.mean(
        [IncrementalLearner(mdp, 40, key=(run,), **settings).learn(mdp).steps for run in range(num_runs)], axis=0
    )


def test_example_8_1_planning_saves_episodes():
    """Figure 8.2: near 14 steps after about 25 episodes without planning, 5 with five updates a step, 3 with fifty.

    Near is 19: exploring takes two or three steps more than the way itself.
    """
    near = {n: int(np.argmax(dyna_maze_steps(n) < 19.0)) + 1 for n in (0, 5, 50)}
    assert 20 <= near[0] <= 32
    assert 5 <= near[5] <= 8
    assert near[50] == 3


def test_example_8_1_the_first_episode_is_a_walk_by_chance():
    """Nothing is known before the goal is met, and ties are broken evenly: as many steps as linear equations say."""
    mdp = worlds.dyna_maze()
    model = mdp.model
    moves = np.zeros((mdp.num_states, mdp.num_states))
    pairs = np.repeat(np.arange(model.offsets.size - 1), np.diff(model.offsets))
    np.add.at(moves, (pairs // 4, model.next_states), 0.25 * ~model.terminated)
    expected = np.linalg.solve(np.eye(mdp.num_states) - moves, np.ones(mdp.num_states))[mdp.starts[0]]
    settings = {"algorithm": "dyna-q", "num_planning": 1, "alpha": 0.1, "gamma": 0.95}
    steps = [IncrementalLearner(mdp, 1, key=(run,), **settings).learn(mdp).steps[0] for run in range(400)]
    assert np.mean(steps) == pytest.approx(expected, abs=3 * np.std(steps) / 20)


# Example 8.3: shortcut maze -------------------------------------------------------------------------------------------


def lengths_after_the_shortcut_opens(algorithm, run):
    """Steps of the last twenty episodes: 3,000 steps in one maze, then 3,000 in the other."""
    settings = {"num_planning": 50, "alpha": 0.1, "gamma": 0.95, "epsilon": 0.1, "kappa": 0.001}
    closed, opened = (worlds.shortcut_maze(is_open) for is_open in (False, True))
    pupil = IncrementalLearner(closed, 6000, key=(run,), algorithm=algorithm, **used_settings(algorithm, settings))
    for mdp in (closed, opened):
        lengths = []
        while sum(lengths) < 3000:
            lengths.append(int(pupil.learn(mdp, 1).steps[0]))
    return lengths[-20:]


def test_example_8_3_dyna_q_plus_finds_the_shortcut_and_dyna_q_does_not():
    """Figure 8.5: the old way takes 16 steps, the new one 10; only curiosity finds it."""
    usual = {
        name: [np.median(lengths_after_the_shortcut_opens(name, run)) for run in range(10)]
        for name in ("dyna-q", "dyna-q+")
    }
    assert min(usual["dyna-q"]) >= 16.0
    assert max(usual["dyna-q+"]) <= 14.0


# Nine states by hand --------------------------------------------------------------------------------------------------

# The goal is in the corner and pays 1, gamma is 1/2: half as much for each step further away.
BEST = [[1 / 8, 1 / 4, 1 / 2], [1 / 4, 1 / 2, 1], [1 / 2, 1, 0]]

# Expected steps of a walk by chance. By symmetry there are five numbers: with a in the corner, b next to it, c in the
# middle, d in the other corners, e next to the goal, a = 2 + b, 3b = 4 + a + c + d, 2c = 2 + b + e, 2d = 4 + b + e and
# 3e = 4 + c + d. So b = 9 + e, 2e = 7 + b, and e is 16.
WALK = [[27, 25, 22.5], [25, 21.5, 16], [22.5, 16, 0]]

NINE_BEST = worlds.grid(3, 3, None, (2, 2), (0.0, 1.0, 0.0))
NINE_WALK = worlds.grid(3, 3, None, (2, 2), (-1.0, -1.0, 0.0))

CERTAIN = {"alpha": 1.0, "epsilon": 1.0}
FALLING = {"alpha": 0.5, "epsilon": 1.0, "alpha_schedule": "exponential", "alpha_last": 0.001}
LESS_AND_LESS = {"alpha": 0.2, "epsilon": 0.1, "exploration_schedule": "linear", "exploration_last": 0.0}

AVERAGE = {"alpha_schedule": "visits", "epsilon": 1.0}


def to_the_best(row):
    """Settings, and how close. With a step of 1, or a model, in a world without chance, values come out exactly.

    Rules that learn what they do learn the best once they have stopped to explore.
    """
    if row.on_policy:
        return LESS_AND_LESS, 2e-3
    exact = CERTAIN if "alpha" in row.settings else {"epsilon": 1.0} if row.behaviour == "epsilon-greedy" else {}
    return exact, 0.0


TO_THE_BEST = {name: to_the_best(row) for name, row in ALGORITHMS.items()} | {
    "dyna-q+": (CERTAIN | {"kappa": 1e-5}, 2e-5 * np.sqrt(1000)),  # the bonus of a pair not tried for 1,000 steps
    "watkins-q": (FALLING, 1e-5),  # a step moves the ways that led to it too, past what they are worth
}
# How close: five standard errors, of a walk whose length has a standard deviation of about 20.
TO_THE_WALK = {name: (FALLING, 1.0) for name, row in ALGORITHMS.items() if row.on_policy} | {
    "expected-sarsa": (FALLING, 1e-3),  # a world without chance, and none in the target
    "monte-carlo": (AVERAGE, 1.0),
    "every-visit-monte-carlo": (AVERAGE, 1.0),
}


@pytest.mark.parametrize("name", TO_THE_BEST)
def test_the_best_way_through_nine_states(name):
    settings, tolerance = TO_THE_BEST[name]
    pupil = IncrementalLearner(NINE_BEST, 5000, algorithm=name, gamma=0.5, **settings)
    pupil.learn(NINE_BEST)
    assert pupil.q[:8].max(axis=1) == pytest.approx(np.ravel(BEST)[:8], rel=0, abs=tolerance)


@pytest.mark.parametrize("name", TO_THE_WALK)
def test_a_walk_by_chance_through_nine_states(name):
    """The mean over actions is what the state is worth."""
    settings, tolerance = TO_THE_WALK[name]
    pupil = IncrementalLearner(NINE_WALK, 20_000, algorithm=name, gamma=1.0, **settings)
    steps = pupil.learn(NINE_WALK).steps
    assert -pupil.q[:8].mean(axis=1) == pytest.approx(np.ravel(WALK)[:8], rel=0, abs=tolerance)
    assert steps.mean() == pytest.approx(np.ravel(WALK)[:8].mean(), abs=1.0)
