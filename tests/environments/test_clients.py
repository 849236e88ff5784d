"""Clients of Gymnasium take the maze as it comes: the examples run, where what they need is installed."""

import importlib.util
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import pytest

import clew  # noqa: F401  # makes clew/Maze-v0 known

EXAMPLES = Path(__file__).parents[2] / "examples"


def need(*modules: str) -> None:
    """Skip the test where a client isn't installed; to look for it mustn't import it, for some warn as they come."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


def run(name: str) -> str:
    """What an example prints."""
    threads = {"OMP_NUM_THREADS": "1"}  # networks of ten numbers gain nothing by more
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
        warnings.simplefilter("ignore")  # as PyTorch is imported
        from stable_baselines3.common.env_checker import check_env
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if observation == "planes":  # whatever has three dimensions it takes for a photograph
            warnings.filterwarnings("ignore", message=".*image")
        check_env(gymnasium.make("clew/Maze-v0", observation=observation, **settings))


@pytest.mark.long
@pytest.mark.ray
def test_ppo_of_rllib_finds_the_way() -> None:
    need("torch", "tree")  # Ray is here in any case; these come with ray[rllib]
    assert float(re.findall(r"([\d.]+) steps from start to goal, on average of", run("ppo_rllib.py"))[0]) < 9.5
