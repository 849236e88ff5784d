"""The layout of the package: few modules at the top, imports that point down, and no cycle among them."""

import ast
import re
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "clew"


def module_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in PACKAGE.rglob("*.py")}


def imports_of(name):
    """Yield every module of ours that a module imports, anywhere in its text; not those for type checkers alone."""
    tree = ast.parse(MODULES[name].read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            if node.module in MODULES:
                inner = {f"{node.module}.{each.name}" for each in node.names} & MODULES.keys()
                yield from inner
                if len(inner) < len(node.names):
                    yield node.module


def graph_of_files():
    return {name: set(imports_of(name)) - {name} for name in MODULES}


def graph_of_rooms():
    """Packages and modules below `clew`, and which of them import which."""

    def room(name):
        return ".".join(name.split(".")[:2])

    graph = {}
    for name, imported in graph_of_files().items():
        graph.setdefault(room(name), set()).update({room(each) for each in imported} - {room(name), "clew"})
    return graph


def test_there_are_few_modules_at_the_top():
    assert len(list(PACKAGE.glob("*.py"))) <= 12


@pytest.mark.parametrize("graph", [graph_of_files, graph_of_rooms])
def test_no_import_is_part_of_a_cycle(graph):
    graph = graph()
    assert len(graph) > 20
    list(TopologicalSorter(graph).static_order())


def test_a_cycle_would_be_found():
    with pytest.raises(CycleError):
        list(TopologicalSorter(graph_of_files() | {"clew.errors": {"clew.cli.main"}}).static_order())


def test_no_room_imports_by_the_front_door():
    """`clew` loads its names when they are used, so that such an import would be missed by the tests above."""
    assert {name for name, imported in graph_of_files().items() if "clew" in imported} <= {"clew.cli.main"}


OF_DEPENDENCIES = {"llvmlite": "numba", "starlette": "nicegui"}  # what a package installs, and is used beside it
NAMES = {"PIL": "pillow"}


def test_packages_that_are_imported_are_dependencies():
    """Those of a user's installation: of `dependencies`, or of an extra; not of the group for developers."""
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())["project"]
    listed = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {re.split(r"[\[<>=]", each)[0] for names in listed for each in names}
    imported = set()
    for path in MODULES.values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    outside = imported - sys.stdlib_module_names - {"clew"}
    assert "scipy" in outside
    assert {OF_DEPENDENCIES.get(name, NAMES.get(name, name)) for name in outside} <= declared


def test_no_contract_has_an_exception():
    text = (PACKAGE.parents[1] / "pyproject.toml").read_text()
    assert "ignore_imports" not in text
    assert "exhaustive = true" in text
