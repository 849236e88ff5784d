"""A block: its planner, its learner and its grade."""

import os
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed.blocks.exchange import BorderValues
from clew.distributed.blocks.learning import BlockLearner, BlockLearnerSpec, TrainingSlice
from clew.distributed.blocks.partition import BlockSpec, HaloValues, LocalGrid
from clew.distributed.blocks.planning import DiscountedPlanner, DistancePlanner, PlanningSpec
from clew.settings import peak_memory

GRADED_AT_ONCE = 1 << 18  # states; bounds the memory of intermediate arrays


class GradeCounts(NamedTuple):
    """Counts and sums of the grade of one block, over the states in which the choice of the action matters."""

    num_optimal: int  # states in which every greedy action is optimal
    num_states: int
    error: float  # sum of |max_a q - v*|
    max_error: float


class Block:
    """Planner and learner of one block.

    The spec and the calls so far determine its state to the last bit, so a lost block can be computed again.
    """

    def __init__(self, spec: BlockSpec) -> None:
        self.local = LocalGrid(spec)
        self.planner: Any = None
        self.seconds = 0.0  # of all calls
        self.learner: BlockLearner

    def plan_distances(self, spec: PlanningSpec) -> tuple[BorderValues, bool]:
        """Begin to plan: compute distances to the goals of this block, as if no goal were reachable through the halo.

        Returns:
            (distances of the border rows, True).
        """
        self.planner = None  # frees its memory first
        self.planner = DistancePlanner(self.local, spec)
        return self.planner.borders(), self.planner.is_done

    def plan_values(self, spec: PlanningSpec) -> tuple[BorderValues, bool]:
        """Begin to plan discounted values, in the order of the distances, which have been computed before.

        Returns:
            (values of the border rows, whether the residual is small enough).
        """
        self.planner = DiscountedPlanner(self.local, spec, self.planner.distances)
        return self.planner.borders(), self.planner.is_done

    def update_plan(self, halo: HaloValues) -> tuple[BorderValues, bool]:
        """Continue to plan, with new distances or values of the halo.

        Returns:
            (distances or values of the border rows, whether the block is done as long as its halo doesn't change).
        """
        self.planner.update(halo)
        return self.planner.borders(), self.planner.is_done

    def certify(self, halo: HaloValues) -> float:
        """Return the error of the plan of this block, see the planners; `combine_errors` takes those of all blocks."""
        return float(self.planner.certify(halo))

    def begin_learning(self, spec: BlockLearnerSpec) -> BorderValues:
        """Make a learner with initial values; return the values of the border rows."""
        self.learner = BlockLearner(self.local, spec)
        return self.learner.borders()

    def learn(self, halo: HaloValues, training: TrainingSlice) -> tuple[BorderValues, tuple[float, float, float]]:
        """Learn from some episodes, with new values of the halo.

        Returns:
            (values of the border rows, sums of (steps, terminated episodes, rewards)).
        """
        totals = self.learner.learn(halo, training)
        return self.learner.borders(), totals

    def apply_halo(self, halo: HaloValues) -> BorderValues:
        """Set the values of the halo, and back them up by the learned model; return the values of the border rows."""
        self.learner.apply_halo(halo)
        return self.learner.borders()

    def grade(self, bound: float) -> GradeCounts:
        """Compare the learned action values with the plan.

        Args:
            bound: on the error of planned values.
        """
        optimum, q = self.planner.optimum(bound), self.learner.action_values()
        counts = GradeCounts(0, 0, 0.0, 0.0)
        for i in range(0, len(q), GRADED_AT_ONCE):
            part = slice(i, i + GRADED_AT_ONCE)
            matters, best = optimum.choice_matters[part], q[part].max(axis=1)
            is_wrong = ((q[part] == best[:, None]) & ~optimum.optimal_actions[part]).any(axis=1)
            errors = np.abs(best - optimum.v[part])[matters]
            counts = GradeCounts(
                counts.num_optimal + int((matters & ~is_wrong).sum()),
                counts.num_states + errors.size,
                counts.error + float(errors.sum()),
                max(counts.max_error, float(errors.max(initial=0.0))),
            )
        return counts

    def values(self, states: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the planned values of some states, counted from the first state of the block itself."""
        return np.asarray(self.planner.values()[states])

    def action_values(self, states: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the learned action values of some states, counted from the first state of the block itself."""
        return self.learner.action_values()[states]

    def work_seconds(self) -> float:
        """Return the time of all calls, in seconds."""
        return self.seconds

    def memory(self) -> tuple[int, int]:
        """Return (ID of this process, largest memory that it has used, in bytes)."""
        return os.getpid(), peak_memory()
