"""Use of Ray's object store, and Ray's errors as errors of Clew."""

import logging
import re
from typing import Any

import numpy as np
import ray
from ray.exceptions import ObjectStoreFullError, OutOfDiskError, RayActorError, RayError, RayTaskError

from clew.errors import ClewError, ClusterError

logger = logging.getLogger(__name__)

ADDRESS = re.compile(r"\bip=([^\s,)]+)")  # of the host, in Ray's message about an error there


class StoreUsage:
    """Bytes that a training has in Ray's object store on this machine, compared with the capacity of the store.

    Args:
        num_snapshots: largest number of snapshots that are in the store at a time.

    Attributes:
        capacity: of the store on this machine, in bytes.
    """

    def __init__(self, num_snapshots: int) -> None:
        here = ray.get_runtime_context().get_node_id()
        found = [node["Resources"].get("object_store_memory", 0) for node in ray.nodes() if node["NodeID"] == here]
        self.capacity = int(found[0]) if found else 0
        self.num_snapshots = num_snapshots
        self._results, self._snapshots, self._has_warned = 0, 0, False

    def check(self, size: int) -> None:
        """Check that the store can hold all snapshots of a training at once.

        Args:
            size: of one snapshot, in bytes.

        Raises:
            ClusterError: if the store is too small; gives both sizes.
        """
        self._snapshots = size * self.num_snapshots
        if self._snapshots > self.capacity:
            raise ClusterError(
                f"Ray's object store has room for {self.capacity / 1e6:,.0f} MB on this machine, and "
                f"{self.num_snapshots} times the values are {self._snapshots / 1e6:,.0f} MB; start Ray with a larger "
                f"object_store_memory, or take a smaller world, fewer rounds_ahead, or num_actors 0"
            )

    def add_results(self, size: int) -> None:
        """Add results of `size` bytes; warn once if the store can't hold them beside the snapshots."""
        self._results += size
        total = self._snapshots + self._results
        if total > self.capacity and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "the %.0f MB of a round don't fit into Ray's object store of %.0f MB, so Ray writes to the disk; take "
                "a smaller sync_every, or start Ray with a larger object_store_memory",
                total / 1e6,
                self.capacity / 1e6,
            )

    def clear_results(self) -> None:
        """Remove the results of a round from the sum; they have been merged and are released."""
        self._results = 0


def num_bytes(content: Any) -> int:
    """Return the number of bytes of all arrays in nested tuples, lists and dataclasses."""
    if isinstance(content, np.ndarray):
        return content.nbytes
    if isinstance(content, tuple | list):
        return sum(map(num_bytes, content))
    return sum(map(num_bytes, vars(content).values())) if hasattr(content, "__dataclass_fields__") else 0


def as_clew_error(error: RayError) -> ClewError:
    """Return an error of Ray as one of Clew; a ClewError that was raised on an actor is returned as it is."""
    lines = (str(error).strip() or type(error).__name__).splitlines()
    found = ADDRESS.search(str(error))
    host = f"host {found[1]}" if found else "a host"
    if isinstance(error, RayTaskError):
        cause = error.cause
        return cause if isinstance(cause, ClewError) else ClusterError(f"an actor on {host} failed: {cause!r}")
    if isinstance(error, RayActorError) and error.actor_init_failed:  # most often, there is no Clew
        advice = "install the same Clew on every node, and restart Ray there"
        return ClusterError(f"{host} can't be used: {lines[-1].strip()}; {advice}")
    if isinstance(error, RayActorError):
        return ClusterError(f"an actor can't be started: {lines[0]}")
    if isinstance(error, ObjectStoreFullError | OutOfDiskError):
        return ClusterError(f"Ray's object store is full: {lines[0]}; start Ray with a larger object_store_memory")
    return ClusterError(f"Ray failed: {lines[0]}")
