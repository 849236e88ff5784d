"""Observations: the state, places and planes."""

import pickle
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import NormalizeObservation, RecordEpisodeStatistics, TimeLimit

from clew.environments import OBSERVATIONS, PLANES, Environment, MazeObservation, as_compiled
from clew.errors import MazeError, SettingError
from clew.mazes import Maze

DOWN, LEFT, UP, RIGHT = range(4)
THIN = "+---+---+\n| S |   |\n+   +   +\n| ! | G |\n+   +   +\n|       |\n+---+---+\n"
EVERYTHING: dict[str, Any] = {
    "maze": Maze.from_text("S!..\n.#.!\n...G\n"),
    "random_start": True,
    "random_goal": True,
    "slip": 0.4,
}


def make(observation: str, **settings: Any) -> gymnasium.Env[Any, Any]:
    return gymnasium.make("clew/Maze-v0", observation=observation, **settings)


@pytest.mark.parametrize(
    "settings", [{}, {"maze": "3x4"}, {"moves": "robot"}, EVERYTHING], ids=["default", "name", "robot", "everything"]
)
@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_gymnasiums_checker_has_nothing_to_say(observation: str, settings: dict[str, Any]) -> None:
    env = make(observation, **settings)
    env.action_space.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # The checker warns of every wrapped environment, and make wraps all.
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version")
        check_env(env)


def test_position_is_row_and_column() -> None:
    env = make("position", maze=Maze.open(3, 4))
    assert env.observation_space.nvec.tolist() == [3, 4]
    assert env.reset(seed=0)[0].tolist() == [0, 0]
    assert [env.step(a)[0].tolist() for a in (DOWN, RIGHT, RIGHT)] == [[1, 0], [1, 1], [1, 2]]


def test_position_names_a_random_goal() -> None:
    env = make("position", **EVERYTHING)
    assert env.observation_space.nvec.tolist() == [3, 4, 3, 4]
    for seed in range(20):
        seen, info = env.reset(seed=seed)
        assert tuple(seen) == info["position"] + info["goal"]
        assert seen in env.observation_space


def test_a_robot_sees_which_way_it_looks() -> None:
    """A robot begins with heading down; each turn gives different planes and positions."""
    position, planes = (make(kind, maze=Maze.open(3, 4), moves="robot") for kind in ("position", "planes"))
    assert position.observation_space.nvec.tolist() == [3, 4, 4]
    assert planes.observation_space.shape == (len(PLANES) + 3, 3, 4)
    seen = [(position.reset(seed=0)[0], planes.reset(seed=0)[0])]
    forward, _, turn_right = range(3)
    for action in (forward, turn_right, turn_right, turn_right, forward):
        seen.append((position.step(action)[0], planes.step(action)[0]))
    wanted = [(0, 0, 0), (1, 0, 0), (1, 0, 1), (1, 0, 2), (1, 0, 3), (1, 1, 3)]
    assert [tuple(where) for where, _ in seen] == wanted
    for (row, column, heading), (_, pictures) in zip(wanted, seen, strict=True):
        seeker = pictures[PLANES.index("seeker") :]
        assert np.argwhere(seeker).tolist() == [[heading, row, column]]
        assert pictures in planes.observation_space


def test_planes_show_walls_on_each_side_hazards_goals_and_the_seeker() -> None:
    env = make("planes", maze=Maze.from_text(THIN))
    seen, _ = env.reset(seed=0)
    planes = dict(zip(PLANES, seen.astype(int).tolist(), strict=True))
    assert planes == {
        "wall_down": [[0, 0], [0, 0], [1, 1]],
        "wall_left": [[1, 1], [1, 1], [1, 0]],
        "wall_up": [[1, 1], [0, 0], [0, 0]],
        "wall_right": [[1, 1], [1, 1], [0, 1]],
        "hazard": [[0, 0], [1, 0], [0, 0]],
        "goal": [[0, 0], [0, 1], [0, 0]],
        "seeker": [[1, 0], [0, 0], [0, 0]],
    }
    after = env.step(DOWN)[0]
    assert after.dtype == np.float32
    assert after[-1].tolist() == [[0, 0], [1, 0], [0, 0]]
    assert (after[:-1] == seen[:-1]).all()
    assert seen[-1].tolist() == [[1, 0], [0, 0], [0, 0]]  # returned arrays belong to the caller


def test_planes_show_the_goal_of_the_episode_and_not_the_mazes() -> None:
    env = make("planes", **EVERYTHING)
    for seed in range(20):
        seen, info = env.reset(seed=seed)
        for name in ("goal", "seeker"):
            place = info["position" if name == "seeker" else "goal"]
            assert np.argwhere(seen[PLANES.index(name)]).tolist() == [list(place)]


def test_planes_show_every_goal_of_a_maze_that_has_several() -> None:
    seen, _ = make("planes", maze=Maze.from_text("G..\n.S.\n..G\n")).reset(seed=0)
    assert np.argwhere(seen[PLANES.index("goal")]).tolist() == [[0, 0], [2, 2]]


@pytest.mark.parametrize("observation", ["position", "planes"])
def test_observations_tell_states_apart(observation: str) -> None:
    env = MazeObservation(Environment(**EVERYTHING), observation)
    states = np.unique([env.unwrapped.reset(seed=seed)[0] for seed in range(100)])
    assert len({env.observation(s).tobytes() for s in states}) == states.size


# Specifications -------------------------------------------------------------------------------------------------------


def rollout(env: gymnasium.Env[Any, Any]) -> list[Any]:
    rng = np.random.default_rng(0)
    record = [np.asarray(env.reset(seed=3)[0]).tolist()]
    for _ in range(100):
        seen, reward, terminated, truncated, _ = env.step(int(rng.integers(4)))
        record.append((np.asarray(seen).tolist(), reward, terminated, truncated))
        if terminated or truncated:
            env.reset()
    return record


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_an_environment_can_be_made_again(observation: str) -> None:
    by_make, by_hand = make(observation, **EVERYTHING), MazeObservation(Environment(**EVERYTHING), observation)
    expected = rollout(by_hand)
    for env in (by_make, gymnasium.make(by_make.spec), gymnasium.make(by_hand.spec), by_hand):
        again = pickle.loads(pickle.dumps(env))
        assert again.observation_space == by_hand.observation_space
        assert rollout(again) == expected
        assert rollout(env) == expected


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_a_maze_by_its_name_can_be_made_again_from_text(observation: str) -> None:
    env = make(observation, maze="3x4", slip=0.2)
    assert env.unwrapped.maze == Maze.open(3, 4)
    again = gymnasium.make(EnvSpec.from_json(env.spec.to_json()))
    assert rollout(again) == rollout(env)


def test_without_an_observation_make_gives_what_kernels_can_play() -> None:
    assert as_compiled(make("index", maze="3x4")) is not None
    assert as_compiled(make("position", maze="3x4")) is None


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"observation": "pixels"}, SettingError, "observation must be one of index, pos"),
        ({"observation": None}, SettingError, "observation must be one of .*, not None"),
        ({"maze": "nowhere"}, MazeError, "no maze is called 'nowhere'"),
        ({"slip": 2.0}, SettingError, "slip must be"),
    ],
)
def test_what_can_not_be_made_is_refused(settings: dict[str, Any], error: type[Exception], said: str) -> None:
    for make_one in (gymnasium.make, gymnasium.make_vec):
        with pytest.raises(error, match=said):
            make_one("clew/Maze-v0", **settings)


def test_only_a_maze_can_be_observed() -> None:
    with pytest.raises(SettingError, match=r"only clew\.Environment has places to observe, not FrozenLakeEnv"):
        MazeObservation(gymnasium.make("FrozenLake-v1"), "planes")


# Wrappers of Gymnasium ------------------------------------------------------------------------------------------------


def test_time_limit_and_statistics_count_the_steps() -> None:
    env = RecordEpisodeStatistics(TimeLimit(make("planes", step_reward=-1.0), 3))
    env.reset(seed=0)
    *_, truncated, info = [env.step(UP) for _ in range(3)][-1]
    assert truncated
    assert (info["episode"]["l"], info["episode"]["r"]) == (3, -3.0)


@pytest.mark.parametrize("observation", ["position", "planes"])
def test_observations_can_be_normalised(observation: str) -> None:
    env = NormalizeObservation(make(observation, max_episode_steps=1_000))
    env.reset(seed=0)
    seen = np.array([env.step(int(a))[0] for a in np.random.default_rng(0).integers(0, 2, 500)])
    assert np.isfinite(seen).all()
    assert np.abs(seen).max() < 30
