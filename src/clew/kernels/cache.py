"""Where compiled kernels are kept on disk.

Numba's own cache checks only the file of the outermost kernel, so an edited rule would go on running as it was; and it
goes by the path and the date of that file, so a fresh checkout would compile everything again. Here all kernels share
one folder, whose name is a hash of all their sources: any edit leaves the old folder, and the same sources anywhere
find the same machine code.
"""

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

__all__ = ["KernelCache", "cache_folder"]

KERNELS = Path(__file__).parent


def _fingerprint() -> str:
    """Hash everything that decides the machine code: all kernel sources, Numba's version, and its bounds checks."""
    digest = hashlib.sha256(f"{numba.__version__} {numba.config.BOUNDSCHECK}".encode())
    for source in sorted(KERNELS.rglob("*.py")):
        digest.update(source.relative_to(KERNELS).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _is_private(folder: Path) -> bool:
    """Make the folder if needed; return whether only this user can write to it, as Numba's index is a pickle."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return False
    ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    closed = os.name == "nt" or not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return ours and closed and os.access(folder, os.W_OK)


def cache_folder() -> Path | None:
    """Return the folder of the machine code of these sources; None if no private folder can be written.

    It is in the user's cache, or in the folder for temporary files if there is no home or it is read-only.
    """
    name = f"kernels-{_fingerprint()}"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folders = [Path(tempfile.gettempdir()) / f"clew-{user}" / name]
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folders.insert(0, home / "clew" / name)
    except RuntimeError:  # Path.home() found none: the user is not in the machine's list
        pass
    for folder in folders:
        if _is_private(folder.parent) and _is_private(folder):
            return folder
    return None


FOLDER = cache_folder()


class _BySources(_CacheLocator):  # type: ignore[misc]  # Numba is untyped
    """Finds the machine code of one of our kernels by its place in the package; the folder stands for the sources."""

    def __init__(self, function: Callable[..., Any], source: Path) -> None:
        self._line = function.__code__.co_firstlineno
        self._path = cast(Path, FOLDER) / source.parent.relative_to(KERNELS)

    def get_cache_path(self) -> str:
        return str(self._path)

    def get_source_stamp(self) -> str:
        return cast(Path, FOLDER).name

    def get_disambiguator(self) -> str:
        return str(self._line)

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> "_BySources | None":
        source = Path(py_file)
        if FOLDER is None or not source.is_relative_to(KERNELS):
            return None
        locator = cls(py_func, source)
        try:
            locator.ensure_cache_path()
        except OSError:
            return None
        return locator


class _KernelCacheImpl(CompileResultCacheImpl):  # type: ignore[misc]
    # Kernels that are defined elsewhere, such as those of tests, are found as Numba finds them.
    _locator_classes = (_BySources, *CompileResultCacheImpl._locator_classes)


class KernelCache(FunctionCache):  # type: ignore[misc]
    """The machine code of one kernel on disk.

    One process at a time saves: Numba looks which file names are taken, then writes; in between another process could
    take the same name, and one would write over the machine code of the other.
    """

    _impl_class = _KernelCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return one compiled signature; None if it is not saved.

        Numba's own method first fills the tables of the compiler, and imports SciPy if it is there: 0.2 to 0.4 s, which
        machine code doesn't need. The compiler fills them itself when it is called.
        """
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save one compiled signature."""
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError):  # the folder is gone, or can't be locked: Numba knows what to do
                lock = held.enter_context((cast(Path, FOLDER) / "lock").open("w"))
                if fcntl is not None:
                    fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
            super().save_overload(sig, data)
