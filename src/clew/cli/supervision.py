"""Commands that use Ray run in a child process, because Ray ends the process that started it if one of its own dies.

The parent only waits: it passes signals on to the child and ends with the child's exit code. If the child was ended
from outside, it prints how to go on. It ends processes of Ray that the child leaves behind. If the parent dies, the
child ends at once.
"""

import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

from clew.cli import interruption
from clew.cli.interruption import SIGNALS


class EndedError(Exception):
    """The child process was ended by Ray, by the system or by a signal.

    Args:
        message: what the user is told.
        code: exit code of the program.

    Attributes:
        code: as given.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


SET_CHILD_SUBREAPER = 36  # of prctl(2): processes whose parent has died become children of this one


def continue_in_child(advice: str) -> None:
    """Return in a child process; the parent waits for it here, and never returns.

    Args:
        advice: how to go on, for the message if the child is ended from outside.

    Raises:
        EndedError: in the parent, if the child was ended from outside, or by a signal before it could handle it.
        SystemExit: in the parent, otherwise.
    """
    is_child = interruption.parent_pipe is not None
    if not interruption.is_program or is_child or sys.platform != "linux" or threading.active_count() > 1:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    end_reader, end_writer = os.pipe()
    life_reader, life_writer = os.pipe()
    import ctypes

    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    others = _children()
    passed_on: list[int] = []
    child = 0

    def pass_on(number: int, frame: object) -> None:
        passed_on.append(number)
        if child:
            with suppress(ProcessLookupError):
                os.kill(child, number)

    # Before the fork, so that no signal ends the parent alone.
    before = {each: signal.signal(each, pass_on) for each in SIGNALS if signal.getsignal(each) != signal.SIG_IGN}
    child = os.fork()
    if child == 0:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(end_reader)
        os.close(life_writer)
        interruption.parent_pipe = end_writer
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # may write to the terminal from its own process group
        os.setpgid(0, 0)  # a Ctrl-C of the terminal goes to the parent alone, which passes it on
        threading.Thread(target=_end_with_parent, args=(life_reader,), daemon=True).start()
        return
    os.close(end_writer)
    os.close(life_reader)
    os.set_blocking(end_reader, False)  # another process may have inherited its other end
    for number in passed_on[:]:  # while it forked
        with suppress(ProcessLookupError):
            os.kill(child, number)
    _, status = os.waitpid(child, 0)
    sent = b""  # the exit code, if the child itself decided to end
    with suppress(BlockingIOError):
        sent = os.read(end_reader, 1)
    _end_orphans(others)
    if sent:
        sys.exit(sent[0])
    if passed_on:  # before the child had a handler, or while Ray's C++ code had put its own there, which aborts
        raise EndedError(f"stopped; {advice}", 128 + passed_on[0])
    code = os.waitstatus_to_exitcode(status)
    by = "Ray has died" if code >= 0 else f"the process was ended by signal {-code}"
    raise EndedError(f"{by} in the middle of the work; {advice}", 1)


def _children() -> set[int]:
    """Return the child processes of this one; none where the system doesn't list them."""
    with suppress(OSError):
        folders = Path("/proc/self/task").iterdir()
        return {int(pid) for folder in folders for pid in (folder / "children").read_text().split()}
    return set()


def _end_orphans(others: set[int]) -> None:
    """End the processes that the child has left behind, and those that they leave behind, but no others."""
    while orphans := _children() - others:
        for pid in orphans:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _end_with_parent(life_reader: int) -> None:
    """Wait until the parent has died, and then end this process at once."""
    os.read(life_reader, 1)
    os.kill(os.getpid(), signal.SIGKILL)
