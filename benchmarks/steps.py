"""Several simulations beside one: the quality and the steps of equal numbers of episodes, in this process.

python -m benchmarks.steps [TASK...] [--seeds 20] [--rounds 250]

`--rounds` is the number of rounds after which their steps are doubled. Open 200x200 takes six minutes, the others one.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium
import numpy as np

import clew
from clew.distributed import rounds as parallel_rounds

GAMMA = 0.99


def taxi_without_mask() -> clew.ModelEnvironment:
    """Return Taxi with all of its actions, as docs/decisions/0015-steps.md measured it."""
    mdp = clew.FiniteMDP.from_gymnasium(gymnasium.make("Taxi-v4"), action_mask=False)
    return clew.ModelEnvironment(mdp, max_episode_steps=200)


TASKS: dict[str, tuple[Callable[[], Any], int]] = {  # the environment, and the number of episodes
    "cliff": (lambda: gymnasium.make("CliffWalking-v1"), 500),
    "taxi": (taxi_without_mask, 2_000),
    "frozenlake8x8": (lambda: gymnasium.make("FrozenLake8x8-v1"), 10_000),
    "open200": (lambda: clew.Environment(clew.Maze.open(200, 200), random_start=True), 20_000),
}


def ways() -> Iterator[tuple[str, Callable[..., clew.Policy]]]:
    """Yield the name of each way to learn, and its trainer."""
    yield "one simulation", clew.train_policy
    for sharing in ("central", "local"):
        for n in (2, 4):
            train = partial(clew.train_policy_parallel, num_simulations=n, num_actors=0, sharing=sharing)
            yield f"{sharing}, {n} simulations", train


def measure(name: str, num_seeds: int) -> None:
    """Print a line for each way to learn a task."""
    make_env, num_episodes = TASKS[name]
    env = make_env()
    for way, train in ways():
        losses, steps, seconds, numbers = [], [], [], []
        for seed in range(num_seeds):
            rows: list[clew.RoundMetrics] = []
            begun = time.perf_counter()
            policy = train(env, num_episodes, gamma=GAMMA, seed=seed, callback=rows.append)
            seconds.append(time.perf_counter() - begun)
            losses.append(clew.evaluate_policy(env, policy, gamma=GAMMA).suboptimality)
            steps.append(sum(row.num_steps for row in rows))
            numbers.append(rows[-1].round + 1)
        low, high = np.percentile(losses, [2.5, 97.5])
        print(
            f"{name:14} {way:22} suboptimality {statistics.median(losses):.4g} (95% of the seeds: {low:.4g} to "
            f"{high:.4g}), {statistics.mean(steps):,.0f} steps, {statistics.mean(numbers):,.0f} rounds, "
            f"{statistics.median(seconds):.2f} s",
            flush=True,
        )


def main() -> int:
    """Measure the tasks that the command line names, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=parallel_rounds.ROUNDS_PER_SIZE)
    options = parser.parse_args()
    parallel_rounds.ROUNDS_PER_SIZE = options.rounds
    for name in options.tasks or TASKS:
        measure(name, options.seeds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
