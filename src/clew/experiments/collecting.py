"""Collection of the results of an experiment while it runs, in memory and in a folder."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clew.errors import RunError, SettingError
from clew.experiments.cells import SOME_TABLES, Budget, Cell
from clew.experiments.fingerprints import describe_cell
from clew.experiments.folder import KeptRuns, ResultFolder, key_of, pick
from clew.experiments.running import BYTES_PER_EPISODE, Block
from clew.learning.lock import FolderLock
from clew.policies.policy import table_shape

MEMORY_LIMIT = 2**29  # bytes of the recorded episodes, and as many of the tables


def are_tables_recorded(cells: Sequence[Cell], num_seeds: int) -> bool:
    """Return whether the action values of all runs fit the limit."""
    return sum(num_seeds * bytes_of_table(cell) for cell in cells) <= MEMORY_LIMIT


def bytes_of_table(cell: Cell) -> int:
    """Return the bytes of the action values of one run."""
    num_states, num_actions = table_shape(cell.world.env)
    return 4 * num_states * num_actions


class Collected:
    """Results of the runs that are complete.

    Args:
        cells: cells of the experiment.
        seeds: its seeds.
        budget: how long each run is.

    Attributes:
        episodes: (num_recorded,), numbers of the recorded episodes; None if runs have different numbers of episodes.
        steps, episode_return, terminated: (num_cells, num_seeds, num_recorded) arrays; (num_cells, num_seeds) objects
            if runs have different numbers of episodes.
        tables: (num_seeds, num_states, num_actions) action values by cell; empty if they don't fit the limit.
    """

    def __init__(self, cells: Sequence[Cell], seeds: Sequence[int], budget: Budget) -> None:
        self._names = [cell.name for cell in cells]
        self._is_done = np.zeros((len(cells), len(seeds)), np.bool_)
        self._is_new = np.zeros_like(self._is_done)
        self._keeps_tables = are_tables_recorded(cells, len(seeds))
        self._num_recorded = 0  # episodes, if runs have different numbers of them
        self.tables: dict[int, npt.NDArray[np.float32]] = {}
        self.episodes: npt.NDArray[np.int64] | None = None
        shape: tuple[int, ...] = self._is_done.shape
        if budget.num_episodes is not None:
            self.episodes = np.arange(budget.every - 1, budget.num_episodes, budget.every)
            shape = *shape, self.episodes.size
        kinds = (np.int64, np.float64, np.bool_) if budget.num_episodes is not None else (object,) * 3
        self.steps, self.episode_return, self.terminated = (np.empty(shape, kind) for kind in kinds)

    @property
    def num_done(self) -> int:
        """Number of complete runs."""
        return int(self._is_done.sum())

    @property
    def num_computed(self) -> int:
        """Number of complete runs that weren't found in the folder."""
        return int(self._is_new.sum())

    def missing(self) -> list[list[int]]:
        """Return the numbers of the seeds of each cell that aren't complete."""
        return [np.flatnonzero(~row).tolist() for row in self._is_done]

    def add(self, block: Block) -> None:
        """Add complete runs.

        Raises:
            SettingError: if runs have different numbers of episodes, and all don't fit the limit, or only some runs of
                an agent have action values.
        """
        runs, results = list(block.runs), block.results
        columns = zip((self.steps, self.episode_return, self.terminated), results.stats, strict=True)
        if self.episodes is not None:
            for array, column in columns:
                array[block.cell, runs] = column.reshape(len(runs), -1)
        else:
            self._num_recorded += results.stats.steps.size
            if self._num_recorded * BYTES_PER_EPISODE > MEMORY_LIMIT:
                raise SettingError(
                    "must be smaller, or there must be fewer runs: their episodes take more than 512 MiB; with "
                    "num_episodes, some of them are recorded",
                    setting="num_steps",
                )
            for array, column in columns:
                for run, part in zip(runs, np.split(column, np.cumsum(results.num_episodes)[:-1]), strict=True):
                    array[block.cell, run] = part
        if self._keeps_tables:
            if block.cell not in self.tables:
                shape = self._is_done.shape[1], *results.tables.shape[1:]
                self.tables[block.cell] = np.zeros(shape, np.float32)
            if self.tables[block.cell].shape[1:] != results.tables.shape[1:]:
                raise SettingError(f"{self._names[block.cell]}: {SOME_TABLES}")
            self.tables[block.cell][runs] = results.tables
        self._is_new[block.cell, runs] = block.is_new
        self._is_done[block.cell, runs] = True

    def keep_complete(self) -> npt.NDArray[np.intp]:
        """Drop the seeds that aren't complete in every cell, and return the numbers of the others."""
        is_whole = self._is_done.all(axis=0)
        if not is_whole.all():
            self._is_done, self._is_new = self._is_done[:, is_whole], self._is_new[:, is_whole]
            self.steps, self.episode_return = self.steps[:, is_whole], self.episode_return[:, is_whole]
            self.terminated = self.terminated[:, is_whole]
            self.tables = {cell: tables[is_whole] for cell, tables in self.tables.items()}
        return np.flatnonzero(is_whole)


class KeptCells:
    """The cells of an experiment in a folder of results.

    Args:
        folder: the folder.
        cells: cells of the experiment.
        seeds: its seeds.
        budget: how long each run is.
        is_first: False if another process works in the folder.

    Attributes:
        keys: hash of each cell.

    Raises:
        SettingError: if something that decides the results of a cell can't be described.
    """

    def __init__(
        self, folder: ResultFolder, cells: Sequence[Cell], seeds: Sequence[int], budget: Budget, *, is_first: bool
    ) -> None:
        self.is_first = is_first
        self._folder, self._seeds, self._every = folder, seeds, budget.every
        self._keeps_tables = are_tables_recorded(cells, len(seeds))
        self._descriptions = [describe_cell(cell, budget) for cell in cells]
        self.keys = [key_of(description) for description in self._descriptions]
        self._numbers = {seed: run for run, seed in enumerate(seeds)}

    def find(self, cell: int, missing: Sequence[int]) -> list[Block]:
        """Return what others have added to the folder since the last call, of the missing runs of a cell."""
        left, found = set(missing), []
        for kept in self._folder.load(self.keys[cell]):
            places = {self._numbers.get(seed): i for i, seed in enumerate(kept.seeds)}
            runs = [run for run in places if run in left]
            if runs and self._every % kept.every == 0 and (kept.has_tables or not self._keeps_tables):
                results = pick(kept.results, [places[run] for run in runs], self._every // kept.every)
                found.append(Block(cell, runs, results, False))
                left.difference_update(runs)
        return found

    def find_all(self) -> Iterator[Block]:
        """Yield all runs of the experiment that are in the folder."""
        for cell in range(len(self.keys)):
            yield from self.find(cell, range(len(self._seeds)))

    def save(self, block: Block) -> None:
        """Add complete runs to the folder."""
        results = block.results
        if not self._keeps_tables:
            results = results._replace(tables=np.zeros((len(block.runs), 0, 0), np.float32))
        runs = KeptRuns([self._seeds[run] for run in block.runs], self._every, self._keeps_tables, results)
        self._folder.save(self.keys[block.cell], self._descriptions[block.cell], runs)


@contextmanager
def kept_cells(
    path: Path | None, cells: Sequence[Cell], seeds: Sequence[int], budget: Budget
) -> Iterator[KeptCells | None]:
    """Return a context with the cells in a folder of results; None without a folder.

    Raises:
        SettingError: if something that decides the results of a cell can't be described.
        RunError: if the folder can't be read or written.
    """
    if path is None:
        yield None
        return
    with ExitStack() as stack:
        folder = ResultFolder(path)
        stack.callback(folder.close)
        lock = FolderLock(path)
        try:
            lock.acquire()
            stack.callback(lock.release)
            is_first = True
        except RunError:  # another process works in it: this one begins at the other end
            is_first = False
        yield KeptCells(folder, cells, seeds, budget, is_first=is_first)
