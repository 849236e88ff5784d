"""Intervals of the optimum of the world from whose steps a model was estimated.

Let V* be the optimum of the world. Of a state and an action, a step pays X = reward + gamma * V*(s_next), or the reward
alone if it ends the episode, and E is the expectation of X. V* depends on no log, so the empirical distribution F of X
over n steps is seldom far from all distributions with the mean E. If no X is above `top`, wealth that is bet on them,
the product of 1 - b * (X - E) / (top - E) for a share b in [0, 1], is a martingale that begins at 1. So is its mean
over all b, which is at least 1 / (n + 1) of the product for the best b, whose logarithm is n times the least KL(F, Q)
of a distribution Q with the mean E. With probability 1 - d, and then for all n, there is hence a Q on the values up to
`top` that has this mean (or one above), and

    KL(F, Q) <= c = log((n + 1) / d) / n

The largest mean of such a Q is one of the values in F and of `top`. For two distributions so near to each other, on
values in a range of width B,

    E <= mean(F) + sqrt(2 * y * c) + B * c / 3,  where y = variance(F) + sqrt(2 * B**2 * c * y) bounds the variance of Q

(Bernstein's inequality, and its like for a second moment, by Donsker and Varadhan's formula). The largest mean only
gets larger if V* is replaced by an upper bound of it. So if `high` is one, the largest right side among the actions of
a state is one too; and the same for lower bounds. Both are iterated from the highest and the lowest value that rewards
allow. As every iterate is a bound, nothing depends on how far they have converged. The sum of d over pairs and the two
sides is 1 - confidence.

Source:
    Ville (1939) for martingales, Cover (1991) for the mean over b, Honda & Takemura (2010) for the best b.
"""

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels.dynamics import Sparse
from clew.models.estimates import Estimate

Floats = npt.NDArray[np.float64]
MAX_SWEEPS = 100_000
PRECISION = 1e-3  # of the width of an interval: when bounds have converged to it, the iteration ends
ROUNDING = 1e-12  # relative to the largest value: more than the rounding error of a backup


def value_intervals(model: Sparse, estimate: Estimate, gamma: float) -> tuple[Floats, Floats]:
    """Return bounds of the optimal values of the world from which a model was estimated.

    Args:
        model: the estimated model.
        estimate: its counts.
        gamma: discount per step, below 1.

    Returns:
        (low, high), (num_states,) float64 each. With the confidence of the estimate, all values are between them, if
        rewards are in its range. In a terminal state of the model both are 0.

    Raises:
        SettingError: if gamma is 1: then no bound of the rewards is one of the values.
    """
    if gamma == 1.0:
        raise SettingError("must be below 1 for intervals of values", setting="gamma")
    with np.errstate(over="ignore", invalid="ignore"):  # of rewards near the largest float; bounds become infinite
        low = -_upper_bounds(model, estimate, gamma, negative=True)
        return low, _upper_bounds(model, estimate, gamma, negative=False)


def _upper_bounds(model: Sparse, estimate: Estimate, gamma: float, *, negative: bool) -> Floats:
    """Return upper bounds of the optimal values, (num_states,) float64, or of the negative optimal values.

    For negative ones the signs of rewards are changed, and the action with the smallest value is the best.

    Args:
        model: the estimated model.
        estimate: its counts.
        gamma: discount per step, below 1.
        negative: whether bounds are those of the negative values.
    """
    rewards, (lowest, highest) = model.rewards, estimate.reward_range
    if negative:
        rewards, lowest, highest = -rewards, -highest, -lowest
    num_actions, lengths = estimate.num_actions, np.diff(estimate.offsets)
    full = np.flatnonzero(lengths)  # pairs that have rows; either all of a state have some, or none
    first, lengths = estimate.offsets[full], lengths[full]
    live = full[::num_actions] // num_actions
    tries = estimate.tries.reshape(-1)[full]
    n = np.maximum(tries, 1).astype(np.float64)
    error = (1.0 - estimate.confidence) / (2.0 * estimate.tries.size)
    c = (np.log(n + 1.0) - np.log(error)) / n
    weights = estimate.counts / np.repeat(n, lengths)
    least_rewards = np.where(estimate.reward_variances > 0.0, lowest, rewards)
    most = max(0.0, highest) / (1.0 - gamma)
    slack = ROUNDING * max(most, -min(0.0, lowest) / (1.0 - gamma))
    bounds = np.zeros(estimate.offsets.size // num_actions)
    bounds[live] = most
    for _ in range(MAX_SWEEPS):
        bootstrapped = np.where(model.terminated, 0.0, gamma * bounds[model.next_states])
        payments, top = rewards + bootstrapped, highest + gamma * max(0.0, bounds.max())
        means = np.add.reduceat(weights * payments, first)
        squares = (payments - np.repeat(means, lengths)) ** 2 + estimate.reward_variances
        variances = np.add.reduceat(weights * squares, first)
        width = np.maximum(top - np.minimum.reduceat(least_rewards + bootstrapped, first), 0.0)
        root = np.sqrt(0.5 * c) * width
        y = (root + np.sqrt(root**2 + variances)) ** 2
        q = np.minimum(means + np.sqrt(2.0 * y * c) + width * c / 3.0, top)
        q = np.where(tries == 0, most, q).reshape(-1, num_actions) + slack
        after = np.minimum(bounds[live], q.min(axis=1) if negative else q.max(axis=1))
        change = (bounds[live] - after).max(initial=0.0)
        bounds[live] = after
        if not change * gamma > PRECISION * (1.0 - gamma) * np.abs(bounds).max():  # also if bounds are infinite
            break
    return bounds
