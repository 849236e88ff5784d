"""How much rounding can add to a backup: what every bound counts."""

import numpy as np

from clew.kernels.dynamics import HAZARD, Grid, Sparse
from clew.models.mdp import FiniteMDP

__all__ = ["Rounding"]

EPSILON = float(np.finfo(np.float64).eps)


class Rounding:
    """What a computed backup may be off by, in a world.

    The world meant is the one whose probabilities sum to 1 exactly: where those of a row are off, that counts as well.

    Attributes:
        max_reward: greatest absolute reward.
        relative: greatest error of a backup, relative to the greatest reward and the greatest value together.
    """

    def __init__(self, mdp: FiniteMDP) -> None:
        if isinstance(mdp.model, Grid):
            grid = mdp.model
            hazard = grid.hazard_reward if (grid.cells & HAZARD).any() else 0.0
            rewards = (grid.step_reward, grid.goal_reward, grid.outer_wall_reward, hazard)
            self.max_reward = sum(map(abs, rewards))
            num_outcomes, excess = 3, EPSILON
        else:
            model = mdp.model
            assert isinstance(model, Sparse)
            counts = np.diff(model.offsets)
            self.max_reward = float(np.abs(model.rewards).max(initial=0.0))
            num_outcomes = int(counts.max(initial=0))
            sums = np.bincount(np.repeat(np.arange(counts.size), counts), model.probabilities, counts.size)
            # The sum itself is rounded, too.
            excess = float(np.abs(sums - 1.0)[counts > 0].max(initial=0.0)) + num_outcomes * EPSILON
        # A relative error for every outcome, the reward, the product and the sum.
        self.relative = (4 + num_outcomes) * EPSILON + excess

    def of_backup(self, greatest_value: float) -> float:
        """Greatest error of a backup of values that are at most that, in absolute value."""
        return self.relative * (self.max_reward + greatest_value)
