"""Pools that hold blocks: in this process, or on Ray actors, with recovery of lost actors.

Unlike the actors of rounds, those of blocks have state. But the spec of a block and the calls so far determine it, and
they are small. So the pool records the calls: when an actor is lost, another is given the same specs and calls, and
computes its blocks again, to the same bits.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clew.distributed.blocks.block import Block
from clew.distributed.blocks.partition import BlockSpec
from clew.distributed.handshake import Handshakes, describe_process
from clew.errors import ClusterError

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3  # of a call, each on another actor
# Methods of Block that change its state, and which part of it.
STATE_CHANGES = {
    "plan_distances": "plan",
    "plan_values": "plan",
    "update_plan": "plan",
    "certify": "plan",
    "begin_learning": "learning",
    "learn": "learning",
    "apply_halo": "learning",
}
RESETS = ("plan_distances", "begin_learning")  # the state doesn't depend on calls before these
BlockArguments = Mapping[int, tuple[Any, ...]]  # arguments of a call, by the number of the block


class BlockHolder:
    """Holds some blocks in one process: all of them in this process, or its share in an actor."""

    num_lost = 0  # number of actors that have been lost
    blocks: dict[int, Block]

    def ready(self) -> dict[str, str]:
        """Return the description of this process: the actor runs; Ray runs this in a thread of its own."""
        return describe_process()

    def hold(self, specs: dict[int, BlockSpec]) -> None:
        """Make the blocks to hold, from their specs by their numbers."""
        self.blocks = {i: Block(spec) for i, spec in specs.items()}

    def call(self, name: str, arguments: BlockArguments) -> dict[int, Any]:
        """Call a method of some blocks, one after the other; return the results by number of the block, ascending."""
        results = {}
        for i in sorted(arguments):
            begun = time.perf_counter()
            results[i] = getattr(self.blocks[i], name)(*arguments[i])
            self.blocks[i].seconds += time.perf_counter() - begun
        return results


@dataclass(eq=False)
class BlockActorHandle:
    """An actor that holds blocks, as the driver knows it.

    Attributes:
        name: "actor" and its number.
        specs: of its blocks, by their numbers.
        actor: Ray's handle.
        start_refs: references that are ready once it runs (its description, see `handshake`) and has made its blocks;
            None afterwards.
        has_answered: whether it has answered since it was started; before, it may still be making its blocks.
        calls: calls that determine the state of its blocks, in order.
    """

    name: str
    specs: dict[int, BlockSpec]
    actor: Any = None
    start_refs: tuple[Any, Any] | None = None
    has_answered: bool = False
    calls: list[tuple[str, BlockArguments]] = field(default_factory=list)

    def record(self, name: str, arguments: BlockArguments) -> None:
        """Record a call, if it changes the state of blocks; a reset removes the calls that no longer matter."""
        if name in RESETS:
            self.calls = [call for call in self.calls if STATE_CHANGES[call[0]] != STATE_CHANGES[name]]
        if name in STATE_CHANGES:
            self.calls.append((name, arguments))


class ActorBlocks:
    """Holds blocks on Ray actors, a number of adjacent blocks on each.

    Args:
        specs: of all blocks.
        num_actors: number of actors; not more than blocks.
    """

    def __init__(self, specs: list[BlockSpec], num_actors: int) -> None:
        import ray

        self.ray = ray
        self.num_lost = 0
        self._make_actor = ray.remote(num_cpus=1, concurrency_groups={"health": 1})(BlockHolder).remote
        self._handshakes = Handshakes()
        shares = [{int(i): specs[i] for i in share} for share in np.array_split(np.arange(len(specs)), num_actors)]
        self.handles = [BlockActorHandle(f"actor {k}", held) for k, held in enumerate(shares)]
        for handle in self.handles:
            self._start(handle)

    def call(self, name: str, arguments: BlockArguments) -> dict[int, Any]:
        """Call a method of some blocks, on all actors at once; return the results by number of the block, ascending."""
        shares = [(handle, {i: arguments[i] for i in handle.specs if i in arguments}) for handle in self.handles]
        calls = [(handle, own, handle.actor.call.remote(name, own)) for handle, own in shares if own]
        results: dict[int, Any] = {}
        for handle, own, reference in calls:
            results |= self._get(handle, name, own, reference)
            handle.record(name, own)
        return results

    def _start(self, handle: BlockActorHandle) -> None:
        """Start an actor, and have it make its blocks."""
        handle.actor, handle.has_answered = self._make_actor(), False
        handle.start_refs = self._ask(handle), handle.actor.hold.remote(handle.specs)

    def _ask(self, handle: BlockActorHandle) -> Any:
        """Return a reference to the description of an actor, which it gives also while it works."""
        return handle.actor.ready.options(concurrency_group="health").remote()

    def close(self) -> None:
        """Stop all actors."""
        for handle in self.handles:
            self.ray.kill(handle.actor)

    def _get(self, handle: BlockActorHandle, name: str, arguments: BlockArguments, reference: Any) -> dict[int, Any]:
        """Return the result of a call; if its actor is lost, restore the blocks on another, and call again there.

        Raises:
            ClusterError: if three actors have been lost with this call, or if one can't be used, see `handshake`.
        """
        from clew.distributed.store import as_clew_error

        for _ in range(MAX_ATTEMPTS):
            try:
                if handle.start_refs is not None:
                    hello, held = handle.start_refs
                    self._check_started(hello)
                    self._handshakes.accept(self.ray.get(hello), has_joined=self.num_lost > 0)
                    self.ray.get(held)
                    handle.start_refs = None
                reason = self._wait(handle, reference)
                if not reason:
                    result: dict[int, Any] = self.ray.get(reference)
                    handle.has_answered = True
                    return result
                self.ray.kill(handle.actor)
            except self.ray.exceptions.RayActorError as error:
                if error.actor_init_failed:
                    raise as_clew_error(error) from error
                reason = str(error).strip().splitlines()[0]
            except self.ray.exceptions.RayError as error:
                raise as_clew_error(error) from error
            logger.warning("%s is lost with %s, which another computes again: %s", handle.name, _blocks(handle), reason)
            reference = self._restore(handle, name, arguments)
        raise ClusterError(
            f"{handle.name}, with {_blocks(handle)}, was lost {MAX_ATTEMPTS} times in the same call; check the "
            f"memory of the nodes"
        )

    def _check_started(self, hello: Any) -> None:
        """Wait until an actor runs; one in the place of a lost one may wait for a node to join, without a limit.

        Raises:
            ClusterError: if it doesn't in time, because the cluster has no free processor for it.
        """
        from clew.distributed import cluster

        if not self.num_lost and not self.ray.wait([hello], timeout=cluster.START_TIMEOUT)[0]:
            raise cluster.not_started(len(self.handles))

    def _wait(self, handle: BlockActorHandle, reference: Any) -> str:
        """Wait for the result of a call; an actor that works for some seconds is sent a health check.

        Returns:
            "" when the result is there; the reason if the actor doesn't answer the health check in time.
        """
        from clew.distributed import actors

        while not self.ray.wait([reference], timeout=actors.SECONDS_BEFORE_HEALTH_CHECK)[0]:
            answer = self._ask(handle)
            timeout = actors.HEALTH_CHECK_TIMEOUT if handle.has_answered else None
            done, _ = self.ray.wait([reference, answer], timeout=timeout)
            if not done:
                return f"it hasn't answered for {timeout:g} s"
            handle.has_answered = True
        return ""

    def _restore(self, handle: BlockActorHandle, name: str, arguments: BlockArguments) -> Any:
        """Start another actor, repeat the recorded calls and the current one there; return the latter's reference."""
        self.num_lost += 1
        self._start(handle)
        for call in handle.calls:
            handle.actor.call.remote(*call)
        return handle.actor.call.remote(name, arguments)


BlockPool = BlockHolder | ActorBlocks  # holds all blocks


def _blocks(handle: BlockActorHandle) -> str:
    """Return the numbers of the blocks of an actor as text, such as "blocks 2, 3"."""
    return f"block{'s' if len(handle.specs) > 1 else ''} {', '.join(map(str, handle.specs))}"


@contextmanager
def open_pool(specs: list[BlockSpec], num_actors: int) -> Iterator[BlockPool]:
    """Provide a pool that holds blocks: in this process if `num_actors` is 0, otherwise on Ray actors.

    Args:
        specs: of all blocks.
        num_actors: number of actors; not more than blocks are started.

    Raises:
        ClusterError: if the cluster can't place the actors.
    """
    if num_actors == 0:
        here = BlockHolder()
        here.hold(dict(enumerate(specs)))
        yield here
        return
    from clew.distributed.cluster import connected

    num_actors = min(num_actors, len(specs))
    with connected(num_actors), closing(ActorBlocks(specs, num_actors)) as pool:
        yield pool
