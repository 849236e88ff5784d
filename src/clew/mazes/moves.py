"""Sets of moves, as tables of offsets and costs, and the model of a maze for a set of moves.

The four moves down, left, up, right need no table (`FiniteMDP.grid`). Any other set is a table with the offset, cost
and turn of each action for each heading; from it the rows of a sparse model are made, for all cells at once. A state
is `heading * num_cells + cell`; a set without headings has one heading, so that a state is a cell.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.mazes.formats import NO_REWARDS, Place
from clew.models.mdp import FiniteMDP
from clew.settings import NOT_NEGATIVE, as_list, check_memory, check_type, shown

Cells = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

BYTES_PER_ROW = 21  # of a sparse model
WALLS = {(1, 0): WALL_DOWN, (0, -1): WALL_LEFT, (-1, 0): WALL_UP, (0, 1): WALL_RIGHT}


class Move(NamedTuple):
    """Offset, cost and turn of an action."""

    rows: int  # down is positive
    columns: int  # right is positive
    cost: float = 1.0  # the reward of the move is cost * step_reward
    turn: int = 0  # number of headings clockwise


@dataclass(frozen=True)
class Moves:
    """A set of moves: what each action does, for each heading of the agent.

    A move by one cell is stopped by a wall. A diagonal move also needs both cells beside it free and no wall on either
    way around the corner, as in the MovingAI benchmark. A move by more than one cell is a jump: it only needs a free
    cell to land on. A move that is stopped stays where it is.

    Sets without headings are made by `Moves.of`; `clew.mazes.MOVES` has the named ones.

    Attributes:
        name: name of the set.
        actions: name of each action.
        moves: for each heading, the `Move` of each action.

    Raises:
        SettingError: if a heading lacks moves, an offset or turn is not an integer, or a cost is negative or not
            finite.

    >>> import clew
    >>> rook = clew.Moves.of("rook", {"down 2": (2, 0), "left 2": (0, -2), "up 2": (-2, 0), "right": (0, 1, 5.0)})
    >>> rook.num_actions, rook.moves[0][3]
    (4, Move(rows=0, columns=1, cost=5.0, turn=0))
    >>> env = clew.Environment(clew.Maze.open(3, 2), moves=rook, step_reward=-1.0, goal_reward=0.0)
    >>> clew.solve(env, gamma=1.0).value
    -6.0
    """

    name: str
    actions: tuple[str, ...]
    moves: tuple[tuple[Move, ...], ...]

    def __post_init__(self) -> None:
        check_type("name", self.name, str, "the name of the set")
        actions = as_list("actions", self.actions, "names")
        for action in actions:
            check_type("actions", action, str, "a tuple of names")
        rows = [as_list("moves", row, "Move, one for each action") for row in as_list("moves", self.moves, "headings")]
        if not actions or any(len(row) != len(actions) for row in rows) or not rows:
            raise SettingError(f"moves {self.name!r}: each heading needs a move for each of {len(actions)} actions")
        object.__setattr__(self, "actions", tuple(actions))
        object.__setattr__(self, "moves", tuple(tuple(self._checked(move) for move in row) for row in rows))

    def _checked(self, move: Any) -> Move:
        """Return a move as Python numbers, since NumPy's would overflow; raise SettingError if it is invalid."""
        check_type("moves", move, Move, "a tuple of Move for each heading; Moves.of makes them of (rows, columns)")
        rows, columns, cost, turn = move
        if not all(isinstance(n, Integral) and not isinstance(n, bool) for n in (rows, columns, turn)):
            raise SettingError(f"moves {self.name!r}: rows, columns and turns must be whole numbers, not {move}")
        if not (isinstance(cost, Real) and NOT_NEGATIVE.hold(cost)):
            raise SettingError(f"moves {self.name!r}: a cost must be a number not below 0, not {shown(cost)}")
        return Move(int(rows), int(columns), float(cost), int(turn))

    @classmethod
    def of(cls, name: str, moves: Mapping[str, Move | tuple[int, int] | tuple[int, int, float]]) -> "Moves":
        """Return a set of moves without headings.

        Args:
            name: name of the set.
            moves: (rows, columns) or (rows, columns, cost) by the name of the action; down and right are positive.

        Raises:
            SettingError: if an offset is not an integer, or a cost is negative or not finite.
        """
        check_type("moves", moves, Mapping, "a dict from the name of each action to (rows, columns)")
        offsets = [tuple(as_list("moves", move, "(rows, columns) or (rows, columns, cost)")) for move in moves.values()]
        for offset in offsets:
            if not 2 <= len(offset) <= 4:
                raise SettingError(
                    f"must be (rows, columns) or (rows, columns, cost) by action, not {shown(offset)}", setting="moves"
                )
        return cls(name, tuple(moves), (tuple(Move(*offset) for offset in offsets),))

    @property
    def num_actions(self) -> int:
        """Number of actions."""
        return len(self.actions)

    @property
    def num_headings(self) -> int:
        """Number of headings; 1 for a set without headings."""
        return len(self.moves)

    @property
    def includes_single_steps(self) -> bool:
        """True if the moves include a step by one cell in each of the four directions, from any heading.

        Such moves reach every cell that the moves "four" reach. With several headings, a turn on the spot is needed
        from each heading.
        """
        steps = {(move.rows, move.columns) for row in self.moves for move in row}

        def can_turn(turn: int) -> bool:
            return all(any(move[:2] == (0, 0) and move.turn == turn for move in row) for row in self.moves)

        return steps >= WALLS.keys() and (self.num_headings == 1 or can_turn(1) or can_turn(-1))

    def sides(self) -> list[tuple[int, int]]:
        """Return, for each action, the neighbouring actions (clockwise, anticlockwise) that a slip may lead to.

        Raises:
            SettingError: if there are fewer than three actions, two have the same direction, one doesn't move, or the
                set has headings.
        """
        angles = [math.atan2(move.columns, -move.rows) for move in self.moves[0] if move.rows or move.columns]
        if self.num_headings > 1 or self.num_actions < 3 or len(set(angles)) != self.num_actions:
            raise SettingError(
                f"must be 0 with the moves {self.name!r}: slip needs a move to the left and the right of each",
                setting="slip",
            )
        order = sorted(range(self.num_actions), key=angles.__getitem__)
        places = [order.index(a) for a in range(self.num_actions)]
        return [(order[(i + 1) % self.num_actions], order[i - 1]) for i in places]


def _rotate_to_headings(*moves: Move) -> tuple[tuple[Move, ...], ...]:
    """Return moves given for the heading down, rotated to the headings down, left, up and right, in this order."""
    headings = [moves]
    for _ in range(3):
        headings.append(tuple(move._replace(rows=move.columns, columns=-move.rows) for move in headings[-1]))
    return tuple(headings)


FOUR = Moves.of("four", {"down": (1, 0), "left": (0, -1), "up": (-1, 0), "right": (0, 1)})
_KNIGHT = [(2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2), (1, 2), (2, 1)]  # clockwise, from down and left


def _eight(name: str, diagonal: float) -> Moves:
    """Return a set of the four moves and the four diagonal ones; `diagonal` is the cost of the latter."""
    corners = {"down-left": (1, -1), "up-left": (-1, -1), "up-right": (-1, 1), "down-right": (1, 1)}
    straight = zip(FOUR.actions, FOUR.moves[0], strict=True)
    return Moves.of(name, {**dict(straight), **{corner: (*offset, diagonal) for corner, offset in corners.items()}})


MOVES = {
    "four": FOUR,
    "eight": _eight("eight", math.sqrt(2.0)),
    # MovingAI's newer lengths, with eight decimals, use ten digits of sqrt(2); its older ones, with six digits, use
    # single precision. Each row of its files is reproduced by one of the two: python -m benchmarks.scenarios
    "movingai": _eight("movingai", 1.414213562),
    "movingai-float32": _eight("movingai-float32", float(np.float32(math.sqrt(2.0)))),
    "knight": Moves.of("knight", {f"{rows:+},{columns:+}": (rows, columns) for rows, columns in _KNIGHT}),
    "robot": Moves(
        "robot",
        ("forward", "turn left", "turn right"),
        _rotate_to_headings(Move(1, 0), Move(0, 0, turn=-1), Move(0, 0, turn=1)),
    ),
}


def find_moves(moves: str | Moves) -> Moves:
    """Return a set of moves by its name in `MOVES`; a `Moves` object is returned as it is.

    Raises:
        SettingError: if there is no set of that name; lists the names.
    """
    if isinstance(moves, Moves):
        return moves
    if not isinstance(moves, str) or moves not in MOVES:
        table = "" if isinstance(moves, str) else ", or a table"  # a command line, which has words alone, takes none
        raise SettingError(f"must be one of {', '.join(MOVES)}{table}, not {shown(moves)}", setting="moves")
    return MOVES[moves]


class Rewards(NamedTuple):
    """Rewards of moves, see `FiniteMDP.grid`; a move pays its cost times `step_reward`, plus what it meets."""

    goal_reward: float = 1.0
    step_reward: float = 0.0
    outer_wall_reward: float = 0.0
    hazard_reward: float = 0.0


class CellRewards(NamedTuple):
    """Rewards of single cells of a maze, and the cells that end an episode.

    An exit ends the episode: when a move enters it, or with an exit action one step later, whatever the action is.
    """

    entry: npt.NDArray[np.float64]  # (num_cells,), added when a move enters the cell
    ends: Mask  # (num_cells,), cells that end the episode when a move enters them
    exits: npt.NDArray[np.int32]  # (num_exits,), cells that are left by an exit action; empty without exit actions
    exit_rewards: npt.NDArray[np.float64]  # (num_exits,), rewards of that action

    @classmethod
    def of(
        cls,
        cells: Cells,
        goal_reward: float,
        exits: Mapping[Place, float] = NO_REWARDS,
        cell_rewards: Mapping[Place, float] = NO_REWARDS,
        *,
        exit_action: bool = False,
    ) -> "CellRewards":
        """Return the rewards of the cells of a maze: goals, exits, and cells with rewards of their own.

        Args:
            cells: (rows, columns) uint8, bits of `clew.kernels.dynamics`.
            goal_reward: of each goal that isn't an exit.
            exits: reward of each exit, by its (row, column).
            cell_rewards: other rewards, by (row, column).
            exit_action: True if leaving an exit takes a step.
        """

        def numbers(places: Iterable[Place]) -> npt.NDArray[np.int32]:
            return np.array([row * cells.shape[1] + column for row, column in places], np.int32)

        ends = (cells.reshape(-1) & GOAL) > 0
        entry = np.where(ends, np.float64(goal_reward), 0.0)
        where, rewards = numbers(exits), np.array(list(exits.values()), np.float64)
        entry[where] = 0.0 if exit_action else rewards
        entry[numbers(cell_rewards)] = list(cell_rewards.values())
        if not exit_action:
            return cls(entry, ends, where[:0], rewards[:0])
        ends[where] = False
        return cls(entry, ends, where, rewards)


class MoveOutcomes(NamedTuple):
    """Next state, reward and termination of one action, an entry per state."""

    next_states: npt.NDArray[np.int32]
    rewards: npt.NDArray[np.float64]
    terminated: Mask


def model_of_moves(
    cells: Cells,
    moves: Moves,
    start_cells: npt.NDArray[np.int32],
    *,
    random_start: bool = False,
    slip: float = 0.0,
    rewards: Rewards,
    cell_rewards: CellRewards | None = None,
) -> FiniteMDP:
    """Return the sparse model of a maze for a set of moves; a move that is stopped stays and pays its cost.

    Args:
        cells: (rows, columns) uint8, bits of `clew.kernels.dynamics`.
        moves: the moves.
        start_cells: (num_starts,) int32, cells in which episodes begin, with heading 0 (down).
        random_start: True if episodes begin with any heading, each equally likely.
        slip: probability of a slip to one of the two neighbouring actions, half of it to each.
        rewards: rewards of moves.
        cell_rewards: rewards of cells, and which end the episode; by default goals with `rewards.goal_reward` do.

    Raises:
        SettingError: if there is slip and actions have no neighbours (see `Moves.sides`), no start has a path to a
            goal, or the model would take too much memory.
    """
    actions_made, probability = [[a] for a in range(moves.num_actions)], [1.0]  # for each action, what may happen
    if slip > 0.0:
        actions_made = [[a, *beside] for a, beside in enumerate(moves.sides())]
        probability = [1.0 - slip, slip / 2, slip / 2]
    num_states, num_outcomes = moves.num_headings * cells.size, len(probability)
    num_rows = num_states * moves.num_actions * num_outcomes
    check_memory(3 * BYTES_PER_ROW * num_rows, f"a model of the moves {moves.name!r}")
    if cell_rewards is None:
        cell_rewards = CellRewards.of(cells, rewards.goal_reward)
    by_action = (
        [move_outcomes(cells, moves, heading, action, rewards, cell_rewards) for heading in range(moves.num_headings)]
        for action in range(moves.num_actions)
    )
    outcomes = [MoveOutcomes(*map(np.concatenate, zip(*by_heading, strict=True))) for by_heading in by_action]
    live = np.tile(~cell_rewards.ends & ((cells.reshape(-1) & BLOCKED) == 0), moves.num_headings)
    headings = range(moves.num_headings if random_start else 1)
    starts = np.concatenate([start_cells + np.int32(h * cells.size) for h in headings])
    if not moves.includes_single_steps:
        starts = starts[states_with_path(outcomes, live)[starts]]
        if starts.size == 0:
            raise SettingError(f"the moves {moves.name!r} have no path from the start to a goal")
    rows = [  # by state, then action, then outcome
        np.stack([each[live] for each in column])[actions_made].transpose(2, 0, 1).reshape(-1)
        for column in zip(*outcomes, strict=True)
    ]
    probabilities = np.tile(probability, int(live.sum()) * moves.num_actions)
    offsets = np.zeros(num_states * moves.num_actions + 1, np.int64)
    np.cumsum(np.repeat(live * num_outcomes, moves.num_actions), out=offsets[1:])
    return FiniteMDP.sparse(offsets, probabilities, *rows, num_actions=moves.num_actions, starts=starts)


def move_outcomes(
    cells: Cells, moves: Moves, heading: int, action: int, rewards: Rewards, cell_rewards: CellRewards
) -> MoveOutcomes:
    """Return the outcomes of an action from every cell with a given heading, (num_cells,) each."""
    move = moves.moves[heading][action]
    is_free, is_inside = (mask.reshape(-1) for mask in find_unblocked(cells, move))
    cell = np.arange(cells.size, dtype=np.int32)
    next_cell = cell + is_free * np.int32(move.rows * cells.shape[1] + move.columns)
    enters = next_cell != cell
    enters_hazard = ((cells.reshape(-1)[next_cell] & HAZARD) > 0) & enters
    terminated = cell_rewards.ends[next_cell]
    paid = rewards.step_reward * move.cost + cell_rewards.entry[next_cell] * enters
    paid = paid + rewards.hazard_reward * enters_hazard + rewards.outer_wall_reward * ~is_inside
    exits = cell_rewards.exits  # with an exit action, whatever the move is
    next_cell[exits], paid[exits], terminated[exits] = exits, cell_rewards.exit_rewards, True
    next_heading = (heading + move.turn) % moves.num_headings
    return MoveOutcomes(next_cell + np.int32(next_heading * cells.size), paid, terminated)


def find_unblocked(cells: Cells, move: Move) -> tuple[Mask, Mask]:
    """Return where a move is possible.

    Args:
        cells: (rows, columns) uint8, bits of `clew.kernels.dynamics`.
        move: the move.

    Returns:
        Two masks, (rows, columns) bool each: the cells from which the move isn't stopped, and the cells from which it
        stays inside the grid.
    """
    down, right = move.rows, move.columns
    inside = shift_mask(np.ones(cells.shape, np.bool_), down, right)
    free = shift_mask((cells & BLOCKED) == 0, down, right)
    if max(abs(down), abs(right)) > 1 or down == right == 0:
        return free, inside

    def has_no_wall(rows: int, columns: int) -> Mask:
        mask: Mask = (cells & WALLS[rows, columns]) == 0
        return mask

    if down == 0 or right == 0:
        return free & has_no_wall(down, right), inside
    first_down = has_no_wall(down, 0) & shift_mask(has_no_wall(0, right), down, 0)
    first_right = has_no_wall(0, right) & shift_mask(has_no_wall(down, 0), 0, right)
    return free & first_down & first_right, inside


def shift_mask(mask: Mask, down: int, right: int) -> Mask:
    """Return the mask m with m[i, j] = mask[i + down, j + right], and False where that is outside."""
    rows, columns = mask.shape
    result = np.zeros_like(mask)
    if abs(down) < rows and abs(right) < columns:
        here = slice(max(0, -down), min(rows, rows - down)), slice(max(0, -right), min(columns, columns - right))
        there = slice(max(0, down), min(rows, rows + down)), slice(max(0, right), min(columns, columns + right))
        result[here] = mask[there]
    return result


def states_with_path(outcomes: list[MoveOutcomes], live: Mask) -> Mask:
    """Return the states from which some sequence of actions ends an episode, (num_states,) bool.

    Args:
        outcomes: outcomes of each action.
        live: (num_states,) bool, False in goals and blocked cells.
    """
    found: Mask = live & np.any([each.terminated for each in outcomes], axis=0)
    while True:
        more = found | (live & np.any([found[each.next_states] for each in outcomes], axis=0))
        if np.array_equal(more, found):
            return found
        found = more
