"""Worlds that change in the course of a run: from given episodes or steps on, learning continues in another world."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from clew.environments import ModelEnvironment
from clew.errors import SettingError
from clew.learning.learner import Learner, reserve_for_world
from clew.learning.loops import Loop, new_loop_state, sequential_loop
from clew.learning.settings import Learning
from clew.learning.trainer import Trainer
from clew.policies.episodes import episode_spec
from clew.settings import shown


class Change(NamedTuple):
    """Another world from an episode on, or from the first episode after a number of steps."""

    start: int  # number of episodes or steps before it, as the length of the runs is given
    world: ModelEnvironment


def check_starts(worlds: Mapping[Any, Any]) -> None:
    """Check the episodes or steps from which worlds are to be used, the keys of a dictionary.

    Raises:
        SettingError: if they aren't ascending whole numbers from 0 on.
    """
    starts = list(worlds)
    are_whole = all(isinstance(each, int) and not isinstance(each, bool) for each in starts)
    if not are_whole or starts[:1] != [0] or starts != sorted(starts):
        raise SettingError(
            "a world that changes is a dictionary from the episode of each change, or with num_steps from its step, to "
            f"the world from then on, such as {{0: '5x5', 1000: other}}, not one with the keys {shown(starts)}"
        )


def check_reached(name: str, changes: Sequence[Change], length: int) -> None:
    """Check that a world changes before runs end.

    Args:
        name: of the world.
        changes: of the world.
        length: number of episodes or steps of each run, as changes are counted.

    Raises:
        SettingError: if a change starts after the end.
    """
    for change in changes:
        if change.start >= length:
            raise SettingError(f"the world {name!r}: would change at {change.start:,}, and runs end after {length:,}")


def check_changes(env: Any, learning: Learning, changes: Sequence[Change]) -> None:
    """Check that a learner can continue in every world to which its world changes.

    Raises:
        SettingError: if one has another table, or the learner interleaves episodes.
    """
    trainer = Trainer(env, num_episodes=1, **asdict(learning))
    for change in changes:
        trainer.change_world(change.world)


def loops_in(
    worlds: Iterable[ModelEnvironment], learner: Learner, num_episodes: int, seed: int
) -> Iterator[tuple[Learner, Loop]]:
    """Yield a learner and its loop in each of several worlds, in which it learns one after the other.

    Args:
        worlds: compiled worlds.
        learner: changed in place, and replaced if its learned model has to grow.
        num_episodes: number of episodes of the whole training, for schedules.
        seed: seed of the run.
    """
    state = new_loop_state((seed, 0, 0))
    for world in worlds:
        learner = reserve_for_world(learner, world.mdp)
        spec = episode_spec(world, None, learner.settings.exploring_starts)
        yield learner, sequential_loop(world.mdp.fast_model, spec, learner, num_episodes, state)
