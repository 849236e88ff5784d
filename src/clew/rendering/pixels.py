"""A picture as an array of pixels: the maze with what is in it, and round it a card with title and legend.

Where a cell has a pixel or more it takes a square of them, and from four on walls between cells are lines; where there
are more cells than pixels, a pixel is the mean of a block of cells, and the legend says so.
"""

import numpy as np
import numpy.typing as npt

from clew.mazes import Maze
from clew.mazes.formats import Place, has_thin_walls
from clew.mazes.moves import FOUR
from clew.rendering.colours import COLOURS, NUM_SHADES, ramp, rgb
from clew.rendering.floor import colour_floor
from clew.rendering.legend import LEAST_WITH_ARROWS, LEAST_WITH_WALLS, Fit, name_ways, notes, say_scale, thin_walls
from clew.rendering.paths import corners, leaps, without_stops
from clew.rendering.picture import Picture
from clew.rendering.pillow import length_of, write_words
from clew.rendering.strokes import Cover, Points, blend, cover_line, dashed, rounded

__all__ = ["card_size", "paint", "paint_scene"]

Pixels = npt.NDArray[np.uint8]
Words = tuple[float, float, str, int, str]  # where they are, what, how large, and their colour
INK, PAPER, THREAD, OPTIMUM = (rgb(COLOURS[name]) for name in ("ink", "paper", "thread", "optimum"))
SIDE = 1024  # pixels of the maze
SIDE_FOR_WALLS = 2048  # of one whose walls couldn't be seen else
MARGIN = 24
LEAST_WITH_LINES = 8  # pixels of a cell
LEAST_THREAD, LEAST_END = 18, 22  # pixels of a cell that would have so thick a thread, and such ends
MANY = 20_000  # corners; then a way is drawn cell by cell
SIZE, TITLE_SIZE = 13, 20  # of words

ARROWS = (  # by action, from the middle of a cell: where the shaft begins and ends, down and across, in cells
    *(((0.08 * y, 0.08 * x), (0.36 * y, 0.36 * x)) for y, x in ((1, 0), (0, -1), (-1, 0), (0, 1))),
    *(((0.06 * y, 0.06 * x), (0.26 * y, 0.26 * x)) for y, x in ((1, -1), (-1, -1), (-1, 1), (1, 1))),
)
BARB = 0.14  # cells
YARN = (((0.02, -0.22), (-0.22, 0.1)), ((0.16, -0.2), (-0.16, 0.2)), ((0.23, -0.08), (0.02, 0.23)))


def paint(picture: Picture, most: int = SIDE, least: tuple[int, int] = (0, 0)) -> Pixels:
    """Paint a picture on a card, with its title and its legend.

    Args:
        picture: what to paint.
        most: pixels that the maze takes to either side; twice as many where its walls couldn't be seen else.
        least: height and width that the card has at least, in pixels.

    Returns:
        (height, width, 3) uint8.
    """
    fit = _fit(picture.maze, most)
    inside = _paint_maze(picture, fit)
    rows = _legend_rows(picture, fit)
    height, width = np.maximum(card_size(picture, most), least)
    card = np.full((height, width, 3), rgb(COLOURS["card"]))
    for edge in (card[:1], card[-1:], card[:, :1], card[:, -1:]):
        edge[:] = rgb(COLOURS["card edge"])
    top, left = _top(picture), int(width - inside.shape[1]) // 2
    bottom = top + inside.shape[0]
    thick = 2 * _half_wall(fit.pixels)
    card[top - thick : bottom + thick, left - thick : left + inside.shape[1] + thick] = INK
    card[top:bottom, left : left + inside.shape[1]] = inside
    place = picture.maze.start if picture.seeker is None else picture.seeker
    _draw_ends(card, picture.maze, place, fit.pixels / fit.cells, (top, left))
    words: list[Words] = [(MARGIN, 42, picture.title, TITLE_SIZE, COLOURS["ink"])] if picture.title else []
    for i, row in enumerate(rows):
        words += _draw_legend(card, row, bottom + 20 + 24 * i)
    return write_words(card, words)


def card_size(picture: Picture, most: int = SIDE) -> tuple[int, int]:
    """Height and width of a card, as `paint` takes its arguments."""
    fit = _fit(picture.maze, most)
    rows = _legend_rows(picture, fit)
    height, width = (-(-side // fit.cells) * fit.pixels for side in picture.maze.cells.shape)
    needed = [sum(length_of(words, SIZE) + mark + 12 for _, words, mark in row) for row in rows]
    width = round(max(240, width, length_of(picture.title or "", TITLE_SIZE), *needed)) + 2 * MARGIN
    return _top(picture) + height + (28 + 24 * len(rows) if rows else MARGIN), width


def _top(picture: Picture) -> int:
    return 64 if picture.title else MARGIN


def _fit(maze: Maze, most: int) -> Fit:
    fit = Fit.of(maze, most)
    if fit.pixels < LEAST_WITH_WALLS and has_thin_walls(maze.cells):
        wide = Fit.of(maze, most * SIDE_FOR_WALLS // SIDE)
        fit = wide if wide.pixels >= LEAST_WITH_WALLS else fit
    return fit


def paint_scene(maze: Maze, seeker: Place | None, goal: Place | None = None, heading: int | None = None) -> Pixels:
    """Paint a maze with the seeker in it.

    Args:
        maze: the maze; its own start is not drawn.
        seeker: where the seeker stands.
        goal: where the goal is, if that is not for the maze to say.
        heading: which way the seeker looks, in the order of the four moves; a light spot on that side shows it.

    Returns:
        (rows * size, columns * size, 3) uint8, where size is 4 to 32 pixels per cell, about 512 pixels in all.
    """
    size = min(32, max(4, 512 // max(maze.rows, maze.columns)))
    if goal is not None:
        maze = maze.with_ends(None, goal)
    image = _paint_maze(Picture(maze), Fit(size, 1))
    thick = _half_wall(size)
    for edge in (image[:thick], image[-thick:], image[:, :thick], image[:, -thick:]):
        edge[:] = INK
    _draw_ends(image, maze, seeker, size, (0, 0))
    if seeker is not None and heading is not None:
        ahead = np.array(seeker) + 0.5 + 0.17 * np.array(FOUR.moves[0][heading][:2])
        cover = np.zeros(image.shape[:2], np.float32)
        cover_line(cover, ahead[None, :] * size, 0.11 * size)
        blend(image, cover, PAPER)
    return image


# Inside the maze ------------------------------------------------------------------------------------------------------


def _paint_maze(picture: Picture, fit: Fit) -> Pixels:
    """The maze itself, without a margin, and without its ends, which may reach over its edge."""
    maze, size = picture.maze, fit.pixels
    floor = colour_floor(picture, fit.cells)
    image = floor.repeat(size, axis=0).repeat(size, axis=1)
    if size >= LEAST_WITH_WALLS:
        blocks = image.reshape(maze.rows, size, maze.columns, size, 3).swapaxes(1, 2)  # a view, a square for each cell
        if size >= LEAST_WITH_LINES:
            _draw_details(blocks, picture, size)
        _draw_walls(blocks, maze, size)
        if picture.greedy is not None and size >= LEAST_WITH_ARROWS:
            _draw_arrows(blocks, picture.greedy, size)
    _draw_ways(image, picture, fit)
    return image


def _half_wall(size: int) -> int:
    return max(1, round(0.06 * size))


def _draw_details(blocks: Pixels, picture: Picture, size: int) -> None:
    """A fine grid, and stripes on hazards."""
    maze = picture.maze
    grid = PAPER if picture.has_numbers else rgb(COLOURS["card edge"])
    blocks[~maze.blocked, -1, :] = grid
    blocks[~maze.blocked, :, -1] = grid
    if maze.hazards.any():
        stripes = np.zeros((size, size), np.float32)
        for begin, end in (((0.85, 0.15), (0.15, 0.85)), ((0.5, 0.15), (0.15, 0.5)), ((0.85, 0.5), (0.5, 0.85))):
            cover_line(stripes, np.array((begin, end)) * size, 0.045 * size)
        _stamp(blocks, maze.hazards, stripes, rgb(COLOURS["hazard stripe"]))


def _stamp(blocks: Pixels, where: npt.NDArray[np.bool_], cover: Cover, colour: Pixels) -> None:
    """Lay the same over many cells."""
    some = blocks[where]
    blend(some, cover, colour)
    blocks[where] = some


def _draw_walls(blocks: Pixels, maze: Maze, size: int) -> None:
    """Walls between free cells, half on either side, and the edge of the maze."""
    thick = _half_wall(size)
    below, beside = thin_walls(maze)
    blocks[:-1][below, -thick:, :] = INK
    blocks[1:][below, :thick, :] = INK
    blocks[:, :-1][beside, :, -thick:] = INK
    blocks[:, 1:][beside, :, :thick] = INK


def _draw_arrows(blocks: Pixels, greedy: npt.NDArray[np.bool_], size: int) -> None:
    """An arrow for each action that the greedy policy may take."""
    for action, (begin, end) in enumerate(ARROWS[: greedy.shape[1]]):
        cover = np.zeros((size, size), np.float32)
        tip, tail = np.array(end), np.array(begin)
        back = (tail - tip) / np.hypot(*(tail - tip)) * BARB
        for side in (1, -1):
            barb = tip + (back + side * back[::-1] * (1, -1)) / np.sqrt(2)
            cover_line(cover, (np.array((tip, barb)) + 0.5) * size, 0.026 * size)
        cover_line(cover, (np.array((tail, tip)) + 0.5) * size, 0.026 * size)
        _stamp(blocks, greedy[:, action].reshape(blocks.shape[:2]), cover * np.float32(0.75), INK)


def _draw_ways(image: Pixels, picture: Picture, fit: Fit) -> None:
    """The thread, and the way of an optimum, dashed; never too fine to be seen."""
    scale = fit.pixels / fit.cells
    thick = max(scale, LEAST_THREAD)
    ways = [(picture.path, THREAD, 0.075, False), (picture.optimal, OPTIMUM, 0.05, True)]
    ways = [way for way in ways if len(way[0]) > 1]
    lines: list[Points] = [(corners(np.asarray(places)).astype(np.float64) + 0.5) * scale for places, *_ in ways]
    if sum(map(len, lines)) > MANY:
        for places, colour, _, is_dashed in ways:
            cover = np.zeros(image.shape[:2], np.float32)
            _cover_cells(cover, places, fit, is_dashed)
            blend(image, cover, colour)
        return
    if scale >= LEAST_WITH_WALLS:
        middles = [(np.asarray(without_stops(places)) + 0.5) * scale for places, *_ in ways]
        lines = [way if leaps(places) else rounded(way) for way, (places, *_) in zip(middles, ways, strict=True)]
    halo = np.zeros(image.shape[:2], np.float32)
    for line in lines:
        cover_line(halo, line, 0.15 * thick)
    blend(image, halo, PAPER)
    for line, (_, colour, radius, is_dashed) in zip(lines, ways, strict=True):
        cover = np.zeros(image.shape[:2], np.float32)
        for piece in dashed(line, 0.3 * thick, 0.55 * thick) if is_dashed else [line]:
            cover_line(cover, piece, radius * thick)
        blend(image, cover, colour)


def _cover_cells(cover: Cover, places: tuple[Place, ...], fit: Fit, is_dashed: bool) -> None:
    """Cover cells whole, and two pixels at least; of a dashed way some, and then some not."""
    rows, columns = np.asarray(places).T // fit.cells * fit.pixels
    if is_dashed:
        is_on = np.arange(len(rows)) // max(1, round(6 * fit.cells / fit.pixels)) % 2 == 0
        rows, columns = rows[is_on], columns[is_on]
    side = max(2, fit.pixels)
    for down in range(side):
        for right in range(side):
            cover[np.minimum(rows + down, cover.shape[0] - 1), np.minimum(columns + right, cover.shape[1] - 1)] = 1.0


def _draw_ends(image: Pixels, maze: Maze, seeker: Place | None, scale: float, corner: tuple[int, int]) -> None:
    """A ring for each goal, and a ball of yarn for the start, or for the seeker; never too small to be seen."""
    thick = scale if corner == (0, 0) else max(scale, LEAST_END)
    dots = [(goal, rgb(COLOURS["goal"])) for goal in maze.goals]
    dots += [] if seeker is None else [(seeker, THREAD)]
    for (row, column), colour in dots:
        middle = np.array([[row + 0.5, column + 0.5]]) * scale + corner
        box, middle = _window(image, middle, thick)
        for radius, shade in ((0.36, PAPER), (0.29, colour)):
            cover = np.zeros(box.shape[:2], np.float32)
            cover_line(cover, middle, radius * thick)
            blend(box, cover, shade)
        cover = np.zeros(box.shape[:2], np.float32)
        if colour is not THREAD:
            cover_line(cover, middle, 0.12 * thick)
            blend(box, cover, PAPER)
        elif thick >= LEAST_WITH_ARROWS:
            for ends in YARN:
                cover_line(cover, middle + np.array(ends) * thick * 0.9, 0.02 * thick)
            blend(box, cover, rgb(COLOURS["thread light"]))


def _window(image: Pixels, middle: npt.NDArray[np.float64], radius: float) -> tuple[Pixels, npt.NDArray[np.float64]]:
    """A view of the pixels round a point, and where that is in it."""
    first = np.maximum(0, np.floor(middle[0] - radius - 1)).astype(int)
    last = np.ceil(middle[0] + radius + 1).astype(int)
    return image[first[0] : last[0], first[1] : last[1]], middle - first


# Below it -------------------------------------------------------------------------------------------------------------


def _legend_rows(picture: Picture, fit: Fit) -> list[list[tuple[str, str, int]]]:
    """Rows of a kind of mark, the words after it, and the pixels that the mark takes."""
    rows = []
    if picture.value_scale is not None:
        before, after = say_scale(picture.value_scale, picture.label)
        rows.append([("", before.replace("≤", "<="), 0), ("shades", after, 90)])  # as far as the font goes
    if ways := name_ways(picture):
        rows.append([(kind, words, 38) for kind, words in ways])
    rows += [[("", words, 0)] for words in notes(picture, fit, has_walls=fit.pixels >= LEAST_WITH_WALLS)]
    return rows


def _draw_legend(card: Pixels, row: list[tuple[str, str, int]], y: int) -> list[Words]:
    """Draw the marks of a row; gives the words, and where they stand."""
    written = []
    x = (card.shape[1] - sum(mark + length_of(words, SIZE) + 12 for _, words, mark in row) + 12) / 2
    for kind, words, mark in row:
        if kind == "shades":
            bar = np.arange(80) * NUM_SHADES // 80
            card[y : y + 11, round(x) : round(x) + 80] = ramp()[bar]
        elif kind:
            line = np.array([[y + 6.0, x + 2.0], [y + 6.0, x + 30.0]])
            cover = np.zeros(card.shape[:2], np.float32)
            for piece in dashed(line, 5.0, 5.0) if kind == "optimal" else [line]:
                cover_line(cover, piece, 1.2 if kind == "optimal" else 1.8)
            blend(card, cover, OPTIMUM if kind == "optimal" else THREAD)
        written.append((x + mark, y + 10.0, words, SIZE, COLOURS["faint"]))
        x += mark + length_of(words, SIZE) + 12
    return written
