"""Starting and stopping a Ray of our own, in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clew.distributed import cluster
from clew.errors import ClusterError, ClusterLostError

pytestmark = pytest.mark.ray

TRAIN = """
import os, ray, sys
from clew import Environment, train_policy_parallel
policy = train_policy_parallel(Environment(), 200, 4, num_actors=int(sys.argv[1]))
print(policy.q.any(), ray.is_initialized(), os.path.exists(os.path.expanduser("~/.ray")))
"""


def run(code, *arguments, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**environment, **variables},
    )


def test_a_local_ray_is_started_wide_enough_and_stopped_without_a_word(tmp_path):
    done = run(TRAIN, str(os.cpu_count() + 1), HOME=str(tmp_path), XDG_CACHE_HOME=os.path.expanduser("~/.cache"))
    assert done.stdout.split() == ["True", "False", "False"]
    assert done.stderr == ""


@pytest.mark.nightly
def test_a_home_that_cannot_be_written_does_no_harm():
    done = run(TRAIN, "1", HOME="/proc/nobody")
    assert done.stdout.split() == ["True", "False", "False"]
    assert done.stderr == ""


@pytest.mark.ray
def test_c1_an_error_of_rays_own_code_is_one_of_ours_and_others_are_not(ray_up):
    with pytest.raises(ClusterLostError, match=r"Ray has died .*: Broken pipe"), cluster.connected(0):
        raise OSError("Broken pipe")
    with pytest.raises(FileNotFoundError), cluster.connected(0):
        Path("/nowhere").read_text()


def test_an_address_where_no_ray_answers_is_named():
    code = "import clew\ntry: clew.train_policy_parallel(clew.Environment(), 9, 2, num_actors=1)\n"
    code += "except clew.ClusterError as error: print(error)"
    done = run(code, RAY_ADDRESS="127.0.0.1:1")
    assert "no connection to Ray" in done.stdout


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Exception("The current node timed out during startup. This could"), "timed out during startup$"),
        (KeyError(), "KeyError$"),
    ],
)
def test_a_local_ray_that_does_not_start_is_one_clear_line(error, reason, monkeypatch):
    def init(**settings):
        raise error

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(cluster.ray, "init", init)
    monkeypatch.setattr(cluster, "_set_token", lambda: None)
    with pytest.raises(ClusterError, match=f"^no connection to Ray: .*{reason}"):
        cluster._start(2)
