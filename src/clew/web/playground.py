"""One visitor's playground: a maze that can be edited while a learner learns in it. Independent of the browser.

One thread runs every change, learning included, in the order of the requests, so nothing needs a lock. Readers, such
as the code that packs frames, see the state of the moment.
"""

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np

from clew.errors import ClewError, PrecisionError, SettingError
from clew.evaluation.grades import evaluate_values
from clew.evaluation.results import Grade
from clew.kernels.sampling import new_stream
from clew.learning.algorithms import ALGORITHMS
from clew.learning.trainer import Trainer
from clew.mazes import Maze
from clew.mazes.formats import Place
from clew.policies.episodes import Simulation
from clew.rendering.colours import ValueScale
from clew.rendering.grades import drop_rounding
from clew.runs.configuration import TrainingConfig
from clew.web.curve import Curve
from clew.web.notices import collected_warnings, examine_later
from clew.web.worlds import WORLD_DEFAULTS, LastStep, PlaygroundWorld, check_drawable, find_world

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

MAX_UNDO = 100  # mazes
SINGLE_SIMULATION: dict[str, Any] = {  # the playground has one learner, whatever the configuration shares
    "num_simulations": 1,
    "num_actors": 0,
    "sync_every": None,
    "rounds_ahead": 0,
    "partition_starts": False,
    "asynchronous": False,
    "sharing": "central",
}
MIN_REPLAY_SPEED = 6.0  # steps per second; faster if the replay would take longer than
MAX_REPLAY_SECONDS = 10.0
MAX_SECONDS = 3600.0  # of learning until it pauses, in case the visitor has left
BATCH_SECONDS = 0.04  # learning at maximum speed, between two checks for requests
GRADING_SHARE = 0.02  # maximum share of the time that grading takes
SPEEDS: dict[str, float | None] = {"1/s": 1.0, "30/s": 30.0, "1,000/s": 1000.0, "maximum": None}  # steps per second
MAX_EXPLAINED = 30.0  # steps per second
FIRST_SPEED = "1,000/s"  # slow enough to see values spread from the goal


@dataclass(frozen=True)
class MazeVersion:
    """A version of the edited maze, and the number of episodes that had been learned before it."""

    maze: Maze
    episodes_before: int


class Playground:
    """The world and the learner of one visitor, with a thread that learns.

    Call methods that change something through `submit`, which runs them in that thread.

    Args:
        config: settings of the world and the learner; always learned by one simulation, without actors.
        maze: the maze, if it has been read already; None reads `config.maze`.

    Attributes:
        config: current settings.
        world: current maze, its learner and its optimum.
        maze_versions: the mazes in which episodes were learned since the last reset, in order; the last is the current.
        curve: steps and return of the training episodes.
        num_steps: number of steps learned from.
        grade: the greedy policy compared with the optimum, as last computed.
        running: True while it learns without being asked for each step.
        speed: steps per second while running; None is as fast as possible.
        version: changes whenever the drawing changes.
        scale: scale of the numbers that were drawn last; None if nothing was learned yet.
        precision: warnings about the precision of rewards in the current world.
        findings: warnings about the current world and settings, in the words of `clew doctor`; they come a little
            later than these, in a thread of their own.
        error: message of the error that stopped learning; empty if there was none.
        last_step: the last step, if it can be followed: after a step, at up to 30 steps per second; else None.

    Raises:
        ClewError: if the maze can't be read, or the page can't show the world.
    """

    def __init__(self, config: TrainingConfig, maze: Maze | None = None) -> None:
        self.speed = SPEEDS[FIRST_SPEED]
        self.running = False
        self.version = 0
        self.error = ""
        self.last_step: LastStep | None = None
        self.findings: list[str] = []
        self._world_numbers = itertools.count(1)
        self.scale: ValueScale | None = None
        self._started_at = 0.0
        self._replay_cells: list[int] = []  # empty unless an episode is replayed
        self._replay_began = 0.0
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._undo_stack: list[Maze] = []
        self._open(replace(config, **SINGLE_SIMULATION), maze)
        self._thread = threading.Thread(target=self._work, name="clew-playground", daemon=True)
        self._thread.start()

    # Requests ---------------------------------------------------------------------------------------------------------

    def submit(self, task: Callable[[], Result]) -> "Future[Result]":
        """Have a function called by the learning thread; return a future of its result or its exception."""
        future: Future[Result] = Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(task())
                except Exception as error:  # of any kind: the caller of submit handles it
                    future.set_exception(error)

        self._tasks.put(run)
        return future

    def close(self) -> None:
        """Ask the thread to end, which it does after the current batch of learning."""
        self._tasks.put(None)

    def start(self) -> None:
        """Start learning, or continue."""
        self.running, self.error, self._started_at = True, "", time.perf_counter()
        self._replay_cells = []
        self.version += 1

    def pause(self) -> None:
        """Pause learning, and grade the policy."""
        self.running = False
        self._grade()

    def step(self) -> None:
        """Take one step, learn from it, and grade the policy."""
        self._replay_cells = []
        self._learn_step(is_followed=True)
        self._grade()

    def episode(self) -> None:
        """Learn from one episode, or from the rest of the current one, and grade the policy."""
        self._learn_episodes(1)
        self._grade()

    def replay(self) -> None:
        """Play one episode of the greedy policy and show it step by step, without learning."""
        policy, stream = self.trainer.policy, new_stream(self.config.seed, 1)
        episode = Simulation(self.world.env).rollouts(policy, 1, exploration=0.0, stream=stream)
        self._replay_cells = [int(episode.state[0]), *episode.next_state.tolist()]
        self._replay_began = time.perf_counter()
        self.version += 1

    def finish_episode(self) -> None:
        """Learn from the rest of the current episode, if there is one."""
        if self.trainer.is_under_way:
            self.episode()

    def reset(self) -> None:
        """Discard what was learned; keep the maze."""
        self._restart(self.config, self.maze)

    def configure(self, **settings: Any) -> None:
        """Change settings of `TrainingConfig` and restart learning; the maze stays unless `maze` is among them.

        A world that is opened by its name has its own rules and discount; those of the world before it are reset. An
        algorithm that is chosen has its parameters at their defaults.

        Raises:
            ClewError: if a setting is invalid; nothing has changed then.
        """
        if "algorithm" in settings:
            settings = {"algorithm_settings": {}} | settings
        if "maze" in settings:
            self._open(replace(self.config, **{**WORLD_DEFAULTS, **settings}), None)
        else:
            self._restart(replace(self.config, **settings), self.maze)

    def open(self, maze: Maze) -> None:
        """Restart learning in another maze.

        Raises:
            ClewError: if the maze is too large, or doesn't fit the settings; nothing has changed then.
        """
        self._open(self.config, maze)

    def paint(self, places: list[Place], kind: str, reward: float | None = None) -> None:
        """Change cells of the maze, as `Maze.painted` does; the learned values stay.

        Raises:
            MazeError: if the maze would be invalid; nothing has changed then.
        """
        before = self.maze
        self._change_maze(before.painted(places, kind, reward))
        self._undo_stack = [*self._undo_stack[-MAX_UNDO + 1 :], before]

    def undo(self) -> None:
        """Restore the maze before the last edit, if there is one."""
        if self._undo_stack:
            self._change_maze(self._undo_stack[-1])
            self._undo_stack.pop()

    # State ------------------------------------------------------------------------------------------------------------

    @property
    def trainer(self) -> Trainer:
        """The learner."""
        return self.world.trainer

    @property
    def maze(self) -> Maze:
        """The current maze."""
        return self.world.env.maze

    @property
    def notice(self) -> str:
        """All warnings about the current world and settings, a paragraph each; empty if there is none."""
        return "\n\n".join([*self.precision, *self.findings])

    @property
    def seeker(self) -> int | None:
        """Cell of the agent in a replay, or in the current episode unless learned at maximum speed; else None."""
        if cells := self._replay_cells:
            speed = max(MIN_REPLAY_SPEED, len(cells) / MAX_REPLAY_SECONDS)
            return cells[min(len(cells) - 1, int((time.perf_counter() - self._replay_began) * speed))]
        episode = self.trainer.episode
        return episode[-1].next_state if episode and (self.speed or not self.running) else None

    @property
    def is_animated(self) -> bool:
        """True if the drawing changes while `version` stays the same: during a replay, and at maximum speed."""
        is_replaying = self._replay_cells and time.perf_counter() - self._replay_began < MAX_REPLAY_SECONDS + 1.0
        return bool(is_replaying or (self.running and self.speed is None))

    # Changes of the world ---------------------------------------------------------------------------------------------

    def _open(self, config: TrainingConfig, maze: Maze | None) -> None:
        """Restart with a maze, which None reads from `config.maze`, and clear the undo stack."""
        if maze is None:
            config, maze = find_world(config)
        self._restart(config, maze)
        self._undo_stack = []

    def _restart(self, config: TrainingConfig, maze: Maze) -> None:
        """Restart learning with these settings. Everything that may raise comes before the first change."""
        check_drawable(maze.rows, maze.columns)
        if config.random_goal:
            raise SettingError("the page draws values for one goal only; set random_goal to False")
        env = config.make_environment(maze)
        if env.mdp.num_states != maze.cells.size:
            raise SettingError(f"the page draws one state per cell; with moves={config.moves!r} a cell has several")
        with collected_warnings() as messages:
            trainer = Trainer(
                env,
                num_episodes=config.num_episodes,
                seed=config.seed,
                counted=not ALGORITHMS[config.algorithm].learns_model,
                **asdict(config.learning),
            )
            self.world = PlaygroundWorld.create(next(self._world_numbers), env, trainer, config.gamma)
        self.precision = messages
        self.config, self.maze_versions = config, [MazeVersion(maze, 0)]
        self.curve, self.num_steps = Curve(), 0
        self._batch_size, self._graded_at, self._grading_seconds = 1, 0.0, 0.0
        self._replay_cells, self.last_step = [], None
        self._grade()
        self._examine()

    def _change_maze(self, maze: Maze) -> None:
        """Continue learning in another version of the maze, after the current episode has ended in the old one."""
        env = self.config.make_environment(maze)
        with collected_warnings() as messages:
            world = PlaygroundWorld.create(next(self._world_numbers), env, self.trainer, self.config.gamma)
        self.precision = messages
        self.finish_episode()
        self.trainer.change_world(env)
        self.world = world
        if self.maze_versions[-1].episodes_before == self.trainer.num_ended:
            self.maze_versions.pop()
        self.maze_versions.append(MazeVersion(maze, self.trainer.num_ended))
        self._grade()
        self._examine()

    def _examine(self) -> None:
        """Have the world and the settings examined; until that is done, the findings of those before stay."""
        world = self.world

        def note(found: list[str]) -> None:
            if self.world is world and self.findings != found:
                self.findings = found
                self.version += 1

        examine_later(
            world.env, self.config, lambda: self.world is world, lambda found: self.submit(lambda: note(found))
        )

    # Learning ---------------------------------------------------------------------------------------------------------

    def _learn_episodes(self, num_episodes: int) -> None:
        """Learn from episodes, the first of which may be under way; add them to the curve and the number of steps."""
        num_counted = len(self.trainer.episode) if self.trainer.is_under_way else 0  # steps, by `_learn_step`
        self.last_step = None
        stats = self.trainer.learn(num_episodes)
        self.curve.add(stats.steps, stats.episode_return)
        self.num_steps += int(stats.steps.sum()) - num_counted
        self.version += 1

    def _learn_step(self, *, is_followed: bool) -> None:
        """Take one step, learn from it, and record the episode if it has ended."""
        trainer = self.trainer
        transition, choice = trainer.step(), trainer.choice
        assert choice is not None
        step = LastStep(self.world, self.config, transition, choice, trainer.explanation)
        self.last_step = step if is_followed else None
        self.num_steps += 1
        self.version += 1
        if transition.terminated or transition.truncated:
            episode = self.trainer.episode
            self.curve.add(np.array([len(episode)]), np.array([sum(each.reward for each in episode)]))

    def _grade(self) -> None:
        """Compare the greedy policy with the optimum, and note how long that took."""
        world, began = self.world, time.perf_counter()
        self.grade: Grade | None = None
        policy = world.trainer.policy
        with suppress(PrecisionError):  # figures without a grade say "-"
            self.grade = evaluate_values(world.env, policy, gamma=self.config.gamma, optimum=world.optimum)
        self._graded_at = time.perf_counter()
        self._grading_seconds = self._graded_at - began
        self.version += 1

    def _work(self) -> None:
        """Run the thread's loop: handle requests, and learn between them while `running`."""
        next_step = 0.0
        while True:
            wait = 0.0 if self.speed is None else max(0.0, next_step - time.perf_counter())
            try:
                task = self._tasks.get(timeout=wait if self.running else None)
            except queue.Empty:
                next_step = time.perf_counter() + (0.0 if self.speed is None else 1.0 / self.speed)
                self._learn()
            else:
                if task is None:
                    return
                task()

    def _learn(self) -> None:
        """Learn one step, or a batch of episodes at maximum speed; then grade the policy if a grading is due."""
        try:
            if time.perf_counter() - self._started_at > MAX_SECONDS:
                raise SettingError("Paused after an hour. Press Start to continue.")
            if self.speed is not None:
                self._learn_step(is_followed=self.speed <= MAX_EXPLAINED)
            else:
                began = time.perf_counter()
                self._learn_episodes(self._batch_size)
                seconds = time.perf_counter() - began
                self._batch_size = max(1, int(self._batch_size * min(2.0, BATCH_SECONDS / max(seconds, 1e-6))))
            if time.perf_counter() - self._graded_at > max(0.2, self._grading_seconds / GRADING_SHARE):
                self._grade()
        except (ClewError, MemoryError) as error:
            self.running, self.error = False, str(error) or "There is not enough memory for that."
            self.version += 1
        except Exception:  # a bug: log it, and keep the visitor's world usable
            logger.exception("learning on the page failed")
            self.running, self.error = False, "Learning failed; the server has logged why. Press Reset to start again."
            self.version += 1


def describe_grade(grade: Grade | None) -> dict[str, str]:
    """Return the figures of a grade as text; "-" if there is none."""
    if grade is None:
        return dict.fromkeys(("optimal starts", "optimal states", "suboptimality"), "-")
    suboptimality = drop_rounding(grade.suboptimality, grade.suboptimality_bound)
    return {
        "optimal starts": f"{grade.optimal_starts:.0%}",
        "optimal states": "-" if grade.optimal_states is None else f"{grade.optimal_states:.1%}",
        "suboptimality": f"{suboptimality:.3g}",
    }
