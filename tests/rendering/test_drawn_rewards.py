"""Exits and rewards of cells in pictures, pixels, text and on a terminal."""

import numpy as np

import clew
from clew.rendering.colours import COLOURS, rgb
from clew.rendering.pixels import paint_scene
from clew.rendering.scenes import draw_for_screen
from clew.rendering.screen import Scene, Screen
from clew.rendering.text import draw_scene

MAZE = clew.Maze.open(3, 4, start=(2, 0), exits={(0, 3): 1.0, (1, 3): -2.5}, cell_rewards={(2, 2): -0.5})
PLAIN = clew.Maze.open(3, 4, start=(2, 0), goal=(0, 3))


def shown(scene, columns, rows, colours=0):
    text = draw_for_screen(scene, Screen(columns, rows, colours, True))
    return "\n".join("".join(span.text for span in line) for line in text.lines)


def test_a_picture_says_what_exits_and_cells_pay():
    svg = clew.draw(MAZE).svg()
    assert [label in svg for label in (">+1<", ">-2.5<", ">-0.5<")] == [True] * 3
    assert 'class="ring"' not in svg
    assert "An exit at row 1, column 3 pays -2.5." in svg
    assert (f'class="loss" stroke="{COLOURS["loss"]}"' in svg, f'class="goal" stroke="{COLOURS["goal"]}"' in svg) == (
        True,
        True,
    )
    assert 'class="reward"' not in clew.draw(PLAIN).svg()


def test_large_mazes_have_rings_and_a_note():
    maze = clew.Maze.open(60, 60, exits={(59, 59): 1.0, (30, 30): -1.0}, cell_rewards={(5, 5): 1.0})
    svg = clew.draw(maze).svg()
    assert (svg.count('class="ring"'), 'class="reward"' in svg) == (2, False)
    assert "rewards of cells are not drawn at this size" in svg
    assert "rewards of cells" not in clew.draw(MAZE).svg()


def test_pixels_have_the_colours_of_exits_and_the_numbers():
    pixels = clew.draw(MAZE).pixels()
    without = clew.draw(MAZE.with_rewards(cell_rewards={})).pixels()
    for name in ("goal", "loss"):
        assert (pixels == rgb(COLOURS[name])).all(axis=2).sum() > 500
    changed = np.argwhere((pixels != without).any(axis=2))
    assert 0 < len(changed) < 400  # the number in the cell (2, 2), and nothing else
    frame = paint_scene(MAZE, (2, 0))
    assert frame.shape == (96, 128, 3)
    assert (paint_scene(MAZE, (0, 3)) != frame).any()


def test_text_names_exits_by_letters_that_it_explains():
    solution = clew.solve(MAZE)
    drawing = clew.draw(MAZE, solution).text()
    assert [line.split()[-1] for line in drawing.splitlines()[:2]] == ["A", "B"]
    assert drawing.endswith("\n\nA exit 1\nB exit -2.5\n")
    assert clew.draw(MAZE).text() == MAZE.to_text()
    assert draw_scene(MAZE, (0, 3)) == "...S\n...B\n..a.\n\nA exit 1\nB exit -2.5\na reward -0.5\n"


def test_a_terminal_shows_the_numbers_where_there_is_room():
    wide = shown(Scene(MAZE), 80, 24, 256)
    assert all(label in wide for label in ("+1", "-2.5", "-0.5"))
    assert shown(Scene(MAZE), 4, 3) == "···+\n···-\nS···"
    assert shown(Scene(MAZE, seeker=(1, 3)), 4, 3) == "···+\n···●\n····"
    assert shown(Scene(PLAIN), 4, 3) == "···G\n····\nS···"
