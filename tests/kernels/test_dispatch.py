"""`dispatch`: which implementation runs, called from Python and from a compiled loop."""

import errno
import threading
from typing import NamedTuple

import numba
import numpy as np
import pytest

from clew.kernels import cache, cache_folder, dispatch, kernel, sampling

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


# Machine code on disk -------------------------------------------------------------------------------------------------

compiled_only = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled, and nothing saved")
HALF = np.uint64(2**31)  # of 32 random bits


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """An empty folder for machine code."""
    monkeypatch.setattr(cache, "FOLDER", tmp_path)
    monkeypatch.setattr(cache, "_replaced", [])
    monkeypatch.setattr(cache, "_unsaved", [])
    return tmp_path


def fresh_below():
    """A kernel of the package, `below(bits32, n)`, that isn't compiled or loaded yet."""
    return kernel(sampling.below.py_func)


@compiled_only
def test_only_one_process_at_a_time_saves_machine_code(folder):
    """A process that saves a kernel waits while another one saves."""
    fcntl = pytest.importorskip("fcntl")
    below = fresh_below()
    assert below(HALF, 10) == 5
    (compiled,) = below.overloads.values()
    saving = threading.Thread(target=below._cache.save_overload, args=(compiled.signature, compiled))
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        saving.start()
        saving.join(timeout=0.5)
        assert saving.is_alive()
    saving.join(timeout=60)
    assert not saving.is_alive()


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 1
    path.write_bytes(data)


def cut_to(size):
    return lambda path: path.write_bytes(path.read_bytes()[:size])


@compiled_only
@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize(
    "damage", [cut_to(0), cut_to(50), cut_to(100), flip_a_bit], ids=["empty", "50 bytes", "100 bytes", "flipped"]
)
def test_d2_a_damaged_file_of_machine_code_is_compiled_and_saved_again(folder, suffix, damage):
    """The index, .nbi, and the machine code, .nbc, each have a hash, so that no damaged file is loaded."""
    assert fresh_below()(HALF, 10) == 5
    (path,) = folder.glob(f"**/*below*.{suffix}")
    damage(path)
    for num_hits in (0, 1):
        below = fresh_below()
        assert below(HALF, 20) == 10
        assert sum(below.stats.cache_hits.values()) == num_hits


@compiled_only
def test_d2_no_flipped_bit_of_an_index_is_overlooked(folder):
    """Some are in places where the pickle can still be read."""
    assert fresh_below()(HALF, 10) == 5
    (path,) = folder.glob("**/*below*.nbi")
    whole = path.read_bytes()
    for at in range(0, len(whole), 216):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        below = fresh_below()
        assert below(HALF, 20) == 10
        assert not below.stats.cache_hits


@compiled_only
def test_machine_code_under_another_name_is_not_loaded(folder):
    """It would be called with arguments that it doesn't take."""
    below = fresh_below()
    assert below(HALF, 10) == below(HALF, np.uint8(10)) == 5
    first, second = folder.glob("**/*below*.nbc")
    first.rename(folder / "kept")
    second.rename(first)
    (folder / "kept").rename(second)
    below = fresh_below()
    assert below(HALF, 20) == below(HALF, np.uint8(20)) == 10
    assert not below.stats.cache_hits


@compiled_only
def test_machine_code_of_a_kernel_from_outside_is_not_kept(folder):
    """Nothing would tell that it is out of date after an edit."""

    @kernel
    def twice(x):
        return 2 * x

    assert twice(3) == 6
    assert total_area(Square(1.0), Circle(1.0), 1) == 31.0
    assert not list(folder.glob("**/*.nb?"))
    assert fresh_below()(HALF, 10) == 5
    assert {path.suffix for path in folder.glob("**/*.nb?")} == {".nbi", ".nbc"}


@compiled_only
def test_d3_a_full_disk_is_said_once(folder, monkeypatch, caplog):
    def save(cache, signature, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.FunctionCache, "save_overload", save)
    assert [fresh_below()(HALF, 10), fresh_below()(HALF, 20)] == [5, 10]
    (record,) = (each for each in caplog.records if each.name == "clew.kernels.cache")
    assert record.levelname == "WARNING"
    assert f"machine code can't be saved in {folder}, and is compiled again next time" in record.getMessage()
    assert "No space left on device" in record.getMessage()
