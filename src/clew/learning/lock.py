"""The lock of a folder of checkpoints, in which one process at a time may train."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

from clew.errors import RunError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class FolderLock:
    """Lock of a folder: a file `lock` in it, locked by the process whose ID it holds. It ends with that process.

    Nothing is locked where the system or the file system has no such locks.

    Args:
        folder: folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._file: BinaryIO | None = None  # while locked
        self._is_kept = False
        self._owner = (0, 0)

    def acquire(self) -> None:
        """Lock the folder, which must exist, unless this object has locked it already.

        Raises:
            RunError: if another process trains in the folder, or it can't be written.
        """
        if self._file is not None:
            return
        self._owner = os.getpid(), threading.get_ident()
        before = _holders.get(self._path)
        if before is not None and before._owner == self._owner:  # left by a training that an error ended
            before.release()
        try:
            while self._file is None:
                self._file = self._open()
        except OSError as error:
            raise RunError(f"{self._path.parent}: can't be written: {error.strerror}") from None
        _holders[self._path] = self

    def release(self) -> None:
        """Unlock the folder, which may have been removed, unless it is kept locked."""
        if self._file is not None and not self._is_kept:
            if self._is_in_place(self._file):
                with suppress(OSError):
                    self._path.unlink()
            self._file.close()
            self._file = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Return a context in which the folder is locked, also after a training that releases it.

        Raises:
            RunError: if another process trains in the folder, or it can't be written.
        """
        self.acquire()
        self._is_kept = True
        try:
            yield
        finally:
            self._is_kept = False
            self.release()

    def _open(self) -> BinaryIO | None:
        """Return the locked file, with the ID of this process; None if it was removed before it was locked."""
        file = self._path.open("a+b")
        try:
            self._lock(file)
            if self._is_in_place(file):
                file.truncate(0)
                file.write(str(os.getpid()).encode())
                file.flush()
                return file
        except BaseException:
            file.close()
            raise
        file.close()
        return None

    def _lock(self, file: BinaryIO) -> None:
        """Lock the open file; raise RunError if another process has locked it."""
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            process = f"process {file.read(20).decode(errors='replace')}".rstrip()
            raise RunError(
                f"{self._path.parent}: is being trained by {process}; wait until it ends, or stop it"
            ) from None
        except OSError:  # a file system without locks
            pass

    def _is_in_place(self, file: BinaryIO) -> bool:
        """Return whether the open file is still the one in the folder."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except OSError:
            return False


_holders: WeakValueDictionary[Path, FolderLock] = WeakValueDictionary()  # of this process, by the path of the file
