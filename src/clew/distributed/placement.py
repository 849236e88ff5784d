"""Choice of the place of a round: actors, or this process if the round is too short to be sent.

Rounds that end by steps are short at first: an actor would work for less time than its messages take. So the first
rounds are run in both places to measure them, and each later round runs where it is expected to end first. From time to
time one runs in the other place, so that the measurements stay true as rounds get longer. The place changes no bit.
"""

import time
from collections import deque
from statistics import median

NUM_PROBES = 4  # rounds in each place before it is decided; the first of them, which loads machine code, doesn't count
NUM_RECENT = 5  # measurements of which the median is taken
PROBE_EVERY = 50  # rounds; then one runs in the other place, unless it is expected to take MAX_LOSS times as long
MAX_LOSS = 3.0


class Place:
    """Measured rounds in one place.

    Attributes:
        num_rounds: number of rounds that ran there.
        overheads: seconds of each recent round beside the work of the process that had the most of it.
    """

    def __init__(self) -> None:
        self.num_rounds = 0
        self.overheads: deque[float] = deque(maxlen=NUM_RECENT)


class Placement:
    """Chooses the place of each round.

    Seconds of work per step are those of recent rounds in this process; an actor is assumed to be as fast. If it is
    slower, the rest counts as overhead.

    Attributes:
        here: rounds in this process.
        there: rounds on actors.
        num_without_actors: number of rounds that ran in this process because no actor was running.
        seconds: duration of all rounds so far.
        seconds_to_start: duration of the start of Ray and the actors, before the rounds.
        seconds_here: their expected duration in this process. Where none has run here, it is that of the work on actors
            and of the merge.
    """

    def __init__(self) -> None:
        self.here, self.there, self.num_without_actors = Place(), Place(), 0
        self.seconds_to_start = self.seconds = self.seconds_here = 0.0
        self._rates: deque[float] = deque(maxlen=NUM_RECENT)  # seconds of work per step
        # Steps of a round, divided by those it was asked for: more where episodes are played to their end.
        self._sizes: deque[float] = deque([1.0], maxlen=NUM_RECENT)
        self._ended_at = 0.0  # of the last round, by time.perf_counter

    def expect_work(self, num_steps: int, num_workers: int = 1) -> float:
        """Return the expected seconds of work of each process that shares a round; 0 before one was measured."""
        return num_steps * median(self._rates) / num_workers if self._rates else 0.0

    def expect(self, place: Place, num_steps: int, num_workers: int = 1) -> float:
        """Return the expected duration of a round in a place, in seconds."""
        return median(place.overheads or [0.0]) + self.expect_work(num_steps, num_workers)

    def is_there(self, num_steps: int, num_workers: int) -> bool:
        """Return whether the next round, of some steps, is to run on a number of actors."""
        num_steps = round(num_steps * median(self._sizes))
        if min(self.here.num_rounds, self.there.num_rounds) < NUM_PROBES:
            return self.here.num_rounds >= NUM_PROBES
        here, there = self.expect(self.here, num_steps), self.expect(self.there, num_steps, num_workers)
        is_due = (self.here.num_rounds + self.there.num_rounds) % PROBE_EVERY == 0
        is_probe = is_due and max(here, there) < MAX_LOSS * min(here, there)
        return (there < here) != is_probe

    def add(
        self, begun: float, work: float, merging: float, num_steps: int, num_workers: int = 0, num_asked: int = 0
    ) -> None:
        """Add a round that has been merged.

        Args:
            begun: when it began, by time.perf_counter. Only the time since the end of the round before it counts.
            work: sum of the durations of its tasks, in seconds.
            merging: duration of the merge of their results.
            num_steps: of all its tasks.
            num_workers: number of actors that shared the tasks; 0 for this process.
            num_asked: number of steps that it was asked for; 0 if rounds don't end by steps.
        """
        now = time.perf_counter()
        seconds = now - max(begun, self._ended_at)
        place = self.there if num_workers else self.here
        self._ended_at = now
        place.num_rounds += 1
        if num_asked:
            self._sizes.append(num_steps / num_asked)
        if place.num_rounds > 1 and num_steps:
            if not num_workers:
                self._rates.append(work / num_steps)
            place.overheads.append(max(0.0, seconds - self.expect_work(num_steps, max(1, num_workers))))
        self.seconds += seconds
        in_this_process = self.expect(self.here, num_steps) if self._rates else work + merging
        self.seconds_here += in_this_process if num_workers else seconds


def format_seconds(seconds: float) -> str:
    """Return seconds as text, with two digits or more."""
    return f"{seconds:,.0f}" if seconds >= 10.0 else f"{seconds:.2g}"
