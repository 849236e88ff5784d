"""Estimation of a model from logged steps by their counts, and what such a model doesn't know.

An estimate is the maximum likelihood: the probability of an outcome is the share of the steps that had it. Actions may
depend on earlier steps, and with them how many steps a pair of a state and an action has. So intervals hold for all
outcomes and all numbers n of steps at once: with probability 1 - d, n * KL(share, p) is at most log((n + 1) / d) for
all n, on each side of p, where KL is the relative entropy of two outcomes. `clew.planning.intervals` says why.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import ModelError, PrecisionWarning, SettingError
from clew.kernels.dynamics import Sparse
from clew.models.availability import available_pairs
from clew.models.checks import MAX_STATES, Starts
from clew.models.labels import Labels
from clew.models.tables import (
    as_column,
    check_lengths,
    find_starts,
    numbered,
    offsets_of,
    read_flags,
    read_numbers,
    sorted_groups,
)
from clew.settings import Bounds, as_numbers, check_count, check_memory, check_number, shown

Floats = npt.NDArray[np.float64]
CONFIDENCE = Bounds(least=0.5, most=1.0 - 1e-12)
BISECTIONS = 50


@dataclass(frozen=True, eq=False)
class Estimate:
    """Counts from which a model was estimated by `FiniteMDP.from_transitions`, and intervals that follow from them.

    Attributes:
        offsets: (num_states * num_actions + 1,) int64, as in the model.
        num_actions: number of actions.
        counts: (num_rows,) int64; number of steps that had the outcome of each row of the model, 0 for the row of a
            pair that was never tried.
        reward_variances: (num_rows,) float64, variance of the rewards of these steps.
        reward_range: lowest and highest reward that a step is assumed to have.
        confidence: probability with which all intervals hold together.
    """

    offsets: npt.NDArray[np.int64]
    num_actions: int
    counts: npt.NDArray[np.int64]
    reward_variances: Floats
    reward_range: tuple[float, float]
    confidence: float

    @cached_property
    def tries(self) -> npt.NDArray[np.int64]:
        """Number of steps with each action in each state, (num_states, num_actions) int64."""
        totals = np.concatenate([[0], np.cumsum(self.counts)])[self.offsets]
        return np.diff(totals).reshape(-1, self.num_actions)

    @cached_property
    def untried(self) -> npt.NDArray[np.bool_]:
        """Actions that were never tried, (num_states, num_actions) bool; False in terminal states."""
        untried: npt.NDArray[np.bool_] = (self.tries == 0) & (np.diff(self.offsets) > 0).reshape(self.tries.shape)
        return untried

    @cached_property
    def intervals(self) -> Floats:
        """Interval of the probability of each row of the model, (num_rows, 2) float64; (0, 1) without data.

        All of them and `unseen` hold together with the confidence.
        """
        n = np.repeat(self.tries.reshape(-1), np.diff(self.offsets))
        share = self.counts / np.maximum(n, 1)
        limit = self._limit(n) / np.maximum(n, 1)
        bounds = np.stack(
            [
                _where_entropy_is(share, limit, np.zeros_like(share)),
                _where_entropy_is(share, limit, np.ones_like(share)),
            ],
            1,
        )
        bounds[n == 0] = 0.0, 1.0
        return bounds

    @cached_property
    def unseen(self) -> Floats:
        """Upper bound of the probability of an outcome that was never seen, (num_states, num_actions) float64.

        It holds for each single next state, ended or not. It is 1 for what was never tried, and 0 in terminal states.
        """
        n = self.tries
        bound: Floats = np.where(n > 0, -np.expm1(-self._limit(n) / np.maximum(n, 1)), 1.0)
        bound[(np.diff(self.offsets) == 0).reshape(n.shape)] = 0.0
        return bound

    def _limit(self, n: npt.NDArray[np.int64]) -> Floats:
        """Return the largest n * KL(share, p) for pairs with n steps; the error is shared among all outcomes."""
        num_outcomes = 2.0 * self.tries.size * self.tries.shape[0]  # next states, ended or not
        limit: Floats = np.log(2.0 * num_outcomes / (1.0 - self.confidence)) + np.log(n + 1.0)
        return limit


def _where_entropy_is(share: Floats, limit: Floats, end: Floats) -> Floats:
    """Return the p between a share and an end (0 or 1) at which the relative entropy KL(share, p) reaches a limit.

    By bisection; where it never reaches the limit, the end itself.
    """
    inside, outside = share.copy(), end.copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(BISECTIONS):
            p = 0.5 * (inside + outside)
            entropy = np.where(share > 0.0, share * np.log(share / p), 0.0)
            entropy += np.where(share < 1.0, (1.0 - share) * np.log((1.0 - share) / (1.0 - p)), 0.0)
            beyond = entropy > limit
            inside, outside = np.where(beyond, inside, p), np.where(beyond, p, outside)
    return outside


def rows_of_transitions(
    columns: dict[str, Any], num_states: Any, num_actions: Any, starts: Any, reward_range: Any, confidence: Any
) -> tuple[Sparse, Starts, Labels, Estimate]:
    """Estimate a model from logged steps; see `FiniteMDP.from_transitions` for the arguments and errors.

    Args:
        columns: state, action, reward, next_state and terminated.
        num_states: number of states, or None.
        num_actions: number of actions, or None.
        starts: start states, or None for all in which something was done.
        reward_range: (lowest, highest) reward, or None for those of the log.
        confidence: of the intervals.

    Returns:
        (rows, start states, labels, estimate).
    """
    check_number("confidence", confidence, CONFIDENCE)
    given = {name: as_column(name, column) for name, column in columns.items()}
    check_lengths(given, "steps")
    where = "step {}".format
    (states, next_states), state_labels = numbered(given, ("state", "next_state"), where)
    (actions,), action_labels = numbered(given, ("action",), where)
    labels = Labels(state_labels, action_labels)
    num_states = _size("num_states", num_states, max(states.max(), next_states.max()) + 1, labels.states)
    num_actions = _size("num_actions", num_actions, actions.max() + 1, labels.actions)
    num_pairs = num_states * num_actions
    check_memory(64 * num_pairs, f"a model of num_states {num_states:,} and num_actions {num_actions:,}")
    rewards = read_numbers(given, "reward", where)
    terminated = read_flags(given["terminated"], where)
    lowest, highest = _reward_range(reward_range, rewards)

    pairs = states * num_actions + actions
    tried = (np.bincount(pairs, minlength=num_pairs) > 0).reshape(num_states, num_actions)
    untried = _untried_pairs(tried, next_states, terminated)  # each gets a row too, of 0 steps
    order, first = sorted_groups((pairs, next_states, terminated))
    counts = np.diff(np.append(first, order.size))
    means, variances = _moments(rewards[order], first, counts)
    firsts = order[first]
    row_pairs = np.concatenate([pairs[firsts], untried])
    order = np.argsort(row_pairs, kind="stable")
    row_pairs = row_pairs[order]
    zeros = np.zeros(untried.size)
    counts = np.concatenate([counts, zeros.astype(np.int64)])[order]
    offsets = offsets_of(row_pairs, num_pairs)
    totals = np.bincount(row_pairs, counts, num_pairs)[row_pairs]
    rows = Sparse(
        offsets,
        np.where(totals > 0, counts / np.maximum(totals, 1.0), 1.0),
        np.concatenate([next_states[firsts], untried // num_actions])[order].astype(np.int32),
        np.concatenate([means, zeros + min(0.0, lowest)])[order],
        np.concatenate([terminated[firsts], zeros > 0.0])[order],
        num_actions,
    )
    variances = np.concatenate([variances, zeros])[order]
    estimate = Estimate(offsets, num_actions, counts, variances, (lowest, highest), float(confidence))
    found = find_starts(starts, labels)
    return rows, np.flatnonzero(tried.any(axis=1)) if found is None else found, labels, estimate


def _untried_pairs(
    tried: npt.NDArray[np.bool_], next_states: npt.NDArray[np.int64], terminated: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Return the pairs of a state and an action that were never tried, except those of terminal states.

    A state is taken to be terminal if episodes ended in it, no other step led to it, and no action was taken there.

    Args:
        tried: (num_states, num_actions), whether an action was taken.
        next_states: (num_steps,)
        terminated: (num_steps,)
    """
    ended, entered = (np.bincount(next_states[flags], minlength=len(tried)) > 0 for flags in (terminated, ~terminated))
    is_terminal = ended & ~entered & ~tried.any(axis=1)
    return np.flatnonzero(~(tried | is_terminal[:, None]))


def _moments(rewards: Floats, first: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return mean and variance of the rewards of each group; the mean of equal rewards is that reward, exactly."""
    with np.errstate(over="ignore"):
        means = np.add.reduceat(rewards, first) / counts
        means = np.clip(means, np.minimum.reduceat(rewards, first), np.maximum.reduceat(rewards, first))
        variances = np.add.reduceat((rewards - np.repeat(means, counts)) ** 2, first) / counts
    return means, np.minimum(variances, np.finfo(np.float64).max)


def _size(name: str, given: Any, least: int, labels: tuple[str, ...] | None) -> int:
    """Return the number of states or actions: as given, or as the log has them."""
    if given is None:
        return int(least)
    if labels is not None:
        raise SettingError(f"has no effect on texts: the log has {len(labels)} different ones", setting=name)
    check_count(name, given, int(least), MAX_STATES)
    return int(given)


def _reward_range(given: Any, rewards: Floats) -> tuple[float, float]:
    """Return the lowest and the highest reward that a step may have: as given, or as the log has them."""
    seen = float(rewards.min()), float(rewards.max())
    if given is None:
        if seen == (0.0, 0.0):
            warnings.warn(
                "all rewards of the log are 0, so all values and their intervals will be 0; if the real world pays "
                "other rewards, give reward_range=(lowest, highest)",
                PrecisionWarning,
                stacklevel=4,  # the caller of `FiniteMDP.from_transitions`
            )
        return seen
    bounds = as_numbers("reward_range", given)
    if bounds.shape != (2,) or not np.isfinite(bounds).all() or not bounds[0] <= seen[0] <= seen[1] <= bounds[1]:
        raise SettingError(
            f"must be (lowest, highest), finite, with the rewards of the log, {seen[0]:g} to {seen[1]:g}, between, "
            f"not {shown(given)}",
            setting="reward_range",
        )
    return float(bounds[0]), float(bounds[1])


def check_estimate(model: Sparse, counts: Any, reward_variances: Any, reward_range: Any, confidence: Any) -> Estimate:
    """Return the estimate that belongs to a model, from the arrays in a file.

    Raises:
        ModelError: if they don't fit the model.
    """
    reward_range = np.asarray(reward_range)
    sound = counts.shape == reward_variances.shape == model.probabilities.shape and reward_range.shape == (2,)
    sound = sound and bool(available_pairs(model).all())  # actions that were never tried have outcomes too
    sound = sound and bool(
        ((counts >= 0) & (counts < 2**48)).all()
        and np.isfinite(reward_variances).all()
        and (reward_variances >= 0.0).all()
        and np.isfinite(reward_range).all()
        and reward_range[0] <= reward_range[1]
        and CONFIDENCE.hold(confidence)
    )
    if not sound:
        raise ModelError("counts, reward_variances, reward_range and confidence don't belong to this model")
    bounds = float(reward_range[0]), float(reward_range[1])
    return Estimate(model.offsets, model.num_actions, counts, reward_variances, bounds, float(confidence))
