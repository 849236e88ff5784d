"""The configuration of a run: all settings that decide its result, in one flat record.

The environments, the mazes and the kernels are imported by the methods that need them, not here: the command line
lists the settings without them.
"""

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from clew.errors import ClewError, MazeError, ModelError, SettingError
from clew.learning.settings import Learning, check_run, default_of
from clew.settings import check_type, choose_from, setting, shown

if TYPE_CHECKING:
    from clew.distributed.settings import Sharing
    from clew.mazes import Maze
    from clew.models.mdp import FiniteMDP

GYMNASIUM = "gym:"  # prefix of the ID of an environment that is registered with Gymnasium
MODELS = (".npz", ".csv")  # endings of files with a model: of `FiniteMDP.save`, and tables of transitions
MAZE_SETTINGS = (  # of a maze and its environment; other worlds have rules of their own and take none of these
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
    "exit_action",
    "moves",
)
WORLD_SETTINGS = ("maze", *MAZE_SETTINGS, "max_episode_steps")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Learning):
    """All settings of a training run: the options of `clew train`, and `config.json` in a run folder.

    The settings of the learner are inherited from `clew.Learning`, which describes them. `clew train --help` lists all
    settings with their defaults.

    Attributes:
        maze: 'book' (an open 5x5 grid), a size such as '10x12', a recipe such as 'wilson:10x12:seed=3', a file (.txt,
            .map, .maze, .lay, .png, .pgm), a file with a model (.npz, .csv), a world that `clew worlds` lists, or
            'gym:' and the ID of a Gymnasium environment.
        start: start cell, (row, column) from the top left; None for that of the maze.
        goal: goal cell, (row, column); None for those of the maze.
        scenario: start and goal from a MovingAI problem, 'FILE.scen:ROW', with rows counted from 0.
        unknown_walls: how unknown walls of a micromouse file, or unexplored cells of a map, are read: 'wall' or 'open'.
        cell_size: width and height of a cell in a picture, in pixels.
        random_start: draw the start state of each episode from all free cells with a path to the goal.
        random_goal: draw a goal for each episode; a state is then a (goal, cell) pair.
        goal_reward: added to the reward of a move that reaches the goal.
        step_reward: reward of every move.
        outer_wall_reward: added to the reward of a move into the edge of the grid.
        hazard_reward: added to the reward of a move that enters a hazard.
        slip: probability that a move goes to a side instead, half of it to each.
        exit_action: leaving an exit takes a step, which pays its reward; see `clew.Environment`.
        moves: name of the set of moves, such as 'four' or 'eight'.
        max_episode_steps: step limit of an episode; None for 100 steps per free cell.
        num_episodes: episodes in total, over all simulations.
        num_simulations: number of simulations, each a stream of episodes of its own; part of what decides the result. 1
            is the plain algorithm, and needs none of the settings below but the seed.
        num_actors: number of Ray actors that play the simulations, at most as many; decides only the speed. 0 for this
            process.
        sharing: 'central' (one learner learns from all simulations) or 'local' (each learns, and values are merged).
        sync_every: episodes that each simulation plays before values are synchronised, or 'never'; None for a number of
            steps, which is small at first and grows.
        rounds_ahead: number of rounds that simulations may play ahead of the merged values.
        partition_starts: give each simulation a part of the start states.
        asynchronous: merge results as they arrive instead of round by round; such a run is not reproducible.
        seed: seed of all random draws.

    Raises:
        SettingError: if a setting is out of range or of another type, or settings contradict each other.

    >>> import clew
    >>> config = clew.TrainingConfig(maze="4x6", algorithm="sarsa", num_episodes=500, seed=7)
    >>> config.make_maze()
    Maze(4x6, start=(0, 0), goals=((3, 5),))
    >>> config == clew.TrainingConfig.from_dict(config.to_dict())
    True
    """

    maze: str = setting(
        "book",
        "'book' (the chapter's 5x5), a size (10x12), a recipe (wilson:10x12:seed=3), a file (.txt, .map, .maze, "
        ".lay, .png, .pgm), a model (.npz, .csv), a name that clew worlds lists, or gym:ID",
    )
    start: tuple[int, int] | None = setting(None, "start cell, from the top left [default: that of the maze]")
    goal: tuple[int, int] | None = setting(None, "goal cell, from the top left [default: those of the maze]")
    scenario: str | None = setting(None, "start and goal from a MovingAI problem, with rows counted from 0")
    unknown_walls: str = setting(
        "wall", "how unknown walls of a micromouse file, or unexplored cells of a map, are read"
    )
    cell_size: int = setting(1, "width and height of a cell in a picture, in pixels")
    random_start: bool = setting(False, "draw the start of each episode from all free cells with a path to the goal")
    random_goal: bool = setting(False, "draw a goal for each episode; a state is then a pair of goal and cell")
    goal_reward: float = setting(1.0, "added to the reward of a move that reaches the goal")
    step_reward: float = setting(0.0, "reward of every move")
    outer_wall_reward: float = setting(0.0, "added to the reward of a move into the edge of the grid")
    hazard_reward: float = setting(-1.0, "added to the reward of a move that enters a hazard")
    slip: float = setting(0.0, "probability that a move goes to a side instead, half of it to each")
    exit_action: bool = setting(False, "leaving an exit takes a step, which pays its reward")
    moves: str = setting(
        "four", "set of moves: four, eight, movingai and movingai-float32 (to its digits), knight, robot (with turns)"
    )
    max_episode_steps: int | None = setting(None, "step limit of an episode [default: 100 per free cell]")
    num_episodes: int = setting(10_000, "episodes in total, over all simulations")
    num_simulations: int = setting(
        1, "simulations, each a stream of episodes of its own; decides the result; 1 is the plain algorithm"
    )
    num_actors: int = setting(
        0, "Ray actors that play two simulations or more; decides only the speed; 0 for this process"
    )
    sharing: str = setting(
        "central", "central: one learner learns from all simulations; local: each learns, and values are merged"
    )
    sync_every: int | str | None = setting(
        None,
        "episodes that each simulation plays before values are synchronised, or never [default: a number of steps, few "
        "at first]",
    )
    rounds_ahead: int = setting(0, "rounds that simulations may play ahead of the merged values")
    partition_starts: bool = setting(False, "give each simulation a part of the start states")
    asynchronous: bool = setting(False, "merge results as they arrive, without rounds; not reproducible")
    seed: int = setting(0, "seed of all random draws")

    def __post_init__(self) -> None:
        from clew.environments import check_world
        from clew.mazes.formats import check_file_options
        from clew.mazes.moves import find_moves

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
    def sharing_settings(self) -> "Sharing":
        """Settings of parallel training."""
        from clew.distributed.settings import Sharing

        return Sharing(**{each.name: getattr(self, each.name) for each in fields(Sharing)})

    @property
    def changed(self) -> dict[str, Any]:
        """Settings that differ from their defaults, by name."""
        return {
            each.name: getattr(self, each.name) for each in fields(self) if getattr(self, each.name) != default_of(each)
        }

    @property
    def is_maze(self) -> bool:
        """True for a maze; False for a world of the gallery or of Gymnasium, or a model, which has rules of its own."""
        from clew.environments.gallery import GALLERY

        return self.maze not in GALLERY and not self.maze.startswith(GYMNASIUM) and not self.is_model

    @property
    def is_model(self) -> bool:
        """True for a file with a model."""
        return not self.maze.startswith(GYMNASIUM) and self.maze.lower().endswith(MODELS)

    def make_maze(self) -> "Maze":
        """Return the maze of the run, read from its file or generated.

        Raises:
            MazeError: if there is no such maze, or it isn't valid.
            SettingError: if unknown walls have to be read as open for a path to the goal.
        """
        if self.is_model:
            raise MazeError(f"{self.maze!r} is a model, not a maze; `clew solve {self.maze}` shows what it is worth")
        if not self.is_maze:
            where = "" if self.maze.startswith(GYMNASIUM) else f"; see clew worlds {self.maze}"
            raise MazeError(f"{self.maze!r} is a world with rules of its own, not only a maze{where}")
        try:
            return self._find_maze(self.unknown_walls)
        except MazeError as error:
            if self.unknown_walls == "open":
                raise
            try:
                self._find_maze("open")
            except ClewError:
                raise error from None
            raise SettingError(f"must be 'open' for this maze; else {error}", setting="unknown_walls") from None

    def _find_maze(self, unknown_walls: str) -> "Maze":
        """Return the maze of this name, with unknown walls read in a given way."""
        from clew.environments.gallery import GALLERY
        from clew.mazes import find_maze

        return find_maze(
            self.maze,
            start=self.start,
            goal=self.goal,
            scenario=self.scenario,
            unknown_walls=unknown_walls,
            cell_size=self.cell_size,
            worlds=GALLERY,
        )

    def read_model(self) -> "FiniteMDP":
        """Return the model of the run, read from its file.

        Raises:
            ModelError: names the file, and says whether it can't be read, is damaged, or isn't a model.
        """
        from clew.models.mdp import FiniteMDP

        if not self.is_model:
            raise ModelError(f"{self.maze!r} is not a file with a model, which ends in {' or '.join(MODELS)}")
        read = FiniteMDP.read_csv if self.maze.lower().endswith(".csv") else FiniteMDP.load
        return read(self.maze)

    def make_environment(self, maze: "Maze | FiniteMDP | None" = None) -> Any:
        """Return the environment of the run.

        Args:
            maze: the maze or the model of the run, if it was made or read before; None does so.

        Raises:
            ClewError: if there is no such world, or if it has rules of its own and a setting of mazes is given.
        """
        from clew.environments import Environment

        if not self.is_maze:
            return self._make_world(maze)
        return Environment(
            self.make_maze() if maze is None else maze,  # type: ignore[arg-type]  # checked there
            random_start=self.random_start,
            random_goal=self.random_goal,
            goal_reward=self.goal_reward,
            step_reward=self.step_reward,
            outer_wall_reward=self.outer_wall_reward,
            hazard_reward=self.hazard_reward,
            slip=self.slip,
            exit_action=self.exit_action,
            moves=self.moves,
            max_episode_steps=self.max_episode_steps,
        )

    def _make_world(self, model: Any) -> Any:
        """Return an environment of the gallery, of Gymnasium or of a model, with the step limit of this run."""
        from clew.environments import Environment, ModelEnvironment, make_gymnasium
        from clew.environments.gallery import GALLERY, make_world
        from clew.models.mdp import FiniteMDP

        defaults = {each.name: each.default for each in fields(self)}
        for name in MAZE_SETTINGS:
            if getattr(self, name) != defaults[name]:
                is_grid = self.maze in GALLERY and isinstance(make_world(self.maze), Environment)
                advice = f"; `clew worlds {self.maze} --out FILE` saves its maze, which takes it" if is_grid else ""
                raise SettingError(f"has no effect on {self.maze!r}, which has rules of its own{advice}", setting=name)
        limit = {} if self.max_episode_steps is None else {"max_episode_steps": self.max_episode_steps}
        if self.is_model:
            mdp = self.read_model() if model is None else model
            check_type("maze", mdp, FiniteMDP, "a FiniteMDP or None")
            return ModelEnvironment(mdp, max_episode_steps=self.max_episode_steps)
        if self.maze.startswith(GYMNASIUM):
            return make_gymnasium(self.maze.removeprefix(GYMNASIUM), **limit)
        env = make_world(self.maze)
        env.max_episode_steps = limit.get("max_episode_steps", env.max_episode_steps)
        if env.spec is not None:
            env.spec.kwargs.update(limit)  # an environment that is made again from the specification has the limit too
        return env

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dictionary that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> "TrainingConfig":
        """Return the configuration that `to_dict` wrote.

        Raises:
            SettingError: if a setting is unknown, out of range or of another type.
        """
        check_type("settings", settings, dict, "a dict, as to_dict returns it")
        known = [each.name for each in fields(cls)]
        for name in settings:
            if name not in known:
                name = shown(name).strip("'")  # it may be long, or not printable
                raise SettingError(f"is not a setting; {choose_from(name, known)}", setting=name)
        return cls(**settings)


def usual_gamma(world: str) -> float:
    """Return the usual discount of a world: that of its card in the gallery, or the default of `Learning`."""
    from clew.environments.gallery import GALLERY

    return GALLERY[world].gamma if world in GALLERY else Learning.gamma
