"""Overview of a whole run: its rounds, the utilisation of driver and actors over time, and lost actors."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clew.tracing.axes import TimeScale, bar, draw_axis, text
from clew.tracing.trace import DRIVER, Event

NUM_BINS = 240  # of a chart
MAX_STRIPES = 250  # for rounds
CHART = 34  # pixels high


def overview_height(events: Sequence[Event]) -> float:
    """Return the height of the overview in pixels."""
    return 146 + (10 + CHART) * any(each.who.startswith("actor") for each in events)


def draw_overview(events: Sequence[Event], scale: TimeScale, top: float, detail: tuple[float, float]) -> list[str]:
    """Draw the overview of a whole run.

    Args:
        events: of the run.
        scale: from its beginning to its end.
        top: upper edge, in pixels.
        detail: first and last time of the part that is drawn in detail below; it is marked.

    Returns:
        SVG elements.
    """
    edges = np.linspace(scale.begin, scale.end, NUM_BINS + 1)
    driver = mean_active(edges, [each for each in events if each.who == DRIVER])
    lost = [each for each in events if each.what == "lost"]
    stripes, size = draw_rounds(events, scale, top + 22)
    parts = [
        text(24, top + 8, "Whole run", "strong"),
        text(24, top + 34, "rounds"),
        text(24, top + 49, f"{size} per stripe", "faint", size=11),
        *stripes,
        *draw_chart(driver, 1.0, scale, top + 54, "driver"),
    ]
    bottom = top + 54 + CHART
    if any(each.who.startswith("actor") for each in events):
        actors = mean_active(edges, [each for each in events if each.who.startswith("actor") and each.what == "work"])
        highest = max(1.0, float(np.ceil(actors.max() - 0.05)))
        parts += draw_chart(actors, highest, scale, bottom + 10, "actors")
        bottom += 10 + CHART
    parts += draw_axis(scale, top + 22, bottom)
    line = f"{top + 18:g}V{bottom:g}m-5 -5l10 10m0-10l-10 10"
    parts += [f'<path class="loss" d="M{scale.x(each.begun):.1f} {line}"/>' for each in lost]
    parts += draw_loss_labels(lost, scale, top + 14)
    left, right = scale.x(detail[0]), scale.x(detail[1])
    middle, half = (left + right) / 2, max(3.0, (right - left) / 2)
    parts.append(bar(middle - half, top + 19, 2 * half, bottom - top - 16, "detail", radius=2))
    fan = f"M{middle - half:.1f} {bottom + 3:g}L{scale.left:g} {top + overview_height(events):g}H{scale.right:g}"
    parts.append(f'<path class="fan" d="{fan}L{middle + half:.1f} {bottom + 3:g}z"/>')
    return parts


def mean_active(edges: npt.NDArray[np.float64], events: Sequence[Event]) -> npt.NDArray[np.float64]:
    """Return the mean number of events in progress in each bin of time.

    Args:
        edges: (num_bins + 1,) float64, ascending times.
        events: any number.

    Returns:
        (num_bins,) float64.
    """
    begun = np.sort([each.begun for each in events])
    ended = np.sort([each.ended for each in events])
    done = total_elapsed(edges, begun) - total_elapsed(edges, ended)
    return np.maximum(np.diff(done) / np.diff(edges), 0.0)


def total_elapsed(times: npt.NDArray[np.float64], begun: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return, at each of some times, the sum of the time elapsed since each earlier beginning.

    Args:
        times: (n,) float64.
        begun: (m,) float64, ascending.

    Returns:
        (n,) float64.
    """
    sums = np.concatenate([[0.0], np.cumsum(begun)])
    count = np.searchsorted(begun, times)
    total: npt.NDArray[np.float64] = count * times - sums[count]
    return total


def draw_rounds(events: Sequence[Event], scale: TimeScale, y: float) -> tuple[list[str], int]:
    """Draw rounds as stripes, coloured by staleness; several rounds share a stripe if a run has more than 250.

    Args:
        events: of the run.
        scale: of the time.
        y: upper edge, in pixels.

    Returns:
        SVG elements, and the number of rounds per stripe.
    """
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
        label = f"round {some[0]}" if size == 1 else f"rounds {some[0]} to {some[-1]}"
        x = scale.x(begun)
        parts.append(bar(x, y, scale.x(end) - x, 22, name, f"{label}\nstaleness {stale}"))
        begun = end
    return parts, size


def draw_chart(heights: npt.NDArray[np.float64], highest: float, scale: TimeScale, y: float, who: str) -> list[str]:
    """Draw the utilisation of the driver or of all actors over time, as a filled line.

    Args:
        heights: (num_bins,) float64, mean number of busy processes.
        highest: number at the top of the chart; larger ones are cut off.
        scale: of the time.
        y: upper edge, in pixels.
        who: "driver" or "actors".

    Returns:
        SVG elements.
    """
    width = (scale.right - scale.left) / heights.size
    line = "".join(
        f"H{scale.left + i * width:.1f}V{y + CHART - CHART * min(1.0, height / highest):.1f}"
        for i, height in enumerate(heights.tolist())
    )
    return [
        text(24, y + 15, f"{who} busy"),
        text(24, y + 30, "share of time" if who == "driver" else f"number, up to {highest:g}", "faint", size=11),
        f'<path class="chart" d="M{scale.left:g} {y + CHART:g}{line}H{scale.right:g}V{y + CHART:g}z"/>',
    ]


def draw_loss_labels(lost: Sequence[Event], scale: TimeScale, y: float) -> list[str]:
    """Return SVG labels of lost actors with their base line at `y`, except those that would overlap an earlier one."""
    parts, free = [], 0.0
    for each in sorted(lost, key=lambda event: event.begun):
        label = f"{each.who} lost" + (f" in round {each.round}" if each.round >= 0 else "")
        half = 3.3 * len(label)
        x = max(scale.left + half, min(scale.x(each.begun), scale.right - half))
        if x - half > free:
            parts.append(text(x, y, label, "alert", anchor="middle"))
            free = x + half + 8
    return parts
