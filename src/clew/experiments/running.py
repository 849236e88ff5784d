"""Running the cells of an experiment: blocks of seeds, over threads or Ray actors.

A block is some seeds of one cell. Threads take blocks, which are small at first and then take about 0.1 s, so that all
threads end at the same time, Ctrl-C is heard, and a folder loses little when the process is killed. Compiled code runs
without Python's lock, so threads share the work of compiled learners; agents in plain Python gain nothing by them. What
a run gives depends on its seed alone, so who computes it changes no bit.
"""

import heapq
import math
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from clew.experiments.cells import Budget, Cell, CellResults
from clew.learning.members import Check
from clew.learning.settings import Learning
from clew.policies.plugins import plugins_of

SECONDS_PER_BLOCK = 0.1
LEAST_SECONDS_PER_BLOCK = 0.002  # if there is enough to do; a block costs about 0.0002 s of Python
MAX_BLOCK_BYTES = 2**25  # of the episodes and the tables of a block
BYTES_PER_EPISODE = 17  # of statistics: steps, return, terminated


class Block(NamedTuple):
    """Runs of a cell that are complete."""

    cell: int
    runs: Sequence[int]  # numbers of their seeds
    results: CellResults
    is_new: bool  # False if they were found in the folder


Find = Callable[[int, Sequence[int]], list[Block]]
"""Function of a cell and of its missing runs: returns those that another process has completed in the meantime."""


Perform = Callable[[Check, int, Sequence[int]], CellResults]
"""Function of a check, which is called now and then and raises an error to stop, of a cell, and of its runs."""


class Stopped(Exception):  # noqa: N818  # no error: the experiment was ended
    """Raised in the threads of an experiment that has been stopped."""


class Schedule:
    """The runs that no thread has taken yet; threads take blocks of them.

    The next block is of the cell with the most runs left, so that the same seeds are complete in all cells if the
    experiment is stopped.

    Args:
        missing: numbers of the runs of each cell that have to be computed.
        num_threads: number of threads.
        max_runs: greatest number of runs of a block.
        find: looks for runs that another process has completed; None if none shares the work.
        num_worlds: cells with the same remainder by it are of the same world.
        backwards: take the last runs first, as a second process does that shares the work.
    """

    def __init__(
        self,
        missing: Sequence[Sequence[int]],
        num_threads: int,
        max_runs: int,
        find: Find | None,
        *,
        num_worlds: int = 1,
        backwards: bool,
    ) -> None:
        order = -1 if backwards else 1
        self._left = {cell: list(runs)[::order] for cell, runs in enumerate(missing) if runs}
        self._queue = [(-len(runs), order * cell, cell) for cell, runs in self._left.items()]  # the next cell first
        heapq.heapify(self._queue)
        self._num_threads, self._max_runs, self._find = num_threads, max_runs, find
        self._num_worlds = num_worlds
        self._lock = threading.Lock()
        self._num_left = sum(map(len, self._left.values()))
        self._seconds: dict[int, float] = {}  # of a run of each cell, by its last block
        self._sizes: dict[int, int] = {}  # greatest size of the next block of each cell
        self._last_seconds: dict[int, float] = {}  # of a run of the last block of any cell of each world
        self._last_look = time.perf_counter()

    def take(self, finished: Callable[[Block], None]) -> tuple[int, list[int]] | None:
        """Return the next block, (cell, numbers of runs); None if none is left.

        Args:
            finished: called with the blocks that another process has completed.
        """
        with self._lock:
            while self._queue:
                _, place, cell = heapq.heappop(self._queue)
                left = self._left[cell]
                if self._find is not None and time.perf_counter() - self._last_look > SECONDS_PER_BLOCK:
                    self._num_left -= len(left)
                    for block in self._find(cell, left):
                        finished(block)
                        found = set(block.runs)
                        left = [run for run in left if run not in found]
                    self._num_left += len(left)
                    self._last_look = time.perf_counter()
                size = self._size(cell)
                self._left[cell] = left[size:]
                if len(left) > size:
                    heapq.heappush(self._queue, (size - len(left), place, cell))
                if left:
                    self._num_left -= len(left[:size])
                    return cell, left[:size]
            return None

    def _size(self, cell: int) -> int:
        """Return how many runs the next block of a cell may have."""
        seconds = self._seconds.get(cell, self._last_seconds.get(cell % self._num_worlds, math.inf))
        wanted = max(1, int(SECONDS_PER_BLOCK / seconds))
        size = min(wanted, self._sizes.get(cell, max(1, wanted // 8)), self._max_runs)
        if self._num_threads > 1:  # the last blocks are shorter, so that all threads end at the same time
            share = math.ceil(self._num_left / (2 * self._num_threads))
            size = min(size, max(share, int(LEAST_SECONDS_PER_BLOCK / seconds)))
        return max(1, size)

    def note(self, cell: int, num_runs: int, seconds: float) -> None:
        """Note how long a block has taken; the next one of its cell has at most eight times as many runs."""
        with self._lock:
            self._seconds[cell] = self._last_seconds[cell % self._num_worlds] = max(seconds, 1e-9) / num_runs
            self._sizes[cell] = 8 * num_runs


def max_runs_of(budget: Budget, bytes_per_table: int) -> int:
    """Return the greatest number of runs in a block, whose episodes and tables fill 32 MiB."""
    num_episodes = budget.num_episodes or budget.num_steps or 1
    return max(1, MAX_BLOCK_BYTES // (BYTES_PER_EPISODE * num_episodes + bytes_per_table))


def run_blocks(
    perform: Perform, schedule: Schedule, num_threads: int, max_seconds: float | None = None
) -> Generator[Block, None, None]:
    """Run all runs of a schedule in threads.

    Args:
        perform: runs a block, in this process or on an actor.
        schedule: the runs.
        num_threads: number of threads.
        max_seconds: time after which the threads are stopped; None for no limit.

    Yields:
        Complete blocks, in any order.

    Raises:
        Exception: whatever a run has raised. The other threads are stopped.
    """
    stop, finished = threading.Event(), queue.Queue[Block | BaseException | None](maxsize=4 * num_threads)

    def check() -> None:
        if stop.is_set():
            raise Stopped

    def work() -> None:
        try:
            while not stop.is_set() and (block := schedule.take(finished.put)) is not None:
                cell, runs = block
                begun = time.perf_counter()
                results = perform(check, cell, runs)
                schedule.note(cell, len(runs), time.perf_counter() - begun)
                finished.put(Block(cell, runs, results, True))
            finished.put(None)
        except BaseException as error:  # raised again in the thread of the caller
            finished.put(error)

    threads = [threading.Thread(target=work, name=f"clew-{i}", daemon=True) for i in range(num_threads)]
    if max_seconds is not None:
        timer = threading.Timer(min(max(0.0, max_seconds), threading.TIMEOUT_MAX), stop.set)
        timer.name, timer.daemon = "clew-timer", True
        threads.append(timer)
    for thread in threads:
        thread.start()
    num_ended = 0
    try:
        while num_ended < num_threads:
            block = finished.get()
            if block is None or isinstance(block, Stopped):  # the latter after max_seconds
                num_ended += 1
            elif isinstance(block, BaseException):
                num_ended += 1
                raise block
            else:
                yield block
    finally:
        stop.set()
        if max_seconds is not None:
            timer.cancel()
        while num_ended < num_threads:  # the others may wait for room
            num_ended += not isinstance(finished.get(), Block)


def run_seeds(cells: Sequence[Cell], budget: Budget, cell: int, seeds: Sequence[int]) -> CellResults:
    """Run a cell with some seeds, to the end; an actor calls this."""
    return cells[cell].run(seeds, budget, lambda: None)


@contextmanager
def performer(cells: Sequence[Cell], seeds: Sequence[int], budget: Budget, num_actors: int) -> Iterator[Perform]:
    """Provide a function that runs blocks: in the thread that calls it, or on one of some actors.

    Args:
        cells: cells of the experiment.
        seeds: seeds of the experiment.
        budget: how long each run is.
        num_actors: number of Ray actors; 0 for none.

    Raises:
        ClusterError: if the actors can't be started or used.
    """
    if not num_actors:
        yield lambda check, cell, runs: cells[cell].run([seeds[run] for run in runs], budget, check)
        return
    from clew.distributed.functions import remote_function  # imports Ray

    learners = [cell.learner for cell in cells if isinstance(cell.learner, Learning)]
    plugins = [each for row in learners for each in plugins_of(row.algorithm, row.behaviour_name)]
    with remote_function(partial(run_seeds, cells, budget), plugins, num_actors) as call:
        yield lambda check, cell, runs: call(check, cell, [seeds[run] for run in runs])
