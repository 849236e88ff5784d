"""What was learned in a maze, as a picture: an SVG, written with strings alone.

Everything inside the maze is drawn in units of a cell, under one transformation, and cells of one colour share an
element, a line for each run of them. So the text stays short: 12x18 cells take 17 KB, 512x512 some hundreds.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels.dynamics import BLOCKED, GOAL, WALL_DOWN, WALL_RIGHT
from clew.mazes import Maze
from clew.mazes.formats import Place
from clew.rendering.colours import COLOURS, NUM_SHADES, ValueScale, hexadecimal, ramp

__all__ = ["policy_svg", "trace_greedy"]

MAX_SIDE = 1024  # cells; a larger maze would not fit a screen
MAX_SIDE_OF_ARROWS = 48

PAPER, CARD, CARD_EDGE, INK, FAINT = (COLOURS[name] for name in ("paper", "card", "card edge", "ink", "faint"))
THREAD, THREAD_LIGHT = COLOURS["thread"], COLOURS["thread light"]
GOAL_TILE, HAZARD_TILE, HAZARD_STRIPE = COLOURS["goal"], COLOURS["hazard"], COLOURS["hazard stripe"]
SHADES = [hexadecimal(colour) for colour in ramp()]

MOVES = ((1, 0), (0, -1), (-1, 0), (0, 1))  # (row, column) by action: down, left, up, right
ARROWS = (  # from the middle of a cell towards an edge: a shaft, and the two barbs of its tip
    "m0 .08v.28m-.1-.1 .1 .1 .1-.1",
    "m-.08 0h-.28m.1-.1-.1 .1 .1 .1",
    "m0-.08v-.28m-.1 .1 .1-.1 .1 .1",
    "m.08 0h.28m-.1-.1 .1 .1-.1 .1",
)
YARN = "M-.22 .02Q-.02-.06 .1-.22M-.2 .16Q.08 .06 .2-.16M-.08 .23Q.12 .14 .23 .02"  # on a ball of radius .3


def policy_svg(
    maze: Maze, q: npt.NDArray[np.floating], *, path: Sequence[Place] | None = None, title: str | None = None
) -> str:
    """Draw a maze and what was learned in it.

    A cell is the deeper the more its best action is worth, from the least to the most in this picture; on a log scale
    where positive values span more than one order of magnitude (the lowest twentieth is then drawn alike). Arrows show
    the greedy actions, all of them where they tie. A cell where all four are worth the same has neither shade nor
    arrows: nothing was learned there.

    Args:
        maze: the maze; above 48 cells a side it is drawn without arrows.
        q: (num_cells, 4), action values.
        path: places, one move apart, to lay a red thread through; `trace_greedy` finds those of the greedy policy.
        title: is written above the maze.

    Returns:
        SVG, on a card of its own, so that it can be put on any background.

    Raises:
        SettingError: if the values don't fit the maze or are not finite, it has more than 1024 cells a side, or the
            path leaps.
    """
    _check_fit(maze, q)
    for (row, column), (next_row, next_column) in pairwise(path or ()):
        if abs(next_row - row) + abs(next_column - column) != 1:
            raise SettingError(f"a path goes on by one move, not from ({row}, {column}) to ({next_row}, {next_column})")
    best = q.max(axis=1)
    learned = (q.min(axis=1) < best) & ((maze.cells.reshape(-1) & (BLOCKED | GOAL)) == 0)
    scale_of_values = ValueScale.of(best[learned])
    shades = np.full(best.shape, -1)  # where nothing was learned
    shades[learned] = np.rint(scale_of_values.shares(best[learned]) * (NUM_SHADES - 1))
    shades = shades.reshape(maze.cells.shape)

    scale = min(40, max(1, 720 // max(maze.rows, maze.columns)))  # pixels a cell
    width = max(280, scale * maze.columns, 11 * len(title or "")) + 48
    top = 64 if title else 24
    bottom = top + scale * maze.rows
    height = bottom + (56 if learned.any() else 24)
    place = f"translate({(width - scale * maze.columns) / 2:g} {top}) scale({scale})"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="clew-title clew-desc" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui, sans-serif">',
        f'<title id="clew-title">{escape(title or f"A maze of {maze.rows} x {maze.columns} cells")}</title>',
        f'<desc id="clew-desc">{_describe(maze, path)}</desc>',
        f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="14" fill="{CARD}" stroke="{CARD_EDGE}"/>',
        f'<text x="24" y="42" font-size="19" font-weight="600" fill="{INK}">{escape(title)}</text>' if title else "",
        f'<g transform="{place}" fill="none" stroke-linecap="round" stroke-linejoin="round">',
        *_draw_floor(maze, shades),
        *_draw_walls(maze, scale),
        *_draw_arrows(maze, (q == best[:, None]) & learned[:, None]),
        *_draw_thread(maze, path, scale),
        "</g>",
        _draw_legend(scale_of_values, width / 2, bottom + 20) if learned.any() else "",
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def trace_greedy(maze: Maze, q: npt.NDArray[np.floating]) -> list[Place]:
    """Follow the greedy policy from the start; of actions that tie, the first.

    Args:
        maze: maze with a start; moves are certain.
        q: (num_cells, 4), action values.

    Returns:
        The places on the way, from the start to a goal; or up to where nothing was learned, a wall stops the move, or
        the way comes back to itself.

    Raises:
        SettingError: if the values don't fit the maze, or it has no start.
    """
    _check_fit(maze, q)
    if maze.start is None:
        raise SettingError("the maze has no start to follow the policy from")
    path = [maze.start]
    seen = set(path)
    while not maze.cells[path[-1]] & GOAL:
        row, column = path[-1]
        values = q[row * maze.columns + column]
        action = int(values.argmax())
        if values.min() == values.max() or maze.cells[row, column] >> action & 1:
            break
        place = (row + MOVES[action][0], column + MOVES[action][1])
        if place in seen:
            break
        path.append(place)
        seen.add(place)
    return path


def _check_fit(maze: Maze, q: npt.NDArray[np.floating]) -> None:
    if q.shape != (maze.cells.size, 4):
        raise SettingError(f"q must have the shape {(maze.cells.size, 4)} of (num_cells, 4), not {q.shape}")
    if not np.isfinite(q).all():
        raise SettingError("q holds values that are not finite numbers")
    if max(maze.cells.shape) > MAX_SIDE:
        raise SettingError(f"a picture shows up to {MAX_SIDE} cells a side, not {maze.rows} x {maze.columns}")


# Parts of the picture -------------------------------------------------------------------------------------------------


def _runs(mask: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    """(row, column, length) of each run of True in a row."""
    for row, line in enumerate(mask.tolist()):
        column = 0
        for is_set, run in groupby(line):
            length = len(list(run))
            if is_set:
                yield row, column, length
            column += length


def _fill(mask: npt.NDArray[np.bool_], colour: str, name: str) -> str:
    """Fill cells: a line as thick as a cell for each run of them."""
    lines = "".join(f"M{column} {row}.5h{length}" for row, column, length in _runs(mask))
    return f'<path class="{name}" stroke="{colour}" d="{lines}"/>' if lines else ""


def _draw_floor(maze: Maze, shades: npt.NDArray[np.int64]) -> Iterator[str]:
    """The floor: shaded by value, then hazards and goals, then a fine grid."""
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
        yield f'<path class="grid" stroke="{PAPER}" stroke-width=".04" d="{lines}"/>'


def _draw_walls(maze: Maze, scale: int) -> Iterator[str]:
    """Blocked cells as solid blocks; the edge and the walls between free cells as lines, as long as they go."""
    yield f'<g stroke-linecap="butt">{_fill(maze.blocked, INK, "blocked")}</g>'
    free = ~maze.blocked
    below = (maze.cells[:-1] & WALL_DOWN > 0) & free[:-1] & free[1:]
    beside = (maze.cells[:, :-1] & WALL_RIGHT > 0) & free[:, :-1] & free[:, 1:]
    lines = [f"M{column} {row + 1}h{length}" for row, column, length in _runs(below)]
    lines += [f"M{column + 1} {row}v{length}" for column, row, length in _runs(beside.T)]
    thick = max(0.12, 0.5 / scale)
    yield f'<path class="walls" stroke="{INK}" stroke-width="{thick:g}" d="{_edge(maze)}{"".join(lines)}"/>'


def _draw_arrows(maze: Maze, greedy: npt.NDArray[np.bool_]) -> Iterator[str]:
    """An arrow for each action that the greedy policy may take."""
    if _is_small(maze):
        places = [(*divmod(cell, maze.columns), action) for cell, action in np.argwhere(greedy).tolist()]
        arrows = "".join(f"M{column}.5 {row}.5{ARROWS[action]}" for row, column, action in places)
        yield f'<path class="arrows" stroke="{INK}" stroke-opacity=".72" stroke-width=".05" d="{arrows}"/>'


def _draw_thread(maze: Maze, path: Sequence[Place] | None, scale: int) -> Iterator[str]:
    """The thread, its ball at the start, and a ring round each goal; never too fine to be seen."""
    thick = max(1.0, 14 / scale)
    for row, column in maze.goals:
        yield (
            f'<circle class="ring" cx="{column}.5" cy="{row}.5" r="{0.3 * thick:g}" '
            f'fill="{GOAL_TILE}" stroke="{PAPER}" stroke-width="{0.08 * thick:g}"/>'
        )
    if path is not None and len(path) > 1:
        line = _through(path)
        yield f'<path stroke="{PAPER}" stroke-width="{0.3 * thick:g}" stroke-opacity=".85" d="{line}"/>'
        yield f'<path class="thread" stroke="{THREAD}" stroke-width="{0.15 * thick:g}" d="{line}"/>'
    if maze.start is not None:
        row, column = maze.start
        yield (
            f'<g class="start" transform="translate({column}.5 {row}.5) scale({thick:g})">'
            f'<circle r=".33" fill="{THREAD}" stroke="{PAPER}" stroke-width=".07"/>'
            f'<path stroke="{THREAD_LIGHT}" stroke-width=".04" d="{YARN}"/></g>'
        )


def _edge(maze: Maze) -> str:
    return f"M0 0h{maze.columns}v{maze.rows}h-{maze.columns}z"


def _is_small(maze: Maze) -> bool:
    """Tell if a cell has room for details."""
    return max(maze.rows, maze.columns) <= MAX_SIDE_OF_ARROWS


def _through(path: Sequence[Place]) -> str:
    """From the middle of the first cell to that of the last, and round every corner between."""
    middles = [(column + 0.5, row + 0.5) for row, column in path]
    crossings = [((x + x_next) / 2, (y + y_next) / 2) for (x, y), (x_next, y_next) in pairwise(middles)]
    bends = "".join(f"Q{x:g} {y:g} {i:g} {j:g}" for (x, y), (i, j) in zip(middles[1:-1], crossings[1:], strict=True))
    (x, y), (i, j), (x_last, y_last) = middles[0], crossings[0], middles[-1]
    return f"M{x:g} {y:g}L{i:g} {j:g}{bends}L{x_last:g} {y_last:g}"


def _draw_legend(scale: ValueScale, middle: float, y: float) -> str:
    """The scale of the shades, between the least and the greatest value."""
    last = NUM_SHADES - 1
    stops = "".join(f'<stop offset="{i / last:.3f}" stop-color="{SHADES[i]}"/>' for i in range(NUM_SHADES))
    lowest, kind = ("≤ ", ", log scale") if scale.is_log else ("", "")
    return (
        f'<linearGradient id="clew-shades">{stops}</linearGradient>'
        f'<rect x="{middle - 40:g}" y="{y:g}" width="80" height="10" rx="3" fill="url(#clew-shades)"/>'
        f'<g font-size="12" fill="{FAINT}">'
        f'<text x="{middle - 48:g}" y="{y + 9:g}" text-anchor="end">value {lowest}{scale.low:.2g}</text>'
        f'<text x="{middle + 48:g}" y="{y + 9:g}">{scale.high:.2g}{kind}</text></g>'
    )


def _describe(maze: Maze, path: Sequence[Place] | None) -> str:
    """The picture in words, for those who don't see it."""
    words = [f"{maze.rows} rows and {maze.columns} columns."]
    if maze.start is not None:
        words.append(f"The start is at row {maze.start[0]}, column {maze.start[1]}.")
    words += [f"A goal is at row {row}, column {column}." for row, column in maze.goals[:3]]
    words.append("The deeper a cell, the more its best action is worth; arrows show the best actions.")
    if path is not None:
        words.append(f"A red thread follows the policy for {len(path) - 1} steps.")
    return " ".join(words)
