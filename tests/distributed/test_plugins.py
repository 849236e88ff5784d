"""Rules of users on a real Ray: the same bits as in this process, or refused in one line with the reason."""

import importlib
import os
import sys
from pathlib import Path

import pytest

import clew
from clew.distributed import handshake
from clew.distributed.blocks.learning import check_blockwise
from clew.errors import ClusterError, SettingError
from clew.policies.plugins import Plugin, hash_module, load_plugin, plugins_of, why_not_the_same

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_rules.py"
SETTINGS = {"sharing": "central", "sync_every": 7, "seed": 2}
pytestmark = pytest.mark.usefixtures("tables")


@pytest.fixture
def env():
    return clew.Environment(clew.Maze.open(5, 6), random_start=True)


@pytest.fixture
def rules():
    load_plugin(EXAMPLE)


# In this process ------------------------------------------------------------------------------------------------------


def test_the_same_source_is_accepted_and_another_is_refused(rules):
    (here,) = plugins_of("my_rules:counted", "my_rules:momentum")
    assert why_not_the_same(here) == ""
    handshake.check_plugins([here])
    other = here._replace(sha256="f" * 64)
    assert why_not_the_same(other) == (
        f"the plug-in my_rules has the source {here.sha256:.8} there, and the source ffffffff in the driver; install "
        "the same on every node"
    )
    with pytest.raises(ClusterError, match=r"^host .* can't be used: the plug-in my_rules has the source \w{8} there"):
        handshake.check_plugins([other])


def test_a_module_is_imported_by_its_name_and_a_file_by_its_path(tmp_path, monkeypatch):
    file = tmp_path / "my_other.py"
    file.write_text(EXAMPLE.read_text().replace("my_rules:", "my_other:"))
    load_plugin(file)
    sha256 = hash_module("my_other")
    for table in (clew.ALGORITHMS, clew.BEHAVIOURS):
        for name in [name for name in table if name.startswith("my_other")]:
            del table[name]
    del sys.modules["my_other"]
    assert why_not_the_same(Plugin("my_other", sha256)).startswith(
        "the plug-in my_other can't be imported there: ModuleNotFoundError: No module named 'my_other'; install"
    )
    assert why_not_the_same(Plugin("my_other", sha256, str(file))) == ""
    del sys.modules["my_other"]
    monkeypatch.syspath_prepend(tmp_path)
    assert why_not_the_same(Plugin("my_other", sha256, "/none/my_other.py")) == ""


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('the first line\\nand another')", "RuntimeError: the first line"),
        ("import sys\nsys.exit('usage: my_broken FILE')", "SystemExit: usage: my_broken FILE"),
        ("def f(:", "SyntaxError: invalid syntax"),
    ],
)
def test_an_import_that_fails_is_reported_in_a_line_with_the_place(source, reason, tmp_path, monkeypatch):
    (tmp_path / "my_broken.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    place = f"{tmp_path / 'my_broken.py'}:{len(source.splitlines())}"
    for given in ("my_broken", tmp_path / "my_broken.py"):
        with pytest.raises(SettingError) as refused:
            load_plugin(given)
        assert str(refused.value) == f"the plug-in {given} can't be imported: {reason} ({place})"
    there = f"the plug-in my_broken can't be imported there: {reason} ({place}); install it on every"
    assert why_not_the_same(Plugin("my_broken", "f" * 64)).startswith(there)


def test_a_module_that_registers_nothing_is_refused(tmp_path, monkeypatch):
    (tmp_path / "my_empty.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert "my_empty has a source that registers nothing there" in why_not_the_same(Plugin("my_empty", "f" * 64))


def test_a_strategy_of_a_plug_in_is_refused_in_blocks(rules):
    check_blockwise(clew.Learning())
    with pytest.raises(SettingError, match=r"^behaviour must be one that comes with Clew in blocks"):
        check_blockwise(clew.Learning(behaviour="my_rules:momentum"))
    with pytest.raises(SettingError, match=r"^algorithm must be one of q-learning, "):
        check_blockwise(clew.Learning(algorithm="my_rules:counted"))


# On actors ------------------------------------------------------------------------------------------------------------


@pytest.mark.ray
@pytest.mark.parametrize(
    "learning",
    [
        {"algorithm": "my_rules:counted", "behaviour": "my_rules:momentum", "algorithm_settings": {"bonus": 0.5}},
        {"behaviour": "my_rules:momentum", "sharing": "local"},
    ],
    ids=["central", "local"],
)
def test_two_actors_give_the_bits_of_this_process(ray_up, rules, env, learning):
    settings = SETTINGS | learning
    here = clew.train_policy_parallel(env, 200, 4, num_actors=0, **settings)
    there = clew.train_policy_parallel(env, 200, 4, num_actors=2, **settings)
    assert there.q.tobytes() == here.q.tobytes()
    assert there.q.any()


@pytest.mark.ray
def test_a_source_that_was_edited_since_is_refused(ray_up, env, tmp_path):
    file = tmp_path / "my_edited.py"
    file.write_text(EXAMPLE.read_text().replace("my_rules:", "my_edited:"))
    load_plugin(file)
    before = hash_module("my_edited")
    file.write_text(file.read_text() + "\nX = 1\n")
    after = hash_module("my_edited")
    with pytest.raises(ClusterError) as refused:
        clew.train_policy_parallel(env, 200, 4, num_actors=2, algorithm="my_edited:counted", **SETTINGS)
    assert str(refused.value) == (
        f"host {os.uname().nodename} can't be used: the plug-in my_edited has the source {after:.8} there, and the "
        f"source {before:.8} in the driver; install the same on every node"
    )


@pytest.mark.ray
def test_a_module_that_actors_cannot_import_is_refused(ray_up, env, tmp_path, monkeypatch):
    (tmp_path / "my_hidden.py").write_text(EXAMPLE.read_text().replace("my_rules:", "my_hidden:"))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("my_hidden")
    with pytest.raises(ClusterError) as refused:
        clew.train_policy_parallel(env, 200, 4, num_actors=2, behaviour="my_hidden:momentum", **SETTINGS)
    assert "the plug-in my_hidden can't be imported there: ModuleNotFoundError" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("num_actors", [2, None])
def test_a_rule_of_a_program_or_notebook_is_refused_before_ray_is_started(env, num_actors):
    source = EXAMPLE.read_text().replace("my_rules:", "my_notebook:")
    exec(compile(source, "notebook", "exec"), {"__name__": "__main__"})
    settings = SETTINGS | {"algorithm": "my_notebook:counted"}
    if num_actors is None:  # no number was asked for, so there are none
        settings = SETTINGS | {"behaviour": "my_notebook:momentum", "sharing": "local"}
        here = clew.train_policy_parallel(env, 200, 4, num_actors=0, **settings)
        there = clew.train_policy_parallel(env, 200, 4, num_actors=None, **settings)
        assert there.q.tobytes() == here.q.tobytes()
        return
    with pytest.raises(ClusterError) as refused:
        clew.train_policy_parallel(env, 200, 4, num_actors=num_actors, **settings)
    assert str(refused.value) == (
        "actors can't use my_notebook:counted: it was registered in the program itself or in a notebook, which other "
        "processes can't import; move it to a module of its own"
    )
