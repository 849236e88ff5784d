"""Settings: fields that say what they mean, and checks of what users set."""

import sys
from dataclasses import field, fields
from math import inf
from numbers import Integral, Real
from typing import Any, NamedTuple, get_args

import numpy as np

from clew.errors import SettingError

__all__ = [
    "NOT_NEGATIVE",
    "SHARE",
    "Bounds",
    "check_choice",
    "check_count",
    "check_number",
    "make_plain",
    "setting",
]


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


class Bounds(NamedTuple):
    """Which finite numbers a setting may be: from `least` to `most`, and above `above`."""

    least: float = -inf
    most: float = inf
    above: float = -inf

    def hold(self, number: Any) -> bool:
        """Tell if a number is one of them."""
        return bool(self.least <= number <= self.most and self.above < number and abs(number) <= sys.float_info.max)

    def __str__(self) -> str:
        if self.most == inf:
            at_least = f"of at least {self.least:g}" if self.least > -inf else ""
            return f"above {self.above:g}" if self.above > -inf else at_least
        return f"in ({self.above:g}, {self.most:g}]" if self.above > -inf else f"in [{self.least:g}, {self.most:g}]"


ANY_NUMBER = Bounds()
SHARE = Bounds(least=0.0, most=1.0)
NOT_NEGATIVE = Bounds(least=0.0)


def check_number(name: str, number: Any, bounds: Bounds = ANY_NUMBER, *, single: bool = False) -> None:
    """Check that a number is finite and in its bounds; `single`: also as float32, the form in which kernels take it."""
    wanted = f"a finite number {bounds}".rstrip()
    if not isinstance(number, Real) or isinstance(number, bool) or not bounds.hold(number):
        raise SettingError(f"{name} must be {wanted}, not {number!r}")
    with np.errstate(over="ignore", under="ignore"):
        stored = float(np.float32(number))
    if single and not bounds.hold(stored):
        raise SettingError(
            f"{name} must be {wanted}, also as float32, in which values are learned; {number!r} becomes {stored:g}"
        )


def check_count(name: str, count: Any, least: int, most: int = 1_000_000_000) -> None:
    """Check that a number is whole and in its bounds."""
    if not isinstance(count, Integral) or not least <= int(count) <= most:
        raise SettingError(f"{name} must be a whole number from {least} to {most:,}, not {count}")
