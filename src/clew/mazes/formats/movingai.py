"""MovingAI's benchmark (Sturtevant 2012): maps, `.map`, and the problems posed on them, `.scen`.

A map has four header lines, then a character a cell; `.`, `G` and `S` are passable, `@`, `O`, `T` and `W` are not.
Start and goal come from elsewhere: a `.scen` file of the same benchmark, or the caller.
"""

from math import isfinite
from pathlib import Path
from typing import NamedTuple

from clew.errors import MazeError
from clew.mazes.formats.cells import Layout, Place, check_sayable, check_size, enclose, letters
from clew.mazes.formats.lines import check_ascii, complain, cut, read_bytes, tidy
from clew.mazes.formats.plain import check_letters, meanings
from clew.mazes.formats.walled import paint

__all__ = ["Scenario", "ends_of", "parse_map", "read_scenario", "read_scenarios", "write_map"]

ALPHABET = b".@???"
MEANINGS = meanings(ALPHABET, free=b"GS", blocked=b"OTW")
LEGEND = "a cell is one of . G S @ O T W"
LONGEST_HEADER = 100  # characters of a line
MAX_BYTES = (
    2**24
)  # of a .scen file: the largest of the benchmark have a megabyte, and in memory it takes thirty times as much


class Scenario(NamedTuple):
    """One row of a `.scen` file."""

    start: Place
    goal: Place
    shape: tuple[int, int]  # (rows, columns) of the map that it was made for
    bucket: int  # the benchmark puts problems of about one length into one
    length: float  # of the shortest way in eight directions, diagonals of length sqrt(2); 0 can mean that there is none


def parse_map(data: bytes | bytearray) -> Layout:
    """Read MovingAI's `.map`; CRLF or LF ends, header lines in any order, a last newline or none.

    Raises:
        MazeError: names line and column (from 1), and draws the place.
    """
    text = tidy(data)
    height, width, begin = _read_header(text)
    check_size(height, width)
    check_ascii(text, LEGEND, "latin-1")
    num_lines = text.count(b"\n", begin)
    if num_lines != height:
        raise MazeError(f"the header says {height} rows, but the file has {num_lines}")
    grid = cut(text, begin, width, f"the header says {width}")
    check_letters(text, begin, MEANINGS, LEGEND)
    return Layout(enclose(MEANINGS[grid]), None)


def _read_header(text: bytearray) -> tuple[int, int, int]:
    """Height, width, and where the cells begin."""
    sizes: dict[str, int] = {}
    begin = 0
    for _ in range(4):
        end = text.find(b"\n", begin)
        words = text[begin : min(max(end, begin), begin + LONGEST_HEADER)].decode("latin-1").split()
        if words == ["map"]:
            break
        if end < 0:
            raise MazeError("a .map file begins with four header lines: type, height, width, map; this one doesn't")
        if not words or words[0] not in ("type", "height", "width") or len(words) != 2:
            raise complain("expected a header line: type, height, width or map", text, begin)
        if words[0] != "type":
            if not words[1].isascii() or not words[1].isdigit() or len(words[1]) > 9:
                message = f"{words[0]} must be a whole number, not {words[1]!r}"
                raise complain(message, text, begin + len(words[0]) + 1)
            sizes[words[0]] = int(words[1])
        begin = end + 1
    else:
        raise complain("expected the line 'map' after the header lines type, height and width", text, begin)
    if len(sizes) != 2:
        raise MazeError("the header must give both height and width before the line 'map'")
    return sizes["height"], sizes["width"], end + 1


def write_map(layout: Layout) -> bytes:
    """Write MovingAI's `.map`, which says only which cells are blocked, neither start nor goals.

    Raises:
        MazeError: if the maze has thin walls or hazards, which the format can't say.
    """
    cells = layout.cells
    check_sayable(cells, "a .map file")
    rows, columns = cells.shape
    drawn = letters(cells, None, b".@...")
    return f"type octile\nheight {rows}\nwidth {columns}\nmap\n".encode() + paint(cells, drawn, walled=False).tobytes()


def read_scenarios(path: str | Path) -> list[Scenario]:
    """Read all problems of a MovingAI `.scen` file, in the order of its rows.

    Raises:
        MazeError: names the row (from 0, not counting the line `version`) that can't be read.
        OSError: if the file can't be read.
    """
    path = Path(path)
    try:
        text = tidy(read_bytes(path, MAX_BYTES, is_text=True)).decode("latin-1")
        rows = [line for line in text.split("\n") if line.strip() and not line.startswith("version")]
        return [_parse_scenario(row, index) for index, row in enumerate(rows)]
    except MazeError as error:
        raise MazeError(f"{path}: {error}") from None


def read_scenario(path: str | Path, index: int) -> Scenario:
    """Read one problem of a MovingAI `.scen` file.

    Args:
        path: the file.
        index: which row, from 0, not counting the line `version`.

    Raises:
        MazeError: if there is no such row, or the file can't be right.
        OSError: if the file can't be read.
    """
    scenarios = read_scenarios(path)
    if not 0 <= index < len(scenarios):
        raise MazeError(f"{path}: there is no scenario {index}; the file has {len(scenarios)}, counted from 0")
    return scenarios[index]


def ends_of(scenario: tuple[str | Path, int], layout: Layout) -> tuple[Place, Place]:
    """Start and goal of a problem that was posed on this map.

    Raises:
        MazeError: if there is no such problem, or it is for a map of another size.
        OSError: if the file can't be read.
    """
    problem, shape = read_scenario(*scenario), layout.cells.shape
    if problem.shape != shape:
        raise MazeError(
            f"scenario {scenario[1]} is for a map of {problem.shape[0]} x {problem.shape[1]} cells, "
            f"this one has {shape[0]} x {shape[1]}"
        )
    return problem.start, problem.goal


def _parse_scenario(row: str, index: int) -> Scenario:
    words = row.split()
    if len(words) < 9:
        raise MazeError(f"scenario {index}: expected nine columns, found {len(words)}: {row[:100]!r}")
    # From the right, for the map's name may hold blanks.
    numbers = words[-7:-1]
    if not all(word.isascii() and word.isdigit() and len(word) <= 9 for word in [words[0], *numbers]):
        said = " ".join(numbers)[:100]
        raise MazeError(f"scenario {index}: sizes and places must be whole numbers: {said!r}")
    try:
        length = float(words[-1])
    except ValueError:
        length = -1.0
    if not (isfinite(length) and length >= 0):
        raise MazeError(f"scenario {index}: a length must be a number of at least 0, not {words[-1][:100]!r}")
    width, height, start_x, start_y, goal_x, goal_y = (int(word) for word in numbers)
    return Scenario((start_y, start_x), (goal_y, goal_x), (height, width), int(words[0]), length)
