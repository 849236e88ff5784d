"""Warnings that a visitor's settings cause, collected to be shown on the page instead of printed by the server."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clew.errors import PrecisionWarning

_thread = threading.local()  # has `messages` while warnings of the thread are collected
_installing = threading.Lock()


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Return a context in which each `PrecisionWarning` of this thread goes to a list of messages, without duplicates.

    `warnings.catch_warnings` would also collect those of other threads, which learn for other visitors.
    """
    _install()
    messages: list[str] = []
    _thread.messages = messages
    try:
        yield messages
    finally:
        _thread.messages = None


def _install() -> None:
    """Have warnings shown by a function that collects them, unless there is one already."""
    with _installing:
        show_others = warnings.showwarning
        if getattr(show_others, "collects", False):
            return

        def show(message: Any, category: Any, *where: Any, **more: Any) -> None:
            messages = getattr(_thread, "messages", None)
            if messages is None or not issubclass(category, PrecisionWarning):
                show_others(message, category, *where, **more)
            elif str(message) not in messages:
                messages.append(str(message))

        show.collects = True  # type: ignore[attr-defined]
        warnings.showwarning = show
        warnings.simplefilter("always", PrecisionWarning)
