"""What planning comes to: optimal values, an optimal policy, and how far off they may be."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clew.mdp import FiniteMDP

__all__ = ["Solution", "make_solution"]


@dataclass(frozen=True, eq=False)
class Solution:
    """The optimum of a finite world.

    Attributes:
        steps: expected number of steps of the optimal policy, mean over the starts; infinite if it need not end.
        value: expected discounted return from the start, mean over the starts.
        v: (num_states,) float64, optimal state values; 0 where nothing can happen any more.
        q: (num_states, num_actions) float64, optimal action values.
        policy: (num_states,) int32, an optimal action; 0 where it doesn't matter.
        steps_from: (num_states,) float64, expected steps of that policy from each state; infinite where it may fail
            to end, 0 where nothing can happen any more.
        method: "breadth-first search" or "value iteration".
        bound: v is within this of the optimum, everywhere; proved, see `solve`. Rounding counts.
        gamma: discount that all this is for.
    """

    steps: float
    value: float
    v: npt.NDArray[np.float64]
    q: npt.NDArray[np.float64]
    policy: npt.NDArray[np.int32]
    steps_from: npt.NDArray[np.float64]
    method: str
    bound: float
    gamma: float


def make_solution(
    mdp: FiniteMDP,
    v: npt.NDArray[np.float64],
    q: npt.NDArray[np.float64],
    policy: npt.NDArray[np.int32],
    steps_from: npt.NDArray[np.float64],
    method: str,
    bound: float,
    gamma: float,
) -> Solution:
    """Put a solution together; steps and value are means over the starts."""
    return Solution(
        steps=float(steps_from[mdp.starts].mean()),
        value=float(v[mdp.starts].mean()),
        v=v,
        q=q,
        policy=policy,
        steps_from=steps_from,
        method=method,
        bound=bound,
        gamma=gamma,
    )
