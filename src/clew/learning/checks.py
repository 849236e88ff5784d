"""Checks of the settings that all trainers share."""

from clew.settings import check_count

__all__ = ["MAX_EPISODES", "check_run"]

MAX_EPISODES = 10**12


def check_run(num_episodes: int, seed: int) -> None:
    """Check the settings that every trainer has.

    Raises:
        SettingError: names the one that is out of range.
    """
    check_count("num_episodes", num_episodes, 1, MAX_EPISODES)
    check_count("seed", seed, 0)
