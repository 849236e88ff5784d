"""The configuration of a run: its settings are of their types, are saved as JSON and opened again."""

import json
import re
from dataclasses import fields

import numpy as np
import pytest

from clew import (
    ALGORITHMS,
    BEHAVIOURS,
    Environment,
    Maze,
    Policy,
    SettingError,
    Simulation,
    TrainingConfig,
    Trajectory,
    policy_values,
    solve,
    train_policy,
    train_policy_parallel,
    update_policy,
)
from clew.kernels.sampling import new_stream
from loops import used_settings

NOT_WITH_OTHERS = {"optimistic": False, "pessimistic": False, "num_interleaved": 1}


def other_values():
    """A value other than the default for every setting."""
    others = {"maze": "3x4", "start": (0, 1), "goal": (2, 2), "scenario": "a.scen:3", "max_episode_steps": 50}
    others |= {"unknown_walls": "open", "cell_size": 4}
    others |= {"random_start": True, "random_goal": True, "sync_every": 7, "sharing": "local", "rounds_ahead": 2}
    others |= {"partition_starts": True, "asynchronous": True}
    others |= {"goal_reward": 2.0, "step_reward": -0.1, "outer_wall_reward": -1.0, "hazard_reward": -5.0, "slip": 0.2}
    others |= {"moves": "eight", "exit_action": True}
    others |= {"num_episodes": 12, "num_simulations": 3, "num_actors": 2, "seed": 9}
    others |= {"algorithm": "sarsa", "behaviour": "softmax", "alpha": 0.2, "gamma": 0.8, "epsilon": 0.3, "n": 2}
    others |= {"alpha_schedule": "linear", "alpha_last": 0.1, "temperature": 0.5, "confidence": 2.0, "lambda_": 0.5}
    others |= {"exploration_schedule": "linear", "exploration_last": 0.2, "exploring_starts": True, "kappa": 0.1}
    others |= {"initial_value": 1.0, "optimistic": True, "pessimistic": True, "accumulating": True, "num_planning": 5}
    return others | {"threshold": 0.1, "known_after": 3, "num_interleaved": 2}


def test_a_config_survives_json():
    others = used_settings("sarsa", other_values() | NOT_WITH_OTHERS)
    assert len(others) > 25
    for config in (TrainingConfig(), TrainingConfig(**others)):
        assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    of_plugins = {"algorithm_settings"}  # test_registering has them
    assert other_values().keys() == {setting.name for setting in fields(TrainingConfig)} - of_plugins


def where_it_counts(name):
    """Settings without which this one has no effect."""
    if name in ("alpha_last", "exploration_last"):
        return {name.replace("_last", "_schedule"): "linear"}
    rules = [{"algorithm": algorithm} for algorithm, row in ALGORITHMS.items() if name in row.settings]
    acting = [{"behaviour": behaviour} for behaviour, row in BEHAVIOURS.items() if name == row.setting]
    return [{}, *rules, *acting][-1]


@pytest.mark.parametrize("name", other_values())
def test_every_setting_counts_when_configs_are_compared(name):
    one = {"num_simulations": 1, **where_it_counts(name)}
    config = TrainingConfig.from_dict(one | {name: other_values()[name]})
    assert config != TrainingConfig(**one)
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_whole_number_will_do_where_a_float_is_wanted():
    assert TrainingConfig.from_dict({"alpha": 1, "goal_reward": 5}) == TrainingConfig(alpha=1.0, goal_reward=5.0)


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        ({"initial_value": 1, "gamma": 1, "step_reward": -1}, [float, float, float]),
        ({"initial_value": np.float32(0.5), "alpha": np.float32(0.1), "slip": np.float64(0.5)}, [float, float, float]),
        ({"num_episodes": np.int64(9), "sync_every": np.uint8(3), "max_episode_steps": np.int32(7)}, [int, int, int]),
        ({"seed": np.uint64(7), "random_start": np.True_, "exploring_starts": np.False_}, [int, bool, bool]),
        ({"start": np.array([1, 2]), "goal": [np.int64(3), 4]}, [tuple, tuple]),
    ],
)
def test_numbers_of_other_kinds_are_saved_and_opened_as_those_of_python(settings, kinds):
    config = TrainingConfig(**settings)
    assert [type(getattr(config, name)) for name in settings] == kinds
    assert [getattr(config, name) for name in settings] == [
        tuple(value) if kind is tuple else kind(value) for value, kind in zip(settings.values(), kinds, strict=True)
    ]
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_config_that_was_saved_with_a_whole_number_for_a_value_is_opened():
    assert TrainingConfig.from_dict({"initial_value": 1}) == TrainingConfig(initial_value=1.0)


def test_a_config_refuses_a_name_it_does_not_know():
    with pytest.raises(SettingError, match="lr is not a setting; choose from "):
        TrainingConfig.from_dict({"alpha": 0.1, "lr": 0.1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("maze", 5),
        ("random_start", 1),
        ("random_goal", "yes"),
        ("goal_reward", "1"),
        ("slip", None),
        ("num_episodes", 10.5),
        ("num_episodes", True),
        ("num_actors", None),
        ("alpha", "0.1"),
        ("gamma", True),
        ("seed", "0"),
        ("start", 3),
        ("start", [1]),
        ("start", "1,2"),
        ("start", ["a", "b"]),
        ("goal", [1, 2, 3]),
        ("goal", [1.5, 2]),
        ("scenario", 5),
        ("max_episode_steps", "ten"),
        ("max_episode_steps", 10.5),
        ("sync_every", "ten"),
    ],
)
def test_a_config_names_the_setting_of_the_wrong_type(name, value):
    with pytest.raises(SettingError, match=name):
        TrainingConfig.from_dict({name: value})


def configured(settings):
    """The configuration, or the error."""
    try:
        return TrainingConfig(**settings), None
    except SettingError as error:
        return None, str(error)


WRONG = [["q"], "x", b"x", None, True, 1.5, {}, (1, 2, 3), 1j, object(), np.array(["q"]), np.zeros(2), float]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: f"{type(value).__name__} {value}".split(" at 0x")[0])
@pytest.mark.parametrize("name", other_values())
def test_no_setting_of_any_type_is_refused_but_by_its_name(name, value):
    config, error = configured({"num_simulations": 1, **where_it_counts(name), name: value})
    if config is None:
        assert re.match(rf"{name} must be ", error)
    else:
        assert type(getattr(config, name)) in (str, int, float, bool, type(None))
        assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"algorithm": ["q"]}, r"algorithm must be text, not \['q'\]"),
        ({"behaviour": 3}, "behaviour must be text or None, not 3"),
        ({"gamma": None}, "gamma must be a number, not None"),
        ({"alpha": True}, "alpha must be a number, not True"),
        ({"seed": True}, "seed must be a whole number, not True"),
        ({"num_episodes": "5"}, "num_episodes must be a whole number, not '5'"),
        ({"max_episode_steps": 5.0}, "max_episode_steps must be a whole number or None, not 5.0"),
        ({"exploring_starts": 1}, "exploring_starts must be True or False, not 1"),
        ({"start": "ab"}, r"start must be a place, \(row, column\) or None, not 'ab'"),
        ({"goal": (1.0, 2.0)}, r"goal must be a place, \(row, column\) or None, not \(1.0, 2.0\)"),
    ],
    ids=repr,
)
def test_a_setting_of_another_type_is_refused_with_the_one_that_is_wanted(settings, message):
    with pytest.raises(SettingError, match=f"^{message}$"):
        TrainingConfig(**settings)


CALLS = {
    "num_episodes": lambda wrong: train_policy(Environment(), wrong),
    "seed": lambda wrong: train_policy(Environment(), 1, seed=wrong),
    "gamma": lambda wrong: train_policy(Environment(), 1, gamma=wrong),
    "num_simulations": lambda wrong: train_policy_parallel(Environment(), 5, wrong),
    "sync_every": lambda wrong: train_policy_parallel(Environment(), 5, 2, num_actors=0, sync_every=wrong),
    "num_actors": lambda wrong: train_policy_parallel(Environment(), 5, 2, num_actors=wrong),
    "slip": lambda wrong: Environment(slip=wrong),
    "goal_reward": lambda wrong: Environment(goal_reward=wrong),
    "max_episode_steps": lambda wrong: Environment(max_episode_steps=wrong),
    "tolerance": lambda wrong: solve(Maze.open(2, 2), tolerance=wrong),
    "method": lambda wrong: solve(Maze.open(2, 2), method=wrong),
    "horizon": lambda wrong: solve(Maze.open(2, 2), horizon=wrong),
    "alpha": lambda wrong: update_policy(Policy(Environment()), Trajectory.from_transitions([]), alpha=wrong),
    "epsilon": lambda wrong: policy_values(Environment(), np.zeros((25, 4)), epsilon=wrong),
    "behaviour": lambda wrong: Simulation(Environment()).rollouts(
        np.zeros((25, 4)), 1, behaviour=wrong, stream=new_stream(0)
    ),
    "exploration": lambda wrong: Simulation(Environment()).rollouts(
        np.zeros((25, 4)), 1, exploration=wrong, stream=new_stream(0)
    ),
}


@pytest.mark.parametrize("wrong", [["q"], "x", {}, True, 1j], ids=repr)
@pytest.mark.parametrize("name", CALLS)
def test_a_function_refuses_what_is_of_another_type_by_its_name(name, wrong):
    with pytest.raises(SettingError, match=rf"^{name} must be "):
        CALLS[name](wrong)


def test_a_config_makes_the_world_it_describes():
    config = TrainingConfig(maze="3x4", goal=(1, 1), step_reward=-1.0, slip=0.25, max_episode_steps=77)
    env = config.make_environment()
    assert (env.maze, env.max_episode_steps) == (Maze.open(3, 4, goal=(1, 1)), 77)
    assert (env.mdp.model.step_reward, env.mdp.model.slip) == (-1.0, 0.25)
