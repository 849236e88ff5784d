"""The certificate at the end of planning: a bound on the error of values, proved by one pass over all states."""

import warnings

import numpy as np
import numpy.typing as npt

from clew.errors import PrecisionWarning, SettingError
from clew.kernels.dynamics import Sparse
from clew.kernels.planning.backups import bellman_residual
from clew.kernels.planning.relative_values import UNDERFLOW
from clew.models.mdp import FiniteMDP

AVERAGE_INSTEAD = "clew.solve_average, or clew solve --average, finds the best reward per step"  # in error messages


def error_bound(mdp: FiniteMDP, v: npt.NDArray[np.float64], gamma: float) -> float:
    """Return a proved bound on the error of state values, however they were computed.

    The Bellman operator T, (T v)(s) = max_a sum p * (reward + gamma * v(s_next)), is a contraction: it brings any two v
    closer by the factor c = gamma * m, where m is the largest probability of not terminating. As v* = T v*,

        |v - v*| <= |v - T v| + |T v - T v*| <= |v - T v| + c |v - v*|,  which gives  |v - v*| <= |v - T v| / (1 - c)

    for the largest difference over all states. The Bellman residual |v - T v| is computed by a pass that changes
    nothing; its rounding error is added, see `rounding_bound`.

    Args:
        mdp: world.
        v: (num_states,) float64, state values.
        gamma: discount per step, below 1.

    Returns:
        The bound, in reward units; infinite if rounding of the probabilities may undo the discount.

    Source:
        Puterman (1994), theorem 6.3.1; Higham (2002), section 3.1, for the rounding.
    """
    contraction = gamma * _max_continuation(mdp)
    if not contraction < 1.0:
        return np.inf
    residual = bellman_residual(mdp.model, v, mdp.num_actions, gamma)
    return float((residual + rounding_bound(mdp, float(np.abs(v).max()))) / (1.0 - contraction))


def warn_if_inexact(bound: float, tolerance: float, *, what: str = "values", remedy: str = "") -> None:
    """Warn the caller of a public function if the error bound of its result is larger than the tolerance.

    Args:
        bound: proved bound of the error.
        tolerance: requested bound.
        what: what is off by the error, in the plural.
        remedy: end of the message.
    """
    if not bound <= tolerance:
        warnings.warn(
            f"{what} are proved to within {bound:.3g} only, not to within the tolerance of {tolerance:g}{remedy}",
            PrecisionWarning,
            stacklevel=3,
        )


def check_finite(starts: npt.NDArray[np.integer], values: npt.NDArray[np.float64]) -> None:
    """Check that values of start states are finite; without a discount they may not be.

    Args:
        starts: (n,) start states.
        values: (n,) float64, their values.

    Raises:
        SettingError: names a start state whose value is -inf.
    """
    if np.isneginf(values).any():
        raise SettingError(
            f"must be below 1 here: from start state {starts[np.isneginf(values)][0]} every policy may go on forever "
            f"and lose without bound, so the value is not finite; {AVERAGE_INSTEAD}",
            setting="gamma",
        )


def check_overflow(mdp: FiniteMDP, value: float, values: npt.NDArray[np.float64]) -> None:
    """Check that values, which must be finite, didn't become too large for double precision.

    Args:
        mdp: world, for the message.
        value: mean over the start states.
        values: (num_states,) float64, state values.

    Raises:
        SettingError: if one is infinite or NaN.
    """
    if not (np.isfinite(value) and np.isfinite(values).all()):
        lowest, highest = mdp.reward_range
        raise SettingError(
            f"the values of this world overflow: with rewards of up to {max(-lowest, highest):g} their sums are too "
            "large for double precision; scale the rewards down"
        )


def rounding_bound(mdp: FiniteMDP, max_value: float) -> float:
    """Return a bound on the rounding error of one backup of values that are at most `max_value` in absolute value.

    A sum of n products of three factors has a relative error of (n + 3) units of roundoff (half of eps), and the
    difference from v adds one. Probabilities may sum to 1 only within 3 n units, see `clew.models.checks.normalise`.
    The bound is more than that, to cover terms of second order and the division that follows, and products that are
    too small for a double.
    """
    lowest, highest = mdp.reward_range
    return float((4 + 2 * mdp.max_outcomes) * np.finfo(float).eps * (max(-lowest, highest) + max_value)) + UNDERFLOW


def _max_continuation(mdp: FiniteMDP) -> float:
    """Return the largest probability, over states and actions, that a step doesn't terminate, rounding included.

    It may be slightly above 1, as the probabilities of a model may sum to a little more than 1.
    """
    if not isinstance(mdp.model, Sparse):
        return 1.0 + 4.0 * np.finfo(float).eps
    pairs = np.repeat(np.arange(mdp.model.offsets.size - 1), np.diff(mdp.model.offsets))
    continuing = np.where(mdp.model.terminated, 0.0, mdp.model.probabilities)
    sums = np.bincount(pairs, continuing, minlength=1)
    return float(sums.max()) * (1.0 + mdp.model.probabilities.size * np.finfo(float).eps)
