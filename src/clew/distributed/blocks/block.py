"""A block: its planner and its learner, and their figures."""

import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed.blocks.cuts import Halo, Part, Place
from clew.distributed.blocks.exchange import Borders
from clew.distributed.blocks.learning import BlockLearner, BlockLearnerSpec, Stint
from clew.distributed.blocks.planning import Discounted, Distances, Problem

__all__ = ["Block", "Marks", "peak_memory"]

SLAB = 1 << 18  # states that are graded at once: what that takes in between is small


class Marks(NamedTuple):
    """What the learned values of a block come to beside the planned ones; sums, to be added up over blocks."""

    num_optimal: int  # states in which every action that the greedy policy may take is optimal
    num_states: int  # of so many in which the choice matters
    error: float  # sum of |max_a q - v*| over these
    max_error: float


class Block:
    """Whoever holds a block calls this.

    What it holds is decided, to the last bit, by what it was made from and by the calls that came since.
    """

    def __init__(self, part: Part) -> None:
        self.place = Place(part)
        self.planner: Any = None
        self.learner: BlockLearner

    def begin_plan(self, problem: Problem) -> tuple[Borders, bool]:
        """Measure distances as if neighbours had no way; returns those of the borders, and if that is all."""
        self.planner = None  # its memory goes first
        self.planner = Distances(self.place, problem)
        return self.planner.borders(), self.planner.is_done

    def plan_values(self, problem: Problem) -> tuple[Borders, bool]:
        """Plan values, nearest states first, as if neighbours were worth the least; likewise."""
        self.planner = Discounted(self.place, problem, self.planner.distances)
        return self.planner.borders(), self.planner.is_done

    def go_on(self, halo: Halo) -> tuple[Borders, bool]:
        """Plan on with what neighbours are worth now; likewise."""
        self.planner.go_on(halo)
        return self.planner.borders(), self.planner.is_done

    def certify(self, halo: Halo) -> float:
        """Look if values agree with each other; see the planners for what is returned."""
        return float(self.planner.certify(halo))

    def begin_learning(self, pupil: BlockLearnerSpec) -> Borders:
        """Make a table that knows nothing yet; returns what the borders are worth."""
        self.learner = BlockLearner(self.place, pupil)
        return self.learner.borders()

    def learn(self, halo: Halo, stint: Stint) -> tuple[Borders, tuple[float, float, float]]:
        """Learn from some episodes; returns the borders, and sums of steps, ends and rewards."""
        sums = self.learner.learn(halo, stint)
        return self.learner.borders(), sums

    def settle(self, halo: Halo) -> Borders:
        """Take in what neighbours are worth, without another step; returns the borders."""
        self.learner.settle(halo)
        return self.learner.borders()

    def grade(self, bound: float) -> Marks:
        """Compare what was learned with what was planned."""
        optimum, q = self.planner.optimum(bound), self.learner.action_values()
        marks = Marks(0, 0, 0.0, 0.0)
        for i in range(0, len(q), SLAB):
            slab = slice(i, i + SLAB)
            matters, best = optimum.matters[slab], q[slab].max(axis=1)
            wrong = ((q[slab] == best[:, None]) & ~optimum.optimal[slab]).any(axis=1)
            errors = np.abs(best - optimum.v[slab])[matters]
            marks = Marks(
                marks.num_optimal + int((matters & ~wrong).sum()),
                marks.num_states + errors.size,
                marks.error + float(errors.sum()),
                max(marks.max_error, float(errors.max(initial=0.0))),
            )
        return marks

    def values(self, states: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Planned values of some states, counted from the block's first."""
        v: npt.NDArray[np.float64] = self.planner.values()
        return v[states]

    def action_values(self, states: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Learned action values of some states, counted likewise."""
        return self.learner.action_values()[states]

    def memory(self) -> tuple[int, int]:
        """(process, bytes that it took at the most)."""
        return os.getpid(), peak_memory()


def peak_memory() -> int:
    """Bytes that this process took at the most, of the memory of the machine."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says there may be that of the program which started this one
        lines = status.read_text().splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
