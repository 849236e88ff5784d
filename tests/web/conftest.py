"""A real server and a real browser. Both are ours: started here, and ended here."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import go

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = [
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.xdist_group("browser"))  # they share a server, and two processors


def serving(folder: Path, *options: str) -> "subprocess.Popen[str]":
    """Start the page as users do; its first words, with the address, have been read when this returns."""
    words = [sys.executable, "-m", "clew", "serve", "--port", "0", "--runs", str(folder), *options]
    # NiceGUI looks for pytest's variables, and would serve a test of its own.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | {"COLUMNS": "200"}
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True, env=env)


def address_of(server: "subprocess.Popen[str]") -> str:
    """The address that a server says."""
    assert server.stderr is not None
    for line in server.stderr:
        if found := re.search(r"http://([^:]+):(\d+)/\S*", line):
            while server.poll() is None:
                try:
                    socket.create_connection((found[1], int(found[2])), 1).close()
                    return found[0]
                except ConnectionRefusedError:
                    pass  # it says where, a moment before it listens
    server.communicate()
    raise AssertionError("the server ended without a word")


def stop(server: "subprocess.Popen[str]") -> int:
    """End a server by Ctrl-C; its exit code."""
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=30)
    return server.returncode


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a page that is served for all tests."""
    server = serving(tmp_path_factory.mktemp("runs"))
    yield address_of(server)
    stop(server)


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
def visit(browser: Any, address: str) -> Iterator[Any]:
    """Opens the page for one more visitor; what the browser complains of fails the test."""
    contexts, complaints = [], []

    def open_page(url: str = address, **settings: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        go(page, url)
        page.wait_for_selector("canvas[data-frames]")
        if (flat_out := page.get_by_role("button", name="flat out")).is_visible():
            flat_out.click()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
