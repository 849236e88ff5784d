"""Plots of arrays with Matplotlib: lines with bands, and dots with medians. No other module imports Matplotlib.

A plot is a `Figure` of its own; pyplot and the global settings (`rcParams`) are neither used nor changed.
"""

import io
import math
from collections.abc import Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from clew.rendering.colours import COLOURS, SERIES
from clew.rendering.pillow import with_palette

SIZE = (9.6, 5.4)  # inches, 16:9 as a slide
DPI = 100
PIXEL_RATIO = 2  # pixels of a PNG per pixel at which it is shown
STYLES = ("-", (0, (5, 1.6)), (0, (1.2, 1.4)), (0, (6, 1.6, 1.2, 1.6)), (0, (9, 2)))  # 30 pairs with SERIES
BAND_OPACITY = 0.16
MANY = 6  # beyond as many lines, they are thinner and their bands paler, and the legend is at the right
TITLE, LABEL, SMALL = 16.0, 13.0, 11.5  # points
MIN_LOG_RATIO = 10.0  # of the largest value to the smallest, for a log scale


class Line(NamedTuple):
    """Mean over seeds as a line, with its interval as a band.

    Attributes:
        name: label in the legend; "" for none.
        x: (num_points,) float64.
        mean: (num_points,) float64, the line.
        low: (num_points,) float64, lower end of the band; None for no band.
        high: (num_points,) float64, upper end of the band; None for no band.
        optimum: best possible value, drawn as a horizontal line; None if unknown.
    """

    name: str
    x: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64] | None = None
    high: npt.NDArray[np.float64] | None = None
    optimum: float | None = None


class Dots(NamedTuple):
    """Values of all seeds of one algorithm, a row of dots.

    Attributes:
        name: label of the row.
        values: (num_axes, num_seeds) float64, one row for each axis of the plot; infinite for "never".
    """

    name: str
    values: npt.NDArray[np.float64]


class Labels(NamedTuple):
    """Texts around a plot.

    Attributes:
        title: above it, in bold; "" for none.
        note: below the axes, in small letters; "" for none.
        x: label of each horizontal axis.
        y: label of the vertical axis.
    """

    title: str
    note: str
    x: Sequence[str]
    y: str = ""


class Plot(Figure):
    """Matplotlib figure that notebooks display without pyplot."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Return the plot as PNG with a palette, and the width and height in pixels at which a notebook shows it."""
        width, height = self.get_size_inches() * DPI
        return with_palette(self.data("png")), {"width": round(width), "height": round(height)}

    def data(self, ending: str) -> bytes:
        """Return the plot as the contents of a file, without the date on which it was made.

        Args:
            ending: format, "png", "svg" or "pdf".
        """
        content = io.BytesIO()
        no_date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
        self.savefig(content, format=ending, dpi=DPI * PIXEL_RATIO, metadata=no_date.get(ending))
        return content.getvalue()


# Lines ----------------------------------------------------------------------------------------------------------------


def plot_lines(lines: Sequence[Line], labels: Labels, *, percent: bool = False, log: bool = True) -> Plot:
    """Plot lines with their bands and optima in one pair of axes.

    Args:
        lines: at least one.
        labels: texts around the plot.
        percent: show values from 0 to 1 as percentages.
        log: use a log scale if all values have the same sign and the largest is more than ten times the smallest.
    """
    names = [line.name for line in lines]
    figure, (axes,) = _new_plot(1, size=_size(names))
    width, opacity = (1.5, BAND_OPACITY / 2) if len(lines) > MANY else (2.2, BAND_OPACITY)
    for line, colour, style in zip(lines, cycle(SERIES), cycle(STYLES), strict=False):
        dot = {"marker": "o", "markersize": 7, "clip_on": False} if line.x.size == 1 else {}  # one point has no line
        look: dict[str, Any] = {"color": colour, "linestyle": style, "linewidth": width, "zorder": 3, **dot}
        axes.plot(line.x, line.mean, label=line.name or None, **look)
        if line.low is not None and line.high is not None:
            edge = 6.0 if dot else 0.0  # nor a band: its edge shows the interval
            axes.fill_between(
                line.x, line.low, line.high, color=colour, alpha=opacity, linewidth=edge, zorder=2, clip_on=not dot
            )
    axes.set_xlim(min(0.0, *(float(line.x.min()) for line in lines)), max(float(line.x.max()) for line in lines))
    _scale(axes, lines, percent, log)
    _draw_optimum(axes, lines, percent)
    axes.set_xlabel(labels.x[0], fontsize=LABEL)
    axes.set_ylabel(labels.y + (", log scale" if "log" in axes.get_yscale() else ""), fontsize=LABEL)
    is_whole = all((line.x == line.x.round()).all() for line in lines)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10], integer=is_whole))
    axes.xaxis.set_major_formatter(FuncFormatter(_format_number))
    axes.grid(axis="y", color=COLOURS["card edge"], linewidth=0.8)
    _add_texts(figure, labels, names)
    return figure


def _scale(axes: Axes, lines: Sequence[Line], percent: bool, log: bool) -> None:
    """Set range, ticks and kind (linear or log) of the vertical axis.

    A log scale spans means and optima only, so a wide band of a few points is cut off; a linear one spans bands too.
    """
    if percent:
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[2, 2.5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
        return
    optima = [line.optimum for line in lines if line.optimum is not None]
    shown = np.concatenate([*(line.mean for line in lines), optima])
    low, high = float(shown.min()), float(shown.max())
    if log and high < 0.0 and low < MIN_LOG_RATIO * high:
        axes.set_yscale("symlog", linthresh=-high / 1.35)
        axes.set_ylim(low * 1.25, high / 1.35)
        ticks = LogLocator(subs=(1.0, 2.0, 5.0) if low > 500.0 * high else (1.0,)).tick_values(-high, -low)
        axes.yaxis.set_major_locator(FixedLocator([-tick for tick in ticks if low * 1.25 <= -tick <= high / 1.35]))
        axes.yaxis.set_minor_locator(NullLocator())
    elif log and low > 0.0 and high > MIN_LOG_RATIO * low:
        axes.set_yscale("log", nonpositive="clip")
        axes.set_ylim(low / 1.25, high * 1.35)
        few = high < 500.0 * low
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
        axes.yaxis.set_minor_locator(NullLocator() if few else LogLocator(subs=(2.0, 5.0)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        ends = [each for line in lines for each in (line.low, line.high) if each is not None]
        shown = np.concatenate([shown, *ends])
        low, high = float(shown.min()), float(shown.max())
        room = 0.05 * (high - low) or 0.5
        axes.set_ylim(low - room if low != 0.0 else low, high + room if high != 0.0 else high)
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(_format_number))


def _draw_optimum(axes: Axes, lines: Sequence[Line], percent: bool) -> None:
    """Draw each different optimum as a dashed line with its value; with several, in the colours of their lines."""
    optima = [line.optimum for line in lines]
    known = {optimum for optimum in optima if optimum is not None}
    is_one = len(known) == 1
    for optimum in sorted(known):
        colour = COLOURS["optimum"] if is_one else SERIES[optima.index(optimum) % len(SERIES)]
        axes.axhline(optimum, color=colour, linewidth=1.6, linestyle=(0, (3, 2)), zorder=2.5, gid="optimum")
        text = f"{100 * optimum:g}%" if percent else _format_number(float(f"{optimum:.4g}"))
        axes.annotate(
            f"optimum\n{text}",
            (1.0, optimum),
            xycoords=("axes fraction", "data"),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=colour,
            fontweight="bold",
            linespacing=1.15,
        )


# Dots -----------------------------------------------------------------------------------------------------------------


def plot_dots(rows: Sequence[Dots], labels: Labels) -> Plot:
    """Plot values of seeds as dots, with a row for each name, axes for each kind of value, and a mark at the median.

    A row whose median is infinite has no mark. The number of infinite values is written at the right end of the row.

    Args:
        rows: at least one.
        labels: texts around the plot; `x` has the label of each of the axes.
    """
    figure, all_axes = _new_plot(len(labels.x), size=(SIZE[0], max(3.6, 2.1 + 0.85 * len(rows))), share_y=True)
    for unit, axes in enumerate(all_axes):
        for place, (row, colour) in enumerate(zip(rows, cycle(SERIES), strict=False)):
            _draw_row(axes, place, row.values[unit], colour)
        _scale_dots(axes, np.concatenate([row.values[unit] for row in rows]))
        axes.set_xlabel(labels.x[unit] + (", log scale" if axes.get_xscale() == "log" else ""), fontsize=LABEL)
        axes.grid(axis="x", color=COLOURS["card edge"], linewidth=0.8)
        axes.tick_params(axis="y", length=0)
    for place, row in enumerate(rows):
        never = int(np.isinf(row.values[0]).sum())
        if never:
            all_axes[-1].annotate(
                "never" if row.values.shape[1] == 1 else f"{never} of {row.values.shape[1]}\nnever",
                (1.0, place),
                xycoords=("axes fraction", "data"),
                xytext=(7, 0),
                textcoords="offset points",
                va="center",
                fontsize=SMALL,
                color=COLOURS["faint"],
            )
    all_axes[0].set_yticks(range(len(rows)), [row.name for row in rows], fontsize=LABEL)
    all_axes[0].set_ylim(len(rows) - 0.4, -0.6)
    _add_texts(figure, labels, [])
    return figure


def _draw_row(axes: Axes, place: int, values: npt.NDArray[np.float64], colour: str) -> None:
    """Draw the finite values of a row as dots, each seed a little lower, and a mark with a number at the median.

    Args:
        axes: to draw on.
        place: of the row, from 0 at the top.
        values: (num_seeds,) float64, infinite for "never".
        colour: of the dots.
    """
    n = values.size
    reach = 0.3 if n > 1 else 0.08  # of the mark, above and below the row
    heights = place + (np.arange(n) - (n - 1) / 2) * min(0.06, 0.4 / n)
    finite = np.isfinite(values)
    axes.scatter(
        values[finite], heights[finite], s=42, color=colour, alpha=0.75, edgecolors=COLOURS["paper"], linewidths=0.8
    )
    median = float(np.median(values))
    if n > 1 and math.isfinite(median):
        axes.plot(
            [median, median],
            [place - reach, place + reach],
            color=COLOURS["ink"],
            linewidth=2.2,
            zorder=0.9,
            gid="median",
        )
    if math.isfinite(median):
        axes.annotate(
            _format_number(float(f"{median:.3g}")),
            (median, place - reach),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=SMALL,
            color=COLOURS["ink"],
        )


def _scale_dots(axes: Axes, values: npt.NDArray[np.float64]) -> None:
    """Set range, ticks and kind (linear or log) of a horizontal axis for the finite ones of some values, (n,)."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low > 0.0 and high > MIN_LOG_RATIO * low:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.6, high * 1.6)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if high < 50.0 * low else (1.0,)))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(0.0, high * 1.12)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(_format_number) if finite.size else NullFormatter())


# All plots ------------------------------------------------------------------------------------------------------------


def _new_plot(num_axes: int, *, size: tuple[float, float], share_y: bool = False) -> tuple[Plot, list[Axes]]:
    """Return an empty plot, and its axes side by side, without frames at the top and the right.

    Args:
        num_axes: number of axes.
        size: width and height of the plot, in inches.
        share_y: give all axes the same vertical scale.
    """
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1, wspace=0.04)
    figure = Plot(figsize=size, dpi=DPI, layout=layout, facecolor=COLOURS["paper"])
    all_axes = list(np.atleast_1d(figure.subplots(1, num_axes, sharey=share_y)))
    for axes in all_axes:
        axes.set_facecolor(COLOURS["paper"])
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(COLOURS["faint"])
        axes.tick_params(which="both", color=COLOURS["faint"], labelcolor=COLOURS["ink"], labelsize=SMALL, length=3)
        axes.xaxis.label.set_color(COLOURS["ink"])
        axes.yaxis.label.set_color(COLOURS["ink"])
    return figure, all_axes


def _add_texts(figure: Plot, labels: Labels, names: Sequence[str]) -> None:
    """Add title and legend above the axes, and the note below; the legend of many lines is at the right.

    There is a legend if any line has a name.
    """
    look: dict[str, Any] = {"frameon": False, "labelcolor": COLOURS["ink"], "handlelength": 2.8}
    if len(names) > MANY:
        figure.legend(loc="outside right upper", fontsize=SMALL, **look)
    elif any(names):
        figure.axes[0].legend(
            loc="lower left",
            bbox_to_anchor=(0.0, 1.02),
            ncols=_legend_columns(names),
            fontsize=LABEL,
            columnspacing=1.8,
            borderpad=0.0,
            borderaxespad=0.0,
            **look,
        )
    if labels.title:
        figure.suptitle(labels.title, x=0.012, ha="left", fontsize=TITLE, fontweight="bold", color=COLOURS["ink"])
    if labels.note:
        figure.supxlabel(labels.note, x=0.012, ha="left", fontsize=SMALL, color=COLOURS["faint"])


def _legend_columns(names: Sequence[str]) -> int:
    """Return the number of columns of a legend that fits the width of a plot."""
    longest = max(map(len, names))
    return min(len(names), 4 if longest <= 14 else 3 if longest <= 20 else 2 if longest <= 34 else 1)


def _size(names: Sequence[str]) -> tuple[float, float]:
    """Return width and height of a plot with a line for each name, in inches; it has room for the legend."""
    if len(names) > MANY:
        return SIZE[0] + 0.7 + 0.085 * max(map(len, names)), max(SIZE[1], 0.9 + 0.26 * len(names))
    return SIZE[0], SIZE[1] + 0.26 * max(0, math.ceil(len(names) / _legend_columns(names)) - 2)


def _format_number(value: float, _: int | None = None) -> str:
    """Format a number with thousands separators and a true minus sign; the position of the tick is ignored."""
    return f"{value:,.10g}".replace("-", "\N{MINUS SIGN}")
