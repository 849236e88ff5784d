"""Faults that gave a wrong figure without a word, or lost work: one test each, by the letter and number of the fault.

Faults of `clew.book` are in test_book.py, those of the page in tests/web, and those of signals in tests/cli.
"""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from contextlib import nullcontext
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import TimeAwareObservation
from PIL import Image

import clew
from clew.errors import RunError
from clew.evaluation import exact, grades
from clew.figures.films import Film
from clew.kernels import cache
from clew.learning.checkpoints import Checkpoints
from clew.mazes.formats.pictures import parse_picture
from clew.runs.run import open_partial_run, open_run, train_run


def run_clew(*words: str, **options) -> subprocess.CompletedProcess:
    """Run the command line in a process of its own."""
    return subprocess.run([sys.executable, "-m", "clew", *words], capture_output=True, timeout=300, **options)


# A. Wrong without a word ----------------------------------------------------------------------------------------------


def ring(n: int) -> clew.FiniteMDP:
    """A world that never ends: a ring of n states, in which one action stays and the other goes on."""

    def step(s, a):
        return [(0.9, (s + a) % n, 0.0, False), (0.1, s, float(s == 0), False)]

    return clew.FiniteMDP.from_function(n, 2, step, starts=[0])


def test_a2_values_that_are_not_proved_to_the_tolerance_are_said(monkeypatch):
    monkeypatch.setattr(exact, "MAX_ROWS", 1000)
    mdp = ring(100)
    q = np.tile([0.0, 1.0], (100, 1)) * np.arange(2, 102)[:, None]
    assert clew.policy_values(mdp, q, gamma=0.999).bound <= 1e-6  # not by sweeps
    with pytest.warns(clew.PrecisionWarning, match="proved to within .* not to within the tolerance of 1e-15"):
        clew.policy_values(mdp, q, gamma=0.999, tolerance=1e-15)
    optimum = clew.solve(mdp, gamma=0.999)
    assert clew.evaluate_values(mdp, q, gamma=0.999, optimum=optimum).suboptimality_bound <= 2e-6
    evaluation = clew.evaluate_policy(mdp, clew.Policy(mdp, q=q), 2, gamma=0.999, optimum=optimum)
    assert evaluation.suboptimality_bound <= 2e-6
    assert evaluation.mean_steps == 10_000


def test_a2_no_grade_is_made_of_an_optimum_that_is_not_proved(monkeypatch):
    mdp = ring(20)
    optimum = clew.solve(mdp)
    monkeypatch.setattr(grades, "find_optimum", lambda mdp, gamma: replace(optimum, bound=9e-5))
    with pytest.raises(clew.PrecisionError, match="the optimal values are proved to within 9e-05 only"):
        clew.evaluate_values(mdp, optimum.q)
    with pytest.warns(clew.PrecisionWarning, match="the optimal values are proved to within 9e-05 only"):
        evaluation = clew.evaluate_policy(mdp, clew.Policy(mdp, q=optimum.q), 2)
    assert (evaluation.suboptimality, evaluation.optimal_return) == (None, None)
    assert clew.evaluate_values(mdp, optimum.q, optimum=optimum).optimal_states == 1.0


def test_a2_a_solution_that_rounding_keeps_from_the_tolerance_is_said():
    with pytest.warns(clew.PrecisionWarning, match="not to within the tolerance of 1e-12"):
        clew.solve(clew.Environment(clew.Maze.open(4, 4), goal_reward=1e6), tolerance=1e-12)


def test_a2_exact_values_are_given_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mdp = ring(20)
        assert clew.policy_values(mdp, clew.solve(mdp).q).bound < 1e-6


def test_a3_an_action_without_outcomes_is_not_an_end_of_value_0():
    def step(s, a):
        return [] if s == 2 or (s, a) == (1, 1) else [(1.0, s + 1, -1.0, s == 1)]

    mdp = clew.FiniteMDP.from_function(3, 2, step)
    assert not mdp.available[1, 1]
    assert clew.solve(mdp, gamma=0.5).v.tolist() == [-1.5, -1.0, 0.0]


def test_a4_a_table_of_probabilities_is_not_read_as_action_values():
    env = clew.Environment(clew.Maze.open(1, 2))
    table = np.full((2, 4), [0.7, 0.3, 0.0, 0.0])
    functions = clew.policy_values, clew.policy_steps, clew.policy_gain, clew.policy_statistics
    for evaluate in (*functions, clew.evaluate_values, clew.evaluate_policy):
        with pytest.raises(clew.SettingError, match=r"policy can be read in two ways: .* clew\.Policy\.from_prob"):
            evaluate(env, table)
        evaluate(env, clew.Policy(env, q=table))
    assert clew.evaluate_values(env, clew.Policy(env, q=table)).optimal_starts == 0.0


def test_a4_a_table_of_probabilities_may_have_rows_of_zeros():
    env = clew.Environment(clew.Maze.open(1, 3))
    table = np.array([[0.7, 0.3, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0] * 4])
    for use, name in ((clew.policy_values, "policy"), (clew.policy_steps, "policy"), (clew.draw, "what")):
        for given in (table, table.astype(np.float32), table.tolist()):
            with pytest.raises(clew.SettingError, match=f"{name} can be read in two ways: its rows sum to 1"):
                use(env, given)
        use(env, clew.Policy(env, q=table))
        for learned in ([[0, 0, 0, 1]] * 2 + [[0] * 4], [[0] * 4] * 3, 2.0 * table, table - 1.0):
            use(env, learned)
    with pytest.raises(clew.SettingError, match="what can be read in two ways: its rows sum to 1"):
        clew.draw(env, np.full((3, 4), 0.25))
    assert clew.draw(env, table, show="visits").picture.label == "visits"


def test_a4_a_film_shows_a_table_that_looks_like_probabilities():
    env = clew.Environment(clew.Maze.open(1, 3))
    film = Film(env, 1, clew.solve(env))
    film.add(np.array([[0.0] * 4, [0.5, 0.0, 0.0, 0.5], [0.0] * 4], np.float32), 1)
    assert len(film.frames) == 1


def test_a5_a_world_that_never_ends_and_only_costs_is_refused_without_a_discount():
    def step(s, a):
        return [(1.0, (s + a) % 3, -1.0, False)]

    for f in (step, lambda s, a: [(0.5, 0, -1.0, False), (0.5, 1, -2.0, False)]):
        mdp = clew.FiniteMDP.from_function(3, 2, f)
        with pytest.raises(clew.SettingError, match=r"gamma must be below 1 here: from start state 0 .* lose without"):
            clew.solve(mdp, gamma=1.0)
        assert np.isfinite(clew.solve(mdp, gamma=0.9).v).all()


def last_steps(envs, num_envs, limit):
    envs.reset(seed=0)
    for _ in range(limit):
        result = envs.step(np.full(num_envs, 3))
    return result[2].tolist(), result[3].tolist()


def test_a6_the_last_permitted_step_may_be_terminated_and_truncated():
    maze, limit = clew.Maze.open(1, 4), 3
    kwargs = {"maze": maze, "max_episode_steps": limit}
    ours = clew.MazeVectorEnv(2, maze, max_episode_steps=limit)
    sync = gymnasium.make_vec("clew/Maze-v0", 2, "sync", **kwargs)
    assert last_steps(ours, 2, limit) == last_steps(sync, 2, limit) == ([True, True], [True, True])
    env = clew.Environment(maze, max_episode_steps=limit)
    assert env.spec.max_episode_steps == ours.spec.max_episode_steps == limit
    made = gymnasium.make(env.spec)  # in a TimeLimit
    for each in (env, made):
        each.reset(seed=0)
        assert [each.step(3)[2:4] for _ in range(limit)] == [(False, False), (False, False), (True, True)]
    assert TimeAwareObservation(clew.Environment(maze)).reset(seed=0)[0] is not None
    assert gymnasium.make("clew/Maze-v0", maze=maze).spec.max_episode_steps == 400
    assert gymnasium.make_vec(ours.spec).spec.max_episode_steps == limit


def test_a8_success_needs_a_declared_goal():
    lake = clew.make_gymnasium("FrozenLake-v1")
    grade = clew.evaluate_policy(lake, clew.Policy(lake), 1000)  # walks at random, and into holes
    assert grade.terminated_rate > 0.95
    assert grade.success_rate == grade.mean_return < 0.05
    maze = clew.Environment(clew.Maze.open(3, 3))
    assert clew.evaluate_policy(maze, clew.train_policy(maze, 500)).success_rate == 1.0
    mdp = clew.FiniteMDP.from_function(2, 1, lambda s, a: [] if s else [(1.0, 1, -100.0, True)])
    grade = clew.evaluate_policy(mdp, clew.Policy(mdp))
    assert (grade.success_rate, grade.terminated_rate) == (None, 1.0)
    declared = clew.ModelEnvironment(mdp, has_goal=True)
    assert clew.evaluate_policy(declared, clew.Policy(mdp)).success_rate == 1.0
    cliff = clew.gallery.make_world("cliff")
    best = clew.Policy(cliff, q=clew.solve(cliff, gamma=1.0).q)
    assert clew.evaluate_policy(cliff, best, gamma=1.0).success_rate == 1.0


@pytest.mark.parametrize(
    ("goal_reward", "settings"),
    [(1e6, {"gamma": 1.0, "alpha": 0.01, "initial_value": 1.00005e6}), (1e8 + 1, {"gamma": 1.0, "alpha": 1.0})],
)
def test_a9_rewards_that_float32_loses_are_said_before_learning(goal_reward, settings):
    env = clew.Environment(clew.Maze.open(6, 6), goal_reward=goal_reward, step_reward=-1.0)
    with pytest.warns(clew.PrecisionWarning, match="rewards of 1 are lost beside values of .* scale the rewards"):
        clew.train_policy(env, 10, **settings)
    with pytest.warns(clew.PrecisionWarning, match="scale the rewards"):
        clew.train_policy_parallel(env, 10, num_actors=0, **settings)
    with pytest.warns(clew.PrecisionWarning, match="scale the rewards"):
        clew.Trainer(env, **settings)


def test_a9_a_whole_reward_that_is_no_float32_is_said():
    env = clew.Environment(clew.Maze.open(2, 2), goal_reward=2.0**24 + 1)
    with pytest.warns(clew.PrecisionWarning, match="a reward of 16777217 becomes 16777216 in float32"):
        clew.train_policy(env, 1)


def test_a9_ordinary_rewards_are_learned_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clew.train_policy(clew.Environment(clew.Maze.open(3, 3), step_reward=-0.1, goal_reward=100.0), 10)


class Chain(gymnasium.Env):
    """Eight states in a row; each step right costs 1, and the last pays much."""

    observation_space, action_space = gymnasium.spaces.Discrete(8), gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = 0
        return 0, {}

    def step(self, action):
        self.state = min(7, self.state + action)
        return self.state, 1e8 if self.state == 7 else -1.0, self.state == 7, False, {}


@pytest.mark.parametrize(
    ("train", "settings"),
    [
        (clew.train_policy, {}),
        (clew.train_policy_parallel, {"num_actors": 0, "sharing": "local"}),
        (clew.train_policy_parallel, {"num_actors": 0, "sharing": "central"}),
    ],
)
def test_a9_rewards_of_an_environment_without_a_model_are_known_after_it(train, settings):
    with pytest.warns(clew.PrecisionWarning, match="rewards of 1 are lost beside values of 1e\\+08"):
        train(Chain(), 50, alpha=1.0, gamma=1.0, **settings)


@pytest.mark.parametrize(
    ("rewards", "gamma"), [((-1.0, 1e8), 1.0), ((-0.01, 1e6), 1.0), ((0.0, 1.0), 1 - 1e-8), ((-1.0, 0.0), 0.9)]
)
def test_a9_values_of_float64_keep_their_greedy_actions(rewards, gamma):
    env = clew.Environment(clew.Maze.open(6, 6), step_reward=rewards[0], goal_reward=rewards[1])
    q = clew.solve(env, gamma=gamma).q
    policy = clew.Policy(env, q=q)
    assert (policy.greedy_actions() == (q >= q.max(axis=1, keepdims=True) - 1e-9 * abs(q.max()))).all()
    assert clew.evaluate_policy(env, policy, 20, gamma=gamma).mean_steps == 10


def test_a10_runs_and_checkpoints_keep_versions_and_others_are_refused(tmp_path, monkeypatch):
    env, folder = clew.Environment(), tmp_path / "checkpoints"
    clew.train_policy(env, 50, checkpoints=Checkpoints(folder, every=10))
    header = json.loads((Checkpoints(folder).folders[-1] / "checkpoint.json").read_text())
    assert header["versions"].keys() == {"clew", "kernels", "numpy", "numba", "python"}
    monkeypatch.setattr("clew.learning.checkpoints.SOURCES_SHA256", "another")
    with pytest.raises(RunError, match=r"was computed with kernels .* which is another now, so the result may differ"):
        clew.train_policy(env, 50, checkpoints=Checkpoints(folder, every=10))
    clew.train_policy(env, 50, checkpoints=Checkpoints(folder, every=10, other_versions=True))


def test_a10_a_run_folder_has_the_versions(tmp_path):
    assert run_clew("train", "book", "--episodes", "10", "--out", str(tmp_path / "run")).returncode == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["versions"]["numpy"] == np.__version__
    refused = run_clew("train", "book", "--other-versions")
    assert refused.returncode == 2
    assert b"--other-versions is for --resume" in refused.stderr


def test_a11_arrows_have_letters_where_the_output_is_not_utf8():
    result = run_clew("solve", "book", env={**os.environ, "PYTHONIOENCODING": "cp1252"})
    assert result.returncode == 0
    drawing = result.stdout.decode("cp1252").splitlines()[-5:]
    assert "?" not in "".join(drawing)
    assert set("".join(drawing)) <= set("v<^>G. ")


def test_a12_unexplored_cells_of_a_map_are_not_free(tmp_path):
    shades = np.array([[254, 205, 254], [254, 0, 254], [254, 254, 254]], np.uint8)
    for name, image in (
        ("map.png", Image.fromarray(shades)),
        ("rgb.png", Image.fromarray(shades).convert("RGB")),
        ("map.pgm", Image.fromarray(shades)),
    ):
        path = tmp_path / name
        image.save(path)
        assert clew.Maze.load(path).to_text() == ".#.\n.#.\n...\n"
        assert clew.Maze.load(path, unknown_walls="open").to_text() == "...\n.#.\n...\n"
    grey = io.BytesIO()
    Image.fromarray(np.array([[205, 254, 30]], np.uint8)).save(grey, "PNG")  # no such map: 205 is light grey
    assert not parse_picture(grey.getvalue()).cells[0, 0] & 64
    with pytest.raises(clew.SettingError, match="unknown_walls has no effect on this picture"):
        parse_picture(grey.getvalue(), unknown_walls="open")


# F. Files -------------------------------------------------------------------------------------------------------------

MICROMOUSE = "o---o---o\n| S     |\no   o . o\n|     G |\no---o---o\n"
FORMS = {
    "micromouse": MICROMOUSE,
    "frozen lake": "SFFF\nFHFH\nFFFH\nHFFG\n",
    "digits with blanks": "0 1 0\n0 0 0\n",
    "digits": "010\n000\n",
    "digits with commas": "0,1,0\n0,0,0\n",
    "blank floor": "#####\n#S  #\n# #E#\n#####\n",
    "movingai": "type octile\nheight 2\nwidth 3\nmap\n.@.\n...\n",
    "pacman": "%%%%\n%P.%\n%%%%\n",
    "own": "S#.\n..G\n",
    "own with walls": "+---+---+\n| S   G |\n+---+---+\n",
}
READ = {
    "micromouse": "+---+---+\n| S     |\n+   +---+\n|     G |\n+---+---+\n",
    "frozen lake": "S...\n.!.!\n...!\n!..G\n",
    "digits with blanks": ".#.\n...\n",
    "digits": ".#.\n...\n",
    "digits with commas": ".#.\n...\n",
    "blank floor": "#####\n#S..#\n#.#G#\n#####\n",
    "movingai": ".#.\n...\n",
    "pacman": "####\n#SG#\n####\n",
    "own": "S#.\n..G\n",
    "own with walls": "S G\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_f_a_text_file_is_read_in_the_form_that_it_has(form, tmp_path):
    path = tmp_path / "maze.txt"
    path.write_text(FORMS[form])
    expected = READ[form] if form != "own with walls" else "SG\n"
    assert clew.Maze.load(path).to_text() == expected
    path.write_bytes(FORMS[form].replace("\n", "\r\n").encode())
    assert clew.Maze.load(path).to_text() == expected


def test_f_unknown_walls_of_a_text_file(tmp_path):
    path = tmp_path / "maze.txt"
    path.write_text(MICROMOUSE)
    assert clew.Maze.load(path, unknown_walls="open").to_text() == "S.\n.G\n"
    path.write_text("S.G\n")
    with pytest.raises(clew.SettingError, match="no effect on this file, which has no unknown walls"):
        clew.Maze.load(path, unknown_walls="open")


def test_f_a_probability_just_below_zero_is_rounding():
    P = np.array([[[-2e-16, 1.0]], [[0.0, 1.0]]])
    assert clew.solve(clew.FiniteMDP.from_arrays(P, np.array([1.0, 0.0])), gamma=0.5).v[0] == pytest.approx(1.0)
    mdp = clew.FiniteMDP.from_function(1, 1, lambda s, a: [(1.0, 0, 1.0, True), (-2e-16, 0, 5.0, True)])
    assert mdp.model.probabilities.min() == 0.0
    with pytest.raises(clew.ModelError, match="probability must not be negative"):
        clew.FiniteMDP.from_function(1, 1, lambda s, a: [(1.1, 0, 1.0, True), (-0.1, 0, 5.0, True)])


def test_f_pgm_is_read_and_written(tmp_path):
    maze = clew.Maze.from_text("S#.\n..G\n")
    maze.save(tmp_path / "maze.pgm", cell_size=3)
    assert clew.Maze.load(tmp_path / "maze.pgm", cell_size=3).to_text() == ".#.\n...\n"
    (tmp_path / "ascii.pgm").write_text("P2\n2 1\n255\n0 254\n")
    assert clew.Maze.load(tmp_path / "ascii.pgm").to_text() == "#.\n"


# B, G -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "q",
    [
        [[1, 2], [3]],
        [["a", "b"]] * 2,
        [[1j, 2]] * 2,
        np.array([["2020-01-01"] * 2] * 2, "M8[D]"),
        [[None, 1]] * 2,
    ],
)
def test_g_a_table_that_is_none_is_refused(q):
    mdp = clew.FiniteMDP.from_function(2, 2, lambda s, a: [(1.0, 1, 1.0, True)])
    for call in (
        lambda: clew.Policy(mdp, q=q),
        lambda: clew.policy_values(mdp, q),
        lambda: clew.policy_steps(mdp, q),
        lambda: clew.evaluate_values(mdp, q),
    ):
        with pytest.raises(clew.SettingError, match="must be an array of"):
            call()


def test_g_options_of_reset_are_not_ignored():
    env = clew.Environment()
    for options in ({"start": 3}, 3):
        with pytest.raises(clew.SettingError, match="options must be"):
            env.reset(options=options)
        with pytest.raises(clew.SettingError, match="options must be"):
            clew.MazeVectorEnv(2).reset(options=options)
    assert env.reset(seed=0, options={})[0] == 0


def test_c4_settings_that_would_run_for_ever_are_refused():
    with pytest.raises(clew.SettingError, match="num_simulations must be a whole number from 1 to 100,000"):
        clew.train_policy_parallel(clew.Environment(), num_simulations=1_000_000_000)
    with pytest.raises(clew.SettingError, match="chaos must be a finite number"):
        clew.train_policy_parallel(clew.Environment(), num_actors=2, chaos=float("nan"))


def test_b_what_is_printed_during_the_work_goes_to_standard_error():
    script = (
        "import os, sys, clew\n"
        "real = clew.TrainingConfig.make_maze\n"
        "def make_maze(config):\n"
        "    print('said by Ray'); os.write(1, b'said by a child\\n')\n"
        "    print('\\x1b[33m(raylet)\\x1b[0m A worker died. It had\\n46 lines.')\n"
        "    return real(config)\n"
        "clew.TrainingConfig.make_maze = make_maze\n"
        "sys.argv = ['clew', 'train', 'book', '--episodes', '10', *sys.argv[1:]]\n"
        "from clew.cli.main import main\n"
        "try: main()\n"
        "finally: print('after', flush=True); os.write(1, b'restored\\n')\n"
    )
    for words in (["--json"], []):
        result = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, timeout=300)
        assert result.returncode == 0
        *printed, after, restored = result.stdout.decode().splitlines()
        assert (after, restored) == ("after", "restored")
        if words:
            assert json.loads("".join(printed))["success_rate"] == 1.0
        else:
            assert printed[0] == "book: q-learning, 10 episodes in 1 simulation, in one process"
            assert not any("said" in line or "raylet" in line for line in printed)
        for said in ("said by Ray\n", "said by a child\n", "(raylet) A worker died.\n"):
            assert said in result.stderr.decode()
        assert b"\x1b" not in result.stderr


def test_b_c2_as_a_library_clew_moves_no_descriptor_and_installs_no_handler():
    def state():
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        files = [(each.st_dev, each.st_ino) for each in map(os.fstat, (1, 2))]
        return sys.stdout, sys.stderr, files, [signal.getsignal(number) for number in numbers]

    seen, before = [], state()
    clew.train_policy_parallel(clew.Environment(), 20, 2, num_actors=0, callback=lambda row: seen.append(state()))
    train_run(clew.TrainingConfig(num_episodes=20), callback=lambda row: seen.append(state()))
    assert len(seen) > 2
    assert all(each == before for each in [*seen, state()])


MY_KERNELS = """
from typing import NamedTuple
from clew.kernels import kernel
from clew.kernels.learning.behaviours import choose
from clew.policies.behaviours import BEHAVIOURS, Behaviour
class Always(NamedTuple):
    action: int
SHIFT = 0
@choose.register(Always)
@kernel
def always(behaviour, q, visits, s, exploration, stream):
    return behaviour.action + SHIFT
BEHAVIOURS["always"] = Behaviour(Always(1), "one action")
"""


@pytest.fixture
def compiled(tmp_path):
    """Environment variables of a process that may change machine code: it has a copy of what is compiled already."""
    if cache.FOLDER is not None:
        shutil.copytree(
            cache.FOLDER,
            tmp_path / "clew" / cache.FOLDER.name,
            ignore=shutil.ignore_patterns("*.tmp.*"),  # other tests write them
        )
    return {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}


def test_d1_machine_code_of_code_from_outside_is_not_kept(compiled, tmp_path):
    rule = tmp_path / "my_kernels.py"
    rule.write_text(MY_KERNELS)
    script = (
        "import sys, clew; sys.path.insert(0, sys.argv[1]); import my_kernels\n"
        "env = clew.Environment(step_reward=-1.0, max_episode_steps=3)\n"
        "print(*clew.train_policy(env, 1, behaviour='always').q.any(axis=0).nonzero()[0])\n"  # actions that were taken
    )

    def run() -> bytes:
        words = [sys.executable, "-c", script, tmp_path]
        result = subprocess.run(words, capture_output=True, env=compiled, timeout=300)
        assert result.returncode == 0, result.stderr.decode()
        return result.stdout

    assert run() == b"1\n"
    rule.write_text(MY_KERNELS.replace("SHIFT = 0", "SHIFT = 2"))  # an edited rule is compiled anew
    assert run() == b"3\n"
    rule.unlink()
    after = run_clew("train", "book", "--episodes", "10", env=compiled)
    assert after.returncode == 0, after.stderr.decode()


def test_d2_a_file_that_ends_too_early_is_not_a_user_who_stops():
    script = (
        "import sys, clew\n"
        "def make_maze(config): raise EOFError('Ran out of input')\n"
        "clew.TrainingConfig.make_maze = make_maze\n"
        "sys.argv = ['clew', 'solve', 'book']\n"
        "from clew.cli.main import main; main()\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=300)
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.endswith(b"a file ends too early: Ran out of input\n")


@pytest.fixture
def run_folder(tmp_path):
    train_run(clew.TrainingConfig(maze="3x3", num_episodes=20, num_simulations=1)).save(tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (9, 4), ",
        b"{'",
        b"",
        b"\xff\xfe",
        b"(" * 50,
        b"(" * 90 + b"-" * 8000 + b"1",  # a MemoryError without words
    ],
    ids=["cut", "two bytes", "empty", "no text", "parentheses", "too deep"],
)
def test_f_a_damaged_header_of_the_table_is_one_clear_line(run_folder, header):
    data = (run_folder / "q.npy").read_bytes()
    (run_folder / "q.npy").write_bytes(data[:8] + len(header).to_bytes(2, "little") + header + data[128:])
    with pytest.raises(RunError, match=r"q\.npy: (not a NumPy array|not a table|damaged)"):
        open_run(run_folder)


def test_f_a_pipe_in_a_run_folder_is_refused_and_not_waited_for(run_folder):
    for name in ("q.npy", "config.json", "maze.txt"):
        kept = (run_folder / name).read_bytes()
        (run_folder / name).unlink()
        os.mkfifo(run_folder / name)
        with pytest.raises(RunError) as refused:
            open_run(run_folder)
        assert str(refused.value) == f"{run_folder / name}: can't be read: it is not a regular file"
        (run_folder / name).unlink()
        (run_folder / name).write_bytes(kept)
    open_run(run_folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "it is not JSON from line 1, column 1 on"),
        (b'{\n  "a": }', "it is not JSON from line 2, column 8 on"),
        (b'{"a": ' + b"9" * 5000 + b"}", "it has a number of too many digits"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"a": "\xff"}', "it is not text in UTF-8, from byte 7 on"),
    ],
)
def test_f_damage_of_json_is_said_in_our_words(run_folder, text, said):
    (run_folder / "summary.json").write_bytes(text)
    with pytest.raises(RunError) as refused:
        open_run(run_folder)
    assert str(refused.value) == f"{run_folder / 'summary.json'}: damaged: {said}"


@pytest.mark.parametrize("open_folder", [open_run, open_partial_run])
def test_f_a_run_folder_imports_no_module_unasked(open_folder, run_folder, seal, tmp_path, monkeypatch):
    (tmp_path / "evilmod.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    config = json.loads((run_folder / "config.json").read_text()) | {"maze": "gym:evilmod:X-v0"}
    (run_folder / "config.json").write_text(json.dumps(config))
    seal(run_folder)
    if open_folder is open_partial_run:
        (run_folder / "maze.txt").unlink()
        run_folder.rename(run_folder.with_name("run.partial"))
    with pytest.raises(RunError, match=r"would import the module evilmod.* set CLEW_IMPORT=evilmod"):
        open_folder(run_folder)
    monkeypatch.setenv("CLEW_IMPORT", "evilmod")
    with pytest.raises(SystemExit, match="imported"):
        open_folder(run_folder)[0].make_environment()


def test_f_a_text_that_is_too_long_is_refused_before_it_is_copied():
    class Long(str):
        def __len__(self):
            return 2**31

        def encode(self, *words):
            pytest.fail("was copied")

    with pytest.raises(clew.MazeError, match=r"a text of 2,147,483,648 characters is too long"):
        clew.Maze.from_text(Long("S.G"))


@pytest.mark.ray
@pytest.mark.nightly
def test_c3_two_threads_share_a_ray_that_the_last_one_stops():
    import ray

    assert not ray.is_initialized()
    env, tables = clew.Environment(clew.Maze.open(10, 10)), {}

    def train(seed):
        tables[seed] = clew.train_policy_parallel(env, 4000, 2, num_actors=1, sharing="local", seed=seed).q

    threads = [threading.Thread(target=train, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not ray.is_initialized()
    for seed, table in tables.items():
        alone = clew.train_policy_parallel(env, 4000, 2, num_actors=0, sharing="local", seed=seed)
        assert np.array_equal(table, alone.q)
    assert len(tables) == 2


def test_a9_values_that_have_become_too_large_for_float32_are_said_after_learning():
    mdp = clew.FiniteMDP.from_function(2, 2, lambda s, a: [(1.0, a, 1.0 + a, False)])
    world = clew.ModelEnvironment(mdp, max_episode_steps=1000)
    for alpha in (0.01, 0.1):
        settings = {"alpha": alpha, "gamma": 0.999999, "initial_value": 238_000.0}
        match = "rewards of 1 are lost beside values that have become as large as 238.*a larger step size"
        for train, more in ((clew.train_policy, {}), (clew.train_policy_parallel, {"num_actors": 0})):
            with pytest.warns(clew.PrecisionWarning, match=match) if alpha == 0.01 else nullcontext():
                train(world, 20, **settings, **more)


def test_a9_an_initial_value_that_is_replaced_as_a_whole_is_no_cause_for_a_warning():
    """Propagation begins with -1e9 for "unknown"; a step size would move values by parts of their error."""
    env = clew.Environment(clew.Maze.open(6, 6), step_reward=-1.0, goal_reward=0.0, random_start=True)
    settings = {"gamma": 1.0, "initial_value": -1e9, "epsilon": 1.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        policy = clew.train_policy(env, 200, algorithm="propagation", behaviour="epsilon-greedy", **settings)
    assert clew.evaluate_policy(env, policy, starts=env.mdp.starts).excess_steps == 0
    with pytest.warns(clew.PrecisionWarning, match="rewards of 1 are lost beside values"):
        clew.train_policy(env, 2, **settings)


def test_a9_a_run_says_so_too():
    config = clew.TrainingConfig(maze="1x3", num_episodes=2, num_simulations=1, alpha=1e-6, initial_value=9.0)
    with pytest.warns(clew.PrecisionWarning, match="rewards of 1 are lost beside values that have become"):
        train_run(config)


@pytest.mark.parametrize("gamma", [0.9, 0.99, 0.999, 1.0])
def test_a9_the_gallery_is_learned_without_a_word(gamma):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in clew.gallery.GALLERY:
            world = clew.gallery.make_world(name)
            clew.train_policy(world, 50, gamma=gamma)
