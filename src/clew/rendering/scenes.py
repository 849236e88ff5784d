"""Scenes as text with colours, as large and detailed as a terminal has room for.

Nothing here writes to a terminal: the result is a `StyledText`, which `clew.cli.live` prints. The first of these
renderings that fits is used:

    lines    4 characters per cell, walls between cells as lines; for mazes that have such walls
    halves   half a character per cell and per wall between cells, as blocks, without arrows; needs Unicode
    tiles    7 x 3 characters per cell, without walls between cells; needs colours
    pairs    2 characters per cell
    singles  1 character per cell
    window   lines or pairs, of the part around the seeker; if that is to be followed
    means    a block of cells per character or half of one: the mean of its values, mixed with its share of walls
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.mazes import Maze
from clew.mazes.formats import Place, has_thin_walls
from clew.rendering.cells import block_sums
from clew.rendering.colours import COLOURS, NUM_SHADES, ValueScale, ramp
from clew.rendering.rewards import goal_letter, reward_label
from clew.rendering.screen import DEFAULT, Canvas, Colours, Scene, Screen, StyledSpan, StyledText
from clew.rendering.text import ARROWS

Cells = npt.NDArray[np.uint8]  # as `Maze.cells`
MIN_COLOURS_FOR_VALUES = 256
ASCII_ARROWS = "v<^>/\\/\\"  # a diagonal move has a line without a head
JOINTS = " ╵╷│╴┘┐┤╶└┌├─┴┬┼"  # by the sum of the walls that meet: up 1, down 2, left 4, right 8


PAPER, INK, FAINT, PATH, GOAL_TILE, LOSS_TILE, HAZARD_TILE = (
    int(COLOURS[name][1:], 16) for name in ("paper", "ink", "faint", "path", "goal", "loss", "hazard")
)
SHADES: Colours = (ramp().astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)).astype(np.int32)


def draw_for_screen(scene: Scene, screen: Screen, *, follow: bool = False) -> StyledText:
    """Draw a scene for a terminal, as large and detailed as there is room for.

    Args:
        scene: what to draw.
        screen: size and abilities of the terminal.
        follow: draw only the part around the seeker if the whole maze doesn't fit cell by cell; without it, draw means
            of blocks of cells then.
    """
    screen = screen._replace(columns=max(screen.columns, 1), rows=max(screen.rows, 1))
    rows, columns = scene.maze.cells.shape
    thin = has_thin_walls(scene.maze.cells)

    scale = [] if scene.values is None else _scale_note(scene.values, screen)
    without_arrows = [] if scene.greedy is None else ["arrows are not drawn: the window is too small"]

    def fits(width: int, height: int) -> bool:
        return width <= screen.columns and height <= screen.rows

    if thin and fits(4 * columns + 1, 2 * rows + 1):
        lines = _draw_lines(scene.maze.cells, _cell_canvas(scene, screen), screen)
        return StyledText(_spans(lines, screen), scale)
    shows_halves = screen.num_colours >= MIN_COLOURS_FOR_VALUES or follow  # without values they show walls only
    if thin and screen.unicode and shows_halves and fits(2 * columns + 1, rows + 1):
        return StyledText(_spans(_draw_halves(scene, screen), screen), [*scale, *without_arrows])
    hidden = ["walls between cells are not drawn"] if thin else []
    if not (thin and follow):
        for width, height in ((7, 3), (2, 1), (1, 1)):
            if fits(width * columns, height * rows) and (height == 1 or screen.num_colours):
                tiles = _draw_tiles(scene.maze.cells, _cell_canvas(scene, screen), screen, (width, height))
                if height == 3:
                    _write_rewards(tiles, scene)
                return StyledText(_spans(tiles, screen), [*scale, *hidden])
    if follow and scene.seeker is not None:
        canvas, part = _draw_window(scene.maze.cells, scene.seeker, _cell_canvas(scene, screen), screen)
        return StyledText(_spans(canvas, screen), [part, *scale])
    canvas, notes = _draw_means(scene, screen)
    return StyledText(_spans(canvas, screen), [*notes, *without_arrows, *hidden])


def _spans(canvas: Canvas, screen: Screen) -> list[list[StyledSpan]]:
    """Return the lines of a canvas, each as spans of characters with the same colours.

    Without colours a line is one span, without spaces at its end.
    """
    if screen.num_colours == 0:
        return [[StyledSpan("".join(line).rstrip(), DEFAULT, DEFAULT)] for line in canvas.glyphs.tolist()]
    # The foreground of a blank is invisible, so it takes that of the character before it, which makes fewer spans.
    before = np.maximum.accumulate(np.where(canvas.glyphs == " ", 0, np.arange(canvas.glyphs.shape[1])), axis=1)
    foregrounds = np.take_along_axis(canvas.foregrounds, before, axis=1)
    changes = (np.diff(foregrounds, axis=1) != 0) | (np.diff(canvas.backgrounds, axis=1) != 0)
    lines = []
    for row, line in enumerate(canvas.glyphs.tolist()):
        edges = [0, *(np.flatnonzero(changes[row]) + 1).tolist(), len(line)]
        colours = list(zip(foregrounds[row].tolist(), canvas.backgrounds[row].tolist(), strict=True))
        lines.append([StyledSpan("".join(line[a:b]), *colours[a]) for a, b in pairwise(edges)])
    return lines


# A cell ---------------------------------------------------------------------------------------------------------------


def _normalise(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the position of each value on the scale that fits them, from 0 to 1; NaN stays NaN."""
    return ValueScale.of(values[~np.isnan(values)]).normalise(values)


def _scale_note(values: npt.NDArray[np.floating], screen: Screen) -> list[str]:
    """Return a note with the values of the palest and the deepest colour; none if the screen shows no values."""
    scale = ValueScale.of(values[~np.isnan(values)])
    if screen.num_colours < MIN_COLOURS_FOR_VALUES or scale.high == scale.low:
        return []
    return [f"pale {'<=' if scale.is_log else '='} {scale.low:.2g}, deep = {scale.high:.2g}"]


def _shade(values: npt.NDArray[np.floating]) -> Colours:
    """Return the colour of each value on the scale that fits them; that of paper for NaN."""
    positions = _normalise(values)
    known = ~np.isnan(positions)
    colours = np.full(values.shape, PAPER, np.int32)
    colours[known] = SHADES[np.rint(positions[known] * (NUM_SHADES - 1)).astype(np.int64)]
    return colours


def _cell_canvas(scene: Scene, screen: Screen) -> Canvas:
    """Return a canvas with one character per cell: an arrow or the kind of the cell, on the colour of its value."""
    cells = scene.maze.cells
    backgrounds = np.full(cells.shape, PAPER, np.int32)
    if scene.values is not None and screen.num_colours >= MIN_COLOURS_FOR_VALUES:
        backgrounds = _shade(scene.values.reshape(cells.shape))
    glyphs = np.full(cells.shape, " ", "<U1")
    foregrounds = np.full(cells.shape, INK, np.int32)
    if scene.greedy is not None:
        arrows = np.array(list(ARROWS if screen.unicode else ASCII_ARROWS))
        dots = scene.greedy.all(axis=1).reshape(cells.shape)
        glyphs = arrows[scene.greedy.argmax(axis=1)].reshape(cells.shape)
        glyphs[dots] = "·" if screen.unicode else "."
        foregrounds[dots] = FAINT
    elif screen.num_colours == 0:
        glyphs[:] = "·" if screen.unicode else "."
    if scene.maze.start is not None and scene.seeker is None:
        glyphs[scene.maze.start], foregrounds[scene.maze.start] = "S", PATH
    kinds = (
        (cells & HAZARD > 0, "!", INK, HAZARD_TILE),
        (cells & GOAL > 0, "G", PAPER, GOAL_TILE),
        (cells & BLOCKED > 0, _wall_glyph(screen), INK, INK),
    )
    for chosen, glyph, foreground, background in kinds:
        glyphs[chosen], foregrounds[chosen], backgrounds[chosen] = glyph, foreground, background
    for place in scene.maze.exits:
        glyphs[place], foregrounds[place], backgrounds[place] = _goal_mark(scene.maze, place)
    if scene.seeker is not None:
        place = scene.seeker
        glyphs[place], foregrounds[place], backgrounds[place] = _seeker_glyph(scene, screen), PAPER, PATH
    return Canvas(glyphs, foregrounds, backgrounds)


def _goal_mark(maze: Maze, place: Place) -> tuple[str, int, int]:
    """Return the character, its colour and the background of a goal: G, or the sign of the reward of an exit."""
    glyph = goal_letter(maze, place)
    return glyph, PAPER, LOSS_TILE if glyph == "-" else GOAL_TILE


def _wall_glyph(screen: Screen) -> str:
    """Return the character for a blocked cell; a blank where its background has the colour of walls."""
    return " " if screen.num_colours else "█" if screen.unicode else "#"


def _seeker_glyph(scene: Scene, screen: Screen) -> str:
    """Return the character for the seeker: an arrow if it has a heading, else a dot or S."""
    if scene.heading is not None:
        return (ARROWS if screen.unicode else ASCII_ARROWS)[scene.heading]
    return "●" if screen.unicode else "S"


# Renderings -----------------------------------------------------------------------------------------------------------


def _draw_tiles(cells: Cells, each: Canvas, screen: Screen, size: tuple[int, int] = (2, 1)) -> Canvas:
    """Draw each cell as a rectangle of characters, with its own character in the middle.

    Args:
        cells: as `Maze.cells`.
        each: one character per cell.
        screen: size and abilities of the terminal.
        size: width and height of a cell, in characters.
    """
    width, height = size
    if width == 1:
        return each
    walls = each._replace(glyphs=np.where((cells & BLOCKED) > 0, _wall_glyph(screen), " "))
    canvas = Canvas(*(part.repeat(width, axis=1).repeat(height, axis=0) for part in walls))
    canvas.glyphs[height // 2 :: height, (width - 1) // 2 :: width] = each.glyphs
    return canvas


def _write_rewards(tiles: Canvas, scene: Scene) -> None:
    """Write rewards into tiles of 7 x 3 characters, in place: of exits in the middle, of cells at the bottom."""
    for rewards, line in ((scene.maze.exits, 1), (scene.maze.cell_rewards, 2)):
        for (row, column), reward in rewards.items():
            label = reward_label(reward)
            if len(label) <= 7 and (row, column) != scene.seeker:
                left = 7 * column + (7 - len(label)) // 2
                tiles.glyphs[3 * row + line, left : left + len(label)] = list(label)


def _walls(cells: Cells) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return where there are walls, except between two blocked cells.

    Returns:
        (rows + 1, columns) bool, walls above and below cells, from the top edge on; and (rows, columns + 1) bool, walls
        beside cells, from the left edge on.
    """
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


def _joints(level: npt.NDArray[np.bool_], upright: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return which walls meet at each corner of the cells, as an index of `JOINTS`.

    Args:
        level: (rows + 1, columns) bool, walls above and below cells.
        upright: (rows, columns + 1) bool, walls beside cells.

    Returns:
        (rows + 1, columns + 1) int64.
    """
    joints = np.zeros((level.shape[0], upright.shape[1]), np.int64)
    joints[1:] += 1 * upright
    joints[:-1] += 2 * upright
    joints[:, 1:] += 4 * level
    joints[:, :-1] += 8 * level
    return joints


def _spread(colours: Colours, width: int) -> Colours:
    """Return the backgrounds of cells that are `width` characters apart, with gaps between and around them.

    A gap has the colour of the cell to its right or below it; if that is the seeker, a goal, a hazard or blocked, the
    colour of the cell on its other side. It never has that of the seeker.

    Args:
        colours: (rows, columns), background of each cell.
        width: characters per cell, its gap included.

    Returns:
        (2 * rows + 1, width * columns + 1) int32.
    """
    rows, columns = colours.shape
    y, x = np.arange(2 * rows + 1), np.arange(width * columns + 1)
    spread = colours[np.ix_(np.minimum(y // 2, rows - 1), np.minimum(x // width, columns - 1))]
    other = colours[np.ix_(np.maximum(y - 1, 0) // 2, np.maximum(x - 1, 0) // width)]
    gaps = (y % 2 == 0)[:, None] | (x % width == 0)
    other = np.where(other == PATH, PAPER, other)
    return np.where(gaps & np.isin(spread, (PATH, GOAL_TILE, LOSS_TILE, HAZARD_TILE, INK)), other, spread)


def _draw_lines(cells: Cells, each: Canvas, screen: Screen) -> Canvas:
    """Draw each cell as three characters in a row, with walls between cells as lines.

    Args:
        cells: as `Maze.cells`.
        each: one character per cell.
        screen: size and abilities of the terminal.
    """
    level, upright = _walls(cells)
    backgrounds = _spread(each.backgrounds, 4)
    glyphs = np.full(backgrounds.shape, " ", "<U1")
    foregrounds = np.full(backgrounds.shape, INK, np.int32)
    glyphs[1::2, 2::4], foregrounds[1::2, 2::4] = each.glyphs, each.foregrounds
    for offset in (1, 3):
        glyphs[1::2, offset::4] = np.where((cells & BLOCKED) > 0, _wall_glyph(screen), " ")
    bars, posts, joints = (
        ("─", "│", np.array(list(JOINTS))) if screen.unicode else ("-", "|", np.array([" "] + 15 * ["+"]))
    )
    for offset in (1, 2, 3):
        glyphs[::2, offset::4] = np.where(level, bars, " ")
    glyphs[1::2, ::4] = np.where(upright, posts, " ")
    glyphs[::2, ::4] = joints[_joints(level, upright)]
    backgrounds[(backgrounds == INK) & (glyphs != " ")] = PAPER  # lines are invisible on their own colour
    return Canvas(glyphs, foregrounds, backgrounds)


def _draw_halves(scene: Scene, screen: Screen) -> Canvas:
    """Draw each cell, and each wall between cells, as half a character."""
    level, upright = _walls(scene.maze.cells)
    each = _cell_canvas(scene, screen)
    pixels = _spread(each.backgrounds, 2)
    pixels[::2, 1::2][level] = INK
    pixels[1::2, ::2][upright] = INK
    pixels[::2, ::2][_joints(level, upright) > 0] = INK
    canvas = _halve_rows(pixels, screen)
    # Goals, and the seeker or the start, take a whole character, over the wall above them.
    marks = [*scene.maze.goals, *[place for place in (scene.seeker or scene.maze.start,) if place is not None]]
    for row, column in marks:
        for of_canvas, of_each in zip(canvas, each, strict=True):
            of_canvas[row, 2 * column + 1] = of_each[row, column]
    return canvas


def _halve_rows(pixels: Colours, screen: Screen) -> Canvas:
    """Draw two rows of pixels per line of characters, as upper and lower halves.

    Args:
        pixels: (rows, columns), colours; without colours on the screen, only ink and anything else are distinguished.
        screen: size and abilities of the terminal.
    """
    if pixels.shape[0] % 2:
        pixels = np.vstack((pixels, np.full_like(pixels[:1], DEFAULT)))
    top, bottom = pixels[::2], pixels[1::2].copy()
    if screen.num_colours == 0:
        return Canvas(np.array(list(" ▀▄█"))[(top == INK) + 2 * (bottom == INK)], top, bottom)
    return Canvas(np.where(top == bottom, " ", "▀"), top.copy(), bottom)


def _draw_window(cells: Cells, seeker: Place, each: Canvas, screen: Screen) -> tuple[Canvas, str]:
    """Draw the part of a maze around the seeker, as large as the screen.

    Args:
        cells: as `Maze.cells`.
        seeker: (row, column) of the seeker.
        each: one character per cell.
        screen: size and abilities of the terminal.

    Returns:
        The drawing, and a note with the rows and columns that it shows, from 1.
    """
    thin = has_thin_walls(cells)
    rows, columns = cells.shape
    height = min(rows, max(1, (screen.rows - 1) // 2 if thin else screen.rows))
    width = min(columns, max(1, (screen.columns - 1) // 4 if thin else screen.columns // 2))
    top = min(max(0, seeker[0] - height // 2), rows - height)
    left = min(max(0, seeker[1] - width // 2), columns - width)
    part = np.s_[top : top + height, left : left + width]
    draw = _draw_lines if thin else _draw_tiles
    canvas = draw(cells[part], Canvas(*(whole[part] for whole in each)), screen)
    shown_rows, shown_columns = f"{top + 1} to {top + height} of {rows}", f"{left + 1} to {left + width} of {columns}"
    return canvas, f"rows {shown_rows}, columns {shown_columns}"


def _draw_means(scene: Scene, screen: Screen) -> tuple[Canvas, list[str]]:
    """Draw a block of cells per character, or per half of one if the screen knows Unicode and 256 colours.

    Returns:
        The drawing, and notes about the size of a block and the scale of the values.
    """
    cells = scene.maze.cells
    rows, columns = cells.shape
    k = max(-(-rows // (2 * screen.rows)), -(-columns // screen.columns))
    has_shades = screen.num_colours >= MIN_COLOURS_FOR_VALUES
    halves = screen.unicode and has_shades
    height = k if halves else 2 * k
    walls = block_sums(cells & BLOCKED > 0, height, k) / block_sums(np.ones_like(cells), height, k)
    values = np.full(cells.shape, np.nan) if scene.values is None else scene.values.reshape(cells.shape)
    known = block_sums(~np.isnan(values), height, k)
    means = np.where(known > 0, block_sums(np.nan_to_num(values), height, k) / np.maximum(known, 1), np.nan)
    colours = _shade(means) if has_shades else np.full(means.shape, PAPER, np.int32)
    free = block_sums(cells & BLOCKED == 0, height, k)
    colours[block_sums(cells & HAZARD > 0, height, k) > 0.5 * free] = HAZARD_TILE
    size = f"{height} x {k} cells" if height > 1 else "a cell"
    if halves:
        canvas = _halve_rows(_mix_walls(colours, walls), screen)
        notes = [f"half a character is {size}", *_scale_note(means, screen)]
    else:
        canvas = _draw_digits(means, walls > 0.5, colours, screen)
        notes = [f"1 character is {size}", *(["0 to 9 is the mean of its values"] if known.any() else [])]
    marks = [(place, *_goal_mark(scene.maze, place)) for place in scene.maze.goals]
    if scene.seeker is not None:
        marks.append((scene.seeker, _seeker_glyph(scene, screen), PAPER, PATH))
    elif scene.maze.start is not None:
        marks.append((scene.maze.start, "S", PATH, PAPER))
    for (row, column), glyph, foreground, background in marks:
        place = row // (2 * k), column // k
        canvas.glyphs[place], canvas.foregrounds[place], canvas.backgrounds[place] = glyph, foreground, background
    return canvas, notes


def _draw_digits(
    means: npt.NDArray[np.float64], blocked: npt.NDArray[np.bool_], colours: Colours, screen: Screen
) -> Canvas:
    """Draw each block of cells as a digit from 0 (lowest mean) to 9 (highest), a dot for NaN, or as blocked."""
    positions = _normalise(means)
    digits = np.array(list("0123456789"))[np.minimum(np.nan_to_num(positions) * 10, 9).astype(np.int64)]
    glyphs = np.where(np.isnan(positions), "·" if screen.unicode else ".", digits)
    glyphs[blocked], colours[blocked] = _wall_glyph(screen), INK
    return Canvas(glyphs, np.full(colours.shape, INK, np.int32), colours)


def _mix_walls(colours: Colours, walls: npt.NDArray[np.float64]) -> Colours:
    """Mix the colour of walls into the colours of blocks, by their share of blocked cells, in steps of an eighth.

    Args:
        colours: (rows, columns), 0xRRGGBB.
        walls: (rows, columns), from 0 to 1.
    """
    eighths = np.rint(8 * walls).astype(np.int32)
    mixed = np.zeros_like(colours)
    for shift in (16, 8, 0):
        mixed |= ((colours >> shift & 255) * (8 - eighths) + (INK >> shift & 255) * eighths) // 8 << shift
    return mixed
