"""Settings: fields that say what they mean, and checks of what users set."""

import os
import sys
from collections.abc import Iterable
from dataclasses import field, fields
from difflib import get_close_matches
from math import inf
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, NamedTuple, get_args

import numpy as np

from clew.errors import SettingError

__all__ = [
    "NOT_NEGATIVE",
    "POSITIVE",
    "SHARE",
    "Bounds",
    "check_choice",
    "check_count",
    "check_memory",
    "check_number",
    "choose_from",
    "did_you_mean",
    "make_plain",
    "nearest",
    "setting",
]


def setting(default: Any, meaning: str) -> Any:
    """A field that says what it means, for the help of the command line and the form of the page."""
    return field(default=default, metadata={"help": meaning})


# The types of settings, as errors call them. True is no number, and 1 isn't True.
KINDS: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple[int, int]: "a place, (row, column)",
    NoneType: "None",
}


def make_plain(settings: Any) -> None:
    """Check the type of every setting, and turn numbers of NumPy into Python's own: a run is saved as JSON.

    Args:
        settings: frozen dataclass; its fields are replaced.

    Raises:
        SettingError: names the one that is of another type, and says which is wanted.
    """
    for each in fields(settings):
        value, kinds = getattr(settings, each.name), _kinds_of(each.type)
        if isinstance(value, np.generic | np.ndarray):
            value = value.tolist()
        for kind in kinds:
            if _is_a(value, kind):
                object.__setattr__(settings, each.name, _as_a(value, kind))
                break
        else:
            wanted = " or ".join(KINDS[kind] for kind in kinds)
            raise SettingError(f"must be {wanted}, not {value!r}", setting=each.name)


def _kinds_of(wanted: Any) -> tuple[Any, ...]:
    """The types that a field may have, such as int and None."""
    return get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)


def _is_a(value: Any, kind: Any) -> bool:
    """Tell if a value is of a type; NumPy's numbers are numbers, and whole ones will do where any will."""
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    if kind == tuple[int, int]:
        is_pair = isinstance(value, list | tuple) and len(value) == 2
        return is_pair and all(_is_a(number, int) for number in value)
    return isinstance(value, kind)


def _as_a(value: Any, kind: Any) -> Any:
    """The same value as Python has it."""
    if kind == tuple[int, int]:
        return int(value[0]), int(value[1])
    try:
        return None if value is None else kind(value)
    except OverflowError:  # a whole number beyond all floats, which is refused as infinite
        return inf


def check_choice(name: str, chosen: Any, known: Any) -> None:
    """Check that a name is one of those there are."""
    if not isinstance(chosen, str) or chosen not in known:
        near = "".join(f"; did you mean {each!r}?" for each in nearest(chosen, known))
        raise SettingError(f"must be one of {', '.join(known)}, not {chosen!r}{near}", setting=name)


def nearest(typed: Any, known: Iterable[str], most: int = 1) -> list[str]:
    """Those of the known names that somebody may have meant; capitals don't matter, and what is no text means none."""
    if not isinstance(typed, str):
        return []
    names = {name.lower(): name for name in sorted(known)}
    return [names[name] for name in get_close_matches(typed.lower(), names, n=most)]


def did_you_mean(typed: Any, known: Iterable[str]) -> str:
    """A question for the middle of an error, with a blank after it; nothing if no name is near."""
    return "".join(f"did you mean {name!r}? " for name in nearest(typed, known))


def choose_from(typed: Any, known: Iterable[str]) -> str:
    """The end of an error about a name that isn't known: the one that may be meant, and all."""
    names, question = list(known), did_you_mean(typed, known)
    return f"{question}{'Choose' if question else 'choose'} from {', '.join(names)}"


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
POSITIVE = Bounds(above=0.0)


def check_number(
    name: str, number: Any, bounds: Bounds = ANY_NUMBER, *, single: bool = False, used_by: str = ""
) -> None:
    """Check that a number is finite and within bounds.

    Args:
        name: of the setting.
        number: its value.
        bounds: the numbers that are allowed.
        single: check it as float32 too, the type in which kernels take it.
        used_by: name of the exploration strategy that the bounds belong to, for the message.

    Raises:
        SettingError: if the number is out of range, or not a number.
    """
    wanted = " ".join(filter(None, ("a finite number", str(bounds), f"for {used_by}" if used_by else "")))
    if isinstance(number, np.generic):
        number = number.item()  # the greatest float is infinite among NumPy's float32
    if not _is_a(number, float) or not bounds.hold(number):
        raise SettingError(f"must be {wanted}, not {number!r}", setting=name)
    with np.errstate(over="ignore", under="ignore"):
        stored = float(np.float32(number))
    if single and not bounds.hold(stored):
        raise SettingError(
            f"must be {wanted}, also as float32, in which values are learned; {number!r} becomes {stored:g}",
            setting=name,
        )


def check_count(name: str, count: Any, least: int, most: float = inf) -> None:
    """Check that a number is whole and in its bounds."""
    if not _is_a(count, int) or not least <= int(count) <= most:
        bounds = f"of at least {least}" if most == inf else f"from {least} to {most:,}"
        raise SettingError(f"must be a whole number {bounds}, not {count!r}", setting=name)


def check_memory(num_bytes: int, what: str) -> None:
    """Refuse an array that the machine can't hold, before the memory is taken.

    Raises:
        SettingError: if it would take more than four fifths of the machine's memory.
    """
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if num_bytes > 0.8 * memory:
            raise SettingError(
                f"{what} would take {num_bytes / 1e9:.1f} GB, and this machine has {memory / 1e9:.1f} GB of memory"
            )
