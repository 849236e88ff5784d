"""Watching on the terminal: learning round by round, and a seeker that walks. It is drawn by `clew.rendering.scenes`.

Frames are drawn on the alternate screen, which leaves what was on the terminal as it was. Each frame asks how large the
terminal is, so a change of size is followed. Where a terminal can't be drawn on (output into a file, TERM=dumb), lines
of plain text are written instead, and no escape codes.
"""

import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.live import Live
from rich.segment import Segment

from clew.cli.palette import style_of
from clew.environments import Environment, as_compiled
from clew.errors import ClewError
from clew.kernels.dynamics import BLOCKED, GOAL
from clew.learning.training import Callback, RoundMetrics
from clew.mazes import MOVES, Maze
from clew.planning import solve
from clew.policies.episodes import Transition, episode_steps
from clew.rendering.scenes import draw_for_screen
from clew.rendering.screen import Scene, Screen, StyledSpan, StyledText
from clew.rendering.text import show
from clew.runs.configuration import TrainingConfig

__all__ = ["RECENT", "LearningView", "can_draw", "play_episode", "seconds_left"]

FRAMES_A_SECOND = 15
REST = 40  # times as long as a frame took nothing is drawn: so drawing takes a fortieth of the time at most
NUM_LINES = 10  # of a run, where a terminal can't be drawn on
CHEAP = 100_000  # states; the optimum of a larger world isn't computed only to be told
RECENT = 20  # rounds by which the time that is left is estimated


# The screen -----------------------------------------------------------------------------------------------------------


def can_draw(console: Console) -> bool:
    """Tell if the terminal can be drawn on."""
    return console.is_terminal and not console.is_dumb_terminal and console.file.isatty()


def screen_of(console: Console, rows_taken: int = 0) -> Screen:
    """The room that the terminal has now, and what it can show."""
    colours = {"standard": 16, "windows": 16, "256": 256, "truecolor": 1 << 24}
    num_colours = 0 if console.no_color else colours.get(console.color_system or "", 0)
    return Screen(console.size.width, console.size.height - rows_taken, num_colours, speaks_unicode(console))


def speaks_unicode(console: Console) -> bool:
    """Tell if the terminal shows more than ASCII.

    In the locale C Python writes UTF-8, and sets LC_CTYPE for its children; the terminal need not know of it.
    """
    names = [os.environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if not names[0] and names[1] == "C.UTF-8":
        names[1] = ""
    locale = next((name for name in names if name), "C").upper()
    return console.encoding.startswith("utf") and (sys.platform == "win32" or "UTF" in locale)


class Frame(NamedTuple):
    """A scene, and lines below it, for Rich to print."""

    lines: list[list[StyledSpan]]
    words: list[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give the pieces that Rich writes."""
        exact = console.color_system != "256"
        for line in self.lines:
            yield from (Segment(span.text, style_of(span.foreground, span.background, exact)) for span in line)
            yield Segment.line()
        for words in self.words:
            yield Segment(words[: options.max_width])
            yield Segment.line()


def wrapped(parts: list[str], console: Console) -> list[str]:
    """Parts of a sentence in lines that fit."""
    dot = " · " if speaks_unicode(console) else " | "
    lines: list[str] = []
    for part in (part for part in parts if part):
        if lines and len(lines[-1]) + len(dot) + len(part) <= console.width:
            lines[-1] += dot + part
        else:
            lines.append(part)
    return lines


def make_frame(look: Scene | None, parts: list[str], console: Console, *, follow: bool = False) -> Frame:
    """What there is to see, and what there is to say, as it fits on the terminal now."""
    words = wrapped(parts, console)
    if look is None:
        return Frame([], words)
    # Lines are left for what must be said of the drawing, for what is logged, and one between.
    scene: StyledText = draw_for_screen(look, screen_of(console, len(words) + 3), follow=follow)
    return Frame([*scene.lines, []], wrapped([*parts, *scene.notes], console))


class Holder(logging.Handler):
    """Keeps what is logged while the screen is drawn on, for those who would have shown it."""

    def __init__(self, handlers: list[logging.Handler], tell: Callable[[str], None]) -> None:
        super().__init__()
        self.handlers, self.tell = handlers, tell
        self.kept: list[tuple[logging.Handler, logging.LogRecord]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, and tell."""
        showing = [handler for handler in self.handlers if handler.filter(record)]
        self.kept += [(handler, record) for handler in showing]
        if showing:
            self.tell(record.getMessage())


class AlternateScreen:
    """The alternate screen, from the first frame until it's left.

    Args:
        console: where.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._frame = Frame([], [])
        self._live: Live | None = None
        self._holder: Holder | None = None

    def draw(self, frame: Frame) -> None:
        """Show a frame in place of the last one."""
        self._frame = frame
        if self._live is None:
            logger = logging.getLogger("clew")
            self._holder = Holder(logger.handlers, self._tell)
            logger.handlers = [self._holder]
            # Rich's own thread would draw while kernels run, and its own streams would swallow what others print.
            still = {"auto_refresh": False, "redirect_stdout": False, "redirect_stderr": False}
            self._live = Live(console=self.console, screen=True, **still)  # type: ignore[arg-type]  # a dict of its flags
            self._live.start()
        self._live.update(frame, refresh=True)

    def leave(self) -> None:
        """Leave the terminal as it was; what was logged meanwhile is said now."""
        if self._live is None or self._holder is None:
            return
        live, self._live = self._live, None
        live.stop()
        logging.getLogger("clew").handlers = self._holder.handlers
        for handler, record in self._holder.kept:
            handler.emit(record)

    def leave_at_once(self) -> None:
        """The same, for a process that ends now: from any thread, whatever the others are doing."""
        if self._live is not None:
            codes = f"{Control.alt_screen(False).segment.text}{Control.show_cursor(True).segment.text}"
            os.write(self.console.file.fileno(), codes.encode())

    def _tell(self, message: str) -> None:
        """Say what is logged below the last frame."""
        if self._live is not None:
            self._live.update(self._frame._replace(words=[*self._frame.words, message]), refresh=True)


# What is seen ---------------------------------------------------------------------------------------------------------


def look_at(env: Environment, q: npt.NDArray[np.floating]) -> Scene:
    """What was learned in a maze: values and arrows of the goal of this episode, values alone where a state is more."""
    maze, n = env.maze, env.maze.cells.size
    if env.random_goal:
        goal = env.goal
        maze = maze.with_ends(None, goal)
        first = (goal[0] * maze.columns + goal[1]) * n
        q = q[first : first + n]
    best = q.max(axis=1)
    greedy = q == best[:, None]
    values = np.where(greedy.all(axis=1), np.nan, best)
    if values.size > n:  # headings: a cell is worth what it is in the best of them
        values = np.fmax.reduce(values.reshape(-1, n), axis=0)
    values[(maze.cells.reshape(-1) & (BLOCKED | GOAL)) > 0] = np.nan
    has_arrows = greedy.shape[0] == n and env.moves.actions in (MOVES["four"].actions, MOVES["eight"].actions)
    return Scene(maze, values, greedy if has_arrows else None)


def optimal_steps(env: Any, gamma: float) -> float | None:
    """Steps of an optimal policy, if they can be found in no time."""
    world = as_compiled(env)
    if (
        world is None or world.mdp.num_states > CHEAP or not world.mdp.is_deterministic
    ):  # what is uncertain takes longer
        return None
    try:
        return solve(env, gamma=gamma).steps
    except ClewError:
        return None


def seconds_left(ends: Sequence[tuple[int, float]], num_rounds: int) -> float | None:
    """How long a training will still take, by its last rounds and when each ended; unknown from one of them."""
    (first, begun), (last, ended) = ends[0], ends[-1]
    return (ended - begun) / (last - first) * (num_rounds - last - 1) if last > first else None


class LearningView:
    """Shows what is learned, as it is learned, on standard error; `watch`, and what `with` gives, are for `train_run`.

    Args:
        config: of the training.
        maze: what it is about, if it was read before.
    """

    def __init__(self, config: TrainingConfig, maze: Maze | None) -> None:
        self.console = Console(stderr=True)
        self.screen = AlternateScreen(self.console)
        self._config, self._maze = config, maze
        self._env: Any = None
        self._optimum: float | None = None
        self._q: npt.NDArray[np.float32] | None = None
        self._num_episodes = 0
        self._due = 0.0  # when there is to be drawn again
        self._ends: deque[tuple[int, float]] = deque(maxlen=RECENT)  # rounds, and when they ended

    def __enter__(self) -> Callback:
        if can_draw(self.console):
            self._prepare()
            try:
                self.screen.draw(make_frame(self._look(), ["the first round is being played"], self.console))
            except BaseException:  # also Ctrl-C: what isn't entered yet isn't left by itself
                self.leave()
                raise
        return self.show_round

    def __exit__(self, *exception: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Leave the terminal as it was."""
        self.screen.leave()

    def leave_at_once(self) -> None:
        """The same, from any thread, for a process that ends now."""
        self.screen.leave_at_once()

    def watch(self, q: npt.NDArray[np.float32]) -> None:
        """Take the table as it is now."""
        self._q = q

    def show_round(self, row: RoundMetrics) -> None:
        """Draw, or say, what a round came to, if it's time to."""
        begun = time.perf_counter()
        self._num_episodes += row.num_episodes
        self._ends.append((row.round, begun))
        if not can_draw(self.console):
            if (
                row.round == 0
                or (row.round + 1) * NUM_LINES // row.num_rounds > row.round * NUM_LINES // row.num_rounds
            ):
                self._prepare()
                sys.stderr.write(", ".join(self._status(row)) + "\n")
        elif begun >= self._due:
            self._prepare()
            self.screen.draw(make_frame(self._look(), self._status(row), self.console))
            now = time.perf_counter()
            self._due = now + max(1 / FRAMES_A_SECOND, REST * (now - begun))

    def _prepare(self) -> None:
        if self._env is None:
            self._env = self._config.make_environment(self._maze)
            self._optimum = optimal_steps(self._env, self._config.gamma)

    def _look(self) -> Scene | None:
        if not isinstance(self._env, Environment) or self._env.random_goal:
            return None
        return Scene(self._env.maze) if self._q is None else look_at(self._env, self._q)

    def _status(self, row: RoundMetrics) -> list[str]:
        best = "" if self._optimum is None else f", {self._optimum:,.4g} at best"
        left = seconds_left(self._ends, row.num_rounds)
        is_many = isinstance(self._env, Environment) and self._env.random_goal and can_draw(self.console)
        return [
            f"round {row.round + 1:,} of {row.num_rounds:,}",
            f"{self._num_episodes:,} episodes",
            f"{row.mean_steps:,.1f} steps per episode{best}",
            f"{row.success_rate:.0%} succeed",
            *([f"{left:,.0f} s left"] if left is not None else []),
            *(["each of the random goals has values of its own: none is drawn"] if is_many else []),
        ]


# A seeker that walks --------------------------------------------------------------------------------------------------


def play_episode(env: Any, policy: Any, delay: float) -> list[Transition]:
    """Play a greedy episode on standard output, step by step, and leave its last frame there.

    Args:
        env: the world, after a reset.
        policy: acts in it.
        delay: seconds between steps, on a terminal.
    """
    console = Console()
    steps: list[Transition] = []
    with drawing(env, policy, steps, console, delay) as draw:

        def choose(state: int) -> int:
            draw()
            return int(policy.get_action(state, explore=False))

        for step in episode_steps(env, choose):
            steps.append(step)
        draw()
    return steps


@contextmanager
def drawing(
    env: Any, policy: Any, steps: list[Transition], console: Console, delay: float
) -> Iterator[Callable[[], None]]:
    """Give a function that shows where an episode is."""
    if not isinstance(env, Environment):
        yield lambda: say_step(steps)
        return
    if not can_draw(console):
        yield lambda: show(env.frame() + say(steps) + "\n")
        return
    look: Scene | None = None
    screen = AlternateScreen(console)

    def frame() -> Frame:
        nonlocal look
        look = (look or look_at(env, policy.q))._replace(seeker=env.position, heading=env.heading)
        return make_frame(look, [say(steps)], console, follow=True)

    def draw() -> None:
        size, until = console.size, time.perf_counter() + delay  # before it's drawn: no change is missed
        screen.draw(frame())
        while (left := until - time.perf_counter()) > 0:
            time.sleep(min(left, 1 / FRAMES_A_SECOND))
            if console.size != size:
                size = console.size
                screen.draw(frame())

    try:
        yield draw
    finally:
        screen.leave()
    console.print(frame(), end="")


def say(steps: list[Transition]) -> str:
    """How far an episode is."""
    return f"step {len(steps)}"


def say_step(steps: list[Transition]) -> None:
    """Say what a step came to, in a world that can't be drawn."""
    what = f": state {steps[-1].next_state}, reward {steps[-1].reward:g}" if steps else ""
    sys.stdout.write(say(steps) + what + "\n")
