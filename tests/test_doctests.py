"""Examples in docstrings: every public name has one, and each prints what it says, by itself."""

import ast
import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import clew

SOURCES = Path(clew.__file__).parent
PARSER = doctest.DocTestParser()


def examples_in(path: Path) -> list[doctest.DocTest]:
    """The examples of a module, one test per docstring; kernels, which Numba wraps, are found in the source too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            name = f"{path.relative_to(SOURCES)}:{getattr(node, 'name', '')}"
            found.append(PARSER.get_doctest(text, {}, name, str(path), getattr(node, "lineno", 1)))
    return [each for each in found if each.examples]


def docstring_of(name: str) -> str:
    """The docstring that describes a public name: its own, or that of the module that defines an instance."""
    thing = getattr(clew, name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        return inspect.getdoc(thing) or ""
    return importlib.import_module(clew._HOME_OF[name]).__doc__ or ""


@pytest.mark.parametrize("name", clew.__all__)
def test_a_public_name_has_an_example_that_shows_what_it_prints(name):
    examples = PARSER.get_examples(docstring_of(name))
    assert examples, f"the docstring of clew.{name} has no example"
    assert examples[0].source == "import clew\n"
    assert any(each.want for each in examples), f"the example of clew.{name} prints nothing"


EXAMPLES = [example for path in sorted(SOURCES.rglob("*.py")) for example in examples_in(path)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_prints_what_it_says(example, tmp_path, monkeypatch, tables):
    monkeypatch.chdir(tmp_path)
    lines = []
    result = doctest.DocTestRunner().run(example, out=lines.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(lines)
