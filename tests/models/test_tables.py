"""Models made from tables of transitions, in columns and as CSV files."""

import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest

from clew import FiniteMDP, Maze, ModelEnvironment, ModelError, SettingError, solve
from oracles import random_sparse_world

# A machine that runs, and may break; it is repaired, or scrapped, which ends the episode.
MACHINE = {
    "state": ["runs", "runs", "runs", "broken", "broken"],
    "action": ["go on", "go on", "stop", "go on", "stop"],
    "next_state": ["runs", "broken", "scrapped", "runs", "scrapped"],
    "probability": [0.75, 0.25, 1.0, 1.0, 1.0],
    "reward": [4.0, 2.0, 1.0, -3.0, 0.5],
}
NUMBERS = {"runs": 0, "broken": 1, "scrapped": 2, "go on": 0, "stop": 1}


def machine(**changes):
    return FiniteMDP.from_table(MACHINE | changes)


def in_numbers():
    return {n: [NUMBERS[x] for x in c] if n in ("state", "action", "next_state") else c for n, c in MACHINE.items()}


def same(one, other):
    columns = zip((*one.model, one.starts), (*other.model, other.starts), strict=True)
    return all(np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype for a, b in columns)


def test_a_machine_by_hand():
    """v(runs) = 0.75 (4 + v/2) + 0.25 (2 + w/2), w = v(broken) = -3 + v/2, or 0.5 if it is scrapped."""
    mdp = machine()
    assert (mdp.state_labels, mdp.action_labels) == (("runs", "broken", "scrapped"), ("go on", "stop"))
    assert mdp.starts.tolist() == [0, 1]
    assert mdp.model.offsets.tolist() == [0, 2, 3, 4, 5, 5, 5]
    assert mdp.model.next_states.tolist() == [0, 1, 2, 0, 2]
    assert mdp.model.rewards.tolist() == [4.0, 2.0, 1.0, -3.0, 0.5]
    assert mdp.model.terminated.tolist() == [False, False, True, False, True]
    w = 0.5
    v = (3.0 + 0.5 + 0.125 * w) / (1 - 0.375)
    assert -3 + v / 2 < w
    assert solve(mdp, gamma=0.5).v.tolist() == pytest.approx([v, w, 0.0])


def test_numbers_make_the_same_model_without_labels():
    mdp = FiniteMDP.from_table(in_numbers())
    assert same(mdp, machine())
    assert (mdp.state_labels, mdp.action_labels) == (None, None)


class Frame:
    """A data frame, as far as a table must be one: columns that NumPy can read, and the names that it has."""

    def __init__(self, columns):
        self.columns = columns

    def __getitem__(self, name):
        return self.columns[name]

    def __contains__(self, name):
        return name in self.columns


def structured():
    table = np.zeros(5, [(name, "U8" if name in NAMES else float) for name in MACHINE])
    for name, column in MACHINE.items():
        table[name] = column
    return table


NAMES = ("state", "action", "next_state")
KINDS = {
    "arrays": lambda: {name: np.array(column) for name, column in MACHINE.items()},
    "arrays of objects": lambda: {name: np.array(column, object) for name, column in MACHINE.items()},
    "tuples": lambda: {name: tuple(column) for name, column in MACHINE.items()},
    "a data frame": lambda: Frame(MACHINE),
    "a structured array": structured,
    "with flags": lambda: MACHINE | {"terminated": [False, False, True, False, True]},
    "with ones and zeros": lambda: MACHINE | {"terminated": np.array([0, 0, 1, 0, 1])},
    "with another column": lambda: MACHINE | {"remark": ["", "", "", "", "?"]},
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_mapping_of_columns_is_a_table(kind):
    mdp = FiniteMDP.from_table(KINDS[kind]())
    assert same(mdp, machine())
    assert mdp.state_labels == ("runs", "broken", "scrapped")


def test_the_order_of_rows_decides_nothing_but_the_order_of_labels():
    order = [3, 0, 4, 2, 1]
    numbers = {name: [column[i] for i in order] for name, column in in_numbers().items()}
    assert same(FiniteMDP.from_table(numbers), machine())
    texts = machine(**{name: [column[i] for i in order] for name, column in MACHINE.items()})
    assert texts.state_labels == ("broken", "runs", "scrapped")
    assert solve(texts, gamma=0.5).v[[1, 0, 2]].tolist() == pytest.approx(solve(machine(), gamma=0.5).v.tolist())


def test_equal_rows_are_added_up_and_others_are_not():
    """Rewards of one next state may differ; then each keeps its row, and its part of the variance."""
    table = {name: [*column, column[0], column[0]] for name, column in MACHINE.items()}
    table |= {"probability": [0.25, 0.25, 1.0, 1.0, 1.0, 0.125, 0.375], "reward": [4.0, 2.0, 1.0, -3.0, 0.5, 4.0, 8.0]}
    model = FiniteMDP.from_table(table).model
    assert model.offsets.tolist() == [0, 3, 4, 5, 6, 6, 6]
    assert model.probabilities.tolist() == [0.375, 0.375, 0.25, 1.0, 1.0, 1.0]
    assert model.rewards.tolist()[:3] == [4.0, 8.0, 2.0]


def test_rows_of_probability_0_are_left_out():
    table = {name: [*column, column[2]] for name, column in MACHINE.items()}
    table["probability"][-1], table["next_state"][-1] = 0.0, "broken"
    assert same(FiniteMDP.from_table(table), machine())


@pytest.mark.parametrize("seed", range(5))
def test_a_random_model_comes_back_from_its_table(seed):
    world = random_sparse_world(seed)
    rows = [
        (s, a, s_next, p, reward, ends)
        for s, actions in enumerate(world.rows)
        for a, outcomes in enumerate(actions)
        for p, s_next, reward, ends in outcomes
        if p > 0.0
    ]
    names = ("state", "action", "next_state", "probability", "reward", "terminated")
    table = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    mdp = FiniteMDP.from_table(table, starts=world.mdp.starts)
    num_states = mdp.num_states
    assert np.allclose(solve(mdp, gamma=0.9).v, solve(world.mdp, gamma=0.9).v[:num_states], atol=1e-5)


def test_starts_are_numbers_or_labels():
    for starts in (["broken", "runs", "broken"], [1, 0, 1], np.array(["broken", "runs", "broken"])):
        assert FiniteMDP.from_table(MACHINE, starts=starts).starts.tolist() == [1, 0, 1]
    assert FiniteMDP.from_table(MACHINE, starts="broken").starts.tolist() == [1]


TWICE = {name: [*column, column[-1]] for name, column in MACHINE.items()}
WRONG = {
    "a sum": (
        MACHINE | {"probability": [0.75, 0.2, 1, 1, 1]},
        "state 'runs', action 'go on': probabilities sum to 0.95",
    ),
    "a sum of 0": (
        MACHINE | {"probability": [0.75, 0.25, 1, 1, 0]},
        "state 'broken', action 'stop': probabilities sum to 0, not 1",
    ),
    "a row twice": (TWICE, "state 'broken', action 'stop': probabilities sum to 2, not 1"),
    "a negative probability": (
        MACHINE | {"probability": [1.25, -0.25, 1, 1, 1]},
        "row 1 of the table: probability must not be negative, not -0.25",
    ),
    "an infinite reward": (
        MACHINE | {"reward": [0, 0, np.inf, 0, 0]},
        "row 2 of the table: reward must be finite, not inf",
    ),
    "a missing column": ({k: v for k, v in MACHINE.items() if k != "reward"}, "the table has no column 'reward'"),
    "columns of other lengths": (MACHINE | {"reward": [0.0]}, "all columns must have the same length, not state 5"),
    "no rows": ({name: [] for name in MACHINE}, "there are no rows"),
    "a missing state": (MACHINE | {"state": [*MACHINE["state"][:4], None]}, "row 4 of the table: state must be a text"),
    "a mixture": (MACHINE | {"next_state": [0, 1, 2, 0, 2]}, "row 0 of the table: next_state must be a text"),
    "half a state": (in_numbers() | {"state": [0, 0, 0, 1, 0.5]}, "column state must be whole numbers"),
    "a negative state": (in_numbers() | {"state": [0, 0, 0, 1, -1]}, "row 4 of the table: state must be from 0 to"),
    "bools": (in_numbers() | {"action": [True] * 5}, "column action must be whole numbers or texts"),
    "states from 1": (
        in_numbers() | {"state": [1, 1, 1, 2, 2], "next_state": [1, 2, 3, 1, 3]},
        "no row of the table names state 0, though there is state 3",
    ),
    "far apart": (in_numbers() | {"action": [0, 0, 2**30, 0, 2**30]}, "no row of the table names action 1, though"),
    "flags": (MACHINE | {"terminated": [0, 0, 1, 0, 2]}, "row 4 of the table: terminated must be True or False, not 2"),
    "rows of other lengths": (MACHINE | {"reward": [0, [1], 2, 3, 4]}, "column reward must be a list: "),
    "a matrix": (MACHINE | {"reward": [[0.0]]}, r"column reward must be a list, not an array of shape \(1, 1\)"),
    "a table": ([[0.5, 0.5]], "the table has no column 'state'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_table_that_cannot_be_right_is_refused_by_row_or_label(name):
    table, message = WRONG[name]
    with pytest.raises(ModelError, match=message):
        FiniteMDP.from_table(table)


def test_a_start_that_is_not_there_is_refused():
    with pytest.raises(ModelError, match="start state 'run' is not a state of the table; did you mean 'runs'"):
        FiniteMDP.from_table(MACHINE, starts=["run"])
    with pytest.raises(ModelError, match="start state 3 is outside"):
        FiniteMDP.from_table(MACHINE, starts=3)


def test_a_million_rows_of_a_few_states_with_too_many_actions_take_no_memory_for_all_pairs():
    n = 200_000
    table = {"state": np.arange(n), "action": np.arange(n), "next_state": np.zeros(n, int)}
    with pytest.raises(SettingError, match="the model of this table"):
        FiniteMDP.from_table(table | {"probability": np.ones(n), "reward": np.zeros(n)})


# Labels ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", [bool, np.bool_, int])
@pytest.mark.parametrize("kind", [list, lambda flags: np.array(flags, object)])
def test_flags_are_those_of_python_or_numpy(flag, kind):
    table = {"state": [0, 0], "action": [0, 0], "next_state": [0, 0], "probability": [0.5, 0.5], "reward": [0.0, 0.0]}
    flags = kind([flag(1), flag(0)])
    if flag is int and isinstance(flags, np.ndarray):
        with pytest.raises(ModelError, match="row 0 of the table: terminated must be True or False, not 1"):
            FiniteMDP.from_table(table | {"terminated": flags})
    else:
        assert sorted(FiniteMDP.from_table(table | {"terminated": flags}).model.terminated.tolist()) == [False, True]


def test_labels_are_pickled_and_saved_with_the_model(tmp_path):
    labels = ("runs", "broken ü", "a, \"b\" ; 'c'")
    mdp = machine().with_labels(states=labels)
    copies = [pickle.loads(pickle.dumps(mdp)), mdp.to_sparse()]
    mdp.save(tmp_path / "model.npz")
    copies.append(FiniteMDP.load(tmp_path / "model.npz"))
    for copy in copies:
        assert (copy.state_labels, copy.action_labels) == (labels, ("go on", "stop"))
        assert same(copy, mdp)
    with np.load(tmp_path / "model.npz", allow_pickle=False) as arrays:
        assert arrays["state_labels"].tobytes().decode().split("\n") == list(labels)


def test_an_environment_of_a_model_names_actions_by_their_labels():
    env = ModelEnvironment(machine())
    assert env.actions == ("go on", "stop")
    assert ModelEnvironment(machine(), actions=("a", "b")).actions == ("a", "b")
    env.reset(seed=0)
    with pytest.raises(SettingError, match=r"action must be 0 \(go on\) or 1 \(stop\), not 2"):
        env.step(2)


def test_a_grid_may_have_labels_of_its_actions_alone(tmp_path):
    mdp = FiniteMDP.grid(Maze.open(2, 2).cells, 0).with_labels(actions=["down", "left", "up", "right"])
    mdp.save(tmp_path / "model.npz")
    again = FiniteMDP.load(tmp_path / "model.npz")
    assert (again.state_labels, again.action_labels) == (None, ("down", "left", "up", "right"))
    assert again.with_labels(states=list("abcd")).action_labels == ("down", "left", "up", "right")


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (["a", "b"], "states must be 3 labels, not 2"),
        (["a", "b", "a"], "states must all be different; 'a' stands there twice"),
        (["a", "b", ""], "states must be printable texts of 1 to 200 characters, not ''"),
        (["a", "b", "a "], "states must be printable texts of 1 to 200 characters, without blanks at their ends, not "),
        (["a", "b", "c\n"], r"states must be printable texts of 1 to 200 characters, not 'c\\n'"),
        (["a", "b", 3], "states must be printable texts of 1 to 200 characters, not 3"),
        ("abc", "states must be a list of texts, not 'abc'"),
    ],
)
def test_labels_that_are_none_are_refused(states, message):
    with pytest.raises(SettingError, match=message):
        machine().with_labels(states=states)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"a\nb", "states must be 3 labels, not 2"), (b"a\nb\n\xff", "labels must be UTF-8"), (b"a\nb\n", "printable")],
)
def test_labels_in_a_file_are_not_trusted(data, message, tmp_path):
    mdp = machine()
    arrays = {name: np.asarray(column) for name, column in mdp.model._asdict().items()} | {"starts": mdp.starts}
    np.savez(tmp_path / "model.npz", **arrays, state_labels=np.frombuffer(data, np.uint8))
    with pytest.raises(ModelError, match=rf"model\.npz: damaged: .*{message}"):
        FiniteMDP.load(tmp_path / "model.npz")


# CSV ------------------------------------------------------------------------------------------------------------------

TEXT = """\
state,action,next_state,probability,reward
runs,go on,runs,3/4,4
runs,go on,broken,0.25,2
runs,stop,scrapped,1,1

broken,go on,runs,1,-3
"broken", stop ,scrapped,1,1/2
"""


def read(text, folder, **starts):
    path = folder / "model.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return FiniteMDP.read_csv(path, **starts)


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n"), b"\xef\xbb\xbf" + TEXT.encode(), TEXT[:-1]])
def test_a_csv_file_is_a_table(text, tmp_path):
    mdp = read(text, tmp_path, starts="broken")
    assert mdp.starts.tolist() == [1]
    assert same(mdp, FiniteMDP.from_table(MACHINE, starts="broken"))
    assert (mdp.state_labels, mdp.action_labels) == (("runs", "broken", "scrapped"), ("go on", "stop"))


def test_whole_numbers_in_a_csv_file_are_numbers(tmp_path):
    rows = [",".join(map(str, row)) for row in zip(*in_numbers().values(), [False] * 5, strict=True)]
    mdp = read("\n".join([",".join(MACHINE) + ",Terminated", *rows]), tmp_path)
    assert mdp.state_labels is None
    assert mdp.model.offsets.tolist() == machine().model.offsets.tolist()
    assert not mdp.model.terminated.any()


def test_thirds_are_exact_enough(tmp_path):
    header = "state,action,next_state,probability,reward\n"
    rows = "".join(f"0,0,{s_next},1/3,{s_next}\n" for s_next in range(3))
    mdp = read(header + rows + "1,0,0,1,0\n2,0,0,1,0\n", tmp_path)
    assert mdp.model.probabilities.tolist() == [1 / 3] * 3 + [1.0, 1.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.replace("3/4", "3/5"), "state 'runs', action 'go on': probabilities sum to 0.85"),
        (TEXT.replace("3/4", "3/0"), "line 2: probability must be a number, such as 0.25 or 1/3, not '3/0'"),
        (TEXT.replace(",-3", ",x"), "line 6: reward must be a number"),
        (TEXT.replace(",-3", ",inf"), "line 6: reward must be finite, not inf"),
        (TEXT.replace(",-3", ",-3,"), "line 6: 5 columns are expected, not 6"),
        (TEXT.replace("reward", "rewards"), "line 1: 'rewards' is not a column of a table; did you mean 'reward'"),
        (TEXT.replace("reward", "state"), "line 1: a column stands there twice"),
        (
            TEXT.replace(",reward", "").replace(",4", "").replace(",2\n", "\n").replace(",1\n", "\n"),
            "line 6: 4 columns",
        ),
        (TEXT.replace("broken", ""), "state must be printable texts of 1 to 200 characters, not ''"),
        ("", "the table has no column 'state'"),
        (TEXT.partition("\n")[0], "there are no rows"),
        (b"\xff\xfe", "can't be read: byte 0 is not UTF-8"),
        (TEXT.replace("runs", "x" * 200_000), "not a table: field larger than field limit"),
        (TEXT.replace("reward", "reward,terminated").replace("4\n", "4,no\n"), "line 3: 6 columns are expected, not 5"),
    ],
)
def test_a_csv_file_that_is_no_table_is_refused_by_line(text, message, tmp_path):
    with pytest.raises(ModelError, match=rf"model\.csv: .*{message}"):
        read(text, tmp_path)


def test_a_csv_file_that_is_not_there_or_a_folder_is_refused(tmp_path):
    for path in (tmp_path / "nothing.csv", tmp_path, tmp_path / "a\0b"):
        with pytest.raises(ModelError, match=r"can't be read"):
            FiniteMDP.read_csv(path)


def test_a_file_too_large_for_this_machine_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(2**42)  # takes no room on the disk
    with pytest.raises(ModelError, match=r"large\.csv: its table would take .* GB, and this machine has"):
        FiniteMDP.read_csv(tmp_path / "large.csv")


def test_the_example_models_an_inventory_three_times_to_the_same_values(tmp_path):
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "inventory.py"))
    values = example["main"](tmp_path)
    assert values == pytest.approx([values[0]] * 3, rel=1e-9)
    rows = (tmp_path / "inventory-policy.csv").read_text().splitlines()
    assert (rows[0], rows[1], len(rows)) == ("state,action,value", f"0+0,order 3,{values[0]:.3f}", 31)
