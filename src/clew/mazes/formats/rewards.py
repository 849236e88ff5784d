"""Exits and rewards of cells: the lines below a maze in Clew's own text format.

...A           A blank line ends the drawing. Each line below it says what cells pay: a letter of the drawing, or a
.#.B           place `row,column` from 0; then `exit` or `reward`; then a number. A letter is any but S and G, or a
S.c.           digit. A place is needed for a cell that has another letter, such as the start.

A exit 1       An exit ends the episode; see `clew.Maze`.
B exit -1
c reward -0.5
2,0 reward 2
"""

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.mazes.formats.cells import Layout, Place
from clew.mazes.formats.lines import BLANKS, error_at

EXIT, REWARD = "exit", "reward"
LETTERS = {EXIT: "ABCDEFHIJKLMNOPQRTUVWXYZ", REWARD: "abcdefghijklmnopqrstuvwxyz"}  # used by the writer
# A blank line, then a line of three words, of which the first is a key.
BELOW = re.compile(rb"\n[ \t]*\n(?=[ \t]*(?:[!-~]|\d+,\d+)[ \t]+[A-Za-z]{2,}[ \t]+\S+[ \t]*(?:\n|\Z))")
LINE = re.compile(rb"[ \t]*(?:([A-FH-RT-Za-z0-9])|(\d{1,9}),(\d{1,9}))[ \t]+(exit|reward)[ \t]+(\S+)[ \t]*")
EXPECTED = "expected a letter or a place, exit or reward, and a number, such as 'A exit 1' or '2,0 reward -0.5'"


class RewardLine(NamedTuple):
    """A line below a maze: what the cells with a letter pay, or one cell."""

    letter: int | None  # as in the text
    place: Place | None  # instead of a letter
    kind: str  # EXIT or REWARD
    reward: float
    offset: int  # of the line in the text, for errors


def has_rewards(text: bytearray) -> bool:
    """Return whether a normalised text has lines about exits or rewards below the drawing of a maze."""
    return BELOW.search(text) is not None


def split_rewards(text: bytearray) -> tuple[bytearray, list[RewardLine]]:
    """Split a text into the drawing of a maze, and the lines below it about exits and rewards.

    Args:
        text: normalised text, not empty.

    Returns:
        The drawing, which is the text itself if nothing is below it; and the lines.

    Raises:
        MazeError: names line and column of a line that is invalid.
    """
    found = BELOW.search(text)
    if found is None:
        return text, []
    lines = []
    offset = found.end()
    for line in bytes(text[offset:]).split(b"\n"):
        if line.strip():
            lines.append(_parse_line(line, text, offset))
        offset += len(line) + 1
    return text[: found.start()].rstrip(BLANKS) + b"\n", lines


def _parse_line(line: bytes, text: bytearray, offset: int) -> RewardLine:
    """Parse a line that begins at an offset of a text."""
    match = LINE.fullmatch(line)
    try:
        reward = float(match[5]) if match and b"_" not in match[5] else None
    except ValueError:
        reward = None
    if match is None or reward is None:
        raise error_at(EXPECTED, text, offset)
    place = None if match[1] else (int(match[2]), int(match[3]))
    return RewardLine(match[1][0] if match[1] else None, place, match[4].decode(), reward, offset)


def place_rewards(layout: Layout, lines: list[RewardLine], drawing: bytearray, text: bytearray) -> Layout:
    """Return a layout with the exits and rewards that some lines give to its cells.

    Args:
        layout: the cells and the start of the drawing.
        lines: of `split_rewards`.
        drawing: the drawing.
        text: all of the text, for errors.

    Raises:
        MazeError: names line and column of a letter that no cell has, and of a line about a cell that has one already.
    """
    grid = np.frombuffer(drawing, np.uint8).reshape(-1, drawing.find(b"\n") + 1)
    letters = grid[1::2, 2::4] if drawing.startswith(b"+") else grid[:, :-1]

    def cells_with(letter: int | None) -> list[Place]:
        return [(row, column) for row, column in np.argwhere(letters == letter).tolist()]

    rewards: dict[str, dict[Place, float]] = {EXIT: {}, REWARD: {}}
    for line in lines:
        places = [line.place] if line.place is not None else cells_with(line.letter)
        if not places:
            raise error_at(f"no cell has the letter {chr(line.letter or 0)}", text, line.offset)
        for place in places:
            if place in rewards[EXIT] or place in rewards[REWARD]:
                raise error_at(f"the cell {place} has an exit or a reward already", text, line.offset)
            rewards[line.kind][place] = line.reward
    return layout._replace(exits=rewards[EXIT], cell_rewards=rewards[REWARD])


def name_rewards(layout: Layout, letters: npt.NDArray[np.uint8]) -> list[str]:
    """Return the lines about exits and rewards of a maze, and put the letters that they name into its drawing.

    Cells that pay the same share a letter. A cell whose letter is taken, such as the start, is named by its place; so
    are all that are left when there are no more letters.

    Args:
        layout: the maze.
        letters: (rows, columns), letter of each cell, changed in place.
    """
    lines = []
    for kind, rewards, plain in ((EXIT, layout.exits, "G"), (REWARD, layout.cell_rewards, ".")):
        names = iter(LETTERS[kind])
        by_reward: dict[float, list[Place]] = {}
        for place, reward in rewards.items():
            by_reward.setdefault(reward, []).append(place)
        for reward, places in by_reward.items():
            meaning = f"{kind} {format_reward(reward)}"
            is_plain = {place: letters[place] == ord(plain) for place in places}
            name = next(names, None) if any(is_plain.values()) else None
            if name is not None:
                lines.append(f"{name} {meaning}")
            for place in places:
                if name is not None and is_plain[place]:
                    letters[place] = ord(name)
                else:
                    lines.append(f"{place[0]},{place[1]} {meaning}")
    return lines


def format_reward(reward: float) -> str:
    """Return a reward as the shortest text that means the same number, such as "1" or "-0.5"."""
    return repr(reward).removesuffix(".0")
