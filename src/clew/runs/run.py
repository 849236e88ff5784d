"""One run: a configuration trained, graded and saved. The command line and the page both call it."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

from clew.distributed import train_parallel
from clew.distributed.settings import Sharing
from clew.environments import as_compiled
from clew.errors import RunError, SettingError, StoppedError
from clew.evaluation.grades import evaluate_policy
from clew.evaluation.results import Evaluation
from clew.learning.checkpoints import Checkpoints, versions
from clew.learning.metrics import Callback, RoundMetrics, Watch
from clew.learning.reporting import check_reporting
from clew.mazes import Maze
from clew.models.mdp import FiniteMDP
from clew.planning import Solution, find_optimum
from clew.policies.policy import Policy
from clew.runs.configuration import TrainingConfig
from clew.runs.examination import log_findings
from clew.runs.storage import (
    SavedRun,
    create_partial_folder,
    finite_or_none,
    load_partial_folder,
    load_run,
    partial_folder,
    read_config,
    save_run,
    table_sha256,
)
from clew.settings import SHARE, as_path, check_flag, check_number, check_type
from clew.tracing.trace import Trace

if TYPE_CHECKING:
    from clew.distributed.forecast import Forecast

logger = logging.getLogger(__name__)

TRUSTED = "CLEW_IMPORT"  # environment variable: name of a module that loading a run may import


@dataclass(frozen=True, eq=False)
class Run:
    """A run that has ended.

    Attributes:
        config: its settings.
        env: the environment.
        policy: the policy that was learned.
        evaluation: the grade of the policy.
        metrics: one entry per round.
        seconds: wall time of all rounds.
        startup_seconds: wall time before and after the rounds: compiling, starting Ray and actors.
        trace: events of the driver, the object store and the actors.

    >>> import clew
    >>> run = clew.runs.train_run(clew.TrainingConfig(maze="4x6", algorithm="sarsa", num_episodes=500, seed=7))
    >>> run.evaluation.mean_steps, run.summary["num_states"]
    (8.0, 24)
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
        """The grade and the speed of the run, as a dictionary that JSON can hold."""
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
            "versions": versions(self.config.algorithm, self.config.behaviour),
        }
        if self.metrics[-1].num_ended < self.config.num_episodes:  # by a callback
            figures["stopped_after"] = self.metrics[-1].num_ended
        return finite_or_none(figures)

    def save(self, folder: str | Path) -> None:
        """Write the run folder, whole or not at all.

        Raises:
            RunError: if the folder is occupied, or can't be written.
        """
        metrics = [asdict(row) for row in self.metrics]
        maze = self.env.maze if self.config.is_maze else self.env.mdp if self.config.is_model else None
        saved = SavedRun(self.config.to_dict(), maze, self.policy.q, metrics, self.summary, self.trace.events)
        save_run(as_path("folder", folder), saved)


def train_run(
    config: TrainingConfig,
    callback: Callback | None = None,
    *,
    watch: Watch | None = None,
    checkpoints: Checkpoints | None = None,
    maze: Maze | FiniteMDP | None = None,
    chaos: float = 0.0,
    trace: Trace | None = None,
) -> Run:
    """Train with a configuration, and grade the learned policy.

    Args:
        config: settings of the run.
        callback: called with the metrics of each round; first with those of the rounds of a checkpoint. If it raises
            `clew.StopTraining`, training ends, and what has been learned is graded.
        watch: called before it with the action values, (num_states, num_actions) float32; read-only, copy them to keep
            them.
        checkpoints: saves the training while it goes on; it continues from the newest checkpoint, if there is one.
        maze: maze or model of the run, if it has been made or read already.
        chaos: probability that an actor is killed when it is given work; it changes no bit of the result.
        trace: records the events of the run; it can be read meanwhile.

    Returns:
        The run: policy, grade, metrics and trace.

    Raises:
        ClewError: if the maze, a setting or the cluster is invalid.

    >>> import clew
    >>> config = clew.TrainingConfig(maze="4x6", algorithm="sarsa", num_episodes=500, seed=7)
    >>> run = clew.runs.train_run(config)
    >>> run.evaluation.mean_steps
    8.0
    """
    check_type("config", config, TrainingConfig, "a TrainingConfig")
    check_reporting(callback, watch, trace, checkpoints)
    check_number("chaos", chaos, SHARE)
    check_simulations(config)
    if chaos > 0.0 and config.num_actors == 0:
        raise SettingError(
            "needs Ray actors, which play two simulations or more",
            setting="chaos",
            take={"num_actors": 2},
        )
    checkpoints = Checkpoints(None) if checkpoints is None else checkpoints
    env = config.make_environment(maze)
    trace = Trace() if trace is None else trace
    metrics: list[RoundMetrics] = []

    def note(row: RoundMetrics) -> None:
        metrics.append(row)
        if callback is not None:
            callback(row)

    world = as_compiled(env)
    # Without a discount there may be no optimum; that is an error before the training, not after it.
    optimum = find_optimum(world.mdp, 1.0) if world is not None and config.gamma == 1.0 else None
    if checkpoints.folder is None or not checkpoints.folders:  # a run that goes on has been examined
        log_findings(env, config.num_episodes, config.learning)
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
    evaluation = grade(config, env, policy, optimum=optimum)
    return Run(config, env, policy, evaluation, metrics, seconds, wall - seconds, trace)


def forecast_run(config: TrainingConfig) -> "Forecast":
    """Forecast the time of a training on actors, and in this process, see `clew.distributed.forecast`.

    Raises:
        ClewError: if the maze, a setting or the cluster is invalid, or the training would not use actors.
    """
    from clew.distributed.forecast import forecast  # imports Ray

    check_type("config", config, TrainingConfig, "a TrainingConfig")
    check_simulations(config)
    env = config.make_environment()
    return forecast(env, config.num_episodes, config.learning, config.sharing_settings, seed=config.seed)


def check_simulations(config: TrainingConfig) -> None:
    """Check that there are simulations for all actors, and that no setting is left without effect.

    Raises:
        SettingError: if there are fewer simulations than actors, or a single one has settings for several.
    """
    n = config.num_simulations
    if config.num_actors > (n if n > 1 else 0):
        raise SettingError(
            f"must be at least {max(2, config.num_actors)}, not {n}, to be divided among {config.num_actors} actors; "
            "their number is part of what decides the result",
            setting="num_simulations",
        )
    if n == 1:
        for name in ("sharing", "sync_every", "rounds_ahead", "partition_starts", "asynchronous"):
            if getattr(config, name) != getattr(Sharing, name):
                raise SettingError("is for two simulations or more", setting=name, take={"num_simulations": 4})


@contextmanager
def save_checkpoints(
    folder: str | Path,
    config: TrainingConfig,
    maze: Maze | FiniteMDP | None,
    every: int | str,
    resume: bool = False,
    other_versions: bool = False,
) -> Iterator[Checkpoints]:
    """Save checkpoints to RUN.partial while a run is trained, and saved to RUN, in the `with` block.

    Meanwhile no other process can train the run. RUN.partial is removed when the run is saved, or if there is no
    checkpoint yet. A run that a callback has stopped may be saved with the episodes that it has. If it isn't, the
    checkpoints stay, and `clew train --resume RUN` goes on with it.

    Args:
        folder: where the run will be saved, RUN.
        config: its settings.
        maze: the maze or model of the run; None if the world is neither.
        every: episodes or seconds between two checkpoints, see `clew.learning.checkpoints.Checkpoints`.
        resume: go on with a run that was stopped.
        other_versions: go on even if it was begun with another version of Clew, NumPy or Numba.

    Yields:
        The checkpoints, for `train_run`.

    Raises:
        RunError: if RUN exists, can't be written, is being trained by another process, or was not begun and is to be
            resumed.
        StoppedError: if training was stopped; the message says how to go on.

    >>> import clew
    >>> config = clew.TrainingConfig(maze="4x6", num_episodes=500)
    >>> with clew.runs.save_checkpoints("first", config, config.make_maze(), every=100) as checkpoints:
    ...     run = clew.runs.train_run(config, checkpoints=checkpoints)
    ...     run.save("first")
    >>> clew.runs.open_run("first")[0].num_episodes
    500
    """
    check_type("config", config, TrainingConfig, "a TrainingConfig")
    check_type("maze", maze, Maze | FiniteMDP | None, "a Maze, a FiniteMDP or None")
    check_flag("resume", resume)
    folder = as_path("folder", folder)
    checkpoints = Checkpoints(partial_folder(folder), every, other_versions=other_versions)
    if not resume:
        create_partial_folder(folder, config.to_dict(), maze)
    elif not partial_folder(folder).is_dir():
        raise RunError(f"{partial_folder(folder)}: no run was begun there, so there is none to resume")
    assert checkpoints.lock is not None  # there is a folder
    with checkpoints.lock.kept():
        try:
            yield checkpoints
        except (StoppedError, KeyboardInterrupt):
            if checkpoints.folders or resume:
                raise StoppedError(f"stopped; go on with `clew train --resume {folder}`") from None
            raise StoppedError("stopped; nothing had been learned yet, so nothing was saved") from None
        else:
            if folder.exists():  # the run is saved
                rmtree(partial_folder(folder), ignore_errors=True)
        finally:
            if not resume and not checkpoints.folders:
                rmtree(partial_folder(folder), ignore_errors=True)


def open_partial_run(folder: str | Path) -> tuple[TrainingConfig, Maze | FiniteMDP | None]:
    """Return the configuration and the maze or model of a run that was stopped before its end.

    Args:
        folder: where the run will be saved, RUN; RUN.partial is read.

    Raises:
        RunError: if there is no such run, or a file is damaged.

    >>> import clew
    >>> config = clew.TrainingConfig(maze="4x6", num_episodes=500)
    >>> with clew.runs.save_checkpoints("first", config, config.make_maze(), every=100):
    ...     clew.runs.open_partial_run("first")[0].num_episodes
    500
    """
    settings, maze = load_partial_folder(as_path("folder", folder))
    return _read_config(partial_folder(folder), settings, maze), maze


def grade(
    config: TrainingConfig,
    env: Any,
    policy: Policy,
    num_episodes: int | None = None,
    optimum: Solution | None = None,
) -> Evaluation:
    """Grade the policy of a run by greedy episodes.

    Args:
        config: gives the discount and the seed.
        env: the environment.
        policy: the policy.
        num_episodes: number of episodes, from start states that are drawn. None plays one episode from each start state
            if there are 2 to 1,000 of them and the dynamics are deterministic; 10 from a single start state if they are
            deterministic; and else 1,000.
        optimum: the optimal solution to compare with; None computes it.

    >>> import clew
    >>> config = clew.TrainingConfig(maze="4x6", num_episodes=500)
    >>> run = clew.runs.train_run(config)
    >>> clew.runs.grade(config, run.env, run.policy, num_episodes=20).num_episodes
    20
    """
    check_type("config", config, TrainingConfig, "a TrainingConfig")
    world = as_compiled(env)
    if world is None:
        return evaluate_policy(
            env, policy, 1000 if num_episodes is None else num_episodes, gamma=config.gamma, seed=config.seed
        )
    starts, is_deterministic = world.mdp.starts, world.mdp.is_deterministic
    if num_episodes is None and 1 < starts.size <= 1000 and is_deterministic:
        return evaluate_policy(env, policy, gamma=config.gamma, seed=config.seed, starts=starts, optimum=optimum)
    if num_episodes is None:
        num_episodes = 10 if starts.size == 1 and is_deterministic else 1000
    return evaluate_policy(env, policy, num_episodes, gamma=config.gamma, seed=config.seed, optimum=optimum)


def open_run(folder: str | Path) -> tuple[TrainingConfig, Any, Policy]:
    """Return the configuration, the environment and the policy of a saved run.

    Raises:
        RunError: if a file is missing, damaged or of another kind; the message names it.

    >>> import clew
    >>> clew.runs.train_run(clew.TrainingConfig(maze="4x6", num_episodes=500)).save("first")
    >>> config, env, policy = clew.runs.open_run("first")
    >>> config.maze, policy.q.shape
    ('4x6', (24, 4))
    """
    saved = load_run(as_path("folder", folder))
    config = _read_config(Path(folder), saved.config, saved.maze)
    try:
        env = config.make_environment(saved.maze)
        return config, env, Policy(env, seed=config.seed, q=saved.q)
    except SettingError as error:
        raise RunError(f"{folder}: damaged: its settings, maze and table don't belong together: {error}") from None


def _read_config(folder: Path, settings: dict[str, Any], maze: Maze | FiniteMDP | None) -> TrainingConfig:
    """Return the configuration in a run folder; raise RunError if it is damaged, or something is missing."""
    config = read_config(folder, settings)
    module, colon, _ = config.maze.removeprefix("gym:").partition(":")
    if config.maze.startswith("gym:") and colon and module not in (*sys.modules, os.environ.get(TRUSTED)):
        raise RunError(
            f"{folder}: its world {config.maze!r} would import the module {module}, and loading a run doesn't "
            f"import modules by itself; if you trust it, set {TRUSTED}={module}, or in Python import {module} first"
        )
    for is_needed, name, kind in ((config.is_maze, "maze.txt", Maze), (config.is_model, "model.npz", FiniteMDP)):
        if is_needed and not isinstance(maze, kind):
            raise RunError(f"{folder / name}: can't be read: No such file or directory")
    return config
