"""What actors bring: steps a second, and time to the optimum, on one and two; beside one process and the chapter's way.

python -m benchmarks.sharing [DATA]    on an idle machine of two processors; with DATA, which holds maps/, minutes

Actors have started before a clock does, as Ray has.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import ray

import clew
from benchmarks import chapter
from clew.checkpoints import Checkpoints
from clew.distributed.actors import ActorPool, actor_pool
from clew.distributed.cluster import connected
from clew.distributed.rounds import WORKERS, Plan, Rounds
from clew.distributed.tasks import Demand, Here, Job
from clew.learning import Learning
from clew.trace import Trace

SIMULATIONS = 2


@contextmanager
def local_rounds(env: Any, settings: dict[str, Any], episodes: int, sync_every: int, actors: int) -> Iterator[Any]:
    """The rounds of local learners with parted starts, and the pool that plays them."""
    job, plan, trace = Job(env, Learning(**settings), SIMULATIONS), Plan(episodes, SIMULATIONS, sync_every, 0), Trace()
    make_worker, make_learner = WORKERS["local"]
    rounds = Rounds(make_learner(job, 0), plan, 0, trace, Checkpoints(None))
    worker = make_worker(job)
    rounds.compile(worker)
    here = Here(worker, trace)
    if actors == 0:
        yield rounds, here
        return
    with actor_pool(job, make_worker, here, Demand(actors, SIMULATIONS, 1, 0.0)) as pool:
        assert isinstance(pool, ActorPool)
        yield rounds, pool


def speed(env: Any, settings: dict[str, Any], episodes: int, sync_every: int, actors: int) -> float:
    """Steps a second."""
    with local_rounds(env, settings, episodes, sync_every, actors) as (rounds, pool):
        rows = list(rounds.play(pool))
    return sum(row.num_steps for row in rows[1:]) / sum(row.seconds for row in rows[1:])


def serial_speed(env: Any, settings: dict[str, Any], episodes: int) -> float:
    """Steps a second of `clew.train_policy`."""
    rows: list[Any] = []
    clew.train_policy(env, episodes, callback=rows.append, **settings)
    return float(sum(row.num_steps for row in rows[1:]) / sum(row.seconds for row in rows[1:]))


def measure_speed() -> None:
    """Two actors beside one, one process beside `train_policy`."""
    env = clew.Environment(clew.Maze.open(300, 300), random_start=True, max_episode_steps=1000)
    settings = {"behaviour": "random", "alpha": 1.0, "gamma": 0.999}
    clew.train_policy(env, 10, **settings)
    figures: dict[str, list[float]] = {"train_policy": [], "0": [], "1": [], "2": []}
    for _ in range(5):
        figures["train_policy"].append(serial_speed(env, settings, 240_000))
        for actors in (0, 1, 2):
            figures[str(actors)].append(speed(env, settings, 240_000, 10_000, actors))
    for name, speeds in figures.items():
        least, middle, most = (each(speeds) / 1e6 for each in (min, statistics.median, max))
        print(f"{name:>12}: {middle:6.1f} M steps/s ({least:.1f} to {most:.1f})")
    ratio = [two / one for one, two in zip(figures["1"], figures["2"], strict=True)]
    here = [own / serial for own, serial in zip(figures["0"], figures["train_policy"], strict=True)]
    print(f"two actors / one: {statistics.median(ratio):.2f}; in process / train_policy: {statistics.median(here):.2f}")


def measure_time(data: Path) -> None:
    """Seconds to 99% of the states right on maze512-8-0, plain Q-learning, one actor and two."""
    maze = clew.Maze.load(data / "maps" / "maze512-8-0.map", goal=(402, 56))
    rewards = {"step_reward": -1.0, "goal_reward": 0.0}
    env = clew.Environment(maze, random_start=True, max_episode_steps=1000, **rewards)
    settings = {"behaviour": "random", "alpha": 1.0, "gamma": 1.0, "initial_value": -4000.0}
    optimum = clew.solve(env, gamma=1.0)
    optimal = optimum.optimal_actions
    matters = ~optimal.all(axis=1) & np.isfinite(optimum.steps_from) & (optimum.steps_from > 0)
    for actors in (1, 2):
        with local_rounds(env, settings, 4_000_000, 10_000, actors) as (rounds, pool):
            seconds, steps, share = 0.0, 0, 0.0
            for row in rounds.play(pool):
                seconds, steps = seconds + row.seconds, steps + row.num_steps
                q = rounds.learner.policy.q
                best = q == q.max(axis=1, keepdims=True)
                share = float((~(best & ~optimal).any(axis=1))[matters].mean())
                if share >= 0.99:
                    break
        print(f"{actors} actors: {share:.4f} of the states right in {seconds:.2f} s, {steps / 1e6:.0f} M steps")


class ChapterSimulation:
    """The chapter's actor: an episode a call."""

    def __init__(self) -> None:
        self.env = chapter.Environment()

    def rollout(self, policy: chapter.Policy) -> list[chapter.Experience]:
        """Play an episode with the policy that was put into the store before the first."""
        return chapter.rollout(self.env, policy)


def chapter_parallel(num_episodes: int, num_simulations: int = 4) -> float:
    """Seconds of the chapter's design: the policy is put once, an episode a call, results as they come."""
    policy = chapter.Policy(chapter.Environment())
    simulations = [ray.remote(ChapterSimulation).remote() for _ in range(num_simulations)]
    ray.get([simulation.rollout.remote(policy) for simulation in simulations])  # they have started
    begun = time.perf_counter()
    stored = ray.put(policy)
    for _ in range(num_episodes // num_simulations):
        left = [simulation.rollout.remote(stored) for simulation in simulations]
        while left:
            done, left = ray.wait(left)
            for experiences in ray.get(done):
                chapter.update_policy(policy, experiences, 0.1, 0.9)
    return time.perf_counter() - begun


def measure_chapter() -> None:
    """The chapter's 4,000 episodes in four simulations."""
    ours = []
    for _ in range(5):
        begun = time.perf_counter()
        clew.train_policy_parallel(clew.Environment(), 4000, 4)
        ours.append(time.perf_counter() - begun)
    theirs = chapter_parallel(4000)
    seconds = statistics.median(ours)
    print(f"the chapter's task: {theirs:.1f} s its way, {seconds:.3f} s here: {theirs / seconds:.0f} times as fast")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="a folder that holds maps/")
    given = parser.parse_args()
    with connected(2):
        measure_chapter()
        measure_speed()
        if given.data is not None:
            measure_time(given.data)
