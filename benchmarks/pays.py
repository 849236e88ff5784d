"""Time to equal quality: one process beside Ray actors, on ordinary tasks.

python -m benchmarks.pays KEPT [TASK...] [--seeds 20]      a line for each way to learn each task

The quality is the suboptimality that one simulation has after about half a minute: the median of five seeds. Of each
seed, the steps are counted until a training is as good, or three times as many episodes have ended; they are kept in
the file KEPT. Actors need as many steps as simulations in this process, since their tables have the same bits; and
an environment that steps in Python as many as the same one compiled, but for chance. Then each way is timed once, on
actors too, and the steps of all seeds are converted into seconds. Counting takes an hour and a half, and other programs
may run meanwhile; the times take some minutes, and nothing else should run.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import ray

import clew
from clew.environments import as_compiled

Train = Callable[..., clew.Policy]
LONGEST = 3  # times the episodes of half a minute


class Stepped(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Hides the model of an environment, so that it is stepped in Python."""


class Task:
    """Something to learn, the settings to do so, and the episodes of about half a minute."""

    def __init__(self, env: Any, num_episodes: int, gamma: float, is_stepped: bool = False) -> None:
        self.env, self.timed_env = env, Stepped(env) if is_stepped else env
        self.num_episodes = num_episodes
        self.settings: dict[str, Any] = {"gamma": gamma, "epsilon": 0.1, "alpha": 0.1}
        world = as_compiled(env)
        assert world is not None
        self.mdp, self.optimum = world.mdp, clew.solve(world.mdp, gamma=gamma)

    def suboptimality(self, q: Any) -> float:
        """Return what the greedy policy of a table loses, mean over the start states."""
        values = clew.policy_values(self.mdp, clew.Policy(self.mdp, q=q), gamma=self.settings["gamma"])
        return float(np.mean((self.optimum.v - values.v)[self.mdp.starts]))

    def quality(self) -> float:
        """Return the suboptimality of one simulation after about half a minute, the median of five seeds."""
        learned = (
            clew.train_policy(self.env, self.num_episodes, seed=seed, **self.settings) for seed in range(100, 105)
        )
        return float(np.median([self.suboptimality(policy.q) for policy in learned]))

    def steps_to(self, quality: float, train: Train, seed: int) -> float:
        """Return the steps until a training has a quality; infinite if it isn't reached."""
        steps, is_reached = 0, False

        def watch(q: Any) -> None:
            nonlocal is_reached
            is_reached = self.suboptimality(q) <= quality
            if is_reached:
                raise clew.StopTraining

        def count(row: clew.RoundMetrics) -> None:
            nonlocal steps
            steps += row.num_steps

        train(self.env, LONGEST * self.num_episodes, seed=seed, watch=watch, callback=count, **self.settings)
        return steps if is_reached else float("inf")

    def seconds_of(self, train: Train, enough: float) -> tuple[list[float], list[float]]:
        """Return the numbers of steps after each report until there are enough, and the seconds until then."""
        steps, seconds, begun = [0.0], [0.0], time.perf_counter()

        def note(row: clew.RoundMetrics) -> None:
            steps.append(steps[-1] + row.num_steps)
            seconds.append(time.perf_counter() - begun)
            if steps[-1] >= enough:
                raise clew.StopTraining

        train(self.timed_env, LONGEST * self.num_episodes, seed=0, callback=note, **self.settings)
        return steps, seconds


def make_tasks() -> dict[str, Callable[[], Task]]:
    """Return the tasks by name."""
    return {
        "open 200x200": lambda: Task(clew.Environment(clew.Maze.open(200, 200), random_start=True), 10_000_000, 0.999),
        "random 200x200": lambda: Task(
            clew.Environment(clew.generate_maze("random", 200, 200, seed=1), random_start=True), 8_000_000, 0.999
        ),
        "open 20x20, slip 0.1, in Python": lambda: Task(
            clew.Environment(clew.Maze.open(20, 20), random_start=True, slip=0.1), 50_000, 0.99, True
        ),
        "FrozenLake 8x8, in Python": lambda: Task(gymnasium.make("FrozenLake8x8-v1"), 15_000, 0.99, True),
    }


CENTRAL, LOCAL = "central, 2 simulations", "local, 2 simulations"
IN_PROCESS: dict[str, Train] = {
    "one simulation": clew.train_policy,
    CENTRAL: partial(clew.train_policy_parallel, num_simulations=2, num_actors=0),
    LOCAL: partial(clew.train_policy_parallel, num_simulations=2, num_actors=0, sharing="local"),
}
ON_ACTORS = partial(clew.train_policy_parallel, num_simulations=2, num_actors=2, sharing="local")


def count_steps(kept: Path, tasks: dict[str, Task], num_seeds: int) -> dict[str, Any]:
    """Return the quality of each task, and the steps to it of each way and seed; keep them in the file."""
    found: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    for seed in range(num_seeds):
        for name, task in tasks.items():
            mine = found.setdefault(name, {})
            if "quality" not in mine:
                mine["quality"] = task.quality()
            for way, train in IN_PROCESS.items():
                if len(mine.setdefault(way, [])) <= seed:
                    mine[way].append(task.steps_to(mine["quality"], train, seed))
                    kept.write_text(json.dumps(found))
                    print(f"{name}, {way}, seed {seed}: {mine[way][-1]:.4g} steps", file=sys.stderr, flush=True)
    return found


def measure(name: str, task: Task, found: dict[str, Any]) -> None:
    """Time each way, and print the seconds that the seeds need."""
    ways = {
        **{way: (train, found[way]) for way, train in IN_PROCESS.items()},
        "local, 2 actors": (ON_ACTORS, found[LOCAL]),
    }
    seconds: dict[str, Any] = {}
    for way, (train, needed) in ways.items():
        train(task.timed_env, 4, **task.settings)  # compiles
        enough = np.quantile(needed, 0.75, method="nearest")
        seconds[way] = np.interp(needed, *task.seconds_of(train, enough), right=np.inf)
    in_process = min(np.median(seconds[way]) for way in IN_PROCESS)
    for way, (_, needed) in ways.items():
        low, middle, high = np.quantile(seconds[way], [0.25, 0.5, 0.75], method="nearest")
        print(
            f"{name} | {way} | {np.median(needed) / 1e6:8.3g} million steps, {middle:.2f} s ({low:.2f} to {high:.2f}),"
            f" {in_process / np.median(seconds[way]):.2f} times as fast as the best in one process",
            flush=True,
        )


def main() -> int:
    """Measure the tasks that the command line names."""
    tasks = make_tasks()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kept", type=Path, metavar="KEPT")
    parser.add_argument("tasks", nargs="*", choices=[[], *tasks], metavar="TASK", default=[])
    parser.add_argument("--seeds", type=int, default=20)
    arguments = parser.parse_args()
    chosen = {name: tasks[name]() for name in arguments.tasks or tasks}
    found = count_steps(arguments.kept, chosen, arguments.seeds)
    ray.init(num_cpus=2, logging_level="ERROR")
    for name, task in chosen.items():
        print(
            f"{name}: suboptimality {found[name]['quality']:.4g}, {len(found[name]['one simulation'])} seeds",
            flush=True,
        )
        measure(name, task, found[name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
