"""Checks of the settings of a training that are not settings of a learner."""

from clew.settings import check_count

MAX_EPISODES = 10**12


def check_run(num_episodes: int, seed: int) -> None:
    """Check the number of episodes and the seed.

    Raises:
        SettingError: names the setting that is out of range.
    """
    check_count("num_episodes", num_episodes, 1, MAX_EPISODES)
    check_count("seed", seed, 0)
