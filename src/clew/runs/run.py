"""A run: one configuration trained, graded, and kept. What the command line and the page both call."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from clew.distributed import train_parallel
from clew.distributed.blocks import BlockWorld
from clew.environments import Environment, as_compiled
from clew.errors import RunError, SettingError, StoppedError
from clew.evaluation.grades import Evaluation, evaluate_policy
from clew.kernels import seconds_compiled
from clew.learning.checkpoints import Checkpoints
from clew.learning.training import Callback, RoundMetrics, Watch
from clew.mazes import Maze
from clew.planning import Solution
from clew.policies.policy import Policy
from clew.runs.configuration import TrainingConfig
from clew.runs.storage import (
    SavedRun,
    begin_run,
    for_json,
    is_there,
    load_begun,
    load_run,
    partial_of,
    save_run,
    table_sha256,
)
from clew.tracing.trace import Trace

__all__ = ["Clock", "Run", "grade", "kept_run", "open_begun", "open_run", "solve_in_blocks", "train_run"]

FETCHED_AT_ONCE = 1 << 18  # values that are fetched from blocks: the starts may be all states


class Clock:
    """Seconds since it was made, those of the compiler apart: it works the first time only."""

    def __init__(self) -> None:
        self._begun, self._compiled = time.perf_counter(), seconds_compiled()

    def figures(self) -> dict[str, float]:
        """Both, by their names."""
        compiled = seconds_compiled() - self._compiled
        return {"seconds": time.perf_counter() - self._begun - compiled, "compile_seconds": compiled}


@dataclass(frozen=True, eq=False)
class Run:
    """A run that has ended.

    Attributes:
        config: what it was told.
        env: the world.
        policy: what it learned.
        evaluation: the grade.
        metrics: one entry per round.
        seconds: wall time of all rounds.
        startup_seconds: wall time of all that comes before and after them: compiling, starting Ray and actors.
        trace: what was done by whom.
    """

    config: TrainingConfig
    env: Any
    policy: Policy
    evaluation: Evaluation
    metrics: list[RoundMetrics]
    seconds: float
    startup_seconds: float
    trace: Trace

    @property
    def summary(self) -> dict[str, Any]:
        """The figures of the run, as JSON says them."""
        num_steps = sum(row.num_steps for row in self.metrics)
        figures = {
            "gamma": self.config.gamma,
            **asdict(self.evaluation),
            "num_states": self.policy.q.shape[0],
            "num_actions": self.policy.q.shape[1],
            "num_steps": num_steps,
            "steps_per_second": num_steps / self.seconds,
            "seconds": self.seconds,
            "startup_seconds": self.startup_seconds,
            "table_sha256": table_sha256(self.policy.q),
        }
        return for_json(figures)

    def save(self, folder: str | Path) -> None:
        """Write the run folder, whole or not at all.

        Raises:
            RunError: if the folder exists already, or can't be written.
        """
        metrics = [asdict(row) for row in self.metrics]
        maze = self.env.maze if self.config.is_maze else None
        saved = SavedRun(self.config.to_dict(), maze, self.policy.q, metrics, self.summary, self.trace.events)
        save_run(folder, saved)


def train_run(
    config: TrainingConfig,
    callback: Callback | None = None,
    *,
    watch: Watch | None = None,
    checkpoints: Checkpoints | None = None,
    maze: Maze | None = None,
    chaos: float = 0.0,
    trace: Trace | None = None,
) -> Run:
    """Train as configured, then grade what was learned.

    Args:
        config: all the settings.
        callback: is called after each round; first for those that a checkpoint has.
        watch: is called before it with the table as it is then; only to look at, and to copy.
        checkpoints: where to keep what was learned so far; training goes on from the newest that is there.
        maze: what the run is about, if it was read before.
        chaos: probability with which an actor is killed when it's given work, on purpose; no part of the
            configuration, for it decides nothing of the result.
        trace: notes what was done by whom; one that is given can be read while it is noted.

    Raises:
        ClewError: if the maze, a setting or the cluster can't be right.
    """
    if chaos > 0.0 and (config.num_actors == 0 or config.num_simulations == 1):
        raise SettingError(
            "needs Ray actors, which play two simulations or more",
            setting="chaos",
            take={"num_actors": 2} if config.num_actors == 0 else {"num_simulations": 4},
        )
    checkpoints = Checkpoints(None) if checkpoints is None else checkpoints
    env = config.make_environment(maze)
    trace = Trace() if trace is None else trace
    metrics: list[RoundMetrics] = []

    def note(row: RoundMetrics) -> None:
        metrics.append(row)
        if callback is not None:
            callback(row)

    begun = time.perf_counter()
    policy = train_parallel(
        env,
        config.num_episodes,
        config.learning,
        config.sharing_settings,
        chaos=chaos,
        seed=config.seed,
        callback=note,
        watch=watch,
        trace=trace,
        checkpoints=checkpoints,
    )
    wall = checkpoints.seconds + time.perf_counter() - begun
    seconds = sum(row.seconds for row in metrics)
    return Run(config, env, policy, grade(config, env, policy), metrics, seconds, wall - seconds, trace)


@contextmanager
def kept_run(
    folder: str | Path, config: TrainingConfig, every: int | str, resume: bool = False
) -> Iterator[Checkpoints]:
    """Keep checkpoints in RUN.partial while a run is trained and saved within.

    That folder is removed when the run is there, or when nothing was learned that could be kept.

    Args:
        folder: of the run when it has ended.
        config: its settings.
        every: how often, see `Checkpoints`.
        resume: go on with a run that was begun.

    Raises:
        RunError: if there is such a run, or its folder can't be written.
        StoppedError: if it was stopped, and can go on; says how.
    """
    checkpoints = Checkpoints(partial_of(folder), every)
    if not resume:
        begin_run(folder, config.to_dict(), config.make_maze() if config.is_maze else None)
    try:
        yield checkpoints
    except (StoppedError, KeyboardInterrupt):
        if checkpoints.folders or resume:
            raise StoppedError(f"stopped; go on with `clew train --resume {folder}`") from None
        raise StoppedError("stopped; nothing had been learned yet, and nothing was kept") from None
    finally:
        if is_there(folder) or (not resume and not checkpoints.folders):
            rmtree(partial_of(folder), ignore_errors=True)


def open_begun(folder: str | Path) -> tuple[TrainingConfig, Maze | None]:
    """The settings and the maze, if it is one, of a run that was begun, and hasn't ended.

    Raises:
        RunError: if there is none, or it is damaged.
    """
    settings, maze = load_begun(folder)
    return _checked(partial_of(folder), settings, maze), maze


def grade(
    config: TrainingConfig,
    env: Any,
    policy: Policy,
    num_episodes: int | None = None,
    optimum: Solution | None = None,
) -> Evaluation:
    """Grade a policy by greedy episodes.

    Args:
        config: gives the discount and the seed.
        env: the world.
        policy: what to grade.
        num_episodes: how many episodes, from starts that are drawn. None tries every start once if there are 2 to 1,000
            of them; draws 1,000 if there are more or moves are uncertain; and else plays 10 from the only one.
        optimum: what to grade against, if it has been computed before.
    """
    world = as_compiled(env)
    if world is None:
        return evaluate_policy(env, policy, num_episodes or 1000, gamma=config.gamma, seed=config.seed)
    starts, is_deterministic = world.mdp.starts, world.mdp.is_deterministic
    if num_episodes is None and 1 < starts.size <= 1000 and is_deterministic:
        return evaluate_policy(env, policy, gamma=config.gamma, seed=config.seed, starts=starts, optimum=optimum)
    if num_episodes is None:
        num_episodes = 10 if starts.size == 1 and is_deterministic else 1000
    return evaluate_policy(env, policy, num_episodes, gamma=config.gamma, seed=config.seed, optimum=optimum)


def open_run(folder: str | Path) -> tuple[TrainingConfig, Any, Policy]:
    """Read a run folder, and build its world and its policy again.

    Raises:
        RunError: names the file that is missing, damaged or of another kind.
    """
    saved = load_run(folder)
    config = _checked(Path(folder), saved.config, saved.maze)
    try:
        env = config.make_environment(saved.maze)
        return config, env, Policy(env, seed=config.seed, q=saved.q)
    except SettingError as error:
        raise RunError(f"{folder}: damaged: its settings, maze and table don't belong together: {error}") from None


def _checked(folder: Path, settings: dict[str, Any], maze: Maze | None) -> TrainingConfig:
    try:
        config = TrainingConfig.from_dict(settings)
    except SettingError as error:
        raise RunError(f"{folder / 'config.json'}: damaged: {error}") from None
    if config.is_maze and maze is None:
        raise RunError(f"{folder / 'maze.txt'}: can't be read: No such file or directory")
    return config


def solve_in_blocks(
    env: Environment,
    gamma: float,
    tolerance: float,
    ways: tuple[str | None, int | None],
    shares: tuple[int, int],
) -> dict[str, Any]:
    """The figures of an optimum that is planned in blocks.

    Args:
        env: a maze whose goals stay.
        gamma: discount per step.
        tolerance: greatest error of a value.
        ways: method and horizon, as `solve` takes them; blocks have no choice of either.
        shares: number of blocks, and of the actors that hold them.

    Raises:
        SettingError: if it can't be done in blocks.
    """
    for name, given in zip(("method", "horizon"), ways, strict=True):
        if given is not None:
            raise SettingError("has no effect in blocks; leave it out", setting=name)
    num_blocks, num_actors = shares
    with BlockWorld(env, num_blocks, num_actors=num_actors) as world:
        clock = Clock()
        solution = world.solve(gamma=gamma, tolerance=tolerance)
        times = clock.figures()
        starts = env.mdp.starts
        pieces = np.array_split(starts, -(-starts.size // FETCHED_AT_ONCE))
        value = sum(float(world.values(piece).sum()) for piece in pieces) / starts.size
        figures = {"gamma": gamma, "value": value, "num_states": env.mdp.num_states}
        figures |= asdict(solution) | times | {"num_blocks": num_blocks}
        figures |= {f"peak_bytes_of_{name.replace(' ', '_')}": peak for name, peak in world.memory().items()}
    return for_json(figures)
