"""Conversion of outcomes, from a Python function or an environment's table `P`, to rows of a sparse model."""

from array import array
from collections.abc import Callable, Iterable
from inspect import signature
from itertools import chain
from numbers import Real
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import ModelError
from clew.models.arrays import SparseRows
from clew.models.availability import check_mask
from clew.models.checks import MAX_STATES, whole_ratio
from clew.settings import check_callable, check_count, shown

Outcome = tuple[float, int, float, bool]  # probability, next state, reward, terminated

# Gymnasium's wrappers that leave steps unchanged, except for truncation by a step limit.
TIME_LIMIT = "gymnasium.wrappers.common:TimeLimit"
TRANSPARENT_WRAPPERS = {
    TIME_LIMIT,
    "gymnasium.wrappers.common:OrderEnforcing",
    "gymnasium.wrappers.common:PassiveEnvChecker",
}
MAX_START_REPEATS = 100  # a start state may be listed this many times, to be more likely than others


def _rows_of_outcomes(pairs: Iterable[Iterable[Outcome]], num_actions: int) -> SparseRows:
    """Return the outcomes of all pairs of a state and an action, in the order of the model, as rows.

    They are collected in growing arrays, which take eight bytes per number at most.
    """
    offsets, next_states, terminated = array("q", [0]), array("q"), array("b")
    probabilities, rewards = array("d"), array("d")
    for outcomes in pairs:
        for probability, s_next, reward, ends in outcomes:
            probabilities.append(probability)
            next_states.append(s_next)
            rewards.append(reward)
            terminated.append(ends)
        offsets.append(len(probabilities))
    return SparseRows(
        np.array(offsets),
        np.array(probabilities),
        np.array(next_states),
        np.array(rewards),
        np.array(terminated, np.bool_),
        num_actions,
    )


def _check_outcome(outcome: Any, s: int, a: int, num_states: int) -> Outcome:
    """Check the types of an outcome and the range of its next state, and return it as Python numbers.

    Sums of probabilities are checked later, by `FiniteMDP.sparse`.
    """
    try:
        probability, s_next, reward, terminated = outcome
        is_valid = (
            isinstance(probability, Real)
            and isinstance(reward, Real)
            and isinstance(terminated, bool | np.bool_)
            and not isinstance(s_next, bool)
        )
        numbers = float(probability), index(s_next), float(reward), bool(terminated)
    except (TypeError, ValueError, OverflowError):
        is_valid = False
    if not is_valid:
        raise ModelError(
            f"state {s}, action {a}: an outcome must be (probability, next state, reward, terminated), "
            f"with a whole number for the next state and True or False for terminated, not {shown(outcome)}"
        )
    if not 0 <= numbers[1] < num_states:
        raise ModelError(f"state {s}, action {a}: next state {numbers[1]} is outside 0..{num_states - 1}")
    return numbers


def rows_of_function(num_states: int, num_actions: int, f: Callable[[int, int], Iterable[Outcome]]) -> SparseRows:
    """Call a function f(s, a) for each state and action, and return its outcomes as rows.

    Args:
        num_states: number of states.
        num_actions: number of actions.
        f: returns a list of (probability, next state, reward, terminated).

    Raises:
        ModelError: names the state and action of an invalid outcome.
        SettingError: if a number of states or actions is out of range.
    """
    check_count("num_states", num_states, 1, MAX_STATES)
    check_count("num_actions", num_actions, 1, MAX_STATES)
    check_callable("f", f, "a state and an action")
    num_states, num_actions = int(num_states), int(num_actions)

    def checked_outcomes(s: int, a: int) -> list[Outcome]:
        try:
            outcomes = f(s, a)
        except Exception as error:
            error.add_note(f"raised by f({s}, {a}), called by FiniteMDP.from_function")
            raise
        return [_check_outcome(outcome, s, a, num_states) for outcome in _check_list(outcomes, s, a)]

    pairs = (checked_outcomes(s, a) for s in range(num_states) for a in range(num_actions))
    return _rows_of_outcomes(pairs, num_actions)


def _check_list(outcomes: Any, s: int, a: int) -> list[Any]:
    """Return the outcomes of a state and action as a list; anything that isn't iterable, or is text, is an error."""
    if not isinstance(outcomes, Iterable) or isinstance(outcomes, str):
        raise ModelError(f"state {s}, action {a}: expected a list of outcomes, got {shown(outcomes)}")
    return list(outcomes)


# Environments ---------------------------------------------------------------------------------------------------------


def class_path(instance: Any) -> str:
    """Return the class of an object as "module:Class", the form of entry points."""
    return f"{type(instance).__module__}:{type(instance).__qualname__}"


def has_replaced_methods(env: Any) -> bool:
    """Return whether the attribute `step` or `reset` of this instance was replaced."""
    return bool({"step", "reset"} & getattr(env, "__dict__", {}).keys())


def unwrap_transparent(env: Any) -> tuple[Any, int | None]:
    """Remove the wrappers in `TRANSPARENT_WRAPPERS`; return the environment inside and their smallest step limit.

    Wrappers are identified by the path of their class, since only `clew.environments` imports Gymnasium. A subclass of
    one, or a wrapper whose `step` or `reset` was replaced, is not removed.

    Returns:
        (environment, step limit or None).
    """
    limits = []
    while class_path(env) in TRANSPARENT_WRAPPERS and not has_replaced_methods(env):
        if class_path(env) == TIME_LIMIT:
            limits.append(int(env._max_episode_steps))  # the only place: there may be no spec
        env = env.env
    return env, min(limits, default=None)


def rows_of_environment(env: Any, action_mask: bool = True) -> tuple[SparseRows, npt.NDArray[np.int64]]:
    """Return the rows of an environment's table `P`, and its start states.

    Rows of states that can't be reached from the start states are left out.

    Args:
        env: environment.
        action_mask: leave out the rows of actions that its method `action_mask` masks, if it has one.

    Raises:
        ModelError: if the environment has no table, or may not follow it; says why.
        SettingError: if a mask is not one.
    """
    inner, _ = unwrap_transparent(env)
    name = type(inner).__name__
    if getattr(inner, "unwrapped", inner) is not inner and hasattr(inner.unwrapped, "P"):
        raise ModelError(
            f"the wrapper {name} may change what a step does, so the table P inside may not describe it; "
            "use env.unwrapped for the model without the wrapper"
        )
    if has_replaced_methods(inner):
        raise ModelError(f"step or reset of {name} was replaced, so its table P may not describe what it does")
    if not hasattr(inner, "P"):
        raise ModelError(
            f"{name} has no transition table P, so no model can be made of it; it can be learned by stepping: "
            "clew.train_policy(clew.as_discrete(env))"
        )
    if getattr(inner, "fickle_passenger", False):
        raise ModelError(
            f"{name} with fickle_passenger=True doesn't follow its table P: the passenger may change the destination "
            "once, and whether that has happened is not part of the state; it can be learned by stepping: "
            "clew.train_policy(env)"
        )
    num_states, num_actions = _space_size(inner, "observation_space"), _space_size(inner, "action_space")
    starts = _start_states(inner, num_states)
    masked = getattr(inner, "action_mask", None) if action_mask else None
    mask_of = _checked_mask_function(masked) if callable(masked) else lambda s: np.ones(num_actions, np.bool_)
    return _reachable_rows(inner.P, mask_of, starts, num_states, num_actions), starts


def _checked_mask_function(masked: Callable[..., Any]) -> Callable[[int], Any]:
    """Return the method `action_mask` of an environment; raise ModelError if it can't be asked about a state."""
    try:
        signature(masked).bind(0)
    except ValueError:  # a function in C, whose arguments Python doesn't know
        return masked
    except TypeError as error:
        raise ModelError(
            f"the environment's action_mask must be a method of a state, action_mask(state): {error}; without masks, "
            "give action_mask=False"
        ) from None
    return masked


def _space_size(env: Any, name: str) -> int:
    """Return the size of a Discrete space of an environment, given by the name of its attribute."""
    space: Any = getattr(env, name, None)
    if not hasattr(space, "n") or np.ndim(space.n) != 0 or getattr(space, "start", 0) != 0:
        raise ModelError(f"a table P needs a Discrete {name} that starts at 0, not {space}")
    return int(space.n)


def _start_states(env: Any, num_states: int) -> npt.NDArray[np.int64]:
    """Return the start states of an environment, repeated in proportion to their probabilities.

    The start states of a model are equally likely, so a state that is twice as likely is listed twice.

    Raises:
        ModelError: if `initial_state_distrib` is missing or invalid, or its probabilities are not in the ratio of
            integers up to `MAX_START_REPEATS`.
    """
    if not hasattr(env, "initial_state_distrib"):
        raise ModelError(f"{type(env).__name__} has no attribute initial_state_distrib, which gives the start states")
    try:
        weights = np.asarray(env.initial_state_distrib, np.float64)
        is_valid = weights.shape == (num_states,) and bool((weights >= 0.0).all()) and abs(weights.sum() - 1.0) <= 1e-9
    except (TypeError, ValueError):
        is_valid = False
    if not is_valid:
        raise ModelError(f"initial_state_distrib must be {num_states} probabilities that sum to 1")
    repeats = whole_ratio(weights, MAX_START_REPEATS)
    if repeats is None:
        raise ModelError(
            "the start states of a model are equally likely, and the probabilities of initial_state_distrib are not in "
            f"the ratio of whole numbers up to {MAX_START_REPEATS}"
        )
    return np.repeat(np.arange(num_states), repeats)


def _reachable_rows(
    table: Any, mask_of: Callable[[int], Any], starts: npt.NDArray[np.int64], num_states: int, num_actions: int
) -> SparseRows:
    """Return the rows of all states that can be reached from the starts without ending the episode.

    Other states have no rows, nor have actions that `mask_of(state)` masks.
    """
    outcomes: dict[int, list[list[Outcome]]] = {}
    waiting = starts.tolist()
    while waiting:
        s = waiting.pop()
        if s not in outcomes:
            outcomes[s] = [
                [_check_outcome(o, s, a, num_states) for o in _table_outcomes(table, s, a)] if is_available else []
                for a, is_available in enumerate(check_mask(mask_of(s), num_actions, s).tolist())
            ]
            waiting += [t for rows in outcomes[s] for p, t, _, ends in rows if p > 0.0 and not ends]
    pairs = chain.from_iterable(outcomes.get(s, [[]] * num_actions) for s in range(num_states))
    return _rows_of_outcomes(pairs, num_actions)


def _table_outcomes(table: Any, s: int, a: int) -> list[Any]:
    """Return P[s][a] as a list; an empty list is an error, since the environment couldn't step there."""
    try:
        outcomes = _check_list(table[s][a], s, a)
    except (LookupError, TypeError):
        raise ModelError(f"state {s}, action {a}: the table P has no list of outcomes P[state][action]") from None
    if not outcomes:
        raise ModelError(f"state {s}, action {a}: the state can be reached, but P[state][action] is empty")
    return outcomes
