"""A page that is served by a process of its own, and what is wrong with it for those who can't see it."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

SECONDS = 60


def free_port():
    with socket.socket() as here:
        here.bind(("127.0.0.1", 0))
        return here.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def served(folder, **environment):
    """`clew serve` over the run folders in a folder; gives its process, and its address."""
    port, log = free_port(), folder.parent / "serve.log"
    command = [sys.executable, "-m", "clew", "serve", "--runs", str(folder), "--port", str(port)]
    with log.open("w") as file:
        server = subprocess.Popen(
            command,
            stdout=file,
            stderr=file,
            env={**{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}, **environment},
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + SECONDS
        while not answers(port):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield server, f"http://127.0.0.1:{port}/"
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
        server.wait(SECONDS)


def go(page, address):
    """Open an address, and wait until the server hears what is done there: before, events may change places."""
    page.goto(address)
    page.wait_for_function("() => window.did_handshake")


def grave(page, part):
    """What axe-core calls serious or critical in a part of a page: rules, and the elements that break them."""
    axe = pytest.importorskip("axe_core_python")
    page.add_script_tag(path=Path(axe.__file__).with_name("axe.min.js"))
    found = page.evaluate("part => axe.run(part)", part)["violations"]
    return {
        each["id"]: [node["html"][:300] for node in each["nodes"]]
        for each in found
        if each["impact"] in ("serious", "critical")
    }
