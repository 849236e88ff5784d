"""Worlds that kernels can play, for they are given as arrays too."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from clew.environments.checks import STEPS_PER_STATE
from clew.environments.maze import Environment
from clew.kernels.dynamics import count_outcomes
from clew.mdp import FiniteMDP

__all__ = ["CompiledWorld", "as_compiled"]


class _Bare(NamedTuple):
    """A model without an environment round it."""

    mdp: FiniteMDP
    max_episode_steps: int

    def is_over(self, states: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Tell of each state if nothing can happen in it any more: no action has an outcome."""
        offsets = np.zeros(self.mdp.num_states * self.mdp.num_actions + 1, np.int64)
        count_outcomes(self.mdp.model, self.mdp.num_actions, offsets)
        over: npt.NDArray[np.bool_] = np.diff(offsets[:: self.mdp.num_actions])[states] == 0
        return over


CompiledWorld = Environment | _Bare  # what kernels can play


def as_compiled(env: Any) -> CompiledWorld | None:
    """A world whose `mdp` says all that `env` does, so that kernels can play it; None if there is none.

    A wrapper or a subclass may change what a step does, so only those known not to are looked through. A model by
    itself gets the step limit of an environment that has none.
    """
    if isinstance(env, FiniteMDP):
        return _Bare(env, STEPS_PER_STATE * env.num_states)
    while type(env) in (OrderEnforcing, PassiveEnvChecker):
        env = env.env
    unchanged = type(env) is Environment
    return env if unchanged else None
