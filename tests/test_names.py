"""What `import clew` gives: names and modules, each loaded when it is asked for."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import clew

ROOT = Path(__file__).parent.parent
GUIDE = ("policies", "seeing", "plots", "extending", "agents", "experiments")
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{page}.md" for page in GUIDE),
    *sorted((ROOT / "docs" / "worlds").glob("*.md")),
]
WRITTEN = sorted({name for page in PAGES for name in re.findall(r"\bclew((?:\.\w+)+)(?=[(`])", page.read_text())})


def told_by_a_new_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("name", clew._MODULES)
def test_a_module_is_there_after_importing_the_package(name):
    assert told_by_a_new_python(f"import clew; print(clew.{name}.__name__)") == clew._MODULES[name]


def test_importing_the_package_loads_none_of_its_rooms():
    loaded = told_by_a_new_python("import clew, sys; print(*(m for m in sys.modules if m.startswith('clew.')))")
    assert loaded.split() == ["clew.notebook", "clew.registration", "clew.version"]


def test_names_that_pages_write_are_there_after_importing_the_package():
    code = f"import clew\nfor name in {WRITTEN}:\n    eval('clew' + name)\nprint('all')"
    assert len(WRITTEN) > 20
    assert told_by_a_new_python(code) == "all"


def test_all_names_and_modules_are_listed():
    assert {*clew.__all__, *clew._MODULES} <= set(dir(clew))


def test_importing_the_package_imports_nothing_heavy():
    loaded = told_by_a_new_python("import clew, sys; print(*sys.modules)")
    assert not {"gymnasium", "logging", "numba", "numpy", "ray"} & set(loaded.split())


@pytest.mark.parametrize("name", ["Policy", "draw", "evaluate_policy", "evaluate_values", "policy_values", "solve"])
def test_help_names_types_as_the_code_does(name):
    assert "Union" not in str(inspect.signature(getattr(clew, name)))


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'clew' has no attribute 'labyrinth'"):
        _ = clew.labyrinth
