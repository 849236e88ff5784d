"""Text in lines: read within a limit, cut into a grid of bytes, complained of by line and column.

Every format here is written in ASCII, so a byte is a character, and a whole file is checked and turned into cells as an
array of bytes. Nothing takes more memory than the file itself and a band of it.
"""

from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clew.errors import MazeError
from clew.mazes.formats.cells import BAND, Place

__all__ = [
    "NEWLINE",
    "check_ascii",
    "complain",
    "cut",
    "draw_place",
    "find_start",
    "place_at",
    "read_bytes",
    "read_text",
    "tidy",
]

CHUNK = 2**16
NEWLINE = 10
BLANKS = b" \t\n\r\x0b\x0c"


def read_bytes(path: Path, most: int, *, is_text: bool) -> bytearray:
    """Read a file of at most so many bytes; of a text, CRLF becomes LF on the way, which takes no second copy.

    Raises:
        MazeError: if the file is larger, of which no more than that is read, or has a name that no file can have.
        OSError: if it can't be read.
    """
    data = bytearray()
    num_bytes = 0
    if "\0" in str(path):  # a ValueError of the system's
        raise MazeError("can't be read: there is a zero byte in its name")
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            while is_text and chunk.endswith(b"\r") and (more := file.read(1)):
                chunk += more
            num_bytes += len(chunk)
            if num_bytes > most:
                raise MazeError(f"the file is too large: the limit for {path.suffix} is {most:,} bytes")
            data += chunk.replace(b"\r\n", b"\n") if is_text else chunk
    return data


def read_text(data: bytes | bytearray, legend: str, blanks: bytes = BLANKS) -> bytearray:
    """A text of one character a byte, whose every line ends in LF.

    Args:
        data: the text; a bytearray is changed in place.
        legend: the characters that may stand there, as an error names them.
        blanks: what a line at the end may hold and be dropped.

    Raises:
        MazeError: if nothing is in it, or names line and column of a character that is no byte.
    """
    text = tidy(data, blanks)
    if not text:
        raise MazeError("the maze is empty: it has no line of cells")
    check_ascii(text, legend)
    return text


def tidy(data: bytes | bytearray, blanks: bytes = BLANKS) -> bytearray:
    """A text whose every line ends in LF, without a mark of byte order, and without blank lines at the end.

    Args:
        data: the text; a bytearray is changed in place.
        blanks: what a line at the end may hold and be dropped.

    Returns:
        The text; empty if no line is left.
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
    """Check that every byte is a character of its own.

    Args:
        text: tidied text.
        legend: the characters that may stand there, as the error names them.
        encoding: of the first that isn't one of them, `utf-8` or `latin-1`.

    Raises:
        MazeError: names line and column of the first that isn't, or says that this is no text.
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
    for end in range(offset + length, offset, -1):  # the next character may follow at once
        with suppress(UnicodeDecodeError):
            letter = text[offset:end].decode(encoding, "surrogatepass")[0]
            raise complain(f"unknown character {letter!r}; {legend}", text, offset)
    raise MazeError(f"not a text file (byte {offset} is not UTF-8)")


def cut(text: bytearray, begin: int, width: int, wanted: str) -> npt.NDArray[np.uint8]:
    """The lines from an offset on as a grid of bytes, without a copy.

    Args:
        text: tidied text.
        begin: offset of the first line.
        width: characters that each line must have.
        wanted: who says so, as the error puts it, such as "the first one 3".

    Raises:
        MazeError: names the first line that is longer or shorter.
    """
    rows, rest = divmod(len(text) - begin, width + 1)
    grid = np.frombuffer(text, np.uint8, offset=begin)[: rows * (width + 1)].reshape(rows, width + 1)
    is_end = np.arange(width + 1) == width
    uneven = rows if rest else None
    step = max(1, BAND // (width + 1))
    for top in range(0, rows, step):
        is_wrong = ((grid[top : top + step] == NEWLINE) != is_end).any(axis=1)
        if is_wrong.any():
            uneven = top + int(is_wrong.argmax())
            break
    if uneven is None:
        return grid[:, :-1]
    first = begin + uneven * (width + 1)
    length = text.find(b"\n", first) - first
    raise complain(f"this line has {length} characters, {wanted}", text, first + min(length, width))


def find_start(text: bytearray, letter: bytes, begin: int = 0) -> int | None:
    """Offset of the one start, or None.

    Raises:
        MazeError: if there are two.
    """
    first = text.find(letter, begin)
    if first < 0:
        return None
    second = text.find(letter, first + 1)
    if second >= 0:
        raise complain(f"a second {letter.decode()}; a maze has one start", text, second)
    return first


def complain(message: str, text: bytearray, offset: int) -> MazeError:
    """An error that names line and column (from 1, as editors count), and draws the place."""
    start = text.rfind(b"\n", 0, offset) + 1
    line, column = text.count(b"\n", 0, offset), offset - start
    top = start
    for _ in range(min(line, 3)):
        top = text.rfind(b"\n", 0, top - 1) + 1
    left = max(0, column - 30)
    drawn = []
    for _ in range(7):
        end = text.find(b"\n", top)
        end = len(text) if end < 0 else end
        drawn.append(text[min(top + left, end) : min(top + column + 30, end)].decode("utf-8", "replace"))
        top = end + 1
        if top >= len(text):
            break
    return MazeError(
        f"line {line + 1}, column {column + 1}: {message}\n{draw_place(drawn, min(line, 3), column - left)}"
    )


def draw_place(lines: list[str], row: int, column: int) -> str:
    """The surroundings of a place in a text, with an arrow under it; rows and columns count from 0."""
    top, left = max(0, row - 3), max(0, column - 30)
    window = [line[left : column + 30] for line in lines[top : row + 4]]
    window = ["".join(letter if letter.isprintable() else "?" for letter in line) for line in window]
    window.insert(row - top + 1, " " * (column - left) + "^")
    return "\n".join("    " + line for line in window)


def place_at(offset: int, begin: int, width: int) -> Place:
    """Row and column, in lines of a width that begin there, of an offset in the text."""
    row, column = divmod(offset - begin, width + 1)
    return row, column
