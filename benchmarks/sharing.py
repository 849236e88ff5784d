"""What actors bring: steps a second, and time to the optimum, on one and two; beside one process and the chapter's way.

python -m benchmarks.sharing [DATA]    on an idle machine of two processors; with DATA, which holds maps/, minutes

Actors have started before a clock does, as Ray has.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ray

import clew
from benchmarks import chapter
from benchmarks.planning import make_maze
from clew.distributed.actors import ActorPool, actor_pool
from clew.distributed.blocks import BlockWorld
from clew.distributed.cluster import connected
from clew.distributed.rounds import Plan, Rounds
from clew.distributed.settings import Sharing
from clew.distributed.tasks import InProcessPool, Job
from clew.distributed.training import WORKERS
from clew.learning.checkpoints import Checkpoints
from clew.learning.settings import Learning
from clew.tracing.trace import Trace

SIMULATIONS = 2
EPISODES = 40_000  # of a simulation in a round: a tenth of a second of work and more, or messages cost too much of it


@contextmanager
def local_rounds(env: Any, settings: dict[str, Any], episodes: int, sync_every: int, actors: int) -> Iterator[Any]:
    """The rounds of local learners with parted starts, and the pool that plays them."""
    sharing = Sharing(
        num_simulations=SIMULATIONS, num_actors=actors, sharing="local", sync_every=sync_every, partition_starts=True
    )
    job, trace = Job(env, Learning(**settings), sharing), Trace()
    make_worker, make_aggregator = WORKERS["local"]
    aggregator = make_aggregator(job, 0)
    plan = Plan.of(episodes, sharing, 0, num_pairs=aggregator.policy.q.size, by_steps=job.ends_by_steps)
    rounds = Rounds(aggregator, plan, 0, trace, Checkpoints(None))
    worker = make_worker(job)
    rounds.compile(worker, True)
    with actor_pool(job, make_worker, InProcessPool(worker, trace)) as pool:
        assert isinstance(pool, ActorPool)
        yield rounds, pool


def speed(env: Any, settings: dict[str, Any], episodes: int, sync_every: int, actors: int) -> float:
    """Steps a second."""
    with local_rounds(env, settings, episodes, sync_every, actors) as (rounds, pool):
        rows = list(rounds.play(pool))
    return sum(row.num_steps for row in rows[1:]) / sum(row.seconds for row in rows[1:])


def call_speed(train: Callable[..., clew.Policy], env: Any, episodes: int, **settings: Any) -> float:
    """Steps a second of one of Clew's two trainers, called as users call it."""
    rows: list[Any] = []
    train(env, episodes, callback=rows.append, **settings)
    return float(sum(row.num_steps for row in rows[1:]) / sum(row.seconds for row in rows[1:]))


def measure_speed() -> None:
    """Two actors beside one; in one process, both ways to share beside `train_policy`."""
    env = clew.Environment(clew.Maze.open(300, 300), random_start=True, max_episode_steps=1000)
    wandering = {"behaviour": "random", "alpha": 1.0, "gamma": 0.999}
    for name, settings in (("wandering, alpha 1", wandering), ("epsilon-greedy, alpha 0.1", {"gamma": 0.999})):
        local = partial(clew.train_policy_parallel, num_simulations=SIMULATIONS, num_actors=0, sharing="local")
        central = partial(clew.train_policy_parallel, num_simulations=SIMULATIONS, num_actors=0)
        for train in (clew.train_policy, central, local):
            train(env, 10, **settings)
        in_rounds = partial(call_speed, env=env, episodes=400_000, sync_every=EPISODES, **settings)
        todo: dict[str, Callable[[], float]] = {
            "train_policy": partial(call_speed, clew.train_policy, env, 400_000, **settings),
            "in process, central": partial(in_rounds, central),
            "in process, local": partial(in_rounds, local),
            "one actor": partial(speed, env, settings, 400_000, EPISODES, 1),
            "two actors": partial(speed, env, settings, 400_000, EPISODES, 2),
        }
        figures: dict[str, list[float]] = {contender: [] for contender in todo}
        for _ in range(5):
            for contender, measure in todo.items():
                figures[contender].append(measure())
        print(f"{name}, rounds of 2 x {EPISODES:,} episodes:")
        for contender, speeds in figures.items():
            least, middle, most = (each(speeds) / 1e6 for each in (min, statistics.median, max))
            print(f"  {contender:>20}: {middle:6.1f} M steps/s ({least:.1f} to {most:.1f})")
        for better, than in (
            ("two actors", "one actor"),
            ("in process, central", "train_policy"),
            ("in process, local", "train_policy"),
        ):
            ratios = [a / b for a, b in zip(figures[better], figures[than], strict=True)]
            print(f"  {better} / {than}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def measure_time(data: Path) -> None:
    """Seconds to 99% optimal states on maze512-8-0, plain Q-learning, one actor and two; medians of three."""
    maze = clew.Maze.load(data / "maps" / "maze512-8-0.map", goal=(402, 56))
    env = clew.Environment(maze, random_start=True, max_episode_steps=1000)
    settings = {"behaviour": "random", "alpha": 1.0, "gamma": 0.999}
    optimum = clew.solve(env, gamma=0.999)
    optimal = optimum.optimal_actions
    matters = ~optimal.all(axis=1) & np.isfinite(optimum.steps_from) & (optimum.steps_from > 0)
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(3):
        for actors, figures in seconds.items():
            with local_rounds(env, settings, 4_000_000, EPISODES, actors) as (rounds, pool):
                spent, steps, share = 0.0, 0, 0.0
                for row in rounds.play(pool):
                    spent, steps = spent + row.seconds, steps + row.num_steps
                    share = float((~(rounds.aggregator.policy.greedy_actions() & ~optimal).any(axis=1))[matters].mean())
                    if share >= 0.99:
                        break
            figures.append(spent)
            print(f"  {actors} actors: optimal_states {share:.4f} in {spent:.2f} s, {steps / 1e6:.0f} M steps")
    ratio = statistics.median(one / two for one, two in zip(seconds[1], seconds[2], strict=True))
    print(f"plain Q-learning, maze512-8-0 to 99% optimal states: two actors {ratio:.2f} times as fast as one")


def measure_model(size: int = 2048) -> None:
    """Seconds of a learner of the model, by propagation in two blocks, on one actor and two; medians of three."""
    maze = make_maze(size, 0.2)
    env = clew.Environment(maze, step_reward=-1.0, goal_reward=0.0)
    settings = {"algorithm": "propagation", "num_planning": 0, "gamma": 1.0, "initial_value": -1e9}
    episodes = size * size // 2
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(3):
        for actors, figures in seconds.items():
            with BlockWorld(env, num_blocks=2, num_actors=actors) as world:
                world.solve(gamma=1.0)
                world.train(2, num_rounds=1, max_episode_steps=1, **settings)  # loads the kernels
                begun = time.perf_counter()
                training = world.train(episodes, num_rounds=1, max_episode_steps=100, **settings)
                figures.append(time.perf_counter() - begun)
                right, steps = world.grade().optimal_states, training.num_steps
                print(f"  {actors} actors: {figures[-1]:.2f} s, {steps / 1e6:.0f} M steps, {right:.4%} right")
    ratio = statistics.median(one / two for one, two in zip(seconds[1], seconds[2], strict=True))
    print(f"propagation in two blocks, {size}x{size}: two actors {ratio:.2f} times as fast as one")


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
        measure_model()
        if given.data is not None:
            measure_time(given.data)
