"""Ctrl-C: where a run is kept, the first ends it where it can go on later, and a second one ends the process at once.

Where nothing is kept there is nothing to wait for: the first ends the process as soon as may be.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clew.learning.checkpoints import Checkpoints

__all__ = ["stopped_by_ctrl_c"]

logger = logging.getLogger(__name__)

GRACE = 0.3  # seconds in which Python may answer by itself, which also stops a Ray in good order


@contextmanager
def stopped_by_ctrl_c(
    checkpoints: Checkpoints | None, before_the_end: Callable[[], None] | None = None
) -> Iterator[None]:
    """Let Ctrl-C end what goes on within: with checkpoints where it can go on, without them at once.

    Python answers a signal between two of its own steps, so not before a kernel has ended. But it writes the number of
    each signal into a pipe as soon as it comes. A thread reads it there, and so Ctrl-C is heard at any time.

    Args:
        checkpoints: of the training; None if nothing is kept. If Ctrl-C isn't meant for this process, all stays as it
            was.
        before_the_end: is called, in a thread of its own, before Ctrl-C ends the process at once.
    """
    is_for_us = signal.getsignal(signal.SIGINT) != signal.SIG_IGN  # which is a shell's job with `&`
    if sys.platform == "win32" or not is_for_us or threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = None if checkpoints is None or checkpoints.folder is None else checkpoints
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    answered = threading.Event()  # by Python, between two of its steps

    def answer(number: int, frame: object) -> None:
        answered.set()
        _answer(kept)

    before = signal.signal(signal.SIGINT, answer)
    pipe_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    listen = _Listener(reader, answered, before_the_end, is_kept=kept is not None)
    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        answered.set()
        signal.set_wakeup_fd(pipe_before)
        signal.signal(signal.SIGINT, before)
        os.close(writer)  # the listener reads the end of the pipe
        listener.join()
        os.close(reader)


def _answer(kept: Checkpoints | None) -> None:
    if kept is not None:
        kept.stop()
    if kept is None or not kept.is_training:
        raise KeyboardInterrupt  # should it be lost, in a callback of C, training stops as soon as it begins


class _Listener:
    """Hears Ctrl-C in a thread of its own."""

    def __init__(
        self, reader: int, answered: threading.Event, before_the_end: Callable[[], None] | None, *, is_kept: bool
    ) -> None:
        self.reader, self.answered, self.before_the_end, self.is_kept = reader, answered, before_the_end, is_kept

    def __call__(self) -> None:
        presses = 0
        while number := os.read(self.reader, 1):
            if number[0] != signal.SIGINT:
                continue
            presses += 1
            if presses == 1 and self.is_kept:
                logger.info("finishing this piece of work so that nothing is lost; press Ctrl-C again to quit now")
            elif presses == 1 and not self.answered.wait(GRACE):
                self._end("stopped")
            elif presses == 2:
                self._end("ended at once" if self.is_kept else "stopped")

    def _end(self, words: str) -> None:
        if self.before_the_end is not None:
            self.before_the_end()
        os.write(2, f"clew: {words}\n".encode())
        os._exit(130)  # processes of Ray end when this one has
