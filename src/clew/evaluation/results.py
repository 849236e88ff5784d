"""Results of grading a policy: statistics of its greedy episodes, and its exact distance from the optimum."""

from __future__ import annotations

from dataclasses import dataclass

from clew.evaluation.intervals import Interval
from clew.rendering.grades import Figure, drop_rounding, figures_html, format_figure, format_interval


@dataclass(frozen=True)
class Grade:
    """Exact comparison of a greedy policy with the optimum; no episodes are played.

    A state is optimal if *every* greedy action in it is optimal: of tied actions all have to be, and of a policy with
    probabilities all that have one above 0.
    Only states in which the choice matters are counted: some available action isn't optimal, and the optimal policy
    ends from there with probability 1 (or it ends from no state at all).

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
    >>> grade = clew.evaluate_values(env, policy)
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
    Student's t for means, None if a single episode was played; Wilson's score interval for rates.

    Attributes:
        num_episodes: number of episodes played.
        mean_steps: steps per episode; a truncated episode counts with all its steps.
        mean_steps_interval: 95% confidence interval of mean_steps.
        terminated_rate: share of episodes that were terminated, well or badly, and not truncated by the step limit.
        terminated_rate_interval: 95% confidence interval of terminated_rate.
        mean_return: sum of rewards per episode, undiscounted.
        mean_return_interval: 95% confidence interval of mean_return.
        success_rate: share of episodes that reached a declared goal: that terminated, in a world with `has_goal`, such
            as a maze; that had a return of at least the `reward_threshold` of a Gymnasium environment, or, where all
            ends pay the same, terminated. None if none is declared.
        success_rate_interval: 95% confidence interval of success_rate.
        optimal_steps: expected steps of the optimal policy; None without a model, if it would take too long, or with
            gamma 0, where optimal policies may take any number of steps.
        optimal_return: expected undiscounted return of the optimal policy; None in the first two cases.
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
    terminated_rate: float
    terminated_rate_interval: Interval
    mean_return: float
    mean_return_interval: Interval | None
    success_rate: float | None = None
    success_rate_interval: Interval | None = None
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
        if self.optimal_return is not None:
            returns.append(Figure("optimal return", format_figure(self.optimal_return), is_mark=True))
        if self.excess_steps is not None:
            steps.append(Figure("excess steps", format_figure(self.excess_steps)))
        name, rate, interval = "success rate", self.success_rate, self.success_rate_interval
        if rate is None:
            name, rate, interval = "terminated rate", self.terminated_rate, self.terminated_rate_interval
        steps.append(Figure(name, format_figure(rate), rate, _format_note(interval)))
        figures = returns + steps if self.excess_steps is None else steps + returns
        if self.optimal_starts is not None:
            note = "every greedy action is optimal"
            figures.append(Figure("optimal states", format_figure(self.optimal_states), self.optimal_states, note))
            figures.append(Figure("optimal starts", format_figure(self.optimal_starts), self.optimal_starts))
            suboptimality = drop_rounding(self.suboptimality, self.suboptimality_bound)
            figures.append(Figure("suboptimality", format_figure(suboptimality)))
        episodes = f"{self.num_episodes:,} greedy episode{'' if self.num_episodes == 1 else 's'}"
        return figures_html(episodes, figures)


def _format_note(interval: Interval | None) -> str:
    text = format_interval(interval)
    return f"95% interval {text}" if text else ""
