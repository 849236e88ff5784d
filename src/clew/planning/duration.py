"""Expected number of steps of a deterministic policy to the end of the episode."""

import numpy as np
import numpy.typing as npt

from clew.kernels import read_only
from clew.kernels.planning.sweeps import mark_nonterminating, steps_sweep
from clew.models.mdp import FiniteMDP
from clew.planning.orders import breadth_first_order, policy_equations

MAX_SWEEPS = 20_000
MAX_EQUATIONS = 2_000


def expected_steps(mdp: FiniteMDP, policy: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Return the expected number of steps of a policy to the end, from each state.

    Swept until no entry changes by more than a relative 1e-12. If that takes too many sweeps, because episodes are very
    long, the linear equations are solved; in a world with too many states for that, the unknown entries are NaN.

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
    finite = np.flatnonzero(~nonterminating)
    for i in range(MAX_SWEEPS):
        if steps_sweep(ordered.model, actions, steps, i % 2 == 1) < 1e-12:
            return ordered.to_original(steps)
    if finite.size > MAX_EQUATIONS:
        steps[finite] = np.nan
    else:
        matrix, _ = policy_equations(ordered.model, actions, 1.0, finite)
        steps[finite] = np.linalg.solve(matrix, (finite < ordered.num_live).astype(float))
    return ordered.to_original(steps)
