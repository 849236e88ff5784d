"""Folder in which the machine code of kernels is kept between processes.

Numba's own cache checks only the source file of the outermost kernel, so an edited update rule would run in its old
version; and it identifies that file by path and date, so a fresh checkout would compile everything again. Here all
kernels share one folder whose name is a hash of all kernel sources: after any edit another folder is used, and the same
sources find the same machine code wherever they are checked out.
"""

import contextlib
import hashlib
import logging
import os
import pickle
import platform
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import llvmlite.binding
import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, _CacheLocator

from clew.version import hash_sources

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

logger = logging.getLogger(__name__)

KERNELS = Path(__file__).parent

SOURCES_SHA256 = hash_sources(KERNELS.name)
NUMBA_VERSION = str(numba.__version__)


def processor() -> str:
    """Return the processor for which kernels are compiled here, such as "x86_64 znver3".

    "SVML" follows if Numba takes exponentials of vectors from Intel's library.
    """
    svml = " SVML" if numba.config.USING_SVML else ""
    return f"{platform.machine()} {llvmlite.binding.get_host_cpu_name()}{svml}"


def _fingerprint() -> str:
    """Return a hash of what determines the machine code: kernel sources, Numba's version, bounds checks."""
    determined_by = f"{NUMBA_VERSION} {numba.config.BOUNDSCHECK} {SOURCES_SHA256}"
    return hashlib.sha256(determined_by.encode()).hexdigest()[:16]


def _is_private(folder: Path) -> bool:
    """Make the folder if it is missing; return whether it can be written by this user and by no other.

    Numba's index is a pickle, so write access to the folder is enough to run code in this process.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return False
    ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    closed = os.name == "nt" or not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return ours and closed and os.access(folder, os.W_OK)


def cache_folder() -> Path | None:
    """Return the folder for the machine code of these sources; make it if it is missing.

    It lies in the user's cache ($XDG_CACHE_HOME or ~/.cache), or in the folder for temporary files if that can't be
    written.

    Returns:
        The folder, or None if neither is writable and private.
    """
    name = f"kernels-{_fingerprint()}"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folders = [Path(tempfile.gettempdir()) / f"clew-{user}" / name]
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folders.insert(0, home / "clew" / name)
    except RuntimeError:  # Path.home(): the user has no home folder
        pass
    for folder in folders:
        if _is_private(folder.parent) and _is_private(folder):
            return folder
    return None


FOLDER = cache_folder()


class _SourceHashLocator(_CacheLocator):  # type: ignore[misc]  # Numba is untyped
    """Locator that finds machine code by the kernel's place in the package, not by path and date."""

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
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> "_SourceHashLocator | None":
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
    """Numba's cache implementation, with our locator only: kernels outside the package aren't kept."""

    _locator_classes = (_SourceHashLocator,)


class _CheckedFile(IndexDataCacheFile):  # type: ignore[misc]
    """Numba's index and files of machine code, each preceded by a hash, so that a damaged one is noticed.

    The hash is of the name of the file too: machine code of another kernel would be called with arguments that it
    doesn't take. An index that can't be read is empty: its kernels are compiled and saved again.
    """

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_name, (self._source_stamp, overloads))

    def _load_index(self) -> dict[Any, str]:
        try:
            stamp, names = self._read(self._index_name)
        except Exception:  # a damaged pickle can raise anything
            return {}
        return names if stamp == self._source_stamp else {}

    def _save_data(self, name: str, data: Any) -> None:
        self._write(name, data)

    def _load_data(self, name: str) -> Any:
        return self._read(name)

    def _write(self, name: str, content: Any) -> None:
        """Write the pickle of an object to a file, after its hash."""
        data: bytes = self._dump(content)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(self._hash(name, data) + data)

    def _read(self, name: str) -> Any:
        """Return the object in a file.

        Raises:
            ValueError: if the file is damaged, or was written under another name.
        """
        content = Path(self._data_path(name)).read_bytes()
        size = hashlib.sha256().digest_size
        if self._hash(name, content[size:]) != content[:size]:
            raise ValueError("damaged")
        return pickle.loads(content[size:])

    def _hash(self, name: str, data: bytes) -> bytes:
        """Return a hash of a file's name, with its folder, and of its data."""
        place = f"{Path(self._cache_path).name}/{name}\n"
        return hashlib.sha256(place.encode() + data).digest()


def is_ours(kind: Any) -> bool:
    """Return whether a class, or the type of an argument in Numba's terms, depends on no code outside the package."""
    if hasattr(kind, "dispatcher"):  # a function that is an argument
        kind = kind.dispatcher.py_func
    module = getattr(getattr(kind, "instance_class", kind), "__module__", "") or ""  # None for code without a module
    parts = getattr(kind, "types", ())
    return module.startswith(("clew.", "numba.")) and all(map(is_ours, parts))


class KernelCache(FunctionCache):  # type: ignore[misc]
    """Machine code of one kernel on disk.

    Machine code that depends on code outside the package, such as a user's update rule, isn't kept: nothing would tell
    that it is out of date after an edit.

    One process at a time saves, under a lock: Numba looks for a free file name and then writes, so two processes could
    take the same name, and one would overwrite the machine code of the other.
    """

    _impl_class = _KernelCacheImpl

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = _CheckedFile(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return one compiled signature; None if it is not saved.

        Numba's own method first fills the tables of the compiler, and imports SciPy if it is there: 0.2 to 0.4 s, which
        machine code doesn't need. The compiler fills them itself when it is called.
        """
        if not _is_kept(sig):
            return None
        try:
            return self._load_overload(sig, target_context)
        except Exception:  # of a damaged file: the kernel is compiled, and saved in its place
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save the machine code of one signature, while holding the lock of the folder; without room, say so once."""
        if not _is_kept(sig):
            return
        try:
            with contextlib.ExitStack() as held:
                with contextlib.suppress(OSError):  # if the folder is gone or can't be locked, Numba copes
                    lock = held.enter_context((cast(Path, FOLDER) / "lock").open("w"))
                    if fcntl is not None:
                        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
                super().save_overload(sig, data)
        except OSError as error:
            if not _unsaved:
                logger.warning("machine code can't be saved in %s, and is compiled again next time: %s", FOLDER, error)
            _unsaved.append(self._name)


_unsaved: list[str] = []  # kernels whose machine code couldn't be saved
_replaced: list[str] = []  # functions of the package that have an implementation from outside for a type of ours


def note_implementation(name: str, function: Callable[..., Any], kinds: tuple[type, ...]) -> None:
    """Note an implementation that is registered with a function that dispatches.

    If one from outside replaces one of ours, no signature tells that machine code depends on it: none is kept any more.
    """
    if not is_ours(function) and any(map(is_ours, kinds)):
        _replaced.append(name)


def _is_kept(signature: Any) -> bool:
    """Return whether machine code of a signature is kept on disk."""
    return not _replaced and all(map(is_ours, getattr(signature, "args", signature)))
