"""What the command line draws on a terminal: driven in pseudo-terminals, and in tmux where there is one."""

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from clew.cli.live import AlternateScreen, Frame
from clew.cli.waiting import WaitingLine
from clew.learning.metrics import RoundMetrics
from clew.rendering.screen import StyledSpan

fcntl = pytest.importorskip("fcntl", reason="needs pseudo-terminals")

BEGIN, END, SHOWN, HOME = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[H"
HIDDEN = b"\x1b[?25l"
PLAIN = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", "LC_ALL": "", "NO_COLOR": ""}
LONG = ("--simulations", "1", "--episodes", "100000000")
SIZES = pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=["80x24", "200x60"])


class Terminal:
    """A pseudo-terminal with a command in it."""

    def __init__(self, size: tuple[int, int], arguments: tuple[str, ...], **env: str) -> None:
        self.master, slave = os.openpty()
        self.resize(*size)
        line = [sys.executable, "-m", "clew", *arguments]
        # What tells the size is the terminal: pytest's workers are told another, by these.
        given = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(line, stdin=slave, stdout=slave, stderr=slave, env={**given, **PLAIN, **env})
        os.close(slave)
        self.output = b""

    def resize(self, columns: int, rows: int) -> None:
        import struct
        import termios

        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, seen: Callable[[bytes], bool]) -> None:
        """Read until the output is as it should be; its end is an error."""
        while not seen(self.output):
            self.output += os.read(self.master, 1 << 16)

    def finish(self) -> int:
        """Read to the end; gives the exit code."""
        while True:
            try:
                chunk = os.read(self.master, 1 << 16)
            except OSError:  # as Linux says it
                chunk = b""
            if not chunk:
                return self.process.wait()
            self.output += chunk

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    @property
    def frames(self) -> list[list[str]]:
        """The lines of each frame on the alternate screen, without their colours."""
        screen = self.output.partition(BEGIN)[2].partition(END)[0].replace(HIDDEN, b"").replace(SHOWN, b"")
        texts = [re.sub(rb"\x1b\[[\d;]*m", b"", part).decode() for part in screen.split(HOME)]
        return [text.split("\r\n") for text in texts if text]

    @property
    def after(self) -> str:
        """What came after the screen was left."""
        return re.sub(rb"\x1b\[[\d;]*m", b"", self.output.partition(END)[2]).decode()


@pytest.fixture
def terminal(ctrl_c: None) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(size: tuple[int, int], *arguments: str, **env: str) -> Terminal:
        opened.append(Terminal(size, arguments, **env))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("runs") / "run"
    subprocess.run([sys.executable, "-m", "clew", "train", "--out", str(folder)], check=True, capture_output=True)
    return str(folder)


def left_as_it_was(output: bytes) -> bool:
    """Tell if the alternate screen was entered once and left once, and then the cursor was there."""
    codes = re.findall(rb"\x1b\[\?\d+[hl]", output)
    return codes == [BEGIN, HIDDEN, SHOWN, END]


def test_the_line_names_the_planning_before_learning() -> None:
    line = WaitingLine("learning", 20, first="planning, then learning")
    assert re.fullmatch(r"0:0\d so far", line.status)
    line.show_round(RoundMetrics.from_totals(0, 10, (100.0, 10.0, 5.0), 0.0, num_ended=10, total_episodes=20))
    assert re.fullmatch(r"10 of 20 episodes, 0:0\d so far", line.status)
    assert WaitingLine("learning", 20).status.startswith("0 of 20 episodes")


# Learning that is watched ---------------------------------------------------------------------------------------------


@SIZES
def test_learning_is_drawn_on_the_whole_screen_which_is_left_as_it_was(
    terminal: Callable[..., Terminal], size: tuple[int, int]
) -> None:
    shell = terminal(size, "train", "--watch")
    assert shell.finish() == 0
    assert left_as_it_was(shell.output)
    columns, rows = size
    for frame in shell.frames:
        assert [len(line) for line in frame] == [columns] * rows
    assert "the first round is being played" in "".join(shell.frames[0])
    last = "".join(shell.frames[-1])
    assert re.search(r"[\d,]+ of 10,000 episodes · [\d.]+ steps per episode, optimum 8", last)
    assert re.search(r"pale <?= 0\.\d+, deep = 1", last)
    assert "→" in last
    assert b"\x1b[38;2;253;252;249;48;2;12;74;78mG" in shell.output
    assert shell.after.startswith("book: q-learning, 10,000 episodes")
    assert "table sha256" in shell.after


def test_without_colour_there_are_arrows_and_no_colour(terminal: Callable[..., Terminal]) -> None:
    shell = terminal((80, 24), "train", "--watch", NO_COLOR="1")
    assert shell.finish() == 0
    assert left_as_it_was(shell.output)
    assert shell.frames[-1][0].startswith("S ")  # a pair of characters: tiles would be blank
    assert "→" in "".join(shell.frames[-1])
    assert not re.search(rb"\x1b\[[\d;]*m", shell.output.partition(END)[0])


def test_without_unicode_there_is_ascii(terminal: Callable[..., Terminal]) -> None:
    shell = terminal((80, 24), "train", "wilson:3x4:seed=1", "--random-start", "--watch", LANG="C")
    assert shell.finish() == 0
    drawing = "\n".join(shell.frames[-1])
    assert drawing.isascii()
    assert drawing.startswith("+---+")
    assert {"v", ">", "|", "G"} <= set(drawing)
    assert " | " in drawing.partition(" episodes ")[2]


def test_of_256_colours_those_are_taken_that_are_one_ramp(terminal: Callable[..., Terminal], run: str) -> None:
    """Red, the goal's dark cyan, and values in one hue."""
    shell = terminal((80, 24), "play", run, "--delay", "0", COLORTERM="")
    assert shell.finish() == 0
    assert set(re.findall(rb"48;5;(\d+)m", shell.output)) == {
        b"160",
        b"23",
        b"231",
        b"255",
        b"152",
        b"109",
        b"73",
        b"30",
    }
    assert b"38;5;236;" in shell.output
    assert b"38;2;" not in shell.output


@pytest.mark.parametrize("line", [("train", "--watch"), ("play",)], ids=["watch", "play"])
def test_a_dumb_terminal_gets_plain_lines(terminal: Callable[..., Terminal], run: str, line: tuple[str, ...]) -> None:
    shell = terminal((80, 24), *line, *([run, "--delay", "0"] if line == ("play",) else []), TERM="dumb")
    assert shell.finish() == 0
    assert b"\x1b" not in shell.output
    lines = shell.output.decode().splitlines()
    if line == ("play",):
        assert lines[-2:] == ["step 8", "reached the goal in 8 steps"]
    else:
        said = [each for each in lines if " of 10,000 episodes, " in each]
        assert len(said) == 11
        assert said[0].startswith("100 of ")
        assert said[-1].startswith("10,000 of ")
        assert ", optimum 8, 100% terminated, 0 s left" in said[-1]


def test_json_is_alone_on_standard_output(clew: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = clew("train", "--watch", "--json", "--random-goal")
    assert code == 0
    assert json.loads(out)["num_states"] == 625
    assert len([line for line in err.splitlines() if " of 10,000 episodes, " in line]) == 11
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("book --random-goal", "values aren't drawn: they differ from one random goal to another"),
        ("gym:FrozenLake-v1 --episodes 1000", "steps per episode"),
        ("5x5 --moves robot", "deep = 1"),
        ("book --simulations 4", "optimum 8"),
    ],
)
def test_every_world_can_be_watched(terminal: Callable[..., Terminal], line: str, said: str) -> None:
    shell = terminal((120, 30), "train", *line.split(), "--watch")
    assert shell.finish() == 0
    assert left_as_it_was(shell.output)
    assert said in "".join(shell.frames[-1])


def test_an_error_leaves_the_screen_as_it_was(terminal: Callable[..., Terminal]) -> None:
    shell = terminal((80, 24), "train", "3x3", "--step-reward", "3e38", "--gamma", "0.99", "--watch")
    assert shell.finish() == 2
    assert left_as_it_was(shell.output)
    assert shell.after.startswith("clew: the action values became too large for float32")


def test_ctrl_c_leaves_the_screen_as_it_was(terminal: Callable[..., Terminal]) -> None:
    shell = terminal((80, 24), "train", "--watch", *LONG)
    shell.read_until(lambda output: b" episodes" in output.partition(b"played")[2])
    shell.process.send_signal(signal.SIGINT)
    assert shell.finish() == 130
    assert left_as_it_was(shell.output)
    assert shell.after == "clew: stopped\r\n"


def test_ctrl_c_keeps_a_checkpoint_with_which_it_goes_on(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    shell = terminal((80, 24), "train", "--watch", *LONG, "--out", str(tmp_path / "run"))
    shell.read_until(lambda output: b" episodes" in output.partition(b"played")[2])
    shell.process.send_signal(signal.SIGINT)
    assert shell.finish() == 130
    assert left_as_it_was(shell.output)
    assert "finishing this piece of work so that nothing is lost; press Ctrl-C again to quit" in shell.after
    assert "stopped; go on with `clew train --resume" in shell.after
    again = terminal((80, 24), "train", "--watch", "--resume", str(tmp_path / "run"))
    again.read_until(lambda output: b" episodes" in output.partition(b"played")[2])
    again.process.send_signal(signal.SIGINT)
    assert again.finish() == 130
    assert left_as_it_was(again.output)


# What takes long ------------------------------------------------------------------------------------------------------

HOURS = "train", "100x100", "--episodes", "100000000", "--simulations", "2", "--sync-every", "never"  # in one piece


def test_after_two_seconds_a_line_says_how_far_it_is_and_ctrl_c_takes_it_away(
    terminal: Callable[..., Terminal],
) -> None:
    """In the middle of a kernel, where nothing is kept: Python itself would answer when the kernel has ended."""
    shell = terminal((80, 24), *HOURS)
    shell.read_until(lambda output: b"0:03 so far" in output)
    assert b"learning" in shell.output
    assert b"0 of 100,000,000 episodes" in shell.output
    assert b"\n" not in shell.output.rpartition(HIDDEN)[2]  # before it may stand that kernels are compiled
    shell.process.send_signal(signal.SIGINT)
    assert shell.finish() == 130
    assert shell.output.endswith(b"\r\x1b[2K" + SHOWN + b"clew: stopped\r\n")


def test_ctrl_c_is_answered_while_a_piece_of_work_is_finished(
    terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    shell = terminal((120, 24), *HOURS, "--out", str(tmp_path / "run"))
    shell.read_until(lambda output: b"0:03 so far" in output)
    shell.process.send_signal(signal.SIGINT)
    shell.read_until(lambda output: b"so that nothing is lost; press Ctrl-C again to quit now" in output)
    shell.process.send_signal(signal.SIGINT)
    assert shell.finish() == 130
    assert shell.output.endswith(SHOWN + b"clew: ended at once\r\n")


def test_short_work_has_no_line(terminal: Callable[..., Terminal]) -> None:
    shell = terminal((80, 24), "train")
    assert shell.finish() == 0
    assert b"learning" not in shell.output.replace(b"q-learning", b"")
    assert SHOWN not in shell.output


def test_a_line_is_gone_in_the_end_changes_no_bit_and_is_not_there_where_it_cannot_be_drawn(
    terminal: Callable[..., Terminal],
) -> None:
    line = "train", "gym:Blackjack-v1", "--episodes", "100000", "--alpha", "0.01"
    seen, plain = terminal((120, 24), *line), terminal((120, 24), *line, TERM="dumb")
    assert seen.finish() == plain.finish() == 0
    assert re.search(rb"[\d,]+ of 100,000 episodes, 0:\d\d left", seen.output)
    assert b"\x1b[2K" in seen.output.rpartition(b" left")[2].partition(b"gym:Blackjack-v1: ")[0]
    assert b"learning " not in plain.output.replace(b"q-learning", b"")
    tables = [re.findall(rb"[\da-f]{64}", shell.output) for shell in (seen, plain)]
    assert tables[0] == tables[1] != []


def test_a_hash_that_would_be_broken_has_a_line_of_its_own(terminal: Callable[..., Terminal], run: str) -> None:
    for columns, row in ((80, r"table sha256\n[\da-f]{64}\n"), (120, r"table sha256 +[\da-f]{64}\n")):
        shell = terminal((columns, 24), "evaluate", run)
        assert shell.finish() == 0
        assert re.search(row, re.sub(rb"\x1b\[[\d;]*m|\r", b"", shell.output).decode())


# A seeker that walks --------------------------------------------------------------------------------------------------


@SIZES
def test_a_seeker_walks_and_its_last_frame_stays(
    terminal: Callable[..., Terminal], run: str, size: tuple[int, int]
) -> None:
    shell = terminal(size, "play", run, "--delay", "0")
    assert shell.finish() == 0
    assert left_as_it_was(shell.output)
    assert len(shell.frames) == 9
    for number, frame in enumerate(shell.frames):
        assert [len(line) for line in frame] == [size[0]] * size[1]
        assert f"step {number} " in "".join(frame)
        assert "".join(frame).count("●") == 1
    lines = shell.after.splitlines()
    assert lines[-1] == "reached the goal in 8 steps"
    assert lines[-2].startswith("step 8")
    assert sum("●" in line for line in lines) == 1


def test_a_change_of_size_is_followed_between_two_steps(terminal: Callable[..., Terminal], run: str) -> None:
    shell = terminal((80, 24), "play", run, "--delay", "60")
    shell.read_until(lambda output: b"step 0" in output)
    shell.resize(30, 9)
    shell.read_until(lambda output: output.count(b"step 0") == 2)
    shell.process.send_signal(signal.SIGINT)
    assert shell.finish() == 130
    assert left_as_it_was(shell.output)
    assert [len(line) for line in shell.frames[-1]] == [30] * 9
    assert shell.frames[0][1].startswith("   ●      ↓")
    assert shell.frames[-1][0].startswith("● ↓")


@SIZES
@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_in_tmux_what_was_on_the_screen_is_there_again(run: str, size: tuple[int, int], tmp_path: Path) -> None:
    tmux = ["tmux", "-S", str(tmp_path / "socket"), "-f", "/dev/null"]
    clew, done = f"{sys.executable} -m clew", " ".join([*tmux, "wait-for", "-S", "end"])
    script = f"echo before; {clew} train --watch >/dev/null; {clew} play {run} --delay 0; {done}; cat"
    begin = ["new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), script]
    try:
        subprocess.run([*tmux, *begin], check=True, env={**os.environ, **PLAIN})
        subprocess.run([*tmux, "wait-for", "end"], check=True, timeout=120)
        capture = [*tmux, "capture-pane", "-p"]
        shown = [line for line in subprocess.check_output(capture, text=True).split("\n") if line]
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)
    assert shown[0] == "before"
    assert shown[-1] == "reached the goal in 8 steps"
    assert sum("●" in line for line in shown) == 1
    assert len(shown) == 8  # of the maze five lines aren't blank


# The screen -----------------------------------------------------------------------------------------------------------


def test_what_is_logged_is_said_below_the_frame_and_again_when_the_screen_is_left() -> None:
    master, slave = os.openpty()
    said: list[str] = []

    class Said(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, handler = logging.getLogger("clew"), Said()
    logger.addHandler(handler)
    with os.fdopen(slave, "w") as file:
        canvas = AlternateScreen(Console(file=file, force_terminal=True, width=20, height=3))
        canvas.draw(Frame([[StyledSpan("maze", -1, -1)]], ["step"]))
        logger.warning("an actor was lost")
        assert said == []
        canvas.leave()
        output = b""
        while END not in output:
            output += os.read(master, 1 << 16)
        assert b"an actor was lost" in output
        assert output.endswith(SHOWN + END)
        assert said == ["an actor was lost"]
        assert handler in logger.handlers
    logger.removeHandler(handler)
    os.close(master)


def test_the_screen_can_be_left_at_once() -> None:
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as file:
        canvas = AlternateScreen(Console(file=file, force_terminal=True, width=20, height=3))
        canvas.leave_at_once()  # there is nothing to leave
        canvas.draw(Frame([], ["step"]))
        canvas.leave_at_once()
        output = b""
        while SHOWN not in output:
            output += os.read(master, 1 << 16)
        assert output.startswith(BEGIN)
        assert output.endswith(END + SHOWN)
        canvas.leave()
    os.close(master)
