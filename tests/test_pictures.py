"""Pictures: what is drawn, counted in the SVG itself."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import clew
from clew.rendering.colours import hexadecimal, ramp
from clew.rendering.pictures import policy_svg, trace_greedy

DOWN, LEFT, UP, RIGHT = 0, 1, 2, 3
WALLED = """\
+---+---+---+
| S | !     |
+   +   +---+
|   |     G |
+   +   +   +
|       |###|
+---+---+---+
"""


def draw(maze, q, **settings):
    """The picture, parsed."""
    return ElementTree.fromstring(policy_svg(maze, q, **settings))


def lines_of(picture, name):
    """The `d` of the elements of a class, as lists of the pieces that begin with M."""
    found = [element.get("d") for element in picture.iter() if element.get("class") == name]
    return ["M" + piece for d in found for piece in d.split("M")[1:]]


def solved(maze):
    return clew.solve(clew.Environment(maze)).q


def test_the_5x5_optimum_by_numbers():
    maze = clew.Maze.open(5, 5)
    q = solved(maze)
    picture = draw(maze, q, path=trace_greedy(maze, q))
    # 16 cells have two best moves, the 8 in the last row and column one, the goal none.
    assert len(lines_of(picture, "arrows")) == 2 * 16 + 8
    # Only the edge; the values of the 24 cells are those of 8 distances.
    assert lines_of(picture, "walls") == ["M0 0h5v5h-5z"]
    assert sum(element.get("class") == "shade" for element in picture.iter()) == 8
    # Down the left side, then along the bottom: 8 moves, so 7 bends or crossings between the two ends.
    assert lines_of(picture, "thread") == [
        "M0.5 0.5L0.5 1" + "Q0.5 1.5 0.5 2Q0.5 2.5 0.5 3Q0.5 3.5 0.5 4"
        "Q0.5 4.5 1 4.5Q1.5 4.5 2 4.5Q2.5 4.5 3 4.5Q3.5 4.5 4 4.5L4.5 4.5"
    ]


def test_walls_hazards_and_blocked_cells():
    maze = clew.Maze.from_text(WALLED)
    picture = draw(maze, np.zeros((9, 4)))
    # The edge, a wall across, one of two cells downwards; the blocked cell needs none.
    assert lines_of(picture, "walls") == ["M0 0h3v3h-3z", "M2 1h1", "M1 0v2"]
    assert lines_of(picture, "hazard") == ["M1 0.5h1"]
    assert lines_of(picture, "blocked") == ["M2 2.5h1"]
    assert lines_of(picture, "goal") == ["M2 1.5h1"]
    assert lines_of(picture, "arrows") == lines_of(picture, "shade") == lines_of(picture, "thread") == []


def test_every_direction_has_its_arrow():
    maze = clew.Maze.open(3, 3, start=None, goal=(0, 0))
    q = np.zeros((9, 4))
    for action in (DOWN, LEFT, UP, RIGHT):
        q[4] = 0.0
        q[4, action] = 1.0
        (arrow,) = lines_of(draw(maze, q), "arrows")
        start = {DOWN: "m0 .08v.28", LEFT: "m-.08 0h-.28", UP: "m0-.08v-.28", RIGHT: "m.08 0h.28"}[action]
        assert arrow.startswith("M1.5 1.5" + start)


def test_shades_are_even_on_a_log_scale_and_ignore_the_hardly_seen():
    maze = clew.Maze.open(1, 22)
    q = np.zeros((22, 4))
    q[:21, RIGHT] = 0.5 ** np.arange(20, -1, -1)
    q[0, RIGHT] = 1e-30  # one in twenty: doesn't stretch the scale
    shades = lines_of(draw(maze, q), "shade")
    assert shades == ["M0 0.5h2"] + [f"M{column} 0.5h1" for column in range(2, 21)]
    assert "log scale" in policy_svg(maze, q)
    q[0] = -1.0, -1.0, -1.0, -0.5  # values of both signs have no logarithm
    assert "log scale" not in policy_svg(maze, q)


def test_the_ramp_is_even():
    # L* of CIELAB by its definition, not by the code's OKLab.
    def lightness(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 116 * (0.2126 * red + 0.7152 * green + 0.0722 * blue) ** (1 / 3) - 16

    steps = -np.diff([lightness(hexadecimal(shade)) for shade in ramp()])
    assert steps.sum() == pytest.approx(42, abs=3)
    assert steps.max() < 1.5 * steps.mean()
    assert steps.min() > 0.6 * steps.mean()


def test_a_title_is_escaped_and_read_aloud():
    maze = clew.Maze.open(2, 3)
    picture = draw(maze, solved(maze), title="A < B & </title>")
    names = {element.get("id"): element.text for element in picture}
    assert names["clew-title"] == "A < B & </title>"
    assert names["clew-desc"].startswith("2 rows and 3 columns. The start is at row 0, column 0. A goal is at row 1,")
    assert picture.get("aria-labelledby") == "clew-title clew-desc"


def test_large_mazes_have_no_arrows_and_a_short_text():
    maze = clew.Maze.open(49, 48)
    q = solved(maze)
    assert lines_of(draw(maze, q), "arrows") == []
    assert len(policy_svg(maze, q)) < 40_000
    huge = clew.Maze.open(1, 1025)
    with pytest.raises(clew.SettingError, match="1024 cells a side"):
        policy_svg(huge, np.zeros((1025, 4)))


def test_the_trace_ends_wherever_it_gets_stuck():
    maze = clew.Maze.open(2, 2)
    q = np.zeros((4, 4))
    assert trace_greedy(maze, q) == [(0, 0)]  # nothing learned
    q[0, UP] = 1.0
    assert trace_greedy(maze, q) == [(0, 0)]  # into a wall
    q[0] = 0.0, 0.0, 0.0, 1.0
    q[1, LEFT] = 1.0
    assert trace_greedy(maze, q) == [(0, 0), (0, 1)]  # to and fro
    q[1] = 1.0, 0.0, 0.0, 0.0
    assert trace_greedy(maze, q) == [(0, 0), (0, 1), (1, 1)]


@pytest.mark.parametrize(
    ("q", "path", "message"),
    [
        (np.zeros((5, 4)), None, r"shape \(4, 4\)"),
        (np.full((4, 4), np.nan), None, "not finite"),
        (np.zeros((4, 4)), [(0, 0), (1, 1)], r"not from \(0, 0\) to \(1, 1\)"),
    ],
)
def test_what_does_not_fit_is_refused(q, path, message):
    with pytest.raises(clew.SettingError, match=message):
        policy_svg(clew.Maze.open(2, 2), q, path=path)


def test_a_trace_needs_a_start():
    with pytest.raises(clew.SettingError, match="no start"):
        trace_greedy(clew.Maze.open(2, 2, start=None), np.zeros((4, 4)))
