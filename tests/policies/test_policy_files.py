"""Policies in files: what is saved acts the same, with NumPy alone, and what is damaged is refused."""

import io
import json
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import clew
from clew import Environment, FiniteMDP, Maze, Policy, PolicyError, SettingError
from clew.kernels.sampling import new_stream

MDP = FiniteMDP.from_function(
    3, 2, lambda s, a: [(0.5, 1, 1.0, False), (0.5, 2, float(a), True)] if s < 2 else []
).with_labels(states=["new", "worn, old", "scrap"], actions=["run", 'the "other"'])
ENV = Environment(Maze.open(2, 3))
POLICIES = {
    "values": lambda: Policy(MDP, q=[[1.0, 2.5], [-np.inf, 3.0], [0.0, 0.0]]),
    "actions": lambda: Policy.from_actions(MDP, [1, 0, -1]),
    "probabilities": lambda: Policy.from_probabilities(MDP, [[0.25, 0.75], [1 / 3, 2 / 3], [0.5, 0.5]]),
    "values of a maze": lambda: clew.train_policy(ENV, 50),
    "a solution": lambda: clew.solve(ENV).policy,
}


@pytest.fixture(params=POLICIES)
def policy(request):
    return POLICIES[request.param]()


def test_what_is_saved_is_loaded_bit_for_bit(policy, tmp_path):
    policy.save(tmp_path / "policy.npz")
    again = Policy.load(str(tmp_path / "policy.npz"))
    assert (again.kind, again.shape) == (policy.kind, policy.shape)
    assert (again.state_labels, again.action_labels) == (policy.state_labels, policy.action_labels)
    assert (again.table.dtype, again.table.tobytes()) == (policy.table.dtype, policy.table.tobytes())
    assert [again.action(s) for s in range(again.shape[0])] == [policy.action(s) for s in range(again.shape[0])]
    policy.stream, seeded = new_stream(4), Policy.load(tmp_path / "policy.npz", seed=4)
    assert [seeded.get_action(0) for _ in range(20)] == [policy.get_action(0) for _ in range(20)]
    data = (tmp_path / "policy.npz").read_bytes()
    again.save(tmp_path / "policy.npz")
    assert (tmp_path / "policy.npz").read_bytes() == data
    again.table[:] = 0  # it can be written, as what was made
    assert [path.name for path in tmp_path.iterdir()] == ["policy.npz"]


ACTS = """
import json, sys
import clew
policy = clew.Policy.load(sys.argv[1])
actions = [policy.action(s) for s in range(policy.shape[0])]
names = [policy.action_labels[a] for a in actions]
print(json.dumps([actions, names, sorted(sys.modules)]))
"""


@pytest.mark.parametrize("kind", ["values", "actions", "probabilities"])
def test_a_saved_policy_acts_with_numpy_alone(kind, tmp_path):
    POLICIES[kind]().save(tmp_path / "policy.npz")
    said = subprocess.run(
        [sys.executable, "-c", ACTS, tmp_path / "policy.npz"], capture_output=True, text=True, check=True
    ).stdout
    actions, names, modules = json.loads(said)
    expected = {"values": [1, 1, 0], "actions": [1, 0, 0], "probabilities": [1, 1, 0]}[kind]
    assert (actions, names) == (expected, [MDP.action_labels[a] for a in expected])
    assert "numpy" in modules
    for heavy in ("numba", "gymnasium", "ray", "scipy", "clew.kernels", "clew.environments", "PIL"):
        assert heavy not in modules


def test_a_list_of_states_is_labelled_as_it_was():
    assert Policy(clew.ModelEnvironment(MDP)).state_labels == ("new", "worn, old", "scrap")
    assert Policy(ENV).action_labels == ("down", "left", "up", "right")
    assert Policy(ENV).state_labels is None
    assert Policy(clew.make_gymnasium("FrozenLake-v1")).action_labels is None


# CSV ------------------------------------------------------------------------------------------------------------------


def test_a_policy_is_a_table_with_its_labels(tmp_path):
    tables = {
        "actions": 'state,action\nnew,"the ""other"""\n"worn, old",run\nscrap,\n',
        "values": ('state,action,value\nnew,"the ""other""",2.5\n"worn, old","the ""other""",3.0\nscrap,,0.0\n'),
        "probabilities": (
            'state,action,probability\nnew,run,0.25\nnew,"the ""other""",0.75\n"worn, old",run,0.3333333333333333\n'
            '"worn, old","the ""other""",0.6666666666666666\nscrap,,1.0\n'
        ),
    }
    for kind, table in tables.items():
        POLICIES[kind]().to_csv(tmp_path / "policy.csv")
        assert (tmp_path / "policy.csv").read_text() == table
    POLICIES["actions"]().to_csv(tmp_path / "policy.csv", values=[1, 2, 0])
    assert (tmp_path / "policy.csv").read_text().splitlines()[1] == 'new,"the ""other""",1'


def test_numbers_are_not_read_where_labels_are_numbers(tmp_path):
    mdp = FiniteMDP.from_function(2, 3, lambda s, a: [(1.0, s, float(a), False)])
    (tmp_path / "policy.csv").write_text("state,action\n0,1\n1,2\n")
    assert Policy.read_csv(mdp, tmp_path / "policy.csv").table.tolist() == [1, 2]
    named = mdp.with_labels(states=["a", "b"], actions=["1", "2", "3"])
    (tmp_path / "policy.csv").write_text("state,action\na,1\n1,3\n")
    assert Policy.read_csv(named, tmp_path / "policy.csv").table.tolist() == [0, 2]
    (tmp_path / "policy.csv").write_text("state,action\na,1\nb,0\n")
    with pytest.raises(PolicyError, match=r"line 3: '0' is not an action of this world; .*hoose from 1, 2, 3"):
        Policy.read_csv(named, tmp_path / "policy.csv")


def test_a_table_that_a_spreadsheet_has_saved_can_be_replaced(tmp_path):
    path, policy = tmp_path / "policy.csv", POLICIES["actions"]()
    path.write_bytes(b"\xef\xbb\xbfstate, action\r\nnew, run\r\n")
    policy.to_csv(path)
    assert Policy.read_csv(MDP, path).table.tolist() == policy.table.tolist()


def test_ties_have_a_row_each(tmp_path):
    policy = Policy(ENV, q=[[1, 0, 0, 1], [0, 0, 0, 2], [0] * 4, [0] * 4, [0] * 4, [0] * 4])
    policy.to_csv(tmp_path / "policy.csv")
    assert (tmp_path / "policy.csv").read_text().splitlines()[:4] == [
        "state,action,probability,value",
        "0,down,0.5,1.0",
        "0,right,0.5,1.0",
        "1,right,1.0,2.0",
    ]
    again = Policy.read_csv(ENV, tmp_path / "policy.csv")
    assert np.array_equal(again.probabilities(), policy.probabilities())


def test_a_single_action_is_named_where_nothing_else_can_be_done(tmp_path):
    single = FiniteMDP.from_function(2, 1, lambda s, a: [(1.0, 1, 1.0, True)] if s == 0 else [])
    Policy(single).to_csv(tmp_path / "policy.csv")
    assert (tmp_path / "policy.csv").read_text() == "state,action,value\n0,0,0.0\n1,0,0.0\n"
    clew.solve(single).policy.to_csv(tmp_path / "policy.csv")
    assert (tmp_path / "policy.csv").read_text() == "state,action\n0,0\n1,\n"


def test_what_is_written_as_csv_is_read_as_the_same_policy(policy, tmp_path):
    world = MDP if policy.shape == (3, 2) else ENV
    policy.to_csv(tmp_path / "policy.csv", values=np.arange(policy.shape[0]))
    again = Policy.read_csv(world, tmp_path / "policy.csv")
    assert again.probabilities() == pytest.approx(policy.probabilities(), abs=1e-15)
    assert again.action_labels == policy.action_labels


TABLE = 'state,action\nnew,run\n"worn, old",1\n2,\n'


@pytest.mark.parametrize(
    ("table", "actions"),
    [
        (TABLE, [0, 1, -1]),
        ("\ufeff" + TABLE.replace("\n", "\r\n"), [0, 1, -1]),
        ("action , state,value\n run , scrap ,x\n\n,new,\nrun,1,\n", [-1, 0, 0]),
    ],
)
def test_a_table_written_by_hand_is_read(table, actions, tmp_path):
    (tmp_path / "policy.csv").write_bytes(table.encode())
    policy = Policy.read_csv(MDP, tmp_path / "policy.csv")
    assert (policy.kind, policy.table.tolist()) == ("actions", actions)


def test_probabilities_of_a_table_are_fractions_and_rows_of_one_pair_are_added(tmp_path):
    (tmp_path / "policy.csv").write_text(
        "state,action,probability\nnew,run,1/3\nnew,1,1/6\nnew,1,0.5\n1,run,1\nscrap,,1\n"
    )
    policy = Policy.read_csv(MDP, tmp_path / "policy.csv")
    assert policy.table == pytest.approx(np.array([[1 / 3, 2 / 3], [1, 0], [0.5, 0.5]]))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "its columns must be state and action, and perhaps probability and value, not ''"),
        ("state,action,next_state\n", "its columns must be state and action"),
        ("state,state,action\n", "its columns must be state and action"),
        ("state,action\n", "there are no rows; each state needs one"),
        ("state,action\nnew\n", "line 2: 2 columns are expected, not 1"),
        ("state,action\nnew,run\nnews,run\n", "line 3: 'news' is not a state of this world; did you mean 'new'"),
        ("state,action\nnew,3\n", "line 2: '3' is not an action of this world; choose from run, "),
        ("state,action\nnew,run\n", "there is no row for state worn, old; the world has 3 states"),
        (TABLE + "new,1\n", "line 5: the state has a row before; several actions need a column probability"),
        (
            "state,action,probability\n0,0,x\n1,0,1\n2,0,1\n",
            "line 2: probability must be a number, such as 0.25 or",
        ),
        ("state,action,probability\n0,0,1/0\n1,0,1\n2,0,1\n", "line 2: probability must be a number"),
        ("state,action,probability\n0,0,nan\n1,0,1\n2,0,1\n", "probability must be at least 0 and finite"),
        ("state,action,probability\n0,0,2\n0,1,-1\n1,0,1\n2,0,1\n", "probability must not be negative"),
        ("state,action,probability\n0,0,0.5\n1,0,1\n2,0,1\n", "probability must sum to 1 in each state, not to 0.5"),
        ('state,action\n"new', "there is no row for state new|line|not a policy"),
        (b"state,action\n\xff,run\n", "can't be read: byte 13 is not UTF-8"),
    ],
)
def test_a_table_that_is_wrong_is_refused_in_one_line(table, message, tmp_path):
    path = tmp_path / "policy.csv"
    path.write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(PolicyError, match=message) as refused:
        Policy.read_csv(MDP, path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


# What is refused ------------------------------------------------------------------------------------------------------


def archive(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


N = np.int64(2)
DAMAGED = {
    "nothing": (b"", "not a policy, or damaged"),
    "a model": (MDP.to_bytes(), "not a policy: it contains"),
    "no number of actions": (archive(actions=np.zeros(3, np.int32)), "not a policy: it contains 'actions'"),
    "two tables": (
        archive(actions=np.zeros(3, np.int32), values=np.zeros((3, 2), np.float32), num_actions=N),
        "not a policy: it contains",
    ),
    "another type": (archive(values=np.zeros((3, 2)), num_actions=N), "values must be <f4 in 2 dimensions, not <f8"),
    "another shape": (
        archive(values=np.zeros((3, 4), np.float32), num_actions=N),
        r"of shape \(3, 4\) don't fit 2 actions",
    ),
    "no states": (archive(actions=np.zeros(0, np.int32), num_actions=N), "damaged: actions of shape"),
    "no actions": (archive(actions=np.zeros(3, np.int32), num_actions=np.int64(0)), "don't fit 0 actions"),
    "an action too many": (archive(actions=np.int32([0, 2]), num_actions=N), "actions must be actions in 0..1"),
    "values that are NaN": (archive(values=np.float32([[0, np.nan]]), num_actions=N), "values that are NaN"),
    "no distribution": (archive(probabilities=np.array([[0.5, 0.1]]), num_actions=N), "probabilities must sum to 1"),
    "labels missing": (
        archive(actions=np.zeros(3, np.int32), num_actions=N, state_labels=np.frombuffer(b"a\nb", np.uint8)),
        "damaged: state_labels must be 3 labels, not 2",
    ),
    "pickled": (archive(values=np.array([{}]), num_actions=N), "values has no valid array header"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_refused_in_one_line(name, tmp_path):
    data, message = DAMAGED[name]
    path = tmp_path / "policy.npz"
    path.write_bytes(data)
    with pytest.raises(PolicyError, match=message) as refused:
        Policy.load(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_every_cut_and_every_changed_byte_is_refused_or_makes_no_difference(tmp_path):
    path = tmp_path / "policy.npz"
    policy = POLICIES["actions"]()
    policy.save(path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for i in range(200):
        changed = bytearray(data)
        changed[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(changed if i % 2 else data[: rng.integers(len(data))])
        with suppress(PolicyError):
            assert Policy.load(path).table.tolist() == policy.table.tolist()


def test_nothing_but_a_policy_is_replaced(tmp_path):
    MDP.save(tmp_path / "model.npz")
    (tmp_path / "model.csv").write_text("state,action,next_state,probability,reward\n")
    (tmp_path / "notes.csv").write_text("some notes\n")
    (tmp_path / "link.npz").symlink_to("policy.npz")
    (tmp_path / "folder.npz").mkdir()
    policy = POLICIES["actions"]()
    for name, message in {
        "model.npz": "there is a file of that name that isn't a policy; give another name",
        "model.csv": "there is a file of that name that isn't a policy",
        "notes.csv": "there is a file of that name that isn't a policy",
        "link.npz": "can't be written: there is a symbolic link of that name",
        "folder.npz": "can't be written: ",
        "none/policy.npz": "can't be written: No such file or directory",
        "a\0b.npz": "can't be written: ",
    }.items():
        path = tmp_path / name
        before = path.read_bytes() if path.is_file() and "\0" not in name else None
        with pytest.raises(PolicyError, match=message):
            policy.save(path) if name.endswith(".npz") else policy.to_csv(path)
        assert before is None or path.read_bytes() == before
    for path in ("policy", "policy.txt", "policy.csv"):
        with pytest.raises(SettingError, match=r"path must be a file that ends in \.npz, not"):
            policy.save(tmp_path / path)
    with pytest.raises(SettingError, match=r"path must be a file that ends in \.csv, not"):
        policy.to_csv(tmp_path / "policy.npz")
    with pytest.raises(SettingError, match=r"values must have the shape \(3,\) of \(num_states,\), not \(2,\)"):
        policy.to_csv(tmp_path / "policy.csv", values=[1, 2])
    assert not (tmp_path / "policy.csv").exists()


def test_files_hold_no_pickles(policy, tmp_path):
    policy.save(tmp_path / "policy.npz")
    with zipfile.ZipFile(tmp_path / "policy.npz") as file:
        for name in file.namelist():
            np.load(io.BytesIO(file.read(name)), allow_pickle=False)
    assert Path(tmp_path / "policy.npz").stat().st_size < 2000
