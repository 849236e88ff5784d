"""Figures as a table with bars, for a notebook."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from clew.rendering.colours import COLOURS, hexadecimal, ramp

__all__ = ["Figure", "figures_html", "say_figure", "say_interval"]


class Figure(NamedTuple):
    """A line of a table."""

    name: str
    value: str
    share: float | None = None  # how long its bar is, from 0 to 1; None has none
    note: str = ""
    is_mark: bool = False  # what others are measured by: the colour of the optimum


def say_figure(number: float | None) -> str:
    """A number as people read it; a dash where there is none."""
    return "-" if number is None else f"{number:,.4g}" if abs(number) < 1e4 else f"{number:,.0f}"


def say_interval(interval: tuple[float, float] | None) -> str:
    """Between which numbers the true one lies; nothing if that isn't known, or there is no doubt."""
    if interval is None or interval[0] == interval[1]:
        return ""
    return f"{say_figure(interval[0])} to {say_figure(interval[1])}"


def figures_html(title: str, figures: Sequence[Figure]) -> str:
    """A table of figures, readable on light and on dark pages."""
    deep, mark = hexadecimal(ramp()[-1]), COLOURS["optimum"]
    rows = []
    for each in figures:
        bar = ""
        if each.share is not None:
            width = round(120 * min(max(each.share, 0.0), 1.0))
            colour = mark if each.is_mark else deep
            bar = f'<div style="width:{width}px;height:10px;background:{colour};border-radius:2px"></div>'
        rows.append(
            f'<tr><th style="text-align:left;font-weight:normal">{escape(each.name)}</th>'
            f'<td style="text-align:right">{escape(each.value)}</td>'
            f'<td style="text-align:left;width:130px">{bar}</td>'
            f'<td style="text-align:left;opacity:.7">{escape(each.note)}</td></tr>'
        )
    caption = f'<caption style="text-align:left;font-weight:600">{escape(title)}</caption>'
    return f"<table>{caption}<tbody>{''.join(rows)}</tbody></table>"
