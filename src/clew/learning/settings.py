"""The settings of a learner, and the checks of these and of a training.

The algorithm is a row of `clew.ALGORITHMS`, the exploration strategy a row of `clew.BEHAVIOURS`; any two go together.
Both tables load the kernels, so the functions that need them import them: settings are listed without.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, TypedDict

from clew.errors import SettingError
from clew.policies.plugins import check_known
from clew.settings import (
    MAX_EPISODES,
    NOT_NEGATIVE,
    SHARE,
    Bounds,
    check_choice,
    check_count,
    check_number,
    choose_from,
    make_plain,
    setting,
)

MAX_AT_ONCE = 65_536  # n, and interleaved episodes: each takes memory, and time at every step
SCHEDULES = ("constant", "linear", "exponential")


# The settings ---------------------------------------------------------------------------------------------------------


class LearningSettings(TypedDict, total=False):
    """The settings of `Learning`, as keyword arguments."""

    algorithm: str
    behaviour: str | None
    alpha: float
    alpha_schedule: str
    alpha_last: float
    gamma: float
    epsilon: float
    temperature: float
    confidence: float
    exploration_schedule: str
    exploration_last: float
    exploring_starts: bool
    initial_value: float | None
    optimistic: bool
    pessimistic: bool
    n: int
    lambda_: float
    accumulating: bool
    num_planning: int | None
    kappa: float
    threshold: float
    known_after: int
    num_interleaved: int
    algorithm_settings: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Learning:
    """All settings of a learner, in one flat record. They are checked when it is made.

    Each algorithm uses only some of them; docs/algorithms.md lists which. A setting that has no effect is refused.

        >>> import clew
        >>> learning = clew.Learning(algorithm="sarsa-lambda", alpha=0.2)
        >>> learning.lambda_, learning.accumulating, learning.behaviour_name
        (0.9, False, 'epsilon-greedy')

    Attributes:
        algorithm: algorithm, a row of `ALGORITHMS`; by default "q-learning".
        behaviour: exploration strategy, a row of `BEHAVIOURS`; by default None, which depends on the algorithm.
        alpha: step size, in (0, 1]; by default 0.1.
        alpha_schedule: how the step size changes over the episodes: "constant", "linear", "exponential", or "visits",
            which is one over the number of updates of the value; by default "constant".
        alpha_last: step size in the last episode, in (0, 1], for a linear or exponential schedule; by default 0.01.
        gamma: discount per step, in [0, 1]; by default 0.9.
        epsilon: probability of a random action, in [0, 1], for epsilon-greedy and first-action; by default 0.1.
        temperature: temperature of softmax, above 0, in reward units; by default 0.1.
        confidence: width of the confidence interval of ucb, at least 0, in reward units; by default 1.0.
        exploration_schedule: how epsilon, temperature or confidence, whichever the exploration strategy has, changes
            over the episodes: "constant", "linear" or "exponential"; by default "constant".
        exploration_last: value of that setting in the last episode, at least 0, for a linear or exponential schedule;
            by default 0.01.
        exploring_starts: True begins each episode with a random action; by default False.
        initial_value: initial value of every action, a finite number in reward units; by default None, which is 0 or
            depends on the algorithm. Exclusive with `optimistic` and `pessimistic`.
        optimistic: True makes the upper bound r_max / (1 - gamma) the initial value; by default False.
        pessimistic: True makes the lower bound r_min / (1 - gamma) the initial value; by default False.
        n: number of steps of n-step algorithms, from 1 to 65,536; by default 4.
        lambda_: decay of eligibility traces, in [0, 1]; by default 0.9.
        accumulating: True makes eligibility traces accumulating, False replacing; by default False.
        num_planning: planning updates after each step, from 0 to 1,000,000; by default None, which depends on the
            algorithm.
        kappa: exploration bonus of dyna-q+, kappa * sqrt(steps since the action was last tried), at least 0; by default
            0.0001.
        threshold: changes of a value up to this size are not propagated, at least 0, in reward units; by default 0.0.
        known_after: number of tries after which r-max uses its model of an action, from 1 to 1,000,000,000; by default
            1.
        num_interleaved: number of episodes that are interleaved on one table, from 1 to 65,536; by default 1. It
            changes the result.
        algorithm_settings: parameters of an algorithm that a plug-in has registered, by name; by default {}, and the
            parameters that aren't given are filled in with their defaults.

    Raises:
        SettingError: if a setting is out of range, has no effect with the algorithm and the exploration strategy, or
            contradicts another.
    """

    algorithm: str = setting("q-learning", "algorithm; `clew algorithms` lists them")
    behaviour: str | None = setting(None, "exploration strategy [default: depends on the algorithm]")
    alpha: float = setting(0.1, "step size")
    alpha_schedule: str = setting(
        "constant", "step size over the episodes: constant, linear, exponential, or visits (1 / number of updates)"
    )
    alpha_last: float = setting(0.01, "step size in the last episode, for a linear or exponential schedule")
    gamma: float = setting(0.9, "discount per step")
    epsilon: float = setting(0.1, "probability of a random action, for epsilon-greedy and first-action")
    temperature: float = setting(0.1, "temperature of softmax, in reward units")
    confidence: float = setting(1.0, "width of the confidence interval of ucb, in reward units")
    exploration_schedule: str = setting(
        "constant", "epsilon, temperature or confidence over the episodes: constant, linear or exponential"
    )
    exploration_last: float = setting(
        0.01, "epsilon, temperature or confidence in the last episode, for a linear or exponential schedule"
    )
    exploring_starts: bool = setting(False, "begin each episode with a random action")
    initial_value: float | None = setting(
        None, "initial value of every action [default: 0, or depends on the algorithm]"
    )
    optimistic: bool = setting(False, "optimistic initial values: the upper bound r_max / (1 - gamma)")
    pessimistic: bool = setting(False, "pessimistic initial values: the lower bound r_min / (1 - gamma)")
    n: int = setting(4, "number of steps of n-step algorithms")
    lambda_: float = setting(0.9, "decay of eligibility traces, in [0, 1]")
    accumulating: bool = setting(False, "accumulating eligibility traces instead of replacing ones")
    num_planning: int | None = setting(None, "planning updates after each step [default: depends on the algorithm]")
    kappa: float = setting(0.0001, "exploration bonus of dyna-q+: kappa * sqrt(steps since last tried)")
    threshold: float = setting(0.0, "changes of a value up to this size are not propagated")
    known_after: int = setting(1, "number of tries after which r-max uses its model of an action")
    num_interleaved: int = setting(1, "number of episodes interleaved on one table; part of what decides the result")
    algorithm_settings: dict[str, Any] = field(
        default_factory=dict,
        hash=False,
        metadata={"help": "parameter of an algorithm that a plug-in has registered; can be repeated"},
    )

    def __post_init__(self) -> None:
        from clew.learning.algorithms import ALGORITHMS
        from clew.learning.declarations import complete_parameters

        make_plain(self)
        check_known("algorithm", self.algorithm, ALGORITHMS)
        filled_in = complete_parameters(ALGORITHMS[self.algorithm], self.algorithm_settings)
        object.__setattr__(self, "algorithm_settings", filled_in)
        check_learning(self)

    @property
    def behaviour_name(self) -> str:
        """Name of the exploration strategy: `behaviour`, or the default of the algorithm."""
        from clew.learning.algorithms import ALGORITHMS

        return self.behaviour or ALGORITHMS[self.algorithm].behaviour

    @property
    def exploration(self) -> float:
        """Initial epsilon, temperature or confidence, whichever the strategy has; 0 if it has none."""
        from clew.policies.behaviours import BEHAVIOURS

        name = BEHAVIOURS[self.behaviour_name].setting
        return 0.0 if name is None else float(getattr(self, name))


def default_of(setting: "Field[Any]") -> Any:
    """Return the default of a setting, a field of a dataclass."""
    return setting.default if setting.default_factory is MISSING else setting.default_factory()


def as_learning(settings: Mapping[str, Any]) -> Learning:
    """Return the settings of a learner, given as keyword arguments.

    Raises:
        SettingError: if a name is unknown, or a setting is refused by `Learning`.
    """
    known = [each.name for each in fields(Learning)]
    for name in settings:
        if name not in known:
            raise SettingError(f"is not a setting; {choose_from(name, known)}", setting=name)
    return Learning(**settings)


# Checking -------------------------------------------------------------------------------------------------------------


def check_run(num_episodes: int, seed: int) -> None:
    """Check the number of episodes and the seed of a training.

    Raises:
        SettingError: names the setting that is out of range.
    """
    check_count("num_episodes", num_episodes, 1, MAX_EPISODES)
    check_count("seed", seed, 0)


def check_learning(learning: Learning) -> None:
    """Check every setting by itself, and then those that depend on each other; called by `Learning`.

    Raises:
        SettingError: names the setting that is out of range, unused or contradicted.
    """
    import numpy as np

    from clew.policies.behaviours import BEHAVIOURS

    if learning.behaviour is not None:
        check_known("behaviour", learning.behaviour, BEHAVIOURS)
    check_choice("alpha_schedule", learning.alpha_schedule, (*SCHEDULES, "visits"))
    check_choice("exploration_schedule", learning.exploration_schedule, SCHEDULES)
    for name in ("alpha", "alpha_last"):
        check_number(name, getattr(learning, name), Bounds(above=0.0, most=1.0), single=True)
    check_number("gamma", learning.gamma, SHARE, single=True)
    if learning.gamma < 1.0 and np.float32(learning.gamma) == 1.0:
        raise SettingError(
            f"must be 1, or at most {float(np.nextafter(np.float32(1), np.float32(0)))!r}; "
            f"{learning.gamma!r} becomes 1 as float32, in which values are learned",
            setting="gamma",
        )
    chosen = BEHAVIOURS[learning.behaviour_name]
    others = [row for name, row in BEHAVIOURS.items() if ":" not in name and row.setting != chosen.setting]
    for acting in (chosen, *others):
        if acting.setting is not None:
            check_number(acting.setting, getattr(learning, acting.setting), acting.bounds)
    check_number("lambda_", learning.lambda_, SHARE)
    for name in ("exploration_last", "kappa", "threshold"):
        check_number(name, getattr(learning, name), NOT_NEGATIVE)
    if learning.initial_value is not None:
        check_number("initial_value", learning.initial_value, single=True)
    check_count("known_after", learning.known_after, 1, 1_000_000_000)
    for name in ("n", "num_interleaved"):
        check_count(name, getattr(learning, name), 1, MAX_AT_ONCE)
    if learning.num_planning is not None:
        check_count("num_planning", learning.num_planning, 0, 1_000_000)  # a Ctrl-C takes effect between steps
    _check_used(learning)
    _check_together(learning)


def _asked_by(name: str) -> list[str]:
    """Return the algorithms and exploration strategies that use a setting; empty if all of them do."""
    from clew.learning.algorithms import ALGORITHMS
    from clew.policies.behaviours import BEHAVIOURS

    if name.startswith("exploration_"):
        return [acting for acting, row in BEHAVIOURS.items() if row.setting is not None]
    first = "alpha" if name.startswith("alpha_") else name
    rules = [algorithm for algorithm, row in ALGORITHMS.items() if first in row.settings]
    return rules + [acting for acting, row in BEHAVIOURS.items() if row.setting == first]


def _check_used(learning: Learning) -> None:
    """Refuse settings that differ from their default but have no effect.

    Raises:
        SettingError: names the setting, and the algorithms, strategies or schedules that use it.
    """
    from clew.policies.behaviours import BEHAVIOURS

    given = [each.name for each in fields(Learning) if getattr(learning, each.name) != default_of(each)]
    for name in given:
        able = _asked_by(name)
        if able and learning.algorithm not in able and learning.behaviour_name not in able:
            idle = learning.behaviour_name if able[0] in BEHAVIOURS else learning.algorithm
            raise SettingError(f"has no effect with {idle}; it is for {', '.join(able)}", setting=name)
    for name, schedule, idle_with in (
        ("alpha", learning.alpha_schedule, ("visits",)),
        ("alpha_last", learning.alpha_schedule, ("constant", "visits")),
        ("exploration_last", learning.exploration_schedule, ("constant",)),
    ):
        if name in given and schedule in idle_with:
            which = name.removesuffix("_last") + "_schedule"
            raise SettingError(f"has no effect with a schedule of {schedule!r}", setting=name, take={which: "linear"})


def _check_together(learning: Learning) -> None:
    """Check settings that are in range by themselves against each other.

    Raises:
        SettingError: if initial values are set in two ways, the algorithm can't be interleaved, an exponential schedule
            begins or ends at 0, or the strategy doesn't allow `exploration_last`.
    """
    from clew.learning.algorithms import ALGORITHMS
    from clew.policies.behaviours import BEHAVIOURS

    if (learning.initial_value is not None) + learning.optimistic + learning.pessimistic > 1:
        raise SettingError(
            "can't be combined with another setting of the initial values",
            setting="optimistic" if learning.optimistic else "pessimistic",
        )
    row = ALGORITHMS[learning.algorithm]
    if learning.num_interleaved > 1 and not row.interleaves:
        able = ", ".join(name for name, other in ALGORITHMS.items() if other.interleaves)
        why = "doesn't declare interleaves=True" if ":" in row.name else "stores the current episode"
        raise SettingError(
            f"must be 1 with {row.name}, which {why}; more is for {able}",
            setting="num_interleaved",
        )
    last = learning.exploration_last
    acting = BEHAVIOURS[learning.behaviour_name]
    if learning.exploration_schedule == "exponential" and (last == 0.0 or learning.exploration == 0.0):
        name = "exploration_last" if last == 0.0 or acting.setting is None else acting.setting
        raise SettingError(
            "must be above 0: an exponential schedule never reaches 0",
            setting=name,
            take={"exploration_schedule": "linear"},
        )
    if learning.exploration_schedule != "constant":
        check_number("exploration_last", last, acting.bounds, used_by=learning.behaviour_name)
