"""Gymnasium environments that simulate a finite MDP."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Discrete

from clew.environments.checks import STEPS_PER_STATE, as_integer
from clew.errors import SettingError
from clew.kernels.sampling import draw_start, new_stream, sample
from clew.models.labels import Labels
from clew.models.mdp import FiniteMDP
from clew.settings import as_list, as_states, check_count, check_flag, check_type, shown

MAX_LISTED_ACTIONS = 12  # an error lists the names of at most this many actions


def action_error(actions: tuple[str, ...]) -> str:
    """Return the first half of the error for an invalid action: which numbers are valid, with their names."""
    if len(actions) > MAX_LISTED_ACTIONS:
        return f"action must be a whole number from 0 to {len(actions) - 1}"
    *others, last = [str(a) if name == str(a) else f"{a} ({name})" for a, name in enumerate(actions)]
    return f"action must be {', '.join(others)} or {last}" if others else f"action must be {last}"


def check_options(options: Any, known: tuple[str, ...] = ()) -> None:
    """Check the options of `reset`.

    Raises:
        SettingError: if they aren't a mapping or None, or one isn't known.
    """
    if options is not None and not isinstance(options, Mapping):
        raise SettingError(f"must be None or a dict, not {shown(options)}", setting="options")
    unknown = [name for name in options or {} if name not in known]
    if unknown:
        expected = f"a dict of {', '.join(known)} alone" if known else "None or empty"
        raise SettingError(f"must be {expected}; {shown(unknown[0])} has no effect", setting="options")


def with_step_limit(spec: EnvSpec | None, max_episode_steps: int) -> EnvSpec | None:
    """Return a specification with a step limit, if it has none."""
    if spec is None or spec.max_episode_steps is not None:
        return spec
    return replace(spec, max_episode_steps=max_episode_steps)


class ModelEnvironment(gymnasium.Env[Any, Any]):
    """A Gymnasium environment that simulates a `FiniteMDP`; observations are its states.

    The observation space is `Discrete(num_states)`, the action space `Discrete(num_actions)`. An episode is terminated
    by an outcome that ends it, and truncated by the step limit. If some actions aren't available in some states, info
    has an `action_mask`, (num_actions,) int8, for `env.action_space.sample(info["action_mask"])`.

    Args:
        mdp: the model.
        max_episode_steps: step limit; by default 100 times the number of states.
        actions: name of each action; by default the labels of the model, or numbers.
        has_goal: True declares that an episode succeeds whenever it terminates.

    Attributes:
        mdp: the model.
        max_episode_steps: step limit.
        actions: name of each action.
        has_goal: as given.
        stream: (2,) uint64, random stream of the environment; `reset` seeds it from Gymnasium's `np_random`.

    Raises:
        SettingError: if `mdp` is not a FiniteMDP, the step limit is out of range, or the number of names is not that of
            the actions.

    >>> import clew
    >>> mdp = clew.FiniteMDP.from_function(2, 1, lambda s, a: [(1.0, 1, 5.0, True)] if s == 0 else [])
    >>> env = clew.ModelEnvironment(mdp)
    >>> env.reset(seed=0)
    (0, {})
    >>> env.step(0)  # state, reward, terminated, truncated, info
    (1, 5.0, True, False, {})
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  # as Gymnasium declares it

    def __init__(
        self,
        mdp: FiniteMDP,
        *,
        max_episode_steps: int | None = None,
        actions: tuple[str, ...] | None = None,
        has_goal: bool = False,
    ) -> None:
        if not isinstance(mdp, FiniteMDP):
            raise SettingError(f"mdp must be a FiniteMDP, not {type(mdp).__name__}; a maze is for clew.Environment")
        if max_episode_steps is not None:
            check_count("max_episode_steps", max_episode_steps, 1, 2**63 - 1)
        check_flag("has_goal", has_goal)
        self.mdp, self.has_goal = mdp, has_goal
        self.max_episode_steps = max_episode_steps or STEPS_PER_STATE * mdp.num_states
        numbers = tuple(map(str, range(mdp.num_actions)))
        self.actions = mdp.action_labels or numbers if actions is None else tuple(as_list("actions", actions, "names"))
        for name in self.actions:
            check_type("actions", name, str, "a tuple of names")
        if len(self.actions) != mdp.num_actions:
            raise SettingError(f"{mdp.num_actions} actions need as many names, not {len(self.actions)}")
        self.observation_space = Discrete(mdp.num_states)
        self.action_space = Discrete(mdp.num_actions)
        self.spec = None
        self.stream = new_stream(0)
        self._seeded = False
        self._state: int | None = None
        self._steps = 0
        self._is_over = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: seed of all random draws from here on; None continues the current random stream.
            options: None or an empty dict.

        Returns:
            (state, info). In a maze, info has the `position` and the `goal`, each (row, column); otherwise it is empty,
            or has the `action_mask` of the state: 1 for actions that are available, 0 for others.

        Raises:
            SettingError: if the seed is not a whole number, or is negative, or there are options.
        """
        check_options(options)
        if seed is not None:
            check_count("seed", seed, 0)
            seed = int(seed)
        super().reset(seed=seed)
        if seed is not None or not self._seeded:
            self.stream = new_stream(int(self.np_random.integers(2**63)))
            self._seeded = True
        self._state, self._steps, self._is_over = int(draw_start(self.mdp.starts, self.stream)), 0, False
        if self.render_mode == "human":
            self.render()
        return self._state, self._info()

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Take an action.

        Args:
            action: number of the action.

        Returns:
            (state, reward, terminated, truncated, info); for info see `reset`.

        Raises:
            SettingError: if there is no such action, or it isn't available in this state, or the episode is over or
                hasn't begun.
        """
        if self._state is None:
            raise SettingError("call reset() before step()")
        if self._is_over:
            raise SettingError("the episode is over; begin another by reset()")
        a = as_integer(action)
        if not 0 <= a < self.mdp.num_actions:
            raise SettingError(f"{action_error(self.actions)}, not {shown(action)}")
        if not (self.mdp.all_available or self.mdp.available[self._state, a]):
            where, others = Labels(self.mdp.state_labels).state(self._state), np.flatnonzero(self._action_mask())
            raise SettingError(f"action {a} isn't available in {where}; take one of {', '.join(map(str, others))}")
        s_next, reward, terminated = sample(self.mdp.model, self._state, a, self.stream)
        self._state, self._steps = int(s_next), self._steps + 1
        truncated = self._steps >= self.max_episode_steps  # also if terminated: Gymnasium's `TimeLimit` reports both
        self._is_over = bool(terminated or truncated)
        if self.render_mode == "human":
            self.render()
        return self._state, float(reward), bool(terminated), truncated, self._info()

    @property
    def spec(self) -> EnvSpec | None:
        """Specification with which `gymnasium.make` makes the environment again; its step limit is that of this one."""
        return with_step_limit(self._spec, self.max_episode_steps)

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = spec

    def is_terminal(self, states: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return whether each of the given states is terminal, which means that no action has an outcome there."""
        terminal: npt.NDArray[np.bool_] = self.mdp.is_terminal[as_states("states", states, self.mdp.num_states)]
        return terminal

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Arrays that come through Ray are read-only; the random stream must be writable.
        self.__dict__.update(state, stream=state["stream"].copy())

    def _info(self) -> dict[str, Any]:
        return {} if self.mdp.all_available else {"action_mask": self._action_mask()}

    def _action_mask(self) -> npt.NDArray[np.int8]:
        """Return the action mask of the current state, (num_actions,) int8."""
        return self.mdp.available[self._state].astype(np.int8)
