"""Finite Markov decision processes as validated arrays; all learners and planners work on them.

States are numbered 0 to num_states - 1, actions 0 to num_actions - 1. An episode begins in one of the start states,
each equally likely. There are two forms of dynamics, and the same kernels work on both:

    grid    one byte per cell, with bits for walls between cells; no table of transitions
    sparse  rows of (probability, next state, reward, terminated) for each state and action
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from clew.errors import ClewError, ModelError
from clew.files import save_file
from clew.kernels import dynamics
from clew.kernels.dynamics import Grid, Sparse, fast_model
from clew.models.arrays import SparseRows
from clew.models.availability import available_pairs, fill_unavailable
from clew.models.checks import (
    Starts,
    check_sparse,
    check_starts,
    normalise,
    read_only_model,
    sparse_model,
    without_rounding,
)
from clew.models.constructors import Constructors
from clew.models.estimates import Estimate, check_estimate
from clew.models.files import ESTIMATE_ARRAYS, LABEL_ARRAYS, archive_of, read_arrays
from clew.models.grids import GRID_SETTINGS, check_grid_starts, grid_model, grid_rewards
from clew.models.labels import UNLABELLED, Labels, check_labels
from clew.settings import as_path


@dataclass(frozen=True, eq=False)
class FiniteMDP(Constructors):
    """A finite Markov decision process (MDP): transition probabilities, rewards and start states.

    Made by one of the class methods:

        from_function     a Python function that lists the outcomes of a state and action
        from_vectorized   a Python function of arrays of states and actions
        from_arrays       arrays of transition probabilities and rewards
        from_table        a table of transitions
        read_csv          a table of transitions in a CSV file
        from_transitions  logged steps, by their counts
        from_gymnasium    a Gymnasium environment with a transition table
        sparse            rows of outcomes
        grid              a grid with walls and four moves
        load              a file written by `save`

    A state in which no action has an outcome is terminal: nothing happens there, and its value is 0. In other states,
    an action without outcomes isn't available: it is never taken, and no maximum or mean contains it.

    Attributes:
        model: named tuple of read-only arrays, the form that kernels use.
        num_states: number of states, at most 2**31 - 1.
        num_actions: number of actions.
        starts: (num_starts,) int32, read-only; start states, each equally likely. A state may be listed repeatedly:
            given by their probabilities, such as `starts={0: 0.25, 7: 0.75}`, they are listed in proportion.
        state_labels: name of each state; None if states are known by their numbers.
        action_labels: name of each action, or None.
        estimate: counts and intervals, if the model was estimated by `from_transitions`; else None.

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
    state_labels: tuple[str, ...] | None = None
    action_labels: tuple[str, ...] | None = None
    estimate: Estimate | None = None

    def __repr__(self) -> str:
        dynamics = (
            f"{self.model.probabilities.size:,} outcomes"
            if isinstance(self.model, Sparse)
            else f"a grid of {self.model.num_cells // self.model.columns} x {self.model.columns}"
        )
        if not self.all_available:
            dynamics += f", {np.count_nonzero(self.available):,} of {self.available.size:,} pairs available"
        return f"FiniteMDP({self.num_states:,} states, {self.num_actions} actions, {dynamics})"

    @cached_property
    def fast_model(self) -> Any:
        """The model in the form that is fastest to simulate; for most deterministic models one with float32 rewards."""
        return fast_model(self.model)

    def __reduce__(self) -> tuple[Any, ...]:
        # Calls a constructor, so that a copy in another process is validated and read-only.
        return _from_arguments, (self._arguments(),)

    def __deepcopy__(self, memo: dict[int, Any]) -> FiniteMDP:
        return self  # read-only

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments, by name, with which `grid` or `sparse` makes the same model."""
        model = self.model._asdict()
        if isinstance(self.model, Grid):
            cells = self.model.cells.reshape(-1, self.model.columns)
            model = {"cells": cells} | {name: model[name] for name in GRID_SETTINGS}
        labels = {"state_labels": self.state_labels, "action_labels": self.action_labels}
        more = {name: each for name, each in labels.items() if each is not None}
        if self.estimate is not None:
            more |= {name: getattr(self.estimate, name) for name in ESTIMATE_ARRAYS}
        return {**model, "starts": self.starts, **more}

    def with_labels(self, *, states: Iterable[str] | None = None, actions: Iterable[str] | None = None) -> FiniteMDP:
        """Return the same model with names of states or actions, which are saved with it and shown in solutions.

        Args:
            states: a different printable text for each state; None keeps the labels that there are.
            actions: the same for each action.

        Raises:
            SettingError: if their number is wrong, or one is not such a text.

        >>> import clew
        >>> mdp = clew.FiniteMDP.from_function(2, 1, lambda s, a: [(1.0, 1, 5.0, True)] if s == 0 else [])
        >>> mdp.with_labels(states=["start", "end"]).state_labels
        ('start', 'end')
        """
        return replace(
            self,
            state_labels=self.state_labels if states is None else check_labels("states", states, self.num_states),
            action_labels=self.action_labels if actions is None else check_labels("actions", actions, self.num_actions),
        )

    @classmethod
    def grid(
        cls,
        cells: npt.ArrayLike,
        starts: Starts,
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
            starts: start states, or a dict of their probabilities.
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
        num_states, states = check_grid_starts(model, starts)
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
        starts: Starts,
    ) -> FiniteMDP:
        """Make a model from rows of outcomes, sorted by state, then action.

        Args:
            offsets: (num_states * num_actions + 1,) int64; the outcomes of (s, a) are the rows from
                `offsets[s * num_actions + a]` up to the next offset. A state without rows is terminal; an action
                without rows isn't available in a state that has some.
            probabilities: (num_rows,) float64, not negative; they sum to 1 for each (s, a) that has rows, and are
                divided by their sum if it is off by up to 1e-9 but more than rounding.
            next_states: (num_rows,) int32.
            rewards: (num_rows,) float64, finite.
            terminated: (num_rows,) bool, True where the outcome ends the episode.
            num_actions: number of actions.
            starts: start states, or a dict of their probabilities.

        Raises:
            ModelError: names the array, or the state and action, that is invalid.
        """
        model = sparse_model(offsets, probabilities, next_states, rewards, terminated, num_actions)
        return cls._from_rows(model, starts)

    @property
    def reward_range(self) -> tuple[float, float]:
        """Bounds (lowest, highest) of the reward of a step; 0, the reward of a terminal state, is included."""
        model = self.model
        if isinstance(model, Sparse):
            return float(model.rewards.min(initial=0.0)), float(model.rewards.max(initial=0.0))
        return grid_rewards(model)[1]

    @property
    def step_rewards(self) -> npt.NDArray[np.float64]:
        """Rewards that a step can have: of each outcome; of a grid, those of each kind of move."""
        return self.model.rewards if isinstance(self.model, Sparse) else grid_rewards(self.model)[0]

    @cached_property
    def max_outcomes(self) -> int:
        """Maximum number of outcomes that an action has in a state, at least 1."""
        if isinstance(self.model, Sparse):
            return max(1, int(np.diff(self.model.offsets).max()))
        return 3 if self.model.slip > 0.0 else 1

    @cached_property
    def is_terminal(self) -> npt.NDArray[np.bool_]:
        """States in which no action has an outcome, (num_states,) bool."""
        terminal = np.empty(self.num_states, np.bool_)
        dynamics.mark_terminal(self.model, self.num_actions, terminal)
        return terminal

    @cached_property
    def available(self) -> npt.NDArray[np.bool_]:
        """Mask of the actions that are available, (num_states, num_actions) bool; True in terminal states.

        >>> import clew
        >>> def replace(s, a):  # a worn machine (state 1) can be replaced (action 1), a new one can't
        ...     return [(1.0, 1, 3.0, False)] if a == 0 else [(1.0, 0, -1.0, False)] if s == 1 else []
        >>> mdp = clew.FiniteMDP.from_function(2, 2, replace)
        >>> mdp.available.tolist(), clew.solve(mdp, gamma=0.5).q.round(3).tolist()
        ([[True, False], [True, True]], [[6.0, -inf], [6.0, 2.0]])
        """
        if isinstance(self.model, Sparse):
            available = available_pairs(self.model)
        else:
            available = np.ones((self.num_states, self.num_actions), np.bool_)
        available.setflags(write=False)
        return available

    @cached_property
    def all_available(self) -> bool:
        """True if all actions are available in all states."""
        return not isinstance(self.model, Sparse) or bool(self.available.all())

    @cached_property
    def filled(self) -> FiniteMDP:
        """Model in which an unavailable action does what the first available one of its state does.

        So all actions are available in it, and no policy is better or worse than in this one. Planners work on it.
        """
        if self.all_available or not isinstance(self.model, Sparse):
            return self
        return replace(self, model=fill_unavailable(self.model, self.available), estimate=None)

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
    def _from_rows(
        cls,
        rows: Sparse | SparseRows,
        starts: Starts | None,
        labels: Labels = UNLABELLED,
        estimate: Estimate | None = None,
    ) -> FiniteMDP:
        """Make a model from rows, which belong to it; if `starts` is None, from all states that aren't terminal."""
        model = Sparse(*cast(Sparse, rows._replace(probabilities=without_rounding(rows.probabilities))))
        num_states = check_sparse(model, labels)
        model = normalise(model)
        model = read_only_model(model._replace(next_states=model.next_states.astype(np.int32, copy=False)))
        if starts is None:
            starts = np.flatnonzero(np.diff(rows.offsets[:: rows.num_actions]))  # states that aren't terminal
        return cls(model, num_states, model.num_actions, check_starts(starts, num_states), *labels, estimate)

    def save(self, path: str | Path) -> None:
        """Write the model to an .npz file, whole or not at all; nothing is pickled.

        Raises:
            ModelError: if the file can't be written.
        """
        save_file(as_path("path", path), self.to_bytes(), ModelError)

    def to_bytes(self) -> bytes:
        """Return the content of the file that `save` writes."""
        return archive_of(self._arguments())

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

    @property
    def sparse_rows(self) -> Sparse:
        """The model as rows of outcomes: `model` itself if it has that form, else converted."""
        model = self.model if isinstance(self.model, Sparse) else self.to_sparse().model
        assert isinstance(model, Sparse)
        return model

    def to_sparse(self) -> FiniteMDP:
        """Return the same model in the sparse form, with one row per outcome."""
        offsets = np.zeros(self.num_states * self.num_actions + 1, np.int64)
        dynamics.count_outcomes(self.model, self.num_actions, offsets)
        n = int(offsets[-1])
        rows = Sparse(offsets, np.empty(n), np.empty(n, np.int32), np.empty(n), np.empty(n, np.bool_), self.num_actions)
        dynamics.write_outcomes(self.model, rows)
        return FiniteMDP._from_rows(rows, self.starts, Labels(self.state_labels, self.action_labels), self.estimate)


def _from_arguments(arguments: dict[str, Any]) -> FiniteMDP:
    """Make a model from the arguments of `FiniteMDP.grid` (which include cells) or `FiniteMDP.sparse`, and more.

    These are labels, and the counts of an estimate.
    """
    rest = {name: each for name, each in arguments.items() if name not in {**LABEL_ARRAYS, **ESTIMATE_ARRAYS}}
    mdp = FiniteMDP.grid(**rest) if "cells" in rest else FiniteMDP.sparse(**rest)
    counted = {name: arguments[name] for name in ESTIMATE_ARRAYS if name in arguments}
    if counted and isinstance(mdp.model, Sparse):
        mdp = replace(mdp, estimate=check_estimate(mdp.model, **counted))
    return mdp.with_labels(states=arguments.get("state_labels"), actions=arguments.get("action_labels"))
