"""A learner that is trained a few episodes at a time, in the same world or in another."""

import numpy as np

from clew.kernels.learning.rollouts import EpisodeSpec, learn_episodes, new_episode_stats
from clew.kernels.sampling import new_stream
from clew.learning.learner import make_learner, uniform_initial_value
from clew.learning.settings import Learning


class IncrementalLearner:
    """Learner of an algorithm.

    Attributes:
        q: (num_states, num_actions) float32, current action values.
    """

    def __init__(self, mdp, num_episodes, *, max_steps=10_000, seed=0, key=(), **settings):
        self.settings = Learning(**settings)
        self.num_episodes, self.max_steps = num_episodes, max_steps
        self.q = np.full((mdp.num_states, mdp.num_actions), uniform_initial_value(self.settings, mdp), np.float32)
        self.learner = make_learner(self.q, self.settings, max_steps=max_steps, num_outcomes=mdp.num_outcomes)
        self.stream = new_stream(seed, *key)
        self.done = 0

    def learn(self, mdp, num_episodes=None):
        """Learn from a number of episodes, by default all; return their statistics."""
        n = self.num_episodes if num_episodes is None else num_episodes
        stats = new_episode_stats(n)
        spec = EpisodeSpec(mdp.starts, self.max_steps, self.settings.exploring_starts)
        rates = self.learner.rates(self.done, n, self.num_episodes)
        learner = self.learner
        learn_episodes(mdp.model, spec, learner.rule, learner.behaviour, learner.visits, rates, self.stream, stats)
        self.done += n
        return stats
