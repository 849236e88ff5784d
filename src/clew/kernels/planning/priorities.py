"""Prioritized sweeping: the state whose value is most wrong goes first, by a binary heap."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import Model
from clew.kernels.planning.backups import greedy_backup


class Heap(NamedTuple):
    """A binary heap of states, the greatest error on top; place[s] is where s stands in it."""

    states: npt.NDArray[np.int32]  # (num_states,)
    place: npt.NDArray[np.int32]  # (num_states,)
    errors: npt.NDArray[np.float64]  # (num_states,) by state


@kernel
def sift(heap: Heap, s: int) -> None:
    """Move a state, whose error has changed, to where it belongs: up past lesser ones, or down past greater ones."""
    i, error = np.int64(heap.place[s]), heap.errors[s]
    n = heap.states.size
    while i > 0 and heap.errors[heap.states[(i - 1) // 2]] < error:
        above = heap.states[(i - 1) // 2]
        heap.states[i], heap.place[above] = above, i
        i = (i - 1) // 2
    while True:
        child = 2 * i + 1
        if child + 1 < n and heap.errors[heap.states[child + 1]] > heap.errors[heap.states[child]]:
            child += 1
        if child >= n or heap.errors[heap.states[child]] <= error:
            break
        below = heap.states[child]
        heap.states[i], heap.place[below] = below, i
        i = child
    heap.states[i], heap.place[s] = s, i


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
    """Back up the state with the greatest Bellman error, again and again, until that is small.

    Args:
        model: world, see `dynamics`.
        v: (num_states,) float64, state values; changed in place.
        num_actions: number of actions.
        gamma: discount per step, in [0, 1].
        offsets: (num_states + 1,) int64, where the predecessors of each state begin.
        predecessors: the states from which each state can be come to.
        heap: as `fill_heap` left it, or this; changed in place.
        target: the greatest error to leave.
        max_backups: stop after so many.

    Returns:
        Greatest Bellman error left, which is max_s |(T v)(s) - v(s)|.

    Source:
        Sutton & Barto (2018), section 8.4, with the model given; Moore & Atkeson (1993), Prioritized sweeping.
    """
    for _ in range(max_backups):
        s = np.int64(heap.states[0])
        if heap.errors[s] <= target:
            break
        v[s], _a = greedy_backup(model, v, s, num_actions, gamma)
        heap.errors[s] = 0.0
        sift(heap, s)
        for i in range(offsets[s], offsets[s + 1]):
            before = np.int64(predecessors[i])  # s is among them, if it can stay as it is
            value, _a = greedy_backup(model, v, before, num_actions, gamma)
            heap.errors[before] = abs(value - v[before])
            sift(heap, before)
    return heap.errors[heap.states[0]]


@kernel
def fill_heap(model: Model, v: npt.NDArray[np.float64], num_actions: int, gamma: float, heap: Heap) -> None:
    """Fill a heap in place with the Bellman error of every state."""
    n = heap.states.size
    for s in range(n):
        value, _ = greedy_backup(model, v, s, num_actions, gamma)
        heap.errors[s] = abs(value - v[s])
        heap.states[s], heap.place[s] = s, s
    for i in range(n // 2, -1, -1):
        sift_from(heap, i)


@kernel
def sift_from(heap: Heap, i: int) -> None:
    """Move the state at a place down past greater ones; what is above it is not looked at."""
    s = np.int64(heap.states[i])
    n = heap.states.size
    while True:
        child = 2 * i + 1
        if child + 1 < n and heap.errors[heap.states[child + 1]] > heap.errors[heap.states[child]]:
            child += 1
        if child >= n or heap.errors[heap.states[child]] <= heap.errors[s]:
            break
        below = heap.states[child]
        heap.states[i], heap.place[below] = below, i
        i = child
    heap.states[i], heap.place[s] = s, i
