"""Learning without a model: the settings of a learner, and the learner made from them.

Which rule is applied is a row of `clew.algorithms`; how actions are tried is a row of `clew.behaviours`. The two are
chosen apart: what is learned is one thing, and how much is explored another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from clew.algorithms import ALGORITHMS, MOST_OUTCOMES, Algorithm, Given
from clew.behaviours import BEHAVIOURS
from clew.errors import SettingError
from clew.kernels import sweeping
from clew.kernels.learners import AverageStep, CountedStep, StepSize
from clew.kernels.rollouts import AverageRates, ConstantRates, CountedRates, Rates
from clew.kernels.wide import WIDE_FROM, as_values
from clew.mdp import FiniteMDP, check_memory
from clew.settings import NOT_NEGATIVE, SHARE, Bounds, check_choice, check_count, check_number, make_plain, setting

__all__ = [
    "Learner",
    "Learning",
    "LearningSettings",
    "as_learning",
    "initial_value",
    "make_learner",
    "make_room",
    "with_more_outcomes",
]

MOST_AT_ONCE = 65_536  # steps in a window, or episodes that take turns: each is kept, and walked through
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
    """Everything that decides how is learned, flat. Which settings count is said by the row of the algorithm.

    Raises:
        SettingError: if a setting is out of range, or was given, and neither the algorithm nor the behaviour heeds it.
    """

    algorithm: str = setting("q-learning", "the learning rule; `clew algorithms` lists them")
    behaviour: str | None = setting(None, "how actions are tried [default: as the algorithm wants it]")
    alpha: float = setting(0.1, "step size")
    alpha_schedule: str = setting("constant", "constant, linear, exponential, or visits (one over the updates)")
    alpha_last: float = setting(0.01, "step size of the last episode, for a linear or exponential schedule")
    gamma: float = setting(0.9, "discount a step")
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


def as_learning(settings: Mapping[str, Any]) -> Learning:
    """The settings of a learner, from keyword arguments.

    Raises:
        SettingError: if one is unknown, or out of range.
    """
    known = [each.name for each in fields(Learning)]
    for name in settings:
        if name not in known:
            raise SettingError(f"there is no setting {name!r}; there are {', '.join(known)}")
    return Learning(**settings)


# Checking -------------------------------------------------------------------------------------------------------------


def check_learning(learning: Learning) -> None:
    """Check every setting.

    Raises:
        SettingError: names the one that is out of range.
    """
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
            f"gamma {learning.gamma!r} becomes 1 as float32, in which values are learned; "
            f"take 1, or at most {float(np.nextafter(np.float32(1), np.float32(0)))!r}"
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
        check_count(name, getattr(learning, name), 1, MOST_AT_ONCE)
    if learning.num_planning is not None:
        check_count("num_planning", learning.num_planning, 0, 1_000_000)  # Ctrl-C waits for a step to end
    _check_heeded(learning)
    _check_together(learning)


def _asked_by(name: str) -> list[str]:
    """The algorithms and behaviours that ask for a setting; none where it is everybody's."""
    if name.startswith("exploration_"):
        return [acting for acting, row in BEHAVIOURS.items() if row.setting is not None]
    first = "alpha" if name.startswith("alpha_") else name
    rules = [algorithm for algorithm, row in ALGORITHMS.items() if first in row.settings]
    return rules + [acting for acting, row in BEHAVIOURS.items() if row.setting == first]


def _check_heeded(learning: Learning) -> None:
    """Refuse a setting that was given, by a value other than its default, and that nobody asks for."""
    given = [each.name for each in fields(Learning) if getattr(learning, each.name) != each.default]
    behaviour = learning.behaviour or ALGORITHMS[learning.algorithm].behaviour
    for name in given:
        able = _asked_by(name)
        if able and learning.algorithm not in able and behaviour not in able:
            idle = behaviour if able[0] in BEHAVIOURS else learning.algorithm
            raise SettingError(f"{name} has no effect with {idle}; it is for {', '.join(able)}")
    for name, schedule, idle_with in (
        ("alpha", learning.alpha_schedule, ("visits",)),
        ("alpha_last", learning.alpha_schedule, ("constant", "visits")),
        ("exploration_last", learning.exploration_schedule, ("constant",)),
    ):
        if name in given and schedule in idle_with:
            which = name.removesuffix("_last") + "_schedule"
            raise SettingError(f"{name} has no effect with the {which} {schedule!r}; leave it out, or take another")


def _check_together(learning: Learning) -> None:
    """Settings that are each in range, and can't be together."""
    if (learning.initial_value is not None) + learning.optimistic + learning.pessimistic > 1:
        raise SettingError("choose one of initial_value, optimistic and pessimistic: each says what actions are worth")
    row = ALGORITHMS[learning.algorithm]
    if learning.num_interleaved > 1 and not row.interleaves:
        able = ", ".join(name for name, other in ALGORITHMS.items() if other.interleaves)
        raise SettingError(
            f"{row.name} keeps the episode in mind, so episodes can't be interleaved; num_interleaved is for {able}"
        )
    last, behaviour = learning.exploration_last, learning.behaviour or row.behaviour
    if learning.exploration_schedule == "exponential" and (last == 0.0 or exploration(learning) == 0.0):
        raise SettingError("an exponential schedule never reaches 0; take an exploration_last above it, or linear")
    if learning.exploration_schedule != "constant":
        acting = BEHAVIOURS[behaviour]
        check_number(f"exploration_last, the {acting.setting} of {behaviour} at last,", last, acting.bounds)


# What a trainer needs -------------------------------------------------------------------------------------------------


def exploration(learning: Learning) -> float:
    """How much the behaviour explores at first."""
    name = BEHAVIOURS[learning.behaviour or ALGORITHMS[learning.algorithm].behaviour].setting
    return 0.0 if name is None else float(getattr(learning, name))


def _schedule(kind: str, first: float, last: float, episodes: npt.NDArray[np.int64], total: int) -> Any:
    """What a schedule says for some episodes, of all that there will be."""
    if kind == "constant":
        return np.full(episodes.size, first)
    share = np.minimum(episodes / max(total - 1, 1), 1.0)
    return first + (last - first) * share if kind == "linear" else first * (last / first) ** share


@dataclass(frozen=True)
class Learner:
    """An algorithm at work: what its kernels are given.

    Attributes:
        q: (num_states, num_actions) float32, the action values.
        rule: the named tuple on which kernels dispatch; holds all that is learned.
        behaviour: name of the behaviour.
        visits: (num_states, num_actions) int32, how often each action was tried; empty if nobody asks.
        counts: (num_states, num_actions) int32, how often each value was moved; empty likewise.
        settings: all of them.
        grows: the world doesn't say how many outcomes it has, so a learned model may come to need more room.
    """

    q: npt.NDArray[np.float32]
    rule: Any
    behaviour: str
    visits: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]
    settings: Learning
    grows: bool

    @property
    def acting(self) -> Any:
        """The behaviour, as kernels dispatch on it."""
        return BEHAVIOURS[self.behaviour].kind

    @property
    def tables(self) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]]:
        """The tables that are learned, each with the number of moves of its values; q is their mean.

        A rule that learns more tables than q names each, and its counts: `first` and `first_counts`.
        """
        rule = self.rule
        names = [name for name in rule._fields if f"{name}_counts" in rule._fields]
        return [(getattr(rule, name), getattr(rule, f"{name}_counts")) for name in names] or [(self.q, self.counts)]

    def held(self, alpha: float, explores: float) -> "Learner":
        """The same learner, its schedules held at a step size and an exploration."""
        settings: dict[str, Any] = {"exploration_schedule": "constant", "exploration_last": Learning.exploration_last}
        if self.settings.alpha_schedule in ("linear", "exponential"):
            settings |= {"alpha_schedule": "constant", "alpha": alpha, "alpha_last": Learning.alpha_last}
        name = BEHAVIOURS[self.behaviour].setting
        if name is not None:
            settings[name] = explores
        return replace(self, settings=replace(self.settings, **settings))

    def rates(self, first: int, size: int, total: int) -> Rates | AverageRates | CountedRates | ConstantRates:
        """Step size and exploration of the episodes from `first` on, of `total`."""
        settings = self.settings
        begin = exploration(settings)
        if settings.alpha_schedule == settings.exploration_schedule == "constant":
            alpha = np.float32(settings.alpha)
            return CountedRates(alpha, begin, self.counts) if self.counts.size else ConstantRates(alpha, begin)
        episodes = np.arange(first, first + size)
        explore = _schedule(settings.exploration_schedule, begin, settings.exploration_last, episodes, total)
        if settings.alpha_schedule == "visits":
            return AverageRates(np.zeros(size, np.float32), explore, self.counts)
        alpha = _schedule(settings.alpha_schedule, settings.alpha, settings.alpha_last, episodes, total)
        return Rates(alpha.astype(np.float32), explore)

    def rates_at(self, episode: int, total: int) -> tuple[float, float]:
        """Step size and exploration of one episode."""
        rates = self.rates(episode, 1, total)
        return float(np.ravel(rates.alpha)[0]), float(np.ravel(rates.exploration)[0])

    def step_size(self, alpha: float) -> StepSize | AverageStep | CountedStep:
        """A step size as rules ask for it."""
        rate = np.float32(alpha)  # made here: a kernel that is called from Python gives its numbers back as float64
        if self.settings.alpha_schedule == "visits":
            return AverageStep(rate, self.counts)
        return CountedStep(rate, self.counts) if self.counts.size else StepSize(rate)


def make_learner(
    q: npt.NDArray[np.float32],
    settings: Learning,
    *,
    max_steps: int,
    num_outcomes: int | None = None,
    counted: bool = False,
) -> Learner:
    """Allocate what an algorithm works on.

    Args:
        q: (num_states, num_actions) float32, action values, filled with what they are at first; learned in place.
        settings: all of them.
        max_steps: step limit of an episode.
        num_outcomes: how many different outcomes all pairs of a state and an action may have together, if known.
        counted: count how often each value is moved, for who merges what several learners made of a table.

    Raises:
        SettingError: if the table is not as kernels learn it, or the memory would not do.
    """
    if q.ndim != 2 or q.dtype != np.float32 or not q.flags.c_contiguous or not q.flags.writeable:
        raise SettingError(
            "values are learned in place: they must be a C-contiguous float32 array, "
            f"(num_states, num_actions), that can be written; not {q.dtype} of {q.shape}"
        )
    row, num_states, num_actions = ALGORITHMS[settings.algorithm], *q.shape
    name = settings.behaviour or row.behaviour
    acting = BEHAVIOURS[name]
    none = np.zeros((0, 0), np.int32)
    given = Given(
        table=q,
        q=q,
        settings=settings,
        num_states=num_states,
        num_actions=num_actions,
        max_steps=max_steps,
        num_outcomes=q.size + 1024 if num_outcomes is None else max(num_outcomes, q.size),
        behaviour=acting.kind,
        visits=none,
        counted=counted or settings.alpha_schedule == "visits",
    )
    _check_size(row, given, acting.counts + given.counted)
    visits = np.zeros(q.shape, np.int32) if acting.counts else none
    counts = np.zeros(q.shape, np.int32) if given.counted else none
    rule = row.make(given._replace(q=as_values(q), visits=visits))
    return Learner(q, rule, name, visits, counts, settings, num_outcomes is None)


def _check_size(row: Algorithm, given: Given, num_counted: int) -> None:
    """Refuse a learner that the machine can't hold, before any of its memory is taken."""
    each = 4 + 4 * num_counted  # the table, and what is counted
    if given.num_actions >= WIDE_FROM:
        each += 8  # the maxima of blocks, and what it takes to find them
    what = f"{row.name} with {given.num_states:,} states, {given.num_actions:,} actions and {given.max_steps:,} steps"
    check_memory(each * given.num_pairs + row.num_bytes(given), f"{what} an episode")


def make_room(learner: Learner, num_steps: int) -> Learner:
    """The same learner, with room for the outcomes of so many steps more in a world that doesn't say how many it has.

    Raises:
        SettingError: if the memory would not do.
    """
    rule = learner.rule
    if not learner.grows or not isinstance(rule, sweeping.Sweeping):
        return learner
    model = rule.model
    missing = int(model.used[0]) + num_steps - model.pairs.size
    if missing <= 0:
        return learner
    num_outcomes = model.outcomes.shape[0]
    more = min(max(missing, num_outcomes), MOST_OUTCOMES - num_outcomes)
    if more < missing:
        raise SettingError(f"the learned model would have more than {MOST_OUTCOMES:,} outcomes")
    return with_more_outcomes(learner, more)


def with_more_outcomes(learner: Learner, more: int) -> Learner:
    """The same learner, with room for so many outcomes more in the model that it learns.

    Raises:
        SettingError: if the memory would not do.
    """
    model = learner.rule.model
    num_outcomes = model.outcomes.shape[0]
    check_memory(24 * (2 * num_outcomes + more), "the learned model, while it grows,")
    outcomes = np.concatenate([model.outcomes, np.full((more, model.outcomes.shape[1]), -1, np.int32)])
    next_of_pair = np.full(outcomes.shape[0], -1, np.int32)
    next_of_pair[: model.next_of_pair.size] = model.next_of_pair
    grown = model._replace(
        outcomes=outcomes,
        next_of_pair=next_of_pair,
        rewards=outcomes.view(np.float32),
        pairs=np.concatenate([model.pairs, np.zeros(more, np.int32)]),
    )
    return replace(learner, rule=learner.rule._replace(model=grown))


def initial_value(settings: Learning, mdp: FiniteMDP | None) -> np.float32:
    """What every action is worth at first.

    The most and the least that a world can pay for ever, r / (1 - gamma), come out as the number that a float32 update
    with that reward leaves exactly as it is.

    Raises:
        SettingError: if that is not finite, or not known.
    """
    if settings.initial_value is not None:
        return np.float32(settings.initial_value)
    outlook = "optimistic" if settings.optimistic else "pessimistic" if settings.pessimistic else ""
    outlook = outlook or ALGORITHMS[settings.algorithm].outlook
    if not outlook:
        return np.float32(0.0)
    if mdp is None:
        raise SettingError(f"the rewards of this environment aren't known; give initial_value for a start {outlook}")
    reward = np.float32(mdp.reward_range[outlook == "optimistic"])
    if reward == 0.0:
        return np.float32(0.0)
    gamma = np.float32(settings.gamma)
    with np.errstate(divide="ignore", over="ignore"):
        value = reward / (np.float32(1.0) - gamma)
        # What follows a greater number is not less, so the numbers only rise, or only fall, until one stays: there
        # are finitely many.
        while (step := reward + gamma * value) != value:
            value = step
    if not np.isfinite(value):
        raise SettingError(
            f"with gamma {settings.gamma:g} and a reward of {reward:g} the {outlook} value is not finite in float32; "
            f"give initial_value, or a smaller gamma"
        )
    return value
