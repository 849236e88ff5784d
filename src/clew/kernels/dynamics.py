"""Models: a finite world as a named tuple of arrays, and the outcomes of its actions.

    num_outcomes(model, s, a)   number of possible outcomes of action a in state s
    outcome(model, s, a, k)     outcome k: (probability, next state, reward, terminated)

All loops and sweeps read a world through these two functions. A state in which an episode is over (a goal, a blocked
cell) has no outcomes. The forms, among which `dispatch` selects:

    Grid                        moves on a grid, one byte per cell, without a table of transitions
    Sparse                      any finite world, as rows of outcomes
    RenumberedGrid              a grid whose states are renumbered, for planners that sweep in a chosen order

Three forms are only sampled (`sampling.sample`), and have no outcomes to list:

    DeterministicGrid           a grid without slip, in the form that is fastest to step
    DeterministicTable          any deterministic world, in the form that is fastest to step
    Section                     a part of a world; an episode is cut off when it leaves the section
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch, kernel

# One byte per cell. Bit a is set if a wall stops action a in this cell, so a wall may stand between two cells.
# Actions: 0 down, 1 left, 2 up, 3 right; those to the sides of a are (a + 1) % 4 and (a + 3) % 4.
WALL_DOWN, WALL_LEFT, WALL_UP, WALL_RIGHT = 1, 2, 4, 8
ALL_WALLS = WALL_DOWN | WALL_LEFT | WALL_UP | WALL_RIGHT
GOAL, HAZARD, BLOCKED = 16, 32, 64

# What a move may do; its kind is the sum of those that apply.
REACHES_GOAL, ENTERS_HAZARD, HITS_OUTER_WALL = 1, 2, 4


class Grid(NamedTuple):
    """Moves on a grid.

    A state is a cell, `row * columns + column`. With `moving_goal` a state is `goal cell * num_cells + cell`: it names
    its own goal, and the GOAL bits are ignored.

    The reward of a move is `step_reward`, plus `goal_reward` if it reaches the goal, `hazard_reward` if it enters a
    hazard, and `outer_wall_reward` if the edge of the grid stops it. Only a goal terminates an episode.
    """

    cells: npt.NDArray[np.uint8]  # (num_cells,), bits as above
    columns: int
    num_cells: int
    moving_goal: bool
    slip: float  # probability that a move slips: half of it to each side
    goal_reward: float
    step_reward: float
    outer_wall_reward: float
    hazard_reward: float
    # Derived from the above: a lookup takes less time than to compute them at every step.
    moves: npt.NDArray[np.int64]  # (4,), what each action adds to the cell
    rewards: npt.NDArray[np.float64]  # (8,), reward of each kind of move: sums of REACHES_GOAL and so on


class Sparse(NamedTuple):
    """Any finite world, as rows of outcomes.

    The outcomes of (s, a) are the rows from `offsets[s * num_actions + a]` up to the next offset.
    """

    offsets: npt.NDArray[np.int64]  # (num_states * num_actions + 1,)
    probabilities: npt.NDArray[np.float64]  # (num_rows,)
    next_states: npt.NDArray[np.int32]  # (num_rows,)
    rewards: npt.NDArray[np.float64]  # (num_rows,)
    terminated: npt.NDArray[np.bool_]  # (num_rows,)
    num_actions: int


class DeterministicGrid(NamedTuple):
    """Grid without slip, moving goal or outer wall reward: the form that is fastest to step."""

    cells: npt.NDArray[np.uint8]  # as in `Grid`
    moves: npt.NDArray[np.int64]
    rewards: npt.NDArray[np.float32]


class RenumberedGrid(NamedTuple):
    """Grid whose states are renumbered, so that the next states of its moves are stored.

    States from `num_live` on have no outcomes. The kind of a move is a sum of REACHES_GOAL, ENTERS_HAZARD and
    HITS_OUTER_WALL; `rewards[kind]` is its reward.
    """

    next_states: npt.NDArray[np.int32]  # (num_live * 4,), next state of each move
    kinds: npt.NDArray[np.uint8]  # (num_live * 4,), kind of each move
    rewards: npt.NDArray[np.float64]  # (8,), reward of each kind
    num_live: int
    slip: float


Model = Grid | Sparse | RenumberedGrid


class DeterministicTable(NamedTuple):
    """Any deterministic world as a table of next states and rewards: the form that is fastest to step."""

    next_states: npt.NDArray[np.int32]  # (num_states * num_actions,); ~s_next if the step is terminated
    rewards: npt.NDArray[np.float32]  # (num_states * num_actions,)
    num_actions: int


class Section(NamedTuple):
    """Part of a world, a range of states; an episode that leaves it is cut off, but not terminated."""

    world: Any  # model, in a form that can be sampled
    first: int  # first state of the section
    last: int  # last state of the section, plus 1


def fast_model(model: Grid | Sparse) -> Grid | Sparse | DeterministicGrid | DeterministicTable:
    """Return the same world in the form that is fastest to step.

    Returns:
        A `DeterministicGrid` for a grid without slip, moving goal or outer wall reward; a `DeterministicTable` for a
        sparse model with at most one outcome per state and action; else the model itself.
    """
    if isinstance(model, Grid):
        needs_general_form = model.slip > 0.0 or model.moving_goal or model.outer_wall_reward != 0.0
        if needs_general_form:
            return model
        with np.errstate(over="ignore"):  # beyond float32 they are infinite, as in `sample`; the trainer refuses those
            return DeterministicGrid(model.cells, model.moves, model.rewards.astype(np.float32))
    lengths = np.diff(model.offsets)
    if lengths.max() > 1:
        return model
    # A state without outcomes is terminal: a step stays there, with reward 0, and is terminated.
    next_states = ~np.repeat(np.arange(lengths.size // model.num_actions, dtype=np.int32), model.num_actions)
    rewards = np.zeros(lengths.size, np.float32)
    next_states[lengths == 1] = np.where(model.terminated, ~model.next_states, model.next_states)
    rewards[lengths == 1] = model.rewards
    return DeterministicTable(next_states, rewards, model.num_actions)


@kernel
def cell_of(grid: Grid, s: int) -> int:
    """Return the cell of the agent in state s, which is s itself unless the goal moves."""
    # Both fit 32 bits, whose division takes half the time; unsigned division needs no rounding of negative numbers.
    return np.int64(np.uint32(s) % np.uint32(grid.num_cells)) if grid.moving_goal else s


@kernel
def cell_bits(grid: Grid, cell: int) -> int:
    """Return the byte of a cell: its walls, GOAL, HAZARD and BLOCKED."""
    return np.int64(grid.cells[np.uint64(cell)])  # unsigned: Numba then omits the check for negative indices


@kernel
def grid_num_outcomes(grid: Grid, s: int, a: int) -> int:
    """Return the number of outcomes: 1 without slip, 3 with it, 0 on a goal or in a blocked cell."""
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
    """Return the cell next to a cell in direction a, without regard to walls."""
    return cell + grid.moves[np.uint64(a)]


@kernel
def touches_outer_wall(grid: Grid, cell: int, a: int) -> bool:
    """Return whether the cell lies at the edge of the grid in direction a."""
    if a == 0:
        return cell >= grid.num_cells - grid.columns
    if a == 1:
        return cell % grid.columns == 0
    if a == 2:
        return cell < grid.columns
    return cell % grid.columns == grid.columns - 1


@kernel
def grid_move(grid: Grid, s: int, a: int) -> tuple[int, float, bool]:
    """Return (next state, reward, terminated) of a move in direction a that doesn't slip."""
    cell = cell_of(grid, s)
    # No branch on the action: it can't be predicted, and a misprediction costs half a step.
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
    """Return (probability, direction) of outcome k of action a under slip.

    Outcome 0 is the intended direction, with probability 1 - slip; outcomes 1 and 2 are the directions to its sides,
    with slip / 2 each.
    """
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
    """Return outcome k of action a in state s: (probability, next state, reward, terminated)."""
    probability, direction = slip_direction(grid.slip, a, k)
    s_next, reward, terminated = grid_move(grid, s, direction)
    return probability, s_next, reward, terminated


@kernel
def renumbered_num_outcomes(grid: RenumberedGrid, s: int, a: int) -> int:
    """Return the number of outcomes: 1 without slip, 3 with it, 0 from state `num_live` on."""
    if s >= grid.num_live:
        return 0
    return 3 if grid.slip > 0.0 else 1


@kernel
def renumbered_move(grid: RenumberedGrid, s: int, a: int) -> tuple[int, float, bool]:
    """Return (next state, reward, terminated) of a move in direction a that doesn't slip."""
    i = np.uint64(4 * s + a)
    kind = np.int64(grid.kinds[i])
    return np.int64(grid.next_states[i]), grid.rewards[np.uint64(kind)], (kind & REACHES_GOAL) != 0


@kernel
def renumbered_outcome(grid: RenumberedGrid, s: int, a: int, k: int) -> tuple[float, int, float, bool]:
    """Return outcome k of action a in state s: (probability, next state, reward, terminated)."""
    probability, direction = slip_direction(grid.slip, a, k)
    s_next, reward, terminated = renumbered_move(grid, s, direction)
    return probability, s_next, reward, terminated


@kernel
def sparse_num_outcomes(sparse: Sparse, s: int, a: int) -> int:
    """Return the number of outcomes of action a in state s, which is its number of rows."""
    row = s * sparse.num_actions + a
    return sparse.offsets[row + 1] - sparse.offsets[row]


@kernel
def sparse_outcome(sparse: Sparse, s: int, a: int, k: int) -> tuple[float, int, float, bool]:
    """Return outcome k of action a in state s: (probability, next state, reward, terminated)."""
    i = sparse.offsets[s * sparse.num_actions + a] + k
    # int64, so that all forms return the same types.
    return sparse.probabilities[i], np.int64(sparse.next_states[i]), sparse.rewards[i], sparse.terminated[i]


# Dispatch -------------------------------------------------------------------------------------------------------------


@dispatch
def num_outcomes(model: Model, s: int, a: int) -> int:
    """Return the number of possible outcomes of action a in state s; 0 if the episode is over in s."""
    return sparse_num_outcomes(model, s, a)


@dispatch
def outcome(model: Model, s: int, a: int, k: int) -> tuple[float, int, float, bool]:
    """Return outcome k of action a in state s: (probability, next state, reward, terminated)."""
    return sparse_outcome(model, s, a, k)


@dispatch
def move_without_slip(model: Grid | RenumberedGrid, s: int, a: int) -> tuple[int, float, bool]:
    """Return (next state, reward, terminated) of a move on a grid that doesn't slip."""
    return grid_move(model, s, a)


@dispatch
def is_outside_section(model: Any, s: int) -> bool:
    """Return whether state s lies outside the section that is learned; False for a whole world."""
    return False


@is_outside_section.register(Section)
def is_state_outside(section: Section, s: int) -> bool:
    """Return whether state s is not among the states `first` up to `last` of a section."""
    return s < section.first or s >= section.last


num_outcomes.register(Grid)(grid_num_outcomes)
num_outcomes.register(RenumberedGrid)(renumbered_num_outcomes)
outcome.register(Grid)(grid_outcome)
outcome.register(RenumberedGrid)(renumbered_outcome)
move_without_slip.register(RenumberedGrid)(renumbered_move)


@kernel
def count_outcomes(model: Model, num_actions: int, offsets: npt.NDArray[np.int64]) -> None:
    """Fill in the offsets of the sparse form of a model: row numbers at which the outcomes of each (s, a) begin.

    Args:
        model: world.
        num_actions: number of actions.
        offsets: (num_states * num_actions + 1,) int64, filled in place; the first must be 0.
    """
    for row in range(offsets.size - 1):
        offsets[row + 1] = offsets[row] + num_outcomes(model, row // num_actions, row % num_actions)


@kernel
def mark_terminal(model: Model, num_actions: int, terminal: npt.NDArray[np.bool_]) -> None:
    """Mark the states in which no action has an outcome.

    Args:
        model: world.
        num_actions: number of actions.
        terminal: (num_states,) bool, filled in place.
    """
    for s in range(terminal.size):
        terminal[s] = True
        for a in range(num_actions):
            if num_outcomes(model, s, a) > 0:
                terminal[s] = False


@kernel
def write_outcomes(model: Model, sparse: Sparse) -> None:
    """Fill the rows of a sparse model with the outcomes of another model of the same world.

    Args:
        model: world that is read.
        sparse: its offsets are those of `count_outcomes`; its other arrays are filled in place.
    """
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
