"""Ctrl-C while a run is kept: the first ends it where it can go on later, a second one ends the process at once."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clew.checkpoints import Checkpoints

__all__ = ["stopped_by_ctrl_c"]

logger = logging.getLogger(__name__)


@contextmanager
def stopped_by_ctrl_c(checkpoints: Checkpoints, before_the_end: Callable[[], None] | None = None) -> Iterator[None]:
    """Let the first Ctrl-C ask training to stop, if it goes on, and interrupt whatever else goes on.

    Python answers a signal between two of its own steps, so not before a kernel has ended. But it writes the number of
    each signal into a pipe as soon as it comes. A thread reads it there, and so a second Ctrl-C is heard at any time.

    Args:
        checkpoints: of the training; if they are kept nowhere, or Ctrl-C isn't meant for this process, all stays as
            it was.
        before_the_end: is called, in a thread of its own, before a second Ctrl-C ends the process at once.
    """
    if checkpoints.folder is None or signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell's job with `&`
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.signal(signal.SIGINT, lambda number, frame: _answer(checkpoints))
    pipe_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    listener = threading.Thread(target=_listen, args=(reader, before_the_end), daemon=True)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(pipe_before)
        signal.signal(signal.SIGINT, before)
        os.close(writer)  # the listener reads the end of the pipe
        listener.join()
        os.close(reader)


def _answer(checkpoints: Checkpoints) -> None:
    checkpoints.stop()
    if not checkpoints.is_training:
        raise KeyboardInterrupt  # should it be lost, in a callback of C, training stops as soon as it begins


def _listen(reader: int, before_the_end: Callable[[], None] | None) -> None:
    presses = 0
    while number := os.read(reader, 1):
        presses += number[0] == signal.SIGINT
        if presses == 1:
            logger.info("stopping, where nothing is lost; Ctrl-C again ends at once")
        if presses == 2:
            if before_the_end is not None:
                before_the_end()
            os.write(2, b"clew: ended at once\n")
            os._exit(130)  # processes of Ray end when this one has
