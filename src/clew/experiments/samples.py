"""Groups of runs that differ by their seeds only, named after the settings in which they differ from other groups."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.environments import ModelEnvironment, as_compiled
from clew.errors import RunError, SettingError
from clew.evaluation.optimum import optimal_episode, steps_count
from clew.learning.metrics import RoundMetrics
from clew.learning.settings import Learning
from clew.models.mdp import FiniteMDP
from clew.planning import Solution, solve
from clew.runs.configuration import TrainingConfig
from clew.runs.run import Run, open_run
from clew.runs.storage import SavedRun, load_run, read_config

Metrics = Sequence[RoundMetrics]
Source = Metrics | Run | str | Path
Runs = Source | Sequence[Source] | Mapping[str, Sequence[Source]]

IGNORED_SETTINGS = ("seed", "num_actors")  # these do not separate groups; num_actors changes no result
MAX_METRIC = 1e200  # sums and squares of the metrics of many rounds are finite numbers


class Optimum(NamedTuple):
    """Best possible figures of an episode within the step limit, as means over the start states; None if unknown.

    Attributes:
        mean_steps: steps of the optimal policy for the run's discount; None if without the limit it may never end.
        mean_return: the greatest return without a discount, as `RoundMetrics` do not discount.
        goal_return: return of the policy of `mean_steps`, without a discount.
        return_scale: what differences from `goal_return` are shares of: its absolute value; where fewer steps are
            better, the reward of the goal if that is more, since costs may cancel it.
        terminated_rate: always None.
    """

    mean_steps: float | None = None
    mean_return: float | None = None
    goal_return: float | None = None
    return_scale: float = 0.0
    terminated_rate: float | None = None

    def least_return(self, tolerance: float) -> float:
        """Return the least return that is near the optimal one; -inf if that is unknown."""
        return -math.inf if self.goal_return is None else self.goal_return - tolerance * self.return_scale


class Group(NamedTuple):
    """Runs that differ by their seeds only.

    Attributes:
        name: settings in which it differs from other groups, or the name given for it; "" for a single group.
        runs: metrics of each run, in rounds of the same sizes, see `align`.
        find_optimum: returns the best possible figures in the environment of these runs.
        config: settings of the first run; None if unknown.
    """

    name: str
    runs: list[Metrics]
    find_optimum: Callable[[], Optimum]
    config: TrainingConfig | None = None

    @property
    def episodes(self) -> npt.NDArray[np.int64]:
        """Number of episodes learned from by the end of each round, (num_rounds,) int64."""
        return np.cumsum([row.num_episodes for row in self.runs[0]])

    def column(self, figure: str) -> npt.NDArray[np.float64]:
        """Return a figure, such as "mean_steps", of each run in each round, (num_runs, num_rounds) float64."""
        return np.array([[getattr(row, figure) for row in run] for run in self.runs], np.float64)


def as_groups(runs: Runs) -> list[Group]:
    """Group runs that differ by their seeds only, and name each group.

    Args:
        runs: lists of `RoundMetrics`, `Run`s, or run folders: one, several, or a dictionary from the name of a group to
            its runs. Without names, `Run`s and run folders are grouped by their settings; lists of metrics, which have
            none, form one group.

    Raises:
        SettingError: if there are no runs, a run is given twice, or the runs of a group differ in their episodes.
        RunError: if a run folder can't be read.
    """
    named = (
        {str(name): [_load(each) for each in _as_list(some)] for name, some in runs.items()}
        if isinstance(runs, Mapping)
        else _group_by_settings([_load(each) for each in _as_list(runs)])
    )
    if not named or not all(named.values()):
        raise SettingError("there are no runs to plot")
    return [_make_group(name, some) for name, some in named.items()]


class _Loaded(NamedTuple):
    """Run with its metrics.

    Attributes:
        name: of the run, for error messages.
        metrics: of each round.
        config: settings; None if unknown.
        make_env: returns the environment of the run; None if unknown.
    """

    name: str
    metrics: Metrics
    config: TrainingConfig | None = None
    make_env: Callable[[], Any] = lambda: None


def _as_list(runs: Any) -> Sequence[Any]:
    """Return runs as a sequence; a single run becomes a list of one.

    Raises:
        SettingError: if they are neither a sequence nor a run.
    """
    is_one = isinstance(runs, str | Path | Run) or _is_metrics(runs)
    if not is_one and not isinstance(runs, Sequence):
        raise SettingError(f"runs must be a list of metrics, runs or run folders, not {type(runs).__name__}")
    return [runs] if is_one else runs


def _is_metrics(run: Any) -> bool:
    """Return whether an object is a sequence of at least one `RoundMetrics`."""
    return isinstance(run, Sequence) and bool(run) and all(isinstance(row, RoundMetrics) for row in run)


def _load(run: Any) -> _Loaded:
    """Return a list of metrics, a `Run` or a run folder as a run with its metrics.

    Raises:
        SettingError: if it is none of these.
        RunError: if a run folder can't be read.
    """
    if isinstance(run, Run):
        return _Loaded(f"run with seed {run.config.seed}", run.metrics, run.config, lambda: run.env)
    if isinstance(run, str | Path):
        config, metrics = read_metrics(run)
        return _Loaded(str(run), metrics, config, lambda: open_run(run)[1])
    if not _is_metrics(run):
        raise SettingError("expected a run: a list of at least one RoundMetrics, a Run, or a run folder")
    return _Loaded("metrics", run)


def _group_by_settings(runs: Sequence[_Loaded]) -> dict[str, list[_Loaded]]:
    """Group runs by their settings, without seeds and numbers of actors.

    Returns:
        From the settings in which a group differs from others, such as "sarsa, alpha 0.5", to its runs.
    """
    groups: dict[str, list[_Loaded]] = {}
    settings: list[dict[str, Any]] = []
    for run in runs:
        saved = {} if run.config is None else run.config.to_dict()
        config = {name: value for name, value in saved.items() if name not in IGNORED_SETTINGS}
        key = repr(config)
        if key not in groups:
            settings.append(config)
        groups.setdefault(key, []).append(run)
    names = dict.fromkeys(name for config in settings for name in config)  # a dict keeps their order
    differ = [name for name in names if any(config.get(name) != settings[0].get(name) for config in settings)]
    differ.sort(key=lambda name: name != "algorithm")  # it comes first
    titles = [", ".join(_format_setting(name, config.get(name)) for name in differ) for config in settings]
    return dict(zip(titles, groups.values(), strict=True))


def _format_setting(name: str, value: Any) -> str:
    """Return a setting as part of a legend, such as "alpha 0.5"; algorithm, behaviour and maze by their value only."""
    if name in ("algorithm", "behaviour") and value is not None:
        return str(value)
    if name == "maze":
        return Path(str(value)).name
    label = name.strip("_").replace("_", " ")
    if isinstance(value, bool):
        return label if value else f"no {label}"
    return f"{label} {'by default' if value is None else f'{value:,}' if isinstance(value, int) else value}"


def _make_group(name: str, runs: Sequence[_Loaded]) -> Group:
    """Return runs as a group.

    Args:
        name: of the group.
        runs: at least one.

    Raises:
        SettingError: if a run is given twice, or they differ in the number of episodes.
    """
    samples: dict[str, str] = {}
    for run in runs:
        if _count_episodes(run.metrics) != _count_episodes(runs[0].metrics):
            raise SettingError(
                f"runs of one group need the same number of episodes: {run.name} has "
                f"{_count_episodes(run.metrics):,}, {runs[0].name} {_count_episodes(runs[0].metrics):,}"
            )
        if run.config is not None and not run.config.asynchronous:
            key = repr(run.config.to_dict() | {"num_actors": 0})
            if key in samples:
                raise SettingError(f"{run.name} repeats {samples[key]}: the same settings and the same seed")
            samples[key] = run.name
    first = runs[0]
    find_optimum = Optimum if first.config is None else partial(optimum_of, first.config, first.make_env)
    return Group(name, [align(run.metrics, first.metrics) for run in runs], find_optimum, first.config)


def _count_episodes(metrics: Metrics) -> int:
    return sum(row.num_episodes for row in metrics)


def align(metrics: Metrics, other: Metrics) -> Metrics:
    """Return the metrics of a run in rounds that end after as many episodes as those of another.

    Rounds that end by steps have different numbers of episodes in different runs. Where a round is divided, its steps
    and rewards are divided evenly among its episodes.
    """
    ends, wanted = (np.cumsum([0, *(row.num_episodes for row in rows)]) for rows in (metrics, other))
    if np.array_equal(ends, wanted):
        return metrics

    def per_round(name: str, weights: npt.NDArray[np.int64] | int = 1) -> npt.NDArray[np.float64]:
        """Return the sums of a column in the new rounds; the column is multiplied by weights before."""
        column = np.array([getattr(row, name) for row in metrics], np.float64) * weights
        return np.diff(np.interp(wanted, ends, np.append(0.0, np.cumsum(column))))

    num_episodes, sizes = np.diff(wanted), np.diff(ends)
    means = {name: per_round(name, sizes) / num_episodes for name in ("mean_steps", "terminated_rate", "mean_return")}
    sums = {name: per_round(name) for name in ("num_steps", "seconds", "num_bytes")}
    return [
        replace(
            row,
            num_steps=round(sums["num_steps"][i]),
            mean_steps=float(means["mean_steps"][i]),
            terminated_rate=float(means["terminated_rate"][i]),
            mean_return=float(means["mean_return"][i]),
            seconds=float(sums["seconds"][i]),
            num_bytes=round(sums["num_bytes"][i]),
        )
        for i, row in enumerate(other)
    ]


def read_metrics(folder: str | Path) -> tuple[TrainingConfig, list[RoundMetrics]]:
    """Return the settings and the metrics in a run folder.

    Raises:
        RunError: if a file is missing or damaged; the message says which.
    """
    return parse_metrics(folder, load_run(folder))


def parse_metrics(folder: str | Path, saved: SavedRun) -> tuple[TrainingConfig, list[RoundMetrics]]:
    """Return the settings and the metrics of a saved run.

    Raises:
        RunError: if they are damaged; the message names their file in the folder.
    """
    config = read_config(folder, saved.config)
    try:
        rows = _parse_rows(saved.metrics)
    except (KeyError, TypeError, ValueError):
        rows = []
    if not rows:
        raise RunError(f"{Path(folder) / 'metrics.csv'}: damaged: expected one row of metrics per round")
    return config, rows


def _parse_rows(rows: Sequence[Mapping[str, str]]) -> list[RoundMetrics]:
    """Return the rows of `metrics.csv`; older versions didn't write the columns that are sums of another.

    Raises:
        KeyError, ValueError: if a column is missing, or a number isn't valid.
    """
    ends = list(accumulate(int(row["num_episodes"]) for row in rows))
    return [
        _parse_row({"num_ended": str(end), "total_episodes": str(ends[-1]), **row})
        for row, end in zip(rows, ends, strict=True)
    ]


def _parse_row(row: Mapping[str, str]) -> RoundMetrics:
    """Return a row of `metrics.csv`; columns that older versions didn't write have their default.

    Raises:
        KeyError: if a column is missing.
        ValueError: if a number is not valid, not finite or absurdly large, or the round has no episode.
    """
    present = [each for each in fields(RoundMetrics) if each.name in row or each.default is MISSING]
    numbers = {each.name: (int if each.type is int else float)(row[each.name]) for each in present}
    if not all(abs(number) < MAX_METRIC for number in numbers.values()) or numbers["num_episodes"] < 1:
        raise ValueError(row)
    return RoundMetrics(**numbers)  # type: ignore[arg-type]  # each was converted to its type


def optimum_of(config: Learning, make_env: Callable[[], Any]) -> Optimum:
    """Return the best possible figures in the environment of a run; those that are infinite or unknown are None.

    Nothing is known with exploring starts, which have another mean, and in environments without a model.

    Args:
        config: settings of the learner.
        make_env: returns its environment.
    """
    world = None if config.exploring_starts else as_compiled(make_env())
    if world is None:
        return Optimum()
    steps, goal_return = _optimal_episode(world, config.gamma)
    _, best = _optimal_episode(world, 1.0)
    goal = world.mdp.reward_range[1] if steps_count(world.mdp, config.gamma) else 0.0
    return Optimum(steps, best, goal_return, max(abs(goal_return or 0.0), goal))


@lru_cache(maxsize=4)
def solution_of(mdp: FiniteMDP, gamma: float) -> Solution:
    """Return the optimum of a model; learners in the same world are compared with the same one."""
    return solve(mdp, gamma=gamma)


def _optimal_episode(world: ModelEnvironment, gamma: float) -> tuple[float | None, float | None]:
    """Return mean steps and undiscounted return of an optimal policy under the step limit; None if unknown."""
    try:
        solution = solution_of(world.mdp, gamma)
    except SettingError:  # without a discount, returns may be unbounded
        return None, None
    episode = optimal_episode(solution, world.mdp.starts, world.max_episode_steps)
    if episode is None:  # it would take too long
        return None, None
    steps, gain = float(episode.steps.mean()), float(episode.returns.mean())
    return steps if math.isfinite(solution.steps) else None, gain if math.isfinite(gain) else None
