"""A finite Markov decision process as validated arrays: what every learner and planner works on.

States are 0 .. num_states - 1, actions 0 .. num_actions - 1, and an episode begins in one of `starts`, each as likely
as the others. The dynamics come in two forms behind the same kernels:

    grid    one byte a cell, walls as bits between cells, no table of transitions: `FiniteMDP.grid`
    sparse  rows of (probability, next state, reward, terminated) for every state and action: `FiniteMDP.sparse`,
            or `FiniteMDP.from_arrays`, which makes them of a table of probabilities and one of rewards
"""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import ModelError, SettingError
from clew.kernels import dynamics
from clew.kernels.dynamics import (
    BLOCKED,
    GOAL,
    HAZARD,
    WALL_DOWN,
    WALL_LEFT,
    WALL_RIGHT,
    WALL_UP,
    Grid,
    Sparse,
    simplest,
)
from clew.model_arrays import rows_of_arrays

__all__ = ["FiniteMDP", "check_memory", "grid_model"]

MAX_STATES = 2**31 - 1  # states are stored as int32


def _frozen(array: npt.ArrayLike, dtype: Any, name: str) -> npt.NDArray[Any]:
    """Contiguous read-only copy: a model can't change under a learner, and looks to Numba as Ray's arrays do."""
    source = np.asarray(array)
    copy = np.array(source.astype(dtype), order="C")
    if np.issubdtype(dtype, np.integer) and not np.array_equal(copy, source):
        raise ModelError(f"{name} must be whole numbers that fit {np.dtype(dtype).name}")
    copy.setflags(write=False)
    return copy


def check_memory(num_bytes: int, what: str) -> None:
    """Refuse an array that the machine can't hold, before the memory is taken.

    Raises:
        SettingError: if it would take more than four fifths of the machine's memory.
    """
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if num_bytes > 0.8 * memory:
            raise SettingError(
                f"{what} would take {num_bytes / 1e9:.1f} GB, and this machine has {memory / 1e9:.1f} GB of memory"
            )


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ModelError(message)


@dataclass(frozen=True, eq=False)
class FiniteMDP:
    """A finite Markov decision process; make one with `FiniteMDP.grid`, `.sparse` or `.from_arrays`.

    Attributes:
        model: named tuple of read-only arrays, the form that kernels take.
        num_states: number of states, at most 2**31 - 1.
        num_actions: number of actions; every action may be taken in every state.
        starts: (num_starts,) int32, read-only.
    """

    model: Grid | Sparse
    num_states: int
    num_actions: int
    starts: npt.NDArray[np.int32]

    @cached_property
    def played(self) -> Any:
        """The same world in the form that is played fastest."""
        return simplest(self.model)

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructors, so that a copy in another process is validated and read-only as well.
        build = _rebuild_grid if isinstance(self.model, Grid) else _rebuild_sparse
        return build, (tuple(self.model), self.num_states, self.starts)

    @classmethod
    def grid(
        cls,
        cells: npt.ArrayLike,
        starts: npt.ArrayLike,
        *,
        moving_goal: bool = False,
        slip: float = 0.0,
        goal_reward: float = 1.0,
        step_reward: float = 0.0,
        outer_wall_reward: float = 0.0,
        hazard_reward: float = 0.0,
    ) -> "FiniteMDP":
        """Moves on a grid: four actions, down, left, up, right.

        Args:
            cells: (rows, columns) uint8, bits of `clew.kernels.dynamics`: a wall for each direction, GOAL, HAZARD,
                BLOCKED. Walls are symmetric, and the edge of the grid is all wall.
            starts: start states.
            moving_goal: a state is goal cell * num_cells + cell, and names its own goal.
            slip: probability that a move goes astray, half of it to each side, in [0, 1].
            goal_reward: added when a move reaches the goal.
            step_reward: paid by every move.
            outer_wall_reward: added when a move runs into the edge of the grid.
            hazard_reward: added when a move enters a hazard.

        Raises:
            ModelError: if the cells, the starts or the numbers can't be right.
        """
        model = grid_model(
            cells,
            moving_goal=moving_goal,
            slip=slip,
            goal_reward=goal_reward,
            step_reward=step_reward,
            outer_wall_reward=outer_wall_reward,
            hazard_reward=hazard_reward,
        )
        num_states = model.num_cells**2 if moving_goal else model.num_cells
        states = _checked_starts(starts, num_states)
        cell, goal = states % model.num_cells, states // model.num_cells
        over = ((model.cells[cell] & BLOCKED) > 0) | (cell == goal if moving_goal else ((model.cells[cell] & GOAL) > 0))
        _check(
            not over.any(), f"start state {states[over][:1]} is on a goal or in a blocked cell; nothing happens there"
        )
        return cls(model, num_states, 4, states)

    @classmethod
    def sparse(
        cls,
        offsets: npt.ArrayLike,
        probabilities: npt.ArrayLike,
        next_states: npt.ArrayLike,
        rewards: npt.ArrayLike,
        terminated: npt.ArrayLike,
        *,
        num_actions: int,
        starts: npt.ArrayLike,
    ) -> "FiniteMDP":
        """Any finite world, as rows of outcomes.

        Args:
            offsets: (num_states * num_actions + 1,) int64; the outcomes of (s, a) are the rows from
                `offsets[s * num_actions + a]` up to the next offset. No rows: nothing happens in s any more.
            probabilities: (num_rows,) float64, not negative; they sum to 1 for each (s, a) that has rows.
            next_states: (num_rows,) int32.
            rewards: (num_rows,) float64, finite.
            terminated: (num_rows,) bool, True where the outcome ends the episode.
            num_actions: number of actions.
            starts: start states.

        Raises:
            ModelError: names the state and action whose rows can't be right.
        """
        model = Sparse(
            _frozen(offsets, np.int64, "offsets"),
            _frozen(probabilities, np.float64, "probabilities"),
            _frozen(next_states, np.int64, "next_states"),
            _frozen(rewards, np.float64, "rewards"),
            _frozen(terminated, np.bool_, "terminated"),
            int(num_actions),
        )
        num_states = _check_sparse(model)
        model = model._replace(next_states=_frozen(model.next_states, np.int32, "next_states"))
        return cls(model, num_states, model.num_actions, _checked_starts(starts, num_states))

    @property
    def reward_range(self) -> tuple[float, float]:
        """Numbers that no reward is below or above; 0, for a state without a future, is between them."""
        model = self.model
        if isinstance(model, Sparse):
            return float(model.rewards.min(initial=0.0)), float(model.rewards.max(initial=0.0))
        hazard = model.hazard_reward if (model.cells & HAZARD).any() else 0.0
        extras = model.goal_reward, model.outer_wall_reward, hazard
        lowest = model.step_reward + sum(min(0.0, extra) for extra in extras)
        highest = model.step_reward + sum(max(0.0, extra) for extra in extras)
        return min(0.0, lowest), max(0.0, highest)

    @property
    def num_outcomes(self) -> int:
        """How many different outcomes all pairs of a state and an action may have together, at most.

        Where nothing can happen any more, that nothing happens is an outcome too.
        """
        if isinstance(self.model, Sparse):
            return int(np.maximum(np.diff(self.model.offsets), 1).sum())
        return self.num_states * self.num_actions * (3 if self.model.slip > 0.0 else 1)

    @classmethod
    def from_arrays(
        cls,
        P: Any,  # noqa: N803  # as every textbook writes it
        R: npt.ArrayLike,  # noqa: N803
        *,
        terminal: npt.ArrayLike | None = None,
        starts: npt.ArrayLike | None = None,
    ) -> "FiniteMDP":
        """Any finite world, as a table of transition probabilities and one of rewards.

        Arrays of pymdptoolbox have the action first, (num_actions, num_states, num_states): give
        `P.transpose(1, 0, 2)`, and the same of rewards of that shape. Those of quantecon's DiscreteDP, `Q` and `R`, fit
        as they are; it marks actions that can't be taken by a reward of -inf, and here every action can be taken:
        give such an action the outcomes of another.

        Args:
            P: (num_states, num_actions, num_states) float64; `P[s, a, s_next]` is the probability to come to s_next.
                Or a list of sparse matrices, (num_states, num_states), one for each action: SciPy's, or any with
                `indptr`, `indices` and `data` as in compressed sparse rows.
            R: rewards, finite: (num_states,) paid by every action in s, (num_states, num_actions), or
                (num_states, num_actions, num_states) paid on the way from s to s_next.
            terminal: (num_states,) bool; to enter such a state ends the episode, and its own rows of P and R don't
                count. By default none: the world goes on for ever.
            starts: start states; by default all that aren't terminal.

        Raises:
            ModelError: names the state and action whose numbers can't be right, or the shape.
        """
        rows = rows_of_arrays(P, R, terminal)
        if starts is None:
            starts = np.flatnonzero(np.diff(rows.offsets)[:: rows.num_actions])  # where something can happen
        return cls.sparse(*rows[:-1], num_actions=rows.num_actions, starts=starts)

    def to_sparse(self) -> "FiniteMDP":
        """The same world in the sparse form."""
        offsets = np.zeros(self.num_states * self.num_actions + 1, np.int64)
        dynamics.count_outcomes(self.model, self.num_actions, offsets)
        n = int(offsets[-1])
        rows = Sparse(offsets, np.empty(n), np.empty(n, np.int32), np.empty(n), np.empty(n, np.bool_), self.num_actions)
        dynamics.write_outcomes(self.model, rows)
        return FiniteMDP.sparse(*rows[:-1], num_actions=self.num_actions, starts=self.starts)


def grid_model(
    cells: npt.ArrayLike,
    *,
    moving_goal: bool = False,
    slip: float = 0.0,
    goal_reward: float = 1.0,
    step_reward: float = 0.0,
    outer_wall_reward: float = 0.0,
    hazard_reward: float = 0.0,
) -> Grid:
    """The arrays of a grid, checked; arguments as for `FiniteMDP.grid`.

    Raises:
        ModelError: if the cells or the numbers can't be right.
    """
    grid = _frozen(cells, np.uint8, "cells")
    _check(grid.ndim == 2 and grid.size > 0, f"cells must be a non-empty array of rows and columns, not {grid.shape}")
    _check_walls(grid)
    rewards = (goal_reward, step_reward, outer_wall_reward, hazard_reward)
    _check(bool(np.isfinite(rewards).all()), f"rewards must be finite numbers, not {rewards}")
    _check(0.0 <= slip <= 1.0, f"slip must be a probability in [0, 1], not {slip}")
    num_states = grid.size**2 if moving_goal else grid.size
    _check(num_states <= MAX_STATES, f"{num_states:,} states are more than {MAX_STATES:,}")
    return Grid(
        cells=grid.reshape(-1),
        columns=grid.shape[1],
        num_cells=grid.size,
        moving_goal=bool(moving_goal),
        slip=float(slip),
        goal_reward=float(goal_reward),
        step_reward=float(step_reward),
        outer_wall_reward=float(outer_wall_reward),
        hazard_reward=float(hazard_reward),
        moves=_frozen([grid.shape[1], -1, -grid.shape[1], 1], np.int64, "moves"),
        rewards=_frozen(_rewards_of_kinds(*rewards), np.float64, "rewards"),
    )


def _rewards_of_kinds(goal: float, step: float, outer_wall: float, hazard: float) -> list[float]:
    """What a move pays that meets the goal, a hazard, the outer wall, or several, whose numbers add up."""
    extras = [(dynamics.TOUCHES, outer_wall), (dynamics.ENDS, goal), (dynamics.HURTS, hazard)]
    return [sum((extra for bit, extra in extras if kind & bit), float(step)) for kind in range(8)]


def _rebuild_grid(model: tuple[Any, ...], num_states: int, starts: npt.NDArray[np.int32]) -> FiniteMDP:
    grid = Grid(*model)
    return FiniteMDP.grid(
        grid.cells.reshape(-1, grid.columns),
        starts,
        moving_goal=grid.moving_goal,
        slip=grid.slip,
        goal_reward=grid.goal_reward,
        step_reward=grid.step_reward,
        outer_wall_reward=grid.outer_wall_reward,
        hazard_reward=grid.hazard_reward,
    )


def _rebuild_sparse(model: tuple[Any, ...], num_states: int, starts: npt.NDArray[np.int32]) -> FiniteMDP:
    return FiniteMDP.sparse(*model[:-1], num_actions=model[-1], starts=starts)


def _checked_starts(starts: npt.ArrayLike, num_states: int) -> npt.NDArray[np.int32]:
    states = np.atleast_1d(np.asarray(starts))
    _check(states.size > 0 and states.ndim == 1, "starts must name at least one state")
    _check(bool(np.issubdtype(states.dtype, np.integer)), f"starts must be integers, not {states.dtype}")
    wrong = states[(states < 0) | (states >= num_states)]
    _check(wrong.size == 0, f"start state {wrong[:1]} is outside 0..{num_states - 1}")
    return _frozen(states, np.int32, "starts")


def _check_walls(grid: npt.NDArray[np.uint8]) -> None:
    """The edge is closed, walls stop both directions, blocked cells are closed and no goal is blocked."""
    edges = (
        (grid[-1], WALL_DOWN, "bottom"),
        (grid[:, 0], WALL_LEFT, "left"),
        (grid[0], WALL_UP, "top"),
        (grid[:, -1], WALL_RIGHT, "right"),
    )
    for cells, wall, name in edges:
        _check(bool((cells & wall).all()), f"the {name} edge of the grid must be wall")
    vertical = ((grid[:-1] & WALL_DOWN) > 0) == ((grid[1:] & WALL_UP) > 0)
    horizontal = ((grid[:, :-1] & WALL_RIGHT) > 0) == ((grid[:, 1:] & WALL_LEFT) > 0)
    _check(bool(vertical.all() and horizontal.all()), "a wall between two cells must stand in both of them")
    blocked = (grid & BLOCKED) > 0
    _check(bool(((grid[blocked] & 15) == 15).all()), "a blocked cell must have a wall on every side")
    _check(not bool((blocked & ((grid & GOAL) > 0)).any()), "a goal can't be in a blocked cell")


def _check_sparse(model: Sparse) -> int:
    """Check the rows of a sparse model and return its number of states."""
    _check(model.num_actions >= 1, f"num_actions must be at least 1, not {model.num_actions}")
    rows = model.probabilities.size
    same = all(column.shape == (rows,) for column in model[1:5])
    _check(same, "probabilities, next_states, rewards and terminated must be one-dimensional and of one length")
    pairs = model.offsets.size - 1
    _check(
        model.offsets.ndim == 1 and pairs >= 1 and pairs % model.num_actions == 0,
        f"offsets must have num_states * num_actions + 1 entries; {pairs + 1} doesn't fit {model.num_actions} actions",
    )
    lengths = np.diff(model.offsets)
    in_order = model.offsets[0] == 0 and model.offsets[-1] == rows and bool((lengths >= 0).all())
    _check(in_order, f"offsets must rise from 0 to the number of rows, {rows}")
    num_states = pairs // model.num_actions
    _check(num_states <= MAX_STATES, f"{num_states:,} states are more than {MAX_STATES:,}")

    def first_pair(wrong: npt.NDArray[np.bool_]) -> str:
        pair = int(np.searchsorted(model.offsets, np.flatnonzero(wrong)[0], side="right")) - 1
        return f"state {pair // model.num_actions}, action {pair % model.num_actions}"

    outside = (model.next_states < 0) | (model.next_states >= num_states)
    if outside.any():
        raise ModelError(f"{first_pair(outside)}: next state is outside 0..{num_states - 1}")
    if not np.isfinite(model.rewards).all():
        raise ModelError(f"{first_pair(~np.isfinite(model.rewards))}: reward must be finite")
    sound = model.probabilities >= 0.0  # false for NaN as well
    if not sound.all():
        raise ModelError(f"{first_pair(~sound)}: probability must not be negative")
    sums = np.zeros(pairs)
    np.add.at(sums, np.repeat(np.arange(pairs), lengths), model.probabilities)
    uneven = np.flatnonzero((lengths > 0) & (np.abs(sums - 1.0) > 1e-9))
    if uneven.size:
        state, action = divmod(int(uneven[0]), model.num_actions)
        raise ModelError(f"state {state}, action {action}: probabilities sum to {sums[uneven[0]]:.12g}, not 1")
    return num_states
