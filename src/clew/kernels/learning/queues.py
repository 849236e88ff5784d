"""Queues of states to back up: first in, first out, or the largest change first.

    push(queue, s, change)      add a state, with the change of its value; a state is in a queue at most once
    pop(queue)                  remove the next state and return it
    peek(queue)                 return the next state
    num_waiting(queue)          number of states in the queue

The arrays of a queue have room for every state.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import dispatch, kernel


class FifoQueue(NamedTuple):
    """First-in, first-out queue of states, in a circular buffer."""

    states: npt.NDArray[np.int32]  # (num_states,), the buffer
    is_waiting: npt.NDArray[np.bool_]  # (num_states,), True for states in the queue
    cursor: npt.NDArray[np.int64]  # (2,): index of the first state, number of states


class MaxHeap(NamedTuple):
    """Priority queue of states by the change of their value, the largest first: a binary heap."""

    states: npt.NDArray[np.int32]  # (num_states,), the heap: its first `count[0]` entries
    positions: npt.NDArray[np.int32]  # (num_states,), position of each state in the heap; -1 if it isn't in it
    changes: npt.NDArray[np.float32]  # (num_states,), the priorities
    count: npt.NDArray[np.int64]  # (1,), number of states in the heap


@dispatch
def push(queue: Any, s: int, change: np.float32) -> None:
    """Add state s with the change of its value; if it is in the queue, at most its priority rises."""


@dispatch
def pop(queue: Any) -> int:
    """Remove the next state and return it. The queue must not be empty."""
    return -1


@dispatch
def peek(queue: Any) -> int:
    """Return the next state, without removing it. The queue must not be empty."""
    return np.int64(queue.states[0])


@dispatch
def num_waiting(queue: Any) -> int:
    """Return the number of states in the queue."""
    return 0


@push.register(FifoQueue)
def push_last(queue: FifoQueue, s: int, change: np.float32) -> None:
    """Add state s at the end, unless it is in the queue; the change is ignored."""
    if not queue.is_waiting[s]:
        queue.is_waiting[s] = True
        end = queue.cursor[0] + queue.cursor[1]
        queue.states[end if end < queue.states.size else end - queue.states.size] = s
        queue.cursor[1] += 1


@pop.register(FifoQueue)
def pop_first(queue: FifoQueue) -> int:
    """Remove the state that was added first and return it."""
    first = queue.cursor[0]
    s = np.int64(queue.states[first])
    queue.cursor[0] = first + 1 if first + 1 < queue.states.size else 0
    queue.cursor[1] -= 1
    queue.is_waiting[s] = False
    return s


@peek.register(FifoQueue)
def peek_first(queue: FifoQueue) -> int:
    """Return the state that was added first, without removing it."""
    return np.int64(queue.states[queue.cursor[0]])


@num_waiting.register(FifoQueue)
def num_in_line(queue: FifoQueue) -> int:
    """Return the number of states in the queue."""
    return queue.cursor[1]


@kernel
def put_at(queue: MaxHeap, i: int, s: int) -> None:
    """Write state s to position i of the heap, and note that this is its position."""
    queue.states[i] = s
    queue.positions[s] = i


@push.register(MaxHeap)
def push_by_change(queue: MaxHeap, s: int, change: np.float32) -> None:
    """Add state s with its change; if it is in the heap with a smaller change, raise it to the larger one."""
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
    """Remove the state with the largest change and return it."""
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
    """Return the number of states in the heap."""
    return queue.count[0]
