"""The execution graph of a run: what driver, object store and actors did, as an SVG, written with strings alone.

Above the whole run on one strip, below some of its rounds in detail: values go from the driver through the store to
the actors, and what they learned comes back and is merged.
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from clew.errors import SettingError
from clew.tracing.axes import Scale, bar, say_seconds, text, width_of
from clew.tracing.lanes import MAX_LANES, draw_lanes, height_of, lanes_of
from clew.tracing.overview import draw_overview, height_of_overview
from clew.tracing.trace import Event

__all__ = ["DARK", "STYLE", "recent_svg", "timeline_svg"]

WIDTH = 1200
LEFT, RIGHT = 136, WIDTH - 28
FEW_ROUNDS = 4  # are shown at once, of a longer run
MAX_IN_SIGHT = 20_000  # events; more rounds than have so many are not shown in detail

# Okabe and Ito's colours, which the colour-blind can tell apart; hatching and crosses don't need any.
STYLE = """
.card{fill:#fdfcf9;stroke:#ddd8cc}.ink,.strong{fill:#22303a}.strong{font-weight:600}.faint{fill:#5c6770}
.loud{fill:#b3001e;font-weight:600;stroke:#fdfcf9;stroke-width:3;paint-order:stroke}.light{fill:#fff}.dark{fill:#10181d}.grid{stroke:#22303a;stroke-opacity:.14;fill:none}
.lane{fill:#f1ede4}.driver{fill:#e9eef2}.store{fill:#f5efdc}.alive{stroke:#7b868e;stroke-width:1.5;fill:none}
.gone{fill:url(#clew-gone)}.gone-line{stroke:#b3001e;stroke-opacity:.3}
.band{stroke:#8d979e}.band.even{fill:#dfe5ea}.band.odd{fill:#fdfcf9}
.s0.even{fill:#0072b2}.s0.odd{fill:#7cc4f0}.s1.even{fill:#e69f00}.s1.odd{fill:#f8d68c}.s2.even{fill:#cc79a7}.s2.odd{fill:#ecc9dc}
.values{fill:#22303a}.merge{fill:#009e73}.checkpoint{fill:#d55e00}.start{fill:#fff;stroke:#7b868e;stroke-dasharray:3 2}
.abandoned{fill:#fff;stroke:#b3001e;stroke-width:1.5;stroke-dasharray:4 3}.again{fill:url(#clew-again)}
.hatch{stroke:#10181d;stroke-width:2.4;stroke-opacity:.75}.touch{fill:#000;fill-opacity:0}
.arrow{fill:none;stroke-width:1.3}.arrow.give{stroke:#22303a}.tip.give{fill:#22303a}.arrow.take{stroke:#00794f}.tip.take{fill:#00794f}
.arrow.hand{stroke:#b3001e;stroke-width:2;stroke-dasharray:5 3}.tip.hand{fill:#b3001e}
.cross{stroke:#b3001e;stroke-width:4.5;stroke-linecap:round;fill:none}.loss{stroke:#b3001e;stroke-width:1.8;fill:none}
.chart{fill:#6f7f8b}.sight{fill:#22303a;fill-opacity:.1;stroke:#22303a;stroke-width:1.2}.fan{fill:#22303a;fill-opacity:.06}
""".strip()
# What differs on a dark background; a page puts it after the picture's own style.
DARK = """
.card{fill:#161b1f;stroke:#353d44}.ink,.strong{fill:#e8e6e0}.faint{fill:#a5b0b8}.loud{fill:#ff8a94;stroke:#161b1f}
.grid{stroke:#e8e6e0}.lane{fill:#22282d}.driver{fill:#202c36}.store{fill:#2e2a1e}.alive{stroke:#8d979e}
.band{stroke:#69747c}.band.even{fill:#333c44}.band.odd{fill:#1b2025}.values{fill:#e8e6e0}
.start,.abandoned{fill:#161b1f}.abandoned,.cross,.loss,.arrow.hand{stroke:#ff6b78}.tip.hand{fill:#ff6b78}
.arrow.give{stroke:#cfd6db}.tip.give{fill:#cfd6db}.arrow.take{stroke:#3fd0a4}.tip.take{fill:#3fd0a4}
.chart{fill:#8d9aa5}.sight{fill:#e8e6e0;stroke:#e8e6e0}.fan{fill:#e8e6e0}
""".strip()
PATTERNS = (
    '<defs><pattern id="clew-again" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<path class="hatch" d="M0 0V8"/></pattern>'
    '<pattern id="clew-gone" width="9" height="9" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">'
    '<path class="gone-line" d="M0 0V9"/></pattern></defs>'
)


def timeline_svg(
    events: Sequence[Event], *, title: str = "What was done by whom", rounds: tuple[int, int] | None = None
) -> str:
    """Draw the execution graph of a run.

    Args:
        events: of a `Trace`.
        title: what the run was.
        rounds: which to show in detail, from the first to before the second. None shows all of a short run, and of a
            long one those round the first loss of an actor, or else the first.

    Returns:
        SVG, on a card of its own, so that it can be put on any background.

    Raises:
        SettingError: if nothing was done, or not in these rounds.
    """
    timed = [each for each in events if each.round >= 0]
    numbers = sorted({each.round for each in timed if each.what in ("publish", "work")})
    if not numbers:
        raise SettingError("nothing was done in this run: its trace has no round")
    origin = min(each.begun for each in timed)
    moved = [each._replace(begun=each.begun - origin) for each in events]
    first, last, why = choose_rounds(moved, numbers, rounds)
    shown = [each for each in moved if first <= each.round <= last and each.what not in ("lost", "kill")]
    whole = scale_of([each for each in moved if each.round >= 0])
    sight = scale_of(shown)
    is_long = (first, last) != (numbers[0], numbers[-1])
    top = 92.0
    parts = draw_overview(moved, whole, top, (sight.begin, sight.end)) if is_long else []
    top += height_of_overview(moved) + 8 if is_long else 0
    which = f"Round {first}" if first == last else f"Rounds {first} to {last}"
    parts.append(text(24, top + 8, f"{which}{' in detail' if is_long else ''}{why}", "strong"))
    parts += draw_lanes(moved, sight, top + 20)
    bottom = top + 20 + height_of(moved, sight)
    hidden = len({each.who for each in shown}) - MAX_LANES
    if hidden > 0 and len(lanes_of(moved, sight)) == MAX_LANES:
        parts.append(text(24, bottom + 4, f"... and {hidden} actors more", "faint"))
        bottom += 18
    legend, height = draw_legend(moved, bottom + 16)
    head = [text(24, 36, title, "strong", size=19), text(24, 60, say_figures(moved, numbers, whole), size=13)]
    return frame([*head, *parts, *legend], bottom + 16 + height + 14, title)


def recent_svg(events: Sequence[Event], begin: float, end: float, *, title: str) -> str:
    """Draw a stretch of time of a run that may be going on: what has ended since it began.

    Args:
        events: of a `Trace`, so far. What is being done is no event yet.
        begin: of the stretch, in seconds since the trace began.
        end: of it.
        title: what the run is.

    Returns:
        SVG, in the size and the colours of `timeline_svg`.
    """
    scale = Scale(begin, end, LEFT, RIGHT)
    recent = [each for each in events if each.what in ("start", "lost") or each.ended >= begin][-MAX_IN_SIGHT:]
    height = height_of(recent, scale)
    legend, legend_height = draw_legend(recent, 24 + height)
    return frame([*draw_lanes(recent, scale, 14.0), *legend], 24 + height + legend_height + 14, title)


def frame(parts: Sequence[str], height: float, title: str) -> str:
    """A picture of some parts."""
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


def scale_of(events: Sequence[Event]) -> Scale:
    """A scale with room for some events."""
    begin, end = min(each.begun for each in events), max(each.ended for each in events)
    room = max((end - begin) * 0.01, 1e-6)
    return Scale(begin - room, end + room, LEFT, RIGHT)


def choose_rounds(
    events: Sequence[Event], numbers: Sequence[int], rounds: tuple[int, int] | None
) -> tuple[int, int, str]:
    """The first and the last round to show in detail, and why these.

    Raises:
        SettingError: if there is none of those that were asked for.
    """
    why = ""
    if rounds is None and len(numbers) <= FEW_ROUNDS + 2:
        chosen = list(numbers)
    elif rounds is None:
        losses = [each.round for each in events if each.what == "lost" and each.round >= 0]
        before = max(0, sum(number < losses[0] for number in numbers) - 1) if losses else 0
        chosen = list(numbers[before : before + FEW_ROUNDS])
        why = ", where the first actor was lost" if losses else ", the first of the run"
    else:
        chosen = [number for number in numbers if rounds[0] <= number < rounds[1]]
        if not chosen:
            raise SettingError(
                f"there are no rounds {rounds[0]}:{rounds[1]} in this run; it has {numbers[0]}:{numbers[-1] + 1}"
            )
    sizes = dict.fromkeys(chosen, 0)
    for each in events:
        if each.round in sizes:
            sizes[each.round] += 1
    total = sizes[chosen[0]]
    for i, number in enumerate(chosen[1:], start=1):
        total += sizes[number]
        if total > MAX_IN_SIGHT:
            return chosen[0], chosen[i - 1], ", as many as can be shown"
    return chosen[0], chosen[-1], why


def say_figures(events: Sequence[Event], numbers: Sequence[int], whole: Scale) -> str:
    """The run in figures."""
    actors = {each.who for each in events if each.who.startswith("actor")}
    stale = sorted({each.staleness for each in events if each.what == "work"}) or [0]
    travelled = sum(each.num_bytes for each in events if each.what in ("put", "work"))
    seconds = whole.end - whole.begin
    num_rounds = numbers[-1] - numbers[0] + 1
    lost = sum(each.what == "lost" for each in events)
    who = count(len(actors), "actor") if actors else "one process, no actors"
    words = [f"{count(num_rounds, 'round')} in {say_seconds(seconds)}", f"{who} in all, {lost} lost" if lost else who]
    if lost:
        again = sum(each.what == "reissue" for each in events)
        words.append(f"{count(again, 'piece')} of work re-issued")
    words.append(f"staleness {stale[0]}" if len(stale) == 1 else f"staleness {stale[0]} to {stale[-1]}")
    if num_rounds > len(numbers):
        words.append(f"{len(numbers):,} of the rounds are in the trace")
    elif travelled:
        words.append(f"{travelled / 1e6:,.3g} MB travelled")
    return " · ".join(words)


def count(number: int, what: str) -> str:
    """So many of something."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def draw_legend(events: Sequence[Event], top: float) -> tuple[list[str], float]:
    """What the colours and marks mean, of those that there are; and how high that is."""
    kinds = {each.what for each in events}
    stale = {min(each.staleness, 2) for each in events if each.what == "work"}
    entries = [(["values"], "values published, put into the store")] if "publish" in kinds else []
    ages = (
        "fresh values (staleness 0)",
        "values 1 round old (staleness 1)",
        "values 2 or more rounds old (staleness 2+)",
    )
    entries += [([f"work s{i} even", f"work s{i} odd"], f"work with {ages[i]}") for i in sorted(stale)]
    entries += [(["merge"], "results merged by the driver")] if "merge" in kinds else []
    entries += [(["checkpoint"], "checkpoint")] if "checkpoint" in kinds else []
    if "lost" in kinds:
        entries += [(["cross"], "actor lost"), (["abandoned"], "work lost with it")]
        entries += [([f"work s{max(stale, default=0)} odd", "again"], "hatched: work re-issued (2nd attempt or later)")]
    entries += [(["start"], "actor starting")] if "start" in kinds else []
    if any(each.who.startswith("actor") for each in events):
        entries += [(["arrow give"], "values go out"), (["arrow take"], "results come back")]
        entries += [(["arrow hand"], "lost work is given to another")] if "lost" in kinds else []
    parts, x, y = [], 24.0, top
    for swatches, words in entries:
        width = 44 + width_of(words) + 18
        if x + width > WIDTH - 16:
            x, y = 24.0, y + 22
        parts += draw_swatch(swatches, x, y)
        parts.append(text(x + 40, y + 11, words))
        x += width
    words = (
        "Dark and light tones: even and odd rounds. v12: values into which 12 rounds are merged. "
        "Staleness: the round less that number, so how many rounds the values don't know of."
    )
    parts.append(text(24, y + 34, words, "faint"))
    return parts, y + 38 - top


def draw_swatch(names: Sequence[str], x: float, y: float) -> list[str]:
    """A piece of what is explained."""
    if names == ["cross"]:
        return [f'<path class="cross" d="M{x + 17:g} {y + 7:g}m-6 -7l12 14m0-14l-12 14"/>']
    if names[0].startswith("arrow"):
        tip = names[0].replace("arrow", "tip")
        line = f'<path class="{names[0]}" d="M{x:g} {y + 7:g}h27"/>'
        return [line, f'<path class="{tip}" d="M{x + 34:g} {y + 7:g}l-7 -3.5v7z"/>']
    if "again" in names:
        return [bar(x, y, 34, 14, name) for name in names]
    width = 34 / len(names)
    return [bar(x + i * width, y, width, 14, name) for i, name in enumerate(names)]
