"""What a move does: the forms of a finite world, behind two functions that every loop and sweep calls.

    num_outcomes(model, s, a)   how many things can happen when action a is taken in state s
    outcome(model, s, a, k)     the k-th of them: (probability, next state, reward, terminated)

A state in which nothing can happen any more (a goal, a blocked cell) has no outcomes.

A model is a named tuple of arrays. `Grid` takes one byte per cell: no table of transitions. `Sparse` says any finite
world, row by row. `Lattice` is a grid whose states were renumbered, for planners that go through them in a good order,
`DeterministicGrid` and `DeterministicTable` are for those who only play, `Section` for those who play in a part of a world.
`dispatch` picks the form, so one loop serves all.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch, kernel

# One byte per cell. Bit a says that a wall stops action a here, so walls stand BETWEEN cells and thin ones can be said.
# Actions are in the chapter's order: 0 down, 1 left, 2 up, 3 right. Neighbours in that circle are at right angles.
WALL_DOWN, WALL_LEFT, WALL_UP, WALL_RIGHT = 1, 2, 4, 8
ALL_WALLS = WALL_DOWN | WALL_LEFT | WALL_UP | WALL_RIGHT
GOAL, HAZARD, BLOCKED = 16, 32, 64

# What a move meets, added up: a goal, a hazard, the outer wall.
REACHES_GOAL, ENTERS_HAZARD, HITS_OUTER_WALL = 1, 2, 4


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
    rewards: npt.NDArray[np.float64]  # (8,) what a move pays, by the sum of ENDS, HURTS and TOUCHES that it meets


class Sparse(NamedTuple):
    """Any finite world: the outcomes of (s, a) are rows `offsets[s * num_actions + a]` up to the next offset."""

    offsets: npt.NDArray[np.int64]  # (num_states * num_actions + 1,)
    probabilities: npt.NDArray[np.float64]  # (num_rows,)
    next_states: npt.NDArray[np.int32]  # (num_rows,)
    rewards: npt.NDArray[np.float64]  # (num_rows,)
    terminated: npt.NDArray[np.bool_]  # (num_rows,)
    num_actions: int


class DeterministicGrid(NamedTuple):
    """A grid that asks less of who plays on it: no slip, goals that stay, and nothing paid for touching the edge."""

    cells: npt.NDArray[np.uint8]  # as in `Grid`
    moves: npt.NDArray[np.int64]
    rewards: npt.NDArray[np.float32]


class RenumberedGrid(NamedTuple):
    """A grid whose states have other numbers, so that its moves are written out; nothing happens from num_live on.

    What a move meets is one of eight kinds, a sum of ENDS, HURTS and TOUCHES, each with its reward.
    """

    next_states: npt.NDArray[np.int32]  # (num_live * 4,) where the four moves lead
    kinds: npt.NDArray[np.uint8]  # (num_live * 4,) what they meet
    rewards: npt.NDArray[np.float64]  # (8,) what a kind pays
    num_live: int
    slip: float


Model = Grid | Sparse | RenumberedGrid


class DeterministicTable(NamedTuple):
    """Rows of a world in which nothing is left to chance."""

    next_states: npt.NDArray[np.int32]  # (num_states * num_actions,); ~s_next where the step ends the episode
    rewards: npt.NDArray[np.float32]  # (num_states * num_actions,)
    num_actions: int


class Section(NamedTuple):
    """A part of a world in which episodes end, cut off but not terminated, when they leave it."""

    world: Any  # in the form that is played
    first: int  # states from this one
    last: int  # up to this one, exclusive, belong to the section


def fast_model(model: Grid | Sparse) -> Grid | Sparse | DeterministicGrid | DeterministicTable:
    """The same world in the form that is played fastest."""
    if isinstance(model, Grid):
        needs_general_form = model.slip > 0.0 or model.moving_goal or model.outer_wall_reward != 0.0
        if needs_general_form:
            return model
        with np.errstate(over="ignore"):  # as at every step: too much comes to infinity, which the trainer refuses
            return DeterministicGrid(model.cells, model.moves, model.rewards.astype(np.float32))
    lengths = np.diff(model.offsets)
    if lengths.max() > 1:
        return model
    # Where nothing can happen any more, a step stays, pays nothing, and ends the episode.
    next_states = ~np.repeat(np.arange(lengths.size // model.num_actions, dtype=np.int32), model.num_actions)
    rewards = np.zeros(lengths.size, np.float32)
    next_states[lengths == 1] = np.where(model.terminated, ~model.next_states, model.next_states)
    rewards[lengths == 1] = model.rewards
    return DeterministicTable(next_states, rewards, model.num_actions)


@kernel
def cell_of(grid: Grid, s: int) -> int:
    """The cell that a state is about."""
    # Both fit 32 bits, and those are divided in half the time. Unsigned: no rounding down of negative numbers.
    return np.int64(np.uint32(s) % np.uint32(grid.num_cells)) if grid.moving_goal else s


@kernel
def cell_bits(grid: Grid, cell: int) -> int:
    """The byte of a cell."""
    return np.int64(grid.cells[np.uint64(cell)])  # unsigned: no test for an index that counts from the end


@kernel
def grid_num_outcomes(grid: Grid, s: int, a: int) -> int:
    """One outcome without slip, three with it, none on a goal or in a blocked cell."""
    cell = cell_of(grid, s)
    if grid.moving_goal:
        is_over = (cell_bits(grid, cell) & BLOCKED) != 0 or s == cell * (grid.num_cells + 1)
    else:
        is_over = (cell_bits(grid, cell) & (GOAL | BLOCKED)) != 0
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
def grid_move(grid: Grid, s: int, a: int) -> tuple[int, float, bool]:
    """Where a move comes to that isn't led astray: (next state, reward, terminated)."""
    cell = cell_of(grid, s)
    # Without a branch: which way a learner goes can't be predicted, and a wrong guess costs half a step.
    is_stopped = (cell_bits(grid, cell) >> a) & 1
    next_cell = cell + (grid.moves[np.uint64(a)] & (is_stopped - 1))
    s_next = s - cell + next_cell
    found = cell_bits(grid, next_cell)
    if grid.moving_goal:
        terminated = s_next == next_cell * (grid.num_cells + 1)
    else:
        terminated = (found & GOAL) != 0
    kind = np.int64(terminated) | ((found & HAZARD) >> 4 & (is_stopped - 1))
    if grid.outer_wall_reward != 0.0 and is_stopped and touches_outer_wall(grid, cell, a):
        kind |= HITS_OUTER_WALL
    return s_next, grid.rewards[np.uint64(kind)], terminated


@kernel
def slip_direction(slip: float, a: int, k: int) -> tuple[float, int]:
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
    probability, direction = slip_direction(grid.slip, a, k)
    s_next, reward, terminated = grid_move(grid, s, direction)
    return probability, s_next, reward, terminated


@kernel
def renumbered_num_outcomes(grid: RenumberedGrid, s: int, a: int) -> int:
    """One outcome without slip, three with it, none where nothing can happen."""
    if s >= grid.num_live:
        return 0
    return 3 if grid.slip > 0.0 else 1


@kernel
def renumbered_move(grid: RenumberedGrid, s: int, a: int) -> tuple[int, float, bool]:
    """Where a move comes to that isn't led astray: (next state, reward, terminated)."""
    i = np.uint64(4 * s + a)
    kind = np.int64(grid.kinds[i])
    return np.int64(grid.next_states[i]), grid.rewards[np.uint64(kind)], (kind & REACHES_GOAL) != 0


@kernel
def renumbered_outcome(grid: RenumberedGrid, s: int, a: int, k: int) -> tuple[float, int, float, bool]:
    """Outcome k of a move."""
    probability, direction = slip_direction(grid.slip, a, k)
    s_next, reward, terminated = renumbered_move(grid, s, direction)
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


# The dispatch ---------------------------------------------------------------------------------------------------------


@dispatch
def num_outcomes(model: Model, s: int, a: int) -> int:
    """How many things can happen when action a is taken in state s."""
    return sparse_num_outcomes(model, s, a)


@dispatch
def outcome(model: Model, s: int, a: int, k: int) -> tuple[float, int, float, bool]:
    """The k-th of them: (probability, next state, reward, terminated)."""
    return sparse_outcome(model, s, a, k)


@dispatch
def move_without_slip(model: Grid | RenumberedGrid, s: int, a: int) -> tuple[int, float, bool]:
    """Where a move on a grid comes to that isn't led astray: (next state, reward, terminated)."""
    return grid_move(model, s, a)


@dispatch
def is_outside_section(model: Any, s: int) -> bool:
    """Tell if a step has left what is played in. A whole world can't be left."""
    return False


@is_outside_section.register(Section)
def is_state_outside(section: Section, s: int) -> bool:
    """What lies outside is for others to play in."""
    return s < section.first or s >= section.last


num_outcomes.register(Grid)(grid_num_outcomes)
num_outcomes.register(RenumberedGrid)(renumbered_num_outcomes)
outcome.register(Grid)(grid_outcome)
outcome.register(RenumberedGrid)(renumbered_outcome)
move_without_slip.register(RenumberedGrid)(renumbered_move)


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
