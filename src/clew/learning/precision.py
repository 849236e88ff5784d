"""Findings and warnings that float32, in which values are learned, is too coarse for the rewards of a world."""

import warnings
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.environments import ModelEnvironment
from clew.errors import PrecisionWarning
from clew.learning.algorithms import ALGORITHMS
from clew.learning.findings import Finding
from clew.learning.settings import Learning

COARSE = "coarse-rewards"  # name of the finding


def warn_if_coarse(settings: Learning, world: ModelEnvironment | None, initial: npt.ArrayLike) -> None:
    """Warn if float32, in which values are learned, is too coarse for the rewards of a world.

    Args:
        settings: settings of the learner.
        world: compiled world, whose rewards are known; None if it has none.
        initial: initial values, from `initial_values`.
    """
    for finding in [] if world is None else find_coarse(settings, world.mdp.step_rewards, initial):
        _warn(str(finding), 4)


def find_coarse(settings: Learning, rewards: npt.NDArray[Any], initial: npt.ArrayLike) -> list[Finding]:
    """Return in what float32, in which values are learned, is too coarse for rewards and initial values.

    An update that changes a value V by less than half the distance to the next float32 number, ulp(V) / 2, changes
    nothing. So errors below ulp(V) / (2 * alpha) stay, and if the smallest reward is one of them, it isn't learned.

    Args:
        settings: settings of the learner.
        rewards: rewards that a step may have.
        initial: initial values, from `initial_values`.
    """
    found = []
    rewards = np.unique(rewards).astype(np.float64)  # sorted
    with np.errstate(over="ignore", under="ignore"):
        stored = rewards.astype(np.float32).astype(np.float64)
    is_whole = (rewards == np.rint(rewards)) & (np.abs(rewards) < 2.0**53)  # as written, not as rounded
    changed = ((stored == 0.0) != (rewards == 0.0)) | (is_whole & (stored != rewards))
    if changed.any():
        i = int(changed.argmax())
        reason = f"a reward of {rewards[i]:.17g} becomes {stored[i]:.17g} in float32, in which values are learned"
        found.append(Finding(COARSE, float(rewards[i]), reason, "scale the rewards"))
    smallest = float(np.abs(stored[stored != 0.0]).min(initial=np.inf))
    largest, alpha = float(np.abs(stored).max(initial=0.0)), last_step_size(settings)
    if "alpha" in ALGORITHMS[settings.algorithm].settings:  # others replace the initial value, and don't move it
        largest = max(largest, float(np.max(np.abs(initial), initial=0.0, where=np.isfinite(initial))))
    lost = lost_error(largest, alpha)
    if smallest < lost:
        reason = (
            f"rewards of {smallest:g} are lost beside values of {largest:g}: they are learned in float32, and with a "
            f"step size of {alpha:g} errors below {lost:.2g} stay"
        )
        remedy = "scale the rewards so that they differ less, or take a larger step size"
        found.append(Finding(COARSE, lost, reason, remedy))
    return found


class RewardRange(NamedTuple):
    """Magnitudes of the rewards other than 0 that an environment without a model has paid."""

    smallest: float = np.inf
    largest: float = 0.0

    @classmethod
    def of(cls, rewards: npt.ArrayLike) -> "RewardRange":
        """Return the range of some rewards."""
        found = np.abs(np.asarray(rewards, np.float64))
        return cls(float(found[found > 0.0].min(initial=np.inf)), float(found.max(initial=0.0)))

    def union(self, other: "RewardRange") -> "RewardRange":
        """Return the range of the rewards of both."""
        return RewardRange(min(self.smallest, other.smallest), max(self.largest, other.largest))


def warn_if_stalled(
    settings: Learning,
    world: ModelEnvironment | None,
    q: npt.NDArray[np.float32],
    paid: RewardRange,
    initial: npt.ArrayLike,
) -> None:
    """Warn, after learning, if values have become so large that float32 loses updates by the rewards of a world.

    With gamma near 1, values may be far larger than any reward. Errors below ulp(V) / (2 * alpha) then stay. If they
    exceed half of a reward, the greedy action may be the wrong one of two whose values differ by that reward. The
    warning comes earlier, at a quarter of the smallest reward. Rewards below a thousandth of the largest are ignored:
    random rewards may be near 0.

    Rewards of an environment without a model are known only now. If they are too coarse, the warning is that of
    `warn_if_coarse`.

    Args:
        settings: settings of the learner.
        world: compiled world, whose rewards are known; None if it has none.
        q: (num_states, num_actions) float32, values that were learned.
        paid: rewards that were paid during learning, if there is no compiled world.
        initial: initial values, from `initial_values`.
    """
    if world is not None:
        rewards = np.abs(world.mdp.step_rewards)
    elif paid.largest > 0.0:
        rewards = np.array(paid)
        for finding in find_coarse(settings, rewards, initial):
            _warn(str(finding), 4)
    else:
        return
    smallest = float(rewards[(rewards > 0.0) & (rewards >= 1e-3 * rewards.max(initial=0.0))].min(initial=np.inf))
    is_learned = (q != initial) & np.isfinite(q)  # `warn_if_coarse` warns of an initial value
    largest = max(float(q.max(initial=0.0, where=is_learned)), -float(q.min(initial=0.0, where=is_learned)))
    alpha = last_step_size(settings)
    lost = lost_error(largest, alpha)
    if largest >= smallest and 0.25 * smallest < lost:
        _warn(
            f"rewards of {smallest:g} are lost beside values that have become as large as {largest:g}, which may be "
            f"wrong: they are learned in float32, and with a step size of {alpha:g} errors below {lost:.2g} stay; take "
            "a larger step size, or a smaller gamma",
            4,
        )


def last_step_size(settings: Learning) -> float:
    """Return the smallest step size of a schedule; 1 for a sample average, and if values are replaced as a whole."""
    if settings.alpha_schedule == "visits" or "alpha" not in ALGORITHMS[settings.algorithm].settings:
        return 1.0
    return settings.alpha if settings.alpha_schedule == "constant" else min(settings.alpha, settings.alpha_last)


def lost_error(largest: float, alpha: float) -> float:
    """Return the largest error of a value that updates in float32 can't mend, ulp(V) / (2 * alpha)."""
    return float(np.spacing(np.float32(largest))) / (2.0 * alpha)


def _warn(message: str, level: int) -> None:
    """Warn of a call of the user, which is `level` calls above this one."""
    warnings.warn(message, PrecisionWarning, stacklevel=level + 1)
