"""Real maps with known answers, if they are at hand: shared/data beside the repository."""

import csv
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

import clew
from clew.errors import MazeError
from clew.mazes import Maze

DATA = Path(__file__).parents[2] / "shared" / "data"
if not DATA.is_dir():
    pytest.skip(f"there are no real maps: {DATA} does not exist", allow_module_level=True)

pytestmark = pytest.mark.data

MAPS = sorted((DATA / "maps").glob("*.map"))
SCENARIOS = sorted((DATA / "maps").glob("*.scen"))
with (DATA / "expected.csv").open(newline="") as file:
    ROWS = [row for row in csv.DictReader(file) if row["file"].startswith("maps/")]


def test_there_are_maps_and_answers() -> None:
    assert len(MAPS) >= 13
    assert len(ROWS) >= 190


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(list(row.values())[:5]))
def test_the_optimum_has_the_expected_steps(row: dict[str, str]) -> None:
    start = int(row["start_row"]), int(row["start_col"])
    goal = int(row["goal_row"]), int(row["goal_col"])
    if row["steps"] == "-1":
        with pytest.raises(MazeError, match="there is no way from the start"):
            Maze.load(DATA / row["file"], start=start, goal=goal)
    else:
        assert clew.solve(Maze.load(DATA / row["file"], start=start, goal=goal)).steps == int(row["steps"])


@pytest.mark.parametrize("path", MAPS, ids=lambda path: path.name)
def test_every_map_loads_with_the_cells_of_its_file(path: Path) -> None:
    maze = Maze.load(path)
    lines = path.read_bytes().split()
    letters = b"".join(lines[lines.index(b"map") + 1 :])
    assert maze.cells.size == len(letters)
    assert (~maze.blocked).sum() == sum(letters.count(letter) for letter in b".GS")


@pytest.mark.parametrize("row", [0, 1, 2])
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name)
def test_four_directions_take_as_long_as_eight_or_up_to_the_root_of_two_longer(path: Path, row: int) -> None:
    name = path.name.removesuffix(".scen").removesuffix(".map").removesuffix("-random-1")
    steps = clew.solve(Maze.load(path.with_name(f"{name}.map"), scenario=(path, row))).steps
    octile = float(path.read_text().splitlines()[1 + row].split()[-1])
    assert octile - 1e-4 <= steps <= octile * math.sqrt(2) + 1e-4


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name)
def test_eight_directions_take_as_long_as_was_published_to_the_digits_printed(path: Path) -> None:
    """A hundred rows of each file; two of the large maps, where a row takes half a second."""
    name = path.name.removesuffix(".scen").removesuffix(".map").removesuffix("-random-1")
    rows = path.read_text().split("\n", 1)[1].splitlines()
    maze = Maze.load(path.with_name(f"{name}.map"))
    for row in rows[:: 1 + len(rows) // (100 if maze.cells.size < 100_000 else 2)]:
        *_, start_x, start_y, goal_x, goal_y, length = row.split()
        ends = maze.with_ends((int(start_y), int(start_x)), (int(goal_y), int(goal_x)))
        env = clew.Environment(ends, moves="movingai", step_reward=-1.0, goal_reward=0.0)
        half_a_digit = 0.5 * 10.0 ** -len(length.partition(".")[2])
        assert abs(clew.solve(env, gamma=1.0).value + float(length)) <= half_a_digit + 1e-9


def test_eight_directions_are_learned_on_a_real_map():
    maps = DATA / "maps"
    maze = Maze.load(maps / "maze-32-32-4.map", scenario=(maps / "maze-32-32-4-random-1.scen", 1))
    env = clew.Environment(maze, moves="eight", step_reward=-1.0, goal_reward=0.0, random_start=True)
    policy = clew.train_policy(env, 20_000, gamma=1.0, alpha=1.0, seed=0)
    evaluation = clew.evaluate_policy(env, policy, gamma=1.0)
    assert evaluation.starts_right == 1.0


@pytest.mark.parametrize(
    ("name", "row"), [("empty-8-8", 0), ("maze-32-32-4", 1), ("room-32-32-4", 0), ("random-32-32-10", 0)]
)
def test_learning_finds_a_shortest_way(name: str, row: int) -> None:
    maps = DATA / "maps"
    env = clew.Environment(Maze.load(maps / f"{name}.map", scenario=(maps / f"{name}-random-1.scen", row)))
    policy = clew.train_policy(env, num_episodes=20_000, epsilon=0.5, seed=0)
    evaluation = clew.evaluate_policy(env, policy)
    assert evaluation.success_rate == 1.0
    assert evaluation.gap == 0.0


@pytest.mark.parametrize("name", ["empty-8-8", "maze-32-32-4", "room-32-32-4", "random-32-32-10"])
def test_the_command_line_learns_a_real_map_to_the_optimum_with_its_defaults(name):
    maps = DATA / "maps"
    command = [sys.executable, "-m", "clew.cli", "train", f"{maps / name}.map", "--json"]
    command += ["--scenario", f"{maps / name}-random-1.scen:20"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["gap"] == 0
