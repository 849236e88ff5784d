"""The maze as a Gymnasium environment."""

from enum import IntEnum
from typing import Any, cast

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.envs.registration import EnvSpec

from clew.environments.checks import STEPS_PER_STATE, check_world
from clew.environments.model import ModelEnvironment, bad_action
from clew.errors import SettingError
from clew.kernels.dynamics import BLOCKED, GOAL
from clew.mazes import Maze
from clew.mazes.formats import Place
from clew.mazes.moves import FOUR, Moves, Rewards, find_moves, model_of_moves
from clew.models.mdp import FiniteMDP
from clew.registration import ENV_ID
from clew.rendering.pixels import paint_scene
from clew.rendering.text import draw_scene, show
from clew.settings import check_choice, check_memory

__all__ = ["BAD_ACTION", "Action", "Environment"]

RENDER_MODES = ("ansi", "human", "rgb_array")


class Action(IntEnum):
    """What the seeker can do, in the chapter's order."""

    DOWN = 0
    LEFT = 1
    UP = 2
    RIGHT = 3


BAD_ACTION = bad_action(FOUR.actions)


class Environment(ModelEnvironment):
    """A seeker in a maze, looking for the goal.

    With the moves "four" the actions are 0 down, 1 left, 2 up, 3 right; a wall stops a move. The state is the seeker's
    cell, `row * columns + column`; with a random goal it is `goal cell * num_cells + cell`, for no table can learn to
    find a goal that it isn't told. Every move pays `step_reward`, and what it meets is added. Reaching a goal ends the
    episode (`terminated`); the step limit cuts it off (`truncated`).

    Args:
        maze: layout; the chapter's open 5x5 by default.
        random_start: begin in any cell from which the goal can be reached, never on a goal or a hazard.
        random_goal: draw a goal for each episode, in place of the maze's own.
        goal_reward: added when a move reaches the goal.
        step_reward: paid by every move.
        outer_wall_reward: added when a move runs into the edge of the grid, such as -100 for hazardous walls.
        hazard_reward: added when a move enters a hazard.
        slip: probability that a move goes astray, half of it to each side.
        moves: "four", "eight" (diagonals cost sqrt 2, and go round no corner), "movingai" and
            "movingai-float32" (the same, with the digits that its published lengths are made with), "knight", "robot"
            (forward, and turns; a state is then `heading * num_cells + cell`), or a table of your own, see
            `clew.mazes.Moves`. A move pays the step reward times its cost.
        max_episode_steps: step limit; by default 100 times the number of free cells.
        render_mode: None, "ansi" (text), "human" (terminal or notebook) or "rgb_array" (pixels).

    Attributes:
        maze: the layout.
        mdp: the same world as arrays, for learners and planners.
        random_goal: True if the state names the goal.
        moves: the moves.
        actions, max_episode_steps, stream: as `ModelEnvironment` has them.

    Raises:
        SettingError: if a setting is out of range, or the maze lacks a start or a goal that isn't random.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 10}  # noqa: RUF012  # as Gymnasium declares it

    def __init__(
        self,
        maze: Maze | None = None,
        *,
        random_start: bool = False,
        random_goal: bool = False,
        goal_reward: float = 1.0,
        step_reward: float = 0.0,
        outer_wall_reward: float = 0.0,
        hazard_reward: float = -1.0,
        slip: float = 0.0,
        moves: str | Moves = "four",
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        settings = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        if maze is None:
            maze = Maze.open(5, 5)
        if not isinstance(maze, Maze):
            raise SettingError(f"must be a Maze, not {type(maze).__name__}; see Maze.open, Maze.load", setting="maze")
        if render_mode is not None:
            check_choice("render_mode", render_mode, RENDER_MODES)
        for name, flag in (("random_start", random_start), ("random_goal", random_goal)):
            if not isinstance(flag, bool | np.bool_):
                raise SettingError(f"must be True or False, not {flag!r}", setting=name)
        check_world(
            slip,
            max_episode_steps,
            goal_reward=goal_reward,
            step_reward=step_reward,
            outer_wall_reward=outer_wall_reward,
            hazard_reward=hazard_reward,
        )
        self.maze = maze
        self.render_mode = render_mode
        self.random_goal = random_goal
        self.moves = find_moves(moves)
        pays = Rewards(goal_reward, step_reward, outer_wall_reward, hazard_reward)
        starts = _start_states(maze, random_start, random_goal, self.moves.walks)
        if self.moves == FOUR:
            mdp = FiniteMDP.grid(maze.cells, starts, moving_goal=random_goal, slip=slip, **pays._asdict())
        elif random_goal:
            raise SettingError(
                f"must be False with the moves {self.moves.name!r}: random goals need the moves 'four'",
                setting="random_goal",
            )
        else:
            mdp = model_of_moves(maze.cells, self.moves, starts, random_start=random_start, slip=slip, rewards=pays)
        limit = max_episode_steps or STEPS_PER_STATE * int((~maze.blocked).sum())
        super().__init__(mdp, max_episode_steps=limit, actions=self.moves.actions)
        # Made by hand or by gymnasium.make, an environment can be made again from its specification.
        self.spec = EnvSpec(ENV_ID, entry_point=cast(Any, type(self)), kwargs=settings)

    def render(self) -> str | npt.NDArray[np.uint8] | None:
        """Draw the maze with the seeker, S, in it, as `render_mode` says.

        Returns:
            Text for "ansi", (height, width, 3) uint8 for "rgb_array", None for "human", which shows the text.
        """
        return self.render_state(self._state)

    def render_state(self, state: int | None) -> str | npt.NDArray[np.uint8] | None:
        """Draw the maze as `render` does, in any state; without the seeker if that is None."""
        if self.render_mode is None:
            gymnasium.logger.warn("render() does nothing without a render_mode; make the environment with one")
            return None
        if self.render_mode == "rgb_array":
            return paint_scene(self.maze, *self._seen(state))
        frame = draw_scene(self.maze, *self._seen(state))
        if self.render_mode == "ansi":
            return frame
        show(frame)
        return None

    def frame(self) -> str:
        """The maze with the seeker in it as text, whatever the render mode; an arrow shows a heading."""
        return draw_scene(self.maze, *self._seen(self._state))

    def _seen(self, state: int | None) -> tuple[Place | None, Place | None, int | None]:
        """Where the seeker stands in a state, where a random goal is, and which way a robot looks."""
        if state is None:
            return None, None, None
        return self._cell_of(state), self._goal_of(state) if self.random_goal else None, self._heading_of(state)

    @property
    def position(self) -> Place:
        """Where the seeker stands, (row, column).

        Raises:
            SettingError: before the first reset.
        """
        if self._state is None:
            raise SettingError("the seeker stands nowhere before reset()")
        return self._cell_of(self._state)

    @property
    def goal(self) -> Place:
        """Where the goal of this episode is, (row, column); the first one if the maze has several."""
        if not self.random_goal:
            return self.maze.goals[0]
        if self._state is None:
            raise SettingError("a random goal is drawn by reset()")
        return self._goal_of(self._state)

    @property
    def heading(self) -> int | None:
        """Which way a robot looks, 0 down, 1 left, 2 up or 3 right; None where moves have no four headings."""
        return None if self._state is None else self._heading_of(self._state)

    def encode(self, position: Place, goal: Place) -> int:
        """The state in which the seeker stands somewhere, of a robot that looks down.

        Args:
            position: (row, column) of the seeker; not checked.
            goal: (row, column) of the goal; it counts only if it is a random one.
        """
        cell, goal_cell = (int(row) * self.maze.columns + int(column) for row, column in (position, goal))
        return goal_cell * self.maze.cells.size + cell if self.random_goal else cell

    def is_over(self, states: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Tell of each state if nothing can happen in it any more: the seeker is on the goal, or in a wall."""
        goals, cells = np.divmod(states, self.maze.cells.size)
        bits = self.maze.cells.reshape(-1)[cells]
        over: npt.NDArray[np.bool_] = (bits & BLOCKED) > 0
        return over | (cells == goals if self.random_goal else (bits & GOAL) > 0)

    def _cell_of(self, state: int) -> Place:
        return divmod(state % self.maze.cells.size, self.maze.columns)

    def _goal_of(self, state: int) -> Place:
        return divmod(state // self.maze.cells.size, self.maze.columns)

    def _heading_of(self, state: int) -> int | None:
        return state // self.maze.cells.size if self.moves.num_headings == len(Action) else None

    def _info(self) -> dict[str, Any]:
        return {"position": self.position, "goal": self.goal}


def _start_states(maze: Maze, random_start: bool, random_goal: bool, walks: bool) -> npt.NDArray[np.int32]:
    """The states in which an episode may begin: (goal, cell) pairs with a way between them.

    From which cells other moves than walks find a way, `model_of_moves` sees.
    """
    if not random_start and maze.start is None:
        raise SettingError("the maze has no start", take={"start": (0, 0), "random_start": True})
    if not random_goal and not maze.goals:
        raise SettingError("the maze has no goal", take={"goal": (0, 0), "random_goal": True})
    fixed = [] if maze.start is None else [maze.start[0] * maze.columns + maze.start[1]]
    safe = ~(maze.blocked | maze.hazards)
    if not random_goal:
        candidates = safe & ((maze.distances() > 0) if walks else (maze.cells & GOAL == 0))
        cells: npt.NDArray[Any] = np.flatnonzero(candidates) if random_start else np.array(fixed)
        if cells.size == 0:
            raise SettingError("there is no cell to start in: no free cell has a way to a goal")
        return cells.astype(np.int32)
    if maze.cells.size**2 > np.iinfo(np.int32).max:
        raise SettingError(
            f"must be False for a maze of {maze.cells.size:,} cells: it makes {maze.cells.size:,} squared states, more "
            "than 2**31 - 1",
            setting="random_goal",
        )
    regions = np.where(safe, maze.regions(), -1).reshape(-1)
    pairs: list[npt.NDArray[Any]] = []
    for region in np.flatnonzero(np.bincount(regions[regions >= 0]) > 1):
        members = np.flatnonzero(regions == region).astype(np.int32)
        starts = members if random_start else np.intersect1d(members, fixed)
        check_memory(20 * members.size * starts.size, "the list of starts")
        named = members[:, None] * np.int32(maze.cells.size) + starts[None, :]
        pairs.append(named[members[:, None] != starts[None, :]])
    states: npt.NDArray[Any] = np.concatenate(pairs) if pairs else np.empty(0, np.int32)
    if states.size == 0:
        raise SettingError("there is nothing to seek: no two free cells have a way between them")
    return states.astype(np.int32, copy=False)
