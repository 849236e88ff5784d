"""Prioritized sweeping: back up the state with the largest Bellman error first, with a binary heap."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import Model
from clew.kernels.planning.backups import greedy_backup


class Heap(NamedTuple):
    """Binary heap of states, the largest priority on top; `positions[s]` is the index of state s in `states`."""

    states: npt.NDArray[np.int32]  # (num_states,)
    positions: npt.NDArray[np.int32]  # (num_states,)
    priorities: npt.NDArray[np.float64]  # (num_states,) of each state, such as its Bellman error


@kernel
def sift(heap: Heap, s: int) -> None:
    """Restore the order of the heap after the priority of state s has changed, by moving s up or down."""
    i, priority = np.int64(heap.positions[s]), heap.priorities[s]
    n = heap.states.size
    while i > 0 and heap.priorities[heap.states[(i - 1) // 2]] < priority:
        above = heap.states[(i - 1) // 2]
        heap.states[i], heap.positions[above] = above, i
        i = (i - 1) // 2
    while True:
        child = 2 * i + 1
        if child + 1 < n and heap.priorities[heap.states[child + 1]] > heap.priorities[heap.states[child]]:
            child += 1
        if child >= n or heap.priorities[heap.states[child]] <= priority:
            break
        below = heap.states[child]
        heap.states[i], heap.positions[below] = below, i
        i = child
    heap.states[i], heap.positions[s] = s, i


@kernel
def prioritized_backups(
    model: Model,
    v: npt.NDArray[np.float64],
    num_actions: int,
    gamma: float,
    offsets: npt.NDArray[np.int64],
    predecessors: npt.NDArray[np.int32],
    heap: Heap,
    target: float,
    max_backups: int,
) -> float:
    """Back up the state with the largest Bellman error repeatedly, until no error is above the target.

    After each backup the errors of the predecessors are computed again.

    Args:
        model: world, see `clew.kernels.dynamics`.
        v: (num_states,) float64, state values; changed in place.
        num_actions: number of actions.
        gamma: discount per step, in [0, 1].
        offsets: (num_states + 1,) int64; the predecessors of s are predecessors[offsets[s]:offsets[s + 1]].
        predecessors: int32, the states from which a transition may lead to s, for every s.
        heap: from `fill_heap` or an earlier call, with |(T v)(s) - v(s)| as priorities; changed in place.
        target: largest error that may be left.
        max_backups: maximum number of backups.

    Returns:
        Largest Bellman error left, max_s |(T v)(s) - v(s)|.

    Source:
        Sutton & Barto (2018), section 8.4, with the model given; Moore & Atkeson (1993), Prioritized sweeping.
    """
    for _ in range(max_backups):
        s = np.int64(heap.states[0])
        if heap.priorities[s] <= target:
            break
        v[s], _a = greedy_backup(model, v, s, num_actions, gamma)
        heap.priorities[s] = 0.0
        sift(heap, s)
        for i in range(offsets[s], offsets[s + 1]):
            predecessor = np.int64(predecessors[i])  # s is among them if it has a transition to itself
            value, _a = greedy_backup(model, v, predecessor, num_actions, gamma)
            heap.priorities[predecessor] = abs(value - v[predecessor])
            sift(heap, predecessor)
    return heap.priorities[heap.states[0]]


@kernel
def fill_heap(model: Model, v: npt.NDArray[np.float64], num_actions: int, gamma: float, heap: Heap) -> None:
    """Fill a heap with the Bellman error |(T v)(s) - v(s)| of every state as its priority.

    Args:
        model: world, see `clew.kernels.dynamics`.
        v: (num_states,) float64, state values.
        num_actions: number of actions.
        gamma: discount per step, in [0, 1].
        heap: with n entries, for the states 0 to n - 1; filled in place.
    """
    n = heap.states.size
    for s in range(n):
        value, _ = greedy_backup(model, v, s, num_actions, gamma)
        heap.priorities[s] = abs(value - v[s])
        heap.states[s], heap.positions[s] = s, s
    for i in range(n // 2, -1, -1):
        sift_down(heap, i)


@kernel
def sift_down(heap: Heap, i: int) -> None:
    """Move the state at index i of the heap down until no child has a larger priority."""
    s = np.int64(heap.states[i])
    n = heap.states.size
    while True:
        child = 2 * i + 1
        if child + 1 < n and heap.priorities[heap.states[child + 1]] > heap.priorities[heap.states[child]]:
            child += 1
        if child >= n or heap.priorities[heap.states[child]] <= heap.priorities[s]:
            break
        below = heap.states[child]
        heap.states[i], heap.positions[below] = below, i
        i = child
    heap.states[i], heap.positions[s] = s, i
