"""Time to equal quality: one process beside Ray actors, on ordinary tasks.

python -m benchmarks.pays [TASK...]      of each task, or of some: a line for each way to learn it

The quality is the suboptimality that one simulation has at its end, with the worst of the seeds. Of each way, the time
is that of the first report that is as good; Ray runs before the clock starts. It takes twenty minutes.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import ray

import clew
from clew.environments import as_compiled

SEEDS = (1, 2, 3)
Train = Callable[..., clew.Policy]


class Stepped(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Hides the model of an environment, so that it is stepped in Python."""


class Task:
    """Something to learn, the settings to do so, and the number of episodes."""

    def __init__(self, env: Any, num_episodes: int, gamma: float, is_stepped: bool = False) -> None:
        self.env = Stepped(env) if is_stepped else env
        self.num_episodes, self.settings = num_episodes, {"gamma": gamma, "epsilon": 0.1, "alpha": 0.1}
        world = as_compiled(env)
        assert world is not None
        self.mdp, self.optimum = world.mdp, clew.solve(world.mdp, gamma=gamma)

    def suboptimality(self, q: Any) -> float:
        """Return what the greedy policy of a table loses, mean over the start states."""
        values = clew.policy_values(self.mdp, clew.Policy(self.mdp, q=q), gamma=self.settings["gamma"])
        return float(np.mean((self.optimum.v - values.v)[self.mdp.starts]))

    def learn(self, train: Train, seed: int) -> list[tuple[float, Any]]:
        """Return the seconds and the table of each report; the clock stands still while a table is copied."""
        reports: list[tuple[float, Any]] = []
        begun = time.perf_counter()

        def watch(q: Any) -> None:
            nonlocal begun
            now = time.perf_counter()
            reports.append((now - begun, q.copy()))
            begun += time.perf_counter() - now

        train(self.env, self.num_episodes, seed=seed, watch=watch, **self.settings)
        return reports


def seconds_to(task: Task, reports: list[tuple[float, Any]], quality: float) -> float:
    """Return when a training had a quality; infinite if it hasn't at its end."""
    first, last = 0, len(reports)
    while first < last:  # learning gets better, so that the first report as good is found by bisection
        middle = (first + last) // 2
        if task.suboptimality(reports[middle][1]) <= quality:
            last = middle
        else:
            first = middle + 1
    return reports[first][0] if first < len(reports) else float("inf")


def make_tasks() -> dict[str, Callable[[], Task]]:
    """Return the tasks by name."""
    return {
        "open 200x200": lambda: Task(clew.Environment(clew.Maze.open(200, 200), random_start=True), 10_000_000, 0.999),
        "random 200x200": lambda: Task(
            clew.Environment(clew.generate_maze("random", 200, 200, seed=1), random_start=True), 10_000_000, 0.999
        ),
        "open 20x20, slip 0.1, in Python": lambda: Task(
            clew.Environment(clew.Maze.open(20, 20), random_start=True, slip=0.1), 60_000, 0.99, True
        ),
        "FrozenLake 8x8, in Python": lambda: Task(gymnasium.make("FrozenLake8x8-v1"), 35_000, 0.99, True),
    }


WAYS: dict[str, Train] = {
    "one simulation": clew.train_policy,
    "central, 2 simulations": partial(clew.train_policy_parallel, num_simulations=2, num_actors=0),
    "local, 2 simulations": partial(clew.train_policy_parallel, num_simulations=2, num_actors=0, sharing="local"),
    "local, 2 actors": partial(clew.train_policy_parallel, num_simulations=2, num_actors=2, sharing="local"),
}


def measure(name: str, task: Task) -> None:
    """Print the times of all ways to learn a task."""
    for train in WAYS.values():
        train(task.env, 4, **task.settings)  # compiles
    reports = {way: [task.learn(train, seed) for seed in SEEDS] for way, train in WAYS.items()}
    alone = reports["one simulation"]
    qualities = [task.suboptimality(each[-1][1]) for each in alone]
    last = statistics.median(each[-1][0] for each in alone)
    print(f"{name}, one simulation: {min(qualities):.4g} to {max(qualities):.4g} after {last:.1f} s", flush=True)
    found = {way: [seconds_to(task, each, max(qualities)) for each in reports[way]] for way in WAYS}
    in_process = min(statistics.median(found[way]) for way in WAYS if "actor" not in way)
    for way, seconds in found.items():
        times = in_process / statistics.median(seconds)
        print(
            f"{name:28} {way:24} {statistics.median(seconds):7.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), "
            f"{times:.2f} times as fast as the best in one process",
            flush=True,
        )


def main() -> int:
    """Measure the tasks that the command line names."""
    tasks = make_tasks()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", choices=[[], *tasks], metavar="TASK", default=[])
    chosen = parser.parse_args().tasks or list(tasks)
    ray.init(num_cpus=2, logging_level="ERROR")
    for name in chosen:
        measure(name, tasks[name]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
