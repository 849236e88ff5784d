"""Models in files: arrays in an .npz, read without trusting a word of it.

An .npz is a zip archive of arrays, each with a header that says its type and shape. Here they are stored as they are,
not compressed, so that no file holds more than its own length: what an archive or a header claims beyond that is
refused before memory is taken for it. Nothing in a file is evaluated or unpickled.
"""

import io
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import ModelError
from clew.files import write_file

__all__ = ["read_arrays", "write_arrays"]

# Name, type and number of dimensions of what each form is made of; "<" is the order of bytes.
BOTH = {"starts": ("<i4", 1)}
SPARSE = {
    "offsets": ("<i8", 1),
    "probabilities": ("<f8", 1),
    "next_states": ("<i4", 1),
    "rewards": ("<f8", 1),
    "terminated": ("|b1", 1),
    "num_actions": ("<i8", 0),
} | BOTH
GRID = {
    "cells": ("|u1", 2),
    "moving_goal": ("|b1", 0),
    "slip": ("<f8", 0),
    "goal_reward": ("<f8", 0),
    "step_reward": ("<f8", 0),
    "outer_wall_reward": ("<f8", 0),
    "hazard_reward": ("<f8", 0),
} | BOTH

# What NumPy writes before the numbers: its magic, version 1.0, the length of the header, and the header.
MAGIC, HEAD_BYTES = b"\x93NUMPY\x01\x00", 10
HEADER = re.compile(
    rb"\{'descr': '([<|][a-z]\d)', 'fortran_order': False, 'shape': \((|\d{1,18},|\d{1,18}, \d{1,18})\), \} *\n"
)
# What the module for zip archives raises if an archive is none, or says what can't be.
DAMAGE = (
    zipfile.BadZipFile,
    struct.error,
    ValueError,
    EOFError,
    OSError,
    RuntimeError,
    LookupError,
    OverflowError,
    MemoryError,
)


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write the arrays of a model to a file, whole or not at all.

    Raises:
        ModelError: if it can't be written.
    """
    kinds = GRID if "cells" in arrays else SPARSE
    columns = {name: np.asarray(arrays[name], dtype) for name, (dtype, _) in kinds.items()}
    archive = io.BytesIO()
    np.savez(archive, **columns)  # type: ignore[arg-type]  # its stub takes the last keyword for allow_pickle
    try:
        write_file(path, archive.getvalue())
    except OSError as error:
        raise ModelError(f"{path}: can't be written: {error.strerror}") from None
    except ValueError as error:  # no name, or one with a zero byte in it
        raise ModelError(f"{path}: can't be written: {error}") from None


def read_arrays(path: Path) -> dict[str, Any]:
    """Read the arrays of a model; numbers by themselves as Python's.

    Raises:
        ModelError: names the file, and says if it can't be read, is damaged, or is of another kind.
    """
    try:
        with path.open("rb") as file:
            return _read(path, file)
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror or error}") from None
    except ValueError as error:  # a path with a zero byte in it; ModelError is one as well
        raise error if isinstance(error, ModelError) else ModelError(f"{path!s}: can't be read: {error}") from None


def _read(path: Path, file: Any) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            form = next((form for form in (SPARSE, GRID) if members.keys() == form.keys()), None)
            if form is None or len(members) != len(archive.infolist()):
                raise ModelError(f"{path}: not a model: it holds {', '.join(members)[:200] or 'nothing'}")
            _check_sizes(path, file, archive)
            return {name: _array(path, name, archive.read(members[name]), *form[name]) for name in form}
    except ModelError:
        raise
    except DAMAGE as error:
        raise ModelError(f"{path}: not a model, or damaged: {error}") from None


def _check_sizes(path: Path, file: Any, archive: zipfile.ZipFile) -> None:
    """No member is compressed or encrypted, and together they aren't larger than the file."""
    length = file.seek(0, io.SEEK_END)
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise ModelError(f"{path}: not a model: {member.filename} is compressed or encrypted, and models are not")
    if sum(member.file_size for member in archive.infolist()) > length:
        raise ModelError(f"{path}: damaged: it claims to hold more than its {length:,} bytes")


def _array(path: Path, name: str, data: bytes, dtype: str, dimensions: int) -> Any:
    """The array in a member, of its type and number of dimensions; a number as Python's."""
    length = int.from_bytes(data[len(MAGIC) : HEAD_BYTES], "little")
    header = HEADER.fullmatch(data[HEAD_BYTES : HEAD_BYTES + length])
    if not data.startswith(MAGIC) or header is None:
        raise ModelError(f"{path}: damaged: {name} has no header of a plain array")
    shape = tuple(int(size) for size in header[2].decode().split(",") if size.strip())
    if header[1].decode() != dtype or len(shape) != dimensions:
        found = f"{header[1].decode()} of the shape {shape}"
        raise ModelError(f"{path}: damaged: {name} must be {dtype} in {dimensions} dimensions, not {found}")
    numbers = data[HEAD_BYTES + length :]
    if len(numbers) != np.dtype(dtype).itemsize * int(np.prod(shape, dtype=object)):
        raise ModelError(f"{path}: damaged: {name} doesn't hold the numbers that its shape, {shape}, tells of")
    if dtype == "|b1" and max(numbers, default=0) > 1:
        raise ModelError(f"{path}: damaged: {name} holds bytes that are neither True nor False")
    array: npt.NDArray[Any] = np.frombuffer(numbers, dtype).reshape(shape)
    return array if dimensions else array.item()
