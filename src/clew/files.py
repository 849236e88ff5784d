"""Files and folders that are written as a whole or not at all, and files that are read."""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, BufferedWriter
from pathlib import Path

from clew.errors import ClewError


def neighbour_of(path: Path) -> Path:
    """Return the temporary path beside a file or folder to which it is written first."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


# How files of a kind begin; what begins otherwise is a text, or data if it holds a zero byte.
KINDS = {
    "a PNG picture": (b"\x89PNG",),
    "a GIF film": (b"GIF8",),
    "a PGM picture": (b"P2\n", b"P2 ", b"P5\n", b"P5 "),
    "an archive": (b"PK\x03\x04", b"PK\x05\x06"),
    "a PDF": (b"%PDF",),
    "an SVG picture": (b"<svg", b"<?xml"),
    "an HTML page": (b"<!doctype html", b"<!DOCTYPE html"),
    "JSON": (b"{", b"["),
}
HEAD = 1024  # bytes by which all kinds but texts are recognised
MAX_TEXT = 2**26  # bytes of a text that are searched for a drawing
# Drawings in text, see `clew.rendering.text`: under a title, if there is one, arrows, or blocks of cells with a legend.
ARROWS, BESIDE_ARROWS = set("↓←↑→↙↖↗↘·"), set("G#█+-| \n")
BLOCKS = set(b".0123456789#!*SG\n")
LEGEND = re.compile(
    rb"\n(0 to 9: |(greedy|optimal) path, |the greedy path does not |1 character shows |walls between cells are not )"
)


def kind_of(data: bytes) -> str:
    """Return what kind of file has this content, in words: by its first bytes, or for a drawing in text by all."""
    for kind, starts in KINDS.items():
        if data.startswith(starts):
            return kind
    if b"\0" in data[:HEAD]:
        return "data"
    return "a drawing in text" if _is_drawing(data) else "a text"


def _is_drawing(data: bytes) -> bool:
    """Return whether a text is a drawing as Clew saves it, of a policy or of numbers."""
    if legend := LEGEND.search(data):
        first, _, rest = data[: legend.start()].partition(b"\n")
        return BLOCKS.issuperset(rest or first)
    if b"\xe2\x86" not in data and b"\xc2\xb7" not in data:  # of arrows and of the dot, as a maze may be large
        return False
    title, _, drawn = data.decode(errors="replace").partition("\n")
    letters = set(drawn or title)
    return bool(letters & ARROWS) and letters <= ARROWS | BESIDE_ARROWS


def write_file(path: Path, data: bytes) -> None:
    """Write a file as a whole or not at all, see `new_file`."""
    with new_file(path, data) as file:
        file.write(data)


@contextmanager
def new_file(path: Path, head: bytes) -> Iterator[BufferedWriter]:
    """Write a file as a whole or not at all: yield a temporary file, which is flushed to the disk and then replaces it.

    Args:
        path: the file.
        head: its first bytes, which tell its kind.

    Raises:
        OSError: if it can't be written, or there is something else than a file of the same kind; that is unchanged.
    """
    check_name(path)
    check_target(path, head)
    neighbour = neighbour_of(path)
    try:
        with neighbour.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        neighbour.replace(path)
    finally:
        neighbour.unlink(missing_ok=True)


def save_file(path: Path, data: bytes, failure: Callable[[str], ClewError]) -> None:
    """Write a file as `write_file` does, with an error of ours if it can't be written.

    Args:
        path: the file.
        data: its content.
        failure: class of that error, such as `RunError`; its message names the file and the reason.
    """
    try:
        write_file(path, data)
    except OSError as error:
        raise failure(f"{path}: can't be written: {error.strerror}") from None


def check_place(path: Path, head: bytes, failure: Callable[[str], ClewError]) -> None:
    """Check, before work is done for it, that a file can be written; with an error of ours if it can't.

    Args:
        path: the file.
        head: its first bytes, which tell its kind.
        failure: as for `save_file`.
    """
    neighbour = neighbour_of(path)
    try:
        check_name(path)
        check_target(path, head)
        try:
            neighbour.touch()
        finally:
            neighbour.unlink(missing_ok=True)
    except OSError as error:
        raise failure(f"{path}: can't be written: {error.strerror}") from None


def check_name(path: Path) -> None:
    """Check that a file can have a name; raise OSError if it holds a zero byte."""
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "its name holds a zero byte", str(path))


def check_target(path: Path, data: bytes) -> None:
    """Check that writing a file would replace nothing but a file of the same kind.

    Raises:
        OSError: if it would.
    """
    if path.is_symlink():
        raise OSError(errno.EEXIST, "there is a symbolic link of that name; give another name")
    if path.exists():
        with open_file(path) as file:
            there = file.read(HEAD)
            if kind_of(there) == "a text":
                there += file.read(MAX_TEXT)
        if there and kind_of(there) != kind_of(data):
            raise OSError(
                errno.EEXIST, f"there is {kind_of(there)} of that name, not {kind_of(data)}; give another name"
            )


def open_file(path: Path) -> BufferedReader:
    """Open a file to read; a folder, a pipe or a device is an OSError, since it may have no end.

    Raises:
        OSError: if it can't be opened.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is a folder" if path.is_dir() else "it is not a regular file", str(path))
    return path.open("rb")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Write a folder as a whole or not at all: yield a temporary folder, which is renamed when the block ends.

    Args:
        folder: path of the new folder.

    Yields:
        Path of the temporary folder, to write into.

    Raises:
        OSError: if it can't be written; the temporary folder is removed then, as after any error in the block.
    """
    check_name(folder)
    neighbour = neighbour_of(folder)
    try:
        neighbour.mkdir(parents=True)
        yield neighbour
        sync(neighbour)
        neighbour.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(neighbour, ignore_errors=True)


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, from the caches of the system to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
