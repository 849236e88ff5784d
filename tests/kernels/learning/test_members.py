"""Many trainings in one call, against each of them alone."""

import numpy as np
import pytest

from clew import Learning
from clew.environments import ModelEnvironment
from clew.learning import members
from clew.learning.loops import new_loop
from clew.learning.members import play_episodes, play_steps, train_members
from clew.learning.training import new_policy
from worlds import chain

pytestmark = pytest.mark.kernels
WORLD = ModelEnvironment(chain(5, left_reward=-1.0), max_episode_steps=30)


def loop_of(learning, seed, num_episodes=12):
    policy, learner = new_policy(WORLD, WORLD, learning, seed)
    return new_loop(WORLD, WORLD, learner, num_episodes, (seed, 0, 0)), learner, policy.q


@pytest.mark.parametrize(
    "settings", [{}, {"algorithm": "sarsa-lambda", "alpha_schedule": "visits"}, {"algorithm": "propagation"}]
)
def test_each_training_begins_with_the_memory_that_the_first_had(settings):
    learning = Learning(**settings)
    together = train_members(WORLD, learning, [7, 3, 7], 12)
    for k, seed in enumerate((7, 3, 7)):
        loop, _, q = loop_of(learning, seed)
        stats = loop.learn(12)
        assert np.array_equal(together.tables[k], q)
        assert all(np.array_equal(mine[k], alone) for mine, alone in zip(together.stats, stats, strict=True))
    assert not np.array_equal(together.tables[0], together.tables[1])


def test_what_can_not_be_learned_in_one_call(monkeypatch):
    assert train_members(WORLD, Learning(num_interleaved=2), [1], 4) is None
    monkeypatch.setattr(members, "MAX_EPISODES_AT_ONCE", 3)
    assert train_members(WORLD, Learning(), [1], 3) is not None
    assert train_members(WORLD, Learning(), [1], 4) is None


@pytest.mark.parametrize("every", [1, 4, 5])
def test_a_training_in_stretches_records_the_last_of_every_few_episodes(every):
    loop, _, q = loop_of(Learning(), 5)
    checks = []
    stats = play_episodes(loop, 12, every, lambda: checks.append(1))
    other, _, alone = loop_of(Learning(), 5)
    assert np.array_equal(stats.steps, other.learn(12).steps[every - 1 :: every])
    assert np.array_equal(q, alone)
    assert checks


@pytest.mark.parametrize("num_steps", [1, 2, 40, 200])
def test_a_stretch_that_was_too_long_is_taken_back(num_steps):
    learning = Learning(algorithm="dyna-q")
    loop, learner, q = loop_of(learning, 2)
    stats = play_steps(loop, learner, num_steps, lambda: None)
    assert stats.steps[:-1].sum() < num_steps <= stats.steps.sum()
    other, _, alone = loop_of(learning, 2)
    assert np.array_equal(stats.episode_return, other.learn(stats.steps.size).episode_return)
    assert np.array_equal(q, alone)
