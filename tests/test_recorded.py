"""Tables learned by every algorithm, recorded once: a change that is not meant to change results leaves every bit.

The hashes are in `recorded.json`. Where a change is meant to alter results, write them again:
`python tests/test_recorded.py`. Softmax and UCB are left out: their exponentials and logarithms are the C library's.
"""

import hashlib
import json
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from clew import ALGORITHMS, BEHAVIOURS, Environment, Maze, MazeVectorEnv, train_policy, train_policy_parallel

RECORDED = Path(__file__).parent / "recorded.json"
BOOK = Environment(Maze.open(5, 5))
SLIPPERY = Environment(Maze.open(6, 7), slip=0.2, random_start=True)
MOVING_GOAL = Environment(Maze.open(4, 5), random_goal=True, random_start=True)


class Corridor(gymnasium.Env):
    """An environment without a model, so that it is learned step by step."""

    observation_space = gymnasium.spaces.Discrete(6)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = 2
        return 2, {}

    def step(self, action):
        self.state = max(0, min(5, self.state + (1 if action else -1)))
        return self.state, float(self.state == 5), self.state == 5, False, {}


def vector_of_mazes():
    envs = MazeVectorEnv(8, Maze.open(5, 5))
    rows = [envs.reset(seed=4)[0].copy()]
    actions = np.random.default_rng(0)
    for _ in range(200):
        observation, reward, terminated, truncated, _ = envs.step(actions.integers(0, 4, 8))
        rows += [observation.copy(), reward.copy(), terminated.copy(), truncated.copy()]
    return rows


def parallel(sharing, algorithm, sync_every=None):
    settings = {"num_simulations": 4, "num_actors": 0, "sharing": sharing, "seed": 9, "algorithm": algorithm}
    settings["sync_every"] = sync_every
    return [train_policy_parallel(BOOK, 2000, **settings).q]


CASES = {
    **{f"book {name}": lambda name=name: [train_policy(BOOK, 1000, seed=5, algorithm=name).q] for name in ALGORITHMS},
    **{
        f"slip {name}": lambda name=name: [train_policy(SLIPPERY, 500, seed=6, algorithm=name, gamma=0.95).q]
        for name in ALGORITHMS
    },
    **{
        f"book behaviour {name}": lambda name=name: [train_policy(BOOK, 500, seed=7, behaviour=name).q]
        for name in BEHAVIOURS
        if name not in ("softmax", "ucb")
    },
    **{
        f"parallel 0 {sharing} {name}": lambda sharing=sharing, name=name: parallel(sharing, name)
        for sharing in ("central", "local")
        for name in ("q-learning", "sarsa-lambda", "double-q-learning")
    },
    **{
        f"parallel, five episodes {sharing} {name}": lambda sharing=sharing, name=name: parallel(sharing, name, 5)
        for sharing in ("central", "local")
        for name in ("q-learning", "sarsa-lambda", "double-q-learning")
    },
    **{
        f"own {name}": lambda name=name: [train_policy(Corridor(), 100, seed=3, algorithm=name).q]
        for name in ("q-learning", "sarsa", "watkins-q", "dyna-q")
    },
    "visits": lambda: [train_policy(BOOK, 500, seed=7, alpha_schedule="visits").q],
    "interleaved": lambda: [train_policy(BOOK, 500, seed=7, num_interleaved=4).q],
    "goal": lambda: [train_policy(MOVING_GOAL, 3000, seed=7).q],
    "lake": lambda: [train_policy(gymnasium.make("FrozenLake-v1"), 3000, seed=7, gamma=1.0).q],
    "vector": vector_of_mazes,
}


def hash_of(case):
    digest = hashlib.sha256()
    for array in CASES[case]():
        array = np.ascontiguousarray(array)
        digest.update(str((array.dtype, array.shape)).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("case", CASES)
def test_a_recorded_table_is_learned_again(case):
    assert hash_of(case) == json.loads(RECORDED.read_text())[case]


if __name__ == "__main__":
    RECORDED.write_text(json.dumps({case: hash_of(case) for case in CASES}, indent=1) + "\n")
    sys.stdout.write(f"wrote {RECORDED}\n")
