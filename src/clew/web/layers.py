"""Layers: what the colours of the cells show. Independent of the browser.

A layer is a function of what was learned. It returns the number of each cell, and in which cells it is known; the
others have no colour.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, GOAL
from clew.web.worlds import PlaygroundWorld

Numbers = tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]  # (num_cells,) each


class Learned(NamedTuple):
    """Action values of one moment, and the cells in which they are known.

    Attributes:
        world: maze, learner and optimum.
        q: (num_cells, num_actions) float32, copy of the action values.
        best: (num_cells,) float32, value of the best action.
        is_open: (num_cells,), True for cells that are neither walls nor goals.
        is_known: (num_cells,), True for open cells whose actions don't all have the same value, as they have at first.
    """

    world: PlaygroundWorld
    q: npt.NDArray[np.float32]
    best: npt.NDArray[np.float32]
    is_open: npt.NDArray[np.bool_]
    is_known: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, world: PlaygroundWorld) -> "Learned":
        """Return what a world's learner knows now; it may go on learning."""
        q = world.trainer.policy.q.copy()
        is_open = ((world.env.maze.cells & (BLOCKED | GOAL)) == 0).reshape(-1)
        columns = list(q.T)  # reducing over columns is several times faster than along short rows
        best = functools.reduce(np.maximum, columns)
        return cls(world, q, best, is_open, is_open & (functools.reduce(np.minimum, columns) < best))


def show_values(learned: Learned) -> Numbers:
    """Return the value of the best action."""
    return learned.best, learned.is_known


def show_errors(learned: Learned) -> Numbers:
    """Return how far the value of the best action is from that of the optimal policy."""
    return np.abs(learned.best - learned.world.optimum.v), learned.is_known


def show_updates(learned: Learned) -> Numbers:
    """Return how often values of the cell were updated; all 0 for algorithms that learn a model."""
    updates = learned.world.trainer.updates
    return updates, learned.is_open & (updates > 0)


def show_traces(learned: Learned) -> Numbers:
    """Return the largest eligibility of the cell's actions; all 0 for algorithms without traces."""
    traces = learned.world.trainer.eligibility
    largest = np.zeros(learned.best.size, np.float32) if traces is None else traces.max(axis=1)
    return largest, largest > 0.0


LAYERS: dict[str, tuple[Callable[[Learned], Numbers], str]] = {
    "values": (show_values, "value of the best action"),
    "actions": (show_values, "value of each action; of the best one in small cells and for more than four moves"),
    "errors": (show_errors, "distance of the value from that of the optimal policy"),
    "updates": (show_updates, "number of updates of the values"),
    "traces": (show_traces, "eligibility traces, for algorithms that have them"),
}
