"""The forecast of `clew doctor` held against trainings: the time on two actors, divided by that in this process.

python -m benchmarks.forecast      of ten trainings, of 0.14 to 49 s in this process; it takes seven minutes
"""

import statistics
import sys
import time
from typing import Any

import gymnasium
import ray

import clew
from benchmarks.pays import Stepped
from clew.distributed.forecast import forecast
from clew.distributed.settings import Sharing
from clew.learning.settings import as_learning


def open_maze(side: int) -> clew.Environment:
    """Return an open maze with slippery floor, in which episodes begin anywhere."""
    return clew.Environment(clew.Maze.open(side, side), random_start=True, slip=0.1)


TASKS: dict[str, tuple[Any, int, dict[str, Any], dict[str, Any]]] = {
    "20x20": (open_maze(20), 1_000, {"sharing": "local"}, {}),
    "50x50": (open_maze(50), 50_000, {"sharing": "local"}, {}),
    "50x50, central": (open_maze(50), 200_000, {}, {}),
    "100x100": (open_maze(100), 200_000, {"sharing": "local"}, {}),
    "200x200": (open_maze(200), 1_000_000, {"sharing": "local"}, {}),
    "200x200, central": (open_maze(200), 1_000_000, {}, {}),
    "200x200, long rounds": (open_maze(200), 10_000_000, {"sharing": "local", "sync_every": 20_000}, {}),
    "300x300, a random policy": (
        clew.Environment(clew.Maze.open(300, 300), random_start=True, max_episode_steps=10_000),
        200_000,
        {"sharing": "local", "sync_every": 1000},
        {"epsilon": 1.0},
    ),
    "FrozenLake, stepped in Python": (Stepped(gymnasium.make("FrozenLake8x8-v1")), 20_000, {"sharing": "local"}, {}),
    "20x20, stepped in Python, central": (Stepped(open_maze(20)), 20_000, {}, {}),
}


def measure(env: Any, num_episodes: int, settings: dict[str, Any], num_actors: int) -> float:
    """Return the seconds of a training."""
    begun = time.perf_counter()
    clew.train_policy_parallel(env, num_episodes, 2, num_actors=num_actors, seed=1, **settings)
    return time.perf_counter() - begun


def main() -> int:
    """Print a line for each training."""
    ray.init(num_cpus=2, logging_level="ERROR")
    errors = []
    for name, (env, num_episodes, shared, learning) in TASKS.items():
        for num_actors in (0, 2):
            measure(env, 4, {**shared, **learning}, num_actors)  # compiles
        sharing = Sharing(num_simulations=2, num_actors=2, **shared)
        begun = time.perf_counter()
        expected = forecast(env, num_episodes, as_learning(learning), sharing, seed=1)
        took = time.perf_counter() - begun
        in_process, on_actors = (measure(env, num_episodes, {**shared, **learning}, n) for n in (0, 2))
        error = expected.ratio / (on_actors / in_process) - 1.0
        errors.append(abs(error))
        print(
            f"{name:34} in process {in_process:6.2f} s (expected {expected.in_process:6.2f}), on two actors "
            f"{on_actors:6.2f} s ({expected.on_actors:6.2f}): {on_actors / in_process:5.2f} times "
            f"({expected.ratio:5.2f}), {error:+.0%}; forecast in {took:.1f} s",
            flush=True,
        )
    print(f"median error {statistics.median(errors):.0%}, greatest {max(errors):.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
