"""Pages that are written from the code say what the code says."""

import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_of_algorithms_is_that_of_the_tables():
    """If not: python docs/make_algorithms.py."""
    page = runpy.run_path(str(DOCS / "make_algorithms.py"))["page"]()
    assert (DOCS / "algorithms.md").read_text() == page


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", (DOCS / "worlds.md").read_text(), re.DOTALL))
def test_the_python_of_the_page_of_worlds_runs_and_prints_what_it_says(code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = [line.partition("# -> ")[2] for line in code.splitlines() if "# -> " in line]
    exec(compile(code, "worlds.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == said
