"""The algorithm that is checked: learners of it, and episodes that are made up for them."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed.local import refresh_derived
from clew.kernels.learning.learners import (
    BEFORE_UPDATE,
    EITHER_ORDER,
    Step,
    begin_episode,
    end_episode,
    learn,
    next_action_order,
)
from clew.kernels.sampling import Stream
from clew.learning.algorithms import ALGORITHMS
from clew.learning.declarations import Algorithm
from clew.learning.learner import Learner, make_learner
from clew.learning.settings import Learning

NUM_STATES, NUM_ACTIONS = 7, 3
END, CUT = 2, 3  # next states of last steps: END where the world ends the episode, CUT where a step limit does
LIVE = (0, 1, 4, 5, 6)  # states in which actions are taken
LENGTH = 6  # steps of an episode, and its step limit
ALPHA, EXPLORATION = 0.5, 0.25

Episode = Sequence[Step]
Table = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int32]


class Subject(NamedTuple):
    """Algorithm under check, and what it is checked with."""

    name: str  # of the algorithm
    settings: dict[str, Any]  # fields of `Learning` that the caller has given
    num_actors: int = 0
    twin: Any = None  # function in plain Python that learns the same; None if there is none

    @property
    def row(self) -> Algorithm:
        """Row of the table of algorithms."""
        return ALGORITHMS[self.name]

    @property
    def is_mergeable(self) -> bool:
        """True if simulations may learn on copies of its tables, because the copies can be merged."""
        return self.row.is_mergeable


# Learners -------------------------------------------------------------------------------------------------------------


def new_learner(subject: Subject, num_actions: int = NUM_ACTIONS) -> Learner:
    """Return a learner whose values are 0. Its updates are counted if its tables may be merged with others."""
    q = np.zeros((NUM_STATES, num_actions), np.float32)
    learning = Learning(algorithm=subject.name, **subject.settings)
    return make_learner(q, learning, max_steps=LENGTH, num_outcomes=q.size + 1000, counted=subject.is_mergeable)


def learner_with_tables_of(subject: Subject, learner: Learner) -> Learner:
    """Return a new learner with copies of the tables and counts of another, as a simulation begins a round."""
    new = new_learner(subject)
    for (table, counts), (known, known_counts) in zip(new.tables, learner.tables, strict=True):
        table[:], counts[:] = known, known_counts
    new.visits[:] = learner.visits
    refresh_derived(new, slice(None))
    return new


def arrays_in(value: Any) -> Iterator[npt.NDArray[Any]]:
    """Yield all arrays in a named tuple, and in those that it holds."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from arrays_in(each)


def value_arrays(learner: Learner) -> list[npt.NDArray[Any]]:
    """Return the arrays that have a float for each state, or for each pair of state and action; q is the first."""
    shapes = (learner.q.shape[:1], learner.q.shape)
    others = [each for each in arrays_in(learner.rule) if each.shape in shapes and each.dtype.kind == "f"]
    return [learner.q, *(each for each in others if not np.shares_memory(each, learner.q))]


def copies(learner: Learner) -> list[npt.NDArray[Any]]:
    """Return copies of the arrays of `value_arrays`."""
    return [each.copy() for each in value_arrays(learner)]


def first_difference(
    expected: Sequence[npt.NDArray[Any]], found: Sequence[npt.NDArray[Any]], but_for: int | None = None
) -> str:
    """Return in words the first value in which arrays of two learners differ, or "" if all have the same bits.

    Args:
        expected: from `copies`.
        found: from `copies`, of the other learner.
        but_for: a state whose values may differ.
    """
    for number, (one, other) in enumerate(zip(expected, found, strict=True)):
        differs = (one != other) & ~(np.isnan(one) & np.isnan(other))
        if but_for is not None:
            differs[but_for] = False
        if differs.any():
            place = tuple(np.argwhere(differs)[0].tolist())
            name = "q" if number == 0 else f"table {number} of the learner"
            return f"{name}[{', '.join(map(str, place))}] is {other[place]:g}, not {one[place]:g}"
    return ""


# Episodes -------------------------------------------------------------------------------------------------------------


def make_episode(
    rng: np.random.Generator, order: int, *, terminated: bool, num_actions: int = NUM_ACTIONS
) -> list[Step]:
    """Return an episode of `LENGTH` steps; `next_action` is known where it is in the loops that learn.

    Args:
        rng: draws states, actions and rewards.
        order: see `learners.next_action_order`.
        terminated: True if the world ends it, in `END`; False if the step limit does, in `CUT`.
        num_actions: number of actions.
    """
    states, actions = rng.choice(LIVE, LENGTH).tolist(), rng.integers(num_actions, size=LENGTH + 1).tolist()
    rewards = (rng.integers(1, 9, LENGTH) / 4).astype(np.float32)
    states.append(END if terminated else CUT)
    steps = []
    for t in range(LENGTH):
        is_last, s, s_next = t == LENGTH - 1, states[t], states[t + 1]
        is_end = is_last and terminated
        chosen = (order == BEFORE_UPDATE and not is_end) or (order == EITHER_ORDER and not is_last and s_next != s)
        steps.append(Step(s, actions[t], rewards[t], s_next, actions[t + 1] if chosen else -1, is_end))
    return steps


def make_episodes(
    subject: Subject, seed: int, *, last_terminated: bool = True, num_actions: int = NUM_ACTIONS
) -> list[list[Step]]:
    """Return three episodes, of which the world ends the first; the second is cut by the step limit."""
    rng, order = np.random.default_rng(seed), next_action_order(new_learner(subject, num_actions).rule)
    ends = (True, False, last_terminated)
    return [make_episode(rng, order, terminated=each, num_actions=num_actions) for each in ends]


def learn_step(learner: Learner, step: Step, stream: Stream, alpha: float = ALPHA) -> None:
    """Learn from one step."""
    learn(learner.rule, step, learner.step_size(alpha), EXPLORATION, stream)


def learn_end(learner: Learner, stream: Stream, alpha: float = ALPHA) -> None:
    """Learn from the end of an episode."""
    end_episode(learner.rule, learner.step_size(alpha), EXPLORATION, stream)


def play(learner: Learner, episodes: Sequence[Episode], stream: Stream, alpha: float = ALPHA) -> None:
    """Learn from episodes, in order."""
    for episode in episodes:
        begin_episode(learner.rule)
        for step in episode:
            learn_step(learner, step, stream, alpha)
        learn_end(learner, stream, alpha)
