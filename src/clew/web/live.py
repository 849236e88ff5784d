"""One training run over Ray in the background, with its progress for the page. Knows no browser.

A process can use only one Ray cluster, so all visitors together can have one run at a time.
"""

import threading
import time
from typing import NamedTuple

from clew.errors import ClewError, ClusterError, SettingError, StoppedError
from clew.figures.graph import run_title
from clew.learning.checkpoints import Checkpoints
from clew.learning.metrics import RoundMetrics
from clew.runs.configuration import TrainingConfig
from clew.runs.run import Run, train_run
from clew.tracing.timeline import recent_svg, timeline_svg
from clew.tracing.trace import Trace
from clew.web.worlds import check_name

MAX_ACTORS = 16  # each is a process
MAX_CHAOS = 0.5  # with more, actors are killed before they finish any work
SHOWN_SECONDS = 6.0  # of the timeline while the run is in progress
MAX_STOP_SECONDS = 30.0  # that the server waits for the run to stop

lock = threading.Lock()
current: "LiveRun | None" = None


class LiveFigures(NamedTuple):
    """Progress of a run up to now."""

    num_ended: int  # episodes
    num_episodes: int  # in total
    staleness: int  # of the last round that has ended, in rounds
    num_bytes: int  # sent between driver, object store and actors
    num_killed: int  # actors killed on purpose
    num_lost: int  # actors lost, the killed ones included
    num_reissued: int  # pieces of work given to another actor after a loss
    steps_per_second: float


class LiveRun:
    """A training run over Ray in a thread.

    Args:
        config: settings of the run.
        chaos: probability that an actor is killed when it is given work.

    Attributes:
        config: settings of the run.
        chaos: that probability.
        trace: events of driver, object store and actors up to now.
        run: result of the run; None unless it has ended by itself.
        error: message of the error that ended the run; empty if there was none.
        stop_requested: True once `stop` was called.
        stopped: True if the run ended because `stop` was called.
        thread: thread that trains, once it is started.
    """

    def __init__(self, config: TrainingConfig, chaos: float) -> None:
        self.config, self.chaos = config, chaos
        self.trace = Trace()
        self.run: Run | None = None
        self.error = ""
        self.stopped = self.stop_requested = False
        self._rows: list[RoundMetrics] = []
        self._checkpoints = Checkpoints(None)  # saves nothing; its method stop ends the training
        self.thread = threading.Thread(target=self._train, name="clew-cluster", daemon=True)

    def stop(self) -> None:
        """Request the end of the run and of Ray; the run ends when it next merges work."""
        self.stop_requested = True
        self._checkpoints.stop()

    @property
    def is_running(self) -> bool:
        """True until the run has ended and Ray has stopped."""
        return self.thread.is_alive()

    def _train(self) -> None:
        """Train and grade the run; note its result, or why there is none."""
        try:
            self.run = train_run(
                self.config, self._rows.append, checkpoints=self._checkpoints, chaos=self.chaos, trace=self.trace
            )
        except StoppedError:
            self.stopped = True
        except (ClewError, MemoryError) as error:
            self.error = str(error) or "There is not enough memory for that."
        except Exception as error:  # from Ray or the system: shown to the visitor, and the server goes on
            self.error = f"The run failed: {error}"

    # Progress ---------------------------------------------------------------------------------------------------------

    def figures(self) -> LiveFigures:
        """Return the progress of the run up to now."""
        rows = self._rows[:]
        seconds = sum(row.seconds for row in rows)
        return LiveFigures(
            rows[-1].num_ended if rows else 0,
            self.config.num_episodes,
            rows[-1].staleness if rows else 0,
            sum(row.num_bytes for row in rows),
            self.trace.count("kill"),
            self.trace.count("lost"),
            self.trace.count("reissue"),
            sum(row.num_steps for row in rows) / seconds if seconds else 0.0,
        )

    def timeline(self) -> str:
        """Return an SVG of the execution graph: of the last seconds while running, else of the whole run.

        Returns:
            SVG; empty if no round has begun.
        """
        events, title = self.trace.events[:], run_title(self.config)
        if not any(each.round >= 0 and each.what in ("publish", "work") for each in events):
            return ""
        if not self.is_running:
            return timeline_svg(events, title=title)
        now = time.time() - self.trace.began
        return recent_svg(events, now - SHOWN_SECONDS, now, title=f"{title}, the last seconds")

    def verdict(self) -> str:
        """Return a text that compares the time of the actors with that of one process; empty if either is unknown."""
        if self.run is None or self.trace.num_dropped:
            return ""
        alone = sum(each.seconds for each in self.trace.events if each.what in ("work", "merge"))
        together = self.run.seconds
        return compare_times(alone, together, self.run.startup_seconds)


def compare_times(alone: float, together: float, startup: float) -> str:
    """Return a text that compares the seconds of the actors with those of one process.

    Args:
        alone: seconds that the work takes one process.
        together: seconds that the actors took.
        startup: seconds that the actors took to start.
    """
    text = f"The work takes one process {alone:.3g} s. The actors took {together:.3g} s, and {startup:.3g} s to start."
    return f"One process is enough. {text}" if alone <= together else text


def start_run(config: TrainingConfig, chaos: float) -> LiveRun:
    """Start a run over Ray, and return it while it trains in the background.

    Args:
        config: settings of the run, with 1 to `MAX_ACTORS` actors and 2 simulations or more.
        chaos: probability that an actor is killed when it is given work, from 0 to `MAX_CHAOS`.

    Raises:
        ClewError: if a setting is out of this page's range, or the maze is a file.
        ClusterError: if another run is in progress.
    """
    global current
    check_name(config.maze)
    if not 1 <= config.num_actors <= MAX_ACTORS:
        raise SettingError(f"num_actors must be from 1 to {MAX_ACTORS} on this page, not {config.num_actors}")
    if config.num_simulations < 2:
        raise SettingError("num_simulations must be at least 2: a single one is learned in one process, without actors")
    if not 0.0 <= chaos <= MAX_CHAOS:
        raise SettingError(f"chaos must be a probability from 0 to {MAX_CHAOS:g}, not {chaos:g}")
    with lock:
        if current is not None and current.is_running:
            raise ClusterError(
                "a run over Ray is in progress, started on another page; only one is possible at a time. Try again "
                "when it has ended."
            )
        current = LiveRun(config, chaos)
        current.thread.start()
        return current


def stop_current_run() -> None:
    """Stop the run that is in progress, if any, and wait for its end. Called before the server ends."""
    if current is not None and current.is_running:
        current.stop()
        current.thread.join(MAX_STOP_SECONDS)
