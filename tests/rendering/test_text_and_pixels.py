"""Mazes, policies and seekers as text and as pixels."""

import contextlib
import os

import numpy as np
import pytest

from clew.environments import Environment
from clew.mazes import Maze
from clew.rendering.colours import COLOURS, rgb
from clew.rendering.pixels import paint_scene
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
    assert draw_scene(MAZE, (1, 0), heading=3) == "..#\n→!G\n"


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
@pytest.mark.parametrize(("term", "codes"), [("xterm", b"\x1b[H\x1b[2J"), ("dumb", b"")])
def test_show_clears_a_terminal_before_each_frame(monkeypatch: pytest.MonkeyPatch, term: str, codes: bytes) -> None:
    monkeypatch.setenv("TERM", term)
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as terminal, contextlib.redirect_stdout(terminal):
        show("S.G\n")
        assert os.read(master, 100) == codes + b"S.G\r\n"
    os.close(master)


# Pixels ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "columns", "size"), [(1, 2, 32), (16, 5, 32), (5, 20, 25), (60, 100, 5), (3, 200, 4)])
def test_a_cell_takes_4_to_32_pixels(rows: int, columns: int, size: int) -> None:
    image = paint_scene(Maze.open(rows, columns), None)
    assert (image.shape, image.dtype) == ((rows * size, columns * size, 3), np.uint8)


NAMES = {
    "floor": COLOURS["paper"],
    "grid": COLOURS["card edge"],
    "wall": COLOURS["ink"],
    "hazard": COLOURS["hazard"],
    "stripe": COLOURS["hazard stripe"],
    "goal": COLOURS["goal"],
    "seeker": COLOURS["path"],
}


def named(image: np.ndarray, row: int, column: int) -> str:
    """The name of a pixel's colour."""
    return next((name for name, colour in NAMES.items() if (image[row, column] == rgb(colour)).all()), "mixed")


@pytest.mark.parametrize(
    ("pixel", "name"),
    [
        ((8, 16), "seeker"),
        ((2, 2), "floor"),
        ((16, 48), "floor"),
        ((16, 80), "wall"),
        ((48, 16), "floor"),
        ((36, 36), "hazard"),
        ((48, 48), "stripe"),
        ((48, 88), "goal"),
        ((48, 80), "floor"),  # the middle of the ring
    ],
)
def test_what_is_in_a_cell_has_its_colour(pixel: tuple[int, int], name: str) -> None:
    assert named(paint_scene(MAZE, (0, 0)), *pixel) == name


def test_the_goal_that_is_told_is_painted_in_place_of_the_mazes_own() -> None:
    image = paint_scene(MAZE, None, (0, 0))
    assert (named(image, 2, 2), named(image, 36, 68)) == ("goal", "floor")


def test_a_scene_of_pixels_shows_the_seeker_and_not_the_start() -> None:
    assert named(paint_scene(MAZE, None), 8, 16) == "floor"
    assert named(paint_scene(MAZE, (1, 0)), 40, 16) == "seeker"


@pytest.mark.parametrize(
    ("pixel", "name"),
    [
        ((1, 16), "wall"),  # the edge
        ((2, 16), "floor"),
        ((16, 29), "floor"),
        ((16, 30), "wall"),  # the thin wall, from both sides
        ((16, 33), "wall"),
        ((16, 34), "floor"),
        ((48, 30), "floor"),  # no wall in the row below, but a line of the grid
        ((48, 31), "grid"),
        ((31, 16), "grid"),
        ((48, 34), "goal"),
    ],
)
def test_walls_and_lines_are_painted_between_cells(pixel: tuple[int, int], name: str) -> None:
    assert named(paint_scene(WALLED, None), *pixel) == name


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
