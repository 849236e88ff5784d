"""A learner: an algorithm at work, made from the settings of `clew.learning.settings`."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels.learning import sweeping
from clew.kernels.learning.learners import AverageStep, CountedStep, StepSize
from clew.kernels.learning.rollouts import AverageRates, ConstantRates, CountedRates, Rates
from clew.kernels.wide import WIDE_FROM, as_values
from clew.learning.algorithms import ALGORITHMS, MAX_OUTCOMES, Algorithm, LearnerSpec
from clew.learning.settings import Learning
from clew.models.mdp import FiniteMDP
from clew.policies.behaviours import BEHAVIOURS
from clew.settings import check_memory

__all__ = ["Learner", "initial_value", "make_learner", "make_room", "make_room_for_world", "with_more_outcomes"]


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
        visits: (num_states, num_actions) int32, how often each action was tried; empty if nobody asks.
        counts: (num_states, num_actions) int32, how often each value was moved; empty likewise.
        settings: all of them.
        grows: the world doesn't say how many outcomes it has, so a learned model may come to need more room.
        now: step size and exploration, where schedules are held; None leaves them to the schedules.
    """

    q: npt.NDArray[np.float32]
    rule: Any
    visits: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]
    settings: Learning
    grows: bool
    now: tuple[float, float] | None = None

    @property
    def behaviour(self) -> Any:
        """The behaviour, as kernels dispatch on it."""
        return BEHAVIOURS[self.settings.behaviour_name].kind

    @property
    def tables(self) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]]:
        """The tables that are learned, each with the number of moves of its values; q is their mean.

        A rule that learns more tables than q names each, and its counts: `first` and `first_counts`.
        """
        rule = self.rule
        names = [name for name in rule._fields if f"{name}_counts" in rule._fields]
        return [(getattr(rule, name), getattr(rule, f"{name}_counts")) for name in names] or [(self.q, self.counts)]

    def with_fixed_rates(self, alpha: float, explores: float) -> "Learner":
        """The same learner, its schedules held at a step size and an exploration."""
        return replace(self, now=(alpha, explores))

    def rates(self, first: int, size: int, total: int) -> Rates | AverageRates | CountedRates | ConstantRates:
        """Step size and exploration of the episodes from `first` on, of `total`."""
        settings = self.settings
        averages = settings.alpha_schedule == "visits"
        first_alpha, begin = self.now or (settings.alpha, settings.exploration)
        held = self.now is not None
        if not averages and (held or settings.alpha_schedule == settings.exploration_schedule == "constant"):
            alpha = np.float32(first_alpha)
            return CountedRates(alpha, begin, self.counts) if self.counts.size else ConstantRates(alpha, begin)
        episodes = np.arange(first, first + size)
        kind = "constant" if held else settings.exploration_schedule
        explore = _schedule(kind, begin, settings.exploration_last, episodes, total)
        if averages:
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
        counted: count how often each value is moved, for merging what several learners made of one table.

    Raises:
        SettingError: if the table is not as kernels learn it, or the memory would not do.
    """
    if q.ndim != 2 or q.dtype != np.float32 or not q.flags.c_contiguous or not q.flags.writeable:
        raise SettingError(
            "values are learned in place: they must be a C-contiguous float32 array, "
            f"(num_states, num_actions), that can be written; not {q.dtype} of {q.shape}"
        )
    row, num_states, num_actions = ALGORITHMS[settings.algorithm], *q.shape
    acting = BEHAVIOURS[settings.behaviour_name]
    none = np.zeros((0, 0), np.int32)
    given = LearnerSpec(
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
    return Learner(q, rule, visits, counts, settings, num_outcomes is None)


def _check_size(row: Algorithm, given: LearnerSpec, num_counted: int) -> None:
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
    if not learner.grows or (missing := _missing_room(learner, num_steps)) <= 0:
        return learner
    num_outcomes = learner.rule.model.outcomes.shape[0]  # twice as many at least, so that it is seldom copied
    return with_more_outcomes(learner, max(missing, min(num_outcomes, MAX_OUTCOMES - num_outcomes)))


def make_room_for_world(learner: Learner, mdp: FiniteMDP) -> Learner:
    """The same learner, with room for all outcomes of another world beside those that it knows.

    Raises:
        SettingError: if the memory would not do.
    """
    missing = _missing_room(learner, mdp.num_outcomes)
    return with_more_outcomes(learner, missing) if missing > 0 else learner


def _missing_room(learner: Learner, num_new: int) -> int:
    """How many of so many new outcomes its model has no room for; 0 or less if for all, or if it learns no model.

    The first outcome of a pair has a place of its own; those of pairs that were tried before all need room behind.
    """
    if not isinstance(learner.rule, sweeping.Sweeping):
        return 0
    model = learner.rule.model
    return int(model.used[0]) + num_new - model.pairs.size


def with_more_outcomes(learner: Learner, more: int) -> Learner:
    """The same learner, with room for so many outcomes more in the model that it learns.

    Raises:
        SettingError: if the memory would not do.
    """
    model = learner.rule.model
    num_outcomes = model.outcomes.shape[0]
    if num_outcomes + more > MAX_OUTCOMES:
        raise SettingError(f"the learned model would have more than {MAX_OUTCOMES:,} outcomes")
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
    initial_values = "optimistic" if settings.optimistic else "pessimistic" if settings.pessimistic else ""
    initial_values = initial_values or ALGORITHMS[settings.algorithm].initial_values
    if not initial_values:
        return np.float32(0.0)
    if mdp is None:
        raise SettingError(
            f"must be given: the rewards of this environment, and so the {initial_values} value, are unknown",
            setting="initial_value",
        )
    low, high = mdp.reward_range
    reward = np.float32(high if initial_values == "optimistic" else low)
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
            f"must be smaller: with {settings.gamma:g} and a reward of {reward:g} the {initial_values} initial value "
            f"is not finite in float32",
            setting="gamma",
            take={"initial_value": 0.0},
        )
    return value
