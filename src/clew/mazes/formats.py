"""Reading and writing mazes as text. Plain arrays in, plain arrays out; every complaint names row and column.

Two formats so far, told apart by the file's ending.

**`.txt`, our own**, in two layouts. With one character a cell:

    S..#        S  start, at most one        #  blocked cell
    .#..        G  goal, any number          !  hazard
    ...G        .  free

and with walls between cells, where the first character is a `+`: 2 * rows + 1 lines of 4 * columns + 1 characters.
Posts are `+`, walls `---` and `|`, and each cell is one of the letters above between two spaces (a blank is free; `###`
is blocked). The edge is all wall.

    +---+---+
    | S |   |
    +   +   +
    |     G |
    +---+---+

**`.map`, MovingAI's** (Sturtevant 2012): four header lines, then a character a cell; `.`, `G` and `S` are passable,
`@`, `O`, `T` and `W` are not. Start and goal come from elsewhere: a `.scen` file of the same benchmark, or the caller.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import MazeError
from clew.kernels.dynamics import (
    BLOCKED,
    GOAL,
    HAZARD,
    WALL_DOWN,
    WALL_LEFT,
    WALL_RIGHT,
    WALL_UP,
)

__all__ = [
    "Layout",
    "Scenario",
    "draw",
    "draw_place",
    "enclose",
    "letters",
    "parse_map",
    "parse_text",
    "read_scenario",
    "write_map",
]

MAX_CELLS = 2**26  # 8192 x 8192; a table of four float32 values a cell is then 1 GiB

Place = tuple[int, int]  # (row, column), from the top left


class Layout(NamedTuple):
    """What a file says of a maze."""

    cells: npt.NDArray[np.uint8]  # (rows, columns), bits of clew.kernels.dynamics
    start: Place | None


class Scenario(NamedTuple):
    """One row of a `.scen` file."""

    start: Place
    goal: Place
    shape: tuple[int, int]  # of the map that it was made for


# Cells and walls ------------------------------------------------------------------------------------------------------


def check_size(rows: int, columns: int) -> None:
    """Refuse a size before memory is taken for it.

    Raises:
        MazeError: if there is no cell, or more than MAX_CELLS.
    """
    if rows < 1 or columns < 1:
        raise MazeError(f"a maze of {rows} rows and {columns} columns has no cell; both must be at least 1")
    if rows * columns > MAX_CELLS:
        raise MazeError(f"a maze of {rows} x {columns} cells is too large: the limit is {MAX_CELLS:,} cells")


def enclose(cells: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Set the walls that follow from the rest, in place: the edge, and all round blocked cells."""
    cells[-1] |= WALL_DOWN
    cells[:, 0] |= WALL_LEFT
    cells[0] |= WALL_UP
    cells[:, -1] |= WALL_RIGHT
    # Products, not masks: for millions of cells they take a tenth of the time.
    blocked = ((cells & BLOCKED) > 0).view(np.uint8)
    cells |= blocked * np.uint8(WALL_DOWN | WALL_LEFT | WALL_UP | WALL_RIGHT)
    cells[:-1] |= blocked[1:] * np.uint8(WALL_DOWN)
    cells[1:] |= blocked[:-1] * np.uint8(WALL_UP)
    cells[:, :-1] |= blocked[:, 1:] * np.uint8(WALL_RIGHT)
    cells[:, 1:] |= blocked[:, :-1] * np.uint8(WALL_LEFT)
    return cells


def has_thin_walls(cells: npt.NDArray[np.uint8]) -> bool:
    """Tell if a wall stands between two free cells."""
    return not np.array_equal(enclose(cells & ~np.uint8(15)), cells)


# Drawing --------------------------------------------------------------------------------------------------------------


def letters(cells: npt.NDArray[np.uint8], start: Place | None) -> npt.NDArray[np.str_]:
    """(rows, columns) of the letters that stand for the cells in our own format."""
    letters = np.full(cells.shape, ".")
    letters[(cells & BLOCKED) > 0] = "#"
    letters[(cells & HAZARD) > 0] = "!"
    letters[(cells & GOAL) > 0] = "G"
    if start is not None:
        letters[start] = "S"
    return letters


def draw(cells: npt.NDArray[np.uint8], letters: npt.NDArray[np.str_]) -> str:
    """Write one letter a cell, with lines between the cells only if there are thin walls."""
    if not has_thin_walls(cells):
        return "".join("".join(row) + "\n" for row in letters)
    rows, columns = cells.shape
    canvas = np.full((2 * rows + 1, 4 * columns + 1), " ")
    canvas[::2, ::4] = "+"
    for i in (1, 2, 3):
        canvas[0, i::4] = "-"
        canvas[2::2, i::4][(cells & WALL_DOWN) > 0] = "-"
        canvas[1::2, i::4] = np.where((cells & BLOCKED) > 0, "#", " ")
    canvas[1::2, 2::4] = np.where(letters == ".", " ", letters)
    canvas[1::2, 0] = "|"
    canvas[1::2, 4::4][(cells & WALL_RIGHT) > 0] = "|"
    return "".join("".join(row) + "\n" for row in canvas)


def split_lines(text: str) -> list[str]:
    """Lines as editors count them."""
    lines = text.replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def draw_place(lines: list[str], row: int, column: int) -> str:
    """The surroundings of a place in a text, with an arrow under it; rows and columns count from 0."""
    top, left = max(0, row - 3), max(0, column - 30)
    window = [line[left : column + 30] for line in lines[top : row + 4]]
    window = ["".join(letter if letter.isprintable() else "?" for letter in line) for line in window]
    window.insert(row - top + 1, " " * (column - left) + "^")
    return "\n".join("    " + line for line in window)


def _complain(message: str, lines: list[str], row: int, column: int) -> MazeError:
    return MazeError(f"line {row + 1}, column {column + 1}: {message}\n{draw_place(lines, row, column)}")


# Our own format -------------------------------------------------------------------------------------------------------


def parse_text(text: str) -> Layout:
    """Read a maze in our own format.

    Raises:
        MazeError: names line and column (from 1, as editors count), and draws the place.
    """
    lines = split_lines(text)
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise MazeError("the maze is empty: it has no line of cells")
    _check_even(lines)
    return _parse_walled(lines) if lines[0].startswith("+") else _parse_plain(lines)


def _check_even(lines: list[str]) -> None:
    width = len(lines[0])
    for row, line in enumerate(lines):
        if len(line) != width:
            message = f"this line has {len(line)} characters, the first one {width}; all must be equally long"
            raise _complain(message, lines, row, min(len(line), width))
    check_size(len(lines), width)


def _parse_plain(lines: list[str]) -> Layout:
    meanings = {".": 0, "#": BLOCKED, "S": 0, "G": GOAL, "!": HAZARD}
    cells = np.zeros((len(lines), len(lines[0])), np.uint8)
    start = None
    for row, line in enumerate(lines):
        for column, letter in enumerate(line):
            if letter not in meanings:
                raise _complain(f"unknown character {letter!r}; a cell is one of . # S G !", lines, row, column)
            if letter == "S":
                if start is not None:
                    raise _complain("a second S; a maze has one start", lines, row, column)
                start = (row, column)
            cells[row, column] = meanings[letter]
    return Layout(enclose(cells), start)


def _parse_walled(lines: list[str]) -> Layout:
    if len(lines) % 2 == 0 or len(lines[0]) % 4 != 1 or len(lines) < 3 or len(lines[0]) < 5:
        raise MazeError(
            f"walls between cells take 2 * rows + 1 lines of 4 * columns + 1 characters; "
            f"this maze has {len(lines)} lines of {len(lines[0])}\n{draw_place(lines, 0, 0)}"
        )
    rows, columns = len(lines) // 2, len(lines[0]) // 4
    for row, line in enumerate(lines):
        for column in range(0, len(line), 4):
            _check_joint(lines, row, column)
    inside = [line[2::4] for line in lines[1::2]]
    for row, line in enumerate(inside):
        for column, letter in enumerate(line):
            around = {lines[2 * row + 1][4 * column + 1], lines[2 * row + 1][4 * column + 3]}
            if letter not in " .#SG!" or around != ({"#"} if letter == "#" else {" "}):
                message = "a cell is one of . S G ! or a blank between two blanks, or ###"
                raise _complain(message, lines, 2 * row + 1, 4 * column + 2)
    starts = [(r, c) for r, line in enumerate(inside) for c, letter in enumerate(line) if letter == "S"]
    for r, c in starts[1:]:
        raise _complain("a second S; a maze has one start", lines, 2 * r + 1, 4 * c + 2)
    cells, start = _parse_plain([line.replace(" ", ".") for line in inside])
    for row in range(rows - 1):
        for column in range(columns):
            if lines[2 * row + 2][4 * column + 1] == "-":
                cells[row, column] |= WALL_DOWN
                cells[row + 1, column] |= WALL_UP
    for row in range(rows):
        for column in range(columns - 1):
            if lines[2 * row + 1][4 * column + 4] == "|":
                cells[row, column] |= WALL_RIGHT
                cells[row, column + 1] |= WALL_LEFT
    return Layout(cells, start)


def _check_joint(lines: list[str], row: int, column: int) -> None:
    """Check the post or wall at this place, and the wall to its right."""
    line = lines[row]
    if row % 2 == 0:
        if line[column] != "+":
            raise _complain(f"expected a post, '+', not {line[column]!r}", lines, row, column)
        wall = line[column + 1 : column + 4]
        outer = row in (0, len(lines) - 1)
        if wall and wall != "---" and (outer or wall != "   "):
            wanted = "'---', for the edge is all wall" if outer else "'---' or three blanks"
            raise _complain(f"expected {wanted}, not {wall!r}", lines, row, column + 1)
    else:
        outer = column in (0, len(line) - 1)
        if line[column] != "|" and (outer or line[column] != " "):
            wanted = "'|', for the edge is all wall" if outer else "'|' or a blank"
            raise _complain(f"expected {wanted}, not {line[column]!r}", lines, row, column)


# MovingAI -------------------------------------------------------------------------------------------------------------


def parse_map(data: bytes) -> Layout:
    """Read MovingAI's `.map`; CRLF or LF ends, header lines in any order, a last newline or none.

    Raises:
        MazeError: names line and column (from 1), and draws the place.
    """
    lines = split_lines(data.decode("latin-1"))
    sizes: dict[str, int] = {}
    for number, line in enumerate(lines[:4]):
        words = line.split()
        if words == ["map"]:
            break
        if not words or words[0] not in ("type", "height", "width") or len(words) != 2:
            raise _complain("expected a header line: type, height, width or map", lines, number, 0)
        if words[0] != "type":
            if not words[1].isascii() or not words[1].isdigit() or len(words[1]) > 9:
                raise _complain(
                    f"{words[0]} must be a whole number, not {words[1]!r}", lines, number, len(words[0]) + 1
                )
            sizes[words[0]] = int(words[1])
    else:
        raise MazeError("a .map file begins with four header lines: type, height, width, map; this one doesn't")
    if len(sizes) != 2:
        raise MazeError("the header must give both height and width before the line 'map'")
    height, width = sizes["height"], sizes["width"]
    check_size(height, width)
    first = number + 1
    body = lines[first : first + height]
    if len(body) < height or any(line.strip() for line in lines[first + height :]):
        found = sum(1 for line in lines[first:] if line.strip())
        raise MazeError(f"the header says {height} rows, but the file has {found}")
    for row, line in enumerate(body):
        if len(line) != width:
            message = f"this row has {len(line)} characters, the header says {width}"
            raise _complain(message, lines, first + row, min(len(line), width))
    letters = np.frombuffer("".join(body).encode("latin-1"), np.uint8).reshape(height, width)
    passable = np.isin(letters, list(b".GS"))
    unknown = np.argwhere(~passable & ~np.isin(letters, list(b"@OTW")))
    if unknown.size:
        row, column = (int(i) for i in unknown[0])
        message = f"unknown character {body[row][column]!r}; a cell is one of . G S @ O T W"
        raise _complain(message, lines, first + row, column)
    return Layout(enclose(np.where(passable, np.uint8(0), np.uint8(BLOCKED))), None)


def write_map(cells: npt.NDArray[np.uint8]) -> bytes:
    """Write MovingAI's `.map`, which says only which cells are blocked.

    Raises:
        MazeError: if the maze has thin walls or hazards, which the format can't say.
    """
    if has_thin_walls(cells) or (cells & HAZARD).any():
        raise MazeError("a .map file can't say thin walls or hazards; save this maze as .txt")
    rows, columns = cells.shape
    body = np.where((cells & BLOCKED) > 0, "@", ".")
    return (
        f"type octile\nheight {rows}\nwidth {columns}\nmap\n{''.join(''.join(row) + chr(10) for row in body)}".encode()
    )


def read_scenario(path: Path, index: int) -> Scenario:
    """Read one problem of a MovingAI `.scen` file.

    Args:
        path: the file.
        index: which row, from 0, not counting the line `version`.

    Raises:
        MazeError: if there is no such row, or it can't be read.
        OSError: if the file can't be read.
    """
    lines = split_lines(path.read_bytes().decode("latin-1"))
    rows = [line for line in lines if line.strip() and not line.startswith("version")]
    if not 0 <= index < len(rows):
        raise MazeError(f"{path}: there is no scenario {index}; the file has {len(rows)}, counted from 0")
    words = rows[index].split()
    if len(words) < 9:
        raise MazeError(f"{path}: scenario {index}: expected nine columns, found {len(words)}: {rows[index]!r}")
    # From the right, for the map's name may hold blanks.
    numbers = words[-7:-1]
    if not all(word.isascii() and word.isdigit() and len(word) <= 9 for word in numbers):
        raise MazeError(f"{path}: scenario {index}: sizes and places must be whole numbers: {' '.join(numbers)!r}")
    width, height, start_x, start_y, goal_x, goal_y = (int(word) for word in numbers)
    return Scenario((start_y, start_x), (goal_y, goal_x), (height, width))
