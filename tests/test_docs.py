"""Pages that are written from the code say what the code says."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_of_algorithms_is_that_of_the_tables():
    """If not: python docs/make_algorithms.py."""
    page = runpy.run_path(str(DOCS / "make_algorithms.py"))["page"]()
    assert (DOCS / "algorithms.md").read_text() == page
