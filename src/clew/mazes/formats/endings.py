"""The table of formats by the ending of a file's name, and what else may be told to them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from clew.errors import MazeError, SettingError
from clew.mazes.formats.cells import MAX_CELLS, Layout
from clew.mazes.formats.lines import read_bytes
from clew.mazes.formats.micromouse import UNKNOWN_WALLS, parse_maze, write_maze
from clew.mazes.formats.movingai import parse_map, write_map
from clew.mazes.formats.own import parse_text, write_text
from clew.mazes.formats.pacman import parse_lay, write_lay
from clew.mazes.formats.pictures import draw_png, parse_png
from clew.settings import check_choice, check_count

__all__ = [
    "FORMATS",
    "Format",
    "Reading",
    "check_effect",
    "check_ending",
    "check_reading",
    "format_of",
    "list_endings",
    "read_layout",
    "write_layout",
]

LARGEST_CELL = 1024  # pixels


class Reading(NamedTuple):
    """What a file doesn't say of how it is to be read."""

    unknown_walls: str = "wall"
    cell_size: int = 1


class Format(NamedTuple):
    """One way to keep a maze in a file."""

    parse: Callable[[bytearray, Reading], Layout]
    write: Callable[[Layout, Reading], bytes]
    bytes_per_cell: int  # a larger file than this many times MAX_CELLS can't be right, and isn't read
    is_text: bool = True
    option: str = ""  # the field of `Reading` that it heeds


# The largest maze with walls between its cells takes eight bytes a cell and the ends of lines, one with a character a
# cell two at most if it is square or nearly so, and a picture less than that: its colours are few, so it packs well.
FORMATS = {
    ".txt": Format(lambda data, _: parse_text(data), lambda layout, _: write_text(layout), 9),
    ".map": Format(lambda data, _: parse_map(data), lambda layout, _: write_map(layout), 3),
    ".maze": Format(
        lambda data, reading: parse_maze(data, reading.unknown_walls),
        lambda layout, _: write_maze(layout),
        9,
        option="unknown_walls",
    ),
    ".lay": Format(lambda data, _: parse_lay(data), lambda layout, _: write_lay(layout), 3),
    ".png": Format(
        lambda data, reading: parse_png(data, reading.cell_size),
        lambda layout, reading: draw_png(layout, reading.cell_size),
        2,
        is_text=False,
        option="cell_size",
    ),
}


def list_endings() -> str:
    """The endings of the names of files, as a sentence has them."""
    *others, last = FORMATS
    return f"{', '.join(others)} or {last}"


def format_of(path: Path) -> Format:
    """The format that the ending of a name stands for.

    Raises:
        MazeError: if it stands for none; lists the endings that do.
    """
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise MazeError(f"can't tell the format from the ending {path.suffix!r}; give a {list_endings()} file")
    return form


def check_ending(path: Path) -> None:
    """Check that a maze can be kept under a name, before it is made.

    Raises:
        MazeError: if its ending stands for no format.
    """
    try:
        format_of(path)
    except MazeError as error:
        raise MazeError(f"{path}: {error}") from None


def check_reading(unknown_walls: str, cell_size: int) -> None:
    """Check what is told of how a file is to be read.

    Raises:
        SettingError: names what is out of range.
    """
    check_choice("unknown_walls", unknown_walls, UNKNOWN_WALLS)
    check_count("cell_size", cell_size, 1, LARGEST_CELL)


def check_effect(name: str, option: str, reading: Reading) -> None:
    """Check that nothing is set which a maze doesn't heed.

    Args:
        name: what the maze is called.
        option: what it heeds of `reading`, or nothing.
        reading: what is set.

    Raises:
        SettingError: names the setting, and what it is for.
    """
    check_reading(*reading)
    for field, default in Reading()._asdict().items():
        if field != option and getattr(reading, field) != default:
            endings = [ending for ending, each in FORMATS.items() if each.option == field]
            raise SettingError(f"has no effect on {name!r}; it is for {', '.join(endings)} files", setting=field)


def read_layout(path: Path, reading: Reading) -> Layout:
    """Read a file in the format of its ending.

    Raises:
        MazeError: if it can't be right, or is too large.
        SettingError: if something is set that the format doesn't heed.
        OSError: if it can't be read.
    """
    form = format_of(path)
    check_effect(path.name, form.option, reading)
    return form.parse(read_bytes(path, form.bytes_per_cell * MAX_CELLS, is_text=form.is_text), reading)


def write_layout(path: Path, layout: Layout, cell_size: int = 1) -> bytes:
    """The bytes of a file in the format of its ending.

    Raises:
        MazeError: if the format can't say this maze.
        SettingError: if something is set that the format doesn't heed.
    """
    form, reading = format_of(path), Reading(cell_size=cell_size)
    check_effect(path.name, form.option, reading)
    return form.write(layout, reading)
