"""Connecting to a running Ray, or starting and stopping a local one.

Ray 2.60 authenticates by a token, and by default the first process that starts Ray writes one to the home folder. A
local Ray started here gets a token that exists only in the environment of its processes: no file is read or written,
and Ray has nothing to warn about.
"""

import gc
import logging
import os
import re
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import ray
from ray.exceptions import AuthenticationError, RayError

from clew.distributed.store import as_clew_error
from clew.errors import ClusterError, ClusterLostError

logger = logging.getLogger(__name__)

_lock = threading.Lock()
_num_users = 0  # of a Ray that was started here; the last one stops it

CONNECT_TIMEOUT = 5  # seconds
# Ray's own messages, and what actors print, stay in the logs of Ray; errors on an actor come back as exceptions.
QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
START_TIMEOUT = 60  # seconds until all actors run; a busy or distant cluster takes several
TOKEN_HINT = (
    "; its token is needed here too: RAY_AUTH_MODE=token, with RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token"
)
# Versions in Ray's message, of the cluster and of this process.
VERSIONS = re.compile(r"Version mismatch.*?Ray: (\S+)\s+Python: (\S+).*?Ray: (\S+)\s+Python: (\S+)", re.DOTALL)


@contextmanager
def connected(num_actors: int) -> Iterator[None]:
    """Connect to a running Ray (in this process, or at RAY_ADDRESS), or start a local one and stop it at the end.

    Threads may do so at the same time: they share a local Ray, which the last of them stops.

    Args:
        num_actors: number of processors that are needed; a local Ray is started with at least this number, even if the
            machine has fewer.

    Raises:
        ClusterError: if the running Ray has fewer processors or doesn't answer, or loses a process in the block.
        ClusterLostError: if Ray's own processes end in the block, and Ray doesn't end this process then.
    """
    global _num_users
    is_ours = False  # a Ray that was started here
    try:
        with _lock:  # other threads wait for the Ray that this one starts
            is_ours = _num_users > 0 or not ray.is_initialized()
            _num_users += is_ours
            if not ray.is_initialized():
                with _handler_kept():
                    _start(num_actors)
        check_alive()
        if num_actors > count_cpus():
            raise ClusterError(
                f"{num_actors} actors of one processor each can't be placed: the running Ray has {count_cpus()} "
                f"processors; ask for fewer actors, or start Ray with more processors"
            )
        yield
    except RayError as error:
        raise as_clew_error(error) from error
    except OSError as error:
        if error.errno is not None:
            raise
        # An error of Ray's C++ code, which has lost a connection to one of its processes.
        raise ClusterLostError(f"Ray has died in the middle of the work: {error}") from error
    finally:
        with _lock:
            _num_users -= is_ours
            if is_ours and _num_users == 0:
                _stop()  # also a Ray that was interrupted while it started


def is_running() -> bool:
    """Return whether there is a Ray to use: in this process, or at RAY_ADDRESS."""
    return ray.is_initialized() or bool(os.environ.get("RAY_ADDRESS"))


@contextmanager
def _handler_kept() -> Iterator[None]:
    """Keep the handler of SIGTERM that the program has, in a `with` block in which Ray installs one of its own."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if handler not in (None, signal.SIG_DFL) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _start(num_actors: int) -> None:
    """Connect to the Ray at RAY_ADDRESS, or start a local one if that is not set.

    Raises:
        ClusterError: if Ray doesn't start or doesn't answer; says why.
    """
    address = os.environ.get("RAY_ADDRESS")
    if address:
        _check_address(address)
    try:
        if address:
            logger.info("connecting to the Ray at %s", address)
            ray.init(**QUIET)
        else:
            _set_token()
            logger.info("starting a local Ray (a few seconds)")
            ray.init(
                address="local",
                num_cpus=max(os.cpu_count() or 1, num_actors),
                include_dashboard=False,
                **QUIET,
            )
    except Exception as error:  # of any class: of a process that doesn't start in time, Ray raises Exception itself
        raise ClusterError(f"no connection to Ray: {_reason(error, address)}") from error


def _reason(error: Exception, address: str | None) -> str:
    """Return in one line why there is no connection to the Ray at an address, or to a local one.

    Ray refuses a process with another version of Python or Ray by a text of several lines, with both versions of each.
    """
    if versions := VERSIONS.search(str(error)):
        theirs, ours = versions.group(1, 2), versions.group(3, 4)
        there, here = (f"Ray {ray} and Python {python}" for ray, python in (theirs, ours))
        return f"it runs {there}, and this process {here}; install the same versions here"
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0]
    return reason + (TOKEN_HINT if address and re.search("token|auth", str(error), re.IGNORECASE) else "")


def _stop() -> None:
    """Shut down Ray with the garbage collector turned off.

    Errors of lost actors are reference cycles that contain objects of Ray. If another thread collects one of them while
    Ray shuts down, Ray ends the whole process.
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
    """Check that something answers at HOST:PORT within 5 seconds; Ray itself would try for minutes.

    Addresses in other forms are left to Ray.

    Raises:
        ClusterError: if nothing answers, if it is a Ray with another token, or if no node of it is on this machine.
    """
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT).close()
        except OSError as error:
            raise ClusterError(
                f"no connection to Ray: nothing answers at RAY_ADDRESS={address} ({error}); "
                f"start a Ray there with `ray start --head`, or unset RAY_ADDRESS to run on this machine"
            ) from None
        if (client := _check_token(address)) is not None:
            _check_node(address, client)


def _check_token(address: str) -> Any:
    """Check that the Ray at HOST:PORT accepts the token of this process, by one request.

    `ray.init()` would repeat a request that is refused for its token, for 7 to 30 seconds and with a line of Ray's on
    standard error each time, and would then report that it can't connect.

    Returns:
        Ray's client, which has made the request; None if it couldn't be made.

    Raises:
        ClusterError: if the token is refused.
    """
    raylet: Any = import_module("ray._raylet")
    try:
        loader, client = raylet.AuthenticationTokenLoader, raylet.GcsClient
        has_mode = raylet.get_authentication_mode() == raylet.AuthenticationMode.TOKEN
    except AttributeError:  # another version of Ray; `ray.init()` reports the token, though late
        return None
    if has_mode and not loader.instance().has_token(ignore_auth_mode=True):
        return None  # `ray.init()` reports that at once; the request would abort the process
    try:
        with _standard_error_closed():
            return client(address=address)
    except AuthenticationError:
        here = "refuses this token" if has_mode else "asks for a token, and RAY_AUTH_MODE=token isn't set"
        raise ClusterError(f"no connection to Ray: the Ray at {address} {here}{TOKEN_HINT}") from None
    except Exception as error:  # of a Ray that is starting, for example; `ray.init()` tries again
        logger.debug("the first request to the Ray at %s failed: %s", address, error)
    return None


def _check_node(address: str, client: Any) -> None:
    """Check that a node of the Ray at HOST:PORT is on this machine, as `ray.init()` does, but within 5 seconds.

    That would search for a minute, and then report only that it can't connect.

    Args:
        address: HOST:PORT.
        client: Ray's client, from `_check_token`.

    Raises:
        ClusterError: if there is none.
    """
    services: Any = import_module("ray._private.services")
    try:
        services.get_node_to_connect_for_driver(client, timeout_seconds=CONNECT_TIMEOUT)
    except Exception as error:
        if "No node info found" not in str(error):  # a busy Ray, or another version; `ray.init()` tries again
            logger.debug("no node of the Ray at %s was found: %s", address, error)
            return
        raise ClusterError(
            f"no connection to Ray: no node of the Ray at {address} runs on this machine, where the training starts; "
            f"join it with `ray start --address={address}`, or start the training on one of its nodes"
        ) from None


@contextmanager
def _standard_error_closed() -> Iterator[None]:
    """Discard what Ray's C++ code writes to standard error in a `with` block, which must be short."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _set_token() -> None:
    """Set a random token for a local Ray, unless the user has set up authentication.

    The variable stays set until this process ends: Ray remembers that it authenticates, so a later `ray.init()` needs
    the token too.
    """
    if not any(name in os.environ for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        # Ray then turns authentication on by itself, with a warning that requires nothing of the user.
        logging.getLogger("ray._private.authentication.authentication_token_setup").setLevel(logging.ERROR)


def check_alive() -> None:
    """Check that the cluster has a node that is alive; a local Ray may die while it starts.

    Raises:
        ClusterError: if it has none.
    """
    if not any(node["Alive"] for node in ray.nodes()):
        raise ClusterError("no node of Ray is alive: it has died while it started; try again")


def not_started(num_actors: int) -> ClusterError:
    """Return the error that some actors did not all start in time, which says what the cluster has."""
    return ClusterError(
        f"{num_actors} actors of one processor each did not all start within {START_TIMEOUT} s: the cluster has "
        f"{count_cpus()} processors, {ray.available_resources().get('CPU', 0):g} of them free; if other work holds "
        "them, free some or ask for fewer actors; if not, the machines are too busy to start actors in time: try again"
    )


def count_cpus() -> int:
    """Return the number of processors of the cluster, free or in use."""
    return int(ray.cluster_resources().get("CPU", 0))


def count_nodes() -> int:
    """Return the number of nodes of the cluster that are alive."""
    return sum(node["Alive"] for node in ray.nodes())
