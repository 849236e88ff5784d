"""What pictures along an axis of time share: the scale, its ticks, and pieces of SVG."""

import math
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

__all__ = ["Scale", "bar", "draw_axis", "say_seconds", "text", "width_of"]

FONT_SIZE = 12
STEPS = (1, 2, 5, 10)


class Scale(NamedTuple):
    """Times and where they lie."""

    begin: float  # seconds
    end: float
    left: float  # pixels
    right: float

    def x(self, time: float) -> float:
        """Where a time lies; times beyond the ends lie at the ends."""
        share = (min(max(time, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return self.left + share * (self.right - self.left)

    def shows(self, begun: float, ended: float) -> bool:
        """Tell if any of a stretch of time is in sight."""
        return begun <= self.end and ended >= self.begin

    def ticks(self) -> list[float]:
        """Round times, some hundred pixels apart."""
        least = (self.end - self.begin) * 100 / (self.right - self.left)
        power = 10.0 ** math.floor(math.log10(least))
        step = next(power * each for each in STEPS if power * each >= least * 0.999)
        first = math.ceil(self.begin / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.end / step + 1e-9) + 1)]


def say_seconds(seconds: float, step: float | None = None, most: float | None = None) -> str:
    """A time as people read it; to the precision of a step, if there is one, and in the unit that suits the most."""
    unit, factor = ("s", 1.0) if (seconds if most is None else most) >= 0.1 else ("ms", 1e3)
    if step is None:
        return f"{seconds * factor:.3g} {unit}"
    digits = max(0, -math.floor(math.log10(step * factor) + 1e-9))
    return f"{seconds * factor:.{digits}f} {unit}"


def width_of(words: str, size: float = FONT_SIZE) -> float:
    """Pixels that words take, about: fonts differ."""
    return 0.57 * size * len(words)


def text(x: float, y: float, words: str, name: str = "ink", *, size: float = FONT_SIZE, anchor: str = "start") -> str:
    """Words at a place."""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    larger = "" if size == FONT_SIZE else f' font-size="{size:g}"'
    return f'<text class={quoteattr(name)} x="{x:.1f}" y="{y:.1f}"{where}{larger}>{escape(words)}</text>'


def bar(x: float, y: float, width: float, height: float, name: str, meaning: str = "", radius: float = 0) -> str:
    """A rectangle, and what it means for those who point at it."""
    corners = f' rx="{radius:g}"' if radius else ""
    shape = f'<rect class={quoteattr(name)} x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"{corners}'
    return f"{shape}><title>{escape(meaning)}</title></rect>" if meaning else f"{shape}/>"


def draw_axis(scale: Scale, top: float, bottom: float) -> list[str]:
    """Fine lines at round times, with the times below them."""
    ticks = scale.ticks()
    step = ticks[1] - ticks[0] if len(ticks) > 1 else (scale.end - scale.begin) / 10
    lines = "".join(f"M{scale.x(each):.1f} {top:g}V{bottom:g}" for each in ticks)
    return [
        f'<path class="grid" d="{lines}"/>',
        *(
            text(scale.x(each), bottom + 16, say_seconds(each, step, ticks[-1]), "faint", anchor="middle")
            for each in ticks
        ),
    ]
