"""The examples for real clusters, as far as one machine can check them, and a real job on a Ray of several nodes."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

import clew
from clew.distributed import train_policy_parallel
from clew.runs.storage import table_sha256

CLUSTERS = Path(__file__).parents[2] / "examples" / "clusters"
BIN = Path(sys.executable).parent
SETTINGS = {"num_episodes": 20_000, "num_simulations": 8, "seed": 1}  # of examples/clusters/train.py


# Wanderers take so long that both actors have something to do in every round.
WANDERING = SETTINGS | {"num_episodes": 4_000, "behaviour": "random"}


def learned_here(settings=SETTINGS):
    env = clew.Environment(clew.Maze.open(60, 60), random_start=True)
    return table_sha256(train_policy_parallel(env, num_actors=0, **settings).q)


# Files ----------------------------------------------------------------------------------------------------------------


def test_ray_itself_takes_the_configuration_of_ray_up():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((CLUSTERS / "ray-up.yaml").read_text())
    validate_config(prepare_config(config))
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        assert "RAY_AUTH_MODE=token" in commands[-1]
        for command in commands:
            assert subprocess.run(["bash", "-n", "-c", command]).returncode == 0


def test_a_mistake_in_the_configuration_of_ray_up_would_be_found():
    from jsonschema import ValidationError
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((CLUSTERS / "ray-up.yaml").read_text())
    with pytest.raises(ValidationError, match="setup_command"):
        validate_config(prepare_config({**config, "setup_command": []}))


# The fields of KubeRay 1.5.1's RayJob that we could use; it refuses others only with strict validation.
FIELDS = {
    "spec": {
        "activeDeadlineSeconds": int,
        "backoffLimit": int,
        "entrypoint": str,
        "rayClusterSpec": dict,
        "shutdownAfterJobFinishes": bool,
        "submissionMode": str,
        "ttlSecondsAfterFinished": int,
    },
    "rayClusterSpec": {"authOptions": dict, "headGroupSpec": dict, "rayVersion": str, "workerGroupSpecs": list},
    "headGroupSpec": {"rayStartParams": dict, "template": dict},
    "workerGroupSpec": {
        "groupName": str,
        "maxReplicas": int,
        "minReplicas": int,
        "rayStartParams": dict,
        "replicas": int,
        "template": dict,
    },
}


def check_fields(name, found):
    assert {key: type(value) for key, value in found.items()} == FIELDS[name]


def test_the_job_of_kuberay_has_the_fields_of_its_api():
    job = yaml.safe_load((CLUSTERS / "kuberay.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    cluster = spec["rayClusterSpec"]
    check_fields("spec", spec)
    check_fields("rayClusterSpec", cluster)
    check_fields("headGroupSpec", cluster["headGroupSpec"])
    assert spec["submissionMode"] in ("K8sJobMode", "HTTPMode", "SidecarMode", "InteractiveMode")
    assert cluster["authOptions"] == {"mode": "token"}
    images = set()
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        (container,) = group["template"]["spec"]["containers"]
        assert container["resources"]["limits"] == container["resources"]["requests"]
        images.add(container["image"])
    for group in cluster["workerGroupSpecs"]:
        check_fields("workerGroupSpec", group)
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    assert len(images) == 1


def test_the_job_of_kuberay_asks_for_as_many_actors_as_it_has_processors():
    spec = yaml.safe_load((CLUSTERS / "kuberay.yaml").read_text())["spec"]
    cpus = sum(
        group["replicas"] * int(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
        for group in spec["rayClusterSpec"]["workerGroupSpecs"]
    )
    assert spec["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert spec["entrypoint"].endswith(f"train.py --actors {cpus}")


@pytest.mark.parametrize("name", ["slurm.sh", "job-submit.sh"])
def test_scripts_are_bash(name):
    assert subprocess.run(["bash", "-n", str(CLUSTERS / name)]).returncode == 0


def test_no_token_is_written_into_an_example():
    for path in CLUSTERS.iterdir():
        assert not re.search(r"[0-9a-f]{32}", path.read_text()), path


# A real Ray -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(tmp_path):
    """An environment that knows no Ray, with a home, and a folder where a Ray keeps what it says of itself."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(prefix="clew", ignore_cleanup_errors=True) as folder:  # names of sockets are short
        rays = {"RAY_TMPDIR": folder, "RAY_USAGE_STATS_ENABLED": "0"}
        yield {**kept, **rays, "HOME": str(tmp_path), "XDG_CACHE_HOME": cache, "PATH": path}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def ray_head(environment, num_cpus):
    """A Ray of its own, as `ray start --head` makes it; gives its address. It is stopped by its number."""
    address = f"127.0.0.1:{free_port()}"
    command = [BIN / "ray", "start", "--head", "--block", "--include-dashboard=false", "--node-ip-address=127.0.0.1"]
    command += [f"--port={address.rpartition(':')[2]}", f"--num-cpus={num_cpus}", "--object-store-memory=100000000"]
    to_us = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=environment, start_new_session=True, **to_us) as head:
        rest = threading.Thread(target=head.stdout.read)  # so that its pipe doesn't fill
        try:
            seen = []
            for line in head.stdout:  # ends if Ray doesn't start
                seen.append(line)
                if "Ray runtime started" in line:
                    break
            else:
                pytest.fail("".join(seen))
            rest.start()
            yield address
        finally:
            head.send_signal(signal.SIGTERM)  # it then stops what it started
            head.wait(timeout=60)
            rest.join()


def train(environment, *options):
    return subprocess.run(
        [sys.executable, str(CLUSTERS / "train.py"), *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.ray
@pytest.mark.nightly
def test_a_job_on_a_ray_that_asks_for_a_token(environment):
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with ray_head(environment, 2) as address:
        done = train({**environment, "RAY_ADDRESS": address})
        assert done.stdout.splitlines() == [f"2 actors: table {learned_here()}", f"one process: table {learned_here()}"]
        assert done.returncode == 0
        wrong = train({**environment, "RAY_ADDRESS": address, "RAY_AUTH_TOKEN": secrets.token_hex(32)})
        none = train({**environment, "RAY_ADDRESS": address, "RAY_AUTH_TOKEN": ""})
        for failed in (wrong, none):
            assert failed.returncode == 1
            assert re.search("ClusterError: no connection to Ray: .*; its token is needed here too", failed.stderr)
        assert environment["RAY_AUTH_TOKEN"] not in done.stderr + wrong.stderr
        connect_without_the_token({**environment, "RAY_ADDRESS": address})


CONNECT = """
import time
from clew.distributed.cluster import connected
from clew.errors import ClusterError
begun = time.monotonic()
try:
    with connected(1):
        pass
except ClusterError as error:
    print(error, time.monotonic() - begun, sep="\\n")
"""


def connect_without_the_token(environment):
    """Each refusal is one line within ten seconds, the start of Python and its imports aside."""
    wrong = {**environment, "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    off = {name: value for name, value in environment.items() if not name.startswith("RAY_AUTH")}
    empty = {**off, "RAY_AUTH_MODE": "token"}
    for given, reason in (
        (wrong, "the Ray at .* refuses this token"),
        (off, "the Ray at .* asks for a token, and RAY_AUTH_MODE=token isn't set"),
        (empty, "Token authentication is enabled but no authentication token was found"),
    ):
        done = subprocess.run([sys.executable, "-c", CONNECT], env=given, capture_output=True, text=True, timeout=60)
        message, seconds = done.stdout.splitlines()
        assert re.fullmatch(f"no connection to Ray: {reason}; its token is needed here too: .*", message)
        assert float(seconds) < 10
        assert done.stderr == ""


@pytest.mark.ray
@pytest.mark.nightly
def test_a_node_that_leaves_and_another_that_joins_change_no_bit(environment):
    """In a process of its own, for the Ray of other tests is another."""
    code = f"""
import json, sys
import ray
from ray.cluster_utils import Cluster
import clew
from clew.tracing.trace import Trace
from clew.runs.storage import table_sha256

cluster = Cluster(initialize_head=True, head_node_args={{"num_cpus": 1, "include_dashboard": False}})
node = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
nodes = set()

def note(row):
    global node
    if row.round == 20:
        cluster.remove_node(node, allow_graceful=False)
    if row.round == 40:
        node = cluster.add_node(num_cpus=1)
    nodes.update(each["NodeID"] for each in ray.nodes() if each["Alive"])

env = clew.Environment(clew.Maze.open(60, 60), random_start=True)
trace = Trace()
policy = clew.train_policy_parallel(env, num_actors=2, callback=note, trace=trace, **{WANDERING!r})
lost = sum(event.what == "lost" for event in trace.events)
print(json.dumps([table_sha256(policy.q), len(nodes), lost]), file=sys.stderr)
ray.shutdown()
cluster.shutdown()
"""
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    sha256, nodes, lost = json.loads(next(line for line in done.stderr.splitlines() if line.startswith('["')))
    assert sha256 == learned_here(WANDERING)
    assert nodes == 3  # the head, the one that left, and the one that joined
    assert lost >= 1


# `ray symmetric-run` ends with `ray stop`, which ends every Ray that it can see: it must see none but its own.
ALONE = ["unshare", "--pid", "--net", "--mount-proc", "--fork", "bash", "-c", 'ip link set lo up; exec "$@"', "alone"]
SLURM = {
    "SLURM_JOB_NODELIST": "node-1",
    "SLURM_JOB_NUM_NODES": "1",
    "SLURM_CPUS_PER_TASK": "3",
}


def can_be_alone():
    return shutil.which("unshare") and subprocess.run([*ALONE, "true"], capture_output=True).returncode == 0


@pytest.mark.ray
@pytest.mark.nightly
def test_the_script_for_slurm_runs_with_stand_ins_for_its_commands(environment, tmp_path):
    """Slurm's commands are acted by what they would do on a job of one node; Ray's are the real ones."""
    if not can_be_alone():
        pytest.skip("processes can't be had in namespaces of their own: needs Linux, root, unshare and ip")
    acted = tmp_path / "bin"
    acted.mkdir()
    for name, body in (
        ("scontrol", 'test "$1 $2 $3" = "show hostnames node-1" && echo node-1'),
        ("hostname", "echo 127.0.0.1"),
        ("srun", 'while [ "${1:0:2}" = -- ]; do shift; done; exec "$@"'),
    ):
        (acted / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (acted / name).chmod(0o755)
    environment |= {**SLURM, "PATH": f"{acted}{os.pathsep}{environment['PATH']}"}
    command = [*ALONE, "bash", str(CLUSTERS / "slurm.sh")]
    root = CLUSTERS.parents[1]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"2 actors: table {learned_here()}" in done.stdout
