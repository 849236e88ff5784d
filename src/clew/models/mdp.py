"""Finite Markov decision processes as validated arrays; all learners and planners work on them.

States are numbered 0 to num_states - 1, actions 0 to num_actions - 1. An episode begins in one of the start states,
each equally likely. There are two forms of dynamics, and the same kernels work on both:

    grid    one byte per cell, with bits for walls between cells; no table of transitions
    sparse  rows of (probability, next state, reward, terminated) for each state and action
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import ClewError, ModelError
from clew.kernels import dynamics
from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, Grid, Sparse, fast_model
from clew.models.arrays import SparseRows, rows_of_arrays
from clew.models.checks import check_sparse, check_starts, read_only_copy, without_rounding
from clew.models.files import read_arrays, write_arrays
from clew.models.grids import GRID_SETTINGS, grid_model
from clew.models.rows import Outcome, rows_of_environment, rows_of_function
from clew.settings import as_path, shown


@dataclass(frozen=True, eq=False)
class FiniteMDP:
    """A finite Markov decision process (MDP): transition probabilities, rewards and start states.

    Made by one of the class methods:

        from_function   a Python function that lists the outcomes of a state and action
        from_arrays     arrays of transition probabilities and rewards
        from_gymnasium  a Gymnasium environment with a transition table
        sparse          rows of outcomes
        grid            a grid with walls and four moves
        load            a file written by `save`

    All actions are available in all states. A state in which no action has an outcome is terminal: nothing happens
    there, and its value is 0.

    Attributes:
        model: named tuple of read-only arrays, the form that kernels use.
        num_states: number of states, at most 2**31 - 1.
        num_actions: number of actions.
        starts: (num_starts,) int32, read-only; start states, each equally likely. A state may be listed repeatedly.

    >>> import clew
    >>> def coin(state, action):  # stake the coin in state 0: win 2 or lose 1, and the episode ends
    ...     return [(0.5, 1, 2.0, True), (0.5, 1, -1.0, True)] if state == 0 else []
    >>> mdp = clew.FiniteMDP.from_function(2, 1, coin)
    >>> mdp
    FiniteMDP(2 states, 1 actions, 2 outcomes)
    >>> mdp.starts.tolist(), mdp.is_deterministic
    ([0], False)
    >>> clew.solve(mdp, gamma=0.9).value
    0.5
    """

    model: Grid | Sparse
    num_states: int
    num_actions: int
    starts: npt.NDArray[np.int32]

    def __repr__(self) -> str:
        dynamics = (
            f"{self.model.probabilities.size:,} outcomes"
            if isinstance(self.model, Sparse)
            else f"a grid of {self.model.num_cells // self.model.columns} x {self.model.columns}"
        )
        return f"FiniteMDP({self.num_states:,} states, {self.num_actions} actions, {dynamics})"

    @cached_property
    def fast_model(self) -> Any:
        """The model in the form that is fastest to simulate; for most deterministic models one with float32 rewards."""
        return fast_model(self.model)

    def __reduce__(self) -> tuple[Any, ...]:
        # Calls a constructor, so that a copy in another process is validated and read-only.
        return _from_arguments, (self._arguments(),)

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments, by name, with which `grid` or `sparse` makes the same model."""
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
        """Make the model of a grid with four actions: 0 down, 1 left, 2 up, 3 right.

        A state is a cell, `row * columns + column`. A move into a wall stays. Reaching a goal ends the episode; goals
        and blocked cells have no outcomes. The reward of a move is `step_reward` plus the rewards of what it meets.

        Args:
            cells: (rows, columns) uint8, bits of `clew.kernels.dynamics`: a wall for each direction, GOAL, HAZARD,
                BLOCKED. A wall is marked on both of its sides, and the edge of the grid is all wall.
            starts: start states.
            moving_goal: True if a state includes the place of the goal: `goal cell * num_cells + cell`; goals in
                `cells` are then ignored.
            slip: probability that a move slips to the left or right of its direction, half of it to each, in [0, 1].
            goal_reward: added when a move reaches a goal.
            step_reward: reward of each move.
            outer_wall_reward: added when a move runs into the edge of the grid.
            hazard_reward: added when a move enters a hazard.

        Raises:
            ModelError: if the cells, the start states or a number is invalid.
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
        states = check_starts(starts, num_states)
        cell, goal = states % model.num_cells, states // model.num_cells
        is_terminal = ((model.cells[cell] & BLOCKED) > 0) | (
            cell == goal if moving_goal else ((model.cells[cell] & GOAL) > 0)
        )
        if is_terminal.any():
            raise ModelError(
                f"start state {states[is_terminal][0]} is on a goal or in a blocked cell, where nothing happens"
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
    ) -> FiniteMDP:
        """Make a model from rows of outcomes, sorted by state, then action.

        Args:
            offsets: (num_states * num_actions + 1,) int64; the outcomes of (s, a) are the rows from
                `offsets[s * num_actions + a]` up to the next offset. A state without rows is terminal.
            probabilities: (num_rows,) float64, not negative; they sum to 1 for each (s, a) that has rows.
            next_states: (num_rows,) int32.
            rewards: (num_rows,) float64, finite.
            terminated: (num_rows,) bool, True where the outcome ends the episode.
            num_actions: number of actions.
            starts: start states.

        Raises:
            ModelError: names the array, or the state and action, that is invalid.
        """
        if not isinstance(num_actions, Integral) or isinstance(num_actions, bool):
            raise ModelError(f"num_actions must be a whole number, not {shown(num_actions)}")
        num_actions = int(num_actions)
        given = read_only_copy(probabilities, np.float64, "probabilities")
        model = Sparse(
            read_only_copy(offsets, np.int64, "offsets"),
            read_only_copy(without_rounding(given), np.float64, "probabilities"),
            read_only_copy(next_states, np.int64, "next_states"),
            read_only_copy(rewards, np.float64, "rewards"),
            read_only_copy(terminated, np.bool_, "terminated"),
            num_actions,
        )
        num_states = check_sparse(model)
        model = model._replace(next_states=read_only_copy(model.next_states, np.int32, "next_states"))
        return cls(model, num_states, model.num_actions, check_starts(starts, num_states))

    @property
    def reward_range(self) -> tuple[float, float]:
        """Bounds (lowest, highest) of the reward of a step; 0, the reward of a terminal state, is included."""
        model = self.model
        if isinstance(model, Sparse):
            return float(model.rewards.min(initial=0.0)), float(model.rewards.max(initial=0.0))
        hazard = model.hazard_reward if np.bitwise_or.reduce(model.cells) & HAZARD else 0.0
        extras = model.goal_reward, model.outer_wall_reward, hazard
        return (
            min(0.0, model.step_reward + sum(min(0.0, extra) for extra in extras)),
            max(0.0, model.step_reward + sum(max(0.0, extra) for extra in extras)),
        )

    @property
    def step_rewards(self) -> npt.NDArray[np.float64]:
        """Rewards that a step can have: of each outcome; of a grid, those of each kind of move."""
        model = self.model
        if isinstance(model, Sparse):
            return model.rewards
        hazards = [dynamics.ENTERS_HAZARD] if np.bitwise_or.reduce(model.cells) & HAZARD else []
        return model.rewards[[0, dynamics.REACHES_GOAL, dynamics.HITS_OUTER_WALL, *hazards]]

    @cached_property
    def max_outcomes(self) -> int:
        """Maximum number of outcomes that an action has in a state, at least 1."""
        if isinstance(self.model, Sparse):
            return max(1, int(np.diff(self.model.offsets).max()))
        return 3 if self.model.slip > 0.0 else 1

    @property
    def is_deterministic(self) -> bool:
        """True if each action has at most one outcome in each state."""
        return self.max_outcomes == 1

    @property
    def num_outcomes(self) -> int:
        """Upper bound of the number of outcomes of all pairs of a state and an action.

        A pair without outcomes is counted as one.
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
        """Make a model from arrays of transition probabilities and rewards.

        pymdptoolbox's arrays have the action first, (num_actions, num_states, num_states): use
        `P.transpose(1, 0, 2)`, and the same for rewards of that shape. `Q` and `R` of quantecon's DiscreteDP can be
        used as they are, except that it marks unavailable actions by a reward of -inf: give such an action the
        outcomes and rewards of another.

        Args:
            P: (num_states, num_actions, num_states) float64; `P[s, a, s_next]` is the probability of s_next. Or a list
                of sparse matrices, (num_states, num_states), one for each action: SciPy's, or any objects with
                `indptr`, `indices` and `data` in compressed sparse row format.
            R: finite rewards: (num_states,) for all actions in s, (num_states, num_actions), or
                (num_states, num_actions, num_states) for the transition from s to s_next.
            terminal: (num_states,) bool; entering such a state ends the episode, and its own rows of P and R are
                ignored. By default there is none, and episodes don't end.
            starts: start states; by default all states that aren't terminal.

        Raises:
            ModelError: names the argument, or the state and action, that is invalid.
        """
        return cls._from_rows(rows_of_arrays(P, R, terminal), starts)

    @classmethod
    def from_function(
        cls,
        num_states: int,
        num_actions: int,
        f: Callable[[int, int], Iterable[Outcome]],
        *,
        starts: npt.ArrayLike | None = None,
    ) -> FiniteMDP:
        """Make a model from a function that lists the outcomes of a state and action.

        Args:
            num_states: number of states.
            num_actions: number of actions.
            f: `f(s, a)` returns a list of (probability, next state, reward, terminated). It is called once for each
                state and action. A state with empty lists for all actions is terminal; for some of them is an error.
            starts: start states; by default all states that aren't terminal.

        Raises:
            ModelError: names the state and action for which f returned something invalid.
            SettingError: if the number of states or actions is out of range.
        """
        return cls._from_rows(rows_of_function(num_states, num_actions, f), starts)

    @classmethod
    def from_gymnasium(cls, env: Any) -> FiniteMDP:
        """Make a model from a Gymnasium environment with a transition table `P`, such as FrozenLake or Taxi.

        States, actions and outcomes keep their numbers and order. States that can't be reached from the start states
        keep their numbers and have no outcomes. A step limit is not part of a model; it is
        `env.spec.max_episode_steps`.

        Args:
            env: environment with `P[s][a]`, a list of (probability, next state, reward, terminated), and
                `initial_state_distrib[s]`, the probability that an episode begins in s. Start states of unequal
                probability are repeated in `starts`; the probabilities must be in the ratio of integers up to 100.

        Raises:
            ModelError: if it has no such table, its steps depend on more than the state, a wrapper may change a step,
                or the outcomes of a state and action are invalid; says which.
        """
        return cls._from_rows(*rows_of_environment(env))

    @classmethod
    def _from_rows(cls, rows: SparseRows, starts: npt.ArrayLike | None) -> FiniteMDP:
        """Make a model from rows; if `starts` is None, from all states that aren't terminal."""
        if starts is None:
            starts = np.flatnonzero(np.diff(rows.offsets[:: rows.num_actions]))  # states that aren't terminal
        return cls.sparse(*rows[:-1], num_actions=rows.num_actions, starts=starts)

    def save(self, path: str | Path) -> None:
        """Write the model to an .npz file, whole or not at all; nothing is pickled.

        Raises:
            ModelError: if the file can't be written.
        """
        write_arrays(as_path("path", path), self._arguments())

    @classmethod
    def load(cls, path: str | Path) -> FiniteMDP:
        """Read a model that was written by `save`.

        Raises:
            ModelError: names the file, and says whether it can't be read, is damaged, or isn't a model.
        """
        arrays = read_arrays(as_path("path", path))
        try:
            return _from_arguments(arrays)
        except ClewError as error:
            raise ModelError(f"{path}: damaged: {error}") from None

    def to_sparse(self) -> FiniteMDP:
        """Return the same model in the sparse form, with one row per outcome."""
        offsets = np.zeros(self.num_states * self.num_actions + 1, np.int64)
        dynamics.count_outcomes(self.model, self.num_actions, offsets)
        n = int(offsets[-1])
        rows = Sparse(offsets, np.empty(n), np.empty(n, np.int32), np.empty(n), np.empty(n, np.bool_), self.num_actions)
        dynamics.write_outcomes(self.model, rows)
        return FiniteMDP.sparse(*rows[:-1], num_actions=self.num_actions, starts=self.starts)


def _from_arguments(arguments: dict[str, Any]) -> FiniteMDP:
    """Make a model from the arguments of `FiniteMDP.grid` (which include cells) or `FiniteMDP.sparse`."""
    return FiniteMDP.grid(**arguments) if "cells" in arguments else FiniteMDP.sparse(**arguments)
