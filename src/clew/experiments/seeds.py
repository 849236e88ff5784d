"""Seeds of an experiment."""

from collections import Counter
from collections.abc import Sized
from typing import Any

from clew.errors import SettingError
from clew.settings import as_list, check_count, shown

MAX_RUNS = 10_000_000  # whose seeds and results fit into the memory of a small machine


def as_seeds(name: str, seeds: Any) -> tuple[int, ...]:
    """Return the seeds of an experiment.

    Args:
        name: of the argument, for messages.
        seeds: its value.

    Raises:
        SettingError: if one isn't a non-negative integer, is there twice, or there is none, or more than 10 million.
    """
    if isinstance(seeds, int):
        raise SettingError(f"must be a list, such as range({shown(seeds)}), not {shown(seeds)}", setting=name)
    if isinstance(seeds, Sized) and len(seeds[: MAX_RUNS + 1] if isinstance(seeds, range) else seeds) > MAX_RUNS:
        raise SettingError(f"must be at most {MAX_RUNS:,}", setting=name)
    given = as_list(name, seeds, "non-negative integers, such as range(30)")
    for seed in given:
        check_count(f"{name}: each", seed, 0)
    plain = tuple(int(seed) for seed in given)
    if not plain:
        raise SettingError("must not be empty; take range(30)", setting=name)
    if len(set(plain)) < len(plain):
        twice = Counter(plain).most_common(1)[0][0]
        raise SettingError(f"must be different, and {shown(twice)} is there twice", setting=name)
    return plain
