"""How learning went, over seeds: learning curves, regret, and how long it took to come to the optimum.

    plot_learning            a figure of the episodes while they were learned from, mean and 95% interval over seeds
    plot_regret              what was lost to the optimum so far
    plot_steps_to_optimal    environment steps and episodes until the figure stays near the optimum

The numbers are made here, and drawn by `clew.rendering.plots`.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import ExtraError, RunError, SettingError
from clew.evaluation.grades import mean_interval
from clew.experiments.samples import Group, Metrics, Runs, as_groups
from clew.files import write_file
from clew.settings import POSITIVE, check_choice, check_number

if TYPE_CHECKING:
    from clew.rendering.plots import Line, Plot

__all__ = [
    "ENDINGS",
    "FIGURES",
    "Plotted",
    "check_ending",
    "plot_learning",
    "plot_regret",
    "plot_runs",
    "plot_steps_to_optimal",
    "regret",
    "save_plot",
    "time_to_optimal",
]

ENDINGS = (".png", ".svg", ".pdf")
TOLERANCE = 0.25  # of the optimum: whoever explores in a tenth of all moves takes about a tenth more steps, and luck


class Plotted(NamedTuple):
    """A column of `RoundMetrics` that can be plotted, and what is best in it."""

    words: str  # of an axis
    lost: str  # what its regret counts
    less_is_better: bool


FIGURES = {
    "mean_steps": Plotted("steps per episode", "steps beyond the optimum", True),
    "mean_return": Plotted("return per episode", "return short of the optimum", False),
    "success_rate": Plotted("episodes that reached an end", "episodes short of the optimum", False),
}


# Plots ----------------------------------------------------------------------------------------------------------------


def plot_learning(
    runs: Runs, *, figure: str = "mean_steps", optimum: float | None = None, title: str | None = None
) -> "Plot":
    """Plot how a figure went while it was learned, over episodes: the mean over seeds, and its 95% interval as a band.

    A point is the mean of the episodes of one round, at the number of episodes when it ended. They were played with
    exploring, so a good learner comes near to the optimum, and not on it.

    Args:
        runs: of one algorithm, one for each seed: lists of `RoundMetrics`, runs, or run folders. Of several algorithms:
            a dictionary from their names to such lists. Runs and folders that differ by more than their seeds are told
            apart by themselves.
        figure: mean_steps, mean_return or success_rate, as in `RoundMetrics`.
        optimum: the best there is, in units of the figure; None takes it from the world of runs and folders, and leaves
            it out where it isn't known. For mean_return it's undiscounted.
        title: of the plot; None takes it from runs and folders, if they are of one world.

    Returns:
        A Matplotlib figure, which notebooks show; `figure.savefig(path)` keeps it. The band is Student's t at each
        point by itself, and there is none for a single seed.

    Raises:
        SettingError: if there are no runs, their rounds differ, or there is no such figure.
        RunError: if a run folder can't be read.
        ExtraError: if Matplotlib isn't installed.
    """
    groups = _checked(runs, figure, optimum)
    lines = [_line(each, each.episodes, each.column(figure), _optimum(each, figure, optimum)) for each in groups]
    words = _title(groups, title), _note(groups), "episodes learned from", FIGURES[figure].words
    return _draw_lines(lines, words, percent=figure == "success_rate")


def plot_regret(
    runs: Runs, *, figure: str = "mean_steps", optimum: float | None = None, title: str | None = None
) -> "Plot":
    """Plot what was lost to the optimum so far, over episodes: the mean over seeds, and its 95% interval as a band.

    The regret after n episodes is the sum over these episodes of (steps - optimum), or for the other figures of
    (optimum - return) and of (optimum - success). What exploring costs is in it, so that it never quite levels off.

    Args:
        runs: as in `plot_learning`.
        figure: as in `plot_learning`.
        optimum: as in `plot_learning`, but there has to be one.
        title: of the plot; None takes it from runs and folders, if they are of one world.

    Returns:
        A Matplotlib figure.

    Raises:
        SettingError: as in `plot_learning`, and if the optimum isn't known.
        RunError: if a run folder can't be read.
        ExtraError: if Matplotlib isn't installed.
    """
    lines = []
    groups = _checked(runs, figure, optimum)
    for group in groups:
        best = _needed_optimum(group, figure, optimum)
        lost = np.array([regret(run, best, figure) for run in group.runs])
        lines.append(_line(group, np.append(0, group.episodes), np.insert(lost, 0, 0.0, axis=1), None))
    words = _title(groups, title), _note(groups), "episodes learned from", f"regret: {FIGURES[figure].lost}"
    return _draw_lines(lines, words, log=False)


def plot_steps_to_optimal(
    runs: Runs,
    *,
    figure: str = "mean_steps",
    optimum: float | None = None,
    tolerance: float = TOLERANCE,
    title: str | None = None,
) -> "Plot":
    """Plot how many environment steps and episodes it took until a figure stayed near the optimum.

    Each seed is a dot, the mark is their median. What is counted is `time_to_optimal`; a seed that never comes to it
    counts as infinitely long.

    Args:
        runs: as in `plot_learning`.
        figure: as in `plot_learning`.
        optimum: as in `plot_learning`, but there has to be one.
        tolerance: how far from the optimum is near, as a share of it.
        title: of the plot; None takes it from runs and folders, if they are of one world.

    Returns:
        A Matplotlib figure.

    Raises:
        SettingError: as in `plot_learning`, and if the optimum isn't known, or is 0, of which there are no shares.
        RunError: if a run folder can't be read.
        ExtraError: if Matplotlib isn't installed.
    """
    rows = []
    groups = _checked(runs, figure, optimum)
    for group in groups:
        best = _needed_optimum(group, figure, optimum)
        times = [time_to_optimal(run, best, figure, tolerance) for run in group.runs]
        rows.append((group.name, np.array([(math.inf, math.inf) if each is None else each for each in times]).T))
    plots = _plots()
    stays = f"until {FIGURES[figure].words} stay within {100 * tolerance:g}% of the optimum"
    seeds = "" if all(len(group.runs) == 1 for group in groups) else "; dots are seeds, marks their medians"
    words = plots.Words(_title(groups, title), stays + seeds, ("environment steps", "episodes"))
    plot: Plot = plots.plot_dots([plots.Dots(*row) for row in rows], words)
    return plot


def plot_runs(
    runs: Runs,
    what: Sequence[str],
    out: Path,
    *,
    figure: str = "mean_steps",
    optimum: float | None = None,
    tolerance: float | None = None,
) -> "Plot":
    """Plot as the command line is told to: what to plot by its name, with all that can't be right refused before.

    Raises:
        ClewError: if what is asked for can't be, or a run can't be read.
    """
    check_ending(out)
    if len(what) > 1:
        raise SettingError("can't be combined with another kind of plot", setting=what[0])
    if what[0] == "steps_to_optimal":
        tolerance = TOLERANCE if tolerance is None else tolerance
        return plot_steps_to_optimal(runs, figure=figure, optimum=optimum, tolerance=tolerance)
    if tolerance is not None:
        raise SettingError(
            "has no effect here; it is for steps to the optimum", setting="tolerance", take={"steps_to_optimal": True}
        )
    return (plot_regret if what[0] == "regret" else plot_learning)(runs, figure=figure, optimum=optimum)


def save_plot(plot: "Plot", path: str | Path) -> None:
    """Keep a plot in a file, whole or not at all, in the format that the ending of its name says.

    Raises:
        SettingError: if the ending is no .png, .svg or .pdf.
        RunError: if the file can't be written.
    """
    path = Path(path)
    check_ending(path)
    try:
        write_file(path, plot.data(path.suffix[1:].lower()))
    except OSError as error:
        raise RunError(f"{path}: can't be written: {error.strerror}") from None


def check_ending(path: Path) -> None:
    """Refuse the name of a file that says no format of plots."""
    if path.suffix.lower() not in ENDINGS:
        raise SettingError(f"{path}: a plot is kept as {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, by the ending")


# Numbers --------------------------------------------------------------------------------------------------------------


def regret(run: Metrics, optimum: float, figure: str = "mean_steps") -> npt.NDArray[np.float64]:
    """What was lost to the optimum up to the end of each round.

        regret[n] = sum over rounds up to n of num_episodes * (figure - optimum)      for mean_steps
                    sum over rounds up to n of num_episodes * (optimum - figure)      for the others

    Args:
        run: metrics of one seed.
        optimum: the best there is, in units of the figure.
        figure: mean_steps, mean_return or success_rate.

    Returns:
        (num_rounds,) float64, in steps, in reward, or in episodes.
    """
    sign = 1.0 if FIGURES[figure].less_is_better else -1.0
    return np.cumsum([row.num_episodes * sign * (getattr(row, figure) - optimum) for row in run])


def time_to_optimal(
    run: Metrics, optimum: float, figure: str = "mean_steps", tolerance: float = TOLERANCE
) -> tuple[int, int] | None:
    """Environment steps and episodes up to the end of the first round from which on the figure stays near the optimum.

    It is near in a round if it's worse than the optimum by no more than tolerance * |optimum|; better, which is luck,
    is near. It stays near if it is so in that round and in all that follow.

    Args:
        run: metrics of one seed.
        optimum: the best there is, in units of the figure.
        figure: mean_steps, mean_return or success_rate.
        tolerance: share of the optimum.

    Returns:
        Steps and episodes; None if the last round isn't near.

    Raises:
        SettingError: if the optimum is 0, or the tolerance is not positive.
    """
    check_number("tolerance", tolerance, POSITIVE)
    if optimum == 0.0:
        raise SettingError("the optimum is 0, of which there are no shares; take another figure")
    sign = 1.0 if FIGURES[figure].less_is_better else -1.0
    far = [sign * (getattr(row, figure) - optimum) > tolerance * abs(optimum) for row in run]
    first = len(far) - far[::-1].index(True) if True in far else 0
    if first == len(far):
        return None
    seen = run[: first + 1]
    return sum(row.num_steps for row in seen), sum(row.num_episodes for row in seen)


def _checked(runs: Runs, figure: str, optimum: float | None) -> list[Group]:
    check_choice("figure", figure, FIGURES)
    if optimum is not None:
        check_number("optimum", optimum)
    return as_groups(runs)


def _optimum(group: Group, figure: str, given: float | None) -> float | None:
    return group.find_optimum(figure) if given is None else given


def _needed_optimum(group: Group, figure: str, given: float | None) -> float:
    best = _optimum(group, figure, given)
    if best is None:
        raise SettingError(f"must be given: that of {figure} is unknown here", setting="optimum")
    return best


def _line(
    group: Group, episodes: npt.NDArray[np.int64], sample: npt.NDArray[np.float64], optimum: float | None
) -> "Line":
    """Mean and interval of (num_seeds, num_points) numbers."""
    ends = [mean_interval(point) for point in sample.T]
    low, high = (np.array([end[i] for end in ends if end is not None]) for i in (0, 1))
    band = (low, high) if low.size else (None, None)
    line: Line = _plots().Line(group.name, episodes.astype(np.float64), sample.mean(axis=0), *band, optimum)
    return line


def _draw_lines(lines: "list[Line]", words: tuple[str, str, str, str], **how: bool) -> "Plot":
    title, note, x, y = words
    plots = _plots()
    plot: Plot = plots.plot_lines(lines, plots.Words(title, note, (x,), y), **how)
    return plot


def _title(groups: Sequence[Group], given: str | None) -> str:
    """What was given; else the world, and the algorithm if no legend has it."""
    if given is not None:
        return given
    configs = [group.config for group in groups if group.config is not None]
    worlds = {Path(config.maze).name for config in configs}
    if len(worlds) != 1 or len(configs) < len(groups):
        return ""
    return f"{worlds.pop()}: {configs[0].algorithm}" if len(groups) == 1 else worlds.pop()


def _note(groups: Sequence[Group]) -> str:
    """What lines and bands mean."""
    counts = sorted({len(group.runs) for group in groups})
    if counts == [1]:
        return "one seed" if len(groups) == 1 else "one seed each"
    many = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"mean over {many} seeds; the band is its 95% interval at each point (Student's t)"


def _plots() -> Any:
    """The module that draws, if there is a Matplotlib.

    Raises:
        ExtraError: if there is none.
    """
    try:
        from clew.rendering import plots
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise ExtraError(
            "plots need Matplotlib, which isn't installed: pip install '.[plots]' in the checkout of Clew"
        ) from None
    return plots
