"""The execution graph of a run as SVG: events of the driver, the object store and the actors over time.

Above is an overview of the whole run, below some of its rounds in detail: values go from the driver through the store
to the actors, and their results return to the driver, which merges them.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from xml.sax.saxutils import escape

from clew.errors import SettingError
from clew.tracing.axes import TimeScale, bar, estimate_width, format_count, format_seconds, text
from clew.tracing.lanes import MAX_LANES, draw_lanes, lane_names, lanes_height
from clew.tracing.overview import draw_overview, overview_height
from clew.tracing.trace import Event

WIDTH = 1200
LEFT, RIGHT = 136, WIDTH - 28
NUM_DETAILED_ROUNDS = 4  # of a long run
MAX_DETAILED_EVENTS = 20_000  # rounds beyond these are left out

# The colours of Okabe and Ito (2008), which the colour-blind can distinguish.
STYLE = """
.card{fill:#fdfcf9;stroke:#ddd8cc}.ink,.strong{fill:#22303a}.strong{font-weight:600}.faint{fill:#5c6770}
.alert{fill:#b3001e;font-weight:600;stroke:#fdfcf9;stroke-width:3;paint-order:stroke}.light{fill:#fff}.dark{fill:#10181d}.grid{stroke:#22303a;stroke-opacity:.14;fill:none}
.lane{fill:#f1ede4}.driver{fill:#e9eef2}.store{fill:#f5efdc}.alive{stroke:#7b868e;stroke-width:1.5;fill:none}
.gone{fill:url(#clew-gone)}.gone-line{stroke:#b3001e;stroke-opacity:.3}
.band{stroke:#8d979e}.band.even{fill:#dfe5ea}.band.odd{fill:#fdfcf9}
.s0.even{fill:#0072b2}.s0.odd{fill:#7cc4f0}.s1.even{fill:#e69f00}.s1.odd{fill:#f8d68c}.s2.even{fill:#cc79a7}.s2.odd{fill:#ecc9dc}
.values{fill:#22303a}.merge{fill:#009e73}.checkpoint{fill:#d55e00}.start{fill:#fff;stroke:#7b868e;stroke-dasharray:3 2}
.abandoned{fill:#fff;stroke:#b3001e;stroke-width:1.5;stroke-dasharray:4 3}.reissued{fill:url(#clew-reissued)}
.unused{fill:#cfcabd;stroke:#7b868e}.hatch{stroke:#10181d;stroke-width:2.4;stroke-opacity:.75}.pointer-area{fill:#000;fill-opacity:0}
.arrow{fill:none;stroke-width:1.3}.arrow.send{stroke:#22303a}.tip.send{fill:#22303a}.arrow.return{stroke:#00794f}.tip.return{fill:#00794f}
.arrow.reissue{stroke:#b3001e;stroke-width:2;stroke-dasharray:5 3}.tip.reissue{fill:#b3001e}
.cross{stroke:#b3001e;stroke-width:4.5;stroke-linecap:round;fill:none}.loss{stroke:#b3001e;stroke-width:1.8;fill:none}
.chart{fill:#6f7f8b}.detail{fill:#22303a;fill-opacity:.1;stroke:#22303a;stroke-width:1.2}.fan{fill:#22303a;fill-opacity:.06}
""".strip()
# Changes for a dark background, to be added after STYLE.
DARK = """
.card{fill:#161b1f;stroke:#353d44}.ink,.strong{fill:#e8e6e0}.faint{fill:#a5b0b8}.alert{fill:#ff8a94;stroke:#161b1f}
.grid{stroke:#e8e6e0}.lane{fill:#22282d}.driver{fill:#202c36}.store{fill:#2e2a1e}.alive{stroke:#8d979e}
.band{stroke:#69747c}.band.even{fill:#333c44}.band.odd{fill:#1b2025}.values{fill:#e8e6e0}
.unused{fill:#4a5259}.start,.abandoned{fill:#161b1f}.abandoned,.cross,.loss,.arrow.reissue{stroke:#ff6b78}.tip.reissue{fill:#ff6b78}
.arrow.send{stroke:#cfd6db}.tip.send{fill:#cfd6db}.arrow.return{stroke:#3fd0a4}.tip.return{fill:#3fd0a4}
.chart{fill:#8d9aa5}.detail{fill:#e8e6e0;stroke:#e8e6e0}.fan{fill:#e8e6e0}
""".strip()
PATTERNS = (
    '<defs><pattern id="clew-reissued" width="8" height="8" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><path class="hatch" d="M0 0V8"/></pattern>'
    '<pattern id="clew-gone" width="9" height="9" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">'
    '<path class="gone-line" d="M0 0V9"/></pattern></defs>'
)


def timeline_svg(
    events: Sequence[Event], *, title: str = "Execution graph", rounds: tuple[int, int] | None = None
) -> str:
    """Draw the execution graph of a run.

    Args:
        events: of a `Trace`.
        title: text above the graph, such as the name of the run.
        rounds: rounds to draw in detail, from the first to before the second. None draws all of a short run, and four
            of a long one: from the round before the first loss of an actor, or from the first of the run.

    Returns:
        SVG with a background of its own.

    Raises:
        SettingError: if there are no events of rounds, or none of these rounds.
    """
    timed = [each for each in events if each.round >= 0]
    numbers = sorted({each.round for each in timed if each.what in ("publish", "work")})
    if not numbers:
        raise SettingError("the trace has no events of rounds, so there is nothing to draw")
    origin = min(each.begun for each in timed)
    moved = [each._replace(begun=each.begun - origin) for each in events]
    first, last, why = choose_rounds(moved, numbers, rounds)
    shown = [each for each in moved if first <= each.round <= last and each.what not in ("lost", "kill")]
    whole = fit_scale([each for each in moved if each.round >= 0])
    detail = fit_scale(shown)
    is_long = (first, last) != (numbers[0], numbers[-1])
    top = 92.0
    parts = draw_overview(moved, whole, top, (detail.begin, detail.end)) if is_long else []
    top += overview_height(moved) + 8 if is_long else 0
    which = f"Round {first}" if first == last else f"Rounds {first} to {last}"
    parts.append(text(24, top + 8, f"{which}{' in detail' if is_long else ''}{why}", "strong"))
    parts += draw_lanes(moved, detail, top + 20)
    bottom = top + 20 + lanes_height(moved, detail)
    hidden = len({each.who for each in shown}) - MAX_LANES
    if hidden > 0 and len(lane_names(moved, detail)) == MAX_LANES:
        parts.append(text(24, bottom + 4, f"... and {format_count(hidden, 'more actor')}", "faint"))
        bottom += 18
    legend, height = draw_legend(moved, bottom + 16)
    head = [text(24, 36, title, "strong", size=19), text(24, 60, summarise(moved, numbers, whole), size=13)]
    return svg_document([*head, *parts, *legend], bottom + 16 + height + 14, title)


def recent_svg(events: Sequence[Event], begin: float, end: float, *, title: str) -> str:
    """Draw the lanes of a stretch of time of a run, which may still be running; without an overview.

    Args:
        events: of a `Trace`, so far; it has only what has ended.
        begin: first time, in seconds since the trace began.
        end: last time, in seconds since the trace began.
        title: name of the run, for screen readers.

    Returns:
        SVG, with the width and the colours of `timeline_svg`.
    """
    scale = TimeScale(begin, end, LEFT, RIGHT)
    recent = [each for each in events if each.what in ("start", "lost") or each.ended >= begin][-MAX_DETAILED_EVENTS:]
    height = lanes_height(recent, scale)
    legend, legend_height = draw_legend(recent, 24 + height)
    return svg_document([*draw_lanes(recent, scale, 14.0), *legend], 24 + height + legend_height + 14, title)


def svg_document(parts: Sequence[str], height: float, title: str) -> str:
    """Return an SVG document of some elements, with a height in pixels and a title for screen readers."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="clew-graph" '
            f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" '
            f'font-family="system-ui, sans-serif" font-size="12">',
            f'<title id="clew-graph">Execution graph: {escape(title)}</title>',
            f"<style>{STYLE}</style>{PATTERNS}",
            f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:g}" rx="14"/>',
            *(part for part in parts if part),
            "</svg>\n",
        ]
    )


def fit_scale(events: Sequence[Event]) -> TimeScale:
    """Return the time scale that spans some events, with a margin of 1% on either side."""
    begin, end = min(each.begun for each in events), max(each.ended for each in events)
    room = max((end - begin) * 0.01, 1e-6)
    return TimeScale(begin - room, end + room, LEFT, RIGHT)


def choose_rounds(
    events: Sequence[Event], numbers: Sequence[int], rounds: tuple[int, int] | None
) -> tuple[int, int, str]:
    """Choose the rounds to draw in detail.

    Args:
        events: of the run.
        numbers: ascending numbers of its rounds.
        rounds: requested rounds, from the first to before the second; None for no request.

    Returns:
        First and last round, and the reason for this choice as the end of a sentence, or "".

    Raises:
        SettingError: if the run has none of the requested rounds.
    """
    why = ""
    if rounds is None and len(numbers) <= NUM_DETAILED_ROUNDS + 2:
        chosen = list(numbers)
    elif rounds is None:
        losses = [each.round for each in events if each.what == "lost" and each.round >= 0]
        before = max(0, sum(number < losses[0] for number in numbers) - 1) if losses else 0
        chosen = list(numbers[before : before + NUM_DETAILED_ROUNDS])
        why = ", where the first actor was lost" if losses else ", the first of the run"
    else:
        chosen = [number for number in numbers if rounds[0] <= number < rounds[1]]
        if not chosen:
            raise SettingError(
                f"there are no rounds {rounds[0]}:{rounds[1]} in this run; it has {numbers[0]}:{numbers[-1] + 1}"
            )
    sizes = Counter(each.round for each in events)
    totals = accumulate(sizes[number] for number in chosen)
    num_fitting = max(1, sum(total <= MAX_DETAILED_EVENTS for total in totals))
    return chosen[0], chosen[num_fitting - 1], why if num_fitting == len(chosen) else ", the first ones that fit"


def summarise(events: Sequence[Event], numbers: Sequence[int], whole: TimeScale) -> str:
    """Return a run in one line: rounds, seconds, actors, losses, staleness and megabytes sent.

    Args:
        events: of the run.
        numbers: ascending numbers of the rounds in the trace.
        whole: time scale of the whole run.
    """
    actors = {each.who for each in events if each.who.startswith("actor")}
    stale = sorted({each.staleness for each in events if each.what == "work"}) or [0]
    num_bytes = sum(each.num_bytes for each in events if each.what in ("put", "work"))
    num_rounds = numbers[-1] - numbers[0] + 1
    lost = sum(each.what == "lost" for each in events)
    num_late = sum(each.num_simulations for each in events if each.what == "copy")
    workers = format_count(len(actors), "actor") if actors else "one process, no actors"
    sent = f"{num_bytes / 1e6:,.3g} MB sent" if num_bytes else ""
    facts = [
        f"{format_count(num_rounds, 'round')} in {format_seconds(whole.end - whole.begin)}",
        f"{workers}, {lost} lost" if lost else workers,
        f"{format_count(sum(each.what == 'reissue' for each in events), 'task')} reissued" if lost else "",
        f"{format_count(num_late, 'late task')} run twice" if num_late else "",
        f"staleness {stale[0]}" if len(stale) == 1 else f"staleness {stale[0]} to {stale[-1]}",
        sent if num_rounds == len(numbers) else f"{len(numbers):,} of the rounds are in the trace",
    ]
    return " · ".join(fact for fact in facts if fact)


def draw_legend(events: Sequence[Event], top: float) -> tuple[list[str], float]:
    """Return SVG elements of the legend of some events, from `top` downwards, and its height in pixels."""
    kinds = {each.what for each in events}
    stale = {min(each.staleness, 2) for each in events if each.what == "work"}
    has_actors = any(each.who.startswith("actor") for each in events)
    entries = [
        ("publish" in kinds, ["values"], "values published and put into the store"),
        (0 in stale, ["work s0 even", "work s0 odd"], "work with fresh values (staleness 0)"),
        (1 in stale, ["work s1 even", "work s1 odd"], "work with values 1 round old (staleness 1)"),
        (2 in stale, ["work s2 even", "work s2 odd"], "work with older values (staleness 2+)"),
        ("merge" in kinds, ["merge"], "results merged by the driver"),
        ("checkpoint" in kinds, ["checkpoint"], "checkpoint"),
        ("lost" in kinds, ["cross"], "actor lost"),
        ("lost" in kinds, ["abandoned"], "work lost with it"),
        ("unused" in kinds, ["unused"], "late work: another actor was first"),
        (
            bool(kinds & {"lost", "copy"}),
            [f"work s{max(stale, default=0)} odd", "reissued"],
            "hatched: work reissued or run a second time (2nd attempt or later)",
        ),
        ("start" in kinds, ["start"], "actor starting"),
        (has_actors, ["arrow send"], "values sent to actors"),
        (has_actors, ["arrow return"], "results returned"),
        (has_actors and "lost" in kinds, ["arrow reissue"], "lost work reissued"),
    ]
    parts, x, y = [], 24.0, top
    for _, samples, label in (entry for entry in entries if entry[0]):
        width = 44 + estimate_width(label) + 18
        if x + width > WIDTH - 16:
            x, y = 24.0, y + 22
        parts += draw_sample(samples, x, y)
        parts.append(text(x + 40, y + 11, label))
        x += width
    explanation = (
        "Dark and light: even and odd rounds. v12: values with 12 rounds merged into them. "
        "Staleness: number of earlier rounds that were not yet merged into the values."
    )
    parts.append(text(24, y + 34, explanation, "faint"))
    return parts, y + 38 - top


def draw_sample(names: Sequence[str], x: float, y: float) -> list[str]:
    """Return SVG elements of a sample, 34 pixels wide, of the bars or marks with some classes, for the legend."""
    if names == ["cross"]:
        return [f'<path class="cross" d="M{x + 17:g} {y + 7:g}m-6 -7l12 14m0-14l-12 14"/>']
    if names[0].startswith("arrow"):
        tip = names[0].replace("arrow", "tip")
        line = f'<path class="{names[0]}" d="M{x:g} {y + 7:g}h27"/>'
        return [line, f'<path class="{tip}" d="M{x + 34:g} {y + 7:g}l-7 -3.5v7z"/>']
    if "reissued" in names:
        return [bar(x, y, 34, 14, name) for name in names]
    width = 34 / len(names)
    return [bar(x + i * width, y, width, 14, name) for i, name in enumerate(names)]
