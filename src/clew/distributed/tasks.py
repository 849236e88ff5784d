"""What is played: the tasks of a round, and playing them in this process."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.behaviours import BEHAVIOURS
from clew.kernels.sampling import new_stream
from clew.policies import Policy, table_shape
from clew.simulation import Simulation, Trajectory

__all__ = ["PlayRound", "Task", "Values", "play", "play_here"]


class Values(NamedTuple):
    """What the streams of a round act by; only read."""

    q: npt.NDArray[np.float32]  # (num_states, num_actions)
    visits: npt.NDArray[np.int32]  # likewise, how often each action was tried; empty if the behaviour doesn't ask


class Task(NamedTuple):
    """What one simulation has to play in one round: everything that decides its episodes, but for the values."""

    num_episodes: int
    behaviour: str
    exploration: float
    exploring_starts: bool
    key: tuple[int, int, int]  # (seed, round, simulation)


PlayRound = Callable[[Values, list[Task]], Iterator[Trajectory]]


def play(simulation: Simulation, values: Values, task: Task) -> Trajectory:
    """Play what a task says. The same task and values give the same trajectory in any process."""
    return simulation.rollouts(
        values.q,
        task.num_episodes,
        behaviour=task.behaviour,
        exploration=task.exploration,
        visits=values.visits,
        exploring_starts=task.exploring_starts,
        stream=new_stream(*task.key),
    )


def play_here(env: Any, behaviour: str) -> PlayRound:
    """Play rounds in this process, one simulation after the other."""
    simulation = Simulation(env)
    # Compiles, if this is the first time, so that rounds are timed without it, and actors find it done.
    counts = np.zeros(table_shape(env) if BEHAVIOURS[behaviour].counts else (0, 0), np.int32)
    play(simulation, Values(Policy(env).q, counts), Task(0, behaviour, 1.0, False, (0, 0, 0)))
    return lambda values, tasks: (play(simulation, values, task) for task in tasks)
