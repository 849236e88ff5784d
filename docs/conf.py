"""How Sphinx builds the site: `make docs`."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import clew

project = "Clew"
author = "the authors of Clew"
copyright = "the authors of Clew, MIT licence"
release = version = clew.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
default_role = "py:obj"  # `clew.solve` in a docstring is a link
highlight_language = "none"

# Pages are Markdown; lessons are notebooks with their outputs, which the tests execute.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"

# The reference is made from the docstrings.
autodoc_member_order = "groupwise"
autodoc_preserve_defaults = True
maximum_signature_line_length = 88
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"Clew {release}"
html_copy_source = False


def as_restructured_text(app: Any, what: str, name: str, subject: Any, options: Any, lines: list[str]) -> None:
    """Adapt a docstring: what is indented below a sentence is a formula or code, and "`Run`s" has a plural s."""
    adapted: list[str] = []
    for line in lines:
        is_indented = line.startswith("    ")
        if is_indented and len(adapted) > 1 and not adapted[-1] and re.match(r"\S", adapted[-2]):
            adapted += ["::", ""]
        adapted.append(line if is_indented and "::" in adapted else re.sub(r"`([\w.]+)`s\b", r"`\1`\\ s", line))
    lines[:] = adapted


def write_command_line(app: Any) -> None:
    """Write the page of all commands and options, by Typer's own program."""
    program = [
        sys.executable,
        "-m",
        "typer",
        "clew.cli.main",
        "utils",
        "docs",
        "--name",
        "clew",
        "--title",
        "Command line",
    ]
    page = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    (Path(app.srcdir) / "reference" / "command-line.md").write_text(page)


def setup(app: Any) -> None:
    """Register both functions; the first is called before the docstrings are read as Google's style."""
    app.connect("autodoc-process-docstring", as_restructured_text, priority=100)
    app.connect("builder-inited", write_command_line)
