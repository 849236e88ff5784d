"""Sweeps over all states: value iteration, policy improvement, policy evaluation, and whether a policy ends."""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import Grid, Model, num_outcomes, outcome
from clew.kernels.planning.backups import backup, greedy_backup


@kernel
def synchronous_sweep(
    model: Model, v: npt.NDArray[np.float64], num_actions: int, gamma: float, out: npt.NDArray[np.float64]
) -> float:
    """Fill `out` with the largest backup of every state, without changing v: a sweep of value iteration (Jacobi).

    Args:
        model: world, see `clew.kernels.dynamics`.
        v: (num_states,) float64, state values.
        num_actions: number of actions.
        gamma: discount per step, in [0, 1].
        out: (num_states,) float64, filled in place.

    Returns:
        Bellman residual of v, max_s |out[s] - v[s]|.

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
def gauss_seidel_sweep(
    model: Model, v: npt.NDArray[np.float64], policy: npt.NDArray[np.int32], num_actions: int, gamma: float
) -> float:
    """Replace the value of each state by its largest backup, one after the other in place, and store the greedy action.

    Args:
        model: world, see `clew.kernels.dynamics`.
        v: (num_states,) float64, state values; changed in place.
        policy: (num_live,) int32, filled in place; the states from num_live on are skipped.
        num_actions: number of actions.
        gamma: discount per step, in [0, 1].

    Returns:
        Largest change of a value; the Bellman residual is now at most gamma times this.

    Source:
        Sutton & Barto (2018), section 4.4.
    """
    max_change = 0.0
    for s in range(policy.size):
        value, action = greedy_backup(model, v, s, num_actions, gamma)
        max_change = max(max_change, abs(value - v[np.uint64(s)]))
        v[np.uint64(s)] = value
        policy[np.uint64(s)] = action
    return max_change


@kernel
def improve_policy(
    model: Model, v: npt.NDArray[np.float64], num_actions: int, gamma: float, policy: npt.NDArray[np.int32]
) -> int:
    """Set the action of each state to the first one that attains its largest backup: policy improvement.

    Args:
        model: world, see `clew.kernels.dynamics`.
        v: (num_states,) float64, state values.
        num_actions: number of actions.
        gamma: discount per step, in [0, 1].
        policy: int32, actions of the first `policy.size` states; changed in place.

    Returns:
        Number of states whose action changed.

    Source:
        Sutton & Barto (2018), eq. (4.9).
    """
    num_changed = 0
    for s in range(policy.size):
        _, action = greedy_backup(model, v, s, num_actions, gamma)
        num_changed += np.int64(policy[s] != action)
        policy[s] = action
    return num_changed


@kernel
def evaluation_sweeps(
    model: Model, v: npt.NDArray[np.float64], policy: npt.NDArray[np.int32], gamma: float, num_sweeps: int
) -> float:
    """Replace the value of each state by the backup of its policy's action, in place, in a given number of sweeps.

    Args:
        model: world, see `clew.kernels.dynamics`.
        v: (num_states,) float64, state values; changed in place.
        policy: (num_live,) int32, actions; the states from num_live on are skipped.
        gamma: discount per step, in [0, 1].
        num_sweeps: number of sweeps.

    Returns:
        Largest change of a value in the last sweep.

    Source:
        Sutton & Barto (2018), section 4.1.
    """
    max_change = 0.0
    for _ in range(num_sweeps):
        max_change = 0.0
        for s in range(policy.size):
            value = backup(model, v, s, np.int64(policy[np.uint64(s)]), gamma)
            max_change = max(max_change, abs(value - v[np.uint64(s)]))
            v[np.uint64(s)] = value
    return max_change


@kernel
def directional_sweep(grid: Grid, v: npt.NDArray[np.float64], gamma: float, upward: bool, leftward: bool) -> float:
    """Replace the value of each state of a grid by its largest backup, in place, beginning at one of the four corners.

    Cells are visited row by row, so that one sweep carries values in two directions.

    Args:
        grid: world.
        v: (num_states,) float64, state values; changed in place.
        gamma: discount per step, in [0, 1].
        upward: go from the last row to the first.
        leftward: go from the last column to the first.

    Returns:
        Largest change of a value.
    """
    max_change = 0.0
    num_rows = v.size // grid.columns  # in the layers of all goals, if the goal moves
    for i in range(num_rows):
        first = (num_rows - 1 - i if upward else i) * grid.columns
        for j in range(grid.columns):
            s = first + (grid.columns - 1 - j if leftward else j)
            value, _ = greedy_backup(grid, v, s, 4, gamma)
            max_change = max(max_change, abs(value - v[s]))
            v[s] = value
    return max_change


@kernel
def steps_sweep(model: Model, policy: npt.NDArray[np.int32], steps: npt.NDArray[np.float64], backwards: bool) -> float:
    """Replace each expected number of steps to the end by its backup under a policy, once and in place.

        steps[s] = (1 + sum over s_next != s of p * steps[s_next]) / (1 - p(s | s))

    Infinite entries and states without outcomes are left unchanged.

    Args:
        model: world, see `clew.kernels.dynamics`.
        policy: (num_states,) int32, actions.
        steps: (num_states,) float64, expected steps; changed in place.
        backwards: go from the last state to the first.

    Returns:
        Largest change, relative to the new value.
    """
    max_change = 0.0
    for i in range(steps.size):
        s = steps.size - 1 - i if backwards else i
        if num_outcomes(model, s, policy[s]) == 0 or np.isinf(steps[s]):
            continue
        value, p_stay = 1.0, 0.0
        for k in range(num_outcomes(model, s, policy[s])):
            p, s_next, _, terminated = outcome(model, s, policy[s], k)
            if not terminated and p > 0.0:
                if s_next == s:
                    p_stay += p
                else:
                    value += p * steps[s_next]
        value /= 1.0 - p_stay
        max_change = max(max_change, abs(value - steps[s]) / value)
        steps[s] = value
    return max_change


@kernel
def mark_nonterminating(model: Model, policy: npt.NDArray[np.int32], nonterminating: npt.NDArray[np.bool_]) -> None:
    """Mark the states from which a policy may never end the episode.

    An end is an outcome that terminates, or a state without outcomes. The first loop finds the states that can reach an
    end at all; the second one adds the states that may reach one that can't. Sweeps alternate in direction until
    nothing changes.

    Args:
        model: world, see `clew.kernels.dynamics`.
        policy: (num_states,) int32, actions.
        nonterminating: (num_states,) bool, filled in place.
    """
    n = policy.size
    nonterminating[:] = True
    changed, backwards = True, False
    while changed:
        changed = False
        for i in range(n):
            s = n - 1 - i if backwards else i
            if nonterminating[s]:
                may_end = num_outcomes(model, s, policy[s]) == 0
                for k in range(num_outcomes(model, s, policy[s])):
                    p, s_next, _, terminated = outcome(model, s, policy[s], k)
                    may_end = may_end or (p > 0.0 and (terminated or not nonterminating[s_next]))
                if may_end:
                    nonterminating[s] = False
                    changed = True
        backwards = not backwards
    changed = True
    while changed:
        changed = False
        for i in range(n):
            s = n - 1 - i if backwards else i
            if not nonterminating[s]:
                for k in range(num_outcomes(model, s, policy[s])):
                    p, s_next, _, terminated = outcome(model, s, policy[s], k)
                    if p > 0.0 and not terminated and nonterminating[s_next]:
                        nonterminating[s] = True
                        changed = True
        backwards = not backwards


@kernel
def mark_proper(
    model: Model,
    v: npt.NDArray[np.float64],
    num_actions: int,
    gamma: float,
    margin: float,
    proper: npt.NDArray[np.bool_],
    reached: npt.NDArray[np.bool_],
) -> None:
    """Mark the states from which near-greedy actions can end the episode with probability 1.

    An action is near-greedy if its backup is at most `margin` below the largest of its state. The result is the largest
    set of states in which every state can reach an end by near-greedy actions that can't leave the set: states that
    can't are removed until nothing changes.

    Args:
        model: world, see `clew.kernels.dynamics`.
        v: (num_states,) float64, state values.
        num_actions: number of actions.
        gamma: discount per step, in [0, 1].
        margin: largest difference from the best backup of a state.
        proper: (num_states,) bool, filled in place.
        reached: (num_states,) bool, workspace.
    """
    proper[:] = True
    shrinks = True
    while shrinks:
        reached[:] = False
        changed, backwards = True, False
        while changed:
            changed = False
            for i in range(v.size):
                s = v.size - 1 - i if backwards else i
                if proper[s] and not reached[s]:
                    best, _ = greedy_backup(model, v, s, num_actions, gamma)
                    for a in range(num_actions):
                        if backup(model, v, s, a, gamma) >= best - margin and reaches_within(
                            model, s, a, proper, reached
                        ):
                            reached[s] = True
                            changed = True
            backwards = not backwards
        shrinks = False
        for s in range(v.size):
            shrinks = shrinks or proper[s] != reached[s]
            proper[s] = reached[s]


@kernel
def reaches_within(
    model: Model, s: int, a: int, allowed: npt.NDArray[np.bool_], reached: npt.NDArray[np.bool_]
) -> bool:
    """Return whether an action may end the episode or reach a `reached` state, and can't leave the `allowed` states.

    Args:
        model: world, see `clew.kernels.dynamics`.
        s: state.
        a: action.
        allowed: (num_states,) bool.
        reached: (num_states,) bool.
    """
    reaches = num_outcomes(model, s, a) == 0
    for k in range(num_outcomes(model, s, a)):
        p, s_next, _, terminated = outcome(model, s, a, k)
        if p > 0.0:
            reaches = reaches or terminated or reached[s_next]
            if not (terminated or allowed[s_next]):
                return False
    return reaches
