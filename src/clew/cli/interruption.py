"""Ctrl-C. If checkpoints are saved, the first saves one and ends the run, and a second one ends the process at once.

If nothing is saved, the first ends the process as soon as possible.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.learning.checkpoints import Checkpoints

logger = logging.getLogger(__name__)

GRACE = 0.3  # seconds in which Python may handle the signal itself, which also stops a Ray in good order


@contextmanager
def stopped_by_ctrl_c(
    checkpoints: "Checkpoints | None", before_the_end: Callable[[], None] | None = None
) -> Iterator[None]:
    """Let Ctrl-C end the work in a `with` block, even while a kernel runs.

    Python handles a signal between two of its own instructions, so not before a kernel has returned. But it writes the
    number of each signal into a pipe at once, which a thread reads here.

    Args:
        checkpoints: of the training; None if none are saved. Nothing is changed where Ctrl-C is ignored, as in a job of
            a shell that runs in the background.
        before_the_end: is called, in another thread, before Ctrl-C ends the process at once.
    """
    is_ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    if sys.platform == "win32" or is_ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    saving = None if checkpoints is None or checkpoints.folder is None else checkpoints
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    handled = threading.Event()  # by Python, between two of its instructions

    def handle(number: int, frame: object) -> None:
        handled.set()
        _handle(saving)

    handler_before = signal.signal(signal.SIGINT, handle)
    pipe_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    listen = _Listener(reader, handled, before_the_end, is_saving=saving is not None)
    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        handled.set()
        signal.set_wakeup_fd(pipe_before)
        signal.signal(signal.SIGINT, handler_before)
        os.close(writer)  # the listener reads the end of the pipe
        listener.join()
        os.close(reader)


def _handle(checkpoints: "Checkpoints | None") -> None:
    """Stop a training that saves checkpoints after its current piece of work; interrupt all other work."""
    if checkpoints is not None:
        checkpoints.stop()
    if checkpoints is None or not checkpoints.is_training:
        raise KeyboardInterrupt  # if a C callback swallows it, training still stops as soon as it begins


class _Listener:
    """Reads signal numbers from a pipe, in a thread, and ends the process where Python can't."""

    def __init__(
        self, reader: int, handled: threading.Event, before_the_end: Callable[[], None] | None, *, is_saving: bool
    ) -> None:
        self.reader, self.handled, self.before_the_end, self.is_saving = reader, handled, before_the_end, is_saving

    def __call__(self) -> None:
        presses = 0
        while number := os.read(self.reader, 1):
            if number[0] != signal.SIGINT:
                continue
            presses += 1
            if presses == 1 and self.is_saving:
                logger.info("finishing this piece of work so that nothing is lost; press Ctrl-C again to quit now")
            elif presses == 1 and not self.handled.wait(GRACE):
                self._end("stopped")
            elif presses == 2:
                self._end("ended at once" if self.is_saving else "stopped")

    def _end(self, words: str) -> None:
        """Print an error and end the process, whatever the other threads are doing."""
        if self.before_the_end is not None:
            self.before_the_end()
        os.write(2, f"clew: {words}\n".encode())
        os._exit(130)  # the processes of Ray end when this one has
