"""Blocks in this process, or on Ray actors; and what happens when an actor is lost.

Unlike the actors of rounds, those of blocks keep something: that is what they are for. But a block is decided by its
part and by the calls that came since, all of them small. So the pool writes down the calls, and a block that was lost
with its actor is made again by another, which is given the same calls once more: it comes out the same to the last bit.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from clew.distributed.blocks.block import Block
from clew.distributed.blocks.cuts import Part
from clew.errors import ClusterError

__all__ = ["BlockPool", "open_pool"]

logger = logging.getLogger(__name__)

MAX_LOST = 3  # times that a call is made again
# Calls that change a block, by what they change; the first of a kind makes the earlier ones of no account.
CHANGES = {
    "begin_plan": "plan",
    "plan_values": "plan",
    "go_on": "plan",
    "certify": "plan",
    "begin_learning": "learning",
    "learn": "learning",
    "settle": "learning",
}
Arguments = Mapping[int, tuple[Any, ...]]  # of a call, by the number of the block


class BlockPool(Protocol):
    """Where blocks are held."""

    num_lost: int  # actors that were lost

    def call(self, name: str, arguments: Arguments) -> dict[int, Any]:
        """Call a method of some blocks; returns what each gave, in the order of the blocks."""


class BlocksHere:
    """All blocks in this process."""

    def __init__(self, parts: list[Part]) -> None:
        self.blocks = [Block(part) for part in parts]
        self.num_lost = 0

    def call(self, name: str, arguments: Arguments) -> dict[int, Any]:
        """See `BlockPool`."""
        return {i: getattr(self.blocks[i], name)(*arguments[i]) for i in sorted(arguments)}


class BlockHolder:
    """What runs on an actor."""

    def __init__(self, parts: dict[int, Part]) -> None:
        self.blocks = {i: Block(part) for i, part in parts.items()}

    def answer(self) -> None:
        """Answer, in a thread of its own: it's there, whatever it's doing."""

    def call(self, name: str, arguments: Arguments) -> dict[int, Any]:
        """See `BlockPool`."""
        return {i: getattr(self.blocks[i], name)(*arguments[i]) for i in sorted(arguments)}


@dataclass(eq=False)
class Holder:
    """An actor, and the blocks that it holds."""

    name: str
    parts: dict[int, Part]
    actor: Any
    has_answered: bool = False  # before that it may be making its blocks, which takes as long as it takes
    history: list[tuple[str, Arguments]] = field(default_factory=list)

    def note(self, name: str, arguments: Arguments) -> None:
        """Write a call down, if it changes a block."""
        if name not in CHANGES:
            return
        if name.startswith("begin"):
            self.history = [call for call in self.history if CHANGES[call[0]] != CHANGES[name]]
        self.history.append((name, arguments))


class BlocksOnActors:
    """Blocks on Ray actors, some on each."""

    def __init__(self, parts: list[Part], num_actors: int) -> None:
        import ray

        self.ray = ray
        self.num_lost = 0
        holder_class = ray.remote(num_cpus=1, concurrency_groups={"health": 1})(BlockHolder)
        self._start = holder_class.remote
        self.holders = []
        for k, share in enumerate(np.array_split(np.arange(len(parts)), num_actors)):
            mine = {int(i): parts[i] for i in share}
            self.holders.append(Holder(f"actor {k}", mine, self._start(mine)))

    def call(self, name: str, arguments: Arguments) -> dict[int, Any]:
        """See `BlockPool`. All actors work at the same time."""
        calls = []
        for holder in self.holders:
            mine = {i: arguments[i] for i in holder.parts if i in arguments}
            if mine:
                calls.append((holder, mine, holder.actor.call.remote(name, mine)))
        results: dict[int, Any] = {}
        for holder, mine, reference in calls:
            results |= self._result(holder, name, mine, reference)
            holder.note(name, mine)
        return results

    def close(self) -> None:
        """Stop all actors."""
        for holder in self.holders:
            self.ray.kill(holder.actor)

    def _result(self, holder: Holder, name: str, arguments: Arguments, reference: Any) -> dict[int, Any]:
        from clew.distributed.store import explain

        for _ in range(MAX_LOST):
            try:
                reason = self._wait(holder, reference)
                if not reason:
                    result: dict[int, Any] = self.ray.get(reference)
                    holder.has_answered = True
                    return result
                self.ray.kill(holder.actor)
            except self.ray.exceptions.RayActorError as error:
                reason = str(error).strip().splitlines()[0]
            except self.ray.exceptions.RayError as error:
                raise explain(error) from error
            logger.warning(
                "%s is lost with %s, which another works out again: %s", holder.name, _listed(holder), reason
            )
            reference = self._restore(holder, name, arguments)
        raise ClusterError(f"{holder.name} was lost {MAX_LOST} times at the same work, with {_listed(holder)}")

    def _wait(self, holder: Holder, reference: Any) -> str:
        """Wait for a result; who works for long is asked if it's still there. Says why there will be none, if so."""
        from clew.distributed import actors

        while not self.ray.wait([reference], timeout=actors.SECONDS_TO_ASK)[0]:
            answer = holder.actor.answer.options(concurrency_group="health").remote()
            patience = actors.SECONDS_TO_ANSWER if holder.has_answered else None
            done, _ = self.ray.wait([reference, answer], timeout=patience)
            if not done:
                return f"it hasn't answered for {patience:g} s"
            holder.has_answered = True
        return ""

    def _restore(self, holder: Holder, name: str, arguments: Arguments) -> Any:
        """Start another actor, and give it all calls that made the blocks what they were, and the one that is due."""
        self.num_lost += 1
        holder.actor, holder.has_answered = self._start(holder.parts), False
        for call in holder.history:
            holder.actor.call.remote(*call)
        return holder.actor.call.remote(name, arguments)


def _listed(holder: Holder) -> str:
    return f"block{'s' if len(holder.parts) > 1 else ''} {', '.join(map(str, holder.parts))}"


@contextmanager
def open_pool(parts: list[Part], num_actors: int) -> Iterator[BlockPool]:
    """Hold blocks in this process (no actors), or on so many actors at most.

    Raises:
        ClusterError: if the cluster can't place the actors.
    """
    if num_actors == 0:
        yield BlocksHere(parts)
        return
    from clew.distributed.cluster import connected

    num_actors = min(num_actors, len(parts))
    with connected(num_actors):
        pool = BlocksOnActors(parts, num_actors)
        try:
            yield pool
        finally:
            pool.close()
