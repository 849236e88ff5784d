"""A run over Ray that goes on while it is looked at. Knows nothing of browsers.

Ray is one a process, so there is one run at a time, for all visitors.
"""

import threading
import time
from typing import NamedTuple

from clew.errors import ClewError, ClusterError, SettingError, StoppedError
from clew.figures.graph import run_title
from clew.learning.checkpoints import Checkpoints
from clew.learning.training import RoundMetrics
from clew.runs.configuration import TrainingConfig
from clew.runs.run import Run, train_run
from clew.tracing.timeline import recent_svg, timeline_svg
from clew.tracing.trace import Event, Trace

__all__ = ["MAX_ACTORS", "MAX_CHAOS", "Figures", "LiveRun", "start_run", "stop_all"]

MAX_ACTORS = 16  # a visitor may start; each is a process
MAX_CHAOS = 0.5  # beyond, hardly any work would ever be done
SECONDS_IN_SIGHT = 6.0
SECONDS_TO_STOP = 30.0

lock = threading.Lock()
current: "LiveRun | None" = None


class Figures(NamedTuple):
    """What a run has come to so far."""

    num_rounds: int  # that have ended
    of: int  # rounds in all; 0 before the first has ended
    staleness: int  # of the last round
    num_bytes: int  # that travelled
    num_killed: int
    num_lost: int
    num_reissued: int  # pieces of work
    steps_per_second: float


class LiveRun:
    """A training over Ray, in a thread of its own.

    Attributes:
        config: its settings.
        trace: what was done by whom, so far.
        run: what came of it, if it has ended by itself.
        error: what went wrong, in words.
        stopped: it ended because it was asked to.
    """

    def __init__(self, config: TrainingConfig, chaos: float) -> None:
        self.config, self.chaos = config, chaos
        self.trace = Trace()
        self.run: Run | None = None
        self.error = ""
        self.stopped = self.asked = False
        self._rows: list[RoundMetrics] = []
        self._checkpoints = Checkpoints(None)  # keeps nothing; it's how a training is asked to stop
        self._thread = threading.Thread(target=self._train, name="clew-cluster", daemon=True)

    def begin(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; it does where it next takes in work, and Ray is stopped then."""
        self.asked = True
        self._checkpoints.stop()

    def join(self, seconds: float) -> None:
        """Wait until it has ended."""
        self._thread.join(seconds)

    @property
    def is_going_on(self) -> bool:
        """False once it has ended, and Ray has stopped."""
        return self._thread.is_alive()

    def _train(self) -> None:
        try:
            self.run = train_run(
                self.config, self._rows.append, checkpoints=self._checkpoints, chaos=self.chaos, trace=self.trace
            )
        except StoppedError:
            self.stopped = True
        except (ClewError, MemoryError) as error:
            self.error = str(error) or "There is not enough memory for that."
        except Exception as error:  # of Ray or the system: a visitor is to hear of it, and the server to go on
            self.error = f"The run has failed: {error}"

    # What is seen of it -----------------------------------------------------------------------------------------------

    def figures(self) -> Figures:
        """What it has come to so far."""
        rows = self._rows[:]
        seconds = sum(row.seconds for row in rows)
        return Figures(
            len(rows),
            rows[-1].num_rounds if rows else 0,
            rows[-1].staleness if rows else 0,
            sum(row.num_bytes for row in rows),
            self.trace.count("kill"),
            self.trace.count("lost"),
            self.trace.count("reissue"),
            sum(row.num_steps for row in rows) / seconds if seconds else 0.0,
        )

    def picture(self) -> str:
        """SVG: of the last seconds while it goes on, of all when it has ended; empty if there is nothing to draw."""
        events, title = self.trace.events[:], run_title(self.config)
        if not any(each.round >= 0 and each.what in ("publish", "work") for each in events):
            return ""
        if not self.is_going_on:
            return timeline_svg(events, title=title)
        now = time.time() - self.trace.began
        return recent_svg(events, now - SECONDS_IN_SIGHT, now, title=f"{title}, the last seconds")

    def verdict(self) -> str:
        """Whether the actors were worth it, in words; empty where it can't be told."""
        if self.run is None or self.trace.num_dropped:
            return ""
        alone, together = work_of(self.trace.events), self.run.seconds
        took = f"All that was done would take one process {alone:.3g} s; its actors took {together:.3g} s"
        if alone <= together:
            return f"One process would do. {took}, and {self.run.startup_seconds:.3g} s to start."
        return f"{took}, and {self.run.startup_seconds:.3g} s to start."


def work_of(events: list[Event]) -> float:
    """Seconds of work that counted, whoever did it."""
    return sum(each.seconds for each in events if each.what in ("work", "merge"))


def start_run(config: TrainingConfig, chaos: float) -> LiveRun:
    """Begin a run.

    Raises:
        SettingError: if nothing in it would be done by actors, or too much is asked for.
        ClusterError: if one goes on already.
    """
    global current
    if not 1 <= config.num_actors <= MAX_ACTORS:
        raise SettingError(f"take 1 to {MAX_ACTORS} actors here; without any there is no cluster to look at")
    if config.num_simulations < 2:
        raise SettingError("take 2 simulations or more: a single one is learned in one process, without actors")
    if not 0.0 <= chaos <= MAX_CHAOS:
        raise SettingError(f"chaos is a probability, here from 0 to {MAX_CHAOS:g}, not {chaos:g}")
    with lock:
        if current is not None and current.is_going_on:
            raise ClusterError(
                "a cluster run goes on already, started on another page; there is one at a time, "
                "for Ray is one a process. Try again when it has ended."
            )
        current = LiveRun(config, chaos)
        current.begin()
        return current


def stop_all() -> None:
    """Stop what goes on, and wait for it: before the server ends."""
    if current is not None and current.is_going_on:
        current.stop()
        current.join(SECONDS_TO_STOP)
