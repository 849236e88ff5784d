"""What a visitor does: a world that is learned, watched, painted and stepped. Knows nothing of browsers.

One thread does all that changes anything, learning included, in the order in which it was asked to; so nothing needs a
lock. Who draws reads what is there at the moment.
"""

import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from clew.environments import Environment
from clew.environments.gallery import GALLERY, make_world
from clew.errors import ClewError, SettingError
from clew.evaluation.exact import policy_values
from clew.evaluation.grades import evaluate_values
from clew.kernels.sampling import new_stream
from clew.learning.algorithms import ALGORITHMS
from clew.learning.trainer import Trainer
from clew.mazes import Maze
from clew.mazes.formats import Place
from clew.planning import Solution, solve
from clew.policies.episodes import Simulation
from clew.rendering.colours import ValueScale
from clew.rendering.paths import follow
from clew.runs.configuration import MAZE_SETTINGS, TrainingConfig
from clew.web.curve import Curve

__all__ = ["FIRST_SPEED", "MAX_SIDE", "SPEEDS", "Chapter", "Playground", "World", "greedy_path"]

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_SIDE = 512  # cells; more can't be drawn smoothly
MAX_UNDO = 100  # mazes
ONE_STREAM: dict[str, Any] = {
    "num_simulations": 1,
    "num_actors": 0,
    "sync_every": None,
    "rounds_ahead": 0,
    "partition_starts": False,
    "asynchronous": False,
    "sharing": "central",
}
PACE = 6.0  # steps per second of an episode that is walked again, at least
MAX_WALK = 10.0  # seconds that it takes at most
MAX_SECONDS = 3600.0  # that a visitor's world learns without being touched
AT_A_TIME = 0.04  # seconds that are learned before anything else is looked at
GRADED = 0.02  # share of the time that may be spent on grading
MAX_EVALUATED = 20_000  # cells; of more it takes too long to say what an optimal episode earns
SPEEDS: dict[str, float | None] = {"1/s": 1.0, "30/s": 30.0, "1,000/s": 1000.0, "flat out": None}
FIRST_SPEED = "1,000/s"  # at which values can be seen to spread from the goal


@dataclass(frozen=True)
class Chapter:
    """A maze, and the number of episodes that had been learned when it came."""

    maze: Maze
    since: int


class World(NamedTuple):
    """A maze, who learns in it, and what follows from it: replaced in one piece, for others look at it meanwhile."""

    number: int  # changes with the maze
    env: Environment
    trainer: Trainer
    optimum: Solution
    optimal_path: list[int]  # the cells on an optimal way from the start, where no move goes astray
    optimal_return: float  # undiscounted, of an optimal episode; infinite where it isn't known

    @classmethod
    def of(cls, number: int, env: Environment, trainer: Trainer, optimum: Solution) -> "World":
        """A world, with what follows from it."""
        everywhere = np.ones(env.maze.cells.size, np.bool_)
        best = math.inf
        if env.maze.cells.size <= MAX_EVALUATED:
            best = policy_values(env, optimum.q, gamma=1.0).value
        return cls(number, env, trainer, optimum, greedy_path(env, optimum.q, everywhere), best)


class Playground:
    """A world of one visitor, and the learner in it.

    Args:
        config: the world and the settings of the learner; of simulations and actors there is one, here.
        maze: what it is about, if it was read before.

    Attributes:
        config: the settings as they are now.
        world: the maze as it is now, and who learns in it.
        chapters: the mazes that were learned since the beginning, in order.
        curve: what the episodes came to.
        num_steps: that were learned from.
        gap: value of the optimum less that of the greedy policy, mean over the starts, as last graded; None before.
        running: learns by itself.
        speed: steps per second; None as fast as it goes.
        version: changes with everything that is to be drawn.
        scale: of the numbers that were drawn last.
        error: what went wrong while it learned by itself, in words.
    """

    def __init__(self, config: TrainingConfig, maze: Maze | None = None) -> None:
        self.speed = SPEEDS[FIRST_SPEED]
        self.running = False
        self.version = 0
        self.error = ""
        self._num_worlds = 0
        self.scale = ValueScale(0.0, 0.0, False)
        self._since = 0.0  # when it began to run
        self._walk: list[int] = []  # cells of an episode that is walked again
        self._walk_began = 0.0
        self._asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._undo: list[Maze] = []
        self._open(replace(config, **ONE_STREAM), maze)
        self._thread = threading.Thread(target=self._work, name="clew-playground", daemon=True)
        self._thread.start()

    # What a visitor asks for ------------------------------------------------------------------------------------------

    def ask(self, what: Callable[[], Result]) -> "Future[Result]":
        """Have something done by the thread that learns, between two stretches; what it gives, or raises."""
        future: Future[Result] = Future()

        def do() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(what())
                except Exception as error:  # whatever it is, it is for who asked
                    future.set_exception(error)

        self._asked.put(do)
        return future

    def close(self) -> None:
        """End the thread, within the time that a stretch of learning takes."""
        self._asked.put(None)

    def start(self) -> None:
        """Go on learning."""
        self.running, self.error, self._since = True, "", time.perf_counter()
        self._walk = []
        self.version += 1

    def pause(self) -> None:
        """Stop learning; it can go on."""
        self.running = False
        self._grade()

    def step(self) -> None:
        """Take one step, and learn from it."""
        self._walk = []
        self._note_step()

    def episode(self) -> None:
        """Learn from one episode, or the rest of the one that is under way."""
        self._note(self.trainer.learn(1))

    def replay(self) -> None:
        """Walk an episode of the greedy policy, for who looks; nothing is learned."""
        q = self.trainer.policy.q
        played = Simulation(self.world.env).rollouts(q, 1, exploration=0.0, stream=new_stream(self.config.seed, 1))
        self._walk = [int(played.state[0]), *played.next_state.tolist()]
        self._walk_began = time.perf_counter()
        self.version += 1

    def finish_episode(self) -> None:
        """Learn from the rest of the episode that is under way, if there is one."""
        if self.trainer.is_under_way:
            self.episode()

    def reset(self) -> None:
        """Forget what was learned; the maze stays."""
        self._begin(self.config, self.maze)

    def configure(self, **settings: Any) -> None:
        """Change settings, and begin anew; the maze stays unless another is named.

        Raises:
            ClewError: if they can't be right; nothing has changed then.
        """
        config = replace(self.config, **settings)
        if "maze" in settings:
            self._open(config, None)
        else:
            self._begin(config, self.maze)

    def open(self, maze: Maze) -> None:
        """Begin anew in another maze.

        Raises:
            ClewError: if it is too large, or doesn't fit the settings; nothing has changed then.
        """
        self._open(self.config, maze)

    def paint(self, places: list[Place], kind: str) -> None:
        """Change cells of the maze; what was learned stays.

        Raises:
            MazeError: if the maze can't be right then; nothing has changed.
        """
        before = self.maze
        self._change(before.painted(places, kind))
        self._undo = [*self._undo[-MAX_UNDO + 1 :], before]

    def undo(self) -> None:
        """Take back what was painted last."""
        if self._undo:
            self._change(self._undo[-1])
            self._undo.pop()

    # What there is to see ---------------------------------------------------------------------------------------------

    @property
    def trainer(self) -> Trainer:
        """Who learns."""
        return self.world.trainer

    @property
    def maze(self) -> Maze:
        """The maze as it is now."""
        return self.world.env.maze

    @property
    def seeker(self) -> int | None:
        """The cell in which the seeker stands, if it goes step by step, or an episode is walked again."""
        if walk := self._walk:
            pace = max(PACE, len(walk) / MAX_WALK)
            return walk[min(len(walk) - 1, int((time.perf_counter() - self._walk_began) * pace))]
        episode = self.trainer.episode
        return episode[-1].next_state if episode and (self.speed or not self.running) else None

    @property
    def is_walking(self) -> bool:
        """Tell if an episode is being walked again."""
        return bool(self._walk) and time.perf_counter() - self._walk_began < MAX_WALK + 1.0

    @property
    def is_moving(self) -> bool:
        """Tell if there is something new to draw at any time, also where the version hasn't changed yet."""
        return self.is_walking or (self.running and self.speed is None)

    # Doing it ---------------------------------------------------------------------------------------------------------

    def _open(self, config: TrainingConfig, maze: Maze | None) -> None:
        if maze is None:
            config, maze = named(config)
        self._begin(config, maze)
        self._undo = []

    def _begin(self, config: TrainingConfig, maze: Maze) -> None:
        """Begin anew. Whatever may go wrong goes wrong before anything has changed."""
        if max(maze.cells.shape) > MAX_SIDE:
            raise SettingError(
                f"the page draws mazes of up to {MAX_SIDE} x {MAX_SIDE} cells, not {maze.rows} x {maze.columns}"
            )
        if config.random_goal:
            raise SettingError("random goals have a picture for each goal; the page draws one goal")
        env = config.make_environment(maze)
        if env.mdp.num_states != maze.cells.size:
            raise SettingError(f"with the moves {config.moves!r} a cell has several states; the page draws one")
        counted = not ALGORITHMS[config.algorithm].learns_model
        trainer = Trainer(
            env, num_episodes=config.num_episodes, seed=config.seed, counted=counted, **asdict(config.learning)
        )
        optimum = solve(env, gamma=config.gamma)
        self.world, self.config = self._next_world(env, trainer, optimum), config
        self.chapters = [Chapter(maze, 0)]
        self.curve, self.num_steps = Curve(), 0
        self._pace, self._graded_at, self._grading = 1, 0.0, 0.0
        self._walk = []
        self._now = 0  # steps of the episode that is under way
        self._grade()

    def _change(self, maze: Maze) -> None:
        """Go on in another maze."""
        env = self.config.make_environment(maze)
        world = self._next_world(env, self.trainer, solve(env, gamma=self.config.gamma))
        self.finish_episode()
        self.trainer.change_world(env)
        self.world = world
        if self.chapters[-1].since == self.trainer.num_ended:
            self.chapters.pop()
        self.chapters.append(Chapter(maze, self.trainer.num_ended))
        self._grade()

    def _next_world(self, env: Environment, trainer: Trainer, optimum: Solution) -> World:
        self._num_worlds += 1
        return World.of(self._num_worlds, env, trainer, optimum)

    def _note(self, stats: Any) -> None:
        """Take down whole episodes."""
        self.curve.add(stats.steps, stats.episode_return)
        self.num_steps += int(stats.steps.sum()) - self._now
        self._now = 0
        self.version += 1

    def _note_step(self) -> None:
        taken = self.trainer.step()
        self.num_steps += 1
        self._now += 1
        self.version += 1
        if taken.terminated or taken.truncated:
            episode = self.trainer.episode
            self.curve.add(np.array([len(episode)]), np.array([sum(each.reward for each in episode)]))
            self._now = 0

    def _grade(self) -> None:
        """Compare with the optimum."""
        world, begun = self.world, time.perf_counter()
        self.grade = evaluate_values(world.env, world.trainer.policy.q, gamma=self.config.gamma, optimum=world.optimum)
        self._graded_at = time.perf_counter()
        self._grading = self._graded_at - begun
        self.version += 1

    # Learning by itself -----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Do what is asked for; learn, as long as it runs and nobody asks."""
        next_step = 0.0
        while True:
            try:
                asked = self._asked.get(timeout=self._patience(next_step))
            except queue.Empty:
                next_step = time.perf_counter() + (0.0 if self.speed is None else 1.0 / self.speed)
                self._learn()
            else:
                if asked is None:
                    return
                asked()

    def _patience(self, next_step: float) -> float | None:
        """Seconds to wait for somebody to ask; None for ever."""
        if not self.running:
            return None
        return 0.0 if self.speed is None else max(0.0, next_step - time.perf_counter())

    def _learn(self) -> None:
        """Learn for a short while, then grade if it has been long enough."""
        try:
            if time.perf_counter() - self._since > MAX_SECONDS:
                raise SettingError("paused after an hour; press Start to go on")
            if self.speed is not None:
                self._note_step()
            else:
                begun = time.perf_counter()
                self._note(self.trainer.learn(self._pace))
                seconds = time.perf_counter() - begun
                self._pace = max(1, int(self._pace * min(2.0, AT_A_TIME / max(seconds, 1e-6))))
            if time.perf_counter() - self._graded_at > max(0.2, self._grading / GRADED):
                self._grade()
        except (ClewError, MemoryError) as error:
            self.running, self.error = False, str(error) or "There is not enough memory for that."
            self.version += 1
        except Exception:  # ours to mend; the visitor's world stays usable
            logger.exception("learning on the page failed")
            self.running, self.error = False, "Something went wrong here, and was logged; Reset begins anew."
            self.version += 1


def named(config: TrainingConfig) -> tuple[TrainingConfig, Maze]:
    """The maze that is named; one of the gallery brings settings along.

    Raises:
        ClewError: if there is none, or it is a world but no maze.
    """
    if config.maze not in GALLERY:
        return config, config.make_maze()
    world = make_world(config.maze)
    if not isinstance(world, Environment):
        raise SettingError(f"{config.maze!r} has rules of its own; the playground paints mazes")
    assert world.spec is not None  # every Environment has one
    brought = {name: value for name, value in world.spec.kwargs.items() if name in MAZE_SETTINGS}
    return replace(config, maze=f"{world.maze.rows}x{world.maze.columns}", **brought), world.maze


def greedy_path(env: Environment, q: npt.NDArray[np.floating], known: npt.NDArray[np.bool_]) -> list[int]:
    """The cells on the greedy way from the start, as if no move went astray; as far as values are known."""
    if env.maze.start is None:
        return []
    places = follow(env.maze, env.moves, lambda s: int(q[s].argmax()) if known[s] else None)
    return [row * env.maze.columns + column for row, column in places]
