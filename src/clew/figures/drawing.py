"""`clew.draw`: a picture of a maze, and of whatever was learned, solved or done in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.environments import Environment
from clew.errors import SettingError
from clew.kernels.dynamics import BLOCKED, GOAL
from clew.mazes import MOVES, Maze, Moves
from clew.mazes.formats import Place
from clew.planning import Solution
from clew.policies.episodes import Trajectory
from clew.policies.policy import Policy
from clew.rendering.output import Drawing
from clew.rendering.paths import follow, places_of
from clew.rendering.picture import Picture
from clew.settings import check_choice

__all__ = ["SHOWN", "draw", "notebook_svg", "picture_of"]

SHOWN = ("values", "visits")
WITH_ARROWS = MOVES["four"].actions, MOVES["eight"].actions
Numbers = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def draw(
    world: Maze | Environment,
    what: Policy | Solution | Trajectory | npt.ArrayLike | None = None,
    *,
    show: str | None = None,
    path: Sequence[Place] | bool = True,
    optimal: Solution | Sequence[Place] | None = None,
    title: str | None = None,
) -> Drawing:
    """Draw a maze, and what was learned, solved or done in it.

        clew.draw(maze)
        clew.draw(env, policy, optimal=clew.solve(env)).save("learned.svg")
        clew.draw(env, clew.Simulation(env).rollout(policy)).save("episode.png")

    A cell is the deeper the more its best action is worth, from the least to the most in this picture; on a log scale
    where positive values span more than one order of magnitude (the lowest twentieth is then drawn alike). Arrows show
    the best actions, all of them where they tie. A cell where all actions are worth the same has neither shade nor
    arrows: nothing was learned there.

    Args:
        world: a maze, or an environment of one.
        what: a policy; the optimum of `solve`; an array of action values (num_states, num_actions), of counts of that
            shape, or of a number for each cell (num_cells,); or a trajectory. None draws the maze alone.
        show: "values", or "visits" (how often a trajectory was in each cell, or what an array counts); by default
            visits of trajectories, and values of all else.
        path: False for none; places to lay the thread through; by default the way of the greedy policy from the start,
            of actions that tie by the first, or that of a trajectory of one episode. Where moves go astray a policy has
            no one way, and none is drawn.
        optimal: the optimum, whose way from the start is drawn beside it (where both are as good, the same), or places.
        title: is written above the maze.

    Raises:
        SettingError: if the world is no maze, its goals are random, or what was learned doesn't fit it.
    """
    return Drawing(picture_of(world, what, show=show, path=path, optimal=optimal, title=title))


def picture_of(
    world: Maze | Environment,
    what: Policy | Solution | Trajectory | npt.ArrayLike | None = None,
    *,
    show: str | None = None,
    path: Sequence[Place] | bool = True,
    optimal: Solution | Sequence[Place] | None = None,
    title: str | None = None,
) -> Picture:
    """Return the contents of the picture that `draw` draws; the arguments are the same."""
    maze, moves = _opened(world)
    if show is None:
        show = "visits" if isinstance(what, Trajectory) else "values"
    check_choice("show", show, SHOWN)
    values: Numbers | None = None
    best: Mask | None = None
    way: tuple[Place, ...] = ()
    name = "greedy path"
    if isinstance(what, Trajectory):
        if show == "values":
            raise SettingError("a trajectory has no values; show its visits, or draw the policy")
        values, way, name = _visits(maze, moves, what), _way_of(maze, what), "way of the episode"
    elif show == "visits":
        values = _counts(maze, moves, what)
    elif isinstance(what, np.ndarray | list | tuple) and np.ndim(what) == 1:
        values = _numbers_of_cells(maze, what)
    elif what is not None:
        values, best = _learned(maze, moves, what)
    if best is not None:
        moves = _moves_for(moves, best.shape[1])
        if maze.start is not None and path is True and _is_certain(world, what):
            way = follow(maze, moves, _first_of(best))
    if not isinstance(path, bool):
        way, name = _places(path), "path"
    has_arrows = best is not None and moves is not None and moves.actions in WITH_ARROWS
    return Picture(
        maze,
        values,
        show.removesuffix("s") if show == "values" else show,
        best & ~best.all(axis=1, keepdims=True) if best is not None and has_arrows else None,
        path=way if path is not False else (),
        path_name=name,
        optimal=_optimal_way(maze, moves, optimal, best) if isinstance(optimal, Solution) else _places(optimal or ()),
        title=title,
    )


def notebook_svg(shown: Maze | Policy | Trajectory) -> str | None:
    """Return what a notebook shows: a maze, a policy, or the episodes of a trajectory; None if there is no one maze."""
    if isinstance(shown, Maze):
        return draw(shown).svg()
    world = getattr(shown.world, "unwrapped", None)
    if not isinstance(world, Environment) or world.random_goal:
        return None
    return draw(world, shown).svg()


def _places(places: Sequence[Place]) -> tuple[Place, ...]:
    return tuple((int(row), int(column)) for row, column in places)


def _opened(world: Maze | Environment) -> tuple[Maze, Moves | None]:
    """The maze of a world, and how one moves in it; a maze alone doesn't say."""
    if isinstance(world, Maze):
        return world, None
    if not isinstance(world, Environment):
        raise SettingError(f"only mazes are drawn: a Maze, or an Environment of one, not {type(world).__name__}")
    if world.random_goal:
        raise SettingError(
            "with random goals there is a picture for each goal, and none for all: draw the maze with one goal, "
            "env.maze.with_ends(start, goal), and the part of the table that is for it"
        )
    return world.maze, world.moves


def _moves_for(moves: Moves | None, num_actions: int) -> Moves:
    if moves is None and num_actions not in (4, 8):
        raise SettingError(f"a maze alone doesn't say how one moves by {num_actions} actions; draw the environment")
    return MOVES["four" if num_actions == 4 else "eight"] if moves is None else moves


def _num_states(maze: Maze, moves: Moves | None) -> int:
    return maze.cells.size * (1 if moves is None else moves.num_headings)


def _learned(maze: Maze, moves: Moves | None, what: Any) -> tuple[Numbers, Mask]:
    """A number for each cell, NaN where nothing was learned; and the best actions of each state, all where so."""
    if isinstance(what, Solution):
        _check_shape((what.mdp.num_states, what.mdp.num_actions), maze, moves)
        best, most = what.optimal_actions.copy(), np.asarray(what.v, np.float64)
    else:
        q = what.q if isinstance(what, Policy) else _as_numbers(what)
        _check_shape(q.shape, maze, moves)
        top = q[:, 0].copy()  # column by column: rows are short
        for column in q.T[1:]:
            np.maximum(top, column, out=top)
        if not np.isfinite(top).all() or not np.isfinite(q.min()):
            raise SettingError("q holds values that are not finite numbers")
        best, most = q == top[:, None], top.astype(np.float64)
    over = np.tile((maze.cells.reshape(-1) & (BLOCKED | GOAL)) > 0, len(most) // maze.cells.size)
    best[over] = True
    shown = np.where(best.all(axis=1), np.nan, most).reshape(-1, maze.cells.size)
    return np.fmax.reduce(shown, axis=0), best


def _check_shape(shape: tuple[int, ...], maze: Maze, moves: Moves | None) -> None:
    if len(shape) != 2 or shape[0] != _num_states(maze, moves):
        raise SettingError(
            f"values of the shape {shape} don't fit; this world asks for {_num_states(maze, moves)} states, by actions"
        )
    if _moves_for(moves, shape[1]).num_actions != shape[1]:
        raise SettingError(f"values of {shape[1]} actions don't fit; this world has {_moves_for(moves, 4).num_actions}")


def _as_numbers(what: Any) -> npt.NDArray[Any]:
    numbers = np.asarray(what)
    if numbers.dtype.kind not in "fiub":
        raise SettingError(
            f"drawn are a Policy, a Solution, a Trajectory, or an array of numbers, not {type(what).__name__}"
        )
    return numbers


def _numbers_of_cells(maze: Maze, what: npt.ArrayLike) -> Numbers:
    numbers = _as_numbers(what).astype(np.float64)
    if numbers.shape != (maze.cells.size,):
        raise SettingError(f"a number for each cell has the shape {(maze.cells.size,)}, not {numbers.shape}")
    return np.where((maze.cells.reshape(-1) & BLOCKED) > 0, np.nan, numbers)


def _counts(maze: Maze, moves: Moves | None, what: Any) -> Numbers:
    """How often each cell was visited, by an array of counts; NaN for never."""
    if what is None or isinstance(what, Policy | Solution):
        kind = "nothing" if what is None else f"a {type(what).__name__}"
        raise SettingError(f"{kind} doesn't say how often a cell was visited; draw a Trajectory, or an array of counts")
    counts = _as_numbers(what)
    if counts.ndim not in (1, 2) or counts.shape[0] != _num_states(maze, moves):
        raise SettingError(f"counts of the shape {counts.shape} don't fit {_num_states(maze, moves)} states")
    return _as_visits(counts.reshape(-1, maze.cells.size, *counts.shape[1:]).sum(axis=(0, *range(2, counts.ndim + 1))))


def _visits(maze: Maze, moves: Moves | None, trajectory: Trajectory) -> Numbers:
    """How often each cell was in a trajectory, the ends of its episodes included; NaN for never."""
    ends = trajectory.next_state[trajectory.terminated | trajectory.truncated]
    states = np.concatenate((trajectory.state, ends))
    if states.size and not 0 <= states.min() <= states.max() < _num_states(maze, moves):
        raise SettingError(f"the trajectory is of another world: this one has {_num_states(maze, moves)} states")
    return _as_visits(np.bincount(states % maze.cells.size, minlength=maze.cells.size))


def _as_visits(counts: npt.NDArray[Any]) -> Numbers:
    return np.where(counts > 0, counts, np.nan).astype(np.float64)


def _way_of(maze: Maze, trajectory: Trajectory) -> tuple[Place, ...]:
    """The way of one episode; several have none in common."""
    if len(trajectory) == 0 or trajectory.num_episodes > 1:
        return ()
    states = np.append(trajectory.state, trajectory.next_state[-1])
    return places_of((states % maze.cells.size).tolist(), maze.columns)


def _is_certain(*worlds: Any) -> bool:
    """Tell if moves lead where they should, in all of those that have a model."""
    models = [each.mdp for each in worlds if isinstance(each, Environment | Solution)]
    return all(model.is_deterministic for model in models)


def _first_of(best: Mask) -> Callable[[int], int | None]:
    first, is_tied = best.argmax(axis=1), np.logical_and.reduce(best, axis=1)
    return lambda state: None if is_tied[state] else int(first[state])


def _optimal_way(maze: Maze, moves: Moves | None, optimal: Solution, best: Mask | None) -> tuple[Place, ...]:
    """The way of an optimal policy, which is that of the greedy one wherever that is as good."""
    shape = optimal.mdp.num_states, optimal.mdp.num_actions
    _check_shape(shape, maze, moves)
    if maze.start is None or not _is_certain(optimal):
        return ()
    actions = optimal.optimal_actions
    # Without a discount all actions may be as good, of which some come to no end; the policy does.
    is_tied = bool(actions[maze.start[0] * maze.columns + maze.start[1]].all())
    if best is not None:
        shared = actions & best
        actions = np.where(shared.any(axis=1, keepdims=True), shared, actions)
    first = optimal.policy if is_tied else actions.argmax(axis=1)
    return follow(maze, _moves_for(moves, shape[1]), lambda state: int(first[state]))
