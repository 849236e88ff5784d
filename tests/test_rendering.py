"""Mazes, policies and seekers as text and as pixels."""

import contextlib
import os

import numpy as np
import pytest

from clew.environments import Environment
from clew.mazes import Maze
from clew.rendering.pixels import COLOURS, paint_scene
from clew.rendering.text import ARROWS, draw_policy, draw_scene, show

LEFT, UP, RIGHT = 1, 2, 3

MAZE = Maze.from_text("S.#\n.!G\n")
WALLED = Maze.from_text("+---+---+\n| S |   |\n+   +   +\n|     G |\n+---+---+\n")


def choices(*actions: str) -> np.ndarray:
    """What a policy may do in each cell, as digits of the actions."""
    return np.array([[str(action) in allowed for action in range(4)] for allowed in actions])


# Text -----------------------------------------------------------------------------------------------------------------


def test_a_scene_shows_the_seeker_and_not_the_start() -> None:
    assert draw_scene(MAZE, (1, 0)) == "..#\nS!G\n"
    assert draw_scene(MAZE, None) == "..#\n.!G\n"


def test_a_scene_shows_the_goal_it_is_told_in_place_of_the_mazes_own() -> None:
    assert draw_scene(MAZE, (0, 1), (0, 0)) == "GS#\n.!.\n"


@pytest.mark.parametrize(("place", "drawn"), [((1, 1), "..#\n.SG\n"), ((1, 2), "..#\n.!S\n")], ids=["hazard", "goal"])
def test_the_seeker_stands_before_what_is_there(place: tuple[int, int], drawn: str) -> None:
    assert draw_scene(MAZE, place) == drawn


def test_a_scene_has_lines_where_there_are_thin_walls() -> None:
    assert draw_scene(WALLED, (0, 1)) == "+---+---+\n|   | S |\n+   +   +\n|     G |\n+---+---+\n"


def test_a_policy_is_an_arrow_for_each_action_in_its_order() -> None:
    assert ARROWS == "↓←↑→↙↖↗↘"
    assert draw_policy(Maze.from_text("....G\n"), choices("0", "1", "2", "3", "0")) == "↓ ← ↑ → G\n"


def test_the_first_of_several_arrows_is_drawn_and_a_dot_where_all_are_as_good() -> None:
    greedy = choices("13", "23", "012", "0123", "0")
    assert draw_policy(Maze.from_text("....G\n"), greedy) == "← ↑ ↓ · G\n"


def test_a_policy_is_drawn_round_blocked_cells_goals_and_hazards() -> None:
    assert draw_policy(MAZE, choices("0", "1", "0123", "3", "3", "0123")) == "↓ ← ██\n→ → G\n"


def test_a_policy_is_drawn_between_thin_walls() -> None:
    drawing = draw_policy(WALLED, choices("0", "0", "3", "0123"))
    assert drawing == "+---+---+\n| ↓ | ↓ |\n+   +   +\n| →   G |\n+---+---+\n"


# The screen -----------------------------------------------------------------------------------------------------------


def test_show_writes_the_bare_frame_if_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show("S.G\n")
    show(".SG\n")
    assert capsys.readouterr().out == "S.G\n.SG\n"


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_show_clears_a_terminal_before_each_frame() -> None:
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as terminal, contextlib.redirect_stdout(terminal):
        show("S.G\n")
        assert os.read(master, 100) == b"\x1b[H\x1b[2JS.G\r\n"
    os.close(master)


# Pixels ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "columns", "size"), [(1, 2, 32), (16, 5, 32), (5, 20, 25), (60, 100, 5), (3, 200, 4)])
def test_a_cell_takes_4_to_32_pixels(rows: int, columns: int, size: int) -> None:
    image = paint_scene(Maze.open(rows, columns), None)
    assert (image.shape, image.dtype) == ((rows * size, columns * size, 3), np.uint8)


def named(image: np.ndarray, row: int, column: int) -> str:
    """The name of a pixel's colour."""
    return next(name for name, colour in COLOURS.items() if tuple(image[row, column]) == colour)


@pytest.mark.parametrize(
    ("cell", "name"),
    [((0, 0), "seeker"), ((0, 1), "free"), ((0, 2), "wall"), ((1, 0), "free"), ((1, 1), "hazard"), ((1, 2), "goal")],
)
def test_the_middle_of_a_cell_has_its_colour(cell: tuple[int, int], name: str) -> None:
    image = paint_scene(MAZE, (0, 0))
    assert named(image, 32 * cell[0] + 16, 32 * cell[1] + 16) == name


def test_the_goal_that_is_told_is_painted_in_place_of_the_mazes_own() -> None:
    image = paint_scene(MAZE, None, (0, 0))
    assert (named(image, 16, 16), named(image, 48, 80)) == ("goal", "free")


@pytest.mark.parametrize(
    ("pixel", "name"),
    [
        ((0, 16), "wall"),  # the edge, four pixels wide
        ((3, 16), "wall"),
        ((4, 16), "free"),
        ((16, 0), "wall"),
        ((16, 3), "wall"),
        ((16, 4), "free"),
        ((63, 48), "wall"),
        ((48, 63), "wall"),
        ((16, 28), "wall"),  # the thin wall, from both sides
        ((16, 35), "wall"),
        ((16, 27), "free"),
        ((16, 36), "free"),
        ((48, 30), "free"),  # no wall in the row below, but a line of the grid
        ((48, 31), "grid"),
        ((31, 16), "grid"),
        ((48, 32), "goal"),
    ],
)
def test_walls_and_lines_are_painted_between_cells(pixel: tuple[int, int], name: str) -> None:
    assert named(paint_scene(WALLED, None), *pixel) == name


@pytest.mark.parametrize(("pixel", "name"), [(7, "free"), (8, "seeker"), (23, "seeker"), (24, "free")])
def test_the_seeker_is_a_square_of_half_the_cell(pixel: int, name: str) -> None:
    image = paint_scene(MAZE, (0, 0))
    assert (named(image, pixel, 16), named(image, 16, pixel)) == (name, name)


# Render modes of the environment --------------------------------------------------------------------------------------


def test_ansi_gives_the_scene_as_text() -> None:
    env = Environment(MAZE, render_mode="ansi")
    assert env.render() == "..#\n.!G\n"
    env.reset(seed=0)
    assert env.render() == "S.#\n.!G\n"
    env.step(RIGHT)
    assert env.render() == ".S#\n.!G\n"


def test_rgb_array_gives_the_scene_as_pixels() -> None:
    env = Environment(MAZE, render_mode="rgb_array")
    env.reset(seed=0)
    env.step(RIGHT)
    assert (env.render() == paint_scene(MAZE, (0, 1))).all()


def test_human_shows_every_step_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    env = Environment(Maze.open(1, 3), render_mode="human")
    env.reset(seed=0)
    env.step(RIGHT)
    assert env.render() is None
    assert capsys.readouterr().out == "S.G\n" + ".SG\n" + ".SG\n"


@pytest.mark.parametrize("seed", range(3))
def test_a_random_goal_is_drawn_where_it_is(seed: int) -> None:
    env = Environment(Maze.open(3, 3, start=(1, 1)), random_goal=True, render_mode="ansi")
    goal = env.reset(seed=seed)[1]["goal"]
    assert env.render() == draw_scene(Maze.open(3, 3, start=None, goal=goal), (1, 1))


def test_without_a_render_mode_render_says_so_and_draws_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    env = Environment()
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="does nothing without a render_mode"):
        assert env.render() is None
    assert capsys.readouterr().out == ""
