"""MazeVectorEnv against Gymnasium's SyncVectorEnv."""

import pickle
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import (
    ClipReward,
    DictInfoToList,
    NormalizeObservation,
    RecordEpisodeStatistics,
    TransformReward,
)

from clew.environments import OBSERVATIONS, Environment, MazeVectorEnv, make_environment
from clew.errors import SettingError
from clew.kernels import read_only
from clew.mazes import Maze

DOWN, LEFT, UP, RIGHT = range(4)
MODES = list(AutoresetMode)
N = 7

WORLDS: dict[str, dict[str, Any]] = {
    "default": {},
    "hazards and slip": {
        "maze": Maze.from_text("S!..\n.#.!\n...G\n"),
        "slip": 0.3,
        "random_start": True,
        "outer_wall_reward": -0.1,
        "step_reward": -0.01,
        "max_episode_steps": 12,
    },
    "everything": {
        "maze": Maze.from_text("+---+---+---+\n| S |   | ! |\n+   +   +   +\n| !   G |   |\n+---+---+---+\n"),
        "slip": 0.4,
        "random_start": True,
        "random_goal": True,
        "max_episode_steps": 9,
    },
    "one step": {"maze": Maze.open(2, 2), "random_start": True, "max_episode_steps": 1},
}


def sync(n: int, mode: AutoresetMode = AutoresetMode.NEXT_STEP, **settings: Any) -> SyncVectorEnv:
    return SyncVectorEnv([lambda: make_environment(**settings)] * n, autoreset_mode=mode)


def check_infos(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Check that infos have the same keys, masks, places and final observations."""
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        if key.startswith("_"):
            assert ours[key].dtype == np.bool_
            assert ours[key].tolist() == value.tolist()
        elif key == "final_info":
            check_infos(ours[key], value)
        elif key == "final_obs":
            assert all(type(a) is type(b) and np.array_equal(a, b) for a, b in zip(ours[key], value, strict=True))
        else:
            wanted = [(0, 0) if place is None else tuple(place) for place in value]
            assert [tuple(place) for place in ours[key].tolist()] == wanted


def check_same(ours: Any, theirs: Any) -> None:
    for a, b in zip(ours[:-1], theirs[:-1], strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert (a == b).all()
    check_infos(ours[-1], theirs[-1])


def counts(env: MazeVectorEnv) -> list[Any]:
    """Return the positions of all copies."""
    return [array.tolist() for array in env._copies]


# Equal to SyncVectorEnv -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("settings", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_it_goes_step_by_step_as_gymnasiums(mode: AutoresetMode, settings: dict[str, Any], observation: str) -> None:
    settings = {**settings, "observation": observation}
    ours, theirs = MazeVectorEnv(N, autoreset_mode=mode, **settings), sync(N, mode, **settings)
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert ours.metadata == theirs.metadata
    check_same(ours.reset(seed=5), theirs.reset(seed=5))
    rng, num_ended = np.random.default_rng(0), 0
    for _ in range(600):
        actions = rng.integers(0, 4, N)
        step = ours.step(actions)
        check_same(step, theirs.step(actions))
        assert step[0] in ours.observation_space
        over = step[2] | step[3]
        num_ended += over.sum()
        if mode == AutoresetMode.DISABLED and over.any():
            check_same(*(env.reset(options={"reset_mask": over.copy()}) for env in (ours, theirs)))
    assert num_ended >= (1 if settings.keys() == {"observation"} else 300)


@pytest.mark.parametrize("seed", [11, [4, 4, 0, 9, 1, 2, 3], [None, 8, None, 2**40, 0, 1, 1]], ids=repr)
def test_seeds_begin_the_draws_of_each_copy(seed: Any) -> None:
    """After a first seed for all, a copy whose seed is None continues its random stream."""
    ours, theirs = MazeVectorEnv(N, **WORLDS["everything"]), sync(N, **WORLDS["everything"])
    for env in (ours, theirs):
        env.reset(seed=100)
    check_same(ours.reset(seed=seed), theirs.reset(seed=seed))
    for _ in range(30):
        check_same(ours.step(np.full(N, DOWN)), theirs.step(np.full(N, DOWN)))
    check_same(ours.reset(), theirs.reset())
    assert ours.np_random_seed == theirs.np_random_seed
    assert [rng.bit_generator.state for rng in ours.np_random] == [rng.bit_generator.state for rng in theirs.np_random]


def test_a_mask_begins_some_copies_and_leaves_the_others() -> None:
    ours, theirs = MazeVectorEnv(N, **WORLDS["everything"]), sync(N, **WORLDS["everything"])
    check_same(ours.reset(seed=1), theirs.reset(seed=1))
    mask, options = np.arange(N) % 3 == 0, {"reset_mask": np.arange(N) % 3 == 0}
    for seed in (None, 50, [3] * N):
        for _ in range(5):
            check_same(ours.step(np.full(N, RIGHT)), theirs.step(np.full(N, RIGHT)))
        before = counts(ours)
        check_same(ours.reset(seed=seed, options=options), theirs.reset(seed=seed, options=dict(options)))
        for was, now in zip(before, counts(ours), strict=True):
            assert [row for row, chosen in zip(was, mask, strict=True) if not chosen] == [
                row for row, chosen in zip(now, mask, strict=True) if not chosen
            ]
    assert options["reset_mask"] is not None  # the caller's options are unchanged


def test_without_a_seed_copies_differ_and_no_two_are_alike() -> None:
    settings = {"maze": Maze.open(30, 30), "random_start": True}
    first, second = MazeVectorEnv(50, **settings), MazeVectorEnv(50, **settings)
    starts = [env.reset()[0].tolist() for env in (first, second)]
    assert starts[0] != starts[1]
    assert len(set(starts[0])) > 40
    assert len(set(first.np_random_seed)) == 50


@pytest.mark.parametrize("mode", [*MODES, "SameStep"], ids=str)
def test_the_mode_is_told(mode: Any) -> None:
    before = dict(Environment.metadata)
    assert MazeVectorEnv(2, autoreset_mode=mode).metadata["autoreset_mode"] == AutoresetMode(mode)
    assert Environment.metadata == before


# gymnasium.make_vec ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_make_vec_gives_it_and_can_make_it_again(observation: str) -> None:
    settings = {**WORLDS["everything"], "observation": observation, "autoreset_mode": AutoresetMode.SAME_STEP}
    env = gymnasium.make_vec("clew/Maze-v0", num_envs=3, **settings)
    by_hand = MazeVectorEnv(3, **settings)
    assert type(env) is MazeVectorEnv
    for again in (gymnasium.make_vec(env.spec), gymnasium.make_vec(by_hand.spec)):
        assert type(again) is MazeVectorEnv
        assert again.num_envs == 3
        for other in (env, by_hand):
            check_same(again.reset(seed=2), other.reset(seed=2))
            for _ in range(50):
                check_same(again.step(np.full(3, LEFT)), other.step(np.full(3, LEFT)))
            again.reset(seed=2)


def test_a_maze_by_its_name_can_be_made_again_from_text() -> None:
    env = gymnasium.make_vec("clew/Maze-v0", num_envs=2, maze="3x4", max_episode_steps=8)
    again = gymnasium.make_vec(EnvSpec.from_json(env.spec.to_json()))
    assert (again.world.maze, again.world.max_episode_steps, again.num_envs) == (Maze.open(3, 4), 8, 2)


def test_gymnasiums_own_vector_is_still_there() -> None:
    env = gymnasium.make_vec("clew/Maze-v0", num_envs=2, vectorization_mode="sync", maze="3x4", observation="planes")
    assert type(env) is SyncVectorEnv
    assert env.observation_space.shape == (2, 7, 3, 4)


def test_pickled_in_mid_episode_it_goes_on_as_before() -> None:
    env = MazeVectorEnv(N, copy=False, **WORLDS["everything"])
    env.reset(seed=1)
    again = pickle.loads(pickle.dumps(env))
    for _ in range(50):
        check_same(again.step(np.full(N, UP)), env.step(np.full(N, UP)))
    check_same(again.reset(), env.reset())
    frozen = pickle.loads(pickle.dumps(env))
    state = {**frozen.__dict__, "_copies": type(frozen._copies)(*map(read_only, frozen._copies))}
    frozen.__setstate__(state)  # like arrays that come through Ray, which are read-only
    check_same(frozen.step(np.full(N, UP)), env.step(np.full(N, UP)))


# Memory ---------------------------------------------------------------------------------------------------------------


def arrays_of(step: Any) -> list[npt.NDArray[Any]]:
    return [each for part in step for each in (part.values() if isinstance(part, dict) else [part])]


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("copy", [True, False])
def test_what_is_returned_is_the_callers_to_keep_and_to_write(copy: bool, observation: str) -> None:
    settings = {**WORLDS["hazards and slip"], "observation": observation}
    ours, plain = MazeVectorEnv(N, copy=copy, **settings), MazeVectorEnv(N, **settings)
    kept, wanted = [arrays_of(ours.reset(seed=0))], [arrays_of(plain.reset(seed=0))]
    for _ in range(20):
        kept.append(arrays_of(ours.step(np.full(N, DOWN))))
        wanted.append(arrays_of(plain.step(np.full(N, DOWN))))
    first = 0 if copy else 1  # without copy, all observations are those of the last step
    for a, b in zip(kept, wanted, strict=True):
        assert all((x == y).all() for x, y in zip(a[first:], b[first:], strict=True))
    assert all((arrays[0] is kept[0][0]) is not copy for arrays in kept[1:])
    for array in kept[-1]:
        array[:] = 0  # doesn't change the environment
    check_same(ours.step(np.full(N, RIGHT)), plain.step(np.full(N, RIGHT)))


# Wrappers of Gymnasium ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP], ids=lambda mode: mode.value)
def test_statistics_are_those_of_gymnasiums_vector(mode: AutoresetMode) -> None:
    settings = WORLDS["hazards and slip"]
    ours = RecordEpisodeStatistics(MazeVectorEnv(N, autoreset_mode=mode, **settings))
    theirs = RecordEpisodeStatistics(sync(N, mode, **settings))
    assert (ours.reset(seed=0)[0] == theirs.reset(seed=0)[0]).all()
    rng = np.random.default_rng(0)
    for _ in range(200):
        actions = rng.integers(0, 4, N)
        a, b = ours.step(actions)[-1], theirs.step(actions)[-1]
        assert ("episode" in a) == ("episode" in b)
        if "episode" in a:
            assert all((a["episode"][key] == b["episode"][key]).all() for key in ("r", "l"))
    assert ours.return_queue == theirs.return_queue
    assert len(ours.return_queue) == 100
    assert ours.length_queue == theirs.length_queue


def test_rewards_can_be_clipped_and_transformed() -> None:
    settings = {**WORLDS["hazards and slip"], "autoreset_mode": AutoresetMode.SAME_STEP}
    plain = MazeVectorEnv(N, **settings)
    clipped = ClipReward(MazeVectorEnv(N, **settings), -0.5, 0.5)
    doubled = TransformReward(MazeVectorEnv(N, **settings), lambda rewards: 2 * rewards)
    for env in (plain, clipped, doubled):
        env.reset(seed=3)
    for _ in range(60):
        rewards = plain.step(np.full(N, RIGHT))[1]
        assert (clipped.step(np.full(N, RIGHT))[1] == np.clip(rewards, -0.5, 0.5)).all()
        assert (doubled.step(np.full(N, RIGHT))[1] == 2 * rewards).all()


def test_planes_can_be_normalised() -> None:
    env = NormalizeObservation(MazeVectorEnv(N, observation="planes", random_start=True))
    env.reset(seed=0)
    seen = [env.step(np.full(N, a))[0] for a in np.random.default_rng(0).integers(0, 4, 50)][-1]
    assert seen.shape == (N, 7, 5, 5)
    assert np.isfinite(seen).all()


def test_infos_can_be_turned_into_lists() -> None:
    env = DictInfoToList(MazeVectorEnv(3, Maze.open(1, 2), autoreset_mode=AutoresetMode.SAME_STEP))
    env.reset(seed=0)
    infos = env.step(np.array([RIGHT, UP, RIGHT]))[-1]
    assert [info.get("final_obs") for info in infos] == [1, None, 1]
    assert infos[0]["final_info"]["position"].tolist() == [0, 1]
    assert [info["position"].tolist() for info in infos] == [[0, 0]] * 3


@pytest.mark.parametrize("vector", [True, False])
def test_episodes_can_be_filmed(vector: bool, tmp_path: Any) -> None:
    pytest.importorskip("moviepy", reason="Gymnasium films with moviepy")
    settings: dict[str, Any] = {"render_mode": "rgb_array", "max_episode_steps": 5}
    films: dict[str, Any] = {"video_folder": str(tmp_path / "films"), "episode_trigger": lambda i: i == 0}
    if vector:
        envs = gymnasium.make_vec("clew/Maze-v0", num_envs=4, **settings)
        env: Any = gymnasium.wrappers.vector.RecordVideo(envs, **films)
    else:
        env = gymnasium.wrappers.RecordVideo(gymnasium.make("clew/Maze-v0", **settings), **films)
    env.reset(seed=0)
    for _ in range(5):
        env.step(np.full(4, RIGHT) if vector else RIGHT)
    env.close()
    assert [path.suffix for path in (tmp_path / "films").iterdir()] == [".mp4"]


# Rendering ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("render_mode", ["ansi", "rgb_array", "human"])
def test_every_copy_is_drawn_as_by_itself(render_mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {**WORLDS["everything"], "render_mode": render_mode}
    ours, theirs = MazeVectorEnv(3, **settings), sync(3, **settings)
    printed = []
    for env in (ours, theirs):
        env.reset(seed=0)
        env.step(np.full(3, DOWN))
        capsys.readouterr()
        frames = env.render()
        printed.append((np.array(frames).tolist(), capsys.readouterr().out))
    assert printed[0] == printed[1]
    assert render_mode == "human" or any(not np.array_equal(frames[0], frame) for frame in frames)


def test_copies_are_shown_as_they_go(capsys: pytest.CaptureFixture[str]) -> None:
    env = MazeVectorEnv(2, Maze.open(1, 3), render_mode="human")
    for do in (lambda: env.reset(seed=0), lambda: env.step([RIGHT, UP])):
        do()
        assert capsys.readouterr().out.count("G") == 2


def test_before_reset_nobody_is_drawn_and_without_a_mode_nothing() -> None:
    first = MazeVectorEnv(2, Maze.open(1, 3, start=(0, 1)), render_mode="ansi").render()
    assert first == (Environment(Maze.open(1, 3, start=(0, 1)), render_mode="ansi").render(),) * 2
    with pytest.warns(UserWarning, match="render_mode"):
        assert MazeVectorEnv(2).render() is None


# Invalid calls --------------------------------------------------------------------------------------------------------

ACTION = r"action must be 0 \(down\), 1 \(left\), 2 \(up\) or 3 \(right\), not"


ANY_ITERATOR = "an iterator over 0, 1, 9"


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        (np.array([0, 4, -1]), rf"copy 1: {ACTION} np\.int64\(4\)"),
        (np.array([0, 1, -1], np.int8), rf"copy 2: {ACTION} np\.int8\(-1\)"),
        (np.array([0, 1, 2**64 - 1], np.uint64), rf"copy 2: {ACTION} np\.uint64\(18446744073709551615\)"),
        ([0, 1, 2**80], rf"copy 2: {ACTION} 1208925819614629174706176"),
        ([0, True, 1], rf"copy 1: {ACTION} True"),
        ([0, 1, None], rf"copy 2: {ACTION} None"),
        ([0, [1], 2], rf"copy 1: {ACTION} \[1\]"),
        (
            np.array([0.0, 1.5, 2.0]),
            rf"copy 0: {ACTION} np\.float64\(0\.0\); actions must be whole numbers \(integers\): use actions\.astype",
        ),
        ([0, 1.0, 2], rf"copy 1: {ACTION} 1\.0; actions must be whole numbers"),
        (np.array([True, False, True]), rf"copy 0: {ACTION} np\.True_"),
        (np.zeros((3, 1), int), rf"copy 0: {ACTION} array\(\[0\]\)"),
        (ANY_ITERATOR, rf"copy 2: {ACTION} 9"),
        ([0, 1], "actions must be one for each of the 3 copies, not 2"),
        (np.zeros(4, int), "actions must be one for each of the 3 copies, not 4"),
        ([], "actions must be one for each of the 3 copies, not 0"),
        (2, "actions must be an array of integers, not 2"),
        (np.array(2), r"actions must be an array of integers, not array\(2\)"),
        (None, "actions must be an array of integers, not None"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_bad_actions_name_the_copy_and_nothing_has_moved(mode: AutoresetMode, actions: Any, said: str) -> None:
    actions = iter([0, 1, 9]) if actions is ANY_ITERATOR else actions
    env = MazeVectorEnv(3, autoreset_mode=mode, slip=0.5, random_start=True)
    env.reset(seed=0)
    env.step([0, 1, 0])
    before = counts(env)
    with pytest.raises(SettingError, match=said):
        env.step(actions)
    assert counts(env) == before
    env.step([0, 1, 2])


@pytest.mark.parametrize(
    "given", [list, tuple, iter, np.array, lambda a: np.array(a, np.uint8), lambda a: np.array(a, object)]
)
def test_integers_in_whatever_holds_them_are_actions(given: Callable[[Any], Any]) -> None:
    env = MazeVectorEnv(4, Maze.open(3, 3, start=(1, 1)))
    env.reset(seed=0)
    assert env.step(given([DOWN, LEFT, UP, RIGHT]))[0].tolist() == [7, 3, 1, 5]


def test_an_array_with_gaps_holds_actions_too() -> None:
    env = MazeVectorEnv(4, Maze.open(3, 3, start=(1, 1)))
    env.reset(seed=0)
    assert env.step(np.array([[DOWN, 9], [LEFT, 9], [UP, 9], [RIGHT, 9]])[:, 0])[0].tolist() == [7, 3, 1, 5]


def test_a_copy_that_begins_anew_is_not_asked_for_an_action() -> None:
    env = MazeVectorEnv(2, Maze.open(1, 2))
    env.reset(seed=0)
    assert env.step([RIGHT, UP])[2].tolist() == [True, False]
    with pytest.raises(SettingError, match=f"copy 1: {ACTION} 9"):
        env.step([9, 9])
    states, rewards, terminated, _, _ = env.step([9, RIGHT])
    assert (states.tolist(), rewards.tolist(), terminated.tolist()) == ([0, 1], [0.0, 1.0], [False, True])


def test_without_autoreset_a_copy_whose_episode_is_over_takes_no_step() -> None:
    env = MazeVectorEnv(2, Maze.open(1, 2), autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    env.step([UP, RIGHT])
    before = counts(env)
    with pytest.raises(SettingError, match="copy 1: its episode is over; begin another by reset"):
        env.step([UP, UP])
    assert counts(env) == before
    env.reset(options={"reset_mask": np.array([False, True])})
    assert env.step([UP, UP])[0].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_envs": 0}, "num_envs must be a whole number from 1 to 2,147,483,647, not 0"),
        ({"num_envs": -1}, "num_envs .*-1"),
        ({"num_envs": 2.0}, r"num_envs .*2\.0"),
        ({"num_envs": True}, "num_envs .*True"),
        ({"num_envs": 2**31}, "num_envs .*2147483648"),
        ({"num_envs": 2**31 - 1}, "2,147,483,647 copies would take"),
        ({"num_envs": 2**20, "maze": Maze.open(50, 50), "observation": "planes"}, "1,048,576 copies would take"),
        (
            {"autoreset_mode": "sometimes"},
            "autoreset_mode must be one of NextStep, SameStep",
        ),
        ({"observation": "pixels"}, "observation must be one of .*, not 'pixels'"),
        ({"slip": 2.0}, "slip must be"),
        ({"render_mode": "svg"}, "render_mode must be one of .*, not 'svg'"),
    ],
)
def test_a_setting_that_can_not_be_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        MazeVectorEnv(**settings)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seed": -1}, "copy 0: seed must be a whole number, and not negative, not -1"),
        ({"seed": 1.5}, r"copy 0: seed .* not 1\.5"),
        ({"seed": [1, 2]}, "seed must have one for each of the 3 copies, not 2"),
        ({"seed": [1, 2, -3]}, "copy 2: seed .*-3"),
        ({"seed": [1, "x", 3]}, "copy 1: seed .*'x'"),
        ({"options": {"reset_mask": [True, False, True]}}, "reset_mask must be a NumPy array of 3 bools"),
        ({"options": {"reset_mask": np.array([1, 0, 1])}}, "reset_mask must be a NumPy array of 3 bools"),
        ({"options": {"reset_mask": np.array([True])}}, "reset_mask must be a NumPy array of 3 bools"),
        ({"options": {"reset_mask": np.zeros(3, bool)}}, "reset_mask must choose at least one copy"),
    ],
)
def test_a_reset_that_can_not_be_begins_nothing(arguments: dict[str, Any], said: str) -> None:
    env = MazeVectorEnv(3, random_start=True)
    env.reset(seed=0)
    before = counts(env), env.np_random_seed
    with pytest.raises(SettingError, match=said):
        env.reset(**arguments)
    assert (counts(env), env.np_random_seed) == before


def test_nothing_can_be_done_before_reset() -> None:
    env = MazeVectorEnv(2)
    with pytest.raises(SettingError, match=r"call reset\(\) before step\(\)"):
        env.step([0, 0])
    with pytest.raises(SettingError, match=r"call reset\(\) without a reset_mask first"):
        env.reset(options={"reset_mask": np.array([True, False])})


def test_it_can_be_closed_twice() -> None:
    env = MazeVectorEnv(2)
    env.close()
    env.close()
    assert env.closed
