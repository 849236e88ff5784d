"""Text files as arrays of bytes: reading within a limit, normalising lines, errors with line and column.

All text formats here are ASCII, so a byte is a character, and a whole file is checked and converted as one array of
bytes. Apart from the file's own bytes, memory is used for one band of `BAND_SIZE` bytes at a time only.

A normalised text is a bytearray whose lines all end in LF, without byte order mark and without blank lines at the end.
"""

from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clew.errors import MazeError
from clew.files import open_file
from clew.mazes.formats.cells import BAND_SIZE, Place

CHUNK = 2**16  # bytes
NEWLINE = 10
BLANKS = b" \t\n\r\x0b\x0c"


def read_bytes(path: Path, max_bytes: int, *, is_text: bool) -> bytearray:
    """Read a file of limited size; in a text, CRLF becomes LF.

    Line ends are converted chunk by chunk while reading, without a second copy of the file.

    Args:
        path: the file.
        max_bytes: limit of its size; at most one chunk (64 KiB) more is read.
        is_text: True to convert line ends.

    Raises:
        MazeError: if the file is larger, or its name holds a zero byte.
        OSError: if it can't be read.
    """
    data = bytearray()
    num_bytes = 0
    if "\0" in str(path):  # for which `open` would raise a ValueError
        raise MazeError("can't be read: its name holds a zero byte")
    with open_file(path) as file:
        while chunk := file.read(CHUNK):
            num_bytes += len(chunk)
            if num_bytes > max_bytes:
                raise MazeError(f"the file is too large: the limit for {path.suffix} is {max_bytes:,} bytes")
            if is_text and data.endswith(b"\r") and chunk.startswith(b"\n"):
                del data[-1:]
            data += chunk.replace(b"\r\n", b"\n") if is_text else chunk
    return data


def read_text(data: bytes | bytearray, legend: str, blanks: bytes = BLANKS) -> bytearray:
    """Normalise line ends, remove blank lines at the end, and check that a text is ASCII and not empty.

    Args:
        data: contents of the file; a bytearray may be changed in place.
        legend: the allowed characters, for the error message.
        blanks: lines at the end that consist only of these characters are removed.

    Returns:
        Normalised text, see the module.

    Raises:
        MazeError: if no line is left, or a character is not ASCII; names its line and column.
    """
    text = normalise_lines(data, blanks)
    if not text:
        raise MazeError("the maze is empty: it has no line of cells")
    check_ascii(text, legend)
    return text


def normalise_lines(data: bytes | bytearray, blanks: bytes = BLANKS) -> bytearray:
    """Convert CRLF to LF, remove a byte order mark and blank lines at the end, and end the last line with LF.

    Args:
        data: contents of the file; a bytearray is changed in place.
        blanks: characters of the lines at the end that are removed as blank.

    Returns:
        Normalised text; empty if no line is left.
    """
    text = data if isinstance(data, bytearray) else bytearray(data)
    if b"\r\n" in text:
        text = text.replace(b"\r\n", b"\n")
    if text.startswith(b"\xef\xbb\xbf"):
        del text[:3]
    end = len(text)
    while end:
        begin = max(0, end - CHUNK)
        kept = len(text[begin:end].rstrip(blanks))
        end = begin + kept
        if kept:
            break
    if end:
        end_of_line = text.find(b"\n", end)
        end = len(text) if end_of_line < 0 else end_of_line
    del text[end:]
    if end:
        text += b"\n"
    return text


def check_ascii(text: bytearray, legend: str, encoding: str = "utf-8") -> None:
    """Check that a text is ASCII.

    Args:
        text: normalised text.
        legend: the allowed characters, for the error message.
        encoding: `utf-8` or `latin-1`; used to name the first character that is not ASCII.

    Raises:
        MazeError: names that character with line and column; or says that the file is not text.
    """
    if text.isascii():
        return
    begin = 0
    while text[begin : begin + CHUNK].isascii():
        begin += CHUNK
    offset = begin + next(i for i, byte in enumerate(text[begin : begin + CHUNK]) if byte > 127)
    length = 1
    while length < 4 and text[offset + length : offset + length + 1] >= b"\x80":
        length += 1
    for end in range(offset + length, offset, -1):  # bytes of the next character may follow at once: try fewer
        with suppress(UnicodeDecodeError):
            letter = text[offset:end].decode(encoding, "surrogatepass")[0]
            raise error_at(f"unknown character {letter!r}; {legend}", text, offset)
    raise MazeError(f"not a text file (byte {offset} is not UTF-8)")


def view_as_grid(text: bytearray, begin: int, width: int, expected: str) -> npt.NDArray[np.uint8]:
    """Return lines of equal length as a (num_lines, width) uint8 view of the text, without a copy.

    Args:
        text: normalised text.
        begin: offset of the first line.
        width: characters per line, without LF.
        expected: where that width comes from, for the error message, such as "the first one 3".

    Raises:
        MazeError: names line and column of the first line that is longer or shorter.
    """
    rows, rest = divmod(len(text) - begin, width + 1)
    grid = np.frombuffer(text, np.uint8, offset=begin)[: rows * (width + 1)].reshape(rows, width + 1)
    is_end = np.arange(width + 1) == width
    uneven = rows if rest else None
    step = max(1, BAND_SIZE // (width + 1))
    for top in range(0, rows, step):
        is_wrong = ((grid[top : top + step] == NEWLINE) != is_end).any(axis=1)
        if is_wrong.any():
            uneven = top + int(is_wrong.argmax())
            break
    if uneven is None:
        return grid[:, :-1]
    first = begin + uneven * (width + 1)
    length = text.find(b"\n", first) - first
    raise error_at(f"this line has {length} characters, {expected}", text, first + min(length, width))


def find_start_offset(text: bytearray, letter: bytes) -> int | None:
    """Return the offset of the start's letter in a text, or None if there is none.

    Raises:
        MazeError: names line and column of a second start.
    """
    first = text.find(letter)
    if first < 0:
        return None
    second = text.find(letter, first + 1)
    if second >= 0:
        raise error_at(f"a second {letter.decode()}; a maze has one start", text, second)
    return first


def error_at(message: str, text: bytearray, offset: int) -> MazeError:
    """Return an error that names line and column of an offset, counted from 1 as editors do, and shows an excerpt."""
    start = text.rfind(b"\n", 0, offset) + 1
    line, column = text.count(b"\n", 0, offset), offset - start
    top = start
    for _ in range(min(line, 3)):
        top = text.rfind(b"\n", 0, top - 1) + 1
    left = max(0, column - 30)
    drawn = []
    for _ in range(7):
        end = text.find(b"\n", top)
        drawn.append(text[min(top + left, end) : min(top + column + 30, end)].decode("utf-8", "replace"))
        top = end + 1
        if top >= len(text):
            break
    excerpt = draw_excerpt(drawn, min(line, 3), column - left)
    return MazeError(f"line {line + 1}, column {column + 1}: {message}\n{excerpt}")


def draw_excerpt(lines: list[str], row: int, column: int) -> str:
    """Return the surroundings of a character in a text, with an arrow below it; row and column count from 0."""
    top, left = max(0, row - 3), max(0, column - 30)
    window = [line[left : column + 30] for line in lines[top : row + 4]]
    window = ["".join(letter if letter.isprintable() else "?" for letter in line) for line in window]
    window.insert(row - top + 1, " " * (column - left) + "^")
    return "\n".join("    " + line for line in window)


def offset_to_place(offset: int, width: int) -> Place:
    """Return (row, column) of an offset in a text whose lines all have `width` characters and an LF."""
    return divmod(offset, width + 1)
