"""The progress line on standard error, while something takes long.

It is there only on a terminal, after two seconds, and gone in the end. Rich draws it in a thread of its own, twice a
second, since kernels let other threads run. Log messages stand above it.
"""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from clew.cli.interruption import stopped_by_signals
from clew.cli.messages import error_console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from clew.learning.metrics import RoundMetrics

PATIENCE = 2.0  # seconds before the line appears
FRAMES_PER_SECOND = 2
ERASE = b"\r\x1b[2K\x1b[?25h"  # the line, and show the cursor
NUM_RECENT = 20  # rounds from which the remaining time is estimated


def can_draw(console: "Console") -> bool:
    """Return whether the console is a terminal that can be drawn on."""
    return console.is_terminal and not console.is_dumb_terminal and console.file.isatty()


def seconds_left(ends: Sequence[tuple[int, float]], total: int) -> float | None:
    """Estimate the remaining seconds of a training.

    Args:
        ends: number of ended episodes after each recent round, and the clock then.
        total: number of episodes of the training.

    Returns:
        None if there is only one round to estimate from.
    """
    (first, begun), (last, ended) = ends[0], ends[-1]
    return (ended - begun) / (last - first) * (total - last) if last > first else None


class WaitingLine:
    """A line with the name of the work, how long it takes and, if `show` is called, how far it is.

    Args:
        what: name of the work, such as "learning".
        total: number of episodes of a training, or of other units; None for other work.
        first: name of the work until the first round has ended, if it is another.
        unit: what is counted.
    """

    def __init__(
        self, what: str, total: int | None = None, *, first: str | None = None, unit: str = "episodes"
    ) -> None:
        self._what, self._total, self._first = what, total, what if first is None else first
        self._unit = unit
        self._ends: deque[tuple[int, float]] = deque(maxlen=NUM_RECENT)
        self._begun = time.perf_counter()
        self._num_done: int | None = None
        self._progress: Progress | None = None
        self._timer = threading.Timer(PATIENCE, self._appear)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._is_over = False

    def __enter__(self) -> "WaitingLine":
        if sys.stderr.isatty():
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Remove the line."""
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            if self._progress is not None:
                self._progress.stop()

    def leave_at_once(self) -> None:
        """Erase the line of a process that ends now; may be called in any thread, whatever the others are doing."""
        if self._progress is not None:
            os.write(sys.stderr.fileno(), ERASE)

    def show_round(self, row: "RoundMetrics") -> None:
        """Update the line after a round of training."""
        self.show(row.num_ended, row.total_episodes)

    def show(self, num_done: int, total: int) -> None:
        """Update the line after some of the work."""
        self._ends.append((num_done, time.perf_counter()))
        self._num_done, self._total = num_done, total
        if self._progress is not None:
            task = self._progress.task_ids[0]
            self._progress.update(task, description=self._what, total=total, completed=num_done)

    def _appear(self) -> None:
        """Draw the line, if the work is not over and the terminal can be drawn on; called in a thread."""
        from rich.progress import BarColumn, Progress, TextColumn

        console = error_console()
        columns = TextColumn("{task.description}"), BarColumn(bar_width=10), TextColumn("{task.fields[status]}")
        progress = Progress(
            *columns,
            console=console,
            transient=True,
            refresh_per_second=FRAMES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
            get_time=time.perf_counter,
        )
        what = self._first if self._num_done is None else self._what
        progress.add_task(what, total=None, status=_Status(self))
        with self._lock:
            if not self._is_over and can_draw(console):
                progress.start()
                self._progress = progress

    @property
    def status(self) -> str:
        """The episodes, or other units, and the time, as text."""
        waited = f"{_format_seconds(time.perf_counter() - self._begun)} so far"
        if self._total is None or (self._num_done is None and self._first != self._what):
            return waited
        left = seconds_left(self._ends, self._total) if self._ends else None
        done = f"{self._num_done or 0:,} of {self._total:,} {self._unit}"
        return f"{done}, {waited if left is None else f'{_format_seconds(left)} left'}"


class _Status:
    """The status of a line, formatted whenever Rich draws it."""

    def __init__(self, line: WaitingLine) -> None:
        self.line = line

    def __format__(self, spec: str) -> str:
        return self.line.status


def _format_seconds(seconds: float) -> str:
    """Return seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


@contextmanager
def working(what: str) -> Iterator[WaitingLine]:
    """Show a progress line during a `with` block, in which Ctrl-C ends the process as soon as possible."""
    with WaitingLine(what) as line, stopped_by_signals(None, line.leave_at_once):
        yield line
