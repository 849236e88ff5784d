"""A picture as SVG, written with strings alone.

Everything inside the maze is drawn in units of a cell, under one transformation, and cells of one colour share an
element, a line for each run of them. So the text stays short: 12x18 cells take 17 KB. The floor of a large maze is a
PNG inside it.
"""

import base64
from collections.abc import Iterator, Sequence
from itertools import pairwise
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import GOAL
from clew.mazes import Maze
from clew.mazes.formats import Place
from clew.rendering.colours import COLOURS, NUM_SHADES, hexadecimal, ramp
from clew.rendering.floor import colour_floor, shade_cells
from clew.rendering.legend import Fit, name_ways, notes, say_scale, thin_walls
from clew.rendering.paths import corners, leaps, without_stops
from clew.rendering.picture import Picture
from clew.rendering.pillow import encode_png
from clew.tracing.axes import width_of

__all__ = ["picture_svg"]

SIDE, LARGE_SIDE = 720, 1024  # pixels
MAX_SIDE_OF_ARROWS = 48  # cells
MAX_SIDE_OF_VECTORS = 200  # beyond, the floor is a picture
MAX_SIDE_OF_WALLS = 512

PAPER, CARD, CARD_EDGE, INK, FAINT = (COLOURS[name] for name in ("paper", "card", "card edge", "ink", "faint"))
THREAD, THREAD_LIGHT = COLOURS["thread"], COLOURS["thread light"]
GOAL_TILE, HAZARD_TILE, HAZARD_STRIPE = COLOURS["goal"], COLOURS["hazard"], COLOURS["hazard stripe"]
OPTIMUM = COLOURS["optimum"]
SHADES = [hexadecimal(colour) for colour in ramp()]

ARROWS = (  # from the middle of a cell towards an edge: a shaft, and the two barbs of its tip
    "m0 .08v.28m-.1-.1 .1 .1 .1-.1",
    "m-.08 0h-.28m.1-.1-.1 .1 .1 .1",
    "m0-.08v-.28m-.1 .1 .1-.1 .1 .1",
    "m.08 0h.28m-.1-.1 .1 .1-.1 .1",
    "m-.06 .06l-.2 .2m0-.13v.13h.13",
    "m-.06-.06l-.2-.2m0 .13v-.13h.13",
    "m.06-.06l.2-.2m0 .13v-.13h-.13",
    "m.06 .06l.2 .2m0-.13v.13h-.13",
)
YARN = "M-.22 .02Q-.02-.06 .1-.22M-.2 .16Q.08 .06 .2-.16M-.08 .23Q.12 .14 .23 .02"  # on a ball of radius .3


def picture_svg(picture: Picture) -> str:
    """Draw a picture as SVG.

    Above 48 cells a side it has no arrows. Cells are coloured one by one up to 200 a side; the floor of larger mazes is
    a picture inside the SVG, in which a pixel is a cell, or the mean of a block of them.
    """
    maze, title = picture.maze, picture.title
    side = max(maze.rows, maze.columns)
    is_large = side > MAX_SIDE_OF_VECTORS
    fit = Fit.of(maze, LARGE_SIDE if is_large else SIDE)
    scale = fit.pixels / fit.cells  # pixels per cell
    legend, legend_width, legend_height = _draw_legend(picture, fit, has_walls=side <= MAX_SIDE_OF_WALLS)
    across, down = round(scale * maze.columns), round(scale * maze.rows)
    width = max(280, across, 11 * len(title or ""), legend_width) + 48
    top = 64 if title else 24
    bottom = top + down
    height = bottom + 24 + legend_height
    place = f"translate({(width - across) / 2:g} {top}) scale({scale:g})"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="clew-title clew-desc" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui, sans-serif">',
        f'<title id="clew-title">{escape(title or f"A maze of {maze.rows} x {maze.columns} cells")}</title>',
        f'<desc id="clew-desc">{_describe(picture)}</desc>',
        f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="14" fill="{CARD}" stroke="{CARD_EDGE}"/>',
        f'<text x="24" y="42" font-size="19" font-weight="600" fill="{INK}">{escape(title)}</text>' if title else "",
        f'<g transform="{place}" fill="none" stroke-linecap="round" stroke-linejoin="round">',
        *(_embed_floor(picture, fit.cells) if is_large else _draw_floor(picture)),
        *_draw_walls(maze, scale, is_large),
        *_draw_arrows(picture),
        *_draw_ways(picture, scale),
        "</g>",
        f'<g transform="translate({width / 2:g} {bottom + 20})">' if legend else "",
        *legend,
        "</g>" if legend else "",
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


# Parts of the picture -------------------------------------------------------------------------------------------------


def _runs(mask: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    """(row, column, length) of each run of True in a row."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, begins = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    yield from zip(rows.tolist(), begins.tolist(), (ends - begins).tolist(), strict=True)


def _fill(mask: npt.NDArray[np.bool_], colour: str, name: str) -> str:
    """Fill cells: a line as thick as a cell for each run of them."""
    lines = "".join(f"M{column} {row}.5h{length}" for row, column, length in _runs(mask))
    return f'<path class="{name}" stroke="{colour}" d="{lines}"/>' if lines else ""


def _embed_floor(picture: Picture, block: int) -> Iterator[str]:
    """The floor of a large maze, a pixel for each cell, or for each block of them."""
    floor = colour_floor(picture, block)
    data = base64.b64encode(encode_png(floor)).decode()
    yield (
        f'<image class="floor" width="{block * floor.shape[1]}" height="{block * floor.shape[0]}" '
        f'preserveAspectRatio="none" image-rendering="pixelated" style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{data}"/>'
    )


def _draw_floor(picture: Picture) -> Iterator[str]:
    """The floor: shaded by value, then hazards and goals, then a fine grid."""
    maze = picture.maze
    shades, _ = shade_cells(picture)
    yield f'<g stroke-linecap="butt" shape-rendering="crispEdges"><path fill="{PAPER}" d="{_edge(maze)}"/>'
    for shade in np.unique(shades[shades >= 0]).tolist():
        yield _fill(shades == shade, SHADES[shade], "shade")
    yield _fill(maze.hazards, HAZARD_TILE, "hazard")
    yield _fill((maze.cells & GOAL) > 0, GOAL_TILE, "goal")
    yield "</g>"
    if _is_small(maze):
        places = [(column + 0.15, row + 0.85) for row, column in np.argwhere(maze.hazards).tolist()]
        stripes = "".join(f"M{x:g} {y:g}l.7-.7m-.7 .35 .35-.35m0 .7 .35-.35" for x, y in places)
        yield f'<path class="stripes" stroke="{HAZARD_STRIPE}" stroke-width=".09" d="{stripes}"/>' if stripes else ""
        lines = "".join(f"M0 {row}h{maze.columns}" for row in range(1, maze.rows))
        lines += "".join(f"M{column} 0v{maze.rows}" for column in range(1, maze.columns))
        grid = PAPER if picture.has_numbers else CARD_EDGE  # fine on shades, and seen without them
        yield f'<path class="grid" stroke="{grid}" stroke-width=".04" d="{lines}"/>'


def _draw_walls(maze: Maze, scale: float, is_large: bool) -> Iterator[str]:
    """Blocked cells as solid blocks; the edge and the walls between free cells as lines, as long as they go."""
    if not is_large:
        yield f'<g stroke-linecap="butt">{_fill(maze.blocked, INK, "blocked")}</g>'
    lines = []
    if max(maze.rows, maze.columns) <= MAX_SIDE_OF_WALLS:
        below, beside = thin_walls(maze)
        lines = [f"M{column} {row + 1}h{length}" for row, column, length in _runs(below)]
        lines += [f"M{column + 1} {row}v{length}" for column, row, length in _runs(beside.T)]
    thick = max(0.12, 0.5 / scale)
    yield f'<path class="walls" stroke="{INK}" stroke-width="{thick:g}" d="{_edge(maze)}{"".join(lines)}"/>'


def _draw_arrows(picture: Picture) -> Iterator[str]:
    """An arrow for each action that the greedy policy may take."""
    maze = picture.maze
    if picture.greedy is None or not _is_small(maze):
        return
    places = [(*divmod(cell, maze.columns), action) for cell, action in np.argwhere(picture.greedy).tolist()]
    arrows = "".join(f"M{column}.5 {row}.5{ARROWS[action]}" for row, column, action in places)
    if arrows:
        yield f'<path class="arrows" stroke="{INK}" stroke-opacity=".72" stroke-width=".05" d="{arrows}"/>'


def _draw_ways(picture: Picture, scale: float) -> Iterator[str]:
    """The thread, the way of an optimum, a ring round each goal, a ball for the start; never too fine to be seen."""
    maze, thick, end = picture.maze, max(1.0, 18 / scale), max(1.0, 22 / scale)
    lines = [(name, _through(way, scale)) for name, way in _ways_of(picture) if len(way) > 1]
    for _, line in lines:
        yield f'<path stroke="{PAPER}" stroke-width="{0.3 * thick:g}" stroke-opacity=".85" d="{line}"/>'
    for name, line in lines:
        if name == "thread":
            yield f'<path class="thread" stroke="{THREAD}" stroke-width="{0.15 * thick:g}" d="{line}"/>'
        else:
            dashes = f"{0.3 * thick:g} {0.55 * thick:g}"  # and round ends
            yield (
                f'<path class="optimum" stroke="{OPTIMUM}" stroke-width="{0.09 * thick:g}" '
                f'stroke-dasharray="{dashes}" d="{line}"/>'
            )
    for row, column in maze.goals:
        yield (
            f'<g class="ring" transform="translate({column}.5 {row}.5) scale({end:g})"><circle r=".3" '
            f'fill="{GOAL_TILE}" stroke="{PAPER}" stroke-width=".08"/><circle r=".11" fill="{PAPER}"/></g>'
        )
    for place in [maze.start] if picture.seeker is None else [picture.seeker]:
        if place is not None:
            yield (
                f'<g class="start" transform="translate({place[1]}.5 {place[0]}.5) scale({end:g})">'
                f'<circle r=".33" fill="{THREAD}" stroke="{PAPER}" stroke-width=".07"/>'
                f'<path stroke="{THREAD_LIGHT}" stroke-width=".04" d="{YARN}"/></g>'
            )


def _ways_of(picture: Picture) -> tuple[tuple[str, tuple[Place, ...]], ...]:
    return ("thread", picture.path), ("optimum", picture.optimal)


def _edge(maze: Maze) -> str:
    return f"M0 0h{maze.columns}v{maze.rows}h-{maze.columns}z"


def _is_small(maze: Maze) -> bool:
    """Tell if a cell has room for details."""
    return max(maze.rows, maze.columns) <= MAX_SIDE_OF_ARROWS


def _through(path: Sequence[Place], scale: float) -> str:
    """From the middle of the first cell to that of the last, and round every corner between."""
    if scale < 4:  # corners can't be told from bends; where there are more cells than pixels, go through the pixels
        step = max(1, round(1 / scale))
        points = corners(np.asarray(path) // step * step)
        x, y = points[0, 1], points[0, 0]
        moves = "".join(f"l{right} {down}" for down, right in np.diff(points, axis=0).tolist())
        return f"M{x + step / 2:g} {y + step / 2:g}{moves}"
    middles = [(column + 0.5, row + 0.5) for row, column in without_stops(path)]
    if leaps(path) or len(middles) == 1:
        return "M" + "L".join(f"{x:g} {y:g}" for x, y in middles)
    crossings = [((x + x_next) / 2, (y + y_next) / 2) for (x, y), (x_next, y_next) in pairwise(middles)]
    bends = "".join(f"Q{x:g} {y:g} {i:g} {j:g}" for (x, y), (i, j) in zip(middles[1:-1], crossings[1:], strict=True))
    (x, y), (i, j), (x_last, y_last) = middles[0], crossings[0], middles[-1]
    return f"M{x:g} {y:g}L{i:g} {j:g}{bends}L{x_last:g} {y_last:g}"


def _draw_legend(picture: Picture, fit: Fit, *, has_walls: bool) -> tuple[list[str], float, int]:
    """Rows of words round a middle: the scale of the shades, the ways, and what isn't to be seen; and their size."""
    parts, widest, y = [], 0.0, 0
    if picture.value_scale is not None:
        before, after = say_scale(picture.value_scale, picture.label)
        last = NUM_SHADES - 1
        stops = "".join(f'<stop offset="{i / last:.3f}" stop-color="{SHADES[i]}"/>' for i in range(NUM_SHADES))
        parts += [
            f'<linearGradient id="clew-shades">{stops}</linearGradient>',
            f'<rect x="-40" y="{y}" width="80" height="10" rx="3" fill="url(#clew-shades)"/>',
            _words(-48, y + 9, before, "end"),
            _words(48, y + 9, after),
        ]
        widest, y = 96 + 2 * max(width_of(before), width_of(after)), y + 26
    ways = name_ways(picture)
    across = sum(36 + width_of(words) + 16 for _, words in ways) - 16
    x = -across / 2
    for kind, words in ways:
        dashes = ' stroke-dasharray="5 4"' if kind == "optimal" else ""
        colour, thick = (OPTIMUM, 2) if kind == "optimal" else (THREAD, 3.5)
        parts.append(f'<path stroke="{colour}" stroke-width="{thick}"{dashes} d="M{x:.1f} {y + 5}h28"/>')
        parts.append(_words(x + 34, y + 9, words))
        x += 36 + width_of(words) + 16
    if ways:
        widest, y = max(widest, across), y + 22
    for words in notes(picture, fit, has_walls=has_walls):
        parts.append(_words(0, y + 9, words, "middle"))
        widest, y = max(widest, width_of(words)), y + 20
    return parts, round(widest), y


def _words(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y}" font-size="12" fill="{FAINT}" text-anchor="{anchor}">{escape(words)}</text>'


def _describe(picture: Picture) -> str:
    """The picture in words, for those who don't see it."""
    maze = picture.maze
    words = [f"{maze.rows} rows and {maze.columns} columns."]
    if maze.start is not None:
        words.append(f"The start is at row {maze.start[0]}, column {maze.start[1]}.")
    words += [f"A goal is at row {row}, column {column}." for row, column in maze.goals[:3]]
    if picture.values is not None and picture.label == "value":
        words.append("The deeper a cell, the more its best action is worth; arrows show the best actions.")
    elif picture.values is not None:
        words.append(f"The deeper a cell, the larger its number of {picture.label}.")
    for kind, name in name_ways(picture):
        words.append(f"A {'red thread' if kind == 'path' else 'dashed line'} shows the {name.removeprefix('an ')}.")
    return escape(" ".join(words))
