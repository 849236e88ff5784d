"""The layout of the package: few modules at the top, imports that point down, and no cycle among them."""

import ast
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


def test_no_contract_has_an_exception():
    text = (PACKAGE.parents[1] / "pyproject.toml").read_text()
    assert "ignore_imports" not in text
    assert "exhaustive = true" in text
