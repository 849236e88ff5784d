"""Planning without a discount: end components, searches backwards, and sweeps over collapsed components.

The model is sparse and has no outcomes of probability 0. A pair is a state and an action as one number,
`state * num_actions + action`. `clew.planning.end_components` explains the components and what they are for.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import Sparse

STAY = -1  # instead of a pair: stay in the component forever, which has value 0
UNKNOWN = -2  # instead of a pair: none found yet


class EndComponents(NamedTuple):
    """Partition of the states into components of one value: zero-reward end components, and all other states singly."""

    members: npt.NDArray[np.int32]  # (num_states,) component by component, in the order of sweeps
    firsts: npt.NDArray[np.int64]  # (num_components + 1,) where each component begins in `members`
    may_stay: npt.NDArray[np.bool_]  # (num_components,) STAY may be chosen
    excluded: npt.NDArray[np.bool_]  # (num_pairs,) pairs that may not be chosen


# End components -------------------------------------------------------------------------------------------------------


@kernel
def prune_leaving_pairs(model: Sparse, labels: npt.NDArray[np.int32], internal: npt.NDArray[np.bool_]) -> bool:
    """Remove pairs that may leave their component, and states left without a pair, until nothing changes.

    Args:
        model: world.
        labels: (num_states,) int32, the component of each state; set to -1 in place where a state is removed.
        internal: (num_pairs,) bool, the pairs to keep; changed in place.

    Returns:
        True if anything was removed.
    """
    num_states, num_actions = labels.size, model.num_actions
    any_change, changed, backwards = False, True, False
    while changed:
        changed = False
        for i in range(num_states):
            s = num_states - 1 - i if backwards else i
            if labels[s] < 0:
                continue
            has_pair = False
            for pair in range(s * num_actions, (s + 1) * num_actions):
                if internal[pair]:
                    for row in range(model.offsets[pair], model.offsets[pair + 1]):
                        if labels[model.next_states[row]] != labels[s]:
                            internal[pair] = False
                            changed = True
                has_pair = has_pair or internal[pair]
            if not has_pair:
                labels[s] = -1
                changed = True
        any_change = any_change or changed
        backwards = not backwards
    return any_change


@kernel
def label_strong_components(
    model: Sparse,
    internal: npt.NDArray[np.bool_],
    labels: npt.NDArray[np.int32],
    index: npt.NDArray[np.int32],
    low: npt.NDArray[np.int32],
    stack: npt.NDArray[np.int32],
    path: npt.NDArray[np.int32],
    next_row: npt.NDArray[np.int64],
) -> int:
    """Number the strongly connected components of the graph formed by the internal pairs, from 0.

    Args:
        model: world.
        internal: (num_pairs,) bool, the pairs of the graph; they lead only to states of the graph.
        labels: (num_states,) int32, -1 for states outside the graph; those of all others are set in place.
        index: (num_states,) int32, workspace.
        low: (num_states,) int32, workspace.
        stack: (num_states,) int32, workspace.
        path: (num_states,) int32, workspace.
        next_row: (num_states,) int64, workspace.

    Returns:
        Number of components.

    Source:
        Tarjan (1972), Depth-first search and linear graph algorithms; without recursion.
    """
    num_actions = model.num_actions
    num_seen, num_stacked, num_components = 0, 0, 0
    index[:] = -1
    for root in range(labels.size):
        if labels[root] < 0 or index[root] >= 0:
            continue
        depth = 0
        path[0] = root
        while depth >= 0:
            s = path[depth]
            end = model.offsets[(s + 1) * num_actions]
            if index[s] < 0:
                index[s] = low[s] = num_seen
                num_seen += 1
                stack[num_stacked] = s
                num_stacked += 1
                labels[s] = labels.size  # on the stack; larger than the number of any component
                next_row[s] = model.offsets[s * num_actions]
            descends = False
            pair = s * num_actions
            while next_row[s] < end and not descends:
                row = next_row[s]
                while row >= model.offsets[pair + 1]:
                    pair += 1
                if not internal[pair]:
                    next_row[s] = model.offsets[pair + 1]
                    continue
                s_next = model.next_states[row]
                if index[s_next] < 0:
                    depth += 1
                    path[depth] = s_next
                    descends = True  # this row is visited again on the way back
                else:
                    if labels[s_next] == labels.size:
                        low[s] = min(low[s], low[s_next])
                    next_row[s] += 1
            if not descends:
                if low[s] == index[s]:
                    member = -1
                    while member != s:
                        num_stacked -= 1
                        member = stack[num_stacked]
                        labels[member] = num_components
                    num_components += 1
                depth -= 1
    return num_components


@kernel
def backward_search(
    offsets: npt.NDArray[np.int64],
    predecessors: npt.NDArray[np.int64],
    allowed: npt.NDArray[np.bool_],
    num_actions: int,
    queue: npt.NDArray[np.int32],
    num_found: int,
    chosen: npt.NDArray[np.int64],
) -> int:
    """Find the states that can reach given states through allowed pairs, by breadth-first search backwards.

    Args:
        offsets: (num_states + 1,) int64, where the predecessors of each state begin.
        predecessors: int64, the pairs that may lead to a state, state by state.
        allowed: (num_pairs,) bool.
        num_actions: number of actions.
        queue: (num_states,) int32, begins with the given states; the states found are appended in place.
        num_found: number of given states.
        chosen: (num_states,) int64, UNKNOWN except in the given states. Where a state is found, the pair that may lead
            it one step nearer is filled in.

    Returns:
        Number of states in the queue, given and found.
    """
    head = 0
    while head < num_found:
        s_next = queue[head]
        head += 1
        for i in range(offsets[s_next], offsets[s_next + 1]):
            pair = predecessors[i]
            s = pair // num_actions
            if allowed[pair] and chosen[s] == UNKNOWN:
                chosen[s] = pair
                queue[num_found] = s
                num_found += 1
    return num_found


# Values ---------------------------------------------------------------------------------------------------------------


@kernel
def pair_backup(model: Sparse, v: npt.NDArray[np.float64], pair: int) -> float:
    """Return the undiscounted backup of a state-action pair: the sum of p * (reward + v[s_next]) over its outcomes.

    v[s_next] counts as 0 if the outcome terminates.
    """
    value = 0.0
    for row in range(model.offsets[pair], model.offsets[pair + 1]):
        next_value = 0.0 if model.terminated[row] else v[model.next_states[row]]
        value += model.probabilities[row] * (model.rewards[row] + next_value)
    return value


@kernel
def improvement_sweep(
    model: Sparse,
    components: EndComponents,
    v: npt.NDArray[np.float64],
    choice: npt.NDArray[np.int64],
    extra_reward: float,
    threshold: float,
) -> float:
    """Replace the value of each component by its largest backup, in place, and choose the pair that attains it.

    Args:
        model: world.
        components: partition of the states.
        v: (num_states,) float64, the value of each state's component; changed in place.
        choice: (num_components,) int64, the pair chosen for each component, or STAY; changed in place.
        extra_reward: added to the reward of every step.
        threshold: another pair is chosen only if its backup is larger by more than this, so that ties change nothing.

    Returns:
        Largest change of a value.
    """
    max_change = 0.0
    for c in range(choice.size):
        best, best_pair, current = -np.inf, choice[c], -np.inf
        if components.may_stay[c]:
            best, best_pair = 0.0, STAY
            if choice[c] == STAY:
                current = 0.0
        for i in range(components.firsts[c], components.firsts[c + 1]):
            s = components.members[i]
            for pair in range(s * model.num_actions, (s + 1) * model.num_actions):
                if not components.excluded[pair]:
                    value = pair_backup(model, v, pair) + extra_reward
                    if pair == choice[c]:
                        current = value
                    if value > best:
                        best, best_pair = value, pair
        if best > current + threshold:
            choice[c] = best_pair
            current = best
        if components.may_stay[c] and current < 0.0:  # but not below by more than the threshold
            choice[c] = STAY
            current = 0.0
        max_change = max(max_change, abs(current - v[components.members[components.firsts[c]]]))
        for i in range(components.firsts[c], components.firsts[c + 1]):
            v[components.members[i]] = current
    return max_change


@kernel
def evaluation_sweep(
    model: Sparse,
    components: EndComponents,
    v: npt.NDArray[np.float64],
    choice: npt.NDArray[np.int64],
    extra_reward: float,
    backwards: bool,
) -> float:
    """Replace the value of each component by the backup of its chosen pair, in place; STAY has value 0.

    Args:
        model: world.
        components: partition of the states.
        v: (num_states,) float64, the value of each state's component; changed in place.
        choice: (num_components,) int64, the pair chosen for each component, or STAY.
        extra_reward: added to the reward of every step.
        backwards: go from the last component to the first.

    Returns:
        Largest change of a value.
    """
    max_change = 0.0
    for j in range(choice.size):
        c = choice.size - 1 - j if backwards else j
        value = 0.0 if choice[c] == STAY else pair_backup(model, v, choice[c]) + extra_reward
        max_change = max(max_change, abs(value - v[components.members[components.firsts[c]]]))
        for i in range(components.firsts[c], components.firsts[c + 1]):
            v[components.members[i]] = value
    return max_change


@kernel
def margins(
    model: Sparse, components: EndComponents, v: npt.NDArray[np.float64], choice: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """Return by how much v exceeds all backups, and by how much the backups of the chosen pairs exceed v.

        above = min over components and pairs that may be chosen of v - backup
        below = min over components of backup of the chosen pair - v

    If above is positive, v is strictly superharmonic, which proves upper bounds; below proves lower bounds. Staying is
    worth exactly 0: above is -inf if v is negative where one may stay, and below is -inf if v is positive where STAY
    is chosen.

    Args:
        model: world.
        components: partition of the states.
        v: (num_states,) float64, the value of each state's component.
        choice: (num_components,) int64, the pair chosen for each component, or STAY.

    Returns:
        (above, below).
    """
    above, below = np.inf, np.inf
    for c in range(choice.size):
        value = v[components.members[components.firsts[c]]]
        if components.may_stay[c] and value < 0.0:
            above = -np.inf
        if choice[c] != STAY:
            below = min(below, pair_backup(model, v, choice[c]) - value)
        elif value > 0.0:
            below = -np.inf
        for i in range(components.firsts[c], components.firsts[c + 1]):
            s = components.members[i]
            for pair in range(s * model.num_actions, (s + 1) * model.num_actions):
                if not components.excluded[pair]:
                    above = min(above, value - pair_backup(model, v, pair))
    return above, below
