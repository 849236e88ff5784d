"""Signals that end a command: Ctrl-C (SIGINT), SIGTERM of a scheduler, and SIGHUP of a terminal that is closed.

If checkpoints are saved, the first signal saves one and ends the run, and a second one ends the process at once. If
nothing is saved, the first ends the process as soon as possible. The exit code is 128 plus the number of the signal.
A signal that is ignored when the command starts, such as SIGHUP after `nohup`, stays ignored.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from clew.cli.output import ToStandardError

if TYPE_CHECKING:
    from clew.learning.checkpoints import Checkpoints

logger = logging.getLogger(__name__)

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
REPEAT = 1.0  # seconds in which a signal that isn't Ctrl-C counts once, see `_Repeats`
GRACE = 0.3  # seconds in which Python may handle the signal itself, which also stops a Ray in good order

is_program = False  # True in a process of the program `clew`; False in one that only calls its main function
parent_pipe: int | None = None  # descriptor; the parent process, see `supervision`, reads the exit code from it
_received: list[int] = []  # signals of this process, in order


def exit_code() -> int:
    """Return the exit code of a command that was stopped: 130 after Ctrl-C."""
    return 128 + (_received[0] if _received else signal.SIGINT)


def note_end(code: int) -> None:
    """Send the exit code to the parent process: the command itself decided to end. Without a parent, do nothing."""
    global parent_pipe
    if parent_pipe is not None:
        os.write(parent_pipe, bytes([code & 255]))
        os.close(parent_pipe)
        parent_pipe = None


@contextmanager
def stopped_by_signals(
    checkpoints: "Checkpoints | None", before_the_end: Callable[[], None] | None = None
) -> Iterator[None]:
    """Let a signal end the work in a `with` block, even while a kernel runs; what it prints goes to standard error.

    Python handles a signal between two of its own instructions, so not before a kernel has returned. But it writes the
    number of each signal into a pipe at once, which a thread reads here.

    Args:
        checkpoints: of the training; None if none are saved.
        before_the_end: is called, in another thread, before a signal ends the process at once.
    """
    with redirect_stdout(ToStandardError()):  # results are printed after the work; Ray's threads print during it
        numbers = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        if sys.platform == "win32" or not numbers or threading.current_thread() is not threading.main_thread():
            yield
            return
        with _handled(numbers, checkpoints, before_the_end):
            yield


@contextmanager
def _handled(
    numbers: list[int], checkpoints: "Checkpoints | None", before_the_end: Callable[[], None] | None
) -> Iterator[None]:
    saving = None if checkpoints is None or checkpoints.folder is None else checkpoints
    _received.clear()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    handled: SimpleQueue[int] = SimpleQueue()  # by Python, between two of its instructions; `put` may interrupt itself
    is_repeat = _Repeats()

    def handle(number: int, frame: object) -> None:
        handled.put(number)
        if is_repeat(number):
            return
        if saving is not None:
            saving.stop()
        if saving is None or not saving.is_training:
            raise KeyboardInterrupt  # if a C callback swallows it, training still stops as soon as it begins

    before: dict[int, Any] = {number: signal.signal(number, handle) for number in numbers}
    pipe_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    listen = _Listener(reader, numbers, handled, before_the_end, saving)
    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    except SystemExit:  # raised by Ray's handler of SIGTERM, which is installed while Ray starts
        if not _received:
            raise
        raise KeyboardInterrupt from None
    finally:
        handled.put(0)
        signal.set_wakeup_fd(pipe_before)
        for number, handler in before.items():  # a signal that comes after one that ends the program changes nothing
            signal.signal(number, signal.SIG_IGN if _received and is_program else handler)
        os.close(writer)  # the listener reads the end of the pipe
        listener.join()
        os.close(reader)


class _Repeats:
    """A function of a signal: whether it repeats one that has just come.

    Schedulers send SIGTERM to every process of a job. So a child process gets it twice: its parent passes it on.
    """

    def __init__(self) -> None:
        self.number, self.received_at = 0, 0.0

    def __call__(self, number: int) -> bool:
        now = time.monotonic()
        if number == self.number != signal.SIGINT and now - self.received_at < REPEAT:
            return True
        self.number, self.received_at = number, now
        return False


class _Listener:
    """Reads signal numbers from a pipe, in a thread, and ends the process where Python can't."""

    def __init__(
        self,
        reader: int,
        numbers: list[int],
        handled: SimpleQueue[int],
        before_the_end: Callable[[], None] | None,
        saving: "Checkpoints | None",
    ) -> None:
        self.reader, self.numbers, self.handled = reader, numbers, handled
        self.before_the_end, self.saving = before_the_end, saving
        # Found now, because a terminal that has been closed can't be recognised any more.
        streams = sys.stdout, sys.stderr, sys.__stdout__
        self.terminals = [each.fileno() for each in streams if each is not None and each.isatty()]

    def __call__(self) -> None:
        is_repeat = _Repeats()
        while read := os.read(self.reader, 1):
            if read[0] not in self.numbers or is_repeat(read[0]):
                continue
            _received.append(read[0])
            if read[0] == getattr(signal, "SIGHUP", None):
                self._leave_terminal()
            if len(_received) == 1 and self.saving is not None:
                self.saving.stop()  # also if Ray's handler was installed, and its exception was swallowed
                again = "press Ctrl-C again" if read[0] == signal.SIGINT else "send the signal again"
                with suppress(Exception):  # standard error may be closed
                    logger.info("finishing this piece of work so that nothing is lost; %s to quit now", again)
            elif len(_received) == 1 and not self._is_handled():
                self._end("stopped")
            elif len(_received) == 2:
                self._end("ended at once" if self.saving is not None else "stopped")

    def _is_handled(self) -> bool:
        """Wait for Python to handle the signal, and return whether it did."""
        try:
            self.handled.get(timeout=GRACE)
        except Empty:
            return False
        return True

    def _end(self, words: str) -> None:
        """Print an error and end the process, whatever the other threads are doing."""
        try:
            if self.before_the_end is not None:
                self.before_the_end()
            os.write(2, f"clew: {words}\n".encode())
        finally:
            note_end(exit_code())
            os._exit(exit_code())  # the processes of Ray end when this one has

    def _leave_terminal(self) -> None:
        """Redirect output from the terminal that was closed, where writing is an error, to the null device."""
        null = os.open(os.devnull, os.O_WRONLY)
        for descriptor in self.terminals:
            os.dup2(null, descriptor)
        os.close(null)
