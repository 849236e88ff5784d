"""Planning for a given number of steps by backward induction: the optimal action depends on the remaining steps."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.kernels.planning.horizon import backward_induction_step
from clew.models.availability import as_available
from clew.models.mdp import FiniteMDP
from clew.planning.certificate import check_overflow
from clew.planning.rounding import Rounding
from clew.planning.solution import policy_of
from clew.policies.policy import Policy
from clew.settings import check_count, check_memory


@dataclass(frozen=True, eq=False)
class HorizonSolution:
    """Optimal values and policy of a world whose episodes are cut off after a number of steps.

    The result of `solve` with a horizon.

    Attributes:
        steps: expected number of steps of the optimal policy, at most the horizon; mean over the start states.
        value: expected discounted return up to the horizon, mean over the start states.
        v: (num_states,) float64, optimal state values at time 0, with all steps to go; 0 in states without outcomes.
        mdp: the world.
        actions: (horizon, num_states) unsigned integers; `actions[t, s]` is an optimal action in state s at time t.
        steps_from: (num_states,) float64, expected number of steps from each state at time 0.
        method: "backward induction".
        bound: largest possible error of v, in reward units, which is due to rounding.
        gamma: discount per step.
        horizon: number of steps.

    Examples:
        A goal that is four steps away can't be reached in three, and can be in five:

        >>> import clew
        >>> [clew.solve(clew.Maze.open(3, 3), gamma=1.0, horizon=n).value for n in (3, 5)]
        [0.0, 1.0]
        >>> solution = clew.solve(clew.Maze.open(3, 3), horizon=5)
        >>> solution.actions.shape
        (5, 9)
        >>> clew.policy_values(clew.Maze.open(3, 3), solution).value == solution.value
        True
    """

    mdp: FiniteMDP = field(repr=False)

    steps: float
    value: float
    v: npt.NDArray[np.float64] = field(repr=False)
    actions: npt.NDArray[Any] = field(repr=False)
    steps_from: npt.NDArray[np.float64] = field(repr=False)
    method: str
    bound: float
    gamma: float
    horizon: int

    def policy_at(self, t: int) -> Policy:
        """Return the policy of one step, which has `horizon - t` steps to go; any action where nothing can happen.

            >>> import clew
            >>> clew.solve(clew.Maze.open(1, 3), horizon=2).policy_at(0).action(0)
            3

        Args:
            t: number of steps before it, in [0, horizon).

        Raises:
            SettingError: if t is out of range.
        """
        check_count("t", t, 0, self.horizon - 1)
        return policy_of(self.mdp, self.actions[t])


def backward_induction(mdp: FiniteMDP, horizon: int, gamma: float) -> HorizonSolution:
    """Solve a world for a horizon by backward induction, from no remaining step to `horizon` of them.

        v_0 = 0, v_k = T v_(k - 1), and v = v_horizon, where T is the Bellman operator

    This is exact but for rounding. A backup of values with error e has the error gamma * e plus its own rounding error,
    and the bound adds these up over all steps.

    Source:
        Puterman (1994), section 4.5.
    """
    dtype = np.min_scalar_type(mdp.num_actions - 1)
    check_memory(dtype.itemsize * horizon * mdp.num_states, "a policy for every step")
    actions = np.empty((horizon, mdp.num_states), dtype)
    v, v_after, steps, steps_after = np.zeros((4, mdp.num_states))
    rounding = Rounding(mdp)
    bound = max_value = 0.0
    model = mdp.filled.model
    for t in reversed(range(horizon)):
        bound = gamma * bound + rounding.of_backup(max_value)
        v, v_after, steps, steps_after = v_after, v, steps_after, steps
        max_value = backward_induction_step(model, v_after, steps_after, gamma, v, steps, actions[t], mdp.num_actions)
        actions[t] = as_available(mdp, actions[t])
    with np.errstate(over="ignore", invalid="ignore"):
        value = float(v[mdp.starts].mean())
    check_overflow(mdp, value, v)
    return HorizonSolution(
        mdp=mdp,
        steps=float(steps[mdp.starts].mean()),
        value=value,
        v=v,
        actions=actions,
        steps_from=steps,
        method="backward induction",
        bound=bound,
        gamma=gamma,
        horizon=horizon,
    )
