"""Prioritized sweeping: always the state that is most wrong."""

import numpy as np

from clew.kernels.planning.priorities import Heap, fill_heap, prioritized_backups
from clew.models.mdp import FiniteMDP
from clew.planning.iterations import Iteration
from clew.planning.orders import nearest_first, predecessors
from clew.planning.solution import Solution

__all__ = ["prioritized_sweeping"]


def prioritized_sweeping(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Back up the state with the greatest Bellman error, then those that can come to it change places in the queue.

    Source:
        Moore & Atkeson (1993), Prioritized sweeping; Sutton & Barto (2018), section 8.4.
    """
    iteration = Iteration(mdp, nearest_first(mdp), gamma, tolerance)
    ordered = iteration.ordered
    offsets, listed = predecessors(ordered.model, ordered.num_states, ordered.num_actions)
    n = ordered.num_live
    heap = Heap(np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n))
    fill_heap(ordered.model, iteration.v, ordered.num_actions, gamma, heap)
    # In stretches as long as a sweep, so that Ctrl-C is heard.
    iteration.repeat(
        lambda _: prioritized_backups(
            ordered.model, iteration.v, ordered.num_actions, gamma, offsets, listed, heap, iteration.target, n
        )
    )
    return iteration.finish("prioritized-sweeping")
