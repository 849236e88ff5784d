"""`dispatch`: which implementation runs, called from Python and from a compiled loop."""

import threading
from typing import NamedTuple

import numba
import numpy as np
import pytest

from clew.kernels import cache, cache_folder, dispatch, kernel

pytestmark = pytest.mark.kernels


class Square(NamedTuple):
    side: float


class Circle(NamedTuple):
    radius: float


class Point(NamedTuple):
    x: float


@dispatch
def area(shape, scale):
    """Area of a shape; 0 for a shape without an implementation."""
    return 0.0


@area.register(Square)
def area_of_square(shape, scale):
    return scale * shape.side * shape.side


@area.register(Circle)
def area_of_circle(shape, scale):
    return scale * 3.0 * shape.radius * shape.radius


@kernel
def total_area(first, second, n):
    """Sum the areas of two shapes n times: one loop for all types."""
    total = 0.0
    for _ in range(n):
        total += area(first, 1.0) + area(second, 10.0)
    return total


@pytest.mark.parametrize(("shape", "expected"), [(Square(2.0), 8.0), (Circle(1.0), 6.0), (Point(5.0), 0.0), (7.0, 0.0)])
def test_the_type_of_the_first_argument_decides(shape, expected):
    assert area(shape, 2.0) == expected


def test_one_compiled_loop_serves_every_pair_of_types():
    assert total_area(Square(1.0), Circle(1.0), 2) == 2 * (1.0 + 30.0)
    assert total_area(Circle(1.0), Square(1.0), 3) == 3 * (3.0 + 10.0)
    assert total_area(Point(1.0), Circle(2.0), 1) == 120.0


def test_a_type_that_is_not_registered_takes_the_default():
    assert total_area(Point(1.0), np.zeros(3), 5) == 0.0


def test_a_type_of_the_same_form_is_another_type():
    """Square, Circle and Point are each one float; the class distinguishes them."""
    assert [area(kind(3.0), 1.0) for kind in (Square, Circle, Point)] == [9.0, 27.0, 0.0]


def test_names_and_words_are_those_of_the_default():
    assert (area.__name__, area.__doc__) == ("area", "Area of a shape; 0 for a shape without an implementation.")
    assert area_of_square(Square(3.0), 1.0) == 9.0


def test_a_user_without_a_home_keeps_machine_code_with_the_temporary_files(monkeypatch, tmp_path):
    pwd = pytest.importorskip("pwd")

    def nobody(uid):
        raise KeyError(uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = cache_folder()
    assert folder is not None
    assert folder.is_relative_to(tmp_path)
    assert folder.is_dir()


def test_types_may_share_an_implementation():
    @dispatch
    def corners(shape):
        return -1

    @corners.register(Square, Point)
    def few_corners(shape):
        return 4

    assert [corners(shape) for shape in (Square(1.0), Point(1.0), Circle(1.0))] == [4, 4, -1]


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled, and nothing saved")
def test_only_one_process_at_a_time_saves_machine_code():
    """A process that saves a kernel waits while another one saves."""
    fcntl = pytest.importorskip("fcntl")

    @kernel
    def twice(x):
        return 2 * x

    twice(3)
    (compiled,) = twice.overloads.values()
    saving = threading.Thread(target=twice._cache.save_overload, args=(compiled.signature, compiled))
    with (cache.FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        saving.start()
        saving.join(timeout=0.5)
        assert saving.is_alive()
    saving.join(timeout=60)
    assert not saving.is_alive()


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled, and nothing saved")
def test_a_damaged_file_of_machine_code_is_compiled_and_saved_again():
    def thrice(x):
        return 3 * x

    for suffix, size in (("nbi", 0), ("nbi", 50), ("nbc", 0), ("nbc", 100)):
        assert kernel(thrice)(3) == 9
        for path in cache.FOLDER.glob(f"**/*thrice*.{suffix}"):
            with path.open("r+b") as damaged:
                damaged.truncate(size)
        assert kernel(thrice)(4) == 12
        again = kernel(thrice)
        assert again(5) == 15
        assert again.stats.cache_hits
