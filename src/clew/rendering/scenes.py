"""A maze and what was learned in it as characters, as many as a screen has room for, in the colours that it knows.

Nothing here writes to a terminal: the result is lines of `Span`s, which `clew.cli.terminal` shows. The first of these
ways that fits is taken:

    lines    4 characters per cell, walls between cells as lines; for mazes that have such walls
    halves   half a character per cell and a wall each, as blocks, without arrows; where the screen knows Unicode
    tiles    7 x 3 characters per cell, without walls between cells; where the screen knows colours
    pairs    2 characters per cell
    singles  1 character per cell
    window   as lines or pairs, but only what is round the seeker; if one is to be followed
    means    a block of cells to (half) a character: the mean of its values, and how much of it is wall
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.mazes import Maze
from clew.mazes.formats import Place, has_thin_walls
from clew.rendering.colours import COLOURS, NUM_SHADES, ValueScale, ramp
from clew.rendering.text import ARROWS

__all__ = ["Look", "Scene", "Screen", "Span", "draw_for_screen"]

Cells = npt.NDArray[np.uint8]  # as `Maze.cells`
Colours = npt.NDArray[np.int32]  # 0xRRGGBB
NONE = -1  # the terminal's own colour
SHADED = 256  # colours that a screen must know to show values by them
ASCII_ARROWS = "v<^>/\\/\\"  # of a diagonal move only the line that it goes along
JOINTS = " ╵╷│╴┘┐┤╶└┌├─┴┬┼"  # by arms: up 1, down 2, left 4, right 8


def _number(name: str) -> int:
    return int(COLOURS[name][1:], 16)


PAPER, INK, FAINT = _number("paper"), _number("ink"), _number("faint")
THREAD, GOAL_TILE, HAZARD_TILE = _number("thread"), _number("goal"), _number("hazard")
SHADES: Colours = (ramp().astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)).astype(np.int32)


class Screen(NamedTuple):
    """Room, and what can be shown in it."""

    columns: int
    rows: int
    num_colours: int  # 0, 16, 256, or all
    unicode: bool


class Look(NamedTuple):
    """What there is to see of a maze."""

    maze: Maze
    values: npt.NDArray[np.floating] | None = None  # (num_cells,), NaN where nothing was learned
    greedy: npt.NDArray[np.bool_] | None = None  # (num_cells, num_actions), of four moves or of eight
    seeker: Place | None = None
    heading: int | None = None  # which way it looks, in the order of the four moves; None if it has no heading


class Span(NamedTuple):
    """Characters in a row that look alike."""

    text: str
    ink: int  # 0xRRGGBB, or -1 for the terminal's own
    paper: int


class Scene(NamedTuple):
    """What is drawn, and what must be said of it: how large a character is, or which part is shown."""

    lines: list[list[Span]]
    notes: list[str]


class Canvas(NamedTuple):
    """Characters and their colours, (rows, columns) each."""

    glyphs: npt.NDArray[Any]  # str, one character each
    inks: npt.NDArray[Any]  # Colours
    papers: npt.NDArray[Any]


def draw_for_screen(look: Look, screen: Screen, *, follow: bool = False) -> Scene:
    """Draw a maze for a screen, as large and with as much in it as there is room for.

    Args:
        look: what there is to see.
        screen: where.
        follow: show only what is round the seeker, if all of it can't be shown cell by cell.
    """
    screen = screen._replace(columns=max(screen.columns, 1), rows=max(screen.rows, 1))
    rows, columns = look.maze.cells.shape
    thin = has_thin_walls(look.maze.cells)

    scale = [] if look.values is None else _say_scale(look.values, screen)
    without_arrows = [] if look.greedy is None else ["arrows left out: needs a larger window"]

    def fits(width: int, height: int) -> bool:
        return width <= screen.columns and height <= screen.rows

    if thin and fits(4 * columns + 1, 2 * rows + 1):
        return Scene(_spans(_lines(look.maze.cells, _one_each(look, screen), screen), screen), scale)
    shows_halves = screen.num_colours >= SHADED or follow  # without shades there is nothing in them but walls
    if thin and screen.unicode and shows_halves and fits(2 * columns + 1, rows + 1):
        return Scene(_spans(_halves(look, screen), screen), [*scale, *without_arrows])
    hidden = ["walls between cells are not drawn"] if thin else []
    if not (thin and follow):
        for width, height in ((7, 3), (2, 1), (1, 1)):
            if fits(width * columns, height * rows) and (height == 1 or screen.num_colours):
                each = _one_each(look, screen)
                return Scene(_spans(_tiles(look.maze.cells, each, screen, (width, height)), screen), [*scale, *hidden])
    if follow and look.seeker is not None:
        canvas, part = _window(look.maze.cells, look.seeker, _one_each(look, screen), screen)
        return Scene(_spans(canvas, screen), [part, *scale])
    canvas, notes = _means(look, screen)
    return Scene(_spans(canvas, screen), [*notes, *without_arrows, *hidden])


def _spans(canvas: Canvas, screen: Screen) -> list[list[Span]]:
    """Lines of a canvas, characters that look alike together."""
    if screen.num_colours == 0:
        return [[Span("".join(line).rstrip(), NONE, NONE)] for line in canvas.glyphs.tolist()]
    glyphs = canvas.glyphs.tolist()
    # The ink of a blank can't be seen: it may be that of what is before it, and there is less to write.
    before = np.maximum.accumulate(np.where(canvas.glyphs == " ", 0, np.arange(canvas.glyphs.shape[1])), axis=1)
    inks = np.take_along_axis(canvas.inks, before, axis=1)
    changes = (np.diff(inks, axis=1) != 0) | (np.diff(canvas.papers, axis=1) != 0)
    lines = []
    for row, line in enumerate(glyphs):
        edges = [0, *(np.flatnonzero(changes[row]) + 1).tolist(), len(line)]
        papers = canvas.papers[row]
        lines.append([Span("".join(line[a:b]), int(inks[row, a]), int(papers[a])) for a, b in pairwise(edges)])
    return lines


# A cell ---------------------------------------------------------------------------------------------------------------


def _shares(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """How deep values are drawn, from 0 to 1; NaN where there is none."""
    return ValueScale.of(values[~np.isnan(values)]).shares(values)


def _say_scale(values: npt.NDArray[np.floating], screen: Screen) -> list[str]:
    """Which values the colours are."""
    scale = ValueScale.of(values[~np.isnan(values)])
    if screen.num_colours < SHADED or scale.high == scale.low:
        return []
    return [f"pale {'<=' if scale.is_log else '='} {scale.low:.2g}, deep = {scale.high:.2g}"]


def _shaded(values: npt.NDArray[np.floating]) -> Colours:
    """The colours of values; paper where there is none."""
    shares = _shares(values)
    known = ~np.isnan(shares)
    colours = np.full(values.shape, PAPER, np.int32)
    colours[known] = SHADES[np.rint(shares[known] * (NUM_SHADES - 1)).astype(np.int64)]
    return colours


def _one_each(look: Look, screen: Screen) -> Canvas:
    """A character for each cell: its arrow or what it is, on the colour of its value."""
    cells = look.maze.cells
    papers = np.full(cells.shape, PAPER, np.int32)
    if look.values is not None and screen.num_colours >= SHADED:
        papers = _shaded(look.values.reshape(cells.shape))
    glyphs = np.full(cells.shape, " ", "<U1")
    inks = np.full(cells.shape, INK, np.int32)
    if look.greedy is not None:
        names = np.array(list(ARROWS if screen.unicode else ASCII_ARROWS))
        dots = look.greedy.all(axis=1).reshape(cells.shape)
        glyphs = names[look.greedy.argmax(axis=1)].reshape(cells.shape)
        glyphs[dots] = "·" if screen.unicode else "."
        inks[dots] = FAINT
    elif screen.num_colours == 0:
        glyphs[:] = "·" if screen.unicode else "."
    if look.maze.start is not None and look.seeker is None:
        glyphs[look.maze.start], inks[look.maze.start] = "S", THREAD
    things = (
        (cells & HAZARD, "!", INK, HAZARD_TILE),
        (cells & GOAL, "G", PAPER, GOAL_TILE),
        (cells & BLOCKED, _wall(screen), INK, INK),
    )
    for there, glyph, ink, paper in things:
        glyphs[there > 0], inks[there > 0], papers[there > 0] = glyph, ink, paper
    if look.seeker is not None:
        place = look.seeker
        glyphs[place], inks[place], papers[place] = _seeker(look, screen), PAPER, THREAD
    return Canvas(glyphs, inks, papers)


def _wall(screen: Screen) -> str:
    if screen.num_colours:
        return " "  # on ink
    return "█" if screen.unicode else "#"


def _seeker(look: Look, screen: Screen) -> str:
    if look.heading is not None:
        return (ARROWS if screen.unicode else ASCII_ARROWS)[look.heading]
    return "●" if screen.unicode else "S"


# Ways to draw ---------------------------------------------------------------------------------------------------------


def _tiles(cells: Cells, each: Canvas, screen: Screen, size: tuple[int, int] = (2, 1)) -> Canvas:
    """A cell takes some characters, (width, height); what it is stands in the middle."""
    width, height = size
    if width == 1:
        return each
    canvas = Canvas(*(part.repeat(width, axis=1).repeat(height, axis=0) for part in each))
    canvas.glyphs[:] = np.where((cells & BLOCKED) > 0, _wall(screen), " ").repeat(width, axis=1).repeat(height, axis=0)
    canvas.glyphs[height // 2 :: height, (width - 1) // 2 :: width] = each.glyphs
    return canvas


def _walls(cells: Cells) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(rows + 1, columns) and (rows, columns + 1) bool: the walls above, between and below, and those beside."""
    rows, columns = cells.shape
    level, upright = np.zeros((rows + 1, columns), np.bool_), np.zeros((rows, columns + 1), np.bool_)
    blocked = (cells & BLOCKED) > 0
    level[1:] |= (cells & WALL_DOWN) > 0
    level[:-1] |= (cells & WALL_UP) > 0
    upright[:, 1:] |= (cells & WALL_RIGHT) > 0
    upright[:, :-1] |= (cells & WALL_LEFT) > 0
    level[1:-1] &= ~(blocked[1:] & blocked[:-1])
    upright[:, 1:-1] &= ~(blocked[:, 1:] & blocked[:, :-1])
    return level, upright


def _arms(level: npt.NDArray[np.bool_], upright: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """(rows + 1, columns + 1): the walls that meet at each corner, added up as `JOINTS` has them."""
    arms = np.zeros((level.shape[0], upright.shape[1]), np.int64)
    arms[1:] += 1 * upright
    arms[:-1] += 2 * upright
    arms[:, 1:] += 4 * level
    arms[:, :-1] += 8 * level
    return arms


def _spread(papers: Colours, width: int) -> Colours:
    """The colours of cells, `width` characters apart, and of the gaps round them.

    A gap has the colour of the cell to its right or below it; if that is no value, that of the other side.
    """
    rows, columns = papers.shape
    y, x = np.arange(2 * rows + 1), np.arange(width * columns + 1)
    spread = papers[np.ix_(np.minimum(y // 2, rows - 1), np.minimum(x // width, columns - 1))]
    other = papers[np.ix_(np.maximum(y - 1, 0) // 2, np.maximum(x - 1, 0) // width)]
    gaps = (y % 2 == 0)[:, None] | (x % width == 0)
    other = np.where(other == THREAD, PAPER, other)  # nor is a gap red
    return np.where(gaps & np.isin(spread, (THREAD, GOAL_TILE, HAZARD_TILE, INK)), other, spread)


def _lines(cells: Cells, each: Canvas, screen: Screen) -> Canvas:
    """A cell takes three characters in a row, walls are lines between them."""
    level, upright = _walls(cells)
    papers = _spread(each.papers, 4)
    glyphs = np.full(papers.shape, " ", "<U1")
    inks = np.full(papers.shape, INK, np.int32)
    glyphs[1::2, 2::4], inks[1::2, 2::4] = each.glyphs, each.inks
    for offset in (1, 3):
        glyphs[1::2, offset::4] = np.where((cells & BLOCKED) > 0, _wall(screen), " ")
    bars, posts, arms = (
        ("─", "│", np.array(list(JOINTS))) if screen.unicode else ("-", "|", np.array([" "] + 15 * ["+"]))
    )
    for offset in (1, 2, 3):
        glyphs[::2, offset::4] = np.where(level, bars, " ")
    glyphs[1::2, ::4] = np.where(upright, posts, " ")
    glyphs[::2, ::4] = arms[_arms(level, upright)]
    papers[(papers == INK) & (glyphs != " ")] = PAPER  # so that lines are seen
    return Canvas(glyphs, inks, papers)


def _halves(look: Look, screen: Screen) -> Canvas:
    """A cell, and a wall between cells, take half a character each."""
    level, upright = _walls(look.maze.cells)
    each = _one_each(look, screen)
    pixels = _spread(each.papers, 2)
    pixels[::2, 1::2][level] = INK
    pixels[1::2, ::2][upright] = INK
    pixels[::2, ::2][_arms(level, upright) > 0] = INK
    canvas = _halved(pixels, screen)
    # What must not be missed takes a whole character, and so stands before the wall above it.
    marks = [*look.maze.goals, *[place for place in (look.seeker or look.maze.start,) if place is not None]]
    for row, column in marks:
        for of_canvas, of_each in zip(canvas, each, strict=True):
            of_canvas[row, 2 * column + 1] = of_each[row, column]
    return canvas


def _halved(pixels: Colours, screen: Screen) -> Canvas:
    """Two rows of pixels to a line of characters; without colour only ink and what is none."""
    if pixels.shape[0] % 2:
        pixels = np.vstack((pixels, np.full_like(pixels[:1], NONE)))
    top, bottom = pixels[::2], pixels[1::2].copy()
    if screen.num_colours == 0:
        return Canvas(np.array(list(" ▀▄█"))[(top == INK) + 2 * (bottom == INK)], top, bottom)
    return Canvas(np.where(top == bottom, " ", "▀"), top.copy(), bottom)


def _window(cells: Cells, seeker: Place, each: Canvas, screen: Screen) -> tuple[Canvas, str]:
    """The part of a maze that is round the seeker."""
    thin = has_thin_walls(cells)
    rows, columns = cells.shape
    height = min(rows, max(1, (screen.rows - 1) // 2 if thin else screen.rows))
    width = min(columns, max(1, (screen.columns - 1) // 4 if thin else screen.columns // 2))
    top = min(max(0, seeker[0] - height // 2), rows - height)
    left = min(max(0, seeker[1] - width // 2), columns - width)
    part = np.s_[top : top + height, left : left + width]
    draw = _lines if thin else _tiles
    canvas = draw(cells[part], Canvas(*(whole[part] for whole in each)), screen)
    rows_seen, columns_seen = f"{top + 1} to {top + height} of {rows}", f"{left + 1} to {left + width} of {columns}"
    return canvas, f"rows {rows_seen}, columns {columns_seen}"


def _means(look: Look, screen: Screen) -> tuple[Canvas, list[str]]:
    """A block of cells takes a character; or half of one, if there are blocks and colours enough for it."""
    rows, columns = look.maze.cells.shape
    k = max(-(-rows // (2 * screen.rows)), -(-columns // screen.columns))
    halves = screen.unicode and screen.num_colours >= SHADED
    height = k if halves else 2 * k
    ys, xs = np.arange(0, rows, height), np.arange(0, columns, k)

    def total(part: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        sums: npt.NDArray[np.float64] = np.add.reduceat(np.add.reduceat(part.astype(np.float64), ys, 0), xs, 1)
        return sums

    cells = look.maze.cells
    walls = total(cells & BLOCKED > 0) / total(np.ones_like(cells))
    values = np.full(cells.shape, np.nan) if look.values is None else look.values.reshape(cells.shape)
    known = total(~np.isnan(values))
    means = np.where(known > 0, total(np.nan_to_num(values)) / np.maximum(known, 1), np.nan)
    floor = _shaded(means) if screen.num_colours >= SHADED else np.full(means.shape, PAPER, np.int32)
    floor[total(cells & HAZARD > 0) > 0.5 * total(cells & BLOCKED == 0)] = HAZARD_TILE
    size = f"{height} x {k} cells" if height > 1 else "a cell"
    if halves:
        canvas, notes = (
            _halved(_mixed(floor, walls), screen),
            [f"half a character is {size}", *_say_scale(means, screen)],
        )
    else:
        shares = _shares(means)
        digits = np.array(list("0123456789"))[np.minimum(np.nan_to_num(shares) * 10, 9).astype(np.int64)]
        glyphs = np.where(np.isnan(shares), "·" if screen.unicode else ".", digits)
        solid = walls > 0.5
        glyphs[solid], floor[solid] = _wall(screen), INK
        canvas, notes = Canvas(glyphs, np.full(floor.shape, INK, np.int32), floor), [f"1 character is {size}"]
        notes += ["0 to 9 is the mean of its values"] if known.any() else []
    marks = [(place, "G", PAPER, GOAL_TILE) for place in look.maze.goals]
    if look.seeker is not None:
        marks.append((look.seeker, _seeker(look, screen), PAPER, THREAD))
    elif look.maze.start is not None:
        marks.append((look.maze.start, "S", THREAD, PAPER))
    for (row, column), glyph, ink, paper in marks:
        place = row // (2 * k), column // k
        canvas.glyphs[place], canvas.inks[place], canvas.papers[place] = glyph, ink, paper
    return canvas, notes


def _mixed(floor: Colours, walls: npt.NDArray[np.float64]) -> Colours:
    """Colours of the floor with as much ink in them as there are walls, in eighths."""
    eighths = np.rint(8 * walls).astype(np.int32)
    mixed = np.zeros_like(floor)
    for shift in (16, 8, 0):
        mixed |= ((floor >> shift & 255) * (8 - eighths) + (INK >> shift & 255) * eighths) // 8 << shift
    return mixed
