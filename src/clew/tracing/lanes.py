"""Some rounds of a run in detail: a lane for the driver, one for the object store, and one for each actor."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from clew.tracing.axes import Scale, bar, draw_axis, say_seconds, text, width_of
from clew.tracing.trace import DRIVER, STORE, Event

__all__ = ["describe", "draw_lanes", "height_of", "lanes_of"]

LANE, BAR = 54, 28  # pixels high
BAND = 22
FINE = 3.0  # pixels; what is narrower is drawn without words, and together with its neighbours
MAX_LANES = 18
MAX_ARROWS = 120
MAX_TOUCHED = 400
FEW = 4  # fine lines that can lie within so few pixels and still be told apart
NAMES = {"publish": "values", "put": "values", "merge": "merge", "checkpoint": "checkpoint"}


def lanes_of(events: Sequence[Event], scale: Scale) -> list[str]:
    """Who has a lane: the driver, the store if it was used, and actors that there were at that time."""
    last = {each.who: each.begun for each in events if each.what == "lost"}
    first: dict[str, float] = {}
    for each in events:
        if each.who.startswith("actor"):
            first[each.who] = min(each.begun, first.get(each.who, each.begun))
    there = [who for who, begun in first.items() if scale.shows(begun, last.get(who, scale.end))]
    there.sort(key=lambda who: int(who.split()[1]))
    return [DRIVER, *[STORE for _ in there[:1]], *there][:MAX_LANES]


def height_of(events: Sequence[Event], scale: Scale) -> float:
    """How high the lanes are together, with the rounds above and the times below them."""
    return num_bands(events, scale) * BAND + 12 + LANE * len(lanes_of(events, scale)) + 26


def num_bands(events: Sequence[Event], scale: Scale) -> int:
    """Rows for rounds, of which some may be under way at a time."""
    return min(4, 1 + max((each.staleness for each in in_sight(events, scale)), default=0))


def in_sight(events: Sequence[Event], scale: Scale) -> list[Event]:
    return [each for each in events if scale.shows(each.begun, each.ended)]


def draw_lanes(events: Sequence[Event], scale: Scale, top: float) -> list[str]:
    """Draw what is in sight, from `top` downwards."""
    seen = in_sight(events, scale)
    bands, lanes = num_bands(events, scale), lanes_of(events, scale)
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


def draw_bands(seen: Sequence[Event], scale: Scale, top: float, num_rows: int) -> Iterator[str]:
    """How long each round took from publishing to merging, and how stale its values were."""
    spans: dict[int, list[Event]] = {}
    for each in seen:
        if each.round >= 0 and each.version >= 0:
            spans.setdefault(each.round, []).append(each)
    for number, some in spans.items():
        left, right = scale.x(min(each.begun for each in some)), scale.x(max(each.ended for each in some))
        if right - left < FINE:
            continue
        y = top + number % num_rows * BAND
        stale = some[0].staleness
        name = f"band {'odd' if number % 2 else 'even'}"
        words = (f"round {number}: staleness {stale}", f"round {number}", f"{number}")
        yield bar(left, y, right - left, BAND - 3, name, f"round {number}\n{say_staleness(some[0])}", radius=3)
        fitting = next((each for each in words if width_of(each) < right - left - 4), "")
        if fitting:
            yield text((left + right) / 2, y + 14, fitting, anchor="middle")


def draw_lane(who: str, y: float, events: Sequence[Event], scale: Scale) -> Iterator[str]:
    """The name of a lane, and a line for as long as it was there."""
    own = [each for each in events if each.who == who]
    started = max((each.ended for each in own if each.what == "start"), default=scale.begin)
    lost = min((each.begun for each in own if each.what == "lost"), default=scale.end + 1)
    is_alone = all(each.who == DRIVER for each in events)
    roles = {DRIVER: "does everything" if is_alone else "publishes, merges", STORE: "holds the values"}
    is_lost = scale.shows(lost, lost)
    yield bar(16, y + 3, scale.right - 8, LANE - 6, f"lane {who.split()[0]}", radius=6)
    yield text(24, y + LANE / 2 - 1, {STORE: "object store"}.get(who, who), "strong")
    yield text(
        24, y + LANE / 2 + 14, "lost" if is_lost else roles.get(who, "works"), "loud" if is_lost else "faint", size=11
    )
    middle, left, right = y + LANE / 2, scale.x(started), scale.x(lost)
    yield f'<path class="alive" d="M{left:.1f} {middle:g}H{right:.1f}"/>'
    if is_lost:
        yield bar(right, y + 3, scale.right + 8 - right, LANE - 6, "gone", f"{who} is lost", radius=6)


def draw_bars(own: Sequence[Event], scale: Scale, y: float) -> Iterator[str]:
    """What one did: bars with words where there is room; fine lines, put together, where not."""
    fine: list[Event] = []
    for each in sorted(own, key=lambda event: event.begun):
        if each.what in ("lost", "kill", "reissue"):
            continue
        x, width = scale.x(each.begun), scale.x(each.ended) - scale.x(each.begun)
        if width < FINE:
            fine.append(each)
            continue
        yield bar(x, y, width, BAR, class_of(each), describe(each), radius=2)
        if each.attempt and each.what == "work":
            yield bar(x, y, width, BAR, "again", describe(each), radius=2)
        yield from draw_words(each, x, y, width)
    yield from draw_fine(fine, scale, y)
    if len(own) < MAX_TOUCHED:  # something to point at
        yield from (bar(scale.x(each.begun) - 2, y - 4, 6, BAR + 8, "touch", describe(each)) for each in fine)


def draw_fine(fine: Sequence[Event], scale: Scale, y: float) -> Iterator[str]:
    """Lines for what is too short for bars; where many lie together, one of the kind that took the most time."""
    strokes: dict[str, list[str]] = {}
    groups: list[list[Event]] = []
    for each in fine:
        if groups and scale.x(each.begun) < scale.x(groups[-1][0].begun) + FINE:
            groups[-1].append(each)
        else:
            groups.append([each])
    for group in groups:
        if len(group) > FEW:
            most: Counter[str] = Counter()
            for each in group:
                most[class_of(each)] += round(each.seconds * 1e9)
            stretches = [(most.most_common(1)[0][0], scale.x(group[0].begun), scale.x(group[-1].ended))]
        else:
            stretches = [(class_of(each), scale.x(each.begun), scale.x(each.ended)) for each in group]
        for name, x, end in stretches:
            width = max(2.2, end - x)
            strokes.setdefault(name, []).append(f"M{x:.1f} {y:g}h{width:.1f}v{BAR}h{-width:.1f}z")
    yield from (f'<path class="{name}" d="{"".join(shapes)}"/>' for name, shapes in strokes.items())


def class_of(event: Event) -> str:
    """The class of a bar, by which it is coloured."""
    if event.what == "work":
        return f"work s{min(event.staleness, 2)} {'odd' if event.round % 2 else 'even'}"
    return NAMES.get(event.what, event.what)


def draw_words(event: Event, x: float, y: float, width: float) -> Iterator[str]:
    """What a bar says, as far as it has room."""
    words = next((words for words in words_of(event) if width_of(words) < width - 6), "")
    if not words:
        return
    name = "ink"
    if event.what == "work":
        name = "light" if event.round % 2 == event.staleness == 0 else "dark"
        if event.attempt:  # words on hatching can't be read
            half = width_of(words) / 2 + 3
            yield bar(x + width / 2 - half, y + 5, 2 * half, BAR - 10, class_of(event), radius=3)
    yield text(x + width / 2, y + BAR / 2 + 4, words, name, anchor="middle")


def words_of(event: Event) -> list[str]:
    """What could be said on a bar, the longest first."""
    if event.what != "work":
        return {"start": ["starting"], "abandoned": ["work lost", "lost"]}.get(event.what, [])
    short = f"{event.round} with v{event.version}" if event.version >= 0 else f"{event.round}"
    long = f"round {event.round} with v{event.version}" if event.version >= 0 else f"round {event.round}"
    if event.attempt:
        nth = say_nth(event.attempt + 1)
        return [f"{nth} attempt: {long}", f"{nth} attempt: {short}", f"{nth} attempt", nth]
    return [long, short, f"{event.round}"]


def draw_loss(event: Event, scale: Scale, y: float) -> Iterator[str]:
    """A cross where an actor was lost."""
    x = scale.x(event.begun)
    words = f"{event.who} lost"
    yield f'<path class="cross" d="M{x:.1f} {y:g}m-9 -12l18 24m0-24l-18 24"><title>{describe(event)}</title></path>'
    if x + 18 + width_of(words) < scale.right:
        yield bar(x + 12, y - 9, width_of(words) + 8, 18, "lane", radius=3)  # arrows may lie there
        yield text(x + 16, y + 4, words, "loud")
    else:
        yield text(x - 16, y - 17, words, "loud", anchor="end")


# Arrows ---------------------------------------------------------------------------------------------------------------


def draw_arrows(seen: Sequence[Event], scale: Scale, tops: dict[str, float]) -> Iterator[str]:
    """From the values to the work that began with them, and from there to the merge; from what was lost to its heir."""
    works = [each for each in seen if each.what in ("work", "abandoned") and each.who != DRIVER and each.who in tops]
    if len(works) > MAX_ARROWS:
        return
    publishes = {each.round: each for each in seen if each.what == "publish"}
    puts = {each.round: each for each in seen if each.what == "put"}
    merges = [each for each in seen if each.what == "merge"]
    for number, put in puts.items():
        if number in publishes:
            yield arrow("give", scale.x(publishes[number].ended), tops[DRIVER], scale.x(put.begun), tops[STORE])
    for work in works:
        if work.round in puts:
            yield arrow("give", scale.x(puts[work.round].ended), tops[STORE], scale.x(work.begun), tops[work.who])
        for merge in (merge for merge in merges if work.what == "work" and takes_in(merge, work)):
            yield arrow("take", scale.x(work.ended), tops[work.who], scale.x(merge.begun), tops[DRIVER])
    for lost, heir in handed_on(seen):
        if lost.who in tops and heir.who in tops:
            yield arrow("hand", scale.x(lost.ended), tops[lost.who], scale.x(heir.begun), tops[heir.who])


def takes_in(merge: Event, work: Event) -> bool:
    """Tell if the first of what a merge took in of a round came from this work."""
    first = max(merge.simulation, work.simulation)
    last = min(merge.simulation + merge.num_simulations, work.simulation + work.num_simulations)
    return merge.round == work.round and first < last


def handed_on(events: Sequence[Event]) -> Iterator[tuple[Event, Event]]:
    """Pairs of work that was lost, and the same work in its next attempt."""
    works = [each for each in events if each.what in ("work", "abandoned") and each.simulation >= 0]
    works.sort(key=lambda each: (each.round, each.simulation, each.attempt))
    for one, other in pairwise(works):
        is_same = (one.round, one.simulation) == (other.round, other.simulation)
        if is_same and one.what == "abandoned" and other.attempt == one.attempt + 1:
            yield one, other


def arrow(name: str, x: float, top: float, x_end: float, top_end: float) -> str:
    """A curve from the bar in one lane to that in another, and a tip that points into it."""
    down = 1 if top_end > top else -1
    y = top + LANE / 2 + down * BAR / 2
    y_end = top_end + LANE / 2 - down * BAR / 2
    bend = (y_end - down * 7 - y) / 2
    curve = f"M{x:.1f} {y:g}C{x:.1f} {y + bend:g} {x_end:.1f} {y_end - bend:g} {x_end:.1f} {y_end - down * 7:g}"
    tip = f"M{x_end:.1f} {y_end:g}l-3.5 {-down * 7}h7z"
    return f'<path class="arrow {name}" d="{curve}"/><path class="tip {name}" d="{tip}"/>'


# Words ----------------------------------------------------------------------------------------------------------------


def say_nth(number: int) -> str:
    """2nd, 3rd, 4th, ..."""
    ending = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def say_staleness(event: Event) -> str:
    """How stale the values of an event were, in words."""
    if event.version < 0:
        return ""
    return f"values v{event.version}: {event.version} rounds merged into them\nstaleness {event.staleness}"


def describe(event: Event) -> str:
    """An event in words, a line each: what, who, round, simulations, values, time, bytes."""
    what = f"{event.what}: {event.who}"
    lines = [what if not event.attempt else f"{what}, {say_nth(event.attempt + 1)} attempt"]
    if event.round >= 0:
        lines.append(f"round {event.round}")
    if event.num_simulations:
        last = event.simulation + event.num_simulations - 1
        lines.append(
            f"simulation {last}" if event.num_simulations == 1 else f"simulations {event.simulation} to {last}"
        )
    if event.version >= 0:
        lines.append(say_staleness(event))
    lines.append(f"took {say_seconds(event.seconds)}" if event.seconds else f"at {event.begun:.4f} s")
    if event.num_bytes:
        lines.append(f"{event.num_bytes:,} bytes")
    return "\n".join(lines)
