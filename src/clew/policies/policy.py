"""Policies that are made of action values, of actions, or of probabilities of actions.

Numba and Gymnasium are imported by what needs them, not here: a saved policy acts with NumPy alone.
"""

from __future__ import annotations

from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from clew.errors import PolicyError, SettingError
from clew.notebook import svg_of
from clew.policies.files import read_csv, read_policy, rows_of, write_csv, write_policy
from clew.policies.tables import (
    ANY_ACTION,
    PolicyTable,
    as_actions,
    as_probabilities,
    as_table,
    greedy_of,
    labels_of,
    share_among,
)
from clew.settings import SHARE, as_numbers, check_count, check_flag, check_memory, check_number, shown

if TYPE_CHECKING:
    from clew.kernels.sampling import Stream
    from clew.models.mdp import FiniteMDP


class FiniteEnvironment(Protocol):
    """An environment with a finite number of states and actions."""

    observation_space: Any  # with an attribute `n`, the number of states
    action_space: Any  # with an attribute `n`, the number of actions


def table_shape(env: FiniteEnvironment | FiniteMDP) -> tuple[int, int]:
    """Return (num_states, num_actions) of an environment or a model.

    Raises:
        SettingError: if env is not an environment, or a space is not Discrete from 0; the message says what to pass.
    """
    from clew.models.mdp import FiniteMDP

    if isinstance(env, FiniteMDP):
        return env.num_states, env.num_actions
    if not hasattr(env, "observation_space") or not hasattr(env, "action_space"):
        given = "None" if env is None else f"a {type(env).__name__}"
        raise SettingError(
            f"expected an environment, got {given}; use clew.Environment(maze), a FiniteMDP, or a Gymnasium environment"
        )
    sizes = []
    for name in ("observation_space", "action_space"):
        space: Any = getattr(env, name)
        start = getattr(space, "start", 0)
        if not hasattr(space, "n") or np.ndim(space.n) != 0 or getattr(space, "shape", ()) != () or start != 0:
            advice = (
                "; use clew.as_discrete(env), which numbers the elements of a finite space"
                if any(hasattr(space, part) for part in ("n", "nvec", "spaces"))
                else ""
            )
            raise SettingError(f"expected Discrete spaces that start at 0; the environment's {name} is {space}{advice}")
        sizes.append(int(space.n))
    return sizes[0], sizes[1]


def _model_of(env: Any) -> FiniteMDP | None:
    """Return the model of an environment, which tells what actions are available; None if it has none."""
    from clew.environments import as_compiled

    compiled = as_compiled(env)
    return None if compiled is None else compiled.mdp


def _mark_unavailable(q: npt.NDArray[np.float32], mdp: FiniteMDP) -> None:
    """Set the values of actions that aren't available to -inf, in place."""
    from clew.models.availability import mark_unavailable

    mark_unavailable(mdp, q)


def maze_world(env: Any) -> Any:
    """Return the environment if it has a maze to draw, else None."""
    return env if hasattr(getattr(env, "unwrapped", None), "maze") else None


class Policy:
    """Policy of a world, made of action values, of actions, or of probabilities of actions.

        clew.Policy(env, q=table)                       action values: a greedy action; ties are broken at random
        clew.Policy.from_actions(env, actions)          one action for each state, such as those of a solution
        clew.Policy.from_probabilities(env, table)      each action with its probability

    `get_action` draws an action, and explores if asked to. `action` is the same action at each call: nothing is drawn,
    and nothing but NumPy is needed, also after `load`.

        >>> import clew
        >>> env = clew.Environment(clew.Maze.open(1, 3))
        >>> policy = clew.Policy(env, q=[[0, 0, 0, 0.9], [0, 0, 0, 1], [0, 0, 0, 0]])
        >>> policy
        Policy(3 states x 4 actions)
        >>> policy.get_action(1, explore=False)
        3
        >>> policy.greedy_actions()[0].tolist()
        [False, False, False, True]
        >>> lazy = clew.Policy.from_probabilities(env, [[0, 0.5, 0, 0.5]] * 3)
        >>> lazy.action(1), round(clew.policy_values(env, lazy).value, 6)
        (1, 0.647482)

    Args:
        env: environment with Discrete spaces, or a model.
        seed: seed of the draws of `get_action`; a non-negative integer.
        q: (num_states, num_actions) initial action values; copied. None is zeros. Those of actions that aren't
            available are ignored.

    Attributes:
        kind: "values", "actions" or "probabilities".
        table: (num_states, num_actions) float32 values, -inf where an action isn't available, by the model of the
            environment, or by the action masks that it has given in episodes that were played;
            (num_states,) int32 actions, -1 where any may be taken; or (num_states, num_actions) float64 probabilities.
        shape: (num_states, num_actions).
        stream: (2,) uint64, stream of random numbers for `get_action`.
        state_labels: name of each state, from the environment or model; None if states are known by their numbers.
        action_labels: name of each action, or None.
        world: the environment in which a notebook draws the policy; None if it has no maze, and in a copy that was
            pickled or loaded.

    Raises:
        SettingError: if a space is not Discrete, q has another shape or a value that is NaN or too large for float32,
            or the seed is negative.
    """

    def __init__(self, env: FiniteEnvironment | FiniteMDP, *, seed: int = 0, q: npt.ArrayLike | None = None) -> None:
        shape = table_shape(env)
        check_memory(4 * shape[0] * shape[1], "the table")
        table = np.zeros(shape, np.float32) if q is None else as_table("q", q, shape)
        self._hold(PolicyTable("values", table, shape, *labels_of(env, shape)), seed, env)

    def _hold(self, content: PolicyTable, seed: int, env: Any = None) -> None:
        """Set all attributes."""
        check_count("seed", seed, 0)
        self.kind, self.table, self.shape, self.state_labels, self.action_labels, self._available = content
        if env is not None and (mdp := _model_of(env)) is not None:
            if self.kind == "values":
                _mark_unavailable(self.table, mdp)
            elif not mdp.all_available:
                self._available = mdp.available
                if self.kind == "probabilities":
                    share_among(self.table, mdp.available)
        self._seed = int(seed)
        self.world = maze_world(env)

    @classmethod
    def _of(cls, content: PolicyTable, seed: int, env: Any = None) -> Policy:
        policy = cls.__new__(cls)
        policy._hold(content, seed, env)
        return policy

    @classmethod
    def from_actions(cls, env: FiniteEnvironment | FiniteMDP, actions: npt.ArrayLike, *, seed: int = 0) -> Policy:
        """Make a policy of an action for each state.

            >>> import clew
            >>> maze = clew.Maze.open(1, 3)
            >>> policy = clew.Policy.from_actions(clew.Environment(maze), [3, 3, -1])
            >>> policy.action(0), clew.policy_steps(maze, policy).tolist()
            (3, [2.0, 1.0, 0.0])

        Args:
            env: environment with Discrete spaces, or a model.
            actions: (num_states,) whole numbers in [0, num_actions); copied. -1 where any action may be taken, such as
                in a terminal state.
            seed: seed of the draws of `get_action`.

        Raises:
            SettingError: if a space is not Discrete, the array has another shape, or one is not an action.
        """
        shape = table_shape(env)
        return cls._of(
            PolicyTable("actions", as_actions("actions", actions, shape), shape, *labels_of(env, shape)), seed, env
        )

    @classmethod
    def from_probabilities(
        cls, env: FiniteEnvironment | FiniteMDP, probabilities: npt.ArrayLike, *, seed: int = 0
    ) -> Policy:
        """Make a policy that takes each action with a probability of its own: a stochastic policy.

            >>> import clew
            >>> maze = clew.Maze.open(1, 3)
            >>> policy = clew.Policy.from_probabilities(clew.Environment(maze), [[0, 0, 0.5, 0.5]] * 3)
            >>> clew.policy_steps(maze, policy).tolist()
            [4.0, 2.0, 0.0]

        Args:
            env: environment with Discrete spaces, or a model.
            probabilities: (num_states, num_actions); each row sums to 1, or is all 0 where any action may be taken.
                Copied.
            seed: seed of the draws of `get_action`.

        Raises:
            SettingError: if a space is not Discrete, the array has another shape, or a row is not a distribution.
        """
        shape = table_shape(env)
        table = as_probabilities("probabilities", probabilities, shape)
        return cls._of(PolicyTable("probabilities", table, shape, *labels_of(env, shape)), seed, env)

    @property
    def q(self) -> npt.NDArray[np.float32]:
        """Action values in reward units, (num_states, num_actions) float32; can be changed in place.

        Raises:
            SettingError: if the policy was made of actions or probabilities, and so has no values.
        """
        if self.kind != "values":
            raise SettingError(
                f"a policy made from {self.kind} has no action values q; clew.Policy(env, q=table) makes one that has"
            )
        table: npt.NDArray[np.float32] = self.table
        return table

    @q.setter
    def q(self, q: npt.NDArray[np.float32]) -> None:
        self.kind, self.table = "values", q

    @cached_property
    def stream(self) -> Stream:
        """Stream of random numbers for `get_action`, (2,) uint64; can be set."""
        from clew.kernels.sampling import new_stream

        return new_stream(self._seed)

    def action(self, state: int) -> int:
        """Return the action that the policy takes first in a state; the same one at each call, nothing is drawn.

        It is the first of the greedy actions, the action of the state (the first one where any may be taken), or the
        first of the most likely ones.

        Raises:
            SettingError: if the state is out of range.
        """
        s = self._index(state)
        row = self.table[s]
        if self.kind == "actions":
            return int(self._available_in(s).argmax()) if row == ANY_ACTION else int(row)
        return int(row.argmax())

    def get_action(self, state: int, explore: bool = True, epsilon: float = 0.1) -> int:
        """Draw an action: with probability epsilon any action, else one of the policy.

        That is a greedy action, each that ties with the same probability; the action of the state; or an action drawn
        by the probabilities of the state. Actions that aren't available, by the model of the environment or by the
        value -inf, are never drawn.

        Args:
            state: state, in [0, num_states).
            explore: False sets epsilon to 0.
            epsilon: probability of a random action when exploring, in [0, 1].

        Returns:
            Action, in [0, num_actions).

        Raises:
            SettingError: if the state or epsilon is out of range.
        """
        from clew.kernels import read_only
        from clew.kernels.choices import ProbabilityTable, as_choices
        from clew.kernels.learning.behaviours import epsilon_greedy
        from clew.kernels.values import MaskedTable
        from clew.models.availability import LOWEST

        s = self._index(state)
        check_flag("explore", explore)
        check_number("epsilon", epsilon, SHARE)
        row = slice(s, s + 1)
        choices, available = as_choices(self.kind, self.table[row], self.shape[1]), self._available_in(row)
        if self.kind == "values":  # where all values are -inf, all actions are available
            choices = MaskedTable(read_only(np.where(available, np.maximum(choices, LOWEST), choices)))
        elif not available.all():
            choices = ProbabilityTable(read_only(self._shares(row)), read_only(available))
        return int(epsilon_greedy(choices, 0, epsilon if explore else 0.0, self.stream))

    def _index(self, state: int) -> int:
        """Return a state as int; raise SettingError if it is out of range."""
        if not isinstance(state, Integral) or isinstance(state, bool) or not 0 <= state < self.shape[0]:
            raise SettingError(f"state must be in 0..{self.shape[0] - 1}, not {shown(state)}")
        return int(state)

    def greedy_actions(self) -> npt.NDArray[np.bool_]:
        """Return a (num_states, num_actions) mask of the actions that the policy takes without exploring.

        Of action values these are the greedy actions; in a state several may tie. Of probabilities they are those above
        0.
        """
        return self._taken(slice(None))

    def _taken(self, rows: slice) -> npt.NDArray[np.bool_]:
        """Return `greedy_actions` of some states."""
        table = self.table[rows]
        if self.kind == "probabilities":
            return np.asarray(table > 0.0)
        taken = greedy_of(table, self.shape[1])
        if self.kind == "actions":
            taken &= (table != ANY_ACTION)[:, None] | self._available_in(rows)
        return taken

    def _shares(self, rows: slice) -> npt.NDArray[np.float64]:
        """Return the probability of each action without exploring, in some states."""
        if self.kind == "probabilities":
            return np.asarray(self.table[rows])
        taken = self._taken(rows)
        return np.asarray(taken / taken.sum(axis=1, keepdims=True))

    def _available_in(self, rows: slice | int) -> npt.NDArray[np.bool_]:
        """Return which actions are available in some states; of values those above -inf, or all if there are none."""
        if self.kind != "values":
            return np.broadcast_to(True if self._available is None else self._available, self.shape)[rows]
        above = ~np.isneginf(self.table[rows])
        return np.asarray(above | ~above.any(axis=-1, keepdims=True))

    def probabilities(self, epsilon: float = 0.0) -> npt.NDArray[np.float64]:
        """Return the probability of each action, (num_states, num_actions) float64.

            >>> import clew
            >>> mdp = clew.FiniteMDP.from_function(1, 2, lambda s, a: [(1.0, 0, 0.0, True)])
            >>> clew.Policy.from_actions(mdp, [1]).probabilities(epsilon=0.5).tolist()
            [[0.25, 0.75]]

        Args:
            epsilon: probability of a random action instead, in [0, 1].

        Raises:
            SettingError: if epsilon is out of range.
        """
        check_number("epsilon", epsilon, SHARE)
        available = self._available_in(slice(None))
        random = available / available.sum(axis=1, keepdims=True)
        return np.asarray((1.0 - epsilon) * self._shares(slice(None)) + epsilon * random)

    def save(self, path: str | Path) -> None:
        """Write the policy to an .npz file, whole or not at all, with its labels; nothing is pickled.

            >>> import clew, tempfile
            >>> policy = clew.solve(clew.Maze.open(1, 3)).policy
            >>> path = tempfile.mkdtemp() + "/policy.npz"
            >>> policy.save(path)
            >>> [clew.Policy.load(path).action(s) for s in (0, 1)]
            [3, 3]

        Raises:
            SettingError: if the name doesn't end in .npz.
            PolicyError: if the file can't be written, or there is one of that name that isn't a policy.
        """
        write_policy(path, self.content)

    @classmethod
    def load(cls, path: str | Path, *, seed: int = 0) -> Policy:
        """Read a policy that was written by `save`. It imports NumPy, and neither Numba nor Gymnasium nor Ray.

        Args:
            path: the file.
            seed: seed of the draws of `get_action`.

        Raises:
            PolicyError: names the file, and says whether it can't be read, is damaged, or isn't a policy.
        """
        content = read_policy(path)
        checks: dict[str, Any] = {"values": as_table, "actions": as_actions, "probabilities": as_probabilities}
        check = checks[content.kind]
        try:
            return cls._of(content._replace(table=check(content.kind, content.table, content.shape)), seed)
        except SettingError as error:
            raise PolicyError(f"{path}: damaged: {error}") from None

    def to_csv(self, path: str | Path, *, values: npt.ArrayLike | None = None) -> None:
        """Write the policy as a table for people, a CSV file in UTF-8, whole or not at all.

        It has a row for each state, with its label or number and the action; without an action where all actions are
        the same to the policy, such as in a terminal state. Where it takes several, there is a row for each with its
        probability. `clew.Policy.read_csv` reads it.

            >>> import clew, pathlib, tempfile
            >>> mdp = clew.FiniteMDP.from_function(2, 2, lambda s, a: [(1.0, s, float(a), False)])
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "policy.csv"
            >>> clew.Policy.from_actions(mdp, [1, 0]).to_csv(path, values=[10.0, 0.0])
            >>> path.read_text().splitlines()
            ['state,action,value', '0,1,10.0', '1,0,0.0']
            >>> clew.Policy.read_csv(mdp, path).action(0)
            1

        Args:
            path: the file, whose name ends in .csv.
            values: (num_states,) numbers for a column `value`, such as `solution.v`. None writes the greatest action
                value of each state, if there are any.

        Raises:
            SettingError: if the name doesn't end in .csv, or there aren't as many values as states.
            PolicyError: if the file can't be written, or there is one of that name that isn't a policy.
        """
        write_csv(path, rows_of(self.content, self.greedy_actions(), self._state_values(values)))

    def _state_values(self, values: npt.ArrayLike | None) -> npt.NDArray[Any] | None:
        """Return the numbers of the column `value`; None for no such column."""
        if values is None:
            return np.asarray(self.table.max(axis=1)) if self.kind == "values" else None
        numbers: npt.NDArray[Any] = as_numbers("values", values)
        if numbers.shape != self.shape[:1]:
            raise SettingError(
                f"must have the shape {self.shape[:1]} of (num_states,), not {numbers.shape}", setting="values"
            )
        return numbers

    @classmethod
    def read_csv(cls, env: FiniteEnvironment | FiniteMDP, path: str | Path, *, seed: int = 0) -> Policy:
        """Read a policy from a CSV file, as `to_csv` and `clew solve --out` write it.

        Its columns are `state` and `action`, by labels or numbers; perhaps `probability`, if a state has several rows;
        and perhaps `value`, which is not used. Each state needs a row; a row without an action stands for any action.

        Args:
            env: environment or model whose states and actions are named.
            path: the file.
            seed: seed of the draws of `get_action`.

        Raises:
            PolicyError: names the file and the line that is invalid, or says why the file can't be read.
        """
        shape = table_shape(env)
        content = read_csv(path, shape, *labels_of(env, shape))
        return cls._of(content, seed, env)

    @property
    def content(self) -> PolicyTable:
        """Its kind, table and shape, the labels of states and actions, and which actions are available."""
        names = self.state_labels, self.action_labels
        return PolicyTable(self.kind, self.table, self.shape, *names, self._available)

    def __getstate__(self) -> dict[str, Any]:
        return {"content": self.content, "stream": self.stream}  # without the world, which the receiver has already

    def __setstate__(self, state: dict[str, Any]) -> None:
        content = state["content"]
        # Arrays that come through Ray are read-only.
        self._hold(content._replace(table=content.table.copy()), 0)
        self.stream = state["stream"].copy()

    def __repr__(self) -> str:
        return f"Policy({self.shape[0]} states x {self.shape[1]} actions)"

    def _repr_svg_(self) -> str | None:
        """Return an SVG of values and arrows in the maze, for notebooks; None if there is no maze."""
        return svg_of(self)
