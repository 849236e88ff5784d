"""The examples for real clusters, as far as one machine can check them, and a real job on a Ray of several nodes."""

import json
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from test_failures import processes

import clew
from clew.distributed import train_policy_parallel
from clew.runs.storage import table_sha256
from waiting import wait_for_checkpoint

ROOT = Path(__file__).parents[2]
CLUSTERS = ROOT / "examples" / "clusters"
BIN = Path(sys.executable).parent
SETTINGS = {"num_episodes": 20_000, "num_simulations": 8, "seed": 1}  # of examples/clusters/train.py


# Wanderers take so long that both actors have something to do in every round. The step size is so small that values
# don't converge: converged ones would have the same bits if work were lost.
WANDERING = SETTINGS | {"num_episodes": 4_000, "behaviour": "random", "alpha": 0.001}


def learned_here(settings=SETTINGS):
    env = clew.Environment(clew.Maze.open(60, 60), random_start=True)
    return table_sha256(train_policy_parallel(env, num_actors=0, **settings).q)


@pytest.fixture
def environment(tmp_path):
    """An environment that knows no Ray, with a home, and a folder where a Ray keeps what it says of itself."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(prefix="clew", ignore_cleanup_errors=True) as folder:  # names of sockets are short
        rays = {"RAY_TMPDIR": folder, "RAY_USAGE_STATS_ENABLED": "0"}
        yield {**kept, **rays, "HOME": str(tmp_path), "XDG_CACHE_HOME": cache, "PATH": path}


# Files ----------------------------------------------------------------------------------------------------------------


def test_ray_itself_takes_the_configuration_of_ray_up():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((CLUSTERS / "ray-up.yaml").read_text())
    validate_config(prepare_config(config))
    commands = ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands")
    for command in (command for name in commands for command in config[name]):
        assert subprocess.run(["bash", "-n", "-c", command]).returncode == 0


@pytest.mark.parametrize("before", [None, "", "case $- in *i*) ;; *) return ;; esac\n"], ids=["none", "empty", "short"])
def test_the_setup_of_ray_up_puts_the_environment_and_the_token_before_whatever_a_shell_runs(tmp_path, before):
    """The first lines of a ~/.bashrc are read by all its shells; many end where the shell isn't interactive."""
    config = yaml.safe_load((CLUSTERS / "ray-up.yaml").read_text())
    if before is not None:
        (tmp_path / ".bashrc").write_text(before)
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    for _ in range(2):
        for command in config["setup_commands"][-3:]:
            subprocess.run(["bash", "-c", command], env=environment, check=True)
    assert (tmp_path / ".bashrc").read_text().count("clew-env") == 1
    assert (tmp_path / ".bashrc").read_text().endswith(before or "")
    show = ["bash", "-c", '. ~/.bashrc; echo "$PATH $RAY_AUTH_MODE $RAY_JOB_STOP_WAIT_TIME_S"']
    shown = subprocess.run(show, env=environment, capture_output=True, text=True, check=True).stdout
    assert shown == f"{tmp_path}/clew-env/bin:{os.environ['PATH']} token 30\n"


def test_a_mistake_in_the_configuration_of_ray_up_would_be_found():
    from jsonschema import ValidationError
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((CLUSTERS / "ray-up.yaml").read_text())
    with pytest.raises(ValidationError, match="setup_command"):
        validate_config(prepare_config({**config, "setup_command": []}))


# The fields of KubeRay 1.5.1's RayJob, and of Kubernetes' pods and claims, that we use; others are refused only with
# strict validation.
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
    "rayClusterSpec": {
        "authOptions": dict,
        "autoscalerOptions": dict,
        "enableInTreeAutoscaling": bool,
        "headGroupSpec": dict,
        "rayVersion": str,
        "workerGroupSpecs": list,
    },
    "autoscalerOptions": {"idleTimeoutSeconds": int, "resources": dict},
    "headGroupSpec": {"rayStartParams": dict, "template": dict},
    "workerGroupSpec": {
        "groupName": str,
        "maxReplicas": int,
        "minReplicas": int,
        "rayStartParams": dict,
        "replicas": int,
        "template": dict,
    },
    "pod of the head": {"containers": list, "securityContext": dict, "volumes": list},
    "pod of a worker": {
        "containers": list,
        "terminationGracePeriodSeconds": int,
        "tolerations": list,
        "volumes": list,
    },
    "container of the head": {
        "env": list,
        "image": str,
        "name": str,
        "ports": list,
        "resources": dict,
        "volumeMounts": list,
    },
    "container of a worker": {"image": str, "name": str, "resources": dict, "volumeMounts": list},
    "claim": {"accessModes": list, "resources": dict},
}
GIGABYTE = {"Gi": 2**30, "G": 10**9}


def check_fields(name, found):
    assert {key: type(value) for key, value in found.items()} == FIELDS[name]


def kuberay():
    """The claim, the specification of the job, and its groups: (name, group, pod, container)."""
    claim, job = yaml.safe_load_all((CLUSTERS / "kuberay.yaml").read_text())
    assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    groups = [("the head", cluster["headGroupSpec"]), *(("a worker", group) for group in cluster["workerGroupSpecs"])]
    pods = [(who, group, group["template"]["spec"]) for who, group in groups]
    return claim, job["spec"], [(who, group, pod, pod["containers"][0]) for who, group, pod in pods]


def num_bytes(quantity):
    number, unit = re.fullmatch(r"([0-9]+)([A-Z]i?)", quantity).groups()
    return int(number) * GIGABYTE[unit]


def test_the_job_of_kuberay_has_the_fields_of_its_api():
    claim, spec, groups = kuberay()
    cluster = spec["rayClusterSpec"]
    check_fields("claim", claim["spec"])
    check_fields("spec", spec)
    check_fields("rayClusterSpec", cluster)
    check_fields("autoscalerOptions", cluster["autoscalerOptions"])
    check_fields("headGroupSpec", cluster["headGroupSpec"])
    assert spec["submissionMode"] in ("K8sJobMode", "HTTPMode", "SidecarMode", "InteractiveMode")
    assert cluster["authOptions"] == {"mode": "token"}
    for who, group, pod, container in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        assert list(group["template"]) == ["spec"]
        assert len(pod["containers"]) == 1
        check_fields(f"pod of {who}", pod)
        check_fields(f"container of {who}", container)
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    for group in cluster["workerGroupSpecs"]:
        check_fields("workerGroupSpec", group)
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    assert len({container["image"] for *_, container in groups}) == 1


def test_pods_of_kuberay_have_the_memory_that_the_object_store_needs():
    *_, groups = kuberay()
    for _, group, pod, container in groups:
        assert container["resources"]["limits"] == container["resources"]["requests"]
        (shared,) = [volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume]
        assert {"mountPath": "/dev/shm", "name": "shared-memory"} in container["volumeMounts"]
        assert shared["medium"] == "Memory"
        size, memory = num_bytes(shared["sizeLimit"]), num_bytes(container["resources"]["limits"]["memory"])
        assert int(group["rayStartParams"]["object-store-memory"]) < size < memory / 2


def test_the_job_of_kuberay_has_a_processor_and_a_simulation_for_each_actor_and_saves_to_its_volume():
    claim, spec, groups = kuberay()
    bash, script, run, actors, *settings = shlex.split(spec["entrypoint"])
    assert (bash, script) == ("bash", "/home/ray/clew/examples/clusters/train-or-resume.sh")
    cpus = sum(
        group["maxReplicas"] * int(container["resources"]["limits"]["cpu"]) for _, group, _, container in groups[1:]
    )
    (_, head, pod, container), *_ = groups
    assert head["rayStartParams"]["num-cpus"] == "0"
    assert int(actors) == cpus
    assert int(settings[settings.index("--simulations") + 1]) >= cpus
    assert "--sharing local" in spec["entrypoint"]
    assert {"name": "runs", "mountPath": str(Path(run).parent)} in container["volumeMounts"]
    assert {"name": "runs", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}} in pod["volumes"]


def test_settings_of_the_examples_are_those_of_clew_train(clew, tmp_path):
    """The number of episodes aside, which is large."""
    _, spec, _ = kuberay()
    slurm = re.search(r"^    set -- (.*)$", (CLUSTERS / "slurm.sh").read_text(), re.MULTILINE).group(1)
    for given in (shlex.split(spec["entrypoint"])[4:], shlex.split(slurm.replace("$simulations", "16"))):
        given[given.index("--episodes") + 1] = "32"
        given[given.index("--random-start") - 1] = "20x20"
        if "--checkpoint-every" not in given:
            given += ["--checkpoint-every", "60s"]
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        code, _, said = clew("train", *given, "--out", out)
        assert code == 0, said


# The image ------------------------------------------------------------------------------------------------------------


def dockerfile():
    """Its instructions: (name, arguments)."""
    lines = (CLUSTERS / "Dockerfile").read_text().splitlines()
    return [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]


def test_the_image_has_the_pinned_ray_and_a_python_that_clew_accepts():
    (image,) = [what for name, what in dockerfile() if name == "FROM"]
    version, minor = re.fullmatch(r"rayproject/ray:([0-9.]+)-py3([0-9]+)", image).groups()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    least, limit = re.fullmatch(r">=3\.([0-9]+),<3\.([0-9]+)", project["requires-python"]).groups()
    assert int(least) <= int(minor) < int(limit)
    assert f"ray=={version} " in (ROOT / "requirements.lock").read_text()
    for name in ("Dockerfile", "ray-up.yaml"):
        assert re.findall(r"ray\[default\]==([0-9.]+)", (CLUSTERS / name).read_text()) == [version]
    assert f'rayVersion: "{version}"' in (CLUSTERS / "kuberay.yaml").read_text()


def test_the_image_is_made_of_files_that_exist_and_that_docker_is_given():
    kept = {line[1:] for line in (CLUSTERS / "Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"}
    copied = [path for name, what in dockerfile() if name == "COPY" for path in what.split()[1:-1]]
    assert set(copied) == kept
    assert all((ROOT / path).exists() for path in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"]} <= kept  # the build of the package asks for them


def test_pins_of_the_image_are_all_pins_of_the_lock(tmp_path):
    (step,) = [what for name, what in dockerfile() if name == "RUN" and "pins.txt" in what and "grep" in what]
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    subprocess.run(["bash", "-c", step], cwd=tmp_path, check=True)
    pins = [Requirement(line) for line in (tmp_path / "pins.txt").read_text().splitlines() if line[0] not in " #"]
    locked = re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert [(pin.name, str(pin.specifier)) for pin in pins] == [(name, f"=={version}") for name, version in locked]
    assert {"ray", "numpy", "numba", "gymnasium"} <= {pin.name for pin in pins}


# Scripts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["slurm.sh", "job-submit.sh", "train-or-resume.sh"])
def test_scripts_are_bash(name):
    assert subprocess.run(["bash", "-n", str(CLUSTERS / name)]).returncode == 0


def test_no_token_is_written_into_an_example():
    for path in CLUSTERS.iterdir():
        assert not re.search(r"[0-9a-f]{32}", path.read_text()), path


RUN = ["60x60", "--random-start", "--gamma", "0.999", "--behaviour", "random", "--episodes", "8000", "--seed", "1"]
RUN += ["--alpha", "0.001", "--sharing", "local", "--simulations", "4", "--checkpoint-every", "400"]


def table_in(folder):
    return json.loads((folder / "summary.json").read_text())["table_sha256"]


def test_train_or_resume_begins_a_run_goes_on_with_it_and_leaves_it_when_it_has_ended(environment, tmp_path):
    whole, run = tmp_path / "whole", tmp_path / "runs" / "first"
    subprocess.run([BIN / "clew", "train", *RUN, "--out", whole], env=environment, capture_output=True, check=True)
    command = ["bash", str(CLUSTERS / "train-or-resume.sh"), str(run), "0", *RUN]
    partial = tmp_path / "runs" / "first.partial"  # of a process that was killed before its first checkpoint
    partial.mkdir(parents=True)
    for name in ("config.json", "maze.txt"):
        shutil.copy(whole / name, partial)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        wait_for_checkpoint(run, process)
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 143
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert table_in(run) == table_in(whole)
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (again.returncode, again.stdout) == (0, f"{run} has ended already\n")


def test_train_or_resume_imports_the_modules_that_a_run_needs(environment, tmp_path):
    lake = "gymnasium.envs.toy_text.frozen_lake:FrozenLakeEnv"
    (tmp_path / "my_world.py").write_text(f"import gymnasium\n\ngymnasium.register('Mine-v0', entry_point={lake!r})\n")
    shutil.copy(ROOT / "examples" / "my_rules.py", tmp_path)
    environment["PYTHONPATH"] = f"{environment.get('PYTHONPATH', '')}{os.pathsep}{tmp_path}"
    settings = ["gym:my_world:Mine-v0", "--algorithm", "my_rules:counted", "--plugin", "my_rules", "--episodes", "50"]
    whole, run = tmp_path / "whole", tmp_path / "first"
    subprocess.run([BIN / "clew", "train", *settings, "--out", whole], env=environment, capture_output=True, check=True)
    partial = tmp_path / "first.partial"  # of a process that was killed before its first checkpoint
    partial.mkdir()
    shutil.copy(whole / "config.json", partial)
    command = ["bash", str(CLUSTERS / "train-or-resume.sh"), str(run), "0", *settings]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert table_in(run) == table_in(whole)


# A real Ray -----------------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def ray_head(environment, num_cpus, *options):
    """A Ray of its own, as `ray start --head` makes it; gives its address. It is stopped by its number."""
    port = free_port()
    with ray_node(environment, num_cpus, "--head", f"--port={port}", "--include-dashboard=false", *options):
        yield f"127.0.0.1:{port}"


@contextmanager
def ray_node(environment, num_cpus, *place):
    """A node of a Ray, as `ray start` makes it: a head, or one that joins."""
    command = [BIN / "ray", "start", *place, "--block", "--node-ip-address=127.0.0.1"]
    command += [f"--num-cpus={num_cpus}", "--object-store-memory=100000000"]
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
            yield
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
def test_a_machine_without_a_node_of_the_ray_is_refused_within_seconds(environment):
    """Of a whole Ray only the part that is found at its address is left, as on a machine that is no node of it."""
    with ray_head(environment, 1) as address:
        port = address.rpartition(":")[2]
        ((raylet, starter),) = [
            (pid, parent)
            for pid, (words, parent) in processes().items()
            if words.split("\0")[0].endswith("/raylet") and re.search(rf"gcs-address=[\w.]+:{port}\0", words)
        ]
        os.kill(starter, signal.SIGSTOP)  # it would stop the rest too
        try:
            os.kill(raylet, signal.SIGKILL)
            environment["RAY_ADDRESS"] = address
            command = [sys.executable, "-c", CONNECT]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        finally:
            os.kill(starter, signal.SIGCONT)
    message, seconds = done.stdout.splitlines()
    assert message == (
        f"no connection to Ray: no node of the Ray at {address} runs on this machine, where the training starts; join "
        f"it with `ray start --address={address}`, or start the training on one of its nodes"
    )
    assert float(seconds) < 30
    assert done.stderr == ""


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
    settings = WANDERING | {"sync_every": 10}  # so that every round runs on actors
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
nodes, rows = set(), []

def note(row):
    global node
    rows.append(row)
    if len(rows) == 10:
        cluster.remove_node(node, allow_graceful=False)
    if len(rows) == 30:
        node = cluster.add_node(num_cpus=1)
    nodes.update(each["NodeID"] for each in ray.nodes() if each["Alive"])

env = clew.Environment(clew.Maze.open(60, 60), random_start=True)
trace = Trace()
policy = clew.train_policy_parallel(env, num_actors=2, callback=note, trace=trace, **{settings!r})
lost = sum(event.what == "lost" for event in trace.events)
print(json.dumps([table_sha256(policy.q), len(nodes), lost]), file=sys.stderr)
ray.shutdown()
cluster.shutdown()
"""
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    sha256, nodes, lost = json.loads(next(line for line in done.stderr.splitlines() if line.startswith('["')))
    assert sha256 == learned_here(settings)
    assert nodes == 3  # the head, the one that left, and the one that joined
    assert lost >= 1


@pytest.mark.ray
def test_a_node_at_a_tenth_of_its_speed_changes_no_bit(environment):
    """Its actor is stopped for 90 ms of each 100 ms; the other one takes over what is late."""
    settings = WANDERING | {"num_episodes": 2_000}
    code = f"""
import json, os, signal, sys, threading, time
sys.path.append({str(Path(__file__).parent)!r})
import ray
from ray.cluster_utils import Cluster
import clew
from clew.tracing.trace import Trace
from clew.runs.storage import table_sha256
from test_failures import processes

cluster = Cluster(initialize_head=True, head_node_args={{"num_cpus": 1, "include_dashboard": False}})
node = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
ended = threading.Event()

def slow_down():
    raylet, actors = node.all_processes["raylet"][0].process.pid, []
    while not actors and not ended.wait(0.01):
        actors = [pid for pid, (name, parent) in processes().items() if parent == raylet and "SimulationActor" in name]
    while not ended.is_set():
        os.kill(actors[0], signal.SIGSTOP)
        time.sleep(0.09)
        os.kill(actors[0], signal.SIGCONT)
        time.sleep(0.01)

slower = threading.Thread(target=slow_down)
slower.start()
env = clew.Environment(clew.Maze.open(60, 60), random_start=True)
trace = Trace()
try:
    policy = clew.train_policy_parallel(env, num_actors=2, trace=trace, **{settings!r})
finally:
    ended.set()
    slower.join()
counts = {{kind: trace.count(kind) for kind in ("copy", "unused", "lost")}}
print(json.dumps([table_sha256(policy.q), counts]), file=sys.stderr)
ray.shutdown()
cluster.shutdown()
"""
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    sha256, counts = json.loads(next(line for line in done.stderr.splitlines() if line.startswith('["')))
    assert sha256 == learned_here(settings)
    assert counts["copy"] > 0
    assert counts["lost"] == 0


# `ray symmetric-run` ends with `ray stop`, which ends every Ray that it can see: it must see none but its own.
ALONE = ["unshare", "--pid", "--net", "--mount-proc", "--fork", "bash", "-c", 'ip link set lo up; exec "$@"', "alone"]
SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NODELIST": "node-1",
    "SLURM_JOB_NUM_NODES": "1",
    "SLURM_CPUS_PER_TASK": "3",
}


def can_be_alone():
    return shutil.which("unshare") and subprocess.run([*ALONE, "true"], capture_output=True).returncode == 0


@pytest.fixture
def slurm(environment, tmp_path):
    """An environment with stand-ins for Slurm's commands, which do what the real ones would for a job of one node."""
    if not can_be_alone():
        pytest.skip("processes can't be had in namespaces of their own: needs Linux, root, unshare and ip")
    acted = tmp_path / "bin"
    acted.mkdir()
    for name, body in (
        (
            "scontrol",
            f'case "$*" in "show hostnames node-1") echo node-1 ;; "requeue 7") touch {tmp_path}/requeued ;; esac',
        ),
        ("hostname", "echo 127.0.0.1 192.0.2.2"),
        ("srun", 'while [ "${1:0:2}" = -- ]; do shift; done; exec "$@"'),
    ):
        (acted / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (acted / name).chmod(0o755)
    path = f"{acted}{os.pathsep}{environment['PATH']}"
    return {**environment, **SLURM, "PATH": path, "RUN": str(tmp_path / "runs" / "first")}


@pytest.mark.parametrize("image", ["", "/shared/clew.sif"])
def test_the_script_for_slurm_runs_ray_in_the_image_that_is_given(tmp_path, image):
    said = tmp_path / "said"
    for name, body in (
        ("scontrol", "echo node-1"),
        ("srun", f'echo 192.0.2.2 "$@" $RAY_AUTH_TOKEN >> {said}; cat {said}'),
    ):
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **SLURM, "PATH": path, "RUN": str(tmp_path / "runs" / "first"), "IMAGE": image}
    subprocess.run(["bash", str(CLUSTERS / "slurm.sh"), "5x5"], env=environment, cwd=ROOT, check=True)
    inside = f"apptainer exec --bind {ROOT},{tmp_path}/runs {image} " if image else ""
    assert f"--cpus-per-task={SLURM['SLURM_CPUS_PER_TASK']} {inside}ray symmetric-run --address" in said.read_text()
    assert re.search(r" 5x5 [0-9a-f]{64}$", said.read_text())


@pytest.mark.ray
@pytest.mark.nightly
def test_the_script_for_slurm_is_stopped_in_time_queued_again_and_goes_on_to_the_same_table(slurm, tmp_path):
    """Slurm's commands are stand-ins; Ray's are the real ones."""
    run, whole = tmp_path / "runs" / "first", tmp_path / "whole"
    subprocess.run([BIN / "clew", "train", *RUN, "--out", whole], env=slurm, capture_output=True, check=True)
    command = [*ALONE, "bash", str(CLUSTERS / "slurm.sh"), *RUN]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=slurm, cwd=ROOT, **output) as process:
        wait_for_checkpoint(run, process)
        script = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
        os.kill(script, signal.SIGUSR1)
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 143, said
    assert "stopped before the end; queued again" in said
    (tmp_path / "requeued").unlink()
    done = subprocess.run(command, env=slurm, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert table_in(run) == table_in(whole)
    assert not (tmp_path / "requeued").exists()


# An autoscaler of Ray's own whose nodes are processes of this machine.
AUTOSCALER = {
    "cluster_name": "local",
    "max_workers": 2,
    "provider": {
        "type": "fake_multinode",
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    },
    "available_node_types": {
        "head": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "worker": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
    },
    "head_node_type": "head",
    "auth": {},
    "upscaling_speed": 1.0,
    "idle_timeout_minutes": 5,
    "docker": {},
    "file_mounts": {},
    "cluster_synced_files": [],
    "file_mounts_sync_continuously": False,
    "rsync_exclude": [],
    "rsync_filter": [],
    "initialization_commands": [],
    "setup_commands": [],
    "head_setup_commands": [],
    "worker_setup_commands": [],
    "head_start_ray_commands": [],
    "worker_start_ray_commands": [],
}


@pytest.mark.ray
@pytest.mark.nightly
def test_waiting_for_processors_asks_an_autoscaler_for_them(environment, tmp_path):
    if not can_be_alone():
        pytest.skip("processes can't be had in namespaces of their own: needs Linux, root, unshare and ip")
    (tmp_path / "autoscaler.json").write_text(json.dumps(AUTOSCALER))
    start = f"ray start --head --num-cpus=0 --autoscaling-config={tmp_path}/autoscaler.json --include-dashboard=false"
    wait = f"python {CLUSTERS}/wait_for_processors.py"
    waits = f"{wait} 2 --seconds 120 && ! {wait} 9 --seconds 3 2>&1"
    code = f"{start} >&2 && {{ {waits}; code=$?; ray stop >&2; exit $code; }}"
    variables = {"RAY_AUTH_MODE": "disabled", "AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1"}
    command = [*ALONE, "bash", "-c", code]
    done = subprocess.run(command, env=environment | variables, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "waiting for processors: 0 of 2"
    assert said[-1] == "after 3 s Ray has 2 of 9 processors"


@pytest.mark.ray
@pytest.mark.nightly
def test_a_job_that_is_submitted_stopped_and_submitted_again(environment, tmp_path):
    """By job-submit.sh; needs `ray[default]`, which has the job server."""
    pytest.importorskip("aiohttp_cors", reason="needs ray[default]")
    whole, run = tmp_path / "whole", tmp_path / "runs" / "first"
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_JOB_STOP_WAIT_TIME_S": "30"}
    subprocess.run([BIN / "clew", "train", *RUN, "--out", whole], env=environment, capture_output=True, check=True)
    port = free_port()
    with ray_head(environment, 2, "--include-dashboard=true", f"--dashboard-port={port}"):
        server = f"http://127.0.0.1:{port}"

        def submit(*command):
            return subprocess.run(
                ["bash", str(CLUSTERS / "job-submit.sh"), server, *command],
                env=environment,
                capture_output=True,
                text=True,
                timeout=200,
            )

        train_it = ["bash", "train-or-resume.sh", str(run), "2", *RUN]
        assert submit("--no-wait", "--submission-id", "first", "--", *train_it).returncode == 0
        wait_for_checkpoint(run)
        stop = [BIN / "ray", "job", "stop", "--address", server, "first"]
        subprocess.run(stop, env=environment, capture_output=True, check=True, timeout=100)
        assert not run.exists()
        done = submit("--", *train_it)
        assert done.returncode == 0, done.stdout + done.stderr
        assert table_in(run) == table_in(whole)
        relative = submit("--", "clew", "train", "5x5", "--out", "runs/second")
        assert "runs/second: Ray deletes the working folder of a job" in relative.stdout
        assert relative.returncode != 0
