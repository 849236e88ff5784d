"""Pictures and films of a run: what `clew render` writes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.environments import Environment
from clew.errors import RunError, SettingError
from clew.figures.drawing import SHOWN, picture_of
from clew.files import write_file
from clew.kernels.sampling import new_stream
from clew.learning.training import Callback, RoundMetrics
from clew.mazes.formats import Place
from clew.planning import Solution, solve
from clew.policies.episodes import Simulation, Trajectory
from clew.policies.policy import Policy
from clew.rendering.film import film_gif
from clew.rendering.output import ENDINGS, Drawing
from clew.rendering.paths import places_of
from clew.rendering.picture import Picture
from clew.runs.configuration import TrainingConfig
from clew.runs.run import open_run, train_run
from clew.runs.storage import table_sha256
from clew.settings import check_choice, check_memory

__all__ = ["render_run"]

GIF = ".gif"
MAX_TABLES = 60  # frames of a film of learning
MAX_STEPS = 200  # frames of a film of an episode
SECONDS = 0.12  # a frame
NUM_EPISODES = 100  # whose visits are counted
LONGEST_EPISODE = 100_000  # steps that are written down


def render_run(
    folder: str | Path,
    out: str | Path,
    *,
    show: str = "values",
    episode: bool = False,
    callback: Callback | None = None,
) -> None:
    """Draw a run into a file, by its ending.

    As `.svg`, `.png` or `.txt`: the policy in the end, with its way beside that of an optimal one. As `.gif`: how it
    was learned, in at most 60 frames on one scale of colours. For that it is learned again, to the same bits.

    Args:
        folder: of the run.
        out: the file.
        show: "values", or "visits": in 100 greedy episodes, or in that of a film.
        episode: make the film of one greedy episode, in at most 200 frames.
        callback: is called after each round, if it is learned again.

    Raises:
        RunError: if there is no such run, it isn't one in a maze with a goal that stays, it comes to another table when
            it is learned again, or the file can't be written.
        SettingError: if the file has another ending, or a setting has no effect on it.
    """
    out = Path(out)
    check_choice("show", show, SHOWN)
    if out.suffix.lower() not in (*ENDINGS, GIF):
        raise SettingError(f"a run is drawn as {', '.join((*ENDINGS, GIF))}, not as {out.name!r}")
    is_film = out.suffix.lower() == GIF
    if episode and not is_film:
        raise SettingError(f"an episode is shown step by step, as a {GIF}; {out.name!r} is a picture of the policy")
    if is_film and not episode and show == "visits":
        raise SettingError(f"a film of learning shows values; visits are for a picture, or a {GIF} of an episode")
    config, env, policy = open_run(folder)
    _check_world(folder, config, env)
    try:
        if not is_film:
            Drawing(_final_picture(config, env, policy, show)).save(out)
            return
        frames = _episode(config, env, policy, show) if episode else _learning(folder, config, env, policy, callback)
        write_file(out, film_gif(frames, SECONDS))
    except OSError as error:
        raise RunError(f"{out}: can't be written: {error.strerror}") from None


def _check_world(folder: str | Path, config: TrainingConfig, env: Any) -> None:
    if not isinstance(env, Environment):
        raise RunError(f"{folder}: {config.maze} is a world with rules of its own; only mazes are drawn")
    if env.random_goal:
        raise RunError(
            f"{folder}: its goals are random, so there is a picture for each goal and none for all; train with one "
            "goal, --goal ROW,COLUMN, to see what it learns"
        )


def _final_picture(config: TrainingConfig, env: Environment, policy: Policy, show: str) -> Picture:
    """What was learned in the end."""
    best = solve(env, gamma=config.gamma)
    picture = picture_of(env, policy, optimal=best, title=_name(config))
    if show == "values":
        return picture
    simulation = Simulation(_bounded(config, env))
    trajectory = simulation.rollouts(policy.q, NUM_EPISODES, exploration=0.0, stream=new_stream(config.seed, 1))
    counted = picture_of(env, trajectory)
    label = f"visits in {NUM_EPISODES} greedy episodes"
    return replace(picture, values=counted.values, label=label, greedy=None)


def _bounded(config: TrainingConfig, env: Environment) -> Environment:
    """The same world, whose episodes are short enough to be written down."""
    bounded = replace(config, max_episode_steps=min(LONGEST_EPISODE, env.max_episode_steps))
    world: Environment = bounded.make_environment(env.maze)
    return world


def _name(config: TrainingConfig) -> str:
    return f"{config.maze}: {config.algorithm}, {config.num_episodes:,} episodes"


# Films ----------------------------------------------------------------------------------------------------------------


def _learning(
    folder: str | Path, config: TrainingConfig, env: Environment, policy: Policy, callback: Callback | None
) -> list[Picture]:
    """How the table of a run came about."""
    if config.asynchronous:
        raise RunError(f"{folder}: an asynchronous run can't be learned again to the same table; film an --episode")
    check_memory(16 * MAX_TABLES * policy.q.size, f"a film of {MAX_TABLES} tables")
    film = Film(env, config.num_episodes, solve(env, gamma=config.gamma))
    film.add(np.zeros_like(policy.q), 0)

    def note(row: RoundMetrics) -> None:
        film.note(row)
        if callback is not None:
            callback(row)

    again = train_run(replace(config, num_actors=0), note, watch=film.watch, maze=env.maze)
    if table_sha256(again.policy.q) != table_sha256(policy.q):
        raise RunError(f"{folder}: learned again it comes to another table; it was made by another version of Clew")
    return film.frames


class Film:
    """Takes pictures of a table while it is learned, at most so many and evenly spread; the last is always among them.

    Attributes:
        frames: the pictures.
    """

    def __init__(self, env: Environment, num_episodes: int, optimum: Solution) -> None:
        self.frames: list[Picture] = []
        self._env, self._total, self._optimum = env, num_episodes, optimum
        self._learned = 0
        self._table: npt.NDArray[np.float32] | None = None

    def watch(self, q: npt.NDArray[np.float32]) -> None:
        """See the table; it's asked for when it is known which round it is of."""
        self._table = q

    def note(self, row: RoundMetrics) -> None:
        """Take a picture after a round, if it is its turn."""
        self._learned += row.num_episodes
        most = MAX_TABLES - 1  # one is taken before the first round
        if row.num_rounds <= most or (row.round + 1) * most // row.num_rounds > row.round * most // row.num_rounds:
            assert self._table is not None
            self.add(self._table, self._learned)

    def add(self, q: npt.NDArray[np.float32], num_episodes: int) -> None:
        """Take a picture of a table."""
        title = f"episode {num_episodes:,} of {self._total:,}"
        self.frames.append(picture_of(self._env, q, optimal=self._optimum, title=title))


def _episode(config: TrainingConfig, env: Environment, policy: Policy, show: str) -> list[Picture]:
    """One greedy episode, step by step: that of `clew play`."""
    world = _bounded(config, env)
    world.reset(seed=config.seed)
    trajectory = Simulation(world).rollout(policy, explore=False)
    base = picture_of(env, policy, path=False)
    last = len(trajectory)
    steps = np.unique(np.linspace(0, last, min(last + 1, MAX_STEPS)).round().astype(int)).tolist()
    end = "" if trajectory.terminated[-1] else ", cut off"
    frames = []
    for step in steps:
        picture = replace(
            base,
            path=_places(trajectory, step, env),
            path_name="way of the episode",
            seeker=_places(trajectory, step, env)[-1],
            title=f"step {step:,} of {last:,}{end}",
        )
        frames.append(picture if show == "values" else _with_visits(picture, trajectory, step, env))
    return frames


def _states(trajectory: Trajectory, step: int) -> npt.NDArray[np.int32]:
    return np.append(trajectory.state[:1], trajectory.next_state[:step])


def _places(trajectory: Trajectory, step: int, env: Environment) -> tuple[Place, ...]:
    return places_of((_states(trajectory, step) % env.maze.cells.size).tolist(), env.maze.columns)


def _with_visits(picture: Picture, trajectory: Trajectory, step: int, env: Environment) -> Picture:
    num_cells = env.maze.cells.size
    counts = np.bincount(_states(trajectory, step) % num_cells, minlength=num_cells)
    return replace(picture, values=np.where(counts > 0, counts, np.nan), label="visits", greedy=None)
