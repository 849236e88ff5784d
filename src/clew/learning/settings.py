"""The settings of a learner, and their checks. `clew.learning.learner` makes a learner from them.

The algorithm is a row of `clew.learning.algorithms`; the exploration strategy is a row of `clew.policies.behaviours`.
They are chosen independently. Both tables load the kernels, so they are imported by the functions that need them: the
settings can be listed without.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypedDict

from clew.errors import SettingError
from clew.settings import NOT_NEGATIVE, SHARE, Bounds, check_choice, check_count, check_number, make_plain, setting

__all__ = ["Learning", "LearningSettings", "as_learning"]

MAX_AT_ONCE = 65_536  # steps in a window, or episodes that take turns: each is kept, and walked through
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


@dataclass(frozen=True, kw_only=True)
class Learning:
    """All settings of learning, in one flat record.

    Each algorithm uses only some; docs/algorithms.md lists which. A default of None is filled in when the learner is
    made, by the algorithm.

    Attributes:
        algorithm: name of the learning rule, a row of `ALGORITHMS`; by default "q-learning".
        behaviour: name of the way to try actions, a row of `BEHAVIOURS`; by default None, the one of the algorithm.
        alpha: step size, in (0, 1]; by default 0.1.
        alpha_schedule: how the step size changes over the episodes: "constant", "linear", "exponential", or "visits",
            which is one over the number of updates of the value; by default "constant".
        alpha_last: step size in the last episode, in (0, 1], for a linear or exponential schedule; by default 0.01.
        gamma: discount per step, in [0, 1]; by default 0.9.
        epsilon: probability of exploring, in [0, 1], for epsilon-greedy and first-action; by default 0.1.
        temperature: how even softmax is, above 0, in units of value; by default 0.1.
        confidence: width of the interval of ucb, at least 0, in units of value; by default 1.0.
        exploration_schedule: how epsilon, temperature or confidence, whichever the behaviour has, changes over the
            episodes: "constant", "linear" or "exponential"; by default "constant".
        exploration_last: that setting in the last episode, at least 0, for a linear or exponential schedule; by default
            0.01.
        exploring_starts: True begins each episode with any action, each as likely as the others; by default False.
        initial_value: value of every action at first, any finite number; by default None, which is 0, or what the
            algorithm wants. It can't be given together with `optimistic` or `pessimistic`.
        optimistic: True begins with the most that an action can be worth, r_max / (1 - gamma); by default False.
        pessimistic: True begins with the least that an action can be worth, r_min / (1 - gamma); by default False.
        n: steps that n-step rules look ahead, from 1 to 65,536; by default 4.
        lambda_: how long traces last, in [0, 1]; by default 0.9.
        accumulating: True adds traces up, False begins them anew at each visit; by default False.
        num_planning: planning updates after each step, from 0 to 1,000,000; by default None, what the algorithm
            wants.
        kappa: what dyna-q+ adds to the reward for each root of a step since an action was last tried, at least 0; by
            default 0.0001.
        threshold: changes of a value up to this are not propagated, at least 0; by default 0.0.
        known_after: tries before r-max believes what it saw, from 1 to 1,000,000,000; by default 1.
        num_interleaved: episodes that take turns on one table, from 1 to 65,536; by default 1. It changes the result.

    Raises:
        SettingError: if a setting is out of range, or was given, and neither the algorithm nor the behaviour heeds it.
    """

    algorithm: str = setting("q-learning", "the learning rule; `clew algorithms` lists them")
    behaviour: str | None = setting(None, "how actions are tried [default: as the algorithm wants it]")
    alpha: float = setting(0.1, "step size")
    alpha_schedule: str = setting("constant", "constant, linear, exponential, or visits (one over the updates)")
    alpha_last: float = setting(0.01, "step size of the last episode, for a linear or exponential schedule")
    gamma: float = setting(0.9, "discount per step")
    epsilon: float = setting(0.1, "probability of exploring, for epsilon-greedy")
    temperature: float = setting(0.1, "how even softmax is, in units of value")
    confidence: float = setting(1.0, "width of the interval of ucb, in units of value")
    exploration_schedule: str = setting("constant", "constant, linear or exponential: for the setting of the behaviour")
    exploration_last: float = setting(0.01, "exploration in the last episode, for a linear or exponential schedule")
    exploring_starts: bool = setting(False, "begin each episode with any action")
    initial_value: float | None = setting(None, "value of every action at first [default: 0, or as the rule wants]")
    optimistic: bool = setting(False, "at first every action is worth the most that can be: r_max / (1 - gamma)")
    pessimistic: bool = setting(False, "at first every action is worth the least that can be: r_min / (1 - gamma)")
    n: int = setting(4, "steps that n-step rules look ahead")
    lambda_: float = setting(0.9, "how long traces last, in [0, 1]")
    accumulating: bool = setting(False, "traces add up, in place of beginning anew")
    num_planning: int | None = setting(None, "planning updates after each step [default: as the rule wants it]")
    kappa: float = setting(0.0001, "dyna-q+: what a step pays more for each root of a step since it was last tried")
    threshold: float = setting(0.0, "changes of a value up to this are not propagated")
    known_after: int = setting(1, "tries before r-max believes what it saw")
    num_interleaved: int = setting(1, "episodes that take turns on one table; part of what decides the result")

    def __post_init__(self) -> None:
        make_plain(self)
        check_learning(self)

    @property
    def behaviour_name(self) -> str:
        """Name of the behaviour: the one that was chosen, or else the one that the algorithm wants."""
        from clew.learning.algorithms import ALGORITHMS

        return self.behaviour or ALGORITHMS[self.algorithm].behaviour

    @property
    def exploration(self) -> float:
        """How much the behaviour explores at first; 0 if it has no setting for it."""
        from clew.policies.behaviours import BEHAVIOURS

        name = BEHAVIOURS[self.behaviour_name].setting
        return 0.0 if name is None else float(getattr(self, name))


def as_learning(settings: Mapping[str, Any]) -> Learning:
    """The settings of a learner, from keyword arguments.

    Raises:
        SettingError: if one is unknown, or out of range.
    """
    known = [each.name for each in fields(Learning)]
    for name in settings:
        if name not in known:
            raise SettingError(f"is not a setting; choose from {', '.join(known)}", setting=name)
    return Learning(**settings)


# Checking -------------------------------------------------------------------------------------------------------------


def check_learning(learning: Learning) -> None:
    """Check every setting.

    Raises:
        SettingError: names the one that is out of range.
    """
    import numpy as np

    from clew.learning.algorithms import ALGORITHMS
    from clew.policies.behaviours import BEHAVIOURS

    check_choice("algorithm", learning.algorithm, ALGORITHMS)
    if learning.behaviour is not None:
        check_choice("behaviour", learning.behaviour, BEHAVIOURS)
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
    for acting in BEHAVIOURS.values():
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
        check_count("num_planning", learning.num_planning, 0, 1_000_000)  # Ctrl-C waits for a step to end
    _check_used(learning)
    _check_together(learning)


def _asked_by(name: str) -> list[str]:
    """The algorithms and behaviours that ask for a setting; none where it is everybody's."""
    from clew.learning.algorithms import ALGORITHMS
    from clew.policies.behaviours import BEHAVIOURS

    if name.startswith("exploration_"):
        return [acting for acting, row in BEHAVIOURS.items() if row.setting is not None]
    first = "alpha" if name.startswith("alpha_") else name
    rules = [algorithm for algorithm, row in ALGORITHMS.items() if first in row.settings]
    return rules + [acting for acting, row in BEHAVIOURS.items() if row.setting == first]


def _check_used(learning: Learning) -> None:
    """Refuse a setting that was given, by a value other than its default, and that nobody asks for."""
    from clew.policies.behaviours import BEHAVIOURS

    given = [each.name for each in fields(Learning) if getattr(learning, each.name) != each.default]
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
    """Settings that are each in range, and can't be together."""
    from clew.learning.algorithms import ALGORITHMS
    from clew.policies.behaviours import BEHAVIOURS

    if (learning.initial_value is not None) + learning.optimistic + learning.pessimistic > 1:
        name = "optimistic" if learning.optimistic else "pessimistic"
        raise SettingError("can't be combined with another setting of the initial values", setting=name)
    row = ALGORITHMS[learning.algorithm]
    if learning.num_interleaved > 1 and not row.interleaves:
        able = ", ".join(name for name, other in ALGORITHMS.items() if other.interleaves)
        raise SettingError(
            f"must be 1 with {row.name}, which stores the current episode; more is for {able}",
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
