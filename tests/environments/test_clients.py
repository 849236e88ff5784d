"""The examples with other libraries run, where these are installed."""

import importlib.util
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import pytest

import clew  # noqa: F401  # registers clew/Maze-v0

EXAMPLES = Path(__file__).parents[2] / "examples"


def need(*modules: str) -> None:
    """Skip the test if a library isn't installed; it isn't imported for that, since some warn at import."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


def run(name: str) -> str:
    """Run an example and return what it prints."""
    threads = {"OMP_NUM_THREADS": "1"}  # more threads don't speed up such small networks
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], capture_output=True, text=True, check=False, env=os.environ | threads
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_loop_in_the_manner_of_cleanrl_finds_the_way() -> None:
    assert run("cleanrl_style.py").endswith("\n8 steps from start to goal\n")


@pytest.mark.long
def test_ppo_of_stable_baselines3_finds_the_way() -> None:
    need("stable_baselines3")
    assert run("ppo_stable_baselines3.py").startswith("8 steps from start to goal")


@pytest.mark.parametrize("settings", [{}, {"random_start": True, "random_goal": True}], ids=["plain", "random"])
@pytest.mark.parametrize("observation", ["index", "position", "planes"])
def test_the_checker_of_stable_baselines3_has_nothing_to_say(observation: str, settings: dict[str, bool]) -> None:
    need("stable_baselines3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # when PyTorch is imported
        from stable_baselines3.common.env_checker import check_env
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if observation == "planes":  # the library expects an image in three dimensions
            warnings.filterwarnings("ignore", message=".*image")
        check_env(gymnasium.make("clew/Maze-v0", observation=observation, **settings))


@pytest.mark.long
@pytest.mark.ray
def test_ppo_of_rllib_finds_the_way() -> None:
    need("torch", "tree")  # Ray is always installed; these come with ray[rllib]
    assert float(re.findall(r"([\d.]+) steps from start to goal, on average of", run("ppo_rllib.py"))[0]) < 9.5
