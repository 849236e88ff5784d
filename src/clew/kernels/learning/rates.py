"""Step size and exploration of each episode, in the forms that the loops of `rollouts` and `interleaving` read."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch
from clew.kernels.learning.learners import ConstantStepSize, CountedStepSize, SampleAverageStepSize


class Rates(NamedTuple):
    """Step size and exploration of each episode, as schedules give them: (num_episodes,) arrays."""

    alpha: npt.NDArray[np.float32]  # step size
    exploration: npt.NDArray[np.float64]


class AverageRates(NamedTuple):
    """Exploration of each episode; the step size is 1 / n for the n-th update of a value."""

    alpha: npt.NDArray[np.float32]  # not used
    exploration: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int32]  # (num_states, num_actions), number of updates of each value


class CountedRates(NamedTuple):
    """Constant step size and exploration; also counts the updates of each value."""

    alpha: np.float32
    exploration: float
    counts: npt.NDArray[np.int32]  # (num_states, num_actions), number of updates of each value


class ConstantRates(NamedTuple):
    """Constant step size and exploration."""

    alpha: np.float32
    exploration: float


@dispatch
def episode_rates(rates: Any, episode: int) -> tuple[np.float32, float]:
    """Return (step size, exploration) of an episode."""
    return rates.alpha[episode], rates.exploration[episode]


@episode_rates.register(ConstantRates, CountedRates)
def constant_episode_rates(rates: Any, episode: int) -> tuple[np.float32, float]:
    """Return (step size, exploration), which are the same for all episodes."""
    return rates.alpha, rates.exploration


@dispatch
def step_parameters(rates: Any, alpha: np.float32, exploration: float) -> tuple[Any, float]:
    """Return what an update rule receives in one episode: (step size as a named tuple of `learners`, exploration).

    Args:
        rates: rates of all episodes.
        alpha: step size of the episode, from `episode_rates`.
        exploration: exploration of the episode, from `episode_rates`.
    """
    return ConstantStepSize(alpha), exploration


@step_parameters.register(AverageRates)
def average_step_parameters(rates: AverageRates, alpha: np.float32, exploration: float) -> tuple[Any, float]:
    """Return (sample-average step size, exploration of the episode); `alpha` is not used."""
    return SampleAverageStepSize(alpha, rates.counts), exploration


@step_parameters.register(ConstantRates)
def constant_step_parameters(rates: ConstantRates, alpha: np.float32, exploration: float) -> tuple[Any, float]:
    """Return (constant step size, exploration), without a lookup of the episode's rates."""
    return ConstantStepSize(rates.alpha), rates.exploration


@step_parameters.register(CountedRates)
def counted_step_parameters(rates: CountedRates, alpha: np.float32, exploration: float) -> tuple[Any, float]:
    """Return (constant step size that counts updates, exploration)."""
    return CountedStepSize(rates.alpha, rates.counts), rates.exploration
