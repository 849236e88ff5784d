"""What a move does: the two forms of a finite world, behind two functions that every loop and sweep calls.

    num_outcomes(model, s, a)   how many things can happen when action a is taken in state s
    outcome(model, s, a, k)     the k-th of them: (probability, next state, reward, terminated)

A state in which nothing can happen any more (a goal, a blocked cell) has no outcomes.

A model is a named tuple of arrays. `Grid` takes one byte a cell: no table of transitions. `Sparse` says any finite
world, row by row. Numba picks the form from the type of the tuple when it compiles, so that one loop serves both.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import overload

from clew.kernels import JIT_OPTIONS, kernel

# One byte a cell. Bit a says that a wall stops action a here, so walls stand BETWEEN cells and thin ones can be said.
# Actions are in the chapter's order: 0 down, 1 left, 2 up, 3 right. Neighbours in that circle are at right angles.
WALL_DOWN, WALL_LEFT, WALL_UP, WALL_RIGHT = 1, 2, 4, 8
GOAL, HAZARD, BLOCKED = 16, 32, 64


class Grid(NamedTuple):
    """Moves on a grid.

    A state is a cell, `row * columns + column`; with `moving_goal` it is `goal cell * num_cells + cell`, and the goal
    of a state is the cell it names, not the ones with the GOAL bit.

    Every move pays `step_reward`; what it meets is added: the goal it reaches, the hazard it enters, the outer wall it
    touches. Only a goal ends an episode.
    """

    cells: npt.NDArray[np.uint8]  # (num_cells,) bits as above
    columns: int
    num_cells: int
    moving_goal: bool
    slip: float  # probability that a move goes astray: half of it to each side
    goal_reward: float
    step_reward: float
    outer_wall_reward: float
    hazard_reward: float
    # What follows from the above, to be looked up: it takes less time than to work it out at every step.
    moves: npt.NDArray[np.int64]  # (4,) what each action adds to the number of a cell
    rewards: npt.NDArray[np.float64]  # (8,) what a move pays that meets a goal (1), a hazard (2), the outer wall (4)


class Sparse(NamedTuple):
    """Any finite world: the outcomes of (s, a) are rows `offsets[s * num_actions + a]` up to the next offset."""

    offsets: npt.NDArray[np.int64]  # (num_states * num_actions + 1,)
    probabilities: npt.NDArray[np.float64]  # (num_rows,)
    next_states: npt.NDArray[np.int32]  # (num_rows,)
    rewards: npt.NDArray[np.float64]  # (num_rows,)
    terminated: npt.NDArray[np.bool_]  # (num_rows,)
    num_actions: int


class CertainGrid(NamedTuple):
    """A grid that asks less of who plays on it: no slip, goals that stay, and nothing paid for touching the edge."""

    cells: npt.NDArray[np.uint8]  # as in `Grid`
    moves: npt.NDArray[np.int64]
    rewards: npt.NDArray[np.float64]


Model = Grid | Sparse


def simplest(model: Any) -> Any:
    """The same world in the form that is played fastest."""
    if isinstance(model, Grid) and model.slip == 0.0 and not model.moving_goal and model.outer_wall_reward == 0.0:
        return CertainGrid(model.cells, model.moves, model.rewards)
    return model


@kernel
def cell_of(grid: Grid, s: int) -> int:
    """The cell that a state is about."""
    # Both fit 32 bits, and those are divided in half the time. Unsigned: no rounding down of negative numbers.
    return np.int64(np.uint32(s) % np.uint32(grid.num_cells)) if grid.moving_goal else s


@kernel
def bits_of(grid: Grid, cell: int) -> int:
    """The byte of a cell."""
    return np.int64(grid.cells[np.uint64(cell)])  # unsigned: no test for an index that counts from the end


@kernel
def grid_num_outcomes(grid: Grid, s: int, a: int) -> int:
    """One outcome without slip, three with it, none on a goal or in a blocked cell."""
    cell = cell_of(grid, s)
    if grid.moving_goal:
        is_over = (bits_of(grid, cell) & BLOCKED) != 0 or s == cell * (grid.num_cells + 1)
    else:
        is_over = (bits_of(grid, cell) & (GOAL | BLOCKED)) != 0
    if is_over:
        return 0
    return 3 if grid.slip > 0.0 else 1


@kernel
def neighbour(grid: Grid, cell: int, a: int) -> int:
    """The cell that action a leads to, where no wall stops it."""
    return cell + grid.moves[np.uint64(a)]


@kernel
def touches_outer_wall(grid: Grid, cell: int, a: int) -> bool:
    """Tell if the wall that stops action a in this cell is the edge of the grid."""
    if a == 0:
        return cell >= grid.num_cells - grid.columns
    if a == 1:
        return cell % grid.columns == 0
    if a == 2:
        return cell < grid.columns
    return cell % grid.columns == grid.columns - 1


@kernel
def grid_outcome(grid: Grid, s: int, a: int, k: int) -> tuple[float, int, float, bool]:
    """Outcome k of a move: 0 goes where it was meant to, 1 and 2 to either side."""
    probability = 1.0
    if grid.slip > 0.0:
        if k == 0:
            probability = 1.0 - grid.slip
        else:
            probability = 0.5 * grid.slip
            a = (a + 1) & 3 if k == 1 else (a + 3) & 3

    s_next, reward, terminated = move_on_grid(grid, s, a)
    return probability, s_next, reward, terminated


@kernel
def move_on_grid(grid: Grid, s: int, a: int) -> tuple[int, float, bool]:
    """Go where action a leads, unless a wall stops it: (next state, reward, terminated)."""
    cell = cell_of(grid, s)
    # Without a branch: which way a learner goes can't be predicted, and a wrong guess costs half a step.
    is_stopped = (bits_of(grid, cell) >> a) & 1
    next_cell = cell + (grid.moves[np.uint64(a)] & (is_stopped - 1))
    s_next = s - cell + next_cell
    found = bits_of(grid, next_cell)
    if grid.moving_goal:
        terminated = s_next == next_cell * (grid.num_cells + 1)
    else:
        terminated = (found & GOAL) != 0
    met = np.int64(terminated) | ((found & HAZARD) >> 4 & (is_stopped - 1))
    if grid.outer_wall_reward != 0.0 and is_stopped and touches_outer_wall(grid, cell, a):
        met |= 4
    return s_next, grid.rewards[np.uint64(met)], terminated


@kernel
def sparse_num_outcomes(sparse: Sparse, s: int, a: int) -> int:
    """Number of rows of (s, a)."""
    row = s * sparse.num_actions + a
    return sparse.offsets[row + 1] - sparse.offsets[row]


@kernel
def sparse_outcome(sparse: Sparse, s: int, a: int, k: int) -> tuple[float, int, float, bool]:
    """Row k of (s, a)."""
    i = sparse.offsets[s * sparse.num_actions + a] + k
    # As int64, so that both forms return the same types and loops compile alike.
    return sparse.probabilities[i], np.int64(sparse.next_states[i]), sparse.rewards[i], sparse.terminated[i]


# The dispatch. Without the compiler (NUMBA_DISABLE_JIT=1) the two functions below run as they stand; compiled, Numba
# asks the overloads for the implementation that fits the type of the model (not strict: it would compare annotations).


def num_outcomes(model: Model, s: int, a: int) -> int:
    """How many things can happen when action a is taken in state s."""
    return grid_num_outcomes(model, s, a) if isinstance(model, Grid) else sparse_num_outcomes(model, s, a)


def outcome(model: Model, s: int, a: int, k: int) -> tuple[float, int, float, bool]:
    """The k-th of them: (probability, next state, reward, terminated)."""
    return grid_outcome(model, s, a, k) if isinstance(model, Grid) else sparse_outcome(model, s, a, k)


def _is_grid(model: Any) -> bool:
    return isinstance(model, types.NamedTuple) and model.instance_class is Grid


@overload(num_outcomes, jit_options=JIT_OPTIONS, strict=False)
def _num_outcomes(model: Any, s: Any, a: Any) -> Any:
    if _is_grid(model):
        return lambda model, s, a: grid_num_outcomes(model, s, a)
    return lambda model, s, a: sparse_num_outcomes(model, s, a)


@overload(outcome, jit_options=JIT_OPTIONS, strict=False)
def _outcome(model: Any, s: Any, a: Any, k: Any) -> Any:
    if _is_grid(model):
        return lambda model, s, a, k: grid_outcome(model, s, a, k)
    return lambda model, s, a, k: sparse_outcome(model, s, a, k)


@kernel
def count_outcomes(model: Model, num_actions: int, offsets: npt.NDArray[np.int64]) -> None:
    """Fill in the offsets of the rows of every (s, a), (num_states * num_actions + 1,), of which the first is 0."""
    for row in range(offsets.size - 1):
        offsets[row + 1] = offsets[row] + num_outcomes(model, row // num_actions, row % num_actions)


@kernel
def write_outcomes(model: Model, sparse: Sparse) -> None:
    """Fill the rows of a sparse model, whose offsets are set, with the outcomes of another."""
    num_actions = sparse.num_actions
    for row in range(sparse.offsets.size - 1):
        s, a = row // num_actions, row % num_actions
        for k in range(num_outcomes(model, s, a)):
            i = sparse.offsets[row] + k
            p, s_next, reward, terminated = outcome(model, s, a, k)
            sparse.probabilities[i] = p
            sparse.next_states[i] = s_next
            sparse.rewards[i] = reward
            sparse.terminated[i] = terminated
