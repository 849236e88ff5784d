"""A whole run on one strip: its rounds, how busy driver and actors were, and when actors were lost."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clew.tracing.axes import Scale, bar, draw_axis, text
from clew.tracing.trace import DRIVER, Event

__all__ = ["draw_overview", "height_of_overview"]

NUM_BINS = 240
MAX_STRIPES = 250
CHART = 34  # pixels high


def height_of_overview(events: Sequence[Event]) -> float:
    """How high the strip is."""
    return 146 + (10 + CHART) * any(each.who.startswith("actor") for each in events)


def draw_overview(events: Sequence[Event], scale: Scale, top: float, sight: tuple[float, float]) -> list[str]:
    """Draw the whole run.

    Args:
        events: of the run.
        scale: from its beginning to its end.
        top: where there is room for it.
        sight: the times that are shown in detail below.
    """
    edges = np.linspace(scale.begin, scale.end, NUM_BINS + 1)
    driver = busy(edges, [each for each in events if each.who == DRIVER])
    working = [each for each in events if each.who.startswith("actor") and each.what == "work"]
    stripes, size = draw_rounds(events, scale, top + 22)
    each_is = "a stripe each" if size == 1 else f"{size} to a stripe"
    parts = [
        text(24, top + 8, "The whole run", "strong"),
        text(24, top + 34, "rounds"),
        text(24, top + 49, each_is, "faint", size=11),
        *stripes,
        *draw_chart(driver, 1.0, scale, top + 54, "driver"),
    ]
    bottom = top + 54 + CHART
    if any(each.who.startswith("actor") for each in events):
        actors = busy(edges, working)
        most = max(1.0, float(np.ceil(actors.max() - 0.05)))
        parts += draw_chart(actors, most, scale, bottom + 10, "actors")
        bottom += 10 + CHART
    parts += draw_axis(scale, top + 22, bottom)
    for each in (each for each in events if each.what == "lost"):
        x = scale.x(each.begun)
        parts.append(f'<path class="loss" d="M{x:.1f} {top + 18:g}V{bottom:g}m-5 -5l10 10m0-10l-10 10"/>')
    parts += draw_loss_labels([each for each in events if each.what == "lost"], scale, top + 14)
    left, right = scale.x(sight[0]), scale.x(sight[1])
    middle, half = (left + right) / 2, max(3.0, (right - left) / 2)
    parts.append(bar(middle - half, top + 19, 2 * half, bottom - top - 16, "sight", radius=2))
    fan = f"M{middle - half:.1f} {bottom + 3:g}L{scale.left:g} {top + height_of_overview(events):g}H{scale.right:g}"
    parts.append(f'<path class="fan" d="{fan}L{middle + half:.1f} {bottom + 3:g}z"/>')
    return parts


def busy(edges: npt.NDArray[np.float64], events: Sequence[Event]) -> npt.NDArray[np.float64]:
    """How many events were going on between edges, on the average."""
    begun = np.sort([each.begun for each in events])
    ended = np.sort([each.ended for each in events])
    done = passed(edges, begun) - passed(edges, ended)
    share: npt.NDArray[np.float64] = np.diff(done) / np.diff(edges)
    return np.maximum(share, 0.0)


def passed(times: npt.NDArray[np.float64], since: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sum of what has passed at some times since others, which are ascending."""
    sums = np.concatenate([[0.0], np.cumsum(since)])
    count = np.searchsorted(since, times)
    total: npt.NDArray[np.float64] = count * times - sums[count]
    return total


def draw_rounds(events: Sequence[Event], scale: Scale, y: float) -> tuple[list[str], int]:
    """A stripe a round, or for some rounds where there are many; and how many share a stripe."""
    staleness = {each.round: each.staleness for each in events if each.version >= 0}
    ended = {each.round: each.ended for each in events if each.what in ("merge", "work") and each.round >= 0}
    numbers = sorted(ended)
    size = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if len(numbers) <= n * MAX_STRIPES)
    parts, begun = [], scale.begin
    for i in range(0, len(numbers), size):
        some = numbers[i : i + size]
        end = max(ended[number] for number in some)
        stale = max(staleness.get(number, 0) for number in some)
        name = f"work s{min(stale, 2)} {'odd' if i // size % 2 else 'even'}"
        words = f"round {some[0]}" if size == 1 else f"rounds {some[0]} to {some[-1]}"
        x = scale.x(begun)
        parts.append(bar(x, y, scale.x(end) - x, 22, name, f"{words}\nstaleness {stale}"))
        begun = end
    return parts, size


def draw_chart(heights: npt.NDArray[np.float64], most: float, scale: Scale, y: float, who: str) -> list[str]:
    """How busy someone was, as a line that is filled below."""
    width = (scale.right - scale.left) / heights.size
    line = "".join(
        f"H{scale.left + i * width:.1f}V{y + CHART - CHART * min(1.0, height / most):.1f}"
        for i, height in enumerate(heights.tolist())
    )
    scale_of = "share of its time" if who == "driver" else f"at work, of {most:g}"
    return [
        text(24, y + 15, "driver busy" if who == "driver" else "actors busy"),
        text(24, y + 30, scale_of, "faint", size=11),
        f'<path class="chart" d="M{scale.left:g} {y + CHART:g}{line}H{scale.right:g}V{y + CHART:g}z"/>',
    ]


def draw_loss_labels(lost: Sequence[Event], scale: Scale, y: float) -> list[str]:
    """Who was lost, as far as there is room to say so."""
    parts, free = [], 0.0
    for each in sorted(lost, key=lambda event: event.begun):
        x = scale.x(each.begun)
        words = f"{each.who} lost" + (f" in round {each.round}" if each.round >= 0 else "")
        half = 3.3 * len(words)
        x = max(scale.left + half, min(x, scale.right - half))
        if x - half > free:
            parts.append(text(x, y, words, "loud", anchor="middle"))
            free = x + half + 8
    return parts
