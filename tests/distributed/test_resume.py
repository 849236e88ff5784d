"""The driver is killed, and the run goes on to the same bits. `--moments 50` kills it that often."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import ray

from clew.distributed import train_policy_parallel
from clew.environments import Environment
from clew.learning.checkpoints import Checkpoints
from clew.runs.configuration import TrainingConfig
from clew.runs.run import open_partial_run, open_run, save_checkpoints, train_run
from clew.runs.storage import is_occupied, partial_folder, table_sha256
from waiting import wait_for_checkpoint, wait_until

DEADLINE = 120  # seconds
WORLD = {"maze": "20x20", "random_start": True, "slip": 0.2, "max_episode_steps": 400, "seed": 5}
CONFIGS = {
    "local": {"num_episodes": 8_000, "sharing": "local"},
    "local, ahead": {"num_episodes": 8_000, "sharing": "local", "rounds_ahead": 2},
    "local, double": {
        "num_episodes": 8_000,
        "sharing": "local",
        "algorithm": "double-q-learning",
        "alpha_schedule": "visits",
    },
    "local, interleaved": {"num_episodes": 8_000, "sharing": "local", "num_interleaved": 8},
    "central": {"num_episodes": 6_000, "sharing": "central"},
    "central, ahead": {"num_episodes": 6_000, "sharing": "central", "rounds_ahead": 2},
    "central, a model": {"num_episodes": 600, "algorithm": "prioritized-sweeping"},
    "central, replay": {"num_episodes": 600, "algorithm": "dyna-q"},
    "serial": {"num_episodes": 60_000, "num_simulations": 1},
    "serial, interleaved": {"num_episodes": 60_000, "num_simulations": 1, "num_interleaved": 8},
    "serial, a model": {"num_episodes": 1_000, "num_simulations": 1, "algorithm": "prioritized-sweeping"},
    "serial, double": {"num_episodes": 40_000, "num_simulations": 1, "algorithm": "double-q-learning"},
}
CONFIGS = {name: {"num_simulations": 4} | settings for name, settings in CONFIGS.items()}
FEW = ("local", "central, a model", "serial")  # of these, unless more moments are asked for


def drive(folder, config, environment, ready):
    """What a process does: begin a run, or go on with it, until it has ended."""
    os.environ.update(environment)
    if environment:
        ray.init(logging_level=logging.ERROR)
    ready.set()
    resume = partial_folder(folder).exists()
    if resume:
        config, maze = open_partial_run(folder)
    else:
        maze = config.make_maze()
    with save_checkpoints(folder, config, maze, "0.02s", resume) as checkpoints:
        train_run(config, checkpoints=checkpoints, maze=maze).save(folder)


def drive_with_kills(folder, config, moments, environment=None):
    """Kill it at so many random moments; gives the tables of the runs that ended, one after the other.

    They are moments of the run: who dies while `ray.init()` reserves its first object leaves Ray 2.60 so that no other
    driver can connect to it.
    """
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["clew.runs.run", "clew.distributed.actors", "ray"])

    def start(folder):
        ready = processes.Event()
        process = processes.Process(target=drive, args=(folder, config, environment or {}, ready))
        process.start()
        assert ready.wait(DEADLINE)
        return process

    warm = processes.Process(target=os.getpid)  # the first waits for all imports
    warm.start()
    warm.join(DEADLINE)
    for name in ("compiling", "unharmed"):  # only the second is timed
        unharmed, begun = start(folder / name), time.monotonic()
        unharmed.join(DEADLINE)
    seconds = time.monotonic() - begun
    tables, kills, rng = [open_run(folder / "unharmed")[2].q], 0, np.random.default_rng(moments)
    while kills < moments:
        run = folder / f"run-{len(tables)}"
        while not is_occupied(run):
            process = start(run)
            process.join(rng.uniform(0.0, seconds) if kills < moments else DEADLINE)
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
                process.join(DEADLINE)
                kills += 1
        tables.append(open_run(run)[2].q)
    return tables


def assert_same(tables, config):
    wanted = table_sha256(train_run(config).policy.q)
    assert [table_sha256(table) for table in tables] == [wanted] * len(tables)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_up")  # all processes descend from one that has to know its token
@pytest.mark.parametrize("name", CONFIGS)
def test_a_driver_that_is_killed_goes_on_to_the_same_bits(tmp_path, moments, name):
    if moments <= 3 and name not in FEW:
        pytest.skip("with --moments 4 or more")
    config = TrainingConfig(**WORLD, **CONFIGS[name])
    assert_same(drive_with_kills(tmp_path, config, moments), config)


def address():
    """What a process needs to find this Ray."""
    return {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}


def wait_until_free():
    """All processors of the cluster are free again: nobody's actors are left."""
    wait_until(lambda: ray.available_resources().get("CPU") == ray.cluster_resources()["CPU"])


@pytest.mark.ray
@pytest.mark.parametrize("name", ["local", pytest.param("central, ahead", marks=pytest.mark.nightly)])
def test_a_driver_of_actors_that_is_killed_goes_on_to_the_same_bits(ray_up, tmp_path, moments, name):
    config = TrainingConfig(**WORLD, **CONFIGS[name], num_actors=2)
    tables = drive_with_kills(tmp_path, config, moments, address())
    assert_same(tables, TrainingConfig(**WORLD, **CONFIGS[name]))
    wait_until_free()


@pytest.mark.ray
def test_ctrl_c_keeps_a_checkpoint_and_leaves_no_actor(ray_up, ctrl_c, tmp_path):
    """Pressed on a terminal: it reaches every process of the group."""

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "clew", "train", *arguments, "--actors", "2", "--checkpoint-every", "1"],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=tmp_path,
            env={**os.environ, **address()},
        )

    settings = "--slip", "0.2", "--random-start", "--episodes", "100000000", "--simulations", "4", "--sync-every", "100"
    process = start("20x20", *settings, "--out", "run")
    wait_for_checkpoint(tmp_path / "run", process)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130
    assert said.endswith("clew: stopped; go on with `clew train --resume run`\n")
    wait_until_free()

    before = max(tmp_path.glob("run.partial/checkpoint-*"), key=lambda path: path.stat().st_mtime)
    process = start("--resume", "run")
    wait_until(lambda: not before.exists(), process)  # until it has made place for three more
    process.kill()
    process.communicate()
    wait_until_free()


@pytest.mark.ray
def test_an_interrupted_notebook_leaves_no_actor(ray_up):
    def interrupt(row):
        if row.round >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_policy_parallel(Environment(), 4000, 4, num_actors=2, callback=interrupt)
    wait_until_free()


@pytest.mark.ray
def test_the_times_of_a_run_that_went_on_are_those_since_then(ray_up, caplog, tmp_path):
    caplog.set_level("INFO", "clew")

    def interrupt(row):
        if row.round == 2:
            raise KeyboardInterrupt

    settings = {"num_episodes": 400, "num_actors": 1, "num_simulations": 2, "sync_every": 20}
    with pytest.raises(KeyboardInterrupt):
        train_policy_parallel(Environment(), callback=interrupt, checkpoints=Checkpoints(tmp_path, 1), **settings)
    train_policy_parallel(Environment(), checkpoints=Checkpoints(tmp_path, 1), **settings)
    assert caplog.text.count("learning took") == caplog.text.count("since it was resumed, learning took") == 1
