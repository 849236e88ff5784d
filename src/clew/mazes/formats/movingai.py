"""MovingAI's benchmark (Sturtevant 2012): maps, `.map`, and path-finding problems on them, `.scen`.

A map has four header lines, then one character per cell: `.`, `G` and `S` are free, `@`, `O`, `T` and `W` are blocked.
It has neither start nor goal; they are given by a scenario, a row of a `.scen` file, or by the caller.

Source:
    Sturtevant (2012), "Benchmarks for grid-based pathfinding".
"""

from math import isfinite
from pathlib import Path
from typing import NamedTuple

from clew.errors import MazeError
from clew.mazes.formats.cells import Layout, Place, add_implied_walls, cell_letters, check_size, check_supported
from clew.mazes.formats.lines import check_ascii, error_at, normalise_lines, read_bytes, view_as_grid
from clew.mazes.formats.plain import check_letters, letter_table
from clew.mazes.formats.walled import text_canvas
from clew.settings import as_path

CELL_TABLE = letter_table(b".@???", free=b"GS", blocked=b"OTW")
LEGEND = "a cell is one of . G S @ O T W"
MAX_HEADER_LENGTH = 100  # characters of a header line that are read
MAX_SCENARIO_BYTES = 2**24  # of a .scen file: the largest in the benchmark has 1 MB; parsed, it takes 30 times as much


class Scenario(NamedTuple):
    """One problem of a `.scen` file."""

    start: Place
    goal: Place
    shape: tuple[int, int]  # (rows, columns) of the map that it belongs to
    bucket: int  # the benchmark's group of problems of similar length
    length: float  # of the optimal path with eight moves, diagonals of length sqrt(2); 0 can mean that there is none


def parse_map(data: bytes | bytearray) -> Layout:
    """Read a MovingAI `.map` file; the header lines before `map` may be in any order.

    Raises:
        MazeError: names line and column (from 1) of what is invalid, and draws the place.
    """
    text = normalise_lines(data)
    height, width, begin = _read_header(text)
    check_size(height, width)
    check_ascii(text, LEGEND, "latin-1")
    num_lines = text.count(b"\n", begin)
    if num_lines != height:
        raise MazeError(f"the header says {height} rows, but the file has {num_lines}")
    grid = view_as_grid(text, begin, width, f"the header says {width}")
    check_letters(text, begin, CELL_TABLE, LEGEND)
    return Layout(add_implied_walls(CELL_TABLE[grid]), None)


def _read_header(text: bytearray) -> tuple[int, int, int]:
    """Return (height, width, offset of the first line of cells) of a `.map` file."""
    sizes: dict[str, int] = {}
    begin = 0
    for _ in range(4):
        end = text.find(b"\n", begin)
        words = text[begin : min(max(end, begin), begin + MAX_HEADER_LENGTH)].decode("latin-1").split()
        if words == ["map"]:
            break
        if end < 0:
            raise MazeError("a .map file begins with four header lines: type, height, width, map; this one doesn't")
        if not words or words[0] not in ("type", "height", "width") or len(words) != 2:
            raise error_at("expected a header line: type, height, width or map", text, begin)
        if words[0] != "type":
            if not words[1].isascii() or not words[1].isdigit() or len(words[1]) > 9:
                column = len(words[0]) + 1
                raise error_at(f"{words[0]} must be a whole number, not {words[1]!r}", text, begin + column)
            sizes[words[0]] = int(words[1])
        begin = end + 1
    else:
        raise error_at("expected the line 'map' after the header lines type, height and width", text, begin)
    if len(sizes) != 2:
        raise MazeError("the header must give both height and width before the line 'map'")
    return sizes["height"], sizes["width"], end + 1


def write_map(layout: Layout) -> bytes:
    """Write a MovingAI `.map` file: blocked and free cells only; start and goals are left out.

    Raises:
        MazeError: if the maze has thin walls or hazards, which the format can't represent.
    """
    cells = layout.cells
    check_supported(cells, "a .map file")
    rows, columns = cells.shape
    canvas = text_canvas(cells, cell_letters(cells, None, b".@..."), walled=False)
    return f"type octile\nheight {rows}\nwidth {columns}\nmap\n".encode() + canvas.tobytes()


def read_scenarios(path: str | Path) -> list[Scenario]:
    """Read all problems of a MovingAI `.scen` file, in the order of its rows.

    Raises:
        MazeError: names the file and the row (from 0, not counting the line `version`) that is invalid.
        SettingError: if the path is neither text nor a path.
        OSError: if the file can't be read.
    """
    path = as_path("path", path)
    try:
        text = normalise_lines(read_bytes(path, MAX_SCENARIO_BYTES, is_text=True)).decode("latin-1")
        rows = [line for line in text.split("\n") if line.strip() and not line.startswith("version")]
        return [_parse_scenario(row, index) for index, row in enumerate(rows)]
    except MazeError as error:
        raise MazeError(f"{path}: {error}") from None


def read_scenario(path: str | Path, index: int) -> Scenario:
    """Read one problem of a MovingAI `.scen` file.

    Args:
        path: the file.
        index: its row, from 0, not counting the line `version`.

    Raises:
        MazeError: if there is no such row, or the file is invalid.
        OSError: if the file can't be read.
    """
    scenarios = read_scenarios(path)
    if not 0 <= index < len(scenarios):
        raise MazeError(f"{path}: there is no scenario {index}; the file has {len(scenarios)}, counted from 0")
    return scenarios[index]


def scenario_places(path: str | Path, index: int, shape: tuple[int, ...]) -> tuple[Place, Place]:
    """Return start and goal of a problem of a `.scen` file, if it is for a map of this shape.

    Args:
        path: the `.scen` file.
        index: its row, from 0, not counting the line `version`.
        shape: (rows, columns) of the map.

    Raises:
        MazeError: if there is no such problem, it is for a map of another size, or its start is its goal.
        OSError: if the file can't be read.
    """
    scenario = read_scenario(path, index)
    if scenario.shape != shape:
        raise MazeError(
            f"scenario {index} is for a map of {scenario.shape[0]} x {scenario.shape[1]} cells, "
            f"this one has {shape[0]} x {shape[1]}"
        )
    if scenario.start == scenario.goal:  # a few rows of files that people have, of length 0; the other rows are usable
        raise MazeError(
            f"scenario {index} has its goal {scenario.goal} as its start, so there is no step to take; give another row"
        )
    return scenario.start, scenario.goal


def _parse_scenario(row: str, index: int) -> Scenario:
    """Parse a row of a `.scen` file; errors name it by its index."""
    words = row.split()
    if len(words) < 9:
        raise MazeError(f"scenario {index}: expected nine columns, found {len(words)}: {row[:100]!r}")
    numbers = words[-7:-1]  # counted from the right: the name of the map may contain blanks
    if not all(word.isascii() and word.isdigit() and len(word) <= 9 for word in [words[0], *numbers]):
        raise MazeError(f"scenario {index}: sizes and places must be whole numbers: {' '.join(numbers)[:100]!r}")
    try:
        length = float(words[-1])
    except ValueError:
        length = -1.0
    if not (isfinite(length) and length >= 0):
        raise MazeError(f"scenario {index}: a length must be a number of at least 0, not {words[-1][:100]!r}")
    width, height, start_x, start_y, goal_x, goal_y = (int(word) for word in numbers)
    return Scenario((start_y, start_x), (goal_y, goal_x), (height, width), int(words[0]), length)
