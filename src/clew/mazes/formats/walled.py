"""Text with walls between cells: 2 * rows + 1 lines of 4 * columns + 1 characters.

    +---+---+     Posts stand at every fourth character of every second line. A wall is --- or |, and a cell is one
    | S |   |     letter between two blanks.
    +   +   +     The edge is all wall.
    |     G |
    +---+---+

Clew's own format and that of micromouse are both of this form, with different characters.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import MazeError
from clew.kernels.dynamics import BLOCKED, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.mazes.formats.cells import (
    BAND_SIZE,
    Layout,
    Place,
    add_implied_walls,
    cell_letters,
    check_size,
    has_thin_walls,
)
from clew.mazes.formats.lines import draw_excerpt, error_at, find_start_offset, offset_to_place, view_as_grid
from clew.mazes.formats.plain import UNKNOWN

BLANK, DASH, BAR, DOT, HASH = b" -|.#"


class WalledSyntax(NamedTuple):
    """The characters of a text format with walls between cells."""

    posts: bytes
    cells: npt.NDArray[np.uint8]  # (256,) from a letter to the bits of its cell, or UNKNOWN
    legend: str  # the letters of cells, for error messages
    has_unknown: bool  # True if a dot may be drawn where it is unknown whether there is a wall
    unknown_is_wall: bool = True


def parse_walled(text: bytearray, syntax: WalledSyntax) -> Layout:
    """Parse a maze with walls between its cells.

    Args:
        text: normalised text, not empty.
        syntax: the characters of the format.

    Raises:
        MazeError: names line and column of what is invalid, and draws the place.
    """
    width = text.find(b"\n")
    check_size(1, max(1, width // 4))
    canvas = view_as_grid(text, 0, width, f"the first one {width}; all must be equally long")
    if len(canvas) % 2 == 0 or width % 4 != 1 or len(canvas) < 3 or width < 5:
        drawn = [bytes(line[:60]).decode("ascii", "replace") for line in canvas[:4]]
        raise MazeError(
            f"walls between cells take 2 * rows + 1 lines of 4 * columns + 1 characters; "
            f"this maze has {len(canvas)} lines of {width}\n{draw_excerpt(drawn, 0, 0)}"
        )
    check_size(len(canvas) // 2, width // 4)
    _check_characters(text, canvas, syntax)
    first = find_start_offset(text, b"S")
    line, column = (0, 0) if first is None else offset_to_place(first, width)
    return Layout(_read_cells(canvas, syntax), None if first is None else (line // 2, column // 4))


def _read_cells(canvas: npt.NDArray[np.uint8], syntax: WalledSyntax) -> npt.NDArray[np.uint8]:
    """Return the (rows, columns) cells of a checked text, with their walls."""
    cells = syntax.cells[canvas[1::2, 2::4]]
    is_wall = np.zeros(256, np.uint8)
    is_wall[[DASH, BAR]] = 1
    is_wall[DOT] = syntax.unknown_is_wall
    below = is_wall[canvas[2:-1:2, 2::4]]
    cells[:-1] |= below * np.uint8(WALL_DOWN)
    cells[1:] |= below * np.uint8(WALL_UP)
    del below  # frees one byte per cell
    beside = is_wall[canvas[1::2, 4:-1:4]]
    cells[:, :-1] |= beside * np.uint8(WALL_RIGHT)
    cells[:, 1:] |= beside * np.uint8(WALL_LEFT)
    del beside
    return add_implied_walls(cells)


def _check_characters(text: bytearray, canvas: npt.NDArray[np.uint8], syntax: WalledSyntax) -> None:
    """Check each character of a text with walls between cells; the error names the first invalid one."""
    num_lines, width = canvas.shape
    step = 2 * max(1, BAND_SIZE // (2 * width))
    for top in range(0, num_lines, step):
        band = canvas[top : top + step]
        found = []
        for mask, line, column, kind in _find_invalid(band, top == 0, top + step >= num_lines, syntax):
            if mask.any():
                i, j = np.unravel_index(mask.argmax(), mask.shape)
                found.append((top + line + 2 * int(i), column + 4 * int(j), kind))
        if found:
            line, column, kind = min(found)
            is_edge = line in (0, num_lines - 1) if kind == "floor" else column in (0, width - 1)
            message = _format_expected(kind, is_edge, canvas[line], column, syntax)
            raise error_at(message, text, line * (width + 1) + column)


def _find_invalid(
    band: npt.NDArray[np.uint8], is_first: bool, is_last: bool, syntax: WalledSyntax
) -> Iterator[tuple[npt.NDArray[np.bool_], int, int, str]]:
    """Find the invalid characters in a band of lines, whose first line is one of posts.

    Args:
        band: (num_lines, width) uint8.
        is_first: True if the band begins with the upper edge of the maze.
        is_last: True if it ends with the lower edge.
        syntax: the characters of the format.

    Yields:
        (mask, line, column, kind) for each kind of character: "post", "floor" (a wall below a cell), "side" (a wall
        beside one) and "cell". mask[i, j] is True if the character of that kind in line `line + 2 * i` of the band and
        column `column + 4 * j` is invalid.
    """
    joints, rows = band[::2], band[1::2]
    yield ~np.isin(joints[:, ::4], list(syntax.posts)), 0, 0, "post"
    left, middle, right = (joints[:, i::4] for i in (1, 2, 3))
    is_wall = (left == DASH) & (middle == DASH) & (right == DASH)
    is_gap = (left == BLANK) & ((middle == BLANK) | (syntax.has_unknown & (middle == DOT))) & (right == BLANK)
    if is_first:
        is_gap[0] = False
    if is_last:
        is_gap[-1] = False
    yield ~is_wall & ~is_gap, 0, 1, "floor"
    sides = rows[:, ::4]
    is_gap = (sides == BLANK) | (syntax.has_unknown & (sides == DOT))
    is_gap[:, [0, -1]] = False
    yield (sides != BAR) & ~is_gap, 1, 0, "side"
    left, middle, right = (rows[:, i::4] for i in (1, 2, 3))
    beside = np.where(middle == HASH, np.uint8(HASH), np.uint8(BLANK))
    yield (syntax.cells[middle] == UNKNOWN) | (left != beside) | (right != beside), 1, 2, "cell"


def _format_expected(kind: str, is_edge: bool, line: npt.NDArray[np.uint8], column: int, syntax: WalledSyntax) -> str:
    """Return an error message: what was expected at a column of a line, and what was found.

    Args:
        kind: see `_find_invalid`.
        is_edge: True if the place is on the edge of the maze, where only a wall is allowed.
        line: (width,) uint8.
        column: column of the first invalid character.
        syntax: the characters of the format.
    """
    found = bytes(line[column : column + (3 if kind == "floor" else 1)]).decode("ascii")
    if kind == "cell":
        return syntax.legend
    if kind == "post":
        posts = " or ".join(repr(chr(post)) for post in syntax.posts)
        return f"expected a post, {posts}, not {found!r}"
    wall, gap, unknown = ("'---'", "three blanks", "' . '") if kind == "floor" else ("'|'", "a blank", "'.'")
    if is_edge:
        return f"expected {wall}, since the edge is all wall, not {found!r}"
    if syntax.has_unknown:
        return f"expected {wall}, {gap} or {unknown}, not {found!r}"
    return f"expected {wall} or {gap}, not {found!r}"


# Drawing --------------------------------------------------------------------------------------------------------------


def text_canvas(
    cells: npt.NDArray[np.uint8], letters: npt.NDArray[np.integer], *, walled: bool
) -> npt.NDArray[np.integer]:
    """Return the character codes of a maze as text, one row per line, LF included.

    Args:
        cells: (rows, columns) uint8, the maze.
        letters: (rows, columns) character code to draw in each cell.
        walled: True to draw walls between the cells, False for one character per cell.

    Returns:
        (num_lines, width + 1), of the dtype of `letters`.
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


def draw_text(cells: npt.NDArray[np.uint8], letters: npt.NDArray[Any], *, walled: bool | None = None) -> str:
    """Return a maze as text, with one letter in each cell.

    Args:
        cells: (rows, columns) uint8, the maze.
        letters: (rows, columns) letters to draw: ASCII codes as uint8, or strings of one character.
        walled: True to draw walls between the cells; by default only if the maze has thin walls.
    """
    walled = has_thin_walls(cells) if walled is None else walled
    if letters.dtype.kind == "U":
        codes = np.ascontiguousarray(letters).view(np.uint32)  # one character each
        return text_canvas(cells, codes, walled=walled).astype("<u4", copy=False).tobytes().decode("utf-32-le")
    return text_canvas(cells, letters, walled=walled).tobytes().decode("ascii")


def error_in_cells(message: str, cells: npt.NDArray[np.uint8], place: Place, start: Place | None = None) -> MazeError:
    """Return an error with a drawing of the cells of a maze around a place, and of the start if given."""
    walled = has_thin_walls(cells)
    row, column = place
    top, left = max(0, row - 4), max(0, column - 32)
    cells = cells[top : row + 5, left : column + 33]  # larger than the excerpt, which then has no false edge
    drawn = cell_letters(cells, None if start is None else (start[0] - top, start[1] - left))
    row, column = row - top, column - left
    if walled:
        row, column = 2 * row + 1, 4 * column + 2
    lines = draw_text(cells, drawn, walled=walled).splitlines()
    return MazeError(f"{message}\n{draw_excerpt(lines, row, column)}")
