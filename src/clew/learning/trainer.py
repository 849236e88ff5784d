"""Learning that can be watched: a step, an episode or a million at a time, in a world that may change meanwhile."""

from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from clew.environments import ModelEnvironment, as_compiled
from clew.errors import SettingError
from clew.kernels.learning.learners import begin, finish
from clew.kernels.learning.rollouts import EpisodeStats, first_action, take_step
from clew.kernels.sampling import draw_start
from clew.learning.learner import make_room_for_world
from clew.learning.loops import Loop, new_state, one_at_a_time
from clew.learning.settings import LearningSettings, as_learning
from clew.learning.training import joined, new_policy
from clew.policies.episodes import Transition, episode_spec
from clew.policies.policy import maze_world, table_shape
from clew.settings import check_count

__all__ = ["Trainer"]


class Trainer:
    """Learns when it is asked to, and as much as it is asked for.

    Steps and whole episodes may be mixed: what was learned after n episodes is the same, bit for bit, as what
    `train_policy(env, n, seed=seed, **settings)` gives, as long as the world isn't changed and no schedule asks how
    many episodes there will be.

        trainer = clew.Trainer(env, seed=3, alpha=0.5)
        trainer.learn(500)
        trainer.change_world(clew.Environment(clew.Maze.load("changed.txt")))
        trainer.learn(500)
        clew.evaluate_policy(trainer.env, trainer.policy)

    Args:
        env: environment with a model, or a model.
        num_episodes: how many episodes there will be, for schedules; more may be learned.
        seed: decides every draw.
        counted: count how often the values of each state are moved.
        settings: those of `Learning`, but for `num_interleaved`: one episode is played at a time.

    Attributes:
        env: the world that is learned, as a `ModelEnvironment`.
        policy: what was learned so far; its table changes as learning goes on.
        episode: the transitions of the episode that `step` is in.

    Raises:
        SettingError: if a setting is out of range, or the world has no model.
    """

    def __init__(
        self,
        env: Any,
        *,
        num_episodes: int = 10_000,
        seed: int = 0,
        counted: bool = False,
        **settings: Unpack[LearningSettings],
    ) -> None:
        check_count("num_episodes", num_episodes, 1)
        check_count("seed", seed, 0)
        learning = as_learning(settings)
        if learning.num_interleaved > 1:
            raise SettingError("must be 1: a Trainer plays one episode at a time", setting="num_interleaved")
        self.env = _with_model(env)
        self.policy, self._learner = new_policy(self.env, learning, seed, counted=counted)
        self._total, self._state = num_episodes, new_state((seed, 0, 0))
        self._loop = self._new_loop()
        self._next: tuple[int, int] = (-1, -1)  # state and action of the episode that is under way
        self.episode: list[Transition] = []

    @property
    def num_ended(self) -> int:
        """How many episodes have ended."""
        return int(self._state.num_ended[0])

    @property
    def is_under_way(self) -> bool:
        """Tell if `step` is in the middle of an episode."""
        return self._next[1] >= 0

    @property
    def updates(self) -> npt.NDArray[np.int64]:
        """(num_states,) int64: how often the values of each state were moved; zeros unless `counted`."""
        counts = [counts.sum(axis=1, dtype=np.int64) for _, counts in self._learner.tables if counts.size]
        return np.asarray(sum(counts, np.zeros(self.policy.q.shape[0], np.int64)))

    def learn(self, num_episodes: int = 1) -> EpisodeStats:
        """Learn from so many whole episodes; one that is under way is ended first, and counts as the first.

        Returns:
            Steps, sum of rewards, and whether it reached an end, of each episode: (num_episodes,) arrays.
        """
        check_count("num_episodes", num_episodes, 0)
        ended = self._finish_episode() if num_episodes and self.is_under_way else None
        stats = self._loop.learn(num_episodes - (ended is not None))
        return stats if ended is None else joined([ended, stats])

    def step(self) -> Transition:
        """Take one step, and learn from it; the first of an episode, if none is under way.

        Returns:
            The transition that was learned from; if it is terminated or truncated, the episode has ended.
        """
        learner, spec = self._learner, episode_spec(self.env, None, self._learner.settings.exploring_starts)
        stream = self._state.stream
        alpha, exploration = learner.rates_at(self.num_ended, self._total)
        rate = learner.step_size(alpha)
        if not self.is_under_way:
            self.episode = []
            begin(learner.rule)
            s = int(draw_start(spec.starts, stream))
            a = int(first_action(learner.rule, learner.behaviour, learner.visits, spec, s, exploration, stream))
            self._next = s, a
        is_last = len(self.episode) + 1 == spec.max_steps
        s_next, a_next, reward, terminated = take_step(
            self.env.mdp.fast_model,
            learner.rule,
            learner.behaviour,
            learner.visits,
            self._next,
            is_last,
            (rate, exploration),
            stream,
        )
        taken = Transition(*self._next, float(reward), int(s_next), bool(terminated), is_last and not terminated)
        self.episode.append(taken)
        self._next = int(s_next), int(a_next)
        if terminated or is_last:
            finish(learner.rule, rate, exploration, stream)
            self._state.num_ended[0] += 1
            self._next = -1, -1
        return taken

    def change_world(self, env: Any) -> None:
        """Go on in another world with what was learned; an episode that is under way is ended in the old one.

        Args:
            env: environment with a model, or a model, of as many states and actions.

        Raises:
            SettingError: if it has no model, doesn't fit the table, or the memory would not do.
        """
        world = _with_model(env)
        if table_shape(world) != self.policy.q.shape:
            raise SettingError(f"a table of {self.policy.q.shape} values doesn't fit a world of {table_shape(world)}")
        if self.is_under_way:
            self._finish_episode()
        self._learner = make_room_for_world(self._learner, world.mdp)
        self.env, self.policy.world = world, maze_world(world)
        self._loop = self._new_loop()

    def _finish_episode(self) -> EpisodeStats:
        """End the episode that is under way; what it came to."""
        while self.is_under_way:
            self.step()
        rewards, last = sum(each.reward for each in self.episode), self.episode[-1]
        return EpisodeStats(np.array([len(self.episode)]), np.array([rewards]), np.array([last.terminated]))

    def _new_loop(self) -> Loop:
        spec = episode_spec(self.env, None, self._learner.settings.exploring_starts)
        return one_at_a_time(self.env.mdp.fast_model, spec, self._learner, self._total, self._state)


def _with_model(env: Any) -> ModelEnvironment:
    world = as_compiled(env)
    if world is None:
        raise SettingError("a Trainer needs a world with a model; train_policy learns from others, step by step")
    return world
