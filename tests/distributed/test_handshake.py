"""Handshake of the driver with actors: what is refused, what is said, and a real node with another Clew."""

import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numba
import numpy as np
import pytest
from test_clusters import BIN, ray_head, ray_node

import clew
from clew.distributed import cluster
from clew.distributed.handshake import Handshakes, describe_process, find_difference
from clew.errors import ClusterError
from clew.tracing.trace import Trace
from clew.version import hash_sources

PACKAGE = Path(clew.__file__).parent
HERE = describe_process()


def test_a_process_says_what_determines_its_bits():
    assert HERE["host"] == platform.node()
    assert HERE["clew"] == clew.__version__
    assert HERE["sources"] == hash_sources() != hash_sources("kernels")
    assert (HERE["numpy"], HERE["numba"]) == (np.__version__, numba.__version__)
    assert HERE["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert HERE["processor"].startswith(f"{platform.machine()} ")
    assert all(isinstance(value, str) for value in HERE.values())


def test_the_hash_of_the_sources_changes_with_any_of_them(tmp_path, monkeypatch):
    copy = tmp_path / "clew"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("clew.version.__file__", str(copy / "version.py"))
    assert hash_sources() == HERE["sources"]
    kernels = hash_sources("kernels")
    (copy / "settings.py").write_text("")
    assert hash_sources() != HERE["sources"]
    assert hash_sources("kernels") == kernels


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"host": "b", "processor": "x86_64 skylake", "arithmetic": "another"}, ""),
        ({"numpy": "1.0"}, f"it has NumPy 1.0, and the driver NumPy {HERE['numpy']}"),
        ({"numba": "1.0"}, f"it has Numba 1.0, and the driver Numba {HERE['numba']}"),
        ({"python": "3.9"}, f"it has Python 3.9, and the driver Python {HERE['python']}"),
        (
            {"clew": "9.9", "sources": "f" * 64, "numpy": "1.0"},
            f"it has Clew 9.9, NumPy 1.0, and the driver Clew {HERE['clew']}, NumPy {HERE['numpy']}",
        ),
        (
            {"sources": "f" * 64},
            f"it has Clew {HERE['clew']} with the sources ffffffff, and the driver with the sources "
            f"{HERE['sources'][:8]}",
        ),
    ],
)
def test_another_version_is_named_with_ours(change, words):
    assert find_difference(HERE, {**HERE, **change}) == words


def test_a_refusal_is_one_line_that_names_the_host():
    with pytest.raises(ClusterError, match=r"host b can't be used: it has NumPy 1\.0, and the driver") as refused:
        Handshakes().accept({**HERE, "host": "b", "numpy": "1.0"})
    assert "\n" not in str(refused.value)
    with pytest.raises(ClusterError, match="an actor can't be used: it has an older Clew, which doesn't say"):
        Handshakes().accept(True)  # what actors answered before there was a handshake


def test_another_processor_and_a_host_that_joins_are_said_once(caplog):
    caplog.set_level("INFO", "clew")
    handshakes = Handshakes()
    for _ in range(2):
        handshakes.accept({**HERE, "host": "b", "processor": "x86_64 skylake"})
        handshakes.accept({**HERE, "host": "c", "processor": "aarch64 apple-m1", "arithmetic": "another"})
        handshakes.accept({**HERE, "host": "b", "processor": "x86_64 skylake"}, has_joined=True)
        handshakes.accept({**HERE, "host": "d"}, has_joined=True)
        handshakes.accept(HERE, has_joined=True)
    assert handshakes.hosts == {"b", "c", "d", HERE["host"]}
    assert [record.message for record in caplog.records] == [
        f"host b has another processor (x86_64 skylake, here {HERE['processor']})",
        f"host c (aarch64 apple-m1) computes other exponentials or logarithms than this one ({HERE['processor']}): "
        "with softmax and UCB the last bits depend on which host runs a simulation",
        "host d has joined",
    ]


def test_rays_refusal_of_another_python_becomes_one_line(monkeypatch):
    """Ray itself compares before any actor runs; this is its message."""
    from ray._private.utils import check_version_info

    def refuse(**options):
        assert options["log_to_driver"] is False  # what nodes print stays in their logs
        check_version_info({"ray_version": "2.0.0", "python_version": "3.9.1"}, "node 10.0.0.1")

    monkeypatch.setenv("RAY_ADDRESS", "ray://elsewhere")
    monkeypatch.setattr(cluster.ray, "init", refuse)
    with pytest.raises(ClusterError) as refused:
        cluster._start(1)
    assert str(refused.value) == (
        f"no connection to Ray: it runs Ray 2.0.0 and Python 3.9.1, and this process Ray {cluster.ray.__version__} and "
        f"Python {platform.python_version()}; install the same versions here"
    )


@pytest.mark.ray
def test_the_trace_names_the_host_of_each_actor(ray_up):
    trace = Trace()
    clew.train_policy_parallel(clew.Environment(), 400, num_actors=2, trace=trace)
    hosts = {event.who: event.host for event in trace.events if event.what == "start"}
    assert hosts == {"actor 0": HERE["host"], "actor 1": HERE["host"]}
    assert {event.host for event in trace.events if event.what != "start"} == {""}


# A real node with another Clew ----------------------------------------------------------------------------------------

TRAIN = """
import sys
import clew
from clew.distributed.blocks import BlockWorld

env = clew.Environment(clew.Maze.open(20, 20), random_start=True)
try:
    if sys.argv[1] == "train":
        clew.train_policy_parallel(env, 400, num_actors=2, sharing="local")
    else:
        with BlockWorld(env, 2, num_actors=2) as world:
            world.solve(gamma=0.9)
except clew.ClusterError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def driver_environment(tmp_path_factory):
    """Variables of a driver whose Ray has two nodes of one processor; one has a Clew with another update rule."""
    copy = tmp_path_factory.mktemp("other") / "clew"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    rule = copy / "kernels" / "learning" / "updates.py"
    rule.write_text(rule.read_text().replace("alpha * ", "0.5 * alpha * "))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    environment |= {"PATH": f"{BIN}{os.pathsep}{environment['PATH']}", "PYTHONPATH": str(PACKAGE.parent)}
    with tempfile.TemporaryDirectory(prefix="clew", ignore_cleanup_errors=True) as folder:  # names of sockets are short
        environment["RAY_TMPDIR"] = folder
        other = {**environment, "PYTHONPATH": str(copy.parent)}
        with ray_head(environment, 1) as address, ray_node(other, 1, f"--address={address}"):
            yield {**environment, "RAY_ADDRESS": address}


@pytest.mark.ray
@pytest.mark.parametrize("work", [pytest.param("train", marks=pytest.mark.nightly), "solve"])
def test_a_node_with_another_update_rule_is_refused(driver_environment, work):
    """Training is refused by the command line too, in the next test, and here by night."""
    command = [sys.executable, "-c", TRAIN, work]
    done = subprocess.run(command, env=driver_environment, capture_output=True, text=True, timeout=180)
    (line,) = done.stdout.splitlines()
    theirs = re.search("the sources ([0-9a-f]{8}), and", line)[1]
    assert line == (
        f"host {HERE['host']} can't be used: it has Clew {clew.__version__} with the sources {theirs}, and the driver "
        f"with the sources {HERE['sources'][:8]}; install the same on every node, and restart Ray there"
    )
    assert theirs != HERE["sources"][:8]


@pytest.mark.ray
def test_the_command_line_says_the_refusal_without_a_traceback(driver_environment, tmp_path):
    words = ("train", "9x9", "--episodes", "400", "--simulations", "4", "--actors", "2")
    done = subprocess.run(
        [sys.executable, "-m", "clew", *words],
        env=driver_environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "can't be used: it has Clew" in done.stderr.splitlines()[-1]
