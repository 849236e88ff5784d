"""Read run folders for the page: list them, thin their curves, compare their figures. Knows no browser."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from clew.environments import Environment
from clew.errors import ClewError
from clew.experiments.samples import MAX_METRIC, parse_metrics
from clew.figures.drawing import draw
from clew.figures.graph import run_title
from clew.learning.metrics import RoundMetrics
from clew.learning.settings import default_of
from clew.planning import solve
from clew.rendering.grades import drop_rounding
from clew.runs.configuration import TrainingConfig
from clew.runs.run import open_run
from clew.runs.storage import load_run
from clew.tracing.page import timeline_html
from clew.web.worlds import MAX_SIDE

MAX_LISTED = 200
MAX_POINTS = 400  # of a curve
CONTENTS = ("config.json", "summary.json", "metrics.csv", "q.npy")  # a folder with any of them is a run folder
PARTIAL = ".partial"
CURVES = {"mean_steps": "mean steps", "mean_return": "mean return", "terminated_rate": "terminated rate"}
UNKNOWN = "-"


@dataclass(frozen=True, eq=False)
class ListedRun:
    """A run folder with its contents, or with the reason why it can't be read.

    Attributes:
        folder: path of the run folder.
        problem: why it can't be read, and the attributes below have their defaults; empty if it can.
        config: settings of the run.
        summary: contents of its `summary.json`.
        metrics: lists with an entry per round: "episodes", how many had ended up to its end, and each of `CURVES`.
    """

    folder: Path
    problem: str = ""
    config: TrainingConfig = TrainingConfig()
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, list[float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def description(self) -> str:
        """One line about the settings of the run, or the problem."""
        return self.problem or run_title(self.config)

    def figure(self, name: str) -> float | None:
        """Return a figure of the summary; None if there is none, or it is not a number."""
        figure = self.summary.get(name)
        return float(figure) if isinstance(figure, int | float) and abs(figure) < MAX_METRIC else None


@dataclass(frozen=True)
class RunCurve:
    """A thinned curve of a run.

    Attributes:
        points: (episodes, mean of the metric) each.
        optimum: the same metric of the optimal policy; None if it is unknown.
    """

    points: list[tuple[float, float]]
    optimum: float | None


@dataclass(frozen=True)
class RunDetails:
    """The details of a run that the page shows when it is opened.

    Attributes:
        settings: (name, value, default) of the settings that differ from their defaults.
        picture: SVG of the maze with the learned values; empty if there is none.
        graph: HTML page of the execution graph; empty if there is none.
        notes: reasons why there is no picture, or no graph.
    """

    settings: list[tuple[str, str, str]]
    picture: str
    graph: str
    notes: list[str]


# Reading --------------------------------------------------------------------------------------------------------------


def list_runs(folder: Path) -> tuple[list[ListedRun], int]:
    """Read the run folders in a folder.

    Returns:
        The `MAX_LISTED` newest runs, newest first, and the number of all run folders there.

    Raises:
        OSError: if the folder can't be read.
    """
    found = [
        path
        for path in folder.resolve().iterdir()
        if path.is_dir() and (path.suffix == PARTIAL or any((path / name).exists() for name in CONTENTS))
    ]
    found.sort(key=lambda path: (-path.stat().st_mtime, path.name))
    return [_read(path, _stamp(path)) for path in found[:MAX_LISTED]], len(found)


def _stamp(folder: Path) -> tuple[int, ...]:
    """Return times and sizes of the files in a run folder, which change when the run does."""
    paths = [path for name in (*CONTENTS, "maze.txt", "model.npz") if (path := folder / name).exists()]
    return tuple(number for path in paths for number in (path.stat().st_mtime_ns, path.stat().st_size))


@lru_cache(maxsize=2 * MAX_LISTED)
def _read(folder: Path, stamp: tuple[int, ...]) -> ListedRun:
    """Read a run folder, and cache the result for all visitors until its stamp changes."""
    if folder.suffix == PARTIAL:
        return ListedRun(folder, f"this run has not finished; continue it with `clew train --resume {folder.stem}`")
    try:
        saved = load_run(folder)
        config, rows = parse_metrics(folder, saved)
        return ListedRun(folder, "", config, saved.summary, _columns(rows))
    except (ClewError, OSError, MemoryError) as error:
        return ListedRun(folder, str(error).replace(f"{folder}/", "") or "there is not enough memory to read it")


def _columns(rows: list[RoundMetrics]) -> dict[str, list[float]]:
    """Return the metrics of a saved run by column, see `ListedRun`."""
    episodes = [float(total) for total in accumulate(row.num_episodes for row in rows)]
    return {"episodes": episodes, **{name: [getattr(row, name) for row in rows] for name in CURVES}}


def load_details(run: ListedRun) -> RunDetails:
    """Read a run folder and draw its maze and its execution graph.

    Raises:
        ClewError: if the folder can't be read.
    """
    saved, (config, env, policy) = load_run(run.folder), open_run(run.folder)
    notes, picture, graph = [], "", ""
    if not isinstance(env, Environment):
        notes.append("No picture: only mazes can be drawn, and this world is not a maze.")
    elif max(env.maze.rows, env.maze.columns) > MAX_SIDE:
        notes.append(f"No picture: this page draws up to {MAX_SIDE} x {MAX_SIDE} cells; `clew render` draws any maze.")
    else:
        try:
            picture = draw(env, policy, optimal=solve(env, gamma=config.gamma)).svg()
        except ClewError as error:
            notes.append(f"No picture: {str(error).splitlines()[0]}.")
    if saved.trace is None:
        notes.append("No execution graph: the run folder has no trace.")
    else:
        try:
            graph = timeline_html(saved.trace, title=run_title(config))
        except ClewError as error:
            notes.append(f"No execution graph: {error}.")
    return RunDetails(changed_settings(config), picture, graph, notes)


def changed_settings(config: TrainingConfig) -> list[tuple[str, str, str]]:
    """Return (name, value, default) of the settings that differ from their defaults, as text."""
    return [
        (each.name.rstrip("_"), str(getattr(config, each.name)), str(default_of(each)))
        for each in fields(config)
        if getattr(config, each.name) != default_of(each)
    ]


# Curves and figures ---------------------------------------------------------------------------------------------------


def run_curve(run: ListedRun, metric: str) -> RunCurve:
    """Return the curve of a metric over the episodes, thinned to `MAX_POINTS` points.

    Args:
        run: a run without a problem.
        metric: a key of `CURVES`.

    Returns:
        The curve; if thinned, each point is the mean of a group of successive rounds, at the end of the last.
    """
    episodes, numbers = run.metrics["episodes"], run.metrics[metric]
    size = max(1, math.ceil(len(numbers) / MAX_POINTS))
    groups = [slice(i, i + size) for i in range(0, len(numbers), size)]
    points = [(episodes[group][-1], math.fsum(numbers[group]) / len(numbers[group])) for group in groups]
    optima: dict[str, float | None] = {
        "mean_steps": run.figure("optimal_steps"),
        "mean_return": run.figure("optimal_return"),
    }
    return RunCurve(points, optima.get(metric))


def run_figures(run: ListedRun) -> dict[str, str]:
    """Return the main settings and figures of a run, formatted, by name."""
    config, summary = run.config, run.summary

    def format_figure(name: str, spec: str) -> str:
        number = run.figure(name)
        if name == "suboptimality":
            number = drop_rounding(number, run.figure("suboptimality_bound"))
        return UNKNOWN if number is None else format(number, spec)

    return {
        "algorithm": config.algorithm,
        "maze": Path(config.maze).name,
        "episodes": f"{run.figure('stopped_after') or config.num_episodes:,.0f}",
        "seconds": format_figure("seconds", ",.3g"),
        "steps/s": format_figure("steps_per_second", ",.0f"),
        "mean steps": format_figure("mean_steps", ",.4g"),
        "excess steps": format_figure("excess_steps", ",.4g"),
        "optimal states": format_figure("optimal_states", ".1%"),
        "optimal starts": format_figure("optimal_starts", ".1%"),
        "suboptimality": format_figure("suboptimality", ".3g"),
        "table sha256": f"{str(summary.get('table_sha256', UNKNOWN))[:10]}…",
    }


def comparison_table(runs: Sequence[ListedRun], swatches: Sequence[str]) -> str:
    """Return an HTML table of the figures of runs, and of the settings in which they differ.

    Rows in which the runs differ are marked with a sign, and with a word for screen readers.

    Args:
        runs: runs without a problem, one column each.
        swatches: HTML drawn beside the name of each run.
    """
    figures = [run_figures(run) for run in runs]
    rows = {name: [each[name] for each in figures] for name in figures[0]}
    shown = {"algorithm", "maze", "num_episodes"}
    for each in fields(TrainingConfig):
        values = [str(getattr(run.config, each.name)) for run in runs]
        if each.name not in shown and len(set(values)) > 1:
            rows[each.name.rstrip("_").replace("_", " ")] = values
    heads = "".join(
        f'<th scope="col">{swatch} {html.escape(run.name)}</th>' for run, swatch in zip(runs, swatches, strict=True)
    )
    lines = []
    for name, values in rows.items():
        differs = len(set(values)) > 1
        mark = '<span class="clew-differs" title="differs">≠<span class="clew-hidden-text">differs</span></span>'
        cells = "".join(f"<td>{html.escape(value)}</td>" for value in values)
        lines.append(
            f'<tr{" data-differs" if differs else ""}><th scope="row">{html.escape(name)}'
            f"{mark if differs else ''}</th>{cells}</tr>"
        )
    caption = "Figures of the selected runs" + ("; ≠ marks rows that differ" if len(runs) > 1 else "")
    return (
        f"<table><caption>{caption}</caption><thead><tr><td></td>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>"
    )
