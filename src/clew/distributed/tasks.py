"""What is played: the tasks of a round, and playing them in this process."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.kernels.sampling import new_stream
from clew.policies import Policy
from clew.simulation import Simulation, Trajectory

__all__ = ["PlayRound", "Task", "Values", "play", "play_here"]

Values = npt.NDArray[np.float32]


class Task(NamedTuple):
    """What one simulation has to play in one round: everything that decides its episodes, but for the values."""

    num_episodes: int
    epsilon: float
    key: tuple[int, int, int]  # (seed, round, simulation)


PlayRound = Callable[[Values, list[Task]], Iterator[Trajectory]]


def play(simulation: Simulation, q: Values, task: Task) -> Trajectory:
    """Play what a task says. The same task and values give the same trajectory in any process."""
    return simulation.rollouts(q, task.num_episodes, epsilon=task.epsilon, stream=new_stream(*task.key))


def play_here(env: Any) -> PlayRound:
    """Play rounds in this process, one simulation after the other."""
    simulation = Simulation(env)
    play(simulation, Policy(env).q, Task(0, 0.0, (0, 0, 0)))  # compiles, if this is the first time
    return lambda q, tasks: (play(simulation, q, task) for task in tasks)
