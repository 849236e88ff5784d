"""What is drawn of a playground, as bytes: a header in JSON, its length before it, then arrays, a byte a cell.

`canvas.js` reads them. Values have become shades here, so that the page holds no rule of what is drawn how.
"""

import functools
import json
import struct
from typing import NamedTuple

import numpy as np

from clew.kernels.dynamics import BLOCKED, GOAL
from clew.mazes import MOVES
from clew.rendering.colours import ValueScale
from clew.web.playground import Playground, greedy_path

__all__ = ["NOTHING", "Frame", "pack"]

ARROWED = MOVES["four"].actions, MOVES["eight"].actions  # a knight's leaps have no arrows
NOTHING = 0  # the shade of a cell that nothing is known of; the others are 1, pale, to 255, deep


class Frame(NamedTuple):
    """What is drawn, and the scale of its shades."""

    data: bytes
    scale: ValueScale


def pack(playground: Playground, show: str, has_maze: int, *, with_arrows: bool = True) -> Frame:
    """A frame.

    Args:
        playground: is only looked at; it may learn meanwhile.
        show: `values` or `updates`.
        has_maze: number of the maze that the browser has; its cells come along only if it is another one.
        with_arrows: cells are large enough for arrows.
    """
    world = playground.world  # once: it may be replaced meanwhile
    maze, trainer = world.env.maze, world.trainer
    q = trainer.policy.q.copy()  # it changes meanwhile, and what is drawn must belong together
    is_open = ((maze.cells & (BLOCKED | GOAL)) == 0).reshape(-1)
    columns = list(q.T)  # column by column, which is several times faster than along short rows
    best = functools.reduce(np.maximum, columns)
    told_apart = is_open & (functools.reduce(np.minimum, columns) < best)  # where all actions tie nothing was learned
    numbers, known = (best, told_apart) if show == "values" else (trainer.updates, is_open & (trainer.updates > 0))
    shown = numbers[known].astype(np.float64)
    scale = ValueScale.of(shown)
    shades = np.full(best.size, NOTHING, np.uint8)
    shades[known] = 1.5 + 254 * scale.normalise(shown)
    arrays = {"shades": shades}
    if with_arrows and world.env.moves.actions in ARROWED:
        arrows = np.packbits(q == best[:, None], axis=1, bitorder="little")[:, 0]
        arrows[~told_apart] = 0
        arrays["arrows"] = arrows
    if world.number != has_maze:
        arrays["cells"] = maze.cells.reshape(-1)
    header = {
        "version": playground.version,
        "maze": world.number,
        "rows": maze.rows,
        "columns": maze.columns,
        "start": None if maze.start is None else maze.start[0] * maze.columns + maze.start[1],
        "seeker": playground.seeker,
        "path": greedy_path(world.env, q, told_apart),
        "optimal": world.optimal_path,
        "episodes": trainer.num_ended,
        "steps": playground.num_steps,
        "arrays": [[name, int(array.size)] for name, array in arrays.items()],
    }
    head = json.dumps(header).encode()
    return Frame(struct.pack("<I", len(head)) + head + b"".join(each.tobytes() for each in arrays.values()), scale)
