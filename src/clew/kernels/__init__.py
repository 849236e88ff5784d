"""Compiled functions of arrays: the core of Clew, and the only importer of Numba.

A kernel takes arrays, numbers and named tuples of them, never a maze, an environment or any other object. A world is a
named tuple of arrays (`dynamics`), action values are a table (`values`), randomness is a stream (`sampling`). The
caller allocates; the kernel fills arrays in place and returns numbers.

    module                        contents
    ----------------------------  ------------------------------------------------------------------------------------
    dynamics                      models: the forms of a finite world, and the outcomes of its actions
    sampling                      random streams; draws of start states and of next states
    values                        tables of action values: read, write, maximum, best action
    wide                          tables with many actions, which cache the maximum of each row
    choices                       policies without action values: an action or probabilities for each state
    vectors                       the maximum of 4 or 32 numbers in a few vector instructions
    cache                         the folder in which machine code is kept between processes
    failures                      why a function of a user can't be compiled, in words

    learning.updates              Q-learning, Sarsa, Expected Sarsa, double Q-learning: start reading here
    learning.*                    other update rules, exploration strategies, episode loops, merging;
                                  `clew.kernels.learning` lists its modules

    planning.backups              Bellman backups
    planning.sweeps               backups of all states in turn; policy evaluation by sweeps
    planning.priorities           prioritized sweeping: back up the state with the largest Bellman error first
    planning.best_first           best-first search: settle states in the order of their values
    planning.search               breadth-first search: distances and regions of a grid
    planning.orders               renumber states, so that one sweep carries values far
    planning.horizon              backward induction for a fixed number of steps
    planning.undiscounted         planning with a discount of 1: end components, and sweeps over them
    planning.chains               exact policy evaluation: the Markov chain of a policy, solved by components
    planning.absorbing            absorbing chains: residuals of values and of expected visits
    planning.grading              states from which a policy may take a suboptimal action

    mazes.carving                 perfect mazes, carved out of a grid in which all walls stand
    mazes.joining                 mazes whose regions are joined in random order: Kruskal's, rooms with doors
    mazes.scattering              randomly blocked cells, and dead ends opened
"""

import contextlib
import functools
import inspect
import itertools
import logging
import time
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, cast
from weakref import WeakSet

import numba
import numpy.typing as npt
from numba.core import event
from numba.core.errors import NumbaError
from numba.extending import overload

from clew.errors import SettingError
from clew.kernels.cache import FOLDER, KernelCache, cache_folder, is_ours, note_implementation
from clew.kernels.failures import explain_failure

__all__ = ["JIT_OPTIONS", "cache_folder", "clock", "dispatch", "kernel", "read_only", "seconds_compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result", covariant=True)

logger = logging.getLogger(__name__)

JIT_OPTIONS: dict[str, Any] = {
    # Release Python's lock, so that other threads (progress, a page) run while a kernel does.
    "nogil": True,
    # Division follows IEEE 754, as in NumPy and C, without a test for zero in the loop.
    "error_model": "numpy",
    # Without this LLVM doesn't inline small kernels, and passes arrays at each call: two thirds of the speed.
    "forceinline": True,
    # No reference counting. Numba would count references to every array argument atomically at each step: half the
    # speed. So a kernel can't allocate arrays (it fails to compile) and fills those of its caller. It doesn't return
    # arrays either: Numba wraps them by running Python, where Ctrl-C is lost or crashes the process.
    "_nrt": False,
    # fastmath and parallel stay off: both may reorder sums, and one seed must give the same bits on every machine.
}


def kernel(function: Function) -> Function:
    """Compile a function when it is first called, with `JIT_OPTIONS`.

    The machine code of kernels of this package is kept on disk, see `cache`. Used as a decorator. With
    NUMBA_DISABLE_JIT=1 the function stays plain Python.

    >>> import numpy as np
    >>> from clew.extending import kernel
    >>> @kernel
    ... def discounted(rewards, gamma):
    ...     total = 0.0
    ...     for i in range(rewards.size):
    ...         total += gamma**i * rewards[i]
    ...     return total
    >>> print(discounted(np.array([0.0, 0.0, 1.0]), 0.5))
    0.25
    """
    compiled: Function = numba.njit(**JIT_OPTIONS)(function)
    if not numba.config.DISABLE_JIT:
        _explain_failures(compiled)
    if FOLDER is not None and is_ours(function) and not numba.config.DISABLE_JIT:
        with contextlib.suppress(RuntimeError):  # if the folder can't be written, nothing is kept
            compiled._cache = KernelCache(function)  # type: ignore[attr-defined]  # a Numba dispatcher is untyped
    return compiled


def _explain_failures(compiled: Any) -> None:
    """Make a kernel raise KernelError if it can't be compiled because of a function from outside the package."""
    compile_for_args = compiled._compile_for_args  # which Numba calls for arguments of new types

    def compile_or_explain(*args: Any, **kwargs: Any) -> Any:
        try:
            return compile_for_args(*args, **kwargs)
        except (NumbaError, NotImplementedError) as error:
            if (failure := _ANNOUNCER.failure) is None:
                raise
            raise explain_failure(*failure) from error

    compiled._compile_for_args = compile_or_explain


class Dispatched(Protocol[Arguments, Result]):
    """Type of the functions that `dispatch` makes."""

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """Call the implementation for the type of the first argument."""

    def register(self, *kinds: type) -> Callable[[Function], Function]:
        """Return a decorator that adds an implementation for one or more types of the first argument."""

    def implements(self, kind: type) -> bool:
        """Return whether there is an implementation for a type, other than the default."""


def dispatch(default: Callable[Arguments, Result]) -> Dispatched[Arguments, Result]:
    """Make a function with one implementation for each type of its first argument, like `functools.singledispatch`.

    In compiled code Numba selects the implementation while it compiles, by the class of a named tuple, so the choice
    costs nothing at run time, and one loop serves every learner, behaviour and model. `NAME.register(CLASS, ...)` is a
    decorator that adds an implementation, a kernel with the same parameters.

    Args:
        default: the implementation for all other types.

    Returns:
        Function that can be called from Python and from kernels.
    """
    implementations: dict[type, Any] = {}
    compiled: set[type] = set()  # types for which a kernel has chosen an implementation, and keeps it
    fallback = kernel(default)

    @functools.wraps(default)
    def call(first: Any, *others: Any) -> Any:
        return implementations.get(type(first), fallback)(first, *others)

    def register(*kinds: type) -> Callable[[Function], Function]:
        def add(function: Function) -> Function:
            if not is_ours(function):
                _check_parameters(default, getattr(function, "py_func", function))
            for kind in kinds:
                name = kind.__qualname__
                if kind in compiled and not is_ours(kind):
                    raise SettingError(
                        f"{default.__name__} of {name} has been compiled, and would stay as it was; run the definition "
                        f"of {name} again first, with all its kernels, or restart Python"
                    )
                _distinguish(kind)
            implementation = function if hasattr(function, "py_func") else kernel(function)
            note_implementation(default.__name__, function, kinds)
            implementations.update(dict.fromkeys(kinds, implementation))
            return function

        return add

    # strict=False: don't compare the annotations of the implementations with those of this function.
    @overload(call, jit_options=JIT_OPTIONS, strict=False)
    def choose(first: Any, *others: Any) -> Any:
        kind = getattr(first, "instance_class", None)
        compiled.add(kind)
        chosen = implementations.get(kind, fallback)
        return getattr(chosen, "py_func", chosen)

    call.register, call.implements = register, implementations.__contains__  # type: ignore[attr-defined]
    return cast(Dispatched[Arguments, Result], call)


def _distinguish(kind: type) -> None:
    """Give a named tuple from outside a name that no other class has, before a kernel sees it.

    Numba finds the machine code for a named tuple by its name and its fields, so it would call that of another class
    that has the same: of another module, or of the same module before an edit.
    """
    if not is_ours(kind) and hasattr(kind, "_fields") and kind not in _distinguished:
        _distinguished.add(kind)
        kind.__name__ = f"{kind.__name__}#{next(_numbers)}"


_distinguished: "WeakSet[type]" = WeakSet()
_numbers = itertools.count(1)


def _check_parameters(default: Callable[..., Any], function: Callable[..., Any]) -> None:
    """Check that a function from outside can be an implementation: it takes as many arguments as the default.

    Raises:
        SettingError: if it takes others.
    """
    expected, given = (list(inspect.signature(each).parameters) for each in (default, function))
    if len(given) != len(expected):
        raise SettingError(
            f"{function.__name__} must take {len(expected)} arguments, ({', '.join(expected)}), to be registered with "
            f"{default.__name__}; it takes {len(given)}, ({', '.join(given)})"
        )


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a view of an array that can't be written.

    Arrays from Ray's object store are read-only, and Numba compiles a kernel again for them. So kernels that only read
    an argument always get read-only arrays, and compile once.
    """
    view = array.view()
    view.setflags(write=False)
    return view


class _Announcer(event.Listener):  # type: ignore[misc]  # Numba is untyped
    """Listener that logs each compilation of one of our kernels, and adds up the seconds spent compiling.

    Compilations nest: a kernel is compiled while one that calls it is, in the one thread that holds Numba's lock.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._failures: list[tuple[int, Any, Any]] = []  # (depth, function from outside, error) of failed compilations
        self._known: list[int] = []  # failures when each compilation that goes on began
        self._begun = 0.0

    def on_start(self, event: Any) -> None:
        if not self._known:
            self._begun = time.perf_counter()
            self._failures.clear()
        self._known.append(len(self._failures))
        function = event.data["dispatcher"].py_func
        if (function.__module__ or "").startswith(__name__):
            logger.info("compiling %s for this machine (once)", function.__name__)

    def on_end(self, event: Any) -> None:
        function, error = event.data["dispatcher"].py_func, (event._exc_details or (None, None))[1]
        depth, num_known = len(self._known), self._known.pop()
        if error is None:  # what failed within was one of several ways, and another succeeded
            del self._failures[num_known:]
        elif not is_ours(function):
            self._failures.append((depth, function, error))
        if depth == 1:
            self.seconds += time.perf_counter() - self._begun

    @property
    def failure(self) -> tuple[Any, Any] | None:
        """Innermost function from outside of a compilation that has failed, and its error; None if all are ours."""
        return max(self._failures, key=lambda each: each[0])[1:] if self._failures else None


_ANNOUNCER = _Announcer()
event.register("numba:compile", _ANNOUNCER)


def seconds_compiled() -> float:
    """Return the seconds that this process has spent compiling so far, to subtract from measured times."""
    return _ANNOUNCER.seconds


def clock() -> float:
    """Return a time in seconds, which stands still while this process compiles; differences are of use."""
    return time.perf_counter() - seconds_compiled()
