"""Planning for a given number of steps: the best action depends on how many are left."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.kernels.planning.horizon import induction_step
from clew.models.mdp import FiniteMDP
from clew.planning.rounding import Rounding
from clew.settings import check_memory

__all__ = ["HorizonSolution", "induce_backwards"]


@dataclass(frozen=True, eq=False)
class HorizonSolution:
    """The optimum of a finite world whose episodes are cut off after a number of steps.

    Attributes:
        steps: expected number of steps of the optimal policy, at most the horizon; mean over the starts.
        value: expected discounted return of the steps up to the horizon, mean over the starts.
        v: (num_states,) float64, optimal values at time 0, with all steps to go; 0 where nothing can happen.
        policy: (horizon, num_states), small whole numbers; `policy[t, s]` is an optimal action in s at time t.
        steps_from: (num_states,) float64, expected number of steps from each state at time 0.
        method: "backward induction".
        bound: v is within this of the optimum, everywhere; it is what rounding may add up to.
        gamma: discount that all this is for.
        horizon: number of steps that all this is for.
    """

    steps: float
    value: float
    v: npt.NDArray[np.float64] = field(repr=False)
    policy: npt.NDArray[Any] = field(repr=False)
    steps_from: npt.NDArray[np.float64] = field(repr=False)
    method: str
    bound: float
    gamma: float
    horizon: int


def induce_backwards(mdp: FiniteMDP, horizon: int, gamma: float) -> HorizonSolution:
    """Backward induction: from no step to go, where all is worth 0, to one more at a time.

        v_0 = 0, v_k = T v_(k - 1), and v = v_horizon

    That is exact but for rounding. A backup of values that are off by e is off by gamma e and what its own rounding
    adds, so the bound is the sum of that over all steps.
    """
    dtype = np.min_scalar_type(mdp.num_actions - 1)
    check_memory(dtype.itemsize * horizon * mdp.num_states, "a policy for every step")
    policy = np.empty((horizon, mdp.num_states), dtype)
    v, v_after, steps, steps_after = np.zeros((4, mdp.num_states))
    rounding = Rounding(mdp)
    bound = max_value = 0.0
    for t in reversed(range(horizon)):
        bound = gamma * bound + rounding.of_backup(max_value)
        v, v_after, steps, steps_after = v_after, v, steps_after, steps
        max_value = induction_step(mdp.model, v_after, steps_after, gamma, v, steps, policy[t], mdp.num_actions)
    return HorizonSolution(
        steps=float(steps[mdp.starts].mean()),
        value=float(v[mdp.starts].mean()),
        v=v,
        policy=policy,
        steps_from=steps,
        method="backward induction",
        bound=bound,
        gamma=gamma,
        horizon=horizon,
    )
