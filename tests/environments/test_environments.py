"""Mazes as Gymnasium environments."""

import pickle
import subprocess
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

import oracles_mazes
from clew.environments import Environment, ModelEnvironment, as_compiled
from clew.errors import MazeError, SettingError
from clew.mazes import Maze

DOWN, LEFT, UP, RIGHT = range(4)

HAZARDS = "S!..\n.#.!\n...G\n"
THIN = "+---+---+\n| S |   |\n+   +   +\n|   | G |\n+   +   +\n|       |\n+---+---+\n"
GOALS = "G..\n.S.\n..G\n"
TWO_ROOMS = ".#!G\nS#..\n"

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "wall column with a gap": {"maze": Maze.open(10, 10, obstacles=[(row, 4) for row in range(10) if row != 7])},
    "outer walls hurt": {"outer_wall_reward": -100.0},
    "random start": {"random_start": True},
    "random goal": {"random_goal": True},
    "random both": {"random_start": True, "random_goal": True},
    "slip": {"slip": 0.3},
    "hazards": {"maze": Maze.from_text(HAZARDS), "hazard_reward": -5.0},
    "thin walls": {"maze": Maze.from_text(THIN)},
    "several goals": {"maze": Maze.from_text(GOALS)},
}
everything = {"maze": Maze.from_text(HAZARDS), "random_start": True, "random_goal": True, "slip": 0.4}

Record = list[tuple[Any, ...]]


def play(env: Environment, num_steps: int, actions: np.random.Generator) -> Record:
    """Step through an environment with random actions, over several episodes, and record all results."""
    record: Record = []
    for action in actions.integers(0, 4, num_steps):
        record.append(env.step(action))
        if record[-1][2] or record[-1][3]:
            record.append(env.reset())
    return record


def rollout(env: Environment, seed: int) -> Record:
    return [env.reset(seed=seed), *play(env, 300, np.random.default_rng(0))]


def run_python(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


# Gymnasium's API ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("render_mode", [None, "ansi", "human", "rgb_array"])
@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_gymnasiums_checker_has_nothing_to_say(settings: dict[str, Any], render_mode: str | None) -> None:
    env = Environment(**settings, render_mode=render_mode)
    env.action_space.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_an_environment_can_be_made_again_from_its_specification(settings: dict[str, Any]) -> None:
    env = Environment(**settings)
    again = gymnasium.make(env.spec).unwrapped
    assert type(again) is Environment
    assert rollout(again, seed=3) == rollout(env, seed=3)


def test_the_default_is_the_chapters_maze() -> None:
    env = Environment()
    assert env.maze == Maze.open(5, 5)
    assert (env.observation_space.n, env.action_space.n, env.max_episode_steps) == (25, 4, 2500)
    assert env.reset(seed=0) == (0, {"position": (0, 0), "goal": (4, 4)})


def test_make_passes_its_settings_on() -> None:
    env = gymnasium.make("clew/Maze-v0", maze=Maze.open(3, 4), step_reward=-0.5, max_episode_steps=7)
    env.reset(seed=0)
    assert env.step(RIGHT) == (1, -0.5, False, False, {"position": (0, 1), "goal": (2, 3)})


MAKE = "print(gymnasium.make('clew/Maze-v0').observation_space.n)"


@pytest.mark.parametrize(
    "imports",
    [
        "import clew; import gymnasium",
        "import gymnasium; import clew",
        "import clew; from gymnasium.spaces import Discrete; import gymnasium",
        "import clew; clew.Environment; import gymnasium",
        "import clew, importlib.util; importlib.util.find_spec('gymnasium'); import gymnasium",
    ],
)
def test_gymnasium_knows_the_maze_in_whatever_order_of_imports(imports: str) -> None:
    assert run_python(f"{imports}; {MAKE}") == "25"


def test_importing_clew_imports_nothing_heavy() -> None:
    code = "import sys, clew; print([name for name in ('numba', 'ray', 'gymnasium', 'numpy') if name in sys.modules])"
    assert run_python(code) == "[]"


def test_an_environment_needs_no_ray() -> None:
    assert run_python("import sys, clew; clew.Environment().reset(seed=0); print('ray' in sys.modules)") == "False"


# Moves ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "position"), [(DOWN, (2, 1)), (LEFT, (1, 0)), (UP, (0, 1)), (RIGHT, (1, 2))], ids=["↓", "←", "↑", "→"]
)
def test_actions_are_in_the_chapters_order(action: int, position: tuple[int, int]) -> None:
    env = Environment(Maze.open(3, 4, start=(1, 1)))
    env.reset(seed=0)
    state, *_, info = env.step(action)
    assert (state, info["position"]) == (position[0] * 4 + position[1], position)


def test_rewards_of_all_that_a_move_meets_add_up() -> None:
    env = Environment(
        Maze.from_text("S!G\n.#.\n"), goal_reward=8.0, step_reward=-0.5, outer_wall_reward=-100.0, hazard_reward=-4.0
    )
    env.reset(seed=0)
    moves = [
        (UP, 0, -100.5),  # into the edge
        (RIGHT, 1, -4.5),  # into the hazard
        (DOWN, 1, -0.5),  # into a blocked cell, which isn't the outer wall, from the hazard
        (UP, 1, -100.5),  # into the edge, from the hazard
        (LEFT, 0, -0.5),  # away from the hazard
        (RIGHT, 1, -4.5),
        (RIGHT, 2, 7.5),  # into the goal
    ]
    for action, state, reward in moves:
        assert env.step(action)[:3] == (state, reward, state == 2)


def test_a_thin_wall_stops_a_move_and_is_no_outer_wall() -> None:
    env = Environment(Maze.from_text(THIN), outer_wall_reward=-100.0)
    env.reset(seed=0)
    assert [env.step(action)[:3] for action in (RIGHT, DOWN, RIGHT, DOWN, RIGHT, UP)] == [
        (0, 0.0, False),
        (2, 0.0, False),
        (2, 0.0, False),
        (4, 0.0, False),
        (5, 0.0, False),
        (3, 1.0, True),
    ]


@pytest.mark.parametrize(("edge", "place"), [(DOWN, (2, 1)), (LEFT, (1, 0)), (UP, (0, 1)), (RIGHT, (1, 2))])
def test_only_the_edge_of_the_grid_is_outer_wall(edge: int, place: tuple[int, int]) -> None:
    env = Environment(Maze.open(3, 3, start=place), outer_wall_reward=-100.0)
    rewards = []
    for action in range(4):
        env.reset(seed=0)
        state, reward, *_ = env.step(action)
        rewards.append(reward - (state == 8))
    assert rewards == [-100.0 if action == edge else 0.0 for action in range(4)]


@pytest.mark.parametrize("goal", [(0, 0), (2, 2)])
def test_every_goal_ends_the_episode(goal: tuple[int, int]) -> None:
    env = Environment(Maze.from_text(GOALS))
    env.reset(seed=0)
    actions = (UP, LEFT) if goal == (0, 0) else (DOWN, RIGHT)
    assert env.step(actions[0])[1:4] == (0.0, False, False)
    assert env.step(actions[1]) == (goal[0] * 3 + goal[1], 1.0, True, False, {"position": goal, "goal": (0, 0)})


def test_slip_sends_half_to_each_side() -> None:
    n, slip = 20_000, 0.3
    env = Environment(Maze.open(5, 5, start=(2, 2)), slip=slip)
    env.reset(seed=0)
    counts = [0, 0, 0, 0]  # straight on, then turned by one, two and three quarters
    for action in [DOWN, LEFT, UP, RIGHT] * (n // 4):
        went = (17, 11, 7, 13).index(env.step(action)[0])  # the cells below, left, above and right
        counts[(went - action) % 4] += 1
        env.reset()
    assert counts[2] == 0
    for count, probability in ((counts[0], 1 - slip), (counts[1], slip / 2), (counts[3], slip / 2)):
        assert abs(count - n * probability) < 4 * np.sqrt(n * probability * (1 - probability))


# Start states ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [HAZARDS, GOALS, THIN, TWO_ROOMS.replace("S", ".")])
def test_a_random_start_is_any_safe_cell_with_a_way_to_a_goal(text: str) -> None:
    maze = Maze.from_text(text)
    distances = oracles_mazes.distances(maze.cells, maze.goals)
    wanted = [
        row * maze.columns + column
        for row, column in np.ndindex(maze.cells.shape)
        if distances[row][column] > 0 and not maze.hazards[row, column]
    ]
    env = Environment(maze, random_start=True)
    env.reset(seed=0)
    assert {env.reset()[0] for _ in range(100 * len(wanted))} == set(wanted)


@pytest.mark.parametrize("random_start", [True, False])
@pytest.mark.parametrize("text", [HAZARDS, THIN, "S.#.\n..#!\n"])
def test_a_random_goal_is_any_other_safe_cell_with_a_way_to_it(text: str, random_start: bool) -> None:
    maze = Maze.from_text(text)
    safe = [place for place in np.ndindex(maze.cells.shape) if not (maze.blocked | maze.hazards)[place]]
    pairs = {
        (goal, start)
        for goal in safe
        for start in (safe if random_start else [maze.start])
        if oracles_mazes.steps_between(maze.cells, start, [goal]) > 0
    }
    env = Environment(maze, random_start=random_start, random_goal=True)
    env.reset(seed=0)
    infos = [env.reset()[1] for _ in range(30 * len(pairs))]
    assert {(info["goal"], info["position"]) for info in infos} == pairs
    assert env.mdp.starts.size == len(pairs)  # each is listed once, so all are equally likely


def test_the_state_names_a_random_goal() -> None:
    env = Environment(**everything)
    num_cells = env.maze.cells.size
    assert env.observation_space.n == num_cells**2
    seen = env.reset(seed=0), *play(env, 500, np.random.default_rng(1))
    for state, *_, info in seen:
        (row, column), (goal_row, goal_column) = info["position"], info["goal"]
        assert state == (goal_row * 4 + goal_column) * num_cells + row * 4 + column


def test_an_episode_ends_on_its_own_random_goal_and_not_on_the_mazes() -> None:
    env = Environment(Maze.open(1, 3), random_goal=True)
    info = env.reset(seed=0)[1]
    while info["goal"] != (0, 1):
        info = env.reset()[1]
    assert env.step(RIGHT)[1:4] == (1.0, True, False)
    while info["goal"] != (0, 2):
        info = env.reset()[1]
    assert env.step(RIGHT)[1:4] == (0.0, False, False)
    assert env.step(RIGHT)[1:4] == (1.0, True, False)


# End of episodes ------------------------------------------------------------------------------------------------------


def test_the_step_limit_truncates_and_does_not_terminate() -> None:
    env = Environment(max_episode_steps=3)
    for _ in range(2):  # steps are counted per episode
        env.reset(seed=0)
        assert [env.step(UP)[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]


def test_the_goal_on_the_very_last_step_terminates_and_truncates_as_in_a_time_limit() -> None:
    limited = Environment(Maze.open(1, 4), max_episode_steps=3)
    for env in (
        limited,
        ModelEnvironment(limited.mdp, max_episode_steps=3),
        TimeLimit(Environment(Maze.open(1, 4)), 3),
    ):
        for _ in range(2):  # steps are counted per episode
            env.reset(seed=0)
            steps = [env.step(RIGHT)[1:4] for _ in range(3)]
            assert steps == [(0.0, False, False), (0.0, False, False), (1.0, True, True)]


def test_the_step_limit_is_a_hundred_steps_a_free_cell_unless_told() -> None:
    assert Environment(Maze.open(4, 5, obstacles=[(1, 1), (2, 2)])).max_episode_steps == 1800
    assert Environment(max_episode_steps=1).max_episode_steps == 1


# Randomness -----------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_rollout() -> None:
    env = Environment(**everything)
    first = rollout(env, seed=5)
    assert rollout(Environment(**everything), seed=5) == first
    assert rollout(env, seed=5) == first  # reset with the same seed starts the stream again


def test_other_seeds_give_other_rollouts() -> None:
    env = Environment(**everything)
    rollouts = [rollout(env, seed) for seed in range(20)]
    assert all(a != b for i, a in enumerate(rollouts) for b in rollouts[:i])


def test_reset_without_a_seed_goes_on_with_the_draws() -> None:
    env = Environment(random_start=True)
    starts = [env.reset(seed=0)[0], *(env.reset()[0] for _ in range(20))]
    assert len(set(starts)) > 5
    assert [env.reset(seed=0)[0], *(env.reset()[0] for _ in range(20))] == starts


@pytest.mark.parametrize("settings", [*VARIANTS.values(), everything], ids=[*VARIANTS, "everything"])
def test_an_environment_pickled_in_mid_episode_goes_on_as_before(settings: dict[str, Any]) -> None:
    env = Environment(**settings)
    env.reset(seed=1)
    play(env, 17, np.random.default_rng(2))
    copy = pickle.loads(pickle.dumps(env))
    assert play(copy, 300, np.random.default_rng(3)) == play(env, 300, np.random.default_rng(3))


# Invalid settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"maze": "book"}, SettingError, "maze must be a Maze, not str"),
        ({"render_mode": "svg"}, SettingError, "render_mode must be one of ansi, human, rgb_array, not 'svg'"),
        ({"max_episode_steps": 0}, SettingError, "max_episode_steps must be a whole number from 1 to .*, not 0"),
        ({"max_episode_steps": -3}, SettingError, "max_episode_steps must be a whole number from 1 to .*, not -3"),
        ({"max_episode_steps": 2.5}, SettingError, "max_episode_steps .*2.5"),
        ({"max_episode_steps": float("nan")}, SettingError, "max_episode_steps .*nan"),
        ({"slip": -0.1}, SettingError, r"slip must be a finite number in \[0, 1\], not -0.1"),
        ({"slip": 1.5}, SettingError, r"slip must be a finite number in \[0, 1\], not 1.5"),
        ({"slip": float("nan")}, SettingError, r"slip must be a finite number in \[0, 1\], not nan"),
        (
            {"goal_reward": float("inf")},
            SettingError,
            "goal_reward must be a finite number, not inf",
        ),
        (
            {"step_reward": float("nan")},
            SettingError,
            "step_reward must be a finite number, not nan",
        ),
        (
            {"outer_wall_reward": float("-inf")},
            SettingError,
            "outer_wall_reward must be a finite number, not -inf",
        ),
        (
            {"hazard_reward": float("nan")},
            SettingError,
            "hazard_reward must be a finite number, not nan",
        ),
        ({"maze": Maze.open(2, 2, start=None)}, SettingError, "the maze has no start"),
        ({"maze": Maze.from_text("S.\n")}, SettingError, "the maze has no goal"),
        ({"maze": Maze.from_text(".#G\n"), "random_start": True}, SettingError, "there is no cell to start in"),
        (
            {"maze": Maze.from_text("S#.\n"), "random_goal": True},
            SettingError,
            "there is no start state: no two free cells",
        ),
        ({"maze": Maze.open(216, 216), "random_goal": True}, SettingError, "46,656 squared states, more than"),
    ],
)
def test_a_setting_that_can_not_be_is_refused_by_name_and_value(settings, error: type[ValueError], said: str) -> None:
    assert issubclass(error, ValueError)
    with pytest.raises(error, match=said):
        Environment(**settings)


BAD_ACTIONS = [4, -1, 1.0, 0.5, float("nan"), True, np.False_, np.float64(2), None, "up", 1 + 0j, np.array([1]), (0, 1)]


@pytest.mark.parametrize("action", BAD_ACTIONS, ids=repr)
def test_what_is_no_action_is_refused_by_value_and_changes_nothing(action: object) -> None:
    env = Environment(max_episode_steps=2)
    env.reset(seed=0)
    with pytest.raises(SettingError) as caught:
        env.step(action)
    assert str(caught.value).endswith(f"not {action!r}")
    assert [env.step(RIGHT)[0:4] for _ in range(2)] == [(1, 0.0, False, False), (2, 0.0, False, True)]


@pytest.mark.parametrize("kind", [int, np.int8, np.uint8, np.int64, np.uint64, np.array])
def test_integers_of_any_kind_are_actions(kind) -> None:
    env = Environment()
    env.reset(seed=0)
    assert env.step(kind(RIGHT))[0] == 1


@pytest.mark.parametrize("use", [lambda env: env.step(0), lambda env: env.position], ids=["step", "position"])
def test_nothing_can_be_done_before_reset(use) -> None:
    with pytest.raises(SettingError, match=r"reset\(\)"):
        use(Environment())


# as_compiled ----------------------------------------------------------------------------------------------------------


class Generous(Environment):
    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        state, reward, terminated, truncated, info = super().step(action)
        return state, reward + 1.0, terminated, truncated, info


class GenerousWrapper(gymnasium.RewardWrapper):
    def reward(self, reward: float) -> float:
        return reward + 1.0


class GenerousChecker(PassiveEnvChecker):
    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        state, reward, terminated, truncated, info = super().step(action)
        return state, reward + 1.0, terminated, truncated, info


@pytest.mark.parametrize(
    "wrap", [OrderEnforcing, PassiveEnvChecker, lambda env: OrderEnforcing(PassiveEnvChecker(env))]
)
def test_wrappers_that_only_check_are_looked_through(wrap) -> None:
    env = Environment()
    assert as_compiled(env) is env
    assert as_compiled(wrap(env)) is env


def test_what_make_gives_is_looked_through() -> None:
    env = gymnasium.make("clew/Maze-v0")
    assert env is not env.unwrapped
    assert as_compiled(env) is env.unwrapped


def test_a_robot_is_seen_to_turn() -> None:
    forward, turn_left, turn_right = range(3)
    env = Environment(Maze.open(1, 3), moves="robot", render_mode="ansi")
    pixels = Environment(Maze.open(1, 3), moves="robot", render_mode="rgb_array")
    assert env.heading is None
    env.reset(seed=0)
    pixels.reset(seed=0)
    seen, painted = [(env.render(), env.heading)], {pixels.render().tobytes()}
    for action in (turn_right, turn_right, turn_right, forward, turn_left):
        env.step(action)
        pixels.step(action)
        seen.append((env.render(), env.heading))
        painted.add(pixels.render().tobytes())
    assert seen == [("↓.G\n", 0), ("←.G\n", 1), ("↑.G\n", 2), ("→.G\n", 3), (".→G\n", 3), (".↑G\n", 2)]
    assert len(painted) == 6
    assert Environment().heading is None


def test_nothing_follows_the_end_of_an_episode_but_another() -> None:
    for settings, action in (({"maze": Maze.open(1, 2)}, RIGHT), ({"max_episode_steps": 1}, UP)):
        env = Environment(**settings)
        env.reset(seed=0)
        assert any(env.step(action)[2:4])
        with pytest.raises(SettingError, match=r"the episode is over; begin another by reset\(\)"):
            env.step(LEFT)
        env.reset()
        env.step(LEFT)


@pytest.mark.parametrize("name", ["random_start", "random_goal"])
def test_a_flag_is_true_or_false(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name} must be True or False, not 'no'"):
        Environment(**{name: "no"})


def test_numbers_of_numpys_are_numbers() -> None:
    """NumPy's integers overflow, and the largest float64 is infinite as float32."""
    env = Environment(Maze.open(np.int8(20), np.int8(20)), slip=np.float32(0.5), random_goal=np.True_)
    assert env.encode((np.int8(19), np.int8(19)), (np.int8(19), np.int8(18))) == 398 * 400 + 399
    with pytest.raises(MazeError, match="is too large"):
        Maze.open(np.int32(65536), np.int32(65536))


@pytest.mark.parametrize(
    ("limited", "limit"),
    [
        (TimeLimit(Environment(max_episode_steps=20), 10), 10),
        (TimeLimit(Environment(max_episode_steps=20), 30), 20),
        (OrderEnforcing(TimeLimit(TimeLimit(Environment(), 30), 10)), 10),
        (TimeLimit(OrderEnforcing(Environment()), 10), 10),
        (TimeLimit(ModelEnvironment(Environment().mdp, max_episode_steps=20), 10), 10),
        (gymnasium.make("clew/Maze-v0", max_episode_steps=10), 10),
    ],
    ids=["less", "more", "inside", "outside", "a model's", "of make"],
)
def test_of_several_step_limits_the_least_holds(limited: Any, limit: int) -> None:
    compiled = as_compiled(limited)
    assert compiled is not None
    assert compiled.max_episode_steps == limit
    assert (compiled.mdp, compiled.actions) == (limited.unwrapped.mdp, limited.unwrapped.actions)
    assert compiled.has_goal == isinstance(limited.unwrapped, Environment)


@pytest.mark.parametrize(
    "env",
    [
        Generous(),
        GenerousWrapper(Environment()),
        GenerousChecker(Environment()),
        TimeLimit(GenerousWrapper(Environment()), 10),
        OrderEnforcing(Generous()),
        gymnasium.make("Blackjack-v1"),
        None,
    ],
    ids=[
        "subclass",
        "reward wrapper",
        "subclass of a known wrapper",
        "reward wrapper in a time limit",
        "subclass inside",
        "another world",
        "no environment",
    ],
)
def test_whatever_may_change_a_step_is_not_looked_through(env: Any) -> None:
    assert as_compiled(env) is None
