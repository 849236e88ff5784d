"""Parallel training on Ray actors or in this process, with the same bits as the result.

    training      train_policy_parallel: trains a policy from several simulations
    settings      Sharing: the settings of parallel training
    rounds        synchronous rounds: tasks are run from the same values, and results are merged in order
    asynchronous  rounds without waiting: results are merged in the order of their arrival
    tasks         jobs, tasks and results; running tasks in this process
    central       simulations play, one learner learns
    local         each simulation learns, and tables are merged
    actors        ActorPool: distributes tasks among Ray actors, each of them a `simulation_actor`
    calls         what was sent to each actor, and what is late; `speeds` has the durations
    functions     a function that is called on actors: the blocks of an experiment
    handshake     which actors would compute the same bits
    store         Ray's object store, and Ray's errors
    cluster       connecting to a running Ray, or starting and stopping one
    blocks        tables larger than one process: worlds cut into blocks, planned and learned by actors
    forecast      the expected time of a training on actors, and in this process, from measured rounds
    scaling       a model of the duration of a round; `calibration` measures its parameters

Only this package imports Ray, and only when actors are asked for.
"""

from importlib import import_module
from typing import Any

from clew.distributed.training import train_parallel, train_policy_parallel

__all__ = ["SimulationActor", "as_actor", "train_parallel", "train_policy_parallel"]


def __getattr__(name: str) -> Any:
    if name in ("SimulationActor", "as_actor"):
        return getattr(import_module("clew.distributed.simulation_actor"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
