"""The trace of a run: what driver, object store and actors did, and when. `clew graph` draws it."""

import time
from typing import NamedTuple

__all__ = ["Event", "Trace"]

MOST_EVENTS = 200_000  # a trace is to be looked at; what comes later is only counted


class Event(NamedTuple):
    """Something that someone did.

    Times are seconds since the trace began. `version` is the number of rounds that had been merged into the values that
    were worked with, so a round is `round - version` rounds stale.
    """

    what: str  # publish, work, merge, start, lost, checkpoint
    who: str  # driver, store, or actor and its number
    begun: float
    seconds: float
    round: int
    version: int
    num_tasks: int
    num_bytes: int
    attempt: int  # 0, or how often the work had been lost before


class Trace:
    """Collects events.

    Attributes:
        events: in the order in which they were noted.
        num_dropped: how many were too many to be kept.
    """

    def __init__(self) -> None:
        self.began = time.time()
        self.events: list[Event] = []
        self.num_dropped = 0

    def add(
        self,
        what: str,
        who: str,
        begun: float,
        seconds: float,
        round: int,
        *,
        version: int = -1,
        num_tasks: int = 0,
        num_bytes: int = 0,
        attempt: int = 0,
    ) -> None:
        """Note an event; `begun` in seconds since 1970."""
        if len(self.events) == MOST_EVENTS:
            self.num_dropped += 1
            return
        event = Event(what, who, begun - self.began, seconds, round, version, num_tasks, num_bytes, attempt)
        self.events.append(event)
