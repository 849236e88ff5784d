"""Checks of the settings that all trainers share."""

from clew.errors import SettingError
from clew.learning.algorithms import ALGORITHMS
from clew.learning.settings import Learning
from clew.settings import check_choice, check_count

__all__ = ["MAX_AHEAD", "MAX_EPISODES", "NEVER", "SHARING", "check_run", "check_sharing", "check_streams"]

MAX_EPISODES = 10**12
NEVER = "never"
MAX_AHEAD = 1000  # rounds: each keeps a copy of the values
SHARING = ("central", "local")


def check_run(num_episodes: int, seed: int) -> None:
    """Check the settings that every trainer has.

    Raises:
        SettingError: names the one that is out of range.
    """
    check_count("num_episodes", num_episodes, 1, MAX_EPISODES)
    check_count("seed", seed, 0)


def check_streams(
    num_simulations: int, num_actors: int | None, sync_every: int | str | None, rounds_ahead: int
) -> None:
    """Check the settings that say how the work is shared.

    Raises:
        SettingError: names the one that is out of range.
    """
    check_count("num_simulations", num_simulations, 1)
    if num_actors is not None:
        check_count("num_actors", num_actors, 0)
    if isinstance(sync_every, str):
        if sync_every != NEVER:
            raise SettingError(f"must be a number of episodes, or {NEVER!r}, not {sync_every!r}", setting="sync_every")
    elif sync_every is not None:
        check_count("sync_every", sync_every, 1)
    check_count("rounds_ahead", rounds_ahead, 0, MAX_AHEAD)


def check_sharing(sharing: str, learning: Learning) -> None:
    """Check that the work of an algorithm can be shared in that way.

    Raises:
        SettingError: says why it can't be.
    """
    check_choice("sharing", sharing, SHARING)
    if sharing == "local" and ALGORITHMS[learning.algorithm].learns_model:
        raise SettingError(
            f"must be 'central' with {learning.algorithm}, which learns a model of the world: models can't be merged",
            setting="sharing",
        )
    if sharing == "central" and learning.num_interleaved > 1:
        raise SettingError(
            "must be 1 where simulations send their episodes to one learner",
            setting="num_interleaved",
            take={"sharing": "local", "num_simulations": 1},
        )
