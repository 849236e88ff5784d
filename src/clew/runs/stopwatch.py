"""Wall time of a part of a command."""

import time

from clew.kernels import seconds_compiled


class Stopwatch:
    """Wall time since it was made, with the time of the compiler apart, which works in a first run only.

    >>> import clew
    >>> clew.runs.Stopwatch().read()["compile_seconds"]
    0.0
    """

    def __init__(self) -> None:
        self._begun, self._compiled = time.perf_counter(), seconds_compiled()

    def read(self) -> dict[str, float]:
        """Return `seconds` and `compile_seconds` since it was made."""
        compiled = seconds_compiled() - self._compiled
        return {"seconds": time.perf_counter() - self._begun - compiled, "compile_seconds": compiled}
