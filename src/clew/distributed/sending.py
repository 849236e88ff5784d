"""A job in the form in which it is sent to actors.

It is pickled and unpickled here, not by Ray, so that an environment that can't be sent, or can't be loaded on a node,
is an error of one line. Ray would write a traceback of its own for it.
"""

import pickle
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from ray import cloudpickle

from clew.distributed.handshake import describe_process
from clew.distributed.tasks import Job
from clew.errors import ClusterError
from clew.policies.plugins import describe_failure


class PickledJob(NamedTuple):
    """A job, pickled."""

    content: bytes  # all but the arrays
    buffers: list[npt.NDArray[np.uint8]]  # of its arrays; Ray doesn't copy them for each actor of a node


def pickle_job(job: Job) -> PickledJob:
    """Pickle a job in the process of the driver.

    Raises:
        ClusterError: if its environment can't be pickled.
    """
    buffers: list[pickle.PickleBuffer] = []
    try:
        content = cloudpickle.dumps(job, protocol=5, buffer_callback=buffers.append)
    except Exception as error:  # of the environment
        reason = f"{type(error).__name__}: {error}"
        raise ClusterError(
            f"the environment can't be sent to actors: {reason}; leave what can't be pickled out of its __getstate__, "
            "or take num_actors 0"
        ) from error
    return PickledJob(content, [np.frombuffer(each.raw(), np.uint8) for each in buffers])


def unpickle_job(pickled: PickledJob) -> Job:
    """Return a job in the process of an actor.

    Raises:
        ClusterError: if its environment can't be loaded here; names this host.
    """
    try:
        job: Job = pickle.loads(pickled.content, buffers=pickled.buffers)
    except Exception as error:  # of the environment
        advice = ""
        if isinstance(error, ImportError):
            advice = "; install it on every node, or put its folder on PYTHONPATH before Ray is started"
        raise ClusterError(
            f"host {describe_process()['host']} can't be used: the environment can't be loaded there: "
            f"{describe_failure(error)}{advice}"
        ) from None
    return job
