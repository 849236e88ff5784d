"""Painting: changes of single cells of a maze."""

from types import MappingProxyType
from typing import Any

import numpy as np

from clew.errors import SettingError
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD
from clew.mazes.formats import Layout, add_implied_walls, check_place, error_in_cells, remove_walls_around
from clew.settings import check_choice, check_number

CELL_KINDS = MappingProxyType(  # kind of a cell -> its bit
    {"free": 0, "wall": BLOCKED, "hazard": HAZARD, "goal": GOAL, "start": 0, "exit": GOAL, "reward": 0}
)
KINDS_WITH_REWARD = ("exit", "reward")


def paint_cells(layout: Layout, places: list[Any], kind: str, reward: float | None) -> Layout:
    """Return a layout with cells of another kind at given places; see `Maze.painted`.

    Raises:
        MazeError: if a place is outside, or the start would become something else than a free cell.
        SettingError: if the kind is unknown, or a reward is missing, not a finite number, or has no effect.
    """
    check_choice("kind", kind, CELL_KINDS)
    if (reward is not None) != (kind in KINDS_WITH_REWARD):
        raise SettingError(
            f"has no effect on {kind!r}" if reward is not None else f"must be given for {kind!r}", setting="reward"
        )
    if reward is not None:
        check_number("reward", reward, single=True)
    cells, start = layout.cells.copy(), layout.start
    exits, cell_rewards = dict(layout.exits), dict(layout.cell_rewards)
    for place in places[-1:] if kind == "start" else places:
        row, column = check_place("place", place, *cells.shape)
        was_blocked = bool(cells[row, column] & BLOCKED)
        cells[row, column] &= ~np.uint8(BLOCKED | HAZARD | GOAL)
        cells[row, column] |= CELL_KINDS[kind]
        exits.pop((row, column), None)
        if kind != "start":
            cell_rewards.pop((row, column), None)
        if reward is not None:
            (exits if kind == "exit" else cell_rewards)[row, column] = reward
        if was_blocked and kind != "wall":
            remove_walls_around(cells, row, column)
        if kind == "start":
            start = row, column
        elif start == (row, column) and kind not in ("free", "reward"):
            raise error_in_cells(
                f"the start {start} can't become {'an exit' if kind == 'exit' else f'a {kind}'}; move the start first",
                layout.cells,
                start,
            )
    return Layout(add_implied_walls(cells), start, exits, cell_rewards)
