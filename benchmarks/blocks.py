"""A table of 16.8 million states in four blocks on four actors: planned, and learned, beside one process.

python -m benchmarks.blocks [SIDE [EPISODES]]

takes a minute and a half for a square of 4096 cells a side, the default. EPISODES is the number of episodes for each
cell, by default 0.25. `one process, learned` is the peak memory of `clew.train_policy` in a process of its own.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import clew
from benchmarks.planning import make_maze
from clew.distributed.blocks import BlockWorld
from clew.distributed.cluster import connected
from clew.settings import peak_memory

BLOCKS = 4
LEARNER: dict[str, Any] = {"algorithm": "propagation", "num_planning": 0, "gamma": 1.0, "initial_value": -1e9}


def timed(what: str, work: Callable[[], Any]) -> Any:
    """The result of some work; prints how long it took."""
    begun = time.perf_counter()
    result = work()
    print(f"{what}: {time.perf_counter() - begun:.1f} s; {result}", flush=True)
    return result


def learn_alone(side: int, num_episodes: int) -> float:
    """Learn in this process; return its peak memory in MiB."""
    rewards = {"step_reward": -1.0, "goal_reward": 0.0}
    env = clew.Environment(make_maze(side, 0.2), random_start=True, max_episode_steps=100, **rewards)
    clew.train_policy(env, num_episodes, **LEARNER)
    return peak_memory() / 2**20


def measure(side: int, episodes: float, slip: float, gamma: float) -> None:
    """Plan in blocks and in one process; learn too if moves are deterministic."""
    env = clew.Environment(make_maze(side, 0.2), step_reward=-1.0, goal_reward=0.0, slip=slip)
    states = np.random.default_rng(0).integers(side * side, size=200_000)
    with BlockWorld(env, BLOCKS, num_actors=BLOCKS) as world:
        timed(f"slip {slip}, solved in blocks", lambda: world.solve(gamma=gamma))
        values = world.values(states)
        if slip == 0.0:
            settings = {"num_rounds": 1, "max_episode_steps": 100, **LEARNER}
            num_episodes = int(side * side * episodes)
            timed("learned in blocks", lambda: world.train(num_episodes, **settings))
            print(world.grade())
            with multiprocessing.get_context("spawn").Pool(1) as alone:
                print(f"one process, learned: {alone.apply(learn_alone, (side, num_episodes)):.0f} MiB", flush=True)
        print({who: f"{peak / 2**20:.0f} MiB" for who, peak in world.memory().items()})
    begun = time.perf_counter()
    whole = clew.solve(env, gamma=gamma)
    seconds, there = time.perf_counter() - begun, whole.v[states]
    difference = np.subtract(there, values, out=np.zeros(states.size), where=there != values)  # where both are -inf, 0
    print(
        f"one process: {seconds:.1f} s; bound {whole.bound:.1e}; values within {np.abs(difference).max():.1e}",
        flush=True,
    )


if __name__ == "__main__":
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 4096
    episodes = float(sys.argv[2]) if len(sys.argv) > 2 else 0.25
    with connected(BLOCKS):
        for slip, gamma in ((0.0, 1.0), (0.1, 0.999)):
            measure(side, episodes, slip, gamma)
