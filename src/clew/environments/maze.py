"""Mazes as Gymnasium environments."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, cast

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.envs.registration import EnvSpec

from clew.environments.checks import STEPS_PER_STATE, check_world
from clew.environments.model import ModelEnvironment, action_error
from clew.errors import ModelError, SettingError, SizeError
from clew.kernels.dynamics import BLOCKED, GOAL
from clew.mazes import Maze
from clew.mazes.formats import Place, check_place
from clew.mazes.moves import FOUR, CellRewards, Moves, Rewards, find_moves, model_of_moves
from clew.models.checks import check_starts
from clew.models.mdp import FiniteMDP
from clew.registration import ENV_ID
from clew.settings import as_states, check_choice, check_count, check_flag, check_memory, check_type

RENDER_MODES = ("ansi", "human", "rgb_array")


class Action(IntEnum):
    """The actions of an `Environment` with the moves "four", in the order of the book's chapter.

    >>> import clew
    >>> list(clew.Action)
    [<Action.DOWN: 0>, <Action.LEFT: 1>, <Action.UP: 2>, <Action.RIGHT: 3>]
    >>> env = clew.Environment(clew.Maze.open(5, 5))
    >>> state, info = env.reset(seed=0)
    >>> env.step(clew.Action.RIGHT)[0]
    1
    """

    DOWN = 0
    LEFT = 1
    UP = 2
    RIGHT = 3


ACTION_ERROR = action_error(FOUR.actions)


class Environment(ModelEnvironment):
    """A Gymnasium environment in which a seeker looks for the goal of a maze.

    Observations are states: the seeker's cell, `row * columns + column`. With a random goal the state includes it,
    `goal cell * num_cells + cell`, since a table can't learn to find a goal that it can't observe; with the moves
    "robot" it includes the heading, `heading * num_cells + cell`.

    With the moves "four" the actions are 0 down, 1 left, 2 up, 3 right. A move into a wall stays. The reward of a move
    is `step_reward` (times the cost of the move), plus the rewards of what it meets. Reaching a goal or an exit
    terminates the episode, the step limit truncates it.

    Args:
        maze: the maze; by default the open 5x5 grid of the book's chapter.
        random_start: True to begin in a random cell from which a goal can be reached, never on a goal or hazard.
        random_goal: True to draw a goal for each episode, instead of the maze's own goals.
        starts: probability of each start cell, by its (row, column), in the ratio of whole numbers up to 10,000; None
            for the maze's own start, or a random one.
        goal_reward: added when a move reaches a goal.
        step_reward: reward of each move.
        outer_wall_reward: added when a move runs into the edge of the grid.
        hazard_reward: added when a move enters a hazard.
        slip: probability that a move slips to the left or right of its direction, half of it to each.
        exit_action: True if leaving an exit takes a step of its own: a move into it pays `step_reward`, and the next
            action, whatever it is, pays the exit's reward and ends the episode. The value of the exit's cell is then
            its reward, as in Russell & Norvig's book and the grids of Berkeley's course.
        moves: "four"; "eight" (four and diagonals of cost sqrt(2), which don't cut corners); "movingai" and
            "movingai-float32" ("eight", with the digits of sqrt(2) in the lengths of MovingAI's benchmark); "knight";
            "robot" (forward, turn left, turn right); or a `clew.Moves` of your own.
        max_episode_steps: step limit; by default 100 times the number of free cells.
        render_mode: None, "ansi" (text), "human" (terminal or notebook) or "rgb_array" (pixels).

    Attributes:
        maze: the maze.
        mdp: the `FiniteMDP` of the same world, for learners and planners.
        random_goal: True if the state includes the goal.
        moves: the set of moves, a `clew.Moves`.
        actions, max_episode_steps, stream: see `ModelEnvironment`.

    Raises:
        SettingError: if a setting is out of range, the maze lacks a start or a goal that isn't random, or a setting
            doesn't go with others, or with exits or rewards of cells.
        MazeError: if one of `starts` is outside the maze, blocked, a goal or a hazard, or has no path to a goal.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(5, 5), step_reward=-1.0)
    >>> env.reset(seed=0)
    (0, {'position': (0, 0), 'goal': (4, 4)})
    >>> env.step(0)  # down; state, reward, terminated, truncated, info
    (5, -1.0, False, False, {'position': (1, 0), 'goal': (4, 4)})
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 10}  # noqa: RUF012  # as Gymnasium declares it

    def __init__(
        self,
        maze: Maze | None = None,
        *,
        random_start: bool = False,
        random_goal: bool = False,
        starts: Mapping[Place, float] | None = None,
        goal_reward: float = 1.0,
        step_reward: float = 0.0,
        outer_wall_reward: float = 0.0,
        hazard_reward: float = -1.0,
        slip: float = 0.0,
        exit_action: bool = False,
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
        check_flag("random_start", random_start)
        check_flag("random_goal", random_goal)
        check_flag("exit_action", exit_action)
        if exit_action and not maze.exits:
            raise SettingError("has no effect on a maze without exits; set it to False", setting="exit_action")
        given = Rewards(goal_reward, step_reward, outer_wall_reward, hazard_reward)
        check_world(slip, max_episode_steps, **given._asdict())
        rewards = Rewards(*map(float, given))
        self.maze, self.render_mode, self.random_goal = maze, render_mode, random_goal
        self.moves = find_moves(moves)
        if starts is not None and (random_start or random_goal):
            raise SettingError("must be None with a random start or a random goal", setting="starts")
        mdp = self._make_model(starts, random_start, float(slip), rewards, exit_action)
        super().__init__(
            mdp.with_labels(actions=self.moves.actions),
            max_episode_steps=max_episode_steps or STEPS_PER_STATE * int((~maze.blocked).sum()),
            actions=self.moves.actions,
            has_goal=not maze.exits,  # an exit may be good or bad
        )
        # So that gymnasium.make can make an environment again that was made without it.
        self.spec = EnvSpec(ENV_ID, entry_point=cast(Any, type(self)), kwargs=settings)

    def _make_model(
        self,
        starts: Mapping[Place, float] | None,
        random_start: bool,
        slip: float,
        rewards: Rewards,
        exit_action: bool,
    ) -> FiniteMDP:
        """Return the model of the maze, in the form of a grid where this form has such moves and rewards.

        Raises:
            SettingError: if the goal is random and the model can't be a grid, or some of `starts` have no path.
        """
        maze, moves = self.maze, self.moves
        if starts is None:
            begin = _start_states(maze, random_start, self.random_goal, moves.includes_single_steps)
        else:
            begin = _weighted_starts(maze, starts)
        has_cell_rewards = bool(maze.exits or maze.cell_rewards)
        if moves == FOUR and not has_cell_rewards:
            return FiniteMDP.grid(maze.cells, begin, moving_goal=self.random_goal, slip=slip, **rewards._asdict())
        if self.random_goal:
            raise SettingError(
                "must be False for a maze with exits or rewards of cells"
                if has_cell_rewards
                else f"must be False with the moves {moves.name!r}: random goals need the moves 'four'",
                setting="random_goal",
            )
        cell_rewards = CellRewards.of(
            maze.cells, rewards.goal_reward, maze.exits, maze.cell_rewards, exit_action=exit_action
        )
        mdp = model_of_moves(
            maze.cells, moves, begin, random_start=random_start, slip=slip, rewards=rewards, cell_rewards=cell_rewards
        )
        if starts is not None and mdp.starts.size < begin.size:
            raise SettingError(
                f"has cells from which the moves {moves.name!r} have no path to a goal", setting="starts"
            )
        return mdp

    def render(self) -> str | npt.NDArray[np.uint8] | None:
        """Draw the maze with the seeker, S, in the way of `render_mode`.

        Returns:
            Text for "ansi", (height, width, 3) uint8 for "rgb_array", None for "human", which prints the text.
        """
        return self.render_state(self._state)

    def render_state(self, state: int | None) -> str | npt.NDArray[np.uint8] | None:
        """Draw the maze in a given state, as `render` does; None draws it without the seeker.

        Raises:
            SettingError: if there is no such state.
        """
        from clew.rendering.pixels import paint_scene  # imported late, because training draws nothing
        from clew.rendering.text import draw_scene, show

        if state is not None:
            check_count("state", state, 0, self.mdp.num_states - 1)
        if self.render_mode is None:
            gymnasium.logger.warn("render() does nothing without a render_mode; make the environment with one")
            return None
        if self.render_mode == "rgb_array":
            return paint_scene(self.maze, *self._places_of(state))
        frame = draw_scene(self.maze, *self._places_of(state))
        if self.render_mode == "ansi":
            return frame
        show(frame)
        return None

    def frame(self) -> str:
        """Return the maze with the seeker as text, independent of the render mode; a heading is drawn as an arrow."""
        from clew.rendering.text import draw_scene

        return draw_scene(self.maze, *self._places_of(self._state))

    def _places_of(self, state: int | None) -> tuple[Place | None, Place | None, int | None]:
        """Return (position, random goal or None, heading or None) of the seeker in a state; all None if it is None."""
        if state is None:
            return None, None, None
        return self._cell_of(state), self._goal_of(state) if self.random_goal else None, self._heading_of(state)

    @property
    def position(self) -> Place:
        """Place of the seeker, (row, column).

        Raises:
            SettingError: before the first reset.
        """
        if self._state is None:
            raise SettingError("the seeker stands nowhere before reset()")
        return self._cell_of(self._state)

    @property
    def goal(self) -> Place:
        """Goal of the current episode, (row, column); the first one if the maze has several.

        Raises:
            SettingError: before the first reset, if the goal is random.
        """
        if not self.random_goal:
            return self.maze.goals[0]
        if self._state is None:
            raise SettingError("a random goal is drawn by reset()")
        return self._goal_of(self._state)

    @property
    def heading(self) -> int | None:
        """Heading of a robot: 0 down, 1 left, 2 up, 3 right; None before the first reset and without four headings."""
        return None if self._state is None else self._heading_of(self._state)

    def encode(self, position: Place, goal: Place) -> int:
        """Return the state of given places; for a robot, with the heading down.

        Args:
            position: (row, column) of the seeker.
            goal: (row, column) of the goal; ignored if the goal isn't random.

        Raises:
            MazeError: if a place is outside the maze.
        """
        row, column = check_place("position", position, self.maze.rows, self.maze.columns)
        cell = row * self.maze.columns + column
        if not self.random_goal:
            return cell
        row, column = check_place("goal", goal, self.maze.rows, self.maze.columns)
        return (row * self.maze.columns + column) * self.maze.cells.size + cell

    def is_terminal(self, states: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return whether each of the given states is terminal: the seeker is on a goal or in a blocked cell.

        An exit that takes an action to leave is not terminal.
        """
        if self.maze.exits:
            return super().is_terminal(states)
        goals, cells = np.divmod(as_states("states", states, self.mdp.num_states), self.maze.cells.size)
        bits = self.maze.cells.reshape(-1)[cells]
        blocked: npt.NDArray[np.bool_] = (bits & BLOCKED) > 0
        return blocked | (cells == goals if self.random_goal else (bits & GOAL) > 0)

    def _cell_of(self, state: int) -> Place:
        return divmod(state % self.maze.cells.size, self.maze.columns)

    def _goal_of(self, state: int) -> Place:
        return divmod(state // self.maze.cells.size, self.maze.columns)

    def _heading_of(self, state: int) -> int | None:
        return state // self.maze.cells.size if self.moves.num_headings == len(Action) else None

    def _info(self) -> dict[str, Any]:
        return {"position": self.position, "goal": self.goal}


def _weighted_starts(maze: Maze, starts: Any) -> npt.NDArray[np.int32]:
    """Return the cells in which episodes begin, (num_starts,) int32, repeated in proportion to their probabilities.

    Raises:
        SettingError: if it isn't a mapping, or the probabilities are invalid.
        MazeError: if a place can't be a start.
    """
    check_type("starts", starts, Mapping, "a dict from (row, column) to a probability")
    _check_has_goal(maze)
    # The constructor checks each of them as the start of the maze.
    places = {maze.with_ends(place, None).start: probability for place, probability in starts.items()}
    numbers = {place[0] * maze.columns + place[1]: each for place, each in places.items() if place is not None}
    try:
        return check_starts(numbers, maze.cells.size)
    except ModelError as error:
        raise SettingError(str(error)) from None


def _check_has_goal(maze: Maze) -> None:
    if not maze.goals:
        raise SettingError("the maze has no goal", take={"goal": (0, 0), "random_goal": True})


def _start_states(maze: Maze, random_start: bool, random_goal: bool, single_steps: bool) -> npt.NDArray[np.int32]:
    """Return the states in which an episode may begin, (num_starts,) int32, without headings.

    Args:
        maze: the maze.
        random_start: True for all cells that are free, not hazards, and have a path to a goal.
        random_goal: True for pairs of a goal and a cell, `goal cell * num_cells + cell`, with a path between them.
        single_steps: True if the moves include single steps (`Moves.includes_single_steps`). If not, cells without a
            path are removed later, by `model_of_moves`.

    Raises:
        SettingError: if the maze lacks a start or goal that isn't random, there is no start state, or there are too
            many states.
    """
    if not random_start and maze.start is None:
        raise SettingError("the maze has no start", take={"start": (0, 0), "random_start": True})
    if not random_goal:
        _check_has_goal(maze)
    fixed = [] if maze.start is None else [maze.start[0] * maze.columns + maze.start[1]]
    safe = ~(maze.blocked | maze.hazards)
    if not random_goal:
        candidates = safe & ((maze.distances() > 0) if single_steps else (maze.cells & GOAL == 0))
        cells: npt.NDArray[Any] = np.flatnonzero(candidates) if random_start else np.array(fixed)
        if cells.size == 0:
            raise SettingError("there is no cell to start in: no free cell has a path to a goal")
        return cells.astype(np.int32)
    if maze.cells.size**2 > np.iinfo(np.int32).max:
        raise SizeError(
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
        raise SettingError("there is no start state: no two free cells have a path between them")
    return states.astype(np.int32, copy=False)
