"""The trace of a run: what driver, object store and actors did, and when. `clew graph` draws it.

    publish     the driver copied the values that a round begins with
    put         they were put into the object store
    work        simulations played, or learned: work that counted
    merge       the driver took in what came of it
    start       an actor was started; it lasts until the actor was first seen to run
    kill        an actor was killed on purpose
    lost        an actor died, or no longer answered
    abandoned   work that was lost with its actor
    reissue     the driver gave that work to another
    checkpoint  the driver kept everything that goes on needs

In a run folder a trace is `trace.csv`, a row an event.
"""

import json
import math
import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["DRIVER", "KINDS", "STORE", "Event", "Trace", "from_csv", "to_chrome", "to_csv"]

KINDS = ("publish", "put", "work", "merge", "start", "kill", "lost", "abandoned", "reissue", "checkpoint")
RARE = {"start", "kill", "lost", "abandoned", "reissue", "checkpoint"}  # are kept, however long the run
DRIVER, STORE = "driver", "store"
WHO = re.compile(r"driver|store|actor \d{1,9}")

MAX_EVENTS = 100_000  # some 30 MB; a trace that has more keeps every second round, then every fourth, and so on
PAUSE = 1e-4  # seconds; events of one kind and round that follow each other faster are noted as one


class Event(NamedTuple):
    """Something that someone did.

    Times are seconds since the trace began. What has no round, version or simulation has -1 there.
    """

    what: str  # one of KINDS
    who: str  # driver, store, or actor and its number
    begun: float
    seconds: float
    round: int
    version: int  # number of rounds that had been merged into the values that were worked with
    simulation: int  # the first of those that it was about
    num_simulations: int
    num_bytes: int  # that travelled, or were written
    attempt: int  # 0, or how often the work had been lost before

    @property
    def ended(self) -> float:
        """Seconds since the trace began."""
        return self.begun + self.seconds

    @property
    def staleness(self) -> int:
        """How many of the rounds before were not yet in the values; 0 if it had nothing to do with values."""
        return max(self.round - self.version, 0) if self.version >= 0 else 0


class Trace:
    """Collects events.

    Attributes:
        began: seconds since 1970.
        events: in the order in which they were noted.
        num_dropped: how many were too many to be kept.
    """

    def __init__(self) -> None:
        self.began = time.time()
        self.events: list[Event] = []
        self.num_dropped = 0
        self._stride = 1  # of the rounds, those are kept that it divides
        self._versions: dict[int, int] = {}  # of rounds that are under way
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
    ) -> None:
        """Note an event.

        Args:
            what: one of `KINDS`.
            who: driver, store, or actor and its number.
            begun: seconds since 1970.
            seconds: how long it took.
            round: which it was for; -1 if for none.
            version: rounds that had been merged into the values. None: those that were published for this round.
            simulation: the first of those that it was about, if it was about any.
            num_simulations: how many those were.
            num_bytes: what travelled, or was written.
            attempt: how often the work had been lost before.
        """
        if version is None:
            version = self._versions.get(round, -1)
        elif what == "publish":
            self._versions[round] = version
        if what in ("put", "work"):
            self._bytes[round] += num_bytes
        begun -= self.began
        num_simulations = num_simulations if simulation >= 0 else 0
        event = Event(what, who, begun, seconds, round, version, simulation, num_simulations, num_bytes, attempt)
        if self.events and follows(event, self.events[-1]):
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
        """End a round; returns how many bytes travelled for it."""
        self._versions.pop(round, None)
        return self._bytes.pop(round, 0)

    def count(self, what: str) -> int:
        """How many events there were of a kind that is always kept."""
        return sum(event.what == what for event in self.events)

    def _has_room_for(self, event: Event) -> bool:
        if len(self.events) == MAX_EVENTS:
            self._thin()
        is_kept = event.round % self._stride == 0 or event.what in RARE
        return is_kept and len(self.events) < MAX_EVENTS

    def _thin(self) -> None:
        """Let go of rounds between others, but not of those in which an actor was lost, until half the room is free."""
        special = {event.round for event in self.events if event.what == "lost"}
        num_before = len(self.events)
        while len(self.events) > MAX_EVENTS // 2 and self._stride < 2**30:
            self._stride *= 2
            self.events = [
                event
                for event in self.events
                if event.round % self._stride == 0 or event.what in RARE or event.round in special
            ]
        self.num_dropped += num_before - len(self.events)


def follows(event: Event, last: Event) -> bool:
    """Tell if an event only goes on with what the last one began."""
    return (
        event.what == last.what
        and event.who == last.who
        and event.simulation == last.simulation + last.num_simulations > 0
        and event.round == last.round
        and event.version == last.version
        and event.attempt == last.attempt
        and event.what not in RARE
        and 0.0 <= event.begun - last.ended < PAUSE
    )


def to_csv(events: Sequence[Event]) -> str:
    """Events as the text of `trace.csv`; times to the microsecond."""
    rows = [",".join(Event._fields)]
    rows += [",".join((e.what, e.who, f"{e.begun:.6f}", f"{e.seconds:.6f}", *map(str, e[4:]))) for e in events]
    return "\n".join(rows) + "\n"


def from_csv(text: str) -> list[Event]:
    """Read the text of `trace.csv`.

    Raises:
        ValueError: names the line that is damaged.
    """
    header, *rows = text.splitlines() or [""]
    if header != ",".join(Event._fields):
        raise ValueError(f"the first line is not {','.join(Event._fields)}")
    events = []
    for number, row in enumerate(rows, start=2):
        try:
            what, who, begun, seconds, *counts = row.split(",")
            event = Event(what, who, float(begun), float(seconds), *map(int, counts))
        except (TypeError, ValueError):
            raise ValueError(f"line {number} is not an event") from None
        if not is_possible(event):
            raise ValueError(f"line {number} says what can't have happened")
        events.append(event)
    return events


def is_possible(event: Event) -> bool:
    """Tell if an event is of a known kind, and its figures are in range."""
    times = event.begun, event.seconds
    return (
        event.what in KINDS
        and WHO.fullmatch(event.who) is not None
        and all(math.isfinite(each) and abs(each) < 1e9 for each in times)
        and event.seconds >= 0.0
        and all(-1 <= each < 2**31 for each in (event.round, event.version, event.simulation))
        and all(0 <= each < 2**60 for each in (event.num_simulations, event.num_bytes, event.attempt))
    )


def to_chrome(events: Sequence[Event]) -> str:
    """Events in the format of Chrome's traces, which Perfetto opens too: times in microseconds, a thread for each.

    Source:
        Google (2016), Trace Event Format.
    """
    lanes = {who: i for i, who in enumerate(dict.fromkeys((DRIVER, STORE, *(each.who for each in events))))}
    rows: list[dict[str, object]] = [
        {"name": "thread_name", "ph": "M", "pid": 1, "tid": lane, "args": {"name": who}} for who, lane in lanes.items()
    ]
    for each in events:
        name = each.what if each.round < 0 else f"{each.what} {each.round}"
        row: dict[str, object] = {"name": name, "cat": each.what, "pid": 1, "tid": lanes[each.who]}
        row["ts"] = round(each.begun * 1e6, 3)
        row |= {"ph": "X", "dur": round(each.seconds * 1e6, 3)} if each.seconds else {"ph": "i", "s": "t"}
        row["args"] = {**dict(zip(Event._fields[4:], each[4:], strict=True)), "staleness": each.staleness}
        rows.append(row)
    return json.dumps({"displayTimeUnit": "ms", "traceEvents": rows}, separators=(",", ":")) + "\n"
