"""Text files whose form is recognised by their content, and pictures that are maps of robots."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image
from test_formats import UNSEEN, first_line, layout_of, picture_of

from clew.errors import NoPathError, SettingError
from clew.mazes import Maze
from clew.mazes.formats.detection import parse_any_text
from clew.mazes.formats.micromouse import parse_maze, write_maze
from clew.mazes.formats.movingai import write_map
from clew.mazes.formats.own import write_text
from clew.mazes.formats.pacman import write_lay
from clew.mazes.formats.pictures import parse_picture
from random_mazes import random_mazes

MICE = sorted((Path(__file__).parents[3] / "shared" / "data" / "micromouse").glob("*.maze"))


def read(text: str | bytes, **options) -> Maze:
    return Maze(*parse_any_text(text.encode() if isinstance(text, str) else text, **options))


# Each form ------------------------------------------------------------------------------------------------------------


@given(random_mazes())
def test_our_own_text_is_never_taken_for_another_form(maze) -> None:
    assert read(write_text(layout_of(maze))) == maze


@given(random_mazes(blocked=False, hazards=False), st.sampled_from(["+", "o"]))
def test_micromouse_mazes_are_recognised_with_either_post(maze, post: str) -> None:
    data = write_maze(layout_of(maze)).replace(b"+", post.encode())
    assert read(data) == read(data, unknown_walls="open") == maze


@given(random_mazes(thin_walls=False, hazards=False))
def test_maps_layouts_and_digits_are_recognised(maze) -> None:
    assert read(write_map(layout_of(maze))) == Maze.from_array(maze.blocked)
    lay = write_lay(layout_of(maze))
    assert b"%" not in lay or read(lay) == maze
    rows = [[str(int(each)) for each in row] for row in maze.blocked]
    for separator in ("", " ", ",", ", ", ";", "\t"):
        text = "".join(separator.join(row) + "\r\n" for row in rows)
        assert read(text) == Maze.from_array(maze.blocked)


@given(random_mazes(thin_walls=False, blocked=False))
def test_maps_of_frozen_lake_are_recognised(maze) -> None:
    assert read("\n".join(maze.to_lists())) == maze


@given(random_mazes(thin_walls=False, hazards=False), st.sampled_from("EG"), st.sampled_from(" ."))
def test_blank_floor_and_the_letter_e_are_recognised(maze, goal: str, floor: str) -> None:
    text = maze.to_text().replace("G", goal).replace(".", floor)
    assume("#" in text and (" " in text or "E" in text))
    assert read(text) == maze


@pytest.mark.data
@pytest.mark.skipif(not MICE, reason="there are no real mazes")
@pytest.mark.parametrize("unknown_walls", ["wall", "open"])
@pytest.mark.parametrize("path", MICE, ids=lambda path: path.name)
def test_real_micromouse_mazes_are_the_same_as_text(tmp_path, path: Path, unknown_walls: str) -> None:
    expected = parse_maze(path.read_bytes(), unknown_walls)
    has_path = (path.name, unknown_walls) != ("32_unknown.maze", "wall")
    copy = tmp_path / "copy.txt"
    for data in (path.read_bytes(), path.read_bytes().replace(b"+", b"o").replace(b"\n", b"\r\n")):
        copy.write_bytes(data)
        if has_path:
            assert Maze.load(copy, unknown_walls=unknown_walls) == Maze(*expected)
        else:
            with pytest.raises(NoPathError) as caught:
                Maze.load(copy, unknown_walls=unknown_walls)
            assert (Maze(caught.value.cells), caught.value.start) == (Maze(expected.cells), expected.start)


def test_unknown_walls_are_read_in_a_text_too(tmp_path) -> None:
    path = tmp_path / "unseen.txt"
    for text in (UNSEEN, UNSEEN.replace("o", "+")):
        path.write_text(text)
        assert Maze.load(path, unknown_walls="open") == Maze(*parse_maze(UNSEEN.encode(), "open"))
        with pytest.raises(NoPathError) as caught:
            Maze.load(path)
        assert Maze(caught.value.cells) == Maze(parse_maze(UNSEEN.encode()).cells)
        assert caught.value.start == (0, 2)


def test_walls_between_cells_may_have_what_either_form_has() -> None:
    text = "o---+---+---+\n| S . . . ! |\n+ . +---+   +\n|   |###| G |\n+---+---+---+\n"
    assert read(text, unknown_walls="open").to_text() == "S.!\n.#G\n"
    with pytest.raises(NoPathError):
        read(text)
    assert first_line(lambda: read(text.replace("###", "#x#"))) == (
        "line 4, column 7: a cell is one of . S G ! or a blank between two blanks, or ###"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\xef\xbb\xbfS..\r\n..G", "S..\n..G\n"),  # a byte order mark, and line ends of Windows
        (b"\xef\xbb\xbfo---o---o\r\n| S   G |\r\no---o---o\r\n", "SG\n"),
        (b"\xef\xbb\xbf0,1\r\n1,0\r\n", ".#\n#.\n"),
        (b"S.G\n \t \n\n", "S.G\n"),
        (b"SFF\nFHG\n  \n", "S..\n.!G\n"),
        (b"0 1 0 \n1 0 0\t\n \n", ".#.\n#..\n"),
        (b" 0, 1, 0,\n 1, 0, 0,\n", ".#.\n#..\n"),
        (b"010  \n100\n", ".#.\n#..\n"),
        (b"####\n#SE#\n####  \n    \n", "####\n#SG#\n####\n"),  # blanks beside and below the maze
        (b"\n####\n#SE#\n####\n    ", "####\n#SG#\n####\n"),
        (b"####\n#S\n\n#  E\n####\n", "####\n#S..\n....\n#..G\n####\n"),  # blanks at the ends were removed
        (b"#S  \n#  E\n#   \n", "#S..\n#..G\n#...\n"),  # all lines are equally long, so blanks are cells
        (b"#S  \n    \n#E  \n    \n", "#S..\n....\n#G..\n....\n"),
        (b"#####\n#S.E#\n#####\n", "#####\n#S.G#\n#####\n"),
    ],
)
def test_small_differences_between_editors_do_not_matter(text: bytes, expected: str) -> None:
    assert read(text).to_text() == expected


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "the maze is empty: it has no line of cells"),
        (b"\r\n\r\n", "the maze is empty: it has no line of cells"),
        (b"   \n \t \n", "the maze is empty: it has no line of cells"),
        (b"\xef\xbb\xbf", "the maze is empty: it has no line of cells"),
        (b"# My mazes\n\nA list.\n", "line 2, column 1: this line has 0 characters, the first one 10"),
        (b"of course\n", "line 1, column 1: unknown character 'o'; a cell is one of . # S G !"),
        (b"100 % of it\n", "line 1, column 2: unknown character '0'; a cell is one of % P . o G 1 2 3 4 or a blank"),
        (b"type of maze: none\n", "line 1, column 1: expected a header line: type, height, width or map"),
        (b"S.\x00\n", "line 1, column 3: unknown character '\\x00'; a cell is one of . # S G !"),
        ("S.\n.G\n".encode("utf-16"), "not a text file (byte 0 is not UTF-8)"),
        (b"S\t.\n.\tG\n", "line 1, column 2: unknown character '\\t'; a cell is one of . # S G !"),
        (b"S.G\r...\r", "line 1, column 4: unknown character '\\r'; a cell is one of . # S G !"),
        (b"S.. \n..G\n", "line 2, column 4: this line has 3 characters, the first one 4"),
        (b"S.. \n..G \n", "line 1, column 4: unknown character ' '; a cell is one of . # S G !"),
        (b"S.# \n..G \n", "line 1, column 4: unknown character ' '; a cell is one of . # S E G"),
        (b"S.# \n..G\n", "line 2, column 4: this line has 3 characters, the first one 4"),
        (b"SFF \nFHG \n", "line 1, column 4: unknown character ' '; a cell is one of S F H G"),
        (b"SFS\nFHG\n", "line 1, column 3: a second S; a maze has one start"),
        (b"0,1,2\n1,0,1\n", "line 1, column 5: unknown character '2'; a cell is 0 or 1"),
        (b"0 1\n1 0 0\n", "line 2, column 3: this line has 3 characters, the first one 2"),
        (b"10 11\n11 10\n", "line 1, column 2: separators must stand between all digits, or between none"),
        (b"0 -1\n1 00\n", "line 1, column 1: unknown character '0'; a cell is one of . # S G !"),
        (b"#S \n# E\n#S \n", "line 3, column 2: a second S; a maze has one start"),
        (b"+---+---+\n| S . x |\n+---+---+\n", "line 2, column 7: a cell is one of . S G ! or a blank between two"),
        (b"+---+---+\n| S . G .\n+---+---+\n", "line 2, column 9: expected '|', since the edge is all wall, not '.'"),
        (b"%%%\n%x%\n", "line 2, column 2: unknown character 'x'; a cell is one of % P . o G 1 2 3 4 or a blank"),
    ],
)
def test_what_is_no_maze_is_refused_by_line_and_column(text: bytes, said: str) -> None:
    assert first_line(lambda: read(text)).startswith(said)


@pytest.mark.parametrize(
    "text", [b"S.G\n", b"type octile\nheight 1\nwidth 2\nmap\n..\n", b"%P.%\n", b"SFG\n", b"0 1\n", b"#S E\n"]
)
def test_unknown_walls_have_no_effect_on_other_forms(text: bytes) -> None:
    with pytest.raises(SettingError, match="unknown_walls has no effect on this file, which has no unknown walls"):
        parse_any_text(text, "open")


def test_what_has_no_end_is_not_read(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    os.mkfifo(tmp_path / "pipe.scen")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "maze.map").write_text("type octile\nheight 1\nwidth 2\nmap\n..\n")
    for name in ("pipe.txt", "device.png"):
        assert first_line(lambda name=name: Maze.load(tmp_path / name)) == (
            f"{tmp_path / name}: can't be read: it is not a regular file"
        )
    said = f"{tmp_path / 'pipe.scen'}: can't be read: it is not a regular file"
    assert first_line(lambda: Maze.load(tmp_path / "maze.map", scenario=(tmp_path / "pipe.scen", 0))) == said


# Maps of robots -------------------------------------------------------------------------------------------------------

SHADES = np.array([[0, 205, 254], [254, 254, 205]], np.uint8)


def save_picture(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("cell_size", [1, 3])
def test_unexplored_cells_of_a_map_are_what_the_reader_is_told(tmp_path, mode: str, cell_size: int) -> None:
    shades = SHADES.repeat(cell_size, 0).repeat(cell_size, 1)
    image = Image.fromarray(shades.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(shades).convert(mode)
    path = save_picture(tmp_path / "map.png", image)
    assert Maze.load(path, cell_size=cell_size).to_text() == "##.\n..#\n"
    assert Maze.load(path, cell_size=cell_size, unknown_walls="open").to_text() == "#..\n...\n"


@pytest.mark.parametrize(
    "data",
    [
        b"P5\n3 2\n255\n" + SHADES.tobytes(),
        b"P5\n# CREATOR: map_server\n3 2\n255\n" + SHADES.tobytes(),
        b"P2 3 2 255 0 205 254 254 254 205",
        b"P5\n3 2\n65535\n" + (SHADES.astype(">u2") * 257).astype(">u2").tobytes(),
    ],
)
def test_maps_are_read_from_every_kind_of_pgm(tmp_path, data: bytes) -> None:
    path = tmp_path / "map.pgm"
    path.write_bytes(data)
    assert Maze.load(path).to_text() == "##.\n..#\n"
    assert Maze.load(path, unknown_walls="open").to_text() == "#..\n...\n"
    path.rename(path.with_suffix(".png"))  # what is in the file decides
    assert Maze.load(path.with_suffix(".png")).to_text() == "##.\n..#\n"


@pytest.mark.parametrize("other", [253, 255, 100, 1])
def test_a_picture_with_any_other_shade_is_no_map(tmp_path, other: int) -> None:
    shades = SHADES.copy()
    shades[0, 2] = other
    path = save_picture(tmp_path / "grey.png", Image.fromarray(shades))
    assert Maze.load(path).to_text() == f"#.{'#' if other < 128 else '.'}\n...\n"
    with pytest.raises(SettingError, match="unknown_walls has no effect on this picture, which has no unexplored"):
        Maze.load(path, unknown_walls="open")


def test_neither_a_colour_nor_what_is_transparent_is_on_a_map(tmp_path) -> None:
    coloured = np.repeat(SHADES[:, :, None], 3, axis=2)
    coloured[0, 2] = (255, 0, 0)
    assert Maze.load(save_picture(tmp_path / "a.png", Image.fromarray(coloured))).to_text() == "#.S\n...\n"
    clear = np.dstack([SHADES, SHADES, SHADES, np.full_like(SHADES, 255)])
    clear[0, 0] = 0
    assert Maze.load(save_picture(tmp_path / "b.png", Image.fromarray(clear))).to_text() == "...\n...\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"P5\n3 2\n255\n" + bytes(5), "the picture can't be read: it is damaged"),
        (b"P5\n3\n", "the picture can't be read: it is damaged"),
        (b"P5 0 2 255\n", "the picture can't be read: it is damaged"),
        (b"P2 2 1 255 0 x", "the picture can't be read: it is damaged"),
        (b"P5 99999999999 1 255\n", "the picture can't be read: it is damaged"),
        (b"P5 100000 1000 255\n", "a maze of 1000 x 100000 cells is too large: the limit is 67,108,864 cells"),
        (b"P5 99999999 99999999 255\n", "the picture is too large: the limit is 67,108,864 pixels"),
        (b"P6 1 1 255\nabc", "neither a PNG nor a PGM picture"),
        (b"S.G\n", "neither a PNG nor a PGM picture"),
        (b"", "neither a PNG nor a PGM picture"),
    ],
)
def test_a_bad_grey_picture_is_refused(tmp_path, data: bytes, said: str) -> None:
    path = tmp_path / "bad.pgm"
    path.write_bytes(data)
    assert first_line(lambda: Maze.load(path)) == f"{path}: {said}"


def test_a_picture_is_never_half_a_map() -> None:
    """All cells decide whether a picture is a map, also if they are read in several pieces."""
    shades = np.full((1, 3000), 254, np.uint8)
    shades[0, 0] = 205
    for last, blocked in ((254, True), (255, False)):
        shades[0, -1] = last
        maze = Maze(*parse_picture(picture_of(shades)))
        assert maze.blocked[0, 0] == blocked
        assert maze.blocked.sum() == blocked
