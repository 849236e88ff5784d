"""Durations of tasks on each actor: how long a task usually takes, and which actor is slow."""

import math
from collections import defaultdict, deque
from statistics import median

NUM_RECENT = 256  # calls that are remembered
NUM_RATIOS = 8  # last comparisons of an actor with the others
MIN_RATIOS = 3  # before an actor is called slow


class Speeds:
    """Seconds per task of the last calls.

    Tasks of one round are alike, and those of the first rounds take longer: first episodes are long. So actors are
    compared within a round.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[str, int, float]] = deque(maxlen=NUM_RECENT)  # actor, round, seconds per task
        self._ratios: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=NUM_RATIOS))

    def add(self, who: str, round: int, seconds: float) -> None:
        """Add a call.

        Args:
            who: name of the actor.
            round: of the tasks.
            seconds: mean duration of one task.
        """
        others = [each for name, number, each in self._recent if number == round and name != who]
        if others and (usual := median(others)) > 0:
            self._ratios[who].append(seconds / usual)
        self._recent.append((who, round, seconds))

    def usual(self, round: int) -> float:
        """Return the median of the seconds per task in a round, or in all if none of it has ended; inf if none has."""
        own = [each for _, number, each in self._recent if number == round]
        return median(own or [each for *_, each in self._recent] or [math.inf])

    def slowness(self, who: str) -> float:
        """Return how many times as long as the others an actor takes, a median; 1 if too little is known."""
        ratios = self._ratios[who]
        return median(ratios) if len(ratios) >= MIN_RATIOS else 1.0
