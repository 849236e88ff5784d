"""The serial training: `train_policy` and its rounds; and learning from recorded transitions, `update_policy`."""

import math
import time
from collections.abc import Iterator
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from clew.environments import STEPS_PER_STATE, ModelEnvironment, as_compiled
from clew.errors import SettingError, StopTraining
from clew.kernels import read_only
from clew.kernels.learning.rollouts import EpisodeStats, replay
from clew.kernels.sampling import Stream
from clew.learning.checkpoints import Checkpoints, SavedState, TrainingState, identity
from clew.learning.learner import Learner, are_finite, initial_values, make_learner, reserve_outcomes
from clew.learning.loops import Loop, new_loop
from clew.learning.metrics import Callback, RoundMetrics, Watch
from clew.learning.precision import warn_if_coarse, warn_if_stalled
from clew.learning.reporting import check_reporting
from clew.learning.saved_arrays import load_arrays, load_learner, metrics_from_arrays, metrics_to_arrays
from clew.learning.settings import Learning, LearningSettings, as_learning, check_run
from clew.models.availability import mark_unavailable
from clew.planning.solution import Solution
from clew.policies.policy import Policy
from clew.policies.trajectory import Trajectory
from clew.settings import check_type
from clew.tracing.trace import DRIVER, Trace

SECONDS_PER_CHUNK = 0.1  # of a training that can be stopped, which a kernel can't be
NUM_ROUNDS = 100  # by default; a round ends with a report, and actors get new values
MAX_UNSEEN_EPISODES = 2**20  # of a round that isn't reported; their statistics take 17 bytes each


# Training -------------------------------------------------------------------------------------------------------------


def train_policy(
    env: Any,
    num_episodes: int = 10_000,
    *,
    seed: int = 0,
    policy: Policy | Solution | None = None,
    callback: Callback | None = None,
    watch: Watch | None = None,
    trace: Trace | None = None,
    checkpoints: Checkpoints | None = None,
    **settings: Unpack[LearningSettings],
) -> Policy:
    """Train a policy in one stream of episodes, learning after every step; by default with Q-learning.

    A `clew.Environment`, a `FiniteMDP`, and Gymnasium's environments with a table of transitions (FrozenLake, Taxi,
    CliffWalking) are played in one compiled loop. Any other environment with Discrete spaces, see `clew.as_discrete`,
    is played step by step with the same update rules.

        >>> import clew
        >>> env = clew.Environment(clew.Maze.open(5, 5))
        >>> policy = clew.train_policy(env, 2000, algorithm="sarsa", alpha=0.5, seed=1)
        >>> clew.evaluate_policy(env, policy).mean_steps
        8.0

    Args:
        env: environment with Discrete spaces, or a model.
        num_episodes: number of episodes to learn from.
        seed: seed of all random numbers, and so of every bit of the result; a non-negative integer.
        policy: policy or solution whose action values are the initial ones; they are copied. Double Q-learning begins
            with them in both of its tables. None begins with those that `settings` give, by default 0.
        callback: function that is called with the `RoundMetrics` of each round. There are at most a hundred rounds;
            those that were restored from a checkpoint are reported first. If it raises `clew.StopTraining`, training
            ends, and the policy so far is returned.
        watch: function that is called before `callback` with the current action values, (num_states, num_actions)
            float32: read-only; copy it to keep it.
        trace: records when each round was learned.
        checkpoints: where checkpoints are saved. If there are any, training continues from the newest one.
        settings: any of `clew.Learning`, such as `algorithm`, `behaviour`, `alpha`, `gamma`, `epsilon`;
            `help(clew.Learning)` describes all of them.

    Returns:
        Trained policy.

    Raises:
        SettingError: if a setting is unknown or out of range, a space is not Discrete, the policy doesn't fit the
            environment, or the values grew too large.
        RunError: if checkpoints can't be written, or are damaged, or belong to another training.
        StoppedError: if `checkpoints.stop()` was called.
    """
    check_run(num_episodes, seed)
    check_reporting(callback, watch, trace, checkpoints)
    return train(
        env,
        num_episodes,
        as_learning(settings),
        seed=seed,
        policy=policy,
        callback=callback,
        watch=watch,
        trace=trace,
        checkpoints=checkpoints,
    )


def train(
    env: Any,
    num_episodes: int,
    learning: Learning,
    *,
    seed: int = 0,
    policy: Policy | Solution | None = None,
    callback: Callback | None = None,
    watch: Watch | None = None,
    trace: Trace | None = None,
    checkpoints: Checkpoints | None = None,
) -> Policy:
    """Train a policy in one stream of episodes, with settings that are known to be in range.

    Args and errors are those of `train_policy`, except that `learning` has all settings of the learner.
    """
    checkpoints = Checkpoints(None) if checkpoints is None else checkpoints
    world = as_compiled(env)
    initial = initial_values(env, world, learning, policy)
    learned, learner = new_policy(env, world, learning, seed, initial=initial)
    warn_if_coarse(learning, world, initial)
    loop = new_loop(env, world, learner, num_episodes, (seed, 0, 0))
    if checkpoints.folder is not None and loop.state is None:
        raise SettingError(
            "must be 2 or more to save checkpoints: the random state of an environment without a model can't be saved, "
            "but several simulations are seeded for every task",
            setting="num_simulations",
        )
    loop.learn(0)  # compiles, so that the first round is timed without the compiler
    is_reported = any(each is not None for each in (callback, watch, trace, checkpoints.folder))
    rounds = SerialRounds(learner, loop, num_episodes, trace, checkpoints, is_reported=is_reported)
    plan = {"num_episodes": num_episodes, "num_simulations": 1, "seed": seed}
    checkpoints.resume(identity(env, world, learning, policy, **plan), rounds)
    with checkpoints.saved_on_stop(rounds):
        for metrics in rounds.play():
            report(metrics, learned, watch, callback)
    check_values(learned.q, world)
    warn_if_stalled(learning, world, learned.q, loop.paid(), initial)
    return learned


def new_policy(
    env: Any,
    world: ModelEnvironment | None,
    settings: Learning,
    seed: int,
    *,
    initial: npt.ArrayLike | None = None,
    counted: bool = False,
) -> tuple[Policy, Learner]:
    """Return a policy with initial values, and the learner that will change them.

    Args:
        env: environment with Discrete spaces, or a model.
        world: its compiled form, from `as_compiled(env)`; None if it has none.
        settings: settings of the learner.
        seed: seed of the policy's own random numbers.
        initial: initial values, from `initial_values`; None for those of the settings.
        counted: count the updates of each value, which merging tables of several learners needs.

    Raises:
        SettingError: if the initial value is unknown or not finite, or the memory of the machine doesn't suffice.
    """
    policy = Policy(env, seed=seed)
    policy.q[:] = initial_values(env, world, settings) if initial is None else initial
    if world is None:  # its infos may have action masks
        max_steps, num_outcomes, masked = STEPS_PER_STATE * policy.q.shape[0], None, True
    else:
        mark_unavailable(world.mdp, policy.q)
        max_steps, num_outcomes, masked = world.max_episode_steps, world.mdp.num_outcomes, not world.mdp.all_available
    return policy, make_learner(
        policy.q, settings, max_steps=max_steps, num_outcomes=num_outcomes, counted=counted, masked=masked
    )


class SerialRounds:
    """The rounds of a serial training: their division into chunks, and their metrics; a checkpoint saves them.

    Args:
        learner: learner; None for an agent in plain Python, of which no checkpoint is saved.
        loop: loop in which it learns.
        num_episodes: number of episodes of the training.
        trace: records when each round was learned; None records nothing.
        checkpoints: saves the training while it goes on, and stops it.
        is_reported: True if a callback, a watch or a file gets the metrics, the values or the trace of the rounds;
            False makes a single round, if the episodes aren't too many.

    Attributes:
        metrics: statistics of the completed rounds.
    """

    def __init__(
        self,
        learner: Learner | None,
        loop: Loop,
        num_episodes: int,
        trace: Trace | None,
        checkpoints: Checkpoints,
        *,
        is_reported: bool,
    ) -> None:
        self.learner, self.loop, self.trace, self.checkpoints = learner, loop, trace, checkpoints
        self.metrics: list[RoundMetrics] = []
        self._is_reported = is_reported
        size = math.ceil(num_episodes / NUM_ROUNDS) if is_reported else min(num_episodes, MAX_UNSEEN_EPISODES)
        self._sizes = [min(size, num_episodes - first) for first in range(0, num_episodes, size)]
        self._chunks: list[EpisodeStats] = []  # of the episodes of the current round
        self._chunk_size = 1  # episodes that are learned between two looks at the clock
        self._seconds = 0.0  # that the current round had taken before it was restored
        self._round_begun = 0.0  # by time.perf_counter

    def play(self) -> Iterator[RoundMetrics]:
        """Learn from all episodes.

        Yields:
            Metrics of each completed round; first those of the rounds of a checkpoint.

        Raises:
            StoppedError: if `checkpoints.stop()` was called.
        """
        yield from self.metrics
        while len(self.metrics) < len(self._sizes):
            yield self._learn_round()

    def _learn_round(self) -> RoundMetrics:
        """Learn from the episodes of the next round, or from the rest of a restored one, and return its metrics."""
        number, begun_at, clock = len(self.metrics), time.time(), time.perf_counter()
        self._round_begun, self._seconds = clock - self._seconds, 0.0
        self.checkpoints.raise_if_stopped()
        while remaining := self._sizes[number] - sum(chunk.steps.size for chunk in self._chunks):
            self._learn_chunk(remaining)
        if self.trace is not None:
            seconds = time.perf_counter() - clock
            self.trace.add("work", DRIVER, begun_at, seconds, number, version=number, simulation=0)
        stats, self._chunks = joined(self._chunks), []
        totals = stats.steps.sum(), stats.terminated.sum(), stats.episode_return.sum()
        num_episodes, num_ended = self._sizes[number], sum(self._sizes[: number + 1])
        ended = {"num_ended": num_ended, "total_episodes": sum(self._sizes)}
        self.metrics.append(RoundMetrics.from_totals(number, num_episodes, totals, self._round_begun, **ended))
        self._round_begun = time.perf_counter()  # of the next one, if training is stopped by a callback
        return self.metrics[-1]

    def _learn_chunk(self, n: int) -> None:
        """Learn from the n episodes that remain in the round; from fewer at once, in about 0.1 s, if they are saved.

        The same if the round isn't reported, and may be long: a kernel can't be interrupted.
        """
        if self.checkpoints.folder is not None or not self._is_reported:
            n = min(n, self._chunk_size, self.checkpoints.episodes_until_due)
        begun = time.perf_counter()
        self._chunks.append(self.loop.learn(n))
        self._chunk_size = max(1, int(n * min(8.0, SECONDS_PER_CHUNK / (time.perf_counter() - begun))))
        self.checkpoints.save_if_due(n, self)

    def state(self) -> TrainingState:
        """Return what a checkpoint saves, see `checkpoints.Training`."""
        return TrainingState(
            content={
                "learner": self.learner,
                "loop": self.loop.state,
                "episodes": joined(self._chunks) if self._chunks else [],
                "metrics": metrics_to_arrays(self.metrics),
            },
            progress={"seconds": time.perf_counter() - self._round_begun},
        )

    def restore(self, saved: SavedState) -> None:
        """Continue from a checkpoint, see `checkpoints.Training`."""
        assert self.learner is not None  # else no checkpoint was saved
        load_learner(self.learner, saved.arrays, "learner")
        load_arrays(self.loop.state, saved.arrays, "loop")
        self.metrics = metrics_from_arrays(RoundMetrics, saved.arrays, "metrics")
        if "episodes.steps" in saved.arrays:
            self._chunks = [EpisodeStats(*(saved.arrays[f"episodes.{name}"] for name in EpisodeStats._fields))]
        self._seconds = saved.progress["seconds"]
        self._round_begun = time.perf_counter() - self._seconds


def report(metrics: RoundMetrics, policy: Policy | None, watch: Watch | None, callback: Callback | None) -> None:
    """Report a completed round: call `watch` with the action values, if any, then `callback` with the metrics.

    Raises:
        StopTraining: if one of them has raised it.
    """
    try:
        if watch is not None and policy is not None:
            watch(read_only(policy.q))
    except StopTraining:
        if callback is not None:  # the round is complete
            callback(metrics)
        raise
    if callback is not None:
        callback(metrics)


def joined(chunks: list[EpisodeStats]) -> EpisodeStats:
    """Return the statistics of several chunks of episodes as one, in order."""
    return EpisodeStats(*(np.concatenate(columns) for columns in zip(*chunks, strict=True)))


def check_values(q: npt.NDArray[np.float32], world: ModelEnvironment | None) -> None:
    """Check that the values of all available actions are finite.

    Args:
        q: (num_states, num_actions) float32, action values that were learned.
        world: compiled world; None if it has none.

    Raises:
        SettingError: if rewards, or their discounted sums, were too large for float32, or a strategy took an action
            that isn't available.
    """
    if not (world is None or world.mdp.all_available or np.isneginf(q[~world.mdp.available]).all()):
        raise SettingError(
            "the exploration strategy took an action in a state where it isn't available; it must choose among those "
            "for which is_available(q, s, a) is true"
        )
    if not are_finite(q, world):
        raise SettingError(
            "the action values became too large for float32, or NaN; use smaller rewards, a smaller gamma, or a "
            "smaller kappa; an update rule of your own may divide by 0"
        )


# Recorded transitions -------------------------------------------------------------------------------------------------


def update_policy(policy: Policy, trajectory: Trajectory, *, alpha: float = 0.1, gamma: float = 0.9) -> None:
    """Apply the Q-learning update for every transition of a trajectory, in order.

        >>> import clew
        >>> policy = clew.Policy(clew.Environment(clew.Maze.open(1, 3)))
        >>> steps = [clew.Transition(1, 3, 1.0, 2, True, False), clew.Transition(0, 3, 0.0, 1, False, True)]
        >>> clew.update_policy(policy, clew.Trajectory.from_transitions(steps), alpha=0.5, gamma=1.0)
        >>> policy.q.tolist()
        [[0.0, 0.0, 0.0, 0.25], [0.0, 0.0, 0.0, 0.5], [0.0, 0.0, 0.0, 0.0]]

    Args:
        policy: policy; its action values are changed in place.
        trajectory: transitions of one or more episodes. After a terminated transition the value of the next state is 0;
            after a truncated one it is the current value, because a step limit doesn't end the world.
        alpha: step size, in (0, 1].
        gamma: discount per step, in [0, 1].

    Raises:
        SettingError: if a setting is out of range, or the trajectory doesn't fit the policy.
    """
    check_type("policy", policy, Policy, "a Policy; clew.Policy(env, q=table) makes one of a table of action values")
    check_type("trajectory", trajectory, Trajectory, "a Trajectory; see Trajectory.from_transitions")
    learner = make_learner(policy.q, Learning(alpha=alpha, gamma=gamma), max_steps=1)
    num_states, num_actions = policy.q.shape
    for name, limit in (("state", num_states), ("next_state", num_states), ("action", num_actions)):
        column = getattr(trajectory, name)
        if column.size and (column.min() < 0 or column.max() >= limit):
            raise SettingError(f"the trajectory's {name} column must be in 0..{limit - 1}, to fit the policy")
    taken = np.isneginf(policy.q[trajectory.state, trajectory.action])
    if taken.any():
        i = int(taken.argmax())
        raise SettingError(
            f"step {i} of the trajectory takes action {trajectory.action[i]} in state {trajectory.state[i]}, where it "
            "isn't available: the policy has the value -inf for it"
        )
    if not np.isfinite(trajectory.reward).all():
        raise SettingError("the trajectory's reward column must hold finite numbers, also as float32")
    learn_from(learner, trajectory, alpha, 0.0, policy.stream)


def learn_from(learner: Learner, trajectory: Trajectory, alpha: float, exploration: float, stream: Stream) -> Learner:
    """Learn from recorded transitions, in order.

    Args:
        learner: learner, changed in place.
        trajectory: transitions of one or more episodes, with states and actions of the learner's table.
        alpha: step size, unless the schedule is "visits".
        exploration: epsilon, temperature or confidence of the recorded strategy.
        stream: (2,) uint64, for update rules that draw; changed in place.

    Returns:
        The learner; another one if its learned model had to grow.
    """
    learner = reserve_outcomes(learner, len(trajectory))
    step_size = learner.step_size(alpha)
    replay(learner.rule, learner.behaviour, learner.visits, trajectory.columns, step_size, exploration, stream)
    return learner
