"""Queues of states that wait for their turn: first come, first served, or the greatest change first.

push(queue, s, change)    let a state wait, with the change of its value; one that waits already moves up if need be
pop(queue)                the state whose turn it is, which then waits no longer
peek(queue)               the same, and it goes on waiting
num_waiting(queue)        how many wait
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch, kernel


class FifoQueue(NamedTuple):
    """States in a circle, in the order in which they came."""

    states: npt.NDArray[np.int32]  # (num_states,)
    is_waiting: npt.NDArray[np.bool_]  # (num_states,)
    cursor: npt.NDArray[np.int64]  # (2,): where the first one stands, how many there are


class MaxHeap(NamedTuple):
    """States in a binary heap: none comes before one with a greater change."""

    states: npt.NDArray[np.int32]  # (num_states,), of which the first `count[0]` wait
    positions: npt.NDArray[np.int32]  # (num_states,), where in the heap a state is; -1 if it doesn't wait
    changes: npt.NDArray[np.float32]  # (num_states,)
    count: npt.NDArray[np.int64]  # (1,)


@dispatch
def push(queue: Any, s: int, change: np.float32) -> None:
    """Let a state wait."""


@dispatch
def pop(queue: Any) -> int:
    """The state whose turn it is; there must be one."""
    return -1


@dispatch
def peek(queue: Any) -> int:
    """The state whose turn it is; there must be one. In a heap it is the first."""
    return np.int64(queue.states[0])


@dispatch
def num_waiting(queue: Any) -> int:
    """How many states wait."""
    return 0


@push.register(FifoQueue)
def push_last(queue: FifoQueue, s: int, change: np.float32) -> None:
    """Behind all the others, unless it waits already."""
    if not queue.is_waiting[s]:
        queue.is_waiting[s] = True
        end = queue.cursor[0] + queue.cursor[1]
        queue.states[end if end < queue.states.size else end - queue.states.size] = s
        queue.cursor[1] += 1


@pop.register(FifoQueue)
def pop_first(queue: FifoQueue) -> int:
    """The one that waited longest."""
    first = queue.cursor[0]
    s = np.int64(queue.states[first])
    queue.cursor[0] = first + 1 if first + 1 < queue.states.size else 0
    queue.cursor[1] -= 1
    queue.is_waiting[s] = False
    return s


@peek.register(FifoQueue)
def peek_first(queue: FifoQueue) -> int:
    """The one that waited longest."""
    return np.int64(queue.states[queue.cursor[0]])


@num_waiting.register(FifoQueue)
def num_in_line(queue: FifoQueue) -> int:
    """Length of the line."""
    return queue.cursor[1]


@kernel
def put_at(queue: MaxHeap, i: int, s: int) -> None:
    """Put a state at position i of the heap."""
    queue.states[i] = s
    queue.positions[s] = i


@push.register(MaxHeap)
def push_by_change(queue: MaxHeap, s: int, change: np.float32) -> None:
    """Up, as far as those above changed less; a greater change than the one it waits with counts."""
    i = np.int64(queue.positions[s])
    if i < 0:
        i = queue.count[0]
        queue.count[0] = i + 1
    elif change <= queue.changes[s]:
        return
    queue.changes[s] = change
    while i > 0:
        parent = np.int64(queue.states[(i - 1) >> 1])
        if queue.changes[parent] >= change:
            break
        put_at(queue, i, parent)
        i = (i - 1) >> 1
    put_at(queue, i, s)


@pop.register(MaxHeap)
def pop_greatest(queue: MaxHeap) -> int:
    """The top; the last one takes its place, and goes down as far as those below changed more."""
    top = np.int64(queue.states[0])
    queue.positions[top] = -1
    n = queue.count[0] - 1
    queue.count[0] = n
    if n > 0:
        s = np.int64(queue.states[n])
        i = 0
        while 2 * i + 1 < n:
            child = 2 * i + 1
            if child + 1 < n and queue.changes[queue.states[child + 1]] > queue.changes[queue.states[child]]:
                child += 1
            if queue.changes[queue.states[child]] <= queue.changes[s]:
                break
            put_at(queue, i, np.int64(queue.states[child]))
            i = child
        put_at(queue, i, s)
    return top


@num_waiting.register(MaxHeap)
def num_in_heap(queue: MaxHeap) -> int:
    """Size of the heap."""
    return queue.count[0]
