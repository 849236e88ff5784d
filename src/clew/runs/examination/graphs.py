"""The graph of a model: which states steps may lead to, from where an episode can end, and where it can go on forever.

A *pair* is a state and an action, state * num_actions + action. Searches go level by level in NumPy: compiling or
loading kernels would take longer than the worlds that are examined before each training.
"""

import numpy as np
import numpy.typing as npt

from clew.models.mdp import FiniteMDP

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class Graph:
    """Outcomes of a model that have a probability above 0.

    Attributes:
        num_states, num_actions: of the model.
        starts: start states, each once.
        pairs: (num_outcomes,) pair of each outcome.
        next_states: (num_outcomes,) state that it leads to.
        ends: (num_outcomes,) bool, True if the episode ends: by the outcome, or in a terminal state.
        rewards: (num_outcomes,) reward.
        has_outcomes: (num_pairs,) bool, False for pairs of terminal states and unavailable actions.
        is_terminal: (num_states,) bool, states without outcomes.
    """

    def __init__(self, mdp: FiniteMDP) -> None:
        model = mdp.sparse_rows
        possible = model.probabilities > 0.0
        lengths = np.diff(model.offsets)
        self.num_states, self.num_actions = mdp.num_states, mdp.num_actions
        self.starts: Ints = np.unique(mdp.starts).astype(np.int64)
        self.pairs: Ints = np.repeat(np.arange(lengths.size), lengths)[possible]
        self.next_states: Ints = model.next_states[possible].astype(np.int64)
        self.has_outcomes: Bools = lengths > 0
        self.is_terminal: Bools = np.asarray(~self.has_outcomes.reshape(self.num_states, -1).any(axis=1))
        self.ends: Bools = model.terminated[possible] | self.is_terminal[self.next_states]
        self.rewards = model.rewards[possible]
        self.states: Ints = self.pairs // self.num_actions

    def reachable(self, allowed: Bools | None = None) -> Bools:
        """Return the states that can be reached from the start states, (num_states,) bool, these included.

        Args:
            allowed: (num_pairs,) bool, pairs that may be taken; None for all.
        """
        used = ~self.ends if allowed is None else ~self.ends & allowed[self.pairs]
        distances = _search(self.states[used], self.next_states[used], self.starts, self.num_states)
        return distances >= 0

    def distances(self, targets: Bools, allowed: Bools | None = None) -> Ints:
        """Return the fewest steps from each state by which a target outcome may be had; -1 where none can be.

        Args:
            targets: (num_outcomes,) bool.
            allowed: (num_pairs,) bool, pairs that may be taken; None for all.
        """
        permitted = np.ones(self.pairs.size, np.bool_) if allowed is None else allowed[self.pairs]
        used, last = ~self.ends & permitted, np.unique(self.states[targets & permitted])
        distances = _search(self.next_states[used], self.states[used], last, self.num_states)
        return np.where(distances >= 0, distances + 1, -1)

    def can_end(self, allowed: Bools) -> Bools:
        """Return the states from which some policy ends the episode with probability 1, (num_states,) bool.

        They are the largest set from which an end can be reached without leaving the set.

        Args:
            allowed: (num_pairs,) bool, pairs that may be taken.
        """
        found = np.ones(self.num_states, np.bool_)
        while True:
            leaves = np.zeros(self.has_outcomes.size, np.bool_)
            leaves[self.pairs[~self.ends & ~found[self.next_states]]] = True
            inside = (self.distances(self.ends, allowed & ~leaves) > 0) | self.is_terminal
            if np.array_equal(inside, found):
                return found
            found = inside

    def can_go_on(self, states: Bools, allowed: Bools) -> Bools:
        """Return the states from which some policy stays among given states forever, without an end.

        They are what remains when states are removed in which no pair is sure to lead to a remaining state.

        Args:
            states: (num_states,) bool, states to stay among.
            allowed: (num_pairs,) bool, pairs that may be taken.
        """
        safe = allowed & self.has_outcomes & np.repeat(states, self.num_actions)
        safe[self.pairs[self.ends]] = False
        remaining = safe.reshape(self.num_states, -1).sum(axis=1)
        inside: Bools = states & (remaining > 0)
        order, first = _grouped(self.next_states, self.num_states)
        removed = np.flatnonzero(~inside)
        while removed.size:
            pairs = np.unique(self.pairs[order[_ranges(first, removed)]])
            pairs = pairs[safe[pairs]]
            safe[pairs] = False
            np.subtract.at(remaining, pairs // self.num_actions, 1)
            hit = np.unique(pairs // self.num_actions)
            removed = hit[inside[hit] & (remaining[hit] == 0)]
            inside[removed] = False
        return inside


def _search(origins: Ints, targets: Ints, sources: Ints, num_states: int) -> Ints:
    """Return the number of edges from the nearest source to each state, (num_states,); -1 where none leads there."""
    order, first = _grouped(origins, num_states)
    targets = targets[order]
    distances: Ints = np.full(num_states, -1, np.int64)
    last = np.empty(num_states, np.int64)  # of the edges of a level that lead to a state, which leaves it once
    frontier, distance = sources, 0
    while frontier.size:
        distances[frontier] = distance
        following = targets[_ranges(first, frontier)]
        following = following[distances[following] < 0]
        numbers = np.arange(following.size)
        last[following] = numbers
        frontier, distance = following[last[following] == numbers], distance + 1
    return distances


def _grouped(keys: Ints, num_keys: int) -> tuple[Ints, Ints]:
    """Return the order that sorts keys, and where each key begins in it, (num_keys + 1,)."""
    first = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=num_keys))])
    return np.argsort(keys, kind="stable"), first


def _ranges(first: Ints, chosen: Ints) -> Ints:
    """Return the positions of all members of some groups; group i has those from first[i] to before first[i + 1]."""
    lengths = first[chosen + 1] - first[chosen]
    before = np.cumsum(lengths) - lengths
    return np.repeat(first[chosen] - before, lengths) + np.arange(int(lengths.sum()))
