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


@kernel
def policy_backup(
    model: Model,
    policy: npt.NDArray[np.int32],
    returns_after: npt.NDArray[np.float64],
    steps_after: npt.NDArray[np.float64],
    returns: npt.NDArray[np.float64],
    steps: npt.NDArray[np.float64],
) -> float:
    """Back up the undiscounted return and the steps of a policy by one step.

        returns[s] = sum over outcomes of p * (reward + returns_after[s_next])

    Args:
        model: world, see `dynamics`.
        policy: (num_states,) int32, the action taken in each state.
        returns_after: (num_states,) float64, expected return with one step fewer to go.
        steps_after: (num_states,) float64, expected steps with one step fewer to go.
        returns: (num_states,) float64, filled in place.
        steps: (num_states,) float64, filled in place.

    Returns:
        Largest increase of steps in any state: the largest probability that an episode lasts this long.

    Source:
        Puterman (1994), section 4.2.
    """
    increase = 0.0
    for s in range(returns.size):
        a = np.int64(policy[s])
        expected_return, expected_steps = 0.0, 0.0
        for k in range(num_outcomes(model, s, a)):
            p, s_next, reward, terminated = outcome(model, s, a, k)
            if terminated:
                expected_return += p * reward
                expected_steps += p
            else:
                expected_return += p * (reward + returns_after[s_next])
                expected_steps += p * (1.0 + steps_after[s_next])
        increase = max(increase, expected_steps - steps_after[s])
        returns[s] = expected_return
        steps[s] = expected_steps
    return increase
