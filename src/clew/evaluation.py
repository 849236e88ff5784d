"""Grading a policy: how it does, and how far that is from the exact optimum."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.dynamic_programming import Solution, solve
from clew.environments import Environment, as_compiled
from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.rollouts import Totals, play_episodes
from clew.kernels.sampling import new_stream
from clew.mdp import check_memory
from clew.policies import Policy, table_shape
from clew.simulation import Simulation

__all__ = ["Evaluation", "evaluate_policy"]


@dataclass(frozen=True)
class Evaluation:
    """What greedy episodes of a policy came to; no exploring, nothing learned.

    Attributes:
        num_episodes: how many were played.
        mean_steps: steps an episode; one that the step limit cut off counts with all its steps.
        success_rate: share of episodes that reached an end and not the step limit.
        mean_return: undiscounted sum of rewards an episode.
        optimal_steps: expected steps of the optimal policy from the same starts; None where no model is known.
        optimal_value: expected discounted return of the optimal policy from the same starts; None likewise.
        gap: mean_steps - optimal_steps; 0 is optimal where a shortest way is a best one. None without a model.
        value_gap: optimal_value less the mean discounted return of the episodes. None without a model.
    """

    num_episodes: int
    mean_steps: float
    success_rate: float
    mean_return: float
    optimal_steps: float | None
    optimal_value: float | None
    gap: float | None
    value_gap: float | None


def evaluate_policy(
    env: Any,
    policy: Policy,
    num_episodes: int = 10,
    *,
    gamma: float = 0.9,
    seed: int = 0,
    starts: npt.ArrayLike | None = None,
    optimum: Solution | None = None,
) -> Evaluation:
    """Play greedy episodes and grade them against the exact optimum. It always ends: the step limit sees to that.

    Args:
        env: environment with Discrete spaces; the optimum is known for `clew.Environment` alone.
        policy: is played greedily, ties broken at random.
        num_episodes: how many episodes, each from a start that is drawn anew.
        gamma: discount of the values.
        seed: decides every draw.
        starts: states to begin in, an episode each, in place of `num_episodes` draws; `env.mdp.starts` tries them all.
        optimum: `solve(env, gamma=gamma)`, if that has been computed before.

    Raises:
        SettingError: if a setting is out of range, or the policy doesn't fit the environment.
    """
    if not isinstance(num_episodes, Integral) or num_episodes < 1:
        raise SettingError(f"num_episodes must be at least 1, not {num_episodes}")
    check_memory(40 * num_episodes, "the list of episodes")
    if not 0.0 <= gamma <= 1.0:
        raise SettingError(f"gamma must be in [0, 1], not {gamma}")
    if optimum is not None and optimum.gamma != gamma:
        raise SettingError(f"the optimum is for gamma {optimum.gamma}, not {gamma}")
    if not isinstance(seed, Integral) or seed < 0:
        raise SettingError(f"seed must be a whole number, and not negative: {seed}")
    if policy.q.shape != table_shape(env):
        raise SettingError(f"a policy of {policy.q.shape} values doesn't fit an environment of {table_shape(env)}")
    compiled = as_compiled(env)
    if compiled is None:
        if starts is not None:
            raise SettingError("starts can be chosen in a clew.Environment only; others draw their own")
        return _evaluate_samples(env, policy, num_episodes, seed)
    return _evaluate_model(compiled, policy, num_episodes, gamma, seed, starts, optimum)


def _evaluate_model(
    env: Environment,
    policy: Policy,
    num_episodes: int,
    gamma: float,
    seed: int,
    starts: npt.ArrayLike | None,
    optimum: Solution | None,
) -> Evaluation:
    if starts is None:
        draws = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
        chosen = draws.choice(env.mdp.starts, num_episodes)
    else:
        chosen = _checked_starts(env, starts)
    n = chosen.size
    totals = Totals(np.empty(n, np.int64), np.empty(n), np.empty(n, np.bool_))
    discounted_returns = np.empty(n)
    play_episodes(
        env.mdp.model,
        read_only(policy.q),
        chosen,
        env.max_episode_steps,
        gamma,
        0.0,
        new_stream(seed, 1),
        totals,
        discounted_returns,
    )
    if optimum is None:
        optimum = solve(env, gamma=gamma)
    optimal_steps = float(optimum.steps_from[chosen].mean())
    optimal_value = float(optimum.v[chosen].mean())
    mean_steps = float(totals.steps.mean())
    return Evaluation(
        num_episodes=n,
        mean_steps=mean_steps,
        success_rate=float(totals.terminated.mean()),
        mean_return=float(totals.episode_return.mean()),
        optimal_steps=optimal_steps,
        optimal_value=optimal_value,
        gap=mean_steps - optimal_steps,
        value_gap=optimal_value - float(discounted_returns.mean()),
    )


def _checked_starts(env: Environment, starts: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Check that episodes can begin in these states."""
    states = np.asarray(starts)
    if states.ndim != 1 or states.size == 0 or not np.issubdtype(states.dtype, np.integer):
        raise SettingError("starts must be a list of states, at least one")
    if states.min() < 0 or states.max() >= env.mdp.num_states:
        raise SettingError(f"starts must be states in 0..{env.mdp.num_states - 1}")
    over = env.is_over(states)
    if over.any():
        raise SettingError(
            f"starts must be states in which an episode goes on; {states[over][0]} is on a goal or a wall"
        )
    return states.astype(np.int32)


def _evaluate_samples(env: Any, policy: Policy, num_episodes: int, seed: int) -> Evaluation:
    trajectory = Simulation(env).rollouts(policy.q, num_episodes, exploration=0.0, stream=new_stream(seed, 1))
    return Evaluation(
        num_episodes=num_episodes,
        mean_steps=len(trajectory) / num_episodes,
        success_rate=trajectory.num_successes / num_episodes,
        mean_return=float(trajectory.reward.sum(dtype=np.float64)) / num_episodes,
        optimal_steps=None,
        optimal_value=None,
        gap=None,
        value_gap=None,
    )
