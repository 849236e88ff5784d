"""Absorbing Markov chains: how far given values, or expected visits, are from solving their equations.

Values are relative values of a model with one action, see `relative_values`. Expected visits are a flow: what starts in
a state and what flows into it is what flows out of it, or stays for good,

    start(s) + gamma * sum of d(s_before) * p = gamma * d(s) * (probability of leaving s) + (1 - gamma) * d(s)

where s_before are other states. As in `relative_values`, what is missing in a sum of probabilities stays in its state.
"""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.planning.relative_values import UNIT, Rows, advantage, two_sum

Floats = npt.NDArray[np.float64]


@kernel
def value_residual(
    rows: Rows, high: Floats, low: Floats, gamma: float, rounding: float, residual: Floats, error: Floats
) -> None:
    """Fill the residual of values, reward + gamma * sum of p * v(s_next) - v(s), and a bound of its rounding error.

    Args:
        rows: chain of a policy: a model with one action; a state that ends the chain has no outcomes.
        high: (num_states,) float64, values, rounded.
        low: (num_states,) float64, their rounding errors.
        gamma: discount per step, in [0, 1].
        rounding: relative error of the probabilities.
        residual: (num_states,) float64, filled in place.
        error: (num_states,) float64, filled in place.
    """
    for s in range(high.size):
        residual[s], error[s] = advantage(rows, high, low, s, s, gamma)
        change = 0.0
        for k in range(rows.offsets[s], rows.offsets[s + 1]):
            change += rows.probabilities[k] * abs(high[rows.next_states[k]] - high[s])
        error[s] += 1.01 * rounding * change


@kernel
def flow_residual(
    rows: Rows,
    visits: Floats,
    start: Floats,
    gamma: float,
    rounding: float,
    residual: Floats,
    lost: Floats,
    error: Floats,
) -> None:
    """Fill the residual of expected visits, start + inflow - outflow, and a bound of its rounding error.

    A flow has two roundings and one of its probability. A compensated sum of n flows adds UNIT times its result, and
    n**2 * UNIT**2 times the sum of absolute values; Ogita, Rump & Oishi (2005), proposition 4.5. The product with
    1 - gamma has two roundings, and its difference from `start` one. The factors below are a percent larger, for terms
    of second order.

    Args:
        rows: chain of a policy: a model with one action; a state that ends the chain has no outcomes.
        visits: (num_states,) float64, expected visits; 0 in states without outcomes.
        start: (num_states,) float64, probability to start in each state, not negative.
        gamma: discount per step, in [0, 1].
        rounding: relative error of the probabilities.
        residual: (num_states,) float64, filled in place; in states without outcomes it is the probability to arrive.
        lost: (num_states,) float64, workspace.
        error: (num_states,) float64, filled in place.
    """
    num_states = visits.size
    for s in range(num_states):
        residual[s] = start[s] - (1.0 - gamma) * visits[s]
        lost[s], error[s] = 0.0, 0.0
    for s in range(num_states):
        for k in range(rows.offsets[s], rows.offsets[s + 1]):
            s_next = rows.next_states[k]
            if s_next == s:
                continue
            flow = gamma * visits[s] * rows.probabilities[k]
            residual[s], rest = two_sum(residual[s], -flow)
            residual[s_next], rest_next = two_sum(residual[s_next], flow)
            lost[s] += rest
            lost[s_next] += rest_next
            error[s] += abs(flow)
            error[s_next] += abs(flow)
    n = np.float64(rows.probabilities.size + 2)
    relative = 2.02 * UNIT + 1.01 * rounding + 2.0 * (n * UNIT) ** 2
    for s in range(num_states):
        residual[s] += lost[s]
        own = 1.01 * (abs(residual[s]) + start[s]) + 4.04 * (1.0 - gamma) * abs(visits[s])
        error[s] = 1.01 * (relative * error[s] + UNIT * own)
