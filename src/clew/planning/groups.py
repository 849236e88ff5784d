"""Without a discount: which states are as good as one, from which an end is sure, and in what order to sweep them.

A pair of a state and an action is *free* if it pays nothing, whatever comes of it, and ends nothing. Take the
greatest sets of states among which one can move by free pairs alone, from every state to every other, and never
leave: maximal end components of the free pairs. From each state of such a set one comes to any other with certainty
and at no cost, so they have one value: they are a *group*. Its free pairs, the *inner* ones, needn't be considered,
except that one can *rest* in the group for ever, which is worth 0. Every other state is a group of its own.

After that, one can't go on for ever and pay nothing. A state is *ending* if some policy surely comes to an end or to
a rest. From one that isn't, every policy may go on for ever.

Source:
    de Alfaro (1997), Formal verification of probabilistic systems, chapter 3 (end components); Haddad & Monmege (2018),
    Interval iteration algorithm for MDPs and IMDPs (the quotient).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import Grid, Sparse
from clew.kernels.planning.undiscounted import REST, UNKNOWN, Groups, label_components, reach, trim
from clew.models.mdp import FiniteMDP
from clew.settings import check_memory

__all__ = ["Grouping", "group_states"]

Bools = npt.NDArray[np.bool_]
Pairs = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Predecessors:
    """Pairs that may lead to a state without ending the episode, state by state."""

    first: npt.NDArray[np.int64]  # (num_states + 1,)
    pairs: Pairs

    @classmethod
    def of(cls, rows: Sparse, lasting: Pairs, num_states: int) -> "Predecessors":
        """Sort some rows, which end nothing, by where they lead."""
        next_states = rows.next_states[lasting]
        order = np.argsort(next_states, kind="stable")
        first = np.concatenate([[0], np.cumsum(np.bincount(next_states, minlength=num_states))])
        return cls(first, _pair_of_row(rows)[lasting[order]])

    def reach(self, allowed: Bools, chosen: Pairs, num_actions: int) -> npt.NDArray[np.int32]:
        """States that can come by allowed pairs to those already chosen for, nearest first; fills chosen in place."""
        given = np.flatnonzero(chosen != UNKNOWN)
        queue = np.empty(chosen.size, np.int32)
        queue[: given.size] = given
        return queue[: reach(self.first, self.pairs, allowed, num_actions, queue, given.size, chosen)]


@dataclass(frozen=True, eq=False)
class Grouping:
    """A world made ready for planning without a discount.

    States are numbered anew, by their distance from an end: sweeps then carry values from there outwards, and read
    memory in order.

    Attributes:
        states: (num_states,) the number that a state had before.
        rows: the world's outcomes, without those of probability 0.
        groups: groups, in the order of their first states. Barred are inner pairs, those from an ending state
            that may lead to one that isn't, and the other way round.
        group_of: (num_states,) the group of a state.
        inner: (num_pairs,) bool.
        ending: (num_states,) bool.
        choice: (num_groups,) a pair for each group, or REST, which together surely come to an end or a rest.
        idle: (num_states,) a pair that rests: one without outcomes, or an inner one; UNKNOWN where there is none.
        closer: the likeliest rows of all pairs, backwards.
        predecessors: all rows, backwards.
    """

    states: npt.NDArray[np.int64]
    rows: Sparse
    groups: Groups
    group_of: npt.NDArray[np.int64]
    inner: Bools
    ending: Bools
    choice: Pairs
    idle: Pairs
    closer: Predecessors
    predecessors: Predecessors

    def policy_of(self, choice: Pairs) -> npt.NDArray[np.int32]:
        """(num_states,) actions that carry out what the groups choose: inner ways to the state of a group's pair."""
        pairs = np.where(self.idle != UNKNOWN, self.idle, np.arange(self.idle.size) * self.rows.num_actions)
        going = np.full(self.idle.size, UNKNOWN)
        chosen = choice[choice >= 0]
        going[chosen // self.rows.num_actions] = chosen
        for shortest_paths in (self.closer, self.predecessors):
            shortest_paths.reach(self.inner, going, self.rows.num_actions)
        policy: npt.NDArray[np.int32] = (np.where(going >= 0, going, pairs) % self.rows.num_actions).astype(np.int32)
        return policy

    def endless(self, choice: Pairs) -> npt.NDArray[np.int64]:
        """States from which what the groups choose never comes to an end or a rest; none: it surely does.

        Looked at state by state, with the actions of `policy_of`.
        """
        num_states, num_actions = self.idle.size, self.rows.num_actions
        pairs = np.arange(num_states) * num_actions + self.policy_of(choice)
        allowed = np.zeros(num_states * num_actions, np.bool_)
        allowed[pairs] = True
        ends = (choice == REST)[self.group_of] | _any_row(self.rows, self.rows.terminated)[pairs]
        found = np.where(ends, REST, UNKNOWN)
        self.predecessors.reach(allowed, found, num_actions)
        return np.flatnonzero(found == UNKNOWN)


def group_states(mdp: FiniteMDP) -> Grouping:
    """Find the groups of a world, its ending states, and a first policy."""
    num_states, num_actions = mdp.num_states, mdp.num_actions
    states, rows = _by_distance(_likely_rows(mdp), num_states)
    counts = np.diff(rows.offsets)
    is_likeliest = _likeliest(rows)
    closer = Predecessors.of(rows, np.flatnonzero(is_likeliest & ~rows.terminated), num_states)
    predecessors = Predecessors.of(rows, np.flatnonzero(~rows.terminated), num_states)

    inner = (counts > 0) & ~_any_row(rows, (rows.rewards != 0.0) | rows.terminated)
    labels = _free_components(rows, inner, num_states)
    idle = np.full(num_states, UNKNOWN)
    for resting in (inner, counts == 0):
        pairs = np.flatnonzero(resting)
        idle[pairs // num_actions] = pairs
    ending, chosen = _ending(rows, is_likeliest, closer, predecessors, idle, inner)

    crosses = ~rows.terminated & (ending[rows.next_states] != ending[_pair_of_row(rows) // num_actions])
    barred = inner | (counts == 0) | _any_row(rows, crosses)
    members, first, group_of = _in_groups(labels)
    heads = members[first[:-1]]
    # Where no end is sure, a rest is made up, so that values stay finite: what they prove is in `undiscounted`.
    may_rest = (idle[heads] != UNKNOWN) | ~ending[heads]
    choice = np.where(may_rest, REST, chosen[heads])
    groups = Groups(members, first, may_rest, barred)
    return Grouping(states, rows, groups, group_of, inner, ending, choice, idle, closer, predecessors)


def _likely_rows(mdp: FiniteMDP) -> Sparse:
    if isinstance(mdp.model, Grid):
        check_memory(100 * mdp.num_outcomes, "planning without a discount")
    model = mdp.to_sparse().model
    assert isinstance(model, Sparse)
    likely = model.probabilities > 0.0
    offsets = np.concatenate([[0], np.cumsum(likely)])[model.offsets]
    return Sparse(
        offsets,
        model.probabilities[likely],
        model.next_states[likely],
        model.rewards[likely],
        model.terminated[likely],
        model.num_actions,
    )


def _by_distance(rows: Sparse, num_states: int) -> tuple[npt.NDArray[np.int64], Sparse]:
    """Number states by their distance from where an episode may end, those that can't come there last.

    Returns:
        ((num_states,) the number that a state had before, the rows).
    """
    num_actions = rows.num_actions
    ends = np.flatnonzero(_any_row(rows, rows.terminated)) // num_actions
    chosen = np.full(num_states, UNKNOWN)
    chosen[ends] = REST
    every = np.ones(num_states * num_actions, np.bool_)
    predecessors = Predecessors.of(rows, np.flatnonzero(~rows.terminated), num_states)
    queue = predecessors.reach(every, chosen, num_actions)
    states = np.concatenate([queue, np.flatnonzero(chosen == UNKNOWN)])

    place = np.empty(num_states, np.int32)
    place[states] = np.arange(num_states, dtype=np.int32)
    pairs = (states[:, None] * num_actions + np.arange(num_actions)).reshape(-1)
    counts = np.diff(rows.offsets)[pairs]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    moved = np.repeat(rows.offsets[pairs] - offsets[:-1], counts) + np.arange(offsets[-1])
    next_states = place[rows.next_states[moved]]
    return states, Sparse(
        offsets, rows.probabilities[moved], next_states, rows.rewards[moved], rows.terminated[moved], num_actions
    )


def _pair_of_row(rows: Sparse) -> Pairs:
    return np.repeat(np.arange(rows.offsets.size - 1), np.diff(rows.offsets))


def _any_row(rows: Sparse, flags: Bools) -> Bools:
    """(num_pairs,) tells if a row of the pair is flagged."""
    before = np.concatenate([[0], np.cumsum(flags)])
    found: Bools = before[rows.offsets[1:]] > before[rows.offsets[:-1]]
    return found


def _free_components(rows: Sparse, inner: Bools, num_states: int) -> npt.NDArray[np.int32]:
    """Number the groups of free pairs, and take out of inner, in place, what may leave them; -1 for other states."""
    labels = np.zeros(num_states, np.int32)
    index, low, stack, path = np.empty((4, num_states), np.int32)
    row_of = np.empty(num_states, np.int64)
    trim(rows, labels, inner)
    while True:
        label_components(rows, inner, labels, index, low, stack, path, row_of)
        if not trim(rows, labels, inner):
            return labels


def _likeliest(rows: Sparse) -> Bools:
    """(num_rows,) tells if no outcome of the pair is likelier."""
    pair_of_row = _pair_of_row(rows)
    max_value = np.zeros(rows.offsets.size - 1)
    np.maximum.at(max_value, pair_of_row, rows.probabilities)
    likeliest: Bools = rows.probabilities == max_value[pair_of_row]
    return likeliest


def _ending(
    rows: Sparse, is_likeliest: Bools, closer: Predecessors, predecessors: Predecessors, idle: Pairs, inner: Bools
) -> tuple[Bools, Pairs]:
    """Tell which states are ending, and a pair for each: the greatest set from which one can come to an end inside it.

    Any pair that may lead closer would do; but one that most likely does makes for fewer steps, by far.
    """
    num_states, num_actions = idle.size, rows.num_actions
    ending = np.ones(num_states, np.bool_)
    while True:
        allowed = ~inner & ~_any_row(rows, ~rows.terminated & ~ending[rows.next_states])
        chosen = np.where(idle != UNKNOWN, REST, UNKNOWN)
        for ends in (rows.terminated & is_likeliest, rows.terminated):
            last = np.flatnonzero(allowed & _any_row(rows, ends))
            last = last[chosen[last // num_actions] == UNKNOWN]
            chosen[last // num_actions] = last
            closer.reach(allowed, chosen, num_actions)
        predecessors.reach(allowed, chosen, num_actions)
        found = chosen != UNKNOWN
        if np.array_equal(found, ending):
            return ending, chosen
        ending = found


def _in_groups(
    labels: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Members of all groups, where each group begins, and the group of each state."""
    num_states = labels.size
    leader = np.arange(num_states)  # the first state of the group
    grouped = np.flatnonzero(labels >= 0)
    _, earliest, which = np.unique(labels[grouped], return_index=True, return_inverse=True)
    leader[grouped] = grouped[earliest][which]
    members = np.argsort(leader, kind="stable")
    is_first = np.diff(leader[members], prepend=-1) != 0
    group_of = np.empty(num_states, np.int64)
    group_of[members] = np.cumsum(is_first) - 1
    first = np.append(np.flatnonzero(is_first), num_states)
    return members.astype(np.int32), first, group_of
