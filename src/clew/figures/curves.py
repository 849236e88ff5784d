"""Plots of learning over several seeds: learning curves, regret, and time until the optimum is reached.

    plot_learning            steps, return or terminated rate of the training episodes: mean and 95% interval over seeds
    plot_regret              accumulated difference from the optimum
    plot_steps_to_optimal    environment steps and episodes until a figure stays near the optimum

This module computes the numbers; `clew.rendering.plots` draws them.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clew.errors import ExtraError, RunError, SettingError
from clew.experiments.intervals import mean_interval
from clew.experiments.optimum import FIGURES, TOLERANCE, regret, time_to_optimal
from clew.experiments.samples import Group, Runs, as_groups
from clew.files import save_file
from clew.settings import as_path, check_choice, check_number, check_type

if TYPE_CHECKING:
    from clew.experiments.sweep import SensitivityCurve
    from clew.rendering.plots import Line, Plot

ENDINGS = (".png", ".svg", ".pdf")


# Plots ----------------------------------------------------------------------------------------------------------------


def plot_learning(
    runs: Runs, *, figure: str = "mean_steps", optimum: float | None = None, title: str | None = None
) -> "Plot":
    """Plot learning curves: a figure of the training episodes, as its mean over seeds with a 95% interval.

    Each point is the mean over the episodes of one round, at the number of episodes learned from by its end. Training
    episodes explore, so a good learner ends near the optimum, not on it.

    Args:
        runs: runs of one algorithm, one per seed: lists of `RoundMetrics`, `Run`s, or run folders. For several
            algorithms, a dictionary from names to such lists; or one list of `Run`s and run folders, which are grouped
            by their settings and named after what differs.
        figure: "mean_steps", "mean_return" or "terminated_rate", as in `RoundMetrics`.
        optimum: best possible value of the figure, drawn as a line; of mean_return, without a discount. None takes it
            from the environment of `Run`s and run folders, and draws none if it is unknown.
        title: of the plot; None names the environment of `Run`s and run folders, if they have one in common.

    Returns:
        Matplotlib figure, which notebooks display; `savefig(path)` saves it. The band is the interval of each point
        separately, see `clew.experiments.intervals.mean_interval`; a single seed has none.

    Raises:
        SettingError: if there are no runs, runs of one group have rounds of different sizes, or the figure is unknown.
        RunError: if a run folder can't be read.
        ExtraError: if Matplotlib is not installed.

    Examples:
        >>> import clew
        >>> env = clew.Environment(clew.Maze.open(5, 5))
        >>> runs = [[] for seed in range(3)]
        >>> for seed, rounds in enumerate(runs):
        ...     policy = clew.train_policy(env, 200, seed=seed, callback=rounds.append)
        >>> plot = clew.plot_learning({"q-learning": runs}, optimum=clew.solve(env).steps)
        >>> plot.axes[0].get_ylabel()
        'mean steps per episode, log scale'
        >>> plot.get_supxlabel()
        'mean over 3 seeds; band: 95% interval at each point (bootstrap-t)'
    """
    groups = _checked_groups(runs, figure, optimum, title)
    lines = [
        _line(
            each,
            each.episodes,
            each.column(figure),
            getattr(each.find_optimum(), figure) if optimum is None else optimum,
        )
        for each in groups
    ]
    return _draw_lines(groups, lines, title, FIGURES[figure].label, percent=figure == "terminated_rate")


def plot_regret(
    runs: Runs, *, figure: str = "mean_steps", optimum: float | None = None, title: str | None = None
) -> "Plot":
    """Plot the regret: the accumulated difference from the optimum over episodes, mean over seeds with a 95% interval.

    The regret after n episodes is the sum over these episodes of (steps - optimum), or for other figures of (optimum -
    return) or (optimum - success). It contains the cost of exploration, so it keeps growing while a learner explores.

    Args:
        runs: runs of one algorithm, one per seed: lists of `RoundMetrics`, `Run`s, or run folders; for several
            algorithms, a dictionary from names to such lists, see `plot_learning`.
        figure: "mean_steps", "mean_return" or "terminated_rate", as in `RoundMetrics`.
        optimum: best possible value of the figure; of mean_return, without a discount. None takes it from the
            environment of `Run`s and run folders.
        title: of the plot; None names the environment of `Run`s and run folders, if they have one in common.

    Returns:
        Matplotlib figure, which notebooks display. The band is the interval of the regret at each point.

    Raises:
        SettingError: if there are no runs, runs of one group have rounds of different sizes, the figure is unknown, or
            the optimum is unknown.
        RunError: if a run folder can't be read.
        ExtraError: if Matplotlib is not installed.

    Examples:
        >>> import clew
        >>> env = clew.Environment(clew.Maze.open(5, 5))
        >>> rounds = []
        >>> policy = clew.train_policy(env, 200, seed=0, callback=rounds.append)
        >>> plot = clew.plot_regret(rounds, optimum=clew.solve(env).steps)
        >>> int(plot.axes[0].get_lines()[0].get_ydata()[-1]), sum(row.num_steps for row in rounds) - 200 * 8
        (664, 664)
    """
    lines = []
    groups = _checked_groups(runs, figure, optimum, title)
    for group in groups:
        best = _require_optimum(group, figure, optimum)
        sums = np.array([regret(run, best, figure) for run in group.runs])
        lines.append(_line(group, np.append(0, group.episodes), np.insert(sums, 0, 0.0, axis=1), None))
    return _draw_lines(groups, lines, title, f"regret, in {FIGURES[figure].unit}", log=False)


def plot_steps_to_optimal(
    runs: Runs,
    *,
    figure: str = "mean_steps",
    optimum: float | None = None,
    tolerance: float = TOLERANCE,
    title: str | None = None,
) -> "Plot":
    """Plot how many environment steps and episodes it took until a figure stayed near the optimum.

    Each seed is a dot, and a mark shows their median. They are counted up to the end of the first round from which on
    all rounds are near the optimum: no worse than it by more than `tolerance` times its absolute value. Steps are
    counted per terminated episode, and in the worlds of `Run`s and run folders the mean return must be near that of the
    optimal policy too, so that no short episode is near that was truncated or ended badly. A seed whose last round is
    not near counts as infinite in the median.

    Args:
        runs: runs of one algorithm, one per seed: lists of `RoundMetrics`, `Run`s, or run folders; for several
            algorithms, a dictionary from names to such lists, see `plot_learning`.
        figure: "mean_steps", "mean_return" or "terminated_rate", as in `RoundMetrics`.
        optimum: best possible value of the figure; of mean_return, without a discount. None takes it from the
            environment of `Run`s and run folders.
        tolerance: largest difference that is near the optimum, as a share of it; above 0.
        title: of the plot; None names the environment of `Run`s and run folders, if they have one in common.

    Returns:
        Matplotlib figure, which notebooks display; one pair of axes has environment steps, another episodes.

    Raises:
        SettingError: if there are no runs, runs of one group have rounds of different sizes, the figure or the optimum
            is unknown, the optimum is 0, or the tolerance is not above 0.
        RunError: if a run folder can't be read.
        ExtraError: if Matplotlib is not installed.

    Examples:
        >>> import clew
        >>> env = clew.Environment(clew.Maze.open(5, 5))
        >>> runs = [[] for seed in range(3)]
        >>> for seed, rounds in enumerate(runs):
        ...     policy = clew.train_policy(env, 1000, seed=seed, callback=rounds.append)
        >>> plot = clew.plot_steps_to_optimal({"q-learning": runs}, optimum=clew.solve(env).steps, tolerance=0.5)
        >>> [axes.get_xlabel() for axes in plot.axes]
        ['environment steps', 'episodes']
    """
    rows = []
    groups = _checked_groups(runs, figure, optimum, title)
    for group in groups:
        best = _require_optimum(group, figure, optimum)
        least = group.find_optimum().least_return(tolerance) if figure == "mean_steps" else -math.inf
        times = [time_to_optimal(run, best, figure, tolerance, least) or (math.inf, math.inf) for run in group.runs]
        rows.append((group.name, np.array(times).T))
    plots = _plots()
    note = f"until {FIGURES[figure].label} stays within {100 * tolerance:g}% of the optimum"
    note += "; dots: seeds, mark: median" * any(len(group.runs) > 1 for group in groups)
    labels = plots.Labels(_title(groups, title), note, ("environment steps", "episodes"))
    plot: Plot = plots.plot_dots([plots.Dots(*row) for row in rows], labels)
    return plot


def plot_sensitivity(curves: "Mapping[str, SensitivityCurve]", axes: tuple[str, str], title: str) -> "Plot":
    """Plot how a figure depends on a setting, see `clew.SweepResults.plot`.

    Args:
        curves: of each combination of the other settings, by its text.
        axes: name of the setting, and of the figure.
        title: of the plot.
    """
    plots = _plots()
    lines = [plots.Line(name, each.values * 1.0, each.means, each.low, each.high) for name, each in curves.items()]
    labels = plots.Labels(title, "band: 95% interval at each point (bootstrap-t)", axes[:1], axes[1])
    plot: Plot = plots.plot_lines(lines, labels, log=False)
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
    """Make the plot that `clew plot` is asked for, after checking that its options fit together.

    Args:
        runs: as for `plot_learning`.
        what: names of plots: "learning", "regret" or "steps_to_optimal"; exactly one.
        out: file that the plot will be saved to; only its ending is checked.
        figure: as for `plot_learning`.
        optimum: as for `plot_learning`.
        tolerance: of "steps_to_optimal" only; None takes its default.

    Raises:
        ClewError: if an option is invalid or has no effect, or a run can't be read.
    """
    check_file_ending(out)
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
    """Save a plot to a file, in the format of its ending: `.png`, `.svg` or `.pdf`.

    If writing fails, an existing file of that name stays as it was.

    Raises:
        SettingError: if the file has another ending.
        RunError: if the file can't be written.
    """
    path = as_path("path", path)
    check_file_ending(path)
    save_file(path, plot.data(path.suffix[1:].lower()), RunError)


def check_file_ending(path: Path) -> None:
    """Raise SettingError if the ending of a file is not that of a format of plots."""
    if path.suffix.lower() not in ENDINGS:
        raise SettingError(f"{path}: a plot is saved as {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, by its ending")


# Numbers --------------------------------------------------------------------------------------------------------------


def _checked_groups(runs: Runs, figure: str, optimum: float | None, title: str | None) -> list[Group]:
    """Return runs grouped by their settings, after checking figure, optimum and title."""
    if title is not None:
        check_type("title", title, str, "text")
    check_choice("figure", figure, FIGURES)
    if optimum is not None:
        check_number("optimum", optimum)
    return as_groups(runs)


def _optimum(group: Group, figure: str) -> float | None:
    """Return the optimum of a figure in the environment of a group; None if it is unknown."""
    best: float | None = getattr(group.find_optimum(), figure)
    return best


def _require_optimum(group: Group, figure: str, given: float | None) -> float:
    """Return the optimum that was given or that of the environment of a group, or raise SettingError if unknown."""
    best = _optimum(group, figure) if given is None else given
    if best is None:
        raise SettingError(f"must be given: that of {figure} is unknown here", setting="optimum")
    return best


def _line(
    group: Group, episodes: npt.NDArray[np.int64], sample: npt.NDArray[np.float64], optimum: float | None
) -> "Line":
    """Return the line of a group: mean and 95% interval over seeds at each point.

    Args:
        group: has the name.
        episodes: (num_points,), horizontal positions.
        sample: (num_seeds, num_points), values.
        optimum: best possible value; None for no line.
    """
    band = mean_interval(sample, axis=0) if len(sample) > 1 else (None, None)
    line: Line = _plots().Line(group.name, episodes.astype(np.float64), sample.mean(axis=0), *band, optimum)
    return line


def _draw_lines(groups: Sequence[Group], lines: "list[Line]", title: str | None, y: str, **options: bool) -> "Plot":
    """Plot a line for each group over episodes, with a label of the vertical axis; options of `plot_lines`."""
    plots = _plots()
    labels = plots.Labels(_title(groups, title), _note(groups), ("training episodes",), y)
    plot: Plot = plots.plot_lines(lines, labels, **options)
    return plot


def _title(groups: Sequence[Group], given: str | None) -> str:
    """Return the title that was given, or else the maze; for a single group, with its algorithm."""
    if given is not None:
        return given
    configs = [group.config for group in groups if group.config is not None]
    mazes = {Path(config.maze).name for config in configs}
    if len(mazes) != 1 or len(configs) < len(groups):
        return ""
    return f"{mazes.pop()}: {configs[0].algorithm}" if len(groups) == 1 else mazes.pop()


def _note(groups: Sequence[Group]) -> str:
    """Return what lines and bands show: the number of seeds, and the kind of interval."""
    counts = sorted({len(group.runs) for group in groups})
    if counts == [1]:
        return "one seed" if len(groups) == 1 else "one seed each"
    many = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"mean over {many} seeds; band: 95% interval at each point (bootstrap-t)"


def _plots() -> Any:
    """Return the module `clew.rendering.plots`, or raise ExtraError if Matplotlib is not installed."""
    try:
        from clew.rendering import plots
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise ExtraError('plots need Matplotlib, which is not installed: pip install "clew[plots]"') from None
    return plots
