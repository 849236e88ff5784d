"""Training over many streams of episodes, in this process or on Ray actors; the bits of the result are the same.

    rounds    train_policy_parallel: what is learned, and in which order; knows nothing of Ray
    tasks     what is played, and playing it in this process; neither does it
    actors    SimulationActor, and the rounds played on actors
    cluster   finding a running Ray, or starting and stopping one
    blocks    worlds cut into blocks, each planned and learned by its holder

This folder is the only place that imports Ray, and it does so when actors are asked for, not before.
"""

from importlib import import_module
from typing import Any

from clew.distributed.rounds import train_policy_parallel

__all__ = ["SimulationActor", "as_actor", "train_policy_parallel"]


def __getattr__(name: str) -> Any:
    if name in ("SimulationActor", "as_actor"):
        return getattr(import_module("clew.distributed.actors"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
