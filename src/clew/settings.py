"""Settings: fields that say what they mean, and checks of what users set."""

from dataclasses import field, fields
from numbers import Integral
from typing import Any, get_args

import numpy as np

from clew.errors import SettingError

__all__ = ["check_choice", "check_count", "check_number", "make_plain", "setting"]


def setting(default: Any, meaning: str) -> Any:
    """A field that says what it means, for the help of the command line and the form of the page."""
    return field(default=default, metadata={"help": meaning})


def make_plain(settings: Any) -> None:
    """Turn numbers of NumPy, and whole ones where a float is meant, into Python's own: a run is saved as JSON.

    Args:
        settings: frozen dataclass; its fields are replaced.

    Raises:
        SettingError: names the one that is neither True nor False, and should be.
    """
    for each in fields(settings):
        value, kinds = getattr(settings, each.name), get_args(each.type) or (each.type,)
        if isinstance(value, np.generic):
            value = value.item()
        if bool in kinds:
            if value not in (False, True):
                raise SettingError(f"{each.name} must be True or False, not {value!r}")
            value = bool(value)
        elif float in kinds and isinstance(value, int | np.floating):
            value = _as_float(value)
        elif int in kinds and isinstance(value, int):
            value = int(value)
        object.__setattr__(settings, each.name, value)


def _as_float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:  # a whole number beyond all floats, which is refused as infinite
        return float("inf")


def check_choice(name: str, chosen: Any, known: Any) -> None:
    """Check that a name is one of those there are."""
    if chosen not in known:
        raise SettingError(f"there is no {name} {chosen!r}; choose from {', '.join(known)}")


def check_number(
    name: str,
    number: Any,
    least: float = -np.inf,
    most: float = np.inf,
    above: float = -np.inf,
    single: bool = False,
) -> None:
    """Check that a number is finite and in its bounds; `single`: also as float32, the form in which kernels take it."""

    def fits(number: float) -> bool:
        return bool(least <= number <= most and number > above and np.isfinite(number))

    bounds = f"in ({above:g}, {most:g}]" if above > -np.inf else f"in [{least:g}, {most:g}]"
    if not isinstance(number, float) or not fits(number):
        raise SettingError(f"{name} must be a finite number {bounds}, not {number}")
    with np.errstate(over="ignore", under="ignore"):
        stored = float(np.float32(number))
    if single and not fits(stored):
        raise SettingError(
            f"{name} must be a finite number {bounds}, also as float32, in which values are learned; "
            f"{number!r} becomes {stored:g}"
        )


def check_count(name: str, count: Any, least: int, most: int = 1_000_000_000) -> None:
    """Check that a number is whole and in its bounds."""
    if not isinstance(count, Integral) or not least <= int(count) <= most:
        raise SettingError(f"{name} must be a whole number from {least} to {most:,}, not {count}")
