"""Ray's object store, how much it has to hold, and Ray's errors in our words."""

import logging
from typing import Any

import numpy as np
import ray
from ray.exceptions import ObjectStoreFullError, OutOfDiskError, RayActorError, RayError, RayTaskError

from clew.errors import ClewError, ClusterError

__all__ = ["Store", "explain", "num_bytes"]

logger = logging.getLogger(__name__)


class Store:
    """What Ray's object store of this machine has to hold, and whether it can."""

    def __init__(self, num_values: int) -> None:
        here = ray.get_runtime_context().get_node_id()
        rooms = [node["Resources"].get("object_store_memory", 0) for node in ray.nodes() if node["NodeID"] == here]
        self.room = int(rooms[0]) if rooms else 0
        self.num_values = num_values  # so many copies of the values are alive at a time
        self._results, self._values, self._said = 0, 0, False

    def check(self, size: int) -> None:
        """Refuse values that the store can't hold.

        Raises:
            ClusterError: says what it has room for.
        """
        self._values = size * self.num_values
        if self._values > self.room:
            raise ClusterError(
                f"Ray's object store has room for {self.room / 1e6:,.0f} MB on this machine, and {self.num_values} "
                f"times the values are {self._values / 1e6:,.0f} MB; start Ray with a larger object_store_memory, or "
                f"take a smaller world, fewer rounds_ahead, or num_actors 0"
            )

    def note(self, size: int) -> None:
        """Note results of this size; say so, once, if they don't fit beside the values: Ray then uses the disk."""
        self._results += size
        if self._values + self._results > self.room and not self._said:
            self._said = True
            logger.warning(
                "the %.0f MB of a round don't fit into Ray's object store of %.0f MB, so Ray writes to the disk; take "
                "a smaller sync_every, or start Ray with a larger object_store_memory",
                (self._values + self._results) / 1e6,
                self.room / 1e6,
            )

    def forget(self) -> None:
        """The results of a round have been taken in."""
        self._results = 0


def num_bytes(content: Any) -> int:
    """Bytes of all arrays in nested tuples, lists and dataclasses."""
    if isinstance(content, np.ndarray):
        return content.nbytes
    if isinstance(content, tuple | list):
        return sum(map(num_bytes, content))
    return sum(map(num_bytes, vars(content).values())) if hasattr(content, "__dataclass_fields__") else 0


def explain(error: RayError) -> ClewError:
    """Ray's error in our words; a mistake of the user's comes back as the error it was on the actor."""
    if isinstance(error, RayTaskError):
        cause = error.cause
        return cause if isinstance(cause, ClewError) else ClusterError(f"an actor failed: {cause!r}")
    first_line = str(error).strip().splitlines()[0]
    if isinstance(error, RayActorError):
        return ClusterError(f"an actor can't be started: {first_line}")
    if isinstance(error, ObjectStoreFullError | OutOfDiskError):
        return ClusterError(f"Ray's object store is full: {first_line}; start Ray with a larger object_store_memory")
    return ClusterError(f"Ray failed: {first_line}")
