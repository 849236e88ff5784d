"""Run folders as the page shows them: their curves, their figures, what two of them differ in. Knows no browsers."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from clew.environments import Environment
from clew.errors import ClewError
from clew.figures.drawing import draw
from clew.figures.graph import run_title
from clew.planning import solve
from clew.runs.configuration import TrainingConfig
from clew.runs.run import open_run
from clew.runs.storage import SavedRun, load_run
from clew.tracing.page import timeline_html

__all__ = ["CURVES", "MAX_LISTED", "Curve", "Listed", "Opened", "compare", "curve_of", "list_runs", "open_listed"]

MAX_LISTED = 200
MAX_POINTS = 400  # of a curve
MAX_SIDE = 512  # cells of a maze that is drawn
CONTENTS = ("config.json", "summary.json", "metrics.csv", "q.npy")  # a folder with one of them is a run, if damaged
PARTIAL = ".partial"
CURVES = {"mean_steps": "steps", "mean_return": "return", "success_rate": "success"}
UNKNOWN = "-"


@dataclass(frozen=True, eq=False)
class Listed:
    """A run folder, as far as it can be read.

    Attributes:
        folder: where it is.
        problem: why it can't be read, in words; empty if it can be.
        config: what was told to it.
        summary: its figures.
        metrics: a column of numbers for each of `CURVES`, and one of the episodes there had been.
    """

    folder: Path
    problem: str = ""
    config: TrainingConfig | None = None
    summary: dict[str, Any] | None = None
    metrics: dict[str, list[float]] | None = None

    @property
    def name(self) -> str:
        """What the folder is called."""
        return self.folder.name

    @property
    def words(self) -> str:
        """The run in a line."""
        return self.problem if self.config is None else run_title(self.config)


@dataclass(frozen=True)
class Curve:
    """Points (episodes, number), and what the optimum comes to, if that is known."""

    points: list[tuple[float, float]]
    optimum: float | None


@dataclass(frozen=True)
class Opened:
    """All that is to be seen of a run.

    Attributes:
        settings: (name, value, what it is by default) of those that are not as they are by default.
        picture: SVG; empty if there is none.
        graph: its execution graph, an HTML page; empty if there is none.
        notes: why there is no picture, or no graph.
    """

    settings: list[tuple[str, str, str]]
    picture: str
    graph: str
    notes: list[str]


# Reading --------------------------------------------------------------------------------------------------------------


def list_runs(folder: Path) -> tuple[list[Listed], int]:
    """The newest run folders in a folder, and how many there are.

    Raises:
        OSError: if the folder can't be read.
    """
    found = []
    for path in folder.resolve().iterdir():
        if path.is_dir() and (path.suffix == PARTIAL or any((path / name).exists() for name in CONTENTS)):
            found.append((path.stat().st_mtime, path.name, path))
    found.sort(key=lambda each: (-each[0], each[1]))
    return [_read(path, _stamp(path)) for _, _, path in found[:MAX_LISTED]], len(found)


def _stamp(folder: Path) -> tuple[int, ...]:
    """What changes when a run folder does."""
    paths = [path for name in (*CONTENTS, "maze.txt") if (path := folder / name).exists()]
    return tuple(number for path in paths for number in (path.stat().st_mtime_ns, path.stat().st_size))


@lru_cache(maxsize=2 * MAX_LISTED)
def _read(folder: Path, stamp: tuple[int, ...]) -> Listed:
    """Read a run folder, once for all visitors as long as it stays as it is."""
    if folder.suffix == PARTIAL:
        run = folder.with_suffix("")
        return Listed(folder, f"this run was begun, and hasn't ended; go on with `clew train --resume {run.name}`")
    try:
        saved = load_run(folder)
        return Listed(folder, "", TrainingConfig.from_dict(saved.config), saved.summary, _columns(saved))
    except (ClewError, OSError, MemoryError) as error:
        return Listed(folder, str(error).replace(f"{folder}/", "") or "there is not enough memory to read it")
    except (KeyError, TypeError, ValueError):
        return Listed(folder, "metrics.csv: damaged: a row is not what a round came to")


def _columns(saved: SavedRun) -> dict[str, list[float]]:
    episodes, total = [], 0
    for row in saved.metrics:
        total += int(row["num_episodes"])
        episodes.append(float(total))
    return {"episodes": episodes, **{name: [float(row[name]) for row in saved.metrics] for name in CURVES}}


def open_listed(run: Listed) -> Opened:
    """Read all that is to be seen of a run.

    Raises:
        ClewError: if it can't be read.
    """
    saved, (config, env, policy) = load_run(run.folder), open_run(run.folder)
    notes, picture, graph = [], "", ""
    if not isinstance(env, Environment):
        notes.append("No picture: this world has rules of its own; only mazes are drawn.")
    elif max(env.maze.rows, env.maze.columns) > MAX_SIDE:
        notes.append(f"No picture here of more than {MAX_SIDE} cells a side; `clew render` draws any.")
    else:
        try:
            picture = draw(env, policy, optimal=solve(env, gamma=config.gamma)).svg()
        except ClewError as error:
            notes.append(f"No picture: {str(error).splitlines()[0]}.")
    if saved.trace is None:
        notes.append("No execution graph: this run was made before runs kept a trace.")
    else:
        try:
            graph = timeline_html(saved.trace, title=run_title(config))
        except ClewError as error:
            notes.append(f"No execution graph: {error}.")
    return Opened(settings_of(config), picture, graph, notes)


def settings_of(config: TrainingConfig) -> list[tuple[str, str, str]]:
    """The settings that are not as they are by default: name, value, default."""
    return [
        (each.name.rstrip("_"), str(getattr(config, each.name)), str(each.default))
        for each in fields(config)
        if getattr(config, each.name) != each.default
    ]


# Curves and figures ---------------------------------------------------------------------------------------------------


def curve_of(run: Listed, what: str) -> Curve:
    """A curve of a run, of at most some hundred points: each then is the mean of those it stands for.

    Args:
        run: which can be read.
        what: one of `CURVES`.
    """
    assert run.config is not None
    assert run.summary is not None
    assert run.metrics is not None
    episodes, numbers = run.metrics["episodes"], run.metrics[what]
    size = max(1, math.ceil(len(numbers) / MAX_POINTS))
    groups = [slice(i, i + size) for i in range(0, len(numbers), size)]
    points = [(episodes[group][-1], math.fsum(numbers[group]) / len(numbers[group])) for group in groups]
    known: dict[str, float | None] = {
        "mean_steps": run.summary.get("optimal_steps"),
        # Values are discounted, and returns are not: the optimum is on the same scale only without a discount.
        "mean_return": run.summary.get("optimal_return") if run.config.gamma == 1.0 else None,
    }
    return Curve(points, known.get(what))


def figures_of(run: Listed) -> dict[str, str]:
    """The figures of a run, in words."""
    config, summary = run.config, run.summary
    assert config is not None
    assert summary is not None

    def say(name: str, form: str) -> str:
        number = summary.get(name)
        return format(number, form) if isinstance(number, int | float) else UNKNOWN

    return {
        "algorithm": config.algorithm,
        "maze": Path(config.maze).name,
        "episodes": f"{config.num_episodes:,}",
        "seconds": say("seconds", ",.3g"),
        "steps/s": say("steps_per_second", ",.0f"),
        "gap in steps": say("gap", ",.4g"),
        "states right": say("optimal_states", ".1%"),
        "starts right": say("optimal_starts", ".1%"),
        "value gap": say("suboptimality", ".3g"),
        "table hash": str(summary.get("table_sha256", UNKNOWN))[:10],
    }


def compare(runs: Sequence[Listed], swatches: Sequence[str]) -> str:
    """A table of figures as HTML, a column a run; rows in which they differ are marked, in words as well.

    Settings in which they differ, other than those that are figures anyway, have rows too.

    Args:
        runs: which can be read.
        swatches: HTML, drawn beside the name of each.
    """
    rows = {name: [figures_of(run)[name] for run in runs] for name in figures_of(runs[0])}
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
        mark = '<span class="clew-differs" title="differs">≠<span class="clew-said">differs</span></span>'
        cells = "".join(f"<td>{html.escape(value)}</td>" for value in values)
        lines.append(
            f'<tr{" data-differs" if differs else ""}><th scope="row">{html.escape(name)}'
            f"{mark if differs else ''}</th>{cells}</tr>"
        )
    caption = "Figures of the chosen runs" + ("; rows marked ≠ differ" if len(runs) > 1 else "")
    return (
        f"<table><caption>{caption}</caption><thead><tr><td></td>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>"
    )
