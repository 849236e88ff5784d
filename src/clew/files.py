"""Files and folders that are written as a whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def neighbour_of(path: Path) -> Path:
    """Return the temporary path beside a file or folder to which it is written first."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def write_file(path: Path, data: bytes) -> None:
    """Write a file as a whole or not at all: to a temporary file, flushed to the disk, which then replaces it.

    Raises:
        OSError: if it can't be written; an existing file of that name is unchanged then.
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
    """Write a folder as a whole or not at all: yield a temporary folder, which is renamed when the block ends.

    Args:
        folder: path of the new folder.

    Yields:
        Path of the temporary folder, to write into.

    Raises:
        OSError: if it can't be written; the temporary folder is removed then, as after any error in the block.
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
    """Flush a file, or the entries of a folder, from the caches of the system to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
