"""An experiment by rlberry: three learners in two worlds; a script by itself, that knows nothing of Clew.

    PYTHON benchmarks/rlberry_experiment.py NUM_SEEDS NUM_EPISODES

PYTHON is an interpreter of its own with rlberry, whose pins exclude those of Clew. Without torch, which tabular agents
don't need, these suffice:

    pip install --no-deps rlberry==0.7.3
    pip install "gymnasium[toy-text]<0.30" multimethod==1.10 adastop dill docopt matplotlib pandas pyyaml scipy tqdm

Prints JSON: seconds of processor time to fit and to compare the agents, the steps, and how many p-values are NaN. The
agents are what a user writes: rlberry's extension has no Expected Sarsa. Evaluated episodes end after 200 steps, since
a greedy policy may never reach the goal.
"""

import json
import sys
import tempfile
import time
from importlib.metadata import version
from itertools import chain
from typing import Any

import numpy as np
import rlberry
from rlberry.agents import AgentWithSimplePolicy
from rlberry.envs import gym_make
from rlberry.manager import ExperimentManager, compare_agents

WORLDS = ({"id": "CliffWalking-v0"}, {"id": "FrozenLake-v1"})


class QLearning(AgentWithSimplePolicy):
    """Tabular Q-learning. All three agents choose the next action before the update, as Sarsa has to."""

    name = "q-learning"

    def __init__(self, env: Any, alpha: float = 0.5, gamma: float = 0.9, epsilon: float = 0.1, **kwargs: Any) -> None:
        super().__init__(env, **kwargs)
        self.alpha, self.gamma, self.epsilon = alpha, gamma, epsilon
        self.q = np.zeros((self.env.observation_space.n, self.env.action_space.n))

    def policy(self, observation: int) -> int:
        """Return a greedy action; ties are broken at random."""
        row = self.q[observation]
        best = np.flatnonzero(row == row.max())
        return int(best[self.rng.integers(best.size)])

    def act(self, s: int) -> int:
        """Return an epsilon-greedy action."""
        if self.rng.random() < self.epsilon:
            return int(self.rng.integers(self.q.shape[1]))
        return self.policy(s)

    def value(self, s: int, a: int) -> float:
        """Return the value of a state in which the action a is taken next."""
        return float(self.q[s].max())

    def fit(self, budget: int, **kwargs: Any) -> None:
        """Learn from `budget` episodes."""
        for episode in range(budget):
            (s, _), total, steps, done = self.env.reset(), 0.0, 0, False
            a = self.act(s)
            while not done:
                s_next, reward, terminated, truncated, _ = self.env.step(a)
                a_next = self.act(s_next)
                target = reward + (0.0 if terminated else self.gamma * self.value(s_next, a_next))
                self.q[s, a] += self.alpha * (target - self.q[s, a])
                s, a, total, steps, done = s_next, a_next, total + reward, steps + 1, terminated or truncated
            self.writer.add_scalar("episode_rewards", total, episode)
            self.writer.add_scalar("steps", steps, episode)


class Sarsa(QLearning):
    """Sarsa."""

    name = "sarsa"

    def value(self, s: int, a: int) -> float:
        """Return the value of the next action."""
        return float(self.q[s, a])


class ExpectedSarsa(QLearning):
    """Expected Sarsa."""

    name = "expected-sarsa"

    def value(self, s: int, a: int) -> float:
        """Return the expected value of an epsilon-greedy action."""
        return float((1 - self.epsilon) * self.q[s].max() + self.epsilon * self.q[s].mean())


LEARNERS = (QLearning, Sarsa, ExpectedSarsa)


def new_manager(learner: type, world: dict[str, str], num_seeds: int, num_episodes: int, folder: str) -> Any:
    """Return the manager of one learner in one world."""
    return ExperimentManager(
        learner,
        (gym_make, world),
        fit_budget=num_episodes,
        eval_kwargs={"eval_horizon": 200},
        n_fit=num_seeds,
        seed=0,
        output_dir=folder,
    )


def main(num_seeds: int, num_episodes: int) -> dict[str, Any]:
    """Fit all agents and compare them in each world; returns what is printed."""
    rlberry.logger.setLevel("ERROR")
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        managers = [
            [new_manager(each, world, num_seeds, num_episodes, folder) for each in LEARNERS] for world in WORLDS
        ]
        for manager in chain(*managers):
            manager.fit()
        fitted = time.process_time()
        p_values = np.concatenate([compare_agents(each)["p-val"] for each in managers])
        compared = time.process_time()
    episodes = [each for manager in chain(*managers) for each in manager.default_writer_data.values()]
    return {
        "version": version("rlberry"),
        "fit": fitted - begun,
        "compare": compared - fitted,
        "steps": int(sum(each.value[each.tag == "steps"].sum() for each in episodes)),
        "unknown": int(np.isnan(p_values).sum()),
    }


if __name__ == "__main__":
    print(json.dumps(main(*map(int, sys.argv[1:]))))
