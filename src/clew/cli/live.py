"""Drawing on the terminal: values while they are learned, and an episode step by step.

`clew.rendering.scenes` draws the scenes. Frames are shown on the alternate screen, so that the terminal is as it was
when they end, and each asks for the size of the terminal, so that a change of size is followed. If the terminal can't
be drawn on (output to a file, TERM=dumb), lines of plain text are written, without escape codes.
"""

import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.live import Live
from rich.segment import Segment

from clew.cli.palette import style_of
from clew.cli.waiting import NUM_RECENT, can_draw, seconds_left
from clew.environments import Environment, ModelEnvironment, as_compiled
from clew.errors import ClewError
from clew.kernels.dynamics import BLOCKED, GOAL
from clew.learning.metrics import Callback, RoundMetrics
from clew.mazes import MOVES, Maze
from clew.models.mdp import FiniteMDP
from clew.planning import solve
from clew.policies.stepwise import episode_steps
from clew.reference import Transition
from clew.rendering.scenes import draw_for_screen
from clew.rendering.screen import Scene, Screen, StyledSpan, StyledText
from clew.rendering.text import show
from clew.runs.configuration import TrainingConfig

MAX_FRAME_RATE = 15  # frames per second
REST = 40  # no frame is drawn for this many times the time that the last one took: drawing takes 1/40 of all time
NUM_LINES = 10  # lines of a run on a terminal that can't be drawn on
MAX_STATES = 100_000  # the optimum of a larger world takes too long only to be shown


# The screen -----------------------------------------------------------------------------------------------------------


def screen_of(console: Console, rows_taken: int = 0) -> Screen:
    """Return the current size of the terminal, without some rows, and the colours and characters that it can show."""
    colours = {"standard": 16, "windows": 16, "256": 256, "truecolor": 1 << 24}
    num_colours = 0 if console.no_color else colours.get(console.color_system or "", 0)
    return Screen(console.size.width, console.size.height - rows_taken, num_colours, has_unicode(console))


def has_unicode(console: Console) -> bool:
    """Return whether the terminal can show more than ASCII.

    In the locale C, Python writes UTF-8 and sets LC_CTYPE for its children, whatever the terminal can show.
    """
    names = [os.environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if not names[0] and names[1] == "C.UTF-8":
        names[1] = ""
    locale = next((name for name in names if name), "C").upper()
    return console.encoding.startswith("utf") and (sys.platform == "win32" or "UTF" in locale)


class Frame(NamedTuple):
    """A scene and the lines of text below it, which Rich can print."""

    lines: list[list[StyledSpan]]
    text: list[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the segments that Rich writes."""
        exact = console.color_system != "256"
        for spans in self.lines:
            yield from (Segment(span.text, style_of(span.foreground, span.background, exact)) for span in spans)
            yield Segment.line()
        for line in self.text:
            yield Segment(line[: options.max_width])
            yield Segment.line()


def wrap(parts: list[str], console: Console) -> list[str]:
    """Join parts of a status by dots, in lines that are as wide as the terminal."""
    dot = " · " if has_unicode(console) else " | "
    lines: list[str] = []
    for part in (part for part in parts if part):
        if lines and len(lines[-1]) + len(dot) + len(part) <= console.width:
            lines[-1] += dot + part
        else:
            lines.append(part)
    return lines


def make_frame(look: Scene | None, parts: list[str], console: Console, *, follow: bool = False) -> Frame:
    """Return a frame that fits on the terminal.

    Args:
        look: what is drawn; None for text alone.
        parts: of the status below it.
        console: the terminal.
        follow: draw the part of a large maze around the seeker, instead of all of it at a smaller scale.
    """
    text = wrap(parts, console)
    if look is None:
        return Frame([], text)
    # Three lines are kept free: for notes about the drawing, for log messages, and one between.
    scene: StyledText = draw_for_screen(look, screen_of(console, len(text) + 3), follow=follow)
    return Frame([*scene.lines, []], wrap([*parts, *scene.notes], console))


class RecordBuffer(logging.Handler):
    """Stores log records while the alternate screen is shown, for the handlers that would have printed them.

    Args:
        handlers: those of the logger.
        show: is called with the message of each record.
    """

    def __init__(self, handlers: list[logging.Handler], show: Callable[[str], None]) -> None:
        super().__init__()
        self.handlers, self.show = handlers, show
        self.stored: list[tuple[logging.Handler, logging.LogRecord]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Store a record, and show its message."""
        printing = [handler for handler in self.handlers if handler.filter(record)]
        self.stored += [(handler, record) for handler in printing]
        if printing:
            self.show(record.getMessage())


class AlternateScreen:
    """The alternate screen of a terminal, from the first frame until it is left.

    Args:
        console: the terminal.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._frame = Frame([], [])
        self._live: Live | None = None
        self._buffer: RecordBuffer | None = None

    def draw(self, frame: Frame) -> None:
        """Show a frame instead of the last one."""
        self._frame = frame
        if self._live is None:
            logger = logging.getLogger("clew")
            self._buffer = RecordBuffer(logger.handlers, self._show_message)
            logger.handlers = [self._buffer]
            # Rich's own thread would draw while kernels run, and its own streams would swallow what is printed.
            still = {"auto_refresh": False, "redirect_stdout": False, "redirect_stderr": False}
            self._live = Live(console=self.console, screen=True, **still)  # type: ignore[arg-type]  # a dict of its flags
            self._live.start()
        self._live.update(frame, refresh=True)

    def leave(self) -> None:
        """Restore the terminal, and print what was logged meanwhile."""
        if self._live is None or self._buffer is None:
            return
        live, self._live = self._live, None
        live.stop()
        logging.getLogger("clew").handlers = self._buffer.handlers
        for handler, record in self._buffer.stored:
            handler.emit(record)

    def leave_at_once(self) -> None:
        """Restore the terminal of a process that ends now; may be called in any thread, whatever the others do."""
        if self._live is not None:
            codes = f"{Control.alt_screen(False).segment.text}{Control.show_cursor(True).segment.text}"
            os.write(self.console.file.fileno(), codes.encode())

    def _show_message(self, message: str) -> None:
        """Show a log message below the last frame."""
        if self._live is not None:
            self._live.update(self._frame._replace(text=[*self._frame.text, message]), refresh=True)


# Values ---------------------------------------------------------------------------------------------------------------


def look_at(env: Environment, q: npt.NDArray[np.floating]) -> Scene:
    """Return what is drawn of action values: the maze with a value per cell, and its greedy actions as arrows.

    With a random goal the values are those of the goal of this episode. If a cell has several states (a robot with its
    headings), its value is that of the best one, and there are no arrows.

    Args:
        env: environment of the maze.
        q: (num_states, num_actions), action values.
    """
    maze, n = env.maze, env.maze.cells.size
    if env.random_goal:
        goal = env.goal
        maze = maze.with_ends(None, goal)
        first = (goal[0] * maze.columns + goal[1]) * n
        q = q[first : first + n]
    best = q.max(axis=1)
    greedy = q == best[:, None]
    values = np.fmax.reduce(np.where(greedy.all(axis=1), np.nan, best).reshape(-1, n), axis=0)  # of all headings
    values[(maze.cells.reshape(-1) & (BLOCKED | GOAL)) > 0] = np.nan
    has_arrows = greedy.shape[0] == n and env.moves.actions in (MOVES["four"].actions, MOVES["eight"].actions)
    return Scene(maze, values, greedy if has_arrows else None)


def optimal_steps(env: Any, gamma: float) -> float | None:
    """Return the mean steps of an optimal policy; None with gamma 0, or for a large, stochastic or unknown world."""
    world = as_compiled(env)
    if gamma == 0.0 or world is None or world.mdp.num_states > MAX_STATES or not world.mdp.is_deterministic:
        return None
    try:
        return solve(env, gamma=gamma).steps
    except ClewError:
        return None


class LearningView:
    """Draws values on standard error while they are learned, in a `with` block.

    Its methods `watch` and `show_round` are the arguments `watch` and `callback` of `train_run`.

    Args:
        config: of the training.
        maze: its maze or model, if it was made or read before.
    """

    def __init__(self, config: TrainingConfig, maze: Maze | FiniteMDP | None) -> None:
        self.console = Console(stderr=True)
        self.screen = AlternateScreen(self.console)
        self._config, self._maze = config, maze
        self._env: Any = None
        self._optimum: float | None = None
        self._q: npt.NDArray[np.float32] | None = None
        self._due = 0.0  # the clock before which no frame is drawn
        self._ends: deque[tuple[int, float]] = deque(maxlen=NUM_RECENT)  # rounds, and the clock when they ended

    def __enter__(self) -> Callback:
        if can_draw(self.console):
            self._prepare()
            first = "the first round is being played" if self._config.gamma < 1.0 else "planning, then the first round"
            try:
                self.screen.draw(make_frame(self._look(), [first], self.console))
            except BaseException:  # also Ctrl-C; __exit__ isn't called, since the block was not entered
                self.leave()
                raise
        return self.show_round

    def __exit__(self, *exception: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Restore the terminal."""
        self.screen.leave()

    def leave_at_once(self) -> None:
        """Restore the terminal of a process that ends now; may be called in any thread."""
        self.screen.leave_at_once()

    def watch(self, q: npt.NDArray[np.float32]) -> None:
        """Store a reference to the table of action values."""
        self._q = q

    def show_round(self, row: RoundMetrics) -> None:
        """Draw the values after a round, if the next frame is due.

        If the terminal can't be drawn on, write a line after the first round and after each tenth of the episodes.
        """
        begun = time.perf_counter()
        before = self._ends[-1][0] if self._ends else 0
        self._ends.append((row.num_ended, begun))
        if not can_draw(self.console):
            tenths = [num_ended * NUM_LINES // row.total_episodes for num_ended in (before, row.num_ended)]
            if before == 0 or tenths[1] > tenths[0]:
                self._prepare()
                sys.stderr.write(", ".join(self._status(row)) + "\n")
        elif begun >= self._due:
            self._prepare()
            self.screen.draw(make_frame(self._look(), self._status(row), self.console))
            now = time.perf_counter()
            self._due = now + max(1 / MAX_FRAME_RATE, REST * (now - begun))

    def _prepare(self) -> None:
        """Make the environment and find its optimum, on the first call."""
        if self._env is None:
            self._env = self._config.make_environment(self._maze)
            self._optimum = optimal_steps(self._env, self._config.gamma)

    def _look(self) -> Scene | None:
        """Return what is drawn; None if the world is not a maze, or has a random goal."""
        if not isinstance(self._env, Environment) or self._env.random_goal:
            return None
        return Scene(self._env.maze) if self._q is None else look_at(self._env, self._q)

    def _status(self, row: RoundMetrics) -> list[str]:
        """Return the parts of the status after a round."""
        best = "" if self._optimum is None else f", optimum {self._optimum:,.4g}"
        left = seconds_left(self._ends, row.total_episodes)
        is_many = isinstance(self._env, Environment) and self._env.random_goal and can_draw(self.console)
        return [
            f"{row.num_ended:,} of {row.total_episodes:,} episodes",
            f"{row.mean_steps:,.1f} steps per episode{best}",
            f"{row.terminated_rate:.0%} terminated",
            *([f"{left:,.0f} s left"] if left is not None else []),
            *(["values aren't drawn: they differ from one random goal to another"] if is_many else []),
        ]


# An episode ----------------------------------------------------------------------------------------------------------


def play_episode(env: Any, policy: Any, delay: float) -> list[Transition]:
    """Play a greedy episode and draw it on standard output, step by step; its last frame remains there.

    Args:
        env: environment, after a reset.
        policy: the policy.
        delay: seconds between two steps, on a terminal.

    Returns:
        The transitions of the episode.
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
    """Give a function that shows the current state of an episode, in a `with` block.

    Args:
        env: environment.
        policy: whose values are drawn.
        steps: transitions of the episode so far; the caller appends to them.
        console: the terminal.
        delay: seconds that the function waits.

    Yields:
        A function without arguments.
    """
    if not isinstance(env, Environment):
        yield lambda: print_step(env, steps)
        return
    if not can_draw(console):
        yield lambda: show(env.frame() + format_step(steps) + "\n")
        return
    look: Scene | None = None
    screen = AlternateScreen(console)

    def frame() -> Frame:
        nonlocal look
        look = (look or look_at(env, policy.q))._replace(seeker=env.position, heading=env.heading)
        return make_frame(look, [format_step(steps)], console, follow=True)

    def draw() -> None:
        size, until = (
            console.size,
            time.perf_counter() + delay,
        )  # read before drawing, so that no change of size is missed
        screen.draw(frame())
        while (left := until - time.perf_counter()) > 0:
            time.sleep(min(left, 1 / MAX_FRAME_RATE))
            if console.size != size:
                size = console.size
                screen.draw(frame())

    try:
        yield draw
    finally:
        screen.leave()
    console.print(frame(), end="")


def format_step(steps: list[Transition]) -> str:
    """Return "step N"."""
    return f"step {len(steps)}"


def print_step(env: Any, steps: list[Transition]) -> None:
    """Print the last step in a world that can't be drawn, with the names of states and actions if it has some."""
    if not steps:
        print(format_step(steps))
        return
    step, is_model = steps[-1], isinstance(env, ModelEnvironment)
    names = env.mdp.state_labels if is_model else None
    before, after = (s if names is None else names[s] for s in (step.state, step.next_state))
    action = env.actions[step.action] if is_model else step.action
    print(f"{format_step(steps)}: state {before}, action {action}, reward {step.reward:g}, next state {after}")
