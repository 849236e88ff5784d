"""Reading and writing models as .npz files; a file that is read is not trusted.

An .npz is a zip archive of arrays, each with a header that gives its dtype and shape. Arrays are stored uncompressed,
so a file can't contain more data than its own length; an archive or header that claims more is refused before memory
is allocated. Nothing in a file is evaluated or unpickled.
"""

import io
import re
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import ModelError, SettingError
from clew.files import open_file
from clew.models.labels import labels_as_bytes, labels_of_bytes
from clew.settings import shown

# Name, dtype (little-endian) and number of dimensions of the arrays of each form of model.
SHARED_ARRAYS = {"starts": ("<i4", 1)}
SPARSE_ARRAYS = {
    "offsets": ("<i8", 1),
    "probabilities": ("<f8", 1),
    "next_states": ("<i4", 1),
    "rewards": ("<f8", 1),
    "terminated": ("|b1", 1),
    "num_actions": ("<i8", 0),
} | SHARED_ARRAYS
GRID_ARRAYS = {
    "cells": ("|u1", 2),
    "moving_goal": ("|b1", 0),
    "slip": ("<f8", 0),
    "goal_reward": ("<f8", 0),
    "step_reward": ("<f8", 0),
    "outer_wall_reward": ("<f8", 0),
    "hazard_reward": ("<f8", 0),
} | SHARED_ARRAYS
LABEL_ARRAYS = {"state_labels": ("|u1", 1), "action_labels": ("|u1", 1)}  # which a file may have
ESTIMATE_ARRAYS = {  # which the file of an estimated model has; see `clew.models.estimates`
    "counts": ("<i8", 1),
    "reward_variances": ("<f8", 1),
    "reward_range": ("<f8", 1),
    "confidence": ("<f8", 0),
}
Form = dict[str, tuple[str, int]]
FORMS: tuple[Form, ...] = (SPARSE_ARRAYS, SPARSE_ARRAYS | ESTIMATE_ARRAYS, GRID_ARRAYS)  # of a model

# An array begins with a magic string, version 1.0, the length of the header in two bytes, and the header.
MAGIC, HEADER_OFFSET = b"\x93NUMPY\x01\x00", 10
HEADER = re.compile(
    rb"\{'descr': '([<|][a-z]\d)', 'fortran_order': False, 'shape': \((|\d{1,18},|\d{1,18}, \d{1,18})\), \} *\n"
)
# The exceptions of `zipfile` for files that aren't zip archives or are damaged.
ZIP_ERRORS = (
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


def archive_of(arrays: dict[str, Any]) -> bytes:
    """Return the content of an .npz file with the arrays of a model.

    Args:
        arrays: arguments of `FiniteMDP.grid` or `FiniteMDP.sparse`, by name, labels, and the counts of an estimate.
    """
    kinds = GRID_ARRAYS if "cells" in arrays else SPARSE_ARRAYS | (ESTIMATE_ARRAYS if "counts" in arrays else {})
    columns = {name: np.asarray(arrays[name], dtype) for name, (dtype, _) in kinds.items()}
    columns |= {name: labels_as_bytes(arrays[name]) for name in LABEL_ARRAYS if name in arrays}
    return encode_npz(columns)


def encode_npz(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    """Return the content of an .npz file with arrays of given names, not compressed."""
    archive = io.BytesIO()
    np.savez(archive, **arrays)  # type: ignore[arg-type]  # the stub confuses the keywords with allow_pickle
    return archive.getvalue()


def read_arrays(path: Path, forms: Sequence[Form] = FORMS, what: str = "a model") -> dict[str, Any]:
    """Read the arrays of a model, or of something else, from an .npz file.

    Args:
        path: the file.
        forms: the arrays of each form in which it may be.
        what: what the file holds, for messages.

    Returns:
        Arrays by name, such as the arguments of `FiniteMDP.grid` or `FiniteMDP.sparse`, and labels; scalars are Python
        numbers.

    Raises:
        ModelError: names the file, and says whether it can't be read, is damaged, or isn't what it should be.
    """
    try:
        with open_file(path) as file:
            return _read_archive(path, file, forms, what)
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror or error}") from None
    except ValueError as error:  # the path contains a zero byte; ModelError is a ValueError too
        raise error if isinstance(error, ModelError) else ModelError(f"{path!s}: can't be read: {error}") from None


def _read_archive(path: Path, file: Any, forms: Sequence[Form], what: str) -> dict[str, Any]:
    """Read the arrays of an open .npz file, after checking their names and sizes."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            required = members.keys() - LABEL_ARRAYS.keys()
            form = next((form for form in forms if required == form.keys()), None)
            if form is None or len(members) != len(archive.infolist()):
                names = ", ".join(map(shown, members))[:200]
                raise ModelError(f"{path}: not {what}: it contains {names or 'nothing'}")
            _check_sizes(path, file, archive, what)
            kinds = form | {name: kind for name, kind in LABEL_ARRAYS.items() if name in members}
            arrays = {name: _parse_array(path, name, archive.read(members[name]), *kinds[name]) for name in kinds}
            return arrays | {name: labels_of_bytes(arrays[name]) for name in LABEL_ARRAYS if name in arrays}
    except ModelError:
        raise
    except SettingError as error:  # of labels
        raise ModelError(f"{path}: damaged: {error}") from None
    except ZIP_ERRORS as error:
        raise ModelError(f"{path}: not {what}, or damaged: {error}") from None


def _check_sizes(path: Path, file: Any, archive: zipfile.ZipFile, what: str) -> None:
    """Check that no array is compressed or encrypted, and that all together aren't larger than the file."""
    length = file.seek(0, io.SEEK_END)
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise ModelError(f"{path}: not {what}: {member.filename} is compressed or encrypted, which {what} is not")
    if sum(member.file_size for member in archive.infolist()) > length:
        raise ModelError(f"{path}: damaged: it claims to contain more than its {length:,} bytes")


def _parse_array(path: Path, name: str, data: bytes, dtype: str, dimensions: int) -> Any:
    """Parse the bytes of one array, with the expected dtype and number of dimensions; a scalar is returned as a number.

    Raises:
        ModelError: if the header, the length or a bool is invalid.
    """
    length = int.from_bytes(data[len(MAGIC) : HEADER_OFFSET], "little")
    header = HEADER.fullmatch(data[HEADER_OFFSET : HEADER_OFFSET + length])
    if not data.startswith(MAGIC) or header is None:
        raise ModelError(f"{path}: damaged: {name} has no valid array header")
    shape = tuple(int(size) for size in header[2].decode().split(",") if size.strip())
    if header[1].decode() != dtype or len(shape) != dimensions:
        found = f"{header[1].decode()} of shape {shape}"
        raise ModelError(f"{path}: damaged: {name} must be {dtype} in {dimensions} dimensions, not {found}")
    numbers = data[HEADER_OFFSET + length :]
    if len(numbers) != np.dtype(dtype).itemsize * int(np.prod(shape, dtype=object)):
        raise ModelError(f"{path}: damaged: the data of {name} don't match its shape {shape}")
    if dtype == "|b1" and max(numbers, default=0) > 1:
        raise ModelError(f"{path}: damaged: {name} contains bytes that are neither True nor False")
    array: npt.NDArray[Any] = np.frombuffer(numbers, dtype).reshape(shape)
    return array if dimensions else array.item()
