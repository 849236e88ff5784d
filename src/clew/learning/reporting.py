"""Checks of what a training reports to while it goes on."""

from typing import Any

from clew.learning.checkpoints import Checkpoints
from clew.settings import check_callable, check_type
from clew.tracing.trace import Trace


def check_reporting(callback: Any, watch: Any, trace: Any, checkpoints: Any) -> None:
    """Check what a training reports to, and where it is saved; each may be None.

    Raises:
        SettingError: names the argument that is of another type.
    """
    if callback is not None:
        check_callable("callback", callback, "the RoundMetrics of a round")
    if watch is not None:
        check_callable("watch", watch, "the action values")
    if trace is not None:
        check_type("trace", trace, Trace, "a Trace; take trace=clew.tracing.trace.Trace()")
    if checkpoints is not None:
        check_type(
            "checkpoints", checkpoints, Checkpoints, "Checkpoints; take clew.learning.checkpoints.Checkpoints(folder)"
        )
