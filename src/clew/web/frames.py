"""Encode a playground as the bytes that `canvas.js` draws.

A frame is the length of a header in four bytes (little-endian), the header as JSON, then arrays with one byte per
cell. Values are sent as shades of colour, so that only Python decides which value has which shade.
"""

import json
import struct
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.mazes import MOVES
from clew.rendering.colours import ValueScale
from clew.rendering.rewards import reward_label
from clew.web.layers import LAYERS, Learned
from clew.web.playground import Playground
from clew.web.worlds import greedy_path

WITH_ARROWS = MOVES["four"].actions, MOVES["eight"].actions  # a knight's moves are not drawn as arrows
MAX_NUMBERED = 400  # cells whose action values are sent as text; those of more would be too small to hold it
UNKNOWN_SHADE = 0  # of cells where nothing was learned; the others have 1, pale, to 255, deep


class Frame(NamedTuple):
    """An encoded frame, and the scale from numbers to its shades, None if no number is known."""

    data: bytes
    scale: ValueScale | None


def pack_frame(playground: Playground, show: str, maze_number: int, *, with_arrows: bool = True) -> Frame:
    """Encode what a playground shows now.

    Args:
        playground: read-only here; it may learn meanwhile.
        show: layer, a row of `LAYERS`. With "actions", frames with arrows also have the shade of each action value, on
            the scale on which cells too small for triangles are shaded, and their text where the maze has few cells.
        maze_number: number of the world whose cells the browser has; the frame has cells only if it is another one.
            Exits and rewards of cells come with them, as pairs of a cell and a text.
        with_arrows: True adds the greedy actions of each cell, as bits.
    """
    world = playground.world  # read once: another thread may replace it
    maze, trainer = world.env.maze, world.trainer
    learned = Learned.of(world)  # once: learning goes on, and all parts of a frame must agree
    q, is_known = learned.q, learned.is_known
    numbers, known = LAYERS[show][0](learned)
    is_split = with_arrows and show == "actions" and world.env.moves.actions == MOVES["four"].actions
    scale = find_scale(q[is_known] if is_split else numbers[known])
    arrays = {"shades": shade(numbers, known, scale)}
    if with_arrows and world.env.moves.actions in WITH_ARROWS:
        is_greedy = (q == learned.best[:, None]) & is_known[:, None]
        arrays["arrows"] = np.packbits(is_greedy, axis=1, bitorder="little")[:, 0]
    header: dict[str, Any] = {}
    if is_split:
        values, known = q.reshape(-1), np.repeat(is_known, 4)
        arrays["triangles"] = shade(values, known, scale)
        if len(q) <= MAX_NUMBERED:
            header["numbers"] = [format_value(float(values[i])) if known[i] else "" for i in range(values.size)]
    if world.number != maze_number:
        arrays["cells"] = maze.cells.reshape(-1)
        for name, rewards in (("exits", maze.exits), ("cell_rewards", maze.cell_rewards)):
            header[name] = [
                [row * maze.columns + column, reward_label(each)] for (row, column), each in rewards.items()
            ]
    header |= {
        "version": playground.version,
        "maze": world.number,
        "rows": maze.rows,
        "columns": maze.columns,
        "start": None if maze.start is None else maze.start[0] * maze.columns + maze.start[1],
        "seeker": playground.seeker,
        "updated": step.explanation.state if (step := playground.last_step) and step.explanation else None,
        "greedy_path": greedy_path(world.env, q, is_known),
        "optimal_path": world.optimal_path,
        "episodes": trainer.num_ended,
        "steps": playground.num_steps,
        "arrays": [[name, int(array.size)] for name, array in arrays.items()],
    }
    head = json.dumps(header).encode()
    return Frame(struct.pack("<I", len(head)) + head + b"".join(each.tobytes() for each in arrays.values()), scale)


def find_scale(shown: npt.NDArray[Any]) -> ValueScale | None:
    """Return the scale of the numbers that are shown; None if there are none."""
    return ValueScale.of(shown.astype(np.float64)) if shown.size else None


def shade(numbers: npt.NDArray[Any], known: npt.NDArray[np.bool_], scale: ValueScale | None) -> npt.NDArray[np.uint8]:
    """Return the shade of each number on a scale, `UNKNOWN_SHADE` where it is not known; without a scale none is."""
    shades = np.full(numbers.size, UNKNOWN_SHADE, np.uint8)
    if scale is not None:
        shades[known] = 1.5 + 254 * scale.normalise(numbers[known])
    return shades


def format_value(value: float) -> str:
    """Return a value in a few characters: two digits after the point, or a power of ten if it is small or large."""
    if 0.005 <= abs(value) < 1000.0:
        return f"{value:.2f}"
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    return "0" if value == 0.0 else f"{mantissa}e{int(exponent)}"
