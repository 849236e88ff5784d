"""The chapter's `Policy`, `update_policy`, and the checks of policies, tables and experiences of a reader's own."""

import inspect
from numbers import Real
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt

from clew import environments, reference
from clew.book.environment import fast_world, missing, overrides
from clew.errors import SettingError
from clew.learning import training
from clew.policies import policy as policies
from clew.policies import stepwise, trajectory
from clew.policies.tables import as_table
from clew.settings import SHARE, Bounds, as_list, check_number, shown

STEP_SIZES = Bounds(above=0.0, most=1.0)


class Policy:
    """A table of action values, all 0 at first, and the choice of actions from it.

    Args:
        env: environment, which gives the number of states and actions.

    Attributes:
        action_space: space of the actions.
    """

    def __init__(self, env: Any) -> None:
        self._policy, self._env = policies.Policy(env), env
        self.action_space = env.action_space

    def __getattr__(self, name: str) -> Any:
        return missing(self, name, "action_space", "_policy", "_env")

    @property
    def _is_terminal(self) -> npt.NDArray[np.bool_]:
        """Terminal states, (num_states,), which the chapter's experiences don't mark.

        They are unknown where a reader's own methods decide; their values are 0 as long as nothing is learned in them.
        """
        world, states = fast_world(self._env), np.arange(self._env.observation_space.n)
        if isinstance(world, environments.Environment):
            return world.is_terminal(states)
        return np.zeros(states.size, np.bool_)

    @property
    def state_action_table(self) -> npt.NDArray[np.float32]:
        """Action values, (num_states, num_actions) float32; (25, 4) in the chapter's maze. Can be changed in place.

        Raises:
            SettingError: if it is set to something else than a table of numbers of this shape.
        """
        return self._policy.q

    @state_action_table.setter
    def state_action_table(self, table: npt.ArrayLike) -> None:
        self._policy.q[:] = as_table("state_action_table", table, self._policy.q.shape)

    def get_action(self, state: int, explore: bool = True, epsilon: float = 0.1) -> int:
        """Return a greedy action, ties broken at random; if exploring, a random action with probability epsilon."""
        return with_table(self).get_action(state, explore, epsilon)


def with_table(policy: Policy) -> policies.Policy:
    """Return the policy of Clew in a policy of the chapter; with the table of a subclass, if that has its own."""
    if overrides(policy, Policy, "state_action_table"):
        q = policy._policy.q
        q[:] = as_table("state_action_table", policy.state_action_table, q.shape)
    return policy._policy


def update_policy(
    policy: Policy, experiences: list[list[Any]], weight: float = 0.1, discount_factor: float = 0.9
) -> None:
    """Apply the Q-learning update to the policy's table for each experience, in order.

    Args:
        policy: its table is changed in place.
        experiences: [state, action, reward, next_state] lists; the value of a terminal next_state is 0.
        weight: step size, in (0, 1].
        discount_factor: discount per step, in [0, 1].
    """
    check_has(policy, "state_action_table")
    check_rates(weight, discount_factor)
    table = policy.state_action_table
    experiences = checked_experiences(experiences, shape_of(table))
    if not isinstance(policy, Policy):  # the chapter's own class, whose table is a list of lists
        for s, a, reward, s_next in experiences:
            table[s][a] += weight * (reward + discount_factor * max(table[s_next]) - table[s][a])
        return
    is_terminal, values = policy._is_terminal, with_table(policy)
    steps = [
        reference.Transition(s, a, reward, s_next, bool(is_terminal[s_next]), False)
        for s, a, reward, s_next in experiences
    ]
    training.update_policy(values, trajectory.Trajectory.from_transitions(steps), alpha=weight, gamma=discount_factor)
    if overrides(policy, Policy, "state_action_table"):
        write_back(policy, table, {step.state for step in steps})


def write_back(policy: Policy, table: Any, states: set[int]) -> None:
    """Write learned values into the table of a subclass.

    Args:
        policy: policy of the subclass.
        table: its table, changed in place.
        states: states whose values were learned.

    Raises:
        SettingError: if the table doesn't keep them, such as one that is computed whenever it is read.
    """
    learned = policy._policy.q
    try:
        for s in states:
            table[s][:] = learned[s].tolist()
        is_kept = np.array_equal(np.asarray(policy.state_action_table, np.float32), learned)
    except (TypeError, ValueError):  # such as tuples, or a read-only array
        is_kept = False
    if not is_kept:
        raise SettingError(
            f"{type(policy).__name__} overrides state_action_table by a table that doesn't keep what is learned; "
            "return one that can be changed in place, such as an array that __init__ makes"
        )


# Checks ---------------------------------------------------------------------------------------------------------------


def check_has(policy: Any, name: str) -> None:
    """Raise SettingError if an object isn't a policy: if it lacks an attribute of the chapter's `Policy`."""
    if not hasattr(policy, name):
        raise SettingError(f"must be a Policy, with {name}, not {shown(policy)}", setting="policy")


def check_chooses(policy: Any) -> None:
    """Raise SettingError if an object has no `get_action`, or one that can't be called as the chapter calls it."""
    check_has(policy, "get_action")
    try:
        inspect.signature(policy.get_action).bind(0, True, 0.1)
    except TypeError:
        given = f"{type(policy).__name__}.get_action"
        raise SettingError(f"{given} must take (self, state, explore=True, epsilon=0.1), as in the chapter") from None


def check_rates(weight: Any, discount_factor: Any) -> None:
    """Raise SettingError if the step size or the discount is out of range; names them as the chapter does."""
    check_number("weight", weight, STEP_SIZES)
    check_number("discount_factor", discount_factor, SHARE)


def shape_of(table: Any) -> tuple[int, int]:
    """Return (num_states, num_actions) of a policy's table: an array, or a list of lists.

    Raises:
        SettingError: if it is something else, or its first row holds something else than numbers.
    """
    try:
        shape = len(table), len(table[0])
        if all(isinstance(value, Real) for value in table[0]):
            return shape
    except (TypeError, LookupError):
        pass
    raise SettingError(f"must be a list of numbers for each state, not {shown(table)}", setting="state_action_table")


def checked_experiences(experiences: Any, shape: tuple[int, int]) -> list[Any]:
    """Return experiences as a list, after checking that they fit a table of (num_states, num_actions).

    Raises:
        SettingError: if they don't, or a reward isn't a finite number in float32.
    """
    checked = as_list("experiences", experiences, "[state, action, reward, next_state]")
    for each in checked:
        if not isinstance(each, list | tuple) or len(each) != 4:
            raise SettingError(
                f"must be a list of [state, action, reward, next_state], not of {shown(each)}", setting="experiences"
            )
        s, a, reward, s_next = each
        fits = is_index(s, shape[0]) and is_index(a, shape[1]) and is_index(s_next, shape[0])
        if not fits or not isinstance(reward, Real) or not stepwise.REWARDS.hold(reward):
            raise SettingError(
                f"must have states in 0..{shape[0] - 1}, actions in 0..{shape[1] - 1} and finite rewards, as "
                f"[state, action, reward, next_state], not {shown(each)}",
                setting="experiences",
            )
    return checked


def as_action(action: Any, num_actions: int) -> int:
    """Return what a policy's `get_action` returned as an action.

    Raises:
        SettingError: if it isn't one.
    """
    if not is_index(action, num_actions):
        raise SettingError(f"the policy's get_action gave {shown(action)}, expected an action in 0..{num_actions - 1}")
    return index(action)


def is_index(number: Any, size: int) -> bool:
    """Return whether a number is an integer from 0 to size - 1."""
    try:
        return 0 <= index(number) < size
    except TypeError:
        return False
