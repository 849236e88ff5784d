"""End components of a world without a discount: states of one value, and states that can end with probability 1.

A pair of a state and an action is *free* if all of its outcomes have reward 0 and none terminates. A maximal
*zero-reward end component* is a largest set of states in which free pairs alone lead from every state to every other
and never leave the set. From each of its states any other is reached with probability 1 at no cost, so all have the
same value, and the *quotient* of the world collapses them into one. The free pairs that stay in the set are
*internal*: they aren't backed up, but one may *stay* in the component forever, which has value 0. Every other state is
a component of its own.

In the quotient one can't continue forever at no cost. A state is *proper* if some policy ends the episode, or stays,
with probability 1. From an improper state every policy may continue forever.

Source:
    de Alfaro (1997), Formal verification of probabilistic systems, chapter 3 (end components); Haddad & Monmege (2018),
    Interval iteration algorithm for MDPs and IMDPs (the quotient); Bertsekas & Tsitsiklis (1991), An analysis of
    stochastic shortest path problems (proper policies).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from clew.kernels.dynamics import Grid, Sparse
from clew.kernels.planning.relative_values import Rows
from clew.kernels.planning.undiscounted import (
    STAY,
    UNKNOWN,
    EndComponents,
    backward_search,
    label_strong_components,
    prune_leaving_pairs,
)
from clew.models.arrays import pick_rows, select_rows
from clew.models.mdp import FiniteMDP
from clew.planning.equations import factorisation_cost
from clew.settings import check_memory

Bools = npt.NDArray[np.bool_]
Pairs = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Predecessors:
    """Pairs that may lead to each state without ending the episode, state by state."""

    first: npt.NDArray[np.int64]  # (num_states + 1,)
    pairs: Pairs

    @classmethod
    def from_rows(cls, model: Sparse, continuing: Pairs, num_states: int) -> "Predecessors":
        """List the pairs of the given rows of a model by next state; these rows must not terminate."""
        next_states = model.next_states[continuing]
        order = np.argsort(next_states, kind="stable")
        first = np.concatenate([[0], np.cumsum(np.bincount(next_states, minlength=num_states))])
        return cls(first, _pair_of_row(model)[continuing[order]])

    def backward_search(self, allowed: Bools, chosen: Pairs, num_actions: int) -> npt.NDArray[np.int32]:
        """Return the states that can reach those with a chosen pair by allowed pairs, nearest first, these included.

        In the states found, `chosen`, (num_states,), is filled in with a pair that may lead one step nearer.
        """
        given = np.flatnonzero(chosen != UNKNOWN)
        queue = np.empty(chosen.size, np.int32)
        queue[: given.size] = given
        return queue[: backward_search(self.first, self.pairs, allowed, num_actions, queue, given.size, chosen)]


@dataclass(frozen=True, eq=False)
class Quotient:
    """World prepared for planning without a discount, with its zero-reward end components collapsed.

    States are renumbered by their distance from an end, so that sweeps carry values outwards from there and read memory
    in order.

    Attributes:
        states: (num_states,) the state of the world that has each number.
        model: the world's outcomes, without those of probability 0.
        components: components in the order of their first states. Excluded are internal pairs, pairs without outcomes,
            and pairs that may lead from a proper state to an improper one or the other way round.
        component_of: (num_states,) the component of each state.
        internal: (num_pairs,) bool, internal pairs.
        proper: (num_states,) bool, proper states.
        choice: (num_components,) a pair or STAY for each component: a policy that ends or stays with probability 1.
        stay_pairs: (num_states,) a pair by which one stays: one without outcomes, or an internal one; UNKNOWN if there
            is none.
        likeliest: predecessors by the likeliest outcomes of all pairs.
        predecessors: predecessors by all outcomes.
    """

    states: npt.NDArray[np.int64]
    model: Sparse
    components: EndComponents
    component_of: npt.NDArray[np.int64]
    internal: Bools
    proper: Bools
    choice: Pairs
    stay_pairs: Pairs
    likeliest: Predecessors
    predecessors: Predecessors

    @cached_property
    def factorisation_cost(self) -> float:
        """Predicted number of operations that it takes to factorise the equations of `choice`."""
        return factorisation_cost(self.chain_of(self.choice, 0.0), np.zeros(self.choice.size + 1, np.int32))

    def chain_of(self, choice: Pairs, extra_reward: float) -> Rows:
        """Return the chain of a choice, with a state for each component, and the end as its last state.

        Args:
            choice: (num_components,) a pair or STAY for each component.
            extra_reward: added to the reward of every step.
        """
        model, n = self.model, choice.size
        moves = np.flatnonzero(choice != STAY)
        lengths = np.zeros(n + 1, np.int64)
        lengths[moves] = np.diff(model.offsets)[choice[moves]]
        offsets, chosen = pick_rows(model.offsets, np.append(np.maximum(choice, 0), 0), lengths)
        next_states = np.where(model.terminated[chosen], n, self.component_of[model.next_states[chosen]])
        owners, probabilities = np.repeat(np.arange(n + 1), lengths), model.probabilities[chosen]
        rewards = np.zeros(n + 1)
        rewards[moves] = extra_reward
        np.add.at(rewards, owners, probabilities * model.rewards[chosen])
        return Rows(offsets, probabilities, next_states.astype(np.int32), rewards, np.zeros(n + 1), 1)

    def expand_policy(self, choice: Pairs) -> npt.NDArray[np.int32]:
        """Return the actions, (num_states,), that carry out the choice of each component.

        The state of the chosen pair takes its action; the other states of the component lead there by internal pairs.
        """
        pairs = np.where(
            self.stay_pairs != UNKNOWN, self.stay_pairs, np.arange(self.stay_pairs.size) * self.model.num_actions
        )
        going = np.full(self.stay_pairs.size, UNKNOWN)
        chosen = choice[choice >= 0]
        going[chosen // self.model.num_actions] = chosen
        for lists in (self.likeliest, self.predecessors):
            lists.backward_search(self.internal, going, self.model.num_actions)
        policy: npt.NDArray[np.int32] = (np.where(going >= 0, going, pairs) % self.model.num_actions).astype(np.int32)
        return policy

    def nonterminating_states(self, choice: Pairs) -> npt.NDArray[np.int64]:
        """Return the states from which the choice can't reach an end or a stay; none if it does so with probability 1.

        The search is by state, with the actions of `expand_policy`.
        """
        num_states, num_actions = self.stay_pairs.size, self.model.num_actions
        pairs = np.arange(num_states) * num_actions + self.expand_policy(choice)
        allowed = np.zeros(num_states * num_actions, np.bool_)
        allowed[pairs] = True
        ends = (choice == STAY)[self.component_of] | _any_outcome(self.model, self.model.terminated)[pairs]
        found = np.where(ends, STAY, UNKNOWN)
        self.predecessors.backward_search(allowed, found, num_actions)
        return np.flatnonzero(found == UNKNOWN)


def collapse_end_components(mdp: FiniteMDP) -> Quotient:
    """Find the zero-reward end components of a world, its proper states, and a first policy; return its quotient."""
    num_states, num_actions = mdp.num_states, mdp.num_actions
    states, model = _breadth_first_order(_possible_outcomes(mdp), num_states)
    counts = np.diff(model.offsets)
    is_likeliest = _is_likeliest(model)
    likeliest = Predecessors.from_rows(model, np.flatnonzero(is_likeliest & ~model.terminated), num_states)
    predecessors = Predecessors.from_rows(model, np.flatnonzero(~model.terminated), num_states)

    internal = (counts > 0) & ~_any_outcome(model, (model.rewards != 0.0) | model.terminated)
    labels = _zero_reward_components(model, internal, num_states)
    stay_pairs = np.full(num_states, UNKNOWN)
    for staying in (internal, counts == 0):
        pairs = np.flatnonzero(staying)
        stay_pairs[pairs // num_actions] = pairs
    proper, chosen = _find_proper_states(model, is_likeliest, likeliest, predecessors, stay_pairs, internal)

    crosses = ~model.terminated & (proper[model.next_states] != proper[_pair_of_row(model) // num_actions])
    excluded = internal | (counts == 0) | _any_outcome(model, crosses)
    members, first, component_of = _list_members(labels)
    heads = members[first[:-1]]
    # Improper states get an artificial option to stay, so that values are finite; `undiscounted` says what this proves.
    may_stay = (stay_pairs[heads] != UNKNOWN) | ~proper[heads]
    choice = np.where(may_stay, STAY, chosen[heads])
    components = EndComponents(members, first, may_stay, excluded)
    return Quotient(
        states, model, components, component_of, internal, proper, choice, stay_pairs, likeliest, predecessors
    )


def _possible_outcomes(mdp: FiniteMDP) -> Sparse:
    """Return the sparse model of a world without its outcomes of probability 0."""
    if isinstance(mdp.model, Grid):
        check_memory(100 * mdp.num_outcomes, "planning without a discount")
    model = mdp.sparse_rows
    possible = model.probabilities > 0.0
    return select_rows(model, np.concatenate([[0], np.cumsum(possible)])[model.offsets], possible)


def _breadth_first_order(model: Sparse, num_states: int) -> tuple[npt.NDArray[np.int64], Sparse]:
    """Renumber states by their distance from where an episode may end; those that can't reach an end come last.

    Returns:
        ((num_states,) the state that has each new number, the renumbered model).
    """
    num_actions = model.num_actions
    can_end = _any_outcome(model, model.terminated).reshape(num_states, num_actions).any(axis=1)
    chosen = np.where(can_end, STAY, UNKNOWN)
    predecessors = Predecessors.from_rows(model, np.flatnonzero(~model.terminated), num_states)
    queue = predecessors.backward_search(np.ones(num_states * num_actions, np.bool_), chosen, num_actions)
    states = np.concatenate([queue, np.flatnonzero(chosen == UNKNOWN)])

    position = np.empty(num_states, np.int32)
    position[states] = np.arange(num_states, dtype=np.int32)
    pairs = (states[:, None] * num_actions + np.arange(num_actions)).reshape(-1)
    offsets, rows = pick_rows(model.offsets, pairs, np.diff(model.offsets)[pairs])
    ordered = select_rows(model, offsets, rows)
    return states, ordered._replace(next_states=position[ordered.next_states])


def _pair_of_row(model: Sparse) -> Pairs:
    """Return the pair of each row of a model, (num_rows,)."""
    return np.repeat(np.arange(model.offsets.size - 1), np.diff(model.offsets))


def _any_outcome(model: Sparse, flags: Bools) -> Bools:
    """Return whether any outcome of each pair is flagged, (num_pairs,); flags is (num_rows,)."""
    before = np.concatenate([[0], np.cumsum(flags)])
    found: Bools = before[model.offsets[1:]] > before[model.offsets[:-1]]
    return found


def _zero_reward_components(model: Sparse, internal: Bools, num_states: int) -> npt.NDArray[np.int32]:
    """Number the maximal end components of the free pairs; return the number of each state, -1 outside of all.

    Pairs that may leave their component are removed from `internal` in place.
    """
    labels = np.zeros(num_states, np.int32)
    index, low, stack, path = np.empty((4, num_states), np.int32)
    row_of = np.empty(num_states, np.int64)
    prune_leaving_pairs(model, labels, internal)
    while True:
        label_strong_components(model, internal, labels, index, low, stack, path, row_of)
        if not prune_leaving_pairs(model, labels, internal):
            return labels


def _is_likeliest(model: Sparse) -> Bools:
    """Return whether no outcome of the same pair has a larger probability, (num_rows,)."""
    pair_of_row = _pair_of_row(model)
    max_value = np.zeros(model.offsets.size - 1)
    np.maximum.at(max_value, pair_of_row, model.probabilities)
    likeliest: Bools = model.probabilities == max_value[pair_of_row]
    return likeliest


def _find_proper_states(
    model: Sparse,
    is_likeliest: Bools,
    likeliest: Predecessors,
    predecessors: Predecessors,
    stay_pairs: Pairs,
    internal: Bools,
) -> tuple[Bools, Pairs]:
    """Find the proper states, (num_states,) bool, and a pair of each by which an end or a stay is reached.

    The proper states are the largest set from which an end can be reached inside the set: states that can't are removed
    until nothing changes. Any pair that may lead nearer to an end is correct, but one that most likely does makes
    episodes far shorter.
    """
    num_states, num_actions = stay_pairs.size, model.num_actions
    proper = np.ones(num_states, np.bool_)
    while True:
        allowed = ~internal & ~_any_outcome(model, ~model.terminated & ~proper[model.next_states])
        chosen = np.where(stay_pairs != UNKNOWN, STAY, UNKNOWN)
        for ends in (model.terminated & is_likeliest, model.terminated):
            last = np.flatnonzero(allowed & _any_outcome(model, ends))
            last = last[chosen[last // num_actions] == UNKNOWN]
            chosen[last // num_actions] = last
            likeliest.backward_search(allowed, chosen, num_actions)
        predecessors.backward_search(allowed, chosen, num_actions)
        found = chosen != UNKNOWN
        if np.array_equal(found, proper):
            return proper, chosen
        proper = found


def _list_members(
    labels: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """List the members of all components from the labels of the states, where -1 is a component of its own.

    Returns:
        (members, component by component; start of each component in members; component of each state).
    """
    num_states = labels.size
    leader = np.arange(num_states)  # the first state of the component
    grouped = np.flatnonzero(labels >= 0)
    _, earliest, which = np.unique(labels[grouped], return_index=True, return_inverse=True)
    leader[grouped] = grouped[earliest][which]
    members = np.argsort(leader, kind="stable")
    is_first = np.diff(leader[members], prepend=-1) != 0
    component_of = np.empty(num_states, np.int64)
    component_of[members] = np.cumsum(is_first) - 1
    first = np.append(np.flatnonzero(is_first), num_states)
    return members.astype(np.int32), first, component_of
