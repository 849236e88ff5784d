"""Learning curve of any number of episodes, thinned to a few hundred points."""

import numpy as np
import numpy.typing as npt

POINTS_PER_EFOLD = 30  # points while the number of episodes grows by a factor of e


class Curve:
    """Mean steps and mean return of groups of successive episodes.

    Groups grow with the number of episodes before them, a thirtieth of it, so there are a few hundred points however
    many episodes there are, and each of the first episodes has a point of its own.

    Attributes:
        points: (episode, mean steps, mean return) of each group; the episode is the one in the middle, from 1.
        num_episodes: number of episodes in all groups.
    """

    def __init__(self) -> None:
        self.points: list[tuple[float, float, float]] = []
        self.num_episodes = 0
        self._pending = np.empty((0, 2))  # steps and return of episodes that don't fill a group yet

    def add(self, steps: npt.NDArray[np.int64], returns: npt.NDArray[np.float64]) -> None:
        """Append episodes, given their steps and their returns, (num_episodes,) each."""
        pending, begin = np.concatenate([self._pending, np.stack([steps, returns], axis=1)]), 0
        while len(pending) - begin >= (size := 1 + self.num_episodes // POINTS_PER_EFOLD):
            mean = pending[begin : begin + size].mean(axis=0)
            self.points.append((self.num_episodes + (size + 1) / 2, float(mean[0]), float(mean[1])))
            self.num_episodes += size
            begin += size
        self._pending = pending[begin:]
