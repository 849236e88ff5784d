"""Best-first search (Dijkstra's algorithm) for deterministic worlds without a discount, in which every step costs."""

import numpy as np

from clew.kernels.dynamics import Sparse
from clew.kernels.planning.best_first import best_first_search, count_wrong_values, fill_heap_with_endings
from clew.kernels.planning.priorities import Heap
from clew.models.mdp import FiniteMDP
from clew.planning.orders import predecessors
from clew.planning.solution import Solution


def is_deterministic_with_costs(mdp: FiniteMDP) -> bool:
    """Return whether a world is sparse and deterministic, and every transition terminates or has a negative reward."""
    model = mdp.model
    return isinstance(model, Sparse) and mdp.is_deterministic and bool((model.terminated | (model.rewards < 0.0)).all())


def best_first(mdp: FiniteMDP) -> Solution:
    """Solve a world by best-first search, without a discount; the world must pass `is_deterministic_with_costs`.

    The values are exact but for rounding, and -inf where no path leads to an end. A pass over all states checks that
    each value equals its largest backup; as each step costs, no other values have that property. Rounding adds half a
    unit for each sum along a path. The number of these is at most the number of states, and at most the range of the
    values divided by the smallest cost; the bound allows for twice that.
    """
    model, n = mdp.model, mdp.num_states
    assert isinstance(model, Sparse)
    has_no_outcomes = np.diff(model.offsets[:: model.num_actions]) == 0
    v = np.where(has_no_outcomes, 0.0, -np.inf)
    heap = Heap(np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n))
    fill_heap_with_endings(model, v, mdp.num_actions, heap)
    best_first_search(model, v, mdp.num_actions, *predecessors(model, n, mdp.num_actions), heap)
    num_wrong = count_wrong_values(model, v, mdp.num_actions)
    assert num_wrong == 0, f"{num_wrong} values are wrong"
    finite = v[np.isfinite(v)]
    max_value = float(np.abs(np.concatenate([finite, model.rewards])).max(initial=0.0))
    min_cost = float(-model.rewards[~model.terminated].max(initial=-np.inf))
    max_steps = min(float(n), 1.0 + (finite.max(initial=0.0) - finite.min(initial=0.0)) / min_cost)
    return Solution(mdp, 1.0, "best-first", float(np.finfo(float).eps * max_steps * max_value), values=v)
