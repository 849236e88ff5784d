"""Plots of plain numbers by Matplotlib, which nothing else imports: lines with bands, and dots with medians.

Nothing here touches pyplot or any setting that others share: a plot is a `Figure` of its own, drawn where it's needed.
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
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from clew.rendering.colours import COLOURS, SERIES

__all__ = ["Dots", "Line", "Plot", "Words", "plot_dots", "plot_lines"]

SIZE = (9.6, 5.4)  # inches, the shape of a slide
DPI = 100
SHARP = 2  # pixels of a picture in a notebook for each that it takes there
STYLES = ("-", (0, (5, 1.6)), (0, (1.2, 1.4)), (0, (6, 1.6, 1.2, 1.6)), (0, (9, 2)))  # with SERIES 30 that differ
BAND = 0.16  # opacity
TITLE, LABEL, SMALL = 16.0, 13.0, 11.5  # points
LOG_FROM = 10.0  # times that the largest is as large as the smallest, from where a log scale shows more


class Line(NamedTuple):
    """A mean over seeds as it went on.

    Attributes:
        name: what the legend calls it; "" for none.
        x: (num_points,) where the points are.
        mean: (num_points,) the line.
        low: (num_points,) where the band begins; None for no band.
        high: (num_points,) where it ends; None likewise.
        optimum: the best that there is; None if it isn't known.
    """

    name: str
    x: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64] | None = None
    high: npt.NDArray[np.float64] | None = None
    optimum: float | None = None


class Dots(NamedTuple):
    """A figure of each seed, in one unit or several.

    Attributes:
        name: what the row is called.
        values: (num_units, num_seeds); infinite where it never came to that.
    """

    name: str
    values: npt.NDArray[np.float64]


class Words(NamedTuple):
    """What stands around a plot.

    Attributes:
        title: above it, in bold; "" for none.
        note: below the axes, in small letters: what lines, bands and dots mean.
        x: what the horizontal axes show, one for each unit.
        y: what the vertical axis shows.
    """

    title: str
    note: str
    x: Sequence[str]
    y: str = ""


class Plot(Figure):
    """A Matplotlib figure that notebooks show by itself, which they do with others only if pyplot is about."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The plot as a picture, with the size at which it's shown."""
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=DPI * SHARP)
        width, height = self.get_size_inches() * DPI
        return picture.getvalue(), {"width": round(width), "height": round(height)}

    def data(self, ending: str) -> bytes:
        """The plot as a file has it.

        Args:
            ending: png, svg or pdf.
        """
        content = io.BytesIO()
        no_date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
        self.savefig(content, format=ending, dpi=DPI * SHARP, metadata=no_date.get(ending))
        return content.getvalue()


# Lines ----------------------------------------------------------------------------------------------------------------


def plot_lines(lines: Sequence[Line], words: Words, *, percent: bool = False, log: bool = True) -> Plot:
    """Lay lines with their bands over each other, with the optimum as a line where it is known.

    Args:
        lines: one or more.
        words: what stands around them.
        percent: show shares from 0 to 1 as percents, from 0 to 100.
        log: take a log scale where values are positive and span more than an order of magnitude.
    """
    names = [line.name for line in lines]
    figure, (axes,) = _new_plot(1, height=SIZE[1] + 0.26 * max(0, _legend_rows(names) - 2))
    for line, (colour, style) in zip(lines, _looks(), strict=False):
        dot = {"marker": "o", "markersize": 7, "clip_on": False} if line.x.size == 1 else {}  # it would be no line
        look: dict[str, Any] = {"color": colour, "linestyle": style, "linewidth": 2.2, "zorder": 3, **dot}
        axes.plot(line.x, line.mean, label=line.name or None, **look)
        if line.low is not None and line.high is not None:
            edge = 6.0 if dot else 0.0  # nor a band
            axes.fill_between(
                line.x, line.low, line.high, color=colour, alpha=BAND, linewidth=edge, zorder=2, clip_on=not dot
            )
    axes.set_xlim(0.0, max(float(line.x.max()) for line in lines))
    _scale(axes, lines, percent, log)
    _draw_optimum(axes, lines, percent)
    axes.set_xlabel(words.x[0], fontsize=LABEL)
    is_log = axes.get_yscale() == "log"
    axes.set_ylabel(f"{words.y}, log scale" if is_log else words.y, fontsize=LABEL)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(_say))
    axes.grid(axis="y", color=COLOURS["card edge"], linewidth=0.8)
    _head(figure, words, names)
    return figure


def _looks() -> Any:
    """Colour and style of each line; none comes twice before both have come round."""
    return zip(cycle(SERIES), cycle(STYLES), strict=False)


def _scale(axes: Axes, lines: Sequence[Line], percent: bool, log: bool) -> None:
    """Choose the vertical scale by the lines and the optimum, and let a wide band of a few points be cut off."""
    means = np.concatenate([line.mean for line in lines])
    ends = [each for line in lines for each in (line.low, line.high) if each is not None]
    optima = [line.optimum for line in lines if line.optimum is not None]
    low, high = min([float(means.min()), *optima]), max([float(means.max()), *optima])
    if percent:
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[2, 2.5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
        return
    if log and low > 0.0 and high > LOG_FROM * low:
        axes.set_yscale("log", nonpositive="clip")
        axes.set_ylim(low / 1.25, high * 1.35)
        few = high < 500.0 * low
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
        axes.yaxis.set_minor_locator(NullLocator() if few else LogLocator(subs=(2.0, 5.0)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        if ends:
            all_ends = np.concatenate(ends)
            low, high = min(low, float(all_ends.min())), max(high, float(all_ends.max()))
        room = 0.05 * (high - low) or 0.5
        axes.set_ylim(low - room if low != 0.0 else low, high + room if high != 0.0 else high)
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(_say))


def _draw_optimum(axes: Axes, lines: Sequence[Line], percent: bool) -> None:
    """The optimum as a line with its name at the right; one in the colour of each line where they differ."""
    optima = [line.optimum for line in lines]
    known = {optimum for optimum in optima if optimum is not None}
    is_one = len(known) == 1
    for optimum in sorted(known):
        colour = COLOURS["optimum"] if is_one else SERIES[optima.index(optimum) % len(SERIES)]
        axes.axhline(optimum, color=colour, linewidth=1.6, linestyle=(0, (3, 2)), zorder=2.5, gid="optimum")
        said = f"{100 * optimum:g}%" if percent else _say(float(f"{optimum:.4g}"))
        axes.annotate(
            f"optimum\n{said}",
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


def plot_dots(rows: Sequence[Dots], words: Words) -> Plot:
    """Draw the figure of each seed as a dot, a row for each name and axes for each unit, with the median of each row.

    Where at least half of a row are infinite it has no median; how many are is said at its end.

    Args:
        rows: one or more, of as many units each.
        words: what stands around them; `x` names the units.
    """
    figure, all_axes = _new_plot(len(words.x), height=max(3.6, 2.1 + 0.85 * len(rows)), share_y=True)
    for unit, axes in enumerate(all_axes):
        for place, (row, (colour, _)) in enumerate(zip(rows, _looks(), strict=False)):
            _draw_row(axes, place, row.values[unit], colour)
        _scale_dots(axes, np.concatenate([row.values[unit] for row in rows]))
        axes.set_xlabel(words.x[unit] + (", log scale" if axes.get_xscale() == "log" else ""), fontsize=LABEL)
        axes.grid(axis="x", color=COLOURS["card edge"], linewidth=0.8)
    for place, row in enumerate(rows):
        never = int(np.isinf(row.values[0]).sum())
        if never:
            who = "never" if row.values.shape[1] == 1 else f"{never} of {row.values.shape[1]}\nnever"
            all_axes[-1].annotate(
                who,
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
    for axes in all_axes:
        axes.tick_params(axis="y", length=0)
    _head(figure, words, [])
    return figure


def _draw_row(axes: Axes, place: int, values: npt.NDArray[np.float64], colour: str) -> None:
    """Dots one above the other, in the order of the seeds, and a mark with a number at their median."""
    n = values.size
    reach = 0.3 if n > 1 else 0.08  # of the mark, above and below
    heights = place + (np.arange(n) - (n - 1) / 2) * min(0.06, 0.4 / n)
    seen = np.isfinite(values)
    axes.scatter(
        values[seen], heights[seen], s=42, color=colour, alpha=0.75, edgecolors=COLOURS["paper"], linewidths=0.8
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
            _say(float(f"{median:.3g}")),
            (median, place - reach),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=SMALL,
            color=COLOURS["ink"],
        )


def _scale_dots(axes: Axes, values: npt.NDArray[np.float64]) -> None:
    seen = values[np.isfinite(values)]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
    if low > 0.0 and high > LOG_FROM * low:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.6, high * 1.6)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if high < 50.0 * low else (1.0,)))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(0.0, high * 1.12)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(_say) if seen.size else NullFormatter())


# What all plots share -------------------------------------------------------------------------------------------------


def _new_plot(num_axes: int, *, height: float = SIZE[1], share_y: bool = False) -> tuple[Plot, list[Axes]]:
    """An empty plot on paper, with no more frame than it needs."""
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1, wspace=0.04)
    figure = Plot(figsize=(SIZE[0], height), dpi=DPI, layout=layout, facecolor=COLOURS["paper"])
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


def _head(figure: Plot, words: Words, names: Sequence[str]) -> None:
    """Title and legend above the axes, where they lie on no line, and the note below."""
    if any(names):
        figure.axes[0].legend(
            loc="lower left",
            bbox_to_anchor=(0.0, 1.02),
            ncols=_legend_columns(names),
            frameon=False,
            fontsize=LABEL,
            labelcolor=COLOURS["ink"],
            handlelength=2.8,
            columnspacing=1.8,
            borderpad=0.0,
            borderaxespad=0.0,
        )
    if words.title:
        figure.suptitle(words.title, x=0.012, ha="left", fontsize=TITLE, fontweight="bold", color=COLOURS["ink"])
    if words.note:
        figure.supxlabel(words.note, x=0.012, ha="left", fontsize=SMALL, color=COLOURS["faint"])


def _legend_columns(names: Sequence[str]) -> int:
    """How many names, with their lines, stand beside each other on a slide."""
    longest = max(map(len, names))
    return min(len(names), 4 if longest <= 14 else 3 if longest <= 20 else 2 if longest <= 34 else 1)


def _legend_rows(names: Sequence[str]) -> int:
    return math.ceil(len(names) / _legend_columns(names)) if any(names) else 0


def _say(value: float, _: int | None = None) -> str:
    """A number with its thousands apart."""
    return f"{value:,.10g}".replace("-", "\N{MINUS SIGN}")
