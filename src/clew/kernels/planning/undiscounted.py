"""Planning without a discount: groups of states that are as good as one, ways to the end, and sweeps over groups.

The world is in the sparse form, without outcomes of probability 0. A pair is a state and an action, as one number,
`state * num_actions + action`. What groups are, and why, says `clew.planning.groups`.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import Sparse

REST = -1  # in place of a pair: stay for ever, which is worth 0
UNKNOWN = -2  # in place of a pair: none found yet


class Groups(NamedTuple):
    """Groups of states that have one value."""

    members: npt.NDArray[np.int32]  # (num_states,) group by group, in the order in which sweeps take them
    first: npt.NDArray[np.int64]  # (num_groups + 1,) where a group begins in `members`
    may_rest: npt.NDArray[np.bool_]  # (num_groups,) to stay in it for ever is worth 0
    barred: npt.NDArray[np.bool_]  # (num_pairs,) pairs that aren't to be taken


# Groups ---------------------------------------------------------------------------------------------------------------


@kernel
def trim(rows: Sparse, labels: npt.NDArray[np.int32], inner: npt.NDArray[np.bool_]) -> bool:
    """Take out pairs that may lead to another label, and states that are left with no pair, until none is left.

    Args:
        rows: world.
        labels: (num_states,) int32; those of states that are taken out become -1, in place.
        inner: (num_pairs,) bool, pairs that count; changed in place.

    Returns:
        True if anything was taken out.
    """
    num_states, num_actions = labels.size, rows.num_actions
    any_change, changed, backwards = False, True, False
    while changed:
        changed = False
        for i in range(num_states):
            s = num_states - 1 - i if backwards else i
            if labels[s] < 0:
                continue
            stays = False
            for pair in range(s * num_actions, (s + 1) * num_actions):
                if inner[pair]:
                    for row in range(rows.offsets[pair], rows.offsets[pair + 1]):
                        if labels[rows.next_states[row]] != labels[s]:
                            inner[pair] = False
                            changed = True
                stays = stays or inner[pair]
            if not stays:
                labels[s] = -1
                changed = True
        any_change = any_change or changed
        backwards = not backwards
    return any_change


@kernel
def label_components(
    rows: Sparse,
    inner: npt.NDArray[np.bool_],
    labels: npt.NDArray[np.int32],
    index: npt.NDArray[np.int32],
    low: npt.NDArray[np.int32],
    stack: npt.NDArray[np.int32],
    path: npt.NDArray[np.int32],
    row_of: npt.NDArray[np.int64],
) -> int:
    """Give states that can reach each other by inner pairs one number, from 0: the strongly connected components.

    Args:
        rows: world.
        inner: (num_pairs,) bool, pairs that count; they lead to states with a label.
        labels: (num_states,) int32; those of -1 stay so, the others are set in place.
        index: (num_states,) int32, room to work in.
        low: the same.
        stack: the same.
        path: the same.
        row_of: (num_states,) int64, room to work in.

    Returns:
        Number of components.

    Source:
        Tarjan (1972), Depth-first search and linear graph algorithms; with a stack of our own in place of recursion.
    """
    num_actions = rows.num_actions
    num_seen, num_stacked, num_components = 0, 0, 0
    index[:] = -1
    for root in range(labels.size):
        if labels[root] < 0 or index[root] >= 0:
            continue
        depth = 0
        path[0] = root
        while depth >= 0:
            s = path[depth]
            end = rows.offsets[(s + 1) * num_actions]
            if index[s] < 0:
                index[s] = low[s] = num_seen
                num_seen += 1
                stack[num_stacked] = s
                num_stacked += 1
                labels[s] = labels.size  # on the stack: no component has so great a number
                row_of[s] = rows.offsets[s * num_actions]
            deeper = False
            pair = s * num_actions
            while row_of[s] < end and not deeper:
                row = row_of[s]
                while row >= rows.offsets[pair + 1]:
                    pair += 1
                if not inner[pair]:
                    row_of[s] = rows.offsets[pair + 1]
                    continue
                s_next = rows.next_states[row]
                if index[s_next] < 0:
                    depth += 1
                    path[depth] = s_next
                    deeper = True  # and look at this row again, when that is done
                else:
                    if labels[s_next] == labels.size:
                        low[s] = min(low[s], low[s_next])
                    row_of[s] += 1
            if not deeper:
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
def reach(
    first: npt.NDArray[np.int64],
    predecessors: npt.NDArray[np.int64],
    allowed: npt.NDArray[np.bool_],
    num_actions: int,
    queue: npt.NDArray[np.int32],
    count: int,
    chosen: npt.NDArray[np.int64],
) -> int:
    """Find the states that can come to given ones by allowed pairs, breadth first.

    Args:
        first: (num_states + 1,) int64, where the predecessors of a state begin.
        predecessors: pairs that may lead to a state, state by state.
        allowed: (num_pairs,) bool.
        num_actions: number of actions.
        queue: (num_states,) int32, begins with the given states; those found are put behind, in place.
        count: number of given states.
        chosen: (num_states,) int64, UNKNOWN but for the given states; of those found, a pair that leads closer.

    Returns:
        Number of states in the queue.
    """
    head = 0
    while head < count:
        s_next = queue[head]
        head += 1
        for i in range(first[s_next], first[s_next + 1]):
            pair = predecessors[i]
            s = pair // num_actions
            if allowed[pair] and chosen[s] == UNKNOWN:
                chosen[s] = pair
                queue[count] = s
                count += 1
    return count


# Values ---------------------------------------------------------------------------------------------------------------


@kernel
def pair_backup(rows: Sparse, v: npt.NDArray[np.float64], pair: int) -> float:
    """Sum of p * (reward + v[s_next]) over the outcomes of a pair, where v of a terminated outcome is 0."""
    value = 0.0
    for row in range(rows.offsets[pair], rows.offsets[pair + 1]):
        after = 0.0 if rows.terminated[row] else v[rows.next_states[row]]
        value += rows.probabilities[row] * (rows.rewards[row] + after)
    return value


@kernel
def improve_groups(
    rows: Sparse,
    groups: Groups,
    v: npt.NDArray[np.float64],
    choice: npt.NDArray[np.int64],
    extra: float,
    threshold: float,
) -> float:
    """Back every group up once, in place, and choose its best pair; ties keep the pair that was chosen before.

    Args:
        rows: world.
        groups: its groups.
        v: (num_states,) float64, the value of a state's group; changed in place.
        choice: (num_groups,) int64, the pair chosen, or REST; changed in place.
        extra: added to the reward of every pair.
        threshold: by how much a pair must be better to be chosen.

    Returns:
        Greatest change of a value.
    """
    greatest_change = 0.0
    for g in range(choice.size):
        best, best_pair, current = -np.inf, choice[g], -np.inf
        if groups.may_rest[g]:
            best, best_pair = 0.0, REST
            if choice[g] == REST:
                current = 0.0
        for i in range(groups.first[g], groups.first[g + 1]):
            s = groups.members[i]
            for pair in range(s * rows.num_actions, (s + 1) * rows.num_actions):
                if not groups.barred[pair]:
                    value = pair_backup(rows, v, pair) + extra
                    if pair == choice[g]:
                        current = value
                    if value > best:
                        best, best_pair = value, pair
        if best > current + threshold:
            choice[g] = best_pair
            current = best
        if groups.may_rest[g] and current < 0.0:  # by less than the threshold
            choice[g] = REST
            current = 0.0
        greatest_change = max(greatest_change, abs(current - v[groups.members[groups.first[g]]]))
        for i in range(groups.first[g], groups.first[g + 1]):
            v[groups.members[i]] = current
    return greatest_change


@kernel
def follow_choice(
    rows: Sparse,
    groups: Groups,
    v: npt.NDArray[np.float64],
    choice: npt.NDArray[np.int64],
    extra: float,
    backwards: bool,
) -> float:
    """Back every group up once by the pair chosen, in place, as in `improve_groups`; returns the greatest change."""
    greatest_change = 0.0
    for j in range(choice.size):
        g = choice.size - 1 - j if backwards else j
        value = 0.0 if choice[g] == REST else pair_backup(rows, v, choice[g]) + extra
        greatest_change = max(greatest_change, abs(value - v[groups.members[groups.first[g]]]))
        for i in range(groups.first[g], groups.first[g + 1]):
            v[groups.members[i]] = value
    return greatest_change


@kernel
def margins(
    rows: Sparse, groups: Groups, v: npt.NDArray[np.float64], choice: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """By how much values are above those of all that one can do next, and below those of what is chosen.

    Resting is worth 0 exactly: a value on the wrong side of that has the margin -inf, one on the right side none.

    Returns:
        (the least of v - backup over all pairs, the least of backup - v over the pairs chosen).
    """
    above, below = np.inf, np.inf
    for g in range(choice.size):
        value = v[groups.members[groups.first[g]]]
        if groups.may_rest[g] and value < 0.0:
            above = -np.inf
        if choice[g] != REST:
            below = min(below, pair_backup(rows, v, choice[g]) - value)
        elif value > 0.0:
            below = -np.inf
        for i in range(groups.first[g], groups.first[g + 1]):
            s = groups.members[i]
            for pair in range(s * rows.num_actions, (s + 1) * rows.num_actions):
                if not groups.barred[pair]:
                    above = min(above, value - pair_backup(rows, v, pair))
    return above, below
