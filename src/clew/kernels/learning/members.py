"""Many trainings in one call: the same learner is trained from the same initial values, once for each stream.

The trainings follow each other in the memory of one learner, which is set back to its initial state before each of
them. So a learner of any algorithm can be trained again and again without Python, whatever arrays it consists of.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels import kernel
from clew.kernels.learning.behaviours import Visits
from clew.kernels.learning.rollouts import EpisodeSpec, EpisodeStats, learn_episodes


class LearnerMemory(NamedTuple):
    """All arrays of a learner as bytes, and the bytes that they hold before training."""

    arrays: tuple[npt.NDArray[np.uint8], ...]  # (num_bytes,) each; the first is the table of action values
    initial: tuple[npt.NDArray[np.uint8], ...]  # copies of them


@kernel
def copy_bytes(source: npt.NDArray[np.uint8], target: npt.NDArray[np.uint8]) -> None:
    """Copy bytes into an array of the same size."""
    for i in range(source.size):
        target[i] = source[i]


@kernel
def learn_members(
    model: Any,
    spec: EpisodeSpec,
    learner: Any,
    behaviour: Any,
    visits: Visits,
    rates: Any,
    memory: LearnerMemory,
    streams: npt.NDArray[np.uint64],
    stats: EpisodeStats,
    tables: npt.NDArray[np.uint8],
) -> None:
    """Train a learner from its initial state with each of several streams.

    Args:
        model: world, see `dynamics`; `fast_model` gives the form that is fastest to step.
        spec: where episodes begin, and after how many steps they are truncated.
        learner: see `learners`; changed in place.
        behaviour: see `behaviours`.
        visits: (num_states, num_actions) int32, counted in place; empty if the behaviour doesn't use it.
        rates: step size and exploration of each episode.
        memory: all arrays of the learner, with `visits` and those of `rates` that are changed.
        streams: (num_members, 2) uint64, a stream of random numbers for each training; changed in place.
        stats: statistics of the episodes, (num_members, num_episodes) arrays; filled in place.
        tables: (num_members, num_bytes) uint8, bytes of the learned action values; filled in place.
    """
    for member in range(streams.shape[0]):
        for k in range(len(memory.arrays)):
            copy_bytes(memory.initial[k], memory.arrays[k])
        episodes = EpisodeStats(stats.steps[member], stats.episode_return[member], stats.terminated[member])
        learn_episodes(model, spec, learner, behaviour, visits, rates, streams[member], episodes)
        copy_bytes(memory.arrays[0], tables[member])
