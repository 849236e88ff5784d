"""Checkpoints: the state of a training, saved so that it can be continued to the same bits.

A checkpoint is a folder, `checkpoint-N`, that is written as a whole or not at all:

    arrays.npz        all arrays: of the learner, of the rounds in flight, and the metrics so far
    checkpoint.json   the settings that decide the result, the versions of what computed it, and the progress
    SHA256SUMS        hashes of both files, as `sha256sum --check` reads them

A stream of random numbers is keyed by its round and simulation, so only those in use are saved. Loading a checkpoint
runs no code from it: arrays are plain, without pickles, and the rest is JSON.
"""

import hashlib
import json
import logging
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from clew.environments import ModelEnvironment
from clew.errors import ClewError, RunError, SettingError, StoppedError, StopTraining
from clew.files import new_folder, open_file, sync, write_file
from clew.kernels.cache import NUMBA_VERSION, SOURCES_SHA256
from clew.learning.algorithms import ALGORITHMS
from clew.learning.lock import FolderLock
from clew.learning.saved_arrays import Arrays, arrays_of
from clew.learning.settings import Learning
from clew.planning.solution import Solution
from clew.policies.plugins import plugins_of
from clew.policies.policy import Policy, table_shape
from clew.settings import as_path, check_count, check_flag, shown
from clew.version import __version__

logger = logging.getLogger(__name__)

FORMAT = 4
ARRAYS, HEADER, SUMS = "arrays.npz", "checkpoint.json", "SHA256SUMS"


class TrainingState(NamedTuple):
    """State of a training, to be saved."""

    content: Any  # arrays, in named tuples, dictionaries, lists and learners
    progress: dict[str, Any]  # the rest, as JSON


class SavedState(NamedTuple):
    """State of a training, as read from a checkpoint."""

    arrays: Arrays  # by name: the path to the array in the content, joined by dots
    progress: dict[str, Any]


class Training(Protocol):
    """A training that can be saved and continued."""

    def state(self) -> TrainingState:
        """Return the current state; its arrays are not copied."""

    def restore(self, saved: SavedState) -> None:
        """Continue from a saved state."""


def identity(
    env: Any, world: ModelEnvironment | None, learning: Learning, policy: Policy | Solution | None, **plan: Any
) -> dict[str, Any]:
    """Return everything that decides the result of a training, as JSON; checkpoints of another one are refused.

    Args:
        env: environment, or model.
        world: its compiled form, from `as_compiled(env)`; None if it has none, and then only its size is compared.
        learning: settings of the learner.
        policy: policy or solution from which training begins, or None.
        plan: further settings, such as `num_episodes` and `seed`.
    """
    digest = hashlib.sha256()
    for part in (*table_shape(env), *((*world.mdp.model, world.mdp.starts, world.max_episode_steps) if world else ())):
        array = np.ascontiguousarray(part)
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return {
        **{each.name: getattr(learning, each.name) for each in fields(Learning)},
        **plan,
        "world": digest.hexdigest(),
        **({} if policy is None else {"policy": hashlib.sha256(policy.q.astype(np.float32).tobytes()).hexdigest()}),
    }


def versions(algorithm: str = "", behaviour: str | None = None) -> dict[str, str]:
    """Return the versions of what computes a result: Clew, its kernels (a hash), NumPy, Numba and Python.

    If the algorithm or its exploration strategy (None for its default) is of a plug-in, "plug-in MODULE" is its hash.
    """
    if behaviour is None:
        behaviour = ALGORITHMS[algorithm].behaviour if algorithm in ALGORITHMS else ""
    return {
        "clew": __version__,
        "kernels": SOURCES_SHA256,
        "numpy": np.__version__,
        "numba": NUMBA_VERSION,
        "python": platform.python_version(),
        **{f"plug-in {each.module}": each.sha256 for each in plugins_of(algorithm, behaviour)},
    }


# Folders --------------------------------------------------------------------------------------------------------------


class Checkpoints:
    """Saves the last checkpoints of a training in a folder, continues from the newest, and stops the training.

    Args:
        folder: folder of the checkpoints; created if it is missing. None saves nothing.
        every: interval between checkpoints: a number of episodes, or seconds such as "30s". A checkpoint may be later,
            because it waits until the state of the training is complete.
        keep: number of checkpoints that are not deleted. If the newest is damaged, the one before it is used.
        other_versions: True also continues checkpoints of other versions of Clew, NumPy and Numba; the result may then
            differ from that of a training without interruption.

    Attributes:
        seconds: wall time of the training up to the checkpoint from which it continues.
        lock: locks the folder while a training runs, so that no other process trains there; None without a folder.
        is_training: True while a training runs that can be stopped.

    Raises:
        SettingError: if `every` is neither a positive number of episodes nor seconds, or another argument is out of
            range.
    """

    def __init__(
        self, folder: str | Path | None, every: int | str = "30s", keep: int = 3, *, other_versions: bool = False
    ) -> None:
        self.folder = None if folder is None else as_path("folder", folder).absolute()
        self.lock = None if self.folder is None else FolderLock(self.folder)
        check_count("keep", keep, 1)
        check_flag("other_versions", other_versions)
        self.every_seconds, self.every_episodes = _read_every(every)
        self.keep, self.other_versions = keep, other_versions
        self.seconds = 0.0
        self.is_training = False
        self._is_stopped = False
        self._settings: dict[str, Any] = {}
        self._num_episodes = 0  # since the last one
        self._last = self._begun = time.perf_counter()

    def stop(self) -> None:
        """Stop the training as soon as its state is complete: it saves a checkpoint, and raises `StoppedError`."""
        self._is_stopped = True

    def raise_if_stopped(self) -> None:
        """Raise `StoppedError` if `stop` was called; a training calls this where it can be interrupted."""
        if self._is_stopped:
            raise StoppedError("stopped" if self.folder is None else f"stopped; a checkpoint is saved in {self.folder}")

    @property
    def episodes_until_due(self) -> int:
        """Episodes until the next checkpoint; practically infinite if the interval is in seconds."""
        return max(1, self.every_episodes - self._num_episodes)

    def resume(self, settings: dict[str, Any], training: Training) -> None:
        """Lock the folder before the training begins, and restore the newest checkpoint if there is one.

        Args:
            settings: everything that decides the result, from `identity`.
            training: training; its state is replaced.

        Raises:
            RunError: if another process trains in the folder, it can't be written, all its checkpoints are damaged, or
                they belong to another training.
        """
        if self.folder is None or self.lock is None:
            return
        self.is_training = True
        self._settings = json.loads(json.dumps(settings))
        self._last = self._begun = time.perf_counter()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{self.folder}: can't be written: {error.strerror}") from None
        self.lock.acquire()
        try:
            self._restore(self.folder, training)
        except BaseException:
            self.lock.release()
            raise

    def _restore(self, place: Path, training: Training) -> None:
        """Remove what a process that was killed left behind, and restore the newest checkpoint if there is one."""
        try:
            for partial in place.glob(".checkpoint-*.part"):  # of a process that was killed
                shutil.rmtree(partial)
        except OSError as error:
            raise RunError(f"{place}: can't be written: {error.strerror}") from None
        for folder in reversed(self.folders):
            try:
                header = _read_header(folder)
            except DamagedError as error:
                logger.warning("%s; continuing from the checkpoint before it", error)
                continue
            try:
                self._check_settings(folder, header["settings"])
                self._check_versions(folder, header["versions"])
                with open_file(folder / ARRAYS) as file, np.load(file, allow_pickle=False) as arrays:
                    training.restore(SavedState(arrays, header["progress"]))
                self.seconds = float(header["seconds"])
            except ClewError:
                raise
            except Exception as error:  # the hashes are right, so the content was forged
                raise RunError(f"{folder}: not written by Clew: {_first_line(error)}") from None
            return
        if self.folders:
            raise RunError(f"{place}: all checkpoints are damaged; remove the folder to start again")

    def save_if_due(self, num_episodes: int, training: Training) -> int:
        """Save a checkpoint if the interval has passed. The state of the training must be complete.

        Args:
            num_episodes: number of episodes that were learned since the last call.
            training: training, whose state is saved.

        Returns:
            Bytes of the arrays that were saved; 0 if no checkpoint was due.

        Raises:
            RunError: if the checkpoint can't be written.
            StoppedError: if `stop` was called.
        """
        self._num_episodes += num_episodes
        is_due = self._num_episodes >= self.every_episodes or time.perf_counter() - self._last >= self.every_seconds
        size = self._save(training.state()) if is_due and self.folder is not None else 0
        self.raise_if_stopped()
        return size

    @contextmanager
    def saved_on_stop(self, training: Training) -> Iterator[None]:
        """Return a context for the training, which saves a checkpoint if it is stopped; `StopTraining` ends it.

        Raises:
            RunError: if the checkpoint can't be written.
            StoppedError: if the training was stopped by `stop`.
        """
        try:
            yield
        except (StoppedError, StopTraining) as error:
            if self.folder is not None:
                self._save(training.state())
            if isinstance(error, StoppedError):
                raise
        finally:
            self.is_training = False
            if self.lock is not None:
                self.lock.release()

    @property
    def folders(self) -> list[Path]:
        """Folders of all checkpoints, the oldest first."""
        assert self.folder is not None
        found = [path for path in self.folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
        return sorted(found, key=_number_of)

    def _save(self, state: TrainingState) -> int:
        """Write a new checkpoint, delete those beyond `keep`, and return the bytes of its arrays.

        Raises:
            RunError: if it can't be written; earlier checkpoints are kept then.
        """
        assert self.folder is not None
        before = self.folders
        folder = self.folder / f"checkpoint-{_number_of(before[-1]) + 1 if before else 0}"
        header = {
            "format": FORMAT,
            "settings": self._settings,
            "versions": self._versions(),
            "progress": state.progress,
            "seconds": self.seconds + time.perf_counter() - self._begun,
        }
        try:
            size = _write(folder, header, arrays_of(state.content))
            for old in before[: len(before) + 1 - self.keep]:
                shutil.rmtree(old)
        except OSError as error:
            last = f"the checkpoint before it, {before[-1].name}, is complete" if before else "there is none before it"
            raise RunError(f"{folder}: can't be written: {error.strerror}; {last}") from None
        self._num_episodes, self._last = 0, time.perf_counter()
        return size

    def _versions(self) -> dict[str, str]:
        """Return the versions of what computes this training."""
        return versions(self._settings.get("algorithm", ""), self._settings.get("behaviour"))

    def _check_settings(self, folder: Path, settings: dict[str, Any]) -> None:
        """Check that a checkpoint belongs to this training.

        Raises:
            RunError: names a setting that differs.
        """
        both = settings.keys() & self._settings.keys()  # first, for a missing setting says less than another value
        for name in (*sorted(both), *sorted(settings.keys() ^ self._settings.keys())):
            there, here = settings.get(name), self._settings.get(name)
            if there != here:
                is_hash = name in ("world", "policy")
                differs = f"the {name} is another" if is_hash else f"{name} was {there}, and is {here} now"
                raise RunError(f"{folder}: belongs to another training: {differs}")

    def _check_versions(self, folder: Path, there: dict[str, str]) -> None:
        """Check that a checkpoint was written by what computes now; the version of Python changes no bit.

        Raises:
            RunError: names what differs.
        """
        here = self._versions()
        for name in here:
            if name != "python" and not self.other_versions and there.get(name) != here[name]:
                raise RunError(
                    f"{folder}: was computed with {name} {there.get(name)!s:.12}, which is {here[name]:.12} now, so "
                    "the result may differ; go on with the same versions, or give --other-versions, in Python "
                    "Checkpoints(..., other_versions=True)"
                )


class DamagedError(Exception):
    """Error of a checkpoint whose files are incomplete or have changed."""


def _read_every(every: int | str) -> tuple[float, int]:
    """Return the interval between checkpoints as (seconds, episodes); the one that isn't given is infinite.

    Raises:
        SettingError: if it is neither seconds such as "30s" nor a positive number of episodes.
    """
    if isinstance(every, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})?s", every):
        return float(every[:-1]), 2**62
    if isinstance(every, int) and not isinstance(every, bool) and every >= 1:
        return float("inf"), every
    raise SettingError(
        f"must be a number of episodes, such as 500, or seconds, such as 30s; not {shown(every)}",
        setting="every",
    )


def _number_of(folder: Path) -> int:
    return int(folder.name.removeprefix("checkpoint-"))


def _write(folder: Path, header: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> int:
    """Write a checkpoint as a whole or not at all, and return the bytes of its arrays.

    Raises:
        OSError: if it can't be written.
    """
    with new_folder(folder) as place:
        np.savez(place / ARRAYS, **arrays)  # type: ignore[arg-type]  # no array is named allow_pickle
        sync(place / ARRAYS)
        write_file(place / HEADER, (json.dumps(header, indent=2, allow_nan=False) + "\n").encode())
        sums = [f"{_hash(place / name)}  {name}\n" for name in (ARRAYS, HEADER)]
        write_file(place / SUMS, "".join(sums).encode())
        return (place / ARRAYS).stat().st_size


def _first_line(error: Exception) -> str:
    """Return the first line of an error's message, or what kind of error it is if it has none."""
    return (str(error) or type(error).__name__).splitlines()[0]


def _hash(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_header(folder: Path) -> dict[str, Any]:
    """Return the content of `checkpoint.json`, after checking the hashes of all files.

    Raises:
        DamagedError: names the file that is missing, unreadable or changed.
        RunError: if the checkpoint was written by another version in another format.
    """
    try:
        with open_file(folder / SUMS) as file:
            sums = file.read().decode().splitlines()
        for name in (ARRAYS, HEADER):
            if f"{_hash(folder / name)}  {name}" not in sums:
                raise DamagedError(f"{folder / name}: damaged: its SHA-256 is not the one in {SUMS}")
        header = json.loads((folder / HEADER).read_bytes())
        with open_file(folder / ARRAYS) as file:
            np.load(file, allow_pickle=False).close()
    except DamagedError:
        raise
    except OSError as error:
        raise DamagedError(f"{error.filename or folder}: can't be read: {error.strerror}") from None
    except Exception as error:  # the hashes may be right although Clew didn't write the content
        raise DamagedError(f"{folder}: damaged: {_first_line(error)}") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise RunError(
            f"{folder}: was written by another version of Clew, in another format than {FORMAT}; remove the folder to "
            "start again"
        )
    return header
