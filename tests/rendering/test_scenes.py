"""Mazes as characters: what fits where, and what is said of it."""

import numpy as np
import pytest

from clew.mazes import Maze
from clew.rendering.colours import COLOURS, ramp
from clew.rendering.scenes import draw_for_screen
from clew.rendering.screen import Scene, Screen

ALL = 1 << 24
WALLED = Maze.from_text("+---+---+\n| S |   |\n+   +   +\n|     G |\n+---+---+\n")
THICK = Maze.from_text("S.#\n.!G\n")
LINE = Maze.from_text("S....G\n")


def number(colour: np.ndarray) -> int:
    return int(colour.tobytes().hex(), 16)


NAMED = {name: int(colour[1:], 16) for name, colour in COLOURS.items()}
PALE, DEEP = number(ramp()[0]), number(ramp()[-1])


def arrows(*actions: str) -> np.ndarray:
    return np.array([[str(action) in allowed for action in range(4)] for allowed in actions])


def drawn(scene: Scene, screen: Screen, **settings: bool) -> list[str]:
    """The characters of each line."""
    return ["".join(span.text for span in line) for line in draw_for_screen(scene, screen, **settings).lines]


def papers(scene: Scene, screen: Screen) -> list[list[tuple[int, int]]]:
    """The backgrounds of each line, with how many characters have them."""
    return [[(span.background, len(span.text)) for span in line] for line in draw_for_screen(scene, screen).lines]


WALLED_SCENE = Scene(WALLED, np.array([1.0, 2.0, 3.0, np.nan]), arrows("0", "01", "3", "0123"))
THICK_SCENE = Scene(THICK, None, arrows("0", "1", "0123", "3", "3", "0123"))


# What fits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scene", "screen", "lines"),
    [
        (WALLED_SCENE, Screen(9, 5, 0, True), ["┌───┬───┐", "│ S │ ↓ │", "│   ╵   │", "│ →   G │", "└───────┘"]),
        (WALLED_SCENE, Screen(9, 5, 0, False), ["+---+---+", "| S | v |", "+   +   +", "| >   G |", "+---+---+"]),
        (WALLED_SCENE, Screen(8, 5, ALL, True), [" S ▀ ", "  ▀G ", "▀▀▀▀▀"]),
        (WALLED_SCENE, Screen(8, 5, 0, True), ["S ↓", "→ G"]),
        (WALLED_SCENE, Screen(3, 2, 0, False), ["Sv", ">G"]),
        (THICK_SCENE, Screen(6, 2, 0, True), ["S ← ██", "→ ! G"]),
        (THICK_SCENE, Screen(6, 2, 0, False), ["S < ##", "> ! G"]),
        (THICK_SCENE, Screen(5, 2, 0, False), ["S<#", ">!G"]),
        (THICK_SCENE, Screen(6, 2, 16, True), ["S ←   ", "→ ! G "]),
        (THICK_SCENE, Screen(21, 6, 0, True), ["S ← ██", "→ ! G"]),
        (THICK_SCENE, Screen(21, 5, 16, True), ["S ←   ", "→ ! G "]),
        (
            THICK_SCENE,
            Screen(21, 6, 16, True),
            [" " * 21, "   S      ←          ", " " * 21, " " * 21, "   →      !      G   ", " " * 21],
        ),
    ],
)
def test_a_maze_is_drawn_as_large_as_fits(scene: Scene, screen: Screen, lines: list[str]) -> None:
    assert drawn(scene, screen) == lines


@pytest.mark.parametrize("columns", [1, 2, 3, 5, 9, 40, 200])
@pytest.mark.parametrize("rows", [0, 1, 2, 5, 40])
@pytest.mark.parametrize("num_colours", [0, 16, 256])
@pytest.mark.parametrize("unicode", [True, False])
def test_nothing_is_larger_than_the_screen(columns: int, rows: int, num_colours: int, unicode: bool) -> None:
    screen = Screen(columns, rows, num_colours, unicode)
    for scene in (WALLED_SCENE, THICK_SCENE, Scene(Maze.open(30, 50))):
        for seeker in (None, (1, 0)):
            lines = drawn(scene._replace(seeker=seeker), screen, follow=seeker is not None)
            smallest = 3 if scene is WALLED_SCENE and seeker else 1  # a cell with walls round it
            assert len(lines) <= max(rows, smallest)
            assert max(map(len, lines)) <= max(columns, 5 if smallest == 3 else 2)
            assert unicode or "".join(lines).isascii()


def test_the_seeker_stands_before_all_and_the_start_is_not_drawn_then() -> None:
    assert drawn(THICK_SCENE._replace(seeker=(1, 1)), Screen(6, 2, 0, True)) == ["↓ ← ██", "→ ● G"]
    assert drawn(THICK_SCENE._replace(seeker=(1, 2)), Screen(6, 2, 0, False)) == ["v < ##", "> ! S"]
    assert drawn(THICK_SCENE._replace(seeker=(1, 1), heading=1), Screen(6, 2, 0, True)) == ["↓ ← ██", "→ ← G"]
    assert drawn(THICK_SCENE._replace(seeker=(1, 2), heading=2), Screen(6, 2, 0, False)) == ["v < ##", "> ! ^"]


def test_diagonal_moves_have_arrows_too() -> None:
    greedy = np.eye(8, dtype=np.bool_)[[4, 4, 5, 6, 7, 0]]
    assert drawn(Scene(LINE, None, greedy), Screen(20, 1, 0, True)) == ["S ↙ ↖ ↗ ↘ G"]
    assert drawn(Scene(LINE, None, greedy), Screen(20, 1, 0, False)) == ["S / \\ / \\ G"]


# A part of it ---------------------------------------------------------------------------------------------------------


def test_a_window_follows_the_seeker_and_says_where_it_is() -> None:
    maze = Maze.open(4, 9, start=(0, 0), goal=(3, 8))
    greedy = np.eye(4, dtype=np.bool_)[np.repeat([0, 1, 2, 3], 9)]
    scene, screen = Scene(maze, None, greedy), Screen(6, 2, 0, True)
    for seeker, lines, part in (
        ((0, 0), ["● ↓ ↓", "← ← ←"], "rows 1 to 2 of 4, columns 1 to 3 of 9"),
        ((2, 4), ["← ← ←", "↑ ● ↑"], "rows 2 to 3 of 4, columns 4 to 6 of 9"),
        ((3, 8), ["↑ ↑ ↑", "→ → ●"], "rows 3 to 4 of 4, columns 7 to 9 of 9"),
    ):
        drawing = draw_for_screen(scene._replace(seeker=seeker), screen, follow=True)
        assert ["".join(span.text for span in line).rstrip() for line in drawing.lines] == lines
        assert drawing.notes == [part]


def test_a_window_on_thin_walls_has_lines() -> None:
    scene = WALLED_SCENE._replace(seeker=(1, 0))
    drawing = draw_for_screen(scene, Screen(5, 3, 0, False), follow=True)
    assert [line[0].text for line in drawing.lines] == ["+", "| S", "+---+"]
    assert drawing.notes == ["rows 2 to 2 of 2, columns 1 to 1 of 2"]


def test_walls_that_there_is_no_room_for_are_owned_up_to() -> None:
    assert draw_for_screen(WALLED_SCENE, Screen(4, 2, 0, False)).notes == ["walls between cells are not drawn"]
    assert draw_for_screen(WALLED_SCENE, Screen(9, 5, 0, False)).notes == []


def test_arrows_that_there_is_no_room_for_are_owned_up_to() -> None:
    missing = "arrows are not drawn: the window is too small"
    scale = "pale = 1, deep = 3"
    assert draw_for_screen(WALLED_SCENE, Screen(9, 5, ALL, True)).notes == [scale]  # as lines
    assert draw_for_screen(WALLED_SCENE, Screen(5, 3, ALL, True)).notes == [scale, missing]  # as halves of characters
    assert missing in draw_for_screen(WALLED_SCENE, Screen(1, 1, ALL, True)).notes  # by the mean
    assert draw_for_screen(WALLED_SCENE._replace(greedy=None), Screen(5, 3, ALL, True)).notes == [scale]


# Means ----------------------------------------------------------------------------------------------------------------

WIDE = Scene(
    Maze.from_text("....##\n....##\n.....G\nS...##\n...###\n"),
    np.where(np.isin(np.arange(30), [4, 5, 10, 11, 17, 22, 23, 27, 28, 29]), np.nan, np.arange(30)),
)


def test_without_colour_digits_are_the_means_of_blocks() -> None:
    """Blocks of 4 x 2 cells: their means are 9.5, 11.5, 16 hidden by G; below 24.5, 26 beside a wall, walls."""
    scene = draw_for_screen(WIDE, Screen(3, 2, 0, False))
    assert ["".join(span.text for span in line) for line in scene.lines] == ["S1G", "99#"]
    assert scene.notes == ["1 character is 4 x 2 cells", "0 to 9 is the mean of its values"]


def test_with_colours_halves_of_characters_are_the_means_of_blocks() -> None:
    """Blocks of 2 x 2: means 3.5, 5.5; 15.5, 17.5 hidden by S; the last, with one wall of two, 24.5 and 26."""
    scene = draw_for_screen(WIDE, Screen(3, 2, ALL, True))
    assert ["".join(span.text for span in line) for line in scene.lines] == ["S▀G", "▀▀▀"]
    assert scene.notes[0] == "half a character is 2 x 2 cells"
    assert scene.notes[1] == "pale = 3.5, deep = 26"
    top = scene.lines[0][1]
    scale = ramp()
    assert (top.foreground, top.background) == (
        number(scale[round(31 * 2 / 22.5)]),
        number(scale[round(31 * 14 / 22.5)]),
    )
    half_wall = [(a + b) // 2 for a, b in zip(scale[-1].tolist(), bytes.fromhex(COLOURS["ink"][1:]), strict=True)]
    assert scene.lines[1][1].foreground == int(bytes(half_wall).hex(), 16)
    assert scene.lines[1][2].foreground == NAMED["ink"]


def test_a_cell_that_is_half_a_character_is_called_so() -> None:
    assert draw_for_screen(Scene(Maze.open(4, 4)), Screen(4, 2, ALL, True)).notes == ["half a character is a cell"]


# Colours --------------------------------------------------------------------------------------------------------------


def test_values_are_colours_from_pale_to_deep() -> None:
    scene = Scene(LINE, np.array([1.0, 2.0, 3.0, np.nan, 3.0, np.nan]))
    middle = number(ramp()[round(31 / 2)])
    grounds = [(PALE, 1), (middle, 1), (DEEP, 1), (NAMED["paper"], 1), (DEEP, 1), (NAMED["goal"], 1)]
    assert papers(scene, Screen(6, 1, 256, True)) == [grounds]
    assert draw_for_screen(scene, Screen(6, 1, 256, True)).notes == ["pale = 1, deep = 3"]
    assert papers(scene, Screen(6, 1, 16, True)) == [[(NAMED["paper"], 5), (NAMED["goal"], 1)]]


def test_without_colour_there_is_none() -> None:
    for scene in (WALLED_SCENE, THICK_SCENE, WIDE):
        for screen in (Screen(80, 24, 0, True), Screen(3, 2, 0, True)):
            lines = draw_for_screen(scene, screen).lines
            assert {(span.foreground, span.background) for line in lines for span in line} == {(-1, -1)}


def test_a_gap_has_the_colour_of_a_value_and_not_of_the_seeker() -> None:
    scene = WALLED_SCENE._replace(seeker=(1, 0), values=np.array([1.0, 2.0, 3.0, np.nan]))
    paper, seeker, goal, middle = NAMED["paper"], NAMED["path"], NAMED["goal"], number(ramp()[round(31 / 2)])
    rows = [[ground for ground, n in line for _ in range(n)] for line in papers(scene, Screen(9, 5, ALL, True))]
    assert rows[2] == [PALE] * 5 + [middle] * 4  # above the seeker and the goal
    assert rows[3] == [paper] + [seeker] * 3 + [paper] + [goal] * 4
