"""`clew.draw`: drawings of a maze, of values and policies in it, and of episodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.environments import Environment
from clew.errors import SettingError
from clew.evaluation.grades import OTHER_WORLD, is_same_model
from clew.kernels.dynamics import BLOCKED, GOAL, Grid
from clew.mazes import MOVES, Maze, Moves
from clew.mazes.formats import Place
from clew.planning import Solution
from clew.policies.given import HasPolicy, check_unambiguous, policy_in
from clew.policies.policy import Policy
from clew.policies.tables import ANY_ACTION
from clew.policies.trajectory import Trajectory
from clew.rendering.output import Drawing
from clew.rendering.paths import follow_policy, places_of
from clew.rendering.picture import Picture
from clew.settings import as_list, as_numbers, check_choice, check_type, shown

SHOWN = ("values", "visits")
MOVES_WITH_ARROWS = MOVES["four"].actions, MOVES["eight"].actions
Numbers = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def draw(
    world: Maze | Environment,
    what: Policy | HasPolicy | Trajectory | npt.ArrayLike | None = None,
    *,
    show: str | None = None,
    path: Sequence[Place] | bool = True,
    optimal: Solution | Sequence[Place] | None = None,
    title: str | None = None,
) -> Drawing:
    """Draw a maze, optionally with values, a policy, an episode and paths in it.

    A cell is shaded by the value of its best action: the deeper, the higher. The scale goes from the lowest to the
    highest value of the drawing; if all values are at least 0 and span more than an order of magnitude it is
    logarithmic, and the lowest 5% have one shade. Arrows show the greedy actions, all of them where several tie. A cell
    where all actions have the same value has neither shade nor arrows: nothing was learned there. A policy of actions
    or of probabilities has no values, so there are no shades; arrows show all actions that it may take.

    Args:
        world: maze, or environment of a maze.
        what: what to draw in it. A `Policy`; a `Solution` of `solve`; an array of action values, (num_states,
            num_actions), or of numbers of cells, (num_cells,); counts of either shape, with show="visits"; or a
            `Trajectory`. None draws the maze only.
        show: "values", or "visits" (how often each cell was visited, by a trajectory or an array of counts). None shows
            visits for trajectories, values otherwise. Integers for cells that might be actions need "values".
        path: True draws the path of the greedy policy from the start, if moves and policy are deterministic (of tied
            actions the first), or the path of a trajectory of one episode. A sequence of (row, column) draws that path,
            False none.
        optimal: optimal path, drawn dashed: a `Solution`, or a sequence of (row, column). That of a `Solution` follows
            the greedy policy wherever that is optimal.
        title: text above the maze; None for no title.

    Returns:
        `Drawing`, which notebooks display. It has `svg()`, `pixels()`, `text()`, and `save(path)` for .svg, .png and
        .txt; its data, such as `path`, are in `picture`.

    Raises:
        SettingError: if the world is not a maze, its goals are random, `what`, `path` or `optimal` doesn't fit it, or
            an array can be read in two ways.

    Examples:
        >>> import clew
        >>> maze = clew.Maze.open(2, 3)
        >>> print(clew.draw(maze).text(), end="")
        S..
        ..G
        >>> drawing = clew.draw(maze, clew.solve(maze), optimal=clew.solve(maze))
        >>> drawing.picture.path
        ((0, 0), (1, 0), (1, 1), (1, 2))
        >>> print(drawing.text(), end="")
        ↓ ↓ ↓
        → → G
        >>> drawing.save("maze.svg")  # doctest: +SKIP
    """
    maze, moves = _maze_and_moves(world)
    if title is not None:
        check_type("title", title, str, "text")
    is_asked = show is not None
    if show is None:
        show = "visits" if isinstance(what, Trajectory) else "values"
    check_choice("show", show, SHOWN)
    values: Numbers | None = None
    greedy: Mask | None = None
    places: tuple[Place, ...] = ()
    name = "greedy path"
    if isinstance(what, Trajectory):
        if show == "values":
            raise SettingError("a trajectory has no values; show its visits, or draw the policy")
        values, places, name = _visits(maze, moves, what), _episode_path(maze, what), "path of the episode"
    elif show == "visits":
        values = _counted_visits(maze, moves, what)
    elif isinstance(what, np.ndarray | list | tuple) and as_numbers("what", what).ndim == 1:
        values = _cell_numbers(maze, moves, what, is_asked)
    elif what is not None:
        values, greedy = _values_and_greedy(maze, moves, what)
    if greedy is not None:
        moves = _moves_for(moves, greedy.shape[1])
        if maze.start is not None and path is True and _are_deterministic(world, what) and not _draws(what, greedy):
            places = follow_policy(maze, moves, _first_greedy(greedy))
    if not isinstance(path, bool):
        places, name = _as_places("path", path), "path"
    has_arrows = greedy is not None and moves is not None and moves.actions in MOVES_WITH_ARROWS
    picture = Picture(
        maze,
        values,
        "value" if show == "values" else show,
        greedy & ~greedy.all(axis=1, keepdims=True) if greedy is not None and has_arrows else None,
        path=places if path is not False else (),
        path_name=name,
        optimal=_optimal_path(world, moves, optimal, greedy)
        if isinstance(optimal, Solution)
        else _as_places("optimal", () if optimal is None else optimal),
        title=title,
    )
    return Drawing(picture)


def notebook_svg(shown: Maze | Policy | Trajectory) -> str | None:
    """Return the SVG that a notebook shows of a maze, a policy or a trajectory; None if it doesn't have one maze.

    A policy and a trajectory have one if their world is an environment of a maze without random goals.
    """
    if isinstance(shown, Maze):
        return draw(shown).svg()
    world = getattr(shown.world, "unwrapped", None)
    if not isinstance(world, Environment) or world.random_goal:
        return None
    return draw(world, shown).svg()


def _as_places(name: str, places: Any) -> tuple[Place, ...]:
    """Return places as (row, column) of Python integers.

    Raises:
        SettingError: if they aren't a list of such places.
    """
    try:
        return tuple((index(row), index(column)) for row, column in as_list(name, places, "(row, column)"))
    except (TypeError, ValueError):
        raise SettingError(f"must be a list of (row, column), not {shown(places)}", setting=name) from None


def _maze_and_moves(world: Maze | Environment) -> tuple[Maze, Moves | None]:
    """Return the maze of a world, and its moves; None for the moves of a maze alone.

    Raises:
        SettingError: if the world is not a maze, or its goals are random.
    """
    if isinstance(world, Maze):
        return world, None
    if not isinstance(world, Environment):
        raise SettingError(f"only mazes are drawn: expected a Maze or an Environment, got {type(world).__name__}")
    if world.random_goal:
        raise SettingError(
            "one picture can't show the values for all random goals: draw the maze with one goal, "
            "env.maze.with_ends(start, goal), and the part of the table for it"
        )
    return world.maze, world.moves


def _moves_for(moves: Moves | None, num_actions: int) -> Moves:
    """Return the moves, or if they are unknown the four or eight moves for a number of actions.

    Raises:
        SettingError: if they are unknown, and there are neither four nor eight actions.
    """
    if moves is None and num_actions not in (4, 8):
        raise SettingError(f"a maze alone has 4 or 8 actions, got {num_actions}; draw the environment instead")
    return MOVES["four" if num_actions == 4 else "eight"] if moves is None else moves


def _num_states(maze: Maze, moves: Moves | None) -> int:
    """Return the number of states: one for each cell and heading."""
    return maze.cells.size * (1 if moves is None else moves.num_headings)


def _values_and_greedy(maze: Maze, moves: Moves | None, what: Any) -> tuple[Numbers | None, Mask]:
    """Return the values and greedy actions of a policy, a solution, or an array of action values.

    Args:
        maze: the maze.
        moves: of the environment; None if unknown.
        what: the policy, solution or array.

    Returns:
        (num_cells,) float64, value of the best action in each cell (in its best heading), NaN where nothing was
        learned, or None if the policy has no values; and (num_states, num_actions) bool, greedy actions, all of them
        where nothing was learned.

    Raises:
        SettingError: if it has another shape than the maze, values that are not finite, or can be read in two ways.
    """
    v: npt.NDArray[Any] | None = None
    if isinstance(what, Solution):
        _check_shape((what.mdp.num_states, what.mdp.num_actions), maze, moves)
        greedy, v = what.optimal_actions.copy(), np.asarray(what.v, np.float64)
    elif (policy := policy_in(what)) is not None and policy.kind != "values":
        _check_shape(policy.shape, maze, moves)
        greedy = policy.greedy_actions()
    else:
        q = _as_numbers(what) if policy is None else policy.q
        _check_shape(q.shape, maze, moves)
        if policy is None:
            check_unambiguous("what", q)
        highest = q[:, 0].copy()  # by columns, which is faster than q.max(axis=1) with its short rows
        for column in q.T[1:]:
            np.maximum(highest, column, out=highest)
        if not np.isfinite(highest).all() or np.isnan(q.min()):  # -inf marks actions that aren't available
            raise SettingError("expected finite action values, got infinite ones or NaN")
        greedy, v = q == highest[:, None], highest.astype(np.float64)
    greedy[np.tile((maze.cells.reshape(-1) & (BLOCKED | GOAL)) > 0, len(greedy) // maze.cells.size)] = True
    if v is None:
        return None, greedy
    shown = np.where(greedy.all(axis=1), np.nan, v).reshape(-1, maze.cells.size)
    return np.fmax.reduce(shown, axis=0), greedy


def _check_shape(shape: tuple[int, ...], maze: Maze, moves: Moves | None) -> None:
    """Raise SettingError if a shape is not (num_states, num_actions) of a maze and its moves."""
    expected = _num_states(maze, moves), _moves_for(moves, shape[1] if len(shape) == 2 else 4).num_actions
    if shape != expected:
        raise SettingError(f"expected values of shape {expected}, (num_states, num_actions), got {shape}")


def _as_numbers(what: Any) -> npt.NDArray[Any]:
    """Return an object as an array of numbers, or raise SettingError if it is not one."""
    try:
        numbers: npt.NDArray[Any] = as_numbers("what", what)
    except SettingError:
        raise SettingError(
            f"expected a Policy, a Solution, a Trajectory or an array of numbers, got {type(what).__name__}"
        ) from None
    return numbers


def _draws(what: Any, greedy: Mask) -> bool:
    """Return whether a policy draws its actions by probabilities somewhere, so that it has no single path."""
    policy = policy_in(what)
    several = (greedy.sum(axis=1) > 1) & ~greedy.all(axis=1)
    return policy is not None and policy.kind == "probabilities" and bool(several.any())


def _cell_numbers(maze: Maze, moves: Moves | None, what: npt.ArrayLike, is_asked: bool) -> Numbers:
    """Return one number per cell, NaN in blocked cells.

    Args:
        maze: the maze.
        moves: of the environment; None if unknown.
        what: (num_cells,) numbers.
        is_asked: whether the caller asked for values, so that these can't be actions.

    Raises:
        SettingError: if the shape is another, or the numbers may be actions.
    """
    given = _as_numbers(what)
    numbers = given.astype(np.float64)
    if numbers.shape != (maze.cells.size,):
        raise SettingError(f"expected numbers of shape {(maze.cells.size,)}, one per cell, got {numbers.shape}")
    num_actions = max(len(actions) for actions in MOVES_WITH_ARROWS) if moves is None else moves.num_actions
    if not is_asked and given.dtype.kind in "iu" and given.min() >= ANY_ACTION and given.max() < num_actions:
        raise SettingError(
            "can be read in two ways: as actions or as numbers of cells; give clew.Policy.from_actions(env, actions), "
            "or show='values' for numbers",
            setting="what",
        )
    return np.where((maze.cells.reshape(-1) & BLOCKED) > 0, np.nan, numbers)


def _counted_visits(maze: Maze, moves: Moves | None, what: Any) -> Numbers:
    """Return the visits of each cell, by an array of counts.

    Args:
        maze: the maze.
        moves: of the environment; None if unknown.
        what: (num_states,) or (num_states, num_actions), counts.

    Returns:
        (num_cells,) float64, NaN for none.

    Raises:
        SettingError: if it is not an array of such a shape.
    """
    if what is None or policy_in(what) is not None:
        kind = "nothing" if what is None else f"a {type(what).__name__}"
        raise SettingError(f"expected a Trajectory or an array of counts to show visits of, got {kind}")
    counts = _as_numbers(what)
    if counts.ndim not in (1, 2) or counts.shape[0] != _num_states(maze, moves):
        raise SettingError(f"expected counts of {_num_states(maze, moves)} states, got shape {counts.shape}")
    axes = 0, *range(2, counts.ndim + 1)  # headings and actions
    return _nan_for_none(counts.reshape(-1, maze.cells.size, *counts.shape[1:]).sum(axis=axes))


def _visits(maze: Maze, moves: Moves | None, trajectory: Trajectory) -> Numbers:
    """Return the visits of each cell in a trajectory, the last states of its episodes included.

    Args:
        maze: the maze.
        moves: of the environment; None if unknown.
        trajectory: of any number of episodes.

    Returns:
        (num_cells,) float64, NaN for none.

    Raises:
        SettingError: if the trajectory has states that the maze doesn't have.
    """
    ends = trajectory.next_state[trajectory.terminated | trajectory.truncated]
    states = np.concatenate((trajectory.state, ends))
    if states.size and not 0 <= states.min() <= states.max() < _num_states(maze, moves):
        raise SettingError(
            f"expected a trajectory of this maze, which has {_num_states(maze, moves)} states, got states "
            f"{states.min()} to {states.max()}"
        )
    return _nan_for_none(np.bincount(states % maze.cells.size, minlength=maze.cells.size))


def _nan_for_none(counts: npt.NDArray[Any]) -> Numbers:
    """Return counts as float64, with NaN instead of 0."""
    return np.where(counts > 0, counts, np.nan).astype(np.float64)


def _episode_path(maze: Maze, trajectory: Trajectory) -> tuple[Place, ...]:
    """Return the path of a trajectory of one episode; none if it is empty or has several episodes."""
    if len(trajectory) == 0 or trajectory.num_episodes > 1:
        return ()
    states = np.append(trajectory.state, trajectory.next_state[-1])
    return places_of((states % maze.cells.size).tolist(), maze.columns)


def _are_deterministic(*worlds: Any) -> bool:
    """Return whether moves are deterministic in all environments and solutions among some objects."""
    return all(each.mdp.is_deterministic for each in worlds if isinstance(each, Environment | Solution))


def _first_greedy(greedy: Mask) -> Callable[[int], int | None]:
    """Return a function from a state to its first greedy action; to None where all actions are greedy.

    Args:
        greedy: (num_states, num_actions) bool.
    """
    first, is_tied = greedy.argmax(axis=1), np.logical_and.reduce(greedy, axis=1)
    return lambda state: None if is_tied[state] else int(first[state])


def _optimal_path(
    world: Maze | Environment, moves: Moves | None, optimal: Solution, greedy: Mask | None
) -> tuple[Place, ...]:
    """Return the path of an optimal policy from the start, which takes greedy actions wherever these are optimal.

    Args:
        world: the maze, or the environment.
        moves: of the environment; None if unknown.
        optimal: solution of the world.
        greedy: (num_states, num_actions) bool, greedy actions of another policy; None for no preference.

    Returns:
        The path; empty if the maze has no start, or moves are stochastic.

    Raises:
        SettingError: if the solution is of another world.
    """
    maze = world if isinstance(world, Maze) else world.maze
    shape = optimal.mdp.num_states, optimal.mdp.num_actions
    _check_shape(shape, maze, moves)
    if not _is_solution_of(world, optimal):
        raise SettingError(OTHER_WORLD)
    if maze.start is None or not _are_deterministic(optimal):
        return ()
    actions = optimal.optimal_actions
    # Without a discount all actions may be optimal, even those that never reach a goal; `optimal.actions` do reach it.
    is_tied = bool(actions[maze.start[0] * maze.columns + maze.start[1]].all())
    if greedy is not None:
        shared = actions & greedy
        actions = np.where(shared.any(axis=1, keepdims=True), shared, actions)
    first = optimal.actions if is_tied else actions.argmax(axis=1)
    return follow_policy(maze, _moves_for(moves, shape[1]), lambda state: int(first[state]))


def _is_solution_of(world: Maze | Environment, optimal: Solution) -> bool:
    """Return whether a solution is of this world; of a maze alone, whose rewards are unknown, whether cells agree."""
    if isinstance(world, Environment):
        return is_same_model(world.mdp, optimal.mdp)
    model = optimal.mdp.model
    return not isinstance(model, Grid) or np.array_equal(model.cells, world.cells.reshape(-1))
