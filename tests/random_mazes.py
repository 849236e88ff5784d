"""Random mazes, for property-based tests."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import oracles_mazes
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.mazes import Maze
from clew.mazes.formats import add_implied_walls


@st.composite
def random_cells(draw: st.DrawFn, *, thin_walls: bool = True, hazards: bool = True, blocked: bool = True) -> np.ndarray:
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    kinds = [0, 0, 0, GOAL] + [BLOCKED] * blocked + [HAZARD] * hazards
    cells = draw(arrays(np.uint8, shape, elements=st.sampled_from(kinds)))
    if thin_walls:
        below, beside = draw(arrays(np.bool_, (2, *shape)))
        cells[:-1][below[:-1]] |= WALL_DOWN
        cells[1:][below[:-1]] |= WALL_UP
        cells[:, :-1][beside[:, :-1]] |= WALL_RIGHT
        cells[:, 1:][beside[:, :-1]] |= WALL_LEFT
    return add_implied_walls(cells)


@st.composite
def random_mazes(draw: st.DrawFn, *, thin_walls: bool = True, hazards: bool = True, blocked: bool = True) -> Maze:
    """Draw a maze with or without goals, and with or without a start that has a path to one of them."""
    cells = draw(random_cells(thin_walls=thin_walls, hazards=hazards, blocked=blocked))
    goals = places_of(cells, GOAL)
    starts = [
        place
        for place in places_of(~cells, GOAL)
        if not cells[place] & (BLOCKED | HAZARD)
        and (not goals or oracles_mazes.steps_between(cells, place, goals) >= 0)
    ]
    return Maze(cells, draw(st.sampled_from([None, *starts])))


def places_of(cells: np.ndarray, bit: int) -> list[tuple[int, int]]:
    return [(int(row), int(column)) for row, column in np.argwhere(cells & bit)]
