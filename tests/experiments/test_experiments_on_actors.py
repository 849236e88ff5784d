"""Experiments on Ray actors, on a Ray that runs already."""

import random
import threading

import numpy as np
import pytest

import clew
from clew import ClusterError, Experiment, SettingError
from clew.distributed.functions import remote_function
from clew.reference import QLearning
from worlds import only_steps

pytestmark = pytest.mark.ray


def agent_maker(broken_from=99):
    """Return a function that makes an agent, which can be sent to actors as they can't import this module."""

    def make(env, seed):
        agent = QLearning(np.zeros((env.observation_space.n, env.action_space.n)), random.Random(seed))
        if broken_from <= seed < 2**64:
            agent.act = lambda state: 99
        return agent

    return make


@pytest.mark.parametrize("num_actors", [2, pytest.param(4, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("length", [{"num_episodes": 40}, {"num_steps": 300}])
def test_the_same_bits_on_any_number_of_actors(ray_up, num_actors, length, tmp_path):
    worlds = {"cliff": "cliff", "stepped": only_steps(clew.Environment(clew.Maze.open(3, 3), slip=0.1))}
    learners = {"Q": {}, "sarsa": "sarsa", "agent": agent_maker()}
    experiment = Experiment(worlds, learners, [3, 1, 2**70, 8, 5], **length)
    here, there = experiment.run(), experiment.run(num_actors=num_actors, folder=tmp_path)
    assert there.num_computed == experiment.num_runs == 30
    for name in ("steps", "episode_return", "terminated"):
        for one, other in zip(getattr(here, name).ravel(), getattr(there, name).ravel(), strict=True):
            assert np.array_equal(one, other)
    for seed in here.seeds:
        for cell in ((learner, world) for learner in learners for world in worlds):
            assert np.array_equal(here.policy(*cell, seed=seed).q, there.policy(*cell, seed=seed).q)
    assert experiment.run(num_actors=num_actors, folder=tmp_path).num_computed == 0


def in_this_module(env, seed):
    return agent_maker()(env, seed)


def mortal():
    """Return a function that ends its process at the first call with each odd number; files say which were called."""

    def square(folder, number):
        import os
        from pathlib import Path

        file = Path(folder) / str(number)
        if number % 2 and not file.exists():
            file.touch()
            os._exit(1)
        return number * number

    return square


def test_a_call_is_repeated_on_another_actor_if_its_own_dies(ray_up, tmp_path):
    with remote_function(mortal(), [], 1) as call:
        assert [call(lambda: None, str(tmp_path), number) for number in range(4)] == [0, 1, 4, 9]
        assert len(call._actors) == 3


def test_errors_are_those_of_one_process(ray_up):
    experiment = Experiment({"open": "3x3"}, {"broken": agent_maker(1)}, [0, 1], num_episodes=3)
    with pytest.raises(SettingError, match="act gave action 99"):
        experiment.run(num_actors=2)
    held, make = threading.Lock(), agent_maker()
    experiment = Experiment({"open": "3x3"}, {"a": lambda env, seed: held and make(env, seed)}, [1], num_episodes=3)
    with pytest.raises(ClusterError, match="the experiment can't be sent to actors: TypeError"):
        experiment.run(num_actors=1)
    experiment = Experiment({"open": "3x3"}, {"a": in_this_module}, [1], num_episodes=3)
    with pytest.raises(ClusterError, match=r"can't be loaded there: ModuleNotFoundError: .*; put the module"):
        experiment.run(num_actors=1)
