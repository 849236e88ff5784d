"""Drawings as arrays of pixels: the maze with its contents, on a card with title and legend.

A cell is a square of pixels, with walls between cells as lines if it has four or more a side. If there are more cells
than pixels, a pixel shows the mean of a block of cells, and the legend says so.
"""

import numpy as np
import numpy.typing as npt

from clew.mazes import Maze
from clew.mazes.formats import Place, has_thin_walls
from clew.mazes.moves import FOUR
from clew.rendering.cells import colour_cells
from clew.rendering.colours import COLOURS, NUM_SHADES, ramp, rgb
from clew.rendering.legend import (
    MIN_PIXELS_FOR_ARROWS,
    MIN_PIXELS_FOR_REWARDS,
    MIN_PIXELS_FOR_WALLS,
    Resolution,
    format_scale,
    notes,
    path_labels,
    thin_walls,
)
from clew.rendering.paths import corners, has_jumps, without_repeats
from clew.rendering.picture import Picture
from clew.rendering.pillow import Label, Pixels, text_width, write_labels
from clew.rendering.rewards import goals_without_reward, reward_label
from clew.rendering.strokes import Coverage, Points, blend, cover_line, draw_lines, round_corners, split_dashes

INK, PAPER, PATH, OPTIMUM = (rgb(COLOURS[name]) for name in ("ink", "paper", "path", "optimum"))
MAX_SIDE = 1024  # pixels of the maze
MAX_SIDE_WITH_WALLS = 2048  # if walls between cells wouldn't be visible otherwise
MARGIN = 24
MIN_PIXELS_FOR_DETAILS = 8  # per cell: a grid, and stripes on hazards
MIN_PATH_SCALE, MIN_END_SCALE = 18, 22  # pixels per cell, for the widths of paths, and of start and goals
MAX_CORNERS = 20_000  # of paths; longer ones are drawn cell by cell
FONT_SIZE, TITLE_SIZE = 13, 20

# By action, from the middle of a cell: both ends of the shaft of its arrow, down and across, in cells.
ARROWS = (
    *(((0.08 * y, 0.08 * x), (0.36 * y, 0.36 * x)) for y, x in ((1, 0), (0, -1), (-1, 0), (0, 1))),
    *(((0.06 * y, 0.06 * x), (0.26 * y, 0.26 * x)) for y, x in ((1, -1), (-1, -1), (-1, 1), (1, 1))),
)
ARROWHEAD = 0.14  # length of its two lines, in cells
# Lines on the disc at the start, which make it a ball of yarn: both ends, down and across, in cells from its middle.
START_LINES = (((0.02, -0.22), (-0.22, 0.1)), ((0.16, -0.2), (-0.16, 0.2)), ((0.23, -0.08), (0.02, 0.23)))


def paint(picture: Picture, max_side: int = MAX_SIDE, min_size: tuple[int, int] = (0, 0)) -> Pixels:
    """Paint a picture on a card, with its title and its legend.

    Args:
        picture: what to paint.
        max_side: maximum of pixels for the longer side of the maze; twice that if its walls need it.
        min_size: minimum of height and width of the card, in pixels.

    Returns:
        (height, width, 3) uint8.
    """
    resolution = _resolution(picture.maze, max_side)
    inside = _paint_maze(picture, resolution)
    height, width = np.maximum(card_size(picture, max_side), min_size)
    card = np.full((height, width, 3), rgb(COLOURS["card"]))
    for edge in (card[:1], card[-1:], card[:, :1], card[:, -1:]):
        edge[:] = rgb(COLOURS["card edge"])
    top, left = _top(picture), int(width - inside.shape[1]) // 2
    bottom = top + inside.shape[0]
    thick = 2 * _half_wall(resolution.pixels)
    card[top - thick : bottom + thick, left - thick : left + inside.shape[1] + thick] = INK
    card[top:bottom, left : left + inside.shape[1]] = inside
    _draw_ends(card, picture.maze, picture.seeker or picture.maze.start, resolution.scale, (top, left))
    labels = [Label(MARGIN, 42, picture.title, TITLE_SIZE, COLOURS["ink"])] if picture.title else []
    labels += _reward_labels(picture.maze, picture.seeker, resolution.pixels, (top, left))
    for i, row in enumerate(_legend_rows(picture, resolution)):
        labels += _draw_legend(card, row, bottom + 20 + 24 * i)
    return write_labels(card, labels)


def card_size(picture: Picture, max_side: int = MAX_SIDE) -> tuple[int, int]:
    """Return height and width in pixels of the card that `paint` makes with the same arguments."""
    resolution = _resolution(picture.maze, max_side)
    rows = _legend_rows(picture, resolution)
    height, width = (-(-side // resolution.cells) * resolution.pixels for side in picture.maze.cells.shape)
    widths = [sum(text_width(text, FONT_SIZE) + mark + 12 for _, text, mark in row) for row in rows]
    width = round(max(240, width, text_width(picture.title or "", TITLE_SIZE), *widths)) + 2 * MARGIN
    return _top(picture) + height + (28 + 24 * len(rows) if rows else MARGIN), width


def _top(picture: Picture) -> int:
    """Return the pixels above the maze on its card."""
    return 64 if picture.title else MARGIN


def _resolution(maze: Maze, max_side: int) -> Resolution:
    """Return the resolution for a maze of at most `max_side` pixels, or of twice that if its walls need it."""
    resolution = Resolution.of(maze, max_side)
    if resolution.pixels < MIN_PIXELS_FOR_WALLS and has_thin_walls(maze.cells):
        larger = Resolution.of(maze, max_side * MAX_SIDE_WITH_WALLS // MAX_SIDE)
        return larger if larger.pixels >= MIN_PIXELS_FOR_WALLS else resolution
    return resolution


def paint_scene(maze: Maze, seeker: Place | None, goal: Place | None = None, heading: int | None = None) -> Pixels:
    """Paint a maze with the seeker (the agent) in it, as a frame of an environment.

    Args:
        maze: the maze; its own start is not drawn.
        seeker: (row, column) of the seeker; None for none.
        goal: (row, column) of the goal; None draws those of the maze.
        heading: direction of the seeker, as an index of the four moves, drawn as a light spot; None for none.

    Returns:
        (rows * size, columns * size, 3) uint8, where size is 4 to 32 pixels per cell, for about 512 pixels a side.
    """
    size = min(32, max(4, 512 // max(maze.rows, maze.columns)))
    if goal is not None:
        maze = maze.with_ends(None, goal)
    image = _paint_maze(Picture(maze), Resolution(size, 1))
    thick = _half_wall(size)
    for edge in (image[:thick], image[-thick:], image[:, :thick], image[:, -thick:]):
        edge[:] = INK
    _draw_ends(image, maze, seeker, size, (0, 0))
    if seeker is not None and heading is not None:
        ahead = np.array(seeker) + 0.5 + 0.17 * np.array(FOUR.moves[0][heading][:2])
        draw_lines(image, [ahead[None, :] * size], 0.11 * size, PAPER)
    labels = _reward_labels(maze, seeker, size, (0, 0))
    return write_labels(image, labels) if labels else image


# Inside the maze ------------------------------------------------------------------------------------------------------


def _paint_maze(picture: Picture, resolution: Resolution) -> Pixels:
    """Paint cells, walls, arrows and paths, without a margin, and without start and goals, which may reach over it."""
    maze, size = picture.maze, resolution.pixels
    image = colour_cells(picture, resolution.cells).repeat(size, axis=0).repeat(size, axis=1)
    if size >= MIN_PIXELS_FOR_WALLS:
        blocks = image.reshape(maze.rows, size, maze.columns, size, 3).swapaxes(1, 2)  # a view: a square for each cell
        if size >= MIN_PIXELS_FOR_DETAILS:
            _draw_details(blocks, picture, size)
        _draw_walls(blocks, maze, size)
        if picture.greedy is not None and size >= MIN_PIXELS_FOR_ARROWS:
            _draw_arrows(blocks, picture.greedy, size)
    _draw_paths(image, picture, resolution)
    return image


def _half_wall(size: int) -> int:
    """Return half the thickness of a wall in pixels, for cells of a given size."""
    return max(1, round(0.06 * size))


def _draw_details(blocks: Pixels, picture: Picture, size: int) -> None:
    """Draw a fine grid, and stripes on hazards, into (rows, columns, size, size, 3) pixels of each cell, in place."""
    maze = picture.maze
    grid = PAPER if picture.has_numbers else rgb(COLOURS["card edge"])
    blocks[~maze.blocked, -1, :] = grid
    blocks[~maze.blocked, :, -1] = grid
    if maze.hazards.any():
        stripes = np.zeros((size, size), np.float32)
        for begin, end in (((0.85, 0.15), (0.15, 0.85)), ((0.5, 0.15), (0.15, 0.5)), ((0.85, 0.5), (0.5, 0.85))):
            cover_line(stripes, np.array((begin, end)) * size, 0.045 * size)
        _stamp(blocks, maze.hazards, stripes, rgb(COLOURS["hazard stripe"]))


def _stamp(blocks: Pixels, where: npt.NDArray[np.bool_], coverage: Coverage, colour: Pixels) -> None:
    """Draw the same shape on several cells, in place.

    Args:
        blocks: (rows, columns, size, size, 3), pixels of each cell.
        where: (rows, columns), cells to draw on.
        coverage: (size, size), the shape.
        colour: (3,).
    """
    chosen = blocks[where]
    blend(chosen, coverage, colour)
    blocks[where] = chosen


def _draw_walls(blocks: Pixels, maze: Maze, size: int) -> None:
    """Draw walls between free cells, half on either side, into (rows, columns, size, size, 3) pixels, in place."""
    thick = _half_wall(size)
    below, beside = thin_walls(maze)
    blocks[:-1][below, -thick:, :] = INK
    blocks[1:][below, :thick, :] = INK
    blocks[:, :-1][beside, :, -thick:] = INK
    blocks[:, 1:][beside, :, :thick] = INK


def _draw_arrows(blocks: Pixels, greedy: npt.NDArray[np.bool_], size: int) -> None:
    """Draw an arrow for each greedy action, in place.

    Args:
        blocks: (rows, columns, size, size, 3), pixels of each cell.
        greedy: (num_cells, num_actions), actions to draw.
        size: pixels per side of a cell.
    """
    for action, (begin, end) in enumerate(ARROWS[: greedy.shape[1]]):
        coverage = np.zeros((size, size), np.float32)
        tip, tail = np.array(end), np.array(begin)
        back = (tail - tip) / np.hypot(*(tail - tip)) * ARROWHEAD
        for side in (1, -1):
            barb = tip + (back + side * back[::-1] * (1, -1)) / np.sqrt(2)
            cover_line(coverage, (np.array((tip, barb)) + 0.5) * size, 0.026 * size)
        cover_line(coverage, (np.array((tail, tip)) + 0.5) * size, 0.026 * size)
        _stamp(blocks, greedy[:, action].reshape(blocks.shape[:2]), coverage * np.float32(0.75), INK)


def _draw_paths(image: Pixels, picture: Picture, resolution: Resolution) -> None:
    """Draw the path as a line and the optimal path dashed, on a light halo, in place; at least some pixels thick."""
    scale = resolution.scale
    thick = max(scale, MIN_PATH_SCALE)
    paths = [(picture.path, PATH, 0.075, False), (picture.optimal, OPTIMUM, 0.05, True)]
    paths = [path for path in paths if len(path[0]) > 1]
    lines: list[Points] = [(corners(np.asarray(places)).astype(np.float64) + 0.5) * scale for places, *_ in paths]
    if sum(map(len, lines)) > MAX_CORNERS:
        for places, colour, _, is_dashed in paths:
            coverage = np.zeros(image.shape[:2], np.float32)
            _cover_cells(coverage, places, resolution, is_dashed)
            blend(image, coverage, colour)
        return
    if scale >= MIN_PIXELS_FOR_WALLS:
        middles = [(np.asarray(without_repeats(places)) + 0.5) * scale for places, *_ in paths]
        lines = [
            line if has_jumps(places) else round_corners(line)
            for line, (places, *_) in zip(middles, paths, strict=True)
        ]
    draw_lines(image, lines, 0.15 * thick, PAPER)
    for line, (_, colour, radius, is_dashed) in zip(lines, paths, strict=True):
        pieces = split_dashes(line, 0.3 * thick, 0.55 * thick) if is_dashed else [line]
        draw_lines(image, pieces, radius * thick, colour)


def _cover_cells(coverage: Coverage, places: tuple[Place, ...], resolution: Resolution, is_dashed: bool) -> None:
    """Cover the cells of a path in place, at least two pixels a side; of a dashed one, every other stretch."""
    rows, columns = np.asarray(places).T // resolution.cells * resolution.pixels
    if is_dashed:
        is_on = np.arange(len(rows)) // max(1, round(6 * resolution.cells / resolution.pixels)) % 2 == 0
        rows, columns = rows[is_on], columns[is_on]
    height, width = coverage.shape
    side = max(2, resolution.pixels)
    for down, right in np.ndindex(side, side):
        coverage[np.minimum(rows + down, height - 1), np.minimum(columns + right, width - 1)] = 1.0


def _draw_ends(image: Pixels, maze: Maze, seeker: Place | None, scale: float, corner: tuple[int, int]) -> None:
    """Draw a ring for each goal, and a ball of yarn for the start or the seeker, in place.

    Exits whose rewards can be written into them have no ring.

    Args:
        image: (height, width, 3).
        maze: has the goals.
        seeker: (row, column) of the start or the seeker; None for neither.
        scale: pixels per side of a cell.
        corner: top left pixel of the maze. If it is not (0, 0), there is a margin, and the marks have a minimum size.
    """
    thick = scale if corner == (0, 0) else max(scale, MIN_END_SCALE)
    goals = goals_without_reward(maze) if scale >= MIN_PIXELS_FOR_REWARDS else maze.goals
    dots = [(goal, rgb(COLOURS["loss" if maze.exits.get(goal, 0.0) < 0.0 else "goal"])) for goal in goals]
    dots += [] if seeker is None else [(seeker, PATH)]
    for (row, column), colour in dots:
        middle = np.array([[row + 0.5, column + 0.5]]) * scale + corner
        box, middle = _window(image, middle, thick)
        for radius, shade in ((0.36, PAPER), (0.29, colour)):
            draw_lines(box, [middle], radius * thick, shade)
        if colour is not PATH:
            draw_lines(box, [middle], 0.12 * thick, PAPER)
        elif thick >= MIN_PIXELS_FOR_ARROWS:
            lines = [middle + np.array(ends) * thick * 0.9 for ends in START_LINES]
            draw_lines(box, lines, 0.02 * thick, rgb(COLOURS["path light"]))


def _reward_labels(maze: Maze, seeker: Place | None, size: int, corner: tuple[int, int]) -> list[Label]:
    """Return the rewards of exits, and smaller those of cells, as labels in their cells; none if cells are too small.

    Args:
        maze: the maze.
        seeker: (row, column) of the seeker, who hides an exit; None for none.
        size: pixels per side of a cell.
        corner: top left pixel of the maze.
    """
    labels = []
    if size < MIN_PIXELS_FOR_REWARDS:
        return []
    kinds = (maze.exits, 0.5, 0.38, COLOURS["paper"]), (maze.cell_rewards, 0.84, 0.24, COLOURS["ink"])
    for rewards, y, height, colour in kinds:
        for (row, column), reward in rewards.items():
            if (row, column) == seeker and rewards is maze.exits:
                continue
            text = reward_label(reward)
            font = max(7, round(size * min(height, 1.25 / len(text))))
            x = corner[1] + (column + 0.5) * size - text_width(text, font) / 2
            labels.append(Label(x, corner[0] + (row + y) * size + 0.35 * font, text, font, colour))
    return labels


def _window(image: Pixels, middle: Points, radius: float) -> tuple[Pixels, Points]:
    """Return a view of the pixels within a distance of a point, (1, 2), and that point in its coordinates."""
    first = np.maximum(0, np.floor(middle[0] - radius - 1)).astype(int)
    last = np.ceil(middle[0] + radius + 1).astype(int)
    return image[first[0] : last[0], first[1] : last[1]], middle - first


# Legend ---------------------------------------------------------------------------------------------------------------


def _legend_rows(picture: Picture, resolution: Resolution) -> list[list[tuple[str, str, int]]]:
    """Return the rows of the legend.

    Returns:
        For each row its entries: kind of mark ("shades", "path", "optimal" or ""), text after it, and pixels for the
        mark.
    """
    rows = []
    if picture.value_scale is not None:
        before, after = format_scale(picture.value_scale, picture.label)
        rows.append([("", before.replace("≤", "<="), 0), ("shades", after, 90)])  # Pillow's font has no such sign
    if labels := path_labels(picture):
        rows.append([(kind, label, 38) for kind, label in labels])
    has_walls = resolution.pixels >= MIN_PIXELS_FOR_WALLS
    return rows + [[("", note, 0)] for note in notes(picture, resolution, has_walls=has_walls)]


def _draw_legend(card: Pixels, row: list[tuple[str, str, int]], y: int) -> list[Label]:
    """Draw the marks of a row of the legend in place, in the middle of the card.

    Args:
        card: (height, width, 3).
        row: of `_legend_rows`.
        y: top of the row, in pixels.

    Returns:
        The texts, still to be written.
    """
    labels = []
    x = (card.shape[1] - sum(mark + text_width(text, FONT_SIZE) + 12 for _, text, mark in row) + 12) / 2
    for kind, text, mark in row:
        if kind == "shades":
            card[y : y + 11, round(x) : round(x) + 80] = ramp()[np.arange(80) * NUM_SHADES // 80]
        elif kind:
            line = np.array([[y + 6.0, x + 2.0], [y + 6.0, x + 30.0]])
            if kind == "optimal":
                draw_lines(card, split_dashes(line, 5.0, 5.0), 1.2, OPTIMUM)
            else:
                draw_lines(card, [line], 1.8, PATH)
        labels.append(Label(x + mark, y + 10.0, text, FONT_SIZE, COLOURS["faint"]))
        x += mark + text_width(text, FONT_SIZE) + 12
    return labels
