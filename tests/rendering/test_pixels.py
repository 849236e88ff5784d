"""Pictures as pixels: colours at places that are known, means of blocks, and what stands below them."""

import base64
import io
import re
import resource

import numpy as np
import pytest
from PIL import Image

import clew
from clew.rendering.cells import block_sums, colour_cells
from clew.rendering.colours import COLOURS, NUM_SHADES, ValueScale, ramp, rgb
from clew.rendering.legend import Resolution, notes, path_labels
from clew.rendering.output import Drawing
from clew.rendering.paths import corners
from clew.rendering.picture import Picture
from clew.rendering.strokes import blend, cover_line, split_dashes

DOWN, LEFT, UP, RIGHT = 0, 1, 2, 3
MARGIN = 24  # of the card


def is_colour(pixel, name):
    return (pixel == rgb(COLOURS[name])).all()


def middle(maze, row, column, picture):
    """The pixel in the middle of a cell of a card without a title."""
    pixels = Drawing(picture).pixels()
    size = Resolution.of(maze, 1024).pixels
    left = (pixels.shape[1] - size * maze.columns) // 2
    return pixels[MARGIN + size * row + size // 2, left + size * column + size // 2]


def with_values(maze, **places):
    values = np.full(maze.cells.shape, np.nan)
    for place, value in places.items():
        values[int(place[1]), int(place[2])] = value
    return Picture(maze, values.reshape(-1))


# Means ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1, 2, 3, 5])
def test_block_means_are_those_of_a_loop(block):
    rng = np.random.default_rng(3)
    maze = clew.Maze.from_array(rng.random((11, 7)) < 0.3)
    values = np.where(rng.random(77) < 0.2, np.nan, rng.normal(size=77))
    picture = Picture(maze, values)
    floor = colour_cells(picture, block)
    assert floor.shape == (-(-11 // block), -(-7 // block), 3)
    shown, blocked = values.reshape(11, 7), maze.blocked
    for i in range(floor.shape[0]):
        for j in range(floor.shape[1]):
            cells = [
                (row, column)
                for row in range(i * block, min(11, (i + 1) * block))
                for column in range(j * block, min(7, (j + 1) * block))
            ]
            numbers = [shown[cell] for cell in cells if not blocked[cell] and not np.isnan(shown[cell])]
            walls = sum(blocked[cell] for cell in cells)
            colour = walls * rgb(COLOURS["ink"]).astype(float)
            colour += (len(cells) - walls - len(numbers)) * rgb(COLOURS["paper"]).astype(float)
            if numbers:
                scale = ValueScale.of(values[~np.isnan(values)])
                share = scale.normalise(np.array([sum(numbers) / len(numbers)]))[0]
                colour += len(numbers) * ramp()[round(share * (NUM_SHADES - 1))].astype(float)
            np.testing.assert_allclose(floor[i, j], colour / len(cells), atol=0.51)


def test_sums_of_blocks_at_the_edges_are_of_what_is_left():
    assert block_sums(np.ones((3, 5), bool), 2, 2).tolist() == [[4, 4, 2], [2, 2, 1]]


@pytest.mark.parametrize(
    ("rows", "columns", "pixels", "cells"),
    [(2, 2, 40, 1), (25, 3, 40, 1), (26, 26, 39, 1), (1024, 9, 1, 1), (1025, 9, 1, 2), (4096, 4096, 1, 4)],
)
def test_a_maze_takes_whole_pixels_a_cell_or_whole_cells_a_pixel(rows, columns, pixels, cells):
    assert Resolution.of(clew.Maze.open(rows, columns, start=None), 1024) == (pixels, cells)


# Places ---------------------------------------------------------------------------------------------------------------


def test_a_picture_is_the_right_way_up():
    maze = clew.Maze.open(3, 4, start=None, goal=(0, 3), obstacles=[(2, 0)], hazards=[(2, 3)])
    picture = with_values(maze, p00=0.0, p01=1.0)
    assert (middle(maze, 0, 0, picture) == ramp()[0]).all()
    assert (middle(maze, 0, 1, picture) == ramp()[-1]).all()
    assert is_colour(middle(maze, 0, 2, picture), "paper")  # NaN has no shade
    assert is_colour(middle(maze, 0, 3, picture), "paper")  # the middle of the ring
    assert is_colour(middle(maze, 2, 0, picture), "ink")
    assert is_colour(middle(maze, 2, 3, picture), "hazard stripe")


def test_the_start_the_path_and_the_seeker_are_red():
    maze = clew.Maze.open(1, 4)
    assert is_colour(middle(maze, 0, 2, Picture(maze)), "paper")
    assert is_colour(middle(maze, 0, 2, Picture(maze, path=((0, 0), (0, 1), (0, 2), (0, 3)))), "path")
    assert not is_colour(middle(maze, 0, 0, Picture(maze, seeker=(0, 2))), "path")
    assert is_colour(middle(maze, 0, 0, Picture(maze, seeker=(0, 2))), "paper")


@pytest.mark.parametrize(("action", "down", "right"), [(DOWN, 9, 0), (LEFT, 0, -9), (UP, -9, 0), (RIGHT, 0, 9)])
def test_an_arrow_points_where_its_action_leads(action, down, right):
    maze = clew.Maze.open(3, 3, start=None, goal=(0, 0))
    greedy = np.zeros((9, 4), bool)
    greedy[4, action] = True
    pixels = Drawing(Picture(maze, greedy=greedy)).pixels()
    row, column = MARGIN + 60, pixels.shape[1] // 2
    assert pixels[row + down, column + right].sum() < 400
    assert is_colour(pixels[row - down, column - right], "paper")


def test_the_optimum_is_dashed_and_of_another_colour():
    maze = clew.Maze.open(1, 20)
    way = tuple((0, column) for column in range(20))
    row = Drawing(Picture(maze, optimal=way)).pixels()[MARGIN + 20]
    is_on = (row == rgb(COLOURS["optimum"])).all(axis=1)
    assert np.count_nonzero(np.diff(is_on.astype(int)) == 1) > 20
    assert 0.3 < is_on[MARGIN + 40 : MARGIN + 760].mean() < 0.7


def test_thin_walls_have_lines_from_four_pixels_a_cell_and_else_the_picture_says_so():
    maze = clew.generate_maze("wilson", 6, 6, seed=1)
    assert notes(Picture(maze), Resolution(4, 1), has_walls=True) == []
    assert notes(Picture(maze), Resolution(1, 4), has_walls=False) == [
        "1 pixel shows 4 x 4 cells",
        "walls between cells are not drawn at this size",
    ]
    large = clew.generate_maze("wilson", 400, 400, seed=1)
    assert clew.draw(large).pixels().shape[0] == 5 * 400 + 2 * MARGIN  # larger than 1024, for the walls' sake


def test_a_way_that_comes_to_no_goal_is_called_so():
    maze = clew.Maze.open(1, 3)
    assert path_labels(Picture(maze, path=((0, 0), (0, 1)))) == [("path", "greedy path, 1 step, goal not reached")]
    assert path_labels(Picture(maze, path=((0, 0), (0, 1), (0, 2)))) == [("path", "greedy path, 2 steps")]
    lost = Picture(maze, path=((0, 0),))
    assert path_labels(lost) == []
    assert notes(lost, Resolution(40, 1), has_walls=True) == ["the greedy path does not leave the start"]


# Sizes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_smallest_maze_has_room_for_its_legend(ending, tmp_path):
    maze = clew.Maze.open(2, 2)
    drawing = clew.draw(maze, clew.solve(clew.Environment(maze)), title="the smallest maze that there is", optimal=None)
    drawing.save(tmp_path / f"a.{ending}")
    assert drawing.pixels().shape[1] >= 288


@pytest.mark.long
def test_4096_cells_a_side_are_drawn_in_a_gigabyte_and_said_to_be_blocks():
    maze = clew.Maze.open(4096, 4096)
    values = np.arange(4096.0 * 4096)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    picture = Picture(maze, values)
    drawing = Drawing(picture)
    drawn, pixels, text = drawing.svg(), drawing.pixels(), drawing.text()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_200_000  # KB
    assert pixels.shape[1] == 1024 + 2 * MARGIN
    assert len(drawn) < 100_000
    assert "1 pixel shows the mean of 4 x 4 cells" in drawn
    assert "1 character shows the mean of 26 x 26 cells" in text
    mean = values.reshape(4096, 4096)[2048:2052, 2048:2052].mean(keepdims=True)
    assert (pixels[MARGIN + 512, MARGIN + 512] == ramp()[round(picture.value_scale.normalise(mean).item() * 31)]).all()


def test_the_floor_of_a_large_svg_is_a_png_of_the_same_colours():
    maze = clew.Maze.from_array(np.random.default_rng(1).random((201, 90)) < 0.4)
    drawn = Drawing(Picture(maze, np.arange(201.0 * 90))).svg()
    data = base64.b64decode(re.search(r"base64,([^\"]+)", drawn)[1])
    floor = np.array(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(floor, colour_cells(Picture(maze, np.arange(201.0 * 90))))
    assert 'class="shade"' not in drawn


# Strokes --------------------------------------------------------------------------------------------------------------


def test_a_line_covers_what_is_within_its_radius_and_half_of_its_edge():
    cover = np.zeros((9, 9), np.float32)
    cover_line(cover, np.array([[4.5, 2.0], [4.5, 7.0]]), 1.0)
    assert cover[:, 4].tolist() == [0, 0, 0, 0.5, 1, 0.5, 0, 0, 0]
    assert cover[4].tolist() == [0, 1, 1, 1, 1, 1, 1, 1, 0]


def test_a_line_beyond_the_edge_covers_only_what_is_inside():
    cover = np.zeros((4, 4), np.float32)
    cover_line(cover, np.array([[-3.0, -3.0], [-2.0, -2.0]]), 1.0)
    cover_line(cover, np.array([[9.0, 9.0]]), 1.0)
    assert not cover.any()


def test_blending_goes_as_far_as_the_cover():
    pixels = np.zeros((1, 3, 3), np.uint8)
    blend(pixels, np.array([[0.0, 0.5, 1.0]], np.float32), np.array([200, 100, 0], np.uint8))
    assert pixels.tolist() == [[[0, 0, 0], [100, 50, 0], [200, 100, 0]]]


def test_dashes_follow_a_line_round_its_corners():
    line = np.array([[0.0, 0.0], [0.0, 3.0], [3.0, 3.0]])
    assert [piece.tolist() for piece in split_dashes(line, 2.0, 0.5)] == [
        [[0, 0], [0, 2]],
        [[0, 2.5], [0, 3], [1.5, 3]],
        [[2, 3], [3, 3]],
    ]


def test_corners_are_where_a_line_bends():
    line = np.array([[0, 0], [0, 1], [0, 1], [0, 2], [1, 2], [2, 2], [3, 3]])
    assert corners(line).tolist() == [[0, 0], [0, 2], [2, 2], [3, 3]]
    assert corners(np.array([[4, 4], [4, 4]])).tolist() == [[4, 4]]
