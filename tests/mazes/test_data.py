"""Real mazes with known answers, if shared/data is beside the repository."""

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
from clew.mazes.formats import read_scenarios

DATA = Path(__file__).parents[3] / "shared" / "data"
if not DATA.is_dir():
    pytest.skip(f"there are no real mazes: {DATA} does not exist", allow_module_level=True)

pytestmark = pytest.mark.data

MAPS = sorted((DATA / "maps").glob("*.map"))
SCENARIOS = sorted((DATA / "maps").glob("*.scen"))
MICE = sorted((DATA / "micromouse").glob("*.maze"))
with (DATA / "expected.csv").open(newline="") as file:
    ROWS = list(csv.DictReader(file))


def test_there_are_maps_and_answers() -> None:
    assert len(MAPS) >= 13
    assert len(MICE) >= 7
    assert len(ROWS) >= 197
    assert {row["file"] for row in ROWS} >= {f"micromouse/{path.name}" for path in MICE}


def load(row: dict[str, str]) -> Maze:
    """Load the maze of a row, with the start and goal of the row; a micromouse maze has its own."""
    if not row["start_row"]:
        return Maze.load(DATA / row["file"])
    start = int(row["start_row"]), int(row["start_col"])
    goal = int(row["goal_row"]), int(row["goal_col"])
    return Maze.load(DATA / row["file"], start=start, goal=goal)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(list(row.values())[:5]))
def test_the_optimum_has_the_expected_steps(row: dict[str, str]) -> None:
    if row["steps"] == "-1":
        with pytest.raises(MazeError, match="there is no path from the start"):
            load(row)
    else:
        maze = load(row)
        assert clew.solve(maze).steps == maze.distances()[maze.start] == int(row["steps"])


@pytest.mark.parametrize("path", MAPS, ids=lambda path: path.name)
def test_every_map_loads_with_the_cells_of_its_file(path: Path) -> None:
    maze = Maze.load(path)
    lines = path.read_bytes().split()
    letters = b"".join(lines[lines.index(b"map") + 1 :])
    assert maze.cells.size == len(letters)
    assert (~maze.blocked).sum() == sum(letters.count(letter) for letter in b".GS")


@pytest.mark.parametrize("path", MICE, ids=lambda path: path.name)
def test_every_micromouse_maze_loads_and_is_written_as_it_was(tmp_path: Path, path: Path) -> None:
    maze = Maze.load(path, unknown_walls="open")
    text = path.read_text()
    assert (2 * maze.rows + 1, 4 * maze.columns + 1) == (len(text.splitlines()), len(text.splitlines()[0]))
    assert len(maze.goals) == text.count("G")
    maze.save(tmp_path / path.name)
    assert (tmp_path / path.name).read_text() == text.replace(".", " ")
    if "." not in text:
        assert Maze.load(path) == maze


def test_unknown_walls_that_are_open_let_the_mouse_through() -> None:
    """Read as walls, they leave no path; read as open, every path has at least 31 + 31 steps."""
    path = DATA / "micromouse" / "32_unknown.maze"
    with pytest.raises(MazeError, match="there is no path from the start"):
        Maze.load(path, unknown_walls="wall")
    maze = Maze.load(path, unknown_walls="open")
    assert (maze.start, maze.goals) == ((31, 0), ((0, 31),))
    assert clew.solve(maze).steps == 62


@pytest.mark.parametrize("path", MAPS, ids=lambda path: path.name)
def test_a_real_map_is_the_same_in_other_formats(tmp_path: Path, path: Path) -> None:
    maze = Maze.load(path)
    for ending in (".txt", ".map", ".lay", ".png"):
        maze.save(tmp_path / f"maze{ending}")
        assert Maze.load(tmp_path / f"maze{ending}") == maze
    maze.save(tmp_path / "large.png", cell_size=3)
    assert Maze.load(tmp_path / "large.png", cell_size=3) == maze
    assert (Maze.from_array(maze.blocked).cells == maze.cells).all()


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name)
def test_every_scenario_of_a_file_is_read(path: Path) -> None:
    scenarios = read_scenarios(path)
    rows = [line.split() for line in path.read_text().splitlines()[1:]]
    assert len(scenarios) == len(rows) > 0
    assert [scenario.length for scenario in scenarios] == [float(row[-1]) for row in rows]
    assert [scenario.bucket for scenario in scenarios] == [int(row[0]) for row in rows]
    assert [(*scenario.start[::-1], *scenario.goal[::-1]) for scenario in scenarios] == [
        tuple(int(number) for number in row[-5:-1]) for row in rows
    ]


@pytest.mark.parametrize("row", [0, 1, 2])
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name)
def test_four_directions_take_as_long_as_eight_or_up_to_the_root_of_two_longer(path: Path, row: int) -> None:
    name = path.name.removesuffix(".scen").removesuffix(".map").removesuffix("-random-1")
    steps = clew.solve(Maze.load(path.with_name(f"{name}.map"), scenario=(path, row))).steps
    octile = read_scenarios(path)[row].length
    assert octile - 1e-4 <= steps <= octile * math.sqrt(2) + 1e-4


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name)
def test_eight_directions_take_as_long_as_was_published_to_the_digits_printed(path: Path) -> None:
    """Check a hundred rows of each file, and two of the large maps, where a row takes half a second.

    Files of the large maps are older: their lengths have six digits, with sqrt(2) in single precision.
    """
    name = path.name.removesuffix(".scen").removesuffix(".map").removesuffix("-random-1")
    rows = path.read_text().split("\n", 1)[1].splitlines()
    maze = Maze.load(path.with_name(f"{name}.map"))
    is_old = maze.cells.size >= 100_000
    moves = "movingai-float32" if is_old else "movingai"
    chosen = rows[:: 1 + len(rows) // (2 if is_old else 100)]
    chosen += [row for row in rows if row.endswith("691.293")][:1]  # 691.293506 with ten digits of sqrt(2)
    for row in chosen:
        *_, start_x, start_y, goal_x, goal_y, length = row.split()
        ends = maze.with_ends((int(start_y), int(start_x)), (int(goal_y), int(goal_x)))
        env = clew.Environment(ends, moves=moves, step_reward=-1.0, goal_reward=0.0)
        half_a_digit = 0.5 * 10.0 ** -len(length.partition(".")[2])
        assert abs(clew.solve(env, gamma=1.0).value + float(length)) <= half_a_digit + 1e-9


def test_eight_directions_are_learned_on_a_real_map():
    maps = DATA / "maps"
    maze = Maze.load(maps / "maze-32-32-4.map", scenario=(maps / "maze-32-32-4-random-1.scen", 1))
    env = clew.Environment(maze, moves="eight", step_reward=-1.0, goal_reward=0.0, random_start=True)
    policy = clew.train_policy(env, 20_000, gamma=1.0, alpha=1.0, seed=0)
    evaluation = clew.evaluate_policy(env, policy, gamma=1.0)
    assert evaluation.optimal_starts == 1.0


@pytest.mark.parametrize(
    ("name", "row"), [("empty-8-8", 0), ("maze-32-32-4", 1), ("room-32-32-4", 0), ("random-32-32-10", 0)]
)
def test_learning_finds_a_shortest_way(name: str, row: int) -> None:
    maps = DATA / "maps"
    env = clew.Environment(Maze.load(maps / f"{name}.map", scenario=(maps / f"{name}-random-1.scen", row)))
    policy = clew.train_policy(env, num_episodes=20_000, epsilon=0.5, seed=0)
    evaluation = clew.evaluate_policy(env, policy)
    assert evaluation.success_rate == 1.0
    assert evaluation.excess_steps == 0.0


@pytest.mark.parametrize("name", ["empty-8-8", "maze-32-32-4", "room-32-32-4", "random-32-32-10"])
def test_the_command_line_learns_the_way_through_a_real_map_with_its_defaults(name):
    maps = DATA / "maps"
    command = [sys.executable, "-m", "clew.cli.main", "train", f"{maps / name}.map", "--json"]
    command += ["--scenario", f"{maps / name}-random-1.scen:20"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    result = json.loads(done.stdout)
    assert result["success_rate"] == 1
    assert result["excess_steps"] <= 0.05 * result["optimal_steps"]  # in the long maze some states are seldom visited
