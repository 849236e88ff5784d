"""Exact policy evaluation: the Markov chain of a policy, solved one strongly connected component at a time.

A component that has been left is never entered again, so components are solved successors first (reverse topological
order):

    one state       one division
    a few states    linear equations, by Gaussian elimination
    many states     Gauss-Seidel sweeps, in the postorder of a depth-first search

A policy whose chain has no cycles, which is usual after learning, is evaluated in linear time.
"""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.planning.chains import Chain, Components


@kernel
def chain_backup(
    chain: Chain, reward: npt.NDArray[np.float64], v: npt.NDArray[np.float64], s: int, gamma: float
) -> float:
    """Return the value of state s from the values of its successors, solved for the transition from s to itself.

        v[s] = (reward[s] + gamma * sum over s_next != s of p * v[s_next]) / (1 - gamma * p(s | s))

    Source:
        Sutton & Barto (2018), eq. (4.5).
    """
    value, stay = reward[s], 0.0
    for i in range(chain.offsets[s], chain.offsets[s + 1]):
        if chain.next_states[i] == s:
            stay += chain.probabilities[i]
        else:
            value += gamma * chain.probabilities[i] * v[chain.next_states[i]]
    return value / (1.0 - gamma * stay)


@kernel
def nonterminating_value(
    chain: Chain,
    reward: npt.NDArray[np.float64],
    components: Components,
    first: int,
    last: int,
    v: npt.NDArray[np.float64],
) -> float:
    """Return the undiscounted value of a component that is recurrent or may reach an infinite value; otherwise 0.

    A recurrent component has value 0 if all of its rewards are 0, -inf if some are negative, inf if some are positive,
    and NaN if there are both. Another component has the sum of the infinite values (and NaN) to which it leads; 0 means
    that its value is finite and has to be solved for.

    Args:
        chain: Markov chain.
        reward: (num_states,) float64, expected reward of a step from each state.
        components: strongly connected components.
        first: start of the component in `components.order`.
        last: its end, exclusive.
        v: (num_states,) float64, values of the components solved before.
    """
    lowest, highest, successor_value = 0.0, 0.0, 0.0
    for i in range(first, last):
        s = components.order[i]
        lowest, highest = min(lowest, reward[s]), max(highest, reward[s])
        for k in range(chain.offsets[s], chain.offsets[s + 1]):
            s_next = chain.next_states[k]
            is_outside = components.rank[s_next] < first  # a component solved before
            if is_outside and not np.isfinite(v[s_next]):
                successor_value += v[s_next]
    if not components.recurrent[components.order[first]]:
        return successor_value
    if lowest < 0.0 and highest > 0.0:
        return np.nan
    if lowest < 0.0:
        return -np.inf
    return np.inf if highest > 0.0 else 0.0


@kernel
def eliminate_component(
    chain: Chain,
    reward: npt.NDArray[np.float64],
    gamma: float,
    components: Components,
    first: int,
    last: int,
    v: npt.NDArray[np.float64],
    matrix: npt.NDArray[np.float64],
) -> None:
    """Solve the linear equations of a small component by Gaussian elimination, changing v in place.

    Pivoting isn't needed: the diagonal of a row outweighs the rest of it, which keeps elimination stable.

    Args:
        chain: Markov chain.
        reward: (num_states,) float64, expected reward of a step from each state.
        gamma: discount per step, in [0, 1].
        components: strongly connected components.
        first: start of the component in `components.order`.
        last: its end, exclusive.
        v: (num_states,) float64, with the values of successors in other components; changed in place.
        matrix: (m, m + 1) float64 with m >= last - first, workspace.
    """
    n = last - first
    for i in range(n):
        s = components.order[first + i]
        matrix[i, : n + 1] = 0.0
        matrix[i, i] = 1.0
        matrix[i, n] = reward[s]
        for k in range(chain.offsets[s], chain.offsets[s + 1]):
            coefficient = gamma * chain.probabilities[k]
            column = np.int64(components.rank[chain.next_states[k]]) - first
            if 0 <= column < n:
                matrix[i, column] -= coefficient
            else:
                matrix[i, n] += coefficient * v[chain.next_states[k]]
    for j in range(n):
        for i in range(j + 1, n):
            factor = matrix[i, j] / matrix[j, j]
            if factor != 0.0:
                for k in range(j + 1, n + 1):
                    matrix[i, k] -= factor * matrix[j, k]
    for i in range(n - 1, -1, -1):
        value = matrix[i, n]
        for j in range(i + 1, n):
            value -= matrix[i, j] * v[components.order[first + j]]
        v[components.order[first + i]] = value / matrix[i, i]


@kernel
def sweep_component(
    chain: Chain,
    reward: npt.NDArray[np.float64],
    gamma: float,
    components: Components,
    first: int,
    last: int,
    v: npt.NDArray[np.float64],
    target: float,
    max_rows: int,
) -> int:
    """Solve a large component by Gauss-Seidel sweeps, forwards and backwards in alternation, changing v in place.

    Sweeps stop once no value changes by more than the target, or than rounding.

    Args:
        chain: Markov chain.
        reward: (num_states,) float64, expected reward of a step from each state.
        gamma: discount per step, in [0, 1].
        components: strongly connected components.
        first: start of the component in `components.order`.
        last: its end, exclusive.
        v: (num_states,) float64, with the values of successors in other components; changed in place.
        target: largest change in the last sweep.
        max_rows: number of rows of the chain that may be visited. If they don't suffice, v is left as the last sweep
            had it; with gamma 1, where nothing bounds the error, it becomes NaN.

    Returns:
        Number of rows that may still be visited.

    Source:
        Sutton & Barto (2018), section 4.1, in place.
    """
    rows, mean = 0, 0.0
    for i in range(first, last):
        s = components.order[i]
        rows += chain.offsets[s + 1] - chain.offsets[s]
        mean += reward[s] / np.float64(last - first)
    for i in range(first, last):  # begin with the value of never leaving: nearly right far from the exits
        v[components.order[i]] = mean / (1.0 - gamma) if gamma < 1.0 else 0.0
    converged, backwards = False, False
    while not converged and rows <= max_rows:
        converged = True
        for i in range(first, last):
            s = components.order[first + last - 1 - i if backwards else i]
            value = chain_backup(chain, reward, v, s, gamma)
            if abs(value - v[s]) > target + 1e-14 * abs(value):
                converged = False
            v[s] = value
        backwards = not backwards
        max_rows -= rows
    if not converged and gamma == 1.0:
        for i in range(first, last):
            v[components.order[i]] = np.nan
    return max_rows


@kernel
def solve_chain(
    chain: Chain,
    reward: npt.NDArray[np.float64],
    gamma: float,
    components: Components,
    num_components: int,
    v: npt.NDArray[np.float64],
    matrix: npt.NDArray[np.float64],
    target: float,
    max_rows: int,
) -> None:
    """Solve v = reward + gamma * P v, where P is the chain, one component after the other.

    Args:
        chain: Markov chain.
        reward: (num_states,) float64, expected reward of a step from each state.
        gamma: discount per step, in [0, 1]; with 1, values may be -inf, inf or NaN, see `nonterminating_value`.
        components: strongly connected components.
        num_components: number of components.
        v: (num_states,) float64, filled in place.
        matrix: (m, m + 1) float64, workspace; components of up to m states are solved by elimination.
        target: larger components are swept until no value changes by more.
        max_rows: number of rows of the chain that all sweeps together may visit, see `sweep_component`.
    """
    for c in range(num_components):
        first, last = np.int64(components.firsts[c]), np.int64(components.firsts[c + 1])
        s = components.order[first]
        if gamma == 1.0:
            value = nonterminating_value(chain, reward, components, first, last, v)
            if components.recurrent[s] or value != 0.0:
                for i in range(first, last):
                    v[components.order[i]] = value
                continue
        if last - first == 1:
            v[s] = chain_backup(chain, reward, v, s, gamma)
        elif last - first <= matrix.shape[0]:
            eliminate_component(chain, reward, gamma, components, first, last, v, matrix)
        else:
            max_rows = sweep_component(chain, reward, gamma, components, first, last, v, target, max_rows)


@kernel
def backup_chain(
    chain: Chain,
    reward: npt.NDArray[np.float64],
    v_after: npt.NDArray[np.float64],
    gamma: float,
    v: npt.NDArray[np.float64],
) -> float:
    """Back up the values of all states by one step: v = reward + gamma * P v_after, where P is the chain.

    Args:
        chain: Markov chain.
        reward: (num_states,) float64, expected reward of a step from each state.
        v_after: (num_states,) float64, values after the step.
        gamma: discount per step, in [0, 1].
        v: (num_states,) float64, filled in place.

    Returns:
        Largest absolute value in v.
    """
    max_value = 0.0
    for s in range(v.size):
        value = reward[s]
        for i in range(chain.offsets[s], chain.offsets[s + 1]):
            value += gamma * chain.probabilities[i] * v_after[chain.next_states[i]]
        v[s] = value
        max_value = max(max_value, abs(value))
    return max_value


@kernel
def chain_residual(
    chain: Chain, reward: npt.NDArray[np.float64], v: npt.NDArray[np.float64], gamma: float
) -> tuple[float, float]:
    """Return the residual and the largest absolute value of v, over the states with finite values; v isn't changed.

        (max_s |reward[s] + gamma * (P v)(s) - v[s]|, max_s |v[s]|), where P is the chain

    The residual bounds the error of v: it proves what `solve_chain` computed.
    """
    residual, max_value = 0.0, 0.0
    for s in range(v.size):
        if np.isfinite(v[s]):
            value = reward[s]
            for i in range(chain.offsets[s], chain.offsets[s + 1]):
                value += gamma * chain.probabilities[i] * v[chain.next_states[i]]
            residual = max(residual, abs(value - v[s]))
            max_value = max(max_value, abs(v[s]))
    return residual, max_value
