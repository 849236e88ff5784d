"""On noisy worlds several simulations come to policies as good as one does, both ways to share, by as many episodes.

Graded by the exact value of the greedy policy where episodes begin, mean over seeds; a difference is one if its 95%
interval says so. Those who act by values a round old are sometimes a little better, for they try more; never worse.
"""

import numpy as np
import pytest

from clew.distributed import train_policy_parallel
from clew.environments import Environment
from clew.evaluation.exact import policy_values
from clew.learning.training import train_policy
from clew.mazes import Maze
from worlds import gymnasium_world

pytestmark = [pytest.mark.long, pytest.mark.nightly]

SEEDS, EPISODES, GAMMA = 24, 6000, 0.95
WORLDS = {
    "slip 0.2": lambda: Environment(Maze.open(6, 6, obstacles=[(2, 2), (3, 2), (1, 4)]), slip=0.2),
    "FrozenLake": lambda: gymnasium_world("FrozenLake-v1", 0).mdp,
}
LEARNERS = {
    "q-learning": {"alpha": 0.05, "epsilon": 0.3},
    "sarsa": {"alpha": 0.05, "epsilon": 0.3},
    "double-q-learning": {"alpha_schedule": "visits", "epsilon": 0.3},
}
WAYS = {
    "one": train_policy,
    "central": lambda *what, **how: train_policy_parallel(*what, num_actors=0, **how),
    "local": lambda *what, **how: train_policy_parallel(*what, num_actors=0, sharing="local", **how),
}


@pytest.mark.parametrize("algorithm", LEARNERS)
@pytest.mark.parametrize("world", WORLDS)
def test_neither_way_to_share_is_worse_than_one_learner(world, algorithm):
    env, settings = WORLDS[world](), {"algorithm": algorithm, "gamma": GAMMA, **LEARNERS[algorithm]}
    means, errors = {}, {}
    for way, train in WAYS.items():
        policies = [train(env, EPISODES, seed=seed, **settings) for seed in range(SEEDS)]
        values = [policy_values(env, policy, gamma=GAMMA).value for policy in policies]
        means[way], errors[way] = np.mean(values), np.std(values, ddof=1) / np.sqrt(SEEDS)
    for way in ("central", "local"):
        assert means[way] > means["one"] - 1.96 * np.hypot(errors[way], errors["one"])
