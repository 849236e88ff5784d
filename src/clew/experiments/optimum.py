"""Runs against the exact optimum: regret, time until they are near it, and what their policies lose to it."""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.evaluation.exact import policy_values
from clew.experiments.samples import Metrics, Optimum, optimum_of, solution_of
from clew.learning.metrics import RoundMetrics
from clew.learning.settings import Learning
from clew.policies.policy import Policy
from clew.settings import POSITIVE, check_number

if TYPE_CHECKING:
    from clew.experiments.cells import Cell

TOLERANCE = 0.25  # share of the optimum; exploring in a tenth of all steps takes about a tenth more, and there is noise


class FigureSpec(NamedTuple):
    """A column of `RoundMetrics` that can be plotted.

    Attributes:
        label: of its axis.
        unit: of its regret.
        lower_is_better: True if the optimum is the lowest possible value.
    """

    label: str
    unit: str
    lower_is_better: bool

    def regret(self, value: float, optimum: float) -> float:
        """Return the regret of one episode: how much worse than the optimum a value is; negative if it is better."""
        return value - optimum if self.lower_is_better else optimum - value


FIGURES = {
    "mean_steps": FigureSpec("mean steps per episode", "steps", lower_is_better=True),
    "mean_return": FigureSpec("mean return per episode", "reward", lower_is_better=False),
    "terminated_rate": FigureSpec("terminated rate", "episodes", lower_is_better=False),
}


# A run by its metrics -------------------------------------------------------------------------------------------------


def regret(run: Metrics, optimum: float, figure: str = "mean_steps") -> npt.NDArray[np.float64]:
    """Return the regret at the end of each round: the accumulated difference from the optimum.

        regret[n] = sum over rounds up to n of num_episodes * (figure - optimum)      for mean_steps
                    sum over rounds up to n of num_episodes * (optimum - figure)      for the others

    Args:
        run: metrics of one seed.
        optimum: best possible value of the figure.
        figure: "mean_steps", "mean_return" or "terminated_rate".

    Returns:
        (num_rounds,) float64, in steps, in reward, or in episodes.
    """
    return np.cumsum([row.num_episodes * FIGURES[figure].regret(getattr(row, figure), optimum) for row in run])


def time_to_optimal(
    run: Metrics,
    optimum: float,
    figure: str = "mean_steps",
    tolerance: float = TOLERANCE,
    least_return: float = -math.inf,
) -> tuple[int, int] | None:
    """Return environment steps and episodes until a figure stays near the optimum, counted in whole rounds.

    A round is near if the figure is worse than the optimum by no more than tolerance * |optimum|, or better. For
    mean_steps, steps are counted per terminated episode, so that a truncated one isn't short, and the mean return must
    not be below `least_return`, so that an episode that ends badly isn't either. Steps and episodes are counted to the
    end of the first round that is near and is followed by near rounds only.

    Args:
        run: metrics of one seed.
        optimum: best possible value of the figure.
        figure: "mean_steps", "mean_return" or "terminated_rate".
        tolerance: share of the optimum, above 0.
        least_return: least mean return of a round that is near, for mean_steps.

    Returns:
        Number of steps and number of episodes; None if the last round is not near.

    Raises:
        SettingError: if the optimum is 0, or the tolerance is not above 0.
    """
    check_number("tolerance", tolerance, POSITIVE)
    if optimum == 0.0:
        raise SettingError("the optimum is 0, so a tolerance relative to it is 0; use another figure")

    def is_near(row: RoundMetrics) -> bool:
        value = getattr(row, figure)
        if figure == "mean_steps":
            if row.terminated_rate == 0.0 or row.mean_return < least_return:
                return False
            value /= row.terminated_rate
        return FIGURES[figure].regret(value, optimum) <= tolerance * abs(optimum)

    far = [not is_near(row) for row in run]
    first = len(far) - far[::-1].index(True) if True in far else 0
    if first == len(far):
        return None
    rounds = run[: first + 1]
    return sum(row.num_steps for row in rounds), sum(row.num_episodes for row in rounds)


# All runs of a cell ---------------------------------------------------------------------------------------------------


class CellRuns(NamedTuple):
    """The runs of a learner in a world.

    Attributes:
        cell: the learner and the world.
        find_metrics: returns the learning curve of each run.
        find_policies: returns the policy of each run.
    """

    cell: "Cell"
    find_metrics: Callable[[], list[list[RoundMetrics]]]
    find_policies: Callable[[], list[Policy]]

    @property
    def learning(self) -> Learning:
        """Settings of the learner; an agent in plain Python has no discount of its own, and is given 1."""
        return self.cell.learner if isinstance(self.cell.learner, Learning) else Learning(gamma=1.0)

    def optimum(self, figure: str) -> tuple[float, Optimum]:
        """Return the optimum of a column of `RoundMetrics`, and of all; raise SettingError if the former is unknown."""
        optimum = optimum_of(self.learning, lambda: self.cell.world.env)
        best = getattr(optimum, figure)
        if best is None:
            raise SettingError(
                f"needs the optimum of {figure}, which is unknown for {self.cell.name}", setting="figure"
            )
        return best, optimum


def _regrets(runs: CellRuns) -> list[float]:
    """Return what each run has lost in all its episodes to the optimal return, undiscounted."""
    best, _ = runs.optimum("mean_return")
    return [float(regret(run, best, "mean_return")[-1]) for run in runs.find_metrics()]


def _times_to_optimal(runs: CellRuns, column: int) -> list[float]:
    """Return environment steps (column 0) or episodes (1) until the mean steps stay near the optimum, or inf."""
    best, optimum = runs.optimum("mean_steps")
    least = optimum.least_return(TOLERANCE)
    times = [time_to_optimal(run, best, least_return=least) for run in runs.find_metrics()]
    return [math.inf if each is None else float(each[column]) for each in times]


def _suboptimalities(runs: CellRuns) -> list[float]:
    """Return V*(start) - V_pi(start) of the greedy policy of each run; 0 within the proved bound of its error."""
    world, gamma = runs.cell.world.compiled, runs.learning.gamma
    if world is None:
        raise SettingError(
            f"needs the optimum, which is unknown for {runs.cell.name}: there is no model", setting="figure"
        )
    optimum, found = solution_of(world.mdp, gamma), []
    for policy in runs.find_policies():
        values = policy_values(world.mdp, policy.q, gamma=gamma)
        lost = optimum.value - values.value
        found.append(0.0 if lost <= optimum.bound + values.bound else lost)
    return found


# Figures of whole runs, of which less is better.
OUTCOMES: dict[str, Callable[[CellRuns], list[float]]] = {
    "regret": _regrets,
    "steps_to_optimal": partial(_times_to_optimal, column=0),
    "episodes_to_optimal": partial(_times_to_optimal, column=1),
    "suboptimality": _suboptimalities,
}


def outcome_of(runs: CellRuns, figure: str) -> npt.NDArray[np.float64]:
    """Return a figure of whole runs, (num_runs,) float64, inf for censored runs.

    Args:
        runs: of a cell.
        figure: a key of `OUTCOMES`.

    Raises:
        SettingError: if the world changes, or the optimum is unknown.
    """
    if runs.cell.world.changes:
        raise SettingError(f"has no single optimum for {runs.cell.name}: the world changes", setting="figure")
    return np.array(OUTCOMES[figure](runs))
