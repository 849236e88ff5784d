"""Serve the page in a process of its own, visit it with a browser, and check it for accessibility."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

SECONDS = 60


@contextmanager
def served(folder, *options, **environment):
    """Run `clew serve` over the run folders in a folder; yield its process, and the address that it printed."""
    log = folder.parent / "serve.log"
    command = [sys.executable, "-m", "clew", "serve", "--port", "0", "--runs", str(folder), *options]
    # NiceGUI looks for pytest's variables, and would serve a test of its own; COLUMNS keeps the address on one line.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    with log.open("w") as file:
        server = subprocess.Popen(
            command, stdout=file, stderr=file, env={**env, "COLUMNS": "200", **environment}, start_new_session=True
        )
    try:
        yield server, wait_for_address(server, log)
    finally:
        server.send_signal(signal.SIGINT)  # as Ctrl-C does; it sends none to a server that has ended
        assert server.wait(SECONDS) == 130, log.read_text()


def wait_for_address(server, log):
    """Wait until the server has printed its address and listens there."""
    deadline = time.monotonic() + SECONDS
    while True:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        if found := re.search(r"http://([^:]+):(\d+)/\S*", log.read_text()):
            try:
                socket.create_connection((found[1], int(found[2])), 1).close()
                return found[0]
            except OSError:
                pass
        time.sleep(0.05)


@contextmanager
def visiting(browser, address):
    """Yield a function that opens the page for one more visitor; fail if a page reported an error.

    Connections and messages of the pages are printed, which pytest shows if a test fails.
    """
    contexts, errors = [], []

    def note(*what):
        sys.stdout.write(" ".join((time.strftime("%X"), *what)) + "\n")

    def note_socket(socket):
        note("connected", socket.url[:60])
        socket.on("close", lambda _: note("disconnected"))

    def visit(tab="Playground", **settings):
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **settings})
        context.set_default_timeout(1000 * SECONDS)
        contexts.append(context)
        page = context.new_page()
        page.on("websocket", note_socket)
        page.on("framenavigated", lambda frame: note("opened", frame.url))
        page.on("console", lambda message: note(message.type, message.text))
        page.on("download", lambda download: note("download", download.suggested_filename))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        go(page, address)
        page.wait_for_selector("canvas[data-frames]")
        if tab == "Playground":
            page.get_by_role("button", name="maximum").click()
        else:
            page.get_by_role("tab", name=tab).click()
        return page

    yield visit
    for context in contexts:
        context.close()
    assert errors == []


def go(page, address):
    """Open an address, and wait until the server hears what is done there: before, events may change places."""
    page.goto(address)
    page.wait_for_function("() => window.did_handshake")


def set_scheme(page, scheme):
    """Switch a page to light or dark at once, without transitions between the colours."""
    page.add_style_tag(content="* { transition: none !important; }")
    page.emulate_media(color_scheme=scheme)
    page.wait_for_selector(f"body.body--{scheme}")


def grave(page, part="html"):
    """Return what axe-core calls serious or critical in a part of a page: rules, and the elements that break them."""
    axe = pytest.importorskip("axe_core_python")
    page.add_script_tag(path=Path(axe.__file__).with_name("axe.min.js"))
    found = page.evaluate("part => axe.run(part)", part)["violations"]
    return {
        each["id"]: [node["html"][:300] for node in each["nodes"]]
        for each in found
        if each["impact"] in ("serious", "critical")
    }
