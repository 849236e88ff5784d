"""The certificate that ends all planning: a bound on the error of values, proved by one pass over all states."""

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import Sparse
from clew.kernels.planning.backups import bellman_residual
from clew.models.mdp import FiniteMDP

__all__ = ["prove_bound", "rounding"]


def prove_bound(mdp: FiniteMDP, v: npt.NDArray[np.float64], gamma: float) -> float:
    """Prove how far values are from the optimal ones, however they were found.

    The Bellman operator T, (T v)(s) = max_a sum p * (reward + gamma * v(s_next)), brings any two v nearer to each other
    by the factor c = gamma * m, where m is the greatest probability of going on, and v* = T v*. So

        |v - v*| <= |v - T v| + |T v - T v*| <= |v - T v| + c |v - v*|,  which gives  |v - v*| <= |v - T v| / (1 - c)

    for the greatest difference over all states. |v - T v| is computed by a pass that changes nothing, and may be off by
    what rounding does to a backup; see `rounding`.

    Args:
        mdp: world.
        v: (num_states,) float64, state values.
        gamma: discount per step, below 1.

    Returns:
        The bound; infinite where the rounding of probabilities may undo the discount.

    Source:
        Puterman (1994), theorem 6.3.1; Higham (2002), section 3.1, for the rounding.
    """
    contraction = gamma * _greatest_mass(mdp)
    if not contraction < 1.0:
        return np.inf
    residual = bellman_residual(mdp.model, v, mdp.num_actions, gamma)
    return float((residual + rounding(mdp, float(np.abs(v).max()))) / (1.0 - contraction))


def rounding(mdp: FiniteMDP, max_value: float) -> float:
    """What rounding can do to a backup of values up to the greatest: a relative error for every outcome and product.

    A sum of n products of three factors is off by (n + 3) units of roundoff (half of eps), and so is, by one, the
    difference from v. Twice as much is allowed for, which takes in the second order and the division that follows.
    """
    lowest, highest = mdp.reward_range
    return float((4 + mdp.max_outcomes) * np.finfo(float).eps * (max(-lowest, highest) + max_value))


def _greatest_mass(mdp: FiniteMDP) -> float:
    """The greatest probability of going on in any state; a model's may sum to a little more than 1."""
    if not isinstance(mdp.model, Sparse):
        return 1.0 + 4.0 * np.finfo(float).eps
    pairs = np.repeat(np.arange(mdp.model.offsets.size - 1), np.diff(mdp.model.offsets))
    going_on = np.where(mdp.model.terminated, 0.0, mdp.model.probabilities)
    sums = np.bincount(pairs, going_on, minlength=1)
    return float(sums.max()) * (1.0 + mdp.model.probabilities.size * np.finfo(float).eps)
