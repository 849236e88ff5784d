"""What all planners that go round and round share: where they begin, when they stop, and the proof at the end."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from clew.kernels import read_only
from clew.kernels.planning.sweeps import choose_greedily, improving_sweep, mark_endless, mark_hopeful
from clew.models.mdp import FiniteMDP
from clew.planning.certificate import prove_bound, rounding
from clew.planning.orders import OrderedModel
from clew.planning.solution import Solution

__all__ = ["Iteration"]


@dataclass(frozen=True, eq=False)
class Iteration:
    """Values on their way to the optimum. Numbers of states are those of the ordered model.

    They begin at the worst that can be paid a step, for ever. From there a backup can only raise a value, and it is
    never above the optimum: a goal far away is seen as soon as a single way to it is. From above, what can't be had
    would have to be paid off first, a factor gamma a sweep.

    Attributes:
        mdp: world.
        ordered: its model, as the planner goes through it.
        gamma: discount per step, below 1.
        tolerance: greatest error of a value that is asked for.
        v: (num_states,) float64, state values.
        policy: (num_live,) int32, the action that gave each value.
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
        """The Bellman residual to go for. Half of the tolerance is left to rounding."""
        return 0.5 * self.tolerance * (1.0 - self.gamma)

    @cached_property
    def span(self) -> float:
        """The greatest reward less the least."""
        lowest, highest = self.mdp.reward_range
        return highest - lowest

    @cached_property
    def max_rounding(self) -> float:
        """What rounding can do to a backup of any values that a policy may have."""
        return rounding(self.mdp, self.span / (1.0 - self.gamma))

    def rounding(self) -> float:
        """What rounding can do to a backup of the values as they are."""
        return rounding(self.mdp, float(np.abs(self.v).max()))

    def is_done(self, change: float) -> bool:
        """Tell if a change, or a residual, is so small that the tolerance is met, or that rounding hides the rest."""
        asked = 0.99 * self.tolerance * (1.0 - self.gamma)  # a hundredth for probabilities that sum to a little over 1
        if change > max(asked, self.max_rounding):
            return False
        rounding = self.rounding()
        return change + rounding <= asked or change <= rounding

    def max_sweeps(self, target: float) -> int:
        """Number of sweeps after which no value changes by more than the target: each shrinks the error by gamma."""
        if self.gamma == 0.0 or self.span == 0.0:
            return 2
        error = math.log(self.span) - math.log(1.0 - self.gamma)
        return 2 + math.ceil(max(0.0, error - math.log(target)) / -math.log(self.gamma))

    def repeat(self, sweep: Callable[[int], float]) -> None:
        """Sweep until done; the number of the sweep comes in, the greatest change comes out."""
        for i in range(self.max_sweeps(self.target)):
            if self.is_done(sweep(i)):
                break

    def improve(self) -> float:
        """Back up every state in turn, in place; returns the greatest change."""
        return improving_sweep(self.ordered.model, self.v, self.policy, self.ordered.num_actions, self.gamma)

    def finish(self, method: str) -> Solution:
        """Make sure that the policy ends where it may, prove the bound, and put the solution together."""
        self._show_the_way()
        v = self.ordered.restored(self.v)
        return Solution(self.mdp, self.gamma, method, prove_bound(self.mdp, v, self.gamma), values=v)

    def _show_the_way(self) -> None:
        """Sweep on while the policy may fail to end from a start, though nothing worth more keeps it from ending.

        A goal that is so far that its value is below the tolerance still shows the way, if the sweeps go on. The first
        sweeps are for planners that don't go through the states nearest to an end first.
        """
        self.repeat(lambda _: self.improve())
        model, num_actions = self.ordered.model, self.ordered.num_actions
        starts = np.flatnonzero(self.ordered.numbered(self._is_start()))
        endless, hopeful, room = np.empty((3, self.ordered.num_states), np.bool_)
        actions = np.zeros(self.ordered.num_states, np.int32)
        margin = 4.0 * max(self.target, self.rounding()) / (1.0 - self.gamma)
        target, change = self.target, math.inf
        while target > 1e-200 and change > 0.0:
            choose_greedily(model, self.v, num_actions, self.gamma, actions[: self.ordered.num_live])
            mark_endless(model, read_only(actions), endless)
            if not endless[starts].any():
                return
            mark_hopeful(model, self.v, num_actions, self.gamma, margin, hopeful, room)
            if not (endless & hopeful)[starts].any():
                return
            target *= 1e-9
            for _ in range(self.max_sweeps(target)):
                change = self.improve()
                if change <= target:
                    break

    def _is_start(self) -> npt.NDArray[np.bool_]:
        is_start = np.zeros(self.mdp.num_states, np.bool_)
        is_start[self.mdp.starts] = True
        return is_start
