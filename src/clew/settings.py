"""Declaring settings as fields of dataclasses, and checking the values that users give.

NumPy is imported by the checks only, so that settings can be listed without it.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import field, fields
from math import inf
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NamedTuple, get_args

from clew.errors import SettingError, SizeError


def setting(default: Any, meaning: str) -> Any:
    """Return a dataclass field with a default and a help text, for the command line and the form of the page."""
    return field(default=default, metadata={"help": meaning})


MAX_EPISODES = 10**12
MAX_SHOWN = 100  # characters of a given value in a message

# Names of the types of settings in error messages.
KINDS: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple[int, int]: "a place, (row, column)",
    dict[str, Any]: "a dictionary of names and values",
    NoneType: "None",
}


def shown(value: Any) -> str:
    """Return a given value for a message: as Python writes it if that is short and printable, else its type."""
    try:
        text = repr(value)
    except Exception:  # of a class of the user; an integer of over 4300 digits has no text either
        text = ""
    if text and len(text) <= MAX_SHOWN and text.isprintable():
        return text
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def make_plain(settings: Any) -> None:
    """Check the type of every setting and convert numbers of NumPy to Python's, so that a run can be saved as JSON.

    Args:
        settings: frozen dataclass; its fields are replaced.

    Raises:
        SettingError: if a setting has another type than its field; the message names both.
    """
    for each in fields(settings):
        value, kinds = getattr(settings, each.name), _types_of(each.type)
        if hasattr(value, "tolist"):  # a number or an array of NumPy
            value = value.tolist()
        for kind in kinds:
            if _is_a(value, kind):
                object.__setattr__(settings, each.name, _convert(value, kind))
                break
        else:
            expected = " or ".join(KINDS[kind] for kind in kinds)
            raise SettingError(f"must be {expected}, not {shown(value)}", setting=each.name)


def _types_of(annotation: Any) -> tuple[Any, ...]:
    """Return the types that an annotation such as `int | None` allows."""
    return get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)


def _is_a(value: Any, kind: Any) -> bool:
    """Return whether a value has a type. NumPy's numbers count as int or float, an int as float, a bool as neither."""
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    if kind == tuple[int, int]:
        is_pair = isinstance(value, list | tuple) and len(value) == 2
        return is_pair and all(_is_a(number, int) for number in value)
    if kind == dict[str, Any]:
        return isinstance(value, dict)
    return isinstance(value, kind)


def _convert(value: Any, kind: Any) -> Any:
    """Convert a value to one of Python's types; a whole number that is too large for a float becomes inf."""
    if kind == tuple[int, int]:
        return int(value[0]), int(value[1])
    try:
        return None if value is None else kind(value)
    except OverflowError:
        return inf


def check_choice(name: str, chosen: Any, known: Iterable[str]) -> None:
    """Check that the value of a setting is one of the known names.

    Raises:
        SettingError: if it is another; the message lists the known names and suggests the nearest one.
    """
    known = list(known)
    if not isinstance(chosen, str) or chosen not in known:
        suggestion = "".join(f"; did you mean {each!r}?" for each in nearest(chosen, known))
        raise SettingError(f"must be one of {', '.join(known)}, not {shown(chosen)}{suggestion}", setting=name)


def nearest(typed: Any, known: Iterable[str], most: int = 1) -> list[str]:
    """Return up to `most` known names that resemble a typed one, whatever the case; none if it is not text."""
    from difflib import get_close_matches

    if not isinstance(typed, str):
        return []
    names = {name.lower(): name for name in sorted(known)}
    return [names[name] for name in get_close_matches(typed.lower(), names, n=most)]


def did_you_mean(typed: Any, known: Iterable[str]) -> str:
    """Return "did you mean 'NAME'? " with the known name nearest to a typed one, or "" if none is near."""
    return "".join(f"did you mean {name!r}? " for name in nearest(typed, known))


def choose_from(typed: Any, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known name, and a list of all known names."""
    names, question = list(known), did_you_mean(typed, known)
    return f"{question}{'Choose' if question else 'choose'} from {', '.join(names)}"


class Bounds(NamedTuple):
    """An interval of finite numbers: from `least` to `most`, both included, and greater than `above`.

    >>> from clew.extending import Bounds
    >>> str(Bounds(most=1.0, above=0.0)), Bounds(most=1.0, above=0.0).hold(0.0)
    ('in (0, 1]', False)
    """

    least: float = -inf
    most: float = inf
    above: float = -inf

    def hold(self, number: Any) -> bool:
        """Return whether a number is finite and within the bounds."""
        return bool(self.least <= number <= self.most and self.above < number and abs(number) <= sys.float_info.max)

    def __str__(self) -> str:
        if self.most == inf:
            at_least = f"of at least {self.least:g}" if self.least > -inf else ""
            return f"above {self.above:g}" if self.above > -inf else at_least
        most = f"{self.most:.12g}"  # which isn't 1 for the number below it
        return f"in ({self.above:g}, {most}]" if self.above > -inf else f"in [{self.least:g}, {most}]"


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
        SettingError: if the number is out of bounds, or not a number.
    """
    import numpy as np

    expected = " ".join(filter(None, ("a finite number", str(bounds), f"for {used_by}" if used_by else "")))
    if isinstance(number, np.generic):
        number = number.item()  # the largest float would be infinite among NumPy's float32
    if not _is_a(number, float) or not bounds.hold(number):
        raise SettingError(f"must be {expected}, not {shown(number)}", setting=name)
    with np.errstate(over="ignore", under="ignore"):
        stored = float(np.float32(number))
    if single and not bounds.hold(stored):
        raise SettingError(
            f"must be {expected}, also as float32, in which values are learned; {number!r} becomes {stored:g}",
            setting=name,
        )


def check_count(name: str, count: Any, least: int, most: float = inf) -> None:
    """Check that the value of a setting is a whole number from `least` to `most`.

    Raises:
        SettingError: if it is out of these bounds, or not a whole number.
    """
    if not _is_a(count, int) or not least <= int(count) <= most:
        bounds = f"of at least {least}" if most == inf else f"from {least} to {most:,}"
        raise SettingError(f"must be a whole number {bounds}, not {shown(count)}", setting=name)


def check_flag(name: str, flag: Any) -> None:
    """Check that the value of a setting is True or False.

    Raises:
        SettingError: if it is anything else, such as 1 or "no".
    """
    import numpy as np

    if not isinstance(flag, bool | np.bool_):
        raise SettingError(f"must be True or False, not {shown(flag)}", setting=name)


def check_type(name: str, value: Any, expected: type | UnionType, what: str) -> None:
    """Check that the value of a setting is an object of a type.

    Args:
        name: of the setting.
        value: its value.
        expected: the type, or a union of types.
        what: what it must be, such as "a Trajectory", perhaps with advice after a semicolon.

    Raises:
        SettingError: if it is of another type.
    """
    if not isinstance(value, expected):
        what, semicolon, advice = what.partition(";")
        raise SettingError(f"must be {what}, not {shown(value)}{semicolon}{advice}", setting=name)


def check_callable(name: str, f: Any, of: str) -> None:
    """Check that the value of a setting is a function.

    Args:
        name: of the setting.
        f: its value.
        of: what the function is called with, such as "the RoundMetrics of a round".

    Raises:
        SettingError: if it can't be called.
    """
    if not callable(f):
        raise SettingError(f"must be a function of {of}, not {shown(f)}", setting=name)


def as_path(name: str, path: Any) -> Path:
    """Return the path of a file or folder.

    Raises:
        SettingError: if it is neither text nor a path.
    """
    if not isinstance(path, str | os.PathLike):
        raise SettingError(f"must be a path, such as 'folder/name', not {shown(path)}", setting=name)
    return Path(os.fsdecode(path))


def as_list(name: str, values: Any, of: str) -> list[Any]:
    """Return the elements of a list, a tuple, an array or another iterable.

    Args:
        name: of the setting.
        values: its value.
        of: what the elements are, such as "(row, column)".

    Raises:
        SettingError: if it can't be iterated, or is text or a mapping.
    """
    try:
        if isinstance(values, str | bytes | Mapping):
            raise TypeError
        return list(values)
    except TypeError:
        raise SettingError(f"must be a list of {of}, not {shown(values)}", setting=name) from None


def as_numbers(name: str, values: Any) -> Any:
    """Return values as an array of real numbers.

    Args:
        name: of the setting.
        values: an array, or nested lists.

    Raises:
        SettingError: if rows have different lengths, or the array holds text, dates, complex numbers or other objects.
    """
    import numpy as np

    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        raise SettingError("must be an array of numbers, whose rows have equal lengths", setting=name) from None
    if array.dtype.kind not in "biuf":
        raise SettingError(f"must be an array of real numbers, not of type {array.dtype}", setting=name)
    return array


def as_states(name: str, states: Any, num_states: int) -> Any:
    """Return states as an array of int64, of the shape that was given.

    Args:
        name: of the setting.
        states: an integer, or an array or nested lists of integers.
        num_states: number of states of the world.

    Raises:
        SettingError: if one is not an integer from 0 to num_states - 1.
    """
    array = as_numbers(name, states)
    if array.size == 0:
        return array.astype("int64")
    if array.dtype.kind not in "iu":
        raise SettingError(f"must be states, which are whole numbers, not of type {array.dtype}", setting=name)
    if array.min() < 0 or array.max() >= num_states:
        wrong = array[(array < 0) | (array >= num_states)].reshape(-1)[0]
        raise SettingError(f"must be states in 0..{num_states - 1}, not {wrong}", setting=name)
    return array.astype("int64", copy=False)


def machine_memory() -> int | None:
    """Return the memory of this machine in bytes; None if the system doesn't tell."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def peak_memory() -> int:
    """Return the largest resident memory that this process has used, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux getrusage may give the peak of the parent process
        lines = status.read_text().splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def check_memory(num_bytes: int, what: str) -> None:
    """Check that the machine can hold an array, before it is allocated.

    Args:
        num_bytes: size of the array.
        what: the array, as subject of the message.

    Raises:
        SizeError: if it would take more than four fifths of the machine's memory.
    """
    memory = machine_memory()
    if memory is not None and num_bytes > 0.8 * memory:
        size = f"{num_bytes / 1e9:.1f}" if num_bytes < 2**70 else "over 10**12"
        raise SizeError(f"{what} would take {size} GB, and this machine has {memory / 1e9:.1f} GB of memory")
