"""Evaluating a policy exactly: the chain of states that it walks, solved component by component.

A policy turns a world into a Markov chain. States that can come to each other make a component; a walk that leaves one
never comes back. So, from the last component to the first,

    one state       its value is one division
    a few states    linear equations, solved by elimination
    many states     Gauss-Seidel sweeps, in the order in which a depth-first search leaves the states

A policy that wanders nowhere, such as one that has learned, is evaluated in linear time.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import Model, num_outcomes, outcome


class Chain(NamedTuple):
    """What a policy does to the states: the moves from s are the rows from `offsets[s]` up to `offsets[s + 1]`.

    A move that ends the episode has no row, so the probabilities of a state may sum to less than 1.
    """

    offsets: npt.NDArray[np.int64]  # (num_states + 1,)
    next_states: npt.NDArray[np.int32]  # (num_rows,)
    probabilities: npt.NDArray[np.float64]  # (num_rows,)
    ends: npt.NDArray[np.bool_]  # (num_states,), True if the episode may end here, or is over already


class Components(NamedTuple):
    """States in the order of solving; component c is `order[firsts[c]:firsts[c + 1]]`."""

    order: npt.NDArray[np.int32]  # (num_states,)
    firsts: npt.NDArray[np.int32]  # (num_states + 1,), of which num_components + 1 are used
    rank: npt.NDArray[np.int32]  # (num_states,), the place of each state in `order`
    stays: npt.NDArray[np.bool_]  # (num_states,), True if a walk never leaves the component, and doesn't end in it


@kernel
def write_chain(
    model: Model,
    greedy: npt.NDArray[np.bool_],
    epsilon: float,
    chain: Chain,
    reward: npt.NDArray[np.float64],
    goes_on: npt.NDArray[np.float64],
) -> tuple[int, float]:
    """Fill the chain of the policy that takes a greedy action, each as likely as the others, or explores.

    Args:
        model: world, see `dynamics`.
        greedy: (num_states, num_actions) bool, at least one a state.
        epsilon: probability of any action in place of a greedy one.
        chain: filled in place; needs a row for every outcome of every action that may be taken.
        reward: (num_states,) float64, expected reward of a step, filled in place.
        goes_on: (num_states,) float64, probability that a step is taken at all, filled in place; 0 where all is over.

    Returns:
        (how many rows were filled, greatest absolute reward).
    """
    num_states, num_actions = greedy.shape
    n, max_value = 0, 0.0
    for s in range(num_states):
        chain.offsets[s] = n
        chain.ends[s] = False
        reward[s], goes_on[s] = 0.0, 0.0
        num_greedy = 0
        for a in range(num_actions):
            num_greedy += greedy[s, a]
        for a in range(num_actions):
            chance = epsilon / num_actions
            if greedy[s, a]:
                chance += (1.0 - epsilon) / num_greedy
            if chance == 0.0:
                continue
            count = num_outcomes(model, s, a)
            if count == 0:
                chain.ends[s] = True
                continue
            goes_on[s] += chance
            for k in range(count):
                p, s_next, r, terminated = outcome(model, s, a, k)
                reward[s] += chance * p * r
                max_value = max(max_value, abs(r))
                if p > 0.0 and terminated:
                    chain.ends[s] = True
                elif p > 0.0:
                    chain.next_states[n] = s_next
                    chain.probabilities[n] = chance * p
                    n += 1
    chain.offsets[num_states] = n
    return n, max_value


@kernel
def find_components(chain: Chain, found: Components, room: npt.NDArray[np.int32], row: npt.NDArray[np.int64]) -> int:
    """Find the components of a chain, and an order in which each comes after those that it leads to.

    Within a component, states are in the order in which the search left them: mostly, successors come first.

    Args:
        chain: see above.
        found: filled in place.
        room: (6, num_states) int32, to work in.
        row: (num_states,) int64, to work in.

    Returns:
        Number of components.

    Source:
        Tarjan (1972), Depth-first search and linear graph algorithms; without recursion.
    """
    seen, low, component, waiting, path, left = room[0], room[1], room[2], room[3], room[4], room[5]
    seen[:] = 0  # when a state was first seen, from 1
    component[:] = -1
    n, num_seen, num_left, num_waiting, num_components = seen.size, 0, 0, 0, 0
    for root in range(n):
        depth = 0
        s = root
        is_new = seen[root] == 0
        while is_new or depth > 0:
            if is_new:
                num_seen += 1
                seen[s] = low[s] = num_seen
                row[s] = chain.offsets[s]
                path[depth] = waiting[num_waiting] = s
                depth += 1
                num_waiting += 1
                is_new = False
            s = np.int64(path[depth - 1])
            if row[s] < chain.offsets[s + 1]:
                s_next = np.int64(chain.next_states[row[s]])
                row[s] += 1
                if seen[s_next] == 0:
                    s, is_new = s_next, True
                elif component[s_next] < 0:
                    low[s] = min(low[s], seen[s_next])
                continue
            depth -= 1
            left[num_left] = s
            num_left += 1
            if depth > 0:
                low[path[depth - 1]] = min(low[path[depth - 1]], low[s])
            if low[s] == seen[s]:
                while component[s] < 0:
                    num_waiting -= 1
                    component[waiting[num_waiting]] = num_components
                num_components += 1
    sort_by_component(component, left, num_components, found)
    mark_stays(chain, component, found, num_components)
    return num_components


@kernel
def sort_by_component(
    component: npt.NDArray[np.int32], left: npt.NDArray[np.int32], num_components: int, found: Components
) -> None:
    """Counting sort of the states in `left` by their component; those of one keep their order."""
    found.firsts[: num_components + 1] = 0
    for s in range(component.size):
        found.firsts[component[s] + 1] += 1
    for c in range(num_components):
        found.firsts[c + 1] += found.firsts[c]
    for s in left:  # firsts[c] walks on to the end of c, and back below
        found.order[found.firsts[component[s]]] = s
        found.rank[s] = found.firsts[component[s]]
        found.firsts[component[s]] += 1
    for c in range(num_components, 0, -1):
        found.firsts[c] = found.firsts[c - 1]
    found.firsts[0] = 0


@kernel
def mark_stays(chain: Chain, component: npt.NDArray[np.int32], found: Components, num_components: int) -> None:
    """Mark, in `found.stays`, the components that a walk never leaves and in which no episode ends."""
    for c in range(num_components):
        stays = True
        for i in range(found.firsts[c], found.firsts[c + 1]):
            s = found.order[i]
            stays = stays and not chain.ends[s]
            for k in range(chain.offsets[s], chain.offsets[s + 1]):
                stays = stays and component[chain.next_states[k]] == c
        for i in range(found.firsts[c], found.firsts[c + 1]):
            found.stays[found.order[i]] = stays


@kernel
def chain_backup(chain: Chain, pay: npt.NDArray[np.float64], v: npt.NDArray[np.float64], s: int, gamma: float) -> float:
    """Value of s from those of its successors, solved for the share that stays in s.

    v[s] = (pay[s] + gamma * sum over s_next != s of p * v[s_next]) / (1 - gamma * p of s itself)

    Source:
        Sutton & Barto (2018), eq. (4.5).
    """
    value, stay = pay[s], 0.0
    for i in range(chain.offsets[s], chain.offsets[s + 1]):
        if chain.next_states[i] == s:
            stay += chain.probabilities[i]
        else:
            value += gamma * chain.probabilities[i] * v[chain.next_states[i]]
    return value / (1.0 - gamma * stay)


@kernel
def endless_value(
    chain: Chain, pay: npt.NDArray[np.float64], found: Components, first: int, last: int, v: npt.NDArray[np.float64]
) -> float:
    """Undiscounted value of a component in which a walk stays for ever, or from which it may come to such a place.

    A walk that stays adds up what it is paid: nothing to 0, costs to -inf, gains to inf, both to NaN (no sum is meant).
    One that may come to an infinite value is worth that; 0 stands for a component with a finite value.
    """
    lowest, highest, beyond = 0.0, 0.0, 0.0
    for i in range(first, last):
        s = found.order[i]
        lowest, highest = min(lowest, pay[s]), max(highest, pay[s])
        for k in range(chain.offsets[s], chain.offsets[s + 1]):
            s_next = chain.next_states[k]
            is_beyond = found.rank[s_next] < first  # what a component leads to has been solved before it
            if is_beyond and not np.isfinite(v[s_next]):
                beyond += v[s_next]
    if not found.stays[found.order[first]]:
        return beyond
    if lowest < 0.0 and highest > 0.0:
        return np.nan
    if lowest < 0.0:
        return -np.inf
    return np.inf if highest > 0.0 else 0.0


@kernel
def eliminate(
    chain: Chain,
    pay: npt.NDArray[np.float64],
    gamma: float,
    found: Components,
    first: int,
    last: int,
    v: npt.NDArray[np.float64],
    matrix: npt.NDArray[np.float64],
) -> None:
    """Solve the equations of a small component by Gaussian elimination; v is changed in place.

    No pivots are sought: a row's diagonal outweighs the rest of it, which keeps elimination stable.

    Args:
        chain: see above.
        pay: (num_states,) float64, what a step from each state pays.
        gamma: discount per step, in [0, 1].
        found: the components.
        first: where the component begins in `found.order`.
        last: where it ends, exclusive.
        v: (num_states,) float64, set beyond the component; changed in place.
        matrix: (m, m + 1) float64 with m >= last - first, room to work in.
    """
    n = last - first
    for i in range(n):
        s = found.order[first + i]
        matrix[i, : n + 1] = 0.0
        matrix[i, i] = 1.0
        matrix[i, n] = pay[s]
        for k in range(chain.offsets[s], chain.offsets[s + 1]):
            weight = gamma * chain.probabilities[k]
            place = np.int64(found.rank[chain.next_states[k]]) - first
            if 0 <= place < n:
                matrix[i, place] -= weight
            else:
                matrix[i, n] += weight * v[chain.next_states[k]]
    for j in range(n):
        for i in range(j + 1, n):
            factor = matrix[i, j] / matrix[j, j]
            if factor != 0.0:
                for k in range(j + 1, n + 1):
                    matrix[i, k] -= factor * matrix[j, k]
    for i in range(n - 1, -1, -1):
        value = matrix[i, n]
        for j in range(i + 1, n):
            value -= matrix[i, j] * v[found.order[first + j]]
        v[found.order[first + i]] = value / matrix[i, i]


@kernel
def sweep_component(
    chain: Chain,
    pay: npt.NDArray[np.float64],
    gamma: float,
    found: Components,
    first: int,
    last: int,
    v: npt.NDArray[np.float64],
    target: float,
    max_rows: int,
) -> int:
    """Sweep a component, forth and back, until no value changes by more than the target, or than rounding does.

    Args:
        chain: see above.
        pay: (num_states,) float64, what a step from each state pays.
        gamma: discount per step, in [0, 1].
        found: the components.
        first: where the component begins in `found.order`.
        last: where it ends, exclusive.
        v: (num_states,) float64, set beyond the component; changed in place.
        target: greatest change of the last sweep.
        max_rows: how many rows of the chain may be looked at. If they are too few, v stays where it got to; without a
            discount, where nothing bounds the error, it is NaN then.

    Returns:
        How many rows are left to look at.

    Source:
        Sutton & Barto (2018), section 4.1, in place.
    """
    rows, mean = 0, 0.0
    for i in range(first, last):
        s = found.order[i]
        rows += chain.offsets[s + 1] - chain.offsets[s]
        mean += pay[s] / np.float64(last - first)
    for i in range(first, last):  # what it is worth to stay: far from the exits little is left to do
        v[found.order[i]] = mean / (1.0 - gamma) if gamma < 1.0 else 0.0
    settled, backwards = False, False
    while not settled and rows <= max_rows:
        settled = True
        for i in range(first, last):
            s = found.order[first + last - 1 - i if backwards else i]
            value = chain_backup(chain, pay, v, s, gamma)
            if abs(value - v[s]) > target + 1e-14 * abs(value):
                settled = False
            v[s] = value
        backwards = not backwards
        max_rows -= rows
    if not settled and gamma == 1.0:
        for i in range(first, last):
            v[found.order[i]] = np.nan
    return max_rows


@kernel
def solve_chain(
    chain: Chain,
    pay: npt.NDArray[np.float64],
    gamma: float,
    found: Components,
    num_components: int,
    v: npt.NDArray[np.float64],
    matrix: npt.NDArray[np.float64],
    target: float,
    max_rows: int,
) -> None:
    """Solve v = pay + gamma * P v, where P is the chain, component by component.

    Args:
        chain: see above.
        pay: (num_states,) float64, what a step from each state pays.
        gamma: discount per step, in [0, 1]; with 1 a state may be worth -inf, inf or NaN, see `endless_value`.
        found: the components.
        num_components: how many they are.
        v: (num_states,) float64, filled in place.
        matrix: (m, m + 1) float64, room to work in; components of up to m states are solved by elimination.
        target: larger ones are swept until no value changes by more.
        max_rows: how many rows of the chain may be looked at in sweeps, see `sweep_component`.
    """
    for c in range(num_components):
        first, last = np.int64(found.firsts[c]), np.int64(found.firsts[c + 1])
        s = found.order[first]
        if gamma == 1.0:
            endless = endless_value(chain, pay, found, first, last, v)
            if found.stays[s] or endless != 0.0:
                for i in range(first, last):
                    v[found.order[i]] = endless
                continue
        if last - first == 1:
            v[s] = chain_backup(chain, pay, v, s, gamma)
        elif last - first <= matrix.shape[0]:
            eliminate(chain, pay, gamma, found, first, last, v, matrix)
        else:
            max_rows = sweep_component(chain, pay, gamma, found, first, last, v, target, max_rows)


@kernel
def chain_residual(
    chain: Chain, pay: npt.NDArray[np.float64], v: npt.NDArray[np.float64], gamma: float
) -> tuple[float, float]:
    """The certificate, with v left as it is: (max_s |(pay + gamma * P v - v)(s)|, max_s |v(s)|) over finite values."""
    residual, max_value = 0.0, 0.0
    for s in range(v.size):
        if np.isfinite(v[s]):
            value = pay[s]
            for i in range(chain.offsets[s], chain.offsets[s + 1]):
                value += gamma * chain.probabilities[i] * v[chain.next_states[i]]
            residual = max(residual, abs(value - v[s]))
            max_value = max(max_value, abs(v[s]))
    return residual, max_value
