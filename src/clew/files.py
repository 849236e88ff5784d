"""Writing files and folders so that nothing is ever half-written."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["neighbour_of", "new_folder", "sync", "write_file"]


def neighbour_of(path: Path) -> Path:
    """Where something is written before it is put in place."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def write_file(path: Path, data: bytes) -> None:
    """Write a whole file or nothing: into a neighbour first, flushed to the disk, then put in place.

    Raises:
        OSError: as the system says; an older file of that name is then as it was.
    """
    neighbour = neighbour_of(path)
    try:
        with neighbour.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        neighbour.replace(path)
    finally:
        neighbour.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Write a whole folder or nothing: gives a neighbour to write into, which is put in place at the end.

    Raises:
        OSError: as the system says; nothing is then left of it.
    """
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
    """Have a file, or the names in a folder, written to the disk itself."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
