"""Events in detail: a lane for the driver, one for the object store, and one for each actor."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from clew.tracing.axes import TimeScale, bar, draw_axis, estimate_width, format_count, format_seconds, text
from clew.tracing.trace import DRIVER, STORE, Event

LANE, BAR = 54, 28  # pixels high
BAND = 22
MIN_BAR_WIDTH = 3.0  # pixels; shorter events are thin marks without a label, and are merged with their neighbours
MAX_SEPARATE_MARKS = 4  # within MIN_BAR_WIDTH pixels; more of them are merged into one
MAX_LANES = 18
MAX_ROLE = 18  # letters below the name of a lane
MAX_ARROWS = 120
MAX_TOOLTIPS = 400  # events of a lane, for its thin marks to have tooltips


def lane_names(events: Sequence[Event], scale: TimeScale) -> list[str]:
    """Return the lanes, at most 18: driver, object store, and the actors that existed during a time.

    Args:
        events: of a trace.
        scale: the time to draw.

    Returns:
        Values of `Event.who`. Without actors there is the driver alone.
    """
    last = {each.who: each.begun for each in events if each.what == "lost"}
    actors = {
        each.who
        for each in events
        if each.who.startswith("actor") and scale.overlaps(each.begun, last.get(each.who, scale.end))
    }
    return [DRIVER, *([STORE] if actors else []), *sorted(actors, key=lambda who: int(who.split()[1]))][:MAX_LANES]


def lanes_height(events: Sequence[Event], scale: TimeScale) -> float:
    """Return the height in pixels of what `draw_lanes` draws of a time: rounds, lanes and the time axis."""
    return num_bands(events, scale) * BAND + 12 + LANE * len(lane_names(events, scale)) + 26


def num_bands(events: Sequence[Event], scale: TimeScale) -> int:
    """Return the number of rows for rounds, at most 4: one more than the largest staleness during a time."""
    return min(4, 1 + max((each.staleness for each in visible_events(events, scale)), default=0))


def visible_events(events: Sequence[Event], scale: TimeScale) -> list[Event]:
    """Return the events of which at least a part is on the time scale."""
    return [each for each in events if scale.overlaps(each.begun, each.ended)]


def draw_lanes(events: Sequence[Event], scale: TimeScale, top: float) -> list[str]:
    """Draw the events during a time: rounds as bands, then lanes with bars and arrows, and the time axis.

    Args:
        events: of a trace.
        scale: the time to draw.
        top: upper edge, in pixels.

    Returns:
        SVG elements.
    """
    seen = visible_events(events, scale)
    bands, lanes = num_bands(events, scale), lane_names(events, scale)
    base = top + bands * BAND + 12
    tops = {who: base + LANE * i for i, who in enumerate(lanes)}
    bottom = base + LANE * len(lanes)
    parts = [text(24, top + 14, "rounds"), *draw_bands(seen, scale, top, bands)]
    for who, y in tops.items():
        parts += draw_lane(who, y, events, scale)
    parts += draw_axis(scale, base, bottom)
    parts += draw_arrows(seen, scale, tops)
    for who, y in tops.items():
        parts += draw_bars([each for each in seen if each.who == who], scale, y + (LANE - BAR) / 2)
    for each in seen:
        if each.what == "lost" and each.who in tops:
            parts += draw_loss(each, scale, tops[each.who] + LANE / 2)
    return parts


def draw_bands(seen: Sequence[Event], scale: TimeScale, top: float, num_rows: int) -> Iterator[str]:
    """Yield SVG elements of a band for each round, from its first event to its last, with its staleness.

    Args:
        seen: visible events.
        scale: of the time.
        top: upper edge, in pixels.
        num_rows: rows, over which consecutive rounds are distributed.
    """
    spans: dict[int, list[Event]] = {}
    for each in seen:
        if each.round >= 0 and each.version >= 0:
            spans.setdefault(each.round, []).append(each)
    for number, some in spans.items():
        left, right = scale.x(min(each.begun for each in some)), scale.x(max(each.ended for each in some))
        if right - left < MIN_BAR_WIDTH:
            continue
        y = top + number % num_rows * BAND
        name = f"band {'odd' if number % 2 else 'even'}"
        labels = (f"round {number}: staleness {some[0].staleness}", f"round {number}", f"{number}")
        yield bar(left, y, right - left, BAND - 3, name, f"round {number}\n{format_staleness(some[0])}", radius=3)
        fitting = next((label for label in labels if estimate_width(label) < right - left - 4), "")
        if fitting:
            yield text((left + right) / 2, y + 14, fitting, anchor="middle")


def draw_lane(who: str, y: float, events: Sequence[Event], scale: TimeScale) -> Iterator[str]:
    """Yield SVG elements of a lane's background: name, role, and a line for the time that the process existed.

    Args:
        who: process of the lane.
        y: upper edge, in pixels.
        events: of a trace.
        scale: of the time.
    """
    own = [each for each in events if each.who == who]
    started = max((each.ended for each in own if each.what == "start"), default=scale.begin)
    lost = min((each.begun for each in own if each.what == "lost"), default=scale.end + 1)
    is_alone = all(each.who == DRIVER for each in events)
    roles = {DRIVER: "does all work" if is_alone else "publishes, merges", STORE: "holds the values"}
    is_lost = scale.overlaps(lost, lost)
    yield bar(16, y + 3, scale.right - 8, LANE - 6, f"lane {who.split()[0]}", radius=6)
    yield text(24, y + LANE / 2 - 1, {STORE: "object store"}.get(who, who), "strong")
    host = next((each.host for each in own if each.host), "")
    works = f"on {host}" if len({each.host for each in events if each.host}) > 1 else "works"
    role, colour = ("lost", "alert") if is_lost else (roles.get(who, shorten(works, MAX_ROLE)), "faint")
    yield text(24, y + LANE / 2 + 14, role, colour, size=11)
    middle, left, right = y + LANE / 2, scale.x(started), scale.x(lost)
    yield f'<path class="alive" d="M{left:.1f} {middle:g}H{right:.1f}"/>'
    if is_lost:
        yield bar(right, y + 3, scale.right + 8 - right, LANE - 6, "gone", f"{who} was lost", radius=6)


def draw_bars(own: Sequence[Event], scale: TimeScale, y: float) -> Iterator[str]:
    """Yield SVG elements of the events of a lane: bars with labels where there is room, else thin marks.

    Args:
        own: visible events of the lane.
        scale: of the time.
        y: upper edge of the bars, in pixels.
    """
    short: list[Event] = []
    for each in sorted(own, key=lambda event: event.begun):
        if each.what in ("lost", "kill", "reissue", "copy"):
            continue
        x, width = scale.x(each.begun), scale.x(each.ended) - scale.x(each.begun)
        if width < MIN_BAR_WIDTH:
            short.append(each)
            continue
        yield bar(x, y, width, BAR, css_class(each), tooltip(each), radius=2)
        if each.attempt and each.what == "work":
            yield bar(x, y, width, BAR, "reissued", tooltip(each), radius=2)
        yield from draw_label(each, x, y, width)
    yield from draw_marks(short, scale, y)
    if len(own) < MAX_TOOLTIPS:
        yield from (bar(scale.x(each.begun) - 2, y - 4, 6, BAR + 8, "pointer-area", tooltip(each)) for each in short)


def draw_marks(short: Sequence[Event], scale: TimeScale, y: float) -> Iterator[str]:
    """Yield SVG elements of thin marks, for events that are too short for bars.

    More than four within three pixels become one mark, in the colour of the kind that took the most time.

    Args:
        short: events of a lane, by time.
        scale: of the time.
        y: upper edge of the marks, in pixels.
    """
    marks: dict[str, list[str]] = {}
    groups: list[list[Event]] = []
    for each in short:
        if not groups or scale.x(each.begun) >= scale.x(groups[-1][0].begun) + MIN_BAR_WIDTH:
            groups.append([])
        groups[-1].append(each)
    for group in groups:
        if len(group) > MAX_SEPARATE_MARKS:
            times: Counter[str] = Counter()
            for each in group:
                times[css_class(each)] += round(each.seconds * 1e9)
            stretches = [(times.most_common(1)[0][0], scale.x(group[0].begun), scale.x(group[-1].ended))]
        else:
            stretches = [(css_class(each), scale.x(each.begun), scale.x(each.ended)) for each in group]
        for name, x, end in stretches:
            width = max(2.2, end - x)
            marks.setdefault(name, []).append(f"M{x:.1f} {y:g}h{width:.1f}v{BAR}h{-width:.1f}z")
    yield from (f'<path class="{name}" d="{"".join(shapes)}"/>' for name, shapes in marks.items())


def css_class(event: Event) -> str:
    """Return the CSS class of the bar of an event, which sets its colour by kind, staleness, and even or odd round."""
    if event.what == "work":
        return f"work s{min(event.staleness, 2)} {'odd' if event.round % 2 else 'even'}"
    return "values" if event.what in ("publish", "put") else event.what


def draw_label(event: Event, x: float, y: float, width: float) -> Iterator[str]:
    """Yield SVG elements of the longest label of an event that fits its bar, if any.

    Args:
        event: of the bar.
        x: left edge of the bar, in pixels.
        y: upper edge of the bar, in pixels.
        width: of the bar, in pixels.
    """
    label = next((each for each in bar_labels(event) if estimate_width(each) < width - 6), "")
    if not label:
        return
    name = "ink"
    if event.what == "work":
        name = "light" if event.round % 2 == event.staleness == 0 else "dark"
        if event.attempt:  # text on hatching is unreadable
            half = estimate_width(label) / 2 + 3
            yield bar(x + width / 2 - half, y + 5, 2 * half, BAR - 10, css_class(event), radius=3)
    yield text(x + width / 2, y + BAR / 2 + 4, label, name, anchor="middle")


def bar_labels(event: Event) -> list[str]:
    """Return the possible labels of the bar of an event, the longest first; none for kinds without labels."""
    if event.what != "work":
        return {"start": ["starting"], "abandoned": ["work lost", "lost"], "unused": ["too late"]}.get(event.what, [])
    short = f"{event.round} with v{event.version}" if event.version >= 0 else f"{event.round}"
    if event.attempt:
        attempt = ordinal(event.attempt + 1)
        return [f"{attempt} attempt: round {short}", f"{attempt} attempt: {short}", f"{attempt} attempt", attempt]
    return [f"round {short}", short, f"{event.round}"]


def draw_loss(event: Event, scale: TimeScale, y: float) -> Iterator[str]:
    """Yield SVG elements of a cross with a label where an actor was lost; `y` is the middle of its lane."""
    x = scale.x(event.begun)
    label = f"{event.who} lost"
    yield f'<path class="cross" d="M{x:.1f} {y:g}m-9 -12l18 24m0-24l-18 24"><title>{tooltip(event)}</title></path>'
    if x + 18 + estimate_width(label) < scale.right:
        yield bar(x + 12, y - 9, estimate_width(label) + 8, 18, "lane", radius=3)  # hides arrows below the text
        yield text(x + 16, y + 4, label, "alert")
    else:
        yield text(x - 16, y - 17, label, "alert", anchor="end")


# Arrows ---------------------------------------------------------------------------------------------------------------


def draw_arrows(seen: Sequence[Event], scale: TimeScale, tops: dict[str, float]) -> Iterator[str]:
    """Yield SVG elements of arrows from values to work, from work to its merge, and from lost work to its reissue.

    Nothing is drawn if there are more than 120 pieces of work.

    Args:
        seen: visible events.
        scale: of the time.
        tops: upper edge of each lane, in pixels.
    """
    works = [each for each in seen if each.what in ("work", "abandoned") and each.who != DRIVER and each.who in tops]
    if len(works) > MAX_ARROWS:
        return
    publishes = {each.round: each for each in seen if each.what == "publish"}
    puts = {each.round: each for each in seen if each.what == "put"}
    merges = [each for each in seen if each.what == "merge"]
    for number, put in puts.items():
        if number in publishes:
            yield arrow("send", scale.x(publishes[number].ended), tops[DRIVER], scale.x(put.begun), tops[STORE])
    for work in works:
        if work.round in puts:
            yield arrow("send", scale.x(puts[work.round].ended), tops[STORE], scale.x(work.begun), tops[work.who])
        for merge in (merge for merge in merges if work.what == "work" and is_merged(work, merge)):
            yield arrow("return", scale.x(work.ended), tops[work.who], scale.x(merge.begun), tops[DRIVER])
    for lost, again in reissues(seen):
        if lost.who in tops and again.who in tops:
            yield arrow("reissue", scale.x(lost.ended), tops[lost.who], scale.x(again.begun), tops[again.who])


def is_merged(work: Event, merge: Event) -> bool:
    """Return whether a merge has results of some work: the same round, and at least one simulation in common."""
    first = max(merge.simulation, work.simulation)
    last = min(merge.simulation + merge.num_simulations, work.simulation + work.num_simulations)
    return merge.round == work.round and first < last


def reissues(events: Sequence[Event]) -> Iterator[tuple[Event, Event]]:
    """Yield pairs of work that was lost with its actor, and the next attempt at the same work."""
    works = [each for each in events if each.what in ("work", "abandoned") and each.simulation >= 0]
    works.sort(key=lambda each: (each.round, each.simulation, each.attempt))
    for one, other in pairwise(works):
        is_same = (one.round, one.simulation) == (other.round, other.simulation)
        if is_same and one.what == "abandoned" and other.attempt == one.attempt + 1:
            yield one, other


def arrow(name: str, x: float, top: float, x_end: float, top_end: float) -> str:
    """Return the SVG of a curved arrow from the bars of one lane to those of another.

    Args:
        name: class, which sets the colour.
        x: where it begins, in pixels.
        top: upper edge of the lane in which it begins, in pixels.
        x_end: where it ends, in pixels.
        top_end: upper edge of the lane in which it ends, in pixels.
    """
    down = 1 if top_end > top else -1
    y = top + LANE / 2 + down * BAR / 2
    y_end = top_end + LANE / 2 - down * BAR / 2
    bend = (y_end - down * 7 - y) / 2
    curve = f"M{x:.1f} {y:g}C{x:.1f} {y + bend:g} {x_end:.1f} {y_end - bend:g} {x_end:.1f} {y_end - down * 7:g}"
    tip = f"M{x_end:.1f} {y_end:g}l-3.5 {-down * 7}h7z"
    return f'<path class="arrow {name}" d="{curve}"/><path class="tip {name}" d="{tip}"/>'


# Texts ----------------------------------------------------------------------------------------------------------------


def ordinal(number: int) -> str:
    """Return a number as an English ordinal: 1st, 2nd, 3rd, 4th."""
    return f"{number}" + ("th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th"))


def shorten(name: str, length: int) -> str:
    """Return a text, or its beginning and "..." if it is longer than `length` letters."""
    return name if len(name) <= length else f"{name[: length - 3]}..."


def format_staleness(event: Event) -> str:
    """Return the version and the staleness of the values that an event used, in two lines; "" if it used none."""
    if event.version < 0:
        return ""
    return f"values v{event.version}: {format_count(event.version, 'round')} merged\nstaleness {event.staleness}"


def tooltip(event: Event) -> str:
    """Return a description of an event, in lines: kind, process, round, simulations, values, time and bytes."""
    last = event.simulation + event.num_simulations - 1
    simulations = f"simulation {last}" if event.num_simulations == 1 else f"simulations {event.simulation} to {last}"
    lines = [
        f"{event.what}: {event.who}" + (f", {ordinal(event.attempt + 1)} attempt" if event.attempt else ""),
        f"on host {event.host}" if event.host else "",
        f"round {event.round}" if event.round >= 0 else "",
        simulations if event.num_simulations else "",
        format_staleness(event),
        f"took {format_seconds(event.seconds)}" if event.seconds else f"at {event.begun:.4f} s",
        f"{event.num_bytes:,} bytes" if event.num_bytes else "",
    ]
    return "\n".join(line for line in lines if line)
