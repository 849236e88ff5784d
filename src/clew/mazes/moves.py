"""How a seeker moves: sets of moves as tables of offsets and costs, and the model of a maze under them.

The chapter's four moves need no table (`FiniteMDP.grid`). Any others are a table: for every heading and action, how
many rows and columns it leads away, what it costs, and which heading follows. From it the rows of a model are made
once, all cells at a time. A state is `heading * num_cells + cell`; a set without headings has one, so a state is still
a cell.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.models.mdp import FiniteMDP
from clew.settings import check_memory

__all__ = ["FOUR", "MOVES", "Move", "Moves", "Rewards", "find_moves", "model_of_moves"]

Cells = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

BYTES_A_ROW = 21  # of a sparse model
WALLS = {(1, 0): WALL_DOWN, (0, -1): WALL_LEFT, (-1, 0): WALL_UP, (0, 1): WALL_RIGHT}


class Move(NamedTuple):
    """What an action does: by how much it moves, what that costs, and how far it turns."""

    rows: int
    columns: int
    cost: float = 1.0  # times the step reward is what it pays
    turn: int = 0  # headings clockwise


@dataclass(frozen=True)
class Moves:
    """A set of moves.

    A move by one cell is stopped by a wall; a diagonal one asks for both ways round the corner to be free, as the
    MovingAI benchmark does. A move by more than a cell jumps: it asks only for a free cell where it lands.

    Attributes:
        name: what it is called.
        actions: a name for each action.
        moves: for each heading, the move that each action makes.

    Raises:
        SettingError: if the table can't be right.
    """

    name: str
    actions: tuple[str, ...]
    moves: tuple[tuple[Move, ...], ...]

    def __post_init__(self) -> None:
        if not self.actions or any(len(row) != len(self.actions) for row in self.moves) or not self.moves:
            raise SettingError(
                f"moves {self.name!r}: each heading needs a move for each of {len(self.actions)} actions"
            )
        for move in (move for row in self.moves for move in row):
            whole = move.rows, move.columns, move.turn
            if not all(isinstance(number, Integral) and not isinstance(number, bool) for number in whole):
                raise SettingError(f"moves {self.name!r}: rows, columns and turns must be whole numbers, not {move}")
            if not (math.isfinite(move.cost) and move.cost >= 0.0):
                raise SettingError(f"moves {self.name!r}: a cost must be a number not below 0, not {move.cost}")
        # NumPy's own numbers would count on in their few bits.
        plain = (tuple(Move(int(r), int(c), float(cost), int(turn)) for r, c, cost, turn in row) for row in self.moves)
        object.__setattr__(self, "moves", tuple(plain))

    @classmethod
    def of(cls, name: str, moves: Mapping[str, Move | tuple[int, int] | tuple[int, int, float]]) -> "Moves":
        """Moves without a heading.

        Args:
            name: what the set is called.
            moves: by the name of the action, (rows, columns) or (rows, columns, cost).

        Raises:
            SettingError: if the table can't be right.
        """
        return cls(name, tuple(moves), (tuple(Move(*move) for move in moves.values()),))

    @property
    def num_actions(self) -> int:
        """Number of actions."""
        return len(self.actions)

    @property
    def num_headings(self) -> int:
        """Number of headings; 1 if there are none."""
        return len(self.moves)

    @property
    def walks(self) -> bool:
        """True if these moves reach every cell that single steps reach."""
        steps = {(move.rows, move.columns) for row in self.moves for move in row}

        def spins(turn: int) -> bool:
            return all(any(move[:2] == (0, 0) and move.turn == turn for move in row) for row in self.moves)

        return steps >= WALLS.keys() and (self.num_headings == 1 or spins(1) or spins(-1))

    def sides(self) -> list[tuple[int, int]]:
        """For each action the next ones clockwise and the other way round, where slip leads astray.

        Raises:
            SettingError: if the moves don't lie in a circle.
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


def _on_every_heading(*moves: Move) -> tuple[tuple[Move, ...], ...]:
    """These moves as seen when looking down, left, up and right: in the order of `Action`, clockwise."""
    headings = [moves]
    for _ in range(3):
        headings.append(tuple(move._replace(rows=move.columns, columns=-move.rows) for move in headings[-1]))
    return tuple(headings)


FOUR = Moves.of("four", {"down": (1, 0), "left": (0, -1), "up": (-1, 0), "right": (0, 1)})
_KNIGHT = [(2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2), (1, 2), (2, 1)]  # clockwise, from down and left


def _eight(name: str, diagonal: float) -> Moves:
    """The four moves, and the diagonals between them at another cost."""
    corners = {"down-left": (1, -1), "up-left": (-1, -1), "up-right": (-1, 1), "down-right": (1, 1)}
    straight = zip(FOUR.actions, FOUR.moves[0], strict=True)
    return Moves.of(name, {**dict(straight), **{corner: (*way, diagonal) for corner, way in corners.items()}})


MOVES = {
    "four": FOUR,
    "eight": _eight("eight", math.sqrt(2.0)),
    # Of the root of 2 MovingAI's newer lengths, of eight decimals, have ten digits; its older ones, of six digits, are
    # made in single precision. Every row of its files is met by one or the other: python -m benchmarks.scenarios
    "movingai": _eight("movingai", 1.414213562),
    "movingai-float32": _eight("movingai-float32", float(np.float32(math.sqrt(2.0)))),
    "knight": Moves.of("knight", {f"{rows:+},{columns:+}": (rows, columns) for rows, columns in _KNIGHT}),
    "robot": Moves(
        "robot",
        ("forward", "turn left", "turn right"),
        _on_every_heading(Move(1, 0), Move(0, 0, turn=-1), Move(0, 0, turn=1)),
    ),
}


def find_moves(moves: str | Moves) -> Moves:
    """Moves by their name, or those that are given.

    Raises:
        SettingError: if none are called so.
    """
    if isinstance(moves, Moves):
        return moves
    if not isinstance(moves, str) or moves not in MOVES:
        table = "" if isinstance(moves, str) else ", or a table"  # a command line, which has words alone, takes none
        raise SettingError(f"must be one of {', '.join(MOVES)}{table}, not {moves!r}", setting="moves")
    return MOVES[moves]


class Rewards(NamedTuple):
    """What moves pay, as `FiniteMDP.grid` says it; for itself a move pays the step reward times its cost."""

    goal_reward: float = 1.0
    step_reward: float = 0.0
    outer_wall_reward: float = 0.0
    hazard_reward: float = 0.0


class Arrivals(NamedTuple):
    """Where moves lead, an entry for each state."""

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
) -> FiniteMDP:
    """The model of a maze for a set of moves; a move that is stopped stays, and pays what it costs.

    Args:
        cells: (rows, columns), bits of `clew.kernels.dynamics`.
        moves: the moves.
        start_cells: (num_starts,) cells in which episodes begin; looking down, if the heading isn't a random one.
        random_start: episodes begin with any heading.
        slip: probability that a move goes astray, half of it to the next one on either side.
        rewards: what moves pay.

    Raises:
        SettingError: if there is slip and the moves lie in no circle, no start has a way to a goal, or memory is short.
    """
    made, chances = [[a] for a in range(moves.num_actions)], [1.0]  # the moves that each action may come to
    if slip > 0.0:
        made = [[a, *beside] for a, beside in enumerate(moves.sides())]
        chances = [1.0 - slip, slip / 2, slip / 2]
    num_states, num_outcomes = moves.num_headings * cells.size, len(chances)
    num_rows = num_states * moves.num_actions * num_outcomes
    check_memory(3 * BYTES_A_ROW * num_rows, f"a model of the moves {moves.name!r}")
    arrivals = []  # of each move
    for action in range(moves.num_actions):
        by_heading = [arrive(cells, moves, heading, action, rewards) for heading in range(moves.num_headings)]
        arrivals.append(Arrivals(*map(np.concatenate, zip(*by_heading, strict=True))))
    live = np.tile((cells.reshape(-1) & (GOAL | BLOCKED)) == 0, moves.num_headings)
    starts = start_cells
    if random_start:
        starts = np.concatenate([start_cells + np.int32(h * cells.size) for h in range(moves.num_headings)])
    if not moves.walks:
        starts = starts[find_ways(arrivals, live)[starts]]
        if starts.size == 0:
            raise SettingError(f"the moves {moves.name!r} find no way from the start to a goal")
    rows = [  # by state, then action, then outcome
        np.stack([each[live] for each in of_moves])[made].transpose(2, 0, 1).reshape(-1)
        for of_moves in zip(*arrivals, strict=True)
    ]
    probabilities = np.tile(chances, int(live.sum()) * moves.num_actions)
    offsets = np.zeros(num_states * moves.num_actions + 1, np.int64)
    np.cumsum(np.repeat(live * num_outcomes, moves.num_actions), out=offsets[1:])
    return FiniteMDP.sparse(offsets, probabilities, *rows, num_actions=moves.num_actions, starts=starts)


def arrive(cells: Cells, moves: Moves, heading: int, action: int, pays: Rewards) -> Arrivals:
    """Where an action leads from every cell, with this heading; (num_cells,) each."""
    move = moves.moves[heading][action]
    free, inside = (mask.reshape(-1) for mask in find_free(cells, move))
    here = np.arange(cells.size, dtype=np.int32)
    there = here + free * np.int32(move.rows * cells.shape[1] + move.columns)
    found = cells.reshape(-1)[there]
    terminated = (found & GOAL) > 0
    hurts = ((found & HAZARD) > 0) & (there != here)
    rewards = pays.step_reward * move.cost + pays.goal_reward * terminated
    rewards = rewards + pays.hazard_reward * hurts + pays.outer_wall_reward * ~inside
    return Arrivals(there + np.int32((heading + move.turn) % moves.num_headings * cells.size), rewards, terminated)


def find_free(cells: Cells, move: Move) -> tuple[Mask, Mask]:
    """(rows, columns) twice: where a move is not stopped, and where it doesn't lead over the edge."""
    down, right = move.rows, move.columns
    inside = shifted(np.ones(cells.shape, np.bool_), down, right)
    free = shifted((cells & BLOCKED) == 0, down, right)
    if max(abs(down), abs(right)) > 1 or down == right == 0:
        return free, inside

    def steps(rows: int, columns: int) -> Mask:
        open_: Mask = (cells & WALLS[rows, columns]) == 0
        return open_

    if down == 0 or right == 0:
        return free & steps(down, right), inside
    first_down = steps(down, 0) & shifted(steps(0, right), down, 0)
    first_right = steps(0, right) & shifted(steps(down, 0), 0, right)
    return free & first_down & first_right, inside


def shifted(mask: Mask, down: int, right: int) -> Mask:
    """What a mask says of the cell so many rows down and columns to the right; False outside."""
    rows, columns = mask.shape
    result = np.zeros_like(mask)
    if abs(down) < rows and abs(right) < columns:
        here = slice(max(0, -down), min(rows, rows - down)), slice(max(0, -right), min(columns, columns - right))
        there = slice(max(0, down), min(rows, rows + down)), slice(max(0, right), min(columns, columns + right))
        result[here] = mask[there]
    return result


def find_ways(arrivals: list[Arrivals], live: Mask) -> Mask:
    """(num_states,) where some moves lead to an end, found backwards from there."""
    ends: Mask = live & np.any([each.terminated for each in arrivals], axis=0)
    while True:
        more = ends | (live & np.any([ends[each.next_states] for each in arrivals], axis=0))
        if np.array_equal(more, ends):
            return ends
        ends = more
