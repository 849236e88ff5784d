"""Best-first search (Dijkstra's algorithm): undiscounted values of deterministic worlds in which every step costs."""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import Sparse, num_outcomes
from clew.kernels.planning.backups import greedy_backup
from clew.kernels.planning.priorities import Heap, sift


@kernel
def best_first_search(
    model: Sparse,
    v: npt.NDArray[np.float64],
    num_actions: int,
    offsets: npt.NDArray[np.int64],
    predecessors: npt.NDArray[np.int32],
    heap: Heap,
) -> None:
    """Compute optimal undiscounted values where moves are deterministic and cost something, by Dijkstra's algorithm.

    A move that doesn't terminate has a negative reward, so the state with the largest value in the heap has its final
    value: any other path to an end is worth less. This state is settled, and its predecessors are backed up. States
    that can't reach an end keep -inf.

    Args:
        model: deterministic world in which each outcome terminates or has a negative reward.
        v: (num_states,) float64; -inf, and 0 in states without outcomes. Filled with the values in place.
        num_actions: number of actions.
        offsets: (num_states + 1,) int64; the predecessors of s are predecessors[offsets[s]:offsets[s + 1]].
        predecessors: int32, the states with an action that leads to s, for every s.
        heap: from `fill_heap_with_endings`, with values as priorities; all -inf afterwards.

    Source:
        Dijkstra (1959), A note on two problems in connexion with graphs.
    """
    while True:
        s = np.int64(heap.states[0])
        if heap.priorities[s] == -np.inf:
            break
        v[s] = heap.priorities[s]
        heap.priorities[s] = -np.inf  # moves to the bottom of the heap; s stays settled
        sift(heap, s)
        for i in range(offsets[s], offsets[s + 1]):
            predecessor = np.int64(predecessors[i])
            if v[predecessor] == -np.inf:
                value, _a = greedy_backup(model, v, predecessor, num_actions, 1.0)
                if value > heap.priorities[predecessor]:
                    heap.priorities[predecessor] = value
                    sift(heap, predecessor)


@kernel
def fill_heap_with_endings(model: Sparse, v: npt.NDArray[np.float64], num_actions: int, heap: Heap) -> None:
    """Fill a heap with the best value of each state among its moves to an end; -inf for states without such a move.

    A move to an end terminates, or leads to a state without outcomes.

    Args:
        model: deterministic world.
        v: (num_states,) float64; 0 in states without outcomes, -inf in all others.
        num_actions: number of actions.
        heap: filled in place.
    """
    for s in range(v.size):
        heap.states[s], heap.positions[s], heap.priorities[s] = s, s, -np.inf
    for s in range(v.size):
        if num_outcomes(model, s, 0) > 0:
            heap.priorities[s], _a = greedy_backup(model, v, s, num_actions, 1.0)
            if heap.priorities[s] > -np.inf:
                sift(heap, s)


@kernel
def count_wrong_values(model: Sparse, v: npt.NDArray[np.float64], num_actions: int) -> int:
    """Count the states whose value differs from their largest backup with gamma 1; states without outcomes are skipped.

    A count of 0 proves that v is optimal if the world is deterministic and every step that doesn't terminate costs: no
    other values then satisfy the Bellman equation.
    """
    num_wrong = 0
    for s in range(v.size):
        if num_outcomes(model, s, 0) > 0:
            value, _a = greedy_backup(model, v, s, num_actions, 1.0)
            num_wrong += value != v[s]
    return num_wrong
