"""Experiments beside the compiled loops alone: what many runs in one call cost, and what a second thread gains.

    python -m benchmarks.experiments [--repeats 10]
    python -m benchmarks.experiments --peers-python PATH    rlberry as well, as that interpreter has it: two minutes

Times are minima. Processor time is compared with that of the loops, and wall time on one thread with that on two: the
latter needs two idle processors. rlberry is compared by processor time, with one run of it.
"""

import argparse
import sys
import time
from pathlib import Path

import clew
from benchmarks.beside_peers import ask
from clew.environments import as_compiled
from clew.learning.loops import new_loop
from clew.learning.training import new_policy

NUM_EPISODES, NUM_SEEDS = 500, 30
RLBERRY = Path(__file__).parent / "rlberry_experiment.py"
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


def measure_comparison(repeats: int, peers_python: str | None) -> None:
    """Print the processor time of an experiment and its statistics, and that of rlberry if there is an interpreter."""
    experiment = clew.Experiment(WORLDS, THREE, range(NUM_SEEDS), num_episodes=NUM_EPISODES)
    figures = ("episode_return", "suboptimality")  # while learning, and of what was learned
    times, steps = [], 0
    for _ in range(repeats + 1):  # the first one compiles
        begun = time.process_time()
        results = experiment.run()
        learned = time.process_time()
        verdicts = [results.compare(figure).verdicts for figure in figures]
        times.append((learned - begun, time.process_time() - learned))
        steps = int(results.steps.sum())
        assert all(verdicts)
    learn, compare = map(min, zip(*times[1:], strict=True))
    print(f"3 learners x 2 worlds x {NUM_SEEDS} seeds: {learn:.3f} s for {steps:,} steps, {compare:.3f} s to compare")
    if peers_python is None:
        return
    answer = ask(peers_python, str(NUM_SEEDS), str(NUM_EPISODES), longest=3600, script=RLBERRY)
    if "missing" in answer:
        print(f"rlberry: {answer['missing']}")
        return
    times_as_long = (answer["fit"] + answer["compare"]) / (learn + compare)
    print(
        f"rlberry {answer['version']}: {answer['fit']:.1f} s for {answer['steps']:,} steps, {answer['compare']:.1f} s "
        f"to compare, {answer['unknown']} of 6 p-values unknown; {times_as_long:,.0f} times as long"
    )


def main() -> None:
    """Print the figures of docs/decisions/0022-experiments.md."""
    parser = argparse.ArgumentParser(description=(sys.modules[__name__].__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--peers-python", help="interpreter that has rlberry")
    options = parser.parse_args()
    measure("1,000 seeds", ONE, 1000, options.repeats)
    measure("50 settings x 30 seeds", SWEEP, 30, options.repeats)
    measure_comparison(options.repeats, options.peers_python)


if __name__ == "__main__":
    main()
