"""Handshake of the driver with its actors: would they compute the same bits?

An actor says which Clew, NumPy, Numba and Python it runs, and on which processor and host. Another Clew (by version or
by the hash of its sources), NumPy, Numba or minor version of Python is refused, because other bits may follow.

Another processor is not refused. Kernels are compiled without `fastmath`, so LLVM neither reorders sums nor fuses a
product and a sum into one rounding, and IEEE 754 determines the result of each operation. Only exponentials and
logarithms, of softmax and UCB, come from the C library, which may choose its code by the processor. So both processes
compute some thousands of them: if a bit differs, a warning says so.

The modules of users that an algorithm or an exploration strategy comes from are imported by each actor, and refused if
their source is another than the driver's.
"""

import functools
import hashlib
import logging
import math
import platform
import random
import socket
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from clew.errors import ClusterError
from clew.kernels.cache import NUMBA_VERSION, processor
from clew.policies.plugins import Plugin, why_not_the_same
from clew.version import __version__, hash_sources

logger = logging.getLogger(__name__)

NUM_ARGUMENTS = 10_000  # of exponentials and logarithms that are compared
SAME = {"clew": "Clew", "numpy": "NumPy", "numba": "Numba", "python": "Python"}  # what has to be the same, and its name


@functools.cache
def describe_process() -> dict[str, str]:
    """Return what determines the bits that this process computes: versions and processor; and the name of its host.

    The keys are `host`, `clew`, `sources`, `numpy`, `numba`, `python` (major and minor version), `processor` and
    `arithmetic`. These are plain strings, so that any version of Clew can read what another sends.
    """
    return {
        "host": socket.gethostname(),
        "clew": __version__,
        "sources": hash_sources(),
        "numpy": np.__version__,
        "numba": NUMBA_VERSION,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "processor": processor(),
        "arithmetic": hash_arithmetic(),
    }


def hash_arithmetic() -> str:
    """Return a hash of exponentials and logarithms of the C library, which kernels call too."""
    rng = random.Random(0)
    arguments = [rng.uniform(-30.0, 0.0) for _ in range(NUM_ARGUMENTS)]
    values = [f(x) for x in arguments for f in (math.exp, lambda x: math.log(1.0 - x))]
    return hashlib.sha256(np.array(values).tobytes()).hexdigest()


def find_difference(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """Return in words why an actor can't be used, such as "it has NumPy 2.3, and the driver NumPy 2.4"; "" if it can.

    Args:
        here: description of the driver.
        there: description of the actor; empty if it runs a Clew that doesn't describe itself yet.
    """
    if not there:
        return f"it has an older Clew, which doesn't say its version, and the driver Clew {here['clew']}"
    if others := [name for name in SAME if here[name] != there[name]]:
        theirs, ours = (", ".join(f"{SAME[name]} {each[name]}" for name in others) for each in (there, here))
        return f"it has {theirs}, and the driver {ours}"
    if here["sources"] != there["sources"]:
        return (
            f"it has Clew {there['clew']} with the sources {there['sources']:.8}, and the driver with the sources "
            f"{here['sources']:.8}"
        )
    return ""


def check_plugins(plugins: Iterable[Plugin]) -> None:
    """Import the plug-ins of a job in this process, that of an actor, and check that they are those of the driver.

    Raises:
        ClusterError: if one can't be imported, or has another source; names this host.
    """
    for each in plugins:
        if difference := why_not_the_same(each):
            raise ClusterError(f"host {describe_process()['host']} can't be used: {difference}")


class Handshakes:
    """Handshakes of one pool: compares each actor with this process, and says each remarkable host once.

    Attributes:
        hosts: names of the hosts whose actors were accepted.
    """

    def __init__(self) -> None:
        self.hosts: set[str] = set()
        self._processors = {(describe_process()["processor"], describe_process()["arithmetic"])}

    def accept(self, answer: Any, has_joined: bool = False) -> str:
        """Compare an actor with this process, and return the name of its host.

        Args:
            answer: what `describe_process` returned there; an older Clew answers something else.
            has_joined: whether the actor was started in the middle of a run; a new host is then said.

        Raises:
            ClusterError: if it could compute other bits; names the host and both versions.
        """
        here = describe_process()
        there: dict[str, str] = answer if isinstance(answer, dict) else {}
        host = there.get("host", "of an actor")
        if difference := find_difference(here, there):
            raise ClusterError(
                f"host {host} can't be used: {difference}; install the same on every node, and restart Ray there"
            )
        self._compare_processors(host, there)
        if has_joined and host not in self.hosts and host != here["host"]:
            logger.info("host %s has joined", host)
        self.hosts.add(host)
        return host

    def _compare_processors(self, host: str, there: Mapping[str, str]) -> None:
        """Log another processor once, with a warning if it computes other exponentials or logarithms."""
        here, kind = describe_process(), (there["processor"], there["arithmetic"])
        if kind in self._processors:
            return
        self._processors.add(kind)
        if there["arithmetic"] != here["arithmetic"]:
            logger.warning(
                "host %s (%s) computes other exponentials or logarithms than this one (%s): with softmax and UCB the "
                "last bits depend on which host runs a simulation",
                host,
                there["processor"],
                here["processor"],
            )
        else:
            logger.info("host %s has another processor (%s, here %s)", host, there["processor"], here["processor"])
