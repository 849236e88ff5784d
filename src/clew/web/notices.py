"""Warnings that a visitor's settings cause, to be shown on the page instead of printed by the server.

Those about precision are collected while the world is made; the others are found by `clew.runs.examination`, in the
words of `clew doctor`.
"""

import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from clew.errors import PrecisionWarning
from clew.runs.configuration import TrainingConfig
from clew.runs.examination import warnings_about

logger = logging.getLogger(__name__)

MAX_OUTCOMES = 4_000_000  # of a model that is searched: all that the page draws; a second at most, in a thread
_examiner = ThreadPoolExecutor(1, "clew-examiner")  # one examination at a time, so that the page stays fast
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


def examine_later(
    env: Any, config: TrainingConfig, is_current: Callable[[], bool], tell: Callable[[list[str]], Any]
) -> None:
    """Examine a training in another thread, and tell the errors and warnings.

    Args:
        env: world of the training.
        config: its settings.
        is_current: is called before; nothing is examined or told if it returns False.
        tell: is called with the messages.
    """

    def examine() -> None:
        messages: list[str] = []
        if not is_current():
            return
        try:
            found = warnings_about(env, config.num_episodes, config.learning, max_outcomes=MAX_OUTCOMES)
            messages = [str(each) for each in found]
        except Exception:  # a bug: log it; the page works without
            logger.exception("the examination of a world failed")
        tell(messages)

    _examiner.submit(examine)


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
