"""Learned models: counts, known pairs, propagation, and convergence to the exact solution."""

import os
from dataclasses import replace

import numpy as np
import pytest

import oracles_episodes
import oracles_learning as plain
from clew import Learning, SettingError, solve, train_policy
from clew.kernels import read_only
from clew.kernels.learning.learners import ConstantStepSize, learn
from clew.kernels.learning.learners import Step as KernelStep
from clew.kernels.learning.rollouts import TransitionBatch, replay
from clew.kernels.learning.sweeping import COUNT, NEXT_STATE, next_outcome_of_pair, num_tries
from clew.kernels.sampling import new_stream
from clew.learning.learner import make_learner, reserve_outcomes
from clew.policies.trajectory import DTYPES
from loops import ALPHA_ALONE, GAMMA, NONE, build, new_learner, play, record, rows_of, same_bits
from oracles import sparse_world

pytestmark = pytest.mark.kernels

MODELS = ("prioritized-sweeping", "propagation", "r-max")


def outcomes_of(rule, pair):
    """Return {next state: count} of a pair, along its list."""
    found, i = {}, pair
    while i >= 0 and rule.model.outcomes[i, NEXT_STATE] >= 0:
        found[int(rule.model.outcomes[i, NEXT_STATE])] = int(rule.model.outcomes[i, COUNT])
        i = int(next_outcome_of_pair(rule.model, i))
    return found


def see(rule, *steps, exploration=0.0):
    """Learn from steps (s, a, reward, next state, terminated)."""
    for s, a, reward, s_next, terminated in steps:
        step = KernelStep(s, a, np.float32(reward), s_next, -1, terminated)
        learn(rule, step, ConstantStepSize(np.float32(0.5)), exploration, new_stream(0))


def pair_rule(algorithm="propagation", **settings):
    """Return a learner of two states and two actions, with gamma 0.5."""
    q = np.full((2, 2), settings.pop("at_first", 0.0), np.float32)
    learning = Learning(algorithm=algorithm, gamma=0.5, **settings)
    return make_learner(q, learning, max_steps=9, num_outcomes=12).rule


def test_a_model_by_hand():
    """One outcome leads to state 1 with reward 1, two end with rewards 4 and 1: 1/3 (1 + 0.5 V(1)) + 2/3 * 2.5."""
    rule = pair_rule()
    see(rule, (0, 0, 1.0, 1, False), (0, 0, 4.0, 0, True), (0, 0, 1.0, 1, True))
    assert outcomes_of(rule, 0) == {1: 1, 2: 2}
    assert num_tries(rule.model, 0) == 3
    assert rule.q[0, 0] == pytest.approx(2.0)
    see(rule, (1, 1, 6.0, 0, True))
    assert rule.q[1].tolist() == [0.0, 6.0]
    assert rule.q[0, 0] == pytest.approx(3.0)  # the change in state 1 is propagated
    assert rule.q[0, 1] == 0.0


def test_the_greatest_change_has_its_turn_first():
    """States 1 and 2 wait; one is popped per step. State 2 changed more, so its predecessor 4 is backed up first."""
    learning = Learning(algorithm="prioritized-sweeping", gamma=0.5, num_planning=1)
    rule = make_learner(np.zeros((5, 1), np.float32), learning, max_steps=9, num_outcomes=20).rule
    see(rule._replace(num_planning=0), (3, 0, 0.0, 1, False), (4, 0, 0.0, 2, False))
    see(rule._replace(num_planning=0), (1, 0, 2.0, 1, True), (2, 0, 8.0, 2, True))
    assert rule.q[:, 0].tolist() == [0.0, 2.0, 8.0, 0.0, 0.0]
    see(rule, (0, 0, 0.0, 0, True))
    assert rule.q[:, 0].tolist() == [0.0, 2.0, 8.0, 0.0, 4.0]
    see(rule, (0, 0, 0.0, 0, True), (0, 0, 0.0, 0, True), (0, 0, 0.0, 0, True))
    assert rule.q[:, 0].tolist() == [0.0, 2.0, 8.0, 1.0, 4.0]


@pytest.mark.parametrize(("threshold", "value"), [(0.0, 0.5), (0.9, 0.5), (1.0, 0.0)])
def test_changes_up_to_the_threshold_are_not_passed_on(threshold, value):
    rule = pair_rule(threshold=threshold)
    see(rule, (0, 0, 0.0, 1, False), (1, 0, 1.0, 1, True))
    assert rule.q[:, 0].tolist() == [value, 1.0]


def test_a_pair_is_believed_after_so_many_tries():
    rule = pair_rule("r-max", known_after=3, at_first=10.0)
    for n, value in enumerate([10.0, 10.0, 1.0, 1.0]):
        see(rule, (0, 0, 1.0, 0, True))
        assert (rule.q[0, 0], num_tries(rule.model, 0)) == (value, n + 1)
    see(rule, (0, 1, 1.0, 1, False), (0, 1, 1.0, 0, True))
    assert rule.q[0, 1] == 10.0
    see(rule, (0, 1, 1.0, 0, True))
    assert rule.q[0, 1] == pytest.approx(1 + 5 / 3)  # a third of the tries led to state 1, worth 0.5 * 10


# The whole ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["grid", "moving goal"])
def test_certain_worlds_come_to_the_exact_solution_as_soon_as_all_is_tried(name):
    mdp = build(name).mdp.to_sparse()
    q = np.zeros((mdp.num_states, 4), np.float32)
    learner = new_learner(mdp, "propagation", q, behaviour="least-tried", exploring_starts=True)
    play(mdp, learner, 60 * mdp.num_states, max_steps=6)
    assert q == pytest.approx(solve(mdp, gamma=0.9).q, rel=1e-5, abs=1e-5)


def test_there_is_room_for_all_outcomes_of_a_world_with_states_that_have_none():
    """Eight pairs have three outcomes each; those of the two terminal states need room for one each."""
    outcomes = [(0.3, s, float(s), False) for s in (0, 1)] + [(0.4, 2, 0.0, True)]
    world = sparse_world([[outcomes] * 4] * 2 + [[[]] * 4] * 2, starts=[0, 1, 2, 3])
    assert world.mdp.num_outcomes == 32
    assert build("slippery grid").mdp.num_outcomes == 12 * 4 * 3
    assert build("grid").mdp.num_outcomes == 12 * 4
    learner = new_learner(world.mdp, "propagation", behaviour="least-tried")
    play(world.mdp, learner, 400)
    model = learner.rule.model
    assert model.num_further[0] == model.pairs.size == 16
    seen = [outcomes_of(learner.rule, pair) for pair in range(16)]
    assert [sorted(found) for found in seen] == [[0, 1, 4]] * 8 + [[4]] * 8


@pytest.mark.parametrize("algorithm", MODELS)
def test_counts_are_those_of_the_record(algorithm):
    world = build("sparse, 4 actions")
    columns, _ = record(world, np.zeros(world.shape, np.float32))
    learner = new_learner(world.mdp, algorithm)
    replay(learner.rule, learner.behaviour, learner.visits, columns, ALPHA_ALONE, 0.3, new_stream(0))
    expected = [{} for _ in range(32)]
    for s, a, _, s_next, terminated, _ in zip(*(column.tolist() for column in columns), strict=True):
        key = 8 if terminated else s_next
        expected[4 * s + a][key] = expected[4 * s + a].get(key, 0) + 1
    assert [outcomes_of(learner.rule, pair) for pair in range(32)] == expected


def test_a_model_that_grows_learns_the_same():
    """From no room for further outcomes, one step at a time."""
    world, tables = build("sparse, 4 actions"), []
    columns, _ = record(world, np.zeros(world.shape, np.float32), num_episodes=40)
    for num_outcomes in (32, 400):
        q = np.zeros(world.shape, np.float32)
        learner = make_learner(q, Learning(algorithm="propagation"), max_steps=9, num_outcomes=num_outcomes)
        learner = replace(learner, model_grows=True)
        for i in range(columns.state.size):
            learner = reserve_outcomes(learner, 1)
            see(learner.rule, [column[i].item() for column in columns][:5])
        tables.append(q)
        model = learner.rule.model
        outcomes, num_further = model.outcomes, int(model.num_further[0])
        assert outcomes.shape[0] - model.pairs.size == 32
        assert num_further > 20
    assert tables[0].any()
    assert np.array_equal(*tables)
    agent = plain.Sweeping(rows_of(np.zeros(world.shape, np.float32)), GAMMA, plain.FifoQueue())
    spec = oracles_episodes.EpisodeSpec("epsilon-greedy", None, [], 0)
    oracles_episodes.replay(agent, list(zip(*columns, strict=True)), spec, None, 0.3, new_stream(0).tolist())
    assert same_bits(tables[0], agent.q)


def test_room_for_more_steps_is_made_only_where_it_is_missing():
    learner = make_learner(np.zeros((2, 2), np.float32), Learning(algorithm="propagation"), max_steps=9)
    assert reserve_outcomes(learner, 1024) is learner
    assert reserve_outcomes(learner, 1025).rule.model.pairs.size >= 1025
    other = make_learner(np.zeros((2, 2), np.float32), Learning(), max_steps=9)
    assert reserve_outcomes(other, 10**6) is other


def test_a_world_that_says_how_many_outcomes_it_has_needs_no_more_room():
    learner = make_learner(np.zeros((2, 2), np.float32), Learning(algorithm="r-max"), max_steps=9, num_outcomes=4)
    assert learner.rule.model.outcomes.shape[0] == 4
    assert reserve_outcomes(learner, 10**9) is learner


def test_a_model_grows_no_further_than_the_memory():
    learner = make_learner(np.zeros((2, 2), np.float32), Learning(algorithm="propagation"), max_steps=9)
    with pytest.raises(SettingError, match="outcomes"):
        reserve_outcomes(learner, 2**31)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with pytest.raises(SettingError, match=r"the learned model.* GB of memory|outcomes"):
        reserve_outcomes(learner, memory // 24)


@pytest.mark.parametrize("algorithm", ["prioritized-sweeping", "propagation", "r-max"])
def test_outcomes_that_int32_cannot_number_are_refused(algorithm):
    with pytest.raises(SettingError, match="at most 2,147,483,647 outcomes, and this world has 2,147,483,648"):
        make_learner(np.zeros((1, 1), np.float32), Learning(algorithm=algorithm), max_steps=9, num_outcomes=2**31)


def test_a_trajectory_without_rows_changes_nothing():
    rule = pair_rule()
    columns = TransitionBatch(*(read_only(np.empty(0, dtype)) for dtype in DTYPES))
    acting = new_learner(build("grid").mdp).behaviour
    replay(rule, acting, NONE, columns, ALPHA_ALONE, 0.0, new_stream(0))
    assert not rule.q.any()
    assert (rule.model.outcomes[:, NEXT_STATE] == -1).all()


def test_many_changes_below_the_threshold_are_passed_on_when_they_add_up():
    """State 1 has reward 0 or 1 by a coin; the value of its predecessor 0 never differs by more than 0.02."""
    world = sparse_world([[[(1.0, 1, 0.0, False)]], [[(0.5, 1, 0.0, True), (0.5, 1, 1.0, True)]]], starts=[0])
    settings = {"algorithm": "prioritized-sweeping", "threshold": 0.02, "gamma": 1.0}
    policy = train_policy(world.mdp, 5000, **settings)
    assert policy.q[1, 0] == pytest.approx(0.5, abs=0.05)
    assert 0.0 <= abs(policy.q[0, 0] - policy.q[1, 0]) <= 0.0201
