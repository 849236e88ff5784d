"""Cheapest ways: best-first search, where moves are certain and each costs something."""

import numpy as np

from clew.kernels.dynamics import Sparse
from clew.kernels.planning.best_first import count_unsettled, fill_with_ends, settle_best_first
from clew.kernels.planning.priorities import Heap
from clew.models.mdp import FiniteMDP
from clew.planning.orders import predecessors
from clew.planning.solution import Solution

__all__ = ["best_first", "every_move_costs"]


def every_move_costs(mdp: FiniteMDP) -> bool:
    """Tell if these are rows of which none leaves anything to chance, and each costs unless it ends the episode."""
    rows = mdp.model
    if not isinstance(rows, Sparse) or not mdp.is_deterministic:
        return False
    return bool((rows.terminated | (rows.rewards < 0.0)).all())


def best_first(mdp: FiniteMDP) -> Solution:
    """Solve such a world without a discount, exactly but for rounding; -inf where no way comes to an end.

    The certificate: a pass over all states checks that each is worth what its best move is. As each move costs, no
    other values have that property. What rounding adds: half a unit for each sum on the way, of which there are no more
    than states, nor than the worst value holds of the least cost; twice that is allowed for.
    """
    rows, n = mdp.model, mdp.num_states
    assert isinstance(rows, Sparse)
    over = np.diff(rows.offsets[:: rows.num_actions]) == 0
    v = np.where(over, 0.0, -np.inf)
    heap = Heap(np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n))
    fill_with_ends(rows, v, mdp.num_actions, heap)
    settle_best_first(rows, v, mdp.num_actions, *predecessors(rows, n, mdp.num_actions), heap)
    num_wrong = count_unsettled(rows, v, mdp.num_actions)
    assert num_wrong == 0, f"{num_wrong} values are wrong"
    finite = v[np.isfinite(v)]
    max_value = float(np.abs(np.concatenate([finite, rows.rewards])).max(initial=0.0))
    least = float(-rows.rewards[~rows.terminated].max(initial=-np.inf))
    longest = min(float(n), 1.0 + (finite.max(initial=0.0) - finite.min(initial=0.0)) / least)
    return Solution(mdp, 1.0, "best-first", float(np.finfo(float).eps * longest * max_value), values=v)
