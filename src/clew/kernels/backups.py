"""Planning with a known model: Bellman backups, sweeps made of them, and breadth-first search."""

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.dynamics import BLOCKED, GOAL, Grid, Model, neighbour, num_outcomes, outcome


@kernel
def backup(model: Model, v: npt.NDArray[np.float64], s: int, a: int, gamma: float) -> float:
    """Expected value of taking action a in state s, then being worth v.

        sum over outcomes of p * (reward + gamma * v[s_next]), where v of a terminated outcome is 0

    Source:
        Sutton & Barto (2018), eq. (4.6), inside the bracket.
    """
    value = 0.0
    for k in range(num_outcomes(model, s, a)):
        p, s_next, reward, terminated = outcome(model, s, a, k)
        value += p * reward if terminated else p * (reward + gamma * v[s_next])
    return value


@kernel
def backup_all(model: Model, v: npt.NDArray[np.float64], gamma: float, q: npt.NDArray[np.float64]) -> None:
    """Fill q, (num_states, num_actions), with the backup of every state and action."""
    for s in range(q.shape[0]):
        for a in range(q.shape[1]):
            q[s, a] = backup(model, v, s, a, gamma)


@kernel
def best_backup(model: Model, v: npt.NDArray[np.float64], s: int, num_actions: int, gamma: float) -> float:
    """max_a of the backups of state s."""
    best = backup(model, v, s, 0, gamma)
    for a in range(1, num_actions):
        best = max(best, backup(model, v, s, a, gamma))
    return best


@kernel
def sweep(model: Model, v: npt.NDArray[np.float64], num_actions: int, gamma: float, backwards: bool) -> float:
    """Back every state up once, in place (Gauss-Seidel).

    Args:
        model: world, see `dynamics`.
        v: (num_states,) float64, state values; changed in place.
        num_actions: number of actions.
        gamma: discount a step, in [0, 1].
        backwards: go from the last state to the first.

    Returns:
        Greatest change of a value.

    Source:
        Sutton & Barto (2018), section 4.4.
    """
    greatest_change = 0.0
    for i in range(v.size):
        s = v.size - 1 - i if backwards else i
        value = best_backup(model, v, s, num_actions, gamma)
        greatest_change = max(greatest_change, abs(value - v[s]))
        v[s] = value
    return greatest_change


@kernel
def bellman_residual(model: Model, v: npt.NDArray[np.float64], num_actions: int, gamma: float) -> float:
    """max_s |(T v)(s) - v(s)|, with v left as it is: the certificate, since |v - v*| <= residual / (1 - gamma)."""
    residual = 0.0
    for s in range(v.size):
        residual = max(residual, abs(best_backup(model, v, s, num_actions, gamma) - v[s]))
    return residual


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
def breadth_first(
    grid: Grid,
    goal: int,
    distances: npt.NDArray[np.int32],
    actions: npt.NDArray[np.int32],
    queue: npt.NDArray[np.int32],
) -> None:
    """Find the number of steps from every cell to the nearest goal, and a first step of a shortest way.

    Walls stop both directions (checked when the model is made), so the search runs outward from the goals.

    Args:
        grid: world; slip and rewards don't matter here.
        goal: the goal's cell; -1 takes the cells with the GOAL bit.
        distances: (num_cells,) int32, filled in place; -1 where there is no way.
        actions: (num_cells,) int32, filled in place; 0 on goals and where there is no way.
        queue: (num_cells,) int32, room to work in.
    """
    head, tail = 0, 0
    for cell in range(grid.num_cells):
        is_goal = cell == goal or (goal < 0 and (grid.cells[cell] & GOAL) != 0)
        distances[cell] = 0 if is_goal else -1
        actions[cell] = 0
        if is_goal:
            queue[tail] = cell
            tail += 1
    while head < tail:
        cell = np.int64(queue[head])
        head += 1
        for a in range(4):
            if (grid.cells[cell] >> a) & 1 == 0:
                found = neighbour(grid, cell, a)
                if distances[found] < 0:
                    distances[found] = distances[cell] + 1
                    actions[found] = (a + 2) & 3  # the way back
                    queue[tail] = found
                    tail += 1


@kernel
def label_regions(grid: Grid, labels: npt.NDArray[np.int32], queue: npt.NDArray[np.int32]) -> None:
    """Give cells with a way between them one number, from 0; blocked cells get -1.

    Args:
        grid: world; slip and rewards don't matter here.
        labels: (num_cells,) int32, filled in place.
        queue: (num_cells,) int32, room to work in.
    """
    labels[:] = -1
    num_regions = 0
    for first in range(grid.num_cells):
        if labels[first] >= 0 or (grid.cells[first] & BLOCKED) != 0:
            continue
        labels[first] = num_regions
        queue[0] = first
        head, tail = 0, 1
        while head < tail:
            cell = np.int64(queue[head])
            head += 1
            for a in range(4):
                if (grid.cells[cell] >> a) & 1 == 0:
                    found = neighbour(grid, cell, a)
                    if labels[found] < 0:
                        labels[found] = num_regions
                        queue[tail] = found
                        tail += 1
        num_regions += 1
