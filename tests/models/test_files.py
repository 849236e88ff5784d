"""Model files: round trips, and errors for damaged files."""

import io
import os
import pickle
import struct
import tempfile
import tracemalloc
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew import FiniteMDP, ModelError, solve
from clew.models.files import GRID_ARRAYS, SPARSE_ARRAYS
from oracles import grid_world, random_layout, random_sparse_world

WORLDS = {
    "grid": lambda: grid_world(random_layout(1, slip=0.1, step_reward=-1.0, outer_wall_reward=-2.0)).mdp,
    "moving goal": lambda: grid_world(random_layout(2, goal_reward=3.0, hazard_reward=-4.0, moving_goal=True)).mdp,
    "sparse": lambda: random_sparse_world(3).mdp,
    "one state": lambda: FiniteMDP.from_function(1, 1, lambda s, a: [(1.0, 0, 0.5, False)]),
}


@pytest.fixture(params=WORLDS)
def mdp(request):
    return WORLDS[request.param]()


def saved(mdp, folder):
    """A file, and its bytes."""
    mdp.save(folder / "model.npz")
    return folder / "model.npz", (folder / "model.npz").read_bytes()


def load_bytes(data, folder):
    path = folder / "damaged.npz"
    path.write_bytes(data)
    return FiniteMDP.load(path)


def test_what_is_saved_is_loaded_bit_for_bit(mdp, tmp_path):
    path, data = saved(mdp, tmp_path)
    again = FiniteMDP.load(path)
    assert type(again.model) is type(mdp.model)
    assert (again.num_states, again.num_actions) == (mdp.num_states, mdp.num_actions)
    for column, original in zip((*again.model, again.starts), (*mdp.model, mdp.starts), strict=True):
        assert np.asarray(column).tobytes() == np.asarray(original).tobytes()
        assert np.asarray(column).dtype == np.asarray(original).dtype
    assert solve(again, gamma=0.9).v.tobytes() == solve(mdp, gamma=0.9).v.tobytes()
    again.save(str(path))  # replaces the file; the same model gives the same bytes
    assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["model.npz"]


def test_numpy_reads_it_without_pickles(mdp, tmp_path):
    path, _ = saved(mdp, tmp_path)
    with np.load(path, allow_pickle=False) as arrays:
        assert set(arrays) == set(GRID_ARRAYS if "cells" in arrays else SPARSE_ARRAYS)
        assert arrays["starts"].tolist() == mdp.starts.tolist()


def test_what_numpy_writes_is_read(tmp_path):
    """Names and dtypes are the format: NumPy alone can write it."""
    np.savez(
        tmp_path / "by_hand.npz",
        offsets=np.array([0, 1], np.int64),
        probabilities=np.array([1.0]),
        next_states=np.array([0], np.int32),
        rewards=np.array([0.5]),
        terminated=np.array([False]),
        num_actions=np.int64(1),
        starts=np.array([0], np.int32),
    )
    assert solve(FiniteMDP.load(tmp_path / "by_hand.npz"), gamma=0.5).value == pytest.approx(1.0)


# Invalid files --------------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path):
    for path in (tmp_path / "nothing.npz", tmp_path, tmp_path / "a\0b", tmp_path / ("x" * 300)):
        with pytest.raises(ModelError, match=r"can't be read"):
            FiniteMDP.load(path)


def test_where_nothing_can_be_written_it_says_so(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere/model\.npz: can't be written: No such file"):
        WORLDS["sparse"]().save(tmp_path / "nowhere" / "model.npz")


def archive_of(members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def member(array, **changes):
    file = io.BytesIO()
    np.save(file, array, **changes)
    return file.getvalue()


@cache
def archive_members(name):
    """Return the members of the archive of a model, by name."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(saved(WORLDS[name](), Path(folder))[0]) as archive:
        return {key: archive.read(key) for key in archive.namelist()}


def members_of(name, **changes):
    """Return the members of a model's archive with some replaced, or removed by None."""
    members = archive_members(name) | {f"{key}.npy": data for key, data in changes.items()}
    return {key: data for key, data in members.items() if data is not None}


def lying(data, old, new):
    assert old in data
    return data.replace(old, new)


ROW = member(np.array([0.5]))
FOREIGN = {
    "nothing": (lambda: b"", "not a model, or damaged"),
    "text": (lambda: b"S..G\n", "not a model, or damaged"),
    "an array": (lambda: ROW, "not a model, or damaged"),
    "a pickle": (lambda: pickle.dumps(WORLDS["sparse"]()), "not a model, or damaged"),
    "an empty archive": (lambda: archive_of({}), "it contains nothing"),
    "another archive": (lambda: archive_of({"q.npy": ROW}), "it contains 'q'"),
    "a name that can't be printed": (lambda: archive_of({"q\x01": ROW}), r"it contains 'q\\x01'"),
    "one too many": (lambda: archive_of(members_of("sparse", more=ROW)), "not a model: it contains"),
    "one too few": (lambda: archive_of(members_of("sparse", rewards=None)), "not a model: it contains"),
    "compressed": (
        lambda: archive_of(members_of("sparse"), zipfile.ZIP_DEFLATED),
        "is compressed or encrypted, which a model is not",
    ),
    "another type": (
        lambda: archive_of(members_of("sparse", rewards=member(np.zeros(3, np.float32)))),
        "rewards must be <f8 in 1 dimensions, not <f4",
    ),
    "other dimensions": (
        lambda: archive_of(members_of("sparse", rewards=member(np.zeros((3, 1))))),
        r"rewards must be <f8 in 1 dimensions, not <f8 of shape \(3, 1\)",
    ),
    "other bytes": (
        lambda: archive_of(members_of("sparse", rewards=member(np.zeros(3, ">f8")))),
        "rewards has no valid array header",
    ),
    "a pickled array": (
        lambda: archive_of(members_of("sparse", rewards=member(np.array([{}]), allow_pickle=True))),
        "rewards has no valid array header",
    ),
    "another length": (
        lambda: archive_of(members_of("one state", rewards=member(np.zeros(2)))),
        "damaged: probabilities, next_states, rewards and terminated must be .* of equal length",
    ),
    "a shape that lies": (
        lambda: archive_of(members_of("one state", rewards=lying(member(np.zeros(1)), b"(1,), }", b"(9,), }"))),
        r"the data of rewards don't match its shape \(9,\)",
    ),
    "bytes that are no bools": (
        lambda: archive_of(members_of("one state", terminated=member(np.zeros(1, np.bool_))[:-1] + b"\2")),
        "neither True nor False",
    ),
    "no text in the header": (
        lambda: archive_of(members_of("one state", rewards=b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535)),
        "rewards has no valid array header",
    ),
    "wrong numbers": (
        lambda: archive_of(members_of("one state", next_states=member(np.array([1], np.int32)))),
        r"damaged: state 0, action 0: next state is outside 0\.\.0",
    ),
    "offsets whose differences wrap": (
        lambda: archive_of(members_of("one state", offsets=member(np.array([0, 2**63 - 1, -2, 1])))),
        "damaged: offsets must rise from 0",
    ),
    "no actions": (
        lambda: archive_of(members_of("one state", num_actions=member(np.int64(0)))),
        "damaged: num_actions must be at least 1",
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_no_model_is_refused_by_name(name, tmp_path):
    data, message = FOREIGN[name]
    with pytest.raises(ModelError, match=rf"damaged\.npz: .*{message}"):
        load_bytes(data(), tmp_path)


def test_no_memory_is_taken_for_what_a_file_only_claims(tmp_path):
    """A directory that claims 4 GB, a header that claims 10**17 numbers, a compressed array of zeros."""
    _, data = saved(WORLDS["one state"](), tmp_path)
    entry = data.index(b"PK\1\2")
    huge = data[: entry + 20] + struct.pack("<II", 2**32 - 2, 2**32 - 2) + data[entry + 28 :]
    numbers = lying(member(np.zeros(1)), b"(1,), }" + b" " * 20, b"(100000000000000000,), }   ")
    bomb = archive_of(members_of("one state", rewards=member(np.zeros(10**7))), zipfile.ZIP_DEFLATED)
    for damaged, message in (
        (huge, "it claims to contain more than its"),
        (archive_of(members_of("one state", rewards=numbers)), "the data of rewards don't match its shape"),
        (bomb, "is compressed"),
    ):
        tracemalloc.start()
        with pytest.raises(ModelError, match=message):
            load_bytes(damaged, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 10**6
        tracemalloc.stop()


@pytest.mark.parametrize("name", WORLDS)
def test_a_thousand_damaged_files_are_models_or_refused(name, tmp_path):
    """Draw bytes with some changed, removed, inserted, doubled, or cut off at the end."""
    _, data = saved(WORLDS[name](), tmp_path)
    rng = np.random.default_rng(1)
    refused = []
    for _ in range(1000):
        damaged = bytearray(data)
        for _ in range(rng.integers(1, 5)):
            at, kind = int(rng.integers(len(damaged))), rng.integers(5)
            size = int(rng.integers(1, 40))
            if kind == 0:
                damaged[at] = int(rng.integers(256))
            elif kind == 1:
                damaged[at] ^= 1 << int(rng.integers(8))
            elif kind == 2:
                del damaged[at : at + size]
            elif kind == 3:
                damaged[at:at] = rng.bytes(size) if rng.random() < 0.5 else damaged[at : at + size]
            elif rng.random() < 0.2:
                del damaged[at + 1 :]
        try:
            assert isinstance(load_bytes(bytes(damaged), tmp_path), FiniteMDP)
        except ModelError as error:
            refused.append(str(error))
    assert len(refused) > 500
    assert all(text.startswith(f"{tmp_path}/damaged.npz: ") for text in refused)


@settings(max_examples=1000)
@given(data=st.data())
def test_wrong_numbers_in_a_sound_archive_are_a_model_or_refused(data, tmp_path_factory):
    """Checksums are valid, so only the numbers themselves can be wrong."""
    folder = tmp_path_factory.getbasetemp()
    members = members_of(data.draw(st.sampled_from(sorted(WORLDS))))
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(members)))
        content = bytearray(members[name])
        for _ in range(data.draw(st.integers(1, 8))):
            near_the_end = data.draw(st.integers(1, min(len(content), 64)))
            content[data.draw(st.sampled_from([-near_the_end, near_the_end - 1]))] = data.draw(st.integers(0, 255))
        members[name] = bytes(content)
    with suppress(ModelError):
        assert isinstance(load_bytes(archive_of(members), folder), FiniteMDP)
