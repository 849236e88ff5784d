"""How long a policy takes to the end, from every state."""

import numpy as np
import numpy.typing as npt

from clew.kernels import read_only
from clew.kernels.planning.sweeps import mark_endless, steps_sweep
from clew.models.mdp import FiniteMDP
from clew.planning.orders import equations, nearest_first

__all__ = ["expected_steps"]

MAX_SWEEPS = 20_000
MAX_EQUATIONS = 2_000


def expected_steps(mdp: FiniteMDP, policy: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Expected steps of a policy to the end; infinite where it may fail to end.

    Swept until none changes by more than a relative 1e-12. Where that takes too long, because an episode does, the
    linear equations of a small world are solved instead; in a large one the steps are not known, and NaN.
    """
    ordered = nearest_first(mdp)
    actions = read_only(ordered.numbered(policy))
    endless = np.empty(mdp.num_states, np.bool_)
    mark_endless(ordered.model, actions, endless)
    steps = np.where(endless, np.inf, 0.0)
    finite = np.flatnonzero(~endless)
    for i in range(MAX_SWEEPS):
        if steps_sweep(ordered.model, actions, steps, i % 2 == 1) < 1e-12:
            return ordered.restored(steps)
    if finite.size > MAX_EQUATIONS:
        steps[finite] = np.nan
    else:
        matrix, _ = equations(ordered.model, actions, 1.0, finite)
        steps[finite] = np.linalg.solve(matrix, (finite < ordered.num_live).astype(float))
    return ordered.restored(steps)
