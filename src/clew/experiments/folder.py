"""A folder that keeps what the runs of experiments gave, so that none is computed twice.

    cell-KEY.json           what decides the results of a cell but the seeds, see `fingerprints`; KEY is its hash
    cell-KEY.XXXXXXXX.runs  results of runs of that cell; each process writes to a file of its own
    experiment-HASH.json    which cells and seeds an experiment has, see `listing`

A file of results is a series of records: eight bytes that say what it is, the length of the content, its SHA-256, and
the content, an archive of NumPy without pickles. A record that was cut off when its process was killed ends the file;
its runs are computed again. So processes may share a folder: none changes what another has written, and of a run that
is there twice either is taken, since both have the same bits.
"""

import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from clew.errors import RunError
from clew.experiments.cells import CellResults
from clew.files import check_name, write_file
from clew.kernels.learning.rollouts import EpisodeStats

MAGIC = b"CLEWRUN1"
HEADER = len(MAGIC) + 8 + 32


class KeptRuns(NamedTuple):
    """Some runs of a cell, as a record of a file holds them."""

    seeds: list[int]
    every: int  # episodes of which the last one is recorded
    has_tables: bool  # False if the tables weren't recorded
    results: CellResults


class ResultFolder:
    """The files of a folder with results of experiments.

    Args:
        path: the folder; made if it is missing.

    Raises:
        RunError: if it can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: dict[str, int] = {}  # bytes that were read of each file, by its name
        self._files: dict[str, BinaryIO] = {}  # that this process writes, by key
        self._own: dict[str, str] = {}  # names of these files
        try:
            check_name(path)
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{path}: can't be written: {error.strerror}") from None

    def load(self, key: str) -> Iterator[KeptRuns]:
        """Yield the runs of a cell that other processes have added since the last call, or at the first call all.

        Raises:
            RunError: if a file can't be read.
        """
        own = self._own.get(key, "")
        try:
            for path in sorted(self.path.glob(f"cell-{key}.*.runs")):
                if path.name != own and path.stat().st_size > self._read.get(path.name, 0):
                    yield from self._load_file(path)
        except OSError as error:
            raise RunError(f"{self.path}: can't be read: {error.strerror}") from None

    def _load_file(self, path: Path) -> Iterator[KeptRuns]:
        """Yield the records of a file that haven't been read, up to the first that isn't whole."""
        with path.open("rb") as file:
            file.seek(self._read.get(path.name, 0))
            while len(header := file.read(HEADER)) == HEADER:
                size = int.from_bytes(header[8:16], "little")
                content = file.read(size) if header[:8] == MAGIC and size <= path.stat().st_size else b""
                if hashlib.sha256(content).digest() != header[16:]:
                    return
                self._read[path.name] = file.tell()
                runs = _unpack(content)
                if runs is not None:
                    yield runs

    def save(self, key: str, description: dict[str, Any], runs: KeptRuns) -> None:
        """Add runs of a cell.

        Args:
            key: hash of the description.
            description: what decides the results of the cell; written once, to be read by people.
            runs: the runs.

        Raises:
            RunError: if they can't be written.
        """
        try:
            if key not in self._files:
                about = self.path / f"cell-{key}.json"
                if not about.exists():
                    write_file(about, (json.dumps(description, indent=2) + "\n").encode())
                number, name = tempfile.mkstemp(".runs", f"cell-{key}.", self.path)
                self._files[key], self._own[key] = os.fdopen(number, "wb"), Path(name).name
            content = _pack(runs)
            header = MAGIC + len(content).to_bytes(8, "little") + hashlib.sha256(content).digest()
            self._files[key].write(header + content)
            self._files[key].flush()  # to the system, which keeps it if this process is killed
        except OSError as error:
            raise RunError(f"{self.path}: can't be written: {error.strerror}") from None

    def close(self) -> None:
        """Close all files."""
        while self._files:
            self._files.popitem()[1].close()


def key_of(description: dict[str, Any]) -> str:
    """Return the hash by which the runs of a cell are found again."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:32]


def _pack(runs: KeptRuns) -> bytes:
    """Return the content of a record."""
    content = io.BytesIO()
    seeds = np.array([str(seed) for seed in runs.seeds])  # which may have more than 64 bits
    results = runs.results
    np.savez(
        content,
        seeds=seeds,
        every=np.array(runs.every),
        has_tables=np.array(runs.has_tables),
        num_episodes=results.num_episodes,
        tables=results.tables,
        **results.stats._asdict(),
    )
    return content.getvalue()


def _unpack(content: bytes) -> KeptRuns | None:
    """Return the runs in the content of a record; None if it isn't one of ours."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            stats = EpisodeStats(*(arrays[name] for name in EpisodeStats._fields))
            results = CellResults(arrays["num_episodes"], stats, arrays["tables"])
            seeds = [int(seed) for seed in arrays["seeds"]]
            return KeptRuns(seeds, int(arrays["every"]), bool(arrays["has_tables"]), results)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile):
        return None


def pick(results: CellResults, chosen: Sequence[int], step: int) -> CellResults:
    """Return some of the runs, with the last of every `step` recorded episodes.

    Args:
        results: runs with equally many episodes, or `step` is 1.
        chosen: numbers of the runs, in order.
        step: 1 for all recorded episodes.
    """
    ends = np.cumsum(results.num_episodes)
    spans = [range(ends[i] - results.num_episodes[i], ends[i]) for i in chosen]
    rows = np.concatenate([np.arange(span.start + step - 1, span.stop, step) for span in spans])
    stats = EpisodeStats(*(column[rows] for column in results.stats))
    return CellResults(results.num_episodes[list(chosen)] // step, stats, results.tables[list(chosen)])
