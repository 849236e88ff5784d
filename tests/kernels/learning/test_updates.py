"""Every update rule by hand, in an episode of three steps: terminated, and truncated by the step limit."""

import numpy as np
import pytest

from clew import ALGORITHMS
from clew.kernels.learning.rollouts import replay
from clew.kernels.sampling import new_stream
from clew.policies.behaviours import BEHAVIOURS
from loops import NONE, build, new_learner, play, record, used_settings
from oracles import sparse_world
from oracles_learning import RULES

pytestmark = pytest.mark.kernels

HALF = {"alpha": 0.5, "gamma": 0.5, "behaviour": "greedy"}
SHORT = {"n": 2, "lambda_": 0.5}


def three_steps(terminated, num_actions=1):
    """Return a world of three steps with rewards 1, 2 and 4, the last one terminated or not."""
    steps = [(1.0, 1, 1.0, False), (1.0, 2, 2.0, False), (1.0, 3, 4.0, terminated), (1.0, 3, 0.0, False)]
    return sparse_world([[[step]] * num_actions for step in steps], starts=[0]).mdp


@pytest.mark.parametrize("terminated", [True, False], ids=["ended", "cut off"])
@pytest.mark.parametrize("algorithm", RULES)
def test_a_rule_by_hand(algorithm, terminated):
    """Learned models plan until nothing changes; rules with a step size don't plan."""
    mdp, q = three_steps(terminated), np.array([[10.0], [20.0], [30.0], [40.0]], np.float32)
    planning = {"num_planning": 0 if "alpha" in ALGORITHMS[algorithm].settings else 10}
    settings = used_settings(algorithm, HALF | SHORT | planning)
    stats, _ = play(mdp, new_learner(mdp, algorithm, q, 3, **settings), 1, max_steps=3)
    assert stats == [(3, 7.0, terminated)]
    assert q[:, 0].tolist() == [*RULES[algorithm].by_hand[not terminated], 40.0]


@pytest.mark.parametrize(("terminated", "last"), [(True, 8.5), (False, 9.75)])
def test_double_q_learning_by_hand(terminated, last):
    """Both tables begin at 10. Updated values become 8, 8.5 and 7 or 9.5; q is their mean with 10."""
    mdp, q = three_steps(terminated), np.full((4, 1), 10.0, np.float32)
    learner = new_learner(mdp, "double-q-learning", q, 3, **HALF)
    play(mdp, learner, 1, max_steps=3)
    assert q[:, 0].tolist() == [9.0, 9.25, last, 10.0]
    assert learner.rule.q1.dtype == learner.rule.q2.dtype == np.float32
    tables = np.hstack([learner.rule.q1, learner.rule.q2])
    assert np.sort(tables, axis=1)[:3].tolist() == [[8.0, 10.0], [8.5, 10.0], [2 * last - 10.0, 10.0]]


def test_dyna_learns_again_from_what_it_remembers():
    """One pair: 10 -> 10.5 by the step, then half of the distance to 11 by each of two planning updates."""
    mdp, q = three_steps(True), np.array([[10.0], [20.0], [30.0], [40.0]], np.float32)
    play(mdp, new_learner(mdp, "dyna-q", q, 1, **HALF, num_planning=2), 1, max_steps=1)
    assert q[0, 0] == 10.875


def test_dyna_plus_pays_for_what_was_not_tried_for_long():
    """The other action is remembered as leading back with reward 0: its target is kappa sqrt(tau) + 0.5 * V."""
    mdp, q = three_steps(True, num_actions=2), np.zeros((4, 2), np.float32)
    settings = {**HALF, "num_planning": 150, "kappa": 2.0, "initial_value": 0.0}
    learner = new_learner(mdp, "dyna-q+", q, 1, **settings)
    play(mdp, learner, 1, max_steps=1)
    tried = int(np.flatnonzero(learner.rule.memory.times[:2] == 1)[0])
    assert learner.rule.memory.counters.tolist() == [2, 1]
    assert learner.rule.memory.times[:2].tolist() == ([1, 0] if tried == 0 else [0, 1])
    # One step ago: the bonus is 2 * sqrt(1), so the value x is 2 + 0.5 x = 4. The other action has reward 1.
    assert q[0, 1 - tried] == pytest.approx(4.0, rel=1e-4)
    assert q[0, tried] == pytest.approx(1.0, rel=1e-4)


def test_first_and_every_visit_differ_where_a_pair_comes_again():
    """Three steps of reward 1 to the same state at gamma 1: the first visit sees 3 + 8, every visit 9, 10 and 11."""
    mdp = sparse_world([[[(1.0, 0, 1.0, False)]]]).mdp
    for algorithm, value in (("monte-carlo", 9.5), ("every-visit-monte-carlo", 10.125)):
        q = np.array([[8.0]], np.float32)
        play(mdp, new_learner(mdp, algorithm, q, 3, **{**HALF, "gamma": 1.0}), 1, max_steps=3)
        assert q[0, 0] == value


@pytest.mark.parametrize(("accumulating", "value"), [(False, 1.0), (True, 1.375)])
def test_a_trace_begins_anew_or_adds_up(accumulating, value):
    """One pair, taken twice at gamma 1, with errors of 1: the second step finds an eligibility of 1, or of 0.75 + 1."""
    mdp = sparse_world([[[(1.0, 0, 1.0, False)]]]).mdp
    q = np.zeros((1, 1), np.float32)
    settings = {**HALF, "gamma": 1.0, "lambda_": 0.75, "accumulating": accumulating}
    play(mdp, new_learner(mdp, "sarsa-lambda", q, 3, **settings), 1, max_steps=2)
    assert q[0, 0] == value


def lambda_returns(v, episode, tables):
    """Move the initial values towards the lambda-returns of the steps so far, truncated at the last step.

    An n-step return uses the values after its last step was taken; `tables` has the values after each number of steps.
    Sutton & Barto (2018), section 12.4.
    """
    v, gamma, lambda_, h = list(v), 0.9, 0.8, len(episode)
    for t in range(h):
        returns, paid = [], 0.0
        for n in range(1, h - t + 1):
            _, reward, s_next, terminated = episode[t + n - 1]
            paid += gamma ** (n - 1) * reward
            returns.append(paid + (0.0 if terminated else gamma**n * tables[t + n - 1][s_next]))
        weights = [(1 - lambda_) * lambda_ ** (n - 1) for n in range(1, h - t)] + [lambda_ ** (h - t - 1)]
        s = episode[t][0]
        v[s] += 0.3 * (np.dot(weights, returns) - v[s])
    return v


def test_true_online_learning_is_where_lambda_returns_lead():
    """Lambda-returns are computed from the whole episode at every step: 100 episodes in a world of one action."""
    world = build("sparse, 1 action")
    columns, _ = record(world, np.zeros(world.shape, np.float32), num_episodes=100)
    q, values, episode = np.zeros(world.shape, np.float32), [0.0] * world.shape[0], []
    learner = new_learner(world.mdp, "true-online-sarsa-lambda", q, lambda_=0.8, gamma=0.9)
    replay(learner.rule, learner.behaviour, NONE, columns, learner.step_size(0.3), 0.0, new_stream(0))
    for s, reward, s_next, terminated, truncated in zip(
        columns.state, columns.reward, columns.next_state, columns.terminated, columns.truncated, strict=True
    ):
        if not episode:
            tables = [values]
        episode.append((s, float(reward), s_next, terminated))
        tables.append(lambda_returns(values, episode, tables))
        if terminated or truncated:
            values, episode = tables[-1], []
    assert len(columns.state) > 100
    assert np.abs(values).max() > 1.0
    assert q[:, 0] == pytest.approx(values, abs=1e-5)


def test_faded_traces_are_forgotten_and_none_is_left_for_the_next_episode():
    """An episode of 30 pairs; at gamma * lambda = 0.25 at most seven of them have an eligibility above 1e-4."""
    steps = [[[(1.0, s + 1, 1.0, s == 29)]] for s in range(30)]
    mdp = sparse_world([*steps, [[]]], starts=[0]).mdp
    learner = new_learner(mdp, "sarsa-lambda", max_steps=30, lambda_=0.5, **HALF)
    play(mdp, learner, 1, max_steps=20)
    assert learner.rule.traces.count[0] == 6
    live = learner.rule.traces.pairs[:6]
    assert sorted(live.tolist()) == list(range(14, 20))
    assert np.flatnonzero(learner.rule.traces.eligibility).tolist() == list(range(14, 20))
    play(mdp, learner, 1, max_steps=30)
    assert np.count_nonzero(learner.rule.traces.eligibility) == learner.rule.traces.count[0] <= 7


def test_behaviours_that_do_not_count_leave_no_counts():
    for name, row in BEHAVIOURS.items():
        learner = new_learner(three_steps(True), behaviour=name)
        assert (learner.visits.size > 0) == row.uses_visits
        assert learner.counts.shape == NONE.shape
