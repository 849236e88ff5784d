"""Sweep: which settings are best, chosen on some seeds and reported on fresh ones."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import RunError, SettingError, StoppedError
from clew.experiments.experiment import Experiment, Progress
from clew.experiments.grids import (
    MAX_POINTS,
    Choices,
    Point,
    as_choices,
    columns_of,
    edges_of,
    grid_of,
    name_of,
    random_points,
    settings_of,
    warnings_of,
)
from clew.experiments.intervals import mean_interval
from clew.experiments.report import ExperimentComparison
from clew.experiments.results import (
    EPISODE_FIGURES,
    LESS_IS_BETTER,
    WORDS,
    ExperimentResults,
    check_figure,
    describe_figure,
)
from clew.experiments.seeds import as_seeds
from clew.files import save_file
from clew.learning.findings import Finding
from clew.learning.settings import Learning, as_learning
from clew.notebook import plotted
from clew.runs.configuration import TrainingConfig
from clew.settings import as_path, check_choice, check_count, shown

NUM_FRESH = 30  # seeds of the report
NUM_SHOWN = 10  # of the best settings in a printed table
BASE, BEST = "base", "best"  # names in the report


class SensitivityCurve(NamedTuple):
    """Figure by the values of one setting, while the others stay the same.

    Attributes:
        values: (num_values,), values of the setting.
        means: (num_values,) float64, mean of the figure over the seeds of the selection.
        low: (num_values,) float64, low end of its 95% interval.
        high: (num_values,) float64, high end.
    """

    values: npt.NDArray[Any]
    means: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SweepResults:
    """Results of a `clew.Sweep`. Printed, it is a table of the best settings, with the report on fresh seeds.

        >>> import clew
        >>> choices = {"alpha": [0.1, 0.5, 0.9], "algorithm": ["sarsa", "q-learning"]}
        >>> found = clew.Sweep("cliff", choices, base={"gamma": 1.0}, num_episodes=100).run()
        >>> found.best
        {'gamma': 1.0, 'alpha': 0.9, 'algorithm': 'sarsa'}
        >>> found.curve("alpha")["algorithm=sarsa"].means.round(0).tolist()
        [-140.0, -72.0, -67.0]
        >>> found.warnings
        ['the best alpha, 0.9, is the greatest of the grid: a better one may lie beyond; extend the grid']

    Attributes:
        points: settings that were tried, and their values.
        sample: (num_points, num_seeds) float64, the figure of each run of the selection.
        best: all settings of the best learner that were given, `base` and the best point.
        best_index: number of the best point.
        report: best settings and base settings compared on the fresh seeds. The figure of the best is worse there than
            in the selection as a rule, since the best of many is lucky.
        warnings: what to do before the result is relied on, such as that the best lies on the edge of the grid.
        selection: results of all runs of the selection; beyond 512 MiB only some episodes of each run are recorded, and
            the figures of the selection are of these.
        fresh: results of the runs on fresh seeds.
        title: the figure, and what it is of.
    """

    points: list[Point]
    sample: npt.NDArray[np.float64]
    best: dict[str, Any]
    best_index: int
    report: ExperimentComparison
    warnings: list[str]
    selection: ExperimentResults
    fresh: ExperimentResults
    title: str
    _figure: str
    _note: str
    _config: dict[str, Any]

    def curve(self, setting: str) -> dict[str, SensitivityCurve]:
        """Return how the figure depends on one setting: a curve for each combination of the others, by its text.

        Raises:
            SettingError: if the setting wasn't varied.
        """
        check_choice("setting", setting, self.points[0])
        curves = {}
        for others, numbers in columns_of(self.points, setting).items():
            values, sample = np.array([self.points[i][setting] for i in numbers]), self.sample[numbers]
            order = np.argsort(values, kind="stable") if values.dtype.kind in "if" else np.arange(values.size)
            ends = mean_interval(sample[order])
            curves[others] = SensitivityCurve(values[order], sample[order].mean(axis=1), *ends)
        return curves

    def plot(self, setting: str) -> Any:
        """Plot how the figure depends on one setting: a line for each combination of the others, with 95% intervals.

        Returns:
            Matplotlib figure, which notebooks display.

        Raises:
            SettingError: if the setting wasn't varied, its values aren't numbers, or runs are censored.
            ExtraError: if Matplotlib is not installed.
        """
        curves = self.curve(setting)
        if any(curve.values.dtype.kind not in "if" for curve in curves.values()):
            raise SettingError(f"has values that aren't numbers, so {shown(setting)} has no curve", setting="setting")
        if not np.isfinite(self.sample).all():
            raise SettingError("has no curve: runs are censored, so that means are unknown", setting="setting")
        return plotted("plot_sensitivity", curves, (setting.strip("_"), WORDS[self._figure]), self.title)

    def config(self) -> dict[str, Any]:
        """Return the best settings with the world and the number of episodes, as `clew train --config` takes them."""
        return {**self._config, **self.best}

    def save(self, path: str | Path) -> None:
        """Write the best settings as JSON, for `clew train --config`.

        Raises:
            RunError: if the file can't be written.
        """
        save_file(as_path("path", path), (json.dumps(self.config(), indent=2) + "\n").encode(), RunError)

    def __str__(self) -> str:
        order = ranking(self.sample, lower_is_better=self._figure in LESS_IS_BETTER)[:NUM_SHOWN].tolist()
        names = [name_of(self.points[i]) for i in order]
        width = max(map(len, names))
        rows = [f"{name:<{width}}  {_describe(self.sample[i])}" for name, i in zip(names, order, strict=True)]
        left = len(self.points) - len(rows)
        more = [f"and {left:,} others"] if left else []
        warnings = ["", *(f"warning: {each}" for each in self.warnings)] if self.warnings else []
        return "\n".join([self.title, *rows, *more, "", f"On fresh seeds{self._note}", str(self.report), *warnings])

    def _repr_html_(self) -> str:
        """Return what is printed, for notebooks."""
        return f"<pre>{escape(str(self))}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings and means, the best ones, the report and the warnings, as JSON can hold them."""
        counts = np.isinf(self.sample).sum(axis=1).tolist()
        means = [None if count else mean for count, mean in zip(counts, self.sample.mean(axis=1).tolist(), strict=True)]
        tried = [
            {"settings": point, "mean": mean, "num_censored": count}
            for point, mean, count in zip(self.points, means, counts, strict=True)
        ]
        return {
            "title": self.title,
            "settings": tried,
            "best": self.config(),
            "report": self.report.to_dict(),
            "warnings": self.warnings,
        }


class Sweep:
    """Try settings of a learner in a world, all with the same seeds and episodes, and report the best on fresh seeds.

        >>> import clew
        >>> sweep = clew.Sweep("5x5", {"alpha": [0.1, 0.5, 1.0], "epsilon": [0.1, 0.3]}, num_episodes=50)
        >>> sweep
        Sweep(6 settings x 10 seeds, 50 episodes each; 30 fresh seeds)
        >>> sweep.points[1]
        {'alpha': 0.1, 'epsilon': 0.3}

    Args:
        world: as for `clew.Experiment`.
        choices: dictionary from the name of a setting, or of a parameter of an algorithm from a plug-in, to a list of
            its values, or to a `clew.Range`.
        base: settings that all learners have: a dictionary, a `clew.Learning`, or the name of an algorithm.
        num_episodes: number of episodes of each run.
        seeds: on which the best settings are chosen.
        fresh_seeds: others, on which they are reported; None for the 30 after the largest of `seeds`.
        num_random: number of random combinations; None tries all of them, a grid.
        random_seed: seed of the random combinations.
        figure: as for `ExperimentResults.sample`. The best has the greatest mean, or the least where less is better; if
            runs are censored, it has the fewest of them, and the best mean of the others.
        last: as for `ExperimentResults.sample`.

    Raises:
        SettingError: if a setting, a seed or another argument is wrong, or a seed is in both lists.
    """

    def __init__(
        self,
        world: Any,
        choices: Choices,
        *,
        base: Mapping[str, Any] | Learning | str | None = None,
        num_episodes: int,
        seeds: Iterable[int] = range(10),
        fresh_seeds: Iterable[int] | None = None,
        num_random: int | None = None,
        random_seed: int = 0,
        figure: str = "episode_return",
        last: int | None = None,
    ) -> None:
        if num_random is not None:
            check_count("num_random", num_random, 1, MAX_POINTS)
        check_count("random_seed", random_seed, 0)
        check_figure(figure, last)
        self._base, self._figure, self._last = _as_base(base), figure, last
        self._choices = as_choices(choices, self._base, is_random=num_random is not None)
        self.points = (
            grid_of(self._choices) if num_random is None else random_points(self._choices, num_random, random_seed)
        )
        settings = _as_settings(world)
        self._worlds = {settings.get("maze", "world"): world}
        self._config: dict[str, Any] = {"num_episodes": num_episodes, **settings}
        learners = {name_of(point): settings_of(self._base, point) for point in self.points}
        self._selection = Experiment(self._worlds, learners, seeds, num_episodes=num_episodes)
        self._selection.check_figure(figure)
        seeds = self._selection.seeds
        if fresh_seeds is None:
            fresh_seeds = range(max(seeds) + 1, max(seeds) + 1 + NUM_FRESH)
        self._fresh = as_seeds("fresh_seeds", fresh_seeds)
        if both := set(seeds) & set(self._fresh):
            raise SettingError(f"must be others than seeds, and {min(both)} is in both", setting="fresh_seeds")
        if len(self._fresh) < 2:
            raise SettingError("must be at least two; 30 are usual", setting="fresh_seeds")

    def __repr__(self) -> str:
        sizes = f"{len(self.points):,} settings x {len(self._selection.seeds)} seeds"
        return f"Sweep({sizes}, {self._config['num_episodes']:,} episodes each; {len(self._fresh)} fresh seeds)"

    def examine(self) -> dict[Finding, list[str]]:
        """Find what may keep learners from learning with the settings that are tried; see `Experiment.examine`."""
        return self._selection.examine()

    def run(
        self,
        *,
        num_threads: int | None = None,
        num_actors: int = 0,
        folder: str | Path | None = None,
        progress: Progress | None = None,
    ) -> SweepResults:
        """Run all settings, and the best ones and the base on the fresh seeds.

        Args:
            num_threads: as for `Experiment.run`.
            num_actors: as for `Experiment.run`.
            folder: as for `Experiment.run`; a sweep that was killed goes on from it.
            progress: as for `Experiment.run`; the runs on fresh seeds are counted by themselves.

        Raises:
            StoppedError: if `progress` has raised `clew.StopTraining`; with a folder, the same call goes on.
            ClewError: as for `Experiment.run`.
        """
        options: dict[str, Any] = {
            "num_threads": num_threads,
            "num_actors": num_actors,
            "folder": folder,
            "progress": progress,
        }
        selection = _run_whole(self._selection, options)
        world = selection.worlds[0]
        sample = np.array([self._sample(selection, learner, world) for learner in selection.learners])
        best_index = int(ranking(sample, lower_is_better=self._figure in LESS_IS_BETTER)[0])
        best = settings_of(self._base, self.points[best_index])
        alone = _why_alone(best, self._base)
        learners = {BEST: best} if alone else {BEST: best, BASE: self._base}
        num_episodes = self._config["num_episodes"]
        fresh = _run_whole(Experiment(self._worlds, learners, self._fresh, num_episodes=num_episodes), options)
        report = fresh.compare(self._figure, last=self._last)
        edges = edges_of(self._choices, self.points[best_index], best)
        figure = describe_figure(self._figure, self._last, selection.episodes)
        figure += ";" if self._figure in EPISODE_FIGURES else ":"
        return SweepResults(
            points=self.points,
            sample=sample,
            best=best,
            best_index=best_index,
            report=report,
            warnings=warnings_of(sample, best_index, edges, self._figure),
            selection=selection,
            fresh=fresh,
            title=f"{figure} {len(self.points):,} settings in {world}, {sample.shape[1]} seeds each",
            _figure=self._figure,
            _note=alone and f"; {alone}",
            _config=self._config,
        )

    def _sample(self, results: ExperimentResults, learner: str, world: str) -> npt.NDArray[np.float64]:
        """Return the figure of each run of a learner."""
        return results.sample(learner, world, self._figure, last=self._last)


def _run_whole(experiment: Experiment, options: dict[str, Any]) -> ExperimentResults:
    """Run an experiment to its end.

    Raises:
        StoppedError: if `progress` has stopped it.
    """
    results = experiment.run(**options)
    if len(results.seeds) < len(experiment.seeds):
        fate = (
            "its runs are lost without a folder"
            if options["folder"] is None
            else "the same call goes on from the folder"
        )
        raise StoppedError(f"the sweep was stopped before all its runs were complete, so nothing is chosen; {fate}")
    return results


def ranking(sample: npt.NDArray[np.float64], *, lower_is_better: bool) -> npt.NDArray[np.intp]:
    """Return the numbers of settings, the best first: by the number of censored runs, then by the mean of the others.

    Args:
        sample: (num_points, num_seeds), inf for censored runs.
        lower_is_better: True if less of the figure is better.

    >>> import numpy as np
    >>> from clew.experiments.sweep import ranking
    >>> ranking(np.array([[5.0, 7.0], [1.0, np.inf], [5.0, 6.0]]), lower_is_better=True).tolist()
    [2, 0, 1]
    """
    is_known = np.isfinite(sample)
    sums, counts = np.where(is_known, sample, 0.0).sum(axis=1), is_known.sum(axis=1)
    means = sums / np.maximum(counts, 1)
    return np.lexsort((means if lower_is_better else -means, -counts))


def _describe(sample: npt.NDArray[np.float64]) -> str:
    """Return the mean of runs as text; if some are censored, how many, and the mean of the others."""
    known = sample[np.isfinite(sample)]
    if known.size == sample.size:
        return f"{sample.mean():.4g}"
    censored = f"{sample.size - known.size} of {sample.size} runs censored"
    return f"{censored}; mean of the others {known.mean():.4g}" if known.size else censored


def _as_base(base: Any) -> dict[str, Any]:
    """Return the settings that all learners have.

    Raises:
        SettingError: if they are neither settings nor the name of an algorithm.
    """
    if base is None:
        return {}
    if isinstance(base, str):
        return {"algorithm": base}
    if isinstance(base, Learning):
        return asdict(base)
    if isinstance(base, Mapping):
        return dict(base)
    raise SettingError(f"must be settings such as {{'gamma': 1.0}}, not {type(base).__name__}", setting="base")


def _as_settings(world: Any) -> dict[str, Any]:
    """Return the settings by which `clew train` finds a world; none if it was given as an object."""
    if isinstance(world, str):
        return {"maze": world}
    return {"maze": world.maze, **world.changed} if isinstance(world, TrainingConfig) else {}


def _why_alone(settings: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """Return why the best settings aren't compared with the base, in words; "" if they are."""
    try:
        return "best has the settings of base" if as_learning(settings) == as_learning(base) else ""
    except SettingError:
        return "base alone is not a learner"
