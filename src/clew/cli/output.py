"""Standard output belongs to the results of a command; whatever else is printed goes to standard error."""

import codecs
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# For an encoding without these characters, such as that of a redirected output on Windows.
ASCII = dict(zip("↓←↑→↙↖↗↘·●─│≤▀▄█", "v<^>/\\/\\.S-|<###", strict=True))


def _replace_by_ascii(error: UnicodeError) -> tuple[str, int]:
    """Return ASCII characters for those that an encoding lacks, and where to continue; see `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(ASCII.get(each, "?") for each in error.object[error.start : error.end]), error.end


class ToStandardError(io.TextIOBase):
    """The text stream that is `sys.stdout` while a command works: it writes to standard error.

    Ray's messages about its processes take up to fifty lines; of these only the first sentence is printed.
    """

    def write(self, text: str) -> int:
        """Write a text to standard error."""
        plain = COLOUR.sub("", text)
        if plain.startswith("(raylet)"):
            text = plain.split(". ")[0].split("\n")[0] + "."
        sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush standard error."""
        sys.stderr.flush()


class OutputError(OSError):
    """Standard output that can't be written, such as a file on a disk that is full."""


class _Results(io.FileIO):
    """Standard output as bytes, whose errors are told from those of other files."""

    def write(self, data: Any) -> int:
        """Write bytes; return their number."""
        try:
            return super().write(data)
        except BrokenPipeError:  # the reader has gone
            raise
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from None


codecs.register_error("clew-ascii", _replace_by_ascii)


@contextmanager
def private_stdout() -> Iterator[None]:
    """Keep a private copy of standard output for results in a `with` block, and point descriptor 1 to standard error.

    So the processes of Ray, and code in C, can't write between the results.
    """
    stdout = sys.stdout
    try:
        is_descriptor = stdout.fileno() == 1
    except (OSError, ValueError):
        is_descriptor = False  # a test or a notebook has put something else in its place
    if not is_descriptor:
        yield
        return
    stdout.flush()
    kept = os.dup(1)
    # Line by line on a terminal, as Python does.
    results = io.TextIOWrapper(
        io.BufferedWriter(_Results(kept, "w")),
        encoding=stdout.encoding,
        errors="clew-ascii",
        line_buffering=stdout.isatty(),
    )
    with suppress(OSError):  # standard error may be closed; then descriptor 1 stays
        os.dup2(2, 1)
    original = sys.__stdout__
    sys.stdout = sys.__stdout__ = results  # type: ignore[misc]  # the second tells the size of the terminal
    try:
        yield
    finally:
        sys.stdout, sys.__stdout__ = stdout, original  # type: ignore[misc]
        os.dup2(kept, 1)
        with suppress(OSError):  # what couldn't be written has been reported
            results.close()
