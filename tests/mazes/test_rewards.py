"""Exits and rewards of cells: in mazes, in our own text, and refused where a format has none."""

import pickle
import time

import numpy as np
import pytest

from clew import Maze, generate_maze
from clew.errors import MazeError, SettingError
from clew.kernels.dynamics import GOAL
from clew.mazes import find_maze

TEXT = """\
...A
.#.B
S.c.

A exit 1
B exit -1
c reward -0.5
2,0 reward 2
"""
WRITTEN = "...A\n.#.B\nS.a.\n\nA exit 1\nB exit -1\n2,0 reward 2\na reward -0.5\n"
MAZE = Maze.open(
    3,
    4,
    start=(2, 0),
    obstacles=[(1, 1)],
    exits={(0, 3): 1.0, (1, 3): -1.0},
    cell_rewards={(2, 2): -0.5, (2, 0): 2.0},
)


def test_a_text_has_exits_and_rewards_below_a_blank_line(tmp_path):
    assert Maze.from_text(TEXT) == MAZE
    assert MAZE.to_text() == WRITTEN
    assert MAZE.goals == ((0, 3), (1, 3))
    (tmp_path / "maze.txt").write_bytes(TEXT.replace("\n", "\r\n").encode())
    assert Maze.load(tmp_path / "maze.txt") == find_maze(str(tmp_path / "maze.txt")) == MAZE
    MAZE.save(tmp_path / "maze.txt")
    assert (tmp_path / "maze.txt").read_text() == WRITTEN


def test_walls_between_cells_go_with_exits():
    text = "+---+---+\n| S | A |\n+   +   +\n|     a |\n+---+---+\n\nA exit 2.5\na reward 1e-05\n"
    maze = Maze.from_text(text)
    assert (dict(maze.exits), dict(maze.cell_rewards)) == ({(0, 1): 2.5}, {(1, 1): 1e-5})
    assert maze.to_text() == text


def test_digits_and_letters_of_other_formats_are_letters_here():
    maze = Maze.from_text("S1F\nE.H\n\n1 exit 10\nE exit -3\nF reward 1\nH reward 2\n")
    assert dict(maze.exits) == {(0, 1): 10.0, (1, 0): -3.0}
    assert dict(maze.cell_rewards) == {(0, 2): 1.0, (1, 2): 2.0}


@pytest.mark.parametrize("seed", range(8))
def test_random_mazes_come_back_from_their_text(seed, tmp_path):
    """With more rewards than letters too, on goals, hazards and the start."""
    rng = np.random.default_rng(seed)
    maze = generate_maze(["wilson", "random"][seed % 2], 9, 11, seed=seed)
    free = [tuple(place) for place in np.argwhere(~maze.blocked).tolist()]
    rng.shuffle(free)
    free = [tuple(place) for place in free if tuple(place) != maze.start]
    count = 3 if seed < 4 else 35
    maze = maze.painted(free[:2], "hazard")
    exits = {place: float(rng.normal()) for place in free[2 : 2 + count] if not maze.cells[place] & GOAL}
    rewards = {
        place: float(rng.normal()) for place in free[-count:] if not maze.cells[place] & GOAL and place not in exits
    }
    rewards[maze.start] = rewards[free[0]] = 0.1
    maze = maze.with_rewards(exits=exits, cell_rewards=rewards)
    again = Maze.from_text(maze.to_text())
    assert again == maze
    assert hash(again) == hash(maze)
    assert (dict(again.exits), dict(again.cell_rewards)) == (exits, rewards)
    assert pickle.loads(pickle.dumps(maze)) == maze


def test_blank_lines_around_the_rewards_are_ignored():
    assert Maze.from_text("S.A\n\n  \n\n  A   exit\t1  \n\n") == Maze.from_text("S.A\n\nA exit 1\n")


def test_a_text_of_blank_lines_is_refused_at_once():
    began = time.process_time()
    with pytest.raises(MazeError, match="line 2, column 1: this line has 0 characters"):
        Maze.from_text("S\n" + "\n" * 1_000_000 + "x\n")
    assert time.process_time() - began < 10.0  # with a search that begins anew at each line it would be an hour


def test_cells_that_pay_the_same_share_a_letter():
    maze = Maze.open(2, 4, exits={(0, 3): -9.0, (1, 3): -9.0, (1, 2): 4.0}, cell_rewards={(0, 1): 1.0, (0, 2): 1.0})
    assert maze.to_text() == "SaaA\n..BA\n\nA exit -9\nB exit 4\na reward 1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("S.A\n\nA exits 1\n", "line 3, column 1: expected a letter or a place, exit or reward, and a number"),
        ("S.A\n\nA exit one\n", "line 3, column 1: expected a letter or a place"),
        ("S.A\n\nA exit 1_0\n", "line 3, column 1: expected a letter or a place"),
        ("S.A\n\nA exit 1\nB exit\n", "line 4, column 1: expected a letter or a place"),
        ("S.A\n\nA exit\n", "line 2, column 1: this line has 0 characters"),
        ("S.A\n\nS exit 1\n", "line 3, column 1: expected a letter or a place"),
        ("S.A\n\nA exit 1\nB exit 1\n", "line 4, column 1: no cell has the letter B"),
        ("S.A\n\nA exit 1\nA exit 2\n", r"line 4, column 1: the cell \(0, 2\) has an exit or a reward already"),
        ("S.A\n\nA exit 1\n0,2 reward 2\n", r"line 4, column 1: the cell \(0, 2\) has an exit or a reward already"),
        ("S.A\n\nA exit nan\n", r"the exit at \(0, 2\) must be a finite number, not nan"),
        ("S.A\n\nA exit 1e39\n", r"the exit at \(0, 2\) must be a finite number, also as float32"),
        ("S.G\n\n0,9 reward 1\n", r"the cell reward \(0, 9\) is outside the maze"),
        ("S.G\n\n0,2 reward 1\n", r"the cell reward at \(0, 2\) is on a goal; make that an exit"),
        ("S.G\n\n0,0 exit 1\n", r"the start \(0, 0\) is on a goal"),
        ("S#G\n...\n\n0,1 reward 1\n", r"the cell reward \(0, 1\) is in a blocked cell"),
        ("S!G\n...\n\n0,1 exit 1\n", r"the exit at \(0, 1\) is on a hazard"),
        ("S.A\n", "line 1, column 3: unknown character 'A'"),
        ("S.A\n\n\nA\n", "line 2, column 1: this line has 0 characters"),
    ],
)
def test_what_is_wrong_below_a_maze_is_named(text, message, tmp_path):
    with pytest.raises(MazeError, match=message):
        Maze.from_text(text)
    (tmp_path / "maze.txt").write_text(text)
    with pytest.raises(MazeError):
        Maze.load(tmp_path / "maze.txt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"exits": [(0, 1)]}, r"exits must be a dict from \(row, column\) to a reward"),
        ({"cell_rewards": 3}, r"cell_rewards must be a dict from \(row, column\) to a reward"),
        ({"exits": {(0, 1): "much"}}, r"the exit at \(0, 1\) must be a finite number"),
        ({"exits": {3: 1.0}}, r"the exit must be \(row, column\), not 3"),
        ({"exits": {(0, 1): 1.0}, "cell_rewards": {(0, 1): 1.0}}, r"the cell reward at \(0, 1\) is on a goal"),
    ],
)
def test_what_cells_cannot_pay_is_refused(arguments, message):
    with pytest.raises(MazeError, match=message):
        Maze(Maze.open(2, 2).cells, None, **arguments)


@pytest.mark.parametrize("ending", [".map", ".lay", ".png", ".pgm", ".maze"])
@pytest.mark.parametrize("kind", ["exits", "cell_rewards"])
def test_other_formats_refuse_them(ending, kind, tmp_path):
    maze = Maze.open(2, 2).with_rewards(**{kind: {(0, 1): 1.0}})
    with pytest.raises(MazeError, match=r"can't represent exits or rewards of cells; save this maze as \.txt"):
        maze.save(tmp_path / f"maze{ending}")
    with pytest.raises(MazeError, match="a FrozenLake list can't represent exits or rewards of cells"):
        maze.to_lists()


def test_exits_and_rewards_are_painted():
    maze = Maze.open(2, 3).painted([(0, 2), (1, 1)], "exit", -4.0).painted([(1, 0)], "reward", 0.5)
    assert (dict(maze.exits), dict(maze.cell_rewards)) == ({(0, 2): -4.0, (1, 1): -4.0}, {(1, 0): 0.5})
    assert maze.painted([(0, 2), (1, 1), (1, 0)], "free") == Maze.open(2, 3)
    assert maze.painted([(0, 2)], "goal").exits == {(1, 1): -4.0}
    assert maze.painted([(1, 0)], "start").cell_rewards == {(1, 0): 0.5}
    assert maze.painted([(0, 0)], "reward", 1.0).cell_rewards == {(0, 0): 1.0, (1, 0): 0.5}
    assert maze.painted([(1, 0)], "wall").cell_rewards == {}
    with pytest.raises(SettingError, match="reward must be given for 'exit'"):
        maze.painted([(1, 0)], "exit")
    with pytest.raises(SettingError, match="reward has no effect on 'goal'"):
        maze.painted([(1, 0)], "goal", 1.0)
    with pytest.raises(MazeError, match=r"the start \(0, 0\) can't become an exit"):
        maze.painted([(0, 0)], "exit", 1.0)


def test_another_goal_takes_the_place_of_the_exits():
    maze = MAZE.with_ends((2, 0), (2, 2))
    assert (maze.goals, dict(maze.exits), dict(maze.cell_rewards)) == (((2, 2),), {}, {(2, 0): 2.0})
    assert MAZE.with_ends((0, 0), None).exits == MAZE.exits


def test_exits_are_read_only_and_part_of_what_is_equal():
    with pytest.raises(TypeError):
        MAZE.exits[0, 0] = 1.0
    assert MAZE.with_rewards(exits={(0, 3): 1.0, (1, 3): -2.0}) != MAZE
    assert MAZE.with_rewards(cell_rewards={}) != MAZE
    assert MAZE.with_rewards(exits={}).goals == ()
