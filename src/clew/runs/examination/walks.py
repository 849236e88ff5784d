"""Random walks in environments without a model: their transitions as a model, and tests for hidden state."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.kernels import clock
from clew.kernels.learning.behaviours import UniformRandom
from clew.kernels.sampling import new_stream
from clew.learning.findings import Finding
from clew.learning.settings import Learning
from clew.models.mdp import FiniteMDP
from clew.policies.given import choices_to_mark
from clew.policies.policy import table_shape
from clew.policies.stepwise import BehaviourPolicy
from clew.reference import Transition
from clew.runs.examination.rewards import explores_at_random

Ints = npt.NDArray[np.int64]
NUM_STEPS = 20_000
SECONDS = 5.0
SIGNIFICANT = 10.0  # standard errors of `_dependence`; worlds without hidden state had up to 5
SIGNIFICANT_ENDS = 6.0  # the same of `_association`, which is nearer to a normal distribution: up to 2
MIN_VARIANCE = 5.0  # of a count that is tested against visits of each state, so that it is nearly normal
FICKLE = 0.3  # probability in Gymnasium's Taxi


@dataclass(frozen=True, eq=False)
class Walk:
    """Steps of a random walk, in order.

    Attributes:
        states, actions, next_states: (num_steps,) int64, states numbered from 0 in the order of their numbers.
        rewards: (num_steps,) float64.
        terminated: (num_steps,) bool, True where the environment ended an episode.
        truncated: (num_steps,) bool, True where a step limit did, or the walk stops.
        names: (num_seen,) number in the environment of each state that was seen.
        num_actions: number of actions.
        was_cut: True if the environment itself truncated an episode.
    """

    states: Ints
    actions: Ints
    next_states: Ints
    rewards: npt.NDArray[np.float64]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    names: Ints
    num_actions: int
    was_cut: bool

    @property
    def num_steps(self) -> int:
        """Number of steps."""
        return self.states.size

    @cached_property
    def begins(self) -> npt.NDArray[np.bool_]:
        """Steps that begin an episode, (num_steps,) bool."""
        return np.concatenate([[True], (self.terminated | self.truncated)[:-1]])

    @cached_property
    def pairs(self) -> Ints:
        """State and action of each step as one number, (num_steps,)."""
        return self.states * self.num_actions + self.actions

    @cached_property
    def is_complete(self) -> bool:
        """True if every action was tried in every state that an episode went on from."""
        going_on = np.union1d(self.next_states[~self.terminated & ~self.truncated], self.states)
        tried = np.bincount(self.pairs, minlength=self.names.size * self.num_actions).reshape(-1, self.num_actions)
        return bool((tried[going_on] > 0).all())

    def as_model(self) -> FiniteMDP:
        """Return the model that the steps suggest: the share of the steps of a pair that had each outcome."""
        rows, counts = np.unique(
            np.stack([self.pairs, self.next_states, self.rewards, self.terminated], 1), axis=0, return_counts=True
        )
        pairs = rows[:, 0].astype(np.int64)
        table = {
            "state": pairs // self.num_actions,
            "action": pairs % self.num_actions,
            "next_state": rows[:, 1].astype(np.int64),
            "probability": counts / np.bincount(pairs, counts)[pairs],
            "reward": rows[:, 2],
            "terminated": rows[:, 3] > 0.0,
        }
        starts, share = np.unique(self.states[self.begins], return_counts=True)
        return FiniteMDP.from_table(table, starts=np.repeat(starts, np.maximum(1, share * 100 // share.sum())))


def walk_at_random(env: Any, num_steps: int = NUM_STEPS, seconds: float = SECONDS) -> Walk:
    """Play an environment with random actions, for a number of steps, or less if they take too long.

    Compiling kernels, which the first walk of an installation does, takes none of its time.
    """
    shape = table_shape(env)
    table = choices_to_mark(np.zeros(shape, np.float32), shape)
    policy = BehaviourPolicy(UniformRandom(), table, np.zeros((0, 0), np.int32), 0.0, new_stream(0), [table])
    steps: list[Transition] = []
    begun, was_cut = clock(), False
    while len(steps) < num_steps and clock() - begun < seconds:
        for step in policy.play(env, seed=None if steps else 0, max_steps=num_steps - len(steps)):
            steps.append(step)
            if clock() - begun > seconds:
                break
        was_cut = was_cut or (steps[-1].truncated and len(steps) < num_steps)
    columns = [np.array(column) for column in zip(*steps, strict=True)]
    states, actions, rewards, next_states, terminated, truncated = columns
    truncated[-1] = not terminated[-1]
    names, numbers = np.unique(np.concatenate([states, next_states]), return_inverse=True)
    first, last = np.split(numbers.astype(np.int64), 2)
    return Walk(
        first,
        actions.astype(np.int64),
        last,
        rewards.astype(np.float64),
        terminated,
        truncated,
        names,
        shape[1],
        was_cut,
    )


def check_hidden_state(walk: Walk) -> Iterator[Finding]:
    """Find outcomes that depend on what came before the state and the action.

    In a Markov decision process the next state of a pair, and then the reward and the end, are independent of all that
    came before in the episode. This is tested against the step before, the time, the first state, and what the pair led
    to last. The end is also tested against whether the same step was taken, or the next state visited, before: where
    the goal is drawn, it isn't there, then; and against visits of each state, where the key of the goal may be.
    """
    paid, moves = _number(walk.rewards, walk.terminated), _number(walk.pairs, walk.next_states)
    contexts = _previous_pairs(walk), np.log2(_times(walk) + 1).astype(np.int64), _first_states(walk)
    last_moves = _last_seen(walk, walk.pairs, walk.next_states)
    found = max(_dependence(walk.pairs, each, walk.next_states) for each in (*contexts, last_moves))
    is_goal = found[0] < SIGNIFICANT
    if is_goal:
        found = max(_dependence(moves, each, paid) for each in contexts)
    if found[0] < SIGNIFICANT:
        seen = (_last_seen(walk, each, paid) >= 0 for each in (walk.next_states, moves))
        found = max(
            *(_association(moves, was_seen, walk.terminated) for was_seen in seen),
            _association_with_visits(walk, moves),
        )
        if found[0] < SIGNIFICANT_ENDS:
            return
    i = int(np.flatnonzero((moves if is_goal else walk.pairs) == found[1])[0])
    what = "what it pays, and whether it ends the episode," if is_goal else "where it leads"
    hidden = "a goal, or a time limit" if is_goal else "a part of the state"
    yield Finding(
        "hidden-goal" if is_goal else "hidden-state",
        found[0],
        f"action {walk.actions[i]} in state {int(walk.names[walk.states[i]])}: {what} depends on what came before, so "
        f"observations hide {hidden} (by {found[0]:.3g} standard errors in {walk.num_steps:,} random steps)",
        "put what is hidden into the observation" + (", such as the goal" if is_goal else ""),
    )


def check_fickle(env: Any) -> Iterator[Finding]:
    """Find the option of Gymnasium's Taxi whose effect is too rare to be seen in a random walk."""
    if getattr(env.unwrapped, "fickle_passenger", False):
        yield Finding(
            "hidden-state",
            FICKLE,
            f"the passenger changes the destination once, with probability {FICKLE:g}, and whether that has happened "
            "isn't observed",
            "leave out fickle_passenger",
        )


def check_unseen(walk: Walk, learning: Learning, num_episodes: int) -> Iterator[Finding]:
    """Find that neither an end nor a reward above 0 was seen, where not every action was tried in every state."""
    where, rewards = f"in {walk.num_steps:,} random steps", walk.rewards
    if not walk.terminated.any() and (rewards == rewards[0]).all():
        yield Finding(
            "unreachable-goal",
            float(walk.num_steps),
            f"{where} no episode ended, and each step paid {rewards[0]:g}",
            "check that the goal can be reached, reward steps on the way, or begin nearer to it",
        )
    if float(rewards.max()) == 0.0 and explores_at_random(learning, None, rewards[~walk.terminated]):
        num_steps = num_episodes * walk.num_steps / np.count_nonzero(walk.begins)
        yield Finding(
            "first-reward",
            float(walk.num_steps),
            f"{where} no reward above 0 was seen; the training has about {num_steps:,.3g}",
            "reward steps on the way, begin nearer to the goal, or take the action that was tried least (behaviour "
            "least-tried)",
            "warning" if num_steps <= walk.num_steps else "note",
        )


def _previous_pairs(walk: Walk) -> Ints:
    """Return the pair of the step before in the same episode, (num_steps,); -1 for the first."""
    previous = np.concatenate([[-1], walk.pairs[:-1]])
    previous[walk.begins] = -1
    return previous


def _times(walk: Walk) -> Ints:
    """Return the number of steps before each in the same episode, (num_steps,)."""
    numbers = np.arange(walk.num_steps)
    return numbers - np.maximum.accumulate(np.where(walk.begins, numbers, 0))


def _first_states(walk: Walk) -> Ints:
    """Return the state in which the episode of each step began, (num_steps,)."""
    firsts: Ints = walk.states[np.flatnonzero(walk.begins)[np.cumsum(walk.begins) - 1]]
    return firsts


def _last_seen(walk: Walk, keys: Ints, values: Ints) -> Ints:
    """Return the value of the last step before with the same key in the same episode, (num_steps,); -1 for none."""
    episodes = np.cumsum(walk.begins)
    order = np.lexsort((np.arange(walk.num_steps), episodes, keys))
    is_same = (np.diff(keys[order]) == 0) & (np.diff(episodes[order]) == 0)
    previous = np.full(walk.num_steps, -1)
    previous[order[1:][is_same]] = values[order[:-1][is_same]]
    return previous


def _dependence(groups: Ints, contexts: Ints, outcomes: Ints) -> tuple[float, int]:
    """Return how far outcomes depend on contexts within groups, in standard errors, and the group in which most.

    The statistic is Pearson's, summed over groups: with counts n of context c and outcome o,
    n * (sum of n_co**2 / (n_c * n_o) - 1), whose mean is (C - 1) * (O - 1) * n / (n - 1) if they are independent, and
    whose variance is about twice as much.
    """
    rows, columns, cells = _number(groups, contexts), _number(groups, outcomes), _number(groups, contexts, outcomes)
    size, totals = int(groups.max()) + 1, np.bincount(groups)
    counts = np.bincount(cells).astype(np.float64)
    first = np.unique(cells, return_index=True)[1]  # a step of each cell
    shares = counts**2 / (np.bincount(rows)[rows[first]] * np.bincount(columns)[columns[first]])
    statistic = totals * (np.bincount(groups[first], shares, size) - 1.0)
    num_contexts, num_outcomes = (
        np.bincount(groups[np.unique(each, return_index=True)[1]], minlength=size) for each in (rows, columns)
    )
    freedom = (num_contexts - 1.0) * (num_outcomes - 1.0) * totals / np.maximum(totals - 1, 1)
    tested = freedom > 0.0
    if not tested.any():
        return 0.0, 0
    excess = np.where(tested, statistic - freedom, 0.0)
    most = int((excess / np.sqrt(np.maximum(freedom, 1.0))).argmax())
    return float(excess.sum() / np.sqrt(2.0 * freedom[tested].sum())), most


def _association_with_visits(walk: Walk, groups: Ints) -> tuple[float, int]:
    """Return how far ends depend on earlier visits of a state in the same episode, for that of which they do most."""
    num_ends = np.bincount(groups, walk.terminated)
    steps = np.flatnonzero(((num_ends > 0) & (num_ends < np.bincount(groups)))[groups])
    episodes = np.cumsum(walk.begins) - 1
    visits, first = np.unique(walk.states * (episodes[-1] + 1) + episodes, return_index=True)
    num_visited = np.bincount(visits // (episodes[-1] + 1))
    found = 0.0, 0
    for of_state in np.split(first, np.cumsum(num_visited)[:-1]) if steps.size else []:
        if of_state.size > MIN_VARIANCE:
            visited = np.full(episodes[-1] + 1, walk.num_steps)
            visited[episodes[of_state]] = of_state
            was_visited = visited[episodes[steps]] < steps
            found = max(found, _association(groups[steps], was_visited, walk.terminated[steps], MIN_VARIANCE))
    return found


def _association(
    groups: Ints, contexts: npt.NDArray[np.bool_], outcomes: npt.NDArray[np.bool_], min_variance: float = 0.0
) -> tuple[float, int]:
    """Return the same for contexts and outcomes of two values, which may differ in one direction: Mantel & Haenszel.

    Nothing is found if the variance of the count that is tested isn't above the smallest.

    Source:
        Mantel & Haenszel (1959), Statistical aspects of the analysis of data from retrospective studies of disease.
    """
    n, c, o, both = (
        np.bincount(groups, each.astype(np.float64))
        for each in (np.ones(groups.size), contexts, outcomes, contexts & outcomes)
    )
    n = np.maximum(n, 1.0)
    excess = both - c * o / n
    variance = float((c * o * (n - c) * (n - o) / (n**2 * np.maximum(n - 1.0, 1.0))).sum())
    return (float(abs(excess.sum()) / np.sqrt(variance)) if variance > min_variance else 0.0), int(
        np.abs(excess).argmax()
    )


def _number(*columns: npt.NDArray[Any]) -> Ints:
    """Return the number, from 0, of the different row of some columns that each of their rows is."""
    return np.unique(np.stack(columns, 1), axis=0, return_inverse=True)[1].reshape(-1)
