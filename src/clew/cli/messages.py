"""Log messages of the library on standard error, above the waiting line if there is one."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from clew.errors import PrecisionWarning

if TYPE_CHECKING:
    from rich.console import Console


@cache
def error_console() -> "Console":
    """Return the console of standard error, which the waiting line and the messages share."""
    from rich.console import Console

    return Console(stderr=True)


class _MessageHandler(logging.Handler):
    """Prints log records; the compilation of kernels is reported once, not for each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.compiled, self.is_saved = "what this needs", True
        self.has_compiled = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is printed, and reword it if it is the first about a compilation."""
        if record.name == "clew.kernels":
            if self.has_compiled:
                return False
            self.has_compiled = True
            saved = "; saved for next time" if self.is_saved else ", as every time: code from outside isn't saved"
            record.msg, record.args = f"compiling {self.compiled} for this kind of world{saved}", ()
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        error_console().print(self.format(record), markup=False, soft_wrap=True)  # whole paths, to be copied


_HANDLER = _MessageHandler()


def name_compiled(what: str, behaviour: str = "") -> None:
    """Name what the command computes, for the message that it has to be compiled.

    Args:
        what: algorithm or planner.
        behaviour: exploration strategy, if there is one.
    """
    _HANDLER.compiled, _HANDLER.is_saved = what, ":" not in what + behaviour


@contextmanager
def messages() -> Iterator[None]:
    """Print what the library logs, from level INFO, in a `with` block."""
    logger = logging.getLogger("clew")
    _HANDLER.compiled, _HANDLER.is_saved, _HANDLER.has_compiled = "what this needs", True, False
    logger.addHandler(_HANDLER)
    logger.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            show_others = warnings.showwarning

            def show(message: Any, category: Any, *where: Any, **more: Any) -> None:
                if issubclass(category, PrecisionWarning):
                    logger.warning("warning: %s", message)
                else:
                    show_others(message, category, *where, **more)

            warnings.showwarning = show
            warnings.simplefilter("always", PrecisionWarning)
            yield
    finally:
        logger.removeHandler(_HANDLER)
