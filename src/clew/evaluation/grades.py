"""Grading a policy: statistics of its greedy episodes, and its distance from the exact optimum."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.environments import ModelEnvironment, World, as_compiled, model_of
from clew.errors import PrecisionError, PrecisionWarning, SettingError
from clew.evaluation.exact import walk_through
from clew.evaluation.intervals import mean_interval, rate_with_interval
from clew.evaluation.optimum import TOLERANCE, optimal_episode, steps_count
from clew.evaluation.results import Evaluation, Grade
from clew.kernels.dynamics import Sparse
from clew.kernels.learning.rollouts import EpisodeStats, new_episode_stats, play_episodes
from clew.kernels.planning.grading import propagate_suboptimal
from clew.kernels.sampling import new_stream
from clew.models.mdp import FiniteMDP
from clew.models.rows import unwrap_transparent
from clew.planning import Solution, find_optimum
from clew.policies.episodes import Simulation
from clew.policies.given import HasPolicy, Weights, choices_of, weights_of
from clew.policies.policy import Policy, table_shape
from clew.settings import MAX_EPISODES, SHARE, as_states, check_count, check_memory, check_number

OTHER_WORLD = "the optimum belongs to another world; give solve(world, gamma=gamma) of this one"


def evaluate_policy(
    env: Any,
    policy: Policy | HasPolicy | npt.ArrayLike,
    num_episodes: int = 10,
    *,
    gamma: float = 0.9,
    seed: int = 0,
    starts: npt.ArrayLike | None = None,
    optimum: Solution | None = None,
) -> Evaluation:
    """Play episodes of a policy, without exploring, and grade it against the exact optimum.

    Args:
        env: environment with Discrete spaces, or a model. The optimum is computed for Clew's environments, and for
            those of Gymnasium that have a table of transitions.
        policy: a policy or a `Solution`; action values, (num_states, num_actions), of which ties are broken at random;
            or an action for each state, (num_states,) integers.
        num_episodes: number of episodes, each from a start that is drawn at random.
        gamma: discount per step, in [0, 1], of the optimum and of the values. A policy doesn't know the discount that
            it was trained with: give the same one here if it wasn't 0.9.
        seed: decides every draw.
        starts: (num_episodes,) states to start from, one episode each, instead of `num_episodes` draws;
            `env.mdp.starts` plays all of them.
        optimum: result of `solve(env, gamma=gamma)`, if it has been computed before.

    Returns:
        Statistics of the episodes, and the grade. Episodes always end: by the step limit at the latest. If the values
        of the policy couldn't be computed exactly enough, a `PrecisionWarning` says so, and the grade is None.

    Raises:
        SettingError: if a setting is out of range, or the policy doesn't fit the environment, is an array that can be
            read in two ways, or has a `get_action` of its own, since its table is graded.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(3, 3))
    >>> policy = clew.train_policy(env, num_episodes=500, seed=1)
    >>> clew.evaluate_policy(env, policy).excess_steps
    0.0
    """
    check_count("num_episodes", num_episodes, 1, MAX_EPISODES)
    check_memory(40 * num_episodes, "the list of episodes")
    _check_gamma(gamma, optimum)
    check_count("seed", seed, 0)
    choices_of(policy, table_shape(env))  # raises an error if the environment or the policy is unsuitable
    compiled, threshold = as_compiled(env), _success_threshold(env)
    if compiled is None:
        if starts is not None:
            raise SettingError(
                "starts can be given only if the model is known; this environment draws its own; leave them out"
            )
        return _evaluate_samples(env, policy, num_episodes, seed, threshold)
    return _evaluate_model(compiled, policy, num_episodes, gamma, seed, starts, optimum, threshold)


def evaluate_values(
    world: World,
    policy: Policy | HasPolicy | npt.ArrayLike,
    *,
    gamma: float = 0.9,
    starts: npt.ArrayLike | None = None,
    optimum: Solution | None = None,
) -> Grade:
    """Grade a policy exactly, without playing episodes.

    Args:
        world: environment, model or maze.
        policy: a policy or a `Solution`; action values, (num_states, num_actions), of which ties are broken at random;
            or an action for each state, (num_states,) integers.
        gamma: discount per step, in [0, 1], of the optimum and of the values. A table doesn't know the discount that
            it was trained with: give the same one here if it wasn't 0.9.
        starts: (num_starts,) states to start from, instead of those of the world.
        optimum: result of `solve(world, gamma=gamma)`, if it has been computed before.

    Raises:
        SettingError: if a setting is out of range, the policy doesn't fit the world, or an array can be read in two
            ways.
        PrecisionError: if the values of the policy couldn't be computed exactly enough.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(3, 3))
    >>> clew.evaluate_values(env, clew.solve(env)).optimal_states
    1.0
    """
    _check_gamma(gamma, optimum)
    mdp = model_of(world)
    chosen = mdp.starts if starts is None else _checked_states(mdp, starts)
    return _grade(mdp, weights_of(policy, mdp), gamma, chosen, optimum or _exact_optimum(mdp, gamma))


def _check_gamma(gamma: float, optimum: Solution | None) -> None:
    check_number("gamma", gamma, SHARE)
    if optimum is not None and not isinstance(optimum, Solution):
        raise SettingError(f"optimum must be the result of solve(world, gamma=...), not {type(optimum).__name__}")
    if optimum is not None and optimum.gamma != gamma:
        raise SettingError(f"the optimum is for gamma {optimum.gamma}, not {gamma}")


# Exactly --------------------------------------------------------------------------------------------------------------


def is_same_model(mdp: FiniteMDP, other: FiniteMDP) -> bool:
    """Return whether two models have equal arrays, such as a copy that was sent to another process."""
    models: tuple[Any, Any] = mdp.model, other.model
    return mdp is other or (type(models[0]) is type(models[1]) and all(map(np.array_equal, *models)))


def _grade(
    mdp: FiniteMDP,
    weights: Weights,
    gamma: float,
    starts: npt.NDArray[np.int32],
    optimum: Solution,
) -> Grade:
    if not is_same_model(mdp, optimum.mdp):
        raise SettingError(OTHER_WORLD)
    if np.isneginf(optimum.v[starts]).any():
        raise SettingError(
            "must be below 1 here: from a start that is graded no policy has a finite value", setting="gamma"
        )
    optimal = optimum.optimal_actions
    ends = ~np.isinf(optimum.steps_from)
    matters = ~(optimal if mdp.all_available else optimal | ~mdp.available).all(axis=1)
    if (ends & (optimum.steps_from != 0.0)).any():
        matters &= ends
    wrong: npt.NDArray[np.bool_] = np.any((weights > 0.0) & ~optimal, axis=1)
    walk = walk_through(mdp, weights)
    v, bound = walk.values(gamma, TOLERANCE)
    _check_precision(v, bound, optimum, gamma)
    with np.errstate(invalid="ignore"):  # two infinite values have no difference
        gaps = optimum.v - v
    some = bool(matters.any())
    optimal_states = 1.0 - float(wrong[matters].mean()) if some else None
    propagate_suboptimal(walk.chain, walk.components, walk.num_components, ends, np.empty_like(wrong), wrong)
    return Grade(
        optimal_states=optimal_states,
        optimal_starts=1.0 - float(wrong[starts].mean()),
        suboptimality=float(gaps[starts].mean()),
        max_suboptimality=float(gaps[matters].max()) if some else None,
        suboptimality_bound=float(optimum.bound + bound),
    )


def _exact_optimum(mdp: FiniteMDP, gamma: float) -> Solution:
    """Return the optimal solution, proved to within 1e-6 of its largest value.

    Raises:
        PrecisionError: if it couldn't be computed that exactly.
    """
    optimum = find_optimum(mdp, gamma)
    if not optimum.bound <= TOLERANCE * _largest(optimum.v):
        raise PrecisionError(
            f"this policy can't be graded exactly: with gamma {gamma} the optimal values are proved to within "
            f"{optimum.bound:.3g} only; a smaller gamma needs less work"
        )
    return optimum


def _largest(v: npt.NDArray[np.float64]) -> float:
    """Return the largest finite value, without its sign, and at least 1."""
    return float(np.abs(v[np.isfinite(v)]).max(initial=1.0))


def _check_precision(v: npt.NDArray[np.float64], bound: float, optimum: Solution, gamma: float) -> None:
    """Check that values of the policy are as precise as those of the optimum, or to within 1e-6 of the largest value.

    Raises:
        PrecisionError: if they are not, so that a grade made of them would be wrong.
    """
    if np.isnan(v).any() or not bound <= max(TOLERANCE * _largest(optimum.v), optimum.bound):
        raise PrecisionError(
            f"this policy can't be graded exactly: with gamma {gamma} its values in {v.size:,} states take too long "
            f"to compute, and are proved to within {bound:.3g} only; a smaller gamma needs less work"
        )


# Played ---------------------------------------------------------------------------------------------------------------


def _evaluate_model(
    env: ModelEnvironment,
    policy: Any,
    num_episodes: int,
    gamma: float,
    seed: int,
    starts: npt.ArrayLike | None,
    optimum: Solution | None,
    threshold: float | None,
) -> Evaluation:
    if starts is None:
        draws = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
        played, graded = draws.choice(env.mdp.starts, num_episodes), env.mdp.starts
    else:
        played = graded = _checked_starts(env, starts)
    stats = new_episode_stats(played.size)
    play_episodes(
        env.mdp.model,
        choices_of(policy, table_shape(env), env.mdp),
        played,
        env.max_episode_steps,
        gamma,
        0.0,
        new_stream(seed, 1),
        stats,
        np.empty(played.size),
    )
    figures = _figures(stats, threshold)
    try:
        optimum = optimum or _exact_optimum(env.mdp, gamma)
        best = optimal_episode(optimum, played.astype(np.int32), env.max_episode_steps)
        if best is not None:
            figures["optimal_return"] = float(best.returns.mean())
            if gamma > 0.0:  # else any action that pays most is optimal, however long the episode becomes
                figures["optimal_steps"] = float(best.steps.mean())
            if steps_count(env.mdp, gamma):
                figures["excess_steps"] = figures["mean_steps"] - figures["optimal_steps"]
        figures |= asdict(_grade(env.mdp, weights_of(policy, env.mdp), gamma, graded, optimum))
    except PrecisionError as error:
        warnings.warn(str(error), PrecisionWarning, stacklevel=3)
    return Evaluation(**figures)


def _checked_states(mdp: FiniteMDP, starts: npt.ArrayLike) -> npt.NDArray[np.int32]:
    states: npt.NDArray[np.int32] = as_states("starts", starts, mdp.num_states).astype(np.int32)
    if states.ndim != 1 or states.size == 0:
        raise SettingError("must be a non-empty list of states", setting="starts")
    return states


def _checked_starts(env: ModelEnvironment, starts: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Return the states as int32, checked: episodes can start in them."""
    states = _checked_states(env.mdp, starts)
    over = env.is_terminal(states)
    if over.any():
        raise SettingError(
            f"starts must be states in which an episode can start; {states[over][0]} is a goal, a wall, or unreachable"
        )
    return states


def _evaluate_samples(env: Any, policy: Any, num_episodes: int, seed: int, threshold: float | None) -> Evaluation:
    trajectory = Simulation(env).rollouts(policy, num_episodes, exploration=0.0, stream=new_stream(seed, 1))
    lasts = np.flatnonzero(trajectory.terminated | trajectory.truncated)
    firsts = np.concatenate(([0], lasts[:-1] + 1))
    episode_return = np.add.reduceat(trajectory.reward.astype(np.float64), firsts)
    stats = EpisodeStats(lasts - firsts + 1, episode_return, trajectory.terminated[lasts])
    return Evaluation(**_figures(stats, threshold))


def _success_threshold(env: Any) -> float | None:
    """Return the return from which an episode that terminates succeeds: -inf if each does; None if no goal is declared.

    Wrappers that Clew doesn't know may terminate elsewhere, or change rewards, so they have to declare `has_goal`
    themselves. A `reward_threshold` is meant for the mean return. Where all ends pay the same, as in Taxi, reaching one
    is what it asks for, however long it takes; where they differ, as in FrozenLake, the threshold distinguishes them.
    """
    inner = unwrap_transparent(env)[0]
    if getattr(inner, "has_goal", False):
        return -math.inf
    threshold = getattr(getattr(inner, "spec", None), "reward_threshold", None)
    if threshold is None or getattr(inner, "unwrapped", inner) is not inner:
        return None
    world = as_compiled(env)
    model = None if world is None else world.mdp.model
    if isinstance(model, Sparse) and np.unique(model.rewards[model.terminated]).size == 1:
        return -math.inf
    return float(threshold)


def _figures(stats: EpisodeStats, threshold: float | None) -> dict[str, Any]:
    """Return the statistics of the episodes, with 95% confidence intervals.

    Args:
        stats: of the episodes.
        threshold: return from which an episode succeeds, or -inf if every one does that terminates; None if no goal is
            declared.
    """
    figures = rate_with_interval("terminated_rate", stats.terminated)
    if threshold is not None:
        figures |= rate_with_interval(
            "success_rate", stats.terminated if threshold == -np.inf else stats.episode_return >= threshold
        )
    return figures | {
        "num_episodes": stats.steps.size,
        "mean_steps": float(stats.steps.mean()),
        "mean_steps_interval": mean_interval(stats.steps),
        "mean_return": float(stats.episode_return.mean()),
        "mean_return_interval": mean_interval(stats.episode_return),
    }
