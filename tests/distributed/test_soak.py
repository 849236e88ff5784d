"""Rounds, checkpoints, page visitors and killed actors together, for long: nothing grows, and every table is right."""

import os
import re
import sys
import time
import uuid
from pathlib import Path
from shutil import rmtree
from statistics import median
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

pytest.importorskip("nicegui")
sys.path.append(str(Path(__file__).parents[1] / "web"))

from serving import SECONDS, served
from websockets.sync.client import connect

from clew import Environment, generate_maze, train_policy_parallel
from clew.learning.checkpoints import Checkpoints
from clew.runs.storage import table_sha256


def visit(address: str) -> None:
    """Open the page and its socket until the page is built, or says that there is no place; and leave."""
    client = re.search(r"client_id\W+([0-9a-f-]{36})", urlopen(address).read().decode())[1]
    query = {"client_id": client, "tab_id": uuid.uuid4(), "document_id": uuid.uuid4(), "next_message_id": 0}
    words = urlencode({"EIO": 4, "transport": "websocket", "implicit_handshake": "true", **query})
    with connect(f"{address.replace('http', 'ws')}_nicegui_ws/socket.io/?{words}", proxy=None, max_size=None) as page:
        page.recv(SECONDS)
        page.send("40")
        while not re.search("its maximum|Playground", str(page.recv(SECONDS))):
            pass


def resident(pid: int) -> int:
    """Resident memory of a process, in kB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.ray
@pytest.mark.nightly
@pytest.mark.timeout(0)
@pytest.mark.usefixtures("signals_heard")  # the server is ended by one
def test_an_hour_of_everything_leaves_everything_as_it_was(ray_up, tmp_path, soak_minutes):
    env = Environment(generate_maze("wilson", 40, 40, seed=1))
    (tmp_path / "runs").mkdir()
    wanted = {
        sharing: table_sha256(train_policy_parallel(env, 4000, sharing=sharing, num_actors=0, seed=3).q)
        for sharing in ("local", "central")
    }
    samples = []
    with served(tmp_path / "runs") as (server, address):
        end = time.monotonic() + 60 * soak_minutes
        while time.monotonic() < end:
            for sharing, digest in wanted.items():
                folder = tmp_path / "checkpoints"
                policy = train_policy_parallel(
                    env,
                    4000,
                    sharing=sharing,
                    num_actors=2,
                    seed=3,
                    chaos=0.02,
                    checkpoints=Checkpoints(folder, every=400),
                )
                assert table_sha256(policy.q) == digest
                rmtree(folder)
                visit(address)
            store = ray_up.available_resources()["object_store_memory"]
            pids = os.getpid(), server.pid
            samples.append((*map(resident, pids), *map(descriptors, pids), store))
    sys.stdout.write(f"{len(samples)} samples, the first and the last: {samples[0]}, {samples[-1]}\n")
    quarter = len(samples) // 4
    assert quarter > 0
    early, late = (
        [median(column) for column in zip(*part, strict=True)]
        for part in (samples[quarter : 2 * quarter], samples[-quarter:])
    )
    for before, after in zip(early[:2], late[:2], strict=True):
        assert after < 1.05 * before, samples
    for before, after in zip(early[2:4], late[2:4], strict=True):
        assert after <= before + 8, samples
    assert late[4] == pytest.approx(early[4], rel=0.01), samples
