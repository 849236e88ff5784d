"""What episodes came to, in a few hundred points, however many there were."""

import numpy as np
import numpy.typing as npt

__all__ = ["POINTS", "Curve"]

POINTS = 30  # while the number of episodes grows to e times as many


class Curve:
    """What the episodes came to, in points that get farther apart: each is the mean over a thirtieth of those before.

    So there are some hundred of them, however many episodes there were, and the first ones can still be told apart.

    Attributes:
        points: (episode, steps, return) each; the episode is the one in the middle.
        num_episodes: of all points.
    """

    def __init__(self) -> None:
        self.points: list[tuple[float, float, float]] = []
        self.num_episodes = 0
        self._rest = np.empty((0, 2))  # episodes that don't make a point yet

    def add(self, steps: npt.NDArray[np.int64], returns: npt.NDArray[np.float64]) -> None:
        """Add episodes in their order."""
        rest, at = np.concatenate([self._rest, np.stack([steps, returns], axis=1)]), 0
        while len(rest) - at >= (size := 1 + self.num_episodes // POINTS):
            mean = rest[at : at + size].mean(axis=0)
            self.points.append((self.num_episodes + (size + 1) / 2, float(mean[0]), float(mean[1])))
            self.num_episodes += size
            at += size
        self._rest = rest[at:]
