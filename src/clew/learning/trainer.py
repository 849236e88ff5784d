"""Trainer: learning step by step or in batches of episodes, in a world that may change in between."""

from collections.abc import Iterator
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from clew.environments import ModelEnvironment, as_compiled
from clew.errors import SettingError
from clew.kernels.learning.learners import Step
from clew.kernels.learning.rollouts import EpisodeStats
from clew.learning.explanations import Explanation, explain
from clew.learning.learner import initial_values, reserve_for_world
from clew.learning.loops import Loop, learn_stepwise, new_loop_state, sequential_loop
from clew.learning.precision import warn_if_coarse
from clew.learning.settings import LearningSettings, as_learning
from clew.learning.training import joined, new_policy
from clew.planning.solution import Solution
from clew.policies.episodes import episode_spec
from clew.policies.policy import Policy, maze_world, table_shape
from clew.policies.stepwise import Choice
from clew.reference import Transition
from clew.settings import MAX_EPISODES, check_count, check_flag, check_memory

BYTES_PER_EPISODE = 17  # of statistics: steps, return, terminated


class Trainer:
    """Trains a policy in steps and episodes of any number, in a world that may change in between.

    After n episodes, however they were divided into steps and calls, the policy is the same, bit for bit, as that of
    `train_policy(env, n, seed=seed, **settings)`, unless the world changes or a schedule depends on the number of
    episodes.

        >>> import clew
        >>> trainer = clew.Trainer(clew.Environment(clew.Maze.open(5, 5)), seed=3, alpha=0.5)
        >>> stats = trainer.learn(500)
        >>> clew.evaluate_policy(trainer.env, trainer.policy).mean_steps
        8.0
        >>> trainer.change_world(clew.Environment(clew.Maze.open(5, 5, goal=(0, 4))))
        >>> trainer.step().state
        0
        >>> stats = trainer.learn(2000)
        >>> trainer.num_ended, clew.evaluate_policy(trainer.env, trainer.policy).mean_steps
        (2500, 4.0)

    Args:
        env: environment with a model, or a model.
        num_episodes: number of episodes on which schedules are based; more may be learned.
        seed: seed of all random numbers; a non-negative integer.
        policy: policy or solution whose action values are the initial ones, see `train_policy`.
        counted: count the updates of the values of each state, see `updates`.
        settings: any of `clew.Learning`, except that `num_interleaved` must be 1.

    Attributes:
        env: current world, as a `ModelEnvironment`.
        policy: trained policy; its action values change in place.
        episode: transitions of the current or last episode that was played with `step`.
        explanation: the update that the last call of `step` has made, in the numbers of its equation; of several, the
            first. None if the algorithm's updates aren't explained, or it updates nothing before the episode has ended,
            see `explanations`.
        choice: how `step` chose its last action.

    Raises:
        SettingError: if a setting is unknown or out of range, or the world has no model.
    """

    def __init__(
        self,
        env: Any,
        *,
        num_episodes: int = 10_000,
        seed: int = 0,
        policy: Policy | Solution | None = None,
        counted: bool = False,
        **settings: Unpack[LearningSettings],
    ) -> None:
        check_count("num_episodes", num_episodes, 1, MAX_EPISODES)
        check_flag("counted", counted)
        check_count("seed", seed, 0)
        learning = as_learning(settings)
        if learning.num_interleaved > 1:
            raise SettingError("must be 1: a Trainer plays one episode at a time", setting="num_interleaved")
        self.env = _compiled(env)
        initial = initial_values(self.env, self.env, learning, policy)
        self.policy, self._learner = new_policy(self.env, self.env, learning, seed, initial=initial, counted=counted)
        warn_if_coarse(learning, self.env, initial)
        self._num_episodes, self._state = num_episodes, new_loop_state((seed, 0, 0))
        self.episode: list[Transition] = []
        self.explanation: Explanation | None = None
        self.choice: Choice | None = None
        self._loop, self._transitions = self._new_loop(), self._new_transitions()

    @property
    def num_ended(self) -> int:
        """Number of completed episodes."""
        return int(self._state.num_ended[0])

    @property
    def is_under_way(self) -> bool:
        """True if `step` has begun an episode that has not ended."""
        return bool(self.episode) and not (self.episode[-1].terminated or self.episode[-1].truncated)

    @property
    def updates(self) -> npt.NDArray[np.int64]:
        """(num_states,) int64, updates of the values of each state; zeros unless `counted`."""
        counts = [counts.sum(axis=1, dtype=np.int64) for _, counts in self._learner.tables if counts.size]
        return np.asarray(sum(counts, np.zeros(self.policy.q.shape[0], np.int64)))

    @property
    def eligibility(self) -> npt.NDArray[np.float32] | None:
        """(num_states, num_actions) float32, eligibility of each pair; None if the algorithm has no traces."""
        traces = getattr(self._learner.rule, "traces", None)
        return None if traces is None else traces.eligibility.reshape(self.policy.q.shape).copy()

    def learn(self, num_episodes: int = 1) -> EpisodeStats:
        """Learn from whole episodes. If `step` has begun one, it is completed first, and is the first of them.

        Args:
            num_episodes: number of episodes.

        Returns:
            Statistics of the episodes, (num_episodes,) arrays: steps, episode_return (undiscounted), terminated.

        Raises:
            SettingError: if the number is negative.
        """
        check_count("num_episodes", num_episodes, 0, MAX_EPISODES)
        check_memory(BYTES_PER_EPISODE * num_episodes, "num_episodes: the statistics of the episodes")
        completed = self._complete_episode() if num_episodes and self.is_under_way else None
        stats = self._loop.learn(num_episodes - (completed is not None))
        return stats if completed is None else joined([completed, stats])

    def step(self) -> Transition:
        """Play one step and learn from it; the first step of a new episode, unless one is under way.

        Returns:
            Transition of the step; terminated or truncated if it has ended the episode.
        """
        if not self.is_under_way:
            self.episode = []
        try:
            self.episode.append(next(self._transitions))
        except BaseException:  # such as a Ctrl-C: the episode is given up
            self.episode, self._transitions = [], self._new_transitions()
            raise
        return self.episode[-1]

    def change_world(self, env: Any) -> None:
        """Continue with the learned values in another world. An episode that is under way is completed in the old one.

        Args:
            env: environment with a model, or a model, with the same numbers of states and actions, of which the same
                are available.

        Raises:
            SettingError: if it has no model, doesn't fit the table, or the memory of the machine doesn't suffice.
        """
        world = _compiled(env)
        if table_shape(world) != self.policy.q.shape:
            raise SettingError(
                f"expected a world with a table of {self.policy.q.shape} (num_states, num_actions), got one of "
                f"{table_shape(world)}"
            )
        old, new = self.env.mdp, world.mdp
        if not (old.all_available and new.all_available) and not np.array_equal(old.available, new.available):
            raise SettingError("expected a world in which the same actions are available in the same states")
        if self.is_under_way:
            self._complete_episode()
        self._learner = reserve_for_world(self._learner, world.mdp)
        self.env, self.policy.world = world, maze_world(world)
        self._loop, self._transitions = self._new_loop(), self._new_transitions()

    def _complete_episode(self) -> EpisodeStats:
        while self.is_under_way:
            self.step()
        rewards = sum(each.reward for each in self.episode)
        return EpisodeStats(np.array([len(self.episode)]), np.array([rewards]), np.array([self.episode[-1].terminated]))

    def _new_loop(self) -> Loop:
        """Return the compiled loop for the current world, which continues the stream of random numbers."""
        spec = episode_spec(self.env, None, self._learner.settings.exploring_starts)
        return sequential_loop(self.env.mdp.fast_model, spec, self._learner, self._num_episodes, self._state)

    def _new_transitions(self) -> Iterator[Transition]:
        """Return the stepwise loop for the current world, which draws what the compiled loop draws."""
        limit = self.env.max_episode_steps
        world = ModelEnvironment(self.env.mdp, max_episode_steps=limit)
        world.reset(seed=0)  # only the first reset without a seed would replace the stream
        world.stream = self._state.stream
        return learn_stepwise(
            world, self._learner, self._num_episodes, self._state, max_steps=limit, before_update=self._explain
        )

    def _explain(self, rule: Any, step: Step, alpha: Any, exploration: float, choice: Choice) -> None:
        """Note how an action was chosen, and what the update is about to do."""
        self.choice = choice
        self.explanation = explain(rule, step, alpha, exploration, self._state.stream)


def _compiled(env: Any) -> ModelEnvironment:
    """Return the compiled form of an environment or a model.

    Raises:
        SettingError: if it has none.
    """
    world = as_compiled(env)
    if world is None:
        table_shape(env)  # raises SettingError if it isn't an environment
        raise SettingError("a Trainer needs a world with a model; use train_policy, which learns others step by step")
    return world
