"""Runs as samples: those that differ by their seeds alone belong together, and are told apart from others by name."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.environments import as_compiled
from clew.errors import RunError, SettingError
from clew.learning.training import RoundMetrics
from clew.planning import solve
from clew.runs.configuration import TrainingConfig
from clew.runs.run import Run, open_run
from clew.runs.storage import load_run

__all__ = ["Group", "Metrics", "Runs", "as_groups", "optimum_of", "read_metrics"]

Metrics = Sequence[RoundMetrics]
Source = Metrics | Run | str | Path
Runs = Source | Sequence[Source] | Mapping[str, Sequence[Source]]

NO_MATTER = ("seed", "num_actors")  # settings of which one is a sample, and the other changes no bit


class Group(NamedTuple):
    """Runs that differ by their seeds alone.

    Attributes:
        name: what tells it from other groups; "" if there are none.
        runs: metrics of each seed; all with rounds of the same sizes.
        find_optimum: gives the optimum of a figure in the world of these runs, None if it isn't known.
        config: settings of the first of them, None if they aren't known.
    """

    name: str
    runs: list[Metrics]
    find_optimum: Callable[[str], float | None]
    config: TrainingConfig | None = None

    @property
    def episodes(self) -> npt.NDArray[np.int64]:
        """(num_rounds,) int64, how many episodes had been learned from after each round."""
        return np.cumsum([row.num_episodes for row in self.runs[0]])

    def column(self, figure: str) -> npt.NDArray[np.float64]:
        """(num_seeds, num_rounds) float64, a figure of each run in each round."""
        return np.array([[getattr(row, figure) for row in run] for run in self.runs], np.float64)


def as_groups(runs: Runs) -> list[Group]:
    """Put runs that differ by their seeds alone together, and name what tells the groups apart.

    Raises:
        SettingError: if there are no runs, one is there twice, or the rounds of a group differ.
        RunError: if a run folder can't be read.
    """
    if isinstance(runs, Mapping):
        named = {str(name): [_opened(each) for each in _listed(some)] for name, some in runs.items()}
    else:
        named = _sorted_out([_opened(each) for each in _listed(runs)])
    if not named or not all(named.values()):
        raise SettingError("there are no runs to plot")
    return [_as_group(name, some) for name, some in named.items()]


class _Opened(NamedTuple):
    """A run that was given, in whatever form."""

    name: str
    metrics: Metrics
    config: TrainingConfig | None = None
    make_env: Callable[[], Any] = lambda: None


def _listed(runs: Any) -> Sequence[Any]:
    """One run as a list of one."""
    is_one = isinstance(runs, str | Path | Run) or _is_metrics(runs)
    if not is_one and not isinstance(runs, Sequence):
        raise SettingError(f"runs must be a list of metrics, runs or run folders, not {type(runs).__name__}")
    return [runs] if is_one else runs


def _is_metrics(run: Any) -> bool:
    return isinstance(run, Sequence) and bool(run) and all(isinstance(row, RoundMetrics) for row in run)


def _opened(run: Any) -> _Opened:
    if isinstance(run, Run):
        return _Opened(f"run with seed {run.config.seed}", run.metrics, run.config, lambda: run.env)
    if isinstance(run, str | Path):
        config, metrics = read_metrics(run)
        return _Opened(str(run), metrics, config, lambda: open_run(run)[1])
    if not _is_metrics(run):
        raise SettingError("a run must be a list of RoundMetrics, one at least, a run, or a run folder")
    return _Opened("metrics", run)


def _sorted_out(runs: Sequence[_Opened]) -> dict[str, list[_Opened]]:
    """Runs that differ by no setting but their seeds together, under what tells them apart from others."""
    together: dict[str, list[_Opened]] = {}
    settings: list[dict[str, Any]] = []
    for run in runs:
        told = {} if run.config is None else run.config.to_dict()
        told = {name: value for name, value in told.items() if name not in NO_MATTER}
        key = repr(told)
        if key not in together:
            settings.append(told)
        together.setdefault(key, []).append(run)
    names = {name: None for told in settings for name in told}  # in their order
    differ = [name for name in names if any(told.get(name) != settings[0].get(name) for told in settings)]
    if "algorithm" in differ:
        differ.remove("algorithm")
        differ.insert(0, "algorithm")
    titles = [", ".join(_said(name, told.get(name)) for name in differ) for told in settings]
    return dict(zip(titles, together.values(), strict=True))


def _said(name: str, value: Any) -> str:
    """A setting in a legend."""
    if name in ("algorithm", "behaviour") and value is not None:
        return str(value)
    if name == "maze":
        return Path(str(value)).name
    words = name.strip("_").replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"no {words}"
    return f"{words} {'by default' if value is None else f'{value:,}' if isinstance(value, int) else value}"


def _as_group(name: str, runs: Sequence[_Opened]) -> Group:
    """Runs of one line, if they can be.

    Raises:
        SettingError: if one is there twice, or their rounds differ.
    """
    sizes = [row.num_episodes for row in runs[0].metrics]
    samples: dict[str, str] = {}
    for run in runs:
        if [row.num_episodes for row in run.metrics] != sizes:
            raise SettingError(
                f"runs of one line need rounds of the same sizes: {run.name} has {_rounds(run)}, "
                f"{runs[0].name} {_rounds(runs[0])}"
            )
        if run.config is not None and not run.config.asynchronous:
            told = run.config.to_dict() | {"num_actors": 0}
            if (key := repr(told)) in samples:
                other = samples[key]
                raise SettingError(f"{run.name} is the run {other} once more: the same settings, and the same seed")
            samples[key] = run.name
    first = runs[0]
    find = partial(optimum_of, first.config, first.make_env) if first.config is not None else _unknown
    return Group(name, [run.metrics for run in runs], find, first.config)


def _unknown(figure: str) -> None:
    """The optimum of metrics that say nothing of their world."""


def _rounds(run: _Opened) -> str:
    return f"{sum(row.num_episodes for row in run.metrics):,} episodes in {len(run.metrics)} rounds"


def read_metrics(folder: str | Path) -> tuple[TrainingConfig, list[RoundMetrics]]:
    """The settings of a run folder, and its metrics.

    Raises:
        RunError: names the file that is missing or damaged.
    """
    saved = load_run(folder)
    try:
        config = TrainingConfig.from_dict(saved.config)
    except SettingError as error:
        raise RunError(f"{Path(folder) / 'config.json'}: damaged: {error}") from None
    try:
        rows = [_as_row(row) for row in saved.metrics]
    except (KeyError, TypeError, ValueError):
        rows = []
    if not rows:
        raise RunError(f"{Path(folder) / 'metrics.csv'}: damaged: not the metrics of a run, a row for each round")
    return config, rows


def _as_row(row: Mapping[str, str]) -> RoundMetrics:
    """A row of a file; columns that runs of old didn't have are left at what they are by default."""
    known = [each for each in fields(RoundMetrics) if each.name in row or each.default is MISSING]
    numbers = {each.name: (int if each.type is int else float)(row[each.name]) for each in known}
    if not all(map(math.isfinite, numbers.values())) or numbers["num_episodes"] < 1:
        raise ValueError(row)
    return RoundMetrics(**numbers)  # type: ignore[arg-type]  # checked above, each by its type


def optimum_of(config: TrainingConfig, make_env: Callable[[], Any], figure: str) -> float | None:
    """The best that a figure can be in a world, mean over its starts; None where it isn't known, or isn't finite.

    Of mean_steps it's that of the optimal policy for the discount of the run, as `clew solve` says it. Of mean_return
    it's the optimum without a discount, for `RoundMetrics` doesn't discount. A step limit doesn't count. Where episodes
    begin anywhere (exploring_starts), it's another mean, and so unknown.
    """
    if config.exploring_starts or figure == "success_rate":
        return None
    world = as_compiled(make_env())
    if world is None:
        return None
    try:
        if figure == "mean_steps":
            best = solve(world.mdp, gamma=config.gamma).steps
        else:
            best = solve(world.mdp, gamma=1.0).value
    except SettingError:  # without an end, and without a discount, there may be no best
        return None
    return best if math.isfinite(best) else None
