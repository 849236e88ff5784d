"""Writing files so that nothing is ever half-written."""

import os
from pathlib import Path

__all__ = ["write_file"]


def write_file(path: Path, data: bytes) -> None:
    """Write a whole file or nothing: into a neighbour first, flushed to the disk, then put in place.

    Raises:
        OSError: as the system says; an older file of that name is then as it was.
    """
    neighbour = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with neighbour.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        neighbour.replace(path)
    finally:
        neighbour.unlink(missing_ok=True)
