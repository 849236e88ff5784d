"""Mazes in `.txt` files of any common form, which is recognised by the content.

The form is the first of these that applies:

    lines of rewards below      Clew's own form; see `clew.mazes.formats.rewards`
    + or o- comes first         walls between cells, in Clew's own form or that of micromouse, with unknown walls
    `type`, `height`, `width`   a map of MovingAI's benchmark; the first line may also be `map`
    a %                         a layout of the Pac-Man projects
    only S, F, H and G          a map of FrozenLake, with an F or an H
    only digits                 1 is a blocked cell and 0 a free one; there is neither start nor goal. Blanks, tabs,
                                commas or semicolons may stand between the digits: between all of them, or none
    # with blanks               # is a blocked cell and a blank a free one; S is the start, E and G are goals. If lines
                                differ in length, blanks at their ends and blank lines around the maze are ignored
    # with E                    the same, but a dot is a free cell, and a blank isn't allowed

Any other text is in Clew's own form.
"""

import io
import re

from clew.errors import SettingError
from clew.kernels.dynamics import GOAL
from clew.mazes.formats.cells import Layout
from clew.mazes.formats.lines import error_at, normalise_lines, read_text
from clew.mazes.formats.lists import parse_lists
from clew.mazes.formats.movingai import parse_map
from clew.mazes.formats.own import LEGEND, WALLED, parse_text
from clew.mazes.formats.pacman import parse_lay
from clew.mazes.formats.plain import check_letters, letter_table, parse_plain, parse_ragged
from clew.mazes.formats.rewards import has_rewards
from clew.mazes.formats.walled import parse_walled

EITHER_WALLED = WALLED._replace(posts=b"+o", has_unknown=True)  # what the two forms share has one meaning
BLANK_FLOOR = letter_table(b" #?GS")
DOT_FLOOR = letter_table(b".#?GS")
BLANK_FLOOR[ord("E")] = DOT_FLOOR[ord("E")] = GOAL
SEPARATORS = b" \t,;"
DIGITS = letter_table(b"01???")
SEPARATED_DIGITS = letter_table(b"01???", free=SEPARATORS)


def parse_any_text(data: bytes | bytearray, unknown_walls: str = "wall") -> Layout:
    """Read a maze from a text in one of the forms above.

    Args:
        data: contents of the file.
        unknown_walls: `wall` or `open`: how unknown walls between cells are read.

    Raises:
        MazeError: names line and column (from 1) of what is invalid, and draws the place. Where lines of digits differ
            in length, columns count digits without their separators.
        SettingError: if `unknown_walls` is `open`, and the text has no walls between cells.
    """
    text = read_text(data, LEGEND, blanks=b"\r\n")
    if text.startswith((b"+", b"o-")) and not has_rewards(text):
        return parse_walled(normalise_lines(text), EITHER_WALLED._replace(unknown_is_wall=unknown_walls == "wall"))
    if unknown_walls == "open":
        raise SettingError("has no effect on this file, which has no unknown walls", setting="unknown_walls")
    if has_rewards(text):
        return parse_text(text)
    used = {byte for byte in range(128) if byte in text}
    if text.startswith((b"type ", b"map\n", b"height ", b"width ")):
        return parse_map(text)
    if ord("%") in used:
        return parse_lay(text)
    if used <= set(b"SFHG \n") and used & set(b"FH"):
        return parse_lists(normalise_lines(text).decode().splitlines())
    if used <= set(b"0123456789\n" + SEPARATORS) and used & set(b"0123456789"):
        return _parse_digits(normalise_lines(text))
    if used <= set(b"# .SEG\n") and ord("#") in used and used & set(b" E"):
        if ord(".") in used:
            return parse_plain(normalise_lines(text), DOT_FLOOR, b"S", "a cell is one of . # S E G")
        return parse_ragged(_without_blank_ends(text), BLANK_FLOOR, b"S")
    return parse_text(text)


def _parse_digits(text: bytearray) -> Layout:
    check_letters(text, 0, SEPARATED_DIGITS, "a cell is 0 or 1")
    together = re.search(rb"[01][01]", text)
    if together and re.search(rb"[01][ \t,;]+[01]", text):
        raise error_at("separators must stand between all digits, or between none", text, together.start() + 1)
    return parse_plain(text.translate(None, SEPARATORS), DIGITS, b"S", "a cell is 0 or 1")


def _without_blank_ends(text: bytearray) -> bytearray:
    """Return a text without blanks at the ends of lines and blank lines around it, if its lines differ in length."""
    if text[text.find(b"\n") :: text.find(b"\n") + 1] == b"\n" * text.count(b"\n"):
        return text
    kept = bytearray()
    for line in io.BytesIO(text):
        kept += line.rstrip(b" \n") + b"\n"
    return kept.strip(b"\n") + b"\n"
