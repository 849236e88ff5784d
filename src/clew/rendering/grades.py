"""Table of figures with bars, as HTML for a notebook."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple, overload

from clew.rendering.colours import COLOURS, hexadecimal, ramp


class Figure(NamedTuple):
    """A row of the table.

    Attributes:
        name: first column.
        value: second column, formatted.
        share: length of the bar in the third column, from 0 to 1; None for no bar.
        note: last column.
        is_mark: True for the optimum, whose bar has a colour of its own.
    """

    name: str
    value: str
    share: float | None = None
    note: str = ""
    is_mark: bool = False


def format_figure(number: float | None) -> str:
    """Format a number to four significant digits, or as an integer from 10,000 on; None as a dash."""
    return "-" if number is None else f"{number:,.4g}" if abs(number) < 1e4 else f"{number:,.0f}"


@overload
def drop_rounding(difference: float, bound: float) -> float: ...


@overload
def drop_rounding(difference: float | None, bound: float | None) -> float | None: ...


def drop_rounding(difference: float | None, bound: float | None) -> float | None:
    """Return a difference from the optimum; 0 if it is at most the bound of its error, and may be rounding alone.

    Args:
        difference: such as a suboptimality, in reward units; None if it is unknown.
        bound: proved bound of its error; None if it is unknown.
    """
    if difference is None or bound is None or abs(difference) > bound:
        return difference
    return 0.0


def format_interval(interval: tuple[float, float] | None) -> str:
    """Format an interval as "low to high"; return "" for None, and if both ends are equal."""
    if interval is None or interval[0] == interval[1]:
        return ""
    return f"{format_figure(interval[0])} to {format_figure(interval[1])}"


def figures_html(title: str, figures: Sequence[Figure]) -> str:
    """Return an HTML table of figures with a caption, readable on light and dark pages."""
    rows = []
    for each in figures:
        bar = ""
        if each.share is not None:
            width = round(120 * min(max(each.share, 0.0), 1.0))
            colour = COLOURS["optimum"] if each.is_mark else hexadecimal(ramp()[-1])
            bar = f'<div style="width:{width}px;height:10px;background:{colour};border-radius:2px"></div>'
        rows.append(
            f'<tr><th style="text-align:left;font-weight:normal">{escape(each.name)}</th>'
            f'<td style="text-align:right">{escape(each.value)}</td>'
            f'<td style="text-align:left;width:130px">{bar}</td>'
            f'<td style="text-align:left;opacity:.7">{escape(each.note)}</td></tr>'
        )
    caption = f'<caption style="text-align:left;font-weight:600">{escape(title)}</caption>'
    return f"<table>{caption}<tbody>{''.join(rows)}</tbody></table>"
