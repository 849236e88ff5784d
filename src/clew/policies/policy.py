"""Policy: action values, and epsilon-greedy actions chosen by them."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.learning.behaviours import epsilon_greedy
from clew.kernels.sampling import new_stream
from clew.kernels.values import MaskedTable
from clew.models.mdp import FiniteMDP
from clew.notebook import svg_of
from clew.settings import SHARE, as_numbers, check_count, check_flag, check_memory, check_number, shown

TIE = 1e-9  # values that differ by less of their size are taken as equal


class FiniteEnvironment(Protocol):
    """An environment with a finite number of states and actions."""

    observation_space: Any  # with an attribute `n`, the number of states
    action_space: Any  # with an attribute `n`, the number of actions


def table_shape(env: FiniteEnvironment | FiniteMDP) -> tuple[int, int]:
    """Return (num_states, num_actions) of an environment or a model.

    Raises:
        SettingError: if env is not an environment, or a space is not Discrete from 0; the message says what to pass.
    """
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


def available_values(mdp: FiniteMDP, q: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return action values with -inf for actions that aren't available; a copy, unless all are."""
    if mdp.all_available:
        return q
    values = q.copy()
    mdp.mark_unavailable(values)
    return values


def _mark_unavailable(q: npt.NDArray[np.float32], env: Any) -> None:
    """Set the values of actions that aren't available to -inf, in place, if the environment has a model."""
    from clew.environments import as_compiled

    if (compiled := as_compiled(env)) is not None:
        compiled.mdp.mark_unavailable(q)


def maze_world(env: Any) -> Any:
    """Return the environment if it has a maze to draw, else None."""
    return env if hasattr(getattr(env, "unwrapped", None), "maze") else None


def as_table(name: str, table: Any, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return action values as a float32 array.

    Args:
        name: of the setting.
        table: an array, or nested lists.
        shape: (num_states, num_actions), which it must have.

    Raises:
        SettingError: if the table has another shape, or a value that is not a number, or too large for float32.
    """
    given = as_numbers(name, table)
    if given.shape != shape:
        raise SettingError(f"{name} must have the shape {shape} of (num_states, num_actions), not {given.shape}")
    with np.errstate(over="ignore"):
        values: npt.NDArray[np.float32] = given.astype(np.float32, order="C")
    if np.isnan(values).any():
        raise SettingError(f"{name} must hold numbers; it has values that are NaN")
    if (np.isinf(values) & np.isfinite(given)).any():
        raise SettingError(f"{name} must fit float32; it has values that are too large for float32")
    if given.dtype == np.float64:
        _keep_greedy(values, given)
    return values


def _keep_greedy(values: npt.NDArray[np.float32], given: npt.NDArray[np.float64]) -> None:
    """Keep an action that isn't greedy from becoming so by rounding to float32: take the next smaller number.

    Differences of less than TIE of a value are those of rounding, and actions that differ by less may tie.

    Args:
        values: (num_states, num_actions), the rounded values; changed in place.
        given: (num_states, num_actions), the values before.
    """
    greatest = given.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        is_less = given < greatest - TIE * np.abs(greatest)
    became_greedy = (values == values.max(axis=1, keepdims=True)) & is_less
    values[became_greedy] = np.nextafter(values[became_greedy], np.float32(-np.inf))


def check_policy(policy: Any, shape: tuple[int, int]) -> None:
    """Check that an object is a policy for a table of (num_states, num_actions).

    Raises:
        SettingError: if it is something else, or its table has another shape.
    """
    if not isinstance(policy, Policy):
        kind = f"{type(policy).__module__}.{type(policy).__qualname__}".removeprefix("builtins.")
        raise SettingError(
            f"expected a clew.Policy, got a {kind}; clew.Policy(env, q=table) makes one of a table of action values"
        )
    if policy.q.shape != shape:
        raise SettingError(f"a policy of {policy.q.shape} values doesn't fit an environment of {shape}")


def check_acts_by_table(policy: Policy) -> None:
    """Check that a policy chooses actions by its table alone, before work that reads the table and calls no method.

    Raises:
        SettingError: if its class overrides `get_action` or `greedy_actions`.
    """
    for name in ("get_action", "greedy_actions"):
        if getattr(type(policy), name) is not getattr(Policy, name):
            raise SettingError(
                f"{type(policy).__name__} overrides {name}, which isn't called here: its table q would be graded; play "
                "it with clew.Simulation(env).rollout(policy), or give a clew.Policy with the values that it acts by"
            )


class Policy:
    """Action values, and epsilon-greedy actions chosen by them; ties are broken uniformly at random.

        >>> import clew
        >>> env = clew.Environment(clew.Maze.open(1, 3))
        >>> policy = clew.Policy(env, q=[[0, 0, 0, 0.9], [0, 0, 0, 1], [0, 0, 0, 0]])
        >>> policy
        Policy(3 states x 4 actions)
        >>> policy.get_action(1, explore=False)
        3
        >>> policy.greedy_actions()[0].tolist()
        [False, False, False, True]

    Args:
        env: environment with Discrete spaces, or a model.
        seed: seed of the draws of `get_action`; a non-negative integer.
        q: (num_states, num_actions) initial action values; copied. None is zeros. Those of actions that aren't
            available are ignored.

    Attributes:
        q: (num_states, num_actions) float32, action values in reward units; -inf where an action isn't available, by
            the model of the environment, or by the action masks that it has given in episodes that were played.
        stream: (2,) uint64, stream of random numbers for `get_action`.
        world: the environment in which a notebook draws the policy; None if it has no maze, and in a copy that was
            pickled.

    Raises:
        SettingError: if a space is not Discrete, q has another shape or a value that is NaN or too large for float32,
            or the seed is negative.
    """

    def __init__(self, env: FiniteEnvironment | FiniteMDP, *, seed: int = 0, q: npt.ArrayLike | None = None) -> None:
        shape = table_shape(env)
        check_count("seed", seed, 0)
        check_memory(4 * shape[0] * shape[1], "the table")
        self.q: npt.NDArray[np.float32] = np.zeros(shape, np.float32) if q is None else as_table("q", q, shape)
        _mark_unavailable(self.q, env)
        self.stream = new_stream(seed)
        self.world = maze_world(env)

    def get_action(self, state: int, explore: bool = True, epsilon: float = 0.1) -> int:
        """Choose an action by the epsilon-greedy policy; of available ones, if others have the value -inf.

        Args:
            state: state, in [0, num_states).
            explore: False chooses a greedy action.
            epsilon: probability of a random action when exploring, in [0, 1].

        Returns:
            Action, in [0, num_actions).

        Raises:
            SettingError: if the state or epsilon is out of range.
        """
        if not isinstance(state, Integral) or isinstance(state, bool) or not 0 <= state < self.q.shape[0]:
            raise SettingError(f"state must be in 0..{self.q.shape[0] - 1}, not {shown(state)}")
        check_flag("explore", explore)
        check_number("epsilon", epsilon, SHARE)
        values = MaskedTable(read_only(self.q))
        return int(epsilon_greedy(values, int(state), epsilon if explore else 0.0, self.stream))

    def greedy_actions(self) -> npt.NDArray[np.bool_]:
        """Return a (num_states, num_actions) mask of the greedy actions; in a state several may tie."""
        return np.asarray(self.q == self.q.max(axis=1, keepdims=True))

    def __getstate__(self) -> dict[str, Any]:
        return {"q": self.q, "stream": self.stream}  # without the world, which the receiver has already

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.world = None
        # Arrays that come through Ray are read-only.
        self.q, self.stream = state["q"].copy(), state["stream"].copy()

    def __repr__(self) -> str:
        return f"Policy({self.q.shape[0]} states x {self.q.shape[1]} actions)"

    def _repr_svg_(self) -> str | None:
        """Return an SVG of values and arrows in the maze, for notebooks; None if there is no maze."""
        return svg_of(self)
