"""Evaluation of policies by relative values: in worlds that go on forever, and where sweeps would take too long.

A policy makes a world one with a single action. Its values are planned like any other, see `clew.planning.relative`.
"""

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import Sparse
from clew.kernels.planning.relative_values import UNIT, Rows
from clew.models.mdp import FiniteMDP
from clew.planning.relative import RelativeValues, as_rows, plan
from clew.policies.given import Weights


def values_by_differences(
    mdp: FiniteMDP, weights: Weights, epsilon: float, gamma: float, tolerance: float
) -> tuple[npt.NDArray[np.float64], float]:
    """Return (v, bound): state values of a policy, (num_states,) float64, and a proved bound of their error.

    Args:
        mdp: model.
        weights: (num_states, num_actions), of the actions that the policy takes.
        epsilon: probability of any available action instead.
        gamma: discount per step, below 1.
        tolerance: requested bound.
    """
    n, num_actions = mdp.num_states, mdp.num_actions
    shares = np.where(mdp.available, weights, 0.0)
    shares *= ((1.0 - epsilon) / shares.sum(axis=1))[:, None]
    shares += epsilon * mdp.available / mdp.available.sum(axis=1)[:, None]
    sparse = mdp if isinstance(mdp.model, Sparse) else mdp.to_sparse()
    is_mixed = np.count_nonzero(shares, axis=1).max() > 1
    model = sparse.model
    assert isinstance(model, Sparse)
    lengths = np.diff(model.offsets)
    taken = np.repeat(shares.reshape(-1) > 0.0, lengths)
    share = np.repeat(shares.reshape(-1), lengths)[taken]
    rows = as_rows(
        FiniteMDP(
            Sparse(
                np.concatenate([[0], np.cumsum(np.where(shares > 0.0, lengths.reshape(n, -1), 0).sum(axis=1))]),
                share * model.probabilities[taken] if is_mixed else model.probabilities[taken],
                model.next_states[taken],
                model.rewards[taken],
                model.terminated[taken],
                1,
            ),
            n,
            1,
            mdp.starts,
        )
    )
    rounding = UNIT * (num_actions + 8.0) if is_mixed else 0.0  # relative error of the product of shares
    rows = with_rounding(rows, model.rewards[taken], rounding)
    relative = RelativeValues(rows, gamma)
    plan(relative, tolerance)
    spread = rounding * float(np.ptp(relative.high))
    relative.lo, relative.hi = relative.lo - spread, relative.hi + spread
    v, bound = relative.values(n)
    v[mdp.is_terminal] = 0.0
    return v, bound


def with_rounding(rows: Rows, rewards: npt.NDArray[np.float64], rounding: float) -> Rows:
    """Return rows whose probabilities are off by a relative error, with that of the expected rewards."""
    num_states = rows.offsets.size - 1
    states = np.repeat(np.arange(num_states), np.diff(rows.offsets))
    sizes = np.bincount(states, rows.probabilities * np.abs(rewards), num_states)
    return rows._replace(reward_errors=rows.reward_errors + rounding * sizes)
