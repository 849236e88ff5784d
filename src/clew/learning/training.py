"""Learning from experience: the serial trainer, and learning from what was recorded."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from clew.environments import STEPS_PER_STATE, as_compiled
from clew.errors import SettingError
from clew.kernels.learning.rollouts import EpisodeStats, replay
from clew.kernels.sampling import Stream
from clew.learning.checkpoints import Checkpoints, Saved, State, as_columns, as_rows, fill, identity, restored
from clew.learning.checks import check_run
from clew.learning.learner import Learner, initial_value, make_learner, make_room
from clew.learning.loops import Loop, learning_loop
from clew.learning.settings import Learning, LearningSettings, as_learning
from clew.policies.episodes import Trajectory
from clew.policies.policy import Policy
from clew.tracing.trace import DRIVER, Trace

__all__ = [
    "Callback",
    "RoundMetrics",
    "Watch",
    "learn_from",
    "new_policy",
    "report_rounds",
    "split_rounds",
    "train_policy",
    "update_policy",
]

SECONDS_AT_A_TIME = 0.1  # that a kernel runs, where one may want to stop
NUM_ROUNDS = 100  # a run reports, and actors get fresh values, this often unless told otherwise


@dataclass(frozen=True)
class RoundMetrics:
    """What the episodes of one round came to, while they were learned from.

    Attributes:
        round: number of the round, from 0.
        num_rounds: how many there will be.
        num_episodes: episodes in this round.
        num_steps: steps in this round.
        mean_steps: steps per episode.
        success_rate: share of episodes that reached an end and not the step limit.
        mean_return: undiscounted sum of rewards per episode.
        seconds: wall time of the round.
        staleness: how many of the rounds before were not yet in the values that it began with.
        num_bytes: what travelled for it: values into the object store, and what was seen or learned back from actors.
    """

    round: int
    num_rounds: int
    num_episodes: int
    num_steps: int
    mean_steps: float
    success_rate: float
    mean_return: float
    seconds: float
    staleness: int = 0
    num_bytes: int = 0

    @classmethod
    def from_totals(
        cls,
        number: int,
        num_rounds: int,
        num_episodes: int,
        stats: Iterable[float],
        begun: float,
        *,
        staleness: int = 0,
        num_bytes: int = 0,
    ) -> "RoundMetrics":
        """The metrics of a round from its total steps, successes and rewards; `begun` is the clock when it began."""
        steps, successes, rewards = (float(total) for total in stats)
        return cls(
            round=number,
            num_rounds=num_rounds,
            num_episodes=num_episodes,
            num_steps=int(steps),
            mean_steps=steps / num_episodes,
            success_rate=successes / num_episodes,
            mean_return=rewards / num_episodes,
            seconds=time.perf_counter() - begun,
            staleness=staleness,
            num_bytes=num_bytes,
        )


Callback = Callable[[RoundMetrics], None]
Watch = Callable[[npt.NDArray[np.float32]], None]


def split_rounds(num_episodes: int, episodes_per_round: int) -> Iterator[int]:
    """Split episodes into rounds: full ones, and a last one with the rest."""
    while num_episodes > 0:
        yield min(num_episodes, episodes_per_round)
        num_episodes -= episodes_per_round


def update_policy(policy: Policy, trajectory: Trajectory, *, alpha: float = 0.1, gamma: float = 0.9) -> None:
    """Learn from what was seen, transition by transition, in order, by the rule of Q-learning.

    Args:
        policy: its values are changed in place.
        trajectory: of one or more episodes. Where it was terminated the next state counts 0; where it was truncated
            it counts with its value, for a step limit is not an end.
        alpha: step size, in (0, 1].
        gamma: discount per step, in [0, 1].

    Raises:
        SettingError: if a setting is out of range, or the trajectory doesn't fit the policy.
    """
    learner = make_learner(policy.q, Learning(alpha=alpha, gamma=gamma), max_steps=1)
    num_states, num_actions = policy.q.shape
    for name, limit in (("state", num_states), ("next_state", num_states), ("action", num_actions)):
        column = getattr(trajectory, name)
        if column.size and (column.min() < 0 or column.max() >= limit):
            raise SettingError(f"the trajectory's {name} column must be in 0..{limit - 1}, to fit the policy")
    if not np.isfinite(trajectory.reward).all():
        raise SettingError("the trajectory's reward column must hold finite numbers, also as float32")
    learn_from(learner, trajectory, alpha, 0.0, policy.stream)


def learn_from(learner: Learner, trajectory: Trajectory, alpha: float, exploration: float, stream: Stream) -> Learner:
    """Learn from what was seen, in order; returns the learner, whose memory may have grown.

    Args:
        learner: is changed in place.
        trajectory: of one or more episodes that fit it.
        alpha: step size, where it isn't one over the number of updates.
        exploration: how much the behaviour explored.
        stream: for rules that draw; changed in place.
    """
    learner = make_room(learner, len(trajectory))
    step_size = learner.step_size(alpha)
    replay(learner.rule, learner.behaviour, learner.visits, trajectory.columns, step_size, exploration, stream)
    return learner


def new_policy(env: Any, settings: Learning, seed: int, *, counted: bool = False) -> tuple[Policy, Learner]:
    """A policy that knows nothing yet, and the learner that will fill it; `counted` as in `make_learner`."""
    compiled = as_compiled(env)
    policy = Policy(env, seed=seed)
    policy.q[:] = initial_value(settings, None if compiled is None else compiled.mdp)
    max_steps = STEPS_PER_STATE * policy.q.shape[0] if compiled is None else compiled.max_episode_steps
    num_outcomes = None if compiled is None else compiled.mdp.num_outcomes
    learner = make_learner(policy.q, settings, max_steps=max_steps, num_outcomes=num_outcomes, counted=counted)
    return policy, learner


def train_policy(
    env: Any,
    num_episodes: int = 10_000,
    *,
    seed: int = 0,
    callback: Callback | None = None,
    watch: Watch | None = None,
    trace: Trace | None = None,
    checkpoints: Checkpoints | None = None,
    **settings: Unpack[LearningSettings],
) -> Policy:
    """Learn after every step, in one stream of episodes; by Q-learning unless told otherwise.

    A `clew.Environment`, a `FiniteMDP`, and those of Gymnasium's environments that keep a table of transitions
    (FrozenLake, Taxi, CliffWalking) are learned in one compiled loop. Any other environment with Discrete spaces, see
    `as_discrete`, is learned step by step through the same rules.

    Args:
        env: environment with Discrete spaces, or a model.
        num_episodes: how many episodes to learn from.
        seed: decides every draw, and so every bit of the result.
        callback: is called after each of a hundred rounds at most, with what the episodes since came to; first for
            those that a checkpoint has.
        watch: is called before it with the table of action values as it is then; only to look at, and to copy.
        trace: notes when each round was learned.
        checkpoints: where to keep what was learned so far; training goes on from the newest that is there.
        settings: any of `clew.Learning`, such as `algorithm`, `behaviour`, `alpha`, `gamma`, `epsilon`;
            `help(clew.Learning)` describes all of them.

    Returns:
        Policy with what was learned.

    Raises:
        SettingError: if a setting is out of range, or a space is not Discrete.
        RunError: if checkpoints can't be written, or are damaged, or of another training.
        StoppedError: if `checkpoints` was asked to stop.
    """
    check_run(num_episodes, seed)
    learning = as_learning(settings)
    checkpoints = Checkpoints(None) if checkpoints is None else checkpoints
    policy, learner = new_policy(env, learning, seed)
    loop = learning_loop(env, learner, num_episodes, (seed, 0, 0))
    if checkpoints.folder is not None and loop.state is None:
        raise SettingError(
            "must be 2 or more to save checkpoints: the random state of this environment can't be saved, "
            "but several simulations are seeded in each round",
            setting="num_simulations",
        )
    rounds = SerialRounds(learner, loop, num_episodes, trace, checkpoints)
    checkpoints.resume(identity(env, learning, num_episodes=num_episodes, num_simulations=1, seed=seed), rounds)
    report_rounds(rounds.play(), policy, watch, callback)
    check_values(policy)
    return policy


class SerialRounds:
    """The rounds of the serial trainer, see `checkpoints.Training`; `rows` are the metrics of those that have ended."""

    def __init__(
        self, learner: Learner, loop: Loop, num_episodes: int, trace: Trace | None, checkpoints: Checkpoints
    ) -> None:
        self.learner, self.loop, self.trace, self.checkpoints = learner, loop, trace, checkpoints
        self.sizes = list(split_rounds(num_episodes, math.ceil(num_episodes / NUM_ROUNDS)))
        self.rows: list[RoundMetrics] = []
        self._parts: list[EpisodeStats] = []  # what the episodes of this round came to so far
        self._begun = 0.0
        self._seconds = 0.0  # of this round, before a checkpoint
        self._pace = 1  # episodes that are learned at a time, where one might want to stop

    def play(self) -> Iterator[RoundMetrics]:
        """Learn, and say of each round what it came to; first of those that a checkpoint has."""
        yield from self.rows
        with self.checkpoints.kept(self):
            for size in self.sizes[len(self.rows) :]:
                self._begun, self._seconds = time.perf_counter() - self._seconds, 0.0
                at, clock, number = time.time(), time.perf_counter(), len(self.rows)
                stats = self._learn(size)
                if self.trace is not None:
                    seconds = time.perf_counter() - clock
                    self.trace.add("work", DRIVER, at, seconds, number, version=number, simulation=0)
                sums = stats.steps.sum(), stats.terminated.sum(), stats.episode_return.sum()
                self.rows.append(RoundMetrics.from_totals(number, len(self.sizes), size, sums, self._begun))
                yield self.rows[-1]

    def _learn(self, size: int) -> EpisodeStats:
        """Learn from the episodes of a round that are left; if they are kept, a tenth of a second at a time."""
        self.checkpoints.check()
        if self.checkpoints.folder is None:
            return self.loop.learn(size)
        left = size - sum(part.steps.size for part in self._parts)
        while left:
            begun = time.perf_counter()
            n = min(left, self._pace, self.checkpoints.until_due)
            self._parts.append(self.loop.learn(n))
            self._pace = max(1, int(n * min(8.0, SECONDS_AT_A_TIME / (time.perf_counter() - begun))))
            self.checkpoints.note(n, self)
            left -= n
        stats, self._parts = joined(self._parts), []
        return stats

    def state(self) -> State:
        """See `checkpoints.Training`."""
        parts = joined(self._parts) if self._parts else []
        content = {"learner": self.learner, "loop": self.loop.state, "ended": parts, "metrics": as_columns(self.rows)}
        return State(content, {"seconds": time.perf_counter() - self._begun})

    def restore(self, saved: Saved) -> None:
        """See `checkpoints.Training`."""
        restored(self.learner, saved.arrays, "learner")
        fill(self.loop.state, saved.arrays, "loop")
        self.rows = as_rows(RoundMetrics, saved.arrays, "metrics")
        if "ended.steps" in saved.arrays:
            self._parts = [EpisodeStats(*(saved.arrays[f"ended.{name}"] for name in EpisodeStats._fields))]
        self._seconds = saved.progress["seconds"]


def report_rounds(
    rounds: Iterable[RoundMetrics], policy: Policy, watch: Watch | None, callback: Callback | None
) -> None:
    """Play the rounds; after each the table is shown, then it's said what the round came to."""
    for metrics in rounds:
        if watch is not None:
            watch(policy.q)
        if callback is not None:
            callback(metrics)


def joined(parts: list[EpisodeStats]) -> EpisodeStats:
    """What episodes came to, in one piece."""
    return EpisodeStats(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def check_values(policy: Policy) -> None:
    """Refuse values that are no numbers any more.

    Raises:
        SettingError: if rewards, or what they add up to, were beyond what float32 holds.
    """
    if not np.isfinite(policy.q).all():
        raise SettingError(
            "the values grew beyond what float32 holds; take smaller rewards, a smaller gamma, or a smaller kappa"
        )
