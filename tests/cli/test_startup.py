"""What the command line imports: no more than a command needs, so that it answers at once."""

import json
import subprocess
import sys

import pytest

from clew.cli.main import COMMANDS

HEAVY = {"gymnasium", "matplotlib", "nicegui", "numba", "numpy", "pandas", "PIL", "pydantic", "ray", "rich", "scipy"}
RUN = """
import json, sys
from clew.__main__ import program
sys.argv = ["clew", *sys.argv[1:]]
try:
    program()
finally:
    sys.stderr.write("\\n" + json.dumps([name for name in sys.modules if "." not in name]))
"""


def loaded_by(*words: str) -> set[str]:
    """Packages that a new Python has imported after a command line."""
    done = subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=False)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "line", ["", "--help", "--version", "--hlp", "trian", "train --speed 3", "train --episodes many", "solve book book"]
)
def test_help_and_usage_errors_import_nothing_heavy(line):
    assert not HEAVY & loaded_by(*line.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_imports_nothing_heavy(name):
    assert not HEAVY & loaded_by(name, "--help")


def test_training_imports_neither_ray_nor_what_draws():
    loaded = loaded_by("train", "book", "--episodes", "10")
    assert {"gymnasium", "numba"} <= loaded
    assert not loaded & {
        "IPython",
        "PIL",
        "asyncio",
        "matplotlib",
        "nicegui",
        "pandas",
        "pydantic",
        "ray",
        "rich",
        "tensorboardX",
        "tqdm",
    }


@pytest.mark.parametrize("line", ["graph none", "plot none -o plot.png"])
def test_commands_without_kernels_import_no_drawing_before_it_is_needed(line):
    assert not loaded_by(*line.split()) & {"matplotlib", "ray"}
