"""What is seen on standard error while something takes long: a line that says how far it is, and what is logged.

Both write by one console, so that a message stands above the line. The line is there only on a terminal, after two
seconds, and gone in the end; Rich draws it in a thread of its own, twice a second, for kernels let other threads run.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import TracebackType

from rich.console import Console
from rich.control import Control
from rich.logging import RichHandler
from rich.progress import BarColumn, Progress, TextColumn

from clew.cli.interruption import stopped_by_ctrl_c
from clew.cli.live import RECENT, can_draw, seconds_left
from clew.learning.training import RoundMetrics

__all__ = ["WaitingLine", "messages", "name_compiled", "working"]

PATIENCE = 2.0  # seconds before there is a line
FRAMES_A_SECOND = 2


@cache
def error_console() -> Console:
    """The console of standard error, whatever that is at the moment."""
    return Console(stderr=True)


# The line -------------------------------------------------------------------------------------------------------------


class WaitingLine:
    """A line that says what is going on, for how long, and how far it is, if somebody calls `show_round`.

    Args:
        what: is going on: "learning", say.
        num_episodes: of the training, if it is one.
    """

    def __init__(self, what: str, num_episodes: int | None = None) -> None:
        self.console = error_console()
        self._what, self._num_episodes = what, num_episodes
        self._ended = 0  # episodes
        self._ends: deque[tuple[int, float]] = deque(maxlen=RECENT)  # rounds, and when they ended
        self._begun = time.perf_counter()
        columns = TextColumn("{task.description}"), BarColumn(bar_width=10), TextColumn("{task.fields[words]}")
        self._progress = Progress(
            *columns,
            console=self.console,
            transient=True,
            refresh_per_second=FRAMES_A_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
            get_time=time.perf_counter,
        )
        self._task = self._progress.add_task(what, total=None, words=_Words(self))
        self._row: RoundMetrics | None = None
        self._timer = threading.Timer(PATIENCE, self._appear)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._is_over = False

    def __enter__(self) -> "WaitingLine":
        if can_draw(self.console):
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Take the line away."""
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            if self._progress.live.is_started:
                self._progress.stop()

    def leave_at_once(self) -> None:
        """The same, for a process that ends now: from any thread, whatever the others are doing."""
        if self._progress.live.is_started:
            codes = f"\r\x1b[2K{Control.show_cursor(True).segment.text}"
            os.write(self.console.file.fileno(), codes.encode())

    def show_round(self, row: RoundMetrics) -> None:
        """Take note of a round that has ended."""
        self._ended += row.num_episodes
        self._ends.append((row.round, time.perf_counter()))
        self._row = row
        self._progress.update(self._task, total=row.num_rounds, completed=row.round + 1)

    def _appear(self) -> None:
        with self._lock:
            if not self._is_over:
                self._progress.start()

    @property
    def words(self) -> str:
        """What is said of it now."""
        waited = f"{_spell_seconds(time.perf_counter() - self._begun)} so far"
        if self._num_episodes is None:
            return waited
        episodes = f"{self._ended:,} of {self._num_episodes:,} episodes"
        if self._row is None:
            return f"round 1, {episodes}, {waited}"
        left = seconds_left(self._ends, self._row.num_rounds)
        number = min(self._row.round + 2, self._row.num_rounds)
        rounds = f"round {number:,} of {self._row.num_rounds:,}"
        return f"{rounds}, {episodes}, {waited if left is None else f'{_spell_seconds(left)} left'}"


class _Words:
    """The words of a line, made when they are drawn."""

    def __init__(self, line: WaitingLine) -> None:
        self.line = line

    def __format__(self, spec: str) -> str:
        return self.line.words


def _spell_seconds(seconds: float) -> str:
    """Seconds as a clock shows them."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


@contextmanager
def working(what: str) -> Iterator[WaitingLine]:
    """Show a line while something is done that keeps nothing before its end: Ctrl-C ends it as soon as may be."""
    with WaitingLine(what) as line, stopped_by_ctrl_c(None, line.leave_at_once):
        yield line


# Messages -------------------------------------------------------------------------------------------------------------


class _CompilingOnce(logging.Filter):
    """Says once that something is compiled, instead of naming each kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.what = "what this needs"
        self.said = False

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "clew.kernels":
            if self.said:
                return False
            self.said = True
            record.msg, record.args = f"compiling {self.what} for this machine; kept for next time", ()
        return True


def name_compiled(what: str) -> None:
    """Name what this command is about, should it have to be compiled."""
    for handler in logging.getLogger("clew").handlers:
        for each in handler.filters:
            if isinstance(each, _CompilingOnce):
                each.what = what


@contextmanager
def messages() -> Iterator[None]:
    """Show what the library logs on standard error."""
    handler = RichHandler(console=error_console(), show_time=False, show_level=False, show_path=False)
    handler.addFilter(_CompilingOnce())
    logger = logging.getLogger("clew")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
