"""Sweeps: backups of every state in turn, until values, or what is known of a policy, stand still."""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import Grid, Model, num_outcomes, outcome
from clew.kernels.planning.backups import backup, greedy_backup


@kernel
def synchronous_sweep(
    model: Model, v: npt.NDArray[np.float64], num_actions: int, gamma: float, out: npt.NDArray[np.float64]
) -> float:
    """Fill `out` with the greatest backup of every state, v left as it is (Jacobi).

    Returns:
        Greatest difference of the two, the Bellman residual of v.

    Source:
        Sutton & Barto (2018), eq. (4.10).
    """
    residual = 0.0
    for s in range(v.size):
        value, _ = greedy_backup(model, v, s, num_actions, gamma)
        residual = max(residual, abs(value - v[s]))
        out[s] = value
    return residual


@kernel
def improving_sweep(
    model: Model, v: npt.NDArray[np.float64], policy: npt.NDArray[np.int32], num_actions: int, gamma: float
) -> float:
    """Give every state its greatest backup in turn, in place (Gauss-Seidel), and note the action that has it.

    Args:
        model: world, see `dynamics`.
        v: (num_states,) float64, state values; changed in place.
        policy: (num_live,) int32, filled in place; states from num_live on are left alone.
        num_actions: number of actions.
        gamma: discount per step, in [0, 1].

    Returns:
        Greatest change of a value; gamma times as much is the most that the Bellman residual can now be.

    Source:
        Sutton & Barto (2018), section 4.4.
    """
    greatest_change = 0.0
    for s in range(policy.size):
        value, action = greedy_backup(model, v, s, num_actions, gamma)
        greatest_change = max(greatest_change, abs(value - v[np.uint64(s)]))
        v[np.uint64(s)] = value
        policy[np.uint64(s)] = action
    return greatest_change


@kernel
def choose_greedily(
    model: Model, v: npt.NDArray[np.float64], num_actions: int, gamma: float, policy: npt.NDArray[np.int32]
) -> int:
    """Fill in the first action of each state that has its greatest backup; returns how many are other than before."""
    num_changed = 0
    for s in range(policy.size):
        _, action = greedy_backup(model, v, s, num_actions, gamma)
        num_changed += np.int64(policy[s] != action)
        policy[s] = action
    return num_changed


@kernel
def evaluating_sweeps(
    model: Model, v: npt.NDArray[np.float64], policy: npt.NDArray[np.int32], gamma: float, num_sweeps: int
) -> float:
    """Give every state the backup of its action in turn, in place, several times over.

    Returns:
        Greatest change of a value in the last sweep.

    Source:
        Sutton & Barto (2018), section 4.1.
    """
    greatest_change = 0.0
    for _ in range(num_sweeps):
        greatest_change = 0.0
        for s in range(policy.size):
            value = backup(model, v, s, np.int64(policy[np.uint64(s)]), gamma)
            greatest_change = max(greatest_change, abs(value - v[np.uint64(s)]))
            v[np.uint64(s)] = value
    return greatest_change


@kernel
def directional_sweep(grid: Grid, v: npt.NDArray[np.float64], gamma: float, upward: bool, leftward: bool) -> float:
    """Sweep a grid in place from one of its corners, row by row, so that values flow in two directions at once.

    Args:
        grid: world.
        v: (num_states,) float64, state values; changed in place.
        gamma: discount per step, in [0, 1].
        upward: go from the last row to the first.
        leftward: go from the last column to the first.

    Returns:
        Greatest change of a value.
    """
    greatest_change = 0.0
    num_rows = v.size // grid.columns  # of all goals' layers, if the goal moves
    for i in range(num_rows):
        first = (num_rows - 1 - i if upward else i) * grid.columns
        for j in range(grid.columns):
            s = first + (grid.columns - 1 - j if leftward else j)
            value, _ = greedy_backup(grid, v, s, 4, gamma)
            greatest_change = max(greatest_change, abs(value - v[s]))
            v[s] = value
    return greatest_change


@kernel
def steps_sweep(model: Model, policy: npt.NDArray[np.int32], steps: npt.NDArray[np.float64], backwards: bool) -> float:
    """Back the expected number of steps to the end up once, in place; infinite entries stay.

    Returns:
        Greatest change relative to the value.
    """
    greatest_change = 0.0
    for i in range(steps.size):
        s = steps.size - 1 - i if backwards else i
        if num_outcomes(model, s, policy[s]) == 0 or np.isinf(steps[s]):
            continue
        value, stay = 1.0, 0.0
        for k in range(num_outcomes(model, s, policy[s])):
            p, s_next, _, terminated = outcome(model, s, policy[s], k)
            if not terminated and p > 0.0:
                if s_next == s:
                    stay += p
                else:
                    value += p * steps[s_next]
        value /= 1.0 - stay  # a state that may stay as it is waits for its own turn no longer
        greatest_change = max(greatest_change, abs(value - steps[s]) / value)
        steps[s] = value
    return greatest_change


@kernel
def mark_endless(model: Model, policy: npt.NDArray[np.int32], endless: npt.NDArray[np.bool_]) -> None:
    """Mark, in place, the states from which a policy may fail to reach an end for ever.

    Two fixed points: the states that can reach an end at all, then those that can stray to one that can't.
    Sweeps alternate in direction, and stop when nothing changes.
    """
    n = policy.size
    endless[:] = True
    changed, backwards = True, False
    while changed:
        changed = False
        for i in range(n):
            s = n - 1 - i if backwards else i
            if endless[s]:
                ends = num_outcomes(model, s, policy[s]) == 0
                for k in range(num_outcomes(model, s, policy[s])):
                    p, s_next, _, terminated = outcome(model, s, policy[s], k)
                    ends = ends or (p > 0.0 and (terminated or not endless[s_next]))
                if ends:
                    endless[s] = False
                    changed = True
        backwards = not backwards
    changed = True
    while changed:
        changed = False
        for i in range(n):
            s = n - 1 - i if backwards else i
            if not endless[s]:
                for k in range(num_outcomes(model, s, policy[s])):
                    p, s_next, _, terminated = outcome(model, s, policy[s], k)
                    if p > 0.0 and not terminated and endless[s_next]:
                        endless[s] = True
                        changed = True
        backwards = not backwards


@kernel
def mark_hopeful(
    model: Model,
    v: npt.NDArray[np.float64],
    num_actions: int,
    gamma: float,
    margin: float,
    hopeful: npt.NDArray[np.bool_],
    reached: npt.NDArray[np.bool_],
) -> None:
    """Mark the states from which an end can be made sure of by actions that are worth the best, less a margin.

    An end must be within reach of actions that can't stray to a state from which none is; so what can't reach one is
    taken out, again and again, until nothing changes.

    Args:
        model: world, see `dynamics`.
        v: (num_states,) float64, state values.
        num_actions: number of actions.
        gamma: discount per step, in [0, 1].
        margin: how much less than the best an action may be worth.
        hopeful: (num_states,) bool, filled in place.
        reached: (num_states,) bool, room to work in.
    """
    hopeful[:] = True
    shrinks = True
    while shrinks:
        reached[:] = False
        changed, backwards = True, False
        while changed:
            changed = False
            for i in range(v.size):
                s = v.size - 1 - i if backwards else i
                if hopeful[s] and not reached[s]:
                    best, _ = greedy_backup(model, v, s, num_actions, gamma)
                    for a in range(num_actions):
                        if backup(model, v, s, a, gamma) >= best - margin and leads_on(model, s, a, hopeful, reached):
                            reached[s] = True
                            changed = True
            backwards = not backwards
        shrinks = False
        for s in range(v.size):
            shrinks = shrinks or hopeful[s] != reached[s]
            hopeful[s] = reached[s]


@kernel
def leads_on(model: Model, s: int, a: int, allowed: npt.NDArray[np.bool_], reached: npt.NDArray[np.bool_]) -> bool:
    """Tell if an action may end the episode or come to a state that was reached, and can't come to one not allowed."""
    found = num_outcomes(model, s, a) == 0
    for k in range(num_outcomes(model, s, a)):
        p, s_next, _, terminated = outcome(model, s, a, k)
        if p > 0.0:
            found = found or terminated or reached[s_next]
            if not (terminated or allowed[s_next]):
                return False
    return found
