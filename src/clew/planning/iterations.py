"""Iteration shared by the planners that sweep: initial values, stopping rule, and the error bound at the end."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from clew.kernels import read_only
from clew.kernels.planning.sweeps import gauss_seidel_sweep, improve_policy, mark_nonterminating, mark_proper
from clew.models.mdp import FiniteMDP
from clew.planning.certificate import error_bound, rounding_bound
from clew.planning.orders import OrderedModel
from clew.planning.solution import Solution

MIN_FURTHER_SWEEPS = 1_000  # that may be made beyond the number of states, while a policy doesn't end


@dataclass(frozen=True, eq=False)
class Iteration:
    """Values that a planner improves by sweeps until they are near the optimum; states have the model's order.

    Values start at the lowest reward, received forever: min reward / (1 - gamma). From below, backups only raise
    values and never exceed the optimum, so a distant goal is found as soon as one path to it is. From above, values
    that can't be reached would fall by the factor gamma in each sweep only.

    Attributes:
        mdp: world.
        ordered: its model, with states in the order in which the planner visits them.
        gamma: discount per step, below 1.
        tolerance: largest error of a value that is requested, in reward units.
        v: (num_states,) float64, state values.
        policy: (num_live,) int32, the action whose backup each value is.
    """

    mdp: FiniteMDP
    ordered: OrderedModel
    gamma: float
    tolerance: float
    v: npt.NDArray[np.float64] = field(init=False)
    policy: npt.NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        lowest, _ = self.mdp.reward_range
        v = np.zeros(self.ordered.num_states)
        v[: self.ordered.num_live] = lowest / (1.0 - self.gamma)
        object.__setattr__(self, "v", v)
        object.__setattr__(self, "policy", np.zeros(self.ordered.num_live, np.int32))

    @cached_property
    def target(self) -> float:
        """Bellman residual at which sweeps stop; half of the tolerance is left to rounding."""
        return max(0.5 * self.tolerance * (1.0 - self.gamma), sys.float_info.min)

    @cached_property
    def reward_span(self) -> float:
        """Largest reward minus smallest reward."""
        lowest, highest = self.mdp.reward_range
        return highest - lowest

    @cached_property
    def max_rounding_error(self) -> float:
        """Bound on the rounding error of a backup of any values that a policy may have."""
        return rounding_bound(self.mdp, self.reward_span / (1.0 - self.gamma))

    def rounding_error(self) -> float:
        """Return a bound on the rounding error of a backup of the current values."""
        return rounding_bound(self.mdp, float(np.abs(self.v).max()))

    def is_converged(self, change: float) -> bool:
        """Return whether a change, or Bellman residual, meets the tolerance or doesn't exceed its rounding error."""
        requested = 0.99 * self.tolerance * (1.0 - self.gamma)  # 1% for probabilities that sum to over 1
        if change > max(requested, self.max_rounding_error):
            return False
        rounding_error = self.rounding_error()
        return change + rounding_error <= requested or change <= rounding_error

    def max_sweeps(self, target: float) -> int:
        """Return the number of sweeps after which no change exceeds the target: each shrinks the error by gamma."""
        if self.gamma == 0.0 or self.reward_span == 0.0:
            return 2
        error = math.log(self.reward_span) - math.log(1.0 - self.gamma)
        return 2 + math.ceil(max(0.0, error - math.log(target)) / -math.log(self.gamma))

    def sweep_until_converged(self, sweep: Callable[[int], float]) -> None:
        """Call `sweep` with the numbers 0, 1, ... until the largest change, which it returns, is converged."""
        for i in range(self.max_sweeps(self.target)):
            if self.is_converged(sweep(i)):
                break

    def gauss_seidel_sweep(self) -> float:
        """Replace each value by its largest backup, in place and in order; return the largest change of a value."""
        return gauss_seidel_sweep(self.ordered.model, self.v, self.policy, self.ordered.num_actions, self.gamma)

    def solve(self, method: str, sweep: Callable[[int], float]) -> Solution:
        """Sweep until converged and until the policy ends where it can, prove the error bound, and return the solution.

        Args:
            method: name of the planner.
            sweep: see `sweep_until_converged`.
        """
        self.sweep_until_converged(sweep)
        self._sweep_until_proper()
        v = self.ordered.to_original(self.v)
        return Solution(self.mdp, self.gamma, method, error_bound(self.mdp, v, self.gamma), values=v)

    def _sweep_until_proper(self) -> None:
        """Sweep on while the greedy policy may fail to end from a start state, although near-optimal actions could end.

        A goal may be so far away that its value is below the tolerance; more sweeps still find the path to it, one more
        state of it by each. Where rounding hides which actions end, changes never fall to the target, and so the number
        of sweeps is limited. The first sweeps are for planners that don't visit the states nearest to an end first.
        """
        self.sweep_until_converged(lambda _: self.gauss_seidel_sweep())
        model, num_actions = self.ordered.model, self.ordered.num_actions
        is_start = np.zeros(self.mdp.num_states, np.bool_)
        is_start[self.mdp.starts] = True
        starts = np.flatnonzero(self.ordered.to_ordered(is_start))
        nonterminating, proper, workspace = np.empty((3, self.ordered.num_states), np.bool_)
        actions = np.zeros(self.ordered.num_states, np.int32)
        margin = 4.0 * max(self.target, self.rounding_error()) / (1.0 - self.gamma)
        target, change, limit = self.target, math.inf, MIN_FURTHER_SWEEPS + self.ordered.num_live
        while target > 1e-200 and change > 0.0:
            improve_policy(model, self.v, num_actions, self.gamma, actions[: self.ordered.num_live])
            mark_nonterminating(model, read_only(actions), nonterminating)
            if not nonterminating[starts].any():
                return
            mark_proper(model, self.v, num_actions, self.gamma, margin, proper, workspace)
            if not (nonterminating & proper)[starts].any():
                return
            target *= 1e-9
            for _ in range(min(self.max_sweeps(target), limit)):
                change = self.gauss_seidel_sweep()
                if change <= target:
                    break
