"""Measure learning from samples: how soon a learner knows the way, and what a step costs where there are many actions.

    python -m benchmarks.learning [DATA]        from the root of the repository; DATA has maps/, for real mazes

A state counts as right if *every* action that the greedy policy may take there is optimal. Times are of learning alone,
on the clock, kernels compiled, one process; medians of five seeds, with the least and the most. What is learned is
looked at after every few episodes, and steps and times are rounded up to that.

The learners that do best here learn a model of the world. In deterministic worlds that is close to learning the map,
then solving it. Plain Q-learning, which learns no model, stands beside them with the best settings that were found for
it.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

import clew
from benchmarks import machine
from benchmarks.rows import OURS, Row
from clew.environments import as_compiled
from clew.learning.loops import new_loop
from clew.learning.settings import Learning
from clew.learning.training import new_policy

SEEDS = range(5)


@dataclass(frozen=True)
class Task:
    """What is to be learned, by whom, and how well.

    Attributes:
        name: how the table calls it.
        env: the world.
        settings: of the learner.
        share: of the states that must be right; None asks for the way from the start alone.
        episodes: how many between looks.
        most_seconds: target.
        most_steps: target.
    """

    name: str
    env: clew.Environment
    settings: dict[str, Any]
    share: float | None
    episodes: int
    most_seconds: float = np.inf
    most_steps: float = np.inf


class Time(NamedTuple):
    """When a learner was there."""

    seconds: float
    steps: int


def tasks_without_data() -> list[Task]:
    """The flagship: any start to any goal on 32x32, 1,048,576 states."""
    env = clew.Environment(clew.Maze.open(32, 32), random_start=True, random_goal=True, max_episode_steps=2000)
    settings = {"algorithm": "propagation", "gamma": 0.99}
    name = "32x32, any start to any goal"
    return [Task(name, env, settings, 0.99, 300, 0.8), Task(name, env, settings, 0.999, 300, 1.2)]


def tasks_with(data: Path) -> list[Task]:
    """From anywhere to one goal on maze512-8-0; from the fixed start on two smaller mazes."""
    maze = clew.Maze.load(data / "maps" / "maze512-8-0.map", goal=(402, 56))
    anywhere = clew.Environment(maze, random_start=True, max_episode_steps=500)
    settings = {"algorithm": "propagation", "gamma": 0.999, "num_planning": 1}
    tasks = [Task("maze512-8-0, from anywhere", anywhere, settings, 0.999, 300, 0.25, 8e6)]
    # Whoever walks at random tries all actions in all states, and a goal worth 1 makes 0 pessimistic: values only rise.
    plain = {"algorithm": "q-learning", "behaviour": "random", "alpha": 1.0, "gamma": 0.999, "num_interleaved": 8}
    wandering = clew.Environment(maze, random_start=True, max_episode_steps=3000)
    tasks.append(Task("maze512-8-0, from anywhere", wandering, plain, 0.99, 6000))
    # No way is worth more than its goal, 1: a little above is optimistic enough, by less than a step takes off, so that
    # nothing is tried that lies farther away than the goal. Who keeps on turns back less often for what was left out.
    curious = {"algorithm": "r-max", "behaviour": "persistent", "gamma": 0.999, "initial_value": 1.0005}
    places = {"maze-32-32-4": ((1, 1), (1, 1)), "maze-128-128-2": ((122, 86), (99, 17))}
    places["maze-32-32-4"] = longest_way(data, "maze-32-32-4")
    for name, (start, goal) in places.items():
        maze = clew.Maze.load(data / "maps" / f"{name}.map", start=start, goal=goal)
        env = clew.Environment(maze, max_episode_steps=10**7)
        most = 5000 if name == "maze-32-32-4" else 1.3 * 4 * int((~maze.blocked).sum())
        steps = int(maze.distances()[start])
        tasks.append(Task(f"{name}, {start} to {goal}, {steps} steps", env, curious, None, 1, most_steps=most))
    return tasks


def longest_way(data: Path, name: str) -> Any:
    """Start and goal of the longest way of a map that the data know."""
    rows = [line.split(",") for line in (data / "expected.csv").read_text().splitlines()[1:]]
    row = max((row for row in rows if row[0] == f"maps/{name}.map"), key=lambda row: int(row[5]))
    return (int(row[1]), int(row[2])), (int(row[3]), int(row[4]))


def learn(task: Task, seed: int, optimum: clew.Solution) -> Time | None:
    """Learn until what is asked for is known; None if it doesn't come to that in two billion steps."""
    world = as_compiled(task.env)
    policy, learner = new_policy(task.env, world, Learning(**task.settings), seed)
    loop = new_loop(task.env, world, learner, 10**9, (seed, 0, 0))
    loop.learn(0)  # compiles, before the clock runs
    optimal = optimum.optimal_actions
    matters = ~optimal.all(axis=1) & np.isfinite(optimum.steps_from) & (optimum.steps_from > 0)
    seconds, steps = 0.0, 0
    while steps < 2e9:
        begun = time.perf_counter()
        stats = loop.learn(task.episodes)
        seconds += time.perf_counter() - begun
        steps += int(stats.steps.sum())
        if task.share is None:
            grade = clew.evaluate_values(task.env, policy, gamma=task.settings["gamma"], optimum=optimum)
            if grade.optimal_starts == 1.0:
                return Time(seconds, steps)
        elif (~(policy.greedy_actions() & ~optimal).any(axis=1))[matters].mean() >= task.share:
            return Time(seconds, steps)
    return None


def measure_wide() -> list[dict[str, Any]]:
    """Nanoseconds a step on 1,000 states x 1,000 actions, from values that rise and from values that fall."""
    size = 1000
    rng = np.random.default_rng(0)
    pairs = size * size
    mdp = clew.FiniteMDP.sparse(
        np.arange(pairs + 1), np.ones(pairs), rng.integers(size, size=pairs), rng.random(pairs),
        np.zeros(pairs, np.bool_), num_actions=size, starts=np.arange(size),
    )  # fmt: skip
    rows = []
    for name, settings, most in (("ordinary", {}, 60.0), ("optimistic", {"optimistic": True}, 300.0)):
        figures = []
        for seed in SEEDS:
            world = as_compiled(mdp)
            _, learner = new_policy(mdp, world, Learning(gamma=0.99, **settings), seed)
            loop = new_loop(mdp, world, learner, 100, (seed, 0, 0))
            loop.learn(0)
            begun = time.perf_counter()
            stats = loop.learn(20)
            figures.append(1e9 * (time.perf_counter() - begun) / int(stats.steps.sum()))
        rows.append({"task": f"1,000 states x 1,000 actions, {name}", "ns": figures, "most_ns": most})
    return rows


def spell(figures: Sequence[float], unit: str, most: float) -> str:
    """The median, the least and the most, and whether the median meets a target."""
    text = f"{median(figures):,.4g} {unit} ({min(figures):,.4g} to {max(figures):,.4g})"
    if most == np.inf:
        return text
    return f"{text}, target {most:,.4g} {'met' if median(figures) <= most else 'MISSED'}"


def measure(data: Path | None) -> list[Row]:
    """Seconds until what is asked for is known, and nanoseconds a step of wide rows; targets are in the notes."""
    tasks = tasks_without_data() + (tasks_with(data) if data else [])
    rows = []
    for task in tasks:
        optimum = clew.solve(task.env, gamma=task.settings["gamma"])
        times = [found for found in (learn(task, seed, optimum) for seed in SEEDS) if found is not None]
        seconds, steps = [found.seconds for found in times], [found.steps for found in times]
        right = "the way known" if task.share is None else f"{task.share:.1%} right"
        rule = ", ".join(str(value) for value in task.settings.values() if isinstance(value, str))
        note = f"{rule}; {len(times)} of {len(SEEDS)} seeds"
        if times:
            note += f"; {spell(seconds, 's', task.most_seconds)}; {spell(steps, 'steps', task.most_steps)}"
        rows.append(Row(f"{task.name}, {right}", OURS, "s", seconds, note))
    for row in measure_wide():
        note = f"q-learning; {spell(row['ns'], 'ns a step', row['most_ns'])}"
        rows.append(Row(row["task"], OURS, "s", [1e-9 * ns for ns in row["ns"]], note))
    return rows


def main() -> int:
    """Measure and print; returns the exit code."""
    rows = measure(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    console = Console(soft_wrap=True, highlight=False)
    console.print(", ".join(f"{name} {value}" for name, value in machine.describe().items()))
    for row in rows:
        console.print(f"{row.task}: {f'{row.figure:.3g} s' if row.figures else 'never'}; {row.note}")
    return 1 if any("MISSED" in row.note for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
