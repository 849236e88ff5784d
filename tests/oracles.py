"""Slow, obvious versions of the kernels in plain Python, and small random worlds to compare them on.

`oracles_learning` has the update rules, `oracles_episodes` the behaviours and the episode loops.

Integers are Python's, masked to 64 bits where those of a kernel wrap. A table is a list of rows of np.float32, so that
it rounds as the kernel's does. A world is `rows`, where rows[s][a] lists (probability, next state, reward, terminated).
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from clew.kernels.dynamics import BLOCKED, GOAL, HAZARD, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.models.mdp import FiniteMDP

MASK = 2**64 - 1
MOVES = [(1, 0), (0, -1), (-1, 0), (0, 1)]  # down, left, up, right
WALLS = [WALL_DOWN, WALL_LEFT, WALL_UP, WALL_RIGHT]


# Draws ----------------------------------------------------------------------------------------------------------------


def next_bits(stream):
    """Draw 64 bits by SplitMix64; stream is a list of two ints, [state, increment]."""
    stream[0] = (stream[0] + stream[1]) & MASK
    z = stream[0]
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def below(half, n):
    return half * n // 2**32


def uniform(bits):
    return (bits // 2**11) / 2**53


def epsilon_greedy(q, s, epsilon, stream):
    """Draw an epsilon-greedy action, in one way for any number of actions."""
    high, low = divmod(next_bits(stream), 2**32)
    best = max(q[s])
    explores = high < epsilon * 2**32
    candidates = [a for a, value in enumerate(q[s]) if explores or value == best]
    return candidates[below(low, len(candidates))]


def draw_start(starts, stream):
    if len(starts) == 1:
        return starts[0]
    return starts[below(next_bits(stream) // 2**32, len(starts))]


def sample(rows, s, a, stream):
    outcomes = rows[s][a]
    if not outcomes:
        return s, np.float32(0), True
    chosen = outcomes[0]
    if len(outcomes) > 1:
        left = uniform(next_bits(stream))
        for chosen in outcomes:
            left -= chosen[0]
            if left < 0:
                break
    _, s_next, reward, terminated = chosen
    return s_next, np.float32(reward), terminated


# Learning -------------------------------------------------------------------------------------------------------------


def q_learning_update(q, s, a, reward, s_next, terminated, alpha, gamma):
    target = reward if terminated else reward + gamma * max(q[s_next])
    td_error = target - q[s][a]
    q[s][a] += alpha * td_error
    return td_error


# Planning -------------------------------------------------------------------------------------------------------------


def backup(rows, v, s, a, gamma):
    value = 0.0
    for p, s_next, reward, terminated in rows[s][a]:
        value += p * (reward if terminated else reward + gamma * v[s_next])
    return value


def backup_all(rows, v, gamma):
    return [[backup(rows, v, s, a, gamma) for a in range(len(rows[s]))] for s in range(len(rows))]


def bellman_residual(rows, v, gamma):
    return max(abs(max(values) - v[s]) for s, values in enumerate(backup_all(rows, v, gamma)))


def _can_follow(rows, policy, s):
    """Return the possible next states of s under a policy, and whether the episode may end in s."""
    outcomes = [outcome for outcome in rows[s][policy[s]] if outcome[0] > 0]
    ends = not rows[s][policy[s]] or any(terminated for *_, terminated in outcomes)
    return {s_next for _, s_next, _, terminated in outcomes if not terminated}, ends


def _reach(rows, policy, s):
    """Return the states that are reachable from s under a policy, s included."""
    found, waiting = {s}, [s]
    while waiting:
        new = _can_follow(rows, policy, waiting.pop())[0] - found
        found |= new
        waiting += new
    return found


def mark_endless(rows, policy):
    """Return for each state whether a state is reachable from it that can't reach an end."""
    reach = [_reach(rows, policy, s) for s in range(len(rows))]
    stuck = [not any(_can_follow(rows, policy, t)[1] for t in reach[s]) for s in range(len(rows))]
    return [any(stuck[t] for t in reach[s]) for s in range(len(rows))]


def steps_sweep(rows, policy, steps, backwards):
    """Update finite expected steps in place, by one sweep; return the largest relative change.

    A state may be followed by itself: n = 1 + stay * n + the rest, solved for n.
    """
    max_value = 0.0
    for s in reversed(range(len(steps))) if backwards else range(len(steps)):
        outcomes = rows[s][policy[s]]
        if outcomes and steps[s] != np.inf:
            value, stay = 1.0, 0.0
            for p, s_next, _, terminated in outcomes:
                if p > 0 and not terminated:
                    stay += p if s_next == s else 0.0
                    value += 0.0 if s_next == s else p * steps[s_next]
            value /= 1.0 - stay
            max_value = max(max_value, abs(value - steps[s]) / value)
            steps[s] = value
    return max_value


def expected_steps(rows, policy):
    """Return the expected steps of a policy to the end, by linear equations."""
    endless = np.array(mark_endless(rows, policy))
    moves, one = np.zeros((len(rows), len(rows))), np.zeros(len(rows))
    for s in np.flatnonzero(~endless):
        one[s] = 1.0 if rows[s][policy[s]] else 0.0
        for p, s_next, _, terminated in rows[s][policy[s]]:
            moves[s, s_next] += 0.0 if terminated else p
    steps = np.linalg.solve(np.eye(len(rows)) - moves, one)
    return np.where(endless, np.inf, steps)


def policy_iteration(rows, gamma):
    """Return the optimal state values, by policy iteration with linear equations."""
    n, num_actions = len(rows), len(rows[0])
    moves, pay = np.zeros((n, num_actions, n)), np.zeros((n, num_actions))
    for s in range(n):
        for a in range(num_actions):
            for p, s_next, reward, terminated in rows[s][a]:
                pay[s, a] += p * reward
                moves[s, a, s_next] += 0.0 if terminated else p
    states, policy = np.arange(n), np.zeros(n, int)
    while True:
        v = np.linalg.solve(np.eye(n) - gamma * moves[states, policy], pay[states, policy])
        q = pay + gamma * moves @ v
        better = q.max(axis=1) > q[states, policy] + 1e-11 * (1 + np.abs(v))
        if not better.any():
            return v
        policy = np.where(better, q.argmax(axis=1), policy)


def successors(rows, policy):
    """Return the next states of each state under a policy, and the matrix of reachability."""
    n = len(rows)
    nexts = [{after for p, after, _, over in rows[s][policy[s]] if p > 0 and not over} for s in range(n)]
    reach = np.eye(n, dtype=bool)
    for s in range(n):
        reach[s, list(nexts[s])] = True
    for t in range(n):
        reach |= np.outer(reach[:, t], reach[t])
    return nexts, reach


def total_rewards(rows, policy):
    """Return the expected undiscounted return of a policy from each state; None if a sum has no limit.

    It may be infinite: a set of states that is never left adds 0 if all of its rewards are 0, else its average without
    end.
    """
    n = len(rows)
    nexts, reach = successors(rows, policy)
    over = [[p > 0 and terminated for p, _, _, terminated in rows[s][policy[s]]] for s in range(n)]
    leaks = np.array([any(over[s]) or not rows[s][policy[s]] for s in range(n)])
    recurrent = np.array(
        [bool(nexts[s]) and all(reach[t, s] and not leaks[t] for t in np.flatnonzero(reach[s])) for s in range(n)]
    )
    pay, moves = np.zeros(n), np.zeros((n, n))
    for s in range(n):
        for p, after, reward, terminated in rows[s][policy[s]]:
            pay[s] += p * reward
            moves[s, after] += 0.0 if terminated else p
    for_ever = np.zeros(n)
    for s in np.flatnonzero(recurrent):
        members = np.flatnonzero(reach[s])
        if any(p > 0 and reward != 0 for t in members for p, _, reward, _ in rows[t][policy[t]]):
            inside = moves[np.ix_(members, members)]
            system = np.vstack([inside.T - np.eye(members.size), np.ones(members.size)])
            shares = np.linalg.lstsq(system, np.eye(members.size + 1)[-1], rcond=None)[0]
            gain = shares @ pay[members]
            if abs(gain) < 1e-9:
                return None
            for_ever[s] = np.sign(gain) * np.inf
    ends = np.isinf(for_ever)
    may_come = np.array([{for_ever[t] for t in np.flatnonzero(reach[s]) if ends[t]} for s in range(n)], dtype=object)
    if any(len(found) > 1 for found in may_come):
        return None
    v = np.array([next(iter(found)) if found else 0.0 for found in may_come])
    kept = np.flatnonzero(np.isfinite(v) & ~recurrent)
    v[kept] = np.linalg.solve(np.eye(kept.size) - moves[np.ix_(kept, kept)], pay[kept])
    return v


def best_total_rewards(rows):
    """Return the maximum over all policies, tried one by one; None if one is +infinite or has no limit."""
    best = np.full(len(rows), -np.inf)
    for policy in product(range(len(rows[0])), repeat=len(rows)):
        v = total_rewards(rows, policy)
        if v is None or np.isposinf(v).any():
            return None
        best = np.maximum(best, v)
    return best


def backward_induction(rows, horizon, gamma, number=float):
    """Return values and expected steps with the whole horizon remaining; exact if the numbers are Fractions."""
    v, steps = [number(0)] * len(rows), [number(0)] * len(rows)
    for _ in range(horizon):
        pairs = []
        for s in range(len(rows)):
            choices = []
            for outcomes in rows[s]:
                value = expected = number(0)
                for p, s_next, reward, terminated in outcomes:
                    value += number(p) * (number(reward) + (0 if terminated else number(gamma) * v[s_next]))
                    expected += number(p) * (1 if terminated else 1 + steps[s_next])
                choices.append((value, expected))
            pairs.append(max(choices, key=lambda choice: choice[0]))
        v, steps = map(list, zip(*pairs, strict=True))
    return v, steps


# Policies evaluated and graded ----------------------------------------------------------------------------------------


def policy_chain(rows, greedy, epsilon):
    """Return, by state: transition matrix, expected reward, probability of a step, and whether the episode may end."""
    n, num_actions = len(rows), len(rows[0])
    moves, reward, goes_on, ends = np.zeros((n, n)), np.zeros(n), np.zeros(n), np.zeros(n, bool)
    for s in range(n):
        for a in range(num_actions):
            chance = epsilon / num_actions + (1 - epsilon) * greedy[s][a] / sum(greedy[s])
            if chance > 0:
                goes_on[s] += chance if rows[s][a] else 0.0
                ends[s] |= not rows[s][a]
                for p, s_next, r, terminated in rows[s][a]:
                    reward[s] += chance * p * r
                    ends[s] |= terminated and p > 0
                    moves[s, s_next] += 0.0 if terminated else chance * p
    return moves, reward, goes_on, ends


def reachable(moves):
    """Return the (n, n) matrix of whether t is reachable from s, s itself included."""
    reach = np.eye(len(moves), dtype=bool) | (moves > 0)
    while True:
        further = (reach.astype(int) @ reach.astype(int)) > 0
        if np.array_equal(further, reach):
            return reach
        reach = further


def policy_values(rows, greedy, epsilon, gamma):
    """Return the state values of an epsilon-greedy policy, for gamma below 1."""
    moves, reward, *_ = policy_chain(rows, greedy, epsilon)
    return np.linalg.solve(np.eye(len(rows)) - gamma * moves, reward)


def policy_steps(rows, greedy, epsilon):
    """Return the expected steps to the end; infinite if a state is reachable that can't reach an end."""
    moves, _, goes_on, ends = policy_chain(rows, greedy, epsilon)
    reach = reachable(moves)
    stuck = ~(reach & ends).any(axis=1)
    endless = (reach & stuck).any(axis=1)
    finite = np.flatnonzero(~endless)
    steps = np.full(len(rows), np.inf)
    steps[finite] = np.linalg.solve(np.eye(finite.size) - moves[np.ix_(finite, finite)], goes_on[finite])
    return steps


def spread_wrong(moves, ends, must_end, wrong):
    """Return for each state whether it can reach a wrong state, or one that must end but may go on without end."""
    reach = reachable(moves)
    endless = (reach & ~(reach & ends).any(axis=1)).any(axis=1)
    bad = wrong | (endless & must_end)
    return (reach & bad).any(axis=1)


# Grids ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """Grid world as places, (row, column), and walls between two of them."""

    rows: int
    columns: int
    goals: frozenset = frozenset()
    hazards: frozenset = frozenset()
    blocked: frozenset = frozenset()
    walls: frozenset = frozenset()  # of frozensets of two places
    settings: dict = field(default_factory=dict)  # of FiniteMDP.grid

    @property
    def places(self):
        return [(row, column) for row in range(self.rows) for column in range(self.columns)]

    def ahead(self, place, a):
        return place[0] + MOVES[a][0], place[1] + MOVES[a][1]

    def is_open(self, here, there):
        """Return whether a move from a place to its neighbour isn't stopped."""
        shut = frozenset((here, there)) in self.walls or here in self.blocked or there in self.blocked
        return there in self.places and not shut

    def cells(self):
        """Return the grid as bits, as FiniteMDP takes it."""
        cells = np.zeros((self.rows, self.columns), np.uint8)
        for place in self.places:
            walls = sum(WALLS[a] for a in range(4) if not self.is_open(place, self.ahead(place, a)))
            kinds = (GOAL, self.goals), (HAZARD, self.hazards), (BLOCKED, self.blocked)
            cells[place] = walls + sum(bit for bit, places in kinds if place in places)
        return cells


def grid_outcomes(layout, s, a):
    settings = {"moving_goal": False, "slip": 0.0, "goal_reward": 1.0, "step_reward": 0.0}
    settings |= {"outer_wall_reward": 0.0, "hazard_reward": 0.0} | layout.settings
    goal, cell = divmod(s, len(layout.places))
    here = layout.places[cell]
    goals = {layout.places[goal]} if settings["moving_goal"] else layout.goals
    if here in goals or here in layout.blocked:
        return []
    slip = settings["slip"]
    to_the_sides = [(slip / 2, (a + 1) % 4), (slip / 2, (a - 1) % 4)] if slip else []
    outcomes = []
    for p, direction in [(1 - slip, a), *to_the_sides]:
        there, reward = layout.ahead(here, direction), settings["step_reward"]
        if there not in layout.places:
            reward += settings["outer_wall_reward"]
        if not layout.is_open(here, there):
            there = here
        if there in goals:
            reward += settings["goal_reward"]
        if there in layout.hazards and there != here:
            reward += settings["hazard_reward"]
        outcomes.append((p, goal * len(layout.places) + layout.places.index(there), reward, there in goals))
    return outcomes


def breadth_first(layout, goals):
    """Return the steps from each place to the nearest goal; None if there is no path."""
    distances = dict.fromkeys(layout.places) | dict.fromkeys(goals, 0)
    waiting = deque(goals)
    while waiting:
        here = waiting.popleft()
        for a in range(4):
            there = layout.ahead(here, a)
            if layout.is_open(here, there) and distances[there] is None:
                distances[there] = distances[here] + 1
                waiting.append(there)
    return distances


def label_regions(layout):
    """Return the numbers of connected regions, in the order of their first places; -1 for blocked ones."""
    labels = dict.fromkeys(layout.places, -1)
    free = [place for place in layout.places if place not in layout.blocked]
    for first in free:
        if labels[first] < 0:
            number = max(labels.values()) + 1
            for place, distance in breadth_first(layout, [first]).items():
                if distance is not None:
                    labels[place] = number
    return labels


# Worlds ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class World:
    """One world in two forms: `mdp` for the kernels, `rows` for the oracles."""

    mdp: FiniteMDP
    rows: list
    layout: Layout | None = None

    @property
    def shape(self):
        return self.mdp.num_states, self.mdp.num_actions


def grid_world(layout):
    """Return the world of a layout; every state with outcomes is a start."""
    num_states = len(layout.places) ** (2 if layout.settings.get("moving_goal") else 1)
    rows = [[grid_outcomes(layout, s, a) for a in range(4)] for s in range(num_states)]
    starts = [s for s in range(num_states) if rows[s][0]]
    return World(FiniteMDP.grid(layout.cells(), starts, **layout.settings), rows, layout)


def sparse_world(rows, starts=None):
    """Return the world of rows[s][a], a list of (probability, next state, reward, terminated)."""
    pairs = [outcomes for actions in rows for outcomes in actions]
    offsets = np.cumsum([0, *(len(outcomes) for outcomes in pairs)])
    flat = [outcome for outcomes in pairs for outcome in outcomes]
    if starts is None:
        starts = [s for s, actions in enumerate(rows) if actions[0]]
    mdp = FiniteMDP.sparse(offsets, *zip(*flat, strict=True), num_actions=len(rows[0]), starts=starts)
    return World(mdp, rows)


def random_layout(seed, rows=3, columns=4, hazards=0.15, **settings):
    """Return a grid with random thin walls, blocked places and hazards, and one or two goals."""
    rng = np.random.default_rng(seed)
    places = [(row, column) for row in range(rows) for column in range(columns)]
    free = [places[i] for i in rng.permutation(len(places))]
    goals = frozenset(free.pop() for _ in range(rng.integers(1, 3)))
    blocked = frozenset(place for place in free if rng.random() < 0.1)
    dangers = frozenset(place for place in free if place not in blocked and rng.random() < hazards)
    pairs = [((r, c), (r + i, c + 1 - i)) for r, c in places for i in (0, 1)]
    walls = frozenset(frozenset(pair) for pair in pairs if pair[1] in places and rng.random() < 0.2)
    return Layout(rows, columns, goals, dangers, blocked, walls, settings)


def random_sparse_world(seed, num_states=8, num_actions=4):
    """Return a world with up to four outcomes per action, some of probability 0, and some terminal states.

    Rewards are quarters, whose sums are exact in float32 too.
    """
    rng = np.random.default_rng(seed)

    def outcomes():
        n = rng.integers(1, 5)
        weights = rng.random(n) * (rng.random(n) < 0.8)
        weights[0] += 0.1
        probabilities = (weights / weights.sum()).tolist()
        next_states = rng.integers(num_states, size=n).tolist()
        rewards = (rng.integers(-8, 9, n) / 4).tolist()
        return list(zip(probabilities, next_states, rewards, (rng.random(n) < 0.1).tolist(), strict=True))

    dead = rng.random(num_states) < 0.15
    dead[0] = False
    return sparse_world([[[] if dead[s] else outcomes() for _ in range(num_actions)] for s in range(num_states)])
