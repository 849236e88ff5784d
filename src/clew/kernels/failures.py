"""Why a function of a user can't be compiled as a kernel, in words of ours instead of pages of Numba's."""

import re
from collections.abc import Callable
from typing import Any

from clew.errors import KernelError

# What Numba's message holds, what is wrong then, and what to do. The first that fits is taken.
REASONS = (
    (
        r"NRT required but not enabled|Only accept returning of array passed",
        "it makes an array, a list, a dictionary or a text, or returns an array, which takes memory while it runs",
        "let `make` allocate it as a field of the learner's named tuple, and fill it here",
    ),
    (
        r"[Uu]ntyped global name '?(\w+)'?|Cannot determine Numba type of",
        "it uses {name}, which is neither a number, an array, a named tuple of these nor a kernel",
        "decorate functions with @kernel, and pass what changes in the learner's named tuple",
    ),
    (
        r"No definition for lowering [^\n]*\)\.(\w+) = ",
        "it sets {name} of a named tuple, which can't be changed",
        "make it an array of one number, and set that by an index",
    ),
    (
        r">>> [gs]etitem\((?:FourAction|Masked|Wide)Table",
        "it reads or writes action values by an index, and their form depends on the number of actions",
        "use value(q, s, a), assign(q, s, a, x), max_value(q, s) and best_action(q, s, bits)",
    ),
)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # of the terminal, in Numba's messages


def explain_failure(function: Callable[..., Any], error: Exception) -> KernelError:
    """Return the error of a function that can't be compiled.

    Args:
        function: the function, as it was written.
        error: Numba's error about it.
    """
    text, code = COLOURS.sub("", str(error)), function.__code__
    place = getattr(error, "loc", None)
    is_there = place is not None and str(place.filename) == code.co_filename
    where = f"{code.co_filename}:{place.line if place is not None and is_there else code.co_firstlineno}"
    for pattern, reason, advice in REASONS:
        if found := re.search(pattern, text):
            name = next(iter(filter(None, found.groups())), "an object")
            return KernelError(f"{function.__name__} ({where}) can't be compiled: {reason.format(name=name)}; {advice}")
    return KernelError(
        f"{function.__name__} ({where}) can't be compiled: {_first_reason(text)}; kernels take numbers, arrays and "
        "named tuples of these, and loops over them: see docs/extending.md"
    )


def _first_reason(text: str) -> str:
    """Return the first line of a message of Numba that says something, with the call that it is about if there is."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("Failed in nopython")]
    call = next((line.removeprefix(">>> ") for line in lines[:3] if line.startswith(">>> ")), "")
    if call:
        return f"Numba has no implementation of {call}"
    return lines[0].rstrip(".") if lines else "Numba gives no reason"
