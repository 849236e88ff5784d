"""Mazes: construction, names, and reading and writing files."""

import pickle
import tracemalloc
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import oracles_mazes
from clew.errors import MazeError, NoPathError, SettingError
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.mazes import Maze, find_maze
from clew.mazes.formats import add_implied_walls
from random_mazes import places_of, random_cells, random_mazes

PLAIN = "S..#\n.#.!\n...G\n"

WALLED = """\
+---+---+---+
| S |     ! |
+   +---+---+
|   |###| G |
+   +---+   +
|           |
+---+---+---+
"""

SPIRAL = """\
+---+---+---+
| S         |
+---+---+   +
| G     |   |
+   +   +   +
|   |       |
+---+---+---+
"""


def complaint(call: Callable[[], Any]) -> str:
    """Return the text of the MazeError that a call raises."""
    with pytest.raises(MazeError) as caught:
        call()
    return str(caught.value)


def arrow_of(message: str) -> tuple[int, int]:
    """Return row and column of the place in a message's drawing to which its arrow points."""
    lines = message.splitlines()
    (arrow,) = (i for i, line in enumerate(lines) if line.strip() == "^")
    return arrow - 2, lines[arrow].index("^") - 4


def pointed_at(message: str) -> str:
    """Return the character to which the arrow points; empty if that is behind the end of the line."""
    row, column = arrow_of(message)
    return message.splitlines()[row + 1][column + 4 : column + 5]


def first_line(message: str) -> str:
    return message.splitlines()[0]


# The layout -----------------------------------------------------------------------------------------------------------


def test_an_open_maze_leads_from_corner_to_corner() -> None:
    maze = Maze.open(2, 3)
    assert (maze.rows, maze.columns, maze.start, maze.goals) == (2, 3, (0, 0), ((1, 2),))
    assert not maze.blocked.any()
    assert not maze.hazards.any()
    assert maze.to_text() == "S..\n..G\n"


def test_open_puts_everything_where_it_is_told() -> None:
    maze = Maze.open(3, 4, start=(2, 0), goal=(0, 1), obstacles=[(1, 0), (0, 2)], hazards=[(2, 3)])
    assert maze.to_text() == ".G#.\n#...\nS..!\n"
    assert np.argwhere(maze.blocked).tolist() == [[0, 2], [1, 0]]
    assert np.argwhere(maze.hazards).tolist() == [[2, 3]]


def test_open_without_a_start_has_none() -> None:
    assert Maze.open(2, 2, start=None).start is None


def test_from_text_reads_letters_as_cells() -> None:
    maze = Maze.from_text(PLAIN)
    assert (maze.start, maze.goals) == ((0, 0), ((2, 3),))
    assert np.argwhere(maze.blocked).tolist() == [[0, 3], [1, 1]]
    assert np.argwhere(maze.hazards).tolist() == [[1, 3]]
    assert maze.cells[0].tolist() == [
        WALL_UP | WALL_LEFT,
        WALL_UP | WALL_DOWN,
        WALL_UP | WALL_RIGHT,
        BLOCKED | WALL_UP | WALL_RIGHT | WALL_DOWN | WALL_LEFT,
    ]


def test_from_text_reads_walls_between_cells() -> None:
    maze = Maze.from_text(WALLED)
    assert (maze.start, maze.goals) == ((0, 0), ((1, 2),))
    assert np.argwhere(maze.blocked).tolist() == [[1, 1]]
    assert np.argwhere(maze.hazards).tolist() == [[0, 2]]
    assert maze.cells[0].tolist() == [
        WALL_UP | WALL_LEFT | WALL_RIGHT,
        WALL_UP | WALL_LEFT | WALL_DOWN,
        HAZARD | WALL_UP | WALL_RIGHT | WALL_DOWN,
    ]


@pytest.mark.parametrize("text", [PLAIN, WALLED, SPIRAL], ids=["plain", "walled", "spiral"])
def test_to_text_writes_what_from_text_read(text: str) -> None:
    assert Maze.from_text(text).to_text() == text


@pytest.mark.parametrize("text", [PLAIN, WALLED], ids=["plain", "walled"])
def test_the_ends_of_lines_do_not_matter(text: str) -> None:
    maze = Maze.from_text(text)
    assert Maze.from_text(text.replace("\n", "\r\n")) == maze
    assert Maze.from_text(text.rstrip("\n")) == maze
    assert Maze.from_text(text + "  \n\n") == maze


def test_walls_between_cells_without_a_thin_wall_are_the_same_maze_as_letters() -> None:
    assert Maze.from_text("+---+---+\n| S   . |\n+   +   +\n|     G |\n+---+---+\n") == Maze.open(2, 2)


def test_a_thin_wall_makes_the_way_longer() -> None:
    assert Maze.from_text(SPIRAL).distances().tolist() == [[7, 6, 5], [0, 1, 4], [1, 2, 3]]


def test_with_ends_moves_the_start_and_replaces_every_goal() -> None:
    maze = Maze.from_text("S.G\n.GG\n")
    moved = maze.with_ends((1, 0), (0, 0))
    assert moved.to_text() == "G..\nS..\n"
    assert maze.to_text() == "S.G\n.GG\n"


def test_with_ends_keeps_the_goals_if_given_none() -> None:
    maze = Maze.from_text("S.G\n.GG\n")
    assert maze.with_ends((1, 0), None).to_text() == "..G\nSGG\n"
    assert maze.with_ends(None, None).to_text() == "..G\n.GG\n"


def test_distances_count_the_steps_to_the_nearest_goal() -> None:
    maze = Maze.from_text("S.#.\n..#.\n.G#.\n")
    assert maze.distances().tolist() == [[3, 2, -1, -1], [2, 1, -1, -1], [1, 0, -1, -1]]
    assert maze.distances((0, 3)).tolist() == [[-1, -1, -1, 0], [-1, -1, -1, 1], [-1, -1, -1, 2]]


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        ((3, 0), "(3, 0) is outside the maze"),
        ((-1, 1), "(-1, 1) is outside the maze"),
        ((0, 2), "(0, 2) is in a blocked cell"),
    ],
)
def test_distances_to_no_place_are_refused(goal: tuple[int, int], said: str) -> None:
    maze = Maze.from_text("S.#.\n..#.\n.G#.\n")
    assert said in first_line(complaint(lambda: maze.distances(goal)))


def test_regions_are_numbered_row_by_row() -> None:
    assert Maze.from_text(".#.\n.#.\n.#G\n").regions().tolist() == [[0, -1, 1]] * 3
    assert Maze.from_text("+---+---+\n|   |   |\n+   +---+\n|   |   |\n+---+---+\n").regions().tolist() == [
        [0, 1],
        [0, 2],
    ]


@given(random_mazes())
def test_distances_agree_with_a_slow_search(maze: Maze) -> None:
    assert maze.distances().tolist() == oracles_mazes.distances(maze.cells, maze.goals)


@given(random_mazes(), st.data())
def test_distances_to_a_place_agree_with_a_slow_search(maze: Maze, data: st.DataObject) -> None:
    free = places_of(~maze.cells, BLOCKED)
    if free:
        goal = data.draw(st.sampled_from(free))
        assert maze.distances(goal).tolist() == oracles_mazes.distances(maze.cells, [goal])


@given(random_cells())
def test_cells_are_in_one_region_if_there_is_a_way_between_them(cells: np.ndarray) -> None:
    regions = Maze(cells).regions()
    for goal in np.ndindex(cells.shape):
        if cells[goal] & BLOCKED:
            assert regions[goal] == -1
        else:
            reached = np.array(oracles_mazes.distances(cells, [goal])) >= 0
            assert (reached == (regions == regions[goal])).all()


@given(random_cells(), st.data())
def test_a_maze_is_refused_just_if_the_slow_search_finds_no_way(cells: np.ndarray, data: st.DataObject) -> None:
    goals = places_of(cells, GOAL)
    starts = [place for place in np.ndindex(cells.shape) if not cells[place] & (GOAL | HAZARD | BLOCKED)]
    assume(goals and starts)
    start = data.draw(st.sampled_from(starts))
    if oracles_mazes.steps_between(cells, start, goals) >= 0:
        assert Maze(cells, start).start == start
    else:
        assert first_line(complaint(lambda: Maze(cells, start))).startswith(f"there is no path from the start {start}")


# Value semantics ------------------------------------------------------------------------------------------------------


def test_a_maze_can_not_be_changed() -> None:
    maze = Maze.open(2, 2)
    with pytest.raises(FrozenInstanceError):
        maze.start = (1, 0)
    with pytest.raises(ValueError, match="read-only"):
        maze.cells[0, 0] = 0


def test_a_maze_does_not_share_the_array_it_was_made_of() -> None:
    cells = Maze.open(2, 2).cells.copy()
    maze = Maze(cells)
    cells[0, 0] |= HAZARD
    assert not maze.hazards.any()


def test_equal_mazes_are_equal_and_hash_alike() -> None:
    maze, again = Maze.from_text(WALLED), Maze.from_text(WALLED)
    assert maze is not again
    assert maze == again
    assert len({maze, again}) == 1


@pytest.mark.parametrize(
    "other",
    [
        Maze.open(3, 2),
        Maze.open(2, 3, start=(0, 1)),
        Maze.open(2, 3, start=None),
        Maze.open(2, 3, goal=(1, 1)),
        Maze.open(2, 3, hazards=[(1, 0)]),
        Maze.open(2, 3, obstacles=[(1, 0)]),
        Maze.from_text("+---+---+---+\n| S |       |\n+   +   +   +\n|         G |\n+---+---+---+\n"),
        "S..\n..G\n",
    ],
    ids=["shape", "start", "no start", "goal", "hazard", "obstacle", "thin wall", "text"],
)
def test_mazes_that_differ_are_not_equal(other: object) -> None:
    assert Maze.open(2, 3) != other


@given(random_mazes())
def test_a_pickled_maze_is_the_same_and_as_immutable(maze: Maze) -> None:
    copy = pickle.loads(pickle.dumps(maze))
    assert copy == maze
    assert not copy.cells.flags.writeable


def test_repr_says_size_start_and_goals() -> None:
    assert repr(Maze.open(2, 3)) == "Maze(2x3, start=(0, 0), goals=((1, 2),))"


# Round trips of text and files ----------------------------------------------------------------------------------------


@given(random_mazes())
def test_text_says_all_of_a_maze(maze: Maze) -> None:
    assert Maze.from_text(maze.to_text()) == maze


@given(random_mazes(thin_walls=False))
def test_without_thin_walls_the_text_has_a_character_a_cell(maze: Maze) -> None:
    lines = maze.to_text().splitlines()
    assert [len(line) for line in lines] == [maze.columns] * maze.rows
    assert Maze.from_text(maze.to_text()) == maze


@settings(max_examples=30)
@given(maze=random_mazes())
def test_a_saved_text_file_loads_as_the_same_maze(tmp_path_factory: pytest.TempPathFactory, maze: Maze) -> None:
    path = tmp_path_factory.mktemp("mazes") / "maze.txt"
    maze.save(path)
    assert Maze.load(path) == maze


@settings(max_examples=30)
@given(maze=random_mazes(thin_walls=False, hazards=False))
def test_a_saved_map_keeps_the_blocked_cells(tmp_path_factory: pytest.TempPathFactory, maze: Maze) -> None:
    path = tmp_path_factory.mktemp("mazes") / "maze.map"
    maze.save(path)
    loaded = Maze.load(path)
    assert (loaded.start, loaded.goals) == (None, ())
    assert (loaded.blocked == maze.blocked).all()


def test_load_puts_start_and_goal_in_place_of_the_files_own(tmp_path) -> None:
    path = tmp_path / "maze.txt"
    path.write_text("S.G\n...\n")
    assert Maze.load(path, start=(1, 0)).to_text() == "..G\nS..\n"
    assert Maze.load(path, goal=(1, 2)).to_text() == "S..\n..G\n"
    assert Maze.load(str(path), start=(0, 2), goal=(0, 0)).to_text() == "G.S\n...\n"


def test_save_replaces_an_older_file_and_leaves_nothing_beside_it(tmp_path) -> None:
    path = tmp_path / "maze.txt"
    path.write_text("S..\n..G\n")
    Maze.open(2, 2).save(path)
    assert path.read_bytes() == b"S.\n.G\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_map_is_written_in_movingais_words(tmp_path) -> None:
    Maze.open(2, 3, obstacles=[(0, 1)]).save(tmp_path / "maze.map")
    assert (tmp_path / "maze.map").read_bytes() == b"type octile\nheight 2\nwidth 3\nmap\n.@.\n...\n"


@pytest.mark.parametrize("text", [WALLED, "S!G\n"], ids=["thin walls", "hazard"])
def test_a_map_file_refuses_what_it_can_not_say(tmp_path, text: str) -> None:
    path = tmp_path / "maze.map"
    path.write_text("old")
    assert "can't represent thin walls or hazards" in complaint(lambda: Maze.from_text(text).save(path))
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("maze.svg", "unknown file extension '.svg'"),
        ("maze", "unknown file extension ''"),
        ("no/maze.txt", "No such file"),
    ],
)
def test_save_names_the_file_that_it_can_not_write(tmp_path, name: str, said: str) -> None:
    path = tmp_path / name
    message = complaint(lambda: Maze.open(2, 2).save(path))
    assert message.startswith(f"{path}: ")
    assert said in message
    assert list(tmp_path.iterdir()) == []


# MovingAI -------------------------------------------------------------------------------------------------------------

ROWS = [b"..@.T", b".G@SW", b"..O.."]
HEADER = [b"type octile", b"height 3", b"width 5", b"map"]


@pytest.fixture
def map_file(tmp_path):
    path = tmp_path / "small.map"
    path.write_bytes(b"\n".join(HEADER + ROWS) + b"\n")
    return path


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("last", [True, False], ids=["last newline", "no last newline"])
@pytest.mark.parametrize("header", [HEADER, [HEADER[0], HEADER[2], HEADER[1], HEADER[3]]], ids=["height", "width"])
def test_a_map_is_read_whatever_its_line_ends_and_header_order(tmp_path, newline, last, header) -> None:
    path = tmp_path / "small.map"
    path.write_bytes(newline.join(header + ROWS) + newline * last)
    maze = Maze.load(path)
    assert maze.to_text() == "..#.#\n..#.#\n..#..\n"
    assert (maze.rows, maze.columns, maze.start, maze.goals) == (3, 5, None, ())


def test_isolated_cells_of_a_map_are_regions_of_their_own(map_file) -> None:
    assert Maze.load(map_file).regions().tolist() == [[0, 0, -1, 1, -1], [0, 0, -1, 1, -1], [0, 0, -1, 1, 1]]


def test_no_way_between_two_parts_of_a_map_is_said_and_drawn(map_file) -> None:
    message = complaint(lambda: Maze.load(map_file, start=(0, 0), goal=(2, 4)))
    assert first_line(message) == f"{map_file}: there is no path from the start (0, 0) to the goal (2, 4)"
    assert pointed_at(message) == "S"


@pytest.mark.parametrize("gap", ["\t", " "], ids=["tab", "blank"])
def test_a_scenario_gives_the_column_before_the_row(map_file, gap: str) -> None:
    scenarios = map_file.with_suffix(".scen")
    rows = [["0", "small.map", "5", "3", "3", "0", "4", "2", "3.41"], ["0", "a map", "5", "3", "1", "2", "0", "1", "2"]]
    scenarios.write_text("version 1\n" + "".join(gap.join(row) + "\n" for row in rows))
    assert Maze.load(map_file, scenario=(scenarios, 0)).to_text() == "..#S#\n..#.#\n..#.G\n"
    assert Maze.load(map_file, scenario=(str(scenarios), 1)).to_text() == "..#.#\nG.#.#\n.S#..\n"


@pytest.mark.parametrize(
    ("row", "index", "said"),
    [
        ("0 m 5 3 3 0 4 2 3.4", 1, "there is no scenario 1; the file has 1, counted from 0"),
        ("0 m 5 3 3 0 4 2 3.4", -1, "there is no scenario -1; the file has 1, counted from 0"),
        ("0 m 5 3 3 0 4 2", 0, "scenario 0: expected nine columns, found 8: '0 m 5 3 3 0 4 2'"),
        ("0 m 5 3 3 0 x 2 3.4", 0, "scenario 0: sizes and places must be whole numbers: '5 3 3 0 x 2'"),
        ("0 m 5 3 3 0 -4 2 3.4", 0, "scenario 0: sizes and places must be whole numbers: '5 3 3 0 -4 2'"),
        ("0 m 3 5 3 0 4 2 3.4", 0, "scenario 0 is for a map of 5 x 3 cells, this one has 3 x 5"),
        ("0 m 5 3 3 0 5 2 3.4", 0, "the goal (2, 5) is outside the maze, whose rows are 0..2 and columns 0..4"),
        ("0 m 5 3 2 0 4 2 3.4", 0, "the start (0, 2) is in a blocked cell"),
        ("0 m 5 3 0 0 4 2 0", 0, "there is no path from the start (0, 0) to the goal (2, 4)"),
    ],
)
def test_a_bad_scenario_is_named(map_file, row: str, index: int, said: str) -> None:
    scenarios = map_file.with_suffix(".scen")
    scenarios.write_text(f"version 1\n{row}\n")
    line = first_line(complaint(lambda: Maze.load(map_file, scenario=(scenarios, index))))
    assert line.startswith(f"{map_file}: ")
    assert line.endswith(said)


def test_a_scenario_and_a_start_contradict_each_other(map_file) -> None:
    message = complaint(lambda: Maze.load(map_file, start=(0, 0), scenario=("any.scen", 0)))
    assert message.endswith("give a scenario, or a start and a goal, not both")


def test_a_missing_scenario_file_is_named(map_file) -> None:
    missing = map_file.with_name("no.scen")
    message = complaint(lambda: Maze.load(map_file, scenario=(missing, 0)))
    assert message == f"{missing}: can't be read: No such file or directory"


# Invalid mazes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "said", "pointed"),
    [
        ("S.G\n..x\n", (2, 3), "unknown character 'x'", "x"),
        ("S.G\n.\t.\n", (2, 2), r"unknown character '\t'", None),
        ("S.G\n.S.\n", (2, 2), "a second S; a maze has one start", "S"),
        ("S.G\n..\n...\n", (2, 3), "this line has 2 characters, the first one 3", ""),
        ("S.G\n....\n", (2, 4), "this line has 4 characters, the first one 3", "."),
        ("\nS.G\n", (2, 1), "this line has 3 characters, the first one 0", "S"),
        ("+---+---+\n| S   G |\n+---x---+\n", (3, 5), "expected a post, '+', not 'x'", "x"),
        ("+---+   +\n| S   G |\n+---+---+\n", (1, 6), "expected '---', since the edge is all wall, not '   '", " "),
        ("+---+---+\n| S   G |\n+---+-- +\n", (3, 6), "expected '---', since the edge is all wall, not '-- '", "-"),
        ("+---+\n| S |\n+ - +\n| G |\n+---+\n", (3, 2), "expected '---' or three blanks, not ' - '", " "),
        ("+---+---+\n| S - G |\n+---+---+\n", (2, 5), "expected '|' or a blank, not '-'", "-"),
        ("+---+---+\n| S   G  \n+---+---+\n", (2, 9), "expected '|', since the edge is all wall, not ' '", " "),
        ("+---+---+\n| S   x |\n+---+---+\n", (2, 7), "a cell is one of . S G !", "x"),
        ("+---+---+\n| S  .G |\n+---+---+\n", (2, 7), "between two blanks, or ###", "G"),
        ("+---+---+\n| S |# #|\n+---+---+\n", (2, 7), "between two blanks, or ###", " "),
        ("+---+---+\n| S   G |\n+   +   +\n|     S |\n+---+---+\n", (4, 7), "a second S", "S"),
    ],
)
def test_text_that_is_no_maze_is_refused_at_line_and_column(text: str, place, said: str, pointed: str | None) -> None:
    message = complaint(lambda: Maze.from_text(text))
    assert first_line(message).startswith(f"line {place[0]}, column {place[1]}: ")
    assert said in first_line(message)
    if pointed is not None:
        assert pointed_at(message) == pointed


@pytest.mark.parametrize("text", ["", "\n", "\n  \n\n"])
def test_an_empty_text_is_no_maze(text: str) -> None:
    assert complaint(lambda: Maze.from_text(text)) == "the maze is empty: it has no line of cells"


@pytest.mark.parametrize(
    ("text", "size"),
    [("+---+\n| S |\n", "2 lines of 5"), ("+---\n| S \n+---\n", "3 lines of 4"), ("+\n|\n+\n", "3 lines of 1")],
)
def test_walls_between_cells_need_room_for_them(text: str, size: str) -> None:
    message = complaint(lambda: Maze.from_text(text))
    assert "2 * rows + 1 lines of 4 * columns + 1 characters" in first_line(message)
    assert first_line(message).endswith(f"this maze has {size}")
    assert pointed_at(message) == "+"


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_only_what_an_editor_shows_as_a_new_line_is_one(end: str) -> None:
    message = complaint(lambda: Maze.from_text(f"S.G{end}...\n"))
    assert first_line(message).startswith(f"line 1, column 4: unknown character {end!r}")


@pytest.mark.parametrize("letter", ["\x1b", "\x00", "\x9b", "\u202e"])
def test_an_error_sends_nothing_to_the_terminal_but_text(letter: str) -> None:
    message = complaint(lambda: Maze.from_text(f"S.G\n.{letter}.\n"))
    assert first_line(message).startswith(f"line 2, column 2: unknown character {letter!r}")
    assert message.replace("\n", "").isprintable()


def test_only_the_surroundings_of_a_place_are_drawn() -> None:
    lines = ["." * 400] * 200
    lines[99] = "." * 249 + "x" + "." * 150
    message = complaint(lambda: Maze.from_text("\n".join(lines)))
    assert first_line(message).startswith("line 100, column 250: ")
    assert pointed_at(message) == "x"
    assert len(message.splitlines()) == 1 + 7 + 1
    assert max(len(line) for line in message.splitlines()[1:]) == 4 + 60


@pytest.mark.parametrize(
    ("text", "said", "pointed"),
    [
        ("S#G\n", "there is no path from the start (0, 0) to the goal (0, 2)", "S"),
        (".#G\nS#G\n", "there is no path from the start (1, 0) to any of the 2 goals", "S"),
        ("+---+---+\n| G | S |\n+---+---+\n", "there is no path from the start (0, 1) to the goal (0, 0)", "S"),
    ],
)
def test_a_start_without_a_way_to_a_goal_is_refused(text: str, said: str, pointed: str) -> None:
    message = complaint(lambda: Maze.from_text(text))
    assert first_line(message) == said
    assert pointed_at(message) == pointed


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"start": (0, 1), "obstacles": [(0, 1)]}, "the start (0, 1) is in a blocked cell"),
        ({"start": (0, 1), "hazards": [(0, 1)]}, "the start (0, 1) is on a hazard"),
        ({"start": (1, 2)}, "the start (1, 2) is on a goal"),
        ({"start": [0, 1], "obstacles": [(0, 1)]}, "the start (0, 1) is in a blocked cell"),
        ({"goal": (0, 1), "obstacles": [(0, 1)]}, "the goal (0, 1) is in a blocked cell"),
        ({"goal": (0, 1), "hazards": [(0, 1)]}, "the goal (0, 1) is on a hazard"),
        ({"obstacles": [(1, 1)], "hazards": [(1, 1)]}, "the hazard (1, 1) is in a blocked cell"),
    ],
)
def test_what_stands_in_the_wrong_place_is_named_and_drawn(settings: dict, said: str) -> None:
    message = complaint(lambda: Maze.open(2, 3, **settings))
    assert first_line(message) == said
    assert str(arrow_of(message)) in said
    assert message.count("S") <= 1


@pytest.mark.parametrize("name", ["start", "goal", "obstacle", "hazard"])
@pytest.mark.parametrize("place", [(2, 0), (0, 3), (-1, 0), (0, -1)])
def test_places_outside_are_refused_with_the_range_that_is_inside(name: str, place) -> None:
    settings = {name: place} if name in ("start", "goal") else {f"{name}s": [place]}
    message = complaint(lambda: Maze.open(2, 3, **settings))
    assert message == f"the {name} {place} is outside the maze, whose rows are 0..1 and columns 0..2"


@pytest.mark.parametrize("place", [(1, 2, 3), 5, (0.5, 1), "ab"], ids=str)
def test_a_place_is_two_whole_numbers(place: Any) -> None:
    assert complaint(lambda: Maze.open(2, 3, goal=place)) == f"the goal must be (row, column), not {place!r}"


def test_a_place_may_be_a_row_of_an_array() -> None:
    where = np.argwhere(np.array([[False, True, False], [False, False, True]]))
    assert Maze.open(2, 3, start=(0, 0), goal=where[1], obstacles=where[:1]).blocked.tolist()[0] == [False, True, False]


@pytest.mark.parametrize(
    ("size", "said"),
    [((2.5, 2), "rows must be a whole number, not 2.5"), ((2, "3"), "columns must be a whole number, not '3'")],
)
def test_a_size_is_whole_numbers(size: Any, said: str) -> None:
    assert complaint(lambda: Maze.open(*size)) == said


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (np.zeros((2, 2), np.uint8), "edge of the grid must be wall"),
        (
            add_implied_walls(np.zeros((2, 2), np.uint8)) | np.array([[8, 0], [0, 0]], np.uint8),
            "must be marked in both of them",
        ),
        (add_implied_walls(np.array([[GOAL | BLOCKED, 0]], np.uint8)), "a goal can't be in a blocked cell"),
        (np.array([15], np.uint8), "must have shape"),
        (np.array([[271]]), "cells must be whole numbers that fit into uint8"),
        (np.array([[15.7]]), "cells must be whole numbers that fit into uint8"),
        (np.array([["wall"]]), "cells must be an array of numbers"),
    ],
    ids=["open edge", "one-sided wall", "goal in a wall", "one dimension", "too large", "fraction", "words"],
)
def test_cells_that_are_no_grid_are_no_maze(cells: np.ndarray, said: str) -> None:
    assert said in complaint(lambda: Maze(cells))


@pytest.mark.parametrize(("rows", "columns"), [(0, 5), (5, 0), (-2, -3)])
def test_a_maze_has_a_cell_at_least(rows: int, columns: int) -> None:
    message = complaint(lambda: Maze.open(rows, columns))
    assert message == f"a maze of {rows} rows and {columns} columns has no cells; both must be at least 1"


@pytest.mark.parametrize("way", ["open", "name", "map"])
def test_a_maze_too_large_is_refused_before_memory_is_taken(tmp_path, way: str) -> None:
    path = tmp_path / "huge.map"
    path.write_text("type octile\nheight 8193\nwidth 8192\nmap\n")
    ways = {
        "open": lambda: Maze.open(8193, 8192),
        "name": lambda: find_maze("8193x8192"),
        "map": lambda: Maze.load(path),
    }
    tracemalloc.start()
    try:
        message = complaint(ways[way])
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert message.endswith("a maze of 8193 x 8192 cells is too large: the limit is 67,108,864 cells")


@pytest.mark.parametrize(
    ("size", "named"),
    [
        ("4000000000x5", "4000000000 x 5 cells"),
        ("5x4000000000", "5 x 4000000000 cells"),
        ("9" * 5000 + "x1", "a size of 5,002 characters"),
    ],
)
def test_a_size_of_many_digits_is_too_large(size: str, named: str) -> None:
    for name in (size, f"wilson:{size}", f"wilson:{size}:seed=3"):
        message = complaint(lambda name=name: find_maze(name))
        assert message == f"a maze of {named} is too large: the limit is 67,108,864 cells"
    assert find_maze("0000000000002x3") == Maze.open(2, 3)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "a .map file begins with four header lines: type, height, width, map; this one doesn't"),
        (b"type octile\nheight 1\nwidth 1\n", "a .map file begins with four header lines"),
        (b"type octile\nheight 1\nmap\n.\n", "the header must give both height and width before the line 'map'"),
        (b"octile\nheight 1\nwidth 1\nmap\n.\n", "line 1, column 1: expected a header line"),
        (b"type octile\nheight 1\nwidth\nmap\n.\n", "line 3, column 1: expected a header line"),
        (b"type octile\nheight 1.5\nwidth 1\nmap\n.\n", "line 2, column 8: height must be a whole number, not '1.5'"),
        (b"type octile\nheight 1\nwidth -1\nmap\n.\n", "line 3, column 7: width must be a whole number, not '-1'"),
        (b"type octile\nheight 0\nwidth 1\nmap\n", "a maze of 0 rows and 1 columns has no cell"),
        (b"type octile\nheight 2\nwidth 1\nmap\n.\n", "the header says 2 rows, but the file has 1"),
        (b"type octile\nheight 2\nwidth 1\nmap\n.\n.\n.\n", "the header says 2 rows, but the file has 3"),
        (b"type octile\nheight 2\nwidth 3\nmap\n...\n..\n", "line 6, column 3: this line has 2 characters"),
        (b"type octile\nheight 1\nwidth 2\nmap\n...\n", "line 5, column 3: this line has 3 characters"),
        (b"type octile\nheight 2\nwidth 3\nmap\n...\n.x.\n", "line 6, column 2: unknown character 'x'"),
        (b"type octile\nheight 1\nwidth 2\nmap\n.\xe9\n", "line 5, column 2: unknown character 'é'"),
        (b"type octile\nheight " + b"9" * 5000 + b"\nwidth 1\nmap\n", "line 2, column 8: height"),
        (bytes(range(256)), "line 1, column 1: expected a header line"),
    ],
)
def test_a_bad_map_is_refused_by_its_line(tmp_path, data: bytes, said: str) -> None:
    path = tmp_path / "bad.map"
    path.write_bytes(data)
    message = complaint(lambda: Maze.load(path))
    assert message.startswith(f"{path}: ")
    assert said in first_line(message)
    assert ("^" in message) == said.startswith("line")  # errors with a place draw it


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        (
            "maze.svg",
            b"S.G\n",
            "unknown file extension '.svg'; use a .txt, .map, .maze, .lay, .png or .pgm file",
        ),
        ("maze", b"S.G\n", "unknown file extension ''; use a .txt, .map, .maze, .lay, .png or .pgm file"),
        ("maze.txt", None, "can't be read: No such file or directory"),
        ("maze.map", None, "can't be read: No such file or directory"),
        ("maze.txt", b"S.G\n.\xff.\n", "not a text file (byte 5 is not UTF-8)"),
        ("maze.txt", b"", "the maze is empty: it has no line of cells"),
        ("maze.txt", b"S.G\n.x.\n", "line 2, column 2: unknown character 'x'; a cell is one of . # S G !"),
        ("maze.txt", b"S#G\n", "there is no path from the start (0, 0) to the goal (0, 2)"),
    ],
)
def test_load_names_the_file_that_it_refuses(tmp_path, name: str, data: bytes | None, said: str) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    assert first_line(complaint(lambda: Maze.load(path))) == f"{path}: {said}"


def test_a_folder_is_no_maze_file(tmp_path) -> None:
    path = tmp_path / "maze.txt"
    path.mkdir()
    assert complaint(lambda: Maze.load(path)) == f"{path}: can't be read: it is a folder"


def test_a_name_that_no_file_can_have_is_refused_like_any_other() -> None:
    assert complaint(lambda: find_maze("a\0.txt")) == "a\0.txt: can't be read: its name holds a zero byte"
    assert complaint(lambda: find_maze("a\0")).startswith("no maze is called 'a\\x00'")


def test_the_error_about_a_missing_path_has_the_maze_and_can_be_sent(tmp_path) -> None:
    path = tmp_path / "maze.txt"
    path.write_text("S.#G\n")
    for call in (lambda: Maze.from_text("S.#G\n"), lambda: Maze.load(path), lambda: find_maze(str(path))):
        with pytest.raises(NoPathError) as caught:
            call()
        for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
            assert error.start == (0, 0)
            assert Maze(error.cells) == Maze.from_text("..#G\n")
            assert str(error) == str(caught.value)
    assert str(caught.value).startswith(f"{path}: there is no path from the start (0, 0) to the goal (0, 3)")


# Names ----------------------------------------------------------------------------------------------------------------


def test_book_is_the_chapters_maze() -> None:
    assert find_maze("book") == Maze.open(5, 5, start=(0, 0), goal=(4, 4))


def test_a_size_is_an_open_maze() -> None:
    assert find_maze("3x4") == Maze.open(3, 4)
    assert find_maze("3x4", start=(0, 1), goal=(2, 2)) == Maze.open(3, 4, start=(0, 1), goal=(2, 2))


def test_a_file_is_a_maze(map_file) -> None:
    scenarios = map_file.with_suffix(".scen")
    scenarios.write_text("version 1\n0 m 5 3 3 0 4 2 3.4\n")
    assert find_maze(str(map_file), start=(0, 0), goal=(2, 1)) == Maze.load(map_file, start=(0, 0), goal=(2, 1))
    assert find_maze(str(map_file), scenario=f"{scenarios}:0") == Maze.load(map_file, scenario=(scenarios, 0))


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("boook", {}, "no maze is called 'boook': did you mean 'book'? Give 'book', a size such as '10x12', a recipe"),
        ("3x", {}, "no maze is called '3x'"),
        ("-3x4", {}, "no maze is called '-3x4'"),
        ("0x4", {}, "a maze of 0 rows and 4 columns has no cell"),
        ("1x1", {}, "a maze of one cell has no room for a start and a goal"),
        ("no.txt", {}, "no.txt: can't be read: No such file or directory"),
        ("3x4", {"start": (2, 3)}, "the start (2, 3) is on a goal"),
        ("3x4", {"scenario": "a.scen:0"}, "a scenario must be given with the map file that it is for, not with '3x4'"),
        ("a.map", {"scenario": "a.scen"}, "a scenario must be FILE.scen:ROW, with rows counted from 0, not 'a.scen'"),
        ("a.map", {"scenario": ":1"}, "a scenario must be FILE.scen:ROW, with rows counted from 0, not ':1'"),
        (
            "a.map",
            {"scenario": "a.scen:-1"},
            "a scenario must be FILE.scen:ROW, with rows counted from 0, not 'a.scen:-1'",
        ),
        (
            "a.map",
            {"scenario": "a.scen:x"},
            "a scenario must be FILE.scen:ROW, with rows counted from 0, not 'a.scen:x'",
        ),
    ],
)
def test_a_name_that_stands_for_no_maze_is_refused(name: str, settings: dict, said: str) -> None:
    assert first_line(complaint(lambda: find_maze(name, **settings))).startswith(said)


# Painting -------------------------------------------------------------------------------------------------------------


@given(random_mazes(), st.data())
def test_what_is_painted_is_there_and_wiped_off_leaves_nothing(maze, data):
    free = np.argwhere((maze.cells & ~np.uint8(15)) == 0).tolist()
    places = [tuple(place) for place in free if tuple(place) != maze.start]
    assume(places)
    place = data.draw(st.sampled_from(places))
    for kind, bit in (("hazard", HAZARD), ("goal", GOAL)):
        if kind == "goal" and maze.start and not maze.goals:
            continue  # there may be no path to the only goal
        painted = maze.painted([place], kind)
        assert painted.cells[place] == maze.cells[place] | bit
        assert painted.painted([place], "free") == maze
    moved = maze.painted([place], "start") if maze.distances()[place] >= 0 or not maze.goals else maze
    assert np.array_equal(moved.cells, maze.cells)


def test_of_several_places_the_last_becomes_the_start_and_the_others_stay():
    maze = Maze.open(3, 3, obstacles=[(0, 1)], hazards=[(1, 1)])
    assert maze.painted([(0, 1), (1, 1), (1, 0)], "start") == maze.with_ends((1, 0), None)


def test_a_wall_is_put_up_and_torn_down():
    maze = Maze.open(3, 3)
    walled = maze.painted([(1, 1), (1, 0)], "wall")
    assert walled == Maze.open(3, 3, obstacles=[(1, 1), (1, 0)])
    assert walled.painted([(1, 1), (1, 0)], "free") == maze
    assert walled.painted([(1, 1)], "free") == Maze.open(3, 3, obstacles=[(1, 0)])


def test_thin_walls_elsewhere_stay_when_a_cell_is_painted():
    maze = Maze.from_text("+---+---+---+\n| S     |   |\n+   +   +   +\n|         G |\n+---+---+---+\n")
    assert maze.painted([(1, 0)], "wall").painted([(1, 0)], "free") == maze
    assert maze.painted([(1, 1)], "hazard").cells[0, 1] == maze.cells[0, 1]


def test_painting_that_cannot_be_is_refused():
    maze = Maze.open(2, 3)
    with pytest.raises(MazeError, match=r"no path from the start \(0, 0\) to the goal \(1, 2\)"):
        maze.painted([(0, 1), (1, 1)], "wall")
    with pytest.raises(MazeError, match=r"the start \(0, 0\) can't become a \w+; move the start first"):
        maze.painted([(0, 0)], "wall")
    with pytest.raises(MazeError, match=r"the place \(2, 0\) is outside the maze"):
        maze.painted([(2, 0)], "wall")
    with pytest.raises(SettingError, match=r"kind must be one of free, wall, .*, not 'lava'"):
        maze.painted([(0, 1)], "lava")


def test_a_hazard_in_a_blocked_cell_is_refused_for_nobody_could_enter_it():
    cells = Maze.open(2, 3, obstacles=[(0, 1)]).cells.copy()
    cells[0, 1] |= HAZARD
    with pytest.raises(MazeError, match="a hazard can't be in a blocked cell"):
        Maze(cells, (0, 0))
