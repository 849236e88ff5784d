"""The configuration of a run: everything that decides it, flat."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from clew.distributed.settings import Sharing
from clew.environments import Environment, check_world, make_gymnasium
from clew.environments.gallery import GALLERY, make_world
from clew.errors import ClewError, MazeError, SettingError
from clew.learning.checks import check_run
from clew.learning.settings import Learning
from clew.mazes import Maze, find_maze
from clew.mazes.formats import Place, check_file_options
from clew.mazes.moves import find_moves
from clew.settings import setting

__all__ = ["MAZE_SETTINGS", "TrainingConfig", "usual_gamma"]

ENDING_OF_UNKNOWN = ".maze"  # files that may leave open whether a wall stands
GYMNASIUM = "gym:"  # and the ID of an environment of Gymnasium's
MAZE_SETTINGS = (  # of a maze and the world in it; worlds with rules of their own take none of them
    "start",
    "goal",
    "scenario",
    "unknown_walls",
    "cell_size",
    "random_start",
    "random_goal",
    "goal_reward",
    "step_reward",
    "outer_wall_reward",
    "hazard_reward",
    "slip",
    "moves",
)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Learning):
    """Everything that decides a run, flat: the options of `clew train`, and `config.json` in a run folder.

    Places are (row, column), from the top left. What each setting does is said where it acts: the world's in
    `clew.Environment`, the learner's in `Learning`, the simulations' in `train_policy_parallel`; `clew train --help`
    lists all of them with their defaults.

    Raises:
        SettingError: if a setting is out of range.
    """

    maze: str = setting(
        "book",
        "'book' (the chapter's 5x5), a size (10x12), a recipe (wilson:10x12:seed=3), a file (.txt, .map, .maze, "
        ".lay, .png), a name that clew worlds lists, or gym:ID",
    )
    start: Place | None = setting(None, "where episodes begin, as row,column")
    goal: Place | None = setting(None, "the goal, as row,column")
    scenario: str | None = setting(None, "start and goal from a MovingAI problem: FILE.scen:ROW, rows from 0")
    unknown_walls: str = setting("wall", "what stands where a .maze file doesn't know: wall or open")
    cell_size: int = setting(1, "pixels to each side of a cell, of a .png file")
    random_start: bool = setting(False, "begin anywhere")
    random_goal: bool = setting(False, "draw a goal for each episode; the state then names it")
    goal_reward: float = setting(1.0, "added when a move reaches the goal")
    step_reward: float = setting(0.0, "paid by every move")
    outer_wall_reward: float = setting(0.0, "added when a move runs into the edge of the grid")
    hazard_reward: float = setting(-1.0, "added when a move enters a hazard")
    slip: float = setting(0.0, "probability that a move goes astray to either side")
    moves: str = setting(
        "four", "how one moves: four, eight, movingai and movingai-float32 (to its digits), knight, robot (and turns)"
    )
    max_episode_steps: int | None = setting(None, "step limit of an episode [default: 100 per free cell]")
    num_episodes: int = setting(10_000, "how many episodes to learn from, in all")
    num_simulations: int = setting(4, "simulations that share the episodes; part of what decides the result")
    num_actors: int = setting(0, "Ray actors that play them; decides only the speed; 0 plays in this process")
    sharing: str = setting("central", "who learns: central, one for all simulations, or local, each for itself")
    sync_every: int | str | None = setting(
        None, "episodes that a simulation plays before values are put together, or never [default: in 100 rounds]"
    )
    rounds_ahead: int = setting(0, "rounds that simulations may work ahead of what is put together")
    partition_starts: bool = setting(False, "each simulation begins in a part of the start states of its own")
    asynchronous: bool = setting(False, "nobody waits for the slowest simulation; not reproducible")
    seed: int = setting(0, "random seed; it decides every draw")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_file_options(self.unknown_walls, self.cell_size)
        check_run(self.num_episodes, self.seed)
        self.sharing_settings.check(self)
        find_moves(self.moves)
        check_world(
            self.slip,
            self.max_episode_steps,
            goal_reward=self.goal_reward,
            step_reward=self.step_reward,
            outer_wall_reward=self.outer_wall_reward,
            hazard_reward=self.hazard_reward,
        )

    @property
    def learning(self) -> Learning:
        """Settings of the learner."""
        return Learning(**{each.name: getattr(self, each.name) for each in fields(Learning)})

    @property
    def sharing_settings(self) -> Sharing:
        """Settings of parallel training."""
        return Sharing(**{each.name: getattr(self, each.name) for each in fields(Sharing)})

    @property
    def is_maze(self) -> bool:
        """False for a world of the gallery, or of Gymnasium's, which has rules of its own."""
        return self.maze not in GALLERY and not self.maze.startswith(GYMNASIUM)

    def make_maze(self) -> Maze:
        """The maze that the run is about.

        Raises:
            MazeError: if there is no such maze, or it can't be right.
        """
        if not self.is_maze:
            where = "" if self.maze.startswith(GYMNASIUM) else f"; see clew worlds {self.maze}"
            raise MazeError(f"{self.maze!r} is a world with rules of its own, not only a maze{where}")
        try:
            return self._find_maze(self.unknown_walls)
        except MazeError as error:
            if self.unknown_walls == "open" or not self.maze.endswith(ENDING_OF_UNKNOWN):
                raise
            try:
                self._find_maze("open")
            except ClewError:
                raise error from None
            raise SettingError(f"must be 'open' for this maze; else {error}", setting="unknown_walls") from None

    def _find_maze(self, unknown_walls: str) -> Maze:
        return find_maze(
            self.maze,
            start=self.start,
            goal=self.goal,
            scenario=self.scenario,
            unknown_walls=unknown_walls,
            cell_size=self.cell_size,
            worlds=GALLERY,
        )

    def make_environment(self, maze: Maze | None = None) -> Any:
        """The world that the run is about; in a maze that was read before, if one is given.

        Raises:
            ClewError: if there is no such world, or settings of mazes are given to one that has rules of its own.
        """
        if not self.is_maze:
            return self._make_world()
        return Environment(
            self.make_maze() if maze is None else maze,
            random_start=self.random_start,
            random_goal=self.random_goal,
            goal_reward=self.goal_reward,
            step_reward=self.step_reward,
            outer_wall_reward=self.outer_wall_reward,
            hazard_reward=self.hazard_reward,
            slip=self.slip,
            moves=self.moves,
            max_episode_steps=self.max_episode_steps,
        )

    def _make_world(self) -> Any:
        defaults = {each.name: each.default for each in fields(self)}
        for name in MAZE_SETTINGS:
            if getattr(self, name) != defaults[name]:
                raise SettingError(f"has no effect on {self.maze!r}, which has rules of its own", setting=name)
        limit = {} if self.max_episode_steps is None else {"max_episode_steps": self.max_episode_steps}
        if self.maze.startswith(GYMNASIUM):
            return make_gymnasium(self.maze.removeprefix(GYMNASIUM), **limit)
        env = make_world(self.maze)
        env.max_episode_steps = limit.get("max_episode_steps", env.max_episode_steps)
        if env.spec is not None:
            env.spec.kwargs.update(limit)  # what is made again of it has the limit too
        return env

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON can say them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> "TrainingConfig":
        """The inverse of `to_dict`.

        Raises:
            SettingError: names the setting that is unknown or of another type.
        """
        known = [each.name for each in fields(cls)]
        for name in settings:
            if name not in known:
                raise SettingError(f"is not a setting; choose from {', '.join(known)}", setting=name)
        return cls(**settings)


def usual_gamma(world: str) -> float:
    """Return the usual discount of a world: that of its card in the gallery, or the default."""
    return GALLERY[world].gamma if world in GALLERY else Learning.gamma
