"""Relative values: how much better one state is than another, with sums that stay precise near gamma 1.

Values near gamma 1 are large and almost alike: v = c / (1 - gamma) + h, where the constant c is a reward per step and h
are relative values. So planning computes h, by the advantages of actions,

    (T h - h)(s) = max over a of  reward(s, a) + gamma * sum of p * (h(s_next) - h(s)) - (1 - gamma) * h(s),

in which only differences of relative values occur. If probabilities don't sum to exactly 1, what is missing stays in
s. The end of an episode is a state without outcomes: nothing happens there any more, and its advantages are
-(1 - gamma) h.

If lo <= T h - h <= hi in all states, optimal values are between h + lo / (1 - gamma) and h + hi / (1 - gamma). For the
error of rounding, h is an unevaluated sum of two doubles, `high + low`, and sums are compensated. `advantage` derives a
bound of the error that is left.

Source:
    MacQueen (1966), A modified dynamic programming method for Markovian decision problems; Puterman (1994), theorem
    6.6.3, for the bounds; Ogita, Rump & Oishi (2005), Accurate sum and dot product, for compensated sums.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel

Floats = npt.NDArray[np.float64]
UNIT = 2.0**-53  # largest relative error of an operation in double precision
SPLITTER = 134217729.0  # 2**27 + 1, which splits a double into two halves


class Rows(NamedTuple):
    """A model as rows of outcomes, with the expected reward of each pair of a state and an action.

    If an outcome ends the episode, the last state is this end. It has no outcomes.
    """

    offsets: npt.NDArray[np.int64]  # (num_states * num_actions + 1,), as in `Sparse`
    probabilities: Floats  # (num_rows,)
    next_states: npt.NDArray[np.int32]  # (num_rows,)
    rewards: Floats  # (num_states * num_actions,), expected reward; -inf if the action isn't available
    reward_errors: Floats  # (num_states * num_actions,), bound of its rounding error
    num_actions: int


@kernel
def two_sum(x: float, y: float) -> tuple[float, float]:
    """Return (sum, error): x + y rounded, and its rounding error, exactly. Source: Knuth."""
    total = x + y
    z = total - x
    return total, (x - (total - z)) + (y - z)


@kernel
def two_product(x: float, y: float) -> tuple[float, float]:
    """Return (product, error): x * y rounded, and its rounding error, exactly. Source: Dekker, Veltkamp."""
    product = x * y
    c = SPLITTER * x
    x_high = c - (c - x)
    x_low = x - x_high
    c = SPLITTER * y
    y_high = c - (c - y)
    y_low = y - y_high
    return product, x_low * y_low - (((product - x_high * y_high) - x_low * y_high) - x_high * y_low)


@kernel
def expect_rewards(
    offsets: npt.NDArray[np.int64], probabilities: Floats, rewards: Floats, expected: Floats, errors: Floats
) -> None:
    """Fill the expected reward of each pair, the sum of p * reward, and a bound of its rounding error.

    The sum is computed as in twice the precision, so that the error is one rounding and n**2 * UNIT**2 times the sum of
    absolute values, for n outcomes; Ogita, Rump & Oishi, proposition 5.5.
    """
    for pair in range(expected.size):
        total, rest, size = 0.0, 0.0, 0.0
        for k in range(offsets[pair], offsets[pair + 1]):
            product, error = two_product(probabilities[k], rewards[k])
            total, lost = two_sum(total, product)
            rest += lost + error
            size += abs(product)
        n = np.float64(offsets[pair + 1] - offsets[pair])
        expected[pair] = total + rest
        errors[pair] = UNIT * (1.01 * abs(total + rest) + 2.0 * (n + 1.0) ** 2 * UNIT * size)


@kernel
def advantage(rows: Rows, high: Floats, low: Floats, s: int, pair: int, gamma: float) -> tuple[float, float]:
    """Return the advantage of an action, and a bound of its rounding error.

        reward + gamma * sum of p * (h(s_next) - h(s)) - (1 - gamma) * h(s),  h = high + low

    A difference of `high` is exact as a sum of two doubles, d and a small part, and so is the product of p and d. A
    compensated sum of n such products has one rounding that counts, that of its result, and n**2 * UNIT**2 times the
    sum of p |d|; the small parts add n * UNIT times their sum. The product with gamma has one rounding, (1 - gamma) * h
    three (`low` is left out), and the sums of these terms have one each, as has the result of adding this bound. The
    factors below are a percent larger, for terms of second order.

    Args:
        rows: model.
        high: (num_states,) float64, relative values, rounded.
        low: (num_states,) float64, their rounding errors, at most UNIT * |high|.
        s: state.
        pair: `s * num_actions + a`.
        gamma: discount per step, in [0, 1].
    """
    if rows.rewards[pair] == -np.inf:
        return -np.inf, 0.0
    total, rest, size, size_low = 0.0, 0.0, 0.0, 0.0
    for k in range(rows.offsets[pair], rows.offsets[pair + 1]):
        p, s_next = rows.probabilities[k], rows.next_states[k]
        d, d_low = two_sum(high[s_next], -high[s])
        d_low += low[s_next] - low[s]
        product, error = two_product(p, d)
        total, lost = two_sum(total, product)
        rest += lost + (error + p * d_low)
        size += abs(product)
        size_low += p * (abs(d_low) + abs(low[s]) + abs(low[s_next]))
    future, shrunk = gamma * (total + rest), (1.0 - gamma) * high[s]
    gained = future - shrunk
    value = rows.rewards[pair] + gained
    n = np.float64(rows.offsets[pair + 1] - rows.offsets[pair])
    error = gamma * (n + 4.0) * (2.0 * (n + 4.0) * UNIT * size + 2.02 * size_low)
    error += 2.02 * abs(future) + 3.03 * abs(shrunk)
    error += 1.01 * abs(gained) + 2.02 * abs(value)
    return value, 1.01 * (UNIT * error + rows.reward_errors[pair])


@kernel
def advantage_at_most(rows: Rows, high: Floats, largest: float, s: int, pair: int, gamma: float) -> float:
    """Return an upper bound of the advantage of an action, which takes a third of the time of `advantage`.

    A sum of n products, each with two roundings, has an error of at most (n + 2) * UNIT times the sum of p |d|; the small
    parts, which are left out, are at most UNIT * `largest` each. All factors are doubled, for terms of second order.

    Args:
        rows: model.
        high: (num_states,) float64, relative values, rounded.
        largest: the largest of their absolute values.
        s: state.
        pair: `s * num_actions + a`.
        gamma: discount per step, in [0, 1].
    """
    reward = rows.rewards[pair]
    if reward == -np.inf:
        return -np.inf
    total, size = 0.0, 0.0
    for k in range(rows.offsets[pair], rows.offsets[pair + 1]):
        product = rows.probabilities[k] * (high[rows.next_states[k]] - high[s])
        total += product
        size += abs(product)
    n = np.float64(rows.offsets[pair + 1] - rows.offsets[pair])
    shrunk = (1.0 - gamma) * high[s]
    error = (n + 8.0) * size + 8.0 * abs(shrunk) + 4.0 * abs(reward) + 2.0 * largest
    return reward + gamma * total - shrunk + 2.0 * UNIT * error + 2.0 * rows.reward_errors[pair]


@kernel
def improve(
    rows: Rows, high: Floats, low: Floats, gamma: float, policy: npt.NDArray[np.int32], residual: Floats
) -> tuple[float, float, int]:
    """Improve a policy: change an action where another one is better by more than rounding.

    Args:
        rows: model.
        high: (num_states,) float64, relative values, rounded.
        low: (num_states,) float64, their rounding errors.
        gamma: discount per step, in [0, 1].
        policy: (num_states,) int32, an action for each state; changed in place.
        residual: (num_states,) float64, filled with the advantage of the policy's action.

    Returns:
        (lo, hi, number of actions that changed), with lo <= T h - h <= hi in all states, rounding included.
    """
    least, greatest, num_changed, largest = np.inf, -np.inf, 0, 0.0
    for s in range(policy.size):
        largest = max(largest, abs(high[s]))
    for s in range(policy.size):
        first = s * rows.num_actions
        chosen, chosen_error = advantage(rows, high, low, s, first + policy[s], gamma)
        lo, hi, best, best_action = chosen - chosen_error, chosen + chosen_error, chosen + chosen_error, policy[s]
        for a in range(rows.num_actions):
            if a == policy[s] or advantage_at_most(rows, high, largest, s, first + a, gamma) <= lo:
                continue
            value, error = advantage(rows, high, low, s, first + a, gamma)
            lo, hi = max(lo, value - error), max(hi, value + error)
            if value - error > best:
                best, chosen, best_action = value - error, value, np.int32(a)
        num_changed += np.int64(best_action != policy[s])
        policy[s], residual[s] = best_action, chosen
        least, greatest = min(least, lo), max(greatest, hi)
    return least, greatest, num_changed


@kernel
def improve_in_place(
    rows: Rows, h: Floats, gamma: float, shift: float, policy: npt.NDArray[np.int32], backwards: bool
) -> int:
    """Improve a policy and its relative values in one sweep in place, so that an improvement reaches many states.

    Each h becomes the value at which the best action's advantage would be `shift` if the others didn't change. An
    action is changed where another one is better by more than the approximate rounding error.

    Args:
        rows: model.
        h: (num_states,) float64, relative values; changed in place.
        gamma: discount per step, in [0, 1].
        shift: lower bound of the advantages of the policy.
        policy: (num_states,) int32; changed in place.
        backwards: go from the last state to the first.

    Returns:
        Number of actions that changed.
    """
    num_changed = 0
    for i in range(policy.size):
        s = policy.size - 1 - i if backwards else i
        best, best_action, own, slack = -np.inf, 0, 0.0, 0.0
        for a in range(rows.num_actions):
            pair, total, size, leaving = s * rows.num_actions + a, 0.0, 0.0, 0.0
            if rows.rewards[pair] == -np.inf:
                continue
            for k in range(rows.offsets[pair], rows.offsets[pair + 1]):
                if rows.next_states[k] != s:
                    product = rows.probabilities[k] * (h[rows.next_states[k]] - h[s])
                    total += product
                    size += abs(product)
                    leaving += rows.probabilities[k]
            change = rows.rewards[pair] + gamma * total - (1.0 - gamma) * h[s] - shift
            change /= 1.0 - gamma + gamma * leaving + 1e-12
            slack = max(slack, 1e-12 * (size + abs(change)))
            if a == policy[s]:
                own = change
            if change > best:
                best, best_action = change, a
        if best > own + slack:
            policy[s] = best_action
            num_changed += 1
        h[s] += max(best, own)
    return num_changed


@kernel
def evaluate(
    rows: Rows, high: Floats, low: Floats, gamma: float, policy: npt.NDArray[np.int32], residual: Floats
) -> tuple[float, float]:
    """Fill the residual of a policy, its advantages T h - h; return (lo, hi), between which they are, see `improve`."""
    least, greatest = np.inf, -np.inf
    for s in range(policy.size):
        value, error = advantage(rows, high, low, s, s * rows.num_actions + policy[s], gamma)
        residual[s] = value
        least, greatest = min(least, value - error), max(greatest, value + error)
    return least, greatest


@kernel
def add_to(high: Floats, low: Floats, change: Floats, factor: float, shift: float) -> None:
    """Add factor * (change - shift) to relative values, in place, in twice the precision."""
    for s in range(high.size):
        total, lost = two_sum(high[s], factor * (change[s] - shift))
        high[s], low[s] = two_sum(total, lost + low[s])


@kernel
def sweep(
    rows: Rows,
    h: Floats,
    gamma: float,
    damping: float,
    shift: float,
    policy: npt.NDArray[np.int32],
    improving: bool,
    out: Floats,
) -> tuple[float, float]:
    """Make a sweep of relative value iteration, in plain double precision.

        out = h + damping * (T h - h - shift)

    A damping below 1 makes periodic models converge: with probability 1 - damping a step stays in its state.

    Args:
        rows: model.
        h: (num_states,) float64, relative values.
        gamma: discount per step, in [0, 1].
        damping: share of the change that is made, in (0, 1].
        shift: subtracted from each change, so that values stay small.
        policy: (num_states,) int32; the action in each state.
        improving: True if the best action is taken, and stored in the policy.
        out: (num_states,) float64, filled in place.

    Returns:
        (lo, hi) of T h - h.

    Source:
        Puterman (1994), sections 8.5.4 and 8.5.5.
    """
    least, greatest = np.inf, -np.inf
    for s in range(policy.size):
        first = s * rows.num_actions
        begin, end = (0, rows.num_actions) if improving else (np.int64(policy[s]), np.int64(policy[s]) + 1)
        best = -np.inf
        for a in range(begin, end):
            total = 0.0
            for k in range(rows.offsets[first + a], rows.offsets[first + a + 1]):
                total += rows.probabilities[k] * (h[rows.next_states[k]] - h[s])
            value = rows.rewards[first + a] + gamma * total
            if value > best:
                best = value
                policy[s] = a
        best -= (1.0 - gamma) * h[s]
        out[s] = h[s] + damping * (best - shift)
        least, greatest = min(least, best), max(greatest, best)
    return least, greatest


@kernel
def write_equations(
    rows: Rows,
    policy: npt.NDArray[np.int32],
    gamma: float,
    offsets: npt.NDArray[np.int32],
    columns: npt.NDArray[np.int32],
    entries: Floats,
) -> int:
    """Write I - gamma P of a policy as a matrix in rows; the diagonal is first in its row, and is positive.

    It is 1 - gamma plus gamma times the probability of leaving the state, so that no digits cancel.

    Returns:
        Number of entries.
    """
    n = 0
    for s in range(policy.size):
        offsets[s] = n
        pair = s * rows.num_actions + policy[s]
        diagonal = n
        columns[n], entries[n] = s, 1.0 - gamma
        n += 1
        for k in range(rows.offsets[pair], rows.offsets[pair + 1]):
            s_next, p = rows.next_states[k], gamma * rows.probabilities[k]
            if s_next != s and p > 0.0:
                columns[n], entries[n] = s_next, -p
                entries[diagonal] += p
                n += 1
    offsets[policy.size] = n
    return n
