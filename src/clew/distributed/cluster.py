"""Finding a running Ray, or starting and stopping one.

Ray 2.60 authenticates by a token, and writes one into the home folder of whoever starts it first. A Ray of our own gets
one that lives only in the environment of its processes: nothing to read, nothing to write, nothing to warn of.
"""

import gc
import logging
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import AuthenticationError

from clew.errors import ClusterError

__all__ = ["connected", "count_cpus"]

logger = logging.getLogger(__name__)

SECONDS_TO_ANSWER = 5
# A Ray with another token is as silent as none.
TOKEN = "; its token is needed here too: RAY_AUTH_MODE=token, with RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"


@contextmanager
def connected(num_actors: int) -> Iterator[None]:
    """Use the Ray that runs already (in this process, or at RAY_ADDRESS), or start a local one and stop it at the end.

    Args:
        num_actors: processors that are needed; a Ray of our own is started with as many, even on a smaller machine.

    Raises:
        ClusterError: if a Ray that runs already has fewer processors, or none answers.
    """
    ours = not ray.is_initialized()
    try:
        if ours:
            _start(num_actors)
        if num_actors > count_cpus():
            raise ClusterError(
                f"{num_actors} actors of one processor each can't be placed: the running Ray has {count_cpus()} "
                f"processors; ask for fewer actors, or start a wider Ray"
            )
        yield
    finally:
        if ours:
            _stop()  # also what was only half started when someone lost patience


def _start(num_actors: int) -> None:
    address = os.environ.get("RAY_ADDRESS")
    if address:
        _check_address(address)
    try:
        if address:
            logger.info("connecting to the Ray at %s", address)
            ray.init(logging_level=logging.ERROR)
        else:
            _settle_token()
            logger.info("starting a local Ray (a few seconds)")
            ray.init(
                address="local",
                num_cpus=max(os.cpu_count() or 1, num_actors),
                include_dashboard=False,
                log_to_driver=False,  # what goes wrong on an actor comes back as an error
                logging_level=logging.ERROR,
            )
    except (AuthenticationError, ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0].split(". ")[0]
        raise ClusterError(f"no connection to Ray: {reason}{TOKEN if address else ''}") from error


def _stop() -> None:
    """Stop Ray, while no other thread collects garbage.

    Errors of lost actors are garbage in cycles, with references to Ray's objects in it. Where another thread frees one
    of these while Ray shuts down, Ray ends the whole process.
    """
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        ray.shutdown()
    finally:
        if was_enabled:
            gc.enable()


def _check_address(address: str) -> None:
    """Knock at HOST:PORT, where Ray itself would go on trying for minutes; other forms of address are Ray's to read."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS_TO_ANSWER).close()
        except OSError as error:
            raise ClusterError(
                f"no connection to Ray: nothing answers at RAY_ADDRESS={address} ({error}); "
                f"start a Ray there with `ray start --head`, or unset RAY_ADDRESS to run on this machine"
            ) from None


def _settle_token() -> None:
    """Give a Ray of our own its token, unless the user has settled authentication.

    It stays for the life of the process, for Ray remembers that it authenticates, and a later `ray.init()` needs it
    too.
    """
    if not any(name in os.environ for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        # Ray then turns authentication on by itself, and says so in a warning that asks nothing of our user.
        logging.getLogger("ray._private.authentication.authentication_token_setup").setLevel(logging.ERROR)


def count_cpus() -> int:
    """Processors of the cluster, free or not."""
    return int(ray.cluster_resources().get("CPU", 0))
