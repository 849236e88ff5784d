"""Grading a policy: how it does, and how far that is from the exact optimum."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.environments import ModelEnvironment, World, as_compiled, model_of
from clew.errors import SettingError
from clew.evaluation.exact import greedy_actions, walk_through
from clew.kernels import read_only
from clew.kernels.learning.rollouts import EpisodeStats, new_episode_stats, play_episodes
from clew.kernels.planning.grading import spread_wrong
from clew.kernels.sampling import new_stream
from clew.kernels.wide import as_values
from clew.models.mdp import FiniteMDP
from clew.planning import Solution, solve
from clew.policies.episodes import Simulation
from clew.policies.policy import Policy, table_shape
from clew.rendering.grades import Figure, figures_html, format_figure, format_interval
from clew.settings import SHARE, check_count, check_memory, check_number

__all__ = ["Evaluation", "Grade", "evaluate_policy", "evaluate_values"]

Interval = tuple[float, float]

TOLERANCE = 1e-6  # of values of a policy, where they need sweeps; as in `solve`


@dataclass(frozen=True)
class Grade:
    """How the greedy policy of a table compares with the exact optimum; nothing is played, and no luck is in it.

    A state is right if *every* action that the policy may take in it is optimal: of actions that tie, a lucky one
    doesn't help. Only states count in which the choice matters: some action is not optimal, and the optimal policy
    surely comes to an end (unless it does so from no state at all).

    Attributes:
        optimal_states: share of these states that are right; None if the choice matters nowhere.
        optimal_starts: share of the starts from which the policy is right in every state that it may come to, and may not
            go on for ever where the optimal policy ends.
        suboptimality: value of the optimal policy less that of this one, mean over the starts. The step limit of an
            environment doesn't count; without a discount a policy that may never end can be worth infinitely less.
        max_suboptimality: the greatest such difference in any state that counts; None if the choice matters nowhere.
        suboptimality_bound: both gaps are within this of the truth, where they are finite; proved.
    """

    optimal_states: float | None
    optimal_starts: float
    suboptimality: float
    max_suboptimality: float | None
    suboptimality_bound: float


@dataclass(frozen=True)
class Evaluation:
    """What greedy episodes of a policy came to, and its exact grade; no exploring, nothing learned.

    Intervals are (low, high), and hold the true mean in 95 of 100 evaluations, episodes being taken for independent
    draws: Student's t for means, None if a single episode was played; Wilson's score interval for the success rate.

    Attributes:
        num_episodes: how many were played.
        mean_steps: steps per episode; one that the step limit cut off counts with all its steps.
        mean_steps_interval: 95% interval of it.
        success_rate: share of episodes that reached an end and not the step limit.
        success_rate_interval: 95% interval of it.
        mean_return: undiscounted sum of rewards per episode.
        mean_return_interval: 95% interval of it.
        optimal_steps: expected steps of the optimal policy from the same starts; infinite if it need not end from one
            of them, None where no model is known.
        optimal_return: expected discounted return of the optimal policy, from all starts; None likewise.
        excess_steps: mean_steps - optimal_steps; 0 is optimal where a shortest way is a best one. None without a model,
            and where optimal_steps is infinite.
        optimal_states: see `Grade`, as for all that follow. None without a model.
        optimal_starts: of the given starts, or of all that the environment has.
        suboptimality: of the same starts.
        max_suboptimality: of any state.
        suboptimality_bound: of both gaps.
    """

    num_episodes: int
    mean_steps: float
    mean_steps_interval: Interval | None
    success_rate: float
    success_rate_interval: Interval
    mean_return: float
    mean_return_interval: Interval | None
    optimal_steps: float | None = None
    optimal_return: float | None = None
    excess_steps: float | None = None
    optimal_states: float | None = None
    optimal_starts: float | None = None
    suboptimality: float | None = None
    max_suboptimality: float | None = None
    suboptimality_bound: float | None = None

    def _repr_html_(self) -> str:
        """What a notebook shows of it: the steps beside those of the optimum, and the shares as bars."""
        longest = max(self.mean_steps, self.optimal_steps or 0.0)
        if not math.isfinite(longest):
            longest = self.mean_steps
        sampled = format_interval(self.mean_steps_interval), format_interval(self.success_rate_interval)
        notes = [f"95% interval {interval}" if interval else "" for interval in sampled]
        figures = [Figure("steps", format_figure(self.mean_steps), self.mean_steps / max(longest, 1.0), notes[0])]
        if self.optimal_steps is not None:
            share = self.optimal_steps / max(longest, 1.0)
            figures.append(Figure("optimum", format_figure(self.optimal_steps), share, is_mark=True))
            figures.append(Figure("gap", format_figure(self.excess_steps)))
        figures.append(Figure("success rate", format_figure(self.success_rate), self.success_rate, notes[1]))
        if self.optimal_starts is not None:
            right = "every action that it may take is optimal"
            figures.append(Figure("states right", format_figure(self.optimal_states), self.optimal_states, right))
            figures.append(Figure("starts right", format_figure(self.optimal_starts), self.optimal_starts))
            figures.append(Figure("value gap", format_figure(self.suboptimality)))
        episodes = f"{self.num_episodes:,} greedy episode{'' if self.num_episodes == 1 else 's'}"
        return figures_html(episodes, figures)


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
    """Play greedy episodes and grade the policy against the exact optimum. It always ends: the step limit sees to that.

    Args:
        env: environment with Discrete spaces, or a model. The optimum is known of Clew's environments, and of those
            of Gymnasium's that keep a table of transitions; it's that without a step limit.
        policy: is played greedily, ties broken at random.
        num_episodes: how many episodes, each from a start that is drawn anew.
        gamma: discount per step, in [0, 1], for which the optimum and the values are computed. A policy doesn't know
            the gamma that it was trained with: give the same one here if it wasn't 0.9.
        seed: decides every draw.
        starts: states to begin in, an episode each, in place of `num_episodes` draws; `env.mdp.starts` tries them all.
        optimum: `solve(env, gamma=gamma)`, if that has been computed before.

    Raises:
        SettingError: if a setting is out of range, or the policy doesn't fit the environment.
    """
    check_count("num_episodes", num_episodes, 1)
    check_memory(40 * num_episodes, "the list of episodes")
    _check_gamma(gamma, optimum)
    check_count("seed", seed, 0)
    if not isinstance(policy, Policy):
        kind = f"{type(policy).__module__}.{type(policy).__qualname__}".removeprefix("builtins.")
        raise SettingError(
            f"the policy must be a clew.Policy, not a {kind}; clew.Policy(env, q=table) makes one of a table of action "
            "values"
        )
    if policy.q.shape != table_shape(env):
        raise SettingError(f"a policy of {policy.q.shape} values doesn't fit an environment of {table_shape(env)}")
    compiled = as_compiled(env)
    if compiled is None:
        if starts is not None:
            raise SettingError("starts can be chosen where the model is known; this environment draws its own")
        return _evaluate_samples(env, policy, num_episodes, seed)
    return _evaluate_model(compiled, policy, num_episodes, gamma, seed, starts, optimum)


def evaluate_values(
    world: World,
    q: npt.ArrayLike,
    *,
    gamma: float = 0.9,
    starts: npt.ArrayLike | None = None,
    optimum: Solution | None = None,
) -> Grade:
    """Grade the greedy policy of a table of action values, exactly. Nothing is played.

    Args:
        world: environment, model or maze.
        q: (num_states, num_actions), action values; ties are broken uniformly at random.
        gamma: discount per step, in [0, 1], for which the optimum and the values are computed. A table doesn't know
            the gamma that it was trained with: give the same one here if it wasn't 0.9.
        starts: states to begin in, in place of those of the world.
        optimum: `solve(world, gamma=gamma)`, if that has been computed before.

    Raises:
        SettingError: if a setting is out of range, or the table doesn't fit the world.
    """
    _check_gamma(gamma, optimum)
    mdp = model_of(world)
    chosen = mdp.starts if starts is None else _checked_states(mdp, starts)
    return _grade(mdp, greedy_actions(mdp, q), gamma, chosen, optimum or solve(mdp, gamma=gamma))


def _check_gamma(gamma: float, optimum: Solution | None) -> None:
    check_number("gamma", gamma, SHARE)
    if optimum is not None and not isinstance(optimum, Solution):
        raise SettingError(f"the optimum must be what solve(world, gamma=...) gives, not {type(optimum).__name__}")
    if optimum is not None and optimum.gamma != gamma:
        raise SettingError(f"the optimum is for gamma {optimum.gamma}, not {gamma}")


# Exactly --------------------------------------------------------------------------------------------------------------


def _is_same(mdp: FiniteMDP, other: FiniteMDP) -> bool:
    """Tell if two models say the same of every move; copies, such as those of other processes, do."""
    if mdp is other:
        return True
    models: tuple[Any, Any] = mdp.model, other.model
    return type(models[0]) is type(models[1]) and all(map(np.array_equal, *models))


def _grade(
    mdp: FiniteMDP,
    greedy: npt.NDArray[np.bool_],
    gamma: float,
    starts: npt.NDArray[np.int32],
    optimum: Solution,
) -> Grade:
    if not _is_same(mdp, optimum.mdp):
        raise SettingError("the optimum is that of another world; give solve(world, gamma=gamma) of this one")
    optimal = optimum.optimal_actions
    ends = ~np.isinf(optimum.steps_from)
    matters = ~optimal.all(axis=1)
    if (ends & (optimum.steps_from != 0.0)).any():
        matters &= ends
    wrong: npt.NDArray[np.bool_] = np.any(greedy & ~optimal, axis=1)
    walk = walk_through(mdp, greedy)
    v, bound = walk.values(gamma, TOLERANCE)
    with np.errstate(invalid="ignore"):  # two infinite values have no difference
        gaps = optimum.v - v
    some = bool(matters.any())
    optimal_states = 1.0 - float(wrong[matters].mean()) if some else None
    spread_wrong(walk.chain, walk.components, walk.num_components, ends, np.empty_like(wrong), wrong)
    return Grade(
        optimal_states=optimal_states,
        optimal_starts=1.0 - float(wrong[starts].mean()),
        suboptimality=float(gaps[starts].mean()),
        max_suboptimality=float(gaps[matters].max()) if some else None,
        suboptimality_bound=float(optimum.bound + bound),
    )


# Played ---------------------------------------------------------------------------------------------------------------


def _evaluate_model(
    env: ModelEnvironment,
    policy: Policy,
    num_episodes: int,
    gamma: float,
    seed: int,
    starts: npt.ArrayLike | None,
    optimum: Solution | None,
) -> Evaluation:
    if starts is None:
        draws = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
        played, graded = draws.choice(env.mdp.starts, num_episodes), env.mdp.starts
    else:
        played = graded = _checked_starts(env, starts)
    stats = new_episode_stats(played.size)
    stream = new_stream(seed, 1)
    play_episodes(
        env.mdp.model,
        as_values(read_only(policy.q)),
        played,
        env.max_episode_steps,
        gamma,
        0.0,
        stream,
        stats,
        np.empty(played.size),
    )
    if optimum is None:
        optimum = solve(env.mdp, gamma=gamma)
    optimal_steps, mean_steps = float(optimum.steps_from[played].mean()), float(stats.steps.mean())
    return Evaluation(
        **_figures(stats),
        optimal_steps=optimal_steps,
        optimal_return=float(optimum.v[graded].mean()),
        excess_steps=mean_steps - optimal_steps if math.isfinite(optimal_steps) else None,
        **asdict(_grade(env.mdp, greedy_actions(env.mdp, policy), gamma, graded, optimum)),
    )


def _checked_states(mdp: FiniteMDP, starts: npt.ArrayLike) -> npt.NDArray[np.int32]:
    states = np.asarray(starts)
    if states.ndim != 1 or states.size == 0 or not np.issubdtype(states.dtype, np.integer):
        raise SettingError("starts must be a list of states, at least one")
    if states.min() < 0 or states.max() >= mdp.num_states:
        raise SettingError(f"starts must be states in 0..{mdp.num_states - 1}")
    return states.astype(np.int32)


def _checked_starts(env: ModelEnvironment, starts: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Check that episodes can begin in these states."""
    states = _checked_states(env.mdp, starts)
    over = env.is_over(states)
    if over.any():
        raise SettingError(
            f"starts must be states in which an episode goes on; {states[over][0]} is on a goal or a wall, or no "
            "episode comes there"
        )
    return states


def _evaluate_samples(env: Any, policy: Policy, num_episodes: int, seed: int) -> Evaluation:
    trajectory = Simulation(env).rollouts(policy.q, num_episodes, exploration=0.0, stream=new_stream(seed, 1))
    lasts = np.flatnonzero(trajectory.terminated | trajectory.truncated)
    firsts = np.concatenate(([0], lasts[:-1] + 1))
    episode_return = np.add.reduceat(trajectory.reward.astype(np.float64), firsts)
    return Evaluation(**_figures(EpisodeStats(lasts - firsts + 1, episode_return, trajectory.terminated[lasts])))


def _figures(stats: EpisodeStats) -> dict[str, Any]:
    """What was seen in the episodes, with 95% intervals."""
    return {
        "num_episodes": stats.steps.size,
        "mean_steps": float(stats.steps.mean()),
        "mean_steps_interval": mean_interval(stats.steps),
        "success_rate": float(stats.terminated.mean()),
        "success_rate_interval": rate_interval(int(stats.terminated.sum()), stats.terminated.size),
        "mean_return": float(stats.episode_return.mean()),
        "mean_return_interval": mean_interval(stats.episode_return),
    }


NORMAL = 1.959963984540054  # 97.5% of a normal variable is below


def mean_interval(sample: npt.NDArray[Any]) -> Interval | None:
    """95% interval of a mean by Student's t; None for a sample of one."""
    n = sample.size
    if n < 2:
        return None
    mean, margin = float(sample.mean()), student(n - 1) * float(sample.std(ddof=1)) / math.sqrt(n)
    return mean - margin, mean + margin


def student(freedom: int) -> float:
    """97.5% quantile of Student's t, to 0.1%.

    Source:
        Abramowitz & Stegun (1964), 26.7.5: an expansion in 1 / freedom, good from 4 on.
    """
    if freedom <= 3:
        return (12.70620474, 4.30265273, 3.18244631)[freedom - 1]
    x, n = NORMAL, float(freedom)
    spec = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + sum(term / n**power for power, term in enumerate(spec, 1))


def rate_interval(successes: int, n: int) -> Interval:
    """95% interval of a rate by Wilson's score, which is right near 0 and 1 too.

    Source:
        Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    rate, z2 = successes / n, NORMAL**2
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    margin = NORMAL / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    # Where all are alike one end is exact, and rounding mustn't move it.
    return 0.0 if successes == 0 else centre - margin, 1.0 if successes == n else centre + margin
