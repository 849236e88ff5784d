"""The table of file formats by file extension, and the options of reading and writing."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from clew.errors import MazeError, SettingError
from clew.mazes.formats.cells import MAX_CELLS, Layout, check_no_rewards
from clew.mazes.formats.detection import parse_any_text
from clew.mazes.formats.lines import read_bytes
from clew.mazes.formats.micromouse import UNKNOWN_WALLS, parse_maze, write_maze
from clew.mazes.formats.movingai import parse_map, write_map
from clew.mazes.formats.own import write_text
from clew.mazes.formats.pacman import parse_lay, write_lay
from clew.mazes.formats.pictures import draw_pgm, draw_png, parse_picture
from clew.settings import check_choice, check_count

MAX_CELL_SIZE = 1024  # pixels


class FileOptions(NamedTuple):
    """Options of reading and writing maze files; each applies to some formats only."""

    unknown_walls: str = "wall"  # of .maze files and pictures of maps: `wall` or `open`
    cell_size: int = 1  # of pictures: pixels per side of a cell


class Format(NamedTuple):
    """A file format of mazes: its reader, its writer, and limits."""

    parse: Callable[[bytearray, FileOptions], Layout]
    write: Callable[[Layout, FileOptions], bytes]
    bytes_per_cell: int  # a file of more than this times MAX_CELLS bytes is refused and not read
    is_text: bool = True
    options: tuple[str, ...] = ()  # the fields of `FileOptions` that apply to this format


# In the largest maze, text with walls between cells takes 8 bytes per cell plus line ends, and text of one character
# per cell at most 2 if the maze is about square. A picture has few colours and compresses to less.
FORMATS = {
    ".txt": Format(
        lambda data, options: parse_any_text(data, options.unknown_walls),
        lambda layout, _: write_text(layout),
        9,
        options=("unknown_walls",),
    ),
    ".map": Format(lambda data, _: parse_map(data), lambda layout, _: write_map(layout), 3),
    ".maze": Format(
        lambda data, options: parse_maze(data, options.unknown_walls),
        lambda layout, _: write_maze(layout),
        9,
        options=("unknown_walls",),
    ),
    ".lay": Format(lambda data, _: parse_lay(data), lambda layout, _: write_lay(layout), 3),
    ".png": Format(
        lambda data, options: parse_picture(data, options.cell_size, options.unknown_walls),
        lambda layout, options: draw_png(layout, options.cell_size),
        2,
        is_text=False,
        options=("cell_size", "unknown_walls"),
    ),
    ".pgm": Format(
        lambda data, options: parse_picture(data, options.cell_size, options.unknown_walls),
        lambda layout, options: draw_pgm(layout, options.cell_size),
        5,
        is_text=False,
        options=("cell_size", "unknown_walls"),
    ),
}


def list_extensions() -> str:
    """Return the known file extensions as part of a sentence: ".txt, .map, .maze, .lay, .png or .pgm"."""
    *others, last = FORMATS
    return f"{', '.join(others)} or {last}"


def find_format(path: Path) -> Format:
    """Return the format of a file, by its extension; capitals don't matter.

    Raises:
        MazeError: if the extension is unknown; lists the known ones.
    """
    known = FORMATS.get(path.suffix.lower())
    if known is None:
        if path.is_dir():
            raise MazeError(f"is a folder; a maze is a {list_extensions()} file")
        raise MazeError(f"unknown file extension {path.suffix!r}; use a {list_extensions()} file")
    return known


def check_extension(path: Path) -> None:
    """Check the extension of the path that a maze is to be saved to, before the maze is made.

    Raises:
        MazeError: names the path, if its extension is unknown.
    """
    try:
        find_format(path)
    except MazeError as error:
        raise MazeError(f"{path}: {error}") from None


def check_file_options(unknown_walls: str, cell_size: int) -> None:
    """Check the ranges of the options of reading and writing.

    Raises:
        SettingError: names the option that is out of range.
    """
    check_choice("unknown_walls", unknown_walls, UNKNOWN_WALLS)
    check_count("cell_size", cell_size, 1, MAX_CELL_SIZE)


def check_options_apply(name: str, applying: tuple[str, ...], options: FileOptions) -> None:
    """Check that options are in range, and that none is set which has no effect on a maze.

    Args:
        name: name of the maze or its file, for the error.
        applying: the fields of `options` that have an effect on it.
        options: the options.

    Raises:
        SettingError: names an option that is out of range, or that differs from its default and has no effect.
    """
    check_file_options(*options)
    for field, default in FileOptions()._asdict().items():
        if field not in applying and getattr(options, field) != default:
            endings = [ending for ending, each in FORMATS.items() if field in each.options]
            raise SettingError(f"has no effect on {name!r}; it is for {', '.join(endings)} files", setting=field)


def read_layout(path: Path, options: FileOptions) -> Layout:
    """Read a maze file, in the format of its extension.

    Raises:
        MazeError: if the extension is unknown, the file is too large, or its contents are invalid.
        SettingError: if an option is out of range, or is set and has no effect on this format.
        OSError: if the file can't be read.
    """
    known = find_format(path)
    check_options_apply(path.name, known.options, options)
    return known.parse(read_bytes(path, known.bytes_per_cell * MAX_CELLS, is_text=known.is_text), options)


def write_layout(path: Path, layout: Layout, cell_size: int = 1) -> bytes:
    """Return the contents of a maze file, in the format of the path's extension; nothing is written to disk.

    Raises:
        MazeError: if the extension is unknown, or the format can't represent this maze.
        SettingError: if `cell_size` is out of range, or is set and has no effect on this format.
    """
    known, options = find_format(path), FileOptions(cell_size=cell_size)
    check_options_apply(path.name, known.options, options)
    if known is not FORMATS[".txt"]:
        check_no_rewards(layout, f"a {path.suffix} file")
    return known.write(layout, options)


def check_is_maze(path: Path) -> None:
    """Check that a text that would be replaced is empty or a maze; raise MazeError if it isn't."""
    try:
        if path.stat().st_size:
            read_layout(path, FileOptions())
    except MazeError:
        raise MazeError("can't be written: there is a text of that name that isn't a maze; give another name") from None
