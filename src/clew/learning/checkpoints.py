"""Checkpoints: what a training has come to, kept so that it can go on from there to the same bits.

A checkpoint is a folder, `checkpoint-N`, that appears whole or not at all:

    arrays.npz        all arrays of the learner, of rounds under way, and the metrics so far
    checkpoint.json   the settings that decide the result, and how far it had come
    SHA256SUMS        hashes of both, as `sha256sum --check` reads them

Streams of draws are keyed by what they belong to, so there are none to keep but those that were being drawn from.
Loading runs nothing that it reads: arrays are plain, and JSON is JSON.
"""

import hashlib
import json
import logging
import re
import shutil
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from clew.environments import as_compiled
from clew.errors import RunError, SettingError, StoppedError
from clew.files import new_folder, sync, write_file
from clew.kernels import read_only
from clew.learning.learner import Learner, with_more_outcomes
from clew.learning.settings import Learning
from clew.policies.policy import table_shape

__all__ = [
    "Checkpoints",
    "Saved",
    "State",
    "arrays_of",
    "as_columns",
    "as_rows",
    "fill",
    "identity",
    "rebuilt",
    "restored",
]

logger = logging.getLogger(__name__)

FORMAT = 2
ARRAYS, FIGURES, SUMS = "arrays.npz", "checkpoint.json", "SHA256SUMS"

Arrays = Mapping[str, npt.NDArray[Any]]


class State(NamedTuple):
    """What a training has come to."""

    content: Any  # arrays in named tuples, dictionaries and lists
    progress: dict[str, Any]  # what JSON can say


class Saved(NamedTuple):
    """The same, as it comes back."""

    arrays: Arrays  # by their names: the ways to them, joined by dots
    progress: dict[str, Any]


class Training(Protocol):
    """What can be kept."""

    def state(self) -> State:
        """What it has come to; its arrays are not copied."""

    def restore(self, saved: Saved) -> None:
        """Go on from there."""


# Arrays ---------------------------------------------------------------------------------------------------------------


def _parts(content: Any) -> dict[str, Any]:
    """What named tuples, dictionaries and lists hold, by name."""
    if isinstance(content, Learner):
        return {name: getattr(content, name) for name in ("q", "rule", "visits", "counts")}
    if isinstance(content, dict):
        return content
    if isinstance(content, tuple | list):
        names = getattr(content, "_fields", None) or map(str, range(len(content)))
        return dict(zip(names, content, strict=True))
    return {}


def _walk(content: Any, name: str) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    if isinstance(content, np.ndarray) and content.size:
        yield name, content
    for part, inner in _parts(content).items():
        yield from _walk(inner, f"{name}.{part}" if name else part)


def arrays_of(content: Any, name: str = "") -> dict[str, npt.NDArray[Any]]:
    """All arrays in nested named tuples, dictionaries, lists and learners, by the ways to them.

    Those that are views of the same memory are one: the first of them stands for all.
    """
    found: dict[tuple[int, int], tuple[str, npt.NDArray[Any]]] = {}
    for way, array in _walk(content, name):
        found.setdefault((array.ctypes.data, array.nbytes), (way, array))
    return dict(found.values())


def fill(content: Any, arrays: Arrays, name: str) -> None:
    """Write what was kept over the arrays of the same names; views of them follow.

    Raises:
        RunError: if they don't fit.
    """
    for way, array in arrays_of(content, name).items():
        array[...] = _fitting(arrays, way, array)


def rebuilt(content: Any, arrays: Arrays, name: str) -> Any:
    """Named tuples and lists of the same form, which hold what was kept; it can only be read.

    Raises:
        RunError: if it doesn't fit.
    """
    if isinstance(content, np.ndarray):
        return read_only(_fitting(arrays, name, content)) if content.size else content
    parts = [rebuilt(inner, arrays, f"{name}.{part}") for part, inner in _parts(content).items()]
    return type(content)(*parts) if hasattr(content, "_fields") else type(content)(parts)


def restored(learner: Learner, arrays: Arrays, name: str) -> Learner:
    """A learner with what was kept in its arrays: itself, or if its model had grown, one with as much room.

    Raises:
        RunError: if it doesn't fit.
    """
    pairs = f"{name}.rule.model.pairs"
    if learner.grows and pairs in arrays:
        learner = with_more_outcomes(learner, max(0, arrays[pairs].size - learner.rule.model.pairs.size))
    fill(learner, arrays, name)
    return learner


def _fitting(arrays: Arrays, name: str, wanted: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array = arrays.get(name)
    if array is None or array.shape != wanted.shape or array.dtype != wanted.dtype:
        found = "not there" if array is None else f"{array.dtype} of {array.shape}"
        raise RunError(
            f"the checkpoint doesn't fit this training: {name} is {found}, not {wanted.dtype} of {wanted.shape}"
        )
    return array


def as_columns(rows: list[Any]) -> dict[str, npt.NDArray[Any]]:
    """Rows, dataclasses of numbers, as arrays: one a field."""
    return {
        each.name: np.array([getattr(row, each.name) for row in rows]) for each in (fields(rows[0]) if rows else ())
    }


def as_rows(kind: Any, arrays: Arrays, name: str) -> list[Any]:
    """The inverse of `as_columns`, for rows of that kind."""
    columns = [arrays[f"{name}.{each.name}"].tolist() for each in fields(kind) if f"{name}.{each.name}" in arrays]
    return [kind(*row) for row in zip(*columns, strict=True)]


def identity(env: Any, learning: Learning, **plan: Any) -> dict[str, Any]:
    """All that decides the result of a training, as JSON says it: a checkpoint belongs to it, and to no other."""
    world = as_compiled(env)
    digest = hashlib.sha256()
    for part in (*table_shape(env), *((*world.mdp.model, world.mdp.starts, world.max_episode_steps) if world else ())):
        array = np.ascontiguousarray(part)
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return {
        **{each.name: getattr(learning, each.name) for each in fields(Learning)},
        **plan,
        "world": digest.hexdigest(),
    }


# Folders --------------------------------------------------------------------------------------------------------------


class Checkpoints:
    """Keeps checkpoints of a training in a folder, the last few of them.

    A training that is given a folder with checkpoints goes on from the newest that is whole.

    Attributes:
        seconds: wall time of the training up to the checkpoint that it goes on from.
        is_training: True from when a training is ready until it has ended: it asks whether to stop.

    Args:
        folder: where they are kept; made if it isn't there. None keeps nothing.
        every: how often: seconds such as "30s", or a number of episodes. It's asked whenever the work of a simulation
            has been taken in.
        keep: how many are kept; when the newest is damaged, the one before serves.

    Raises:
        SettingError: if `every` can't be read.
    """

    def __init__(self, folder: str | Path | None, every: int | str = "30s", keep: int = 3) -> None:
        self.folder = None if folder is None else Path(folder).absolute()
        self.every_seconds, self.every_episodes = _read_every(every)
        self.keep = keep
        self.seconds = 0.0
        self.is_training = False
        self._stop_asked = False
        self._settings: dict[str, Any] = {}
        self._num_episodes = 0  # since the last one
        self._last = self._begun = time.perf_counter()

    def stop(self) -> None:
        """Ask training to end where nothing is lost: it then keeps a checkpoint, and raises `StoppedError`."""
        self._stop_asked = True

    def check(self) -> None:
        """Raise `StoppedError`, if that was asked; called where a training can be interrupted."""
        if self._stop_asked:
            raise StoppedError("stopped" if self.folder is None else f"stopped; a checkpoint is kept in {self.folder}")

    @property
    def until_due(self) -> int:
        """Episodes until the next one, if they are counted."""
        return max(1, self.every_episodes - self._num_episodes)

    def resume(self, settings: dict[str, Any], training: Training) -> None:
        """Make ready, before the work begins; go on from the newest checkpoint, if there is one.

        Args:
            settings: all that decides the result.
            training: which goes on.

        Raises:
            RunError: if the folder can't be written, or holds none that is whole, or they are of another training.
        """
        if self.folder is None:
            return
        self.is_training = True
        self._settings = json.loads(json.dumps(settings))
        self._last = self._begun = time.perf_counter()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=self.folder, prefix=".", suffix=".part"):
                pass
            for left in self.folder.glob(".checkpoint-*.part"):  # whoever wrote it was killed
                shutil.rmtree(left)
        except OSError as error:
            raise RunError(f"{self.folder}: can't be written: {error.strerror}") from None
        for folder in reversed(self.folders):
            try:
                found = _read(folder)
            except DamagedError as error:
                logger.warning("%s; going on from the checkpoint before it", error)
                continue
            self._check_settings(folder, found["settings"])
            try:
                with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
                    training.restore(Saved(arrays, found["progress"]))
                self.seconds = float(found["seconds"])
            except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
                raise RunError(f"{folder}: not written by Clew: {error}") from None
            return
        if self.folders:
            raise RunError(f"{self.folder}: no checkpoint there is whole; remove it to begin anew")

    def note(self, num_episodes: int, training: Training) -> int:
        """Take note that so many episodes more were learned, and that all arrays are whole.

        Returns:
            Bytes of the checkpoint that was kept, if it was time for one; else 0.

        Raises:
            RunError: if it can't be written.
            StoppedError: if that was asked.
        """
        self._num_episodes += num_episodes
        size = 0
        if self.folder is not None and (
            self._num_episodes >= self.every_episodes or time.perf_counter() - self._last >= self.every_seconds
        ):
            size = self._save(training.state())
        self.check()
        return size

    @contextmanager
    def kept(self, training: Training) -> Iterator[None]:
        """Keep what the training within has come to when it's asked to stop.

        Raises:
            RunError: if it can't be written.
            StoppedError: if it was asked.
        """
        try:
            yield
        except StoppedError:
            if self.folder is not None:
                self._save(training.state())
            raise
        finally:
            self.is_training = False

    @property
    def folders(self) -> list[Path]:
        """All checkpoints, the oldest first."""
        assert self.folder is not None
        found = [path for path in self.folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
        return sorted(found, key=_number_of)

    def _save(self, state: State) -> int:
        assert self.folder is not None
        before = self.folders
        folder = self.folder / f"checkpoint-{_number_of(before[-1]) + 1 if before else 0}"
        seconds = self.seconds + time.perf_counter() - self._begun
        figures = {"format": FORMAT, "settings": self._settings, "progress": state.progress, "seconds": seconds}
        try:
            size = _write(folder, figures, arrays_of(state.content))
            for old in before[: len(before) + 1 - self.keep]:
                shutil.rmtree(old)
        except OSError as error:
            last = f"the checkpoint before it, {before[-1].name}, is whole" if before else "there is none before it"
            raise RunError(f"{folder}: can't be written: {error.strerror}; {last}") from None
        self._num_episodes, self._last = 0, time.perf_counter()
        return size

    def _check_settings(self, folder: Path, settings: dict[str, Any]) -> None:
        both = settings.keys() & self._settings.keys()  # what one of them hasn't got says less
        for name in (*sorted(both), *sorted(settings.keys() ^ self._settings.keys())):
            there, here = settings.get(name), self._settings.get(name)
            if there != here:
                differs = "the world is not the same" if name == "world" else f"{name} was {there}, and is {here} here"
                raise RunError(f"{folder}: is of another training: {differs}")


class DamagedError(Exception):
    """A checkpoint that isn't as it was written."""


def _read_every(every: int | str) -> tuple[float, int]:
    """(seconds, episodes) between checkpoints; one of them is as good as never."""
    never = 2**62
    if isinstance(every, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})?s", every):
        return float(every[:-1]), never
    if isinstance(every, int) and every >= 1:
        return float("inf"), every
    raise SettingError(
        f"must be a number of episodes, such as 500, or seconds, such as 30s; not {every!r}",
        setting="every",
    )


def _number_of(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _write(folder: Path, figures: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> int:
    """Write a checkpoint, whole or not at all; gives the bytes of its arrays."""
    with new_folder(folder) as place:
        np.savez(place / ARRAYS, **arrays)  # type: ignore[arg-type]  # none is called allow_pickle
        sync(place / ARRAYS)
        write_file(place / FIGURES, (json.dumps(figures, indent=2, allow_nan=False) + "\n").encode())
        sums = [f"{_hash(place / name)}  {name}\n" for name in (ARRAYS, FIGURES)]
        write_file(place / SUMS, "".join(sums).encode())
        return (place / ARRAYS).stat().st_size


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path) -> dict[str, Any]:
    """The figures of a checkpoint whose files are all as they were written.

    Raises:
        DamagedError: names the file that is not.
    """
    try:
        sums = (folder / SUMS).read_text().splitlines()
        for name in (ARRAYS, FIGURES):
            if f"{_hash(folder / name)}  {name}" not in sums:
                raise DamagedError(f"{folder / name}: damaged: its SHA-256 is not the one in {SUMS}")
        figures = json.loads((folder / FIGURES).read_bytes())
        np.load(folder / ARRAYS, allow_pickle=False).close()
    except OSError as error:
        raise DamagedError(f"{error.filename or folder}: can't be read: {error.strerror}") from None
    except (ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise DamagedError(f"{folder}: damaged: {error}") from None
    if not isinstance(figures, dict) or figures.get("format") != FORMAT:
        raise RunError(f"{folder}: is of another format than {FORMAT}, the one that this version writes")
    return figures
