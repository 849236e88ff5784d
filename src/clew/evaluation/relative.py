"""Evaluation of policies by relative values: in worlds that never end, and where sweeps would take too long.

A policy turns a world into one with a single action. Its values are computed as those of an optimum are, see
`clew.planning.relative`.
"""

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import Sparse
from clew.kernels.planning.relative_values import UNIT, Rows
from clew.models.mdp import FiniteMDP
from clew.planning.relative import RelativeValues, as_rows, plan
from clew.policies.given import Weights

Floats = npt.NDArray[np.float64]


def relative_policy_values(
    mdp: FiniteMDP, weights: Weights, epsilon: float, gamma: float, tolerance: float
) -> tuple[Floats, float]:
    """Return (v, bound): state values of a policy, (num_states,) float64, and a proved bound of their error.

    Args:
        mdp: model.
        weights: (num_states, num_actions), weights of actions, see `clew.policies.given.weights_of`.
        epsilon: probability of a random available action instead.
        gamma: discount per step, below 1.
        tolerance: requested bound.
    """
    shares = np.where(mdp.available, weights, 0.0)
    shares *= ((1.0 - epsilon) / shares.sum(axis=1))[:, None]
    shares += epsilon * mdp.available / mdp.available.sum(axis=1)[:, None]
    is_mixed = np.count_nonzero(shares, axis=1).max() > 1
    rounding = UNIT * (mdp.num_actions + 8.0) if is_mixed else 0.0  # relative error of a product with a share
    relative = RelativeValues(chain_rows(mdp, shares, rounding), gamma)
    plan(relative, tolerance)
    spread = rounding * float(np.ptp(relative.high))
    relative.lo, relative.hi = relative.lo - spread, relative.hi + spread
    v, bound = relative.values(mdp.num_states)
    v[mdp.is_terminal] = 0.0
    return v, bound


def chain_rows(mdp: FiniteMDP, shares: Floats, rounding: float) -> Rows:
    """Return the world with a single action, which does what the policy does.

    Args:
        mdp: model.
        shares: (num_states, num_actions), probabilities of the policy's actions.
        rounding: relative error of the product of a share and a probability; 0 if shares are 0 and 1.
    """
    model = mdp.sparse_rows
    lengths = np.diff(model.offsets)
    taken = np.repeat(shares.reshape(-1) > 0.0, lengths)
    counts = np.where(shares > 0.0, lengths.reshape(shares.shape), 0).sum(axis=1)
    chain = Sparse(
        np.concatenate([[0], np.cumsum(counts)]),
        np.repeat(shares.reshape(-1), lengths)[taken] * model.probabilities[taken],
        model.next_states[taken],
        model.rewards[taken],
        model.terminated[taken],
        1,
    )
    states = np.repeat(np.arange(counts.size), counts)
    sizes = np.bincount(states, chain.probabilities * np.abs(chain.rewards), counts.size)
    rows = as_rows(FiniteMDP(chain, mdp.num_states, 1, mdp.starts))
    errors = rows.reward_errors
    errors[: counts.size] += rounding * sizes
    return rows
