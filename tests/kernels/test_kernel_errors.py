"""Functions of users that can't be compiled: one clear line that names the function, the place, the reason, the way."""

import re
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import pytest

from clew import KernelError, SettingError
from clew.kernels import dispatch, kernel
from clew.kernels.values import FourActionTable

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="plain Python has none of these limits")
THING = object()


@dispatch
def update(learner, x):
    """Do nothing by default."""


@kernel
def loop(learner, n):
    for i in range(n):
        update(learner, i)


def learner_of(function):
    """A learner whose update is a function."""

    class Mine(NamedTuple):
        q: np.ndarray

    update.register(Mine)(function)
    return Mine(np.zeros(3))


@kernel
def zeros_of(n):
    return np.zeros(n)  # here


def makes_an_array(learner, x):
    learner.q[:] = zeros_of(3)


def returns_a_copy(learner, x):
    learner.q[:] = learner.q.copy()  # here


def uses_an_object(learner, x):
    learner.q[0] = THING.size  # here


def stores_a_text(learner, x):
    learner.q[0] = "text"  # here


def misspells(learner, x):
    learner.q[0] = learner.gama  # here


def sets_a_field(learner, x):
    learner.q = learner.q  # here


def indexes_action_values(learner, x):
    FourActionTable(learner.q)[x, x] = 1.0  # here


CASES = [
    (makes_an_array, "zeros_of", "it makes an array", "let `make` allocate it as a field of the learner's named tuple"),
    (returns_a_copy, "returns_a_copy", "it makes an array", "let `make` allocate it"),
    (uses_an_object, "uses_an_object", "it uses THING, which is neither a number", "decorate functions with @kernel"),
    (stores_a_text, "stores_a_text", "Numba has no implementation of setitem(array(float64", "see docs/extending.md"),
    (
        sets_a_field,
        "sets_a_field",
        "it sets q of a named tuple",
        "make it an array of one number, and set that by an index",
    ),
    (
        indexes_action_values,
        "indexes_action_values",
        "it reads or writes action values by an index",
        "use value(q, s, a)",
    ),
    (misspells, "misspells", "Unknown attribute 'gama' of type Mine#", "see docs/extending.md"),
]
LINES = Path(__file__).read_text().splitlines()


@pytest.mark.parametrize(("function", "name", "reason", "advice"), CASES, ids=[case[1] for case in CASES])
@pytest.mark.parametrize("is_nested", [True, False])
def test_a_function_that_cannot_be_compiled_is_named_with_its_place_and_the_reason(
    function, name, reason, advice, is_nested
):
    learner = learner_of(function)
    with pytest.raises(KernelError) as refused:
        loop(learner, 3) if is_nested else update(learner, 3)
    message = str(refused.value)
    assert message.isprintable()  # in one line, without colours
    place, line = re.fullmatch(rf"{name} \((.*):(\d+)\) can't be compiled: .*", message).groups()
    assert place == __file__
    first = LINES.index(f"def {name}(learner, x):" if name != "zeros_of" else "def zeros_of(n):") + 1
    assert first <= int(line) <= first + 1
    assert reason in message
    assert message.endswith(advice) or advice in message.rpartition("; ")[2]


def test_what_can_be_compiled_later_is_compiled():
    """A failure leaves nothing behind."""
    with pytest.raises(KernelError):
        loop(learner_of(makes_an_array), 3)
    learner = learner_of(lambda learner, x: assign(learner.q, x))
    loop(learner, 3)
    assert learner.q.tolist() == [0.0, 1.0, 2.0]


@kernel
def assign(q, x):
    q[x] = x


def test_a_fault_of_ours_keeps_the_error_of_numba():
    from clew.kernels.values import max_value

    with pytest.raises(numba.core.errors.TypingError):
        max_value("text", 0)


def test_a_function_of_other_arguments_is_refused_when_it_is_registered():
    message = r"^two must take 2 arguments, \(learner, x\), to be registered with update; it takes 1, \(learner\)$"

    def two(learner):
        pass

    for function in (two, kernel(two)):
        with pytest.raises(SettingError, match=message):
            update.register(tuple)(function)


def test_an_implementation_cannot_change_once_it_is_compiled():
    """Machine code that calls it is kept in the process, and would go on as it was."""

    class Mine(NamedTuple):
        q: np.ndarray

    learner = Mine(np.zeros(1))
    update.register(Mine)(lambda learner, x: None)

    @update.register(Mine)
    def add_one(learner, x):
        learner.q[0] += 1.0

    loop(learner, 3)
    assert learner.q[0] == 3.0
    with pytest.raises(SettingError, match=r"^update of .*Mine has been compiled, and would stay as it was; run the"):
        update.register(Mine)(lambda learner, x: None)
    assert update.implements(Mine)
    assert not update.implements(tuple)
