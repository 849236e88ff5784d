"""Evaluation of policies by relative values: in worlds that never end, and where sweeps would take too long.

A policy turns a world into one with a single action. Its values are computed as those of an optimum are, see
`clew.planning.relative`.
"""

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import Sparse
from clew.kernels.planning.relative_values import UNIT, Rows
from clew.models.mdp import FiniteMDP
from clew.planning.equations import as_rows
from clew.planning.relative import RelativeValues, plan
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
    chain, rounding = policy_chain(mdp, policy_shares(mdp, weights, epsilon))
    relative = RelativeValues(chain_rows(chain, rounding), gamma)
    plan(relative, tolerance)
    widen(relative, rounding)
    v, bound = relative.values(mdp.num_states)
    v[mdp.is_terminal] = 0.0
    return v, bound


def policy_shares(mdp: FiniteMDP, weights: Weights, epsilon: float) -> Floats:
    """Return the probabilities of a policy's actions, (num_states, num_actions) float64; see `policy_values`."""
    shares: Floats = np.where(mdp.available, weights, 0.0)
    shares /= shares.sum(axis=1)[:, None]
    shares *= 1.0 - epsilon
    shares += epsilon * mdp.available / mdp.available.sum(axis=1)[:, None]
    return shares


def policy_chain(mdp: FiniteMDP, shares: Floats) -> tuple[Sparse, float]:
    """Return the world with a single action, which does what the policy does, and a relative rounding error.

    The latter is that of the product of a share and a probability: 0 if shares are 0 and 1.

    Args:
        mdp: model.
        shares: (num_states, num_actions), probabilities of the policy's actions.
    """
    model = mdp.sparse_rows
    is_mixed = bool(((shares != 0.0) & (shares != 1.0)).any())
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
    return chain, UNIT * (mdp.num_actions + 8.0) if is_mixed else 0.0


def chain_rows(chain: Sparse, rounding: float) -> Rows:
    """Return the chain of a policy as rows of outcomes.

    Args:
        chain: a model with a single action, see `policy_chain`.
        rounding: relative error of its probabilities.
    """
    num_states = chain.offsets.size - 1
    states = np.repeat(np.arange(num_states), np.diff(chain.offsets))
    sizes = np.bincount(states, chain.probabilities * np.abs(chain.rewards), num_states)
    rows = as_rows(FiniteMDP(chain, num_states, 1, np.zeros(1, np.int32)))
    errors = rows.reward_errors
    errors[:num_states] += rounding * sizes
    return rows


def widen(relative: RelativeValues, rounding: float) -> None:
    """Widen the bounds of relative values by what a relative error of the probabilities may change.

    That is the error, times the largest expected absolute change of a value in a step.
    """
    rows, h = relative.rows, relative.high
    states = np.repeat(np.arange(h.size), np.diff(rows.offsets))
    changes = rows.probabilities * np.abs(h[rows.next_states] - h[states])
    spread = rounding * (1.01 * float(np.bincount(states, changes, 1).max()))
    relative.lo, relative.hi = relative.lo - spread, relative.hi + spread


def extend(states: npt.NDArray[np.bool_], rows: Rows) -> npt.NDArray[np.bool_]:
    """Return a set of states as one of `rows`, which have one more state if episodes may end; it isn't in the set."""
    return np.append(states, np.zeros(rows.offsets.size - 1 - states.size, np.bool_))
