"""What a move does: the two forms of a finite world, behind two functions that every loop and sweep calls.

    num_outcomes(model, s, a)   how many things can happen when action a is taken in state s
    outcome(model, s, a, k)     the k-th of them: (probability, next state, reward, terminated)

A state in which nothing can happen any more (a goal, a blocked cell) has no outcomes.

A model is a named tuple of arrays. `Grid` takes one byte a cell: no table of transitions. `Sparse` says any finite
world, row by row. `Lattice` is a grid whose states were renumbered, for planners that go through them in a good order.
Numba picks the form from the type of the tuple when it compiles, so that one loop serves all.
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


class Sparse(NamedTuple):
    """Any finite world: the outcomes of (s, a) are rows `offsets[s * num_actions + a]` up to the next offset."""

    offsets: npt.NDArray[np.int64]  # (num_states * num_actions + 1,)
    probabilities: npt.NDArray[np.float64]  # (num_rows,)
    next_states: npt.NDArray[np.int32]  # (num_rows,)
    rewards: npt.NDArray[np.float64]  # (num_rows,)
    terminated: npt.NDArray[np.bool_]  # (num_rows,)
    num_actions: int


class Lattice(NamedTuple):
    """A grid whose states have other numbers, so that its moves are written out; nothing happens from num_live on.

    What a move meets is one of eight kinds, a sum of ENDS, HURTS and TOUCHES, each with its reward.
    """

    next_states: npt.NDArray[np.int32]  # (num_live * 4,) where the four moves lead
    kinds: npt.NDArray[np.uint8]  # (num_live * 4,) what they meet
    rewards: npt.NDArray[np.float64]  # (8,) what a kind pays
    num_live: int
    slip: float


ENDS, HURTS, TOUCHES = 1, 2, 4  # a goal, a hazard, the outer wall

Model = Grid | Sparse | Lattice


@kernel
def grid_num_outcomes(grid: Grid, s: int, a: int) -> int:
    """One outcome without slip, three with it, none on a goal or in a blocked cell."""
    cell = s
    on_goal = False
    if grid.moving_goal:
        cell = s % grid.num_cells
        on_goal = cell == s // grid.num_cells
    else:
        on_goal = (grid.cells[cell] & GOAL) != 0
    if on_goal or (grid.cells[cell] & BLOCKED) != 0:
        return 0
    return 3 if grid.slip > 0.0 else 1


@kernel
def neighbour(grid: Grid, cell: int, a: int) -> int:
    """The cell that action a leads to, where no wall stops it."""
    return cell + a - 2 if a & 1 else cell + (1 - a) * grid.columns


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
def grid_arrival(grid: Grid, s: int, a: int) -> tuple[int, float, bool]:
    """Where a move comes to that isn't led astray: (next state, reward, terminated)."""
    cell = s % grid.num_cells if grid.moving_goal else s
    reward = grid.step_reward
    # Chosen without a branch: which way a learner goes can't be predicted, and a wrong guess costs half a step.
    is_stopped = (grid.cells[cell] >> a) & 1
    next_cell = cell if is_stopped else neighbour(grid, cell, a)
    if grid.outer_wall_reward != 0.0 and is_stopped and touches_outer_wall(grid, cell, a):
        reward += grid.outer_wall_reward

    if grid.moving_goal:
        terminated = next_cell == s // grid.num_cells
    else:
        terminated = (grid.cells[next_cell] & GOAL) != 0
    if terminated:
        reward += grid.goal_reward
    if (grid.cells[next_cell] & HAZARD) != 0 and next_cell != cell:
        reward += grid.hazard_reward
    return s - cell + next_cell, reward, terminated


@kernel
def astray(slip: float, a: int, k: int) -> tuple[float, int]:
    """Where slip leads a move, (probability, direction): outcome 0 goes where it was meant to, 1 and 2 to a side."""
    probability = 1.0
    if slip > 0.0:
        if k == 0:
            probability = 1.0 - slip
        else:
            probability = 0.5 * slip
            a = (a + 1) & 3 if k == 1 else (a + 3) & 3
    return probability, a


@kernel
def grid_outcome(grid: Grid, s: int, a: int, k: int) -> tuple[float, int, float, bool]:
    """Outcome k of a move."""
    probability, direction = astray(grid.slip, a, k)
    s_next, reward, terminated = grid_arrival(grid, s, direction)
    return probability, s_next, reward, terminated


@kernel
def lattice_num_outcomes(lattice: Lattice, s: int, a: int) -> int:
    """One outcome without slip, three with it, none where nothing can happen."""
    if s >= lattice.num_live:
        return 0
    return 3 if lattice.slip > 0.0 else 1


@kernel
def lattice_arrival(lattice: Lattice, s: int, a: int) -> tuple[int, float, bool]:
    """Where a move comes to that isn't led astray: (next state, reward, terminated)."""
    i = np.uint64(4 * s + a)
    kind = np.int64(lattice.kinds[i])
    return np.int64(lattice.next_states[i]), lattice.rewards[np.uint64(kind)], (kind & ENDS) != 0


@kernel
def lattice_outcome(lattice: Lattice, s: int, a: int, k: int) -> tuple[float, int, float, bool]:
    """Outcome k of a move."""
    probability, direction = astray(lattice.slip, a, k)
    s_next, reward, terminated = lattice_arrival(lattice, s, direction)
    return probability, s_next, reward, terminated


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
    if isinstance(model, Grid):
        return grid_num_outcomes(model, s, a)
    if isinstance(model, Lattice):
        return lattice_num_outcomes(model, s, a)
    return sparse_num_outcomes(model, s, a)


def outcome(model: Model, s: int, a: int, k: int) -> tuple[float, int, float, bool]:
    """The k-th of them: (probability, next state, reward, terminated)."""
    if isinstance(model, Grid):
        return grid_outcome(model, s, a, k)
    if isinstance(model, Lattice):
        return lattice_outcome(model, s, a, k)
    return sparse_outcome(model, s, a, k)


def arrival(model: Grid | Lattice, s: int, a: int) -> tuple[int, float, bool]:
    """Where a move on a grid comes to that isn't led astray: (next state, reward, terminated)."""
    return grid_arrival(model, s, a) if isinstance(model, Grid) else lattice_arrival(model, s, a)


def form_of(model: Any) -> Any:
    """The form of a model, from Numba's type of it: Grid, Sparse or Lattice."""
    return model.instance_class if isinstance(model, types.NamedTuple) else None


@overload(num_outcomes, jit_options=JIT_OPTIONS, strict=False)
def _num_outcomes(model: Any, s: Any, a: Any) -> Any:
    if form_of(model) is Grid:
        return lambda model, s, a: grid_num_outcomes(model, s, a)
    if form_of(model) is Lattice:
        return lambda model, s, a: lattice_num_outcomes(model, s, a)
    return lambda model, s, a: sparse_num_outcomes(model, s, a)


@overload(outcome, jit_options=JIT_OPTIONS, strict=False)
def _outcome(model: Any, s: Any, a: Any, k: Any) -> Any:
    if form_of(model) is Grid:
        return lambda model, s, a, k: grid_outcome(model, s, a, k)
    if form_of(model) is Lattice:
        return lambda model, s, a, k: lattice_outcome(model, s, a, k)
    return lambda model, s, a, k: sparse_outcome(model, s, a, k)


@overload(arrival, jit_options=JIT_OPTIONS, strict=False)
def _arrival(model: Any, s: Any, a: Any) -> Any:
    if form_of(model) is Grid:
        return lambda model, s, a: grid_arrival(model, s, a)
    return lambda model, s, a: lattice_arrival(model, s, a)


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
