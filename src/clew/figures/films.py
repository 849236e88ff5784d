"""Pictures and animations of a run, for `clew render`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.environments import Environment
from clew.errors import RunError, SettingError, StopTraining
from clew.experiments.samples import read_metrics
from clew.figures.drawing import SHOWN, draw
from clew.files import write_file
from clew.kernels.sampling import new_stream
from clew.learning.metrics import Callback, RoundMetrics
from clew.planning import Solution, solve
from clew.policies.episodes import Simulation
from clew.policies.policy import Policy
from clew.rendering.film import film_gif
from clew.rendering.output import ENDINGS, Drawing
from clew.rendering.paths import places_of
from clew.rendering.picture import Picture
from clew.runs.configuration import TrainingConfig
from clew.runs.run import open_run, train_run
from clew.runs.storage import table_sha256
from clew.settings import check_choice, check_memory
from clew.tracing.axes import format_count

GIF = ".gif"
MAX_TABLES = 60  # frames of a film of learning
MAX_STEPS = 200  # frames of a film of an episode
SECONDS_PER_FRAME = 0.12
NUM_EPISODES = 100  # greedy episodes whose visits are counted
MAX_EPISODE_STEPS = 100_000  # of an episode that is stored


def render_run(
    folder: str | Path,
    out: str | Path,
    *,
    show: str = "values",
    episode: bool = False,
    callback: Callback | None = None,
) -> None:
    """Draw a run to a file, as a picture or an animation, in the format of its ending.

    `.svg`, `.png` and `.txt` show the learned policy, with its path and an optimal path. A `.gif` shows how the values
    were learned, in at most 60 frames with one scale of colours, or one greedy episode. For the former the run is
    repeated, which gives the same bits.

    Args:
        folder: run folder.
        out: file to write.
        show: "values", or "visits" of 100 greedy episodes; in the film of an episode, its visits so far.
        episode: make the film of one greedy episode, in at most 200 frames.
        callback: called after each round if the run is repeated.

    Raises:
        RunError: if the run folder is missing or damaged, the run is not in a maze or has random goals, its repetition
            gives another table, or the file can't be written.
        SettingError: if the file has another ending, or a setting has no effect on this kind of file.
    """
    out = Path(out)
    check_choice("show", show, SHOWN)
    if out.suffix.lower() not in (*ENDINGS, GIF):
        raise SettingError(f"a run is drawn as {', '.join((*ENDINGS, GIF))}, not as {out.name!r}")
    is_film = out.suffix.lower() == GIF
    if episode and not is_film:
        raise SettingError(f"an episode is drawn as a {GIF}, not as {out.name!r}, which is a picture of the policy")
    if is_film and not episode and show == "visits":
        raise SettingError(f"a {GIF} of learning shows values; visits are shown in a picture, or a {GIF} of an episode")
    config, env, policy = open_run(folder)
    _check_world(folder, config, env)
    num_episodes = sum(row.num_episodes for row in read_metrics(folder)[1])  # fewer than planned if it was stopped
    try:
        if not is_film:
            Drawing(_final_picture(config, env, policy, show, num_episodes)).save(out)
            return
        frames = (
            _episode_frames(config, env, policy, show)
            if episode
            else _learning_frames(folder, config, env, policy, num_episodes, callback)
        )
        write_file(out, film_gif(frames, SECONDS_PER_FRAME))
    except OSError as error:
        raise RunError(f"{out}: can't be written: {error.strerror}") from None


def _check_world(folder: str | Path, config: TrainingConfig, env: Any) -> None:
    """Raise RunError if the environment of a run is not a maze, or has random goals."""
    if not isinstance(env, Environment):
        raise RunError(f"{folder}: only mazes are drawn, and {config.maze} is another kind of world")
    if env.random_goal:
        raise RunError(
            f"{folder}: its goals are random, and one picture can't show the values for all of them; train with one "
            "goal, --goal ROW,COLUMN, to draw it"
        )


def _final_picture(config: TrainingConfig, env: Environment, policy: Policy, show: str, num_episodes: int) -> Picture:
    """Return the picture of the learned policy, with an optimal path; of its values or its visits."""
    title = f"{config.maze}: {config.algorithm}, {format_count(num_episodes, 'episode')}"
    picture = draw(env, policy, optimal=solve(env, gamma=config.gamma), title=title).picture
    if show == "values":
        return picture
    simulation = Simulation(_with_short_episodes(config, env))
    trajectory = simulation.rollouts(policy, NUM_EPISODES, exploration=0.0, stream=new_stream(config.seed, 1))
    visits = draw(env, trajectory).picture.values
    return replace(picture, values=visits, label=f"visits in {NUM_EPISODES} greedy episodes", greedy=None)


def _with_short_episodes(config: TrainingConfig, env: Environment) -> Environment:
    """Return a copy of an environment with a step limit of at most 100,000, so that its episodes fit in memory."""
    bounded = replace(config, max_episode_steps=min(MAX_EPISODE_STEPS, env.max_episode_steps))
    world: Environment = bounded.make_environment(env.maze)
    return world


# Films ----------------------------------------------------------------------------------------------------------------


def _learning_frames(
    folder: str | Path,
    config: TrainingConfig,
    env: Environment,
    policy: Policy,
    num_episodes: int,
    callback: Callback | None,
) -> list[Picture]:
    """Repeat a run, and return pictures of its table from before the first round to after the last.

    Raises:
        RunError: if the run is asynchronous, or its repetition gives another table.
    """
    if config.asynchronous:
        raise RunError(f"{folder}: an asynchronous run can't be repeated exactly; draw an episode instead (--episode)")
    check_memory(16 * MAX_TABLES * policy.q.size, f"a film of {MAX_TABLES} tables")
    film = Film(env, num_episodes, solve(env, gamma=config.gamma))
    film.add(np.zeros_like(policy.q), 0)

    def on_round(row: RoundMetrics) -> None:
        film.on_round(row)
        if callback is not None:
            callback(row)
        if row.num_ended == num_episodes < row.total_episodes:
            raise StopTraining

    again = train_run(replace(config, num_actors=0), on_round, watch=film.watch, maze=env.maze)
    if table_sha256(again.policy.q) != table_sha256(policy.q):
        raise RunError(f"{folder}: repeating this run gives another table; another version of Clew made it")
    return film.frames


class Film:
    """Recorder of pictures of a table of action values while it is learned.

    Of a training it adds at most 59, evenly spread over the episodes, with the last round among them.

    Args:
        env: environment of the run.
        num_episodes: number of episodes of the run.
        optimum: has the optimal path that is drawn.

    Attributes:
        frames: the pictures so far.
    """

    def __init__(self, env: Environment, num_episodes: int, optimum: Solution) -> None:
        self.frames: list[Picture] = []
        self._env, self._total, self._optimum = env, num_episodes, optimum
        self._learned = 0
        self._table: npt.NDArray[np.float32] | None = None

    def watch(self, q: npt.NDArray[np.float32]) -> None:
        """Store the table, for `on_round`."""
        self._table = q

    def on_round(self, row: RoundMetrics) -> None:
        """Add a picture of the table that was last stored, if this round is one of those to be shown."""
        self._learned += row.num_episodes
        n = MAX_TABLES - 1  # and one before the first round
        before = self._learned - row.num_episodes
        if self._total <= n or self._learned * n // self._total > before * n // self._total:
            assert self._table is not None
            self.add(self._table, self._learned)

    def add(self, q: npt.NDArray[np.float32], num_episodes: int) -> None:
        """Add a picture of a table, with the number of episodes in its title."""
        title = f"episode {num_episodes:,} of {self._total:,}"
        policy = Policy(self._env, q=q)  # a table alone may look like one of probabilities, which isn't drawn
        self.frames.append(draw(self._env, policy, optimal=self._optimum, title=title).picture)


def _episode_frames(config: TrainingConfig, env: Environment, policy: Policy, show: str) -> list[Picture]:
    """Return pictures of the steps of one greedy episode, the one that `clew play` shows."""
    world = _with_short_episodes(config, env)
    world.reset(seed=config.seed)
    trajectory = Simulation(world).rollout(policy, explore=False)
    base = draw(env, policy, path=False).picture
    last = len(trajectory)
    cells = np.append(trajectory.state[:1], trajectory.next_state) % env.maze.cells.size
    steps = np.unique(np.linspace(0, last, min(last + 1, MAX_STEPS)).round().astype(int)).tolist()
    end = "" if trajectory.terminated[-1] else ", truncated"
    frames = []
    for step in steps:
        places = places_of(cells[: step + 1].tolist(), env.maze.columns)
        picture = replace(
            base,
            path=places,
            path_name="path of the episode",
            seeker=places[-1],
            title=f"step {step:,} of {last:,}{end}",
        )
        frames.append(picture if show == "values" else _with_visits(picture, cells[: step + 1]))
    return frames


def _with_visits(picture: Picture, cells: npt.NDArray[np.integer]) -> Picture:
    """Return a picture with the visits of some cells (repeated ones count) instead of values, and without arrows."""
    counts = np.bincount(cells, minlength=picture.maze.cells.size)
    return replace(picture, values=np.where(counts > 0, counts, np.nan), label="visits", greedy=None)
