"""How long a policy takes to the end, from every state."""

import numpy as np
import numpy.typing as npt

from clew.kernels.backups import mark_endless, steps_sweep
from clew.kernels.dynamics import Sparse
from clew.mdp import FiniteMDP

__all__ = ["expected_steps"]


def expected_steps(mdp: FiniteMDP, policy: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Expected steps of a policy to the end; infinite where it may fail to end.

    Swept until none changes by more than a relative 1e-12. Where that takes too long, because an episode does, the
    linear equations of a small world are solved instead; in a large one the steps are not known, and NaN.
    """
    endless = np.empty(mdp.num_states, np.bool_)
    mark_endless(mdp.model, policy, endless)
    steps = np.where(endless, np.inf, 0.0)
    for i in range(20_000):
        if steps_sweep(mdp.model, policy, steps, i % 2 == 1) < 1e-12:
            return steps
    if np.count_nonzero(~endless) > 2000:
        return np.where(endless, np.inf, np.nan)
    model = mdp.to_sparse().model
    assert isinstance(model, Sparse)
    finite = np.flatnonzero(~endless)
    place = np.zeros(mdp.num_states, np.int64)
    place[finite] = np.arange(finite.size)
    equations, ones = np.eye(finite.size), np.zeros(finite.size)
    for row, s in enumerate(finite):
        first, last = model.offsets[s * mdp.num_actions + policy[s] :][:2]
        goes_on = ~model.terminated[first:last]
        np.subtract.at(
            equations[row], place[model.next_states[first:last][goes_on]], model.probabilities[first:last][goes_on]
        )
        ones[row] = last > first
    steps[finite] = np.linalg.solve(equations, ones)
    return steps
