"""Prioritized sweeping with a known model: the state with the largest Bellman error is backed up first."""

import numpy as np

from clew.kernels.planning.priorities import Heap, fill_heap, prioritized_backups
from clew.models.mdp import FiniteMDP
from clew.planning.iterations import Iteration
from clew.planning.orders import breadth_first_order, predecessors
from clew.planning.solution import Solution


def prioritized_sweeping(mdp: FiniteMDP, gamma: float, tolerance: float) -> Solution:
    """Solve a world by prioritized sweeping: back up the state with the largest Bellman error first.

    After each backup the errors of the state's predecessors are updated.

    Source:
        Moore & Atkeson (1993), Prioritized sweeping; Sutton & Barto (2018), section 8.4.
    """
    iteration = Iteration(mdp, breadth_first_order(mdp), gamma, tolerance)
    ordered = iteration.ordered
    offsets, states = predecessors(ordered.model, ordered.num_states, ordered.num_actions)
    n = ordered.num_live
    heap = Heap(np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n))
    fill_heap(ordered.model, iteration.v, ordered.num_actions, gamma, heap)
    # As many backups per call as a sweep has, so that Ctrl-C takes effect between calls.
    return iteration.solve(
        "prioritized-sweeping",
        lambda _: prioritized_backups(
            ordered.model, iteration.v, ordered.num_actions, gamma, offsets, states, heap, iteration.target, n
        ),
    )
