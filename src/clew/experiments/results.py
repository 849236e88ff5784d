"""Results of an experiment: the episodes of all runs as arrays, and the tables that were learned."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import ExtraError, RunError, SettingError
from clew.experiments.optimum import OUTCOMES, CellRuns, outcome_of
from clew.experiments.report import ExperimentComparison, compare_learners
from clew.files import new_file
from clew.learning.metrics import RoundMetrics
from clew.notebook import plotted
from clew.policies.policy import Policy
from clew.settings import MAX_EPISODES, as_list, as_path, check_choice, check_count, check_flag, choose_from, shown

if TYPE_CHECKING:
    from clew.experiments.cells import Cell

RECORDED = ("steps", "terminated", "episode_return")  # as `RoundMetrics.from_totals` takes them
EPISODE_FIGURES = ("episode_return", "steps", "terminated")
LESS_IS_BETTER = ("steps", *OUTCOMES)
WORDS = {  # names of figures in sentences
    "episode_return": "return",
    "steps": "number of steps",
    "terminated": "share of terminated episodes",
    "regret": "regret",
    "steps_to_optimal": "number of steps to the optimum",
    "episodes_to_optimal": "number of episodes to the optimum",
    "suboptimality": "suboptimality",
}
TOO_MANY_TABLES = "the action values of all runs would take more than 512 MiB"
COLUMNS = ("learner", "world", "seed", "episode", *EPISODE_FIGURES[1:], EPISODE_FIGURES[0])


def check_figure(figure: Any, last: Any) -> None:
    """Check the figure of runs that is asked for, see `ExperimentResults.sample`.

    Raises:
        SettingError: if there is no such figure, or `last` isn't a number of episodes, or has no effect on it.
    """
    check_choice("figure", figure, (*EPISODE_FIGURES, *OUTCOMES))
    if last is not None:
        check_count("last", last, 1, MAX_EPISODES)
        if figure in OUTCOMES:
            raise SettingError(f"has no effect on {figure}, which is of whole runs", setting="last")


def describe_figure(figure: str, last: int | None, episodes: npt.NDArray[np.int64] | None) -> str:
    """Return which figure of runs a sample has, in words, see `ExperimentResults.sample`.

    Args:
        figure: name of the figure.
        last: number of episodes, from the end of each run; None for all.
        episodes: numbers of the recorded episodes; None if runs have different numbers of episodes.

    >>> import numpy as np
    >>> from clew.experiments.results import describe_figure
    >>> describe_figure("steps", 10, np.arange(1, 40, 2))
    'number of steps: mean of the recorded ones of the last 10 episodes'
    """
    if figure not in EPISODE_FIGURES:
        return WORDS[figure]
    recorded = "" if episodes is None or episodes.size == episodes[-1] + 1 else "recorded "
    if last is None or (episodes is not None and last > episodes[-1]):
        return f"{WORDS[figure]}: mean of all {recorded}episodes"
    return f"{WORDS[figure]}: mean of the {recorded and 'recorded ones of the '}last {last:,} episodes"


def _mean_and_spread(sample: npt.NDArray[np.float64]) -> str:
    """Return the mean of a sample and its standard deviation as HTML; a single run has none."""
    return f"{sample.mean():.4g}" if sample.size == 1 else f"{sample.mean():.4g} &plusmn; {sample.std(ddof=1):.2g}"


class Rounds(NamedTuple):
    """Rounds of the episodes of a run."""

    num_episodes: npt.NDArray[np.int64]  # (num_rounds,)
    num_recorded: npt.NDArray[np.int64]  # (num_rounds,), of them

    def of_run(self, totals: Sequence[npt.NDArray[Any]]) -> list[RoundMetrics]:
        """Return the metrics of a run from the sums of its recorded steps, ends and rewards, (num_rounds,) each."""
        ended = np.cumsum(self.num_episodes)
        means = [(total / self.num_recorded).tolist() for total in totals]
        return [
            RoundMetrics(i, n, round(steps * n), steps, share, reward, 0.0, int(ended[i]), int(ended[-1]))
            for i, (n, steps, share, reward) in enumerate(zip(self.num_episodes.tolist(), *means, strict=True))
        ]


@dataclass(frozen=True, eq=False)
class ExperimentResults:
    """Results of a `clew.Experiment`: its axes are (learner, world, seed, episode).

        >>> import clew
        >>> learners = {"Q": {"alpha": 0.5}, "Sarsa": {"algorithm": "sarsa", "alpha": 0.5}}
        >>> results = clew.Experiment({"cliff": "cliff"}, learners, range(10), num_episodes=200).run()
        >>> results.steps.shape, results.episodes[:3].tolist()
        ((2, 1, 10, 200), [0, 1, 2])
        >>> results.sample("Sarsa", "cliff", "episode_return", last=100).shape
        (10,)
        >>> results.policy("Q", "cliff", seed=3)
        Policy(48 states x 4 actions)

    Attributes:
        learners: name of each learner.
        worlds: name of each world.
        seeds: each seed.
        episodes: (num_recorded,) int64, numbers of the recorded episodes, from 0. All, or if they would take more than
            512 MiB the last of every 2, 4, 8, ... episodes. None if runs have different numbers of episodes.
        steps: (num_learners, num_worlds, num_seeds, num_recorded) int64, number of steps of each recorded episode. With
            num_steps, runs have different numbers of episodes: (num_learners, num_worlds, num_seeds) objects, each an
            array of one run.
        episode_return: the same for its undiscounted sum of rewards, float64.
        terminated: the same for whether the world has terminated it, and no step limit has truncated it, bool.
        num_computed: number of runs that were computed, and not found in the folder.
        seconds: wall time.
    """

    learners: tuple[str, ...]
    worlds: tuple[str, ...]
    seeds: tuple[int, ...]
    episodes: npt.NDArray[np.int64] | None
    steps: npt.NDArray[Any]
    episode_return: npt.NDArray[Any]
    terminated: npt.NDArray[Any]
    num_computed: int
    seconds: float
    _tables: dict[tuple[int, int], npt.NDArray[np.float32]]  # (num_seeds, num_states, num_actions) of each cell
    _envs: tuple[Any, ...]
    _cells: tuple["Cell", ...] = ()

    def __repr__(self) -> str:
        sizes = ((self.learners, "learner"), (self.worlds, "world"), (self.seeds, "seed"))
        axes = " x ".join(f"{len(axis)} {name}{'s' * (len(axis) != 1)}" for axis, name in sizes)
        return f"ExperimentResults({axes}, {self.num_computed} of {self.steps[..., 0].size} runs computed)"

    def _repr_html_(self) -> str:
        """Return a table of the mean return of each learner in each world, for notebooks."""
        head = "".join(f"<th>{escape(world)}</th>" for world in self.worlds)
        rows = []
        for learner in self.learners:
            samples = [self.sample(learner, world, "episode_return") for world in self.worlds]
            numbers = "".join(f"<td>{_mean_and_spread(sample)}</td>" for sample in samples)
            rows.append(f"<tr><th>{escape(learner)}</th>{numbers}</tr>")
        caption = f"mean return per episode, and its standard deviation over {len(self.seeds)} seeds"
        return f"<table><caption>{caption}</caption><tr><th></th>{head}</tr>{''.join(rows)}</table>"

    def sample(
        self, learner: str, world: str, figure: str = "episode_return", *, last: int | None = None
    ) -> npt.NDArray[np.float64]:
        """Return the mean of a figure over the recorded episodes of each run: a sample for statistics.

        Args:
            learner: name of the learner.
            world: name of the world.
            figure: "episode_return", "steps" or "terminated". Or a figure of whole runs against the exact optimum:
                "regret" (what all episodes have lost to the optimal return within the step limit), "steps_to_optimal"
                and "episodes_to_optimal" (until training episodes, a hundredth of them at a time, stay within 25% of
                the optimum in their steps and their return, see docs/plots.md; inf if they don't), or "suboptimality"
                (V*(start) - V_pi(start) of the greedy policy).
            last: number of episodes, from the end of each run, of which the recorded ones are taken; None for all.

        Returns:
            (num_seeds,) float64.

        Raises:
            SettingError: if there is no such learner, world or figure, no episode, or the optimum is unknown.
        """
        check_figure(figure, last)
        i, j = self._index("learner", learner), self._index("world", world)
        if figure in OUTCOMES:

            def find_policies() -> list[Policy]:
                return [self.policy(learner, world, seed=seed) for seed in self.seeds]

            find_metrics = partial(self._metrics_of, i, j, 100)
            return outcome_of(CellRuns(self._cells[i * len(self.worlds) + j], find_metrics, find_policies), figure)
        runs = getattr(self, figure)[i, j]
        first = 0 if last is None else -last
        if last is not None and self.episodes is not None:  # at least the last one is recorded
            first = int(np.searchsorted(self.episodes, self.episodes[-1] - last, side="right"))
        return np.array([np.mean(run[first:]) for run in runs])

    def samples(
        self, world: str, figure: str = "episode_return", *, last: int | None = None
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Return the `sample` of each learner in a world, by its name. The seeds are the same, in the same order.

        Raises:
            SettingError: as `sample`.
        """
        return {learner: self.sample(learner, world, figure, last=last) for learner in self.learners}

    def compare(
        self,
        figure: str = "episode_return",
        *,
        worlds: Sequence[str] | None = None,
        last: int | None = None,
        paired: bool = False,
        seed: int = 0,
    ) -> ExperimentComparison:
        """Compare the learners in each world: statistics of each, tests of each pair, and verdicts in words.

        Args:
            figure: as for `sample`.
            worlds: names of the worlds, such as those whose optimum is known; None for all. P-values are corrected for
                the pairs in these worlds.
            last: as for `sample`.
            paired: True compares runs of the same seed with each other. They draw the same random numbers, so where
                learners differ little, so do their runs, and fewer seeds suffice.
            seed: of the bootstrap and of the permutations.

        Raises:
            SettingError: as for `sample`, or if there are fewer than two seeds.
        """
        check_flag("paired", paired)
        check_count("seed", seed, 0)
        names = self.worlds if worlds is None else as_list("worlds", worlds, "names of worlds")
        if not names:
            raise SettingError("must not be empty", setting="worlds")
        samples = {world: self.samples(world, figure, last=last) for world in names}
        title = describe_figure(figure, last, self.episodes)
        title += f"{',' if figure in EPISODE_FIGURES else ':'} {len(self.seeds)} seeds"
        is_less = figure in LESS_IS_BETTER
        return compare_learners(samples, title, what=WORDS[figure], paired=paired, lower_is_better=is_less, seed=seed)

    def plot(
        self,
        world: str | None = None,
        *,
        figure: str = "mean_return",
        optimum: float | None = None,
        title: str | None = None,
        num_rounds: int = 100,
    ) -> Any:
        """Plot the learning curves in a world, as `clew.plot_learning` does.

        Args:
            world: name of the world; None for the only one.
            figure: as for `clew.plot_learning`.
            optimum: as for `clew.plot_learning`.
            title: of the plot; None takes the name of the world.
            num_rounds: greatest number of points of a curve.

        Returns:
            Matplotlib figure, which notebooks display.

        Raises:
            SettingError: if there is no such world, runs have different numbers of episodes, or an option is wrong.
            ExtraError: if Matplotlib is not installed.
        """
        if world is None:
            if len(self.worlds) > 1:
                names = ", ".join(map(repr, self.worlds))
                raise SettingError(
                    f"must be given, as there are {len(self.worlds)}: world= one of {names}", setting="world"
                )
            world = self.worlds[0]
        title = world if title is None else title
        runs = self.metrics(world, num_rounds=num_rounds)
        return plotted("plot_learning", runs, figure=figure, optimum=optimum, title=title)

    def metrics(self, world: str, *, num_rounds: int = 100) -> dict[str, list[list[RoundMetrics]]]:
        """Return the learning curves in a world, as `clew.plot_learning` and `clew.plot_regret` take them.

        Args:
            world: name of the world.
            num_rounds: greatest number of points of a curve.

        Returns:
            From the name of each learner to the `RoundMetrics` of each of its runs; their seconds are 0. If not all
            episodes were recorded, the figures of a round are those of the recorded ones.

        Raises:
            SettingError: if there is no such world, or runs have different numbers of episodes.
        """
        place = self._index("world", world)
        check_count("num_rounds", num_rounds, 1, MAX_EPISODES)
        return {name: self._metrics_of(i, place, num_rounds) for i, name in enumerate(self.learners)}

    def _metrics_of(self, learner: int, world: int, num_rounds: int) -> list[list[RoundMetrics]]:
        """Return the learning curves of the runs of a cell, see `metrics`."""
        if self.episodes is None:
            raise SettingError("curves need num_episodes: with num_steps, runs have different numbers of episodes")
        size = math.ceil(self.episodes.size / num_rounds)
        firsts = np.arange(0, self.episodes.size, size)
        ends = np.minimum(firsts + size, self.episodes.size)
        columns = [np.add.reduceat(getattr(self, name)[learner, world], firsts, axis=-1) for name in RECORDED]
        rounds = Rounds(np.diff(self.episodes[ends - 1], prepend=-1), ends - firsts)
        return [rounds.of_run([column[k] for column in columns]) for k in range(len(self.seeds))]

    def policy(self, learner: str, world: str, *, seed: int) -> Policy:
        """Return the policy that a run has learned.

        Args:
            learner: name of the learner.
            world: name of the world.
            seed: seed of the run.

        Raises:
            SettingError: if there is no such run, its agent has no action values, or the tables of all runs would have
                taken more than 512 MiB and weren't recorded.
        """
        i, j, k = self._index("learner", learner), self._index("world", world), self._index("seed", seed)
        tables = self._tables.get((i, j))
        if tables is None:
            raise SettingError(
                f"{TOO_MANY_TABLES}, and weren't recorded; run fewer seeds, or clew.train_policy with this one"
            )
        if tables[k].size == 0:
            raise SettingError(f"the learner {learner!r} has no table q of action values")
        return Policy(self._envs[j], seed=seed, q=tables[k])

    def _index(self, axis: str, name: Any) -> int:
        """Return the place of a learner, a world or a seed on its axis.

        Raises:
            SettingError: if it isn't there.
        """
        names: Sequence[Any] = getattr(self, f"{axis}s")
        if not isinstance(name, str | int | np.integer) or name not in names:
            known = f"from {names[0]} to {names[-1]}" if axis == "seed" else choose_from(name, names)
            raise SettingError(f"{shown(name)} is not in the experiment; {known}", setting=axis)
        return names.index(name)

    def _recorded(self, run: tuple[int, int, int]) -> npt.NDArray[np.int64]:
        """Return the numbers of the recorded episodes of a run."""
        return np.arange(self.steps[run].size) if self.episodes is None else self.episodes

    def to_csv(self, path: str | Path) -> None:
        """Write a row for each recorded episode: learner, world, seed, episode, steps, terminated, episode_return.

        Raises:
            RunError: if the file can't be written.
        """
        path = as_path("path", path)
        shape = len(self.learners), len(self.worlds), len(self.seeds)
        try:
            with new_file(path, ",".join(COLUMNS).encode()) as file:
                text = TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
                rows = csv.writer(text, lineterminator="\n")
                rows.writerow(COLUMNS)
                for run in np.ndindex(shape):
                    names = self.learners[run[0]], self.worlds[run[1]], self.seeds[run[2]]
                    columns = (self.steps[run], self.terminated[run].astype(int), self.episode_return[run])
                    values = (column.tolist() for column in (self._recorded(run), *columns))
                    rows.writerows((*names, *row) for row in zip(*values, strict=True))
                text.detach()  # flushes it, and leaves the file open
        except OSError as error:
            raise RunError(f"{path}: can't be written: {error.strerror}") from None

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` with a row for each recorded episode, and the columns of `to_csv`.

        Raises:
            ExtraError: if pandas isn't installed.
        """
        try:
            pandas = import_module("pandas")  # no dependency, and no extra either: for those who have it
        except ModuleNotFoundError as error:
            if error.name != "pandas":
                raise
            raise ExtraError("to_pandas needs pandas, which isn't installed: pip install pandas") from None
        runs = list(np.ndindex(len(self.learners), len(self.worlds), len(self.seeds)))
        sizes = [self.steps[run].size for run in runs]
        columns: dict[str, Any] = {}
        for axis, name in enumerate(("learner", "world", "seed")):
            names: Sequence[Any] = getattr(self, f"{name}s")
            numbers = np.repeat([run[axis] for run in runs], sizes)
            columns[name] = pandas.Categorical.from_codes(numbers, names) if axis < 2 else np.array(names)[numbers]
        columns["episode"] = np.concatenate([self._recorded(run) for run in runs])
        for name in COLUMNS[4:]:
            columns[name] = np.concatenate([getattr(self, name)[run] for run in runs])
        return pandas.DataFrame(columns)
