"""Learner: an algorithm at work, with its action values and the memory of its update rule."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.environments import ModelEnvironment
from clew.errors import SettingError
from clew.kernels.learning import sweeping
from clew.kernels.learning.learners import ConstantStepSize, CountedStepSize, SampleAverageStepSize
from clew.kernels.learning.rates import AverageRates, ConstantRates, CountedRates, Rates
from clew.kernels.wide import MIN_WIDE_ACTIONS, as_values
from clew.learning.algorithms import ALGORITHMS, MAX_OUTCOMES
from clew.learning.declarations import LearnerSpec
from clew.learning.registering import make_rule, table_names
from clew.learning.settings import Learning
from clew.models.mdp import FiniteMDP
from clew.planning.solution import Solution
from clew.policies.behaviours import BEHAVIOURS
from clew.policies.policy import Policy, table_shape
from clew.settings import check_memory, check_type


def _schedule(kind: str, first: float, last: float, episodes: npt.NDArray[np.int64], total: int) -> Any:
    """Return the value of a setting in some episodes.

    Args:
        kind: "constant", "linear" or "exponential".
        first: value in the first episode.
        last: value in the last episode, if it changes.
        episodes: (size,) numbers of episodes, from 0.
        total: number of episodes of the whole training; later ones have the last value.

    Returns:
        (size,) float64.
    """
    if kind == "constant":
        return np.full(episodes.size, first)
    share = np.minimum(episodes / max(total - 1, 1), 1.0)
    return first + (last - first) * share if kind == "linear" else first * (last / first) ** share


@dataclass(frozen=True)
class Learner:
    """An algorithm at work, as its kernels take it.

    Attributes:
        q: (num_states, num_actions) float32, action values.
        rule: named tuple by whose type kernels choose the update rule; it holds all that is learned, q included.
        visits: (num_states, num_actions) int32, tries of each action; empty if the exploration strategy doesn't use
            them.
        counts: (num_states, num_actions) int32, updates of each value; empty if they aren't counted.
        settings: settings of the learner.
        model_grows: True if a learned model may need more memory, because the number of the world's outcomes is
            unknown.
        fixed_rates: (step size, exploration) of all episodes; None if they follow the schedules.
    """

    q: npt.NDArray[np.float32]
    rule: Any
    visits: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]
    settings: Learning
    model_grows: bool
    fixed_rates: tuple[float, float] | None = None

    @property
    def behaviour(self) -> Any:
        """Exploration strategy, as kernels dispatch on it."""
        return BEHAVIOURS[self.settings.behaviour_name].strategy

    @property
    def tables(self) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]]:
        """The learned tables, each with the counts of its updates; q is their mean.

        An update rule with tables of its own has a pair of fields for each, such as `q1` and `q1_counts`.
        """
        rule = self.rule
        pairs = [(getattr(rule, name), getattr(rule, f"{name}_counts")) for name in table_names(rule)]
        return pairs or [(self.q, self.counts)]

    def with_fixed_rates(self, alpha: float, exploration: float) -> "Learner":
        """Return a learner with the same arrays that has one step size and exploration in all episodes."""
        return replace(self, fixed_rates=(alpha, exploration))

    def rates(self, first: int, size: int, total: int) -> Rates | AverageRates | CountedRates | ConstantRates:
        """Return the step sizes and explorations of `size` episodes, from number `first` on, of `total` in all."""
        settings, is_fixed = self.settings, self.fixed_rates is not None
        first_alpha, first_exploration = self.fixed_rates or (settings.alpha, settings.exploration)
        averages = settings.alpha_schedule == "visits"
        if not averages and (is_fixed or settings.alpha_schedule == settings.exploration_schedule == "constant"):
            rates = np.float32(first_alpha), first_exploration
            return CountedRates(*rates, self.counts) if self.counts.size else ConstantRates(*rates)
        episodes = np.arange(first, first + size)
        kind = "constant" if is_fixed else settings.exploration_schedule
        exploration = _schedule(kind, first_exploration, settings.exploration_last, episodes, total)
        if averages:
            return AverageRates(np.zeros(size, np.float32), exploration, self.counts)
        alpha = _schedule(settings.alpha_schedule, settings.alpha, settings.alpha_last, episodes, total)
        return Rates(alpha.astype(np.float32), exploration)

    def rates_at(self, episode: int, total: int) -> tuple[float, float]:
        """Return (step size, exploration) of one episode, of `total` in all."""
        rates = self.rates(episode, 1, total)
        return float(np.ravel(rates.alpha)[0]), float(np.ravel(rates.exploration)[0])

    def step_size(self, alpha: float) -> ConstantStepSize | SampleAverageStepSize | CountedStepSize:
        """Return a step size in the form that update rules take; its type says whether updates are counted."""
        rate = np.float32(alpha)  # Numba returns float32 scalars to Python as float64
        if self.settings.alpha_schedule == "visits":
            return SampleAverageStepSize(rate, self.counts)
        return CountedStepSize(rate, self.counts) if self.counts.size else ConstantStepSize(rate)


def make_learner(
    q: npt.NDArray[np.float32],
    settings: Learning,
    *,
    max_steps: int,
    num_outcomes: int | None = None,
    counted: bool = False,
    masked: bool = False,
) -> Learner:
    """Allocate a learner for a table of initial values.

    Args:
        q: (num_states, num_actions) float32, C-contiguous, initial action values; the learner changes them in place.
        settings: settings of the learner.
        max_steps: step limit of an episode.
        num_outcomes: number of outcomes that all pairs of state and action have together; None if it is unknown.
        counted: count the updates of each value, which merging tables of several learners needs.
        masked: True if values may be or become -inf, which marks actions that aren't available.

    Raises:
        SettingError: if the table can't be learned in place, or the memory of the machine doesn't suffice.
    """
    if q.ndim != 2 or q.dtype != np.float32 or not q.flags.c_contiguous or not q.flags.writeable:
        raise SettingError(
            "action values are changed in place: expected a writeable, C-contiguous float32 array "
            f"(num_states, num_actions), got {q.dtype} of {q.shape}"
        )
    row, exploring = ALGORITHMS[settings.algorithm], BEHAVIOURS[settings.behaviour_name]
    spec = new_spec(q, settings, max_steps=max_steps, num_outcomes=num_outcomes, counted=counted)
    num_states, num_actions = q.shape
    what = f"{row.name} with {num_states:,} states, {num_actions:,} actions and {max_steps:,} steps an episode"
    check_memory(count_bytes(spec), what)
    none = np.zeros((0, 0), np.int32)
    visits = np.zeros(q.shape, np.int32) if exploring.uses_visits else none
    counts = np.zeros(q.shape, np.int32) if spec.counted else none
    rule = make_rule(row, spec._replace(q=as_values(q, masked=masked), visits=visits))
    return Learner(q, rule, visits, counts, settings, num_outcomes is None)


def new_spec(
    table: npt.NDArray[np.float32],
    settings: Learning,
    *,
    max_steps: int,
    num_outcomes: int | None = None,
    counted: bool = False,
) -> LearnerSpec:
    """Return what a learner's memory depends on; see `make_learner` for the arguments."""
    return LearnerSpec(
        table=table,
        q=table,
        settings=settings,
        max_steps=max_steps,
        num_outcomes=table.size + 1024 if num_outcomes is None else max(num_outcomes, table.size),
        behaviour=BEHAVIOURS[settings.behaviour_name].strategy,
        visits=np.zeros((0, 0), np.int32),
        counted=counted or settings.alpha_schedule == "visits",
    )


def count_bytes(spec: LearnerSpec) -> int:
    """Return the bytes of a learner: its table, counts of tries and updates, and the memory of its algorithm.

    Raises:
        SettingError: if a learned model has more outcomes than it can number.
    """
    row, exploring = ALGORITHMS[spec.settings.algorithm], BEHAVIOURS[spec.settings.behaviour_name]
    num_counted = exploring.uses_visits + spec.counted  # int32 counts for each pair of state and action
    # The table and the counts; of wide rows also the maxima of blocks, and the arrays from which they are computed.
    bytes_per_pair = 4 + 4 * num_counted + (8 if spec.table.shape[1] >= MIN_WIDE_ACTIONS else 0)
    return bytes_per_pair * spec.table.size + row.num_bytes(spec)


# Learned models that grow ---------------------------------------------------------------------------------------------


def reserve_outcomes(learner: Learner, num_new: int) -> Learner:
    """Return the learner with memory for a number of new outcomes, if its learned model may have to grow.

    Raises:
        SettingError: if the memory of the machine doesn't suffice.
    """
    if not learner.model_grows or (missing := _num_missing(learner, num_new)) <= 0:
        return learner
    num_outcomes = learner.rule.model.outcomes.shape[0]  # doubled at least, so that the model is seldom copied
    return grow_model(learner, max(missing, min(num_outcomes, MAX_OUTCOMES - num_outcomes)))


def reserve_for_world(learner: Learner, mdp: FiniteMDP) -> Learner:
    """Return the learner with memory for all outcomes of another world, besides those that its model has.

    Raises:
        SettingError: if the memory of the machine doesn't suffice.
    """
    missing = _num_missing(learner, mdp.num_outcomes)
    return grow_model(learner, missing) if missing > 0 else learner


def _num_missing(learner: Learner, num_new: int) -> int:
    """Return how many of a number of new outcomes the learned model has no memory for; 0 or less if there is enough.

    The first outcome of a pair has a row of its own; every further one takes a row behind those.
    """
    if not isinstance(learner.rule, sweeping.Sweeping):
        return 0
    model = learner.rule.model
    return int(model.num_further[0]) + num_new - model.pairs.size


def grow_model(learner: Learner, num_more: int) -> Learner:
    """Return the learner with a copy of its learned model that has memory for `num_more` further outcomes.

    Raises:
        SettingError: if the model can't number that many, or the memory of the machine doesn't suffice.
    """
    model = learner.rule.model
    num_outcomes = model.outcomes.shape[0]
    if num_outcomes + num_more > MAX_OUTCOMES:
        raise SettingError(
            f"the learned model must have at most {MAX_OUTCOMES:,} outcomes; use an algorithm without one"
        )
    check_memory(24 * (2 * num_outcomes + num_more), "the learned model, while it grows,")
    outcomes = np.concatenate([model.outcomes, np.full((num_more, model.outcomes.shape[1]), -1, np.int32)])
    grown = model._replace(
        outcomes=outcomes,
        next_outcome=np.concatenate(
            [model.next_outcome, np.full(len(outcomes) - model.next_outcome.size, -1, np.int32)]
        ),
        rewards=outcomes.view(np.float32),
        pairs=np.concatenate([model.pairs, np.zeros(num_more, np.int32)]),
    )
    return replace(learner, rule=learner.rule._replace(model=grown))


# Initial values -------------------------------------------------------------------------------------------------------


def initial_values(
    env: Any, world: ModelEnvironment | None, settings: Learning, policy: Policy | Solution | None = None
) -> npt.NDArray[np.float32] | np.float32:
    """Return the initial action values: those of a policy or solution if there is one, else one value of all actions.

    Args:
        env: environment, or model.
        world: its compiled form, from `as_compiled(env)`; None if it has none.
        settings: settings of the learner.
        policy: policy or solution from which training begins, or None.

    Raises:
        SettingError: if the policy doesn't fit the environment, has values that are not finite, or settings give
            initial values too; or see `uniform_initial_value`.
    """
    shape = table_shape(env)
    if policy is None:
        return uniform_initial_value(settings, None if world is None else world.mdp)
    if isinstance(policy, Solution):
        policy = Policy(env, q=policy.q)
    advice = "a clew.Policy or a Solution; clew.Policy(env, q=table) makes a policy of a table of action values"
    check_type("policy", policy, Policy, advice)
    if policy.q.shape != shape:
        raise SettingError(
            f"must have action values of {shape}, (num_states, num_actions), not {policy.q.shape}", setting="policy"
        )
    if not are_finite(policy.q, world):
        raise SettingError("must have finite action values, since training begins with them", setting="policy")
    if settings.initial_value is not None or settings.optimistic or settings.pessimistic:
        raise SettingError(
            "can't be combined with initial_value, optimistic or pessimistic: training begins with the values of the "
            "policy",
            setting="policy",
        )
    return policy.q


def are_finite(q: npt.NDArray[np.float32], world: ModelEnvironment | None) -> bool:
    """Return whether the values of all available actions are finite.

    Args:
        q: (num_states, num_actions), action values.
        world: compiled world; None if it has none: -inf then marks actions that action masks have excluded.
    """
    finite = np.isfinite(q)
    if world is None:
        finite |= np.isneginf(q) & finite.any(axis=1, keepdims=True)
    elif not world.mdp.all_available:
        finite |= ~world.mdp.available
    return bool(finite.all())


def uniform_initial_value(settings: Learning, mdp: FiniteMDP | None) -> np.float32:
    """Return the initial value of every available action.

    An optimistic or pessimistic value is the bound r / (1 - gamma), where r is the largest or smallest reward of a
    step, 0 included. It is exactly the float32 number that an update with this reward leaves unchanged.

    Args:
        settings: settings of the learner.
        mdp: model of the world; None if it has none.

    Returns:
        Initial value, in reward units.

    Raises:
        SettingError: if the bound is not finite, or the rewards are unknown.
    """
    if settings.initial_value is not None:
        return np.float32(settings.initial_value)
    kind = "optimistic" if settings.optimistic else "pessimistic" if settings.pessimistic else ""
    kind = kind or ALGORITHMS[settings.algorithm].initial_values
    if not kind:
        return np.float32(0.0)
    if mdp is None:
        raise SettingError(
            f"must be given: the rewards of this environment, and so the {kind} value, are unknown",
            setting="initial_value",
        )
    low, high = mdp.reward_range
    reward = np.float32(high if kind == "optimistic" else low)
    if reward == 0.0:
        return np.float32(0.0)
    gamma = np.float32(settings.gamma)
    with np.errstate(divide="ignore", over="ignore"):
        value = reward / (np.float32(1.0) - gamma)
        # The update is monotone in the value, so repeated updates only rise or only fall, until one changes nothing.
        while (step := reward + gamma * value) != value:
            value = step
    if not np.isfinite(value):
        raise SettingError(
            f"must be smaller: with {settings.gamma:g} and a reward of {reward:g} the {kind} initial value is not "
            "finite in float32",
            setting="gamma",
            take={"initial_value": 0.0},
        )
    return value
