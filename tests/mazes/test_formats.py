"""Maze files: round trips, errors for damaged files, and limits of memory."""

import io
import random
import re
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clew.errors import MazeError, SettingError
from clew.kernels.dynamics import BLOCKED, HAZARD, WALL_LEFT, WALL_RIGHT
from clew.mazes import Maze, find_maze
from clew.mazes.formats import (
    Layout,
    add_implied_walls,
    cells,
    draw_excerpt,
    has_thin_walls,
    lines,
    parse_text,
    pictures,
    plain,
    read_scenario,
    read_scenarios,
    walled,
    write_lists,
    write_text,
)
from clew.mazes.formats.micromouse import parse_maze, write_maze
from clew.mazes.formats.movingai import parse_map, write_map
from clew.mazes.formats.pacman import parse_lay, write_lay
from clew.mazes.formats.pictures import draw_pgm, draw_png, parse_picture
from random_mazes import random_mazes

UNSEEN = """\
o---o---o---o
| G .     S |
o . o---o . o
|   |   .   |
o---o   o   o
|   .       |
o---o---o---o
"""


def first_line(call) -> str:
    """Return the first line of the MazeError that a call raises."""
    with pytest.raises(MazeError) as caught:
        call()
    return str(caught.value).splitlines()[0]


def outcome(call):
    """Return (result, "") of a call, or (None, text) of the MazeError that it raises; other exceptions fail."""
    try:
        return call(), ""
    except MazeError as error:
        return None, str(error)


def layout_of(maze: Maze) -> Layout:
    return Layout(maze.cells, maze.start)


def picture_of(pixels, mode=None, **options) -> bytes:
    """Return a PNG of an array of pixels, or of a Pillow picture."""
    image = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    file = io.BytesIO()
    (image if mode is None else image.convert(mode)).save(file, "PNG", **options)
    return file.getvalue()


# Round trips ----------------------------------------------------------------------------------------------------------


@given(random_mazes())
def test_our_own_text_says_all_of_a_maze(maze) -> None:
    assert Maze(*parse_text(write_text(layout_of(maze)))) == maze


@given(random_mazes(thin_walls=False, hazards=False))
def test_a_map_says_which_cells_are_blocked(maze) -> None:
    layout = parse_map(write_map(layout_of(maze)))
    assert layout.start is None
    assert ((layout.cells & BLOCKED > 0) == maze.blocked).all()
    assert not has_thin_walls(layout.cells)


@given(random_mazes(blocked=False, hazards=False))
def test_a_micromouse_file_says_start_goals_and_thin_walls(maze) -> None:
    data = write_maze(layout_of(maze))
    assert Maze(*parse_maze(data)) == maze
    assert Maze(*parse_maze(data, "open")) == maze  # no wall is unknown
    assert Maze(*parse_maze(data.replace(b"+", b"o"))) == maze


@given(random_mazes(thin_walls=False, hazards=False))
def test_a_pacman_layout_says_start_goals_and_blocked_cells(maze) -> None:
    data = write_lay(layout_of(maze))
    assert Maze(*parse_lay(data)) == maze
    widest = max(data.split(b"\n"), key=lambda line: len(line.rstrip()))
    if len(widest.rstrip()) == maze.columns and data.rstrip(b" \n") + b"\n" == data:
        assert Maze(*parse_lay(re.sub(rb" +\n", b"\n", data))) == maze  # blanks at the end of lines may be missing


@given(random_mazes(thin_walls=False), st.integers(1, 3))
def test_a_picture_says_all_but_thin_walls(maze, cell_size: int) -> None:
    data = draw_png(layout_of(maze), cell_size)
    assert Image.open(io.BytesIO(data)).size == (maze.columns * cell_size, maze.rows * cell_size)
    assert Maze(*parse_picture(data, cell_size)) == maze


@given(random_mazes(thin_walls=False, hazards=False), st.integers(1, 3))
def test_a_grey_picture_says_which_cells_are_blocked(maze, cell_size: int) -> None:
    data = draw_pgm(layout_of(maze), cell_size)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.mode, image.size) == ("PPM", "L", (maze.columns * cell_size, maze.rows * cell_size))
    layout = parse_picture(data, cell_size)
    assert layout.start is None
    assert Maze(layout.cells) == Maze.from_array(maze.blocked)


@given(random_mazes(thin_walls=False, blocked=False))
def test_lists_say_start_goals_and_hazards(maze) -> None:
    assert Maze.from_lists(maze.to_lists()) == maze
    assert Maze.from_lists(tuple(maze.to_lists())) == maze


@given(random_mazes(thin_walls=False, hazards=False))
def test_an_array_says_which_cells_are_blocked(maze) -> None:
    goal = maze.goals[0] if maze.goals else None
    expected = Maze(Maze.from_array(maze.blocked).cells).with_ends(None, goal)
    for blocked in (maze.blocked, maze.blocked.astype(int), maze.blocked.astype(np.uint8).tolist()):
        assert Maze.from_array(blocked, goal=goal) == expected
    assert (expected.blocked == maze.blocked).all()
    assert Maze.from_array(maze.blocked, None, None).goals == ()


@pytest.mark.parametrize("ending", [".txt", ".map", ".maze", ".lay", ".png", ".pgm"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_the_ending_of_the_name_decides_the_format(tmp_path, ending: str, newline: bytes) -> None:
    path = tmp_path / f"maze{ending}"
    maze = Maze.open(3, 4)
    maze.save(path)
    if ending not in (".png", ".pgm"):
        path.write_bytes(path.read_bytes().replace(b"\n", newline).removesuffix(newline))
    assert Maze.load(path, start=(0, 0), goal=(2, 3)) == maze
    assert find_maze(str(path), start=(0, 0), goal=(2, 3)) == maze


@given(random_mazes())
def test_a_format_writes_just_the_mazes_that_it_can_say(maze) -> None:
    """A .map file has neither start nor goals, as in MovingAI's benchmark."""
    thin, blocked = has_thin_walls(maze.cells), bool((maze.cells & BLOCKED).any())
    hazards = bool((maze.cells & HAZARD).any())
    writers = [
        (write_map, thin or hazards, "a .map file can't represent thin walls or hazards"),
        (write_maze, blocked or hazards, "a .maze file can't represent blocked cells or hazards"),
        (write_lay, thin or hazards, "a .lay file can't represent thin walls or hazards"),
        (draw_png, thin, "a .png file can't represent thin walls"),
        (draw_pgm, thin or hazards, "a .pgm file can't represent thin walls or hazards"),
        (write_lists, thin or blocked, "a FrozenLake list can't represent thin walls or blocked cells"),
    ]
    for write, is_refused, said in writers:
        if is_refused:
            assert first_line(lambda write=write: write(layout_of(maze))) == f"{said}; save this maze as .txt"
        else:
            write(layout_of(maze))


# Micromouse -----------------------------------------------------------------------------------------------------------


def test_unknown_walls_are_what_the_reader_is_told(tmp_path) -> None:
    path = tmp_path / "unseen.maze"
    path.write_text(UNSEEN)
    shut = "+---+---+---+\n| G |     S |\n+---+---+---+\n|   |   |   |\n+---+   +   +\n|   |       |\n+---+---+---+\n"
    assert "there is no path from the start (0, 2) to the goal (0, 0)" in first_line(lambda: Maze.load(path))
    assert Maze(parse_maze(UNSEEN.encode()).cells, None) == Maze.from_text(shut.replace("S", " "))
    opened = Maze.load(path, unknown_walls="open")
    assert opened == find_maze(str(path), unknown_walls="open")
    assert opened.to_text() == (
        "+---+---+---+\n| G       S |\n+   +---+   +\n|   |       |\n+---+   +   +\n|           |\n+---+---+---+\n"
    )
    assert opened.distances()[0, 2] == 2


def test_a_micromouse_maze_needs_no_start_and_no_goal_and_may_have_many() -> None:
    text = UNSEEN.replace("S", " ").replace("G", " ")
    assert (Maze(*parse_maze(text.encode())).goals, parse_maze(text.encode()).start) == ((), None)
    goals = Maze(*parse_maze(b"+---+---+\n| G   G |\n+   +   +\n| G   G |\n+---+---+"))
    assert (goals.goals, goals.start) == (((0, 0), (0, 1), (1, 0), (1, 1)), None)
    apart = Maze(*parse_maze(b"+---+---+---+\r\n| S   G |   |\r\n+---+---+---+"))
    assert apart.regions().tolist() == [[0, 0, 1]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "+---+---+\n| S . G |\n+-.-+---+\n",
            "line 3, column 2: expected '---', since the edge is all wall, not '-.-'",
        ),
        ("+---+\n| S |\n+ . +\n", "line 3, column 2: expected '---', since the edge is all wall, not ' . '"),
        ("+---+---+\n| S   G .\n+---+---+\n", "line 2, column 9: expected '|', since the edge is all wall, not '.'"),
        ("+---+---+\n| S x G |\n+---+---+\n", "line 2, column 5: expected '|', a blank or '.', not 'x'"),
        ("+---+\n| S |\n+...+\n| G |\n+---+\n", "line 3, column 2: expected '---', three blanks or ' . ', not '...'"),
        ("+---+---+\n| S   ! |\n+---+---+\n", "line 2, column 7: a cell is S, G or a blank, between two blanks"),
        ("+---x---+\n| S   G |\n+---+---+\n", "line 1, column 5: expected a post, '+' or 'o', not 'x'"),
        ("+---+---+\n| S   S |\n+---+---+\n", "line 2, column 7: a second S; a maze has one start"),
        (
            "S.G\n",
            "walls between cells take 2 * rows + 1 lines of 4 * columns + 1 characters; this maze has 1 lines of 3",
        ),
        ("\n\n", "the maze is empty: it has no line of cells"),
        ("+---+\n| \N{GREEK SMALL LETTER PI} |\n+---+", "line 2, column 3: unknown character 'π'; a cell is S, G or a"),
    ],
)
def test_a_bad_micromouse_maze_is_refused_by_line_and_column(text: str, said: str) -> None:
    assert first_line(lambda: parse_maze(text.encode())).startswith(said)


# Pac-Man --------------------------------------------------------------------------------------------------------------


def test_a_pacman_layout_has_ghosts_and_capsules_that_are_free() -> None:
    maze = Maze(*parse_lay(b"%%%%%%\n%P G1%\n%o%%\n%   .%\n%%%%%%\n\n"))
    assert maze.to_text() == "######\n#S...#\n#.##..\n#...G#\n######\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"%%%\n%x%\n", "line 2, column 2: unknown character 'x'; a cell is one of % P . o G 1 2 3 4 or a blank"),
        (b"%\n%%%\n\n%P\n%%P%\n", "line 5, column 3: a second P; a maze has one start"),
        (b"\n\n", "the maze is empty: it has no line of cells"),
        (b"%\xff%\n", "not a text file (byte 1 is not UTF-8)"),
    ],
)
def test_a_bad_pacman_layout_is_refused_by_line_and_column(text: bytes, said: str) -> None:
    assert first_line(lambda: parse_lay(text)) == said


# Pictures -------------------------------------------------------------------------------------------------------------

COLOURED = np.array(
    [
        [[255, 255, 255], [200, 190, 210], [127, 127, 127], [20, 30, 0]],
        [[220, 40, 30], [60, 200, 90], [0, 0, 160], [128, 128, 128]],
    ],
    np.uint8,
)
READ = "..##\nSG!.\n"


def test_colours_need_not_be_pure() -> None:
    assert Maze(*parse_picture(picture_of(COLOURED))).to_text() == READ


@pytest.mark.parametrize("cell_size", [2, 3, 4, 7])
def test_the_middle_pixel_of_a_cell_decides(cell_size: int) -> None:
    pixels = np.full((2 * cell_size, 4 * cell_size, 3), (255, 255, 0), np.uint8)
    pixels[cell_size // 2 :: cell_size, cell_size // 2 :: cell_size] = COLOURED
    assert Maze(*parse_picture(picture_of(pixels), cell_size)).to_text() == READ


@pytest.mark.parametrize("mode", ["P", "RGB", "RGBA"])
def test_pictures_of_every_kind_with_colours_are_read(mode: str) -> None:
    assert Maze(*parse_picture(picture_of(COLOURED, mode))).to_text() == READ


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("cell_size", [1, 2])
def test_grey_pictures_of_every_kind_are_read(mode: str, cell_size: int) -> None:
    blocked = np.random.default_rng(0).random((5, 7)) < 0.5
    grey = np.where(blocked, 0, 255).astype(np.uint8).repeat(cell_size, 0).repeat(cell_size, 1)
    image = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    assert image.mode == mode
    assert (Maze(*parse_picture(picture_of(image), cell_size)).blocked == blocked).all()


def test_a_colour_stands_out_by_64_and_grey_is_light_from_128_on() -> None:
    row = [[164, 100, 100], [163, 100, 100], [100, 100, 164], [127, 127, 129], [128, 128, 128]]
    pixels = np.array([row], np.uint8)
    assert Maze(*parse_picture(picture_of(pixels))).to_text() == "S#!#.\n"
    assert first_line(lambda: parse_picture(picture_of(np.array([[[163, 164, 100]]], np.uint8)))).startswith(
        "row 0, column 0"
    )
    sixteen_bits = Image.fromarray(np.array([[0x00FF, 0x7FFF, 0x8000, 0xFF00]], np.uint16))
    assert Maze(*parse_picture(picture_of(sixteen_bits))).to_text() == "##..\n"


def test_what_is_transparent_lies_on_white() -> None:
    black = np.zeros((1, 4, 4), np.uint8)
    black[0, :, 3] = [255, 0, 100, 140]
    assert Maze(*parse_picture(picture_of(black))).to_text() == "#..#\n"
    grey = Image.fromarray(np.array([[0, 1, 2]], np.uint16))
    assert Maze(*parse_picture(picture_of(grey, transparency=1))).to_text() == "#.#\n"
    named = Image.fromarray(np.array([[0, 1]], np.uint8))
    named.putpalette([0, 0, 0, 0, 0, 0])
    assert Maze(*parse_picture(picture_of(named, transparency=1))).to_text() == "#.\n"


@pytest.mark.parametrize(
    ("place", "colour", "said"),
    [
        ((1, 2), (255, 255, 0), "row 1, column 2: the colour (255, 255, 0) is neither dark or light grey, nor red,"),
        ((0, 3), (255, 0, 255), "row 0, column 3: the colour (255, 0, 255) is neither"),
        ((0, 3), (255, 0, 0), "row 1, column 0: a second red cell; a maze has one start"),
    ],
)
def test_a_cell_of_no_clear_colour_is_refused_by_row_and_column(place, colour, said: str) -> None:
    pixels = COLOURED.copy()
    pixels[place] = colour
    assert first_line(lambda: parse_picture(picture_of(pixels))).startswith(said)


def test_a_picture_that_can_not_be_cut_into_cells_is_refused() -> None:
    said = "a picture of 4 x 2 pixels can't be cut into cells of 4 x 4 pixels"
    assert first_line(lambda: parse_picture(picture_of(COLOURED), 4)) == said


def header(width: int, height: int) -> bytes:
    """Return a PNG with a header, and one line of pixels at most."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0")),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


@pytest.mark.parametrize(
    ("data", "cell_size", "said"),
    [
        (
            header(2**31 - 1, 2**31 - 1),
            1,
            "a maze of 2147483647 x 2147483647 cells is too large: the limit is 67,108,864",
        ),
        (header(10**5, 10**4), 1, "a maze of 10000 x 100000 cells is too large: the limit is 67,108,864 cells"),
        (header(16384, 8192), 2, "a picture of 16384 x 8192 pixels is too large: the limit is 67,108,864 pixels"),
        (header(0, 5), 1, "a maze of 5 rows and 0 columns has no cell"),
        (header(3, 5), 1, "the picture can't be read: "),
        (picture_of(COLOURED)[:-30], 1, "the picture can't be read: "),
        (b"GIF89a" + bytes(30), 1, "neither a PNG nor a PGM picture"),
        (b"", 1, "neither a PNG nor a PGM picture"),
    ],
)
def test_a_picture_too_large_or_damaged_is_refused(data: bytes, cell_size: int, said: str) -> None:
    tracemalloc.start()
    try:
        assert first_line(lambda: parse_picture(data, cell_size)).startswith(said)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_picture_is_written_as_it_is_asked_for(tmp_path) -> None:
    path = tmp_path / "maze.png"
    Maze.open(2, 3, obstacles=[(0, 1)], hazards=[(1, 0)]).save(path, cell_size=4)
    pixels = np.asarray(Image.open(path).convert("RGB"))
    assert pixels.shape == (8, 12, 3)
    assert [tuple(pixels[place].tolist()) for place in [(0, 0), (3, 7), (7, 3), (7, 11), (0, 11)]] == [
        (255, 0, 0), (0, 0, 0), (0, 0, 255), (0, 255, 0), (255, 255, 255),
    ]  # fmt: skip
    assert Maze.load(path, cell_size=4) == find_maze(str(path), cell_size=4)
    said = "a picture of 8192000 x 1024 pixels is too large"
    assert said in first_line(lambda: Maze.open(1, 8000).save(path, cell_size=1024))


# Options --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: find_maze("a.maze", unknown_walls="shut"), "unknown_walls must be one of wall, open, not 'shut'"),
        (lambda: find_maze("a.png", cell_size=0), "cell_size must be a whole number from 1 to 1,024, not 0"),
        (lambda: Maze.load("a.png", cell_size=2.5), "cell_size must be a whole number from 1 to 1,024, not 2.5"),
        (lambda: Maze.load("a.txt", cell_size=2), "cell_size has no effect on 'a.txt'; it is for .png, .pgm files"),
        (
            lambda: Maze.open(2, 2).save("a.map", cell_size=2),
            "cell_size has no effect on 'a.map'; it is for .png, .pgm files",
        ),
        (
            lambda: find_maze("3x4", unknown_walls="open"),
            "unknown_walls has no effect on '3x4'; it is for .txt, .maze, .png, .pgm files",
        ),
        (lambda: find_maze("book", cell_size=3), "cell_size has no effect on 'book'; it is for .png, .pgm files"),
    ],
)
def test_options_are_refused_out_of_range_or_without_effect(call, said: str) -> None:
    with pytest.raises(SettingError, match=f"^{re.escape(said)}$"):
        call()


# Lists and arrays -----------------------------------------------------------------------------------------------------


def test_frozen_lakes_holes_become_hazards() -> None:
    maze = Maze.from_lists(["SFFF", "FHFH", "FFFH", "HFFG"])
    assert Maze.from_lists(gymnasium.make("FrozenLake-v1").unwrapped.desc) == maze  # an array of bytes
    assert maze.to_text() == "S...\n.!.!\n...!\n!..G\n"
    assert maze.to_lists() == ["SFFF", "FHFH", "FFFH", "HFFG"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["SF", "Fx"], "line 2, column 2: unknown character 'x'; a cell is one of S F H G"),
        (["SF", "F"], "line 2, column 2: this line has 1 characters, the first one 2; all must be equally long"),
        (["SF", "  "], "line 2, column 1: unknown character ' '"),
        (["SS"], "line 1, column 2: a second S"),
        (["F\N{SNOWMAN}"], "line 1, column 2: unknown character '☃'"),
        (["SF\nFG"], "a string contains a newline"),
        ([], "the maze is empty"),
        ([""], "a maze of 1 rows and 0 columns has no cell"),
        ("SFG", "expected a list of strings, one per row, such as"),
        ([1, 2], "expected a list of strings, one per row, such as"),
        (None, "expected a list of strings, one per row, such as"),
    ],
)
def test_bad_lists_are_refused(rows, said: str) -> None:
    assert first_line(lambda: Maze.from_lists(rows)).startswith(said)


@pytest.mark.parametrize(
    ("blocked", "said"),
    [
        ([[0, 1], [2, 0]], "row 1, column 0: blocked must be 0 or 1, not 2"),
        ([[0, -1]], "row 0, column 1: blocked must be 0 or 1, not -1"),
        ([[0.0, 1.0]], "blocked must be True and False, or 0 and 1, not numbers of type float64"),
        ([0, 1], "blocked must have shape (rows, columns), not (2,)"),
        ([[0, 1], [0]], "blocked can't be converted to an array: "),
        (np.zeros((0, 3), bool), "a maze of 0 rows and 3 columns has no cell"),
        (np.broadcast_to(np.False_, (2**20, 2**20)), "a maze of 1048576 x 1048576 cells is too large"),
        ([["S", "G"]], "blocked must be True and False, or 0 and 1, not "),
        (None, "blocked must have shape (rows, columns), not ()"),
    ],
)
def test_bad_arrays_are_refused(blocked, said: str) -> None:
    assert first_line(lambda: Maze.from_array(blocked)).startswith(said)


def test_an_array_takes_a_start_and_a_goal() -> None:
    assert Maze.from_array([[0, 1], [0, 0]], start=(0, 0), goal=(1, 1)).to_text() == "S#\n.G\n"


# Scenarios ------------------------------------------------------------------------------------------------------------


def test_a_scenario_of_length_zero_is_refused_and_the_other_rows_are_usable(tmp_path) -> None:
    (tmp_path / "m.map").write_text("type octile\nheight 2\nwidth 3\nmap\n...\n...\n")
    path = tmp_path / "m.scen"
    path.write_text("version 1\n0\tm\t3\t2\t1\t1\t1\t1\t0\n0\tm\t3\t2\t0\t0\t2\t1\t2.41421356\n")
    assert [each.length for each in read_scenarios(path)] == [0.0, 2.41421356]
    with pytest.raises(MazeError, match=r"scenario 0 has its goal \(1, 1\) as its start.*give another row"):
        Maze.load(tmp_path / "m.map", scenario=(path, 0))
    assert Maze.load(tmp_path / "m.map", scenario=(path, 1)).start == (0, 0)


def test_all_scenarios_of_a_file_are_read_at_once(tmp_path) -> None:
    path = tmp_path / "some.scen"
    path.write_bytes(b"version 1\r\n0\ta b.map\t5\t3\t3\t0\t4\t2\t3.41421356\r\n\r\n7 m 5 3 1 2 0 1 2\r\n")
    assert read_scenarios(path) == [
        ((0, 3), (2, 4), (3, 5), 0, 3.41421356),
        ((2, 1), (1, 0), (3, 5), 7, 2.0),
    ]
    assert read_scenario(path, 1) == read_scenarios(str(path))[1]
    assert (read_scenario(path, 0).bucket, read_scenario(path, 0).length) == (0, 3.41421356)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b"x m 5 3 1 2 0 1 2", "scenario 1: sizes and places must be whole numbers"),
        (b"0 m 5 3 1 2 0 1 far", "scenario 1: a length must be a number of at least 0, not 'far'"),
        (b"0 m 5 3 1 2 0 1 nan", "scenario 1: a length must be a number of at least 0, not 'nan'"),
        (b"0 m 5 3 1 2 0 1 inf", "scenario 1: a length must be a number of at least 0, not 'inf'"),
        (b"0 m 5 3 1 2 0 1 -1", "scenario 1: a length must be a number of at least 0, not '-1'"),
        (b"\xff\x00", "scenario 1: expected nine columns, found 1: 'ÿ\\x00'"),
    ],
)
def test_a_file_with_a_bad_scenario_is_refused_by_its_row(tmp_path, row: bytes, said: str) -> None:
    path = tmp_path / "bad.scen"
    path.write_bytes(b"version 1\n0 m 5 3 1 2 0 1 2\n" + row)
    assert first_line(lambda: read_scenarios(path)).startswith(f"{path}: {said}")


# In chunks ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_pieces(monkeypatch):
    """Make chunks so small that small files are read in several, as large files are."""
    for module in (cells, lines, walled, plain):
        monkeypatch.setattr(module, "BAND_SIZE", 40)
    monkeypatch.setattr(lines, "CHUNK", 5)
    monkeypatch.setattr(plain, "CHUNK_SIZE", 7)
    monkeypatch.setattr(pictures, "TILE", 4)


ENDED = {
    ".txt": b"...\r\n" * 9 + b"  \r\n\n \t \n\n",
    ".map": b"type octile\r\nheight 9\r\nwidth 3\r\nmap\r\n" + b"...\r\n" * 9 + b"\r\n" * 9,
    ".maze": b"+---+\r\n" + b"|   |\r\n+   +\r\n" * 8 + b"|   |\r\n+---+" + b"\r\n" * 9,
    ".lay": b"   \r\n" + b"\r\n" * 8 + b"%  \r\n" + b"\r\n" * 8,
}


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("ending", ENDED)
def test_ends_of_lines_are_found_wherever_pieces_end(tmp_path, ending: str) -> None:
    path = tmp_path / f"maze{ending}"
    data = ENDED[ending]
    for crlf in (True, False):
        path.write_bytes(data if crlf else data.replace(b"\r\n", b"\n"))
        maze = Maze.load(path)
        assert (maze.columns, maze.rows) == ({".maze": 1}.get(ending, 3), {".lay": 10}.get(ending, 9))


@pytest.mark.usefixtures("small_pieces")
def test_all_pieces_are_read(tmp_path) -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        rows, columns = (int(number) for number in rng.integers(1, 14, 2))
        maze = Maze.from_array(rng.random((rows, columns)) < 0.3)
        thin = Maze(add_implied_walls(np.zeros((rows, columns), np.uint8)))
        for ending in (".txt", ".map", ".lay", ".png", ".pgm", ".maze"):
            written = thin if ending == ".maze" else maze
            written.save(tmp_path / f"maze{ending}")
            assert Maze.load(tmp_path / f"maze{ending}") == written


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("row", [0, 5, 11])
@pytest.mark.parametrize("column", [0, 6, 12])
def test_a_mistake_is_found_in_every_piece(row: int, column: int) -> None:
    text = [bytearray(b"." * 13) for _ in range(12)]
    text[row][column] = ord("x")
    plain = b"\n".join(text)
    said = f"line {row + 1}, column {column + 1}: unknown character 'x'"
    assert first_line(lambda: parse_text(plain)).startswith(said)
    assert first_line(lambda: parse_lay(plain)).startswith(said)
    said = f"line {row + 5}, column {column + 1}: unknown character 'x'"
    assert first_line(lambda: parse_map(b"type octile\nheight 12\nwidth 13\nmap\n" + plain)).startswith(said)
    longer = b"\n".join(line + b".." * (i == row) for i, line in enumerate(text)) + b"\n"
    if row > 0:
        said = f"line {row + 1}, column 14: this line has 15 characters, the first one 13"
        assert first_line(lambda: parse_text(longer)).startswith(said)
    canvas = [bytearray(line) for line in write_maze(Layout(Maze.open(12, 13).cells, None)).split(b"\n")]
    canvas[2 * row + 1][4 * column + 2] = ord("x")
    said = f"line {2 * row + 2}, column {4 * column + 3}: a cell is S, G or a blank"
    assert first_line(lambda: parse_maze(b"\n".join(canvas))).startswith(said)
    pixels = np.full((12, 13, 3), 255, np.uint8)
    pixels[row, column] = (255, 255, 0)
    assert first_line(lambda: parse_picture(picture_of(pixels))).startswith(f"row {row}, column {column}: the colour")


@pytest.mark.parametrize("is_walled", [True, False])
@pytest.mark.parametrize("place", [(0, 0), (3, 90), (50, 50), (99, 99), (97, 5), (4, 32), (5, 33)])
def test_an_error_draws_the_part_of_a_large_maze_as_if_all_were_drawn(place, is_walled: bool) -> None:
    rng = np.random.default_rng(0)
    blocked = rng.random((100, 100)) < 0.3
    blocked[place] = True
    large = Maze.from_array(blocked)
    if is_walled:
        bits = large.cells.copy()
        bits[:, 1:] |= np.uint8(WALL_LEFT)
        bits[:, :-1] |= np.uint8(WALL_RIGHT)
        large = Maze(bits)
    with pytest.raises(MazeError) as caught:
        large.with_ends(place, None)
    row, column = (2 * place[0] + 1, 4 * place[1] + 2) if is_walled else place
    assert str(caught.value).split("\n", 1)[1] == draw_excerpt(large.to_text().splitlines(), row, column)


# Damaged files --------------------------------------------------------------------------------------------------------

LARGE = Maze.open(40, 50, obstacles=[(row, row) for row in range(1, 30)])
VALID = {
    ".txt": [
        b"S..#\n.#.!\n...G\n",
        UNSEEN.replace("o", "+").replace(".", " ").encode(),
        write_text(layout_of(LARGE)),
        UNSEEN.encode(),
        b"type octile\nheight 2\nwidth 3\nmap\n.G@\nTSW\n",
        b"%%%%%\n%P .%\n%oG%\n%%%%%",
        b"SFFF\nFHFH\nFFFH\nHFFG\n",
        b"0 1 0\r\n0 0 0\r\n",
        b"#####\n#S  #\n# #E#\n#####\n",
        b"#####\n#S..#\n#.#E#\n#####\n",
    ],
    ".map": [b"type octile\nheight 2\nwidth 3\nmap\n.G@\nTSW\n", write_map(layout_of(LARGE))],
    ".maze": [UNSEEN.encode(), UNSEEN.replace("\n", "\r\n").encode()],
    ".lay": [b"%%%%%\n%P .%\n%oG%\n%%%%%", write_lay(layout_of(LARGE))],
    ".png": [picture_of(COLOURED), picture_of(COLOURED, "P"), draw_png(layout_of(LARGE), 2), header(4, 4)],
    ".pgm": [
        b"P2\n# by hand\n4 2\n255\n0 205 254 254\n0 0 254 254\n",
        b"P5\n4 2\n65535\n" + bytes(range(0, 256, 16)),
        draw_pgm(layout_of(LARGE), 2),
    ],
}
HUGE = [b"0", b"-1", b"8192", b"67108864", b"999999999", b"9" * 40, b"1e9", b"\xd9\xa3"]


def damage(data: bytes, rng: random.Random) -> bytes:
    """Draw a copy of a file with a few random mistakes."""
    for _ in range(rng.randint(1, 3)):
        begin = rng.randrange(len(data) + 1)
        end = min(len(data), begin + rng.choice([1, 1, 2, 8, 100]))
        kind = rng.randrange(8)
        if kind == 0:  # flip a bit
            data = data[:begin] + bytes(byte ^ 1 << rng.randrange(8) for byte in data[begin:end]) + data[end:]
        elif kind == 1:  # bytes that occur in the file, or any
            some = rng.choices(data, k=end - begin) if data and rng.random() < 0.5 else rng.randbytes(end - begin)
            data = data[:begin] + bytes(some) + data[begin:]
        elif kind == 2:
            data = data[:begin] + data[end:]
        elif kind == 3:
            data = data[:begin]
        elif kind == 4:
            data = data[:end] + data[begin:end] * rng.choice([1, 5]) + data[end:]
        elif kind == 5:  # a line is doubled or removed
            lines = data.splitlines(keepends=True) or [b""]
            i = rng.randrange(len(lines))
            data = b"".join(lines[:i] + lines[i : i + 1] * rng.choice([0, 2, 50]) + lines[i + 1 :])
        elif kind == 6:
            data = re.sub(rb"\d+", lambda _: rng.choice(HUGE), data, count=2)
        elif data.startswith(b"\x89PNG") and len(data) > 33:  # another size, with a valid checksum
            size = struct.pack(">II", *(rng.choice([0, 1, 4, 100, 8192, 2**24, 2**32 - 1]) for _ in range(2)))
            ihdr = b"IHDR" + size + data[24:29]
            data = data[:12] + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + data[33:]
    return data


@pytest.mark.parametrize("num_files", [100, pytest.param(1000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("ending", VALID)
def test_a_damaged_file_is_a_maze_or_an_error_of_ours_and_takes_little_memory(tmp_path, ending, num_files) -> None:
    rng = random.Random(ending)
    path = tmp_path / f"damaged{ending}"
    ends = {"refused": 0, "read": 0}
    tracemalloc.start()
    try:
        for i in range(num_files):
            path.write_bytes(damage(VALID[ending][i % len(VALID[ending])], rng))
            options = {".maze": {"unknown_walls": "open"}, ".png": {"cell_size": 2}, ".pgm": {"cell_size": 2}}
            option = options.get(ending, {}) if i % 2 else {}
            maze, error = outcome(lambda option=option: Maze.load(path, **option))
            if maze is None:
                assert error.startswith(f"{path}: ")
                assert error.replace("\n", "").isprintable()
            ends["refused" if maze is None else "read"] += 1
        assert tracemalloc.get_traced_memory()[1] < 1e9
    finally:
        tracemalloc.stop()
    assert ends["refused"] > 0.3 * num_files
    assert ends["read"] >= 0.01 * num_files


def test_damaged_scenarios_are_read_or_an_error_of_ours(tmp_path) -> None:
    rng = random.Random(0)
    path = tmp_path / "damaged.scen"
    rows = b"".join(b"%d\tm.map\t5\t3\t%d\t0\t4\t2\t3.4142\n" % (i // 3, i % 5) for i in range(9))
    refused = 0
    for _ in range(1000):
        path.write_bytes(damage(b"version 1\n" + rows, rng))
        scenarios, error = outcome(lambda: read_scenarios(path))
        assert all(len(scenario) == 5 for scenario in scenarios or [])
        assert scenarios is not None or error.startswith(f"{path}: ")
        refused += scenarios is None
    assert 100 < refused < 1000


# The peak since exec: that of getrusage for a child is at least its parent's.
MEASURE = """
import re, sys
from pathlib import Path
from clew.errors import MazeError
from clew.mazes import Maze
try:
    Maze.load(sys.argv[1])
except MazeError as error:
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
    print(peak * 1024, str(error).splitlines()[0])
"""


def white_bomb(path: Path) -> None:
    """Write the largest picture that is allowed, with two red cells."""
    pixels = np.full((8192, 8192), 255, np.uint8)
    pixels[-1, -2:] = 1
    image = Image.fromarray(pixels)
    image.putpalette([255, 255, 255, 255, 0, 0] + [255] * 762)
    image.save(path, compress_level=1)


def unfinished_rgba(path: Path) -> None:
    """Write a picture whose header has the largest size, and whose pixels end early."""
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", 8192, 8192, 16, 6, 0, 0, 0)
    idat = b"IDAT" + zlib.compress(bytes(10**6))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (ihdr, idat))
    )


def unfinished_numbers(path: Path) -> None:
    """Write a picture in decimal numbers, which end early."""
    path.write_bytes(b"P2 8192 8192 65535\n" + b"65535 " * 2**22)


def unfinished_grey(path: Path) -> None:
    """Write a picture of two bytes per pixel, which ends early."""
    path.write_bytes(b"P5 8192 8192 65535\n" + bytes(2**26))


def zeros(path: Path) -> None:
    """Write a sparse file of zeros, larger than every limit."""
    with path.open("wb") as file:
        file.truncate(2**31)


def lines_of_nothing(path: Path) -> None:
    path.write_bytes(b"\n" * (2**27) + b".")


def ragged(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(8192):
            file.write(b"." * 8192 + b"\r\n")
        file.write(b"..\r\n")


@pytest.mark.long
@pytest.mark.parametrize(
    ("write", "ending", "said"),
    [
        pytest.param(white_bomb, ".png", "row 8191, column 8191: a second red cell", marks=pytest.mark.nightly),
        (unfinished_rgba, ".png", "the picture can't be read: "),
        (unfinished_numbers, ".pgm", "the picture can't be read: "),
        (unfinished_grey, ".pgm", "the picture can't be read: "),
        (zeros, ".pgm", "the file is too large: the limit for .pgm is 335,544,320 bytes"),
        (zeros, ".png", "the file is too large: the limit for .png is 134,217,728 bytes"),
        (zeros, ".txt", "the file is too large: the limit for .txt is 603,979,776 bytes"),
        (zeros, ".maze", "the file is too large: the limit for .maze is 603,979,776 bytes"),
        (zeros, ".map", "the file is too large: the limit for .map is 201,326,592 bytes"),
        (lines_of_nothing, ".lay", "a maze of 134217729 x 1 cells is too large"),
        (lines_of_nothing, ".txt", "line 134217729, column 1: this line has 1 characters, the first one 0"),
        (ragged, ".txt", "line 8193, column 3: this line has 2 characters, the first one 8192"),
    ],
)
def test_what_is_refused_takes_less_than_a_gigabyte(tmp_path, write, ending: str, said: str) -> None:
    path = tmp_path / f"large{ending}"
    write(path)
    done = subprocess.run([sys.executable, "-c", MEASURE, path], capture_output=True, text=True, check=True)
    num_bytes, _, message = done.stdout.partition(" ")
    assert said in message
    assert int(num_bytes) < 1e9
