"""A policy: action values, and the behaviour that turns them into actions."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.learning.behaviours import epsilon_greedy
from clew.kernels.sampling import new_stream
from clew.models.mdp import FiniteMDP
from clew.notebook import svg_of
from clew.settings import SHARE, check_memory, check_number

__all__ = ["FiniteEnvironment", "Policy", "maze_world", "table_shape"]


class FiniteEnvironment(Protocol):
    """What a policy needs to know of an environment: how many states and actions there are."""

    @property
    def observation_space(self) -> Any:
        """Space of states, with an attribute `n`."""

    @property
    def action_space(self) -> Any:
        """Space of actions, with an attribute `n`."""


def table_shape(env: FiniteEnvironment | FiniteMDP) -> tuple[int, int]:
    """(num_states, num_actions) of an environment, or of a model.

    Raises:
        SettingError: if it is no environment, or if a space is not Discrete from 0; says what to give in its place.
    """
    if isinstance(env, FiniteMDP):
        return env.num_states, env.num_actions
    if not hasattr(env, "observation_space") or not hasattr(env, "action_space"):
        given = "None" if env is None else f"an object of type {type(env).__name__}"
        raise SettingError(
            f"{given} is no environment; give clew.Environment(maze), a FiniteMDP, or an environment of Gymnasium's"
        )
    sizes = []
    for name in ("observation_space", "action_space"):
        space: Any = getattr(env, name)
        start = getattr(space, "start", 0)
        if not hasattr(space, "n") or np.ndim(space.n) != 0 or getattr(space, "shape", ()) != () or start != 0:
            may_be_finite = any(hasattr(space, part) for part in ("n", "nvec", "spaces"))
            advice = "; give clew.as_discrete(env), which numbers what a finite space holds" if may_be_finite else ""
            raise SettingError(f"a table needs Discrete spaces from 0; the environment's {name} is {space}{advice}")
        sizes.append(int(space.n))
    return sizes[0], sizes[1]


def maze_world(env: Any) -> Any:
    """The environment, if it has a maze to be shown in; None otherwise."""
    return env if hasattr(getattr(env, "unwrapped", None), "maze") else None


class Policy:
    """Action values and epsilon-greedy behaviour; ties are broken uniformly at random.

    Attributes:
        q: (num_states, num_actions) float32, action values; zeros at first.
        world: the environment, if it has a maze, in which a notebook shows the policy; None after it was sent.

    Args:
        env: environment with Discrete spaces, or a model.
        seed: decides the draws of `get_action`.
        q: values to begin with; copied.

    Raises:
        SettingError: if the spaces are not Discrete, or q doesn't fit them.
    """

    def __init__(self, env: FiniteEnvironment | FiniteMDP, *, seed: int = 0, q: npt.ArrayLike | None = None) -> None:
        shape = table_shape(env)
        check_memory(4 * shape[0] * shape[1], "the table")
        self.q: npt.NDArray[np.float32] = np.zeros(shape, np.float32)
        if q is not None:
            values = np.asarray(q)
            if values.shape != shape:
                raise SettingError(f"q must have the shape {shape} of (num_states, num_actions), not {values.shape}")
            with np.errstate(over="ignore"):
                self.q[:] = values
            if np.isnan(self.q).any():
                raise SettingError("q holds values that are not numbers (NaN)")
            if (np.isinf(self.q) & np.isfinite(values)).any():
                raise SettingError("q holds values that are too large for float32")
        self.stream = new_stream(seed)
        self.world = maze_world(env)

    def get_action(self, state: int, explore: bool = True, epsilon: float = 0.1) -> int:
        """Choose an action.

        Args:
            state: state, in [0, num_states).
            explore: False for the greedy policy.
            epsilon: probability of any action in place of a best one, when exploring.

        Raises:
            SettingError: if the state or epsilon is out of range.
        """
        if not isinstance(state, Integral) or not 0 <= state < self.q.shape[0]:
            raise SettingError(f"state must be in 0..{self.q.shape[0] - 1}, not {state}")
        check_number("epsilon", epsilon, SHARE)
        return int(epsilon_greedy(read_only(self.q), int(state), epsilon if explore else 0.0, self.stream))

    def greedy_actions(self) -> npt.NDArray[np.bool_]:
        """(num_states, num_actions) bool: the actions that the greedy policy may take."""
        best: npt.NDArray[np.bool_] = self.q == self.q.max(axis=1, keepdims=True)
        return best

    def __getstate__(self) -> dict[str, Any]:
        return {"q": self.q, "stream": self.stream}  # without the world: whoever gets a policy has one

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.world = None
        # What comes through Ray can't be written; a policy can.
        self.q, self.stream = state["q"].copy(), state["stream"].copy()

    def __repr__(self) -> str:
        return f"Policy({self.q.shape[0]} states x {self.q.shape[1]} actions)"

    def _repr_svg_(self) -> str | None:
        """What a notebook shows of it: values and arrows in its maze; None, and so words, without one."""
        return svg_of(self)
