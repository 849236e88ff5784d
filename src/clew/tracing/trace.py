"""Trace of a run: events of the driver, the object store and the actors. `clew graph` draws it.

    publish     the driver copied the values that a round begins with
    put         these values were put into the object store
    work        simulations were played or learned, and their results were used
    unused      the same, but another actor had the results first
    merge       the driver merged results
    start       an actor was started on a host; lasts until it was first seen running
    kill        an actor was killed on purpose
    lost        an actor died, or did not answer
    abandoned   work that was lost with its actor
    reissue     the driver gave that work to another actor
    copy        the driver gave late work to a second actor too
    checkpoint  the driver wrote a checkpoint

In a run folder the trace is `trace.csv`, with a row for each event.
"""

import json
import math
import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

ALWAYS_KEPT = {"start", "kill", "lost", "abandoned", "reissue", "checkpoint"}  # in a run of any length
KINDS = {"publish", "put", "work", "unused", "merge", "copy", *ALWAYS_KEPT}
DRIVER, STORE = "driver", "store"
WHO_PATTERN = re.compile(r"driver|store|actor \d{1,9}")
NOT_IN_HOST = re.compile(r"[^\w.:-]", re.ASCII)  # characters that no name of a host should have

MAX_EVENTS = 100_000  # about 30 MB; a longer trace keeps every second round, then every fourth, and so on
MAX_PAUSE = 1e-4  # seconds between events that are merged into one


class Event(NamedTuple):
    """Event of a trace. A round, version or simulation that does not apply is -1.

    Attributes:
        what: one of `KINDS`.
        who: "driver", "store", or "actor" and its number.
        begun: seconds since the trace began.
        seconds: duration.
        round: round that it was for.
        version: number of rounds merged into the values that were used.
        simulation: first of the simulations that it was about.
        num_simulations: number of these.
        num_bytes: bytes that were sent or written.
        attempt: number of times that the same work had been given to an actor before.
        host: name of the host on which an actor was started; "" for other events.
    """

    what: str
    who: str
    begun: float
    seconds: float
    round: int
    version: int
    simulation: int
    num_simulations: int
    num_bytes: int
    attempt: int
    host: str = ""

    @property
    def ended(self) -> float:
        """End of the event, in seconds since the trace began."""
        return self.begun + self.seconds

    @property
    def staleness(self) -> int:
        """Number of earlier rounds not yet merged into the values that were used; 0 if no values were."""
        return max(self.round - self.version, 0) if self.version >= 0 else 0


class Trace:
    """Recorder of events, with a bounded size.

    It keeps at most 100,000 events. Beyond that, only every second round is kept, then every fourth, and so on; rounds
    in which an actor was lost, and rare events such as checkpoints, always remain.

    Attributes:
        began: time of its creation, in seconds since 1970.
        events: the events, in the order in which they were added.
        num_dropped: number of events that were not kept.
    """

    def __init__(self) -> None:
        self.began = time.time()
        self.events: list[Event] = []
        self.num_dropped = 0
        self._stride = 1  # rounds divisible by it are kept
        self._versions: dict[int, int] = {}  # of the values, by unfinished round
        self._bytes: Counter[int] = Counter()

    def add(
        self,
        what: str,
        who: str,
        begun: float,
        seconds: float,
        round: int,
        *,
        version: int | None = None,
        simulation: int = -1,
        num_simulations: int = 1,
        num_bytes: int = 0,
        attempt: int = 0,
        host: str = "",
    ) -> None:
        """Add an event. If it continues the last one without a pause, the two are merged into one.

        Args:
            what: one of `KINDS`.
            who: "driver", "store", or "actor" and its number.
            begun: seconds since 1970.
            seconds: duration.
            round: round that it was for; -1 for none.
            version: number of rounds merged into the values that were used; None takes that of the last "publish" of
                this round.
            simulation: first of the simulations that it was about; -1 for none.
            num_simulations: number of these.
            num_bytes: bytes that were sent or written.
            attempt: number of times that the same work had been given to an actor before.
            host: name of the host on which an actor was started.
        """
        if version is None:
            version = self._versions.get(round, -1)
        elif what == "publish":
            self._versions[round] = version
        if what in ("put", "work"):
            self._bytes[round] += num_bytes
        begun -= self.began
        num_simulations = num_simulations if simulation >= 0 else 0
        host = NOT_IN_HOST.sub("_", host)
        event = Event(what, who, begun, seconds, round, version, simulation, num_simulations, num_bytes, attempt, host)
        if self.events and continues(event, self.events[-1]):
            last = self.events[-1]
            self.events[-1] = last._replace(
                seconds=event.ended - last.begun,
                num_simulations=last.num_simulations + num_simulations,
                num_bytes=last.num_bytes + num_bytes,
            )
        elif self._has_room_for(event):
            self.events.append(event)
        else:
            self.num_dropped += 1

    def finish(self, round: int) -> int:
        """End a round, and return the number of bytes that were sent for it."""
        self._versions.pop(round, None)
        return self._bytes.pop(round, 0)

    def count(self, what: str) -> int:
        """Return the number of events of a kind; exact for the kinds in `ALWAYS_KEPT`."""
        return sum(event.what == what for event in self.events)

    def _has_room_for(self, event: Event) -> bool:
        """Return whether an event is to be kept, after dropping rounds if the trace is full."""
        if len(self.events) == MAX_EVENTS:
            self._thin()
        return len(self.events) < MAX_EVENTS and (event.round % self._stride == 0 or event.what in ALWAYS_KEPT)

    def _thin(self) -> None:
        """Drop every second of the rounds kept so far, except those with a loss, until half of the room is free."""
        special = {event.round for event in self.events if event.what == "lost"}
        num_before = len(self.events)
        while len(self.events) > MAX_EVENTS // 2 and self._stride < 2**30:
            self._stride *= 2
            self.events = [
                event
                for event in self.events
                if event.round % self._stride == 0 or event.what in ALWAYS_KEPT or event.round in special
            ]
        self.num_dropped += num_before - len(self.events)


def continues(event: Event, last: Event) -> bool:
    """Return whether an event continues the last one: same kind, process and round, next simulations, no pause."""
    return (
        event.what == last.what
        and event.who == last.who
        and event.simulation == last.simulation + last.num_simulations > 0
        and event.round == last.round
        and event.version == last.version
        and event.attempt == last.attempt
        and event.what not in ALWAYS_KEPT
        and 0.0 <= event.begun - last.ended < MAX_PAUSE
    )


def to_csv(events: Sequence[Event]) -> str:
    """Return events as CSV, the contents of `trace.csv`; times have microseconds."""
    rows = [",".join(Event._fields)]
    rows += [",".join((e.what, e.who, f"{e.begun:.6f}", f"{e.seconds:.6f}", *map(str, e[4:]))) for e in events]
    return "\n".join(rows) + "\n"


def from_csv(text: str) -> list[Event]:
    """Return the events in the contents of `trace.csv`.

    Raises:
        ValueError: if a line is damaged; the message says which.
    """
    header, *rows = text.splitlines() or [""]
    if header != ",".join(Event._fields):
        raise ValueError(f"the first line must be {','.join(Event._fields)}")
    events = []
    for number, row in enumerate(rows, start=2):
        try:
            what, who, begun, seconds, *counts, host = row.split(",", len(Event._fields) - 1)
            values = what, who, float(begun), float(seconds), *map(int, counts), host
            named: dict[str, Any] = dict(zip(Event._fields, values, strict=True))
            event = Event(**named)
        except (TypeError, ValueError):
            raise ValueError(f"line {number} is not an event") from None
        if not is_valid(event):
            raise ValueError(f"line {number} has an unknown kind, process or host, or a number out of range")
        events.append(event)
    return events


def is_valid(event: Event) -> bool:
    """Return whether an event has a known kind and process, a host's name, and all its numbers are in range."""
    return (
        event.what in KINDS
        and WHO_PATTERN.fullmatch(event.who) is not None
        and NOT_IN_HOST.search(event.host) is None
        and all(math.isfinite(each) and abs(each) < 1e9 for each in (event.begun, event.seconds))
        and event.seconds >= 0.0
        and all(-1 <= each < 2**31 for each in (event.round, event.version, event.simulation))
        and all(0 <= each < 2**60 for each in (event.num_simulations, event.num_bytes, event.attempt))
    )


def arguments(event: Event) -> dict[str, object]:
    """Return the fields of an event that aren't its kind, process or time; the host only if there is one."""
    return {name: value for name, value in zip(Event._fields[4:], event[4:], strict=True) if value != ""}


def to_chrome(events: Sequence[Event]) -> str:
    """Return events as JSON in Chrome's trace format, which Perfetto opens too.

    Times are microseconds. The driver, the store and each actor are shown as threads.

    Source:
        Google (2016), Trace Event Format.
    """
    lanes = {who: i for i, who in enumerate(dict.fromkeys((DRIVER, STORE, *(each.who for each in events))))}
    rows: list[dict[str, object]] = [
        {"name": "thread_name", "ph": "M", "pid": 1, "tid": lane, "args": {"name": who}} for who, lane in lanes.items()
    ]
    rows += [
        {
            "name": each.what if each.round < 0 else f"{each.what} {each.round}",
            "cat": each.what,
            "pid": 1,
            "tid": lanes[each.who],
            "ts": round(each.begun * 1e6, 3),
            **({"ph": "X", "dur": round(each.seconds * 1e6, 3)} if each.seconds else {"ph": "i", "s": "t"}),
            "args": {**arguments(each), "staleness": each.staleness},
        }
        for each in events
    ]
    return json.dumps({"displayTimeUnit": "ms", "traceEvents": rows}, separators=(",", ":")) + "\n"
