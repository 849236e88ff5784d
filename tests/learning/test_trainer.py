"""Trainer: any division into steps and episodes learns the bits of `train_policy`; the world may change in between."""

import numpy as np
import pytest

import clew

ALGORITHMS = ["q-learning", "sarsa", "expected-sarsa", "double-q-learning", "sarsa-lambda", "n-step-sarsa", "dyna-q"]
ALGORITHMS += ["propagation", "backward-replay"]
OPEN = "S....\n.....\n....G\n"
WALLED = "S....\n####.\nG....\n"


def world(**settings):
    return clew.Environment(clew.Maze.open(6, 7, obstacles=[(1, 1), (3, 4)]), random_start=True, **settings)


@pytest.mark.parametrize("settings", [{"alpha_schedule": "visits"}, {"exploring_starts": True}], ids=str)
@pytest.mark.parametrize("slip", [0.0, 0.3])
def test_episodes_a_few_at_a_time_come_to_the_same_bits(settings, slip):
    env = world(slip=slip)
    trainer = clew.Trainer(env, seed=5, **settings)
    stats = [trainer.learn(n) for n in (1, 0, 30, 169)]
    assert np.array_equal(trainer.policy.q, clew.train_policy(env, 200, seed=5, **settings).q)
    assert [total.steps.size for total in stats] == [1, 0, 30, 169]
    assert trainer.num_ended == 200


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("slip", [0.0, 0.3])
def test_steps_come_to_the_same_bits_as_a_loop(algorithm, slip):
    env = world(slip=slip, max_episode_steps=40)
    stepped, looped = (clew.Trainer(env, seed=2, algorithm=algorithm) for _ in range(2))
    rewards = []
    while stepped.num_ended < 60:
        taken = stepped.step()
        if taken.terminated or taken.truncated:
            rewards.append(sum(each.reward for each in stepped.episode))
    stats = looped.learn(60)
    assert np.array_equal(stepped.policy.q, looped.policy.q)
    assert rewards == stats.episode_return.tolist()
    assert np.array_equal(stepped.policy.q, clew.train_policy(env, 60, seed=2, algorithm=algorithm).q)


def test_schedules_are_those_of_the_episodes_that_there_will_be():
    env, schedule = world(), {"alpha_schedule": "linear", "exploration_schedule": "exponential"}
    trainer = clew.Trainer(env, num_episodes=50, **schedule)
    while trainer.num_ended < 3:
        trainer.step()
    trainer.learn(47)
    assert np.array_equal(trainer.policy.q, clew.train_policy(env, 50, **schedule).q)


def test_an_episode_that_is_under_way_is_ended_first_and_counts():
    env = world()
    trainer = clew.Trainer(env, seed=1)
    for _ in range(3):
        trainer.step()
    assert not trainer.episode[-1].terminated, "the episode is not long enough for this test"
    stats = trainer.learn(10)
    assert trainer.num_ended == stats.steps.size == 10
    assert stats.steps[0] == len(trainer.episode)
    assert np.array_equal(trainer.policy.q, clew.train_policy(env, 10, seed=1).q)
    trainer.step()
    assert len(trainer.episode) == 1


@pytest.mark.parametrize("algorithm", ["q-learning", "dyna-q", "prioritized-sweeping"])
def test_what_was_learned_goes_on_in_a_changed_world(algorithm):
    before, after = (clew.Environment(clew.Maze.from_text(text)) for text in (OPEN, WALLED))
    settings = {} if algorithm == "prioritized-sweeping" else {"alpha": 0.5}
    trainer = clew.Trainer(before, algorithm=algorithm, **settings)
    trainer.learn(300)
    assert clew.evaluate_policy(before, trainer.policy).excess_steps == 0.0
    q = trainer.policy.q.copy()
    trainer.step()
    trainer.change_world(after)
    assert trainer.num_ended == 301
    assert np.abs(trainer.policy.q - q).max() < 0.1, "it goes on with what it knew"
    trainer.learn(3000)
    assert clew.evaluate_policy(after, trainer.policy).excess_steps == 0.0
    assert trainer.env.maze == after.maze


@pytest.mark.parametrize("slip", [0.0, 0.3])
def test_memory_grows_by_what_is_new_and_not_by_every_change(slip):
    """There must be room for all outcomes of the world that comes, beside those that are known."""
    worlds = [clew.Environment(clew.Maze.from_text(text), random_start=True, slip=slip) for text in (OPEN, WALLED)]
    trainer = clew.Trainer(worlds[0], algorithm="prioritized-sweeping")
    num_outcomes = max(env.mdp.num_outcomes for env in worlds)
    for i in range(1, 40):
        trainer.learn(50)
        trainer.change_world(worlds[i % 2])
        model = trainer._learner.rule.model
        known = int(model.num_further[0])
        assert known + worlds[i % 2].mdp.num_outcomes <= model.pairs.size <= known + num_outcomes
    assert 0 < known <= sum(env.mdp.num_outcomes for env in worlds)


@pytest.mark.parametrize("behaviour", ["persistent", "ucb", "first-action"])
def test_steps_of_every_kind_of_strategy_are_those_of_the_loop(behaviour):
    env, settings = world(slip=0.3, max_episode_steps=5000), {"behaviour": behaviour, "exploring_starts": True}
    trainer = clew.Trainer(env, seed=2, **settings)
    while trainer.num_ended < 30:
        trainer.step()
    assert np.array_equal(trainer.policy.q, clew.train_policy(env, 30, seed=2, **settings).q)


def test_the_step_limit_is_that_of_the_world_also_beyond_100_steps_per_state():
    env = clew.Environment(clew.Maze.open(1, 3), max_episode_steps=2000)
    trainer = clew.Trainer(env, behaviour="persistent")
    trainer.policy.q[:, 1] = 1.0  # to the left, without end
    while not trainer.step().truncated:
        pass
    assert len(trainer.episode) == 2000
    assert not trainer.is_under_way


def test_a_step_that_was_interrupted_gives_its_episode_up(monkeypatch):
    trainer = clew.Trainer(world(), seed=1)
    trainer.step()
    with monkeypatch.context() as patch:
        patch.setattr("clew.learning.loops.learn", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            trainer.step()
    assert not trainer.is_under_way
    trainer.step()
    assert len(trainer.episode) == 1
    assert trainer.learn(3).steps.size == 3
    assert trainer.num_ended == 3


def test_a_changed_world_is_shown_if_it_has_a_maze():
    trainer = clew.Trainer(world())
    assert trainer.policy.world is trainer.env
    trainer.change_world(world().mdp)
    assert trainer.policy.world is None
    trainer.change_world(world(slip=0.1))
    assert trainer.policy.world is trainer.env


def test_a_world_that_does_not_fit_is_refused_and_nothing_has_changed():
    trainer = clew.Trainer(world())
    trainer.learn(5)
    with pytest.raises(clew.SettingError, match=r"expected a world with a table of \(42, 4\) .*, got one of \(25, 4\)"):
        trainer.change_world(clew.Environment(clew.Maze.open(5, 5)))
    trainer.learn(5)
    assert np.array_equal(trainer.policy.q, clew.train_policy(world(), 10).q)


def test_what_a_trainer_cannot_do_is_refused():
    with pytest.raises(clew.SettingError, match="num_interleaved must be 1"):
        clew.Trainer(world(), num_interleaved=4)
    with pytest.raises(clew.SettingError, match="needs a world with a model"):
        clew.Trainer(clew.make_gymnasium("Blackjack-v1"))
