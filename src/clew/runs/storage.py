"""Run folders: the configuration, the values and the metrics of a run as JSON, CSV and plain arrays, never as a pickle.

    config.json    the settings, a `TrainingConfig`
    maze.txt       the maze in our own format, so that a run doesn't need the file that its maze was read from
    model.npz      the model instead, if the world is a model in a file
    q.npy          the table of action values
    metrics.csv    one row per round
    trace.csv      one row per event of the driver, the object store and the actors, see `clew.tracing.trace`
    summary.json   the grade, and the SHA-256 of the table and of each other file, by which damage and edits are noticed

A run folder is written whole or not at all, and refused if one of these files was changed later. While a run is
trained, there is a folder beside it, RUN.partial, with the settings, the maze, the checkpoints and the lock of the
process that trains it.
"""

import csv
import hashlib
import io
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import ClewError, RunError, SettingError
from clew.files import neighbour_of, new_folder, open_file, write_file
from clew.learning.algorithms import ALGORITHMS
from clew.mazes import Maze
from clew.models.mdp import FiniteMDP
from clew.policies.behaviours import BEHAVIOURS
from clew.runs.configuration import TrainingConfig
from clew.tracing.trace import Event, from_csv, to_csv

FILES = "files"  # key of summary.json: the SHA-256 of each file below, by name; that of the table has its own key
HASHED = {  # True if every run has it
    "config.json": True,
    "metrics.csv": True,
    "maze.txt": False,
    "model.npz": False,
    "trace.csv": False,
}
PARTIAL = ".partial"
RAY_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # environment variable that is set in a job of Ray
RAY_FOLDER = "runtime_resources"  # folder in which Ray makes the working folder of a job


@dataclass(frozen=True, eq=False)
class SavedRun:
    """Content of a run folder.

    Attributes:
        config: settings, as a dictionary from JSON.
        maze: the maze, or the model if the world is a file with one; None if it is neither.
        q: (num_states, num_actions) float32, action values.
        metrics: a dictionary per round.
        summary: the grade and other figures of the run.
        trace: events of the run; None if it was saved without them.
    """

    config: dict[str, Any]
    maze: Maze | FiniteMDP | None
    q: npt.NDArray[np.float32]
    metrics: list[dict[str, Any]]
    summary: dict[str, Any]
    trace: Sequence[Event] | None = None


def table_sha256(q: npt.NDArray[np.float32]) -> str:
    """Return the SHA-256 of the bytes of a table: float32, little-endian, in C order."""
    return hashlib.sha256(np.ascontiguousarray(q, dtype="<f4").tobytes()).hexdigest()


def finite_or_none(figures: dict[str, Any]) -> dict[str, Any]:
    """Return figures with None instead of infinity and NaN, which JSON doesn't have."""
    return {
        name: None if isinstance(figure, float) and not math.isfinite(figure) else figure
        for name, figure in figures.items()
    }


def is_occupied(folder: str | Path) -> bool:
    """Return whether a path is a file, or a folder with something in it."""
    folder = Path(folder)
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def check_new_folder(folder: str | Path) -> None:
    """Check that a run can be saved to a folder, before any work is done for it.

    Raises:
        RunError: if the folder is occupied, or can't be written.
    """
    folder = Path(folder).absolute()
    try:
        if folder.is_symlink() or is_occupied(folder):
            raise RunError(f"{folder}: already exists; give a new folder")
        above = next(parent for parent in folder.parents if parent.exists())
        if not above.is_dir():
            raise RunError(f"{folder}: can't be written: {above} is not a folder")
        if not os.access(above, os.W_OK):
            raise RunError(f"{folder}: can't be written: no permission in {above}")
        neighbour_of(folder).exists()  # raises an error if the name is too long
    except OSError as error:
        raise RunError(f"{folder}: can't be written: {error.strerror}") from None


def save_run(folder: str | Path, run: SavedRun) -> None:
    """Write a run folder, whole or not at all.

    Raises:
        RunError: if the folder is occupied, or can't be written.
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
        "metrics.csv": rows.getvalue().encode(),
        **_world_file(run.maze),
    }
    if run.trace is not None:
        contents["trace.csv"] = to_csv(run.trace).encode()
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    summary = _to_json({**run.summary, "table_sha256": table_sha256(run.q), FILES: hashes})
    _write_folder(folder, {**contents, "q.npy": table.getvalue(), "summary.json": summary})


def _write_folder(folder: Path, contents: dict[str, bytes]) -> None:
    """Write files into a new folder, all or none."""
    try:
        with new_folder(folder) as place:
            for name, data in contents.items():
                write_file(place / name, data)
    except OSError as error:
        raise RunError(f"{folder}: can't be written: {error.strerror}") from None


def partial_folder(folder: str | Path) -> Path:
    """Return the folder beside a run folder in which settings, maze and checkpoints are while the run is trained."""
    folder = Path(folder).absolute()
    return folder.with_name(f"{folder.name}{PARTIAL}")


def create_partial_folder(folder: str | Path, config: dict[str, Any], maze: Maze | FiniteMDP | None) -> None:
    """Create RUN.partial with the settings and the maze or model of a run that is about to be trained.

    Args:
        folder: where the run will be saved, RUN.
        config: settings, as a dictionary that JSON can hold.
        maze: the maze or model; None if the world is neither.

    Raises:
        RunError: if RUN or RUN.partial exists, can't be written, or would be deleted by Ray at the end of a job.
    """
    folder = Path(folder).absolute()
    if RAY_JOB in os.environ and RAY_FOLDER in folder.parts:
        raise RunError(
            f"{folder}: Ray deletes the working folder of a job when it has ended; give a path outside it, such as "
            f"/shared/runs/{folder.name}"
        )
    check_new_folder(folder)
    partial = partial_folder(folder)
    if partial.exists():
        raise RunError(f"{partial}: a run was begun there; go on with `clew train --resume {folder}`, or remove it")
    _write_folder(partial, {"config.json": _to_json(config), **_world_file(maze)})


def load_partial_folder(folder: str | Path) -> tuple[dict[str, Any], Maze | FiniteMDP | None]:
    """Return the settings and the maze or model of a run that was stopped before its end.

    Args:
        folder: where the run will be saved, RUN; RUN.partial is read.

    Raises:
        RunError: if there is no such run, it has ended, or a file is damaged.
    """
    partial, path = partial_folder(folder), Path(folder)
    if path.name.endswith(PARTIAL) and path.is_dir():
        run = path.with_name(path.name.removesuffix(PARTIAL))
        raise RunError(f"{folder}: holds the checkpoints of a run that was stopped; give {run}")
    if (path / "config.json").exists():
        rest = f"; {partial} can be removed" if partial.exists() else ""
        raise RunError(f"{folder}: this run has ended{rest}")
    if not partial.is_dir():
        raise RunError(f"{partial}: no run was begun there; `clew train --out {folder}` begins one")
    config = partial / "config.json"
    return _parse_config(config, _read(config)), _read_world(partial)


def load_run(folder: str | Path) -> SavedRun:
    """Read a run folder.

    Raises:
        RunError: if a file is missing, was changed after the run was saved, or is damaged; the message names it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        command = f"clew train {folder} --out DIR" if folder.is_file() else f"clew train --out {folder}"
        raise RunError(f"{folder}: there is no such run folder; `{command}` makes one")
    if not (folder / "config.json").exists() and any(folder.glob("*/config.json")):
        raise RunError(
            f"{folder}: holds run folders, and isn't one; give one of them, or {folder}/* where several may stand"
        )
    summary = _parse_json(folder / "summary.json", _read(folder / "summary.json"))
    contents = _read_unchanged(folder, summary.pop(FILES, None))
    return SavedRun(
        config=_parse_config(folder / "config.json", contents["config.json"]),
        maze=_read_world(folder),
        q=_read_table(folder / "q.npy", summary),
        metrics=_parse_metrics(folder / "metrics.csv", contents["metrics.csv"]),
        summary=summary,
        trace=_parse_trace(folder / "trace.csv", contents["trace.csv"]) if "trace.csv" in contents else None,
    )


def read_config(folder: str | Path, settings: dict[str, Any]) -> TrainingConfig:
    """Return the configuration of settings in a run folder; no plug-in is imported for it.

    Raises:
        RunError: if a setting is unknown or out of range, or if the plug-in of its algorithm or of its exploration
            strategy has not been imported.
    """
    for name, table in (("algorithm", ALGORITHMS), ("behaviour", BEHAVIOURS)):
        given = settings.get(name)
        if isinstance(given, str) and ":" in given and given not in table:
            module = given.partition(":")[0]
            raise RunError(
                f"{folder}: its {name} {given!r} is of a plug-in, and loading a run doesn't import modules by itself; "
                f"if you trust it, give --plugin {module} (or its file), or in Python import {module} first"
            )
    try:
        return TrainingConfig.from_dict(settings)
    except SettingError as error:
        raise RunError(f"{Path(folder) / 'config.json'}: damaged: {error}") from None


def _read_unchanged(folder: Path, hashes: Any) -> dict[str, bytes]:
    """Return the contents of the files of a run but the table and the summary, by name.

    Args:
        folder: run folder.
        hashes: SHA-256 of each file that was saved, by name.

    Raises:
        RunError: if a file was changed, removed or added after the run was saved; the message names it.
    """
    hashes = hashes if isinstance(hashes, dict) else {}
    contents = {}
    for name, is_required in HASHED.items():
        path = folder / name
        if name in hashes:
            contents[name] = _read(path)
            _check_hash(path, hashlib.sha256(contents[name]).hexdigest(), hashes[name])
        elif is_required:
            raise RunError(f"{folder / 'summary.json'}: damaged: it has no SHA-256 of {name}; train the run again")
        elif path.exists():
            raise RunError(f"{path}: was added after the run was saved; remove it")
    return contents


def _check_hash(path: Path, sha256: str, saved: Any) -> None:
    """Check that a file has the SHA-256 that the summary has of it; raise RunError if it hasn't."""
    if sha256 != saved:
        raise RunError(
            f"{path}: damaged: its SHA-256 is not the one in summary.json, so it was changed after the run was saved; "
            f"train the run again"
        )


def _read_table(path: Path, summary: dict[str, Any]) -> npt.NDArray[np.float32]:
    """Return the action values in a .npy file, whose SHA-256 and shape must be those in the summary."""
    data = _read(path)
    try:
        q = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception:  # a damaged header raises whatever Python's parser does
        raise RunError(f"{path}: not a NumPy array, or damaged; train the run again") from None
    if not isinstance(q, np.ndarray) or q.dtype != np.float32 or q.ndim != 2:
        raise RunError(f"{path}: not a table of float32 action values")
    _check_hash(path, table_sha256(q), summary.get("table_sha256"))
    if q.shape != (summary.get("num_states", q.shape[0]), summary.get("num_actions", q.shape[1])):
        raise RunError(f"{path}: damaged: its shape {q.shape} is not the one in summary.json")
    return q


def _parse_config(path: Path, data: bytes) -> dict[str, Any]:
    """Return the settings in config.json; all must be there, since a default may not be what a run was trained with."""
    config = _parse_json(path, data)
    for each in fields(TrainingConfig):
        if each.name not in config:
            raise RunError(f"{path}: damaged: the setting {each.name} is missing")
    return config


def _parse_metrics(path: Path, data: bytes) -> list[dict[str, Any]]:
    """Return the rows of metrics.csv, as text by column."""
    try:
        return list(csv.DictReader(io.StringIO(_decode(path, data))))
    except csv.Error:  # its message is about how the file was opened
        raise RunError(f"{path}: damaged: it is not a table of comma-separated values") from None


def _parse_trace(path: Path, data: bytes) -> list[Event]:
    """Return the events in trace.csv."""
    text = _decode(path, data)
    try:
        return from_csv(text)
    except ValueError as error:
        raise RunError(f"{path}: damaged: {error}") from None


def _world_file(world: Maze | FiniteMDP | None) -> dict[str, bytes]:
    """Return the file with the world of a run, by its name; none if it is neither a maze nor a model."""
    if isinstance(world, FiniteMDP):
        return {"model.npz": world.to_bytes()}
    return {} if world is None else {"maze.txt": world.to_text().encode()}


def _read_world(folder: Path) -> Maze | FiniteMDP | None:
    """Return the maze or the model in a folder; None if there is neither."""
    try:
        if (folder / "model.npz").exists():
            return FiniteMDP.load(folder / "model.npz")
    except ClewError as error:
        raise RunError(str(error)) from None
    path = folder / "maze.txt"
    if not path.exists():
        return None
    text = _decode(path, _read(path))
    try:
        return Maze.from_text(text)
    except ClewError as error:
        raise RunError(f"{path}: damaged: {error}") from None


def _decode(path: Path, data: bytes) -> str:
    """Return the text in a file; raise RunError if it is none."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise RunError(f"{path}: damaged: it is not text in UTF-8, from byte {error.start} on") from None


def _to_json(content: dict[str, Any]) -> bytes:
    """Return a dictionary as indented JSON, in UTF-8."""
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        RunError: if the file can't be read, is damaged, or holds something else.
    """
    return _parse_json(path, _read(path))


def _read(path: Path) -> bytes:
    """Return the bytes of a file; raise RunError if it can't be read."""
    try:
        with open_file(path) as file:
            return file.read()
    except OSError as error:
        raise RunError(f"{path}: can't be read: {error.strerror}") from None


def _parse_json(path: Path, data: bytes) -> dict[str, Any]:
    """Return the object in a JSON file; raise RunError if it is damaged, or holds something else."""
    text = _decode(path, data)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise RunError(f"{path}: damaged: it is not JSON from line {error.lineno}, column {error.colno} on") from None
    except (ValueError, RecursionError) as error:
        reason = "it has a number of too many digits" if isinstance(error, ValueError) else "it is nested too deeply"
        raise RunError(f"{path}: damaged: {reason}") from None
    if not isinstance(content, dict):
        raise RunError(f"{path}: damaged: expected an object, found {type(content).__name__}")
    return content
