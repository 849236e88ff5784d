"""The rows of a sparse model from outcomes listed in Python: by a function, or in an environment's table `P`."""

from array import array
from collections.abc import Callable, Iterable
from numbers import Real
from operator import index
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import ModelError
from clew.models.arrays import Rows
from clew.models.checks import MAX_STATES
from clew.settings import check_count

__all__ = ["Outcome", "full_name", "is_replaced", "look_through", "rows_of_environment", "rows_of_function"]

Outcome = tuple[float, int, float, bool]  # probability, next state, reward, terminated

# Wrappers of Gymnasium's that change nothing of a step but where an episode is cut off.
TIME_LIMIT = "gymnasium.wrappers.common:TimeLimit"
CHANGE_NOTHING = {
    TIME_LIMIT,
    "gymnasium.wrappers.common:OrderEnforcing",
    "gymnasium.wrappers.common:PassiveEnvChecker",
}
MAX_REPEATS = 100  # of a start state, for one that is less likely than others


class _Columns(NamedTuple):
    """Rows as they come; arrays that grow, at eight bytes a number."""

    offsets: "array[int]"
    probabilities: "array[float]"
    next_states: "array[int]"
    rewards: "array[float]"
    terminated: "array[int]"

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Add what may happen in the next pair of a state and an action."""
        for probability, s_next, reward, terminated in outcomes:
            self.probabilities.append(probability)
            self.next_states.append(s_next)
            self.rewards.append(reward)
            self.terminated.append(terminated)
        self.offsets.append(len(self.probabilities))

    def rows(self, num_actions: int) -> Rows:
        """All of them, as `FiniteMDP.sparse` takes them."""
        offsets, probabilities, next_states, rewards = (np.array(column) for column in self[:4])
        return Rows(offsets, probabilities, next_states, rewards, np.array(self.terminated, np.bool_), num_actions)


def _new_columns() -> _Columns:
    return _Columns(array("q", [0]), array("d"), array("q"), array("d"), array("b"))


def _checked(outcome: Any, s: int, a: int, num_states: int) -> Outcome:
    """An outcome by its types, with a next state in its range; the sums of probabilities are checked by the model."""
    try:
        probability, s_next, reward, terminated = outcome
        right = isinstance(probability, Real) and isinstance(reward, Real) and isinstance(terminated, bool | np.bool_)
        numbers = float(probability), index(s_next), float(reward), bool(terminated)
    except (TypeError, ValueError, OverflowError):
        right = False
    if not right:
        raise ModelError(
            f"state {s}, action {a}: an outcome must be (probability, next state, reward, True if it ends the episode "
            f"or else False), not {outcome!r}"
        )
    if not 0 <= numbers[1] < num_states:
        raise ModelError(f"state {s}, action {a}: next state {numbers[1]} is outside 0..{num_states - 1}")
    return numbers


def rows_of_function(num_states: int, num_actions: int, f: Callable[[int, int], Iterable[Outcome]]) -> Rows:
    """Ask a function for the outcomes of every state and action; see `FiniteMDP.from_function`."""
    check_count("num_states", num_states, 1, MAX_STATES)
    check_count("num_actions", num_actions, 1, MAX_STATES)
    num_states, num_actions = int(num_states), int(num_actions)
    columns = _new_columns()
    for s in range(num_states):
        for a in range(num_actions):
            try:
                outcomes = f(s, a)
            except Exception as error:
                error.add_note(f"in f({s}, {a}), which FiniteMDP.from_function asked for")
                raise
            columns.add([_checked(outcome, s, a, num_states) for outcome in _as_list(outcomes, s, a)])
    return columns.rows(num_actions)


def _as_list(outcomes: Any, s: int, a: int) -> list[Any]:
    if not isinstance(outcomes, Iterable) or isinstance(outcomes, str):
        raise ModelError(f"state {s}, action {a}: outcomes must be a list, not {outcomes!r}")
    return list(outcomes)


# Environments ---------------------------------------------------------------------------------------------------------


def full_name(thing: Any) -> str:
    """The class of a thing, as entry points name it: module:Class."""
    return f"{type(thing).__module__}:{type(thing).__qualname__}"


def is_replaced(env: Any) -> bool:
    """Tell if somebody has put a step or a reset of their own into this one environment."""
    return bool({"step", "reset"} & getattr(env, "__dict__", {}).keys())


def look_through(env: Any) -> tuple[Any, int | None]:
    """The environment inside wrappers that are known to change no step, and their step limit, if one has any.

    They are known by their names, for only the environments may import Gymnasium; one whose class or method was
    replaced is not looked through.
    """
    limits = []
    while full_name(env) in CHANGE_NOTHING and not is_replaced(env):
        if full_name(env) == TIME_LIMIT:
            limits.append(int(env._max_episode_steps))  # nowhere else; its specification may be missing
        env = env.env
    return env, min(limits, default=None)


def rows_of_environment(env: Any) -> tuple[Rows, npt.NDArray[np.int64]]:
    """The reachable rows of an environment's table, and its starts; see `FiniteMDP.from_gymnasium`."""
    inner, _ = look_through(env)
    name = type(inner).__name__
    if getattr(inner, "unwrapped", inner) is not inner and hasattr(inner.unwrapped, "P"):
        raise ModelError(
            f"the wrapper {name} may change what a step does, so the table inside doesn't tell of it; "
            "give env.unwrapped for the world without it"
        )
    if is_replaced(inner):
        raise ModelError(f"a step or reset of {name}'s was replaced, so its table doesn't tell what it does")
    if not hasattr(inner, "P"):
        raise ModelError(
            f"{name} has no table of transitions P to make a model of; it can be learned through its steps: "
            "clew.train_policy(clew.as_discrete(env))"
        )
    if getattr(inner, "fickle_passenger", False):
        raise ModelError(
            f"{name} with fickle_passenger=True does more than its table P tells: the passenger may change the "
            "destination once, and whether that is still to come is no part of the state; "
            "it can be learned through its steps"
        )
    num_states, num_actions = _size(inner, "observation_space"), _size(inner, "action_space")
    starts = _starts(inner, num_states)
    columns = _reachable(inner.P, starts, num_states, num_actions)
    return columns.rows(num_actions), starts


def _size(env: Any, name: str) -> int:
    """How many states or actions there are: those of a Discrete space."""
    space: Any = getattr(env, name, None)
    if not hasattr(space, "n") or np.ndim(space.n) != 0 or getattr(space, "start", 0) != 0:
        raise ModelError(f"a table P numbers from 0, and the environment's {name} is {space}, not Discrete from 0")
    return int(space.n)


def _starts(env: Any, num_states: int) -> npt.NDArray[np.int64]:
    """Start states, repeated as their probabilities ask for: the starts of a model are equally likely."""
    if not hasattr(env, "initial_state_distrib"):
        raise ModelError(f"{type(env).__name__} doesn't say in which states episodes begin: no initial_state_distrib")
    try:
        weights = np.asarray(env.initial_state_distrib, np.float64)
        fits = weights.shape == (num_states,) and bool((weights >= 0.0).all()) and abs(weights.sum() - 1.0) <= 1e-9
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ModelError(f"initial_state_distrib must be {num_states} probabilities that sum to 1")
    ratios = weights / weights[weights > 0.0].min()
    for times in range(1, MAX_REPEATS + 1):
        counts = np.round(times * ratios)
        if counts.max() > MAX_REPEATS:
            break
        if np.abs(counts - times * ratios).max() < 1e-9 * MAX_REPEATS:
            return np.repeat(np.arange(num_states), counts.astype(np.int64))
    raise ModelError(
        "the starts of a model are equally likely, and those of initial_state_distrib are not in the ratio of whole "
        f"numbers up to {MAX_REPEATS}"
    )


def _reachable(table: Any, starts: npt.NDArray[np.int64], num_states: int, num_actions: int) -> _Columns:
    """Rows of the states that an episode can come to and go on from; of the others none."""
    outcomes: dict[int, list[list[Outcome]]] = {}
    waiting = starts.tolist()
    while waiting:
        s = waiting.pop()
        if s not in outcomes:
            outcomes[s] = [[_checked(o, s, a, num_states) for o in _listed(table, s, a)] for a in range(num_actions)]
            waiting += [t for rows in outcomes[s] for p, t, _, ends in rows if p > 0.0 and not ends]
    columns = _new_columns()
    for s in range(num_states):
        for rows in outcomes.get(s, [[]] * num_actions):
            columns.add(rows)
    return columns


def _listed(table: Any, s: int, a: int) -> list[Any]:
    """P[s][a]; an empty list would be a state in which the environment can't step."""
    try:
        outcomes = _as_list(table[s][a], s, a)
    except (LookupError, TypeError):
        raise ModelError(f"state {s}, action {a}: the table P has no list of outcomes there") from None
    if not outcomes:
        raise ModelError(f"state {s}, action {a}: the table P has no outcome there, and an episode can come there")
    return outcomes
