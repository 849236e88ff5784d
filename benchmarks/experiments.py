"""Experiments beside the compiled loops alone: what many runs in one call cost, and what a second thread gains.

python -m benchmarks.experiments [--repeats 10]

Times are minima. Processor time is compared with that of the loops, and wall time on one thread with that on two: the
latter needs two idle processors.
"""

import argparse
import sys
import time

import clew
from clew.environments import as_compiled
from clew.learning.loops import new_loop
from clew.learning.training import new_policy

NUM_EPISODES = 500
ONE = {"Q-learning": {"alpha": 0.5, "gamma": 1.0}}
SWEEP = {
    f"alpha {alpha / 10:g}, epsilon {epsilon / 20:g}": {"alpha": alpha / 10, "epsilon": epsilon / 20, "gamma": 1.0}
    for alpha in range(1, 11)
    for epsilon in range(1, 6)
}
WORLDS = {"cliff": "cliff", "FrozenLake": "gym:FrozenLake-v1"}
THREE = {name: {"algorithm": name, "alpha": 0.5} for name in ("q-learning", "sarsa", "expected-sarsa")}


def loops_alone(learners: dict[str, dict[str, float]], num_seeds: int) -> float:
    """Return the processor time of all compiled loops of an experiment in the cliff, without anything around them."""
    env, seconds = clew.gallery.make_world("cliff"), 0.0
    for settings in learners.values():
        learning, world = clew.Learning(**settings), as_compiled(env)
        for seed in range(num_seeds):
            _, learner = new_policy(env, world, learning, seed)
            loop = new_loop(env, world, learner, NUM_EPISODES, (seed, 0, 0))
            begun = time.thread_time()
            loop.learn(NUM_EPISODES)
            seconds += time.thread_time() - begun
    return seconds


def measure(title: str, learners: dict[str, dict[str, float]], num_seeds: int, repeats: int) -> None:
    """Print the ratios of an experiment in the cliff."""
    experiment = clew.Experiment({"cliff": "cliff"}, learners, range(num_seeds), num_episodes=NUM_EPISODES)
    experiment.run()  # compiles
    alone, used, wall = [], [], {1: [], 2: []}
    for _ in range(repeats):
        alone.append(loops_alone(learners, num_seeds))
        for num_threads in wall:
            begun = time.process_time()
            wall[num_threads].append(experiment.run(num_threads=num_threads).seconds)
            used.append(time.process_time() - begun)
    print(
        f"{title}: {min(alone):.3f} s of loops; {min(used) / min(alone):.2f} times that in one call; "
        f"{min(wall[1]):.3f} s on one thread, {min(wall[1]) / min(wall[2]):.2f} times as fast on two"
    )


def main() -> None:
    """Print the figures of docs/decisions/0022-experiments.md."""
    parser = argparse.ArgumentParser(description=(sys.modules[__name__].__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=10)
    repeats = parser.parse_args().repeats
    measure("1,000 seeds", ONE, 1000, repeats)
    measure("50 settings x 30 seeds", SWEEP, 30, repeats)
    experiment = clew.Experiment(WORLDS, THREE, range(30), num_episodes=NUM_EPISODES)
    experiment.run()
    seconds = min(experiment.run().seconds for _ in range(repeats))
    print(f"3 learners x 2 worlds x 30 seeds: {seconds:.3f} s")


if __name__ == "__main__":
    main()
