"""Episodes of environments, played step by step in Python.

episode_steps      plays one episode, with a function that returns the actions
BehaviourPolicy    plays episodes with an exploration strategy, and draws what the compiled loops draw
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Real
from operator import index
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.environments import STEPS_PER_STATE, parts_of
from clew.errors import SettingError
from clew.kernels.choices import ProbabilityTable
from clew.kernels.learning.behaviours import (
    EpsilonGreedy,
    EpsilonGreedyArgmax,
    UniformRandom,
    behaviour_after,
    choose,
    count_visit,
)
from clew.kernels.sampling import Stream, next_bits
from clew.kernels.values import assign, max_value, value
from clew.models.availability import check_mask
from clew.policies.policy import table_shape
from clew.reference import Transition
from clew.settings import Bounds, check_flag, shown

NO_ACTION = -1
REWARDS = Bounds(float(np.finfo(np.float32).min), float(np.finfo(np.float32).max))


def _as_state(observation: Any, num_states: int, source: str) -> int:
    """Return an observation as a state; kernels index by it without a check.

    Args:
        observation: what the environment returned.
        num_states: number of states.
        source: method that returned it, "reset" or "step", for the error.

    Raises:
        SettingError: if it is not an integer in [0, num_states).
    """
    try:
        number = observation.item() if isinstance(observation, np.ndarray) else observation
        if isinstance(number, bool):  # Python takes True for 1
            raise TypeError
        state = index(number)
    except (TypeError, ValueError):
        raise SettingError(f"the environment's {source} gave state {shown(observation)}, expected an integer") from None
    if not 0 <= state < num_states:
        raise SettingError(f"the environment's {source} gave state {shown(state)}, outside its space of {num_states}")
    return state


def _as_reward(reward: Any) -> float:
    """Return a reward as a Python number.

    Raises:
        SettingError: if it is not a number, or not finite in float32.
    """
    number = reward.item() if isinstance(reward, np.generic | np.ndarray) and reward.ndim == 0 else reward
    if not isinstance(number, Real) or not REWARDS.hold(number):
        raise SettingError(f"the environment's step gave reward {shown(reward)}, expected a finite float32 number")
    return float(number)


def episode_steps(
    env: Any,
    choose_action: Callable[[int], int],
    *,
    tables: Sequence[Any] = (),
    seed: int | None = None,
    render: bool = False,
    max_steps: int | None = None,
) -> Iterator[Transition]:
    """Play one episode of a Gymnasium environment with Discrete spaces, step by step.

    If the infos of the environment have an `action_mask`, the actions that it masks are marked in tables, before an
    action is chosen in the state, and before the transition that leads there is yielded.

    Args:
        env: environment; its own step limit applies as well.
        choose_action: function that returns the action for a state; called after the previous transition was yielded.
        tables: tables of action values, in forms of kernels, in which masked actions get the value -inf.
        seed: seed for the environment's reset; None continues its stream of random numbers.
        render: call `env.render()` at the start and after every step.
        max_steps: step limit, so that every episode ends. None is 100 steps per state.

    Yields:
        Each transition, as soon as it was played.

    Raises:
        SettingError: if the environment's reset or step returns anything else than Gymnasium's interface asks for, a
            state outside its space, a reward that is not finite in float32, or an action mask that is none.
    """
    check_flag("render", render)
    num_states, num_actions = table_shape(env)
    max_steps = STEPS_PER_STATE * num_states if max_steps is None else max_steps
    observation, info = parts_of(env.reset(seed=seed), "reset")
    state, steps, is_over = _as_state(observation, num_states, "reset"), 0, False
    mark_masked(info, state, num_actions, tables)
    if render:
        env.render()
    while not is_over:
        action = choose_action(state)
        observation, reward, terminated, truncated, info = parts_of(env.step(action), "step")
        next_state = _as_state(observation, num_states, "step")
        reward = _as_reward(reward)
        for name, flag in (("terminated", terminated), ("truncated", truncated)):
            if not isinstance(flag, bool | np.bool_):
                raise SettingError(f"the environment's step gave {name} {shown(flag)}, expected True or False")
        if not terminated:
            mark_masked(info, next_state, num_actions, tables)
        steps += 1
        truncated = (truncated or steps >= max_steps) and not terminated
        yield Transition(state, action, reward, next_state, bool(terminated), bool(truncated))
        state, is_over = next_state, terminated or truncated
        if render:
            env.render()


def mark_masked(info: Any, state: int, num_actions: int, tables: Sequence[Any]) -> None:
    """Mark the actions that the `action_mask` of an info masks in tables, if it has one: their values become -inf.

    In a table of probabilities they become unavailable.

    Args:
        info: what the environment returned beside the state.
        state: state to which the mask belongs, and on which alone it must depend.
        num_actions: number of actions.
        tables: tables of action values or of probabilities, in forms of kernels; changed in place.

    Raises:
        SettingError: if the mask is none, an action is available that wasn't before, or a policy takes a masked one.
    """
    if not tables or not isinstance(info, Mapping) or info.get("action_mask") is None:
        return
    mask = check_mask(info["action_mask"], num_actions, state)
    for table in tables:
        known = _available_in(table, state, num_actions)
        if (back := np.flatnonzero(mask & ~known)).size:
            raise SettingError(
                f"the environment's action_mask must depend on the state alone: in state {state} action {back[0]} is "
                "available now, and wasn't before"
            )
        if isinstance(table, ProbabilityTable):
            _exclude(table, state, known, mask)
        else:
            for action in np.flatnonzero(known & ~mask).tolist():
                assign(table, state, action, np.float32(-np.inf))


def _exclude(policy: ProbabilityTable, state: int, known: npt.NDArray[np.bool_], mask: npt.NDArray[np.bool_]) -> None:
    """Make masked actions of a policy unavailable, in place. Where any action may be taken, the others share alike.

    Raises:
        SettingError: if the policy takes one of them.
    """
    row = policy.probabilities[state]
    if (row[known] == row[known][0]).all():
        row[:] = mask / mask.sum()
    elif (wrong := np.flatnonzero((row > 0.0) & ~mask)).size:
        raise SettingError(f"takes an action that isn't available: state {state}, action {wrong[0]}", setting="policy")
    policy.available[state] = mask


def _available_in(table: Any, state: int, num_actions: int) -> npt.NDArray[np.bool_]:
    """Return which actions are available in a state by a table that `mark_masked` takes, (num_actions,) bool."""
    if isinstance(table, ProbabilityTable):
        return np.array(table.available[state])
    return np.array([value(table, state, action) != -np.inf for action in range(num_actions)])


class Choice(NamedTuple):
    """Random draw and rank of a chosen action.

    Attributes:
        drawn: random number in [0, 1) that epsilon-greedy has compared with epsilon; None if the action was chosen in
            another way, as is the first one of an exploring start.
        exploration: epsilon, or what the strategy has in its place.
        is_best: True if the action had the greatest value then, alone or with others.
    """

    drawn: float | None
    exploration: float
    is_best: bool


class BehaviourPolicy:
    """Plays an environment step by step with an exploration strategy, and draws what the compiled loops draw.

    Args:
        strategy: exploration strategy as kernels dispatch on it, `Behaviour.strategy`.
        q: action values in the form of kernels; read whenever an action is chosen.
        visits: (num_states, num_actions) int32, tries of each action, counted in place; empty if the strategy doesn't
            use them.
        exploration: parameter of the strategy, such as epsilon; may be set between episodes.
        stream: (2,) uint64, changed in place.
        tables: see `episode_steps`.
        records_choices: keep in `choice` how the action of the last step was chosen.
    """

    def __init__(
        self,
        strategy: Any,
        q: Any,
        visits: npt.NDArray[np.int32],
        exploration: float,
        stream: Stream,
        tables: Sequence[Any],
        records_choices: bool = False,
    ) -> None:
        self.strategy, self.q, self.visits, self.exploration, self.stream = strategy, q, visits, exploration, stream
        self.tables = tables
        self._current: Any = strategy  # the strategy after the previous action
        self._chosen = NO_ACTION
        self._records_choices = records_choices
        self.choice = self._last_choice = Choice(None, 0.0, False)  # of the last step, and of the action chosen last

    def play(
        self, env: Any, *, exploring_starts: bool = False, seed: int | None = None, max_steps: int | None = None
    ) -> Iterator[Transition]:
        """Play one episode; `exploring_starts` makes its first action random, the others are as in `episode_steps`."""
        self._current, self._chosen = UniformRandom() if exploring_starts else self.strategy, NO_ACTION
        for step in episode_steps(env, self._get_action, tables=self.tables, seed=seed, max_steps=max_steps):
            count_visit(self.strategy, self.visits, step.state, step.action)
            self._current = behaviour_after(self.strategy, step.action)
            yield step

    def choose_next(self, state: int) -> int:
        """Choose the next action of the episode now, before the values change, and return it."""
        self._chosen = self._choose(state)
        return self._chosen

    def _get_action(self, state: int) -> int:
        """Return the action that `choose_next` has chosen, else choose one."""
        action, self._chosen = self._chosen, NO_ACTION
        if action == NO_ACTION:
            action = self._choose(state)
        self.choice = self._last_choice
        return action

    def _choose(self, state: int) -> int:
        """Choose an action by the strategy."""
        before = self.stream.copy() if self._records_choices else self.stream
        action = int(choose(self._current, self.q, self.visits, state, self.exploration, self.stream))
        if self._records_choices:
            is_drawn = isinstance(self._current, EpsilonGreedy | EpsilonGreedyArgmax)
            drawn = (int(next_bits(before)) >> 32) / 2.0**32 if is_drawn else None
            is_best = value(self.q, state, action) == max_value(self.q, state)
            self._last_choice = Choice(drawn, self.exploration, bool(is_best))
        return action
