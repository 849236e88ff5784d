"""Two hosts on one machine, each a network namespace, joined by a link that can be cut and narrowed; Ray runs on both.

python -m benchmarks.hosts          trains over both, cuts the link for 20 s in mid-run, and compares the tables

Needs Linux, root, iproute2 (`ip`, `tc`) and `unshare`. Processes see the same files and processors, but nothing of each
other's network except through the link; each host has a name.
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ADDRESSES = ("10.77.0.1", "10.77.0.2")
PORT = 6379  # of the namespace's own, so nobody else has it
SECONDS_TO_START = 60
ALGORITHMS = ("q-learning", "sarsa-lambda", "double-q-learning")

TRAIN = """
import json, logging, sys
from collections import Counter

import clew
from clew.tracing.trace import Trace
from clew.runs.storage import table_sha256

logging.basicConfig(format="%(message)s")
logging.getLogger("clew").setLevel("INFO")
request = json.loads(sys.argv[1])
rows = []

def note(row):
    rows.append((row.num_steps, row.seconds))
    print(row.round, flush=True)

env = clew.Environment(clew.Maze.open(*request["maze"]), random_start=True, max_episode_steps=request["max_steps"])
trace = Trace()
settings = {"num_actors": request["num_actors"], "callback": note, "trace": trace, **request["settings"]}
policy = clew.train_policy_parallel(env, **settings)
tasks = Counter(event.who for event in trace.events if event.what == "work")
again = sum(event.what == "work" and event.attempt > 0 for event in trace.events)
copies, hosts = trace.count("copy"), {event.who: event.host for event in trace.events if event.what == "start"}
result = {"rounds": rows, "tasks": tasks, "again": again, "copies": copies, "hosts": hosts}
print(json.dumps({"sha256": table_sha256(policy.q), **result}), flush=True)
"""


def why_not() -> str | None:
    """Why there can't be two hosts here, if so."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if not all(map(shutil.which, ("ip", "tc", "unshare"))):
        return "there is no `ip` or `tc` (iproute2) or `unshare` (util-linux)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"clew{os.getpid()}try"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if tried.returncode:
        return f"no network namespace: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return None


class Hosts:
    """Two namespaces and the link between them."""

    def __init__(self) -> None:
        self.names = [f"clew{os.getpid()}{letter}" for letter in "ab"]
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}

    def up(self) -> None:
        """Make them."""
        for name in self.names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        a, b = self.names
        run("ip", "-n", a, "link", "add", "link0", "type", "veth", "peer", "name", "link0", "netns", b)
        for name, address in zip(self.names, ADDRESSES, strict=True):
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "link0")
            run("ip", "-n", name, "link", "set", "link0", "up")

    def down(self) -> None:
        """Remove them, and the link with them."""
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def start(self, host: int, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command on a host, in a process group of its own; it sees the host's name as that of the machine."""
        named = ["unshare", "--uts", "sh", "-c", 'echo "$0" > /proc/sys/kernel/hostname; exec "$@"', self.names[host]]
        return subprocess.Popen(
            ["ip", "netns", "exec", self.names[host], *named, *command],
            env=self.environment,
            text=True,
            start_new_session=True,
            **options,
        )

    def cut(self) -> None:
        """Take the link down."""
        run("ip", "-n", self.names[1], "link", "set", "link0", "down")

    def restore(self) -> None:
        """Have it up again."""
        run("ip", "-n", self.names[1], "link", "set", "link0", "up")

    def narrow(self, megabits: float) -> None:
        """Let so many million bits a second through, each way."""
        for name in self.names:
            rate = ("rate", f"{megabits:g}mbit", "burst", "256kb", "latency", "200ms")
            run("tc", "-n", name, "qdisc", "replace", "dev", "link0", "root", "tbf", *rate)


def run(*command: str) -> None:
    """Run a command, which must succeed."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


@contextmanager
def joined_hosts(cpus: tuple[int, int] = (1, 1)) -> Iterator[Hosts]:
    """Two hosts with a Ray over both, whose token lives in the environment of its processes; all stopped at the end."""
    with ExitStack() as stack:
        hosts = Hosts()
        stack.callback(hosts.down)
        hosts.up()
        folder = tempfile.mkdtemp(prefix="clew")  # short: Ray's sockets lie in it, and their names must not be long
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        hosts.environment |= {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_ADDRESS": f"{ADDRESSES[0]}:{PORT}",
            "RAY_USAGE_STATS_ENABLED": "0",
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
            "HOME": folder,
        }
        ray = str(Path(sys.executable).parent / "ray")
        head = (f"--port={PORT}", "--head", "--include-dashboard=false", f"--temp-dir={folder}")
        for host, place in enumerate((head, (f"--address={ADDRESSES[0]}:{PORT}",))):
            log = stack.enter_context(Path(folder, f"ray{host}.log").open("w+"))
            known = (f"--node-ip-address={ADDRESSES[host]}", f"--num-cpus={cpus[host]}", "--block")
            hosts.environment.pop("RAY_ADDRESS", None)  # or `ray start --head` would join what it names
            process = hosts.start(host, ray, "start", *place, *known, stdout=log, stderr=log)
            stack.callback(stop, process)
            _wait_for(Path(log.name), process)
        hosts.environment["RAY_ADDRESS"] = f"{ADDRESSES[0]}:{PORT}"
        yield hosts


def _wait_for(log: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a Ray runs."""
    until = time.monotonic() + SECONDS_TO_START
    while "Ray runtime started" not in log.read_text():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"Ray didn't start: {log.read_text()[-2000:]}")
        time.sleep(0.2)


def stop(process: subprocess.Popen[str]) -> None:
    """End a process with its children: by asking, and then by force."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(timeout=20)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def train(hosts: Hosts, request: dict[str, Any], seconds_cut: float = 0.0) -> dict[str, Any]:
    """Train on the first host's Ray, and cut the link at the tenth round for some seconds; what came of it."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with hosts.start(0, sys.executable, "-c", TRAIN, json.dumps(request), **options) as driver:
        assert driver.stdout is not None
        assert driver.stderr is not None
        try:
            lines = []
            for line in driver.stdout:
                lines.append(line)
                if seconds_cut and line.strip() == "10":
                    hosts.cut()
                    time.sleep(seconds_cut)
                    hosts.restore()
            messages = driver.stderr.read()
            if driver.wait(timeout=60):
                raise RuntimeError(f"training failed: {messages}")
            return {**json.loads(lines[-1]), "messages": messages}
        finally:
            stop(driver)


def main() -> int:
    """Compare for each algorithm and each way to share the work; exit code 1 if a bit differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosts", description="Train over a link that is cut.")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the link is cut")
    parser.add_argument("--episodes", type=int, default=20_000)
    options = parser.parse_args()
    reason = why_not()
    if reason:
        print(f"skipped: {reason}")
        return 0
    failed = 0
    for algorithm in ALGORITHMS:
        for sharing in ("local", "central"):
            same = compare(algorithm, sharing, options.episodes, options.seconds)
            print(f"{algorithm}, {sharing}: {'the same bits' if same else 'DIFFERENT'}", flush=True)
            failed += not same
    return 1 if failed else 0


def compare(algorithm: str, sharing: str, num_episodes: int, seconds_cut: float) -> bool:
    """Train in this process, and over two hosts with the link cut; True if the tables are the same bits."""
    settings = {"num_episodes": num_episodes, "num_simulations": 4, "sharing": sharing, "algorithm": algorithm}
    settings["sync_every"] = 100  # all rounds then run on actors; short rounds that end by steps run in the driver
    request = {"maze": (200, 200), "max_steps": 4_000, "num_actors": 2, "settings": settings}
    command = [sys.executable, "-c", TRAIN, json.dumps({**request, "num_actors": 0})]
    here = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    with joined_hosts(cpus=(0, 2)) as hosts:  # no processor on the driver's side: all work crosses the link
        begun = time.monotonic()
        there = train(hosts, request, seconds_cut)
    longest = max(seconds for _, seconds in there["rounds"])
    print(
        f"{algorithm}, {sharing}: {time.monotonic() - begun:.1f} s, the longest round {longest:.1f} s, "
        f"tasks {there['tasks']}, {there['again']} of them again, table {there['sha256'][:16]}"
    )
    print("".join(f"    {line}\n" for line in there["messages"].splitlines()[:5]), end="", flush=True)
    return bool(here["sha256"] == there["sha256"])


if __name__ == "__main__":
    sys.exit(main())
