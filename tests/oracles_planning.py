"""Slow, obvious versions of the planning kernels, and exact solutions to compare planners with.

A world is `rows`, where rows[s][a] lists (probability, next state, reward, terminated), as in `oracles`.
"""

import numpy as np
from scipy.optimize import linprog

from clew.models.mdp import FiniteMDP
from oracles import backup, backup_all


def greedy(rows, v, s, gamma):
    """Return the largest backup of a state, and the first action that attains it."""
    values = [backup(rows, v, s, a, gamma) for a in range(len(rows[s]))]
    return max(values), values.index(max(values))


def sweep(rows, v, states, gamma, policy=None):
    """Back up states in this order, in place, by a policy or greedily; return the largest change and the actions."""
    changes, actions = [0.0], {}
    for s in states:
        value, actions[s] = greedy(rows, v, s, gamma)
        if policy is not None:
            value = backup(rows, v, s, policy[s], gamma)
        changes.append(abs(value - v[s]))
        v[s] = value
    return max(changes), actions


def prioritized_backups(rows, v, gamma, target, max_backups):
    """Back up the state with the largest Bellman error, in place, computing all errors again each time."""
    for _ in range(max_backups):
        errors = [abs(greedy(rows, v, s, gamma)[0] - v[s]) for s in range(len(rows))]
        if max(errors) <= target:
            return
        s = errors.index(max(errors))
        v[s] = greedy(rows, v, s, gamma)[0]


def proper(rows, v, gamma, margin):
    """Return the states from which near-greedy actions can end with probability 1, by removing those that can't."""
    near = [
        [a for a in range(len(actions)) if values[a] >= max(values) - margin]
        for actions, values in zip(rows, backup_all(rows, v, gamma), strict=True)
    ]
    allowed = set(range(len(rows)))
    while True:
        reached = set()
        for _ in rows:
            for s in allowed:
                for a in near[s]:
                    outcomes = [outcome for outcome in rows[s][a] if outcome[0] > 0]
                    safe = all(terminated or s_next in allowed for _, s_next, _, terminated in outcomes)
                    leads = any(terminated or s_next in reached for _, s_next, _, terminated in outcomes)
                    if safe and (leads or not rows[s][a]):
                        reached.add(s)
        if reached == allowed:
            return [s in allowed for s in range(len(rows))]
        allowed = reached


def predecessors(rows):
    """Return the set of predecessors of each state."""
    found = [set() for _ in rows]
    for s, actions in enumerate(rows):
        for outcomes in actions:
            for p, s_next, _, terminated in outcomes:
                if p > 0 and not terminated:
                    found[s_next].add(s)
    return found


def steps_to_an_end(rows):
    """Return the least number of steps to an end from each state; 0 without outcomes, infinite if there is no end."""
    steps = [0 if not any(actions) else np.inf for actions in rows]
    for _ in rows:
        for s, actions in enumerate(rows):
            for outcomes in actions:
                for p, s_next, _, terminated in outcomes:
                    if p > 0:
                        steps[s] = min(steps[s], 1 if terminated else 1 + steps[s_next])
    return steps


def arrays(mdp):
    """Return the expected rewards, (n, actions), and transition probabilities, (n, actions, n), of a sparse world."""
    n, num_actions = mdp.num_states, mdp.num_actions
    pay, moves = np.zeros(n * num_actions), np.zeros((n * num_actions, n))
    pairs = np.repeat(np.arange(pay.size), np.diff(mdp.model.offsets))
    np.add.at(pay, pairs, mdp.model.probabilities * mdp.model.rewards)
    np.add.at(moves, (pairs, mdp.model.next_states), np.where(mdp.model.terminated, 0.0, mdp.model.probabilities))
    return pay.reshape(n, num_actions), moves.reshape(n, num_actions, n)


def linear_program(mdp, gamma):
    """Return the optimal values by a linear program: the smallest sum of v with v >= every backup.

    The solver has a relative error of about 1e-9, so only its policy is used (the basis), whose linear equations are
    solved.

    Source:
        Puterman (1994), section 6.9.
    """
    pay, moves = arrays(mdp)
    n, num_actions = pay.shape
    above = np.eye(n)[:, None, :] - gamma * moves
    scale = max(1.0, np.abs(pay).max()) / (1.0 - gamma)
    program = linprog(
        np.ones(n),
        A_ub=-above.reshape(n * num_actions, n),
        b_ub=-pay.reshape(-1) / scale,
        bounds=(None, None),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    assert program.status == 0, program.message
    policy = (-program.ineqlin.marginals).reshape(n, num_actions).argmax(axis=1)
    states = np.arange(n)
    return np.linalg.solve(np.eye(n) - gamma * moves[states, policy], pay[states, policy])


def random_mdp(seed):
    """Return a random stochastic world with 2-50 states and 1-6 actions, of which some states have no outcomes.

    Every tenth one has transitions that mostly stay in a state and rarely end, so it is ill-conditioned near gamma 1.
    """
    rng = np.random.default_rng([2018, seed])
    n, num_actions = int(rng.integers(2, 51)), int(rng.integers(1, 7))
    lengths = rng.integers(1, 5, (n, num_actions))
    lengths[1:][rng.random(n - 1) < 0.1] = 0
    lengths = lengths.reshape(-1)
    offsets = np.concatenate([[0], lengths.cumsum()])
    pairs = np.repeat(np.arange(lengths.size), lengths)
    weights, next_states = rng.exponential(size=pairs.size), rng.integers(n, size=pairs.size)
    ends = rng.random(pairs.size) < 0.05
    if seed % 10 == 0:
        last = offsets[1:][lengths > 0] - 1
        weights[last], next_states[last] = 100.0, pairs[last] // num_actions
        ends = rng.random(pairs.size) < 0.001
    probabilities = weights / np.bincount(pairs, weights, lengths.size)[pairs]
    rewards = rng.normal(size=pairs.size)
    return FiniteMDP.sparse(offsets, probabilities, next_states, rewards, ends, num_actions=num_actions, starts=[0])
