"""The Markov chain of a policy, and its strongly connected components.

States that can reach each other form a strongly connected component; a component that has been left is never entered
again. `chain_values` evaluates a policy by solving the components of its chain one at a time.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import Model, num_outcomes, outcome


class Chain(NamedTuple):
    """Markov chain of a policy: the transitions from s are the rows from `offsets[s]` up to `offsets[s + 1]`.

    A transition that ends the episode has no row, so the probabilities of a state may sum to less than 1.
    """

    offsets: npt.NDArray[np.int64]  # (num_states + 1,)
    next_states: npt.NDArray[np.int32]  # (num_rows,)
    probabilities: npt.NDArray[np.float64]  # (num_rows,)
    ends: npt.NDArray[np.bool_]  # (num_states,), True if the episode may end in a step from here, or is over


class Components(NamedTuple):
    """Strongly connected components, successors first; component c is `order[firsts[c]:firsts[c + 1]]`."""

    order: npt.NDArray[np.int32]  # (num_states,)
    firsts: npt.NDArray[np.int32]  # (num_states + 1,), of which num_components + 1 are used
    rank: npt.NDArray[np.int32]  # (num_states,), index of each state in `order`
    recurrent: npt.NDArray[np.bool_]  # (num_states,), True if the component is never left and no episode ends in it


@kernel
def write_chain(
    model: Model,
    weights: npt.NDArray[np.bool_] | npt.NDArray[np.float64],
    epsilon: float,
    chain: Chain,
    reward: npt.NDArray[np.float64],
    step_probability: npt.NDArray[np.float64],
) -> tuple[int, float]:
    """Fill in the Markov chain of a policy that takes actions by their weights, or with probability epsilon any action.

    Actions without outcomes aren't available in a state that has some, and are not among its random actions.

    Args:
        model: world, see `clew.kernels.dynamics`.
        weights: (num_states, num_actions), not negative, above 0 for at least one action of each state, and 0 for those
            that aren't available: bool for actions that are equally likely, such as the greedy ones of a table of
            action values; or float64, such as probabilities.
        epsilon: probability of a uniformly random action.
        chain: filled in place; needs a row for every outcome of every action that may be taken.
        reward: (num_states,) float64, expected reward of a step, filled in place.
        step_probability: (num_states,) float64, probability that a step is taken, filled in place; 0 in a state
            without outcomes.

    Returns:
        (number of rows filled, largest absolute reward).
    """
    num_states, num_actions = weights.shape
    n, max_value = 0, 0.0
    for s in range(num_states):
        chain.offsets[s] = n
        chain.ends[s] = False
        reward[s], step_probability[s] = 0.0, 0.0
        total, num_available = 0 * weights[s, 0], 0  # total is an integer if weights are bool, which is faster
        for a in range(num_actions):
            total += weights[s, a]
            num_available += num_outcomes(model, s, a) > 0
        if num_available == 0:
            chain.ends[s] = True
            continue
        share = (1.0 - epsilon) / total
        for a in range(num_actions):
            count = num_outcomes(model, s, a)
            if count == 0:
                continue
            probability = epsilon / num_available
            if weights[s, a]:
                probability += share * weights[s, a]
            if probability == 0.0:
                continue
            step_probability[s] += probability
            for k in range(count):
                p, s_next, r, terminated = outcome(model, s, a, k)
                reward[s] += probability * p * r
                max_value = max(max_value, abs(r))
                if p > 0.0 and terminated:
                    chain.ends[s] = True
                elif p > 0.0:
                    chain.next_states[n] = s_next
                    chain.probabilities[n] = probability * p
                    n += 1
    chain.offsets[num_states] = n
    return n, max_value


@kernel
def find_components(
    chain: Chain, components: Components, work: npt.NDArray[np.int32], next_row: npt.NDArray[np.int64]
) -> int:
    """Find the strongly connected components of a chain, in an order in which successors come first.

    Within a component, states are in the postorder of the depth-first search: successors mostly come first.

    Args:
        chain: Markov chain.
        components: filled in place.
        work: (6, num_states) int32, workspace.
        next_row: (num_states,) int64, workspace.

    Returns:
        Number of components.

    Source:
        Tarjan (1972), Depth-first search and linear graph algorithms; without recursion.
    """
    discovered, low, component, stack, path, postorder = work[0], work[1], work[2], work[3], work[4], work[5]
    discovered[:] = 0  # order of discovery, from 1; 0 if undiscovered
    component[:] = -1
    n, num_discovered, num_finished, num_stacked, num_components = discovered.size, 0, 0, 0, 0
    for root in range(n):
        depth = 0
        s = root
        is_new = discovered[root] == 0
        while is_new or depth > 0:
            if is_new:
                num_discovered += 1
                discovered[s] = low[s] = num_discovered
                next_row[s] = chain.offsets[s]
                path[depth] = stack[num_stacked] = s
                depth += 1
                num_stacked += 1
                is_new = False
            s = np.int64(path[depth - 1])
            if next_row[s] < chain.offsets[s + 1]:
                s_next = np.int64(chain.next_states[next_row[s]])
                next_row[s] += 1
                if discovered[s_next] == 0:
                    s, is_new = s_next, True
                elif component[s_next] < 0:
                    low[s] = min(low[s], discovered[s_next])
                continue
            depth -= 1
            postorder[num_finished] = s
            num_finished += 1
            if depth > 0:
                low[path[depth - 1]] = min(low[path[depth - 1]], low[s])
            if low[s] == discovered[s]:
                while component[s] < 0:
                    num_stacked -= 1
                    component[stack[num_stacked]] = num_components
                num_components += 1
    sort_by_component(component, postorder, num_components, components)
    mark_recurrent(chain, component, components, num_components)
    return num_components


@kernel
def sort_by_component(
    component: npt.NDArray[np.int32], postorder: npt.NDArray[np.int32], num_components: int, components: Components
) -> None:
    """Fill in `order`, `rank` and `firsts` of the components by a stable counting sort of the states.

    Args:
        component: (num_states,) int32, the component of each state.
        postorder: (num_states,) int32, all states; those of one component keep this order.
        num_components: number of components.
        components: changed in place.
    """
    components.firsts[: num_components + 1] = 0
    for s in range(component.size):
        components.firsts[component[s] + 1] += 1
    for c in range(num_components):
        components.firsts[c + 1] += components.firsts[c]
    for s in postorder:  # firsts[c] moves to the end of component c; the next loop moves it back
        components.order[components.firsts[component[s]]] = s
        components.rank[s] = components.firsts[component[s]]
        components.firsts[component[s]] += 1
    for c in range(num_components, 0, -1):
        components.firsts[c] = components.firsts[c - 1]
    components.firsts[0] = 0


@kernel
def mark_recurrent(chain: Chain, component: npt.NDArray[np.int32], components: Components, num_components: int) -> None:
    """Fill in `components.recurrent`: True in components that are never left and in which no episode ends.

    Args:
        chain: Markov chain.
        component: (num_states,) int32, the component of each state.
        components: changed in place.
        num_components: number of components.
    """
    for c in range(num_components):
        recurrent = True
        for i in range(components.firsts[c], components.firsts[c + 1]):
            s = components.order[i]
            recurrent = recurrent and not chain.ends[s]
            for k in range(chain.offsets[s], chain.offsets[s + 1]):
                recurrent = recurrent and component[chain.next_states[k]] == c
        for i in range(components.firsts[c], components.firsts[c + 1]):
            components.recurrent[components.order[i]] = recurrent
