"""The compiled core: functions of arrays and scalars, and nothing else.

This is the only place that imports Numba. A kernel never sees a maze, an environment or any other object: a world comes
in as a named tuple of arrays (`dynamics`), values as a table, settings as numbers, randomness as a stream (`sampling`).

    dynamics    what a move does: the two forms of a world, read by everything else
    sampling    draws: the stream, the action to try, the next state
    updates     learning rules, one function each
    rollouts    episodes made of the two above
    backups     planning: what a state is worth, one step ahead
    sweeps      backups of every state in turn, and what follows from a policy
    priorities  the state that is most wrong first
    search      breadth-first search
    orders      states nearest to an end first, and linear equations
"""

import hashlib
import logging
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy.typing as npt
from numba.core import event

__all__ = ["JIT_OPTIONS", "cache_folder", "kernel", "read_only"]

Function = TypeVar("Function", bound=Callable[..., Any])

logger = logging.getLogger(__name__)

JIT_OPTIONS: dict[str, Any] = {
    # Other Python threads (progress, a page) go on while a kernel runs.
    "nogil": True,
    # Division follows IEEE, as in NumPy and C: no test for zero in the loop.
    "error_model": "numpy",
    # Without it LLVM leaves small rules as calls, each with arrays for arguments: two thirds of the speed.
    "forceinline": True,
    # No counting of references. Numba would count those to every array of every argument, atomically, at each step:
    # half the speed. So a kernel can't make arrays (it won't compile): it fills those that it is given. It returns none
    # either, for Numba wraps them by running Python, where a Ctrl-C that strikes is lost, or crashes the process.
    "_nrt": False,
    # fastmath and parallel stay off: both may reorder sums, and the same seed must give the same bits everywhere.
}


def _fingerprint() -> str:
    """Hash of everything that decides the machine code: all kernel sources, Numba, and its checks.

    Numba's own cache looks only at the file of the outermost kernel, so an edited rule would go on running as it was.
    """
    digest = hashlib.sha256(f"{numba.__version__} {numba.config.BOUNDSCHECK}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _is_private(folder: Path) -> bool:
    """Make the folder, and tell if it's ours alone: Numba's index is a pickle, which nobody else may plant."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return False
    ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    closed = os.name == "nt" or not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return ours and closed and os.access(folder, os.W_OK)


def cache_folder() -> Path | None:
    """Folder of the machine code of just these sources; None if no private folder can be written.

    It lies in the user's cache, or, where the home is read-only, in the folder for temporary files.
    """
    name = f"kernels-{_fingerprint()}"
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    for folder in (home / "clew" / name, Path(tempfile.gettempdir()) / f"clew-{user}" / name):
        if _is_private(folder.parent) and _is_private(folder):
            return folder
    return None


_FOLDER = cache_folder()


def kernel(function: Function) -> Function:
    """Compile a function on its first call, with the project's one set of options; the machine code is kept on disk."""
    # Numba reads this setting while it decorates; other users of Numba in the process keep theirs.
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_FOLDER)
    try:
        compiled: Function = numba.njit(cache=_FOLDER is not None, **JIT_OPTIONS)(function)
    finally:
        numba.config.CACHE_DIR = before
    return compiled


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A view that can't be written: what Ray hands out. Kernels that only read get it, and compile once."""
    view = array.view()
    view.setflags(write=False)
    return view


class _Announcer(event.Listener):  # type: ignore[misc]  # Numba is untyped
    """Logs each compilation of one of our kernels, so that a first call that takes seconds is explained."""

    def on_start(self, event: Any) -> None:
        function = event.data["dispatcher"].py_func
        if function.__module__.startswith(__name__):
            logger.info("compiling %s for this machine (once)", function.__name__)

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", _Announcer())
