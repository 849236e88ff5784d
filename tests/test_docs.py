"""Pages that are written from the code say what the code says."""

import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_of_algorithms_is_that_of_the_tables():
    """If not: python docs/make_algorithms.py."""
    page = runpy.run_path(str(DOCS / "make_algorithms.py"))["page"]()
    assert (DOCS / "algorithms.md").read_text() == page


NAMES = (
    "policies.md",
    "seeing.md",
    "plots.md",
    "extending.md",
    "agents.md",
    "planning.md",
    "statistics.md",
    "doctor.md",
    "experiments.md",
    "quickstart.md",
)
PATHS = [*(DOCS / name for name in NAMES), *sorted(DOCS.glob("worlds/*.md")), *sorted(DOCS.glob("howto/*.md"))]
PAGES = "\n".join(path.read_text() for path in PATHS)
AT_ONCE = [code for code in re.findall(r"```python\n(.*?)```", PAGES, re.DOTALL) if "4096" not in code]


@pytest.mark.parametrize("code", AT_ONCE)
def test_the_python_of_the_pages_runs_and_prints_what_it_says(code, capsys, tmp_path, monkeypatch, tables):
    monkeypatch.chdir(tmp_path)
    said = [line.partition("# -> ")[2] for line in code.splitlines() if "# -> " in line]
    exec(compile(code, "docs", "exec"), {})
    assert capsys.readouterr().out.splitlines() == said


OVER_RAY = [
    code
    for name in ("distributed.md", "book.md")
    for code in re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)
]


@pytest.mark.ray
@pytest.mark.parametrize("code", OVER_RAY)
def test_the_python_of_the_pages_runs_over_ray_as_it_stands(code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs", "exec"), {})
    said = [line.partition("# -> ")[2] for line in code.splitlines() if "# -> " in line]
    assert set(said) <= set(capsys.readouterr().out.splitlines())
