"""Backward induction: optimal values and actions for a given number of remaining steps."""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import Model, num_outcomes, outcome
from clew.kernels.planning.backups import backup


@kernel
def backward_induction_step(
    model: Model,
    v_after: npt.NDArray[np.float64],
    steps_after: npt.NDArray[np.float64],
    gamma: float,
    v: npt.NDArray[np.float64],
    steps: npt.NDArray[np.float64],
    policy: npt.NDArray[np.uint8],
    num_actions: int,
) -> float:
    """Compute optimal values and actions with one more step to go, from the values with one step fewer.

        v[s] = max over a of the sum over outcomes of p * (reward + gamma * v_after[s_next])

    Args:
        model: world, see `clew.kernels.dynamics`.
        v_after: (num_states,) float64, values with one step fewer to go.
        steps_after: (num_states,) float64, expected number of steps with one step fewer to go.
        gamma: discount per step, in [0, 1].
        v: (num_states,) float64, filled in place.
        steps: (num_states,) float64, expected number of steps under the chosen actions, filled in place.
        policy: (num_states,) unsigned integers, the first action that attains the maximum, filled in place.
        num_actions: number of actions.

    Returns:
        Largest absolute value in v.

    Source:
        Puterman (1994), section 4.5.
    """
    max_value = 0.0
    for s in range(v.size):
        best, best_action = backup(model, v_after, s, 0, gamma), 0
        for a in range(1, num_actions):
            value = backup(model, v_after, s, a, gamma)
            if value > best:
                best, best_action = value, a
        v[s] = best
        policy[s] = best_action
        max_value = max(max_value, abs(best))
        expected_steps = 0.0
        for k in range(num_outcomes(model, s, best_action)):
            p, s_next, _, terminated = outcome(model, s, best_action, k)
            expected_steps += p if terminated else p * (1.0 + steps_after[s_next])
        steps[s] = expected_steps
    return max_value
