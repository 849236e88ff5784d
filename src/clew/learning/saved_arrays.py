"""The state of a training as arrays by name: collected to be saved, and loaded again.

A name is the path to the array in nested named tuples, dictionaries, lists and learners, such as `learner.rule.q.flat`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import RunError
from clew.kernels import read_only
from clew.learning.learner import Learner, grow_model

Arrays = Mapping[str, npt.NDArray[Any]]


def _parts_of(content: Any) -> dict[str, Any]:
    """Return the parts of a learner, dictionary, list or named tuple by name; empty for anything else."""
    if isinstance(content, Learner):
        return {name: getattr(content, name) for name in ("q", "rule", "visits", "counts")}
    if isinstance(content, dict):
        return content
    if isinstance(content, tuple | list):
        names = getattr(content, "_fields", None) or map(str, range(len(content)))
        return dict(zip(names, content, strict=True))
    return {}


def _walk(content: Any, name: str) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Yield (name, array) of all arrays in nested content that are not empty; names begin with `name`."""
    if isinstance(content, np.ndarray) and content.size:
        yield name, content
    for part, inner in _parts_of(content).items():
        yield from _walk(inner, f"{name}.{part}" if name else part)


def arrays_of(content: Any, name: str = "") -> dict[str, npt.NDArray[Any]]:
    """Return all arrays in nested named tuples, dictionaries, lists and learners, by the path to them.

    Of several views of the same memory only the first is returned.

    Args:
        content: nested content.
        name: first part of all paths.
    """
    found: dict[tuple[int, int], tuple[str, npt.NDArray[Any]]] = {}
    for path, array in _walk(content, name):
        found.setdefault((array.ctypes.data, array.nbytes), (path, array))
    return dict(found.values())


def load_arrays(content: Any, arrays: Arrays, name: str) -> None:
    """Overwrite all arrays in nested content with the saved arrays of the same names, in place.

    Raises:
        RunError: if one is missing, or has another shape or type.
    """
    for path, array in arrays_of(content, name).items():
        array[...] = _saved_array(arrays, path, array)


def load_read_only(content: Any, arrays: Arrays, name: str) -> Any:
    """Return nested named tuples and lists of the same form, which hold the saved arrays, read-only.

    Raises:
        RunError: if one is missing, or has another shape or type.
    """
    if isinstance(content, np.ndarray):
        return read_only(_saved_array(arrays, name, content)) if content.size else content
    parts = [load_read_only(inner, arrays, f"{name}.{part}") for part, inner in _parts_of(content).items()]
    return type(content)(*parts) if hasattr(content, "_fields") else type(content)(parts)


def load_learner(learner: Learner, arrays: Arrays, name: str) -> Learner:
    """Overwrite the arrays of a learner with the saved ones, and return it; another one if its model had grown.

    Raises:
        RunError: if an array is missing, or has another shape or type.
    """
    pairs = f"{name}.rule.model.pairs"
    if learner.model_grows and pairs in arrays:
        learner = grow_model(learner, max(0, arrays[pairs].size - learner.rule.model.pairs.size))
    load_arrays(learner, arrays, name)
    return learner


def _saved_array(arrays: Arrays, name: str, expected: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the saved array of a name.

    Raises:
        RunError: if it is missing, or differs from the expected array in shape or type.
    """
    array = arrays.get(name)
    if array is None or array.shape != expected.shape or array.dtype != expected.dtype:
        found = "nothing" if array is None else f"{array.dtype} and {array.shape}"
        raise RunError(
            f"the checkpoint doesn't fit this training: expected {name} of {expected.dtype} and {expected.shape}, got "
            f"{found}"
        )
    return array


def metrics_to_arrays(rows: list[Any]) -> dict[str, npt.NDArray[Any]]:
    """Return a list of dataclasses of numbers as a dictionary of arrays, one for each field."""
    return {
        each.name: np.array([getattr(row, each.name) for row in rows]) for each in (fields(rows[0]) if rows else ())
    }


def metrics_from_arrays(kind: Any, arrays: Arrays, name: str) -> list[Any]:
    """Return the list of dataclasses of a kind that `metrics_to_arrays` made the saved arrays `name.FIELD` of."""
    columns = [arrays[f"{name}.{each.name}"].tolist() for each in fields(kind) if f"{name}.{each.name}" in arrays]
    return [kind(*row) for row in zip(*columns, strict=True)]
