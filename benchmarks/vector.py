"""A vector of mazes beside Gymnasium's and EnvPool's, in one run: steps a second over all copies, and ratios.

    python -m benchmarks.vector                             from the root of the repository; half a minute
    python -m benchmarks.vector --envpool-python PATH       with EnvPool, as that interpreter has it

Contenders take turns, so that a noisy machine is noisy for all of them; figures are medians of repetitions, on the
clock. All run on one thread, with random actions that were drawn before. EnvPool has no such maze: its FrozenLake-v1,
4x4, stands beside ours of the same size, hazards and slip, where a hazard costs and doesn't end the episode.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import clew
from clew.environments import MazeVectorEnv, make_environment

NUM_ENVS = 1024
REPETITIONS = 7
LAKE = clew.Maze.from_text("S...\n.!.!\n...!\n!..G\n")

# Ours first; the others are compared with it.
OURS: dict[str, dict[str, Any]] = {
    "5x5": {},
    "5x5, same step": {"autoreset_mode": AutoresetMode.SAME_STEP},
    "5x5, positions": {"observation": "position"},
    "5x5, planes": {"observation": "planes"},
    "5x5, random starts and goals, slip 0.2": {"random_start": True, "random_goal": True, "slip": 0.2},
    "100x100": {"maze": clew.Maze.open(100, 100)},
    "4x4 with hazards, slip 2/3": {"maze": LAKE, "slip": 2 / 3},
}
ENVPOOL = f"""
import json, time
import envpool
import numpy as np
env = envpool.make("FrozenLake-v1", env_type="gymnasium", num_envs={NUM_ENVS}, num_threads=1)
actions = np.random.default_rng(0).integers(0, 4, (64, {NUM_ENVS})).astype(np.int32)
env.reset()
for i in range(100): env.step(actions[i % 64])
begun = time.perf_counter()
for i in range(300): env.step(actions[i % 64])
print(json.dumps(300 * {NUM_ENVS} / (time.perf_counter() - begun)))
"""


def speed(env: gymnasium.vector.VectorEnv, num_calls: int) -> float:
    """Steps/s of all copies together."""
    actions = np.random.default_rng(0).integers(0, 4, (64, NUM_ENVS))
    env.reset(seed=0)
    for i in range(num_calls // 10 + 1):
        env.step(actions[i % 64])
    begun = time.perf_counter()
    for i in range(num_calls):
        env.step(actions[i % 64])
    return num_calls * NUM_ENVS / (time.perf_counter() - begun)


def envpool_speed(python: str) -> float:
    """What EnvPool says of itself; raises RuntimeError if it can't be had."""
    done = subprocess.run([python, "-c", ENVPOOL], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "it printed no reason")
    return float(json.loads(done.stdout.splitlines()[-1]))


def contenders() -> dict[str, Callable[[], float]]:
    """What to measure, by name."""
    chosen: dict[str, Callable[[], float]] = {}
    for name, settings in OURS.items():
        chosen[f"MazeVectorEnv, {name}"] = lambda settings=settings: speed(MazeVectorEnv(NUM_ENVS, **settings), 3_000)
    for name in ("5x5", "5x5, planes"):
        functions = [lambda settings=OURS[name]: make_environment(**settings)] * NUM_ENVS
        chosen[f"SyncVectorEnv, {name}"] = lambda functions=functions: speed(SyncVectorEnv(functions), 20)
    return chosen


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vector", description="Speed of vectors of mazes.")
    parser.add_argument("--envpool-python", default=sys.executable, help="interpreter that has EnvPool")
    options = parser.parse_args()
    measures = contenders()
    try:
        envpool_speed(options.envpool_python)
        measures["EnvPool, FrozenLake-v1"] = lambda: envpool_speed(options.envpool_python)
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"EnvPool is not measured: {error}")
    figures: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(REPETITIONS):
        for name, measure in measures.items():
            figures[name].append(measure())
    medians = {name: median(values) for name, values in figures.items()}
    print(f"{NUM_ENVS:,} copies on one thread, medians of {REPETITIONS}")
    for name, figure in medians.items():
        print(f"{name:62} {figure / 1e6:10.3f} M steps/s")
    pairs = [("5x5", "SyncVectorEnv, 5x5"), ("5x5, planes", "SyncVectorEnv, 5x5, planes")]
    pairs.append(("4x4 with hazards, slip 2/3", "EnvPool, FrozenLake-v1"))
    for ours, other in pairs:
        if other in medians:
            print(f"{ours}: {medians[f'MazeVectorEnv, {ours}'] / medians[other]:,.0f} times {other}")


if __name__ == "__main__":
    main()
