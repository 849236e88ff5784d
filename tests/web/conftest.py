"""A real server and a real browser, shared by all tests of the page: each visitor has a world of their own."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import served, visiting

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = [
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder whose run folders the server lists; empty at first."""
    folder = tmp_path_factory.mktemp("page") / "runs"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def server(runs_folder: Path) -> Iterator[Any]:
    """The process of the server, and its address."""
    # As in the fixture `ray_up`, see there.
    with served(runs_folder, RAY_worker_cap_enabled="0") as process_and_address:
        yield process_and_address


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, without a window."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        assert "CI" not in os.environ, "CI has to install Chromium"
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Any, server: Any) -> Iterator[Any]:
    """Open the page for one more visitor, until the end of the test; see `visiting`."""
    with visiting(browser, server[1]) as visit:
        yield visit


@pytest.fixture(scope="module")
def visit_for_module(browser: Any, server: Any) -> Iterator[Any]:
    """Open the page for one more visitor, until the end of the module; see `visiting`."""
    with visiting(browser, server[1]) as visit:
        yield visit
