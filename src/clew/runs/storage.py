"""Run folders: what a run was told, what it learned and how it went, as JSON, CSV and plain arrays, never a pickle.

    config.json    the settings, a `TrainingConfig`
    maze.txt       the maze, in our own format, so that a run stands without the file it was made from
    q.npy          the table of action values
    metrics.csv    one row a round
    trace.csv      one row for each thing that driver, object store and actors did, see `clew.tracing.trace`
    summary.json   the grade, and the SHA-256 of the table, by which damage is noticed

A folder appears whole or not at all. While a run is under way there is a folder beside it, RUN.partial, with the
settings, the maze, and checkpoints.
"""

import csv
import hashlib
import io
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import ClewError, RunError
from clew.files import neighbour_of, new_folder, write_file
from clew.mazes import Maze
from clew.tracing.trace import Event, from_csv, to_csv

__all__ = [
    "SavedRun",
    "begin_run",
    "check_new_folder",
    "for_json",
    "is_there",
    "load_begun",
    "load_run",
    "partial_of",
    "save_run",
    "table_sha256",
]


@dataclass(frozen=True, eq=False)
class SavedRun:
    """What a run folder holds.

    Attributes:
        config: settings, as JSON says them.
        maze: the maze.
        q: (num_states, num_actions) float32, action values.
        metrics: one dictionary a round.
        summary: the grade and figures of the run.
        trace: what was done by whom; None in runs from before there was one.
    """

    config: dict[str, Any]
    maze: Maze | None  # None for a world that is no maze
    q: npt.NDArray[np.float32]
    metrics: list[dict[str, Any]]
    summary: dict[str, Any]
    trace: Sequence[Event] | None = None


def table_sha256(q: npt.NDArray[np.float32]) -> str:
    """SHA-256 of the table's bytes, float32, little-endian, in C order."""
    return hashlib.sha256(np.ascontiguousarray(q, dtype="<f4").tobytes()).hexdigest()


def for_json(figures: dict[str, Any]) -> dict[str, Any]:
    """The same figures with None for those that are infinite or unknown, which JSON can't say."""
    return {
        name: None if isinstance(figure, float) and not math.isfinite(figure) else figure
        for name, figure in figures.items()
    }


def is_there(folder: str | Path) -> bool:
    """Tell if there is anything but an empty folder."""
    folder = Path(folder)
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def check_new_folder(folder: str | Path) -> None:
    """Make sure that a run can be saved here, before any work is done for it.

    Raises:
        RunError: if something is there already, or the place can't be written.
    """
    folder = Path(folder).absolute()
    try:
        if folder.is_symlink() or is_there(folder):
            raise RunError(f"{folder}: already exists; give a new folder")
        above = next(parent for parent in folder.parents if parent.exists())
        if not above.is_dir():
            raise RunError(f"{folder}: can't be written: {above} is not a folder")
        if not os.access(above, os.W_OK):
            raise RunError(f"{folder}: can't be written: no permission in {above}")
        neighbour_of(folder).exists()  # raises if the name is too long
    except OSError as error:
        raise RunError(f"{folder}: can't be written: {error.strerror}") from None


def save_run(folder: str | Path, run: SavedRun) -> None:
    """Write a run folder, whole or not at all.

    Raises:
        RunError: if the folder exists already, or can't be written.
    """
    folder = Path(folder).absolute()
    check_new_folder(folder)
    rows = io.StringIO()
    if run.metrics:
        writer = csv.DictWriter(rows, list(run.metrics[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(run.metrics)
    table = io.BytesIO()
    np.save(table, run.q, allow_pickle=False)
    contents = {
        "config.json": _to_json(run.config),
        "q.npy": table.getvalue(),
        "metrics.csv": rows.getvalue().encode(),
        "summary.json": _to_json({**run.summary, "table_sha256": table_sha256(run.q)}),
    }
    if run.maze is not None:
        contents["maze.txt"] = run.maze.to_text().encode()
    if run.trace is not None:
        contents["trace.csv"] = to_csv(run.trace).encode()
    try:
        with new_folder(folder) as place:
            for name, data in contents.items():
                write_file(place / name, data)
    except OSError as error:
        raise RunError(f"{folder}: can't be written: {error.strerror}") from None


PARTIAL = ".partial"


def partial_of(folder: str | Path) -> Path:
    """The folder of a run that is under way."""
    folder = Path(folder).absolute()
    return folder.with_name(f"{folder.name}{PARTIAL}")


def begin_run(folder: str | Path, config: dict[str, Any], maze: Maze | None) -> Path:
    """Make the folder of a run that is under way, and give it.

    Raises:
        RunError: if there is such a run, or such a folder, or it can't be written.
    """
    folder = Path(folder).absolute()
    check_new_folder(folder)
    partial = partial_of(folder)
    if partial.exists():
        raise RunError(f"{partial}: a run was begun there; go on with `clew train --resume {folder}`, or remove it")
    try:
        with new_folder(partial) as place:
            write_file(place / "config.json", _to_json(config))
            if maze is not None:
                write_file(place / "maze.txt", maze.to_text().encode())
    except OSError as error:
        raise RunError(f"{partial}: can't be written: {error.strerror}") from None
    return partial


def load_begun(folder: str | Path) -> tuple[dict[str, Any], Maze | None]:
    """The settings and the maze of a run that was begun, and hasn't ended.

    Raises:
        RunError: if there is none, or it is damaged.
    """
    partial, path = partial_of(folder), Path(folder)
    if path.name.endswith(PARTIAL) and path.is_dir():
        run = path.with_name(path.name.removesuffix(PARTIAL))
        raise RunError(f"{folder}: is what is kept of a run that was begun; give {run}")
    if is_there(folder):
        left = f"; what is left in {partial} can be removed" if partial.exists() else ""
        raise RunError(f"{folder}: this run has ended{left}")
    if not partial.is_dir():
        raise RunError(f"{partial}: no run was begun there; `clew train --out {folder}` begins one")
    return _read_json(partial / "config.json"), _read_maze(partial / "maze.txt")


def load_run(folder: str | Path) -> SavedRun:
    """Read a run folder.

    Raises:
        RunError: names the file that is missing, damaged or of another kind.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(f"{folder}: there is no such run folder; `clew train --out {folder}` makes one")
    if not (folder / "config.json").exists() and any(folder.glob("*/config.json")):
        raise RunError(
            f"{folder}: holds run folders, and isn't one; give one of them, or {folder}/* where several may stand"
        )
    config, summary = _read_json(folder / "config.json"), _read_json(folder / "summary.json")
    maze = _read_maze(folder / "maze.txt")
    try:
        q = np.load(io.BytesIO(_read(folder / "q.npy")), allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise RunError(f"{folder / 'q.npy'}: not a NumPy array: {str(error).splitlines()[0]}") from None
    if not isinstance(q, np.ndarray) or q.dtype != np.float32 or q.ndim != 2:
        raise RunError(f"{folder / 'q.npy'}: not a table of float32 action values")
    if table_sha256(q) != summary.get("table_sha256"):
        raise RunError(f"{folder / 'q.npy'}: damaged: its SHA-256 is not the one in summary.json")
    try:
        text = _read(folder / "metrics.csv").decode()
    except UnicodeDecodeError as error:
        raise RunError(f"{folder / 'metrics.csv'}: damaged: {error}") from None
    trace = _read_trace(folder / "trace.csv")
    return SavedRun(config, maze, q, list(csv.DictReader(io.StringIO(text))), summary, trace)


def _read_trace(path: Path) -> list[Event] | None:
    if not path.exists():
        return None
    try:
        return from_csv(_read(path).decode())
    except ValueError as error:
        raise RunError(f"{path}: damaged: {error}") from None


def _to_json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: can't be read: {error.strerror}") from None


def _read_maze(path: Path) -> Maze | None:
    if not path.exists():
        return None
    try:
        return Maze.from_text(_read(path).decode())
    except (ClewError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: damaged: {error}") from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged: {error}") from None
    if not isinstance(content, dict):
        raise RunError(f"{path}: damaged: expected an object, found {type(content).__name__}")
    return content
