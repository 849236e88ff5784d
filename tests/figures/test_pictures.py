"""Pictures: what is drawn, counted in the SVG itself."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import clew
from clew.rendering.colours import hexadecimal, ramp
from clew.rendering.output import Drawing
from clew.rendering.picture import Picture

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


def draw(maze, what, **settings):
    """The picture, parsed."""
    return ElementTree.fromstring(clew.draw(maze, what, **settings).svg())


def lines_of(picture, name):
    """The `d` of the elements of a class, as lists of the pieces that begin with M."""
    found = [each.get("d") for each in picture.iter() if each.get("class") == name]
    return ["M" + piece for d in found for piece in d.split("M")[1:]]


def solved(maze):
    return clew.solve(clew.Environment(maze)).q


def test_the_5x5_optimum_by_numbers():
    maze = clew.Maze.open(5, 5)
    q = solved(maze)
    picture = draw(maze, q)
    # 16 cells have two best moves, the 8 in the last row and column one, the goal none.
    assert len(lines_of(picture, "arrows")) == 2 * 16 + 8
    # Only the edge; the values of the 24 cells are those of 8 distances.
    assert lines_of(picture, "walls") == ["M0 0h5v5h-5z"]
    assert sum(element.get("class") == "shade" for element in picture.iter()) == 8
    # Down the left side, then along the bottom: 8 moves, so 7 bends or crossings between the two ends.
    assert lines_of(picture, "path") == [
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
    assert lines_of(picture, "arrows") == lines_of(picture, "shade") == lines_of(picture, "path") == []


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
    assert "log scale" in clew.draw(maze, q).svg()
    q[0] = -1.0, -1.0, -1.0, -0.5  # values of both signs have no logarithm
    assert "log scale" not in clew.draw(maze, q).svg()


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
    assert len(clew.draw(maze, q).svg()) < 40_000


def test_the_path_ends_wherever_it_gets_stuck():
    maze = clew.Maze.open(2, 2)
    q = np.zeros((4, 4))
    assert clew.draw(maze, q).picture.path == ((0, 0),)  # nothing learned
    q[0, UP] = 1.0
    assert clew.draw(maze, q).picture.path == ((0, 0),)  # into a wall
    q[0] = 0.0, 0.0, 0.0, 1.0
    q[1, LEFT] = 1.0
    assert clew.draw(maze, q).picture.path == ((0, 0), (0, 1))  # to and fro
    q[1] = 1.0, 0.0, 0.0, 0.0
    assert clew.draw(maze, q).picture.path == ((0, 0), (0, 1), (1, 1))
    assert clew.draw(maze, q, path=False).picture.path == ()
    assert clew.draw(clew.Maze.open(2, 2, start=None), q).picture.path == ()


@pytest.mark.parametrize(
    ("what", "settings", "message"),
    [
        (np.zeros((5, 4)), {}, r"expected values of shape \(4, 4\), \(num_states, num_actions\), got \(5, 4\)"),
        (np.zeros((4, 3)), {}, "4 or 8 actions, got 3"),
        (np.zeros(5), {}, r"expected numbers of shape \(4,\), one per cell, got \(5,\)"),
        (np.full((4, 4), np.nan), {}, "expected finite action values"),
        (np.zeros((4, 4)), {"path": [(0, 0), (0, 2)]}, "path has a place outside the maze of 2 x 2 cells"),
        (np.zeros((4, 4)), {"optimal": [(-1, 0)]}, "optimal has a place outside the maze"),
        (np.zeros((4, 4)), {"show": "steps"}, "show must be one of values, visits, not 'steps'"),
        (None, {"show": "visits"}, "expected a Trajectory or an array of counts to show visits of, got nothing"),
        ("q", {}, "expected a Policy, a Solution, a Trajectory or an array of numbers, got str"),
    ],
)
def test_what_does_not_fit_is_refused(what, settings, message):
    with pytest.raises(clew.SettingError, match=message):
        clew.draw(clew.Maze.open(2, 2), what, **settings)


def test_worlds_that_are_no_maze_or_many_are_refused():
    with pytest.raises(clew.SettingError, match="only mazes are drawn"):
        clew.draw(clew.Environment().mdp)
    with pytest.raises(clew.SettingError, match="one picture can't show the values for all random goals"):
        clew.draw(clew.Environment(random_goal=True))


# What is drawn --------------------------------------------------------------------------------------------------------


def test_all_that_tie_have_arrows_and_where_all_do_there_are_none():
    maze = clew.Maze.open(2, 2)
    q = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [0.5, 0.5, 0.5, 0.25], [0, 0, 0, 0]])
    picture = clew.draw(maze, q).picture
    assert picture.greedy.astype(int).tolist() == [[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(picture.values, [1.0, np.nan, 0.5, np.nan])
    assert len(lines_of(draw(maze, q), "arrows")) == 5


def test_eight_moves_have_eight_arrows_and_go_round_no_corner():
    maze = clew.Maze.open(3, 3, obstacles=[(1, 0)])
    env = clew.Environment(maze, moves="eight", step_reward=-1.0)
    optimum = clew.solve(env, gamma=1.0)
    picture = clew.draw(env, optimum).picture
    assert picture.path == ((0, 0), (0, 1), (1, 1), (2, 2))
    (arrow,) = (each for each in lines_of(draw(env, optimum), "arrows") if each.startswith("M1.5 1.5"))
    assert arrow == "M1.5 1.5m.06 .06l.2 .2m0-.13v.13h-.13"


def test_a_knights_way_goes_straight_to_where_it_lands():
    maze = clew.Maze.open(3, 4)
    drawn = ElementTree.fromstring(Drawing(Picture(maze, path=((0, 0), (1, 2), (2, 0)))).svg())
    assert lines_of(drawn, "path") == ["M0.5 0.5L2.5 1.5L0.5 2.5"]


def test_a_robot_has_the_best_value_of_its_headings_and_no_arrows():
    env = clew.Environment(clew.Maze.open(2, 2), moves="robot")
    optimum = clew.solve(env, gamma=0.5)
    drawing = clew.draw(env, optimum)
    picture = drawing.picture
    assert picture.greedy is None
    assert picture.path == ((0, 0), (1, 0), (1, 0), (1, 1))  # looks down first, and turns on the spot
    assert "greedy path, 3 steps" in drawing.svg()
    np.testing.assert_allclose(picture.values, [0.25, 1.0, 1.0, np.nan])


def test_the_optimum_goes_where_the_policy_does_if_that_is_as_good():
    maze = clew.Maze.open(3, 3)
    q = np.zeros((9, 4))
    q[[0, 1], RIGHT] = 1.0
    q[2, DOWN] = q[5, DOWN] = 1.0
    optimum = clew.solve(clew.Environment(maze))
    picture = clew.draw(maze, q, optimal=optimum).picture
    assert picture.path == picture.optimal == ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2))
    q[:] = 0.0
    q[0, RIGHT] = q[1, DOWN] = q[4, LEFT] = q[3, DOWN] = q[6, RIGHT] = q[7, RIGHT] = 1.0
    drawing = clew.draw(maze, q, optimal=optimum)
    assert (len(drawing.picture.path), len(drawing.picture.optimal)) == (7, 5)
    drawn = drawing.svg()
    assert "greedy path, 6 steps" in drawn
    assert "optimal path, 4 steps" in drawn
    assert 'class="optimum" stroke="#5b3a8c" stroke-width="0.09" stroke-dasharray="0.3 0.55"' in drawn


def test_where_moves_go_astray_a_policy_has_no_one_way():
    env = clew.Environment(clew.Maze.open(3, 3), slip=0.2)
    optimum = clew.solve(env)
    for world in (env, env.maze):
        picture = clew.draw(world, optimum, optimal=optimum).picture
        assert picture.path == picture.optimal == ()
        assert picture.greedy.any()


def test_an_optimum_without_a_discount_finds_its_way():
    env = clew.Environment(clew.Maze.open(3, 3))
    assert len(clew.draw(env, optimal=clew.solve(env, gamma=1.0)).picture.optimal) == 5


def test_the_optimum_of_another_world_is_refused():
    maze, other = clew.Maze.open(3, 3), clew.Maze.open(3, 3, obstacles=[(1, 0)])
    env = clew.Environment(maze)
    costly = clew.solve(clew.Environment(maze, step_reward=-1.0))
    for world, optimal in ((env, clew.solve(other)), (maze, clew.solve(other)), (env, costly)):
        with pytest.raises(clew.SettingError, match=r"the optimum belongs to another world; give solve\(world, gamma="):
            clew.draw(world, optimal=optimal)
    for world, optimal in ((env, clew.solve(maze, gamma=0.5)), (maze, costly)):  # a maze alone has no rewards
        assert len(clew.draw(world, optimal=optimal).picture.optimal) == 5


def test_visits_of_a_trajectory_and_its_way():
    maze = clew.Maze.open(2, 2)
    #                         state       action      reward        next state
    episode = clew.Trajectory([0, 1, 1], [3, 2, 0], [0.0, 0.0, 1.0], [1, 1, 3], [0, 0, 1], [0, 0, 0])
    picture = clew.draw(maze, episode).picture
    np.testing.assert_array_equal(picture.values, [1, 2, np.nan, 1])
    assert (picture.label, picture.path) == ("visits", ((0, 0), (0, 1), (0, 1), (1, 1)))
    twice = clew.draw(maze, np.array([[1, 0, 0, 1], [0, 2, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]), show="visits").picture
    np.testing.assert_array_equal(twice.values, [2, 3, np.nan, np.nan])
    with pytest.raises(clew.SettingError, match="a trajectory has no values"):
        clew.draw(maze, episode, show="values")
    with pytest.raises(clew.SettingError, match="this maze, which has 2 states, got states 0 to 3"):
        clew.draw(clew.Maze.open(1, 2), episode)


def test_a_drawing_is_saved_whole_by_its_ending(tmp_path):
    drawing = clew.draw(clew.Maze.open(2, 2))
    drawing.save(tmp_path / "maze.SVG")
    assert (tmp_path / "maze.SVG").read_text() == drawing.svg() == drawing._repr_svg_()
    drawing.save(str(tmp_path / "maze.txt"))
    assert (tmp_path / "maze.txt").read_text() == "S.\n.G\n"
    with pytest.raises(clew.SettingError, match=r"saved as \.svg.*, not as 'maze.jpg'"):
        drawing.save(tmp_path / "maze.jpg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["maze.SVG", "maze.txt"]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"values": np.zeros(3)}, r"expected values of shape \(4,\)"),
        ({"values": np.full(4, np.inf)}, "expected finite values"),
        ({"greedy": np.zeros((4, 3), bool)}, r"expected greedy of shape \(4, 4\) or \(4, 8\)"),
        ({"seeker": (2, 0)}, r"seeker \(2, 0\) is outside the maze"),
    ],
)
def test_a_picture_that_does_not_fit_its_maze_is_refused(field, message):
    with pytest.raises(clew.SettingError, match=message):
        Picture(clew.Maze.open(2, 2), **field)
