"""Learning, step by step: our loop, C's, the chapter's and the Gymnasium tutorials', in turn.

They take turns so that a noisy machine is noisy for all of them, and speeds are steps a second of processor time: all
of these loops run on one processor, and what else the machine does must not decide a ratio.
"""

import random
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import clew
from benchmarks import c, chapter, tutorial
from benchmarks.rows import OURS, Row

CHAPTER, TUTORIAL = "the chapter's loop", "a Gymnasium tutorial's loop"
PARALLEL = "train_policy_parallel, no actors"
SEED = 0
SIZES = (5, 50, 1000)
LANES = (1, 8)  # episodes played at a time, on one table
REPETITIONS = {5: 11, 50: 11, 1000: 5}
# By size and lanes: about a tenth of a second, or what a few episodes of millions of steps take.
EPISODES = {(5, 1): 1_000_000, (5, 8): 1_000_000, (50, 1): 40_000, (50, 8): 60_000, (1000, 1): 2, (1000, 8): 8}
CHAPTER_EPISODES = {5: 10_000, 50: 2}  # on 1000x1000 it would take hours
PARALLEL_EPISODES = {5: 400_000, 50: 20_000}
TUTORIAL_STEPS = 30_000
# Few episodes, since values end up at the same fixed point whatever was drawn.
EPISODES_TO_COMPARE = {5: 100, 50: 1_000}


def task_name(size: int, lanes: int) -> str:
    """How the tables call it."""
    return f"{size}x{size}" + ("" if lanes == 1 else f", {lanes} interleaved")


def run_ours(train: Callable[..., clew.Policy], size: int, episodes: int, **settings: int) -> c.Run:
    """Train as a user would, and count the steps."""
    env = clew.Environment(clew.Maze.open(size, size))
    steps: list[int] = []
    begun = time.process_time()
    policy = train(env, episodes, seed=SEED, callback=lambda metrics: steps.append(metrics.num_steps), **settings)
    return c.Run(sum(steps), time.process_time() - begun, zlib.crc32(policy.q.tobytes()))


def run_serial(size: int, lanes: int, episodes: int) -> c.Run:
    """`clew.train_policy`."""
    return run_ours(clew.train_policy, size, episodes, **({} if lanes == 1 else {"num_interleaved": lanes}))


def chapter_speed(size: int) -> float:
    """Steps a second of the chapter's trainer."""
    random.seed(SEED)
    env = chapter.Environment(size, size)
    begun = time.process_time()
    _, steps = chapter.train_policy(env, CHAPTER_EPISODES[size])
    return steps / (time.process_time() - begun)


def different_bits(programs: dict[str, Path]) -> list[str]:
    """The tasks at which C doesn't take the steps, or doesn't learn the table, that ours does; none, if all is well."""
    return [
        f"{name} at {task_name(size, lanes)}"
        for size, episodes in EPISODES_TO_COMPARE.items()
        for lanes in LANES
        for name, program in programs.items()
        if _outcome(run_serial(size, lanes, episodes)) != _outcome(c.run_c(program, size, size, episodes, lanes, SEED))
    ]


def _outcome(run: c.Run) -> tuple[int, int]:
    return run.steps, run.checksum


def _contenders(programs: dict[str, Path], size: int) -> dict[tuple[str, str], Callable[[], float]]:
    """What to measure on a maze, by task and contender; each returns steps/s."""

    def speed(run: Callable[..., c.Run], *settings: object) -> Callable[[], float]:
        def measure() -> float:
            steps, seconds, _ = run(*settings)
            return steps / seconds

        return measure

    todo: dict[tuple[str, str], Callable[[], float]] = {}
    for lanes in LANES:
        task, episodes = task_name(size, lanes), EPISODES[size, lanes]
        todo[task, OURS] = speed(run_serial, size, lanes, episodes)
        for name, program in programs.items():
            todo[task, name] = speed(c.run_c, program, size, size, episodes, lanes, SEED)
    if size in CHAPTER_EPISODES:
        todo[task_name(size, 1), CHAPTER] = lambda: chapter_speed(size)
    if size in PARALLEL_EPISODES:
        parallel = clew.train_policy_parallel
        todo[task_name(size, 1), PARALLEL] = speed(
            lambda: run_ours(parallel, size, PARALLEL_EPISODES[size], num_actors=0)
        )
    if size == 5:
        todo[task_name(size, 1), TUTORIAL] = lambda: tutorial.train(clew.Environment(), TUTORIAL_STEPS, SEED)
    return todo


def measure_loops() -> list[Row]:
    """Steps a second of every loop on every maze.

    Raises:
        RuntimeError: if C doesn't learn the bits that ours does; their speeds could not be compared.
    """
    with tempfile.TemporaryDirectory() as folder:
        programs = c.compile_loops(Path(folder)) if c.gcc_version() else {}
        for lanes in LANES:
            run_serial(5, lanes, 10)  # compiles
        run_ours(clew.train_policy_parallel, 5, 10, num_actors=0)
        different = different_bits(programs)
        if different:
            raise RuntimeError(f"clew and C learn different bits: {', '.join(different)}")
        figures: dict[tuple[str, str], list[float]] = {}
        for size in SIZES:
            todo = _contenders(programs, size)
            for _ in range(REPETITIONS[size]):
                for name, measure in todo.items():
                    figures.setdefault(name, []).append(measure())
    # The chapter's loop knows no interleaving: what it does is what there is to compare with.
    for size in CHAPTER_EPISODES:
        figures[task_name(size, 8), CHAPTER] = figures[task_name(size, 1), CHAPTER]
    rows = [Row(task, contender, "steps/s", speeds) for (task, contender), speeds in figures.items()]
    return rows + _missing(programs)


def _missing(programs: dict[str, Path]) -> list[Row]:
    """Say what was not measured, and why."""
    if programs:
        return []
    return [Row(task_name(size, lanes), c.PLAIN, "steps/s", note="no gcc") for size in SIZES for lanes in LANES]


def measure_call() -> list[Row]:
    """Seconds, on the clock, of the chapter's 10,000 episodes, the whole call."""
    task = "10,000 episodes of the chapter's maze"
    seconds: dict[str, list[float]] = {OURS: [], CHAPTER: []}
    clew.train_policy(clew.Environment(), 10)  # compiles
    for _ in range(REPETITIONS[5]):
        clew.train_policy(clew.Environment(), 10_000, seed=SEED)  # what follows is a warm call, not one of cold caches
        begun = time.perf_counter()
        clew.train_policy(clew.Environment(), 10_000, seed=SEED)
        seconds[OURS].append(time.perf_counter() - begun)
        begun = time.perf_counter()
        chapter.train_policy(chapter.Environment(), 10_000)
        seconds[CHAPTER].append(time.perf_counter() - begun)
    return [Row(task, contender, "s", figures) for contender, figures in seconds.items()]
