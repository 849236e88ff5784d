"""A finite Markov decision process as validated arrays: what every learner and planner works on.

States are 0 .. num_states - 1, actions 0 .. num_actions - 1, and an episode begins in one of `starts`, each as likely
as the others. The dynamics come in two forms behind the same kernels:

    grid    one byte per cell, walls as bits between cells, no table of transitions: `FiniteMDP.grid`
    sparse  rows of (probability, next state, reward, terminated) for every state and action: `FiniteMDP.sparse`, or
            what makes them of a table of probabilities and one of rewards (`from_arrays`), of a function of Python
            (`from_function`) or of an environment of Gymnasium's that has a table (`from_gymnasium`)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import ClewError, ModelError
from clew.kernels import dynamics
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, Grid, Sparse, fast_model
from clew.models.arrays import Rows, rows_of_arrays
from clew.models.checks import MAX_STATES, check, check_sparse, check_walls, checked_starts, frozen
from clew.models.files import read_arrays, write_arrays
from clew.models.rows import Outcome, rows_of_environment, rows_of_function

__all__ = ["FiniteMDP", "grid_model"]


GRID_SETTINGS = ("moving_goal", "slip", "goal_reward", "step_reward", "outer_wall_reward", "hazard_reward")


@dataclass(frozen=True, eq=False)
class FiniteMDP:
    """A finite Markov decision process; made by `grid` or `sparse`, or what they serve: `from_arrays` and others.

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

    def __repr__(self) -> str:
        if isinstance(self.model, Sparse):
            dynamics = f"{self.model.probabilities.size:,} outcomes"
        else:
            dynamics = f"a grid of {self.model.num_cells // self.model.columns} x {self.model.columns}"
        return f"FiniteMDP({self.num_states:,} states, {self.num_actions} actions, {dynamics})"

    @cached_property
    def fast_model(self) -> Any:
        """The same world in the form that is fastest to step; see `clew.kernels.dynamics.fast_model`."""
        return fast_model(self.model)

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructors, so that a copy in another process is validated and read-only as well.
        return _build, (self._arguments(),)

    def _arguments(self) -> dict[str, Any]:
        """What `grid` or `sparse` makes the same model of."""
        model = self.model._asdict()
        if isinstance(self.model, Grid):
            cells = self.model.cells.reshape(-1, self.model.columns)
            model = {"cells": cells} | {name: model[name] for name in GRID_SETTINGS}
        return {**model, "starts": self.starts}

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
    ) -> FiniteMDP:
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
        states = checked_starts(starts, num_states)
        cell, goal = states % model.num_cells, states // model.num_cells
        over = ((model.cells[cell] & BLOCKED) > 0) | (cell == goal if moving_goal else ((model.cells[cell] & GOAL) > 0))
        if over.any():
            first = states[over][0]
            raise ModelError(f"start state {first} is on a goal or in a blocked cell; nothing happens there")
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
    ) -> FiniteMDP:
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
        try:
            num_actions = index(num_actions)
        except TypeError:
            raise ModelError(f"num_actions must be a whole number, not {num_actions!r}") from None
        model = Sparse(
            frozen(offsets, np.int64, "offsets"),
            frozen(probabilities, np.float64, "probabilities"),
            frozen(next_states, np.int64, "next_states"),
            frozen(rewards, np.float64, "rewards"),
            frozen(terminated, np.bool_, "terminated"),
            num_actions,
        )
        num_states = check_sparse(model)
        model = model._replace(next_states=frozen(model.next_states, np.int32, "next_states"))
        return cls(model, num_states, model.num_actions, checked_starts(starts, num_states))

    @property
    def reward_range(self) -> tuple[float, float]:
        """Numbers that no reward is below or above; 0, for a state without a future, is between them."""
        model = self.model
        if isinstance(model, Sparse):
            return float(model.rewards.min(initial=0.0)), float(model.rewards.max(initial=0.0))
        hazard = model.hazard_reward if np.bitwise_or.reduce(model.cells) & HAZARD else 0.0
        extras = model.goal_reward, model.outer_wall_reward, hazard
        lowest = model.step_reward + sum(min(0.0, extra) for extra in extras)
        highest = model.step_reward + sum(max(0.0, extra) for extra in extras)
        return min(0.0, lowest), max(0.0, highest)

    @cached_property
    def max_outcomes(self) -> int:
        """The most different outcomes that an action may have in a state."""
        if isinstance(self.model, Sparse):
            return max(1, int(np.diff(self.model.offsets).max()))
        return 3 if self.model.slip > 0.0 else 1

    @property
    def is_deterministic(self) -> bool:
        """True if nothing is left to chance."""
        return self.max_outcomes == 1

    @property
    def num_outcomes(self) -> int:
        """How many different outcomes all pairs of a state and an action may have together, at most.

        Where nothing can happen any more, that nothing happens is an outcome too.
        """
        if isinstance(self.model, Sparse):
            return int(np.maximum(np.diff(self.model.offsets), 1).sum())
        return self.num_states * self.num_actions * self.max_outcomes

    @classmethod
    def from_arrays(
        cls,
        P: Any,  # noqa: N803  # as every textbook writes it
        R: npt.ArrayLike,  # noqa: N803
        *,
        terminal: npt.ArrayLike | None = None,
        starts: npt.ArrayLike | None = None,
    ) -> FiniteMDP:
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
        return cls._of_rows(rows_of_arrays(P, R, terminal), starts)

    @classmethod
    def from_function(
        cls,
        num_states: int,
        num_actions: int,
        f: Callable[[int, int], Iterable[Outcome]],
        *,
        starts: npt.ArrayLike | None = None,
    ) -> FiniteMDP:
        """Any finite world, as a function of Python that is asked once for every state and action.

        Args:
            num_states: number of states.
            num_actions: number of actions.
            f: `f(s, a)` gives what may happen, a list of (probability, next state, reward, terminated). Nothing
                happens any more where it gives an empty list for every action.
            starts: start states; by default all in which something can happen.

        Raises:
            ModelError: names the state and action for which f gave what can't be right.
            SettingError: if a number is out of range.
        """
        return cls._of_rows(rows_of_function(num_states, num_actions, f), starts)

    @classmethod
    def from_gymnasium(cls, env: Any) -> FiniteMDP:
        """The world of a Gymnasium environment that keeps a table of transitions `P`, such as FrozenLake or Taxi.

        States and outcomes have the numbers and the order that they have there. States that can't be reached from the
        starts keep their numbers, and have no outcomes. A step limit is no part of a model: it's in
        `env.spec.max_episode_steps`.

        Args:
            env: `P[s][a]` lists (probability, next state, reward, terminated), `initial_state_distrib[s]` is the
                probability to begin in s. If it isn't the same for all starts, starts are repeated, where the
                probabilities are in the ratio of whole numbers up to 100.

        Raises:
            ModelError: says why if it has no such table, if what it does depends on more than the state, if a wrapper
                may change a step, or names the state and action whose outcomes can't be right.
        """
        return cls._of_rows(*rows_of_environment(env))

    @classmethod
    def _of_rows(cls, rows: Rows, starts: npt.ArrayLike | None) -> FiniteMDP:
        if starts is None:
            starts = np.flatnonzero(np.diff(rows.offsets[:: rows.num_actions]))  # where something can happen
        return cls.sparse(*rows[:-1], num_actions=rows.num_actions, starts=starts)

    def save(self, path: str | Path) -> None:
        """Write the model to a file, whole or not at all: arrays in an .npz without pickles.

        Raises:
            ModelError: if it can't be written.
        """
        write_arrays(Path(path), self._arguments())

    @classmethod
    def load(cls, path: str | Path) -> FiniteMDP:
        """Read a model that `save` wrote.

        Raises:
            ModelError: names the file, and says if it can't be read, is damaged, or is of another kind.
        """
        arrays = read_arrays(Path(path))
        try:
            return _build(arrays)
        except ClewError as error:
            raise ModelError(f"{path}: damaged: {error}") from None

    def to_sparse(self) -> FiniteMDP:
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
    grid = frozen(cells, np.uint8, "cells")
    check(grid.ndim == 2 and grid.size > 0, f"cells must be a non-empty array of rows and columns, not {grid.shape}")
    check_walls(grid)
    rewards = (goal_reward, step_reward, outer_wall_reward, hazard_reward)
    check(bool(np.isfinite(rewards).all()), f"rewards must be finite numbers, not {rewards}")
    check(0.0 <= slip <= 1.0, f"slip must be a probability in [0, 1], not {slip}")
    num_states = grid.size**2 if moving_goal else grid.size
    check(num_states <= MAX_STATES, f"{num_states:,} states are more than {MAX_STATES:,}")
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
        moves=frozen([grid.shape[1], -1, -grid.shape[1], 1], np.int64, "moves"),
        rewards=frozen(_rewards_of_kinds(*rewards), np.float64, "rewards"),
    )


def _rewards_of_kinds(goal: float, step: float, outer_wall: float, hazard: float) -> list[float]:
    """What a move pays that meets the goal, a hazard, the outer wall, or several, whose numbers add up."""
    extras = [(dynamics.HITS_OUTER_WALL, outer_wall), (dynamics.REACHES_GOAL, goal), (dynamics.ENTERS_HAZARD, hazard)]
    return [sum((extra for bit, extra in extras if kind & bit), float(step)) for kind in range(8)]


def _build(arguments: dict[str, Any]) -> FiniteMDP:
    return FiniteMDP.grid(**arguments) if "cells" in arguments else FiniteMDP.sparse(**arguments)
