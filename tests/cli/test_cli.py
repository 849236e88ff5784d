import inspect
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import clew as package
from clew import mazes
from clew.cli import main as cli
from clew.cli import options
from clew.cli.machine_commands import print_expectation
from clew.distributed.forecast import Forecast
from clew.errors import MazeError, SettingError
from clew.figures.curves import ENDINGS, FIGURES
from clew.mazes import Maze, find_maze, generate_maze
from clew.mazes.generators import GENERATORS, KEYS
from clew.planning import PLANNERS

WALLED = "+---+---+---+\n| S |     G |\n+   +   +---+\n|           |\n+---+---+---+\n"


@pytest.fixture
def figures(clew):
    """Run a command line with --json and give the object that it printed."""

    def run(*arguments, expected_code=0):
        code, out, _ = clew(*arguments, "--json")
        assert code == expected_code
        assert out.count("\n") == 1
        return json.loads(out)

    return run


def test_train_learns_the_book_to_the_optimum(figures):
    result = figures("train")
    assert result["mean_steps"] == result["optimal_steps"] == 8
    assert result["excess_steps"] == 0
    assert result["success_rate"] == 1
    assert result["num_states"] == 25
    assert result["steps_per_second"] == pytest.approx(result["num_steps"] / result["seconds"])
    assert len(result["table_sha256"]) == 64


def test_doctor_describes_the_installation(figures):
    found = figures("doctor")
    assert found["clew"] == package.__version__
    assert found["kernel_cache"].startswith("/")
    assert not found["problems"]
    assert float(found["memory"].removesuffix(" GiB")) > 0
    assert found["browser"]
    assert figures("doctor", "--self").keys() == found.keys()
    env = {**os.environ, "RAY_ADDRESS": "127.0.0.1:1"}
    done = subprocess.run([sys.executable, "-m", "clew", "doctor"], capture_output=True, text=True, env=env)
    assert done.returncode == 1
    assert "RAY_ADDRESS is set, but there is no connection to Ray: nothing answers at " in done.stdout


def test_doctor_examines_a_training(clew, figures):
    found = figures("doctor", "5x5", "--max-steps", 7, expected_code=1)["findings"]
    assert [(each["name"], each["number"], each["severity"]) for each in found] == [("short-step-limit", 8.0, "error")]
    code, out, _ = clew("doctor", "5x5", "--max-steps", 7)
    assert (code, out.splitlines()) == (
        1,
        [
            "5x5, q-learning, 10,000 episodes",
            "error, short-step-limit: the goal is at least 8 steps away, and episodes are cut off after 7; take a "
            "larger step limit.",
        ],
    )
    assert clew("doctor", "warehouse")[1].splitlines()[1] == "No problem was found."
    found = figures("doctor", "6x6", "--goal-reward", 0, expected_code=1)["findings"]
    assert found[0]["number"] is None, "JSON has no infinity"
    assert clew("doctor", "5x5", "--gamma", 1)[0] == 0, "a warning is no error"


def test_doctor_says_how_long_a_training_takes_and_how_much_memory(clew, figures):
    found = figures("doctor", "5x5", "--episodes", 300)
    assert found["num_steps"] == figures("train", "5x5", "--episodes", 300)["num_steps"]
    assert (found["num_measured"], found["num_bytes"], found["on_actors"]) == (300, 400, None)
    assert 30e6 < found["peak_memory"] < 30e9
    _, out, _ = clew("doctor", "5x5", "--episodes", 300)
    assert re.search(
        r"^Expected time: less than a second for 300 episodes, at [\d.,]+ (million )?steps a second\.\n"
        r"Memory: 400 bytes for what q-learning learns, [\d.]+ [MG]B with Python, the world and its optimum\.\n\Z",
        out,
        re.MULTILINE,
    )
    hopeless = figures("doctor", "5x5", "--max-steps", 7, expected_code=1)
    assert hopeless.keys() == {"findings"}, "nothing is measured of what can't be learned"


@pytest.mark.parametrize(
    ("measured", "num_steps", "text"),
    [
        (10, (4e6, 4e6, 4e6), "less than a second for 10 episodes, at 5 million steps a second"),
        (10, (2e8, 2e8, 2e8), "about 40 s for 10 episodes, at 5 million steps a second"),
        (9, (2e9, 1.9e9, 2.5e9), "about 6.7 min for 10 episodes, at 5 million steps a second"),
        (
            2,
            (2e8, 1e8, 9e10),
            "20 s to 5 h for 10 episodes (the first 2 may be longer than later ones), at 5 million steps a second",
        ),
        (
            0,
            (10, 10, 5e12),
            "less than a second to 12 days for 10 episodes (none ended while it was measured), at 5 million steps a "
            "second",
        ),
    ],
)
def test_the_expected_time_is_a_range_unless_it_is_known(capsys, measured, num_steps, text):
    found = Forecast(10, measured, *num_steps, 5e6, num_steps[0] / 5e6, 3_210_000)
    print_expectation(package.TrainingConfig(), found, 2_500_000_000)
    assert capsys.readouterr().out == (
        f"Expected time: {text}.\n"
        "Memory: 3.21 MB for what q-learning learns, 2.5 GB with Python, the world and its optimum.\n"
    )


def test_training_warns_in_the_words_of_doctor(clew, figures):
    [found] = figures("doctor", "5x5", "--gamma", 1)["findings"]
    code, _, error = clew("train", "5x5", "--gamma", 1, "--episodes", 100)
    assert code == 0
    assert f"warning: {found['reason']}; {found['remedy']}\n" in error
    assert "warning" not in clew("train", "5x5", "--episodes", 100)[2]


@pytest.mark.ray
def test_doctor_forecasts_a_training(ray_up, clew, figures):
    training = ("20x20", "--random-start", "--episodes", 500, "--simulations", 2, "--actors", 2)
    found = figures("doctor", *training)
    assert found["num_steps"] == figures("train", *training[:-2])["num_steps"]
    assert found["ratio"] == found["on_actors"] / found["in_process"] > 1
    _, out, _ = clew("doctor", *training)
    assert out.endswith("times as long as in this process: leave out --actors.\n")


def test_the_seed_decides_the_table(figures):
    def table(*arguments):
        return figures("train", *arguments)["table_sha256"]

    assert table("--seed", 1) == table("--seed", 1)
    others = [("--seed", 1), ("--simulations", 3), ("--simulations", 3, "--sync-every", 7)]
    assert len({table(*arguments) for arguments in ((), *others)}) == 4


def test_every_setting_reaches_the_run(figures, tmp_path):
    options = {
        "--start": "1,0", "--goal": "0,3", "--goal-reward": 2.0, "--step-reward": -0.5, "--outer-wall-reward": -3.0,
        "--hazard-reward": -4.0, "--slip": 0.25, "--max-steps": 77, "--episodes": 120, "--simulations": 3,
        "--actors": 0, "--sync-every": 5, "--alpha": 0.5, "--gamma": 0.75, "--seed": 9,
        "--algorithm": "sarsa-lambda", "--behaviour": "softmax", "--alpha-schedule": "linear", "--alpha-last": 0.125,
        "--temperature": 0.5, "--exploration-schedule": "exponential", "--exploration-last": 0.25,
        "--lambda": 0.5, "--moves": "eight",
        "--initial-value": -0.5, "--num-interleaved": 1, "--sharing": "local", "--rounds-ahead": 2,
    }  # fmt: skip
    arguments = [word for pair in options.items() for word in pair]
    flags = "--random-start", "--exploring-starts", "--accumulating", "--partition-starts"
    figures("train", "3x4", *flags, *arguments, "--out", tmp_path / "run")
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == {
        "maze": "3x4", "start": [1, 0], "goal": [0, 3], "scenario": None, "random_start": True, "random_goal": False,
        "goal_reward": 2.0, "step_reward": -0.5, "outer_wall_reward": -3.0, "hazard_reward": -4.0, "slip": 0.25,
        "max_episode_steps": 77, "num_episodes": 120, "num_simulations": 3, "num_actors": 0, "sync_every": 5,
        "alpha": 0.5, "gamma": 0.75, "epsilon": 0.1, "seed": 9,
        "algorithm": "sarsa-lambda", "behaviour": "softmax", "alpha_schedule": "linear", "alpha_last": 0.125,
        "temperature": 0.5, "confidence": 1.0, "exploration_schedule": "exponential", "exploration_last": 0.25,
        "exploring_starts": True, "initial_value": -0.5, "optimistic": False, "pessimistic": False, "n": 4,
        "lambda_": 0.5, "accumulating": True, "num_planning": None, "kappa": 0.0001, "threshold": 0.0, "known_after": 1,
        "num_interleaved": 1, "sharing": "local", "rounds_ahead": 2, "partition_starts": True, "asynchronous": False,
        "moves": "eight", "exit_action": False, "unknown_walls": "wall", "cell_size": 1, "algorithm_settings": {},
    }  # fmt: skip


@pytest.mark.parametrize("flags", ["", "--watch", "--out"])
@pytest.mark.parametrize("world", ["wilson:6x6", "3x4", "maze.txt", "maze.png"])
def test_training_makes_its_maze_once(clew, tmp_path, monkeypatch, world, flags):
    monkeypatch.chdir(tmp_path)
    maze = Maze.open(4, 4)
    for name in ("maze.txt", "maze.png"):
        maze.save(name)
    made = []

    def count(name, **settings):
        made.append(name)
        return find_maze(name, **settings)

    monkeypatch.setattr(mazes, "find_maze", count)
    assert clew("train", world, "--episodes", 20, *flags.split(), *(["run"] if flags == "--out" else []))[0] == 0
    assert made == [world]


@pytest.mark.parametrize(
    ("flags", "settings"),
    [
        ("--algorithm n-step-sarsa --n 3 --epsilon 0.25", {"algorithm": "n-step-sarsa", "n": 3, "epsilon": 0.25}),
        ("--algorithm dyna-q+ --num-planning 7 --kappa 0.5", {"num_planning": 7, "kappa": 0.5}),
        ("--algorithm r-max --threshold 0.125 --known-after 2", {"threshold": 0.125, "known_after": 2}),
        ("--behaviour ucb --confidence 3", {"behaviour": "ucb", "confidence": 3.0}),
    ],
)
def test_settings_of_other_rules_and_behaviours_reach_the_run_too(figures, tmp_path, flags, settings):
    figures("train", "2x2", "--episodes", 20, *flags.split(), "--out", tmp_path / "run")
    kept = json.loads((tmp_path / "run" / "config.json").read_text())
    assert {name: kept[name] for name in settings} == settings


def test_a_run_is_kept_graded_again_and_played(clew, figures, tmp_path):
    trained = figures("train", "4x4", "--out", tmp_path / "run")
    graded = figures("evaluate", tmp_path / "run")
    for name in ("mean_steps", "optimal_steps", "excess_steps", "success_rate", "num_states", "table_sha256"):
        assert graded[name] == trained[name], name
    assert {"steps_per_second", "seconds"} <= set(graded)
    code, out, _ = clew("play", tmp_path / "run")
    assert code == 0
    assert out.startswith("S...\n....\n....\n...G\nstep 0\n")
    assert out.endswith("...S\nstep 6\nreached the goal in 6 steps\n")


def test_solve_gives_the_optimum(figures, tmp_path):
    path = tmp_path / "walled.txt"
    path.write_text(WALLED)
    result = figures("solve", path, "--gamma", 0.5)
    assert (result["steps"], result["value"], result["num_states"]) == (4, 0.125, 6)
    assert result["seconds"] > 0
    swept = figures("solve", path, "--gamma", 0.5, "--method", "gauss-seidel")
    assert (swept["steps"], swept["method"]) == (4, "gauss-seidel")
    assert 0 < swept["bound"] <= 1e-6
    slippery = figures("solve", "book", "--slip", 0.2)
    assert 8 < slippery["steps"] < 12
    assert slippery["method"] == "policy-iteration"
    assert slippery["bound"] <= 1e-6


def test_solve_in_blocks_gives_the_same_optimum(figures):
    for settings in (("--gamma", 0.5), ("--slip", 0.2)):
        whole, blocks = figures("solve", "book", *settings), figures("solve", "book", "--blocks", 3, *settings)
        assert blocks["value"] == pytest.approx(whole["value"], abs=whole["bound"] + blocks["bound"])
        assert (blocks["method"] == "breadth-first") == (settings[0] == "--gamma")
        assert blocks["num_blocks"] == 3
        assert blocks["num_bytes"] > 0
        assert blocks["peak_bytes_of_driver"] > 20e6


def test_solve_plans_for_a_step_limit(figures, clew):
    """7 steps are one too few for the book's maze."""
    enough = figures("solve", "book", "--horizon", 8)
    assert (enough["method"], enough["steps"], enough["value"]) == ("backward induction", 8, pytest.approx(0.9**7))
    assert figures("solve", "book", "--horizon", 7, "--gamma", 1)["value"] == 0.0
    code, out, _ = clew("solve", "book", "--horizon", 8)
    assert code == 0
    assert "↓" in out


def test_solve_does_without_a_discount(figures):
    result = figures("solve", "book", "--gamma", 1, "--slip", 0.2, "--step-reward", -1)
    assert result["value"] == pytest.approx(1 - result["steps"], abs=1e-6)
    assert result["bound"] <= 1e-6


def test_info_describes_a_maze(figures, tmp_path):
    path = tmp_path / "walled.txt"
    path.write_text(WALLED)
    result = figures("info", path)
    assert result["rows"] == 2
    assert result["free_cells"] == 6
    assert result["start"] == [0, 0]
    assert result["goals"] == [[0, 2]]
    assert result["shortest"] == 4


def test_f_info_shows_a_maze_without_a_path_and_says_so(clew, figures, tmp_path):
    path = tmp_path / "maze.txt"
    path.write_text("S.#\n.#G\n")
    code, out, err = clew("info", path)
    assert (code, err) == (0, "")
    assert "shortest    -\n" in out
    assert out.endswith("has path    no\nThere is no path from the start (0, 0) to a goal.\nS.#\n.#G\n")
    result = figures("info", path)
    assert (result["shortest"], result["has_path"], result["goals"]) == (None, False, [[1, 2]])
    assert clew("info", path, "--goal", "1,0")[1].endswith("shortest    1\nhas path    yes\nS.#\nG#.\n")
    assert figures("info", path, "--goal", "1,0")["has_path"] is True
    path.write_text(".#G\n")
    assert figures("info", path)["has_path"] is None  # there is no start


def test_generate_prints_a_maze_or_keeps_it(clew, tmp_path):
    maze = generate_maze("wilson", 3, 4, seed=3, start=(1, 1), braid=0.5)
    line = "generate", "wilson:3x4:seed=3:braid=0.5", "--start", "1,1"
    assert clew(*line) == (0, maze.to_text(), "")
    path = tmp_path / "maze.txt"
    code, out, _ = clew(*line, "-o", path)
    assert (code, out) == (0, f"Saved to {path}. Look at it: clew info {path}\n")
    assert Maze.load(path) == maze


def test_a_recipe_is_a_maze_to_every_command(figures):
    assert figures("info", "division:6x5:seed=1")["shortest"] == figures("solve", "division:6x5:seed=1")["steps"] >= 9
    assert figures("train", "random:6x5:density=0.4")["success_rate"] == 1


def test_options_say_how_a_file_is_read(figures, tmp_path):
    unseen, picture = tmp_path / "unseen.maze", tmp_path / "picture.png"
    unseen.write_text("+---+---+\n| S . G |\n+   +   +\n|       |\n+---+---+\n")
    Maze.open(3, 4).save(picture, cell_size=5)
    assert figures("info", unseen)["shortest"] == 3
    assert figures("info", unseen, "--unknown-walls", "open")["shortest"] == 1
    assert figures("solve", unseen, "--unknown-walls", "open")["steps"] == 1
    assert figures("solve", picture, "--cell-size", 5)["steps"] == 5
    assert figures("train", picture, "--cell-size", 5, "--episodes", 500)["optimal_steps"] == 5


def test_people_see_the_grade_and_the_policy_as_arrows(clew):
    code, out, _ = clew("train", "2x2", "--gamma", 0.5)
    assert code == 0
    rows = dict(re.findall(r"^([a-z ]+?)  +(\S+)$", out, re.MULTILINE))
    assert (rows["mean steps"], rows["optimal steps"], rows["excess steps"]) == ("2", "2", "0")
    assert (rows["mean return"], rows["optimal return"]) == ("1", "1")
    assert "Returns are not discounted." in out
    assert "→ G" in out or "↓ ↓" in out


@pytest.fixture
def bad_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Maze.open(2, 3).save("good.txt")
    (tmp_path / "ragged.txt").write_text("S..\n.G\n")
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "letters.txt").write_text("S.x\n..G\n")
    (tmp_path / "no-way.txt").write_text("S#.\n##G\n")
    (tmp_path / "binary.txt").write_bytes(b"\x80\x81\x82")
    (tmp_path / "binary.png").write_bytes(b"\x80\x81\x82")
    (tmp_path / "letters.maze").write_text("S.x\n..G\n")
    (tmp_path / "short.map").write_text("type octile\nheight 3\nwidth 3\nmap\n...\n")
    (tmp_path / "good.map").write_text("type octile\nheight 2\nwidth 3\nmap\n...\n..@\n")
    (tmp_path / "good.scen").write_text("version 1\n0\tgood.map\t3\t2\t0\t0\t0\t1\t1.0\n")
    (tmp_path / "other.scen").write_text("version 1\n0\tother.map\t9\t9\t0\t0\t0\t1\t1.0\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{")
    (tmp_path / "begun.partial").mkdir()
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "config.json").write_text("{}")
    (tmp_path / "closed.maze").write_text("+---+---+\n| S . G |\n+---+---+\n")
    return tmp_path


BAD = {
    "bench": "--calibrate must be given",
    "doctor --simulations 2 --actors 3": "--simulations must be at least 3, not 2",
    "train 0x5": "a maze of 0 rows and 5 columns has no cell",
    "train 99999x99999": "too large",
    "train 4000000000x5": "a maze of 4000000000 x 5 cells is too large: the limit is 67,108,864 cells",
    "generate wilson:5x4000000000": "a maze of 5 x 4000000000 cells is too large",
    "train nowhere": "no maze is called 'nowhere'",
    "generate nowhere:3x3": "unknown kind of maze 'nowhere'; choose from backtracker, wilson, prim, ",
    "generate": "Missing argument",
    "generate wilson": "wilson must be followed by a size, as in wilson:20x30, not ''",
    "generate wilson:3x3 --goal 3,3": "the goal (3, 3) is outside the maze",
    "generate wilson:3x3 -o maze.gif": "maze.gif: unknown file extension '.gif'",
    "generate wilson:3x3 -o maze.map": "a .map file can't represent thin walls or hazards; save this maze as .txt",
    "generate wilson:3x3 -o good.txt/maze.txt": "can't be written: Not a directory",
    "generate wilson:99999x99999": "too large",
    "train wilson:3x3:seed=x": "seed must be a number, not 'x'",
    "train missing.txt": "missing.txt: can't be read: No such file",
    "train good.gif": "good.gif: unknown file extension '.gif'",
    "train good.txt --cell-size 2": "--cell-size has no effect on 'good.txt'; ",
    "info good.png --cell-size 0": "--cell-size must be a whole number from 1 to 1,024, not 0",
    "solve book --unknown-walls shut": "--unknown-walls must be one of wall, open, not 'shut'",
    "info binary.png": "binary.png: neither a PNG nor a PGM picture",
    "info letters.maze": "letters.maze: walls between cells take 2 * rows + 1 lines",
    "train ragged.txt": "ragged.txt: line 2, column 3: this line has 2 characters",
    "solve empty.txt": "empty.txt: the maze is empty",
    "info letters.txt": "letters.txt: line 1, column 3: unknown character 'x'",
    "solve no-way.txt": "there is no path from the start (0, 0) to the goal (1, 2)",
    "info binary.txt": "binary.txt: not a text file",
    "info short.map": "the header says 3 rows, but the file has 1",
    "train good.map": "the maze has no start",
    "train good.map --scenario good.scen": "a scenario must be FILE.scen:ROW",
    "train good.map --scenario good.scen:7": "there is no scenario 7; the file has 1",
    "train good.map --scenario other.scen:0": "is for a map of 9 x 9 cells",
    "train book --goal 7,7": "the goal (7, 7) is outside the maze",
    "train good.map --start 1,2 --goal 0,0": "the start (1, 2) is in a blocked cell",
    "train book --start five": "--start must be row,column, such as 3,4, not 'five'",
    "train book --start 4,4": "the start (4, 4) is on a goal",
    "train --alpha 0": "--alpha must be a finite number in (0, 1], not 0.0",
    "train --gamma 1.5": "--gamma must be a finite number in [0, 1], not 1.5",
    "train --epsilon -1": "--epsilon must be a finite number in [0, 1], not -1.0",
    "train --slip 2": "--slip must be a finite number in [0, 1], not 2.0",
    "train --episodes 0": "--episodes must be a whole number from 1 to 1,000,000,000,000, not 0",
    "train --episodes 99999999999999999999999": "--episodes must be a whole number from 1 to 1,000,",
    "train --max-steps 99999999999999999999": "--max-steps must be a whole number from 1 to 9,223,",
    "solve book --goal-reward 1e308": "--goal-reward must be a finite number, also as float32",
    "train --simulations 0": "--simulations must be a whole number from 1 to 100,000, not 0",
    "train --actors -1": "--actors must be a whole number of at least 0, not -1",
    "train --seed -1": "--seed must be a whole number of at least 0, not -1",
    "train --episodes many": "--episodes must be a whole number, not 'many'",
    "train --episodes 1e6": "--episodes must be a whole number",
    "train --gamma much": "--gamma must be a number, not 'much'",
    "train --algorithm sarsa-lamda": "-replay, not 'sarsa-lamda'; did you mean 'sarsa-lambda'?",
    "train --moves foo": "--moves must be one of four, eight, movingai, movingai-float32, knight, robot, not 'foo'",
    "train cliffs": "no maze is called 'cliffs': did you mean 'cliff'? Give 'book', a size such as '10x12'",
    "train clifs": "a world that `clew worlds` lists, or gym:ID",
    "train open:6x6": "an open grid isn't generated: give its size alone, 6x6, as the name of the maze",
    "train wilsn:5x5": "unknown kind of maze 'wilsn'; did you mean 'wilson'? Choose from backtracker,",
    "algorithms sarssa": "name must be one of monte-carlo, ",
    "generate 5x5": "a recipe must begin with a kind of maze, such as wilson:5x5",
    "generate wilson:8000x8000 -o maze": "maze: unknown file extension ''",
    "plot runs -o a.png": "runs: holds run folders, and isn't one; give one of them, or runs/*",
    "render runs -o a.svg": "runs: holds run folders, and isn't one",
    "render run -o a.svg --show visit": "--show must be one of values, visits, not 'visit'; did you mean 'visits'?",
    "train --resume begun.partial": "begun.partial: holds the checkpoints of a run that was stopped; give begun",
    "solve gym:Blackjack-v1": "gym:Blackjack-v1 has no model to plan with; clew train gym:Blackjack-v1 learns it",
    "solve good.map": "the maze has no start; take --start 0,0, or --random-start",
    "solve good.map --start 0,0": "the maze has no goal; take --goal 0,0, or --random-goal",
    "info closed.maze": "--unknown-walls must be 'open' for this maze; else closed.maze: ",
    "info cliff": "'cliff' is a world with rules of its own, not only a maze; see clew worlds cliff",
    "train --goal-reward nan": "--goal-reward must be a finite number, not nan",
    "train --lambda 3": "--lambda must be a finite number in [0, 1], not 3.0",
    "train --n 5": "--n has no effect with q-learning; it is for n-step-sarsa, tree-backup",
    "train --alpha-last 0.3": "has no effect with a schedule of 'constant'; take --alpha-schedule linear",
    "train --simulations 4 --num-interleaved 2": "; take --sharing local, or --simulations 1",
    "train --actors 3": "--simulations must be at least 3, not 1, to be divided among 3 actors; their number is part",
    "train --simulations 2 --actors 3": "--simulations must be at least 3, not 2, to be divided among 3 actors",
    "train --sharing local": "--sharing is for two simulations or more; take --simulations 4",
    "train --sync-every 3": "--sync-every is for two simulations or more; take --simulations 4",
    "train --rounds-ahead 1": "--rounds-ahead is for two simulations or more; take --simulations 4",
    "train --partition-starts": "--partition-starts is for two simulations or more; take --simulations 4",
    "train --asynchronous": "--asynchronous is for two simulations or more; take --simulations 4",
    "train --alpha-schedule num_episodes": "--alpha-schedule must be one of constant, linear, exponential, vis",
    "train --speed 3": "No such option: --speed",
    "train --out run": "run: already exists",
    "train --out good.txt/run": "can't be written",
    "train --out begun": "begun.partial: a run was begun there; go on with `clew train --resume ",
    "train --out new --checkpoint-every soon": "such as 500, or seconds, such as 30s; not 'soon'",
    "train --out new --checkpoint-every 0": "such as 30s; not 0",
    "train --out new --simulations 2000 --actors 2000 --goal 7,7": "the goal (7, 7) is outside the maze",
    "train --checkpoint-every 30s": "checkpoints are saved beside the run folder; give --out DIR",
    "train --resume begun --alpha 0.1": "a run goes on as it was begun; leave out --alpha",
    "train book --resume begun": "a run goes on as it was begun; leave out maze",
    "train --resume begun --out new": "a run goes on as it was begun; leave out --out",
    "train --resume begun": "begun.partial/config.json: can't be read",
    "train --resume run": "run: this run has ended",
    "train --resume nothing": "nothing.partial: no run was begun there; `clew train --out nothing` begins one",
    "evaluate run": "summary.json: can't be read: No such file",
    "evaluate nothing": "nothing: there is no such run folder",
    "evaluate run --episodes x": "--episodes must be a whole number",
    "play good.txt": "good.txt: there is no such run folder; `clew train good.txt --out DIR` makes one",
    "info run": "run: is a folder; a maze is a .txt, .map,",
    "solve book --gamma 1 --step-reward 0.1": "--gamma must be below 1 here",
    "solve book --horizon 0": "--horizon must be a whole number of at least 1, not 0",
    "solve book --tolerance 0": "--tolerance must be a finite number above 0, not 0.0",
    "solve book --blocks 9": "--blocks must be from 1 to 5, the number of rows, not 9",
    "solve book --blocks 2 --horizon 9": "--horizon has no effect in blocks; leave it out",
    "evaluate": "Missing argument 'RUN|WORLD'",
    "solve book book": "unexpected extra argument",
    "learn": "No such command 'learn'",
}


@pytest.mark.parametrize("line", BAD)
def test_a_mistake_is_one_clear_line_and_exit_code_2(clew, bad_files, line):
    before = sorted(path.name for path in bad_files.rglob("*"))
    code, out, err = clew(*line.split())
    # Whoever comes first waits for the compiler, and is told so.
    first, *drawing = [row for row in err.splitlines() if not row.startswith("compiling ")]
    assert code == 2
    assert out == ""
    assert first.startswith("clew: ")
    assert BAD[line] in first
    assert all(row.startswith("    ") for row in drawing)
    assert sorted(path.name for path in bad_files.rglob("*")) == before


def test_an_error_calls_settings_by_their_options_but_what_was_typed_as_it_was():
    error = SettingError("must be 1", setting="lambda_", take={"max_episode_steps": 3, "n": 2, "random_start": True})
    assert str(error) == "lambda_ must be 1; take max_episode_steps=3, or n=2, or random_start=True"
    given = {"--lambda", "--max-steps", "--random-start"}
    assert cli.describe_error(error, given) == "--lambda must be 1; take --max-steps 3, or n=2, or --random-start"
    assert cli.describe_error(SettingError("the start is a wall"), {"--start"}) == "the start is a wall"
    assert cli.describe_error(MazeError("alpha must be a map"), {"--alpha"}) == "alpha must be a map"


def test_the_installed_command_answers_and_keeps_its_output_for_json():
    done = subprocess.run(
        [sys.executable, "-m", "clew.cli.main", "train", "3x3", "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["excess_steps"] == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize(
    "line", ["solve 5x5 --json", "info 5x5", "generate wilson:100x100", "solve --help", "--version"]
)
def test_standard_output_that_cannot_be_written_is_said(line):
    with open("/dev/full", "w") as full:
        words = [sys.executable, "-m", "clew", *line.split()]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "clew: standard output can't be written: No space left on device"
    assert "Traceback" not in done.stderr


def test_a_first_run_says_that_it_compiles(tmp_path):
    env = {"XDG_CACHE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    env["PYTHONPATH"] = str(Path(package.__file__).parent.parent)  # of whatever is tested here
    first, second = (
        subprocess.run(
            [sys.executable, "-m", "clew.cli.main", "solve", "cliff", "--json"],
            capture_output=True,
            text=True,
            check=True,
            env=env,
        )
        for _ in range(2)
    )
    assert first.stderr.strip() == "compiling the planner for this kind of world; saved for next time"
    assert second.stderr == ""
    took, took_then = json.loads(first.stdout), json.loads(second.stdout)
    assert took["steps"] == took_then["steps"] == 13
    assert took["compile_seconds"] > took["seconds"]
    assert took_then["compile_seconds"] == 0


def test_an_optimum_that_never_ends_has_as_many_steps_as_the_limit(figures, tmp_path):
    result = figures("train", "3x3", "--step-reward", 1, "--episodes", 50, "--out", tmp_path / "run")
    assert (result["optimal_steps"], result["optimal_return"]) == (900.0, 900.0)
    assert result["excess_steps"] is None
    assert (tmp_path / "run" / "summary.json").exists()


def test_a_grade_is_printed_in_figures_that_people_read(clew, tmp_path):
    clew("train", "--out", tmp_path / "run")
    out = clew("evaluate", tmp_path / "run")[1]
    assert re.search(r"^success rate interval +0\.722467 to 1$", out, re.MULTILINE)
    assert re.search(r"^mean return +1$", out, re.MULTILINE)


def test_a_maze_whose_ways_are_all_unknown_is_open_if_one_says_so(figures, bad_files):
    assert figures("info", "closed.maze", "--unknown-walls", "open")["shortest"] == 1


@pytest.mark.parametrize("stream", [1, 2], ids=["output", "errors"])
def test_a_stream_that_is_closed_leaves_no_traceback(stream):
    shell = f'exec "{sys.executable}" -m clew info 3x3 {stream}>&-'
    done = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=False)
    if stream == 1:
        assert (done.returncode, done.stderr.startswith("clew: standard output is closed")) == (2, True)
    else:
        assert (done.returncode, "shortest" in done.stdout) == (0, True)


def test_an_algorithm_or_a_behaviour_is_shown_alone(clew):
    out = clew("algorithms", "n-step-sarsa")[1]
    assert out.startswith("clew train --algorithm n-step-sarsa")
    assert re.search(r"^settings +(--\w+ )*--n\b", out, re.MULTILINE)
    assert "monte-carlo" not in out
    alone = json.loads(clew("algorithms", "ucb", "--json")[1])
    assert (alone["algorithms"], list(alone["behaviours"])) == ({}, ["ucb"])


def test_help_fits_eighty_columns_and_cuts_nothing(clew, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = clew("-h")
    assert (code, err, clew("--help")[1], clew()[1].rstrip()) == (0, "", out, out.rstrip())
    assert max(map(len, out.splitlines())) <= 80
    rows = [line.split(maxsplit=1) for line in out.partition("Commands:\n")[2].splitlines()]
    assert rows == [[name, summary] for name, (_, summary) in cli.COMMANDS.items()]  # each in one line


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_summary_of_a_command_begins_its_help(clew, name):
    module, summary = cli.COMMANDS[name]
    command = getattr(import_module(f"clew.cli.{module}"), name)
    assert inspect.getdoc(command).partition("\n\n")[0] == summary
    assert summary in " ".join(clew(name, "--help")[1].split())


def test_the_options_of_train_stand_in_groups_with_their_defaults(clew, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    out = clew("train", "-h")[1]
    assert "Example: clew train wilson:20x30" in out
    titles = re.findall(r"^([A-Z][a-z ]+):$", out, re.MULTILINE)
    assert titles == ["Arguments", "World", "Learning", "Simulations and actors", "Output", "Options"]
    groups = dict(zip(titles, re.split(r"^[A-Z][a-z ]+:$", out, flags=re.MULTILINE)[1:], strict=True))
    for group, option in (("World", "--slip "), ("Learning", "--gamma"), ("Output", "--watch"), ("Options", "-h, ")):
        assert option in groups[group]
    assert "--chaos" in groups["Simulations and actors"]
    assert re.findall(r"--[a-z-]+", groups["Options"]) == ["--help"]
    for default in ("100 per free cell", "that of the card in clew worlds, or 0.9", "4"):
        assert f"[default: {default}]" in out
    assert "[default: 10 from a single start" in clew("evaluate", "-h")[1]


def test_names_in_the_help_are_those_of_the_tables():
    assert ", ".join(GENERATORS) == options.MAZE_KINDS
    assert ", ".join(KEYS) == options.MAZE_KEYS
    assert ", ".join(PLANNERS) == options.PLANNER_NAMES
    assert ", ".join(ENDINGS) == options.PLOT_ENDINGS
    assert ", ".join(FIGURES) == options.FIGURE_NAMES


def test_it_is_said_how_many_episodes_a_run_was_graded_by(clew):
    assert re.search(r"^graded by +10 greedy episodes$", clew("train", "2x2")[1], re.MULTILINE)
    assert re.search(r"^graded by +8 greedy episodes$", clew("train", "3x3", "--random-start")[1], re.MULTILINE)


def test_the_hash_of_a_run_is_not_broken(clew):
    out = clew("train", "2x2")[1]
    assert re.search(r"^table sha256 +[0-9a-f]{64}$", out, re.MULTILINE)
