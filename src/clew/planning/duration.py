"""Expected number of steps of a deterministic policy to the end of the episode."""

import numpy as np
import numpy.typing as npt

from clew.kernels import read_only
from clew.kernels.planning.relative_values import Rows
from clew.kernels.planning.sweeps import mark_nonterminating, steps_sweep
from clew.models.arrays import pick_rows
from clew.models.mdp import FiniteMDP
from clew.planning.absorbing import AbsorbingChain
from clew.planning.orders import breadth_first_order

MAX_SWEEPS = 20_000
PRECISION = 1e-9  # of linear equations: the relative error that must be proved


def expected_steps(mdp: FiniteMDP, policy: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Return the expected number of steps of a policy to the end, from each state.

    Swept until no entry changes by more than a relative 1e-12. If that takes too many sweeps, because episodes are very
    long, the linear equations are solved; entries that then aren't proved, because there are too many steps for double
    precision, are NaN.

    Args:
        mdp: world.
        policy: (num_states,) int32, actions.

    Returns:
        (num_states,) float64; infinite where the policy may never end, 0 in states without outcomes.
    """
    ordered = breadth_first_order(mdp)
    actions = read_only(ordered.to_ordered(policy))
    nonterminating = np.empty(mdp.num_states, np.bool_)
    mark_nonterminating(ordered.model, actions, nonterminating)
    steps = np.where(nonterminating, np.inf, 0.0)
    for i in range(MAX_SWEEPS):
        if steps_sweep(ordered.model, actions, steps, i % 2 == 1) < 1e-12:
            return ordered.to_original(steps)
    steps = ordered.to_original(steps)
    inside = np.append(np.isfinite(steps) & ~mdp.is_terminal, False)
    chain = AbsorbingChain(_rows_of_policy(mdp, policy), inside)
    steps[inside[:-1]] = chain.steps[inside] if chain.steps_error <= PRECISION else np.nan
    return steps


def _rows_of_policy(mdp: FiniteMDP, policy: npt.NDArray[np.int32]) -> Rows:
    """Return the chain of a policy; its last state is the end."""
    model, n = mdp.sparse_rows, mdp.num_states
    pairs = np.arange(n) * mdp.num_actions + policy
    offsets, rows = pick_rows(model.offsets, pairs, np.diff(model.offsets)[pairs])
    next_states = np.where(model.terminated[rows], np.int32(n), model.next_states[rows])
    zeros = np.zeros(n + 1)
    return Rows(np.append(offsets, offsets[-1]), model.probabilities[rows], next_states, zeros, zeros, 1)
