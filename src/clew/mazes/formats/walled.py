"""Walls between cells, drawn as text: 2 * rows + 1 lines of 4 * columns + 1 characters.

    +---+---+     Posts stand at every fourth character of every second line, walls are --- and |, and a cell is one
    | S |   |     letter between two blanks.
    +   +   +     The edge is all wall.
    |     G |
    +---+---+

Our own format and that of micromouse are both like this, with other letters.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import MazeError
from clew.kernels.dynamics import BLOCKED, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.mazes.formats.cells import BAND, Layout, check_size, enclose, has_thin_walls
from clew.mazes.formats.lines import complain, cut, draw_place, find_start, place_at
from clew.mazes.formats.plain import UNKNOWN

__all__ = ["Signs", "draw", "paint", "parse_walled"]

BLANK, DASH, BAR, DOT, HASH = b" -|.#"


class Signs(NamedTuple):
    """What one format writes."""

    posts: bytes
    cells: npt.NDArray[np.uint8]  # (256,) what the letters of cells mean, UNKNOWN for the others
    legend: str  # the letters of cells, as an error names them
    has_unknown: bool  # whether a dot in place of a wall says that nobody knows if one is there
    unknown_is_wall: bool = True


class Mistake(NamedTuple):
    """Where something is wrong in a band of lines."""

    mask: npt.NDArray[np.bool_]
    line: int  # of the first entry of the mask, in the band
    column: int
    kind: str


def parse_walled(text: bytearray, signs: Signs) -> Layout:
    """Read a maze with walls between its cells.

    Args:
        text: tidied text, not empty.
        signs: what may stand where.

    Raises:
        MazeError: names line and column, and draws the place.
    """
    width = text.find(b"\n")
    check_size(1, max(1, width // 4))
    canvas = cut(text, 0, width, f"the first one {width}; all must be equally long")
    if len(canvas) % 2 == 0 or width % 4 != 1 or len(canvas) < 3 or width < 5:
        drawn = [bytes(line[:60]).decode("ascii", "replace") for line in canvas[:4]]
        raise MazeError(
            f"walls between cells take 2 * rows + 1 lines of 4 * columns + 1 characters; "
            f"this maze has {len(canvas)} lines of {width}\n{draw_place(drawn, 0, 0)}"
        )
    check_size(len(canvas) // 2, width // 4)
    _check_signs(text, canvas, signs)
    first = find_start(text, b"S")
    line, column = (0, 0) if first is None else place_at(first, 0, width)
    return Layout(_walls_and_cells(canvas, signs), None if first is None else (line // 2, column // 4))


def _walls_and_cells(canvas: npt.NDArray[np.uint8], signs: Signs) -> npt.NDArray[np.uint8]:
    cells = signs.cells[canvas[1::2, 2::4]]
    is_wall = np.zeros(256, np.uint8)
    is_wall[[DASH, BAR]] = 1
    is_wall[DOT] = signs.unknown_is_wall
    below = is_wall[canvas[2:-1:2, 2::4]]
    cells[:-1] |= below * np.uint8(WALL_DOWN)
    cells[1:] |= below * np.uint8(WALL_UP)
    del below  # a byte a cell
    beside = is_wall[canvas[1::2, 4:-1:4]]
    cells[:, :-1] |= beside * np.uint8(WALL_RIGHT)
    cells[:, 1:] |= beside * np.uint8(WALL_LEFT)
    del beside
    return enclose(cells)


def _check_signs(text: bytearray, canvas: npt.NDArray[np.uint8], signs: Signs) -> None:
    num_lines, width = canvas.shape
    step = 2 * max(1, BAND // (2 * width))
    for top in range(0, num_lines, step):
        band = canvas[top : top + step]
        found = []
        for mask, line, column, kind in _mistakes(band, top == 0, top + step >= num_lines, signs):
            if mask.any():
                i, j = np.unravel_index(mask.argmax(), mask.shape)
                found.append((top + line + 2 * int(i), column + 4 * int(j), kind))
        if found:
            line, column, kind = min(found)
            is_edge = line in (0, num_lines - 1) if kind == "floor" else column in (0, width - 1)
            raise complain(_say(kind, is_edge, canvas[line], column, signs), text, line * (width + 1) + column)


def _mistakes(band: npt.NDArray[np.uint8], is_first: bool, is_last: bool, signs: Signs) -> Iterator[Mistake]:
    """What is wrong in lines that begin with one of posts."""
    joints, rows = band[::2], band[1::2]
    yield Mistake(~np.isin(joints[:, ::4], list(signs.posts)), 0, 0, "post")
    left, middle, right = (joints[:, i::4] for i in (1, 2, 3))
    is_wall = (left == DASH) & (middle == DASH) & (right == DASH)
    is_gap = (left == BLANK) & ((middle == BLANK) | (signs.has_unknown & (middle == DOT))) & (right == BLANK)
    if is_first:
        is_gap[0] = False
    if is_last:
        is_gap[-1] = False
    yield Mistake(~is_wall & ~is_gap, 0, 1, "floor")
    sides = rows[:, ::4]
    is_gap = (sides == BLANK) | (signs.has_unknown & (sides == DOT))
    is_gap[:, [0, -1]] = False
    yield Mistake((sides != BAR) & ~is_gap, 1, 0, "side")
    left, middle, right = (rows[:, i::4] for i in (1, 2, 3))
    beside = np.where(middle == HASH, np.uint8(HASH), np.uint8(BLANK))
    yield Mistake((signs.cells[middle] == UNKNOWN) | (left != beside) | (right != beside), 1, 2, "cell")


def _say(kind: str, is_edge: bool, line: npt.NDArray[np.uint8], column: int, signs: Signs) -> str:
    found = bytes(line[column : column + (3 if kind == "floor" else 1)]).decode("ascii")
    if kind == "cell":
        return signs.legend
    if kind == "post":
        posts = " or ".join(repr(chr(post)) for post in signs.posts)
        return f"expected a post, {posts}, not {found!r}"
    wall, gap, unknown = ("'---'", "three blanks", "' . '") if kind == "floor" else ("'|'", "a blank", "'.'")
    if is_edge:
        return f"expected {wall}, for the edge is all wall, not {found!r}"
    if signs.has_unknown:
        return f"expected {wall}, {gap} or {unknown}, not {found!r}"
    return f"expected {wall} or {gap}, not {found!r}"


# Drawing --------------------------------------------------------------------------------------------------------------


def paint(cells: npt.NDArray[np.uint8], letters: npt.NDArray[np.integer], *, walled: bool) -> npt.NDArray[np.integer]:
    """The characters of a drawing, line by line, each line with its end.

    Args:
        cells: (rows, columns) the maze.
        letters: (rows, columns) the letter to draw in each cell.
        walled: whether there are lines between the cells.

    Returns:
        (lines, width + 1), of the type of the letters.
    """
    rows, columns = cells.shape
    if not walled:
        canvas = np.full((rows, columns + 1), ord("\n"), letters.dtype)
        canvas[:, :-1] = letters
        return canvas
    canvas = np.full((2 * rows + 1, 4 * columns + 2), BLANK, letters.dtype)
    canvas[:, -1] = ord("\n")
    canvas[::2, :-1:4] = ord("+")
    is_blocked = (cells & BLOCKED) > 0
    for i in (1, 2, 3):
        canvas[0, i:-1:4] = DASH
        canvas[2::2, i:-1:4][(cells & WALL_DOWN) > 0] = DASH
        canvas[1::2, i:-1:4][is_blocked] = HASH
    canvas[1::2, 2:-1:4] = np.where(letters == DOT, letters.dtype.type(BLANK), letters)
    canvas[1::2, 0] = BAR
    canvas[1::2, 4:-1:4][(cells & WALL_RIGHT) > 0] = BAR
    return canvas


def draw(cells: npt.NDArray[np.uint8], letters: npt.NDArray[Any], *, walled: bool | None = None) -> str:
    """Write one letter a cell, with lines between the cells only if there are thin walls.

    Args:
        cells: (rows, columns) the maze.
        letters: (rows, columns) what to draw in the cells: ASCII as uint8, or characters.
        walled: whether there are lines between the cells; by default if there are thin walls.
    """
    walled = has_thin_walls(cells) if walled is None else walled
    if letters.dtype.kind == "U":
        codes = np.ascontiguousarray(letters).view(np.uint32)  # one character each
        return paint(cells, codes, walled=walled).astype("<u4", copy=False).tobytes().decode("utf-32-le")
    return paint(cells, letters, walled=walled).tobytes().decode("ascii")
