"""Best-first search: states are settled in the order of what they are worth, each once."""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import Sparse, num_outcomes
from clew.kernels.planning.backups import greedy_backup
from clew.kernels.planning.priorities import Heap, sift


@kernel
def settle_best_first(
    model: Sparse,
    v: npt.NDArray[np.float64],
    num_actions: int,
    offsets: npt.NDArray[np.int64],
    predecessors: npt.NDArray[np.int32],
    heap: Heap,
) -> None:
    """Find the values of a world where moves are certain, and each costs something unless it ends the episode.

    The state that is worth the most is worth that for good: all others are worth less, and a move to them costs. It is
    settled, and those that lead to it are backed up.

    Args:
        model: such a world.
        v: (num_states,) float64, -inf, and 0 where nothing can happen any more; changed in place.
        num_actions: number of actions.
        offsets: (num_states + 1,) int64, where the predecessors of each state begin.
        predecessors: the states from which each state can be come to.
        heap: as `priorities.fill_heap` makes it, but by what a state is worth; used up.

    Source:
        Dijkstra (1959), A note on two problems in connexion with graphs.
    """
    while True:
        s = np.int64(heap.states[0])
        if heap.errors[s] == -np.inf:
            break
        v[s] = heap.errors[s]
        heap.errors[s] = -np.inf  # it sinks, and is not looked at again
        sift(heap, s)
        for i in range(offsets[s], offsets[s + 1]):
            before = np.int64(predecessors[i])
            if v[before] == -np.inf:
                worth, _a = greedy_backup(model, v, before, num_actions, 1.0)
                if worth > heap.errors[before]:
                    heap.errors[before] = worth
                    sift(heap, before)


@kernel
def fill_with_ends(model: Sparse, v: npt.NDArray[np.float64], num_actions: int, heap: Heap) -> None:
    """Fill a heap in place with what the moves that end are worth, -inf where there is none."""
    for s in range(v.size):
        heap.states[s], heap.place[s], heap.errors[s] = s, s, -np.inf
    for s in range(v.size):
        if num_outcomes(model, s, 0) > 0:
            heap.errors[s], _a = greedy_backup(model, v, s, num_actions, 1.0)
            if heap.errors[s] > -np.inf:
                sift(heap, s)


@kernel
def count_unsettled(model: Sparse, v: npt.NDArray[np.float64], num_actions: int) -> int:
    """How many states aren't worth what their best move is; 0 proves the values, for moves cost something."""
    num_wrong = 0
    for s in range(v.size):
        if num_outcomes(model, s, 0) > 0:
            worth, _a = greedy_backup(model, v, s, num_actions, 1.0)
            num_wrong += worth != v[s]
    return num_wrong
