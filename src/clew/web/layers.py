"""Layers: what the colours of the cells show. Independent of the browser.

A layer is a function of the world and its action values q, (num_states, num_actions). It returns the number of each
cell, and in which cells it is known; the others have no colour.
"""

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import BLOCKED, GOAL
from clew.web.worlds import PlaygroundWorld

Values = npt.NDArray[np.float32]
Numbers = tuple[npt.NDArray[np.floating] | npt.NDArray[np.integer], npt.NDArray[np.bool_]]


def find_learned(world: PlaygroundWorld, q: Values) -> npt.NDArray[np.bool_]:
    """Return in which cells something was learned: not all actions have the same value, as they have before."""
    learned: npt.NDArray[np.bool_] = functools.reduce(np.minimum, q.T) < best_values(q)
    return learned & _is_open(world)


def best_values(q: Values) -> npt.NDArray[np.float32]:
    """Return the value of the best action of each state; several times faster than along short rows."""
    return functools.reduce(np.maximum, q.T)


def _is_open(world: PlaygroundWorld) -> npt.NDArray[np.bool_]:
    """Return which cells are neither walls nor goals."""
    is_open: npt.NDArray[np.bool_] = (world.env.maze.cells & (BLOCKED | GOAL)) == 0
    return is_open.reshape(-1)


def show_values(world: PlaygroundWorld, q: Values) -> Numbers:
    """Return the value of the best action."""
    return best_values(q), find_learned(world, q)


def show_errors(world: PlaygroundWorld, q: Values) -> Numbers:
    """Return how far the value of the best action is from that of the optimal policy."""
    return np.abs(best_values(q) - world.optimum.v), find_learned(world, q)


def show_updates(world: PlaygroundWorld, q: Values) -> Numbers:
    """Return how often values of the cell were updated; all 0 for algorithms that learn a model."""
    updates = world.trainer.updates
    return updates, _is_open(world) & (updates > 0)


def show_traces(world: PlaygroundWorld, q: Values) -> Numbers:
    """Return the largest eligibility of the cell's actions; all 0 for algorithms without traces."""
    traces = world.trainer.eligibility
    largest = np.zeros(len(q), np.float32) if traces is None else traces.max(axis=1)
    return largest, largest > 0.0


LAYERS: dict[str, tuple[Callable[[PlaygroundWorld, Values], Numbers], str]] = {
    "values": (show_values, "value of the best action"),
    "actions": (show_values, "value of each action, in large cells"),
    "errors": (show_errors, "distance of the value from that of the optimal policy"),
    "updates": (show_updates, "number of updates of the values"),
    "traces": (show_traces, "eligibility traces, for algorithms that have them"),
}
