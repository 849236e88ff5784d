"""Worlds that change in the course of a run: from given episodes on, learning continues in another world."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from clew.environments import ModelEnvironment
from clew.errors import SettingError
from clew.kernels.learning.rollouts import EpisodeStats
from clew.learning.loops import Loop
from clew.learning.settings import Learning
from clew.learning.trainer import Trainer
from clew.learning.training import joined
from clew.settings import shown


class Change(NamedTuple):
    """Another world from an episode on."""

    episode: int
    world: ModelEnvironment


def check_episodes(worlds: Mapping[Any, Any]) -> None:
    """Check the episodes from which worlds are to be used, the keys of a dictionary.

    Raises:
        SettingError: if they aren't ascending whole numbers from 0 on.
    """
    episodes = list(worlds)
    are_whole = all(isinstance(each, int) and not isinstance(each, bool) for each in episodes)
    if not are_whole or episodes[:1] != [0] or episodes != sorted(episodes):
        raise SettingError(
            "a world that changes is a dictionary from the episode of each change to the world from then on, such as "
            f"{{0: '5x5', 1000: other}}, not one with the keys {shown(episodes)}"
        )


def make_trainer(env: Any, learning: Learning, num_episodes: int, seed: int) -> Trainer:
    """Return a trainer, which can continue in another world, with the bits of `train_policy`.

    Raises:
        SettingError: if episodes are to be interleaved, or the world has no model.
    """
    return Trainer(env, num_episodes=num_episodes, seed=seed, **asdict(learning))


def changing_loop(trainer: Trainer, changes: Sequence[Change]) -> Loop:
    """Return a loop of a trainer that changes the world before the episodes of some changes."""
    left = list(changes)

    def learn(n: int) -> EpisodeStats:
        parts = []
        while n:
            if left and trainer.num_ended == left[0].episode:
                trainer.change_world(left.pop(0).world)
            size = min(n, left[0].episode - trainer.num_ended) if left else n
            parts.append(trainer.learn(size))
            n -= size
        return joined(parts)

    return Loop(learn, None)
