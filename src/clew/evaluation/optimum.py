"""Expected steps and return of an optimal episode under the step limit that a policy is graded with.

`solve` leaves the step limit out of the problem; episodes that are played don't. Figures of both are compared only if
they belong to the same problem, so this module computes what the optimum does under the limit:

    the limit provably changes nothing    figures of the unlimited optimal policy
    otherwise                             backward induction, up to `MAX_OUTCOMES` outcomes
    beyond that                           None: not computed
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.evaluation.exact import walk_through
from clew.kernels.dynamics import ENTERS_HAZARD, HAZARD, HITS_OUTER_WALL, Grid
from clew.kernels.planning.horizon import backward_induction_step, policy_backup
from clew.models.mdp import FiniteMDP
from clew.planning import Solution
from clew.planning.search import values_by_distance
from clew.planning.solution import ShortestPaths

TOLERANCE = 1e-6  # of a value; as in `solve`
MAX_OUTCOMES = 200_000_000  # of backward induction or of `_truncated`: about a second each
OUTCOMES_PER_STEP = 2000  # that take as long as calling the kernels for a step of a small world

Values = npt.NDArray[np.float64]


class OptimalEpisode(NamedTuple):
    """Expected figures of an episode of an optimal policy under a step limit, for each start."""

    steps: Values  # (num_starts,), at most the limit
    returns: Values  # (num_starts,), undiscounted sum of rewards


def optimal_episode(optimum: Solution, starts: npt.NDArray[np.int32], max_steps: int) -> OptimalEpisode | None:
    """Compute steps and return of an optimal policy whose episodes are truncated after `max_steps`.

    The policy is optimal for the discount of `optimum` under the limit, to within 1e-6 of a value. Of several optimal
    policies it is the one that takes the first optimal action.

    Args:
        optimum: the optimum without a limit, of `solve`.
        starts: (num_starts,) int32, start states.
        max_steps: step limit of an episode.

    Returns:
        Figures of each start, or None if they would take more than `MAX_OUTCOMES` outcomes.
    """
    if optimum.shortest_paths is not None:
        episode = _by_distance(optimum.shortest_paths, optimum.gamma, starts, max_steps)
        if episode is not None:
            return episode
    unlimited = _unlimited(optimum, starts, max_steps)
    gamma, v = optimum.gamma, optimum.v
    is_far = gamma < 1.0 and gamma**max_steps * float(np.abs(v).max()) <= TOLERANCE
    if is_far or (gamma == 1.0 and optimum.mdp.reward_range[0] == 0.0):  # the limit can only lose, and so little
        episode = unlimited or _truncated(optimum, starts, max_steps)
        if episode is not None and (is_far or np.allclose(episode.returns, v[starts], rtol=0.0, atol=TOLERANCE)):
            return episode
    return _backward_induction(optimum, starts, max_steps, unlimited)


def _by_distance(
    paths: ShortestPaths, gamma: float, starts: npt.NDArray[np.int32], max_steps: int
) -> OptimalEpisode | None:
    """Return the figures of shortest paths; None if the limit may change what is optimal, or there is no path.

    Moves are deterministic and every move pays the same, so an episode either ends within the limit, at best by a
    shortest path, or is truncated and pays for all its steps.
    """
    distances = paths.distances[starts]
    lost = paths.grid.step_reward * (max_steps if gamma == 1.0 else (1.0 - gamma**max_steps) / (1.0 - gamma))
    longest = int(distances.max())
    if distances.min() <= 0 or longest > max_steps or (paths.value_by_distance[distances] < lost).any():
        return None
    returns, _ = values_by_distance(paths.grid, 1.0, longest)
    return OptimalEpisode(distances.astype(np.float64), returns[distances])


def _backward_induction(
    optimum: Solution, starts: npt.NDArray[np.int32], max_steps: int, unlimited: OptimalEpisode | None
) -> OptimalEpisode | None:
    """Compute the optimum for 1, 2, ..., `max_steps` remaining steps by backward induction; None if it takes too long.

        v_0 = 0, v_k = T v_(k - 1)

    T brings values no further from its fixed point v*. So once v_k is within the tolerance of v* everywhere, the values
    under the limit are too, and the unlimited policy is optimal for the limit if its episodes end within it, so that
    `unlimited` has its figures.
    """
    mdp, gamma = optimum.mdp.filled, optimum.gamma
    v, v_after, steps, steps_after, returns, returns_after = np.zeros((6, mdp.num_states))
    policy = np.empty(mdp.num_states, np.min_scalar_type(mdp.num_actions - 1))
    for k in range(1, max_steps + 1):
        if k * (mdp.num_outcomes + OUTCOMES_PER_STEP) > MAX_OUTCOMES:
            return None
        backward_induction_step(mdp.model, v_after, steps_after, gamma, v, steps, policy, mdp.num_actions)
        policy_backup(mdp.model, policy, returns_after, steps_after, returns, steps)
        if unlimited is not None and np.allclose(v, optimum.v, rtol=0.0, atol=TOLERANCE):
            return unlimited
        v, v_after, steps, steps_after, returns, returns_after = v_after, v, steps_after, steps, returns_after, returns
    return OptimalEpisode(steps_after[starts], returns_after[starts])


def _unlimited(optimum: Solution, starts: npt.NDArray[np.int32], max_steps: int) -> OptimalEpisode | None:
    """Return the figures of the optimal policy without a limit; None if they are unknown, or the limit changes them.

    From every state half of the episodes end within twice the expected steps n, so at most 2**-(max_steps // 2n) last
    longer than the limit.
    """
    steps = optimum.steps_from
    longest, largest = float(steps[np.isfinite(steps)].max(initial=1.0)), max(1.0, *map(abs, optimum.mdp.reward_range))
    if optimum.mdp.is_deterministic:
        is_kept = steps[starts].max() <= max_steps
    else:
        lost = 2.0 ** -(max_steps // (2.0 * longest)) * longest * largest
        is_kept = lost <= TOLERANCE and np.isfinite(steps[starts]).all()
    returns = _undiscounted(optimum) if is_kept else None
    if returns is None or not np.isfinite(returns[starts]).all():
        return None
    return OptimalEpisode(steps[starts], returns[starts])


def _undiscounted(optimum: Solution) -> Values | None:
    """Return the undiscounted values of the optimal policy; None if they are not found to within the tolerance."""
    if optimum.gamma == 1.0:
        return optimum.v
    taken = optimum.actions[:, None] == np.arange(optimum.mdp.num_actions)
    values, bound = walk_through(optimum.mdp, taken).values(1.0, TOLERANCE)
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=1.0))
    return values if bound <= TOLERANCE * largest else None


def _truncated(optimum: Solution, starts: npt.NDArray[np.int32], max_steps: int) -> OptimalEpisode | None:
    """Evaluate the optimal policy step by step up to the limit; None if that takes too long.

    The share of episodes that last at least k steps is what the k-th step adds to the expected steps. It shrinks by the
    same factor in the next k steps, so what is left to add is at most k * share / (1 - share).
    """
    mdp, policy = optimum.mdp, optimum.actions
    largest = max(1.0, *map(abs, mdp.reward_range))
    steps, steps_after, returns, returns_after = np.zeros((4, mdp.num_states))
    for k in range(1, max_steps + 1):
        if k * (mdp.num_states * mdp.max_outcomes + OUTCOMES_PER_STEP) > MAX_OUTCOMES:
            return None
        share = policy_backup(mdp.model, policy, returns_after, steps_after, returns, steps)
        steps, steps_after, returns, returns_after = steps_after, steps, returns_after, returns
        if share < 1.0 and k * share * largest <= TOLERANCE * (1.0 - share):
            break
    return OptimalEpisode(steps_after[starts], returns_after[starts])


def steps_count(mdp: FiniteMDP, gamma: float) -> bool:
    """Return whether fewer steps are better.

    They are if every end pays the same, no other step pays a positive reward, and an end is better than never
    ending. Otherwise an episode can be short because it failed, and the steps of a policy and of the optimum can't be
    compared.
    """
    model = mdp.model
    if isinstance(model, Grid):
        kinds = [0, HITS_OUTER_WALL] + ([ENTERS_HAZARD] if np.bitwise_or.reduce(model.cells) & HAZARD else [])
        ends, others = np.array([model.goal_reward]), model.rewards[kinds]
    else:
        possible = model.probabilities > 0.0
        ends, others = (model.rewards[possible & (model.terminated == is_end)] for is_end in (True, False))
    if gamma == 0.0 or not ends.size or ends.min() < ends.max():
        return False
    end, step = float(ends[0]), float(others.max(initial=-np.inf))
    return step <= min(0.0, (1.0 - gamma) * end) and (step < 0.0 or end > 0.0)
