"""Statistics that a training reports after each round."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class RoundMetrics:
    """Training statistics of one round, or of several short ones in succession.

        >>> import clew
        >>> rows = []
        >>> policy = clew.train_policy(clew.Environment(clew.Maze.open(5, 5)), 1000, seed=1, callback=rows.append)
        >>> len(rows), rows[-1].num_episodes, rows[-1].terminated_rate
        (100, 10, 1.0)

    Attributes:
        round: number of the (last) round, from 0.
        num_episodes: number of episodes that ended in this round.
        num_steps: number of steps in this round.
        mean_steps: steps per episode.
        terminated_rate: share of episodes that the world terminated, and no step limit truncated.
        mean_return: undiscounted sum of rewards per episode.
        seconds: wall time of the round.
        num_ended: number of episodes that have ended since the training began.
        total_episodes: number of episodes of the whole training.
        staleness: number of earlier rounds that had not been merged into the values with which the round began.
        num_bytes: bytes sent for the round: values to the object store, and transitions or changes back from actors.
    """

    round: int
    num_episodes: int
    num_steps: int
    mean_steps: float
    terminated_rate: float
    mean_return: float
    seconds: float
    num_ended: int
    total_episodes: int
    staleness: int = 0
    num_bytes: int = 0

    @classmethod
    def from_totals(
        cls,
        number: int,
        num_episodes: int,
        stats: Iterable[float],
        begun: float,
        *,
        num_ended: int,
        total_episodes: int,
        staleness: int = 0,
        num_bytes: int = 0,
    ) -> "RoundMetrics":
        """Make the metrics of a round that ends now.

        Args:
            number: number of the round, from 0.
            num_episodes: number of episodes that ended in this round.
            stats: (steps, terminated episodes, sum of rewards) of the round.
            begun: `time.perf_counter()` when the round began.
            num_ended: see the attribute.
            total_episodes: see the attribute.
            staleness: see the attribute.
            num_bytes: see the attribute.
        """
        steps, num_terminated, rewards = (float(total) for total in stats)
        return cls(
            round=number,
            num_episodes=num_episodes,
            num_steps=int(steps),
            mean_steps=steps / num_episodes,
            terminated_rate=num_terminated / num_episodes,
            mean_return=rewards / num_episodes,
            seconds=time.perf_counter() - begun,
            num_ended=num_ended,
            total_episodes=total_episodes,
            staleness=staleness,
            num_bytes=num_bytes,
        )


Callback = Callable[[RoundMetrics], None]
Watch = Callable[[npt.NDArray[np.float32]], None]
