"""`stop_when_optimal`: a training ends when its policy was optimal in several rounds in succession."""

import math
import random

import numpy as np
import pytest

import clew
from clew.reference import QLearning

ENV = clew.Environment(clew.Maze.open(4, 4), random_start=True)
OPTIMUM = clew.solve(ENV)


def optimal_rounds(train, num_rounds):
    """Return whether the policy was optimal after each round of a training."""
    tables, rows = [], []
    train(callback=rows.append, watch=lambda q: tables.append(q.copy()))
    assert len(rows) == num_rounds
    return [clew.evaluate_values(ENV, clew.Policy(ENV, q=q)).suboptimality < 1e-9 for q in tables]


def rounds_until(is_optimal, num_grades):
    """Return the number of rounds until that many in succession were optimal; inf if that many never were."""
    for i in range(num_grades, len(is_optimal) + 1):
        if all(is_optimal[i - num_grades : i]):
            return i
    return math.inf


def train_policy(**reports):
    return clew.train_policy(ENV, 4000, seed=2, alpha=0.9, epsilon=0.9, **reports)


def train_agent(**reports):
    agent = QLearning(np.zeros((16, 4)), random.Random(5), alpha=0.9, epsilon=0.9)
    return clew.run_agent(agent, ENV, 1000, seed=2, **reports)


def train_in_parallel(**reports):
    return clew.train_policy_parallel(ENV, 4000, 2, num_actors=0, seed=2, sync_every=20, **reports)


@pytest.mark.parametrize("train", [train_policy, train_agent, train_in_parallel])
@pytest.mark.parametrize("num_grades", [1, 3])
def test_it_ends_after_grades_in_succession(train, num_grades):
    is_optimal = optimal_rounds(train, 100)
    rows = []
    policy = train(callback=rows.append, watch=clew.stop_when_optimal(ENV, num_grades))
    assert len(rows) == rounds_until(is_optimal, num_grades) < 100
    assert clew.evaluate_values(ENV, policy, optimum=OPTIMUM).optimal_starts == 1.0


def test_a_policy_that_is_not_optimal_breaks_the_succession():
    good, bad = OPTIMUM.q.astype(np.float32), np.zeros((16, 4), np.float32)
    watch = clew.stop_when_optimal(ENV, 2)
    for q in (good, bad, good):
        watch(q)
    with pytest.raises(clew.StopTraining):
        watch(good)


def test_the_optimum_is_that_of_the_discount():
    """To take 1 at once is better than to take 10 in the third step only if the discount is small."""

    def step(s, a):
        return [(1.0, s, 1.0, True)] if a == 0 else [(1.0, min(s + 1, 2), 10.0 * (s == 2), s == 2)]

    mdp = clew.FiniteMDP.from_function(3, 2, step, starts=0)
    for gamma, action in ((0.1, 0), (0.9, 1)):
        solution = clew.solve(mdp, gamma=gamma)
        assert solution.actions[0] == action
        q = solution.q.astype(np.float32)
        with pytest.raises(clew.StopTraining):
            clew.stop_when_optimal(mdp, 1, gamma=gamma)(q)
        clew.stop_when_optimal(mdp, 1, gamma=1.0 - gamma)(q)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((ENV, 0), clew.SettingError, "num_grades must be a whole number of at least 1, not 0"),
        ((clew.Maze.open(2, 2),), clew.SettingError, r"got a Maze; use clew.Environment\(maze\)"),
        ((clew.make_gymnasium("Blackjack-v1"),), clew.ModelError, "no model can be made of it"),
    ],
)
def test_nonsense_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        clew.stop_when_optimal(*arguments)
