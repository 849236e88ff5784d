"""Drawings as SVG, written as strings.

Inside the maze the unit is a cell, by one transformation, and cells of one colour share an element, with a line for
each run of them; so 12 x 18 cells take 17 KB. The cells of a large maze are an embedded PNG.
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
from clew.rendering.cells import colour_cells, shade_cells
from clew.rendering.colours import COLOURS, NUM_SHADES, hexadecimal, ramp
from clew.rendering.legend import Resolution, format_scale, notes, path_labels, thin_walls
from clew.rendering.paths import corners, has_jumps, without_repeats
from clew.rendering.picture import Picture
from clew.rendering.pillow import encode_png
from clew.rendering.rewards import goals_without_reward, loss_mask, reward_label
from clew.tracing.axes import estimate_width

SIDE, LARGE_SIDE = 720, 1024  # pixels of the maze
MAX_SIDE_WITH_ARROWS = 48  # cells
MAX_SIDE_WITH_VECTORS = 200  # cells; those of larger mazes are an embedded PNG
MAX_SIDE_WITH_WALLS = 512  # cells

PAPER, CARD, CARD_EDGE, INK, FAINT = (COLOURS[name] for name in ("paper", "card", "card edge", "ink", "faint"))
PATH, PATH_LIGHT = COLOURS["path"], COLOURS["path light"]
GOAL_TILE, LOSS_TILE, HAZARD_TILE = COLOURS["goal"], COLOURS["loss"], COLOURS["hazard"]
HAZARD_STRIPE = COLOURS["hazard stripe"]
OPTIMUM = COLOURS["optimum"]
SHADES = [hexadecimal(colour) for colour in ramp()]

ARROWS = (  # by action, from the middle of a cell: a shaft, and the two lines of its head
    "m0 .08v.28m-.1-.1 .1 .1 .1-.1",
    "m-.08 0h-.28m.1-.1-.1 .1 .1 .1",
    "m0-.08v-.28m-.1 .1 .1-.1 .1 .1",
    "m.08 0h.28m-.1-.1 .1 .1-.1 .1",
    "m-.06 .06l-.2 .2m0-.13v.13h.13",
    "m-.06-.06l-.2-.2m0 .13v-.13h.13",
    "m.06-.06l.2-.2m0 .13v-.13h-.13",
    "m.06 .06l.2 .2m0-.13v.13h-.13",
)
# Lines on the disc at the start, which make it a ball of yarn.
START_LINES = "M-.22 .02Q-.02-.06 .1-.22M-.2 .16Q.08 .06 .2-.16M-.08 .23Q.12 .14 .23 .02"


def picture_svg(picture: Picture) -> str:
    """Draw a picture as SVG.

    Mazes of more than 48 cells a side have no arrows, of more than 200 an embedded PNG for the cells, and of more than
    512 no walls between cells.
    """
    maze, title = picture.maze, picture.title
    side = max(maze.rows, maze.columns)
    is_large = side > MAX_SIDE_WITH_VECTORS
    resolution = Resolution.of(maze, LARGE_SIDE if is_large else SIDE)
    scale = resolution.scale
    legend, legend_width, legend_height = _draw_legend(picture, resolution, has_walls=side <= MAX_SIDE_WITH_WALLS)
    across, down = round(scale * maze.columns), round(scale * maze.rows)
    width = max(280, across, 11 * len(title or ""), legend_width) + 48
    top = 64 if title else 24
    bottom = top + down
    height = bottom + 24 + legend_height
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="clew-title clew-desc" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui, sans-serif">',
        f'<title id="clew-title">{escape(title or f"A maze of {maze.rows} x {maze.columns} cells")}</title>',
        f'<desc id="clew-desc">{_describe(picture)}</desc>',
        f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="14" fill="{CARD}" stroke="{CARD_EDGE}"/>',
        f'<text x="24" y="42" font-size="19" font-weight="600" fill="{INK}">{escape(title)}</text>' if title else "",
        f'<g transform="translate({(width - across) / 2:g} {top}) scale({scale:g})" fill="none" '
        f'stroke-linecap="round" stroke-linejoin="round">',
        *(_embed_cells(picture, resolution.cells) if is_large else _draw_cells(picture)),
        *_draw_walls(maze, scale, is_large),
        *_draw_arrows(picture),
        *_draw_paths(picture, scale),
        *_draw_rewards(maze, scale),
        *_draw_ends(picture, scale),
        "</g>",
        f'<g transform="translate({width / 2:g} {bottom + 20})">' if legend else "",
        *legend,
        "</g>" if legend else "",
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


# Parts of the picture -------------------------------------------------------------------------------------------------


def _runs(mask: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    """Yield (row, column, length) of each run of True values in a row of a mask."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, begins = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    yield from zip(rows.tolist(), begins.tolist(), (ends - begins).tolist(), strict=True)


def _fill(mask: npt.NDArray[np.bool_], colour: str, name: str) -> str:
    """Return an SVG element that fills the cells of a mask, with a thick line for each run of them; "" if none.

    Args:
        mask: (rows, columns) bool, cells to fill.
        colour: of these cells.
        name: class of the element.
    """
    lines = "".join(f"M{column} {row}.5h{length}" for row, column, length in _runs(mask))
    return f'<path class="{name}" stroke="{colour}" d="{lines}"/>' if lines else ""


def _embed_cells(picture: Picture, block: int) -> Iterator[str]:
    """Yield an SVG element with the cells of a large maze as a PNG, one pixel per block of `block` x `block` cells."""
    pixels = colour_cells(picture, block)
    data = base64.b64encode(encode_png(pixels)).decode()
    yield (
        f'<image class="cells" width="{block * pixels.shape[1]}" height="{block * pixels.shape[0]}" '
        f'preserveAspectRatio="none" image-rendering="pixelated" style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{data}"/>'
    )


def _draw_cells(picture: Picture) -> Iterator[str]:
    """Yield SVG elements of the cells: shades of values, hazards and goals; in small mazes also stripes and a grid."""
    maze = picture.maze
    shades, _ = shade_cells(picture)
    yield f'<g stroke-linecap="butt" shape-rendering="crispEdges"><path fill="{PAPER}" d="{_outline(maze)}"/>'
    for shade in np.unique(shades[shades >= 0]).tolist():
        yield _fill(shades == shade, SHADES[shade], "shade")
    yield _fill(maze.hazards, HAZARD_TILE, "hazard")
    losses = loss_mask(maze)
    yield _fill(((maze.cells & GOAL) > 0) & ~losses, GOAL_TILE, "goal")
    yield _fill(losses, LOSS_TILE, "loss")
    yield "</g>"
    if _is_small(maze):
        places = [(column + 0.15, row + 0.85) for row, column in np.argwhere(maze.hazards).tolist()]
        stripes = "".join(f"M{x:g} {y:g}l.7-.7m-.7 .35 .35-.35m0 .7 .35-.35" for x, y in places)
        yield f'<path class="stripes" stroke="{HAZARD_STRIPE}" stroke-width=".09" d="{stripes}"/>' if stripes else ""
        lines = "".join(f"M0 {row}h{maze.columns}" for row in range(1, maze.rows))
        lines += "".join(f"M{column} 0v{maze.rows}" for column in range(1, maze.columns))
        grid = PAPER if picture.has_numbers else CARD_EDGE  # visible both on shades and on paper
        yield f'<path class="grid" stroke="{grid}" stroke-width=".04" d="{lines}"/>'


def _draw_walls(maze: Maze, scale: float, is_large: bool) -> Iterator[str]:
    """Yield SVG elements of blocked cells (unless the maze is large), the outline, and the walls between free cells.

    Args:
        maze: the maze.
        scale: pixels per cell.
        is_large: True if the cells are an embedded PNG, which has the blocked ones.
    """
    if not is_large:
        yield f'<g stroke-linecap="butt">{_fill(maze.blocked, INK, "blocked")}</g>'
    lines = []
    if max(maze.rows, maze.columns) <= MAX_SIDE_WITH_WALLS:
        below, beside = thin_walls(maze)
        lines = [f"M{column} {row + 1}h{length}" for row, column, length in _runs(below)]
        lines += [f"M{column + 1} {row}v{length}" for column, row, length in _runs(beside.T)]
    thick = max(0.12, 0.5 / scale)
    yield f'<path class="walls" stroke="{INK}" stroke-width="{thick:g}" d="{_outline(maze)}{"".join(lines)}"/>'


def _draw_arrows(picture: Picture) -> Iterator[str]:
    """Yield an SVG element with an arrow for each greedy action, if the maze is small enough for arrows."""
    if picture.greedy is None or not picture.greedy.any() or not _is_small(picture.maze):
        return
    places = [(*divmod(cell, picture.maze.columns), action) for cell, action in np.argwhere(picture.greedy).tolist()]
    arrows = "".join(f"M{column}.5 {row}.5{ARROWS[action]}" for row, column, action in places)
    yield f'<path class="arrows" stroke="{INK}" stroke-opacity=".72" stroke-width=".05" d="{arrows}"/>'


def _draw_paths(picture: Picture, scale: float) -> Iterator[str]:
    """Yield SVG elements of the path and, dashed, the optimal path, on light halos; at least some pixels thick.

    Args:
        picture: has the paths.
        scale: pixels per cell.
    """
    thick = max(1.0, 18 / scale)
    paths = (
        (f'class="path" stroke="{PATH}" stroke-width="{0.15 * thick:g}"', picture.path),
        (
            f'class="optimum" stroke="{OPTIMUM}" stroke-width="{0.09 * thick:g}" '
            f'stroke-dasharray="{0.3 * thick:g} {0.55 * thick:g}"',
            picture.optimal,
        ),
    )
    lines = [(style, _path_data(path, scale)) for style, path in paths if len(path) > 1]
    halo = f'stroke="{PAPER}" stroke-width="{0.3 * thick:g}" stroke-opacity=".85"'
    yield from (f'<path {halo} d="{line}"/>' for _, line in lines)
    yield from (f'<path {style} d="{line}"/>' for style, line in lines)


def _draw_ends(picture: Picture, scale: float) -> Iterator[str]:
    """Yield SVG elements of the goals, as rings, and of the seeker or else the start, as a ball of yarn.

    Exits whose rewards can be written into them have no ring.

    They are at least some pixels large.

    Args:
        picture: has the maze and the seeker.
        scale: pixels per cell.
    """
    end = max(1.0, 22 / scale)
    maze = picture.maze
    for row, column in goals_without_reward(maze) if _is_small(maze) else maze.goals:
        tile = LOSS_TILE if maze.exits.get((row, column), 0.0) < 0.0 else GOAL_TILE
        yield (
            f'<g class="ring" transform="translate({column}.5 {row}.5) scale({end:g})"><circle r=".3" '
            f'fill="{tile}" stroke="{PAPER}" stroke-width=".08"/><circle r=".11" fill="{PAPER}"/></g>'
        )
    place = picture.maze.start if picture.seeker is None else picture.seeker
    if place is not None:
        yield (
            f'<g class="start" transform="translate({place[1]}.5 {place[0]}.5) scale({end:g})">'
            f'<circle r=".33" fill="{PATH}" stroke="{PAPER}" stroke-width=".07"/>'
            f'<path stroke="{PATH_LIGHT}" stroke-width=".04" d="{START_LINES}"/></g>'
        )


def _draw_rewards(maze: Maze, scale: float) -> Iterator[str]:
    """Yield SVG elements with the rewards of exits, and smaller those of cells, if the maze is small enough.

    Args:
        maze: the maze.
        scale: pixels per cell.
    """
    if not _is_small(maze):
        return
    for rewards, y, size, colour in ((maze.exits, 0.5, 0.38, PAPER), (maze.cell_rewards, 0.84, 0.24, INK)):
        for (row, column), reward in rewards.items():
            label = reward_label(reward)
            pixels = scale * min(size, 1.25 / len(label))
            yield (
                f'<text class="reward" transform="translate({column}.5 {row + y:g}) scale({1 / scale:g})" '
                f'font-size="{pixels:.3g}" font-weight="600" text-anchor="middle" dy=".35em" fill="{colour}">'
                f"{label}</text>"
            )


def _outline(maze: Maze) -> str:
    """Return the outline of a maze as SVG path data."""
    return f"M0 0h{maze.columns}v{maze.rows}h-{maze.columns}z"


def _is_small(maze: Maze) -> bool:
    """Return whether cells are large enough for arrows, stripes and a grid."""
    return max(maze.rows, maze.columns) <= MAX_SIDE_WITH_ARROWS


def _path_data(path: Sequence[Place], scale: float) -> str:
    """Return a line through the middles of the cells of a path as SVG path data, with rounded corners.

    Corners are not rounded where a step jumps over cells, or a cell has less than four pixels.

    Args:
        path: (row, column) of its cells.
        scale: pixels per cell.
    """
    if scale < 4:  # where there are more cells than pixels, the line goes from pixel to pixel
        step = max(1, round(1 / scale))
        points = corners(np.asarray(path) // step * step)
        x, y = points[0, 1], points[0, 0]
        moves = "".join(f"l{right} {down}" for down, right in np.diff(points, axis=0).tolist())
        return f"M{x + step / 2:g} {y + step / 2:g}{moves}"
    middles = [(column + 0.5, row + 0.5) for row, column in without_repeats(path)]
    if has_jumps(path) or len(middles) == 1:
        return "M" + "L".join(f"{x:g} {y:g}" for x, y in middles)
    crossings = [((x + x_next) / 2, (y + y_next) / 2) for (x, y), (x_next, y_next) in pairwise(middles)]
    bends = "".join(f"Q{x:g} {y:g} {i:g} {j:g}" for (x, y), (i, j) in zip(middles[1:-1], crossings[1:], strict=True))
    (x, y), (i, j), (x_last, y_last) = middles[0], crossings[0], middles[-1]
    return f"M{x:g} {y:g}L{i:g} {j:g}{bends}L{x_last:g} {y_last:g}"


def _draw_legend(picture: Picture, resolution: Resolution, *, has_walls: bool) -> tuple[list[str], float, int]:
    """Return the legend as SVG: the scale of the values, the paths, and notes on what is not drawn.

    Args:
        picture: what is drawn.
        resolution: of the drawing.
        has_walls: True if walls between cells are drawn.

    Returns:
        Its elements, with x = 0 in the middle and y = 0 at the top; its width, and its height, in pixels.
    """
    parts, widest, y = [], 0.0, 0
    if picture.value_scale is not None:
        before, after = format_scale(picture.value_scale, picture.label)
        last = NUM_SHADES - 1
        stops = "".join(f'<stop offset="{i / last:.3f}" stop-color="{shade}"/>' for i, shade in enumerate(SHADES))
        parts += [
            f'<linearGradient id="clew-shades">{stops}</linearGradient>',
            f'<rect x="-40" y="{y}" width="80" height="10" rx="3" fill="url(#clew-shades)"/>',
            _text(-48, y + 9, before, "end"),
            _text(48, y + 9, after),
        ]
        widest, y = 96 + 2 * max(estimate_width(before), estimate_width(after)), y + 26
    labels = path_labels(picture)
    across = sum(36 + estimate_width(label) + 16 for _, label in labels) - 16
    x = -across / 2
    for kind, label in labels:
        dashes = ' stroke-dasharray="5 4"' if kind == "optimal" else ""
        colour, thick = (OPTIMUM, 2) if kind == "optimal" else (PATH, 3.5)
        parts.append(f'<path stroke="{colour}" stroke-width="{thick}"{dashes} d="M{x:.1f} {y + 5}h28"/>')
        parts.append(_text(x + 34, y + 9, label))
        x += 36 + estimate_width(label) + 16
    if labels:
        widest, y = max(widest, across), y + 22
    for note in notes(picture, resolution, has_walls=has_walls):
        parts.append(_text(0, y + 9, note, "middle"))
        widest, y = max(widest, estimate_width(note)), y + 20
    return parts, round(widest), y


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    """Return an SVG text element; `anchor` is the point of the text at x: "start", "middle" or "end"."""
    return f'<text x="{x:.1f}" y="{y}" font-size="12" fill="{FAINT}" text-anchor="{anchor}">{escape(text)}</text>'


def _describe(picture: Picture) -> str:
    """Return a description of the picture for screen readers, escaped."""
    maze = picture.maze
    sentences = [f"{maze.rows} rows and {maze.columns} columns."]
    if maze.start is not None:
        sentences.append(f"The start is at row {maze.start[0]}, column {maze.start[1]}.")
    goals, exits = goals_without_reward(maze)[:3], list(maze.exits.items())[:3]
    sentences += [f"A goal is at row {row}, column {column}." for row, column in goals]
    sentences += [f"An exit at row {row}, column {column} pays {reward:g}." for (row, column), reward in exits]
    if picture.values is not None and picture.label == "value":
        arrows = "; arrows show the greedy actions" if picture.greedy is not None and _is_small(maze) else ""
        sentences.append(f"Deeper shades are higher values of the best action{arrows}.")
    elif picture.values is not None:
        sentences.append(f"Deeper shades are more {picture.label}.")
    for kind, label in path_labels(picture):
        sentences.append(f"A {'red' if kind == 'path' else 'dashed'} line shows the {label}.")
    return escape(" ".join(sentences))
