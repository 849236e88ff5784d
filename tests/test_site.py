"""The reference has every public name once, with an example; `make docs` checks the links."""

import inspect
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import clew

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
DIRECTIVES = [
    (kind, name)
    for page in sorted(REFERENCE.glob("*.md"))
    for kind, name in re.findall(r"^\.\. (auto\w+|py:data):: clew\.(\S+)$", page.read_text(), re.MULTILINE)
]
DESCRIBED = [name for _, name in DIRECTIVES]
PUBLIC = [
    *clew.__all__,
    *(f"extending.{name}" for name in clew.extending.__all__ if name not in clew.__all__),
    *(f"runs.{name}" for name in clew.runs.__all__ if name not in clew.__all__),
    *(f"testing.{name}" for name in clew.testing.__all__),
    *(f"book.{name}" for name in clew.book.__all__ if name not in clew.__all__),
]


def find(name: str) -> Any:
    found: Any = clew
    for part in name.split("."):
        found = getattr(found, part)
    return found


def test_each_public_name_is_in_the_reference_once():
    assert not set(PUBLIC) - set(DESCRIBED)
    assert [name for name, count in Counter(DESCRIBED).items() if count > 1] == []


@pytest.mark.parametrize("name", [name for kind, name in DIRECTIVES if kind != "py:data"])
def test_each_name_of_the_reference_has_an_example(name):
    assert ">>> " in (inspect.getdoc(find(name)) or "")
