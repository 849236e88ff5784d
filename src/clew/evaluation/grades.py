"""Grading a policy: statistics of its greedy episodes, and its distance from the exact optimum."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.environments import ModelEnvironment, World, as_compiled, model_of
from clew.errors import SettingError
from clew.evaluation.exact import greedy_actions, walk_through
from clew.evaluation.optimum import TOLERANCE, optimal_episode, steps_count
from clew.kernels import read_only
from clew.kernels.learning.rollouts import EpisodeStats, new_episode_stats, play_episodes
from clew.kernels.planning.grading import propagate_suboptimal
from clew.kernels.sampling import new_stream
from clew.kernels.wide import as_values
from clew.models.mdp import FiniteMDP
from clew.planning import Solution, solve
from clew.policies.episodes import Simulation
from clew.policies.policy import Policy, table_shape
from clew.rendering.grades import Figure, figures_html, format_figure, format_interval
from clew.settings import SHARE, check_count, check_memory, check_number

Interval = tuple[float, float]


@dataclass(frozen=True)
class Grade:
    """Exact comparison of a greedy policy with the optimum; no episodes are played.

    A state is optimal if *every* greedy action in it is optimal: of tied actions all have to be.
    Only states in which the choice matters are counted: some action isn't optimal, and the optimal policy ends from
    there with probability 1 (or it ends from no state at all).

    Attributes:
        optimal_states: share of these states that are optimal; None if the choice matters in no state.
        optimal_starts: share of the starts from which every state that the policy can reach is optimal, and from which
            the policy ends with probability 1 if the optimal policy does.
        suboptimality: V*(s) - V_pi(s), mean over the starts; values are discounted, without a step limit. Infinite if,
            with gamma 1, the policy may never end and lose without bound.
        max_suboptimality: maximum of V*(s) - V_pi(s) over the states in which the choice matters; None if in none.
        suboptimality_bound: proved bound on the error of both, where they are finite.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(3, 3))
    >>> policy = clew.train_policy(env, num_episodes=500, seed=1)
    >>> grade = clew.evaluate_values(env, policy.q)
    >>> grade.optimal_starts, round(grade.suboptimality, 6)
    (1.0, 0.0)
    """

    optimal_states: float | None
    optimal_starts: float
    suboptimality: float
    max_suboptimality: float | None
    suboptimality_bound: float


@dataclass(frozen=True)
class Evaluation:
    """Statistics of greedy episodes of a policy, the same figures of the optimum, and the policy's exact grade.

    `optimal_steps` and `optimal_return` are those of an optimal policy in the same episodes: from the same starts, with
    the same step limit; see `clew.evaluation.optimum`. docs/glossary.md has the formulas.

    Intervals are (low, high), and contain the true mean with 95% confidence, taking episodes for independent draws:
    Student's t for means, None if a single episode was played; Wilson's score interval for the success rate.

    Attributes:
        num_episodes: number of episodes played.
        mean_steps: steps per episode; a truncated episode counts with all its steps.
        mean_steps_interval: 95% confidence interval of mean_steps.
        success_rate: share of episodes that were terminated, not truncated by the step limit.
        success_rate_interval: 95% confidence interval of success_rate.
        mean_return: sum of rewards per episode, undiscounted.
        mean_return_interval: 95% confidence interval of mean_return.
        optimal_steps: expected steps of the optimal policy; None without a model, or if it would take too long.
        optimal_return: expected undiscounted return of the optimal policy; None in the same cases.
        excess_steps: mean_steps - optimal_steps; None without either, or where fewer steps aren't better: ends differ
            in reward, a step pays, or never ending is as good as an end.
        optimal_states: see `Grade`; None without a model, as all that follow.
        optimal_starts: see `Grade`; of the given starts, or of all starts of the environment.
        suboptimality: see `Grade`; of the same starts.
        max_suboptimality: see `Grade`.
        suboptimality_bound: see `Grade`.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(3, 3))
    >>> evaluation = clew.evaluate_policy(env, clew.train_policy(env, num_episodes=500, seed=1))
    >>> evaluation.mean_steps, evaluation.optimal_steps, evaluation.excess_steps
    (4.0, 4.0, 0.0)
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
        """Return a table for notebooks: steps and return beside those of the optimum, and shares as bars."""
        longest = max(self.mean_steps, self.optimal_steps or 0.0, 1.0)
        share, note = self.mean_steps / longest, _format_note(self.mean_steps_interval)
        steps = [Figure("mean steps", format_figure(self.mean_steps), share, note)]
        returns = [Figure("mean return", format_figure(self.mean_return), note=_format_note(self.mean_return_interval))]
        if self.optimal_steps is not None:
            share = self.optimal_steps / longest
            steps.append(Figure("optimal steps", format_figure(self.optimal_steps), share, is_mark=True))
            returns.append(Figure("optimal return", format_figure(self.optimal_return), is_mark=True))
        if self.excess_steps is not None:
            steps.append(Figure("excess steps", format_figure(self.excess_steps)))
        note = _format_note(self.success_rate_interval)
        steps.append(Figure("success rate", format_figure(self.success_rate), self.success_rate, note))
        figures = returns + steps if self.excess_steps is None else steps + returns
        if self.optimal_starts is not None:
            note = "every greedy action is optimal"
            figures.append(Figure("optimal states", format_figure(self.optimal_states), self.optimal_states, note))
            figures.append(Figure("optimal starts", format_figure(self.optimal_starts), self.optimal_starts))
            figures.append(Figure("suboptimality", format_figure(self.suboptimality)))
        episodes = f"{self.num_episodes:,} greedy episode{'' if self.num_episodes == 1 else 's'}"
        return figures_html(episodes, figures)


def _format_note(interval: Interval | None) -> str:
    text = format_interval(interval)
    return f"95% interval {text}" if text else ""


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
    """Play greedy episodes of a policy and grade it against the exact optimum.

    Args:
        env: environment with Discrete spaces, or a model. The optimum is computed for Clew's environments, and for
            those of Gymnasium that have a table of transitions.
        policy: played greedily; ties are broken at random.
        num_episodes: number of episodes, each from a start that is drawn at random.
        gamma: discount per step, in [0, 1], of the optimum and of the values. A policy doesn't know the discount that
            it was trained with: give the same one here if it wasn't 0.9.
        seed: decides every draw.
        starts: (num_episodes,) states to start from, one episode each, instead of `num_episodes` draws;
            `env.mdp.starts` plays all of them.
        optimum: result of `solve(env, gamma=gamma)`, if it has been computed before.

    Returns:
        Statistics of the episodes, and the grade. Episodes always end: by the step limit at the latest.

    Raises:
        SettingError: if a setting is out of range, or the policy doesn't fit the environment.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(3, 3))
    >>> policy = clew.train_policy(env, num_episodes=500, seed=1)
    >>> clew.evaluate_policy(env, policy).excess_steps
    0.0
    """
    check_count("num_episodes", num_episodes, 1)
    check_memory(40 * num_episodes, "the list of episodes")
    _check_gamma(gamma, optimum)
    check_count("seed", seed, 0)
    if not isinstance(policy, Policy):
        kind = f"{type(policy).__module__}.{type(policy).__qualname__}".removeprefix("builtins.")
        raise SettingError(
            f"expected a clew.Policy, got a {kind}; clew.Policy(env, q=table) makes one of a table of action values"
        )
    if policy.q.shape != table_shape(env):
        raise SettingError(f"a policy of {policy.q.shape} values doesn't fit an environment of {table_shape(env)}")
    compiled = as_compiled(env)
    if compiled is None:
        if starts is not None:
            raise SettingError(
                "starts can be given only if the model is known; this environment draws its own; leave them out"
            )
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
    """Grade the greedy policy of a table of action values exactly, without playing episodes.

    Args:
        world: environment, model or maze.
        q: (num_states, num_actions), action values; ties are broken uniformly at random.
        gamma: discount per step, in [0, 1], of the optimum and of the values. A table doesn't know the discount that
            it was trained with: give the same one here if it wasn't 0.9.
        starts: (num_starts,) states to start from, instead of those of the world.
        optimum: result of `solve(world, gamma=gamma)`, if it has been computed before.

    Raises:
        SettingError: if a setting is out of range, or the table doesn't fit the world.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(3, 3))
    >>> clew.evaluate_values(env, clew.solve(env).q).optimal_states
    1.0
    """
    _check_gamma(gamma, optimum)
    mdp = model_of(world)
    chosen = mdp.starts if starts is None else _checked_states(mdp, starts)
    return _grade(mdp, greedy_actions(mdp, q), gamma, chosen, optimum or solve(mdp, gamma=gamma))


def _check_gamma(gamma: float, optimum: Solution | None) -> None:
    check_number("gamma", gamma, SHARE)
    if optimum is not None and not isinstance(optimum, Solution):
        raise SettingError(f"optimum must be the result of solve(world, gamma=...), not {type(optimum).__name__}")
    if optimum is not None and optimum.gamma != gamma:
        raise SettingError(f"the optimum is for gamma {optimum.gamma}, not {gamma}")


# Exactly --------------------------------------------------------------------------------------------------------------


def _is_same(mdp: FiniteMDP, other: FiniteMDP) -> bool:
    """Return whether two models have equal arrays, such as a copy that was sent to another process."""
    models: tuple[Any, Any] = mdp.model, other.model
    return mdp is other or (type(models[0]) is type(models[1]) and all(map(np.array_equal, *models)))


def _grade(
    mdp: FiniteMDP,
    greedy: npt.NDArray[np.bool_],
    gamma: float,
    starts: npt.NDArray[np.int32],
    optimum: Solution,
) -> Grade:
    if not _is_same(mdp, optimum.mdp):
        raise SettingError("the optimum belongs to another world; give solve(world, gamma=gamma) of this one")
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
    propagate_suboptimal(walk.chain, walk.components, walk.num_components, ends, np.empty_like(wrong), wrong)
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
    play_episodes(
        env.mdp.model,
        as_values(read_only(policy.q)),
        played,
        env.max_episode_steps,
        gamma,
        0.0,
        new_stream(seed, 1),
        stats,
        np.empty(played.size),
    )
    optimum = optimum or solve(env.mdp, gamma=gamma)
    figures = _figures(stats)
    best = optimal_episode(optimum, played.astype(np.int32), env.max_episode_steps)
    if best is not None:
        figures |= {"optimal_steps": float(best.steps.mean()), "optimal_return": float(best.returns.mean())}
        if steps_count(env.mdp, gamma):
            figures["excess_steps"] = figures["mean_steps"] - figures["optimal_steps"]
    return Evaluation(
        **figures,
        **asdict(_grade(env.mdp, greedy_actions(env.mdp, policy), gamma, graded, optimum)),
    )


def _checked_states(mdp: FiniteMDP, starts: npt.ArrayLike) -> npt.NDArray[np.int32]:
    states = np.asarray(starts)
    if states.ndim != 1 or states.size == 0 or not np.issubdtype(states.dtype, np.integer):
        raise SettingError("starts must be a non-empty list of states")
    if states.min() < 0 or states.max() >= mdp.num_states:
        raise SettingError(f"starts must be states in 0..{mdp.num_states - 1}")
    return states.astype(np.int32)


def _checked_starts(env: ModelEnvironment, starts: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Return the states as int32, checked: episodes can start in them."""
    states = _checked_states(env.mdp, starts)
    over = env.is_terminal(states)
    if over.any():
        raise SettingError(
            f"starts must be states in which an episode can start; {states[over][0]} is a goal, a wall, or unreachable"
        )
    return states


def _evaluate_samples(env: Any, policy: Policy, num_episodes: int, seed: int) -> Evaluation:
    trajectory = Simulation(env).rollouts(policy.q, num_episodes, exploration=0.0, stream=new_stream(seed, 1))
    lasts = np.flatnonzero(trajectory.terminated | trajectory.truncated)
    firsts = np.concatenate(([0], lasts[:-1] + 1))
    episode_return = np.add.reduceat(trajectory.reward.astype(np.float64), firsts)
    return Evaluation(**_figures(EpisodeStats(lasts - firsts + 1, episode_return, trajectory.terminated[lasts])))


def _figures(stats: EpisodeStats) -> dict[str, Any]:
    """Return the statistics of the episodes, with 95% confidence intervals."""
    return {
        "num_episodes": stats.steps.size,
        "mean_steps": float(stats.steps.mean()),
        "mean_steps_interval": mean_interval(stats.steps),
        "success_rate": float(stats.terminated.mean()),
        "success_rate_interval": rate_interval(int(stats.terminated.sum()), stats.terminated.size),
        "mean_return": float(stats.episode_return.mean()),
        "mean_return_interval": mean_interval(stats.episode_return),
    }


NORMAL = 1.959963984540054  # 97.5% quantile of the normal distribution


def mean_interval(sample: npt.NDArray[Any]) -> Interval | None:
    """Return the 95% confidence interval of a mean by Student's t; None for a sample of one."""
    n = sample.size
    if n < 2:
        return None
    mean, margin = float(sample.mean()), student(n - 1) * float(sample.std(ddof=1)) / math.sqrt(n)
    return mean - margin, mean + margin


def student(freedom: int) -> float:
    """Return the 97.5% quantile of Student's t with `freedom` degrees of freedom, to 0.1%.

    Source:
        Abramowitz & Stegun (1964), 26.7.5: an expansion in 1 / freedom, good from 4 on.
    """
    if freedom <= 3:
        return (12.70620474, 4.30265273, 3.18244631)[freedom - 1]
    x, n = NORMAL, float(freedom)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + sum(term / n**power for power, term in enumerate(terms, 1))


def rate_interval(successes: int, n: int) -> Interval:
    """Return the 95% confidence interval of a rate by Wilson's score, which also holds near 0 and 1.

    Source:
        Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    rate, z2 = successes / n, NORMAL**2
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    margin = NORMAL / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    # Without a success, or without a failure, one end is exact; rounding must not move it.
    return 0.0 if successes == 0 else centre - margin, 1.0 if successes == n else centre + margin
