"""A model as a Gymnasium environment: any finite world can be stepped, not only solved."""

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Discrete

from clew.environments.checks import STEPS_PER_STATE, whole
from clew.errors import SettingError
from clew.kernels.dynamics import count_outcomes
from clew.kernels.sampling import draw_start, new_stream, sample
from clew.models.mdp import FiniteMDP
from clew.settings import check_count

__all__ = ["ModelEnvironment", "bad_action"]

MANY_ACTIONS = 12  # of more than these no message lists the names


def bad_action(actions: tuple[str, ...]) -> str:
    """What an action must be."""
    if len(actions) > MANY_ACTIONS:
        return f"action must be a whole number from 0 to {len(actions) - 1}"
    *others, last = [str(a) if name == str(a) else f"{a} ({name})" for a, name in enumerate(actions)]
    return f"action must be {', '.join(others)} or {last}" if others else f"action must be {last}"


class ModelEnvironment(gymnasium.Env[Any, Any]):
    """Plays a `FiniteMDP`; observations are its states.

    Args:
        mdp: the model.
        max_episode_steps: step limit; by default 100 times the number of states.
        actions: a name for each action.

    Attributes:
        mdp: the model.
        max_episode_steps: step limit.
        actions: the names of the actions; their numbers, if they were given none.
        stream: (2,) uint64, the draws of the world; `reset` keys it by Gymnasium's `np_random`.

    Raises:
        SettingError: if the step limit is out of range, or there isn't a name for each action.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  # as Gymnasium declares it

    def __init__(
        self, mdp: FiniteMDP, *, max_episode_steps: int | None = None, actions: tuple[str, ...] | None = None
    ) -> None:
        if not isinstance(mdp, FiniteMDP):
            raise SettingError(f"mdp must be a FiniteMDP, not {type(mdp).__name__}; a maze is for clew.Environment")
        if max_episode_steps is not None:
            check_count("max_episode_steps", max_episode_steps, 1, 2**63 - 1)
        self.mdp = mdp
        self.max_episode_steps = max_episode_steps or STEPS_PER_STATE * mdp.num_states
        self.actions = actions or tuple(str(action) for action in range(mdp.num_actions))
        if len(self.actions) != mdp.num_actions:
            raise SettingError(f"{mdp.num_actions} actions need as many names, not {len(self.actions)}")
        self.observation_space = Discrete(mdp.num_states)
        self.action_space = Discrete(mdp.num_actions)
        self.stream = new_stream(0)
        self._seeded = False
        self._state: int | None = None
        self._steps = 0
        self._is_over = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: decides every draw from here on; None goes on with the draws of before.
            options: not used.

        Returns:
            (state, info); the info of a maze has the `position` and the `goal` as (row, column), others are empty.
        """
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
            action: its number.

        Returns:
            (state, reward, terminated, truncated, info).

        Raises:
            SettingError: if there is no such action, or no episode goes on.
        """
        if self._state is None:
            raise SettingError("call reset() before step()")
        if self._is_over:
            raise SettingError("the episode is over; begin another by reset()")
        a = whole(action)
        if not 0 <= a < self.mdp.num_actions:
            raise SettingError(f"{bad_action(self.actions)}, not {action!r}")
        s_next, reward, terminated = sample(self.mdp.model, self._state, a, self.stream)
        self._state, self._steps = int(s_next), self._steps + 1
        truncated = self._steps >= self.max_episode_steps and not terminated
        self._is_over = bool(terminated or truncated)
        if self.render_mode == "human":
            self.render()
        return self._state, float(reward), bool(terminated), truncated, self._info()

    def is_over(self, states: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Tell of each state if nothing can happen in it any more: no action has an outcome."""
        offsets = np.zeros(self.mdp.num_states * self.mdp.num_actions + 1, np.int64)
        count_outcomes(self.mdp.model, self.mdp.num_actions, offsets)
        over: npt.NDArray[np.bool_] = np.diff(offsets[:: self.mdp.num_actions])[states] == 0
        return over

    def __setstate__(self, state: dict[str, Any]) -> None:
        # What comes through Ray can't be written; the draws of a world that goes on are.
        self.__dict__.update(state, stream=state["stream"].copy())

    def _info(self) -> dict[str, Any]:
        return {}
