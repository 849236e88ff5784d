"""What the README shows is run as it stands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHON = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.mark.ray
@pytest.mark.parametrize("code", PYTHON)
def test_the_readmes_python_runs_and_prints_what_it_says(code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = [line.partition("# -> ")[2] for line in code.splitlines() if "# -> " in line]
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == said
