"""Experiment: learners x worlds x seeds, run in one call."""

import math
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clew.errors import SettingError, StoppedError, StopTraining
from clew.experiments.cells import Budget, Cell, as_learners, as_worlds
from clew.experiments.changes import check_reached
from clew.experiments.collecting import (
    MEMORY_LIMIT,
    Collected,
    KeptCells,
    are_tables_recorded,
    bytes_of_table,
    kept_cells,
)
from clew.experiments.listing import save_plan
from clew.experiments.optimum import OUTCOMES, CellRuns, outcome_of
from clew.experiments.results import TOO_MANY_TABLES, ExperimentResults, check_figure
from clew.experiments.running import BYTES_PER_EPISODE, Block, Schedule, max_runs_of, performer, run_blocks
from clew.experiments.seeds import MAX_RUNS, as_seeds
from clew.learning.findings import Finding
from clew.learning.learner import initial_values
from clew.learning.precision import RewardRange, warn_if_stalled
from clew.learning.settings import Learning
from clew.runs.examination import warnings_about
from clew.runs.machine import count_processors
from clew.settings import MAX_EPISODES, POSITIVE, as_path, check_callable, check_count, check_number

MAX_EXAMINED = 100  # pairs of a learner and a world that are examined


@dataclass(frozen=True)
class ExperimentProgress:
    """Progress of an experiment.

        >>> import clew
        >>> rows = []
        >>> experiment = clew.Experiment({"open": "5x5"}, {"Q": {}}, range(10), num_episodes=50)
        >>> results = experiment.run(progress=rows.append)
        >>> rows[-1].num_done, rows[-1].num_runs, rows[-1].num_found
        (10, 10, 0)

    Attributes:
        num_done: number of complete runs, those that were found in the folder included.
        num_runs: number of all runs.
        num_found: number of runs that were found in the folder.
        seconds: wall time so far.
        seconds_left: estimate for the other runs; None before the first has been computed.
    """

    num_done: int
    num_runs: int
    num_found: int
    seconds: float
    seconds_left: float | None


Progress = Callable[[ExperimentProgress], None]


class Experiment:
    """Learners x worlds x seeds: every learner learns in every world once with each seed, in one call.

    A run has the bits of `clew.train_policy` with its seed, or of `clew.run_agent`, whatever the number of threads.

        >>> import clew
        >>> experiment = clew.Experiment(
        ...     worlds={"open": "5x5", "cliff": "cliff"},
        ...     learners={"Q": {"alpha": 0.5}, "Sarsa": {"algorithm": "sarsa", "alpha": 0.5}},
        ...     seeds=range(20),
        ...     num_episodes=100,
        ... )
        >>> results = experiment.run()
        >>> results.episode_return.shape
        (2, 2, 20, 100)
        >>> env = clew.Environment(clew.Maze.open(5, 5))
        >>> policy = clew.train_policy(env, 100, alpha=0.5, seed=7)
        >>> bool((results.policy("Q", "open", seed=7).q == policy.q).all())
        True

    Args:
        worlds: dictionary from a name to a world: text as `clew train` takes it, such as "5x5", "wilson:20x30:seed=3",
            "cliff", "gym:FrozenLake-v1" or a file; a `TrainingConfig` with settings of the world alone; or an
            environment, a `Maze` or a `FiniteMDP`. A world that changes is a dictionary from the episode of each change
            to the world from then on: {0: maze, 1000: other}; with num_steps from its step, and the episode that is
            under way then is completed in the old world.
        learners: dictionary from a name to a learner: settings, as a dictionary or a `clew.Learning`; the name of an
            algorithm, also of a plug-in; or a function or class that makes an agent in plain Python of (env, seed), see
            `clew.run_agent`.
        seeds: different non-negative integers.
        num_episodes: number of episodes of each run, on which schedules are based.
        num_steps: instead of num_episodes: a run begins episodes until this number of steps is taken, and completes the
            last one. Settings can't change over the episodes then, as their number is unknown.

    Raises:
        SettingError: if a world, a learner or a seed is none, a learner doesn't fit a world, a world changes after the
            end, not exactly one of num_episodes and num_steps is given, or there are more than 10 million runs; names
            it.
    """

    def __init__(
        self,
        worlds: Mapping[str, Any],
        learners: Mapping[str, Any],
        seeds: Iterable[int] = range(30),
        *,
        num_episodes: int | None = None,
        num_steps: int | None = None,
    ) -> None:
        self._worlds, self._learners = as_worlds(worlds), as_learners(learners)
        self.seeds = as_seeds("seeds", seeds)
        if (num_episodes is None) == (num_steps is None):
            raise SettingError("give either num_episodes or num_steps: how long each run is")
        for name, count in (("num_episodes", num_episodes), ("num_steps", num_steps)):
            if count is not None:
                check_count(name, count, 1, MAX_EPISODES)
        for world in self._worlds:
            check_reached(world.name, world.changes, num_episodes or num_steps or 0)
        self.num_episodes, self.num_steps = num_episodes, num_steps
        # The runs of a learner in all worlds follow each other, as the axes of the results do.
        num_cells = len(self._learners) * len(self._worlds)
        if num_cells * len(self.seeds) > MAX_RUNS:
            sizes = f"{len(self._learners):,} learners x {len(self._worlds):,} worlds x {len(self.seeds):,} seeds"
            raise SettingError(f"must be fewer: {sizes} are more than {MAX_RUNS:,} runs", setting="seeds")
        self._cells = [Cell(name, learner, world) for name, learner in self._learners.items() for world in self._worlds]
        for cell in self._cells:
            cell.check()
            if num_steps is not None:
                _check_constant(cell)

    def __repr__(self) -> str:
        length = f"{self.num_episodes or self.num_steps:,} {'steps' if self.num_episodes is None else 'episodes'}"
        sizes = f"{len(self._learners)} learners x {len(self._worlds)} worlds x {len(self.seeds)} seeds"
        return f"Experiment({sizes}, {length} each)"

    @property
    def num_runs(self) -> int:
        """Number of runs."""
        return len(self._cells) * len(self.seeds)

    def examine(self) -> dict[Finding, list[str]]:
        """Find what may keep learners from learning, as `clew train` does before it learns.

        Of more than 100 pairs of a learner and a world, 100 or fewer that are evenly spaced are examined. Agents in
        plain Python aren't, and of a world that changes only the first one is.

        Returns:
            For each error or warning, where it was found.

        >>> import clew
        >>> experiment = clew.Experiment({"open": "5x5"}, {"Q": {"gamma": 1.0}, "Sarsa": "sarsa"}, num_episodes=50)
        >>> [(finding.name, where) for finding, where in experiment.examine().items()]
        [('looping-ties', ['Q in open'])]
        """
        found: dict[Finding, list[str]] = {}
        num_episodes = self.num_episodes or self.num_steps or 1  # as many at most
        for cell in self._cells[:: math.ceil(len(self._cells) / MAX_EXAMINED)]:
            if isinstance(cell.learner, Learning):
                for finding in warnings_about(cell.world.env, num_episodes, cell.learner):
                    found.setdefault(finding, []).append(cell.name)
        return found

    def check_figure(self, figure: str) -> None:
        """Check, before anything is run, that the results can have a figure of whole runs, see `results.sample`.

        Raises:
            SettingError: if there is no such figure, the optimum is unknown, or the action values of all runs can't
                be recorded.
        """
        check_figure(figure, None)
        if figure == "suboptimality" and not are_tables_recorded(self._cells, len(self.seeds)):
            raise SettingError(f"{figure} is unknown: {TOO_MANY_TABLES}; run fewer seeds", setting="figure")
        for cell in self._cells[: len(self._worlds)] if figure in OUTCOMES else ():
            outcome_of(CellRuns(cell, list, list), figure)

    def run(
        self,
        *,
        num_threads: int | None = None,
        num_actors: int = 0,
        folder: str | Path | None = None,
        progress: Progress | None = None,
        max_seconds: float | None = None,
    ) -> ExperimentResults:
        """Run everything that isn't in the folder, and return the results.

        If it is stopped before, by `max_seconds` or `progress`, the results have the seeds of which all runs are
        complete. The others are lost without a folder; with one, the same call goes on.

            >>> import clew
            >>> def stop_at_twenty(progress):
            ...     if progress.num_done >= 20:
            ...         raise clew.StopTraining
            >>> experiment = clew.Experiment({"open": "5x5"}, {"Q": {}}, range(100_000), num_episodes=50)
            >>> results = experiment.run(progress=stop_at_twenty, max_seconds=600)
            >>> 20 <= len(results.seeds) < 100_000
            True

        Args:
            num_threads: number of threads, which changes no bit; None for one for each processor of this process.
            num_actors: number of Ray actors that run the experiment instead of threads, with a processor each; changes
                no bit. 0 runs it in this process. A Ray is started if none runs, see docs/clusters.md.
            folder: keeps the results of each run by a hash of all that decides them: a rerun computes nothing, more
                seeds are computed alone, and after a kill the experiment goes on. Several processes may share it. None
                keeps nothing.
            progress: function that is called with an `ExperimentProgress` whenever runs are complete. If it raises
                `clew.StopTraining`, the experiment is stopped.
            max_seconds: time after which the experiment is stopped; a fraction of a second more passes until the
                threads end. Where runs differ in length, those that are complete by then are rather the short ones:
                of few runs the mean is biased. None for no limit.

        Raises:
            SettingError: if an argument is out of range, something in the experiment can't be described for the folder,
                a learner's values grow too large, or an agent raises `clew.StopTraining`.
            Exception: whatever an agent or environment of the user raises, with a note of its learner, world and seed.
            RunError: if the folder can't be read or written.
            ClusterError: if the actors can't be started or used, or an agent or environment can't be sent to them.
            StoppedError: if the experiment was stopped before all runs of a seed were complete.
        """
        check_run_arguments(num_threads, num_actors, progress, max_seconds)
        num_threads, begun = num_threads or count_processors(), time.perf_counter()
        budget = Budget(self.num_episodes, self.num_steps, self._every())
        collected = Collected(self._cells, self.seeds, budget)
        path = None if folder is None else as_path("folder", folder)
        with kept_cells(path, self._cells, self.seeds, budget) as kept:
            if path is not None and kept is not None:
                save_plan(path, self._plan(kept.keys))
            for block in () if kept is None else kept.find_all():
                collected.add(block)
            num_found = collected.num_done
            is_stopped = num_found > 0 and self._report(progress, collected, num_found, begun)
            end = None if max_seconds is None else begun + float(max_seconds)
            missing = [] if is_stopped else collected.missing()
            with closing(self._blocks(missing, budget, kept, num_threads, num_actors, end)) as blocks:
                for block in blocks:
                    if kept is not None and block.is_new:
                        kept.save(block)
                    collected.add(block)
                    if self._report(progress, collected, num_found, begun):
                        break
        return self._results(collected, path, begun)

    def _report(self, progress: Progress | None, collected: Collected, num_found: int, begun: float) -> bool:
        """Report the progress, and return whether `progress` has raised `StopTraining`."""
        try:
            if progress is not None:
                progress(self._progress(collected, num_found, begun))
        except StopTraining:
            return True
        return False

    def _blocks(
        self,
        missing: Sequence[Sequence[int]],
        budget: Budget,
        kept: KeptCells | None,
        num_threads: int,
        num_actors: int,
        end: float | None,
    ) -> Generator[Block, None, None]:
        """Run what is missing, until an end by `time.perf_counter`, and yield the complete blocks."""
        if not any(missing):
            return
        num_workers = num_actors or num_threads  # a thread waits for each actor
        schedule = Schedule(
            missing,
            num_workers,
            max_runs_of(budget, max(map(bytes_of_table, self._cells))),
            None if kept is None else kept.find,
            num_worlds=len(self._worlds),
            backwards=kept is not None and not kept.is_first,
        )
        with performer(self._cells, self.seeds, budget, num_actors) as perform:
            max_seconds = None if end is None else end - time.perf_counter()
            yield from run_blocks(perform, schedule, num_workers, max_seconds)

    def _plan(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return what the experiment consists of, as JSON, to be listed by `clew runs`."""
        return {
            "learners": list(self._learners),
            "worlds": [world.name for world in self._worlds],
            "seeds": list(self.seeds),
            "num_episodes": self.num_episodes,
            "num_steps": self.num_steps,
            "cells": list(keys),
        }

    def _every(self) -> int:
        """Return of how many episodes the last one is recorded: a power of 2, so that a folder can hold finer ones."""
        every = 1
        if self.num_episodes is not None:
            while (
                2 * every <= self.num_episodes
                and self.num_runs * (self.num_episodes // every) * BYTES_PER_EPISODE > MEMORY_LIMIT
            ):
                every *= 2
        return every

    def _progress(self, collected: Collected, num_found: int, begun: float) -> ExperimentProgress:
        """Return the progress of the experiment."""
        num_done, seconds = collected.num_done, time.perf_counter() - begun
        per_run = seconds / (num_done - num_found) if num_done > num_found else None
        left = None if per_run is None else per_run * (self.num_runs - num_done)
        return ExperimentProgress(num_done, self.num_runs, num_found, seconds, left)

    def _warn_if_stalled(self, collected: Collected) -> None:
        """Warn if float32 became too coarse for the values of a learner, see `clew.PrecisionWarning`."""
        for i, cell in enumerate(self._cells):
            if i in collected.tables and isinstance(cell.learner, Learning) and cell.world.compiled is not None:
                initial = initial_values(cell.world.env, cell.world.compiled, cell.learner)
                warn_if_stalled(cell.learner, cell.world.compiled, collected.tables[i], RewardRange(), initial)

    def _results(self, collected: Collected, folder: Path | None, begun: float) -> ExperimentResults:
        """Return the seeds that are complete, with an axis for the learners and one for the worlds.

        Raises:
            StoppedError: if none is complete.
        """
        num_done = collected.num_done
        complete = collected.keep_complete()
        if not complete.size:
            fate = "are lost without a folder" if folder is None else f"are saved in {folder}: the same call goes on"
            raise StoppedError(
                f"stopped before any seed was complete with every learner in every world, so there are no results; "
                f"{num_done:,} of {self.num_runs:,} runs are complete, and {fate}"
            )
        self._warn_if_stalled(collected)
        num_worlds = len(self._worlds)
        shape = len(self._learners), num_worlds, *collected.steps.shape[1:]
        return ExperimentResults(
            tuple(self._learners),
            tuple(world.name for world in self._worlds),
            tuple(self.seeds[run] for run in complete),
            collected.episodes,
            collected.steps.reshape(shape),
            collected.episode_return.reshape(shape),
            collected.terminated.reshape(shape),
            collected.num_computed,
            time.perf_counter() - begun,
            {divmod(i, num_worlds): tables for i, tables in collected.tables.items()},
            tuple(world.env for world in self._worlds),
            tuple(self._cells),
        )


def check_run_arguments(num_threads: Any, num_actors: Any, progress: Any, max_seconds: Any) -> None:
    """Check the arguments of `Experiment.run`.

    Raises:
        SettingError: names the one that is out of range.
    """
    if num_threads is not None:
        check_count("num_threads", num_threads, 1, 1024)
    check_count("num_actors", num_actors, 0, 100_000)
    if num_actors and num_threads is not None:
        raise SettingError("can't be combined with num_actors: each actor has one thread", setting="num_threads")
    if progress is not None:
        check_callable("progress", progress, "an ExperimentProgress")
    if max_seconds is not None:
        check_number("max_seconds", max_seconds, POSITIVE)


def _check_constant(cell: Cell) -> None:
    """Check that a cell can be run for a number of steps.

    Raises:
        SettingError: if a setting changes over the episodes, whose number is unknown, or episodes are interleaved.
    """
    learning = cell.learner
    if not isinstance(learning, Learning):
        return
    for name in ("alpha_schedule", "exploration_schedule"):
        if getattr(learning, name) not in ("constant", "visits"):
            raise SettingError(
                f"{cell.name}: {name} needs num_episodes: with num_steps the number of episodes is unknown"
            )
    if learning.num_interleaved > 1:
        raise SettingError(f"{cell.name}: num_interleaved needs num_episodes: interleaved episodes end together")
