"""The compiled core: functions of arrays and scalars, and nothing else.

This is the only place that imports Numba. A kernel never sees a maze, an environment or any other object: a world comes
in as a named tuple of arrays (`dynamics`), values as a table, settings as numbers, randomness as a stream (`sampling`).

To learn:

    dynamics      what a move does: the forms of a world, read by everything else
    sampling      draws: the stream, the start, the next state
    values        action values: a table; `wide` has one with maintained maxima, `vectors` the four of a grid at once
    behaviours    the action to try
    learners      what the loop asks of a learner
    updates       learning rules of one step; `n_step`, `traces`, `episodic`, `dyna` and `sweeping` have the others
    queues        states that wait for their turn
    rollouts      episodes made of all these; `interleaving` lets several take turns, `following` has another learn
    merging       what several learners made of one table, put together
    stepping      many copies of a world, which others steer
    telling       values that others decide, told to a learner

To make worlds:

    carving       perfect mazes, carved out of a grid where all walls stand
    joining       mazes joined in random order: Kruskal's, rooms and doors
    scattering    blocked cells with a way between them, dead ends opened

To plan, and to grade:

    backups       what a state is worth, one step ahead
    sweeps        backups of every state in turn, and what follows from a policy
    priorities    backups where they change most
    search        breadth-first search, and distances swept over a grid
    orders        states renumbered, so that a sweep goes where values come from
    horizon       planning for a number of steps: backward induction
    undiscounted  planning without a discount: groups of states, ways to the end, sweeps over groups
    chains        policy evaluation: the Markov chain of a policy, solved component by component
    grading       which actions are best, and from where a policy may take another
"""

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import numba
import numpy.typing as npt
from numba.core import event
from numba.extending import overload

from clew.kernels.cache import FOLDER, KernelCache, cache_folder

__all__ = ["JIT_OPTIONS", "cache_folder", "dispatch", "kernel", "read_only", "seconds_compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result", covariant=True)

logger = logging.getLogger(__name__)

JIT_OPTIONS: dict[str, Any] = {
    # Other Python threads (progress, a page) go on while a kernel runs.
    "nogil": True,
    # Division follows IEEE, as in NumPy and C: no test for zero in the loop.
    "error_model": "numpy",
    # Without it LLVM leaves small rules as calls, each with arrays for arguments: two thirds of the speed.
    "forceinline": True,
    # No counting of references. Numba would count those to every array of every argument, atomically, at each step:
    # half the speed. So a kernel can't make arrays (it won't compile): it fills those that it is given. It returns none
    # either, for Numba wraps them by running Python, where a Ctrl-C that strikes is lost, or crashes the process.
    "_nrt": False,
    # fastmath and parallel stay off: both may reorder sums, and the same seed must give the same bits everywhere.
}


def kernel(function: Function) -> Function:
    """Compile a function on its first call, with the project's one set of options; the machine code is kept on disk."""
    # Numba reads this setting while it decorates; other users of Numba in the process keep theirs.
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(FOLDER)
    try:
        compiled: Function = numba.njit(**JIT_OPTIONS)(function)
        if FOLDER is not None and not numba.config.DISABLE_JIT:
            compiled._cache = KernelCache(function)  # type: ignore[attr-defined]  # a dispatcher, which is untyped
    finally:
        numba.config.CACHE_DIR = before
    return compiled


class Dispatched(Protocol[Arguments, Result]):
    """A function made by `dispatch`."""

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """Call the implementation for the type of the first argument."""

    def register(self, *kinds: type) -> Callable[[Function], Function]:
        """Add the implementation for one type, or for several."""


def dispatch(default: Callable[Arguments, Result]) -> Dispatched[Arguments, Result]:
    """A function with an implementation for each type of its first argument, as `functools.singledispatch` makes it.

    In compiled code the choice is made while Numba compiles, by the class of a named tuple, so it costs nothing when
    it runs: one loop serves every learner, behaviour and world. `NAME.register(CLASS, ...)` adds an implementation,
    a kernel with the same arguments; the function itself is for all other types.
    """
    implementations: dict[type, Any] = {}
    fallback = kernel(default)

    @functools.wraps(default)
    def call(first: Any, *others: Any) -> Any:
        return implementations.get(type(first), fallback)(first, *others)

    def register(*kinds: type) -> Callable[[Function], Function]:
        def add(function: Function) -> Function:
            implementation = function if hasattr(function, "py_func") else kernel(function)
            implementations.update(dict.fromkeys(kinds, implementation))
            return function

        return add

    # Not strict: Numba would compare the annotations of the implementations with those of this function.
    @overload(call, jit_options=JIT_OPTIONS, strict=False)
    def choose(first: Any, *others: Any) -> Any:
        chosen = implementations.get(getattr(first, "instance_class", None), fallback)
        return getattr(chosen, "py_func", chosen)

    call.register = register  # type: ignore[attr-defined]  # a function has none by its type
    return cast(Dispatched[Arguments, Result], call)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A view that can't be written: what Ray hands out. Kernels that only read get it, and compile once."""
    view = array.view()
    view.setflags(write=False)
    return view


class _Announcer(event.Listener):  # type: ignore[misc]  # Numba is untyped
    """Logs each compilation of one of our kernels, so that a first call that takes seconds is explained; times it too.

    A kernel is compiled while one that calls it is, by the one thread that holds Numba's lock.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._begun = 0.0

    def on_start(self, event: Any) -> None:
        if self._depth == 0:
            self._begun = time.perf_counter()
        self._depth += 1
        function = event.data["dispatcher"].py_func
        if function.__module__.startswith(__name__):
            logger.info("compiling %s for this machine (once)", function.__name__)

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.seconds += time.perf_counter() - self._begun


_ANNOUNCER = _Announcer()
event.register("numba:compile", _ANNOUNCER)


def seconds_compiled() -> float:
    """Seconds that this process has spent compiling so far, so that what is timed can be told without them."""
    return _ANNOUNCER.seconds
