"""Time axes in SVG: the scale, its ticks, texts and bars."""

import math
from html import escape
from typing import NamedTuple

FONT_SIZE = 12
STEPS = (1, 2, 5, 10)  # of ticks, times a power of ten


class TimeScale(NamedTuple):
    """Linear scale from times to horizontal positions.

    Attributes:
        begin: first time, in seconds.
        end: last time, in seconds.
        left: position of `begin`, in pixels.
        right: position of `end`, in pixels.
    """

    begin: float
    end: float
    left: float
    right: float

    def x(self, time: float) -> float:
        """Return the position of a time; times outside the scale are moved to its nearest end."""
        share = (min(max(time, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return self.left + share * (self.right - self.left)

    def overlaps(self, begun: float, ended: float) -> bool:
        """Return whether any part of an interval of time is on the scale."""
        return begun <= self.end and ended >= self.begin

    def ticks(self) -> list[float]:
        """Return round times at least about 100 pixels apart: multiples of 1, 2 or 5 times a power of ten."""
        min_step = (self.end - self.begin) * 100 / (self.right - self.left)
        power = 10.0 ** math.floor(math.log10(min_step))
        step = next(power * each for each in STEPS if power * each >= min_step * 0.999)
        first = math.ceil(self.begin / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.end / step + 1e-9) + 1)]


def format_seconds(seconds: float, step: float | None = None, largest: float | None = None) -> str:
    """Format a time in seconds, or in milliseconds if it is below 0.1 s.

    Args:
        seconds: the time.
        step: shows as many digits as a tick of this step needs; None shows three significant digits.
        largest: chooses the unit by this time instead, so that all ticks of an axis have the same unit.
    """
    unit, factor = ("s", 1.0) if (seconds if largest is None else largest) >= 0.1 else ("ms", 1e3)
    if step is None:
        return f"{seconds * factor:.3g} {unit}"
    digits = max(0, -math.floor(math.log10(step * factor) + 1e-9))
    return f"{seconds * factor:.{digits}f} {unit}"


def format_count(number: int, noun: str) -> str:
    """Format a number with a noun, which gets an "s" unless the number is 1: "1 round", "2 rounds"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def estimate_width(words: str, size: float = FONT_SIZE) -> float:
    """Return the approximate width of a text in pixels; the exact one depends on the viewer's font."""
    return 0.57 * size * len(words)


def text(x: float, y: float, words: str, name: str = "ink", *, size: float = FONT_SIZE, anchor: str = "start") -> str:
    """Return an SVG text element.

    Args:
        x: position of its anchor, in pixels from the left.
        y: base line, in pixels from the top.
        words: the text.
        name: class, which sets the colour.
        size: of the font, in pixels.
        anchor: point of the text at x: "start", "middle" or "end".
    """
    anchored = "" if anchor == "start" else f' text-anchor="{anchor}"'
    larger = "" if size == FONT_SIZE else f' font-size="{size:g}"'
    return f'<text class="{escape(name)}" x="{x:.1f}" y="{y:.1f}"{anchored}{larger}>{escape(words, quote=False)}</text>'


def bar(x: float, y: float, width: float, height: float, name: str, tooltip: str = "", radius: float = 0) -> str:
    """Return an SVG rectangle.

    Args:
        x: left edge, in pixels.
        y: top edge, in pixels.
        width: in pixels.
        height: in pixels.
        name: class, which sets the colour.
        tooltip: text shown when the mouse points at it; "" for none.
        radius: of its corners, in pixels.
    """
    corners = f' rx="{radius:g}"' if radius else ""
    shape = f'<rect class="{escape(name)}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"{corners}'
    return f"{shape}><title>{escape(tooltip, quote=False)}</title></rect>" if tooltip else f"{shape}/>"


def draw_axis(scale: TimeScale, top: float, bottom: float) -> list[str]:
    """Return SVG elements of grid lines at the ticks of a scale, from `top` to `bottom`, and their times below."""
    ticks = scale.ticks()
    step = ticks[1] - ticks[0] if len(ticks) > 1 else (scale.end - scale.begin) / 10
    lines = "".join(f"M{scale.x(each):.1f} {top:g}V{bottom:g}" for each in ticks)
    times = (
        text(scale.x(each), bottom + 16, format_seconds(each, step, ticks[-1]), "faint", anchor="middle")
        for each in ticks
    )
    return [f'<path class="grid" d="{lines}"/>', *times]
