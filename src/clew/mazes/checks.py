"""Checks of places in a maze, and of exits and rewards of cells."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import MazeError, SettingError
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD
from clew.mazes.formats import Place, check_place, error_in_cells
from clew.settings import check_number, check_type

Cells = npt.NDArray[np.uint8]


def check_enterable(name: str, place: Place, cells: Cells) -> Place:
    """Return a place as Python integers, after checking that it is inside a maze and not blocked.

    Args:
        name: name of the place in errors, such as "goal".
        place: (row, column).
        cells: (rows, columns), as in `Maze`.

    Raises:
        MazeError: if it is outside, or blocked.
    """
    row, column = check_place(name, place, *cells.shape)
    if cells[row, column] & BLOCKED:
        raise error_in_cells(f"the {name} ({row}, {column}) is in a blocked cell", cells, (row, column))
    return row, column


def check_exits(exits: Any, cells: Cells) -> Mapping[Place, float]:
    """Return the exits of a maze, sorted and read-only.

    Raises:
        MazeError: if they aren't a mapping, one is outside, blocked or on a hazard, or its reward is not a finite
            number.
    """
    return _check_rewards("exits", "exit", exits, cells, (HAZARD, "a hazard"))


def check_cell_rewards(cell_rewards: Any, cells: Cells) -> Mapping[Place, float]:
    """Return the rewards of cells, sorted and read-only.

    Raises:
        MazeError: if they aren't a mapping, or one is outside, blocked, on a goal or exit, or not a finite number.
    """
    return _check_rewards("cell_rewards", "cell reward", cell_rewards, cells, (GOAL, "a goal; make that an exit"))


def _check_rewards(
    setting: str, name: str, rewards: Any, cells: Cells, refused: tuple[int, str]
) -> Mapping[Place, float]:
    """Return rewards by place, sorted and read-only; `refused` is a bit of cells that can't have one, and its name."""
    checked = {}
    bit, kind = refused
    try:
        check_type(setting, rewards, Mapping, "a dict from (row, column) to a reward")
        for given, reward in rewards.items():
            place = check_enterable(name, given, cells)
            check_number(f"the {name} at {place}", reward, single=True)
            if cells[place] & bit:
                raise error_in_cells(f"the {name} at {place} is on {kind}", cells, place)
            checked[place] = float(reward)
    except SettingError as error:
        raise MazeError(str(error)) from None
    return MappingProxyType(dict(sorted(checked.items())))
