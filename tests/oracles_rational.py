"""Exact answers in rational arithmetic, with which bounds of rounding are compared.

A world is `rows`, as in `oracles`. Probability that is missing, since doubles sum to 1 only within rounding, stays in
the state. The value of the end is 0, and the last one of `h`.
"""

from fractions import Fraction
from itertools import product


def solve(matrix, right):
    """Return the solution of linear equations, by Gauss-Jordan elimination."""
    n = len(matrix)
    whole = [[*map(Fraction, row), Fraction(x)] for row, x in zip(matrix, right, strict=True)]
    for j in range(n):
        whole[j:] = sorted(whole[j:], key=lambda row: row[j] == 0)
        for i in range(n):
            if i != j and whole[i][j]:
                factor = whole[i][j] / whole[j][j]
                whole[i] = [x - factor * y for x, y in zip(whole[i], whole[j], strict=True)]
    return [whole[i][n] / whole[i][i] for i in range(n)]


def advantages(rows, h, gamma):
    """Return the advantages of all actions, state by state, and that of the end."""
    g = Fraction(gamma)

    def advantage(s, outcomes):
        value = -(1 - g) * h[s]
        for p, s_next, reward, terminated in outcomes:
            value += Fraction(p) * (Fraction(reward) + g * (h[-1 if terminated else s_next] - h[s]))
        return value

    return [[advantage(s, outcomes) for outcomes in actions] for s, actions in enumerate(rows)] + [[-(1 - g) * h[-1]]]


def chain(rows, policy):
    """Return the moves of a policy, a matrix, and its expected rewards."""
    n = len(rows)
    moves, rewards = [[Fraction(0)] * n for _ in range(n)], [Fraction(0)] * n
    for s, actions in enumerate(rows):
        moves[s][s] = Fraction(1)
        for p, s_next, reward, terminated in actions[policy[s]]:
            rewards[s] += Fraction(p) * Fraction(reward)
            moves[s][s] -= Fraction(p)
            if not terminated:
                moves[s][s_next] += Fraction(p)
    return moves, rewards


def values(rows, policy, gamma):
    """Return the values of a policy."""
    moves, rewards = chain(rows, policy)
    states = range(len(rows))
    return solve([[(s == t) - Fraction(gamma) * moves[s][t] for t in states] for s in states], rewards)


def optimum(rows, policy, gamma):
    """Return the optimal values, by policy iteration from a policy."""
    policy = list(policy)
    while True:
        v = values(rows, policy, gamma)
        gains = advantages(rows, [*v, Fraction(0)], gamma)[:-1]
        if all(max(row) <= row[policy[s]] for s, row in enumerate(gains)):
            return v
        policy = [row.index(max(row)) for row in gains]


def gain(rows, policy):
    """Return the average reward of a policy that never ends and has one recurrent class."""
    moves, rewards = chain(rows, policy)
    states = range(len(rows))
    balance = [[(s == t) - moves[s][t] for s in states] for t in states[:-1]] + [[1] * len(rows)]
    fractions = solve(balance, [0] * (len(rows) - 1) + [1])
    return sum(x * y for x, y in zip(fractions, rewards, strict=True))


def best_gain(rows):
    """Return the greatest average reward of all policies, each of which has one recurrent class."""
    return max(gain(rows, policy) for policy in product(*(range(len(actions)) for actions in rows)))
