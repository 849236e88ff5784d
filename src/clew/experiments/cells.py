"""Cells of an experiment: a learner in a world, which is run once with each seed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from inspect import signature
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.environments import Environment, ModelEnvironment, as_compiled
from clew.errors import ClewError, SettingError, StopTraining
from clew.experiments.changes import Change, check_changes, check_starts, loops_in
from clew.kernels.learning.rollouts import EpisodeStats
from clew.learning.agents import agent_transitions, check_agent, policy_of
from clew.learning.learner import Learner, initial_values
from clew.learning.loops import Loop, loop_over, new_loop
from clew.learning.members import Check, Members, play_episodes, play_steps, train_members
from clew.learning.precision import warn_if_coarse
from clew.learning.settings import Learning, as_learning
from clew.learning.training import check_values, joined, new_policy
from clew.mazes import Maze
from clew.models.mdp import FiniteMDP
from clew.policies.policy import table_shape
from clew.runs.configuration import WORLD_SETTINGS, TrainingConfig
from clew.settings import check_type, shown

AgentFactory = Callable[[Any, int], Any]
"""Function or class that makes an agent in plain Python, see `clew.run_agent`, of an environment and a seed."""

SOME_TABLES = (
    "with some seeds the agent has a table q of action values, and with others none; let all have one, or none"
)


MAX_NAME = 500  # characters of a name; messages have it


class Budget(NamedTuple):
    """Length of each run: a number of episodes, or of steps within which episodes begin; the other one is None.

    Of `every` episodes the last one is recorded.
    """

    num_episodes: int | None
    num_steps: int | None
    every: int


class CellResults(NamedTuple):
    """Results of some runs of a cell."""

    num_episodes: npt.NDArray[np.int64]  # (num_runs,), number of recorded episodes of each run
    stats: EpisodeStats  # of all recorded episodes, run after run
    tables: npt.NDArray[np.float32]  # (num_runs, num_states, num_actions), or (num_runs, 0, 0) of agents without q


@dataclass(frozen=True, eq=False)
class World:
    """World of an experiment.

    Attributes:
        name: its name in the experiment.
        env: the environment in the state in which it was given; a copy, which nothing changes, if it can be copied.
        compiled: its compiled form; None if it has none.
        remake: returns a new environment, if it was given by a name; None if it was given as an object.
        changes: other worlds, in which runs continue from some episodes or steps on.
    """

    name: str
    env: Any
    compiled: ModelEnvironment | None
    remake: Callable[[], Any] | None
    changes: tuple[Change, ...] = ()
    _lock: Any = field(default_factory=RLock)

    def __reduce__(self) -> tuple[Any, ...]:  # for actors; a lock can't be pickled
        return World, (self.name, self.env, self.compiled, self.remake, self.changes)

    @contextmanager
    def stepped(self) -> Iterator[Any]:
        """Return a context with an environment in the state in which it was given, which no other run steps.

        One that can't be copied is shared: no other thread steps it at the same time.
        """
        env = copy_of(self.env) if self.remake is None else self.remake()
        if env is not None:
            yield env
        else:
            with self._lock:
                yield self.env


@dataclass(frozen=True, eq=False)
class Cell:
    """A learner in a world.

    Attributes:
        learner_name: name of the learner in the experiment.
        learner: settings, or a function that makes an agent in plain Python.
        world: the world.
    """

    learner_name: str
    learner: Learning | AgentFactory
    world: World

    @property
    def name(self) -> str:
        """Name in messages, such as "sarsa in cliff"."""
        return f"{self.learner_name} in {self.world.name}"

    def check(self) -> None:
        """Check, before anything is run, that the learner fits the world; warn if float32 is too coarse.

        Raises:
            SettingError: if it doesn't fit; names the cell.
        """
        try:
            if self.world.changes:
                learning = self.learner if isinstance(self.learner, Learning) else Learning()
                check_changes(self.world.env, learning, self.world.changes)
            if isinstance(self.learner, Learning):
                initial = initial_values(self.world.env, self.world.compiled, self.learner)
                warn_if_coarse(self.learner, self.world.compiled, initial)
            else:
                with self.world.stepped() as env:
                    check_agent(self.learner(env, 0))
        except ClewError as error:
            raise SettingError(f"{self.name}: {error}") from None

    def run(self, seeds: Sequence[int], budget: Budget, check: Check) -> CellResults:
        """Run the learner once with each of some seeds.

        Args:
            seeds: at least one.
            budget: how long each run is.
            check: called now and then; raises an error to stop.

        Raises:
            SettingError: see `clew.train_policy` and `clew.run_agent`.
        """
        members = self._run_at_once(seeds, budget)
        if members is not None:
            return _recorded(members, budget.every)
        runs = []
        for seed in seeds:
            with self._named(seed):
                runs.append(self._run_one(seed, budget, check))
        if len({table.shape for _, table in runs}) > 1:
            raise SettingError(f"{self.name}: {SOME_TABLES}")
        num_episodes = np.array([stats.steps.size for stats, _ in runs])
        return CellResults(num_episodes, joined([stats for stats, _ in runs]), np.stack([table for _, table in runs]))

    @contextmanager
    def _named(self, seed: int) -> Iterator[None]:
        """Return a context whose exceptions, of an agent or an environment of the user, name the cell and the seed.

        Raises:
            SettingError: if `StopTraining` is raised.
        """
        try:
            yield
        except StopTraining:
            raise SettingError(
                f"{self.name}, seed {seed}: StopTraining was raised in a run, and all runs are equally long; raise it "
                "in progress, which stops the experiment"
            ) from None
        except Exception as error:
            error.add_note(f"raised by {self.name} with seed {seed}")
            raise

    def _run_at_once(self, seeds: Sequence[int], budget: Budget) -> Members | None:
        """Train in one call of a kernel with each of some seeds; return None if that can't be done.

        A single run is learned in stretches instead: it may be long, and a kernel can't be interrupted.
        """
        if not isinstance(self.learner, Learning) or self.world.compiled is None:
            return None
        if budget.num_episodes is None or len(seeds) == 1 or self.world.changes:
            return None
        return train_members(self.world.compiled, self.learner, seeds, budget.num_episodes)

    def _run_one(self, seed: int, budget: Budget, check: Check) -> tuple[EpisodeStats, npt.NDArray[np.float32]]:
        """Return (statistics of the recorded episodes, action values) of one run."""
        if not isinstance(self.learner, Learning):
            with self.world.stepped() as env:
                agent = self.learner(env, seed)
                check_agent(agent)
                envs = env, *(deepcopy(each.world) for each in self.world.changes)
                loops = ((None, loop_over(agent_transitions(agent, each, seed, i))) for i, each in enumerate(envs))
                stats = _play_changing(loops, [each.start for each in self.world.changes], budget, check)
                policy = policy_of(agent, env)
                return stats, np.zeros((0, 0), np.float32) if policy is None else policy.q
        if self.world.compiled is not None:
            return self._learn(self.world.env, seed, budget, check)
        with self.world.stepped() as env:
            return self._learn(env, seed, budget, check)

    def _learn(self, env: Any, seed: int, budget: Budget, check: Check) -> tuple[EpisodeStats, npt.NDArray[np.float32]]:
        """Train a learner with one seed in an environment, see `_run_one`."""
        assert isinstance(self.learner, Learning)
        world, num_episodes = self.world.compiled, budget.num_episodes or 1  # which schedules need
        policy, learner = new_policy(env, world, self.learner, seed, initial=initial_values(env, world, self.learner))
        if world is not None and self.world.changes:
            loops = loops_in((world, *(each.world for each in self.world.changes)), learner, num_episodes, seed)
            stats = _play_changing(loops, [each.start for each in self.world.changes], budget, check)
        else:
            loop = new_loop(env, world, learner, num_episodes, (seed, 0, 0))
            stats = _play(loop, None if world is None else learner, budget, check)
        check_values(policy.q, world)
        return stats, policy.q


def _play_changing(
    loops: Iterator[tuple[Learner | None, Loop]], starts: Sequence[int], budget: Budget, check: Check
) -> EpisodeStats:
    """Play a run in one world after the other; `starts` has the episodes or steps before each world but the first."""
    length, done, parts = budget.num_episodes or budget.num_steps or 0, 0, []
    for end, (learner, loop) in zip((*starts, length), loops, strict=True):
        if (left := min(end, length) - done) > 0:  # the last episode may have passed the end
            part = budget._replace(**{"num_steps" if budget.num_episodes is None else "num_episodes": left})
            stats = _play(loop, learner, part, check, done)
            done += left if budget.num_steps is None else int(stats.steps.sum())
            parts.append(stats)
    return joined(parts)


def _play(loop: Loop, learner: Learner | None, budget: Budget, check: Check, first: int = 0) -> EpisodeStats:
    if budget.num_episodes is not None:
        return play_episodes(loop, budget.num_episodes, budget.every, check, first)
    assert budget.num_steps is not None
    return play_steps(loop, learner, budget.num_steps, check)


def _recorded(members: Members, every: int) -> CellResults:
    """Return what is recorded of runs that were learned in one call."""
    kept = members.stats if every == 1 else EpisodeStats._make(each[:, every - 1 :: every] for each in members.stats)
    num_runs, num_kept = kept.steps.shape
    return CellResults(
        np.full(num_runs, num_kept), EpisodeStats._make(each.reshape(-1) for each in kept), members.tables
    )


# What is given --------------------------------------------------------------------------------------------------------


def as_worlds(worlds: Mapping[str, Any]) -> list[World]:
    """Return the worlds of an experiment.

    Raises:
        SettingError: if one is none; names it.
    """
    _check_names("worlds", worlds, "'5x5', 'cliff' or 'gym:FrozenLake-v1', an environment, a maze or a model")
    return [_as_world(name, given) for name, given in worlds.items()]


def _as_world(name: str, given: Any) -> World:
    """Return a world; raise a SettingError that names it if it is none."""
    if isinstance(given, Mapping):
        check_starts(given)
        first, *others = (_as_world(name, world) for world in given.values())
        if any(world.changes for world in (first, *others)):
            raise SettingError(f"the world {name!r}: a world to which it changes can't be a dictionary of changes too")
        compiled = [world.compiled for world in (first, *others) if world.compiled is not None]
        if len(compiled) < len(given):
            raise SettingError(f"the world {name!r}: only worlds with a model can change")
        changes = tuple(Change(start, world) for start, world in zip(given, compiled, strict=True))
        return replace(first, changes=changes[1:])
    try:
        remake = None
        if isinstance(given, str):
            given = TrainingConfig(maze=given)
        if isinstance(given, TrainingConfig):
            if unused := given.changed.keys() - set(WORLD_SETTINGS):
                raise SettingError(f"has settings of a learner or a run, {min(unused)}; give those of the world alone")
            remake = given.make_environment
            given = remake()
        env = given
        if isinstance(given, Maze):
            env = Environment(given)
        elif isinstance(given, FiniteMDP):
            env = ModelEnvironment(given)
        table_shape(env)  # raises an error if it isn't an environment
        if remake is None:
            env = copy_of(env) or env
        return World(name, env, as_compiled(env), remake)
    except ClewError as error:
        raise SettingError(f"the world {name!r}: {error}") from None


def copy_of(env: Any) -> Any | None:
    """Return a copy of an environment, with its state; None if it can't be copied, as with an open window or file."""
    try:
        return deepcopy(env)
    except Exception:  # of a class of the user
        return None


def as_learners(learners: Mapping[str, Any]) -> dict[str, Learning | AgentFactory]:
    """Return the learners of an experiment.

    Raises:
        SettingError: if one is neither settings nor a function that makes an agent; names it.
    """
    _check_names("learners", learners, "settings such as {'algorithm': 'sarsa'}, or functions that make an agent")
    return {name: _as_learner(name, given) for name, given in learners.items()}


def _as_learner(name: str, given: Any) -> Learning | AgentFactory:
    try:
        if isinstance(given, TrainingConfig):
            raise SettingError("is a whole TrainingConfig, with a world of its own; take its `learning`")
        if isinstance(given, Learning):
            return given
        if isinstance(given, str):
            return Learning(algorithm=given)
        if isinstance(given, Mapping):
            return as_learning(given)
    except ClewError as error:
        raise SettingError(f"the learner {name!r}: {error}") from None
    if not callable(given) or not _takes_two(given):
        raise SettingError(
            f"the learner {name!r} must be settings, the name of an algorithm, or a function or class that makes an "
            f"agent of (env, seed), not {shown(given)}"
        )
    factory: AgentFactory = given
    return factory


def _takes_two(function: Any) -> bool:
    """Return whether a function can be called with an environment and a seed."""
    try:
        signature(function).bind(None, 0)
    except TypeError:
        return False
    except ValueError:  # a function in C, whose arguments Python doesn't know
        return True
    return True


def _check_names(setting: str, given: Any, what: str) -> None:
    """Check that worlds or learners are given as a dictionary from a name to each.

    Raises:
        SettingError: if they aren't.
    """
    check_type(setting, given, Mapping, f"a dictionary of names and {what}")
    if not given:
        raise SettingError("must not be empty", setting=setting)
    for name in given:
        if not isinstance(name, str) or not name.isprintable() or not name:
            raise SettingError(f"must have printable names, not {shown(name)}", setting=setting)
        if len(name) > MAX_NAME:
            raise SettingError(f"must have names of at most {MAX_NAME} characters, not {len(name):,}", setting=setting)
